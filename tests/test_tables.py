"""Encoding of table columns as numbers: statistics, categories, errors, and round trips through
a model."""

import json

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")

from fastnn.tables import encoding as tables  # noqa: E402
from fastnn.tables.encoding import Column, Encoding, Target, infer_target  # noqa: E402
from fastnn.tables.files import TableError, read  # noqa: E402

PATH = "a.csv"


def table_of(**columns):
    return pa.table(columns)


def learn(table, target="y", rows=None, drop=()):
    found = infer_target(PATH, table, target)
    return Encoding.fit(
        PATH, table, found, np.arange(table.num_rows) if rows is None else np.array(rows), drop
    )


def X_of(**columns):
    """The encoded inputs of a table with these columns; the target does not matter."""
    n = len(next(iter(columns.values())))
    table = table_of(**columns, y=[0, 1] * (n // 2) + [0] * (n % 2))
    return learn(table).encode(PATH, table)[0]


# ---- columns ----


def test_numbers_are_standardized():
    X = X_of(a=[1, 2, 3, 4], b=[1.5, 2.5, 1.5, 2.5])
    assert X.dtype == np.float32 and X.shape == (4, 2)
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-7)
    np.testing.assert_allclose(X.std(axis=0), 1, rtol=1e-6)
    assert X[:, 1].tolist() == [-1, 1, -1, 1]


@pytest.mark.parametrize(
    "array",
    [
        pa.array([1, 2, 3, 5], pa.uint8()),
        pa.array(np.array([1, 2, 3, 5], np.float16)),
        pa.array([1, 2, 3, 5], pa.decimal128(10, 2)),
        pa.array(
            [2**60 + 2**56 * k for k in (1, 2, 3, 5)], pa.int64()
        ),  # more than float64 holds exactly
    ],
    ids=lambda array: str(array.type),
)
def test_every_kind_of_number(array):
    np.testing.assert_allclose(
        X_of(a=array)[:, 0], (np.array([1, 2, 3, 5]) - 2.75) / np.std([1, 2, 3, 5]), rtol=1e-6
    )


def test_booleans_are_numbers():
    assert X_of(a=[True, False, True, False])[:, 0].tolist() == [1, -1, 1, -1]


def test_missing_numbers_become_the_mean_and_a_mark():
    X = X_of(a=[1.0, None, 3.0, np.nan])
    assert X.tolist() == [[-1, 0], [0, 1], [1, 0], [0, 1]]
    assert X_of(a=[5, None, 5, None]).tolist() == [
        [0, 0],
        [0, 1],
        [0, 0],
        [0, 1],
    ]  # a missing value may be informative


def test_categories_become_a_column_each():
    assert X_of(c=["b", "a", "b", "c"]).tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert X_of(c=["b", None, "b", "c"]).tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert X_of(c=["b", None, "b", None]).tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]


def test_the_encoding_is_learned_from_training_rows_only():
    table = table_of(a=[1.0, 3.0, 1000.0, None], c=["x", "z", "new", None], y=[0, 1, 0, 1])
    encoding = learn(table, rows=[0, 1])
    assert encoding.columns == [Column("a", None, 2.0, 1.0), Column("c", ["x", "z"])]
    X, notes = encoding.encode(PATH, table, unseen_is_missing=True)
    assert X.tolist() == [[-1, 1, 0], [1, 0, 1], [998, 0, 0], [0, 0, 0]]
    assert notes == [
        "column 'a': 1 row with missing values, which the training rows do not have, "
        "encoded as the mean",
        "column 'c': 1 row with unseen categories, such as 'new', treated as missing",
    ]


def test_uninformative_columns_are_dropped_with_a_reason():
    n = 40
    table = table_of(
        good=list(range(n)),
        one=[7] * n,
        word=["w"] * n,
        none=pa.nulls(n),
        empty=pa.nulls(n, pa.string()),
        id=[f"c{i}" for i in range(n)],
        long=["x" * 300, "y"] * (n // 2),
        extra=[1.0, 2.0] * (n // 2),
        **{"": list(range(n))},
        y=[0, 1] * (n // 2),
    )
    encoding = learn(table, drop=["extra"])
    assert [column.name for column in encoding.columns] == ["good"]
    assert encoding.left_out == {
        "one": "constant",
        "word": "constant",
        "none": "empty",
        "empty": "empty",
        "id": "40 distinct texts in 40 rows",
        "long": "texts longer than 200 characters",
        "extra": "--drop",
        "": "no column name",
    }


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            dict(a=[1.0, np.inf, 2.0, 3.0]),
            r"a.csv, row 2: column 'a' is infinite. Use a finite number, or leave the value empty",
        ),
        (
            dict(a=[1e200, -1e200, 3e200, 1.0]),
            r"column 'a' contains numbers up to 3e\+200, which is too large",
        ),
        (
            dict(a=[1e-310, 2e-310, 0.0, 0.0]),
            "column 'a' contains numbers that differ by less than 2e-308, which is too little",
        ),
        (
            dict(a=pa.array([1, 2, 3, 4], pa.date32())),
            "column 'a' contains dates or times. Convert them to numbers .*, or pass --drop a.",
        ),
        (dict(a=pa.array([1, 2, 3, 4], pa.timestamp("s"))), "column 'a' contains dates or times"),
        (dict(a=[[1], [2], [3], [4]]), "column 'a' contains values of type list"),
        (
            dict(a=[1, 1, 1, 1]),
            "no usable column besides the target .a: constant.",
        ),
        (dict(), "no usable column besides the target .there is no other column."),
    ],
)
def test_columns_that_cannot_be_used(columns, message):
    with pytest.raises(TableError, match=message):
        learn(table_of(**columns, y=[0, 1, 0, 1]))


def test_an_invalid_number_is_reported_with_its_row(tmp_path):
    path = str(tmp_path / "a.csv")
    with open(path, "w") as file:
        file.write("a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(30)) + "unknown,1\n")
    table = read(path)
    with pytest.raises(
        TableError,
        match=r"a.csv, line 32: column 'a' contains numbers, but 'unknown' in this row. .* or pass --drop a.$",
    ):
        Encoding.fit(path, table, infer_target(path, table, "y"), np.arange(31))


def test_codes_with_few_values_are_categories():
    assert X_of(a=["0", "1", "2", "3+"]).shape == (4, 4)


def test_too_many_inputs_are_refused(monkeypatch):
    monkeypatch.setattr(tables, "MAX_COLUMNS", 5)
    with pytest.raises(
        TableError,
        match=r"make 6 inputs, but at most 5 are supported\. Drop columns with many categories",
    ):
        X_of(a=list("abcdef") * 4)


# ---- encoding other tables ----


@pytest.fixture
def encoding():
    table = table_of(a=[1.0, 3.0, 2.0, 2.0], c=["x", "z", "x", "z"], y=[0, 1, 0, 1])
    return learn(table)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            dict(a=[1.0]),
            "has no column 'c'. Pass a table with the columns that the model was trained on.",
        ),
        (dict(b=[1.0]), "has no column 'a', 'c'"),
        (
            dict(a=[1.0, 2.0], c=["x", "q"]),
            "row 2: column 'c' contains 'q', which is not in the training data. .* --unseen-as-missing",
        ),
        (
            dict(a=["1", "one"], c=["x", "z"]),
            "row 2: column 'a' contains 'one', but the model expects numbers",
        ),
        (
            dict(a=pa.array([1], pa.date32()), c=["x"]),
            "column 'a' contains dates or times, but the model expects numbers",
        ),
        (
            dict(a=[1.0, 1e300], c=["x", "z"]),
            r"row 2: column 'a' is 1e\+300, far outside the training data .mean 2.. Correct the value",
        ),
        (
            dict(a=[1.0], c=[[1]]),
            "column 'c' contains values of type list<.*>. Only text and numbers are supported",
        ),
    ],
)
def test_tables_that_do_not_fit(encoding, columns, message):
    with pytest.raises(TableError, match=message):
        encoding.encode(PATH, table_of(**columns))


def test_column_order_and_extra_columns_do_not_matter(encoding):
    assert encoding.encode(PATH, table_of(more=["?"], c=["z"], y=[7], a=[2]))[0].tolist() == [
        [0, 0, 1]
    ]


def test_categories_that_look_like_numbers_stay_text(tmp_path):
    table = table_of(
        code=["01", "02", "x", "01"],
        flag=["True", "maybe", "True", "False"],
        y=["1", "2", "1", "two"],
    )
    encoding = learn(table)
    assert encoding.text_columns == {"code", "flag", "y"}
    path = str(tmp_path / "a.csv")
    with open(path, "w") as file:
        file.write("code,flag,y\n01,True,1\n")
    again = read(path, encoding.text_columns)
    assert encoding.encode(path, again)[0].tolist() == [
        [1, 0, 0, 0, 1, 0]
    ] and encoding.target.encode(path, again.column("y")).tolist() == [0]


# ---- the target ----


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        ([0, 1, 1, 0], "binary", ["0", "1"]),
        ([0.0, 1.0, 1.0, 0.0], "binary", ["0", "1"]),
        ([True, False, True, True], "binary", ["false", "true"]),
        (["no", "yes", "no", "no"], "binary", ["no", "yes"]),
        ([10, 9, 2, 9], "classes", ["2", "9", "10"]),
        (["c", "a", "b", "a"], "classes", ["a", "b", "c"]),
        (list(range(11)), "number", []),
        ([0.5, 1.5, 2.5, 0.5], "number", []),
    ],
)
def test_the_kind_of_target_is_found(values, task, classes):
    target = infer_target(PATH, table_of(y=values), "y")
    assert (target.task, target.values) == (task, classes)
    assert (target.n_outputs, target.output) == {
        "binary": (1, "sigmoid"),
        "classes": (len(classes), "softmax"),
        "number": (1, "identity"),
    }[task]
    y = target.encode(PATH, table_of(y=values).column("y"))
    assert (
        y.tolist() == values
        if task == "number"
        else [classes[k] for k in y] == [str(v).lower().removesuffix(".0") for v in values]
    )


def test_classes_that_are_numbers_are_the_same_in_every_type():
    target = infer_target(PATH, table_of(y=[10**15, 2 * 10**15, 10**15]), "y")
    assert target.encode(PATH, table_of(y=[2e15, 1e15])["y"]).tolist() == [1, 0]
    assert infer_target(PATH, table_of(y=[1e15, 2.5]), "y").values == ["2.5", "1000000000000000"]


def test_the_task_can_be_set():
    assert infer_target(PATH, table_of(y=[1, 2, 3]), "y", "number").task == "number"
    assert infer_target(PATH, table_of(y=list(range(50))), "y", "classes").n_outputs == 50


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        (
            [1, None, 2],
            None,
            r"a.csv, row 2: the target 'y' is missing .in 1 row.. Fill in the value, or remove the row.",
        ),
        ([1.0, np.nan, np.nan], None, r"row 2: the target 'y' is missing .in 2 rows."),
        (
            [1, 1, 1],
            None,
            "the target 'y' is '1' in every row. It needs at least two different values.",
        ),
        (pa.nulls(3), None, "the target 'y' is empty in every row"),
        (
            pa.array([1, 2, 3], pa.date32()),
            None,
            "the target 'y' contains dates or times. Only text and numbers are supported.",
        ),
        (
            [f"t{i}" for i in range(30)],
            None,
            "has 30 different values, too many for classes. Choose another --target.",
        ),
        (
            [*map(str, range(30)), "many"],
            None,
            "row 31: the target 'y' contains numbers, but 'many' in this row. .* --task classes",
        ),
        (
            ["a", "b", "a"],
            "number",
            "row 1: the target 'y' is 'a', but --task number needs numbers",
        ),
        (["a", "b", "a"], "classes", "has 2 different values. Use --task binary"),
        ([1, 2, 3], "binary", "has 3 different values. Use --task classes or --task number"),
        ([1.0, 2.0, np.inf, 3.0], None, "row 3: column 'y' is infinite"),
        (
            list(range(1001)),
            "classes",
            "has 1,001 different values, too many for classes. Use --task number",
        ),
    ],
)
def test_targets_that_cannot_be_learned(values, task, message):
    with pytest.raises(TableError, match=message):
        infer_target(PATH, table_of(y=values), "y", task)


def test_a_missing_column():
    table = table_of(**{"Age ": [1], **{f"c{i}": [1] for i in range(9)}})
    with pytest.raises(TableError, match=r"a.csv: has no column 'age'. Did you mean 'Age '\?"):
        infer_target(PATH, table, "age")
    with pytest.raises(
        TableError,
        match=r"a.csv: has no column 'y'. Its columns are Age , c0, c1, c2, c3, c4, c5, c6 and 2 more.$",
    ):
        infer_target(PATH, table, "y")


def test_predictions_are_in_the_units_of_the_target():
    target = Target("y", "number")
    target.fit_scale(PATH, np.array([1e6 + 1, 1e6 + 3]))
    assert (target.mean, target.scale) == (1e6 + 2, 1.0)
    z = target.standardize(PATH, np.array([1e6 + 5]))
    assert z.tolist() == [3] and target.decode(np.array([z], "f"))["prediction"].tolist() == [
        1e6 + 5
    ]
    assert Target("y", "number", scale=1e9).decode(np.array([[0.25]], "f"))[
        "prediction"
    ].tolist() == [2.5e8]
    assert Target("y", "number", scale=1e-3).decode(np.array([[0.5]], "f"))[
        "prediction"
    ].tolist() == [5e-4]


@pytest.mark.parametrize("exponent", [-1022, -1010, -700, -500, 0, 300])
def test_numbers_of_any_size_are_standardised_alike(exponent):
    unit, values, outputs = (
        2.0**exponent,
        np.array([1.0, 2.5, 3.0, 9.0]),
        np.array([[-0.5], [0.25]], "float32"),
    )
    expected, target = Target("y", "number"), Target("y", "number")
    expected.fit_scale("a.csv", values)
    target.fit_scale("a.csv", values * unit)
    assert (target.mean, target.scale) == (expected.mean * unit, expected.scale * unit)
    assert (
        target.standardize("a.csv", values * unit).tolist()
        == expected.standardize("a.csv", values).tolist()
    )
    back, there = target.decode(outputs)["prediction"], expected.decode(outputs)["prediction"]
    np.testing.assert_allclose(back / unit, there, rtol=1e-6)


def test_a_scale_is_1_where_all_numbers_are_the_same():
    target = Target("y", "number")
    for value in (0.0, 3.0, 1e-320):
        target.fit_scale("a.csv", np.full(5, value))
        assert (target.mean, target.scale) == (value, 1.0)


def test_predicted_classes_have_probabilities():
    columns = Target("y", "binary", ["no", "yes"]).decode(np.array([[0.25], [0.75]], "f"))
    assert {name: list(values) for name, values in columns.items()} == {
        "prediction": ["no", "yes"],
        "probability_no": [0.75, 0.25],
        "probability_yes": [0.25, 0.75],
    }
    columns = Target("y", "classes", ["a", "b", "c"]).decode(np.array([[0.2, 0.5, 0.3]], "f"))
    assert list(columns) == [
        "prediction",
        "probability_a",
        "probability_b",
        "probability_c",
    ] and columns["prediction"].tolist() == ["b"]


def test_which_rows_can_be_measured():
    assert Target("y", "binary", ["0", "1"]).usable_rows(
        PATH, table_of(y=[0.0, 1.0, None, 2.0, np.nan])["y"]
    ).tolist() == [1, 1, 0, 0, 0]
    assert Target("y", "number").usable_rows(
        PATH, table_of(y=[0.5, None, np.nan])["y"]
    ).tolist() == [
        1,
        0,
        0,
    ]


# ---- round trip through text ----


def test_an_encoding_survives_a_round_trip_through_text():
    table = table_of(
        a=[1.0, None, 2.0, 5.0],
        c=["ä\n", '"', "x", None],
        k=[1, 1, 1, 1],
        y=["no", "yes", "no", "no"],
    )
    encoding = learn(table)
    again = Encoding.from_text(PATH, encoding.to_text())
    assert again == encoding
    np.testing.assert_array_equal(again.encode(PATH, table)[0], encoding.encode(PATH, table)[0])


GOOD = {
    "columns": [{"name": "a", "values": None, "mean": 0.0, "scale": 1.0, "marks_missing": False}],
    "target": {
        "name": "y",
        "task": "binary",
        "values": ["0", "1"],
        "text": False,
        "mean": 0.0,
        "scale": 1.0,
    },
    "left_out": {"b": "empty"},
}


def changed(*path, to):
    parts = json.loads(json.dumps(GOOD))
    at = parts
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = to
    return json.dumps(parts)


def test_an_undamaged_encoding_is_accepted():
    assert Encoding.from_text(PATH, json.dumps(GOOD)).width == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "[" * 100_000,
        changed("columns", to=[]),
        changed("columns", to=7),
        changed("columns", to=[GOOD["columns"][0]] * 2),
        changed("columns", 0, to={"name": "a", "wrong": 1}),
        changed("columns", 0, "name", to=7),
        changed("columns", 0, "values", to=[]),
        changed("columns", 0, "values", to=["a", "a"]),
        changed("columns", 0, "values", to=[1, 2]),
        changed("columns", 0, "values", to="ab"),
        changed("columns", 0, "mean", to="0"),
        changed("columns", 0, "mean", to=float("nan")),
        changed("columns", 0, "scale", to=0.0),
        changed("columns", 0, "scale", to=-1.0),
        changed("columns", 0, "scale", to=float("inf")),
        changed("columns", 0, "marks_missing", to=2),
        changed("target", to=None),
        changed("target", "task", to="other"),
        changed("target", "task", to="number"),
        changed("target", "task", to=["binary"]),
        changed("target", "values", to=["0"]),
        changed("target", "values", to=["0", "1", "2"]),
        changed("target", "values", to=None),
        changed("target", "scale", to=1),
        changed("target", "text", to="no"),
        changed("left_out", to=["b"]),
        changed("left_out", to={"b": 1}),
    ],
)
def test_damaged_text_is_refused(text):
    with pytest.raises(
        TableError,
        match=r"^a.csv: the column encoding in this file is damaged. Train the model again.$",
    ):
        Encoding.from_text(PATH, text)

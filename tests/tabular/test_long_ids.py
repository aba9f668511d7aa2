"""Whole numbers that float64 cannot hold are told apart in every table: as categories, groups and times."""

import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

import fastnn
from fastnn import TabularClassifier, TabularRegressor
from fastnn.tables.files import TableWarning
from fastnn.tabular.columns.input_column import from_vector, join_parts, to_texts

N = 60
GROUP = np.arange(N) * 7 % 5
ID, LONG = 1234567890123456768, 12345678901234567890
IDS, LONGS, HUGE = ([first + g for g in GROUP.tolist()] for first in (ID, LONG, 10**30))
a, z = np.random.default_rng(0).normal(size=(2, N))
y = GROUP + 0.01 * z
SMALL = dict(hidden_layer_sizes=4, n_threads=1, random_state=0)

pytestmark = pytest.mark.usefixtures("quick_recipe")


def pandas(values, kind=None):
    return pd.DataFrame({"id": pd.Series(values, dtype=kind), "a": a})


def arrow(values, kind=None):
    return pa.table({"id": pa.array(values, kind), "a": a})


def csv(folder, values, sep=","):
    path = str(folder / "t.csv")
    pandas(values).to_csv(path, index=False, sep=sep)
    return path


def parquet(folder, values, kind=None):
    path = str(folder / "t.parquet")
    pa.parquet.write_table(arrow(values, kind), path)
    return path


POLARS = pl.Series(LONGS, dtype=pl.UInt64)
TABLES = {
    "int64": (IDS, lambda folder: pandas(IDS)),
    "uint64": (LONGS, lambda folder: pandas(LONGS, "uint64")),
    "Int64": (IDS, lambda folder: pandas(IDS, "Int64")),
    "int64 of pyarrow": (IDS, lambda folder: pandas(IDS, "int64[pyarrow]")),
    "decimals of pyarrow": (LONGS, lambda folder: pandas(LONGS, pd.ArrowDtype(pa.decimal128(38)))),
    "objects": (HUGE, lambda folder: pandas(HUGE, object)),
    "texts": (HUGE, lambda folder: pandas(list(map(str, HUGE)))),
    "Polars": (LONGS, lambda folder: pl.DataFrame({"id": POLARS, "a": a})),
    "Arrow": (LONGS, lambda folder: arrow(LONGS, pa.uint64())),
    "decimals": (HUGE, lambda folder: arrow(HUGE, pa.decimal128(38, 0))),
    "records": (HUGE, lambda folder: [{"id": i, "a": x} for i, x in zip(HUGE, a.tolist())]),
    "lists": (LONGS, lambda folder: list(map(list, zip(LONGS, a.tolist())))),
    "masked": (IDS, lambda folder: np.ma.MaskedArray(np.column_stack([IDS, GROUP]), mask=False)),
    "CSV": (IDS, lambda folder: csv(folder, IDS)),
    "CSV, 20 digits": (LONGS, lambda folder: csv(folder, LONGS)),
    "TSV": (LONGS, lambda folder: csv(folder, LONGS, "\t")),
    "Parquet": (IDS, lambda folder: parquet(folder, IDS)),
    "texts in Parquet": (LONGS, lambda folder: parquet(folder, list(map(str, LONGS)))),
}


def fit(X, y=y, cls=TabularRegressor, **arguments):
    """Return a model, without warnings about the table."""
    fitted = {name: arguments.pop(name) for name in ("groups", "window") if name in arguments}
    with warnings.catch_warnings(action="ignore", category=TableWarning):
        return cls(2, **SMALL, **arguments).fit(X, y, **fitted)


def texts_of(values):
    return sorted({str(value) for value in values})


def assert_categories(model, values):
    (category,) = [f for f in model.model_.features.categories if f.part == "value"]
    assert category.categories == texts_of(values)


@pytest.mark.parametrize("name", TABLES)
def test_categories(name, tmp_path):
    values, make = TABLES[name]
    X = make(tmp_path)
    has_names = name not in ("lists", "masked")
    model = fit(X, categories=["id" if has_names else 0])
    assert_categories(model, values)
    if has_names:  # the same ids as texts
        assert_array_equal(model.predict(pandas(list(map(str, values)))), model.predict(X))
        model = fit(pandas(list(map(str, values))), categories=["id"])
        assert_array_equal(model.predict(X), model.predict(pandas(list(map(str, values)))))


@pytest.mark.parametrize("name", [name for name in TABLES if name not in ("lists", "masked")])
def test_groups_of_a_column(name, tmp_path):
    assert "5 values of 'id'" in fit(TABLES[name][1](tmp_path), groups="id").split_


GROUPS = {
    "list": LONGS, "list with a negative number": [-1 if x == LONG else x for x in LONGS],
    "list of huge numbers": HUGE, "tuple": tuple(IDS), "array": np.array(IDS),
    "Series": pd.Series(IDS, dtype="Int64"), "Polars": POLARS,
    "Polars with a missing one": pl.Series([None, *IDS[1:]], dtype=pl.Int64),
    "Arrow with a missing one": pa.chunked_array([[None, *IDS[1:]]]),
}  # fmt: skip


@pytest.mark.parametrize("name", GROUPS)
def test_groups_of_values(name):
    assert "5 groups" in fit(a[:, None], groups=GROUPS[name]).split_


@pytest.mark.parametrize("mark", ["NA", "", "none", None, np.nan])
def test_marks_of_missing_values_are_no_groups(mark):
    """Whether groups are values or the name of a column."""
    groups = np.array([f"g{g}" for g in GROUP], object)
    groups[:3] = mark
    for X, passed in ((a[:, None], groups), (pandas(groups), "id")):
        with pytest.warns(TableWarning, match="3 rows left out .*groups.* is missing there"):
            model = TabularRegressor(2, **SMALL).fit(X, y, groups=passed)
        assert "5 " in model.split_ and np.isnan(model.oof_prediction_[:3]).all()


def test_infinite_decimals():
    values = np.array([Decimal(2**53 + 1), Decimal("Infinity"), Decimal("NaN"), 1], object)
    column = from_vector(values, "a")
    assert_array_equal(column.values, [2**53, np.inf, np.nan, 1])
    assert column.whole[:2].tolist() == [2**53 + 1, np.inf]


@pytest.mark.parametrize("kind", [int, str])
def test_times(kind):
    """Nanoseconds since 1970 are beyond 2**53."""
    start = 1_700_000_000_000_000_000
    times = [start + i for i in range(N)]
    model = TabularRegressor(2, **SMALL).fit(a[:, None], y, time=list(map(kind, times)))
    assert str(start + N - 1) in model.split_ or len(set(model.oof_rows_)) > N // 3


def test_missing_ids_are_missing():
    values = [None, *IDS[1:]]
    for X in (pandas(values, "Int64"), arrow(values), pl.DataFrame({"id": values, "a": a})):
        model = fit(X, categories=["id"])
        assert_categories(model, IDS)
        codes = model.model_.features.transform(fastnn.tabular.columns.frames.read(X))[1]
        assert codes[0, 0] not in codes[1:, 0] and (codes[1:, 0] >= 0).all()


def test_parts_of_different_types():
    parts = [
        from_vector(np.array([ID + 1, 5]), "id"),
        from_vector(np.array([LONG + 1], np.uint64), "id"),
        from_vector(np.array([1.5, np.nan]), "id"),
    ]
    codes, texts = to_texts(join_parts(parts, "id"))
    assert sorted(texts) == sorted(["1.5", "5", str(ID + 1), str(LONG + 1)])
    expected = [str(ID + 1), "5", str(LONG + 1), "1.5", None]
    assert [None if i < 0 else texts[i] for i in codes] == expected
    codes, texts = to_texts(join_parts(parts, "id").take(np.array([2, 4])))
    assert [texts[0], *codes.tolist()] == [str(LONG + 1), 0, -1]


# ---- as numbers ----

SPREAD = [10**18 + i * 10**16 + 1 for i in range(N)]


FRAMES = [pandas(SPREAD), arrow(SPREAD, pa.decimal128(38, 0)), pandas(list(map(str, SPREAD)))]


@pytest.mark.parametrize("X", FRAMES, ids=["int64", "decimals", "texts"])
def test_a_note_names_columns_that_enter_as_numbers(X):
    with pytest.warns(TableWarning) as caught:
        model = TabularRegressor(2, **SMALL).fit(X, y)
    assert model.columns_["id"] == "number"
    assert [str(w.message) for w in caught] == [
        f"column 'id': whole numbers such as {SPREAD[0]} are rounded to 16 digits. If they are ids, "
        "pass categories=['id'] or drop=['id']."
    ]


def test_floats_have_no_note():
    floats = [1e20 * i for i in range(N)]
    for X in (pandas(floats), pandas([5, *floats[1:]], object)):  # a warning is an error
        TabularRegressor(2, **SMALL).fit(X, y)


def test_numbers_that_rounding_makes_equal():
    for X in (pandas(IDS), pandas(list(map(str, LONGS)))):
        assert fit(X).left_out_ == {"id": "all values are equal once they are rounded to 16 digits"}


# ---- targets, other programs, large tables ----


@pytest.mark.parametrize("values", [IDS, list(map(str, LONGS))], ids=["int64", "texts"])
def test_classes(values):
    model = fit(a[:, None], np.array(values), TabularClassifier)
    assert sorted(map(str, model.classes_)) == texts_of(values)


def test_classes_of_decimals():
    table = arrow(IDS, pa.decimal128(38, 0))
    assert sorted(map(str, fit(table, "id", TabularClassifier).classes_)) == texts_of(IDS)


def test_requests():
    from serving_client import ask

    from fastnn.serving import create_app

    for values, kind in ((IDS, None), (HUGE, object)):
        X = pandas(values, kind)
        model = fit(X, categories=["id"])
        assert model.columns_["id"] == "category"
        rows = [{"id": i, "a": x} for i, x in zip(values, a.tolist())]
        for sent in (rows[:5], rows):  # read one by one, and as a table
            for convert in (int, str):
                some = [row | {"id": convert(row["id"])} for row in sent]
                status, reply = ask(create_app(model, "m"), "/predict", some)
                assert status == 200 and not reply.get("notes"), reply
                got = [row["prediction"] for row in reply["predictions"]]
                assert_array_equal(got, model.predict(X.iloc[: len(sent)]))


def test_files_in_parts(tmp_path):
    df = pd.concat([pandas(IDS)] * 5).assign(y=np.tile(y, 5))
    df.to_parquet(tmp_path / "t.parquet")
    assert_categories(fit(str(tmp_path / "t.parquet"), "y", categories=["id"], window=100), IDS)
    grouped = fit(str(tmp_path / "t.parquet"), "y", groups="id", window=len(df))
    assert "5 values of 'id'" in grouped.split_


def test_dask_collections():
    dd = pytest.importorskip("dask.dataframe")
    df = pd.concat([pandas(IDS)] * 5, ignore_index=True).assign(y=np.tile(y, 5))
    model = fit(dd.from_pandas(df, npartitions=3), "y", categories=["id"], window=100)
    assert_categories(model, IDS)


def test_exported_code_takes_texts():
    column = fit(pandas(IDS), categories=["id"]).model_.features.columns[0]
    assert column.is_text(texts_of(IDS)) and not column.is_text(["1", str(2**53 - 1)])

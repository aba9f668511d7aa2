"""Tables, targets and weights of every type that estimators for tables read or refuse."""

import datetime
import decimal
import pathlib

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from checks import assert_same_bits
from numpy.testing import assert_array_equal
from scipy import sparse

from fastnn import TabularClassifier, TabularRegressor
from fastnn.tabular import roles
from fastnn.tabular.columns import frames
from fastnn.tabular.columns.input_column import join_parts

pytestmark = pytest.mark.usefixtures("quick_recipe")
N = 24
SMALL = dict(n_estimators=2, hidden_layer_sizes=3, n_threads=1, random_state=0)
z = np.random.default_rng(5).normal(size=N)
classes = np.where(z > 0, "up", "down")
DAYS = pd.date_range("2020-01-01", periods=N, freq="5D")
AB, INTS = ["a", "b"] * (N // 2), [1, 2, None, 4] * (N // 4)


def pandas(values):
    return pd.DataFrame({"z": z, "v": values})


def arrow(values, kind=None):
    return pa.table({"z": z, "v": pa.array(values, kind)})


def polars(values, kind=None):
    return pl.DataFrame({"z": z, "v": pl.Series(values, dtype=kind)})


def dictionary(values):
    return pa.table({"z": z, "v": pa.array(values).dictionary_encode()})


def chunks():
    parts = [["a", "b"] * (N // 4), ["c", "b"] * (N // 4)]
    return pa.chunked_array([pa.array(part).dictionary_encode() for part in parts])


decimals = [decimal.Decimal(i) / 4 if i else None for i in range(N)]
dates = [day.date() for day in DAYS]
clock = [datetime.time(i % 24, 30) for i in range(N)]
spans = [datetime.timedelta(days=i) for i in range(N)]
RUNS = pa.RunEndEncodedArray.from_arrays([12, N], ["a", "b"])
TABLES = {
    "Int64": (pandas(pd.array(INTS, dtype="Int64")), "number"),
    "Float64": (pandas(pd.array(INTS, dtype="Float64")), "number"),
    "boolean": (pandas(pd.array([True, None, False] * 8, dtype="boolean")), "number"),
    "objects of truths": (pandas(np.array([True, None] * 12, object)), "number"),
    "sparse": (pandas(pd.arrays.SparseArray([0.0, 1.0] * 12)), "number"),
    "timedelta": (pandas(pd.to_timedelta(range(N), "D")), "number"),
    "objects of spans": (pandas(np.array(spans, object)), "number"),
    "objects of times of day": (pandas(np.array(clock, object)), "number"),
    "objects of decimals": (pandas(np.array(decimals, object)), "number"),
    "mixed objects": (pandas(np.array([1, "a", 2.0, None] * 6, object)), "category"),
    "objects of bytes": (pandas(np.array([b"a", b"b"] * 12, object)), "category"),
    "category": (pandas(pd.Categorical(AB)), "category"),
    "category of ints": (pandas(pd.Categorical(INTS)), "category"),
    "category of intervals": (pandas(pd.cut(z, 3)), "category"),
    "string": (pandas(pd.array(AB, dtype="string")), "category"),
    "datetime": (pandas(DAYS), "date"),
    "datetime in nanoseconds": (pandas(DAYS.as_unit("ns")), "date"),
    "datetime with a zone": (pandas(DAYS.tz_localize("Europe/Berlin")), "date"),
    "period": (pandas(pd.period_range("2020-01", periods=N, freq="M")), "date"),
    "objects of dates": (pandas(np.array(dates, object)), "date"),
    "pandas with an Arrow int": (pandas(pd.array(INTS, dtype="int64[pyarrow]")), "number"),
    "pandas with an Arrow date": (pandas(pd.array(dates, pd.ArrowDtype(pa.date32()))), "date"),
    "pandas with an Arrow time": (pandas(pd.array(DAYS, dtype="timestamp[us][pyarrow]")), "date"),
    "Polars": (polars(AB), "category"),
    "Polars Categorical": (polars(AB, pl.Categorical), "category"),
    "Polars Enum": (polars(AB, pl.Enum(["b", "a"])), "category"),
    "Polars Boolean": (polars([True, None] * 12), "number"),
    "Polars Date": (polars(dates), "date"),
    "Polars Time": (polars(clock), "number"),
    "Arrow dictionary": (dictionary(AB), "category"),
    "Arrow dictionary of ints": (dictionary(INTS), "category"),
    "Arrow dictionary in chunks": (pa.table({"z": z, "v": chunks()}), "category"),
    "Arrow large_string": (arrow(AB, pa.large_string()), "category"),
    "Arrow string_view": (arrow(AB, pa.string_view()), "category"),
    "Arrow binary": (arrow([b"a", b"\xff"] * 12), "category"),
    "Arrow run-end encoded": (arrow(RUNS), "category"),
    "Arrow decimal": (arrow(decimals), "number"),
    "Arrow float16": (arrow(z.astype(np.float16)), "number"),
    "Arrow null": (arrow(pa.nulls(N)), None),
    "Arrow date32": (arrow(dates), "date"),
    "Arrow timestamp with a zone": (arrow(DAYS, pa.timestamp("s", "Asia/Tokyo")), "date"),
    "Arrow time32": (arrow(clock, pa.time32("s")), "number"),
    "Arrow duration": (arrow(spans), "number"),
    "Arrow record batch": (pa.record_batch({"z": pa.array(z), "v": pa.array(AB)}), "category"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name):
    X, kind = TABLES[name]
    reg = TabularRegressor(**SMALL).fit(X, z)
    assert reg.columns_.get("v") == kind and reg.feature_names_in_.tolist() == ["z", "v"]
    assert np.isfinite(reg.predict(X)).all()


SECONDS = {"numbers": (INTS, 2), "dates": (dates, DAYS[1].timestamp()), "times": (clock, 5400)}
SECONDS |= {"spans": (spans, 86400), "decimals": (decimals, 0.25)}


@pytest.mark.parametrize(("values", "second"), SECONDS.values(), ids=SECONDS)
def test_the_same_numbers_in_every_library(values, second):
    columns = {"z": z, "v": values}
    # polars 1.0 refuses decimals of several scales, unless it may convert them
    for X in (pd.DataFrame(columns), pl.DataFrame(columns, strict=False), pa.table(columns)):
        numbers = frames.read(X).columns[1].values
        assert numbers[1] == second and np.isnan(numbers).sum() == values.count(None)


def test_records():
    """Dicts as from JSON: a key that is absent is a missing value."""
    table = pa.table({"z": z, "v": AB, "w": INTS})
    records = [{"v": v, "z": x} | ({} if w is None else {"w": w}) for x, v, w in zip(z, AB, INTS)]
    a, b = (TabularRegressor(**SMALL).fit(X, z) for X in (table, records))
    assert b.columns_ == {"v": "category", "z": "number", "w": "number"}
    assert_same_bits(b.predict(records), b.predict(table.select(["v", "z", "w"])))
    assert_same_bits(a.predict(table), a.predict(table.to_pylist()))
    assert_same_bits(b.predict(records[:1]), b.predict(table.select(["v", "z", "w"]))[:1])


@pytest.mark.parametrize("unit", ["D", "h", "ms", "ns", None])
@pytest.mark.parametrize("missing", [None, pd.NaT, np.datetime64("NaT", "s")], ids=repr)
def test_records_of_times(unit, missing):
    """Times of NumPy and pandas in records are those of a column."""
    days = DAYS if unit is None else DAYS.values.astype(f"M8[{unit}]")
    column = frames.read([{"v": day} for day in days] + [{"v": missing}]).columns[0]
    assert column.kind == "time"
    assert_array_equal(column.values, [*DAYS.values.astype("M8[s]").astype(float), np.nan])


LONG = 2**60 + 1  # float64 rounds it
ZONE = datetime.timezone(datetime.timedelta(hours=1))
MIXED = [1, dates[1], "a", np.datetime64("2020-01-02T03:04:05"), 2.5, 2.0, True, b"x\xff", None,
         datetime.datetime(2020, 1, 2, tzinfo=ZONE), pd.NaT]  # fmt: skip
MIXED_TEXTS = "1,2020-01-06,a,2020-01-02 03:04:05,2.5,2,x\ufffd,2020-01-01 23:00:00".split(",")
BOOLEANS = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8()))
READ = {  # values of a column: what it is, its values or texts, its style, and its whole numbers
    "mixed": (np.array(MIXED, object), "text", MIXED_TEXTS, None, None),
    "spans": (np.array([spans[1], None], object), "number", [86400, np.nan], "h:m", None),
    "times of day": (np.array([datetime.time(1, 2, 3, 500000), True], object), "number", [3723.5, 1], "h:m", None),
    "times in a zone": (np.array([MIXED[-2], None], object), "time", [1577919600, np.nan], None, None),
    "an extension of Arrow": (BOOLEANS, "number", [1, 0, np.nan], None, None),
    "a Series of Polars": (pl.Series([1, None]), "number", [1, np.nan], None, None),
    "long numbers in a list": ([LONG, 0.5], "number", [2.0**60, 0.5], None, [LONG, 0.5]),
    "one that float64 rounds": (np.array([2**53 + 1]), "number", [2.0**53], None, [2**53 + 1]),
    **{f"1500 ns, {kind}": (pa.array([1500], kind), name, [1e-6], style, None) for kind, name, style in (
        (pa.timestamp("ns"), "time", None), (pa.time64("ns"), "number", "h:m"), (pa.duration("ns"), "number", "h:m"))},
    "numbers in a list": ([1.5, 2], "number", [1.5, 2], None, None),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_a_column_becomes(name):
    values, kind, expected, style, whole = READ[name]
    column = roles.from_values("groups", values, len(values))
    assert (column.kind, column.style) == (kind, style)
    assert_array_equal(column.texts if kind == "text" else column.values, expected)
    assert whole == (None if column.whole is None else column.whole.tolist())
    for other in column.take(np.arange(1)), join_parts([column, column], "v"):
        assert (other.kind, other.style, other.whole is None) == (kind, style, whole is None)
    if name == "mixed":
        assert column.values.tolist() == [0, 1, 2, 3, 4, 5, 0, 6, -1, 7, -1]


DECIMALS = [([LONG], [LONG]), ([LONG, None], [2.0**60, np.nan]), ([10**20], [1e20]), ([1], [1.0])]


@pytest.mark.parametrize(("values", "expected"), DECIMALS)
def test_decimals_as_targets(values, expected):
    _, y = frames.split_target(pa.table({"y": pa.array(values, pa.decimal128(25, 0))}), "y")
    assert_array_equal(y, expected)
    assert y.dtype == np.array(expected).dtype


LONG_NUMBERS = [([2**70, None], 2.0**70, [2**70, 0]), ([2**300, None], 2.0**300, None)]


@pytest.mark.parametrize(("values", "expected", "whole"), LONG_NUMBERS)
def test_long_numbers_in_records(values, expected, whole):
    column = frames.read([{"v": value} for value in values]).columns[0]
    assert_array_equal(column.values, [expected, np.nan])
    assert whole == (None if column.whole is None else column.whole.tolist())


TWO_LEVELS = pd.MultiIndex.from_tuples([("a", 1), ("a", 2)])
ARRAYS = {
    "bool": np.c_[z > 0, z > 1],
    "float16": np.c_[z, z].astype(np.float16),
    "datetime64": np.c_[DAYS, DAYS],
    "texts": np.c_[z, z].astype(str),
    "objects": np.array([["a", 1.0], ["b", None]] * 12, object),
    "masked": np.ma.masked_greater(np.c_[z, z], 1),
    "lists": [[float(x), "a" if x > 0 else "b"] for x in z],
    "lists with None": [[float(x), None if x > 0 else 1] for x in z],
    "columns without names": pd.DataFrame(np.c_[z, z]),
    "columns with names of two levels": pd.DataFrame(np.c_[z, z], columns=TWO_LEVELS),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_tables_without_names(name):
    reg = TabularRegressor(**SMALL).fit(ARRAYS[name], z)
    assert set(reg.columns_) == {0, 1} and not hasattr(reg, "feature_names_in_")
    assert np.isfinite(reg.predict(ARRAYS[name])).all()


def test_a_masked_value_is_missing():
    masked = np.ma.masked_greater(np.c_[z, z], 1)
    expected = np.where(np.c_[z, z] > 1, np.nan, np.c_[z, z])
    a, b = (TabularRegressor(**SMALL).fit(X, z).predict(X) for X in (masked, expected))
    assert_same_bits(a, b)


TWICE, TWO_TYPES = pd.DataFrame(np.c_[z, z], columns=["a", "a"]), pd.DataFrame({0: z, "b": z})
NO_NAME, NAMES = "a name that UTF-8 cannot hold", "Names of columns must be str"
REMEDY = r"pass \[\[text\] for text in X\]"
REFUSED = {
    "lists in a column": (pandas([[1, 2]] * N), "column 'v' holds values of type list"),
    "dicts in a column": (pandas([{"a": 1}] * N), "column 'v' holds values of type dict"),
    "an Arrow list": (arrow([[1]] * N), "column 'v' holds values of type list<item: int64>"),
    "a Polars struct": (polars([{"a": 1}] * N), "column 'v' holds values of type struct"),
    "complex numbers": (pandas(z + 1j), "Complex data not supported: column 'v'"),
    "complex objects": (pandas(np.array(z + 1j, object)), "Complex data not supported"),
    "two equal names": (TWICE, "X has 2 columns named 'a'. Ren"),
    "a class": (pd.DataFrame, "X is the class DataFrame. Pass an object of it"),
    "a Series": (pd.Series(z), r"X must be a table, got a Series, .* table\[\[name\]\] or"),
    "an Arrow array": (pa.array(z), "X must be a table, got a DoubleArray"),
    "a lazy frame": (pl.LazyFrame({"z": z}), r"X is a LazyFrame.* Pass X.collect\(\)"),
    "a dict": ({"z": z}, r"X must be a DataFrame.* got dict. .* pass \[X\] if it is one row"),
    "records and a number": ([{"z": 1.0}, 2.0], r"a dict for each row, but X\[1\] is a float"),
    "records and a vector": ([{"z": 1.0}, z], r"a dict for each row, but X\[1\] is an ndarray"),
    "wide numbers in records": ([{"z": [2**70]}] * N, "column 'z' holds values of type list"),
    "texts in records": ([{"z": {"a": "\ud800"}}] * N, "column 'z' holds values of type struct"),
    "a lone surrogate": ([{"z": "\ud800"}] * N, "'z' holds '.' in row 0, a text that UTF-8 cannot"),
    "a name with it": ([{"\ud800": 1.0}] * N, f"X has the column '.', {NO_NAME}"),
    "records of two types": ([{"z": 1}, {"z": "a"}] * 12, "column 'z' of X mixes types"),
    "texts": (["a review"] * N, rf"such as 'a review', not of rows.* {REMEDY}"),
    "None": (None, "X must be a DataFrame.* got NoneType"),
    "ragged lists of lists": ([[[1, 2]], [[3]]] * 12, "X is not a rectangular array: "),
    "ragged lists": ([[1, 2], [3]] * 12, "row 1 has 1 values, but row 0 has 2"),
    "a vector": (z, "Expected 2D array, got 1D array"),
    "numbers": (z.tolist(), "Expected 2D array, got 1D array"),
    "a list and a text": ([[1, 2], "ab"] * 12, "Expected 2D array, got 1D array"),
    "a structured array": (np.zeros(N, "f8,f8"), "X is a structured array. Pass pandas.DataFrame"),
    "no rows": (np.zeros((0, 2)), "0 sample"),
    "a sparse vector": (sparse.coo_array(z), "X must have 2 dimensions"),
    "names of two types": (TWO_TYPES, "names are only supported.* has the column 0"),
    "a number as a name": ([{1: x} for x in z], rf"X has a column named 1\. {NAMES}"),
    "no columns": (pd.DataFrame(index=range(N)), r"X has no usable column \(it has no columns\)"),
    "four equal ones": (pd.DataFrame(np.ones((N, 4))), r"'1': .*; '2': all values are equal\)"),
}


OTHER_TYPES = {"a class", "names of two types", "a number as a name"}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_tables(name):
    X, message = REFUSED[name]
    with pytest.raises(TypeError if name in OTHER_TYPES else ValueError, match=message):
        TabularRegressor(**SMALL).fit(X, z)


# ---- files ----


@pytest.fixture
def table():
    return pd.DataFrame({"number": z, "code": ["7", "x", "8"] * 8, "day": DAYS, "y": classes})


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_paths(name, table, tmp_path):
    path = tmp_path / name
    table.to_parquet(path) if name.endswith("parquet") else table.to_csv(path, index=False)
    clf = TabularClassifier(**SMALL).fit(path, "y")
    assert clf.columns_ == {"number": "number", "code": "category", "day": "date"}
    expected = TabularClassifier(**SMALL).fit(table, "y")
    assert_same_bits(clf.predict_proba(str(path)), expected.predict_proba(table))
    assert clf.score(path, "y") == expected.score(table, classes)


def test_a_category_whose_values_in_a_file_look_like_numbers(table, tmp_path):
    table["code"] = ["007", "x", "08"] * 8
    clf = TabularClassifier(**SMALL).fit(table, "y")
    rows = table.assign(code="007")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    assert_same_bits(clf.predict_proba(tmp_path / "rows.csv"), clf.predict_proba(rows))


def test_a_missing_file():
    with pytest.raises(ValueError, match=r"nothing.csv: No such file"):
        TabularRegressor(**SMALL).fit(pathlib.Path("nothing.csv"), "y")


# ---- targets ----

bits = (z > 0).astype(int)
LABELS = {
    "texts": (classes, ["down", "up"], "U"),
    "objects": (classes.astype(object), ["down", "up"], "O"),
    "truths": (z > 0, [False, True], "b"),
    "objects of truths": ((z > 0).astype(object), [False, True], "b"),
    "small ints": (bits.astype(np.int8), [0, 1], "i"),
    "nullable ints": (pd.Series(bits, dtype="Int64"), [0, 1], "i"),
    "nullable truths": (pd.Series(z > 0, dtype="boolean"), [False, True], "b"),
    "a list": (classes.tolist(), ["down", "up"], "U"),
    "a category": (pd.Series(pd.Categorical(classes)), ["down", "up"], "O"),
    "Polars": (pl.Series(bits), [0, 1], "i"),
    "Arrow": (pa.array(bits), [0, 1], "i"),
    "one class": (["a"] * N, ["a"], "U"),
    "a class of one row": (np.r_[5, bits[1:]], [0, 1, 5], "i"),
    "many classes": (np.arange(N) % 12, list(range(12)), "i"),
}


@pytest.mark.filterwarnings("ignore:y holds only the class")
@pytest.mark.parametrize("name", LABELS)
def test_classes(name):
    y, expected, kind = LABELS[name]
    X = pandas(AB)
    clf = TabularClassifier(**SMALL).fit(X, y)
    assert clf.classes_.tolist() == expected and clf.predict(X).dtype.kind == kind
    P = clf.predict_proba(X)
    assert P.shape == (N, len(expected)) and (P > 0).all()
    assert_array_equal(clf.predict_log_proba(X), np.log(P))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table])
@pytest.mark.parametrize("values", [bits, z > 0, classes], ids=lambda v: v.dtype.name)
def test_a_target_named_by_its_column_keeps_its_type(frame, values):
    X = frame({"t": values, "z": z, "v": AB})
    clf = TabularClassifier(**SMALL).fit(X, "t")
    assert clf.classes_.tolist() == sorted(set(values.tolist()))
    assert clf.n_features_in_ == 2 and set(clf.columns_) == {"z", "v"}
    without = frame({"z": z, "v": AB})
    assert_array_equal(clf.predict(X), clf.predict(without))
    assert clf.score(X, "t") == clf.score(without, values)


NUMBERS = "y must hold numbers"
BAD_TARGETS = {
    "a class is missing": (TabularClassifier, ["a", None] * 12, "missing class in row 1. Remove"),
    "numbers as classes": (TabularClassifier, z, "Unknown label type"),
    "two types": (TabularClassifier, np.array([1, "a"] * 12, object), "the types int, str"),
    "two columns": (TabularClassifier, np.c_[bits, bits], "y should be a 1d array"),
    "no target": (TabularClassifier, None, "y to be passed, but the target y is None"),
    "a position": (TabularClassifier, 0, "y must be an array of targets, or the name of a column"),
    "no column": (TabularClassifier, "w", "y='w' names a column that X does not have"),
    "texts": (TabularRegressor, classes, rf"{NUMBERS}, but holds .* in row 0\. To convert"),
    "dates": (TabularRegressor, DAYS, "y holds datetime64.*, but must hold numbers"),
    "dates in a list": (TabularRegressor, dates, f"{NUMBERS}, but holds '2020-01-01' in row 0"),
    "complex numbers": (TabularRegressor, z + 1j, "Complex data not supported"),
    "infinity": (TabularRegressor, np.r_[np.inf, z[1:]], "y is infinite in row 0. Remove the row"),
    "NaN": (TabularRegressor, np.r_[np.nan, z[1:]], "y is missing .NaN. in row 0. Remove the row"),
    "NaN twice": (TabularRegressor, np.r_[z[2:], np.nan, np.nan],
                  "y is missing .NaN. in row 22 and 1 other row. Remove these rows from X and y"),
    "a long text": (TabularRegressor, ["x" * 41] * N, r"but holds 'x{37}\.\.\.' in row 0"),
    "huge": (TabularRegressor, z * 1e300, r"y holds numbers up to .*e\+300, but at most 1e\+150"),
    "few": (TabularRegressor, z[:3], "y has 3 rows, but X has"),
    "a class": (TabularRegressor, np.ndarray, "y is the class ndarray. Pass an object of it"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_TARGETS)
def test_bad_targets(name):
    cls, y, message = BAD_TARGETS[name]
    with pytest.raises(TypeError if name == "a class" else ValueError, match=message):
        cls(**SMALL).fit(pandas(AB), y)


@pytest.mark.parametrize("name", ["lists in a column", "an Arrow list", "complex numbers"])
def test_a_refused_column_can_be_left_out(name):
    table = REFUSED[name][0]
    clf = TabularClassifier(**SMALL, drop="v").fit(table, classes)
    assert clf.left_out_ == {"v": "named in drop"} and len(clf.predict(table)) == N


def test_a_target_column_needs_names_and_no_dates():
    with pytest.raises(ValueError, match="y='a' names a column of X, but the columns of X have no"):
        TabularRegressor(**SMALL).fit(np.c_[z, z], "a")
    with pytest.raises(ValueError, match="y='v' is a column of dates or times"):
        TabularRegressor(**SMALL).fit(pandas(DAYS), "v")


def test_few_rows():
    for n in (0, 1):
        with pytest.raises(ValueError, match=f"at least 2 rows, got {n} sample"):
            TabularRegressor(**SMALL).fit(pandas(AB)[:n], z[:n])
    for n_estimators in (1, 5):
        reg = TabularRegressor(n_estimators, hidden_layer_sizes=3).fit([[0.0], [1.0]], [3, 4])
        assert ((reg.predict([[0.0], [9.0]]) >= 3) & (reg.predict([[0.0], [9.0]]) <= 4)).all()


@pytest.mark.parametrize("y", [z * 0 + 7.0, z * 0, 1 + z * 1e-16, z * 1e-310, np.sign(z) * 1e150])
def test_extreme_targets(y):
    P = TabularRegressor(**SMALL).fit(pandas(AB), y).predict(pandas(AB))
    assert (P >= y.min()).all() and (P <= y.max()).all()


def test_no_rows_to_predict():
    assert TabularRegressor(**SMALL).fit(pandas(AB), z).predict(pandas(AB)[:0]).shape == (0,)


@pytest.mark.parametrize("kind", ["csr_array", "csc_matrix", "coo_array"])
def test_sparse_rows_are_those_of_an_array(kind):
    rows = np.where(np.random.default_rng(0).random((N, 3)) < 0.5, 0.0, np.c_[z, -z, z])
    reg = TabularRegressor(**SMALL).fit(getattr(sparse, kind)(rows), z)
    dense = TabularRegressor(**SMALL).fit(rows, z)
    assert_array_equal(reg.predict(sparse.csr_array(rows)), dense.predict(rows))
    assert reg.score(sparse.csr_array(rows), z) == dense.score(rows, z)


def test_sparse_rows_that_do_not_fit_are_refused():
    X = sparse.csr_array((10**6, 10**6))
    with pytest.raises(MemoryError, match=r"With all zeros it takes 8000\.0 GB"):
        TabularRegressor(**SMALL).fit(X, np.zeros(10**6))

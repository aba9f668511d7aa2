"""Training on Parquet files that are read in batches: the bits of the same columns in memory, and
errors that name the file, the column and the row."""

import numpy as np
import pytest
from checks import assert_same_bits, training_state
from hypothesis import given, settings
from hypothesis import strategies as st
from scale import scaled

from fastnn import MLP
from fastnn.tables import TableError, arrow_files
from fastnn.tables.arrow_files import ParquetGroups

pa = pytest.importorskip("pyarrow")
import pyarrow.parquet as pq  # noqa: E402

N = 400
RNG = np.random.default_rng(2)
COLUMNS = {
    "float": RNG.normal(size=N),
    "single": RNG.normal(size=N).astype("float32"),
    "int": RNG.integers(-5, 5, N),
    "flag": RNG.random(N) < 0.3,
}
X = np.column_stack(list(COLUMNS.values()))
Y = np.sin(X[:, 0]) + X[:, 3]
WEIGHT = RNG.random(N)
TABLE = pa.table(COLUMNS | {"y": Y, "class": (Y > 0).astype(int), "weight": WEIGHT})


def fitted(*arguments, n_out=1, output="identity", **options):
    net = MLP([4, 5, n_out], output=output, rng=0)
    net.fit(*arguments, epochs=2, **options)
    return training_state(net)


def refused(path, message, error=TableError):
    """Check that no network trains on a file."""
    with pytest.raises(error, match=message):
        MLP([6, 1], rng=0).fit(path, "y")


WHERE = dict(group=st.integers(1, N), batch=st.integers(1, N))


@given(**WHERE, cuts=st.lists(st.integers(0, N), max_size=3))
@settings(max_examples=scaled(15), deadline=None)
def test_files_of_any_division_give_the_bits_of_arrays(tmp_path_factory, group, batch, cuts):
    folder = tmp_path_factory.mktemp("rows")
    table = TABLE.select([*COLUMNS, "y"])
    ends = [0, *sorted(cuts), N]
    for i, (start, stop) in enumerate(zip(ends, ends[1:])):
        pq.write_table(table[start:stop], folder / f"{i}.parquet", row_group_size=group)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrow_files, "MIN_ROWS", batch)
        patch.setattr(arrow_files, "BATCH_BYTES", 0)
        assert_same_bits(fitted(folder, "y"), fitted(X, Y))


def test_targets_and_weights_are_columns(tmp_path):
    file = tmp_path / "rows.parquet"
    pq.write_table(TABLE.drop_columns(["class"]), file)
    expected = fitted(X, Y, sample_weight=WEIGHT)
    assert_same_bits(fitted(file, "y", sample_weight="weight"), expected)
    options = dict(n_out=2, output="softmax")
    pq.write_table(TABLE.select([*COLUMNS, "class"]), file)
    expected = fitted(X, TABLE["class"].to_numpy(), **options)
    assert_same_bits(fitted(str(file), "class", **options), expected)
    pq.write_table(TABLE.drop_columns(["weight"]), file)
    two = np.column_stack([TABLE["class"], Y])
    assert_same_bits(fitted(file, ["class", "y"], n_out=2), fitted(X, two, n_out=2))


def test_float32_columns_stay_float32_and_other_types_become_float64(tmp_path):
    pq.write_table(pa.table({"a": COLUMNS["single"], "y": Y}), tmp_path / "a.parquet")
    (group,) = ParquetGroups(tmp_path / "a.parquet", "y")
    assert group[0].dtype == np.float32
    decimal = pa.array([1.25, 2.5]).cast(pa.decimal128(5, 2))
    pq.write_table(pa.table({"a": decimal, "y": [0.0, 1.0]}), tmp_path / "a.parquet")
    (group,) = ParquetGroups(tmp_path / "a.parquet", "y")
    assert_same_bits(group[0], np.array([[1.25], [2.5]]))


def test_the_index_of_pandas_is_no_input(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": Y, "y": Y}, index=np.arange(N)[::-1] * 2)
    frame.to_parquet(tmp_path / "a.parquet")
    assert pq.read_schema(tmp_path / "a.parquet").names == ["a", "y", "__index_level_0__"]
    assert ParquetGroups(tmp_path / "a.parquet", "y").inputs == ["a"]


def test_files_of_a_folder(tmp_path):
    for name in "b.parquet", "a.pq", "_metadata.parquet", ".hidden.parquet":
        pq.write_table(TABLE, tmp_path / name)
    (tmp_path / "_SUCCESS").write_text("")
    files = arrow_files.ParquetFiles(tmp_path)
    assert files.files == [str(tmp_path / "a.pq"), str(tmp_path / "b.parquet")]
    assert files.n_rows == 2 * N


def with_column(name, values):
    return TABLE.set_column(TABLE.column_names.index(name), name, pa.array(values))


def missing(row):
    return [None if i == row else float(i) for i in range(N)]


BAD = [
    (with_column("int", missing(300)), r"column 'int' has missing values .first in row 300"),
    (with_column("int", ["text"] * N), r"column 'int' holds string, not numbers"),
    (with_column("y", np.where(np.arange(N) == 9, np.nan, Y)), r"rows 0 to 399: y holds NaN"),
    (TABLE.select(["y"]), r"has no columns besides y"),
    (TABLE.select(["float"]), r"y='y' names a column that .* does not have. Its columns are"),
    (TABLE.select(["y", "int"]), r"rows.parquet, rows 0 to 399: X has 1 column, but"),
]


@pytest.mark.parametrize(("table", "message"), BAD)
def test_bad_columns(tmp_path, table, message):
    pq.write_table(table, tmp_path / "rows.parquet")
    refused(tmp_path / "rows.parquet", message, ValueError)


def test_a_missing_value_is_found_before_its_window_is_trained_on(tmp_path, monkeypatch):
    monkeypatch.setattr(arrow_files, "MIN_ROWS", 50)
    monkeypatch.setattr(arrow_files, "BATCH_BYTES", 0)
    pq.write_table(with_column("int", missing(220)), tmp_path / "rows.parquet")
    net = MLP([6, 1], rng=0)
    with pytest.raises(TableError, match=r"rows.parquet: column 'int' .*first in row 220"):
        net.fit(tmp_path / "rows.parquet", "y", window=100, batch_size=50)
    assert net.state.step == 2 and net.state.row == 100


def test_files_with_other_columns(tmp_path):
    pq.write_table(TABLE, tmp_path / "0.parquet")
    for table, message in [
        (TABLE.drop_columns(["int"]), r"1.parquet: column 'int' is missing, but int64 in .*0.parq"),
        (with_column("int", missing(-1)), r"1.parquet: column 'int' is double, but int64 in"),
        (TABLE.select(TABLE.column_names[::-1]), r"1.parquet: the columns have another order"),
    ]:
        pq.write_table(table, tmp_path / "1.parquet")
        refused(tmp_path, message)


def test_paths_that_are_no_parquet_files(tmp_path):
    (tmp_path / "rows.csv").write_text("a,y\n1,2\n")
    for path, message in [
        (tmp_path / "rows.csv", r"rows.csv: not a readable Parquet file"),
        (tmp_path / "other.parquet", r"other.parquet: there is no such file"),
        (tmp_path, r"is a folder without Parquet files"),
    ]:
        refused(path, message)


def test_damaged_files(tmp_path):
    pq.write_table(TABLE, tmp_path / "whole.parquet", compression="none", use_dictionary=False)
    whole = (tmp_path / "whole.parquet").read_bytes()
    for content, message in [
        (whole[:-100], "not a readable Parquet file"),
        (whole[:4] + b"\xff" * 40 + whole[44:], "cannot be read after row 0"),  # header of a page
    ]:
        (tmp_path / "rows.parquet").write_bytes(content)
        refused(tmp_path / "rows.parquet", f"rows.parquet: {message}")


ARGUMENTS = [((), {}), ((Y,), {}), (("y",), dict(sample_weight=WEIGHT))]


@pytest.mark.parametrize(("arguments", "options"), ARGUMENTS)
def test_a_path_needs_names_of_columns(arguments, options):
    with pytest.raises(TypeError, match=r"X is a path, so y and sample_weight must name its"):
        MLP([6, 1], rng=0).fit("rows.parquet", *arguments, **options)

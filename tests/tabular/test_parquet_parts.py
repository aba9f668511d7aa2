"""Predictions of Parquet files that are read in parts: those of the table in memory."""

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from checks import assert_same_bits

from fastnn import TabularClassifier, TabularRegressor
from fastnn.tables import TableError, TableWarning, arrow_files, read
from fastnn.tabular.model import TableModel

N = 300
RNG = np.random.default_rng(4)
IGNORE = pytest.mark.filterwarnings("ignore:.*the index of a pandas DataFrame")
TABLE = pd.DataFrame(index=pd.Index(np.arange(N)[::-1], name="id"))
TABLE["age"] = np.where(RNG.random(N) < 0.1, np.nan, RNG.normal(40, 9, N))
TABLE["city"] = RNG.choice(["Rome", "Oslo", "Bern"], N)
TABLE["code"] = RNG.choice(["007", "7", "08"], N)
TABLE["day"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(RNG.integers(0, 300, N), "D")
TABLE["flag"] = RNG.random(N) < 0.5
HEIGHT = TABLE["age"].fillna(0).to_numpy() / 40 + (TABLE["city"] == "Rome").to_numpy()
OPTIONS = dict(n_estimators=2, hidden_layer_sizes=8, random_state=0)


@pytest.fixture(scope="module")
def regressor(quick_module):
    return TabularRegressor(**OPTIONS).fit(TABLE, HEIGHT)


@pytest.fixture(scope="module")
def classifier(quick_module):
    return TabularClassifier(**OPTIONS).fit(TABLE, np.where(HEIGHT > 1.2, "tall", "small"))


@pytest.fixture(params=[1, 7, 100, 10**6])
def part(request, monkeypatch):
    """Rows of a part."""
    monkeypatch.setattr(arrow_files, "PART_BYTES", 16 * 6 * request.param)
    return request.param


def saved(folder, cuts=(), **options):
    """A folder of Parquet files, or the path of one."""
    ends = [0, *cuts, N]
    options["schema"] = pa.Schema.from_pandas(TABLE)  # pandas 2 has no type of texts without rows
    for i, (start, stop) in enumerate(zip(ends, ends[1:])):
        TABLE[start:stop].to_parquet(folder / f"{i}.parquet", **options)
    return folder if cuts else folder / "0.parquet"


@pytest.mark.slow("test_parts_do_not_depend_on_row_groups")
@pytest.mark.spread(1)
@IGNORE
@pytest.mark.parametrize("cuts", [(), (0, 50, 123)])
def test_predictions_are_those_of_the_table_in_memory(tmp_path, part, cuts, regressor, classifier):
    path = saved(tmp_path, cuts, row_group_size=40)
    assert_same_bits(regressor.predict(path), regressor.predict(TABLE))
    for a, b in zip(regressor.predict(path, return_std=True), regressor.predict(TABLE, True)):
        assert_same_bits(a, b)
    for a, b in zip(regressor.predict_interval(path), regressor.predict_interval(TABLE)):
        assert_same_bits(a, b)
    assert_same_bits(classifier.predict_proba(path), classifier.predict_proba(TABLE))
    assert (classifier.predict(path) == classifier.predict(TABLE)).all()


def test_parts_do_not_depend_on_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(arrow_files, "PART_BYTES", 16 * 5 * 100)
    notes = []
    path = saved(tmp_path, row_group_size=40)
    table = arrow_files.ParquetTable(path, (), (), (), notes.append)
    table.select(table.names)
    parts = list(table.parts())
    assert [part.num_rows for _, _, part in parts] == [100, 100, 100]
    assert parts[1][:2] == (str(path), 100) and parts[1][2].column_names == list(TABLE.columns)
    assert len(notes) == 1


@pytest.mark.parametrize("order", ["ascending", "shuffled", "equal"])
@pytest.mark.parametrize("name", ["", "Unnamed: 0", "number"])
def test_row_numbers_are_left_out_as_in_memory(tmp_path, monkeypatch, name, order):
    monkeypatch.setattr(arrow_files, "PART_BYTES", 16 * 2 * 100)
    numbers = {"ascending": np.arange(N), "shuffled": RNG.permutation(N), "equal": np.zeros(N, int)}
    pq.write_table(pa.table([numbers[order], HEIGHT], [name, "x"]), tmp_path / "rows.parquet")
    notes, expected = [], []
    names = read(tmp_path / "rows.parquet", on_note=expected.append).column_names
    parts = arrow_files.ParquetTable(str(tmp_path / "rows.parquet"), (), (), (), notes.append)
    assert parts.names == names and notes == expected
    assert len(names) == 1 + (name == "number" or order == "equal")


def test_a_note_is_given_once(tmp_path, monkeypatch, regressor):
    monkeypatch.setattr(arrow_files, "PART_BYTES", 16 * 6 * 100)
    with warnings.catch_warnings(record=True, action="always") as caught:
        regressor.predict(saved(tmp_path))
    (warning,) = caught
    assert warning.category is TableWarning
    assert "column 'id' left out: the index of a pandas DataFrame" in str(warning.message)
    assert warning.filename == __file__


@IGNORE
def test_a_bad_value_is_named_with_its_file_and_rows(tmp_path, monkeypatch, regressor):
    monkeypatch.setattr(arrow_files, "PART_BYTES", 16 * 5 * 100)
    ages = [str(i) for i in range(N)]
    ages[200:300] = ["unknown age"] * 100
    TABLE.assign(age=ages).to_parquet(tmp_path / "rows.parquet")
    message = r"rows.parquet, rows 200 to 299: column 'age' .* in row 0,"
    with pytest.raises(ValueError, match=message):
        regressor.predict(tmp_path / "rows.parquet")


@IGNORE
def test_other_columns_and_files_without_rows(tmp_path, regressor):
    TABLE.drop(columns="age").to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(ValueError, match="has no column 'age', but the model needs it"):
        regressor.predict(tmp_path / "rows.parquet")
    TABLE[:0].to_parquet(tmp_path / "rows.parquet")
    assert regressor.predict(tmp_path / "rows.parquet").shape == (0,)
    table = pa.Table.from_pandas(TABLE)
    table = table.append_column("age", pa.array(np.zeros(N)))
    pq.write_table(table, tmp_path / "rows.parquet")
    with pytest.warns(TableWarning, match=r"rows.parquet: 1 column has the name of another one"):
        predictions = regressor.predict(tmp_path / "rows.parquet")
    assert_same_bits(predictions, regressor.predict(TABLE))
    (tmp_path / "rows.parquet").unlink()
    with pytest.raises(TableError, match="is a folder without tables"):
        regressor.predict(tmp_path)


@IGNORE
def test_a_large_file_is_never_in_memory(tmp_path, monkeypatch, regressor, calls_of):
    monkeypatch.setattr(arrow_files, "PART_BYTES", 16 * 5 * 1000)
    schema = pa.Schema.from_pandas(TABLE, preserve_index=False)
    with pq.ParquetWriter(tmp_path / "rows.parquet", schema) as writer:
        for _ in range(40):
            writer.write_table(pa.Table.from_pandas(TABLE, schema))
    calls = calls_of(TableModel, "predict_folds")
    regressor.predict(tmp_path / "rows.parquet")
    lengths = [frame.n_rows for _, frame, *_ in calls]
    assert sum(lengths) == 40 * N
    assert max(lengths) <= 1000

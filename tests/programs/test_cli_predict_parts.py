"""fastnn predict on Parquet files that are read in parts: the output of the table in memory."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import processes
import pytest
from cli_models import pa, pq

from fastnn.cli import model_rows
from fastnn.tables import arrow_files, read, source, text_files

B, C, N = "b.safetensors", "c.safetensors", "n.safetensors"


@pytest.fixture(autouse=True)
def small_parts(models, monkeypatch):
    """Parts have 50 rows."""
    monkeypatch.setattr(model_rows, "BLOCK", 50)


@pytest.fixture
def predict(run):
    return lambda *arguments: run("predict", *arguments)


def table(**columns):
    """The rows of table.csv, with further columns."""
    rows = read("table.csv", ["id"])
    for name, values in columns.items():
        rows = rows.append_column(name, pa.array(values))
    return rows


def in_memory(predict, monkeypatch, *arguments):
    """The output for a Parquet file that is read as a whole, of a command that succeeds."""
    with monkeypatch.context() as patched:
        patched.setattr(source, "holds_parquet", lambda path: False)
        code, *outputs = predict(*arguments)
    assert code == 0
    return code, *outputs


# Texts of 120 rows that are all numbers, or not, and that need quotes in one part only.
TEXTS = dict(whole=[*["1"] * 70, *["02"] * 50], mixed=[*["1"] * 110, *["1.5"] * 10])
TEXTS |= dict(words=[*["1"] * 119, "x"], marked=[*["7"] * 60, *["-"] * 60])
TEXTS |= dict(quoted=[*["a"] * 119, 'a "b", c'], empty=[*[None] * 60, *["x"] * 60])


@pytest.mark.parametrize("model", [B, C, N])
@pytest.mark.parametrize("out", [None, "o.csv", "o.tsv", "o.csv.gz", "o.parquet"])
def test_the_output_is_that_of_the_table_in_memory(predict, monkeypatch, model, out):
    pq.write_table(table(**TEXTS), "t.parquet", row_group_size=33)
    options = ("t.parquet", "--keep", "all", *(("--out", out) if out else ()))
    whole = in_memory(predict, monkeypatch, model, *options)
    expected = Path(out).read_bytes() if out else None
    assert predict(model, *options) == whole
    assert out is None or Path(out).read_bytes() == expected


@pytest.mark.parametrize("column", TEXTS)
def test_all_parts_decide_whether_texts_are_numbers(predict, monkeypatch, column):
    """Of a target, whose values are read as numbers if all are."""
    rows = table().drop_columns("n").append_column("n", pa.array(TEXTS[column]))
    pq.write_table(rows, "t.parquet")
    arguments = (N, "t.parquet", "--keep", "n", "--json")
    assert predict(*arguments) == in_memory(predict, monkeypatch, *arguments)


def test_scores_are_those_of_all_parts(predict, monkeypatch):
    pq.write_table(table(), "t.parquet")
    for model in (B, C, N):
        result = predict(model, "t.parquet", "--json")
        assert result == in_memory(predict, monkeypatch, model, "t.parquet", "--json")
        assert json.loads(result[1])["scores"]["rows"] == 120


def test_a_folder(predict):
    os.mkdir("rows")
    pq.write_table(table().slice(0, 70), "rows/0.parquet")
    pq.write_table(table().slice(70), "rows/1.parquet")
    pq.write_table(table(), "t.parquet")
    folder, file = (predict(N, path, "--keep", "id,n", "--json") for path in ("rows", "t.parquet"))
    assert folder[1].replace('"rows",', '"t.parquet",', 1) == file[1]
    code, _, errors = predict(N, "rows", "--out", "rows/1.parquet")
    assert code == 2 and "--out would overwrite an input file" in errors
    rows = table().set_column(1, "a", pa.array([*["1"] * 70, *[""] * 20, "one", *[""] * 29]))
    pq.write_table(rows.slice(0, 70), "rows/0.parquet")
    pq.write_table(rows.slice(70), "rows/1.parquet")
    code, out, errors = predict(B, "rows")
    assert (code, out) == (2, "")
    assert "rows/1.parquet: column 'a' holds 'one' in row 21, which is not a number" in errors


def test_unknown_categories_of_all_parts_are_counted(predict):
    city = ["Rom"] * 120
    city[3] = city[60] = "Paris"
    city[119] = "Oslo"
    pq.write_table(table().set_column(2, "city", pa.array(city)), "t.parquet")
    errors = predict(B, "t.parquet")[2]
    assert "column 'city': 3 rows with an unknown category, such as 'Paris'," in errors
    assert errors.count("unknown category") == 1


def test_an_error_in_the_last_part_changes_no_file(predict, monkeypatch):
    a = table()["a"].to_pylist()
    a[110] = np.inf
    pq.write_table(table().set_column(1, "a", pa.array(a)), "t.parquet")
    Path("o.csv").write_text("old", encoding="utf-8")
    before = sorted(os.listdir())
    for out in ([], ["--out", "o.csv"]):
        code, printed, errors = predict(B, "t.parquet", *out)
        assert (code, printed) == (2, "")
        assert "t.parquet: column 'a' is infinite in row 111." in errors
    write, calls = text_files.to_csv, []

    def fail_in_the_second_part(*arguments, **options):
        calls.append(sorted(os.listdir()))
        if len(calls) == 2:
            raise OSError("No space left on device")
        return write(*arguments, **options)

    pq.write_table(table(), "t.parquet")
    monkeypatch.setattr(text_files, "to_csv", fail_in_the_second_part)
    code, printed, errors = predict(B, "t.parquet", "--out", "o.csv")
    assert (code, printed) == (2, "") and "o.csv: cannot be written: No space" in errors
    assert len(calls[1]) == len(before) + 1  # the first part is in a temporary file
    assert Path("o.csv").read_text(encoding="utf-8") == "old" and sorted(os.listdir()) == before


def test_options_that_do_not_fit(predict):
    pq.write_table(table(), "t.parquet")
    assert "is not an Excel or OpenDocument file" in predict(B, "t.parquet", "--sheet", "1")[2]
    pq.write_table(table().rename_columns(["id", "a", "a", "b", "c", "n"]), "t.parquet")
    note = "t.parquet: 1 column has the name of another one. A number was added"
    assert note in predict(B, "t.parquet")[2]


def test_values_that_mean_missing(predict, monkeypatch):
    pq.write_table(table(m=["-9"] * 60 + ["x"] * 60), "t.parquet")
    arguments = (B, "t.parquet", "--na", "-9", "--keep", "m")
    result = predict(*arguments)
    assert result[1].splitlines()[1].startswith(",")
    assert result == in_memory(predict, monkeypatch, *arguments)


def test_row_groups_of_the_output(predict, monkeypatch):
    pq.write_table(table(), "t.parquet")
    monkeypatch.setattr(arrow_files, "GROUP_ROWS", 100)
    assert predict(B, "t.parquet", "--out", "o.parquet")[0] == 0
    metadata = pq.ParquetFile("o.parquet").metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [100, 20]


PREDICT = """
import sys
from fastnn import cli
from processes import peak_memory

model, table, out = sys.argv[1:]
options = ["--keep", "k0,k1,k2,k3,k4,id", "--out", out, "--threads", "1"]
assert cli.main(["predict", model, "small.parquet", *options]) == 0
before = peak_memory()
assert cli.main(["predict", model, table, *options]) == 0
print(peak_memory() - before)
"""
LIMIT = 110  # MB
N_COLUMNS, GROUP, N_GROUPS = 80, 20_000, 15


def write_large(path, n_groups, n):
    """Write a table of 80 columns of random numbers, besides the inputs and an ID."""
    rng = np.random.default_rng(0)
    fields = [*((f"k{i}", pa.float64()) for i in range(N_COLUMNS)), ("a", pa.float64())]
    schema = pa.schema([*fields, ("city", pa.string()), ("id", pa.string())])
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for group in range(n_groups):
            numbers = [rng.random(n) for _ in range(N_COLUMNS + 1)]
            ids = [f"{group}-{i}" for i in range(n)]
            writer.write_table(pa.table([*numbers, ["Rom"] * n, ids], schema=schema))


OUTPUTS = ["o.csv", pytest.param("o.parquet", marks=pytest.mark.slow("the output in o.csv"))]


@pytest.mark.slow("the other tests of this file, on smaller tables")
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("out", OUTPUTS)
def test_a_table_larger_than_the_memory_of_its_predictions(predict, out):
    write_large("small.parquet", 1, 10)
    write_large("t.parquet", N_GROUPS, GROUP)
    result = processes.run(PREDICT, N, "t.parquet", out, timeout=1000)
    assert result.returncode == 0, result.stderr
    assert float(result.stdout.split()[-1]) < LIMIT < 0.6 * os.path.getsize("t.parquet") / 2**20
    assert len(read(out)) == GROUP * N_GROUPS

"""train and predict with folders, databases and other files as they are: options, places of errors."""

import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cli_cases import FAST
from cli_models import call

import fastnn
from fastnn.cli.record import TrainingRecord, read_json, read_setup
from fastnn.tables import read
from fastnn.tabular import stored_model

N = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=2 * N).round(3)
CITY = RNG.choice(["Rom", "Bonn"], 2 * N)
Y = np.where(X + (CITY == "Rom") > 0, "yes", "no")


def text(rows, header="x,city,y\n"):
    return header + "".join(f"{X[i]},{CITY[i]},{Y[i]}\n" for i in rows)


def columns(rows):
    return {"x": X[rows], "city": CITY[rows].tolist(), "y": Y[rows].tolist()}


def write_sources():
    """Write the same rows in several ways. Return the names."""
    first, second = np.arange(N), np.arange(N, 2 * N)
    Path("d").mkdir()
    Path("d/a.csv").write_text(text(first))
    Path("d/b.csv.gz").write_bytes(gzip.compress(text(second).encode()))
    for city in ("Rom", "Bonn"):
        Path(f"h/city={city}").mkdir(parents=True)
        rows = np.flatnonzero(CITY == city)
        pq.write_table(pa.table({"x": X[rows], "y": Y[rows].tolist()}), f"h/city={city}/a.parquet")
    Path("p").mkdir()
    for name, rows in (("a", first), ("b", second)):
        pq.write_table(pa.table(columns(rows)), f"p/{name}.parquet")
    with closing(sqlite3.connect("t.db")) as connection:
        connection.execute("CREATE TABLE t(x, city, y)")
        rows = zip(X.tolist(), CITY.tolist(), Y.tolist())
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        connection.commit()
    rows = pa.table(columns(np.arange(2 * N))).to_pylist()
    Path("t.json").write_text(json.dumps({"meta": {}, "data": rows}))
    Path("t.csv").write_text(text(range(2 * N)))
    return ["d", "p", "t.db", "t.json", "t.csv"]


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """run(*arguments) -> (exit code, standard output, standard error), in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: call(capsys, *arguments)


@pytest.mark.filterwarnings("ignore:t.json")
def test_each_source_gives_the_same_model_and_predictions(run):
    sources = write_sources()
    outputs = {}
    for i, source in enumerate(sources):
        out = f"{i}.safetensors"
        same = ["--folds", "1", "--hidden", "4"]  # without a time limit
        code, _, errors = run("train", source, "--target", "y", "--out", out, *same)
        assert code == 0, errors
        outputs[source] = [run("predict", out, other, "--proba")[1] for other in sources]
    expected = outputs["t.csv"][-1]
    assert expected.count("\n") == 2 * N + 1
    assert all(output == expected for each in outputs.values() for output in each)
    model = stored_model.load("0.safetensors")
    P = model.predict_proba("d")
    assert P.shape == (2 * N, 2) and all((P == model.predict_proba(s)).all() for s in sources[1:])


def test_partitions_of_hive(run, monkeypatch):
    write_sources()
    assert run("train", "h", "--target", "y", "--out", "m", *FAST)[0] == 0
    record = TrainingRecord.from_json(read_json(stored_model.load("m")))
    assert record.model.kinds == {"x": "number", "city": "category"}
    whole = run("predict", "m", "h")[1]
    arguments = ["--target", "y", "--out", "s", *FAST, "--window", "40"]
    code, _, errors = run("train", "h", *arguments)
    assert code == 0, errors
    assert read_setup(stored_model.load("s")).sample
    assert (
        whole.count("\n") == run("predict", "s", "h", "--keep", "city")[1].count("\n") == 2 * N + 1
    )
    code, out, _ = run("predict", "s", "h", "--keep", "city,x")
    assert [line.split(",")[0] for line in out.split()[1:]] == sorted(CITY)


@pytest.mark.filterwarnings("ignore:t.json")
@pytest.mark.usefixtures("quick_recipe")
def test_paths_in_python(run):
    sources = write_sources()
    expected = None
    for source in [*sources, "h"]:
        clf = fastnn.TabularClassifier(2, hidden_layer_sizes=4, random_state=0, n_threads=1)
        clf.fit(source, "y")
        P = clf.predict_proba(source)
        if source != "h":  # whose rows have another order
            expected = P if expected is None else expected
            assert (P == expected).all()
    assert read("h").num_rows == 2 * N


def test_the_query_is_that_of_the_training(run):
    write_sources()
    sql = "SELECT * FROM t WHERE x > -0.5"
    with closing(sqlite3.connect("t.db")) as connection:
        connection.execute("CREATE TABLE other(a)")
        connection.commit()
    code, _, errors = run("train", "t.db", "--target", "y", "--out", "m", *FAST)
    assert (
        code == 2 and "contains 2 tables: 'other', 't'. Pass --sql 'SELECT * FROM other'." in errors
    )
    Path("c.toml").write_text(f'sql = "{sql}"\ntarget = "y"\n')
    code, _, errors = run("train", "t.db", "--config", "c.toml", "--out", "m", *FAST)
    assert code == 0, errors
    setup = read_setup(stored_model.load("m"))
    assert setup.reading == {"sql": sql} and f"--sql '{sql}'" in setup.command
    code, out, errors = run("predict", "m", "t.db")
    assert code == 0 and out.count("\n") == (X > -0.5).sum() + 1
    assert f"note: t.db is read like the training table: --sql '{sql}'" in errors
    code, out, errors = run("predict", "m", "t.csv")  # which has no queries
    assert code == 0 and out.count("\n") == 2 * N + 1 and "--sql" not in errors
    code, _, errors = run("predict", "m", "t.csv", "--sql", sql)
    assert code == 2 and "is not an SQLite or DuckDB file, so --sql cannot be used" in errors


def test_long_lines_are_skipped_by_predict_too(run):
    write_sources()
    Path("t.csv").write_text(text(range(N)) + "1,Rom,yes,x\n2,Rom\n" + text(range(N, 2 * N), ""))
    code, _, errors = run("train", "t.csv", "--target", "y", "--out", "m", *FAST)
    assert code == 2 and f"t.csv, line {N + 2}: has 4 values" in errors
    assert "--skip-bad-lines leaves such lines out." in errors
    Path("c.toml").write_text("skip-bad-lines = true\nskip-missing-target = true\n")
    arguments = ["--config", "c.toml", "--target", "y", "--out", "m", *FAST]
    code, _, errors = run("train", "t.csv", *arguments)
    assert code == 0, errors
    assert f"line {N + 2}: has 4 values for 3 columns. It was left out." in errors
    code, out, errors = run("predict", "m", "t.csv")
    assert code == 0 and out.count("\n") == 2 * N + 2
    assert "is read like the training table: --skip-bad-lines" in errors


def test_errors_name_the_file_of_a_folder(run):
    write_sources()
    Path("d/c.csv").write_text("x,city,y\n1,Rom,yes\n\n2,Rom,\n")
    code, _, errors = run("train", "d", "--target", "y", "--out", "m", *FAST)
    assert code == 2 and "d/c.csv, line 4: the target 'y' is missing" in errors
    Path("d/c.csv").write_text("x,city,y\n1,Rom,yes\n")
    assert run("train", "d", "--target", "x", "--out", "m", *FAST)[0] == 0
    assert run("train", "d", "--target", "y", "--out", "m", *FAST)[0] == 0
    Path("d/c.csv").write_text("x,city,y\n1,Rom,yes\ninf,Rom,yes\n")
    code, _, errors = run("predict", "m", "d")
    assert code == 2 and "d/c.csv: " in errors and "line 3" in errors


def test_output_never_replaces_a_file_of_the_folder(run):
    write_sources()
    assert run("train", "d", "--target", "y", "--out", "m", *FAST)[0] == 0
    code, _, errors = run("predict", "m", "d", "--out", "d/a.csv")
    assert code == 2 and "d/a.csv" in errors
    assert Path("d/a.csv").read_text() == text(range(N))


def test_the_encoding_that_was_guessed_is_tried_first(run):
    """A few bytes of a table to predict do not tell theirs."""
    pytest.importorskip("charset_normalizer", reason="the extra cli is not installed")
    cities = np.where(CITY == "Rom", "東京", "大阪")
    rows = [f"{x},{city},{y}" for x, city, y in zip(X, cities, Y)]
    Path("t.csv").write_text("\n".join(["x,city,y", *rows]), "cp932")
    code, _, errors = run("train", "t.csv", "--target", "y", "--out", "m", *FAST)
    assert code == 0 and "read as Shift-JIS (cp932), such as '" in errors
    assert read_setup(stored_model.load("m")).reading == {"guessed_encoding": "cp932"}
    for encoding in ("cp932", "utf-8"):
        Path("new.csv").write_text("x,city\n1,大阪\n", encoding)
        code, _, errors = run("predict", "m", "new.csv")
        assert code == 0 and "unknown" not in errors, errors
        assert ("Shift-JIS" in errors) == (encoding == "cp932")

"""fastnn train on Parquet files that are read in parts, and on folders of them."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")
import pyarrow.parquet as pq  # noqa: E402
from cli_cases import FAST, report_of, write_people  # noqa: E402

import fastnn  # noqa: E402
from fastnn.tables import arrow_files, read  # noqa: E402
from fastnn.tabular.large import large_table  # noqa: E402

N = 600
COLUMNS = ("--target", "buys", "--drop", "group,income", "--out", "m.safetensors")
ARGUMENTS = (*COLUMNS, *FAST)


@pytest.fixture(autouse=True)
def people(run, monkeypatch):
    """people.parquet, and the folder `people` with the same rows in three files. Parts have 50 rows."""
    write_people(n=N)
    write_parquet(read("people.csv"))
    monkeypatch.setattr(arrow_files, "TRAINING_VALUES", 50 * 7)


def write_parquet(table):
    pq.write_table(table, "people.parquet")
    os.makedirs("people", exist_ok=True)
    for i in range(3):
        pq.write_table(table.slice(i * 210, 210), f"people/{i}.parquet")


def test_a_note_is_printed_once(run):
    """A small Parquet file is opened for its size, and then read as a whole."""
    table = read("people.csv").append_column("__index_level_0__", pa.array(range(N)))
    index = {"index_columns": ["__index_level_0__"], "columns": [], "column_indexes": []}
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(index)}), "i.parquet")
    code, _, errors = run("train", "i.parquet", *ARGUMENTS)
    assert code == 0 and errors.count("'__index_level_0__' left out") == 1


def read_parameters():
    """The bytes of the parameters of all networks of the model."""
    networks = [
        net for m in fastnn.load("m.safetensors").model_.members for n in m.networks for net in n
    ]
    return [net.params.tobytes() for net in networks]


def without_time(report):
    return {k: v for k, v in report.items() if k not in ("seconds", "created", "command", "data")}


@pytest.mark.parametrize("data", ["people", "people.parquet"])
@pytest.mark.parametrize("window", [[], ["--window", "600"]])
def test_one_window_gives_the_model_of_the_table_in_memory(run, data, window, quick_recipe):
    options = (*COLUMNS, "--folds", "2", "--test-size", "0.2")
    expected = report_of(run, "people.csv", *options)
    parameters = read_parameters()
    assert without_time(report_of(run, data, *options, *window)) == without_time(expected)
    assert read_parameters() == parameters


@pytest.mark.parametrize("target", ["buys", "group", "income"])
@pytest.mark.parametrize("data", ["people", "people.parquet"])
def test_a_large_table_is_learned(run, data, target, quick_recipe):
    others = ",".join({"buys", "group", "income"} - {target})
    options = ["--target", target, "--drop", others, "--out", "m", "--folds", "2"]
    quick_recipe(60)
    report = report_of(run, data, *options, "--window", "400", "--test-size", "0.2")
    assert report["rows"] == N and report["test_rows"] == 120 == report["test_scores"]["rows"]
    assert 300 <= report["scores"]["rows"] <= 400
    assert report["sample"].startswith(f"{report['scores']['rows']} rows in memory decide about")
    scores = report["test_scores"]
    assert scores["r2"] > 0.8 if target == "income" else scores["accuracy"] > 0.85
    assert report["left_out"]["planet"] == "all values are equal"
    code, out, errors = run("predict", "m", data)
    assert code == 0 and len(out.splitlines()) == N + 1, errors
    assert fastnn.load("m").model_.target_name == target


def test_the_screen(run):
    code, out, errors = run("train", "people", *ARGUMENTS, "--window", "300", "--report", "r.html")
    assert code == 0, errors
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "people: 600 rows, 6 columns"
    assert lines[2].startswith("sample      2") and "decide about the columns" in lines[2]
    assert "rows in memory decide" in Path("r.html").read_text()


def test_rows_of_label_issues_are_those_of_the_file(run):
    table = read("people.csv")
    buys = table["buys"].to_pylist()
    sample = large_table.sample_numbers(N, 500)
    row = int(
        next(i for i in sample[50:] if buys[i] == "no" and (table["age"][i].as_py() or 99) < 30)
    )
    buys[row] = "yes"
    write_parquet(table.set_column(table.column_names.index("buys"), "buys", pa.array(buys)))
    options = ["--folds", "2", "--hidden", "16"]
    report = report_of(run, "people", *ARGUMENTS, "--window", "500", *options)
    issue = report["label_issues"][0]
    assert issue["row"] == row and issue["place"] == f"row {row + 1}"
    assert issue["file"] == f"people/{row // 210}.parquet"
    assert issue["place_in_file"] == f"row {row % 210 + 1}"


def test_missing_targets_are_left_out(run):
    table = read("people.csv")
    buys = [None if i % 7 == 0 else value for i, value in enumerate(table["buys"].to_pylist())]
    write_parquet(table.set_column(table.column_names.index("buys"), "buys", pa.array(buys)))
    code, _, errors = run("train", "people", *ARGUMENTS, "--window", "300")
    assert (
        code == 2 and "people/0.parquet, row 1: the target 'buys' is missing (in 86 rows)" in errors
    )
    report = report_of(run, "people", *ARGUMENTS, "--window", "300", "--skip-missing-target")
    assert report["rows"] == N - 86


def test_a_text_among_numbers_is_missing(run):
    table = read("people.csv")
    age = [str(a or "") for a in table["age"].to_pylist()]
    row = int(
        np.setdiff1d(np.arange(450, N), large_table.sample_numbers(N, 100))[-1]
    )  # not in the sample
    age[row] = "unknown age"
    write_parquet(table.set_column(table.column_names.index("age"), "age", pa.array(age)))
    code, _, errors = run("train", "people", *ARGUMENTS, "--window", "100", "--folds", "2")
    n = sum(map(bool, age))
    assert code == 0
    assert errors.count("column 'age'") == 1
    assert (
        f"note: column 'age': 1 of {n} values are not numbers ('unknown age') and count as missing. "
        "Pass --category age to keep them as texts."
    ) in errors


def test_a_wrong_value_of_the_sample_is_located(run):
    table = read("people.csv")
    row = int(large_table.sample_numbers(N, 100)[-1])
    age = ["1"] * N
    age[row] = "unknown age"
    write_parquet(table.set_column(table.column_names.index("age"), "age", pa.array(age)))
    arguments = ("train", "people.parquet", *ARGUMENTS, "--date", "age", "--window", "100")
    code, _, errors = run(*arguments)
    assert code == 2 and "--date names the column 'age', which holds '1'" in errors


def test_tune(run, quick_recipe):
    report = report_of(
        run,
        *("people", "--target", "income", "--out", "m", "--window", "300", "--tune"),
        *("--folds", "2", "--time-limit", "1000"),
    )
    assert len(report["tuning"]["tried"]) in (7, 8)


def test_interrupted_and_resumed(run, interrupt_after_a_fold, quick_recipe):
    options = ("people", *COLUMNS, "--window", "300", "--folds", "3")
    whole = report_of(run, *options)
    parameters = read_parameters()
    interrupt_after_a_fold()
    code, out, _ = run("train", *options, "--json")
    assert code == 130 and json.loads(out)["folds"] == 1
    resumed = report_of(run, *options, "--resume")
    assert resumed["scores"] == whole["scores"]
    assert read_parameters() == parameters


@pytest.mark.parametrize(
    ("data", "window", "message"),
    [
        (
            "people.csv",
            "300",
            "people.csv: --window is for Parquet files. Leave it out, or convert",
        ),
        (
            "people",
            "3",
            "people: --window 3 puts 3 rows in memory, but 5 folds need at least 20. Pass a l",
        ),
        ("people", "1", "argument --window"),
        ("nothing.parquet", "300", "nothing.parquet: "),
    ],
)
def test_wrong_windows(run, data, window, message):
    code, _, errors = run("train", data, *ARGUMENTS[:-2], "--folds", "5", "--window", window)
    assert code == 2 and message in errors and "Traceback" not in errors


def test_an_empty_folder(run):
    os.makedirs("empty")
    code, _, errors = run("train", "empty", *ARGUMENTS)
    assert code == 2 and errors.startswith("fastnn train: empty: is a folder without tables.")

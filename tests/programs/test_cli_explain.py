"""fastnn explain, and fastnn predict --explain: what they write, in every format."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

from cli_cases import write_csv
from cli_models import call, models_folder, unchanged_folder
from numpy.testing import assert_allclose

import fastnn
from fastnn.cli import explain
from fastnn.tables import read

models = pytest.fixture(models_folder, scope="module")


@pytest.fixture
def run(capsys, monkeypatch, models):
    """run(model, *arguments) -> (exit code, standard output, standard error), in a folder with
    models and tables. The next test finds it as this one did."""
    monkeypatch.chdir(models)
    monkeypatch.setenv("COLUMNS", "80")
    with unchanged_folder():
        yield lambda model, *arguments: call(capsys, "explain", f"{model}.safetensors", *arguments)


def table_of(text):
    rows = list(csv.DictReader(io.StringIO(text)))
    return {name: [row[name] for row in rows] for name in rows[0]}


def test_text_of_rows(run):
    code, text, errors = run("b", "new.csv", "--keep", "city")
    assert (code, errors) == (0, "")
    first, second = text.split("\n\n")
    lines = first.splitlines()
    assert lines[0].startswith("row 1 (city Rom): probability of 'yes' 0.")
    assert {line.split()[0] for line in lines[1:]} == {"a", "city"}
    assert lines[1].split()[1] in ("2.5", "Rom") and lines[1].endswith("+" * 16)
    assert second.splitlines()[0].startswith("row 2 (city Köln)")
    assert "+-" not in text  # they are exact
    sampled = run("b", "new.csv", "--permutations", "8")[1]
    assert sampled.count("+-") == 4 and sampled.startswith("row 1: probability")


def test_numbers_add_up_in_a_file(run):
    code, text, errors = run("n", "table.csv", "--keep", "id", "--out", "out.csv")
    assert (code, text, errors) == (0, "Saved out.csv (120 rows).\n", "")
    table = table_of(Path("out.csv").read_text("utf-8"))
    assert list(table) == ["id", "prediction", "base", "contribution_a", "contribution_city"]
    assert table["id"] == [f"{i:03}" for i in range(120)]
    numbers = {name: np.array(x, float) for name, x in table.items() if name != "id"}
    total = numbers["base"] + numbers["contribution_a"] + numbers["contribution_city"]
    assert_allclose(total, numbers["prediction"], rtol=1e-6)
    expected = fastnn.load("n.safetensors").explain(read("table.csv"))
    assert_allclose(numbers["contribution_a"], expected.values[:, 0], rtol=1e-6)


@pytest.mark.parametrize("name", ["out.parquet", "out.json"])
def test_other_formats(run, name):
    assert run("c", "new.csv", "--out", name, "--scale", "log-odds")[0] == 0
    table = read(name)
    assert table.column_names == [
        "class",
        "log_odds",
        "base",
        "contribution_a",
        "contribution_city",
    ]
    assert list(map(str, table["class"].to_pylist())) == ["2", "0"]


def test_json(run):
    code, text, _ = run("c", "table.csv", "--rows", "2,119-120", "--json", "--seed", "3",
                        "--permutations", "240")  # fmt: skip
    report = json.loads(text)
    assert code == 0 and report["rows"] == 3 and report["permutations"] == 240
    assert (report["scale"], report["background_rows"]) == ("probability", 120)
    model, table = fastnn.load("c.safetensors"), read("table.csv")
    found = model.explain(table.take([1, 118, 119]), n_permutations=240, random_state=3)
    for row, number, i in zip(report["explanations"], (2, 119, 120), range(3)):
        k = found.predictions[i].argmax()
        assert (row["row"], row["output"]) == (number, str(k))
        assert list(row["contributions"].values()) == found.values[i, :, k].tolist()
        assert list(row["standard_errors"].values()) == found.standard_errors[i, :, k].tolist()
        assert row["values"] == dict(zip(["a", "city"], found.data[i].tolist()))
        assert row["prediction"] == found.predictions[i, k]


def test_the_first_rows_are_shown_with_a_note(run):
    code, text, errors = run("b", "table.csv")
    assert code == 0 and text.count("row ") == explain.SHOWN_ROWS
    assert "the first 5 of 120 rows are explained. --rows names others" in errors


def test_blocks_do_not_matter(run, monkeypatch):
    whole = run("b", "table.csv", "--rows", "1-9", "--json")[1]
    monkeypatch.setattr(explain, "BLOCK", 2)
    assert run("b", "table.csv", "--rows", "1-9", "--json")[1] == whole


def test_other_rows_to_compare_with(run):
    write_csv("others.csv", city=["Rom", "Köln"], a=[1.0, -1.0])
    report = json.loads(run("n", "new.csv", "--background", "others.csv", "--json")[1])
    model = fastnn.load("n.safetensors")
    assert report["background_rows"] == 2
    base = model.predict(read("others.csv")).mean()
    assert_allclose(report["explanations"][0]["base"], base)
    write_csv("none.csv", city=[], a=[])
    assert (
        "--background: none.csv has no rows" in run("n", "new.csv", "--background", "none.csv")[2]
    )


def test_no_rows(run):
    write_csv("none.csv", city=[], a=[])
    assert run("b", "none.csv") == (0, "", "note: none.csv has no rows, so the output has none\n")
    assert json.loads(run("b", "none.csv", "--json")[1])["explanations"] == []
    assert run("b", "none.csv", "--out", "out.csv")[1] == "Saved out.csv (0 rows).\n"
    assert (
        Path("out.csv").read_text("utf-8")
        == "class,probability,base,contribution_a,contribution_city\n"
    )


def test_values_that_are_noted(run):
    write_csv("odd.csv", city=["Paris", "Rom"], a=["?1", "2"])
    code, text, errors = run("b", "odd.csv")
    assert code == 0 and "Paris" in text and "missing" in text
    assert "unknown category, such as 'Paris'" in errors and "'?1'" in errors


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--rows", "9"], "--rows: new.csv has 2 rows, but row 9 is named"),
        (["--rows", "0"], "expected numbers of rows from 1 on, such as 3,10-12, got '0'"),
        (["--rows", "4-3"], "expected numbers of rows"),
        (["--permutations", "7"], "--permutations 7 must be even and at least 4"),
        (["--scale", "odds"], "--scale odds is not a scale of this model"),
        (["--keep", "x"], "--keep: new.csv has no column 'x'"),
        (["--out", "x.doc"], ".doc"),
    ],
)
def test_wrong_arguments(run, arguments, error):
    code, text, errors = run("b", "new.csv", *arguments)
    assert (code, text) == (2, "") and error in errors and errors.count("\n") == 1


def test_slow_explanations_say_so(run, monkeypatch):
    monkeypatch.setattr(explain, "BLOCK", 1)
    monkeypatch.setattr(explain, "SLOW", 0.0)
    assert "explaining 2 rows takes about" in run("b", "new.csv", "--out", "out.csv")[2]


# ---- predict --explain, and models without rows ----


def test_predictions_with_contributions(run, capsys):
    code, text, _ = call(capsys, "predict", "b.safetensors", "new.csv", "--explain", "--proba")
    table = table_of(text)
    names = ["prediction", "probability_no", "probability_yes", "class", "probability", "base"]
    assert code == 0 and list(table) == [*names, "contribution_a", "contribution_city"]
    assert table["probability"] == table["probability_yes"]
    run("b", "new.csv", "--out", "out.csv")
    assert table_of(Path("out.csv").read_text("utf-8"))["contribution_a"] == table["contribution_a"]


def test_a_model_without_training_rows(run, capsys):
    code, _, _ = call(capsys, "train", "table.csv", "--target", "n", "--drop", "id,b,c", "--out",
                      "m.safetensors", "--folds", "2", "--hidden", "2", "--no-background")  # fmt: skip
    assert code == 0
    assert "keeps no training rows" in run("m", "new.csv")[2]
    assert run("m", "new.csv", "--background", "table.csv")[0] == 0
    code, _, errors = call(capsys, "predict", "m.safetensors", "new.csv", "--explain")
    assert code == 2 and "--explain: m.safetensors keeps no training rows" in errors

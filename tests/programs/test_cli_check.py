"""fastnn check, and what fastnn predict notes about rows that are not like the training rows."""

import json
from dataclasses import replace

import numpy as np
import pytest
from cli_cases import write_csv
from cli_models import pq

import fastnn
from fastnn import tables

pytestmark = pytest.mark.usefixtures("models")


def write_rows(name, n=60, **columns):
    rng = np.random.default_rng(1)
    columns = dict(a=rng.normal(size=n), city=rng.choice(["Köln", "Rom"], n)) | columns
    write_csv(name, **{k: v for k, v in columns.items() if v is not None})


def test_no_drift(run):
    write_rows("same.csv")
    out = "No drift in 2 columns: 60 new rows beside 120 training rows.\n"
    assert run("check", "b.safetensors", "same.csv") == (0, out, "")


def test_drift(run):
    write_rows("other.csv", a=np.arange(60) + 500.0, city=["Bern"] * 60)
    code, out, _ = run("check", "b.safetensors", "other.csv")
    assert code == 1 and out.startswith("Drift in 2 of 2 columns")
    assert "60 of 60 values above" in out and "such as 'Bern'" in out
    code, out, _ = run("check", "b.safetensors", "other.csv", "--json")
    found = json.loads(out)
    assert code == 1 and found["has_drift"]
    changes = [(each["column"], each["kind"]) for each in found["changes"]]
    assert changes == [("a", "range"), ("city", "unknown")]


def test_columns_that_are_absent_or_new(run):
    write_rows("less.csv", city=None, wind=["x"] * 60)
    code, out, _ = run("check", "b.safetensors", "less.csv")
    assert code == 1
    assert "\ncity      not in this table" in out and "\nwind      (new; not used)" in out


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_without_any_column_of_the_model(suffix, run):
    write_rows("none.csv", a=None, city=None, wind=["x"] * 60)
    name = f"none{suffix}"
    if suffix == ".parquet":
        pq.write_table(tables.read("none.csv"), name)
    code, out, _ = run("check", "b.safetensors", name)
    assert code == 1 and out.startswith("Drift in 2 of 2 columns: 60 new rows beside 120")
    report = fastnn.load("b.safetensors").check(name)
    assert report.n_rows == 60 and report.drifted_columns == ["a", "city"]


def test_texts_in_a_column_of_numbers(run):
    write_rows("texts.csv", a=["long"] * 60)
    code, out, _ = run("check", "b.safetensors", "texts.csv")
    assert code == 1 and "60 of 60 values are" in out


def test_a_narrow_terminal(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    write_rows("other.csv", a=np.arange(60) + 500.0)
    _, out, _ = run("check", "b.safetensors", "other.csv")
    assert max(map(len, out.splitlines())) <= 40


def test_a_model_of_an_older_version(run):
    model = fastnn.load("b.safetensors")
    model.model_ = replace(model.model_, profile=None)
    model.save("old.safetensors")
    code, _, err = run("check", "old.safetensors", "new.csv")
    assert code == 2 and "an older version wrote its file. Train it again." in err
    assert run("predict", "old.safetensors", "new.csv")[0] == 0
    assert json.loads(run("predict", "old.safetensors", "new.csv", "--json")[1])["drift"] is None


def test_errors_have_another_code(run):
    assert run("check", "b.safetensors", "nothing.csv")[0] == 2
    assert run("check", "nothing.safetensors", "new.csv")[0] == 2


def test_predict_notes_drift(run):
    write_rows("same.csv")
    assert run("predict", "b.safetensors", "same.csv")[2] == ""
    write_rows("other.csv", a=np.arange(60) + 500.0, city=[""] * 30 + ["Rom"] * 30)
    err = run.notes("predict", "b.safetensors", "other.csv")
    assert "note: column 'a': 60 of 60 values above the range of training" in err
    assert "note: column 'city': missing in 30 of 60 rows (never missing in training" in err
    assert "All changes: fastnn check b.safetensors other.csv" in err
    found = json.loads(run("predict", "b.safetensors", "other.csv", "--json")[1])
    assert found["drift"]["drifted_columns"] == ["a", "city"]

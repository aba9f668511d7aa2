"""fastnn explain, and fastnn predict --explain: what they write, in every format."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from cli_cases import write_csv
from numpy.testing import assert_allclose

import fastnn
from fastnn.cli import explain, model_rows
from fastnn.tables import read


@pytest.fixture
def explained(run, models):
    return lambda model, *arguments: run("explain", f"{model}.safetensors", *arguments)


def table_of(text):
    rows = list(csv.DictReader(io.StringIO(text)))
    return {name: [row[name] for row in rows] for name in rows[0]}


def test_text_of_rows(explained):
    code, text, errors = explained("b", "new.csv", "--keep", "city")
    assert (code, errors) == (0, "")
    first, second = text.split("\n\n")
    lines = first.splitlines()
    assert lines[0].startswith("row 1 (city Rom): probability of 'yes' 0.")
    assert {line.split()[0] for line in lines[1:]} == {"a", "city"}
    assert lines[1].split()[1] in ("2.5", "Rom") and lines[1].endswith("+" * 16)
    assert second.splitlines()[0].startswith("row 2 (city Köln)")
    assert "+-" not in text  # they are exact
    title = explain._row_title(1234, {21 * "n": 31 * "v", "x": 1})
    assert title == f"row 1,234 ({17 * 'n'}... {27 * 'v'}..., x 1)"
    sampled = explained("b", "new.csv", "--permutations", "8")[1]
    assert sampled.count("+-") == 4 and sampled.startswith("row 1: probability")


def test_numbers_add_up_in_a_file(explained):
    code, text, errors = explained("n", "table.csv", "--keep", "id", "--out", "out.csv")
    assert (code, text, errors) == (0, "Saved out.csv (120 rows).\n", "")
    table = table_of(Path("out.csv").read_text("utf-8"))
    assert list(table) == ["id", "prediction", "base", "contribution_a", "contribution_city"]
    assert table["id"] == [f"{i:03}" for i in range(120)]
    numbers = {name: np.array(x, float) for name, x in table.items() if name != "id"}
    total = numbers["base"] + numbers["contribution_a"] + numbers["contribution_city"]
    assert_allclose(total, numbers["prediction"], rtol=1e-6)
    expected = fastnn.load("n.safetensors").explain(read("table.csv"))
    assert_allclose(numbers["contribution_a"], expected.values[:, 0], rtol=1e-6)


def test_the_middle_quantile_is_explained(explained, rng):
    write_csv("t.csv", x=rng.normal(size=60), y=rng.normal(size=60))
    loss = fastnn.losses.Quantile((0.1, 0.9))
    model = fastnn.TabularRegressor(1, hidden_layer_sizes=4, random_state=0, loss=loss)
    model.fit(read("t.csv"), "y").save("m.safetensors")
    explained("m", "t.csv", "--out", "out.csv")
    found = table_of(Path("out.csv").read_text("utf-8"))
    assert list(found) == ["quantile", "prediction", "base", "contribution_x"]
    (quantile,) = {*map(float, found["quantile"])}
    expected = model.predict(read("t.csv"))[:, [0.1, 0.9].index(quantile)]
    assert_allclose(np.array(found["prediction"], float), expected, rtol=1e-6)


@pytest.mark.parametrize("n", [6, 7, 8])
def test_the_first_notes_about_columns_are_printed(n):
    notes = []
    model_rows._note_all(notes.append, [f"text {i}" for i in range(n)], "such changes")
    more = {7: ["such changes in 1 more column"], 8: ["such changes in 2 more columns"]}
    assert notes == [f"text {i}" for i in range(6)] + more.get(n, [])


@pytest.mark.parametrize("command", ["explain", "predict"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_words_of_free_text_have_a_column(run, quick_recipe, command, n_classes):
    words = np.array(["tasty", "cold", '\x9b31m"dull,"'])[np.arange(60) % n_classes]
    texts = [f"the {word} soup {i}" for i, word in enumerate(words)]
    write_csv("t.csv", text=texts, word=np.array(["a", "b", "c"])[np.arange(60) % n_classes])
    options = ("--text", "text", "--folds", "3", "--hidden", "8", "--out", "m", "--quiet")
    assert run("train", "t.csv", "--target", "word", *options)[0] == 0
    options = ("--explain",) * (command == "predict")
    assert run(command, "m", "t.csv", "--out", "out.csv", *options)[0] == 0
    explanation = fastnn.load("m").explain(read("t.csv"))
    for i, text in enumerate(table_of(Path("out.csv").read_text("utf-8"))["words_text"]):
        words, shares = explanation.words["text"][i]
        shares = shares if n_classes == 2 else shares[:, explanation.predictions[i].argmax()]
        largest = np.abs(shares).argmax()
        word = words[largest].replace("\x9b", "\ufffd")
        assert text.startswith(f"{word} {shares[largest]:+.2f}")
        assert text.count(" ") == 2 * (np.abs(shares) > 0.005).sum() - 1


@pytest.mark.parametrize("name", ["out.parquet", "out.json"])
def test_other_formats(explained, name):
    assert explained("c", "new.csv", "--out", name, "--scale", "log-odds")[0] == 0
    table = read(name)
    assert " ".join(table.column_names) == "class log_odds base contribution_a contribution_city"
    assert list(map(str, table["class"].to_pylist())) == ["2", "0"]


def test_json(run, models):
    words = "c.safetensors table.csv --rows 2,119-120 --json --seed 3 --permutations 240"
    report = json.loads(run.output("explain", *words.split()))
    assert report["rows"] == 3 and report["permutations"] == 240
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


def test_the_first_rows_are_shown_with_a_note(explained):
    code, text, errors = explained("b", "table.csv")
    assert code == 0 and text.count("row ") == 5
    assert "the first 5 of 120 rows are explained. --rows names others" in errors


def test_blocks_do_not_matter(explained, monkeypatch):
    whole = explained("b", "table.csv", "--rows", "1-9", "--json")[1]
    monkeypatch.setattr(explain, "BLOCK", 2)
    assert explained("b", "table.csv", "--rows", "1-9", "--json")[1] == whole


def test_other_rows_to_compare_with(explained):
    write_csv("others.csv", city=["Rom", "Köln"], a=[1.0, -1.0])
    report = json.loads(explained("n", "new.csv", "--background", "others.csv", "--json")[1])
    model = fastnn.load("n.safetensors")
    assert report["background_rows"] == 2
    assert_allclose(report["explanations"][0]["base"], model.predict(read("others.csv")).mean())
    write_csv("none.csv", city=[], a=[])
    errors = explained("n", "new.csv", "--background", "none.csv")[2]
    assert "--background: none.csv has no rows" in errors


def test_no_rows(explained):
    write_csv("none.csv", city=[], a=[])
    note = "note: none.csv has no rows, so the output has none\n"
    assert explained("b", "none.csv") == (0, "", note)
    assert json.loads(explained("b", "none.csv", "--json")[1])["explanations"] == []
    assert explained("b", "none.csv", "--out", "out.csv")[1] == "Saved out.csv (0 rows).\n"
    header = "class,probability,base,contribution_a,contribution_city\n"
    assert Path("out.csv").read_text("utf-8") == header


def test_values_that_are_noted(explained):
    write_csv("odd.csv", city=["Paris", "Rom"], a=["?1", "2"])
    code, text, errors = explained("b", "odd.csv")
    assert code == 0 and "Paris" in text and "missing" in text
    assert "unknown category, such as 'Paris'" in errors and "'?1'" in errors


WRONG = [
    (["--rows", "9"], "--rows: new.csv has 2 rows, but row 9 is named"),
    (["--rows", "0"], "expected numbers of rows from 1 on, such as 3,10-12, got '0'"),
    (["--rows", "4-3"], "expected numbers of rows"),
    (["--rows", "1" * 15], f"--rows: new.csv has 2 rows, but row {int('1' * 15):,} is named"),
    (["--rows", "1" * 16], "expected numbers of rows"),
    (["--permutations", "7"], "--permutations 7 must be even and at least 4"),
    (["--scale", "odds"], "--scale odds is not a scale of this model"),
    (["--keep", "x"], "--keep: new.csv has no column 'x'"),
    (["--out", "x.doc"], ".doc"),
]


@pytest.mark.parametrize(("arguments", "error"), WRONG)
def test_wrong_arguments(explained, arguments, error):
    code, text, errors = explained("b", "new.csv", *arguments)
    assert (code, text) == (2, "") and error in errors and errors.count("\n") == 1


def test_slow_explanations_say_so(explained, monkeypatch):
    monkeypatch.setattr(explain, "BLOCK", 1)
    monkeypatch.setattr(explain, "SLOW", 0.0)
    assert "explaining 2 rows takes about" in explained("b", "new.csv", "--out", "out.csv")[2]
    monkeypatch.undo()
    notes = []
    for seconds, n_done in (4.0, 2), (4.2, 2), (30.0, 10):
        explain._note_time(notes.append, seconds, n_done, 10)
    (note,) = notes
    assert note.startswith("explaining 10 rows takes about 21 s. --rows names fewer, and fewer")


# ---- predict --explain, and models without rows ----


def test_predictions_with_contributions(explained, run):
    table = table_of(run.output("predict", "b.safetensors", "new.csv", "--explain", "--proba"))
    names = ["prediction", "probability_no", "probability_yes", "class", "probability", "base"]
    assert list(table) == [*names, "contribution_a", "contribution_city"]
    assert table["probability"] == table["probability_yes"]
    explained("b", "new.csv", "--out", "out.csv")
    assert table_of(Path("out.csv").read_text("utf-8"))["contribution_a"] == table["contribution_a"]


def test_a_model_without_training_rows(explained, run):
    words = "--target n --drop id,b,c --out m.safetensors --folds 2 --hidden 2 --no-background"
    run.ok("train", "table.csv", *words.split())
    assert "keeps no training rows" in explained("m", "new.csv")[2]
    assert explained("m", "new.csv", "--background", "table.csv")[0] == 0
    code, _, errors = run("predict", "m.safetensors", "new.csv", "--explain")
    assert code == 2 and "--explain: m.safetensors keeps no training rows" in errors

"""fastnn predict: what it writes, in every format; mistakes, damaged files, closed pipes, full disks."""

import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import processes
import pytest
from cli_cases import cells, each_row, write_csv
from cli_models import SMALL, pa, pq
from training_records import training_setup

import fastnn
from fastnn import TabularClassifier, TabularRegressor, cli
from fastnn.cli import model_file, model_rows
from fastnn.tables import TableWarning, read
from fastnn.tables.column_layout import ReadOptions

NOT_TRAINED_ON = "note: this seems to be the table that the model was trained on"

pytestmark = pytest.mark.usefixtures("models")


@pytest.fixture
def predict(run):
    """predict(model, *arguments) -> (exit code, standard output, standard error)"""
    return lambda model, *arguments: run("predict", f"{model}.safetensors", *arguments)


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def numbers_of(text, column="prediction"):
    return np.array([float(row[column]) for row in rows_of(text)])


# ---- predictions ----


def test_classes(predict):
    assert predict("b", "new.csv") == (0, "prediction\nyes\nno\n", "")
    assert predict("c", "new.csv") == (0, "prediction\n2\n0\n", "")


NO_ROWS = [("a,city\n", "t.csv"), ("[]", "t.json"), ("city,x,a\n", "t.csv")]


@pytest.mark.parametrize(("text", "name"), NO_ROWS)
def test_a_table_without_rows(predict, text, name):
    Path(name).write_text(text, encoding="utf-8")
    note = f"note: {name} has no rows, so the output has none\n"
    assert predict("b", name, "--proba") == (0, "prediction,probability_no,probability_yes\n", note)
    report = json.loads(predict("n", name, "--interval", "0.8", "--json")[1])
    assert (report["rows"], report["scores"]) == (0, None)
    assert report["predictions"] == {"prediction": [], "lower": [], "upper": []}
    for out in ("o.csv", "o.parquet", "o.jsonl", "o.json"):
        assert predict("b", name, "--out", out)[:2] == (0, f"Saved {out} (0 rows).\n")
    schema = pq.read_schema("o.parquet")
    assert schema.names == ["prediction"] and schema.types == ["string"]
    assert (Path("o.csv").read_text(), Path("o.json").read_text()) == ("prediction\n", "[]\n")


def test_json_files(predict):
    predict("b", "new.csv", "--keep", "city", "--out", "o.jsonl")
    lines = Path("o.jsonl").read_text(encoding="utf-8").splitlines()
    expected = [{"city": "Rom", "prediction": "yes"}, {"city": "Köln", "prediction": "no"}]
    assert [json.loads(line) for line in lines] == expected
    predict("b", "new.csv", "--keep", "city", "--out", "o.json.gz")
    assert read("o.json.gz").to_pylist() == [json.loads(line) for line in lines]


def test_probabilities(predict):
    code, out, _ = predict("b", "new.csv", "--proba")
    assert (code, out.splitlines()[0]) == (0, "prediction,probability_no,probability_yes")
    table = pd.DataFrame([("", 2.5, "Rom"), ("", -2.5, "Köln")], columns=["id", "a", "city"])
    P = fastnn.load("b.safetensors").predict_proba(table)
    written = np.transpose([numbers_of(out, f"probability_{c}") for c in ("no", "yes")])
    np.testing.assert_allclose(written, P, rtol=1e-7)
    header = "prediction,probability_0,probability_1,"
    assert predict("c", "new.csv", "--proba")[1].startswith(header)


def test_a_number_has_the_digits_that_the_networks_have(predict):
    code, out, _ = predict("n", "new.csv")
    predicted = [row["prediction"] for row in rows_of(out)]
    assert code == 0 and max(len(text.replace(".", "")) for text in predicted) <= 8
    assert float(predicted[0]) > 1060 and float(predicted[1]) < 940


def test_an_interval(predict):
    code, out, _ = predict("n", "table.csv", "--interval", "0.8")
    assert code == 0 and out.startswith("prediction,lower,upper\n")
    low, middle, high = (numbers_of(out, name) for name in ("lower", "prediction", "upper"))
    assert (low < middle).all() and (middle < high).all()
    wider = predict("n", "table.csv", "--interval", "0.95")[1]
    assert numbers_of(wider, "lower")[0] < low[0] and numbers_of(wider, "upper")[0] > high[0]


def test_quantiles_have_a_column_each(predict, rng):
    write_csv("t.csv", x=rng.normal(size=60), y=rng.normal(size=60))
    loss = fastnn.losses.Quantile((0.1, 0.9))
    TabularRegressor(**SMALL, loss=loss).fit(read("t.csv"), "y").save("q.safetensors")
    code, out, errors = predict("q", "t.csv")
    assert (code, errors) == (0, "") and out.startswith("quantile_0.1,quantile_0.9\n")
    code, out, errors = predict("q", "t.csv", "--interval", "0.9")
    assert (code, errors) == (0, "") and out.startswith("quantile_0.1,quantile_0.9,lower,upper\n")
    assert (numbers_of(out, "lower") < numbers_of(out, "upper")).all()
    model = fastnn.load("q.safetensors")
    model.model_ = replace(model.model_, errors=None)  # of an older version
    model.save("q.safetensors")
    message = (
        "fastnn predict: --interval: q.safetensors predicts several quantiles, and is of an older "
        "version, without their errors on held-out rows. Leave it out, or train the model again.\n"
    )
    assert predict("q", "t.csv", "--interval", "0.9") == (2, "", message)
    assert predict("q", "t.csv")[0] == 0


def test_a_threshold_decides(predict):
    model = fastnn.load("b.safetensors")
    model.threshold = 1 - 1e-9
    model.save("strict.safetensors")
    assert predict("strict", "new.csv")[1] == "prediction\nno\nno\n"
    scores = json.loads(predict("strict", "table.csv", "--json")[1])["scores"]
    assert scores["classes"][1]["recall"] == 0


def test_columns_may_be_in_any_order_and_more_or_fewer(predict):
    expected = predict("b", "new.csv")[1]
    write_csv("t.csv", more=["x", "y"], a=[2.5, -2.5], id=["1", "2"], city=["Rom", "Köln"])
    assert predict("b", "t.csv") == (0, expected, "")
    write_csv("t.csv", a=[2.5, -2.5], city=["Rom", "Köln"])  # id is not used
    assert predict("b", "t.csv") == (0, expected, "")


def test_categories_of_digits(predict):
    write_csv("t.csv", code=["01", "02", "x1"] * 20, y=[1, 2, 3] * 20)
    TabularRegressor(**SMALL).fit(read("t.csv"), "y").save("codes.safetensors")
    write_csv("t.csv", code=["02", "01", "1"])
    _, out, errors = predict("codes", "t.csv")
    first, second, _ = numbers_of(out)
    assert first > second and "column 'code': 1 row with an unknown category, such as '1'" in errors


def test_unknown_categories_are_counted(predict):
    write_csv("t.csv", a=[1, 1, 1, 1], city=["Rom", "Paris", "", "Oslo"])
    code, out, errors = predict("b", "t.csv")
    assert code == 0 and len(rows_of(out)) == 4
    note = "note: column 'city': 2 rows with an unknown category, such as 'Paris', predicted without it"
    assert errors == f"{note}\n"
    unknown = json.loads(predict("b", "t.csv", "--json")[1])["unknown_categories"]
    assert unknown == {"city": {"rows": 2, "example": "Paris"}}


# ---- columns beside the predictions ----


def test_columns_that_are_kept(predict):
    write_csv("t.csv", id=["007", "010"], a=["2.50", "-2.5"], city=["Rom", "Köln"], x=["1,5", ""])
    out = predict("b", "t.csv", "--keep", "x,id")[1]
    assert out == 'x,id,prediction\n"1,5","007","yes"\n,"010","no"\n'
    code, out, _ = predict("b", "t.csv", "--keep", "all")
    assert code == 0 and out.splitlines()[0] == "id,a,city,x,prediction"
    assert [(row["id"], float(row["a"])) for row in rows_of(out)] == [("007", 2.5), ("010", -2.5)]
    assert predict("b", "t.csv", "--keep", "id", "--keep", "x")[1].startswith("id,x,prediction\n")


@pytest.mark.parametrize("first", [10**18 + 1, 10**20 + 1])
def test_long_ids_are_kept(predict, first):
    """Also of a column that is an input, as a number."""
    ids = [first + i * 10**17 for i in range(60)]
    write_csv("t.csv", id=ids, a=np.arange(60) * 7 % 11, y=np.arange(60))
    with pytest.warns(TableWarning, match=f"whole numbers such as {first} are rounded"):
        TabularRegressor(**SMALL).fit(read("t.csv"), "y").save("ids.safetensors")
    expected = list(map(str, ids))
    assert [row["id"] for row in rows_of(predict("ids", "t.csv", "--keep", "id")[1])] == expected
    report = json.loads(predict("ids", "t.csv", "--keep", "id", "--json")[1])
    assert list(map(str, report["predictions"]["id"])) == expected
    for name in ("p.csv", "p.jsonl", "p.parquet"):
        assert predict("ids", "t.csv", "--keep", "id", "--out", name)[0] == 0
        assert list(map(str, read(name)["id"].to_pylist())) == expected


def test_the_index_of_pandas_can_be_kept(predict):
    write_csv("t.csv", **{"Unnamed: 0": [5, 6], "a": [2.5, -2.5], "city": ["Rom", "Köln"]})
    kept = predict("b", "t.csv", "--keep", "Unnamed: 0")[1]
    assert kept == "Unnamed: 0,prediction\n5,yes\n6,no\n"
    pd.read_csv("t.csv", index_col=0).set_index(pd.Index(["x", "y"])).to_parquet("t.parquet")
    header = "a,city,__index_level_0__,prediction\n"
    assert predict("b", "t.parquet", "--keep", "all")[1].startswith(header)
    assert "left out: the index of a pandas" in predict("b", "t.parquet", "--keep", "a")[2]


def test_a_column_named_prediction_cannot_be_kept(predict):
    write_csv("t.csv", a=[1], city=["Rom"], prediction=["no"])
    code, out, errors = predict("b", "t.csv", "--keep", "all")
    assert (code, out) == (2, "")
    assert "--keep: column 'prediction' has the name of a prediction. Name the columns" in errors


# ---- scores ----


def test_a_few_rows_get_no_scores(predict):
    """One row would get a table of classes that it does not have."""
    lines = Path("table.csv").read_text().splitlines(keepends=True)
    for n, has_scores in ((1, False), (19, False), (20, True)):
        Path("few.csv").write_text("".join(lines[: 1 + n]))
        code, out, errors = predict("c", "few.csv")
        assert code == 0 and len(out.splitlines()) == 1 + n and ("accuracy" in errors) == has_scores
        assert json.loads(predict("c", "few.csv", "--json")[1])["scores"]["rows"] == n


def test_scores_where_the_table_has_the_target(predict):
    code, out, errors = predict("c", "table.csv")
    assert code == 0 and len(out.splitlines()) == 121
    first, *lines = errors.splitlines()
    assert first.startswith(NOT_TRAINED_ON)
    assert lines[0].split() == ["on", "120", "rows", "model", "baseline"]
    assert float(lines[1].split()[1]) > 0.8
    lines = Path("table.csv").read_text().splitlines()
    named = Path("other/table.csv")  # 120 rows with a target, and one without: as in training
    named.parent.mkdir()
    cells = lines[1].split(",")
    cells[lines[0].split(",").index("c")] = ""
    named.write_text("\n".join([*lines, ",".join(cells)]))
    notes = json.loads(predict("c", str(named), "--json")[1])["notes"]
    assert any(f"note: {note}".startswith(NOT_TRAINED_ON) for note in notes)
    lines = predict("n", "table.csv")[2].splitlines()
    assert lines[2].split()[0] == "R2" and float(lines[2].split()[1]) > 0.8


NEW_TARGETS = [
    ("b", ["yes", ""], 1, "1 row not scored: the target 'b' is missing or not one of the cl"),
    ("b", ["maybe", ""], None, "2 rows not scored: the target 'b'"),
    ("b", ["NO", "yes "], 2, None),
    ("c", ["0.0", "2.0"], 2, None),
    ("c", ["0", ""], 1, "1 row not scored"),
    ("n", ["1100", "many"], None, "2 rows not scored: the target 'n' is missing or not a num"),
    ("n", ["1.100,00 €", "900,00 €"], 2, None),
    ("n", ["2024-01-01", ""], None, "2 rows not scored"),
    ("n", ["true", "false"], 2, None),
]


@pytest.mark.parametrize(("model", "target", "n_scored", "note"), NEW_TARGETS)
def test_targets_of_new_tables(predict, model, target, n_scored, note):
    write_csv("t.csv", a=[1, 2], city=["Rom", "Rom"], **{model: target})
    code, out, errors = predict(model, "t.csv", "--json")
    report = json.loads(out)
    assert code == 0 and len(report["predictions"]["prediction"]) == 2
    assert (report["scores"] or {}).get("rows") == n_scored
    assert note in errors if note else "not scored" not in errors


def test_scores_are_those_of_the_predictions(predict):
    report = json.loads(predict("b", "table.csv", "--json")[1])
    given = read("table.csv").column("b").to_pylist()
    right = np.mean(np.array(given) == np.array(report["predictions"]["prediction"]))
    assert report["scores"]["accuracy"] == right > 0.8
    report = json.loads(predict("n", "table.csv", "--json")[1])
    error = np.abs(read("table.csv").column("n").to_numpy() - report["predictions"]["prediction"])
    assert report["scores"]["mae"] == pytest.approx(error.mean(), rel=1e-6)


WRITTEN = [([False, True], ["FALSE", "TRUE"]), ([1.0, 2.0], ["1.00", "2"])]
WRITTEN += [(["01", "1"], ["01", "1"])]


@pytest.mark.parametrize(("labels", "written"), WRITTEN)
def test_classes_are_recognised_however_they_are_written(predict, labels, written):
    write_csv("t.csv", a=range(40), y=[written[i % 2] for i in range(40)])
    clf = TabularClassifier(**SMALL).fit(read("t.csv").select(["a"]), labels * 20)
    clf.model_ = replace(clf.model_, target_name="y")
    clf.save("any.safetensors")
    report = json.loads(predict("any", "t.csv", "--json")[1])
    assert [c["rows"] for c in report["scores"]["classes"]] == [20, 20]


# ---- files and formats ----


@pytest.mark.parametrize("name", ["o.csv", "o.tsv", "o.csv.gz", "o.parquet"])
def test_files(predict, name):
    expected = rows_of(predict("b", "new.csv", "--proba", "--keep", "city")[1])
    code, out, errors = predict("b", "new.csv", "--proba", "--keep", "city", "--out", name)
    assert (code, out, errors) == (0, f"Saved {name} (2 rows).\n", "")
    table = read(name)
    assert table.column_names == list(expected[0])
    assert table.column("city").to_pylist() == ["Rom", "Köln"]
    probabilities = table.column("probability_yes").to_pylist()
    assert [float(row["probability_yes"]) for row in expected] == probabilities


def test_json(predict):
    report = json.loads(predict("b", "table.csv", "--json", "--keep", "id")[1])
    assert (report["rows"], report["target"], report["out"]) == (120, "b", None)
    assert set(report["predictions"]) == {"id", "prediction"}
    assert len(report["predictions"]["prediction"]) == report["scores"]["rows"] == 120
    report = json.loads(predict("n", "new.csv", "--json", "--out", "o.csv")[1])
    assert report["out"] == "o.csv" and report["scores"] is report["predictions"] is None
    assert len(read("o.csv")) == 2


def test_dates_in_json(predict):
    write_csv("t.csv", a=[1], city=["Rom"], b=["yes"])
    pq.write_table(read("t.csv").append_column("day", pa.array([19_000], pa.date32())), "t.parquet")
    report = json.loads(predict("b", "t.parquet", "--json", "--keep", "day")[1])
    assert report["predictions"]["day"] == ["2022-01-08"]


def test_blocks_of_rows(predict, monkeypatch):
    arguments = ("table.csv", "--keep", "id", "--proba")
    whole = predict("b", *arguments)
    monkeypatch.setattr(model_rows, "BLOCK", 50)
    assert predict("b", *arguments) == whole
    assert predict("b", *arguments, "--out", "o.csv")[0] == 0
    assert Path("o.csv").read_text(encoding="utf-8") == whole[1]


def test_the_options_of_the_training_table_hold_for_new_tables(predict):
    lines = "\n".join(f"{-9 if x % 5 == 0 else x};{10 * x},5" for x in range(60))
    Path("t.csv").write_text(lines, encoding="utf-8")
    options = "--sep ; --decimal , --no-header --na -9 --folds 1 --hidden 8 --quiet"
    train = ["train", "t.csv", "--target", "column_2", "--out", "m.safetensors", *options.split()]
    assert cli.main(train) == 0
    read_like = "note: n.csv is read like the training table:"
    for text, more, named in cells("""
        1,5;0 2,5;0 | | --sep ';' --decimal , --na -9 --no-header
        1,5|0 2,5|0 | --sep=| | --decimal , --na -9 --no-header
    """):
        Path("n.csv").write_text(text.replace(" ", "\n"), encoding="utf-8")
        code, _, errors = predict("m", "n.csv", *more.split())
        assert code == 0 and errors.startswith(f"{read_like} {named}\n")


UTF_8, CP932, COMMA = {"encoding": "utf-8"}, {"guessed_encoding": "cp932"}, {"likely_decimal": ","}
READINGS = [  # given, of the training, as the table is read, the words of what the training adds
    ({}, {}, COMMA, []),
    ({"decimal": "."}, {"decimal": ","}, {"decimal": "."}, []),
    ({}, {"decimal": ","}, {"decimal": ","} | COMMA, ["--decimal", ","]),
    ({}, CP932, COMMA | {"likely_encoding": "cp932"}, []),
    (UTF_8, CP932 | {"na": [*"-?"]}, UTF_8 | COMMA | {"na": ("-", "?")}, "--na - --na ?".split()),
    ({"na": ("x",)}, {"na": ["-"], "sql": "q"}, {"na": ("x",)} | COMMA, []),
]


@pytest.mark.parametrize(("given", "training", "read_as", "words"), READINGS)
def test_a_new_table_is_read_like_that_of_the_training(given, training, read_as, words):
    setup = json.dumps(training_setup(reading=training).to_json())
    features = SimpleNamespace(decimal=lambda: ",")
    model = SimpleNamespace(metadata_={"training": setup}, features_=features)
    found = model_file.training_reading("new.csv", ReadOptions(**given), model)
    assert found == (ReadOptions(**read_as), words)


def test_standard_input(predict, monkeypatch):
    pipe = SimpleNamespace(buffer=io.BytesIO(Path("new.csv").read_bytes()), isatty=lambda: False)
    expected = predict("b", "new.csv")
    monkeypatch.setattr(sys, "stdin", pipe)
    assert predict("b", "-") == expected


# ---- mistakes ----


def error_of(run, *arguments):
    """The message of a command that must fail with one line and leave no file."""
    before = sorted(os.listdir())
    code, out, errors = run("predict", *arguments)
    assert (code, out, errors.count("\n"), sorted(os.listdir())) == (2, "", 1, before)
    assert errors.startswith("fastnn predict: ")
    return errors.removeprefix("fastnn predict: ").rstrip("\n")


B = "b.safetensors"


@each_row("""
    words | message
    none new.csv | none: No such file or directory. The models in this folder are b.safetensors, c.s
    b new.csv | b: No such file or directory. Did you mean b.safetensors?
    b.safetensor new.csv | b.safetensor: No such file or directory. Did you mean b.saf
    - new.csv | -: No such file or directory. A model is read from a file; only DATA
    x/b new.csv | x/b: No such file or directory. Pass a file written by 'fastnn train'.
    . new.csv | .: is a folder. The models in . are b.safetensors, c.s
    new.csv B | new.csv: is not a fastnn model. The model comes first: b.safetensors new.csv
    table.csv new.csv | table.csv: not a fastnn model, or damaged (not a safetensors file, or
      truncated). Pass
    B N | n.safetensors: is a safetensors file, such as a fastnn model. A table is needed.
    B none.csv | none.csv: No such file or directory.
    B ne.csv | ne.csv: No such file or directory. Did you mean new.csv?
    B new.csv --keep cty | --keep: new.csv has no column 'cty'. Did you mean 'city'?
    B new.csv --keep all,city | --keep: new.csv has no column 'all'. Its columns are
    N new.csv --proba | --proba: n.safetensors predicts a number. Pass --interval 0.9
    B new.csv --interval .9 | --interval: b.safetensors predicts a class. Pass --pr
    N new.csv --interval 0.999 | new.csv: --interval 0.999 needs at least 999 held-out
    B new.csv --out o.xlsx | o.xlsx: unknown file extension. Use .csv, .tsv,
    B new.csv --out new.csv | new.csv: --out would overwrite an input file. Choose another name.
    B new.csv --out no/o.csv | no: no such folder. Create it first, or
    B new.csv --sheet 2 | new.csv: is not an Excel or OpenDocument file, so it has no sheet 2.
    B new.csv --threads two | argument --threads: expected a whole number of at least 1, or -1
      for all CPUs, got 'two'
    N new.csv --interval 90 | argument --interval: expected a number above 0 and bel
    B new.csv --prob | unknown option --prob. Did you mean --proba? See 'fastnn predict
""")
def test_a_wrong_command_is_one_line(run, words, message):
    names = {"B": B, "N": "n.safetensors"}
    assert error_of(run, *(names.get(word, word) for word in words.split())).startswith(message)


@each_row("""
    lines | message
    x 1 | t.csv: has no columns 'a', 'city', but the model needs them. Its columns are x.
    A,city 1,Rom | t.csv: has no column 'a', but the model needs it. Did you mean 'A'?
    a,city 1,Rom 2,Rom,3 | t.csv, line 3: has 3 values, but the header has 2.
    a,city ,Rom  one,Rom | t.csv: column 'a' holds 'one' in line 4, which is not a number.
      Correct the value, or
    a,city 1,Rom inf,Rom | t.csv: column 'a' is infinite in line 3. Replace the value,
""")
def test_a_wrong_table_is_one_line(run, lines, message):
    Path("t.csv").write_text(lines.replace(" ", "\n") + "\n", encoding="utf-8")
    assert error_of(run, B, "t.csv").startswith(message)


def test_nothing_is_printed_before_all_values_are_read(run, monkeypatch):
    monkeypatch.setattr("fastnn.cli.model_rows.BLOCK", 1)
    write_csv("t.csv", a=["1", "one"], city=["Rom", "Rom"])
    assert "'one' in line 3" in error_of(run, B, "t.csv")


def test_a_folder_is_no_output(run):
    os.mkdir("folder.csv")
    message = "folder.csv: --out is a folder. Pass the name of a file."
    assert error_of(run, B, "new.csv", "--out", "folder.csv") == message


def test_lists_cannot_be_kept_in_csv(run):
    pq.write_table(pa.table({"a": [1.0], "city": ["Rom"], "tags": [["x", "y"]]}), "t.parquet")
    message = error_of(run, B, "t.parquet", "--keep", "tags")
    assert message.startswith("--keep: a column cannot be written as text (")
    assert ".parquet" in message
    assert run("predict", B, "t.parquet", "--keep", "tags", "--out", "o.parquet")[0] == 0


# ---- other models ----


def test_a_model_without_the_columns_of_a_table(run):
    network, estimator = fastnn.MLP([2, 1]), fastnn.MLPClassifier((2,))
    estimator.partial_fit([[float(i)] for i in range(20)], [0, 1] * 10, classes=[0, 1])
    for model, kind in ((network, "a network"), (estimator, "an estimator")):
        model.save("m.safetensors")
        assert error_of(run, "m.safetensors", "new.csv") == (
            f"m.safetensors: holds {kind} without the columns of a table (written by "
            f"{type(model).__name__}.save). Use fastnn.load in Python, or train a model with "
            "'fastnn train'."
        )


def test_a_model_of_an_array(run):
    X = [[i, "ab"[i % 2]] for i in range(40)]
    TabularClassifier(**SMALL).fit(X, [0, 1] * 20).save("m.safetensors")
    message = "m.safetensors: was trained on an array, whose columns have no names. Load it in Pyth"
    assert error_of(run, "m.safetensors", "new.csv").startswith(message)
    assert run.error("check", "m.safetensors", "new.csv").startswith(f"fastnn check: {message}")


@pytest.mark.filterwarnings("ignore:y holds only the class")
def test_a_model_of_one_class(run):
    table = fastnn.tables.read("table.csv").select(["a", "city"])
    TabularClassifier(**SMALL).fit(table, ["x"] * 120).save("m.safetensors")
    assert run("predict", "m.safetensors", "new.csv")[:2] == (0, "prediction\nx\nx\n")


@pytest.mark.parametrize("change", [lambda d: d[:-7], lambda d: d.replace(b"source", b"sauces")])
def test_a_damaged_model(run, change):
    Path("m.safetensors").write_bytes(change(Path(B).read_bytes()))
    message = error_of(run, "m.safetensors", "new.csv")
    assert message.startswith("m.safetensors: not a fastnn model, or damaged (")
    assert message.endswith("Pass a file written by 'fastnn train'.")


def test_outputs_that_are_not_finite(run):
    model = fastnn.load(B)
    for member in model.model_.members:
        member.networks[0][0].params[-1] = np.nan
    model.save("m.safetensors")
    message = "m.safetensors: the output of the model is not finite. Train it again."
    assert error_of(run, "m.safetensors", "new.csv") == message


RECORDS = ["[]", "{", '{"reading": 1}', '{"reading": {"sep": 5, "na": "x", "header": 0}}', "1"]


@pytest.mark.parametrize("record", RECORDS)
def test_a_damaged_record_is_ignored(run, record):
    model = fastnn.load(B)
    model.metadata_ = {"training": record}
    model.save("m.safetensors")
    assert run("predict", "m.safetensors", "new.csv") == (0, "prediction\nyes\nno\n", "")


# ---- the system ----


def test_without_scikit_learn():
    code = "import sys; sys.modules['sklearn'] = None; from fastnn import cli; sys.exit(cli.main(sys.argv[1:]))"
    result = processes.run(code, "predict", B, "new.csv")
    assert (result.returncode, result.stdout, result.stderr) == (0, "prediction\nyes\nno\n", "")
    result = processes.run(code, "predict", B, "table.csv")  # has the target
    assert result.returncode == 0 and result.stdout.count("\n") == 121
    assert "\naccuracy " in result.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits are set the POSIX way")
def test_a_failed_write_leaves_no_file():
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
from fastnn import cli
for name in "o.csv", "o.parquet":
    print(cli.main(["predict", {B!r}, "table.csv", "--proba", "--keep", "all", "--out", name]))
"""
    result = processes.run(code)
    assert (result.returncode, result.stdout) == (0, "2\n2\n")
    for name in "o.csv", "o.parquet":
        assert f"fastnn predict: {name}: cannot be written: File too large" in result.stderr
        assert not [other for other in os.listdir() if name in other]


def test_output_is_utf8_in_any_locale():
    command = [sys.executable, "-m", "fastnn", "predict", B, "new.csv", "--keep", "city"]
    variables = processes.environment(PYTHONUNBUFFERED="", PYTHONIOENCODING="ascii")
    result = subprocess.run(command, env=variables, capture_output=True, timeout=processes.LIMIT)
    expected = "city,prediction\nRom,yes\nKöln,no\n".encode()
    assert (result.returncode, result.stdout, result.stderr) == (0, expected, b"")

"""fastnn predict: what it writes, in every format."""

import csv
import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

from cli_cases import write_csv
from cli_models import SMALL, call, models_folder, unchanged_folder

import fastnn
from fastnn import TabularClassifier, TabularRegressor, cli
from fastnn.cli import model_rows
from fastnn.tables import TableWarning, read

NOT_TRAINED_ON = "note: this seems to be the table that the model was trained on"


models = pytest.fixture(models_folder, scope="module")


@pytest.fixture
def run(capsys, monkeypatch, models):
    """run(model, *arguments) -> (exit code, standard output, standard error), in a folder with
    models and tables. The next test finds it as this one did."""
    monkeypatch.chdir(models)
    with unchanged_folder():
        yield lambda model, *arguments: call(capsys, "predict", f"{model}.safetensors", *arguments)


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


# ---- predictions ----


def test_classes(run):
    assert run("b", "new.csv") == (0, "prediction\nyes\nno\n", "")
    assert run("c", "new.csv") == (0, "prediction\n2\n0\n", "")


@pytest.mark.parametrize(
    ("text", "name"), [("a,city\n", "t.csv"), ("[]", "t.json"), ("city,x,a\n", "t.csv")]
)
def test_a_table_without_rows(run, text, name):
    Path(name).write_text(text, encoding="utf-8")
    note = f"note: {name} has no rows, so the output has none\n"
    assert run("b", name, "--proba") == (
        0,
        "prediction,probability_no,probability_yes\n",
        note,
    )
    report = json.loads(run("n", name, "--interval", "0.8", "--json")[1])
    assert (report["rows"], report["scores"]) == (0, None)
    assert report["predictions"] == {"prediction": [], "lower": [], "upper": []}
    for out in ("o.csv", "o.parquet", "o.jsonl", "o.json"):
        assert run("b", name, "--out", out)[:2] == (0, f"Saved {out} (0 rows).\n")
    schema = pytest.importorskip("pyarrow.parquet").read_schema("o.parquet")
    assert schema.names == ["prediction"] and schema.types == ["string"]
    assert (Path("o.csv").read_text(), Path("o.json").read_text()) == ("prediction\n", "[]\n")


def test_json_files(run):
    run("b", "new.csv", "--keep", "city", "--out", "o.jsonl")
    lines = Path("o.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"city": "Rom", "prediction": "yes"},
        {"city": "Köln", "prediction": "no"},
    ]
    run("b", "new.csv", "--keep", "city", "--out", "o.json.gz")
    assert read("o.json.gz").to_pylist() == [json.loads(line) for line in lines]


def test_probabilities(run):
    code, out, _ = run("b", "new.csv", "--proba")
    assert (code, out.splitlines()[0]) == (0, "prediction,probability_no,probability_yes")
    rows = [("", 2.5, "Rom"), ("", -2.5, "Köln")]
    table = pd.DataFrame(rows, columns=["id", "a", "city"])
    P = fastnn.load("b.safetensors").predict_proba(table)
    written = [[float(row[f"probability_{c}"]) for c in ("no", "yes")] for row in rows_of(out)]
    np.testing.assert_allclose(written, P, rtol=1e-7)
    assert run("c", "new.csv", "--proba")[1].startswith("prediction,probability_0,probability_1,")


def test_a_number_has_the_digits_that_the_networks_have(run):
    code, out, _ = run("n", "new.csv")
    predicted = [row["prediction"] for row in rows_of(out)]
    assert code == 0 and max(len(text.replace(".", "")) for text in predicted) <= 8
    assert float(predicted[0]) > 1060 and float(predicted[1]) < 940


def test_an_interval(run):
    code, out, _ = run("n", "table.csv", "--interval", "0.8")
    assert code == 0 and out.startswith("prediction,lower,upper\n")
    low, middle, high = (
        np.array([float(row[name]) for row in rows_of(out)])
        for name in ("lower", "prediction", "upper")
    )
    assert (low < middle).all() and (middle < high).all()
    wider = rows_of(run("n", "table.csv", "--interval", "0.95")[1])
    assert float(wider[0]["lower"]) < low[0] and float(wider[0]["upper"]) > high[0]


def test_quantiles_have_a_column_each(run):
    rng = np.random.default_rng(0)
    write_csv("t.csv", x=rng.normal(size=60), y=rng.normal(size=60))
    loss = fastnn.losses.Quantile((0.1, 0.9))
    TabularRegressor(**SMALL, loss=loss).fit(read("t.csv"), "y").save("q.safetensors")
    code, out, errors = run("q", "t.csv")
    assert (code, errors) == (0, "") and out.startswith("quantile_0.1,quantile_0.9\n")
    code, _, errors = run("q", "t.csv", "--interval", "0.9")
    assert code == 2 and "predicts several quantiles, and two of them" in errors


def test_a_threshold_decides(run):
    model = fastnn.load("b.safetensors")
    model.threshold = 1 - 1e-9
    model.save("strict.safetensors")
    assert run("strict", "new.csv")[1] == "prediction\nno\nno\n"
    scores = json.loads(run("strict", "table.csv", "--json")[1])["scores"]
    assert scores["classes"][1]["recall"] == 0


def test_columns_may_be_in_any_order_and_more_or_fewer(run):
    expected = run("b", "new.csv")[1]
    write_csv("t.csv", more=["x", "y"], a=[2.5, -2.5], id=["1", "2"], city=["Rom", "Köln"])
    assert run("b", "t.csv") == (0, expected, "")
    write_csv("t.csv", a=[2.5, -2.5], city=["Rom", "Köln"])  # id is not used
    assert run("b", "t.csv") == (0, expected, "")


def test_categories_of_digits(run):
    write_csv("t.csv", code=["01", "02", "x1"] * 20, y=[1, 2, 3] * 20)
    TabularRegressor(**SMALL).fit(read("t.csv"), "y").save("codes.safetensors")
    write_csv("t.csv", code=["02", "01", "1"])
    _, out, errors = run("codes", "t.csv")
    assert float(rows_of(out)[0]["prediction"]) > float(rows_of(out)[1]["prediction"])
    assert "column 'code': 1 row with an unknown category, such as '1'" in errors


def test_unknown_categories_are_counted(run):
    write_csv("t.csv", a=[1, 1, 1, 1], city=["Rom", "Paris", "", "Oslo"])
    code, out, errors = run("b", "t.csv")
    assert code == 0 and len(rows_of(out)) == 4
    assert errors == (
        "note: column 'city': 2 rows with an unknown category, such as 'Paris', predicted without "
        "it\n"
    )
    unknown = json.loads(run("b", "t.csv", "--json")[1])["unknown_categories"]
    assert unknown == {"city": {"rows": 2, "example": "Paris"}}


# ---- columns beside the predictions ----


def test_columns_that_are_kept(run):
    write_csv("t.csv", id=["007", "010"], a=["2.50", "-2.5"], city=["Rom", "Köln"], x=["1,5", ""])
    assert (
        run("b", "t.csv", "--keep", "x,id")[1]
        == 'x,id,prediction\n"1,5","007","yes"\n,"010","no"\n'
    )
    code, out, _ = run("b", "t.csv", "--keep", "all")
    assert code == 0 and out.splitlines()[0] == "id,a,city,x,prediction"
    assert [(row["id"], float(row["a"])) for row in rows_of(out)] == [("007", 2.5), ("010", -2.5)]
    assert run("b", "t.csv", "--keep", "id", "--keep", "x")[1].startswith("id,x,prediction\n")


@pytest.mark.parametrize("first", [10**18 + 1, 10**20 + 1])
def test_long_ids_are_kept(run, first):
    """Also of a column that is an input, as a number."""
    ids = [first + i * 10**17 for i in range(60)]
    write_csv("t.csv", id=ids, a=np.arange(60) * 7 % 11, y=np.arange(60))
    with pytest.warns(TableWarning, match=f"whole numbers such as {first} are rounded"):
        TabularRegressor(**SMALL).fit(read("t.csv"), "y").save("ids.safetensors")
    expected = list(map(str, ids))
    assert [row["id"] for row in rows_of(run("ids", "t.csv", "--keep", "id")[1])] == expected
    report = json.loads(run("ids", "t.csv", "--keep", "id", "--json")[1])
    assert list(map(str, report["predictions"]["id"])) == expected
    for name in ("p.csv", "p.jsonl", "p.parquet"):
        assert run("ids", "t.csv", "--keep", "id", "--out", name)[0] == 0
        assert list(map(str, read(name)["id"].to_pylist())) == expected


def test_the_index_of_pandas_can_be_kept(run):
    write_csv("t.csv", **{"Unnamed: 0": [5, 6], "a": [2.5, -2.5], "city": ["Rom", "Köln"]})
    assert run("b", "t.csv", "--keep", "Unnamed: 0")[1] == "Unnamed: 0,prediction\n5,yes\n6,no\n"
    pd.read_csv("t.csv", index_col=0).set_index(pd.Index(["x", "y"])).to_parquet("t.parquet")
    header = "a,city,__index_level_0__,prediction\n"
    assert run("b", "t.parquet", "--keep", "all")[1].startswith(header)
    assert "left out: the index of a pandas" in run("b", "t.parquet", "--keep", "a")[2]


def test_a_column_named_prediction_cannot_be_kept(run):
    write_csv("t.csv", a=[1], city=["Rom"], prediction=["no"])
    code, out, errors = run("b", "t.csv", "--keep", "all")
    assert (code, out) == (2, "")
    assert "--keep: column 'prediction' has the name of a prediction. Name the columns" in errors


# ---- scores ----


def test_a_few_rows_get_no_scores(run):
    """One row would get a table of classes that it does not have."""
    lines = Path("table.csv").read_text().splitlines(keepends=True)
    for n, has_scores in ((1, False), (19, False), (20, True)):
        Path("few.csv").write_text("".join(lines[: 1 + n]))
        code, out, errors = run("c", "few.csv")
        assert code == 0 and len(out.splitlines()) == 1 + n
        assert ("accuracy" in errors) == has_scores
        assert json.loads(run("c", "few.csv", "--json")[1])["scores"]["rows"] == n


def test_scores_where_the_table_has_the_target(run):
    code, out, errors = run("c", "table.csv")
    assert code == 0 and len(out.splitlines()) == 121
    first, *lines = errors.splitlines()
    assert first.startswith(NOT_TRAINED_ON)
    assert lines[0].split() == ["on", "120", "rows", "model", "baseline"]
    assert float(lines[1].split()[1]) > 0.8
    rows = Path("table.csv").read_text().splitlines()
    named = Path("other/table.csv")  # 120 rows with a target, and one without: as in training
    named.parent.mkdir()
    target = rows[0].split(",").index("c")
    cells = rows[1].split(",")
    named.write_text("\n".join([*rows, ",".join([*cells[:target], "", *cells[target + 1 :]])]))
    notes = json.loads(run("c", str(named), "--json")[1])["notes"]
    assert any(f"note: {note}".startswith(NOT_TRAINED_ON) for note in notes)
    named.unlink()
    named.parent.rmdir()
    lines = run("n", "table.csv")[2].splitlines()
    assert lines[2].split()[0] == "R2" and float(lines[2].split()[1]) > 0.8


@pytest.mark.parametrize(
    ("model", "target", "n_scored", "note"),
    [
        ("b", ["yes", ""], 1, "1 row not scored: the target 'b' is missing or not one of the cl"),
        ("b", ["maybe", ""], None, "2 rows not scored: the target 'b'"),
        ("b", ["NO", "yes "], 2, None),
        ("c", ["0.0", "2.0"], 2, None),
        ("c", ["0", ""], 1, "1 row not scored"),
        ("n", ["1100", "many"], None, "2 rows not scored: the target 'n' is missing or not a num"),
        ("n", ["1.100,00 €", "900,00 €"], 2, None),
        ("n", ["2024-01-01", ""], None, "2 rows not scored"),
        ("n", ["true", "false"], 2, None),
    ],
)
def test_targets_of_new_tables(run, model, target, n_scored, note):
    write_csv("t.csv", a=[1, 2], city=["Rom", "Rom"], **{model: target})
    code, out, errors = run(model, "t.csv", "--json")
    report = json.loads(out)
    assert code == 0 and len(report["predictions"]["prediction"]) == 2
    assert (report["scores"] or {}).get("rows") == n_scored
    assert note in errors if note else "not scored" not in errors


def test_scores_are_those_of_the_predictions(run):
    report = json.loads(run("b", "table.csv", "--json")[1])
    given = read("table.csv").column("b").to_pylist()
    right = np.mean(np.array(given) == np.array(report["predictions"]["prediction"]))
    assert report["scores"]["accuracy"] == right > 0.8
    report = json.loads(run("n", "table.csv", "--json")[1])
    error = np.abs(read("table.csv").column("n").to_numpy() - report["predictions"]["prediction"])
    assert report["scores"]["mae"] == pytest.approx(error.mean(), rel=1e-6)


@pytest.mark.parametrize(
    ("labels", "written"),
    [([False, True], ["FALSE", "TRUE"]), ([1.0, 2.0], ["1.00", "2"]), (["01", "1"], ["01", "1"])],
)
def test_classes_are_recognised_however_they_are_written(run, labels, written):
    write_csv("t.csv", a=range(40), y=[written[i % 2] for i in range(40)])
    clf = TabularClassifier(**SMALL).fit(read("t.csv").select(["a"]), labels * 20)
    clf.model_ = replace(clf.model_, target_name="y")
    clf.save("any.safetensors")
    report = json.loads(run("any", "t.csv", "--json")[1])
    assert [c["rows"] for c in report["scores"]["classes"]] == [20, 20]


# ---- files and formats ----


@pytest.mark.parametrize("name", ["o.csv", "o.tsv", "o.csv.gz", "o.parquet"])
def test_files(run, name):
    expected = rows_of(run("b", "new.csv", "--proba", "--keep", "city")[1])
    code, out, errors = run("b", "new.csv", "--proba", "--keep", "city", "--out", name)
    assert (code, out, errors) == (0, f"Saved {name} (2 rows).\n", "")
    table = read(name)
    assert table.column_names == list(expected[0])
    assert table.column("city").to_pylist() == ["Rom", "Köln"]
    assert [float(row["probability_yes"]) for row in expected] == table.column(
        "probability_yes"
    ).to_pylist()


def test_json(run):
    report = json.loads(run("b", "table.csv", "--json", "--keep", "id")[1])
    assert (report["rows"], report["target"], report["out"]) == (120, "b", None)
    assert set(report["predictions"]) == {"id", "prediction"}
    assert len(report["predictions"]["prediction"]) == report["scores"]["rows"] == 120
    report = json.loads(run("n", "new.csv", "--json", "--out", "o.csv")[1])
    assert report["out"] == "o.csv" and report["scores"] is report["predictions"] is None
    assert len(read("o.csv")) == 2


def test_dates_in_json(run):
    write_csv("t.csv", a=[1], city=["Rom"], b=["yes"])
    table = read("t.csv")
    pa = pytest.importorskip("pyarrow")
    day = pa.array([19_000], pa.date32())
    pa.parquet.write_table(table.append_column("day", day), "t.parquet")
    report = json.loads(run("b", "t.parquet", "--json", "--keep", "day")[1])
    assert report["predictions"]["day"] == ["2022-01-08"]


def test_blocks_of_rows(run, monkeypatch):
    arguments = ("table.csv", "--keep", "id", "--proba")
    whole = run("b", *arguments)
    monkeypatch.setattr(model_rows, "BLOCK", 50)
    assert run("b", *arguments) == whole
    assert run("b", *arguments, "--out", "o.csv")[0] == 0
    assert Path("o.csv").read_text(encoding="utf-8") == whole[1]


def test_the_options_of_the_training_table_hold_for_new_tables(run):
    rows = "\n".join(f"{-9 if x % 5 == 0 else x};{10 * x},5" for x in range(60))
    Path("t.csv").write_text(rows, encoding="utf-8")
    train = [
        "train",
        "t.csv",
        "--sep",
        ";",
        "--decimal",
        ",",
        "--no-header",
        "--target",
        "column_2",
    ]
    small = ["--folds", "1", "--hidden", "8", "--na", "-9", "--out", "m.safetensors", "--quiet"]
    assert cli.main([*train, *small]) == 0
    Path("n.csv").write_text("1,5;0\n2,5;0\n", encoding="utf-8")
    code, _, errors = run("m", "n.csv")
    assert code == 0
    assert errors.startswith(
        "note: n.csv is read like the training table: --sep ';' --decimal , --na -9 --no-header\n"
    )
    Path("n.csv").write_text("1,5|0\n2,5|0\n", encoding="utf-8")
    code, _, errors = run("m", "n.csv", "--sep", "|")
    assert code == 0 and errors.startswith(
        "note: n.csv is read like the training table: --decimal "
    )


def test_standard_input(run, monkeypatch):
    class Pipe:
        buffer = io.BytesIO(Path("new.csv").read_bytes())

        @staticmethod
        def isatty():
            return False

    expected = run("b", "new.csv")
    monkeypatch.setattr(sys, "stdin", Pipe)
    assert run("b", "-") == expected

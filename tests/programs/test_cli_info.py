"""fastnn info: this installation, what train would make of a table, and what a model file contains."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import training_records
from cli_cases import FAST, each_row, write_csv
from cli_models import SMALL, pa, pq, report_of, write_people
from training_records import class_record, model_description, number_record, training_setup

import fastnn
from fastnn import TabularRegressor, kernels
from fastnn.cli import info, text_report
from fastnn.cli import record as records
from fastnn.cli.record import TrainingRecord, TrainingSetup
from fastnn.core.model_facts import ColumnFacts
from fastnn.files import ModelFileError
from fastnn.tables import read
from fastnn.tables.column_layout import ReadOptions
from fastnn.tabular import baselines, stored_model
from fastnn.tabular.checkpoint import FitCheckpoint

TRAIN = ("train", "people.csv", "--out", "m.safetensors", "--folds", "2", "--hidden", "8")


def trained(run, *arguments):
    """Train a model with the command line. Return what train printed."""
    write_people()
    return run.output(*TRAIN, "--time-limit", "1000", *arguments)


# ---- this installation ----


def test_the_installation(run):
    code, out, errors = run("info")
    assert (code, errors) == (0, "") and fastnn.__version__ in out and kernels.CHOSEN in out
    assert re.search(r"^pyarrow: \d", out, re.M)
    report = json.loads(run("info", "--json")[1])
    assert report["chosen"] == kernels.CHOSEN and report["extras"]["pyarrow"]


# ---- tables ----


def lines_of(run, *arguments):
    out, errors = run.ok("info", *arguments)
    return out.splitlines(), errors


def test_a_table_without_a_target(run):
    write_people()
    lines, errors = lines_of(run, "people.csv")
    assert errors == "" and max(map(len, lines)) <= 80
    assert lines[0] == "people.csv: 300 rows, 7 columns"
    for line in (
        r"column +kind +missing +distinct +values",
        r"id +- +0 % +300  such as c0",
        r"age +number +5.0 % +62  18 to 79, median \d+",
        r"city +category +3.3 % +3  \w+ \d+ %, \w+ \d+ %, \w+ \d+ %",
        r"planet +- +0 % +1  such as Earth",
        r"left out    id: almost all texts are different",
        r"left out    planet: all values are equal",
        r"  fastnn train people.csv --target COL --out model.safetensors",
    ):
        assert any(re.fullmatch(line, each) for each in lines), line
    assert not any("baseline" in line for line in lines)


def test_info_says_what_train_does(run, compared_splits):
    """The kinds, what is left out, the warnings and the baseline are those of train."""
    write_people()
    with open("people.csv", "a", encoding="utf-8") as file:
        file.write("c300,30,Rom,Earth,,1,\n")
    for target in ("buys", "income"):
        info = json.loads(run.output("info", "people.csv", "--target", target, "--json"))
        assert info["rows"] == 301 and info["target"]["rows_without"] == 1
        assert info["train"].endswith("--skip-missing-target")
        arguments = ["--out", "m", "--skip-missing-target", "--json", *FAST]
        train = json.loads(run("train", "people.csv", "--target", target, *arguments)[1])
        kinds = {c["column"]: c["kind"] for c in info["columns"] if c["kind"] is not None}
        assert kinds == train["kinds"] and info["left_out"] == train["left_out"]
        assert info["data_checks"] == train["data_checks"]
        assert info["target"]["task"] == train["task"]
        for name, value in info["target"]["baseline"].items():
            assert value == pytest.approx(train["scores"]["baseline"][name], rel=0.15)


def test_targets(run):
    write_people()
    lines, _ = lines_of(run, "people.csv", "--target", "income")
    assert "  fastnn train people.csv --target income --out income.safetensors" in lines
    errors = run.error("info", "people.csv", "--target", "byus")
    assert "has no column 'byus'. Did you mean 'buys'?" in errors


def test_options_and_notes_of_reading(run):
    Path("t.csv").write_text("# x\na;a ;b\n1,5;2\n-9;3;x\n" + "4,5;3;y\n" * 20)
    _, errors = lines_of(run, "t.csv", "--comment", "#", "--na", "-9")
    notes = errors.splitlines()
    for text in "blanks around 1", "1 column has the name", "decimal comma", "line 3: has 2 values":
        assert any(text in note for note in notes)
    report = json.loads(run("info", "t.csv", "--comment", "#", "--na", "-9", "--json")[1])
    assert report["train"].endswith("--comment '#' --na -9")
    assert [f"note: {note}" for note in report["notes"]] == notes
    assert [c["column"] for c in report["columns"]] == ["a", "a.1", "b"]


def test_columns_of_lists_are_told(run):
    Path("t.json").write_text(json.dumps([{"a": i, "b": ["x"] * (i % 3)} for i in range(30)]))
    lines, _ = lines_of(run, "t.json")
    assert any(line.startswith("left out    b: ") for line in lines)


def test_a_table_that_does_not_fit_in_memory(run, monkeypatch, rng):
    for g in "ab":
        Path(f"d/g={g}").mkdir(parents=True)
        x = rng.normal(size=2000)
        pq.write_table(pa.table({"x": x, "y": (x > 0).tolist()}), f"d/g={g}/p.parquet")
    monkeypatch.setattr("fastnn.tabular.large.large_table.fits_in_memory", lambda *arguments: False)
    monkeypatch.setattr("fastnn.tabular.large.large_table.default_window", lambda n: 500)
    for more in ([], ["--target", "y"]):
        report = json.loads(run("info", "d", "--json", *more)[1])
        assert report["rows"] == 4000 and 300 < report["rows_looked_at"] <= 500
        assert report["columns"][-1]["column"] == "g" and report["columns"][-1]["distinct"] == 2
    lines, _ = lines_of(run, "d")
    assert re.fullmatch(r"\d+ of them were looked at\.", lines[1])


def test_hostile_names_and_values(run):
    write_csv("t.csv", **{"a\x1b[31m": ["\x1b]0;x\x07", "y"] * 20, "b\nc": range(40)})
    assert "\x1b" not in "".join(run.ok("info", "t.csv"))
    file, target = SimpleNamespace(name="t.csv", options=ReadOptions()), 14 * "a b"
    words = info._command(file, SimpleNamespace(name=target, rows=[0]), 2)
    out = f"{(14 * 'a_b')[:40]}.safetensors"
    assert words == f"fastnn train t.csv --target '{target}' --out {out} --skip-missing-target"


def test_standard_input_and_samples(run, monkeypatch):
    assert lines_of(run, "wine", "--target", "cultivar")[0][0] == "wine: 178 rows, 14 columns"
    buffer = io.BytesIO(b"a,b\n1,2\n2,3\n")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=buffer, isatty=lambda: False))
    assert lines_of(run, "-")[0][0] == "standard input: 2 rows, 2 columns"


def test_a_model_has_its_target(run):
    write_people()
    run.ok("train", "people.csv", "--target", "buys", "--out", "m", *FAST)
    assert "m: is a model, which has its target." in run.error("info", "m", "--target", "buys")


def test_a_table_that_train_cannot_use(run):
    write_csv("t.csv", a=["x"] * 30, b=[5] * 30)
    lines, errors = lines_of(run, "t.csv")
    assert errors.startswith("note: no column besides the target can be used (")
    assert any(re.fullmatch(r"a +- +0 % +1  such as x", line) for line in lines)


@each_row("""
    columns | checks | columns_more | checks_more
    200 | 10 | |
    201 | 11 | ... and 1 column more | ... and 1 warning more
    203 | 12 | ... and 3 columns more | ... and 2 warnings more
""")
def test_a_long_list_ends_with_a_number(columns, checks, columns_more, checks_more):
    columns = [training_records.PRINTED_COLUMN | {"column": f"c{i}"} for i in range(int(columns))]
    checks = [{"text": f"check {i}"} for i in range(int(checks))]
    content = training_records.TABLES["a number"] | dict(columns=columns, data_checks=checks)
    lines = [*info._format(content, len(columns), 80)]
    assert sum(line.startswith("c") for line in lines) == 201  # and the head
    assert sum(line.startswith("warning ") for line in lines) == 10
    more = [line for line in lines if line.startswith("...")]
    assert more == [line for line in (columns_more, checks_more) if line]


@pytest.mark.parametrize(
    ("n_classes", "n_rows", "are_too_many"),
    [(20, 20, False), (21, 41, True), (21, 42, False), (1000, 2000, False), (1001, 2003, True)],
)
def test_a_target_of_many_classes(run, n_classes, n_rows, are_too_many):
    write_csv("t.csv", x=range(n_rows), y=[f"c{i % n_classes}" for i in range(n_rows)])
    code, _, errors = run("info", "t.csv", "--target", "y")
    assert code == (2 if are_too_many else 0)
    assert ("different values, too many for classes." in errors) == are_too_many
    single = "'c0', 'c1', 'c2', 'c3' and 16 more have a single row, too few to learn and to score"
    assert (single in errors) == (n_rows == 20)


# ---- models ----


def test_a_model_of_classes(run):
    trained(run, "--target", "buys", "--drop", "group,income")
    out, errors = run.ok("info", "m.safetensors")
    assert errors == "" and max(map(len, out.splitlines())) <= 80
    assert re.match(r"m\.safetensors: [\d,]+ kB\n", out)
    for line in (
        r"target      buys: two classes \(no, yes\)",
        r"numbers     age",
        r"categories  city",
        r"left out    group, income: --drop",
        r"left out    planet: all values are equal",
        r"model       TabularClassifier: 2 folds, \d+ networks, [\d,]+ parameters",
        rf"trained     on 300 rows of people\.csv in \S+ \w+, by fastnn {re.escape(fastnn.__version__)}:",
        r"  fastnn train people\.csv --target buys .* \\",
        r"      .*--time-limit 1000\.0",
    ):
        assert re.search(f"^{line}$", out, re.M), line


@each_row("""
    target | sign | what
    buys | +1 | the probability of yes never falls
    income | -1 | the prediction never rises
""")
def test_monotone_columns(target, sign, what, run):
    """train and info say which class has the probability."""
    printed = trained(run, "--target", target, "--monotone", f"age={sign}")
    for lines in (printed.splitlines(), lines_of(run, "m.safetensors")[0]):
        assert f"monotone    {what} as these grow: age" in lines


def test_the_scores_are_those_that_train_printed(run):
    printed = trained(run, "--target", "income", "--drop", "group,buys")
    out = run("info", "m.safetensors")[1]
    scores = re.findall(r"^(?:R2|RMSE) .*$", out, re.M)
    assert len(scores) == 2 and all(line in printed for line in scores)
    assert "target      income: a number\n" in out


def test_the_json_of_a_model(run):
    trained(run, "--target", "buys", "--drop", "group,income", "--threshold", "0.3")
    report = json.loads(run("info", "m.safetensors", "--json")[1])
    model = fastnn.load("m.safetensors")
    assert report["classes"] == ["no", "yes"] and report["threshold"] == 0.3
    assert report["kinds"] == model.columns_ == {"age": "number", "city": "category"}
    assert report["left_out"]["group"] == "--drop"
    assert list(report["importances"].values()) == model.feature_importances_.tolist()
    assert (report["folds"], report["oof_score"]) == (2, model.oof_score_)
    assert report["training"]["command"].startswith("fastnn train people.csv --target buys")
    assert report["bytes"] == Path("m.safetensors").stat().st_size
    assert "predicts yes if its probability is at least 0.3" in run("info", "m.safetensors")[1]


def test_a_model_that_was_trained_in_python(run):
    X = [[i, "ab"[i % 2], 5] for i in range(60)]
    model = TabularRegressor(**SMALL).fit(X, [float(i) for i in range(60)])
    model.metadata_ = {"source": "line\x1b[31m 1\nline 2"}
    model.save("m.safetensors")
    out, errors = run.ok("info", "m.safetensors")
    assert errors == "" and "target      a target without a name: a number\n" in out
    description = model_description(oof_score=None, importances={}, left_out={})
    assert [*info._format_scores(description)] == []
    assert "numbers     0\ncategories  1\nleft out    2: all values are equal\n" in out
    assert f"out of fold R2 {model.oof_score_:.3f}\n" in out
    assert "metadata    source: line" in out and "\x1b" not in out
    assert json.loads(run("info", "m.safetensors", "--json")[1])["training"] is None


def test_a_model_that_was_interrupted(run, models, monkeypatch):
    model = stored_model.load("b.safetensors")
    model.n_folds_remaining_ = 3
    model.model_ = replace(model.model_, checkpoint=FitCheckpoint([0, 1], 5, 1.0, {}))
    monkeypatch.setattr("fastnn.cli.info.load_model", lambda path: model)
    assert ": 2 of 5 folds, " in run("info", "b.safetensors")[1]
    assert json.loads(run("info", "b.safetensors", "--json")[1])["folds_left"] == 3


@pytest.mark.filterwarnings("ignore:y holds only the class")
def test_a_model_of_one_class(run, models):
    table = read("table.csv").select(["a"])
    fastnn.TabularClassifier(**SMALL).fit(table, ["x"] * 120).save("m.safetensors")
    assert "one class (x)" in run.output("info", "m.safetensors")


@pytest.mark.parametrize("record", ['{"fastnn": 1}', '{"scores": []}', "[", "3"])
def test_a_damaged_record_is_no_crash(run, models, record):
    model = fastnn.load("b.safetensors")
    model.metadata_ = {"training": record}
    model.save("m.safetensors")
    code, out, errors = run("info", "m.safetensors")
    assert (code, errors) == (0, "") and "target      b: two classes (no, yes)" in out
    assert f"accuracy {model.oof_score_:.3f}\n" in out
    assert ("the record is damaged" in out) == record.startswith("{")


@each_row("""
    name | message
    no.safetensors | No such file or directory. The models in this folder are b.safetensors, c.safetensors,
      n.safetensors and 2 more.
    b.safetensor | No such file or directory. Did you mean b.safetensors?
    table.txt | No such file or directory. Did you mean table.csv?
    short.safetensors | not a fastnn model, or damaged (
    net.safetensors | holds a network without the columns of a table
""")
def test_other_files_are_one_line(run, models, name, message):
    Path("short.safetensors").write_bytes(Path("b.safetensors").read_bytes()[:-9])
    fastnn.MLP([2, 1]).save("net.safetensors")
    code, out, errors = run("info", name)
    assert (code, out, errors.count("\n")) == (2, "", 1)
    assert errors.startswith(f"fastnn info: {name}: {message}")


# ---- records of trainings ----


@pytest.mark.parametrize("name", sorted(training_records.TEXTS.keys() - training_records.REPORTS))
def test_printed_lines_and_cards_and_damage_that_does_no_harm_are_those_on_record(name):
    text = (training_records.FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    assert training_records.TEXTS[name]() == text


def test_the_lines_about_baselines(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    number = number_record()
    lines = [*text_report.format_baselines(number)]
    models = [{k: v for k, v in m.items() if k != "test_score"} for m in number.baselines.models]
    for n_models, changes, expected in (
        (2, dict(not_trained=[]), lines[:6]),
        (1, {}, ["", *lines[-2:]]),  # interrupted
        (1, dict(not_trained=[]), []),
    ):
        found = replace(number.baselines, models=models[:n_models], **changes)
        assert [*text_report.format_baselines(replace(number, baselines=found))] == expected


@pytest.mark.parametrize("make", training_records.RECORDS.values())
def test_json_holds_the_record(make):
    content = json.loads(json.dumps(make().to_json()))
    found = TrainingRecord.from_json(content | {"of a later version": 1})
    assert found == make() and json.dumps(found.to_json()) == json.dumps(content)


def test_the_json_is_flat():
    content = class_record().to_json()
    assert "model" not in content and content["folds"] == 2
    assert [*content.items()][-1] == ("last_block", None)
    names = ["metric", "rows", "accuracy", "balanced_accuracy", "log_loss", "auc", "f1", "wrong"]
    assert [*content["scores"]] == [*names, "classes", "confusion", "baseline", "cost"]
    numbers = number_record().to_json()
    assert [*numbers["scores"]][:3] == ["metric", "rows", "rmse"]
    assert "wrong" not in numbers["scores"]
    issue = {"kind": "id", "column": "id", "text": "'id' numbers the rows."}
    assert numbers["data_checks"] == [issue]


def test_older_records_lack_some_values():
    content = number_record().to_json()
    later = ["created", "time", "group", "weight", "tuning", "baselines", "score_errors"]
    for name in [*later, "last_block", "split", "oof_score", "score_drops", "drop_name"]:
        del content[name]
    record = TrainingRecord.from_json(content)
    assert (record.time, record.model.score_drops, record.score_errors) == (None, None, {})
    content["scores"] = {"metric": None, "rows": 100, "r2": 0.5, "baseline": {"r2": 0.0}}
    assert TrainingRecord.from_json(content).scores.values == {"r2": 0.5}
    content = class_record().to_json()
    del content["scores"]["wrong"]
    assert TrainingRecord.from_json(content).scores.wrong == 0


def test_a_setup_does_not_read_the_results():
    content = number_record().to_json() | {"scores": "damaged"}
    assert TrainingSetup.from_json(content) == training_setup(test_rows=20, time="day", weight="w")
    with pytest.raises(ModelFileError, match="scores"):
        TrainingRecord.from_json(content)


@pytest.mark.spread(1)
@pytest.mark.parametrize("target", training_records.RECORDS)
@pytest.mark.parametrize("value", training_records.DAMAGE.values(), ids=training_records.DAMAGE)
def test_any_damage_is_found_or_does_no_harm(value, target, run, models, monkeypatch):
    """Nothing in a record makes a command fail."""
    model, path = stored_model.load(f"{target}.safetensors"), f"{target}.safetensors"
    monkeypatch.setattr("fastnn.cli.info.load_model", lambda path: model)
    for _, content in training_records.damaged(training_records.RECORDS[target]().to_json(), value):
        model.metadata_ = {records.KEY: json.dumps(content)}
        code, out, errors = run("info", path)
        assert (code, errors) == (0, ""), content
        is_damaged = "the record is damaged" in out
        code, _, errors = run("info", path, "--card")
        assert (code, errors.count("\n")) == ((2, 1) if is_damaged else (0, 0)), content


def test_options_of_a_damaged_setup_are_not_used(run, models, monkeypatch):
    content = training_setup(reading={"decimal": ","}).to_json()
    model = stored_model.load("n.safetensors")
    model.metadata_ = {records.KEY: json.dumps(content)}
    assert records.read_setup(model).reading == {"decimal": ","}
    for reading in ({"decimal": 5}, {"na": "x"}, {"na": [1]}, {"header": 0}, 1):
        model.metadata_ = {records.KEY: json.dumps(content | {"reading": reading})}
        assert records.read_setup(model) is None


def test_a_record_has_few_notes_of_a_wide_table():
    record = number_record(notes=[f"column {i}" for i in range(3000)])
    notes = json.loads(record.to_metadata()[records.KEY])["notes"]
    assert len(notes) == 101 and notes[0] == "column 0"
    assert notes[-1] == "2,900 more notes, which were printed"


# ---- the card ----


@pytest.fixture
def table(run, rng, quick_recipe):
    quick_recipe(3)
    x = rng.normal(size=240)
    write_csv("t.csv", x=x, y=np.where(x + rng.normal(0, 0.3, 240) > 0, "p", "q"))
    return "t.csv", "--target", "y", "--out", "m.safetensors"


def test_a_card(run, table, monkeypatch):
    monkeypatch.setattr(baselines, "BASELINES", {"linear": baselines.Linear})
    report = report_of(run, *table, "--folds", "2", "--baselines", "--test-size", "0.2")
    assert run.output("info", "m.safetensors", "--card", "card.md") == "Saved card.md.\n"
    text = Path("card.md").read_text(encoding="utf-8")
    assert text.startswith("# Model card: m.safetensors\n\nPredicts `y`, two classes (p, q)")
    parts = "linear", report["created"], "| baseline | rows of the test |"
    assert [part for part in parts if part not in text] == []
    assert run.output("info", "m.safetensors", "--card") == text
    run("info", "m.safetensors", "--card", "card.json")
    card = json.loads(Path("card.json").read_text(encoding="utf-8"))
    assert card["target"]["name"] == "y" and card["baselines"] == report["baselines"]
    assert {c["name"] for c in card["columns"]} == set(report["kinds"])
    found = {s["name"]: s for s in card["scores"]}["log_loss"]
    assert found["value"] == report["scores"]["log_loss"] and 0 < found["error"] < 1
    assert found["test"] == report["test_scores"]["log_loss"]


def test_sections_that_a_card_has_not():
    number = number_record()
    alone = replace(number.baselines, models=number.baselines.models[:1], not_trained=[])
    text = training_records.card_of(replace(number, baselines=alone, last_block=None))
    assert "Baselines" not in text and "order of time" not in text and "last block" not in text
    scores = replace(number.scores, values=number.scores.values | {"r2": 0.0})
    text = training_records.card_of(replace(number, scores=scores))
    assert "- The model is no better than the baseline: " in text


def test_a_card_lists_the_100_most_important_columns():
    for n in (100, 101):
        facts = [ColumnFacts(f"c{i}", "number", i) for i in range(n)]
        left_out = {f"l{i}": "--drop" for i in range(n)}
        importances = {f"c{i}": float(i) for i in range(n)}
        model = model_description(importances=importances, score_drops=None, left_out=left_out)
        text = training_records.card_of(number_record(model=model), facts)
        assert ("\n\nThe 100 most important of 101 columns.\n\n" in text) == (n > 100)
        names = [f"c{i}" for i in range(n)] if n == 100 else [f"c{i}" for i in range(100, 0, -1)]
        assert re.findall(r"^\| (c\d+) ", text, re.M) == names and text.count("Left out") == 100


def test_a_card_that_cannot_be_written(run, table, monkeypatch):
    report_of(run, *table, "--folds", "1")
    monkeypatch.setattr("os.fsync", Mock(side_effect=OSError(28, "No space left on device")))
    message = "fastnn info: card.md: cannot be written: No space left on device\n"
    assert run.error("info", "m.safetensors", "--card", "card.md") == message


def test_texts_of_a_table_are_not_markup_in_a_card(run, table):
    x = np.arange(80.0)
    write_csv("t.csv", **{"a|b<b>": x, "y": np.where(x > 40, "*p*", "[q](z)")})
    report_of(run, *table, "--folds", "1")
    run("info", "m.safetensors", "--card", "card.md")
    text = Path("card.md").read_text(encoding="utf-8")
    assert "rows of the test" not in text
    assert "a\\|b\\<b\\>" in text and "\\*p\\*" in text and "\\[q\\](z)" in text


@each_row("""
    arguments | message
    m.safetensors --card card.txt | --card must end in .md or .json
    t.csv --card card.md | --card is for a model file
    --card card.md | --card is for a model file
    m.safetensors --card no/card.md | no: no such folder
    plain.safetensors --card card.md | has no record of its training
""")
def test_what_has_no_card(run, table, arguments, message):
    report_of(run, *table, "--folds", "1")
    X = np.random.default_rng(0).normal(size=(60, 2))
    TabularRegressor(1, hidden_layer_sizes=2).fit(X, X[:, 0]).save("plain.safetensors")
    assert message in run.error("info", *arguments.split())

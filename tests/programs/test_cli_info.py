"""fastnn info: this installation, what train would make of a table, and what a model file contains."""

import copy
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cli_cases import FAST, each_row, write_csv
from cli_models import SMALL, pa, pq, report_of, write_people
from training_records import class_record, model_description, number_record, training_setup

import fastnn
from fastnn import TabularRegressor, kernels
from fastnn.cli import info, model_card, text_report
from fastnn.cli import record as records
from fastnn.cli.record import TrainingRecord, TrainingSetup
from fastnn.core.model_facts import ColumnFacts
from fastnn.files import ModelFileError
from fastnn.tables import read
from fastnn.tabular import baselines, stored_model
from fastnn.tabular.checkpoint import FitCheckpoint

RECORDS = {"n": number_record, "b": class_record}
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
    text = "\n".join(lines)
    assert re.search(r"^target      income: a number, [\d,]+ to [\d,]+, median .*, mean ", text, 8)
    assert re.search(r"^baseline    RMSE [\d,.]+ of the mean, mean absolute error ", text, re.M)
    assert "fastnn train people.csv --target income --out income.safetensors" in text
    lines, _ = lines_of(run, "people.csv", "--target", "buys")
    classes = r"target      buys: two classes: \w+ \d+ %, \w+ \d+ %"
    assert any(re.fullmatch(classes, line) for line in lines)
    errors = run.error("info", "people.csv", "--target", "byus")
    assert "has no column 'byus'. Did you mean 'buys'?" in errors


@pytest.mark.parametrize("width", [30, 40, 71, 80, 200])
def test_the_width_of_the_terminal(run, monkeypatch, width):
    question = "A question with many words? / " + "answer" * 9
    write_csv("t.csv", **{question: range(30)}, y=[0, 1] * 15)
    monkeypatch.setenv("COLUMNS", str(width))
    lines, _ = lines_of(run, "t.csv", "--target", "y")
    longest = max(len(line) for line in lines if "fastnn" not in line and ".saf" not in line)
    assert longest <= min(width, 80)
    if width == 40:
        first = lines.index("  number, 0 % missing, 30 distinct")
        assert lines[first - 1].startswith("A question with many words?")
        assert lines[first + 1] == "  0 to 29, median 14"


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


def test_a_table_that_does_not_fit_in_memory(run, monkeypatch):
    rng = np.random.default_rng(0)
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


COLUMN = dict(column="a b", kind="number", missing=0.25, distinct=1234, values="1 to 9, median 5")
EMPTY = dict(column="e", kind=None, missing=1.0, distinct=0, values="")
CONTENT = dict(data="t.csv", rows=3000, rows_looked_at=2000, columns=[COLUMN, EMPTY], target=None)
NO_VALUES = "no values in " + "t" * 60
CONTENT |= dict(left_out=dict(e=NO_VALUES, f=NO_VALUES), data_checks=[{"text": "one check"}])
CONTENT |= dict(train="fastnn train t.csv --target COL --out model.safetensors")
NUMBER = dict(column="y", task="number", rows_without=0, range=[0.5, 9], median=2.0, mean=3.0)
NUMBER |= dict(baseline=dict(rmse=2.0, mae=1.5))
CLASSES = dict(column="y", task="classes", rows_without=1)
CLASSES |= dict(baseline=dict(accuracy=0.3, log_loss=1.5))
CLASSES |= dict(classes=[["a", 1], ["b", 3], ["c", 2], *([x, 1] for x in "defg")])
WIDE = f"""\
column  kind      missing  distinct  values
a b     number       25 %     1,234  1 to 9, median 5
e       -           100 %         0
left out    e, f: no values in
  {"t" * 60}

warning     one check
"""
NARROW = f"""\
a b
  number, 25 % missing, 1,234 distinct
  1 to 9, median 5
e
  left out, 100 % missing, 0 distinct
left out    e, f: no values in
  {"t" * 60}

warning     one check
"""
LOOKED_AT = "2,000 of them were looked at.\n\n"
NUMBER_LINES = """
target      y: a number, 0.5 to 9, median 2, mean 3
baseline    RMSE 2.000 of the mean, mean absolute error 1.500 of the median
"""
CLASS_LINES = """
target      y: 7 classes: b 30 %, c 20 %, a 10 %, d 10 %, e 10 %, f 10 %, ...
            1 row without a target
baseline    accuracy 0.300 of the most frequent class, log-loss 1.500 of the
            shares
"""
SCREENS = [
    (CONTENT, 72, LOOKED_AT + WIDE),
    (CONTENT | dict(rows_looked_at=3000), 72, "\n" + WIDE),
    (CONTENT | dict(target=NUMBER), 71, "\n" + NARROW + NUMBER_LINES),
    (CONTENT | dict(target=CLASSES), 80, "\n" + WIDE + CLASS_LINES),
]


@pytest.mark.parametrize(("content", "width", "lines"), SCREENS)
def test_all_lines_of_a_table(monkeypatch, content, width, lines):
    monkeypatch.setenv("COLUMNS", "80")
    end = "\nTo train:\n  fastnn train t.csv --target COL --out model.safetensors"
    expected = f"t.csv: 3,000 rows, 2 columns\n{lines}{end}"
    assert "\n".join(info._format(content, 2, width)) == expected


@each_row("""
    columns | checks | columns_more | checks_more
    200 | 10 | |
    201 | 11 | ... and 1 column more | ... and 1 warning more
    203 | 12 | ... and 3 columns more | ... and 2 warnings more
""")
def test_a_long_list_ends_with_a_number(columns, checks, columns_more, checks_more):
    columns = [COLUMN | {"column": f"c{i}"} for i in range(int(columns))]
    checks = [{"text": f"check {i}"} for i in range(int(checks))]
    lines = [*info._format(CONTENT | dict(columns=columns, data_checks=checks), len(columns), 80)]
    assert sum(line.startswith("c") for line in lines) == 201  # and the head
    assert sum(line.startswith("warning ") for line in lines) == 10
    more = [line for line in lines if line.startswith("...")]
    assert more == [line for line in (columns_more, checks_more) if line]


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
        r"out of fold +model +baseline",
        r"accuracy +[\d.]+ +[\d.]+ .*",
        r"permutation importance +share +fall of accuracy",
        r"  age +[\d.]+ % +[\d.]+",
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
    code, out, errors = run("info", "m.safetensors")
    assert (code, errors) == (0, "")
    assert "target      a target without a name: a number\n" in out
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
    no.safetensors | No such file or directory. The models in this folder ar
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

NUMBER_RECORD = """
out of fold, weighted            model    baseline
R2                               0.500       0.000
RMSE                             2.000       4.000
mean absolute error              1.500       4.000

on 100 rows of the test          model    baseline
R2                               0.500       0.000
RMSE                             2.000       4.000
mean absolute error              1.500       4.000

last block, 100 rows             model    baseline
R2                               0.500       0.000
RMSE                             2.000       4.000
mean absolute error              1.500       4.000
The last block differs from the earlier ones by no more than chance (R2 0.500,
before 0.600).

permutation importance                  share                      fall of R2
  a                                      80 %                           0.250
  city                                   20 %                           0.010

rows to check (the prediction is far from the target, which may be wrong)
  place                   target     predicted
  line 5                       9             1

same folds                       RMSE std. err.    worse by std. err.  seconds
fastnn                           2.00      0.10           -         -      3.5
lightgbm                         2.00      0.10        0.50      0.10      1.5
On the held-out rows fastnn is better than lightgbm.

100 rows of the test             RMSE std. err.    worse by std. err.
fastnn                           2.00      0.10           -         -
lightgbm                         2.00      0.10           -         -
Interrupted before these baselines were trained: xgboost.

trained     on 120 rows of table.csv in 4 s, by fastnn 0.1.0:
  fastnn train table.csv --target n"""
CLASS_RECORD = """
threshold   predicts yes if its
            probability is at least 0.25
            (a missed yes costs 5, a
            false alarm 1). The scores
            of a held-out row use a
            threshold that earlier rows
            chose.

out of fold               model baseline
mean cost                0.2500    1.000
R2                       0.5000
accuracy                  0.900    0.500
   12 of 120 wrong
balanced accuracy         0.800    0.500
log-loss                  0.300    0.500
AUC                       0.900    0.500

class       rows precision recall     F1
no            60     0.900  0.900  0.900
yes           60     0.900  0.900  0.900

true  predicted
       no  yes
no     50   10
yes     2   58

importance        share       fall of R2
  a                80 %            0.250
  city             20 %            0.010

rows to check (the target is improbable,
so it may be wrong)
  place     target     prob.   predicted
  row 4     no          0.01   yes

trained     on 120 rows of table.csv in
            4 s, by fastnn 0.1.0:
  fastnn train table.csv --target n"""
NARROW_BASELINES = """
same folds       RMSE     +/-  worse by
fastnn           2.00    0.10         -
lightgbm         2.00    0.10      0.50
On the held-out rows fastnn is better
than lightgbm.

100 ...test      RMSE     +/-  worse by
fastnn           2.00    0.10         -
lightgbm         2.00    0.10         -
Interrupted before these baselines were
trained: xgboost."""


def test_all_lines_of_a_record(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    number = number_record()
    assert "\n".join(info._format_record(number)) == NUMBER_RECORD
    monkeypatch.setenv("COLUMNS", "40")
    assert "\n".join(info._format_record(class_record(time="day"))) == CLASS_RECORD
    lines = NARROW_BASELINES.split("\n")
    assert [*text_report.format_baselines(number)] == lines
    models = [{k: v for k, v in m.items() if k != "test_score"} for m in number.baselines.models]
    for n_models, changes, expected in (
        (2, dict(not_trained=[]), lines[:6]),
        (1, {}, ["", *lines[-2:]]),  # interrupted
        (1, dict(not_trained=[]), []),
    ):
        found = replace(number.baselines, models=models[:n_models], **changes)
        assert [*text_report.format_baselines(replace(number, baselines=found))] == expected


@pytest.mark.parametrize("make", RECORDS.values())
def test_json_holds_the_record(make):
    content = json.loads(json.dumps(make().to_json()))
    found = TrainingRecord.from_json(content | {"of a later version": 1})
    assert found == make()
    assert json.dumps(found.to_json()) == json.dumps(content)


def test_the_json_is_flat():
    content = class_record().to_json()
    assert "model" not in content and content["folds"] == 2
    assert list(content)[-1] == "last_block" and content["last_block"] is None
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


def test_a_setup_does_not_read_the_results():
    content = number_record().to_json() | {"scores": "damaged"}
    assert TrainingSetup.from_json(content) == training_setup(test_rows=20, time="day", weight="w")
    with pytest.raises(ModelFileError, match="scores"):
        TrainingRecord.from_json(content)


def places(value, path=()):
    """Yield the path of each value in a JSON value."""
    items = enumerate(value) if isinstance(value, list) else value.items()
    for key, item in items:
        yield (*path, key)
        if isinstance(item, (list, dict)):
            yield from places(item, (*path, key))


def damaged(content, value):
    """Yield copies of a JSON object that each have this value in a place, or lack it if it is `...`."""
    for *path, last in places(content):
        other = copy.deepcopy(content)
        part = other
        for key in path:
            part = part[key]
        if value is ...:
            del part[last]
        else:
            part[last] = value
        yield other


@pytest.mark.spread(1)
@pytest.mark.parametrize("target", RECORDS)
@pytest.mark.parametrize("value", [..., None, "x", -1, 10**400, np.nan, [1], {"x": 1}], ids=repr)
def test_any_damage_is_found_or_does_no_harm(value, target, run, models, monkeypatch):
    """Nothing in a record makes a command fail."""
    model, path = stored_model.load(f"{target}.safetensors"), f"{target}.safetensors"
    monkeypatch.setattr("fastnn.cli.info.load_model", lambda path: model)
    n_found = n_harmless = 0
    for content in damaged(RECORDS[target]().to_json(), value):
        model.metadata_ = {records.KEY: json.dumps(content)}
        code, out, errors = run("info", path)
        assert (code, errors) == (0, ""), content
        is_damaged = "the record is damaged" in out
        code, _, errors = run("info", path, "--card")
        assert (code, errors.count("\n")) == ((2, 1) if is_damaged else (0, 0)), content
        n_found, n_harmless = n_found + is_damaged, n_harmless + (not is_damaged)
    assert n_found > 60 and n_found + n_harmless > 100


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
def table(run, quick_recipe):
    quick_recipe(3)
    rng = np.random.default_rng(0)
    x = rng.normal(size=240)
    write_csv("t.csv", x=x, y=np.where(x + rng.normal(0, 0.3, 240) > 0, "p", "q"))
    return "t.csv", "--target", "y", "--out", "m.safetensors"


def test_a_card(run, table, monkeypatch):
    monkeypatch.setattr(baselines, "BASELINES", {"linear": baselines.Linear})
    report = report_of(run, *table, "--folds", "2", "--baselines", "--test-size", "0.2")
    assert run.output("info", "m.safetensors", "--card", "card.md") == "Saved card.md.\n"
    text = Path("card.md").read_text(encoding="utf-8")
    assert text.startswith("# Model card: m.safetensors\n\nPredicts `y`, two classes (p, q)")
    parts = ["linear", report["created"], "| baseline | rows of the test |"]
    for heading in ("Scores", "Baselines", "Limits", "Columns", "How it was trained"):
        parts.append(f"\n## {heading}\n")
    assert [part for part in parts if part not in text] == []
    assert run.output("info", "m.safetensors", "--card") == text
    run("info", "m.safetensors", "--card", "card.json")
    card = json.loads(Path("card.json").read_text(encoding="utf-8"))
    assert card["target"]["name"] == "y" and card["baselines"] == report["baselines"]
    assert {c["name"] for c in card["columns"]} == set(report["kinds"])
    found = {s["name"]: s for s in card["scores"]}["log_loss"]
    assert found["value"] == report["scores"]["log_loss"] and 0 < found["error"] < 1
    assert found["test"] == report["test_scores"]["log_loss"]


FACTS = [
    ColumnFacts("a", "number", 0, missing=0.25, span=("-1", "0.5", "2")),
    ColumnFacts("city", "category", 1, shares=(0.1, 0.3, 0.4, 0.2), categories=(*"bkru",)),
    ColumnFacts("z", "number", 2),
]
NUMBER_CARD = r"""# Model card: n.safetensors

Predicts `n`, a number, from 3 columns.

|  |  |
|---|---|
| created | 2026-01-01 |
| fastnn | 0.1.0 |
| table | table.csv |
| training rows | 100 |
| test rows | 20 |
| folds | 2 folds, drawn at random |
| column of times | day |
| column of weights | w |
| metric | that of the loss |
| networks | 2 with 90 parameters |

## Scores

| score | held-out rows | standard error | baseline | rows of the test |
|---|---|---|---|---|
| R2 | 0.500 |  | 0.000 | 0.500 |
| RMSE | 2.000 | 0.1 | 4.000 | 2.000 |
| mean absolute error | 1.500 |  | 4.000 | 1.500 |

## Baselines

Interrupted before these baselines were trained: xgboost.

fastnn is better than lightgbm. ADVANTAGE

| model | RMSE | standard error | worse by | standard error |
|---|---|---|---|---|
| fastnn | 2.00 | 0.10 | - | - |
| lightgbm | 2.00 | 0.10 | 0.50 | 0.10 |

## Settings

Other settings are chosen: the gain of --hidden 32,32 is 0.5 +/- 0.1 on 60 rows that did not choose.

## Limits

- The scores hold for rows like the training rows. 'fastnn check' tells whether new rows are.
- The last block differs from the earlier ones by no more than chance (R2 0.500, before 0.600).
- The folds keep no groups together: the scores may be too good for new groups.
- The model was trained on 100 rows, so its scores are uncertain.
- Predictions stay within the range of the training targets, 0.5 to 1,234,567.

## Warnings about the table

- 'id' numbers the rows.

## Notes about the table

- x\|y

## Columns

| column | kind | missing | values in training | importance |
|---|---|---|---|---|
| a | number | 25 % | -1 to 2, median 0.5 | 80 % |
| city | category |  | r 40 %, k 30 %, u 20 %, 1 more | 20 % |
| z | number |  |  | 0 % |

Left out: `id`: --drop.

## How it was trained

```sh
fastnn train table.csv --target n
```"""
CLASS_SECTIONS = [
    """
| threshold | predicts yes if its probability is at least 0.25 (a missed yes costs 5, a false alarm 1) |
| networks | 2 with 90 parameters |

## Scores

| score | held-out rows | standard error | baseline |
|---|---|---|---|
| mean cost | 0.2500 |  | 1.000 |
| accuracy | 0.900 |  | 0.500 |
| balanced accuracy | 0.800 |  | 0.500 |
| log-loss | 0.300 |  | 0.500 |
| AUC | 0.900 |  | 0.500 |

| class | rows | precision | recall | F1 |
|---|---|---|---|---|
| no | 29 | 0.900 | 0.900 | 0.900 |
| yes | 30 | 0.900 | 0.900 | 0.900 |

## Limits
""",
    """
- No rows were set aside for a test. The scores are slightly optimistic, since the best epochs were \
chosen on the rows that were held out.
- The folds are not in the order of time: the scores may be too good for later rows.
- Classes with fewer than 30 rows, whose scores are uncertain: no.
- The training was stopped: the model has 2 of 5 folds.

## Warnings about the table
""",
]


def card_of(record, facts=FACTS, bounds=None):
    model = SimpleNamespace(facts=lambda: SimpleNamespace(columns=facts, bounds=bounds))
    card = model_card._card_content("d/n.safetensors", model, record)
    return "\n".join(model_card._format_markdown(card, record))


def test_all_sections_of_a_card():
    number = number_record(notes=["x|y"], created="2026-01-01")
    text = card_of(number, bounds=(0.5, 1234567.0))
    assert text == NUMBER_CARD.replace("ADVANTAGE", text_report.ADVANTAGE)
    record = class_record(rows=200, group="g")
    record.scores.classes[0]["rows"], record.scores.classes[1]["rows"] = 29, 30
    text = card_of(record)
    assert [part for part in CLASS_SECTIONS if part not in text] == []
    alone = replace(number.baselines, models=number.baselines.models[:1], not_trained=[])
    text = card_of(replace(number, baselines=alone, last_block=None))
    assert "Baselines" not in text and "order of time" not in text and "last block" not in text
    scores = replace(number.scores, values=number.scores.values | {"r2": 0.0})
    text = card_of(replace(number, scores=scores))
    assert "- The model is no better than the baseline: " in text


def test_a_card_lists_the_100_most_important_columns():
    for n in (100, 101):
        facts = [ColumnFacts(f"c{i}", "number", i) for i in range(n)]
        left_out = {f"l{i}": "--drop" for i in range(n)}
        importances = {f"c{i}": float(i) for i in range(n)}
        model = model_description(importances=importances, score_drops=None, left_out=left_out)
        text = card_of(number_record(model=model), facts)
        assert ("\n\nThe 100 most important of 101 columns.\n\n" in text) == (n > 100)
        names = [f"c{i}" for i in range(n)] if n == 100 else [f"c{i}" for i in range(100, 0, -1)]
        assert re.findall(r"^\| (c\d+) ", text, re.M) == names and text.count("Left out") == 100


def test_a_card_that_cannot_be_written(run, table, monkeypatch):
    report_of(run, *table, "--folds", "1")

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
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

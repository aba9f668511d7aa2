"""fastnn train: from a table to a model file; each mistake is a line that says what to do, before any
work is done; and what the data checks suggest."""

import builtins
import io
import json
import os
import re
from decimal import Decimal
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from checks import assert_same_bits
from cli_cases import FAST, each_row, write_csv
from cli_models import pa, pq, report_of, write_people

import fastnn
from fastnn.cli import trained_models
from fastnn.cli.console import CommandError
from fastnn.cli.table_file import TrainingRows

pytestmark = pytest.mark.usefixtures("quick_recipe")
T = ("t.csv", "--target", "y", "--out", "m")
N = 60


@pytest.fixture(autouse=True)
def people(run):
    write_people()


def test_a_class_that_may_be_a_missing_value(run):
    """As in the time zones of airports.dat of OpenFlights."""
    write_csv("t.csv", x=range(40), zone=["E", "U", "A", r"\N"] * 10)
    note = r"note: t.csv: the target 'zone': \N is a class, in 10 rows. If it stands for a missing "
    note += r"value, pass --na '\N' --skip-missing-target."
    arguments = ("t.csv", "--target", "zone", "--out", "m", "--quiet", *FAST)
    assert note in run("train", *arguments)[2].splitlines()
    errors = run("train", *arguments, "--na", r"\N", "--skip-missing-target")[2]
    assert errors == "note: 10 rows without a target left out\n"
    write_csv("t.csv", x=range(40), banned=["boys", "none", "all", "Na"] * 10)
    errors = run("train", "t.csv", "--target", "banned", "--out", "m", "--quiet", *FAST)[2]
    note = "the target 'banned': none, Na are classes, in 20 rows. If they stand for missing"
    assert f"{note} values, pass --na none --na Na --skip-missing-target.\n" in errors


def test_a_class_with_a_single_row(run):
    """As in steak-risk-survey.csv of FiveThirtyEight, if its second line is read as an answer."""
    write_csv("t.csv", x=range(41), steak=["Response", *["Yes", "No"] * 20])
    arguments = ("t.csv", "--target", "steak", "--out", "m", "--quiet", *FAST)
    note = "the target 'steak': 'Response' has a single row, too few to learn and to score."
    assert run("train", *arguments)[2] == f"note: t.csv: {note} If that is a mistake, correct it.\n"


LEARNED = [("buys", "binary"), ("group", "classes"), ("income", "number")]


@pytest.mark.parametrize("target, task", LEARNED)
def test_a_mixed_table_is_learned(run, quick_recipe, target, task):
    quick_recipe(60)
    others = ",".join({"buys", "group", "income"} - {target})
    options = ["--target", target, "--drop", others, "--out", "m"]
    report = report_of(run, "people.csv", *options, "--folds", "2", "--hidden", "16")
    assert report["task"] == task and report["folds"] == 2 and report["folds_left"] == 0
    assert report["kinds"] == {"age": "number", "city": "category"}
    assert report["left_out"]["planet"] == "all values are equal"
    assert {report["left_out"][name] for name in others.split(",")} == {"--drop"}
    scores, baseline = report["scores"], report["scores"]["baseline"]
    assert scores["rows"] == 300
    if task == "number":
        assert scores["r2"] > 0.8 and scores["rmse"] < baseline["rmse"] / 2
    else:
        assert scores["accuracy"] > 0.9 and scores["log_loss"] < baseline["log_loss"] / 2
    model = fastnn.load("m")
    assert json.loads(model.metadata_["training"])["scores"] == scores
    assert model.oof_score_ == pytest.approx(scores.get("accuracy", scores.get("r2")))


def test_the_screen(run):
    options = ["--drop", "group,income", "--category", "city", "--out", "m.safetensors"]
    code, out, errors = run("train", "people.csv", "--target", "buys", *options, *FAST)
    assert code == 0 and max(map(len, out.splitlines())) <= 80
    lines = """people.csv: 300 rows, 6 columns
        target      buys: two classes (no, yes)
        numbers     age
        categories  city
        left out    id: almost all texts are different
        left out    planet: all values are equal
        left out    group, income: --drop
        60 rows held out                 model    baseline
        class                         rows   precision    recall        F1
        true  predicted
        permutation importance                  share                fall of accuracy
        Saved m.safetensors (""".split("\n        ")
    for line in [*lines, "  fastnn predict m.safetensors people.csv"]:
        assert f"\n{line}" in f"\n{out}", line
    assert re.search(r"^accuracy +[01]\.\d{3} +0\.\d{3}   \d+ of 60 wrong$", out, re.M)
    assert re.search(r"^1 fold, \d networks? with hidden layers 8; trained in \d+ s$", out, re.M)
    assert re.fullmatch(r"fold 1/1  held-out accuracy [01]\.\d{3}\n", errors)


@each_row("""
    alias | target | task
    classification | buys | binary
    classification | group | classes
    regression | group | number
""")
def test_names_of_scikit_learn_for_tasks(run, alias, target, task):
    options = ["--target", target, "--out", "m", "--task", alias, "--json", *FAST]
    assert json.loads(run.output("train", "people.csv", *options))["task"] == task


def test_json_is_all_that_is_on_standard_output(run):
    report = report_of(run, "people.csv", "--target", "group", "--out", "m", *FAST)
    assert report["model"] == "m" and report["classes"] == ["0", "1", "2"]
    assert len(report["scores"]["confusion"]) == 3 and report["seconds"] > 0
    assert report["command"].startswith("fastnn train people.csv --target group --out m")


def test_quiet_prints_nothing(run):
    options = ("--target", "buys", "--out", "m", "--quiet", *FAST)
    assert run("train", "people.csv", *options) == (0, "", "")


@pytest.fixture
def seen(monkeypatch):
    """What reaches the training, which stops at once: (model, rows, arguments) of each command."""
    seen = []

    def fit(model, rows, file, arguments):
        seen.append((model, rows, arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr(trained_models, "fit_estimator", fit)
    return seen


def test_options_reach_the_estimator(run, seen):
    Path("m").touch()  # of mktemp
    words = """train people.csv --target buys --out m --folds 3 --metric log_loss --threshold 0.2
        --class-weight balanced --time-limit 9 --seed 4 --threads 2 --drop id --drop income,planet
        --category group --number age --monotone age=-1"""
    assert run(*words.split(), "--hidden", "8, 4")[0] == 130
    parameters = seen[0][0].get_params()
    expected = dict(
        n_estimators=3, hidden_layer_sizes=(8, 4), metric="log_loss", class_weight="balanced",
        threshold=0.2, time_limit=9.0, random_state=4, drop=["id", "income", "planet"],
        categories=["group"], numbers=["age"], dates=None, monotone={"age": -1},
    )  # fmt: skip
    assert {name: parameters[name] for name in expected} == expected
    assert parameters["n_threads"] in (1, 2) and "buys" in seen[0][1].sample.column_names
    assert 0 < seen[0][0].seconds_before <= 4.5  # reading the table counts, but not all of the time
    run(*"train people.csv --target income --out m --loss huber --log-target --bounds 1,".split())
    parameters = seen[1][0].get_params()
    run(*"train people.csv --target income --out m --time-limit 1e-6".split())
    assert seen[2][0].seconds_before == 5e-7
    assert (parameters["loss"], parameters["log_target"]) == ("huber", True)
    assert parameters["monotone"] is None and parameters["bounds"] == (1.0, None)
    assert parameters["n_threads"] == -1 and parameters["n_estimators"] == 5


def test_the_index_of_pandas_is_an_input_if_an_option_names_it(run, seen):
    write_csv("t.csv", **{"Unnamed: 0": range(N), "x": range(N), "y": [0, 1] * (N // 2)})
    for names in ("Unnamed: 0", "x,Unnamed: 0"):
        assert run("train", *T, "--category", names)[0] == 130
        assert seen.pop()[0].categories == sorted(names.split(","), reverse=True)


def test_a_config_file_sets_options_and_the_command_line_wins(run, seen):
    Path("c.toml").write_text(
        'data = "people.csv"\ntarget = "buys"\nout = "m"\nhidden = [8, 4]\ndrop = ["id", "group"]\n'
        "skip_missing_target = true\nseed = 3\nquiet = false\nna = [-1]\nmonotone = ['age=+1']\n"
    )
    run("train", "--config", "c.toml", "--seed", "5", "--drop", "income")
    model, _, arguments = seen[0]
    assert model.hidden_layer_sizes == (8, 4) and model.random_state == 5
    assert model.drop == ["income"] and arguments.table.na == ["-1"]
    assert model.monotone == {"age": 1}
    assert arguments.skip_missing_target and not arguments.quiet and arguments.data == "people.csv"


def test_rows_of_the_test_are_not_trained_on(run):
    options = ["people.csv", "--target", "income", "--out", "m", *FAST]
    report = report_of(run, *options, "--test-size", "0.25")
    assert report["test_rows"] == 75 and report["scores"]["rows"] == 45
    assert report["test_scores"]["rows"] == 75 and np.isfinite(report["test_scores"]["r2"])
    code, out, _ = run("train", *options, "--test-size", "0.25")
    assert code == 0 and "people.csv: 300 rows, 75 for the test, 6 columns" in out
    assert "\non 75 rows of the test " in out


def test_each_class_is_trained_on(run):
    write_csv("t.csv", x=range(61), y=["a"] * 30 + ["b"] * 30 + ["c"])
    for seed in range(4):  # in some of them the row of c is drawn for the test
        report = report_of(run, *T, "--test-size", "0.5", "--seed", str(seed), *FAST)
        assert report["classes"] == ["a", "b", "c"]
        assert fastnn.load("m").classes_.tolist() == ["a", "b", "c"]
        assert report["test_scores"]["classes"][2]["rows"] == 0


def test_the_seed_decides_and_nothing_else(run):
    files = []
    small = ["--folds", "1", "--hidden", "4", "--drop", "id,group,income", "--quiet"]
    for more in ([], ["--threads", "1"], ["--seed", "1"]):
        assert run("train", "people.csv", "--target", "buys", "--out", "m", *small, *more)[0] == 0
        files.append(fastnn.load("m").model_.members[0].networks[0][0].params)
    assert_same_bits(files[0], files[1])
    assert not np.array_equal(files[0], files[2])


def test_rows_without_a_target_are_left_out_on_request(run):
    write_csv("t.csv", a=range(60), y=["", *range(1, 60)])
    assert "t.csv, line 2: the target 'y' is missing (in 1 row)." in run.error("train", *T, *FAST)
    out, errors = run.ok("train", *T, "--skip-missing-target", "--json", *FAST)
    assert json.loads(out)["rows"] == 59 and "note: 1 row without a target left out\n" in errors


def test_standard_input(run, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(Path("people.csv").read_bytes())))
    out = run.output("train", "-", "--target", "income", "--out", "m", *FAST)
    assert out.startswith("standard input: 300 rows") and "  fastnn predict m NEW.csv\n" in out


def test_a_table_file_is_read_as_its_options_say(run):
    lines = "\n".join(f"{i};{i % 7},5;{i % 2}" for i in range(60))
    Path("t.txt").write_text("#comment\n" + lines, encoding="utf-16")
    options = "--target column_3 --out m --no-header --sep ; --comment # --na 3 --decimal ,"
    report = report_of(run, "t.txt", *options.split(), *FAST)
    assert report["kinds"] == {"column_1": "number", "column_2": "number"}
    assert report["reading"] == dict(sep=";", na=["3"], decimal=",", comment="#", header=False)


TARGETS = [
    (["no", "yes"] * 30, "binary", ["no", "yes"]),
    ([0, 1] * 30, "binary", ["0", "1"]),
    ([1.0, 2.0] * 30, "binary", ["1", "2"]),
    ([1.5, 2.0] * 30, "binary", ["1.5", "2"]),
    ([2.0**53 - 1, -2.0] * 30, "binary", ["-2", "9007199254740991"]),
    ([2.0**53, 2.0] * 30, "binary", ["2", "9.007199254740992e+15"]),
    (["1.2.2026", "2.2.2026"] * 30, "binary", ["1.2.2026", "2.2.2026"]),
    (["False", "True"] * 30, "binary", ["false", "true"]),
    (["10+", "5+", "1+"] * 20, "classes", ["1+", "10+", "5+"]),
    (["8:00", "9:30", "10:00"] * 20, "classes", ["10:00", "8:00", "9:30"]),
    (["5", "x", "7"] * 20, "classes", ["5", "7", "x"]),
    ([21, 23, 25, 32, 39, 42, 51, 54, 63, 63], "number", None),  # few different whole numbers
]


@pytest.mark.parametrize(("values", "task", "classes"), TARGETS)
def test_classes_are_what_the_file_holds(run, values, task, classes):
    write_csv("t.csv", a=range(len(values)), y=values)
    report = report_of(run, *T, *FAST)
    assert (report["task"], report["classes"]) == (task, classes)


@each_row("""
    values | options | task | classes
    1.5 2.0 | | binary | ['1.5', '2']
    1.0 2.0 | --task classes | classes | ['1', '2']
    1.5 2.5 | --task number | number | None
    9007199254740993 9007199254740995 | --task classes | classes | ['9007199254740993', '9007199254740995']
    9007199254740993 9007199254740995 | --task number | number | None
""")
def test_decimals_are_numbers_or_classes(run, values, options, task, classes):
    values = [*map(Decimal, values.split())]
    pq.write_table(pa.table({"a": range(N), "y": values * (N // 2)}), "t.parquet")
    report = report_of(run, "t.parquet", *T[1:], *options.split(), *FAST)
    assert (report["task"], str(report["classes"])) == (task, classes)


@pytest.mark.parametrize("start", [10**18, 123456789012345678901], ids=["int64", "longer"])
def test_long_ids_are_classes(run, start):
    ids = [start + i for i in range(3)]
    write_csv("t.csv", x=np.arange(60) % 3, y=ids * 20)
    assert list(map(str, report_of(run, *T, *FAST)["classes"])) == list(map(str, ids))
    write_csv("new.csv", x=[0, 1, 2] * 10 + [0], y=[*ids * 10, ids[2] + 1])
    code, _, errors = run("predict", "m", "new.csv", "--out", "p.csv")
    assert code == 0 and "1 row not scored: the target 'y' is missing or not one of" in errors
    assert set(Path("p.csv").read_text().replace('"', "").split()[1:]) <= set(map(str, ids))


def test_long_whole_numbers_as_target_are_rounded_with_a_note(run):
    for start in (10**18, 10**20):
        write_csv("t.csv", x=np.arange(60), y=[start + 1 + i * 10**17 for i in range(60)])
        errors = run.notes("train", *T, "--task", "number", *FAST)
        assert "are rounded to 16 digits (--task classes takes them for classes)" in errors


def test_a_target_in_a_currency_is_a_number(run):
    write_csv("t.csv", a=range(60), y=[f"${i + 1},500.00" for i in range(60)])
    out, errors = run.ok("train", *T, "--json", *FAST)
    assert json.loads(out)["task"] == "number" and "the target 'y': numbers" in errors
    assert fastnn.load("m").predict(fastnn.tables.read("t.csv")).max() > 1500


def test_all_gaps_of_a_target_are_said_at_once(run):
    write_csv("t.csv", a=range(60), y=["", "-", "NA", "Indef.", *map(str, range(56))])
    found = "in 56 rows, but not in 1 row ('Indef.'), and missing in 3 rows. Correct"
    assert found in run.error("train", *T, *FAST)
    write_csv("t.csv", a=range(60), y=["", "-", *("a", "b") * 29])
    errors = run.error("train", *T, *FAST)
    assert "is missing (in 1 row)" in errors
    assert "- is a class, in 1 row. If it stands for a missing value, pass --na - " in errors


def test_a_target_of_nearly_all_numbers_is_a_number(run):
    write_csv("t.csv", a=range(60), y=[f"{i},49,999" if i % 9 else "ask" for i in range(1, 61)])
    found = "t.csv, line 10: the target 'y' is a number in 54 rows, but not in 6 rows ('ask')."
    advice = "pass --skip-missing-target to leave such rows out, or --task classes."
    errors = run.error("train", *T, "--json", *FAST)
    assert errors == f"fastnn train: {found} Correct the values, {advice}\n"
    report = report_of(run, *T, "--skip-missing-target", *FAST)
    assert (report["task"], report["rows"], report["target_style"]) == ("number", 54, ".|,|")
    assert "6 of 60 values are not numbers ('ask') and count as missing" in str(report["notes"])
    y = [f"{i},49,999" for i in range(1, 15)]  # more than a tenth are texts
    write_csv("t.csv", a=range(51), y=3 * [*y, "ask", "none", "sold"])
    assert report_of(run, *T, *FAST)["task"] == "classes"


def test_a_target_is_read_in_the_style_of_the_training(run):
    write_csv("t.csv", a=range(60), y=[f"{i}.{i:03}.000" for i in range(1, 61)])
    assert report_of(run, *T, *FAST)["target_style"] == ",|.|"
    write_csv("new.csv", a=range(30), y=[*(f"{i}.000" for i in range(1, 30)), "unknown"])
    code, out, errors = run("predict", "m", "new.csv", "--json")
    scores = json.loads(out)["scores"]
    assert code == 0 and scores["rows"] == 29 and scores["baseline"]["rmse"] > 1000
    assert "1 row not scored: the target 'y' is missing or not a number" in errors
    write_csv("new.csv", a=range(29), y=[f"{i}.000" for i in range(1, 30)])
    assert json.loads(run("predict", "m", "new.csv", "--json")[1])["scores"] == scores


def test_texts_among_numbers_are_noted(run):
    write_csv("t.csv", a=[*range(59), "soon"], b=[f"{i} km" for i in range(60)], y=range(60))
    note = "note: column 'a': 1 of 60 values are not numbers ('{}') and count as missing.{}\n"
    code, _, errors = run("train", *T, "--quiet", *FAST)
    assert (code, errors) == (0, note.format("soon", " Pass --category a to keep them as texts."))
    write_csv("t.csv", a=["never", *range(59)], b=[f"{i} kg" for i in range(60)])
    code, out, errors = run("predict", "m", "t.csv")
    assert (code, out) == (2, "") and "column 'b' holds '0 kg' in line 2, which is not a" in errors
    write_csv("t.csv", a=["never", *range(59)], b=[f"{i / 1.609344:.6f} mi" for i in range(60)])
    code, out, errors = run("predict", "m", "t.csv")
    assert (code, out.count("\n"), errors) == (0, 61, note.format("never", ""))


def test_a_target_of_truth_values_and_texts_among_numbers(run):
    write_csv("t.csv", a=range(60), y=["true", "false"] * 30)
    report = report_of(run, *T, "--task", "number", *FAST)
    assert report["task"] == "number" and report["scores"]["baseline"]["rmse"] == 0.5
    write_csv("t.csv", a=range(60), y=["oops", *range(59)])
    note = "t.csv: the target 'y': 1 of 60 values are not numbers ('oops') and count as missing"
    errors = run.notes("train", *T, "--skip-missing-target", "--quiet", *FAST)
    assert errors == f"note: {note}\nnote: 1 row without a target left out\n"


def test_data_checks_are_shown_before_training(run):
    write_csv("t.csv", id=range(60), copy=["n", "y"] * 30, a=[1, 2, 4] * 20, y=[0, 1] * 30)
    code, out, _ = run("train", *T, *FAST)
    assert code == 0 and out.index("warning ") < out.index("numbers ")
    assert "warning     column 'id' numbers the rows (0 to 59)." in out
    assert "warning     column 'copy' has one value for each value of the target 'y'." in out
    code, out, _ = run("train", *T, "--drop", "id,copy", *FAST)
    assert code == 0 and "column 'id'" not in out and "column 'copy'" not in out


def test_the_model_file_is_replaced_at_the_end(run, monkeypatch):
    fastnn.MLP([1, 1]).save("m")
    old = Path("m").read_bytes()
    monkeypatch.setattr(os, "fsync", Mock(side_effect=OSError(28, os.strerror(28))))
    code, out, errors = run("train", "people.csv", "--target", "buys", "--out", "m", *FAST)
    assert code == 2 and "Saved" not in out
    assert errors.splitlines()[-1] == f"fastnn train: m: cannot be written: {os.strerror(28)}"
    assert Path("m").read_bytes() == old and sorted(os.listdir()) == ["m", "people.csv"]


# ---- mistakes ----


@pytest.fixture
def tables(run):
    """t.csv with targets of all kinds, and tables that cannot be used."""
    y, n = [0, 1] * (N // 2), range(N)
    columns = dict(a=n, c=["x", "y"] * (N // 2), y=y, price=[i + 1.5 for i in n])
    columns |= dict(day=[f"2026-01-{i % 28 + 1:02d}" for i in n], name=[f"n{i}" for i in n])
    write_csv("t.csv", **columns, k=list("uvw") * (N // 3))
    targets = dict(missing=["", "", *y[2:]], oops=[*n[1:], "oops"], infinite=[*n[1:], "inf"])
    targets |= dict(negative=[i - 5.5 for i in n], constant=[1] * N, empty=[""] * N)
    for name, values in targets.items():
        write_csv(f"{name}.csv", a=n, y=values)
    write_csv("alone.csv", y=y)
    write_csv("dates.csv", a=n, y=[f"{1 + i % 3}.2.2026" for i in n])
    write_csv("useless.csv", a=[1] * N, b=["z"] * N, y=y)
    Path("notes.txt").write_text("not a model")
    Path("c").write_text("seed = 1")


def error_of(run, words):
    """Run a command that fails before training, and return its message."""
    before = set(os.listdir())
    code, out, errors = run("train", *words.split())
    assert code == 2, out
    assert errors.startswith("fastnn train: ") and errors.count("\n") == 1
    assert set(os.listdir()) == before
    return errors.removeprefix("fastnn train: ").rstrip("\n")


@each_row("""
    words | message
    | DATA (the table) is missing. Example: fastnn train people.csv
    t.csv --out m | --target is missing.
    t.csv --target y | --out is missing.
    t.cvs --target y --out m | t.cvs: No such file or directory. Did you mean t.csv?
    t.csv --target Y --out m | t.csv: has no column 'Y'. Did you mean 'y'?
    t.csv --target z --out m | t.csv: has no column 'z'. Its columns are a, c, y, price,
    t.csv --targt y --out m | unknown option --targt. Did you mean --target?
    t.csv --target y --out no/m | no: no such folder. Create it first, or
    t.csv --target y --out . | .: --out is a folder.
    t.csv --target y --out m.pkl | m.pkl: --out is a safetensors file, not .pkl. Choose
    t.csv --target y --out t.csv | t.csv: --out would overwrite an input file.
    t.csv --target y --out notes.txt | notes.txt: --out would overwrite a file that is not
    t.csv --target y --out c --config c | c: --out would overwrite an input file.
    t.csv --target y --out m --plot no/m.png | or choose another --plot.
    t.csv --target y --out m --plot m.gif | must end in .png, .svg or .pdf
    t.csv --target y --out m.png --plot m.png | --plot and --out are the same file.
    t.csv --target y --out m --hidden 8x8 | such as 64 or 64,32, got '8x8'
    t.csv --target y --out m --hidden 0 | layer sizes from 1 to 100,000
    t.csv --target y --out m --hidden 100001 | layer sizes from 1 to 100,000
    t.csv --target y --out m --folds 0 | a whole number of at least 1, got '0'
    t.csv --target y --out m --threshold 1 | such as cost:5,1, got '1'
    t.csv --target y --out m --threshold cost:5 | such as cost:5,1, got 'cost:5'
    t.csv --target k --out m --threshold f1 | the target 'k' has 3. Leave it out.
    t.csv --target y --out m --metric acuracy | Did you mean accuracy? It can be accuracy,
    t.csv --target y --out m --metric rmse | --metric rmse is for numbers, but the target
    t.csv --target y --out m --time-limit 0 | a number above 0, got '0'
    t.csv --target y --out m --test-size 1 | of at least 0 and below 1, got '1'
    t.csv --target y --out m --test-size 0.99 | 0.99 of 60 rows leaves 1 to train on.
    t.csv --target y --out m --loss huber | --loss is for numbers, but the target 'y'
    t.csv --target y --out m --log-target | but the target 'y' holds classes.
    t.csv --target price --out m --metric accuracy | --metric accuracy is for classes,
    t.csv --target price --out m --class-weight balanced | holds numbers. Leave it out
    t.csv --target k --out m --threshold 0.4 | the target 'k' has 3. Leave it out.
    t.csv --target k --out m --monotone a=1 | the target 'k' has 3. Leave it out.
    t.csv --target y --out m --monotone a | must be COL=+1 or COL=-1, got 'a'.
    t.csv --target y --out m --monotone 1,0 | must be COL=+1 or COL=-1, got '1,0'.
    t.csv --target y --out m --monotone a=1,a,b=1 | --monotone: t.csv has no column 'a,b'.
    t.csv --target y --out m --monotone a=2,a=1 | must be COL=+1 or COL=-1, got 'a=2'.
    t.csv --target y --out m --monotone a=2 | must be COL=+1 or COL=-1, got 'a=2'.
    t.csv --target y --out m --monotone b=1 | --monotone: t.csv has no column 'b'.
    t.csv --target y --out m --monotone y=1 | --monotone names the target 'y'.
    t.csv --target y --out m --monotone a=1,a=-1 | --monotone has both +1 and -1 for 'a'.
    t.csv --target k --out m --task number | t.csv, line 2: the target 'k' is 'u', but
    t.csv --target k --out m --task binary | has 3 different values. Use --task classes.
    t.csv --target price --out m --task binary | Use --task classes or --task number.
    t.csv --target price --out m --task classes | too many for classes. Use --task number
    t.csv --target name --out m | too many for classes. Choose another --target.
    t.csv --target day --out m | the target 'day' contains dates or times.
    dates.csv --target y --out m | the target 'y' contains dates. Only numbers and classes can be p
    t.csv --target price --out m --time y --test-size 0.5 | with --time needs at least 3 time values, but there are 2. Le
    missing.csv --target y --out m | missing.csv, line 2: the target 'y' is missing (in 2
    oops.csv --target y --out m | oops.csv, line 61: the target 'y' is a number in
    infinite.csv --target y --out m | infinite.csv, line 61: the target 'y' is infinite.
    constant.csv --target y --out m | the target 'y' is '1' in every row.
    empty.csv --target y --out m | the target 'y' is empty in every row.
    negative.csv --target y --out m --log-target | negative.csv, line 2: the target 'y' is
    negative.csv --target y --out m --loss poisson | needs numbers of at least 0.
    t.csv --target price --out m --loss poisson --log-target | Choose one of them.
    t.csv --target y --out m --drop y | --drop contains the target 'y'.
    t.csv --target y --out m --drop a,z | --drop: t.csv has no column 'z'.
    t.csv --target y --out m --category A | --category: t.csv has no column 'A'. Did you m
    t.csv --target y --out m --category a --date a | is in both --category and --date.
    t.csv --target y --out m --resume | m: there is no such file, so there is nothing
    t.csv --target y --out m --tune --hidden 8 | --tune cannot be combined with --hidden
    t.csv --target y --out m --tune --resume | --tune cannot be combined with --resume
""")
def test_a_mistake_is_one_line_before_any_work(run, tables, monkeypatch, words, message):
    monkeypatch.setattr(trained_models, "fit_estimator", None)  # nothing may be trained
    assert message in error_of(run, words)


@each_row("""
    words | message
    t.csv --number c | t.csv: column 'c' holds 'x' in line 2, which is not a number.
    t.csv --date c | t.csv: --date names the column 'c', which holds 'x'.
    t.csv --drop a,c,price,day,name,k | no column besides the target can be used ('a': --dr
    useless.csv | no column besides the target can be used ('a': all values are equal;
    alone.csv | alone.csv: no column besides the target can be used. Pass columns whose
""")
def test_what_the_estimator_refuses_is_said_in_the_words_of_the_command_line(
    run, tables, words, message
):
    code, _, errors = run("train", *words.split(), "--target", "y", "--out", "m", *FAST)
    assert code == 2 and message in errors.splitlines()[-1] and not os.path.exists("m")


@pytest.mark.parametrize(("error", "message"), [
    (OSError(28, "No space left on device"), "t.csv: No space left on device."),
    (OSError("a text"), "t.csv: a text."),
    (ValueError("of\nanother library"), "t.csv: of another library"),
    (MemoryError("too much"), "t.csv: too much"),
])  # fmt: skip
def test_errors_of_a_fit_name_the_table(run, tables, monkeypatch, error, message):
    monkeypatch.setattr(TrainingRows, "fit", Mock(side_effect=error))
    assert run.error("train", *T, *FAST).splitlines()[-1] == f"fastnn train: {message}"


def test_too_little_memory_names_the_column(run, tables, monkeypatch):
    available = "fastnn.tables.limits.available_memory"  # to read a table, and to train
    monkeypatch.setattr(available, lambda counts_files=True: 1e12 if counts_files else 100_000)
    write_csv("wide.csv", city=[f"c{i}" for i in range(200)] * 2, y=[0, 1] * 200)
    errors = run.error("train", "wide.csv", "--target", "y", "--out", "m")
    assert "Column 'city' has 200 categories. Pass --drop city," in errors
    assert "Pass fewer rows or columns, or a smaller --hidden." in run.error("train", *T)


@each_row("""
    text | message
    targt = "y" | unknown key 'targt'. Did you mean target?
    zzz = 1 | unknown key 'zzz'. It can have data, target, out,
    epochs = 1 | unknown key 'epochs'.
    hidden = 'x' | hidden: expected layer sizes
    folds = 0 | folds: expected a whole number of at least 1, got '0'
    task = 'numbers' | task: invalid choice: 'numbers'
    target = true | target must be a text or a number, got True
    quiet = 'yes' | quiet must be true or false, got 'yes'
    drop = [['a']] | drop must be a text or a number, got ['a']
    [drop] | drop must be a text or a number, got {}
    target = | is not a TOML file (Invalid value (at
""")
def test_a_config_file_that_cannot_be_used(run, tables, text, message):
    Path("c.toml").write_text(text)
    assert f"c.toml: {message}" in error_of(run, "t.csv --target y --out m --config c.toml")


def test_a_config_file_that_is_absent(run, tables):
    message = error_of(run, "t.csv --target y --out m --config no.toml")
    assert message == "no.toml: No such file or directory. Pass a TOML file to --config."


def test_a_name_that_cannot_be_written(run, tables):
    message = error_of(run, f"t.csv --target y --out {'m' * 250}")
    assert message == f"{'m' * 250}: cannot be written: File name too long. Choose another --out."


def test_without_scikit_learn_it_says_what_to_install(run, tables, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if "tabular" in name:
            raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    message = error_of(run, "t.csv --target y --out m")
    assert 'need scikit-learn, which is not installed. Run: python -m pip install "' in message


def test_options_are_named_as_the_command_line_has_them(run):
    Path("numbers.csv").write_text("1,2.5\n" * N, encoding="utf-8")
    _, _, errors = run("train", "numbers.csv", "--target", "1", "--out", "m", *FAST)
    assert "If the file has no line with column names, pass --no-header.\n" in errors
    Path("same.csv").write_text("1,1,0\n" * N, encoding="utf-8")
    errors = run.error("train", "same.csv", "--target", "0", "--out", "m")
    assert errors.endswith("the first line holds no names, pass --no-header.\n")


@pytest.mark.parametrize("options", ["--number name", "--date k", "--time k", "--number k,name"])
def test_columns_that_an_option_does_not_fit_come_before_the_data_checks(run, tables, options):
    """Warnings about a table that is not trained on help nobody."""
    code, out, errors = run(*f"train t.csv --target y --out m {options}".split())
    assert code == 2 and out == "" and errors.count("\n") == 1
    assert "holds 'u'" in errors or "holds 'n0'" in errors


# ---- suggestions ----

RNG = np.random.default_rng(0)


def issues_of(run, command, *arguments):
    """{(kind, column): text} of the data checks of fastnn train, or of fastnn info."""
    train = ["--out", "m", "--folds", "2", "--hidden", "2"] if command == "train" else []
    out = run.output(command, "t.csv", "--target", "y", *train, "--json", *arguments)
    return {(each["kind"], each["column"]): each["text"] for each in json.loads(out)["data_checks"]}


who = np.repeat(np.arange(50), 6)
GROUPS = dict(patient=[f"p{i}" for i in who], x=RNG.normal(size=300))
GROUPS["y"] = RNG.normal(size=50)[who] + 0.1 * RNG.normal(size=300)
TIMES = {"the day": np.datetime64("2026-01-01") + np.arange(300)}
TIMES |= {"x": RNG.normal(size=300), "y": np.sin(np.arange(300) / 30)}


SUGGESTED = [(GROUPS, "group", "patient", "the scores are too good. Pass --group patient.")]
SUGGESTED += [(TIMES, "time", "the day", "Pass --time 'the day'.")]


@pytest.mark.parametrize(("columns", "kind", "column", "text"), SUGGESTED)
def test_groups_and_times_are_suggested(run, compared_splits, columns, kind, column, text):
    """Where random folds promise too much."""
    write_csv("t.csv", **columns)
    found = issues_of(run, "train")
    assert list(found) == [(kind, column)] and found[kind, column].endswith(text)
    assert issues_of(run, "info") == found and issues_of(run, "train", f"--{kind}", column) == {}


def test_columns_to_drop(run, quick_recipe):
    x = RNG.normal(size=120).round(2)
    write_csv("t.csv", id=np.arange(120), x=x, copy=x, y=x + RNG.normal(size=120))
    found = issues_of(run, "train")
    assert found["id", "id"].endswith("Pass --drop id, unless it helps to predict new rows.")
    assert found["duplicate column", "copy"].endswith("one of them is enough. Pass --drop copy.")


def test_rows_of_other_groups_or_weights_are_no_copies(run, quick_recipe):
    write_csv("t.csv", x=[0, 1, 2] * 100, y=[0.5, 1.5, 2.5, 3.5] * 75, who=range(300))
    assert ("duplicate rows", None) in issues_of(run, "train", "--drop", "who")
    for option in ("--group", "--weight"):
        assert ("duplicate rows", None) not in issues_of(run, "train", option, "who")
    write_csv("t.csv", x=[0, 1, 2] * 100, y=[0.5, 1.5, 2.5, 3.5] * 75, who=[1, 2, 3] * 100)
    assert ("duplicate rows", None) in issues_of(run, "train", "--group", "who")


@pytest.mark.parametrize("package, error", [
    ("sklearn", CommandError), ("sklearn.base", CommandError), ("other", ModuleNotFoundError),
])  # fmt: skip
def test_only_a_missing_scikit_learn_needs_its_extra(monkeypatch, package, error):
    absent = ModuleNotFoundError(f"No module named {package!r}", name=package)
    monkeypatch.setattr(builtins, "__import__", Mock(side_effect=absent))
    with pytest.raises(error, match="scikit-learn" if error is CommandError else "other"):
        trained_models.import_estimators()

"""fastnn train: from a table to a model file."""

import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

from checks import assert_same_bits
from cli_cases import FAST, report_of, write_csv, write_people

import fastnn
from fastnn.cli import trained_models


@pytest.fixture(autouse=True)
def people(run):
    write_people()


def test_a_class_that_may_be_a_missing_value(run):
    """As in the time zones of airports.dat of OpenFlights."""
    write_csv("t.csv", x=range(40), zone=["E", "U", "A", r"\N"] * 10)
    note = (
        r"note: t.csv: the target 'zone': \N is a class, in 10 rows. If it stands for a missing "
        r"value, pass --na '\N' --skip-missing-target."
    )
    arguments = ("t.csv", "--target", "zone", "--out", "m", "--quiet", *FAST)
    assert note in run("train", *arguments)[2].splitlines()
    errors = run("train", *arguments, "--na", r"\N", "--skip-missing-target")[2]
    assert errors == "note: 10 rows without a target left out\n"
    write_csv("t.csv", x=range(40), banned=["boys", "none", "all", "Na"] * 10)
    errors = run("train", "t.csv", "--target", "banned", "--out", "m", "--quiet", *FAST)[2]
    assert (
        "the target 'banned': none, Na are classes, in 20 rows. If they stand for missing values, "
        "pass --na none --na Na --skip-missing-target.\n"
    ) in errors


def test_a_class_with_a_single_row(run):
    """As in steak-risk-survey.csv of FiveThirtyEight, if its second line is read as an answer."""
    write_csv("t.csv", x=range(41), steak=["Response", *["Yes", "No"] * 20])
    arguments = ("t.csv", "--target", "steak", "--out", "m", "--quiet", *FAST)
    assert run("train", *arguments)[2] == (
        "note: t.csv: the target 'steak': 'Response' has a single row, too few to learn and to score. "
        "If that is a mistake, correct it.\n"
    )


@pytest.mark.parametrize(
    ("target", "task"), [("buys", "binary"), ("group", "classes"), ("income", "number")]
)
def test_a_mixed_table_is_learned(run, target, task):
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
    for line in [
        "people.csv: 300 rows, 6 columns",
        "target      buys: two classes (no, yes)",
        "numbers     age",
        "categories  city",
        "left out    id: almost all texts are different",
        "left out    planet: all values are equal",
        "left out    group, income: --drop",
        "60 rows held out                 model    baseline",
        "class                         rows   precision    recall        F1",
        "true  predicted",
        "permutation importance                  share                fall of accuracy",
        "Saved m.safetensors (",
        "  fastnn predict m.safetensors people.csv",
    ]:
        assert f"\n{line}" in f"\n{out}", line
    pattern = r"^accuracy +[01]\.\d{3} +0\.\d{3}   \d+ of 60 wrong$"
    assert re.search(pattern, out, re.M)
    assert re.search(r"^1 fold, \d networks? with hidden layers 8; trained in \d+ s$", out, re.M)
    assert re.fullmatch(r"fold 1/1  held-out accuracy [01]\.\d{3}\n", errors)


@pytest.mark.parametrize(
    ("alias", "target", "task"),
    [
        ("classification", "buys", "binary"),
        ("classification", "group", "classes"),
        ("regression", "group", "number"),
    ],
)
def test_names_of_scikit_learn_for_tasks(run, alias, target, task):
    options = ["--target", target, "--out", "m", "--task", alias, "--json", *FAST]
    code, out, _ = run("train", "people.csv", *options)
    assert code == 0 and json.loads(out)["task"] == task


def test_json_is_all_that_is_on_standard_output(run):
    code, out, _ = run("train", "people.csv", "--target", "group", "--out", "m", "--json", *FAST)
    report = json.loads(out)
    assert code == 0 and report["model"] == "m" and report["classes"] == ["0", "1", "2"]
    assert len(report["scores"]["confusion"]) == 3 and report["seconds"] > 0
    assert report["command"].startswith("fastnn train people.csv --target group --out m")


def test_quiet_prints_nothing(run):
    assert run("train", "people.csv", "--target", "buys", "--out", "m", "--quiet", *FAST) == (
        0,
        "",
        "",
    )


def test_options_reach_the_estimator(run, monkeypatch):
    seen = []

    def fit(model, rows, file, arguments):
        seen.append((model.get_params(), rows.sample.column_names))
        raise KeyboardInterrupt

    monkeypatch.setattr(trained_models, "fit_estimator", fit)
    assert run(
        *["train", "people.csv", "--target", "buys", "--out", "m", "--folds", "3"],
        *["--hidden", "8, 4", "--metric", "log_loss", "--class-weight", "balanced"],
        *["--threshold", "0.2", "--time-limit", "9", "--seed", "4", "--threads", "2"],
        *["--drop", "id", "--drop", "income,planet", "--category", "group", "--number", "age"],
    )[0] == 130  # fmt: skip
    parameters, names = seen[0]
    expected = dict(
        n_estimators=3, hidden_layer_sizes=(8, 4), metric="log_loss", class_weight="balanced",
        threshold=0.2, time_limit=9.0, random_state=4, drop=["id", "income", "planet"],
        categories=["group"], numbers=["age"], dates=None,
    )  # fmt: skip
    assert {name: parameters[name] for name in expected} == expected
    assert parameters["n_threads"] in (1, 2) and "buys" in names
    number = ["train", "people.csv", "--target", "income", "--out", "m"]
    run(*number, "--loss", "huber", "--log-target")
    parameters = seen[1][0]
    assert (parameters["loss"], parameters["log_target"]) == ("huber", True)
    assert parameters["n_threads"] == -1 and parameters["n_estimators"] == 5


def test_a_config_file_sets_options_and_the_command_line_wins(run, monkeypatch):
    seen = []

    def fit(model, rows, file, arguments):
        seen.append((model, arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr(trained_models, "fit_estimator", fit)
    Path("c.toml").write_text(
        'data = "people.csv"\ntarget = "buys"\nout = "m"\nhidden = [8, 4]\ndrop = ["id", "group"]\n'
        "skip_missing_target = true\nseed = 3\nquiet = false\nna = [-1]\n"
    )
    run("train", "--config", "c.toml", "--seed", "5", "--drop", "income")
    model, arguments = seen[0]
    assert model.hidden_layer_sizes == (8, 4) and model.random_state == 5
    assert (
        model.drop == ["income"] and arguments.skip_missing_target and arguments.table.na == ["-1"]
    )
    assert not arguments.quiet and arguments.data == "people.csv"


def test_rows_of_the_test_are_not_trained_on(run):
    options = ["people.csv", "--target", "income", "--out", "m", *FAST]
    report = report_of(run, *options, "--test-size", "0.25")
    assert report["test_rows"] == 75 and report["scores"]["rows"] == 45
    assert report["test_scores"]["rows"] == 75 and np.isfinite(report["test_scores"]["r2"])
    code, out, _ = run("train", *options, "--test-size", "0.25")
    assert code == 0 and "people.csv: 300 rows, 75 for the test, 6 columns" in out
    assert "\non 75 rows of the test " in out


def test_each_class_is_trained_on(run):
    y = ["a"] * 30 + ["b"] * 30 + ["c"]
    write_csv("t.csv", x=range(61), y=y)
    for seed in range(4):  # in some of them the row of c is drawn for the test
        report = report_of(
            run, "t.csv", "--target", "y", "--out", "m", "--test-size", "0.5", "--seed", str(seed),
            *FAST,
        )  # fmt: skip
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
    code, _, errors = run("train", "t.csv", "--target", "y", "--out", "m", *FAST)
    assert code == 2 and "t.csv, line 2: the target 'y' is missing (in 1 row)." in errors
    options = ["--skip-missing-target", "--json", *FAST]
    code, out, errors = run("train", "t.csv", "--target", "y", "--out", "m", *options)
    assert code == 0 and json.loads(out)["rows"] == 59
    assert "note: 1 row without a target left out\n" in errors


def test_standard_input(run, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(Path("people.csv").read_bytes()))
    monkeypatch.setattr("sys.stdin", stdin)
    code, out, _ = run("train", "-", "--target", "income", "--out", "m", *FAST)
    assert code == 0 and out.startswith("standard input: 300 rows")
    assert "  fastnn predict m NEW.csv\n" in out


def test_a_table_file_is_read_as_its_options_say(run):
    lines = "\n".join(f"{i};{i % 7},5;{i % 2}" for i in range(60))
    Path("t.txt").write_text("#comment\n" + lines, encoding="utf-16")
    report = report_of(
        run, "t.txt", "--target", "column_3", "--out", "m", "--no-header", "--sep", ";",
        "--comment", "#", "--na", "3", "--decimal", ",", *FAST,
    )  # fmt: skip
    assert report["kinds"] == {"column_1": "number", "column_2": "number"}
    assert report["reading"] == {
        "sep": ";", "na": ["3"], "decimal": ",", "comment": "#", "header": False,
    }  # fmt: skip


@pytest.mark.parametrize("values", [["no", "yes"], [0, 1], [1.0, 2.0], ["False", "True"]])
def test_classes_are_what_the_file_holds(run, values):
    write_csv("t.csv", a=range(60), y=values * 30)
    report = report_of(run, "t.csv", "--target", "y", "--out", "m", *FAST)
    expected = {1.0: "1", 2.0: "2", "False": "false", "True": "true"}
    assert report["task"] == "binary"
    assert report["classes"] == [expected.get(value, str(value)) for value in values]


def test_few_rows_with_different_whole_numbers_have_no_classes(run):
    write_csv("t.csv", a=range(10), y=[21, 23, 25, 32, 39, 42, 51, 54, 63, 63])
    assert report_of(run, "t.csv", "--target", "y", "--out", "m", *FAST)["task"] == "number"


LONG = [123456789012345678901 + i for i in range(3)]


@pytest.mark.parametrize("ids", [[10**18 + i for i in range(3)], LONG], ids=["int64", "longer"])
def test_long_ids_are_classes(run, ids):
    write_csv("t.csv", x=np.arange(60) % 3, y=ids * 20)
    report = report_of(run, "t.csv", "--target", "y", "--out", "m", *FAST)
    assert list(map(str, report["classes"])) == list(map(str, ids))
    write_csv("new.csv", x=[0, 1, 2] * 10 + [0], y=[*ids * 10, ids[2] + 1])
    code, _, errors = run("predict", "m", "new.csv", "--out", "p.csv")
    assert code == 0 and "1 row not scored: the target 'y' is missing or not one of" in errors
    assert set(Path("p.csv").read_text().replace('"', "").split()[1:]) <= set(map(str, ids))


def test_long_whole_numbers_as_target_are_rounded_with_a_note(run):
    for start in (10**18, 10**20):
        write_csv("t.csv", x=np.arange(60), y=[start + 1 + i * 10**17 for i in range(60)])
        code, _, errors = run(
            "train", "t.csv", "--target", "y", "--task", "number", "--out", "m", *FAST
        )
        assert code == 0, errors
        assert "are rounded to 16 digits (--task classes takes them for classes)" in errors


def test_a_target_in_a_currency_is_a_number(run):
    write_csv("t.csv", a=range(60), y=[f"${i + 1},500.00" for i in range(60)])
    code, out, errors = run("train", "t.csv", "--target", "y", "--out", "m", "--json", *FAST)
    assert code == 0 and json.loads(out)["task"] == "number"
    assert "the target 'y': numbers" in errors
    assert fastnn.load("m").predict(fastnn.tables.read("t.csv")).max() > 1500


def test_all_gaps_of_a_target_are_said_at_once(run):
    write_csv("t.csv", a=range(60), y=["", "-", "NA", "Indef.", *map(str, range(56))])
    code, _, errors = run("train", "t.csv", "--target", "y", "--out", "m", *FAST)
    found = "in 56 rows, but not in 1 row ('Indef.'), and missing in 3 rows. Correct"
    assert code == 2 and found in errors
    write_csv("t.csv", a=range(60), y=["", "-", *("a", "b") * 29])
    code, _, errors = run("train", "t.csv", "--target", "y", "--out", "m", *FAST)
    assert code == 2 and "is missing (in 1 row)" in errors
    assert "- is a class, in 1 row. If it stands for a missing value, pass --na - " in errors


def test_a_target_of_nearly_all_numbers_is_a_number(run):
    write_csv("t.csv", a=range(60), y=[f"{i},49,999" if i % 9 else "ask" for i in range(1, 61)])
    arguments = ("train", "t.csv", "--target", "y", "--out", "m", "--json", *FAST)
    code, _, errors = run(*arguments)
    assert (code, errors) == (
        2,
        "fastnn train: t.csv, line 10: the target 'y' is a number in 54 rows, but not in 6 rows "
        "('ask'). Correct the values, pass --skip-missing-target to leave such rows out, or --task "
        "classes.\n",
    )
    code, out, errors = run(*arguments, "--skip-missing-target")
    report = json.loads(out)
    assert (code, report["task"], report["rows"], report["target_style"]) == (
        0,
        "number",
        54,
        ".|,|",
    )


def test_a_target_is_read_in_the_style_of_the_training(run):
    write_csv("t.csv", a=range(60), y=[f"{i}.{i:03}.000" for i in range(1, 61)])
    assert report_of(run, "t.csv", "--target", "y", "--out", "m", *FAST)["target_style"] == ",|.|"
    write_csv("new.csv", a=range(30), y=[*(f"{i}.000" for i in range(1, 30)), "unknown"])
    code, out, errors = run("predict", "m", "new.csv", "--json")
    scores = json.loads(out)["scores"]
    assert code == 0 and scores["rows"] == 29 and scores["baseline"]["rmse"] > 1000
    assert "1 row not scored: the target 'y' is missing or not a number" in errors
    write_csv("new.csv", a=range(29), y=[f"{i}.000" for i in range(1, 30)])
    assert json.loads(run("predict", "m", "new.csv", "--json")[1])["scores"] == scores


@pytest.mark.parametrize(
    "values", [["10+", "5+", "1+"], ["8:00", "9:30", "10:00"], ["5", "x", "7"]]
)
def test_few_texts_are_classes(run, values):
    write_csv("t.csv", a=range(60), y=values * 20)
    report = report_of(run, "t.csv", "--target", "y", "--out", "m", *FAST)
    assert report["task"] == "classes" and set(report["classes"]) == set(values)


def test_texts_among_numbers_are_noted(run):
    write_csv("t.csv", a=[*range(59), "soon"], b=[f"{i} km" for i in range(60)], y=range(60))
    code, _, errors = run("train", "t.csv", "--target", "y", "--out", "m", "--quiet", *FAST)
    assert (code, errors) == (
        0,
        "note: column 'a': 1 of 60 values are not numbers ('soon') and count as missing. Pass "
        "--category a to keep them as texts.\n",
    )
    write_csv("t.csv", a=["never", *range(59)], b=[f"{i} kg" for i in range(60)])
    code, out, errors = run("predict", "m", "t.csv")
    assert (code, out) == (2, "") and "column 'b' holds '0 kg' in line 2, which is not a" in errors
    write_csv("t.csv", a=["never", *range(59)], b=[f"{i / 1.609344:.6f} mi" for i in range(60)])
    code, out, errors = run("predict", "m", "t.csv")
    assert (code, out.count("\n"), errors) == (
        0,
        61,
        "note: column 'a': 1 of 60 values are not numbers ('never') and count as missing.\n",
    )


def test_data_checks_are_shown_before_training(run):
    write_csv("t.csv", id=range(60), copy=["n", "y"] * 30, a=[1, 2, 4] * 20, y=[0, 1] * 30)
    code, out, _ = run("train", "t.csv", "--target", "y", "--out", "m", *FAST)
    assert code == 0 and out.index("warning ") < out.index("numbers ")
    assert "warning     column 'id' numbers the rows (0 to 59)." in out
    assert "warning     column 'copy' has one value for each value of the target 'y'." in out
    code, out, _ = run("train", "t.csv", "--target", "y", "--out", "m", "--drop", "id,copy", *FAST)
    assert code == 0 and "column 'id'" not in out and "column 'copy'" not in out


def test_the_model_file_is_replaced_at_the_end(run, monkeypatch):
    fastnn.MLP([1, 1]).save("m")
    old = Path("m").read_bytes()
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, os.strerror(28)))
    )
    code, out, errors = run("train", "people.csv", "--target", "buys", "--out", "m", *FAST)
    assert code == 2 and "Saved" not in out
    assert errors.splitlines()[-1] == f"fastnn train: m: cannot be written: {os.strerror(28)}"
    assert Path("m").read_bytes() == old and sorted(os.listdir()) == ["m", "people.csv"]

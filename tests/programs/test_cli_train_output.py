"""What fastnn train says: scores by --metric and --threshold, importances, summary, rows to check, progress
and the picture."""

import datetime
import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cli_cases import FAST, Closed, Terminal, write_csv
from cli_models import pa, report_of, write_targets
from picture_layout import checked_pictures
from sklearn.metrics import f1_score, mean_absolute_error
from training_records import class_record, model_description, number_record, training_setup

import fastnn
from fastnn import plotting
from fastnn.cli import progress, scores, text_report, train, trained_models
from fastnn.cli.console import print_note
from fastnn.cli.html_report import model_sections, score_sections
from fastnn.cli.record import Decision, TrainingRecord, Tuning
from fastnn.cli.scores import Evaluation, score_classes, score_numbers
from fastnn.tables.checks import DataIssue
from fastnn.tabular import baselines, targets
from fastnn.tabular.metrics import NUMBER_METRICS
from fastnn.tabular.progress import FitProgress
from fastnn.training import progress as clocked

rng = np.random.default_rng(0)
N = 120
x = rng.normal(size=N)
COLUMNS = dict(x=x, z=rng.normal(size=N), w=rng.integers(0, 3, N))
COLUMNS["risk"] = np.where(x + 0.7 * rng.normal(size=N) > 0.9, "yes", "no")
COLUMNS["price"] = np.exp(x + 0.1 * rng.normal(size=N))
Y_TO_M = ["t.csv", "--target", "y", "--out", "m"]
OUT = ["t.csv", "--out", "m.safetensors"]
TABLE = [*OUT, "--folds", "2", "--hidden", "4"]
RISK = [*TABLE, "--target", "risk", "--drop", "price"]
PRICE = [*TABLE, "--target", "price", "--drop", "risk"]


@pytest.fixture
def table(run, quick_recipe):
    write_csv("t.csv", **COLUMNS)


# ---- metrics and thresholds ----


class MadeUp(fastnn.losses.MAE):
    name = "made_up"


def test_a_loss_says_which_metric_and_baseline_go_with_it(monkeypatch):
    assert targets.LOSS_METRICS.keys() == targets.BASELINE_LOSSES.keys()
    assert targets.LOSS_METRICS.keys() == {*targets.VALUES, "poisson"}
    assert set(targets.LOSS_METRICS.values()) <= NUMBER_METRICS.keys()
    known = set(targets.BASELINE_LOSSES.values())
    assert known == baselines.LIGHTGBM_LOSSES.keys() == baselines.CATBOOST_LOSSES.keys()

    model = SimpleNamespace(loss=MadeUp(), metric="auto", n_estimators=1, seconds_before=0)
    model.is_classifier, model.targets_ = False, SimpleNamespace(loss=model.loss)
    rows = SimpleNamespace(target=SimpleNamespace(is_number=False))
    asked = [scores.default_metric, lambda m: baselines.loss_name(m.loss)]
    asked.append(lambda m: trained_models.Search(m, rows, None, None).metric.name)
    for ask in asked:
        with pytest.raises((KeyError, ValueError), match=r"made_up|MadeUp"):
            ask(model)
    monkeypatch.setitem(targets.LOSS_METRICS, "made_up", "mape")
    monkeypatch.setitem(targets.BASELINE_LOSSES, "made_up", "poisson")
    assert [ask(model) for ask in asked] == ["mape", "poisson", "mape"]


def first_score(text):
    """The name of the first score on the screen, and its two values."""
    (line,) = re.findall(r"model    baseline\n(.*)\n", text)
    return re.fullmatch(r"(\S.*?) {2,}(\S+(?: %)?) +(\S+(?: %)?)(?:   .* wrong)?", line).groups()


METRICS = [(RISK, "f1", "F1"), (RISK, "log-loss", "log-loss"), (RISK, "roc_auc", "AUC")]
METRICS += [(PRICE, "mae", "mean absolute error"), (PRICE, "mape", "MAPE")]
METRICS += [(PRICE, "pinball", "pinball loss"), (PRICE, "R2", "R2")]


@pytest.mark.parametrize(("arguments", "metric", "label"), METRICS)
def test_the_metric_is_first(run, table, arguments, metric, label):
    name, value, _ = first_score(run.output("train", *arguments, "--metric", metric))
    model = fastnn.load("m.safetensors")
    assert name == label and model.oof_score_name_ == label
    assert value == text_report.format_score(model.metric, model.oof_score_)
    for command in (["info", "m.safetensors"], ["predict", "m.safetensors", "t.csv"]):
        assert first_score("".join(run(*command)[1:]))[0] == label


def test_tune_chooses_by_the_metric(run, table):
    options = "--folds 1 --target price --drop risk --tune --metric mape"
    report = report_of(run, *OUT, *options.split())
    assert report["tuning"]["metric"] == "mape"
    assert report["oof_score"] in [t["score"] for t in report["tuning"]["tried"]]
    assert report["oof_score"] == report["scores"]["mape"]
    text = "\n".join(text_report.format_tuning(TrainingRecord.from_json(report).tuning))
    assert f"{100 * report['oof_score']:.1f} %" in text


def test_a_chosen_threshold(run, table):
    arguments = [*RISK, "--threshold", "COST: 5, 1", "--test-size", "0.2"]
    report = report_of(run, *arguments)
    assert (report["threshold_rule"], report["metric"]) == ("cost:5,1", None)
    (tn, fp), (fn, tp) = report["scores"]["confusion"]
    assert report["scores"]["cost"] == pytest.approx((5 * fn + fp) / (tn + fp + fn + tp))
    baseline = min(5 * (fn + tp), tn + fp) / (tn + fp + fn + tp)
    assert report["scores"]["baseline"]["cost"] == pytest.approx(baseline)
    code, out, _ = run("train", *arguments)
    assert code == 0 and first_score(out.split("\n\non 24 rows")[0])[0] == "mean cost"
    model = fastnn.load("m.safetensors")
    assert model.threshold_ == report["threshold"]
    chosen = f"threshold predicts yes if its probability is at least {model.threshold_:.4g}"
    costs = "(a missed yes costs 5, a false alarm 1)."
    others = "The scores of a held-out row use a threshold that the other folds chose."
    assert f"{chosen} {costs} {others}" in " ".join(out.split())
    report = json.loads(run("predict", "m.safetensors", "t.csv", "--proba", "--json")[1])
    prediction, p = (report["predictions"][name] for name in ("prediction", "probability_yes"))
    assert [each == "yes" for each in prediction] == [each >= model.threshold_ for each in p]
    assert " ".join(run("info", "m.safetensors")[1].split()).count("a missed yes costs 5") == 1


def test_scores_count_the_weights_of_rows(run, table):
    code, out, _ = run("train", *RISK, "--weight", "w", "--metric", "f1", "--threshold", "f1")
    assert code == 0 and "\nout of fold, weighted " in out
    report = json.loads(run("info", "m.safetensors", "--json")[1])
    found = report["training"]["scores"]
    assert found["f1"] == pytest.approx(report["oof_score"])
    n_rows = [(COLUMNS["risk"] == label).sum() for label in ("no", "yes")]
    assert [each["rows"] for each in found["classes"]] == n_rows
    report = report_of(run, *PRICE, "--weight", "w", "--metric", "mae")
    assert report["scores"]["mae"] == pytest.approx(report["oof_score"])
    assert report["drop_name"] == "rise of weighted MAE"


def test_class_weights_count_in_the_metric_and_are_shown(run, table):
    out = run.output("train", *RISK, "--class-weight", "balanced", "--metric", "f1")
    assert f"\nweighted F1 {fastnn.load('m.safetensors').oof_score_:>26.3f}\n" in out


def test_a_metric_that_is_undefined(run, table):
    write_csv("t.csv", x=x, y=["no"] * (N - 1) + ["yes"])
    arguments = [*OUT, "--folds", "1", "--hidden", "4", "--seed", "1", "--target", "y"]
    code, out, errors = run("train", *arguments, "--metric", "auc")
    assert code == 0 and "note: --metric auc is undefined for the held-out rows; the loss" in errors
    assert first_score(out)[:2] == ("AUC", "-")
    write_csv("t.csv", x=x, y=[0, *range(1, N)])
    errors = run.error("train", *arguments, "--metric", "mape")
    assert "--metric mape divides errors by the targets, but the target is 0" in errors
    assert "line 2" in errors and "Choose another --metric, such as --metric mae." in errors


# ---- scores ----


def test_scores_of_two_classes():
    codes, p = np.array([0, 0, 1, 1, 1]), np.array([0.1, 0.6, 0.4, 0.7, 0.9])
    P = np.column_stack([1 - p, p])
    scores = score_classes(codes, P, P.argmax(axis=1), ["no", "yes"])
    assert (scores.rows, scores.values["accuracy"], scores.wrong) == (5, 0.6, 2)
    assert scores.values["balanced_accuracy"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert scores.values["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.4, 0.7, 0.9]).mean())
    assert scores.values["auc"] == pytest.approx(5 / 6) and scores.confusion == [[1, 1], [1, 2]]
    yes = scores.classes[1]
    assert (yes["class"], yes["rows"]) == ("yes", 3)
    assert (yes["precision"], yes["recall"]) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    entropy = -(0.4 * np.log(0.4) + 0.6 * np.log(0.6))
    assert scores.baseline == {
        "accuracy": 0.6, "balanced_accuracy": 0.5, "log_loss": pytest.approx(entropy), "auc": 0.5,
        "f1": pytest.approx(0.75),
    }  # fmt: skip


def test_the_auc_of_classes_is_the_mean_of_each_against_the_rest(rng):
    codes, P = rng.integers(0, 3, 50), rng.dirichlet([1, 1, 1], 50)
    scores = score_classes(codes, P, P.argmax(axis=1), ["a", "b", "c"])
    aucs = [np.mean(P[codes == j, j][:, None] > P[codes != j, j]) for j in range(3)]
    assert scores.values["auc"] == pytest.approx(np.mean(aucs))
    # a class without rows has none
    codes = np.minimum(codes, 1)
    scores = score_classes(codes, P, P.argmax(axis=1), ["a", "b", "c"])
    assert scores.classes[2]["auc"] is None and scores.classes[2]["rows"] == 0
    recalls = [scores.classes[j]["recall"] for j in range(2)]
    assert scores.values["balanced_accuracy"] == pytest.approx(np.mean(recalls))


def test_no_score_is_minus_zero():
    scores = score_classes(np.array([0]), np.array([[1.0, 0.0]]), np.array([0]), ["no", "yes"])
    assert scores.values["log_loss"] == scores.baseline["log_loss"] == 0
    assert not any("-0.0" in line for line in text_report.format_scores(scores, "1 row held out"))


def test_scores_of_numbers():
    scores = score_numbers(np.array([1.0, 2.0, 6.0]), np.array([1.0, 3.0, 4.0]))
    assert scores.values["r2"] == pytest.approx(1 - 5 / 14)
    assert scores.values["rmse"] == pytest.approx((5 / 3) ** 0.5) and scores.values["mae"] == 1.0
    assert scores.baseline["rmse"] == pytest.approx((14 / 3) ** 0.5)
    assert scores.baseline["mae"] == pytest.approx(5 / 3)
    assert score_numbers(np.ones(2), np.ones(2)).values["r2"] is None


def test_the_threshold_decides_what_is_scored(run, rng):
    x = rng.normal(size=200)
    write_csv("t.csv", x=x, y=np.where(x + rng.normal(size=200) > 1, "yes", "no"))
    usual, low = (report_of(run, *Y_TO_M, *FAST, *more) for more in ([], ["--threshold", "0.1"]))
    recall, other = (r["scores"]["classes"][1]["recall"] for r in (usual, low))
    assert other > recall and low["threshold"] == 0.1


def test_a_class_without_rows_has_no_scores():
    codes, P = np.array([0, 1, 1, 0]), np.eye(3)[[0, 1, 0, 2]] * 0.8 + 0.2 / 3
    scores = score_classes(codes, P, P.argmax(axis=1), ["a", "b", "c"])
    assert scores.classes is not None
    empty = scores.classes[2]
    assert [empty[key] for key in ("rows", "precision", "recall", "f1", "auc")] == [0] + 4 * [None]
    assert scores.values["balanced_accuracy"] == scores.values["accuracy"] == 0.5
    expected = f1_score(codes, P.argmax(axis=1), average="macro", labels=[0, 1])
    assert scores.values["f1"] == pytest.approx(expected)
    lines = list(text_report.format_scores(scores, "out of fold"))
    assert next(line for line in lines if line.startswith("c  ")).split() == "c 0 - - -".split()
    classes = [{"f1": f1, "rows": n} for f1, n in ((0.5, 9), (None, 0), (0.1, 9), (0.1, 10))]
    assert sorted(classes, key=text_report.worst_first) == [classes[i] for i in (3, 2, 0, 1)]


def test_weighted_scores_of_numbers():
    y, predicted, weight = np.array([1.0, 2, 6]), np.array([1.0, 3, 4]), np.array([1.0, 1, 4])
    scores = score_numbers(y, predicted, weight=weight)
    repeated = score_numbers(np.repeat(y, [1, 1, 4]), np.repeat(predicted, [1, 1, 4]))
    for name in ("r2", "rmse", "mae", "mape", "pinball"):
        assert scores.values[name] == pytest.approx(repeated.values[name])
        assert scores.baseline[name] == pytest.approx(repeated.baseline[name])
    assert scores.values["mae"] == mean_absolute_error(y, predicted, sample_weight=weight)
    assert scores.values["pinball"] == scores.values["mae"] / 2
    assert score_numbers(np.arange(3.0), np.arange(3.0)).values["mape"] is None


MEANS = [([0, 1, 3, 5], 17 / 4), ([5, 0, 0, 5], 3.5), (None, 3.5)]


@pytest.mark.parametrize(("weight", "mean"), MEANS)
def test_scores_of_rows_of_the_test(weight, mean):
    """Their errors are 2 and 5. Rows that have no weight at all count alike."""
    y, p, rows = np.array([1.0, 2, 3, 4]), np.array([1.0, 4, 8, 5]), np.array([1, 2])
    model = SimpleNamespace(metric="mae", is_classifier=False, targets_=None)
    model.predict = lambda table: table["p"].to_numpy()
    target = SimpleNamespace(is_number=True, take=lambda rows: y[rows])
    table = SimpleNamespace(take=lambda rows: [pa.table({"p": p[i : i + 1]}) for i in rows])
    found = Evaluation.from_rows(model, table, target, rows, weight and np.array(weight, float))
    assert found.scores().values["mae"] == mean and found.rows is rows


def test_the_standard_error_of_r2_with_blocks_of_time_is_that_of_the_score(rng):
    """The differences between the blocks count in neither."""
    block = np.repeat([0, 1], 200)
    y = rng.normal(size=400) + 100 * block
    P = y + rng.normal(size=400)
    model = SimpleNamespace(metric="r2", is_classifier=False, targets_=None)
    held_out = Evaluation(model, np.arange(400), y, P, block=block)
    flat = Evaluation(model, np.arange(400), y - 100 * block, P - 100 * block, block=block)
    assert -0.5 < held_out.scores().values["r2"] < 0.5
    assert held_out.scores().values["r2"] == pytest.approx(flat.scores().values["r2"])
    assert held_out.errors()["r2"] == pytest.approx(flat.errors()["r2"])


@pytest.mark.parametrize("name", ["mae", "r2"])
def test_a_model_with_a_better_metric_is_better_than_the_baseline(name):
    y = np.array([1.0, 1.2, 1.4, 1.6, 900])  # its mean is no good prediction
    scores = score_numbers(y, np.array([1.0, 1.2, 1.4, 1.6, -2]))
    assert scores.values["r2"] < 0 and scores.values["mae"] > scores.baseline["mae"]
    assert not text_report.is_better_than_baseline(replace(scores, metric=name))
    scores = score_numbers(y, np.array([1.0, 1.2, 1.4, 1.6, 1.45]))
    assert scores.values["r2"] < 0 and scores.values["mae"] < scores.baseline["mae"]
    assert text_report.is_better_than_baseline(replace(scores, metric=name)) == (name == "mae")


# ---- importances ----


IMPORTANCES = [
    ({"a": 0.4821, "b": 0.012}, "fall of R2", ["0.482", "0.012"]),
    ({"a": 0.00213, "b": -0.0001}, "fall of R2", ["0.0021", "-0.0001"]),
    ({"a": 5321.7, "b": 12.0}, "rise of RMSE", ["5,322", "12"]),
    ({"a": 0.1234, "b": 0.0}, "rise of MAPE", ["12.3 %", "0.0 %"]),
    ({"a": 0.0, "b": 0.0}, "fall of accuracy", ["0.000", "0.000"]),
    ({"a": 1.7e-8, "b": 0.0}, "fall of accuracy", ["0.00000002", "0.00000000"]),
]


@pytest.mark.parametrize(("drops", "name", "texts"), IMPORTANCES)
def test_importances_are_shares_and_drops(drops, name, texts):
    importances = {"a": 0.00491, "b": 0.000004, "c": -1.0}
    drops = drops | {"c": 0.0}
    model = model_description(importances=importances, score_drops=drops, drop_name=name)
    head, *lines = list(text_report.format_importances(model))[1:]
    assert head == f"{'permutation importance':<36}{'share':>9}{name:>32}"
    for line, column, share, text in zip(lines, "ab", ["> 99.9 %", "< 0.1 %"], texts, strict=True):
        assert line == f"  {column:<34}{share:>9}{text:>32}"
    model = replace(model, score_drops=None)  # of an older file
    assert list(text_report.format_importances(model))[2] == f"  {'a':<34}{'> 99.9 %':>9}"


def test_one_huge_target_does_not_hide_the_columns(run, quick_recipe):
    quick_recipe(20)
    price = np.exp(x)
    price[7] = 26e6
    write_csv("t.csv", x=x, z=COLUMNS["z"], price=price)
    report = report_of(run, *TABLE, "--target", "price")
    lines = list(text_report.format_importances(TrainingRecord.from_json(report).model))
    assert sum(float(re.search(r"([\d.]+) %", line)[1]) for line in lines[2:]) > 95


# ---- the summary ----


DECIDED = "the gain of --log-target is 0.5 +/- 0.2 on 7 rows that did not choose"
KEPT, GAIN = "The default settings are kept:", ("--log-target", 7, 0.5, 0.2)
DECISIONS = [
    (None, f"{KEPT} no other ones are better where they were tried."),
    (Decision("", 7, None, 0.1, False), f"{KEPT} the score is undefined for 7 rows."),
    (Decision("", 1, 0.5, None, False), f"{KEPT} the score is undefined for 1 row."),
    (Decision(*GAIN, True), f"Other settings are chosen: {DECIDED}."),
    (Decision(*GAIN, False), f"{KEPT} {DECIDED}, not above two standard errors."),
]


@pytest.mark.parametrize(("decision", "text"), DECISIONS)
def test_what_tune_decided(decision, text):
    assert text_report.describe_decision(Tuning("rmse", [], decision)) == text


@pytest.mark.parametrize(
    ("folds", "time", "whose"),
    [(2, None, "the other folds"), (1, None, "other held-out rows"), (2, "day", "earlier rows")],
)
def test_whose_threshold_scores_a_row(folds, time, whose):
    model = model_description(folds=folds, threshold=0.25, threshold_rule="f1")
    record = class_record(time=time, model=model)
    text = f"The scores of a held-out row use a threshold that {whose} chose."
    assert text_report.explain_thresholds(record) == text
    text = f"Predicts yes if its probability is at least 0.25 (for the highest F1). {text}"
    assert score_sections._threshold(record) == text
    model = replace(model, threshold_rule=None)
    text = "Predicts yes if its probability is at least 0.25."
    assert score_sections._threshold(replace(record, model=model)) == text
    assert score_sections._threshold(replace(record, model=replace(model, threshold=None))) is None


@pytest.mark.parametrize("n", [0, 1, 10, 11, 12, 50, 51, 52])
def test_the_first_warnings_are_shown(n):
    record = number_record(data_checks=[DataIssue("id", "a", f"text {i}") for i in range(n)])
    lines = [f"warning     text {i}" for i in range(min(n, 10))]
    more = f"... and {n - 10} warning{'s' * (n > 11)} more (--json lists all)"
    lines += [f"            {more}"] * (n > 10)
    assert [*text_report.format_data_checks(record)] == lines
    found = model_sections.warnings_section(SimpleNamespace(record=record))
    texts = [f"text {i}" for i in range(min(n, 50))]
    texts += [f"... and {n - 50} warning{'s' * (n > 51)} more (--json lists all)"] * (n > 50)
    assert texts == found["texts"] if n else found is None


def test_how_a_model_can_be_trained_again():
    report = SimpleNamespace(created=datetime.datetime(2026, 1, 2, 3, 4))
    same = "The same command, table and versions give the same model on the same kind of processor."
    limited = "With --time-limit, the model depends on the speed of the machine."
    for limit, data, text in (
        (None, "t.csv", same),
        (9.0, "t.csv", limited),
        (9.0, "-", f"{limited} The table was read from standard input."),
    ):
        report.record = number_record(time_limit=limit, data=data)
        found = model_sections.reproduce_section(report)
        facts = dict(found["facts"])
        assert found["text"] == text and facts["seed"] == "0"
        assert facts["created"] == "2026-01-02 03:04 UTC"


def test_many_classes_without_confusions():
    codes = np.arange(13)
    scores = score_classes(codes, np.eye(13), codes, [f"c{i}" for i in codes])
    assert "most frequent confusions" not in text_report.format_scores(scores, "")


def test_a_model_without_use_is_called_so(run):
    write_csv("t.csv", x=np.random.default_rng(3).normal(size=40), y=list(range(40)))
    out = run.output("train", *Y_TO_M, *FAST)
    r2 = float(re.search(r"^R2 +(\S+)", out, re.M)[1])
    sentence = "\nThe model is no better than the baseline: the columns may not contain enough\n"
    assert (sentence in out) == (r2 <= 0)
    explained = text_report.explain_no_better(training_setup(time_limit=5.0))
    assert "baseline: --time-limit may be too short, or the columns may not" in explained
    good, bad = class_record().scores, class_record().scores
    bad.values.update(accuracy=0.1, balanced_accuracy=0.1, log_loss=9.0)
    good.values.update(log_loss=0.1)
    numbers = [score_numbers(np.arange(3.0), np.array(P)) for P in ([0.1, 1, 2], [2.0, 1, 0])]
    for first, second in ((good, bad), numbers):
        assert text_report.is_better_than_baseline(first)
        assert not text_report.is_better_than_baseline(second)


def test_a_wrong_label_is_a_row_to_check(run):
    x = np.linspace(-1, 1, 200)
    y = np.where(x > 0, "plus", "minus")
    y[150] = "minus"
    write_csv("t.csv", x=x, noise=np.tile([1, 2, 3, 4], 50), y=y)
    (first,) = report_of(run, *Y_TO_M, "--folds", "2", "--hidden", "8")["label_issues"]
    assert first["place"] == "line 152" and first["row"] == 150  # the first line has the names
    assert (first["given"], first["predicted"]) == ("minus", "plus") and first["probability"] < 0.1


def test_rows_to_check_are_improbable(monkeypatch):
    """By more than three times the RMSE, which is 2 here; or of a probability below 0.1."""
    numbers = [SimpleNamespace(row=i, given=x, predicted=1) for i, x in enumerate([7.0, 7.1, -5.1])]
    classes = [SimpleNamespace(row=0, given=0, predicted=1, probability=p) for p in (0.1, 0.09)]
    model, train = SimpleNamespace(oof_prediction_=np.array([2.0, np.nan, -2, 2])), np.arange(4) + 3
    target = SimpleNamespace(take=lambda rows: np.zeros(len(rows)), rows=np.arange(10) + 10)
    file = SimpleNamespace(name="t", locate=lambda row: ("t", f"line {row}"))
    find = "fastnn.tabular.find_label_issues"
    for target.is_number, issues in (True, numbers), (False, classes):
        monkeypatch.setattr(find, lambda *a, i=issues: i * (a[2] == 5))
        found = scores.list_label_issues(model, target, train, file)
        rows = [13 + each.row for each in issues[1:]]
        assert [(each["row"], each["place"]) for each in found] == [(i, f"line {i}") for i in rows]


def test_a_wrong_number_is_a_row_to_check(run):
    x = np.linspace(-1, 1, 200)
    y = 10 * x
    y[40] = 30
    # a blank line counts, and a row without a target
    lines = ["x,y", "", "0.5,", *(f"{a:.4f},{b:.4f}" for a, b in zip(x[1:], y[1:]))]
    Path("t.csv").write_text("\n".join(lines) + "\n")
    report = report_of(run, *Y_TO_M, "--folds", "2", "--hidden", "8", "--skip-missing-target")
    assert [row["place"] for row in report["label_issues"]] == ["line 43"]
    assert report["label_issues"][0]["given"] == 30


# ---- progress ----


def fit_progress(folds, networks, score=0.9, left=7.0):
    return FitProgress(20, 5, networks, folds, score, "accuracy", left)


def shown(monkeypatch, errors, steps, label="", quiet=False):
    monkeypatch.setattr(sys, "stderr", errors)
    with progress.show_progress(label, quiet) as show:
        for step in steps:
            if show is not None:
                show(step)
    return errors.getvalue()


def test_a_log_has_one_line_for_each_fold(monkeypatch):
    steps = [fit_progress(k // 4, k, None if k < 4 else 0.9) for k in range(20)]
    steps.append(fit_progress(5, 20, left=0.0))
    text = shown(monkeypatch, io.StringIO(), [s for s in steps for _ in range(3)])
    lines = text.splitlines()
    assert len(lines) == 5 and "\r" not in text
    assert lines[0] == "fold 1/5  held-out accuracy 0.900  20 %  7 s left"
    assert lines[-1] == "fold 5/5  held-out accuracy 0.900"
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(clocked, "time", SimpleNamespace(perf_counter=lambda: clock.now))

    def steps_at(*seconds):
        for clock.now in seconds:
            yield fit_progress(0, 2, None)

    text = shown(monkeypatch, io.StringIO(), steps_at(59.9, 60, 119.9, 120))  # a fold takes long
    assert text == 2 * "fold 0/5  10 %  7 s left\n"


SCORES = [("RMSE", 1000.0, "1,000"), ("RMSE", 999.9, "999.900"), ("R2", -0.0001, "0.000")]
SCORES += [("RMSE", 62545518.1, "62,545,518"), ("MAPE", 0.2304, "23.0 %")]


@pytest.mark.parametrize(("name", "score", "text"), SCORES)
def test_a_score_is_shown_as_in_the_table_of_scores(name, score, text, monkeypatch):
    step = replace(fit_progress(5, 20, score, left=0.0), score_name=name)
    assert shown(monkeypatch, io.StringIO(), [step]) == f"fold 5/5  held-out {name} {text}\n"


def test_a_log_has_a_line_for_the_training_on_all_rows(monkeypatch):
    last = [replace(fit_progress(5, k), is_on_all_rows=True) for k in range(15, 20)]
    assert shown(monkeypatch, io.StringIO(), [fit_progress(5, 15), *last]).splitlines() == [
        "fold 5/5  held-out accuracy 0.900  7 s left",
        "training on all rows  held-out accuracy 0.900  75 %  7 s left",
    ]


@pytest.fixture
def bar(monkeypatch):
    """Return a function that shows steps on a terminal with rich, and returns its last lines."""
    pytest.importorskip("rich", reason="the extra cli is not installed")
    monkeypatch.setenv("TERM", "xterm")

    def draw(steps, label="", width=80):
        monkeypatch.setenv("COLUMNS", str(width))
        text = shown(monkeypatch, Terminal(), steps, label)
        # after what erases the lines before
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text.rpartition("\x1b[2K")[2]).splitlines()

    return draw


def test_a_terminal_with_rich_has_a_bar(bar):
    top, below = bar([fit_progress(2, 10)], "setting 1 of 7")
    assert re.fullmatch("fold 2/5 ━+[╸╺]?━+  50 % 7 s left", top)
    assert below == "setting 1 of 7  held-out accuracy 0.900"
    top, below = bar([fit_progress(5, 20, left=0.0)])
    assert re.fullmatch("fold 5/5 ━+ 100 % *", top) and below == "held-out accuracy 0.900"


@pytest.mark.parametrize("label", ["", "setting [b] of 7"])
def test_before_the_first_fold_a_bar_says_what_begins(bar, label):
    (line,) = bar([], label)
    assert line.startswith(f"{label or 'preparing the columns'} ━")


@pytest.mark.parametrize("width", [20, 30, 40])
def test_a_bar_fits_a_narrow_terminal(bar, width):
    top, below = bar([fit_progress(2, 10)], "a long text that says what is trained", width)
    assert len(top) == len(below) == width and below.endswith("…")
    assert width < 30 or re.fullmatch("fold 2/5 ━+[╸╺]?━+  50 % 7 s left", top)


def test_a_note_comes_above_the_bar_and_output_stays_where_it_is(monkeypatch):
    pytest.importorskip("rich", reason="the extra cli is not installed")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with progress.show_progress("", False) as show:
        show(fit_progress(2, 10))
        print_note("a column is left out")
        print("a row")
    assert "\x1b[2Knote: a column is left out\n" in sys.stderr.getvalue()
    assert sys.stdout.getvalue() == "a row\n"


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_terminal_without_rich_or_that_cannot_draw_rewrites_its_line(monkeypatch, term):
    if term == "xterm":
        monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setenv("TERM", term)
    text = shown(monkeypatch, Terminal(), [fit_progress(2, 10), fit_progress(5, 20, left=0.0)])
    assert text.count("\n") == 1 and text.startswith(" 50 %  fold 2/5  held-out accuracy 0.900")
    assert text.rstrip().endswith("100 %  fold 5/5  held-out accuracy 0.900")


def test_rows_that_are_encoded_are_progress(monkeypatch):
    step = FitProgress(0, 5, 0.0, 0, None, "accuracy", None, encoded=0.25)
    monkeypatch.setenv("TERM", "dumb")
    assert shown(monkeypatch, Terminal(), [step]).startswith(" 25 %  encoding the rows")
    assert shown(monkeypatch, io.StringIO(), [step]) == ""
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    assert shown(monkeypatch, io.StringIO(), [step]) == "encoding the rows  25 %\n"


def test_balanced_classes_have_a_balanced_accuracy(run):
    write_csv("t.csv", x=range(60), y=["a", "b", "b"] * 20)
    errors = run.notes("train", *Y_TO_M, *FAST, "--class-weight", "balanced", "--json")
    assert errors.startswith("fold 1/1  held-out balanced accuracy ")


def test_quiet_shows_no_progress(monkeypatch):
    for errors in (io.StringIO(), Terminal()):
        assert shown(monkeypatch, errors, [fit_progress(2, 10)], quiet=True) == ""


def test_a_closed_standard_error_does_not_end_a_training(monkeypatch):
    shown(monkeypatch, Closed(), [fit_progress(1, 4)])


# ---- the picture ----


def test_networks_of_a_resumed_training_have_no_curves():
    figure = pytest.importorskip("matplotlib.figure", reason="the extra plot is not installed")
    ax = figure.Figure().subplots()
    train._plot_curves(ax, SimpleNamespace(histories_=[[None, None]]))
    texts = ax.get_title(), ax.get_xlabel(), ax.get_ylabel()
    assert texts == ("learning curves of the networks", "% of the training", "loss")
    assert not ax.lines and ax.get_legend() is None
    histories = [SimpleNamespace(val_loss=loss) for loss in ([3.0, 1.0, 2.0], [5.0])]
    train._plot_curves(ax, SimpleNamespace(histories_=[[histories[0], None], [histories[1]]]))
    first, second, best, mean = ax.lines
    points = [line.get_xydata().tolist() for line in (first, second, best)]
    assert points == [[[0, 3], [50, 1], [100, 2]], [[0, 5]], [[50, 1], [0, 5]]]
    assert mean.get_ydata()[[0, 100, 200]].tolist() == [4, 3, 3.5]
    looks = [(each.get_color(), each.get_alpha(), each.get_linewidth()) for each in ax.lines]
    thin, thick = (plotting.BLUE, 0.25, 0.8), (plotting.BLUE, None, 1.5)
    assert looks == [thin, thin, thick, (plotting.ORANGE, None, 1.5)]
    assert (best.get_marker(), best.get_markersize()) == ("o", 3)
    assert ax.get_ylim() == pytest.approx((0.8, 5))
    assert [line.get_label() for line in (best, mean)] == ["least loss", "mean"]


# of scikit-learn 1.7, about held-out rows of many classes
@pytest.mark.spread(1)
@pytest.mark.filterwarnings("ignore:The number of unique classes is greater than 50%")
@pytest.mark.parametrize("target", ["two", "many", "number"])
def test_the_picture(run, target):
    pytest.importorskip("matplotlib", reason="the extra plot is not installed")
    from PIL import Image

    with checked_pictures() as figures:
        code, out, _ = run("train", *write_targets(target), "--out", "m", "--plot", "p.png", *FAST)
    (figure,) = figures
    of_number = ["true against predicted", "errors"]
    of_kind = of_number if target == "number" else ["classes", "calibration"]
    titles = ["learning curves of the networks", *of_kind, "permutation importance"]
    assert [ax.get_title("left") for ax in figure.axes][:4] == titles
    assert figure.get_suptitle() == f"{target} in t.csv, on held-out rows"
    assert all(ax.lines or ax.images or ax.collections or ax.patches for ax in figure.axes)
    assert code == 0 and out.endswith("Saved p.png.\n")
    pixels = np.asarray(Image.open("p.png").convert("L"))
    assert pixels.shape == (1500, 1800)
    for half in (pixels[:750, :900], pixels[:750, 900:], pixels[750:, :900], pixels[750:, 900:]):
        assert (half < 200).mean() > 0.005  # something is drawn

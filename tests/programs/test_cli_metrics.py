"""The options --metric and --threshold of fastnn train, and importances on the screen."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

from cli_cases import report_of, write_csv
from sklearn.metrics import f1_score, mean_absolute_error
from training_records import model_description

import fastnn
from fastnn.cli import scores, text_report, trained_models
from fastnn.cli.record import TrainingRecord
from fastnn.cli.scores import Evaluation, score_classes, score_numbers
from fastnn.tabular import baselines, targets
from fastnn.tabular.metrics import NUMBER_METRICS

pytestmark = pytest.mark.usefixtures("quick_recipe")
SMALL = ["--folds", "2", "--hidden", "4"]
rng = np.random.default_rng(0)
N = 120
x = rng.normal(size=N)
COLUMNS = dict(
    x=x,
    z=rng.normal(size=N),
    w=rng.integers(0, 3, N),
    risk=np.where(x + 0.7 * rng.normal(size=N) > 0.9, "yes", "no"),
    price=np.exp(x + 0.1 * rng.normal(size=N)),
)
TABLE = ["t.csv", "--out", "m.safetensors", *SMALL]


@pytest.fixture(autouse=True)
def table(run):
    write_csv("t.csv", **COLUMNS)


class MadeUp(fastnn.losses.MAE):
    name = "made_up"


def metric_of_search(model):
    rows = SimpleNamespace(target=SimpleNamespace(is_number=False))
    return trained_models.Search(model, rows, None, None).metric.name


def test_a_loss_says_which_metric_and_baseline_go_with_it(monkeypatch):
    assert targets.LOSS_METRICS.keys() == targets.BASELINE_LOSSES.keys()
    assert targets.LOSS_METRICS.keys() == {*targets.VALUES, "poisson"}
    assert set(targets.LOSS_METRICS.values()) <= NUMBER_METRICS.keys()
    known = set(targets.BASELINE_LOSSES.values())
    assert known == baselines.LIGHTGBM_LOSSES.keys() == baselines.CATBOOST_LOSSES.keys()

    model = SimpleNamespace(loss=MadeUp(), metric="auto", n_estimators=1, seconds_before=0)
    model.is_classifier, model.targets_ = False, SimpleNamespace(loss=model.loss)
    asked = [scores.default_metric, metric_of_search, lambda m: baselines.loss_name(m.loss)]
    for ask in asked:
        with pytest.raises((KeyError, ValueError), match=r"made_up|MadeUp"):
            ask(model)
    monkeypatch.setitem(targets.LOSS_METRICS, "made_up", "mape")
    monkeypatch.setitem(targets.BASELINE_LOSSES, "made_up", "poisson")
    assert [ask(model) for ask in asked] == ["mape", "mape", "poisson"]


def first_score(text):
    """The name of the first score on the screen, and its two values."""
    (line,) = re.findall(r"model    baseline\n(.*)\n", text)
    return re.fullmatch(r"(\S.*?) {2,}(\S+(?: %)?) +(\S+(?: %)?)(?:   .* wrong)?", line).groups()


@pytest.mark.parametrize(
    ("target", "metric", "label"),
    [
        ("risk", "f1", "F1"), ("risk", "log-loss", "log-loss"), ("risk", "roc_auc", "AUC"),
        ("price", "mae", "mean absolute error"), ("price", "mape", "MAPE"), ("price", "pinball",
        "pinball loss"), ("price", "R2", "R2"),
    ],
)  # fmt: skip
def test_the_metric_is_first(run, target, metric, label):
    other = "price" if target == "risk" else "risk"
    arguments = [*TABLE, "--target", target, "--drop", other, "--metric", metric]
    code, out, errors = run("train", *arguments)
    assert code == 0, errors
    name, value, _ = first_score(out)
    model = fastnn.load("m.safetensors")
    assert name == label and model.oof_score_name_ == label
    shown = text_report.format_score(model.metric, model.oof_score_)
    assert value == shown
    for command in (["info", "m.safetensors"], ["predict", "m.safetensors", "t.csv"]):
        assert first_score("".join(run(*command)[1:]))[0] == label


def test_tune_chooses_by_the_metric(run):
    report = report_of(run, *TABLE[:3], "--folds", "1", "--target", "price", "--drop", "risk",
                       "--tune", "--metric", "mape")  # fmt: skip
    tried = report["tuning"]["tried"]
    assert report["tuning"]["metric"] == "mape"
    assert report["oof_score"] in [t["score"] for t in tried]
    assert report["oof_score"] == report["scores"]["mape"]
    text = "\n".join(text_report.format_tuning(TrainingRecord.from_json(report).tuning))
    assert f"{100 * report['oof_score']:.1f} %" in text


def test_a_chosen_threshold(run):
    arguments = [*TABLE, "--target", "risk", "--drop", "price", "--threshold", "COST: 5, 1"]
    arguments += ["--test-size", "0.2"]
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
    text = " ".join(out.split())
    assert (
        f"threshold predicts yes if its probability is at least {model.threshold_:.4g} (a missed yes "
        "costs 5, a false alarm 1). The scores of a held-out row use a threshold that the other folds "
        "chose."
    ) in text
    predictions = json.loads(run("predict", "m.safetensors", "t.csv", "--proba", "--json")[1])
    p = np.array(predictions["predictions"]["probability_yes"])
    assert (np.array(predictions["predictions"]["prediction"]) == "yes").tolist() == (
        p >= model.threshold_
    ).tolist()
    assert " ".join(run("info", "m.safetensors")[1].split()).count("a missed yes costs 5") == 1


def test_scores_count_the_weights_of_rows(run):
    arguments = [*TABLE, "--weight", "w", "--metric", "f1", "--threshold", "f1"]
    code, out, _ = run("train", *arguments, "--target", "risk", "--drop", "price")
    assert code == 0 and "\nout of fold, weighted " in out
    report = json.loads(run("info", "m.safetensors", "--json")[1])
    record = report["training"]
    assert record["scores"]["f1"] == pytest.approx(report["oof_score"])
    assert [c["rows"] for c in record["scores"]["classes"]] == [
        (COLUMNS["risk"] == label).sum() for label in ("no", "yes")
    ]
    report = report_of(run, *TABLE, "--weight", "w", "--metric", "mae", "--target", "price",
                       "--drop", "risk")  # fmt: skip
    assert report["scores"]["mae"] == pytest.approx(report["oof_score"])
    assert report["drop_name"] == "rise of weighted MAE"


def test_class_weights_count_in_the_metric_and_are_shown(run):
    arguments = [*TABLE, "--class-weight", "balanced", "--metric", "f1"]
    code, out, _ = run("train", *arguments, "--target", "risk", "--drop", "price")
    model = fastnn.load("m.safetensors")
    assert code == 0 and f"\nweighted F1 {model.oof_score_:>26.3f}\n" in out


def test_a_metric_that_is_undefined(run):
    write_csv("t.csv", x=x, y=["no"] * (N - 1) + ["yes"])
    arguments = [*TABLE[:3], "--folds", "1", "--hidden", "4", "--seed", "1", "--target", "y"]
    code, out, errors = run("train", *arguments, "--metric", "auc")
    assert code == 0 and "note: --metric auc is undefined for the held-out rows; the loss" in errors
    assert first_score(out)[:2] == ("AUC", "-")
    write_csv("t.csv", x=x, y=[0, *range(1, N)])
    code, _, errors = run("train", *arguments, "--metric", "mape")
    assert (
        code == 2 and "--metric mape divides errors by the targets, but the target is 0" in errors
    )
    assert "line 2" in errors and "Choose another --metric, such as --metric mae." in errors


# ---- scores ----


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
    assert next(line for line in lines if line.startswith("c  ")).split() == [
        "c",
        "0",
        "-",
        "-",
        "-",
    ]
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


def test_the_standard_error_of_r2_with_blocks_of_time_is_that_of_the_score():
    """The differences between the blocks count in neither."""
    rng = np.random.default_rng(0)
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


@pytest.mark.parametrize(
    ("drops", "name", "texts"),
    [
        ({"a": 0.4821, "b": 0.012}, "fall of R2", ["0.482", "0.012"]),
        ({"a": 0.00213, "b": -0.0001}, "fall of R2", ["0.0021", "-0.0001"]),
        ({"a": 5321.7, "b": 12.0}, "rise of RMSE", ["5,322", "12"]),
        ({"a": 0.1234, "b": 0.0}, "rise of MAPE", ["12.3 %", "0.0 %"]),
        ({"a": 0.0, "b": 0.0}, "fall of accuracy", ["0.000", "0.000"]),
    ],
)
def test_importances_are_shares_and_drops(drops, name, texts):
    model = model_description(
        importances={"a": 0.00491, "b": 0.000004, "c": -1.0},
        score_drops=drops | {"c": 0.0},
        drop_name=name,
    )
    head, *lines = list(text_report.format_importances(model))[1:]
    assert head == f"{'permutation importance':<36}{'share':>9}{name:>32}"
    shares = "> 99.9 %", "< 0.1 %"
    for line, column, share, text in zip(lines, "ab", shares, texts, strict=True):
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


# ---- narrow terminals ----


@pytest.mark.parametrize("target", ["risk", "price"])
def test_a_narrow_terminal(run, monkeypatch, target):
    other = "price" if target == "risk" else "risk"
    arguments = [*TABLE, "--target", target, "--drop", other]
    monkeypatch.setenv("COLUMNS", "40")
    _, out, _ = run("train", *arguments)
    lines = [line for line in out.splitlines() if not line.startswith("  fastnn predict")]
    assert max(map(len, lines)) <= 40 and "permutation importance" not in out
    assert re.search(r"^importance +share +fall of ", out, re.M)
    info = run("info", "m.safetensors")[1].splitlines()
    assert max(map(len, info)) <= 40
    monkeypatch.setenv("COLUMNS", "200")
    assert max(map(len, run("train", *arguments)[1].splitlines())) <= 80

"""fastnn train --baselines: other models on the same folds."""

import html
import json
import re
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cli_cases import write_csv
from cli_models import interrupt_after, report_of

import fastnn
from fastnn.cli import text_report, trained_models
from fastnn.cli.console import CommandError
from fastnn.tabular import baselines
from fastnn.tabular.baselines import BaselineInputs
from fastnn.tabular.targets import MIN_RATE

N = 240
FAST = {"linear": baselines.Linear, "HistGradientBoosting": baselines.HistGradientBoosting}


@pytest.fixture(autouse=True)
def table(run, quick_recipe, monkeypatch):
    quick_recipe(3)
    monkeypatch.setattr(baselines, "BASELINES", FAST)
    rng = np.random.default_rng(0)
    x = rng.normal(size=N)
    city = rng.choice(["Rom", "Köln", ""], N)
    days = [f"2026-{1 + i // 28:02}-{1 + i % 28:02}" for i in range(N)]
    y = np.where(x + (city == "Rom") + rng.normal(0, 0.3, N) > 0, "p", "q")
    columns = dict(x=x, city=city, who=np.arange(N) // 8, day=days, w=rng.random(N))
    write_csv("t.csv", **columns, y=y, n=np.exp(x) + 1)


Y = "t.csv --target y --drop n --out m.safetensors --baselines".split()
REPEATED = pytest.mark.slow("the other cases have other targets and folds")


ABSOLUTE = "--target n --drop y --folds 2 --loss absolute_error"
TARGETS = [
    "--target y --drop n --folds 1 --class-weight balanced --metric f1 --threshold f1",
    "--target y --drop n --folds 2 --group who --weight w",
    "--target n --drop y --folds 3 --time day",
    pytest.param("--target n --drop y --folds 1 --log-target --metric mae", marks=REPEATED),
    pytest.param("--target n --drop y --folds 2 --loss poisson", marks=REPEATED),
    pytest.param(f"{ABSOLUTE} --test-size 0.3", marks=REPEATED),
]


@pytest.mark.parametrize("options", TARGETS)
def test_baselines_are_scored_on_the_rows_of_the_model(run, options):
    out = ("--out", "m.safetensors", "--threads", "1", "--baselines")
    report = report_of(run, "t.csv", *out, *options.split())
    found = report["baselines"]
    first, *others = found["models"]
    assert first["name"] == "fastnn" and {m["name"] for m in others} == set(FAST)
    assert found["rows"] == report["scores"]["rows"]
    assert first["score"] == pytest.approx(report["scores"][found["metric"]])
    assert all(m["error"] > 0 and m["difference_error"] > 0 and m["seconds"] > 0 for m in others)
    assert ("test_score" in first) == ("--test-size" in options)
    if "--test-size" in options:
        assert first["test_score"] == pytest.approx(report["test_scores"][found["metric"]])
    assert json.loads(fastnn.load("m.safetensors").metadata_["training"])["baselines"] == found


def test_the_folds_are_those_of_the_model(run, monkeypatch):
    seen, tasks = [], []

    class Spy(baselines.Linear):
        def fit(self, X, y, weight):
            seen.append(len(X))
            tasks.append((self.task, None if weight is None else len(weight)))
            return super().fit(X, y, weight)

    monkeypatch.setattr(baselines, "BASELINES", {"linear": Spy})
    words = "t.csv --target n --drop y --folds 2 --seed 3 --threads 1 --baselines --out m"
    report_of(run, *words.split(), *"--loss absolute_error --log-target --weight w".split())
    assert tasks == [(baselines.BaselineTask(0, "absolute_error", True, 1, 3), N // 2)] * 2
    report_of(run, *words.replace("--target n --drop y", "--target y --drop n").split())
    assert tasks[2:] == [(baselines.BaselineTask(2, n_threads=1, seed=3), None)] * 2
    seen.clear()
    words = "t.csv --target n --drop y --time day --folds 3 --baselines --out m.safetensors"
    report = report_of(run, *words.split())
    assert len(seen) == 3 and seen == sorted(seen) and seen[0] < seen[1] < N
    assert report["scores"]["rows"] + seen[0] == N  # those before the first block are not scored


@pytest.mark.spread(1)
@pytest.mark.parametrize("n_trained", [2, 0])
def test_a_baseline_that_ctrl_c_stops_leaves_the_model(run, monkeypatch, n_trained):
    class Stopped(baselines.Linear):
        def fit_model(self, X, y, weight):
            raise KeyboardInterrupt

    others = FAST if n_trained else {}
    monkeypatch.setattr(baselines, "BASELINES", others | {"stopped": Stopped, "later": Stopped})
    code, out, err = run("train", *Y, "--folds", "2", "--json", "--report", "r.html")
    found = json.loads(out)["baselines"]
    assert code == 130 and found["interrupted"] and len(found["models"]) == 1 + n_trained
    assert "Interrupted: m.safetensors holds all 2 folds." in err
    assert fastnn.load("m.safetensors").n_folds_remaining_ == 0
    run("info", "m.safetensors", "--card", "card.md")
    pages = [Path(name).read_text("utf-8") for name in ("r.html", "card.md")]
    for text in run("info", "m.safetensors")[1], *pages:
        assert "Interrupted before these baselines were trained: stopped, later." in text


def test_text_and_page(run):
    assert run("train", *Y, "--quiet", "--folds", "2")[:2] == (0, "")
    out = run("info", "m.safetensors")[1]
    lines = out[out.index("same folds") :].splitlines()
    assert re.match(r"same folds +log-loss +std. err. +worse by +std. err. +seconds$", lines[0])
    assert lines[1].startswith("fastnn ") and max(map(len, out.splitlines())) <= 80
    assert "fastnn" in lines[4]  # the verdict


def test_the_linear_model_alone_reads_texts_as_the_verdict_says(run):
    notes = [f"{'good' if i % 2 else 'evil'} soup in bowl {i}" for i in range(N)]
    write_csv("texts.csv", note=notes, x=np.arange(N), y=np.where(np.arange(N) % 2, "p", "q"))
    words = "--target y --out m.safetensors --baselines --quiet --folds 2 --report r.html"
    assert run("train", "texts.csv", *words.split(), "--text", "note")[0] == 0
    run("info", "m.safetensors", "--card", "card.md")
    pages = [Path(name).read_text("utf-8") for name in ("r.html", "card.md")]
    for text in run("info", "m.safetensors")[1], *pages:
        found = " ".join(html.unescape(text).split())
        assert "Of free text ('note') the linear model reads words (TF-IDF), and the oth" in found
    record = json.loads(fastnn.load("m.safetensors").metadata_["training"])["baselines"]
    losses = {each["name"]: each["score"] for each in record["models"]}
    assert losses["linear"] < losses["HistGradientBoosting"] / 2
    run("train", *Y, "--quiet", "--folds", "2")
    assert "free text" not in run("info", "m.safetensors")[1]


def test_libraries_that_are_not_installed_are_noted(run, monkeypatch):
    monkeypatch.setattr(baselines.importlib.util, "find_spec", lambda name: None)
    err = run.notes("train", *Y, "--quiet", "--folds", "1")
    assert "note: CatBoost is not installed, so it is not among the baselines" in err
    assert "note: LightGBM is not installed" in err
    monkeypatch.setattr(baselines.importlib.util, "find_spec", {"lightgbm": "found"}.get)
    assert baselines.installed()[1] == ["CatBoost"]


@pytest.mark.parametrize("loss", [None, "squared_error", "absolute_error", "poisson"])
@pytest.mark.parametrize("n_numbers, n_categories", [(1, 0), (0, 1), (1, 1)])
def test_linear_models_learn(rng, loss, n_numbers, n_categories):
    numbers, codes = rng.normal(size=(300, n_numbers)), rng.integers(-1, 3, (300, n_categories))
    z = 2 * numbers.sum(axis=1) + codes.sum(axis=1)
    y = {None: (z > 1).astype(int), "poisson": np.exp(z)}.get(loss, z)
    X = BaselineInputs(numbers, codes, [3] * n_categories)
    task = baselines.BaselineTask(n_classes=0 if loss else 2, loss=loss or "", n_threads=1)
    P = baselines.Linear(task).fit(X, y, np.ones(300)).predict(X)
    if loss is None:
        assert P.shape == (300, 2) and np.mean(P.argmax(axis=1) == y) > 0.95
    else:
        assert np.corrcoef(np.log(P) if loss == "poisson" else P, z)[0, 1] > 0.9


@pytest.mark.slow("test_baselines_are_scored_on_the_rows_of_the_model trains scikit-learn's")
@pytest.mark.parametrize("library", ["lightgbm", "catboost"])
@pytest.mark.parametrize("loss", [None, "squared_error", "absolute_error", "poisson"])
def test_other_libraries_learn(rng, library, loss):
    pytest.importorskip(library, reason=f"{library} is not installed")
    cls = baselines.LightGBM if library == "lightgbm" else baselines.CatBoost
    numbers, codes = rng.normal(size=(300, 1)), rng.integers(-1, 3, (300, 1))
    numbers[::9] = np.nan
    X = BaselineInputs(numbers, codes, [3])
    z = np.nan_to_num(numbers[:, 0]) + 2 * codes[:, 0]
    y = (z > 1).astype(int) if loss is None else np.exp(z / 4)
    task = baselines.BaselineTask(n_classes=0 if loss else 2, loss=loss or "", n_threads=1)
    P = cls(task).fit(X, y, np.ones(300)).predict(X)
    if loss is None:
        assert P.shape == (300, 2) and np.mean(P.argmax(axis=1) == y) > 0.9
    else:
        assert np.mean((P - y) ** 2) < 0.3 * y.var()


def test_ctrl_c_in_the_training_leaves_the_baselines_out(run, monkeypatch):
    interrupt_after(monkeypatch, 1)
    code, out, _ = run("train", *Y, "--folds", "3", "--json", "--threads", "1")
    assert code == 130 and json.loads(out)["baselines"] is None


LIBRARY_TASKS = [  # library, loss, own options of this loss, those of predict
    (baselines.LightGBM, "", {}, {}),
    (baselines.LightGBM, "poisson", {"objective": "poisson"}, {}),
    (baselines.LightGBM, "absolute_error", {"objective": "l1"}, {}),
    (baselines.CatBoost, "", {}, {}),
    (baselines.CatBoost, "poisson", {"loss_function": "Poisson"}, {"prediction_type": "Exponent"}),
    (baselines.CatBoost, "squared_error", {"loss_function": "RMSE"}, {"prediction_type": "RawFormulaVal"}),
    (baselines.CatBoost, "absolute_error", {"loss_function": "MAE"}, {"prediction_type": "RawFormulaVal"}),
    (baselines.HistGradientBoosting, "", {}, {}),
    (baselines.HistGradientBoosting, "absolute_error", {"loss": "absolute_error"}, {}),
]  # fmt: skip


class RecordingModel(SimpleNamespace):
    """A model of a library that need not be installed; it keeps what it gets."""

    predict_proba = staticmethod(lambda rows: np.full((3, 2), 0.5))

    def fit(self, *rows, **options):
        got = dict(rows=rows, options=options, **vars(self))
        return SimpleNamespace(got=got, predict=self.predict, predict_proba=self.predict_proba)

    def predict(self, rows, **options):
        return np.full(3, [float(options == self.asked)])


def replace_library(monkeypatch, cls, asked):
    """Replace the library of a baseline by a made-up one. Return the limits of threads that are set."""
    prefixes, kinds = ("LGBM", "CatBoost", "HistGradientBoosting"), ("Classifier", "Regressor")
    made = {a + b: partial(RecordingModel, asked=asked) for a in prefixes for b in kinds}
    module = SimpleNamespace(FeaturesData=dict, Pool=lambda *data, weight: (*data, weight), **made)
    limits: list = []
    limit = SimpleNamespace(threadpool_limits=lambda *some: limits.append(some) or nullcontext())
    monkeypatch.setitem(sys.modules, "threadpoolctl", limit)
    library = dict(HistGradientBoosting="sklearn.ensemble").get(cls.__name__, cls.__name__.lower())
    monkeypatch.setitem(sys.modules, library, module)
    return limits


@pytest.mark.parametrize("cls, loss, own, asked", LIBRARY_TASKS)
def test_what_other_libraries_get(monkeypatch, cls, loss, own, asked):
    limits = replace_library(monkeypatch, cls, asked)
    numbers, codes = np.array([[0.5], [np.nan], [2.0]]), np.array([[0], [1], [-1]])
    y, weight = np.array([0, 1, 1]), np.array([1.0, 2.0, 3.0])
    X, without = BaselineInputs(numbers, codes, [2]), BaselineInputs(numbers, codes[:, :0], [])
    task = baselines.BaselineTask(n_classes=0 if loss else 2, loss=loss, n_threads=1, seed=7)
    model = cls(task).fit(X, y, weight)
    assert model.predict(X).tolist() == ([1.0] * 3 if loss else [[0.5, 0.5]] * 3)
    got = model.model.got
    del got["asked"]
    if cls is baselines.CatBoost:
        ((features, targets, of_rows),) = got.pop("rows")
        assert features["cat_feature_data"].tolist() == [[b"0"], [b"1"], [b"-1"]]
        assert features["num_feature_data"].dtype == np.float32 and of_rows is weight
        options = dict(random_seed=7, thread_count=1, verbose=False, allow_writing_files=False)
        options["options"] = {}
        numbers = BaselineInputs(numbers[:, :0], codes, [2])
        assert model.inputs(without)[0]["cat_feature_data"] is None
        assert model.inputs(numbers)[0]["num_feature_data"] is None
    else:
        rows, targets = got.pop("rows")
        np.testing.assert_array_equal(rows, [[0.5, 0], [np.nan, 1], [2, np.nan]])
        options = dict(random_state=7, n_jobs=1, verbose=-1)
        options["options"] = dict(sample_weight=weight, categorical_feature=[1])
    if cls is baselines.HistGradientBoosting:
        options = dict(random_state=7, categorical_features=[1], options={"sample_weight": weight})
        plain = cls(baselines.BaselineTask()).fit(without, y, None).model.got
        by_default = dict(random_state=0, loss="squared_error", categorical_features=None)
        assert by_default.items() <= plain.items() and limits == [(1, "openmp"), (None, "openmp")]
    assert targets is y and got == options | own


TOLD = [  # a task, its targets, those that a library learns, its predictions, and what they become
    ({}, [1.0, 2, 4], [1, 2, 4], (-1, 0, 800), [-1, 0, 800]),
    ({"log": True}, [1.0, np.e, 1], [0, 1, 0], (0, 1, 800), [1, np.e, np.inf]),
    ({"loss": "poisson"}, [0, 2, 1], [0, 2, 1], (-1, 0, 2), [MIN_RATE, MIN_RATE, 2]),
    ({"n_classes": 3}, [0, 2, 2], [0, 2, 2], [[0.25, 0.75]] * 3, [[0.25, 0, 0.75]] * 3),
    ({"n_classes": 3}, [1, 1, 1], None, (), [[0, 1, 0]] * 3),
]  # fmt: skip


@pytest.mark.parametrize("options, y, learned, told, expected", TOLD)
def test_targets_and_predictions_of_any_library(options, y, learned, told, expected):
    X = BaselineInputs(np.zeros((3, 1)), np.zeros((3, 0), int), [])
    model, seen = baselines.Baseline(baselines.BaselineTask(**options)), [None]
    model.fit_model = lambda X, y, weight: seen.append(y.tolist())
    model.predict_model = lambda X: np.array(told)
    assert model.fit(X, np.array(y), None).predict(X).tolist() == expected and seen[-1] == learned


READ = {  # numbers, codes, texts and targets
    "missing values": ([[np.nan, np.nan], [-1, np.nan], [1, np.nan]] * 20, [], [], [1, 0, 0] * 20),
    "frequent categories": ([], [0] * 40 + [1] * 5 + [2] * 2 + [3] * 3, [], [0] * 40 + [1] * 5 + [0] * 5),
    "pairs of words": ([], [], [["good not bad", "bad not good"] * 20], [1, 0] * 20),
    "many words": ([], [], [[f"word{i}" for i in range(80)]], [1, 0] * 40),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_the_linear_model_reads(name):
    numbers, codes, texts, y = READ[name]
    n, y, model = len(y), np.array(y), baselines.Linear(baselines.BaselineTask(2))
    numbers, codes = np.array(numbers, float).reshape(n, -1), np.array(codes, int).reshape(n, -1)
    X = BaselineInputs(numbers, codes, [4] * codes.shape[1], texts)
    P = model.fit(X, y, None).predict(X)[:, 1]
    assert P[y == 0].max() < 0.5 < P[y == 1].min()
    if name == "frequent categories":  # the others are one
        assert len({*P[-5:]}) == 1
    equal = BaselineInputs(np.zeros((n, 1)), codes[:, :0], [])
    P = model.fit(equal, y, 1.0 + 2 * y).predict(equal)[:, 1]
    np.testing.assert_allclose(P, 3 * y.mean() / (1 + 2 * y.mean()), rtol=1e-3)


def test_baselines_need_all_rows_in_memory():
    trained_models.check_baselines(SimpleNamespace(is_in_memory=True))
    advice = "which other libraries train on. Leave it out, or pass a smaller table."
    with pytest.raises(CommandError, match=f"^--baselines needs all rows in memory, {advice}$"):
        trained_models.check_baselines(SimpleNamespace(is_in_memory=False))


def test_verdicts_name_each_baseline_once():
    names = {"a": (1, 0), "b": (0, 0), "c": (1, 0), "d": (0, 1), "e": (0, 0), "f": (0, 1)}
    models = [dict(name=name, is_worse=w, is_better=b) for name, (w, b) in names.items()]
    unclear = "fastnn and b and e cannot be told apart."
    verdicts = f"fastnn is better than a and c. {unclear} d and f are better than fastnn."
    assert text_report.describe_verdicts([{}, *models], {}) == verdicts
    assert text_report.describe_verdicts([{}, models[3]], {}) == "d is better than fastnn."
    perfect = dict.fromkeys(("score", "error", "difference", "difference_error")) | {"score": 0.0}
    assert text_report.score_cells([perfect]) == [["0.000", "-", "-", "-"]]

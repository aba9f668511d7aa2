"""fastnn train --baselines, and fastnn info --card: other models on the same folds, and the card."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

from cli_cases import interrupt_after, report_of, write_csv

import fastnn
from fastnn.tabular import baselines
from fastnn.tabular.baselines import BaselineInputs

N = 240
FAST = {"linear": baselines.Linear, "HistGradientBoosting": baselines.HistGradientBoosting}


@pytest.fixture(autouse=True)
def table(run, quick_recipe, monkeypatch):
    quick_recipe(3)
    monkeypatch.setattr(baselines, "BASELINES", FAST)
    rng = np.random.default_rng(0)
    x = rng.normal(size=N)
    city = rng.choice(["Rom", "Köln", ""], N)
    write_csv(
        "t.csv",
        x=x,
        city=city,
        who=np.arange(N) // 8,
        day=[f"2026-{1 + i // 28:02}-{1 + i % 28:02}" for i in range(N)],
        w=rng.random(N),
        y=np.where(x + (city == "Rom") + rng.normal(0, 0.3, N) > 0, "p", "q"),
        n=np.exp(x) + 1,
    )


def train(run, *options, out="m.safetensors"):
    return report_of(run, "t.csv", "--out", out, "--threads", "1", *options)


@pytest.mark.parametrize(
    "options",
    [
        "--target y --drop n --folds 1 --class-weight balanced --metric f1 --threshold f1",
        "--target y --drop n --folds 2 --group who --weight w",
        "--target n --drop y --folds 3 --time day",
        *(
            pytest.param(
                options, marks=pytest.mark.slow("the other cases have other targets and folds")
            )
            for options in (
                "--target n --drop y --folds 1 --log-target --metric mae",
                "--target n --drop y --folds 2 --loss poisson",
                "--target n --drop y --folds 2 --loss absolute_error --test-size 0.3",
            )
        ),
    ],
)
def test_baselines_are_scored_on_the_rows_of_the_model(run, options):
    report = train(run, *options.split(), "--baselines")
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
    seen = []

    class Spy(baselines.Linear):
        def fit(self, X, y, weight):
            seen.append(len(X))
            return super().fit(X, y, weight)

    monkeypatch.setattr(baselines, "BASELINES", {"linear": Spy})
    report = train(
        run, "--target", "n", "--drop", "y", "--time", "day", "--folds", "3", "--baselines"
    )
    assert len(seen) == 3 and seen == sorted(seen) and seen[0] < seen[1] < N
    assert report["scores"]["rows"] + seen[0] == N  # those before the first block are not scored


@pytest.mark.parametrize("n_trained", [2, 0])
def test_a_baseline_that_ctrl_c_stops_leaves_the_model(run, monkeypatch, n_trained):
    class Stopped(baselines.Linear):
        def fit_model(self, X, y, weight):
            raise KeyboardInterrupt

    others = FAST if n_trained else {}
    monkeypatch.setattr(baselines, "BASELINES", others | {"stopped": Stopped, "later": Stopped})
    code, out, err = run(
        *("train", "t.csv", "--target", "y", "--drop", "n", "--out", "m.safetensors"),
        *("--folds", "2", "--baselines", "--json", "--report", "r.html"),
    )
    found = json.loads(out)["baselines"]
    assert code == 130 and found["interrupted"] and len(found["models"]) == 1 + n_trained
    assert "Interrupted: m.safetensors holds all 2 folds." in err
    assert fastnn.load("m.safetensors").n_folds_remaining_ == 0
    left_out = "Interrupted before these baselines were trained: stopped, later."
    run("info", "m.safetensors", "--card", "card.md")
    pages = [Path(name).read_text("utf-8") for name in ("r.html", "card.md")]
    for text in run("info", "m.safetensors")[1], *pages:
        assert left_out in text


def test_text_and_page(run):
    code, out, _ = run(
        *("train", "t.csv", "--target", "y", "--drop", "n", "--out", "m.safetensors", "--quiet"),
        *("--folds", "2", "--baselines"),
    )
    assert (code, out) == (0, "")
    out = run("info", "m.safetensors")[1]
    lines = out[out.index("same folds") :].splitlines()
    assert re.match(r"same folds +log-loss +std. err. +worse by +std. err. +seconds$", lines[0])
    assert lines[1].startswith("fastnn ") and max(map(len, out.splitlines())) <= 80
    assert "fastnn" in lines[4]  # the verdict


def test_libraries_that_are_not_installed_are_noted(run, monkeypatch):
    monkeypatch.setattr(baselines.importlib.util, "find_spec", lambda name: None)
    code, _, err = run(
        *("train", "t.csv", "--target", "y", "--drop", "n", "--out", "m.safetensors"),
        *("--folds", "1", "--baselines", "--quiet"),
    )
    assert code == 0
    assert "note: CatBoost is not installed, so it is not among the baselines" in err
    assert "note: LightGBM is not installed" in err


@pytest.mark.slow("test_baselines_are_scored_on_the_rows_of_the_model trains scikit-learn's")
@pytest.mark.parametrize("library", ["lightgbm", "catboost"])
@pytest.mark.parametrize("loss", [None, "squared_error", "absolute_error", "poisson"])
def test_other_libraries_learn(library, loss):
    pytest.importorskip(library, reason=f"{library} is not installed")
    cls = baselines.LightGBM if library == "lightgbm" else baselines.CatBoost
    rng = np.random.default_rng(0)
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


# ---- the card ----


def test_a_card(run):
    report = train(
        run, "--target", "y", "--drop", "n", "--folds", "2", "--baselines", "--test-size", "0.2"
    )
    code, out, _ = run("info", "m.safetensors", "--card", "card.md")
    text = Path("card.md").read_text(encoding="utf-8")
    assert (code, out) == (0, "Saved card.md.\n")
    assert text.startswith(
        "# Model card: m.safetensors\n\nPredicts `y`, two classes \\(p, q\\)"
    ) or ("Predicts `y`, two classes (p, q)" in text)
    for heading in ("Scores", "Baselines", "Limits", "Columns", "How it was trained"):
        assert f"\n## {heading}\n" in text
    assert "HistGradientBoosting" in text and report["created"] in text
    code, out, _ = run("info", "m.safetensors", "--card")
    assert (code, out) == (0, text)
    run("info", "m.safetensors", "--card", "card.json")
    card = json.loads(Path("card.json").read_text(encoding="utf-8"))
    assert card["target"]["name"] == "y" and card["baselines"] == report["baselines"]
    assert {c["name"] for c in card["columns"]} == set(report["kinds"])
    found = {s["name"]: s for s in card["scores"]}
    assert found["log_loss"]["value"] == report["scores"]["log_loss"]
    assert 0 < found["log_loss"]["error"] < 1
    assert found["log_loss"]["test"] == report["test_scores"]["log_loss"]


def test_texts_of_a_table_are_not_markup_in_a_card(run):
    x = np.arange(80.0)
    write_csv("odd.csv", **{"a|b<b>": x, "y": np.where(x > 40, "*p*", "[q](z)")})
    report_of(run, "odd.csv", "--target", "y", "--out", "m.safetensors", "--folds", "1")
    run("info", "m.safetensors", "--card", "card.md")
    text = Path("card.md").read_text(encoding="utf-8")
    assert "a\\|b\\<b\\>" in text and "\\*p\\*" in text and "\\[q\\](z)" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("m.safetensors --card card.txt", "--card must end in .md or .json"),
        ("t.csv --card card.md", "--card is for a model file"),
        ("--card card.md", "--card is for a model file"),
        ("m.safetensors --card no/card.md", "no: no such folder"),
    ],
)
def test_what_has_no_card(run, arguments, message):
    train(run, "--target", "y", "--drop", "n", "--folds", "1")
    code, _, err = run("info", *arguments.split())
    assert code == 2 and message in err


def test_a_model_without_a_record_has_no_card(run):
    X = np.random.default_rng(0).normal(size=(60, 2))
    fastnn.TabularRegressor(1, hidden_layer_sizes=2).fit(X, X[:, 0]).save("plain.safetensors")
    code, _, err = run("info", "plain.safetensors", "--card", "card.md")
    assert code == 2 and "has no record of its training" in err


def test_ctrl_c_in_the_training_leaves_the_baselines_out(run, monkeypatch):
    interrupt_after(monkeypatch, 1)
    code, out, _ = run(
        *("train", "t.csv", "--target", "y", "--drop", "n", "--out", "m.safetensors"),
        *("--folds", "3", "--baselines", "--json", "--threads", "1"),
    )
    assert code == 130 and json.loads(out)["baselines"] is None

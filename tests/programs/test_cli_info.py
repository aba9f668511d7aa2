"""fastnn info: this installation, and what a model file contains."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

import fastnn
from fastnn import kernels

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

from cli_cases import write_people
from cli_models import SMALL, call, models_folder, unchanged_folder

from fastnn import TabularRegressor
from fastnn.tables import read
from fastnn.tabular import stored_model
from fastnn.tabular.checkpoint import FitCheckpoint

models = pytest.fixture(models_folder, scope="module")


@pytest.fixture
def run(capsys, monkeypatch, models):
    """run(*arguments) -> (exit code, standard output, standard error), in a folder with models."""
    monkeypatch.chdir(models)
    with unchanged_folder():
        yield lambda *arguments: call(capsys, *arguments)


def trained(run, *arguments):
    """Train a model with the command line. Return what train printed."""
    write_people()
    small = ["--hidden", "8", "--folds", "2", "--time-limit", "1000"]
    code, out, errors = run("train", "people.csv", *arguments, *small, "--out", "m.safetensors")
    assert code == 0, errors
    return out


# ---- this installation ----


def test_the_installation(run):
    code, out, errors = run("info")
    assert (code, errors) == (0, "") and fastnn.__version__ in out and kernels.CHOSEN in out
    assert re.search(r"^pyarrow: \d", out, re.M)
    report = json.loads(run("info", "--json")[1])
    assert report["chosen"] == kernels.CHOSEN and report["extras"]["pyarrow"]


# ---- models ----


def test_a_model_of_classes(run):
    trained(run, "--target", "buys", "--drop", "group,income")
    code, out, errors = run("info", "m.safetensors")
    assert (code, errors) == (0, "") and max(map(len, out.splitlines())) <= 80
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


def test_the_scores_are_those_that_train_printed(run):
    printed = trained(run, "--target", "income", "--drop", "group,buys")
    out = run("info", "m.safetensors")[1]
    scores = re.findall(r"^(?:R2|RMSE) .*$", out, re.M)
    assert len(scores) == 2 and all(line in printed for line in scores)
    assert "target      income: a number\n" in out


def test_json(run):
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
    assert "numbers     0\ncategories  1\nleft out    2: all values are equal\n" in out
    assert f"out of fold R2 {model.oof_score_:.3f}\n" in out
    assert "metadata    source: line" in out and "\x1b" not in out
    assert json.loads(run("info", "m.safetensors", "--json")[1])["training"] is None


def test_a_model_that_was_interrupted(run, monkeypatch):
    model = stored_model.load("b.safetensors")
    model.n_folds_remaining_ = 3
    model.model_ = replace(model.model_, checkpoint=FitCheckpoint([0, 1], 5, 1.0, {}))
    monkeypatch.setattr("fastnn.cli.info.load_model", lambda path: model)
    assert ": 2 of 5 folds, " in run("info", "b.safetensors")[1]
    assert json.loads(run("info", "b.safetensors", "--json")[1])["folds_left"] == 3


@pytest.mark.filterwarnings("ignore:y holds only the class")
def test_a_model_of_one_class(run):
    table = read("table.csv").select(["a"])
    fastnn.TabularClassifier(**SMALL).fit(table, ["x"] * 120).save("m.safetensors")
    code, out, _ = run("info", "m.safetensors")
    assert code == 0 and "one class (x)" in out


@pytest.mark.parametrize("record", ['{"fastnn": 1}', '{"scores": []}', "[", "3"])
def test_a_damaged_record_is_no_crash(run, record):
    model = fastnn.load("b.safetensors")
    model.metadata_ = {"training": record}
    model.save("m.safetensors")
    code, out, errors = run("info", "m.safetensors")
    assert (code, errors) == (0, "") and "target      b: two classes (no, yes)" in out
    assert f"accuracy {model.oof_score_:.3f}\n" in out
    assert ("the record is damaged" in out) == record.startswith("{")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "no.safetensors",
            "no.safetensors: No such file or directory. The models in this folder ar",
        ),
        (
            "b.safetensor",
            "b.safetensor: No such file or directory. Did you mean b.safetensors?",
        ),
        (
            "table.txt",
            "table.txt: No such file or directory. Did you mean table.csv?",
        ),
        ("short.safetensors", "short.safetensors: not a fastnn model, or damaged ("),
        ("net.safetensors", "net.safetensors: holds a network without the columns of a table"),
    ],
)
def test_other_files_are_one_line(run, name, message):
    Path("short.safetensors").write_bytes(Path("b.safetensors").read_bytes()[:-9])
    fastnn.MLP([2, 1]).save("net.safetensors")
    code, out, errors = run("info", name)
    assert (code, out, errors.count("\n")) == (2, "", 1)
    assert errors.startswith(f"fastnn info: {message}")

"""Tests of the benchmark programs, with few sizes, steps and rounds.

They also test that compare.py detects peers that compute something else.
"""

import dataclasses
import json
import os
import pathlib
import re
import struct
import subprocess
import sys

import numpy as np
import peers_plain
import pytest
import sample
from tasks import ROWS, TASKS, fit_reference

HERE = pathlib.Path(__file__).parent


def run(program, *arguments, **environment):
    command = [sys.executable, HERE / program, *map(str, arguments)]
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, **environment}
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


OUTPUTS = {"json": "peers.json", "markdown": "peers.md", "plot": "peers.png"}


@pytest.mark.parametrize("only", ["--peers=numpy", "--only=fastnn"])
def test_compare(tmp_path, only):
    files = [f"--{name}={tmp_path / file}" for name, file in OUTPUTS.items()]
    text = run("compare.py", "--rows", "T1,I1,sigmoid,sgd", "--rounds", 1, only, *files)
    assert max(map(len, text.splitlines())) <= 80
    figures = json.loads((tmp_path / "peers.json").read_text())["figures"]
    peers = {"fastnn", "numpy"} if "numpy" in only else {"fastnn"}
    assert list(figures) == ["T1", "I1", "sigmoid", "sgd"] and all(
        set(cells) == peers for cells in figures.values()
    )
    assert all(cell["us"] > 0 for cells in figures.values() for cell in cells.values())
    assert "| T1 | 3-4-1, 4 |" in (tmp_path / "peers.md").read_text()
    assert (tmp_path / "peers.png").stat().st_size > 1000


def test_options(tmp_path):
    file = tmp_path / "options.md"
    text = run(
        "options.py",
        "--rows",
        "T2",
        "--options",
        "adam,cosine,dropout",
        "--rounds",
        1,
        "--only",
        "fastnn",
        "--markdown",
        file,
    )
    assert re.search(r"^dropout +[\d.]+ +[\d.]+$", text, re.M)
    assert re.search(r"^\| cosine \| [\d.]+ \([\d.]+\) \|$", file.read_text(), re.M)


def test_missing_peer_is_skipped(tmp_path):
    for package in ("onnx", "onnxruntime"):
        (tmp_path / f"{package}.py").write_text("raise ImportError('broken')")
    text = run("compare.py", "--rows", "I1", "--rounds", 1, "--peers", "onnx", PYTHONPATH=tmp_path)
    assert re.search(
        r"not available: ONNX Runtime \((not installed|ImportError: broken)\)",
        " ".join(text.split()),
    )
    assert re.search(r"^I1 +[\d.]+$", text, re.M)


# ---- checks of the results ----


TRAININGS = [row for row, task in ROWS.items() if task.kind == "training"]


@pytest.mark.parametrize(
    "row", [*TRAININGS, "T2 momentum", "T2 clip_norm", "T3b dropout", "T4 amsgrad", "T4 average"]
)
def test_wrong_learning_rate_is_detected(row):
    """fastnn's parameters pass the check. With a learning rate that is 1 % off they do not."""
    task = TASKS[row].make_data()

    def train(option):
        task.option = option
        trainer = peers_plain.FastnnTraining(task, 1)
        trainer.reset()
        trainer.run(1)
        return trainer.net.state.seed, trainer.params().copy()

    option = task.option
    seed, params = train(option)
    X, y = task.X.astype(float), task.y.astype(float) if task.binary else task.y
    losses, expected = fit_reference(task.net, option, X, y, 1, task.batch, seed or 0)
    assert task.find_mismatch((losses, params), (losses, expected)) is None
    optimizer = dataclasses.replace(option.optimizer, lr=1.01 * option.optimizer.lr)
    _, params = train(dataclasses.replace(option, optimizer=optimizer))
    mismatch = task.find_mismatch((losses, params), (losses, expected))
    assert "updates of parameters differ" in mismatch


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("sizes", [(100, 100, 1, 2, 10), (1, 30, 17, 1, 1), (64, 5, 0, 0, 10)])
def test_wrong_learning_rate_in_a_sample_is_detected(sizes, optimizer):
    """The first network has few parameters, some with gradients of almost zero."""
    task = sample.SampleTask(*sizes, optimizer).make_data()
    trainer, expected = peers_plain.FastnnTraining(task, 1), task.expected()

    def train():
        trainer.reset()
        losses = trainer.run(task.epochs)
        trainer.reset()
        trainer.run(1)
        return losses, trainer.params().copy()

    assert task.find_mismatch(train(), expected) is None
    lr = 1.01 * task.option.optimizer.lr
    task.option = dataclasses.replace(
        task.option, optimizer=dataclasses.replace(task.option.optimizer, lr=lr)
    )
    assert "differ" in task.find_mismatch(train(), expected)


@pytest.mark.parametrize("row", ["T1", "T2", "I1", "tanh", "bce", "momentum"])
def test_wrong_results_are_detected(row):
    """The expected results pass the check. Results that are 5 % off, or NaN, do not."""
    task = ROWS[row].make_data()
    expected = task.expected()
    assert task.find_mismatch(expected, expected) is None

    def wrong_results(change):
        if isinstance(expected, tuple):
            first, second = expected
            return (np.multiply(first, 1 + change), second), (first, second * (1 + change))
        return (expected * (1 + change),)

    for change in 0.05, np.nan:
        for results in wrong_results(change):
            assert "differ" in task.find_mismatch(results, expected)


# ---- the other programs ----


def test_sweep():
    text = run(
        "sweep.py",
        "--quick",
        "--every",
        60,
        "--only",
        "width,rows,activation",
        "--dtypes",
        "float32",
    )
    assert re.search(r"32-w-w-1.*\n +5 sizes, 241: +[\d.]+ us", text)
    assert re.search(r"gelu +[\d.]+ us", text)


def test_sample(tmp_path):
    """A sample without peers; other tests check the comparison of their results."""
    options = "--only sample --n 3 --seed 2 --rounds 1".split()
    text = run("sweep.py", *options, "--json", tmp_path / "sample.json")
    results = json.loads((tmp_path / "sample.json").read_text())
    assert len(results) == 3 and all(cells["1"]["fastnn"]["us"] > 0 for cells in results.values())
    assert re.search(r"^ +3 of 3, .* min  [\d-]+, \d+, (sgd|adam)\n +1 +[\d.]+", text, re.M)


def test_report_of_a_sample(tmp_path):
    """The report, the table and the picture of results in which one cell of four is above 1."""
    cells = {"fastnn": {"us": 2.0}, "numbablas": {"us": 4.0}, "jaxscan": {"us": 8.0}}
    slower = cells | {"numbablas": {"note": "fails: x"}, "jaxscan": {"us": 1.0}}
    results = {"5-10, 4, sgd": {1: cells, 2: cells}, "30-8-8-1, 64, adam": {1: cells, 2: slower}}
    (tmp_path / "sample.json").write_text(json.dumps(results))
    files = [tmp_path / name for name in ("sample.json", "sample.md", "sample.png")]
    options = zip(("--read", "--markdown", "--plot"), files)
    text = run("sweep.py", "--only", "sample", *(a for option in options for a in option))
    assert "threads: 1. fastnn / fastest peer: geometric mean 0.50, largest 0.50" in text
    assert "threads: 2. fastnn / fastest peer: geometric mean 1.00, largest 2.00" in text
    assert "Numba + BLAS fails: x: 30-8-8-1, 64, adam (2)" in text
    table = files[1].read_text().splitlines()
    assert table[2:] == ["| 30-8-8-1 | 64 | adam | 2 | 2.00 | 1.00 | JAX scan | 2.00 |"]
    assert files[2].stat().st_size > 1000


def test_many_overhead():
    text = run("many.py", "--overhead", "--rounds", 1)
    assert len(re.findall(r"networks: [\d.]+, with rng=0 [\d.]+$", text, re.M)) == 2


def test_many():
    text = run("many.py", "--quick", "--only", "fastnn", "--rounds", 1)
    assert len(re.findall(r"^fastnn.fit_many +[\d.]+ +1.00$", text, re.M)) == 3
    assert len(re.findall(r"^steps alone +[\d.]+ +[\d.]+$", text, re.M)) == 3


def test_isa():
    assert run("isa.py", "--quick").count("NumPy   ") == 5


def test_table():
    lines = run("table.py", "--quick").splitlines()
    assert len(lines) == 6 and max(map(len, lines)) <= 80
    assert lines[3].startswith("14 columns x 70 bins") and "980" in lines[3]


def test_overhead():
    assert run("sweep.py", "--quick", "--only", "overhead").count("not arithmetic") == 2


def test_estimators_search():
    text = run("estimators.py", "--search", "--quick")
    assert len(re.findall(r"^\w+ +[\d.]+ +[\d.]+ +[\d.]+ +s$", text, re.M)) == 2


def test_estimators():
    text = run("estimators.py", "--quick")
    alone = run("estimators.py", "--quick", "--only", "fastnn")
    assert len(re.findall(r"^(?:predict|partial_fit|fit).*(?:[\d.]+ +){3}[um]s$", text, re.M)) == 10
    assert (
        len(re.findall(r"^(?:predict|partial_fit|fit).*[a-z] +(?:[\d.]+ +){2}[um]s$", alone, re.M))
        == 10
    )


def test_threads():
    text = run("threads.py", "--quick")
    assert (
        len(re.findall(r"^[\d-]+, \d+ +[\d.]+ \(1.00\)", text, re.M)) == 8
        and "two trainings at once: " in text
    )


def test_exponential():
    text = run("published.py", "exponential", "--steps", 20, "--threads", 1)
    assert 0 < float(re.search(r"last loss ([\d.]+)", text).group(1)) < 100


def write_idx(path, array):
    path.write_bytes(
        bytes([0, 0, 8, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.astype(np.uint8).tobytes()
    )


def test_mnist(tmp_path):
    rng = np.random.default_rng(0)
    for which, n in ("train", 2000), ("t10k", 200):
        labels = rng.integers(0, 10, n)
        images = rng.integers(0, 30, (n, 28, 28))
        images[np.arange(n), 2 * labels + 4] = (
            255  # a bright row of pixels whose position encodes the digit
        )
        write_idx(tmp_path / f"{which}-images-idx3-ubyte", images)
        write_idx(tmp_path / f"{which}-labels-idx1-ubyte", labels)
    text = run("published.py", "mnist", tmp_path, "--only", "fastnn", "--threads", 1)
    assert re.search(r"seed 2 fastnn +[\d.]+ s, (0.9[89]|1.0)", text)

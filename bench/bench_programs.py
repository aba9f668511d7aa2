"""The programs of this folder run and print what they should, with few sizes, steps and rounds; and
compare.py finds out other work."""

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
from option_list import fit_reference
from tasks import ROWS, TASKS

HERE = pathlib.Path(__file__).parent


def run(program, *arguments, **environment):
    command = [sys.executable, HERE / program, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("only", ["--peers=numpy", "--only=fastnn"])
def test_compare(tmp_path, only):
    files = [
        "--json",
        tmp_path / "peers.json",
        "--markdown",
        tmp_path / "peers.md",
        "--plot",
        tmp_path / "peers.png",
    ]
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


def test_a_peer_that_is_not_installed_is_skipped(tmp_path):
    for package in ("onnx", "onnxruntime"):
        (tmp_path / f"{package}.py").write_text("raise ImportError('broken')")
    text = run("compare.py", "--rows", "I1", "--rounds", 1, "--peers", "onnx", PYTHONPATH=tmp_path)
    assert re.search(
        r"not here: ONNX Runtime \((not installed|ImportError: broken)\)", " ".join(text.split())
    )
    assert re.search(r"^I1 +[\d.]+$", text, re.M)


# ---- the same work ----


TRAININGS = [row for row, task in ROWS.items() if task.kind == "training"]


@pytest.mark.parametrize(
    "row", [*TRAININGS, "T2 momentum", "T2 clip_norm", "T3b dropout", "T4 amsgrad", "T4 average"]
)
def test_a_learning_rate_that_is_off_is_found_out(row):
    """fastnn passes; with a rate that is 1 % off its parameters do not, even beside the right
    losses."""
    task = TASKS[row].make()

    def params_of(option):
        task.option = option
        job = peers_plain.FastnnTraining(task, 1)
        job.begin()
        job.run(1)
        return job.net.state.seed, job.params().copy()

    option = task.option
    seed, params = params_of(option)
    X, y = task.X.astype(float), task.y.astype(float) if task.binary else task.y
    losses, right = fit_reference(task.net, option, X, y, 1, task.batch, seed or 0)
    assert task.difference((losses, params), (losses, right)) is None
    _, off = params_of(
        dataclasses.replace(
            option, optimizer=dataclasses.replace(option.optimizer, lr=1.01 * option.optimizer.lr)
        )
    )
    assert "updates of parameters differ" in task.difference((losses, off), (losses, right))


@pytest.mark.parametrize("row", ["T1", "T2", "I1", "tanh", "bce", "momentum"])
def test_other_work_is_found_out(row):
    """The right results pass; results that are a little off, or no numbers, do not."""
    task = ROWS[row].make()
    expected = task.expected()
    assert task.difference(expected, expected) is None

    def spoilt(change):
        if isinstance(expected, tuple):
            first, second = expected
            return (np.multiply(first, 1 + change), second), (first, second * (1 + change))
        return (expected * (1 + change),)

    for change in 0.05, np.nan:
        for results in spoilt(change):
            assert "differ" in task.difference(results, expected)


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


def test_isa():
    assert run("isa.py", "--quick").count("NumPy   ") == 5


def test_tiny():
    assert run("tiny.py", "--quick").count("not arithmetic") == 2


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
        images[np.arange(n), 2 * labels + 4] = 255  # a bar, the higher the smaller the digit
        write_idx(tmp_path / f"{which}-images-idx3-ubyte", images)
        write_idx(tmp_path / f"{which}-labels-idx1-ubyte", labels)
    text = run("published.py", "mnist", tmp_path, "--only", "fastnn", "--threads", 1)
    assert re.search(r"seed 2 fastnn +[\d.]+ s, (0.9[89]|1.0)", text)

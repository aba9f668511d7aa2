"""The programs of this folder run and print what they should: with few sizes, few steps, few rounds."""

import pathlib
import re
import struct
import subprocess
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent


def run(program, *arguments):
    command = [sys.executable, HERE / program, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def test_sweep():
    text = run("sweep.py", "--quick", "--every", 60, "--only", "width,rows,activation", "--dtypes", "float32")
    assert re.search(r"32-w-w-1.*\n +5 sizes, 241: +[\d.]+ us", text)
    assert re.search(r"gelu +[\d.]+ us", text)


def test_isa():
    assert run("isa.py", "--quick").count("NumPy   ") == 5


def test_tiny():
    assert run("tiny.py", "--quick").count("not arithmetic") == 2


def test_estimators():
    text = run("estimators.py", "--quick")
    assert len(re.findall(r"^(?:predict|partial_fit|fit).*(?:[\d.]+ +){3}[um]s$", text, re.M)) == 10


def test_threads():
    text = run("threads.py", "--quick")
    assert len(re.findall(r"^[\d-]+, \d+ +[\d.]+ \(1.00\)", text, re.M)) == 8 and "two trainings at once: " in text


def test_exponential():
    text = run("published.py", "exponential", "--steps", 20, "--threads", 1)
    assert 0 < float(re.search(r"last loss ([\d.]+)", text).group(1)) < 100


def write_idx(path, array):
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes())


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

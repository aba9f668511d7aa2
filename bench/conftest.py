"""What all benches share: the machine in the header, shapes, and `beside`, which times fastnn next to the NumPy reference."""

# ruff: noqa: E402
import os

# One thread each, as fastnn's default is. NumPy's BLAS reads this when it is loaded.
for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import contextlib
import io

import numpy as np
import pytest

import fastnn


def pytest_report_header():
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        fastnn.show_config()
    return text.getvalue().splitlines()


@pytest.fixture(params=["fastnn", "reference"])
def who(request, benchmark):
    """Each bench runs for both, in one group; compare them within one run only."""
    benchmark.group = request.node.name.replace(f"{request.param}-", "").replace(f"-{request.param}", "").replace(f"[{request.param}]", "")
    return request.param


@pytest.fixture
def race(who, benchmark):
    """race(fast, slow, same): check that both compute the same, then time the one whose turn it is."""

    def run(fast, slow, rtol=1e-4):
        for a, b in zip(np.atleast_1d(fast()), np.atleast_1d(slow())):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)
        benchmark(fast if who == "fastnn" else slow)

    return run


NETWORKS = {  # layer sizes, hidden activation, batch
    "3-4-1 b4": ([3, 4, 1], "sigmoid", 4),
    "30-32-1 b32": ([30, 32, 1], "relu", 32),
    "30-64-64-1 b32": ([30, 64, 64, 1], "relu", 32),
    "30-64-64-1 b256": ([30, 64, 64, 1], "relu", 256),
    "28-256-256-1 b256": ([28, 256, 256, 1], "relu", 256),
    "784-128-10 b128": ([784, 128, 10], "relu", 128),
}


@pytest.fixture(params=NETWORKS)
def network(request):
    """(net, X, y, batch size, loss name), float32"""
    sizes, activation, batch = NETWORKS[request.param]
    rng = np.random.default_rng(0)
    n = batch * 8
    X = rng.standard_normal((n, sizes[0]), dtype="f")
    binary = sizes[-1] == 1
    y = (X[:, :1] > 0).astype("f") if binary else rng.integers(0, sizes[-1], n)
    net = fastnn.MLP(sizes, activation, output="sigmoid" if binary else "softmax", rng=0)
    return net, X, y, batch, "bce" if binary else "cross_entropy"

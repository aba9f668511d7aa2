"""What all benches share: the machine in the header, the networks, and `race`, which times fastnn
next to the NumPy reference."""

import contextlib
import io
import os
import sys

import pytest

sys.path.insert(
    0, os.path.dirname(__file__)
)  # the benches import their neighbours as the programs do
import measure  # noqa: F401 - before NumPy
import numpy as np
from networks import NETWORKS

import fastnn


def pytest_report_header():
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        fastnn.show_config()
    return text.getvalue().splitlines()


@pytest.fixture(params=["fastnn", "reference"])
def who(request, benchmark):
    """Each bench runs for both, in one group; compare them within one run only."""
    benchmark.group = (
        request.node.name.replace(f"{request.param}-", "")
        .replace(f"-{request.param}", "")
        .replace(f"[{request.param}]", "")
    )
    return request.param


@pytest.fixture
def race(who, benchmark):
    """race(fast, slow, same): check that both compute the same, then time the one whose turn it
    is."""

    def run(fast, slow, rtol=1e-4):
        for a, b in zip(np.atleast_1d(fast()), np.atleast_1d(slow())):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)
        benchmark(fast if who == "fastnn" else slow)

    return run


@pytest.fixture(params=["T1", "T2", "T3a", "T3b", "T4", "T6"])
def network(request):
    """(net, X, y, batch size, loss name), float32, eight batches"""
    network = NETWORKS[request.param]
    X, y = network.data(8 * network.batch)
    return network.make(), X, y, network.batch, "bce" if network.binary else "cross_entropy"

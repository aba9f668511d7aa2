"""Report header and fixtures of the benchmarks that compare fastnn with `fastnn.reference`."""

import contextlib
import io
import os
import sys

import pytest

# The benchmarks import the modules of this folder by name, as the programs do.
sys.path.insert(0, os.path.dirname(__file__))
import measure  # noqa: F401 - before NumPy
import numpy as np
from networks import NETWORKS

import fastnn


def pytest_xdist_auto_num_workers():
    return 0  # measure in one process, with nothing beside it


def pytest_report_header():
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        fastnn.show_config()
    return text.getvalue().splitlines()


@pytest.fixture(params=["fastnn", "reference"])
def implementation(request, benchmark):
    """The implementation to time.

    Both are in one benchmark group. Compare their times only within one run.
    """
    benchmark.group = (
        request.node.name.replace(f"{request.param}-", "")
        .replace(f"-{request.param}", "")
        .replace(f"[{request.param}]", "")
    )
    return request.param


@pytest.fixture
def check_and_time(implementation, benchmark):
    """A function that checks that fast() and slow() return the same, and times one of them."""

    def run(fast, slow, rtol=1e-4):
        for a, b in zip(np.atleast_1d(fast()), np.atleast_1d(slow())):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)
        benchmark(fast if implementation == "fastnn" else slow)

    return run


@pytest.fixture(params=["T1", "T2", "T3a", "T3b", "T4", "T6"])
def network(request):
    """(net, X, y, batch size, loss name), in float32, with eight batches of rows"""
    network = NETWORKS[request.param]
    X, y = network.data(8 * network.batch)
    return network.make(), X, y, network.batch, "bce" if network.binary else "cross_entropy"

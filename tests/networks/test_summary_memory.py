"""The memory in `summary(batch_size=...)` is what trainings and predictions allocate."""

import ctypes
import sys

import numpy as np
import processes
import pytest

import fastnn
from fastnn import network
from fastnn.state import fresh
from fastnn.training.data import Data

PAGE = 4096


class MallocInfo(ctypes.Structure):
    """What glibc's mallinfo2 returns."""

    NAMES = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in NAMES.split()]


@pytest.fixture
def allocated():
    """A function that returns the bytes that are allocated now."""
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None) if sys.platform == "linux" else None
    if mallinfo is None:
        pytest.skip("this C library cannot say how much memory it has allocated")
    mallinfo.restype = MallocInfo

    def allocated():
        info = mallinfo()
        return info.uordblks + info.hblkhd

    return allocated


TRAININGS = [
    ([200, 300, 1], dict(output="sigmoid"), "adam"),
    ([200, 300, 40], dict(output="softmax", bias=False), fastnn.SGD(0.1, clip_norm=1.0)),
    ([400, 300], dict(dtype="float64"), fastnn.Adam(average=0.9)),
    ([200, 300, 300, 2], dict(dropout=0.5, activation="gelu"), "sgd"),
    ([200, 300, 2], dict(output="exponential"), fastnn.optimizers.Adam(amsgrad=True)),
]


@pytest.mark.parametrize("batch_size", [1, 32, 700])
@pytest.mark.parametrize(("sizes", "options", "optimizer"), TRAININGS)
def test_training(allocated, batch_size, sizes, options, optimizer):
    net = fastnn.MLP(sizes, rng=0, **options)
    net.state = state = fresh(net, fastnn.optimizers.resolve_optimizer(optimizer))
    expected = network._workspaces(net, batch_size)["training"]
    X = np.zeros((1000, sizes[0]), net.dtype)
    y = np.zeros(1000) if net.activations[-1] == "softmax" else np.zeros((1000, sizes[-1]))
    data = Data.of(net, X, y, fastnn.losses.resolve_loss(None, net.activations[-1]))
    more = dict(dropout=np.array(net.dropout)) if net.has_dropout else {}
    arguments = dict(optimizer=state.to_kernel(), **more)
    before = allocated()
    trainer = data.trainer(net, batch_size, **arguments)
    found = allocated() - before
    assert trainer.position()[0] == 0
    assert expected <= found < expected + 3 * PAGE and expected > 20 * PAGE


PREDICTS = """
import numpy as np, fastnn
from fastnn import network
from processes import status

net = fastnn.MLP([4, 50_000, 1], rng=0)
X = np.ones((256, 4), "float32")
net.forward(X[:1])
before = status("VmSize")  # with memory that it has not touched
net.forward(X)
print(network._workspaces(net, len(X))["forward"], status("VmPeak") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count the memory differently")
def test_forward():
    done = processes.run(PREDICTS)
    assert done.returncode == 0, done.stderr
    expected, found = map(int, done.stdout.split())
    assert expected > 100e6 and found == pytest.approx(expected, rel=0.01)

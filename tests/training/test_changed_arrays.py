"""Arrays that a callback changes after their check: no call reads or writes other memory."""

import processes
import pytest

CODE = """
import sys, numpy as np, fastnn
from scipy.sparse import csr_array
from fastnn import MLP, EncodedTable

random = np.random.default_rng(0)
X = random.normal(size=(500, 5)).astype("float32")
y = X[:, 0].copy()
FAR = 10**12

def rows(change):
    rows = [np.arange(400), np.arange(400), np.arange(400)]
    nets = [MLP([5, 8, 1], rng=i) for i in range(3)]
    fastnn.fit_many(nets, X, y, rows=rows, epochs=5, callbacks=change(rows[0], rows[2]), n_threads=1)
    for i, net in enumerate(nets):  # as if the arrays had not changed
        same = MLP([5, 8, 1], rng=i).fit(X[:400], y[:400], epochs=5)
        assert net.history.loss == same.loss

def validation_rows(change):
    rows = np.arange(400)
    nets = [MLP([5, 8, 1], rng=i) for i in range(3)]
    fastnn.fit_many(nets, X, y, validation_rows=rows, epochs=5, callbacks=change(rows), n_threads=1)
    same = MLP([5, 8, 1], rng=2).fit(X, y, epochs=5, validation_data=(X[:400], y[:400]))
    assert nets[2].history.val_loss == same.val_loss

def order(change):
    def change_state(net, history):
        net.state.order = np.full(500, FAR)
        change(net.state.order)(net, history)
    MLP([5, 8, 1], rng=0).fit(X, y, epochs=5, callbacks=change_state)

def labels(change):
    labels = random.integers(3, size=500)
    net = MLP([5, 8, 3], output="softmax", rng=0)
    net.fit(X, labels, epochs=5, callbacks=change(labels), validation_data=(X, labels))

def codes(change):
    codes = random.integers(3, size=(500, 2)).astype(np.int32)
    table = EncodedTable(codes=codes, n_categories=3)
    MLP([6, 8, 1], rng=0).fit(table, y, epochs=5, callbacks=change(codes))

def positions(change):
    positions = random.random((500, 2)).astype("float32")
    table = EncodedTable(positions=positions, n_bins=3)
    MLP([6, 8, 1], rng=0).fit(table, y, epochs=5, callbacks=change(positions))

def sparse(part, change, shuffle=True):
    rows = csr_array(X)
    net = MLP([5, 8, 1], rng=0)
    try:
        net.fit(rows, y, epochs=5, callbacks=change(getattr(rows, part)), shuffle=shuffle)
    except ValueError as error:
        assert str(error).startswith(part + " of a sparse matrix points outside of it"), error
    else:
        raise AssertionError("not refused")
    try:
        net.forward(rows)
    except ValueError as error:
        assert "points outside of it" in str(error), error

def indices(change): sparse("indices", change)
def indices_in_order(change): sparse("indices", change, False)
def indptr(change): sparse("indptr", change)
def indptr_in_order(change): sparse("indptr", change, False)

def change(*arrays, value=int(sys.argv[1])):
    def callback(net, history):
        for a in arrays:
            a[:] = np.array(value).astype(a.dtype)
    return callback

for name in sys.argv[2:]:
    print(name, flush=True)
    globals()[name](change)
"""


CHANGED = [
    *("rows", "validation_rows", "order", "labels", "codes", "positions"),
    *("indices", "indices_in_order", "indptr", "indptr_in_order"),
]


@pytest.mark.parametrize("value", [10**9, -(10**9), 10**12])
def test_changed_arrays_lead_to_no_other_memory(value):
    process = processes.run(CODE, value, *CHANGED)
    done = process.stdout.split()
    assert process.returncode == 0, f"after a change of {done[-1:]}: {process.stderr}"
    assert done == CHANGED

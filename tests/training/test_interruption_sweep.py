"""Ctrl-C at every point of fastnn's Python code, or at some of them: see `interrupt.Interruption`.

Afterwards nothing is locked, parameters are those of a whole step, and training resumes from it.
"""

import contextlib
import gc
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from checks import assert_finite, assert_same_bits
from interrupt import Interruption
from scale import step
from small_training import squared

import fastnn
from fastnn import MLP, SGD, Adam, DivergenceError, EarlyStopping
from fastnn.schedules import ReduceOnPlateau
from fastnn.training import pool, session

RNG = np.random.default_rng(1)
# epochs of several slices, if batches are small
ROWS = RNG.normal(size=(1500, 3)).astype("float32")
TARGETS = ROWS[:, :1] * ROWS[:, 1:2]
X, Y = ROWS[:40], TARGETS[:40]
HELD_OUT = X[:10].copy(), Y[:10].copy()
GROUPS = [(X[i : i + 11], Y[i : i + 11]) for i in range(0, 40, 11)]


@pytest.fixture(autouse=True)
def short_slices(monkeypatch):
    """Slices of about 20 us."""
    for module in (session, pool):
        monkeypatch.setattr(module, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(pool, "TAIL_SECONDS", 0.0)
    monkeypatch.setattr(pool, "TAIL_PART", 0.0)


def interruptions(make, call, stride, first=None):
    """Run call(make()) again and again, with Ctrl-C at one point after the other.

    Yield what `make` returned, and the point. first : the first point; by default one that depends
    on the stride.
    """
    n = 0
    for n in itertools.count():
        point = Interruption((first or 1 + stride // 3) + n * stride)
        subject = make()
        gc.enable()
        with contextlib.suppress(KeyboardInterrupt):
            point.run(lambda subject=subject: call(subject))
        if point.where is None:
            break
        assert gc.isenabled(), point.where
        yield subject, point.where
    assert n > 3


def is_free(generator):
    """Whether another thread gets the lock of a generator."""

    def take():
        got = generator.bit_generator.lock.acquire(timeout=60)
        if got:
            generator.bit_generator.lock.release()
        return got

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(take).result()


@dataclass
class Fit:
    """A call of `fit` of one network."""

    options: dict
    data: Any = (ROWS, TARGETS)
    network: dict | None = None
    epochs: int = 3
    stride: int = 60

    def make(self):
        return MLP([3, 5, 1], rng=0, **(self.network or {}))

    def run(self, net, epochs=None, **resume):
        epochs = self.epochs if epochs is None else epochs
        return net.fit(*self.data, epochs=epochs, **self.options, **resume)


def look(net, history):
    pass


VALIDATED = dict(batch_size=4, validation_data=HELD_OUT)
PLATEAU = Adam(ReduceOnPlateau(0.01, patience=1))
FITS = {
    "plain": Fit(dict(batch_size=4)),
    "one batch, in order": Fit(dict(batch_size=None, shuffle=False), stride=15),
    "threads": Fit(dict(batch_size=4, n_threads=2)),
    "callbacks": Fit(VALIDATED | dict(callbacks=[look, EarlyStopping(50)])),
    "early stopping": Fit(VALIDATED | dict(callbacks=EarlyStopping(50))),
    "average": Fit(dict(batch_size=4, optimizer=Adam(average=0.9), callbacks=look)),
    "plateau": Fit(dict(batch_size=4, optimizer=PLATEAU, validation_fraction=0.2)),
    "dropout": Fit(dict(batch_size=4, validation_fraction=0.2), network=dict(dropout=0.2)),
    "custom loss": Fit(dict(batch_size=16, loss=squared), (X, Y)),
    "row groups": Fit(dict(batch_size=4, window=12), (GROUPS,)),
    "row groups in order": Fit(dict(batch_size=4, window=12, shuffle=False), (GROUPS,)),
}


@pytest.mark.parametrize("name", FITS)
def test_fit(name):
    check_fit(FITS[name])


def test_fit_of_a_parquet_file(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="Parquet files need pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "y": Y[:, 0]})
    parquet.write_table(table, tmp_path / "table.parquet", row_group_size=11)
    check_fit(Fit(dict(batch_size=4, window=12), (tmp_path / "table.parquet", "y"), stride=150))


def test_fit_of_sparse_rows():
    sparse = pytest.importorskip("scipy.sparse", reason="sparse rows need SciPy")
    check_fit(Fit(dict(batch_size=7), (sparse.csr_matrix(X), Y)))


def check_fit(case):
    whole = case.make()
    history = case.run(whole)
    for net, where in interruptions(case.make, case.run, step(case.stride)):
        check_usable(net, where)
        if net.state is None:
            assert_same_bits(net.params, case.make().params, where)
            continue
        check_history(net, history, where)
        if net.state.averages and net.state.step:
            assert_same_bits(net.params, net.state.moments[-1], where)
        if net.state.epoch < case.epochs:
            case.run(net, case.epochs - net.state.epoch, resume=True)
        assert_same_bits(net.params, whole.params, where)
        assert_same_bits(net.state.moments, whole.state.moments, where)


def check_usable(net, where):
    net._check_may_train()
    assert is_free(net.rng), where
    assert_finite(net.params, where)
    other = net.copy()
    other.params = 0.1  # those before a divergence may be so large that the loss overflows
    other.fit(X, Y, epochs=1)
    other.loss_and_grad(X, Y)


def check_history(net, whole, where):
    """The history has the epochs that are complete, and their losses."""
    history, n = net.history, net.state.epoch
    assert (history.n_epochs, len(history.loss), history.n_steps) == (n, n, net.state.step), where
    assert len(history.val_loss) <= n, where
    assert history.loss == whole.loss[:n], where
    assert_same_bits(history.val_loss, whole.val_loss[: len(history.val_loss)], where)
    assert not whole.val_loss or len(history.val_loss) >= n - 1, where


@pytest.mark.parametrize("batch_size", [None, 4])
@pytest.mark.parametrize("callbacks", [(), [look]], ids=["", "callback"])
def test_fit_that_diverges(batch_size, callbacks):
    options = dict(optimizer=SGD(1e15), batch_size=batch_size, epochs=9, callbacks=callbacks)

    def fit(net):
        with contextlib.suppress(DivergenceError):
            net.fit(ROWS, TARGETS, **options)

    for net, where in interruptions(lambda: MLP([3, 5, 1], rng=0), fit, step(5)):
        check_usable(net, where)
        assert net.history is None or np.isfinite(net.history.loss).all(), where


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("callbacks", [(), [[look], [EarlyStopping(9)], [], [look]]])
def test_fit_many(n_threads, callbacks):
    """The third network diverges."""
    optimizers = [Adam(0.01), Adam(0.01), SGD(1e30), Adam(average=0.9)]
    epochs, batches = [3, 4, 3, 4], [4, 5, 4, None]

    def make():
        return [MLP([3, 4 + i // 2, 1], rng=i) for i in range(4)]

    def fit(nets):
        options = dict(callbacks=callbacks, n_threads=n_threads, validation_data=HELD_OUT)
        fastnn.fit_many(nets, ROWS, TARGETS, None, optimizers, epochs, batches, **options)

    whole = make()
    fit(whole)
    histories = [net.history for net in whole]
    for nets, where in interruptions(make, fit, step(60)):
        for i, (net, start) in enumerate(zip(nets, make())):
            check_usable(net, where)
            if net.state is None:
                assert_same_bits(net.params, start.params, where)
                continue
            check_history(net, histories[i], where)
            left = epochs[i] - net.state.epoch
            if i == 2 or callbacks:
                continue
            if left:
                net.fit(ROWS, TARGETS, epochs=left, batch_size=batches[i], resume=True)
            assert_same_bits(net.params, whole[i].params, where)


def test_fit_many_begins_or_restores_the_collector():
    """Every point up to the first steps: one of them follows the pause of the garbage collector."""

    def fit(net):
        fastnn.fit_many([net], X, Y, epochs=1, n_threads=1)

    points = interruptions(lambda: MLP([3, 1], rng=0), fit, 1, first=1)
    for net, where in itertools.islice(points, 100):
        check_usable(net, where)


CALLS = {
    "partial_fit": lambda net: net.partial_fit(X, Y),
    "loss": lambda net: net.loss(X, Y),
    "loss_and_grad": lambda net: net.loss_and_grad(X, Y),
    "copy": lambda net: net.copy(),
    "forward": lambda net: net.forward(X.tolist()),
    "forward_many": lambda net: fastnn.forward_many([net], X),
}


@pytest.mark.parametrize("name", CALLS)
def test_other_calls(name):
    net = MLP([3, 5, 1], rng=0)
    net.fit(X, Y, epochs=1)
    for _, where in interruptions(lambda: net, CALLS[name], step(5)):
        check_usable(net, where)


@pytest.mark.filterwarnings("ignore:.*(stopped after|interrupted)")
def test_fit_of_an_estimator():
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")

    def make():
        options = dict(n_estimators=2, max_iter=3, early_stopping=True, random_state=0)
        return fastnn.MLPRegressor((4,), **options)

    expected = make().fit(X, Y[:, 0]).predict(X)
    for model, where in interruptions(make, lambda model: model.fit(X, Y[:, 0]), step(300)):
        for net in getattr(model, "networks_", []):
            net._check_may_train()
            assert_finite(net.params, where)
        assert_same_bits(model.fit(X, Y[:, 0]).predict(X), expected, where)


def test_fit_of_a_table(quick_recipe):
    """The estimator has complete folds, from which `resume` continues, or did not change."""
    pytest.importorskip("sklearn", reason="estimators for tables need the extra sklearn")
    pandas = pytest.importorskip("pandas")
    quick_recipe(2)
    table = pandas.DataFrame({"x": X[:, 0], "letter": RNG.choice(list("abc"), 40)})

    def make():
        options = dict(n_estimators=2, hidden_layer_sizes=3, n_threads=1, random_state=0)
        return fastnn.TabularRegressor(**options)

    def fit(model, **resume):
        model.fit(table, Y[:, 0], **resume)

    whole, kept = make(), 0
    fit(whole)
    for model, where in interruptions(make, fit, step(900)):
        if not hasattr(model, "n_folds_"):
            assert vars(model) == vars(make()), where
            continue
        kept += 1
        fit(model, resume=True)
        assert_same_bits(model.oof_prediction_, whole.oof_prediction_, where)
        assert_same_bits(model.predict(table), whole.predict(table), where)
    assert kept

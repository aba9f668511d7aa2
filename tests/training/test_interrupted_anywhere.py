"""Ctrl-C at any point of the Python code of a training: it resumes as if it had not stopped."""

import copy

import numpy as np
import pytest
from checks import assert_same_bits, training_state
from interrupt import Interruption, n_interruption_points
from scale import step
from scipy.sparse import csr_array

import fastnn
from fastnn import MLP, SGD, Adam, EarlyStopping
from fastnn.core import sparse_rows
from fastnn.schedules import ReduceOnPlateau

X = np.random.default_rng(0).normal(size=(100, 6)).astype("float32")
Y = X[:, 0] * X[:, 1]
GROUPS = [(X[:70], Y[:70]), (X[70:], Y[70:])]
EPOCHS = 3
AVERAGE = Adam(0.01, average=0.9)
STOPPING = dict(optimizer=AVERAGE, validation_fraction=0.3, callbacks=EarlyStopping(50))
CASES = {  # rows, options, and one of so many points is tested
    "memory": ((X, Y), dict(optimizer=AVERAGE), 11),
    "schedule": ((X, Y), dict(optimizer=SGD(ReduceOnPlateau(0.5, patience=0))), 11),
    "windows": ((GROUPS,), dict(optimizer=AVERAGE, window=64), 29),
    "one window": ((GROUPS,), dict(optimizer=AVERAGE), 29),
    "sparse": ((csr_array(X), Y), dict(optimizer=AVERAGE), 97),
    "in order": ((csr_array(X), Y), dict(optimizer=AVERAGE, shuffle=False), 101),
    "early stopping": ((X, Y), STOPPING, 13),
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(sparse_rows, "BLOCK_BYTES", 32 * 6 * 4)


def interruptions(make, call, every):
    """Interrupt a call at some of its points, one after the other; yield what it was called with."""
    call(make())  # fills caches
    subject = make()
    n_points = n_interruption_points(lambda: call(subject))
    assert n_points > 2 * every
    tried = range(1 + every // 2, n_points, step(every))
    n_interrupted = 0
    for n in tried:
        subject = make()
        try:
            Interruption(n).run(lambda subject=subject: call(subject))
        except KeyboardInterrupt:
            n_interrupted += 1
            yield subject
    # the number of slices, and so of points, differs a little from call to call
    assert n_interrupted > 0.7 * len(tried)


def complete_state(net):
    params = net.state.params
    return *training_state(net), np.empty(0) if params is None else params


def assert_stopped_and_resumes(net, whole, begin, fit):
    """Check a network that was interrupted, and train it to the end."""
    if net.history is None:  # it has not begun
        assert_same_bits(net.params, begin.params)
        assert net.rng.bit_generator.state == begin.rng.bit_generator.state
        return
    n, last = len(net.history.loss), whole.history
    first = last.n_epochs - (whole.state.epoch - net.state.epoch + n)
    assert net.history.loss == last.loss[first : first + n] and net.history.n_epochs == n
    if net.state.epoch < whole.state.epoch:
        assert net.history.stop_reason == "interrupted"
    if begin.state and net.state.step == begin.state.step:
        assert_same_bits(net.params, begin.params)
    if net.state.epoch < whole.state.epoch:
        fit(net, epochs=whole.state.epoch - net.state.epoch, resume=True)
    assert_same_bits(complete_state(net), complete_state(whole))


@pytest.mark.parametrize("begins", ["anew", "with dropout", "resumed"])
@pytest.mark.parametrize("case", CASES)
def test_fit_resumes(case, begins):
    """Also a fit that has been resumed itself."""
    dropout, resumes = 0.2 * (begins == "with dropout"), begins == "resumed"
    rows, options, every = CASES[case]

    def fit(net, epochs=EPOCHS, resume=resumes):
        net.fit(*rows, epochs=epochs, resume=resume, **options)

    begin = MLP([6, 5, 1], dropout=dropout, rng=0)
    if resumes:
        fit(begin, 1, False)
    whole = begin.copy()
    fit(whole)
    begin.history = None
    for net in interruptions(begin.copy, fit, every):
        assert_stopped_and_resumes(net, whole, begin, fit)


def test_fit_many_resumes():
    def make():
        return [MLP([6, 5, 1], dropout=0.2 * (i == 1), rng=i) for i in range(4)]

    def fit(nets, epochs=EPOCHS, resume=False):
        fastnn.fit_many(nets, X, Y, optimizer=AVERAGE, epochs=epochs, resume=resume, n_threads=1)

    begin, whole = make(), make()
    fit(whole)
    for nets in interruptions(make, fit, 19):
        for net, *others in zip(nets, whole, begin):
            assert_stopped_and_resumes(net, *others, lambda net, **options: fit([net], **options))


# ---- partial_fit of estimators ----


@pytest.mark.parametrize("n_rows", [100, 1])
@pytest.mark.parametrize("n_estimators", [1, 2])
def test_partial_fit_of_an_estimator_records_what_it_trained(n_estimators, n_rows):
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    rows = X[:n_rows].copy(), Y[:n_rows]
    options = dict(n_estimators=n_estimators, bagging=None, random_state=0)
    trained = fastnn.MLPRegressor((4,), **options).partial_fit(*rows).partial_fit(*rows)
    steps_online = n_rows == n_estimators == 1
    before = [net.state.step for net in trained.networks_]

    def make():
        estimator = copy.deepcopy(trained)
        if steps_online:
            return estimator.partial_fit(*rows)  # the next call takes a step without a Session
        return estimator.set_params(dropout=0.2)  # so that it draws a seed

    def as_list(values):
        return values if n_estimators > 1 else [values]

    whole = make().partial_fit(*rows)
    for estimator in interruptions(make, lambda e: e.partial_fit(*rows), 3 if steps_online else 13):
        numbers = [len(curve) for curve in as_list(estimator.loss_curve_)]
        assert numbers == [net.state.epoch for net in estimator.networks_]
        assert as_list(estimator.t_) == [n_rows * n for n in numbers]
        assert as_list(estimator.loss_) == [curve[-1] for curve in as_list(estimator.loss_curve_)]
        if [net.state.step for net in estimator.networks_] == before:  # nothing is done
            estimator.partial_fit(*rows)
            for net, other in zip(estimator.networks_, whole.networks_):
                assert_same_bits(complete_state(net), complete_state(other))
                assert net.rng.bit_generator.state == other.rng.bit_generator.state

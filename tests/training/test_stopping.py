"""Patience: how each stopping rule counts epochs without improvement."""

import math
import sys
from fractions import Fraction

import numpy as np
import pytest
from checks import assert_same_bits

import fastnn
from fastnn import MLP, EarlyStopping
from fastnn.callbacks import Callback, Patience
from fastnn.training import session

X, Y = np.eye(2), [0.0, 1.0]
LATER = dict(min_delta=0.25, running_best=True, best=1.0)
LOSSES = [1.0, 0.8, 0.75, 0.75, 0.72, 0.9, math.nan]


IMPROVEMENTS = [
    (dict(), [0, 0, 0, 1, 0, 1, 2], [1, 1, 1, 0, 1, 0, 0]),
    (dict(keep="last"), [0, 0, 0, 0, 0, 1, 2], [1, 1, 1, 1, 1, 0, 0]),
    (dict(min_delta=0.1), [0, 0, 1, 2, 3, 4, 5], [1, 1, 0, 0, 0, 0, 0]),
    (dict(min_delta=0.1, keep="last"), [0, 0, 1, 2, 3, 4, 5], [1, 1, 0, 0, 0, 0, 0]),
    (dict(min_delta=0.2, running_best=True), [0, 0, 1, 2, 3, 4, 5], [1, 1, 1, 0, 1, 0, 0]),
    (LATER, [1, 2, 3, 4, 5, 6, 7], [0, 1, 1, 0, 1, 0, 0]),
    (dict(running_best=True, keep="last"), [0, 0, 0, 0, 0, 1, 2], [1, 1, 1, 1, 1, 0, 0]),
]


@pytest.mark.parametrize(("settings", "counts", "best"), IMPROVEMENTS, ids=str)
def test_what_counts_as_an_improvement(settings, counts, best):
    patience = Patience(math.inf, **settings)
    found = [(patience.update(loss), patience.count) for loss in LOSSES]
    assert found == list(zip(map(bool, best), counts)) and not patience.exhausted


@pytest.mark.parametrize("monitor", ["loss", "error_rate"])
def test_early_stopping_keeps_the_first_or_the_last_of_equal_epochs(monitor):
    """A learning rate of 0: all epochs are equal."""
    for keep, epochs, best in (("first", 4, 1), ("last", 10, 10)):
        net = MLP([2, 1], output="sigmoid", rng=0)
        stop = EarlyStopping(patience=3, keep=keep, monitor=monitor)
        options = dict(validation_data=(X, Y), callbacks=stop)
        history = net.fit(X, Y, optimizer=fastnn.SGD(0.0), epochs=10, **options)
        assert (history.n_epochs, net.state.best.epoch) == (epochs, best)
    with pytest.raises(ValueError, match="keep must be 'first' or 'last', got 'best'"):
        EarlyStopping(keep="best")


def rows(n=40):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 4)), rng.normal(size=n)


def regressor(width=5, **options):
    pytest.importorskip("sklearn")
    return fastnn.MLPRegressor((width,), random_state=0, **options)


def test_compiled_loop_and_patience_agree_on_when_to_stop():
    """The dense engine counts in the compiled loop. With a callback every epoch is a slice, and
    the session counts."""
    found = []
    for callbacks in ((), (lambda net, history: None,)):
        options = dict(tol=0.01, n_iter_no_change=4, max_iter=500, callbacks=callbacks)
        model = regressor(**options).fit(*rows(80))
        found.append((model.n_iter_, model.loss_curve_, model.best_loss_, model.network_.params))
    assert_same_bits(*found)
    assert found[0][0] < 500


@pytest.mark.parametrize("settings", [dict(learning_rate="adaptive"), dict()], ids=str)
def test_the_length_of_slices_does_not_change_when_patience_ends(monkeypatch, settings):
    """Also not after a warm start, or a retry with a lower rate, from a loss better than the next."""
    found = []
    settings |= dict(solver="sgd", learning_rate_init=0.3, tol=1e-3, n_iter_no_change=6)
    for seconds in (10.0, 1e-9):
        monkeypatch.setattr(session, "SLICE_SECONDS", seconds)
        model = regressor(8, warm_start=True, max_iter=400, **settings).fit(*rows(60))
        first = model.n_iter_
        model.fit(*rows(60))
        found.append((first, model.n_iter_, model.loss_curve_, model.network_.params))
    assert_same_bits(*found)


@pytest.mark.parametrize("keep", ["first", "last"])
@pytest.mark.parametrize("target", [1.0, 3e38, -3e38, np.nan])
def test_compiled_and_python_early_stopping_agree(target, keep):
    """3e38: an infinite validation loss. The first epoch is the best so far, whatever its loss."""
    X = np.random.default_rng(0).normal(size=(64, 5)).astype("f4")
    validation = X, np.full(64, target, "f4")
    for patience, min_delta in ((1, 0.0), (3, 0.01), (None, 0.0), (10**30, 0.0)):
        found = []
        options = dict(epochs=6, validation_data=validation)
        for others in ([], [lambda net, history: None]):
            stopping, net = EarlyStopping(patience, min_delta, keep=keep), MLP([5, 8, 1], rng=0)
            history = net.fit(X, X[:, 0], callbacks=[stopping, *others], **options)
            best = net.state.best
            found.append((history.n_epochs, history.stop_reason, best.epoch, best.loss, net.params))
            if target != 1.0:
                last = keep == "last" and not math.isnan(target)
                assert best.epoch == (history.n_epochs if last else 1)
        assert_same_bits(*found)
        many, _ = nets = [MLP([5, 8, 1], rng=0), MLP([5, 8, 1], rng=1)]
        stopping = EarlyStopping(patience, min_delta, keep=keep)
        fastnn.fit_many(nets, X, X[:, 0], callbacks=stopping, **options)
        assert_same_bits(many.params, net.params)


def test_the_first_of_bad_epochs_is_the_best():
    for bad in (np.inf, np.nan):
        patience = Patience(2)
        found = [patience.update(loss) for loss in (bad, bad, 0.5, bad)]
        assert found == [True, False, True, False]
        assert (patience.count, patience.best) == (1, 0.5)
    patience = Patience(2, has_best=True, best=0.3)
    assert not patience.update(0.4)


def test_numbers_that_c_cannot_hold():
    """Huge numbers that mean "never" are accepted, the others are refused by name."""
    X, y = np.eye(4, dtype="f4"), np.arange(4.0, dtype="f4")
    huge = 10**30
    expected = MLP([4, 1], rng=0)
    expected.fit(X, y, epochs=3)
    for options in (
        dict(batch_size=huge),
        dict(callbacks=EarlyStopping(huge)),
        dict(n_threads=huge),
        dict(epochs=huge, callbacks=lambda net, history: history.n_epochs == 3),
    ):
        net = MLP([4, 1], rng=0)
        net.fit(X, y, **dict(epochs=3) | options)
        assert_same_bits(net.params, expected.params)
    for n in (1, 2):
        model = regressor(n_iter_no_change=huge, max_iter=3, n_estimators=n, bagging=None)
        with pytest.warns(UserWarning, match="max_iter=3"):
            assert model.fit(X, y).n_iter_ == 3
    rate = fastnn.schedules.StepDecay(0.1, every=huge)
    for call, name in (
        (lambda: rate(huge), "t"),
        (lambda: net.summary(batch_size=huge), "batch_size"),
        (lambda: fastnn.functional.adam_step_(*np.zeros((4, 3)), step=huge, lr=0.1), "step"),
    ):
        message = f"{name} must be .* at most {sys.maxsize}, got {huge}"
        with pytest.raises(ValueError, match=message):
            call()


def test_a_min_delta_of_any_real_type():
    for min_delta in (Fraction(1, 2), np.float32(0.5), 1, True):
        callbacks = [EarlyStopping(2, min_delta), lambda net, history: None]
        history = MLP([2, 1], rng=0).fit(X, Y, epochs=9, callbacks=callbacks)
        assert history.stop_reason.endswith(f"by more than {float(min_delta):g} for 2 epochs")
    optimizer = fastnn.SGD(Fraction(1, 2), momentum=Fraction(1, 2))
    assert type(optimizer.lr) is type(optimizer.momentum) is float


class Events(Callback):
    """Records its calls."""

    interval = 0.0

    def __init__(self):
        self.log = []

    def on_fit_begin(self, net, history):
        self.log.append("begin")

    def on_epoch_end(self, net, history):
        self.log.append(f"epoch {net.state.epoch} of {len(history.loss)}")

    def on_interval(self, net, history):
        self.log.append("interval")

    def on_fit_end(self, net, history):
        self.log.append("end")


@pytest.mark.filterwarnings("ignore:Training stopped after max_iter=3 iterations")
@pytest.mark.parametrize("kind", ["dense", "sparse", "lbfgs"])
def test_every_engine_gives_callbacks_the_same_events(kind):
    sparse = pytest.importorskip("scipy.sparse")
    X, y = rows()
    events, solver = Events(), "lbfgs" if kind == "lbfgs" else "adam"
    model = regressor(solver=solver, tol=0, max_iter=3, n_iter_no_change=np.inf, callbacks=events)
    model.fit(sparse.csr_matrix(X) if kind == "sparse" else X, y)
    epochs = [e for i in (1, 2, 3) for e in (f"epoch {i} of {i}", "interval")]
    assert events.log == ["begin", *epochs, "end"]


ADAPTIVE = dict(solver="sgd", learning_rate="adaptive")


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_callback_stops_training_with_the_adaptive_rate(early_stopping):
    stop = lambda net, history: history.n_epochs == 3  # noqa: E731
    model = regressor(**ADAPTIVE, early_stopping=early_stopping, callbacks=stop)
    assert model.fit(*rows()).n_iter_ == 3
    assert model.network_.history.stop_reason == "callback <lambda> returned True"


def test_the_adaptive_rate_gives_callbacks_one_beginning_and_one_end():
    events = Events()
    options = dict(learning_rate_init=0.05, tol=0.1, n_iter_no_change=2, callbacks=events)
    model = regressor(**ADAPTIVE, **options).fit(*rows())
    assert events.log.count("begin") == events.log.count("end") == 1
    assert model.network_.state.optimizer.lr <= 1e-6
    assert model.n_iter_ == len(model.loss_curve_) == model.network_.history.n_epochs

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

LOSSES = [1.0, 0.8, 0.75, 0.75, 0.72, 0.9, math.nan]


@pytest.mark.parametrize(
    ("settings", "counts", "best"),
    [
        (dict(), [0, 0, 0, 1, 0, 1, 2], [1, 1, 1, 0, 1, 0, 0]),
        (dict(keep="last"), [0, 0, 0, 0, 0, 1, 2], [1, 1, 1, 1, 1, 0, 0]),
        (dict(min_delta=0.1), [0, 0, 1, 2, 3, 4, 5], [1, 1, 0, 0, 0, 0, 0]),
        (dict(min_delta=0.1, keep="last"), [0, 0, 1, 2, 3, 4, 5], [1, 1, 0, 0, 0, 0, 0]),
        (dict(min_delta=0.1, running_best=True), [0, 0, 1, 2, 3, 4, 5], [1, 1, 1, 0, 1, 0, 0]),
        (
            dict(min_delta=0.25, running_best=True, best=1.0),
            [1, 2, 3, 4, 5, 6, 7],
            [0, 1, 1, 0, 1, 0, 0],
        ),
        (dict(running_best=True, keep="last"), [0, 0, 0, 0, 0, 1, 2], [1, 1, 1, 1, 1, 0, 0]),
    ],
    ids=str,
)
def test_what_counts_as_an_improvement(settings, counts, best):
    patience = Patience(math.inf, **settings)
    found = [(patience.update(loss), patience.count) for loss in LOSSES]
    assert found == list(zip(map(bool, best), counts)) and not patience.exhausted


def test_patience_is_exhausted_after_that_many_epochs_without_improvement():
    patience = Patience(2)
    assert [(patience.update(loss), patience.exhausted) for loss in (1.0, 1.0, 0.5, 0.6, 0.7)] == [
        (True, False),
        (False, False),
        (True, False),
        (False, False),
        (False, True),
    ]


def test_early_stopping_keeps_the_last_of_equal_epochs_if_asked():
    X, y = np.eye(2), [0.0, 1.0]
    for keep, epochs, best in (("first", 4, 1), ("last", 10, 10)):
        net = MLP([2, 1], rng=0)
        history = net.fit(
            X,
            y,
            epochs=10,
            optimizer=fastnn.SGD(0.0),
            callbacks=EarlyStopping(patience=3, keep=keep),
        )
        assert (history.n_epochs, net.state.best.epoch) == (epochs, best)
    with pytest.raises(ValueError, match="keep must be 'first' or 'last', got 'best'"):
        EarlyStopping(keep="best")


def test_patience_goes_on_counting_after_a_resume():
    X, y = np.eye(2), [0.0, 1.0]
    net = MLP([2, 1], rng=0)
    net.fit(X, y, epochs=2, optimizer=fastnn.SGD(0.0), callbacks=EarlyStopping(patience=3))
    assert net.fit(X, y, epochs=10, resume=True, callbacks=EarlyStopping(patience=3)).n_epochs == 2


def test_compiled_loop_and_patience_agree_on_when_to_stop():
    """The dense engine counts in the compiled loop. With a callback every epoch is a slice, and
    the session counts."""
    pytest.importorskip("sklearn")
    from fastnn import MLPRegressor

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 4)), rng.normal(size=80)
    found = []
    for callbacks in ((), (lambda net, history: None,)):
        model = MLPRegressor(
            (5,), tol=0.01, n_iter_no_change=4, random_state=0, callbacks=callbacks, max_iter=500
        ).fit(X, y)
        found.append((model.n_iter_, model.loss_curve_, model.best_loss_, model.network_.params))
    assert_same_bits(*found)
    assert found[0][0] < 500


@pytest.mark.parametrize("settings", [dict(learning_rate="adaptive"), dict()], ids=str)
def test_the_length_of_slices_does_not_change_when_patience_ends(monkeypatch, settings):
    """Also not after a warm start, or a retry with a lower rate, from a loss better than the next."""
    pytest.importorskip("sklearn")
    from fastnn import MLPRegressor

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), rng.normal(size=60)
    found = []
    for seconds in (10.0, 1e-9):
        monkeypatch.setattr(session, "SLICE_SECONDS", seconds)
        model = MLPRegressor(
            (8,),
            solver="sgd",
            learning_rate_init=0.3,
            tol=1e-3,
            n_iter_no_change=6,
            warm_start=True,
            max_iter=400,
            random_state=0,
            **settings,
        ).fit(X, y)
        first = model.n_iter_
        model.fit(X, y)
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
        for others in ([], [lambda net, history: None]):
            stopping, net = EarlyStopping(patience, min_delta, keep=keep), MLP([5, 8, 1], rng=0)
            history = net.fit(
                X, X[:, 0], epochs=6, validation_data=validation, callbacks=[stopping, *others]
            )
            best = net.state.best
            found.append((history.n_epochs, history.stop_reason, best.epoch, best.loss, net.params))
            if target != 1.0:
                last = keep == "last" and not math.isnan(target)
                assert best.epoch == (history.n_epochs if last else 1)
        assert_same_bits(*found)
        many, _ = nets = [MLP([5, 8, 1], rng=0), MLP([5, 8, 1], rng=1)]
        options = dict(epochs=6, validation_data=validation)
        fastnn.fit_many(
            nets, X, X[:, 0], callbacks=EarlyStopping(patience, min_delta, keep=keep), **options
        )
        assert_same_bits(many.params, net.params)


def test_the_first_of_bad_epochs_is_the_best():
    for bad in (np.inf, np.nan):
        patience = Patience(2)
        assert [patience.update(loss) for loss in (bad, bad, 0.5, bad)] == [
            True,
            False,
            True,
            False,
        ]
        assert (patience.count, patience.best) == (1, 0.5)
    patience = Patience(2, has_best=True, best=0.3)
    assert not patience.update(0.4)


def test_numbers_that_c_cannot_hold():
    """Huge numbers that mean "never" are accepted, the others are refused by name."""
    pytest.importorskip("sklearn")
    from fastnn import MLPRegressor

    X, y = np.eye(4, dtype="f4"), np.arange(4.0, dtype="f4")
    huge = 10**30
    expected = MLP([4, 1], rng=0)
    expected.fit(X, y, epochs=3)
    for options in (
        dict(batch_size=huge),
        dict(callbacks=EarlyStopping(huge)),
        dict(n_threads=huge),
    ):
        net = MLP([4, 1], rng=0)
        net.fit(X, y, epochs=3, **options)
        assert_same_bits(net.params, expected.params)
    net = MLP([4, 1], rng=0)
    net.fit(X, y, epochs=huge, callbacks=lambda net, history: history.n_epochs == 3)
    assert_same_bits(net.params, expected.params)
    for n in (1, 2):
        model = MLPRegressor((2,), n_iter_no_change=huge, max_iter=3, n_estimators=n, bagging=None)
        with pytest.warns(UserWarning, match="max_iter=3"):
            assert model.fit(X, y).n_iter_ == 3
    rate = fastnn.schedules.StepDecay(0.1, every=huge)
    for call, name in (
        (lambda: rate(huge), "t"),
        (lambda: net.summary(batch_size=huge), "batch_size"),
        (lambda: fastnn.functional.adam_step_(*np.zeros((4, 3)), step=huge, lr=0.1), "step"),
    ):
        with pytest.raises(
            ValueError, match=f"{name} must be .* at most {sys.maxsize}, got {huge}"
        ):
            call()


def test_a_min_delta_of_any_real_type():
    X, y = np.eye(2), [0.0, 1.0]
    for min_delta in (Fraction(1, 2), np.float32(0.5), 1, True):
        history = MLP([2, 1], rng=0).fit(
            X, y, epochs=9, callbacks=[EarlyStopping(2, min_delta), lambda net, history: None]
        )
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


@pytest.mark.parametrize("kind", ["dense", "sparse", "lbfgs"])
def test_every_engine_gives_callbacks_the_same_events(kind):
    pytest.importorskip("sklearn")
    from scipy.sparse import csr_matrix

    from fastnn import MLPRegressor

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 4)), rng.normal(size=40)
    events = Events()
    model = MLPRegressor(
        (5,),
        solver="lbfgs" if kind == "lbfgs" else "adam",
        tol=0,
        max_iter=3,
        n_iter_no_change=np.inf,
        callbacks=events,
    )
    model.fit(csr_matrix(X) if kind == "sparse" else X, y)
    epochs = [e for i in (1, 2, 3) for e in (f"epoch {i} of {i}", "interval")]
    assert events.log == ["begin", *epochs, "end"]


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_callback_stops_training_with_the_adaptive_rate(early_stopping):
    pytest.importorskip("sklearn")
    from fastnn import MLPRegressor

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 4)), rng.normal(size=40)
    model = MLPRegressor(
        (5,),
        solver="sgd",
        learning_rate="adaptive",
        early_stopping=early_stopping,
        callbacks=lambda net, history: history.n_epochs == 3,
    )
    assert model.fit(X, y).n_iter_ == 3
    assert model.network_.history.stop_reason == "callback <lambda> returned True"


def test_the_adaptive_rate_gives_callbacks_one_beginning_and_one_end():
    pytest.importorskip("sklearn")
    from fastnn import MLPRegressor

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 4)), rng.normal(size=40)
    events = Events()
    rate = dict(solver="sgd", learning_rate="adaptive", learning_rate_init=0.05)
    model = MLPRegressor((5,), **rate, tol=0.1, n_iter_no_change=2, callbacks=events)
    model.fit(X, y)
    assert events.log.count("begin") == events.log.count("end") == 1
    assert (
        model.network_.state.optimizer.lr <= 1e-6
        and model.n_iter_ == len(model.loss_curve_) == model.network_.history.n_epochs
    )

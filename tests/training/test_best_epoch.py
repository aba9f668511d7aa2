"""EarlyStopping in compiled code: the best epoch by loss or error rate."""

import numpy as np
import pytest
from checks import assert_same_bits
from many_cases import X, Y, assert_same_training

from fastnn import MLP, SGD, Adam, EarlyStopping, losses
from fastnn.kernels import Metric, Stop
from fastnn.training.data import Data

DRAW = np.random.default_rng(1)
OUTPUTS = {  # name: (output, loss, targets)
    "sigmoid": ("sigmoid", None, DRAW.integers(0, 2, 300)),
    "softmax": ("softmax", None, DRAW.integers(0, 3, 300)),
    "probabilities": ("softmax", None, DRAW.dirichlet(np.ones(3), 300)),
    "labels": ("sigmoid", None, DRAW.integers(0, 2, (300, 3))),
    "logits": ("identity", "bce_with_logits", DRAW.integers(0, 2, 300)),
}
HALVES = dict(optimizer=Adam(0.05), validation_data=(X[100:], Y[100:]))


def classifier(*sizes, output="sigmoid", **options):
    return MLP([7, *sizes], output=output, **dict(rng=0) | options)


@pytest.mark.parametrize("monitor", ["loss", "error_rate"])
@pytest.mark.parametrize("keep", ["first", "last"])
@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("weighted", [False, True])
def test_compiled_early_stopping_equals_the_callback(monitor, keep, outputs, weighted):
    """A second callback makes EarlyStopping run in Python. Without weights, error rates tie."""
    output, loss, y = OUTPUTS[outputs]
    n_out = 1 if outputs in ("sigmoid", "logits") else 3
    weight = [np.random.default_rng(2).random(97)] if weighted else []
    held_out, found = (X[:97], y[:97], *weight), []
    for more in ([], [lambda net, history: None]):
        net = classifier(9, n_out, output=output, rng=3)
        stop = [EarlyStopping(6, keep=keep, monitor=monitor), *more]
        net.fit(X[97:], y[97:], loss, Adam(0.02), 80, 16, True, held_out, callbacks=stop)
        found.append(net)
    assert_same_training(*found)
    assert found[0].history.n_epochs < 80
    if monitor == "error_rate":
        shown = found[0].history.val_error_rate
        assert len(shown) == found[0].history.n_epochs and 0 < min(shown) < max(shown) < 1


def test_of_several_equal_outputs_the_first_is_predicted():
    net = classifier(3, output="softmax")
    net.params[:] = 0
    y = np.array([0] * 50 + [1] * 100 + [2] * 150)
    stop = EarlyStopping(monitor="error_rate")
    history = net.fit(X, y, None, SGD(0.0), 1, validation_data=(X, y), callbacks=stop)
    assert history.val_error_rate == [250 / 300]


def test_no_patience_keeps_the_best_epoch_and_trains_to_the_end():
    net = classifier(30, 1)
    history = net.fit(X[:100], Y[:100], epochs=50, callbacks=EarlyStopping(patience=None), **HALVES)
    best = int(np.argmin(history.val_loss))
    assert history.n_epochs == 50 and net.state.best.epoch == best + 1 < 50
    assert net.loss(X[100:], Y[100:]) == pytest.approx(history.val_loss[best], rel=1e-6)


def test_resuming_early_stopping_counts_on(reload):
    def fit(net, epochs, **options):
        options |= dict(callbacks=EarlyStopping(8, restore_best=False)) | HALVES
        net.fit(X[:100], Y[:100], epochs=epochs, **options)

    whole, parts = (classifier(30, 1) for _ in range(2))
    fit(whole, 60)
    fit(parts, 3)
    while parts.history.stop_reason == "all epochs done":
        parts = reload(parts)
        fit(parts, 3, resume=True)
    assert parts.history.stop_reason == whole.history.stop_reason
    assert parts.state.epoch == whole.state.epoch < 60
    assert_same_bits(parts.state.best.params, whole.state.best.params)


def test_the_error_rate_needs_classes():
    with pytest.raises(ValueError, match="needs a loss with classes, got MSE"):
        stop = EarlyStopping(monitor="error_rate")
        MLP([7, 1], rng=0).fit(X, Y, validation_data=(X, Y), callbacks=stop)
    with pytest.raises(ValueError, match="monitor must be 'loss' or 'error_rate', got 'accuracy'"):
        EarlyStopping(monitor="accuracy")


@pytest.mark.parametrize("n_threads", [2, 3, 8])
@pytest.mark.parametrize("outputs", OUTPUTS)
def test_the_error_rate_does_not_depend_on_the_threads(outputs, n_threads):
    """Rows whose outputs are not finite are wrong."""
    output, loss, y = OUTPUTS[outputs]
    n_out = 3 if y.ndim == 2 or output == "softmax" else 1
    held_out_X, found = X.astype(float), []
    held_out_X[[5, 290]] = 1e308
    for threads in 1, n_threads:
        net = MLP([7, 20, n_out], output=output, dtype="float64", rng=0)
        weight = np.random.default_rng(3).random(300)
        targets = y, losses.resolve_loss(loss, output), weight
        data, validation = (Data.of(net, rows, *targets) for rows in (X, held_out_X))
        assert not np.isfinite(net.forward(held_out_X[5:6])).all()
        options = dict(optimizer=Adam(0.03).to_kernel(), n_threads=threads, keeps_best=True)
        held_out = validation.trainer(net, len(validation))
        trainer = data.trainer(net, 32, validation=held_out, **options)
        moments, params = np.zeros((2, net.n_params)), np.empty(net.n_params)
        trainer.load(moments)
        trainer.set_stopping(0, 0.0, np.inf, metric=Metric.VALIDATION_ERROR_RATE, keep_last=True)
        losses_ = np.empty((3, 12))
        trainer.run(threads, 1e9, *losses_)
        found.append((losses_, *trainer.store_best(params), params))
        trainer.store(moments)
        assert losses_[2, -1] == validation.error_rate(net)
        assert losses_[2, -1] >= weight[[5, 290]].sum() / weight.sum()
    for one, other in zip(*found):
        np.testing.assert_array_equal(one, other)


def test_threads_validate_no_epoch_whose_parameters_are_not_finite():
    net = MLP([7, 20, 1], rng=0)
    data = Data.of(net, X, Y, losses.MSE(), None)
    options = dict(optimizer=SGD(3e38).to_kernel(), n_threads=2)
    trainer = data.trainer(net, len(X), validation=data.trainer(net, len(X)), **options)
    trainer.load(np.zeros((0, net.n_params), net.dtype))
    validation_losses = np.full(3, np.nan)
    assert trainer.run(2, 1e9, np.empty(3), validation_losses) == Stop.NOT_FINITE
    assert np.isnan(validation_losses).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weighted", [False, True])
def test_weighted_error_rates_have_the_same_bits_beside_another_callback(dtype, weighted):
    """Python computes them then, between two epochs, and not the kernels."""
    rng = np.random.default_rng(5)
    y, weight = rng.integers(0, 3, 700), rng.uniform(0, 2, 700)
    x = rng.normal(size=(700, 7))
    validation = (x, y, weight) if weighted else (x, y)

    def rates(*more):
        net = MLP([7, 8, 3], output="softmax", dtype=dtype, rng=0)
        stopping = EarlyStopping(None, monitor="error_rate")
        options = dict(validation_data=validation, epochs=8, rng=1)
        return net.fit(x, y, callbacks=[stopping, *more], **options).val_error_rate

    expected = rates()
    assert len(set(expected)) > 2
    assert rates(lambda net, history: None) == expected

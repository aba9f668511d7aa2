"""Very small and very large sample weights: only their ratios count."""

import numpy as np
import pytest
from checks import assert_finite, assert_same_bits

import fastnn
from fastnn import MLP
from fastnn import functional as F
from fastnn.core.validation import in_range

RNG = np.random.default_rng(3)
X, y, WEIGHT = RNG.normal(size=(40, 3)), RNG.normal(size=40), RNG.integers(1, 5, 40).astype(float)
# 4e-53, 1e39; the last two beyond what float32 and its squares could hold
EXTREMES = [2.0**-174, 2.0**130, 2.0**-1010, 2.0**1010]
OPTIONS = dict(epochs=3, batch_size=16, optimizer=fastnn.SGD(0.1))


def fitted(weight, dtype, **options):
    net = MLP([3, 4, 1], dtype=dtype, rng=0)
    history = net.fit(X, y, sample_weight=weight, **OPTIONS, **options)
    return net.params, history.loss, history.val_loss


@pytest.mark.parametrize("scale", EXTREMES)
def test_the_scale_of_weights_does_not_matter(scale, dtype):
    validation = dict(validation_data=(X[:9], y[:9], WEIGHT[:9] * scale))
    expected = fitted(WEIGHT, dtype, validation_data=(X[:9], y[:9], WEIGHT[:9]))
    assert_same_bits(fitted(WEIGHT * scale, dtype, **validation), expected)
    net = MLP([3, 4, 1], dtype=dtype, rng=0)
    assert net.loss(X, y, sample_weight=WEIGHT * scale) == net.loss(X, y, sample_weight=WEIGHT) > 0
    Y = net.forward(X)[:, 0]
    assert F.mean_squared_error(Y, y, WEIGHT * scale) == F.mean_squared_error(Y, y, WEIGHT) > 0


@pytest.mark.parametrize("scale", EXTREMES)
def test_the_scale_of_class_weights_does_not_matter(scale, dtype):
    labels, found = (y > 0).astype(int), []
    scaled = [(scale, w) for w in (WEIGHT, WEIGHT / scale, WEIGHT * scale)]
    for s, w in ((1.0, None), (scale, None), (1.0, WEIGHT), *scaled):
        net = MLP([3, 4, 2], output="softmax", dtype=dtype, rng=0)
        history = net.fit(X, labels, class_weight={0: 3 * s, 1: s}, sample_weight=w, epochs=2)
        found.append((net.params, history.loss))
    assert_same_bits(found[0], found[1])
    for other in found[3:]:
        assert_same_bits(other, found[2])
    assert_finite(found[0][1])


@pytest.mark.parametrize("scale", EXTREMES[:2])
def test_estimators_scale_the_penalty_too(scale):
    """The penalty of a batch is alpha/2 sum W^2 / sum(w_i): as large if alpha grows with the weights."""
    pytest.importorskip("sklearn")
    options, found = dict(max_iter=3, n_iter_no_change=np.inf, random_state=0, dtype="float32"), []
    for s in (1.0, scale):
        model = fastnn.MLPRegressor((4,), alpha=0.5 * s, **options)
        found.append(model.fit(X, y, sample_weight=WEIGHT * s).loss_curve_)
    assert found[0] == found[1]


def test_ordinary_weights_keep_their_bits(dtype):
    for w in (WEIGHT / 3, np.full(40, 1e-30), np.full(40, 1e30)):
        converted, scale = in_range(w, dtype)
        assert scale == 1
        np.testing.assert_array_equal(converted, w.astype(dtype))


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_weights_that_are_not_finite_are_named(bad):
    with pytest.raises(fastnn.DivergenceError, match="sample_weight holds NaN"):
        fitted(np.where(np.arange(40) == 5, bad, 1.0), "float32")


def test_equal_weights_of_any_size_are_no_weights():
    expected = fitted(None, "float64")
    for w in (5e-324, 2.0**-60, 1.0, 1024.0):
        assert_same_bits(fitted(np.full(40, w), "float64"), expected)

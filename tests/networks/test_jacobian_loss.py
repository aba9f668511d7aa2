"""The loss of the Jacobian in `reference`, compared with its definition and finite differences."""

import cases
import numpy as np
import pytest

from fastnn import reference
from fastnn.activations import ACTIVATIONS, HIDDEN
from fastnn.reference import jacobian_loss_and_grad

SMOOTH = [name for name in HIDDEN if not cases.ACTIVATIONS[name].kinked and name != "exponential"]


def layers_of(rng, sizes, bias=True):
    weights = [rng.normal(size=pair) for pair in zip(sizes, sizes[1:])]
    return weights, [rng.normal(size=W.shape[1]) if bias else None for W in weights]


def slope_along(f, x, v, h=1e-3):
    """The derivative of f at x along v by central differences of 4th order."""
    ends = [f(x + step * h * v) for step in (-2, -1, 1, 2)]
    return np.tensordot([1, -8, 8, -1], ends, axes=1) / (12 * h)


@pytest.mark.parametrize("hidden", SMOOTH)
@pytest.mark.parametrize(
    "output",
    [name for name in ACTIVATIONS if name in (*SMOOTH, "identity", "softmax", "exponential")],
)
def test_gradients_are_finite_differences(hidden, output, rng):
    (weights, biases), X = layers_of(rng, [3, 5, 4, 2]), rng.normal(size=(6, 3))
    dy, w = rng.normal(size=(6, 2, 2)), rng.uniform(size=6)
    dy[rng.uniform(size=dy.shape) < 0.3] = np.nan

    def loss(params):
        return jacobian_loss_and_grad(X, dy, *params, [hidden, hidden, output], w, [2, 0])

    found = loss((weights, biases))[1:]
    for arrays, grads in zip((weights, biases), found):
        for k, (p, g) in enumerate(zip(arrays, grads)):
            v, old = rng.normal(size=p.shape), p.copy()

            def moved(x, k=k, arrays=arrays):
                arrays[k] = x
                return loss((weights, biases))[0]

            assert (g * v).sum() == pytest.approx(slope_along(moved, old, v), rel=1e-6, abs=1e-9)
            arrays[k] = old


def test_the_loss_is_the_weighted_mean_over_known_targets(rng):
    (weights, biases), X = layers_of(rng, [3, 4, 2], bias=False), rng.normal(size=(4, 3))
    layers = weights, biases, ["tanh", "identity"]
    dy, w = rng.normal(size=(4, 2, 3)), np.array([1.0, 2.0, 0.0, 3.0])
    dy[0, 1], dy[3] = np.nan, np.nan
    errors = (reference.jacobian(X, *layers) - dy) ** 2
    wanted = (errors[0, 0].mean() + 2 * errors[1].mean()) / 6
    L, _, db = jacobian_loss_and_grad(X, dy, *layers, w)
    assert L == pytest.approx(wanted)
    assert db == [None, None]


def test_fit_adds_the_loss_of_the_jacobian(rng):
    """One SGD step of the reference moves the parameters by the sum of both gradients."""
    X, y, dy = rng.normal(size=(5, 2)), rng.normal(size=(5, 1)), rng.normal(size=(5, 1, 1))
    start, activations = layers_of(rng, [2, 4, 1]), ["tanh", "identity"]
    value = reference.loss_and_grad(X, y, *start, activations, "mse")
    slope = jacobian_loss_and_grad(X, dy, *start, activations, None, [1])
    for targets, share in ((y, 1), (None, 0)):
        weights, biases = ([p.copy() for p in part] for part in start)
        settings = dict(lr=0.1, epochs=1, batch_size=5, dy=dy, dy_weight=0.5, dy_inputs=[1])
        history = reference.fit(X, targets, weights, biases, activations, "mse", **settings)
        assert history == [pytest.approx(share * value[0] + 0.5 * slope[0])]
        for W, before, a, b in zip(weights, start[0], value[1], slope[1]):
            np.testing.assert_allclose(W, before - 0.1 * (share * a + 0.5 * b))

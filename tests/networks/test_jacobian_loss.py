"""Losses of derivatives in `reference`, compared with their definitions and finite differences."""

import cases
import numpy as np
import pytest
from checks import central_difference
from small_training import half_squares

from fastnn import reference
from fastnn.activations import ACTIVATIONS, HIDDEN
from fastnn.reference import custom_loss_and_grad, jacobian_loss_and_grad
from fastnn.reference.derivatives import curvature, third_derivative

SMOOTH = [name for name in HIDDEN if not cases.ACTIVATIONS[name].kinked and name != "exponential"]


def layers_of(rng, sizes, bias=True):
    weights = [rng.normal(size=pair) for pair in zip(sizes, sizes[1:])]
    return weights, [rng.normal(size=W.shape[1]) if bias else None for W in weights]


OUTPUTS = [name for name in ACTIVATIONS if name in (*SMOOTH, "identity", "exponential")]


@pytest.mark.parametrize("hidden", SMOOTH)
@pytest.mark.parametrize("output", [*OUTPUTS, "softmax"])
def test_gradients_are_finite_differences(hidden, output, rng):
    (weights, biases), X = layers_of(rng, [3, 5, 4, 2]), rng.normal(size=(6, 3))
    dy, w = rng.normal(size=(6, 2, 2)), rng.uniform(size=6)
    dy[rng.uniform(size=dy.shape) < 0.3] = np.nan

    def loss(params):
        return jacobian_loss_and_grad(X, dy, *params, [hidden, hidden, output], w, [2, 0])

    check_gradients(loss, weights, biases, rng)


def check_gradients(loss, weights, biases, rng):
    """Compare gradients with finite differences of the loss. loss((weights, biases)) returns both"""
    for arrays, grads in zip((weights, biases), loss((weights, biases))[1:]):
        for k, (p, g) in enumerate(zip(arrays, grads)):
            v, old = rng.normal(size=p.shape), p.copy()

            def moved(x, k=k, arrays=arrays):
                arrays[k] = x
                return loss((weights, biases))[0]

            slope = central_difference(moved, old, v)
            assert (g * v).sum() == pytest.approx(slope, rel=1e-6, abs=1e-9)
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


# ---- custom losses -------------------------------------------------------------------------------

NEEDS = [["jacobian"], ["laplacian"], ["laplacian", "hessian_diagonal", "jacobian"]]


@pytest.mark.parametrize("hidden", SMOOTH)
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("needs", NEEDS, ids=str)
def test_gradients_of_custom_losses_are_finite_differences(hidden, output, needs, rng):
    (weights, biases), X = layers_of(rng, [3, 5, 4, 2]), rng.normal(size=(6, 3))
    y, names = rng.normal(size=(6, 2)), [hidden, hidden, output]
    weights[0] /= 2

    def loss(params):
        return custom_loss_and_grad(X, y, half_squares, needs, *params, names, [2, 0])

    check_gradients(loss, weights, biases, rng)


def test_custom_losses_get_the_derivatives_that_they_need(rng):
    layers, X = (*layers_of(rng, [3, 4, 2]), ["tanh", "sigmoid"]), rng.normal(size=(4, 3))
    seen = []

    def function(outputs, y, *needed):
        seen.extend([outputs, *needed])
        return 0.0, outputs, *needed

    needs = ["hessian_diagonal", "laplacian", "jacobian"]
    custom_loss_and_grad(X, None, function, needs, *layers, [2, 1])
    diagonal = np.einsum("nkii->nki", reference.hessian(X, *layers))[:, :, [2, 1]]
    expected = reference.forward(X, *layers), diagonal, diagonal.sum(axis=2)
    for found, wanted in zip(seen, (*expected, reference.jacobian(X, *layers)[:, :, [2, 1]])):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)
    with pytest.raises(ValueError, match="shorter"):  # only the gradients of the outputs
        custom_loss_and_grad(X, None, lambda Y, *_: (0.0, Y), needs, *layers)


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "softmax"])
def test_third_derivatives_are_finite_differences_of_second_ones(name):
    z = np.linspace(-6.05, 6.05, 122)  # not the kink at 0
    one, zeros = np.ones(1), np.zeros_like(z)
    slopes = central_difference(lambda x: curvature(one, x, one, name), z, np.ones_like(z))
    np.testing.assert_allclose(third_derivative(z, name), slopes, rtol=1e-7, atol=1e-9)
    assert name not in ("relu", "leaky_relu") or (third_derivative(z, name) == zeros).all()

"""Names and signatures of `fastnn.reference`."""

import cases
import pytest
from checks import signature

from fastnn import reference as ref

SIGNATURES = {
    "linear": "(X, W, b=None, activation='identity', out=None)",
    "linear_backward": "(dY, X, W, b, Y, activation='identity', need_dX=True)",
    "activation": "(Z, name, out=None)",
    "activation_backward": "(dA, Z, name, out=None)",
    "EncodedTable": "(numbers, positions, n_bins, position_scale, codes, n_categories, code_scale, mask=None)",
    "table_linear": "(X, W, b=None)",
    "table_linear_backward": "(dZ, X, W)",
    "dropout_mask": "(rate, seed, step, layer, rows, n_units, dtype)",
    "shard_batches": "(n, batch_size, n_shards, seed=None, epoch=0)",
    **cases.SIGNATURES,
    "forward": "(X, weights, biases, activations)",
    "loss_and_grad": (
        "(X, y, weights, biases, activations, loss, sample_weight=None, loss_options=None, dropout=None, seed=0, "
        "step=0)"
    ),
    "jacobian": "(X, weights, biases, activations)",
    "hessian": "(X, weights, biases, activations)",
    "jvp": "(X, V, weights, biases, activations)",
    "vjp": "(X, U, weights, biases, activations)",
    "hvp": (
        "(X, y, v, weights, biases, activations, loss, sample_weight=None, loss_options=None, "
        "gauss_newton=False)"
    ),
    "custom_loss_and_grad": ("(X, y, function, needs, weights, biases, activations, inputs=None)"),
    "jacobian_loss_and_grad": (
        "(X, dy, weights, biases, activations, sample_weight=None, inputs=None, weight=1.0)"
    ),
    "fit": (
        "(X, y, weights, biases, activations, loss, optimizer='sgd', lr=0.001, epochs=10, batch_size=32, "
        "shuffle=False, rng=None, sample_weight=None, loss_options=None, "
        "l1=0.0, l2=0.0, clip_value=None, clip_norm=None, "
        "average=None, dropout=None, seed=0, shards=None, dy=None, dy_weight=1.0, "
        "dy_inputs=None, weight_bounds=None, **options)"
    ),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name):
    assert str(signature(getattr(ref, name))) == SIGNATURES[name]
    assert getattr(ref, name).__doc__


def test_the_reference_has_these_functions():
    assert ref.__all__ == sorted(SIGNATURES)

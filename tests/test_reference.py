"""What `fastnn.reference` consists of: its names and signatures."""

import inspect

import pytest

from fastnn import reference as ref

LOSS = ", y, sample_weight=None, grad=None"
BINARY = f"{LOSS}, pos_weight=None, label_smoothing=0.0)"
BETAS = "betas=(0.9, 0.999), eps=1e-08, weight_decay="
SIGNATURES = {
    "linear": "(X, W, b=None, activation='identity', out=None)",
    "linear_backward": "(dY, X, W, b, Y, activation='identity', need_dX=True)",
    "activation": "(Z, name, out=None)",
    "activation_backward": "(dA, Z, name, out=None)",
    "dropout_mask": "(rate, seed, step, layer, rows, n_units, dtype)",
    "binary_cross_entropy": f"(Y{BINARY}",
    "binary_cross_entropy_with_logits": f"(Z{BINARY}",
    "cross_entropy": f"(Z{LOSS}, label_smoothing=0.0)",
    "mean_squared_error": f"(Y{LOSS})",
    "mean_absolute_error": f"(Y{LOSS})",
    "huber": f"(Y{LOSS}, delta=1.0)",
    "quantile": f"(Y{LOSS}, q=0.5)",
    "poisson_nll": f"(Z{LOSS})",
    "gaussian_nll": f"(Y{LOSS})",
    "sgd_step_": "(params, grads, lr, momentum=0.0, nesterov=False, weight_decay=0.0, velocity=None)",
    "adagrad_step_": "(params, grads, total, step, lr=0.01, lr_decay=0.0, weight_decay=0.0, eps=1e-10)",
    "adadelta_step_": "(params, grads, v, u, lr=1.0, rho=0.9, eps=1e-06, weight_decay=0.0)",
    "rmsprop_step_": (
        "(params, grads, v, lr=0.01, alpha=0.99, eps=1e-08, weight_decay=0.0, momentum=0.0, centered=False, mean=None, "
        "velocity=None)"
    ),
    "adam_step_": f"(params, grads, m, v, step, lr=0.001, {BETAS}0.0, v_max=None)",
    "adamw_step_": f"(params, grads, m, v, step, lr=0.001, {BETAS}0.01, v_max=None)",
    "adamax_step_": f"(params, grads, m, u, step, lr=0.002, {BETAS}0.0)",
    "nadam_step_": (
        f"(params, grads, m, v, step, lr=0.002, {BETAS}0.0, momentum_decay=0.004, decoupled_weight_decay=False)"
    ),
    "forward": "(X, weights, biases, activations)",
    "loss_and_grad": (
        "(X, y, weights, biases, activations, loss, sample_weight=None, loss_options=None, dropout=None, seed=0, "
        "step=0)"
    ),
    "fit": (
        "(X, y, weights, biases, activations, loss, optimizer='sgd', lr=0.001, epochs=10, batch_size=32, "
        "shuffle=False, rng=None, sample_weight=None, loss_options=None, "
        "l1=0.0, l2=0.0, clip_value=None, clip_norm=None, "
        "average=None, dropout=None, seed=0, **options)"
    ),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name):
    assert str(inspect.signature(getattr(ref, name))) == SIGNATURES[name]
    assert getattr(ref, name).__doc__


def test_the_reference_is_these_functions():
    assert ref.__all__ == sorted(SIGNATURES)

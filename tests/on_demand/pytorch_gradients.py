"""Losses and gradients of random networks, compared with PyTorch's automatic differentiation.

    python -m pytest tests/on_demand/pytorch_gradients.py      needs PyTorch

float64, with the networks, losses and weights of test_gradients.py.
"""

import cases
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from scale import scaled
from test_gradients import problems

from fastnn import losses
from fastnn.losses import Huber, Quantile

torch = pytest.importorskip("torch", reason="needs PyTorch")
from torch.nn import functional as T  # noqa: E402 - after importorskip

from fastnn.estimators.pytorch import MODULES  # noqa: E402

TOLERANCE = 1e-12
torch.set_num_threads(1)

# PyTorch's Softplus is z above its threshold, which is too low for float64.
ACTIVATIONS = {name: module() for name, module in MODULES.items() if name != "softmax"}
ACTIVATIONS |= {
    "identity": lambda z: z,
    "softmax": torch.nn.Softmax(dim=1),
    "softplus": torch.nn.Softplus(threshold=100),
}


def row_losses(loss, z, a, y):
    """Return the loss of each row, from the last layer's input z and output a."""
    name = loss.name
    if name in ("bce", "bce_with_logits"):
        y = (1 - loss.label_smoothing) * y + loss.label_smoothing / 2
        weight = None if loss.pos_weight is None else torch.tensor(loss.pos_weight)
        return T.binary_cross_entropy_with_logits(z, y, pos_weight=weight, reduction="none").sum(1)
    if name == "cross_entropy":
        y = T.one_hot(y, z.shape[1]).to(z.dtype) if y.ndim == 1 else y
        y = (1 - loss.label_smoothing) * y + loss.label_smoothing / z.shape[1]
        return -(y * T.log_softmax(z, 1)).sum(1)
    if name == "poisson":
        return T.poisson_nll_loss(z, y, log_input=True, reduction="none").sum(1)
    if name == "gaussian_nll":
        mean, log_variance = a.chunk(2, dim=1)
        return ((log_variance + (y - mean) ** 2 * torch.exp(-log_variance)) / 2).sum(1)
    if isinstance(loss, Quantile):
        q = torch.tensor(np.tile(np.atleast_1d(loss.q), y.shape[1]))
        d = y.repeat_interleave(np.size(loss.q), dim=1) - a
        return torch.maximum(q * d, (q - 1) * d).mean(1)
    if isinstance(loss, Huber):  # PyTorch's has a factor 1/2
        return 2 * T.huber_loss(a, y, delta=loss.delta, reduction="none").mean(1)
    d = a - y
    return cases.TORCH_ELEMENTS[name](torch, d).mean(1)


def loss_and_gradients(net, X, y, loss, weights):
    """The loss and the flat gradient as PyTorch computes them."""
    params, h = [], torch.tensor(X)
    for W, b, name in zip(net.weights, net.biases, net.activations, strict=True):
        W = torch.tensor(W, requires_grad=True)
        params.append(W)
        z = h @ W
        if b is not None:
            b = torch.tensor(b, requires_grad=True)
            params.append(b)
            z = z + b
        h = ACTIVATIONS[name](z)
    rows = row_losses(loss, z, h, torch.tensor(y))
    w = torch.ones(len(X), dtype=rows.dtype) if weights is None else torch.tensor(weights)
    value = (w * rows).sum() / w.sum()
    value.backward()
    return value.item(), np.concatenate([p.grad.numpy().ravel() for p in params])


@settings(max_examples=scaled(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(problems())
def test_gradients_match_pytorch(isa, problem):
    """Within TOLERANCE of the largest number of the gradient, or of 1e-3 if all are smaller."""
    net, X, y, loss, weights, _ = problem
    value = net.loss_and_grad(X, y, loss, weights)
    expected, gradient = loss_and_gradients(
        net, X, y, losses.resolve_loss(loss, net.activations[-1]), weights
    )
    assert value == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE)
    scale = max(np.abs(gradient).max(), 1e-3)
    assert np.abs(net.grads - gradient).max() <= TOLERANCE * scale

"""Loss functions.

`fit`, `net.loss` and `net.loss_and_grad` take a name such as "huber", an object such as
``Huber(delta=2.0)``, or a custom loss (see below).

The loss of a batch is sum_i w_i l_i / sum_i w_i over its rows i, where w_i is the weight of a row
(default 1) and l_i its loss. In the table, a_j are the outputs of the row, y_j its targets, d_j =
a_j - y_j, z_j the outputs before the last activation, and p_j is `pos_weight`, by default 1.

=============== ===================================================== =========== ===============
name            l_i                                                   output      class
=============== ===================================================== =========== ===============
bce             sum_j -p_j y_j log a_j - (1 - y_j) log(1 - a_j)       sigmoid     `BCE`
bce_with_logits bce with a = sigmoid(z)                               identity    `BCEWithLogits`
cross_entropy   -sum_j y_j log a_j                                    softmax     `CrossEntropy`
mse             mean_j d_j^2                                          any         `MSE`
mae             mean_j abs(d_j)                                       any         `MAE`
huber           mean_j d_j^2, delta (2 abs(d_j) - delta) beyond delta any         `Huber`
log_cosh        mean_j log cosh d_j                                   any         `LogCosh`
quantile        mean_j max(-q d_j, (1 - q) d_j)                       any         `Quantile`
poisson         sum_j a_j - y_j log a_j                               exponential `Poisson`
gaussian_nll    sum_j (s_j + (m_j - y_j)^2 exp(-s_j)) / 2             identity    `GaussianNLL`
=============== ===================================================== =========== ===============

Negative log-likelihoods (bce, bce_with_logits, cross_entropy, poisson, gaussian_nll) are summed
over the outputs. Errors (all others) are averaged over them, without a factor 1/2. bce,
bce_with_logits, cross_entropy and poisson are computed from z and not from rounded probabilities.

A custom loss is a function ``loss(outputs, y) -> (value, d_outputs)``, called once for each batch.
`outputs`, of shape (n, n_out), are those after the last activation, and `y` are the same rows of
the `y` passed to `fit`. `value` is a float, and `d_outputs`, of shape (n, n_out), its derivative
with respect to `outputs`. With ``CustomLoss(loss, needs=...)`` it is called with derivatives of the
outputs in the inputs as well, and returns the derivative with respect to each of them.

Modules:

- `base`: Loss, the base class, and CustomLoss, a loss in Python.
- `classification`, `regression`: the losses, and class weights.
- `derivatives`: weights of the losses of outputs and derivatives.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..core.lazy import LazyClasses
from ..core.messages import hint_at

if TYPE_CHECKING:
    from .base import CustomLoss, Loss
    from .classification import (
        BCE,
        BCEWithLogits,
        CrossEntropy,
        balanced_weights,
        class_counts,
        class_weights,
    )
    from .derivatives import Derivatives
    from .regression import MAE, MSE, GaussianNLL, Huber, LogCosh, Poisson, Quantile


__all__ = [
    "BCE",
    "LOSSES",
    "MAE",
    "MSE",
    "BCEWithLogits",
    "CrossEntropy",
    "CustomLoss",
    "Derivatives",
    "GaussianNLL",
    "Huber",
    "LogCosh",
    "Loss",
    "Poisson",
    "Quantile",
    "balanced_weights",
    "class_counts",
    "class_weights",
    "resolve_loss",
]

# generated: losses, by src/generate.py from src/operations.py
_MODULES = {
    "BCE": "classification",
    "BCEWithLogits": "classification",
    "CrossEntropy": "classification",
    "MSE": "regression",
    "MAE": "regression",
    "Huber": "regression",
    "LogCosh": "regression",
    "Quantile": "regression",
    "Poisson": "regression",
    "GaussianNLL": "regression",
}
_NAMES = {
    "bce": "BCE",
    "bce_with_logits": "BCEWithLogits",
    "cross_entropy": "CrossEntropy",
    "mse": "MSE",
    "mae": "MAE",
    "huber": "Huber",
    "log_cosh": "LogCosh",
    "quantile": "Quantile",
    "poisson": "Poisson",
    "gaussian_nll": "GaussianNLL",
}
_FOR_OUTPUT = {
    "sigmoid": "bce",
    "softmax": "cross_entropy",
    "exponential": "poisson",
}
# end of losses
_OTHERS = {
    "Loss": "base",
    "CustomLoss": "base",
    "Derivatives": "derivatives",
    "balanced_weights": "classification",
    "class_counts": "classification",
    "class_weights": "classification",
}
LOSSES = LazyClasses(__name__, _MODULES | _OTHERS, _NAMES)

if not TYPE_CHECKING:  # a type checker would then accept any name
    __getattr__ = LOSSES.load


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def resolve_loss(loss: Any, output: str) -> Loss:
    """Return the `Loss` for a name, an object, a function or None.

    None selects the default loss of the output activation. A loss that does not fit the output
    activation raises a ValueError.
    """
    if loss is None:
        loss = _FOR_OUTPUT.get(output, "mse")
    if isinstance(loss, str) and loss in LOSSES:
        loss = LOSSES[loss]()
    else:
        from .base import CustomLoss, Loss
        from .derivatives import Derivatives

        if isinstance(loss, Derivatives):
            raise ValueError(
                "loss must be a loss of the outputs alone, got losses.Derivatives, which is for MLP.fit "
                f"with dy. Pass its value, loss={loss.value!r}."
            )
        if callable(loss) and not isinstance(loss, type):
            loss = CustomLoss(loss)
        if not isinstance(loss, Loss) or type(loss) is Loss:
            raise ValueError(
                f"loss must be None, one of {', '.join(LOSSES)}, an object of fastnn.losses "
                f"or a function (outputs, y) -> (value, d_outputs), got {loss!r}"
                f"{hint_at(loss, LOSSES)}"
            )
    if loss.output not in (None, output):
        raise ValueError(
            f"loss {loss.name!r} needs output={loss.output!r}, but the network has "
            f"output={output!r}. {loss.remedy}."
        )
    return loss


def describe(loss: Loss) -> Any:
    """Return the name and the options of a loss as a dict that JSON can hold."""
    return dict(loss=loss.name, **asdict(loss))


def from_description(value: Any) -> Loss:
    """Return the loss that `describe` described, or raise a ValueError or TypeError."""
    if not isinstance(value, dict):
        raise TypeError("the description of a loss must be a mapping")
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
    name = options.pop("loss", None)
    if not isinstance(name, str) or name not in LOSSES:
        raise ValueError(f"no loss is called {name!r}")
    cls: Any = LOSSES[name]
    return cls(**options)

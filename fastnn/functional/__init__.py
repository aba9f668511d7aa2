"""Functions on plain arrays: linear layer, activations, losses, gradients, optimizer steps.

    Y = f(X W + b)                                  `linear`
    L = mean of -y log Y - (1 - y) log(1 - Y)       `binary_cross_entropy` and other losses
    W -= lr dL/dW                                   `linear_backward`, `sgd_step_` and other steps

Array arguments may be anything that NumPy converts to an array. A function computes in the dtype,
float32 or float64, of its main argument: W for a linear layer, Z for an activation, the outputs for
a loss. It converts the others, and never changes its inputs. If you pass `out` or `grad`, the
result is written there, so shape and dtype must match. Functions whose name ends in _ change
`params` and its moments in place, in the dtype of `params`.

In the docstrings, "like Z" means the shape of Z, and for arrays that are written also its dtype. A
"weighted" gradient is multiplied in row i by w_i / sum_i w_i, with w_i = 1 by default.

`fastnn.reference` has the same functions in plain NumPy.

Modules:

- `layer`, `losses`, `updates`: the functions.
"""

from .layer import activation, activation_backward, linear, linear_backward
from .losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    gaussian_nll,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_squared_error,
    poisson_nll,
    quantile,
)
from .updates import (
    adadelta_step_,
    adagrad_step_,
    adam_step_,
    adamax_step_,
    adamw_step_,
    lion_step_,
    nadam_step_,
    rmsprop_step_,
    sgd_step_,
)

__all__ = [
    "activation",
    "activation_backward",
    "adadelta_step_",
    "adagrad_step_",
    "adam_step_",
    "adamax_step_",
    "adamw_step_",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "gaussian_nll",
    "huber",
    "linear",
    "linear_backward",
    "lion_step_",
    "log_cosh",
    "mean_absolute_error",
    "mean_squared_error",
    "nadam_step_",
    "poisson_nll",
    "quantile",
    "rmsprop_step_",
    "sgd_step_",
]

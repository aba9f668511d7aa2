"""The article's lines on plain arrays: linear layer, activation, losses, gradients, updates.

    Y = act(X W + b)                        lines 1 and 2   `linear`
    L = mean of -y log Y - (1-y) log(1-Y)   line 3          `binary_cross_entropy`, and other losses
    W -= lr dL/dW                           line 4          `linear_backward`, `sgd_step_`, and other updates

Arrays are anything that NumPy sees as one. A function works in the dtype of its first array
argument that is float32 or float64 (W's for the layer) and converts the others; what it is given is
never changed. `out` and `grad` receive results and must fit exactly; functions that end in _ change
`params` and its moments in place. `fastnn.reference` has the same functions in plain NumPy.
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

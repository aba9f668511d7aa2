"""Reference implementation in plain NumPy: slow and easy to check.

    z = x W + b                                       linear
    a = f(z)                                          activation
    L = -1/N sum(y log a + (1 - y) log(1 - a))        binary_cross_entropy and other losses
    W = W - lr dL/dW,   b = b - lr dL/db              sgd_step_ and other steps

The functions have the signatures of `fastnn.functional`. `forward`, `loss_and_grad` and `fit`
combine them into networks. The tests compare the compiled code with them.

Rows are samples: X has shape (n, n_in), W (n_in, n_out), b (n_out,). dW is dL/dW and has
the shape of W. Functions compute in the dtype of their inputs, with subnormal numbers as IEEE 754
says; compiled kernels read them as 0 and write 0 for them.

Modules:

- `layer`, `losses`, `updates`: the functions. `table`: encoded tables as inputs.
  `texts`: n-grams, and linear layers of them.
- `derivatives`: of outputs in the inputs, and second ones of losses.
- `network`: networks and their training, also on batches of rows in virtual shards.
"""

from .derivatives import (
    custom_loss_and_grad,
    hessian,
    hvp,
    jacobian,
    jacobian_loss_and_grad,
    jvp,
    vjp,
)
from .layer import activation, activation_backward, dropout_mask, linear, linear_backward
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
from .network import fit, forward, loss_and_grad, shard_batches
from .table import EncodedTable, table_linear, table_linear_backward
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
    "EncodedTable",
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
    "custom_loss_and_grad",
    "dropout_mask",
    "fit",
    "forward",
    "gaussian_nll",
    "hessian",
    "huber",
    "hvp",
    "jacobian",
    "jacobian_loss_and_grad",
    "jvp",
    "linear",
    "linear_backward",
    "lion_step_",
    "log_cosh",
    "loss_and_grad",
    "mean_absolute_error",
    "mean_squared_error",
    "nadam_step_",
    "poisson_nll",
    "quantile",
    "rmsprop_step_",
    "sgd_step_",
    "shard_batches",
    "table_linear",
    "table_linear_backward",
    "vjp",
]

"""Losses: what a network is trained to make small.

The loss of a batch is sum(w_i l_i) / sum(w_i) over its rows i, with the weights w_i of the rows (1
if none are given). `fit`, `net.loss` and `net.loss_and_grad` take a name, an object of this module
such as ``Huber(delta=2.0)``, or a function of your own. With the outputs a_j of a row, its targets
y_j, and the outputs z_j before the last activation, l_i is

=============== ================================================================ =========== ===============
name            l_i                                                              output      class
=============== ================================================================ =========== ===============
bce             sum_j -p_j y_j log a_j - (1 - y_j) log(1 - a_j)                  sigmoid     `BCE`
bce_with_logits the same with a = sigmoid(z), z the network's output             identity    `BCEWithLogits`
cross_entropy   -sum_j y_j log a_j, y a class number or probabilities            softmax     `CrossEntropy`
mse             mean_j (a_j - y_j)^2                                             any         `MSE`
mae             mean_j abs(a_j - y_j)                                            any         `MAE`
huber           mean_j d^2, d = a_j - y_j; delta (2 abs(d) - delta) beyond delta any         `Huber`
log_cosh        mean_j log cosh(a_j - y_j)                                       any         `LogCosh`
quantile        mean_j max(q (y_j - a_j), (q - 1) (y_j - a_j))                   any         `Quantile`
poisson         sum_j a_j - y_j log a_j                                          exponential `Poisson`
gaussian_nll    sum_j (s_j + (y_j - m_j)^2 exp(-s_j)) / 2, outputs m, then s     identity    `GaussianNLL`
=============== ================================================================ =========== ===============

bce, bce_with_logits, cross_entropy and poisson are computed from z, never from a rounded
probability. Log-likelihoods are sums over outputs, errors are means over them, without a factor
1/2.

A custom loss is a function ``loss(outputs, y) -> (value, d_outputs)``, called once a batch:
outputs (n, n_out) after the last activation, y the same rows of what `fit` was given; value is a
float, d_outputs (n, n_out) its derivative with respect to the outputs.
"""

from .base import Loss
from .classification import BCE, BCEWithLogits, CrossEntropy, class_weights
from .custom import CustomLoss
from .regression import MAE, MSE, GaussianNLL, Huber, LogCosh, Poisson, Quantile

__all__ = [
    "BCE",
    "LOSSES",
    "MAE",
    "MSE",
    "BCEWithLogits",
    "CrossEntropy",
    "CustomLoss",
    "GaussianNLL",
    "Huber",
    "LogCosh",
    "Loss",
    "Poisson",
    "Quantile",
    "class_weights",
    "resolve",
]

# generated: losses, by src/generate.py from src/operations.py
_CLASSES = (
    BCE,
    BCEWithLogits,
    CrossEntropy,
    MSE,
    MAE,
    Huber,
    LogCosh,
    Quantile,
    Poisson,
    GaussianNLL,
)
_FOR_OUTPUT = {
    "sigmoid": "bce",
    "softmax": "cross_entropy",
    "exponential": "poisson",
}
# end of losses
LOSSES = {cls.name: cls for cls in _CLASSES}


def resolve(loss, output):
    """The loss for this output activation: `loss` if it fits, the natural one for None; ValueError
    otherwise."""
    if loss is None:
        loss = _FOR_OUTPUT.get(output, "mse")
    if isinstance(loss, str) and loss in LOSSES:
        loss = LOSSES[loss]()
    elif callable(loss) and not isinstance(loss, type):
        loss = CustomLoss(loss)
    if not isinstance(loss, Loss):
        raise ValueError(
            f"loss must be None, one of {', '.join(LOSSES)}, an object of fastnn.losses or a function (outputs, y) -> "
            f"(value, d_outputs), got {loss!r}"
        )
    if loss.output not in (None, output):
        raise ValueError(
            f"loss {loss.name!r} needs output={loss.output!r}, the network has output={output!r}; {loss.remedy}"
        )
    return loss

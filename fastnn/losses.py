"""Losses by name, and which output they fit.

The loss of a batch is sum(w_i l_i) / sum(w_i); l_i, the loss of a row, is

=============== ====================================================== =========
name            l_i                                                    output
=============== ====================================================== =========
bce             sum_j -y_j log a_j - (1 - y_j) log(1 - a_j)            sigmoid
bce_with_logits the same with a = sigmoid(z), z the network's output   identity
cross_entropy   -sum_j y_j log a_j, y a class number or probabilities  softmax
mse             mean_j (a_j - y_j)^2                                   any
=============== ====================================================== =========

The first three are computed from z, never from a rounded probability.
"""

from .kernels import Loss

LOSSES = ("bce", "bce_with_logits", "cross_entropy", "mse")
_FOR_OUTPUT = {"sigmoid": "bce", "softmax": "cross_entropy"}
_NEEDS = {
    "bce": ("sigmoid", "for raw outputs use 'bce_with_logits'"),
    "bce_with_logits": ("identity", "it applies the sigmoid itself; with output='sigmoid' use 'bce'"),
    "cross_entropy": ("softmax", "it compares rows of probabilities; for independent yes/no outputs use output='sigmoid' with 'bce'"),
}


def choose(loss, output):
    """The name of the loss for this output activation: `loss` if it fits, the natural one for None; ValueError otherwise."""
    if loss is None:
        return _FOR_OUTPUT.get(output, "mse")
    if loss not in LOSSES:
        raise ValueError(f"loss must be None or one of {', '.join(LOSSES)}, got {loss!r}")
    needed, remedy = _NEEDS.get(loss, (output, ""))
    if output != needed:
        raise ValueError(f"loss {loss!r} needs output={needed!r}, the network has output={output!r}; {remedy}")
    return loss


def kernel_loss(loss, classes):
    """The kernel's number; `classes`: the targets are class numbers."""
    if loss == "cross_entropy":
        return Loss.CLASS_CROSS_ENTROPY if classes else Loss.CROSS_ENTROPY
    return Loss.SQUARED_ERROR if loss == "mse" else Loss.LOGITS_BINARY_CROSS_ENTROPY

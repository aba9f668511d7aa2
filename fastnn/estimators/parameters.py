"""From scikit-learn's names for the settings of a training to fastnn's."""

import math
from dataclasses import dataclass, replace

import numpy as np

from .. import losses, optimizers
from ..activations import HIDDEN
from ..callbacks import Callback
from ..optimizers import LBFGS, SGD, Adam
from ..training.stopping import Patience

ACTIVATIONS = {"logistic": "sigmoid"}
OUTPUTS = {
    "sigmoid": "logistic",
    "exponential": "exp",
}  # scikit-learn's names for `out_activation_`
FTOL = 2.220446049250313e-09  # SciPy's default for L-BFGS-B, which scikit-learn takes
LEAST_RATE = 1e-6  # where learning_rate="adaptive" gives up


@dataclass(eq=False, repr=False)
class HalfSquaredError(losses.MSE):
    """scikit-learn's squared error: gradients are those of half the sum over outputs, while what is
    reported is half their mean."""

    def to_kernel(self, n_out, dtype):
        return dict(loss_scale=0.5, gradient_scale=n_out / 2)


def loss(loss, output, names):
    """One of fastnn's losses for this output; names: what the estimator has besides, for the
    message."""
    if isinstance(loss, str) and loss not in losses.LOSSES:
        raise ValueError(
            f"loss must be one of {', '.join([*names, *losses.LOSSES])}, an object of fastnn.losses such as Huber(2.0), or a function "
            f"(outputs, y) -> (value, d_outputs), got {loss!r}"
        )
    return losses.resolve(loss, output)


def hidden_sizes(hidden_layer_sizes):
    """A list of whole numbers, from one number too."""
    sizes = list(np.atleast_1d(hidden_layer_sizes)) if np.size(hidden_layer_sizes) else []
    if any(size != int(size) or size <= 0 for size in sizes):
        raise ValueError(
            f"hidden_layer_sizes must be > 0 and whole numbers, got {hidden_layer_sizes!r}"
        )
    return [int(size) for size in sizes]


def activations(activation):
    """In fastnn's names."""
    if isinstance(activation, (list, tuple)):
        return [activations(each) for each in activation]
    name = ACTIVATIONS.get(activation, activation)
    if name not in HIDDEN:
        raise ValueError(
            f"activation must be one of {', '.join(['logistic', *HIDDEN])}, or one of them for each layer, got {activation!r}"
        )
    return name


def first_parameters(net, activation, random_state):
    """As scikit-learn draws them, number for number: W and b from U(-r, r), r = sqrt(6 / (n_in +
    n_out)), with a 2 for logistic units."""
    names = activation if isinstance(activation, (list, tuple)) else [activation]
    for i, (W, b) in enumerate(zip(net.weights, net.biases)):
        logistic = bool(names) and names[min(i, len(names) - 1)] in ("logistic", "sigmoid")
        r = math.sqrt((2.0 if logistic else 6.0) / sum(W.shape))
        W[...] = random_state.uniform(-r, r, W.shape)
        b[...] = random_state.uniform(-r, r, b.shape)


def check_same(net, estimator, n_out, output):
    """warm_start and partial_fit go on with the network that is there."""
    if (net.layer_sizes[-1], net.activations[-1]) != (n_out, output):
        raise ValueError(
            f"loss={estimator.loss!r} needs {n_out} outputs ({output}), the network that is there has {net.layer_sizes[-1]} "
            f"({net.activations[-1]}): fit with warm_start=False to begin anew"
        )
    sizes, names = hidden_sizes(estimator.hidden_layer_sizes), activations(estimator.activation)
    there = list(net.layer_sizes[1:-1]), list(net.activations[:-1])
    if there != (sizes, names if isinstance(names, list) else [names] * len(sizes)):
        raise ValueError(
            f"the network that is there has hidden layers of {there[0]} units ({', '.join(there[1])}), other than hidden_layer_sizes and "
            "activation say now: fit with warm_start=False to begin anew"
        )


def optimizer(estimator):
    """What `solver` and the settings around it ask for."""
    e = estimator
    if isinstance(e.solver, tuple(optimizers.OPTIMIZERS.values())):
        if e.schedule is not None:
            raise ValueError(
                f"schedule is given beside solver={e.solver!r}, which brings its own rate: give it the schedule as lr"
            )
        return e.solver
    lr = e.learning_rate_init if e.schedule is None else e.schedule
    if e.solver == "sgd":
        return SGD(lr, momentum=e.momentum, nesterov=e.nesterovs_momentum and e.momentum > 0)
    if e.solver == "adam":
        return Adam(lr, betas=(e.beta_1, e.beta_2), eps=e.epsilon)
    return LBFGS(tolerance_grad=e.tol, tolerance_loss=FTOL, max_evaluations=e.max_fun)


def patience(estimator, best_loss):
    """The patience with the training loss, or None."""
    e = estimator
    if e.early_stopping or e.n_iter_no_change == np.inf:
        return None
    return Patience(e.n_iter_no_change + 1, e.tol, running_best=True, best=best_loss)


# ---- scikit-learn's ways to move the learning rate of SGD ----


def moves_rate(estimator, way):
    """Whether this is the way it asks for."""
    return (
        estimator.learning_rate == way and estimator.solver == "sgd" and estimator.schedule is None
    )


class AdaptiveRate(Callback):
    """scikit-learn's learning_rate="adaptive": where training would stop, go on with a fifth of the
    rate, down to LEAST_RATE."""

    def on_stop(self, net, history):
        if net.state.optimizer.lr <= LEAST_RATE:
            return False
        with_rate(net.state, net.state.optimizer.lr / 5)
        return True


def rate_callbacks(estimator, n_rows):
    e = estimator
    return (
        [InverseScaling(e.learning_rate_init, e.power_t, n_rows, e.t_)]
        if moves_rate(e, "invscaling")
        else []
    )


class InverseScaling(Callback):
    """scikit-learn's learning_rate="invscaling": lr / (rows seen + 1)^power from epoch to epoch."""

    def __init__(self, lr, power, n_rows, n_seen):
        self.lr, self.power, self.n_rows, self.n_seen = lr, power, n_rows, n_seen

    def on_epoch_end(self, net, history):
        self.n_seen += self.n_rows
        with_rate(net.state, self.lr / (self.n_seen + 1) ** self.power)


def with_rate(state, lr):
    """The state of a training with SGD that goes on with another rate. scikit-learn's velocity
    holds the rates of the steps it was made of; fastnn's (as PyTorch's) does not, so it is put
    right by their ratio."""
    if state.optimizer.momentum and lr > 0:
        state.moments *= state.optimizer.lr / lr
    state.optimizer = replace(state.optimizer, lr=lr)

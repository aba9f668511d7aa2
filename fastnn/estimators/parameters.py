"""scikit-learn's training parameters as those of fastnn, and as JSON holds them."""

import math
from dataclasses import dataclass, replace

import numpy as np

from .. import losses, optimizers, schedules
from ..activations import HIDDEN
from ..callbacks import Callback, Checkpoint, Patience, resolve_callbacks
from ..core.messages import hint_at
from ..core.options import ImmutableOptions
from ..files import json_values
from ..optimizers import LBFGS, SGD, Adam

ACTIVATION_ALIASES = {"logistic": "sigmoid"}
SKLEARN_OUTPUTS = {"sigmoid": "logistic", "exponential": "exp"}  # names for `out_activation_`
MAX_NETWORKS = 10_000  # of an estimator, also in files
FTOL = 2.220446049250313e-09  # SciPy's default for L-BFGS-B, used by scikit-learn
DEFAULT_RATE = 0.001  # learning_rate_init, if it is not set
MIN_RATE = 1e-6  # learning_rate="adaptive" stops training at this learning rate
#: Parameters that a file cannot hold, since they are code or rows, and their values if unused.
NOT_STORED = {"callbacks": (), "validation_data": None}
NOT_FINITE = "inf", "-inf", "nan"


@dataclass(eq=False, repr=False)
class HalfSquaredError(losses.MSE):
    """scikit-learn's squared error.

    The reported loss is half the mean over outputs. The gradient is that of half the sum.
    """

    def to_kernel(self, n_out, dtype):
        return dict(loss_scale=0.5, gradient_scale=n_out / 2)


def resolve_estimator_loss(loss, output, other_names):
    """Return the loss object for a name, an object or a function. `other_names` are further names
    that the estimator accepts, for the error message."""
    if isinstance(loss, str) and loss not in losses.LOSSES:
        known = [*other_names, *losses.LOSSES]
        raise ValueError(
            f"loss must be one of {', '.join(known)}, an object of "
            "fastnn.losses such as Huber(2.0), or a function (outputs, y) -> (value, d_outputs), "
            f"got {loss!r}{hint_at(loss, known)}"
        )
    return losses.resolve_loss(loss, output)


def hidden_sizes(hidden_layer_sizes):
    """Return the parameter `hidden_layer_sizes`, an int or a sequence of int, as a list."""
    sizes = list(np.atleast_1d(hidden_layer_sizes)) if np.size(hidden_layer_sizes) else []
    if any(size != int(size) or size <= 0 for size in sizes):
        raise ValueError(
            f"hidden_layer_sizes must be whole numbers > 0, got {hidden_layer_sizes!r}"
        )
    return [int(size) for size in sizes]


def activations(activation):
    """Return the parameter `activation` with fastnn's names."""
    if isinstance(activation, (list, tuple)):
        return [activations(each) for each in activation]
    name = ACTIVATION_ALIASES.get(activation, activation)
    if name not in HIDDEN:
        known = ["logistic", *HIDDEN]
        raise ValueError(
            f"activation must be one of {', '.join(known)}, or a list with one "
            f"name for each hidden layer, got {activation!r}{hint_at(activation, known)}"
        )
    return name


def init_parameters(net, activation, random_state):
    """Draw the same initial parameters as scikit-learn.

    W and b are uniform in (-r, r) with r = sqrt(6 / (n_in + n_out)); logistic layers have a 2
    instead of the 6.
    """
    names = activation if isinstance(activation, (list, tuple)) else [activation]
    for i, (W, b) in enumerate(zip(net.weights, net.biases)):
        logistic = bool(names) and names[min(i, len(names) - 1)] in ("logistic", "sigmoid")
        r = math.sqrt((2.0 if logistic else 6.0) / sum(W.shape))
        W[...] = random_state.uniform(-r, r, W.shape)
        b[...] = random_state.uniform(-r, r, b.shape)


def check_same_networks(networks, estimator, n_out, output):
    """Raise ValueError if warm_start or partial_fit would need other networks."""
    net = networks[0]
    if len(networks) != estimator.n_estimators:
        raise ValueError(
            f"n_estimators={estimator.n_estimators}, but {len(networks)} networks are fitted. "
            "To fit new networks, call fit with warm_start=False."
        )
    if (net.layer_sizes[-1], net.activations[-1]) != (n_out, output):
        raise ValueError(
            f"loss={estimator.loss!r} needs {n_out} outputs ({output}), but the fitted network has "
            f"{net.layer_sizes[-1]} ({net.activations[-1]}). "
            "To fit a new network, call fit with warm_start=False."
        )
    sizes, names = hidden_sizes(estimator.hidden_layer_sizes), activations(estimator.activation)
    names = names if isinstance(names, list) else [names] * len(sizes)
    fitted_sizes, fitted_names = list(net.layer_sizes[1:-1]), list(net.activations[:-1])
    if (fitted_sizes, fitted_names) != (sizes, names):
        raise ValueError(
            f"hidden_layer_sizes and activation describe hidden layers of {sizes} units "
            f"({', '.join(names)}), but the fitted network has {fitted_sizes} "
            f"({', '.join(fitted_names)}). To fit a new network, call fit with warm_start=False."
        )


def check_ensemble_callbacks(estimator):
    """Raise ValueError for callbacks that cannot work with the networks of an ensemble."""
    callbacks = resolve_callbacks(estimator.callbacks)
    if estimator.n_estimators > 1 and any(isinstance(each, Checkpoint) for each in callbacks):
        raise ValueError(
            "callbacks holds a Checkpoint, which would save all networks of the ensemble to one "
            "file. Remove it, or pass a function that saves each network to its own file."
        )


def resolve_solver(estimator):
    """Return the optimizer for `solver` and the parameters that belong to it."""
    if estimator.schedule is not None and is_lbfgs(estimator):
        raise ValueError(
            f"schedule cannot be combined with solver={estimator.solver!r}, which has no learning rate. "
            "Set schedule=None, or use another solver."
        )
    if optimizers.OPTIMIZERS.has_instance(estimator.solver):
        if estimator.schedule is not None:
            raise ValueError(
                f"schedule cannot be combined with solver={estimator.solver!r}, which has its own "
                "learning rate. Pass the schedule as the lr of the optimizer."
            )
        return estimator.solver
    lr = estimator.learning_rate_init if estimator.schedule is None else estimator.schedule
    if estimator.solver == "sgd":
        return SGD(
            lr,
            momentum=estimator.momentum,
            nesterov=estimator.nesterovs_momentum and estimator.momentum > 0,
        )
    if estimator.solver == "adam":
        return Adam(lr, betas=(estimator.beta_1, estimator.beta_2), eps=estimator.epsilon)
    if estimator.solver == "lbfgs":
        return LBFGS(
            tolerance_grad=estimator.tol, tolerance_loss=FTOL, max_evaluations=estimator.max_fun
        )
    return _named(estimator.solver, lr)


def _named(name, lr):
    """Return the optimizer of a name that scikit-learn does not have."""
    optimizer = optimizers.resolve_optimizer(name)
    # the default means that it is not set: keep the optimizer's own, such as 1.0 of Adadelta
    return optimizer if lr == DEFAULT_RATE else optimizer.set_params(lr=lr)


def named_solver(name, parameter, lr):
    """Return the optimizer whose option `parameter`, such as solver__lr, is to be set.

    lr : learning_rate_init
    """
    if name in ("adam", "sgd", "lbfgs"):
        raise ValueError(
            f"solver={name!r} has no option {parameter!r}: it uses learning_rate_init and the other "
            "parameters of the estimator. Pass an optimizer, such as solver=fastnn.Adam()."
        )
    return _named(name, lr)


def is_lbfgs(estimator):
    """Return whether the solver is L-BFGS."""
    return estimator.solver == "lbfgs" or isinstance(estimator.solver, LBFGS)


def patience(estimator, best_loss):
    """Return the Patience that watches the training loss, or None.

    As in scikit-learn, L-BFGS stops only by its own rules.
    """
    if estimator.early_stopping or estimator.n_iter_no_change == np.inf or is_lbfgs(estimator):
        return None
    return Patience(
        estimator.n_iter_no_change + 1, estimator.tol, running_best=True, best=best_loss
    )


# ---- scikit-learn's parameter learning_rate, for SGD ----


def uses_learning_rate(estimator, name):
    """Return whether the estimator trains with learning_rate=name, which only SGD supports."""
    return (
        estimator.learning_rate == name and estimator.solver == "sgd" and estimator.schedule is None
    )


class AdaptiveRate(Callback):
    """scikit-learn's learning_rate="adaptive": divide the learning rate by 5 instead of stopping,
    until it is at most MIN_RATE."""

    def on_stop(self, net, history):
        if net.state.optimizer.lr <= MIN_RATE:
            return False
        set_rate(net.state, net.state.optimizer.lr / 5)
        return True


def rate_callbacks(estimator, n_rows, n_seen):
    """Return the callbacks that change the learning rate after an epoch.

    n_rows : rows of an epoch; n_seen : rows seen before
    """
    if not uses_learning_rate(estimator, "invscaling"):
        return []
    return [InverseScaling(estimator.learning_rate_init, estimator.power_t, n_rows, n_seen)]


class InverseScaling(Callback):
    """scikit-learn's learning_rate="invscaling": lr / (rows seen + 1)^power after each epoch."""

    def __init__(self, lr, power, n_rows, n_seen):
        self.lr, self.power, self.n_rows, self.n_seen = lr, power, n_rows, n_seen

    def on_epoch_end(self, net, history):
        self.n_seen += self.n_rows
        set_rate(net.state, self.lr / (self.n_seen + 1) ** self.power)


def set_rate(state, lr):
    """Change the learning rate of a training with SGD.

    scikit-learn's velocity includes the learning rates of its steps. The velocity of fastnn, like
    that of PyTorch, does not, so it is multiplied by the ratio of the old rate to the new one.
    """
    if state.optimizer.momentum and lr > 0:
        state.moments *= state.optimizer.lr / lr
    state.optimizer = replace(state.optimizer, lr=lr)


def batch_size(estimator, n):
    """Return the number of rows of a batch, for n rows."""
    return min(200 if estimator.batch_size == "auto" else estimator.batch_size, n)


# ---- in files ----


def describe_parameters(estimator):
    """Return the parameters as a dict that JSON can hold."""
    parameters = estimator.get_params(deep=False)
    for name, unused in NOT_STORED.items():
        value = parameters.pop(name)
        if value is not None and not (isinstance(value, (tuple, list)) and not value):
            raise ValueError(
                f"a file cannot hold the parameter {name}. It matters only to further training: "
                f"call set_params({name}={unused!r}) before save, and set it again after load."
            )
    return {name: _describe_parameter(name, value) for name, value in parameters.items()}


def _describe_parameter(name, value):
    if isinstance(value, ImmutableOptions) or (callable(value) and name == "loss"):
        return describe_options(name, value)
    if isinstance(value, np.random.RandomState):
        return json_values.describe_generator(value, name)
    if name == "dtype" and value is not None:
        return np.dtype(value).name
    if isinstance(value, float) and not np.isfinite(value):
        return {"float": str(float(value))}
    return json_values.describe_value(value)


def describe_options(name, value):
    """Describe an optimizer, a schedule or a loss."""
    for module, known in (
        (optimizers, optimizers.OPTIMIZERS),
        (schedules, schedules.SCHEDULES),
        (losses, losses.LOSSES),
    ):
        if type(value) in known.values():
            return module.describe(value)
    raise ValueError(
        f"a file cannot hold {name}={value!r}, which is code. It matters only to further training: "
        f"call set_params({name}=...) with an object of fastnn before save, or save the networks "
        "with networks_[i].save."
    )


def parse_parameters(description, cls):
    """Return the estimator of this class whose parameters `describe_parameters` described, not fitted.

    Raises
    ------
    ModelFileError, TypeError, ValueError
        The description is damaged.
    """
    unknown = set(description) - (set(cls._get_param_names()) - set(NOT_STORED))
    if unknown:
        raise ValueError(f"{cls.__name__} has no parameters {sorted(unknown)}")
    estimator = cls(**{name: _parse(name, value) for name, value in description.items()})
    estimator._validate_params()
    return estimator


def _parse(name, value):
    if isinstance(value, list):
        items = [tuple(each) if isinstance(each, list) else each for each in value]
        return dict(items) if name == "class_weight" else tuple(items)
    if not isinstance(value, dict):
        return value
    if "optimizer" in value:
        return optimizers.from_description(value["optimizer"], value["settings"])
    if "schedule" in value:
        return schedules.from_description(value)
    if "loss" in value:
        return losses.from_description(value)
    if "bit_generator" in value:
        return json_values.parse_generator(value, legacy=True)
    if value.get("float") in NOT_FINITE:
        return float(value["float"])
    raise ValueError(f"parameter {name}")

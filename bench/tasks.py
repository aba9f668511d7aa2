"""The tasks that compare.py and options.py time, their expected results, and the training options.

A task makes the same data and initial weights in every process. `expected` computes the results
with `fastnn.reference` in float64. `find_mismatch` compares a peer's results with them.

Parameters are compared by their update: the difference from the initial weights. After one
epoch, float32 rounding changes the update by up to 2e-4 of its norm. A learning rate that is 1
% off changes it by 4e-3 or more.
"""

import copy
from dataclasses import dataclass, fields

import numpy as np
from networks import INFERENCE_NETWORKS, NETWORKS

import fastnn
from fastnn import SGD, reference
from fastnn.losses import BCE
from fastnn.schedules import CosineDecay, StepDecay

LR = 0.05
MIN_STEPS_CHECKED = 60  # the losses of this many steps, and of at least three epochs, are compared
LOSS_RTOL, OUTPUT_ATOL = 1e-3, 1e-5
UPDATE_RTOL = 1e-3  # relative to the norm of the update


# ---- training options ----


def custom_loss(outputs, y):
    """Binary cross-entropy, written as a user writes a custom loss."""
    p, y = np.clip(outputs, 1e-6, 1 - 1e-6), y.reshape(outputs.shape)
    value = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    return value, (p - y) / (p * (1 - p)) / p.size


@dataclass(frozen=True)
class Option:
    """The settings in which a training differs from plain SGD.

    `loss` is None for the default loss of the network's output, a `BCE` with options, or
    `custom_loss`.
    """

    optimizer: fastnn.optimizers.Optimizer = SGD(LR)  # noqa: RUF009 - it is immutable
    loss: object = None
    dropout: float = 0.0
    sample_weight: bool = False
    class_weight: dict | None = None

    @property
    def pos_weight(self):
        return self.loss.pos_weight if isinstance(self.loss, BCE) else None

    @property
    def label_smoothing(self):
        return self.loss.label_smoothing if isinstance(self.loss, BCE) else 0.0


def make_options(steps=1000):
    """Return {name: Option} for a training of `steps` steps, the duration of the cosine schedule.

    All networks of the benchmarks learn at these learning rates. Every option is strong enough that
    omitting it shows in the losses of a few epochs.
    """
    cosine = CosineDecay(LR, duration=steps, warmup=max(1, steps // 10), unit="step")
    return {
        "sgd": Option(),
        "momentum": Option(SGD(LR, momentum=0.9)),
        "nesterov": Option(SGD(LR, momentum=0.9, nesterov=True)),
        "adagrad": Option(fastnn.Adagrad(3e-3)),
        "adadelta": Option(fastnn.Adadelta(1.0)),
        "rmsprop": Option(fastnn.RMSprop(3e-4)),
        "adam": Option(fastnn.Adam(1e-3)),
        # With these betas v rises and falls. If it only rose, its maximum would equal v.
        "amsgrad": Option(fastnn.Adam(1e-3, betas=(0.9, 0.95), amsgrad=True)),
        "adamw": Option(fastnn.AdamW(1e-3, weight_decay=1.0)),
        "adamax": Option(fastnn.Adamax(1e-3)),
        # This momentum_decay keeps the momentum constant, as in Dozat's paper and in Optax.
        "nadam": Option(fastnn.NAdam(5e-4, momentum_decay=1e6)),
        "dropout": Option(dropout=0.2),
        "clip_value": Option(SGD(LR, clip_value=0.01)),
        "clip_norm": Option(SGD(LR, clip_norm=0.1)),
        "l1": Option(SGD(LR, l1=0.01)),
        "l2": Option(SGD(LR, l2=0.1)),
        "weight_decay": Option(SGD(LR, weight_decay=0.1)),
        "average": Option(SGD(LR, average=0.99)),
        "cosine": Option(SGD(cosine)),
        # The unit is an epoch. The decay is slow, so that the rate stays above 0 in long blocks.
        "step_decay": Option(SGD(StepDecay(LR, every=1, factor=0.98))),
        "label_smoothing": Option(loss=BCE(label_smoothing=0.1)),
        "sample_weight": Option(sample_weight=True),
        "class_weight": Option(class_weight={0: 1.0, 1: 3.0}),
        "pos_weight": Option(loss=BCE(pos_weight=3.0)),
        "custom_loss": Option(loss=custom_loss),
    }


OPTION_NAMES = list(make_options())


def row_weights(option, y):
    """Return the weight of each row from `sample_weight` or `class_weight`, or None."""
    if option.sample_weight:
        return np.random.default_rng(1).exponential(size=len(y)).astype(y.dtype)
    if option.class_weight:
        weights = np.where(y.ravel() > 0.5, option.class_weight[1], option.class_weight[0])
        return weights.astype(y.dtype)
    return None


def fit_fastnn(net, option, X, y, epochs, batch, n_threads=1):
    """Train with fastnn and return the loss of each epoch."""
    history = net.fit(
        X,
        y,
        option.loss,
        option.optimizer,
        epochs,
        batch,
        shuffle=False,
        sample_weight=row_weights(option, y) if option.sample_weight else None,
        class_weight=option.class_weight,
        n_threads=n_threads,
    )
    return history.loss


def fit_reference(net, option, X, y, epochs, batch, seed=0):
    """Train with `fastnn.reference` in the dtype of X, and return (losses, flat parameters).

    The training starts at the parameters of `net` and does not change `net`.
    """
    weights = [W.astype(X.dtype) for W in net.weights]
    biases = [b.astype(X.dtype) for b in net.biases]
    settings = optimizer_settings(option.optimizer)
    rate = settings.pop("lr")
    by_step = getattr(rate, "unit", None) == "step"
    lr = (lambda step, epoch: rate(step if by_step else epoch)) if callable(rate) else rate
    loss, loss_options = option.loss, None
    if loss is None:
        loss = "bce" if net.layer_sizes[-1] == 1 else "cross_entropy"
    elif isinstance(loss, BCE):
        loss_options = dict(pos_weight=loss.pos_weight, label_smoothing=loss.label_smoothing)
        loss = "bce"
    losses = reference.fit(
        X,
        y,
        weights,
        biases,
        net.activations,
        loss,
        type(option.optimizer).__name__.lower(),
        lr,
        epochs,
        batch,
        sample_weight=row_weights(option, y),
        loss_options=loss_options,
        dropout=net.dropout if option.dropout else None,
        seed=seed,
        **settings,
    )
    if option.optimizer.average is not None:
        losses, weights, biases = losses
    return losses, flatten(zip(weights, biases))


def optimizer_settings(optimizer):
    """Return {name: value}, without what fastnn caches in an optimizer that it has used."""
    return {field.name: getattr(optimizer, field.name) for field in fields(optimizer)}


def flatten(layers):
    """Return (W, b), (W, b), ... as one flat array, in the order of `MLP.params`."""
    return np.concatenate([np.ravel(a) for layer in layers for a in layer])


# ---- tasks ----


class Training:
    """Mini-batch training without shuffling.

    `option` is an `Option` or the name of one in `make_options`.
    """

    kind = "training"
    # Blocks have at least this many steps, so that the fixed cost of a call of `fit` is shared by
    # many steps, as in real trainings.
    min_block_steps = 10

    def __init__(self, network, option):
        self.network, self.sizes = network, network.sizes
        self.activation, self.binary = network.activation, network.binary
        self.batch, self.n, self.flops = network.batch, network.rows, network.flops
        self.steps = self.n // self.batch  # per epoch
        self.epochs = max(3, -(-MIN_STEPS_CHECKED // self.steps))
        self.title = f"{network.title}, {self.batch}"
        self.name = option if isinstance(option, str) else ""
        self.option = make_options(self.epochs * self.steps)[option] if self.name else option
        self.rule, self.lr = type(self.option.optimizer).__name__.lower(), self.option.optimizer.lr

    def with_epochs(self, epochs):
        """Return a copy whose schedule spans this number of epochs."""
        other = copy.copy(self)
        if self.name:
            other.option = make_options(epochs * self.steps)[self.name]
        return other

    def make_data(self):
        self.net = self.network.make()
        self.net.dropout = self.option.dropout
        self.X, self.y = self.network.data()
        return self

    def expected(self):
        """Return the losses of all epochs and the parameters after the first epoch."""
        X, y = self.X.astype(float), self.y.astype(float) if self.binary else self.y
        seed = 0
        if self.option.dropout:
            trained = self.net.copy()
            trained.rng = np.random.default_rng(0)  # as in peers_plain.FastnnTraining
            trained.fit(self.X, self.y, epochs=1)
            seed = trained.state.seed
        losses, _ = fit_reference(self.net, self.option, X, y, self.epochs, self.batch, seed)
        _, params = fit_reference(self.net, self.option, X, y, 1, self.batch, seed)
        return losses, params

    def find_mismatch(self, results, expected, peer="fastnn"):
        """Return how the results differ from the expected ones, or None.

        Other peers draw different dropout masks, so their losses only have to fall. Parameters are
        compared after one epoch: later, rounding at the kink of a relu may have grown too large.
        """
        (losses, params), (expected_losses, expected_params) = results, expected
        if self.option.dropout and peer != "fastnn":
            return None if losses[-1] < losses[0] < np.inf else f"the losses {losses} do not fall"
        return error_above(
            "losses", np.divide(losses, expected_losses) - 1, LOSS_RTOL
        ) or update_error_above(params, expected_params, self.net.params)


class Inference:
    """Prediction: rows in a NumPy array in, probabilities in a NumPy array out."""

    kind, activation = "inference", "relu"

    def __init__(self, network, n):
        self.network, self.sizes, self.n, self.binary = network, network.sizes, n, network.binary
        self.flops = 2 * n * sum(a * b for a, b in zip(self.sizes, self.sizes[1:]))
        self.title = f"{network.title}, {n:,} row{'s' * (n > 1)}"

    def make_data(self):
        self.net = self.network.make()
        self.X = np.random.default_rng(7).standard_normal((self.n, self.sizes[0]), dtype="f")
        return self

    def expected(self):
        weights, biases = (
            [a.astype(float) for a in arrays] for arrays in (self.net.weights, self.net.biases)
        )
        return reference.forward(self.X.astype(float), weights, biases, self.net.activations)

    def find_mismatch(self, results, expected, peer="fastnn"):
        return error_above("outputs", results - expected, OUTPUT_ATOL)


class Derivative:
    """A Jacobian or Hessian in the inputs: rows in a NumPy array in, an array out."""

    kind, flops = "derivative", None

    def __init__(self, method, sizes, activation, dtype, n):
        self.method, self.activation, self.dtype, self.n = method, activation, dtype, n
        self.sizes = [int(size) for size in sizes.split("-")]
        self.checked = np.unique(np.linspace(0, n - 1, 20).astype(int))  # rows

    def make_data(self):
        self.net = fastnn.MLP(self.sizes, self.activation, dtype=self.dtype, rng=0)
        rng = np.random.default_rng(7)
        for b in self.net.biases:
            b[:] = 0.1 * rng.standard_normal(len(b))
        self.X = rng.standard_normal((self.n, self.sizes[0])).astype(self.dtype)
        return self

    def expected(self):
        weights, biases = (
            [a.astype(float) for a in arrays] for arrays in (self.net.weights, self.net.biases)
        )
        X = self.X[self.checked].astype(float)
        return getattr(reference, self.method)(X, weights, biases, self.net.activations)

    def find_mismatch(self, results, expected, peer="fastnn"):
        tolerance = OUTPUT_ATOL if self.dtype == "float32" else 1e-12
        return error_above("derivatives", (results - expected) / np.abs(expected).max(), tolerance)


class Elementwise:
    """An elementwise function of z, written to another array.

    The function "bce" is the mean loss from logits, and its gradient.
    """

    kind, flops = "elementwise", None

    def __init__(self, function, n=100_000):
        self.function, self.n = function, n
        self.title = f"{n:,} {'logits' if function == 'bce' else 'numbers'}"

    def make_data(self):
        rng = np.random.default_rng(0)
        self.z = aligned(3 * rng.standard_normal(self.n, dtype="f"))
        self.y = aligned(rng.random(self.n, dtype="f") > 0.5)
        return self

    def expected(self):
        z = self.z.astype(float)
        if self.function != "bce":
            return reference.activation(z, self.function)
        grad = np.empty(self.n)
        return reference.binary_cross_entropy_with_logits(z, self.y, grad=grad), grad

    def find_mismatch(self, results, expected, peer="fastnn"):
        if self.function != "bce":
            return error_above("outputs", results - expected, OUTPUT_ATOL)
        (loss, grad), (expected_loss, expected_grad) = results, expected
        return error_above("losses", loss / expected_loss - 1, OUTPUT_ATOL) or error_above(
            "gradients", self.n * (grad - expected_grad), OUTPUT_ATOL
        )


class Update:
    """One optimizer step on the parameters w with the gradient g, in place.

    The parameters are compared after `n_checked` steps.
    """

    kind, flops, lr, n_checked = "update", None, 1e-3, 3

    def __init__(self, rule, n=1_000_000):
        self.rule, self.n, self.title = rule, n, f"{n:,} parameters"

    def make_data(self):
        rng = np.random.default_rng(0)
        self.w = aligned(rng.standard_normal(self.n, dtype="f"))
        self.g = aligned(1e-2 * rng.standard_normal(self.n, dtype="f"))
        return self

    def expected(self):
        w, g = self.w.astype(float), self.g.astype(float)
        m, v = np.zeros(self.n), np.zeros(self.n)
        momentum = 0.9 * (self.rule == "momentum")
        for t in range(1, self.n_checked + 1):
            if self.rule == "adam":
                reference.adam_step_(w, g, m, v, t, self.lr)
            else:
                reference.sgd_step_(w, g, self.lr, momentum=momentum, velocity=m)
        return w

    def find_mismatch(self, results, expected, peer="fastnn"):
        # Numbers of about 1 round by 3e-8 in float32 and move by 3e-5 or more, so that rounding is
        # up to 2e-3 of the update.
        return update_error_above(results, expected, self.w, 5e-3)


def aligned(values):
    """Return a float32 copy that starts at a cache line, as PyTorch's and JAX's arrays do.

    Loops over other arrays may take twice as long.
    """
    buffer = np.empty(len(values) + 16, "f")
    start = -buffer.ctypes.data % 64 // 4
    buffer[start : start + len(values)] = values
    return buffer[start : start + len(values)]


def update_error_above(params, expected, initial, tolerance=UPDATE_RTOL):
    error = np.linalg.norm(params - expected) / np.linalg.norm(expected - initial)
    return error_above("updates of parameters", error, tolerance)


def error_above(what, errors, tolerance):
    """Return a message if the largest absolute error exceeds the tolerance or is NaN, else None."""
    error = np.max(np.abs(errors))
    # A comparison with NaN is false, so that a NaN is reported.
    return None if error < tolerance else f"{what} differ from the reference's by {error:.1e}"


SGD_NETWORKS = [name for name in NETWORKS if name.startswith("T")]
ADAM_NETWORKS = ("T2", "T3a", "T3b", "T4", "T6")
OPTION_NETWORKS = ("T2", "T3a", "T3b", "T4")
# plain SGD is the same task in compare.py and in options.py
assert all(NETWORKS[name].lr == LR for name in OPTION_NETWORKS)

GROUPS = {  # title: {row of compare.py: task}
    "Training, plain SGD: a step": {
        name: Training(NETWORKS[name], Option(SGD(NETWORKS[name].lr))) for name in SGD_NETWORKS
    },
    "Training, Adam: a step": {
        f"{name}-adam": Training(NETWORKS[name], Option(fastnn.Adam(1e-3)))
        for name in ADAM_NETWORKS
    },
    "Inference of one row": {
        f"I{i}": Inference(NETWORKS[name], 1) for i, name in INFERENCE_NETWORKS.items()
    },
    "Inference of many rows": {
        f"B{i}": Inference(NETWORKS[name], 100_000 if i < "3" else 10_000)
        for i, name in INFERENCE_NETWORKS.items()
    },
    "Elementwise": {function: Elementwise(function) for function in ("sigmoid", "tanh", "bce")},
    "Updates in place": {rule: Update(rule) for rule in ("sgd", "momentum", "adam")},
}
ROWS = {row: task for group in GROUPS.values() for row, task in group.items()}
OPTION_ROWS = {  # rows of options.py
    f"{network} {name}": Training(NETWORKS[network], name)
    for network in OPTION_NETWORKS
    for name in OPTION_NAMES
}
TASKS = ROWS | OPTION_ROWS

"""What compare.py and options.py ask of everybody: on what data, and what must come out.

A task makes the same data and first weights wherever it is made. `expected` computes with float64
`fastnn.reference`; `difference` says what is wrong with somebody's results, or returns None.
Parameters are compared by their update, the way from the first weights: float32 leaves up to 2e-4
of it after an epoch, and a learning rate that is 1 % off changes 4e-3 or more.
"""

import copy

import numpy as np
from networks import NETWORKS, PREDICTS
from option_list import LR, NAMES, Option, fit_reference, options

import fastnn
from fastnn import reference

STEPS_CHECKED = 60  # of a training, at least, and three epochs
LOSSES, OUTPUTS = 1e-3, 1e-5  # tolerances: relative; absolute
UPDATES = 1e-3  # relative to the norm of the update


class Training:
    """Epochs over a network's rows in their order, by mini-batches, with plain SGD, an `Option`, or
    the option of a name."""

    kind, unit = "training", "step"

    def __init__(self, network, option):
        self.network, self.sizes, self.activation, self.binary = (
            network,
            network.sizes,
            network.activation,
            network.binary,
        )
        self.batch, self.n, self.flops = network.batch, network.rows, network.flops
        self.steps = self.n // self.batch  # an epoch's
        self.epochs = max(3, -(-STEPS_CHECKED // self.steps))
        self.title = f"{network.title}, {self.batch}"
        self.name = option if isinstance(option, str) else ""
        self.option = options(self.epochs * self.steps)[option] if self.name else option
        self.rule, self.lr = type(self.option.optimizer).__name__.lower(), self.option.optimizer.lr

    def over(self, epochs):
        """Return the same task for a training of so many epochs: a schedule may span all of it."""
        other = copy.copy(self)
        if self.name:
            other.option = options(epochs * self.steps)[self.name]
        return other

    def make(self):
        self.net = self.network.make()
        self.net.dropout = self.option.dropout
        self.X, self.y = self.network.data()
        return self

    def expected(self):
        """Return the losses of the epochs, and the parameters after the first."""
        X, y = self.X.astype(float), self.y.astype(float) if self.binary else self.y
        seed = 0
        if self.option.dropout:
            drawn = self.net.copy()
            drawn.rng = np.random.default_rng(0)  # as peers.Fastnn begins
            drawn.fit(self.X, self.y, epochs=1)
            seed = drawn.state.seed
        losses, _ = fit_reference(self.net, self.option, X, y, self.epochs, self.batch, seed)
        _, params = fit_reference(self.net, self.option, X, y, 1, self.batch, seed)
        return losses, params

    def difference(self, results, expected, draws="fastnn's"):
        """Under dropout others draw for themselves: then the losses must fall. (After more than one
        epoch, rounding where a relu bends may have grown too large to compare parameters.)"""
        (losses, params), (right_losses, right_params) = results, expected
        if self.option.dropout and draws != "fastnn's":
            return None if losses[-1] < losses[0] < np.inf else f"the losses {losses} do not fall"
        return apart("losses", np.divide(losses, right_losses) - 1, LOSSES) or updates_apart(
            params, right_params, self.net.params
        )


class Inference:
    """Rows as a NumPy array in, probabilities as a NumPy array out."""

    kind, unit, activation = "inference", "call", "relu"

    def __init__(self, network, n):
        self.network, self.sizes, self.n, self.binary = network, network.sizes, n, network.binary
        self.flops = 2 * n * sum(a * b for a, b in zip(self.sizes, self.sizes[1:]))
        self.title = f"{network.title}, {n:,} row{'s' * (n > 1)}"

    def make(self):
        self.net = self.network.make()
        self.X = np.random.default_rng(7).standard_normal((self.n, self.sizes[0]), dtype="f")
        return self

    def expected(self):
        weights, biases = (
            [a.astype(float) for a in arrays] for arrays in (self.net.weights, self.net.biases)
        )
        return reference.forward(self.X.astype(float), weights, biases, self.net.activations)

    def difference(self, results, expected, draws=""):
        return apart("outputs", results - expected, OUTPUTS)


class Elementwise:
    """One pass over z: into another array, or for "bce" the mean loss from logits and its
    gradient."""

    kind, unit, flops = "elementwise", "call", None

    def __init__(self, function, n=100_000):
        self.function, self.n = function, n
        self.title = f"{n:,} {'logits' if function == 'bce' else 'numbers'}"

    def make(self):
        rng = np.random.default_rng(0)
        self.z, self.y = (
            aligned(3 * rng.standard_normal(self.n, dtype="f")),
            aligned(rng.random(self.n, dtype="f") > 0.5),
        )
        return self

    def expected(self):
        z = self.z.astype(float)
        if self.function != "bce":
            return reference.activation(z, self.function)
        grad = np.empty(self.n)
        return reference.binary_cross_entropy_with_logits(z, self.y, grad=grad), grad

    def difference(self, results, expected, draws=""):
        if self.function != "bce":
            return apart("outputs", results - expected, OUTPUTS)
        (loss, grad), (right_loss, right_grad) = results, expected
        return apart("losses", loss / right_loss - 1, OUTPUTS) or apart(
            "gradients", self.n * (grad - right_grad), OUTPUTS
        )


class Update:
    """One step of an optimizer on parameters w with the gradient g, in place; three of them are
    checked."""

    kind, unit, flops, lr, checked = "update", "call", None, 1e-3, 3

    def __init__(self, rule, n=1_000_000):
        self.rule, self.n, self.title = rule, n, f"{n:,} parameters"

    def make(self):
        rng = np.random.default_rng(0)
        self.w, self.g = (
            aligned(rng.standard_normal(self.n, dtype="f")),
            aligned(1e-2 * rng.standard_normal(self.n, dtype="f")),
        )
        return self

    def expected(self):
        w, g = self.w.astype(float), self.g.astype(float)
        m, v = np.zeros(self.n), np.zeros(self.n)
        for t in range(1, self.checked + 1):
            if self.rule == "adam":
                reference.adam_step_(w, g, m, v, t, self.lr)
            else:
                reference.sgd_step_(
                    w, g, self.lr, momentum=0.9 * (self.rule == "momentum"), velocity=m
                )
        return w

    def difference(self, results, expected, draws=""):
        """Numbers of about 1 in float32 round by 3e-8, and move by 3e-5 or more: up to 2e-3 of the
        update."""
        return updates_apart(results, expected, self.w, 5e-3)


def aligned(numbers):
    """Return a copy that begins at a cache line, as PyTorch's and JAX's arrays do: a loop over
    others may take twice as long."""
    room = np.empty(len(numbers) + 16, "f")
    start = -room.ctypes.data % 64 // 4
    room[start : start + len(numbers)] = numbers
    return room[start : start + len(numbers)]


def updates_apart(params, right, first, tolerance=UPDATES):
    return apart(
        "updates of parameters",
        np.linalg.norm(params - right) / np.linalg.norm(right - first),
        tolerance,
    )


def apart(what, errors, tolerance):
    error = np.max(np.abs(errors))
    return (
        None if error < tolerance else f"{what} differ by {error:.1e} from the reference's"
    )  # a NaN differs too


COMPARED = [name for name in NETWORKS if name.startswith("T")]
WITH_ADAM = ("T2", "T3a", "T3b", "T4", "T6")
WITH_OPTIONS = ("T2", "T3a", "T3b", "T4")

GROUPS = {  # title: {row of compare.py: task}
    "Training, plain SGD: a step": {
        row: Training(NETWORKS[row], Option(fastnn.SGD(NETWORKS[row].lr))) for row in COMPARED
    },
    "Training, Adam: a step": {
        f"{row}-adam": Training(NETWORKS[row], Option(fastnn.Adam(1e-3))) for row in WITH_ADAM
    },
    "Inference of one row": {f"I{i}": Inference(NETWORKS[row], 1) for i, row in PREDICTS.items()},
    "Inference of many rows": {
        f"B{i}": Inference(NETWORKS[row], 100_000 if i < "3" else 10_000)
        for i, row in PREDICTS.items()
    },
    "Elementwise": {function: Elementwise(function) for function in ("sigmoid", "tanh", "bce")},
    "Updates in place": {rule: Update(rule) for rule in ("sgd", "momentum", "adam")},
}
ROWS = {row: task for group in GROUPS.values() for row, task in group.items()}
OPTIONS = {
    f"{row} {name}": Training(NETWORKS[row], name) for row in WITH_OPTIONS for name in NAMES
}  # rows of options.py
assert all(NETWORKS[row].lr == LR for row in WITH_OPTIONS)  # plain SGD is the same in both
TASKS = ROWS | OPTIONS

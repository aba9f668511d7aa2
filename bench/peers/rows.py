"""The rows of bench/compare.py: what each asks of everybody, on what data, and what must come out.

A task makes the same data and first weights wherever it is made. `expected` is float64 `fastnn.reference`; `difference` says what is
wrong with somebody's results, or None.
"""

import math

import numpy as np

import fastnn
from fastnn import reference

STEPS_CHECKED = 60  # of a training, at least, and three epochs
LOSSES, PARAMS = 1e-3, 2e-2  # relative; of the parameters: to the way that they went
OUTPUTS, UPDATED = 1e-5, 5e-3  # absolute; relative to the way


class Training:
    """Epochs over the rows in their order, by mini-batches. One output: sigmoid and binary cross-entropy; more: softmax and theirs."""

    kind, unit = "training", "step"

    def __init__(self, sizes, activation, batch, n, lr, optimizer="sgd"):
        self.sizes, self.activation, self.batch, self.n, self.lr, self.optimizer = sizes, activation, batch, n, lr, optimizer
        self.binary, self.steps = sizes[-1] == 1, n // batch  # steps: an epoch's
        self.epochs = max(3, -(-STEPS_CHECKED // self.steps))
        products = [a * b for a, b in zip(sizes, sizes[1:])]
        self.flops = 2 * batch * (3 * sum(products) - products[0])  # a step: the first layer's inputs need no gradient
        self.title = f"{'-'.join(map(str, sizes))}, {batch}"

    def make(self):
        self.net = network(self.sizes, self.activation)
        rng = np.random.default_rng(99)
        d, k = self.sizes[0], self.sizes[-1]
        self.X = rng.standard_normal((self.n, d), dtype="f")
        z = self.X @ rng.standard_normal((d, k), dtype="f") + 0.3 * math.sqrt(d) * rng.standard_normal((self.n, k), dtype="f")
        self.y = (z > 0).astype("f") if self.binary else z.argmax(axis=1)
        return self

    def expected(self):
        """The losses of the epochs, and the parameters after the first."""
        weights, biases = [W.astype(float) for W in self.net.weights], [b.astype(float) for b in self.net.biases]
        losses = []
        for epochs in 1, self.epochs:
            Ws, bs = [W.copy() for W in weights], [b.copy() for b in biases]
            losses = reference.fit(self.X.astype(float), self.y, Ws, bs, self.net.activations, "bce" if self.binary else "cross_entropy",
                                   self.optimizer, self.lr, epochs, self.batch)  # fmt: skip
            if epochs == 1:
                params = flat(zip(Ws, bs))
        return losses, params

    def difference(self, results, expected):
        """Later than after an epoch the rounding at the bend of a relu has grown too large to compare parameters."""
        (losses, params), (right_losses, right_params) = results, expected
        way = np.linalg.norm(right_params - self.net.params)
        error = np.linalg.norm(params - right_params) / way
        return apart("losses", np.divide(losses, right_losses) - 1, LOSSES) or apart("parameters, of the way they went,", error, PARAMS)


class Inference:
    """Rows as a NumPy array in, probabilities as a NumPy array out."""

    kind, unit, activation = "inference", "call", "relu"

    def __init__(self, sizes, n):
        self.sizes, self.n, self.binary = sizes, n, sizes[-1] == 1
        self.flops = 2 * n * sum(a * b for a, b in zip(sizes, sizes[1:]))
        self.title = f"{'-'.join(map(str, sizes))}, {n:,} row{'s' * (n > 1)}"

    def make(self):
        self.net = network(self.sizes, self.activation)
        self.X = np.random.default_rng(7).standard_normal((self.n, self.sizes[0]), dtype="f")
        return self

    def expected(self):
        net = self.net
        return reference.forward(self.X.astype(float), [W.astype(float) for W in net.weights], [b.astype(float) for b in net.biases],
                                 net.activations)  # fmt: skip

    def difference(self, results, expected):
        return apart("outputs", results - expected, OUTPUTS)


class Elementwise:
    """One pass over z: into another array, or for "bce" the mean loss from logits and its gradient."""

    kind, unit, flops = "elementwise", "call", None

    def __init__(self, function, n=100_000):
        self.function, self.n = function, n
        self.title = f"{n:,} {'logits' if function == 'bce' else 'numbers'}"

    def make(self):
        rng = np.random.default_rng(0)
        self.z, self.y = aligned(3 * rng.standard_normal(self.n, dtype="f")), aligned(rng.random(self.n, dtype="f") > 0.5)
        return self

    def expected(self):
        z = self.z.astype(float)
        if self.function != "bce":
            return reference.activation(z, self.function)
        grad = np.empty(self.n)
        return reference.binary_cross_entropy_with_logits(z, self.y, grad=grad), grad

    def difference(self, results, expected):
        if self.function != "bce":
            return apart("outputs", results - expected, OUTPUTS)
        (loss, grad), (right_loss, right_grad) = results, expected
        return apart("losses", loss / right_loss - 1, OUTPUTS) or apart("gradients", self.n * (grad - right_grad), OUTPUTS)


class Update:
    """One step of an optimizer on parameters w with the gradient g, in place; three of them are checked."""

    kind, unit, flops, lr, checked = "update", "call", None, 1e-3, 3

    def __init__(self, rule, n=1_000_000):
        self.rule, self.n, self.title = rule, n, f"{n:,} parameters"

    def make(self):
        rng = np.random.default_rng(0)
        self.w, self.g = aligned(rng.standard_normal(self.n, dtype="f")), aligned(1e-2 * rng.standard_normal(self.n, dtype="f"))
        return self

    def expected(self):
        w, g = self.w.astype(float), self.g.astype(float)
        m, v = np.zeros(self.n), np.zeros(self.n)
        for t in range(1, self.checked + 1):
            if self.rule == "adam":
                reference.adam_step_(w, g, m, v, t, self.lr)
            else:
                reference.sgd_step_(w, g, self.lr, momentum=0.9 * (self.rule == "momentum"), velocity=m)
        return w

    def difference(self, results, expected):
        """Numbers of about 1 in float32 round by 1e-7, and move by 1e-5 to 1e-3."""
        way = np.linalg.norm(expected - self.w)
        return apart("parameters, of the way they went,", np.linalg.norm(results - expected) / way, UPDATED)


def aligned(numbers):
    """A copy that begins where a cache line does, as PyTorch's and JAX's arrays do: a loop over others may take twice as long."""
    room = np.empty(len(numbers) + 16, "f")
    start = -room.ctypes.data % 64 // 4
    room[start : start + len(numbers)] = numbers
    return room[start : start + len(numbers)]


def network(sizes, activation):
    return fastnn.MLP(sizes, activation, output="sigmoid" if sizes[-1] == 1 else "softmax", init="glorot_uniform", rng=0)


def flat(layers):
    """(W, b), (W, b), ... in one array, in fastnn's order."""
    return np.concatenate([np.ravel(a) for layer in layers for a in layer])


def apart(what, errors, tolerance):
    error = np.max(np.abs(errors))
    return None if error < tolerance else f"{what} differ by {error:.1e} from the reference's"  # a NaN differs too


SGD = {  # layer sizes, hidden activation, batch, rows of data, learning rate
    "T1": ([3, 4, 1], "sigmoid", 4, 4, 0.5),
    "T2": ([30, 32, 1], "relu", 32, 1024, 0.05),
    "T3a": ([30, 64, 64, 1], "relu", 32, 1024, 0.05),
    "T3b": ([30, 64, 64, 1], "relu", 256, 2048, 0.05),
    "T4": ([28, 256, 256, 1], "relu", 256, 2048, 0.05),
    "T5": ([784, 16, 16, 10], "sigmoid", 32, 1024, 0.1),
    "T6": ([784, 128, 10], "relu", 128, 1024, 0.02),
    "T7": ([784, 512, 512, 10], "relu", 256, 1024, 0.02),
    "T8": ([1024, 2048, 2048, 1], "relu", 512, 1024, 0.01),
}
WITH_ADAM = ("T2", "T3a", "T3b", "T4", "T6")
FORWARD = [[30, 32, 1], [30, 64, 64, 1], [784, 128, 10], [784, 512, 512, 10]]

GROUPS = {  # title: {row: task}
    "Training, plain SGD: a step": {row: Training(*task) for row, task in SGD.items()},
    "Training, Adam: a step": {f"{row}-adam": Training(*SGD[row][:4], 1e-3, "adam") for row in WITH_ADAM},
    "Inference of one row": {f"I{i}": Inference(sizes, 1) for i, sizes in enumerate(FORWARD, 1)},
    "Inference of many rows": {f"B{i}": Inference(sizes, 100_000 if i < 3 else 10_000) for i, sizes in enumerate(FORWARD, 1)},
    "Elementwise": {function: Elementwise(function) for function in ("sigmoid", "tanh", "bce")},
    "Updates in place": {rule: Update(rule) for rule in ("sgd", "momentum", "adam")},
}
ROWS = {row: task for group in GROUPS.values() for row, task in group.items()}

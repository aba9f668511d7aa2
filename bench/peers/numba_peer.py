"""Numba in bench/compare.py: what one writes who wants a compiled loop of one's own, with plain loops or with BLAS for the products.

All parameters are in one array, as all outputs and all deltas are: calls pass few arguments, and one compiled function serves all
networks. np.dot within Numba is SciPy's BLAS; sigmoid and tanh are one number at a time, for a vector library (Intel's SVML) does not come
with a Numba from PyPI.
"""

import math

import numba
import numpy as np

from . import numba_loops
from .rows import aligned, flat


class NumbaLoops:
    too_slow = ("T7", "T8", "B4")
    blas = False

    def __init__(self, threads):
        if self.blas:
            import scipy.linalg  # noqa: F401 - its BLAS, or Numba could not compile
        self.train, self.forward = numba_loops.build(self.blas)
        self.one_by_one = numba.njit(parallel=threads > 1, **numba_loops.SETTINGS)
        numba.set_num_threads(threads)

    def training(self, task, variant):
        return Training(task, self.train)

    def inference(self, task, variant):
        forward, params = self.forward, flat(zip(task.net.weights, task.net.biases))
        sizes, binary = np.array(task.sizes), task.binary
        return lambda X: forward(X, params, sizes, binary)

    def elementwise(self, task, variant):
        z, y, out = task.z, task.y, aligned(task.z)
        function = self.one_by_one({"sigmoid": sigmoid, "tanh": tanh, "bce": bce}[task.function])
        if task.function == "bce":
            return lambda: (function(z, y, out), out)
        return lambda: function(z, out)

    def update(self, task, variant):
        w, g, m, v = aligned(task.w), task.g, aligned(0 * task.w), aligned(0 * task.w)
        function, t = self.one_by_one({"sgd": sgd, "momentum": momentum, "adam": adam}[task.rule]), 0
        lr = np.float32(task.lr)

        def step():
            nonlocal t
            t += 1
            function(w, g, m, v, lr, np.float32(task.lr / (1 - 0.9**t)), np.float32(1 / (1 - 0.999**t)))

        return step, lambda: w


class NumbaBlas(NumbaLoops):
    """The products only: elementwise and updates are the loops'."""

    too_slow = ()
    blas = True
    elementwise = update = property()  # no such attribute


class Training:
    def __init__(self, task, train):
        self.task, self.train = task, train
        self.first = flat(zip(task.net.weights, task.net.biases))
        self.state = [np.empty_like(self.first) for _ in range(4)]  # parameters, gradients, m, v
        self.layers = [np.empty(task.batch * sum(task.sizes[1:]), "f") for _ in range(2)]  # outputs, deltas
        self.y = task.y.ravel().astype("f")

    def begin(self):
        self.state[0][...] = self.first
        for moment in self.state[2:]:
            moment.fill(0)
        self.t = 0

    def run(self, epochs):
        task, losses = self.task, np.empty(epochs)
        self.t = self.train(task.X, self.y, np.array(task.sizes), *self.state, *self.layers, task.batch, task.activation == "relu",
                            task.binary, task.optimizer == "adam", np.float32(task.lr), self.t, losses)  # fmt: skip
        return losses.tolist()

    def params(self):
        return self.state[0]


# ---- one number after another; prange is range with one thread ----


def sigmoid(z, out):
    for i in numba.prange(z.size):
        out[i] = np.float32(1) / (np.float32(1) + np.exp(-z[i]))
    return out


def tanh(z, out):
    for i in numba.prange(z.size):
        out[i] = math.tanh(z[i])
    return out


def bce(z, y, grad):
    total, one = 0.0, np.float32(1)
    for i in numba.prange(z.size):
        e = np.exp(-abs(z[i]))
        total += max(z[i], np.float32(0)) - z[i] * y[i] + np.log1p(e)
        p = one / (one + e)
        grad[i] = ((p if z[i] >= 0 else one - p) - y[i]) / np.float32(z.size)
    return total / z.size


def sgd(w, g, m, v, lr, a, b):
    for i in numba.prange(w.size):
        w[i] -= lr * g[i]


def momentum(w, g, m, v, lr, a, b):
    for i in numba.prange(w.size):
        m[i] = np.float32(0.9) * m[i] + g[i]
        w[i] -= lr * m[i]


def adam(w, g, m, v, lr, a, b):
    for i in numba.prange(w.size):
        m[i] = np.float32(0.9) * m[i] + np.float32(0.1) * g[i]
        v[i] = np.float32(0.999) * v[i] + np.float32(0.001) * g[i] * g[i]
        w[i] -= a * m[i] / (np.sqrt(b * v[i]) + np.float32(1e-8))

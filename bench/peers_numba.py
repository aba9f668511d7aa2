"""Numba in compare.py: what one writes who wants a compiled loop of one's own, with plain loops or
with BLAS for the products.

All parameters are in one array, as all outputs and all deltas are: calls pass few arguments, and
one compiled function serves all networks. np.dot within Numba is SciPy's BLAS; sigmoid and tanh are
one number at a time, for a vector library (Intel's SVML) does not come with a Numba from PyPI.
"""

import math

import numba
import numpy as np
from option_list import flat
from tasks import aligned

ZERO, ONE = np.float32(0), np.float32(1)
SETTINGS = dict(
    nogil=True, fastmath=True, error_model="numpy"
)  # Python's error model looks at every divisor, one at a time


def build(blas):
    """Return train and forward, which work on whole trainings and whole arrays of rows."""
    jit = numba.njit(**SETTINGS)
    times, transposed_times, times_transposed = (
        jit(f) for f in (WITH_BLAS if blas else WITH_LOOPS)
    )

    @jit
    def layer(flat, i, rows, sizes):
        """Layer i's outputs or deltas (rows, n_out)."""
        start = rows * sizes[1 : i + 1].sum()
        return flat[start : start + rows * sizes[i + 1]].reshape(rows, sizes[i + 1])

    @jit
    def linear(A, W, b, Z, activate, relu):
        times(A, W, Z)
        for i in range(Z.shape[0]):
            if activate and relu:
                for j in range(Z.shape[1]):
                    Z[i, j] = max(Z[i, j] + b[j], ZERO)
            elif activate:
                for j in range(Z.shape[1]):
                    Z[i, j] = ONE / (ONE + np.exp(-(Z[i, j] + b[j])))
            else:
                for j in range(Z.shape[1]):
                    Z[i, j] += b[j]

    @jit
    def train(
        X, y, sizes, params, grads, m, v, outputs, deltas, batch, relu, binary, adam, lr, t, losses
    ):
        n_layers = len(sizes) - 1
        ends = (sizes[1:] * (sizes[:-1] + 1)).cumsum()
        for epoch in range(len(losses)):
            total = 0.0
            for start in range(0, len(X), batch):
                rows = X[start : start + batch]
                A = rows
                for i in range(n_layers):
                    k, n = sizes[i], sizes[i + 1]
                    at = ends[i] - (k + 1) * n
                    Z = layer(outputs, i, batch, sizes)
                    linear(
                        A,
                        params[at : at + k * n].reshape(k, n),
                        params[at + k * n : ends[i]],
                        Z,
                        i < n_layers - 1,
                        relu,
                    )
                    A = Z
                D = layer(deltas, n_layers - 1, batch, sizes)
                targets = y[start : start + batch]
                total += bce(A, targets, D) if binary else cross_entropy(A, targets, D)
                for i in range(n_layers - 1, -1, -1):
                    k, n = sizes[i], sizes[i + 1]
                    at = ends[i] - (k + 1) * n
                    D = layer(deltas, i, batch, sizes)
                    A = layer(outputs, i - 1, batch, sizes) if i > 0 else rows
                    transposed_times(A, D, grads[at : at + k * n].reshape(k, n))
                    db = grads[at + k * n : ends[i]]
                    db[:] = ZERO
                    for r in range(batch):
                        for j in range(n):
                            db[j] += D[r, j]
                    if i > 0:
                        E = layer(deltas, i - 1, batch, sizes)
                        times_transposed(D, params[at : at + k * n].reshape(k, n), E)
                        for r in range(batch):
                            if relu:
                                for j in range(k):
                                    E[r, j] = E[r, j] if A[r, j] > ZERO else ZERO
                            else:
                                for j in range(k):
                                    E[r, j] *= A[r, j] * (ONE - A[r, j])
                t += 1
                if adam:
                    a, b = np.float32(lr / (1 - 0.9**t)), np.float32(1 / (1 - 0.999**t))
                    for i in range(len(params)):
                        m[i] = np.float32(0.9) * m[i] + np.float32(0.1) * grads[i]
                        v[i] = np.float32(0.999) * v[i] + np.float32(0.001) * grads[i] * grads[i]
                        params[i] -= a * m[i] / (np.sqrt(b * v[i]) + np.float32(1e-8))
                else:
                    for i in range(len(params)):
                        params[i] -= lr * grads[i]
            losses[epoch] = total / (len(X) // batch)
        return t

    @jit
    def bce(Z, y, D):
        total, share = ZERO, np.float32(1 / len(y))
        for i in range(len(y)):
            z = Z[i, 0]
            e = np.exp(-abs(z))
            p = ONE / (ONE + e)
            D[i, 0] = ((p if z >= ZERO else ONE - p) - y[i]) * share
            total += max(z, ZERO) - z * y[i] + np.log1p(e)
        return total * share

    @jit
    def softmax(Z, P):
        for i in range(Z.shape[0]):
            most, total = Z[i].max(), ZERO
            for j in range(Z.shape[1]):
                P[i, j] = np.exp(Z[i, j] - most)
                total += P[i, j]
            P[i] *= ONE / total

    @jit
    def cross_entropy(Z, y, D):
        softmax(Z, D)
        total, share = ZERO, np.float32(1 / len(y))
        for i in range(len(y)):
            total -= np.log(D[i, int(y[i])])
            D[i, int(y[i])] -= ONE
            D[i] *= share
        return total * share

    @jit
    def forward(X, params, sizes, binary):
        A, at = X, 0
        for i in range(len(sizes) - 1):
            k, n = sizes[i], sizes[i + 1]
            Z = np.empty((len(X), n), np.float32)
            last = i == len(sizes) - 2
            linear(
                A,
                params[at : at + k * n].reshape(k, n),
                params[at + k * n : at + k * n + n],
                Z,
                not last or binary,
                not last,
            )
            at += k * n + n
            A = Z
        if not binary:
            softmax(A, A)
        return A

    return train, forward


# ---- products: A B, A^T B, A B^T into C ----


def times(A, B, C):
    for i in range(A.shape[0]):
        C[i] = ZERO
        for k in range(A.shape[1]):
            a = A[i, k]
            for j in range(B.shape[1]):
                C[i, j] += a * B[k, j]


def transposed_times(A, B, C):
    C[:] = ZERO
    for i in range(A.shape[0]):
        for k in range(A.shape[1]):
            a = A[i, k]
            for j in range(B.shape[1]):
                C[k, j] += a * B[i, j]


def times_transposed(A, B, C):
    for i in range(A.shape[0]):
        for k in range(B.shape[0]):
            total = ZERO
            for j in range(A.shape[1]):
                total += A[i, j] * B[k, j]
            C[i, k] = total


WITH_LOOPS = times, transposed_times, times_transposed
WITH_BLAS = (
    lambda A, B, C: np.dot(A, B, C),
    lambda A, B, C: np.dot(A.T, B, C),
    lambda A, B, C: np.dot(A, B.T, C),
)


# ---- the peers ----


class NumbaLoops:
    too_slow = ("T7", "T8", "B4")
    blas = False

    def __init__(self, threads):
        if self.blas:
            import scipy.linalg  # noqa: F401 - its BLAS, or Numba could not compile
        self.train, self.forward = build(self.blas)
        self.one_by_one = numba.njit(parallel=threads > 1, **SETTINGS)
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
        function, t = (
            self.one_by_one({"sgd": sgd, "momentum": momentum, "adam": adam}[task.rule]),
            0,
        )
        lr = np.float32(task.lr)

        def step():
            nonlocal t
            t += 1
            function(
                w, g, m, v, lr, np.float32(task.lr / (1 - 0.9**t)), np.float32(1 / (1 - 0.999**t))
            )

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
        self.layers = [
            np.empty(task.batch * sum(task.sizes[1:]), "f") for _ in range(2)
        ]  # outputs, deltas
        self.y = task.y.ravel().astype("f")

    def begin(self):
        self.state[0][...] = self.first
        for moment in self.state[2:]:
            moment.fill(0)
        self.t = 0

    def run(self, epochs):
        task, losses = self.task, np.empty(epochs)
        self.t = self.train(
            task.X,
            self.y,
            np.array(task.sizes),
            *self.state,
            *self.layers,
            task.batch,
            task.activation == "relu",
            task.binary,
            task.rule == "adam",
            np.float32(task.lr),
            self.t,
            losses,
        )
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

"""Numba training loops as users write them, with plain loops or with BLAS for the products.

All parameters are in one array, as are all outputs and all gradients of the outputs ("deltas").
So calls pass few arguments, and one compiled function serves all networks. np.dot within Numba
calls SciPy's BLAS. sigmoid and tanh compute one number at a time, because Numba from PyPI has
no vector math library (Intel's SVML).
"""

import math

import numba
import numpy as np
from tasks import aligned, flatten

ZERO, ONE = np.float32(0), np.float32(1)
# Python's error model tests every divisor for zero, which prevents vectorization.
SETTINGS = dict(nogil=True, fastmath=True, error_model="numpy")


def compile_functions(blas):
    """Return two compiled functions: train, for all epochs, and forward, for all rows."""
    jit = numba.njit(**SETTINGS)
    matmul, matmul_tn, matmul_nt = (jit(f) for f in (BLAS if blas else LOOPS))

    @jit
    def layer_view(values, i, rows, sizes):
        """Return the outputs or deltas of layer i, of shape (rows, n_out)."""
        start = rows * sizes[1 : i + 1].sum()
        return values[start : start + rows * sizes[i + 1]].reshape(rows, sizes[i + 1])

    @jit
    def linear(A, W, b, Z, activate, relu):
        matmul(A, W, Z)
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
                    offset = ends[i] - (k + 1) * n
                    Z = layer_view(outputs, i, batch, sizes)
                    linear(
                        A,
                        params[offset : offset + k * n].reshape(k, n),
                        params[offset + k * n : ends[i]],
                        Z,
                        i < n_layers - 1,
                        relu,
                    )
                    A = Z
                D = layer_view(deltas, n_layers - 1, batch, sizes)
                targets = y[start : start + batch]
                total += bce(A, targets, D) if binary else cross_entropy(A, targets, D)
                for i in range(n_layers - 1, -1, -1):
                    k, n = sizes[i], sizes[i + 1]
                    offset = ends[i] - (k + 1) * n
                    D = layer_view(deltas, i, batch, sizes)
                    A = layer_view(outputs, i - 1, batch, sizes) if i > 0 else rows
                    matmul_tn(A, D, grads[offset : offset + k * n].reshape(k, n))
                    db = grads[offset + k * n : ends[i]]
                    db[:] = ZERO
                    for r in range(batch):
                        for j in range(n):
                            db[j] += D[r, j]
                    if i > 0:
                        dA = layer_view(deltas, i - 1, batch, sizes)
                        matmul_nt(D, params[offset : offset + k * n].reshape(k, n), dA)
                        for r in range(batch):
                            if relu:
                                for j in range(k):
                                    dA[r, j] = dA[r, j] if A[r, j] > ZERO else ZERO
                            else:
                                for j in range(k):
                                    dA[r, j] *= A[r, j] * (ONE - A[r, j])
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
        total, scale = ZERO, np.float32(1 / len(y))
        for i in range(len(y)):
            z = Z[i, 0]
            e = np.exp(-abs(z))
            p = ONE / (ONE + e)
            D[i, 0] = ((p if z >= ZERO else ONE - p) - y[i]) * scale
            total += max(z, ZERO) - z * y[i] + np.log1p(e)
        return total * scale

    @jit
    def softmax(Z, P):
        for i in range(Z.shape[0]):
            row_max, total = Z[i].max(), ZERO
            for j in range(Z.shape[1]):
                P[i, j] = np.exp(Z[i, j] - row_max)
                total += P[i, j]
            P[i] *= ONE / total

    @jit
    def cross_entropy(Z, y, D):
        softmax(Z, D)
        total, scale = ZERO, np.float32(1 / len(y))
        for i in range(len(y)):
            total -= np.log(D[i, int(y[i])])
            D[i, int(y[i])] -= ONE
            D[i] *= scale
        return total * scale

    @jit
    def forward(X, params, sizes, binary):
        A, offset = X, 0
        for i in range(len(sizes) - 1):
            k, n = sizes[i], sizes[i + 1]
            Z = np.empty((len(X), n), np.float32)
            is_last = i == len(sizes) - 2
            linear(
                A,
                params[offset : offset + k * n].reshape(k, n),
                params[offset + k * n : offset + k * n + n],
                Z,
                not is_last or binary,
                not is_last,
            )
            offset += k * n + n
            A = Z
        if not binary:
            softmax(A, A)
        return A

    return train, forward


# ---- products into C: matmul is A B, matmul_tn is A^T B, matmul_nt is A B^T ----


def matmul(A, B, C):
    for i in range(A.shape[0]):
        C[i] = ZERO
        for k in range(A.shape[1]):
            a = A[i, k]
            for j in range(B.shape[1]):
                C[i, j] += a * B[k, j]


def matmul_tn(A, B, C):
    C[:] = ZERO
    for i in range(A.shape[0]):
        for k in range(A.shape[1]):
            a = A[i, k]
            for j in range(B.shape[1]):
                C[k, j] += a * B[i, j]


def matmul_nt(A, B, C):
    for i in range(A.shape[0]):
        for k in range(B.shape[0]):
            total = ZERO
            for j in range(A.shape[1]):
                total += A[i, j] * B[k, j]
            C[i, k] = total


LOOPS = matmul, matmul_tn, matmul_nt
BLAS = (
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
            import scipy.linalg  # noqa: F401 - Numba needs its BLAS to compile np.dot
        self.train, self.forward = compile_functions(self.blas)
        self.jit_parallel = numba.njit(parallel=threads > 1, **SETTINGS)
        numba.set_num_threads(threads)

    def training(self, task, variant):
        return Training(task, self.train)

    def inference(self, task, variant):
        forward, params = self.forward, flatten(zip(task.net.weights, task.net.biases))
        sizes, binary = np.array(task.sizes), task.binary
        return lambda X: forward(X, params, sizes, binary)

    def elementwise(self, task, variant):
        z, y, out = task.z, task.y, aligned(task.z)
        function = self.jit_parallel({"sigmoid": sigmoid, "tanh": tanh, "bce": bce}[task.function])
        if task.function == "bce":
            return lambda: (function(z, y, out), out)
        return lambda: function(z, out)

    def update(self, task, variant):
        w, g, m, v = aligned(task.w), task.g, aligned(0 * task.w), aligned(0 * task.w)
        function = self.jit_parallel({"sgd": sgd, "momentum": momentum, "adam": adam}[task.rule])
        lr, t = np.float32(task.lr), 0

        def step():
            nonlocal t
            t += 1
            function(
                w, g, m, v, lr, np.float32(task.lr / (1 - 0.9**t)), np.float32(1 / (1 - 0.999**t))
            )

        return step, lambda: w


class NumbaBlas(NumbaLoops):
    """Training and inference with BLAS. `NumbaLoops` has the kinds of tasks without products."""

    too_slow = ()
    blas = True
    elementwise = update = property()  # hasattr is False


class Training:
    def __init__(self, task, train):
        self.task, self.train = task, train
        self.initial = flatten(zip(task.net.weights, task.net.biases))
        self.state = [aligned(self.initial) for _ in range(4)]  # parameters, gradients, m, v
        n = task.batch * sum(task.sizes[1:])
        self.layers = [aligned(np.zeros(n, "f")) for _ in range(2)]  # outputs, deltas
        self.y = task.y.ravel().astype("f")

    def reset(self):
        self.state[0][...] = self.initial
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


# ---- elementwise functions and updates; with one thread prange is range ----


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

"""A whole training and a forward pass in Numba, for numba_peer.py: `train, forward = build(blas)`."""

import numba
import numpy as np

ZERO, ONE = np.float32(0), np.float32(1)
SETTINGS = dict(nogil=True, fastmath=True, error_model="numpy")  # Python's error model looks at every divisor, one at a time


def build(blas):
    jit = numba.njit(**SETTINGS)
    times, transposed_times, times_transposed = (jit(f) for f in (WITH_BLAS if blas else WITH_LOOPS))

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
    def train(X, y, sizes, params, grads, m, v, outputs, deltas, batch, relu, binary, adam, lr, t, losses):
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
                    linear(A, params[at : at + k * n].reshape(k, n), params[at + k * n : ends[i]], Z, i < n_layers - 1, relu)
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
            linear(A, params[at : at + k * n].reshape(k, n), params[at + k * n : at + k * n + n], Z, not last or binary, not last)
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
WITH_BLAS = (lambda A, B, C: np.dot(A, B, C), lambda A, B, C: np.dot(A.T, B, C), lambda A, B, C: np.dot(A, B.T, C))

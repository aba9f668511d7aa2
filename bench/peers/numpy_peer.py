"""Plain NumPy in bench/compare.py, as well as it goes: every array is made once, and everything is written in place."""

import numpy as np

from .rows import aligned, flat


class Numpy:
    def __init__(self, threads):
        pass  # its BLAS has been told by the environment

    def training(self, task, variant):
        return Training(task)

    def inference(self, task, variant):
        layers = list(zip(task.net.weights, task.net.biases))
        arrays = [np.empty((task.n, k), "f") for k in task.sizes[1:]]

        def forward(X):
            A = X
            for (W, b), Z in zip(layers, arrays):
                np.add(np.dot(A, W, Z), b, Z)
                A = np.maximum(Z, 0, Z) if Z is not arrays[-1] else Z
            return sigmoid(A, A) if task.binary else softmax(A, A)

        return forward

    def elementwise(self, task, variant):
        z, y, out = task.z, task.y, aligned(task.z)
        if task.function == "tanh":
            return lambda: np.tanh(z, out)
        if task.function == "sigmoid":
            return lambda: sigmoid(z, out)
        one, two = aligned(z), aligned(z)
        return lambda: (bce(z, y, out, one, two), out)

    def update(self, task, variant):
        w, m, v = aligned(task.w), aligned(0 * task.w), aligned(0 * task.w)
        one, two, t = aligned(w), aligned(w), 0

        def step():
            nonlocal t
            t += 1
            steps[task.rule](w, task.g, m, v, t, task.lr, one, two)

        return step, lambda: w


def sigmoid(z, out):
    np.negative(z, out)
    np.exp(out, out)
    np.add(out, 1, out)
    return np.reciprocal(out, out)


def softmax(z, out):
    np.subtract(z, z.max(axis=1, keepdims=True), out)
    np.exp(out, out)
    return np.divide(out, out.sum(axis=1, keepdims=True), out)


def bce(z, y, grad, one, two):
    """max(z, 0) - y z + log(1 + exp(-|z|)), averaged, and (sigmoid(z) - y) / n in grad"""
    np.exp(np.negative(np.abs(z, one), one), one)
    np.log1p(one, one)
    np.add(one, np.maximum(z, 0, two), one)
    np.subtract(one, np.multiply(z, y, two), one)
    np.subtract(sigmoid(z, grad), y, grad)
    np.multiply(grad, np.float32(1 / len(z)), grad)
    return one.mean()


def cross_entropy(z, y, grad, rows):
    softmax(z, grad)
    loss = -np.log(grad[rows, y]).mean()
    grad[rows, y] -= 1
    np.multiply(grad, np.float32(1 / len(z)), grad)
    return loss


def sgd(w, g, m, v, t, lr, one, two):
    np.subtract(w, np.multiply(g, np.float32(lr), one), w)


def momentum(w, g, m, v, t, lr, one, two):
    np.add(np.multiply(m, np.float32(0.9), m), g, m)
    np.subtract(w, np.multiply(m, np.float32(lr), one), w)


def adam(w, g, m, v, t, lr, one, two):
    np.add(np.multiply(m, np.float32(0.9), m), np.multiply(g, np.float32(0.1), one), m)
    np.multiply(np.multiply(g, g, one), np.float32(0.001), one)
    np.add(np.multiply(v, np.float32(0.999), v), one, v)
    np.sqrt(np.multiply(v, np.float32(1 / (1 - 0.999**t)), one), one)
    np.add(one, np.float32(1e-8), one)
    np.divide(np.multiply(m, np.float32(lr / (1 - 0.9**t)), two), one, two)
    np.subtract(w, two, w)


steps = {"sgd": sgd, "momentum": momentum, "adam": adam}


class Training:
    def __init__(self, task):
        self.task, self.step = task, steps[task.optimizer]
        self.W, self.b = list(task.net.weights), list(task.net.biases)
        self.W, self.b = [W.copy() for W in self.W], [b.copy() for b in self.b]
        self.both = [*self.W, *self.b]
        self.dW, self.db = [np.empty_like(W) for W in self.W], [np.empty_like(b) for b in self.b]
        self.m, self.v, self.one, self.two = ([np.zeros_like(p) for p in self.both] for _ in range(4))
        self.A, self.dZ, self.T = ([np.empty((task.batch, k), "f") for k in task.sizes[1:]] for _ in range(3))
        self.ones, self.rows, self.temporary = np.ones(task.batch, "f"), np.arange(task.batch), np.empty((task.batch, 1), "f")

    def begin(self):
        for p, first in zip(self.both, [*self.task.net.weights, *self.task.net.biases]):
            p[...] = first
        for p in (*self.m, *self.v):
            p.fill(0)
        self.t = 0

    def run(self, epochs):
        task, losses = self.task, []
        for _ in range(epochs):
            total = 0.0
            for start in range(0, task.n, task.batch):
                total += self.loss_and_grad(task.X[start : start + task.batch], task.y[start : start + task.batch])
                self.t += 1
                for p, g, m, v, one, two in zip(self.both, [*self.dW, *self.db], self.m, self.v, self.one, self.two):
                    self.step(p, g, m, v, self.t, task.lr, one, two)
            losses.append(total / task.steps)
        return losses

    def loss_and_grad(self, X, y):
        A, W, dZ, relu = X, self.W, self.dZ, self.task.activation == "relu"
        for i, Z in enumerate(self.A):
            np.add(np.dot(A, W[i], Z), self.b[i], Z)
            A = Z
            if i < len(W) - 1:
                np.maximum(Z, 0, Z) if relu else sigmoid(Z, Z)
        loss = bce(Z, y, dZ[-1], self.T[-1], self.temporary) if self.task.binary else cross_entropy(Z, y, dZ[-1], self.rows)
        for i in reversed(range(len(W))):
            np.dot((self.A[i - 1] if i else X).T, dZ[i], self.dW[i])
            np.dot(self.ones, dZ[i], self.db[i])
            if i:
                A, T = self.A[i - 1], self.T[i - 1]
                np.dot(dZ[i], W[i].T, dZ[i - 1])
                np.sign(A, T) if relu else np.multiply(np.subtract(1, A, T), A, T)
                np.multiply(dZ[i - 1], T, dZ[i - 1])
        return float(loss)

    def params(self):
        return flat(zip(self.W, self.b))

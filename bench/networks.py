"""The networks that the programs here train and run: one table."""

from typing import NamedTuple

import numpy as np

import fastnn


class Network(NamedTuple):
    """Layer sizes, hidden activation and batch size; the rows of data and the learning rate of
    plain SGD; the rows of a long epoch.

    One output means sigmoid and binary cross-entropy, several mean softmax and cross-entropy.
    """

    sizes: list
    activation: str
    batch: int
    rows: int
    lr: float
    many_rows: int

    @property
    def binary(self):
        return self.sizes[-1] == 1

    @property
    def title(self):
        return "-".join(map(str, self.sizes))

    @property
    def flops(self):
        """Floating-point operations of a step: forward, gradients of the weights, and of the inputs
        of all layers but the first."""
        products = [k * m for k, m in zip(self.sizes, self.sizes[1:])]
        return 2 * self.batch * (3 * sum(products) - products[0])

    def make(self, dtype="float32"):
        """Return a new `fastnn.MLP`, the same one each time."""
        output = "sigmoid" if self.binary else "softmax"
        return fastnn.MLP(
            self.sizes, self.activation, output, init="glorot_uniform", dtype=dtype, rng=0
        )

    def data(self, rows=None, dtype="float32"):
        """Return X and the y that it decides, up to some noise: zeros and ones (rows, 1), or
        classes (rows,)."""
        rng = np.random.default_rng(99)
        n, (d, *_, k) = rows or self.rows, self.sizes
        X = rng.standard_normal((n, d), dtype="f")
        z = X @ rng.standard_normal((d, k), dtype="f") + 0.3 * d**0.5 * rng.standard_normal(
            (n, k), dtype="f"
        )
        return X.astype(dtype), (z > 0).astype(dtype) if self.binary else z.argmax(axis=1)


NETWORKS = {
    "T1": Network([3, 4, 1], "sigmoid", 4, 4, 0.5, 4000),
    "T2": Network([30, 32, 1], "relu", 32, 1024, 0.05, 16000),
    "T3a": Network([30, 64, 64, 1], "relu", 32, 1024, 0.05, 8000),
    "T3b": Network([30, 64, 64, 1], "relu", 256, 2048, 0.05, 16384),
    "T4": Network([28, 256, 256, 1], "relu", 256, 2048, 0.05, 4096),
    "T5": Network([784, 16, 16, 10], "sigmoid", 32, 1024, 0.1, 1024),
    "T6": Network([784, 128, 10], "relu", 128, 1024, 0.02, 3840),
    "T7": Network([784, 512, 512, 10], "relu", 256, 1024, 0.02, 2560),
    "T8": Network([1024, 2048, 2048, 1], "relu", 512, 1024, 0.01, 1024),
    "exponential": Network(
        [4, 32, 16, 4], "tanh", 10_000, 10_000, 0.01, 10_000
    ),  # of SimpleChains.jl
}
PREDICTS = {
    "1": "T2",
    "2": "T3a",
    "3": "T6",
    "4": "T7",
}  # I1 predicts one row with the network of T2, B1 many rows

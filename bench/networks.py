"""The networks that the benchmark programs train and run."""

from typing import NamedTuple

import numpy as np

import fastnn


class Network(NamedTuple):
    """The architecture and training settings of one network.

    A network with one output uses sigmoid and binary cross-entropy. A network with several outputs
    uses softmax and cross-entropy.
    """

    sizes: list  # units of each layer, inputs first
    activation: str  # of the hidden layers
    batch: int
    rows: int  # in the data set
    lr: float  # of plain SGD
    many_rows: int  # in the larger data set of threads.py

    @property
    def binary(self):
        return self.sizes[-1] == 1

    @property
    def title(self):
        return "-".join(map(str, self.sizes))

    @property
    def flops(self):
        """Floating-point operations of one training step.

        Counts the forward pass, the gradients of all weights, and the gradients of the inputs of
        all layers but the first.
        """
        products = [k * m for k, m in zip(self.sizes, self.sizes[1:])]
        return 2 * self.batch * (3 * sum(products) - products[0])

    def make(self, dtype="float32", rng=0):
        """Return a new `fastnn.MLP`, with the same initial weights each time."""
        output = "sigmoid" if self.binary else "softmax"
        return fastnn.MLP(
            self.sizes, self.activation, output, init="glorot_uniform", dtype=dtype, rng=rng
        )

    def data(self, rows=None, dtype="float32"):
        """Return random inputs X and targets y, a noisy linear function of X.

        y holds zeros and ones of shape (rows, 1), or class indices of shape (rows,).
        """
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
    # the example of SimpleChains.jl
    "exponential": Network([4, 32, 16, 4], "tanh", 10_000, 10_000, 0.01, 10_000),
}
# The networks of the inference rows: I1 predicts one row with the network of T2, B1 many rows.
INFERENCE_NETWORKS = {"1": "T2", "2": "T3a", "3": "T6", "4": "T7"}

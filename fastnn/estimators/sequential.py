"""The modules of a PyTorch nn.Sequential that computes what a network computes.

This file does not need PyTorch.
"""

from dataclasses import dataclass, field

import numpy as np

# generated: modules, by src/generate.py from src/operations.py
#: {activation: class of its module, in torch.nn or in estimators/pytorch.py}
ACTIVATION_MODULES = {
    "sigmoid": "Sigmoid",
    "relu": "ReLU",
    "tanh": "Tanh",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "softplus": "Softplus",
    "gelu": "GELU",
    "silu": "SiLU",
    "softmax": "Softmax",
    "exponential": "Exponential",
    "selu": "SELU",
    "mish": "Mish",
}
#: Options of modules, and the values with which they compute the activations of fastnn.
MODULE_OPTIONS: dict = {
    "LeakyReLU": {"negative_slope": (0.01,)},
    "ELU": {"alpha": (1.0,)},
    "Softplus": {"beta": (1.0,), "threshold": (20.0,)},
    "GELU": {"approximate": ("none",)},
    "Softmax": {"dim": (-1, 1)},
}
# end of modules


@dataclass(eq=False)
class Module:
    """A module of a Sequential.

    Attributes
    ----------
    name : str
        Its class.
    arguments : dict
        Of its constructor.
    W : ndarray (n_in, n_out) or None
        Weights of a Linear, in fastnn's order: PyTorch has the transpose.
    b : ndarray (n_out,) or None
    """

    name: str
    arguments: dict = field(default_factory=dict)
    W: np.ndarray | None = None
    b: np.ndarray | None = None

    def __str__(self):
        arguments = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
        return f"{self.name}({arguments})"


def modules_of(net):
    """Return the Modules of a network, in order."""
    modules = []
    for W, b, activation, rate in zip(net.weights, net.biases, net.activations, net.dropout):
        if rate:
            modules.append(Module("Dropout", {"p": rate}))
        size = {"in_features": W.shape[0], "out_features": W.shape[1], "bias": b is not None}
        modules.append(Module("Linear", size, W, b))
        if activation == "softmax":
            modules.append(Module("Softmax", {"dim": -1}))
        elif activation != "identity":
            modules.append(Module(ACTIVATION_MODULES[activation]))
    return modules

"""Convert a network from and to PyTorch's nn.Sequential, and from a state dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from .dense_layers import DenseLayer, layers_of_state_dict, network_from_layers
from .sequential import ACTIVATION_MODULES, MODULE_OPTIONS, modules_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..mlp import MLP
    from ..typing import Rng


# generated: modules, by src/generate.py from src/operations.py
class Exponential(nn.Module):
    """exp(z), for which torch.nn has no module."""

    def forward(self, z):
        return torch.exp(z)


OWN_MODULES: dict = {"Exponential": Exponential}
# end of modules
MODULES = {
    activation: OWN_MODULES.get(name) or getattr(nn, name)
    for activation, name in ACTIVATION_MODULES.items()
}
ACTIVATION_NAMES = {module: name for name, module in MODULES.items()}
DTYPES = {torch.float32: "float32", torch.float64: "float64"}


def from_torch(
    module: Any,
    rng: Rng = None,
    *,
    activation: str | Sequence[str] | None = None,
    output: str = "identity",
) -> MLP:
    """Convert a PyTorch nn.Sequential, or a state dict, to a network with the same predictions.

    Parameters
    ----------
    module : torch.nn.Sequential or mapping of str: torch.Tensor
        ``Linear`` layers, each followed by at most one activation that fastnn has, and ``Dropout``
        before a ``Linear``. It can contain other ``Sequential`` modules, and ``Flatten``, which leaves
        rows as they are: pass X.reshape(len(X), -1) of images. ``BatchNorm1d`` in evaluation
        mode becomes part of the ``Linear`` before or after it. The parameters, float32 or float64, are
        copied, and their device does not matter. If only some ``Linear`` layers have a bias, the
        others get biases of 0.

        For a module of another class, whose forward calls its ``Linear`` layers in order, pass its
        ``state_dict()``.
    rng : None, int or numpy.random.Generator, default None
        Seed or generator of further training, as in `MLP`.
    activation : str or sequence of str, optional
        Activation of the hidden layers of a state dict, which does not say it.
    output : str, default "identity"
        Activation of the last layer of a state dict.

    Returns
    -------
    MLP

    Raises
    ------
    TypeError
        `module` is neither an ``nn.Sequential`` nor a mapping, or its parameters are neither float32
        nor float64.
    ValueError
        A layer has no equivalent in fastnn. The message names it.

    Examples
    --------
    >>> import fastnn
    >>> from torch import nn
    >>> module = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 1))
    >>> net = fastnn.from_torch(module, rng=0)
    >>> net.layer_sizes, net.activations, net.dropout
    ((4, 8, 1), ('tanh', 'identity'), (0.0, 0.1))
    >>> net = fastnn.from_torch(module.state_dict(), activation="tanh")
    >>> net.layer_sizes, net.activations
    ((4, 8, 1), ('tanh', 'identity'))
    """
    if isinstance(module, Mapping):
        dtype = _common_dtype(module.values())
        layers = layers_of_state_dict(module)
        if not layers:
            raise ValueError("module has no weights. Pass the state dict of Linear layers.")
        return network_from_layers(layers, activation, output, rng, dtype)
    if type(module) is not nn.Sequential:
        raise TypeError(
            f"module must be a torch.nn.Sequential, got {type(module).__name__}. If its forward "
            "calls its children one after the other, pass nn.Sequential(*module.children()), or "
            "module.state_dict() with the activation."
        )
    if activation is not None or output != "identity":
        raise ValueError(
            "activation and output are for a state dict. The modules of a Sequential say them."
        )
    dtype, layers = _common_dtype(module.parameters()), _Layers()
    for name, layer in module.named_modules(remove_duplicate=False):
        layers.add(name, layer)
    return layers.network(rng, dtype)


def _common_dtype(tensors):
    """Return the name of the dtype of all parameters, None without any."""
    dtypes = {tensor.dtype for tensor in tensors if tensor.is_floating_point()}
    if len(dtypes) > 1 or not dtypes <= DTYPES.keys():
        raise TypeError(
            "the parameters of module must all be float32 or all be float64, got "
            f"{', '.join(sorted(map(str, dtypes)))}. Convert them with module.float() or "
            "module.double()."
        )
    return DTYPES[dtypes.pop()] if dtypes else None


class _Layers:
    """The layers of a network, which `add` reads from the modules of a Sequential, in order.

    Attributes
    ----------
    rate : float
        Dropout of the inputs of the next Linear.
    affine : (scale, shift), each ndarray (n_in,), or None
        What a BatchNorm1d does to the inputs of the next Linear.
    """

    rate, affine = 0.0, None

    def __init__(self):
        self.linears, self.activations, self.dropout = [], [], []

    def add(self, name, layer):
        """Add a module, or raise ValueError if fastnn has no equivalent."""
        kind = type(layer)
        if _leaves_rows(layer):
            return
        if kind is nn.Linear:
            error = self._add_linear(name, layer)
        elif kind is nn.Dropout:
            error = self._add_dropout(layer)
        elif kind is nn.BatchNorm1d:
            error = self._add_normalization(layer)
        elif kind in ACTIVATION_NAMES:
            error = self._add_activation(layer)
        else:
            known = ", ".join(m.__name__ for m in ACTIVATION_NAMES if m.__name__ not in OWN_MODULES)
            error = f"has no equivalent in fastnn, which has Linear, Dropout, BatchNorm1d, {known}"
        if error:
            raise ValueError(f"layer {name} of module, {layer}, {error}.")

    def _add_linear(self, name, layer):
        """Add a Linear, or return what is wrong with it."""
        if self.linears and layer.in_features != self.linears[-1].W.shape[1]:
            return f"does not fit the {self.linears[-1].W.shape[1]} outputs before it"
        if self.activations[-1:] == ["softmax"]:
            return "follows a Softmax, which fastnn has as output only"
        W, b = _numbers(layer.weight).T, None if layer.bias is None else _numbers(layer.bias)
        if self.affine is not None:
            scale, shift = self.affine
            if len(scale) != len(W):
                return f"does not fit the {len(scale)} features of the BatchNorm1d before it"
            W, b, self.affine = scale[:, None] * W, shift @ W + (0 if b is None else b), None
        self.linears.append(DenseLayer(name, W, b))
        self.activations.append("identity")
        self.dropout.append(self.rate)
        self.rate = 0.0
        return ""

    def _add_dropout(self, layer):
        if self.rate:
            return "follows another Dropout. Combine both into one"
        if layer.p == 1:
            return "drops everything, but rates must be below 1"
        self.rate = layer.p
        return ""

    def _add_normalization(self, layer):
        """Add y = scale x + shift to the Linear before it, or keep it for the one after it."""
        if layer.running_mean is None:
            return "has no running mean, so it normalizes by the rows of a call"
        if layer.training:
            return "normalizes by the rows of a batch. Call module.eval() first"
        scale = 1 / np.sqrt(_numbers(layer.running_var) + layer.eps)
        shift = -_numbers(layer.running_mean) * scale
        if layer.affine:
            weight = _numbers(layer.weight)
            scale, shift = weight * scale, weight * shift + _numbers(layer.bias)
        if self.affine is not None:
            return "follows another BatchNorm1d"
        if self.linears and layer.num_features != self.linears[-1].W.shape[1]:
            return f"does not fit the {self.linears[-1].W.shape[1]} outputs before it"
        if self.rate or not self.linears or self.activations[-1] != "identity":
            self.affine = scale, shift
            return ""
        name, W, b = self.linears[-1]
        self.linears[-1] = DenseLayer(name, W * scale, shift + (0 if b is None else scale * b))
        return ""

    def _add_activation(self, layer):
        if self.affine or self.rate or not self.linears or self.activations[-1] != "identity":
            return (
                "does not follow a Linear. In fastnn each Linear has one activation, right after it"
            )
        for option, values in MODULE_OPTIONS.get(type(layer).__name__, {}).items():
            if getattr(layer, option) not in values:
                return f"needs {option}={values[0]!r} in fastnn"
        self.activations[-1] = ACTIVATION_NAMES[type(layer)]
        return ""

    def network(self, rng, dtype):
        """Return the MLP of the layers."""
        if not self.linears:
            raise ValueError("module has no Linear layer. Pass a Sequential with at least one.")
        if self.rate:
            raise ValueError(
                "module ends with a Dropout, but in fastnn a Linear must follow it. Remove it."
            )
        if self.affine is not None:
            raise ValueError(
                "module ends with a BatchNorm1d after an activation, but in fastnn a Linear must "
                "follow it."
            )
        *hidden, output = self.activations
        return network_from_layers(self.linears, hidden, output, rng, dtype, self.dropout)


def _leaves_rows(layer):
    """Return whether a module leaves the rows of a matrix as they are. The children of a Sequential are added apart."""
    if type(layer) is nn.Flatten:
        return (layer.start_dim, layer.end_dim) == (1, -1)
    return type(layer) in (nn.Sequential, nn.Identity) or (
        type(layer) is nn.Dropout and layer.p == 0
    )


def _numbers(tensor):
    """Return a tensor as float64."""
    return tensor.detach().cpu().numpy().astype(np.float64)


def to_torch(net):
    """Return the nn.Sequential of a network. See `MLP.to_torch`."""
    dtype = {name: dtype for dtype, name in DTYPES.items()}[net.dtype.name]
    layers: list = []
    for module in modules_of(net):
        if module.W is None:
            cls = OWN_MODULES.get(module.name) or getattr(nn, module.name)
            layers.append(cls(**module.arguments))
            continue
        # without drawing parameters, which would change PyTorch's generator
        linear = nn.utils.skip_init(nn.Linear, **module.arguments, dtype=dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(module.W.T)))
            if module.b is not None:
                linear.bias.copy_(torch.from_numpy(module.b))
        layers.append(linear)
    return nn.Sequential(*layers).eval()

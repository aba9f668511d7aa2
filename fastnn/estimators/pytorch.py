"""Convert a network from and to PyTorch's nn.Sequential."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from ..core.validation import check_rng
from ..mlp import MLP, blank_network
from .sequential import ACTIVATION_MODULES, MODULE_OPTIONS, modules_of

if TYPE_CHECKING:
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


def from_torch(module: Any, rng: Rng = None) -> MLP:
    """Convert a PyTorch nn.Sequential to a network with the same predictions.

    Parameters
    ----------
    module : torch.nn.Sequential
        ``Linear`` layers, each followed by at most one activation that fastnn has, and ``Dropout``
        before a ``Linear``. It can contain other ``Sequential`` modules. Its parameters, float32 or
        float64, are copied, and its device does not matter. If only some ``Linear`` layers have a
        bias, the others get biases of 0.
    rng : None, int or numpy.random.Generator, default None
        Seed or generator of further training, as in `MLP`.

    Returns
    -------
    MLP

    Raises
    ------
    TypeError
        `module` is not an ``nn.Sequential``, or its parameters are neither float32 nor float64.
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
    """
    if type(module) is not nn.Sequential:
        raise TypeError(
            f"module must be a torch.nn.Sequential, got {type(module).__name__}. If its forward "
            "calls its children one after the other, pass nn.Sequential(*module.children())."
        )
    layers = _Layers()
    for name, layer in module.named_modules(remove_duplicate=False):
        layers.add(name, layer)
    return layers.network(rng)


class _Layers:
    """The layers of a network, which `add` reads from the modules of a Sequential, in order."""

    def __init__(self):
        self.linears, self.activations, self.dropout = [], [], []
        self.rate = 0.0  # of the inputs of the next Linear

    def add(self, name, layer):
        """Add a module, or raise ValueError if fastnn has no equivalent."""
        kind = type(layer)
        if kind in (nn.Sequential, nn.Identity) or (kind is nn.Dropout and layer.p == 0):
            return
        if kind is nn.Linear:
            error = self._add_linear(layer)
        elif kind is nn.Dropout:
            error = self._add_dropout(layer)
        elif kind in ACTIVATION_NAMES:
            error = self._add_activation(layer)
        else:
            known = ", ".join(m.__name__ for m in ACTIVATION_NAMES if m.__name__ not in OWN_MODULES)
            error = f"has no equivalent in fastnn, which has Linear, Dropout, {known}"
        if error:
            raise ValueError(f"layer {name} of module, {layer}, {error}.")

    def _add_linear(self, layer):
        """Add a Linear, or return what is wrong with it."""
        if self.linears and layer.in_features != self.linears[-1].out_features:
            return f"does not fit the {self.linears[-1].out_features} outputs before it"
        if self.activations[-1:] == ["softmax"]:
            return "follows a Softmax, which fastnn has as output only"
        self.linears.append(layer)
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

    def _add_activation(self, layer):
        if self.rate or not self.linears or self.activations[-1] != "identity":
            return (
                "does not follow a Linear. In fastnn each Linear has one activation, right after it"
            )
        for option, values in MODULE_OPTIONS.get(type(layer).__name__, {}).items():
            if getattr(layer, option) not in values:
                return f"needs {option}={values[0]!r} in fastnn"
        self.activations[-1] = ACTIVATION_NAMES[type(layer)]
        return ""

    def network(self, rng):
        """Return the MLP of the layers."""
        linears = self.linears
        if not linears:
            raise ValueError("module has no Linear layer. Pass a Sequential with at least one.")
        if self.rate:
            raise ValueError(
                "module ends with a Dropout, but in fastnn a Linear must follow it. Remove it."
            )
        dtypes = {parameter.dtype for layer in linears for parameter in layer.parameters()}
        if len(dtypes) > 1 or not dtypes <= DTYPES.keys():
            raise TypeError(
                "the parameters of module must all be float32 or all be float64, got "
                f"{', '.join(sorted(map(str, dtypes)))}. Convert them with module.float() or "
                "module.double()."
            )
        architecture = dict(
            layer_sizes=[linears[0].in_features, *(layer.out_features for layer in linears)],
            activations=self.activations,
            bias=any(layer.bias is not None for layer in linears),
            dtype=np.dtype(DTYPES[dtypes.pop()]),
            dropout=self.dropout,
        )
        net = blank_network(architecture, check_rng(rng))
        for i, layer in enumerate(linears):
            net.weights[i][...] = layer.weight.detach().cpu().numpy().T
            if layer.bias is not None:
                net.biases[i][...] = layer.bias.detach().cpu().numpy()
        return net


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

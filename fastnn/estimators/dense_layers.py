"""Networks from the arrays of dense layers: state dicts of PyTorch and parameters of flax."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.validation import check_list, check_rng
from ..mlp import MLP, blank_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..typing import Rng

PARAMS_ONLY = "Pass the parameters of the dense layers alone, such as nnx.state(model, nnx.Param)."


class DenseLayer(NamedTuple):
    """A layer. name : for errors; W : (n_in, n_out); b : (n_out,) or None"""

    name: str
    W: Any
    b: Any


def network_from_layers(layers, activation, output, rng, dtype, dropout=0.0):
    """Return the MLP of a list of DenseLayers. activation : name or list of names, None if nothing says it"""
    for before, layer in zip(layers, layers[1:]):
        if before.W.shape[1] != layer.W.shape[0]:
            raise ValueError(
                f"layer {layer.name} has {layer.W.shape[0]} inputs, but {before.name} before it has "
                f"{before.W.shape[1]} outputs. Pass the layers in the order in which they are called."
            )
    if activation is None and len(layers) > 1:
        raise ValueError(
            "the parameters do not say which activation follows the hidden layers. Pass it, such as "
            "activation='relu', and output='softmax' or 'sigmoid' if the model ends with one."
        )
    if isinstance(activation, str):
        hidden = [activation] * (len(layers) - 1)
    else:
        hidden = [] if activation is None else check_list("activation", activation)
    architecture = dict(
        layer_sizes=[layers[0].W.shape[0], *(layer.W.shape[1] for layer in layers)],
        activations=[*hidden, output],
        bias=any(layer.b is not None for layer in layers),
        dtype=np.dtype(dtype),
        dropout=dropout,
    )
    net = blank_network(architecture, check_rng(rng))
    for i, layer in enumerate(layers):
        net.weights[i] = layer.W
        if layer.b is not None:
            net.biases[i] = layer.b
    return net


def layers_of_state_dict(state):
    """Return the DenseLayers of a state dict, whose keys end with .weight and .bias, in its order."""
    arrays: dict = {}
    for key, tensor in state.items():
        name, _, kind = str(key).rpartition(".")
        if kind not in ("weight", "bias") or tensor.ndim != 2 - (kind == "bias"):
            raise ValueError(
                f"module has {key!r} of shape {tuple(tensor.shape)}, which no Linear has. fastnn "
                "converts a state dict of Linear layers."
            )
        arrays.setdefault(name, {})[kind] = tensor.detach().cpu().numpy()
    for name, each in arrays.items():
        if "weight" not in each:
            raise ValueError(f"module has '{name}.bias' without '{name}.weight'.")
    return [
        _checked(DenseLayer(name, each["weight"].T, each.get("bias")))
        for name, each in arrays.items()
    ]


def from_flax(
    params: Mapping[str, Any],
    activation: str | Sequence[str] | None = None,
    output: str = "identity",
    rng: Rng = None,
) -> MLP:
    """Convert the parameters of dense layers of flax to a network with the same predictions.

    Parameters
    ----------
    params : mapping
        The variables of a ``flax.linen`` module, or the state of a ``flax.nnx`` one: nested mappings,
        of which each layer has a "kernel" (n_in, n_out) and perhaps a "bias" (n_out,), all float32 or
        all float64. Layers whose names differ by a number alone, such as Dense_0, have the order of
        these numbers; others have that of the mapping.
    activation : str or sequence of str, optional
        Activation of the hidden layers, which the parameters do not say. Not needed without hidden
        layers.
    output : str, default "identity"
        Activation of the last layer.
    rng : None, int or numpy.random.Generator, default None
        Seed or generator of further training, as in `MLP`.

    Returns
    -------
    MLP

    Raises
    ------
    TypeError
        `params` is no mapping, or its arrays are neither float32 nor float64.
    ValueError
        A layer is not dense, or does not fit the one before it. The message names it.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnn
    >>> params = {"params": {
    ...     "Dense_0": {"kernel": np.ones((2, 3)), "bias": np.zeros(3)},
    ...     "Dense_1": {"kernel": np.ones((3, 1)), "bias": np.zeros(1)},
    ... }}
    >>> fastnn.from_flax(params, activation="relu").forward([[1.0, 2.0]])
    array([[9.]])
    """
    if not isinstance(params, Mapping):
        raise TypeError(
            f"params must be a mapping of the parameters of layers, got {type(params).__name__}. "
            "Pass what init returned, or nnx.state(model, nnx.Param)."
        )
    layers = list(_layers_of_flax(params, ()))
    if not layers:
        raise ValueError(f"params has no layer with a kernel. {PARAMS_ONLY}")
    prefixes = {re.sub(r"\d+$", "", layer.name) for layer in layers}
    if len(prefixes) == 1 and all(layer.name[-1:].isdecimal() for layer in layers):
        layers.sort(key=lambda layer: int(layer.name.removeprefix(*prefixes)))
    return network_from_layers(layers, activation, output, rng, _common_dtype(layers))


def _layers_of_flax(params, path):
    """Yield the DenseLayers of nested mappings. path : of keys"""
    name = ".".join(path)
    if "kernel" in params and not isinstance(params["kernel"], Mapping):
        kernel, bias = (params.get(key) for key in ("kernel", "bias"))
        others = set(map(str, params)) - {"kernel", "bias"}
        if others:
            raise ValueError(f"layer {name} of params has {sorted(others)}, too. {PARAMS_ONLY}")
        yield _checked(DenseLayer(name, _array(kernel), None if bias is None else _array(bias)))
        return
    for key, value in params.items():
        if not isinstance(value, Mapping):
            raise ValueError(f"params has {'.'.join((*path, str(key)))}. {PARAMS_ONLY}")
        yield from _layers_of_flax(
            value, path if key == "params" and not path else (*path, str(key))
        )


def _common_dtype(layers):
    """Return the name of the dtype of all arrays."""
    dtypes = {array.dtype.name for layer in layers for array in layer[1:] if array is not None}
    if len(dtypes) > 1 or not dtypes <= {"float32", "float64"}:
        raise TypeError(
            "the arrays of params must all be float32 or all be float64, got "
            f"{', '.join(sorted(dtypes))}"
        )
    return dtypes.pop()


def _array(leaf):
    """Return the array of a leaf: an array, or a variable of nnx."""
    return np.asarray(leaf[...])


def _checked(layer):
    """Return a DenseLayer, or raise ValueError if its arrays have other shapes."""
    if layer.W.ndim != 2 or (layer.b is not None and layer.b.shape != layer.W.shape[1:]):
        shapes = [None if array is None else array.shape for array in layer[1:]]
        raise ValueError(
            f"layer {layer.name} has weights of shape {shapes[0]} and a bias of shape {shapes[1]}, but a "
            "dense layer has (n_in, n_out) and (n_out,)"
        )
    return layer

"""The networks of a TableModel as arrays of a model file."""

from typing import Final

import numpy as np

from ..files import ModelFileError
from ..files.checks import check_mapping, is_count
from ..saving import blank_network
from .checkpoint import MAX_FOLDS

ACTIVATION: Final = "silu"


def shape_of(reader, name):
    """Return the first two sizes of an array of networks in a file that is not checked yet."""
    shape = check_mapping(reader.entries.get(name), name).get("shape")
    valid = isinstance(shape, list) and len(shape) == 3
    if not valid or not all(is_count(k, MAX_FOLDS, 1) for k in shape[:2]):
        raise ModelFileError(f"the shape of {name} is invalid")
    return shape[:2]


def params_of(networks):
    """Return the parameters of lists of networks, (n_lists, n_snapshots, n_params)."""
    return np.stack([np.stack([net.params for net in snapshots]) for snapshots in networks])


def networks_of(sizes, output, params):
    """Return lists of networks with these parameters, as `params_of` returns them."""
    return [[_network(sizes, output, p) for p in snapshots] for snapshots in params]


def _network(sizes, output, params):
    hidden = [ACTIVATION] * (len(sizes) - 2)
    dropout = [0.0] * (len(sizes) - 1)
    architecture = dict(
        layer_sizes=sizes,
        activations=[*hidden, output],
        bias=True,
        dtype=np.dtype(np.float32),
        dropout=dropout,
    )
    net = blank_network(architecture, np.random.default_rng(0))
    net.params = params
    return net

"""Read and write model files, which are safetensors files.

The arrays are W0 (n_in, n_out), b0, W1, and so on. A training state adds "moments" (n_moments,
n_params), "order" (n,) if training stopped within an epoch, "params" (n_params,) if training
continues from other parameters than those of the network, and "best_params" (n_params,), those of
the best epoch. The text metadata in the header has the architecture, the training state and the
random generator as JSON, and ``net.metadata``, unless it is empty, under "user".

`read` returns the `Parts` of a file, and `write` writes them; `fastnn.mlp` makes a network from
them. Files may be damaged or malicious. All sizes are checked against the architecture and the
length of the file before memory is allocated.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from ..activations import ACTIVATIONS
from ..network import MAX_LAYERS, MAX_SIZE
from ..state import TrainingState, is_order_from
from . import ModelFileError, json_values, kinds, safetensors
from .checks import check_mapping, is_count
from .safetensors import parse_json

FORMAT, VERSION = "fastnn", 1
SPARE = 500_000  # bytes of the header that `check` leaves for arrays and the training state
STATE_ARRAYS = "order", "params", "best_params"  # which a training state may have, besides moments
NETWORK = ("layer_sizes", "activations", "bias", "dtype", "dropout")  # in Parts and in the JSON


@dataclass(eq=False, repr=False, match_args=False)
class Parts:
    """The content of a model file.

    Attributes
    ----------
    layer_sizes : sequence of int
        Numbers of inputs, hidden units and outputs.
    activations : sequence of str
        One for each layer, that of the output layer last.
    bias : bool
    dtype : numpy.dtype
    dropout : sequence of float
        Dropout rate of the inputs of each layer.
    params : ndarray (n_params,)
        In the order W0, b0, W1, b1, ...
    state : TrainingState or None
    rng : numpy.random.Generator
    metadata : dict of str to str
        ``net.metadata``.
    """

    layer_sizes: tuple
    activations: tuple
    bias: bool
    dtype: np.dtype
    dropout: tuple
    params: np.ndarray
    state: TrainingState | None
    rng: "np.random.Generator"  # a string, since evaluating it would import numpy.random
    metadata: dict


def parts_of(net, state=True):
    """Return the Parts of an MLP. state : whether with its training state"""
    parts = {field.name: getattr(net, field.name) for field in fields(Parts)}
    return Parts(**parts if state else parts | {"state": None})


def _shapes(layer_sizes, bias):
    """Return {name: shape} of the parameters, in order."""
    shapes = {}
    for i, (k, m) in enumerate(zip(layer_sizes, layer_sizes[1:])):
        shapes[f"W{i}"] = [k, m]
        if bias:
            shapes[f"b{i}"] = [m]
    return shapes


def n_params_of(network):
    """Return the number of parameters of an architecture that `check_network` returned."""
    shapes = _shapes(network["layer_sizes"], network["bias"])
    return sum(int(np.prod(shape, dtype=object)) for shape in shapes.values())


def _views(params, shapes):
    """Return {name: view of this shape} into a flat array."""
    views, offset = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        views[name] = params[offset : offset + size].reshape(shape)
        offset += size
    return views


# ---- write ----


def write(path, parts, on_written=None):
    """Write `Parts` to a file, atomically. on_written : as in `safetensors.write`."""
    safetensors.write(path, arrays_of(parts), _metadata(parts), on_written)


def check(parts):
    """Raise ValueError if `write` could not write these `Parts` because of what they describe."""
    metadata = _metadata(parts)
    safetensors.check_header(
        SPARE + len(safetensors.to_text(metadata).encode()),
        "Store less in net.metadata, or use a shorter schedules.Rates.",
    )


def _metadata(parts):
    description = {name: safetensors.to_text(value) for name, value in describe(parts).items()}
    return {"format": FORMAT, "format_version": str(VERSION), **description}


def describe(parts):
    """Return `Parts` without the arrays as a dict that JSON can hold."""
    network = {name: getattr(parts, name) for name in NETWORK} | {"dtype": parts.dtype.name}
    description = {"network": network, "rng": json_values.describe_generator(parts.rng, "net.rng")}
    if parts.metadata:
        description["user"] = check_user_metadata(parts.metadata, ValueError)
    if parts.state is not None:
        description["state"] = json_values.describe_state(parts.state)
    return description


def arrays_of(parts, prefix=""):
    """Return {prefix and name: array} of the arrays of `Parts`."""
    arrays = _views(parts.params, _shapes(parts.layer_sizes, parts.bias))
    state = parts.state
    if state is not None:
        arrays["moments"] = state.moments
        if state.order is not None:
            arrays["order"] = state.order.astype(np.int64)
        if state.params is not None:
            arrays["params"] = state.params
        if state.best is not None:
            arrays["best_params"] = state.best.params
    return {prefix + name: a for name, a in arrays.items()}


def check_user_metadata(user, error, name="net.metadata"):
    """Check metadata of the user, a dict of str to str; `name` is what the error calls it."""
    if not isinstance(user, dict) or not all(
        isinstance(text, str) for pair in user.items() for text in pair
    ):
        raise error(f"{name} must be a dict of str to str, got {user!r}"[:200])
    return user


# ---- read ----


def read(path):
    """Return the `Parts` of a file.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    Parts

    Raises
    ------
    ModelFileError
        The file is not a fastnn model, is damaged, or was written by a newer version.
    """
    with safetensors.reading(path) as reader:
        return read_from(reader)


def read_from(reader):
    """Return the `Parts` of an open file."""
    metadata = reader.metadata
    kinds.check(metadata, FORMAT, VERSION)
    description = {name: parse_json(metadata.get(name), name) for name in ("network", "rng")}
    description |= {
        name: parse_json(metadata[name], name) for name in ("user", "state") if name in metadata
    }
    parts = parse(description)
    reader.check(expected_arrays(reader, parts))
    read_arrays(reader, parts)
    return parts


def parse(description):
    """Return the `Parts` that `describe` described, with empty arrays."""
    network = check_network(description.get("network"))
    state = json_values.parse_state(description["state"]) if "state" in description else None
    rng = json_values.parse_generator(description.get("rng"))
    user = check_user_metadata(description.get("user", {}), ModelFileError)
    dtype = np.dtype(network["dtype"])
    return Parts(
        **(network | {"dtype": dtype}),
        params=np.empty(0, dtype),
        state=state,
        rng=rng,
        metadata=user,
    )


def check_network(network):
    """Return the architecture, checked as strictly as the arguments of a network."""
    network = check_mapping(network, "network")
    sizes, names = network.get("layer_sizes"), network.get("activations")
    if (
        not isinstance(sizes, list)
        or not 2 <= len(sizes) <= MAX_LAYERS
        or not all(is_count(size, MAX_SIZE, 1) for size in sizes)
    ):
        raise ModelFileError(
            f"layer_sizes must be 2 to {MAX_LAYERS} whole numbers from 1 to {MAX_SIZE}"
        )
    if (
        not isinstance(names, list)
        or len(names) != len(sizes) - 1
        or type(network.get("bias")) is not bool
    ):
        raise ModelFileError("activations or bias do not match layer_sizes")
    if network.get("dtype") not in ("float32", "float64"):
        raise ModelFileError(f"dtype {network.get('dtype')!r} is invalid"[:100])
    known = all(isinstance(name, str) and name in ACTIVATIONS for name in names)
    if not known or "softmax" in names[:-1] or (names[-1] == "softmax" and sizes[-1] == 1):
        raise ModelFileError(f"activations are invalid: {names!r}"[:200])
    dropout = network.get("dropout")
    if (
        not isinstance(dropout, list)
        or len(dropout) != len(names)
        or not all(type(rate) is float and 0 <= rate < 1 for rate in dropout)
    ):
        raise ModelFileError(f"dropout is invalid: {dropout!r}"[:100])
    return {name: network[name] for name in NETWORK}


def expected_arrays(reader, parts, prefix=""):
    """Return {prefix and name: (shape, dtype name)} of the arrays that a file must have."""
    kind = safetensors.NAMES[parts.dtype.newbyteorder("<")]
    shapes, state = _shapes(parts.layer_sizes, parts.bias), parts.state
    expected = {name: (shape, kind) for name, shape in shapes.items()}
    if state is not None:
        n_params = sum(np.prod(shape, dtype=object) for shape in shapes.values())
        present = {name for name in STATE_ARRAYS if prefix + name in reader.entries}
        if ("best_params" in present) != (state.best is not None):
            raise ModelFileError("the file has only one of best and best_params")
        if state.averages and "params" not in present:
            raise ModelFileError(
                "the file has an average of the parameters, but not the parameters"
            )
        expected["moments"] = [state.optimizer.n_moments, n_params], kind
        expected |= {name: ([n_params], kind) for name in present - {"order"}}
        if "order" in present:
            n = reader.length(prefix + "order")
            expected["order"] = [n], "I64"
    return {prefix + name: each for name, each in expected.items()}


def read_arrays(reader, parts, prefix=""):
    """Read the arrays into `Parts`. Call ``reader.check`` first."""
    shapes = _shapes(parts.layer_sizes, parts.bias)
    parts.params = np.empty(sum(int(np.prod(shape)) for shape in shapes.values()), parts.dtype)
    for name, view in _views(parts.params, shapes).items():
        reader.read_into(prefix + name, view)
    state = parts.state
    if state is None:
        return
    state.moments = reader.array(prefix + "moments")
    if prefix + "order" in reader.entries:
        state.order = reader.array(prefix + "order").astype(np.intp, copy=False)
        first = int(state.order.min())  # of the rows of a window, otherwise 0
        if not 0 <= first <= state.row or not is_order_from(first, state.order, len(state.order)):
            raise ModelFileError("order is not a permutation of the rows")
    if prefix + "params" in reader.entries:
        state.params = reader.array(prefix + "params")
    if state.best is not None:
        state.best = replace(state.best, params=reader.array(prefix + "best_params"))

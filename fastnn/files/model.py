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

import json
import os
from dataclasses import asdict, dataclass, replace

import numpy as np

from .. import optimizers
from ..activations import ACTIVATIONS
from ..schedules import Plateau
from ..training.state import Best, TrainingState
from . import ModelFileError, safetensors
from .safetensors import Reader, check_mapping, is_count, parse_json

FORMAT, VERSION = "fastnn", 1
MAX_LAYERS, MAX_SIZE = 1000, 2**24
NETWORK = ("layer_sizes", "activations", "bias", "dtype", "dropout")  # in Parts and in the JSON
COUNTS = "step", "epoch", "row"  # of a training state
OPTIONAL_COUNTS = "seed", "split_seed", "split_rows", "split_held_out"
BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


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


def write(path, parts):
    """Write `Parts` to a file, atomically."""
    arrays = _views(parts.params, _shapes(parts.layer_sizes, parts.bias))
    network = {name: getattr(parts, name) for name in NETWORK} | {"dtype": parts.dtype.name}
    metadata = {
        "format": FORMAT,
        "format_version": str(VERSION),
        "network": json.dumps(network),
        "rng": json.dumps(_describe_rng(parts.rng)),
    }
    if parts.metadata:
        metadata["user"] = json.dumps(check_user_metadata(parts.metadata, ValueError))
    state = parts.state
    if state is not None:
        metadata["state"] = json.dumps(_describe_state(state))
        arrays["moments"] = state.moments
        if state.order is not None:
            arrays["order"] = state.order.astype(np.int64)
        if state.params is not None:
            arrays["params"] = state.params
        if state.best is not None:
            arrays["best_params"] = state.best.params
    safetensors.write(path, arrays, metadata)


def check_user_metadata(user, error, name="net.metadata"):
    """Check metadata of the user, a dict of str to str; `name` is what the error calls it."""
    if not isinstance(user, dict) or not all(
        isinstance(text, str) for pair in user.items() for text in pair
    ):
        raise error(f"{name} must be a dict of str to str, got {user!r}"[:200])
    return user


def _describe_rng(rng):
    """Return the state of a generator with lists instead of arrays."""
    state = rng.bit_generator.state
    if state["bit_generator"] not in BIT_GENERATORS:
        raise ValueError(
            f"net.rng uses {state['bit_generator']}, which a model file cannot hold. "
            "Set net.rng to a generator of NumPy, such as numpy.random.default_rng(0)."
        )
    return json.loads(json.dumps(state, default=lambda a: a.tolist()))


def _describe_state(state):
    """Return a training state without its arrays as a dict that JSON can hold."""
    numbers = {name: getattr(state, name) for name in (*COUNTS, *OPTIONAL_COUNTS, "loss_sum")}
    plateau = state.plateau and asdict(state.plateau)
    best = state.best and dict(loss=state.best.loss, epoch=state.best.epoch)
    return dict(**optimizers.describe(state.optimizer), **numbers, plateau=plateau, best=best)


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
    with open(os.fspath(path), "rb") as file:
        try:
            return _read(file, os.fstat(file.fileno()).st_size)
        except ModelFileError as error:
            raise ModelFileError(f"{os.fspath(path)}: {error}") from None


def format_of(path):
    """Return the format that the metadata of a file names; None if the file is damaged."""
    with open(os.fspath(path), "rb") as file:
        try:
            return Reader(file, os.fstat(file.fileno()).st_size).metadata.get("format")
        except ModelFileError:
            return None


def _read(file, file_size):
    reader = Reader(file, file_size)
    metadata = reader.metadata
    if metadata.get("format") == "fastnn-networks":
        raise ModelFileError("it holds many networks. Read it with fastnn.load_many.")
    if metadata.get("format") != FORMAT:
        raise ModelFileError("not a fastnn model: its metadata has no format 'fastnn'")
    if metadata.get("format_version") != str(VERSION):
        raise ModelFileError(
            f"the file has format version {metadata.get('format_version')!r}, but this fastnn "
            f"reads version {VERSION}. Install a newer fastnn."
        )
    network = check_network(parse_json(metadata.get("network"), "network"))
    state = _state(parse_json(metadata["state"], "state")) if "state" in metadata else None
    shapes = _shapes(network["layer_sizes"], network["bias"])
    dtype = np.dtype(network["dtype"])
    reader.check(_expected_arrays(reader, shapes, dtype, state))
    rng = _rng(parse_json(metadata.get("rng"), "rng"))
    user = (
        check_user_metadata(parse_json(metadata["user"], "user"), ModelFileError)
        if "user" in metadata
        else {}
    )

    params = np.empty(sum(int(np.prod(shape)) for shape in shapes.values()), dtype)
    for name, view in _views(params, shapes).items():
        reader.read_into(name, view)
    if state is not None:
        state.moments = reader.array("moments")
        if "order" in reader.entries:
            state.order = reader.array("order").astype(np.intp, copy=False)
            if not np.array_equal(np.sort(state.order), np.arange(len(state.order))):
                raise ModelFileError("order is not a permutation of the rows")
        if "params" in reader.entries:
            state.params = reader.array("params")
        if state.best is not None:
            state.best = replace(state.best, params=reader.array("best_params"))
    return Parts(
        **(network | dict(dtype=dtype)), params=params, state=state, rng=rng, metadata=user
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


def _state(state):
    """Return a training state with empty arrays."""
    state = check_mapping(state, "state")
    counts = {name: state.get(name) for name in COUNTS}
    optional = {name: state.get(name) for name in OPTIONAL_COUNTS}
    loss_sum = state.get("loss_sum")
    valid = all(is_count(count, 2**62) for count in counts.values()) and all(
        count is None or is_count(count, 2**63) for count in optional.values()
    )
    if not valid or type(loss_sum) is not float or loss_sum != loss_sum:
        raise ModelFileError("state is damaged")
    rows, held_out = optional["split_rows"], optional["split_held_out"]
    if (rows is None) != (held_out is None) or (rows is not None and not 0 < held_out < rows):
        raise ModelFileError("split_rows and split_held_out are damaged")
    try:
        optimizer = optimizers.from_description(state.get("optimizer"), state.get("settings"))
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"the settings of the optimizer are damaged: {error}") from None
    try:
        plateau = (
            None
            if state.get("plateau") is None
            else Plateau(**check_mapping(state["plateau"], "plateau"))
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"plateau is damaged: {error}") from None
    best = None if state.get("best") is None else check_mapping(state["best"], "best")
    if best is not None:
        if type(best.get("loss")) is not float or not is_count(best.get("epoch"), 2**62):
            raise ModelFileError("best is damaged")
        best = Best(best["loss"], best["epoch"], np.empty(0))
    return TrainingState(
        optimizer, np.empty(0), loss_sum=loss_sum, plateau=plateau, best=best, **counts, **optional
    )


def _expected_arrays(reader, shapes, dtype, state):
    """Return {name: (shape, dtype name)} of the arrays of this network and state."""
    kind = safetensors.NAMES[dtype.newbyteorder("<")]
    expected = {name: (shape, kind) for name, shape in shapes.items()}
    if state is None:
        return expected
    n_params = sum(np.prod(shape, dtype=object) for shape in shapes.values())
    expected["moments"] = [state.optimizer.n_moments, n_params], kind
    expected |= {
        name: ([n_params], kind) for name in ("params", "best_params") if name in reader.entries
    }
    if ("best_params" in reader.entries) != (state.best is not None):
        raise ModelFileError("the file has only one of best and best_params")
    if state.averages and "params" not in reader.entries:
        raise ModelFileError("the file has an average of the parameters, but not the parameters")
    if "order" in reader.entries:
        shape = check_mapping(reader.entries["order"], "order").get("shape")
        n = shape[0] if isinstance(shape, list) and shape else None
        if not is_count(n, reader.n_bytes // 8, 1):
            raise ModelFileError("the shape of order is invalid")
        expected["order"] = [n], "I64"
    return expected


def _rng(state):
    """Return the random generator with this state."""
    state = check_mapping(state, "rng")
    name = state.get("bit_generator")
    if name not in BIT_GENERATORS:
        raise ModelFileError(f"rng must be one of {', '.join(BIT_GENERATORS)}, got {name!r}")
    bit_generator = getattr(np.random, name)(0)
    try:
        bit_generator.state = _check_rng_state(bit_generator.state, state)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"the state of the generator is damaged: {error!r}") from None
    return np.random.Generator(bit_generator)


def _check_rng_state(template, value, key="rng"):
    """Return the state of a generator, converted and checked.

    `template` is a state of the same kind. NumPy itself does not check lengths and positions.
    """
    if isinstance(template, dict):
        value = check_mapping(value, key)
        return {
            name: _check_rng_state(template[name], value[name], f"rng's {name}")
            for name in template
        }
    if isinstance(template, np.ndarray):
        array = np.array(value, template.dtype)
        if array.shape != template.shape:
            raise ValueError(f"{key} must have shape {template.shape}, got {array.shape}")
        return array
    maximum = {
        "rng's pos": 624,
        "rng's buffer_pos": 4,
        "rng's has_uint32": 1,
        "rng's uinteger": 2**32 - 1,
    }.get(key, 2**128 - 1)
    if type(value) is not type(template) or (isinstance(value, int) and not 0 <= value <= maximum):
        raise ValueError(f"{key} is {value!r}"[:100])
    return value

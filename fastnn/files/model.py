"""Model files: what fastnn puts into a safetensors file.

Arrays are W0 (n_in, n_out), b0, W1, ...; with a training state also "moments" (n_moments,
n_params), "order" (n,) if training stopped within an epoch, "params" (n_params,) if it stands
elsewhere than the network, "best_params" (n_params,) of the best epoch. The architecture, the
optimizer and the generator stand as JSON in the header's text metadata, and ``net.metadata``, if
there is any, under "user".

`read` turns a file into `Parts` and `write` turns `Parts` into a file; `fastnn.mlp` turns `Parts`
into a network. Reading trusts nothing: every size is checked against the architecture and the
length of the file before memory is taken.
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
from .safetensors import Reader, is_count, mapping, parse_json

FORMAT, VERSION = "fastnn", 1
MOST_LAYERS, WIDEST = 1000, 2**24
NETWORK = ("layer_sizes", "activations", "bias", "dtype", "dropout")  # of Parts, and of the JSON
COUNTS, SEEDS = ("step", "epoch", "row"), ("seed", "split_seed")  # of a training state
BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


@dataclass(eq=False, repr=False, match_args=False)
class Parts:
    """What a model file holds.

    Attributes
    ----------
    layer_sizes, activations : sequence
        Sizes, and the activation of each layer, the output's last.
    bias : bool
    dtype : numpy.dtype
    dropout : sequence of float
        The share of each layer's inputs.
    params : ndarray (n_params,)
        In the order W0, b0, W1, b1, ...
    state : TrainingState or None
    rng : numpy.random.Generator
    metadata : dict of str to str
        Notes of the user.
    """

    layer_sizes: tuple
    activations: tuple
    bias: bool
    dtype: np.dtype
    dropout: tuple
    params: np.ndarray
    state: TrainingState | None
    rng: "np.random.Generator"  # text, since the name itself would import numpy.random
    metadata: dict


def _shapes(layer_sizes, bias):
    """{name: shape} of the parameters, in their order."""
    shapes = {}
    for i, (k, m) in enumerate(zip(layer_sizes, layer_sizes[1:])):
        shapes[f"W{i}"] = [k, m]
        if bias:
            shapes[f"b{i}"] = [m]
    return shapes


def _views(params, shapes):
    """{name: array} of these shapes in a flat array."""
    views, at = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        views[name] = params[at : at + size].reshape(shape)
        at += size
    return views


# ---- write ----


def write(path, parts):
    """Write `Parts` to path: whole or not at all."""
    arrays = _views(parts.params, _shapes(parts.layer_sizes, parts.bias))
    network = {name: getattr(parts, name) for name in NETWORK} | {"dtype": parts.dtype.name}
    metadata = {
        "format": FORMAT,
        "format_version": str(VERSION),
        "network": json.dumps(network),
        "rng": json.dumps(_rng_text(parts.rng)),
    }
    if parts.metadata:
        metadata["user"] = json.dumps(_check_user(parts.metadata, ValueError))
    state = parts.state
    if state is not None:
        metadata["state"] = json.dumps(_state_text(state))
        arrays["moments"] = state.moments
        if state.order is not None:
            arrays["order"] = state.order.astype(np.int64)
        if state.params is not None:
            arrays["params"] = state.params
        if state.best is not None:
            arrays["best_params"] = state.best.params
    safetensors.write(path, arrays, metadata)


def _check_user(user, error):
    """net.metadata: text by name, and nothing else."""
    if not isinstance(user, dict) or not all(
        isinstance(text, str) for pair in user.items() for text in pair
    ):
        raise error(f"net.metadata must be a dict of str to str, got {user!r}"[:200])
    return user


def _rng_text(rng):
    """A generator's state with lists in place of arrays."""
    state = rng.bit_generator.state
    if state["bit_generator"] not in BIT_GENERATORS:
        raise ValueError(
            f"net.rng uses {state['bit_generator']}, which a model file cannot hold; set net.rng to one of numpy's generators"
        )
    return json.loads(json.dumps(state, default=lambda a: a.tolist()))


def _state_text(state):
    """All of a training state but its arrays."""
    numbers = {name: getattr(state, name) for name in (*COUNTS, *SEEDS, "loss_sum")}
    plateau = state.plateau and asdict(state.plateau)
    best = state.best and dict(loss=state.best.loss, epoch=state.best.epoch)
    return dict(**optimizers.describe(state.optimizer), **numbers, plateau=plateau, best=best)


# ---- read ----


def read(path):
    """The `Parts` that a file holds.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    Parts

    Raises
    ------
    ModelFileError
        The file is not a fastnn model, is damaged, or is of a newer version.
    """
    with open(os.fspath(path), "rb") as file:
        try:
            return _read(file, os.fstat(file.fileno()).st_size)
        except ModelFileError as error:
            raise ModelFileError(f"{os.fspath(path)}: {error}") from None


def _read(file, file_size):
    reader = Reader(file, file_size)
    metadata = reader.metadata
    if metadata.get("format") != FORMAT:
        raise ModelFileError("not a fastnn model (no format: fastnn in its metadata)")
    if metadata.get("format_version") != str(VERSION):
        raise ModelFileError(
            f"format version {metadata.get('format_version')!r}, this fastnn reads {VERSION}: install a newer fastnn"
        )
    network = _network(parse_json(metadata.get("network"), "network"))
    state = _state(parse_json(metadata["state"], "state")) if "state" in metadata else None
    shapes = _shapes(network["layer_sizes"], network["bias"])
    dtype = np.dtype(network["dtype"])
    reader.check(_expected(reader, shapes, dtype, state))
    rng = _rng(parse_json(metadata.get("rng"), "rng"))
    user = (
        _check_user(parse_json(metadata["user"], "user"), ModelFileError)
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
                raise ModelFileError("order is not an order of rows")
        if "params" in reader.entries:
            state.params = reader.array("params")
        if state.best is not None:
            state.best = replace(state.best, params=reader.array("best_params"))
    return Parts(
        **(network | dict(dtype=dtype)), params=params, state=state, rng=rng, metadata=user
    )


def _network(network):
    """The architecture, checked as strictly as a network checks its arguments."""
    network = mapping(network, "network")
    sizes, names = network.get("layer_sizes"), network.get("activations")
    if (
        not isinstance(sizes, list)
        or not 2 <= len(sizes) <= MOST_LAYERS
        or not all(is_count(size, WIDEST, 1) for size in sizes)
    ):
        raise ModelFileError(
            f"layer_sizes must be 2 to {MOST_LAYERS} whole numbers of 1 to {WIDEST}"
        )
    if (
        not isinstance(names, list)
        or len(names) != len(sizes) - 1
        or type(network.get("bias")) is not bool
    ):
        raise ModelFileError("activations or bias do not fit layer_sizes")
    if network.get("dtype") not in ("float32", "float64"):
        raise ModelFileError(f"dtype {network.get('dtype')!r}")
    known = all(isinstance(name, str) and name in ACTIVATIONS for name in names)
    if not known or "softmax" in names[:-1] or (names[-1] == "softmax" and sizes[-1] == 1):
        raise ModelFileError(f"activations {names!r}")
    dropout = network.get("dropout")
    if (
        not isinstance(dropout, list)
        or len(dropout) != len(names)
        or not all(type(rate) is float and 0 <= rate < 1 for rate in dropout)
    ):
        raise ModelFileError(f"dropout {dropout!r}"[:100])
    return {name: network[name] for name in NETWORK}


def _state(state):
    """A training state whose arrays are still empty."""
    state = mapping(state, "state")
    counts, seeds = ({name: state.get(name) for name in names} for names in (COUNTS, SEEDS))
    loss_sum = state.get("loss_sum")
    whole = all(is_count(count, 2**62) for count in counts.values()) and all(
        s is None or is_count(s, 2**63) for s in seeds.values()
    )
    if not whole or type(loss_sum) is not float or loss_sum != loss_sum:
        raise ModelFileError("state is damaged")
    try:
        optimizer = optimizers.from_description(state.get("optimizer"), state.get("settings"))
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"the optimizer's settings are damaged: {error}") from None
    try:
        plateau = (
            None
            if state.get("plateau") is None
            else Plateau(**mapping(state["plateau"], "plateau"))
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"the schedule's plateau is damaged: {error}") from None
    best = None if state.get("best") is None else mapping(state["best"], "best")
    if best is not None:
        if type(best.get("loss")) is not float or not is_count(best.get("epoch"), 2**62):
            raise ModelFileError("best is damaged")
        best = Best(best["loss"], best["epoch"], np.empty(0))
    return TrainingState(
        optimizer, np.empty(0), loss_sum=loss_sum, plateau=plateau, best=best, **counts, **seeds
    )


def _expected(reader, shapes, dtype, state):
    """{name: (shape, type)} of the arrays that belong to this network and state."""
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
        raise ModelFileError("best and best_params belong together")
    if state.averages and "params" not in reader.entries:
        raise ModelFileError("holds an average of the parameters, but not the parameters")
    if "order" in reader.entries:
        order = mapping(reader.entries["order"], "order")
        n = (
            order.get("shape", [None])[0]
            if isinstance(order.get("shape"), list) and order["shape"]
            else None
        )
        if not is_count(n, reader.n_bytes // 8, 1):
            raise ModelFileError("order has no sensible shape")
        expected["order"] = [n], "I64"
    return expected


def _rng(state):
    state = mapping(state, "rng")
    name = state.get("bit_generator")
    if name not in BIT_GENERATORS:
        raise ModelFileError(f"rng {name!r} is none of {', '.join(BIT_GENERATORS)}")
    bit_generator = getattr(np.random, name)(0)
    try:
        bit_generator.state = _like(bit_generator.state, state)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"the state of the generator is damaged: {error!r}") from None
    return np.random.Generator(bit_generator)


def _like(model, value, key=""):
    """`value` with the structure of `model`, a generator's state: NumPy itself does not check
    lengths and positions."""
    if isinstance(model, dict):
        value = mapping(value, key or "rng")
        return {name: _like(model[name], value[name], f"rng's {name}") for name in model}
    if isinstance(model, np.ndarray):
        array = np.array(value, model.dtype)
        if array.shape != model.shape:
            raise ValueError(f"{key} has shape {array.shape}, not {model.shape}")
        return array
    most = {
        "rng's pos": 624,
        "rng's buffer_pos": 4,
        "rng's has_uint32": 1,
        "rng's uinteger": 2**32 - 1,
    }.get(key, 2**128 - 1)
    if type(value) is not type(model) or (isinstance(value, int) and not 0 <= value <= most):
        raise ValueError(f"{key} is {value!r}"[:100])
    return value

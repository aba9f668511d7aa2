"""Model files: one safetensors file, which holds numbers and text but never code.

Layout (https://huggingface.co/docs/safetensors): 8 bytes little-endian length of the header; the header, JSON; the arrays, little-endian
and contiguous. Arrays are W0 (n_in, n_out), b0, W1, ...; with a training state also "moments" (n_moments, n_params), "order" (n,) if
training stopped within an epoch, "params" (n_params,) if it stands elsewhere than the network, "best_params" (n_params,) of the best epoch.
The architecture, the optimizer and the generator stand as JSON in the header's text metadata, and ``net.metadata``, if there is any, under
"user".

Reading trusts nothing: every size is checked against the architecture and the length of the file before memory is taken.
"""

import json
import os
from dataclasses import asdict, replace

import numpy as np

from .. import optimizers
from ..activations import ACTIVATIONS
from ..network import MLP
from ..schedules import Plateau
from ..training.state import Best, TrainingState

FORMAT, VERSION = "fastnn", 1
LONGEST_HEADER = 16_000_000  # bytes
MOST_LAYERS, WIDEST = 1000, 2**24
TYPES: dict[str, np.dtype] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "I64": np.dtype("<i8")}
NAMES = {dtype: name for name, dtype in TYPES.items()}
COUNTS, SEEDS = ("step", "epoch", "row"), ("seed", "split_seed")  # of a training state
BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


class ModelFileError(ValueError):
    """The file is not a fastnn model, or is damaged."""


# ---- write ----


def save(net, path):
    """Write net to path: beside it first, synced, then renamed, so that path holds the old file or the new one, whole."""
    arrays, metadata = _parts(net)
    header, at = {"__metadata__": metadata}, 0
    for name, a in arrays.items():
        header[name] = {"dtype": NAMES[a.dtype], "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the arrays begin at a multiple of 8
    if len(text) > LONGEST_HEADER:  # nobody could read it again
        raise ValueError(f"the file's header takes {len(text):,} bytes, at most {LONGEST_HEADER:,} are allowed: keep less in net.metadata")
    path = os.path.realpath(path)
    folder, name = os.path.split(path)
    beside = os.path.join(folder, f".{name}.{os.urandom(4).hex()}.tmp")
    try:
        with open(beside, "xb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for a in arrays.values():
                file.write(a.data if a.size else b"")
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        if os.path.exists(beside):
            os.unlink(beside)
        raise
    _sync_folder(folder)


def _sync_folder(folder):
    """Make the rename last through a crash of the machine, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _parts(net):
    """The arrays and the text of a file."""
    arrays = {}
    for i, (W, b) in enumerate(zip(net.weights, net.biases)):
        arrays[f"W{i}"] = W
        if b is not None:
            arrays[f"b{i}"] = b
    network = dict(layer_sizes=net.layer_sizes, activations=net.activations, bias=net.bias, dtype=net.dtype.name, dropout=net.dropout)
    metadata = {"format": FORMAT, "format_version": str(VERSION), "network": json.dumps(network), "rng": json.dumps(_rng_text(net.rng))}
    if net.metadata:
        metadata["user"] = json.dumps(_check_user(net.metadata, ValueError))
    state = net.state
    if state is not None:
        numbers = {name: getattr(state, name) for name in (*COUNTS, *SEEDS, "loss_sum")}
        plateau = state.plateau and asdict(state.plateau)
        best = state.best and dict(loss=state.best.loss, epoch=state.best.epoch)
        metadata["state"] = json.dumps(dict(**optimizers.describe(state.optimizer), **numbers, plateau=plateau, best=best))
        arrays["moments"] = state.moments
        if state.order is not None:
            arrays["order"] = state.order.astype(np.int64)
        if state.params is not None:
            arrays["params"] = state.params
        if state.best is not None:
            arrays["best_params"] = state.best.params
    return {name: np.ascontiguousarray(a, a.dtype.newbyteorder("<")) for name, a in arrays.items()}, metadata


def _check_user(user, error):
    """net.metadata: text by name, and nothing else."""
    if not isinstance(user, dict) or not all(isinstance(text, str) for pair in user.items() for text in pair):
        raise error(f"net.metadata must be a dict of str to str, got {user!r}"[:200])
    return user


def _rng_text(rng):
    """A generator's state with lists in place of arrays."""
    state = rng.bit_generator.state
    if state["bit_generator"] not in BIT_GENERATORS:
        raise ValueError(f"net.rng uses {state['bit_generator']}, which a model file cannot hold; set net.rng to one of numpy's generators")
    return json.loads(json.dumps(state, default=lambda a: a.tolist()))


# ---- read ----


def load(path):
    """Read a network, with its training state and metadata, from a file written by `MLP.save`.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    MLP

    Raises
    ------
    ModelFileError
        The file is not a fastnn model, is damaged, or is of a newer version.

    Examples
    --------
    >>> import fastnn, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
    >>> fastnn.MLP([4, 8, 1], rng=0).save(path)
    >>> fastnn.load(path)
    MLP([4, 8, 1], activation='relu', output='identity', dtype='float32')
    """
    with open(os.fspath(path), "rb") as file:
        try:
            return _read(file, os.fstat(file.fileno()).st_size)
        except ModelFileError as error:
            raise ModelFileError(f"{os.fspath(path)}: {error}") from None


def _read(file, file_size):
    header, start = _read_header(file, file_size)
    metadata = _mapping(header.pop("__metadata__", None), "metadata")
    if metadata.get("format") != FORMAT:
        raise ModelFileError("not a fastnn model (no format: fastnn in its metadata)")
    if metadata.get("format_version") != str(VERSION):
        raise ModelFileError(f"format version {metadata.get('format_version')!r}, this fastnn reads {VERSION}: install a newer fastnn")
    network = _network(_json(metadata.get("network"), "network"))
    state = _state(_json(metadata["state"], "state")) if "state" in metadata else None
    _check_arrays(header, network, state, file_size - start)
    rng = _rng(_json(metadata.get("rng"), "rng"))
    user = _check_user(_json(metadata["user"], "user"), ModelFileError) if "user" in metadata else {}

    *hidden, output = network["activations"]
    net = MLP(network["layer_sizes"], hidden, output, network["bias"], network["dtype"], dropout=network["dropout"])
    net.rng, net.metadata = rng, user
    for i, (W, b) in enumerate(zip(net.weights, net.biases)):
        W[...] = _array(file, start, header[f"W{i}"])
        if b is not None:
            b[...] = _array(file, start, header[f"b{i}"])
    if state is not None:
        state.moments = _array(file, start, header["moments"]).astype(net.dtype)
        if "order" in header:
            state.order = _array(file, start, header["order"]).astype(np.intp)
            if not np.array_equal(np.sort(state.order), np.arange(len(state.order))):
                raise ModelFileError("order is not an order of rows")
        if "params" in header:
            state.params = _array(file, start, header["params"]).astype(net.dtype)
        if state.best is not None:
            state.best = replace(state.best, params=_array(file, start, header["best_params"]).astype(net.dtype))
        net.state = state
    return net


def _read_header(file, file_size):
    """The header's JSON and where the arrays start."""
    length = int.from_bytes(file.read(8), "little")
    if file_size < 8 or length > min(file_size - 8, LONGEST_HEADER):
        raise ModelFileError("not a safetensors file, or cut short")
    return _mapping(_json(file.read(length), "header"), "header"), 8 + length


def _json(text, what):
    def no_duplicates(pairs):
        if len(dict(pairs)) < len(pairs):
            raise ValueError("duplicate keys")
        return dict(pairs)

    if not isinstance(text, (str, bytes)):
        raise ModelFileError(f"{what} is missing")
    try:
        return json.loads(text, object_pairs_hook=no_duplicates)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{what} is not JSON: {error}") from None


def _mapping(value, what):
    if not isinstance(value, dict):
        raise ModelFileError(f"{what} is missing or not a mapping")
    return value


def _is_count(value, most, least=0):
    return type(value) is int and least <= value <= most


def _network(network):
    """The architecture, checked for sanity; MLP checks the names."""
    network = _mapping(network, "network")
    sizes, names = network.get("layer_sizes"), network.get("activations")
    if not isinstance(sizes, list) or not 2 <= len(sizes) <= MOST_LAYERS or not all(_is_count(size, WIDEST, 1) for size in sizes):
        raise ModelFileError(f"layer_sizes must be 2 to {MOST_LAYERS} whole numbers of 1 to {WIDEST}")
    if not isinstance(names, list) or len(names) != len(sizes) - 1 or type(network.get("bias")) is not bool:
        raise ModelFileError("activations or bias do not fit layer_sizes")
    if network.get("dtype") not in ("float32", "float64"):
        raise ModelFileError(f"dtype {network.get('dtype')!r}")
    known = all(isinstance(name, str) and name in ACTIVATIONS for name in names)
    if not known or "softmax" in names[:-1] or (names[-1] == "softmax" and sizes[-1] == 1):
        raise ModelFileError(f"activations {names!r}")
    dropout = network.get("dropout")
    if not isinstance(dropout, list) or len(dropout) != len(names) or not all(type(rate) is float and 0 <= rate < 1 for rate in dropout):
        raise ModelFileError(f"dropout {dropout!r}"[:100])
    return network


def _state(state):
    state = _mapping(state, "state")
    counts, seeds = ({name: state.get(name) for name in names} for names in (COUNTS, SEEDS))
    loss_sum = state.get("loss_sum")
    whole = all(_is_count(count, 2**62) for count in counts.values()) and all(s is None or _is_count(s, 2**63) for s in seeds.values())
    if not whole or type(loss_sum) is not float or loss_sum != loss_sum:
        raise ModelFileError("state is damaged")
    try:
        optimizer = optimizers.from_description(state.get("optimizer"), state.get("settings"))
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"the optimizer's settings are damaged: {error}") from None
    try:
        plateau = None if state.get("plateau") is None else Plateau(**_mapping(state["plateau"], "plateau"))
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"the schedule's plateau is damaged: {error}") from None
    best = None if state.get("best") is None else _mapping(state["best"], "best")
    if best is not None:
        if type(best.get("loss")) is not float or not _is_count(best.get("epoch"), 2**62):
            raise ModelFileError("best is damaged")
        best = Best(best["loss"], best["epoch"], np.empty(0))
    return TrainingState(optimizer, np.empty(0), loss_sum=loss_sum, plateau=plateau, best=best, **counts, **seeds)


def _check_arrays(header, network, state, n_bytes):
    """The header must list exactly the arrays of this network, which fill the file without holes or overlaps."""
    sizes, dtype = network["layer_sizes"], {"float32": "F32", "float64": "F64"}[network["dtype"]]
    expected = {}
    for i, (k, m) in enumerate(zip(sizes, sizes[1:])):
        expected[f"W{i}"] = [k, m], dtype
        if network["bias"]:
            expected[f"b{i}"] = [m], dtype
    if state is not None:
        n_params = sum(np.prod(shape, dtype=object) for shape, _ in expected.values())
        expected["moments"] = [state.optimizer.n_moments, n_params], dtype
        expected |= {name: ([n_params], dtype) for name in ("params", "best_params") if name in header}
        if ("best_params" in header) != (state.best is not None):
            raise ModelFileError("best and best_params belong together")
        if state.averages and "params" not in header:
            raise ModelFileError("holds an average of the parameters, but not the parameters")
        if "order" in header:
            order = _mapping(header["order"], "order")
            n = order.get("shape", [None])[0] if isinstance(order.get("shape"), list) and order["shape"] else None
            if not _is_count(n, n_bytes // 8, 1):
                raise ModelFileError("order has no sensible shape")
            expected["order"] = [n], "I64"
    if set(header) != set(expected):
        raise ModelFileError(f"holds the arrays {sorted(header)}, its architecture needs {sorted(expected)}")
    spans = []
    for name, (shape, kind) in expected.items():
        entry = _mapping(header[name], name)
        span = entry.get("data_offsets")
        size = int(np.prod(shape, dtype=object)) * TYPES[kind].itemsize
        whole = isinstance(span, list) and len(span) == 2 and all(_is_count(at, n_bytes) for at in span)
        if entry.get("dtype") != kind or entry.get("shape") != shape or not whole or span[1] - span[0] != size:
            raise ModelFileError(f"array {name} is not {kind} of shape {shape}")
        spans.append(span)
    at = 0
    for begin, end in sorted(spans):
        if begin != at:
            raise ModelFileError("arrays overlap or leave holes")
        at = end
    if at != n_bytes:
        raise ModelFileError(f"the arrays need {at} bytes, the file has {n_bytes}: cut short or not whole")


def _array(file, start, entry):
    begin, end = entry["data_offsets"]
    file.seek(start + begin)
    data = file.read(end - begin)
    if len(data) != end - begin:
        raise ModelFileError("cut short while it was read")
    return np.frombuffer(data, TYPES[entry["dtype"]]).reshape(entry["shape"])


def _rng(state):
    state = _mapping(state, "rng")
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
    """`value` with the structure of `model`, a generator's state: NumPy itself does not check lengths and positions."""
    if isinstance(model, dict):
        value = _mapping(value, key or "rng")
        return {name: _like(model[name], value[name], f"rng's {name}") for name in model}
    if isinstance(model, np.ndarray):
        array = np.array(value, model.dtype)
        if array.shape != model.shape:
            raise ValueError(f"{key} has shape {array.shape}, not {model.shape}")
        return array
    most = {"rng's pos": 624, "rng's buffer_pos": 4, "rng's has_uint32": 1, "rng's uinteger": 2**32 - 1}.get(key, 2**128 - 1)
    if type(value) is not type(model) or (isinstance(value, int) and not 0 <= value <= most):
        raise ValueError(f"{key} is {value!r}"[:100])
    return value

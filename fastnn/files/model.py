"""Read and write files of one network or of many, which are safetensors files.

The arrays are W0 (n_in, n_out), b0, W1, and so on. A training state adds "moments" (n_moments,
n_params), "order" (n,) if training stopped within an epoch, "params" (n_params,) if training
continues from other parameters than those of the network, and "best_params" (n_params,), those of
the best epoch. Bounds of weights add "lower0" and "upper0", like W0, and so on. The text metadata in
the header has the architecture, the training state and the random generator as JSON, and
``net.metadata``, unless it is empty, under "user".

`read` returns the `NetworkContent` of a file, and `write` writes it; `fastnn.mlp` makes a
network from it. Files may be damaged or malicious. All sizes are checked against the architecture
and the length of the file before memory is allocated.

A file of many networks has no training states. Networks of the same architecture form a group,
numbered in the order in which they first occur. The array "params0" (number of networks, n_params) has
the parameters of group 0, and so on. With several groups, the array "groups" (n,) has the group of each
network. The text metadata has the architectures and, unless they are empty, names and metadata of the
networks as JSON.
"""

import json
import math
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace

import numpy as np

from .. import optimizers
from ..activations import ACTIVATIONS
from ..core.validation import check_flag
from ..core.weight_bounds import SIDES, WeightBounds, check_weight_bounds
from ..network import MAX_LAYERS, MAX_SIZE
from ..schedules import Plateau
from ..state import Best, TrainingState, is_order_from
from . import ModelFileError, json_values, kinds, safetensors
from .json_values import check_mapping, is_count, parse_json, to_text

FORMAT, VERSION = "fastnn", 1
FORMAT_OF_MANY, VERSION_OF_MANY = "fastnn-networks", 1
MAX_NETWORKS = 2**31
SPARE = 500_000  # bytes of the header that `check_writable` leaves for arrays and training state
STATE_ARRAYS = "order", "params", "best_params"  # which a training state may have, besides moments
#: In a NetworkContent and in the JSON.
NETWORK = ("layer_sizes", "activations", "bias", "dtype", "dropout")
#: Fields of a training state.
COUNTS = "step", "epoch", "row"
OPTIONAL_COUNTS = "seed", "split_seed", "split_rows", "split_held_out", "shards", "shuffle_seed"
SPLIT_METHODS = "permutation", "hash"


@dataclass(eq=False, repr=False, match_args=False)
class NetworkContent:
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
    weight_bounds : WeightBounds or None
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
    weight_bounds: WeightBounds | None = None


def content_of(net, state=True):
    """Return the NetworkContent of an MLP. state : whether with its training state"""
    content = {field.name: getattr(net, field.name) for field in fields(NetworkContent)}
    keeps_state = check_flag("state", state)
    return NetworkContent(**content if keeps_state else content | {"state": None})


def _shapes(layer_sizes, bias):
    """Return {name: shape} of the parameters, in order."""
    shapes = {}
    for i, (k, m) in enumerate(zip(layer_sizes, layer_sizes[1:])):
        shapes[f"W{i}"] = [k, m]
        if bias:
            shapes[f"b{i}"] = [m]
    return shapes


def _count_params(shapes):
    return sum(map(math.prod, shapes.values()))


def _views(params, shapes):
    """Return {name: view of this shape} into a flat array."""
    views, offset = {}, 0
    for name, shape in shapes.items():
        size = math.prod(shape)
        views[name] = params[offset : offset + size].reshape(shape)
        offset += size
    return views


# ---- write ----


def write(path, content, on_written=None):
    """Write a `NetworkContent` to a file, atomically. on_written : as in `safetensors.write`."""
    safetensors.write(path, arrays_of(content), _metadata(content), on_written)


def check_writable(content):
    """Raise ValueError if `write` could not write a `NetworkContent` because of what it describes."""
    metadata = _metadata(content)
    safetensors.check_header(
        SPARE + len(to_text(metadata).encode()),
        "Store less in net.metadata, or use a shorter schedules.Rates.",
    )


def _metadata(content):
    description = {name: to_text(value) for name, value in describe(content).items()}
    return {"format": FORMAT, "format_version": str(VERSION), **description}


def describe(content):
    """Return a `NetworkContent` without the arrays as a dict that JSON can hold."""
    network = {name: getattr(content, name) for name in NETWORK} | {"dtype": content.dtype.name}
    rng = json_values.describe_generator(content.rng, "net.rng")
    description = {"network": network, "rng": rng}
    if content.metadata:
        description["user"] = check_user_metadata(content.metadata, ValueError)
    if content.state is not None:
        description["state"] = describe_state(content.state)
    return description


def arrays_of(content, prefix=""):
    """Return {prefix and name: array} of the arrays of a `NetworkContent`."""
    arrays = _views(content.params, _shapes(content.layer_sizes, content.bias))
    for i, pair in enumerate(content.weight_bounds or ()):
        arrays |= {f"{side}{i}": bound for side, bound in zip(SIDES, pair or ())}
    state = content.state
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
    """Return the `NetworkContent` of a file.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    NetworkContent

    Raises
    ------
    ModelFileError
        The file is not a fastnn model, is damaged, or was written by a newer version.
    """
    with safetensors.reading(path) as reader:
        return read_from(reader)


def read_from(reader):
    """Return the `NetworkContent` of an open file."""
    metadata = reader.metadata
    kinds.check_kind(metadata, FORMAT, VERSION)
    description = {name: parse_json(metadata.get(name), name) for name in ("network", "rng")}
    description |= {
        name: parse_json(metadata[name], name) for name in ("user", "state") if name in metadata
    }
    content = parse(description)
    reader.check(expected_arrays(reader, content))
    read_arrays(reader, content)
    return content


def parse(description):
    """Return the `NetworkContent` that `describe` described, with empty arrays."""
    network = check_network(description.get("network"))
    state = parse_state(description["state"]) if "state" in description else None
    rng = json_values.parse_generator(description.get("rng"))
    user = check_user_metadata(description.get("user", {}), ModelFileError)
    dtype = np.dtype(network["dtype"])
    return NetworkContent(
        **(network | {"dtype": dtype}),
        params=np.empty(0, dtype),
        state=state,
        rng=rng,
        metadata=user,
    )


def check_network(network):
    """Return the architecture, checked as strictly as the arguments of a network."""
    network = check_mapping(network, "network")
    sizes, names, bias, dtype, dropout = map(network.get, NETWORK)
    if not (_is_list(sizes, 2, MAX_LAYERS) and all(is_count(n, MAX_SIZE, 1) for n in sizes)):
        raise ModelFileError(
            f"layer_sizes must be 2 to {MAX_LAYERS} whole numbers from 1 to {MAX_SIZE}"
        )
    n_layers = len(sizes) - 1
    if not _is_list(names, n_layers, n_layers) or type(bias) is not bool:
        raise ModelFileError("activations or bias do not match layer_sizes")
    if dtype not in ("float32", "float64"):
        raise ModelFileError(f"dtype {dtype!r} is invalid"[:100])
    if not _are_activations(names, sizes[-1]):
        raise ModelFileError(f"activations are invalid: {names!r}"[:200])
    if not _is_list(dropout, n_layers, n_layers) or not all(
        type(rate) is float and 0 <= rate < 1 for rate in dropout
    ):
        raise ModelFileError(f"dropout is invalid: {dropout!r}"[:100])
    return {name: network[name] for name in NETWORK}


def _is_list(value, least, most):
    """Whether a value is a list of so many items."""
    return isinstance(value, list) and least <= len(value) <= most


def _are_activations(names, n_out):
    """Whether a list holds activations of layers, the last of which has n_out outputs."""
    if not all(isinstance(name, str) and name in ACTIVATIONS for name in names):
        return False
    return "softmax" not in names[:-1] and (names[-1] != "softmax" or n_out > 1)


def expected_arrays(reader, content, prefix=""):
    """Return {prefix and name: (shape, dtype name)} of the arrays that a file must have."""
    kind = safetensors.name_of(content.dtype)
    shapes, state = _shapes(content.layer_sizes, content.bias), content.state
    bounds = _shapes_of_bounds(reader, content, prefix)
    expected = {name: (shape, kind) for name, shape in (shapes | bounds).items()}
    if state is not None:
        n_params = _count_params(shapes)
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


def _shapes_of_bounds(reader, content, prefix):
    layers, shapes = _bounded_layers(reader, content, prefix), _shapes(content.layer_sizes, False)
    return {f"{side}{i}": shapes[f"W{i}"] for i in layers for side in SIDES}


def _bounded_layers(reader, content, prefix):
    """Return the layers whose weights have bounds in a file."""
    n_layers = len(content.layer_sizes) - 1
    return [i for i in range(n_layers) if f"{prefix}lower{i}" in reader.entries]


def read_arrays(reader, content, prefix=""):
    """Read the arrays into a `NetworkContent`. Call ``reader.check`` first."""
    shapes = _shapes(content.layer_sizes, content.bias)
    content.params = np.empty(_count_params(shapes), content.dtype)
    views = _views(content.params, shapes)
    for name, view in views.items():
        reader.read_into(prefix + name, view)
    bounds = [None] * (len(content.layer_sizes) - 1)
    for i in _bounded_layers(reader, content, prefix):
        bounds[i] = tuple(reader.array(f"{prefix}{side}{i}") for side in SIDES)
    with _refused("weight_bounds is damaged"):
        weights = [views[f"W{i}"] for i in range(len(bounds))]
        content.weight_bounds = check_weight_bounds(bounds, weights)
    state = content.state
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


# ---- training states ----


def describe_state(state):
    """Return a training state without its arrays as a dict that JSON can hold."""
    numbers = {name: getattr(state, name) for name in (*COUNTS, *OPTIONAL_COUNTS, "loss_sum")}
    plateau = state.plateau and asdict(state.plateau)
    best = state.best and dict(loss=state.best.loss, epoch=state.best.epoch)
    return dict(
        **optimizers.describe(state.optimizer),
        **numbers,
        plateau=plateau,
        best=best,
        split_method=state.split_method,
    )


def parse_state(state):
    """Return a training state with empty arrays."""
    state = check_mapping(state, "state")
    counts, loss_sum = _parse_counts(state), state.get("loss_sum")
    if type(loss_sum) is not float or math.isnan(loss_sum):
        raise ModelFileError("state is damaged")
    rows, held_out = counts["split_rows"], counts["split_held_out"]
    if (rows is None) != (held_out is None) or (rows is not None and not 0 < held_out < rows):
        raise ModelFileError("split_rows and split_held_out are damaged")
    with _refused("the settings of the optimizer are damaged"):
        optimizer = optimizers.from_description(state.get("optimizer"), state.get("settings"))
    plateau, best = state.get("plateau"), state.get("best")
    if plateau is not None:
        with _refused("plateau is damaged"):
            plateau = Plateau(**check_mapping(plateau, "plateau"))
    if best is not None:
        best = check_mapping(best, "best")
        if type(best.get("loss")) is not float or not is_count(best.get("epoch"), 2**62):
            raise ModelFileError("best is damaged")
        best = Best(best["loss"], best["epoch"], np.empty(0))
    split_method = state.get("split_method")  # older versions do not write it
    if split_method not in (None, *SPLIT_METHODS):
        raise ModelFileError(f"split_method {split_method!r} is invalid"[:100])
    return TrainingState(
        optimizer,
        np.empty(0),
        loss_sum=loss_sum,
        plateau=plateau,
        best=best,
        split_method=split_method,
        **counts,
    )


def _parse_counts(state):
    counts = {name: state.get(name) for name in (*COUNTS, *OPTIONAL_COUNTS)}
    for name, count in counts.items():
        is_absent = count is None and name in OPTIONAL_COUNTS
        if not is_absent and not is_count(count, 2**62 if name in COUNTS else 2**63):
            raise ModelFileError("state is damaged")
    return counts


@contextmanager
def _refused(problem):
    """Context manager in which the errors of a constructor become a ModelFileError."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"{problem}: {error}") from None


# ---- many networks ----


@dataclass(eq=False, repr=False)
class Entry:
    """One network: its architecture, as in a `NetworkContent`, its parameters and its metadata."""

    network: dict
    params: np.ndarray
    metadata: dict


def write_many(path, entries, names=None, on_written=None):
    """Write entries, all of one dtype, to a file, atomically.

    names : list of str, optional. on_written : as in `safetensors.write`.
    """
    groups: dict = {}  # {architecture as JSON: (number, [params])}
    numbers = np.empty(len(entries), np.int64)
    for i, entry in enumerate(entries):
        number, params = groups.setdefault(to_text(entry.network), (len(groups), []))
        params.append(entry.params)
        numbers[i] = number
    arrays = {f"params{number}": np.stack(params) for number, params in groups.values()}
    if len(groups) > 1:
        arrays["groups"] = numbers
    metadata = {
        "format": FORMAT_OF_MANY,
        "format_version": str(VERSION_OF_MANY),
        "networks": to_text([json.loads(text) for text in groups]),
    }
    if names is not None:
        metadata["names"] = to_text(names)
    if any(entry.metadata for entry in entries):
        metadata["user"] = to_text(
            [check_user_metadata(entry.metadata, ValueError) for entry in entries]
        )
    safetensors.write(path, arrays, metadata, on_written)


def read_many(path):
    """Return the entries of a file, and their names or None.

    Raises
    ------
    ModelFileError
        The file does not hold networks, is damaged, or was written by a newer version.
    """
    with safetensors.reading(path) as reader:
        return read_many_from(reader)


def read_many_from(reader):
    """Return the entries of an open file, and their names or None."""
    metadata = reader.metadata
    kinds.check_kind(metadata, FORMAT_OF_MANY, VERSION_OF_MANY)
    networks = parse_json(metadata.get("networks"), "networks")
    if not isinstance(networks, list) or not networks:
        raise ModelFileError("networks is empty or not a list")
    networks = [check_network(network) for network in networks]
    groups, params = _read_groups(reader, networks)
    names = _list_of(metadata, "names", len(groups))
    if names is not None and not all(isinstance(name, str) for name in names):
        raise ModelFileError("names is damaged")
    if names is not None and len(set(names)) < len(names):
        raise ModelFileError("names holds a name twice")
    user = _list_of(metadata, "user", len(groups)) or [{} for _ in groups]
    entries = [
        Entry(networks[group], next(params[group]), check_user_metadata(each, ModelFileError))
        for group, each in zip(groups, user)
    ]
    return entries, names


def _read_groups(reader, networks):
    """Return the group of each network, and for each group an iterator over the parameters.

    networks : list of dict, the architecture of each group
    """
    counts = [reader.length(f"params{i}", maximum=MAX_NETWORKS) for i in range(len(networks))]
    n, expected = sum(counts), {}
    for i, (network, count) in enumerate(zip(networks, counts)):
        n_params = _count_params(_shapes(network["layer_sizes"], network["bias"]))
        expected[f"params{i}"] = [count, n_params], safetensors.name_of(network["dtype"])
    if len(networks) > 1:
        expected["groups"] = [n], "I64"
    reader.check(expected)
    groups = reader.array("groups") if len(networks) > 1 else np.zeros(n, np.int64)
    if groups.min() < 0 or not np.array_equal(
        np.bincount(np.minimum(groups, len(networks)), minlength=len(networks)), counts
    ):
        raise ModelFileError("groups do not match the numbers of networks")
    return groups.tolist(), [iter(reader.array(f"params{i}")) for i in range(len(networks))]


def _list_of(metadata, name, n):
    """Return a list of n values from the metadata, or None if there is none."""
    if name not in metadata:
        return None
    values = parse_json(metadata[name], name)
    if not isinstance(values, list) or len(values) != n:
        raise ModelFileError(f"{name} is not a list of {n} values")
    return values

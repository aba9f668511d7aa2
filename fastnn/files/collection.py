"""Read and write files of many networks, without training states.

The file is a safetensors file. Networks of the same architecture form a group, numbered in the
order in which they first occur. The array "params0" (number of networks, n_params) has the
parameters of group 0, and so on. With several groups, the array "groups" (n,) has the group of each
network. The text metadata has the architectures and, unless they are empty, names and metadata of
the networks as JSON.
"""

import json
from dataclasses import dataclass

import numpy as np

from . import ModelFileError, kinds, safetensors
from .model import check_network, check_user_metadata, n_params_of
from .safetensors import check_mapping, is_count, parse_json

FORMAT, VERSION = "fastnn-networks", 1
MAX_NETWORKS = 2**31


@dataclass(eq=False, repr=False)
class Entry:
    """One network: its architecture, as in `model.Parts`, its parameters and its metadata."""

    network: dict
    params: np.ndarray
    metadata: dict


def write(path, entries, names=None, on_written=None):
    """Write entries, all of one dtype, to a file, atomically.

    names : list of str, optional. on_written : as in `safetensors.write`.
    """
    groups: dict = {}  # {architecture as JSON: (number, [params])}
    numbers = np.empty(len(entries), np.int64)
    for i, entry in enumerate(entries):
        number, params = groups.setdefault(safetensors.to_text(entry.network), (len(groups), []))
        params.append(entry.params)
        numbers[i] = number
    arrays = {f"params{number}": np.stack(params) for number, params in groups.values()}
    if len(groups) > 1:
        arrays["groups"] = numbers
    metadata = {
        "format": FORMAT,
        "format_version": str(VERSION),
        "networks": safetensors.to_text([json.loads(text) for text in groups]),
    }
    if names is not None:
        metadata["names"] = safetensors.to_text(names)
    if any(entry.metadata for entry in entries):
        metadata["user"] = safetensors.to_text(
            [check_user_metadata(entry.metadata, ValueError) for entry in entries]
        )
    safetensors.write(path, arrays, metadata, on_written)


def read(path):
    """Return the entries of a file, and their names or None.

    Raises
    ------
    ModelFileError
        The file does not hold networks, is damaged, or was written by a newer version.
    """
    with safetensors.reading(path) as reader:
        return _read(reader)


def _read(reader):
    metadata = reader.metadata
    kinds.check(metadata, FORMAT, VERSION)
    networks = parse_json(metadata.get("networks"), "networks")
    if not isinstance(networks, list) or not networks:
        raise ModelFileError("networks is empty or not a list")
    networks = [check_network(network) for network in networks]
    counts = [_rows(reader, f"params{i}") for i in range(len(networks))]
    n = sum(counts)
    expected = {
        f"params{i}": (
            [count, n_params_of(network)],
            safetensors.NAMES[np.dtype(network["dtype"]).newbyteorder("<")],
        )
        for i, (network, count) in enumerate(zip(networks, counts))
    }
    if len(networks) > 1:
        expected["groups"] = [n], "I64"
    reader.check(expected)
    groups = reader.array("groups") if len(networks) > 1 else np.zeros(n, np.int64)
    if groups.min() < 0 or not np.array_equal(
        np.bincount(np.minimum(groups, len(networks)), minlength=len(networks)), counts
    ):
        raise ModelFileError("groups do not match the numbers of networks")
    names = _list_of(metadata, "names", n, lambda name: isinstance(name, str))
    if names is not None and len(set(names)) < n:
        raise ModelFileError("names holds a name twice")
    user = _list_of(metadata, "user", n, lambda user: check_user_metadata(user, ModelFileError))
    params = [iter(reader.array(f"params{i}")) for i in range(len(networks))]
    entries = [
        Entry(networks[group], next(params[group]), {} if user is None else user[i])
        for i, group in enumerate(groups.tolist())
    ]
    return entries, names


def _rows(reader, name):
    """Return the number of rows of an array that has not been checked."""
    shape = check_mapping(reader.entries.get(name), name).get("shape")
    count = shape[0] if isinstance(shape, list) and shape else None
    if not is_count(count, min(MAX_NETWORKS, reader.n_bytes), 1):
        raise ModelFileError(f"the shape of {name} is invalid")
    return count


def _list_of(metadata, name, n, is_valid):
    """Return a list of n valid values from the metadata, or None if there is none."""
    if name not in metadata:
        return None
    values = parse_json(metadata[name], name)
    if not isinstance(values, list) or len(values) != n:
        raise ModelFileError(f"{name} is not a list of {n} values")
    if not all(is_valid(value) is not False for value in values):
        raise ModelFileError(f"{name} is damaged")
    return values

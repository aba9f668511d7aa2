"""Models from files: one of any kind, and many networks in one file."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar, overload

import numpy as np

from . import kernels
from .differentiable import DifferentiableNetwork
from .files import ModelFileError, collection, kinds, model
from .mlp import MLP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .typing import Path

    M = TypeVar("M")


@overload
def load(path: Path) -> Any: ...
@overload
def load(path: Path, kind: type[M]) -> M: ...


def load(path: Path, kind: Any = None) -> Any:
    """Load a network or an estimator from a file that its method `save` wrote.

    A network has its training state and metadata. docs/model_file.md describes the files. Loading
    runs no code from the file, so it is safe to load files that you do not trust.

    Parameters
    ----------
    path : str or path-like
    kind : class, optional
        The class that you expect, such as `MLP` or `TabularClassifier`. Type checkers then know what
        `load` returns.

    Returns
    -------
    MLP, MLPClassifier, MLPRegressor, TabularClassifier or TabularRegressor

    Raises
    ------
    ModelFileError
        The file is not a fastnn model, is damaged, was written by a newer version, or holds
        an object of another class than `kind`. For a file of many networks use `load_many`.
    TypeError
        `path` is not a path, or `kind` is not a class.
    ImportError
        The file holds an estimator, but scikit-learn is not installed.

    Examples
    --------
    >>> import fastnn, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
    >>> fastnn.MLP([4, 8, 1], rng=0).save(path)
    >>> fastnn.load(path)
    MLP([4, 8, 1], activation='relu', output='identity', dtype='float32')
    """
    if kind is not None and not isinstance(kind, type):
        raise TypeError(f"kind must be a class, such as fastnn.MLP, got {kind!r}")
    loaded = _load(path)
    if kind is not None and not isinstance(loaded, kind):
        raise ModelFileError(
            f"holds a model of the class {type(loaded).__name__}, but {kind.__name__} was expected. "
            "Pass another file, or leave kind out.",
            os.fsdecode(path),
        )
    return loaded


def _load(path):
    kind = kinds.KINDS.get(kinds.kind_of(path))
    if kind is None or not kind.module:  # a network, or a file that `model.read` refuses
        return from_parts(model.read(path))
    try:
        return import_module(kind.module).read(path)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sklearn":
            raise
        raise ImportError(
            f"{path}: the file holds an estimator, which needs scikit-learn. "
            'Run: pip install "fastnn-mlp[sklearn]"'
        ) from None


def class_of(format: str, name: Any) -> type:
    """Return the class of this name that a file of an estimator may hold.

    Raises
    ------
    ModelFileError
    """
    for path in kinds.KINDS[format].classes:
        module, _, known = path.rpartition(".")
        if known == name:
            return getattr(import_module(module), name)
    raise ModelFileError("the description of the estimator is damaged (estimator)")


def save_many(networks: Sequence[MLP] | Mapping[str, MLP], path: Path) -> None:
    """Save many networks to one safetensors file, without their training states.

    Read it with `load_many`. The file holds architectures, parameters and `metadata`. It is written
    as by `MLP.save`. Use that to continue training later.

    Parameters
    ----------
    networks : sequence of MLP, or dict of str to MLP
        Networks of one dtype and of any architectures.
    path : str or path-like

    Examples
    --------
    >>> import fastnn, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "sensors.safetensors")
    >>> networks = {name: fastnn.MLP([3, 4, 1], rng=0) for name in ("north", "south")}
    >>> fastnn.save_many(networks, path)
    >>> list(fastnn.load_many(path))
    ['north', 'south']
    """
    from .many import check_networks  # not needed to load a model

    names = None
    if isinstance(networks, dict):
        names, networks = list(networks), list(networks.values())
        for name in names:
            if not isinstance(name, str):
                raise TypeError(f"the keys of networks must be str, got {name!r}")
    networks = check_networks(networks)
    reading = kernels.Reading(networks)
    entries = []
    for net in networks:
        network = {name: getattr(net, name) for name in model.NETWORK}
        network["dtype"] = net.dtype.name
        entries.append(collection.Entry(network, net.params, net.metadata))
    collection.write(path, entries, names, reading.check)


@overload
def load_many(path: Path) -> Any: ...
@overload
def load_many(path: Path, kind: type[list[Any]]) -> list[MLP]: ...
@overload
def load_many(path: Path, kind: type[dict[str, Any]]) -> dict[str, MLP]: ...


def load_many(path: Path, kind: Any = None) -> Any:
    """Load the networks of a file that `save_many` wrote.

    Parameters
    ----------
    path : str or path-like
    kind : type, optional
        `list` or `dict`, if you expect one of them. Type checkers then know what `load_many` returns.

    Returns
    -------
    list of MLP, or dict of str to MLP
        As they were passed to `save_many`.

    Raises
    ------
    ModelFileError
        The file does not hold networks, is damaged, was written by a newer version, or holds
        a list where `kind` is `dict`, or the reverse.

    Examples
    --------
    >>> import fastnn, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "networks.safetensors")
    >>> fastnn.save_many([fastnn.MLP([3, 4, 1], rng=seed) for seed in range(5)], path)
    >>> len(fastnn.load_many(path))
    5
    """
    entries, names = collection.read(path)
    found = list if names is None else dict
    if kind is not None and kind is not found:
        raise ModelFileError(
            f"holds a {found.__name__} of networks, but a {kind.__name__} was expected. Pass another "
            "file, or leave kind out.",
            os.fsdecode(path),
        )
    seeds = np.random.SeedSequence().spawn(len(entries))
    networks = [_network(entry, seed) for entry, seed in zip(entries, seeds)]
    return networks if names is None else dict(zip(names, networks))


def _network(entry, seed):
    architecture = entry.network | {"dtype": np.dtype(entry.network["dtype"])}
    net = blank_network(architecture, np.random.default_rng(seed))
    net.params, net.metadata = entry.params, entry.metadata
    return net


# ---- for other modules ----


def blank_network(architecture, rng):
    """Return an MLP whose parameters are 0, for readers of files: drawing them would take most of
    their time.

    architecture : mapping with the keys `files.model.NETWORK`
    """
    net = MLP.__new__(MLP)
    sizes, activations, bias, dtype, dropout = (
        architecture[name] for name in ("layer_sizes", "activations", "bias", "dtype", "dropout")
    )
    DifferentiableNetwork.__init__(
        net, sizes, activations[:-1], activations[-1], bias, dtype, dropout
    )
    net.rng, net.state, net.history, net.metadata = rng, None, None, {}
    return net


def from_parts(parts):
    """Return the MLP that a `files.model.Parts` describes."""
    net = blank_network(vars(parts), parts.rng)
    net.params, net.state, net.metadata = parts.params, parts.state, parts.metadata
    return net

"""Models of any kind from files."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar, overload

from .files import ModelFileError, kinds, model
from .mlp import from_parts

if TYPE_CHECKING:
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

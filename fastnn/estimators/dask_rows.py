"""The rows of Dask collections for `MLPClassifier` and `MLPRegressor`: checked, and in blocks."""

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from ..core.errors import placed
from ..core.sparse_rows import is_sparse
from ..dask import partitions
from ..dask.delayed import delayed_call, delayed_value
from ..dask.mixing import Encoded, Mixing, take_info
from ..dask.rounds_data import BlockRows
from ..training.data import Data
from ..training.stream import hashes
from . import inputs

TARGET_ROWS = 100  # of a partition, that show what kind of targets they are
SAME_ROWS = "Each computation of the collection must yield the same rows in the same order."


@dataclass(frozen=True, kw_only=True, eq=False)
class ChunkFacts:
    """What the first pass finds in a partition.

    Attributes
    ----------
    n_rows : int
    attributes : dict
        What checking the rows sets in an estimator.
    dtype : dtype
        Of X, as networks would read it.
    squares : ndarray (n_features,)
        Sums of squares of the columns.
    y_squares : ndarray (n_targets,) or None
        The same of the targets, if they are numbers.
    y : ndarray
        Some targets, or the distinct classes.
    counts : ndarray or None
        Number of rows of each of these classes.
    weight : float
        The sum of the weights.
    """

    n_rows: int
    attributes: dict
    dtype: Any
    squares: Any
    y_squares: Any
    y: Any
    counts: Any
    weight: float


def look_at_chunk(X, y, weight, estimator, index):
    """Return the ChunkFacts of a partition, None if it is empty."""
    if not len(X):
        return None
    with placed(partitions.place(index)):
        estimator = copy.copy(estimator)
        before = set(vars(estimator))
        X, y, weight = _checked(
            estimator, X, y, weight, estimator.dtype or (np.float64, np.float32)
        )
        attributes = {k: v for k, v in vars(estimator).items() if k not in before}
        y_squares, counts, n = None, None, len(y)
        if not estimator.is_classifier:
            y_squares = np.square(y.reshape(n, -1), dtype=np.float64).sum(axis=0)
        if estimator.is_classifier and y.ndim == 1:
            y, counts = np.unique(y, return_counts=True)
        else:
            y = y[:TARGET_ROWS]
        with np.errstate(over="ignore"):
            squares = np.einsum("ij,ij->j", X, X, dtype=np.float64)  # without a copy
    return ChunkFacts(
        n_rows=n, attributes=attributes, dtype=X.dtype, squares=squares, y_squares=y_squares, y=y,
        counts=counts, weight=n if weight is None else float(weight.sum()),
    )  # fmt: skip


def _checked(estimator, X, y, weight, dtype):
    """Return X, y and the weights of a partition, checked as `fit` does."""
    if is_sparse(X):
        raise TypeError(
            "X has sparse chunks, which do not work with Dask. Convert them: "
            "X.map_blocks(lambda x: x.toarray())."
        )
    X, y = inputs.check_X_y(estimator, X, y, dtype, True)
    if weight is not None:
        weight = inputs.check_weight(np.asarray(weight), X, may_be_zero=True)
    return X, y, weight


@dataclass(frozen=True, kw_only=True, eq=False)
class ChunkTask:
    """What prepares the rows of every partition for training.

    Attributes
    ----------
    estimator : BaseMLP
        Without networks.
    targets : ClassTargets or NumberTargets
    dtype : dtype
    class_weight : dict or None
        The weight of each class.
    held_out : (float, int)
        Part of the rows that are held out, and a seed.
    n_pieces : int
    """

    estimator: Any
    targets: Any
    dtype: Any
    class_weight: Any
    held_out: tuple
    n_pieces: int


def encode_chunk(X, y, weight, task, expected):
    """Return the Encoded rows of a partition, whose info is (X, y, weight) of those held out.

    expected : (int, int, int)
        The position of the partition, the number of its first row, and of all.
    """
    index, first, n = expected
    with placed(partitions.place(index)):
        if len(X) != n:
            raise ValueError(
                f"X has {len(X):,} rows in this pass, but had {n:,} before. {SAME_ROWS}"
            )
        if not n:
            return Encoded({}, np.zeros(0, np.intp), task.n_pieces, None)
        estimator = copy.copy(task.estimator)
        X, y, weight = _checked(estimator, X, y, weight, task.dtype)
        encoded = task.targets.encode(y, task.dtype, type(estimator).__name__)
    if task.class_weight is not None:
        of_class = compute_sample_weight(task.class_weight, y)
        weight = of_class if weight is None else weight * of_class
    numbers = np.arange(first, first + n)
    fraction, seed = task.held_out
    is_out = hashes(numbers, seed) < fraction * 2.0**53
    arrays = {"X": X, "y": encoded, "key": np.zeros(n, np.int32)}
    if weight is not None:
        arrays["weight"] = weight
    held_out = X[is_out], y[is_out], None if weight is None else weight[is_out]
    if is_out.any():
        train = ~is_out
        arrays, numbers = {name: a[train] for name, a in arrays.items()}, numbers[train]
    return Encoded(arrays, numbers, task.n_pieces, held_out)


class ArrayReader(NamedTuple):
    """Reads the rows of a block.

    Attributes
    ----------
    loss : losses.Loss
    alpha : float
        As in `Data`.
    """

    loss: Any
    alpha: float

    def data(self, net, arrays):
        """Return the Data of all rows of a block."""
        data = Data.of(net, arrays["X"], arrays["y"], self.loss, arrays.get("weight"))
        data.alpha = self.alpha
        return data


class ChunkRows:
    """The partitions of a collection that an estimator trains on.

    Parameters
    ----------
    runner : ClusterRunner or LocalRunner
    estimator : BaseMLP
    parts : list of Partition

    Attributes
    ----------
    facts : list of ChunkFacts
        Of the partitions that are not empty.
    lengths : ndarray (n_partitions,) of int
    """

    def __init__(self, runner, estimator, parts):
        self.runner, self.parts = runner, parts
        self.estimator = _lean(estimator)
        look = delayed_call("look", look_at_chunk)
        shared = delayed_value("estimator", self.estimator)
        futures = runner.compute([look(*part, shared, i) for i, part in enumerate(parts)])
        found = runner.results(futures)
        self.lengths = np.array([0 if each is None else each.n_rows for each in found], np.intp)
        self.facts = [each for each in found if each is not None]
        if not self.facts:
            raise ValueError("X has no rows. fit needs at least one.")
        first = self.facts[0].attributes
        for i, each in enumerate(found):
            if each is not None and each.attributes["n_features_in_"] != first["n_features_in_"]:
                raise ValueError(
                    f"{partitions.place(i)} has {each.attributes['n_features_in_']} columns, but the "
                    f"others have {first['n_features_in_']}. Let all partitions have the same."
                )
        if sum(each.weight for each in self.facts) == 0:
            raise ValueError("sample_weight is zero in all rows. At least one must be positive.")

    @property
    def n_rows(self):
        return int(self.lengths.sum())

    @property
    def dtype(self):
        """dtype: of the networks."""
        kinds = {each.dtype for each in self.facts}
        return kinds.pop() if len(kinds) == 1 else np.dtype(np.float64)

    def root_mean_squares(self):
        """Return those of the columns of X and of y, None for classes."""
        y = None
        if self.facts[0].y_squares is not None:
            y = np.sqrt(sum(each.y_squares for each in self.facts) / self.n_rows)
        return np.sqrt(sum(each.squares for each in self.facts) / self.n_rows), y

    def class_weights(self, parameter, classes):
        """Return {class: weight}, or None. parameter : `class_weight`"""
        if parameter != "balanced":
            return parameter
        if self.facts[0].counts is None:
            raise ValueError(
                "class_weight='balanced' does not work with several labels on Dask collections. Pass "
                "a dict of weights."
            )
        n_rows = dict.fromkeys(classes.tolist(), 0)
        for each in self.facts:
            for label, n in zip(each.y.tolist(), each.counts.tolist()):
                n_rows[label] += n
        return {label: self.n_rows / (len(classes) * n) for label, n in n_rows.items()}

    def store(self, task, settings, n_parts):
        """Prepare all rows.

        Parameters
        ----------
        task : ChunkTask
            Without the number of pieces.
        settings : RoundSettings
        n_parts : int

        Returns
        -------
        rows : BlockRows
        held_out : (X, y, weight)
        """
        mix = Mixing(len(self.parts), n_parts, self.n_rows)
        encode, info = delayed_call("encode", encode_chunk), delayed_call("info", take_info)
        shared = delayed_value("recipe", task(mix.n_pieces, self.estimator))
        firsts = np.cumsum(self.lengths) - self.lengths
        encoded = [
            encode(*part, shared, (i, int(firsts[i]), int(self.lengths[i])))
            for i, part in enumerate(self.parts)
        ]
        futures = self.runner.compute([*mix.delayed(encoded), *map(info, encoded)])
        blocks, infos = futures[: mix.n_blocks], futures[mix.n_blocks :]
        found = [each for each in self.runner.results(infos) if each is not None]
        X, y, weights = zip(*found)
        weight = None if weights[0] is None else np.concatenate(weights)
        rows = BlockRows(self.runner, blocks, n_parts, 1, settings.sync_every)
        return rows, (np.concatenate(X), np.concatenate(y), weight)


def _lean(estimator):
    """Return a copy of an estimator without what it has been fitted with."""
    lean = copy.copy(estimator)
    for name in list(vars(lean)):
        if name.endswith("_") or name in (
            "callbacks",
            "validation_data",
            "_online",
            "_stopped_fit",
        ):
            vars(lean).pop(name)
    return lean

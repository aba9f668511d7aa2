"""DaskRows: the partitions of Dask collections, for `MLPClassifier` and `MLPRegressor`."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from ..core.messages import warn
from ..core.sparse_rows import is_sparse
from ..core.validation import check_threads
from ..distributed import partitions
from ..distributed.partitions import Partitions
from ..distributed.rounds import RoundsData
from ..distributed.runner import part_batch
from ..training.data import Data
from ..training.stream import hashes
from . import inputs, parameters, resampling
from .networks import prepare_networks, targets_class
from .rows import EstimatorRows, PartFacts, unite

PART_ROWS = 20_000  # rows that are worth a part
HELD_OUT_BYTES = 256e6  # of validation rows in this process
#: Parameters that may change before a fit continues: they have no influence on the bits.
FREE = "callbacks", "max_iter", "n_threads", "random_state", "verbose", "warm_start"


# ---- tasks ----


class ChunkFacts(NamedTuple):
    """What the first pass finds in a partition.

    Attributes
    ----------
    facts : PartFacts
    attributes : dict
        What checking the rows sets in an estimator.
    dtype : dtype
        Of X, as networks would read it.
    weight : float
        The sum of the weights.
    """

    facts: PartFacts
    attributes: dict
    dtype: Any
    weight: float


def look_at_chunk(X, y, weight, estimator, *_):
    """Return the ChunkFacts of a partition, None if it is empty."""
    if not X.shape[0]:  # sparse chunks have no len
        return None
    checked = _checked(estimator, X, y, weight)
    rows = checked.rows
    total = len(X) if rows.weight is None else float(rows.weight.sum())
    return ChunkFacts(PartFacts.of(estimator, rows), checked.attributes, rows.X.dtype, total)


def _checked(estimator, X, y, weight):
    """Return the ReusableRows of a partition."""
    if is_sparse(X):
        raise TypeError(
            "X has sparse chunks, which do not work with Dask. Convert them: "
            "X.map_blocks(lambda x: x.toarray())."
        )
    return inputs.ReusableRows(estimator, X, y, weight, targets_class(estimator), is_part=True)


def encode_chunk(X, y, weight, recipe, first, _):
    """Return the arrays of a partition, the numbers of their rows, and (X, y, weight) of those held out.

    recipe : estimator without networks, with the dtype of these; ClassTargets or NumberTargets; {class: weight} or
    None; (part of the rows that are held out, seed)
    """
    estimator, targets, class_weight, (fraction, seed) = recipe
    X, y, weight, *_ = _checked(estimator, X, y, weight).rows
    encoded = targets.encode(y, X.dtype, type(estimator).__name__)
    if class_weight is not None:
        of_class = compute_sample_weight(class_weight, y)
        weight = of_class if weight is None else weight * of_class
    n = len(y)
    numbers = np.arange(first, first + n)
    is_out = hashes(numbers, seed) < fraction * 2.0**53
    arrays = {"X": X, "y": encoded, "key": np.zeros(n, np.int32)}
    if weight is not None:
        arrays["weight"] = weight
    held_out = X[is_out], y[is_out], None if weight is None else weight[is_out]
    if is_out.any():
        train = ~is_out
        arrays, numbers = {name: a[train] for name, a in arrays.items()}, numbers[train]
    return arrays, numbers, held_out


def read_rows(net, arrays, loss, alpha):
    """Return the Data of all rows of a block. alpha : as in `Data`"""
    data = Data.of(net, arrays["X"], arrays["y"], loss, arrays.get("weight"))
    data.alpha = alpha
    return data


# ---- in the process of the caller ----


class DaskRows(EstimatorRows):
    """The partitions of collections, for an estimator.

    Parameters
    ----------
    X, y, sample_weight
        As in `fit`.
    stopped : StoppedFit, optional

    Attributes
    ----------
    found : list of ChunkFacts
        Of the partitions that are not empty.
    parts : Partitions
    held_out : (float, int)
        Part of the rows that are held out, and a seed.
    """

    parts: Any = None

    def __init__(self, X, y, sample_weight, stopped=None):
        self.arguments, self.stopped = (X, y, sample_weight), stopped

    def look(self, estimator, fresh):
        _check_support(estimator)
        self.parts = Partitions(*self.arguments, check_threads(estimator.n_threads))
        without = {"callbacks": (), "validation_data": None}
        self.lean = type(estimator)(**{**estimator.get_params(deep=False), **without})
        found = self.parts.look("look", look_at_chunk, self.lean)
        self.parts.lengths = np.array([each.facts.n_rows if each else 0 for each in found])
        self.found = [each for each in found if each is not None]
        if not self.found:
            raise ValueError("X has no rows. fit needs at least one.")
        n_features = self.found[0].attributes["n_features_in_"]
        for i, each in enumerate(found):
            if each is not None and each.attributes["n_features_in_"] != n_features:
                raise ValueError(
                    f"{partitions.place(i)} has {each.attributes['n_features_in_']} columns, but the "
                    f"others have {n_features}. Let all partitions have the same."
                )
        if sum(each.weight for each in self.found) == 0:
            raise ValueError("sample_weight is zero in all rows. At least one must be positive.")

    def prepare(self, estimator, fresh, random_state):
        lengths, found = self.parts.lengths, self.found[0].attributes
        n, n_features = int(lengths.sum()), found["n_features_in_"]
        if fresh:
            vars(estimator).update(found)
            dtypes = {each.dtype for each in self.found}
            dtype = dtypes.pop() if len(dtypes) == 1 else np.dtype(np.float64)
        else:
            inputs.check_features(estimator, found)
            dtype = estimator.networks_[0].dtype
        parts = [each.facts for each in self.found]
        targets, class_weight, rms = unite(estimator, parts, fresh)
        loss = prepare_networks(estimator, n_features, dtype, targets, fresh)
        y_rms = None if targets.has_classes or loss.output is not None else rms[n_features:]
        inputs.warn_about_scales(rms[:n_features], y_rms, found.get("feature_names_in_"))
        if fresh:
            self.stopped = None
        elif self.stopped is not None and (what := self.stopped.difference(estimator, lengths)):
            warn(
                f"{what} since the fit whose cluster failed, so a new training begins, from the "
                "networks that it has left."
            )
            self.stopped = None
        self.held_out = (
            self._held_out(estimator, n, dtype.itemsize * n_features, random_state)
            if self.stopped is None
            else self.stopped.held_out
        )
        self.lean.dtype = dtype
        recipe = self.lean, targets, class_weight, self.held_out
        infos = self.parts.store(encode_chunk, recipe, PART_ROWS, n_keys=1)
        X, y, weights = zip(*filter(None, infos))
        weight = None if weights[0] is None else np.concatenate(weights)
        self.validation = np.concatenate(X), np.concatenate(y), weight
        batch_size = parameters.batch_size(estimator, int(self.parts.n_of_key.sum()))
        part = min(1.0, part_batch(batch_size, self.parts.n_parts) / batch_size)
        reader = partial(read_rows, loss=loss, alpha=float(estimator.alpha) * part)
        return RoundsData(self.parts, np.ones(1, bool), reader, loss)

    def _held_out(self, estimator, n, row_bytes, random_state):
        """Return the part of the rows that `early_stopping` holds out, in this process, and a seed."""
        if not estimator.early_stopping or estimator.validation_data is not None:
            return 0.0, 0
        part, most = estimator.validation_fraction, HELD_OUT_BYTES / row_bytes
        if part * n > most:
            warn(
                f"validation_fraction={part} of {n:,} rows would take more than "
                f"{HELD_OUT_BYTES / 1e6:.0f} MB in this process, so about {most:,.0f} rows are held out."
            )
        return min(part, most / n), random_state.randint(2**31)

    def hold_out(self, estimator, data, random_state):
        X, y, weight = self.validation
        resampling.check_enough(estimator, len(y), len(data) + len(y))
        encoded = estimator.targets_.encode(y, X.dtype, type(estimator).__name__)
        return data, Data.of(estimator.networks_[0], X, encoded, data.loss, weight), y

    def n_at_once(self, n_threads):
        return self.parts.n_at_once()

    def stopped_fit(self, estimator, records, members):
        """Return the StoppedFit of the networks, after a ClusterError."""
        lengths = self.parts.lengths
        return StoppedFit(_parameters_of(estimator), lengths, self.held_out, records, members)

    def close(self):
        if self.parts is not None:
            self.parts.close()


def _check_support(estimator):
    if estimator.n_estimators > 1 and estimator.bagging is not None:
        raise ValueError(
            f"bagging={estimator.bagging!r} does not work with a Dask collection. Set bagging=None, "
            "so that each network trains on all rows, or n_estimators=1."
        )
    validation = estimator.validation_data
    if validation is not None and any(map(partitions.is_collection, validation)):
        raise ValueError(
            "validation_data must be in memory. Pass computed rows, such as X.compute()."
        )
    if parameters.resolve_solver(estimator).full_batch:
        raise ValueError(
            f"solver={estimator.solver!r} takes all rows in one step, which does not work with a "
            "Dask collection. Set solver='adam' or another one."
        )


# ---- fits whose cluster has failed ----


class StoppedFit(NamedTuple):
    """A fit whose cluster has failed.

    Attributes
    ----------
    parameters : dict
        Of the estimator, as texts.
    lengths : ndarray of int
        Number of rows of each partition.
    held_out : (float, int)
        Part of the rows that are held out, and a seed.
    records : list of NetworkRecord
        Of the networks before the fit.
    members : list of tuple
        What `FitMember.stopped` returned for each network.
    """

    parameters: dict
    lengths: np.ndarray
    held_out: tuple
    records: list
    members: list

    def difference(self, estimator, lengths):
        """Return what is no longer as it was, "" if nothing is."""
        now = _parameters_of(estimator)
        changed = [name for name, value in self.parameters.items() if now[name] != value]
        if changed:
            return f"{' and '.join(changed)} changed"
        return "" if np.array_equal(self.lengths, lengths) else "X has other partitions"


def _parameters_of(estimator):
    """Return the parameters on which the bits of a fit depend, as texts."""
    return {
        name: repr(value)
        for name, value in sorted(estimator.get_params(deep=False).items())
        if name not in FREE
    }

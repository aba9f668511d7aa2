"""The first pass over a Dask collection: each worker looks at its partitions and returns a sample."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.errors import placed
from ...dask import partitions
from ...dask.delayed import delayed_call, delayed_value
from ...estimators.inputs import check_weight
from ...training.stream import hashes
from ..columns import frames
from . import sampling
from .sampling import SampledRows, join_targets

SAMPLE_ROWS = 100_000  # most rows of a sample that nobody has chosen
FIRST_PART = 4  # times its equal share of the sample is what a partition returns at most
MIN_ROWS = 1000  # that a partition may return in any case
ALL = 2.0**53  # above all hashes


def most_rows(window, X):
    """Return the most rows of a sample of a collection. window : as in `fit`"""
    if window is not None:
        return window
    n_columns = len(X.columns) if hasattr(X, "columns") else X.shape[1]
    return min(SAMPLE_ROWS, sampling.default_window(max(1, int(n_columns))))


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """How the first pass reads a partition.

    Attributes
    ----------
    target : str or None
        The column of the targets.
    columns : RowColumns
    summary : ClassSummary or NumberSummary
        Without rows.
    """

    target: str | None
    columns: Any
    summary: Any

    def frame(self, X, y):
        """Return the Frame and the targets of a partition."""
        if self.target is not None:
            frame, y = frames.split_target(X, self.target)
        else:
            frame = frames.read(X)
            if len(y) != frame.n_rows:
                raise ValueError(
                    f"X has {frame.n_rows:,} rows, but y has {len(y):,}. Take both from one collection, "
                    "such as ddf.drop(columns=name) and ddf[name], after filtering its rows."
                )
        return frame, np.asarray(y)


@dataclass(frozen=True, kw_only=True, eq=False)
class PartitionFacts:
    """What the first pass finds in a partition.

    Attributes
    ----------
    n_rows : int
    summary : ClassSummary or NumberSummary
    below : float
        All rows whose hash is below this are in the sample.
    hashed, rows : ndarray
        The hash of each row of the sample, and its number in the partition.
    frame, y, weight
        Of these rows; the frame is None if the partition has no rows.
    """

    n_rows: int
    summary: Any
    below: float
    hashed: np.ndarray
    rows: np.ndarray
    frame: Any
    y: Any
    weight: Any


def look_at_partition(X, y, weight, look, place):
    """Return the PartitionFacts of a partition. place : (its position, most rows of its sample)"""
    index, most = place
    with placed(partitions.place(index)):
        n, summary = len(X), copy.deepcopy(look.summary)
        if not n:
            none = np.zeros(0)
            return PartitionFacts(
                n_rows=0, summary=summary, below=ALL, hashed=none, rows=none.astype(np.intp),
                frame=None, y=None, weight=None,
            )  # fmt: skip
        frame, y = look.frame(X, y)
        weight = look.columns.weight(frame, None if weight is None else np.asarray(weight))
        if weight is not None:
            weight = check_weight(weight, np.zeros(n), may_be_zero=True)
        summary.add(y, weight)
    hashed = hashes(np.arange(n) + (index << 40), sampling.SEED)
    rows, below = np.arange(n), ALL
    if n > most:
        below = float(np.partition(hashed, most)[most])
        rows = np.flatnonzero(hashed < below)
        frame, y = frame.take(rows), y[rows]
        weight = None if weight is None else weight[rows]
    return PartitionFacts(
        n_rows=n, summary=summary, below=below, hashed=hashed[rows], rows=rows,
        frame=frame, y=y, weight=weight,
    )  # fmt: skip


def read(runner, parts, look, most):
    """Look at all partitions.

    Parameters
    ----------
    runner : ClusterRunner or LocalRunner
    parts : list of Partition
    look : Look
        Its summary gets the targets of all rows.
    most : int
        Most rows of the sample.

    Returns
    -------
    rows : SampledRows
    lengths : ndarray (n_partitions,) of int
        Number of rows of each partition.
    """
    share = max(MIN_ROWS, FIRST_PART * most // max(1, len(parts)))
    facts = _look(runner, parts, look, dict.fromkeys(range(len(parts)), share))
    lengths = np.array([each.n_rows for each in facts.values()], np.intp)
    if not lengths.sum():
        raise ValueError("X has no rows. fit needs at least 2.")
    n_below = _n_below(facts)
    if n_below < min(most, lengths.sum()) and n_below < most / 2:  # partitions of unequal lengths
        cut = [p for p, each in facts.items() if each.below < ALL]
        facts |= _look(runner, parts, look, dict.fromkeys(cut, most))
    found = [each for each in facts.values() if each.n_rows]
    _check_labels(facts)
    for each in found:
        look.summary.merge(each.summary)
    below = min(each.below for each in found)
    hashed = np.sort(np.concatenate([each.hashed for each in found]))
    hashed = hashed[hashed < below]
    if len(hashed) > most:
        below = float(hashed[most])
    return _sampled(facts, lengths, below, look.target), lengths


def _look(runner, parts, look, most):
    """Return {position: PartitionFacts} of some partitions. most : {position: rows}"""
    task, shared = delayed_call("sample", look_at_partition), delayed_value("look", look)
    futures = runner.compute([task(*parts[p], shared, (p, n)) for p, n in most.items()])
    return dict(zip(most, runner.results(futures)))


def _n_below(facts):
    """Return how many rows the sample has if it takes all rows below one hash."""
    below = min(each.below for each in facts.values())
    return sum(int((each.hashed < below).sum()) for each in facts.values())


def _check_labels(facts):
    """Check that all partitions have the same columns."""
    first = None
    for p, each in facts.items():
        if each.frame is None:
            continue
        labels = each.frame.labels()
        first = first or labels
        if labels != first:
            raise ValueError(f"{partitions.place(p)}: {frames.describe_other_names(labels, first)}")


def _sampled(facts, lengths, below, target):
    """Return the SampledRows below a hash."""
    firsts = np.cumsum(lengths) - lengths
    parts, y, weights, numbers = [], [], [], []  # type: tuple[list, list, list, list]
    for p, each in facts.items():
        chosen = np.flatnonzero(each.hashed < below)
        if each.frame is None or not len(chosen):
            continue
        is_all = len(chosen) == each.frame.n_rows
        parts.append(each.frame if is_all else each.frame.take(chosen))
        y.append(each.y[chosen])
        weights.append(None if each.weight is None else each.weight[chosen])
        numbers.append(firsts[p] + each.rows[chosen])
    rows = SampledRows(frames.concatenate(parts), join_targets(y), None, None, target)
    if weights[0] is not None:
        rows.weight = np.concatenate(weights)
    if rows.frame.n_rows < lengths.sum():
        rows.numbers = np.concatenate(numbers)
    return rows

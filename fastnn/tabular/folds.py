"""Folds: which rows the networks of an estimator learn from, and which are held out.

Folds are random, of a table in memory (`split_rows`) or larger (`HashedFolds`), or forward in time
(`ForwardFolds`). `RowSplit` describes them in a model file, `FoldRows` has their rows.
"""

import heapq
from dataclasses import asdict, dataclass

import numpy as np

from ..core.errors import Argument, DataError
from ..core.messages import plural, printable
from ..encoded_table import parts_of, table_of
from ..files.json_values import check, check_mapping, is_count
from ..training.stream import hashes

ALL_ROWS = -1  # in place of the number of a fold: a network that trains on all rows with a time
ONE_FOLD_BLOCKS = 5  # of which a single fold scores the last
SPLIT_KINDS = ("random", "groups", "time", "time and groups", "cv")  # of a RowSplit


def count_folds(n_estimators):
    """Return the number of folds: five for one network, which is trained on a single fold."""
    return n_estimators if n_estimators > 1 else 5


def split_rows(n, n_estimators, labels, groups, random_state):
    """Return [(training rows, held-out rows)]: one for each fold, or a single one of five.

    groups : ndarray (n,) of int, or None
        Rows with the number -1 are in no fold.
    """
    from ..estimators.resampling import split_into_folds

    units = n if groups is None else int(groups.max()) + 1
    n_folds = min(units, count_folds(n_estimators))
    seed = random_state.randint(2**31)
    known = np.arange(n) if groups is None else np.flatnonzero(groups >= 0)
    labels, groups = (None if values is None else values[known] for values in (labels, groups))
    folds = split_into_folds(len(known), n_folds, labels, groups, seed)
    return [(known[train], known[held_out]) for train, held_out in folds[:n_estimators]]


class KeyedFolds:
    """Folds of a table, in memory or larger. A row has a key, which says what each fold does with it.

    Attributes
    ----------
    n_folds : int
    trains, scores : ndarray (n_folds, n_keys) of bool
        Whether a fold trains on, or scores, the rows with a key. With the last key it does neither.
    """

    n_folds: int
    trains: np.ndarray
    scores: np.ndarray

    def keys(self, numbers):
        """Return the keys of the rows with these numbers."""
        raise NotImplementedError

    def split(self, numbers=slice(None)):
        """Return [(training rows, scored rows)] of all rows, or of a sample.

        numbers : ndarray (n,) of int, optional
            Those of the rows of the sample in the table.
        """
        keys = self.keys(numbers)
        folds = [
            (np.flatnonzero(trains[keys]), np.flatnonzero(scores[keys]))
            for trains, scores in zip(self.trains, self.scores)
        ]
        if not all(len(train) and len(scored) for train, scored in folds):
            raise DataError(
                "the {n} rows in memory do not hold rows of each of {n_folds} folds.",
                "Pass a larger {name}.",
                argument="window",
                n=len(keys),
                n_folds=self.n_folds,
            )
        return folds


class HashedFolds(KeyedFolds):
    """Folds of a table larger than memory.

    A hash of the number of a row and a seed decides which fold holds it out. If there are groups,
    each goes to the fold that has the fewest rows so far, the largest group first. The key of a row
    is the fold that holds it out, `n_folds` for none.

    Parameters
    ----------
    n_estimators : int
    groups : ndarray of int, or None
        The number of the group of each row of the table, -1 for rows in no fold.
    random_state : RandomState
    """

    def __init__(self, n_estimators, groups, random_state):
        self.n_estimators, self.n_folds = n_estimators, count_folds(n_estimators)
        self.seed, self.fold_of_row = random_state.randint(2**31), None
        if groups is not None:
            self.n_folds = min(self.n_folds, int(groups.max()) + 1)
            n_rows = np.bincount(groups[groups >= 0])
            fold_of_group = _spread_groups(n_rows, self.n_folds)
            self.fold_of_row = np.append(fold_of_group, self.n_folds)[groups]
        self.scores = np.eye(self.n_folds, self.n_folds + 1, dtype=bool)
        self.trains = ~self.scores
        self.trains[:, -1] = False

    def keys(self, numbers):
        if self.fold_of_row is not None:
            return self.fold_of_row[numbers]
        return (hashes(numbers, self.seed) % np.uint64(self.n_folds)).astype(np.intp)

    def split(self, numbers=slice(None)):
        return super().split(numbers)[: self.n_estimators]


def _spread_groups(n_rows, n_folds):
    """Return the fold of each group, so that folds have about the same number of rows."""
    fold_of_group = np.zeros(len(n_rows), np.intp)
    folds = [(0, k) for k in range(n_folds)]
    for group in np.argsort(-n_rows, kind="stable"):
        n, fold = heapq.heappop(folds)
        fold_of_group[group] = fold
        heapq.heappush(folds, (n + int(n_rows[group]), fold))
    return fold_of_group


class ForwardFolds(KeyedFolds):
    """Folds of a table with times, in memory or larger: each trains on rows before those that it scores.

    The rows are split into blocks of whole time values, and the first block is never scored. The
    saved networks train on all rows that have a time afterwards, see `training_jobs.FinalNetworks`.

    Fold k trains on blocks 0 to k and scores block k + 1. With groups it scores, of block k + 1,
    the groups that do not occur before, and a part of the others, and trains on the earlier rows
    of all other groups. Parts of the groups take turns. Rows without a time, or without a group, are
    neither trained on nor scored: they may be later than the block, or of its groups.

    Parameters
    ----------
    times : ndarray (n,) of int
        The number of the time value of each row, ascending in time; -1 if it has none.
    groups : ndarray (n,) of int, or None
        The number of the group of each row; -1 if it has none.
    weight : ndarray (n,) or None
        Rows without a weight do not count for the size of a block.
    n_estimators : int
    random_state : RandomState

    Attributes
    ----------
    n_blocks : int
    is_known : ndarray (n,) of bool
        Whether a row has a time, and a group if there are groups.
    """

    def __init__(self, times, groups, weight, n_estimators, random_state):
        known = times >= 0
        if groups is not None:
            known &= groups >= 0
        counted = known if weight is None else known & (weight > 0)
        self.first_times = _first_times(times[counted], n_estimators)
        n_blocks = self.n_blocks = len(self.first_times)
        self.n_folds = 1 if n_estimators == 1 else n_blocks - 1
        block_of_time = np.searchsorted(self.first_times, np.arange(times.max() + 1), "right") - 1
        block = block_of_time[times]
        scored = np.arange(n_blocks - self.n_folds, n_blocks)  # the block that each fold scores
        if groups is None:
            self._keys = block.astype(np.int32)
            blocks = np.arange(n_blocks)
            self.trains = blocks[None, :] < scored[:, None]
            self.scores = blocks[None, :] == scored[:, None]
        else:
            self._set_groups(block, groups, known, counted, scored, random_state)
        self.is_known = known
        self._keys[~known] = self.trains.shape[1]
        none = np.zeros((self.n_folds, 1), bool)
        self.trains, self.scores = np.c_[self.trains, none], np.c_[self.scores, none]

    def _set_groups(self, block, groups, known, counted, scored, random_state):
        n_groups, n_blocks = int(groups.max()) + 1, self.n_blocks
        n_parts = min(n_groups, self.n_folds if self.n_folds > 1 else ONE_FOLD_BLOCKS)
        part_of_group = np.empty(n_groups, np.intp)
        part_of_group[random_state.permutation(n_groups)] = np.arange(n_groups) % n_parts
        first_block = np.full(n_groups, n_blocks)
        np.minimum.at(first_block, groups[known], block[known])
        part, is_new = part_of_group[groups], first_block[groups] == block
        self._keys = ((block * n_parts + part) * 2 + is_new).astype(np.int32)
        keys = np.arange(2 * n_parts * n_blocks)
        block_of, part_of, new_of = keys // 2 // n_parts, keys // 2 % n_parts, keys % 2 == 1
        self.trains = np.zeros((len(scored), len(keys)), bool)
        self.scores = np.zeros_like(self.trains)
        n_rows = np.bincount(self._keys[counted], minlength=len(keys))
        for k, number in enumerate(scored):
            in_block, parts = block_of == number, (k + np.arange(n_parts)) % n_parts
            chosen = parts[0]
            if not n_rows[in_block & new_of].any():  # else there is something to score in any case
                chosen = next(p for p in parts if n_rows[in_block & (part_of == p)].any())
            self.scores[k] = in_block & (new_of | (part_of == chosen))
            self.trains[k] = (block_of < number) & (part_of != chosen)
            if not n_rows[self.trains[k]].any():
                raise DataError(
                    "{argument} and {groups} leave fold {k} of {n} no rows to train on: all earlier "
                    "rows are of the groups that it scores.",
                    "Pass fewer {folds}, or only one of the two.",
                    argument="time",
                    groups=Argument("groups"),
                    k=k + 1,
                    n=self.n_folds,
                    folds=Argument("n_estimators"),
                )

    def keys(self, numbers):
        return self._keys[numbers]

    def informs(self):
        """Return whether each fold may know the scores of each other: (n_folds, n_folds)."""
        return np.tri(self.n_folds, k=-1, dtype=bool)


def _first_times(times, n_estimators):
    """Return the number of the first time value of each block. times : of the rows that count"""
    values, n_rows = np.unique(times, return_counts=True)
    if len(values) < 2:
        raise DataError(
            "{argument} has fewer than 2 values in the rows that have a weight and a group.",
            "Leave {argument} out.",
            argument="time",
        )
    n_blocks = min(len(values), ONE_FOLD_BLOCKS if n_estimators == 1 else n_estimators + 1)
    before = np.cumsum(n_rows) - n_rows  # rows before each value
    starts = [0]
    for k in range(1, n_blocks):
        wanted = len(times) * k / n_blocks
        start = int(np.argmin(np.abs(before - wanted)))
        start = max(start, starts[-1] + 1)
        starts.append(min(start, len(values) - (n_blocks - k)))
    first = values[starts]
    first[0] = 0
    return first


def concatenate_tables(tables):
    """Return the rows of EncodedTables with the same layout as one table."""
    return table_of(map(np.concatenate, zip(*map(parts_of, tables))), tables[0].layout)


def as_seen(table, train, scored):
    """Return encoded rows as an encoder of the training rows would see them.

    Encoders are fitted to all rows. Positions in bins beyond the training rows move to the nearest
    that these have, and numbers that are constant in them, such as the mark of missing values,
    become that constant: a network knows nothing else, and later rows that the saved networks
    predict are read in this way. Categories stay as they are (`recipe.KnownCategories`).

    Parameters
    ----------
    table : EncodedTable
    train, scored : ndarray of int
        The training rows, and the rows to return.
    """
    numbers, positions = table.numbers[scored], table.positions[scored]
    low, high = table.numbers[train].min(axis=0), table.numbers[train].max(axis=0)
    numbers[:, low == high] = low[low == high]
    known = table.positions[train]
    positions = np.clip(positions, known.min(axis=0), known.max(axis=0))
    return table_of((numbers, positions, table.codes[scored]), table.layout)


@dataclass(frozen=True, kw_only=True)
class RowSplit:
    """How the rows were split into folds.

    Attributes
    ----------
    kind : one of `SPLIT_KINDS`
    n_folds : int
    time, groups, weight : str or None
        The columns that held the times, the groups and the weights, if they have names.
    first, last : str
        The first and the last time.
    n_blocks : int
        Number of blocks of time values.
    n_groups : int
    splitter : str
        The name of the class of `cv`.
    """

    kind: str = "random"
    n_folds: int = 0
    time: str | None = None
    groups: str | None = None
    weight: str | None = None
    first: str = ""
    last: str = ""
    n_blocks: int = 0
    n_groups: int = 0
    splitter: str = ""

    @property
    def is_forward(self):
        """Whether folds train on earlier rows, and the saved networks on all rows."""
        return self.kind in ("time", "time and groups")

    def describe(self):
        """Return a sentence without a full stop."""
        if self.kind == "cv":
            return f"the {plural(self.n_folds, 'fold')} of {printable(self.splitter)}"
        groups = "groups" if self.groups is None else f"values of {printable(self.groups)!r}"
        if self.kind == "groups":
            return (
                f"all rows of a group are in the same fold: {self.n_groups:,} {groups} in "
                f"{plural(self.n_folds, 'fold')}"
            )
        if not self.is_forward:
            one = " with a fifth of the rows" if self.n_folds == 1 else ""
            return f"{plural(self.n_folds, 'fold')}{one}, drawn at random"
        of = "" if self.time is None else f" of {printable(self.time)!r}"
        others = f" of other {groups}" if self.kind == "time and groups" else ""
        which = "the fold is" if self.n_folds == 1 else "each fold is"
        return (
            f"{which} trained on the rows{others} before those that it scores: {self.n_blocks} "
            f"blocks{of} from {printable(self.first)} to {printable(self.last)}"
        )

    def to_json(self):
        """Return a dict that JSON can hold, without the defaults."""
        return {k: v for k, v in asdict(self).items() if v != getattr(RowSplit, k, None)}

    @classmethod
    def from_json(cls, d):
        """Return the RowSplit of a file, or raise an error of `damage_refused`."""
        self = cls(**check_mapping(d, "split"))
        check(self.kind in SPLIT_KINDS, "split")
        for name in ("n_folds", "n_blocks", "n_groups"):
            check(is_count(getattr(self, name), 2**53), "split")
        for name in ("first", "last", "splitter"):
            check(type(getattr(self, name)) is str, "split")
        for name in ("time", "groups", "weight"):
            check(getattr(self, name) is None or type(getattr(self, name)) is str, "split")
        return self


@dataclass(eq=False, repr=False)
class FoldRows:
    """The rows in memory of the folds of a model.

    Attributes
    ----------
    trained : list of ndarray of uint8
        For each fold a bit for each row: whether the fold was trained on it.
    fold_of_row : ndarray (n,) of int
        Position of the fold that held out each row, -1 for none.
    """

    trained: list
    fold_of_row: np.ndarray

    @classmethod
    def of(cls, folds, fold_of_row):
        """Return those of (training rows, held-out rows) of each fold."""
        n = len(fold_of_row)
        masks = (np.isin(np.arange(n), train) for train, _ in folds)
        return cls([np.packbits(mask) for mask in masks], fold_of_row)

    def __iter__(self):
        """Yield the training rows and the held-out rows of each fold, as arrays of indices."""
        n = len(self.fold_of_row)
        for k, bits in enumerate(self.trained):
            train = np.unpackbits(bits, count=n)
            yield np.flatnonzero(train), np.flatnonzero(self.fold_of_row == k)

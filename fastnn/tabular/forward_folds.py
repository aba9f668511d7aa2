"""Folds that are forward in time: each trains on the rows before those that it scores.

The rows are split into blocks of whole time values, and the first block is never scored. The saved
networks train on all rows that have a time afterwards, see `fitting.final_networks`.
"""

import numpy as np

from ..core.errors import Argument, DataError
from ..encoded_table import parts_of, table_of

ALL_ROWS = -1  # in place of the number of a fold: a network that trains on all rows with a time
ONE_FOLD_BLOCKS = 5  # of which a single fold scores the last


class ForwardFolds:
    """Folds of a table with times, in memory or larger.

    Fold k trains on blocks 0 to k and scores block k + 1. With groups it scores, of block k + 1,
    the groups that do not occur before, and a part of the others, and trains on the earlier rows
    of all other groups. Parts of the groups take turns. Rows without a time, or without a group, are
    neither trained on nor scored: they may be later than the block, or of its groups.

    A row has a key, which says what each fold does with it.

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
    n_folds, n_blocks : int
    trains, scores : ndarray (n_folds, n_keys) of bool
        Whether a fold trains on, or scores, the rows with a key. The last key is that of the rows
        without a time or a group.
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
        """Return the keys of the rows with these numbers."""
        return self._keys[numbers]

    def split(self, numbers=None):
        """Return [(training rows, scored rows)] of all rows, or of a sample.

        numbers : ndarray (n,) of int, optional
            Those of the rows of the sample in the table.
        """
        keys = self.keys(slice(None) if numbers is None else numbers)
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


def concatenate(tables):
    """Return the rows of EncodedTables with the same layout as one table."""
    return table_of(map(np.concatenate, zip(*map(parts_of, tables))), tables[0].layout)


def as_seen(table, train, scored):
    """Return encoded rows as an encoder of the training rows would see them.

    Encoders are fitted to all rows. Positions in bins beyond the training rows move to the nearest
    that these have, and numbers that are constant in them, such as the mark of missing values,
    become that constant: a network knows nothing else, and later rows that the saved networks
    predict are read in this way. Categories stay as they are (`columns.known_categories`).

    Parameters
    ----------
    table : EncodedTable
    train, scored : ndarray of int
        The training rows, and the rows to return.
    """
    numbers, positions = table.numbers[scored], table.positions[scored]
    if numbers.shape[1]:
        low, high = table.numbers[train].min(axis=0), table.numbers[train].max(axis=0)
        numbers[:, low == high] = low[low == high]
    if positions.shape[1]:
        known = table.positions[train]
        positions = np.clip(positions, known.min(axis=0), known.max(axis=0))
    return table_of((numbers, positions, table.codes[scored]), table.layout)

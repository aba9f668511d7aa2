"""RowSketch: by which some of the training rows are recognised in another table.

Each row has a hash of 63 bits of its values. The smallest hashes of the training rows are kept (the
sketch of Bar-Yossef and others, 2002, "Counting distinct elements in a data stream"). A new row
whose hash is not above the largest of them would be among them if it were a training row, so the
share of such rows that are is an estimate for all rows.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from ...files.checks import check, is_count
from ...training.stream import mix_bits

MAX_ROWS = 2**53
MOST = 1000  # hashes that are kept
MIN_UNIQUE = 0.8  # share of the training rows that no other equals, so that rows can be recognised
MIN_COMPARED = 5  # rows that an estimate is made from


@dataclass(eq=False, repr=False)
class RowSketch:
    """Attributes
    ----------
    kept : ndarray (k,) of int64
        The smallest hashes, ascending.
    n_rows : int
        Number of rows that they are of.
    n_unique : int
        Number of rows that no other equals.
    """

    kept: np.ndarray
    n_rows: int
    n_unique: int

    @classmethod
    def fit(cls, columns, n_rows):
        """Return the sketch of rows. columns : list of converted values, as `Column.convert` does"""
        hashes, counts = np.unique(hash_rows(columns, n_rows), return_counts=True)
        return cls(hashes[:MOST].copy(), n_rows, int((counts == 1).sum()))

    def count(self, columns, n_rows):
        """Return how many rows can be compared, and how many of them were training rows.

        Both are 0 if too many training rows are alike.
        """
        if self.n_unique < MIN_UNIQUE * self.n_rows or not len(self.kept):
            return np.zeros(2, np.int64)
        hashes = hash_rows(columns, n_rows)
        is_complete = len(self.kept) < MOST
        compared = hashes if is_complete else hashes[hashes <= self.kept[-1]]
        return np.array([len(compared), np.isin(compared, self.kept).sum()], np.int64)

    def to_json(self):
        """Return a dict that JSON can hold."""
        return dict(n_rows=self.n_rows, n_unique=self.n_unique)

    @classmethod
    def from_json(cls, d, kept):
        """Return the RowSketch that `to_json` described, or raise an error of `damage_refused`."""
        n_rows, n_unique = d["n_rows"], d["n_unique"]
        check(is_count(n_rows, MAX_ROWS) and is_count(n_unique, n_rows), "sketch")
        check(len(kept) <= min(MOST, n_rows) and bool((np.diff(kept) > 0).all()), "sketch")
        return cls(kept, n_rows, n_unique)


def hash_rows(columns, n_rows):
    """Return a hash of each row, (n_rows,) int64, at least 0.

    columns : list of ndarray of numbers, or of (codes, texts)
    """
    out = np.zeros(n_rows, np.uint64)
    for values in columns:
        if isinstance(values, tuple):
            codes, texts = values
            of_text = np.array([*map(_hash_text, texts), 1], np.uint64)
            bits = of_text[codes]
        else:
            bits = (values + 0.0).view(np.uint64).copy()  # -0.0 + 0.0 is 0.0
            bits[np.isnan(values)] = 1
        out = _mix(out ^ _mix(bits))
    return (out >> np.uint64(1)).astype(np.int64)


def _hash_text(text):
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _mix(x):
    """Return numbers whose bits all depend on all bits of x (splitmix64, Steele and others, 2014)."""
    return mix_bits(x + np.uint64(0x9E3779B97F4A7C15))

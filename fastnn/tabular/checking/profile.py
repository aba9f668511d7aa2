"""TableProfile: what the columns of the training table held, as a model file keeps it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...files.checks import check, check_mapping, is_count
from ..columns.column import Numeric
from .row_sketch import MAX_ROWS, RowSketch

MAX_CUTS = 64  # values of a number that divide the training rows


@dataclass(eq=False, repr=False)
class NumberProfile:
    """What a column of numbers or dates held.

    Attributes
    ----------
    n_missing : int
    cuts : ndarray (k,)
        Values that occurred, ascending: all of them, or quantiles. The first is the least value, the
        last one the largest.
    counts : ndarray (k,) of int
        Number of rows from the previous cut, without it, up to each cut.
    """

    n_missing: int
    cuts: np.ndarray
    counts: np.ndarray

    @classmethod
    def fit(cls, values):
        """Return the profile of numbers (n,) with NaN for missing values."""
        present = np.sort(values[~np.isnan(values)])
        cuts = np.unique(present)
        if len(cuts) > MAX_CUTS:
            chosen = np.linspace(0, len(present) - 1, MAX_CUTS).round().astype(np.intp)
            cuts = np.unique(present[chosen])
        counts = np.diff(np.searchsorted(present, cuts, "right"), prepend=0)
        return cls(len(values) - len(present), cuts, counts)

    @property
    def n_present(self):
        return int(self.counts.sum())

    def quantile(self, share):
        """Return the least cut that a share of the training rows does not exceed."""
        below = np.cumsum(self.counts)
        return float(self.cuts[min(np.searchsorted(below, share * below[-1]), len(below) - 1)])


@dataclass(eq=False, repr=False)
class CategoryProfile:
    """What a column of categories held.

    Attributes
    ----------
    n_missing : int
    categories : list of str
        Those that the networks know.
    counts : ndarray (k,) of int
        Number of rows of each.
    n_present : int
        Number of rows with a value.
    n_others : int
        Number of rows that would be of an unknown category, if they were new: one that occurs once
        is absent in the other rows (Good, 1953, "The population frequencies of species and the
        estimation of population parameters").
    """

    n_missing: int
    categories: list
    counts: np.ndarray
    n_present: int
    n_others: int

    @classmethod
    def fit(cls, values, categories):
        """Return the profile of codes and texts. categories : list of str"""
        codes, texts = values
        all_counts = np.bincount(codes[codes >= 0], minlength=len(texts))
        count_of = dict(zip(texts, all_counts.tolist()))
        counts = np.array([count_of[text] for text in categories], np.int64)
        n_present = int(all_counts.sum())
        n_unknown = n_present - int(counts.sum())
        n_others = n_unknown + int((counts == 1).sum())
        return cls(len(codes) - n_present, categories, counts, n_present, n_others)


@dataclass(eq=False, repr=False)
class TableProfile:
    """What the columns held that a model uses.

    Attributes
    ----------
    n_rows : int
        Number of rows that the profile describes: all training rows, or those in memory.
    columns : dict of int to NumberProfile or CategoryProfile
        By position in `Features.columns`.
    sketch : RowSketch
        By which rows of the training table can be recognised.
    """

    n_rows: int
    columns: dict[int, Any]
    sketch: RowSketch

    @classmethod
    def fit(cls, features, frame):
        """Return the profile of a training table. frame : Frame"""
        categories, columns, converted = features.value_categories(), {}, []
        for j, column, values in features.values(frame):
            converted.append(values)
            columns[j] = (
                NumberProfile.fit(values)
                if isinstance(column, Numeric)
                else CategoryProfile.fit(values, categories[j])
            )
        return cls(frame.n_rows, columns, RowSketch.fit(converted, frame.n_rows))

    # ---- files ----

    def to_json(self):
        """Return a dict that JSON can hold."""
        columns = [
            [len(p.cuts), p.n_missing]
            if isinstance(p, NumberProfile)
            else [len(p.counts), p.n_missing, p.n_others]
            for p in self.columns.values()
        ]
        return dict(n_rows=self.n_rows, columns=columns, sketch=self.sketch.to_json())

    def arrays(self):
        """Return the arrays of a file, by name."""
        profiles = list(self.columns.values())
        cuts = [p.cuts for p in profiles if isinstance(p, NumberProfile)]
        return dict(
            profile_counts=np.concatenate([np.zeros(0, np.int64), *(p.counts for p in profiles)]),
            profile_cuts=np.concatenate([np.zeros(0), *cuts]),
            profile_sketch=self.sketch.kept,
        )

    @staticmethod
    def expected_arrays(d, reader):
        """Return {name: (shape, dtype)} of the arrays of a file, which are not checked yet.

        d : what `to_json` returned
        """
        sizes = check_mapping(d, "profile")["columns"]
        check(isinstance(sizes, list), "profile")
        for size in sizes:
            check(isinstance(size, list) and len(size) in (2, 3), "profile")
            check(all(is_count(k, MAX_ROWS) for k in size), "profile")
        n_counts = sum(size[0] for size in sizes)
        n_cuts = sum(size[0] for size in sizes if len(size) == 2)
        n_kept = reader.length("profile_sketch", minimum=0)
        return dict(
            profile_counts=([n_counts], "I64"),
            profile_cuts=([n_cuts], "F64"),
            profile_sketch=([n_kept], "I64"),
        )

    @classmethod
    def read(cls, d, reader, features):
        """Return the TableProfile of a file, or raise an error of `damage_refused`.

        d : what `to_json` returned; features : Features
        """
        n_rows, used = d["n_rows"], features.used()
        check(is_count(n_rows, MAX_ROWS, 1) and len(d["columns"]) == len(used), "profile")
        counts, cuts = reader.array("profile_counts"), reader.array("profile_cuts")
        check(counts.min(initial=0) >= 0 and np.isfinite(cuts).all(), "profile")
        categories, columns = features.value_categories(), dict[int, Any]()
        for j, size in zip(used, d["columns"]):
            some, counts = counts[: size[0]], counts[size[0] :]
            if isinstance(features.columns[j], Numeric):
                n_cuts, n_missing = size
                check(n_cuts > 0 and n_missing + int(some.sum()) == n_rows, "profile")
                check(bool((np.diff(cuts[:n_cuts]) > 0).all()), "profile")
                columns[j] = NumberProfile(n_missing, cuts[:n_cuts], some)
                cuts = cuts[n_cuts:]
            else:
                n_categories, n_missing, n_others = size
                check(n_categories == len(categories[j]), "profile")
                n_present = n_rows - n_missing
                check(int(some.sum()) <= n_present and n_others <= n_present, "profile")
                columns[j] = CategoryProfile(n_missing, categories[j], some, n_present, n_others)
        sketch = RowSketch.from_json(d["sketch"], reader.array("profile_sketch"))
        return cls(n_rows, columns, sketch)

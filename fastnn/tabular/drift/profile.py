"""Profiles of the columns of the training table, which a model file keeps, and values of new rows.

`TableProfile` describes the training rows. `NewRows` counts the values of new rows as it divides them,
part by part.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...core.errors import DataError
from ...files.json_values import check, check_mapping, is_count
from ...tables.cells.missing import is_missing_mark
from ...training.stream import mix_bits
from ..columns.column import Numeric

MAX_CUTS = 64  # values of a number that divide the training rows
MAX_ROWS = 2**53
MOST = 1000  # hashes that are kept
MIN_UNIQUE = 0.8  # share of the training rows that no other equals, so that rows can be recognised
MIN_COMPARED = 5  # rows that an estimate is made from
SAMPLE = 2000  # values of each part that stand for all in what is shown
MAX_EXAMPLES = 3


@dataclass(eq=False, repr=False)
class NumberProfile:
    """Profile of a column of numbers or dates.

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

    @property
    def range(self):
        """(float, float): the least and the largest value."""
        return float(self.cuts[0]), float(self.cuts[-1])

    def quantile(self, share):
        """Return the least cut that a share of the training rows does not exceed."""
        below = np.cumsum(self.counts)
        return float(self.cuts[min(np.searchsorted(below, share * below[-1]), len(below) - 1)])


@dataclass(eq=False, repr=False)
class CategoryProfile:
    """Profile of a column of categories.

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
class RowSketch:
    """By which some of the training rows are recognised in another table.

    Each row has a hash of 63 bits of its values. The smallest hashes of the training rows are kept
    (the sketch of Bar-Yossef and others, 2002, "Counting distinct elements in a data stream"). A new
    row whose hash is not above the largest of them would be among them if it were a training row, so
    the share of such rows that are is an estimate for all rows.

    Attributes
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


@dataclass(eq=False, repr=False)
class TableProfile:
    """Profiles of the columns that a model uses.

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
                NumberProfile.fit(column.profiled(values))
                if column.has_number_profile
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
            if features.columns[j].has_number_profile:
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


# ---- new rows ----


@dataclass(eq=False, repr=False)
class _NewValues:
    """The values of a column.

    Attributes
    ----------
    profile : NumberProfile or CategoryProfile
    n_rows, n_missing : int
        All rows, and those without a value; `n_refused` of them hold something else.
    examples : dict
        The keys are some of what these rows hold, as texts.
    """

    profile: Any
    n_rows: int = 0
    n_missing: int = 0
    n_refused: int = 0
    examples: dict = field(default_factory=dict)

    @property
    def n_present(self):
        return self.n_rows - self.n_missing


@dataclass(eq=False, repr=False)
class NewNumbers(_NewValues):
    """The values of a column of numbers or dates.

    Attributes
    ----------
    counts : ndarray (k,) of int
        Number of rows from the previous cut of the profile, without it, up to each cut.
    n_below, n_above : int
        Number of rows below the least value and above the largest of the training rows.
    low, high : float
        The least and the largest value.
    sample : list of ndarray
        Values that stand for all.
    """

    n_below: int = 0
    n_above: int = 0
    low: float = np.inf
    high: float = -np.inf
    sample: list = field(default_factory=list)

    def __post_init__(self):
        self.counts = np.zeros(len(self.profile.cuts), np.int64)

    def add(self, values):
        """Add numbers (n,) with NaN for missing values."""
        cuts = self.profile.cuts
        present = values[~np.isnan(values)]
        self.n_rows += len(values)
        self.n_missing += len(values) - len(present)
        if not len(present):
            return
        is_below, is_above = present < cuts[0], present > cuts[-1]
        self.n_below += int(is_below.sum())
        self.n_above += int(is_above.sum())
        self.low = min(self.low, float(present.min()))
        self.high = max(self.high, float(present.max()))
        inside = present[~(is_below | is_above)]
        self.counts += np.bincount(np.searchsorted(cuts, inside), minlength=len(cuts))
        self.sample.append(present[:: max(1, len(present) // SAMPLE)])

    def quantile(self, share):
        """Return about the value that a share of the rows does not exceed."""
        return float(np.quantile(np.concatenate(self.sample), share, method="nearest"))


@dataclass(eq=False, repr=False)
class NewCategories(_NewValues):
    """The values of a column of categories.

    Attributes
    ----------
    counts : ndarray (k,) of int
        Number of rows of each category of the profile.
    unknown : Counter
        Number of rows of each other text.
    """

    unknown: Counter = field(default_factory=Counter)

    def __post_init__(self):
        self.counts = np.zeros(len(self.profile.categories), np.int64)
        self._code_of = {text: i for i, text in enumerate(self.profile.categories)}

    @property
    def n_unknown(self):
        return self.n_present - int(self.counts.sum())

    def add(self, values):
        """Add codes (n,) and the texts that they stand for."""
        codes, texts = values
        self.n_rows += len(codes)
        self.n_missing += int((codes < 0).sum())
        n_rows = np.bincount(codes[codes >= 0], minlength=len(texts))
        for i in np.flatnonzero(n_rows).tolist():
            known = self._code_of.get(texts[i])
            if known is None:
                self.unknown[texts[i]] += int(n_rows[i])
            else:
                self.counts[known] += n_rows[i]


class NewRows:
    """The values of new rows.

    Parameters
    ----------
    features : Features
    profile : TableProfile

    Attributes
    ----------
    n_rows : int
    columns : dict of int to NewNumbers or NewCategories
        By position in `Features.columns`.
    n_compared, n_known : int
        Rows that the sketch of the profile can recognise, and how many of them were training rows.
    """

    def __init__(self, features, profile):
        self.features, self.profile = features, profile
        self.n_rows = self.n_compared = self.n_known = 0
        self.columns: dict = {
            j: (NewNumbers if isinstance(p, NumberProfile) else NewCategories)(p)
            for j, p in profile.columns.items()
        }

    @classmethod
    def of(cls, model):
        """Return those of a TableModel. Raise DataError if it has no profile."""
        if model.profile is None:
            raise DataError(
                "the model does not hold what its training table was like, since an older version "
                "wrote its file.",
                "Train it again.",
            )
        return cls(model.features, model.profile)

    def add(self, frame):
        """Add a part of a table, a Frame with all columns of `fit`."""
        self.n_rows += frame.n_rows
        converted = []
        for j, counted in self.columns.items():
            column, raw = self.features.columns[j], frame.columns[self.features.positions[j]]
            try:
                values = column.convert(raw)
            except DataError:  # numbers were expected
                values = None
            if values is None or isinstance(column, Numeric):
                n_refused, texts = _refused(column, raw, values)
                counted.n_refused += n_refused
                counted.examples |= dict.fromkeys(texts[:MAX_EXAMPLES])
            if values is None:
                counted.n_rows += len(raw.values)
                counted.n_missing += len(raw.values)
            else:
                counted.add(column.profiled(values))
                converted.append(values)
        if len(converted) == len(self.columns):
            n_compared, n_known = self.profile.sketch.count(converted, frame.n_rows)
            self.n_compared += int(n_compared)
            self.n_known += int(n_known)


def _refused(column, raw, values):
    """Return the number of values that are not what the column holds, and examples as texts.

    raw, values : an InputColumn, and what `Column.convert` returned; None if it raised an error
    """
    if raw.kind == "text":
        others = None if values is None else column.others(raw)
        if others is not None:
            return others.n_rows, others.texts
        found = {t: k for t, k in raw.count_texts().items() if k and not is_missing_mark(t)}
        return sum(found.values()), list(found)
    if values is not None:
        return 0, []
    what = "dates or times" if raw.kind == "time" else "infinite or other numbers"
    return int(np.count_nonzero(~np.isnan(raw.values))), [what]

"""Count the values of new rows as the profile of the training rows divides them, part by part."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...core.errors import DataError
from ...tables.missing_marks import is_missing_mark
from ..columns.text_kind import rows_of_texts
from .profile import NumberProfile

SAMPLE = 2000  # values of each part that stand for all in what is shown
MAX_EXAMPLES = 3


@dataclass(eq=False, repr=False)
class NewNumbers:
    """The values of a column of numbers or dates.

    Attributes
    ----------
    profile : NumberProfile
    n_rows, n_missing : int
        All rows, and those without a value; `n_refused` of them hold something else than numbers.
    counts : ndarray (k,) of int
        Number of rows from the previous cut of the profile, without it, up to each cut.
    n_below, n_above : int
        Number of rows below the least value and above the largest of the training rows.
    low, high : float
        The least and the largest value.
    sample : list of ndarray
        Values that stand for all.
    """

    profile: Any
    n_rows: int = 0
    n_missing: int = 0
    n_refused: int = 0
    n_below: int = 0
    n_above: int = 0
    low: float = np.inf
    high: float = -np.inf
    sample: list = field(default_factory=list)
    examples: dict = field(default_factory=dict)

    def __post_init__(self):
        self.counts = np.zeros(len(self.profile.cuts), np.int64)

    @property
    def n_present(self):
        return self.n_rows - self.n_missing

    def add(self, values):
        """Add numbers (n,) with NaN for missing values."""
        cuts = self.profile.cuts
        present = values[~np.isnan(values)]
        self.n_rows += len(values)
        self.n_missing += len(values) - len(present)
        if not len(present):
            return
        self.n_below += int((present < cuts[0]).sum())
        self.n_above += int((present > cuts[-1]).sum())
        self.low, self.high = (
            min(self.low, float(present.min())),
            max(self.high, float(present.max())),
        )
        inside = present[(present >= cuts[0]) & (present <= cuts[-1])]
        self.counts += np.bincount(np.searchsorted(cuts, inside), minlength=len(cuts))
        self.sample.append(present[:: max(1, len(present) // SAMPLE)])

    def quantile(self, share):
        """Return about the value that a share of the rows does not exceed."""
        return float(np.quantile(np.concatenate(self.sample), share, method="nearest"))


@dataclass(eq=False, repr=False)
class NewCategories:
    """The values of a column of categories.

    Attributes
    ----------
    profile : CategoryProfile
    n_rows, n_missing, n_refused : int
        As in `NewNumbers`.
    counts : ndarray (k,) of int
        Number of rows of each category of the profile.
    unknown : Counter
        Number of rows of each other text.
    """

    profile: Any
    n_rows: int = 0
    n_missing: int = 0
    n_refused: int = 0
    unknown: Counter = field(default_factory=Counter)
    examples: dict = field(default_factory=dict)

    def __post_init__(self):
        self.counts = np.zeros(len(self.profile.categories), np.int64)
        self._code_of = {text: i for i, text in enumerate(self.profile.categories)}

    @property
    def n_present(self):
        return self.n_rows - self.n_missing

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
            if values is None or isinstance(counted, NewNumbers):
                _add_refused(counted, column, raw, values)
            if values is None:
                continue
            counted.add(values)
            converted.append(values)
        if len(converted) == len(self.columns):
            n_compared, n_known = self.profile.sketch.count(converted, frame.n_rows)
            self.n_compared += int(n_compared)
            self.n_known += int(n_known)


def _add_refused(counted, column, raw, values):
    """Count values that are not what the column holds, with the number of rows of examples."""
    if values is None:
        counted.n_rows += len(raw.values)
        counted.n_missing += len(raw.values)
    if raw.kind != "text":
        if values is None:
            n = int(np.count_nonzero(~np.isnan(raw.values)))
            counted.n_refused += n
            counted.examples.setdefault(
                "dates or times" if raw.kind == "time" else "infinite or other numbers", n
            )
        return
    others = None if values is None else column.others(raw)
    if others is not None:
        n, texts = others.n_rows, others.texts
    else:
        found = {t: k for t, k in rows_of_texts(raw).items() if k and not is_missing_mark(t)}
        n, texts = sum(found.values()), list(found)
    counted.n_refused += n
    for text in texts[:MAX_EXAMPLES]:
        counted.examples.setdefault(text, None)

"""How the rows of a fit were split into folds: RowSplit for a model file, FoldRows the rows themselves."""

from dataclasses import asdict, dataclass

import numpy as np

from ..core.messages import plural, printable
from ..files.checks import check, check_mapping, is_count

KINDS = ("random", "groups", "time", "time and groups", "cv")


@dataclass(frozen=True, kw_only=True)
class RowSplit:
    """How the rows were split into folds.

    Attributes
    ----------
    kind : one of `KINDS`
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
        check(self.kind in KINDS, "split")
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

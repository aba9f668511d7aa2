"""How one fit splits its rows: at random, by groups, forward in time, or as `cv` says."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import check_cv

from ...core.errors import Argument, DataError, Message
from ...core.messages import MAX_CHOICES, join, warn
from ...tables.files import TableWarning
from .. import roles
from ..checkpoint import MAX_FOLDS
from ..folds import ForwardFolds, HashedFolds, RowSplit, split_rows
from .training_jobs import JobSetup

MANY_FOLDS = 20  # of which a note says that they are fewer than was asked for


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FitSplit:
    """The folds of a fit.

    Attributes
    ----------
    folds : list of (ndarray, ndarray)
        Training rows and held-out rows, of the rows in memory.
    all_rows : HashedFolds, ForwardFolds or None
        The folds of all rows, if those in memory are a sample.
    description : RowSplit
    n_train : int
        Number of rows that the networks of the model train on.
    rows : ndarray of intp, or None
        The rows in memory that have a time, and a group if there are groups; None: all.
    informs : ndarray (n_folds, n_folds) of bool, or None
        Whether the networks of each fold may know the scores of each other. None: of all others.
    """

    folds: list
    all_rows: Any
    description: RowSplit
    n_train: int
    rows: Any = None
    informs: Any = None

    @property
    def is_forward(self):
        return self.description.is_forward


@dataclass(frozen=True, eq=False, repr=False)
class RowsToSplit:
    """The rows of a fit, and what decides on their folds.

    Attributes
    ----------
    table : TrainingTable
    setup : JobSetup
    groups : ndarray of int, or None
        The number of the group of each row of the table, -1 for none.
    times : Times or None
    """

    table: Any
    setup: JobSetup
    groups: np.ndarray | None
    times: Any

    def split(self, cv, n_estimators, random_state):
        """Return the FitSplit."""
        if cv is not None:
            return self._by_splitter(cv)
        if self.times is not None:
            return self._forward(n_estimators, random_state)
        return self._at_random(n_estimators, random_state)

    def notes(self, split):
        """Yield Messages about rows that no fold of a FitSplit has, and about classes without others."""
        yield from roles.notes(self.table.columns.names, self.groups, self.times)
        y, targets = self.setup.rows.y, self.setup.targets
        if not targets.is_classifier or self.table.numbers is not None:
            return
        if split.is_forward:  # the saved networks train on all rows with a time
            used = np.arange(len(y)) if split.rows is None else split.rows
        else:
            used = np.concatenate([part for fold in split.folds for part in fold])
        missing = np.setdiff1d(y, y[used]).astype(np.intp)
        if len(missing):
            yield Message(
                "no network learns {classes}: all rows of {these} are left out of training and scores.",
                classes=join(targets.labels[missing].tolist(), MAX_CHOICES),
                these="this class" if len(missing) == 1 else "these classes",
            )

    def _describe(self, kind, **values):
        """Return the RowSplit."""
        names = self.table.columns.names
        return RowSplit(
            kind=kind,
            groups=names.get("groups"),
            weight=names.get("sample_weight"),
            n_groups=0 if self.groups is None else int(self.groups.max()) + 1,
            **values,
        )

    def _at_random(self, n_estimators, random_state):
        table, groups, y = self.table, self.groups, self.setup.rows.y
        if table.numbers is not None:
            all_rows = HashedFolds(n_estimators, groups, random_state)
            folds = all_rows.split(table.numbers)
            n_rows = table.n_rows if groups is None else int((groups >= 0).sum())
            n_train = round(n_rows * (1 - 1 / all_rows.n_folds))
        else:
            all_rows, labels = None, y if self.setup.targets.is_classifier else None
            folds = split_rows(len(y), n_estimators, labels, groups, random_state)
            n_train = len(folds[0][0])
        if MANY_FOLDS <= len(folds) < n_estimators:
            note = Message(
                "{argument} is more than there are {units}, so each of {n:,} folds holds out one.",
                argument=Argument("n_estimators", n_estimators),
                units="rows" if groups is None else "groups",
                n=len(folds),
            )
            warn(note, TableWarning)
        kind = "random" if groups is None else "groups"
        description = self._describe(kind, n_folds=len(folds))
        return FitSplit(folds=folds, all_rows=all_rows, description=description, n_train=n_train)

    def _forward(self, n_estimators, random_state):
        numbers, times, groups = self.table.numbers, self.times, self.groups
        weight = self.setup.rows.weight if numbers is None else None
        found = ForwardFolds(times.numbers, groups, weight, n_estimators, random_state)
        is_known = found.is_known[slice(None) if numbers is None else numbers]
        return FitSplit(
            folds=found.split(numbers),
            all_rows=None if numbers is None else found,
            description=self._describe(
                "time" if groups is None else "time and groups",
                n_folds=found.n_folds,
                n_blocks=found.n_blocks,
                time=self.table.columns.names.get("time"),
                first=times.first,
                last=times.last,
            ),
            n_train=int(found.is_known.sum()),
            rows=None if is_known.all() else np.flatnonzero(is_known),
            informs=found.informs(),
        )

    def _by_splitter(self, cv):
        y, n = self.setup.rows.y, len(self.setup.rows)
        if self.times is not None:
            raise DataError(
                "{argument} cannot be combined with {time}, which says what the folds are.",
                "Pass one of the two.",
                argument="cv",
                time=Argument("time"),
            )
        if self.table.numbers is not None:
            raise DataError(
                "{argument} needs all rows in memory, but the table has more.",
                "Leave {argument} out, or read the table into memory first.",
                argument="cv",
            )
        if self.groups is not None and self.groups.min() < 0:
            raise DataError(
                "{argument} has a missing value in {row}, but {cv} needs the group of each row.",
                "Give the row a group, for example one of its own.",
                argument="groups",
                cv=Argument("cv"),
                row=int(self.groups.argmin()),
            )
        name = "cv"
        if hasattr(cv, "__iter__"):
            found = cv
        else:
            splitter = check_cv(cv, y, classifier=self.setup.targets.is_classifier)
            name, found = type(splitter).__name__, splitter.split(np.zeros((n, 1)), y, self.groups)
        folds = [tuple(map(np.asarray, fold if np.iterable(fold) else [fold])) for fold in found]
        for k, fold in enumerate(folds):
            _check_fold(k, fold, n)
        if not 0 < len(folds) <= MAX_FOLDS:
            raise DataError(
                "{argument} yields {n} folds, but 1 to {most:,} are needed.",
                "Pass a splitter, or a list of (train, test) indices.",
                argument="cv",
                n=len(folds),
                most=MAX_FOLDS,
            )
        folds = [tuple(_to_indices(part) for part in fold) for fold in folds]
        tests = [np.isin(np.arange(n), test) for _, test in folds]
        trains = [np.isin(np.arange(n), train) for train, _ in folds]
        informs = np.array([[not (test & ~train).any() for test in tests] for train in trains])
        description = self._describe("cv", n_folds=len(folds), splitter=name)
        n_train = round(np.mean([len(train) for train, _ in folds]))
        return FitSplit(
            folds=folds, all_rows=None, description=description, n_train=n_train, informs=informs
        )


def _to_indices(part):
    return np.flatnonzero(part) if part.dtype == bool else part.astype(np.intp)


def _check_fold(k, fold, n):
    """Check that a fold of a splitter holds positions of rows."""
    what = "(train, test), two arrays of positions of rows"
    if len(fold) != 2:
        raise DataError(
            "{argument} must yield {what}, but fold {k} has {n} parts.",
            argument="cv",
            what=what,
            k=k,
            n=len(fold),
        )
    for name, part in zip(("train", "test"), fold):
        is_mask = part.dtype == bool and part.shape == (n,)
        is_rows = part.ndim == 1 and part.dtype.kind in "iu" and len(part) > 0
        if not (is_mask and part.any()) and not (is_rows and 0 <= part.min() and part.max() < n):
            raise DataError(
                "{argument} must yield {what}, but {name} of fold {k} does not hold positions from 0 "
                "to {last}.",
                argument="cv",
                what=what,
                name=name,
                k=k,
                last=n - 1,
            )
    train, test = map(_to_indices, fold)
    if np.isin(test, train).any():
        raise DataError(
            "{argument} has rows that fold {k} both trains on and tests, such as row {row}.",
            "Pass folds that share no rows.",
            argument="cv",
            k=k,
            row=int(test[np.isin(test, train)][0]),
        )

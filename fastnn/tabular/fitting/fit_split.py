"""How one fit splits its rows: at random, by groups, forward in time, or as `cv` says.

If the user has not said how, `suggest` warns of columns that should say it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import check_cv

from ...core.errors import Argument, DataError, Message
from ...core.messages import MAX_CHOICES, is_called_by, join, warn
from ...tables.files import TableWarning
from .. import row_columns
from ..checkpoint import MAX_FOLDS
from ..forward_folds import ForwardFolds
from ..row_folds import HashedFolds, split_rows
from ..row_split import RowSplit
from ..split_check import find_splits

LONG_LIMIT = 30.0  # seconds of a fit, without which there is no time for the check of `suggest`
FOR_CHECK = 0.1  # of the limit
MANY_FOLDS = 20  # of which a note says that they are fewer than was asked for


@dataclass(kw_only=True, eq=False, repr=False)
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


def split(fit):
    """Return the FitSplit of a TableFit."""
    options, rows, large = fit.options, fit.setup.rows, fit.large
    names = {
        "groups": fit.column_names.get("groups"),
        "weight": fit.column_names.get("sample_weight"),
    }
    if fit.groups is not None:
        names["n_groups"] = int(fit.groups.max()) + 1
    if options.cv is not None:
        return _of_splitter(fit, names)
    n_estimators = options.n_estimators
    if fit.times is not None:
        return _forward(fit, names)
    kind = "random" if fit.groups is None else "groups"
    if large is not None:
        all_rows = HashedFolds(n_estimators, fit.groups, fit.random_state)
        folds = all_rows.split(large.numbers)
        n_rows = large.n_rows if fit.groups is None else int((fit.groups >= 0).sum())
        n_train = round(n_rows * (1 - 1 / all_rows.n_folds))
    else:
        labels = rows.y if fit.setup.targets.is_classifier else None
        all_rows = None
        folds = split_rows(len(rows), n_estimators, labels, fit.groups, fit.random_state)
        n_train = len(folds[0][0])
    if MANY_FOLDS <= len(folds) < n_estimators:
        note = Message(
            "{argument} is more than there are {units}, so each of {n:,} folds holds out one.",
            argument=Argument("n_estimators", n_estimators),
            units="rows" if fit.groups is None else "groups",
            n=len(folds),
        )
        warn(note, TableWarning)
    description = RowSplit(kind=kind, n_folds=len(folds), **names)
    return FitSplit(folds=folds, all_rows=all_rows, description=description, n_train=n_train)


def suggest(fit, frame, y, is_classifier, no_inputs):
    """Warn of columns of a TableFit by which the rows should be split, if the user has not done it."""
    options, limit = fit.options, fit.options.time_limit
    is_chosen = options.cv is not None or fit.groups is not None or fit.times is not None
    is_short = limit is not None and limit < LONG_LIMIT
    # Cross-validation, which calls `fit` for each of its folds, has split the rows.
    is_split = is_chosen or is_called_by("sklearn.model_selection")
    if is_split or is_short or not options.suggests_splits:
        return
    seconds = None if limit is None else FOR_CHECK * limit
    for issue in find_splits(frame, y, is_classifier, 0, no_inputs, seconds, **options.declared):
        warn(issue.text, TableWarning)


def notes(fit):
    """Yield Messages about the rows of a TableFit that no fold has, and about classes without others."""
    yield from row_columns.notes(fit.column_names, fit.groups, fit.times)
    split, targets, y = fit.split, fit.setup.targets, fit.setup.rows.y
    if not targets.is_classifier or fit.large is not None:
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


def _forward(fit, names):
    large, times = fit.large, fit.times
    weight = fit.setup.rows.weight if large is None else None
    found = ForwardFolds(
        times.numbers, fit.groups, weight, fit.options.n_estimators, fit.random_state
    )
    description = RowSplit(
        kind="time" if fit.groups is None else "time and groups",
        n_folds=found.n_folds,
        n_blocks=found.n_blocks,
        time=fit.column_names.get("time"),
        first=times.first,
        last=times.last,
        **names,
    )
    numbers = slice(None) if large is None else large.numbers
    is_known = found.is_known[numbers]
    return FitSplit(
        folds=found.split(None if large is None else large.numbers),
        all_rows=None if large is None else found,
        description=description,
        n_train=int(found.is_known.sum()),
        rows=None if is_known.all() else np.flatnonzero(is_known),
        informs=found.informs(),
    )


def _of_splitter(fit, names):
    cv, n, targets = fit.options.cv, len(fit.setup.rows), fit.setup.targets
    if fit.times is not None:
        raise DataError(
            "{argument} cannot be combined with {time}, which says what the folds are.",
            "Pass one of the two.",
            argument="cv",
            time=Argument("time"),
        )
    if fit.large is not None:
        raise DataError(
            "{argument} needs all rows in memory, but the table has more.",
            "Leave {argument} out, or read the table into memory first.",
            argument="cv",
        )
    if fit.groups is not None and fit.groups.min() < 0:
        raise DataError(
            "{argument} has a missing value in {row}, but {cv} needs the group of each row.",
            "Give the row a group, for example one of its own.",
            argument="groups",
            cv=Argument("cv"),
            row=int(fit.groups.argmin()),
        )
    y = fit.setup.rows.y
    name = "cv"
    if hasattr(cv, "__iter__"):
        found = cv
    else:
        splitter = check_cv(cv, y, classifier=targets.is_classifier)
        name, found = type(splitter).__name__, splitter.split(np.zeros((n, 1)), y, fit.groups)
    folds = [tuple(map(np.asarray, fold)) for fold in found]
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
    description = RowSplit(kind="cv", n_folds=len(folds), splitter=name, **names)
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

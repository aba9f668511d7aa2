"""Find columns of times, and of units such as patients, for which random folds promise too much.

Rows that are drawn at random have neighbours in time, and other rows of the same patient, among the
training rows. The rows that a model will predict may come later, or from other patients. Small
networks train on a sample: on random rows, on the earlier rows, and on rows of other units. If they
predict the same rows much worse, the scores of random folds promise too much.
"""

from functools import cached_property

import numpy as np

from ..core.errors import Argument, DataError, Message
from ..core.messages import printable
from ..tables.data_checks import TIME_NAME, DataIssue
from ..tables.group_check import list_units
from .split_trials import (
    MAX_ROWS,
    MIN_EXPLAINED,
    N_FOLDS,
    Deadline,
    NoNetworkError,
    Trial,
    forward_folds,
    forward_folds_of_others,
    other_units,
    whole_units,
)

MIN_ROWS = 100
MAX_COLUMNS = 300
MAX_UNITS = 2  # columns that are tried
MANY_ROWS = 20_000
MAX_SECONDS = 3.0
#: The kinds of the issues, and which ones each says better.
KINDS = {"time": ("time",), "group": ("group",), "panel": ("time", "group")}


def find_splits(frame, y, is_classifier, seed=0, no_inputs=(), seconds=None, **declared):
    """Return the DataIssues about columns by which the rows should be split into folds.

    Those that are found until the time is over: on a slow computer, or of a table with very many
    columns or categories, it may be fewer.

    Parameters
    ----------
    frame : Frame
        Rows without their target.
    y : array_like (n,)
        Their targets.
    is_classifier : bool
        Whether these are classes.
    seed : int, default 0
        Random seed of the sample, the random rows and the networks.
    no_inputs, declared
        As in `Features.fit`.
    seconds : float, optional
        That networks may be trained. Default: `MAX_SECONDS`.

    Returns
    -------
    list of DataIssue
        One of the kind "time", one of the kind "group", or one of the kind "panel" about both.
    """
    n = frame.n_rows
    if n < MIN_ROWS or frame.names is None or len(frame.columns) > MAX_COLUMNS:
        return []
    rng, y = np.random.default_rng(seed), np.asarray(y)
    rows = np.sort(rng.permutation(n)[:MAX_ROWS])
    options = dict(is_classifier=is_classifier, no_inputs=no_inputs, declared=declared)
    options["deadline"] = Deadline(MAX_SECONDS if seconds is None else seconds)
    try:
        trial = Trial(frame.take(rows), y[rows], seed=rng.integers(2**31), **options)
    except (DataError, TypeError, ValueError):  # training says what is wrong
        return []
    times = trial.times()
    units = list_units(
        _columns_to_compare(frame, trial.features),
        lambda name: name in times or TIME_NAME.search(name),
    )[:MAX_UNITS]
    if not (times or units) or not _explains(trial):
        return []
    by_time = [
        trial.compare(name, forward_folds(values), is_forward=True)
        for name, values in times.items()
    ]
    by_unit = []
    for unit in units:
        tried, some = trial, rows
        if n > MAX_ROWS:
            some = whole_units(unit.column.codes, rng)
            try:
                tried = Trial(frame.take(some), y[some], seed=rng.integers(2**31), **options)
            except DataError:  # of these rows no column is an input
                continue
        name, codes = unit.column.name, unit.column.codes[some]
        others = tried.compare(name, other_units(codes, N_FOLDS), without=name)
        by_unit.append(others)
        later = next((each for each in by_time if each and each.column == unit.time), None)
        values = tried.times().get(unit.time)  # None if these rows have few times
        if later and others and values is not None and (later.is_worse or others.is_worse):
            both = tried.compare(name, forward_folds_of_others(values, codes), without=name)
            if both is not None:
                return [_describe_panel(later, others, both)]
    issues = [_describe_time(_worst(by_time)), _describe_unit(_worst(by_unit))]
    return [issue for issue in issues if issue is not None]


def _explains(trial):
    try:
        return trial.explained >= MIN_EXPLAINED
    except NoNetworkError:
        return False


class _FrameColumn:
    """A column of a Frame, as `group_check` compares columns: the numbers of its distinct values."""

    def __init__(self, name, raw):
        self.name, self.raw, self.is_text = name, raw, raw.kind == "text"
        self.is_integer = False
        if raw.kind == "number":
            present = raw.values[~np.isnan(raw.values)]
            self.is_integer = bool((present == np.round(present)).all())

    @cached_property
    def codes(self):
        if self.is_text:
            return self.raw.values
        codes = np.unique(self.raw.values, return_inverse=True)[1]
        return np.where(np.isnan(self.raw.values), -1, codes)

    @property
    def n_distinct(self):
        return int(self.codes.max()) + 1


def _columns_to_compare(frame, features):
    """Return the _FrameColumns of inputs; of many rows without measurements, which take long."""
    columns = [_FrameColumn(frame.names[i], frame.columns[i]) for i in features.positions]
    few = frame.n_rows <= MANY_ROWS
    return [column for column in columns if few or column.is_text or column.is_integer]


def _worst(found):
    """Return the Comparison with the largest drop, None if no one is much worse. found : some None"""
    worse = [each for each in found if each is not None and each.is_worse]
    return max(worse, key=lambda each: each.drop, default=None)


# ---- what is said ----


def _describe_time(found):
    if found is None:
        return None
    text = Message(
        "the rows depend on the time in column {column!r}: a small network that trains on the earlier "
        "rows explains {later} of the later ones, but {random:.0%} of rows drawn at random. If new rows "
        "will come later, the scores are too good. Pass {time}.",
        column=printable(found.column),
        random=found.random,
        later=found.share,
        time=Argument("time", found.column),
    )
    return DataIssue("time", found.column, text)


def _describe_unit(found):
    if found is None:
        return None
    text = Message(
        "rows with the same value of column {column!r} are alike: a small network that trains on "
        "other values explains {others} of the rows, but {random:.0%} of rows drawn at random. If new "
        "rows will have other values, the scores are too good. Pass {groups}.",
        column=printable(found.column),
        random=found.random,
        others=found.share,
        groups=Argument("groups", found.column),
    )
    return DataIssue("group", found.column, text)


def _describe_panel(later, others, both):
    text = Message(
        "columns {unit!r} and {time!r} make a panel. A small network explains {random:.0%} of rows "
        "drawn at random, {later} of later rows, {others} of rows of other values of {unit!r}, and "
        "{both} of later rows of other values. Pass {by_time} if new rows will come later, {by_unit} "
        "if they will have other values of {unit!r}, and both if both.",
        unit=printable(others.column),
        time=printable(later.column),
        random=others.random,
        later=later.share,
        others=others.share,
        both=both.share,
        by_time=Argument("time", later.column),
        by_unit=Argument("groups", others.column),
    )
    return DataIssue("panel", others.column, text)

"""Find columns of times, and of units such as patients, for which random folds promise too much.

Rows that are drawn at random have neighbours in time, and other rows of the same patient, among the
training rows. The rows that a model will predict may come later, or from other patients. Small
networks train on a sample: on random rows, on the earlier rows, and on rows of other units. If they
predict the same rows much worse, the scores of random folds promise too much.
"""

import contextlib
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..core.errors import Argument, DataError, Message
from ..core.messages import printable
from ..mlp import MLP
from ..optimizers import AdamW
from ..tables.checks import TIME_NAME, DataIssue, list_units
from . import roles
from .columns.features import Features
from .encoder import Encoder, EncoderSettings, Scaling
from .fitting import recipe
from .folds import as_seen

MIN_ROWS = 100
MAX_COLUMNS = 300
MAX_UNITS = 2  # columns that are tried
MANY_ROWS = 20_000
MAX_SECONDS = 3.0
MAX_ROWS = 3000  # of the sample
MAX_TIMES = 2  # columns that are tried
MIN_VALUES = 8  # of a column of times
N_FOLDS = 4  # the later rows are as many as those of a fold
WIDTH, BATCH, RATE = 32, 64, 0.01
MIN_STEPS, MAX_STEPS, CELLS = 100, 800, 30_000  # of a network; cells: steps times columns
N_BINS = 8
MANY_INPUTS = 32  # that take as long as a column: a category may have thousands
MIN_DROP = 0.2  # of the part of the loss that is explained
MIN_EXPLAINED = 0.1  # of the loss of random rows
MIN_Z = 4.0
MIN_SPREAD = 0.1  # loss without inputs of some rows, as a part of that of all
#: The kinds of the issues, and which ones each says better.
COVERED_KINDS = {"time": ("time",), "group": ("group",), "panel": ("time", "group")}


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
    options: dict = dict(is_classifier=is_classifier, no_inputs=no_inputs, declared=declared)
    options["deadline"] = Deadline(MAX_SECONDS if seconds is None else seconds)

    def try_rows(rows):
        return Trial(frame.take(rows), y[rows], seed=rng.integers(2**31), **options)

    rows = np.sort(rng.permutation(n)[:MAX_ROWS])
    try:
        trial = try_rows(rows)
    except (DataError, TypeError, ValueError):  # training says what is wrong
        return []
    times = trial.times()
    units = list_units(
        _columns_to_compare(frame, trial.features),
        lambda name: name in times or TIME_NAME.search(name),
    )[:MAX_UNITS]
    if not (times or units) or not _explains(trial):
        return []
    by_time = {
        name: trial.compare(name, _forward_folds(values), is_forward=True)
        for name, values in times.items()
    }
    by_unit = []
    for unit in units:
        name, codes = unit.column.name, unit.column.codes
        if n > MAX_ROWS:
            rows = _whole_units(codes, rng)
            try:
                trial = try_rows(rows)
            except DataError:  # of these rows no column is an input
                continue
        others = trial.compare(name, _other_units(codes[rows], N_FOLDS), without=name)
        by_unit.append(others)
        panel = _find_panel(trial, codes[rows], by_time.get(unit.time), others, unit.time)
        if panel is not None:
            return [panel]
    found = {"time": _worst(by_time.values()), "group": _worst(by_unit)}
    return [_describe_split(kind, worst) for kind, worst in found.items() if worst is not None]


def _find_panel(trial, codes, later, others, time):
    """Return the DataIssue about a column of units and one of times, None if there is none.

    codes : the units of the rows; later, others : Comparison or None; time : the column of times
    """
    times = trial.times().get(time)  # None if these rows have few times
    if not later or not others or times is None or not (later.is_worse or others.is_worse):
        return None
    folds = _forward_folds_of_others(times, codes)
    both = trial.compare(others.column, folds, without=others.column)
    return None if both is None else _describe_panel(later, others, both)


def _explains(trial):
    try:
        return trial.explained >= MIN_EXPLAINED
    except NoNetworkError:
        return False


class _FrameColumn:
    """A column of a Frame, as `checks.list_units` compares columns: the numbers of its distinct values."""

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


#: {kind of an issue: (the argument to pass, what is said)}
TEXTS = {
    "time": (
        "time",
        "the rows depend on the time in column {column!r}: a small network that trains on the earlier "
        "rows explains {explained} of the later ones, but {random:.0%} of rows drawn at random. If "
        "new rows will come later, the scores are too good. Pass {argument}.",
    ),
    "group": (
        "groups",
        "rows with the same value of column {column!r} are alike: a small network that trains on "
        "other values explains {explained} of the rows, but {random:.0%} of rows drawn at random. If "
        "new rows will have other values, the scores are too good. Pass {argument}.",
    ),
}


def _describe_split(kind, found):
    argument, text = TEXTS[kind]
    message = Message(
        text,
        column=printable(found.column),
        random=found.random,
        explained=found.share,
        argument=Argument(argument, found.column),
    )
    return DataIssue(kind, found.column, message)


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


class NoNetworkError(Exception):
    """A network that cannot be trained: there is no time left, or no input."""


class Deadline:
    """The end of the time for networks. None begins that would take longer, as the one before did.

    Parameters
    ----------
    seconds : float
        From now.
    """

    clock = staticmethod(time.perf_counter)

    def __init__(self, seconds):
        self.end, self.seconds_of_network = self.clock() + seconds, 0.0

    @contextlib.contextmanager
    def network(self):
        """Context manager in which a network is trained, or a NoNetworkError."""
        began = self.clock()
        if began + self.seconds_of_network > self.end:
            raise NoNetworkError
        yield
        self.seconds_of_network = self.clock() - began


@dataclass(frozen=True)
class Comparison:
    """Losses of the same rows: of networks that trained on random rows, and on those of some folds.

    Attributes
    ----------
    column : str
        That makes the folds.
    random, explained : float
        The parts of the loss that both networks explain; of random rows, all rows count.
    drop, error : float
        The difference on the rows of the folds, and its standard error.
    """

    column: str
    random: float
    explained: float
    drop: float
    error: float

    @property
    def is_worse(self):
        is_certain = self.drop >= MIN_DROP and self.drop >= MIN_Z * self.error
        return is_certain and self.random >= MIN_EXPLAINED

    @property
    def share(self):
        return f"{self.explained:.0%}" if self.explained >= 0.005 else "nothing"


# ---- rows ----


def _forward_folds(values):
    """Return the (training rows, scored rows) of folds in time: each trains on the rows before.

    values : ndarray (n,) of int
        The numbers of the times, -1 for none.
    """
    rows = np.flatnonzero(values >= 0)
    ends = np.sort(values[rows])[np.arange(1, N_FOLDS) * len(rows) // N_FOLDS]
    starts = np.unique(np.maximum(ends, values[rows].min() + 1))
    block = np.searchsorted(starts, values[rows], "right")
    return [(rows[block < k], rows[block == k]) for k in range(1, len(starts) + 1)]


def _other_units(codes, n_folds):
    """Return the (training rows, scored rows) of folds of whole units."""
    rows = np.flatnonzero(codes >= 0)
    units, numbers = np.unique(codes[rows], return_inverse=True)
    fold = np.random.default_rng(0).permutation(len(units))[numbers] % n_folds
    return [(rows[fold != k], rows[fold == k]) for k in range(n_folds)]


def _forward_folds_of_others(values, codes):
    """Return folds that train on earlier rows of other units than those that they score."""
    return [
        (np.intersect1d(train, earlier), np.intersect1d(scored, later))
        for train, scored in _other_units(codes, N_FOLDS)
        for earlier, later in _forward_folds(values)
    ]


def _random_folds(folds, n, rng):
    """Return folds that score the same rows, half by half, and train on as many random other rows."""
    out = []
    for train, scored in folds:
        for part in np.array_split(rng.permutation(scored), 2):
            others = np.setdiff1d(np.arange(n), part)
            out.append((rng.permutation(others)[: len(train)], part))
    return out


def _whole_units(codes, rng):
    """Return the rows of a sample, of whole units if it has enough of them."""
    counts = np.bincount(codes[codes >= 0])
    order = rng.permutation(len(counts))
    n_units = int(np.searchsorted(np.cumsum(counts[order]), MAX_ROWS))
    if n_units < 5 * N_FOLDS:
        return np.sort(rng.permutation(len(codes))[:MAX_ROWS])
    return np.flatnonzero(np.isin(codes, order[:n_units]))


# ---- networks ----


class Trial:
    """Small networks on the rows of a sample, until a Deadline."""

    y: Any
    target: Any

    def __init__(self, frame, y, *, is_classifier, seed, no_inputs, declared, deadline):
        self.frame, self.options = frame, (dict.fromkeys(no_inputs, ""), declared)
        self.features = self.fit_features()
        self.is_classifier, self.seed, self.deadline = is_classifier, int(seed), deadline
        if is_classifier:
            self.y = np.unique(y.astype(str), return_inverse=True)[1]
            self.n_out = int(self.y.max()) + 1
            self.target = self.y if self.n_out == 2 else np.eye(self.n_out)[self.y]
        else:
            low, high = np.quantile(y, [0.01, 0.99])
            clipped = np.clip(y.astype(np.float64), low, high)
            self.target = (clipped - clipped.mean()) / (clipped.std() or 1.0)
            self.y, self.n_out = self.target.astype(np.float32)[:, None], 1

    def fit_features(self, *without):
        no_inputs, declared = self.options
        return Features.fit(self.frame, no_inputs | dict.fromkeys(without, ""), **declared)

    def times(self):
        """Return {name: numbers of the times of the rows} of the columns that may be times."""
        out = {}
        for j in self.features.used():
            column = self.features.columns[j]
            raw, name = self.frame.columns[self.features.positions[j]], column.label
            if not column.may_be_times(raw):
                continue
            try:
                times = roles.to_times(raw, name)
            except DataError:
                continue
            if times.numbers.max() + 1 >= MIN_VALUES:
                out[name] = times.numbers
        return dict(list(out.items())[:MAX_TIMES])

    @cached_property
    def random(self):
        """ndarray (n,): the losses of the rows, of networks that trained on random others."""
        return self.losses(_other_units(np.arange(len(self.y)), N_FOLDS), self.X)[1]

    @property
    def n_steps(self):
        """int: of each network, fewer for many inputs."""
        cells = max(len(self.features.columns), self.X.n_inputs // MANY_INPUTS)
        return min(MAX_STEPS, max(MIN_STEPS, CELLS // cells))

    @property
    def explained(self):
        """float: the part of the loss that networks explain that trained on random rows."""
        baseline = self.baseline(slice(None))
        return float(1 - self.random.mean() / baseline) if baseline > 0 else 0.0

    def compare(self, column, folds, without=None, is_forward=False):
        """Return the Comparison of some folds, None if some networks cannot be trained.

        Parameters
        ----------
        column : str
            That makes the folds.
        folds : list of (ndarray, ndarray)
            Training rows and scored rows.
        without : str, optional
            The column that is not an input.
        is_forward : bool, default False
            Whether the folds train on earlier rows, which are fewer. The scores are those of blocks.
        """
        folds = [(train, scored) for train, scored in folds if len(train) and len(scored)]
        try:
            return self._compare(column, folds, without, is_forward) if folds else None
        except (NoNetworkError, DataError):
            return None

    def _compare(self, column, folds, without, is_forward):
        rows, losses = self.losses(folds, self.X if without is None else self.encode(without))
        random, blocks = self.random[rows], [slice(None)]
        if is_forward:
            rng = np.random.default_rng(self.seed)
            random = self.losses(_random_folds(folds, len(self.y), rng), self.X)[1]
            blocks = [np.searchsorted(rows, scored) for _, scored in folds]
        n = [len(rows[block]) for block in blocks]
        baseline = np.average([self.baseline(rows[block]) for block in blocks], weights=n)
        baseline = max(baseline, MIN_SPREAD * self.baseline(slice(None)))
        differences = losses - random
        return Comparison(
            column,
            self.explained,
            1 - losses.mean() / baseline,
            differences.mean() / baseline,
            differences.std() / np.sqrt(len(rows)) / baseline,
        )

    def baseline(self, rows):
        """Return the loss of some rows without inputs."""
        y = self.y[rows]
        if not self.is_classifier:
            return float(y.var())
        shares = np.bincount(y) / len(y)
        return float(-(shares * np.log(np.maximum(shares, 1e-300))).sum())

    @cached_property
    def X(self):
        """EncodedTable: the rows with all columns."""
        return self.encode()

    def encode(self, without=None):
        """Return the EncodedTable of the rows. without : the column that is not an input"""
        features = self.features if without is None else self.fit_features(without)
        numbers, codes = features.transform(self.frame)
        scaled = [
            (Scaling.fit(x, feature.part == "value"), x)
            for feature, x in zip(features.numbers, numbers)
        ]
        n_categories = [
            0 if category.part == "day of year" else category.n_categories
            for category in features.categories
        ]
        encoder = Encoder.fit(scaled, n_categories, self.target, EncoderSettings(N_BINS), WIDTH)
        if not encoder.n_inputs:
            raise NoNetworkError
        return encoder.encode(numbers, codes)

    def losses(self, folds, X):
        """Return the rows that folds score, and their losses. folds : (training rows, scored rows)"""
        losses = []
        for train, scored in folds:
            with self.deadline.network():
                losses.append(self.losses_of_fold(X, train, scored))
        order = np.argsort(rows := np.concatenate([scored for _, scored in folds]))
        return rows[order], np.concatenate(losses)[order]

    def losses_of_fold(self, X, train, scored):
        net = MLP(
            [X.n_inputs, WIDTH, self.n_out],
            "silu",
            "softmax" if self.is_classifier else "identity",
            rng=self.seed,
        )
        recipe.init(net, np.random.default_rng(self.seed))
        net.fit(
            X[train],
            self.y[train],
            optimizer=AdamW(lr=RATE, weight_decay=0.02),
            epochs=-(-self.n_steps * BATCH // len(train)),
            batch_size=BATCH,
        )
        outputs = net.forward(as_seen(X, train, scored)).astype(np.float64)
        if self.is_classifier:
            return -np.log(np.maximum(outputs[np.arange(len(scored)), self.y[scored]], 1e-3))
        return ((outputs - self.y[scored])[:, 0]) ** 2

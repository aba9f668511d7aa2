"""Find columns of times, and of units such as patients, for which random folds promise too much.

Rows that are drawn at random have neighbours in time, and other rows of the same patient, among the
training rows. The rows that a model will predict may come later, or from other patients. Small
networks train on a sample: on random rows, on the earlier rows, and on rows of other units. If they
predict the same rows much worse, the scores of random folds promise too much.
"""

import re
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from ..core.errors import Argument, DataError, Message
from ..core.messages import printable
from ..mlp import MLP
from ..optimizers import AdamW
from ..tables.data_checks import TIME_NAME, DataIssue, encode_columns
from ..tables.group_check import list_units
from ..tables.table_errors import import_pyarrow
from . import row_columns
from .columns import frames
from .columns.features import Features
from .encoder import Encoder, EncoderSettings, Scaling
from .fitting import recipe
from .forward_folds import as_seen

MIN_ROWS = 100
MAX_ROWS = 3000  # of the sample
MAX_COLUMNS = 300
MANY_ROWS = 20_000
MAX_TIMES, MAX_UNITS = 2, 2  # columns that are tried
MIN_VALUES = 8  # of a column of times
N_FOLDS = 4  # the later rows are as many as those of a fold
WIDTH, BATCH, RATE = 32, 64, 0.01
MIN_STEPS, MAX_STEPS, CELLS = 150, 800, 48_000  # of a network; cells: steps times columns
N_BINS = 8
MIN_DROP = 0.2  # of the part of the loss that is explained
MIN_EXPLAINED = 0.1  # of the loss of random rows
MIN_Z = 4.0
MIN_SPREAD = 0.1  # loss without inputs of some rows, as a part of that of all
#: The kinds of the issues, and which ones each says better.
KINDS = {"time": ("time",), "group": ("group",), "panel": ("time", "group")}
YEARS, MIN_SECONDS = (1500, 2200), 1e8
YEAR = re.compile(r"(?:^|(?<!of)[\W_])(?:year|jahr|ann[eé]e|a[nñ]o|season|timestamp|epoch)$", re.I)


def find_splits(table, target, is_classifier, seed=0):
    """Return the DataIssues about columns by which the rows should be split into folds.

    Parameters
    ----------
    table : pyarrow.Table
        Rows with their target.
    target : str
        The name of the column that is learned.
    is_classifier : bool
        Whether it holds classes.
    seed : int, default 0
        Random seed of the sample, the random rows and the networks.

    Returns
    -------
    list of DataIssue
        One of the kind "time", one of the kind "group", or one of the kind "panel" about both.
    """
    n = table.num_rows
    if n < MIN_ROWS or table.num_columns > MAX_COLUMNS:
        return []
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(n)[:MAX_ROWS])
    units = list_units(_columns_to_compare(table, target), TIME_NAME.search)[:MAX_UNITS]
    by_time, by_unit = [], []
    try:
        trial = _Trial(table.take(rows), target, is_classifier, rng.integers(2**31))
        times = trial.times()
        if not (times or units) or trial.explained < MIN_EXPLAINED:
            return []
        for name, values in times.items():
            by_time.append(trial.compare(name, _forward_folds(values), is_forward=True))
        for unit in units:
            tried, some = trial, rows
            if n > MAX_ROWS:
                some = _whole_units(unit.column.codes, rng)
                tried = _Trial(table.take(some), target, is_classifier, rng.integers(2**31))
            name, codes = unit.column.name, unit.column.codes[some]
            by_unit.append(tried.compare(name, _other_units(codes, N_FOLDS), without=name))
            later = next((found for found in by_time if found.column == unit.time), None)
            if later is not None and (later.is_worse or by_unit[-1].is_worse):
                folds = _forward_folds_of_others(tried.times()[unit.time], codes)
                both = tried.compare(name, folds, without=name)
                return [_describe_panel(later, by_unit[-1], both)]
    except (DataError, TypeError, ValueError):  # training says what is wrong
        return []
    issues = [_describe_time(_worst(by_time)), _describe_unit(_worst(by_unit))]
    return [issue for issue in issues if issue is not None]


def _columns_to_compare(table, target):
    """Return the columns in which units are sought; of many rows without measurements, which take
    long to compare."""
    dropped = [target]
    if table.num_rows > MANY_ROWS:
        is_float = import_pyarrow().types.is_floating
        dropped += [f.name for f in table.schema if is_float(f.type) and f.name != target]
    return encode_columns(table.drop_columns(dropped))


@dataclass(frozen=True)
class _Comparison:
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


def _worst(found):
    """Return the _Comparison with the largest drop, None if no one is much worse."""
    return max((each for each in found if each.is_worse), key=lambda each: each.drop, default=None)


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


def _are_years(raw):
    """Whether numbers are years, or seconds since 1970."""
    values = raw.values
    if raw.kind != "number":
        return True
    values = values[~np.isnan(values)]
    if not len(values) or (values != np.round(values)).any():
        return False
    return values.min() >= MIN_SECONDS or (YEARS[0] <= values.min() and values.max() <= YEARS[1])


# ---- networks ----


class _Trial:
    """Small networks on the rows of a sample."""

    def __init__(self, table, target, is_classifier, seed):
        self.frame, y = frames.split_target(table, target)
        self.features = Features.fit(self.frame)
        self.is_classifier, self.seed = is_classifier, int(seed)
        n_steps = CELLS // len(self.features.columns)
        self.n_steps = min(MAX_STEPS, max(MIN_STEPS, n_steps))
        y = np.asarray(y)
        if is_classifier:
            self.y = np.unique(y.astype(str), return_inverse=True)[1]
            self.n_out = int(self.y.max()) + 1
            self.target = self.y if self.n_out == 2 else np.eye(self.n_out)[self.y]
        else:
            low, high = np.quantile(y, [0.01, 0.99])
            clipped = np.clip(y.astype(np.float64), low, high)
            self.target = (clipped - clipped.mean()) / (clipped.std() or 1.0)
            self.y, self.n_out = self.target.astype(np.float32)[:, None], 1

    def times(self):
        """Return {name: numbers of the times of the rows} of the columns that may be times."""
        out = {}
        for name, kind in self.features.kinds().items():
            if kind != "date" and not (kind == "number" and YEAR.search(name)):
                continue
            raw = self.frame.columns[self.frame.names.index(name)]
            try:
                times = row_columns.to_times(raw, name)
            except DataError:
                continue
            if (kind == "date" or _are_years(raw)) and times.numbers.max() + 1 >= MIN_VALUES:
                out[name] = times.numbers
        return dict(list(out.items())[:MAX_TIMES])

    @cached_property
    def random(self):
        """ndarray (n,): the losses of the rows, of networks that trained on random others."""
        return self.losses(_other_units(np.arange(len(self.y)), N_FOLDS), self.encode())[1]

    @property
    def explained(self):
        """float: the part of the loss that networks explain that trained on random rows."""
        baseline = self.baseline(slice(None))
        return float(1 - self.random.mean() / baseline) if baseline > 0 else 0.0

    def compare(self, column, folds, without=None, is_forward=False):
        """Return the _Comparison of some folds.

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
        rows, losses = self.losses(folds, self.encode(without))
        random, blocks = self.random[rows], [slice(None)]
        if is_forward:
            rng = np.random.default_rng(self.seed)
            random = self.losses(_random_folds(folds, len(self.y), rng), self.encode())[1]
            blocks = [np.searchsorted(rows, scored) for _, scored in folds]
        n = [len(rows[block]) for block in blocks]
        baseline = np.average([self.baseline(rows[block]) for block in blocks], weights=n)
        baseline = max(baseline, MIN_SPREAD * self.baseline(slice(None)))
        differences = losses - random
        return _Comparison(
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

    @cache  # noqa: B019 - a trial lives for one check
    def encode(self, without=None):
        """Return the EncodedTable of the rows. without : the column that is not an input"""
        frame, features = self.frame, self.features
        if without is not None:
            features = Features.fit(frame, {without: ""})
        numbers, codes = features.transform(frame)
        scaled = [
            (Scaling.fit(x, feature.part == "value"), x)
            for feature, x in zip(features.numbers, numbers)
        ]
        n_categories = [
            0 if category.part == "day of year" else category.n_categories
            for category in features.categories
        ]
        encoder = Encoder.fit(scaled, n_categories, self.target, EncoderSettings(N_BINS), WIDTH)
        return encoder.encode(numbers, codes)

    def losses(self, folds, X):
        """Return the rows that folds score, and their losses. folds : (training rows, scored rows)"""
        losses = [self.losses_of_fold(X, *fold) for fold in folds]
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

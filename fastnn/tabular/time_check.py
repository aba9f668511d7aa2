"""Find a column of dates such that networks predict later rows much worse than rows in between.

Rows that are drawn at random have neighbours in time among the training rows, so that networks
interpolate. The rows that a model will predict come later. One small network trains on random rows
of a sample, and one on the earlier rows. If its loss on the later rows is much higher, the scores of
random folds promise too much.
"""

import re

import numpy as np

from ..core.errors import Argument, DataError, Message
from ..core.messages import printable
from ..mlp import MLP
from ..optimizers import AdamW
from ..tables.data_checks import DataIssue
from . import row_columns
from .columns import frames
from .columns.features import Features
from .encoder import Encoder, EncoderSettings, Scaling
from .fitting import recipe

MIN_ROWS = 200
MAX_ROWS = 3000  # of the sample
MAX_COLUMNS = 300
MAX_TIMES = 2  # columns that are tried
MIN_VALUES = 8  # of a column of times
TRAINED = 0.75  # part of the rows
WIDTH, EPOCHS, BATCH, RATE = 32, 24, 64, 0.01
N_BINS = 8
MIN_DROP = 0.2  # of the part of the loss that is explained
MIN_EXPLAINED = 0.1  # of the loss of random rows
MIN_Z = 4.0
YEARS, MIN_SECONDS = (1500, 2200), 1e8
YEAR = re.compile(r"(?:^|(?<!of)[\W_])(?:year|jahr|ann[eé]e|a[nñ]o|season|timestamp|epoch)$", re.I)


def find_time(table, target, is_classifier, seed=0):
    """Return a list with the DataIssue about the column of times that the rows depend on, or [].

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
    """
    n = table.num_rows
    if n < MIN_ROWS or table.num_columns > MAX_COLUMNS:
        return []
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(n)[:MAX_ROWS])
    try:
        frame, y = frames.split_target(table.take(rows), target)
        features = Features.fit(frame)
        times = _columns_of_times(frame, features)
        if not times:
            return []
        trial = _Trial(frame, features, np.asarray(y), is_classifier, rng.integers(2**31))
    except (DataError, TypeError, ValueError):  # training says what is wrong
        return []
    random = trial.losses(rng.permutation(len(rows)))
    explained = 1 - random.mean() / trial.baseline
    if explained < MIN_EXPLAINED:
        return []
    found = []
    for name, values in times:
        later = trial.losses(np.argsort(values, kind="stable"))
        drop = (later.mean() - random.mean()) / trial.baseline
        error = np.hypot(later.std(), random.std()) / np.sqrt(len(later)) / trial.baseline
        if drop >= MIN_DROP and drop >= MIN_Z * error:
            found.append((drop, name))
    if not found:
        return []
    drop, name = max(found)
    text = Message(
        "the rows depend on the time in column {column!r}: a small network that trains on the earlier "
        "rows explains {later} of the later ones, but {random:.0%} of rows drawn at random. If new rows "
        "will come later, the scores are too good. Pass {time}.",
        column=printable(name),
        random=explained,
        later=f"{explained - drop:.0%}" if explained - drop >= 0.005 else "nothing",
        time=Argument("time", name),
    )
    return [DataIssue("time", name, text)]


def _columns_of_times(frame, features):
    """Return (name, numbers of the times of the rows) of the columns that may be times."""
    out = []
    for name, kind in features.kinds().items():
        raw = frame.columns[frame.names.index(name)]
        if kind != "date" and not (kind == "number" and YEAR.search(name)):
            continue
        try:
            times = row_columns.to_times(raw, name)
        except DataError:
            continue
        if kind == "number" and not _are_years(raw):
            continue
        if times.numbers.max() + 1 >= MIN_VALUES:
            out.append((name, times.numbers))
    return out[:MAX_TIMES]


def _are_years(raw):
    """Whether numbers are years, or seconds since 1970."""
    values = raw.values
    if raw.kind != "number" or (values != np.round(values)).any():
        return raw.kind != "number"
    return values.min() >= MIN_SECONDS or (YEARS[0] <= values.min() and values.max() <= YEARS[1])


class _Trial:
    """Small networks on rows of a sample.

    Attributes
    ----------
    baseline : float
        The loss without inputs.
    """

    def __init__(self, frame, features, y, is_classifier, seed):
        self.is_classifier, self.seed = is_classifier, int(seed)
        numbers, codes = features.transform(frame)
        if is_classifier:
            self.y = np.unique(y.astype(str), return_inverse=True)[1]
            counts = np.bincount(self.y) / len(y)
            self.n_out = len(counts)
            self.baseline = float(-(counts * np.log(counts)).sum())
            target = self.y if self.n_out == 2 else np.eye(self.n_out)[self.y]
        else:
            low, high = np.quantile(y, [0.01, 0.99])
            clipped = np.clip(y.astype(np.float64), low, high)
            target = (clipped - clipped.mean()) / (clipped.std() or 1.0)
            self.y, self.n_out, self.baseline = target.astype(np.float32)[:, None], 1, 1.0
        scaled = [
            (Scaling.fit(x, feature.part == "value"), x)
            for feature, x in zip(features.numbers, numbers)
        ]
        n_categories = [
            0 if category.part == "day of year" else category.n_categories
            for category in features.categories
        ]
        encoder = Encoder.fit(scaled, n_categories, target, EncoderSettings(N_BINS), WIDTH)
        self.X = encoder.encode(numbers, codes)

    def losses(self, order):
        """Return the losses of the last rows of an order, of a network that the others train."""
        cut = round(TRAINED * len(order))
        train, test = order[:cut], order[cut:]
        net = MLP(
            [self.X.n_inputs, WIDTH, self.n_out],
            "silu",
            "softmax" if self.is_classifier else "identity",
            rng=self.seed,
        )
        recipe.init(net, np.random.default_rng(self.seed))
        net.fit(
            self.X[train],
            self.y[train],
            optimizer=AdamW(lr=RATE, weight_decay=0.02),
            epochs=EPOCHS,
            batch_size=BATCH,
        )
        outputs = net.forward(self.X[test]).astype(np.float64)
        if self.is_classifier:
            return -np.log(np.maximum(outputs[np.arange(len(test)), self.y[test]], 1e-3))
        return ((outputs - self.y[test])[:, 0]) ** 2

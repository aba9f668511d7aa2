"""TextLayer: from the words of a text, and parts of them, to a few numbers that the networks read.

`kernels.find_ngrams` numbers the n-grams of a text. Each has a weight that falls with the number of texts
that have it (inverse document frequency), and the weights of a text are scaled to length 1. A linear
model of the targets follows: logistic regression for classes, ridge regression for numbers.

The layer of a fold learns from the training rows of the fold, and its networks learn from what layers say
about rows that these have not seen: see `fit_text_layer`.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from ...files.json_values import check, is_count
from ...kernels import find_ngrams, fit_linear_layer, sum_buckets

MAX_BITS, MIN_BITS = 16, 12  # of the number of a bucket
OUTPUT_BITS = 20  # of the number of weights of a fold, if there are many outputs
MIN_TEXTS = 2  # that an n-gram must occur in
PASSES = 10  # over the rows
#: Weight decay, relative to the loss of a row: the one with the lowest loss of held-out rows.
DECAYS = 0.03, 0.1, 0.3, 1.0, 3.0
ENOUGH = 2000  # held-out rows that choose it
#: The weights of an output are multiples of a power of two, at most this many: sums of them are exact, in
#: any order, and two characters of an exported file hold one.
MOST_STEPS = 4049
PARTS = 5  # of the training rows, if they are not those that other folds hold out
FEW_FOLDS, MANY_FOLDS = 4, 10  # between which they are


@dataclass(eq=False, repr=False)
class Ngrams:
    """The n-grams of the rows of a column.

    Attributes
    ----------
    starts : ndarray (n + 1,) of int64
        The buckets of row i are ``buckets[starts[i] : starts[i + 1]]``.
    buckets : ndarray of int32
    """

    starts: np.ndarray
    buckets: np.ndarray

    @classmethod
    def find(cls, values, n_bits):
        """Return those of the values of a `Text`."""
        codes, texts = values
        encoded = [*(text.encode("utf-8", "surrogatepass") for text in texts), b""]
        rows = [encoded[code] for code in codes.tolist()]
        ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
        return cls(*find_ngrams(b"".join(rows), ends, n_bits))

    def __len__(self):
        return len(self.starts) - 1

    def sum(self, weights):
        """Return the sum of weights (n_buckets, d), float32, over the n-grams of each row, (n, d)."""
        out = np.empty((len(self), weights.shape[1]))
        sum_buckets(self.starts, self.buckets, weights, out)
        return out

    def scales(self, squares):
        """Return what the weights of n-grams are multiplied by in each row. squares : of the weights"""
        sums = self.sum(squares[:, None])[:, 0]
        return np.divide(1, np.sqrt(sums), out=np.zeros(len(self)), where=sums > 0)


@dataclass(eq=False, repr=False)
class TextLayer:
    """The layer of a column for each fold.

    Attributes
    ----------
    squares : ndarray (n_buckets,) of float32
        The squares of the weights of n-grams.
    weights : ndarray (n_buckets, n_folds, n_outputs) of float32
        Those of the linear models, times the weights of n-grams; rounded by `round_weights`.
    offsets : ndarray (n_folds, n_outputs)
        The outputs of a text without known n-grams.
    """

    squares: np.ndarray
    weights: np.ndarray
    offsets: np.ndarray

    @property
    def n_folds(self):
        return len(self.offsets)

    @property
    def n_outputs(self):
        return self.offsets.shape[1]

    def outputs(self, values):
        """Return the outputs (n, n_folds, n_outputs) for the values of a `Text`."""
        ngrams = Ngrams.find(values, len(self.squares).bit_length() - 1)
        sums = ngrams.sum(self.weights.reshape(len(self.squares), -1))
        sums *= ngrams.scales(self.squares)[:, None]
        return sums.reshape(-1, *self.offsets.shape) + self.offsets

    def take(self, folds):
        """Return the layer of some folds."""
        weights = np.ascontiguousarray(self.weights[:, folds])
        return replace(self, weights=weights, offsets=self.offsets[folds])

    # ---- files ----

    def arrays(self, source):
        """Return the arrays of a file, by name. source : position in `Features.columns`"""
        parts = self.squares, self.weights, self.offsets
        return dict(zip(_names(source), parts))

    @staticmethod
    def expected_arrays(reader, source, n_outputs):
        """Return {name: (shape, dtype name)} of a file, whose arrays are not checked yet."""
        squares, weights, offsets = _names(source)
        n_buckets, n_folds = reader.length(squares), TextLayer.n_folds_in_file(reader, source)
        check(n_buckets & (n_buckets - 1) == 0 and is_count(n_buckets, 2**24, 2), squares)
        return {
            squares: ([n_buckets], "F32"),
            weights: ([n_buckets, n_folds, n_outputs], "F32"),
            offsets: ([n_folds, n_outputs], "F64"),
        }

    @staticmethod
    def n_folds_in_file(reader, source):
        """Return the number of folds in a file."""
        return reader.length(_names(source)[2])

    @classmethod
    def read(cls, reader, source):
        """Return the layer of a file whose arrays have been checked."""
        layer = cls(*map(reader.array, _names(source)))
        check(bool((layer.squares >= 0).all()), "text")
        check(all(bool(np.isfinite(part).all()) for part in layer.arrays(source).values()), "text")
        return layer


def round_weights(weights):
    """Return weights (n_buckets, n) in float32, those of each output as multiples of its step."""
    steps = find_steps(weights)
    return (np.rint(weights / steps) * steps).astype(np.float32)


def find_steps(weights, most=MOST_STEPS):
    """Return the least power of two for each output that is at least the largest weight / most."""
    mantissa, exponent = np.frexp(np.abs(weights).max(axis=0) / most)
    return np.ldexp(1.0, np.maximum(exponent - (mantissa == 0.5), -126))


def _names(source):
    return f"text{source}_squares", f"text{source}_weights", f"text{source}_offsets"


@dataclass(eq=False, repr=False)
class TextTargets:
    """What a layer learns.

    Attributes
    ----------
    y : ndarray (n, n_outputs)
        Numbers, or the shares of classes: of the second one if there are two.
    weight : ndarray (n,)
    is_classifier : bool
    """

    y: np.ndarray
    weight: np.ndarray
    is_classifier: bool

    @classmethod
    def of(cls, targets, rows):
        """Return those of FitRows. targets : TableClasses or TableNumbers"""
        y = np.asarray(targets.for_trees(rows.y), np.float64).reshape(len(rows), -1)
        weight = np.ones(len(rows)) if rows.weight is None else rows.weight.astype(np.float64)
        if not targets.is_classifier:
            mean = np.average(y, axis=0, weights=weight)
            y = (y - mean) / (np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weight)) or 1)
        return cls(y, weight, targets.is_classifier)

    def offset(self, rows):
        """Return the best outputs (n_outputs,) without inputs."""
        weight = self.weight[rows]
        mean = np.average(self.y[rows], axis=0, weights=weight if weight.any() else None)
        if not self.is_classifier:
            return mean
        mean = np.clip(mean, 1e-6, 1 - 1e-6)
        logits = np.log(mean / (1 - mean)) if len(mean) == 1 else np.log(mean)
        # without the last bits of a C library's log
        return logits.astype(np.float32).astype(np.float64)

    def losses(self, Z, rows):
        """Return the weighted losses of outputs Z of some rows."""
        y = self.y[rows]
        if not self.is_classifier:
            each = ((Z - y) ** 2).sum(axis=1)
        elif y.shape[1] == 1:
            each = (np.logaddexp(0, Z) - y * Z)[:, 0]
        else:
            each = np.logaddexp.reduce(Z, axis=1) - (y * Z).sum(axis=1)
        return self.weight[rows] * each


class LayerFit:
    """The linear models of a column, each of which is fitted once.

    Parameters
    ----------
    ngrams : Ngrams
        Of the training table.
    squares : ndarray (n_buckets,) of float32
    targets : TextTargets
    """

    def __init__(self, ngrams, squares, targets):
        self.ngrams, self.squares, self.targets = ngrams, squares, targets
        self.scales = ngrams.scales(squares)

    def fit(self, rows, decay):
        """Return the weights (n_buckets, n_outputs) in float32, and the offset, that some rows teach."""
        targets, offset = self.targets, self.targets.offset(rows)
        rng = np.random.default_rng(0)
        order = np.concatenate([rng.permutation(rows) for _ in range(PASSES)]).astype(np.int64)
        total = targets.weight[rows].sum()
        weight = targets.weight * (len(rows) / total if total > 0 else 1.0)
        out = np.zeros((len(self.squares), targets.y.shape[1]))
        fit_linear_layer(
            self.ngrams.starts,
            self.ngrams.buckets,
            self.squares.astype(np.float64),
            self.scales,
            order,
            targets.y,
            weight,
            offset,
            decay,
            targets.is_classifier,
            out,
        )
        return round_weights(out), offset

    def outputs(self, model):
        """Return the outputs (n, n_outputs) of what `fit` returned, for all rows."""
        weights, offset = model
        return self.ngrams.sum(weights) * self.scales[:, None] + offset

    def choose_decay(self, folds, run):
        """Return the decay with the lowest loss of rows that folds hold out. run : as `map`"""
        n_rows = np.cumsum([len(held_out) for _, held_out in folds])
        folds = folds[: 1 + int(np.searchsorted(n_rows, ENOUGH))]

        def loss(pair):
            (train, held_out), decay = pair
            outputs = self.outputs(self.fit(train, decay))
            return self.targets.losses(outputs[held_out], held_out).sum()

        losses = run(loss, [(fold, decay) for decay in DECAYS for fold in folds])
        return DECAYS[int(np.argmin(np.reshape(list(losses), (len(DECAYS), -1)).sum(axis=1)))]


def fit_text_layer(values, targets, folds, groups, n_threads):
    """Return the TextLayer of a column, and its outputs (n, n_folds, n_outputs) for the training table.

    A fold gives the rows that it holds out the outputs of a model of all rows that it trains on. These
    rows themselves are split into parts, those that other folds hold out, and each part gets the outputs
    of a model of the other parts: networks would trust a model too much that knows their targets.

    Parameters
    ----------
    values : (codes, texts)
        As `Text.convert` returns them.
    targets : TextTargets
    folds : list of (ndarray, ndarray)
        Training rows and held-out rows.
    groups : ndarray (n,) of int, or None
        Rows of the same group are in the same part.
    n_threads : int
    """
    n, n_outputs = targets.y.shape
    n_bits = int(np.clip(OUTPUT_BITS - (n_outputs - 1).bit_length(), MIN_BITS, MAX_BITS))
    ngrams = Ngrams.find(values, n_bits)
    counts = np.bincount(ngrams.buckets, minlength=2**n_bits)
    squares = np.where(counts >= MIN_TEXTS, (np.log((1 + n) / (1 + counts)) + 1) ** 2, 0)
    fit = LayerFit(ngrams, squares.astype(np.float32), targets)
    part_of_row = _split_into_parts(n, folds, groups)
    needed = [_models_of_fold(train, part_of_row) for train, _ in folds]
    models = {rows.tobytes(): rows for pairs in needed for _, rows in pairs}
    with ThreadPoolExecutor(n_threads) as pool:
        decay = fit.choose_decay(folds, pool.map)
        fitted = dict(zip(models, pool.map(lambda rows: fit.fit(rows, decay), models.values())))
    outputs = np.empty((n, len(folds), n_outputs))
    for k, pairs in enumerate(needed):
        for own, rows in pairs:
            outputs[own, k] = fit.outputs(fitted[rows.tobytes()])[own]
    own = [fitted[train.tobytes()] for train, _ in folds]
    weights = np.stack([weights for weights, _ in own], axis=1)
    return TextLayer(fit.squares, weights, np.stack([offset for _, offset in own])), outputs


def _models_of_fold(train, part_of_row):
    """Return pairs (rows that get outputs, rows that the model of these outputs learns from).

    All rows get those of the model of the fold first.
    """
    part = part_of_row[train]
    parts = [train[part == p] for p in np.unique(part)]
    rest = [(own, np.setdiff1d(train, own)) for own in parts]
    return [(slice(None), train), *((own, rows) for own, rows in rest if len(rows))]


def _split_into_parts(n, folds, groups):
    """Return the part of each of n rows: the fold that holds it out, or one of five at random.

    With few folds all parts are random, since a model of one or two folds is a weak one. So they are
    with many, since there would be a model for each pair of folds.
    """
    units = np.arange(n) if groups is None else groups
    part = np.random.default_rng(0).permutation(units.max() + 1)[units] % PARTS
    if FEW_FOLDS <= len(folds) <= MANY_FOLDS:
        part += len(folds)
        for k, (_, held_out) in enumerate(folds):
            part[held_out] = k
    return part

"""Targets: what the networks learn, and predictions from their outputs."""

from dataclasses import fields
from math import isfinite
from numbers import Integral

import numpy as np

from .. import functional, losses
from ..core.errors import Argument, DataError, Wording
from ..core.messages import hint_at, plural, printable
from ..core.validation import check_number
from ..files import json_values
from ..files.json_values import check, check_mapping, is_finite
from . import thresholds
from .columns.input_column import is_missing
from .thresholds import ChosenThreshold, ThresholdRule

MIN_T = 0.001  # of temperatures
TEMPERATURE_STD = 0.2  # of the prior of the logarithm of a classifier's temperature
MIN_RATE = 1e-6  # that the Poisson loss of a prediction is computed with
MAX_TARGET = 1e150  # its square is finite
NARROWEST = 0.001  # standard deviations of the targets: half the distance of two quantiles
UNBOUNDED, FAR = 1e37, 1e3  # the largest prediction: finite in float32, and far from all targets
MAX_TEXT = 40  # characters of a value in a message
# generated: losses, by src/generate.py from src/operations.py
#: Names of losses that scikit-learn uses.
ALIASES = {
    "squared_error": "mse",
    "absolute_error": "mae",
}
VALUES = {
    "mse": functional.mean_squared_error,
    "mae": functional.mean_absolute_error,
    "huber": functional.huber,
    "log_cosh": functional.log_cosh,
    "quantile": functional.quantile,
}
#: The metric that goes with a loss, and the loss of baselines.
LOSS_METRICS = {
    "mse": "rmse",
    "mae": "mae",
    "huber": "mae",
    "log_cosh": "mae",
    "quantile": "mae",
    "poisson": "rmse",
}
BASELINE_LOSSES = {
    "mse": "squared_error",
    "mae": "absolute_error",
    "huber": "squared_error",
    "log_cosh": "squared_error",
    "quantile": "squared_error",
    "poisson": "poisson",
}
# end of losses


def label_smoothing(n_classes):
    """Return the label smoothing: 0.1 for two and three classes, less for more.

    It removes about as much probability from the true class as the networks' own uncertainty. With
    many classes, more would hide how certain they are.
    """
    return min(0.1, 0.3 / n_classes)


class TableClasses:
    """Classes, learned with label smoothing that `finish` undoes.

    Attributes
    ----------
    labels : ndarray (n_classes,)
        The classes, sorted.
    n_out : int
        Number of classes.
    temperature : float
        Logarithms of the probabilities of an ensemble are divided by it. Means of probabilities
        that were smoothed are too cautious where the classes are easy to tell apart.
    chosen : ChosenThreshold or None
        The threshold that `fit` chose by a rule.
    """

    is_classifier = True
    output = "softmax"

    def __init__(self, labels, temperature=1.0, chosen=None):
        self.labels, self.n_out, self.temperature = labels, len(labels), temperature
        self.chosen = chosen
        self.smoothing = label_smoothing(self.n_out)
        self.loss = losses.CrossEntropy(label_smoothing=self.smoothing)

    def to_json(self):
        """Return a dict that JSON can hold."""
        out = dict(json_values.describe_classes(self.labels), temperature=self.temperature)
        return out if self.chosen is None else out | {"threshold": self.chosen.to_json()}

    @classmethod
    def from_json(cls, d):
        """Return the TableClasses of a file, or raise an error of `damage_refused`."""
        temperature = d["temperature"]
        check(is_finite(temperature) and MIN_T <= temperature <= 1 / MIN_T, "temperature")
        chosen = None
        if "threshold" in d:
            chosen = ChosenThreshold.from_json(check_mapping(d["threshold"], "threshold"))
        return cls(json_values.parse_classes(d), temperature, chosen)

    def to_numbers(self, y):
        """Return the number of the class of each row of the targets of `fit`."""
        y = to_labels(y)
        number_of = {label: i for i, label in enumerate(self.labels.tolist())}
        for row, label in enumerate(y.tolist()):
            if label not in number_of:
                raise DataError(
                    "{argument} holds the class {label!r} in {row}, which it did not hold in fit.",
                    "Pass the targets of fit.",
                    argument="y",
                    row=row,
                    label=label,
                )
        return np.array([number_of[label] for label in y.tolist()])

    def decide(self, P, threshold):
        """Return the class number of each row of probabilities.

        threshold : float, ndarray (n,) or None
            For all rows or each of them. None decides for the more probable class.
        """
        if threshold is None or P.shape[1] == 1:
            return P.argmax(axis=1)
        return (P[:, 1] >= threshold).astype(np.intp)

    def check_threshold(self, threshold):
        """Return a threshold as a number, a ThresholdRule or None. Raise an error if it is invalid,
        or if there are not two classes."""
        rule = thresholds.parse(threshold)
        if rule is None:
            return None
        is_rule = isinstance(rule, ThresholdRule)
        if not is_rule:
            check_number("threshold", threshold, above=0, below=1)
        if self.n_out > 2:
            shown = rule.text if is_rule else rule
            raise ValueError(
                f"threshold={shown!r} needs two classes, but y has {self.n_out}. "
                "Pass threshold=None, and decide by predict_proba."
            )
        return rule

    def find_threshold(self, threshold):
        """Return the number that a threshold stands for after `fit`, None for the more probable class."""
        rule = self.check_threshold(threshold)
        if not isinstance(rule, ThresholdRule) or self.n_out == 1:
            return None if self.n_out == 1 else rule
        if self.chosen is None or self.chosen.rule != rule:
            raise DataError(
                "{argument} is chosen by fit, but the estimator was fitted with another {name}.",
                "Fit it again, or pass a number.",
                argument=Argument("threshold", threshold),
            )
        return self.chosen.value

    def encode(self, y):
        """Return the targets that the networks learn. y : ndarray (n,) of class numbers."""
        return y

    def for_trees(self, y):
        """Return what a decision tree predicts to place the edges of bins."""
        return y if self.n_out == 2 else np.eye(self.n_out)[y]

    def finish(self, Y):
        """Return probabilities (n, n_classes) from outputs, in float64."""
        s, n = self.smoothing, self.n_out
        P = np.maximum((Y.astype(np.float64) - s / n) / (1 - s), 0.01 / n)
        return P / P.sum(axis=1, keepdims=True)

    def finish_derivatives(self, Y, J):
        """Return `finish` of outputs, and its derivatives. J : of the outputs, (n, n_out, d)"""
        P, least = (Y - self.smoothing / self.n_out) / (1 - self.smoothing), 0.01 / self.n_out
        D = np.where((P > least)[:, :, None], J / (1 - self.smoothing), 0)
        total, P = np.maximum(P, least).sum(axis=1)[:, None, None], self.finish(Y)
        return P, (D - P[:, :, None] * D.sum(axis=1, keepdims=True)) / total

    def calibrate_derivatives(self, P, D):
        """Return the derivatives of `calibrate` from those of P."""
        D = D / (P[:, :, None] * self.temperature)
        P = self.calibrate(P)[:, :, None]
        return P * (D - (P * D).sum(axis=1, keepdims=True))

    def fit_temperature(self, P, y, weight):
        """Choose the temperature for probabilities (n, n_classes) out of fold."""
        from ..estimators.ensemble import fit_temperature  # scikit-learn and SciPy

        self.temperature = fit_temperature(np.log(P)[None], y, weight, TEMPERATURE_STD)

    def calibrate(self, P):
        """Return probabilities (n, n_classes) at the temperature."""
        Z = np.log(P) / self.temperature
        P = np.exp(Z - Z.max(axis=1, keepdims=True))
        return P / P.sum(axis=1, keepdims=True)

    def value(self, P, y, weight):
        """Return the log loss of probabilities."""
        p = P[np.arange(len(y)), y]
        return float(np.average(-np.log(p), weights=weight))

    def errors(self, P, y):
        """Return None: there are no intervals."""
        return None


class TableNumbers:
    """Numbers or their logarithms, learned with the mean subtracted and divided by the standard
    deviation.

    Attributes
    ----------
    loss : Loss
    n_out : int
    shift, scale : float
        The networks learn (y - shift) / scale, or (log y - shift) / scale.
    bounds : (float, float)
        Range of the training targets, to which predictions are limited.
    log : bool
    limits : (float, float) or None
        Those of the user, which `bounds` keep, and intervals. They are infinite where there is none.
    """

    is_classifier = False
    limits: tuple[float, float] | None = None

    def __init__(self, loss, shift, scale, bounds, log=False):
        self.loss, self.shift, self.scale, self.bounds, self.log = loss, shift, scale, bounds, log
        self.output = loss.output or "identity"
        self.n_out = np.size(loss.q) if isinstance(loss, losses.Quantile) else 1

    @classmethod
    def fit(cls, loss, y, log=False):
        """Return the TableNumbers for training targets y (n,) in float64, above 0 if log is True."""
        loss = resolve_regression_loss(loss)
        largest = float(np.abs(y).max())
        if largest > MAX_TARGET:
            raise DataError(
                "{argument} holds numbers up to {largest:.0e}, but at most {most:.0e} is supported.",
                "Rescale {argument}.",
                argument="y",
                largest=largest,
                most=MAX_TARGET,
            )
        bounds = float(y.min()), float(y.max())
        if isinstance(loss, losses.Poisson):
            if log:
                raise DataError(
                    "{argument} cannot be combined with {loss}, which learns the logarithm of the mean.",
                    "Choose one of the two.",
                    argument=Argument("log_target", True),
                    loss=Argument("loss", "poisson"),
                )
            if bounds[0] < 0:
                raise DataError(
                    "{argument} needs targets of at least 0, got {value:g} in {row}.",
                    "Pass counts, or choose another {name}.",
                    argument=Argument("loss", "poisson"),
                    row=int(y.argmin()),
                    value=bounds[0],
                )
            return cls(loss, 0.0, float(y.mean()) or 1.0, bounds)
        z = np.log(y) if log else y
        return cls(loss, float(z.mean()), float(z.std()) or 1.0, bounds, log)

    def to_json(self):
        """Return a dict that JSON can hold."""
        return dict(
            loss=losses.describe(self.loss),
            shift=self.shift,
            scale=self.scale,
            bounds=list(self.bounds),
            log=self.log,
            **({} if self.limits is None else {"limits": [_finite(x) for x in self.limits]}),
        )

    @classmethod
    def from_json(cls, d):
        """Return the TableNumbers of a file, or raise an error of `damage_refused`."""
        shift, scale, bounds = d["shift"], d["scale"], d["bounds"]
        check(all(map(is_finite, [shift, scale, *bounds])), "targets")
        check(len(bounds) == 2 and bounds[0] <= bounds[1] and scale > 0, "targets")
        loss, log = resolve_regression_loss(losses.from_description(d["loss"])), d["log"]
        check(type(log) is bool and (bounds[0] > 0 or not log), "log")
        self = cls(loss, shift, scale, tuple(bounds), log)
        if "limits" in d:
            self.limits = check_limits(d["limits"])
        return self

    @property
    def limits_of_intervals(self):
        """(float, float): numbers that no interval leaves, perhaps infinite."""
        low, high = self.limits or (-np.inf, np.inf)
        return max(low, 0.0) if isinstance(self.loss, losses.Poisson) else low, high

    def lift_bounds(self):
        """Let predictions leave the range of the training targets."""
        positive = self.log or isinstance(self.loss, losses.Poisson)
        most = max(UNBOUNDED, FAR * max(map(abs, self.bounds)))
        self.bounds = (1 / most if positive else -most), most

    def limit(self, limits):
        """Keep predictions within limits of the user. limits : (float, float)"""
        low, high = self.limits = limits
        least, most = self.bounds
        if not max(low, least) <= min(high, most):
            raise DataError(
                "{argument} has none of the training targets, which are from {least:g} to {most:g}: it is "
                "{value}.",
                "Pass bounds around targets, in their units.",
                argument="bounds",
                value=_limits_text([x if isfinite(x) else None for x in limits]),
                least=least,
                most=most,
            )
        self.bounds = max(low, least), min(high, most)

    def to_numbers(self, y):
        """Return targets in float64, after checks."""
        return check_targets(y, self.log)

    def transform(self, y):
        """Return targets or predictions on the scale where errors count: y, or its logarithm."""
        return np.log(y) if self.log else y

    def invert(self, z):
        """Return y for numbers on that scale."""
        if not self.log:
            return z
        with np.errstate(over="ignore"):
            return np.exp(z)

    def encode(self, y):
        return ((self.transform(y) - self.shift) / self.scale).astype(np.float32)

    def for_trees(self, y):
        return self.transform(y)

    def finish(self, Y):
        """Return predictions (n,), or (n, n_quantiles), from outputs, in float64."""
        z = Y.astype(np.float64) * self.scale + self.shift
        P = np.clip(self.invert(z), *self.bounds)
        if self.n_out == 1:
            return P[:, 0]
        order = np.argsort(np.argsort(self.loss.q))
        return np.sort(P, axis=1)[:, order]  # quantiles must not cross

    def calibrate(self, P):
        """Return predictions as they are."""
        return P

    def finish_derivatives(self, Y, J):
        """Return `finish` of outputs, and its derivatives. J : of the outputs, (n, n_out, d)"""
        P = self.invert(Y * self.scale + self.shift)
        inside = (self.bounds[0] < P) & (P < self.bounds[1])
        D = J * np.where(inside, self.scale * (P if self.log else 1), 0)[:, :, None]
        if self.n_out > 1:
            order = np.argsort(P, axis=1)[:, np.argsort(np.argsort(self.loss.q))]
            D = np.take_along_axis(D, order[:, :, None], axis=1)
        return self.finish(Y), D

    def calibrate_derivatives(self, P, D):
        """Return derivatives as they are."""
        return D

    def errors(self, P, y):
        """Return the absolute errors of predictions, in units of what `centers` returns."""
        centers, scales = self.centers(P)
        errors = np.abs(self.transform(y) - centers)
        return errors if scales is None else errors / scales

    def centers(self, P):
        """Return the middles of intervals, and what their errors are in units of, or None.

        Those of several quantiles are between the least and the largest, and in units of half of
        their distance. Both are on the scale where errors count. P : (..., n, n_quantiles), or (..., n)
        """
        z = self.transform(P)
        if self.n_out == 1:
            return z, None
        low, high = z.min(axis=-1), z.max(axis=-1)
        return (low + high) / 2, np.maximum((high - low) / 2, self.narrowest)

    @property
    def narrowest(self):
        """float: the least half of the distance of two quantiles."""
        return NARROWEST * self.scale

    def value(self, P, y, weight):
        """Return the loss of predictions, in units of the scaled targets."""
        P, y = ((self.transform(a) - self.shift) / self.scale for a in (P, y))
        if P.ndim == 2:
            y = np.repeat(y[:, None], P.shape[1], axis=1)
        if isinstance(self.loss, losses.Poisson):
            Z = np.log(np.maximum(P, MIN_RATE))
            return functional.poisson_nll(Z, y, weight)
        options = {f.name: getattr(self.loss, f.name) for f in fields(self.loss)}
        return VALUES[self.loss.name](P, y, weight, **options)


def _finite(x):
    """Return a number as JSON can hold it: None if it is infinite."""
    return x if np.isfinite(x) else None


def check_limits(bounds):
    """Return the limits of predictions, infinite for None. bounds : as passed"""
    values = list(bounds)
    are_numbers = all(
        x is None
        or (
            isinstance(x, Integral | float | np.floating)
            and not isinstance(x, bool)
            and isfinite(x)
        )
        for x in values
    )
    if are_numbers and len(values) == 2:
        low, high = values
        limits = -np.inf if low is None else float(low), np.inf if high is None else float(high)
        if limits[0] < limits[1]:
            return limits
    raise DataError(
        "{argument} must be (low, high) with low < high, got {value}.",
        "Pass finite numbers in the units of the target, and {none} for no limit.",
        argument="bounds",
        value=_limits_text(values, repr(bounds)),
        none=Wording("None", "nothing"),
    )


def _limits_text(values, passed=None):
    """Return how messages show limits. values : list; passed : how they show them in Python"""
    command = ",".join("" if x is None else f"{x}".removesuffix(".0") for x in values)
    return Wording(passed or repr(tuple(values)), command)


def resolve_regression_loss(loss):
    """Return the Loss of a regression for a name or an object."""
    known = [*ALIASES, *LOSS_METRICS]
    if isinstance(loss, str):
        name = ALIASES.get(loss, loss)
        if name in LOSS_METRICS:
            return losses.LOSSES[name]()
    elif isinstance(loss, losses.Loss) and loss.name in LOSS_METRICS:
        return loss
    raise ValueError(
        f"loss must be one of {', '.join(known)}, or the object of such a loss from fastnn.losses, "
        f"for example losses.Quantile((0.1, 0.9)), got {loss!r}{hint_at(loss, known)}"
    )


def label_text(label):
    """Return a class as a text, as a table file holds it."""
    return str(label).lower() if isinstance(label, (bool, np.bool_)) else str(label)


# ---- the y of `fit` ----


def to_labels(y):
    """Return classes as a vector that scikit-learn can sort. Missing classes are an error."""
    from sklearn.utils.validation import column_or_1d

    dtype = getattr(y, "dtype", None)
    if dtype is not None and not isinstance(dtype, np.dtype) and hasattr(y, "to_numpy"):
        y = y.to_numpy()  # an extension type of pandas, or Polars
    y = column_or_1d(y, warn=True)
    if y.dtype.kind == "f":
        _check_finite(y)
    return _sortable(y) if y.dtype == object else y


def _sortable(y):
    """Return classes that are Python objects as Booleans, whole numbers or else as they are."""
    values = y.tolist()
    for row, value in enumerate(values):
        if is_missing(value):
            raise DataError(
                "{argument} has a missing class in {row}.", "Remove the row.", argument="y", row=row
            )
    for kind, dtype in ((bool, bool), (Integral, np.int64)):
        if all(isinstance(value, kind) for value in values):
            return y.astype(dtype)
    if len({isinstance(value, str) for value in values}) > 1:
        names = sorted({type(value).__name__ for value in values})
        raise ValueError(
            f"y holds classes of the types {', '.join(names)}, which cannot be sorted. Convert them "
            "to texts: [str(label) for label in y]"
        )
    return y


def _check_finite(y):
    """Raise DataError if a target is missing or infinite."""
    wrong = np.flatnonzero(~np.isfinite(y))
    if n := len(wrong):
        row = int(wrong[0])
        raise DataError(
            "{argument} is {what} in {row}{others}.",
            "Remove {rows} from X and y.",
            argument="y",
            row=row,
            what="missing (NaN)" if np.isnan(y[row]) else "infinite",
            others=f" and {plural(n - 1, 'other row')}" if n > 1 else "",
            rows="these rows" if n > 1 else "the row",
        )


def _refuse_text(y):
    """Raise DataError for the first of some targets that is not a number, if there is one."""
    for row, value in enumerate(y):
        try:
            float(value)
        except (TypeError, ValueError):
            raise DataError(
                "{argument} must hold numbers, but holds {value!r} in {row}.",
                "To convert texts such as $1,234 and 12%, pass "
                "fastnn.tables.convert_texts(pyarrow.table(dict(y=texts)))['y'] as y. For classes, "
                "use TabularClassifier.",
                argument="y",
                value=printable(str(value), MAX_TEXT),
                row=row,
            ) from None


def check_targets(y, log):
    """Return targets in float64, after checks. log : whether their logarithm is learned"""
    from sklearn.utils.validation import check_array, column_or_1d

    if getattr(getattr(y, "dtype", None), "kind", "") in ("M", "m"):
        raise ValueError(f"y holds {y.dtype}, but must hold numbers. Convert it to numbers.")
    try:
        y = check_array(
            y, dtype=np.float64, ensure_2d=False, ensure_all_finite=False, input_name="y"
        )
    except (TypeError, ValueError) as error:
        if isinstance(error, ValueError) and "could not convert" not in str(error):
            raise
        _refuse_text(np.asarray(y, object).ravel())
        raise
    y = column_or_1d(y, warn=True)
    _check_finite(y)
    if log and y.min() <= 0:
        raise DataError(
            "{argument} needs targets above 0, got {value:g} in {row}.",
            "Pass log_target=False, loss='poisson' for counts, or fit np.log1p(y) and apply "
            "np.expm1 to the predictions.",
            argument=Argument("log_target", True),
            row=int(y.argmin()),
            value=y.min(),
        )
    return y

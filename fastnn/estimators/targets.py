"""ClassTargets and NumberTargets: the classes or numbers of y, and predictions from the outputs of networks."""

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import type_of_target

from .. import kernels, losses
from ..core.messages import printable, warn
from ..core.validation import as_array, check_number
from ..files import json_values
from ..files.json_values import check, is_count
from . import ensemble, inputs, parameters

MULTILABEL = "multilabel-indicator"
SQUARED_ERROR = "squared_error"


def check_are_classes(kind, regressor):
    """Raise ValueError if the targets are numbers. kind : as scikit-learn's type_of_target says it"""
    if kind not in ("binary", "multiclass", MULTILABEL):
        raise ValueError(
            f"Unknown label type: {kind}. y must contain classes. To predict numbers, use {regressor}."
        )


def warn_one_class(classes):
    """Warn if there is one class: nothing can be learned."""
    if len(classes) == 1:
        warn(
            f"y holds only the class {printable(repr(classes.tolist()[0]))}, so every prediction is "
            "this class. Pass rows of at least two classes."
        )


def unique_classes(classes):
    """Return the sorted classes of an argument."""
    classes = as_array("classes", classes)
    if classes.ndim != 1:
        raise ValueError(f"classes must be a list of all classes, got {classes.tolist()!r}")
    with sorting("classes", classes):
        return np.unique(classes)


@dataclass(frozen=True, eq=False)
class ClassTargets:
    """The targets of `MLPClassifier`.

    Attributes
    ----------
    classes : ndarray
    kind : {"binary", "multiclass", "multilabel-indicator"}
    loss : Loss
        That of the last fit.
    """

    classes: np.ndarray
    kind: str
    loss: Any = None

    has_classes = True
    has_variance = False  # whether `row_scores` needs that of the targets

    @classmethod
    def fit(cls, y, classes=None):
        """Return the ClassTargets of y, or of the `classes` passed to partial_fit."""
        with sorting("y", y):
            kind = type_of_target(y, input_name="y")
        if kind == "multiclass-multioutput":
            raise ValueError(
                "y has several columns of classes. Pass one column, or an indicator matrix of 0 "
                "and 1 for multi-label classification."
            )
        check_are_classes(kind, "MLPRegressor")
        if kind == MULTILABEL:
            return cls(np.arange(y.shape[1]), kind)
        classes = unique_classes(y if classes is None else classes)
        return cls(classes, "binary" if len(classes) <= 2 else "multiclass")

    def part_to_json(self):
        """Return what `union` needs of the targets of a part of the rows, as JSON can hold it."""
        return self.to_json(None)

    @classmethod
    def union(cls, parts):
        """Return the ClassTargets of all rows. parts : what `part_to_json` returned, of each that has rows"""
        kinds, counts = {part["type"] for part in parts}, {len(part["classes"]) for part in parts}
        if MULTILABEL in kinds:
            if len(kinds) > 1 or len(counts) > 1:
                raise ValueError(
                    "y is an indicator matrix in some parts of the rows, but has classes or another "
                    "number of columns in others. Pass y of one kind."
                )
            return cls(np.arange(*counts), MULTILABEL)
        types = {_type_of_label(label) for part in parts for label in part["classes"]}
        if len(types) > 1:
            raise ValueError(
                f"y has classes of several types in its parts: {' and '.join(sorted(types))}. Pass "
                "classes of one type."
            )
        classes = np.unique(np.concatenate([json_values.parse_classes(part) for part in parts]))
        return cls(classes, "binary" if len(classes) <= 2 else "multiclass")

    @classmethod
    def restore(cls, classes, kind, parameter):
        """Return the ClassTargets of a fitted classifier, or raise ValueError if the classes do not
        fit the kind. parameter : `loss`"""
        n = len(classes)
        valid = {
            "binary": n <= 2,
            "multiclass": n > 2,
            MULTILABEL: classes.tolist() == list(range(n)),
        }
        check(valid[kind], "classes")
        return cls(classes, kind, cls(classes, kind).resolve_loss(parameter))

    def attributes(self):
        """Return the attributes of an estimator with these targets."""
        return dict(targets_=self, classes_=self.classes)

    @property
    def is_multilabel(self):
        return self.kind == MULTILABEL

    @cached_property
    def numbers(self):
        """dict: number of each class."""
        return {label: number for number, label in enumerate(self.classes.tolist())}

    # ---- training ----

    def check_same(self, found):
        """Raise ValueError unless `found`, the ClassTargets of a warm start, has the same classes."""
        has_labels = self.is_multilabel or found.is_multilabel  # `encode` checks them
        if not has_labels and not np.array_equal(self.classes, found.classes):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to "
                f"fit. Previously got {self.classes}, `y` has {found.classes}. Pass rows of each class, "
                "or set warm_start=False."
            )

    def encode(self, y, dtype, estimator_name):
        """Return the targets as networks learn them."""
        if self.is_multilabel:
            if type_of_target(y) != self.kind or y.shape[1] != len(self.classes):
                raise ValueError(
                    f"y must be an indicator matrix with {len(self.classes)} columns, as in the "
                    f"first call of fit or partial_fit, got shape {y.shape}"
                )
            return np.asarray(y.toarray() if inputs.is_sparse(y) else y, dtype)
        if y.ndim != 1:
            raise ValueError(f"y must have shape (n,), one class per row, got shape {y.shape}")
        if not len(y):  # of a rank without rows, in any dtype
            y = y.astype(self.classes.dtype)
        with sorting("y", y, self.classes):
            targets = np.minimum(np.searchsorted(self.classes, y), len(self.classes) - 1)
        unknown = self.classes[targets] != y
        if unknown.any():
            names = np.unique(y[unknown]).tolist()
            raise ValueError(
                f"y has classes not in classes_: {names}; classes_ is {self.classes.tolist()}"
            )
        return targets.astype(dtype)[:, None] if self.kind == "binary" else targets

    def write_label(self, label, targets):
        """Write the number of a label's class to `targets`, an array of one row, for online learning.

        Return False if the label needs the checks of `encode`.
        """
        if self.is_multilabel:
            return False
        label = label.item() if isinstance(label, np.generic) else label
        try:
            number = self.numbers.get(label)
        except TypeError:  # a label in a list or an array
            return False
        if number is None:
            return False
        targets[0] = number
        return True

    def outputs(self, loss=None):
        """Return the number of outputs and their activation, whatever the loss is."""
        output = "softmax" if self.kind == "multiclass" else "sigmoid"
        return 1 if self.kind == "binary" else len(self.classes), output

    def resolve_loss(self, parameter):
        """Return the Loss for the parameter `loss`."""
        _, output = self.outputs()
        if parameter == "log_loss":
            return losses.resolve_loss(None, output)
        if isinstance(parameter, losses.Loss) and parameter.output not in (None, output):
            raise ValueError(
                f"loss={parameter!r} does not fit {len(self.classes)} classes "
                f"({self.kind}). Use losses.BCE for two classes or several labels, and "
                "losses.CrossEntropy for three or more classes."
            )
        return parameters.resolve_estimator_loss(parameter, output, ("log_loss",))

    def class_weights(self, parameter, y):
        """Return the weight of the class of each row, or None. parameter : `class_weight`"""
        if parameter is None:
            return None
        if isinstance(parameter, dict):
            for label, weight in parameter.items():
                check_number(f"class_weight of {label!r}", weight, minimum=0)
        return compute_sample_weight(parameter, y) if len(y) else np.zeros(0)

    def full_class_weight(self, parameter, parts):
        """Return the weight of each class that has one, as scikit-learn defines them.

        parameter : `class_weight`; parts : (what `part_to_json` returned, rows of each of these classes)
        """
        if self.is_multilabel:
            raise ValueError(
                "class_weight does not work with comm or Dask if y is an indicator matrix. Pass "
                "sample_weight."
            )
        n_rows = dict.fromkeys(self.classes.tolist(), 0)
        for part, counts in parts:
            for label, n in zip(json_values.parse_classes(part).tolist(), counts):
                n_rows[label] = n_rows.get(label, 0) + n
        counts = np.array(list(n_rows.values()), np.float64)[: len(self.classes)]
        labels = self.classes.tolist()
        if parameter == "balanced":
            n_classes = np.count_nonzero(counts)
            return dict(zip(labels, (counts.sum() / (n_classes * np.maximum(counts, 1))).tolist()))
        unknown = [label for label in parameter if label not in labels]
        if unknown:
            raise ValueError(
                f"class_weight has classes that y does not have: {unknown}. y has {labels}."
            )
        return dict.fromkeys(labels, 1.0) | parameter

    def stratify_labels(self, y):
        """Return what to stratify held-out rows by, or None."""
        # Like scikit-learn, so that the same rows are held out.
        return y if self.kind == "binary" else None

    def fold_labels(self, y):
        """Return what to stratify folds by, or None."""
        return None if self.is_multilabel else y

    def to_check(self, data):
        """Return None: classes have no scale."""
        return None

    # ---- predictions ----

    def decide(self, Y):
        """Return the predicted classes of outputs Y."""
        if self.kind == MULTILABEL:
            return (Y > 0.5).astype(int)
        if self.kind == "binary":
            is_second = (Y[:, 0] > 0.5) & (len(self.classes) == 2)
            return self.classes[is_second.astype(np.intp)]
        return self.classes[Y.argmax(axis=1)]

    def from_outputs(self, Y):
        """Return the probability of each class or label."""
        if self.kind != "binary":
            return Y
        if len(self.classes) == 1:
            return np.ones_like(Y)
        return kernels.two_classes(Y)

    def from_jacobian(self, J):
        """Return the derivatives of each probability. J : of the outputs, (n, n_out, n_in)"""
        if self.kind != "binary":
            return J
        if len(self.classes) == 1:
            return np.zeros_like(J)
        return np.concatenate([-J, J], axis=1)

    def log_probabilities(self, logits):
        """Return the logarithm of the mean probability of each class or label.

        logits : list of ndarray, of each network
        """
        if self.kind == "multiclass":
            return ensemble.mean_log([ensemble.log_softmax(Z) for Z in logits])
        log_p = ensemble.mean_log([ensemble.log_sigmoid(Z) for Z in logits])
        if self.is_multilabel:
            return log_p
        if len(self.classes) == 1:
            return np.zeros_like(log_p)
        return np.hstack([ensemble.mean_log([ensemble.log_sigmoid(-Z) for Z in logits]), log_p])

    def errors(self, P, y):
        """Return None: there are no intervals."""
        return None

    def row_scores(self, targets, Y, variance):
        """Return whether outputs Y are right for each row, as 0 and 1. targets : from `encode`"""
        if self.kind == "multiclass":
            return (Y.argmax(axis=1) == targets).astype(np.float64)
        return ((Y > 0.5) == (targets > 0.5)).all(axis=1).astype(np.float64)

    def score(self, y, Y, weight):
        """Return the mean accuracy of outputs Y."""
        correct = self.decide(Y) == (y.toarray() if inputs.is_sparse(y) else y)
        if correct.ndim == 2:
            correct = correct.all(axis=1)
        return float(np.average(correct, weights=weight))

    # ---- files ----

    def to_json(self, parameter):
        """Return a dict that JSON can hold."""
        return dict(type=self.kind, **json_values.describe_classes(self.classes))

    @classmethod
    def from_json(cls, d, parameter):
        """Return the ClassTargets that `to_json` described, or raise an error if d is damaged."""
        return cls.restore(json_values.parse_classes(d), d["type"], parameter)


@contextmanager
def sorting(name, *labels):
    """Name the argument in errors about labels without an order. labels : all that are compared"""
    try:
        yield
    except TypeError:
        types = sorted({type(x).__name__ for each in labels for x in np.ravel(each).tolist()})
        raise TypeError(
            f"{name} must hold classes that can be sorted, together with those of fit. They are "
            f"{' and '.join(types)}: convert them to one type, such as str."
        ) from None


def _type_of_label(label):
    if isinstance(label, bool):
        return "Booleans"
    return "texts" if isinstance(label, str) else "numbers"


@dataclass(frozen=True, eq=False)
class NumberTargets:
    """The targets of `MLPRegressor`.

    Attributes
    ----------
    n_targets : int
    loss : Loss
        That of the last fit.
    """

    n_targets: int
    loss: Any = None

    has_classes = False

    @classmethod
    def fit(cls, y, classes=None):
        """Return the NumberTargets of training targets."""
        return cls(1 if y.ndim == 1 else y.shape[1])

    def part_to_json(self):
        """Return what `union` needs of the targets of a part of the rows, as JSON can hold it."""
        return self.n_targets

    @classmethod
    def union(cls, parts):
        """Return the NumberTargets of all rows. parts : what `part_to_json` returned, of each that has rows"""
        return cls(parts[0])  # their numbers of columns have been compared

    def attributes(self):
        """Return the attributes of an estimator with these targets."""
        return dict(targets_=self)

    # ---- training ----

    def check_same(self, found):
        """Do nothing: `encode` compares the numbers of targets."""

    def encode(self, y, dtype, estimator_name):
        """Return the targets as a matrix."""
        y = y.reshape(len(y), -1 if len(y) else self.n_targets)
        if y.shape[1] != self.n_targets:
            raise ValueError(
                f"y has {y.shape[1]} targets, but this {estimator_name} was fitted with "
                f"{self.n_targets}"
            )
        return np.ascontiguousarray(y, dtype)

    def outputs(self, loss):
        """Return the number of outputs and their activation."""
        if isinstance(loss, losses.GaussianNLL):
            outputs_per_target = 2  # mean and log-variance
        elif isinstance(loss, losses.Quantile):
            outputs_per_target = np.size(loss.q)
        else:
            outputs_per_target = 1
        return outputs_per_target * self.n_targets, loss.output or "identity"

    def resolve_loss(self, parameter):
        """Return the Loss for the parameter `loss`."""
        if parameter == SQUARED_ERROR:
            return parameters.HalfSquaredError()
        if parameter == "poisson":
            return losses.Poisson()
        return parameters.resolve_estimator_loss(
            parameter,
            getattr(parameter, "output", None) or "identity",
            ("squared_error", "poisson"),
        )

    def class_weights(self, parameter, y):
        """Return None: there are no classes."""
        return None

    def stratify_labels(self, y):
        """Return None: held-out rows are drawn from all rows."""
        return None

    def fold_labels(self, y):
        """Return None: folds are drawn from all rows."""
        return None

    def to_check(self, data):
        """Return the targets whose scale matters, or None."""
        return data.targets if data.loss.output is None else None

    # ---- predictions ----

    def from_outputs(self, Y):
        """Return the predicted values."""
        return squeeze(Y[:, : self.n_targets] if isinstance(self.loss, losses.GaussianNLL) else Y)

    def from_jacobian(self, J):
        """Return the derivatives of the predicted values. J : of the outputs, (n, n_out, n_in)"""
        return self.from_outputs(J)

    def errors(self, P, y):
        """Return the absolute errors (n, n_targets) of values P; None for several quantiles."""
        P, y = P.reshape(len(y), -1).astype(np.float64), y.reshape(len(y), -1)
        return np.abs(y - P) if P.shape == y.shape else None

    @property
    def has_variance(self):
        """bool: whether `row_scores` needs that of the targets."""
        return not isinstance(self.loss, losses.Quantile)

    def row_scores(self, targets, Y, variance):
        """Return numbers for the rows of outputs Y whose mean is the score.

        variance : ndarray (n_targets,), of the targets of all rows
        """
        if isinstance(self.loss, losses.Quantile):
            q = np.tile(self.loss.q, Y.shape[1] // np.size(self.loss.q))
            above = np.repeat(targets, np.size(self.loss.q), axis=1) - Y
            return -np.maximum(q * above, (q - 1) * above).mean(axis=1)
        residual = (targets - Y[:, : self.n_targets].astype(np.float64)) ** 2
        return 1 - (residual / np.where(variance > 0, variance, 1)).mean(axis=1)

    def score(self, y, Y, weight):
        """Return R^2 of outputs Y, averaged over targets, or the negative loss for quantiles."""
        y = y.reshape(len(y), -1)
        if not self.has_variance:
            return float(np.average(self.row_scores(y, Y, None), weights=weight))
        Y = Y[:, : self.n_targets]
        if not np.isfinite(Y).all():
            return np.nan
        residual = np.average((y - Y) ** 2, axis=0, weights=weight)
        variance = np.average(
            (y - np.average(y, axis=0, weights=weight)) ** 2, axis=0, weights=weight
        )
        return float(np.mean(1 - residual / np.where(variance > 0, variance, 1)))

    # ---- files ----

    def to_json(self, parameter):
        """Return what predictions need as a dict that JSON can hold. parameter : `loss`"""
        loss = self.loss
        if isinstance(loss, losses.CustomLoss):
            loss = self.resolve_loss(parameter)  # a loss that set_params has put in its place
        if isinstance(loss, parameters.HalfSquaredError):
            description = {"loss": SQUARED_ERROR}
        else:
            description = parameters.describe_options("loss", loss)
        if self.outputs(loss) != self.outputs(self.loss):
            raise ValueError(
                f"loss={parameter!r} has other outputs than the custom loss of the last fit. Call "
                "set_params(loss='squared_error') before save."
            )
        return dict(n_targets=self.n_targets, loss=description)

    @classmethod
    def from_json(cls, d, parameter):
        """Return the NumberTargets that `to_json` described, or raise an error if d is damaged."""
        check(is_count(d["n_targets"], 2**24, 1), "n_targets")
        if d["loss"] == {"loss": SQUARED_ERROR}:
            return cls(d["n_targets"], parameters.HalfSquaredError())
        return cls(d["n_targets"], losses.from_description(d["loss"]))


def squeeze(Y):
    """Return an array (n, 1, ...) without its second axis, others as they are."""
    return Y[:, 0] if Y.shape[1] == 1 else Y

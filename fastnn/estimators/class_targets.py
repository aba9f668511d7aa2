"""ClassTargets: the classes of y, and predictions from the outputs of networks."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import type_of_target

from .. import kernels, losses
from ..core.validation import check_number
from ..files import json_values
from ..files.checks import check
from . import ensemble, inputs, parameters


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

    @classmethod
    def fit(cls, y, classes=None):
        """Return the ClassTargets of y, or of the `classes` passed to partial_fit."""
        kind = type_of_target(y, input_name="y")
        if kind == "multiclass-multioutput":
            raise ValueError(
                "y has several columns of classes. Pass one column, or an indicator matrix of 0 "
                "and 1 for multi-label classification."
            )
        if kind not in ("binary", "multiclass", "multilabel-indicator"):
            raise ValueError(
                f"Unknown label type: {kind}. y must contain classes. To predict "
                "numbers, use MLPRegressor."
            )
        if kind == "multilabel-indicator":
            return cls(np.arange(y.shape[1]), kind)
        classes = np.unique(y if classes is None else classes)
        return cls(classes, "binary" if len(classes) <= 2 else "multiclass")

    @classmethod
    def restore(cls, classes, kind, parameter):
        """Return the ClassTargets of a fitted classifier, or raise ValueError if the classes do not
        fit the kind. parameter : `loss`"""
        n = len(classes)
        valid = {
            "binary": n <= 2,
            "multiclass": n > 2,
            "multilabel-indicator": classes.tolist() == list(range(n)),
        }
        check(valid[kind], "classes")
        return cls(classes, kind, cls(classes, kind).resolve_loss(parameter))

    def attributes(self):
        """Return the attributes of an estimator with these targets."""
        return dict(targets_=self, classes_=self.classes)

    @property
    def is_multilabel(self):
        return self.kind == "multilabel-indicator"

    @cached_property
    def numbers(self):
        """dict: number of each class."""
        return {label: number for number, label in enumerate(self.classes.tolist())}

    # ---- training ----

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
            return losses.resolve(None, output)
        if isinstance(parameter, losses.Loss) and parameter.output not in (None, output):
            raise ValueError(
                f"loss={parameter!r} does not fit {len(self.classes)} classes "
                f"({self.kind}). Use losses.BCE for two classes or several labels, and "
                "losses.CrossEntropy for three or more classes."
            )
        return parameters.resolve_loss(parameter, output, ("log_loss",))

    def class_weights(self, parameter, y):
        """Return the weight of the class of each row, or None. parameter : `class_weight`"""
        if parameter is None:
            return None
        if isinstance(parameter, dict):
            for label, weight in parameter.items():
                check_number(f"class_weight of {label!r}", weight, minimum=0)
        return compute_sample_weight(parameter, y)

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
        if self.kind == "multilabel-indicator":
            return (Y > 0.5).astype(int)
        if self.kind == "binary":
            return self.classes[
                (Y[:, 0] > 0.5).astype(np.intp)
                if len(self.classes) == 2
                else np.zeros(len(Y), np.intp)
            ]
        return self.classes[Y.argmax(axis=1)]

    def from_outputs(self, Y):
        """Return the probability of each class or label."""
        if self.kind != "binary":
            return Y
        if len(self.classes) == 1:
            return np.ones_like(Y)
        return kernels.two_classes(Y)

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

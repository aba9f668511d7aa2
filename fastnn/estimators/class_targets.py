"""ClassTargets: the classes of y, and how the network reads them."""

from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import type_of_target

from .. import losses
from ..files import labels
from ..validation import check_number
from . import inputs, parameters


class ClassTargets:
    """The part of `MLPClassifier` that reads y."""

    loss: Any
    class_weight: Any
    classes_: np.ndarray

    def _fit_targets(self, y, classes=None):
        """Set classes_ from y, or from the `classes` passed to partial_fit."""
        self._target_type = type_of_target(y, input_name="y")
        if self._target_type == "multiclass-multioutput":
            raise ValueError(
                "y has several columns of classes. Pass one column, or an indicator matrix of 0 "
                "and 1 for multi-label classification."
            )
        if self._target_type not in ("binary", "multiclass", "multilabel-indicator"):
            raise ValueError(
                f"Unknown label type: {self._target_type}. y must contain classes. To predict "
                "numbers, use MLPRegressor."
            )
        if self._target_type == "multilabel-indicator":
            self.classes_ = np.arange(y.shape[1])
        else:
            self.classes_ = np.unique(y if classes is None else classes)
            self._target_type = "binary" if len(self.classes_) <= 2 else "multiclass"
        self._number_classes()

    def _number_classes(self):
        self._class_numbers = {label: code for code, label in enumerate(self.classes_.tolist())}

    def _encode(self, y, dtype):
        """Return the encoded targets, the loss, the number of outputs and their activation."""
        if self._target_type == "multilabel-indicator":
            if type_of_target(y) != self._target_type or y.shape[1] != len(self.classes_):
                raise ValueError(
                    f"y must be an indicator matrix with {len(self.classes_)} columns, as in the "
                    f"first call of fit or partial_fit, got shape {y.shape}"
                )
            targets = np.asarray(y.toarray() if inputs.is_sparse(y) else y, dtype)
        else:
            if y.ndim != 1:
                raise ValueError(f"y must have shape (n,), one class per row, got shape {y.shape}")
            targets = np.minimum(np.searchsorted(self.classes_, y), len(self.classes_) - 1)
            unknown = self.classes_[targets] != y
            if unknown.any():
                names = np.unique(y[unknown]).tolist()
                raise ValueError(
                    f"y has classes not in classes_: {names}; classes_ is {self.classes_.tolist()}"
                )
            if self._target_type == "binary":
                targets = targets.astype(dtype)[:, None]
        n_out, output = self._outputs_of()
        return targets, self._resolve_loss(output), n_out, output

    def _outputs_of(self, loss=None):
        """Return the number of outputs and their activation, whatever the loss is."""
        output = "softmax" if self._target_type == "multiclass" else "sigmoid"
        return 1 if self._target_type == "binary" else len(self.classes_), output

    def _resolve_loss(self, output):
        if self.loss == "log_loss":
            return losses.resolve(None, output)
        if isinstance(self.loss, losses.Loss) and self.loss.output not in (None, output):
            raise ValueError(
                f"loss={self.loss!r} does not fit {len(self.classes_)} classes "
                f"({self._target_type}). Use losses.BCE for two classes or several labels, and "
                "losses.CrossEntropy for three or more classes."
            )
        return parameters.resolve_loss(self.loss, output, ("log_loss",))

    def _describe_targets(self):
        """Return what `_fit_targets` has set as a dict that JSON can hold."""
        return dict(type=self._target_type, **labels.describe(self.classes_))

    def _restore_targets(self, description):
        """Set what `_describe_targets` described, or raise an error if it is damaged."""
        self._restore_classes(labels.parse(description), description["type"])

    def _restore_classes(self, classes, target_type):
        """Set what `_fit_targets` sets, or raise ValueError if the classes do not fit the type."""
        n = len(classes)
        valid = {
            "binary": n <= 2,
            "multiclass": n > 2,
            "multilabel-indicator": classes.tolist() == list(range(n)),
        }
        if not valid[target_type]:
            raise ValueError("classes")
        self.classes_, self._target_type = classes, target_type
        self._number_classes()
        self._loss = self._resolve_loss(self._outputs_of()[1])

    def _class_weights(self, y):
        """Return the class weight of each row, or None."""
        if self.class_weight is None:
            return None
        if isinstance(self.class_weight, dict):
            for label, weight in self.class_weight.items():
                check_number(f"class_weight of {label!r}", weight, minimum=0)
        return compute_sample_weight(self.class_weight, y)

    def _stratify_labels(self, y):
        # Like scikit-learn, so that the same rows are held out.
        return y if self._target_type == "binary" else None

    def _classes_of_rows(self, y):
        """Return what to stratify folds by, or None."""
        return None if self._target_type == "multilabel-indicator" else y

    def _targets_to_check(self, data):
        return None  # classes have no scale

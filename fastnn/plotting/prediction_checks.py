"""Checks of true and predicted values."""

from dataclasses import dataclass

import numpy as np

from ..core.messages import plural
from ..core.validation import as_array, check_array, check_list, is_missing, refuse_classes
from ..encoded_table import EncodedTable
from .theme import plain

ROUNDING = 1e-3  # that probabilities may be outside of [0, 1]


@dataclass(eq=False)
class LabelledProbabilities:
    """True classes and predicted probabilities.

    Attributes
    ----------
    labels : ndarray (n_classes,)
        The classes, in the order of the columns of P.
    y : ndarray (n,) of intp
        The position of the true class of each row.
    P : ndarray (n, n_classes)
        The probability of each class.
    """

    labels: np.ndarray
    y: np.ndarray
    P: np.ndarray

    @classmethod
    def from_arrays(cls, y_true, y_prob, labels=None, name="y_prob"):
        """Check classes (n,) and probabilities (n, n_classes), or (n,) or (n, 1) of the second of
        two classes.

        name : of the probabilities, for error messages.
        """
        y = check_labels("y_true", y_true)
        P = check_finite_numbers(name, y_prob, len(y))
        if P.min() < -ROUNDING or P.max() > 1 + ROUNDING:
            raise ValueError(
                f"{name} must hold probabilities from 0 to 1, got {P.min():.4g} to {P.max():.4g}. "
                "Pass the outputs of predict_proba, or of a network with output='sigmoid' or "
                "'softmax'."
            )
        P = P.reshape(len(y), -1).clip(0, 1)
        if P.shape[1] == 1:
            P = np.column_stack([1 - P[:, 0], P[:, 0]])
        labels = _check_classes(y, P.shape[1], labels, name)
        return cls(labels, class_positions(y, labels), P)

    def name(self, i):
        """Return the class of column i as text for a plot."""
        return plain(self.labels.tolist()[i])

    def predicted(self):
        """Return the position of the most probable class of each row."""
        return self.P.argmax(axis=1)


def check_labels(name, y):
    """Return classes as a vector without missing values."""
    refuse_model(name, y)
    y = as_array(name, y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise ValueError(
            f"{name} must have shape (n,), one class for each row, got {y.shape}. For rows of 0 and "
            f"1 pass {name}.argmax(axis=1), for several targets one column at a time."
        )
    if not len(y):
        raise ValueError(f"{name} has no rows. Pass at least one.")
    missing = np.flatnonzero([is_missing(value) for value in y.tolist()])
    if len(missing):
        raise ValueError(f"{name} has a missing class in row {missing[0]}. Remove the row.")
    return y


def check_finite_numbers(name, a, n=None):
    """Return finite numbers as an array (n,) or (n, m)."""
    refuse_model(name, a)
    a = check_array(name, a, np.dtype(float))
    if a.ndim not in (1, 2):
        raise ValueError(f"{name} must have 1 or 2 dimensions, got {a.ndim} (shape {a.shape})")
    if not a.size:
        raise ValueError(f"{name} has shape {a.shape}. Pass at least one row.")
    if n is not None and len(a) != n:
        raise ValueError(f"{name} has {plural(len(a), 'row')}, but y_true has {n:,}")
    rows = np.flatnonzero(~np.isfinite(a.reshape(len(a), -1)).all(axis=1))
    if len(rows):
        raise ValueError(
            f"{name} is not finite in {plural(len(rows), 'row')}, first in row {rows[0]} "
            f"({a[rows[0]]}). Remove these rows from all arguments: numpy.isfinite({name})"
            f"{'.all(axis=1)' * (a.ndim == 2)} selects the others."
        )
    return a


def check_number_pairs(y_true, y_pred):
    """Return true and predicted numbers of one target, each (n,)."""
    y_true = check_finite_numbers("y_true", y_true)
    y_pred = check_finite_numbers("y_pred", y_pred, len(y_true))
    columns = []
    for name, a in ("y_true", y_true), ("y_pred", y_pred):
        if a.ndim == 2 and a.shape[1] > 1:
            raise ValueError(
                f"{name} must have shape (n,), got {a.shape}. Pass one column at a time, such as "
                f"{name}[:, 0]."
            )
        columns.append(a.ravel())
    return columns


def _check_classes(y, n_classes, labels, name):
    """Return the classes in the order of the columns of probabilities."""
    if labels is None:
        labels = np.unique(y)
        if len(labels) != n_classes:
            raise ValueError(
                f"{name} is for {n_classes} classes, but y_true has {len(labels)} "
                f"({_listed(labels)}). Pass the class of each column: "
                "labels=clf.classes_, or labels=range(n) for a network."
            )
        return labels
    labels = as_array(
        "labels", labels if hasattr(labels, "__array__") else check_list("labels", labels)
    )
    if labels.shape != (n_classes,) or len(set(labels.tolist())) < n_classes:
        raise ValueError(
            f"labels must hold {n_classes} different classes, one for each column of {name}, got "
            f"{_listed(labels.ravel())}"
        )
    return labels


def class_positions(y, labels, name="y_true"):
    """Return the position of each class in `labels`."""
    position_of = {label: i for i, label in enumerate(labels.tolist())}
    values = y.tolist()
    unknown = next((i for i, value in enumerate(values) if value not in position_of), None)
    if unknown is not None:
        raise ValueError(
            f"{name} has the class {values[unknown]!r} in row {unknown}, which is not one of labels: "
            f"{_listed(labels)}"
        )
    return np.array([position_of[value] for value in values], np.intp)


def _listed(labels):
    """Return the first classes as text for a message."""
    texts = [repr(label) for label in labels[:6].tolist()]
    return ", ".join(texts) + f" and {len(labels) - 6:,} more" * (len(labels) > 6)


def last_step(name, model):
    """Return the last step of a pipeline, or the model itself. name : of the argument"""
    refuse_classes(**{name: model})
    steps = getattr(model, "steps", None)
    return steps[-1][1] if steps else model


def refuse_model(name, a):
    """Raise TypeError for a network or an estimator, whose predictions are expected."""
    if callable(getattr(a, "fit", None)) or isinstance(a, EncodedTable):
        raise TypeError(
            f"{name} must be an array, got {type(a).__name__}. Plots of predictions take the "
            "true values and the predictions: (y, net.forward(X)), (y, clf.predict_proba(X)) or "
            "(y, reg.predict(X))."
        )

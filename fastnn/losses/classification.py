"""Losses for classification, and class weights."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .. import kernels
from ..core.validation import (
    as_array,
    check_classes,
    check_count,
    check_number,
    check_numbers,
    check_values,
    ready,
)
from .base import Loss, for_outputs, times_slope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import ArrayLike, NDArray

    from ..typing import ClassWeight, FloatArray


@dataclass(eq=False, repr=False)
class BCE(Loss):
    """Binary cross-entropy of a sigmoid output.

    l = sum_j -p_j y_j log a_j - (1 - y_j) log(1 - a_j). Several outputs are independent yes/no
    labels (multi-label). The loss is computed from the logits, so it stays exact for probabilities
    near 0 and 1. Equivalent to ``torch.nn.BCEWithLogitsLoss``, summed over the outputs.

    Parameters
    ----------
    pos_weight : float or sequence of n_out floats, optional
        Weight p_j > 0 of positive targets. About (number of negatives) / (number of positives)
        balances a rare class.
    label_smoothing : float, default 0.0
        s in [0, 1). Targets become (1 - s) y + s/2 (Szegedy et al., 2016; for two classes as in
        Keras).

    Raises
    ------
    ValueError
        An option is out of range, or a target is not in [0, 1].

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> from fastnn.losses import BCE
    >>> net = fastnn.MLP([2, 1], output="sigmoid", rng=0)
    >>> history = net.fit(np.eye(2), [0, 1], loss=BCE(pos_weight=3.0))
    """

    pos_weight: float | Sequence[float] | None = None
    label_smoothing: float = 0.0

    name: ClassVar[str] = "bce"
    output: ClassVar[str | None] = "sigmoid"
    remedy: ClassVar[str] = "For raw outputs pass loss='bce_with_logits'"
    kernel: ClassVar[kernels.Loss] = kernels.Loss.LOGITS_BINARY_CROSS_ENTROPY
    has_classes: ClassVar[bool] = True
    threshold: ClassVar[float] = 0.5  # a label is predicted if its output is above

    def __post_init__(self) -> None:
        if self.pos_weight is not None:
            object.__setattr__(
                self, "pos_weight", check_numbers("pos_weight", self.pos_weight, above=0)
            )
        check_number("label_smoothing", self.label_smoothing, minimum=0, below=1)

    def targets(self, y: ArrayLike, n: int, n_out: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        return check_values(y, n, n_out, dtype, unit_interval=self.name)

    def to_kernel(self, n_out: int, dtype: np.dtype[Any]) -> dict[str, Any]:
        options = {}
        if self.pos_weight is not None:
            options["loss_numbers"] = for_outputs("pos_weight", self.pos_weight, n_out, dtype)
        if self.label_smoothing:
            options["smoothing"] = self.label_smoothing
        return options

    def curvature(self, Y: FloatArray, targets: NDArray[Any], dY: FloatArray) -> FloatArray:
        product = times_slope(kernels.Activation.SIGMOID, Y, dY)
        if self.pos_weight is not None:
            weight: Any = np.asarray(self.pos_weight, Y.dtype)
            t = (1 - self.label_smoothing) * targets + self.label_smoothing / 2
            product *= 1 + (weight - 1) * t
        return product

    def is_right(self, Y: FloatArray, targets: NDArray[Any]) -> NDArray[np.bool_]:
        return ((Y > self.threshold) == (targets > 0.5)).all(axis=1) & ~np.isnan(Y).any(axis=1)


@dataclass(eq=False, repr=False)
class BCEWithLogits(BCE):
    """Binary cross-entropy of raw outputs (logits).

    `BCE` with a = sigmoid(z), where z is the output of the network.

    Parameters
    ----------
    pos_weight, label_smoothing
        As in `BCE`.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> net = fastnn.MLP([2, 1], rng=0)
    >>> history = net.fit(np.eye(2), [0, 1], loss="bce_with_logits")
    """

    name: ClassVar[str] = "bce_with_logits"
    output: ClassVar[str | None] = "identity"
    remedy: ClassVar[str] = "It applies the sigmoid itself: pass loss='bce' for output='sigmoid'"
    threshold: ClassVar[float] = 0.0


@dataclass(eq=False, repr=False)
class CrossEntropy(Loss):
    """Cross-entropy of a softmax output.

    l = -sum_j y_j log a_j, computed from the logits as sum_j y_j (log sum_k exp(z_k) - z_j).
    Targets are class indices 0..n_out-1 of shape (n,), or rows of probabilities of shape
    (n, n_out). Equivalent to ``torch.nn.CrossEntropyLoss``.

    Parameters
    ----------
    label_smoothing : float, default 0.0
        s in [0, 1). Targets become (1 - s) y + s / n_out (Szegedy et al., 2016, section 7).

    Raises
    ------
    ValueError
        An option is out of range, a class index is not in 0..n_out-1, or a probability is not in
        [0, 1].

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> from fastnn.losses import CrossEntropy
    >>> net = fastnn.MLP([2, 3], output="softmax", rng=0)
    >>> history = net.fit(np.ones((3, 2)), [0, 1, 2], loss=CrossEntropy(label_smoothing=0.1))
    """

    label_smoothing: float = 0.0

    name: ClassVar[str] = "cross_entropy"
    output: ClassVar[str | None] = "softmax"
    remedy: ClassVar[str] = "For independent yes/no outputs pass output='sigmoid' and loss='bce'"
    has_classes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number("label_smoothing", self.label_smoothing, minimum=0, below=1)

    def prepare(
        self, y: ArrayLike, n: int, n_out: int, dtype: np.dtype[Any]
    ) -> tuple[Any, dict[str, Any]]:
        classes = check_classes(y, n, n_out)
        if classes is not None:
            return classes, dict(
                loss=kernels.Loss.CLASS_CROSS_ENTROPY, smoothing=self.label_smoothing
            )
        targets = check_values(y, n, n_out, dtype, unit_interval=self.name)
        return targets, dict(loss=kernels.Loss.CROSS_ENTROPY, smoothing=self.label_smoothing)

    def curvature(self, Y: FloatArray, targets: NDArray[Any], dY: FloatArray) -> FloatArray:
        s = self.label_smoothing
        total = 1 if targets.ndim == 1 else (1 - s) * targets.sum(axis=1, keepdims=True) + s
        return total * times_slope(kernels.Activation.SOFTMAX, Y, dY)

    def is_right(self, Y: FloatArray, targets: NDArray[Any]) -> NDArray[np.bool_]:
        classes = targets if targets.ndim == 1 else targets.argmax(axis=1)
        return (Y.argmax(axis=1) == classes) & ~np.isnan(Y).any(axis=1)


def class_weights(
    class_weight: ClassWeight | str | None, targets: NDArray[Any], n_out: int, loss: Loss
) -> Any:
    """Return the weight of each row from the weights of the classes.

    Parameters
    ----------
    class_weight : dict of class: weight, sequence of weights, or "balanced"
        "balanced" gives class c the weight n / (number of classes * number of rows of c), as in
        scikit-learn. Classes missing from a dict have weight 1.
    targets : ndarray
        Class indices, int64 of shape (n,), or probabilities of shape (n, n_out), whose rows get the
        mean of the weights, or numbers in [0, 1] of shape (n, 1) for the classes 0 and 1.
    n_out : int
        Number of outputs.
    loss : Loss

    Returns
    -------
    ndarray (n,)
    """
    n_out = check_count("n_out", n_out, maximum=sys.maxsize)
    if not isinstance(loss, (BCE, CrossEntropy)) or (isinstance(loss, BCE) and n_out > 1):
        remedy = (
            "For several yes/no outputs pass loss=BCE(pos_weight=...)"
            if isinstance(loss, BCE)
            else "Pass sample_weight"
        )
        raise ValueError(
            f"class_weight needs loss 'bce' with one output, or 'cross_entropy'. {remedy}."
        )
    k, targets = max(2, n_out), as_array("targets", targets)
    if targets.ndim == 1 and targets.dtype.kind in "iu":
        are_right = kernels.are_indices(ready(targets, np.intp), k)
    else:
        are_right = targets.dtype.kind in "fiub" and targets.shape[1:] == (n_out,)
    if not are_right:
        raise ValueError(
            f"targets must hold class indices 0..{k - 1}, or probabilities of shape (n, {n_out})"
        )
    if targets.ndim == 2 and n_out == 1:
        targets = _two_class_probabilities(targets)
    weights = _weights_of_classes(class_weight, targets, n_out, k)
    return weights[targets] if targets.ndim == 1 else targets @ weights


def _weights_of_classes(class_weight, targets, n_out, k):
    """Return the k weights that a `class_weight` stands for."""
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(
                "class_weight must be a dict, a sequence of weights or 'balanced', "
                f"got {class_weight!r}"
            )
        return balanced_weights(class_counts(targets, n_out), len(targets))
    if isinstance(class_weight, dict):
        weights = np.ones(k)
        for key, weight in class_weight.items():
            if not (isinstance(key, (int, np.integer)) and 0 <= key < k):
                raise ValueError(
                    f"class_weight has a weight for class {key!r}, but the classes are 0..{k - 1}"
                )
            weights[key] = check_number("class_weight", weight, minimum=0)
        return weights
    weights = np.array(check_numbers("class_weight", class_weight, minimum=0))
    if weights.shape != (k,):
        raise ValueError(
            f"class_weight must hold {k} weights, one for each class, got {weights.size}"
        )
    return weights


def class_counts(targets: NDArray[Any], n_out: int) -> NDArray[Any]:
    """Return the number of rows of each class; of probabilities, their sum. See `class_weights`."""
    if targets.ndim == 1:
        return np.bincount(targets, minlength=max(2, n_out))
    if targets.shape[1] == 1:
        targets = _two_class_probabilities(targets)
    return targets.sum(axis=0)


def balanced_weights(counts: NDArray[Any], n: int) -> NDArray[np.float64]:
    """Return the weight of each class for n rows: n / (number of classes * rows of the class)."""
    present = counts > 0
    return np.divide(n, present.sum() * counts, out=np.zeros(len(counts)), where=present)


def _two_class_probabilities(targets):
    """Return the probabilities of the classes 0 and 1 from those of class 1, (n, 1)."""
    return np.concatenate([1 - targets, targets], axis=1)

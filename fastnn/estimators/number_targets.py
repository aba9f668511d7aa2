"""NumberTargets: the numbers of y, and predictions from the outputs of networks."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import losses
from ..files.checks import check, is_count
from . import parameters, stored_parameters

SQUARED_ERROR = "squared_error"


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
        return parameters.resolve_loss(
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
            description = stored_parameters.describe_options("loss", loss)
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
    """Return a matrix of one column as a vector."""
    return Y[:, 0] if Y.shape[1] == 1 else Y

"""Temperature scaling (Guo, Pleiss, Sun and Weinberger, 2017, arXiv:1706.04599, section 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .. import kernels
from ..core.messages import warn
from . import inputs
from .attributes import lock_of

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import ArrayLike

    from ..mlp import MLP

LOG_T_BOUNDS = (-5.0, 5.0)  # of the search


class Calibration(BaseEstimator):
    """The part of `MLPClassifier` that calibrates probabilities."""

    networks_: list[MLP]
    temperature_: float

    def calibrate(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Calibrate the probabilities by temperature scaling (Guo et al., 2017).

        The logits are divided by the temperature T that minimizes the log loss on held-out rows.
        T > 1 moves probabilities away from 0 and 1, T < 1 towards them. The predicted classes stay
        the same. W and b of the last layer are divided by T, so predictions take the same time.
        Further training starts from these parameters.

        The networks of an ensemble get one T: the one with the lowest log loss of their mean
        probabilities. If they disagree about a row, its predicted class can change.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)
            Rows that were not used for training.
        y : array_like (n,) or (n, n_labels)
            Their classes or labels. If all are predicted correctly, a warning is raised and T is 1.
        sample_weight : array_like (n,), optional
            Weights of the rows, at least 0.

        Returns
        -------
        self
            ``temperature_`` is T, or the product of all T since the last fit.
        """
        with kernels.InTraining([lock_of(self), *vars(self).get("networks_", [])]):
            check_is_fitted(self)
            X, y = inputs.check_X_y(self, X, y, self.networks_[0].dtype, False)
            weight = inputs.check_weight(sample_weight, X)
            targets = self.targets_.encode(y, np.float64, type(self).__name__)
            T = fit_temperature(np.stack(self._logits(X)), targets, weight)
            for net in self.networks_:
                net.weights[-1][...] /= T
                net.biases[-1][...] /= T
            self.temperature_ = T * getattr(self, "temperature_", 1.0)
            self._online = None
        return self


def fit_temperature(Z, targets, weight, std=None):
    """Return the temperature T that minimizes the log loss of the logits Z / T.

    Parameters
    ----------
    Z : ndarray (k, n, m)
        Logits of k networks, whose mean probabilities the log loss is of.
    targets : ndarray
        Class numbers (n,) for softmax; 0 and 1 (n, m) for sigmoids.
    weight : ndarray (n,) or None
    std : float, optional
        Standard deviation of a normal prior of log T with mean 0. It keeps T near 1 if there are
        few rows, or if all are predicted correctly. By default there is none.
    """
    Z = Z.astype(np.float64)
    k, n, _ = Z.shape
    correct = Z.argmax(axis=2) == targets if targets.ndim == 1 else (Z > 0) == targets
    if correct.all() and std is None:
        warn(
            f"All {n} rows are predicted correctly, so the log loss has no minimum in the "
            "temperature. The temperature is unchanged. Pass more rows, and rows that are not in "
            "the training data.",
        )
        return 1.0

    def log_loss(log_T):
        z = Z / np.exp(log_T)
        if targets.ndim == 1:
            losses = np.logaddexp.reduce(z, axis=2) - z[:, np.arange(n), targets]
        else:
            losses = np.logaddexp(0, z) - targets * z
        losses = np.log(k) - np.logaddexp.reduce(-losses, axis=0)  # of the mean probability
        mean = np.average(losses if targets.ndim == 1 else losses.sum(axis=1), weights=weight)
        return mean if std is None else mean + (log_T / std) ** 2 / (2 * n)

    return float(np.exp(minimize_scalar(log_loss, bounds=LOG_T_BOUNDS, method="bounded").x))

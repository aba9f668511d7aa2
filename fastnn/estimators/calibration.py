"""Temperature scaling (Guo, Pleiss, Sun and Weinberger, 2017, arXiv:1706.04599, section 4.2)."""

import warnings

import numpy as np
from scipy.optimize import minimize_scalar

LOG_T_BOUNDS = (-5.0, 5.0)  # of the search


def fit_temperature(Z, targets, weight):
    """Return the temperature T that minimizes the log loss of the logits Z / T.

    Parameters
    ----------
    Z : ndarray (n, k)
        Logits.
    targets : ndarray
        Class numbers (n,) for softmax; 0 and 1 (n, k) for sigmoids.
    weight : ndarray (n,) or None
    """
    Z = Z.astype(np.float64)
    correct = Z.argmax(axis=1) == targets if targets.ndim == 1 else (Z > 0) == targets
    if correct.all():
        warnings.warn(
            f"All {len(Z)} rows are predicted correctly, so the log loss has no minimum in the "
            "temperature. The temperature is unchanged. Pass more rows, and rows that are not in "
            "the training data.",
            stacklevel=3,
        )
        return 1.0

    def log_loss(log_T):
        z = Z / np.exp(log_T)
        if targets.ndim == 1:
            row_losses = np.logaddexp.reduce(z, axis=1) - z[np.arange(len(z)), targets]
        else:
            row_losses = (np.logaddexp(0, z) - targets * z).sum(axis=1)
        return np.average(row_losses, weights=weight)

    return float(np.exp(minimize_scalar(log_loss, bounds=LOG_T_BOUNDS, method="bounded").x))

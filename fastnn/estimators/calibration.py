"""Temperature scaling (Guo, Pleiss, Sun and Weinberger, 2017, arXiv:1706.04599, section 4.2)."""

import warnings

import numpy as np
from scipy.optimize import minimize_scalar

LOG_T = (-5.0, 5.0)  # where the temperature is looked for


def best_temperature(Z, targets, weight):
    """The T that makes the log-loss of logits Z / T least.

    Parameters
    ----------
    Z : ndarray (n, k)
    targets : ndarray
        Class numbers (n,) for softmax; 0 and 1 (n, k) for sigmoids.
    weight : ndarray (n,) or None
    """
    Z = Z.astype(np.float64)
    right = Z.argmax(axis=1) == targets if targets.ndim == 1 else (Z > 0) == targets
    if right.all():
        warnings.warn(
            f"These {len(Z)} rows are all predicted right, so that the log-loss falls with the temperature without end: it stays as it "
            "is. Take more rows, and rows that the network has not learned from",
            stacklevel=3,
        )
        return 1.0

    def log_loss(log_T):
        z = Z / np.exp(log_T)
        if targets.ndim == 1:
            each = np.logaddexp.reduce(z, axis=1) - z[np.arange(len(z)), targets]
        else:
            each = (np.logaddexp(0, z) - targets * z).sum(axis=1)
        return np.average(each, weights=weight)

    return float(np.exp(minimize_scalar(log_loss, bounds=LOG_T, method="bounded").x))

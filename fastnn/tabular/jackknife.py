"""Standard errors by the jackknife: statistics without a tenth of the rows at a time."""

import numpy as np

PARTS = 10  # of the rows, each left out once
MIN_ERRORS = 2.0  # standard errors that a statistic must be above 0
LEAST = 1e-12  # difference that is no rounding error


def is_above_zero(statistic, n):
    """Return whether a statistic of n rows is above 0 by two standard errors.

    statistic : callable
        statistic(rows) returns a float, NaN if it is undefined, for a mask of rows.
    """
    value = statistic(np.ones(n, bool))
    if not value > LEAST:
        return False
    part = np.arange(n) % PARTS
    without = np.array([statistic(part != i) for i in range(min(n, PARTS))])
    k = len(without)
    error = np.sqrt((k - 1) / k * ((without - without.mean()) ** 2).sum())
    return bool(value > MIN_ERRORS * error)

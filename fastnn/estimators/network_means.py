"""Means and standard deviations over networks, with the same bits for a row alone as in a batch.

`ndarray.mean(axis=0)` adds the numbers of one row in pairs if there are eight or more, and those of
several rows in order. These functions always add in order. Without scikit-learn: the command line
predicts with tables.
"""

import numpy as np


def mean_over_networks(values):
    """Return the mean over the first axis.

    Parameters
    ----------
    values : ndarray (n_networks, ...), or list of ndarray
        Predictions of each network.

    Returns
    -------
    ndarray (...), float64
    """
    total = np.zeros(values[0].shape)
    for each in values:
        total += each
    return total / len(values)


def std_over_networks(values):
    """Return the standard deviation over the first axis.

    Parameters
    ----------
    values : ndarray (n_networks, ...)
        Predictions of each network.

    Returns
    -------
    ndarray (...), float64
    """
    difference = values - mean_over_networks(values)
    return np.sqrt(mean_over_networks(difference * difference))

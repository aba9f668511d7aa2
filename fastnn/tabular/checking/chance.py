"""How likely it is that two samples of the same table differ as much as new rows and training rows do.

Under the hypothesis that nothing has changed, the new rows are a random part of all rows, of training
and new ones. Then the number of new rows with some property is hypergeometric, whatever the table.
"""

import math

import numpy as np

BLOCK = 1000  # terms of a sum that are computed at once
NEGLIGIBLE = 1e-12  # part of a sum


def at_least(k, n_new, n_with, n_all):
    """Return the probability that at least k of n_new rows have a property.

    The rows are drawn at random, without replacement, from n_all rows, n_with of which have it.

    Examples
    --------
    >>> round(at_least(2, 2, 3, 6), 3)  # 3/6 * 2/5
    0.2
    """
    most = min(n_new, n_with)
    if k <= max(0, n_new + n_with - n_all):
        return 1.0
    if k > most:
        return 0.0
    if k <= n_new * n_with / n_all:  # the other tail has fewer terms
        return max(0.0, 1.0 - at_most(k - 1, n_new, n_with, n_all))
    return _sum_from(k, most, n_new, n_with, n_all)


def at_most(k, n_new, n_with, n_all):
    """Return the probability that at most k of n_new rows have a property, as in `at_least`."""
    return at_least(n_new - k, n_new, n_all - n_with, n_all)


def is_other_share(k, n_new, n_before, n_training):
    """Return the probability that the shares of two samples differ as much, in either direction.

    Fisher's exact test (1922), as twice the smaller tail.

    Parameters
    ----------
    k, n_new : int
        Number of new rows with the property, and of all new rows.
    n_before, n_training : int
        The same of the training rows.
    """
    n_with, n_all = k + n_before, n_new + n_training
    smaller = min(at_least(k, n_new, n_with, n_all), at_most(k, n_new, n_with, n_all))
    return min(1.0, 2 * smaller)


def is_other_distribution(distance, n_new, n_training):
    """Return the probability of a distance between two empirical distribution functions.

    Kolmogorov and Smirnov's test with the correction for small samples of Stephens (1970, "Use of
    the Kolmogorov-Smirnov, Cramer-von Mises and related statistics without extensive tables"). For
    values that occur several times, the probability is an upper bound.
    """
    root = math.sqrt(n_new * n_training / (n_new + n_training))
    x = (root + 0.12 + 0.11 / root) * distance
    if x < 0.2:  # the series converges slowly; its sum is 1
        return 1.0
    terms = ((-1) ** (j - 1) * math.exp(-2 * (j * x) ** 2) for j in range(1, 101))
    return min(1.0, max(0.0, 2 * sum(terms)))


def are_other_frequencies(new, before):
    """Return an upper bound of the probability that frequencies differ as much in two samples.

    They differ by the total variation distance d of the two samples. One row that changes its place
    with one of the other sample changes d by at most 1 / n + 1 / m, so d is above its mean by t with
    at most the probability exp(-2 t^2 nm / (n + m)), but for small terms (El-Yaniv and Pechyony, 2009,
    "Transductive Rademacher complexity and its applications", lemma 2). The mean of each |difference|
    is at most its standard deviation, that of a hypergeometric distribution.

    Parameters
    ----------
    new, before : ndarray of int
        Number of rows of each category.
    """
    n, m = int(new.sum()), int(before.sum())
    if not n or not m:
        return 1.0
    n_all = n + m
    share = (new + before) / n_all
    distance = 0.5 * np.abs(new / n - before / m).sum()
    mean = 0.5 * np.sqrt(share * (1 - share) * n_all**2 / (n * m * (n_all - 1))).sum()
    if distance <= mean:
        return 1.0
    exponent = 2 * (distance - mean) ** 2 * n * m * (n_all - 0.5) / n_all**2
    return math.exp(-exponent * (1 - 0.5 / max(n, m)))


def _sum_from(k, most, n_new, n_with, n_all):
    """Return the sum of the probabilities of k, k + 1, ..., most rows, beyond the mean."""
    n_without = n_all - n_with
    term = math.exp(
        _log_choose(n_with, k) + _log_choose(n_without, n_new - k) - _log_choose(n_all, n_new)
    )
    total = term
    for start in range(k, most, BLOCK):
        j = np.arange(start, min(start + BLOCK, most), dtype=np.float64)
        ratios = (n_with - j) * (n_new - j) / ((j + 1) * (n_without - n_new + j + 1))
        terms = term * np.cumprod(ratios)
        total += float(terms.sum())
        term = float(terms[-1])
        if term <= NEGLIGIBLE * total:
            break
    return min(1.0, total)


def _log_choose(n, k):
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

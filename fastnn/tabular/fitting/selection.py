"""Choose among the configurations by their out-of-fold predictions."""

import numpy as np

PICKS = 12  # of the greedy selection


def greedy(predictions, y, weight, targets):
    """Return the weights of configurations, from their out-of-fold predictions.

    Configurations are picked one after the other, with replacement, each time the one with which
    the mean of the picks has the least loss (Caruana et al., 2004, "Ensemble selection from
    libraries of models").
    """
    counts, total = np.zeros(len(predictions)), 0.0
    for k in range(PICKS):
        values = [targets.value((total + P) / (k + 1), y, weight) for P in predictions]
        j = int(np.argmin(values))
        counts[j] += 1
        total = total + predictions[j]
    return counts / PICKS


def weighted_mean(shares, predictions):
    """Return the prediction of all configurations."""
    return sum(share * P for share, P in zip(shares, predictions))

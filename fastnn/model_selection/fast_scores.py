"""Common scores of classifiers, without scikit-learn's checks.

A search computes thousands of scores of a few hundred rows. scikit-learn's checks take several
times as long as training then. The accuracy is the same bits as from scikit-learn, and the log loss
is the same up to rounding.
"""

import numpy as np

from ..estimators import inputs


def accuracy(fold, network):
    y, Y = _outputs(fold, network)
    if y is None:
        return None
    return float(np.average(network.targets_.decide(Y) == y))


def neg_log_loss(fold, network):
    y, Y = _outputs(fold, network)
    classes = network.classes_
    if y is None or len(classes) < 2 or not np.array_equal(fold.once("classes", _classes), classes):
        return None
    if not np.isfinite(Y).all():
        return None
    if Y.shape[1] == 1:
        Y = np.hstack([1 - Y, Y])
    p = Y[np.arange(len(y)), fold.once("numbers", _numbers)]
    eps = np.finfo(p.dtype).eps
    return float(np.log(np.clip(p.astype(np.float64), eps, 1 - eps)).mean())


SCORES = {"accuracy": accuracy, "neg_log_loss": neg_log_loss}


def _outputs(fold, network):
    """Return the labels of the test rows and the outputs for them; None if they are not labels."""
    if network.n_estimators != 1 or network.targets_.is_multilabel:
        return None, None
    X, y = fold.checked_test(network)
    if y.ndim != 1 or y.dtype.kind != network.classes_.dtype.kind:
        return None, None
    return y, inputs.forward(network.network_, X, 1)


def _classes(fold):
    return np.unique(fold.test_rows[1])


def _numbers(fold):
    """Return the number of the class of each test row."""
    return np.unique(fold.test_rows[1], return_inverse=True)[1]

"""Scores of predictions beside those of a baseline, as dicts that JSON can hold."""

import numpy as np

MIN_PROBABILITY = 1e-15


def score_classes(codes, P, predicted, labels):
    """Score the prediction of classes.

    Parameters
    ----------
    codes : ndarray (n,) of int
        The true class of each row, as its position in `labels`.
    P : ndarray (n, n_classes)
        Probabilities.
    predicted : ndarray (n,) of int
        The predicted class of each row.
    labels : list of str

    Returns
    -------
    dict
        rows, accuracy, wrong, balanced_accuracy, log_loss; auc, for more than two classes the mean
        over classes against the rest, None if a row has no other class; classes: for each class its
        rows, precision, recall, f1 and auc; confusion: rows of each true class by predicted class;
        baseline: accuracy, balanced_accuracy, log_loss and auc of the shares of the classes.
    """
    from sklearn import metrics

    n, k = len(codes), len(labels)
    everyone = np.arange(k)
    precision, recall, f1, rows = metrics.precision_recall_fscore_support(
        codes, predicted, labels=everyone, zero_division=0.0
    )
    present = rows > 0
    aucs = [_auc(codes == j, P[:, j]) for j in range(k)]
    known = [x for x in aucs if x is not None]
    shares = rows / n
    entropy = -(shares[present] * np.log(shares[present])).sum()
    loss = -np.log(np.maximum(P[np.arange(n), codes], MIN_PROBABILITY)).mean()
    return {
        "rows": n,
        "accuracy": float(np.mean(codes == predicted)),
        "wrong": int(np.count_nonzero(codes != predicted)),
        "balanced_accuracy": float(recall[present].mean()),
        "log_loss": float(loss) + 0.0,  # -0.0 + 0.0 is 0.0
        "auc": float(np.mean(known)) if known else None,
        "classes": [
            {
                "class": labels[j],
                "rows": int(rows[j]),
                "precision": float(precision[j]),
                "recall": float(recall[j]),
                "f1": float(f1[j]),
                "auc": aucs[j],
            }
            for j in range(k)
        ],
        "confusion": metrics.confusion_matrix(codes, predicted, labels=everyone).tolist(),
        "baseline": {
            "accuracy": float(shares.max()),
            "balanced_accuracy": float(1 / present.sum()),
            "log_loss": float(entropy) + 0.0,
            "auc": 0.5,
        },
    }


def _auc(is_class, p):
    """Return the area under the ROC curve, None if all rows or none are of the class."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(is_class, p)) if 0 < is_class.sum() < len(p) else None


def score_numbers(y, predicted):
    """Score the prediction of numbers.

    Parameters
    ----------
    y, predicted : ndarray (n,) of float64

    Returns
    -------
    dict
        rows, r2 (None if all y are equal), rmse, mae; baseline: the rmse of the mean and the mae of
        the median of y.
    """
    from sklearn import metrics

    constant = y.min() == y.max()
    return {
        "rows": len(y),
        "r2": None if constant else float(metrics.r2_score(y, predicted)),
        "rmse": float(metrics.root_mean_squared_error(y, predicted)),
        "mae": float(metrics.mean_absolute_error(y, predicted)),
        "baseline": {
            "r2": 0.0,
            "rmse": float(metrics.root_mean_squared_error(y, np.full(len(y), y.mean()))),
            "mae": float(metrics.mean_absolute_error(y, np.full(len(y), np.median(y)))),
        },
    }

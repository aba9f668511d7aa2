"""Scores of predictions: accuracy, AUC, R2 and mean absolute error."""

import numpy as np

from ..tables.values import power_of_two


def accuracy(outputs, y):
    """Return the fraction of rows whose most probable class is correct."""
    chosen = outputs[:, 0] > 0.5 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
    return float(np.mean(chosen == y))


def auc(scores, y):
    """Return the area under the ROC curve, or NaN if a class is absent.

    It is the probability that a row of class 1 scores higher than a row of class 0. Ties count
    half.
    """
    _, index, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(counts) - (counts - 1) / 2  # ranks count from 1
    ranks = mean_ranks[index]
    n1 = int(np.count_nonzero(y))
    n0 = len(y) - n1
    if not (n0 and n1):
        return float("nan")
    return float((ranks[y == 1].sum() - n1 * (n1 + 1) / 2) / (n0 * n1))


def r2(predicted, y):
    """Return 1 - mean squared error / variance, or NaN if the variance is 0."""
    unit = power_of_two(y)
    y = y / unit
    variance = np.var(y)
    with np.errstate(over="ignore"):
        error = np.mean((y - predicted.astype(float) / unit) ** 2)
    return float(1 - error / variance) if variance > 0 else float("nan")


def compute_scores(net, target, X, y, n_threads=1):
    """Score predictions of rows X. y holds class indices, or numbers that are not standardized.

    Returns
    -------
    dict
        rows and loss; for classes accuracy, wrong, accuracy_of_most_frequent (a baseline that
        predicts the majority class) and, for two classes, auc; for numbers r2, mae and
        mae_of_median (a baseline that predicts the median).
    """
    outputs = net.forward(X, n_threads=n_threads)
    with np.errstate(over="ignore"):  # targets far from the training data have an infinite loss
        scaled = (y - target.mean) / target.scale if target.task == "number" else y
        result = {"rows": len(y), "loss": net.loss(X, scaled)}
    if target.task == "number":
        predicted = outputs[:, 0].astype(float) * target.scale + target.mean
        errors = np.abs(predicted - y)
        return {
            **result,
            "r2": r2(predicted, y),
            "mae": float(errors.mean()),
            "mae_of_median": float(np.abs(y - np.median(y)).mean()),
        }
    correct = accuracy(outputs, y)
    result.update(accuracy=correct, wrong=round((1 - correct) * len(y)))
    if target.task == "binary":
        result["auc"] = auc(outputs[:, 0], y)
    return {**result, "accuracy_of_most_frequent": float(np.bincount(y).max() / len(y))}


def format_scores(target, scores):
    """Yield lines with the scores, the baseline and the loss."""
    if target.task == "number":
        yield f"R2 {scores['r2']:.4f}, mean absolute error {_format_number(scores['mae'])}"
        baseline = _format_number(scores["mae_of_median"])
        yield f"baseline (median): mean absolute error {baseline}"
    else:
        wrong = f"{scores['wrong']:,} of {scores['rows']:,} wrong"
        auc = f", AUC {scores['auc']:.4f}" if target.task == "binary" else ""
        yield f"accuracy {scores['accuracy']:.3f} ({wrong}){auc}"
        baseline = scores["accuracy_of_most_frequent"]
        yield f"baseline (majority class): accuracy {baseline:.3f}"
    yield f"loss {scores['loss']:.4f} ({LOSSES[target.task]})"


def _format_number(x):
    return f"{x:,.0f}" if 1000 <= x < 1e9 else f"{x:.4g}"


LOSSES = {
    "binary": "binary cross-entropy",
    "classes": "cross-entropy",
    "number": "squared error of the standardized target",
}

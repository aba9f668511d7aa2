"""How good predictions are: accuracy and AUC for two classes, accuracy for several, R2 and mean
absolute error for a number."""

import numpy as np

from ..tables.values import power_of_two


def accuracy(outputs, y):
    """The share of rows whose most probable class is right."""
    chosen = outputs[:, 0] > 0.5 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
    return float(np.mean(chosen == y))


def auc(scores, y):
    """The probability that a row of class 1 gets a higher score than one of class 0, ties counted
    half; nan if a class is absent."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[
        place
    ]  # from 1; equal scores share the mean of theirs
    n1 = int(np.count_nonzero(y))
    n0 = len(y) - n1
    return (
        float((ranks[y == 1].sum() - n1 * (n1 + 1) / 2) / (n0 * n1)) if n0 and n1 else float("nan")
    )


def r2(predicted, y):
    """1 - mean squared error / variance; nan where the variance is 0."""
    unit = power_of_two(y)
    y = y / unit
    variance = np.var(y)
    with np.errstate(over="ignore"):
        error = np.mean((y - predicted.astype(float) / unit) ** 2)
    return float(1 - error / variance) if variance > 0 else float("nan")


def score(net, target, X, y, n_threads=1):
    """All that is said about rows X with the targets y (class numbers, or numbers in their own
    units).

    Returns
    -------
    dict
        rows and loss; accuracy, wrong and (two classes) auc; r2 and mae for a number; and what a
        guess without looking reaches: the accuracy of always the most frequent class, or the mae of
        always the median.
    """
    outputs = net.forward(X, n_threads=n_threads)
    with np.errstate(
        over="ignore"
    ):  # the loss of targets that are very far from those of the training is inf
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
    right = accuracy(outputs, y)
    result.update(accuracy=right, wrong=round((1 - right) * len(y)))
    if target.task == "binary":
        result["auc"] = auc(outputs[:, 0], y)
    return {**result, "accuracy_of_most_frequent": float(np.bincount(y).max() / len(y))}


def in_words(target, result):
    """The figures, and beside them what a guess without looking reaches."""
    if target.task == "number":
        yield f"R2 {result['r2']:.4f}, mean absolute error {_figure(result['mae'])}"
        yield f"(always the median: mean absolute error {_figure(result['mae_of_median'])})"
    else:
        area = f", AUC {result['auc']:.4f}" if target.task == "binary" else ""
        yield f"accuracy {result['accuracy']:.3f} ({result['wrong']:,} of {result['rows']:,} wrong){area}"
        yield f"(always the most frequent class: accuracy {result['accuracy_of_most_frequent']:.3f})"
    yield f"loss {result['loss']:.4f} ({LOSSES[target.task]})"


def _figure(x):
    return f"{x:,.0f}" if 1000 <= x < 1e9 else f"{x:.4g}"


LOSSES = {
    "binary": "binary cross-entropy",
    "classes": "cross-entropy",
    "number": "squared error of the standardised target",
}

"""Scores of predictions and of the baseline, and rows whose target may be wrong.

Scores are dicts that JSON can hold.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.messages import plural, printable
from ..tables.table_errors import import_pyarrow
from ..tables.texts import convert_texts
from .console import print_note
from .target_column import label_text

MAX_LABEL_ISSUES = 5
MIN_ERROR = 3.0  # of a label issue, in units of the RMSE
MAX_PROBABILITY = 0.1  # of the class of a label issue
MIN_PROBABILITY = 1e-15  # in the log-loss


@dataclass
class Evaluation:
    """Predictions of rows whose target is known.

    Attributes
    ----------
    model : TabularClassifier or TabularRegressor
    rows : ndarray (n,)
        Positions of the rows among those with a target.
    y : ndarray (n,)
        Class numbers, or numbers.
    P : ndarray (n, n_classes) or (n,)
        Probabilities, or numbers.
    block : ndarray (n,) of int, or None
        The number of the block of time of each row, if the folds are forward in time.
    """

    model: Any
    rows: np.ndarray
    y: np.ndarray
    P: np.ndarray
    block: np.ndarray | None = None

    @classmethod
    def from_held_out(cls, model, target, train):
        """Return the out-of-fold predictions.

        train : ndarray
            The rows that `oof_prediction_` has.
        """
        P = model.oof_prediction_
        rows = np.flatnonzero(~np.isnan(P.reshape(len(P), -1)).any(axis=1))
        blocks = model.model_.block_of_row
        block = None if blocks is None else blocks[rows]
        return cls(model, train[rows], _true(model, target, train[rows]), P[rows], block)

    @classmethod
    def from_rows(cls, model, table, target, rows):
        """Return the predictions of rows that the model was not fitted to.

        table : MemoryTable or LargeTable
        """
        predict = model.predict if target.is_number else model.predict_proba
        P = np.concatenate([predict(part) for part in table.take(rows)])
        return cls(model, rows, _true(model, target, rows), P)

    def scores(self):
        """Return the scores beside those of the baseline."""
        if self.block is not None and self.P.ndim == 1:
            return score_numbers(self.y, self.P, self.block)
        return score_rows(self.model, self.y, self.P)


def _true(model, target, rows):
    """Return the class numbers, or numbers, of some rows."""
    y = target.take(rows)
    return y if target.is_number else np.searchsorted(model.classes_, y)


def score_rows(model, y, P):
    """Return the scores of predictions.

    Parameters
    ----------
    model : TabularClassifier or TabularRegressor
    y : ndarray (n,)
        Class numbers, or numbers.
    P : ndarray (n, n_classes) or (n,)
        Probabilities, or numbers.
    """
    if P.ndim == 1:
        return score_numbers(y, P)
    labels = list(map(label_text, model.classes_.tolist()))
    return score_classes(y, P, model.model_.targets.decide(P, model.threshold), labels)


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


def score_numbers(y, predicted, block=None):
    """Score the prediction of numbers.

    Parameters
    ----------
    y, predicted : ndarray (n,) of float64
    block : ndarray (n,) of int, optional
        The number of the block of time of each row. The baseline, and R2, then take the mean and
        the median of each block: what a score of later rows would compare with.

    Returns
    -------
    dict
        rows, r2 (None if all y are equal), rmse, mae; baseline: the rmse of the mean and the mae of
        the median of y.
    """
    from sklearn import metrics

    mean, median = np.full(len(y), y.mean()), np.full(len(y), np.median(y))
    for k in () if block is None else np.unique(block):
        mean[block == k], median[block == k] = y[block == k].mean(), np.median(y[block == k])
    shift = 0.0 if block is None else mean
    return {
        "rows": len(y),
        "r2": None if (y == mean).all() else float(metrics.r2_score(y - shift, predicted - shift)),
        "rmse": float(metrics.root_mean_squared_error(y, predicted)),
        "mae": float(metrics.mean_absolute_error(y, predicted)),
        "baseline": {
            "r2": 0.0,
            "rmse": float(metrics.root_mean_squared_error(y, mean)),
            "mae": float(metrics.mean_absolute_error(y, median)),
        },
    }


# ---- rows that look wrong ----


def list_label_issues(model, target, train, file):
    """Return the rows whose target is improbable, as dicts: row, place, given, predicted and, for
    classes, the probability of the given one. For a folder also the file, and the place there.

    Parameters
    ----------
    model : TabularClassifier or TabularRegressor
        Fitted in this process.
    target : Target
    train : ndarray
        The rows that `oof_prediction_` has: positions among those with a target.
    file : TableFile
    """
    from ..tabular import find_label_issues

    y = target.take(train)
    if target.is_number:
        errors = y - model.oof_prediction_
        limit = MIN_ERROR * np.sqrt(np.nanmean(errors**2))
    out = []
    for issue in find_label_issues(model, y, MAX_LABEL_ISSUES):
        row = int(target.rows[train[issue.row]])
        path, place = file.locate(row)
        found = {"row": row, "place": place}
        if path != file.name:  # of a folder
            found |= {"place": f"row {row + 1}", "file": path, "place_in_file": place}
        if target.is_number:
            if abs(issue.given - issue.predicted) > limit:
                out.append(found | {"given": issue.given, "predicted": issue.predicted})
        elif issue.probability < MAX_PROBABILITY:
            found |= {name: label_text(getattr(issue, name)) for name in ("given", "predicted")}
            out.append(found | {"probability": issue.probability})
    return out


# ---- targets of a table file ----


def has_text_target(model):
    """Whether the classes of a model are texts, so that 01 and 1 differ."""
    return hasattr(model, "classes_") and isinstance(model.classes_[0], str)


def score_columns(model, columns, outputs):
    """Return the scores of predictions, or None if no row has a target that can be used.

    Parameters
    ----------
    model : TabularClassifier or TabularRegressor
    columns : list of pyarrow.ChunkedArray
        The target of each part of the rows.
    outputs : list of ndarray (n,) or (n, n_classes)
        Predicted numbers, or probabilities, of each part.
    """
    column = import_pyarrow().chunked_array([chunk for c in columns for chunk in c.chunks])
    outputs = np.concatenate(outputs)
    if hasattr(model, "classes_"):
        y = _class_codes(model, column)
        rows = _usable(y >= 0, model, "not one of the classes")
    elif outputs.ndim == 2:  # quantiles
        return None
    else:
        y = _numbers(column)
        rows = _usable(np.isfinite(y), model, "not a number")
    return None if rows is None else score_rows(model, y[rows], outputs[rows])


def _usable(rows, model, other):
    """Return a mask of rows, or None if it has none. Print how many are not scored."""
    n = np.count_nonzero(~rows)
    if n:
        print_note(
            f"{plural(n, 'row')} not scored: the target {printable(model.model_.target_name)!r} is "
            f"missing or {other}"
        )
    return rows if rows.any() else None


def _class_codes(model, column):
    """Return the position of each class in `classes_`, -1 if it is missing or none of them."""
    pa = import_pyarrow()
    exact = {label_text(label): i for i, label in enumerate(model.classes_.tolist())}
    similar: dict = {}
    for text, i in exact.items():
        similar.setdefault(_normalize(text), []).append(i)

    def code(value):
        text = label_text(value)
        if text in exact:
            return exact[text]
        found = similar.get(_normalize(text), ())
        return found[0] if len(found) == 1 else -1

    encoded = column.combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    codes = [code(value) for value in encoded.dictionary.to_pylist()]
    indices = encoded.indices.fill_null(len(codes)).to_numpy(zero_copy_only=False)
    return np.array([*codes, -1])[indices]


def _normalize(text):
    """Return the same text for 1, 1.0 and 01, and for true and TRUE."""
    try:
        return f"{float(text):.17g}"
    except ValueError:
        return text.strip().lower()


def _numbers(column):
    """Return a column as float64, NaN for values that are not numbers."""
    pa = import_pyarrow()
    if pa.types.is_string(column.type):
        column = convert_texts(pa.table({"y": column})).column("y")
    types, kind = pa.types, column.type
    if types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
        return np.full(len(column), np.nan)
    return column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy()

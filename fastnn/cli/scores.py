"""Scores of predictions and of the baseline, and rows whose target may be wrong."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..tabular import metrics, thresholds
from ..tabular.metrics import CLASS_METRICS, NUMBER_METRICS, PairedScores, known_name
from ..tabular.targets import LOSS_METRICS, label_text
from .column_roles import groups_of_rows
from .console import warnings_as_notes
from .record import MAX_LABEL_ISSUES, METRICS, ClassRow, LabelIssueRow, LastBlock, Scores

CERTAIN = 3.0  # standard errors between the last block and the others: neighbours in time are alike
MIN_ERROR = 3.0  # of a label issue, in units of the RMSE
MAX_PROBABILITY = 0.1  # of the class of a label issue


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
    threshold : float, ndarray (n,) or None
        The probability from which a row is of the second class.
    block : ndarray (n,) of int, or None
        The number of the block of time of each row, if the folds are forward in time.
    weight : ndarray (n,) or None
        By which the scores weigh the rows.
    """

    model: Any
    rows: np.ndarray
    y: np.ndarray
    P: np.ndarray
    threshold: Any = None
    block: np.ndarray | None = None
    weight: np.ndarray | None = None

    @classmethod
    def from_held_out(cls, model, target, train, weight=None):
        """Return the out-of-fold predictions.

        train : ndarray
            The rows that `oof_prediction_` has.
        weight : ndarray or None
            Of all rows with a target.
        """
        P = model.oof_prediction_
        rows = np.flatnonzero(~np.isnan(P.reshape(len(P), -1)).any(axis=1))
        threshold = getattr(model, "oof_threshold_", None)
        threshold = threshold_of(model) if threshold is None else threshold[rows]
        block, chosen = _part(model.oof_blocks_, rows), train[rows]
        y, weight = true_targets(model, target, chosen), _weight_of(weight, chosen)
        return cls(model, chosen, y, P[rows], threshold, block, weight)

    @classmethod
    def from_rows(cls, model, table, target, rows, weight=None):
        """Return the predictions of rows that the model was not fitted to.

        table : MemoryTable or LargeTable
        weight : as in `from_held_out`
        """
        predict = model.predict if target.is_number else model.predict_proba
        with warnings_as_notes(lambda text: None):  # as for the rows of `fit`
            P = np.concatenate([predict(part) for part in table.take(rows)])
        y, weight = true_targets(model, target, rows), _weight_of(weight, rows)
        return cls(model, rows, y, P, threshold_of(model), weight=weight)

    def scores(self) -> Scores:
        """Return the scores beside those of the baseline."""
        how = {"block": self.block} if self.P.ndim == 1 else {"threshold": self.threshold}
        return score_rows(self.model, self.y, self.P, weight=self.weight, **how)

    def errors(self):
        """Return the standard errors of the scores, {name: float}, without those that are unknown."""
        known = NUMBER_METRICS if self.P.ndim == 1 else CLASS_METRICS
        out = {}
        for name, metric in known.items():
            found = PairedScores(metric, [self.some_rows], len(self.y))
            if found.scores[0] is not None and np.isfinite(found.errors[0]):
                out[name] = found.errors[0]
        return out

    def take(self, some):
        """Return the Evaluation of some rows."""
        of_rows = ("rows", "y", "P", "threshold", "block")
        parts = {name: _part(getattr(self, name), some) for name in of_rows}
        return replace(self, weight=_weight_of(self.weight, some), **parts)

    def some_rows(self, some):
        """Return the ScoredRows of some rows. some : as `PairedScores` passes them"""
        names = ("y", "P", "weight", "threshold", "block")
        parts = {name: _part(getattr(self, name), some) for name in names}
        return metrics.ScoredRows(self.model.targets_, **parts)


def _part(values, some):
    """Return the values of some rows; None, or a value of all rows, as it is."""
    return values[some] if isinstance(values, np.ndarray) else values


def _weight_of(weight, rows):
    """Return the weights of some rows, None if they have none."""
    weight = _part(weight, rows)
    return weight if weight is not None and weight.any() else None


def true_targets(model, target, rows):
    """Return the class numbers, or numbers, of some rows."""
    y = target.take(rows)
    return y if target.is_number else np.searchsorted(model.classes_, y)


def threshold_of(model):
    """Return the threshold of a model, None for the more probable class, and for numbers."""
    return model.threshold_ if model.is_classifier else None


def metric_of(model):
    """Return the name of the metric of a model; None for "auto", and for a function of the user."""
    return known_name(model.metric, model.is_classifier)


def default_metric(model):
    """Return the name of the metric that goes with what a fitted model learns."""
    if model.is_classifier:
        return "log_loss"
    return LOSS_METRICS[model.targets_.loss.name]


def drop_verb(metric):
    """Return what a score does if a column is shuffled: fall or rise. metric : its name, or None"""
    return "fall" if metric is None else METRICS[metric].verb


def score_rows(model, y, P, threshold=None, *, block=None, weight=None) -> Scores:
    """Return the Scores of predictions, and which of them the model is to be good at.

    Parameters
    ----------
    model : TabularClassifier or TabularRegressor
    y : ndarray (n,)
        Class numbers, or numbers.
    P : ndarray (n, n_classes) or (n,)
        Probabilities, or numbers.
    threshold : float, ndarray (n,) or None
    block, weight : ndarray (n,) or None
        As in `Evaluation`.
    """
    metric = metric_of(model)
    if P.ndim == 1:
        return replace(score_numbers(y, P, block, weight), metric=metric)
    labels = list(map(label_text, model.classes_.tolist()))
    predicted = model.decide(P, threshold)
    scores = score_classes(y, P, predicted, labels, weight)
    rule = thresholds.parse(model.threshold)
    if isinstance(rule, thresholds.ThresholdRule):
        metric = metric or ("f1" if rule.costs is None else "cost")
        if rule.costs is not None:
            scored = metrics.ScoredRows(None, y, P, weight, chosen=predicted)
            cost, of_cheaper = _costs(scored.confusion, rule)
            scores.values["cost"], scores.baseline["cost"] = cost, of_cheaper
    return replace(scores, metric=metric)


def _costs(confusion, rule):
    """Return the mean cost of a row, and that of the cheaper class for all rows."""
    n, (missed, false) = confusion.sum(), rule.costs
    (_, alarms), (misses, _) = confusion.tolist()
    negative, positive = confusion.sum(axis=1).tolist()
    cost = missed * misses + false * alarms
    return cost / n, min(missed * positive, false * negative) / n


def score_classes(codes, P, predicted, labels, weight=None) -> Scores:
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
    weight : ndarray (n,), optional
        Weights of the rows. They do not count in rows, wrong and confusion.

    Returns
    -------
    Scores
        values: accuracy, balanced_accuracy, log_loss; f1, of the second of two classes, else the
        mean over classes with rows; auc, for more than two classes the mean over classes against the
        rest; both are None if the rows lack classes. baseline: accuracy, balanced_accuracy, log_loss
        and auc of the shares of the classes, and the f1 if all rows are of the second of two
        classes, or of the most frequent of more.
    """
    n, k = len(codes), len(labels)
    scored = metrics.ScoredRows(None, codes, P, weight, chosen=predicted)
    counts = metrics.ScoredRows(None, codes, P, chosen=predicted).confusion
    confusion = scored.confusion
    rows, right = confusion.sum(axis=1), np.diag(confusion)
    present, shares = rows > 0, rows / rows.sum()
    entropy = -(shares[present] * np.log(shares[present])).sum()
    f1 = metrics.f1_of_classes(confusion)
    most = 1 if k == 2 else int(shares.argmax())
    most_f1 = 2 * shares[most] / (1 + shares[most])
    values = {name: metric.value(scored) for name, metric in CLASS_METRICS.items()}
    classes: list[ClassRow] = [
        {
            "class": labels[j],
            "rows": int(counts[j].sum()),
            "precision": _share(right[j], confusion[:, j].sum(), present[j]),
            "recall": _share(right[j], rows[j], present[j]),
            "f1": float(f1[j]) if present[j] else None,
            "auc": metrics.auc_of_class(codes == j, P[:, j], scored.weights),
        }
        for j in range(k)
    ]
    baseline: dict[str, float | None] = {
        "accuracy": float(shares.max()),
        "balanced_accuracy": float(1 / present.sum()),
        "log_loss": float(entropy) + 0.0,
        "auc": 0.5,
        "f1": float(most_f1 if k == 2 else most_f1 / present.sum()),
    }
    wrong = int(np.count_nonzero(codes != predicted))
    return Scores(None, n, values, baseline, wrong, classes, counts.astype(int).tolist())


def _share(part, whole, present):
    """Return a part of some rows, 0 of no rows; None for a class that is not present."""
    if not present:
        return None
    return float(part / whole) if whole else 0.0


def score_numbers(y, predicted, block=None, weight=None) -> Scores:
    """Score the prediction of numbers.

    Parameters
    ----------
    y, predicted : ndarray (n,) of float64
    block : ndarray (n,) of int, optional
        The number of the block of time of each row. The baseline, and R2, then take the mean and
        the median of each block: what a score of later rows would compare with.
    weight : ndarray (n,), optional
        Weights of the rows.

    Returns
    -------
    Scores
        values: r2 (None if all y are equal), rmse, mae, mape (None if one of y is 0), pinball (for
        the median). baseline: r2 and rmse of the mean, and the others of the median of y.
    """
    mean, median = np.empty(len(y)), np.empty(len(y))
    part = np.zeros(len(y), int) if block is None else block
    for k in np.unique(part):
        rows = part == k
        some = None if weight is None or not weight[rows].any() else weight[rows]
        mean[rows], median[rows] = np.average(y[rows], weights=some), _median(y[rows], some)
    out = _number_values(y, predicted, weight, block)
    baseline = _number_values(y, median, weight)
    baseline |= {"r2": 0.0, "rmse": _number_values(y, mean, weight)["rmse"]}
    return Scores(None, len(y), out, baseline)


def _median(y, weight):
    """Return the median of y, or the least value that half of the weight does not exceed."""
    if weight is None:
        return np.median(y)
    order = np.argsort(y, kind="stable")
    below = np.cumsum(weight[order])
    return y[order][np.searchsorted(below, below[-1] / 2)]


def _number_values(y, predicted, weight, block=None):
    rows = metrics.ScoredRows(None, y, predicted, weight, block=block)
    return {name: metric.value(rows) for name, metric in NUMBER_METRICS.items()}


def compare_last_block(held_out, rows) -> LastBlock | None:
    """Return the scores of the last block of time, and how they differ from those before.

    The first folds train on few rows, and perhaps on less than a season, so the mean over all blocks
    can be lower than the score of later rows. It is higher where what the rows depend on has changed.

    Parameters
    ----------
    held_out : Evaluation
    rows : TrainingRows

    Returns
    -------
    LastBlock or None
        None without several blocks.
    """
    block = held_out.block
    if block is None or not len(block) or block.min() == block.max():
        return None
    is_last = block == block.max()
    parts = [held_out.take(np.flatnonzero(some)) for some in (is_last, ~is_last)]
    is_number = held_out.P.ndim == 1
    known = NUMBER_METRICS if is_number else CLASS_METRICS
    metric = known[metric_of(held_out.model) or ("r2" if is_number else "log_loss")]
    found = []
    for part in parts:
        groups = groups_of_rows(rows, part.rows)
        scores = PairedScores(metric, [part.some_rows], len(part.y), groups)
        found.append((scores.scores[0], scores.errors[0]))
    (value, error), (earlier, error_before) = found
    is_better = None
    if value is not None and earlier is not None:
        gain = metric.signed(earlier) - metric.signed(value)
        if abs(gain) > CERTAIN * np.hypot(error, error_before):
            is_better = bool(gain > 0)
    return LastBlock(parts[0].scores(), metric.name, earlier, is_better)


# ---- rows that look wrong ----


def list_label_issues(model, target, train, file) -> list[LabelIssueRow]:
    """Return the rows whose target is improbable.

    Parameters
    ----------
    model : TabularClassifier or TabularRegressor
        Fitted in this process.
    target : Target
    train : ndarray
        The rows that `oof_prediction_` has: positions among those with a target.
    file : TableFile

    Returns
    -------
    list of LabelIssueRow
    """
    from ..tabular import find_label_issues

    y = target.take(train)
    if target.is_number:
        errors = y - model.oof_prediction_
        limit = MIN_ERROR * np.sqrt(np.nanmean(errors**2))
    out: list[LabelIssueRow] = []
    for issue in find_label_issues(model, y, MAX_LABEL_ISSUES):
        row = int(target.rows[train[issue.row]])
        path, place = file.locate(row)
        found: Any = {"row": row, "place": place}
        if path != file.name:  # of a folder
            found |= {"place": f"row {row + 1}", "file": path, "place_in_file": place}
        if target.is_number:
            if abs(issue.given - issue.predicted) > limit:
                out.append(found | {"given": issue.given, "predicted": issue.predicted})
        elif issue.probability < MAX_PROBABILITY:
            found |= {name: label_text(getattr(issue, name)) for name in ("given", "predicted")}
            out.append(found | {"probability": issue.probability})
    return out

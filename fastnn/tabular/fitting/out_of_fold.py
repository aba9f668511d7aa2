"""Out-of-fold predictions, and the choice among the configurations by them.

`greedy` chooses their weights by the loss. `improve` takes those that a metric chooses, if they are
better for certain: metrics of predicted classes are coarse, and on small tables the choice by them would
follow single rows (docs/decisions/0037-metrics.md).
"""

import numpy as np

from .. import thresholds
from ..metrics import R2, ScoredRows, block_means, is_above_zero
from ..model import mean_output
from .training_jobs import by_configuration

PICKS = 12  # of the greedy selection
EQUAL = 1e-12  # difference of metrics that are equal


class OutOfFold:
    """The predictions of all networks for the rows that they held out.

    Parameters
    ----------
    jobs : list of Job
        All folds of one configuration, then all of the next.
    folds : list of (ndarray, ndarray)
        Training rows and held-out rows.
    setup : JobSetup
    task : ClassTask or NumberTask
    sample_weight : ndarray (n,) or None
        Weights of the rows, without those of their classes.
    is_forward : bool
        Whether the folds are forward in time.

    Attributes
    ----------
    done : list of int
        Numbers of the folds that the model has, ascending.
    used : list of int
        Numbers of the configurations that the model has. Their networks are trained on all of
        these folds.
    n_complete : int
        Number of folds whose networks are all trained.
    rows, weights, P
        What `choose` returned for these folds.
    score : float or None
        `oof_score_` of these folds.
    threshold_of_row : ndarray (n,) or None
        By which the class of each row is decided for scores, if a rule chooses thresholds; NaN for
        rows of other folds.
    """

    def __init__(self, jobs, folds, setup, task, sample_weight=None, is_forward=False):
        self.is_forward = is_forward
        self.jobs, self.folds, self.setup, self.task = jobs, folds, setup, task
        self.sample_weight, self.threshold_of_row = sample_weight, None
        self.predictions: dict = {}  # of jobs, by their positions
        self.done: list = []
        self.used: list = []
        self.n_complete = 0
        self.score = None

    def end_job(self, job):
        """Update the score after the last network of a fold."""
        if all(other.networks for other in self.jobs if other.fold == job.fold):
            self.update()

    def update(self):
        """Choose by the networks that are trained. Set all attributes.

        Before the first fold is complete, the model has those configurations that are trained on as
        many folds as possible.
        """
        groups = by_configuration(self.jobs, len(self.folds))
        trained = [{job.fold for job in jobs if job.networks} for jobs in groups]
        folds = set.intersection(*trained)
        self.n_complete = len(folds)
        folds = folds or max(trained, key=len)
        self.done = sorted(folds)
        self.used = [c for c, some in enumerate(trained) if folds and folds <= some]
        if self.done:
            self.rows, self.weights, self.P = self.choose()
            self.score = self.score_rows(self.rows, self.P, self.folds_of_rows())

    def score_rows(self, rows, P, fold):
        """Return the score of the predictions of some rows. fold : of each row

        R2 of folds that are forward in time compares with the mean of each block of time, as the
        score of a later block does: the differences between blocks are not explained variance.
        """
        y, weight = self.setup.rows.targets(rows)
        threshold = self.task.threshold
        if self.threshold_of_row is not None:
            threshold = self.threshold_of_row[rows]
        if self.is_forward and self.task.score_metric is R2 and P.ndim == 1:
            mean = block_means(y, weight, fold)
            P, y = P - mean, y - mean
        return self.task.score(self.setup.targets, P, y, weight, threshold)

    def score_all(self, predictions, fold_of_row):
        """Return the score of what `all_rows` returned."""
        rows = np.flatnonzero(fold_of_row >= 0)
        return self.score_rows(rows, predictions[rows], fold_of_row[rows])

    def folds_of_rows(self):
        """Return the fold of each of `rows`, numbered among those that are done."""
        return np.repeat(np.arange(len(self.done)), [len(self.folds[k][1]) for k in self.done])

    def errors(self):
        """Return the rows of each fold that have a weight, their errors (m, 1) and predictions (m,).

        The predictions are on the scale where errors count. Classes have None and None and None.
        """
        y, weight = self.setup.rows.targets(self.rows)
        errors, fold = self.setup.targets.errors(self.P, y), self.folds_of_rows()
        if errors is None:
            return None, None, None
        counted = np.ones(len(y), bool) if weight is None else weight > 0
        of_folds = [counted & (fold == i) for i in range(len(self.done))]
        centers, _ = self.setup.targets.centers(self.P)
        values = self.rows, errors[:, None], centers
        return tuple([each[own] for own in of_folds] for each in values)

    def choose(self):
        """Choose among the configurations by the folds that are done.

        Returns
        -------
        rows : ndarray of intp
            The rows that these folds hold out.
        weights : ndarray
            Those of the configurations that are used.
        P : ndarray (n_rows, ...)
            Out-of-fold predictions of these rows.
        """
        rows = np.concatenate([self.folds[fold][1] for fold in self.done])
        n_folds, targets = len(self.folds), self.setup.targets
        predictions = [
            np.concatenate([self.predict_held_out(c * n_folds + fold) for fold in self.done])
            for c in self.used
        ]
        y, weight = self.setup.rows.targets(rows)
        weights = greedy(predictions, y, weight, targets)
        P = weighted_mean(weights, predictions)
        if targets.is_classifier:
            targets.fit_temperature(P, y, weight)
        if self.task.metric is not None:
            found = HeldOutMetric(self.task, targets, y, weight, self.row_weight(rows))
            weights = improve(weights, predictions, found)
            P = weighted_mean(weights, predictions)
            if targets.is_classifier:
                targets.fit_temperature(P, y, weight)
        P = targets.calibrate(P)
        self.choose_threshold(rows, P)
        return rows, weights, P

    def row_weight(self, rows):
        """Return the weights of some rows without those of their classes, None if all are 0."""
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        return weight if weight is not None and weight.any() else None

    def choose_threshold(self, rows, P):
        """Set the threshold of the targets, and those by which rows are scored, if there is a rule."""
        rule, targets, n_done = self.task.rule, self.setup.targets, len(self.done)
        if rule is None:
            return
        y, weight = self.setup.rows.targets(rows)
        row_weight, p, is_second = self.row_weight(rows), P[:, 1], y == 1
        odds = thresholds.class_odds(y, weight, row_weight)
        targets.chosen = thresholds.ChosenThreshold(rule, rule.best(p, is_second, row_weight, odds))
        part, informs = self.folds_of_rows(), self.setup.informs
        informs = None if informs is None else informs[np.ix_(self.done, self.done)]
        if n_done == 1:
            part, informs = np.arange(len(rows)) % thresholds.PARTS_OF_FOLD, None
        self.threshold_of_row = np.full(len(self.setup.rows), np.nan)
        self.threshold_of_row[rows] = thresholds.out_of_fold(
            rule, p, is_second, row_weight, part, odds, informs
        )

    def predict_held_out(self, i):
        """Return the predictions of the networks of job i for the rows that they held out."""
        if i not in self.predictions:
            job = self.jobs[i]
            Y = mean_output(job.networks, job.held_out_table(), self.setup.n_threads)
            self.predictions[i] = self.setup.targets.finish(Y)
        return self.predictions[i]

    def all_rows(self):
        """Return the predictions of all rows, NaN for folds that are not done, and the fold of each.

        The folds are numbered among those that are done; -1 is none of them. The prediction of a
        row that several folds hold out is the mean.
        """
        rows, P = self.rows, self.P
        predictions = np.full((len(self.setup.rows), *P.shape[1:]), np.nan)
        n_folds = np.bincount(rows, minlength=len(predictions))
        if n_folds.max() > 1:
            predictions[n_folds > 0] = 0
            np.add.at(predictions, rows, P)
            predictions /= np.maximum(n_folds, 1).reshape(-1, *[1] * (P.ndim - 1))
        else:
            predictions[rows] = P
        fold_of_row = np.full(len(predictions), -1)
        for i, fold in enumerate(self.done):
            fold_of_row[self.folds[fold][1]] = i
        return predictions, fold_of_row


# ---- weights of the configurations ----


def greedy(predictions, y, weight, targets):
    """Return the weights of configurations, from their out-of-fold predictions.

    Configurations are picked one after the other, with replacement, each time the one with which
    the mean of the picks has the least loss (Caruana et al., 2004, "Ensemble selection from
    libraries of models").
    """
    return _pick(predictions, lambda means: np.argmin([targets.value(P, y, weight) for P in means]))


def _pick(predictions, best):
    """Return the weights of picks. best(means) returns the position of the best mean with a further pick"""
    counts, total = np.zeros(len(predictions)), 0.0
    for k in range(PICKS):
        j = best((total + P) / (k + 1) for P in predictions)
        counts[j] += 1
        total = total + predictions[j]
    return counts / PICKS


def weighted_mean(weights, predictions):
    """Return the prediction of all configurations."""
    return sum(weight * P for weight, P in zip(weights, predictions))


class HeldOutMetric:
    """What a metric says about predictions of held-out rows.

    Parameters
    ----------
    task : ClassTask or NumberTask
        With a metric.
    targets : TableClasses or TableNumbers
        With the temperature for the predictions.
    y : ndarray (n,)
    weight : ndarray (n,) or None
    row_weight : ndarray (n,) or None
        The weights without those of classes, which a threshold is chosen with.
    """

    def __init__(self, task, targets, y, weight, row_weight):
        self.task, self.targets = task, targets
        self.y, self.weight, self.row_weight = y, weight, row_weight

    def loss(self, P):
        return self.targets.value(P, self.y, self.weight)

    def cost(self, P, rows=slice(None)):
        """Return the metric, lower is better, of the predictions of some rows; None if undefined."""
        P, y = self.targets.calibrate(P[rows]), self.y[rows]
        weight, row_weight = (
            None if w is None else w[rows] for w in (self.weight, self.row_weight)
        )
        if weight is not None and not weight.any():
            return None
        threshold = (
            self.task.decision(P, y, weight, row_weight) if self.task.metric.uses_classes else None
        )
        return self.task.metric.cost(ScoredRows(self.targets, y, P, weight, threshold))


def improve(weights, predictions, held_out):
    """Return the weights of configurations that a metric chooses, or those that the loss chose.

    Picks with equal metrics are decided by the loss. Metrics of numbers choose in any case. Others
    must be better by two standard errors of the difference (jackknife), else the loss chooses, as it
    does if a metric is undefined for the rows.

    Parameters
    ----------
    weights : ndarray (n_configurations,)
        Those that the loss chose.
    predictions : list of ndarray
        Out-of-fold predictions of each configuration.
    held_out : HeldOutMetric
    """
    metric = held_out.task.metric
    if len(predictions) == 1 or metric.is_loss or held_out.cost(predictions[0]) is None:
        return weights

    def best(means):
        means = list(means)
        costs = np.array([held_out.cost(P) for P in means], float)
        tied = np.flatnonzero(costs <= np.nanmin(costs) + EQUAL)
        return tied[0] if len(tied) == 1 else min(tied, key=lambda i: held_out.loss(means[i]))

    found = _pick(predictions, best)
    if not metric.is_coarse:
        return found
    new, old = weighted_mean(found, predictions), weighted_mean(weights, predictions)
    return found if is_better_for_certain(new, old, held_out) else weights


def is_better_for_certain(new, old, held_out):
    """Return whether the metric of predictions is better by two standard errors."""

    def gain(rows):
        costs = held_out.cost(old, rows), held_out.cost(new, rows)
        return np.nan if None in costs else costs[0] - costs[1]

    return is_above_zero(gain, len(held_out.y))

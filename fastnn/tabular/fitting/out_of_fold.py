"""Out-of-fold predictions, and the choice among the configurations by them."""

import numpy as np

from .. import thresholds
from ..table_model import mean_output
from . import selection
from .selection import greedy, weighted_mean


class OutOfFold:
    """The predictions of all networks for the rows that they held out.

    Parameters
    ----------
    jobs : list of Job
        All folds of one configuration, then all of the next.
    folds : list of (ndarray, ndarray)
        Training rows and held-out rows.
    setup : TrainingSetup
    task : ClassTask or NumberTask
    sample_weight : ndarray (n,) or None
        Weights of the rows, without those of their classes.

    Attributes
    ----------
    done : list of int
        Numbers of the folds whose networks are trained, ascending.
    choice : tuple
        What `choose` returned for these folds.
    score : float or None
        `oof_score_` of these folds.
    threshold_of_row : ndarray (n,) or None
        By which the class of each row is decided for scores, if a rule chooses thresholds; NaN for
        rows of other folds.
    """

    def __init__(self, jobs, folds, setup, task, sample_weight=None):
        self.jobs, self.folds, self.setup, self.task = jobs, folds, setup, task
        self.sample_weight, self.threshold_of_row = sample_weight, None
        self.predictions: list = [None] * len(jobs)
        self.done: list = []
        self.score = None

    def end_job(self, job):
        """Update the score after the last network of a fold."""
        if all(other.networks for other in self.jobs if other.fold == job.fold):
            self.update()

    def update(self):
        """Set `done`, `choice` and `score`."""
        left = {job.fold for job in self.jobs if not job.networks}
        self.done = [fold for fold in range(len(self.folds)) if fold not in left]
        if self.done:
            rows, _, P = self.choice = self.choose()
            self.score = self.score_rows(rows, P)

    def score_rows(self, rows, P):
        """Return the score of the predictions of some rows."""
        y, weight = self.setup.rows.targets(rows)
        threshold = self.task.decision(P, y, weight) if self.task.rule is None else None
        if self.threshold_of_row is not None:
            threshold = self.threshold_of_row[rows]
        return self.task.score(self.setup.targets, P, y, weight, threshold)

    def choose(self):
        """Choose among the configurations by the folds that are done.

        Returns
        -------
        rows : ndarray of intp
            The rows that these folds hold out.
        weights : ndarray (n_configurations,)
        P : ndarray (n_rows, ...)
            Out-of-fold predictions of these rows.
        """
        rows = np.concatenate([self.folds[fold][1] for fold in self.done])
        n_folds, targets = len(self.folds), self.setup.targets
        predictions = [
            np.concatenate([self.predict_held_out(i + fold) for fold in self.done])
            for i in range(0, len(self.jobs), n_folds)
        ]
        y, weight = self.setup.rows.targets(rows)
        weights = greedy(predictions, y, weight, targets)
        P = weighted_mean(weights, predictions)
        if targets.is_classifier:
            targets.fit_temperature(P, y, weight)
        if self.task.metric is not None:
            found = selection.HeldOutMetric(self.task, targets, y, weight, self.row_weight(rows))
            weights = selection.improve(weights, predictions, found)
            P = weighted_mean(weights, predictions)
            if targets.is_classifier:
                targets.fit_temperature(P, y, weight)
        P = targets.calibrate(P)
        self.choose_threshold(rows, P, y)
        return rows, weights, P

    def row_weight(self, rows):
        """Return the weights of some rows without those of their classes, None if all are 0."""
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        return weight if weight is not None and weight.any() else None

    def choose_threshold(self, rows, P, y):
        """Set the threshold of the targets, and those by which rows are scored, if there is a rule."""
        rule, targets, n_done = self.task.rule, self.setup.targets, len(self.done)
        if rule is None:
            return
        weight, p, is_second = self.row_weight(rows), P[:, 1], y == 1
        targets.chosen = thresholds.ChosenThreshold(rule, rule.best(p, is_second, weight))
        sizes = [len(self.folds[fold][1]) for fold in self.done]
        part = np.repeat(np.arange(n_done), sizes)
        if n_done == 1:
            part = np.arange(len(rows)) % thresholds.PARTS
        self.threshold_of_row = np.full(len(self.setup.rows), np.nan)
        self.threshold_of_row[rows] = thresholds.out_of_fold(rule, p, is_second, weight, part)

    def predict_held_out(self, i):
        """Return the predictions of the networks of job i for the rows that they held out."""
        if self.predictions[i] is None:
            job = self.jobs[i]
            Y = mean_output(job.networks, job.table[job.held_out], self.setup.n_threads)
            self.predictions[i] = self.setup.targets.finish(Y)
        return self.predictions[i]

    def all_rows(self):
        """Return the predictions of all rows, NaN for folds that are not done, and the fold of each.

        The folds are numbered among those that are done; -1 is none of them.
        """
        rows, _, P = self.choice
        predictions = np.full((len(self.setup.rows), *P.shape[1:]), np.nan)
        predictions[rows] = P
        fold_of_row = np.full(len(predictions), -1)
        for i, fold in enumerate(self.done):
            fold_of_row[self.folds[fold][1]] = i
        return predictions, fold_of_row

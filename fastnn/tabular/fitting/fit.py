"""One call of `fit`: from the table to the TableModel."""

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight

from ...core.errors import Argument, DataError
from ...core.messages import plural
from ...core.validation import check_threads
from ..columns.features import NO_COLUMN, Features
from ..encoder import Encoder, Scaling
from ..large import large_table
from ..model import Member, TableModel, mean_output
from ..unfinished import Unfinished, digests_of
from . import budget, importances, recipe, selection, training, weighting
from .folds import group_numbers, split_rows
from .progress import ProgressReporter
from .rows import FitRows


@dataclass(eq=False, repr=False)
class FittedTable:
    """What one call of `fit` returns.

    Attributes
    ----------
    model : TableModel
    importances : ndarray (n_columns,)
    oof_prediction : ndarray (n, ...)
    oof_rows : ndarray (n,) of int, or None
        The numbers of these rows in the table; None: these are all rows.
    fold_of_row : ndarray (n,) of int, or None
        Position of the fold that held out each row among those that are trained, -1 for none.
    oof_score : float or None
    interrupt : KeyboardInterrupt or None
        The interrupt that stopped training after some folds.
    """

    model: TableModel
    importances: np.ndarray
    oof_prediction: np.ndarray
    oof_rows: np.ndarray | None
    fold_of_row: np.ndarray | None
    oof_score: float | None
    interrupt: KeyboardInterrupt | None = None


class Fit:
    """The table, the networks and the choice among them in one call of `fit`.

    Parameters
    ----------
    options : TableFitOptions
    X, y, sample_weight, groups, window
        As in `fit` of the estimators.

    Attributes
    ----------
    large : LargeTable or None
        The table, if the rows in memory are a sample of it.
    features : Features
    targets : Classes or Numbers
    rows : FitRows
        Those in memory.
    jobs : list of Job
        All folds of one configuration, then all of the next.
    seed : int
        Of the generator that shuffles columns for their weights. It is the same if the fit is resumed.
    folds : list of (ndarray, ndarray)
        Training rows and held-out rows.
    done : list of int
        Numbers of the folds whose networks are trained, ascending.
    choice : tuple
        What `choose` returned for these folds.
    score : float or None
        `oof_score_` of these folds.
    stored : EncodedRows or None
        All rows of a large table.
    """

    stored: Any = None

    def __init__(self, options, X, y, sample_weight, groups, window):
        self.options, self.task = options, options.task
        self.clock = budget.Clock(options.time_limit)
        for name, values in (("sample_weight", sample_weight), ("groups", groups)):
            if isinstance(values, str):
                raise DataError(
                    "{argument} must be an array with one value for each row, got {value!r}.",
                    "Pass the values of the column, and name it in {drop} if it is not an input.",
                    argument=name,
                    value=values,
                    drop=Argument("drop"),
                )
        rows, self.large = large_table.read(options, X, y, sample_weight, window)
        self.target_name, frame, weight = rows.target_name, rows.frame, rows.weight
        n = frame.n_rows
        if n < 2:
            raise ValueError(f"fit needs at least 2 rows, got {plural(n, 'sample')}.")
        if weight is not None:
            weight = _check_sample_weight(weight, np.zeros(n), ensure_non_negative=True)
        n_all = n if self.large is None else self.large.n_rows
        self.groups = None if groups is None else group_numbers(groups, n_all)
        self.random_state = check_random_state(options.random_state)
        self.n_threads = check_threads(options.n_threads)
        target_rows = self.task if self.large is None else self.large
        self.targets, y = target_rows.fit_targets(rows.y, weight)
        n_rows_of_class = None if self.large is None else self.large.n_rows_of_class
        weight = self.task.weights(self.targets, y, weight, n_rows_of_class)
        if weight is not None and not 0 < weight.sum() < np.inf:
            raise ValueError(
                f"the sum of the weights of the rows is {weight.sum():g}. At least one weight must be "
                "above 0, and their sum finite."
            )
        with contextlib.nullcontext() if self.large is None else self.large.row_numbers():
            self.features = Features.fit(frame, **options.declared)
            numbers, codes = self.features.transform(frame)
        self.rows = FitRows(numbers, codes, y, weight)
        self.done, self.score = [], None

    def run(self, stopped=None):
        """Train the networks. Return the FittedTable.

        stopped : TableModel, optional
            That of the fit to continue.
        """
        if self.targets.is_classifier and self.targets.n_out == 1:
            if stopped is not None:  # its targets had several classes
                stopped.unfinished.refuse("targets")
            return self.end_without_networks()
        with self.large or contextlib.nullcontext():
            self.make_jobs(stopped)
            interrupt = self.train_until_interrupt()
            fitted = self.end()
        fitted.interrupt = interrupt
        return fitted

    def train_until_interrupt(self):
        """Train the networks. Return the KeyboardInterrupt that came when more folds were done."""
        done, line = list(self.done), None
        if self.options.verbose or self.options.on_progress is not None:
            line = ProgressReporter(self)
        try:
            self.train(line)
        except KeyboardInterrupt as error:
            self.update_done()
            if self.done == done:  # nothing is new
                raise
            return error
        finally:
            if line is not None:
                line.end()
        return None

    # ---- before training ----

    def make_jobs(self, stopped):
        """Encode the table and make the networks. Those of a stopped fit have been trained."""
        hidden = self.options.hidden_sizes
        configurations = self.configurations(self.split())
        self.encoders = self.fit_encoders(configurations)
        configurations = [c for c in configurations if c.encoding in self.encoders]
        n_folds = len(self.folds)
        budget.check_memory(
            self.encoders, hidden, self.targets.n_out, n_folds, self.features, len(self.rows)
        )
        encoders = list(self.encoders.values())
        model = TableModel(self.features, encoders, [], self.targets, self.target_name)
        self.options.check_size(model, n_folds)
        self.tables = self.rows.encode(self.encoders)
        self.learned = self.targets.encode(self.rows.y)
        self.jobs = training.make_jobs(
            configurations, self.tables, self.folds, self.targets, hidden, self.random_state
        )
        if self.large is not None:
            self.stored = self.large.store(self)
            for job in self.jobs:
                job.n_train = self.stored.n_train(job.fold)
        if stopped is None:
            self.clock.reserve(
                self.encoders, self.jobs, self.rows, self.features.sources(), self.n_threads
            )
            n_configurations, self.share = self.clock.plan(
                self.jobs, self.learned, self.targets, n_folds, self.n_threads, self.stored
            )
        else:
            n_configurations, self.share = len(stopped.members), stopped.unfinished.share
        del self.jobs[n_configurations * n_folds :]
        self.seed = self.random_state.randint(2**31)
        self.predictions = [None] * len(self.jobs)
        self.digests = digests_of(self.features, self.rows, self.targets, self.jobs)
        if stopped is not None:
            stopped.unfinished.check(self.digests)
            trained = stopped.unfinished.folds
            for i, job in enumerate(self.jobs):
                if job.fold in trained:
                    networks = stopped.members[i // n_folds].networks
                    job.networks = networks[trained.index(job.fold)]
            self.update_done()

    def configurations(self, m):
        """Return the different configurations for networks that train on m rows each."""
        targets, has_days = self.targets, self.features.has_days()
        found = recipe.configurations(targets.is_classifier, m, targets.n_out, has_days)
        return list(dict.fromkeys(self.task.monitored(found)))

    def split(self):
        """Set the folds. Return the number of rows that each network trains on."""
        n_estimators = self.options.n_estimators
        if self.large is not None:
            self.folds = self.large.split(n_estimators, self.groups, self.random_state)
            return round(self.large.n_rows * (1 - 1 / self.large.n_folds))
        labels = self.rows.y if self.targets.is_classifier else None
        self.folds = split_rows(
            len(self.rows), n_estimators, labels, self.groups, self.random_state
        )
        return len(self.folds[0][0])

    def fit_encoders(self, configurations):
        """Return {Settings: Encoder} of the configurations, without those that have no inputs."""
        features, numbers = self.features, self.rows.numbers
        scalings = [Scaling.fit(x, n.part == "value") for n, x in zip(features.numbers, numbers)]
        target, width = self.targets.for_trees(self.rows.y), self.options.hidden_sizes[0]
        out = {}
        for settings in dict.fromkeys(c.encoding for c in configurations):
            n_levels = [
                0 if category.part == "day of year" and not settings.days else category.n_levels
                for category in features.categories
            ]
            encoder = Encoder.fit(scalings, numbers, n_levels, target, settings, width)
            if encoder.n_inputs:
                out[settings] = encoder
        if not out:
            raise DataError(
                "{what}: the values of {columns} differ too little or too much.",
                "Rescale them.",
                what=NO_COLUMN,
                columns=", ".join(features.kinds()),
            )
        return out

    # ---- during training ----

    def train(self, line):
        """Train the networks that are left, fold by fold.

        If there are configurations with weighted columns, the first configuration is trained on all
        folds before the others, since the weights come from its networks.
        """
        n_folds = len(self.folds)
        first, others = self.jobs[:n_folds], self.jobs[n_folds:]
        weighted = [job for job in others if job.configuration.weighted and not job.networks]
        if n_folds > 1 and weighted:
            self.train_jobs(first, line)
            sources = self.features.sources()
            weights = weighting.column_weights(
                first,
                self.encoders[first[0].configuration.encoding],
                sources,
                self.rows,
                self.targets,
                np.random.default_rng(self.seed),
                self.n_threads,
            )
            weighting.set_weights(weighted, weights, self.encoders, sources)
        self.train_jobs(self.jobs, line)

    def train_jobs(self, jobs, line):
        """Train the networks of jobs that are left."""
        setup = training.TrainingSetup(
            y=self.learned,
            weight=self.rows.weight,
            targets=self.targets,
            width=self.options.hidden_sizes[0],
            n_threads=self.n_threads,
            share=self.share,
            stored=self.stored,
        )
        training.train([job for job in jobs if not job.networks], setup, self.end_job, line)

    def end_job(self, job):
        """Update the score after the last network of a fold."""
        if all(other.networks for other in self.jobs if other.fold == job.fold):
            self.update_done()

    def update_done(self):
        """Set `done` and `score`."""
        trained: list = [[] for _ in self.folds]
        for job in self.jobs:
            trained[job.fold].append(bool(job.networks))
        self.done = [fold for fold, each in enumerate(trained) if all(each)]
        if self.done:
            rows, _, P = self.choice = self.choose()
            y, weight = self.rows.targets(rows)
            self.score = self.task.score(self.targets, P, y, weight)

    # ---- the choice ----

    def choose(self):
        """Choose among the configurations by the folds that are done.

        Returns
        -------
        rows : ndarray of intp
            The rows that these folds hold out.
        shares : ndarray (n_configurations,)
        P : ndarray (n_rows, ...)
            Out-of-fold predictions of these rows.
        """
        rows = np.concatenate([self.folds[fold][1] for fold in self.done])
        n_folds = len(self.folds)
        predictions = [
            np.concatenate([self.predict_held_out(i + fold) for fold in self.done])
            for i in range(0, len(self.jobs), n_folds)
        ]
        y, weight = self.rows.targets(rows)
        shares = selection.greedy(predictions, y, weight, self.targets)
        P = selection.weighted_mean(shares, predictions)
        if self.targets.is_classifier:
            self.targets.fit_temperature(P, y, weight)
            P = self.targets.calibrate(P)
        return rows, shares, P

    def predict_held_out(self, i):
        """Return the predictions of the networks of job i for the rows that they held out."""
        if self.predictions[i] is None:
            job = self.jobs[i]
            Y = mean_output(job.networks, job.table[job.held_out], self.n_threads)
            self.predictions[i] = self.targets.finish(Y)
        return self.predictions[i]

    def end(self):
        """Return the FittedTable of the folds that are done."""
        oof_rows, shares, P = self.choice
        oof_prediction = np.full((len(self.rows), *P.shape[1:]), np.nan)
        oof_prediction[oof_rows] = P
        fold_of_row = np.full(len(self.rows), -1)
        for i, fold in enumerate(self.done):
            fold_of_row[self.folds[fold][1]] = i
        rows = fold_of_row >= 0
        P, (y, weight) = oof_prediction[rows], self.rows.targets(rows)
        score = self.task.score(self.targets, P, y, weight)
        model = self.model(shares)
        errors = self.targets.errors(P, y)
        if errors is not None:
            counted = np.ones(len(y), bool) if weight is None else weight > 0
            fold = fold_of_row[rows]
            model.errors = [errors[counted & (fold == i), None] for i in range(len(self.done))]
        found = importances.permutation(
            model,
            self.rows,
            [self.folds[fold] for fold in self.done],
            self.random_state,
            self.n_threads,
        )
        return FittedTable(model, found, oof_prediction, self.oof_rows(), fold_of_row, score)

    def model(self, shares):
        """Return the TableModel of the folds that are done. shares : what `choose` returned"""
        n_folds, unfinished = len(self.folds), None
        groups = [self.jobs[i : i + n_folds] for i in range(0, len(self.jobs), n_folds)]
        chosen = list(zip(groups, shares))
        if len(self.done) < n_folds:  # `fit(resume=True)` needs all networks
            unfinished = Unfinished(self.done, n_folds, self.share, self.digests)
        else:
            chosen = [(group, share) for group, share in chosen if share > 0]
        used = list(dict.fromkeys(group[0].configuration.encoding for group, _ in chosen))
        members = [
            Member(
                used.index(group[0].configuration.encoding),
                float(share),
                [group[fold].networks for fold in self.done],
            )
            for group, share in chosen
        ]
        encoders = [self.encoders[settings] for settings in used]
        return TableModel(
            self.features,
            encoders,
            members,
            self.targets,
            self.target_name,
            unfinished=unfinished,
        )

    def end_without_networks(self):
        """Return the FittedTable of targets of one class."""
        model = TableModel(self.features, [], [], self.targets, self.target_name)
        importances = np.zeros(self.features.n_columns)
        return FittedTable(
            model, importances, np.ones((len(self.rows), 1)), self.oof_rows(), None, 1.0
        )

    def oof_rows(self):
        """Return the numbers of the rows in memory, None for all rows."""
        return None if self.large is None else self.large.numbers

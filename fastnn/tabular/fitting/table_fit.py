"""One call of `fit`: from the table to the TableModel."""

import contextlib
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight

from ...core.errors import Argument, DataError
from ...core.messages import plural
from ...core.validation import check_threads
from .. import table_memory, tabular_file
from ..checkpoint import FitCheckpoint, digests_of
from ..columns.features import NO_COLUMN, Features
from ..encoder import Encoder, Scaling
from ..fit_rows import FitRows
from ..large import large_table
from ..large.encoded_rows import EncodedRows
from ..metrics import name_weighted
from ..row_folds import HashedFolds, group_numbers, split_rows
from ..table_model import EnsembleMember, TableModel
from ..table_progress import EncodingReporter, ProgressReporter
from . import permutation, recipe, training_jobs
from .budget import TimeBudget
from .fitted_table import FittedTable
from .out_of_fold import OutOfFold
from .training_jobs import TrainingSetup


class TableFit:
    """The table, the networks and the choice among them in one call of `fit`.

    Parameters
    ----------
    options : TableFitOptions
    arguments : FitArguments

    Attributes
    ----------
    large : LargeTable or None
        The table, if the rows in memory are a sample of it.
    features : Features
    setup : TrainingSetup
        The rows in memory, their targets, and what else all jobs share.
    folds : list of (ndarray, ndarray)
        Training rows and held-out rows.
    hashed_folds : HashedFolds or None
        The folds of all rows of a large table.
    jobs : list of Job
        All folds of one configuration, then all of the next.
    out_of_fold : OutOfFold
        The predictions of the jobs, and the choice among the configurations.
    seed : int
        Of the generator that shuffles columns for their weights. It is the same if the fit is resumed.
    """

    hashed_folds: Any = None

    def __init__(self, options, arguments):
        self.options, self.task = options, options.task
        self.time_budget = TimeBudget(options.time_limit, options.seconds_before)
        for name in ("sample_weight", "groups"):
            values = getattr(arguments, name)
            if isinstance(values, str):
                raise DataError(
                    "{argument} must be an array with one value for each row, got {value!r}.",
                    "Pass the values of the column, and name it in {drop} if it is not an input.",
                    argument=name,
                    value=values,
                    drop=Argument("drop"),
                )
        rows, self.large = large_table.read(options, arguments)
        self.target_name, frame, weight = rows.target_name, rows.frame, rows.weight
        n, groups = frame.n_rows, arguments.groups
        if n < 2:
            raise ValueError(f"fit needs at least 2 rows, got {plural(n, 'sample')}.")
        if weight is not None:
            weight = _check_sample_weight(weight, np.zeros(n), ensure_non_negative=True)
        n_all = n if self.large is None else self.large.n_rows
        self.groups = None if groups is None else group_numbers(groups, n_all)
        self.random_state = check_random_state(options.random_state)
        n_threads = check_threads(options.n_threads)
        source = self.task if self.large is None else self.large
        targets, y = source.fit_targets(rows.y, weight)
        n_rows_of_class = None if self.large is None else self.large.n_rows_of_class
        self.sample_weight = weight
        weight = self.task.weights(targets, y, weight, n_rows_of_class)
        if weight is not None and not 0 < weight.sum() < np.inf:
            raise ValueError(
                f"the sum of the weights of the rows is {weight.sum():g}. At least one weight must be "
                "above 0, and their sum finite."
            )
        if self.task.metric is not None:
            self.task.metric.check_targets(targets, y, weight)
        with contextlib.nullcontext() if self.large is None else self.large.row_numbers():
            self.features = Features.fit(frame, **options.declared)
            numbers, codes = self.features.transform(frame)
        self.setup = TrainingSetup(
            rows=FitRows(numbers, codes, y, weight),
            encoded_y=targets.encode(y),
            targets=targets,
            hidden_sizes=options.hidden_sizes,
            n_threads=n_threads,
        )

    def run(self, stopped=None):
        """Train the networks. Return the FittedTable.

        stopped : TableModel, optional
            That of the fit to continue.
        """
        targets = self.setup.targets
        if targets.is_classifier and targets.n_out == 1:
            if stopped is not None:  # its targets had several classes
                stopped.checkpoint.refuse("targets")
            return self.end_without_networks()
        with self.large or contextlib.nullcontext():
            self.make_jobs(stopped)
            interrupt = self.train_until_interrupt()
            fitted = self.end()
        fitted.interrupt = interrupt
        return fitted

    def train_until_interrupt(self):
        """Train the networks. Return the KeyboardInterrupt that came when more folds were done."""
        done, line = list(self.out_of_fold.done), None
        if self.options.verbose or self.options.on_progress is not None:
            line = ProgressReporter(self.options, self.out_of_fold)
        try:
            self.train(line)
        except KeyboardInterrupt as error:
            self.out_of_fold.update()
            if self.out_of_fold.done == done:  # nothing is new
                raise
            return error
        finally:
            if line is not None:
                line.end()
        return None

    # ---- before training ----

    def make_jobs(self, stopped):
        """Encode the table and make the networks. Those of a stopped fit have been trained."""
        setup = self.setup
        configurations = self.configurations(self.split())
        self.encoders = self.fit_encoders(configurations)
        configurations = [c for c in configurations if c.encoding in self.encoders]
        n_folds = len(self.folds)
        table_memory.check_memory(self.encoders, self.features, setup, n_folds)
        encoders = list(self.encoders.values())
        model = TableModel(self.features, encoders, [], setup.targets, self.target_name)
        tabular_file.check_before_training(self.options, model, n_folds)
        tables = setup.rows.encode(self.encoders)
        if self.large is not None:
            setup.stored = self.store(tables)
        self.jobs = training_jobs.make_jobs(
            configurations, tables, self.folds, setup, self.random_state
        )
        if stopped is not None:
            setup.fraction = stopped.checkpoint.fraction
            del self.jobs[len(stopped.members) * n_folds :]
        self.seed = self.random_state.randint(2**31)
        self.out_of_fold = OutOfFold(self.jobs, self.folds, setup, self.task, self.sample_weight)
        self.digests = digests_of(self.features, setup.rows, setup.targets, self.jobs)
        if stopped is not None:
            stopped.checkpoint.check(self.digests)
            trained = stopped.checkpoint.folds
            for i, job in enumerate(self.jobs):
                if job.fold in trained:
                    networks = stopped.members[i // n_folds].networks
                    job.networks = networks[trained.index(job.fold)]
            self.out_of_fold.update()

    def configurations(self, m):
        """Return the different configurations for networks that train on m rows each."""
        targets, has_days = self.setup.targets, self.features.has_days()
        found = recipe.configurations(targets.is_classifier, m, targets.n_out, has_days)
        return list(dict.fromkeys(self.task.with_monitor(found)))

    def split(self):
        """Set the folds. Return the number of rows that each network trains on."""
        n_estimators, rows = self.options.n_estimators, self.setup.rows
        if self.large is not None:
            self.hashed_folds = HashedFolds(n_estimators, self.groups, self.random_state)
            self.folds = self.hashed_folds.split(self.large.numbers)
            return round(self.large.n_rows * (1 - 1 / self.hashed_folds.n_folds))
        labels = rows.y if self.setup.targets.is_classifier else None
        self.folds = split_rows(len(rows), n_estimators, labels, self.groups, self.random_state)
        return len(self.folds[0][0])

    def fit_encoders(self, configurations):
        """Return {EncoderSettings: Encoder} of the configurations, without those that have no inputs."""
        features, rows = self.features, self.setup.rows
        numbers = [
            (Scaling.fit(x, feature.part == "value"), x)
            for feature, x in zip(features.numbers, rows.numbers)
        ]
        target, width = self.setup.targets.for_trees(rows.y), self.setup.hidden_sizes[0]
        out = {}
        for settings in dict.fromkeys(c.encoding for c in configurations):
            n_categories = [
                0 if category.part == "day of year" and not settings.days else category.n_categories
                for category in features.categories
            ]
            encoder = Encoder.fit(numbers, n_categories, target, settings, width)
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

    def store(self, tables):
        """Encode all rows of the large table. Return the EncodedRows.

        tables : dict of EncoderSettings to EncodedTable
            The encoded sample.
        """
        setup, folds, n = self.setup, self.hashed_folds, 0
        stored = EncodedRows(self.large, tables, setup, folds.n_folds)
        reporter = EncodingReporter(self.options, folds.n_folds, self.large.n_rows)
        for rows in self.large.read_again(self.features, setup.targets, setup.rows):
            numbers = np.arange(n, n + len(rows))
            encoded, y = rows.encode(self.encoders), setup.targets.encode(rows.y)
            stored.append(encoded, y, rows.weight, folds.held_out_by(numbers), numbers)
            n += len(rows)
            reporter.show(n)
        return stored

    # ---- during training ----

    def train(self, line):
        """Train the networks that are left, fold by fold.

        If there are configurations with weighted columns, the first configuration is trained on all
        folds before the others, since the weights come from its networks.
        """
        n_folds = len(self.folds)
        first, others = self.jobs[:n_folds], self.jobs[n_folds:]
        if self.time_budget.is_limited:
            self.train_within_limit(line)
            return
        if self.are_weighted(others):
            self.train_jobs(first, line)
            self.set_weights(others)
        self.train_jobs(self.jobs, line)

    def train_within_limit(self, line):
        """Train the first configuration on all folds, then as many others as there is time for.

        The others are left out.
        """
        n_folds, n_done = len(self.folds), 1
        groups = [self.jobs[i : i + n_folds] for i in range(0, len(self.jobs), n_folds)]
        self.time_budget.reserve(self.seconds_of_importances())
        self.train_jobs(groups[0], line)
        while chosen := self.time_budget.affordable(groups[n_done:], self.setup):
            jobs = [job for group in chosen for job in group]
            if self.are_weighted(jobs):
                self.set_weights(jobs)
            self.train_jobs(jobs, line)
            n_done += len(chosen)
        del self.jobs[n_done * n_folds :]
        self.out_of_fold.update()

    def are_weighted(self, jobs):
        """Return whether the networks of some jobs that are left need weights of the columns."""
        weighted = any(job.configuration.weighted and not job.networks for job in jobs)
        return weighted and len(self.folds) > 1

    def set_weights(self, jobs):
        """Set the weights of the columns, by the first configuration."""
        first = self.jobs[: len(self.folds)]
        weighted = [job for job in jobs if job.configuration.weighted and not job.networks]
        encoder = self.encoders[first[0].configuration.encoding]
        sources, rng = self.features.sources(), np.random.default_rng(self.seed)
        weights = permutation.column_weights(first, encoder, sources, self.setup, rng)
        permutation.set_weights(weighted, weights, self.encoders, sources)

    def train_jobs(self, jobs, line):
        """Train the networks of jobs that are left."""
        left = [job for job in jobs if not job.networks]
        if left:
            training_jobs.train(left, self.setup, self.out_of_fold.end_job, line, self.time_budget)

    def seconds_of_importances(self):
        return 0.0

    # ---- after training ----

    def end(self):
        """Return the FittedTable of the folds that are done."""
        done, setup = self.out_of_fold.done, self.setup
        _, weights, _ = self.out_of_fold.choice
        oof_prediction, fold_of_row = self.out_of_fold.all_rows()
        rows = fold_of_row >= 0
        P, (y, weight) = oof_prediction[rows], setup.rows.targets(rows)
        model = self.model(weights)
        errors = setup.targets.errors(P, y)
        if errors is not None:
            counted = np.ones(len(y), bool) if weight is None else weight > 0
            fold = fold_of_row[rows]
            model.errors = [errors[counted & (fold == i), None] for i in range(len(done))]
        importances, drops = permutation.importances(
            model,
            setup.rows,
            [self.folds[fold] for fold in done],
            self.task,
            self.random_state,
            setup.n_threads,
        )
        score = self.out_of_fold.score_rows(rows, P)
        self.task.warn_undefined(score, len(P))
        return FittedTable(
            model,
            importances,
            oof_prediction,
            self.oof_rows(),
            fold_of_row,
            score,
            name_weighted(self.task.score_name, self.sample_weight),
            self.out_of_fold.threshold_of_row,
            drops,
        )

    def model(self, weights):
        """Return the TableModel of the folds that are done. weights : of the configurations"""
        n_folds, done, checkpoint = len(self.folds), self.out_of_fold.done, None
        groups = [self.jobs[i : i + n_folds] for i in range(0, len(self.jobs), n_folds)]
        chosen = list(zip(groups, weights))
        if len(done) < n_folds:  # `fit(resume=True)` needs all networks
            checkpoint = FitCheckpoint(done, n_folds, self.setup.fraction, self.digests)
        else:
            chosen = [(group, weight) for group, weight in chosen if weight > 0]
        used = list(dict.fromkeys(group[0].configuration.encoding for group, _ in chosen))
        members = [
            EnsembleMember(
                used.index(group[0].configuration.encoding),
                float(weight),
                [group[fold].networks for fold in done],
            )
            for group, weight in chosen
        ]
        encoders = [self.encoders[settings] for settings in used]
        return TableModel(
            self.features,
            encoders,
            members,
            self.setup.targets,
            self.target_name,
            checkpoint=checkpoint,
        )

    def end_without_networks(self):
        """Return the FittedTable of targets of one class."""
        model = TableModel(self.features, [], [], self.setup.targets, self.target_name)
        importances = np.zeros(self.features.n_columns)
        oof_prediction = np.ones((len(self.setup.rows), 1))
        rows = self.setup.rows
        score = self.task.score(self.setup.targets, oof_prediction, *rows.targets(slice(None)))
        self.task.warn_undefined(score, len(rows))
        name = name_weighted(self.task.score_name, self.sample_weight)
        return FittedTable(
            model, importances, oof_prediction, self.oof_rows(), None, score, name, None, None
        )

    def oof_rows(self):
        """Return the numbers of the rows in memory, None for all rows."""
        return None if self.large is None else self.large.numbers

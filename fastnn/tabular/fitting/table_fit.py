"""One call of `fit`: from the table to the TableModel."""

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight

from ...core.errors import DataError
from ...core.messages import plural
from ...core.validation import check_threads
from .. import row_columns, table_memory, tabular_file
from ..checkpoint import FitCheckpoint, digests_of
from ..columns.features import NO_COLUMN, Features
from ..encoder import Encoder, Scaling
from ..fit_rows import FitRows
from ..large import large_table
from ..large.encoded_rows import EncodedRows
from ..table_model import EnsembleMember, TableModel
from ..table_progress import EncodingReporter, ProgressReporter
from . import budget, fit_split, permutation, recipe, training_jobs
from .final_networks import FinalNetworks
from .out_of_fold import OutOfFold
from .training_jobs import TrainingSetup


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
    split : FitSplit
        These folds, and how they were made.
    jobs : list of Job
        All folds of one configuration, then all of the next.
    out_of_fold : OutOfFold
        The predictions of the jobs, and the choice among the configurations.
    seed : int
        Of the generator that shuffles columns for their weights. It is the same if the fit is resumed.
    final : FinalNetworks or None
        The networks of the model, if the folds are forward in time.
    """

    final: Any = None
    split: Any = None
    weights_of_columns: Any = None
    stopped_networks: Any = ()

    def __init__(self, options, arguments):
        self.options, self.task = options, options.task
        self.time_budget = budget.TimeBudget(options.time_limit)
        rows, self.large = large_table.read(options, arguments)
        self.target_name, frame, weight = rows.target_name, rows.frame, rows.weight
        n, self.column_names = frame.n_rows, rows.columns.names
        if n < 2:
            raise ValueError(f"fit needs at least 2 rows, got {plural(n, 'sample')}.")
        if weight is not None:
            weight = _check_sample_weight(weight, np.zeros(n), ensure_non_negative=True)
        n_all = n if self.large is None else self.large.n_rows
        self.groups, self.times = rows.columns.groups(n_all), rows.columns.times(n_all)
        self.random_state = check_random_state(options.random_state)
        n_threads = check_threads(options.n_threads)
        source = self.task if self.large is None else self.large
        targets, y = source.fit_targets(rows.y, weight)
        n_rows_of_class = None if self.large is None else self.large.n_rows_of_class
        weight = self.task.weights(targets, y, weight, n_rows_of_class)
        if weight is not None and not 0 < weight.sum() < np.inf:
            raise ValueError(
                f"the sum of the weights of the rows is {weight.sum():g}. At least one weight must be "
                "above 0, and their sum finite."
            )
        with contextlib.nullcontext() if self.large is None else self.large.row_numbers():
            no_inputs = row_columns.left_out(self.column_names)
            self.features = Features.fit(frame, no_inputs, **options.declared)
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
        done, line = self.n_done(), None
        if self.options.verbose or self.options.on_progress is not None:
            line = ProgressReporter(self.options, self.out_of_fold)
        try:
            self.train(line)
        except KeyboardInterrupt as error:
            self.out_of_fold.update()
            if self.n_done() == done:  # nothing is new
                raise
            return error
        finally:
            if line is not None:
                line.end()
        return None

    def n_done(self):
        """Return the number of folds that are done, and of networks on all rows."""
        return len(self.out_of_fold.done), 0 if self.final is None else self.final.n_done

    # ---- before training ----

    def make_jobs(self, stopped):
        """Encode the table and make the networks. Those of a stopped fit have been trained."""
        setup = self.setup
        self.split = fit_split.split(self)
        self.folds, setup.informs = self.split.folds, self.split.informs
        configurations = self.configurations(self.split.n_train)
        self.encoders = self.fit_encoders(configurations)
        configurations = [c for c in configurations if c.encoding in self.encoders]
        n_folds = len(self.folds)
        table_memory.check_memory(self.encoders, self.features, setup, n_folds)
        encoders = list(self.encoders.values())
        model = self.empty_model(encoders)
        tabular_file.check_before_training(self.options, model, n_folds)
        tables = setup.rows.encode(self.encoders)
        if self.large is not None:
            setup.stored = self.store(tables)
        self.jobs = training_jobs.make_jobs(
            configurations, tables, self.folds, setup, self.random_state
        )
        if self.split.is_forward:
            setup.targets.lift_bounds()
            training_jobs.set_seen(self.jobs)
        if stopped is None:
            self.time_budget.reserve(self.jobs, self.encoders, self.features.sources(), setup)
            n_configurations, setup.fraction = self.time_budget.plan(self.jobs, setup, n_folds)
        else:
            n_configurations = len(stopped.members)
            setup.fraction = stopped.checkpoint.fraction
        del self.jobs[n_configurations * n_folds :]
        self.seed = self.random_state.randint(2**31)
        if self.split.is_forward:
            seed = self.random_state.randint(2**31)
            self.final = FinalNetworks(self.options.n_estimators, seed, n_configurations)
        self.out_of_fold = OutOfFold(self.jobs, self.folds, setup, self.task)
        self.out_of_fold.is_forward = self.split.is_forward
        self.digests = digests_of(self.features, setup.rows, setup.targets, self.jobs)
        if stopped is not None:
            stopped.checkpoint.check(self.digests)
            trained = stopped.checkpoint.folds
            for i, job in enumerate(self.jobs):
                if job.fold in trained:
                    networks = stopped.members[i // n_folds].networks
                    job.networks = networks[trained.index(job.fold)]
                    if stopped.checkpoint.best:
                        job.best = stopped.checkpoint.best[i // n_folds][trained.index(job.fold)]
            self.out_of_fold.update()
            self.stopped_networks = stopped.checkpoint.final

    def configurations(self, m):
        """Return the different configurations for networks that train on m rows each."""
        targets, has_days = self.setup.targets, self.features.has_days()
        found = recipe.configurations(targets.is_classifier, m, targets.n_out, has_days)
        return list(dict.fromkeys(self.task.with_monitor(found)))

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
        setup, folds, n = self.setup, self.split.all_rows, 0
        stored = EncodedRows(self.large, tables, setup, folds)
        reporter = EncodingReporter(self.options, folds.n_folds, self.large.n_rows)
        for rows in self.large.read_again(self.features, setup.targets, setup.rows):
            numbers = np.arange(n, n + len(rows))
            encoded, y = rows.encode(self.encoders), setup.targets.encode(rows.y)
            stored.append(encoded, y, rows.weight, numbers)
            n += len(rows)
            reporter.show(n)
        return stored

    # ---- during training ----

    def train(self, line):
        """Train the networks that are left, fold by fold.

        If there are configurations with weighted columns, the first configuration is trained on all
        folds before the others, since the weights come from its networks.
        """
        first, others = self.jobs[: len(self.folds)], self.jobs[len(self.folds) :]
        weighted = [job for job in others if job.configuration.weighted and not job.networks]
        if weighted and (len(self.folds) > 1 or self.final is not None):
            self.train_jobs(first, line)
            self.weigh_columns(weighted)
        self.train_jobs(self.jobs, line)
        if self.final is not None:
            self.train_final(line)

    def weigh_columns(self, jobs):
        """Set the weights of the columns of jobs."""
        first, sources = self.jobs[: len(self.folds)], self.features.sources()
        if self.weights_of_columns is None:
            encoder = self.encoders[first[0].configuration.encoding]
            rng = np.random.default_rng(self.seed)
            self.weights_of_columns = permutation.column_weights(
                first, encoder, sources, self.setup, rng
            )
        permutation.set_weights(jobs, self.weights_of_columns, self.encoders, sources)

    def train_final(self, line):
        """Train the networks on all rows that are left."""
        final, (_, weights, _) = self.final, self.out_of_fold.choice
        final.make(self.jobs_by_configuration(), weights, self.setup)
        final.restore(self.stopped_networks)
        weighted = [job for job in final.jobs if job.configuration.weighted and not job.networks]
        if weighted:
            self.weigh_columns(weighted)
        final.train(self.setup, line)

    def train_jobs(self, jobs, line):
        """Train the networks of jobs that are left."""
        left = [job for job in jobs if not job.networks]
        training_jobs.train(left, self.setup, self.out_of_fold.end_job, line)

    def jobs_by_configuration(self):
        """Return the jobs of each configuration."""
        n_folds = len(self.folds)
        return [self.jobs[i : i + n_folds] for i in range(0, len(self.jobs), n_folds)]

    # ---- after training ----

    def end(self):
        """Return the FittedTable of the folds that are done."""
        done, setup = self.out_of_fold.done, self.setup
        _, weights, _ = self.out_of_fold.choice
        oof_prediction, fold_of_row = self.out_of_fold.all_rows()
        model = self.model(weights)
        model.errors = self.out_of_fold.errors()
        importances = permutation.importances(
            model,
            setup.rows,
            [self.folds[fold] for fold in done],
            self.random_state,
            setup.n_threads,
        )
        score = self.out_of_fold.score_all(oof_prediction, fold_of_row)
        if self.final is not None and self.final.is_done:
            model = self.final_model(model.errors)
        return FittedTable(model, importances, oof_prediction, self.oof_rows(), fold_of_row, score)

    def model(self, weights):
        """Return the TableModel of the folds that are done. weights : of the configurations"""
        done, checkpoint, chosen = self.out_of_fold.done, None, None
        chosen = list(zip(self.jobs_by_configuration(), weights))
        is_last = self.final is None or self.final.is_done
        if len(done) < len(self.folds) or not is_last:  # `fit(resume=True)` needs all networks
            checkpoint = self.checkpoint()
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
        model = self.empty_model([self.encoders[settings] for settings in used])
        model.members, model.checkpoint = members, checkpoint
        return model

    def checkpoint(self):
        """Return the FitCheckpoint of a fit that was stopped."""
        done, final = self.out_of_fold.done, self.final
        found = FitCheckpoint(done, len(self.folds), self.setup.fraction, self.digests)
        if final is not None:
            found.n_final = final.n
            groups = self.jobs_by_configuration()
            found.best = [[jobs[fold].best for fold in done] for jobs in groups]
            found.final = final.networks() if final.n_done else []
        return found

    def final_model(self, errors):
        """Return the TableModel of the networks that were trained on all rows.

        errors : list of ndarray, or None
            Of the predictions of the folds.
        """
        used = list(dict.fromkeys(job.configuration.encoding for job in self.final.jobs))
        model = self.empty_model([self.encoders[settings] for settings in used])
        model.members = self.final.members(used)
        model.errors = None if errors is None else [np.concatenate(errors)]
        return model

    def empty_model(self, encoders):
        """Return a TableModel without networks."""
        split = None if self.split is None else self.split.description
        targets = self.setup.targets
        return TableModel(self.features, encoders, [], targets, self.target_name, split=split)

    def end_without_networks(self):
        """Return the FittedTable of targets of one class."""
        model = self.empty_model([])
        importances = np.zeros(self.features.n_columns)
        oof_prediction = np.ones((len(self.setup.rows), 1))
        return FittedTable(model, importances, oof_prediction, self.oof_rows(), None, 1.0)

    def oof_rows(self):
        """Return the numbers of the rows in memory, None for all rows."""
        return None if self.large is None else self.large.numbers

"""One call of `fit`, from the table to the TableModel."""

import contextlib
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ...core.errors import Argument, DataError, Wording
from ...core.messages import is_called_by, plural, warn
from ...core.validation import check_threads
from ...distributed import ClusterError
from ...distributed.executor_pool import Workers, threads_of_worker
from ...distributed.shared_objects import SharedObjects
from ...estimators.inputs import check_row_weights
from ...tables.files import TableWarning
from .. import encoder, monotone, roles, stored_model
from ..checkpoint import FitCheckpoint, SpareNetworks, digests_of
from ..columns.features import MANY_CATEGORIES, NO_COLUMN, Features, numbers_of_folds
from ..columns.text import Text
from ..columns.text_layer import TextTargets, fit_text_layer
from ..drift.profile import TableProfile
from ..encoder import Encoder, FitRows, Scaling
from ..explaining.mixtures import Background
from ..folds import FoldRows, concatenate_tables
from ..large.batch_table import TableEncoding, read_table
from ..metrics import name_weighted
from ..model import EnsembleMember, TableModel
from ..progress import EncodingReporter, ProgressReporter
from ..split_check import find_splits
from . import permutation, recipe, spread_training, training_jobs
from .budget import FOR_WEIGHTS, TimeBudget
from .out_of_fold import OutOfFold
from .splitting import RowsToSplit
from .training_jobs import FinalNetworks, JobSetup

LARGE_TEXT = "free text is not supported in tables larger than memory"
SNAPSHOTS = 1.5  # networks that a job has, on average
FEW_ROWS = 50  # for the importances, if Ctrl-C comes while they are computed
#: Seconds for the importances, although the limit may be over: those of a few rows are noise.
LEAST_SECONDS = 0.5
LONG_LIMIT = 30.0  # seconds of a fit, without which there is no time to look for other splits
FOR_SPLITS, FOR_SPREAD = 0.1, 0.02  # of the limit


class TableFit:
    """The table, the networks and the choice among them in one call of `fit`.

    Parameters
    ----------
    options : TableFitOptions
    arguments : FitArguments

    Attributes
    ----------
    table : TrainingTable
    features : Features
    signs : dict of int to int
        Of the monotone columns, as in `TableModel`.
    profile : TableProfile
    setup : JobSetup
        The rows in memory, their targets, and what else all jobs share. Each step of the fit replaces
        it by one that knows more.
    folds : list of (ndarray, ndarray)
        Training rows and held-out rows.
    to_split : RowsToSplit
        The rows, and what decides on their folds.
    split : FitSplit
        These folds, and how they were made.
    background : Background
        The rows that the model keeps for explanations.
    jobs : list of Job
        All folds of one configuration, then all of the next.
    out_of_fold : OutOfFold
        The predictions of the jobs, and the choice among the configurations.
    seed : int
        Of the generator that shuffles columns for their weights. It is the same if the fit is resumed.
    final : FinalNetworks or None
        The networks of the model, if the folds are forward in time.
    seconds_per_row : float
        How long a row takes for the importances, with one network, if there is a time limit.
    """

    final: Any = None
    split: Any = None
    background: Any = None
    weights_of_columns: Any = None
    stopped_networks: Any = ()
    seconds_per_row = 0.0

    def __init__(self, options, arguments):
        self.options, self.task = options, options.task
        self.time_budget = TimeBudget(options.time_limit, options.seconds_before)
        rows, table = read_table(options, arguments)
        self.table = table
        if table.numbers is not None and options.executor is not None:
            raise DataError(
                "{who} train networks from rows in memory, but the {n_rows:,} rows of this table are "
                "read part by part.",
                "Leave out {what}, or pass a {window} of at least {n_rows:,}.",
                who=Wording("the workers of executor=", "the ranks of mpiexec"),
                what=Wording("executor=", "mpiexec"),
                window=Argument("window"),
                n_rows=table.n_rows,
            )
        n = rows.frame.n_rows
        if n < 2:
            raise ValueError(f"fit needs at least 2 rows, got {plural(n, 'sample')}.")
        self.sample_weight = check_row_weights(rows.weight, np.zeros(n))
        groups, times = table.columns.groups(table.n_rows), table.columns.times(table.n_rows)
        self.random_state = check_random_state(options.random_state)
        n_threads = check_threads(options.n_threads)
        targets, y = table.fit_targets(rows.y, self.sample_weight)
        weight = self.training_weight(targets, y)
        with table.row_numbers():
            is_split = not (options.cv is None and groups is None and times is None)
            numbers, codes = self.fit_features(rows.frame, y, targets, is_split)
        self.setup = JobSetup(
            rows=FitRows(numbers, codes, y, weight),
            encoded_y=targets.encode(y),
            targets=targets,
            hidden_sizes=options.hidden_sizes,
            n_threads=n_threads,
        )
        self.to_split = RowsToSplit(table, self.setup, groups, times)

    def training_weight(self, targets, y):
        """Return the weights of the rows times those of their classes, or None."""
        weight = self.task.weights(targets, y, self.sample_weight, self.table.n_rows_of_class)
        if weight is not None and not 0 < weight.sum() < np.inf:
            raise ValueError(
                f"the sum of the weights of the rows is {weight.sum():g}. At least one weight must be "
                "above 0, and their sum finite."
            )
        if self.task.metric is not None:
            self.task.metric.check_targets(targets, y, weight)
        return weight

    def fit_features(self, frame, y, targets, is_split):
        """Set the features, the signs of columns and the profile. Return numbers and codes of the rows.

        is_split : whether the user has said how to split the rows
        """
        options = self.options
        no_inputs = roles.left_out(self.table.columns.names)
        most = self.table.max_categories
        self.features = Features.fit(frame, no_inputs, most, **options.declared)
        if self.table.numbers is not None and self.features.text_values(frame):
            no_inputs = no_inputs | self.leave_out_texts(frame)
            self.features = Features.fit(frame, no_inputs, most, **options.declared)
        for note in self.features.notes(frame, self.table.numbers is None, **options.declared):
            warn(note, TableWarning)
        self.signs = monotone.find_signs(options.monotone, frame, self.features, targets)
        limit = options.time_limit
        is_short = limit is not None and limit < LONG_LIMIT
        # Cross-validation, which calls `fit` for each of its folds, has split the rows.
        is_split = is_split or is_called_by("sklearn.model_selection")
        if options.suggests_splits and not (is_split or is_short):
            seconds = None if limit is None else FOR_SPLITS * limit
            for issue in find_splits(
                frame, y, targets.is_classifier, 0, no_inputs, seconds, **options.declared
            ):
                warn(issue.text, TableWarning)
        numbers, codes = self.features.transform(frame)
        self.profile = TableProfile.fit(self.features, frame)
        self.texts = self.features.text_values(frame)
        return numbers, codes

    def leave_out_texts(self, frame):
        """Return {label: reason} of the columns of free text of a table larger than memory."""
        if self.options.declared[Text.argument] is not None:
            raise DataError(
                "{argument} cannot be read, since only a part of the {n:,} rows of this table is in "
                "memory.",
                "Pass {window}, or leave {name} out.",
                argument=Argument(Text.argument, self.options.declared[Text.argument]),
                n=self.table.n_rows,
                window=Argument("window", self.table.n_rows),
            )
        columns = [self.features.columns[j] for j in self.features.text_values(frame)]
        return {column.label: LARGE_TEXT for column in columns}

    def run(self, stopped=None):
        """Train the networks.

        Parameters
        ----------
        stopped : TableModel, optional
            That of the fit to continue.

        Returns
        -------
        attributes : dict
            Those of the fitted estimator, by name.
        interrupt : KeyboardInterrupt, ClusterError or None
            What stopped training after some folds.
        """
        targets = self.setup.targets
        if targets.is_classifier and targets.n_out == 1:
            if stopped is not None:  # its targets had several classes
                stopped.checkpoint.refuse("targets")
            return self.attributes_of_one_class(), None
        with contextlib.closing(self.table):
            self.split_rows()
            self.fit_texts()
            self.make_jobs(stopped)
            with self.sharing_rows():
                interrupt = self.train_until_interrupt()
            try:
                return self.attributes_of_folds(), interrupt
            except KeyboardInterrupt as error:
                if interrupt is not None:  # the user has pressed Ctrl-C again
                    raise
                return self.attributes_of_folds(FEW_ROWS), error

    @contextlib.contextmanager
    def sharing_rows(self):
        """Context manager in which the workers of an executor can get the encoded rows."""
        executor, n_threads = self.options.executor, self.options.n_threads
        if executor is None:
            yield
            return
        with SharedObjects(training_jobs.arrays_of_jobs(self.jobs, self.setup)) as shared:
            n = check_threads(n_threads)
            workers = Workers(executor, threads_of_worker(n_threads), n, shared)
            self.setup = replace(self.setup, workers=workers)
            yield

    def train_until_interrupt(self):
        """Train the networks.

        Return the KeyboardInterrupt or ClusterError that came when more networks were done.
        """
        done, line = self.n_done(), None
        if self.options.verbose or self.options.on_progress is not None:
            budget = self.time_budget
            line = ProgressReporter(self.options, self.out_of_fold, budget, self.final)
        try:
            self.train(line)
        except (KeyboardInterrupt, ClusterError) as error:
            self.out_of_fold.update()
            if self.n_done() == done or not self.out_of_fold.done:  # nothing is new
                raise
            return error
        finally:
            if line is not None:
                line.end()
        return None

    def n_done(self):
        """Return the number of networks of folds that are done, and of those on all rows."""
        n_done = sum(bool(job.networks) for job in self.jobs)
        return n_done, 0 if self.final is None else self.final.n_done

    # ---- before training ----

    def split_rows(self):
        """Split the rows into folds. Predictions of later rows may leave the range of the targets."""
        self.split = self.to_split.split(
            self.options.cv, self.options.n_estimators, self.random_state
        )
        for note in self.to_split.notes(self.split):
            warn(note, TableWarning)
        self.folds = self.split.folds
        self.setup = replace(self.setup, informs=self.split.informs)
        if self.split.is_forward and not self.setup.targets.is_classifier:
            self.setup.targets.lift_bounds()
        if self.task.limits is not None:
            self.setup.targets.limit(self.task.limits)

    def fit_texts(self):
        """Fit the layers of free text, and add their outputs to the numbers of the rows.

        If the folds are forward in time, there is one more layer, for networks that train on all rows.
        """
        if not self.texts:
            return
        setup, groups, folds = self.setup, self.to_split.groups, list(self.folds)
        rows = setup.rows
        if self.split.is_forward:
            known = np.arange(len(rows)) if self.split.rows is None else self.split.rows
            folds.append((known, known[:0]))
        targets, layers, numbers = TextTargets.of(setup.targets, rows), {}, list(rows.numbers)
        for source, values in self.texts.items():
            layers[source], outputs = fit_text_layer(
                values, targets, folds, groups, setup.n_threads
            )
            numbers += list(np.moveaxis(outputs, 2, 0))
        self.features = self.features.with_text_layers(layers)
        self.setup = replace(setup, rows=replace(rows, numbers=numbers))

    def encode(self):
        """Encode the rows in memory, and all rows of a large table.

        Returns
        -------
        configurations : list of recipe.Configuration
            Those that have inputs.
        tables : list of dict of EncoderSettings to EncodedTable
            The rows in memory, as the networks of each fold read them, and those on all rows.
        """
        setup, options = self.setup, self.options
        configurations = self.configurations(self.split.n_train)
        self.encoders = self.fit_encoders(configurations)
        setup = self.setup = replace(setup, monotone=self.monotone_inputs())
        n_folds = len(self.folds)
        n_final = options.n_estimators if self.split.is_forward else 0
        encoder.check_memory(self.encoders, self.features, setup, n_folds + n_final)
        encoders = list(self.encoders.values())
        if not setup.targets.is_classifier:  # a file has that of the spread again
            encoders += encoders[:1]
        model = replace(self.model([], []), encoders=encoders)
        stored_model.check_before_training(options, model, n_folds)
        n_tables = self.features.n_folds
        tables = [setup.rows.encode(self.encoders, fold) for fold in range(n_tables)]
        if n_tables == 1:
            tables *= n_folds + self.split.is_forward
        if self.table.numbers is not None:
            self.setup = replace(setup, stored=self.store(tables[0]))
        return [c for c in configurations if c.encoding in self.encoders], tables

    def make_jobs(self, stopped):
        """Encode the table and make the networks. Those of a stopped fit have been trained."""
        configurations, tables = self.encode()
        self.final_tables = tables[-1]
        if stopped is not None:
            self.setup = replace(self.setup, fraction=stopped.checkpoint.fraction)
        setup, n_estimators, n_folds = self.setup, self.options.n_estimators, len(self.folds)
        self.jobs = training_jobs.make_jobs(
            configurations, tables, self.folds, setup, self.random_state
        )
        if self.split.is_forward:
            training_jobs.set_seen(self.jobs)
        if stopped is not None:
            n_configurations = stopped.checkpoint.n_configurations or len(stopped.members)
            del self.jobs[n_configurations * n_folds :]
        self.seed = self.random_state.randint(2**31)
        self.background = Background.draw(setup.rows, self.sample_weight, self.seed)
        if self.split.is_forward:
            seed = self.random_state.randint(2**31)
            self.final = FinalNetworks(n_estimators, seed, len(self.jobs) // n_folds)
        self.out_of_fold = OutOfFold(
            self.jobs, self.folds, setup, self.task, self.sample_weight, self.split.is_forward
        )
        self.digests = digests_of(self.features, setup.rows, setup.targets, self.jobs)
        if stopped is not None:
            stopped.checkpoint.check(self.digests)
            stopped.checkpoint.restore(self.jobs_by_configuration(), stopped.members)
            self.out_of_fold.update()
            self.stopped_networks = stopped.checkpoint.final

    def configurations(self, m):
        """Return the different configurations for networks that train on m rows each."""
        targets, features, rows = self.setup.targets, self.features, self.setup.rows
        n_categories = [category.n_categories for category in features.categories]
        found = recipe.configurations(
            targets.is_classifier,
            m,
            targets.n_out,
            features.has_days(),
            len(features.numbers),
            recipe.are_often_single(rows.codes, n_categories),
            max(n_categories, default=0) > MANY_CATEGORIES,
            self.table.numbers is None and recipe.has_ids(features.categories),
            recipe.has_counts(*self.free_numbers()),
        )
        return list(dict.fromkeys(self.task.with_monitor(found)))

    def constrained(self):
        """Return {position in `Features.numbers`: sign} of the numbers of monotone columns."""
        numbers = enumerate(self.features.numbers)
        return {j: self.signs[f.source] for j, f in numbers if f.source in self.signs}

    def free_numbers(self):
        """Return the number features without signs, and their values."""
        taken, numbers = self.constrained(), self.setup.rows.numbers
        kept = [j for j in range(len(numbers)) if j not in taken]
        return [self.features.numbers[j] for j in kept], [numbers[j] for j in kept]

    def monotone_inputs(self):
        """Return the MonotoneInputs of the encoders, None if all columns are free."""
        if not self.signs:
            return None
        signs, n_used = self.constrained(), len(self.features.used())
        return monotone.MonotoneInputs(
            {settings: encoder.input_signs(signs) for settings, encoder in self.encoders.items()},
            1 - len(self.signs) / n_used,
        )

    def fit_encoders(self, configurations):
        """Return {EncoderSettings: Encoder} of the configurations, without those that have no inputs."""
        features, rows = self.features, self.setup.rows
        numbers = [
            (Scaling.fit(x.ravel(), feature.part == "value"), x)
            for feature, x in zip(features.numbers, rows.numbers)
        ]
        target, width = self.setup.targets.for_trees(rows.y), self.setup.hidden_sizes[0]
        out = {}
        for settings in dict.fromkeys(c.encoding for c in configurations):
            n_categories = [
                0 if category.part == "day of year" and not settings.days else category.n_categories
                for category in features.categories
            ]
            encoder = Encoder.fit(
                numbers, n_categories, target, settings, width, self.constrained()
            )
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
        """Encode all rows of the large table. Return the EncodedRows or DaskTable.

        tables : dict of EncoderSettings to EncodedTable
            The encoded sample.
        """
        encoding = TableEncoding(
            features=self.features,
            encoders=self.encoders,
            tables=tables,
            setup=self.setup,
            folds=self.split.all_rows,
        )
        n_folds = self.split.all_rows.n_folds
        return self.table.store(
            encoding, EncodingReporter(self.options, n_folds, self.table.n_rows)
        )

    # ---- during training ----

    def train(self, line):
        """Train the networks that are left, fold by fold.

        If there are configurations with weighted columns, the first configuration is trained on all
        folds before the others, since the weights come from its networks.
        """
        others = self.jobs[len(self.folds) :]
        if self.time_budget.is_limited:
            self.train_within_limit(line)
        elif self.weighted(others):
            self.train_jobs(self.jobs[: len(self.folds)], line)
            self.set_weights(others)
        self.train_jobs(self.jobs, line)
        if self.final is not None:
            self.train_final(line)

    def train_final(self, line):
        """Train the networks on all rows that are left."""
        final, weights = self.final, self.out_of_fold.weights
        groups = self.jobs_by_configuration()
        final.make(groups, weights, self.setup, self.split.rows, self.final_tables)
        final.restore(self.stopped_networks)
        self.set_weights(final.jobs)
        self.time_budget.release_training()
        final.train(self.setup, line, self.time_budget)

    def train_within_limit(self, line):
        """Train the first configuration on all folds, then as many others as there is time for.

        The others are left out.
        """
        n_folds, n_done = len(self.folds), 1
        groups = self.jobs_by_configuration()
        self.time_budget.warn_if_over()
        self.reserve_importances(len(groups))
        if self.has_spread:
            self.time_budget.reserve(FOR_SPREAD * self.options.time_limit)
        if self.final is not None:
            n_rows = sum(job.n_train for job in groups[0])
            later = self.final.n * self.split.n_train
            self.time_budget.reserve_training(later / (later + n_rows))
        self.out_of_fold.jobs = groups[0]  # no score before all of these are trained
        self.train_jobs(groups[0], line)
        while chosen := self.time_budget.affordable(groups[n_done:], self.setup):
            jobs = [job for group in chosen for job in group]
            self.set_weights(jobs)
            n_done += len(chosen)
            self.out_of_fold.jobs = self.jobs[: n_done * n_folds]
            self.train_jobs(jobs, line)
        del self.jobs[n_done * n_folds :]

    def weighted(self, jobs):
        """Return those jobs that are left whose networks need weights of the columns."""
        if len(self.folds) == 1 and self.final is None:
            return []
        return [job for job in jobs if job.configuration.weighted and not job.networks]

    def set_weights(self, jobs):
        """Set the weights of the columns, by the first configuration, if networks need them."""
        first, sources = self.jobs[: len(self.folds)], self.features.sources()
        weighted = self.weighted(jobs)
        if not weighted:
            return
        if self.weights_of_columns is None:
            encoder = self.encoders[first[0].configuration.encoding]
            rng = np.random.default_rng(self.seed)
            self.weights_of_columns = permutation.column_weights(
                first,
                encoder,
                sources,
                self.setup,
                rng,
                self.rows_for_importances(1, FOR_WEIGHTS),
            )
        permutation.set_weights(weighted, self.weights_of_columns, self.encoders, sources)

    def train_jobs(self, jobs, line):
        """Train the networks of jobs that are left."""
        left = [job for job in jobs if not job.networks]
        if left:
            training_jobs.train(left, self.setup, self.out_of_fold.end_job, line, self.time_budget)

    def reserve_importances(self, n_configurations):
        """Reserve the time of the importances at the end, for all configurations."""
        job, features = self.jobs[0], self.features
        encoder = self.encoders[job.configuration.encoding]
        self.seconds_per_row = SNAPSHOTS * permutation.seconds_per_row(
            job, encoder, features.sources(), self.setup.n_threads, self.time_budget.clock
        )
        n_rows = min(permutation.most_rows(len(features.positions)), len(self.setup.rows))
        self.time_budget.reserve(n_rows * n_configurations * self.seconds_per_row)

    def rows_for_importances(self, n_configurations, part=1.0, least=0.0):
        """Return how many rows there is time for in a part of the time that is left.

        least : seconds that may be taken in any case
        """
        seconds = self.seconds_per_row * n_configurations * max(1.0, self.time_budget.slowness)
        return self.time_budget.rows_within(seconds, part, least)

    def jobs_by_configuration(self):
        """Return the jobs of each configuration."""
        return training_jobs.by_configuration(self.jobs, len(self.folds))

    # ---- after training ----

    def attributes_of_folds(self, n_most=np.inf):
        """Return the attributes of the estimator by the folds that are done.

        n_most : number of rows for the importances, at most
        """
        out_of_fold, is_forward = self.out_of_fold, self.split.is_forward
        done = [self.folds[fold] for fold in out_of_fold.done]
        prediction, fold_of_row = out_of_fold.all_rows()
        folds, chosen = FoldRows.of(done, fold_of_row), self.chosen()
        checkpoint = None if self.is_complete else self.checkpoint()
        spread, errors = self.fit_spread()
        model = self.model(
            chosen,
            out_of_fold.done,
            errors=errors,
            spread=spread,
            checkpoint=checkpoint,
            folds=folds,
        )
        rows = self.setup.rows
        importances, drops = permutation.importances(
            model,
            replace(rows, numbers=numbers_of_folds(rows.numbers, out_of_fold.done)),
            done,
            self.task,
            self.random_state,
            self.setup.n_threads,
            min(n_most, self.rows_for_importances(len(chosen), least=LEAST_SECONDS)),
            partial(self.encode_as_seen, _encodings(chosen)) if is_forward else None,
        )
        score = out_of_fold.score_all(prediction, fold_of_row)
        self.task.warn_undefined(score, int((fold_of_row >= 0).sum()))
        if self.final is not None and self.final.is_done:
            model = self.model(
                self.final.chosen(),
                [len(self.folds)],
                errors=errors,
                spread=spread,
                folds=folds,
                fold_histories=model.histories(),
            )
        threshold = out_of_fold.threshold_of_row
        return self.attributes(model, importances, prediction, score, drops, fold_of_row, threshold)

    def fit_spread(self):
        """Return the Spread of the errors of held-out rows, and the errors, each None without them.

        Intervals of a fit that was stopped have one width.
        """
        rows, errors, predictions = self.out_of_fold.errors()
        if not (self.has_spread and self.is_complete):
            return None, errors
        if self.split.is_forward:  # early folds have large errors of all that they have not seen
            predictions = None
        configuration, limit = self.jobs[0].configuration, self.options.time_limit
        budget = TimeBudget(None if limit is None else FOR_SPREAD * limit)
        table, encoder = (x[configuration.encoding] for x in (self.final_tables, self.encoders))
        return spread_training.fit_spread_of_table(
            rows, errors, predictions, table, configuration, encoder, self.setup, self.seed, budget
        )

    @property
    def has_spread(self):
        """Whether networks learn the size of errors: numbers have one, quantiles their distance."""
        targets = self.setup.targets
        return not targets.is_classifier and targets.n_out == 1

    def attributes_of_one_class(self):
        """Return the attributes of the estimator by targets of one class, without networks."""
        rows, importances = self.setup.rows, np.zeros(self.features.n_columns)
        prediction = np.ones((len(rows), 1))
        score = self.task.score(self.setup.targets, prediction, *rows.targets(slice(None)))
        self.task.warn_undefined(score, len(rows))
        return self.attributes(self.model([], []), importances, prediction, score)

    def attributes(
        self, model, importances, prediction, score, drops=None, fold_of_row=None, threshold=None
    ):
        """Return the attributes of the estimator, by name.

        fold_of_row : ndarray (n,) of int, or None
            Position of the fold that held out each row among those that are done, -1 for none.
        """
        out = model.attributes() | dict(
            feature_importances_=importances,
            feature_score_drops_=drops,
            oof_prediction_=prediction,
            oof_rows_=self.table.numbers,
            oof_score_=score,
            oof_score_name_=name_weighted(self.task.score_name, self.sample_weight),
            _fold_of_row=fold_of_row,
        )
        if model.targets.is_classifier:
            out["oof_threshold_"] = threshold
        return out

    @property
    def is_complete(self):
        """Whether all networks are trained."""
        is_final_done = self.final is None or self.final.is_done
        return is_final_done and all(job.networks for job in self.jobs)

    def chosen(self):
        """Return [(EncoderSettings, weight, networks of each fold that is done)] of configurations.

        Those without a weight are left out, unless `resume` needs their networks.
        """
        found, groups, is_complete = (
            self.out_of_fold,
            self.jobs_by_configuration(),
            self.is_complete,
        )
        weighted = [(groups[c], float(weight)) for c, weight in zip(found.used, found.weights)]
        return [
            (jobs[0].configuration.encoding, weight, [jobs[fold].networks for fold in found.done])
            for jobs, weight in weighted
            if weight > 0 or not is_complete
        ]

    def model(self, chosen, layers, **results):
        """Return the TableModel of some networks.

        Parameters
        ----------
        chosen : as `chosen` returns it
        layers : list of int
            The folds of the text layers that the networks read.
        results : fields
        """
        used, background = _encodings(chosen), self.background
        return TableModel(
            features=self.features.of_folds(layers),
            encoders=[self.encoders[settings] for settings in used],
            members=[
                EnsembleMember(used.index(settings), weight, networks)
                for settings, weight, networks in chosen
            ],
            targets=self.setup.targets,
            target_name=self.table.target_name,
            split=None if self.split is None else self.split.description,
            profile=self.profile,
            background=None if background is None else background.of_folds(layers),
            monotone=self.signs,
            **results,
        )

    def checkpoint(self):
        """Return the FitCheckpoint of a fit that was stopped."""
        done, used, final = self.out_of_fold.done, self.out_of_fold.used, self.final
        groups = self.jobs_by_configuration()
        spare = [
            SpareNetworks(c, job.fold, job.networks, job.best)
            for c, jobs in enumerate(groups)
            for job in jobs
            if job.networks and not (c in used and job.fold in done)
        ]
        return FitCheckpoint(
            folds=done,
            n_folds=len(self.folds),
            fraction=self.setup.fraction,
            digests=self.digests,
            n_final=0 if final is None else final.n,
            best=[] if final is None else [[groups[c][k].best for k in done] for c in used],
            final=final.networks() if final is not None and final.n_done else [],
            used=used,
            n_configurations=len(groups),
            spare=spare,
        )

    def encode_as_seen(self, encodings, parts):
        """Return the EncodedTables of some rows of each fold as the fold sees them.

        encodings : list of EncoderSettings; parts : list of ndarray of int
        """
        tables = []
        for settings in encodings:
            jobs = {job.fold: job for job in self.jobs if job.configuration.encoding == settings}
            seen = []
            for fold, part in zip(self.out_of_fold.done, parts):
                job = jobs[fold]
                seen.append(job.held_out_table()[np.searchsorted(job.held_out, part)])
            tables.append(concatenate_tables(seen))
        return tables * (len(parts) if self.texts else 1)


def _encodings(chosen):
    """Return the different EncoderSettings of what `TableFit.chosen` returned."""
    return list(dict.fromkeys(settings for settings, *_ in chosen))

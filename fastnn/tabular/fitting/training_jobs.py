"""Train the networks of all configurations on all folds, in this process or in the workers of an executor.

If the folds are forward in time, the saved networks train on all rows that have a time: `FinalNetworks`.
The folds have found for how long to train each configuration, and which to use.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ... import losses
from ...callbacks import EarlyStopping
from ...core.validation import check_threads
from ...distributed.executor_pool import ExecutorPool
from ...distributed.rows import RowSource
from ...mlp import MLP
from ...state import DivergenceError
from ...training.data import Data
from ...training.plan import FitOptions, Plan
from ...training.pool import Trainings, train_many
from ...training.session import SLICE_EPOCHS, Session
from ..encoder import FitRows
from ..folds import ALL_ROWS, as_seen
from ..model import ACTIVATION
from ..monotone import ACTIVATION as MONOTONE
from . import recipe
from .budget import Pace, RemotePace, TimeBudget
from .category_statistics import N_PARTS, CategoryStatistics
from .recipe import KnownCategories


@dataclass(eq=False, repr=False)
class Job:
    """One network to train: a configuration on one fold.

    Attributes
    ----------
    configuration : recipe.Configuration
    fold : int
    table : EncodedTable
        Encoded training rows.
    train, held_out : ndarray of intp
        Rows to train on, and to choose the best epoch with.
    net : MLP
    networks : list of MLP
        After training: the network with the parameters of the best epoch, or two networks with
        those of two snapshots. They read `table`, without weights.
    weights : InputWeights or None
        What the inputs are multiplied by while the network trains.
    statistics : CategoryStatistics or None
        What the network reads in place of some columns of codes while it trains.
    n_train : int
        Number of rows to train on: more than `train` has if these are a sample.
    known : KnownCategories or None
        Those of the training rows in memory that have enough rows for the configuration; None: all.
        The network learns no others.
    seen : EncodedTable or None
        The rows `held_out` as `folds.as_seen` returns them. None: as in `table`.
    best : list of float
        After training: the parts of the epochs after which the networks were best.
    ends : list of float
        The same for a network that trains on all rows, before its training.
    """

    configuration: recipe.Configuration
    fold: int
    table: Any
    train: np.ndarray
    held_out: np.ndarray
    net: MLP
    networks: list
    weights: Any = None
    statistics: Any = None
    n_train: int = field(kw_only=True)
    known: Any = None
    seen: Any = None
    best: list = field(default_factory=list)
    ends: list = field(default_factory=list)

    def held_out_table(self):
        """Return the EncodedTable of the rows `held_out`."""
        return self.table[self.held_out] if self.seen is None else self.seen

    @property
    def inputs_are_shared(self):
        """bool: whether the network trains on `table` as it is, like those of other jobs."""
        if self.weights is not None or self.statistics is not None:
            return False
        return self.known is None or self.configuration.min_rows == 1

    @property
    def layer_sizes(self):
        """list of int: those of `networks`."""
        return [self.table.n_inputs, *self.net.layer_sizes[1:]]

    def inputs(self, table):
        """Return encoded rows as the network reads them while it trains. table : `table` or `seen`"""
        if self.statistics is not None:
            parts = self.statistics.parts if table is self.table else N_PARTS
            return self.statistics.inputs(table, parts)
        if self.known is not None:
            table = self.known.hide_others_in(table)
        return table if self.weights is None else self.weights.multiply(table)


def make_jobs(configurations, tables, folds, setup, random_state):
    """Return a list of jobs: all folds of one configuration, then all of the next.

    tables : list of dict of EncoderSettings to EncodedTable
        What the networks of each fold read.
    """
    jobs, targets, hidden, stored = [], setup.targets, setup.hidden_sizes, setup.stored
    known_of: dict = {}
    for c in configurations:
        table = tables[0][c.encoding]  # the codes are the same for all folds
        key = c.encoding, c.min_rows
        if key not in known_of:
            known_of[key] = _known_of_folds(table, folds, setup.rows.weight, c.min_rows)
        for fold, (train, held_out) in enumerate(folds):
            rng, statistics = np.random.default_rng(random_state.randint(2**31)), None
            table = tables[fold][c.encoding]
            if c.statistics:
                y = targets.for_trees(setup.rows.y) if targets.is_classifier else setup.encoded_y
                weight, width = setup.rows.weight, hidden[0]
                statistics = CategoryStatistics.fit(table, y, weight, train, width, rng)
            n_inputs = table.n_inputs if statistics is None else statistics.n_inputs
            net = _new_network(c, n_inputs, setup, rng)
            if setup.monotone is not None:
                signs = setup.monotone.of_encoding[c.encoding]
                if statistics is not None:
                    signs = statistics.input_signs(signs, table.layout)
                setup.monotone.constrain(net, signs)
            known = known_of[key][fold]
            if known is not None and statistics is None:
                known.forget_others(net)
            n_train = len(train) if stored is None else stored.n_train(fold)
            job = Job(c, fold, table, train, held_out, net, [], n_train=n_train, known=known)
            job.statistics = statistics
            jobs.append(job)
    return jobs


def _new_network(configuration, n_inputs, setup, rng):
    hidden, dropout = setup.hidden_sizes, configuration.dropout
    net = MLP(
        [n_inputs, *hidden, setup.targets.n_out],
        ACTIVATION if setup.monotone is None else MONOTONE,
        setup.targets.output,
        rng=rng,
        dropout=[dropout[0]] + [dropout[1]] * len(hidden),
    )
    recipe.init(net, rng)
    return net


def _known_of_folds(table, folds, weight, min_rows):
    """Return the KnownCategories of each fold, or None. Rows without a weight teach nothing."""
    found = []
    for train, _ in folds:
        rows = train if weight is None else train[weight[train] > 0]
        codes, n_categories = table.codes[rows], table.layout.n_categories
        found.append(KnownCategories.find(codes, n_categories, min_rows))
    return found


def by_configuration(jobs, n):
    """Return the jobs of each configuration, n of each."""
    return [jobs[i : i + n] for i in range(0, len(jobs), n)]


def set_seen(jobs):
    """Set `Job.seen` of the jobs of folds that are forward in time."""
    tables: dict = {}
    for job in jobs:
        key = job.configuration.encoding, job.fold
        if key not in tables:
            tables[key] = as_seen(job.table, job.train, job.held_out)
        job.seen = tables[key]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class JobSetup:
    """Rows and settings that all jobs of a fit share.

    Attributes
    ----------
    rows : FitRows
        Those in memory.
    encoded_y : ndarray (n,)
        Their targets as the networks learn them.
    targets : TableClasses or TableNumbers
    hidden_sizes : list of int
    n_threads : int
        At least 1: `TableFit` has resolved -1.
    fraction : float
        Part of the epochs of the recipe to train for at most.
    stored : EncodedRows or None
        The rows to train on. None: the rows `train` of a job.
    informs : ndarray (n_folds, n_folds) of bool, or None
        As in `FitSplit`.
    workers : Workers or None
        Those that train the networks. None: threads of this process.
    monotone : MonotoneInputs or None
        The inputs of the networks that are monotone, if some are.
    """

    rows: FitRows
    encoded_y: np.ndarray
    targets: Any
    hidden_sizes: list
    n_threads: int
    fraction: float = 1.0
    stored: Any = None
    informs: Any = None
    workers: Any = None
    monotone: Any = None

    @property
    def n_parallel(self):
        """int: how many networks train at the same time."""
        return self.n_threads if self.workers is None else self.workers.n

    def in_worker(self):
        """Return what training in a worker needs of this."""
        weight_alone = FitRows([], self.rows.codes[:0], self.rows.y[:0], self.rows.weight)
        return replace(
            self, rows=weight_alone, n_threads=self.workers.n_threads, informs=None, workers=None
        )


def _n_epochs(job, fraction):
    """Return the number of epochs of the schedule of a job, a part of those of the recipe."""
    return max(1, int(fraction * recipe.n_epochs(job.configuration, job.n_train)))


def optimizer_of(job, setup, epochs):
    """Return the optimizer of a job."""
    targets, width = setup.targets, setup.hidden_sizes[0]
    return recipe.optimizer(job.configuration, targets.is_classifier, width, job.n_train, epochs)


def end_networks(job, networks):
    """Give a job its trained networks, which read the table without weights and statistics.

    Bounds of their weights have done their work.
    """
    for net in networks:
        net.weight_bounds = None
    if job.weights is not None:
        for net in networks:
            job.weights.move_into(net, job.table.layout)
    if job.statistics is not None:
        networks = [job.statistics.fold_into(net, job.table.layout) for net in networks]
    job.networks = networks  # at once: Ctrl-C may come in between


class JobTrainer:
    """How the networks of folds train: each keeps its best epochs for the rows that it holds out.

    Parameters
    ----------
    setup : JobSetup
    jobs : list of Job
        Those that it will train.
    """

    def __init__(self, setup, jobs):
        self.setup = setup
        self.loss = losses.resolve_loss(setup.targets.loss, setup.targets.output)
        shared = [job for job in jobs if job.inputs_are_shared]
        self.data = {job.table: self._data(job, job.table) for job in shared}

    def fraction(self, job, share):
        """Return the part of the epochs of the recipe to train for. share : TimeShare or None"""
        fraction = self.setup.fraction
        return fraction if share is None else min(fraction, share.fraction)

    def session(self, job, fraction, queue, n_threads):
        """Return the session of a job, which has not begun. fraction : of `fraction`"""
        in_memory, stored = self.data_of(job), self.setup.stored
        rows = in_memory.select(job.train) if stored is None else stored.data(job, self.loss)
        epochs = _n_epochs(job, fraction)
        callbacks = EarlyStopping(None, keep="last", monitor=job.configuration.monitor)
        options = self.options(job, epochs, n_threads, epochs=epochs, callbacks=callbacks)
        plan = Plan(job.net, rows, options, job.net.rng, self.held_out_of(job, in_memory))
        session = plan.session(queue, kind=TwoPartSession)
        if job.configuration.snapshots and epochs > 1:
            session.first = int(recipe.LATE * epochs)
        return session

    def options(self, job, n_planned, n_threads, **more):
        """Return the FitOptions of a job. n_planned : epochs of its schedule"""
        return FitOptions(
            optimizer=optimizer_of(job, self.setup, n_planned),
            batch_size=job.configuration.batches(job.n_train)[1],
            n_threads=n_threads,
            **more,
        )

    def data_of(self, job):
        """Return the rows in memory as the job reads them."""
        if job.inputs_are_shared:
            return self.data[job.table]
        return self._data(job, job.inputs(job.table))

    def held_out_of(self, job, in_memory):
        """Return the rows that choose the best epoch."""
        if job.seen is None:
            return in_memory.select(job.held_out)
        return self._data(job, job.inputs(job.seen), job.held_out)

    def _data(self, job, table, rows=slice(None)):
        """Return the Data of encoded rows. rows : their positions among those in memory"""
        y, weight = self.setup.encoded_y[rows], self.setup.rows.weight
        return Data.of(job.net, table, y, self.loss, None if weight is None else weight[rows])

    def end(self, job, session, error):
        """Give a job its networks, after the training of a session."""
        if error is not None and not isinstance(error, DivergenceError):
            raise error
        end_networks(job, self.networks(job, session))

    def networks(self, job, session):
        """Return the networks that a session has trained, and set `Job.best`."""
        if session.was_stopped:  # perhaps within an epoch
            session.restore_best()
        job.net.state = None  # its moments are as large as the network
        networks = [job.net]
        if job.configuration.snapshots:
            networks.insert(0, job.net.copy())
            if session.best_of_first is not None:  # else it diverged, or there was one epoch
                networks[0].params = session.best_of_first
        job.best = session.best_parts()[-len(networks) :]
        return networks


def train(jobs, setup, ended=None, line=None, budget=None, kind=JobTrainer):
    """Train the networks of jobs, fold by fold.

    Parameters
    ----------
    jobs : list of Job
    setup : JobSetup
    ended : callable, optional
        ended(job) is called as soon as the networks of a job are trained.
    line : optional
        Shows the progress, as a `training.progress.ManyLine` does.
    budget : TimeBudget, optional
        If it has a limit, all networks have begun and ended when the time for training is over.
    kind : class of JobTrainer
        How the networks train.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C. The networks of the jobs that have not ended are incomplete.
    """
    jobs, stored = sorted(jobs, key=lambda job: job.fold), setup.stored
    trainer, is_limited = kind(setup, jobs), budget is not None and budget.is_limited
    if setup.workers is not None:
        _train_in_workers(jobs, trainer, ended, line, budget if is_limited else None)
        return
    n_at_once = 1 if stored is None else stored.n_at_once(setup.n_threads)
    pace = None
    if is_limited:
        at_once = setup.n_threads if stored is None else n_at_once
        pace = Pace(budget, jobs, setup, at_once, are_balanced=stored is None)

    def make(i, queue=None):
        share = None if pace is None else pace.begin(jobs[i])
        fraction = trainer.fraction(jobs[i], share)
        n_threads = max(1, setup.n_threads // n_at_once)
        session = trainer.session(jobs[i], fraction, queue, n_threads)
        if share is not None:
            share.session, session.is_over = session, share.is_over
        return session

    def end(i, session, error):
        trainer.end(jobs[i], session, error)
        if ended is not None:
            ended(jobs[i])

    trainings = Trainings(n=len(jobs), make=make, ended=end, in_order=True, late=pace is not None)
    (stored or RowSource()).train(trainings, setup.n_threads, line)


# ---- sessions ----


class TwoPartSession(Session):
    """A Session that keeps the best epoch of the first part of a training, and of the rest.

    Attributes
    ----------
    first : int or None
        Number of epochs of the first part; None for a single part.
    best_of_first : ndarray (n_params,) or None
        Parameters of the best epoch of the first part, once it is over.
    epoch_of_first : int or None
        That epoch, or the last epoch of the first part without one.
    is_over : function or None
        Returns whether the training must stop after a slice, at its best epoch so far.
    was_stopped : bool
        Whether it did.
    """

    first = best_of_first = epoch_of_first = is_over = None
    was_stopped = False

    def restore_best(self):
        """Take the parameters of the best epoch so far, if an epoch is done."""
        best = self.state.best
        if best is not None:
            self.net.params = best.params
        elif self.best_of_first is not None:
            self.net.params = self.best_of_first

    @property
    def is_in_first(self):
        return self.first is not None and self.best_of_first is None

    def begin_slice(self, epochs=None):
        if self.is_in_first:  # a slice must not go beyond
            epochs = min(self.first - self.state.epoch, SLICE_EPOCHS)
        return super().begin_slice(epochs)

    def end_slice(self, stop):
        super().end_slice(stop)
        if self.is_in_first and self.state.epoch == self.first:
            self.store()
            self.end_first()
        if self.is_over is not None and not self.is_done and self.is_over():
            self.was_stopped, self.stop_reason = True, "the time is over"

    def end_first(self):
        """Keep what the first part has led to."""
        best, self.state.best = self.state.best, None
        self.epoch_of_first = self.first if best is None else best.epoch
        self.best_of_first = self.net.params.copy() if best is None else best.params
        if self.stopping:  # else a callback, which reads the state
            self.engine.set_stopping(self.stopping.to_patience(self.state), self.metric)

    def best_parts(self):
        """Return the parts of all epochs after which the networks of both parts were best."""
        best, epochs = self.state.best, self.options.epochs
        last = min(self.state.epoch if best is None else best.epoch, epochs)
        first = last if self.epoch_of_first is None else self.epoch_of_first
        return [first / epochs, last / epochs]


class SnapshotSession(TwoPartSession):
    """A Session that keeps the parameters after the first part of a training."""

    def end_first(self):
        self.best_of_first = self.net.params.copy()


# ---- workers of an executor ----


def arrays_of_jobs(jobs, setup):
    """Return the arrays and tables that all jobs of a fit have in common."""
    yield setup.encoded_y
    yield setup.rows.weight
    for job in jobs:
        yield from (job.table, job.train, job.held_out, job.seen)


def _train_in_workers(jobs, trainer, ended, line, budget):
    """Train the networks of jobs in the workers of ``trainer.setup``.

    Parameters are those of `train`. budget : TimeBudget with a limit, or None
    """
    setup, workers = trainer.setup, trainer.setup.workers
    shares: dict = {}
    pace = RemotePace(budget, jobs, setup, workers.n, are_balanced=False) if budget else None

    def make(i):
        share = shares[i] = None if pace is None else pace.begin(jobs[i])
        seconds = None if share is None else share.ends - share.began
        return jobs[i], trainer.fraction(jobs[i], share), seconds

    def end(i, result):
        job, (networks, best, n_steps) = jobs[i], result
        if shares[i] is not None:
            shares[i].end(n_steps)
        job.best = best
        job.networks = networks  # at once: Ctrl-C may come in between
        if ended is not None:
            ended(job)

    function = partial(_train_task, type(trainer), setup.in_worker())
    ExecutorPool(workers, len(jobs), function, make, end, line).run()


def _train_task(kind, setup, items, watch):
    """Train jobs in a worker; return the networks, `Job.best` and the number of steps of each."""
    n_threads = check_threads(setup.n_threads)
    jobs = [job for job, _, _ in items]
    trainer, results, began = kind(setup, jobs), [None] * len(items), TimeBudget.clock()

    def make(i, queue):
        job, fraction, seconds = items[i]
        session = trainer.session(job, fraction, queue, n_threads)
        if seconds is not None:
            session.is_over = lambda: TimeBudget.clock() - began >= seconds
        return session

    def end(i, session, error):
        trainer.end(jobs[i], session, error)
        results[i] = jobs[i].networks, jobs[i].best, session.history.n_steps

    trainings = Trainings(n=len(jobs), make=make, ended=end, late=True)
    train_many(trainings, n_threads, watch)
    return results


# ---- networks on all rows ----


class FinalNetworks:
    """The networks that train on all rows.

    Parameters
    ----------
    n : int
        Number of networks for each configuration.
    seed : int
        Of their initial parameters.

    Attributes
    ----------
    jobs : list of Job
        All networks of one configuration, then all of the next; empty before `make`.
    weights : list of float
        Those of the configurations.
    n_jobs : int
        How many there will be, at most.
    n_before : int
        How many an earlier fit has trained.
    """

    def __init__(self, n, seed, n_configurations):
        self.n, self.seed = n, seed
        self.jobs: list = []
        self.weights: list = []
        self.n_jobs, self.n_before = n * n_configurations, 0

    def make(self, groups, weights, setup, rows, tables):
        """Make the networks of the configurations that have a weight.

        Parameters
        ----------
        groups : list of list of Job
            The trained jobs of each configuration, one for each fold.
        weights : ndarray (n_configurations,)
        setup : JobSetup
        rows : ndarray of intp, or None
            The rows in memory to train on. None: all rows.
        tables : dict of EncoderSettings to EncodedTable
            What the networks read.
        """
        chosen = [(jobs, float(weight)) for jobs, weight in zip(groups, weights) if weight > 0]
        self.weights = [weight for _, weight in chosen]
        trained = np.arange(len(setup.rows)) if rows is None else rows
        n = len(trained)
        if setup.stored is not None:
            n = setup.stored.n_train(ALL_ROWS)
        self.jobs = make_jobs(
            [jobs[0].configuration for jobs, _ in chosen],
            [tables] * self.n,
            [(trained, trained[:0])] * self.n,
            replace(setup, stored=None),
            np.random.RandomState(self.seed),
        )
        for i, job in enumerate(self.jobs):
            job.ends = _median_parts(chosen[i // self.n][0])
            job.fold, job.n_train = ALL_ROWS, n
            job.train = trained[:0] if rows is None else rows  # none stands for all
        self.n_jobs = len(self.jobs)

    def groups(self):
        """Return the jobs of each configuration."""
        return by_configuration(self.jobs, self.n)

    def restore(self, networks):
        """Take the networks of a fit that was stopped: for each configuration, a list of them."""
        for jobs, trained in zip(self.groups(), networks):
            for job, found in zip(jobs, trained):
                job.networks = found
                self.n_before += 1

    @property
    def n_done(self):
        """int: number of networks that are trained for all configurations."""
        done = [all(job.networks for job in jobs) for jobs in zip(*self.groups())]
        return done.index(False) if False in done else len(done)

    @property
    def is_done(self):
        return bool(self.jobs) and self.n_done == self.n

    def networks(self):
        """Return the trained networks of each configuration, those that all configurations have."""
        return [[job.networks for job in jobs[: self.n_done]] for jobs in self.groups()]

    def chosen(self):
        """Return [(EncoderSettings, weight, networks)] of the configurations."""
        return [
            (jobs[0].configuration.encoding, weight, networks)
            for jobs, weight, networks in zip(self.groups(), self.weights, self.networks())
        ]

    def train(self, setup, line, budget):
        """Train the networks that are left, one of each configuration after the other.

        budget : TimeBudget
        """
        left = [job for jobs in zip(*self.groups()) for job in jobs if not job.networks]
        if left:
            train(left, setup, None, line, budget, FinalTrainer)


def _median_parts(jobs):
    """Return the median over folds of the best parts of the epochs, weighted by their training rows.

    Later folds are more like a training on all rows. It is the part of one of them, not a mean: the
    rate falls to 0 several times, and the best epochs are where it is low.
    """
    best, n_rows = np.array([job.best for job in jobs]), np.array([job.n_train for job in jobs])
    order = np.argsort(best, axis=0, kind="stable")
    enough = np.cumsum(n_rows[order], axis=0) >= n_rows.sum() / 2
    middle = order[enough.argmax(axis=0), np.arange(best.shape[1])]
    return best[middle, np.arange(best.shape[1])].tolist()


class FinalTrainer(JobTrainer):
    """How networks train on all rows: each as far as `Job.ends` says, or less far if time is limited."""

    def fraction(self, job, share):
        fraction, end = self.setup.fraction, job.ends[-1]
        if share is None or end == 0:  # then it trains for one epoch
            return fraction
        return min(fraction, share.fraction / end)

    def session(self, job, fraction, queue, n_threads):
        stored = self.setup.stored
        rows = self.data_of(job) if stored is None else stored.data(job, self.loss)
        if stored is None and len(job.train):
            rows = rows.select(job.train)
        epochs = _n_epochs(job, fraction)
        ends = [max(1, round(part * epochs)) for part in job.ends]
        options = self.options(job, epochs, n_threads, epochs=max(ends))
        session = Plan(job.net, rows, options, job.net.rng).session(queue, kind=SnapshotSession)
        session.first = min(ends) if min(ends) < max(ends) else None
        return session

    def networks(self, job, session):
        job.net.state = None  # its moments are as large as the network
        networks = [job.net.copy() for _ in job.ends[1:]] + [job.net]
        if session.best_of_first is not None:
            networks[0].params = session.best_of_first
        return networks

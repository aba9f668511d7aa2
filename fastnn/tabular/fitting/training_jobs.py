"""Train the networks of all configurations on all folds."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ... import losses
from ...callbacks import EarlyStopping
from ...distributed.rows import RowSource
from ...mlp import MLP
from ...state import DivergenceError
from ...training.data import Data
from ...training.plan import FitOptions, Plan
from ...training.pool import Trainings
from ..columns.known_categories import KnownCategories
from ..fit_rows import FitRows
from ..forward_folds import as_seen
from ..network_arrays import ACTIVATION
from . import recipe, remote_jobs
from .job_sessions import TwoPartSession
from .pace import Pace


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
    n_train : int
        Number of rows to train on: more than `train` has if these are a sample.
    known : KnownCategories or None
        Those of the training rows in memory that have enough rows for the configuration; None: all.
        The network learns no others.
    seen : EncodedTable or None
        The rows `held_out` as `forward_folds.as_seen` returns them. None: as in `table`.
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
        return self.weights is None and (self.known is None or self.configuration.min_rows == 1)

    def inputs(self, table):
        """Return encoded rows as the network reads them while it trains."""
        if self.known is not None:
            table = self.known.hide_others_in(table)
        return table if self.weights is None else self.weights.multiply(table)


def make_jobs(configurations, tables, folds, setup, random_state):
    """Return a list of jobs: all folds of one configuration, then all of the next."""
    jobs, targets, hidden, stored = [], setup.targets, setup.hidden_sizes, setup.stored
    known_of: dict = {}
    for c in configurations:
        table = tables[c.encoding]
        key = c.encoding, c.min_rows
        if key not in known_of:
            known_of[key] = _known_of_folds(table, folds, setup.rows.weight, c.min_rows)
        for fold, (train, held_out) in enumerate(folds):
            rng = np.random.default_rng(random_state.randint(2**31))
            net = MLP(
                [table.n_inputs, *hidden, targets.n_out],
                ACTIVATION,
                targets.output,
                rng=rng,
                dropout=[c.dropout[0]] + [c.dropout[1]] * len(hidden),
            )
            recipe.init(net, rng)
            known = known_of[key][fold]
            if known is not None:
                known.forget_others(net)
            n_train = len(train) if stored is None else stored.n_train(fold)
            jobs.append(Job(c, fold, table, train, held_out, net, [], n_train=n_train, known=known))
    return jobs


def _known_of_folds(table, folds, weight, min_rows):
    """Return the KnownCategories of each fold, or None. Rows without a weight teach nothing."""
    found = []
    for train, _ in folds:
        rows = train if weight is None else train[weight[train] > 0]
        codes, n_categories = table.codes[rows], table.layout.n_categories
        found.append(KnownCategories.find(codes, n_categories, min_rows))
    return found


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
    """What all jobs of a fit share.

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


def n_epochs(job, fraction):
    """Return the number of epochs of the schedule of a job, a part of those of the recipe."""
    return max(1, int(fraction * recipe.n_epochs(job.configuration, job.n_train)))


def optimizer(job, setup, epochs):
    """Return the optimizer of a job."""
    targets, width = setup.targets, setup.hidden_sizes[0]
    return recipe.optimizer(job.configuration, targets.is_classifier, width, job.n_train, epochs)


def end_networks(job, networks):
    """Give a job its trained networks, which read the table without weights."""
    if job.weights is not None:
        for net in networks:
            job.weights.move_into(net, job.table.layout)
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
        self.setup, weight = setup, setup.rows.weight
        self.loss = losses.resolve(setup.targets.loss, setup.targets.output)
        self.data = {
            job.table: Data.of(job.net, job.table, setup.encoded_y, self.loss, weight)
            for job in jobs
        }

    def fraction(self, job, share):
        """Return the part of the epochs of the recipe to train for. share : Share or None"""
        fraction = self.setup.fraction
        return fraction if share is None else min(fraction, share.fraction)

    def in_worker(self, job):
        """Return what training in a worker needs of a job."""
        return job

    def session(self, job, fraction, queue, n_threads):
        """Return the session of a job, which has not begun. fraction : of `fraction`"""
        in_memory, stored = self.data_of(job), self.setup.stored
        rows = in_memory.select(job.train) if stored is None else stored.data(job, self.loss)
        epochs = n_epochs(job, fraction)
        options = FitOptions(
            optimizer=optimizer(job, self.setup, epochs),
            epochs=epochs,
            batch_size=recipe.batches(job.n_train)[1],
            callbacks=EarlyStopping(None, keep="last", monitor=job.configuration.monitor),
            n_threads=n_threads,
        )
        plan = Plan(job.net, rows, options, job.net.rng, self.held_out_of(job, in_memory))
        session = plan.session(queue, kind=TwoPartSession)
        if job.configuration.snapshots and epochs > 1:
            session.first = int(recipe.LATE * epochs)
        return session

    def data_of(self, job):
        """Return the rows in memory as the job reads them."""
        if job.inputs_are_shared:
            return self.data[job.table]
        y, weight = self.setup.encoded_y, self.setup.rows.weight
        return Data.of(job.net, job.inputs(job.table), y, self.loss, weight)

    def held_out_of(self, job, in_memory):
        """Return the rows that choose the best epoch."""
        if job.seen is None:
            return in_memory.select(job.held_out)
        y, weight = self.setup.encoded_y, self.setup.rows.weight
        table = job.inputs(job.seen)
        y_of_rows = y[job.held_out]
        weight_of_rows = None if weight is None else weight[job.held_out]
        return Data.of(job.net, table, y_of_rows, self.loss, weight_of_rows)

    def end(self, job, session):
        """Give a job its networks, after the training of a session."""
        if session.was_stopped:  # perhaps within an epoch
            session.restore_best()
        job.net.state = None  # its moments are as large as the network
        networks = [job.net]
        if job.configuration.snapshots:
            networks.insert(0, job.net.copy())
            if session.best_of_first is not None:  # else it diverged, or there was one epoch
                networks[0].params = session.best_of_first
        job.best = session.best_parts()[-len(networks) :]
        end_networks(job, networks)


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
        remote_jobs.train(jobs, trainer, ended, line, budget if is_limited else None)
        return
    n_at_once = 1 if stored is None else stored.n_at_once(setup.n_threads)
    pace = None
    if is_limited:
        at_once = setup.n_threads if stored is None else n_at_once
        pace = Pace(budget, jobs, setup, at_once, are_balanced=stored is None)

    def make(i, queue=None):
        job, share = jobs[i], None
        if pace is not None:
            share = pace.begin_job(job)
        fraction = trainer.fraction(job, share)
        n_threads = max(1, setup.n_threads // n_at_once)
        session = trainer.session(job, fraction, queue, n_threads)
        if share is not None:
            share.limit(session)
        return session

    def end(i, session, error):
        if error is not None and not isinstance(error, DivergenceError):
            raise error
        trainer.end(jobs[i], session)
        if ended is not None:
            ended(jobs[i])

    trainings = Trainings(n=len(jobs), make=make, ended=end, in_order=True, late=pace is not None)
    (stored or RowSource()).train(trainings, setup.n_threads, line)

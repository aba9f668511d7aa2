"""Train the networks of all configurations on all folds."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ... import losses
from ...callbacks import EarlyStopping
from ...core.state import DivergenceError
from ...mlp import MLP
from ...training.data import Data
from ...training.plan import FitOptions, Plan
from ...training.pool import StreamPool, Trainings, train_many
from ...training.session import SLICE_EPOCHS, Session
from ..fit_rows import FitRows
from ..forward_folds import as_seen
from ..network_arrays import ACTIVATION
from . import recipe
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
    seen: Any = None
    best: list = field(default_factory=list)
    ends: list = field(default_factory=list)

    def held_out_table(self):
        """Return the EncodedTable of the rows `held_out`."""
        return self.table[self.held_out] if self.seen is None else self.seen


def make_jobs(configurations, tables, folds, setup, random_state):
    """Return a list of jobs: all folds of one configuration, then all of the next."""
    jobs, targets, hidden, stored = [], setup.targets, setup.hidden_sizes, setup.stored
    for c in configurations:
        table = tables[c.encoding]
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
            n_train = len(train) if stored is None else stored.n_train(fold)
            jobs.append(Job(c, fold, table, train, held_out, net, [], n_train=n_train))
    return jobs


def set_seen(jobs):
    """Set `Job.seen` of the jobs of folds that are forward in time."""
    tables: dict = {}
    for job in jobs:
        key = job.configuration.encoding, job.fold
        if key not in tables:
            tables[key] = as_seen(job.table, job.train, job.held_out)
        job.seen = tables[key]


@dataclass(kw_only=True, eq=False, repr=False)
class TrainingSetup:
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
    """

    rows: FitRows
    encoded_y: np.ndarray
    targets: Any
    hidden_sizes: list
    n_threads: int
    fraction: float = 1.0
    stored: Any = None
    informs: Any = None


def n_epochs(job, fraction):
    """Return the number of epochs of the schedule of a job, a part of those of the recipe."""
    return max(1, int(fraction * recipe.n_epochs(job.configuration, job.n_train)))


def begin_share(job, pace):
    """Return the Share of a job that begins now."""
    n_all = recipe.n_epochs(job.configuration, job.n_train)
    return pace.begin(job, n_all * recipe.batches(job.n_train)[0])


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


def train(jobs, setup, ended=None, line=None, budget=None):
    """Train the networks of jobs, fold by fold.

    Parameters
    ----------
    jobs : list of Job
    setup : TrainingSetup
    ended : callable, optional
        ended(job) is called as soon as the networks of a job are trained.
    line : optional
        Shows the progress, as a `training.progress.ManyLine` does.
    budget : TimeBudget, optional
        If it has a limit, all networks have begun and ended when the time for training is over.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C. The networks of the jobs that have not ended are incomplete.
    """
    y, weight, targets, stored = setup.encoded_y, setup.rows.weight, setup.targets, setup.stored
    jobs = sorted(jobs, key=lambda job: job.fold)
    loss = losses.resolve(targets.loss, targets.output)
    data = {job.table: Data.of(job.net, job.table, y, loss, weight) for job in jobs}

    def data_of(job):
        if job.weights is None:
            return data[job.table]
        return Data.of(job.net, job.weights.multiply(job.table), y, loss, weight)

    def held_out_of(job, in_memory):
        if job.seen is None:
            return in_memory.select(job.held_out)
        table = job.seen if job.weights is None else job.weights.multiply(job.seen)
        y_of_rows, weight_of_rows = (
            y[job.held_out],
            None if weight is None else weight[job.held_out],
        )
        return Data.of(job.net, table, y_of_rows, loss, weight_of_rows)

    n_at_once = 1 if stored is None else stored.n_at_once(setup.n_threads)
    pace = None
    if budget is not None and budget.is_limited:
        at_once = setup.n_threads if stored is None else n_at_once
        pace = Pace(budget, jobs, setup, at_once, are_balanced=stored is None)

    def make(i, queue=None):
        job = jobs[i]
        in_memory = data_of(job)
        rows = in_memory.select(job.train) if stored is None else stored.data(job, loss)
        share, fraction = None, setup.fraction
        if pace is not None:
            share = begin_share(job, pace)
            fraction = min(fraction, share.fraction)
        epochs = n_epochs(job, fraction)
        options = FitOptions(
            optimizer=optimizer(job, setup, epochs),
            epochs=epochs,
            batch_size=recipe.batches(job.n_train)[1],
            callbacks=EarlyStopping(None, keep="last", monitor=job.configuration.monitor),
            n_threads=max(1, setup.n_threads // n_at_once),
        )
        plan = Plan(job.net, rows, options, job.net.rng, held_out_of(job, in_memory))
        session = plan.session(queue, kind=TwoPartSession)
        if job.configuration.snapshots and epochs > 1:
            session.first = int(recipe.LATE * epochs)
        if share is not None:
            share.limit(session)
        return session

    def end(i, session, error):
        if error is not None and not isinstance(error, DivergenceError):
            raise error
        job = jobs[i]
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
        if ended is not None:
            ended(job)

    trainings = Trainings(n=len(jobs), make=make, ended=end, in_order=True, late=pace is not None)
    if stored is None:
        train_many(trainings, setup.n_threads, line)
    else:
        StreamPool(trainings, n_at_once, line).run()


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
            best, self.state.best = self.state.best, None
            self.epoch_of_first = self.first if best is None else best.epoch
            self.best_of_first = self.net.params.copy() if best is None else best.params
            if self.stopping:  # else a callback, which reads the state
                self.engine.set_stopping(self.stopping.to_patience(self.state), self.metric)
        self.stop_if_over()

    def stop_if_over(self):
        """Stop if the time of the network is over."""
        if self.is_over is not None and not self.is_done and self.is_over():
            self.was_stopped, self.stop_reason = True, "the time is over"

    def best_parts(self):
        """Return the parts of all epochs after which the networks of both parts were best."""
        best, epochs = self.state.best, self.options.epochs
        last = min(self.state.epoch if best is None else best.epoch, epochs)
        first = last if self.epoch_of_first is None else self.epoch_of_first
        return [first / epochs, last / epochs]

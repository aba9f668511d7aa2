"""The saved networks of a fit whose folds are forward in time: they train on all rows that have a time.

The folds have found for how long to train each configuration, and which to use.
"""

from dataclasses import replace

import numpy as np

from ...training.plan import FitOptions, Plan
from ..forward_folds import ALL_ROWS
from . import recipe, training_jobs
from .job_sessions import SnapshotSession


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

    def make(self, groups, weights, setup, rows):
        """Make the networks of the configurations that have a weight.

        Parameters
        ----------
        groups : list of list of Job
            The trained jobs of each configuration, one for each fold.
        weights : ndarray (n_configurations,)
        setup : JobSetup
        rows : ndarray of intp, or None
            The rows in memory to train on. None: all rows.
        """
        chosen = [(jobs, float(weight)) for jobs, weight in zip(groups, weights) if weight > 0]
        self.weights = [weight for _, weight in chosen]
        tables = {jobs[0].configuration.encoding: jobs[0].table for jobs, _ in chosen}
        trained = np.arange(len(setup.rows)) if rows is None else rows
        n = len(trained)
        if setup.stored is not None:
            n = setup.stored.n_train(ALL_ROWS)
        self.jobs = training_jobs.make_jobs(
            [jobs[0].configuration for jobs, _ in chosen],
            tables,
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
        return [self.jobs[i : i + self.n] for i in range(0, len(self.jobs), self.n)]

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
            training_jobs.train(left, setup, None, line, budget, FinalTrainer)


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


class FinalTrainer(training_jobs.JobTrainer):
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
        epochs = training_jobs.n_epochs(job, fraction)
        first, last = _epochs_of_ends(job.ends, epochs)
        options = FitOptions(
            optimizer=training_jobs.optimizer(job, self.setup, epochs),
            epochs=last,
            batch_size=recipe.batches(job.n_train)[1],
            n_threads=n_threads,
        )
        session = Plan(job.net, rows, options, job.net.rng).session(queue, kind=SnapshotSession)
        session.first = first if first < last else None
        return session

    def end(self, job, session):
        job.net.state = None  # its moments are as large as the network
        networks = [job.net.copy() for _ in job.ends[1:]] + [job.net]
        if session.best_of_first is not None:
            networks[0].params = session.best_of_first
        training_jobs.end_networks(job, networks)


def _epochs_of_ends(parts, epochs):
    """Return the epoch after which the first network is kept, and the last epoch."""
    ends = [max(1, round(part * epochs)) for part in parts]
    return min(ends), max(ends)

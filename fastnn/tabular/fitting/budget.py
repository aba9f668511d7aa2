"""Estimate the time of a fit before it is spent."""

import time
from dataclasses import replace

import numpy as np

from ...many import fit_many
from ..table_model import mean_output
from . import permutation, recipe

TRIAL_STEPS = 8  # of a training that measures the time of a step
MAX_RESERVED = 0.3  # of the time limit, for the importances


class TimeBudget:
    """The time that a fit may take.

    Parameters
    ----------
    limit : float or None
        Seconds.
    """

    def __init__(self, limit):
        self.limit, self.began = limit, time.perf_counter()
        self.reserved = 0.0

    def reserve(self, jobs, encoders, sources, setup):
        """Take the estimated time of importances from the limit, but no more than a part of it.

        They are computed at the end, and for the weights of columns.

        encoders : dict of EncoderSettings to Encoder
        sources : ndarray of int
            What `Features.sources` returned.
        setup : TrainingSetup
        """
        if self.limit is None:
            return
        n_columns = len(np.unique(sources))
        jobs = [job for job in jobs if job.fold == 0]
        phases = [(jobs, permutation.most_rows(n_columns))]
        if any(job.configuration.weighted for job in jobs[1:]):
            phases.append((jobs[:1], permutation.most_rows_for_weights(n_columns)))
        seconds = 0.0
        for trained, n in phases:
            rows = setup.rows.take(slice(n))
            seconds += _seconds_of_importances(trained, encoders, rows, sources, setup.n_threads)
        self.reserved = min(seconds, MAX_RESERVED * self.limit)

    def plan(self, jobs, setup, n_folds):
        """Return the number of configurations that fit in the time, and the part of their epochs.

        Configurations are left out first, the last ones of the list; then epochs are reduced.

        setup : TrainingSetup
        """
        if self.limit is None:
            return len(jobs) // n_folds, 1.0
        groups = [jobs[i : i + n_folds] for i in range(0, len(jobs), n_folds)]
        seconds = [n_folds * self._seconds(group[0], setup) for group in groups]
        n_threads = setup.n_threads
        left = self.limit - self.reserved - (time.perf_counter() - self.began)
        while len(groups) > 1 and sum(seconds) / n_threads > left:
            groups.pop()
            seconds.pop()
        phases = [seconds]
        if n_folds > 1 and any(group[0].configuration.weighted for group in groups[1:]):
            phases = [seconds[:1], seconds[1:]]  # as `TableFit.train` trains them
        needed = sum(sum(phase) / min(n_threads, len(phase) * n_folds) for phase in phases)
        return len(groups), min(1.0, max(0.0, left) / max(needed, 1e-9))

    def _seconds(self, job, setup):
        """Return the estimated seconds of a job on one thread."""
        n, targets, stored = job.n_train, setup.targets, setup.stored
        n_batches, size = recipe.batches(n)
        rows = job.train[: TRIAL_STEPS * size]
        net = job.net.copy()
        configuration = replace(job.configuration, steps=1, epochs=2)
        options = dict(
            loss=targets.loss,
            optimizer=recipe.optimizer(configuration, targets.is_classifier, 64, len(rows), 2),
            batch_size=size,
            rows=[rows],
            n_threads=1,
        )
        fit_many([net], job.table, setup.encoded_y, epochs=1, **options)
        began = time.perf_counter()
        fit_many([net], job.table, setup.encoded_y, epochs=1, **options)
        step = (time.perf_counter() - began) / -(-len(rows) // size)
        reading = 0.0 if stored is None else stored.seconds_per_row(job, targets.loss) * n
        return 1.1 * (step * n_batches + reading) * recipe.n_epochs(job.configuration, n)


def _seconds_of_importances(jobs, encoders, rows, sources, n_threads):
    """Return the estimated seconds of the importances of the networks of jobs, one for each
    configuration.

    Each column costs one shuffling and prediction of the rows, with some columns at once.
    """
    used = {job.configuration.encoding for job in jobs}
    tables = rows.encode({s: encoders[s] for s in used})
    inputs = {s: encoders[s].sources_of_parts(sources) for s in used}
    parts = permutation.at_once(np.unique(sources).tolist(), len(rows))
    order = np.arange(len(rows))
    began = time.perf_counter()
    for s, table in tables.items():
        tables[s] = permutation.shuffle(table, inputs[s], parts[0], order)
    for job in jobs:
        for _ in range(1 + job.configuration.snapshots):
            mean_output([job.net], tables[job.configuration.encoding], n_threads)
    return (1 + len(parts)) * (time.perf_counter() - began)

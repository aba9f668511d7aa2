"""Train the networks of all configurations on all folds, and choose among them."""

from dataclasses import dataclass

import numpy as np

from ..callbacks import EarlyStopping
from ..many import fit_many, forward_many
from ..mlp import MLP
from . import recipe

PICKS = 12  # of the greedy selection


@dataclass(eq=False, repr=False)
class Job:
    """One network to train: a configuration on one fold.

    Attributes
    ----------
    configuration : recipe.Configuration
    table : Table
        Encoded training rows.
    train, held_out : ndarray of intp
        Rows to train on, and to choose the best epoch with.
    net : MLP
    networks : list of MLP
        After training: the network with the parameters of the best epoch, or two networks with
        those of two snapshots.
    """

    configuration: recipe.Configuration
    table: object
    train: np.ndarray
    held_out: np.ndarray
    net: MLP
    networks: list


def make_jobs(configurations, tables, folds, targets, hidden, random_state):
    """Return a list of jobs: all folds of one configuration, then all of the next."""
    jobs = []
    for c in configurations:
        table = tables[c.encoding]
        for train, held_out in folds:
            rng = np.random.default_rng(random_state.randint(2**31))
            net = MLP(
                [table.n_inputs, *hidden, targets.n_out],
                "silu",
                targets.output,
                rng=rng,
                dropout=[c.dropout[0]] + [c.dropout[1]] * len(hidden),
            )
            recipe.init(net, rng)
            jobs.append(Job(c, table, train, held_out, net, []))
    return jobs


def train(jobs, y, weight, targets, width, n_threads, progress=False, epochs_of=recipe.n_epochs):
    """Train the networks of jobs.

    epochs_of : callable (configuration, n) -> int
    """
    epochs = [epochs_of(job.configuration, len(job.train)) for job in jobs]
    # the epochs up to the first snapshot, or all
    first = [
        int(recipe.LATE * n) if job.configuration.snapshots and n > 1 else n
        for job, n in zip(jobs, epochs)
    ]
    optimizers = [
        recipe.optimizer(job.configuration, targets.is_classifier, width, len(job.train), n)
        for job, n in zip(jobs, epochs)
    ]

    def run(chosen, n_epochs, resume):
        fit_many(
            [jobs[i].net for i in chosen],
            [jobs[i].table for i in chosen],
            y,
            loss=targets.loss,
            optimizer=None if resume else [optimizers[i] for i in chosen],
            epochs=[n_epochs[i] for i in chosen],
            batch_size=[recipe.batches(len(jobs[i].train))[1] for i in chosen],
            rows=[jobs[i].train for i in chosen],
            validation_rows=[jobs[i].held_out for i in chosen],
            sample_weight=weight,
            callbacks=[
                [EarlyStopping(None, keep="last", monitor=jobs[i].configuration.monitor)]
                for i in chosen
            ],
            n_threads=n_threads,
            progress=progress,
            resume=resume,
        )

    run(range(len(jobs)), first, False)
    rest = [i for i, (a, b) in enumerate(zip(first, epochs)) if a < b]
    for i in rest:
        net = jobs[i].net
        jobs[i].networks.append(net.copy())
        net.state.best = None
    if rest:
        run(rest, [b - a for a, b in zip(first, epochs)], True)
    for job in jobs:
        job.net.state = None
        job.networks.append(job.net)


def outputs(networks, table, n_threads):
    """Return the mean output of networks, (n, n_out) in float64."""
    return forward_many(networks, table, n_threads=n_threads).mean(axis=0, dtype=np.float64)


def greedy(predictions, y, weight, targets):
    """Return the weights of configurations, from their out-of-fold predictions.

    Configurations are picked one after the other, with replacement, each time the one with which
    the mean of the picks has the least loss (Caruana et al., 2004, "Ensemble selection from
    libraries of models").
    """
    counts, total = np.zeros(len(predictions)), 0.0
    for k in range(PICKS):
        values = [targets.value((total + P) / (k + 1), y, weight) for P in predictions]
        j = int(np.argmin(values))
        counts[j] += 1
        total = total + predictions[j]
    return counts / PICKS

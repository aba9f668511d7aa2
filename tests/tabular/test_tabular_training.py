"""Training of the networks of estimators for tables."""

from dataclasses import replace

import numpy as np
import pytest
from checks import assert_same_bits

from fastnn import MLP, EarlyStopping, EncodedTable
from fastnn.tabular.encoder import EncoderSettings, FitRows
from fastnn.tabular.fitting import recipe, training_jobs
from fastnn.tabular.targets import TableClasses, TableNumbers
from fastnn.training import pool

rng = np.random.default_rng(6)
X = rng.normal(size=(300, 3)).astype(np.float32)
ROWS, HELD_OUT = np.arange(0, 250), np.arange(250, 300)
CONFIGURATION = recipe.Configuration(EncoderSettings(), 0, 0, dropout=(0.1, 0.2), snapshots=True)


def setup(y, targets, width):
    rows, options = FitRows([], np.empty((len(y), 0)), y, None), dict(n_threads=1)
    options |= dict(encoded_y=y, targets=targets, hidden_sizes=[width])
    return training_jobs.JobSetup(rows=rows, **options)


def make_job(configuration, fold, net):
    arguments = configuration, fold, EncodedTable(X), ROWS, HELD_OUT, net, []
    return training_jobs.Job(*arguments, n_train=len(ROWS))


def numbers_job():
    """(a job of a regression, its setup)"""
    targets = TableNumbers.fit("mse", X[:, 0].astype(float))
    net = MLP([3, 4, 1], rng=0)
    return make_job(CONFIGURATION, 0, net), setup(targets.encode(X[:, 0]), targets, 4)


def by_two_fits(net, y, targets, epochs, monitor):
    """Two networks: the best epoch of the first 55 %, and that of the rest."""
    first = int(0.55 * epochs)
    options = dict(
        loss=targets.loss,
        batch_size=CONFIGURATION.batches(250)[1],
        validation_data=(X[HELD_OUT], y[HELD_OUT]),
        callbacks=EarlyStopping(None, keep="last", monitor=monitor),
    )
    adam = recipe.optimizer(CONFIGURATION, targets.is_classifier, 8, 250, epochs)
    net.fit(X[ROWS], y[ROWS], optimizer=adam, epochs=first, **options)
    early = net.copy()
    net.state.best = None
    net.fit(X[ROWS], y[ROWS], epochs=epochs - first, resume=True, **options)
    return [early, net]


@pytest.mark.parametrize("queued", [True, False])
@pytest.mark.parametrize("epochs", [2, 3, 100])
@pytest.mark.parametrize("monitor", ["loss", "error_rate"])
def test_snapshots_are_those_of_two_fits(monitor, epochs, queued, monkeypatch, quick_recipe):
    """In a queue with another network, and alone."""
    quick_recipe(epochs)
    monkeypatch.setattr(pool, "SLICE_SECONDS", 0.0)
    if monitor == "loss":  # of noise: the second part can be worse than the first
        noise = np.random.default_rng(1).normal(size=300)
        targets = TableNumbers.fit("mse", noise)
        y = targets.encode(noise)
    else:
        targets = TableClasses(np.arange(2))
        y = (X[:, 0] + rng.normal(size=300) > 0).astype(int)
    jobs = []
    for seed in range(1 + queued):
        dropout = 0.0 if monitor == "loss" else [0.1, 0.2]
        net = MLP([3, 32, targets.n_out], "silu", targets.output, rng=seed, dropout=dropout)
        recipe.init(net, np.random.default_rng(seed))
        jobs.append(make_job(replace(CONFIGURATION, monitor=monitor), seed, net))
    expected = [by_two_fits(job.net.copy(), y, targets, epochs, monitor) for job in jobs]
    if monitor == "loss" and epochs == 100:
        first, second = (net.state.best for net in expected[0])
        assert first.loss < second.loss and second.epoch > 56
    training_jobs.train(jobs, setup(y, targets, 8))
    for job, networks in zip(jobs, expected):
        assert len(job.networks) == 2 and job.networks[1] is job.net
        for net, other in zip(job.networks, networks):
            assert_same_bits(net.params, other.params)
        assert (networks[0].params != networks[1].params).any()


def test_one_epoch_is_both_snapshots(quick_recipe):
    """A file needs as many networks for each fold, and a fold can have one epoch more."""
    quick_recipe(1)
    job, settings = numbers_job()
    training_jobs.train([job], settings)
    early, net = job.networks
    assert net is job.net and early is not net and net.state is None
    assert_same_bits(early.params, net.params)


def test_networks_that_diverge_keep_their_last_finite_parameters(quick_recipe, monkeypatch):
    quick_recipe(10)
    adam = recipe.optimizer(CONFIGURATION, False, 4, 250, 10)
    monkeypatch.setattr(recipe, "optimizer", lambda *args: replace(adam, lr=1e30))
    (job, settings), ended = numbers_job(), []
    training_jobs.train([job], settings, ended.append)
    assert ended == [job] and len(job.networks) == 2
    assert job.net.history.stop_reason == "diverged"
    assert all(np.isfinite(net.params).all() for net in job.networks)


def test_other_errors_of_training_are_raised(monkeypatch):
    monkeypatch.setattr(training_jobs.TwoPartSession, "end_slice", lambda *args: 1 / 0)
    job, settings = numbers_job()
    with pytest.raises(ZeroDivisionError):
        training_jobs.train([job], settings)

"""Trainers that use one workspace in turn compute what each computes in its own."""

import numpy as np
import pytest

import fastnn
from fastnn import MLP, Adam, kernels
from fastnn.kernels import Loss, Trainer

SHAPES = [
    ([40, 70, 30, 3], 37, 16),
    ([3, 5, 1], 20, 20),
    ([20, 33, 2], 700, 650),
    ([5, 1], 9, 4),
    ([100, 20, 20, 10], 50, 50),
]


def with_own_or(workspace, dtype, i, n_threads, **options):
    """A Trainer over data of its own kind, and what it moves."""
    sizes, n, batch = SHAPES[i]
    net = MLP(
        sizes, "softplus" if i % 2 else "relu", dtype=dtype, rng=i, dropout=0.3 if i == 4 else 0.0
    )
    rng = np.random.default_rng(i)
    X, y = (
        rng.normal(size=(n, sizes[0])).astype(dtype),
        rng.normal(size=(n, sizes[-1])).astype(dtype),
    )
    optimizer = Adam(0.01, clip_norm=1.0 if i == 2 else None)
    job = Trainer(
        net,
        X,
        y,
        loss=Loss.SQUARED_ERROR,
        batch_size=batch,
        optimizer=optimizer.to_kernel(),
        n_threads=n_threads,
        dropout=np.array(net.dropout),
        seed=7,
        workspace=workspace,
        **options,
    )
    moments = np.zeros((2, net.n_params), dtype)
    job.load(moments)
    return net, job, moments


def run_in_turn(made, n_threads, rounds=4):
    results = []
    for _ in range(rounds):
        for net, job, moments in made:
            losses, grads = np.empty(2), np.empty(net.n_params, net.dtype)
            job.run(n_threads, 100.0, losses)
            job.store_gradient(grads)
            job.store(moments)
            results += [losses.tobytes(), grads.tobytes(), net.params.tobytes(), moments.tobytes()]
    return results


@pytest.mark.parametrize("n_threads", [1, 2])
def test_trainers_may_use_one_workspace_in_turn(isa, dtype, n_threads):
    one = kernels.Workspace()
    shared = run_in_turn(
        [with_own_or(one, dtype, i, n_threads) for i in range(len(SHAPES))], n_threads
    )
    own = run_in_turn(
        [with_own_or(None, dtype, i, n_threads) for i in range(len(SHAPES))], n_threads
    )
    assert shared == own


def test_one_workspace_serves_both_dtypes_and_what_a_diverged_training_left():
    one = kernels.Workspace()
    bad, job, _ = with_own_or(one, "float32", 0, 1)
    bad.params = np.inf
    job.load(np.zeros((2, bad.n_params), "float32"))
    job.run(1, 100.0, np.empty(1))
    made = [with_own_or(one, dtype, i, 1) for i in (0, 1, 4) for dtype in ("float64", "float32")]
    assert run_in_turn(made, 1) == run_in_turn(
        [with_own_or(None, dtype, i, 1) for i in (0, 1, 4) for dtype in ("float64", "float32")], 1
    )


def test_a_validation_and_its_training_may_use_a_workspace_each_that_others_use_too():
    def made(a, b):
        jobs = []
        for i in (0, 1):
            net, judge, _ = with_own_or(b, "float32", i, 1)
            sizes, n, batch = SHAPES[i]
            X, y = np.ones((n, sizes[0]), "f4"), np.ones((n, sizes[-1]), "f4")
            job = Trainer(
                net,
                X,
                y,
                loss=Loss.SQUARED_ERROR,
                batch_size=batch,
                optimizer=Adam(0.01).to_kernel(),
                validation=judge,
                workspace=a,
            )
            job.load(np.zeros((2, net.n_params), "f4"))
            jobs.append(job)
        found = []
        for _ in range(3):
            for job in jobs:
                losses = np.empty((2, 2))
                job.run(1, 100.0, *losses)
                found.append(losses.tobytes())
        return found

    assert made(kernels.Workspace(), kernels.Workspace()) == made(None, None)


def test_a_gradient_that_another_trainer_has_replaced_is_not_returned():
    one = kernels.Workspace()
    (first, a, _), (_, b, _) = (with_own_or(one, "float32", i, 1) for i in (0, 1))
    grads = np.empty(first.n_params, "f4")
    with pytest.raises(RuntimeError, match="nothing has run"):
        a.store_gradient(grads)
    a.run(1, 100.0, np.empty(1))
    a.store_gradient(grads)
    b.run(1, 100.0, np.empty(1))
    with pytest.raises(RuntimeError, match="the gradient is gone"):
        a.store_gradient(grads)


def test_a_workspace_in_use_is_refused():
    one, seen = kernels.Workspace(), []
    _, other, _ = with_own_or(one, "float32", 1, 1)

    def ask(first, n):
        for refused in (
            lambda: other.run(1, 1.0, np.empty(1)),
            other.loss,
            lambda: with_own_or(one, "float64", 2, 1),
        ):
            with pytest.raises(RuntimeError, match="in use"):
                refused()
            seen.append(1)
        return 0.0

    net = MLP([2, 1], rng=0)
    arrays = dict(custom_outputs=np.zeros((8, 1), "f4"), custom_gradient=np.zeros((8, 1), "f4"))
    settings = fastnn.SGD(0.1).to_kernel()
    arrays |= dict(custom_loss=ask, workspace=one)
    job = Trainer(
        net,
        np.ones((8, 2), "f4"),
        None,
        loss=Loss.CUSTOM_LOSS,
        batch_size=8,
        optimizer=settings,
        **arrays,
    )
    job.load()
    job.run(1, 1.0, np.empty(1))
    assert len(seen) == 3
    other.run(1, 1.0, np.empty(1))  # afterwards it may


@pytest.mark.parametrize("batch_size", [1, 5, 16, 300])
def test_a_loss_is_that_of_all_rows_whatever_the_batch_size(batch_size, dtype):
    """The workspace has room for a batch: more rows at once were written beyond it."""
    net, X, y = (
        MLP([3, 5, 2], dtype=dtype, rng=0),
        np.ones((700, 3), dtype),
        np.full((700, 2), 0.25, dtype),
    )
    job = Trainer(net, X, y, loss=Loss.SQUARED_ERROR, batch_size=batch_size)
    job.load()
    assert job.loss() == pytest.approx(net.loss(X, y), rel=1e-5)

"""Trainers that share a workspace compute the same as with separate ones."""

import gc

import numpy as np
import pytest
from checks import assert_same_bits
from trainers import make_trainer as loaded_trainer
from trainers import new_trainer

from fastnn import MLP, Adam, kernels
from fastnn.kernels import Loss

SHAPES = [([40, 70, 30, 3], 37, 16), ([3, 5, 1], 20, 20), ([20, 33, 2], 700, 650)]
SHAPES += [([5, 1], 9, 4), ([100, 20, 20, 10], 50, 50), ([9, 37, 18, 2], 90, 70)]


def make_trainer(workspace, dtype, i, n_threads=1, **options):
    """The network, Trainer and moments of case i; the workspace may be shared or None."""
    sizes, n, batch = SHAPES[i]
    activation, dropout = "softplus" if i % 2 else "relu", 0.3 if i == 4 else 0.0
    net = MLP(sizes, activation, dtype=dtype, rng=i, dropout=dropout)
    rng = np.random.default_rng(i)
    X, y = (rng.normal(size=(n, size)).astype(dtype) for size in (sizes[0], sizes[-1]))
    optimizer = Adam(0.01, clip_norm=1.0 if i == 2 else None)
    options |= dict(n_threads=n_threads, dropout=np.array(net.dropout), seed=7, workspace=workspace)
    if i == 5:
        jacobian = rng.normal(size=(n, sizes[-1], 3)).astype(dtype)
        options |= dict(jacobian=jacobian, jacobian_inputs=np.array([8, 0, 2]), dropout=None)
    return net, *loaded_trainer(net, X, y, optimizer, batch, **options)


def run_in_turn(made, n_threads, rounds=4):
    results = []
    for _ in range(rounds):
        for net, trainer, moments in made:
            losses, grads = np.empty(2), np.empty(net.n_params, net.dtype)
            trainer.run(n_threads, 100.0, losses)
            trainer.store_gradient(grads)
            trainer.store(moments)
            results += [losses, grads, net.params.copy(), moments.copy()]
    return results


@pytest.mark.parametrize("n_threads", [1, 2])
def test_trainers_can_share_a_workspace(isa, dtype, n_threads):
    shared, own = (
        run_in_turn([make_trainer(one, dtype, i, n_threads) for i in range(len(SHAPES))], n_threads)
        for one in (kernels.Workspace(), None)
    )
    assert_same_bits(shared, own)


def test_a_workspace_serves_both_dtypes_and_is_usable_after_divergence():
    one = kernels.Workspace()
    bad, trainer, _ = make_trainer(one, "float32", 0)
    bad.params = np.inf
    trainer.load(np.zeros((2, bad.n_params), "float32"))
    trainer.run(1, 100.0, np.empty(1))
    kinds = [(dtype, i) for i in (0, 1, 4) for dtype in ("float64", "float32")]
    made, own = ([make_trainer(each, *kind) for kind in kinds] for each in (one, None))
    assert_same_bits(run_in_turn(made, 1), run_in_turn(own, 1))


def test_training_and_validation_can_use_shared_workspaces():
    def made(a, b):
        trainers, found = [], []
        for i, (sizes, n, batch) in enumerate(SHAPES[:2]):
            net, validation, _ = make_trainer(b, "float32", i)
            X, y = np.ones((n, sizes[0]), "f4"), np.ones((n, sizes[-1]), "f4")
            options = dict(validation=validation, workspace=a)
            trainers.append(loaded_trainer(net, X, y, Adam(0.01), batch, **options)[0])
        for trainer in trainers * 3:
            losses = np.empty((2, 2))
            trainer.run(1, 100.0, *losses)
            found.append(losses)
        return found

    assert_same_bits(made(kernels.Workspace(), kernels.Workspace()), made(None, None))


def test_a_gradient_replaced_by_another_trainer_is_refused():
    one = kernels.Workspace()
    (first, a, _), (_, b, _) = (make_trainer(one, "float32", i) for i in (0, 1))
    grads = np.empty(first.n_params, "f4")
    with pytest.raises(RuntimeError, match="nothing has run"):
        a.store_gradient(grads)
    a.run(1, 100.0, np.empty(1))
    a.store_gradient(grads)
    b.run(1, 100.0, np.empty(1))
    with pytest.raises(RuntimeError, match="The gradient is gone"):
        a.store_gradient(grads)


def test_a_workspace_in_use_is_refused():
    one, seen = kernels.Workspace(), []
    _, other, _ = make_trainer(one, "float32", 1)

    def ask(first, n):
        start = lambda: make_trainer(one, "float64", 2)  # noqa: E731
        for refused in (lambda: other.run(1, 1.0, np.empty(1)), other.loss, start):
            with pytest.raises(RuntimeError, match="in use"):
                refused()
            seen.append(1)
        return 0.0

    net, X = MLP([2, 1], rng=0), np.ones((8, 2), "f4")
    arrays = dict(custom_outputs=np.zeros((8, 1), "f4"), custom_gradient=np.zeros((8, 1), "f4"))
    options = dict(loss=Loss.CUSTOM_LOSS, custom_loss=ask, workspace=one)
    trainer, _ = loaded_trainer(net, X, None, **options, **arrays)
    trainer.run(1, 1.0, np.empty(1))
    assert len(seen) == 3
    other.run(1, 1.0, np.empty(1))  # afterwards it may


@pytest.mark.parametrize("batch_size", [1, 5, 16, 300])
def test_the_loss_of_all_rows_does_not_depend_on_the_batch_size(batch_size, dtype):
    """The workspace has room for one batch. More rows at once were once written out of bounds."""
    net, X = MLP([3, 5, 2], dtype=dtype, rng=0), np.ones((700, 3), dtype)
    y = np.full((700, 2), 0.25, dtype)
    trainer = new_trainer(net, X, y, None, batch_size)
    trainer.load()
    assert trainer.loss() == pytest.approx(net.loss(X, y), rel=1e-5)


def test_a_trainer_is_initialized_once():
    one = kernels.Workspace()
    make_trainer(one, "float32", 2)[1].run(1, 100.0, np.empty(1))  # makes it large enough
    net, trainer, _ = make_trainer(one, "float32", 1)
    trainer.run(1, 100.0, np.empty(1))
    X, y = np.ones((4, 3), "f4"), np.ones((4, 1), "f4")
    with pytest.raises(RuntimeError, match=r"is initialized already. Make a new one"):
        trainer.__init__(net, X, y, loss=0, batch_size=2, workspace=one)
    trainer.run(1, 100.0, np.empty(1))


@pytest.mark.parametrize(("first", "second"), [(0, 2), (2, 0)])
@pytest.mark.parametrize("keep", [False, True])
def test_the_workspace_of_a_trainer_outlives_it_and_grows(first, second, keep, isa):
    made = [make_trainer(None, "float32", first)]
    made[0][1].run(1, 100.0, np.empty(1))
    made.append(make_trainer(made[0][1].workspace, "float32", second))
    own = [make_trainer(None, "float32", i) for i in (first, second)]
    own[0][1].run(1, 100.0, np.empty(1))
    if not keep:
        del made[0], own[0]
        gc.collect()
    assert_same_bits(run_in_turn(made, 1), run_in_turn(own, 1))


def test_a_queue_refuses_trainers_that_it_cannot_run():
    queue = kernels.TrainerQueue()
    losses = np.empty((3, 2))
    _, fits, _ = make_trainer(queue.workspace, "float32", 0)
    assert queue.run([fits], [losses], 2, 100.0) == 1 and np.isfinite(losses[0]).all()
    _, other, _ = make_trainer(None, "float32", 1)
    _, double, _ = make_trainer(queue.workspace, "float64", 0)
    net, _, _ = make_trainer(None, "float32", 0)
    shards = kernels.ShardedRows(np.array([37]), 0, 1, 16)
    _, sharded, _ = make_trainer(queue.workspace, "float32", 0, shards=shards)
    custom = dict(loss=Loss.CUSTOM_LOSS, custom_loss=lambda first, n: 0.0)
    custom |= dict(custom_outputs=np.zeros((16, 3), "f4"), custom_gradient=np.zeros((16, 3), "f4"))
    _, of_custom_loss, _ = make_trainer(queue.workspace, "float32", 0, **custom)
    X, y = np.zeros((4, 40), "f4"), np.zeros((4, 3), "f4")
    options = dict(workspace=queue.workspace, validation=new_trainer(net, X, y, None))
    own_validation = new_trainer(net, X, y, Adam(), **options)
    for trainer, arrays, message in [
        (other, losses, "with the queue's workspaces"),
        (sharded, losses, "with the queue's workspaces"),
        (of_custom_loss, losses, "without a custom loss"),
        (own_validation, losses, "with the queue's workspaces"),
        (double, losses, "one dtype"),
        (fits, np.empty((3, 0)), "losses is empty"),
        (fits, np.empty((2, 2)), "array of 6 numbers"),
        (fits, np.empty((3, 2), np.float32), "array of 6 numbers of 8 bytes"),
    ]:
        with pytest.raises(ValueError, match=message):
            queue.run([trainer], [arrays], 2, 100.0)
    assert queue.run([fits], [losses], 1, 100.0) == 1

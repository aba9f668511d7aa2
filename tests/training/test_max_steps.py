"""`fit(max_steps=)`: training stops after a number of steps, also within an epoch, and continues to the bit."""

import numpy as np
import pytest
from checks import assert_same_bits, training_state
from ranks import results_of
from scipy.sparse import csr_array
from small_training import squared

from fastnn import LBFGS, MLP, SGD, Adam, EarlyStopping, EncodedTable
from fastnn.core import sparse_rows
from fastnn.distributed import part

N, BATCH = 60, 8  # 8 steps an epoch, the last of 4 rows
X = np.random.default_rng(0).normal(size=(N, 5)).astype("float32")
Y = np.sin(X[:, :1])

KINDS = {
    "memory": lambda net, **options: net.fit(X, Y, **options),
    "custom loss": lambda net, **options: net.fit(X, Y, squared, **options),
    "table": lambda net, **options: net.fit(EncodedTable(X), Y, **options),
    "sparse": lambda net, **options: net.fit(csr_array(X), Y, **options),
    "groups": lambda net, **options: net.fit(groups(), window=16, **options),
    "shards": lambda net, **options: net.fit(X, Y, shards=4, **options),
}


def network(**options):
    return MLP([5, 7, 1], rng=0, **options)


def groups():
    return [(X[i : i + 17], Y[i : i + 17]) for i in range(0, N, 17)]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(sparse_rows, "BLOCK_BYTES", 4 * 5 * 16)  # of two batches


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("optimizer", [SGD(0.1, average=0.9), Adam(0.01)], ids=["sgd", "adam"])
def test_parts_of_any_size_give_the_bits_of_one_training(kind, dropout, n_threads, optimizer):
    options = dict(optimizer=optimizer, batch_size=BATCH, n_threads=n_threads)
    whole, parts = (network(dropout=dropout) for _ in range(2))
    KINDS[kind](whole, epochs=3, **options)
    for i, n in enumerate((1, 1, 5, 1, 8, 3, 5)):
        history = KINDS[kind](parts, epochs=10, max_steps=n, resume=i > 0, **options)
        assert history.n_steps == n and history.stop_reason == "all steps done"
    assert parts.state.step == whole.state.step == 24
    assert_same_bits(parts.params, whole.params)
    assert_same_bits(training_state(parts), training_state(whole))


@pytest.mark.parametrize("kind", KINDS)
def test_epochs_that_end_first_end_the_training(kind):
    history = KINDS[kind](network(), epochs=2, batch_size=BATCH, max_steps=17)
    assert history.n_steps == 16 and history.stop_reason == "all epochs done"


@pytest.mark.parametrize("callbacks", [(), EarlyStopping(3), lambda net, history: None])
def test_an_epoch_that_ends_with_the_last_step_is_validated(callbacks):
    options = dict(batch_size=BATCH, validation_data=(X, Y), callbacks=callbacks)
    a, b = (network() for _ in range(2))
    history = a.fit(X, Y, epochs=9, max_steps=16, **options)
    assert history.val_loss == b.fit(X, Y, epochs=2, **options).val_loss
    assert history.n_epochs == 2 and history.stop_reason == "all steps done"
    history = a.fit(X, Y, epochs=9, max_steps=3, resume=True, **options)
    assert history.val_loss == [] and a.state.row == 24


def test_steps_of_lbfgs_are_iterations():
    a, b = (network() for _ in range(2))
    history = a.fit(X, Y, optimizer=LBFGS(), epochs=20, max_steps=4)
    b.fit(X, Y, optimizer=LBFGS(), epochs=4)
    assert history.n_steps == 4 and history.stop_reason == "all steps done"
    assert_same_bits(a.params, b.params)


def test_a_checkpoint_within_an_epoch_continues(reload):
    whole, net, options = network(), network(), dict(epochs=2, batch_size=BATCH)
    whole.fit(X, Y, **options)
    net.fit(X, Y, max_steps=3, **options)
    net = reload(net)
    net.fit(X, Y, resume=True, **options)
    assert_same_bits(net.params, whole.params)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_ranks_stop_at_the_same_step(size):
    alone = network()
    alone.fit(X, Y, epochs=2, batch_size=BATCH, shards=4, max_steps=11)

    def train(comm):
        net, rows = network(), part(N, comm.rank, comm.size, 4)
        options = dict(epochs=2, batch_size=BATCH, comm=comm, shards=4)
        net.fit(X[rows], Y[rows], max_steps=5, **options)
        net.fit(X[rows], Y[rows], max_steps=6, resume=True, **options)
        return net.params

    for params in results_of(size, train):
        assert_same_bits(params, alone.params)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "3"])
def test_wrong_numbers_of_steps(wrong):
    net = network()
    with pytest.raises((TypeError, ValueError), match="max_steps must be"):
        net.fit(X, Y, max_steps=wrong)
    assert net.state is None

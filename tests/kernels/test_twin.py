"""Trainer.twin: a Trainer for another network, made from one for the same layers."""

import numpy as np
import pytest
from checks import assert_same_bits
from trainers import new_trainer

from fastnn import MLP, SGD, Adam
from fastnn.kernels import Loss, ShardedRows

DATA = np.random.default_rng(0)
X, Y, WEIGHT = DATA.normal(size=(60, 5)), DATA.normal(size=(60, 2)), DATA.random(60)
ROWS, OTHER_ROWS, HELD_OUT = np.arange(0, 60, 2), np.arange(7, 50), np.arange(50, 60)
OPTIMIZER = Adam(0.01)
ADAM = OPTIMIZER.to_kernel()


def network(seed, dtype="float64", sizes=(5, 6, 2), **options):
    return MLP(sizes, "tanh", dtype=dtype, rng=seed, **options)


def make_trainer(net, rng=None, optimizer=OPTIMIZER, batch_size=16, **options):
    if rng is not None:
        options["generator"] = rng.bit_generator
    x, y, weight = (a.astype(net.dtype) for a in (X, Y, WEIGHT))
    options = dict(sample_weight=weight) | options
    return new_trainer(net, x, y, optimizer, batch_size, **options)


def validation(net, rows=HELD_OUT):
    return make_trainer(net, rows=rows, optimizer=None, batch_size=60)


def train(net, trainer, epochs=3):
    """Return everything that a training of some epochs writes."""
    moments = np.zeros((2, net.n_params), net.dtype)
    losses, validation_losses = np.zeros(epochs), np.zeros(epochs)
    trainer.load(moments)
    trainer.run(1, 100.0, losses, validation_losses)
    trainer.store(moments)
    return [losses, validation_losses, net.params.copy(), moments]


TWINS = [(None, 16), (ROWS, 30), (OTHER_ROWS, 60), (ROWS[:3], 3)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "batch_size"), TWINS)
def test_a_twin_trains_like_a_trainer_made_for_its_network(dtype, rows, batch_size, isa):
    first = network(0, dtype)
    best = dict(validation=validation(first), keeps_best=True)
    original = make_trainer(first, np.random.default_rng(0), rows=ROWS, **best)
    train(first, original)
    original.set_optimizer(Adam(1.0).to_kernel())  # a twin has the optimizer that it is given
    net, same = network(1, dtype), network(1, dtype)
    rngs = np.random.default_rng(3), np.random.default_rng(3)
    options = dict(batch_size=batch_size, rows=rows)
    held_out = validation(first).twin(net, batch_size=60, rows=HELD_OUT)
    generator = rngs[0].bit_generator
    twin = original.twin(net, optimizer=ADAM, generator=generator, validation=held_out, **options)
    best |= dict(validation=validation(same))
    expected = make_trainer(same, rngs[1], **best, **options)
    assert twin.position() == (0, 0, 0, 0.0)
    assert_same_bits(train(net, twin), train(same, expected))
    assert rngs[0].bit_generator.state == rngs[1].bit_generator.state
    best = [np.empty_like(net.params) for _ in range(2)]
    assert twin.store_best(best[0]) == expected.store_best(best[1])
    assert_same_bits(best[0], best[1])


def test_a_twin_keeps_the_data_alive_and_leaves_the_first_alone():
    first, net, same = network(0), network(1), network(1)
    original = make_trainer(first)
    before = train(first, original)
    twin = original.twin(net, batch_size=16, optimizer=ADAM)
    del original
    assert_same_bits(train(net, twin), train(same, make_trainer(same)))
    assert_same_bits(first.params, before[2])


def test_a_trainer_without_a_twin():
    net, other, options = network(0), network(1), dict(optimizer=ADAM, batch_size=16)
    for original in (
        make_trainer(net, np.random.default_rng(0), order=np.arange(60, dtype=np.intp)),
        make_trainer(net, dropout=np.array([0.0, 0.5]), seed=1),
        make_trainer(net, validation=validation(net)),
        make_trainer(net, np.random.default_rng(0)),
        make_trainer(net, optimizer=None),
        make_trainer(net, dX=np.empty_like(X)),
        make_trainer(net, shards=ShardedRows(np.array([60]), 0, 1, 16)),
        make_trainer(
            net,
            loss=Loss.CUSTOM_LOSS,
            custom_loss=lambda first, n: 0.0,
            custom_outputs=np.empty((16, 2)),
            custom_gradient=np.zeros((16, 2)),
        ),
        make_trainer(network(0, sizes=(5, 7, 2))),
        make_trainer(network(0, sizes=(5, 6, 6, 2))),
        make_trainer(network(0, bias=False)),
        make_trainer(MLP([5, 6, 2], "relu", dtype="float64")),
        make_trainer(network(0, "float32")),
    ):
        assert original.twin(other, **options) is None
    assert make_trainer(net).twin(other, **options) is not None


def test_invalid_arguments_of_a_twin():
    net, other = network(0), network(1)
    original = make_trainer(net, validation=validation(net))
    options = dict(batch_size=16, optimizer=ADAM)
    options["validation"] = validation(net).twin(other, batch_size=60, rows=HELD_OUT)
    numbers = "rows must hold row numbers from 0 to 59, at least one"
    for changed, message in [
        *((dict(rows=np.array(rows, np.intp)), numbers) for rows in ([60], [-1], [])),
        (dict(batch_size=0), "needs a batch_size of 1 or more, got 0"),
        (dict(rows=np.array([0.0, 1.0])), "array of 2 numbers"),
        (dict(validation=validation(net)), "belongs to another network"),
    ]:
        with pytest.raises(ValueError, match=message):
            original.twin(other, **options | changed)
    assert original.twin(other, **options | dict(optimizer=SGD(0.1).to_kernel())) is not None

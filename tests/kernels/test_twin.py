"""Trainer.twin: a Trainer for another network, made from one for the same layers."""

import numpy as np
import pytest
from checks import assert_same_bits

from fastnn import MLP, SGD, Adam
from fastnn.kernels import Loss, Trainer

DATA = np.random.default_rng(0)
X = DATA.normal(size=(60, 5))
Y = DATA.normal(size=(60, 2))
WEIGHT = DATA.random(60)
ROWS = np.arange(0, 60, 2)
OTHER_ROWS = np.arange(7, 50)
HELD_OUT = np.arange(50, 60)
ADAM = Adam(0.01).to_kernel()


def network(seed, dtype="float64", sizes=(5, 6, 2), **options):
    return MLP(sizes, "tanh", dtype=dtype, rng=seed, **options)


def make_trainer(net, rng=None, **options):
    dtype = net.dtype
    if rng is not None:
        options["generator"] = rng.bit_generator
    return Trainer(
        net,
        X.astype(dtype),
        Y.astype(dtype),
        **dict(
            loss=Loss.SQUARED_ERROR,
            batch_size=16,
            optimizer=ADAM,
            sample_weight=WEIGHT.astype(dtype),
        )
        | options,
    )


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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("rows", "batch_size"), [(None, 16), (ROWS, 30), (OTHER_ROWS, 60), (ROWS[:3], 3)]
)
def test_a_twin_trains_like_a_trainer_made_for_its_network(dtype, rows, batch_size, isa):
    first = network(0, dtype)
    original = make_trainer(
        first, np.random.default_rng(0), rows=ROWS, validation=validation(first), keeps_best=True
    )
    train(first, original)
    original.set_optimizer(Adam(1.0).to_kernel())  # a twin has the optimizer that it is given
    net, same = network(1, dtype), network(1, dtype)
    rngs = np.random.default_rng(3), np.random.default_rng(3)
    twin = original.twin(
        net,
        batch_size=batch_size,
        optimizer=ADAM,
        rows=rows,
        generator=rngs[0].bit_generator,
        validation=validation(first).twin(net, batch_size=60, rows=HELD_OUT),
    )
    expected = make_trainer(
        same,
        rngs[1],
        batch_size=batch_size,
        rows=rows,
        validation=validation(same),
        keeps_best=True,
    )
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
    order = np.arange(60, dtype=np.intp)
    for original in (
        make_trainer(net, np.random.default_rng(0), order=order),
        make_trainer(net, dropout=np.array([0.0, 0.5]), seed=1),
        make_trainer(net, validation=validation(net)),
        make_trainer(net, np.random.default_rng(0)),
        make_trainer(net, optimizer=None),
        make_trainer(net, dX=np.empty_like(X)),
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
    evaluated = validation(net).twin(other, batch_size=60, rows=HELD_OUT)
    for rows in (np.array([60]), np.array([-1]), np.array([], np.intp)):
        with pytest.raises(
            ValueError, match=r"rows must hold row numbers from 0 to 59, at least one"
        ):
            original.twin(other, batch_size=16, optimizer=ADAM, rows=rows, validation=evaluated)
    with pytest.raises(ValueError, match="needs a batch_size of 1 or more, got 0"):
        original.twin(other, batch_size=0, optimizer=ADAM, validation=evaluated)
    with pytest.raises(ValueError, match="array of 2 numbers"):
        original.twin(
            other, batch_size=16, optimizer=ADAM, rows=np.array([0.0, 1.0]), validation=evaluated
        )
    with pytest.raises(ValueError, match="belongs to another network"):
        original.twin(other, batch_size=16, optimizer=ADAM, validation=validation(net))
    assert (
        original.twin(other, batch_size=16, optimizer=SGD(0.1).to_kernel(), validation=evaluated)
        is not None
    )

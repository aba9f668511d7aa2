"""Threads that use the same objects at the same time, also in a Python without the GIL."""

import sys
import sysconfig
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from checks import assert_same_bits, training_state
from scale import scaled

import fastnn
from fastnn import MLP, SGD, Adam, kernels
from fastnn.kernels import Loss, Trainer, TrainerQueue

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 6)).astype("float32")
Y = np.sin(X[:, :1])
HAS_GIL = not sysconfig.get_config_var("Py_GIL_DISABLED")


def run_together(calls):
    """Run the calls at the same time, each in a thread of its own; return what they return or raise."""
    start = threading.Barrier(len(calls))

    def run(call):
        start.wait()
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.skipif(HAS_GIL, reason="this Python has the GIL")
def test_the_gil_stays_off():
    assert not sys._is_gil_enabled()


def test_many_threads_choose_their_number_of_threads_for_one_network():
    """Each call times one and two threads, and all calls share the measurements."""
    rows = RNG.normal(size=(4000, 20)).astype("float32")
    expected = MLP([20, 200, 100, 1], rng=0).forward(rows)
    for _ in range(scaled(3)):
        net = MLP([20, 200, 100, 1], rng=0)
        for outputs in run_together([lambda net=net: net.forward(rows, n_threads=4)] * 8):
            assert_same_bits(outputs, expected)


def test_trainings_of_many_networks_at_once():
    def train(seed):
        net = MLP([6, 17, 1], rng=seed)
        net.fit(X, Y, epochs=5, batch_size=32, n_threads=1 + seed % 2)
        return training_state(net)

    def train_many(first):
        nets = [MLP([6, 17, 1], rng=seed) for seed in range(first, first + 3)]
        fastnn.fit_many(nets, X, Y, epochs=5, batch_size=32)
        return [training_state(net) for net in nets]

    for _ in range(scaled(3)):
        calls = [partial(train, seed) for seed in range(6)]
        found = run_together([*calls, partial(train_many, 0), partial(train_many, 3)])
        assert_same_bits(found[:6], [train(seed) for seed in range(6)])
        assert_same_bits([*found[6], *found[7]], found[:6])


def test_one_of_many_threads_trains_a_network_and_the_others_are_refused():
    """The network has been trained as often as calls have returned, in one after the other."""
    options = dict(optimizer=Adam(0.01), batch_size=50)
    net, expected_net = MLP([6, 9, 1], rng=0), MLP([6, 9, 1], rng=0)
    for each in (net, expected_net):
        each.fit(X, Y, epochs=1, **options)

    def train():
        return net.fit(X, Y, epochs=1, resume=True, **options)

    trained = 0
    for _ in range(scaled(60)):
        for result in run_together([train] * 8):
            if isinstance(result, Exception):
                assert isinstance(result, RuntimeError), result
                assert "trained in another thread" in str(result)
            else:
                trained += 1
    assert trained >= scaled(60)
    for _ in range(trained):
        expected_net.fit(X, Y, epochs=1, resume=True, **options)
    assert_same_bits(training_state(net), training_state(expected_net))


def test_calls_during_a_training_are_refused_or_see_whole_steps():
    """Eight threads predict with a network that another one trains."""
    net = MLP([6, 9, 1], rng=0)
    expected_net = net.copy()
    outputs = [net.forward(X[:5]).tobytes()]

    def train(net, seen=None):
        for i in range(40):
            net.fit(X, Y, optimizer=SGD(0.01), epochs=1, resume=i > 0)
            if seen is not None:
                seen.append(net.forward(X[:5]).tobytes())

    train(expected_net, outputs)

    def predict():
        seen = set()
        for _ in range(200):
            try:
                seen.add(net.forward(X[:5]).tobytes())
            except RuntimeError:
                seen.add(None)
        return seen

    for seen in run_together([lambda: train(net)] + [predict] * 8)[1:]:
        assert not isinstance(seen, Exception), seen
        if HAS_GIL:  # without it, a training may begin during a prediction
            assert seen <= {None, *outputs}
    assert net.forward(X[:5]).tobytes() == outputs[-1]


def make_trainer(seed, workspace=None):
    net = MLP([6, 17, 1], rng=seed)
    options = dict(loss=Loss.SQUARED_ERROR, batch_size=50, optimizer=SGD(0.01).to_kernel())
    trainer = Trainer(net, X, Y, workspace=workspace, **options)
    trainer.load()
    return net, trainer


def test_trainers_that_share_a_workspace_run_one_after_the_other():
    one = kernels.Workspace()
    made, alone = ([make_trainer(seed, w) for seed in range(4)] for w in (one, None))
    n = scaled(50)

    def run(trainer):
        done = 0
        while done < n:
            try:
                trainer.run(1, 1e9, np.empty(1))
                done += 1
            except RuntimeError as error:
                if "workspace is in use" not in str(error):
                    raise

    assert run_together([partial(run, trainer) for _, trainer in made]) == [None] * 4
    for (net, trainer), (expected_net, expected) in zip(made, alone):
        run(expected)
        trainer.store()
        expected.store()
        assert_same_bits(net.params, expected_net.params)


def test_one_thread_at_a_time_runs_a_queue():
    queue = TrainerQueue()
    trainers = [make_trainer(seed, queue.workspace)[1] for seed in range(4)]
    losses = [np.empty((3, 10**6)) for _ in trainers]
    results = run_together([lambda: queue.run(trainers, losses, 2, 0.3)] * 4)
    refused = [result for result in results if not isinstance(result, int)]
    assert 1 <= len(refused) <= 3
    assert all("queue is in use" in str(error) for error in refused), refused
    assert queue.run(trainers, losses, 2, 0.01) >= 1


def test_a_network_is_not_bound_again_without_the_gil():
    net = MLP([6, 9, 1], rng=0)
    expected = net.forward(X)
    if HAS_GIL:
        net.__init__([6, 3, 1], rng=0)
        assert net.layer_sizes == (6, 3, 1)
        return
    with pytest.raises(RuntimeError, match="cannot be initialized again"):
        net.__init__([6, 9, 1], rng=1)
    assert_same_bits(net.forward(X), expected)

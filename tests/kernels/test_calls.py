"""Calls in several threads: run_in_threads, and how they end together."""

import _thread
import threading
import time
from functools import partial

import numpy as np
import processes
import pytest
from checks import assert_same_bits
from interrupt import interrupted, sigint_interrupts  # noqa: F401 - for all tests here
from thread_trials import record_threads, use_all_threads
from trainers import make_trainer

import fastnn
from fastnn import MLP, EncodedTable, kernels
from fastnn.core.threads import run_in_parts
from fastnn.estimators import ensemble


def no_thread(*arguments):
    raise RuntimeError("can't start new thread")


def test_all_calls_end_and_the_first_error_is_raised():
    done = []

    def call(i, error, begun, abort):
        begun.wait(10)
        time.sleep(0.01 * i)
        done.append(i)
        if error:
            raise error

    def calls(bad=None):
        begun = threading.Barrier(4)  # a call that has not begun when another one fails is left out
        return [partial(call, i, ValueError("mine") if i == bad else None, begun) for i in range(4)]

    kernels.run_in_threads(calls())
    assert sorted(done) == [0, 1, 2, 3]
    for bad in (0, 2):
        done.clear()
        with pytest.raises(ValueError, match="mine"):
            kernels.run_in_threads(calls(bad))
        assert sorted(done) == [0, 1, 2, 3]


def test_calls_run_one_after_the_other_if_no_thread_can_start(monkeypatch):
    done = []
    monkeypatch.setattr(_thread, "start_new_thread", no_thread)
    kernels.run_in_threads([lambda abort, i=i: done.append(i) for i in range(4)])
    assert done == [0, 1, 2, 3]
    kernels.run_in_threads([])  # returns


def test_each_call_runs_once_in_fewer_threads():
    done, idents = [], set()

    def call(i, abort):
        idents.add(_thread.get_ident())
        done.append(i)

    kernels.run_in_threads([partial(call, i) for i in range(1000)], 3)
    assert sorted(done) == list(range(1000))
    assert len(idents) <= 3


PARTS = [  # n, least units of a part, threads -> bounds
    (5, 1, 1, [(0, 5)]),
    (2, 1, 4, [(0, 1), (1, 2)]),  # no part is empty
    (9, 100, 2, [(0, 4), (4, 9)]),  # each thread gets one
    (30, 10, 2, [(0, 10), (10, 20), (20, 30)]),
    (80, 1, 2, [(10 * i, 10 * i + 10) for i in range(8)]),  # most parts: four for each thread
]


@pytest.mark.parametrize(("n", "least", "n_threads", "expected"), PARTS)
def test_parts_of_work(n, least, n_threads, expected):
    done = []
    run_in_parts(lambda a, b, abort: done.append((a, b)), n, least, n_threads)
    assert sorted(done) == expected


# ---- threads that begin late ----


class LateThreads:
    """Threads begin when `release` is called, or after 20 s, so that what waits for them fails."""

    def __init__(self, monkeypatch):
        self.released, self.n_started, self.n_ended = threading.Event(), 0, 0
        start = _thread.start_new_thread

        def start_late(function, arguments):
            self.n_started += 1
            start(self._run, (function, arguments))

        monkeypatch.setattr(_thread, "start_new_thread", start_late)

    def _run(self, function, arguments):
        self.released.wait(20)
        self.released.set()
        function(*arguments)
        self.n_ended += 1

    def release(self):
        assert self.n_started and not self.released.is_set()
        self.released.set()
        while self.n_ended < self.n_started:
            time.sleep(0.001)


def test_the_caller_runs_calls_of_threads_that_have_not_begun(monkeypatch):
    late, ran = LateThreads(monkeypatch), []
    kernels.run_in_threads([lambda abort: ran.append(_thread.get_ident())] * 4)
    late.release()
    assert ran == [_thread.get_ident()] * 4


def test_a_training_begins_without_threads_that_are_late(monkeypatch):
    """A late thread of one slice takes no part in the next one either."""
    X, params = np.random.default_rng(0).random((600, 5), np.float32), []
    for is_late in (False, True):
        net = MLP([5, 40, 1], rng=0)
        trainer, _ = make_trainer(net, X, X[:, :1].copy(), batch_size=600, n_threads=3)
        if is_late:
            kernels.await_all_helpers(False)
            try:
                with monkeypatch.context() as context:
                    late = LateThreads(context)
                    trainer.run(3, 60, np.empty(2))
            finally:
                kernels.await_all_helpers(True)
            late.release()
        else:
            trainer.run(3, 60, np.empty(2))
        trainer.run(3, 60, np.empty(3))
        trainer.store()
        params.append(net.params.copy())
    assert_same_bits(*params)


AT_EXIT = """
import _thread, atexit, time
begun, start = [], _thread.start_new_thread
atexit.register(lambda: print(len(begun)))  # runs after the functions that are registered later
from fastnn import kernels

def start_late(function, arguments):
    def run():
        time.sleep(0.1)
        begun.append(function(*arguments))
    start(run, ())

_thread.start_new_thread = start_late
kernels.run_in_threads([lambda abort: None] * 2)
assert not begun
"""


def test_a_process_ends_after_its_late_threads():
    done = processes.run(AT_EXIT)
    assert (done.returncode, done.stdout.split()) == (0, ["1"]), (done.stdout, done.stderr)


def test_calls_end_if_a_thread_cannot_start(monkeypatch):
    begun, done, start = threading.Event(), [], _thread.start_new_thread

    def start_one(*arguments):
        if begun.is_set():
            raise MemoryError("none left")
        start(*arguments)
        begun.wait(10)

    def call(abort):
        begun.set()
        time.sleep(0.1)
        done.append(1)

    monkeypatch.setattr(_thread, "start_new_thread", start_one)
    with pytest.raises(MemoryError, match="none left"):
        kernels.run_in_threads([lambda abort: done.append(0), call, lambda abort: done.append(2)])
    assert done == [1]  # the thread that ran has ended


def test_a_call_that_has_not_begun_is_left_out_after_an_error(monkeypatch):
    done = []
    monkeypatch.setattr(_thread, "start_new_thread", no_thread)

    def fail(abort):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        kernels.run_in_threads([lambda abort: done.append(0), fail, lambda abort: done.append(2)])
    assert done == [0]


# ---- predictions ----

N = 100_000  # rows, for about a second of work


PREDICTIONS = {
    "one network": lambda nets, X, out, abort: nets[0]._forward_into(X, out[0], abort),
    "many networks": kernels.forward_many,
    "population": lambda nets, X, out, abort: kernels.forward_population(
        nets[0], np.stack([net.params for net in nets]), X, out, abort
    ),
    "mean": lambda nets, X, out, abort: kernels.forward_mean(nets, X, out[0], abort),
}


@pytest.mark.parametrize("inputs", [np.asarray, EncodedTable])
@pytest.mark.parametrize("name", PREDICTIONS)
def test_ctrl_c_ends_predictions_of_other_threads(name, inputs):
    nets = [MLP([100, 512, 512, 1], rng=i) for i in range(2)]
    X, out = inputs(np.ones((N, 100), "f")), np.full((2, N, 1), np.nan, "f")
    n_threads, begun = _thread._count(), threading.Event()

    def predict(abort):  # while the caller waits for this thread
        begun.set()
        _thread.interrupt_main()
        PREDICTIONS[name](nets, X, out, abort)

    with pytest.raises(KeyboardInterrupt):
        kernels.run_in_threads([lambda abort: begun.wait(), predict])
    assert _thread._count() == n_threads
    assert np.isnan(out[0, -1, 0])


def zeros(rng, n_in, n_out):
    return np.zeros((n_in, n_out))


ENDLESS = {  # networks, their sizes, rows, seconds until Ctrl-C, threads
    "rows": (2, [100, 700, 700, 1], N, 0.05, 2),
    "networks": (60, [100, 700, 700, 1], 500, 0.05, 2),
    "small networks": (500, [30, 64, 64, 1], 1500, 0.02, 1),  # none of them takes long
}


@pytest.mark.parametrize("shared", ENDLESS)
def test_ctrl_c_ends_forward_many(monkeypatch, shared):
    monkeypatch.setattr("fastnn.many.check_threads", lambda n: n)  # the machine may have one CPU
    k, sizes, n, seconds, n_threads = ENDLESS[shared]
    nets = [MLP(sizes, init=zeros) for _ in range(k)]
    X, out = np.ones((n, sizes[0]), "f"), np.full((k, n, 1), np.nan, "f")
    count = _thread._count()
    interrupted(fastnn.forward_many, seconds, nets, X, out, n_threads=n_threads)
    assert np.isnan(out[-1, -1, 0])
    if n_threads == 2:  # the shares of both are incomplete
        shares = (out[:, : n // 2], out[:, n // 2 :]) if shared == "rows" else (out[:30], out[30:])
        assert all(np.isnan(share).any() for share in shares)
    assert _thread._count() == count


def test_the_mean_has_the_same_bits_in_several_threads(monkeypatch):
    monkeypatch.setattr(ensemble, "check_threads", lambda n: n)
    nets = [MLP([100, 60, 1], rng=i) for i in range(3)]
    X = np.random.default_rng(0).normal(size=(3000, 100)).astype("f")
    one, numbers = ensemble.mean_outputs(nets, X, 1), record_threads(monkeypatch)
    use_all_threads(monkeypatch)
    for n in (2, 3):
        assert_same_bits(ensemble.mean_outputs(nets, X, n), one)
    assert set(numbers) == {2, 3}


def test_a_callback_may_predict_in_several_threads_with_the_network_it_belongs_to(monkeypatch):
    for module in ("fastnn.many", "fastnn.network", "fastnn.estimators.ensemble"):
        monkeypatch.setattr(f"{module}.check_threads", lambda n: n)  # the machine may have one CPU
    X = np.random.default_rng(0).normal(size=(600, 300)).astype("f")
    nets = [MLP([300, 600, 600, 1], init=zeros) for _ in range(2)]
    predictions = []

    def predict_all(net, history):
        for n, rows in ((2, X[:400]), (2, X), (1, X)):  # shares of networks, of rows, and neither
            predictions.append(fastnn.forward_many(nets, rows, n_threads=n)[1, :400, 0])
            predictions.append(ensemble.mean_outputs(nets, rows, n)[:400, 0] * 2)

    nets[1].fit(X, X[:, 0], epochs=1, callbacks=predict_all)
    for each in predictions:
        assert_same_bits(each, predictions[0])
    assert predictions[0].any()


@pytest.mark.parametrize("n_threads", [1, 2])
def test_other_threads_cannot_predict_with_a_network_in_training(monkeypatch, n_threads):
    monkeypatch.setattr("fastnn.many.check_threads", lambda n: n)
    nets, errors = [MLP([300, 600, 600, 1], init=zeros) for _ in range(2)], []
    X = np.ones((600, 300), "f")

    def predict(call):
        try:
            call(nets, X, n_threads=n_threads)
        except RuntimeError as error:
            errors.append(str(error))

    def predict_elsewhere(net, history):
        for call in (fastnn.forward_many, ensemble.mean_outputs):
            thread = threading.Thread(target=predict, args=(call,))
            thread.start()
            thread.join()

    nets[1].fit(X, X[:, 0], epochs=1, callbacks=predict_elsewhere)
    assert len(errors) == 2 and all("being trained in another thread" in each for each in errors)


SHARED = {
    "forward": lambda nets, X: nets[0].forward(X, n_threads=2),
    "forward_many": lambda nets, X: fastnn.forward_many(nets, X, n_threads=2),
    "few rows": lambda nets, X: fastnn.forward_many(nets, X[:300], n_threads=2),
    "mean": lambda nets, X: ensemble.mean_outputs(nets, X, 2),
    "jacobian": lambda nets, X: nets[0].jacobian(X, n_threads=2),
}


@pytest.mark.parametrize("name", SHARED)
def test_several_threads_are_tried_after_one(name, monkeypatch):
    for module in ("many", "network", "derivatives", "estimators.ensemble"):
        monkeypatch.setattr(f"fastnn.{module}.check_threads", lambda n: n)
    monkeypatch.setattr("fastnn.core.threads.WORTH_SHARING", 0)
    nets, numbers = [MLP([20, 300, 1], rng=i) for i in range(5)], record_threads(monkeypatch)
    X = np.random.default_rng(0).random((6000, 20), np.float32)
    first, second = (SHARED[name](nets, X) for _ in range(2))
    assert numbers[:2] == [1, 2]
    assert_same_bits(first, second)

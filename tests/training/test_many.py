"""Many networks: each trains as it would alone, on any number of threads."""

import gc
import multiprocessing
import threading
import types
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import many_cases
import numpy as np
import pytest
from checks import assert_same_bits
from many_cases import HELD_OUT, ROWS, X, Y, networks

import fastnn
from fastnn import SGD, Adam, EarlyStopping, losses, schedules
from fastnn.training import pool, progress, session
from fastnn.training.engines import dense


def assert_same_params(nets, others):
    for net, other in zip(nets, others, strict=True):
        assert_same_bits(net.params, other.params)


def weights(i):
    return np.random.default_rng(i).random(300)


K = range(8)
SIZES = [np.arange(n) for n in (10, 100, 200, 3, 20, 300, 31, 33)]
VALIDATION_SIZES = 3, 300, 250, 1, 256, 257, 300, 2
SOME = [HELD_OUT[0], None, HELD_OUT[2], None, None, HELD_OUT[5], [], HELD_OUT[7]]
VALIDATED = dict(rows=ROWS, validation_rows=HELD_OUT)
PLATEAU = Adam(schedules.ReduceOnPlateau(0.1, patience=1))
ALIKE = dict(VALIDATED, epochs=[60] * 8, optimizer=[Adam(0.03)] * 8)
TRAINING_LOSS = [[EarlyStopping(2, average)] for average in [0.0, 0.01] * 4]


def stopping(*each, **options):
    """EarlyStopping of each network, by its arguments."""
    keeps = ["first", "last"] * len(each)
    return [[EarlyStopping(*args, keep=keep, **options)] for args, keep in zip(each, keeps)]


BY_ERROR_RATE = stopping(*[(5,)] * 8, monitor="error_rate")
CASES = {
    "plain": {},
    "in order": dict(shuffle=[False] * 8),
    "rows": dict(rows=ROWS),
    # some smaller than a batch, or than a chunk of the validation
    "numbers of rows": dict(rows=SIZES, validation_rows=[np.arange(n) for n in VALIDATION_SIZES]),
    "all rows in a step": dict(rows=SIZES, batch_size=[None] * 8),
    "rows in order": dict(rows=ROWS, shuffle=[False] * 8),
    "validation": VALIDATED,
    "some validation": dict(rows=ROWS, validation_rows=SOME, callbacks=[[EarlyStopping(3)]] * 8),
    "fraction": dict(rows=ROWS, validation_fraction=[0.1 + 0.05 * i for i in K]),
    "optimizers": dict(
        optimizer=[SGD(0.1), Adam(), fastnn.AdamW(0.01), SGD(0.1, momentum=0.9)] * 2,
        epochs=[3 + i for i in K],
        batch_size=[8, 10, 16, None, 300, 33, 64, 7],
    ),
    "schedules": dict(optimizer=[SGD(schedules.CosineDecay(0.1, 6)), PLATEAU] * 4),
    "dropout": VALIDATED,
    "average": dict(optimizer=[SGD(0.1, average=0.9), Adam(average=0.99, clip_norm=0.1)] * 4),
    "diverging": dict(optimizer=[SGD(0.1), SGD(1e30)] * 4),
    "weights": dict(VALIDATED, sample_weight=[weights(i) for i in K]),
    "class weights": dict(class_weight=["balanced", {0: 1.0, 1: 3.0}] * 4, rows=ROWS),
    "losses": dict(loss=["bce", losses.MSE(), losses.BCE(pos_weight=2.0), "huber"] * 2),
    "early stopping": dict(ALIKE, callbacks=stopping(*[(2 + i % 3,) for i in K])),
    "the same early stopping": dict(ALIKE, callbacks=[[EarlyStopping(3)]] * 8),
    "error rate": dict(VALIDATED, epochs=[60] * 8, callbacks=BY_ERROR_RATE),
    "training loss": dict(epochs=[60] * 8, optimizer=[Adam(0.1)] * 8, callbacks=TRAINING_LOSS),
}


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("case", CASES)
def test_each_network_gets_the_bits_of_its_own_fit(case, n_threads, isa, monkeypatch):
    arguments = {"epochs": [6] * 8} | CASES[case]
    options = {"dropout": 0.2} if case == "dropout" else {}
    alone, together = networks(**options), networks(**options)
    many_cases.fit_alone(alone, arguments)
    if n_threads == 5:  # slices end in the middle of epochs, and few networks are active at once
        monkeypatch.setattr(pool, "SLICE_SECONDS", 0.0)
        monkeypatch.setattr(pool, "TAIL_SECONDS", 0.0)
        monkeypatch.setattr(session, "SLICE_EPOCHS", 2)
        n_threads = 2
    histories = fastnn.fit_many(together, X, Y, n_threads=n_threads, **arguments)
    for one, other, history in zip(alone, together, histories):
        many_cases.assert_same_training(one, other)
        assert other.history is history
    if case == "diverging":
        assert [history.stop_reason for history in histories] == ["all epochs done", "diverged"] * 4


def test_one_int_spawns_the_seeds():
    alone, together = networks(3), networks(3)
    for net, seed in zip(alone, np.random.SeedSequence(5).spawn(3)):
        net.fit(X, Y, epochs=3, rng=seed)
    fastnn.fit_many(together, X, Y, epochs=3, rng=5)
    assert_same_params(alone, together)
    more = networks(1)
    fastnn.fit_many(
        more, X, Y, epochs=3, rng=np.random.default_rng(np.random.SeedSequence(5).spawn(1)[0])
    )
    assert_same_bits(more[0].params, alone[0].params)
    # more networks do not change the first ones
    more = networks(5)
    fastnn.fit_many(more, X, Y, epochs=3, rng=5)
    assert_same_bits(more[2].params, alone[2].params)


def test_networks_of_one_shape_share_an_engine(monkeypatch):
    """Only the first of them has its arguments checked and its trainer made from scratch."""
    made, nets, init = [], networks(12), dense.DenseEngine.__init__

    def record(*args, **more):
        made.append(args[1].net)
        init(*args, **more)

    monkeypatch.setattr(dense.DenseEngine, "__init__", record)
    fastnn.fit_many(nets, X, Y, epochs=1, rows=[ROWS[0][: 20 + i] for i in range(12)])
    assert made == nets[::4]


def test_networks_of_other_tables_losses_and_dtypes():
    sizes = [[3, 4, 1], [5, 2], [1, 8, 8, 3]]
    Xs = [many_cases.RNG.normal(size=(20 + 10 * i, size[0])) for i, size in enumerate(sizes)]
    ys = [many_cases.RNG.normal(size=(len(each), size[-1])) for each, size in zip(Xs, sizes)]
    alone = [fastnn.MLP(size, "tanh", dtype="float64", rng=i) for i, size in enumerate(sizes)]
    together = [net.copy() for net in alone]
    for net, inputs, targets in zip(alone, Xs, ys):
        net.fit(inputs, targets, epochs=4)
    fastnn.fit_many(together, Xs, ys, epochs=4)
    assert_same_params(alone, together)


def test_sparse_rows_custom_losses_lbfgs_and_dropout_train_beside_the_others():
    scipy_sparse = pytest.importorskip("scipy.sparse", reason="sparse rows need SciPy")

    def squared(outputs, y):
        return float(((outputs - y) ** 2).mean()), 2 * (outputs - y) / y.size

    def make():
        nets = networks(6)
        nets[3].dropout = 0.3
        return nets

    S = scipy_sparse.csr_array(X)
    Xs = [X, S, X, X, S, X]
    ys = [Y, Y, Y[:, None], Y, Y, Y]
    lists = dict(
        loss=[None, None, squared, None, None, None],
        optimizer=["adam", "adam", "adam", "adam", "sgd", "lbfgs"],
        validation_data=[None, (S[:50], Y[:50]), (X[:50], Y[:50, None]), None, None, (X, Y)],
        rows=[None, np.arange(200), np.arange(100), None, np.arange(10, 100), slice(250)],
    )
    alone, together = make(), make()
    for i, net in enumerate(alone):
        own = {name: values[i] for name, values in lists.items()}
        rows = slice(None) if own["rows"] is None else own["rows"]
        del own["rows"]
        net.fit(Xs[i][rows], ys[i][rows], epochs=5, rng=i, **own)
    fastnn.fit_many(together, Xs, ys, epochs=5, rng=list(range(6)), n_threads=2, **lists)
    many_cases.assert_same_trainings(alone, together)


def test_long_steps_run_with_all_threads(monkeypatch):
    monkeypatch.setattr(dense, "QUEUE_WORK", 3 * 32 * 60)  # networks 1 to 7 have more parameters
    alone, together = networks(), networks()
    many_cases.fit_alone(alone, dict(epochs=[3] * 8))
    fastnn.fit_many(together, X, Y, epochs=3, n_threads=2)
    many_cases.assert_same_trainings(alone, together)


def test_training_continues_where_it_stopped():
    alone, together = networks(), networks()
    fastnn.fit_many(together, X, Y, epochs=[3 + i for i in K], rows=ROWS)
    fastnn.fit_many(together, X, Y, epochs=[9 - i for i in K], rows=ROWS, resume=True)
    many_cases.fit_alone(alone, dict(epochs=[12] * 8, rows=ROWS))
    assert_same_params(alone, together)
    assert [net.state.step for net in alone] == [net.state.step for net in together]


class Unfinished:
    """A session with so much work left."""

    def __init__(self, epochs):
        self.last_epoch, self.state, self.data = epochs, types.SimpleNamespace(epoch=0), [0]
        self.net = types.SimpleNamespace(n_params=1)


ENDS = [
    (False, 2, [1, 2, 5, 3, 4], [2, 4, 3, 1, 0]),
    (True, 2, [1, 2, 5, 3, 4], [0, 1, 2, 3, 4]),  # 7.5 for each thread: none is urgent
    (True, 2, [1, 2, 9, 3, 4], [0, 1, 2, 3, 4]),
    (True, 2, [1, 2, 11, 3, 4], [2, 0, 1, 3, 4]),  # 10.5 for each thread
    (True, 3, [1, 1, 3, 4, 1, 1, 1], [3, 0, 1, 2, 4, 5, 6]),  # 4 for each
    (True, 2, [1, 2, 5, 3], [2, 3, 1, 0]),  # few are left
]


@pytest.mark.parametrize(("in_order", "n_threads", "work", "expected"), ENDS)
def test_the_last_networks_end_together_or_in_order(in_order, n_threads, work, expected):
    of_work = pool.Pool(pool.Trainings(n=len(work), make=None, in_order=in_order), n_threads)
    turn = [(i, Unfinished(epochs)) for i, epochs in enumerate(work)]
    assert [i for i, _ in of_work.balance(turn)] == expected


@pytest.mark.parametrize("after", [1, 5, 13])
def test_ctrl_c_keeps_the_last_complete_step_of_each_network(after, monkeypatch):
    """Also within an epoch on selected rows, of which some occur twice."""
    monkeypatch.setattr(pool, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(pool, "TAIL_SECONDS", 0.0)
    alone, together = networks(), networks()
    calls = 0
    end_slice = pool.Pool.end_slice

    def interrupt(self, *arguments):
        nonlocal calls
        end_slice(self, *arguments)
        calls += 1
        if calls == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(pool.Pool, "end_slice", interrupt)
    arguments = dict(rows=ROWS, rng=list(K), n_threads=2)
    with pytest.raises(KeyboardInterrupt):
        fastnn.fit_many(together, X, Y, epochs=6, **arguments)
    begun = [net for net in together if net.history is not None]
    assert begun and all(net.history.stop_reason == "interrupted" for net in begun)
    assert all(net.history.n_steps == net.state.step for net in begun)
    monkeypatch.undo()
    for i, net in enumerate(together):
        if net.history is None:
            net.fit(X[ROWS[i]], Y[ROWS[i]], epochs=6, rng=i)
            continue
        net.fit(X[ROWS[i]], Y[ROWS[i]], epochs=6 - net.state.epoch, rng=net.rng, resume=True)
    many_cases.fit_alone(alone, dict(epochs=[6] * 8, rows=ROWS, rng=list(K)))
    assert_same_params(alone, together)


def test_callbacks_run_in_the_calling_thread_with_their_own_network():
    seen = []

    class Spy(fastnn.callbacks.Callback):
        def on_fit_begin(self, net, history):
            seen.append(("begin", net, threading.get_ident()))

        def on_epoch_end(self, net, history):
            seen.append((history.n_epochs, net, threading.get_ident()))
            return history.n_epochs == 3 and net is nets[1]

        def on_fit_end(self, net, history):
            seen.append(("end", net, threading.get_ident()))

    nets, alone = networks(3), networks(3)
    histories = fastnn.fit_many(nets, X, Y, epochs=5, callbacks=Spy(), n_threads=2)
    assert {thread for *_, thread in seen} == {threading.get_ident()}
    assert [history.n_epochs for history in histories] == [5, 3, 5]
    assert histories[1].stop_reason == "Spy.on_epoch_end returned True"
    for net, n in zip(nets, (5, 3, 5)):
        assert [what for what, of, _ in seen if of is net] == ["begin", *range(1, n + 1), "end"]
    many_cases.fit_alone(alone, dict(epochs=[5, 3, 5]))
    assert_same_params(alone, nets)


def test_the_progress_line(capsys):
    nets = networks(3)
    fastnn.fit_many(nets, X, Y, epochs=2, optimizer=[SGD(0.1), SGD(1e30), SGD(0.1)], progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("network 3/3  ") and lines[0].endswith(" rows/s")
    assert lines[1:] == ["stopped: 2 networks: all epochs done", "stopped: 1 network: diverged"]


def test_the_progress_line_shows_how_long_the_rest_takes(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress, "time", types.SimpleNamespace(perf_counter=lambda: now[0]))
    of_pool, line = progress.PoolProgress(4), progress.ManyLine()
    line.show(of_pool)
    line.print(line._parts(of_pool), "\n")  # in no time
    of_pool.n_done, of_pool.rows_done = 1, 3000
    for now[0] in 100.9, 101.0, 101.9, 102.0:
        line.show(of_pool)
    now[0], history, state = 103.0, fastnn.History(n_epochs=2), types.SimpleNamespace(epoch=7)
    half = types.SimpleNamespace(history=history, last_epoch=9, state=state)
    of_pool.active[1] = half  # it has begun in epoch 5
    line.show(of_pool)
    of_pool.histories[:2] = [fastnn.History(stop_reason=reason) for reason in "aabcdef"]
    line.close(of_pool)
    shown = ["3,000 rows/s  3 s left", "1,500 rows/s  6 s left", "1,000 rows/s  5 s left"]
    stopped = ["2 networks: a", *(f"1 network: {reason}" for reason in "bcde")]
    assert capsys.readouterr().err.splitlines() == [
        *("network 0/4", *(f"network 1/4  {each}" for each in shown)),
        *("network 1/4  1,000 rows/s", *(f"stopped: {each}" for each in stopped)),
    ]


@pytest.mark.parametrize("event", ["on_fit_begin", "on_fit_end"])
def test_a_callback_that_says_diverged_ends_its_network_alone(event):
    def fail(self, net, history):
        raise fastnn.DivergenceError("mine", 1, 1)

    bad, (one, other), alone = (
        type("Bad", (fastnn.callbacks.Callback,), {event: fail})(),
        networks(2),
        networks(2),
    )
    fastnn.fit_many([one, other], X, Y, epochs=3, callbacks=[[bad], []])
    assert one.history.stop_reason == ("diverged" if event == "on_fit_begin" else "all epochs done")
    assert one.state.step == (0 if event == "on_fit_begin" else 30)
    alone[1].fit(X, Y, epochs=3)
    many_cases.assert_same_training(other, alone[1])


def test_zero_epochs_and_one_network():
    net = fastnn.MLP([7, 1], rng=0)
    before = net.params.copy()
    (history,) = fastnn.fit_many([net], X, Y, epochs=0)
    assert history.n_epochs == 0 and (net.params == before).all()
    (history,) = fastnn.fit_many(net, X, Y, epochs=1)
    assert history.n_epochs == 1


@pytest.mark.parametrize("executor", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_an_executor_gives_the_same_bits(executor):
    arguments = dict(VALIDATED, epochs=[4 + i for i in K], callbacks=EarlyStopping(2))
    here, there = networks(), networks()
    generators = [[None, *map(np.random.default_rng, range(7))] for _ in range(2)]
    own = [net.rng for net in there]
    fastnn.fit_many(here, X, Y, rng=generators[0], **arguments)
    is_spawned = executor is ProcessPoolExecutor
    options = dict(mp_context=multiprocessing.get_context("spawn")) if is_spawned else {}
    with executor(2, **options) as workers:
        arguments |= dict(n_threads=1, executor=workers, rng=generators[1])
        histories = fastnn.fit_many(there, X, Y, **arguments)
        with pytest.raises(ValueError, match=r"calling thread.* Remove <built-in function print>"):
            fastnn.fit_many(there, X, Y, callbacks=print, executor=workers)
    for one, other, history in zip(here, there, histories):
        many_cases.assert_same_training(one, other)
        assert other.history is history
    # the generators of the caller have advanced
    assert there[0].rng is own[0]
    assert all(net.rng is rng for net, rng in zip(there[1:], generators[1][1:]))
    there[0].fit(X, Y, epochs=1, resume=True)


def test_the_garbage_collector_is_paused_for_a_limited_time(monkeypatch):
    seen = []

    def look(net, history):
        seen.append(gc.isenabled())

    gc.enable()  # slices of Dask arrays in other tests may leave it off: dask.utils.disable_gc
    fastnn.fit_many(networks(3), X, Y, epochs=2, callbacks=look)
    assert seen == [False] * 6 and gc.isenabled()
    late = fastnn.kernels.PausedCollector(0.0)
    monkeypatch.setattr(fastnn.kernels, "PausedCollector", lambda: late)
    fastnn.fit_many(networks(3), X, Y, epochs=2, callbacks=look)
    later = seen[6:]  # paused at first, and then no longer, after however many networks
    assert later == sorted(later) and not later[0] and later[-1] and gc.isenabled()
    with pytest.raises(ValueError, match="epochs"):
        fastnn.fit_many(networks(3), X, Y, epochs=-1)
    assert gc.isenabled()
    gc.disable()
    try:
        fastnn.fit_many(networks(3), X, Y, epochs=1)
        assert not gc.isenabled()
    finally:
        gc.enable()

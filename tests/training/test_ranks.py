"""Ranks of a training end together: at a stop, at a failure, at other settings."""

import pickle
import re
import signal
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from processes import LIMIT
from ranks import FailingCallback, Hub, ThreadRank, results_of, run_on_ranks

from fastnn import MLP, SGD, DivergenceError, EarlyStopping
from fastnn.callbacks import Callback
from fastnn.distributed import MPICommunicator, RankError, TorchCommunicator, part
from fastnn.distributed.ranks import Ranks
from fastnn.training import session

N = 120
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(N, 4)), RNG.normal(size=N)


def fit(comm, rng=0, size=None, x=X, y=Y, bounds=None, **options):
    """Train on this rank's rows. Return the network and its history."""
    net = MLP(size or [4, 6, 1], rng=rng, weight_bounds=bounds)
    rows = part(len(x), comm.rank, comm.size, options.get("shards", 16))
    options = dict(epochs=4, batch_size=32) | options
    return net, net.fit(x[rows], y[rows], comm=comm, **options)


@pytest.mark.parametrize("shards", [0, 16])
def test_all_ranks_end_with_the_same_parameters(shards):
    results = results_of(2, lambda comm: fit(comm, rng=comm.rank, shards=shards))
    assert (results[0][0].params == results[1][0].params).all()
    assert results[0][1].loss == results[1][1].loss


def test_all_ranks_get_the_parameters_and_seeds_of_rank_0():
    expected = MLP([4, 6, 1], rng=0)
    expected.fit(X, Y, epochs=4, batch_size=32, shards=16)
    results = results_of(4, lambda comm: fit(comm, rng=comm.rank))
    assert (results[0][0].params == expected.params).all()


def test_a_rank_may_have_no_rows():
    net = MLP([4, 6, 1], rng=0)
    net.fit(X[:2], Y[:2], epochs=3, shards=4)

    for other, _ in results_of(4, lambda comm: fit(comm, x=X[:2], y=Y[:2], epochs=3, shards=4)):
        assert (other.params == net.params).all()
    for error in run_on_ranks(2, lambda comm: fit(comm, x=X[:0], y=Y[:0])):
        assert str(error) == "X has no rows on any rank. Training needs at least one."


OTHER_SETTINGS = [
    (dict(batch_size=16), "batch_size"),
    (dict(epochs=5), "epochs"),
    (dict(loss="mae"), "loss"),
    (dict(optimizer="sgd"), "optimizer"),
    (dict(size=[4, 7, 1]), "layer_sizes"),
    (dict(shuffle=False), "shuffle"),
    (dict(callbacks=EarlyStopping(3)), "early stopping"),
    (dict(bounds=[(0, 2), None]), "checksums of weight_bounds"),
]


@pytest.mark.parametrize("options, name", OTHER_SETTINGS)
def test_other_settings_of_a_rank_are_named_on_all(options, name):
    same = dict(bounds=[(0, 1), None]) if "bounds" in options else {}
    for error in run_on_ranks(2, lambda comm: fit(comm, **(options if comm.rank else same))):
        assert isinstance(error, RankError) and error.rank == 1
        assert str(error).startswith(f"{name} of rank 1 differs from that of rank 0")
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), again.rank) == (RankError, str(error), 1)


def test_invalid_rows_of_a_rank_stop_all():
    def broken(comm):
        rows = part(N, comm.rank, comm.size)
        y = Y[rows] if comm.rank else Y[rows][:-1]
        return MLP([4, 6, 1], rng=0).fit(X[rows], y, comm=comm)

    first, second = run_on_ranks(2, broken)
    assert isinstance(first, ValueError) and not isinstance(first, RankError)
    assert isinstance(second, RankError) and second.rank == 0
    assert "rank 0 failed" in str(second)


FAILED = {(1,): "because rank 1 failed. Its own", (1, 2): "because ranks 1, 2 failed. Their own"}


@pytest.mark.parametrize(("size", "failing"), [(2, (1,)), (3, (1, 2)), (4, (1, 2))])
@pytest.mark.parametrize("options", [dict(shards=16), dict(shards=0), dict(sync_every=2)])
@pytest.mark.parametrize("where", ["rows", "on_fit_begin", "on_epoch_end"])
def test_ranks_that_fail_are_named_on_the_others(where, options, size, failing):
    callback = FailingCallback(where == "on_fit_begin", 2)

    def work(comm):
        fails = comm.rank in failing
        if fails and where == "rows":
            return MLP([4, 6, 1], rng=0).fit(X[:40], Y[:30], comm=comm, **options)
        return fit(comm, callbacks=callback if fails else (), **options)

    for rank, error in enumerate(run_on_ranks(size, work)):
        if rank in failing:
            assert isinstance(error, ValueError if where == "rows" else OSError)
        else:
            assert isinstance(error, RankError) and error.rank == 1
            assert f"{FAILED[failing]} error message" in str(error)


def test_rows_of_another_part_are_refused():
    def shifted(comm):
        rows = slice(0, 50) if comm.rank == 0 else slice(50, N)
        return MLP([4, 6, 1]).fit(X[rows], Y[rows], comm=comm)

    for error in run_on_ranks(2, shifted):
        assert "X has 50 of 120 rows on rank 0, but 16 shards on 2 ranks need 56" in str(error)


class AtInterval(Callback):
    """Stops the training, or fails, within an epoch."""

    interval = 0.0

    def __init__(self, error):
        self.error = error

    def on_interval(self, net, history):
        if net.state.row and self.error:
            raise self.error
        return net.state.row > 0


@pytest.mark.parametrize("options", [dict(shards=16), dict(shards=0), dict(sync_every=2)])
@pytest.mark.parametrize("error", [None, OSError("no room")])
def test_a_rank_stops_or_fails_within_an_epoch(error, options, monkeypatch):
    monkeypatch.setattr(session, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr("fastnn.distributed.rank_engine.WARM_UP_STEPS", 1)
    callbacks = (), AtInterval(error)
    more = dict(options, x=np.tile(X, (10, 1)), y=np.tile(Y, 10), batch_size=1)

    def work(comm):
        return fit(comm, shuffle=False, callbacks=callbacks[comm.rank], **more)

    first, second = run_on_ranks(2, work)
    if error is None:
        (net, history), (other, _) = first, second
        assert (net.params == other.params).all() and net.state.row == other.state.row > 0
        assert history.stop_reason == "a callback stopped the training on some rank"
        return
    assert second is error and type(first) is RankError and first.rank == 1


@pytest.mark.parametrize("shards", [0, 16])
def test_a_callback_of_one_rank_stops_all_at_the_same_step(shards):
    def stops(comm):
        stop = lambda net, history: len(history.loss) == 2  # noqa: E731
        return fit(comm, callbacks=stop if comm.rank == 2 else (), shards=shards)

    results = results_of(3, stops)
    for net, history in results:
        assert len(history.loss) == 2
        assert (net.params == results[0][0].params).all()
        assert net.state.step == history.n_steps == 8


def test_early_stopping_keeps_the_best_epoch_of_all_ranks():
    def with_validation(comm):
        rows = slice(None) if comm is None else part(N, comm.rank, comm.size)
        net = MLP([4, 30, 1], rng=0)
        options = dict(optimizer=SGD(0.05), callbacks=EarlyStopping(2), epochs=20, shards=16)
        validation = -X[rows], Y[rows]
        return net, net.fit(X[rows], Y[rows], validation_data=validation, comm=comm, **options)

    expected, history = with_validation(None)
    assert 2 < history.n_epochs < 20
    best = expected.params.copy()
    after = expected.fit(X, Y, epochs=2, optimizer=SGD(0.05), shards=16, resume=True)

    def resume(comm):
        net, found = with_validation(comm)
        assert found.val_loss == history.val_loss and (net.params == best).all()
        rows = part(N, comm.rank, comm.size)
        options = dict(epochs=2, optimizer=SGD(0.05), comm=comm, resume=True)
        return net, net.fit(X[rows], Y[rows], **options)

    for net, found in results_of(2, resume):
        assert found.loss == after.loss and (net.params == expected.params).all()


def test_divergence_ends_all_ranks_with_the_same_parameters():
    def diverge(comm):
        net = MLP([4, 6, 1], rng=0)
        rows = part(N, comm.rank, comm.size)
        with pytest.raises(DivergenceError):
            net.fit(X[rows], Y[rows], optimizer=SGD(1e6), epochs=50, comm=comm)
        return net.params

    first, second = results_of(2, diverge)
    assert (first == second).all() and np.isfinite(first).all()


UNSUPPORTED = [
    (dict(optimizer="lbfgs", batch_size=None), "L-BFGS"),
    (dict(loss=lambda outputs, y: (0.0, outputs)), "a custom loss"),
    (dict(validation_fraction=0.2), "validation_fraction"),
]


@pytest.mark.parametrize("options, what", UNSUPPORTED)
def test_what_does_not_work_with_ranks_is_named(options, what):
    for error in run_on_ranks(2, lambda comm: fit(comm, **options)):
        assert f"comm does not work with {what}." in str(error)
    with pytest.raises(ValueError, match=f"shards does not work with {what}"):
        MLP([4, 6, 1]).fit(X, Y, shards=4, **options)


def test_shards_are_checked():
    net = MLP([4, 6, 1])
    with pytest.raises(ValueError, match=r"shards must be a power of two, or 0, got 12\."):
        net.fit(X, Y, shards=12)
    with pytest.raises(TypeError, match=r"comm must be a communicator of mpi4py, .*, got int"):
        net.fit(X, Y, comm=3)
    for error in run_on_ranks(3, lambda comm: fit(comm, shards=2)):
        assert str(error).startswith("3 ranks cannot share 2 shards. Pass shards=4 or more")


def test_a_resumed_training_needs_the_same_shards():
    net = MLP([4, 6, 1])
    net.fit(X, Y, shards=4)
    for shards, now in ((8, "with 8 shards"), (None, "without shards")):
        with pytest.raises(ValueError, match=f"training with 4 shards, but this one is {now}"):
            net.fit(X, Y, shards=shards, resume=True)


def test_a_signal_on_one_rank_stops_all():
    def work(comm):
        ranks = Ranks(comm)
        ranks._handlers = {signal.SIGINT: lambda *arguments: None}
        if comm.rank == 0:
            ranks._keep_signal(signal.SIGINT, None)
        assert ranks.meet(ranks.sum_of_totals(1)) and ranks.is_over
        ranks.raise_reason()

    for error in run_on_ranks(2, work):
        assert isinstance(error, KeyboardInterrupt)
        assert str(error) == "another rank was interrupted"


@pytest.mark.parametrize("size", [1, 2])
def test_signals_wait_for_the_ranks(size):
    calls, ranks = [], Ranks(ThreadRank(Hub(size), 0))
    handler = lambda *args: calls.append(args[0])  # noqa: E731
    before = [signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        with ranks.deferring_signals():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.raise_signal(number)
            assert calls == ([] if size > 1 else [signal.SIGTERM, signal.SIGINT])
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        assert calls == [signal.SIGTERM, signal.SIGINT]
        assert signal.getsignal(signal.SIGINT) is handler
        assert (signal.getsignal(signal.SIGTERM) is handler) == (size > 1)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with ranks.deferring_signals():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        for number, each in zip((signal.SIGINT, signal.SIGTERM), before):
            signal.signal(number, each)


def test_rank_0_shows_the_progress(capsys):
    results_of(2, lambda comm: fit(comm, progress=True))
    line, end = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"epoch 4/4  loss \S+  [\d,]+ rows/s", line)
    assert end == "stopped: all epochs done"


# ---- stand-ins for mpi4py and PyTorch, whose functions call a ThreadRank ----


class Comm:
    """Of mpi4py."""

    def __init__(self, rank):
        self.rank = rank

    def Get_rank(self):
        return self.rank.rank

    def Get_size(self):
        return self.rank.size

    def Allreduce(self, send, receive):
        assert send == "in place"
        self.rank.allreduce(receive)

    def Sendrecv(self, send, to, send_tag, receive, source, receive_tag):
        assert to == source and send_tag == receive_tag
        self.rank.sendrecv(send, receive, to)

    def Bcast(self, buffer, root):
        self.rank.broadcast(buffer, root)


class Group:
    """Of torch.distributed, without the first processes of all."""

    FIRST = 3

    def __init__(self, rank):
        self.rank, self.sending = rank, []


Group.__module__ = "torch.distributed"


def send_later(array, to, group):
    group.rank.hub.mail[group.rank.rank, to - group.FIRST].put(array.copy())
    group.sending.append(array)
    return SimpleNamespace(wait=group.sending.pop)


def receive(array, source, group):
    array[:] = group.rank.hub.mail[source - group.FIRST, group.rank.rank].get(timeout=LIMIT)


DIST = dict(
    ProcessGroup=Group,
    get_rank=lambda group: group.rank.rank,
    get_world_size=lambda group: group.rank.size,
    get_global_rank=lambda group, rank: rank + group.FIRST,
    all_reduce=lambda array, group: group.rank.allreduce(array),
    broadcast=lambda array, root, group: group.rank.broadcast(array, root - group.FIRST),
    isend=send_later,
    recv=receive,
    group=SimpleNamespace(WORLD=Group(ThreadRank(Hub(2), 1))),
)


@pytest.fixture
def engines(monkeypatch):
    mpi = SimpleNamespace(Comm=Comm, COMM_WORLD=Comm(ThreadRank(Hub(2), 1)), IN_PLACE="in place")
    torch = SimpleNamespace(from_numpy=lambda a: a, distributed=SimpleNamespace(**DIST))
    for name, module in [
        *(("mpi4py", SimpleNamespace(MPI=mpi)), ("mpi4py.MPI", mpi), ("torch", torch)),
        ("torch.distributed", torch.distributed),
    ]:
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize("kind", [Comm, Group])
@pytest.mark.parametrize("shards", [0, 4])
def test_mpi4py_and_pytorch_connect_ranks(kind, shards, engines):
    options = dict(shards=shards, batch_size=None)
    expected, results = (
        results_of(2, lambda comm, kind=kind: fit_over(kind, comm, **options))
        for kind in (lambda comm: comm, kind)
    )
    for net, other in zip(expected, results):
        assert (net.params == other.params).all()


def fit_over(kind, comm, **options):
    """Train a network that differs between ranks until they share it."""
    net = MLP([4, 6, 1], rng=comm.rank)
    rows = part(N, comm.rank, comm.size, options["shards"])
    comm = kind(comm)
    net.fit(X[rows], Y[rows], epochs=2, comm=comm, **options)
    assert not getattr(comm, "sending", [])
    return net


def test_the_engines_have_default_ranks_and_errors(engines):
    for found in MPICommunicator(), TorchCommunicator():
        assert (found.rank, found.size) == (1, 2)
    comm, buffer = MPICommunicator(), np.zeros(8, np.uint8)
    for call, message in [
        (lambda: MPICommunicator(3), "comm must be a communicator of mpi4py, got 3"),
        (lambda: TorchCommunicator(3), "group must be a torch.distributed.ProcessGroup, got 3"),
        (lambda: comm.sendrecv(buffer, buffer[:], 1), "send and receive must not share memory"),
        (lambda: comm.sendrecv(buffer, np.zeros(8), 1), "send has uint8, but receive has float64"),
    ]:
        with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
            call()

"""Local SGD: ranks that average their networks every few steps."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from ranks import FailingCallback, FailingRank, Lost, bits, results_of, run_on_ranks

from fastnn import MLP, SGD, Adam, AdamW, DivergenceError, EarlyStopping, NAdam
from fastnn.distributed import RankError, part, partitions, rank_engine
from fastnn.distributed.partitions import mixing
from fastnn.distributed.rounds import RoundsData
from fastnn.schedules import ReduceOnPlateau

N = 203
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(N, 4)), RNG.normal(size=N)
WEIGHT = RNG.uniform(0, 2, N)
LAZY, ALONE = AdamW(lazy_categories=True), "lazy_categories=True does not work with"


@pytest.fixture(autouse=True)
def one_epoch_of_warm_up(monkeypatch):
    monkeypatch.setattr(rank_engine, "WARM_UP_STEPS", 1)


def fit(comm, sync_every=3, net=None, **options):
    """Train on this rank's rows. Return the network and its history."""
    net = MLP([4, 6, 1], rng=comm.rank) if net is None else net.copy()
    rows = part(N, comm.rank, comm.size, 0)
    if "sample_weight" in options:
        options["sample_weight"] = options["sample_weight"][rows]
    options = dict(epochs=3, batch_size=40) | options
    return net, net.fit(X[rows], Y[rows], comm=comm, sync_every=sync_every, **options)


OPTIONS = [
    {},
    dict(optimizer=SGD(0.05, momentum=0.9)),
    dict(sample_weight=WEIGHT),
    dict(optimizer=Adam(average=0.9), loss="mae"),
    dict(shuffle=False, batch_size=3),
    dict(optimizer=SGD(ReduceOnPlateau(0.1)), epochs=5),
    dict(validation_data=(X[:20], Y[:20]), callbacks=EarlyStopping(1), epochs=6),
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_ranks_end_with_the_same_network_and_repeat_to_the_bit(options, size):
    first, again = ([bits(*r) for r in results_of(size, lambda c: fit(c, **options))] for _ in "ab")
    assert first == again == first[:1] * size


def test_the_first_epoch_sums_every_gradient():
    local, whole = results_of(2, lambda comm: fit(comm, epochs=1)), MLP([4, 6, 1], rng=0)
    whole.fit(X, Y, epochs=1, batch_size=40, shards=2)
    np.testing.assert_allclose(local[0][0].params, whole.params, rtol=1e-5, atol=1e-6)


def test_warm_up_ends_with_the_epoch_of_step_20(monkeypatch):
    """Of 6 steps, so after the fourth."""
    monkeypatch.setattr(rank_engine, "WARM_UP_STEPS", 20)
    for epochs, is_near in (4, True), (5, False):
        net = results_of(2, lambda comm, epochs=epochs: fit(comm, epochs=epochs))[0][0]
        whole = MLP([4, 6, 1], rng=0)
        whole.fit(X, Y, epochs=epochs, batch_size=40, shards=2)
        assert np.allclose(net.params, whole.params, rtol=1e-4, atol=1e-5) == is_near


@pytest.mark.parametrize("optimizer", [Adam(0.01), Adam(0.01, amsgrad=True), NAdam(0.01)])
def test_second_moments_are_those_of_averaged_gradients(optimizer):
    """The targets are noise, so that v of a rank alone would be nearly four times as large."""

    def mean_v(sync_every):
        options = dict(epochs=20, batch_size=32, optimizer=optimizer, shards=0)
        net, _ = results_of(4, lambda comm: fit(comm, sync_every, **options))[0]
        return net.state.moments[1:].mean(axis=1)

    np.testing.assert_allclose(mean_v(4), mean_v(1), rtol=0.25)


def test_later_epochs_average_what_each_rank_trains_by_itself():
    """Without shuffling, the second epoch is that of each rank alone, and averages after 3 and 6 steps."""
    n, every = 2 * 120, 3
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(n, 4)), rng.normal(size=n)
    options = dict(optimizer=SGD(0.05, momentum=0.9), batch_size=40, shuffle=False)

    def train(comm, epochs):
        rows = part(n, comm.rank, 2, 0)
        net = MLP([4, 6, 1], rng=0, dtype="float64")
        net.fit(X[rows], y[rows], epochs=epochs, comm=comm, sync_every=every, **options)
        return net

    start, end = (results_of(2, lambda comm, n=n: train(comm, n))[0] for n in (1, 2))
    alone = [start.copy(), start.copy()]
    for first in (0, 60):
        for rank, net in enumerate(alone):
            rows = slice(120 * rank + first, 120 * rank + first + 60)
            net.state.shards = None
            net.fit(X[rows], y[rows], epochs=1, resume=True, **options | dict(batch_size=20))
        params = np.mean([net.params for net in alone], axis=0)
        moments = np.mean([net.state.moments for net in alone], axis=0)
        for net in alone:
            net.params, net.state.moments[...] = params, moments
    np.testing.assert_allclose(end.params, alone[0].params, rtol=1e-10)
    np.testing.assert_allclose(end.state.moments, alone[0].state.moments, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options", OPTIONS[:5])
@pytest.mark.parametrize("stop", [6, 12])
def test_a_training_that_was_stopped_resumes_to_the_bit(options, stop):
    expected = [net for net, _ in results_of(2, lambda comm: fit(comm, **options))]

    def parts(comm):
        net, _ = fit(comm, max_steps=stop, **options)
        assert net.state.step == stop
        return fit(comm, net=net, resume=True, **options | dict(epochs=3 - net.state.epoch))

    for net, (resumed, _) in zip(expected, results_of(2, parts), strict=True):
        assert (resumed.params == net.params).all()
        assert (resumed.state.moments == net.state.moments).all()


def test_a_callback_of_one_rank_stops_all_at_the_end_of_the_epoch():
    def stop(net, history):
        return len(history.loss) == 2

    results = results_of(3, lambda comm: fit(comm, callbacks=stop if comm.rank == 2 else ()))
    for net, history in results:
        assert len(history.loss) == 2
        assert net.state.epoch == 2 and net.state.row == 0
        assert (net.params == results[0][0].params).all()


@pytest.mark.parametrize("epoch", [0, 1, 2, 3])
def test_a_failing_callback_of_a_rank_stops_all(epoch):
    callbacks = [(), FailingCallback(epoch == 0, epoch)]
    first, second = run_on_ranks(2, lambda c: fit(c, epochs=4, callbacks=callbacks[c.rank]))
    assert isinstance(second, OSError) and isinstance(first, RankError) and first.rank == 1


@pytest.mark.parametrize("failing", [1, 2])
def test_a_rank_that_fails_while_it_averages_stops_all(failing, monkeypatch):
    """Each rank adds after 3 and 6 steps of an epoch, after one epoch of warm-up."""
    calls, compute = {0: 0, 1: 0}, rank_engine.summand

    def fail(optimizer, params, moments, weight, loss):
        rank = int(threading.current_thread().name)
        calls[rank] += 1
        if (rank, calls[rank]) == (1, failing):
            raise MemoryError("no room")
        return compute(optimizer, params, moments, weight, loss)

    def work(comm):
        threading.current_thread().name = str(comm.rank)
        return fit(comm)

    monkeypatch.setattr(rank_engine, "summand", fail)
    first, second = run_on_ranks(2, work)
    assert isinstance(first, RankError) and first.rank == 1 and isinstance(second, MemoryError)


def test_a_failed_exchange_leaves_a_finite_network():
    def broken(comm):
        net = MLP([4, 6, 1], rng=0)
        rows = part(N, comm.rank, 2, 0)
        with pytest.raises(Lost):
            net.fit(X[rows], Y[rows], epochs=9, batch_size=40, comm=comm, sync_every=3)
        return net

    for net in results_of(2, broken, FailingRank):
        assert np.isfinite(net.params).all()


def test_divergence_of_one_rank_resets_all_to_the_start_of_the_epoch():
    def diverge(comm):
        y = np.r_[Y[:-1], np.inf]  # in a row of rank 1
        net, rows = fit(comm, epochs=1)[0], part(N, comm.rank, comm.size, 0)
        start = net.params.copy()
        with pytest.raises(DivergenceError):
            options = dict(batch_size=40, comm=comm, sync_every=3, resume=True)
            net.fit(X[rows], y[rows], epochs=3, **options)
        return start, net

    (first, a), (_, b) = results_of(2, diverge)
    assert (a.params == first).all() and (b.params == first).all()
    assert a.state.step == b.state.step


def test_what_does_not_work_is_named():
    for sync_every, message in [
        (8, "sync_every=8 needs comm, whose ranks train on their own"),
        (0, "sync_every must be a whole number of at least 1, got 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            MLP([4, 6, 1]).fit(X, Y, sync_every=sync_every)
    for work, message in [
        (lambda comm: fit(comm, shards=16), "sync_every=3 needs shards=0"),
        (lambda comm: fit(comm, max_steps=4), "Let it end after a multiple of sync_every=3 steps"),
        (lambda comm: fit(comm, sync_every=3 + comm.rank), "sync_every of rank 1 differs"),
        (lambda comm: fit(comm, optimizer=LAZY), f"{ALONE} sync_every"),
    ]:
        for error in run_on_ranks(2, work):
            assert message in str(error)


# ---- rounds of the parts of a network, and the blocks of rows that they train on ----

N_OF_KEY = np.array([[280, 30], [360, 5], [0, 7], [160, 1]])  # of four blocks, by key


def rounds(batch_size, epoch, seed=None):
    rows = SimpleNamespace(n_of_key=N_OF_KEY, n_parts=2, sync_every=4)
    data = RoundsData(rows, np.array([True, False]), None, None)
    assert len(data) == data.n_rows == 800
    return [tuple(each) for each in data.rounds(batch_size, epoch, seed)]


def test_a_round_takes_the_same_share_of_each_block():
    """Forty rows of the largest block in a step, and one, two and then four steps in a round."""
    last = [([(2, 0, 0), (3, 0, 160)], 4, 800)]
    assert rounds(80, epoch=0) == [
        *[([(0, 0, 31), (1, 0, 40)], 1, 71), ([(0, 31, 93), (1, 40, 120)], 2, 213)],
        *[([(0, 93, 217), (1, 120, 280)], 4, 497), ([(0, 217, 280), (1, 280, 360)], 2, 640)],
        *last,
    ]
    first = [([(0, 0, 124), (1, 0, 160)], 4, 284), ([(0, 124, 280), (1, 160, 360)], 5, 640)]
    assert rounds(80, epoch=1) == first + last
    assert sum(n_steps for _, n_steps, _ in rounds(20, 1)) == 18 + 8  # of 20 rows, not of 10
    seed = next(s for s in range(9) if np.random.default_rng([s, 1]).permutation(2)[0] == 1)
    assert [spans[0][0] for spans, *_ in rounds(80, 1, seed)] == [2, 0, 0]


MIXING = [
    *[((16, 2, 0), 2, 1), ((17, 2, 0), 2, 2), ((1, 2, 20 * 65_536), 20, 1)],
    *[((17, 2, 20 * 65_536), 10, 2), ((1, 3, 10**9), 63, 1), ((1, 100, 10**9), 100, 1)],
]


@pytest.mark.parametrize(("arguments", "n_pieces", "n_groups"), MIXING)
def test_blocks_mix_the_rows_of_distant_partitions(arguments, n_pieces, n_groups):
    groups = [list(range(g, arguments[0], n_groups)) for g in range(n_groups)]
    found = mixing(*arguments)
    assert (found[0], [*map(list, found[1])]) == (n_pieces, groups)


def test_the_block_of_a_row_depends_on_its_number_alone():
    def pieces(numbers):
        return partitions.pieces_of({"y": numbers * 1.0, "key": numbers % 3}, numbers, 4)

    numbers = np.arange(1000, 1400)
    whole, halves = pieces(numbers), zip(pieces(numbers[:150]), pieces(numbers[150:]))
    assert sorted(y for piece in whole for y in piece["y"]) == numbers.tolist()
    for piece, parts in zip(whole, halves, strict=True):
        assert 70 < len(piece["y"]) < 130
        np.testing.assert_array_equal(piece["y"], np.concatenate([part["y"] for part in parts]))
    blocks = [partitions.join_pieces([{}, *whole], i) for i in range(2)]
    first, second = (block.read() for block in blocks)
    for each in first, second:
        assert sorted(each["y"]) == numbers.tolist() and (each["key"] == each["y"] % 3).all()
    assert (first["y"] != second["y"]).any() and (np.diff(first["y"]) < 0).any()
    assert partitions.count_keys(blocks[0], 5).tolist() == [133, 134, 133, 0, 0]
    empty = partitions.join_pieces([{}], 0)
    assert len(empty.read()["y"]) == 0 and partitions.count_keys(empty, 2).tolist() == [0, 0]

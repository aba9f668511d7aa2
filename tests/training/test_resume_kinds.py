"""A training that stops within an epoch resumes with the same rows of another kind: arrays, selected
rows, tables, sparse rows, row groups. It gets the bits of a training that never stopped, or a clear
error, and never trains on a row twice."""

import contextlib
import itertools

import numpy as np
import pytest
from checks import assert_same_bits, training_state
from scipy.sparse import csr_array
from small_training import squared

import fastnn
from fastnn import MLP, SGD, Adam, EncodedTable
from fastnn.core import sparse_rows
from fastnn.files import model

N, BATCH = 96, 8
X = np.random.default_rng(0).normal(size=(N, 5)).astype("float32")
Y = np.sin(X[:, :1])


def groups(X, y):
    return [(X[i : i + 17], y[i : i + 17]) for i in range(0, N, 17)]


def fit_selected(net, X, y, **options):
    """On rows of an array in another order, by fit_many."""
    X, y = np.ascontiguousarray(X[::-1]), np.ascontiguousarray(y[::-1])
    fastnn.fit_many([net, net.copy()], X, y, rows=np.arange(N)[::-1], rng=[net.rng, 0], **options)


KINDS = {
    "memory": lambda net, X, y, **options: net.fit(X, y, **options),
    "selected": fit_selected,
    "table": lambda net, X, y, **options: net.fit(EncodedTable(X), y, **options),
    "sparse": lambda net, X, y, **options: net.fit(csr_array(X), y, **options),
    "groups": lambda net, X, y, **options: net.fit(groups(X, y), **options),
    "windows": lambda net, X, y, **options: net.fit(groups(X, y), window=40, **options),
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    # of 24 rows; the blocks of a table of N columns have one batch
    monkeypatch.setattr(sparse_rows, "BLOCK_BYTES", 4 * 5 * 24)


def fit(kind, net, X, y, epochs, resume=False, **options):
    KINDS[kind](net, X, y, epochs=epochs, resume=resume, batch_size=BATCH, **options)


def stop_at(step):
    """A loss that raises an exception in a step."""
    steps = itertools.count()

    def loss(outputs, y):
        if next(steps) == step:
            raise KeyboardInterrupt
        return squared(outputs, y)

    return loss


def resumes_to_the_bit(first, second, shuffle):
    """Whether the documentation promises it."""
    return first == second or not shuffle or "windows" not in (first, second)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("second", KINDS)
@pytest.mark.parametrize("first", KINDS)
def test_a_stopped_epoch_continues_to_the_bit_or_is_refused(first, second, shuffle):
    steps = (0, 2, 3, 5, 7, 12, 18)  # windows end after 5, 10 and 12 steps
    for step in steps[:: 1 if first == second else 2]:
        whole, net = (MLP([5, 6, 1], dropout=[0.1, 0.2], rng=0) for _ in range(2))
        options = dict(optimizer=Adam(0.01, average=0.9), shuffle=shuffle)
        fit(second, whole, X, Y, 3, loss=squared, **options)
        with contextlib.suppress(KeyboardInterrupt):
            fit(first, net, X, Y, 3, loss=stop_at(step), **options)
        assert net.state.step == step
        before = training_state(net)
        try:
            fit(second, net, X, Y, 3 - net.state.epoch, True, loss=squared, shuffle=shuffle)
        except ValueError as error:
            assert not resumes_to_the_bit(first, second, shuffle)
            assert str(error).startswith("resume=True continues")
            assert_same_bits(training_state(net), before)
            continue
        if resumes_to_the_bit(first, second, shuffle):
            assert_same_bits(training_state(net), training_state(whole))
            n = len(net.history.loss)
            np.testing.assert_allclose(net.history.loss, whole.history.loss[-n:], rtol=1e-12)


EYE = np.eye(N, dtype="float32")  # a step on row i changes weight i alone


@pytest.mark.parametrize("second", KINDS)
@pytest.mark.parametrize("first", KINDS)
def test_a_resumed_epoch_trains_on_each_row_once_or_is_refused(first, second):
    for step, before, after in itertools.product((2, 5, 6), (True, False), (True, False)):
        net = MLP([N, 1], bias=False, rng=0)
        net.params = 0
        ones = np.ones((N, 1), "float32")
        with contextlib.suppress(KeyboardInterrupt):
            fit(first, net, EYE, ones, 1, loss=stop_at(step), optimizer=SGD(0.1), shuffle=before)
        params = net.params.copy()
        assert (params != 0).sum() == step * BATCH
        try:
            fit(second, net, EYE, ones, 1, True, loss=squared, shuffle=after)
        except ValueError as error:
            assert str(error).startswith("resume=True continues")
            assert_same_bits(net.params, params)
        else:
            assert net.state.epoch == 1 and net.state.step == N // BATCH
            assert (net.params == params.max()).all()


def test_windows_of_other_rows_are_refused():
    """The last window of a pass has as many rows as the new one, but begins with another."""
    net = MLP([5, 1], rng=0)
    with pytest.raises(KeyboardInterrupt):  # in the last window, rows 80..95
        net.fit(groups(X, Y), loss=stop_at(11), batch_size=BATCH, window=80)
    assert net.state.row == 88 and sorted(net.state.order) == list(range(80, 96))
    net.state.row = 56  # as if the window had been one of 16 rows
    with pytest.raises(ValueError, match="continues a window that was interrupted"):
        net.fit(groups(X, Y), loss=squared, batch_size=BATCH, window=16, resume=True)


ERRORS = [
    ("memory", True, False, "whose rows were shuffled. Pass shuffle=True, or resume=False"),
    ("memory", False, True, "net.state holds no order .* Pass shuffle=False to continue"),
    ("windows", True, True, "net.state holds no order .* the same row groups, or resume=False"),
]


@pytest.mark.parametrize(("first", "before", "after", "message"), ERRORS)
@pytest.mark.parametrize("second", ["memory", "table", "sparse", "selected"])
def test_the_error_says_how_to_continue(first, before, after, message, second):
    net = MLP([5, 1], rng=0)

    def broken():
        for i, group in enumerate(groups(X, Y)):
            if i == 4:
                raise KeyboardInterrupt
            yield group

    with pytest.raises(KeyboardInterrupt):
        if first == "windows":
            net.fit(broken, batch_size=BATCH, window=40)
        else:
            fit(first, net, X, Y, 1, loss=stop_at(5), shuffle=before)
    assert net.state.row > 0
    with pytest.raises(ValueError, match=message):
        fit(second, net, X, Y, 1, True, shuffle=after)


# ---- rows held out ----


@pytest.mark.parametrize("of_file", [False, True], ids=["object", "file"])
@pytest.mark.parametrize(("first", "second"), [*itertools.product(KINDS, KINDS)])
def test_resuming_holds_out_the_same_rows_or_is_refused(first, second, of_file, reload):
    options = dict(validation_fraction=0.25, shuffle=False)
    net = MLP([5, 4, 1], rng=0)
    fit(first, net, X, Y, 1, **options)
    streamed = [kind in ("groups", "windows") for kind in (first, second)]
    assert net.state.split_method == ("hash" if streamed[0] else "permutation")
    net = reload(net) if of_file else net
    before = training_state(net)
    if streamed[0] == streamed[1]:
        fit(second, net, X, Y, 1, resume=True, **options)
        return
    with pytest.raises(ValueError, match="of which other rows would be held out"):
        fit(second, net, X, Y, 1, resume=True, **options)
    assert_same_bits(training_state(net), before)


def test_a_file_without_the_method_of_the_split_resumes(reload, monkeypatch):
    net = MLP([5, 4, 1], rng=0)
    fit("memory", net, X, Y, 1, validation_fraction=0.25)
    describe = model.describe_state

    def without_method(state):
        return {name: x for name, x in describe(state).items() if name != "split_method"}

    monkeypatch.setattr(model, "describe_state", without_method)
    loaded = reload(net)
    assert loaded.state.split_method is None and loaded.state.split_rows == N
    for each in (loaded, net):
        fit("memory", each, X, Y, 1, resume=True, validation_fraction=0.25)
    assert_same_bits(training_state(loaded), training_state(net))
    assert loaded.state.split_method == "permutation"

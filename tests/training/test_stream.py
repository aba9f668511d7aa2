"""MLP.fit on row groups: the bits of the same rows in memory, windows, resuming, and errors."""

import contextlib
import itertools
import tracemalloc

import numpy as np
import pytest
from checks import assert_same_bits, training_state
from hypothesis import given, settings
from hypothesis import strategies as st
from scale import scaled
from scipy.sparse import csr_array
from small_training import squared

import fastnn
from fastnn import MLP, SGD, Adam, EarlyStopping, EncodedTable, Lion, reference
from fastnn.callbacks import Callback
from fastnn.schedules import ExponentialDecay, ReduceOnPlateau
from fastnn.training import stream
from fastnn.training.session import Session
from fastnn.training.stream import Split

N = 500
X = np.random.default_rng(3).normal(size=(N, 6))
Y = np.sin(X[:, :2]) / 2 + 0.5
CLASSES = (X[:, 0] > 0.3).astype(int) + (X[:, 1] > 0)
WEIGHT = np.arange(N) % 5 / 4.0
ERROR_RATE = EarlyStopping(monitor="error_rate", patience=20)


def split_rows(sizes, *arrays):
    """Row groups of these sizes, the last sizes repeated until all rows are in a group."""
    groups, first, i = [], 0, 0
    while first < len(arrays[0]):
        n = sizes[i % len(sizes)]
        groups.append(tuple(a[first : first + n] for a in arrays))
        first, i = first + n, i + 1
    return groups


def network(*sizes, **options):
    """A network of six inputs, and two outputs if no sizes are given."""
    return MLP([6, *(sizes or (5, 2))], **dict(rng=0) | options)


def compare(sizes, arrays, window=None, output="identity", dtype="float32", dropout=0.0, **options):
    """Train on rows in memory and on groups of them, and compare all bits."""
    n_out = 2 if arrays[1].ndim == 2 else 3
    nets = [network(7, n_out, output=output, dtype=dtype, dropout=dropout, rng=5) for _ in "ab"]
    options = dict(epochs=3) | options
    nets[0].fit(*arrays[:2], sample_weight=[*arrays, None][2], **options)
    nets[1].fit(split_rows(sizes, *arrays), window=window, **options)
    assert_same(*nets)
    for name in ("loss", "val_loss", "val_error_rate", "stop_reason"):
        assert_same_bits(getattr(nets[1].history, name), getattr(nets[0].history, name), name)


def assert_same(net, other):
    assert_same_bits(training_state(other), training_state(net))


# ---- one window: the bits of the same rows in memory ----


@given(
    sizes=st.lists(st.integers(1, N), min_size=1, max_size=6),
    batch_size=st.integers(1, N + 50),
    shuffle=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
    n_threads=st.integers(1, 3),
    weighted=st.booleans(),
)
@settings(max_examples=scaled(30), deadline=None)
def test_groups_of_any_size_give_the_bits_of_rows_in_memory(sizes, weighted, **options):
    arrays = (X, Y, WEIGHT) if weighted else (X, Y)
    compare(sizes, arrays, window=N + options["batch_size"], epochs=2, **options)


OPTIONS = [
    dict(optimizer=SGD(0.1, momentum=0.9, nesterov=True)),
    dict(optimizer=Adam(0.01, average=0.9, clip_norm=0.1)),
    dict(optimizer=Adam(0.01, average=0.9), validation_data=(X[:50], Y[:50])),
    dict(optimizer=Lion(ExponentialDecay(0.01, 0.5, unit="epoch"))),
    dict(optimizer=SGD(ReduceOnPlateau(0.5, patience=1)), epochs=8),
    dict(dropout=0.3),
    dict(loss=squared),
    dict(callbacks=lambda net, history: net.params.__imul__(0.9) is None),
    dict(validation_data=(X[:50], Y[:50]), callbacks=EarlyStopping(patience=2), epochs=40),
    dict(callbacks=[EarlyStopping(patience=2, min_delta=1e-3)], epochs=40),
    dict(batch_size=1),
    dict(batch_size=N),
]


@pytest.mark.parametrize("options", OPTIONS, ids="-".join)
def test_options_give_the_bits_of_rows_in_memory(options):
    compare([33, 1, 150], (X, Y), **options)


OF_CLASSES = [
    dict(class_weight="balanced"),
    dict(class_weight={1: 3.0}),
    dict(callbacks=ERROR_RATE, validation_data=(X[:90], CLASSES[:90])),
]


@pytest.mark.parametrize("options", OF_CLASSES, ids="-".join)
@pytest.mark.parametrize("weighted", [False, True])
def test_classes_give_the_bits_of_rows_in_memory(options, weighted):
    compare([64], (X, CLASSES, WEIGHT) if weighted else (X, CLASSES), output="softmax", **options)


def test_tables_give_the_bits_of_a_table_in_memory():
    positions, codes = abs(X[:, 1:2]).clip(0, 3), CLASSES[:, None]
    table = EncodedTable(X[:, :1], positions, 3, codes=codes, n_categories=3)
    nets = [MLP([table.n_inputs, 4, 1], rng=0) for _ in range(2)]
    nets[0].fit(table, Y[:, 0], epochs=3)
    nets[1].fit([(table[:123], Y[:123, 0]), (table[123:], Y[123:, 0])], epochs=3)
    assert_same(*nets)


GROUPS = split_rows([90], X, Y)


class Source:
    def __iter__(self):
        yield from GROUPS


SOURCES = {
    "object": Source(),
    "function": lambda: iter(GROUPS),
    "tuple of lists": tuple([X.tolist(), Y.tolist()] for X, Y in GROUPS),
    "empty groups": [(X[:0], Y[:0]), *GROUPS, (X[:0], Y[:0])],
    "sparse": [(csr_array(X), Y) for X, Y in GROUPS],
}


@pytest.mark.parametrize("source", SOURCES)
def test_sources_of_row_groups(source):
    nets = network(), network()
    nets[0].fit(X, Y)
    nets[1].fit(SOURCES[source])
    assert_same(*nets)


# ---- several windows ----


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("batch_size", [1, 30, 64])
def test_a_pass_takes_each_row_once_window_by_window(shuffle, batch_size):
    taken = []

    def loss(outputs, y):
        taken.append(y[:, 0].astype(int).tolist())
        return 0.0, np.zeros_like(outputs)

    options = dict(window=130, batch_size=batch_size, shuffle=shuffle, epochs=2, rng=1)
    network(1).fit(split_rows([7, 91], X, np.arange(N)[:, None]), loss=loss, **options)
    rng, expected = np.random.default_rng(1), []
    window = 130 // batch_size * batch_size
    for first in [*range(0, N, window)] * 2:
        rows = np.arange(first, min(N, first + window))
        rows = rng.permutation(rows) if shuffle else rows
        expected += [rows[i : i + batch_size].tolist() for i in range(0, len(rows), batch_size)]
    assert taken == expected


@pytest.mark.parametrize("weighted", [False, True])
def test_windows_agree_with_the_reference(weighted):
    net = network(5, 2, activation="tanh", dtype="float64")
    weights, biases = [W.copy() for W in net.weights], [b.copy() for b in net.biases]
    groups = split_rows([47], *((X, Y, WEIGHT) if weighted else (X, Y)))
    history = net.fit(groups, None, "mse", "sgd", 3, batch_size=20, window=100, rng=8)
    rng = np.random.default_rng(8)
    for epoch in range(3):
        order = np.concatenate([first + rng.permutation(100) for first in range(0, N, 100)])
        arguments = X[order], Y[order], weights, biases, ["tanh", "identity"], "mse", "sgd", 1e-3
        options = dict(sample_weight=WEIGHT[order] if weighted else None)
        loss = reference.fit(*arguments, epochs=1, batch_size=20, **options)
        np.testing.assert_allclose(history.loss[epoch], loss[0], rtol=1e-12)
    np.testing.assert_allclose(net.weights[0], weights[0], rtol=1e-10)
    np.testing.assert_allclose(net.biases[1], biases[1], rtol=1e-10)


def test_the_size_of_groups_does_not_matter():
    nets = [network(dropout=0.2) for _ in range(4)]
    for net, sizes in zip(nets, ([1], [500], [128], [3, 77])):
        net.fit(split_rows(sizes, X, Y), window=128, epochs=3)
        assert_same(nets[0], net)


def test_the_default_window_has_so_many_bytes(monkeypatch):
    monkeypatch.setattr(stream, "WINDOW_BYTES", 100 * 4 * (6 + 2))
    nets = [network() for _ in range(2)]
    nets[0].fit(split_rows([77], X, Y), batch_size=10)
    nets[1].fit(split_rows([77], X, Y), batch_size=10, window=100)
    assert_same(*nets)
    compare([7, 230], (X, Y), window=600)  # which takes more memory than the first group


def test_memory_does_not_grow_with_the_number_of_rows():
    def peak(n):
        groups = [(np.zeros((1000, 20), "float32"), np.zeros((1000, 1), "float32"))] * n
        tracemalloc.start()
        MLP([20, 2, 1], rng=0).fit(groups, epochs=2, window=5000, validation_fraction=0.2)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    # the least of some: imports and other threads of the process allocate, too
    peaks = [min(peak(n) for _ in range(3)) for n in (20, 200)]
    assert peaks[1] < 1.1 * peaks[0] < 10 * 5000 * 21 * 4


# ---- validation ----


def test_a_split_is_a_share_of_the_rows_that_does_not_depend_on_groups():
    whole = Split(0.3, 17, True).rows(0, 100_000)
    assert 0.29 < whole.mean() < 0.31
    parts = [Split(0.3, 17, True).rows(*part) for part in ((0, 33_333), (33_333, 66_667))]
    assert_same_bits(np.concatenate(parts), whole)
    assert_same_bits(Split(0.3, 17, False).rows(0, 100_000), ~whole)
    assert 0.05 < (Split(0.3, 18, True).rows(0, 100_000) & whole).mean() < 0.13
    words = [6457827717110365317, 3203168211198807973, 9817491932198370423]  # of splitmix64
    assert stream.hashes(np.arange(3), 1234567).tolist() == [word >> 11 for word in words]


def test_held_out_rows_are_those_of_the_hash():
    net, other = (network() for _ in range(2))
    history = net.fit(split_rows([61], X, Y), validation_fraction=0.3, rng=4)
    held_out = Split(0.3, net.state.split_seed, True).rows(0, N)
    assert 100 < held_out.sum() < 200
    rng = np.random.default_rng(4)
    assert net.state.split_seed == rng.integers(2**63)
    validation = X[held_out], Y[held_out]
    expected = other.fit(X[~held_out], Y[~held_out], validation_data=validation, rng=rng)
    assert_same_bits(net.params, other.params)
    assert_same_bits(history.val_loss, expected.val_loss)
    assert (net.state.split_rows, net.state.split_held_out) == (N, held_out.sum())


VALIDATION = split_rows([40], X[:90], CLASSES[:90], WEIGHT[:90])


HELD_OUT = {
    "fraction": (split_rows([61], X, CLASSES, WEIGHT), dict(validation_fraction=0.5)),
    "data": (split_rows([61], X, CLASSES), dict(validation_data=VALIDATION)),
}


@pytest.mark.parametrize(("groups", "held_out"), HELD_OUT.values(), ids=HELD_OUT)
def test_validation_in_several_windows(groups, held_out):
    nets = [network(5, 3, output="softmax") for _ in range(2)]
    options = dict(shuffle=False, callbacks=ERROR_RATE, **held_out)
    histories = [net.fit(groups, window=n, **options) for net, n in zip(nets, (None, 32))]
    assert_same_bits(nets[1].params, nets[0].params)
    for name, rtol in (("val_loss", 1e-6), ("val_error_rate", 1e-9)):
        np.testing.assert_allclose(*(getattr(h, name) for h in reversed(histories)), rtol=rtol)


def test_validation_of_too_few_rows():
    with pytest.raises(ValueError, match=r"validation_fraction=0\.001 holds out 0 of 20 rows"):
        network(2).fit(split_rows([7], X[:20], Y[:20]), validation_fraction=0.001)


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("kind", ["list", "function", "file", "weighted file"])
def test_validation_data_in_groups(kind, in_memory, tmp_path):
    """Row groups that fit in a window give the bits of the same rows in memory."""
    weight = WEIGHT[:90] if kind == "weighted file" else None
    memory = (X[:90], Y[:90, 0], *([] if weight is None else [weight]))
    groups = split_rows([40], *memory)
    validation = {"list": groups, "function": lambda: iter(groups)}.get(kind)
    if validation is None:
        pa = pytest.importorskip("pyarrow")
        import pyarrow.parquet as pq

        columns = {f"x{j}": X[:90, j] for j in range(6)} | {"y": memory[1]}
        validation = (tmp_path / "valid.parquet", "y")
        if weight is not None:
            columns["w"], validation = weight, (*validation, "w")
        pq.write_table(pa.table(columns), tmp_path / "valid.parquet")
    arguments = (X, Y[:, 0]) if in_memory else (split_rows([61], X, Y[:, 0]),)
    nets = [MLP([6, 5, 1], rng=0) for _ in range(2)]
    histories = [
        net.fit(*arguments, validation_data=data, callbacks=EarlyStopping(2))
        for net, data in zip(nets, (memory, validation))
    ]
    assert_same_bits(nets[1].params, nets[0].params)
    assert_same_bits(histories[1].val_loss, histories[0].val_loss)


PARTS = "validation_data must be .X, y. or .X, y, sample_weight., got"


WRONG_VALIDATION = [
    (lambda: [(X[:9, :5], Y[:9])], ValueError, "row group 0, which begins with"),
    ((row for row in [(X, Y)]), TypeError, "X is a generator, whose row groups"),
    (("rows.parquet", 3), TypeError, "X is a path, so y and sample_weight must"),
    (lambda: [], ValueError, "it has no rows"),
    ((X,), ValueError, f"{PARTS} 1 parts"),
    (3, ValueError, f"{PARTS} int"),
]


@pytest.mark.parametrize(("validation", "error", "message"), WRONG_VALIDATION)
def test_wrong_validation_data(validation, error, message):
    message = message if message.startswith("val") else f"validation_data: {message}"
    with pytest.raises(error, match=message):
        network(2).fit(split_rows([61], X, Y), validation_data=validation)


# ---- resuming ----


class StopAt(Callback):
    """Raise an exception in the loss of a step."""

    def __init__(self, step):
        self.left = step

    def loss(self, outputs, y):
        if self.left == 0:
            raise RuntimeError("stopped here")
        self.left -= 1
        return squared(outputs, y)


# windows begin with step 0, 5, 10, ..., and epochs with 0, 15, ...
STOPS = list(itertools.product((0, 1, 4, 5, 6, 15, 24, 25, 26, 33), (True, False)))


@pytest.mark.parametrize("optimizer", [Adam(0.01), SGD(0.1, momentum=0.5, average=0.8)], ids=str)
@pytest.mark.parametrize(("step", "shuffle"), STOPS)
def test_a_training_stopped_anywhere_resumes_to_the_bit(shuffle, optimizer, step, reload):
    groups = split_rows([61, 5], X, Y)
    options = dict(batch_size=20, window=100, shuffle=shuffle)
    whole, net = (network(dropout=0.1) for _ in range(2))
    expected = whole.fit(groups, None, squared, optimizer, epochs=3, **options)
    with pytest.raises(RuntimeError, match="stopped here"):
        net.fit(groups, None, StopAt(step).loss, optimizer, epochs=3, **options)
    net = reload(net)
    assert net.state.step == step
    history = net.fit(groups, None, squared, epochs=3 - net.state.epoch, resume=True, **options)
    assert_same(whole, net)
    assert_same_bits(history.loss, expected.loss[-len(history.loss) :])


def test_a_training_resumes_after_a_pass_with_validation():
    groups = split_rows([61, 5], X, Y)
    options = dict(optimizer=Adam(0.01, average=0.9), window=100, validation_fraction=0.25)
    whole, net = (network() for _ in range(2))
    expected = whole.fit(groups, epochs=4, **options)
    net.fit(groups, epochs=1, **options)
    net = net.copy()
    history = net.fit(groups, epochs=3, resume=True, **options)
    assert_same(whole, net)
    assert_same_bits(history.val_loss, expected.val_loss[1:])


def test_an_interrupted_training_continues_in_memory_and_back():
    groups = split_rows([61], X, Y)
    for first, second in [((X, Y), (groups,)), ((groups,), (X, Y))]:
        whole, net = (network() for _ in range(2))
        whole.fit(X, Y, squared, epochs=2)
        with pytest.raises(RuntimeError):
            net.fit(*first, loss=StopAt(5).loss, epochs=2)
        net.fit(*second, loss=squared, epochs=2, resume=True)
        assert_same(whole, net)


@pytest.mark.parametrize("change", [dict(window=60), dict(window=1000), dict(n=100)], ids=str)
def test_resuming_with_other_rows_or_another_window(change):
    message = "continues a window that was interrupted"
    if "n" in change:
        message = "interrupted after row 139, but the row groups have 100 rows"
    net = network()
    with pytest.raises(RuntimeError):
        net.fit(split_rows([61], X, Y), None, StopAt(7).loss, batch_size=20, window=100)
    before = training_state(net)
    n = change.get("n", N)
    options = dict(batch_size=20, window=change.get("window", 100), resume=True)
    with pytest.raises(ValueError, match=message):
        net.fit(split_rows([61], X[:n], Y[:n]), None, squared, **options)
    assert_same_bits(training_state(net), before)


# ---- errors ----


NO_ROW_GROUPS = [
    ((each for each in []), "X is a generator, whose row groups can be read once.*Pass a list"),
    (iter([(X, Y)]), "X is a list_iterator, whose row groups can be read once"),
    (X, "y is missing. X is an ndarray, so pass y"),
    ({"X": X}, "y is missing. X is a dict"),
    (3, "X must be an array, with y, or row groups"),
    (lambda: 3, "X is a function that returned an int"),
    ([X], "row group 0, which begins with row 0: a row group must be .*got an ndarray"),
    ([(X, Y), (X,)], "row group 1, which begins with row 500: a row group .*got a tuple of 1"),
    ([(X, Y), ("text", Y)], "row group 1, .*: X must hold numbers"),
    ([(X, Y), (X, Y.astype(object), WEIGHT), (X, Y)], "row group 1.*sample_weight is given"),
]
UNSUPPORTED = [
    (dict(X=[]), "X has no rows"),
    (dict(X=[(X[:0], Y[:0])]), "X has no rows"),
    (dict(batch_size=None), "batch_size=None takes all rows in one step"),
    (dict(optimizer="lbfgs"), "L-BFGS takes all rows in one step"),
    (dict(sample_weight=WEIGHT), "sample_weight does not work with row groups"),
    (dict(window=0), "window must be a whole number of at least 1, got 0"),
    (dict(X=X, y=Y, window=5), "window is for row groups and paths"),
    (dict(class_weight="balanced"), "class_weight needs loss 'bce' with one output"),
]
BOTH = TypeError, ValueError
REFUSED = [(dict(X=source), BOTH, message) for source, message in NO_ROW_GROUPS]
REFUSED += [(dict(X=[(X, Y)]) | more, ValueError, message) for more, message in UNSUPPORTED]


@pytest.mark.parametrize(("arguments", "error", "message"), REFUSED)
def test_sources_and_options_that_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        network(2).fit(**arguments)


def bad(a, row, value):
    a = a.copy()
    a[row] = value
    return a


BAD_GROUPS = [
    ((X[:, :5], Y), "X has 5 columns, but the network expects 6"),
    ((X, Y[:, :1]), r"y must have shape \(n, 2\) for 2 outputs, got \(500, 1\)"),
    ((X, Y[1:]), "y has 499 rows, but X has 500"),
    ((bad(X, (7, 3), np.nan), Y), "X holds NaN or infinity .first in row 7, column 3 of the"),
    ((X, bad(Y, (8, 1), np.inf)), "y holds NaN or infinity .first in row 8, column 1 of the"),
    ((X, Y, bad(WEIGHT, 9, np.nan)), "sample_weight holds NaN or infinity .first in row 9 of"),
    ((X, Y, bad(WEIGHT, 9, -1)), "sample_weight must not be negative, got .*-1.* in row 9"),
    ((X, Y, bad(WEIGHT, 9, 1e200)), "sample_weight is too large or too small"),
]


@pytest.mark.parametrize(("group", "message"), BAD_GROUPS)
def test_a_bad_group_is_named_and_the_steps_before_it_are_kept(group, message):
    good = (X, Y, WEIGHT) if len(group) == 3 else (X, Y)
    net, expected = (network(3, 2) for _ in range(2))
    with pytest.raises(ValueError, match=f"row group 2, which begins with row 1000: {message}"):
        net.fit([good, good, group], window=500, batch_size=100)
    with contextlib.suppress(RuntimeError):
        expected.fit([good[:2]] * 3, loss=StopAt(5).loss, window=500, batch_size=100)
    if len(group) == 2:
        np.testing.assert_allclose(net.params, expected.params, rtol=1e-4)
    assert net.state.step == expected.state.step == 5
    assert net.history.stop_reason == "ValueError was raised"


def test_groups_of_different_kinds():
    with pytest.raises(
        TypeError, match=r"row group 0, .* 0: y is an array of objects. Pass numbers\.$"
    ):
        network(2).fit([(X, Y.astype(object))], loss=squared)
    table = EncodedTable(X)
    for second, message in [
        ((X, Y), "X is an array, but was TableLayout.* in the first group"),
        ((table, Y, WEIGHT), "sample_weight is given, but was missing in the first group"),
    ]:
        with pytest.raises(ValueError, match=f"row group 1, .*{message}"):
            network(2).fit([(table, Y), second])
    probabilities = np.eye(3)[CLASSES]
    with pytest.raises(ValueError, match=r"row group 1, .*y is float32 .*, but was int64"):
        MLP([6, 3], output="softmax").fit([(X, CLASSES), (X, probabilities)])


class Broken:
    """Row groups that an error interrupts in the second pass."""

    def __init__(self, groups, n, error):
        self.groups, self.n, self.error, self.passes = groups, n, error, 0

    def __iter__(self):
        self.passes += 1
        for i, group in enumerate(self.groups):
            if (self.passes, i) == (2, self.n):
                raise self.error
            yield group


BROKEN = {
    "error": ([(X, Y)] * 2, 1, OSError("disk gone"), 250, 250),
    "Ctrl-C": (split_rows([50], X, Y), 6, KeyboardInterrupt(), 200, 100),
}


@pytest.mark.parametrize(("groups", "n", "error", "row", "window"), BROKEN.values(), ids=BROKEN)
def test_an_error_in_the_iterable_keeps_the_steps_before_it(groups, n, error, row, window):
    whole, net, options = network(3, 2), network(3, 2), dict(window=window, batch_size=50)
    with pytest.raises(type(error)) as caught:
        net.fit(Broken(groups, n, error), **options)
    n_rows = sum(len(X) for X, _ in groups)
    assert (net.state.epoch, net.state.row, net.state.step) == (1, row, (n_rows + row) // 50)
    assert len(net.history.loss) == 1
    if isinstance(error, OSError):
        assert caught.value.__notes__ == ["raised by the row groups, when row group 1 was read"]
    else:
        assert net.history.stop_reason == "interrupted"
    whole.fit(groups, epochs=2, **options)
    net.fit(groups, epochs=1, resume=True, **options)
    assert_same(whole, net)


SECOND = [[(X, Y)], [(X, Y)] * 3, [], [(X, Y), (X, Y[::-1])], [(X, Y), (X[::-1], Y)]]


@pytest.mark.parametrize("second", SECOND, ids=["fewer", "more", "none", "targets", "inputs"])
def test_a_second_pass_with_other_rows(second):
    n, message = len(second) * 500, "other rows in this pass"
    message = message if n == 1000 else f"have {n:,} rows in this pass, but had 1,000 before"
    passes = iter([[(X, Y)] * 2, second])
    net = network(3, 2)
    with pytest.raises(ValueError, match=message):
        net.fit(lambda: next(passes), window=500)
    assert net.state.epoch == 1


def test_divergence():
    net = MLP([6, 8, 2], "identity", rng=0)
    with pytest.raises(fastnn.DivergenceError, match="Training diverged in epoch 1"):
        net.fit(split_rows([50], X, Y), None, "mse", SGD(1e30), window=100)
    assert np.isfinite(net.params).all()


def test_progress_shows_steps_while_the_number_of_rows_is_unknown(capsys):
    network(2).fit(split_rows([50], X, Y), progress=True, epochs=2, batch_size=50)
    assert "step 20" in capsys.readouterr().err


def test_a_pass_that_counts_classes_has_the_rows_of_the_others():
    groups = split_rows([61], X, CLASSES)
    nets = [network(5, 3, output="softmax") for _ in range(2)]
    for net, class_weight in zip(nets, ("balanced", list(N / (3 * np.bincount(CLASSES))))):
        net.fit(groups, class_weight=class_weight, window=130, epochs=2)  # not a whole batch of 32
    assert_same(*nets)


def test_storing_twice_before_the_first_window_keeps_the_parameters(monkeypatch):
    """As if Ctrl-C interrupted the end of a training whose first group cannot be read."""
    net = MLP([6, 4, 2], rng=0)
    optimizer = SGD(0.1, average=0.9)
    net.fit([(X, Y)], loss="mse", optimizer=optimizer)
    params, average = net.state.params.copy(), net.params.copy()
    assert (params != average).any()

    def broken():
        raise OSError("gone")
        yield

    finish = Session.finish
    monkeypatch.setattr(Session, "finish", lambda self: (finish(self), finish(self)))
    with pytest.raises(OSError, match="gone"):
        net.fit(broken, loss="mse", optimizer=optimizer, resume=True)
    assert_same_bits(net.state.params, params)
    assert_same_bits(net.params, average)

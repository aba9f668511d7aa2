"""The first layer on an EncodedTable: as fastnn.reference and the dense equivalent compute it, with the same
bits on any number of threads and any instruction set."""

from unittest import mock

import numpy as np
import pytest
from checks import assert_same_bits
from instruction_sets import WITH_FMA, using
from table_cases import LAYOUTS, make_table, params_of, targets, to_reference
from thread_trials import use_all_threads
from trainers import make_trainer, new_trainer, stored

import fastnn
from fastnn import MLP, SGD, Adam, AdamW, EncodedTable, kernels, reference
from fastnn.training import session

# ---- the reference ----


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_reference_computes_what_the_dense_inputs_give(layout, rng):
    table = make_table(layout)
    X, R = table.to_dense(), to_reference(table)
    W, b = rng.normal(size=(table.n_inputs, 4)), rng.normal(size=4)
    dZ = rng.normal(size=(len(table), 4))
    np.testing.assert_allclose(reference.table_linear(R, W, b), X @ W + b, atol=1e-12)
    np.testing.assert_allclose(reference.table_linear_backward(dZ, R, W), X.T @ dZ, atol=1e-12)


def test_dropout_drops_numbers_columns_of_bins_and_codes(rng):
    table = make_table("all", 40)
    R = to_reference(table)
    R.mask = rng.integers(0, 2, (40, R.n_columns)) / 0.5
    d, bins, levels = LAYOUTS["all"]
    X = table.to_dense() * np.repeat(R.mask, [1] * d + list(bins) + list(levels), axis=1)
    W, dZ = rng.normal(size=(table.n_inputs, 4)), rng.normal(size=(40, 4))
    np.testing.assert_allclose(reference.table_linear(R, W), X @ W, atol=1e-12)
    np.testing.assert_allclose(reference.table_linear_backward(dZ, R, W), X.T @ dZ, atol=1e-12)


# ---- forward and gradients ----


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("width", [1, 2, 5, 8, 16, 20, 64, 70])
def test_outputs_and_gradients(isa, dtype, layout, width, tolerance):
    table = make_table(layout, dtype=dtype.name)
    y = targets(len(table), 2)
    net = MLP([table.n_inputs, width, 2], "silu", dtype=dtype, rng=0)
    for b in net.biases:
        b[:] = np.linspace(-1, 1, len(b))
    arguments = list(net.weights), list(net.biases), net.activations
    expected = reference.forward(to_reference(table), *arguments)
    bound = 3 * tolerance * np.abs(expected).max()
    np.testing.assert_allclose(net.forward(table), expected, rtol=0, atol=bound)
    np.testing.assert_allclose(net.forward(table.to_dense()), expected, rtol=0, atol=bound)
    L, dW, db = reference.loss_and_grad(to_reference(table), y.astype(dtype), *arguments, "mse")
    assert net.loss_and_grad(table, y) == pytest.approx(L, rel=10 * tolerance)
    assert net.loss(table, y) == pytest.approx(L, rel=10 * tolerance)
    grads = params_of(dW, db)
    np.testing.assert_allclose(net.grads, grads, rtol=0, atol=3 * tolerance * np.abs(grads).max())


@pytest.mark.parametrize("n_out", [1, 3, 10, 40])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_table_layer_as_the_only_layer(isa, dtype, layout, n_out, tolerance):
    table = make_table(layout, dtype=dtype.name)
    X, y = table.to_dense(), targets(len(table), n_out)
    net = MLP([table.n_inputs, n_out], output="sigmoid", dtype=dtype, rng=0)
    dense = net.copy()
    np.testing.assert_allclose(net.forward(table), net.forward(X), rtol=0, atol=3 * tolerance)
    expected = dense.loss_and_grad(X, y, "mse")
    assert net.loss_and_grad(table, y, "mse") == pytest.approx(expected, rel=10 * tolerance)
    bound = 3 * tolerance * np.abs(dense.grads).max()
    np.testing.assert_allclose(net.grads, dense.grads, rtol=0, atol=bound)


def test_a_row_has_the_same_bits_in_any_batch(isa, dtype):
    table = make_table("wide", 600, dtype=dtype.name)
    net = MLP([table.n_inputs, 20, 70, 3], "tanh", dtype=dtype, rng=0)
    outputs = net.forward(table)
    for n in (1, 2, 63, 64, 300):
        assert_same_bits(net.forward(table[:n]), outputs[:n], f"{n} rows")
        assert_same_bits(net.forward(table[-n:], n_threads=2), outputs[-n:], f"last {n} rows")
    with mock.patch("fastnn.core.threads.WORTH_SHARING", 0):
        assert_same_bits(net.forward(table, n_threads=2), outputs)


def test_forward_many(dtype, monkeypatch):
    table = make_table("all", 500, dtype=dtype.name)
    networks = [MLP([table.n_inputs, w, 3], dtype=dtype, rng=w) for w in (4, 30)]
    expected = np.stack([net.forward(table) for net in networks])
    assert_same_bits(fastnn.forward_many(networks, table), expected)
    use_all_threads(monkeypatch)
    with mock.patch("fastnn.core.threads.WORTH_SHARING", 0):
        for rows in (np.arange(500), np.arange(600) % 500):
            shared = fastnn.forward_many(networks, table[rows], n_threads=2)
            assert_same_bits(shared, expected[:, rows])
    mean, dense = np.empty((2, 500, 3), dtype)
    kernels.forward_mean(networks, table, mean)
    kernels.forward_mean(networks, table.to_dense(), dense)
    np.testing.assert_allclose(mean, dense, rtol=1e-4, atol=1e-5)


# ---- the same bits ----


def train(isa, layout, width, optimizer, slice_seconds=None, dropout=0, **options):
    seconds = slice_seconds or session.SLICE_SECONDS
    with using(isa), mock.patch.object(session, "SLICE_SECONDS", seconds):
        table = make_table(layout, 700, dtype=options.pop("dtype"))
        sizes = [table.n_inputs, *width, 3]
        net = MLP(sizes, "tanh", "softmax", dtype=table.dtype, rng=0, dropout=dropout)
        options |= dict(optimizer=optimizer, epochs=3, validation_fraction=0.3, rng=1)
        net.fit(table, np.arange(700) % 3, **options)
    return net.params, net.history.loss, net.history.val_loss


LAZY = AdamW(0.01, weight_decay=0.1, lazy_categories=True)
RUNS = [
    ("all", (9,), 64, SGD(0.05), {}),
    ("wide", (64, 20), 256, Adam(0.01), {}),
    ("wide", (40,), None, Adam(0.01, clip_norm=0.1), {}),
    ("levels", (33,), 32, AdamW(0.01, weight_decay=0.1, average=0.9), {}),
    ("levels", (64,), 490, SGD(0.05, momentum=0.9), {}),
    ("positions", (), 100, Adam(0.01), {}),
    ("codes", (5,), 200, Adam(0.01, l2=0.01), {}),
    ("wide", (20,), 64, Adam(0.01), {"dropout": (0.3, 0.2)}),
    ("levels", (8,), 490, Adam(0.01), {"dropout": (0.3, 0.2)}),
    ("all", (20,), 50, LAZY, {"dropout": (0.3, 0.2)}),
    ("levels", (40,), 50, AdamW(0.01, weight_decay=0, lazy_categories=True), {}),
    ("levels", (64,), 480, LAZY, {}),
]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run[0]}-{run[1]}-{run[2]}")
def test_the_same_bits_on_threads_slices_and_instruction_sets(run, dtype):
    layout, width, batch, optimizer, options = run
    options |= dict(dtype=dtype.name, batch_size=batch)
    results = [
        train(isa, layout, width, optimizer, seconds, n_threads=n_threads, **options)
        for isa in WITH_FMA or kernels.SUPPORTED[:1]
        for n_threads, seconds in ((1, None), (2, None), (1, 1e-9), (3, 1e-5))
    ]
    for result in results[1:]:
        assert_same_bits(result, results[0])


def threads_of_trainer(table, y, n_threads, batch, width, optimizer):
    """Parameters after an epoch of a kernels.Trainer, in exactly so many threads."""
    net = MLP([table.n_inputs, *width, 1], dtype=table.dtype, rng=0)
    trainer, moments = make_trainer(net, table, y, optimizer, batch, n_threads=n_threads)
    while trainer.position()[1] < 2:
        trainer.run(n_threads, 10, np.empty(2 - trainer.position()[1]))
    return stored(net, trainer, moments)


@pytest.mark.parametrize("batch", [40, 256, 1000])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("width", [(), (5,), (64, 3)])
@pytest.mark.parametrize("optimizer", [Adam(0.01), LAZY], ids=["adam", "lazy"])
def test_any_number_of_threads(isa, dtype, layout, batch, width, optimizer):
    table = make_table(layout, 1100, dtype=dtype.name)
    y = targets(1100).astype(dtype)
    settings = batch, width, optimizer
    expected = threads_of_trainer(table, y, 1, *settings)
    for n_threads in (2, 3, 7):
        assert_same_bits(threads_of_trainer(table, y, n_threads, *settings), expected)


# ---- memory safety ----


def test_rows_that_change_after_the_check(isa, dtype):
    positions = np.array([[0.5], [1.0], [2.5]], dtype)
    codes = np.array([[0], [1], [2]], np.int32)
    sizes = dict(n_bins=3, n_categories=3, dtype=dtype)
    table = EncodedTable(positions=positions, codes=codes, **sizes)
    valid = EncodedTable(positions=[[0.0], [3.0], [0.0]], codes=[[-1]] * 3, **sizes)
    positions[:] = [[-1e30], [np.inf], [np.nan]]
    codes[:] = [[-(2**31)], [2**31 - 1], [3]]
    net = MLP([6, 4, 1], dtype=dtype, rng=0)
    assert_same_bits(net.forward(table), net.forward(valid))


def test_the_compiled_code_checks_tables(dtype):
    table = make_table("all", dtype=dtype.name)
    y = np.zeros((300, 1), dtype)
    net = MLP([table.n_inputs + 1, 1], dtype=dtype)
    out = np.empty((300, 1), dtype)
    for call in (
        lambda: new_trainer(net, table, y, None, 8),
        lambda: net._forward_into(table, out),
        lambda: kernels.forward_many([net], table, out[None]),
    ):
        with pytest.raises(ValueError, match="Expected a table of"):
            call()
    net = MLP([table.n_inputs, 1], dtype=dtype)
    with pytest.raises(ValueError, match="no gradient of its inputs"):
        new_trainer(net, table, y, None, 8, dX=np.empty(table.shape, dtype))
    dense, of_table = (new_trainer(net, X, y, None, 8) for X in (table.to_dense(), table))
    for X, validation in ((table, dense), (table.to_dense(), of_table)):
        with pytest.raises(ValueError, match="another kind of inputs"):
            new_trainer(net, X, y, None, 8, validation=validation)
    ones, no_codes = np.ones((1, 1), dtype), np.ones((1, 0), np.int32)
    for n_bins in 0, 2**30, 2**63 - 1:
        with pytest.raises(ValueError, match="at most"):
            kernels.CompiledTable()._bind(ones, ones, no_codes, [n_bins], [], [1.0], [])
    for scales in ([], []), ([1.0], [1.0]):
        with pytest.raises(ValueError, match="one scale for each column"):
            kernels.CompiledTable()._bind(ones, ones, no_codes, [2], [], *scales)
    with pytest.raises(ValueError, match="Expected a table of"):
        net._forward_into(kernels.CompiledTable(), out[:0])
    no_layers, outputs = kernels.CompiledNetwork(), np.empty(table.shape, dtype)
    no_layers._bind([table.n_inputs], [], [], [], dtype)
    with pytest.raises(ValueError, match="at least one layer"):
        no_layers._forward_into(table, outputs)
    with pytest.raises(ValueError, match="at least one layer"):
        new_trainer(no_layers, table, outputs, None, 8)


def of_layout(n_numbers, n_bins, n_categories):
    shapes = dict(numbers=n_numbers, positions=len(n_bins), codes=len(n_categories))
    parts = {name: np.ones((4, n), int if name == "codes" else float) for name, n in shapes.items()}
    return EncodedTable(**parts, n_bins=n_bins, n_categories=n_categories)


OTHERS = (2, [2], [4]), (1, [1, 2], [4]), (1, [3], [2, 2]), (1, [4], [3]), (1, [2], [5])


@pytest.mark.parametrize("layout", OTHERS)
def test_a_validation_reads_a_table_of_the_same_layout(layout):
    table, other = of_layout(1, [3], [4]), of_layout(*layout)
    y = np.zeros((4, 1), table.dtype)
    assert other.n_inputs == table.n_inputs
    net = MLP([table.n_inputs, 1], dtype=table.dtype)
    same, another = (new_trainer(net, X, y, None, 4) for X in (of_layout(1, [3], [4]), other))
    new_trainer(net, table, y, batch_size=4, validation=same)
    with pytest.raises(ValueError, match="Pass rows of the same table"):
        new_trainer(net, table, y, batch_size=4, validation=another)


def test_a_table_with_another_length_is_not_read(dtype):
    class Longer(EncodedTable):
        def __len__(self):
            return 300

    table = Longer(positions=np.ones((2, 1)), n_bins=1, dtype=dtype)
    net = MLP([1, 1], dtype=dtype)
    message, y = "table of 2 rows has the length 300", np.zeros((300, 1), dtype)
    with pytest.raises(ValueError, match=message):
        net.forward(table)
    with pytest.raises(ValueError, match=message):
        new_trainer(net, table, y, None, 8)


def test_more_threads_than_a_trainer_has_memory_for(dtype):
    table = make_table("levels", dtype=dtype.name)
    y = targets(300)[:, None].astype(dtype)
    params = []
    for n_threads in 1, 4:
        net = MLP([table.n_inputs, 64, 1], dtype=dtype, rng=0)
        trainer, moments = make_trainer(net, table, y, batch_size=256)
        trainer.run(n_threads, 10, np.empty(3))
        params.append(stored(net, trainer, moments)[0])
    assert_same_bits(*params)


def test_a_large_column_of_levels(dtype):
    n, levels = 2000, 30_000
    codes = np.arange(n)[:, None] * 7 % levels
    table = EncodedTable(codes=codes, n_categories=levels, dtype=dtype)
    y = targets(n).astype(dtype)
    net = MLP([levels, 4, 1], dtype=dtype, rng=0)
    before = net.weights[0].copy()
    history = net.fit(table, y, optimizer=Adam(0.05), epochs=30)
    assert history.loss[-1] < 0.5 * history.loss[0]
    unused = np.setdiff1d(np.arange(levels), codes)
    assert_same_bits(net.weights[0][unused], before[unused])


def test_a_training_that_diverges_names_the_cause():
    table = make_table("all", dtype="float32")
    y = targets(300)
    net = MLP([table.n_inputs, 9, 1], rng=0)
    with pytest.raises(fastnn.DivergenceError, match="Try a lower learning rate"):
        net.fit(table, y, optimizer=SGD(1e9), epochs=50, batch_size=300)
    assert np.isfinite(net.params).all()
    y[7] = np.nan
    with pytest.raises(fastnn.DivergenceError, match=r"y holds NaN .*row 7"):
        MLP([table.n_inputs, 9, 1], rng=0).fit(table, y)

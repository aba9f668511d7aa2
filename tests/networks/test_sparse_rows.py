"""Sparse rows as inputs of networks: the formats and dtypes of SciPy, and their errors."""

from functools import partial

import numpy as np
import pytest
from checks import assert_same_bits

import fastnn
from fastnn.core import sparse_rows
from fastnn.state import DivergenceError

sparse = pytest.importorskip("scipy.sparse", reason="sparse rows need SciPy")

RNG = np.random.default_rng(0)
X = np.where(RNG.uniform(size=(90, 7)) < 0.3, np.rint(3 * RNG.normal(size=(90, 7))), 0)
Y = RNG.normal(size=90)
FORMATS = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")


def net(dtype="float32"):
    return fastnn.MLP([7, 5, 1], "tanh", dtype=dtype, rng=0)


def each_format():
    for name in FORMATS:
        yield getattr(sparse, name + "_matrix")(X)
        yield getattr(sparse, name + "_array")(X)


def each_dtype():
    for dtype in ("float32", "float64", "longdouble", "int8", "int64", "uint16", "bool"):
        yield sparse.csr_array(np.abs(X).astype(dtype)), np.abs(X).astype(dtype)
    half = sparse.csr_array(X)
    half.data = half.data.astype("float16")
    yield half, X
    wide = sparse.csr_array(X)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    yield wide, X


def assert_like_dense(rows, dense, dtype="float32"):
    a, b = net(dtype), net(dtype)
    assert_same_bits(a.forward(rows), b.forward(dense))
    pair = [a.copy(), b.copy()]
    assert_same_bits(fastnn.forward_many(pair, rows), fastnn.forward_many(pair, dense))
    assert a.loss(rows, Y) == pytest.approx(b.loss(dense, Y), rel=1e-6)
    assert a.loss_and_grad(rows, Y) == pytest.approx(b.loss_and_grad(dense, Y), rel=1e-6)
    np.testing.assert_allclose(a.grads, b.grads, rtol=1e-5, atol=1e-7)
    for each, inputs in ((a, rows), (b, dense)):
        each.fit(inputs, Y, epochs=2, shuffle=False, validation_data=(inputs, Y))
        each.partial_fit(inputs, Y)
        fastnn.fit_many([each], inputs, Y, epochs=1, shuffle=False)
    assert_same_bits(a.params, b.params)


@pytest.mark.parametrize("rows", list(each_format()), ids=lambda rows: type(rows).__name__)
def test_every_format_gives_the_bits_of_dense_rows(rows):
    assert_like_dense(rows, X)
    assert_like_dense(rows, X, "float64")


@pytest.mark.parametrize("rows, dense", list(each_dtype()))
def test_every_dtype_gives_the_bits_of_dense_rows(rows, dense):
    before = rows.data.copy()
    assert_like_dense(rows, dense)
    assert_same_bits(rows.data, before)


def test_blocks_give_the_bits_of_dense_rows(monkeypatch):
    monkeypatch.setattr(sparse_rows, "BLOCK_BYTES", 32 * 7 * 4)
    blocks = sparse_rows.blocks(sparse.csr_array(X.astype("f4")))
    assert [len(block) for _, block in blocks] == [32, 32, 26]
    assert_like_dense(sparse.csr_array(X), X)
    out = np.empty((90, 1), "float32")
    assert net().forward(sparse.csr_array(X), out=out) is out
    assert_same_bits(out, net().forward(X))


def test_a_callback_may_change_the_rate_before_the_first_block():
    class Faster(fastnn.callbacks.Callback):
        def on_fit_begin(self, net, history):
            net.state.optimizer = fastnn.SGD(0.3)

    nets = [net() for _ in "abc"]
    rows = sparse.csr_array(X), X, X
    for each, of_net, more in zip(nets, rows, ({}, {}, dict(optimizer=fastnn.SGD(0.3)))):
        options = dict(optimizer=fastnn.SGD(0.1), callbacks=Faster()) | more
        each.fit(of_net, Y, epochs=2, **options)
    for each in nets[1:]:
        assert_same_bits(each.params, nets[0].params)


def test_repeated_entries_count_as_in_toarray():
    for dtype in (bool, float):
        coo = sparse.coo_array((np.ones(3, dtype), ([0, 0, 1], [2, 2, 3])), shape=(2, 7))
        csr = sparse.csr_array((np.ones(3, dtype), [2, 2, 3], [0, 2, 3]), shape=(2, 7))
        for rows in (coo, csr):
            assert_same_bits(net().forward(rows), net().forward(rows.toarray()))
            assert rows.nnz == 3  # the caller's matrix is as before


def test_only_what_does_not_fit_is_copied():
    same = sparse.csr_array(X)
    assert sparse_rows.check_sparse("X", same, np.dtype("float64"), 7) is same
    converted = sparse_rows.check_sparse("X", same, np.dtype("float32"), 7)
    assert converted.dtype == np.float32 and converted.format == "csr"
    assert np.shares_memory(converted.indices, same.indices)
    assert np.shares_memory(converted.indptr, same.indptr)


ERRORS = [
    (sparse.csr_array(X[:, :4]), ValueError, "X has 4 columns, but the network expects 7"),
    (sparse.csr_array(X.astype(complex)), TypeError, "X must hold numbers, got complex128"),
    (sparse.coo_array(X[0]), ValueError, r"X must have 2 dimensions .* \(shape \(7,\)\)"),
]


@pytest.mark.parametrize("rows, error, message", ERRORS)
def test_errors_name_the_argument_and_what_came(rows, error, message):
    calls = [partial(getattr(net(), name), rows, Y) for name in ("loss", "fit", "partial_fit")]
    calls += [partial(net().forward, rows), partial(fastnn.forward_many, [net()], rows)]
    for call in calls:
        with pytest.raises(error, match=message):
            call()


def test_gradients_of_sparse_inputs_are_refused():
    with pytest.raises(ValueError, match=r"keep=True needs an array.*X\.toarray\(\)"):
        net().forward(sparse.csr_array(X), keep=True)


def test_an_out_that_holds_the_values_of_x_is_refused():
    rows = sparse.csr_array(np.ones((2, 7), "float32"))
    with pytest.raises(ValueError, match="out overlaps"):
        net().forward(rows, out=rows.data[:2].reshape(2, 1))


def test_divergence_names_the_stored_value_that_is_not_finite():
    bad = X.copy()
    bad[40, 3] = np.nan
    with pytest.raises(DivergenceError, match=r"NaN or infinity \(first in row 40, column 3"):
        net().fit(sparse.csc_array(bad), Y, epochs=1)
    y = Y.copy()
    y[7] = np.inf
    with pytest.raises(
        DivergenceError, match=r"y holds NaN or infinity \(first in row 7, column 0\)\."
    ):
        net().fit(sparse.csr_array(X), y, epochs=1)

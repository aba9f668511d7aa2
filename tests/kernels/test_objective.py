"""Features of the kernels for the estimators: alpha, scales of loss and gradient, patience, and
finite checks."""

from dataclasses import replace

import numpy as np
import pytest
from checks import assert_same_bits
from instruction_sets import WITH_FMA, using
from table_cases import make_table, targets
from trainers import make_trainer

from fastnn import MLP, SGD, Adam, kernels, losses
from fastnn.kernels import Stop
from fastnn.network import split_layers
from fastnn.training.data import Data

SIZES = [[7, 1], [7, 20, 1], [33, 70, 19, 3], [100, 5], [40, 3]]


def make_problem(sizes, dtype, alpha, n=90, weighted=False, loss="mse", seed=0):
    """A network, and random rows and targets for it."""
    rng = np.random.default_rng(seed)
    net = MLP(sizes, "tanh", dtype=dtype, rng=seed)
    w = rng.integers(0, 3, n).astype(dtype) if weighted else None
    X, y = rng.normal(size=(n, sizes[0])), rng.normal(size=(n, sizes[-1]))
    return net, replace(Data.of(net, X, y, losses.resolve_loss(loss, "identity"), w), alpha=alpha)


def trained(net, problem, optimizer, batch_size, epochs=3, n_threads=1, patience=None):
    """Train; return parameters, losses, and why the training ended."""
    trainer = problem.trainer(net, batch_size, optimizer=optimizer.to_kernel(), n_threads=n_threads)
    moments = np.zeros((optimizer.n_moments, net.n_params), net.dtype)
    trainer.load(moments)
    if patience is not None:
        trainer.set_stopping(*patience, running_best=True)
    found = np.full(epochs, np.nan)
    why = trainer.run(n_threads, 60.0, found)
    trainer.store(moments)
    return net.params.copy(), found, why


def weight_squares(net):
    return sum((W.astype(float) ** 2).sum() for W in net.weights)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_alpha_is_an_l2_penalty_divided_by_the_rows_of_a_batch(
    isa, dtype, sizes, weighted, tolerance
):
    for optimizer in (SGD(0.1), Adam(0.01)):
        net, problem = make_problem(sizes, dtype, 0.7, weighted=weighted)
        total = 90 if not weighted else float(problem.sample_weight.sum())
        first = weight_squares(net)
        params, losses_, _ = trained(net, problem, optimizer, 90)
        other, plain = make_problem(sizes, dtype, 0.0, weighted=weighted)
        expected, without, _ = trained(other, plain, replace(optimizer, l2=0.7 / total), 90)
        np.testing.assert_array_equal(params, expected)
        assert losses_[0] - without[0] == pytest.approx(0.7 / 2 * first / total, rel=50 * tolerance)


@pytest.mark.parametrize(("layout", "width"), [
    ("all", (9,)), ("numbers", ()), ("codes", (40,)), ("levels", (40,)),
    *(("wide", (n,)) for n in (2, 3, 4, 5, 9, 10)),  # narrow layers, on some instruction sets
])  # fmt: skip
def test_alpha_of_a_table_is_that_of_dense_inputs(isa, dtype, layout, width, tolerance):
    table, y, found = make_table(layout, 90, dtype=dtype.name), targets(90), []
    for X in (table, table.to_dense()):
        net = MLP([table.n_inputs, *width, 1], "tanh", dtype=dtype, rng=0)
        rows = Data.of(net, X, y, losses.resolve_loss("mse", "identity"), None)
        found.append(trained(net, replace(rows, alpha=0.7), SGD(0.05), 40))
    for a, b in zip(found[0][:2], found[1][:2]):
        np.testing.assert_allclose(a, b, rtol=200 * tolerance, atol=20 * tolerance)


def test_alpha_over_batches_of_different_size(isa, dtype, tolerance):
    """The last batch has 26 of 90 rows, so each of its rows has a larger share of the penalty."""
    sizes, rate = [7, 20, 2], 0.05
    net, problem = make_problem(sizes, dtype, 0.7)
    params, found, _ = trained(net, problem, SGD(rate), 32, epochs=1)
    net, problem = make_problem(sizes, dtype, 0.0)
    sum_, w = 0.0, np.ones(net.n_params)
    for b in split_layers(w, net.layer_sizes, net.bias)[1]:
        b[:] = 0
    for rows in (slice(0, 32), slice(32, 64), slice(64, 90)):
        n = len(problem.X[rows])
        loss = net.loss_and_grad(problem.X[rows], problem.targets[rows])
        sum_ += n * loss + 0.35 * weight_squares(net)
        net.params -= rate * (net.grads + 0.7 / n * w * net.params)
    np.testing.assert_allclose(params, net.params, rtol=200 * tolerance, atol=20 * tolerance)
    assert found[0] == pytest.approx(sum_ / 90, rel=50 * tolerance)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_penalised_losses_have_the_same_bits_everywhere(dtype, sizes):
    """Any number of threads, and every instruction set with a fused multiply-add."""
    found = []
    for name in WITH_FMA:
        for n_threads in (1, 2, 3):
            with using(name):
                net, problem = make_problem(sizes, dtype, 0.7, n=600)
                found.append(trained(net, problem, Adam(0.01), 300, n_threads=n_threads)[:2])
            assert_same_bits(found[-1], found[0], f"{name}, {n_threads} threads")


def test_scales_of_loss_and_gradient(isa, dtype, tolerance):
    net, problem = make_problem([7, 20, 3], dtype, 0.3)
    first, start = weight_squares(net), net.copy()
    plain = start.loss(problem.X, problem.targets)
    options = problem.loss_options | dict(loss_scale=0.5, gradient_scale=1.5)
    scaled = replace(problem, loss_options=options)
    params, found, _ = trained(net, scaled, SGD(0.1), 90, epochs=1)
    assert found[0] == pytest.approx(plain / 2 + 0.15 * first / 90, rel=50 * tolerance)
    start.loss_and_grad(problem.X, problem.targets)
    expected = start.params - 0.1 * 1.5 * start.grads
    (Ws, bs), (Vs, cs) = (split_layers(p, net.layer_sizes) for p in (params, expected))
    for W, b, V, c in zip(Ws, bs, Vs, cs):
        np.testing.assert_allclose(b, c, rtol=200 * tolerance, atol=20 * tolerance)
        assert not np.allclose(W, V, rtol=0, atol=1e-6)  # these have the penalty's part besides
    # without penalty
    assert scaled.evaluator(start)() == pytest.approx(plain / 2, rel=50 * tolerance)


def test_a_custom_loss_has_the_penalty_too(dtype, tolerance):
    def squared(outputs, y):
        return float(((outputs - y) ** 2).mean()), 2 * (outputs - y) / outputs.size

    found = []
    for loss in ("mse", squared):
        net, problem = make_problem([7, 9, 2], dtype, 0.4, loss=loss)
        found.append(trained(net, problem, SGD(0.1), 40)[1])
    np.testing.assert_allclose(*found, rtol=50 * tolerance)


# ---- patience ----


def rule(losses_, patience, tolerance, best=np.inf):
    """The number of epochs after which it stops, or None."""
    worse = 0
    for epoch, loss in enumerate(losses_, 1):
        worse = worse + 1 if loss > best - tolerance else 0
        best = min(best, loss)
        if worse >= patience:
            return epoch
    return None


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(("patience", "tolerance"), [(1, 0.0), (3, 1e-3), (2, 1e-2), (5, 0.0)])
def test_training_stops_when_the_loss_does_not_improve(isa, patience, tolerance, n_threads):
    settings = dict(optimizer=SGD(0.3, momentum=0.9), batch_size=32, epochs=300)
    whole = trained(*make_problem([7, 20, 1], "float64", 0.0), **settings)[1]
    expected = rule(whole, patience, tolerance)
    assert expected is not None
    settings |= dict(n_threads=n_threads, patience=(patience, tolerance, np.inf))
    _, found, why = trained(*make_problem([7, 20, 1], "float64", 0.0), **settings)
    assert why == Stop.CONVERGED and np.isfinite(found).sum() == expected
    np.testing.assert_array_equal(found[:expected], whole[:expected])


def test_patience_counts_over_slices_and_from_a_known_best_loss():
    net, problem = make_problem([7, 20, 1], "float64", 0.0)
    trainer = problem.trainer(net, 90, optimizer=SGD(0.0).to_kernel())  # the loss stays
    trainer.load()
    trainer.set_stopping(4, 1e-6, np.inf, running_best=True)
    whys = [trainer.run(1, 1.0, np.empty(2)) for _ in range(3)]
    assert whys == [Stop.EPOCHS, Stop.EPOCHS, Stop.CONVERGED] and trainer.position()[1] == 5
    trainer.set_stopping(1, 0.0, 0.0, running_best=True)
    assert trainer.run(1, 1.0, np.empty(9)) == Stop.CONVERGED and trainer.position()[1] == 6
    trainer.set_stopping(0, 0.0, 0.0, running_best=True)
    assert trainer.run(1, 1.0, np.empty(9)) == Stop.EPOCHS


@pytest.mark.parametrize(("tolerance", "epochs"), [(0.0, 9), (0.25, 3)])
def test_an_equal_loss_counts_as_no_improvement_only_with_a_tolerance(tolerance, epochs):
    """A loss of exactly best - tolerance counts as no improvement only if tolerance is above 0."""
    net = MLP([2, 1], "identity", dtype="float64", rng=0)
    net.params[:] = 0
    trainer, _ = make_trainer(net, np.ones((4, 2)), np.ones((4, 1)), SGD(0.0), 2)
    stops = Stop.EPOCHS if epochs == 9 else Stop.CONVERGED
    found = np.full(9, np.nan)
    trainer.set_stopping(2, tolerance, np.inf, running_best=True)
    assert trainer.run(1, 60.0, found) == stops and found[:epochs].tolist() == [1.0] * epochs
    np.testing.assert_array_equal(found[epochs:], np.nan)
    # exactly the best loss less the tolerance: once no worse, then a best of its own
    trainer.set_stopping(1, tolerance, 1.0 + tolerance, running_best=True)
    assert trainer.run(1, 60.0, np.empty(1)) == Stop.EPOCHS
    assert trainer.run(1, 60.0, np.empty(1)) == stops
    # the next smaller number is worse
    trainer.set_stopping(1, tolerance, np.nextafter(1.0 + tolerance, 0.0), running_best=True)
    assert trainer.run(1, 60.0, np.empty(1)) == Stop.CONVERGED


def test_the_last_epoch_is_validated_too():
    net, problem = make_problem([7, 20, 1], "float64", 0.0)
    validation = problem.trainer(net, 90)
    trainer, _ = make_trainer(net, problem.X, problem.targets, SGD(0.0), validation=validation)
    trainer.set_stopping(2, 1e-6, np.inf, running_best=True)


# ---- NaN and inf ----


def test_multiply_adds_computes_at_least_as_many_as_requested(isa, dtype):
    for n in 1, 1000, 100_000:
        x = np.array([2, 0], dtype)
        assert n <= kernels.multiply_adds(x, n) <= n + 12 * 16
        assert not np.isfinite(x[0]) or x[0] > 66  # twelve chains, each at least doubled


def test_all_finite_finds_one_bad_number_anywhere(isa, dtype):
    for n in [*range(70), 257]:
        x = np.full(n, np.finfo(dtype).max)
        assert kernels.all_finite(x)
        for i in range(n):
            for bad in (np.nan, np.inf, -np.inf):
                x[i] = bad
                assert not kernels.all_finite(x)
            x[i] = -np.finfo(dtype).max


def test_forward_finite_returns_None_unless_all_inputs_are_finite(isa, dtype):
    net = MLP([5, 8, 2], dtype=dtype, rng=0)
    for n in (0, 1, 70):
        X = np.random.default_rng(0).normal(size=(n, 5)).astype(dtype)
        np.testing.assert_array_equal(net._forward_finite(X), net.forward(X))
    other = np.dtype("float64" if dtype == "float32" else "float32")
    wrong = X.tolist(), np.asfortranarray(X), X[:, :4].copy(), X[0], X[::2]
    for X_wrong in (*wrong, X.astype(other), X.astype(X.dtype.newbyteorder())):
        assert net._forward_finite(X_wrong) is None
    for bad in (np.nan, np.inf):
        X[69, 4] = bad
        assert net._forward_finite(X) is None

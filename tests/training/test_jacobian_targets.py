"""Training on derivatives: `fit` with dy and with custom losses, compared with the reference, and its bits."""

import functools

import cases
import numpy as np
import pytest
from checks import assert_same_bits, central_difference
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from instruction_sets import assert_same_on_every_variant
from interrupt import interrupted, sigint_interrupts  # noqa: F401 - for all tests here
from scale import scaled
from small_training import check_fit, half_squares, squared

import fastnn
from fastnn import SGD, Adam, EarlyStopping, EncodedTable, kernels, losses, reference, schedules
from fastnn.activations import ACTIVATIONS, HIDDEN
from fastnn.losses import CustomLoss

OUTPUTS = [name for name in ACTIVATIONS if name != "softmax"]


def surrogate(
    sizes=(5, 20, 12, 3), n=90, d=None, dtype="float64", output="identity", hidden="tanh"
):
    """A network, rows, targets, and derivatives of which some are unknown."""
    rng = np.random.default_rng(3)
    net = fastnn.MLP(list(sizes), hidden, output, dtype=dtype, rng=0)
    net.params += rng.normal(size=net.n_params).astype(dtype) * 0.1
    X, y = rng.normal(size=(n, sizes[0])), rng.uniform(size=(n, sizes[-1]))
    dy = rng.normal(size=(n, sizes[-1], sizes[0] if d is None else d))
    dy[rng.uniform(size=dy.shape) < 0.2] = np.nan
    dy[4:5] = np.nan
    return net, *(a.astype(dtype) for a in (X, y, dy))


def csr_matrix(X):
    return pytest.importorskip("scipy.sparse", reason="sparse rows need SciPy").csr_matrix(X)


def assert_same_fit(net, history, other, wanted, rtol=1e-9, atol=1e-11):
    """Compare a network that was trained with another one, and with the losses of that."""
    np.testing.assert_allclose(history.loss, wanted, rtol=rtol / 10, atol=atol / 10)
    np.testing.assert_allclose(net.params, other.params, rtol=rtol, atol=atol)


# ---- the reference -------------------------------------------------------------------------------
@st.composite
def trainings(draw):
    """Sizes, activations, rows, batch, and inputs of the targets."""
    width = st.one_of(st.integers(1, 40), st.sampled_from([1, 16, 17, 32, 64, 70, 130]))
    sizes = [draw(width) for _ in range(draw(st.integers(2, 4)))]
    bounded = st.sampled_from([name for name in HIDDEN if name != "exponential"])
    hidden = [draw(bounded) for _ in sizes[2:]]
    n = draw(st.sampled_from([1, 3, 16, 33, 64, 70, 150]))
    inputs = draw(st.permutations(range(sizes[0])))[: draw(st.integers(1, min(9, sizes[0])))]
    batch = draw(st.sampled_from([1, 10, 32, n, 200]))
    return sizes, hidden, draw(st.sampled_from(OUTPUTS)), n, batch, inputs, draw(st.booleans())


@pytest.mark.spread(1)
@given(case=trainings(), threads=st.sampled_from([1, 1, 3]))
@settings(max_examples=scaled(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_fit_is_that_of_the_reference(isa, case, threads):
    sizes, hidden, output, n, batch, inputs, has_values = case
    net, X, y, dy = surrogate(sizes, n, len(inputs), output=output, hidden=hidden)
    dy[0, 0, 0] = 0.5
    w = np.arange(n) % 3 + 0.5
    other, y = net.copy(), y if has_values else None
    arrays = list(other.weights), list(other.biases), other.activations
    options = dict(dy=dy, dy_weight=0.3, dy_inputs=inputs, sample_weight=w)
    with np.errstate(all="ignore"):
        wanted = reference.fit(X, y, *arrays, "mse", "sgd", 0.01, 2, batch, **options)
    assume(np.isfinite(other.params).all() and max(wanted) < 1e4)  # exponential outputs diverge
    arguments = X, y, "mse" if has_values else None, SGD(0.01), 2, batch, False
    assert_same_fit(net, net.fit(*arguments, n_threads=threads, **options), other, wanted)


@pytest.mark.parametrize("threads", [1, 3])
def test_few_outputs_of_a_first_layer_with_many_inputs(isa, threads):
    """Only the transpose of its weights is stored."""
    net, X, y, dy = surrogate((70, 4, 2), n=150, d=3)
    other = net.copy()
    arrays = list(other.weights), list(other.biases), other.activations
    options = dict(dy=dy, dy_inputs=[69, 0, 17])
    wanted = reference.fit(X, y, *arrays, "mse", "sgd", 0.01, 2, 150, **options)
    history = net.fit(X, y, "mse", SGD(0.01), 2, 150, False, n_threads=threads, **options)
    assert_same_fit(net, history, other, wanted)


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_in_a_step_leaves_a_whole_one(threads):
    net, X, y, dy = surrogate((8, 300, 300, 1), n=2000, dtype="float32")
    other, options = net.copy(), dict(dy=dy, batch_size=None, shuffle=False, n_threads=threads)
    interrupted(net.fit, 0.3, X, y, epochs=10**6, **options)
    if net.state:
        other.fit(X, y, epochs=net.state.step, **options)
    assert_same_bits(net.params, other.params)


NEEDS = ["jacobian", "hessian_diagonal", "laplacian"]
ALL = CustomLoss(half_squares, NEEDS)
SUMS = CustomLoss(half_squares, "laplacian")


def steps_of_reference(net, X, y, needs, inputs, epochs, batch):
    """Change the parameters by steps of SGD(0.01) on `half_squares`; return the losses."""
    history, layers = [], (list(net.weights), list(net.biases), net.activations)
    for _ in range(epochs):
        total = 0.0
        for first in range(0, len(X), batch):
            rows = slice(first, first + batch)
            arguments = X[rows], y[rows], half_squares, needs, *layers, inputs
            L, dW, db = reference.custom_loss_and_grad(*arguments)
            for p, slope in zip((*layers[0], *layers[1]), (*dW, *db)):
                p -= 0.01 * slope
            total += L * len(X[rows])
        history.append(total / len(X))
    return history


@given(case=trainings(), needs=st.sets(st.sampled_from(NEEDS)), threads=st.sampled_from([1, 1, 3]))
@settings(max_examples=scaled(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_fit_with_a_custom_loss_is_that_of_the_reference(isa, case, needs, threads):
    sizes, hidden, output, n, batch, inputs, _ = case
    net, X, y, _ = surrogate(sizes, n, output=output, hidden=hidden)
    net.params *= 0.7
    other, needs = net.copy(), sorted(needs)
    with np.errstate(all="ignore"):
        wanted = steps_of_reference(other, X, y, needs, inputs, 2, batch)
    assume(np.isfinite(other.params).all() and max(map(abs, wanted)) < 1e4)
    loss = CustomLoss(half_squares, needs, inputs if needs else None)
    history = net.fit(X, y, loss, SGD(0.01), 2, batch, False, n_threads=threads)
    assert_same_fit(net, history, other, wanted, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("loss", [ALL, SUMS])
@pytest.mark.parametrize("hidden", [name for name in HIDDEN if not cases.ACTIVATIONS[name].kinked])
def test_gradients_of_a_network_are_finite_differences(hidden, loss, isa):
    net, X, y, _ = surrogate((3, 7, 4, 2), 20, hidden=hidden)
    net.params *= 0.5
    v = np.random.default_rng(1).normal(size=net.n_params)
    net.loss_and_grad(X, y, loss)

    def loss_at(params):
        net.params = params
        return net.loss(X, y, loss)

    expected = central_difference(loss_at, net.params.copy(), v)
    assert net.grads @ v == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("optimizer", [*cases.STEPS.values()])
def test_a_custom_loss_trains_like_the_compiled_one(optimizer, isa):
    net, X, y, dy = surrogate()
    dy = np.nan_to_num(dy)
    other, targets = net.copy(), np.concatenate([y[:, :, None], dy], axis=2)

    def errors(outputs, y, jacobian):
        d, e = outputs - y[:, :, 0], jacobian - y[:, :, 1:]
        return np.mean(d**2) + np.mean(e**2) / 2, 2 * d / d.size, e / e.size

    net.fit(X, targets, CustomLoss(errors, "jacobian"), optimizer(), 3, 32, rng=0)
    other.fit(X, y, "mse", optimizer(), 3, 32, rng=0, dy=dy, dy_weight=0.5)
    np.testing.assert_allclose(net.params, other.params, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("optimizer", [*cases.STEPS.values()])
def test_every_optimizer(optimizer, isa):
    net, X, y, dy = surrogate()
    derivatives = dict(dy=dy, dy_weight=0.5)
    check_fit(net, X, y, "mse", optimizer(), 3, 32, moves=1e-6, derivatives=derivatives)


@pytest.mark.parametrize("hidden", ["tanh", "relu", "gelu", ["silu", "leaky_relu"]])
@pytest.mark.parametrize("output", OUTPUTS)
def test_jacobians_of_few_outputs(hidden, output, isa):
    net, X, y, dy = surrogate((7, 20, 12, 2), output=output, hidden=hidden)
    net.params *= 0.7
    check_fit(net, X, y, "mse", SGD(0.01), 3, 32, moves=0, derivatives=dict(dy=dy))


@pytest.mark.parametrize("sizes", [(4, 1), (2, 1, 1), (40, 17, 1), (30, 64, 33, 3), (130, 70, 6)])
@pytest.mark.parametrize("batch", [1, 33, 90])
def test_jacobians_of_few_outputs_of_any_sizes(sizes, batch, isa):
    net, X, y, dy = surrogate(sizes)
    net.params *= 0.7
    inputs = np.random.default_rng(0).permutation(sizes[0])
    derivatives = dict(dy=dy, dy_weight=0.5, dy_inputs=inputs)
    check_fit(net, X, y, "mse", SGD(0.01), 2, batch, moves=1e-6, derivatives=derivatives)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "log_cosh", "quantile", "gaussian_nll"])
def test_every_loss_of_the_outputs(loss, isa):
    net, X, y, dy = surrogate((5, 20, 4))
    y = y[:, :2] if loss == "gaussian_nll" else y
    check_fit(net, X, y, loss, SGD(0.05), 3, 32, derivatives=dict(dy=dy, dy_weight=0.5))


def test_options_of_an_optimizer(isa):
    net, X, y, dy = surrogate()
    options = dict(l1=0.01, l2=0.1, clip_norm=0.5, average=0.9)
    check_fit(net, X, y, "mse", Adam(0.01, **options), 3, 32, derivatives=dict(dy=dy), **options)


@pytest.mark.parametrize("objective", [None, ALL, SUMS])
def test_float32_is_close_to_float64(objective, isa):
    net, X, y, dy = surrogate(dtype="float32")
    double, *_ = surrogate()
    double.params = net.params
    for each in (net, double):
        each.fit(X, y, objective, SGD(0.01), rng=0, dy=dy if objective is None else None)
    np.testing.assert_allclose(net.params, double.params, rtol=1e-4, atol=1e-5)


# ---- bits ----------------------------------------------------------------------------------------
def trained(loss=None, change=lambda net, fit: fit(), sizes=(5, 40, 33, 3), **options):
    """All numbers that a training leaves, with dy or a custom loss."""
    net, X, y, dy = surrogate(sizes, 300, None, "float32")
    settings = dict(optimizer=Adam(0.01), epochs=4, batch_size=70, loss=loss, rng=1) | options
    settings["dy"] = dy if loss is None else None
    history = change(net, lambda **more: net.fit(X, y, **settings | more))
    return net.params.copy(), net.state.moments.copy(), history.loss, history.val_loss


LOSSES = pytest.mark.parametrize("loss", [None, ALL, SUMS], ids=["dy", "all", "sums"])
SIZES = [(5, 40, 33, 3), (4, 3, 1), (3, 1), (8, 30, 1, 6), (8, 40, 33, 2)]


@LOSSES
@pytest.mark.parametrize("sizes", SIZES)
def test_the_same_bits_on_any_threads(isa, sizes, loss):
    alone = trained(loss, sizes=sizes)
    for n in (2, 3, 7):
        assert_same_bits(trained(loss, sizes=sizes, n_threads=n), alone)


@LOSSES
def test_the_same_bits_on_instruction_sets_with_fused_multiply_add(loss):
    assert_same_on_every_variant(lambda: trained(loss, optimizer=SGD(0.01)))


def resumed(net, fit):
    """Stop within an epoch, and continue."""
    parts = [fit(max_steps=7), fit(resume=True, epochs=3, rng=None)]
    parts[-1].loss[:0] = parts[0].loss
    return parts[-1]


@LOSSES
def test_a_training_that_stops_and_continues_has_the_same_bits(isa, loss):
    assert_same_bits(trained(loss, change=resumed), trained(loss))


@LOSSES
def test_a_slice_of_one_epoch_has_the_same_bits(isa, loss):
    assert_same_bits(trained(loss, callbacks=lambda net, history: None), trained(loss))


@pytest.mark.parametrize("loss", [ALL, SUMS])
def test_one_batch_of_many_chunks_is_like_one_of_the_reference(isa, loss):
    net, X, y, _ = surrogate(n=700)
    other = net.copy()
    wanted = steps_of_reference(other, X, y, loss.needs, None, 2, 700)
    assert_same_fit(net, net.fit(X, y, loss, SGD(0.01), 2, None, n_threads=3), other, wanted)


def test_partial_fit_is_an_epoch_in_order(isa):
    net, X, y, dy = surrogate(dtype="float32")
    some = dict(dy=dy[:, :, :2], dy_inputs=[0, 1], dy_weight=2)
    for targets, derivatives in ((y, some), (None, dict(dy=dy))):  # derivatives alone, too
        once, twice, options = net.copy(), net.copy(), dict(optimizer=Adam(0.01), **derivatives)
        for _ in range(2):
            twice.partial_fit(X, targets, **options)
        once.fit(X, targets, epochs=2, shuffle=False, **options)
        assert_same_bits(twice.params, once.params)


# ---- options -------------------------------------------------------------------------------------
def loss_of(net, X, y, dy, w=None, weight=1.0):
    layers = net.weights, net.biases, net.activations
    value = 0 if y is None else reference.loss_and_grad(X, y, *layers, "mse", w)[0]
    return value + weight * reference.jacobian_loss_and_grad(X, dy, *layers, w)[0]


def test_validation_is_the_same_loss(isa):
    net, X, y, dy = surrogate(n=200)
    train, rest, w = slice(0, 90), slice(90, 200), np.arange(110) % 3 + 1.0
    options = dict(epochs=1, dy=dy[train], validation_data=(X[rest], y[rest], w, dy[rest]))
    history = net.fit(X[train], y[train], dy_weight=0.5, n_threads=2, **options)
    assert history.val_loss == [pytest.approx(loss_of(net, X[rest], y[rest], dy[rest], w, 0.5))]
    options["validation_data"] = X[rest], None, None, dy[rest]
    history = net.fit(X[train], None, **options)
    assert history.val_loss == [pytest.approx(loss_of(net, X[rest], None, dy[rest]))]


def test_a_validation_of_a_custom_loss_is_its_value(isa):
    net, X, y, _ = surrogate(n=100)
    for loss in (ALL, CustomLoss(half_squares, ["laplacian", "jacobian"], [3, 0])):
        rows = X[:60], y[:60]
        history = net.fit(X, y, loss, SGD(0.001), 1, validation_data=rows)
        layers = net.weights, net.biases, net.activations, loss.inputs
        wanted, *_ = reference.custom_loss_and_grad(*rows, half_squares, loss.needs, *layers)
        assert history.val_loss == [pytest.approx(wanted)]
        assert net.loss(*rows, loss) == history.val_loss[0]


STOPPED = [(ALL, 0.01, 300), (None, schedules.CosineDecay(0.05, 20), 200)]


@pytest.mark.parametrize(("loss", "lr", "epochs"), STOPPED, ids=["custom", "dy"])
def test_early_stopping_and_schedules(isa, loss, lr, epochs):
    net, X, y, dy = surrogate(n=100)
    options = dict(validation_fraction=0.3, callbacks=EarlyStopping(patience=3))
    history = net.fit(X, y, loss, Adam(lr), epochs, dy=None if loss else dy, **options)
    assert history.n_epochs < epochs
    assert net.state.best.loss == min(history.val_loss)


def test_other_calls_that_train_take_the_custom_loss():
    net, X, y, _ = surrogate(n=70)
    others = [net.copy() for _ in range(3)]
    net.fit(X, y, ALL, SGD(0.01), 1, shuffle=False)
    others[0].partial_fit(X, y, ALL, SGD(0.01))
    others[1].fit([(X[:30], y[:30]), (X[30:], y[30:])], None, ALL, SGD(0.01), 1, shuffle=False)
    fastnn.fit_many(others[2:], X, y, ALL, SGD(0.01), 1, shuffle=False)
    for other in others:
        assert_same_bits(net.params, other.params)


def test_held_out_rows_have_their_derivatives(isa):
    net, X, y, dy = surrogate(n=100)
    seen, options = [], dict(epochs=2, validation_fraction=0.3)
    history = net.fit(X, y, dy=dy, callbacks=lambda net, h: seen.append(net.copy()), **options)
    rows = np.random.default_rng(net.state.split_seed).permutation(100)[:30]
    for each, loss in zip(seen, history.val_loss):
        assert loss == pytest.approx(loss_of(each, X[rows], y[rows], dy[rows]))


def test_unknown_derivatives_change_nothing(isa):
    """Of inputs that all rows lack, beside the mean over those that are known."""
    net, X, y, dy = surrogate()
    dy[:, :, 1:3] = np.nan
    other = net.copy()
    net.fit(X, y, dy=dy, rng=0)
    other.fit(X, y, dy=dy[:, :, [4, 0, 3]], dy_inputs=[4, 0, 3], rng=0)
    np.testing.assert_allclose(net.params, other.params, rtol=1e-10, atol=1e-12)


def test_the_class_of_the_loss_weighs_both_parts():
    net, X, y, dy = surrogate()
    twins = net.copy(), net.copy()
    net.fit(X, y, losses.Derivatives("huber", weights=(1.0, 0.25)), dy=dy, rng=0)
    twins[0].fit(X, y, "huber", dy=dy, dy_weight=0.25, rng=0)
    assert_same_bits(net.params, twins[0].params)
    twins[1].fit(X, y, losses.Derivatives(weights=(0.0, 1.0)), dy=dy, rng=0)
    other, *_ = surrogate()
    other.fit(X, None, dy=dy, rng=0)
    assert_same_bits(twins[1].params, other.params)


def test_one_output_takes_a_matrix():
    net, X, y, dy = surrogate((5, 20, 1))
    other = net.copy()
    net.fit(X, y, dy=dy[:, 0], rng=0)
    other.fit(X, y, dy=dy, rng=0)
    assert_same_bits(net.params, other.params)


def test_derivatives_are_learned_from_few_points():
    """A sine from 6 points: with their slopes, the error elsewhere is far smaller."""
    X = np.linspace(-3, 3, 6)[:, None]
    grid = np.linspace(-3, 3, 101)[:, None]
    errors = []
    for options in ({}, dict(dy=np.cos(X))):
        net = fastnn.MLP([1, 16, 16, 1], "tanh", rng=0)
        net.fit(X, np.sin(X), optimizer=Adam(0.01), epochs=2000, batch_size=None, **options)
        errors.append(np.abs(net.forward(grid) - np.sin(grid)).max())
    assert errors[1] < errors[0] / 3


# ---- errors --------------------------------------------------------------------------------------
def fails(message, kind=ValueError, sizes=(3, 4, 2), output="identity", dropout=0.0, **options):
    net, X, y, dy = surrogate(sizes, 8, output=output)
    net.dropout = dropout
    for name in filter(lambda name: callable(options[name]), options):
        options[name] = options[name](X, y, dy)
    with pytest.raises(kind, match=message):
        net.fit(**dict(X=X, y=y, dy=dy) | options)
    assert net.state is None


ERRORS = {
    "shape": (r"dy must have shape \(8, 2, 3\), rows x outputs x inputs, got \(8, 2\)", dict(dy=lambda X, y, dy: dy[:, :, 0])),
    "shape for one output": (r"\(8, 1, 3\) or \(8, 3\), rows", dict(sizes=(3, 4, 1), dy=lambda X, y, dy: X[:5])),
    "rows": (r"dy must have shape \(8, 2, 3\)", dict(dy=lambda X, y, dy: dy[:7])),
    "all unknown": ("dy is NaN everywhere", dict(dy=lambda X, y, dy: dy * np.nan)),
    "inputs": (r"dy must have shape \(8, 2, 1\)", dict(dy_inputs=[1])),
    "wrong input": ("dy_inputs must be numbers from 0 to 2, got 3", dict(dy_inputs=[3])),
    "an input twice": ("dy_inputs must name each input once", dict(dy_inputs=[0, 1, -2])),
    "weight": ("dy_weight must be", dict(dy_weight=-1)),
    "both weights": ("dy_weight and losses.Derivatives both", dict(dy_weight=1, loss=losses.Derivatives())),
    "weight alone": ("dy_weight is for derivatives, but there are none", dict(dy=None, dy_weight=1)),
    "inputs alone": ("dy_inputs is for derivatives", dict(dy=None, dy_inputs=[0])),
    "loss alone": ("losses.Derivatives is for derivatives", dict(dy=None, loss=losses.Derivatives())),
    "no y, but a loss": ("loss is that of y, but y is None", dict(y=None, loss="mae")),
    "classes": ("dy does not work with the loss 'bce'", dict(output="sigmoid")),
    "counts": ("dy does not work with the loss 'poisson'", dict(output="exponential")),
    "custom loss": ("dy does not work with the loss 'custom loss'", dict(loss=lambda X, y, dy: squared)),
    "softmax": ("dy does not work with output='softmax'", dict(output="softmax")),
    "dropout": ("dy does not work with dropout", dict(dropout=0.5)),
    "L-BFGS": ("dy does not work with L-BFGS", dict(optimizer="lbfgs")),
    "shards": ("dy does not work with comm, shards", dict(shards=2)),
    "validation without dy": (
        r"validation_data must be \(X, y, sample_weight, dy\), with dy, got 2 parts",
        dict(validation_data=lambda X, y, dy: (X, y)),
    ),
    "validation of another shape": (
        r"validation_data: dy must have shape \(8, 2, 3\)",
        dict(validation_data=lambda X, y, dy: (X, y, None, dy[:3])),
    ),
    "sparse rows": ("X must be an array", dict(kind=TypeError, X=lambda X, y, dy: csr_matrix(X))),
    "a table": ("X must be an array", dict(kind=TypeError, X=lambda X, y, dy: EncodedTable(X))),
    "a path": ("dy does not work with a path", dict(X="rows.parquet", y="y")),
    "text": ("dy must hold numbers", dict(kind=TypeError, dy="slope")),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_wrong_arguments(case):
    message, options = ERRORS[case]
    fails(message, **options)


def test_infinite_targets_are_named():
    net, X, y, dy = surrogate(dtype="float32")
    dy[2, 1, 0] = np.inf
    message = r"dy holds NaN or infinity \(first in row 2, column 1\)"
    with pytest.raises(fastnn.DivergenceError, match=message):
        net.fit(X, y, dy=dy)


CUSTOM_ERRORS = {
    "softmax": ("does not work with output='softmax'", dict(output="softmax")),
    "dropout": (r"CustomLoss with needs=\('jacobian', .* does not work with dropout", dict(dropout=0.5)),
    "L-BFGS": ("does not work with L-BFGS", dict(optimizer="lbfgs")),
    "shards": ("does not work with a custom loss", dict(shards=4)),
    "weights": ("sample_weight does not work with a custom loss", dict(sample_weight=np.ones(8))),
    "dy": ("dy does not work with the loss 'custom loss'", dict(dy=np.ones((8, 2, 3)))),
    "wrong input": ("inputs of CustomLoss must be numbers from 0 to 2, got 3", dict(inputs=[0, 3])),
    "an input twice": ("inputs of CustomLoss must name each input once", dict(inputs=[0, 0])),
    "no inputs": ("inputs of CustomLoss must be a sequence", dict(inputs=[])),
    "one output": (r"must return a tuple \(value, d_outputs, d_jacobian, d_hessian_diagonal, d_laplacian\), got tuple of 2",
        dict(function=lambda u, *others: (0.0, u))),
    "no tuple": ("d_laplacian\\), got float",
        dict(function=lambda *arrays: 0.0)),
    "shape of the outputs": (r"d_outputs of shape \(8, 2\), like the outputs, got \(8,\)",
        dict(function=lambda u, y, *d: (0.0, u[:, 0], *d))),
    "shape of the Jacobian": (r"d_jacobian of shape \(8, 2, 3\), like the jacobian, got \(8, 2\)",
        dict(function=lambda u, y, j, *d: (0.0, u, u, *d))),
    "shape of the diagonal": (r"d_hessian_diagonal of shape \(8, 2, 3\), .* got \(\)",
        dict(function=lambda u, y, j, h, s: (0.0, u, j, 0.0, s))),
    "shape of the Laplacian": (r"d_laplacian of shape \(8, 2\), .* got \(8, 2, 3\)",
        dict(function=lambda u, y, j, h, s: (0.0, u, j, h, h))),
    "a gradient of text": ("d_jacobian of the custom loss must hold numbers",
        dict(function=lambda u, y, j, h, s: (0.0, u, "a", h, s))),
}  # fmt: skip


@pytest.mark.parametrize(("message", "options"), CUSTOM_ERRORS.values(), ids=CUSTOM_ERRORS)
def test_errors_of_custom_losses(message, options):
    options = dict(options)
    loss = CustomLoss(options.pop("function", half_squares), NEEDS, options.pop("inputs", None))
    net, X, y, _ = surrogate((3, 4, 2), 8, output=options.pop("output", "identity"))
    net.dropout = options.pop("dropout", 0.0)
    before = net.params.copy()
    with pytest.raises((TypeError, ValueError), match=message):
        net.fit(X, y, loss, **options)
    assert_same_bits(net.params, before)


def test_custom_losses_of_derivatives_take_arrays():
    net, X, y, _ = surrogate((3, 4, 2), 8)
    for rows in (csr_matrix(X), EncodedTable(numbers=X).astype("float64")):
        message = f"does not work with X as {type(rows).__name__}. Pass an array"
        with pytest.raises(TypeError, match=message):
            net.fit(rows, y, ALL)


custom_loss = functools.partial(CustomLoss, half_squares)
DIFFERENT = "needs must name different ones"
WRONG_OPTIONS = [
    (custom_loss, dict(needs="hessian"), f"{DIFFERENT} of jacobian, hessian_diagonal, "),
    (custom_loss, dict(needs=["jacobian", "jacobian"]), DIFFERENT),
    (custom_loss, dict(inputs=[0]), "inputs are those of derivatives, but needs names none"),
    (custom_loss, dict(needs=3), "needs must be a list, got an int"),
    (losses.Derivatives, dict(jacobian="mae"), "jacobian must be 'mse'"),
    (losses.Derivatives, dict(jacobian=np.array(["mse", "mse"])), "jacobian must be 'mse'"),
    (losses.Derivatives, dict(weights=(1.0,)), "weights must be two numbers"),
    (losses.Derivatives, dict(weights=2.0), "weights must be two numbers"),
    (losses.Derivatives, dict(weights=(1.0, -1.0)), "weights"),
]


@pytest.mark.parametrize(("loss", "options", "message"), WRONG_OPTIONS)
def test_losses_check_their_options(loss, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        loss(**options)


def test_an_error_in_a_custom_loss_of_derivatives_keeps_the_last_step():
    net, X, y, _ = surrogate()
    calls = []

    def fails_later(*arrays):
        calls.append(len(arrays))
        if len(calls) == 3:
            raise ZeroDivisionError
        return half_squares(*arrays)

    other = net.copy()
    with pytest.raises(ZeroDivisionError):
        net.fit(X, y, CustomLoss(fails_later, NEEDS), SGD(0.01), rng=0, n_threads=3)
    assert calls == [5, 5, 5]
    other.fit(X, y, ALL, SGD(0.01), rng=0, max_steps=2)
    assert_same_bits(net.params, other.params)


def test_fit_many_takes_no_derivatives():
    for name in ("dy", "dy_weight", "dy_inputs"):
        with pytest.raises(TypeError, match=f"'{name}'. fit_many does not train on derivatives"):
            fastnn.fit_many([fastnn.MLP([2, 1])], np.eye(2), [0.0, 1.0], **{name: 1})


def test_a_trainer_refuses_what_its_kernels_cannot_do():
    net, X, y, dy = surrogate((3, 4, 2))
    no_layers = kernels.CompiledNetwork()
    no_layers._bind([3], [], [], [], X.dtype)
    wrong = (
        "A loss of derivatives takes either",
        "jacobian_inputs must hold numbers from 0 to 2",
        "custom_tangents must hold 3 derivatives, and 0, 1 or 3 second ones, got 5",
    )
    custom = dict(jacobian=None, loss=kernels.Loss.CUSTOM_LOSS, custom_loss=lambda first, n: 0.0)
    custom |= dict(custom_outputs=np.zeros((9, 2)), custom_gradient=np.zeros((9, 2)))
    custom |= dict(custom_tangents=np.zeros((5, 9, 2)), custom_tangent_gradient=np.zeros((4, 9, 2)))
    for options, message in (
        (dict(loss=kernels.Loss.LOGITS_BINARY_CROSS_ENTROPY), wrong[0]),
        (dict(loss=kernels.Loss.POISSON), wrong[0]),
        (dict(loss=kernels.Loss.GIVEN_GRADIENT), wrong[0]),
        (dict(network=surrogate((3, 4, 2), output="softmax")[0]), wrong[0]),
        (dict(network=no_layers, targets=X), wrong[0]),
        (dict(X=fastnn.EncodedTable(X, dtype=X.dtype)), wrong[0]),
        (dict(shards=kernels.ShardedRows(np.array([len(X)]), 0, 1, 9)), wrong[0]),
        (dict(dropout=np.zeros(2)), wrong[0]),
        (dict(dX=X.copy()), wrong[0]),
        (dict(jacobian_inputs=np.array([0, 1, 3])), wrong[1]),
        (dict(jacobian_inputs=np.array([-1])), wrong[1]),
        (dict(jacobian_inputs=np.array([], int)), wrong[1]),
        (dict(jacobian=dy[:, :, :2].copy()), "540"),
        (dict(custom_tangents=np.zeros((4, 9, 2))), wrong[0]),
        (custom | dict(jacobian=dy), wrong[0]),
        (custom, wrong[2]),
        (custom | dict(custom_tangents=np.zeros((2, 9, 2))), "got 2"),
        (custom | dict(custom_tangents=np.zeros((4, 8, 2))), "72"),
        (custom | dict(custom_tangents=np.zeros((3, 9, 2))), "54"),
    ):
        arguments = dict(network=net, X=X, targets=y, loss=kernels.Loss.SQUARED_ERROR, batch_size=9)
        arguments |= dict(jacobian=dy, jacobian_inputs=np.arange(3))
        with pytest.raises(ValueError, match=message):
            kernels.Trainer(**arguments | options)

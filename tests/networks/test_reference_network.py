"""Networks of the reference: losses and gradients, compared with finite differences and the
chain rule written out."""

import inspect
import itertools
from functools import partial

import numpy as np
import pytest

from fastnn import reference as ref
from fastnn.activations import ACTIVATIONS
from fastnn.reference import network as ref_network  # where its functions look for each other

ANY_OUTPUT = [name for name, (_, output) in ref.losses.LOSSES.items() if output is None]
X = np.array([[1.0, 2.0], [3.0, 4.0], [-1.0, 0.5]])
W = np.array([[1.0, -1.0, 0.0], [2.0, 0.5, -3.0]])
B = np.array([0.5, -0.5, 1.0])


def network(rng, sizes, biases=True):
    shapes = list(itertools.pairwise(sizes))
    biases = [rng.normal(size=s[1]) if biases else None for s in shapes]
    return [rng.normal(size=s) for s in shapes], biases


def test_forward_is_layer_after_layer(rng):
    X, ((W0, W1), (b0, _)) = rng.normal(size=(6, 3)), network(rng, [3, 4, 2])
    expected = 1 / (1 + np.exp(-np.tanh(X @ W0 + b0) @ W1))
    np.testing.assert_allclose(ref.forward(X, [W0, W1], [b0, None], ["tanh", "sigmoid"]), expected)
    np.testing.assert_allclose(ref.forward(X, [W0], [b0], ["relu"]), np.maximum(X @ W0 + b0, 0))


NETWORK_LOSSES = [  # (loss, its options, output activation, number of outputs)
    ("bce", {}, "sigmoid", 1),
    ("bce", dict(pos_weight=[2, 1, 0.5], label_smoothing=0.1), "sigmoid", 3),
    ("bce_with_logits", {}, "identity", 2),
    ("bce_with_logits", dict(pos_weight=3), "identity", 1),
    ("cross_entropy", {}, "softmax", 3),
    ("cross_entropy", dict(label_smoothing=0.2), "softmax", 3),
    *(("poisson", {}, "exponential", k) for k in (1, 3)),
    *(("gaussian_nll", {}, "identity", k) for k in (2, 4)),
    ("quantile", dict(q=0.3), "softplus", 3),
    ("quantile", dict(q=(0.1, 0.5, 0.9)), "identity", 3),
    ("quantile", dict(q=(0.2, 0.7)), "identity", 4),
    ("huber", dict(delta=0.1), "identity", 2),
    *(("mse", {}, output, 3) for output in ACTIVATIONS),
]
OUTPUTS = "identity", "tanh", "exponential"
NETWORK_LOSSES += [(loss, {}, output, 3) for loss in ANY_OUTPUT for output in OUTPUTS]


def targets(rng, loss, options, n, n_out):
    if loss == "cross_entropy":
        return rng.integers(0, n_out, n)
    n_out //= 2 if loss == "gaussian_nll" else np.size(options.get("q", 0))
    if loss == "poisson":
        y = rng.integers(0, 5, (n, n_out))
    else:
        y = rng.uniform(size=(n, n_out)) if "bce" in loss else rng.normal(size=(n, n_out))
    return y[:, 0] if n_out == 1 else y


@pytest.fixture
def assert_gradients(assert_derivative):
    """assert_gradients(X, y, weights, biases, activations, loss, ...): they are the derivatives of
    the loss."""

    def check(X, y, weights, biases, *arguments, **options):
        compute = partial(ref.loss_and_grad, X, y, weights, biases, *arguments, **options)
        L, dW, db = compute()
        assert compute()[0] == L
        for p, g in zip([*weights, *biases], [*dW, *db], strict=True):
            if p is None:
                assert g is None
            else:
                assert_derivative(g, lambda: compute()[0], p, h=2e-4)

    return check


@pytest.mark.spread(42)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "options", "output", "n_out"), NETWORK_LOSSES)
def test_network_gradients_for_every_loss(
    loss, options, output, n_out, weighted, rng, assert_gradients
):
    weights, biases = network(rng, [3, 4, 5, n_out])
    weights[-1] /= 4  # an exponential output stays moderate
    biases[1] = None
    w = rng.uniform(0, 2, 6) if weighted else None
    X, y = rng.normal(size=(6, 3)), targets(rng, loss, options, 6, n_out)
    assert_gradients(X, y, weights, biases, ["tanh", "silu", output], loss, w, options)


@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_network_gradients_for_every_hidden_activation(hidden, rng, assert_gradients):
    weights, biases = network(rng, [3, 5, 4, 2])
    weights[1] /= 8  # an exponential of exponentials stays moderate
    X, y = rng.normal(size=(6, 3)), targets(rng, "bce", {}, 6, 2)
    assert_gradients(X, y, weights, biases, [hidden, hidden, "sigmoid"], "bce")


def test_network_gradients_of_one_layer(rng, assert_gradients):
    X, y = rng.normal(size=(6, 3)), targets(rng, "bce", {}, 6, 1)
    assert_gradients(X, y, *network(rng, [3, 1]), ["sigmoid"], "bce")


WITH_DROPOUT = [("bce", "sigmoid"), ("mse", "tanh"), ("poisson", "exponential")]


@pytest.mark.parametrize(("loss", "output"), WITH_DROPOUT)
def test_network_gradients_under_dropout(loss, output, rng, assert_gradients):
    X, y = rng.normal(size=(6, 3)), targets(rng, loss, {}, 6, 2)
    weights, biases = network(rng, [3, 8, 5, 2])
    masks = dict(dropout=[0.2, 0.5, 0.3], seed=4, step=9)
    assert_gradients(X, y, weights, biases, ["relu", "gelu", output], loss, **masks)


LOSS_OF_OUTPUTS = {
    ("bce", "sigmoid"): ref.binary_cross_entropy,
    ("bce_with_logits", "identity"): ref.binary_cross_entropy_with_logits,
    ("cross_entropy", "softmax"): lambda Y, y, w: ref.cross_entropy(np.log(Y), y, w),
    ("mse", "tanh"): ref.mean_squared_error,
    ("mae", "tanh"): ref.mean_absolute_error,
    ("huber", "tanh"): ref.huber,
    ("quantile", "tanh"): ref.quantile,
    ("poisson", "exponential"): lambda Y, y, w: ref.poisson_nll(np.log(Y), y, w),
}


def example(rng, sizes):
    """X and y, weights and biases."""
    X, y = rng.normal(size=(6, sizes[0])), rng.uniform(size=(6, sizes[-1]))
    return X, y, *network(rng, sizes)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "output"), LOSS_OF_OUTPUTS)
def test_network_loss_is_the_loss_of_its_outputs(loss, output, weighted, rng):
    X, y, weights, biases = example(rng, [3, 4, 2])
    w = rng.uniform(0, 2, 6) if weighted else None
    Y = ref.forward(X, weights, biases, ["elu", output])
    L, _, _ = ref.loss_and_grad(X, y, weights, biases, ["elu", output], loss, w)
    assert L == pytest.approx(LOSS_OF_OUTPUTS[loss, output](Y, y, w), rel=1e-13)


@pytest.mark.parametrize(("loss", "output"), [("bce", "sigmoid"), ("cross_entropy", "softmax")])
def test_network_loss_is_computed_from_logits(loss, output):
    # one output: z = (-1e4), two: z = (-1e4, 1e4); a rounded probability would give log 0
    weights, y = ([[-1e4]], [1]) if loss == "bce" else ([[-1e4, 1e4]], [0])
    arguments = [np.array(weights)], [None], [output], loss
    L, (dW,), _ = ref.loss_and_grad(np.ones((1, 1)), y, *arguments)
    assert L == (1e4 if loss == "bce" else 2e4)
    np.testing.assert_array_equal(dW, [[-1.0]] if loss == "bce" else [[-1.0, 1.0]])


def test_a_first_layer_computes_no_dX(rng, monkeypatch):
    need_dX, original = [], ref.linear_backward

    def spy(*arguments, **options):
        bound = inspect.signature(original).bind(*arguments, **options).arguments
        need_dX.append(bound.get("need_dX", True))
        return original(*arguments, **options)

    monkeypatch.setattr(ref_network, "linear_backward", spy)
    ref.loss_and_grad(*example(rng, [3, 4, 4, 1]), ["relu"] * 3, "mse")
    assert need_dX == [True, True, False]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("loss", "options", "output", "n_out"), NETWORK_LOSSES)
def test_results_have_the_dtype_of_the_network(loss, options, output, n_out, dtype, rng):
    weights, biases = ([p.astype(dtype) for p in ps] for ps in network(rng, [3, 4, n_out]))
    X, y = rng.normal(size=(6, 3)).astype(dtype), targets(rng, loss, options, 6, n_out)
    arguments = weights, biases, ["gelu", output], loss, np.arange(6), options
    L, dW, db = ref.loss_and_grad(X, y, *arguments, dropout=[0.5, 0.5])
    assert type(L) is float
    arrays = *dW, *db, ref.forward(X, weights, biases, ["gelu", output])
    assert {a.dtype for a in arrays} == {np.dtype(dtype)}


def test_several_quantiles_lie_target_by_target():
    # targets 1 and 5; outputs (target 0: 10 %, 90 %), (target 1: 10 %, 90 %): too low by 1, right,
    # too high by 1, by 2
    y, outputs = [[1.0, 5.0]], np.array([[0.0, 1.0, 6.0, 7.0]])
    arguments = [outputs], [None], ["identity"], "quantile", None, dict(q=(0.1, 0.9))
    L, (dW,), _ = ref.loss_and_grad(np.ones((1, 1)), y, *arguments)
    assert L == pytest.approx((0.1 * 1 + 0 + 0.9 * 1 + 0.1 * 2) / 4, rel=1e-14)
    np.testing.assert_allclose(dW, [[-0.1 / 4, 0, 0.9 / 4, 0.1 / 4]], rtol=1e-14)


def test_dropout_multiplies_the_inputs_of_its_layer(rng):
    X, y, weights, biases = example(rng, [3, 8, 2])
    first = ref.dropout_mask(0.25, 4, 9, 0, 6, 3, float)
    second = ref.dropout_mask(0.5, 4, 9, 1, 6, 8, float)
    hidden = np.tanh((X * first) @ weights[0] + biases[0])
    outputs = (hidden * second) @ weights[1] + biases[1]
    arguments = X, y, weights, biases, ["tanh", "identity"], "mse"
    compute = partial(ref.loss_and_grad, *arguments, dropout=[0.25, 0.5])
    L, dW, db = compute(seed=4, step=9)
    assert L == pytest.approx(np.mean((outputs - y) ** 2), rel=1e-14)
    np.testing.assert_allclose(dW[1], (hidden * second).T @ (outputs - y) / 6, rtol=1e-13)
    np.testing.assert_allclose(db[1], (outputs - y).sum(axis=0) / 6, rtol=1e-13)
    assert L not in (compute(seed=4, step=8)[0], compute(seed=5, step=9)[0])


def assert_equal(actual, expected):
    """Compare losses and gradients."""
    assert actual[0] == expected[0]
    for a, b in zip(actual[1] + actual[2], expected[1] + expected[2], strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_dropout_is_a_rate_of_zero(rng):
    arguments = *example(rng, [3, 8, 2]), ["tanh", "identity"], "mse"
    assert_equal(ref.loss_and_grad(*arguments, dropout=[0.0, 0.0]), ref.loss_and_grad(*arguments))


@pytest.mark.parametrize("output", ["identity", "softmax"])
def test_custom_loss(output, rng):
    X, y, weights, biases = example(rng, [3, 4, 2])
    rest, seen = (weights, biases, ["elu", output]), []

    def loss(outputs, y):
        grad = np.empty_like(outputs)
        seen.append((outputs, y))
        return ref.mean_squared_error(outputs, y, None, grad), grad

    # the custom loss does not see the weights
    found = ref.loss_and_grad(X, y, *rest, loss, sample_weight=np.arange(6))
    assert_equal(found, ref.loss_and_grad(X, y, *rest, "mse"))
    ((outputs, rows),) = seen
    np.testing.assert_allclose(outputs, ref.forward(X, *rest), rtol=1e-15)
    assert rows is y


def test_an_unknown_loss_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"loss must be one of bce, .*gaussian_nll, got 'swish'"):
        ref.loss_and_grad(X, X @ W, [W], [B], ["identity"], "swish")


WRONG_OUTPUTS = dict(bce="identity", bce_with_logits="sigmoid", cross_entropy="sigmoid")
WRONG_OUTPUTS |= dict(poisson="identity", gaussian_nll="tanh")


@pytest.mark.parametrize(("loss", "output"), WRONG_OUTPUTS.items())
def test_a_loss_refuses_the_wrong_output(loss, output):
    message = f"loss '{loss}' needs the output activation '.*', got '{output}'"
    with pytest.raises(ValueError, match=message):
        ref.loss_and_grad(X, X @ W, [W], [B], [output], loss)


def test_lists_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="longer"):
        ref.forward(X, [W], [B], ["relu", "relu"])
    with pytest.raises(ValueError, match="longer"):
        ref.loss_and_grad(X, X @ W, [W], [B], ["relu", "relu"], "mse")
    with pytest.raises(ValueError, match="shorter"):
        ref.loss_and_grad(X, X @ W, [W], [B], ["relu"], "mse", dropout=[0.5, 0.5])

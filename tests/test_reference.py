"""The NumPy reference is the oracle of the other tests, so here it is held to what is known without it: numbers worked
by hand, mpmath's digits (40 of them, rounded), PyTorch's steps in float64, and finite differences."""

import inspect
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastnn import reference as ref

pytestmark = pytest.mark.filterwarnings("error")

ELEMENTWISE = ["identity", "sigmoid", "relu", "tanh", "leaky_relu", "elu", "softplus", "gelu", "silu"]
ACTIVATIONS = [*ELEMENTWISE, "softmax"]
LOSSES = {  # name: a function that draws (outputs, targets) for n rows
    "binary_cross_entropy": lambda rng, n: (rng.uniform(0.1, 0.9, (n, 3)), rng.uniform(size=(n, 3))),
    "binary_cross_entropy_with_logits": lambda rng, n: (rng.normal(size=(n, 3)), rng.uniform(size=(n, 3))),
    "cross_entropy": lambda rng, n: (rng.normal(size=(n, 3)), rng.integers(0, 3, n)),
    "mean_squared_error": lambda rng, n: (rng.normal(size=(n, 3)), rng.normal(size=(n, 3))),
}


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def derivative(f, x, h=1e-3):
    """df/dx for every element of x, by central differences of 4th order; f takes nothing and reads x."""
    result = np.empty_like(x)
    for i in np.ndindex(x.shape):
        x0, values = x[i], []
        for step in (-2, -1, 1, 2):
            x[i] = x0 + step * h
            values.append(f())
        x[i] = x0
        result[i] = np.dot([1, -8, 8, -1], values) / (12 * h)
    return result


def assert_close_scaled(actual, expected, tolerance=1e-7):
    """The largest error, on the scale of the largest expected number."""
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= tolerance * np.abs(expected).max()


# ---- activations -----------------------------------------------------------------------------------------------------

POINTS = [-30, -2, -1e-9, 0.5, 3]
VALUES = {
    "identity": [-30, -2, -1e-9, 0.5, 3],
    "sigmoid": [9.357622968839299e-14, 0.11920292202211756, 0.49999999975, 0.6224593312018546, 0.9525741268224333],
    "relu": [0, 0, 0, 0.5, 3],
    "tanh": [-1, -0.9640275800758169, -1e-9, 0.46211715726000974, 0.9950547536867305],
    "leaky_relu": [-0.3, -0.02, -1e-11, 0.5, 3],
    "elu": [-0.9999999999999064, -0.8646647167633873, -9.999999995e-10, 0.5, 3],
    "softplus": [9.357622968839737e-14, 0.1269280110429725, 0.6931471800599454, 0.9740769841801067, 3.048587351573742],
    "gelu": [-1.472014178144456e-196, -0.04550026389635842, -4.999999996010577e-10, 0.34573123063700656,
             2.99595030590511],
    "silu": [-2.8072868906517896e-12, -0.23840584404423512, -4.9999999975e-10, 0.3112296656009273, 2.8577223804672998],
}  # fmt: skip
SLOPE_POINTS = [-30, -2, 0.5, 30]
SLOPES = {
    "identity": [1, 1, 1, 1],
    "sigmoid": [9.357622968838423e-14, 0.10499358540350652, 0.2350037122015945, 9.357622968838423e-14],
    "relu": [0, 0, 1, 1],
    "leaky_relu": [0.01, 0.01, 1, 1],
    "elu": [9.357622968840175e-14, 0.1353352832366127, 1, 1],
    "softplus": [9.357622968839299e-14, 0.11920292202211756, 0.6224593312018546, 0.9999999999999064],
    "gelu": [-4.416031690708495e-195, -0.0852318010781969, 0.8674951246561629, 1],
    "silu": [-2.713710660963134e-12, -0.09078424878489548, 0.7399611873026518, 1.0000000000027136],
}


@pytest.mark.parametrize("name", VALUES)
def test_activation_has_all_its_digits(name):
    np.testing.assert_allclose(ref.activation(np.array(POINTS, float), name), VALUES[name], rtol=2e-13)


@pytest.mark.parametrize("name", SLOPES)
def test_derivative_has_all_its_digits(name):
    z = np.array(SLOPE_POINTS, float)
    np.testing.assert_allclose(ref.activation_backward(np.ones(4), z, name), SLOPES[name], rtol=2e-13)


def test_softmax_by_hand():
    # exp: 1, 2, 5 -> 1/8, 2/8, 5/8.  da = (1, 0, 2): da . a = 11/8, dz = a (da - 11/8)
    z = np.log([[1.0, 2.0, 5.0]])
    np.testing.assert_allclose(ref.activation(z, "softmax"), [[0.125, 0.25, 0.625]], rtol=1e-15)
    dz = ref.activation_backward(np.array([[1.0, 0.0, 2.0]]), z, "softmax")
    np.testing.assert_allclose(dz, [[0.125 * -0.375, 0.25 * -1.375, 0.625 * 0.625]], rtol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_backward_is_the_derivative(name, rng):
    Z = rng.uniform(0.1, 3, (2, 4, 5)) * rng.choice([-1, 1], (2, 4, 5))  # not across a kink at 0
    dA = rng.normal(size=Z.shape)
    expected = derivative(lambda: np.sum(dA * ref.activation(Z, name)), Z)
    assert_close_scaled(ref.activation_backward(dA, Z, name), expected)


@pytest.mark.parametrize(("name", "slope"), [("relu", 0), ("leaky_relu", 0.01), ("elu", 1)])
def test_derivative_at_the_kink(name, slope):
    np.testing.assert_array_equal(ref.activation_backward(np.full(2, 3.0), np.array([0.0, -0.0]), name), 3 * slope)


EXTREME = {  # at -1e4 and 1e4: (values, slopes)
    "identity": ([-1e4, 1e4], [1, 1]),
    "sigmoid": ([0, 1], [0, 0]),
    "relu": ([0, 1e4], [0, 1]),
    "tanh": ([-1, 1], [0, 0]),
    "leaky_relu": ([-1e2, 1e4], [0.01, 1]),
    "elu": ([-1, 1e4], [0, 1]),
    "softplus": ([0, 1e4], [0, 1]),
    "gelu": ([0, 1e4], [0, 1]),
    "silu": ([0, 1e4], [0, 1]),
    "softmax": ([0, 1], [0, 0]),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_at_extremes(name, dtype):
    Z = np.array([[-1e4, 1e4]], dtype)
    values, slopes = EXTREME[name]
    with np.errstate(all="raise", under="ignore"):
        A, dZ = ref.activation(Z, name), ref.activation_backward(np.ones_like(Z), Z, name)
    np.testing.assert_allclose(A, [values], rtol=1e-6)
    np.testing.assert_allclose(dZ, [slopes], rtol=1e-6)
    assert A.dtype == dZ.dtype == dtype


@given(hnp.arrays(np.float64, (3, 4), elements=st.floats(-1e4, 1e4)))
def test_sigmoid_and_softmax_are_probabilities(Z):
    np.testing.assert_allclose(ref.activation(Z, "sigmoid") + ref.activation(-Z, "sigmoid"), 1, rtol=1e-15)
    np.testing.assert_allclose(ref.activation(Z, "softmax").sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(ref.activation(Z + 5, "softmax"), ref.activation(Z, "softmax"), atol=1e-11)
    np.testing.assert_allclose(ref.activation_backward(np.ones_like(Z), Z, "softmax"), 0, atol=1e-15)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_writes_out_and_nothing_else(name, rng):
    Z, dA = rng.normal(size=(2, 3, 4))
    Z0, dA0 = Z.copy(), dA.copy()
    for function, arguments in ((ref.activation, (Z, name)), (ref.activation_backward, (dA, Z, name))):
        result, out = function(*arguments), np.full_like(Z, np.nan)
        assert not np.shares_memory(result, Z) and not np.shares_memory(result, dA)
        assert function(*arguments, out=out) is out
        np.testing.assert_array_equal(out, result)
    np.testing.assert_array_equal(Z, Z0)
    np.testing.assert_array_equal(dA, dA0)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_of_no_rows(name):
    Z = np.empty((0, 3))
    assert ref.activation(Z, name).shape == ref.activation_backward(Z, Z, name).shape == (0, 3)


# ---- linear ----------------------------------------------------------------------------------------------------------

X = np.array([[1.0, 2.0], [3.0, 4.0], [-1.0, 0.5]])
W = np.array([[1.0, -1.0, 0.0], [2.0, 0.5, -3.0]])
B = np.array([0.5, -0.5, 1.0])
XW = np.array([[5.0, 0.0, -6.0], [11.0, -1.0, -12.0], [0.0, 1.25, -1.5]])


def test_linear_by_hand():
    np.testing.assert_array_equal(ref.linear(X, W), XW)
    np.testing.assert_array_equal(ref.linear(X, W, B), XW + B)
    out = np.empty((3, 3))
    assert ref.linear(X, W, B, "relu", out=out) is out
    np.testing.assert_array_equal(out, [[5.5, 0, 0], [11.5, 0, 0], [0.5, 0.75, 0]])


def test_linear_backward_by_hand():
    dY = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [2.0, 4.0, 1.0]])
    # relu passes dY where Y above is positive: rows (1, 0, 0), (1, 0, 0), (2, 4, 0)
    dX, dW, db = ref.linear_backward(dY, X, W, B, ref.linear(X, W, B, "relu"), "relu")
    np.testing.assert_array_equal(dX, [[1, 2], [1, 2], [2 - 4, 4 + 2]])
    np.testing.assert_array_equal(dW, [[1 + 3 - 2, -4, 0], [2 + 4 + 1, 2, 0]])
    np.testing.assert_array_equal(db, [4, 4, 0])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_linear_backward_is_the_derivative(name, bias, rng):
    X, W, dY = rng.normal(size=(6, 3)), rng.normal(size=(3, 4)), rng.normal(size=(6, 4))
    b = rng.normal(size=4) if bias else None
    dX, dW, db = ref.linear_backward(dY, X, W, b, ref.linear(X, W, b, name), name)

    def f():
        return np.sum(dY * ref.linear(X, W, b, name))

    assert_close_scaled(dX, derivative(f, X))
    assert_close_scaled(dW, derivative(f, W))
    if bias:
        assert_close_scaled(db, derivative(f, b))
    else:
        assert db is None


def test_linear_backward_without_dX(rng):
    dY, Y = rng.normal(size=(3, 3)), ref.linear(X, W, B, "tanh")
    _, dW, db = ref.linear_backward(dY, X, W, B, Y, "tanh")
    nothing, dW_alone, db_alone = ref.linear_backward(dY, X, W, B, Y, "tanh", need_dX=False)
    assert nothing is None
    np.testing.assert_array_equal(dW_alone, dW)
    np.testing.assert_array_equal(db_alone, db)


# ---- losses ----------------------------------------------------------------------------------------------------------


def loss_and_gradient(name, Y, y, sample_weight=None):
    grad = np.full_like(Y, np.nan)
    L = getattr(ref, name)(Y, y, sample_weight, grad)
    assert type(L) is float
    assert getattr(ref, name)(Y, y, sample_weight) == L
    return L, grad


LOG2, LOG3, LOG5 = math.log(2), math.log(3), math.log(5)
BY_HAND = {
    # l: -log 1/2, -log 3/4 = 2 log 2 - log 3; dl/dp: -1/p, 1/(1 - p)
    "binary_cross_entropy": (
        [[0.5], [0.25]], [1, 0],
        [LOG2, 2 * LOG2 - LOG3], [[-2], [4 / 3]],
    ),
    # the sum over two outputs, with targets between 0 and 1; dl/dp = (p - y) / (p (1 - p)) = (p - y) / (3/16)
    "binary_cross_entropy with two outputs": (
        [[0.25, 0.75], [0.75, 0.75]], [[0.5, 1], [0, 0.75]],
        [0.5 * (2 * LOG2) + 1.5 * (2 * LOG2 - LOG3), 2 * LOG2 + 0.75 * (2 * LOG2 - LOG3) + 0.25 * 2 * LOG2],
        [[-4 / 3, -4 / 3], [4, 0]],
    ),
    # p = 1/2 and 3/4
    "binary_cross_entropy_with_logits": (
        [[0], [LOG3]], [1, 0],
        [LOG2, 2 * LOG2], [[-0.5], [0.75]],
    ),
    # p = 1/2, 3/4 and 1/4, 3/4
    "binary_cross_entropy_with_logits with two outputs": (
        [[0, LOG3], [-LOG3, LOG3]], [[0.5, 1], [1, 0.5]],
        [LOG2 + 2 * LOG2 - LOG3, 2 * LOG2 + 0.5 * (2 * LOG2 - LOG3) + 0.5 * 2 * LOG2],
        [[0, -0.25], [-0.75, 0.25]],
    ),
    # p = 1/5 (1, 1, 3) and 1/5 (2, 2, 1): l = log 5 - log 3, log 5 - log 2; dl/dz = p - y
    "cross_entropy": (
        [[0, 0, LOG3], [LOG2, LOG2, 0]], [2, 0],
        [LOG5 - LOG3, LOG5 - LOG2], [[0.2, 0.2, -0.4], [-0.6, 0.4, 0.2]],
    ),
    # the same p with rows of targets, the second of which sums to 2
    "cross_entropy with rows": (
        [[0, 0, LOG3], [LOG2, LOG2, 0]], [[0.5, 0, 0.5], [0, 2, 0]],
        [0.5 * LOG5 + 0.5 * (LOG5 - LOG3), 2 * (LOG5 - LOG2)], [[-0.3, 0.2, 0.1], [0.8, -1.2, 0.4]],
    ),
    # l = (1 - 3)^2, (2 - 1)^2
    "mean_squared_error": (
        [[1], [2]], [3, 1],
        [4, 1], [[-4], [2]],
    ),
    # the mean over two outputs: l = (4 + 16)/2, (0 + 1)/2
    "mean_squared_error with two outputs": (
        [[1, 2], [3, 4]], [[3, -2], [3, 5]],
        [10, 0.5], [[-2, 4], [0, -1]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("weights", [None, [3, 1], [0, 2], [0, 0]])
@pytest.mark.parametrize("case", BY_HAND)
def test_loss_by_hand(case, weights):
    Y, y, losses, gradients = BY_HAND[case]
    share = {None: [1 / 2, 1 / 2], (3, 1): [3 / 4, 1 / 4], (0, 2): [0, 1], (0, 0): [0, 0]}[weights and tuple(weights)]
    L, grad = loss_and_gradient(case.split()[0], np.array(Y, float), np.array(y), weights)
    assert L == pytest.approx(share[0] * losses[0] + share[1] * losses[1], rel=1e-14, abs=0)
    np.testing.assert_allclose(grad, [[share[0] * g for g in gradients[0]], [share[1] * g for g in gradients[1]]],
                               rtol=1e-14, atol=1e-16)  # fmt: skip


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_loss_gradient_is_the_derivative(name, weighted, rng):
    Y, y = LOSSES[name](rng, 5)
    w = rng.uniform(0, 2, 5) if weighted else None
    assert_close_scaled(loss_and_gradient(name, Y, y, w)[1], derivative(lambda: getattr(ref, name)(Y, y, w), Y))


def test_cross_entropy_gradient_for_rows_is_the_derivative(rng):
    Z, y = rng.normal(size=(5, 3)), rng.uniform(size=(5, 3))  # rows that don't sum to 1
    assert_close_scaled(loss_and_gradient("cross_entropy", Z, y)[1], derivative(lambda: ref.cross_entropy(Z, y), Z))


@pytest.mark.parametrize("name", LOSSES)
def test_a_weight_of_two_is_a_row_twice(name, rng):
    Y, y = LOSSES[name](rng, 4)
    twice = [0, 1, 1, 3]
    assert getattr(ref, name)(Y, y, [1, 2, 0, 1]) == pytest.approx(getattr(ref, name)(Y[twice], y[twice]), rel=1e-14)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_of_no_rows(name, rng):
    Y, y = LOSSES[name](rng, 0)
    L, grad = loss_and_gradient(name, Y, y)
    assert L == 0 and grad.shape == (0, 3)


@pytest.mark.parametrize("name", ["binary_cross_entropy", "binary_cross_entropy_with_logits", "mean_squared_error"])
def test_one_output_as_column_or_flat(name, rng):
    column, y = rng.uniform(0.1, 0.9, (4, 1)), rng.integers(0, 2, 4)
    L, grad = loss_and_gradient(name, column, y)
    for Y, targets in ((column, y[:, None]), (column[:, 0], y), (column[:, 0], y[:, None])):
        L_here, grad_here = loss_and_gradient(name, Y, targets)
        assert L_here == L
        np.testing.assert_array_equal(grad_here.ravel(), grad.ravel())


@pytest.mark.parametrize("name", LOSSES)
def test_loss_is_computed_in_the_dtype_of_the_outputs(name, rng):
    for _ in range(10):
        Y, y = LOSSES[name](rng, 5)
        L, _ = loss_and_gradient(name, Y.astype(np.float32), y, rng.uniform(size=5))
        assert L == float(np.float32(L))


@pytest.mark.parametrize("name", LOSSES)
def test_loss_changes_only_grad(name, rng):
    Y, y = LOSSES[name](rng, 4)
    w = rng.uniform(size=4)
    copies = Y.copy(), y.copy(), w.copy()
    loss_and_gradient(name, Y, y, w)
    for array, copy in zip((Y, y, w), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_refuses_targets_of_another_shape(name):
    with pytest.raises(ValueError, match=r"y has shape \(3, 2\), the outputs have \(2, 3\)"):
        getattr(ref, name)(np.full((2, 3), 0.5), np.zeros((3, 2)))


@pytest.mark.parametrize("classes", [[0, 3], [-1, 0], [0, 0.5]])
def test_cross_entropy_refuses_other_classes(classes):
    with pytest.raises(ValueError, match="y must hold classes from 0 to 2"):
        ref.cross_entropy(np.zeros((2, 3)), np.array(classes))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_at_extremes(dtype):
    z, y, p = np.array([-1e4, 1e4, -1e4, 1e4], dtype), np.array([0, 1, 1, 0]), np.array([0, 1, 0, 1], dtype)
    with np.errstate(all="raise", under="ignore"):
        # the right answer costs nothing; the wrong one 1e4, or 100 where log is clamped
        L, grad = loss_and_gradient("binary_cross_entropy_with_logits", z, y)
        assert L == 5e3
        np.testing.assert_array_equal(grad, [0, 0, -0.25, 0.25])
        L, grad = loss_and_gradient("binary_cross_entropy", p, y)
        assert L == 50
        np.testing.assert_allclose(grad, [0, 0, -0.25e12, 0.25e12], rtol=1e-6)
        L, grad = loss_and_gradient("cross_entropy", np.array([[-1e4, 1e4], [-1e4, 1e4]], dtype), [1, 0])
        assert L == 1e4
        np.testing.assert_array_equal(grad, [[0, 0], [-0.5, 0.5]])
        L, grad = loss_and_gradient("mean_squared_error", z, y)
        assert L == pytest.approx((1e4**2 + 9999**2 + 10001**2 + 1e4**2) / 4, rel=1e-6)
        np.testing.assert_array_equal(grad, [-5000, 4999.5, -5000.5, 5000])


def test_losses_keep_small_digits():
    # log(1 + exp(-30)) survives beside z = 30; -log(1 - 1e-20) beside p = 1e-20
    L = ref.binary_cross_entropy_with_logits(np.array([30.0]), [1])
    assert L == pytest.approx(9.357622968839737e-14, rel=1e-14, abs=0)
    assert ref.binary_cross_entropy(np.array([1e-20]), [0]) == pytest.approx(1e-20, rel=1e-14, abs=0)


@pytest.mark.parametrize("n_out", [1, 3])
def test_logits_and_probabilities_agree(n_out, rng):
    Z, y = rng.normal(size=(5, n_out)), rng.uniform(size=(5, n_out))
    L, dZ = loss_and_gradient("binary_cross_entropy_with_logits", Z, y)
    L_p, dP = loss_and_gradient("binary_cross_entropy", ref.activation(Z, "sigmoid"), y)
    assert L == pytest.approx(L_p, rel=1e-14)
    np.testing.assert_allclose(dZ, ref.activation_backward(dP, Z, "sigmoid"), rtol=1e-12)


# ---- updates ---------------------------------------------------------------------------------------------------------

START = [1.0, -2.0, 0.5]
GRADS = [[0.5, -1.0, 2.0], [-0.25, 0.75, 1.0], [1.5, -0.5, -3.0], [0.0, 0.125, 0.5], [-1.0, 2.0, -0.75]]


def case(update, expected, **options):
    return pytest.param(update, options, expected, id="-".join([update, *options]))


# torch 2.13.0, float64: the parameters after each of five steps from START along GRADS
STEPS = [
    case("sgd", [
        [0.95, -1.9, 0.3],
        [0.975, -1.9749999999999999, 0.19999999999999998],
        [0.825, -1.9249999999999998, 0.5],
        [0.825, -1.9374999999999998, 0.45],
        [0.9249999999999999, -2.1374999999999997, 0.525],
    ], lr=0.1),
    case("sgd", [
        [0.949, -1.898, 0.2995],
        [0.973051, -1.971102, 0.19920049999999997],
        [0.822077949, -1.919130898, 0.4990012995],
        [0.821255871051, -1.9297117671019999, 0.44850229820049997],
        [0.920434615179949, -2.127782055334898, 0.5230537959022995],
    ], lr=0.1, weight_decay=0.01),
    case("sgd", [
        [0.95, -1.9, 0.3],
        [0.9299999999999999, -1.885, 0.01999999999999999],
        [0.7619999999999999, -1.8215, 0.06799999999999999],
        [0.6107999999999999, -1.7768499999999998, 0.06119999999999999],
        [0.5747199999999999, -1.9366649999999999, 0.13008],
    ], lr=0.1, momentum=0.9),
    case("sgd", [
        [0.949, -1.898, 0.2995],
        [0.927151, -1.8793019999999998, 0.018750499999999944],
        [0.7565597489999999, -1.8105944979999997, 0.0660571994999999],
        [0.6022710633509999, -1.7594471517019996, 0.05856717185049985],
        [0.5628089752035489, -1.9116550928820977, 0.1267675797940993],
    ], lr=0.1, momentum=0.9, weight_decay=0.01),
    case("sgd", [
        [0.905, -1.81, 0.12],
        [0.912, -1.8715000000000002, -0.23200000000000004],
        [0.6108, -1.76435, 0.11119999999999998],
        [0.47472, -1.7366650000000001, 0.055079999999999976],
        [0.542248, -2.0804985, 0.192072],
    ], lr=0.1, momentum=0.9, nesterov=True),
    case("sgd", [
        [0.9031, -1.8062, 0.11904999999999999],
        [0.90757411, -1.86264822, -0.23358119500000005],
        [0.603189208191, -1.749038166382, 0.10960167877050002],
        [0.4639135537663371, -1.7138923290076742, 0.05304779889878609],
        [0.5282268993193563, -2.0493288142954103, 0.1896471577072293],
    ], lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    case("adam", [
        [0.99900000002, -1.9990000000099999, 0.499000000005],
        [0.9987336629870784, -1.9989106750036052, 0.4980678203720851],
        [0.998063162429161, -1.9986091551152354, 0.4981497971695565],
        [0.9975139291717243, -1.9984170183599992, 0.4981393204789628],
        [0.9974095720736482, -1.998778320262879, 0.49823706926768174],
    ]),
    case("adam", [
        [0.9001956947162426, -1.9000979431929481, 0.40004985044865404],
        [0.8768021830834531, -1.8947601132787808, 0.30801844748654994],
        [0.8059125407532073, -1.8637847670092558, 0.3251212678130026],
        [0.7507399437171152, -1.8453158322749763, 0.32917168254835927],
        [0.7484764491639786, -1.89095702602185, 0.34540101476574314],
    ], lr=0.1, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.01),
]  # fmt: skip


@pytest.mark.parametrize(("update", "options", "expected"), STEPS)
def test_steps_are_those_of_pytorch(update, options, expected):
    params, m, v = np.array(START), np.zeros(3), np.zeros(3)
    for step, (g, after) in enumerate(zip(GRADS, expected, strict=True), start=1):
        grads = np.array(g)
        if update == "sgd":
            ref.sgd_step_(params, grads, velocity=v, **options)
        else:
            ref.adam_step_(params, grads, m, v, step, **options)
        np.testing.assert_allclose(params, after, rtol=1e-12)
        np.testing.assert_array_equal(grads, g)


def test_first_steps_by_hand():
    p = np.array([1.0, -2.0])
    ref.sgd_step_(p, np.array([0.5, -1.0]), lr=0.5)
    np.testing.assert_array_equal(p, [0.75, -1.5])
    p, v = np.array([1.0]), np.array([2.0])
    ref.sgd_step_(p, np.array([3.0]), lr=0.25, momentum=0.5, velocity=v)  # v = 0.5 2 + 3 = 4, p = 1 - 0.25 4
    assert (p, v) == (0.0, 4.0)
    p, v = np.array([1.0]), np.array([2.0])
    ref.sgd_step_(p, np.array([3.0]), lr=0.25, momentum=0.5, nesterov=True, velocity=v)  # p = 1 - 0.25 (3 + 0.5 4)
    assert (p, v) == (-0.25, 4.0)
    p, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    ref.adam_step_(p, np.array([2.0]), m, v, 1, lr=0.5, betas=(0.5, 0.75), eps=0.5)
    # m = 1, v = 1; p = 1 - 0.5/0.5 1 / (1/0.5 + 0.5)
    assert (p, m, v) == (pytest.approx(0.6), 1.0, 1.0)


def test_momentum_needs_velocity():
    with pytest.raises(ValueError, match="momentum needs velocity"):
        ref.sgd_step_(np.ones(2), np.ones(2), lr=0.1, momentum=0.9)


# ---- networks --------------------------------------------------------------------------------------------------------


def network(rng, sizes, biases=True):
    shapes = list(itertools.pairwise(sizes))
    return [rng.normal(size=s) for s in shapes], [rng.normal(size=s[1]) if biases else None for s in shapes]


def test_forward_is_layer_after_layer(rng):
    X, ((W0, W1), (b0, _)) = rng.normal(size=(6, 3)), network(rng, [3, 4, 2])
    np.testing.assert_allclose(
        ref.forward(X, [W0, W1], [b0, None], ["tanh", "sigmoid"]), 1 / (1 + np.exp(-np.tanh(X @ W0 + b0) @ W1))
    )
    np.testing.assert_allclose(ref.forward(X, [W0], [b0], ["relu"]), np.maximum(X @ W0 + b0, 0))


NETWORK_LOSSES = [  # (loss, output activation, number of outputs)
    ("bce", "sigmoid", 1), ("bce", "sigmoid", 3), ("bce_with_logits", "identity", 2), ("cross_entropy", "softmax", 3),
    *(("mse", output, 3) for output in ACTIVATIONS),
]  # fmt: skip


def targets(rng, loss, n, n_out):
    if loss == "cross_entropy":
        return rng.integers(0, n_out, n)
    y = rng.normal(size=(n, n_out)) if loss == "mse" else rng.uniform(size=(n, n_out))
    return y[:, 0] if n_out == 1 else y


def assert_gradients_are_derivatives(X, y, weights, biases, activations, loss, w=None):
    L, dW, db = ref.loss_and_grad(X, y, weights, biases, activations, loss, w)

    def f():
        return ref.loss_and_grad(X, y, weights, biases, activations, loss, w)[0]

    assert f() == L
    for p, g in zip([*weights, *biases], [*dW, *db], strict=True):
        if p is None:
            assert g is None
        else:
            assert_close_scaled(g, derivative(f, p, h=2e-4))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "output", "n_out"), NETWORK_LOSSES)
def test_network_gradients_for_every_loss(loss, output, n_out, weighted, rng):
    weights, biases = network(rng, [3, 4, 5, n_out])
    biases[1] = None
    w = rng.uniform(0, 2, 6) if weighted else None
    X, y = rng.normal(size=(6, 3)), targets(rng, loss, 6, n_out)
    assert_gradients_are_derivatives(X, y, weights, biases, ["tanh", "silu", output], loss, w)


@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_network_gradients_for_every_hidden_activation(hidden, rng):
    X, y = rng.normal(size=(6, 3)), targets(rng, "bce", 6, 2)
    assert_gradients_are_derivatives(X, y, *network(rng, [3, 5, 4, 2]), [hidden, hidden, "sigmoid"], "bce")


def test_network_gradients_of_one_layer(rng):
    X, y = rng.normal(size=(6, 3)), targets(rng, "bce", 6, 1)
    assert_gradients_are_derivatives(X, y, *network(rng, [3, 1]), ["sigmoid"], "bce")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "output", "loss_of_outputs"), [
    ("bce", "sigmoid", ref.binary_cross_entropy),
    ("bce_with_logits", "identity", ref.binary_cross_entropy_with_logits),
    ("cross_entropy", "softmax", lambda Y, y, w: ref.cross_entropy(np.log(Y), y, w)),
    ("mse", "tanh", ref.mean_squared_error),
])  # fmt: skip
def test_network_loss_is_the_loss_of_its_outputs(loss, output, loss_of_outputs, weighted, rng):
    X, y, (weights, biases) = rng.normal(size=(6, 3)), rng.uniform(size=(6, 2)), network(rng, [3, 4, 2])
    w = rng.uniform(0, 2, 6) if weighted else None
    Y = ref.forward(X, weights, biases, ["elu", output])
    L, _, _ = ref.loss_and_grad(X, y, weights, biases, ["elu", output], loss, w)
    assert L == pytest.approx(loss_of_outputs(Y, y, w), rel=1e-13)


@pytest.mark.parametrize(("loss", "output"), [("bce", "sigmoid"), ("cross_entropy", "softmax")])
def test_network_loss_is_computed_from_logits(loss, output):
    # one output: z = (-1e4), two: z = (-1e4, 1e4); a rounded probability would give log 0
    weights = [np.array([[-1e4]])] if loss == "bce" else [np.array([[-1e4, 1e4]])]
    L, (dW,), _ = ref.loss_and_grad(np.ones((1, 1)), [1 if loss == "bce" else 0], weights, [None], [output], loss)
    assert L == (1e4 if loss == "bce" else 2e4)
    np.testing.assert_array_equal(dW, [[-1.0]] if loss == "bce" else [[-1.0, 1.0]])


def test_a_first_layer_computes_no_dX(rng, monkeypatch):
    asked, original = [], ref.linear_backward

    def spy(*arguments, **options):
        asked.append(inspect.signature(original).bind(*arguments, **options).arguments.get("need_dX", True))
        return original(*arguments, **options)

    monkeypatch.setattr(ref, "linear_backward", spy)
    ref.loss_and_grad(rng.normal(size=(6, 3)), np.zeros((6, 1)), *network(rng, [3, 4, 4, 1]), ["relu"] * 3, "mse")
    assert asked == [True, True, False]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("loss", "output", "n_out"), NETWORK_LOSSES)
def test_everything_stays_in_its_dtype(loss, output, n_out, dtype, rng):
    weights, biases = ([p.astype(dtype) for p in ps] for ps in network(rng, [3, 4, n_out]))
    X, y = rng.normal(size=(6, 3)).astype(dtype), targets(rng, loss, 6, n_out)
    L, dW, db = ref.loss_and_grad(X, y, weights, biases, ["gelu", output], loss, np.arange(6))
    assert type(L) is float
    assert {a.dtype for a in [*dW, *db, ref.forward(X, weights, biases, ["gelu", output])]} == {np.dtype(dtype)}
    for name in ACTIVATIONS:
        assert ref.activation_backward(X, ref.activation(X, name), name).dtype == dtype


@pytest.mark.parametrize("call", [
    lambda: ref.activation(np.zeros(2), "swish"),
    lambda: ref.activation_backward(np.zeros(2), np.zeros(2), "swish"),
    lambda: ref.linear(X, W, B, "swish"),
    lambda: ref.linear_backward(XW, X, W, B, XW, "swish"),
    lambda: ref.loss_and_grad(X, XW, [W], [B], ["identity"], "swish"),
    lambda: ref.fit(X, XW, [W], [B], ["identity"], "mse", optimizer="swish"),
])  # fmt: skip
def test_unknown_names_are_refused_with_the_known_ones(call):
    with pytest.raises(ValueError, match=r"unknown \w+ 'swish'; choose from \w+, \w+"):
        call()


@pytest.mark.parametrize(("loss", "output"), [("bce", "identity"), ("bce_with_logits", "sigmoid"),
                                              ("cross_entropy", "sigmoid")])  # fmt: skip
def test_a_loss_refuses_the_wrong_output(loss, output):
    with pytest.raises(ValueError, match=f"loss '{loss}' needs the output activation '.*', got '{output}'"):
        ref.loss_and_grad(X, XW, [W], [B], [output], loss)


def test_lists_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="longer"):
        ref.forward(X, [W], [B], ["relu", "relu"])
    with pytest.raises(ValueError, match="longer"):
        ref.loss_and_grad(X, XW, [W], [B], ["relu", "relu"], "mse")


# ---- fit -------------------------------------------------------------------------------------------------------------


def test_fit_by_hand():
    # y = w x, w = 1, rate 0.1, batches of two rows and of one:
    # x = 1, 2 and y = 2, 4: loss (1 + 4)/2, dL/dw = (2 (-1) 1 + 2 (-2) 2)/2 = -5, w = 1.5
    # x = 3, y = 6: loss (4.5 - 6)^2 = 2.25, dL/dw = 2 (-1.5) 3 = -9, w = 2.4
    w = np.array([[1.0]])
    history = ref.fit(np.array([[1.0], [2.0], [3.0]]), [2, 4, 6], [w], [None], ["identity"], "mse", lr=0.1, epochs=1,
                      batch_size=2)  # fmt: skip
    assert history == [pytest.approx((2 * 2.5 + 1 * 2.25) / 3, rel=1e-14)]
    assert w[0, 0] == pytest.approx(2.4, rel=1e-14)


@pytest.fixture
def problem(rng):
    return rng.normal(size=(11, 3)), rng.integers(0, 2, 11), *network(rng, [3, 4, 1]), ["tanh", "sigmoid"], "bce"


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("optimizer", "options"), [
    ("sgd", {}), ("sgd", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("adam", {}), ("adam", {"betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.01}),
])  # fmt: skip
def test_fit_is_its_steps(problem, optimizer, options, shuffle, weighted, rng):
    X, y, weights, biases, activations, loss = problem
    w = rng.uniform(0.5, 2, 11) if weighted else np.ones(11)
    mine_W, mine_b = [a.copy() for a in weights], [a.copy() for a in biases]
    history = ref.fit(*problem, optimizer, lr=0.1, epochs=3, batch_size=4, shuffle=shuffle,
                      rng=np.random.default_rng(7), sample_weight=w if weighted else None, **options)  # fmt: skip

    draw, step, expected = np.random.default_rng(7), 0, []
    m, v = ([np.zeros_like(p) for p in mine_W + mine_b] for _ in range(2))
    for _ in range(3):
        order = draw.permutation(11) if shuffle else list(range(11))
        losses = []
        for rows in (order[:4], order[4:8], order[8:]):
            L, dW, db = ref.loss_and_grad(X[rows], y[rows], mine_W, mine_b, activations, loss, w[rows])
            losses.append(L)
            step += 1
            for i, (p, g) in enumerate(zip(mine_W + mine_b, dW + db, strict=True)):
                if optimizer == "sgd":
                    ref.sgd_step_(p, g, 0.1, velocity=v[i], **options)
                else:
                    ref.adam_step_(p, g, m[i], v[i], step, 0.1, **options)
        expected.append((4 * losses[0] + 4 * losses[1] + 3 * losses[2]) / 11)

    np.testing.assert_allclose(history, expected, rtol=1e-13)
    for p, q in zip(weights + biases, mine_W + mine_b, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-13)


def test_fit_is_that_of_pytorch():
    # torch 2.13.0, float64: Linear(2, 2), tanh, Linear(2, 1), BCEWithLogitsLoss, Adam(lr=0.1), 3 epochs of batches 2, 1
    X, y = np.array([[1.0, -0.5], [0.25, 2.0], [-1.0, 0.5]]), [1, 0, 1]
    weights = [np.array([[0.5, -0.25], [1.0, 0.75]]), np.array([[1.0], [-0.5]])]
    biases = [np.array([0.1, -0.2]), np.array([0.3])]
    history = ref.fit(X, y, weights, biases, ["tanh", "sigmoid"], "bce", "adam", lr=0.1, epochs=3, batch_size=2)
    np.testing.assert_allclose(history, [0.7827352377252007, 0.6327216204040478, 0.5594574586802982], rtol=1e-12)
    W0 = [[0.40128620737209586, -0.0677584695090979], [1.0437767135079106, 0.8885606162245381]]
    np.testing.assert_allclose(weights[0], W0, rtol=1e-12)
    np.testing.assert_allclose(biases[0], [0.6167642753823448, -0.4410623997559404], rtol=1e-12)
    np.testing.assert_allclose(weights[1], [[0.6376856280659475], [-0.7344252119614971]], rtol=1e-12)
    np.testing.assert_allclose(biases[1], [0.3747571668740193], rtol=1e-12)


def test_fit_learns(rng):
    X = rng.uniform(-1, 1, (200, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(float)  # no line separates them
    weights, biases, activations = *network(rng, [2, 16, 1]), ["relu", "sigmoid"]
    history = ref.fit(X, y, weights, biases, activations, "bce", "adam", lr=0.02, epochs=60, shuffle=True, rng=0)
    assert history[0] > 0.5
    assert history[-1] < 0.2
    assert np.mean((ref.forward(X, weights, biases, activations)[:, 0] > 0.5) == y) > 0.93


def test_fit_shuffles_from_a_seed_or_a_generator(problem):
    X, y, weights, biases, *rest = problem

    def run(rng):
        return ref.fit(X, y, [W.copy() for W in weights], [b.copy() for b in biases], *rest, lr=1.0, epochs=4,
                       batch_size=3, shuffle=True, rng=rng)  # fmt: skip

    assert run(3) == run(np.random.default_rng(3)) == run(3) != run(4)
    assert run(None) != run(None)


def test_fit_of_nothing(problem):
    X, y, weights, biases, activations, loss = problem
    before = [p.copy() for p in weights + biases]
    assert ref.fit(*problem, epochs=0) == []
    assert ref.fit(X[:0], y[:0], weights, biases, activations, loss, epochs=2) == [0, 0]
    for p, q in zip(weights + biases, before, strict=True):
        np.testing.assert_array_equal(p, q)


def test_fit_with_a_batch_larger_than_the_data_is_one_step(problem):
    _, _, weights, biases, *_ = problem
    L, dW, db = ref.loss_and_grad(*problem)
    expected = [p - 0.5 * g for p, g in zip(weights + biases, dW + db, strict=True)]
    assert ref.fit(*problem, lr=0.5, epochs=1, batch_size=1000) == [pytest.approx(L, rel=1e-14)]
    for p, q in zip(weights + biases, expected, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-14)


# ---- the interface ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "signature"), [
    ("linear", '(X, W, b=None, activation="identity", out=None)'),
    ("linear_backward", '(dY, X, W, b, Y, activation="identity", need_dX=True)'),
    ("activation", "(Z, name, out=None)"),
    ("activation_backward", "(dA, Z, name, out=None)"),
    ("binary_cross_entropy", "(Y, y, sample_weight=None, grad=None)"),
    ("binary_cross_entropy_with_logits", "(Z, y, sample_weight=None, grad=None)"),
    ("cross_entropy", "(Z, y, sample_weight=None, grad=None)"),
    ("mean_squared_error", "(Y, y, sample_weight=None, grad=None)"),
    ("sgd_step_", "(params, grads, lr, momentum=0.0, nesterov=False, weight_decay=0.0, velocity=None)"),
    ("adam_step_", "(params, grads, m, v, step, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0)"),
    ("forward", "(X, weights, biases, activations)"),
    ("loss_and_grad", "(X, y, weights, biases, activations, loss, sample_weight=None)"),
])  # fmt: skip
def test_signatures(name, signature):
    assert str(inspect.signature(getattr(ref, name))) == signature.replace('"', "'")
    assert getattr(ref, name).__doc__

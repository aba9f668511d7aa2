"""The losses of the reference, compared with numbers worked by hand and finite differences."""

import math
from functools import partial

import cases
import mpmath as mp
import numpy as np
import pytest
from checks import assert_same_bits

from fastnn import functional
from fastnn import reference as ref

# name: a function that draws outputs and targets for n rows; of several losses the first
LOSSES = {
    case.name: lambda rng, n, case=case: (case.outputs(rng, n, 3), case.targets(rng, n, 3))
    for case in reversed(cases.LOSSES.values())
}
LEAST, MOST = np.reshape([0.1, 0], (2, 1, 1)), np.reshape([0.9, 1], (2, 1, 1))
# differences need distance
LOSSES["binary_cross_entropy"] = lambda rng, n: rng.uniform(LEAST, MOST, (2, n, 3))
EVERY = [(name, {}) for name in LOSSES]
EVERY += [(case.name, case.options(3)) for case in cases.LOSSES.values() if case.options(3)]
each_loss = pytest.mark.parametrize(("name", "options"), EVERY, ids=str)
ONE_COLUMN = set(LOSSES) - {"cross_entropy", "gaussian_nll"}  # those whose outputs may be flat


def loss_and_gradient(name, Y, y, sample_weight=None, **options):
    grad = np.full_like(Y, np.nan)
    L = getattr(ref, name)(Y, y, sample_weight, grad, **options)
    assert type(L) is float
    assert getattr(ref, name)(Y, y, sample_weight, **options) == L
    return L, grad


@pytest.mark.parametrize("weights", [None, [3, 1], [0, 2], [0, 0]])
@pytest.mark.parametrize("case", cases.LOSSES_BY_HAND)
def test_loss_by_hand(case, weights):
    Y, y, losses, gradients, options = [*cases.LOSSES_BY_HAND[case], {}][:5]
    share = np.divide(weights or [1, 1], sum(weights or [1, 1]) or 1)
    arguments = case.split()[0], np.array(Y, float), np.array(y), weights
    L, grad = loss_and_gradient(*arguments, **options)
    assert L == pytest.approx(share @ losses, rel=1e-14, abs=0)
    np.testing.assert_allclose(grad, share[:, None] * gradients, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("weighted", [False, True])
@each_loss
def test_loss_gradient_is_the_derivative(name, options, weighted, rng, assert_derivative):
    Y, y = LOSSES[name](rng, 5)
    w = rng.uniform(0, 2, 5) if weighted else None
    _, grad = loss_and_gradient(name, Y, y, w, **options)
    assert_derivative(grad, lambda: getattr(ref, name)(Y, y, w, **options), Y)


@pytest.mark.parametrize("s", [0, 0.2])
def test_cross_entropy_gradient_for_rows_is_the_derivative(s, rng, assert_derivative):
    Z, y = rng.normal(size=(5, 3)), rng.uniform(size=(5, 3))  # rows that don't sum to 1
    _, grad = loss_and_gradient("cross_entropy", Z, y, label_smoothing=s)
    assert_derivative(grad, lambda: ref.cross_entropy(Z, y, label_smoothing=s), Z)


@each_loss
def test_a_weight_of_two_is_a_row_twice(name, options, rng):
    Y, y = LOSSES[name](rng, 4)
    twice, loss = [0, 1, 1, 3], partial(getattr(ref, name), **options)
    assert loss(Y, y, [1, 2, 0, 1]) == pytest.approx(loss(Y[twice], y[twice]), rel=1e-14)


@each_loss
def test_a_nan_makes_its_own_gradient_nan(name, options, rng):
    Y, y = LOSSES[name](rng, 5)
    Y[2, 1] = np.nan
    grad = np.zeros_like(Y)
    assert math.isnan(getattr(ref, name)(Y, y, grad=grad, **options)) and math.isnan(grad[2, 1])
    assert np.isfinite(grad[[0, 1, 3, 4]]).all()


@pytest.mark.parametrize("name", LOSSES)
def test_loss_of_no_rows(name, rng):
    Y, y = LOSSES[name](rng, 0)
    L, grad = loss_and_gradient(name, Y, y)
    assert L == 0 and grad.shape == Y.shape


@pytest.mark.parametrize("name", sorted(ONE_COLUMN))
def test_one_output_as_column_or_flat(name, rng):
    column, y = rng.uniform(0.1, 0.9, (4, 1)), rng.integers(0, 2, 4)
    L, grad = loss_and_gradient(name, column, y)
    for Y, targets in ((column, y[:, None]), (column[:, 0], y), (column[:, 0], y[:, None])):
        L_here, grad_here = loss_and_gradient(name, Y, targets)
        assert L_here == L
        np.testing.assert_array_equal(grad_here.ravel(), grad.ravel())


@each_loss
def test_loss_is_computed_in_the_dtype_of_the_outputs(name, options, rng):
    for _ in range(10):
        Y, y = LOSSES[name](rng, 5)
        L, _ = loss_and_gradient(name, Y.astype(np.float32), y, rng.uniform(size=5), **options)
        assert L == float(np.float32(L))


@pytest.mark.parametrize("name", LOSSES)
def test_loss_changes_only_grad(name, rng):
    Y, y = LOSSES[name](rng, 4)
    w = rng.uniform(size=4)
    copies = Y.copy(), y.copy(), w.copy()
    loss_and_gradient(name, Y, y, w)
    assert_same_bits((Y, y, w), copies)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_refuses_targets_of_another_shape(name):
    Y = np.full((2, 6 if name == "gaussian_nll" else 3), 0.5)
    message = r"y has shape \(3, 2\), but the outputs have shape \(2, 3\)"
    with pytest.raises(ValueError, match=message):
        getattr(ref, name)(Y, np.zeros((3, 2)))


@pytest.mark.parametrize("shape", [(2, 3), (4,)])
def test_gaussian_nll_needs_a_mean_and_a_variance_for_each_target(shape):
    message = r"Y must hold a mean and a log-variance for each target, got shape"
    with pytest.raises(ValueError, match=message):
        ref.gaussian_nll(np.zeros(shape), np.zeros((2, 1)))


NUMBERS = dict.fromkeys(("binary_cross_entropy", "binary_cross_entropy_with_logits"), "pos_weight")


@pytest.mark.parametrize(("name", "option"), [*NUMBERS.items(), ("quantile", "q")])
@pytest.mark.parametrize("n_out", [1, 3])
def test_numbers_for_other_outputs_are_refused(name, option, n_out):
    Y = np.full((4, n_out), 0.5)
    message = rf"{option} has shape \(2,\)\. Pass one number, or one for each of {n_out}"
    with pytest.raises(ValueError, match=message):
        getattr(ref, name)(Y, Y, **{option: [0.5, 0.5]})


@pytest.mark.parametrize("classes", [[0, 3], [-1, 0], [0, 0.5]])
def test_cross_entropy_refuses_other_classes(classes):
    with pytest.raises(ValueError, match=r"y must hold class indices 0\.\.2"):
        ref.cross_entropy(np.zeros((2, 3)), np.array(classes))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_at_extremes(dtype):
    z, y, p = np.array([-1e4, 1e4] * 2, dtype), np.array([0, 1, 1, 0]), np.array([0, 1] * 2, dtype)
    rows, squares = z.reshape(2, 2), (1e4**2 + 9999**2 + 10001**2 + 1e4**2) / 4
    with np.errstate(all="raise", under="ignore"):
        # the right answer costs nothing; the wrong one 1e4, or 100 where log is clamped
        for name, outputs, targets, loss, gradient, rtol in [
            ("binary_cross_entropy_with_logits", z, y, 5e3, [0, 0, -0.25, 0.25], 0),
            ("binary_cross_entropy", p, y, 50, [0, 0, -0.25e12, 0.25e12], 1e-6),
            ("cross_entropy", rows, [1, 0], 1e4, [[0, 0], [-0.5, 0.5]], 0),
            ("mean_squared_error", z, y, squares, [-5000, 4999.5, -5000.5, 5000], 0),
        ]:
            L, grad = loss_and_gradient(name, outputs, targets)
            assert L == pytest.approx(loss, rel=1e-6 * (loss == squares), abs=0)
            np.testing.assert_allclose(grad, gradient, rtol=rtol)


@pytest.mark.parametrize("module", [ref, functional], ids=["reference", "functional"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_cosh_is_exact_to_rounding_at_all_magnitudes(module, dtype):
    sizes = 0, 1e-18, 1e-9, 1e-4, 0.1, 0.74, 0.76, 0.99, 1.01, 3, 20, 100, 1e4, 1e30
    eps, tiny = float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)
    with mp.workdps(50), np.errstate(all="raise", under="ignore"):
        for d in (sign * dtype(size) for size in sizes for sign in (1, -1)):
            grad, x = np.empty(1, dtype), mp.mpf(float(d))
            L = module.log_cosh(np.array([d]), [0], grad=grad)
            exact = mp.log(mp.cosh(x)) if abs(x) < 1e3 else abs(x) - mp.log(2)
            assert L == pytest.approx(float(exact), rel=16 * eps, abs=tiny)
            assert grad[0] == pytest.approx(float(mp.tanh(x)), rel=4 * eps)


def test_losses_keep_small_digits():
    # log(1 + exp(-30)) survives beside z = 30; -log(1 - 1e-20) beside p = 1e-20
    L = ref.binary_cross_entropy_with_logits(np.array([30.0]), [1])
    assert L == pytest.approx(9.357622968839737e-14, rel=1e-14, abs=0)
    L = ref.binary_cross_entropy(np.array([1e-20]), [0])
    assert L == pytest.approx(1e-20, rel=1e-14, abs=0)


@pytest.mark.parametrize("n_out", [1, 3])
def test_logits_and_probabilities_agree(n_out, rng):
    Z, y = rng.normal(size=(5, n_out)), rng.uniform(size=(5, n_out))
    L, dZ = loss_and_gradient("binary_cross_entropy_with_logits", Z, y)
    L_p, dP = loss_and_gradient("binary_cross_entropy", ref.activation(Z, "sigmoid"), y)
    assert L == pytest.approx(L_p, rel=1e-14)
    np.testing.assert_allclose(dZ, ref.activation_backward(dP, Z, "sigmoid"), rtol=1e-12)


def test_huber_of_large_errors_does_not_overflow():
    with np.errstate(all="raise"):
        L, grad = loss_and_gradient("huber", np.array([1e200, -1e200]), [0, 0])
    assert L == 2e200
    np.testing.assert_array_equal(grad, [1, -1])

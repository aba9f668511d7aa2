"""The losses of F against values worked by hand: definitions, options, and extreme numbers."""

import math

import numpy as np
import pytest
from checks import assert_finite
from numpy.testing import assert_allclose, assert_array_equal

from fastnn import functional as F
from fastnn import reference as ref

BCE, LOGITS, MSE = F.binary_cross_entropy, F.binary_cross_entropy_with_logits, F.mean_squared_error


def loss_and_gradient(loss, Y, y, **options):
    grad = np.full_like(Y, np.nan)
    return loss(Y, y, grad=grad, **options), grad


def assert_close(actual, expected, rtol, atol=0):
    """Compare a loss and its gradient with those expected."""
    assert actual[0] == pytest.approx(expected[0], rel=rtol)
    assert_allclose(actual[1], expected[1], rtol=rtol, atol=atol)


def test_likelihoods_are_sums_over_outputs_and_errors_are_means():
    assert BCE([[0.5, 0.5]], [[1, 0]]) == pytest.approx(2 * math.log(2))
    assert LOGITS([[0, 0]], [[1, 0]]) == pytest.approx(2 * math.log(2))
    assert F.cross_entropy([[0, 0]], [[1, 1]]) == pytest.approx(2 * math.log(2))
    for loss, Y, y, expected in [
        (F.poisson_nll, [[0, 0]], [[1, 2]], 2.0),
        (F.gaussian_nll, [[3, 1, 0, 0]], [[0, 0]], 5.0),
        (MSE, [[3, 1]], [[0, 0]], 5.0),
        (MSE, [[3, 1], [0, 0]], np.zeros((2, 2)), 2.5),
        (F.mean_absolute_error, [[3, -1]], [[0, 0]], 2.0),
        (F.huber, [[3, 0.5]], [[0, 0]], (5 + 0.25) / 2),
    ]:
        assert loss(Y, y) == expected, loss
    assert F.quantile([[3, -1]], [[0, 0]], q=0.75) == (0.25 * 3 + 0.75) / 2


@pytest.mark.parametrize("n", [1, 3, 40])
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_bce_of_large_logits_is_exact(isa, dtype, eps, n, size):
    z = dtype.type(size)
    rights = [(z, 1, 0, 0), (-z, 0, 0, 0)]
    wrongs = [(z, 0, z, 1), (-z, 1, z, -1), (z, 0.5, z / 2, 0.5), (-z, 0.5, z / 2, -0.5)]
    for logit, y, loss, slope in rights + wrongs:
        for k in (1, 2):
            L, grad = loss_and_gradient(LOGITS, np.full((n, k), logit), np.full((n, k), y))
            assert L == pytest.approx(float(loss) * k, rel=10 * eps)
            assert_array_equal(grad, np.full((n, k), dtype.type(slope) * dtype.type(1 / n)))


@pytest.mark.parametrize("n", [1, 3, 40])
@pytest.mark.parametrize("as_rows", [False, True], ids=["classes", "probabilities"])
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_cross_entropy_of_large_logits_is_exact(isa, dtype, eps, n, as_rows, size):
    Z = np.tile(np.array([size, -size, 0], dtype), (n, 1))
    z, part = Z[0, 0], dtype.type(1 / n)
    for cls, loss, slope in [(0, 0, [0, 0, 0]), (1, 2 * z, [1, -1, 0]), (2, z, [1, 0, -1])]:
        y = np.tile(np.eye(3)[cls], (n, 1)) if as_rows else np.full(n, cls)
        L, grad = loss_and_gradient(F.cross_entropy, Z, y)
        assert L == pytest.approx(float(loss), rel=10 * eps)
        assert_array_equal(grad, np.tile(np.array(slope, dtype) * part, (n, 1)))


@pytest.mark.parametrize("shift", [-1e4, 1e4, 1e30])
def test_cross_entropy_of_equal_logits_is_log_k(isa, dtype, eps, shift):
    for k in (2, 10, 17, 100):
        Z, y = np.full((5, k), shift, dtype), np.zeros(5, int)
        L, grad = loss_and_gradient(F.cross_entropy, Z, y)
        assert_close((L, grad[:, 1:]), (math.log(k), 1 / k / 5), 20 * eps)


def test_cross_entropy_of_one_class_is_zero(isa, dtype):
    for n in (1, 9, 300):
        Z = np.random.default_rng(n).normal(size=(n, 1)).astype(dtype)
        L, grad = loss_and_gradient(F.cross_entropy, Z, np.zeros(n, int))
        assert L == 0.0
        assert_array_equal(grad, 0)


@pytest.mark.parametrize("n", [1, 40])
def test_bce_of_certain_probabilities_is_clamped_as_in_pytorch(isa, dtype, eps, n):
    small, subnormal = np.finfo(dtype).tiny, np.finfo(dtype).smallest_subnormal
    for p, y, loss, slope in [
        (0, 0, 0, 0),
        (1, 1, 0, 0),
        (0, 1, 100, -1e12),
        (1, 0, 100, 1e12),
        (0, 0.5, 50, -0.5e12),
        (1, 0.5, 50, 0.5e12),
        (small, 1, min(100, -math.log(small)), -1e12),
        (small, 0, float(small), float(small) * 1e12),
        (subnormal, 1, 100, -1e12),
        (subnormal, 0, 0, 0),
    ]:
        for k in (1, 2):
            L, grad = loss_and_gradient(BCE, np.full((n, k), p, dtype), np.full((n, k), y))
            assert L == pytest.approx(loss * k, rel=10 * eps, abs=float(small) * n * k)
            assert_allclose(grad, slope / n, rtol=10 * eps, atol=float(small))


def test_extremes_give_no_nan(isa, dtype):
    extremes = [-1e30, -1e4, -1, 0, 1, 1e4, 1e30]
    Z = np.array([[a, b] for a in extremes for b in extremes], dtype)
    P = np.array([[a, b] for a in (0, 1e-30, 0.5, 1) for b in (0, 1e-30, 0.5, 1)], dtype)
    rows = [np.repeat(y, len(Z), axis=0) for y in ([[0, 0]], [[0, 1]], [[1, 0]], [[1, 1]])]
    for loss, Y, targets in [
        *((loss, Z, y) for loss in (LOGITS, F.cross_entropy) for y in rows),
        *((BCE, P, np.full(P.shape, y)) for y in (0, 0.25, 1)),
    ]:
        L, grad = loss_and_gradient(loss, Y, targets)
        assert math.isfinite(L)
        assert_finite(grad)


def test_losses_of_logits_of_all_magnitudes(isa, dtype, eps):
    """From the smallest number to the largest, each alone: loss and gradient are finite and right."""
    info = np.finfo(dtype)
    powers = range(info.minexp - info.nmant, info.maxexp, 7)
    sizes = [info.smallest_subnormal, *(dtype.type(1.4) * dtype.type(2) ** k for k in powers)]
    least = 4 * float(info.smallest_subnormal)

    def check(loss, z, y, exact, slope, absolute, label):
        L, grad = loss_and_gradient(loss, z, y)
        assert math.isfinite(L) and abs(L - exact) <= 6 * eps * exact + absolute, label
        assert abs(grad[0, 0] - slope) <= 3 * eps, label

    for z in (*sizes, info.max, *(-size for size in sizes), info.min):
        a, wide = np.array([[z]], dtype), float(z)
        rest = math.log1p(math.exp(-abs(wide)))
        p = 1 / (1 + math.exp(-wide)) if wide > -700 else 0.0
        for y in (0, 0.5, 1):
            exact = y * max(-wide, 0) + (1 - y) * max(wide, 0) + rest
            check(F.binary_cross_entropy_with_logits, a, [[y]], exact, p - y, least, (z, y))
        # A difference of the largest numbers has no float. log(1 + e) loses the digits of a small e.
        logits = np.array([[z, 0]], dtype)
        check(F.cross_entropy, logits, [0], max(-wide, 0) + rest, p - 1, eps, (z, 0))


# ---- options -------------------------------------------------------------------------------------


def test_smoothed_labels_are_labels(isa, dtype, eps):
    """The option equals labels that are smoothed beforehand."""
    rng = np.random.default_rng(2)
    for n, k in ((5, 1), (9, 3), (20, 17)):
        Z, P = rng.normal(size=(n, k)).astype(dtype), rng.uniform(size=(n, k)).astype(dtype)
        y, cls = rng.integers(0, 2, (n, k)), rng.integers(0, k, n)
        for s in (0.125, 0.75):
            examples = [(loss, Y, y, (1 - s) * y + s / 2) for loss, Y in ((BCE, P), (LOGITS, Z))]
            if k > 1:
                rows = np.eye(k)[cls]
                smooth = (1 - s) * rows + s / k
                examples += [(F.cross_entropy, Z, sharp, smooth) for sharp in (cls, rows)]
            for loss, Y, sharp, smooth in examples:
                found = loss_and_gradient(loss, Y, sharp, label_smoothing=s)
                assert_close(found, loss_and_gradient(loss, Y, smooth), 40 * eps, 8 * eps)


def test_pos_weight_is_a_weight_of_positive_targets(isa, dtype, eps):
    """With p = 3 a positive row counts as three rows; a negative row is unchanged."""
    for loss, Y in ((BCE, 0.25), (LOGITS, -1.5)):
        Y = np.full((3, 1), Y, dtype)
        plain, weighted = (loss_and_gradient(loss, Y, [1, 0, 1], pos_weight=p) for p in (None, 3.0))
        yes, no = (loss(Y[:1], [label]) for label in (1, 0))
        assert weighted[0] == pytest.approx((3 * yes + no + 3 * yes) / 3, rel=10 * eps)
        assert_allclose(weighted[1], plain[1] * [[3], [1], [3]], rtol=10 * eps)
        both = loss(np.repeat(Y, 2, axis=1), [[1, 1]] * 3, pos_weight=(2, 0.5))
        assert both == pytest.approx(2.5 * yes, rel=10 * eps)


def test_huber_is_the_square_when_it_is_wide_and_a_multiple_of_the_error_when_it_is_narrow(
    isa, dtype, eps
):
    rng = np.random.default_rng(3)
    for n, k in ((9, 1), (5, 17)):
        Y, y = rng.normal(size=(2, n, k)).astype(dtype)
        wide = loss_and_gradient(F.huber, Y, y, delta=100.0)
        assert_close(wide, loss_and_gradient(MSE, Y, y), 10 * eps)
        L, grad = loss_and_gradient(F.huber, Y, y, delta=2.0**-60)
        narrow = L * 2.0**59, grad * dtype.type(2.0**59)
        assert_close(narrow, loss_and_gradient(F.mean_absolute_error, Y, y), 10 * eps)


def test_quantile_of_one_half_is_half_the_error(isa, dtype):
    Y, y = np.random.default_rng(4).normal(size=(2, 9, 3)).astype(dtype)
    half, error = (loss_and_gradient(f, Y, y) for f in (F.quantile, F.mean_absolute_error))
    assert half[0] * 2 == error[0]
    assert_array_equal(half[1] * 2, error[1])


def test_slopes_where_output_and_target_are_equal_are_zero(isa, dtype):
    for n, k in ((3, 1), (20, 1), (5, 3)):
        Y = np.random.default_rng(5).normal(size=(n, k)).astype(dtype)
        for loss in (F.mean_absolute_error, F.quantile, F.huber, F.mean_squared_error):
            L, grad = loss_and_gradient(loss, Y, Y.copy())
            assert L == 0.0
            assert_array_equal(grad, 0)


# ---- extremes of other losses --------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 40])
def test_errors_of_large_numbers(isa, dtype, eps, n):
    for size in (1e4, 1e30):
        z = dtype.type(size)
        for k in (1, 3):
            Y, zeros = np.full((n, k), z), np.zeros((n, k), dtype)
            for loss, options, per_output, slope in [
                (F.mean_absolute_error, {}, z, 1),
                (F.huber, {}, 2 * float(z) - 1, 2),
                (F.quantile, dict(q=0.75), z / 4, 0.25),
            ]:
                for sign in (1, -1):
                    if loss is F.quantile and sign == -1:
                        per_output, slope = z * 0.75, 0.75
                    L, grad = loss_and_gradient(loss, sign * Y, zeros, **options)
                    assert L == pytest.approx(float(per_output), rel=20 * eps)
                    assert_allclose(grad, sign * slope / n / k, rtol=4 * eps)


def test_poisson_of_large_logarithms(isa, dtype):
    for n, k in ((1, 1), (40, 1), (9, 3)):
        Z = np.full((n, k), -1e4, dtype)
        for Y, y, loss, slope in ((Z, 2, 2e4 * k, -2 / n), (Z, 0, 0, 0), (-Z, 2, np.inf, np.inf)):
            found = loss_and_gradient(F.poisson_nll, Y, np.full((n, k), y))
            assert_close(found, (loss, slope), 1e-6)  # no number holds the last rate


def test_gaussian_of_large_variances(isa, dtype):
    """Their logarithms are what the loss sees: neither exp(1e4) nor its inverse does harm where the
    difference is 0."""
    for n in (1, 40):
        Y = np.tile(np.array([3, 5, 1e4, 40], dtype), (n, 1))
        L, grad = loss_and_gradient(F.gaussian_nll, Y, np.tile([1.0, 5.0], (n, 1)))
        assert L == pytest.approx((1e4 + 40) / 2)
        assert_allclose(grad, np.tile([0, 0, 0.5 / n, 0.5 / n], (n, 1)), rtol=1e-6)


OPTIONS = [dict(pos_weight=4.0), dict(label_smoothing=0.5)]
OPTIONS.append(OPTIONS[0] | OPTIONS[1])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_extremes_with_options_match_the_reference(isa, dtype, eps, options):
    Z = np.array([-1e30, -1e4, -50, 0, 50, 1e4, 1e30], dtype)[:, None]
    P, Y = np.array([0, 1e-30, 0.25, 1], dtype)[:, None], (0, 1, 0.25)
    examples = [(LOGITS, ref.binary_cross_entropy_with_logits, Z, np.full(Z.shape, y)) for y in Y]
    examples += [(BCE, ref.binary_cross_entropy, P, np.full(P.shape, y)) for y in Y]
    if "pos_weight" not in options:
        Z = np.concatenate([Z, -Z, np.zeros_like(Z)], axis=1)
        for y in (np.arange(7) % 3, np.full((7, 3), 1 / 3)):
            examples.append((F.cross_entropy, ref.cross_entropy, Z, y))
    for loss, oracle, outputs, y in examples:
        exact = loss_and_gradient(oracle, outputs.astype(float), y, **options)
        assert_close(loss_and_gradient(loss, outputs, y, **options), exact, 20 * eps, 4 * eps)

"""The losses of F with every option, each with its gradient, against the NumPy reference in
float64."""

import inspect
import math

import numpy as np
import pytest
from cases import LOSSES
from checks import assert_finite, assert_same_bits, assert_within

from fastnn import functional as F
from fastnn import kernels

SHAPES = [
    *((n, 1) for n in range(1, 71)),
    *((n, 3) for n in range(1, 71)),
    *((9, k) for k in range(1, 41)),
    (9, 257),
    (300, 17),
    (513, 1),
    (600, 2),
    (0, 1),
    (0, 5),
]
WITH_FMA = [isa for isa in kernels.SUPPORTED if isa != "baseline"]


WEIGHTS = {
    "no weights": lambda rng, n: None,
    "weights": lambda rng, n: rng.uniform(0.1, 3, n),
    "some weights 0": lambda rng, n: rng.integers(0, 3, n).astype(float),
}


@pytest.fixture(params=LOSSES)
def case(request):
    return LOSSES[request.param]


def sizes(case, *pairs):
    return [(n, k) for n, k in pairs if k >= case.least_k]


def example(case, dtype, n, k, weights="weights", seed=3):
    """Y, y, w in the dtype; whole numbers stay that."""
    rng = np.random.default_rng([seed, n, k])
    Y, y, w = (
        case.outputs(rng, n, k).astype(dtype),
        case.targets(rng, n, k),
        WEIGHTS[weights](rng, n),
    )
    return Y, y.astype(dtype) if y.dtype.kind == "f" else y, None if w is None else w.astype(dtype)


def check_against_reference(case, dtype, n, k, weights):
    Y, y, w = example(case, dtype, n, k, weights)
    grad, exact_grad = np.full_like(Y, np.nan), np.zeros(Y.shape)
    L = case.loss(Y, y, w, grad=grad)
    Y, y = Y.astype(float), y if y.ndim == 1 else y.astype(float)
    exact = case.oracle(Y, y, None if w is None else w.astype(float), grad=exact_grad)
    share = (
        np.ones(n) / max(n, 1) if w is None else w.astype(float) / max(w.sum(dtype=float), 1e-300)
    )[:, None]
    eps, p = np.finfo(dtype).eps, case.options(k).get("pos_weight", 1)
    bound = (12 + k / 16 + min(n, 256) / 16) * eps * (share * case.magnitude(Y, y, p)).sum()
    spread = Y.max(axis=1, initial=0, keepdims=True) - Y.min(axis=1, initial=0, keepdims=True)
    slope = (12 + k / 16 + spread) * eps * share * case.slope(Y, y, p)
    assert type(L) is float
    assert_within(np.array(L), np.array(exact), bound, f"loss of shape {(n, k)}")
    assert_within(grad, exact_grad, slope, f"gradient of shape {(n, k)}")


# ---- values and gradients ------------------------------------------------------------------------


def test_the_cases_cover_every_loss_and_option():
    steps_and_layers = {
        name
        for name in F.__all__
        if name.endswith("_step_") or "linear" in name or "activation" in name
    }
    assert {case.name for case in LOSSES.values()} == set(F.__all__) - steps_and_layers
    for name in {case.name for case in LOSSES.values()}:
        options_covered = {
            option for case in LOSSES.values() if case.name == name for option in case.options(2)
        }
        assert options_covered == set(inspect.signature(getattr(F, name)).parameters) - {
            "Y",
            "Z",
            "y",
            "sample_weight",
            "grad",
        }


@pytest.mark.parametrize("weights", WEIGHTS)
def test_loss_and_gradient_match_the_reference_for_all_shapes(isa, dtype, case, weights):
    for shape in sizes(case, *SHAPES):
        check_against_reference(case, dtype, *shape, weights)


def test_loss_is_the_same_without_grad(isa, dtype, case):
    for n, k in sizes(case, (5, 1), (9, 17), (300, 3)):
        Y, y, w = example(case, dtype, n, k)
        assert case.loss(Y, y, w) == case.loss(Y, y, w, grad=np.empty_like(Y))


def test_weights_of_one_equal_no_weights_and_their_scale_does_not_matter(isa, dtype, case):
    for n, k in sizes(case, (8, 1), (64, 5), (512, 2)):  # powers of two: 1/n is exact
        Y, y, w = example(case, dtype, n, k)
        grads = [np.empty_like(Y) for _ in range(5)]
        plain = case.loss(Y, y, grad=grads[0])
        assert case.loss(Y, y, np.ones(n), grad=grads[1]) == plain
        assert_same_bits(grads[1], grads[0])
        weighted = case.loss(Y, y, w, grad=grads[2])
        for scale, grad in ((2.0**-60, grads[3]), (2.0**60, grads[4])):
            assert case.loss(Y, y, w * dtype.type(scale), grad=grad) == weighted
            assert_same_bits(grad, grads[2])


def test_weights_near_the_ends_of_the_range_keep_the_loss(isa, dtype, eps, case):
    Y, y, _ = example(case, dtype, 40, 3)
    limits = np.finfo(dtype)
    plain = case.loss(Y, y)
    for w in (limits.smallest_subnormal, limits.tiny, limits.max / 64):
        grad = np.full_like(Y, np.nan)
        assert case.loss(Y, y, np.full(40, w, dtype), grad=grad) == pytest.approx(
            plain, rel=30 * eps
        )
        assert_finite(grad)


def test_weight_of_two_is_the_row_twice(isa, dtype, eps, case):
    Y, y, _ = example(case, dtype, 9, 3)
    w = np.ones(9, dtype)
    w[4] = 2
    Y_twice, y_twice = np.insert(Y, 4, Y[4], axis=0), np.insert(y, 4, y[4], axis=0)
    grad, grad_twice = np.empty_like(Y), np.empty_like(Y_twice)
    L = case.loss(Y, y, w, grad=grad)
    twice = case.loss(Y_twice, y_twice, grad=grad_twice)
    assert L == pytest.approx(twice, rel=20 * eps)
    np.testing.assert_allclose(grad[4], 2 * grad_twice[4], rtol=20 * eps)


def test_gradient_is_the_derivative(isa, case):
    """Compare with 4th-order differences in float64, away from clamps."""
    for n, k in sizes(case, (3, 1), (4, 5)):
        Y, y, w = example(case, np.dtype(float), n, k)
        grad = np.empty_like(Y)
        case.loss(Y, y, w, grad=grad)
        numeric, h = np.empty_like(Y), 1e-5 if case.name == "binary_cross_entropy" else 1e-3
        for i in np.ndindex(Y.shape):
            values = []
            for step in (-2, -1, 1, 2):
                moved = Y.copy()
                moved[i] += step * h
                values.append(case.loss(moved, y, w))
            numeric[i] = np.dot([1, -8, 8, -1], values) / (12 * h)
        assert np.abs(grad - numeric).max() <= 1e-7 * np.abs(numeric).max() + 1e-10


def test_rows_of_weight_zero(isa, dtype, case):
    for n, k in sizes(case, (5, 1), (9, 17), (300, 3)):
        Y, y, _ = example(case, dtype, n, k)
        grad = np.full_like(Y, np.nan)
        assert case.loss(Y, y, np.zeros(n), grad=grad) == 0.0
        np.testing.assert_array_equal(grad, 0)


def test_no_rows(isa, dtype, case):
    for n, k in sizes(case, (0, 1), (0, 3)):
        Y, y, _ = example(case, dtype, n, k)
        assert (
            case.loss(Y, y)
            == case.loss(Y, y, np.zeros(0))
            == case.loss(Y, y, grad=np.empty_like(Y))
            == 0.0
        )


def test_a_nan_makes_its_own_gradient_nan_and_affects_no_other_row(isa, dtype, case):
    for n, k in sizes(case, (5, 1), (40, 17), (600, 1), (600, 3)):
        Y, y, w = example(case, dtype, n, k)
        grad, spoiled_grad, spoiled = np.empty_like(Y), np.empty_like(Y), Y.copy()
        spoiled[n // 2, k // 2] = np.nan
        case.loss(Y, y, w, grad=grad)
        assert math.isnan(case.loss(spoiled, y, w, grad=spoiled_grad))
        assert math.isnan(spoiled_grad[n // 2, k // 2])
        others = np.arange(n) != n // 2
        assert_same_bits(spoiled_grad[others], grad[others])


def test_a_row_has_the_same_bits_in_any_batch(isa, dtype, case):
    """Its loss where it alone weighs something, and its gradient, of which a batch of a power of
    two has an exact part."""
    for n, k in sizes(case, (64, 1), (32, 3), (64, 17), (2, 40)):
        Y, y, _ = example(case, dtype, n, k)
        grad, alone = np.empty_like(Y), np.empty_like(Y[:1])
        case.loss(Y, y, grad=grad)
        for i in (0, 1, n // 2, n - 1):
            L = case.loss(Y[i : i + 1], y[i : i + 1], grad=alone)
            assert case.loss(Y, y, np.arange(n) == i) == L
            assert_same_bits(grad[i] * n, alone)


def test_bits_do_not_depend_on_alignment_and_no_other_memory_is_written(isa, dtype, case):
    for n, k in sizes(case, (7, 1), (32, 1), (256, 1), (272, 1), (515, 1), (40, 3)):
        Y, y, w = example(case, dtype, n, k)
        grad, memory = np.empty_like(Y), np.full(Y.size + 33, 7, dtype)
        L = case.loss(Y, y, w, grad=grad)
        Y_odd, y_odd = (
            np.insert(Y.ravel(), 0, 7)[1:].reshape(Y.shape),
            np.insert(y.ravel(), 0, 7)[1:].reshape(y.shape),
        )
        assert case.loss(Y_odd, y_odd, w, grad=memory[1 : Y.size + 1].reshape(Y.shape)) == L
        assert_same_bits(memory[1 : Y.size + 1], grad)
        assert memory[0] == 7
        np.testing.assert_array_equal(memory[Y.size + 1 :], 7)


@pytest.mark.skipif(len(WITH_FMA) < 2, reason="needs two instruction sets with FMA to compare")
def test_instruction_sets_with_fma_give_the_same_bits(dtype, case):
    before, results = kernels.CHOSEN, []
    for isa in WITH_FMA:
        kernels.use(isa)
        try:
            results.append([])
            for n, k in sizes(case, (1, 1), (9, 2), (64, 1), (70, 17), (300, 40)):
                Y, y, w = example(case, dtype, n, k)
                grad = np.empty_like(Y)
                results[-1] += [case.loss(Y, y, w, grad=grad), grad]
        finally:
            kernels.use(before)
    for isa, result in zip(WITH_FMA, results):
        assert_same_bits(result, results[0], isa)

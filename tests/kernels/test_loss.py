"""The losses of F with every option, each with its gradient, against the NumPy reference in
float64."""

import inspect
import itertools
import math
import re

import numpy as np
import pytest
from cases import LOSSES
from checks import assert_finite, assert_same_bits, assert_within
from instruction_sets import assert_same_on_every_variant, same_bits

from fastnn import functional as F

SHAPES = [*((n, k) for k in (1, 3) for n in range(1, 71)), *((9, k) for k in range(1, 41))]
SHAPES += [(9, 257), (300, 17), (513, 1), (600, 2), (0, 1), (0, 5)]
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
    Y, y, w = case.outputs(rng, n, k), case.targets(rng, n, k), WEIGHTS[weights](rng, n)
    Y = Y.astype(dtype)
    return Y, y.astype(dtype) if y.dtype.kind == "f" else y, None if w is None else w.astype(dtype)


# ---- values and gradients ------------------------------------------------------------------------


def test_the_cases_cover_every_loss_and_option():
    covered = {}
    for case in LOSSES.values():
        covered.setdefault(case.name, set()).update(case.options(2))
    others = {name for name in F.__all__ if re.search("_step_$|linear|activation", name)}
    assert covered.keys() == set(F.__all__) - others
    for name, options in covered.items():
        parameters = set(inspect.signature(getattr(F, name)).parameters)
        assert options == parameters - {"Y", "Z", "y", "sample_weight", "grad"}


@pytest.mark.parametrize("weights", WEIGHTS)
def test_loss_and_gradient_match_the_reference_for_all_shapes(isa, dtype, case, weights):
    for n, k in sizes(case, *SHAPES):
        Y, y, w = example(case, dtype, n, k, weights)
        grad, exact_grad = np.full_like(Y, np.nan), np.zeros(Y.shape)
        L = case.loss(Y, y, w, grad=grad)
        Y, y = Y.astype(float), y if y.ndim == 1 else y.astype(float)
        w = None if w is None else w.astype(float)
        exact = case.oracle(Y, y, w, grad=exact_grad)
        share = np.ones(n) / max(n, 1) if w is None else w / max(w.sum(), 1e-300)
        share = share[:, None]
        eps, p = np.finfo(dtype).eps, case.options(k).get("pos_weight", 1)
        bound = (12 + k / 16 + min(n, 256) / 16) * eps * (share * case.magnitude(Y, y, p)).sum()
        spread = Y.max(axis=1, initial=0, keepdims=True) - Y.min(axis=1, initial=0, keepdims=True)
        slope = (12 + k / 16 + spread) * eps * share * case.slope(Y, y, p)
        assert type(L) is float
        assert_within(np.array(L), np.array(exact), bound, f"loss of shape {(n, k)}")
        assert_within(grad, exact_grad, slope, f"gradient of shape {(n, k)}")


def test_loss_is_the_same_without_grad(isa, dtype, case):
    for n, k in sizes(case, (5, 1), (9, 17), (300, 3)):
        Y, y, w = example(case, dtype, n, k)
        assert case.loss(Y, y, w) == case.loss(Y, y, w, grad=np.empty_like(Y))


def test_weights_of_one_equal_no_weights_and_their_scale_does_not_matter(isa, dtype, case):
    for n, k in sizes(case, (8, 1), (64, 5), (512, 2)):  # powers of two: 1/n is exact
        Y, y, w = example(case, dtype, n, k)
        grads = [np.empty_like(Y) for _ in range(5)]
        assert case.loss(Y, y, np.ones(n), grad=grads[1]) == case.loss(Y, y, grad=grads[0])
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
        loss = case.loss(Y, y, np.full(40, w, dtype), grad=grad)
        assert loss == pytest.approx(plain, rel=30 * eps)
        assert_finite(grad)


def test_rows_of_weight_zero(isa, dtype, case):
    for n, k in sizes(case, (5, 1), (9, 17), (300, 3)):
        Y, y, _ = example(case, dtype, n, k)
        grad = np.full_like(Y, np.nan)
        assert case.loss(Y, y, np.zeros(n), grad=grad) == 0.0
        np.testing.assert_array_equal(grad, 0)


def test_no_rows(isa, dtype, case):
    for n, k in sizes(case, (0, 1), (0, 3)):
        Y, y, _ = example(case, dtype, n, k)
        losses = case.loss(Y, y), case.loss(Y, y, np.zeros(0)), case.loss(Y, y, grad=Y.copy())
        assert losses == (0.0, 0.0, 0.0)


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
        Y_odd, y_odd = (np.insert(a.ravel(), 0, 7)[1:].reshape(a.shape) for a in (Y, y))
        assert case.loss(Y_odd, y_odd, w, grad=memory[1 : Y.size + 1].reshape(Y.shape)) == L
        assert_same_bits(memory[1 : Y.size + 1], grad)
        assert memory[0] == 7
        np.testing.assert_array_equal(memory[Y.size + 1 :], 7)


@same_bits
@pytest.mark.parametrize("weights", ["no weights", "weights"])
def test_instruction_sets_with_fma_give_the_same_bits(dtype, case, weights):
    shapes = *itertools.product((1, 9, 64, 300), (1, 2, 17, 40)), (70, 17)
    examples = [example(case, dtype, n, k, weights) for n, k in sizes(case, *shapes)]

    def compute():
        grads = [np.empty_like(Y) for Y, *_ in examples]
        return [*[case.loss(*a, grad=grad) for a, grad in zip(examples, grads)], *grads]

    assert_same_on_every_variant(compute)

"""The losses of F, each with its gradient, against the NumPy reference in float64."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from fastnn import functional as F
from fastnn import reference as ref

SIZES = (1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100, 257)
SHAPES = [*((n, 1) for n in SIZES), *((9, k) for k in SIZES), *((n, 5) for n in SIZES), (300, 17), (513, 1), (600, 2), (0, 1), (0, 5)]


@dataclass
class Case:
    """A loss, its reference, and how to draw outputs and targets: (rng, n, k) -> array."""

    loss: Callable
    oracle: Callable
    outputs: Callable
    targets: Callable
    magnitude: Callable  # (Y, y) -> (n,): the size of the terms that a row's loss is summed from
    slope: Callable  # (Y, y) -> like Y: the size of the numbers that dl is computed from
    least_k: int = 1  # one column of targets for a softmax is taken for class numbers


def logits(rng, n, k):
    return rng.normal(size=(n, k)) * 3


def probabilities(rng, n, k):
    return rng.uniform(0.01, 0.99, (n, k))


def distributions(rng, n, k):
    y = rng.uniform(size=(n, k))
    return y / y.sum(axis=1, keepdims=True)


def logit_magnitude(Z, y):
    return (1 + np.abs(Z)).sum(axis=1)


def row_magnitude(Z, y):
    return 1 + np.log(Z.shape[1]) + Z.max(axis=1, initial=0) - Z.min(axis=1, initial=0)


def ones(Y, y):
    return np.ones_like(Y)


CASES = {
    "bce": Case(
        F.binary_cross_entropy,
        ref.binary_cross_entropy,
        probabilities,
        lambda rng, n, k: rng.uniform(size=(n, k)),
        lambda Y, y: (-np.log(Y) - np.log1p(-Y)).sum(axis=1),
        lambda Y, y: np.abs(Y - y) / (Y * (1 - Y)),
    ),
    "bce of classes": Case(
        F.binary_cross_entropy,
        ref.binary_cross_entropy,
        probabilities,
        lambda rng, n, k: rng.integers(0, 2, (n, k)),
        lambda Y, y: (-np.log(Y) - np.log1p(-Y)).sum(axis=1),
        lambda Y, y: np.abs(Y - y) / (Y * (1 - Y)),
    ),
    "bce with logits": Case(
        F.binary_cross_entropy_with_logits,
        ref.binary_cross_entropy_with_logits,
        logits,
        lambda rng, n, k: rng.uniform(size=(n, k)),
        logit_magnitude,
        ones,
    ),
    "cross-entropy of classes": Case(
        F.cross_entropy, ref.cross_entropy, logits, lambda rng, n, k: rng.integers(0, k, n), row_magnitude, ones
    ),
    "cross-entropy of probabilities": Case(F.cross_entropy, ref.cross_entropy, logits, distributions, row_magnitude, ones, 2),
    "cross-entropy of any rows": Case(
        F.cross_entropy,
        ref.cross_entropy,
        logits,
        probabilities,
        lambda Z, y: y.sum(axis=1) * row_magnitude(Z, y),
        lambda Z, y: 1 + y.sum(axis=1, keepdims=True) * np.ones_like(Z),
        2,
    ),
    "squared error": Case(
        F.mean_squared_error,
        ref.mean_squared_error,
        logits,
        logits,
        lambda Y, y: ((Y - y) ** 2).mean(axis=1),
        lambda Y, y: 2 * np.abs(Y - y) / Y.shape[1],
    ),
}
WEIGHTS = {
    "no weights": lambda rng, n: None,
    "weights": lambda rng, n: rng.uniform(0.1, 3, n),
    "some weights 0": lambda rng, n: rng.integers(0, 3, n).astype(float),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def sizes(case, *pairs):
    return [(n, k) for n, k in pairs if k >= case.least_k]


def example(case, dtype, n, k, weights="weights", seed=3):
    """Y, y, w in the dtype; classes stay whole numbers."""
    rng = np.random.default_rng([seed, n, k])
    Y, y, w = case.outputs(rng, n, k).astype(dtype), case.targets(rng, n, k), WEIGHTS[weights](rng, n)
    return Y, y.astype(dtype) if y.dtype.kind == "f" else y, None if w is None else w.astype(dtype)


def is_right(case, dtype, n, k, weights):
    Y, y, w = example(case, dtype, n, k, weights)
    grad, exact_grad = np.full_like(Y, np.nan), np.zeros((n, k))
    L = case.loss(Y, y, w, grad=grad)
    Y = Y.astype(float)
    exact = case.oracle(Y, y, None if w is None else w.astype(float), grad=exact_grad)
    share = np.ones(n) / max(n, 1) if w is None else w.astype(float) / max(w.sum(dtype=float), 1e-300)
    eps = np.finfo(dtype).eps
    bound = (12 + k / 16 + min(n, 256) / 16) * eps * (share * case.magnitude(Y, y)).sum()
    spread = Y.max(axis=1, initial=0, keepdims=True) - Y.min(axis=1, initial=0, keepdims=True)
    slope = (12 + k / 16 + spread) * eps * share[:, None] * case.slope(Y, y)
    return type(L) is float and abs(L - exact) <= bound and (np.abs(grad - exact_grad) <= slope).all()


# ---- values and gradients --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", WEIGHTS)
def test_loss_and_gradient_are_the_reference_for_all_shapes(isa, dtype, case, weights):
    assert [shape for shape in sizes(case, *SHAPES) if not is_right(case, dtype, *shape, weights)] == []


def test_loss_is_the_same_without_grad(isa, dtype, case):
    for n, k in sizes(case, (5, 1), (9, 17), (300, 3)):
        Y, y, w = example(case, dtype, n, k)
        assert case.loss(Y, y, w) == case.loss(Y, y, w, grad=np.empty_like(Y))


def test_weights_of_one_are_no_weights_and_their_scale_does_not_matter(isa, dtype, case):
    for n, k in sizes(case, (8, 1), (64, 5), (512, 2)):  # powers of two: 1/n is exact
        Y, y, w = example(case, dtype, n, k)
        grads = [np.empty_like(Y) for _ in range(5)]
        plain = case.loss(Y, y, grad=grads[0])
        assert case.loss(Y, y, np.ones(n), grad=grads[1]) == plain
        assert grads[1].tobytes() == grads[0].tobytes()
        weighted = case.loss(Y, y, w, grad=grads[2])
        for scale, grad in ((2.0**-60, grads[3]), (2.0**60, grads[4])):
            assert case.loss(Y, y, w * dtype.type(scale), grad=grad) == weighted
            assert grad.tobytes() == grads[2].tobytes()


def test_weights_near_the_ends_of_the_range_keep_the_loss(isa, dtype, eps, case):
    Y, y, _ = example(case, dtype, 40, 3)
    limits = np.finfo(dtype)
    plain = case.loss(Y, y)
    for w in (limits.smallest_subnormal, limits.tiny, limits.max / 64):
        grad = np.full_like(Y, np.nan)
        assert case.loss(Y, y, np.full(40, w, dtype), grad=grad) == pytest.approx(plain, rel=30 * eps)
        assert np.isfinite(grad).all()


def test_weight_of_two_is_the_row_twice(isa, dtype, eps, case):
    Y, y, _ = example(case, dtype, 9, 3)
    w = np.ones(9, dtype)
    w[4] = 2
    grad, grad_twice = np.empty_like(Y), np.empty((10, 3), dtype)
    L = case.loss(Y, y, w, grad=grad)
    twice = case.loss(np.insert(Y, 4, Y[4], axis=0), np.insert(y, 4, y[4], axis=0), grad=grad_twice)
    assert L == pytest.approx(twice, rel=20 * eps)
    np.testing.assert_allclose(grad[4], 2 * grad_twice[4], rtol=20 * eps)


def test_gradient_is_the_derivative(isa, case):
    """4th-order differences in float64, away from the clamps."""
    for n, k in sizes(case, (3, 1), (4, 5)):
        Y, y, w = example(case, np.dtype(float), n, k)
        grad = np.empty_like(Y)
        case.loss(Y, y, w, grad=grad)
        numeric, h = np.empty_like(Y), 1e-3 if case.oracle is not ref.binary_cross_entropy else 1e-5
        for i in np.ndindex(Y.shape):
            values = []
            for step in (-2, -1, 1, 2):
                moved = Y.copy()
                moved[i] += step * h
                values.append(case.loss(moved, y, w))
            numeric[i] = np.dot([1, -8, 8, -1], values) / (12 * h)
        assert np.abs(grad - numeric).max() <= 1e-7 * np.abs(numeric).max() + 1e-10


def test_rows_that_weigh_nothing(isa, dtype, case):
    for n, k in sizes(case, (5, 1), (9, 17), (300, 3)):
        Y, y, _ = example(case, dtype, n, k)
        grad = np.full_like(Y, np.nan)
        assert case.loss(Y, y, np.zeros(n), grad=grad) == 0.0
        np.testing.assert_array_equal(grad, 0)


def test_no_rows(isa, dtype, case):
    for n, k in sizes(case, (0, 1), (0, 3)):
        Y, y, _ = example(case, dtype, n, k)
        assert case.loss(Y, y) == case.loss(Y, y, np.zeros(0)) == case.loss(Y, y, grad=np.empty_like(Y)) == 0.0


def test_bad_number_spoils_the_gradient_of_its_row_alone(isa, dtype, case):
    for n, k in sizes(case, (5, 1), (40, 17), (600, 1), (600, 3)):
        Y, y, w = example(case, dtype, n, k)
        grad, spoiled_grad, spoiled = np.empty_like(Y), np.empty_like(Y), Y.copy()
        spoiled[n // 2, k // 2] = np.nan
        case.loss(Y, y, w, grad=grad)
        assert math.isnan(case.loss(spoiled, y, w, grad=spoiled_grad))
        others = np.arange(n) != n // 2
        assert spoiled_grad[others].tobytes() == grad[others].tobytes()


# ---- what each promises ----------------------------------------------------------------------------------------------


def test_rows_sum_over_outputs_but_squared_errors_are_their_mean():
    assert F.binary_cross_entropy([[0.5, 0.5]], [[1, 0]]) == pytest.approx(2 * math.log(2))
    assert F.binary_cross_entropy_with_logits([[0, 0]], [[1, 0]]) == pytest.approx(2 * math.log(2))
    assert F.cross_entropy([[0, 0]], [[1, 1]]) == pytest.approx(2 * math.log(2))
    assert F.mean_squared_error([[3, 1]], [[0, 0]]) == 5.0
    assert F.mean_squared_error([[3, 1], [0, 0]], np.zeros((2, 2))) == 2.5


@pytest.mark.parametrize("n", [1, 3, 40])
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_bce_of_large_logits_is_exact(isa, dtype, eps, n, size):
    z = dtype.type(size)
    for logit, y, loss, slope in [
        (z, 0, z, 1),
        (z, 1, 0, 0),
        (-z, 0, 0, 0),
        (-z, 1, z, -1),
        (z, 0.5, z / 2, 0.5),
        (-z, 0.5, z / 2, -0.5),
    ]:
        for k in (1, 2):
            Z, grad = np.full((n, k), logit), np.empty((n, k), dtype)
            L = F.binary_cross_entropy_with_logits(Z, np.full((n, k), y), grad=grad)
            assert L == pytest.approx(float(loss) * k, rel=10 * eps)
            np.testing.assert_array_equal(grad, np.full((n, k), dtype.type(slope) * dtype.type(1 / n)))


@pytest.mark.parametrize("n", [1, 3, 40])
@pytest.mark.parametrize("as_rows", [False, True], ids=["classes", "probabilities"])
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_cross_entropy_of_large_logits_is_exact(isa, dtype, eps, n, as_rows, size):
    Z = np.tile(np.array([size, -size, 0], dtype), (n, 1))
    for cls, loss, slope in [(0, 0, [0, 0, 0]), (1, 2 * Z[0, 0], [1, -1, 0]), (2, Z[0, 0], [1, 0, -1])]:
        y = np.tile(np.eye(3)[cls], (n, 1)) if as_rows else np.full(n, cls)
        grad = np.empty_like(Z)
        assert F.cross_entropy(Z, y, grad=grad) == pytest.approx(float(loss), rel=10 * eps)
        np.testing.assert_array_equal(grad, np.tile(np.array(slope, dtype) * dtype.type(1 / n), (n, 1)))


@pytest.mark.parametrize("shift", [-1e4, 1e4, 1e30])
def test_cross_entropy_of_equal_logits_is_log_k_wherever_they_stand(isa, dtype, eps, shift):
    for k in (2, 10, 17, 100):
        Z = np.full((5, k), shift, dtype)
        grad = np.empty_like(Z)
        assert F.cross_entropy(Z, np.zeros(5, int), grad=grad) == pytest.approx(math.log(k), rel=20 * eps)
        np.testing.assert_allclose(grad[:, 1:], 1 / k / 5, rtol=20 * eps)


def test_cross_entropy_of_one_class_is_zero(isa, dtype):
    for n in (1, 9, 300):
        Z, grad = example(CASES["squared error"], dtype, n, 1)[0], np.full((n, 1), np.nan, dtype)
        assert F.cross_entropy(Z, np.zeros(n, int), grad=grad) == 0.0
        np.testing.assert_array_equal(grad, 0)


@pytest.mark.parametrize("n", [1, 40])
def test_bce_of_certain_probabilities_is_clamped_as_in_pytorch(isa, dtype, eps, n):
    small = np.finfo(dtype).smallest_subnormal
    for p, y, loss, slope in [
        (0, 0, 0, 0),
        (1, 1, 0, 0),
        (0, 1, 100, -1e12),
        (1, 0, 100, 1e12),
        (0, 0.5, 50, -0.5e12),
        (1, 0.5, 50, 0.5e12),
        (small, 1, min(100, -math.log(small)), -1e12),
        (small, 0, float(small), float(small) * 1e12),
    ]:
        for k in (1, 2):
            Y, grad = np.full((n, k), p, dtype), np.empty((n, k), dtype)
            L = F.binary_cross_entropy(Y, np.full((n, k), y), grad=grad)
            tolerance = 10 * eps
            assert L == pytest.approx(loss * k, rel=tolerance, abs=float(small) * n * k)
            np.testing.assert_allclose(grad, slope / n, rtol=tolerance, atol=float(small))


def test_extremes_give_no_nan(isa, dtype):
    extremes = [-1e30, -1e4, -1, 0, 1, 1e4, 1e30]
    Z = np.array([[a, b] for a in extremes for b in extremes], dtype)
    for y in ([[0, 0]], [[0, 1]], [[1, 0]], [[1, 1]]):
        targets = np.repeat(y, len(Z), axis=0)
        for loss in (F.binary_cross_entropy_with_logits, F.cross_entropy):
            grad = np.full_like(Z, np.nan)
            assert math.isfinite(loss(Z, targets, grad=grad))
            assert np.isfinite(grad).all()
    P = np.array([[a, b] for a in (0, 1e-30, 0.5, 1) for b in (0, 1e-30, 0.5, 1)], dtype)
    for y in (0, 0.25, 1):
        grad = np.full_like(P, np.nan)
        assert math.isfinite(F.binary_cross_entropy(P, np.full(P.shape, y), grad=grad))
        assert np.isfinite(grad).all()


# ---- shapes, kinds, grad ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name].loss is not F.cross_entropy])
def test_one_output_may_be_flat(isa, dtype, name):
    case = CASES[name]
    for n in (1, 9, 300):
        Y, y, w = example(case, dtype, n, 1)
        grad, flat = np.empty_like(Y), np.empty(n, dtype)
        L = case.loss(Y, y, w, grad=grad)
        assert case.loss(Y[:, 0], y[:, 0], w, grad=flat) == L
        assert flat.tobytes() == grad.tobytes()
        assert case.loss(Y, y[:, 0], w) == case.loss(Y[:, 0], y, w) == L


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "int64", "uint64", "float32", ">i4", "bool", "list", "column"])
def test_classes_of_any_kind(isa, kind):
    Z = logits(np.random.default_rng(0), 6, 2)
    y = np.array([0, 1, 1, 0, 1, 0])
    given = y.tolist() if kind == "list" else y[:, None] if kind == "column" else y.astype(kind)
    assert F.cross_entropy(Z, given) == F.cross_entropy(Z, y)


@pytest.mark.parametrize(
    "kind",
    [
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: a[::-1].copy()[::-1],
        lambda a: a.astype(a.dtype.newbyteorder(">")),
        lambda a: np.frombuffer(b"\0" + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
        lambda a: np.lib.stride_tricks.as_strided(a, writeable=False),
    ],
    ids=["Fortran", "strided", "negative strides", "big-endian", "misaligned", "read-only"],
)
def test_any_layout_is_taken_and_left_as_it_was(isa, dtype, case, kind):
    arguments = example(case, dtype, 40, 3)
    given = [kind(a) for a in arguments]
    grads = [np.empty((40, 3), dtype) for _ in range(2)]
    assert case.loss(*given, grad=grads[0]) == case.loss(*arguments, grad=grads[1])
    assert grads[0].tobytes() == grads[1].tobytes()
    for a, b in zip(given, arguments, strict=True):
        np.testing.assert_array_equal(a, b)


def test_outputs_choose_the_dtype(case):
    for given, computed in [("f2", "f4"), ("f4", "f4"), ("f8", "f8"), ("i4", "f8"), (">f4", "f4")]:
        Y, y, w = example(case, np.dtype("f4"), 5, 3)
        Y = Y if np.dtype(given).kind == "f" else Y > 0.5
        for other in ("f4", "f8"):
            case.loss(Y.astype(given), y, w.astype(other), grad=np.empty(Y.shape, computed))


@pytest.mark.parametrize("n", [5, 600])
@pytest.mark.parametrize("argument", ["Y", "y", "sample_weight"])
def test_grad_over_another_argument_is_refused(argument, n):
    memory = np.linspace(0, 1, n + 8)
    for shift in (0, 3):
        arguments = dict(Y=np.full(n, 0.5), y=np.zeros(n), sample_weight=np.ones(n)) | {argument: memory[shift : shift + n]}
        for loss in (F.binary_cross_entropy, F.mean_squared_error):
            with pytest.raises(ValueError, match=r"^grad overlaps another argument"):
                loss(*arguments.values(), grad=memory[:n])
    np.testing.assert_array_equal(memory, np.linspace(0, 1, n + 8))


@pytest.mark.parametrize(
    ("grad", "error", "message"),
    [
        ([[0.0] * 2] * 3, TypeError, "grad must be a NumPy array, got list"),
        (np.zeros((3, 2), "f4"), TypeError, "grad must be float64, got float32"),
        (np.zeros((2, 3)), ValueError, r"grad must have shape \(3, 2\), got \(2, 3\)"),
        (np.zeros((2, 3)).T, ValueError, "grad must be C-contiguous"),
        (np.frombuffer(bytes(48)).reshape(3, 2), ValueError, "grad is read-only"),
    ],
    ids=["list", "dtype", "shape", "Fortran", "read-only"],
)
def test_grad_must_fit_exactly(case, grad, error, message):
    Y, y, w = example(case, np.dtype(float), 3, 2)
    with pytest.raises(error, match=message):
        case.loss(Y, y, w, grad=grad)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (dict(Y=np.ones((2, 3, 1))), r"must have shape \(n,\) or \(n, k\), got \(2, 3, 1\)"),
        (dict(Y=1.0), r"must have shape \(n,\) or \(n, k\), got \(\)"),
        (dict(y=np.ones((4, 2))), r"y must have shape \(n, 3\) for 3 outputs, got \(4, 2\)"),
        (dict(y=np.ones((5, 3))), "y has 5 rows, X has 4|y has 5 rows"),
        (dict(sample_weight=np.ones(3)), r"sample_weight must have shape \(4,\), one number a row, got \(3,\)"),
        (dict(sample_weight=np.ones((4, 1))), r"sample_weight must have shape \(4,\), one number a row, got \(4, 1\)"),
        (dict(sample_weight=[1, 1, -0.5, 1]), r"sample_weight must not be negative, got .*-0.5.* in row 2"),
    ],
    ids=lambda x: "-".join(x) if isinstance(x, dict) else "",
)
def test_wrong_shapes_are_refused_with_the_way_out(case, changed, message):
    arguments = dict(Y=np.full((4, 3), 0.5), y=np.full((4, 3), 1 / 3), sample_weight=None) | changed
    with pytest.raises(ValueError, match=message):
        case.loss(*arguments.values())


@pytest.mark.parametrize("loss", [F.binary_cross_entropy, F.binary_cross_entropy_with_logits])
@pytest.mark.parametrize("bad", [-1, 1.5, 2])
def test_bce_targets_outside_0_and_1_are_refused_with_their_row(loss, bad):
    with pytest.raises(ValueError, match=r"y must lie in \[0, 1\] for loss 'bce.*in row 1.*for labels -1 and 1 give \(y \+ 1\) / 2"):
        loss([0.5, 0.5, 0.5], [0, bad, 1])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 3, 1], "y holds class 3 in row 1; .* 3 outputs, so classes are 0..2"),
        ([0, 1, -1], "y holds class -1 in row 2"),
        ([0, 0.5, 1], "y must be class numbers 0..2 or rows of 3 probabilities"),
        (["a", "b", "c"], "y must be class numbers 0..2 or rows of 3 probabilities"),
        ([0, np.nan, 1], "y must be class numbers 0..2|y holds class nan"),
        ([0, 1], "y has 2 rows, X has 3|y has 2 rows"),
    ],
    ids=str,
)
def test_classes_that_are_none_are_refused_with_their_row(y, message):
    with pytest.raises(ValueError, match=message):
        F.cross_entropy(np.zeros((3, 3)), y)

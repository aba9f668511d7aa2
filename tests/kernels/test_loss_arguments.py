"""Arguments of the losses of F: shapes and kinds of arrays, `grad`, and invalid targets and
settings."""

import cases
import numpy as np
import pytest
from checks import assert_same_bits

from fastnn import functional as F


def numbers(rng, n, k):
    return rng.normal(size=(n, k)) * 3


def in_0_1(rng, n, k):
    return rng.uniform(0.01, 0.99, (n, k))


def distributions(rng, n, k):
    y = rng.uniform(size=(n, k))
    return y / y.sum(axis=1, keepdims=True)


CASES = {  # name: loss, outputs, targets
    "bce": (F.binary_cross_entropy, in_0_1, in_0_1),
    "bce with logits": (F.binary_cross_entropy_with_logits, numbers, in_0_1),
    "cross-entropy of classes": (F.cross_entropy, numbers, lambda rng, n, k: rng.integers(0, k, n)),
    "cross-entropy of rows": (F.cross_entropy, numbers, distributions),
    "mse": (F.mean_squared_error, numbers, numbers),
    "mae": (F.mean_absolute_error, numbers, numbers),
    "huber": (F.huber, numbers, numbers),
    "quantile": (F.quantile, numbers, numbers),
    "poisson": (F.poisson_nll, numbers, in_0_1),
    "gaussian": (F.gaussian_nll, lambda rng, n, k: rng.normal(size=(n, 2 * k)), numbers),
}
CASES |= {
    case.name: (getattr(F, case.name), case.outputs, case.targets)
    for case in cases.LOSSES.values()
    if getattr(F, case.name) not in [loss for loss, *_ in CASES.values()]
}
FLAT = [
    name
    for name in CASES
    if name not in ("cross-entropy of classes", "cross-entropy of rows", "gaussian")
]


@pytest.fixture(params=CASES)
def name(request):
    return request.param


def example(name, dtype, n, k):
    """loss, Y, y, w; the arrays in the dtype, whole numbers stay that."""
    loss, outputs, targets = CASES[name]
    rng = np.random.default_rng([3, n, k])
    Y, y, w = outputs(rng, n, k), targets(rng, n, k), rng.uniform(0.1, 3, n)
    return loss, Y.astype(dtype), y.astype(dtype) if y.dtype.kind == "f" else y, w.astype(dtype)


# ---- shapes and kinds ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLAT)
def test_one_output_may_be_flat(isa, dtype, name):
    for n in (1, 9, 300):
        loss, Y, y, w = example(name, dtype, n, 1)
        grad, flat = np.empty_like(Y), np.empty(n, dtype)
        L = loss(Y, y, w, grad=grad)
        assert loss(Y[:, 0], y[:, 0], w, grad=flat) == L
        assert_same_bits(flat, grad)
        assert loss(Y, y[:, 0], w) == loss(Y[:, 0], y, w) == L


def test_one_target_of_gaussian_may_be_flat(isa, dtype):
    loss, Y, y, w = example("gaussian", dtype, 9, 1)
    assert loss(Y, y[:, 0], w) == loss(Y, y, w)


@pytest.mark.parametrize(
    "kind",
    ["int8", "uint8", "int32", "int64", "uint64", "float32", ">i4", "bool", "list", "column"],
)
def test_classes_of_any_kind(isa, kind):
    Z = numbers(np.random.default_rng(0), 6, 2)
    y = np.array([0, 1, 1, 0, 1, 0])
    inputs = y.tolist() if kind == "list" else y[:, None] if kind == "column" else y.astype(kind)
    assert F.cross_entropy(Z, inputs) == F.cross_entropy(Z, y)


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
def test_any_memory_layout_is_accepted_and_left_unchanged(isa, dtype, name, kind):
    loss, *arguments = example(name, dtype, 40, 3)
    inputs = [kind(a) for a in arguments]
    grads = [np.empty_like(arguments[0]) for _ in range(2)]
    assert loss(*inputs, grad=grads[0]) == loss(*arguments, grad=grads[1])
    assert_same_bits(grads[0], grads[1])
    for a, b in zip(inputs, arguments, strict=True):
        np.testing.assert_array_equal(a, b)


def test_outputs_choose_the_dtype(name):
    for Y_dtype, computed in [
        ("f2", "f4"),
        ("f4", "f4"),
        ("f8", "f8"),
        ("i4", "f8"),
        (">f4", "f4"),
    ]:
        loss, Y, y, w = example(name, np.dtype("f4"), 5, 3)
        Y = Y if np.dtype(Y_dtype).kind == "f" else Y > 0.5
        for other in ("f4", "f8"):
            grad, expected = np.empty((2, *Y.shape), computed)
            L = loss(Y.astype(Y_dtype), y, w.astype(other), grad=grad)
            assert L == loss(Y.astype(Y_dtype).astype(computed), y, w, grad=expected)
            assert_same_bits(grad, expected)
            wrong = np.empty(Y.shape, "f4" if computed == "f8" else "f8")
            with pytest.raises(TypeError, match="grad must be float"):
                loss(Y.astype(Y_dtype), y, w.astype(other), grad=wrong)


@pytest.mark.parametrize(
    "kind",
    [list, tuple, np.array, lambda a: np.array(a, "f4")],
    ids=["list", "tuple", "array", "float32"],
)
def test_numbers_for_each_output_may_be_any_sequence(isa, dtype, kind):
    for name, option in [
        ("bce", "pos_weight"),
        ("bce with logits", "pos_weight"),
        ("quantile", "q"),
    ]:
        loss, Y, y, w = example(name, dtype, 9, 3)
        assert loss(Y, y, w, **{option: kind([0.25, 0.5, 0.75])}) == loss(
            Y, y, w, **{option: (0.25, 0.5, 0.75)}
        )
        assert loss(Y, y, w, **{option: kind([0.25] * 3)}) == loss(
            Y, y, w, **{option: kind([0.25])[0]}
        )


# ---- grad ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [5, 600])
@pytest.mark.parametrize("argument", ["Y", "y", "sample_weight"])
@pytest.mark.parametrize("name", FLAT)
def test_grad_that_overlaps_an_argument_is_refused(name, argument, n):
    memory = np.linspace(0, 1, n + 8)
    for shift in (0, 3):
        arguments = dict(Y=np.full(n, 0.5), y=np.zeros(n), sample_weight=np.ones(n)) | {
            argument: memory[shift : shift + n]
        }
        with pytest.raises(ValueError, match=r"^grad overlaps another argument"):
            CASES[name][0](*arguments.values(), grad=memory[:n])
    np.testing.assert_array_equal(memory, np.linspace(0, 1, n + 8))


@pytest.mark.parametrize(
    ("grad", "error", "message"),
    [
        ([[0.0] * 4] * 3, TypeError, "grad must be a NumPy array, got list"),
        (np.zeros((3, 4), "f4"), TypeError, "grad must be float64, got float32"),
        (np.zeros((4, 3)), ValueError, r"grad must have shape \(3, 4\), got \(4, 3\)"),
        (np.zeros((4, 3)).T, ValueError, "grad must be C-contiguous"),
        (np.frombuffer(bytes(96)).reshape(3, 4), ValueError, "grad is read-only"),
    ],
    ids=["list", "dtype", "shape", "Fortran", "read-only"],
)
def test_grad_must_fit_exactly(name, grad, error, message):
    loss, Y, y, w = example(name, np.dtype(float), 3, 2 if name == "gaussian" else 4)
    with pytest.raises(error, match=message):
        loss(Y, y, w, grad=grad)
    assert not np.any(grad)


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (dict(Y=np.ones((2, 4, 1))), r"must have shape \(n,\) or \(n, k\), got \(2, 4, 1\)"),
        (dict(Y=1.0), r"must have shape \(n,\) or \(n, k\), got \(\)"),
        (dict(y=np.ones((5, 3))), r"y must have shape \(n, [42]\) for [42] outputs, got \(5, 3\)"),
        (dict(y=np.ones((6, 4)), y_of_gaussian=np.ones((6, 2))), "y has 6 rows, but X has 5"),
        (
            dict(sample_weight=np.ones(3)),
            r"sample_weight must have shape \(5,\), one weight per row, got \(3,\)",
        ),
        (
            dict(sample_weight=np.ones((5, 1))),
            r"sample_weight must have shape \(5,\), one weight per row, got \(5, 1\)",
        ),
        (
            dict(sample_weight=[1, 1, -0.5, 1, 1]),
            r"sample_weight must not be negative, got .*-0.5.* in row 2",
        ),
    ],
    ids=[
        "three dimensions",
        "a number",
        "columns",
        "rows",
        "weights",
        "a column of weights",
        "a negative weight",
    ],
)
def test_wrong_shapes_are_refused_with_a_hint(name, changed, message):
    y = np.full((5, 2 if name == "gaussian" else 4), 1 / 4)
    changed = dict(changed)
    of_gaussian = changed.pop("y_of_gaussian", None)
    if name == "gaussian" and of_gaussian is not None:
        changed["y"] = of_gaussian
    arguments = dict(Y=np.full((5, 4), 0.5), y=y, sample_weight=None) | changed
    with pytest.raises(ValueError, match=message):
        CASES[name][0](*arguments.values())


@pytest.mark.parametrize("loss", [F.binary_cross_entropy, F.binary_cross_entropy_with_logits])
@pytest.mark.parametrize("bad", [-1, 1.5, 2])
def test_bce_targets_outside_0_and_1_are_refused_with_their_row(loss, bad):
    with pytest.raises(
        ValueError,
        match=r"y must lie in \[0, 1\] for loss 'bce.*in row 1.*For labels -1 and 1 pass \(y \+ 1\) / 2",
    ):
        loss([0.5, 0.5, 0.5], [0, bad, 1])


def test_negative_counts_are_refused_with_their_row():
    with pytest.raises(
        ValueError, match=r"y must not be negative for loss 'poisson', got .*-1.* in row 2"
    ):
        F.poisson_nll([0.0, 0.0, 0.0], [3, 0, -1])


def test_gaussian_needs_two_outputs_for_each_target():
    for Y in (np.ones((4, 3)), np.ones(4)):
        with pytest.raises(
            ValueError,
            match=r"loss 'gaussian_nll' needs two outputs for each target \(mean, log variance\)",
        ):
            F.gaussian_nll(Y, np.ones(4))


def test_labels_0_and_1_are_the_limits(dtype):
    one = dtype.type(1)
    for y in (-0.0, 0, np.finfo(dtype).smallest_subnormal, 0.5, one):
        assert np.isfinite(
            F.binary_cross_entropy_with_logits(np.zeros(3, dtype), np.array([0, 1, y], dtype))
        )
    for y in (
        np.nextafter(one, dtype.type(2)),
        2,
        np.inf,
        -np.finfo(dtype).smallest_subnormal,
        -1,
        -np.inf,
    ):
        with pytest.raises(
            ValueError, match=r"y must lie in \[0, 1\] for loss 'bce_with_logits', got .* in row 2"
        ):
            F.binary_cross_entropy_with_logits(np.zeros(3, dtype), np.array([0, 1, y], dtype))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 3, 1], "y holds class 3 in row 1, .* 3 outputs: classes are 0..2"),
        ([0, 1, -1], "y holds class -1 in row 2"),
        ([0, 0.5, 1], "y must hold class indices 0..2 or rows of 3 probabilities"),
        (["a", "b", "c"], "y must hold class indices 0..2 or rows of 3 probabilities"),
        ([0, np.nan, 1], "y must hold class indices 0..2|y holds class nan"),
        ([0, 1], "y has 2 rows, but X has 3|y has 2 rows"),
    ],
    ids=str,
)
def test_invalid_classes_are_refused_with_their_row(y, message):
    with pytest.raises(ValueError, match=message):
        F.cross_entropy(np.zeros((3, 3)), y)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("bce", dict(pos_weight=0), "pos_weight must be a finite number above 0, got 0"),
        (
            "bce",
            dict(pos_weight="3"),
            "pos_weight must be a number or a sequence of numbers, got '3'",
        ),
        (
            "bce",
            dict(pos_weight=(1, 2)),
            "pos_weight has 2 numbers for 3 outputs. Pass one, or one for each output",
        ),
        (
            "bce with logits",
            dict(pos_weight=(1, -2, 1)),
            "pos_weight must be a finite number above 0, got -2",
        ),
        (
            "bce",
            dict(label_smoothing=1.0),
            "label_smoothing must be a finite number at least 0 and below 1, got 1.0",
        ),
        (
            "bce with logits",
            dict(label_smoothing=-0.1),
            "label_smoothing must be a finite number at least 0 and below 1, got -0.1",
        ),
        (
            "cross-entropy of classes",
            dict(label_smoothing=1.0),
            "label_smoothing must be a finite number at least 0 and below 1, got 1.0",
        ),
        (
            "cross-entropy of rows",
            dict(label_smoothing=np.nan),
            "label_smoothing must be a finite number",
        ),
        ("huber", dict(delta=0), "delta must be a finite number above 0, got 0"),
        ("huber", dict(delta=np.inf), "delta must be a finite number above 0, got inf"),
        ("quantile", dict(q=1), "q must be a finite number above 0 and below 1, got 1"),
        ("quantile", dict(q=(0.5, 0)), "q must be a finite number above 0 and below 1, got 0"),
        (
            "quantile",
            dict(q=(0.1, 0.9)),
            "q has 2 numbers for 3 columns of Y. Pass one, or one for each column",
        ),
        ("quantile", dict(q=[]), r"q must be a number or a sequence of numbers, got \[\]"),
    ],
    ids=str,
)
def test_wrong_options_are_refused(name, options, message):
    loss, Y, y, w = example(name, np.dtype(float), 5, 3)
    grad = np.full_like(Y, 7)
    with pytest.raises(ValueError, match=message):
        loss(Y, y, w, grad=grad, **options)
    np.testing.assert_array_equal(grad, 7)

"""Arguments of the losses of F: shapes and kinds of arrays, `grad`, and invalid targets and
settings."""

import numpy as np
import pytest
from array_kinds import each_layout, unfit_outs
from cases import LOSSES
from checks import assert_same_bits

import fastnn
from fastnn import functional as F

CASES = {name: case for name, case in LOSSES.items() if not case.options(1)}
FLAT = [name for name, case in CASES.items() if case.name not in ("cross_entropy", "gaussian_nll")]
BCE, LOGITS = F.binary_cross_entropy, F.binary_cross_entropy_with_logits


@pytest.fixture(params=CASES)
def name(request):
    return request.param


def function(name):
    return getattr(F, CASES[name].name)


def example(name, dtype, n, k):
    """loss, Y, y, w; the arrays in the dtype, whole numbers stay that."""
    case, rng = CASES[name], np.random.default_rng([3, n, k])
    Y, y, w = case.outputs(rng, n, k), case.targets(rng, n, k), rng.uniform(0.1, 3, n)
    y = y.astype(dtype) if y.dtype.kind == "f" else y
    return function(name), Y.astype(dtype), y, w.astype(dtype)


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


KINDS = "int8 uint8 int32 int64 uint64 float32 >i4 bool list column".split()


@pytest.mark.parametrize("kind", KINDS)
def test_classes_of_any_kind(isa, kind):
    Z, y = np.random.default_rng(0).normal(size=(6, 2)) * 3, np.array([0, 1, 1, 0, 1, 0])
    inputs = y.tolist() if kind == "list" else y[:, None] if kind == "column" else y.astype(kind)
    assert F.cross_entropy(Z, inputs) == F.cross_entropy(Z, y)


@each_layout
def test_any_memory_layout_is_accepted_and_left_unchanged(isa, dtype, name, kind):
    loss, *arguments = example(name, dtype, 40, 3)
    inputs = [kind(a) for a in arguments]
    grads = [np.empty_like(arguments[0]) for _ in range(2)]
    assert loss(*inputs, grad=grads[0]) == loss(*arguments, grad=grads[1])
    assert_same_bits(grads[0], grads[1])
    for a, b in zip(inputs, arguments, strict=True):
        np.testing.assert_array_equal(a, b)


def test_outputs_choose_the_dtype(name):
    for Y_dtype, computed in (dict(f2="f4", f4="f4", f8="f8", i4="f8") | {">f4": "f4"}).items():
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


@pytest.mark.parametrize("kind", [list, tuple, np.array, np.float32])
def test_numbers_for_each_output_may_be_any_sequence(isa, dtype, kind):
    for name, option in [("bce", "pos_weight"), ("logits", "pos_weight"), ("quantile", "q")]:
        loss, Y, y, w = example(name, dtype, 9, 3)
        for numbers, same in ([0.25, 0.5, 0.75], (0.25, 0.5, 0.75)), ([0.25] * 3, kind([0.25])[0]):
            assert loss(Y, y, w, **{option: kind(numbers)}) == loss(Y, y, w, **{option: same})


# ---- grad ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [5, 600])
@pytest.mark.parametrize("argument", ["Y", "y", "sample_weight"])
@pytest.mark.parametrize("name", FLAT)
def test_grad_that_overlaps_an_argument_is_refused(name, argument, n):
    memory = np.linspace(0, 1, n + 8)
    for shift in (0, 3):
        arguments = dict(Y=np.full(n, 0.5), y=np.zeros(n), sample_weight=np.ones(n))
        arguments[argument] = memory[shift : shift + n]
        with pytest.raises(ValueError, match=r"^grad overlaps another argument"):
            function(name)(*arguments.values(), grad=memory[:n])
    np.testing.assert_array_equal(memory, np.linspace(0, 1, n + 8))


@unfit_outs("grad", (3, 4))
def test_grad_must_fit_exactly(name, out, error, message):
    loss, Y, y, w = example(name, np.dtype(float), 3, 2 if name == "gaussian" else 4)
    with pytest.raises(error, match=message):
        loss(Y, y, w, grad=out)
    assert not np.any(out)


# ---- errors --------------------------------------------------------------------------------------


OUTPUTS = r"must have shape \(n,\) or \(n, k\), got"
WEIGHTS = r"sample_weight must have shape \(5,\), one weight per row, got"
TARGETS = r"y must have shape \(n, [42]\) for [42] outputs, got \(5, 3\)"
NEGATIVE = r"sample_weight must not be negative, got .*-0.5.* in row 2"
SHAPES = {
    "three dimensions": (dict(Y=np.ones((2, 4, 1))), rf"{OUTPUTS} \(2, 4, 1\)"),
    "a number": (dict(Y=1.0), rf"{OUTPUTS} \(\)"),
    "columns": (dict(y=np.ones((5, 3))), TARGETS),
    "rows": (dict(n=6), "y has 6 rows, but X has 5"),
    "weights": (dict(sample_weight=np.ones(3)), rf"{WEIGHTS} \(3,\)"),
    "a column of weights": (dict(sample_weight=np.ones((5, 1))), rf"{WEIGHTS} \(5, 1\)"),
    "a negative weight": (dict(sample_weight=[1, 1, -0.5, 1, 1]), NEGATIVE),
}


@pytest.mark.parametrize(("changed", "message"), SHAPES.values(), ids=SHAPES)
def test_wrong_shapes_are_refused_with_a_hint(name, changed, message):
    changed = dict(changed)
    y = np.full((changed.pop("n", 5), 2 if name == "gaussian" else 4), 1 / 4)
    arguments = dict(Y=np.full((5, 4), 0.5), y=y, sample_weight=None) | changed
    with pytest.raises(ValueError, match=message):
        function(name)(*arguments.values())


IN_UNIT = r"y must lie in \[0, 1\]"


@pytest.mark.parametrize("loss", [BCE, LOGITS])
@pytest.mark.parametrize("bad", [-1, 1.5, 2])
def test_bce_targets_outside_0_and_1_are_refused_with_their_row(loss, bad):
    remedy = r"For labels -1 and 1 pass \(y \+ 1\) / 2"
    with pytest.raises(ValueError, match=rf"{IN_UNIT} for loss 'bce.*in row 1.*{remedy}"):
        loss([0.5, 0.5, 0.5], [0, bad, 1])


def test_negative_counts_are_refused_with_their_row():
    message = r"y must not be negative for loss 'poisson', got .*-1.* in row 2"
    with pytest.raises(ValueError, match=message):
        F.poisson_nll([0.0, 0.0, 0.0], [3, 0, -1])


def test_gaussian_and_quantiles_need_several_outputs_for_each_target():
    message = r"loss 'gaussian_nll' needs two outputs for each target \(mean, log variance\)"
    for Y in (np.ones((4, 3)), np.ones(4)):
        with pytest.raises(ValueError, match=message):
            F.gaussian_nll(Y, np.ones(4))
    message = "'quantile' with 2 quantiles needs 2 outputs for each target, but the network has 3"
    with pytest.raises(ValueError, match=message):
        fastnn.MLP([1, 3]).loss(np.ones((4, 1)), np.ones(4), fastnn.losses.Quantile([0.1, 0.9]))


def test_labels_0_and_1_are_the_limits(dtype):
    one, least, Z = dtype.type(1), np.finfo(dtype).smallest_subnormal, np.zeros(3, dtype)
    for y in (-0.0, 0, least, 0.5, one):
        assert np.isfinite(LOGITS(Z, np.array([0, 1, y], dtype)))
    message = rf"{IN_UNIT} for loss 'bce_with_logits', got .* in row 2"
    for y in (np.nextafter(one, dtype.type(2)), 2, np.inf, -least, -1, -np.inf):
        with pytest.raises(ValueError, match=message):
            LOGITS(Z, np.array([0, 1, y], dtype))


INVALID_CLASSES = [
    ([0, 3, 1], "y holds class 3 in row 1, .* 3 outputs: classes are 0..2"),
    ([0, 1, -1], "y holds class -1 in row 2"),
    ([0, 0.5, 1], "y must hold class indices 0..2 or rows of 3 probabilities"),
    (["a", "b", "c"], "y must hold class indices 0..2 or rows of 3 probabilities"),
    ([0, np.nan, 1], "y must hold class indices 0..2|y holds class nan"),
    ([0, 1], "y has 2 rows, but X has 3|y has 2 rows"),
]


@pytest.mark.parametrize(("y", "message"), INVALID_CLASSES, ids=str)
def test_invalid_classes_are_refused_with_their_row(y, message):
    with pytest.raises(ValueError, match=message):
        F.cross_entropy(np.zeros((3, 3)), y)


POSITIVE = "must be a finite number above 0, got"
SHARE = "must be a finite number above 0 and below 1"
TWO_FOR_3, PASS = "has 2 numbers for 3", "Pass one, or one for each"
SMOOTHING = "label_smoothing must be a finite number at least 0 and below 1, got"
WRONG = [
    ("bce", dict(pos_weight=0), f"pos_weight {POSITIVE} 0"),
    ("bce", dict(pos_weight="3"), "pos_weight must be a number or a sequence of numbers, got '3'"),
    ("bce", dict(pos_weight=(1, 2)), f"pos_weight {TWO_FOR_3} outputs. {PASS} output"),
    ("logits", dict(pos_weight=(1, -2, 1)), f"pos_weight {POSITIVE} -2"),
    ("bce", dict(label_smoothing=1.0), f"{SMOOTHING} 1.0"),
    ("logits", dict(label_smoothing=-0.1), f"{SMOOTHING} -0.1"),
    ("classes", dict(label_smoothing=1.0), f"{SMOOTHING} 1.0"),
    ("distributions", dict(label_smoothing=np.nan), f"{SMOOTHING} nan"),
    ("huber", dict(delta=0), f"delta {POSITIVE} 0"),
    ("huber", dict(delta=np.inf), f"delta {POSITIVE} inf"),
    ("quantile", dict(q=1), f"q {SHARE}, got 1"),
    ("quantile", dict(q=(0.5, 0)), f"q {SHARE}, got 0"),
    ("quantile", dict(q=(0.1, 0.9)), f"q {TWO_FOR_3} columns of Y. {PASS} column"),
    ("quantile", dict(q=[]), r"q must be a number or a sequence of numbers, got \[\]"),
]


@pytest.mark.parametrize(("name", "options", "message"), WRONG, ids=str)
def test_wrong_options_are_refused(name, options, message):
    loss, Y, y, w = example(name, np.dtype(float), 5, 3)
    grad = np.full_like(Y, 7)
    with pytest.raises(ValueError, match=message):
        loss(Y, y, w, grad=grad, **options)
    np.testing.assert_array_equal(grad, 7)

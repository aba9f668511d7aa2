"""Options shared by all optimizers: penalties, clipping, weight decay and averaging.
`kernels.update` is compared with the same in NumPy around the steps of the reference.
"""

import cases
import numpy as np
import pytest
from checks import assert_finite, assert_same_bits, flushed

from fastnn import kernels
from fastnn import reference as ref
from fastnn.optimizers import OPTIMIZERS

STEPS = 10
WITH_FMA = [isa for isa in kernels.SUPPORTED if isa != "baseline"]
RULES = {  # with weight decay, which comes after clipping, or is decoupled
    "sgd": dict(lr=0.1, weight_decay=0.1),
    "sgd with momentum": dict(lr=0.1, weight_decay=0.1, momentum=0.9),
    "adagrad": dict(lr=0.1, weight_decay=0.1),
    "adadelta": dict(weight_decay=0.1, eps=1e-2),
    "rmsprop": dict(lr=0.1, weight_decay=0.1),
    "rmsprop with momentum": dict(lr=0.1, weight_decay=0.1, momentum=0.5),
    "rmsprop, centered": dict(lr=0.1, weight_decay=0.1, alpha=0.5, centered=True),
    "rmsprop, centered, with momentum": dict(
        lr=0.1, weight_decay=0.1, alpha=0.5, centered=True, momentum=0.5
    ),
    "adam": dict(lr=0.1, weight_decay=0.1),
    "adam without decay": dict(lr=0.1),
    "adam, amsgrad": dict(lr=0.1, weight_decay=0.1, amsgrad=True),
    "adamw": dict(lr=0.1, weight_decay=0.5),
    "adamax": dict(lr=0.1, weight_decay=0.1),
    "nadam": dict(lr=0.1, weight_decay=0.1),
    "nadam, decoupled": dict(lr=0.1, weight_decay=0.5, decoupled_weight_decay=True),
}
RULES |= {
    name: dict(lr=0.1, weight_decay=0.5)
    for name in cases.STEPS
    if name not in {rule.replace(",", "").split()[0] for rule in RULES}
}
ADJUSTMENTS = {
    "none": dict(),
    "l2": dict(l2=0.3),
    "l1": dict(l1=0.3),
    "both": dict(l1=0.2, l2=0.3),
    "clip_value": dict(clip_value=0.5),
    "average": dict(average=0.75),
    "everything": dict(l1=0.2, l2=0.3, clip_value=0.5, average=0.75),
}


@pytest.fixture(params=RULES)
def rule(request):
    return request.param


@pytest.fixture(params=ADJUSTMENTS)
def adjustments(request):
    return ADJUSTMENTS[request.param]


def optimizer_of(rule, **adjustments):
    return OPTIMIZERS[rule.replace(",", "").split()[0]](**RULES[rule], **adjustments)


def start(dtype, n=67):
    """Parameters, among them zeros of both signs and a subnormal number, and a gradient for
    every step."""
    rng = np.random.default_rng(5)
    params, grads = rng.normal(size=n).astype(dtype), rng.normal(size=(STEPS, n)).astype(dtype)
    params[:3] = 0, -0.0, np.finfo(dtype).smallest_subnormal
    grads[:, 3] = 0
    return params, grads


def train(optimizer, params, grads):
    """[params, moments..., average], changed in place; the average begins at the parameters."""
    moments = [np.zeros_like(params) for _ in range(optimizer.n_moments)]
    if optimizer.average:
        moments[-1][...] = params
    for step, g in enumerate(grads, 1):
        kernels.update(kernels.packed(optimizer.to_kernel()), step, params, g, *moments)
    return [params, *moments]


def in_numpy(rule, w, grads, l1=0.0, l2=0.0, clip_value=np.inf, average=None):
    """The same, in float64."""
    name, settings = rule.replace(",", "").split()[0], RULES[rule]
    step = getattr(ref, f"{name}_step_")
    moments = {moment: np.zeros_like(w) for moment in cases.moments_of(name, settings)}
    own = {setting: value for setting, value in settings.items() if setting != "amsgrad"}
    averages = w.copy()
    for t, g in enumerate(grads, 1):
        g = np.clip(g + l2 * w + l1 * np.sign(w), -clip_value, clip_value)
        step(w, g, **own, **moments, **(dict(step=t) if cases.counts(name) else {}))
        if average:
            averages += (1 - average) * (w - averages)
    return [w, *moments.values(), *([averages] if average else [])]


def test_steps_match_numpy(isa, dtype, eps, rule, adjustments):
    params, grads = start(dtype)
    exact = in_numpy(rule, flushed(params).astype(float), grads.astype(float), **adjustments)
    for a, e in zip(train(optimizer_of(rule, **adjustments), params, grads), exact, strict=True):
        np.testing.assert_allclose(a, e, rtol=8 * STEPS * eps, atol=8 * STEPS * eps)


def test_penalties_by_hand(isa, dtype):
    w = np.array([2, -2, 0, -0.0], dtype)
    for adjustments, expected in [
        (dict(l2=0.5), [1, -1, 0, 0]),
        (dict(l1=0.5), [1.5, -1.5, 0, 0]),  # sign(0) = 0: where a weight is 0 it stays
        (dict(l1=0.5, l2=0.5), [0.5, -0.5, 0, 0]),
    ]:
        moved = w.copy()
        kernels.update(
            kernels.packed(OPTIMIZERS["sgd"](1.0, **adjustments).to_kernel()),
            1,
            moved,
            np.zeros_like(w),
        )
        np.testing.assert_array_equal(moved, expected)


def test_clipping_comes_after_penalties_and_before_weight_decay(isa, dtype):
    w, g = np.array([4, 4, -4], dtype), np.array([9, -0.25, -9], dtype)
    optimizer = OPTIMIZERS["sgd"](1.0, l2=0.25, clip_value=0.5, weight_decay=0.5)
    kernels.update(kernels.packed(optimizer.to_kernel()), 1, w, g)
    np.testing.assert_array_equal(
        w, [4 - 0.5 - 2, 4 - 0.5 - 2, -4 + 0.5 + 2]
    )  # g + 1 is 10, 0.75, -10: all beyond 0.5


def test_average_by_hand(isa, dtype):
    w, average = np.array([1], dtype), np.array([1], dtype)
    settings = OPTIMIZERS["sgd"](1.0, average=0.75).to_kernel()
    for expected in (0.75, 0.3125):  # of 1, then 0, then -1
        kernels.update(kernels.packed(settings), 1, w, np.ones(1, dtype), average)
        np.testing.assert_array_equal(average, [expected])


def test_bits_do_not_depend_on_how_the_array_is_split(isa, dtype, rule):
    optimizer = optimizer_of(rule, **ADJUSTMENTS["everything"])
    params, grads = start(dtype, 50)
    everything = train(optimizer, params.copy(), grads)
    for k in (*range(18), 31, 32, 33, 49):
        for part in (slice(0, k), slice(k, 50)):
            for a, b in zip(
                train(optimizer, params[part].copy(), grads[:, part].copy()),
                everything,
                strict=True,
            ):
                assert_same_bits(a, b[part])


@pytest.mark.skipif(len(WITH_FMA) < 2, reason="needs two instruction sets with FMA to compare")
def test_instruction_sets_with_fma_give_the_same_bits(dtype, rule, adjustments):
    before, results = kernels.CHOSEN, []
    for isa in WITH_FMA:
        kernels.use(isa)
        try:
            results.append(
                [
                    a
                    for n in (9, 67)
                    for a in train(optimizer_of(rule, **adjustments), *start(dtype, n))
                ]
            )
        finally:
            kernels.use(before)
    for isa, result in zip(WITH_FMA, results):
        assert_same_bits(result, results[0], isa)


def test_nan_stays_nan(isa, dtype, rule, adjustments):
    """Also through penalties and clipping, from a gradient or a parameter; other numbers are not
    affected."""
    optimizer = optimizer_of(rule, **adjustments)
    others = np.arange(67) != 20
    for spoiled in ("params", "grads"):
        params, grads = start(dtype)
        good = train(optimizer, params.copy(), grads)
        (params if spoiled == "params" else grads[0])[20] = np.nan
        arrays = train(optimizer, params, grads)
        assert np.isnan(params[20])
        assert optimizer.average is None or np.isnan(arrays[-1][20])
        for a, b in zip(arrays, good, strict=True):
            assert_same_bits(a[others], b[others])


def test_clipping_makes_infinite_gradients_finite(isa, dtype, rule):
    params, grads = start(dtype)
    clipped = optimizer_of(rule, clip_value=0.5)
    expected = train(
        clipped, params.copy(), np.where(np.arange(len(params)) == 20, np.copysign(9, grads), grads)
    )
    grads[:, 20] = np.copysign(np.inf, grads[:, 20])
    for a, b in zip(train(clipped, params, grads), expected, strict=True):
        assert_same_bits(a, b)
        assert_finite(a)


# ---- number of moments ---------------------------------------------------------------------------


def test_every_optimizer_has_the_right_number_of_moments(rule, adjustments):
    optimizer = optimizer_of(rule, **adjustments)
    n, settings = optimizer.n_moments, optimizer.to_kernel()
    assert (
        n
        == kernels.n_moments(settings)
        == len(in_numpy(rule, *start("float64"), **adjustments)) - 1
    )
    params, grads = start("float64")
    for wrong in {n - 1, n + 1} - {-1}:
        with pytest.raises(ValueError, match=f"This update needs {n} moments, got {wrong}"):
            kernels.update(
                kernels.packed(settings),
                1,
                params,
                grads[0],
                *(np.zeros_like(params) for _ in range(wrong)),
            )
    np.testing.assert_array_equal(params, start("float64")[0])


def test_the_rules_here_are_all_optimizers_that_make_steps():
    assert {optimizer_of(rule).__class__ for rule in RULES} == set(OPTIMIZERS.values()) - {
        OPTIMIZERS["lbfgs"]
    }
    assert OPTIMIZERS["lbfgs"].n_moments == 0
    assert {optimizer_of(rule).to_kernel()["rule"] for rule in RULES} == set(kernels.Rule) - {
        kernels.Rule.NO_UPDATE
    }

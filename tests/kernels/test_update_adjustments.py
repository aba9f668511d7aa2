"""Options shared by all optimizers: penalties, clipping, weight decay and averaging.
`kernels.update` is compared with the same in NumPy around the steps of the reference.
"""

import cases
import numpy as np
import pytest
from checks import assert_finite, assert_same_bits, flushed
from instruction_sets import assert_same_on_every_variant, same_bits

from fastnn import kernels
from fastnn import reference as ref
from fastnn.optimizers import OPTIMIZERS

STEPS = 10
WITH_DECAY, CENTERED = dict(lr=0.1, weight_decay=0.1), dict(alpha=0.5, centered=True)
RULES = {  # with weight decay, which comes after clipping, or is decoupled
    "sgd": WITH_DECAY,
    "sgd with momentum": WITH_DECAY | dict(momentum=0.9),
    "adagrad": WITH_DECAY,
    "adadelta": dict(weight_decay=0.1, eps=1e-2),
    "rmsprop": WITH_DECAY,
    "rmsprop with momentum": WITH_DECAY | dict(momentum=0.5),
    "rmsprop, centered": WITH_DECAY | CENTERED,
    "rmsprop, centered, with momentum": WITH_DECAY | CENTERED | dict(momentum=0.5),
    "adam": WITH_DECAY,
    "adam without decay": dict(lr=0.1),
    "adam, amsgrad": WITH_DECAY | dict(amsgrad=True),
    "adamax": WITH_DECAY,
    "nadam": WITH_DECAY,
    "nadam, decoupled": dict(lr=0.1, weight_decay=0.5, decoupled_weight_decay=True),
}


def name_of(rule):
    return rule.replace(",", "").split()[0]


for name in cases.STEPS:
    if name not in map(name_of, RULES):  # adamw among them
        RULES[name] = dict(lr=0.1, weight_decay=0.5)
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
    return OPTIMIZERS[name_of(rule)](**RULES[rule], **adjustments)


def start(dtype, n=67):
    """Parameters, among them zeros of both signs and a subnormal number, and a gradient for
    every step."""
    rng = np.random.default_rng(5)
    params, grads = rng.normal(size=n).astype(dtype), rng.normal(size=(STEPS, n)).astype(dtype)
    params[:3] = 0, -0.0, np.finfo(dtype).smallest_subnormal
    grads[:, 3] = 0
    return params, grads


def update(optimizer, step, *arrays):
    kernels.update(kernels.packed(optimizer.to_kernel()), step, *arrays)


def train(optimizer, params, grads):
    """[params, moments..., average], changed in place; the average begins at the parameters."""
    moments = [np.zeros_like(params) for _ in range(optimizer.n_moments)]
    if optimizer.average:
        moments[-1][...] = params
    for step, g in enumerate(grads, 1):
        update(optimizer, step, params, g, *moments)
    return [params, *moments]


def in_numpy(rule, w, grads, l1=0.0, l2=0.0, clip_value=np.inf, average=None):
    """The same, in float64."""
    name, settings = name_of(rule), RULES[rule]
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


def test_bits_do_not_depend_on_how_the_array_is_split(isa, dtype, rule):
    optimizer = optimizer_of(rule, **ADJUSTMENTS["everything"])
    params, grads = start(dtype, 50)
    everything = train(optimizer, params.copy(), grads)
    for k in (*range(18), 31, 32, 33, 49):
        for part in (slice(0, k), slice(k, 50)):
            found = train(optimizer, params[part].copy(), grads[:, part].copy())
            assert_same_bits(found, [a[part] for a in everything])


@same_bits
def test_instruction_sets_with_fma_give_the_same_bits(dtype, rule, adjustments):
    optimizer = optimizer_of(rule, **adjustments)
    assert_same_on_every_variant(
        lambda: [a for n in (9, 67) for a in train(optimizer, *start(dtype, n))]
    )


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
        assert_same_bits([a[others] for a in arrays], [a[others] for a in good])


def test_clipping_makes_infinite_gradients_finite(isa, dtype, rule):
    params, grads = start(dtype)
    clipped = optimizer_of(rule, clip_value=0.5)
    large = np.where(np.arange(len(params)) == 20, np.copysign(9, grads), grads)
    expected = train(clipped, params.copy(), large)
    grads[:, 20] = np.copysign(np.inf, grads[:, 20])
    found = train(clipped, params, grads)
    assert_same_bits(found, expected)
    assert_finite(found)


# ---- number of moments ---------------------------------------------------------------------------


def test_every_optimizer_has_the_right_number_of_moments(rule, adjustments):
    optimizer = optimizer_of(rule, **adjustments)
    n, settings = optimizer.n_moments, optimizer.to_kernel()
    arrays = in_numpy(rule, *start("float64"), **adjustments)
    assert n == kernels.n_moments(settings) == len(arrays) - 1
    params, grads = start("float64")
    for wrong in {n - 1, n + 1} - {-1}:
        with pytest.raises(ValueError, match=f"This update needs {n} moments, got {wrong}"):
            update(optimizer, 1, params, grads[0], *np.zeros((wrong, *params.shape)))
    np.testing.assert_array_equal(params, start("float64")[0])


def test_the_rules_here_are_all_optimizers_that_make_steps():
    optimizers = [optimizer_of(rule) for rule in RULES]
    assert {*map(type, optimizers)} == set(OPTIMIZERS.values()) - {OPTIMIZERS["lbfgs"]}
    assert OPTIMIZERS["lbfgs"].n_moments == 0
    rules = {optimizer.to_kernel()["rule"] for optimizer in optimizers}
    assert rules == set(kernels.Rule) - {kernels.Rule.NO_UPDATE}

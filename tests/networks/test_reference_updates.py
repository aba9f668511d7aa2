"""The updates of the reference: one or two steps worked by hand. test_pytorch.py compares a
hundred."""

import math

import cases
import numpy as np
import pytest

from fastnn import reference as ref

# the arrays that move with the parameters
UPDATES = {f"{name}_step_": cases.all_moments(name) for name in cases.STEPS}
OPTIONS = {f"{name}_step_": settings for name, settings in cases.EVERY_MOMENT.items()}


def take_step(name, params, grads, state, step=1, **options):
    """Make a step; pass its number if the step takes it."""
    number = {"step": step} if cases.counts(name.removesuffix("_step_")) else {}
    assert getattr(ref, name)(params, grads, **state, **number, **options) is None


@pytest.mark.parametrize("case", cases.STEPS_BY_HAND)
def test_step_by_hand(case):
    name, p, g, before, options, expected, after = cases.STEPS_BY_HAND[case]
    params, grads, state = np.array([p, -p], float), np.array([g, -g], float), {}
    for moment, value in before.items():
        odd = moment in ("velocity", "mean", "m")  # changes sign with the gradient
        state[moment] = np.array([value, -value if odd else value], float)
    take_step(name, params, grads, state, **options)
    np.testing.assert_allclose(params, [expected, -expected], rtol=1e-14, atol=1e-15)
    for moment, value in after.items():
        np.testing.assert_allclose(np.abs(state[moment]), abs(value), rtol=1e-14)
        assert state[moment][0] * value > 0
    np.testing.assert_array_equal(grads, [g, -g])


def test_momentum_of_nadam_rises_with_the_steps():
    # mu_t = 0.5 (1 - 0.96^t / 2): 0.26, 0.2696, 0.278816
    p, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    ref.nadam_step_(p, np.array([2.0]), m, v, 1, lr=1, betas=(0.5, 0.75), eps=0, momentum_decay=1)
    first = (1 - 0.26) / (1 - 0.26) * 2 / 2 + 0.2696 / (1 - 0.26 * 0.2696) * 1 / 2
    assert p[0] == pytest.approx(1 - first, rel=1e-14)
    ref.nadam_step_(p, np.array([0.0]), m, v, 2, lr=1, betas=(0.5, 0.75), eps=0, momentum_decay=1)
    # m = 1/2, v = 3/4, √(v / (7/16)) = √(12/7)
    second = 0.278816 / (1 - 0.26 * 0.2696 * 0.278816) * 0.5 / math.sqrt(12 / 7)
    assert p[0] == pytest.approx(1 - first - second, rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UPDATES)
def test_updates_change_their_arrays_in_place_and_nothing_else(name, dtype, rng):
    params, grads = rng.normal(size=(2, 3, 4)).astype(dtype)
    state = {moment: np.zeros((3, 4), dtype) for moment in UPDATES[name]}
    arrays, before, kept = [params, *state.values()], params.copy(), grads.copy()
    for step in (1, 2):
        take_step(name, params, grads, state, step, **OPTIONS.get(name, {}))
    assert (params != before).all() and all(array.any() for array in state.values())
    assert all(a is b and a.dtype == dtype for a, b in zip(arrays, [params, *state.values()]))
    np.testing.assert_array_equal(grads, kept)


@pytest.mark.parametrize("name", UPDATES)
def test_defaults_move_against_the_gradient(name):
    params, grads = np.zeros(2), np.array([3.0, -3.0])
    state = {m: np.zeros(2) for m in UPDATES[name] if m not in ("velocity", "mean", "v_max")}
    take_step(name, params, grads, state, **({"lr": 1e-3} if name == "sgd_step_" else {}))
    assert params[0] < 0 < params[1] == -params[0]


MISSING = [
    (ref.sgd_step_, 0, dict(lr=0.1, momentum=0.9), "momentum needs velocity"),
    (ref.rmsprop_step_, 1, dict(momentum=0.9), "momentum needs velocity"),
    (ref.rmsprop_step_, 1, dict(centered=True), "centered=True needs mean"),
]


@pytest.mark.parametrize(("step", "n_moments", "options", "message"), MISSING)
def test_a_missing_moment_is_named_and_nothing_changes(step, n_moments, options, message):
    params, hint = np.ones(2), "Pass an array like params, zeros before"
    with pytest.raises(ValueError, match=f"{message}. {hint}"):
        step(params, params, *[params.copy()] * n_moments, **options)
    np.testing.assert_array_equal(params, 1)

"""The updates of the reference: one or two steps worked by hand. test_pytorch.py compares a
hundred."""

import inspect
import math

import cases
import numpy as np
import pytest

from fastnn import reference as ref

UPDATES = {
    f"{name}_step_": cases.all_moments(name) for name in cases.STEPS
}  # the arrays that move with the parameters
OPTIONS = {f"{name}_step_": settings for name, settings in cases.EVERY_MOMENT.items()}


def take_step(name, params, grads, state, step=1, **options):
    """Make a step; pass its number if the step takes it."""
    function = getattr(ref, name)
    number = {"step": step} if "step" in inspect.signature(function).parameters else {}
    assert function(params, grads, **state, **number, **options) is None


RMSPROP = dict(lr=0.5, alpha=0.75, eps=2)
ADAM = dict(lr=0.5, betas=(0.5, 0.75), eps=0.5)
ADAMAX = dict(lr=0.5, betas=(0.5, 0.5), eps=0.5)
NADAM = dict(ADAM, momentum_decay=0)  # mu = b1 / 2 = 1/4, M_t = 1/4^t
LION = dict(lr=0.5, betas=(0.75, 0.5))
SECOND = dict(lr=0.5, betas=(0.5, 0.5), eps=2, step=2)
BY_HAND = {  # name: (update, p, g, the arrays before, options, p after, the arrays after)
    "sgd": ("sgd_step_", 1, 0.5, {}, dict(lr=0.5), 0.75, {}),
    "sgd, decay": ("sgd_step_", 1, 0.5, {}, dict(lr=0.5, weight_decay=0.25), 1 - 0.5 * 0.75, {}),
    # v = 0.5 2 + 3
    "sgd, momentum": (
        "sgd_step_",
        1,
        3,
        dict(velocity=2),
        dict(lr=0.25, momentum=0.5),
        0,
        dict(velocity=4),
    ),
    # and 3 + 0.5 4 in its place
    "sgd, Nesterov": (
        "sgd_step_",
        1,
        3,
        dict(velocity=2),
        dict(lr=0.25, momentum=0.5, nesterov=True),
        -0.25,
        dict(velocity=4),
    ),
    # total = 7 + 3^2, the rate of step 3 is 2/(1 + 2 0.5) = 1
    "adagrad": (
        "adagrad_step_",
        1,
        3,
        dict(total=7),
        dict(lr=2, lr_decay=0.5, eps=2, step=3),
        1 - 3 / (4 + 2),
        dict(total=16),
    ),
    # g = 1 + 0.5 4
    "adagrad, decay": (
        "adagrad_step_",
        4,
        1,
        dict(total=7),
        dict(lr=1, weight_decay=0.5, eps=2),
        4 - 3 / (4 + 2),
        dict(total=16),
    ),
    # v = 0.5 2 + 0.5 4^2 = 9, d = √(1 + 7)/√(9 + 7) 4 = √8, u = 0.5 1 + 0.5 8
    "adadelta": (
        "adadelta_step_",
        1,
        4,
        dict(v=2, u=1),
        dict(lr=0.5, rho=0.5, eps=7),
        1 - 0.5 * math.sqrt(8),
        dict(v=9, u=4.5),
    ),
    # g = 3 + 0.25 4
    "adadelta, decay": (
        "adadelta_step_",
        4,
        3,
        dict(v=2, u=1),
        dict(lr=0.5, rho=0.5, eps=7, weight_decay=0.25),
        4 - 0.5 * math.sqrt(8),
        dict(v=9, u=4.5),
    ),
    # v = 0.75 4 + 0.25 2^2 = 4
    "rmsprop": ("rmsprop_step_", 1, 2, dict(v=4), RMSPROP, 1 - 0.5 * 2 / (2 + 2), dict(v=4)),
    # g = 1 + 0.25 4
    "rmsprop, decay": (
        "rmsprop_step_",
        4,
        1,
        dict(v=4),
        dict(RMSPROP, weight_decay=0.25),
        4 - 0.5 * 2 / (2 + 2),
        dict(v=4),
    ),
    # v = 0.75 13/3 + 0.25 4, mean = 0.25 2, v - mean^2 = 4
    "rmsprop, centered": (
        "rmsprop_step_",
        1,
        2,
        dict(v=13 / 3, mean=0),
        dict(RMSPROP, centered=True),
        0.75,
        dict(v=4.25, mean=0.5),
    ),
    # mean = 0.75 3 + 0.25 3, v = 0.75 1 + 0.25 9: v - mean^2 = 3 - 9 counts as 0
    "rmsprop, clamped": (
        "rmsprop_step_",
        1,
        3,
        dict(v=1, mean=3),
        dict(RMSPROP, centered=True),
        1 - 0.5 * 3 / (0 + 2),
        dict(v=3, mean=3),
    ),
    # velocity = 0.5 3 + 2/(2 + 2)
    "rmsprop, momentum": (
        "rmsprop_step_",
        1,
        2,
        dict(v=4, velocity=3),
        dict(RMSPROP, momentum=0.5),
        0,
        dict(v=4, velocity=2),
    ),
    # m = 1, v = 1, both over 1 - b^1
    "adam": ("adam_step_", 1, 2, dict(m=0, v=0), ADAM, 1 - 0.5 * 2 / (2 + 0.5), dict(m=1, v=1)),
    # m = 0.5 1 + 0.5 2, v = 0.5 2 + 0.5 4, 1 - b1^2 = 1 - b2^2 = 3/4
    "adam, second step": (
        "adam_step_",
        1,
        2,
        dict(m=1, v=2),
        SECOND,
        1 - 0.5 * 2 / (2 + 2),
        dict(m=1.5, v=3),
    ),
    # g = 1 + 0.5 2
    "adam, decay": (
        "adam_step_",
        2,
        1,
        dict(m=0, v=0),
        dict(ADAM, weight_decay=0.5),
        2 - 0.5 * 2 / (2 + 0.5),
        dict(m=1, v=1),
    ),
    # the largest v is 4: √4/√(1/4) = 4
    "adam, AMSGrad": (
        "adam_step_",
        1,
        2,
        dict(m=0, v=0, v_max=4),
        ADAM,
        1 - 0.5 * 2 / (4 + 0.5),
        dict(m=1, v=1, v_max=4),
    ),
    "adam, AMSGrad rising": (
        "adam_step_",
        1,
        2,
        dict(m=0, v=0, v_max=0.5),
        ADAM,
        1 - 0.5 * 2 / (2 + 0.5),
        dict(m=1, v=1, v_max=1),
    ),
    # p shrinks to (1 - 0.5 0.5) 2, m and v don't see it
    "adamw": (
        "adamw_step_",
        2,
        2,
        dict(m=0, v=0),
        dict(ADAM, weight_decay=0.5),
        1.5 - 0.5 * 2 / (2 + 0.5),
        dict(m=1, v=1),
    ),
    "adamw, AMSGrad": (
        "adamw_step_",
        2,
        2,
        dict(m=0, v=0, v_max=4),
        dict(ADAM, weight_decay=0.5),
        1.5 - 0.5 * 2 / (4 + 0.5),
        dict(m=1, v=1, v_max=4),
    ),
    # u = max(0.5 2, 2 + 0.5); max(0.5 8, 2.5)
    "adamax": ("adamax_step_", 1, -2, dict(m=0, u=2), ADAMAX, 1 + 0.5 * 2 / 2.5, dict(m=-1, u=2.5)),
    "adamax, falling": (
        "adamax_step_",
        1,
        -2,
        dict(m=0, u=8),
        ADAMAX,
        1 + 0.5 * 2 / 4,
        dict(m=-1, u=4),
    ),
    # g = 1 + 0.5 2
    "adamax, decay": (
        "adamax_step_",
        2,
        1,
        dict(m=0, u=0),
        dict(ADAMAX, weight_decay=0.5),
        2 - 0.5 * 2 / 2.5,
        dict(m=1, u=2.5),
    ),
    # (1 - 1/4)/(1 - 1/4) 2 + 1/4 / (1 - 1/16) 1 = 34/15
    "nadam": ("nadam_step_", 1, 2, dict(m=0, v=0), NADAM, 1 - 0.5 * 34 / 15 / 2.5, dict(m=1, v=1)),
    # (1 - 1/4)/(1 - 1/16) 2 + 1/4 / (1 - 1/64) 1.5
    "nadam, second step": (
        "nadam_step_",
        1,
        2,
        dict(m=1, v=2),
        dict(SECOND, momentum_decay=0),
        1 - 0.5 * (1.6 + 8 / 21) / 4,
        dict(m=1.5, v=3),
    ),
    # g = 1 + 0.5 2
    "nadam, decay": (
        "nadam_step_",
        2,
        1,
        dict(m=0, v=0),
        dict(NADAM, weight_decay=0.5),
        2 - 0.5 * 34 / 15 / 2.5,
        dict(m=1, v=1),
    ),
    # p shrinks to (1 - 0.5 0.5) 2
    "nadam, decoupled": (
        "nadam_step_",
        2,
        2,
        dict(m=0, v=0),
        dict(NADAM, weight_decay=0.5, decoupled_weight_decay=True),
        1.5 - 0.5 * 34 / 15 / 2.5,
        dict(m=1, v=1),
    ),
    # 0.75 4 + 0.25 (-8) = 1, m = 0.5 4 + 0.5 (-8)
    "lion": ("lion_step_", 1, -8, dict(m=4), LION, 1 - 0.5, dict(m=-2)),
    # 0.75 4 + 0.25 (-12) = 0: it stays
    "lion, no sign": ("lion_step_", 1, -12, dict(m=4), LION, 1, dict(m=-4)),
    # p shrinks to (1 - 0.5 0.25) 2, m does not see it
    "lion, decay": (
        "lion_step_",
        2,
        4,
        dict(m=4),
        dict(LION, weight_decay=0.25),
        1.75 - 0.5,
        dict(m=4),
    ),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_step_by_hand(case):
    name, p, g, before, options, expected, after = BY_HAND[case]
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
    arrays, before = [params, *state.values()], params.copy()
    kept = grads.copy()
    for step in (1, 2):
        take_step(name, params, grads, state, step, **OPTIONS.get(name, {}))
    assert (params != before).all() and all(array.any() for array in state.values())
    assert all(
        a is b and a.dtype == dtype for a, b in zip(arrays, [params, *state.values()], strict=True)
    )
    np.testing.assert_array_equal(grads, kept)


@pytest.mark.parametrize("name", UPDATES)
def test_defaults_move_against_the_gradient(name):
    params, grads = np.zeros(2), np.array([3.0, -3.0])
    state = {
        moment: np.zeros(2)
        for moment in UPDATES[name]
        if moment not in ("velocity", "mean", "v_max")
    }
    take_step(name, params, grads, state, **({"lr": 1e-3} if name == "sgd_step_" else {}))
    assert params[0] < 0 < params[1] == -params[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda p: ref.sgd_step_(p, p, lr=0.1, momentum=0.9),
            "momentum needs velocity. Pass an array like params, zeros before",
        ),
        (
            lambda p: ref.rmsprop_step_(p, p, p.copy(), momentum=0.9),
            "momentum needs velocity. Pass an array like params",
        ),
        (
            lambda p: ref.rmsprop_step_(p, p, p.copy(), centered=True),
            "centered=True needs mean. Pass an array like params",
        ),
    ],
)
def test_a_missing_moment_is_named_and_nothing_changes(call, message):
    params = np.ones(2)
    with pytest.raises(ValueError, match=message):
        call(params)
    np.testing.assert_array_equal(params, 1)

"""The updates of F, every rule and option: twenty steps against the NumPy reference in float64,
and bits that do not depend on layout, position or instruction set."""

import numpy as np
import pytest
from cases import OPTIMIZERS, all_moments, counts, moments_of, parameters_of
from checks import assert_same_bits
from instruction_sets import assert_same_on_every_variant, same_bits

from fastnn import functional as F
from fastnn import reference as ref

STEPS = 20


CASES = {}
for rule, settings in OPTIMIZERS.items():
    CASES |= {f"{rule}, {name}": (rule, each) for name, each in settings.items()}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def start(dtype, n=257):
    """Parameters, and a gradient for every step."""
    rng = np.random.default_rng(5)
    return rng.normal(size=n).astype(dtype), rng.normal(size=(STEPS, n)).astype(dtype)


def train(functions, case, params, grads, first_step=1):
    """params, changed in place by one step for each of grads, and the moments."""
    rule, settings = case
    step = getattr(functions, f"{rule}_step_")
    settings = settings | {name: np.zeros_like(params) for name in moments_of(rule, settings)}
    for t, g in enumerate(grads, first_step):
        step(params, g, **settings, **(dict(step=t) if counts(rule) else {}))
    return [params, *(settings[name] for name in moments_of(rule, settings))]


def in_float64(case, params, grads):
    return train(ref, case, params.astype(float), grads.astype(float))


# ---- values --------------------------------------------------------------------------------------


def test_the_cases_cover_every_rule_and_setting():
    assert {f"{rule}_step_" for rule in OPTIMIZERS} == {n for n in F.__all__ if "_step_" in n}
    for rule, cases in OPTIMIZERS.items():
        covered = {name for settings in cases.values() for name in settings}
        others = {"params", "grads", "step", "n_threads", *all_moments(rule)}
        assert set(parameters_of(rule)) - covered <= others, rule


def test_twenty_steps_match_the_reference_for_all_sizes(isa, dtype, eps, case):
    params, grads = start(dtype)
    exact = in_float64(case, params, grads)
    wrong = []
    for n in [*range(3 * 16 + 2), 100, 257]:
        actual = train(F, case, params[:n].copy(), grads[:, :n])
        # a step rounds some numbers of the size of the parameters, moments and gradients, which are
        # about 1
        bounds = [4 * STEPS * eps * (1 + np.abs(e[:n])) for e in exact]
        if any(
            a.dtype != dtype or (np.abs(a - e[:n]) > bound).any()
            for a, e, bound in zip(actual, exact, bounds, strict=True)
        ):
            wrong.append(n)
    assert wrong == []


def test_first_step_to_the_last_digits(isa, dtype, eps, case):
    params, grads = start(dtype)
    exact = in_float64(case, params, grads[:1])
    for a, e in zip(train(F, case, params.copy(), grads[:1]), exact, strict=True):
        bound = 4 * eps * (np.abs(e) + np.abs(params - e)) + np.finfo(dtype).tiny
        np.testing.assert_array_less(np.abs(a - e), bound)


def test_shape_does_not_matter(isa, dtype, case):
    for shape in ((), (3, 5), (2, 3, 4), (0, 4)):
        params, grads = start(dtype, int(np.prod(shape)))
        flat = train(F, case, params.copy(), grads)
        shaped = train(F, case, params.reshape(shape), grads.reshape(STEPS, *shape))
        assert all(a.shape == shape for a in shaped)
        assert_same_bits(shaped, flat)


def test_step_numbers_start_where_the_caller_says(isa, dtype, eps):
    for rule in ("adagrad", "adam", "adamw", "adamax", "nadam"):
        case = rule, dict(lr=0.1) | (dict(lr_decay=0.01) if rule == "adagrad" else {})
        for step in (1, 2, 1000, 10**6):
            if rule == "nadam" and step > 1000:
                continue  # the reference multiplies all its momenta
            params, grads = start(dtype, 9)
            exact = train(ref, case, params.astype(float), grads[:3].astype(float), step)
            for a, e in zip(train(F, case, params, grads[:3], step), exact, strict=True):
                np.testing.assert_allclose(a, e, rtol=32 * eps, atol=32 * eps)


# ---- the same bits -------------------------------------------------------------------------------


def test_bits_do_not_depend_on_the_position_of_a_parameter(isa, dtype, case):
    params, grads = start(dtype, 100)
    everything = train(F, case, params.copy(), grads)
    ends = [(0, 1), (99, 100), (3, 12), (1, 34), (60, 99), *((k, 50) for k in range(17))]
    for part in (slice(*each) for each in ends):
        found = train(F, case, params[part].copy(), grads[:, part])
        assert_same_bits(found, [a[part] for a in everything])


@same_bits
def test_instruction_sets_with_fma_give_the_same_bits(dtype, case):
    assert_same_on_every_variant(
        lambda: [a for n in (1, 9, 19, 100, 257) for a in train(F, case, *start(dtype, n))]
    )


def test_nothing_around_the_arrays_changes(isa, dtype, case):
    for n in (1, 7, 9, 33):
        params, grads = start(dtype, n)
        memory = np.full(n + 80, 99, dtype)
        memory[37 : 37 + n] = params
        expected = train(F, case, params, grads)[0]
        assert_same_bits(train(F, case, memory[37 : 37 + n], grads)[0], expected)
        np.testing.assert_array_equal(memory[:37], 99)
        np.testing.assert_array_equal(memory[37 + n :], 99)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf], ids=str)
def test_a_bad_gradient_affects_its_parameter_alone(isa, dtype, case, bad):
    params, grads = start(dtype, 40)
    good = train(F, case, params.copy(), grads)
    grads[3, 17] = bad
    spoiled = train(F, case, params.copy(), grads)
    others = np.arange(40) != 17
    assert_same_bits([a[others] for a in spoiled], [a[others] for a in good])
    with np.errstate(all="ignore"):
        exact = in_float64(case, params, grads)[0][17]
        np.testing.assert_allclose(spoiled[0][17], exact, rtol=1e-4)


# ---- by hand -------------------------------------------------------------------------------------


def test_first_steps_whose_length_is_known(isa, dtype, eps):
    """The gradient divided by its root mean square: the step is the rate, whatever the gradient."""
    g = np.logspace(-3, 15, 50).astype(dtype)
    # NAdam adds a part of the momentum to come: with no decay of it mu is b1/2, and M_2 its square
    nadam = 1 + 0.25 / (1 - 0.25**2) * 0.5
    for rule, length, more in [
        *((rule, 1, {}) for rule in ("adam", "adamw", "adamax", "adagrad")),
        ("rmsprop", 2, dict(alpha=0.75)),
        ("nadam", nadam, dict(betas=(0.5, 0.9), momentum_decay=0.0)),
    ]:
        W = train(F, (rule, dict(lr=0.125, eps=1e-12) | more), np.zeros_like(g), [g])[0]
        np.testing.assert_allclose(W, -0.125 * length, rtol=max(1e-8, 8 * eps))
    # Adadelta's is sqrt(eps / (0.1 g^2 + eps)) g
    W = train(F, ("adadelta", dict()), np.zeros_like(g), [g])[0]
    length = np.sqrt(1e-6) / np.sqrt(0.1 * g.astype(float) ** 2 + 1e-6) * g
    np.testing.assert_allclose(W, -length, rtol=16 * eps)

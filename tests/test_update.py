"""F.sgd_step_ and F.adam_step_: twenty steps against the NumPy reference in float64, in place or not at all."""

import numpy as np
import pytest

from fastnn import functional as F
from fastnn import reference as ref

SIZES = (0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100, 257)
SHAPES = [*((n,) for n in SIZES), (), (3, 5), (2, 3, 4), (0, 4)]
STEPS = 20
SGD = {
    "plain": dict(lr=0.1),
    "weight decay": dict(lr=0.1, weight_decay=0.05),
    "momentum": dict(lr=0.05, momentum=0.9),
    "momentum and decay": dict(lr=0.05, momentum=0.8, weight_decay=0.05),
    "Nesterov": dict(lr=0.05, momentum=0.9, nesterov=True),
    "Nesterov and decay": dict(lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.05),
    "no rate": dict(lr=0.0),
}
ADAM = {
    "defaults": dict(),
    "large rate": dict(lr=0.1),
    "other betas": dict(lr=0.03, betas=(0.5, 0.9)),
    "no momentum": dict(lr=0.03, betas=(0.0, 0.9)),
    "eps": dict(lr=0.03, eps=0.5),
    "weight decay": dict(lr=0.03, weight_decay=0.1),
}


def start(dtype, shape):
    """Parameters, and a gradient for every step."""
    rng = np.random.default_rng(5)
    return rng.normal(size=shape).astype(dtype), rng.normal(size=(STEPS, *shape)).astype(dtype)


def sgd(functions, params, grads, settings):
    velocity = np.zeros_like(params)
    for g in grads:
        functions.sgd_step_(params, g, **settings, velocity=velocity if settings.get("momentum") else None)
    return params, velocity


def adam(functions, params, grads, settings):
    m, v = np.zeros_like(params), np.zeros_like(params)
    for step, g in enumerate(grads, 1):
        functions.adam_step_(params, g, m, v, step, **settings)
    return params, m, v


CASES = {f"SGD, {name}": (sgd, settings) for name, settings in SGD.items()}
CASES |= {f"Adam, {name}": (adam, settings) for name, settings in ADAM.items()}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


# ---- values ----------------------------------------------------------------------------------------------------------


def test_twenty_steps_are_the_reference_for_all_sizes(isa, dtype, eps, case):
    train, settings = case
    wrong = []
    for shape in SHAPES:
        params, grads = start(dtype, shape)
        exact = train(ref, params.astype(float), grads.astype(float), settings)
        actual = train(F, params, grads, settings)
        # a step rounds some numbers of the size of the parameters, moments and gradients, which are about 1
        if any(a.dtype != dtype or (np.abs(a - e) > 4 * STEPS * eps * (1 + np.abs(e))).any() for a, e in zip(actual, exact, strict=True)):
            wrong.append(shape)
    assert wrong == []


def test_first_step_to_the_last_digits(isa, dtype, eps, case):
    train, settings = case
    params, grads = start(dtype, (100,))
    exact = train(ref, params.astype(float), grads[:1].astype(float), settings)
    for a, e in zip(train(F, params.copy(), grads[:1], settings), exact, strict=True):
        np.testing.assert_array_less(np.abs(a - e), 3 * eps * (np.abs(e) + np.abs(params - e)) + np.finfo(dtype).tiny)


def test_a_parameter_moves_by_the_same_bits_wherever_it_stands(isa, dtype, case):
    train, settings = case
    params, grads = start(dtype, (100,))
    everything = train(F, params.copy(), grads, settings)
    for part in (slice(0, 1), slice(99, 100), slice(3, 12), slice(1, 34), slice(60, 99)):
        for a, b in zip(train(F, params[part].copy(), grads[:, part].copy(), settings), everything, strict=True):
            assert a.tobytes() == b[part].tobytes()


def test_nothing_around_the_arrays_changes(isa, dtype, case):
    train, settings = case
    for n in (1, 7, 9, 33):
        params, grads = start(dtype, (n,))
        memory = np.full(n + 80, 99, dtype)
        memory[37 : 37 + n] = params
        expected = train(F, params, grads, settings)[0]
        actual = train(F, memory[37 : 37 + n], grads, settings)[0]
        assert actual.tobytes() == expected.tobytes()
        assert (memory[:37] == 99).all()
        assert (memory[37 + n :] == 99).all()


def test_bad_gradient_spoils_its_parameter_alone(isa, dtype, case):
    train, settings = case
    params, grads = start(dtype, (40,))
    good = train(F, params.copy(), grads, settings)[0]
    grads[3, 17] = np.nan
    bad = train(F, params.copy(), grads, settings)[0]
    others = np.arange(40) != 17
    assert np.isnan(bad[17])
    assert bad[others].tobytes() == good[others].tobytes()


def test_plain_step_by_hand():
    W = np.array([1.0, 2.0])
    assert F.sgd_step_(W, [1.0, -1.0], lr=0.5) is None
    np.testing.assert_array_equal(W, [0.5, 2.5])


def test_momentum_by_hand():
    # v = 0.5 v + g: 2, then 3; with Nesterov a step takes g + 0.5 v: 3, then 3.5
    for nesterov, expected in [(False, [-2.0, -5.0]), (True, [-3.0, -6.5])]:
        W, v = np.zeros(1), np.zeros(1)
        for after_step in expected:
            F.sgd_step_(W, [2.0], lr=1.0, momentum=0.5, nesterov=nesterov, velocity=v)
            np.testing.assert_array_equal(W, [after_step])
        np.testing.assert_array_equal(v, [3.0])


def test_first_step_of_adam_is_the_rate_whatever_the_gradient(isa, dtype, eps):
    g = np.logspace(-3, 15, 50).astype(dtype)
    W, m, v = np.zeros_like(g), np.zeros_like(g), np.zeros_like(g)
    F.adam_step_(W, g, m, v, step=1, lr=0.125, eps=1e-12)
    np.testing.assert_allclose(W, -0.125, rtol=max(1e-8, 8 * eps))


def test_adam_counts_its_steps_from_where_it_is_told(isa, dtype, eps):
    params, grads = start(dtype, (9,))
    for step in (1, 2, 1000, 10**6, 2**40):
        arrays = [params.copy(), np.full(9, 0.1, dtype), np.full(9, 0.2, dtype)]
        exact = [a.astype(float) for a in arrays]
        F.adam_step_(arrays[0], grads[0], *arrays[1:], step, lr=0.1)
        ref.adam_step_(exact[0], grads[0].astype(float), *exact[1:], step, lr=0.1)
        for a, e in zip(arrays, exact, strict=True):
            np.testing.assert_allclose(a, e, rtol=0, atol=16 * eps)


# ---- in place, or not at all -----------------------------------------------------------------------------------------


def test_the_given_arrays_change_and_the_gradient_does_not(isa, dtype, case):
    train, settings = case
    params, grads = start(dtype, (33,))
    before, before_grads = params.copy(), grads.copy()
    assert train(F, params, grads, settings)[0] is params
    assert (params != before).any() or settings.get("lr") == 0
    np.testing.assert_array_equal(grads, before_grads)


@pytest.mark.parametrize(
    "kind",
    [
        np.ndarray.tolist,
        lambda a: a.astype(np.float64),
        lambda a: a.astype(a.dtype.newbyteorder(">")),
        lambda a: np.repeat(a, 2)[::2],
        lambda a: a[::-1].copy()[::-1],
        lambda a: np.frombuffer(b"\0" + a.tobytes(), a.dtype, offset=1),
        memoryview,
        lambda a: np.broadcast_to(a, a.shape),
    ],
    ids=["list", "float64", "big-endian", "strided", "negative stride", "misaligned", "memoryview", "read-only"],
)
def test_gradient_may_be_any_kind_of_array(isa, dtype, case, kind):
    train, settings = case
    params, grads = start(dtype, (33,))
    expected = train(F, params.copy(), grads, settings)
    for a, b in zip(train(F, params.copy(), [kind(g) for g in grads], settings), expected, strict=True):
        assert a.tobytes() == b.tobytes()


def steps(**changed):
    """Every step that writes to the arrays in `changed`, as a call."""
    a = dict(params=np.ones(6), grads=np.ones(6), velocity=np.zeros(6), m=np.zeros(6), v=np.zeros(6)) | changed
    calls = []
    if not {"m", "v"} & set(changed):
        calls.append(lambda: F.sgd_step_(a["params"], a["grads"], 0.1, 0.9, velocity=a["velocity"]))
    if not {"m", "v", "velocity"} & set(changed):
        calls.append(lambda: F.sgd_step_(a["params"], a["grads"], 0.1))
    if "velocity" not in changed:
        calls.append(lambda: F.adam_step_(a["params"], a["grads"], a["m"], a["v"], 1))
    return calls


@pytest.mark.parametrize("target", ["params", "velocity", "m", "v"])
@pytest.mark.parametrize(
    ("array", "error"),
    [
        ([0.0] * 6, TypeError),
        (np.zeros(6, np.float16), TypeError),
        (np.zeros(6, int), TypeError),
        (np.zeros(6, ">f8"), TypeError),
        (np.zeros(6, complex), TypeError),
        (np.zeros(12)[::2], ValueError),
        (np.zeros(6)[::-1], ValueError),
        (np.frombuffer(bytes(48)), ValueError),
        (np.frombuffer(bytearray(49), "f8", 6, offset=1), ValueError),
        (memoryview(np.zeros(6)), TypeError),
    ],
    ids=["list", "float16", "int", "big-endian", "complex", "strided", "negative stride", "read-only", "misaligned", "memoryview"],
)
def test_a_copy_would_lose_the_update_so_it_is_refused(target, array, error):
    for step in steps(**{target: array}):
        with pytest.raises(error, match=f"^{target} .*(must be|is read-only|align)"):
            step()
        assert not np.any(array)


@pytest.mark.parametrize("target", ["velocity", "m", "v"])
def test_moments_must_fit_the_parameters(target):
    for wrong, error in [(np.zeros(5), ValueError), (np.zeros((6, 1)), ValueError), (np.zeros(6, np.float32), TypeError)]:
        for step in steps(**{target: wrong}):
            with pytest.raises(error, match=f"^{target} must "):
                step()


def test_gradient_must_fit_the_parameters():
    for wrong in (np.ones(5), np.ones((6, 1)), 1.0):
        for step in steps(grads=wrong):
            with pytest.raises(ValueError, match=r"^grads must have shape \(6,\), got "):
                step()
    for step in steps(grads=np.full(6, None)):
        with pytest.raises(TypeError, match=r"^grads must be float32 or float64, got object"):
            step()


@pytest.mark.parametrize("shift", [0, 1, 5], ids=lambda n: f"shifted by {n}")
@pytest.mark.parametrize("pair", ["params grads", "params velocity", "velocity grads", "m grads", "v m", "params v"])
def test_arrays_that_overlap_are_refused(pair, shift):
    memory = np.arange(1.0, 13.0)
    first, second = pair.split()
    for step in steps(**{first: memory[:6], second: memory[shift : shift + 6]}):
        with pytest.raises(ValueError, match="overlaps another argument"):
            step()
    np.testing.assert_array_equal(memory, np.arange(1.0, 13.0))


def test_gradient_over_the_same_memory_through_another_object_is_refused():
    params = np.ones(6)
    for step in steps(params=params, grads=memoryview(params)):
        with pytest.raises(ValueError, match="overlaps another argument"):
            step()
    np.testing.assert_array_equal(params, np.ones(6))


def test_parts_of_one_block_are_taken():
    memory = np.ones(24)
    params, grads, m, v = memory.reshape(4, 6)
    m[:] = v[:] = 0
    F.adam_step_(params, grads, m, v, 1, lr=0.5)
    np.testing.assert_allclose(memory.reshape(4, 6)[:, 0], [0.5, 1, 0.1, 0.001])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(lr=-1), "lr must be a finite number at least 0, got -1"),
        (dict(lr=np.nan), "lr must be a finite number at least 0, got nan"),
        (dict(lr="0.1"), "lr must be a finite number at least 0, got '0.1'"),
        (dict(lr=0.1, momentum=1.0), "momentum must be a finite number at least 0 and below 1, got 1.0"),
        (dict(lr=0.1, momentum=0.9), "momentum needs velocity: an array like params, zeros before the first step"),
        (dict(lr=0.1, nesterov=True), "nesterov=True needs a momentum above 0"),
        (dict(lr=0.1, weight_decay=-1), "weight_decay must be a finite number at least 0, got -1"),
    ],
    ids=str,
)
def test_wrong_settings_of_sgd_are_refused(settings, message):
    params = np.ones(3)
    with pytest.raises(ValueError, match=message):
        F.sgd_step_(params, np.ones(3), **settings)
    np.testing.assert_array_equal(params, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(lr=np.inf), "lr must be a finite number at least 0, got inf"),
        (dict(betas=(0.9, 1.0)), "betas must be a finite number at least 0 and below 1, got 1.0"),
        (dict(betas=0.9), "betas must be two numbers, got 0.9"),
        (dict(eps=0), "eps must be a finite number above 0, got 0"),
        (dict(step=0), "step must be a whole number of at least 1, got 0"),
        (dict(step=1.5), "step must be a whole number of at least 1, got 1.5"),
    ],
    ids=str,
)
def test_wrong_settings_of_adam_are_refused(settings, message):
    params, m, v = np.ones(3), np.zeros(3), np.zeros(3)
    with pytest.raises(ValueError, match=message):
        F.adam_step_(params, np.ones(3), m, v, **dict(step=1) | settings)
    np.testing.assert_array_equal(params, 1)

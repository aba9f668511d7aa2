"""exp, log, log1p, tanh, erf and sigmoid of the kernels: at most 2 ULP from the exact result for
exp and log1p_unit, 4 for the others.

float32 is compared with float64 on 10 million numbers spread over all bit patterns, and on every
number around branches and clamps; float64 with long double where that has more digits, and with
mpmath. on_demand/all_floats.py compares float32 on all numbers.
"""

import math

import mpmath
import numpy as np
import pytest
from accuracy import ABSOLUTE, FUNCTIONS, KINDS, LIMIT, NUMPY, UNIT, Exact, computed
from checks import assert_same_bits, flushed

from fastnn import kernels

mp = mpmath.MPContext()
mp.dps = 40
MPMATH = dict(exp=mp.exp, log=mp.log, log1p=mp.log1p, tanh=mp.tanh, erf=mp.erf)
MPMATH["sigmoid"] = lambda x: 1 / (1 + mp.exp(-x))
# where overflow, underflow, clamps and the steps of an exponent lie, for float32 and float64
TURNS = {
    "exp": [-745.14, -708.4, -103.98, -87.34, -0.3466, 0, 0.3466, 88.03, 88.73, 709.1, 709.79],
    "log": [1.2e-38, 2.3e-308, 0.5, 0.7072, 1, 1.4142, 2],
    "log1p": [-1, -0.5, -0.2929, 0, 0.4142, 1, 2**24, 2.0**53],
    "tanh": [-19.1, -9.02, -0.1733, 0, 0.1733, 0.55, 9.02, 19.1],
    "erf": [-5.95, -3.93, 0, 0.5, 1, 3.93, 5.95],
    "sigmoid": [-745.14, -708.4, -103.98, -87.34, 0, 16.6, 36.7, 87.34, 708.4],
}


def around(points, dtype, n=1000):
    """The n floats to both sides of each point."""
    integers = np.int32 if dtype == np.float32 else np.int64

    def turned(i):  # a float's bits as an integer that grows with the float, and back
        return np.where(i < 0, np.iinfo(integers).min - i, i)

    at = turned(np.array(points, dtype).view(integers))
    return turned(at[:, None] + np.arange(-n, n, dtype=integers)).view(dtype).ravel()


def assert_accurate(name, exact):
    error, x = exact.ulps(computed(name, exact.x), ABSOLUTE.get((kernels.CHOSEN, name), 0))
    assert error <= LIMIT[name], f"{name}({x!r}) is off by {error:.2f} ULP"


# ---- accuracy ------------------------------------------------------------------------------------


FEWER = pytest.mark.slow("fewer numbers")


@pytest.fixture(scope="module", params=[4297, pytest.param(429, marks=FEWER)])
def stride(request):
    return request.param


@pytest.fixture(scope="module", params=FUNCTIONS)
def single(request, stride):
    """float32: a million bit patterns, or ten million, and all near the turns."""
    bits = np.arange(0, 2**32, stride, dtype=np.uint32)
    x = np.concatenate([bits.view(np.float32), around(TURNS[request.param], np.float32)])
    with np.errstate(all="ignore"):
        return request.param, Exact(x, NUMPY[request.param](flushed(x).astype(np.float64)))


def test_float32_on_millions_of_numbers(isa, single):
    assert_accurate(*single)


@pytest.mark.parametrize("stride", [997, pytest.param(97, marks=FEWER)])
def test_log1p_of_numbers_up_to_1(isa, dtype, stride):
    """float32: every so many of them, and all near the ends."""
    x = np.arange(0, 0x3F800001, stride, dtype=np.uint32).view(np.float32)
    x = np.concatenate([x, around([0, 1], np.float32, 50_000)])
    x = x[(x >= 0) & (x <= 1)].astype(dtype)
    wide = flushed(x).astype(np.longdouble if dtype == np.float64 else np.float64)
    error, worst = Exact(x, np.log1p(wide)).ulps(computed(UNIT, x))
    assert error <= (2 if dtype == np.float32 else 4), f"log1p({worst!r}) is off by {error:.2f} ULP"
    np.testing.assert_array_equal(computed(UNIT, np.full(3, np.nan, dtype)), np.nan)


@pytest.fixture(scope="module", params=[name for name in FUNCTIONS if name != "erf"])
def extended(request):
    """float64: a million bit patterns, the ranges where results vary, and all near the turns;
    exact results in long double."""
    bits = np.arange(1_000_000, dtype=np.uint64) * np.uint64(2**64 // 1_000_000)
    ranges = [np.linspace(-a, a, 100_001) for a in (750, 20, 1)]
    x = np.concatenate([bits.view(np.float64), *ranges, around(TURNS[request.param], np.float64)])
    with np.errstate(all="ignore"):
        return request.param, Exact(x, NUMPY[request.param](flushed(x).astype(np.longdouble)))


@pytest.mark.slow("test_float64_against_mpmath")
@pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 63, reason="long double has no more digits than float64 here"
)
def test_float64_against_long_double(isa, extended):
    assert_accurate(*extended)


@pytest.fixture(scope="module", params=FUNCTIONS)
def digits(request):
    """float64: some thousand numbers of all relevant magnitudes; exact results by mpmath."""
    name = request.param
    rng = np.random.default_rng(11)
    sizes = [np.exp(rng.uniform(np.log(low), np.log(800), 500)) for low in (1e-300, 1e-5)]
    x = np.concatenate([*sizes, rng.uniform(0, 7, 1000), rng.uniform(0, 1, 500)])
    x = np.concatenate([x, -x, around(TURNS[name], np.float64, 10)])
    x = x[x > dict(log=0, log1p=-1).get(name, -np.inf)]
    results = [MPMATH[name](mp.mpf(a)) for a in flushed(x).tolist()]
    exact = [float(a) if mp.fabs(a) < mp.mpf(2) ** 1024 else math.inf for a in results]
    rest = [float(a - b) if math.isfinite(b) else 0.0 for a, b in zip(results, exact, strict=True)]
    return name, Exact(x, np.array(exact), np.array(rest))


def test_float64_against_mpmath(isa, digits):
    assert_accurate(*digits)


# ---- special values ------------------------------------------------------------------------------

SPECIAL = {
    "exp": "0 1, -0 1, inf inf, -inf 0, max inf, -max 0, tiny 1, -tiny 1, least 1, -least 1",
    "log": "0 -inf, -0 -inf, 1 0, inf inf, -inf nan, -1 nan, -tiny nan, -max nan, least -inf, -least -inf",
    "log1p": "0 0, -0 -0, -1 -inf, inf inf, -inf nan, -2 nan, -max nan, least 0, -least -0, tiny tiny, -tiny -tiny",
    "tanh": "0 0, -0 -0, inf 1, -inf -1, max 1, -max -1, least 0, -least -0, tiny tiny, -tiny -tiny, 20 1, -20 -1",
    "erf": "0 0, -0 -0, inf 1, -inf -1, max 1, -max -1, least 0, -least -0, 6 1, -6 -1",
    "sigmoid": "0 0.5, -0 0.5, inf 1, -inf 0, max 1, -max 0, least 0.5, -least 0.5, 40 1",
}


def number(word, dtype):
    """A number from its name; max, tiny and least are the dtype's largest, smallest normal and
    smallest one."""
    info = np.finfo(dtype)
    limits = dict(max=info.max, tiny=info.tiny, least=info.smallest_subnormal)
    size = dtype.type(limits.get(word.lstrip("-"), word.lstrip("-")))
    return -size if word[0] == "-" else size


@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values_to_the_sign_of_zero(isa, dtype, name):
    for pair in SPECIAL[name].split(", "):
        x, y = (number(word, dtype) for word in pair.split())
        result = computed(name, np.full(3, x))
        np.testing.assert_array_equal(result, y, err_msg=f"{name}({x})")
        assert np.isnan(y) or (np.signbit(result) == np.signbit(y)).all(), f"{name}({x})"
    for nan in (np.nan, -np.nan):
        np.testing.assert_array_equal(computed(name, np.full(3, nan, dtype)), np.nan)


@pytest.mark.parametrize("name", ["tanh", "erf"])
def test_odd_functions_are_odd_bit_for_bit(isa, dtype, name):
    x = np.abs(np.random.default_rng(2).normal(size=500_000) * 3)
    x = np.concatenate([x, np.logspace(-37, 2, 100_000)]).astype(dtype)
    assert_same_bits(computed(name, -x), -computed(name, x))


@pytest.mark.parametrize(("name", "low"), [("tanh", -1), ("erf", -1), ("sigmoid", 0)])
def test_bounded_functions_stay_within_their_bounds(isa, dtype, name, low):
    x = np.concatenate([np.linspace(-50, 50, 1_000_000), around(TURNS[name], np.float64)])
    y = computed(name, x.astype(dtype))
    assert y.min() >= low and y.max() == 1


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bits_do_not_depend_on_the_position_in_the_array(isa, dtype, name):
    x = np.random.default_rng(3).uniform(0.01, 5, 64).astype(dtype)
    y = computed(name, x)
    for n in range(34):
        memory = np.full(n + 64, 99, dtype)
        part = memory[20 : 20 + n]
        kernels.vector_function(KINDS[name], x[7 : 7 + n].copy(), part)
        assert_same_bits(part, y[7 : 7 + n])
        np.testing.assert_array_equal(memory[:20], 99)
        np.testing.assert_array_equal(memory[20 + n :], 99)
    kernels.vector_function(KINDS[name], x, x)  # in place
    assert_same_bits(x, y)

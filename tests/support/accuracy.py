"""Errors of the elementwise functions of the kernels, in units in the last place (ULP).

A ULP is a unit in the last digit of the exact result rounded to the dtype, or of the smallest
normal number if the result is smaller. What overflows counts as the number that would come after
the largest. Kernels read subnormal numbers as 0 and write 0 for them, so a result of 0 is right
for every exact result below the smallest normal number.
"""

import math

import numpy as np

from fastnn import functional, kernels

EXP, LOG, LOG1P, TANH, ERF, SIGMOID = FUNCTIONS = ("exp", "log", "log1p", "tanh", "erf", "sigmoid")
UNIT = "log1p_unit"  # log1p for 0..1 alone
SOFTPLUS = "softplus"
KINDS = dict(zip((*FUNCTIONS, UNIT), kernels.VectorFunction, strict=True))
# erf is a + a h: without FMA, an a h below the smallest normal number is lost
ABSOLUTE = {("baseline", ERF): 1}  # an error of so many times this number counts as 0
LIMIT = {name: 2 if name in (EXP, UNIT) else 4 for name in (*FUNCTIONS, UNIT, SOFTPLUS)}


def erf_of(x):
    return np.fromiter(map(math.erf, x.tolist()), x.dtype, x.size)


def sigmoid_of(x):
    return 1 / (1 + np.exp(-x))


def softplus_of(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


NUMPY = {EXP: np.exp, LOG: np.log, LOG1P: np.log1p, TANH: np.tanh, UNIT: np.log1p}
NUMPY |= {ERF: erf_of, SIGMOID: sigmoid_of, SOFTPLUS: softplus_of}


def computed(name, x):
    """The function as the kernels compute it."""
    if name == SOFTPLUS:
        return functional.activation(x, name)
    out = np.empty_like(x)
    kernels.vector_function(KINDS[name], x, out)
    return out


class Exact:
    """Results to compare with: exact + rest, in a wider type (rest is what even that lost).

    `exact` are the results for `flushed(x)`.
    """

    def __init__(self, x, exact, rest=0):
        dtype, wide = x.dtype, exact.dtype
        largest, self.tiny = np.finfo(dtype).max, np.finfo(dtype).tiny
        self.x, self.rest, self.nan = x, rest, np.isnan(exact)
        self.top = min(
            wide.type(largest) * wide.type(1 + np.finfo(dtype).eps / 2), np.finfo(wide).max
        )
        self.exact = np.clip(exact, -self.top, self.top)
        with np.errstate(all="ignore"):
            size = np.clip(np.abs(exact).astype(dtype), self.tiny, largest)
            self.digit = np.spacing(size).astype(wide)

    def ulps(self, actual, absolute=0):
        """The largest error, and the argument where it is. absolute: see ABSOLUTE."""
        np.testing.assert_array_equal(np.isnan(actual), self.nan)
        assert not (np.abs(actual[actual != 0]) < self.tiny).any(), "a result is subnormal"
        with np.errstate(all="ignore"):
            error = np.clip(actual.astype(self.exact.dtype), -self.top, self.top)
            error -= self.exact
            error -= self.rest
            np.abs(error, out=error)
            error[actual == 0] -= self.tiny  # how far the exact result is above what becomes 0
            error -= absolute * self.tiny
            error /= self.digit
        error[self.nan] = 0
        worst = int(error.argmax())
        return float(error[worst]), float(self.x[worst])

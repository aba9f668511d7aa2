"""Errors of the elementwise functions of the kernels, in units in the last place (ULP).

A ULP is a unit in the last digit of the exact result rounded to the dtype, of a subnormal result
too. What overflows counts as the number that would come after the largest.
"""

import math

import numpy as np

from fastnn import functional, kernels

EXP, LOG, LOG1P, TANH, ERF, SIGMOID = FUNCTIONS = ("exp", "log", "log1p", "tanh", "erf", "sigmoid")
UNIT = "log1p_unit"  # log1p for 0..1 alone
SOFTPLUS = "softplus"
KINDS = dict(zip((*FUNCTIONS, UNIT), kernels.VectorFunction, strict=True))
LIMIT = {name: 2 if name in (EXP, UNIT) else 4 for name in (*FUNCTIONS, UNIT, SOFTPLUS)}


def erf_of(x):
    return np.fromiter(map(math.erf, x.tolist()), x.dtype, x.size)


def sigmoid_of(x):
    return 1 / (1 + np.exp(-x))


def softplus_of(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


NUMPY = {
    EXP: np.exp,
    LOG: np.log,
    LOG1P: np.log1p,
    TANH: np.tanh,
    ERF: erf_of,
    SIGMOID: sigmoid_of,
    UNIT: np.log1p,
    SOFTPLUS: softplus_of,
}


def computed(name, x):
    """The function as the kernels compute it."""
    if name == SOFTPLUS:
        return functional.activation(x, name)
    out = np.empty_like(x)
    kernels.vector_function(KINDS[name], x, out)
    return out


class Exact:
    """Results to compare with: exact + rest, in a wider type (rest is what even that lost)."""

    def __init__(self, x, exact, rest=0):
        dtype, wide = x.dtype, exact.dtype
        largest = np.finfo(dtype).max
        self.x, self.rest, self.nan = x, rest, np.isnan(exact)
        self.top = min(
            wide.type(largest) * wide.type(1 + np.finfo(dtype).eps / 2), np.finfo(wide).max
        )
        self.exact = np.clip(exact, -self.top, self.top)
        with np.errstate(all="ignore"):
            self.digit = np.spacing(np.minimum(np.abs(exact).astype(dtype), largest)).astype(wide)

    def ulps(self, actual):
        """The largest error, and the argument where it is."""
        np.testing.assert_array_equal(np.isnan(actual), self.nan)
        with np.errstate(all="ignore"):
            error = np.clip(actual.astype(self.exact.dtype), -self.top, self.top)
            error -= self.exact
            error -= self.rest
            error /= self.digit
            np.abs(error, out=error)
        error[self.nan] = 0
        worst = int(error.argmax())
        return float(error[worst]), float(self.x[worst])

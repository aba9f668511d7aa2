"""Compare instruction sets: those with FMA give the same bits."""

import os
from contextlib import contextmanager

import numpy as np
import pytest
from checks import assert_same_bits

from fastnn import kernels

WITH_FMA = [isa for isa in kernels.SUPPORTED if isa != "baseline"]
FORCED = os.environ.get("FASTNN_ISA")

same_bits = pytest.mark.skipif(
    len(WITH_FMA) < 2 or bool(FORCED), reason="needs two instruction sets with FMA to compare"
)


@contextmanager
def using(isa=None):
    """Run a block on an instruction set, or on those that it chooses; the one before returns."""
    before = kernels.CHOSEN
    try:
        if isa is not None:
            kernels.use(isa)
        yield
    finally:
        kernels.use(before)


def assert_same_on_every_variant(compute):
    """Check that compute() returns the same list of arrays on each instruction set with FMA."""
    results = []
    for isa in WITH_FMA:
        with using(isa):
            results.append([np.array(a) for a in compute()])
        assert_same_bits(results[-1], results[0], isa)
    assert len(results[0]) > 0

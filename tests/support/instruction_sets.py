"""Compare instruction sets: those with FMA give the same bits."""

import os

import numpy as np
import pytest
from checks import assert_same_bits

from fastnn import kernels

WITH_FMA = [isa for isa in kernels.SUPPORTED if isa != "baseline"]
FORCED = os.environ.get("FASTNN_ISA")

same_bits = pytest.mark.skipif(
    len(WITH_FMA) < 2 or bool(FORCED), reason="needs two instruction sets with FMA to compare"
)


def on_every_variant(compute):
    """What compute() returns on each instruction set with FMA: {name: list of arrays}."""
    before, results = kernels.CHOSEN, {}
    try:
        for isa in WITH_FMA:
            kernels.use(isa)
            results[isa] = [np.array(a) for a in compute()]
    finally:
        kernels.use(before)
    return results


def assert_same_on_every_variant(compute):
    results = on_every_variant(compute)
    assert len(results[WITH_FMA[0]]) > 0
    for isa in WITH_FMA[1:]:
        assert_same_bits(results[isa], results[WITH_FMA[0]], isa)

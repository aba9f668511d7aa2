"""The number of cases of long tests.

The environment variable FASTNN_TEST_SCALE multiplies it: noxfile.py sets it for the tests on demand.
"""

import os

SCALE = int(os.environ.get("FASTNN_TEST_SCALE", "1"))


def scaled(n):
    """n, or a multiple of it on demand."""
    return n * SCALE


def step(n):
    """Every n-th case is tested, or every one on demand."""
    return max(1, n // SCALE)

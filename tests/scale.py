"""The number of random cases.

The environment variable FASTNN_TEST_SCALE multiplies it: noxfile.py sets it for the sessions on
demand.
"""

import os

SCALE = int(os.environ.get("FASTNN_TEST_SCALE", "1"))


def scaled(n):
    """n, or a multiple of it on demand."""
    return n * SCALE

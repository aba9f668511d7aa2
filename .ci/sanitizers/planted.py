"""Commit one fault on purpose, which a sanitizer must report.

python planted.py LIBRARY FUNCTION     call a function of planted.c
python planted.py ISA DTYPE NUMBERS    make a kernel read past the end of an array
python planted.py trainer              lose the memory of a Trainer
"""

import ctypes
import gc
import sys

import numpy as np
from numpy.lib.stride_tricks import as_strided


def read_past_the_end(isa, dtype, numbers):
    from fastnn import functional as F
    from fastnn import kernels

    kernels.use(isa)
    X = np.ones(64, dtype)
    F.activation(as_strided(X, (1, 64 + int(numbers)), (X.nbytes, X.itemsize)), "tanh")


def lose_memory_of_a_trainer():
    """Let the memory of a Trainer forget its address, so that it is not freed."""
    from fastnn import MLP, kernels

    X = np.ones((8, 3), "f")
    trainer = kernels.Trainer(
        MLP([3, 1], rng=0), X, X[:, :1].copy(), loss=kernels.Loss.SQUARED_ERROR, batch_size=8
    )
    (memory,) = {x for x in gc.get_referents(trainer) if type(x).__name__ == "ZeroedBuffer"}
    words = (ctypes.c_size_t * (sys.getsizeof(memory) // 8)).from_address(id(memory))
    block = next(i for i, (x, y) in enumerate(zip(words, words[1:])) if 0 < x <= y < x + 64)
    words[block] = words[block + 1] = 0


if len(sys.argv) == 2:
    lose_memory_of_a_trainer()
elif len(sys.argv) == 3:
    library, function = sys.argv[1:]
    ctypes.CDLL(library)[function](ctypes.c_long(1000))
else:
    read_past_the_end(*sys.argv[1:])

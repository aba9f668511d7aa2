"""Commit one fault on purpose, which a sanitizer must report.

python planted.py LIBRARY FUNCTION     call a function of planted.c
python planted.py ISA DTYPE NUMBERS    make a kernel read past the end of an array
"""

import ctypes
import sys

import numpy as np
from numpy.lib.stride_tricks import as_strided

if len(sys.argv) == 3:
    library, function = sys.argv[1:]
    ctypes.CDLL(library)[function](ctypes.c_long(1000))
else:
    from fastnn import functional as F
    from fastnn import kernels

    isa, dtype, numbers = sys.argv[1:]
    kernels.use(isa)
    X = np.ones(64, dtype)
    F.activation(as_strided(X, (1, 64 + int(numbers)), (X.nbytes, X.itemsize)), "tanh")

"""The floating-point mode of the calling thread, to set and to read, by the C library's fenv.h.

The control word is MXCSR on x86-64 and FPCR on AArch64, where `fenv_t` holds it.
"""

import ctypes
import ctypes.util
import platform
import sys
from contextlib import contextmanager

import pytest

X86, ARM = platform.machine() in ("x86_64", "AMD64"), platform.machine() in ("aarch64", "arm64")
# the position of the control word in glibc's fenv_t, the bits that flush subnormal numbers and that
# round up, and the flags of exceptions, which any operation may set
OFFSET, FLUSH, ROUND_UP, FLAGS = (28, 0x8040, 0x4000, 0x3F) if X86 else (0, 1 << 24, 1 << 22, 0)
MODES = {"flush": FLUSH, "round up": ROUND_UP, "both": FLUSH | ROUND_UP}

needs_fenv = pytest.mark.skipif(
    not (X86 or ARM) or sys.platform != "linux" or not ctypes.util.find_library("m"),
    reason="reads the control word where the C library of Linux has it",
)


def _call(function, environment):
    getattr(ctypes.CDLL(ctypes.util.find_library("m")), function)(environment)


def mode():
    """The control word of this thread, without flags."""
    environment = ctypes.create_string_buffer(64)
    _call("fegetenv", environment)
    return ctypes.c_uint32.from_buffer(environment, OFFSET).value & ~FLAGS


def set_mode(word):
    environment = ctypes.create_string_buffer(64)
    _call("fegetenv", environment)
    ctypes.c_uint32.from_buffer(environment, OFFSET).value = word
    _call("fesetenv", environment)


@contextmanager
def in_mode(name):
    """Run a block in one of MODES, and check that it ends in that mode."""
    before = mode()
    word = before ^ MODES[name]
    set_mode(word)
    try:
        assert mode() == word
        yield word
        assert mode() == word, f"mode {word:#x} became {mode():#x}"
    finally:
        set_mode(before)

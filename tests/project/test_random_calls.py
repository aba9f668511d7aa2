"""The program that calls public names at random, for a few seeds, and what it must find."""

import subprocess
import sys

import pytest
from places import TESTS

for package in ("sklearn", "pandas", "pyarrow", "matplotlib"):
    pytest.importorskip(package)
if sys.platform != "linux":
    pytest.skip("limits of memory are those of Linux", allow_module_level=True)

FOLDER = TESTS / "on_demand"
PLANTED = """
import ctypes, inspect, sys, time
import numpy as np
import random_calls
from public_names import Name

def crash():
    ctypes.string_at(0)

def hang():
    while True:
        try:
            time.sleep(9)
        except KeyboardInterrupt:
            pass

def look_up(key):
    return {}[key]

def add(a):
    return np.ones(2) + np.ones(3)

def take_memory():
    return bytearray(1 << 31)

def print_only(path):
    class Failing:
        def __del__(self):
            raise OSError("lost")
    Failing()

functions = crash, hang, look_up, add, take_memory, print_only
names = {f.__name__: Name(f.__name__, f, None, inspect.signature(f)) for f in functions}
random_calls.public_names = lambda: names
random_calls.HANG = 1
sys.exit(random_calls.main(["--sequences", "10", "--steps", "0,1,2"]))
"""


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=600, **options
    )


def test_random_calls_neither_crash_nor_hang():
    """Errors that name no argument are for `nox -s calls`: not all are mended."""
    found = run(FOLDER / "random_calls.py", "--sequences", "3")
    assert "3 sequences, " in found.stdout, found.stderr
    assert "ended the process" not in found.stdout, found.stdout[:5000]


def test_planted_defects_are_found():
    found = run("-c", PLANTED, cwd=FOLDER)
    assert found.returncode == 1, found.stderr
    for problem in (
        "crash ended the process with exit code -11",
        "hang ended the process with exit code 1",
        "wrong: KeyError",
        "wrong: ValueError that names no argument",
        "wrong: MemoryError",
        "unraisable wrong: ",
    ):
        assert problem in found.stdout

"""Some hundred trainings and predictions give the recorded bits: see golden.py."""

import json
import os
import pathlib
import platform
import shutil
import subprocess

import golden
import processes
import pytest

GLIBC = platform.libc_ver()[0] == "glibc"  # whose pow and cos are in the record


@pytest.mark.parametrize("n_threads", [1, 2])
def test_numbers_are_those_on_record(isa, dtype, n_threads):
    recorded = json.loads(golden.FILE.read_text(encoding="utf-8"))[golden.rounding(isa)][dtype.name]
    cases = dict(golden.cases(dtype.name, n_threads))
    remedy = "record new cases: python tests/support/golden.py --write"
    assert cases.keys() == recorded.keys(), remedy
    names = [name for name in cases if GLIBC or not golden.depends_on_libm(dtype.name, name)]
    assert [name for name in names if cases[name]() != recorded[name]] == []


CHANGED = """
import json, golden
from fastnn import kernels

recorded = json.loads(golden.FILE.read_text(encoding="utf-8"))[golden.rounding(kernels.CHOSEN)]
print(json.dumps([(dtype, name) for dtype in recorded for name, run in golden.cases(dtype, 1)
                  if run() != recorded[dtype][name]]))
"""


@pytest.mark.skipif(
    not GLIBC or shutil.which("gcc") is None or "LD_PRELOAD" in os.environ,
    reason="needs glibc, gcc, and no other preloaded library",
)
def test_it_is_known_which_numbers_depend_on_the_c_library(tmp_path):
    """With functions that are one bit off, no other results change."""
    library = tmp_path / "rounded_up.so"
    source = pathlib.Path(__file__).with_name("rounded_up.c")
    command = "gcc -O1 -fno-builtin -shared -fPIC".split()
    subprocess.run([*command, source, "-o", library, "-lm", "-ldl"], check=True)
    found = processes.run(CHANGED, LD_PRELOAD=str(library))
    assert found.returncode == 0, found.stderr
    changed = json.loads(found.stdout)
    assert len(changed) > 50
    assert [case for case in changed if not golden.depends_on_libm(*case)] == []

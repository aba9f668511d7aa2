"""Freeze a program with PyInstaller, and run it on every instruction set.

    python -m pip install ".[sklearn]" pyinstaller
    python tests/on_demand/frozen_program.py

fastnn must be installed, not in a checkout: PyInstaller reads the entry point of the installed package.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

from fastnn import kernels

PROGRAM = """
from importlib import resources

import numpy as np
import fastnn
from fastnn.datasets import load_digits

X, y = load_digits()[:2]
model = fastnn.MLPClassifier((8,), max_iter=5, early_stopping=False, random_state=0)
model.set_params(tol=0, n_iter_no_change=1000).fit(X, y)
net = fastnn.MLP([3, 4, 1], rng=0, dtype="float64")
assert net.forward(np.ones((2, 3))).shape == (2, 1)
pages = resources.files("fastnn.playground"), resources.files("fastnn.web")
assert all(package.joinpath("pages").is_dir() for package in pages)
print("ran on", fastnn.kernels.CHOSEN, "with", type(model).__name__, len(model.predict(X)))
"""


def main():
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder, "program.py")
        program.write_text(PROGRAM)
        command = [sys.executable, "-m", "PyInstaller", "--log-level", "WARN", "--noconfirm"]
        subprocess.run([*command, program], cwd=folder, check=True)
        executable = pathlib.Path(folder, "dist", "program", "program")
        for isa in kernels.SUPPORTED:
            result = subprocess.run(
                [executable],
                env={**os.environ, "FASTNN_ISA": isa, "PYTHONWARNINGS": "ignore"},
                capture_output=True,
                text=True,
            )
            print(result.stdout + result.stderr, end="")
            assert result.returncode == 0 and f"ran on {isa} " in result.stdout, isa


if __name__ == "__main__":
    main()

"""One row through the C-level API beside hand-written C, and the policy of examples/policy.

    python bench/c_api.py           takes about a minute, half of it to compile
    python bench/c_api.py --rounds 3

Nanoseconds for one row on one thread, in a loop without Python. "C by hand" (c_api/fused.h) is
written for these sizes and compiled with -O3 -march=native -ffast-math. It adds in another order,
with several sums for each output, which fastnn does not do: a row gets the same bits in every
batch. Both read the same weights, and the outputs are compared.

The last rows are the steps of examples/policy: the network, the physics and the random numbers.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import measure
import numpy as np
from measure import interleave, seconds, table_row

import fastnn

HERE = Path(__file__).parent
SETUP = """
from Cython.Build import cythonize
from setuptools import Extension, setup
flags = ["-O3", "-march=native", "-ffast-math"]
names = ["rows", "policy"]
setup(ext_modules=cythonize([Extension(n, [f"{n}.pyx"], extra_compile_args=flags) for n in names]))
"""
SIZES = (30, 32, 1), (30, 64, 64, 1)
WIDTHS = 24, 9, 11, 7
BLOCK = 5000  # rows


def build(folder):
    """Compile the extensions in a folder and import them."""
    for path in (*(HERE / "c_api").iterdir(), HERE.parent / "examples" / "policy" / "policy.pyx"):
        if path.is_file():
            shutil.copy(path, folder)
    (folder / "setup.py").write_text(SETUP)
    command = [sys.executable, "setup.py", "build_ext", "--inplace", "-j", "2"]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if built.returncode != 0:
        sys.exit(f"The extensions cannot be compiled:\n{built.stderr}")
    sys.path.insert(0, str(folder))
    import policy
    import rows

    return rows, policy


def aligned(array):
    """Return a copy that begins at a multiple of 64 bytes."""
    memory = np.empty(array.size + 16, array.dtype)
    start = -memory.ctypes.data // 4 % 16
    copy = memory[start : start + array.size].reshape(array.shape)
    copy[...] = array
    return copy


def main():
    parser = measure.make_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="blocks of 5000 rows (default 200)")
    rounds = parser.parse_args().rounds
    measure.limit_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        report(*build(Path(folder)), rounds)


def figures(ns, by_hand):
    return f"{ns:.0f}", f"{by_hand:.0f}", f"{ns / by_hand:.2f}"


def report(rows, policy, rounds):
    print(table_row(WIDTHS, "", "fastnn", "C by hand", "ratio"))
    for sizes in SIZES:
        net = fastnn.MLP(sizes, rng=0)
        net.params += 0.01  # biases, too
        parameters = [list(map(aligned, arrays)) for arrays in (net.weights, net.biases)]

        def run(fused, parameters=parameters):
            return rows.run(*parameters, np.linspace(-1, 1, 30, dtype="float32"), BLOCK, fused)

        np.testing.assert_allclose(run(False), run(True), rtol=1e-4)
        jobs = {fused: lambda fused=fused, run=run: seconds(run, fused) for fused in (False, True)}
        ours, by_hand = (1e9 * t / BLOCK for t in interleave(jobs, rounds).values())
        name = "one row, " + "-".join(map(str, sizes))
        print(table_row(WIDTHS, name, *figures(ours, by_hand)))

    controlled = policy.Policy(*parameters)
    state = np.zeros(30, "float32")
    jobs = {
        each: lambda each=each: seconds(policy.roll_out, each, state, BLOCK)
        for each in (controlled, None)
    }
    step, physics = (1e9 * t / BLOCK for t in interleave(jobs, rounds).values())
    for name, ns in {"policy, a step": step, "of it the network": step - physics}.items():
        print(table_row(WIDTHS, name, *figures(ns, by_hand)))


if __name__ == "__main__":
    main()

"""Compile the C code for other systems with the cross compiler of the package ziglang.

    python setup.py build_ext --inplace     generates the C code
    python -m pip install ziglang
    python tests/on_demand/compile_elsewhere.py             all targets
    python tests/on_demand/compile_elsewhere.py windows     those whose names contain this

Only the front end of the compiler runs: it finds missing headers and functions, wrong types, and
instructions that a target does not have. Nothing is linked or run. Python's headers are those of this
machine, so what depends on its configuration is not checked.
"""

import itertools
import pathlib
import subprocess
import sys
import sysconfig
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
TARGETS = [
    f"{architecture}-{system}"
    for system in ("linux-gnu", "linux-musl", "macos", "windows-gnu")
    for architecture in ("x86_64", "aarch64")
]
X86 = {"baseline": [], "avx2": ["-mavx2", "-mfma"], "avx512": ["-mavx512f", "-mavx512dq", "-mfma"]}
# The sources of all variants are equal: `baseline` compiles to NEON for AArch64.
VARIANT = ROOT / "build/src/variants/baseline_float32.c"
BINDING = ROOT / "build/src/binding/kernels.c"


def compilations():
    """Yield (name, options and source) of every compilation."""
    for target in TARGETS:
        yield f"{target}: binding", ["-target", target, '-DFASTNN_BUILT="x"', BINDING]
        sets = X86 if target.startswith("x86_64") else {"neon": []}
        dtypes = {"float32": [], "float64": ["-DFASTNN_DOUBLE"]}
        for (isa, flags), (dtype, macros) in itertools.product(sets.items(), dtypes.items()):
            yield f"{target}: {isa} {dtype}", ["-target", target, *flags, *macros, VARIANT]


def main():
    if not VARIANT.exists() or not BINDING.exists():
        sys.exit("The C code is missing. Run: python setup.py build_ext --inplace")
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        # Python's headers for this machine include it, and Windows does not have it.
        pathlib.Path(folder, "sys").mkdir()
        pathlib.Path(folder, "sys", "select.h").touch()
        command = [
            *(sys.executable, "-m", "ziglang", "cc", "-S", "-emit-llvm"),
            *("-Xclang", "-disable-llvm-passes", "-o", f"{folder}/output.ll"),
            *("-Wall", "-Werror", "-Wno-unused-function", "-Wno-unused-command-line-argument"),
            # in Cython's code for ints: Python's headers for this machine have a long of 8 bytes
            *("-Wno-absolute-value", "-Wno-shift-count-overflow"),
            *('-DFASTNN_BUILD="x"', '-DFASTNN_ISA_NAME="x"'),
            "-DCYTHON_INLINE=inline __attribute__((always_inline))",
            *("-I", ROOT / "src", "-I", sysconfig.get_path("include"), "-idirafter", folder),
        ]
        for name, options in compilations():
            if not all(word in name for word in sys.argv[1:]):
                continue
            result = subprocess.run([*command, *options], capture_output=True, text=True)
            failures += result.returncode != 0
            print(f"{'ok' if result.returncode == 0 else 'FAILED':8}{name}", flush=True)
            print(result.stderr, end="")
    sys.exit(f"{failures} compilations failed" if failures else 0)


if __name__ == "__main__":
    main()

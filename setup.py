"""The extension modules and their compiler flags. pyproject.toml has all other metadata.

Every variant compiles the same source, src/variant.pxi, for one instruction set and one dtype.
The environment variable FASTNN_CFLAGS adds flags to all extensions, for example -g or sanitizers.
Do not add flags that relax floating-point arithmetic: results are reproducible to the bit.
"""

import glob
import hashlib
import os
import platform

from Cython.Build import cythonize
from setuptools import Extension, setup

CFLAGS = [
    "-O3",
    "-g0",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    *os.environ.get("FASTNN_CFLAGS", "").split(),
]

# Inline functions must be inlined whatever their length, so that the compiler specializes them for
# the constants of each call.
INLINE = "inline __attribute__((always_inline))"

SOURCES = [
    "setup.py",
    "fastnn/kernels.pxd",
    *sorted(path for path in glob.glob("src/**", recursive=True) if os.path.isfile(path)),
]
VARIANT_SOURCES = [path for path in SOURCES if not path.startswith(os.path.join("src", "binding"))]

# compiler flags of the instruction sets of each architecture, the baseline first
INSTRUCTION_SETS = {
    "x86_64": {
        "baseline": [],
        "avx2": ["-mavx2", "-mfma"],
        "avx512": ["-mavx512f", "-mavx512dq", "-mfma"],
    },
    "aarch64": {"neon": []},
}
architecture = {"amd64": "x86_64", "arm64": "aarch64"}.get(
    platform.machine().lower(), platform.machine().lower()
)
variants = INSTRUCTION_SETS.get(architecture, {"baseline": []})


def build_hash():
    """Return a hash of the variants' flags and sources.

    `kernels` refuses to load a variant that was built with another hash.
    """
    digest = hashlib.sha256(repr([CFLAGS, variants]).encode())
    for path in VARIANT_SOURCES:
        with open(path, "rb") as file:
            digest.update(path.encode() + b"\0" + file.read() + b"\0")
    return digest.hexdigest()[:16]


BUILD = f'"{build_hash()}"'


def extension(name, source, flags=(), **macros):
    return Extension(
        f"fastnn.{name}",
        [f"src/{source}"],
        include_dirs=["src"],
        depends=SOURCES if name == "kernels" else VARIANT_SOURCES,
        extra_compile_args=[*CFLAGS, *flags],
        extra_link_args=os.environ.get("FASTNN_CFLAGS", "").split(),
        define_macros=[("FASTNN_BUILD", BUILD), *macros.items()],
    )


extensions = [extension("kernels", "binding/kernels.pyx", FASTNN_BUILT=f'"{" ".join(variants)}"')]
for isa, flags in variants.items():
    for dtype, macros in {"float32": {}, "float64": {"FASTNN_DOUBLE": "1"}}.items():
        macros |= {"FASTNN_ISA_NAME": f'"{isa}"', "CYTHON_INLINE": INLINE}
        extensions.append(
            extension(f"_{isa}_{dtype}", f"variants/{isa}_{dtype}.pyx", flags, **macros)
        )

# Cython does not detect that kernels.pyx depends on fastnn/kernels.pxd, which is in another folder.
# Removing kernels.c makes Cython generate it again.
BINDING, DECLARATIONS = "build/src/binding/kernels.c", "fastnn/kernels.pxd"
if os.path.exists(BINDING) and os.path.getmtime(BINDING) < os.path.getmtime(DECLARATIONS):
    os.remove(BINDING)

setup(
    ext_modules=cythonize(
        extensions,
        build_dir="build",
        nthreads=os.cpu_count(),
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "auto_pickle": False,
            "autotestdict": False,
        },
    ),
    options={"build_ext": {"parallel": os.cpu_count()}},
)

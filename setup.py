"""Which extensions there are and how each is compiled; everything else about the project stands in
pyproject.toml.

Every variant is the same source, src/variant.pxi, compiled for one instruction set and one dtype.
`FASTNN_CFLAGS` adds flags for all (sanitizers, -g); none may relax the arithmetic: results are
promised to the bit.
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

# What a kernel file calls inline is meant so: it is compiled once for each set of constants that it
# is called with, whatever its length.
INLINE = "inline __attribute__((always_inline))"

SOURCES = [
    "setup.py",
    "fastnn/kernels.pxd",
    *sorted(path for path in glob.glob("src/**", recursive=True) if os.path.isfile(path)),
]
VARIANT_SOURCES = [path for path in SOURCES if not path.startswith(os.path.join("src", "binding"))]

INSTRUCTION_SETS = {  # name -> flags, for this machine's architecture, the baseline first
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
    """A hash of the flags and of the sources of the variants. `kernels` refuses a variant that was
    built with another."""
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

# Cython does not see that this file depends on fastnn/kernels.pxd, which lies in another folder.
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

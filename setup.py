"""The extension modules and their compiler flags. pyproject.toml has all other metadata.

Every variant compiles the same source, src/variant.pxi, for one instruction set and one dtype.
The environment variable FASTNN_CFLAGS adds flags to all extensions, for example -g or sanitizers.
Do not add flags that relax floating-point arithmetic: results are reproducible to the bit.

FASTNN_BUILD_ISA="baseline avx2" builds these instruction sets only, which takes less time.

FASTNN_LIMITED_API=1 builds for Python's stable ABI: the Python that builds and all later versions
load the result (abi3). Builds for one version predict one row faster (docs/decisions/0031).
"""

import glob
import hashlib
import os
import platform
import sys
import sysconfig
import tempfile
from itertools import compress

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

# pip compares requires-python late: first it tries older and older versions of the dependencies
if sys.version_info < (3, 11):  # noqa: UP036
    raise SystemExit(
        f"fastnn needs Python 3.11 or newer, but this is Python {platform.python_version()}. "
        "Create the virtual environment with a newer Python."
    )

LIMITED_API = os.environ.get("FASTNN_LIMITED_API") == "1"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

# linux-x86_64, macosx-11.0-arm64, win-amd64: that of the target, where it is not this machine
PLATFORM = sysconfig.get_platform()
if PLATFORM.endswith("-universal2"):  # Pythons for both kinds of Macs: build for this one
    PLATFORM = PLATFORM.replace("universal2", platform.machine())
    os.environ["_PYTHON_HOST_PLATFORM"] = PLATFORM
    os.environ["ARCHFLAGS"] = f"-arch {platform.machine()}"
WINDOWS = PLATFORM.startswith("win")

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
    *sorted(
        path
        for path in glob.glob("src/**", recursive=True)
        if path.endswith((".h", ".pxi", ".pyx"))  # operations.py generates parts of these
    ),
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
architecture = PLATFORM.rpartition("-")[2]
architecture = {"amd64": "x86_64", "arm64": "aarch64"}.get(architecture, architecture)
variants = INSTRUCTION_SETS.get(architecture, {"baseline": []})
if "FASTNN_BUILD_ISA" in os.environ:
    variants = {name: variants[name] for name in os.environ["FASTNN_BUILD_ISA"].split()}


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


def compiler_flags(flags):
    """Return gcc's flags as clang-cl, the compiler on Windows, takes them."""
    if not WINDOWS:
        return flags
    return [f"--target={architecture}-pc-windows-msvc", *(f"/clang:{flag}" for flag in flags)]


PACKAGES = {  # command: (packages of the compiler, package of Python's headers)
    "Debian, Ubuntu: apt install": ("gcc libc6-dev", f"python{PYTHON}-dev"),
    "Fedora, RHEL:   dnf install": ("gcc", f"python{PYTHON}-devel"),
}


class BuildExtensions(build_ext):
    """Says what to install if there is no C compiler, or Python's headers are missing.

    On Windows, compile with clang-cl: cl has neither C11 atomics nor gcc's assembly.
    """

    def build_extensions(self):
        if WINDOWS:
            self.compiler.initialize()  # finds the SDK and the linker
            self.compiler.cc = "clang-cl"
        if not self.compiles("Python.h"):
            self.raise_what_is_missing()
        for each, generated in zip(self.extensions, generate(self.extensions), strict=True):
            each.sources = generated.sources  # here, since other commands, such as sdist, need no C
        super().build_extensions()

    def compiles(self, header):
        """Return whether the compiler accepts a file that includes a header."""
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "source.c")
            with open(source, "w") as file:
                file.write(f"#include <{header}>\n")
            try:
                self.compiler.compile([source], folder)
            except (CompileError, OSError):
                return False
        return True

    def raise_what_is_missing(self):
        """Raise an error if the compiler does not work, or Python's headers are not there."""
        command = self.compiler.cc if WINDOWS else self.compiler.compiler_so[0]
        headers = any(os.path.exists(os.path.join(x, "Python.h")) for x in self.include_dirs)
        missing = [not self.compiles("stdlib.h"), not headers]  # in the order of PACKAGES
        if not any(missing):
            return  # the compiler's error says what else is wrong
        reasons = [
            f"a C compiler (`{command}` is not installed, or finds no C library)",
            f"the headers of Python {PYTHON} (Python.h was not found)",
        ]
        message = [
            f"fastnn is compiled from C. This needs {' and '.join(compress(reasons, missing))}.",
            "Install what is missing, and run the same command again:",
            *(" ".join(["   ", x, *compress(PACKAGES[x], missing)]) for x in PACKAGES),
        ]
        if missing[0]:
            message += [
                "    macOS:          xcode-select --install",
                "To build with another compiler, set the variable CC, for example to clang.",
            ]
        raise CompileError("\n".join(message))


def extension(name, source, flags=(), **macros):
    if LIMITED_API:
        macros["Py_LIMITED_API"] = f"0x{sys.version_info.major:02x}{sys.version_info.minor:02x}0000"
    return Extension(
        f"fastnn.{name}",
        [f"src/{source}"],
        include_dirs=["src"],
        depends=SOURCES if name == "kernels" else VARIANT_SOURCES,
        extra_compile_args=compiler_flags([*CFLAGS, *flags]),
        extra_link_args=os.environ.get("FASTNN_CFLAGS", "").split(),
        define_macros=[("FASTNN_BUILD", BUILD), *macros.items()],
        py_limited_api=LIMITED_API,
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


def generate(extensions):
    """Return the extensions with C code generated by Cython as their sources."""
    return cythonize(
        extensions,
        build_dir="build",
        nthreads=os.cpu_count(),
        compiler_directives={
            "language_level": 3,
            "nonecheck": True,  # of objects; kernels use pointers
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "auto_pickle": False,
            "autotestdict": False,
            "freethreading_compatible": True,  # src/binding/kernels.pyx says why
        },
    )


if __name__ == "__main__":  # not in the processes of cythonize, which may import this file
    setup(
        cmdclass={"build_ext": BuildExtensions},
        ext_modules=extensions,
        options={
            "build_ext": {"parallel": os.cpu_count()},
            "bdist_wheel": {
                "py_limited_api": "cp" + PYTHON.replace(".", "") if LIMITED_API else False
            },
        },
    )

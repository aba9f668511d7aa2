"""The version, and the configuration of this build."""

from __future__ import annotations

import platform
import sys

import numpy as np

from . import kernels

__version__ = "0.1.0"

# optional packages: those of the extras, and those whose arrays and tables fastnn takes
PACKAGES = (
    *("scikit-learn", "scipy", "pandas", "polars", "pyarrow", "duckdb", "dask", "distributed"),
    *("mpi4py", "onnx", "onnxruntime", "torch", "matplotlib", "rich"),
    *("jinja2", "starlette", "uvicorn"),
)


def show_config() -> None:
    """Print what a bug report should say: version, instruction sets, compiler, Python and packages.

    The packages are NumPy and the optional ones that are installed. They are not imported.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.show_config()  # doctest: +ELLIPSIS
    fastnn ...
    """
    lines = {
        f"fastnn {__version__}": "",
        "instruction sets built": ", ".join(kernels.BUILT),
        "supported by this CPU": ", ".join(kernels.SUPPORTED),
        "in use": f"{kernels.CHOSEN} (set FASTNN_ISA to force another)",
        "compiler": kernels.COMPILER,
        "python": f"{sys.version.split()[0]} on {platform.system()} {platform.machine()}",
        "numpy": np.__version__,
        **{name: installed_version(name) for name in PACKAGES},
    }
    for name, value in lines.items():
        if value is not None:
            print(f"{name}{':' if value else ''} {value}".rstrip())


def build() -> dict[str, str]:
    """Return what processes must have in common, so that networks get the same bits.

    AVX2, AVX-512 and NEON give the same bits.
    """
    fma = "without FMA" if kernels.CHOSEN == "baseline" else "with FMA"
    return {"version of fastnn": __version__, "instruction set": fma}


def installed_version(name: str) -> str | None:
    """Return the version of an installed package, or None. It is not imported."""
    from importlib import metadata  # which `import fastnn` need not load

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None

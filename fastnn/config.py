"""The version, and the configuration of this build."""

from __future__ import annotations

import platform
import sys

import numpy as np

from . import kernels

__version__ = "0.1.0"


def show_config() -> None:
    """Print the version, the instruction sets, the compiler, and the versions of Python and NumPy.

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
    }
    for name, value in lines.items():
        print(f"{name}{':' if value else ''} {value}".rstrip())

"""Version, and what this build is made of and has chosen."""

import platform
import sys

import numpy as np

from . import kernels

__version__ = "0.1.0"


def show_config():
    """Print version, instruction sets (built, supported, chosen), compiler, Python and NumPy.

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
        "chosen": f"{kernels.CHOSEN} (FASTNN_ISA forces another)",
        "compiler": kernels.COMPILER,
        "python": f"{sys.version.split()[0]} on {platform.system()} {platform.machine()}",
        "numpy": np.__version__,
    }
    for name, value in lines.items():
        print(f"{name}{':' if value else ''} {value}".rstrip())

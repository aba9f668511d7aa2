"""The style of the plots, their colours and axes, and the names of picture files."""

from __future__ import annotations

import argparse
import importlib.util
from typing import TYPE_CHECKING

from ..core.messages import printable

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
#: Of classes, in their order.
CLASS_COLORS = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9", GREY, "#000000")

_NEEDS_MATPLOTLIB = "plots need matplotlib. Run: pip install matplotlib"

_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#999999",
    "axes.labelcolor": "#333333",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.titlesize": 11,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.hspace": 0.06,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.constrained_layout.wspace": 0.06,
    "font.size": 10,
    "image.cmap": "gray_r",
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.8,
    "savefig.dpi": 200,
    "text.color": "#222222",
    "xtick.color": "#999999",
    "xtick.labelcolor": "#444444",
    "ytick.color": "#999999",
    "ytick.labelcolor": "#444444",
}


def style() -> AbstractContextManager[None]:
    """Return a context manager that sets the matplotlib style of fastnn's examples.

    Font sizes are chosen for figures 8 inches wide that are shown at 800 pixels.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from fastnn import plotting
    >>> with plotting.style():
    ...     figure, ax = plt.subplots(figsize=(8, 4))
    """
    plt = _pyplot()
    return plt.rc_context(
        {**_STYLE, "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, GREY])}
    )


def picture_file(name: str) -> str:
    """Check the name of an image file: an argparse ``type`` for options such as ``--plot FILE``.

    The program fails before training starts if matplotlib or a known file extension is missing.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
        `name`, unchanged.

    Raises
    ------
    argparse.ArgumentTypeError
        matplotlib is not installed, or the extension is not .png, .svg or .pdf.

    Examples
    --------
    >>> from fastnn.plotting import picture_file
    >>> picture_file("net.png")
    'net.png'
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise argparse.ArgumentTypeError(_NEEDS_MATPLOTLIB)
    extension = name.rpartition(".")[2].lower()
    if extension not in ("png", "svg", "pdf"):
        raise argparse.ArgumentTypeError(
            f"the file name must end in .png, .svg or .pdf, got {name!r}"
        )
    return name


def check_axes(ax):
    """Return `ax`, or the current axes of matplotlib if it is None."""
    plt = _pyplot()
    if ax is None:
        return plt.gca()
    if not isinstance(ax, plt.Axes):
        raise TypeError(
            f"ax must be a matplotlib Axes, got {type(ax).__name__}. Pass one of those that "
            "plt.subplots() returns, or None."
        )
    return ax


def check_sklearn():
    """Raise ImportError if scikit-learn is not installed."""
    if importlib.util.find_spec("sklearn") is None:
        raise ImportError("this plot needs scikit-learn. Run: pip install scikit-learn")


def plain(label):
    """Return a class or a column as text for a plot: of limited length, and without formulas.

    matplotlib reads text between dollar signs as a formula, and hides labels that start with "_".
    """
    if isinstance(label, float) and label.is_integer():  # a class of a network
        label = int(label)
    text = printable(label, 24).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def _pyplot():
    try:
        import matplotlib.pyplot as plt
    except ModuleNotFoundError as error:
        raise ImportError(_NEEDS_MATPLOTLIB) from error
    return plt

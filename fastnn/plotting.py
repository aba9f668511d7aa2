"""Plot networks and training histories with matplotlib (extra `plot`).

    with plotting.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.5))
        plot_history(history, left)
        plot_decision(net, X, y, right)
        figure.savefig("net.png")

Each function draws into `ax`, by default the current axes of matplotlib, and returns it. The
colours are from the colour-blind safe palette of Okabe and Ito. matplotlib is imported on first
use.
"""

import argparse
import importlib.util

import numpy as np

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "picture_file",
    "plot_decision",
    "plot_history",
    "plot_images",
    "style",
]

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"

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


def style():
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


def picture_file(name):
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


def plot_history(history, ax=None):
    """Plot the training loss of each epoch and, if there is one, the validation loss.

    Parameters
    ----------
    history : History
        The return value of `fit`.
    ax : matplotlib Axes, default None
        None is the current axes.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> from fastnn.plotting import plot_history
    >>> history = fastnn.MLP([3, 4, 1], rng=0).fit(np.eye(3), np.arange(3), epochs=20)
    >>> plot_history(history).get_xlabel()
    'epoch'
    """
    ax = ax or _pyplot().gca()
    for losses, label, color in (
        (history.loss, "training", BLUE),
        (history.val_loss, "held out", ORANGE),
    ):
        if losses:
            ax.plot(range(1, len(losses) + 1), losses, color=color, label=label)
    ax.set(xlabel="epoch", ylabel="loss")
    if history.val_loss:
        ax.legend()
    return ax


def plot_decision(net, X, y, ax=None):
    """Plot the outputs, the decision boundary and the rows of a binary classifier with two inputs.

    Parameters
    ----------
    net : MLP
        A network with two inputs and one sigmoid output.
    X : array_like (n, 2)
        Rows to plot.
    y : array_like (n,)
        Their classes: 0 (blue dots) or 1 (orange triangles).
    ax : matplotlib Axes, default None
        None is the current axes.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import fastnn
    >>> from fastnn.plotting import plot_decision
    >>> net = fastnn.MLP([2, 8, 1], output="sigmoid", rng=0)
    >>> ax = plot_decision(net, [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0])
    """
    if (net.layer_sizes[0], net.layer_sizes[-1], net.activations[-1]) != (2, 1, "sigmoid"):
        raise ValueError(
            f"plot_decision needs a network with two inputs and one sigmoid output, got {net}"
        )
    from matplotlib.colors import LinearSegmentedColormap

    ax = ax or _pyplot().gca()
    X, y = np.asarray(X, float), np.ravel(y)
    low, high = X.min(axis=0), X.max(axis=0)
    margin = 0.12 * (high - low).max() + 1e-9
    xs, ys = (np.linspace(a - margin, b + margin, 201) for a, b in zip(low, high))
    points = np.stack(np.meshgrid(xs, ys), axis=-1)
    probability = net.forward(points.reshape(-1, 2)).reshape(points.shape[:2])
    cmap = LinearSegmentedColormap.from_list("blue to orange", ["#8FBFDD", "#FFFFFF", "#F0B48C"])
    ax.contourf(xs, ys, probability, np.linspace(0, 1, 21), cmap=cmap, vmin=0, vmax=1)
    if probability.min() < 0.5 < probability.max():
        ax.contour(xs, ys, probability, [0.5], colors="#333333", linewidths=1.2)
    for mask, color, marker in (y < 0.5, BLUE, "o"), (y >= 0.5, ORANGE, "^"):
        ax.scatter(*X[mask].T, s=8, c=color, marker=marker, linewidths=0.2, edgecolors="white")
    ax.set(xlim=xs[[0, -1]], ylim=ys[[0, -1]], aspect="equal")
    return ax


def plot_images(images, ax=None, titles=None, columns=None, signed=False):
    """Plot images, or the weights of units as images, in a grid.

    Parameters
    ----------
    images : array_like (n, height, width) or (n, height, width, 3)
        Grey levels (high values are dark), or colours from 0 to 1.
    ax : matplotlib Axes, default None
        None is the current axes.
    titles : sequence of str, default None
        Title above each image.
    columns : int, default None
        Number of images in a row. None puts all images in one row.
    signed : bool, default False
        Whether to show 0 as white, negative values as blue and positive values as orange, for
        weights. Each image has its own scale.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from fastnn.datasets import load_digits
    >>> from fastnn.plotting import plot_images
    >>> X, digits = load_digits()
    >>> images, titles = X[:10].reshape(-1, 8, 8), [f"digit {digit}" for digit in digits[:10]]
    >>> ax = plot_images(images, titles=titles, columns=5)
    """
    ax = ax or _pyplot().gca()
    images = np.asarray(images, float)
    if signed:
        images = _diverging_colors(images)
    height, width = images.shape[1:3]
    columns = columns or len(images)
    title_height = 0.24 * height * (titles is not None)
    step_x, step_y = 1.12 * width, 1.12 * height + title_height
    for i, image in enumerate(images):
        x, y = i % columns * step_x, i // columns * step_y
        ax.imshow(
            image,
            extent=(x, x + width, y + height, y),
            vmin=0,
            vmax=1 if images.ndim == 4 else images.max() or 1,
        )
        ax.add_patch(
            _pyplot().Rectangle(
                (x, y), width, height, fill=False, edgecolor="#CCCCCC", linewidth=0.6
            )
        )
        if titles is not None:
            ax.text(
                x + width / 2, y - 0.07 * height, titles[i], ha="center", va="bottom", fontsize=9
            )
    rows = -(-len(images) // columns)
    ax.set_xlim(-0.02 * width, min(columns, len(images)) * step_x - 0.10 * width)
    ax.set_ylim(rows * step_y - 0.10 * height - title_height, -0.02 * height - title_height)
    ax.axis("off")
    return ax


def _diverging_colors(images):
    """Return the RGB colours of values: white for 0, blue for negative, orange for positive."""
    scale = np.abs(images).max(axis=(1, 2), keepdims=True)
    strength = (np.abs(images) / np.where(scale, scale, 1))[..., None]
    color = np.where(images[..., None] < 0, _rgb(BLUE), _rgb(ORANGE))
    return 1 - strength * (1 - color)


def _rgb(color):
    """Return '#RRGGBB' as three numbers from 0 to 1."""
    return np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def _pyplot():
    try:
        import matplotlib.pyplot as plt
    except ModuleNotFoundError as error:
        raise ImportError(_NEEDS_MATPLOTLIB) from error
    return plt

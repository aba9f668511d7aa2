"""Plots of images, and of weights as images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.validation import check_array, check_count, check_flag, check_list
from ..network import Network
from .prediction_checks import last_step
from .theme import BLUE, ORANGE, check_axes, plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

MAX_NAMES = 30  # of inputs or units


def plot_weights(
    model: Any,
    ax: Axes | None = None,
    *,
    shape: tuple[int, int] | None = None,
    units: Sequence[int] | None = None,
    columns: int | None = None,
) -> Axes:
    """Plot the weights of the first layer.

    White is 0, blue negative and orange positive.

    Parameters
    ----------
    model : MLP, MLPClassifier or MLPRegressor
        A network, or a fitted estimator with one network. A pipeline stands for its last step.
    ax : matplotlib Axes, default None
        None is the current axes.
    shape : (int, int), optional
        Height and width of the images that are the inputs: each unit becomes an image of its
        weights, with its own scale. By default W (n_in, n_out) is plotted as it is, with a row
        for each input and a column for each unit.
    units : sequence of int, optional
        Which units to plot, by default all.
    columns : int, optional
        Number of images in a row. By default, the grid is about as wide as high.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        `shape` does not have as many pixels as the network has inputs, or a unit does not exist.
        Or the estimator is not fitted, or has several networks.

    Examples
    --------
    >>> import fastnn
    >>> from fastnn.datasets import load_digits
    >>> from fastnn.plotting import plot_weights
    >>> X, digits = load_digits()
    >>> net = fastnn.MLP([64, 16, 10], output="softmax", rng=0)
    >>> history = net.fit(X, digits, epochs=5)
    >>> ax = plot_weights(net, shape=(8, 8))
    >>> len(ax.images)
    16
    """
    net, names = _network_of(model)
    ax = check_axes(ax)
    n_in, n_out = net.weights[0].shape
    units = (
        list(range(n_out))
        if units is None
        else [check_count("units", i, 0) for i in check_list("units", units)]
    )
    if not units or max(units) >= n_out:
        raise ValueError(f"units must list numbers from 0 to {n_out - 1}, got {units}")
    W = net.weights[0][:, units]
    if shape is None:
        if columns is not None:
            raise ValueError("columns needs shape, the height and width of the images")
        return _plot_matrix(W, ax, units, names)
    height, width = (check_count("shape", size) for size in check_list("shape", shape))
    if height * width != n_in:
        raise ValueError(
            f"shape {height, width} has {height * width} pixels, but the network has {n_in} inputs"
        )
    columns = columns or int(np.ceil(np.sqrt(len(units))))
    return plot_images(W.T.reshape(-1, height, width), ax, columns=columns, signed=True)


def _network_of(model):
    """Return the network of a model, and the names of its inputs or None."""
    estimator = last_step("model", model)
    if isinstance(estimator, Network):
        return estimator, None
    if not hasattr(estimator, "network_") and not hasattr(type(estimator), "network_"):
        raise TypeError(
            "model must be an MLP, or a fitted MLPClassifier or MLPRegressor, got "
            f"{type(estimator).__name__}"
        )
    try:
        return estimator.network_, getattr(estimator, "feature_names_in_", None)
    except AttributeError as error:  # it is not fitted, or an ensemble
        raise ValueError(f"model must have one network: {error}") from None


def _plot_matrix(W, ax, units, names):
    from matplotlib.colors import LinearSegmentedColormap

    most = np.abs(W).max() or 1.0
    cmap = LinearSegmentedColormap.from_list("blue to orange", [BLUE, "#FFFFFF", ORANGE])
    image = ax.imshow(W, cmap=cmap, vmin=-most, vmax=most, aspect="auto", interpolation="nearest")
    ax.figure.colorbar(image, ax=ax, label="weight")
    ax.set(xlabel="unit", ylabel="input")
    ax.spines[:].set_visible(True)
    if len(units) <= MAX_NAMES or units != list(range(len(units))):
        ax.set_xticks(range(len(units)), units)
    if names is not None and len(names) == len(W) <= MAX_NAMES:
        ax.set_yticks(range(len(W)), [plain(name) for name in names])
        ax.set_ylabel("")
    return ax


def plot_images(
    images: ArrayLike,
    ax: Axes | None = None,
    titles: Sequence[str] | None = None,
    columns: int | None = None,
    signed: bool = False,
) -> Axes:
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
    from matplotlib.patches import Rectangle

    ax, signed = check_axes(ax), check_flag("signed", signed)
    pixels = _check_images(images, signed)
    if signed:
        pixels = _diverging_colors(pixels)
    height, width = pixels.shape[1:3]
    columns = len(pixels) if columns is None else check_count("columns", columns)
    if titles is not None and len(titles := check_list("titles", titles)) < len(pixels):
        raise ValueError(f"titles has {len(titles)} texts, but images has {len(pixels)} images")
    title_height = 0.24 * height * (titles is not None)
    step_x, step_y = 1.12 * width, 1.12 * height + title_height
    for i, image in enumerate(pixels):
        x, y = i % columns * step_x, i // columns * step_y
        ax.imshow(
            image,
            extent=(x, x + width, y + height, y),
            vmin=0,
            vmax=1 if pixels.ndim == 4 else pixels.max() or 1,
        )
        ax.add_patch(
            Rectangle((x, y), width, height, fill=False, edgecolor="#CCCCCC", linewidth=0.6)
        )
        if titles is not None:
            ax.text(
                x + width / 2, y - 0.07 * height, titles[i], ha="center", va="bottom", fontsize=9
            )
    rows = -(-len(pixels) // columns)
    ax.set_xlim(-0.02 * width, min(columns, len(pixels)) * step_x - 0.10 * width)
    ax.set_ylim(rows * step_y - 0.10 * height - title_height, -0.02 * height - title_height)
    ax.axis("off")
    return ax


def _diverging_colors(images):
    """Return the RGB colours of values: white for 0, blue for negative, orange for positive."""
    from matplotlib.colors import to_rgb

    scale = np.abs(images).max(axis=(1, 2), keepdims=True)
    strength = (np.abs(images) / np.where(scale, scale, 1))[..., None]
    color = np.where(images[..., None] < 0, to_rgb(BLUE), to_rgb(ORANGE))
    return 1 - strength * (1 - color)


def _check_images(images, signed):
    images = check_array("images", images, np.dtype(float))
    if images.ndim != 3 and (signed or images.ndim != 4 or images.shape[-1] != 3):
        colors = "" if signed else " or (n, height, width, 3)"
        raise ValueError(
            f"images must have shape (n, height, width){colors}, got {images.shape}. For one image "
            "pass image[None]."
        )
    if not images.size:
        raise ValueError(f"images has shape {images.shape}. Pass at least one image.")
    return images

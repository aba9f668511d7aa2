"""The picture of `fastnn train --plot`: how the networks learned, and what the model predicts."""

import textwrap

import numpy as np

from .. import plotting
from ..tables.errors import printable
from .report import short_path

MAX_CLASSES = 20  # of a confusion matrix
MAX_IMPORTANT = 10
MAX_POINTS = 5000


def save(path, model, record, y, P):
    """Save the picture of a training to a file.

    Parameters
    ----------
    path : str
        A .png, .svg or .pdf file.
    model : TabularClassifier or TabularRegressor
        Fitted in this process: its networks still have their histories.
    record : dict
        Training record.
    y, P : ndarray
        Class numbers or numbers of the rows that were held out, and the predictions for them.
    """
    from matplotlib.figure import Figure

    with plotting.style():
        figure = Figure(figsize=(9, 7.5))
        (curves, result), (details, columns) = figure.subplots(2, 2)
        _plot_curves(curves, model)
        if record["classes"] is None:
            _plot_predictions(result, y, P)
            _plot_residuals(details, y, P)
        else:
            labels = [printable(label, 14) for label in record["classes"]]
            _plot_confusion(result, record["scores"]["confusion"], labels)
            _plot_calibration(details, y, P, labels)
        _plot_importances(columns, record["importances"])
        target, data = printable(record["target"], 30), short_path(record["data"], 50)
        figure.suptitle(f"{target} in {data}, on held-out rows", x=0.01, ha="left")
        figure.savefig(path)


def _plot_curves(ax, model):
    """Plot the held-out loss of each network with its best epoch, and the mean of all."""
    histories = [
        np.array(fold[-1].history.val_loss)
        for member in model._members
        for fold in member.networks
        if fold[-1].history is not None
    ]  # the networks that --resume has read from the file have none
    ax.set(title="learning curves of the networks", xlabel="% of the training", ylabel="loss")
    if not histories:
        return
    grid = np.linspace(0, 100, 201)
    curves = []
    for losses in histories:
        percent = np.linspace(0, 100, len(losses))
        ax.plot(percent, losses, color=plotting.BLUE, alpha=0.25, linewidth=0.8)
        curves.append(np.interp(grid, percent, losses))
    best = [losses.argmin() / max(1, len(losses) - 1) * 100 for losses in histories]
    lowest = [losses.min() for losses in histories]
    ax.plot(best, lowest, "o", color=plotting.BLUE, markersize=3, label="least loss")
    ax.plot(grid, np.mean(curves, axis=0), color=plotting.ORANGE, label="mean")
    low, high = np.min(lowest), np.quantile(curves, 0.99)
    ax.set_ylim(low - 0.05 * (high - low), high)
    ax.legend()


def _plot_confusion(ax, confusion, labels):
    from sklearn.metrics import ConfusionMatrixDisplay

    k = len(labels)
    shown = confusion
    if k > MAX_CLASSES:
        order = np.argsort(-np.sum(confusion, axis=1), kind="stable")[:MAX_CLASSES]
        shown = np.array(confusion)[np.ix_(order, order)]
        labels = [labels[i] for i in order]
    ConfusionMatrixDisplay(np.array(shown), display_labels=labels).plot(
        ax=ax,
        cmap="Blues",
        colorbar=False,
        include_values=len(labels) <= 12,
        xticks_rotation="vertical" if max(map(len, labels)) > 3 else "horizontal",
    )
    more = f", the {MAX_CLASSES} most frequent of {k:,}" if k > MAX_CLASSES else ""
    ax.set(title=f"classes{more}", xlabel="predicted", ylabel="true")


def _plot_calibration(ax, codes, P, labels):
    """Plot how often the predicted class is true, by its probability."""
    from sklearn.calibration import CalibrationDisplay

    if len(labels) == 2:
        is_true, p, name = codes == 1, P[:, 1], f"class {labels[1]}"
    else:
        best = P.argmax(axis=1)
        is_true, p, name = codes == best, P.max(axis=1), "predicted class"
    CalibrationDisplay.from_predictions(is_true, p, n_bins=10, ax=ax, name=name)
    ax.set(title="calibration", xlabel="predicted probability", ylabel="share of rows")


def _plot_predictions(ax, y, P):
    _plot_errors(ax, y, P, "actual_vs_predicted")
    ax.set(title="true against predicted", xlabel="predicted", ylabel="true")


def _plot_residuals(ax, y, P):
    _plot_errors(ax, y, P, "residual_vs_predicted")
    ax.set(title="errors", xlabel="predicted", ylabel="true - predicted")


def _plot_errors(ax, y, P, kind):
    from matplotlib.ticker import AutoLocator
    from sklearn.metrics import PredictionErrorDisplay

    style = dict(s=6, alpha=0.4)
    PredictionErrorDisplay.from_predictions(
        y, P, kind=kind, ax=ax, subsample=MAX_POINTS, random_state=0, scatter_kwargs=style
    )
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(AutoLocator())


def _plot_importances(ax, importances):
    top = sorted(importances.items(), key=lambda item: item[1])[-MAX_IMPORTANT:]
    top = [(name, value) for name, value in top if value > 0]
    names = [textwrap.shorten(printable(name, 22), 22) or "?" for name, _ in top]
    ax.barh(range(len(top)), [value for _, value in top], color=plotting.BLUE)
    ax.set_yticks(range(len(top)), names)
    ax.set(title="most important columns", xlabel="growth of the loss if shuffled")

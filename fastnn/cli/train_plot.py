"""The picture of `fastnn train --plot`: how the networks learned, and what the model predicts."""

import numpy as np

from .. import plotting
from ..core.messages import printable
from .record import TrainingRecord
from .text_layout import file_name

MAX_IMPORTANT = 10


def save(path, model, record: TrainingRecord, y, P):
    """Save the picture of a training to a file.

    Parameters
    ----------
    path : str
        A .png, .svg or .pdf file.
    model : TabularClassifier or TabularRegressor
        Fitted in this process: its networks still have their histories.
    record : TrainingRecord
    y, P : ndarray
        Class numbers or numbers of the rows that were held out, and the predictions for them.
    """
    from matplotlib.figure import Figure

    with plotting.style():
        figure = Figure(figsize=(9, 7.5))
        (curves, result), (details, columns) = figure.subplots(2, 2)
        _plot_curves(curves, model)
        if record.classes is None:
            plotting.plot_predictions(y, P, result)
            plotting.plot_residuals(y, P, details)
            titles = "true against predicted", "errors"
        else:
            labels = model.classes_
            plotting.plot_confusion(
                labels[y],
                labels[model.decide(P, model.threshold_)],
                result,
                labels=labels,
            )
            plotting.plot_reliability(labels[y], P, details, labels=labels)
            titles = "classes", "calibration"
        result.set_title(titles[0])
        details.set_title(titles[1])
        plotting.plot_importances(model, ax=columns, max_columns=MAX_IMPORTANT)
        columns.set_title("permutation importance")
        target, data = printable(record.target, 30), file_name(record.data, 50)
        title = f"{target} in {data}, on held-out rows"
        figure.suptitle(title, x=0.01, ha="left", parse_math=False)  # a name may have dollar signs
        figure.savefig(path)


def _plot_curves(ax, model):
    """Plot the held-out loss of each network with its best epoch, and the mean of all."""
    histories = [
        np.array(history.val_loss)
        for folds in model.histories_
        for history in folds
        if history is not None
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
    ax.legend(loc="best")  # its default would warn on slow machines

"""A plot of training and validation losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.validation import check_list
from ..state import History
from .prediction_checks import last_step
from .theme import BLUE, ORANGE, check_axes

if TYPE_CHECKING:
    from typing import Any

    from matplotlib.axes import Axes


def plot_history(history: Any, ax: Axes | None = None) -> Axes:
    """Plot the training loss of each epoch and, if there is one, the validation loss.

    The networks of an ensemble have one thin line each. A dot marks the lowest validation loss of
    each line.

    Parameters
    ----------
    history : History, or a trained MLP or estimator
        The return value of `MLP.fit`, a network that was trained, or a fitted estimator. A pipeline
        stands for its last step.
    ax : matplotlib Axes, default None
        None is the current axes.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        The network or the estimator has no history. Files do not hold the histories of networks and of
        `TabularClassifier` and `TabularRegressor`.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> from fastnn.plotting import plot_history
    >>> history = fastnn.MLP([3, 4, 1], rng=0).fit(np.eye(3), np.arange(3), epochs=20)
    >>> plot_history(history).get_xlabel()
    'epoch'
    """
    from matplotlib.ticker import MaxNLocator

    ax = check_axes(ax)
    histories = _histories(history)
    many = len(histories) > 1
    look: dict[str, Any] = dict(alpha=0.5, linewidth=0.9) if many else {}
    for i, (loss, val_loss) in enumerate(histories):
        for losses, label, color in ((loss, "training", BLUE), (val_loss, "held out", ORANGE)):
            if losses:
                ax.plot(
                    range(1, len(losses) + 1),
                    losses,
                    color=color,
                    marker="o" if len(losses) == 1 else None,
                    label=label if i == 0 else "_",
                    **look,
                )
        if many and val_loss:
            best = int(np.argmin(val_loss))
            ax.plot(best + 1, val_loss[best], "o", color=ORANGE, markersize=3.5, label="_")
    ax.set(xlabel="epoch", ylabel="loss")
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    if any(val_loss for _, val_loss in histories):
        legend = ax.legend(loc="best")  # its default would warn on slow machines
        for line in legend.get_lines():
            line.set(alpha=1, linewidth=1.8)
    return ax


def _histories(thing):
    """Return a list of (training losses, validation losses)."""
    model = last_step("history", thing)
    if hasattr(model, "validation_loss_curve_"):
        pairs = model.loss_curve_, model.validation_loss_curve_
        return list(zip(*pairs)) if len(model.networks_) > 1 else [pairs]
    if isinstance(model, History):
        histories = [model]
    elif hasattr(model, "forward") and hasattr(model, "history"):
        histories = [model.history]
    elif hasattr(model, "histories_"):  # an estimator for tables
        histories = [history for folds in model.histories_ for history in folds]
    else:
        raise TypeError(
            "history must be a History, a trained MLP, or a fitted estimator of fastnn, got "
            f"{type(thing).__name__}"
        )
    found = [_losses(history) for history in histories if history is not None]
    if not found:
        raise ValueError(
            f"this {type(model).__name__} has no history: it is not trained, or was loaded from a "
            "file. Pass one that was trained in this process."
        )
    return found


def _losses(history):
    """Return the training and the validation losses of a History. It may have no validation losses."""
    losses, val_losses = history.loss, () if history.val_loss is None else history.val_loss
    return check_list("history.loss", losses), check_list("history.val_loss", val_losses)

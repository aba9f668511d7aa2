"""Plot networks, training histories and predictions with matplotlib (extra `plot`).

    with plotting.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.5))
        plot_history(net, left)
        plot_roc(y, net.forward(X), right)
        figure.savefig("net.png")

Each function draws into `ax`, by default the current axes of matplotlib, and returns it. The
colours are from the colour-blind safe palette of Okabe and Ito. matplotlib is imported on first
use. So is scikit-learn, whose displays draw the curves and matrices of predictions.

- `history`: learning curves. `images`: images and weights.
- `prediction_plots`: predictions of classes and of numbers, and decision boundaries.
  `prediction_checks`: checks of their arguments.
- `column_plots`: effects of columns, and permutation importances.
- `theme`: style and colours.
"""

from .column_plots import plot_effect, plot_importances
from .history import plot_history
from .images import plot_images, plot_weights
from .prediction_plots import (
    plot_confusion,
    plot_decision,
    plot_precision_recall,
    plot_predictions,
    plot_reliability,
    plot_residuals,
    plot_roc,
)
from .theme import BLUE, GREEN, GREY, ORANGE, picture_file, style

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "picture_file",
    "plot_confusion",
    "plot_decision",
    "plot_effect",
    "plot_history",
    "plot_images",
    "plot_importances",
    "plot_precision_recall",
    "plot_predictions",
    "plot_reliability",
    "plot_residuals",
    "plot_roc",
    "plot_weights",
    "style",
]

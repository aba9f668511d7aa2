"""The section about the errors of a model that predicts a number."""

import numpy as np

from ... import plotting
from ..report import format_error
from .charts import chart, charts
from .elements import paragraph, section

MAX_POINTS = 1500
N_BINS = 40


def errors_section(report):
    """Return the section with charts of predictions and errors."""
    y, P = report.y, report.P
    errors = np.abs(y - P)
    half, most = map(format_error, np.quantile(errors, (0.5, 0.9)).tolist())
    rows = np.arange(len(y))
    drawn = ""
    if len(y) > MAX_POINTS:
        rows = np.sort(np.random.default_rng(0).choice(len(y), MAX_POINTS, replace=False))
        drawn = f" The points are {MAX_POINTS:,} of {len(y):,} rows, drawn at random."
    return section(
        "errors",
        "Errors",
        paragraph(f"Half of the held-out errors are below {half}, nine of ten below {most}."),
        charts(
            chart(
                "predictions",
                "True against predicted",
                f"A point is a held-out row. On the diagonal, the prediction is right.{drawn}",
                lambda ax: plotting.plot_predictions(y[rows], P[rows], ax),
            ),
            chart(
                "residuals",
                "Errors by prediction",
                "True minus predicted, against the prediction. A bend or a slope is what the model "
                "has not learned. A funnel means that errors grow with the prediction.",
                lambda ax: plotting.plot_residuals(y[rows], P[rows], ax),
            ),
            chart(
                "histogram",
                "Distribution of the errors",
                "Number of held-out rows by true minus predicted. Rows beyond the range of 99 % "
                "are in the first and the last bar.",
                lambda ax: _plot_histogram(ax, y - P),
            ),
        ),
    )


def _plot_histogram(ax, errors):
    low, high = np.quantile(errors, (0.005, 0.995))
    ax.hist(np.clip(errors, low, high), N_BINS, color=plotting.BLUE)
    ax.set(xlabel="true - predicted", ylabel="rows")

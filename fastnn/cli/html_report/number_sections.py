"""The section about the errors of predicted numbers, and the width of intervals."""

import numpy as np

from ... import plotting
from ...core.messages import plural
from ...web.templates import table
from ..table_facts import format_share
from ..text_layout import format_error
from .charts import chart
from .elements import section

MAX_POINTS = 1500
N_BINS = 40
COVERAGES = 0.5, 0.8, 0.9, 0.95
MAX_INTERVALS = 500  # rows whose intervals are computed


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
        text=f"Half of the held-out errors are below {half}, nine of ten below {most}.",
        charts=[
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
        ],
    )


def _plot_histogram(ax, errors):
    low, high = np.quantile(errors, (0.005, 0.995))
    ax.hist(np.clip(errors, low, high), N_BINS, color=plotting.BLUE)
    ax.set(xlabel="true - predicted", ylabel="rows")


# ---- intervals ----


def intervals_section(report):
    """Return the section with the width of prediction intervals, None if the model has none."""
    if not report.model.facts().has_intervals:
        return None
    sample = report.sample(MAX_INTERVALS)
    shares = report.model.held_out_coverage(COVERAGES)
    rows, spread = [], np.quantile(report.y, 0.95) - np.quantile(report.y, 0.05)
    for coverage, inside in zip(COVERAGES, shares):
        try:
            lower, upper = report.model.predict_interval(sample, coverage)
        except ValueError:  # too few rows for a coverage so close to 1
            continue
        low, middle, high = np.quantile(upper - lower, (0.1, 0.5, 0.9)).tolist()
        widths = [format_error(middle), f"{format_error(low)} to {format_error(high)}"]
        against = format_share(middle / spread) if spread > 0 else "-"
        found = [] if inside is None else [format_share(inside)]
        rows.append([format_share(coverage), *widths, against, *found])
    if not rows:
        return None
    is_checked = shares[0] is not None
    head = ["interval", "#median width", "#width of most rows", "#of the range"]
    if is_checked:
        head.append("#rows inside")
    return section(
        "intervals",
        "Intervals",
        n_rows=plural(len(sample), "training row"),
        is_checked=is_checked,
        widths=table("Width of the intervals", head, rows),
    )

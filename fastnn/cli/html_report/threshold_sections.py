"""The section about other thresholds of a model of two classes: what is found, and what it costs."""

from dataclasses import dataclass

import numpy as np

from ... import plotting
from ...web.templates import markup, table
from ..record import TrainingRecord
from ..table_facts import format_share
from ..text_report import format_score
from .charts import chart, legend
from .elements import name, section

THRESHOLDS = 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9
N_POINTS = 101  # of a curve
CURVES = {"precision": plotting.BLUE, "recall": plotting.ORANGE, "F1": plotting.GREEN}


@dataclass(frozen=True)
class ThresholdScores:
    """Scores of the second of two classes if it is predicted from a probability on.

    Attributes
    ----------
    share : float
        Of the rows that are predicted to be of the class.
    precision, recall, f1 : float or None
        None if no row is of the class, and precision also if none is predicted.
    accuracy : float
    """

    share: float
    precision: float | None
    recall: float | None
    f1: float | None
    accuracy: float


def score_threshold(y, p, threshold, weight=None):
    """Return the ThresholdScores of rows.

    Parameters
    ----------
    y : ndarray (n,) of {0, 1}
        True classes.
    p : ndarray (n,)
        Probabilities of the second class.
    threshold : float
        Rows with at least this probability are predicted to be of the class.
    weight : ndarray (n,), optional
    """
    weight = np.ones(len(y)) if weight is None else weight
    chosen, true = p >= threshold, y == 1
    found, total = weight[chosen & true].sum(), weight.sum()
    n_chosen, n_true = weight[chosen].sum(), weight[true].sum()
    return ThresholdScores(
        share=float(n_chosen / total),
        precision=float(found / n_chosen) if n_chosen > 0 else None,
        recall=float(found / n_true) if n_true > 0 else None,
        f1=float(2 * found / (n_chosen + n_true)) if n_true > 0 else None,
        accuracy=float(weight[chosen == true].sum() / total),
    )


def thresholds_section(report):
    """Return the section, None for numbers, for other numbers of classes, and for one class."""
    record: TrainingRecord = report.record
    labels = record.classes
    if labels is None or len(labels) != 2 or len(np.unique(report.y)) < 2:
        return None
    own, label = record.model.threshold, name(labels[1])
    current = 0.5 if own is None else own
    p = report.P[:, 1]
    rows = []
    for threshold in sorted({*THRESHOLDS, current}):
        scores = score_threshold(report.y, p, threshold, report.weight)
        text = f"{threshold:.3g}"
        if threshold == current:
            text = markup("<strong>{} (model)</strong>", text)
        shown = (scores.precision, scores.recall, scores.f1, scores.accuracy)
        cells = [format_score("f1", value) for value in shown]
        rows.append([text, format_share(scores.share), *cells])
    head = ["threshold", "#rows predicted", "#precision", "#recall", "#F1", "#accuracy"]
    return section(
        "thresholds",
        "Thresholds",
        label=label,
        current=f"{current:.3g}",
        scores=table(f"Scores of {label} by threshold", head, rows),
        legend=legend(CURVES),
        chart=_chart(report, label, current),
    )


def _chart(report, label, current):
    thresholds = np.linspace(0, 1, N_POINTS)
    found = [score_threshold(report.y, report.P[:, 1], t, report.weight) for t in thresholds]

    def draw(ax):
        for curve, color in CURVES.items():
            values = [getattr(scores, curve.lower()) for scores in found]
            ax.plot(thresholds, [np.nan if v is None else v for v in values], color=color)
        ax.axvline(current, color=plotting.GREY, linestyle=":", linewidth=1.2)
        ax.set(xlabel="threshold", xlim=(0, 1), ylim=(0, 1.02))

    return chart(
        "threshold-curves",
        "Scores by threshold",
        f"Precision, recall and F1 of {label}. The dotted line is the threshold of the model.",
        draw,
        (5.2, 3.2),
    )

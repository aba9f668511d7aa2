"""The section about predicted classes: confusion matrix, and charts of the probabilities."""

import numpy as np

from ... import plotting
from ...core.messages import printable
from ...web.templates import table
from ..record import TrainingRecord
from ..text_report import describe_threshold, explain_thresholds
from .charts import chart, legend, take_legend
from .elements import name, section

MAX_CLASSES = 20  # of the confusion matrix
MAX_NAME, MAX_FLAT_NAME = 24, 6  # characters of a class in it, and of one that is not turned
MAX_CONFUSIONS = 10
SIZE = 3.9, 3.5  # inches, of charts
MAX_BESIDE = 6  # classes of a confusion matrix with a list beside it
MIN_CLASSES_OF_LIST = 5  # with fewer, the matrix shows all at a glance


def classes_section(report):
    """Return the section with the confusion matrix and the charts of the probabilities."""
    record: TrainingRecord = report.record
    labels, confusion = list(record.classes or ()), np.array(record.scores.confusion)
    colors, charts = _curves(report)
    return section(
        "classes",
        "Classes",
        "errors",
        threshold=_threshold(record),
        matrix=_confusion_matrix(labels, confusion),
        confusions=_confusion_list(labels, confusion),
        is_beside=len(labels) <= MAX_BESIDE,
        legend=legend(colors) if colors else None,
        charts=charts,
    )


def _threshold(record: TrainingRecord):
    if record.model.threshold is None:
        return None
    text = describe_threshold(record.model, record.classes)
    text = text[0].upper() + text[1:] + "."
    if record.model.threshold_rule:
        text += " " + explain_thresholds(record)
    return text


def _confusion_matrix(labels, confusion):
    k, caption = len(labels), "Confusion matrix"
    order = np.arange(k)
    if k > MAX_CLASSES:
        order = np.argsort(-confusion.sum(axis=1), kind="stable")[:MAX_CLASSES]
        caption += f" of the {MAX_CLASSES} most frequent of {k:,} classes"
    names = [printable(name(labels[i]), MAX_NAME) for i in order]
    rows = [
        (text, [(f"{n:,}", f"{n / max(1, row.sum()):.2f}", n == 0) for n in row[order]])
        for text, row in zip(names, confusion[order])
    ]
    is_vertical = max(map(len, names)) > MAX_FLAT_NAME
    return {"caption": caption, "names": names, "is_vertical": is_vertical, "rows": rows}


def _confusion_list(labels, confusion):
    if len(labels) < MIN_CLASSES_OF_LIST:
        return None
    errors = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-errors, axis=None, kind="stable")[:MAX_CONFUSIONS]
    pairs = [(i, j) for i, j in zip(*np.unravel_index(order, errors.shape)) if errors[i, j]]
    rows = [[name(labels[i]), name(labels[j]), f"{errors[i, j]:,}"] for i, j in pairs]
    if not rows:
        return None
    return table("Most frequent confusions", ["true class", "predicted", "#rows"], rows)


def _curves(report):
    """Return the colours of classes in the charts of the probabilities, if these have no legend, and
    the charts; none if all held-out rows are of one class."""
    record: TrainingRecord = report.record
    labels = np.array(record.classes)
    if len(np.unique(report.y)) < 2:
        return {}, []
    y, P = labels[report.y], report.P
    is_binary = len(labels) == 2
    class_name = f"class {name(labels[1])}" if is_binary else "a class"

    colors: dict[str, str] = {}

    def curves(plot):
        def draw(ax):
            plot(y, P, ax, labels=labels, sample_weight=report.weight)
            if not is_binary:  # one legend for both charts; the table has the scores of each class
                taken = take_legend(ax)
                colors.update((label.rpartition(": ")[0], color) for label, color in taken.items())

        return draw

    figures = [
        chart(
            "roc",
            "ROC",
            f"For each threshold: the share of the rows of {class_name} that are above it, and that of "
            "the other rows. The closer to the upper left, the better. The diagonal is guessing.",
            curves(plotting.plot_roc),
            SIZE,
        ),
        chart(
            "precision-recall",
            "Precision and recall",
            f"For each threshold: the share of the rows above it that are of {class_name}, and the share "
            "of its rows that are above it. The closer to the upper right, the better.",
            curves(plotting.plot_precision_recall),
            SIZE,
        ),
        chart(
            "reliability",
            "Reliability",
            (
                f"How often {class_name} is true, by its probability."
                if is_binary
                else "How often the predicted class is right, by its probability."
            )
            + " On the diagonal, events of probability 0.8 happen in 80 % of the rows.",
            lambda ax: plotting.plot_reliability(y, P, ax, labels=labels),
            SIZE,
        ),
    ]
    return colors, figures

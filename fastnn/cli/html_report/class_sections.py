"""The section about predicted classes: confusion matrix, and charts of the probabilities."""

import numpy as np

from ... import plotting
from ...core.messages import printable
from ..record import TrainingRecord
from ..text_report import describe_threshold, explain_thresholds
from .charts import chart, charts, legend, take_legend
from .elements import columns, element, name, paragraph, scrolling, section, table

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
    matrix, confusions = _confusion_table(labels, confusion), _confusion_list(labels, confusion)
    return section(
        "errors",
        "Classes",
        _threshold(record),
        columns(matrix, confusions) if len(labels) <= MAX_BESIDE else matrix,
        confusions if len(labels) > MAX_BESIDE else None,
        *_curves(report),
    )


def _threshold(record: TrainingRecord):
    if record.model.threshold is None:
        return None
    text = describe_threshold(record.model, record.classes)
    text = text[0].upper() + text[1:] + "."
    if record.model.threshold_rule:
        text += " " + explain_thresholds(record)
    return paragraph(text)


def _confusion_table(labels, confusion):
    k, caption = len(labels), "Confusion matrix"
    order = np.arange(k)
    if k > MAX_CLASSES:
        order = np.argsort(-confusion.sum(axis=1), kind="stable")[:MAX_CLASSES]
        caption += f" of the {MAX_CLASSES} most frequent of {k:,} classes"
    names = [printable(name(labels[i]), MAX_NAME) for i in order]
    direction = "vertical" if max(map(len, names)) > MAX_FLAT_NAME else None
    head = (
        element(
            "tr",
            element("th", "true", scope="col", rowspan=2),
            element("th", "predicted", scope="colgroup", colspan=len(order)),
        ),
        element(
            "tr",
            *(
                element("th", element("span", text, class_=direction), scope="col")
                for text in names
            ),
        ),
    )
    lines = []
    for text, row in zip(names, confusion[order]):
        total = max(1, row.sum())
        cells = [
            element("td", f"{n:,}", style=f"--share: {n / total:.2f}", class_=None if n else "zero")
            for n in row[order]
        ]
        lines.append(element("tr", element("th", text, scope="row"), *cells))
    return scrolling(
        "Confusion matrix",
        element(
            "table",
            element("caption", caption),
            element("thead", *head),
            element("tbody", *lines),
            class_="confusion",
        ),
    )


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
    """Return the legend and the charts of the probabilities; none if all held-out rows are of one
    class."""
    record: TrainingRecord = report.record
    labels = np.array(record.classes)
    if len(np.unique(report.y)) < 2:
        return []
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

    figures = charts(
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
    )
    return [figures] if is_binary else [legend(colors), figures]

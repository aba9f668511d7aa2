"""The section about a classifier: which classes it takes for which, and its probabilities."""

import numpy as np

from ... import plotting
from ...core.messages import printable
from .charts import chart, charts
from .elements import element, name, paragraph, scrolling, section, table

MAX_CLASSES = 20  # of the confusion matrix
MAX_NAME, MAX_LEVEL_NAME = 24, 6  # characters of a class in it, and of one that is not turned
MAX_CONFUSIONS = 10
SQUARE, WITH_LEGEND = (3.9, 3.5), (5.6, 3.5)  # inches, of charts
MIN_CLASSES_OF_LIST = 5  # with fewer, the matrix shows all at a glance


def classes_section(report):
    """Return the section with the confusion matrix and the charts of the probabilities."""
    labels, confusion = report.record["classes"], np.array(report.record["scores"]["confusion"])
    return section(
        "errors",
        "Classes",
        _threshold(report.record),
        _confusion_table(labels, confusion),
        _confusion_list(labels, confusion),
        charts(*_curves(report)),
    )


def _threshold(record):
    if record["threshold"] is None:
        return None
    label, threshold = name(record["classes"][1]), record["threshold"]
    return paragraph(f"Predicts {label} if its probability is at least {threshold:g}.")


def _confusion_table(labels, confusion):
    k, caption = len(labels), "Confusion matrix"
    order = np.arange(k)
    if k > MAX_CLASSES:
        order = np.argsort(-confusion.sum(axis=1), kind="stable")[:MAX_CLASSES]
        caption += f" of the {MAX_CLASSES} most frequent of {k:,} classes"
    names = [printable(name(labels[i]), MAX_NAME) for i in order]
    direction = "vertical" if max(map(len, names)) > MAX_LEVEL_NAME else None
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
    """Return the charts of the probabilities, none if all held-out rows are of one class."""
    labels = np.array(report.record["classes"])
    if len(np.unique(report.y)) < 2:
        return []
    y, P = labels[report.y], report.P
    is_binary = len(labels) == 2
    size = SQUARE if is_binary else WITH_LEGEND
    of_class = f"class {name(labels[1])}" if is_binary else "a class"

    def curves(plot):
        def draw(ax):
            plot(y, P, ax, labels=labels)
            if not is_binary:  # the legend is as large as the axes
                ax.get_legend().set_loc("upper left")
                ax.get_legend().set_bbox_to_anchor((1.0, 1.0))

        return draw

    return [
        chart(
            "roc",
            "ROC",
            f"For each threshold: the share of the rows of {of_class} that are above it, and that of "
            "the other rows. The closer to the upper left, the better. The diagonal is guessing.",
            curves(plotting.plot_roc),
            size,
        ),
        chart(
            "precision-recall",
            "Precision and recall",
            f"For each threshold: the share of the rows above it that are of {of_class}, and the share "
            "of its rows that are above it. The closer to the upper right, the better.",
            curves(plotting.plot_precision_recall),
            size,
        ),
        chart(
            "reliability",
            "Reliability",
            (
                f"How often {of_class} is true, by its probability."
                if is_binary
                else "How often the predicted class is right, by its probability."
            )
            + " On the diagonal, events of probability 0.8 happen in 80 % of the rows.",
            lambda ax: plotting.plot_reliability(y, P, ax, labels=labels),
            SQUARE,
        ),
    ]

"""The sections about the results: scores beside those of the baseline, classes, and errors of numbers."""

import numpy as np

from ... import plotting
from ...core.messages import plural, printable
from ..table_facts import format_share
from ..text_layout import format_error
from ..text_report import (
    LABELS,
    describe_threshold,
    explain_no_better,
    explain_thresholds,
    format_score,
    is_better_than_baseline,
    shown_scores,
    worst_first,
)
from .charts import chart, charts
from .elements import element, name, paragraph, scrolling, section, table

#: Scores whose label is not that of the text, and what scores mean.
SYMBOLS = {"r2": "R²"}
MEANINGS = {
    "accuracy": "share of the rows whose class is right",
    "balanced_accuracy": "mean recall: each class counts the same",
    "log_loss": "0 is best; sure and wrong costs most",
    "auc": "how well probabilities order the rows; 0.5 is guessing",
    "f1": "harmonic mean of precision and recall: of the second of two classes, else the mean over "
    "classes; the baseline predicts one class for all rows",
    "cost": "mean cost of a row; the baseline predicts the cheaper class for all rows",
    "r2": "share of the variance that is explained; 1 is best",
    "rmse": "root of the mean squared error, in units of the target",
    "mae": "in units of the target; less sensitive to outliers",
    "mape": "mean of the errors divided by the targets",
    "pinball": "quantile loss, in units of the target; half the mean absolute error for the median",
}
MAX_CLASSES = 20  # of the confusion matrix, and of the scores of each class
MAX_NAME, MAX_FLAT_NAME = 24, 6  # characters of a class in it, and of one that is not turned
MAX_CONFUSIONS = 10
SQUARE, WITH_LEGEND = (3.9, 3.5), (5.6, 3.5)  # inches, of charts
MIN_CLASSES_OF_LIST = 5  # with fewer, the matrix shows all at a glance
MAX_POINTS = 1500
N_BINS = 40


# ---- scores ----


def headline(report):
    """Return the most important score beside that of the baseline, as a sentence."""
    scores = report.record["scores"]
    name, baseline = scores["metric"], scores["baseline"]
    if name not in (None, "accuracy", "mae") and scores[name] is not None:
        values = format_score(name, scores[name]), format_score(name, baseline[name])
        return f"Its {label_of(name)} on held-out rows is {values[0]}, the baseline's {values[1]}."
    if not report.is_number:
        right = f"{100 * scores['accuracy']:.1f} %"
        return f"It is right in {right} of held-out rows, the baseline in {100 * baseline['accuracy']:.1f} %."
    mae, baseline_mae = format_error(scores["mae"]), format_error(baseline["mae"])
    return f"Its mean absolute error on held-out rows is {mae}, the baseline's {baseline_mae}."


def label_of(name):
    """Return the name of a score on the page."""
    return SYMBOLS.get(name, LABELS[name])


def scores_section(report):
    """Return the section with the scores on held-out rows and on those of the test."""
    record = report.record
    scores, test = record["scores"], record["test_scores"]
    is_complete = scores["rows"] == record["rows"] - record["test_rows"]
    where = "out of fold" if is_complete else "held out"
    head = ["score", f"#model, {where}", "#baseline"]
    if test:
        head += ["#model, test", "#baseline, test"]
    rows = []
    for key in shown_scores(scores):
        if scores[key] is None and (not test or test[key] is None):
            continue
        cells = [
            format_score(key, values[key])
            for part in (scores, test)
            if part
            for values in (part, part["baseline"])
        ]
        rows.append([label_of(key), *cells, MEANINGS[key]])
    return section(
        "scores",
        "Scores",
        paragraph(_describe(report, is_complete)),
        None
        if is_better_than_baseline(scores)
        else paragraph(explain_no_better(record), class_="warning"),
        table("Scores of the model and of the baseline", [*head, "meaning"], rows, "sentences"),
        _class_table(scores["classes"]) if "classes" in scores else None,
    )


def _describe(report, is_complete):
    """Return what the scores were computed on, and what the baseline is."""
    scores, test = report.record["scores"], report.record["test_scores"]
    rows = plural(scores["rows"], "row")
    text = (
        f"Each of the {rows} was predicted by networks that did not train on it. "
        if is_complete
        else f"The scores come from {rows} that the networks did not train on. "
    )
    text += "These scores are slightly optimistic, because the best epochs are chosen on the same rows. "
    if test:
        text += f"Nothing was chosen by the {plural(test['rows'], 'row')} of the test. "
    if report.is_number:
        return text + (
            "The baseline predicts the mean of the target, and the median for the mean absolute error."
        )
    text += "The baseline knows only how frequent the classes are. "
    return text + (
        f"The model is wrong in {scores['wrong']:,} of {rows} "
        f"({format_share(scores['wrong'] / scores['rows'])})."
    )


def _class_table(classes):
    shown, caption = classes, "Scores of each class against the others"
    if len(classes) > MAX_CLASSES:
        shown = sorted(classes, key=worst_first)[:MAX_CLASSES]
        caption += f": {MAX_CLASSES} of {len(classes):,} classes, lowest F1 first"
    rows = [
        [
            name(c["class"]),
            f"{c['rows']:,}",
            *(format_score(key, c[key]) for key in ("precision", "recall", "f1", "auc")),
        ]
        for c in shown
    ]
    return table(caption, ["class", "#rows", "#precision", "#recall", "#F1", "#AUC"], rows)


# ---- classes ----


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
    text = describe_threshold(record)
    text = text[0].upper() + text[1:] + "."
    if record["threshold_rule"]:
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
    """Return the charts of the probabilities, none if all held-out rows are of one class."""
    labels = np.array(report.record["classes"])
    if len(np.unique(report.y)) < 2:
        return []
    y, P = labels[report.y], report.P
    is_binary = len(labels) == 2
    size = SQUARE if is_binary else WITH_LEGEND
    class_name = f"class {name(labels[1])}" if is_binary else "a class"

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
            f"For each threshold: the share of the rows of {class_name} that are above it, and that of "
            "the other rows. The closer to the upper left, the better. The diagonal is guessing.",
            curves(plotting.plot_roc),
            size,
        ),
        chart(
            "precision-recall",
            "Precision and recall",
            f"For each threshold: the share of the rows above it that are of {class_name}, and the share "
            "of its rows that are above it. The closer to the upper right, the better.",
            curves(plotting.plot_precision_recall),
            size,
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
            SQUARE,
        ),
    ]


# ---- errors of numbers ----


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

"""The sections about how well the model predicts: scores, baselines, errors, classes, thresholds."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import plotting
from ...core.messages import format_number, format_share, plural, printable
from ...web.templates import markup, table
from ..console import format_error
from ..progress import format_duration
from ..record import LABELS, TrainingRecord
from ..text_report import (
    ADVANTAGE,
    describe_last_block,
    describe_not_trained,
    describe_threshold,
    describe_verdicts,
    explain_no_better,
    explain_thresholds,
    format_score,
    is_better_than_baseline,
    score_cells,
    shown_scores,
    worst_first,
)
from .elements import Report, chart, keep_first, legend, name, section, take_legend

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
MAX_CLASSES = 20  # with scores of their own, and of the confusion matrix
MAX_POINTS = 1500  # of a chart
N_BINS = 40
COVERAGES = 0.5, 0.8, 0.9, 0.95
MAX_INTERVALS = 500  # rows whose intervals are computed
MAX_NAME, MAX_FLAT_NAME = (
    24,
    6,
)  # characters of a class of the matrix, and of one that is not turned
MAX_CONFUSIONS = 10
MAX_BESIDE = 6  # classes of a confusion matrix with a list beside it
MIN_CLASSES_OF_LIST = 5  # with fewer, the matrix shows all at a glance
SIZE = 3.9, 3.5  # inches, of charts of probabilities
THRESHOLDS = 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9
N_POINTS = 101  # of a curve
CURVES = {"precision": plotting.BLUE, "recall": plotting.ORANGE, "F1": plotting.GREEN}


def headline(report: Report):
    """Return the most important score beside that of the baseline, as a sentence."""
    metric, scores = report.record.scores.metric, report.record.scores
    values: dict[str, Any] = scores.values
    baseline: dict[str, Any] = scores.baseline
    if metric not in (None, "accuracy", "mae") and values[metric] is not None:
        what = _label_of(metric)
        model, other = (format_score(metric, part[metric]) for part in (values, baseline))
    elif not report.is_number:
        model, other = (f"{100 * part['accuracy']:.1f} %" for part in (values, baseline))
        return f"It is right in {model} of held-out rows, the baseline in {other}."
    else:
        what = "mean absolute error"
        model, other = (format_error(part["mae"]) for part in (values, baseline))
    return f"Its {what} on held-out rows is {model}, the baseline's {other}."


def key_figures(report: Report):
    """Return the figures at the top of the page: pairs of a figure and what it is."""
    record, scores = report.record, report.record.scores
    usual = ("r2", "mae") if report.is_number else ("accuracy", "balanced_accuracy", "auc")
    keys = dict.fromkeys((scores.metric, *usual))
    known = [key for key in keys if key is not None and scores.values.get(key) is not None]
    figures = [
        (
            format_score(key, scores.values[key]),
            f"{_label_of(key)} (baseline {format_score(key, scores.baseline[key])})",
        )
        for key in known[:3]
    ]
    if report.is_number:
        figures.append((format_number(float(np.std(report.y))), "standard deviation of the target"))
    size = f"{record.rows - record.test_rows:,} x {len(record.model.kinds):,}"
    return [*figures, (size, "training rows and columns")]


def _label_of(metric):
    """Return the name of a score on the page."""
    return SYMBOLS.get(metric, LABELS[metric])


def scores_section(report: Report):
    """Return the section with the scores on held-out rows and on those of the test."""
    record, scores, last = report.record, report.record.scores, report.record.last_block
    is_complete = scores.rows == record.rows - record.test_rows
    return section(
        "scores",
        "Scores",
        text=_describe_scored_rows(report, is_complete),
        last_block=describe_last_block(last) if last else None,
        no_better=None if is_better_than_baseline(scores) else explain_no_better(record),
        scores=_score_table(record, "out of fold" if is_complete else "held out"),
        classes=None if scores.classes is None else _class_table(scores.classes),
    )


def _score_table(record: TrainingRecord, where):
    scores, test, last = record.scores, record.test_scores, record.last_block
    columns = [(f"#model, {where}", scores.values), ("#baseline", scores.baseline)]
    if test:
        columns += [("#model, test", test.values), ("#baseline, test", test.baseline)]
    if last:
        columns.append(("#model, last block", last.scores.values))
    known = [part.values for part in (scores, test) if part]
    rows = [
        [_label_of(key), *(format_score(key, values[key]) for _, values in columns), MEANINGS[key]]
        for key in shown_scores(scores)
        if any(values[key] is not None for values in known)
    ]
    head = ["score", *(title for title, _ in columns), "meaning"]
    return table("Scores of the model and of the baseline", head, rows, "sentences")


def _describe_scored_rows(report: Report, is_complete):
    """Return what the scores were computed on, and what the baseline is."""
    record, scores, test = report.record, report.record.scores, report.record.test_scores
    rows = plural(scores.rows, "row")
    text = f"The scores come from {rows} that the networks did not train on. "
    if is_complete:
        text = f"Each of the {rows} was predicted by networks that did not train on it. "
    text += "These scores are slightly optimistic, because the best epochs are chosen on the same rows. "
    if test:
        text += f"Nothing was chosen by the {plural(test.rows, 'row')} of the test. "
    if record.weight is not None:
        text += f"Rows count by their weights, the column {printable(record.weight, 60)!r}. "
    if report.is_number:
        text += "The baseline predicts the mean of the target, and the median for the mean absolute error"
        return text + (", of each block of time, as R² does." if record.time is not None else ".")
    return text + (
        "The baseline knows only how frequent the classes are. "
        f"The model is wrong in {scores.wrong:,} of {rows} "
        f"({format_share(scores.wrong / scores.rows)})."
    )


def _class_table(classes):
    caption, shown = keep_first(
        "Scores of each class against the others",
        classes,
        MAX_CLASSES,
        ": {} of {} classes, lowest F1 first",
        worst_first,
    )
    keys = ("precision", "recall", "f1", "auc")
    rows = [
        [name(c["class"]), f"{c['rows']:,}", *(format_score(key, c[key]) for key in keys)]
        for c in shown
    ]
    return table(caption, ["class", "#rows", "#precision", "#recall", "#F1", "#AUC"], rows)


# ---- baselines ----


def baselines_section(report: Report):
    """Return the section with the scores of other models, None without --baselines."""
    found = report.record.baselines
    left_out = describe_not_trained(found) if found else ""
    if found is None or (len(found.models) < 2 and not left_out):
        return None
    models, label, tables = found.models, LABELS[found.metric], []
    if len(models) > 1:
        own = report.record.seconds
        times = [format_duration(own if m["seconds"] is None else m["seconds"]) for m in models]
        tables = [_baseline_table(f"{label} on the same folds", label, models, "", times)]
        if "test_score" in models[0]:
            tables.append(
                _baseline_table(f"{label} on the rows of the test", label, models, "test_")
            )
    return section(
        "baselines",
        "Baselines",
        verdicts=f"{describe_verdicts(models, report.record.model.kinds)} {ADVANTAGE}"
        if tables
        else None,
        tables=tables,
        left_out=left_out,
        not_installed=", ".join(found.not_installed),
    )


def _baseline_table(caption, label, models, prefix, times=()):
    head = ["model", f"#{label}", "#standard error", "#worse by", "#standard error"]
    rows = [[name(m["name"]), *row] for m, row in zip(models, score_cells(models, prefix))]
    for row, time in zip(rows, times):
        row.append(time)
    return table(caption, [*head, "#time"][: len(rows[0])], rows)


# ---- predicted numbers ----


def errors_section(report: Report):
    """Return the section with charts of predictions and errors."""
    y, P = report.y, report.P
    half, most = map(format_error, np.quantile(np.abs(y - P), (0.5, 0.9)).tolist())
    rows, drawn = np.arange(len(y)), ""
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


def intervals_section(report: Report):
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
    head = ["interval", "#median width", "#width of most rows", "#of the range", "#rows inside"]
    return section(
        "intervals",
        "Intervals",
        n_rows=plural(len(sample), "training row"),
        is_checked=shares[0] is not None,
        widths=table("Width of the intervals", head[: len(rows[0])], rows),
    )


# ---- predicted classes ----


def classes_section(report: Report):
    """Return the section with the confusion matrix and the charts of the probabilities."""
    record = report.record
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
    why = f" {explain_thresholds(record)}" if record.model.threshold_rule else ""
    return f"{text[0].upper()}{text[1:]}.{why}"


def _confusion_matrix(labels, confusion):
    totals = confusion.sum(axis=1)
    caption, order = keep_first(
        "Confusion matrix",
        range(len(labels)),
        MAX_CLASSES,
        " of the {} most frequent of {} classes",
        lambda i: -totals[i],
    )
    names = [printable(name(labels[i]), MAX_NAME) for i in order]
    rows = [
        (text, [(f"{n:,}", f"{n / max(1, totals[i]):.2f}", n == 0) for n in confusion[i, order]])
        for text, i in zip(names, order)
    ]
    is_vertical = max(map(len, names)) > MAX_FLAT_NAME
    return {"caption": caption, "names": names, "is_vertical": is_vertical, "rows": rows}


def _confusion_list(labels, confusion):
    errors = confusion - np.diag(np.diag(confusion))
    if len(labels) < MIN_CLASSES_OF_LIST or not errors.any():
        return None
    order = np.argsort(-errors, axis=None, kind="stable")[:MAX_CONFUSIONS]
    pairs = zip(*np.unravel_index(order, errors.shape))
    rows = [
        [name(labels[i]), name(labels[j]), f"{errors[i, j]:,}"] for i, j in pairs if errors[i, j]
    ]
    return table("Most frequent confusions", ["true class", "predicted", "#rows"], rows)


def _curves(report: Report):
    """Return the colours of classes in the charts of the probabilities, if these have no legend, and
    the charts; none if all held-out rows are of one class."""
    labels = np.array(report.record.classes)
    if len(np.unique(report.y)) < 2:
        return {}, []
    y, P = labels[report.y], report.P
    is_binary = len(labels) == 2
    what = f"class {name(labels[1])}" if is_binary else "a class"
    event = f"{what} is true" if is_binary else "the predicted class is right"
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
            f"For each threshold: the share of the rows of {what} that are above it, and that of "
            "the other rows. The closer to the upper left, the better. The diagonal is guessing.",
            curves(plotting.plot_roc),
            SIZE,
        ),
        chart(
            "precision-recall",
            "Precision and recall",
            f"For each threshold: the share of the rows above it that are of {what}, and the share "
            "of its rows that are above it. The closer to the upper right, the better.",
            curves(plotting.plot_precision_recall),
            SIZE,
        ),
        chart(
            "reliability",
            "Reliability",
            f"How often {event}, by its probability. On the diagonal, events of probability 0.8 "
            "happen in 80 % of the rows.",
            lambda ax: plotting.plot_reliability(y, P, ax, labels=labels),
            SIZE,
        ),
    ]
    return colors, figures


# ---- thresholds of two classes ----


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


def thresholds_section(report: Report):
    """Return the section, None for numbers, for other numbers of classes, and for one class."""
    labels = report.record.classes
    if labels is None or len(labels) != 2 or len(np.unique(report.y)) < 2:
        return None
    own, label = report.record.model.threshold, name(labels[1])
    current = 0.5 if own is None else own
    rows = []
    for threshold in sorted({*THRESHOLDS, current}):
        scores = score_threshold(report.y, report.P[:, 1], threshold, report.weight)
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
        chart=_threshold_chart(report, label, current),
    )


def _threshold_chart(report: Report, label, current):
    thresholds = np.linspace(0, 1, N_POINTS)
    found = [score_threshold(report.y, report.P[:, 1], t, report.weight) for t in thresholds]

    def draw(ax):
        for curve, color in CURVES.items():
            values = np.array([getattr(scores, curve.lower()) for scores in found], float)
            ax.plot(thresholds, values, color=color)
        ax.axvline(current, color=plotting.GREY, linestyle=":", linewidth=1.2)
        ax.set(xlabel="threshold", xlim=(0, 1), ylim=(0, 1.02))

    return chart(
        "threshold-curves",
        "Scores by threshold",
        f"Precision, recall and F1 of {label}. The dotted line is the threshold of the model.",
        draw,
        (5.2, 3.2),
    )

"""The sections about the scores: key figures, and scores beside those of the baseline."""

import itertools
from typing import Any

import numpy as np

from ...core.messages import plural, printable
from ...web.templates import table
from ..last_block import describe_last_block
from ..record import LABELS, TrainingRecord
from ..table_facts import format_share
from ..text_layout import format_error, format_number
from ..text_report import (
    explain_no_better,
    format_score,
    is_better_than_baseline,
    shown_scores,
    worst_first,
)
from .elements import name, section

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
MAX_CLASSES = 20  # with scores of their own


def headline(report):
    """Return the most important score beside that of the baseline, as a sentence."""
    record: TrainingRecord = report.record
    scores, name = record.scores, record.scores.metric
    values: dict[str, Any] = scores.values
    baseline: dict[str, Any] = scores.baseline
    if name not in (None, "accuracy", "mae") and values[name] is not None:
        texts = format_score(name, values[name]), format_score(name, baseline[name])
        return f"Its {label_of(name)} on held-out rows is {texts[0]}, the baseline's {texts[1]}."
    if not report.is_number:
        right = f"{100 * values['accuracy']:.1f} %"
        return f"It is right in {right} of held-out rows, the baseline in {100 * baseline['accuracy']:.1f} %."
    mae, baseline_mae = format_error(values["mae"]), format_error(baseline["mae"])
    return f"Its mean absolute error on held-out rows is {mae}, the baseline's {baseline_mae}."


def key_figures(report):
    """Return the figures at the top of the page: pairs of a figure and what it is."""
    record: TrainingRecord = report.record
    scores = record.scores
    usual = ("r2", "mae") if report.is_number else ("accuracy", "balanced_accuracy", "auc")
    keys = dict.fromkeys((scores.metric, *usual))
    known = (key for key in keys if key is not None and scores.values.get(key) is not None)
    figures = [
        (
            format_score(key, scores.values[key]),
            f"{label_of(key)} (baseline {format_score(key, scores.baseline[key])})",
        )
        for key in itertools.islice(known, 3)
    ]
    if report.is_number:
        figures.append((format_number(float(np.std(report.y))), "standard deviation of the target"))
    used, rows = len(record.model.kinds), record.rows - record.test_rows
    figures.append((f"{rows:,} x {used:,}", "training rows and columns"))
    return figures


def label_of(name):
    """Return the name of a score on the page."""
    return SYMBOLS.get(name, LABELS[name])


def scores_section(report):
    """Return the section with the scores on held-out rows and on those of the test."""
    record: TrainingRecord = report.record
    scores, test = record.scores, record.test_scores
    is_complete = scores.rows == record.rows - record.test_rows
    where = "out of fold" if is_complete else "held out"
    head = ["score", f"#model, {where}", "#baseline"]
    if test:
        head += ["#model, test", "#baseline, test"]
    last = record.last_block
    if last:
        head.append("#model, last block")
    rows = []
    for key in shown_scores(scores):
        if scores.values[key] is None and (not test or test.values[key] is None):
            continue
        cells = [
            format_score(key, values[key])
            for part in (scores, test)
            if part
            for values in (part.values, part.baseline)
        ]
        cells += [format_score(key, last.scores.values[key])] if last else []
        rows.append([label_of(key), *cells, MEANINGS[key]])
    return section(
        "scores",
        "Scores",
        text=_describe(report, is_complete),
        last_block=describe_last_block(last) if last else None,
        no_better=None if is_better_than_baseline(scores) else explain_no_better(record),
        scores=table(
            "Scores of the model and of the baseline", [*head, "meaning"], rows, "sentences"
        ),
        classes=None if scores.classes is None else _class_table(scores.classes),
    )


def _describe(report, is_complete):
    """Return what the scores were computed on, and what the baseline is."""
    record: TrainingRecord = report.record
    scores, test = record.scores, record.test_scores
    rows = plural(scores.rows, "row")
    text = (
        f"Each of the {rows} was predicted by networks that did not train on it. "
        if is_complete
        else f"The scores come from {rows} that the networks did not train on. "
    )
    text += "These scores are slightly optimistic, because the best epochs are chosen on the same rows. "
    if test:
        text += f"Nothing was chosen by the {plural(test.rows, 'row')} of the test. "
    if record.weight is not None:
        weight = printable(record.weight, 60)
        text += f"Rows count by their weights, the column {weight!r}. "
    if report.is_number:
        text += "The baseline predicts the mean of the target, and the median for the mean absolute error"
        is_forward = record.time is not None
        return text + (", of each block of time, as R² does." if is_forward else ".")
    text += "The baseline knows only how frequent the classes are. "
    return text + (
        f"The model is wrong in {scores.wrong:,} of {rows} "
        f"({format_share(scores.wrong / scores.rows)})."
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

"""The sections with the scores beside those of the baseline."""

from ...core.messages import plural
from ..report import explain_no_better, format_error, is_better_than_baseline
from .columns import format_share
from .elements import name, paragraph, section, table

MAX_CLASSES = 20
CLASSES = (
    ("accuracy", "accuracy", "share of the rows whose class is right"),
    ("balanced_accuracy", "balanced accuracy", "mean recall: each class counts the same"),
    ("log_loss", "log-loss", "0 is best; sure and wrong costs most"),
    ("auc", "AUC", "how well probabilities order the rows; 0.5 is guessing"),
)
NUMBERS = (
    ("r2", "R²", "share of the variance that is explained; 1 is best"),
    ("rmse", "RMSE", "root of the mean squared error, in units of the target"),
    ("mae", "mean absolute error", "in units of the target; less sensitive to outliers"),
)


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
    for key, label, meaning in NUMBERS if report.is_number else CLASSES:
        if scores[key] is None and (not test or test[key] is None):
            continue
        cells = [_format(key, part) for part in (scores, test) if part]
        rows.append([label, *(cell for pair in cells for cell in pair), meaning])
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


def _format(key, scores):
    """Return a score of the model and of the baseline as texts."""
    write = format_error if key in ("rmse", "mae") else "{:.3f}".format
    return ["-" if x is None else write(x) for x in (scores[key], scores["baseline"][key])]


def _class_table(classes):
    shown, caption = classes, "Scores of each class against the others"
    if len(classes) > MAX_CLASSES:
        shown = sorted(classes, key=lambda c: c["f1"])[:MAX_CLASSES]
        caption += f": {MAX_CLASSES} of {len(classes):,} classes, lowest F1 first"
    rows = [
        [
            name(c["class"]),
            f"{c['rows']:,}",
            *(f"{c[key]:.3f}" for key in ("precision", "recall", "f1")),
            "-" if c["auc"] is None else f"{c['auc']:.3f}",
        ]
        for c in shown
    ]
    return table(caption, ["class", "#rows", "#precision", "#recall", "#F1", "#AUC"], rows)


def headline(report):
    """Return the most important score beside that of the baseline, as a sentence."""
    scores = report.record["scores"]
    baseline = scores["baseline"]
    if not report.is_number:
        right = f"{100 * scores['accuracy']:.1f} %"
        return f"It is right in {right} of held-out rows, the baseline in {100 * baseline['accuracy']:.1f} %."
    mae, of_baseline = format_error(scores["mae"]), format_error(baseline["mae"])
    return f"Its mean absolute error on held-out rows is {mae}, the baseline's {of_baseline}."

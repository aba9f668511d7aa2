"""The text of a training: the table and the scores of the model.

The functions take the training record of a model, a dict that JSON can hold, and yield lines of at
most 80 columns.
"""

import shlex
import textwrap

from ..core.messages import plural, printable
from ..tabular.columns.column_kinds import KINDS
from .display import format_duration

WIDTH = 80
LABEL = 12  # columns of the labels on the left
MAX_NAMES = 30  # of columns in one paragraph
MAX_CLASSES = 12
MAX_IMPORTANT = 8
MAX_WARNINGS = 10
NAME = 24  # characters of a name in a table
REASON = 400  # characters of a reason
#: Names of the scores that --tune compares.
METRICS = {"log_loss": "log-loss", "rmse": "RMSE", "mae": "mean absolute error",
           "poisson_deviance": "Poisson deviance"}  # fmt: skip
UNBROKEN = "\N{NO-BREAK SPACE}"


def format_table(record):
    """Yield lines that describe the table and the target, before training."""
    rows, columns = plural(record["rows"], "row"), plural(record["columns"], "column")
    more = f", {record['test_rows']:,} for the test" if record["test_rows"] else ""
    yield f"{short_path(record['data'])}: {rows}{more}, {columns}"
    yield from paragraph("target", f"{printable(record['target'])}: {describe_target(record)}")
    if record["sample"]:
        yield from paragraph("sample", record["sample"])


def describe_target(record):
    """Return the task and the classes as text."""
    if record["task"] == "number":
        return "a number"
    labels = record["classes"]
    names = ", ".join(printable(label, 20) for label in labels[:6])
    names += ", ..." if len(labels) > 6 else ""
    n = {1: "one class", 2: "two classes"}.get(len(labels), f"{len(labels):,} classes")
    return f"{n} ({names})"


def format_columns(record):
    """Yield lines that say what the columns were taken for, and which were left out and why."""
    for kind, column in KINDS.items():
        names = [name for name, other in record["kinds"].items() if other == kind]
        if names:
            yield from paragraph(column.argument, list_names(names))
    by_reason: dict = {}
    for name, reason in record["left_out"].items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        yield from paragraph("left out", f"{list_names(names)}: {printable(reason, REASON)}")
    if record.get("split"):
        yield from paragraph("split", printable(record["split"], REASON))


def format_data_checks(record):
    """Yield lines about columns and rows that may be wrong."""
    for check in record["data_checks"][:MAX_WARNINGS]:
        yield from paragraph("warning", check["text"])
    more = len(record["data_checks"]) - MAX_WARNINGS
    if more > 0:
        yield from paragraph("", f"... and {plural(more, 'warning')} more (--json lists all)")


def format_saved(record, out, n_bytes):
    """Yield lines about the model file."""
    folds, networks = plural(record["folds"], "fold"), plural(record["networks"], "network")
    hidden, took = ",".join(map(str, record["hidden"])), format_duration(record["seconds"])
    yield f"{folds}, {networks} with hidden layers {hidden}; trained in {took}"
    yield f"Saved {out} ({n_bytes / 1000:,.0f} kB). To predict with it:"
    data = "NEW.csv" if record["data"] == "-" else shlex.quote(record["data"])
    yield f"  fastnn predict {shlex.quote(out)} {data}"


def format_tuning(record):
    """Yield lines about the settings that --tune tried."""
    tuning = record["tuning"]
    if tuning is None:
        return
    yield ""
    yield f"{'settings tried':<34}{'folds':>9}{METRICS[tuning['metric']]:>21}"
    for tried in tuning["tried"]:
        score = (
            f"{tried['score']:.4f}"
            if tuning["metric"] == "log_loss"
            else format_error(tried["score"])
        )
        yield f"  {tried['options']:<32}{tried['folds']:>9}{score:>21}"


def format_interrupted(record, out):
    """Yield lines about a training that Ctrl-C has stopped."""
    done, left = record["folds"], record["folds_left"]
    tuning = record["tuning"]
    if left == 0:
        what = "the best model so far" if tuning else f"all {done} folds"
        yield f"Interrupted: {out} holds {what}."
        return
    yield f"Interrupted: {out} holds the {done} of {done + left} folds that are done."
    if tuning is None:
        yield "To train the others, repeat the command with --resume."
    else:
        options = tuning["tried"][-1]["options"]
        yield f"To train the others, repeat the command with {options} --resume"
        yield "instead of --tune."


def format_results(record):
    """Yield lines with the scores, what the model uses, and which rows look wrong."""
    n = record["scores"]["rows"]
    where = (
        "out of fold"
        if n == record["rows"] - record["test_rows"]
        else f"{plural(n, 'row')} held out"
    )
    yield from format_scores(record["scores"], where)
    if not is_better_than_baseline(record["scores"]):
        yield ""
        yield from textwrap.wrap(explain_no_better(record), WIDTH)
    if record["test_scores"]:
        yield ""
        n = record["test_scores"]["rows"]
        yield from format_scores(record["test_scores"], f"on {plural(n, 'row')} of the test")
    yield from format_importances(record)
    yield from format_label_issues(record)


# ---- scores ----


def format_scores(scores, where):
    """Yield a table of scores beside those of the baseline, and the classes."""
    if "classes" in scores:
        yield from _format_class_scores(scores, where)
    else:
        yield from _format_number_scores(scores, where)


def _format_number_scores(scores, where):
    baseline = scores["baseline"]
    yield f"{where:<26}{'model':>12}{'baseline':>12}"
    r2 = "-" if scores["r2"] is None else f"{scores['r2']:.3f}"
    yield f"{'R2':<26}{r2:>12}{'0.000':>12}"
    for name, label in (("rmse", "RMSE"), ("mae", "mean absolute error")):
        values = f"{format_error(scores[name]):>12}{format_error(baseline[name]):>12}"
        yield f"{label:<26}{values}"


def _format_class_scores(scores, where):
    baseline = scores["baseline"]
    yield f"{where:<26}{'model':>12}{'baseline':>12}"
    for name, label in (
        ("accuracy", "accuracy"),
        ("balanced_accuracy", "balanced accuracy"),
        ("log_loss", "log-loss"),
        ("auc", "AUC"),
    ):
        if scores[name] is None:
            continue
        more = ""
        if name == "accuracy":
            more = f"   {scores['wrong']:,} of {scores['rows']:,} wrong"
        yield f"{label:<26}{scores[name]:>12.3f}{baseline[name]:>12.3f}{more}"
    yield ""
    yield from _format_classes(scores["classes"])
    yield ""
    labels = [c["class"] for c in scores["classes"]]
    yield from _format_confusion(labels, scores["confusion"])


def _format_classes(classes):
    shown = classes
    if len(classes) > MAX_CLASSES:
        shown = sorted(classes, key=lambda c: c["f1"])[:MAX_CLASSES]
        yield f"{MAX_CLASSES} of {len(classes):,} classes, lowest F1 first (--json lists all)"
    yield f"{'class':<{NAME}}{'rows':>10}{'precision':>12}{'recall':>10}{'F1':>10}"
    for c in shown:
        yield (
            f"{printable(c['class'], NAME - 2):<{NAME}}{c['rows']:>10,}{c['precision']:>12.3f}"
            f"{c['recall']:>10.3f}{c['f1']:>10.3f}"
        )


def _format_confusion(labels, confusion):
    """Yield the confusion matrix, or the most frequent confusions if it has too many columns."""
    largest = max(max(row) for row in confusion)
    names = [printable(label, 10) for label in labels]
    width = 2 + max(len(f"{largest:,}"), *map(len, names))
    first = max(len("true"), *map(len, names))
    if len(labels) > MAX_CLASSES or first + width * len(labels) > WIDTH:
        yield from _format_confusions(labels, confusion)
        return
    yield f"{'true':<{first}}{'predicted':>{max(width, 11)}}"
    yield " " * first + "".join(f"{name:>{width}}" for name in names)
    for name, row in zip(names, confusion):
        yield f"{name:<{first}}" + "".join(f"{n:>{width},}" for n in row)


def _format_confusions(labels, confusion):
    pairs = [
        (n, labels[i], labels[j])
        for i, row in enumerate(confusion)
        for j, n in enumerate(row)
        if i != j and n
    ]
    if not pairs:
        return
    yield "most frequent confusions"
    for n, true, predicted in sorted(pairs, key=lambda p: -p[0])[:5]:
        yield f"  {printable(true, NAME)} taken for {printable(predicted, NAME)}: {n:,}"


def is_better_than_baseline(scores):
    """Return whether R2 is above 0, or any score of classes is better than that of the baseline."""
    if "classes" not in scores:
        return scores["r2"] is None or scores["r2"] > 0
    baseline = scores["baseline"]
    return (
        scores["log_loss"] < baseline["log_loss"]
        or scores["balanced_accuracy"] > baseline["balanced_accuracy"]
        or scores["accuracy"] > baseline["accuracy"]
    )


def explain_no_better(record):
    """Return a sentence for a model that is no better than the baseline."""
    why = "the columns may not contain enough information about the target"
    if record["time_limit"] is not None:
        why = "--time-limit may be too short, or " + why
    return f"The model is no better than the baseline: {why}."


# ---- columns and rows ----


def format_importances(record):
    """Yield lines with the permutation importances."""
    top = sorted(record["importances"].items(), key=lambda item: -item[1])
    top = [(name, value) for name, value in top if value > 0][:MAX_IMPORTANT]
    if not top:
        return
    yield ""
    yield "permutation importance (increase of the loss)"
    for name, value in top:
        yield f"  {printable(name, 40):<42}{value:>8.3f}"


def format_label_issues(record):
    """Yield lines with the rows whose target is the least likely."""
    issues = record["label_issues"]
    if not issues:
        return
    yield ""
    if record["classes"] is None:
        yield "rows to check (the prediction is far from the target, which may be wrong)"
        yield f"  {'place':<16}{'target':>14}{'predicted':>14}"
        for s in issues:
            target, predicted = format_number(s["given"]), format_number(s["predicted"])
            yield f"  {printable(s['place']):<16}{target:>14}{predicted:>14}"
        return
    yield "rows to check (the target is improbable, so it may be wrong)"
    yield f"  {'place':<16}{'target':<{NAME}}{'probability':>11}   predicted"
    for s in issues:
        target, predicted = printable(s["given"], NAME - 2), printable(s["predicted"], NAME - 2)
        yield f"  {printable(s['place']):<16}{target:<{NAME}}{s['probability']:>11.2g}   {predicted}"


# ---- parts ----


def paragraph(label, text):
    """Return lines of text with a label on the left."""
    lines = textwrap.wrap(
        f"{label:<{LABEL}}{text}", WIDTH, subsequent_indent=" " * LABEL, break_on_hyphens=False
    )
    return [line.replace(UNBROKEN, " ") for line in lines]


def short_path(path, maximum=40):
    """Return a path, without its beginning if it is long."""
    path = "standard input" if path == "-" else printable(path, 1000)
    return path if len(path) <= maximum else "..." + path[3 - maximum :]


def list_names(names):
    """Join the first names of columns with commas. Lines do not break within a name."""
    more = f", ... ({len(names) - MAX_NAMES:,} more)" if len(names) > MAX_NAMES else ""
    shown = (printable(name, NAME).replace(" ", UNBROKEN) for name in names[:MAX_NAMES])
    return ", ".join(shown) + more


def format_number(x):
    """Return a number with up to four digits, or all digits before the decimal point."""
    return f"{x:,.0f}" if 1000 <= abs(x) < 1e9 else f"{x:.4g}"


def format_error(x):
    """Return a number with four digits, or all digits before the decimal point."""
    return f"{x:#.4g}" if 0.001 <= x < 1000 else format_number(x)

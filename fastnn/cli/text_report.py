"""The text of a training: the table, the scores of the model, and the baselines.

The functions take the training record of a model, or a part of it, and yield lines of at most 80
columns, and of 40 on a terminal that is as narrow.
"""

import math
import shlex
from dataclasses import replace
from typing import Any

from ..core.messages import format_share, join, join_all, plural, printable
from ..tabular.columns import KINDS
from ..tabular.columns.text import Text
from .console import (
    NAME,
    choose_columns,
    format_error,
    format_number,
    list_names,
    paragraph,
    short_path,
    shorten,
    table_line,
    terminal_width,
    wrap,
    wrap_command,
)
from .progress import format_duration
from .record import (
    LABELS,
    METRICS,
    Baselines,
    LastBlock,
    ModelDescription,
    Scores,
    TrainingRecord,
    TrainingSetup,
    Tuning,
)

MAX_CLASSES = 12
MAX_IMPORTANT = 8
MAX_WARNINGS = 10
REASON = 400  # characters of a reason
#: Scores that are always shown, and those that are shown if the model is to be good at them.
USUAL = "accuracy", "balanced_accuracy", "log_loss", "auc", "r2", "rmse", "mae"
DETAILED = "rmse", "mae", "pinball", "cost", "poisson_deviance"  # in units of the target


def format_table(setup: TrainingSetup):
    """Yield lines that describe the table and the target, before training."""
    rows, columns = plural(setup.rows, "row"), plural(setup.columns, "column")
    more = f", {setup.test_rows:,} for the test" if setup.test_rows else ""
    yield from wrap(f"{short_path(setup.data)}: {rows}{more}, {columns}")
    target = f"{printable(setup.target)}: {describe_target(setup.classes)}"
    yield from paragraph("target", target)
    if setup.sample:
        yield from paragraph("sample", setup.sample)


def describe_target(labels):
    """Return the classes as text. labels : list of str, or None for numbers"""
    if labels is None:
        return "a number"
    names = ", ".join(printable(label, 20) for label in labels[:6])
    names += ", ..." if len(labels) > 6 else ""
    n = {1: "one class", 2: "two classes"}.get(len(labels), f"{len(labels):,} classes")
    return f"{n} ({names})"


def format_columns(model: ModelDescription, labels):
    """Yield lines that say what the columns were taken for, and which were left out and why.

    labels : list of str, or None for numbers
    """
    for kind, column in KINDS.items():
        names = [name for name, other in model.kinds.items() if other == kind]
        if names:
            yield from paragraph(column.argument, list_names(names))
    by_reason: dict = {}
    for name, reason in model.left_out.items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        yield from paragraph("left out", f"{list_names(names)}: {printable(reason, REASON)}")
    yield from format_monotone(model, labels)
    if model.split:
        yield from paragraph("split", printable(model.split, REASON))


def format_monotone(model: ModelDescription, labels):
    """Yield lines that say which columns predictions are monotone in, and how that is known."""
    what = "the prediction" if labels is None else f"the probability of {printable(labels[-1], 20)}"
    for sign, verb in ((1, "falls"), (-1, "rises")):
        names = [name for name, other in model.monotone.items() if other == sign]
        if names:
            text = f"{what} never {verb} as these grow: {list_names(names)}"
            yield from paragraph("monotone", text)
    if model.monotone:
        yield from paragraph(
            "",
            f"checked in {plural(model.networks, 'network')}: the weights bound the sign of the derivative "
            "for all rows",
        )


def format_data_checks(setup: TrainingSetup):
    """Yield lines about columns and rows that may be wrong."""
    for check in setup.data_checks[:MAX_WARNINGS]:
        yield from paragraph("warning", check.text)
    more = len(setup.data_checks) - MAX_WARNINGS
    if more > 0:
        yield from paragraph("", f"... and {plural(more, 'warning')} more (--json lists all)")


def format_saved(record: TrainingRecord, out, n_bytes):
    """Yield lines about the model file."""
    folds, networks = plural(record.model.folds, "fold"), plural(record.model.networks, "network")
    hidden, took = ",".join(map(str, record.model.hidden)), format_duration(record.seconds)
    yield from wrap(f"{folds}, {networks} with hidden layers {hidden}; trained in {took}")
    yield from wrap(f"Saved {out} ({n_bytes / 1000:,.0f} kB). To predict with it:")
    data = "NEW.csv" if record.data == "-" else shlex.quote(record.data)
    yield from wrap_command(f"fastnn predict {shlex.quote(out)} {data}")


def format_tuning(tuning: Tuning | None):
    """Yield lines about the settings that --tune tried."""
    if tuning is None:
        return
    yield ""
    widths = choose_columns((34, 9, 21), (21, 6, 13))
    label = printable(LABELS[tuning.metric], widths[2] - 1)
    yield table_line(widths, "settings tried", "folds", label)
    for tried in tuning.tried:
        score = format_score(tuning.metric, tried["score"], 4)
        text = printable(tried["options"], widths[0] - 3)
        yield table_line(widths, f"  {text}", tried["folds"], score)
    yield from wrap(describe_decision(tuning))


def describe_decision(tuning: Tuning):
    """Return a sentence about the settings that --tune has chosen, and why."""
    decision = tuning.decision
    if decision is None:
        return "The default settings are kept: no other ones are better where they were tried."
    rows = plural(decision.rows, "row")
    if decision.gain is None or decision.error is None:
        return f"The default settings are kept: the score is undefined for {rows}."
    found = f"{format_number(decision.gain)} +/- {format_number(decision.error)}"
    gain = f"the gain of {decision.options} is {found} on {rows} that did not choose"
    if decision.is_chosen:
        return f"Other settings are chosen: {gain}."
    return f"The default settings are kept: {gain}, not above two standard errors."


def format_interrupted(record: TrainingRecord, out):
    """Yield lines about a training that Ctrl-C has stopped."""
    tuning = record.tuning
    if record.model.folds_left == 0:
        what = "the best model so far" if tuning else f"all {record.model.folds} folds"
        yield f"Interrupted: {out} holds {what}."
        return
    yield f"Interrupted: {out} holds {record.model.kept}."
    if tuning is None:
        yield "To train the rest, repeat the command with --resume."
    else:
        options = tuning.tried[-1]["options"]
        yield f"To train the rest, repeat the command with {options} --resume"
        yield "instead of --tune."


def format_results(record: TrainingRecord):
    """Yield lines with the scores."""
    n, is_weighted = record.scores.rows, record.weight is not None
    if n == record.rows - record.test_rows:
        where = "out of fold"
    else:  # all of it is to fit in a column
        where = f"{n:,} held out" if is_weighted else f"{plural(n, 'row')} held out"
    if record.model.threshold_rule:
        threshold = describe_threshold(record.model, record.classes)
        text = f"{threshold}. {explain_thresholds(record)}"
        yield from paragraph("threshold", text)
        yield ""
    where += ", weighted" if is_weighted else ""
    yield from format_scores(record.scores, where, weighted_score(record))
    if not is_better_than_baseline(record.scores):
        yield ""
        yield from wrap(explain_no_better(record))
    if record.test_scores is not None:
        yield ""
        n = record.test_scores.rows
        yield from format_scores(record.test_scores, f"on {plural(n, 'row')} of the test")


def describe_threshold(model: ModelDescription, labels):
    """Return from which probability the second class is predicted, and why."""
    label, threshold, rule = printable(labels[1]), model.threshold, None
    kind, _, costs = (model.threshold_rule or "").partition(":")
    if kind == "f1":
        rule = "for the highest F1"
    elif kind:
        missed, _, false = costs.partition(",")
        rule = f"a missed {label} costs {missed}, a false alarm {false}"
    text = f"predicts {label} if its probability is at least {threshold:.4g}"
    return text if rule is None else f"{text} ({rule})"


def explain_thresholds(record: TrainingRecord):
    """Return how a threshold that training chose is scored."""
    whose = "the other folds" if record.model.folds > 1 else "other held-out rows"
    if record.time is not None:
        whose = "earlier rows"
    return f"The scores of a held-out row use a threshold that {whose} chose."


# ---- scores ----


def weighted_score(record: TrainingRecord):
    """Return name and value of a metric with the weights of classes, None if it has none."""
    metric, score = record.scores.metric, record.model.oof_score
    shown = None if metric is None else record.scores.values[metric]
    if shown is None or score is None or math.isclose(shown, score, rel_tol=1e-6):
        return None
    return record.model.oof_score_name, format_score(metric, score)


def format_scores(scores: Scores, where, weighted=None):
    """Yield a table of scores beside those of the baseline, and the classes.

    weighted : (str, str), optional
        Name and value of the score by which the configurations were chosen, if classes have weights.
    """
    widths = choose_columns((26, 12, 12), (21, 10, 9))
    yield table_line(widths, printable(where, widths[0]), "model", "baseline")
    for name in shown_scores(scores):
        if scores.values[name] is None and name not in (scores.metric, "r2"):
            continue
        both = [format_score(name, x.get(name)) for x in (scores.values, scores.baseline)]
        line = table_line(widths, LABELS[name], *both)
        if name == "accuracy":
            more = f"   {scores.wrong:,} of {scores.rows:,} wrong"
            if len(line + more) > terminal_width():
                yield line
                line = ""
            line += more
        yield line
        if weighted and name == scores.metric:
            yield table_line(widths, printable(weighted[0], widths[0] + 2), weighted[1])
    if scores.classes is not None:
        yield ""
        yield from _format_classes(scores.classes)
        yield ""
        labels = [c["class"] for c in scores.classes]
        yield from _format_confusion(labels, scores.confusion)


def shown_scores(scores: Scores):
    """Return the names of the scores to show: what the model is to be good at, and the usual ones."""
    names = [scores.metric, "cost", *USUAL]
    return list(dict.fromkeys(name for name in names if name in scores.values))


def format_score(name, value, digits=3):
    """Return a score as a text."""
    if value is None:
        return "-"
    if name == "mape":
        return f"{100 * value:.1f} %"
    if name in DETAILED:
        return format_error(value)
    return f"{round(value, digits) + 0.0:.{digits}f}"  # -0.0 + 0.0 is 0.0


def _format_classes(classes):
    shown = classes
    if len(classes) > MAX_CLASSES:
        shown = sorted(classes, key=worst_first)[:MAX_CLASSES]
        yield from wrap(
            f"{MAX_CLASSES} of {len(classes):,} classes, lowest F1 first (--json lists all)"
        )
    widths = choose_columns((NAME, 10, 12, 10, 10), (10, 6, 10, 7, 7))
    yield table_line(widths, "class", "rows", "precision", "recall", "F1")
    for found in shown:
        name, rows = printable(found["class"], widths[0] - 2), f"{found['rows']:,}"
        cells = [format_score(key, found[key]) for key in ("precision", "recall", "f1")]
        yield table_line(widths, name, rows, *cells)


def worst_first(scores_of_class):
    """Return a key that sorts classes by F1, the larger ones first; those without rows are last."""
    f1 = scores_of_class["f1"]
    return math.inf if f1 is None else f1, -scores_of_class["rows"]


def _format_confusion(labels, confusion):
    """Yield the confusion matrix, or the most frequent confusions if it has too many columns."""
    largest = max(max(row) for row in confusion)
    names = [printable(label, 10) for label in labels]
    cell = 2 + max(len(f"{largest:,}"), *map(len, names))
    first = max(len("true"), *map(len, names))
    if len(labels) > MAX_CLASSES or first + cell * len(labels) > terminal_width():
        yield from _format_confusions(labels, confusion)
        return
    yield f"{'true':<{first}}{'predicted':>{max(cell, 11)}}"
    yield " " * first + "".join(f"{name:>{cell}}" for name in names)
    for name, row in zip(names, confusion):
        yield f"{name:<{first}}" + "".join(f"{n:>{cell},}" for n in row)


def _format_confusions(labels, confusion):
    pairs = [
        (n, labels[i], labels[j])
        for i, row in enumerate(confusion)
        for j, n in enumerate(row)
        if i != j and n
    ]
    if not pairs:
        return
    most = min(NAME, (terminal_width() - 22) // 2)
    yield "most frequent confusions"
    for n, true, predicted in sorted(pairs, key=lambda p: -p[0])[:5]:
        yield f"  {printable(true, most)} taken for {printable(predicted, most)}: {n:,}"


def is_better_than_baseline(scores: Scores):
    """Return whether R2 is above 0, or any score of classes is better than that of the baseline; or
    the score that the model is to be good at."""
    names, r2 = [scores.metric], scores.values.get("r2")
    if scores.classes is not None:
        names += ["log_loss", "balanced_accuracy", "accuracy"]
    elif r2 is None or r2 > 0:
        return True
    metrics = [METRICS[name] for name in names if name in METRICS]
    found = [(m, scores.values[m.name], scores.baseline.get(m.name)) for m in metrics]
    return any(m.drop(x, other) > 0 for m, x, other in found if None not in (x, other))


def explain_no_better(setup: TrainingSetup):
    """Return a sentence for a model that is no better than the baseline."""
    why = "the columns may not contain enough information about the target"
    if setup.time_limit is not None:
        why = "--time-limit may be too short, or " + why
    return f"The model is no better than the baseline: {why}."


# ---- columns and rows ----


def format_importances(model: ModelDescription):
    """Yield lines with the permutation importances: shares of the sum, and the drops of the score."""
    top, drops = important_columns(model)[:MAX_IMPORTANT], format_drops(model)
    if not top:
        return
    yield ""
    more = max(0, len(model.drop_name) - 30) if drops else 0
    widths = choose_columns((36 - more, 9, 32 + more), (15, 8, 17))
    title = "permutation importance" if widths[0] > 22 else "importance"
    name = [printable(model.drop_name, widths[2] - 1)] if drops else []
    yield table_line(widths, title, "share", *name)
    for label, share in top:
        drop = [drops[label]] if drops else []
        text = printable(label, widths[0] - 4)
        yield table_line(widths, f"  {text}", format_share(share), *drop)


def important_columns(model: ModelDescription):
    """Return the columns whose shuffling increases the loss, and their shares of the sum."""
    positive = {name: max(0.0, x) for name, x in model.importances.items()}
    top = sorted(positive.items(), key=lambda item: -item[1])
    total = sum(positive.values())
    return [(name, x / total) for name, x in top if x > 0]


def format_drops(model: ModelDescription):
    """Return {column: by how much the score gets worse}, with digits that tell the largest apart.

    Empty if it is not known.
    """
    drops = model.score_drops or {}
    largest = max(map(abs, drops.values()), default=0.0)
    if model.drop_name.endswith("MAPE"):
        return {name: f"{100 * drop:.1f} %" for name, drop in drops.items()}
    exponent = math.floor(math.log10(largest)) if largest > 0 else 0
    digits = max(0, 2 - exponent) if exponent > 0 else max(3, min(8, 1 - exponent))
    return {name: f"{drop:,.{digits}f}" for name, drop in drops.items()}


def format_label_issues(record: TrainingRecord):
    """Yield lines with the rows whose target is the least likely."""
    issues = record.label_issues
    if not issues:
        return
    yield ""
    if record.classes is None:
        yield from wrap("rows to check (the prediction is far from the target, which may be wrong)")
        widths = choose_columns((18, 14, 14), (14, 13, 13))
        yield table_line(widths, "  place", "target", "predicted")
        for s in issues:
            target, predicted = format_number(s["given"]), format_number(s["predicted"])
            yield table_line(widths, f"  {printable(s['place'], widths[0] - 2)}", target, predicted)
        return
    yield from wrap("rows to check (the target is improbable, so it may be wrong)")
    first, second, third, fourth = choose_columns((18, NAME, 11, NAME), (12, 10, 6, 12))
    share = "probability" if third == len("probability") else "prob."
    yield f"{'  place':<{first}}{'target':<{second}}{share:>{third}}   predicted"
    for s in issues:
        target, predicted = printable(s["given"], second - 2), printable(s["predicted"], fourth - 2)
        place = printable(s["place"], first - 3)
        yield (
            f"{'  ' + place:<{first}}{target:<{second}}{s['probability']:>{third}.2g}   {predicted}"
        )


# ---- the last block of time ----


def format_last_block(record: TrainingRecord):
    """Yield lines with the scores of the last block, if there is one."""
    last = record.last_block
    if last is None:
        return
    shown = replace(last.scores, classes=None)
    yield ""
    yield from format_scores(shown, f"last block, {plural(shown.rows, 'row')}")
    yield from wrap(describe_last_block(last))


def describe_last_block(last: LastBlock):
    """Return a sentence about the last block and those before."""
    name = last.metric
    value, earlier = (format_score(name, x) for x in (last.scores.values[name], last.earlier))
    scores = f"{LABELS[name]} {value}, before {earlier}"
    if last.is_better is None:
        return f"The last block differs from the earlier ones by no more than chance ({scores})."
    which, why = "worse", "what the rows depend on may have changed"
    if last.is_better:
        which, why = "better", "the first folds train on few rows, perhaps on less than a season"
    return (
        f"The last block is {which} than the earlier ones by more than chance ({scores}): {why}. Rows "
        "to come are more like the last block."
    )


# ---- baselines ----

ADVANTAGE = (
    "fastnn chose its epochs and configurations by the rows that it held out, which favours it "
    "slightly. Baselines have their default settings."
)


def format_baselines(record: TrainingRecord):
    """Yield the lines about the baselines of a record, none without them."""
    found = record.baselines
    if found is None:
        return
    left_out = describe_not_trained(found)
    if len(found.models) > 1 or left_out:
        yield ""
    if len(found.models) > 1:
        yield from _format_models(record, found)
    yield from wrap(left_out)


def describe_not_trained(found: Baselines):
    """Return a sentence about the baselines that Ctrl-C or SIGTERM has left out, or ""."""
    names = found.not_trained
    return f"Interrupted before these baselines were trained: {', '.join(names)}." if names else ""


def _format_models(record: TrainingRecord, found: Baselines):
    models: list[Any] = found.models
    names = [m["name"] for m in models]
    yield from format_models(
        "same folds",
        found.metric,
        names,
        models,
        [record.seconds, *(m["seconds"] for m in models[1:])],
    )
    yield from wrap(f"On the held-out rows {describe_verdicts(models, record.model.kinds)}")
    if record.test_scores is not None and "test_score" in models[0]:
        yield ""
        keys = ("score", "error", "difference", "difference_error")
        test = [{key: m[f"test_{key}"] for key in keys} for m in models]
        rows = plural(record.test_scores.rows, "row")
        yield from format_models(f"{rows} of the test", found.metric, names, test)


def describe_verdicts(models, kinds):
    """Return sentences that say which baselines are worse, better, or not to be told apart.

    kinds : {column: kind}, of those that the model uses
    """
    texts = [name for name, kind in kinds.items() if kind == Text.kind]
    found: dict = {(True, False): [], (False, False): [], (False, True): []}
    for m in models[1:]:
        found[bool(m["is_worse"]), bool(m["is_better"])].append(m["name"])
    worse, equal, better = found.values()
    parts = []
    if worse:
        parts.append(f"fastnn is better than {join_all(worse)}.")
    if equal:
        parts.append(f"fastnn and {join_all(equal)} cannot be told apart.")
    if better:
        verb = "is" if len(better) == 1 else "are"
        parts.append(f"{join_all(better)} {verb} better than fastnn.")
    if texts:
        parts.append(
            f"Of free text ({join(texts)}) the linear model reads words (TF-IDF), and the others know "
            "only the length."
        )
    return " ".join(parts)


def format_models(title, metric, names, models, seconds=None):
    """Yield the lines of a table.

    Parameters
    ----------
    title : str
        Of the names.
    metric : str
    names : list of str
    models : list of dict
        score, error, difference (in favour of the first), difference_error, is_worse (None for the
        first), and optionally is_better.
    seconds : list of float, optional
    """
    label = "MAE" if metric == "mae" else LABELS[metric]
    more = max(0, len(label) - 11)  # a row of 80 columns has 2 or 11 left
    less = max(0, more - (2 if seconds else 11))
    wide = (25 - less, 12 + more, 10, 12, 10, 9 if seconds else 0)
    first, *widths = choose_columns(wide, (12, 9, 8, 10, 0, 0))
    label = printable(label, widths[0] - 1)
    heads = [label, "std. err.", "worse by", "std. err.", "seconds"]
    if not widths[3]:
        heads[1] = "+/-"
    times = ["-" if x is None else f"{x:,.1f}" for x in seconds or [None] * len(models)]
    cells = [[*row, time] for row, time in zip(score_cells(models), times)]
    for name, texts in zip([title, *names], [heads, *cells]):
        line = "".join(f"{text:>{width}}" for text, width in zip(texts, widths) if width)
        yield f"{shorten(name, first - 1):<{first}}{line}"


def score_cells(models, prefix=""):
    """Return score, error, difference and its error of each model as texts.

    The digits show two digits of the smallest standard error, or of 1 % of the score of the first.

    Parameters
    ----------
    models : list of dict
    prefix : str
        Of the keys.
    """
    keys = [f"{prefix}{key}" for key in ("score", "error", "difference", "difference_error")]
    errors = [m[key] for m in models for key in keys[1::2] if m[key]]
    known = [error for error in errors if math.isfinite(error) and error > 0]
    scale = min(known, default=abs(models[0][keys[0]] or 0.0) / 100)
    digits = max(0, min(6, 1 - math.floor(math.log10(scale)))) if scale else 3
    return [[_format_score(m[key], digits) for key in keys] for m in models]


def _format_score(x, digits):
    if x is None or not math.isfinite(x):
        return "-"
    return f"{round(x, digits) + 0.0:,.{digits}f}"  # -0.0 + 0.0 is 0.0

"""The sections about the table: data checks, columns, importances, label issues."""

import numpy as np

from ...core.messages import plural
from ...web.templates import markup, table
from ..record import ModelDescription, TrainingRecord
from ..table_facts import format_share, summarize
from ..text_layout import format_number, short_path
from ..text_report import (
    describe_target,
    format_drops,
    important_columns,
)
from .elements import name, section

MAX_COLUMNS = 200
MAX_CLASSES = 12
MAX_IMPORTANT = 20
MAX_WARNINGS = 50


def warnings_section(report):
    """Return the section about columns and rows that may be wrong, None without any."""
    record: TrainingRecord = report.record
    found = record.data_checks
    if not found:
        return None
    texts = [check.text for check in found[:MAX_WARNINGS]]
    more = len(found) - len(texts)
    if more:
        texts.append(f"... and {plural(more, 'warning')} more (--json lists all)")
    return section("warnings", "Warnings", texts=texts)


def data_section(report):
    """Return the section with the table that the model was trained on, and its columns."""
    record: TrainingRecord = report.record
    summaries = summarize(report.frame, report.model.features_)
    n_used = sum(s.kind is not None for s in summaries)
    rows = plural(record.rows, "row")
    if record.test_rows:
        rows += f", {record.test_rows:,} of them for the test"
    facts = [
        ("table", short_path(record.data, 200)),
        ("rows", rows),
        ("columns", f"{n_used:,} used of {record.columns:,}"),
        ("target", f"{name(record.target)}: {describe_target(record.classes)}"),
    ]
    if record.sample:
        facts.append(("sample", record.sample))
    if report.is_number:
        facts.append(("range", _describe_numbers(report.y_train)))
    return section(
        "data",
        "Data",
        facts=facts,
        classes=None if report.is_number else _class_table(report),
        notes=record.notes,
        columns=_column_table(record.model, summaries),
        left_out=_left_out_table(record.model, summaries),
    )


def _describe_numbers(y):
    low, middle, high = map(format_number, np.quantile(y, (0, 0.5, 1)))
    return f"{low} to {high}, median {middle}, mean {format_number(float(y.mean()))}"


def _class_table(report):
    record: TrainingRecord = report.record
    codes = report.model.targets_.to_numbers(report.y_train)
    labels = list(record.classes or ())
    counts = np.bincount(codes, minlength=len(labels))
    order, caption = np.arange(len(labels)), "Classes of the training rows"
    if len(labels) > MAX_CLASSES:
        order = np.argsort(-counts, kind="stable")[:MAX_CLASSES]
        caption += f": the {MAX_CLASSES} most frequent of {len(labels):,}"
    rows = [
        [name(labels[i]), f"{counts[i]:,}", format_share(counts[i] / len(codes))] for i in order
    ]
    return table(caption, ["class", "#rows", "#share"], rows)


def _column_table(model: ModelDescription, summaries):
    used = [s for s in summaries if s.kind is not None]
    caption = "Columns that the model uses"
    if len(used) > MAX_COLUMNS:
        shown = sorted(used, key=lambda s: -model.importances[s.label])[:MAX_COLUMNS]
        caption += f": the {MAX_COLUMNS} most important of {len(used):,}"
        used = shown
    rows = [
        [name(s.label), s.kind, format_share(s.missing), f"{s.n_distinct:,}", s.text] for s in used
    ]
    head = ["column", "taken for", "#missing", "#distinct", "values"]
    return table(caption, head, rows, "sentences")


def _left_out_table(model: ModelDescription, summaries):
    left_out = [s for s in summaries if s.kind is None]
    if not left_out:
        return None
    caption = "Columns that are left out"
    if len(left_out) > MAX_COLUMNS:
        caption += f": {MAX_COLUMNS} of {len(left_out):,}"
    rows = [
        [name(s.label), format_share(s.missing), f"{s.n_distinct:,}", model.left_out[s.label]]
        for s in left_out[:MAX_COLUMNS]
    ]
    return table(caption, ["column", "#missing", "#distinct", "reason"], rows, "sentences")


def importances_section(report):
    """Return the section with the permutation importances."""
    record: TrainingRecord = report.record
    model, title = record.model, "Permutation importance"
    top, drops = important_columns(model), format_drops(model)
    if not top:
        return section("importances", title, shares=None)
    largest, caption = top[0][1], "Importance of the columns"
    if len(top) > MAX_IMPORTANT:
        caption += f": the first {MAX_IMPORTANT} of {len(top):,} columns above 0"
    head, rows = ["column", "#share", "compared"], []
    if drops:
        head.insert(2, f"#{model.drop_name}")
    for label, share in top[:MAX_IMPORTANT]:
        bar = markup('<div class="bar" style="--share: {:.3f}"></div>', share / largest)
        drop = [drops[label]] if drops else []
        rows.append([name(label), format_share(share), *drop, bar])
    return section(
        "importances",
        title,
        drop_name=model.drop_name if drops else None,
        shares=table(caption, head, rows, "bars"),
    )


def label_issues_section(report):
    """Return the section with the rows whose target may be wrong, None without any."""
    record: TrainingRecord = report.record
    issues = record.label_issues
    if not issues:
        return None
    if report.is_number:
        text = "The prediction for these rows is far from the target, which may be wrong."
        head = ["place", "#target", "#predicted"]
        rows = [
            [s["place"], *(format_number(s[k]) for k in ("given", "predicted"))] for s in issues
        ]
    else:
        text = "The target of these rows is improbable, so it may be wrong."
        head = ["place", "target", "#probability", "predicted"]
        rows = [
            [s["place"], name(s["given"]), f"{s['probability']:.2g}", name(s["predicted"])]
            for s in issues
        ]
    return section("rows", "Rows to check", text=text, rows=table("Rows to check", head, rows))

"""The sections about the table: data checks, columns, importances, label issues."""

from dataclasses import dataclass

import numpy as np

from ...core.messages import plural, printable
from ...tables.texts import is_missing_mark
from ..text_report import (
    describe_target,
    format_drops,
    format_number,
    format_percent,
    important_columns,
    short_path,
)
from .elements import bullets, element, name, pairs, paragraph, section, table

MAX_COLUMNS = 200
MAX_CLASSES = 12
MAX_IMPORTANT = 20
MAX_WARNINGS = 50
MOST_FREQUENT = 3  # categories of a column


def warnings_section(report):
    """Return the section about columns and rows that may be wrong, None without any."""
    found = report.record["data_checks"]
    if not found:
        return None
    texts = [check["text"] for check in found[:MAX_WARNINGS]]
    more = len(found) - len(texts)
    if more:
        texts.append(f"... and {plural(more, 'warning')} more (--json lists all)")
    return section("warnings", "Warnings", bullets(texts))


def data_section(report):
    """Return the section with the table that the model was trained on, and its columns."""
    record, summaries = report.record, summarize(report.frame, report.model.model_.features)
    n_used = sum(s.kind is not None for s in summaries)
    rows = plural(record["rows"], "row")
    if record["test_rows"]:
        rows += f", {record['test_rows']:,} of them for the test"
    facts = [
        ("table", short_path(record["data"], 200)),
        ("rows", rows),
        ("columns", f"{n_used:,} used of {record['columns']:,}"),
        ("target", f"{name(record['target'])}: {describe_target(record)}"),
    ]
    if record["sample"]:
        facts.append(("sample", record["sample"]))
    if report.is_number:
        facts.append(("range", _describe_numbers(report.y_train)))
    return section(
        "data",
        "Data",
        pairs(facts),
        None if report.is_number else _class_table(report),
        _column_table(record, summaries),
        _left_out_table(record, summaries),
    )


def _describe_numbers(y):
    low, middle, high = map(format_number, np.quantile(y, (0, 0.5, 1)))
    return f"{low} to {high}, median {middle}, mean {format_number(float(y.mean()))}"


def _class_table(report):
    labels, codes = report.record["classes"], report.model.model_.targets.to_numbers(report.y_train)
    counts = np.bincount(codes, minlength=len(labels))
    order, caption = np.arange(len(labels)), "Classes of the training rows"
    if len(labels) > MAX_CLASSES:
        order = np.argsort(-counts, kind="stable")[:MAX_CLASSES]
        caption += f": the {MAX_CLASSES} most frequent of {len(labels):,}"
    rows = [
        [name(labels[i]), f"{counts[i]:,}", format_share(counts[i] / len(codes))] for i in order
    ]
    return table(caption, ["class", "#rows", "#share"], rows)


def _column_table(record, summaries):
    used = [s for s in summaries if s.kind is not None]
    caption = "Columns that the model uses"
    if len(used) > MAX_COLUMNS:
        importances = record["importances"]
        shown = sorted(used, key=lambda s: -importances[s.label])[:MAX_COLUMNS]
        caption += f": the {MAX_COLUMNS} most important of {len(used):,}"
        used = shown
    rows = [
        [name(s.label), s.kind, format_share(s.missing), f"{s.n_distinct:,}", s.text] for s in used
    ]
    head = ["column", "taken for", "#missing", "#distinct", "values"]
    return table(caption, head, rows, "sentences")


def _left_out_table(record, summaries):
    left_out = [s for s in summaries if s.kind is None]
    if not left_out:
        return None
    caption = "Columns that are left out"
    if len(left_out) > MAX_COLUMNS:
        caption += f": {MAX_COLUMNS} of {len(left_out):,}"
    rows = [
        [name(s.label), format_share(s.missing), f"{s.n_distinct:,}", record["left_out"][s.label]]
        for s in left_out[:MAX_COLUMNS]
    ]
    return table(caption, ["column", "#missing", "#distinct", "reason"], rows, "sentences")


def importances_section(report):
    """Return the section with the permutation importances."""
    record = report.record
    top, drops = important_columns(record), format_drops(record)
    text = (
        "How much worse the predictions for held-out rows get if the values of a column are shuffled: "
        "its share of the increase of the loss, summed over columns"
        + (f", and the {record['drop_name']}. " if drops else ". ")
        + "Columns with the same information have a low importance each, because the others make up "
        "for it. If you would not know a column for a new row, leave it out with "
    )
    if not top:
        return section(
            "importances",
            "Permutation importance",
            paragraph("No column reduces the held-out loss."),
        )
    largest, caption = top[0][1], "Importance of the columns"
    if len(top) > MAX_IMPORTANT:
        caption += f": the first {MAX_IMPORTANT} of {len(top):,} columns above 0"
    head, rows = ["column", "#share", "compared"], []
    if drops:
        head.insert(2, f"#{record['drop_name']}")
    for label, share in top[:MAX_IMPORTANT]:
        bar = element("div", class_="bar", style=f"--share: {share / largest:.3f}")
        drop = [drops[label]] if drops else []
        rows.append([name(label), format_percent(share), *drop, bar])
    return section(
        "importances",
        "Permutation importance",
        paragraph(text, element("code", "--drop"), "."),
        table(caption, head, rows, class_="bars"),
    )


def label_issues_section(report):
    """Return the section with the rows whose target may be wrong, None without any."""
    issues = report.record["label_issues"]
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
    text += " Look at them in the table."
    return section("rows", "Rows to check", paragraph(text), table("Rows to check", head, rows))


# ---- what columns hold ----


@dataclass
class ColumnSummary:
    """What a column holds.

    Attributes
    ----------
    label : str
    kind : str or None
        What it was taken for; None if it is left out.
    missing : float
        Share of the rows.
    n_distinct : int
        Number of distinct values, without missing ones.
    text : str
        The range of numbers and dates, or the most frequent categories.
    """

    label: str
    kind: str | None
    missing: float
    n_distinct: int
    text: str


def summarize(frame, features):
    """Return the ColumnSummary of each column of a training table, in its order.

    Parameters
    ----------
    frame : Frame
        The table without its target.
    features : Features
        What its columns were taken for.
    """
    kinds = features.kinds()
    column_at = dict(zip(features.positions, features.columns))
    return [
        _used(raw, column_at[i]) if label in kinds else _left_out(raw, label)
        for i, (label, raw) in enumerate(zip(frame.labels(), frame.columns))
    ]


def _used(raw, column):
    contents = column.summarize(column.convert(raw), format_number)
    if contents.span is None:
        text = _most_frequent(contents.counts, len(raw.values))
    else:
        low, middle, high = contents.span
        text = f"{low} to {high}, median {middle}" if low != high else low
    return ColumnSummary(column.label, column.kind, contents.missing, contents.n_distinct, text)


def _most_frequent(counts, n):
    counts = sorted(((text, k) for text, k in counts.items() if k), key=lambda item: -item[1])
    parts = [f"{printable(text, 24)} {format_share(k / n)}" for text, k in counts[:MOST_FREQUENT]]
    return ", ".join(parts) + (", ..." if len(counts) > MOST_FREQUENT else "")


def _left_out(raw, label):
    if raw.kind == "text":
        is_missing = np.array([*map(is_missing_mark, raw.texts), True])[raw.values]
    else:
        is_missing = np.isnan(raw.values)
    n_distinct = len(np.unique(raw.values[~is_missing]))
    return ColumnSummary(label, None, float(is_missing.mean()), n_distinct, "")


def format_share(x):
    """Return a share as a percentage: `0.3 %`, `5 %`, `< 0.1 %`."""
    percent = 100 * x
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.1f} %"

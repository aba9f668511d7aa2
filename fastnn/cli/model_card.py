"""`fastnn info MODEL --card`: what others should know of a model, as Markdown or JSON.

All facts are those of the model file: the record of the training, and the profile of its table.
"""

import json
import os
from dataclasses import asdict
from typing import Any

from ..core.messages import format_share, format_value, nan_to_null, plural, printable
from ..files.replacing import replacing
from .console import CommandError
from .record import LABELS, TrainingRecord
from .table_file import MOST_FREQUENT
from .text_report import (
    ADVANTAGE,
    describe_decision,
    describe_last_block,
    describe_not_trained,
    describe_target,
    describe_threshold,
    describe_verdicts,
    explain_no_better,
    format_score,
    important_columns,
    is_better_than_baseline,
    score_cells,
    shown_scores,
)

EXTENSIONS = ".md", ".json"
MAX_COLUMNS = 100
SMALL = 200  # rows of which scores are uncertain
FEW = 30  # rows of a class whose scores are uncertain


def check_card_extension(path):
    """Raise CommandError for a file that is neither Markdown nor JSON."""
    if not path.lower().endswith(EXTENSIONS):
        raise CommandError(
            f"{path}: --card must end in {' or '.join(EXTENSIONS)}. Choose another name."
        )


def write(path, source, model, record: TrainingRecord):
    """Write the card of a model to a file, or print it if `path` is "-". source : path of the model

    Raises CommandError if the file cannot be written.
    """
    card = nan_to_null(_card_content(source, model, record))
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    if path == "-" or path.lower().endswith(".md"):
        text = "\n".join(_format_markdown(card, record)) + "\n"
    if path == "-":
        print(text, end="", flush=True)
        return
    try:
        with replacing(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise CommandError(f"{path}: cannot be written: {error.strerror or error}") from None


# ---- facts ----


def _card_content(source, model, record: TrainingRecord):
    """Return the card as a dict."""
    description, test, baselines = record.model, record.test_scores, record.baselines
    has_threshold = description.threshold is not None
    facts = model.facts()
    return {
        "model": os.path.basename(source),
        "created": record.created,
        "fastnn": record.fastnn,
        "command": record.command,
        "task": record.task,
        "target": {"name": record.target, "text": describe_target(record.classes)},
        "data": {
            "table": record.data,
            "training_rows": record.rows - record.test_rows,
            "test_rows": record.test_rows,
            "columns_of_table": record.columns,
            "split": description.split,
            "time": record.time,
            "group": record.group,
            "weight": record.weight,
            "warnings": [check.text for check in record.data_checks],
            "notes": record.notes,
        },
        "metric": description.metric,
        "scores": _scores(record),
        "test_scores": None if test is None else test.to_json(),
        "classes": record.scores.classes,
        "threshold": describe_threshold(description, record.classes) if has_threshold else None,
        "baselines": None if baselines is None else asdict(baselines),
        "tuning": None if record.tuning is None else describe_decision(record.tuning),
        "importances": dict(important_columns(description)),
        "columns": [_describe_column(column) for column in facts.columns],
        "left_out": description.left_out,
        "networks": {
            "folds": description.folds,
            "networks": description.networks,
            "parameters": description.parameters,
            "hidden": description.hidden,
        },
        "limits": list(_limits(facts, record)),
    }


def _scores(record: TrainingRecord):
    """Return the scores, with standard errors and those of the trivial baseline."""
    scores, test = record.scores, {} if record.test_scores is None else record.test_scores.values
    return [
        {
            "name": key,
            "label": LABELS[key],
            "value": scores.values[key],
            "error": record.score_errors.get(key),
            "trivial": scores.baseline.get(key),
            "test": test.get(key),
        }
        for key in shown_scores(scores)
        if scores.values[key] is not None
    ]


def _describe_column(column):
    """Return what a column held in training. column : ColumnFacts"""
    found = {"name": column.name, "kind": column.kind}
    if column.missing is not None:
        found["missing"] = column.missing
    if column.span is not None:
        low, middle, high = column.span
        found["values"] = f"{low} to {high}, median {middle}"
    if column.shares is not None:
        pairs = sorted(zip(column.categories, column.shares), key=lambda pair: -pair[1])
        texts = (f"{printable(c, 24)} {format_share(share)}" for c, share in pairs[:MOST_FREQUENT])
        more = len(pairs) - MOST_FREQUENT
        found["values"] = ", ".join(texts) + (f", {more:,} more" if more > 0 else "")
    return found


def _limits_of_scores(record: TrainingRecord):
    """Yield sentences about the rows for which the scores hold."""
    if not is_better_than_baseline(record.scores):
        yield explain_no_better(record)
    yield (
        "The scores hold for rows like the training rows. 'fastnn check' tells whether new rows are."
    )
    if not record.test_rows:
        yield (
            "No rows were set aside for a test. The scores are slightly optimistic, since the best "
            "epochs were chosen on the rows that were held out."
        )
    if record.time is None:
        yield "The folds are not in the order of time: the scores may be too good for later rows."
    elif record.last_block is not None:
        yield describe_last_block(record.last_block)
    if record.group is None:
        yield "The folds keep no groups together: the scores may be too good for new groups."


def _limits(facts, record: TrainingRecord):
    """Yield sentences about what the model is not for, from the facts of its training."""
    yield from _limits_of_scores(record)
    n_rows = record.rows - record.test_rows
    if n_rows < SMALL:
        yield f"The model was trained on {plural(n_rows, 'row')}, so its scores are uncertain."
    rare = [c["class"] for c in record.scores.classes or () if c["rows"] < FEW]
    if rare:
        names = ", ".join(printable(label, 24) for label in rare[:6])
        yield f"Classes with fewer than {FEW} rows, whose scores are uncertain: {names}."
    if facts.bounds is not None:
        low, high = map(format_value, facts.bounds)
        yield f"Predictions stay within the range of the training targets, {low} to {high}."
    if record.model.folds_left:
        yield f"The training was stopped: the model has {record.model.kept}."


# ---- Markdown ----


def _format_markdown(card, record: TrainingRecord):
    """Yield the lines of a card."""
    target, data, networks = card["target"], card["data"], card["networks"]
    columns = plural(len(card["columns"]), "column")
    roles = [[f"column of {role}s", data[role]] for role in ("time", "group", "weight")]
    facts = [
        ["created", card["created"] or "unknown"],
        ["fastnn", card["fastnn"]],
        ["table", data["table"]],
        ["training rows", f"{data['training_rows']:,}"],
        ["test rows", f"{data['test_rows']:,}"],
        ["folds", data["split"] or ""],
        *(role for role in roles if role[1]),
        ["metric", LABELS.get(card["metric"], "that of the loss")],
        *([["threshold", card["threshold"]]] if card["threshold"] else []),
        ["networks", f"{networks['networks']} with {networks['parameters']:,} parameters"],
    ]
    yield f"# Model card: {_text(card['model'])}"
    yield ""
    yield f"Predicts `{_code(target['name'])}`, {_text(target['text'])}, from {columns}."
    yield ""
    yield from _table(["", ""], facts)
    for title, lines in (
        ("Scores", _score_lines(card)),
        ("Baselines", _baseline_lines(record)),
        ("Settings", [card["tuning"]] if card["tuning"] else []),
        ("Limits", map(_bullet, card["limits"])),
        ("Warnings about the table", map(_bullet, data["warnings"])),
        ("Notes about the table", map(_bullet, data["notes"])),
        ("Columns", _column_lines(card)),
        ("How it was trained", ["```sh", card["command"], "```"]),
    ):
        lines = list(lines)
        if lines:
            yield from ("", f"## {title}", "", *lines)


def _bullet(text):
    return f"- {_text(text)}"


def _score_lines(card):
    has_test = card["test_scores"] is not None
    head = ["score", "held-out rows", "standard error", "baseline"]
    head += ["rows of the test"] * has_test
    rows = []
    for s in card["scores"]:
        name, error = s["name"], "" if s["error"] is None else f"{s['error']:.2g}"
        trivial, test = (
            "" if s[key] is None else format_score(name, s[key]) for key in ("trivial", "test")
        )
        rows.append([s["label"], format_score(name, s["value"]), error, trivial, test][: len(head)])
    yield from _table(head, rows)
    if card["classes"]:
        yield ""
        keys = ("precision", "recall", "f1")
        yield from _table(
            ["class", "rows", "precision", "recall", "F1"],
            [
                [c["class"], f"{c['rows']:,}", *(format_score(k, c[k]) for k in keys)]
                for c in card["classes"][:MAX_COLUMNS]
            ],
        )


def _baseline_lines(record: TrainingRecord):
    found = record.baselines
    if found is None:
        return
    if left_out := describe_not_trained(found):
        yield left_out
        yield ""
    if len(found.models) < 2:
        return
    models: list[Any] = found.models
    yield f"{describe_verdicts(models, record.model.kinds)} {ADVANTAGE}"
    yield ""
    head = ["model", LABELS[found.metric], "standard error", "worse by", "standard error"]
    rows = zip(models, score_cells(models))
    yield from _table(head, [[m["name"], *cells] for m, cells in rows])


def _column_lines(card):
    shown, importances = card["columns"], card["importances"]
    if len(shown) > MAX_COLUMNS:
        yield f"The {MAX_COLUMNS} most important of {len(shown):,} columns."
        yield ""
        shown = sorted(shown, key=lambda c: -importances.get(c["name"], 0.0))[:MAX_COLUMNS]
    yield from _table(
        ["column", "kind", "missing", "values in training", "importance"],
        [
            [
                c["name"],
                c["kind"],
                format_share(c["missing"]) if "missing" in c else "",
                c.get("values", ""),
                format_share(importances.get(c["name"], 0.0)),
            ]
            for c in shown
        ],
    )
    for name, reason in list(card["left_out"].items())[:MAX_COLUMNS]:
        yield f"\nLeft out: `{_code(name)}`: {_text(reason)}."


def _table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(_text(cell) for cell in row) + " |"


def _text(text):
    """Return a text of a table without the marks of Markdown and HTML."""
    text = printable(text, 1000).replace("\\", "\\\\")
    for mark in "|`*_[]<>#":
        text = text.replace(mark, f"\\{mark}")
    return text


def _code(text):
    return printable(text, 200).replace("`", "'")

"""fastnn info TABLE: what a table holds, and what `fastnn train` would make of it."""

import shlex
from dataclasses import asdict

import numpy as np

from ..core.errors import DataError
from ..core.messages import plural, printable
from ..tabular.prediction_columns import label_text
from . import row_roles
from . import text_layout as layout
from . import text_report as report
from .console import (
    CommandWords,
    Notes,
    print_json,
    print_line,
    terminal_width,
    warnings_as_notes,
    wrap,
)
from .table_facts import (
    format_share,
    list_data_checks,
    list_training_checks,
    summarize,
    summarize_unused,
)
from .table_file import TableFile, to_words
from .target_column import read_target
from .train_table import open_table

MAX_COLUMNS = 200  # that are listed; --json lists all
MAX_CLASSES = 6
MAX_NAME = 28  # characters of a name in the list of columns
KIND, MISSING, DISTINCT = 9, 8, 10  # widths in this list
NARROW = 72  # columns of a terminal that is too narrow for it


def show_table(data, reading, target_name, is_json):
    """Print what a table holds. Return the exit code.

    Parameters
    ----------
    data : str
        The table, as in the command.
    reading : ReadOptions
    target_name : str or None
    is_json : bool
    """
    file = TableFile(data, reading, Notes(is_printed=not is_json), target_name)
    table = open_table(file, (), [] if target_name is None else [target_name], None)
    target = None
    if target_name is not None:
        target = read_target(table, file, target_name, skip_missing=True)
    n_rows, sample = table.n_rows, table.sample(target)
    name = None if target is None else target.name
    with warnings_as_notes(file.notes):
        columns, left_out = _describe_columns(sample, name, file.notes)
    content = {
        "data": file.name,
        "rows": n_rows,
        "rows_looked_at": sample.num_rows,
        "columns": columns,
        "left_out": left_out,
        "data_checks": list(map(asdict, _list_data_checks(sample, target))),
        "target": None if target is None else _describe_target(target, n_rows),
        "train": _command(file, target, n_rows),
    }
    if is_json:
        print_json({**content, "notes": file.notes.texts})
        return 0
    width = terminal_width()
    for line in _format(content, table.column_names, width):
        print_line(line)
    return 0


# ---- what is in the table ----


def _list_data_checks(table, target):
    """Return the warnings of `fastnn train` without options."""
    if target is None:
        return list_data_checks(table, None, [])
    return list_training_checks(table, target, dict.fromkeys(row_roles.ARGUMENTS), [])


def _describe_columns(table, target, note):
    """Return what each column but the target holds, and {name: reason} of those that are left out."""
    from ..tabular.columns import frames
    from ..tabular.columns.features import Features

    if target is not None:
        table = table.drop_columns([target])
    unusable: dict = {}
    while True:  # until the columns that `train` refuses are found
        try:
            frame = frames.read(table)
            features = Features.fit(frame)
            break
        except DataError as error:
            if error.column not in table.column_names:  # no column can be used
                note(error.say(CommandWords()))
                return list(map(_to_dict, summarize_unused(frame))), unusable
            unusable[error.column] = CommandWords().say(error.problem)
            table = table.drop_columns([error.column])
    for text in features.notes(frame):
        note(text)
    columns = list(map(_to_dict, summarize(frame, features)))
    return columns, {**features.left_out, **unusable}


def _to_dict(summary):
    return {
        "column": summary.label,
        "kind": summary.kind,
        "missing": summary.missing,
        "distinct": summary.n_distinct,
        "values": summary.text,
    }


def _describe_target(target, n_rows):
    """Return what the target is, and how well a baseline predicts it."""
    out = {
        "column": target.name,
        "task": target.task,
        "rows_without": n_rows - len(target.rows),
    }
    if target.is_number:
        y = target.values.to_numpy(zero_copy_only=False)
        low, middle, high = np.quantile(y, (0, 0.5, 1))
        return out | {
            "range": [float(low), float(high)],
            "median": float(middle),
            "mean": float(y.mean()),
            "baseline": {"rmse": float(y.std()), "mae": float(np.abs(y - middle).mean())},
        }
    labels, codes = target.classes()
    counts = np.bincount(codes)
    shares = counts / counts.sum()
    return out | {
        "classes": [[label_text(x), n] for x, n in zip(labels.tolist(), counts.tolist())],
        "baseline": {
            "accuracy": float(shares.max()),
            "log_loss": float(-(shares * np.log(shares)).sum()),
        },
    }


def _command(file, target, n_rows):
    """Return the command that trains on the table."""
    out = "model" if target is None else "".join(c if c.isalnum() else "_" for c in target.name)
    words = ["fastnn", "train", file.name]
    words += ["--target", "COL" if target is None else target.name]
    words += ["--out", f"{out[:40]}.safetensors"]
    if target is not None and len(target.rows) < n_rows:
        words.append("--skip-missing-target")
    return shlex.join(words + to_words(file.options))


# ---- text ----


def _format(content, names, width):
    """Yield lines of at most `width` columns."""
    rows, n = plural(content["rows"], "row"), plural(len(names), "column")
    yield from wrap(f"{layout.short_path(content['data'])}: {rows}, {n}")
    if content["rows_looked_at"] < content["rows"] and content["target"] is None:
        yield from wrap(f"{content['rows_looked_at']:,} of them were looked at.", hanging=2)
    yield ""
    shown = content["columns"][:MAX_COLUMNS]
    yield from _format_wide(shown, width) if width >= NARROW else _format_narrow(shown, width)
    more = len(content["columns"]) - len(shown)
    if more:
        yield f"... and {plural(more, 'column')} more"
    by_reason: dict = {}
    for name, reason in content["left_out"].items():
        by_reason.setdefault(reason, []).append(name)
    for reason, columns in by_reason.items():
        names = layout.list_names(columns).replace(layout.UNBROKEN, " ")
        yield from layout.paragraph("left out", f"{names}: {printable(reason, 400)}", 2)
    if content["data_checks"]:
        yield ""
    for check in content["data_checks"][: report.MAX_WARNINGS]:
        yield from layout.paragraph("warning", check["text"], _indent(width))
    more = len(content["data_checks"]) - report.MAX_WARNINGS
    if more > 0:
        yield f"... and {plural(more, 'warning')} more"
    yield ""
    yield from _format_target(content["target"], width)
    yield "To train:"
    yield from layout.wrap_command(content["train"], width)


def _format_wide(columns, width):
    names = [layout.shorten(c["column"], MAX_NAME) for c in columns]
    longest = 2 + max(map(len, ["column", *names]))
    head = f"{'column':<{longest}}{'kind':<{KIND}}{'missing':>{MISSING}}{'distinct':>{DISTINCT}}"
    yield f"{head}  values"
    room = width - longest - KIND - MISSING - DISTINCT - 2
    for name, c in zip(names, columns):
        kind = "-" if c["kind"] is None else c["kind"]
        line = f"{name:<{longest}}{kind:<{KIND}}"
        line += f"{format_share(c['missing']):>{MISSING}}{c['distinct']:>{DISTINCT},}"
        yield f"{line}  {printable(c['values'], room)}".rstrip()


def _format_narrow(columns, width):
    for c in columns:
        kind = "left out" if c["kind"] is None else c["kind"]
        yield printable(c["column"], width)
        yield printable(
            f"  {kind}, {format_share(c['missing'])} missing, {c['distinct']:,} distinct", width
        )
        if c["values"]:
            yield printable(f"  {c['values']}", width)


def _format_target(target, width):
    if target is None:
        return
    indent = _indent(width)
    name, n_without = printable(target["column"]), target["rows_without"]
    if target["task"] == "number":
        low, high = map(layout.format_number, target["range"])
        median, mean = map(layout.format_number, (target["median"], target["mean"]))
        text = f"a number, {low} to {high}, median {median}, mean {mean}"
        baseline = (
            f"RMSE {layout.format_error(target['baseline']['rmse'])} of the mean, mean absolute "
            f"error {layout.format_error(target['baseline']['mae'])} of the median"
        )
    else:
        classes = sorted(target["classes"], key=lambda c: -c[1])
        n = sum(k for _, k in classes)
        names = [f"{printable(x, 20)} {format_share(k / n)}" for x, k in classes[:MAX_CLASSES]]
        names += ["..."] if len(classes) > MAX_CLASSES else []
        n_classes = "two" if len(classes) == 2 else f"{len(classes):,}"
        text = f"{n_classes} classes: {', '.join(names)}"
        baseline = (
            f"accuracy {target['baseline']['accuracy']:.3f} of the most frequent class, log-loss "
            f"{target['baseline']['log_loss']:.3f} of the shares"
        )
    yield from layout.paragraph("target", f"{name}: {text}", indent)
    if n_without:
        yield from layout.paragraph("", f"{plural(n_without, 'row')} without a target", indent)
    yield from layout.paragraph("baseline", baseline, indent)
    yield ""


def _indent(width):
    return layout.LABEL if width >= NARROW else 2

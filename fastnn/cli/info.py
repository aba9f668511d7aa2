"""fastnn info: show this installation, what a model file contains, or what a table holds."""

import os
import platform
import shlex
from dataclasses import asdict, dataclass

import numpy as np

from .. import kernels
from ..config import PACKAGES, __version__, installed_version, show_config
from ..core.errors import DataError
from ..core.messages import plural, printable
from ..files import ModelFileError
from ..tables.formats import is_table_name
from ..tables.source import is_address
from ..tabular.targets import label_text
from . import column_roles, model_card
from . import console as layout
from . import text_report as report
from .column_roles import read_target
from .console import (
    CommandError,
    CommandWords,
    Notes,
    print_json,
    print_line,
    terminal_width,
    warnings_as_notes,
    wrap,
)
from .model_file import describe_model, is_model_name, load_model
from .options import check_output, json_flag, option, positional
from .progress import format_duration
from .record import KEY, ModelDescription, TrainingRecord, read_json
from .table_file import (
    TableFile,
    TableOptions,
    format_share,
    list_data_checks,
    list_training_checks,
    open_table,
    resolve_table_path,
    summarize,
    summarize_unused,
    table_options,
    to_words,
)
from .text_report import format_baselines, format_last_block

HELP = """
Show this installation, a model file, or a table before training.

Without FILE: the version and the instruction set in use.

With a model file: the target, the columns, the out-of-fold scores, and the
command that trained the model.

With a table: what 'fastnn train' would take its columns for, missing values,
ranges, and columns and rows that may spoil a model. With --target also the
task, the baseline, and whether --time or --group of 'fastnn train' may help.

examples:
  fastnn info
  fastnn info model.safetensors
  fastnn info model.safetensors --card
  fastnn info model.safetensors --card card.md
  fastnn info people.csv
  fastnn info people.csv --target income
  fastnn info people.csv --target income --json > people.json
"""
USAGE = "fastnn info [FILE] [options]"
MAX_COLUMNS = 200  # that are listed; --json lists all
MAX_CLASSES = 6
MAX_NAME = 28  # characters of a name in the list of columns
KIND, MISSING, DISTINCT = 9, 8, 10  # widths in this list
NARROW = 72  # columns of a terminal that is too narrow for it


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `fastnn info`."""

    data: str | None = positional("FILE", "model file, or table as for 'fastnn train'", nargs="?")
    target: str | None = option("COL", "column of the table to predict")
    card: str | None = option(
        "FILE",
        "write the card of a model: what it predicts from what, its scores, its limits; .md or "
        ".json (default: Markdown to standard output)",
        nargs="?",
        const="-",
    )
    json: bool = json_flag()
    table: TableOptions = table_options()


def run(options):
    if options.card is not None and (options.data is None or not _is_model(options.data)):
        raise CommandError("--card is for a model file. Pass one, or leave out --card.")
    if options.data is None:
        return _show_installation(options.json)
    if not _is_model(options.data):
        return _show_table(options)
    if options.target is not None:
        raise CommandError(f"{options.data}: is a model, which has its target. Leave out --target.")
    return _show_model(options)


def _is_model(path):
    """Whether a path is that of a model file, or seems to be, if there is no file."""
    if path == "-" or is_address(path) or os.path.isdir(path):
        return False
    path = resolve_table_path(path)
    try:
        with open(path, "rb") as file:
            start = file.read(10)
    except OSError:
        return not is_table_name(path)
    return is_model_name(path) or (start[8:10] == b'{"' and start[4:8] == b"\0\0\0\0")


def _show_installation(is_json):
    extras = {name: installed_version(name) for name in PACKAGES}
    if is_json:
        built = ("BUILT", "SUPPORTED", "CHOSEN", "COMPILER")
        versions = {"numpy": installed_version("numpy"), "python": platform.python_version()}
        found = {"fastnn": __version__, **{name.lower(): getattr(kernels, name) for name in built}}
        print_json({**found, **versions, "extras": extras})
        return 0
    show_config()
    for name, version in extras.items():
        if not version:
            print(f"{name}: not installed")
    return 0


# ---- a model ----


def _show_model(options):
    model = load_model(options.data)
    if options.card is not None:
        return _write_card(model, options.data, options.card)
    stored, n_bytes = read_json(model), os.path.getsize(options.data)
    facts = model.facts()
    description = describe_model(facts)
    labels = None if facts.classes is None else list(map(label_text, facts.classes))
    if options.json:
        known = {name: getattr(facts, name) for name in ("estimator", "target", "task")}
        content = {"file": options.data, "bytes": n_bytes, **known, "classes": labels}
        print_json({**content, **asdict(description), "training": stored or None})
        return 0
    record = _read_record(stored)
    lines = [
        f"{printable(options.data, 60)}: {n_bytes / 1000:,.0f} kB",
        *_format_model(facts, description, labels, record is not None),
    ]
    for name, text in model.metadata_.items():
        if name != KEY:
            lines += layout.paragraph("metadata", printable(f"{name}: {text}", 400))
    lines += _format_scores(description) if record is None else _format_record(record)
    if stored and record is None:
        lines += ["", "training    the record is damaged"]
    for line in lines:
        print_line(line)
    return 0


def _read_record(stored):
    """Return the TrainingRecord of a model, None without one, and if it is damaged."""
    try:
        return TrainingRecord.from_json(stored)
    except ModelFileError:
        return None


def _write_card(model, path, card):
    is_printed = card == "-"
    if not is_printed:
        model_card.check_card_extension(card)
        check_output(card, path, option="--card")
    stored = read_json(model)
    if not stored.get("scores"):
        raise CommandError(
            f"{path}: has no record of its training, which a card is made from. Train it "
            "with 'fastnn train'."
        )
    record = _read_record(stored)
    if record is None:
        raise CommandError(
            f"{path}: the record of its training is damaged, or that of an older version. "
            "Train it again."
        )
    model_card.write(card, path, model, record)
    if not is_printed:
        print_line(f"Saved {card}.")
    return 0


def _format_model(facts, description: ModelDescription, labels, has_record):
    """Yield lines that say what a model predicts from what. The record explains chosen thresholds."""
    name = "a target without a name" if facts.target is None else printable(facts.target)
    yield from layout.paragraph("target", f"{name}: {report.describe_target(labels)}")
    if description.threshold is not None and not (has_record and description.threshold_rule):
        threshold = report.describe_threshold(description, labels)
        yield from layout.paragraph("threshold", threshold)
    yield from report.format_columns(description, labels)
    folds = description.kept or plural(description.folds, "fold")
    networks = plural(description.networks, "network")
    yield from layout.paragraph(
        "model", f"{facts.estimator}: {folds}, {networks}, {description.parameters:,} parameters"
    )


def _format_scores(description: ModelDescription):
    """Yield lines with the out-of-fold score and the permutation importances."""
    score = description.oof_score
    if score is not None:
        name = printable(description.oof_score_name, 60)
        text = report.format_score(description.metric, score)
        yield from layout.paragraph("out of fold", f"{name} {text}")
    yield from report.format_importances(description)


def _format_record(record: TrainingRecord):
    """Yield lines with the scores of a training, and how the model was trained."""
    yield ""
    yield from report.format_results(record)
    yield from format_last_block(record)
    yield from report.format_importances(record.model)
    yield from report.format_label_issues(record)
    yield from format_baselines(record)
    rows, took = plural(record.rows, "row"), format_duration(record.seconds)
    yield ""
    yield from layout.paragraph(
        "trained",
        f"on {rows} of {layout.short_path(record.data)} in {took}, by fastnn "
        f"{printable(record.fastnn, 20)}:",
    )
    yield from layout.wrap_command(printable(record.command, 1000))


# ---- a table ----


def _show_table(options):
    """Print what a table holds. Return the exit code."""
    notes, target, name = Notes(is_printed=not options.json), None, options.target
    file = TableFile(options.data, options.table.reading(), notes, name)
    table = open_table(file, (), [] if name is None else [name], None)
    if name is not None:
        target = read_target(table, file, name, skip_missing=True)
    n_rows, sample = table.n_rows, table.sample(target)
    with warnings_as_notes(notes):
        columns, left_out = _describe_columns(sample, target and target.name, notes)
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
    if options.json:
        print_json({**content, "notes": notes.texts})
        return 0
    for line in _format(content, len(table.column_names), terminal_width()):
        print_line(line)
    return 0


# ---- what is in the table ----


def _list_data_checks(table, target):
    """Return the warnings of `fastnn train` without options."""
    if target is None:
        return list_data_checks(table, None, [])
    return list_training_checks(table, target, dict.fromkeys(column_roles.ROLES), [])


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
    n_without = n_rows - len(target.rows)
    out = {"column": target.name, "task": target.task, "rows_without": n_without}
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
    log_loss = float(-(shares * np.log(shares)).sum())
    return out | {
        "classes": [[label_text(x), n] for x, n in zip(labels.tolist(), counts.tolist())],
        "baseline": {"accuracy": float(shares.max()), "log_loss": log_loss},
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


def _format(content, n_columns, width):
    """Yield lines of at most `width` columns."""
    size = f"{plural(content['rows'], 'row')}, {plural(n_columns, 'column')}"
    yield from wrap(f"{layout.short_path(content['data'])}: {size}")
    if content["rows_looked_at"] < content["rows"] and content["target"] is None:
        yield from wrap(f"{content['rows_looked_at']:,} of them were looked at.")
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
        share = format_share(c["missing"])
        yield printable(c["column"], width)
        yield printable(f"  {kind}, {share} missing, {c['distinct']:,} distinct", width)
        if c["values"]:
            yield printable(f"  {c['values']}", width)


def _format_target(target, width):
    if target is None:
        return
    indent, found = _indent(width), target["baseline"]
    name, n_without = printable(target["column"]), target["rows_without"]
    if target["task"] == "number":
        numbers = (*target["range"], target["median"], target["mean"])
        text = "a number, {} to {}, median {}, mean {}".format(*map(layout.format_number, numbers))
        baseline = (
            f"RMSE {layout.format_error(found['rmse'])} of the mean, mean absolute error "
            f"{layout.format_error(found['mae'])} of the median"
        )
    else:
        classes = sorted(target["classes"], key=lambda c: -c[1])
        n = sum(k for _, k in classes)
        names = [f"{printable(x, 20)} {format_share(k / n)}" for x, k in classes[:MAX_CLASSES]]
        names += ["..."] if len(classes) > MAX_CLASSES else []
        n_classes = "two" if len(classes) == 2 else f"{len(classes):,}"
        text = f"{n_classes} classes: {', '.join(names)}"
        baseline = (
            f"accuracy {found['accuracy']:.3f} of the most frequent class, log-loss "
            f"{found['log_loss']:.3f} of the shares"
        )
    yield from layout.paragraph("target", f"{name}: {text}", indent)
    if n_without:
        yield from layout.paragraph("", f"{plural(n_without, 'row')} without a target", indent)
    yield from layout.paragraph("baseline", baseline, indent)
    yield ""


def _indent(width):
    return layout.LABEL if width >= NARROW else 2

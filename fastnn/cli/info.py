"""fastnn info: show this installation, what a model file contains, or what a table holds."""

import contextlib
import os
import platform
from dataclasses import asdict, dataclass

from .. import kernels
from ..config import PACKAGES, __version__, installed_version, show_config
from ..core.messages import plural, printable
from ..files import ModelFileError
from ..tables.addresses import is_address
from ..tables.formats import is_table_name
from ..tabular.prediction_columns import label_text
from . import model_card
from . import text_layout as layout
from . import text_report as report
from .baselines_text import format_baselines
from .console import CommandError, print_json, print_line
from .display import format_duration
from .last_block import format_last_block
from .model_file import describe_model, is_model_name, load_model
from .options import json_flag, option, positional
from .parser import check_output
from .record import KEY, ModelDescription, TrainingRecord, read_json
from .table_file import TableOptions, resolve_table_path, table_options

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
        from .table_info import show_table

        return show_table(options.data, options.table.reading(), options.target, options.json)
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
        built = {
            name.lower(): getattr(kernels, name)
            for name in ("BUILT", "SUPPORTED", "CHOSEN", "COMPILER")
        }
        print_json(
            {
                "fastnn": __version__,
                **built,
                "numpy": installed_version("numpy"),
                "python": platform.python_version(),
                "extras": extras,
            }
        )
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
        content = {
            "file": options.data,
            "bytes": n_bytes,
            "estimator": facts.estimator,
            "target": facts.target,
            "task": facts.task,
            "classes": labels,
            **asdict(description),
            "training": stored or None,
        }
        print_json(content)
        return 0
    record = None
    with contextlib.suppress(ModelFileError):
        record = TrainingRecord.from_json(stored)
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


def _write_card(model, path, card):
    is_printed = card == "-"
    if not is_printed:
        model_card.check_extension(card)
        check_output(card, path, option="--card")
    stored = read_json(model)
    if not stored.get("scores"):
        raise CommandError(
            f"{path}: has no record of its training, which a card is made from. Train it "
            "with 'fastnn train'."
        )
    try:
        record = TrainingRecord.from_json(stored)
    except ModelFileError:
        raise CommandError(
            f"{path}: the record of its training is damaged, or that of an older version. "
            "Train it again."
        ) from None
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
    yield from report.format_columns(description)
    folds = description.kept or plural(description.folds, "fold")
    networks = plural(description.networks, "network")
    yield from layout.paragraph(
        "model",
        f"{facts.estimator}: {folds}, {networks}, {description.parameters:,} parameters",
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

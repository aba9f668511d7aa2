"""fastnn info: show this installation, what a model file contains, or what a table holds."""

import os
import platform

from .. import kernels
from ..config import PACKAGES, __version__, installed_version, show_config
from ..core.messages import plural, printable
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
from .model_file import KEY, describe_model, is_model_name, load_model, read_record
from .parser import add_json, check_output, help_texts
from .table_file import add_table_options, resolve_table_path

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


def add_parser(commands, summary):
    parser = commands.add_parser(
        "info", help=summary, usage="fastnn info [FILE] [options]", **help_texts(HELP)
    )
    parser.add_argument(
        "data", nargs="?", metavar="FILE", help="model file, or table as for 'fastnn train'"
    )
    parser.add_argument("--target", metavar="COL", help="column of the table to predict")
    parser.add_argument(
        "--card",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write the card of a model: what it predicts from what, its scores, its limits; .md or "
        ".json (default: Markdown to standard output)",
    )
    add_json(parser)
    add_table_options(parser)
    parser.set_defaults(run=run)


def run(arguments):
    if arguments.card is not None and (arguments.data is None or not _is_model(arguments.data)):
        raise CommandError("--card is for a model file. Pass one, or leave out --card.")
    if arguments.data is None:
        return _show_installation(arguments)
    if not _is_model(arguments.data):
        from .table_info import show_table

        return show_table(arguments)
    if arguments.target is not None:
        raise CommandError(
            f"{arguments.data}: is a model, which has its target. Leave out --target."
        )
    return _show_model(arguments)


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


def _show_installation(arguments):
    extras = {name: installed_version(name) for name in PACKAGES}
    if arguments.json:
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


def _show_model(arguments):
    model = load_model(arguments.data)
    if arguments.card is not None:
        return _write_card(model, arguments)
    record, n_bytes = read_record(model), os.path.getsize(arguments.data)
    content = _describe(model)
    if arguments.json:
        print_json(
            {"file": arguments.data, "bytes": n_bytes, **content, "training": record or None}
        )
        return 0
    lines = [
        f"{printable(arguments.data, 60)}: {n_bytes / 1000:,.0f} kB",
        *_format_model(content, bool(record)),
    ]
    for name, text in model.metadata_.items():
        if name != KEY:
            lines += layout.paragraph("metadata", printable(f"{name}: {text}", 400))
    try:
        lines += [*_format_scores(content, record), *_format_training(record)]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        # A record of another program: its values may be anything.
        lines += [*_format_scores(content, {}), "", "training    the record is damaged"]
    for line in lines:
        print_line(line)
    return 0


def _write_card(model, arguments):
    is_printed = arguments.card == "-"
    if not is_printed:
        model_card.check_extension(arguments.card)
        check_output(arguments.card, arguments.data, option="--card")
    try:
        model_card.write(arguments.card, arguments.data, model, read_record(model))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise CommandError(
            f"{arguments.data}: the record of its training is damaged, or that of an older version. "
            "Train it again."
        ) from None
    if not is_printed:
        print_line(f"Saved {arguments.card}.")
    return 0


def _describe(model):
    """Return what a model predicts from what, as a dict that JSON can hold."""
    classes = getattr(model, "classes_", None)
    return {
        "estimator": model.estimator_name,
        "target": model.model_.target_name,
        "task": "number" if classes is None else "classes",
        "classes": None if classes is None else [label_text(label) for label in classes.tolist()],
        **describe_model(model),
    }


def _format_model(content, has_record):
    """Yield lines that say what a model predicts from what. The record explains chosen thresholds."""
    name = "a target without a name" if content["target"] is None else printable(content["target"])
    yield from layout.paragraph("target", f"{name}: {report.describe_target(content)}")
    if content["threshold"] is not None and not (has_record and content["threshold_rule"]):
        yield from layout.paragraph("threshold", report.describe_threshold(content))
    yield from report.format_columns(content)
    folds = content["kept"] or plural(content["folds"], "fold")
    yield from layout.paragraph(
        "model",
        f"{content['estimator']}: {folds}, "
        f"{plural(content['networks'], 'network')}, {content['parameters']:,} parameters",
    )


def _format_scores(content, record):
    """Yield lines with the out-of-fold scores and the permutation importances."""
    if record:
        yield ""
        yield from report.format_results(record)
        yield from format_last_block(record)
        yield from report.format_importances(record)
        yield from report.format_label_issues(record)
        yield from format_baselines(record)
        return
    if content["oof_score"] is not None:
        name, score = content["oof_score_name"], content["oof_score"]
        text = report.format_score(content["metric"], score)
        yield from layout.paragraph("out of fold", f"{printable(name, 60)} {text}")
    yield from report.format_importances(content)


def _format_training(record):
    """Yield lines that say how a model was trained."""
    if record:
        rows, took = plural(record["rows"], "row"), format_duration(record["seconds"])
        yield ""
        yield from layout.paragraph(
            "trained",
            f"on {rows} of {layout.short_path(record['data'])} in {took}, by fastnn "
            f"{printable(record['fastnn'], 20)}:",
        )
        yield from layout.wrap_command(printable(record["command"], 1000))

"""fastnn train: train an ensemble of networks on a table, and save it."""

import contextlib
import datetime
import os
import sys
import time

from ..config import __version__
from ..files import ModelFileError
from ..files.kinds import kind_of
from ..tables.addresses import without_secrets
from ..tabular.columns import KINDS
from ..tabular.prediction_columns import label_text
from . import last_block, model_file, row_roles, train_baselines, train_model, train_search
from . import text_report as report
from .baselines_text import format_baselines
from .console import CommandError, print_json, print_line, print_note
from .parser import check_output, help_texts
from .scores import Evaluation, list_label_issues
from .table_facts import list_training_checks
from .table_file import TableFile
from .target_column import read_target
from .train_options import add_arguments, command_line, complete, resolve_columns, split_names
from .train_table import open_table

HELP = """
Train an ensemble of networks to predict one column of a table from the others.

The columns can hold numbers, texts, dates and missing values. Each network
keeps the epoch that is best on its held-out rows, and the scores are those of
held-out rows (out of fold). The model file holds all that 'fastnn predict'
needs. 'fastnn info DATA --target COL' looks at a table before training.

examples:
  fastnn train digits --target digit --out digits.safetensors
      train on a sample table ('digits', 'flats' and 'wine' ship with fastnn)
  fastnn train people.csv --target income --out income.safetensors \\
      --drop name,id --category postcode
      leave out two columns, and treat a number as a category
  fastnn train churn.csv --target churn --out churn.safetensors \\
      --class-weight balanced --test-size 0.2
      let a rare class count as much as the other, and score on rows set aside
  fastnn train sales.csv --target amount --out amount.safetensors --time day
      score on later days, since the rows to predict will come later
  fastnn train visits.csv --target risk --out risk.safetensors --group patient
      score on other patients, since the rows to predict will be of new ones
  zcat big.csv.gz | fastnn train - --target y --out y.safetensors --folds 1
      read from a pipe, and train in a fifth of the time

default of --task:
  binary if the target has two different values; classes if it is text, or whole
  numbers with up to 10 different values; else number. Texts with more than 10
  different values that are nearly all numbers, such as prices, are a number.
"""


def add_parser(commands, summary):
    parser = commands.add_parser(
        "train",
        help=summary,
        usage="fastnn train DATA --target COL --out FILE [options]",
        **help_texts(HELP),
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments):
    # Check all input before training begins.
    started = time.perf_counter()
    given = complete(arguments)
    file = TableFile(arguments)
    _check_files(file, arguments)
    table = _read_table(file, arguments)
    train_baselines.check(arguments, table)
    train_model.import_estimators()  # takes a second, so after errors of files
    columns = resolve_columns(arguments, table.column_names)
    row_roles.check(arguments, table.column_names, columns)
    target = read_target(table, file, arguments)
    train_model.check_task(arguments, target, file)
    model = train_model.build(arguments, target, columns)
    if arguments.resume:
        model = train_model.load_unfinished(model, arguments)
        if model.n_folds_remaining_ == 0:
            print_note(train_model.describe_complete(model, arguments.out, command_line(given)))
            return 0
    roles = row_roles.read(table, target, file, arguments)
    table.set_target(target)
    train, test = row_roles.split(roles, target, file.notes, arguments)
    rows = table.training_rows(target, train, roles)
    train_model.check_columns(rows, columns, file)
    record = {
        "fastnn": __version__,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command_line(given),
        "data": without_secrets(arguments.data),
        "reading": file.reading(),
        "rows": len(train) + len(test),
        "columns": len(table.column_names) - 1,
        "test_rows": len(test),
        "sample": rows.describe(),
        "target": target.name,
        "target_style": target.style,
        **{option: getattr(arguments, option) for option in row_roles.ARGUMENTS},
        "task": target.task,
        "classes": _classes(target),
        "seed": arguments.seed,
        "time_limit": arguments.time_limit,
        "notes": file.notes.texts,
        "data_checks": list_training_checks(
            rows.sample, target, arguments, _no_inputs(arguments, columns)
        ),
    }
    show = _ignore if arguments.json or arguments.quiet else _print
    show(report.format_table(record))
    show(report.format_data_checks(record))
    began = time.perf_counter()
    record |= {"tuning": None, "baselines": None}
    model.metadata_bytes = model_file.largest_size(record, table.column_names)
    if arguments.time_limit is not None:  # a fit without time would be of no use
        model.seconds_before = min(began - started, arguments.time_limit / 2)
    if arguments.tune:
        search = train_search.Search(model, rows, file, arguments)
        model, is_interrupted = search.run(), search.is_interrupted
        record["tuning"] = search.describe()
    else:
        is_interrupted = train_model.fit(model, rows, file, arguments)
    record |= model_file.describe_model(model) | {"seconds": time.perf_counter() - began}
    predicted = rows.predicted(model)
    held_out = Evaluation.from_held_out(model, target, predicted, roles.weight)
    record["scores"] = held_out.scores()
    metric = record["scores"]["metric"]
    if metric is not None and record["scores"][metric] is None:
        file.notes(
            f"--metric {metric} is undefined for the held-out rows; the loss chose the model"
        )
    record["label_issues"] = list_label_issues(model, target, predicted, file)
    tested = None
    if len(test):
        tested = Evaluation.from_rows(model, table, target, test, roles.weight)
    record["test_scores"] = None if tested is None else tested.scores()
    record["score_errors"] = held_out.errors()
    record["last_block"] = last_block.compare(held_out, rows, arguments)
    _save(model, record, arguments)
    if arguments.baselines and not is_interrupted:
        trained = train_baselines.TrainedRows(rows, held_out, tested, lambda: table.take(test))
        record["baselines"] = train_baselines.compare(model, trained, file, arguments)
        is_interrupted = record["baselines"]["interrupted"]
        _save(model, record, arguments)
    show(report.format_columns(record))
    show(report.format_tuning(record))
    show([""])
    show(report.format_results(record))
    show(last_block.format_last_block(record))
    show(report.format_importances(record))
    show(report.format_label_issues(record))
    show(format_baselines(record))
    show(["", *report.format_saved(record, arguments.out, os.path.getsize(arguments.out))])
    if arguments.json:
        print_json({"model": arguments.out, **record})
    if arguments.plot is not None:
        _plot(model, record, held_out, arguments)
    if arguments.report is not None:
        _write_report(model, record, rows.sample, held_out, arguments)
    if is_interrupted:
        for line in report.format_interrupted(record, arguments.out):
            print_line(line, sys.stderr)
        return 130
    return 0


def _check_files(file, arguments):
    """Raise CommandError unless the model, the picture and the report can be written.

    A model replaces a model, but no other file: `--out data.csv` may be a slip.
    """
    inputs = [file.path]
    if arguments.config is not None:
        inputs.append(arguments.config)
    model_file.check_model_name(arguments.out)
    option_of: dict = {}
    for name in ("out", "plot", "report"):
        path = getattr(arguments, name)
        if path is None:
            continue
        check_output(path, *inputs, option=f"--{name}")
        other = option_of.setdefault(os.path.realpath(path), name)
        if other != name:
            raise CommandError(f"{path}: --{name} and --{other} are the same file.")
    if not arguments.resume and os.path.exists(arguments.out) and os.path.getsize(arguments.out):
        try:
            kind_of(arguments.out)
        except ModelFileError:
            raise CommandError(
                f"{arguments.out}: --out would overwrite a file that is not a model. Remove it, or "
                "choose another --out."
            ) from None


def _print(lines):
    for line in lines:
        print_line(line)


def _ignore(lines):
    pass


# ---- the table ----


def _read_table(file, arguments):
    named, texts = [arguments.target, *row_roles.passed(arguments).values()], []
    for kind, column in KINDS.items():
        values = getattr(arguments, kind)
        names = [*(values or ()), *split_names(values)]
        named += names
        texts += names if column.is_read_as_text else []
    return open_table(file, texts, named, arguments.window)


def _classes(target):
    if target.is_number:
        return None
    return list(map(label_text, target.classes()[0]))


def _no_inputs(arguments, columns):
    """Return the names of columns that are not inputs."""
    names = dict.fromkeys([*columns["drop"], arguments.group, arguments.weight])
    return [name for name in names if name is not None]


# ---- the model ----


def _save(model, record, arguments):
    out = arguments.out
    notes = model_file.shorten_notes(record["notes"])
    model.metadata_ = model_file.to_metadata(record | {"notes": notes})
    try:
        model.save(out, background=not arguments.no_background)
    except OSError as error:
        raise CommandError(f"{out}: cannot be written: {error.strerror or error}") from None


def _plot(model, record, held_out, arguments):
    from . import train_plot

    with _written_after_the_model(arguments.plot, arguments):
        train_plot.save(arguments.plot, model, record, held_out.y, held_out.P)


def _write_report(model, record, rows, held_out, arguments):
    from ..tabular.columns import frames
    from . import html_report

    with _written_after_the_model(arguments.report, arguments):
        frame, y = frames.split_target(rows, record["target"])
        page = html_report.Report(
            record, model, frame, y, rows, held_out.y, held_out.P, held_out.weight
        )
        html_report.save(arguments.report, page)


@contextlib.contextmanager
def _written_after_the_model(path, arguments):
    """Say that a file is saved, or raise CommandError if it cannot be written."""
    try:
        yield
    except OSError as error:
        raise CommandError(
            f"{path}: cannot be written: {error.strerror or error}. The model is saved in "
            f"{arguments.out}."
        ) from None
    if not (arguments.json or arguments.quiet):
        print_line(f"Saved {path}.")

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
from ..tabular.columns.column_kinds import KINDS
from ..tabular.prediction_columns import label_text
from . import last_block, model_file, row_roles, train_baselines, train_model, train_search
from . import text_report as report
from .baselines_text import format_baselines
from .console import CommandError, print_json, print_line, print_note
from .parser import check_output
from .scores import Evaluation, list_label_issues
from .table_facts import list_training_checks
from .table_file import TableFile
from .target_column import read_target
from .train_options import TrainOptions, resolve_columns, split_names
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


USAGE = "fastnn train DATA --target COL --out FILE [options]"
Options = TrainOptions


def run(options):
    # Check all input before training begins.
    started = time.perf_counter()
    file = TableFile(options.data, options.table.reading(), target=options.target)
    _check_files(file, options)
    table = _read_table(file, options)
    if options.baselines:
        train_baselines.check(table)
    train_model.import_estimators()  # takes a second, so after errors of files
    columns = resolve_columns(options, table.column_names)
    row_roles.check(options, table.column_names, columns)
    target = read_target(table, file, options.target, options.task, options.skip_missing_target)
    train_model.check_task(options, target, file)
    model = train_model.build(options, target, columns)
    if options.resume:
        model = train_model.load_unfinished(model, options.out)
        if model.n_folds_remaining_ == 0:
            print_note(train_model.describe_complete(model, options.out, options.command))
            return 0
    roles = row_roles.read(table, target, file, options)
    table.set_target(target)
    train, test = row_roles.split(roles, target, file.notes, options)
    rows = table.training_rows(target, train, roles)
    train_model.check_columns(rows, columns, file)
    roles_by_option = {name: getattr(options, name) for name in row_roles.ARGUMENTS}
    not_inputs = _no_inputs(options, columns)
    record = {
        "fastnn": __version__,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": options.command,
        "data": without_secrets(options.data),
        "reading": file.reading(),
        "rows": len(train) + len(test),
        "columns": len(table.column_names) - 1,
        "test_rows": len(test),
        "sample": rows.describe(),
        "target": target.name,
        "target_style": target.style,
        **roles_by_option,
        "task": target.task,
        "classes": _classes(target),
        "seed": options.seed,
        "time_limit": options.time_limit,
        "notes": file.notes.texts,
        "data_checks": list_training_checks(
            rows.sample, target, roles_by_option, not_inputs, options.seed, options.resume
        ),
    }
    show = _ignore if options.json or options.quiet else _print
    show(report.format_table(record))
    show(report.format_data_checks(record))
    began = time.perf_counter()
    record |= {"tuning": None, "baselines": None}
    model.metadata_bytes = model_file.largest_size(record, table.column_names)
    if options.time_limit is not None:  # a fit without time would be of no use
        model.seconds_before = min(began - started, options.time_limit / 2)
    if options.tune:
        search = train_search.Search(model, rows, file, options)
        model, is_interrupted = search.run(), search.is_interrupted
        record["tuning"] = search.describe()
    else:
        is_interrupted = train_model.fit(model, rows, file, options)
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
    record["last_block"] = last_block.compare(held_out, rows)
    _save(model, record, options)
    if options.baselines and not is_interrupted:
        trained = train_baselines.TrainedRows(rows, held_out, tested, lambda: table.take(test))
        record["baselines"] = train_baselines.compare(model, trained, file, options)
        is_interrupted = record["baselines"]["interrupted"]
        _save(model, record, options)
    show(report.format_columns(record))
    show(report.format_tuning(record))
    show([""])
    show(report.format_results(record))
    show(last_block.format_last_block(record))
    show(report.format_importances(record))
    show(report.format_label_issues(record))
    show(format_baselines(record))
    show(["", *report.format_saved(record, options.out, os.path.getsize(options.out))])
    if options.json:
        print_json({"model": options.out, **record})
    if options.plot is not None:
        _plot(model, record, held_out, options)
    if options.report is not None:
        _write_report(model, record, rows.sample, held_out, options)
    if is_interrupted:
        for line in report.format_interrupted(record, options.out):
            print_line(line, sys.stderr)
        return 130
    return 0


def _check_files(file, options):
    """Raise CommandError unless the model, the picture and the report can be written.

    A model replaces a model, but no other file: `--out data.csv` may be a slip.
    """
    inputs = [file.path]
    if options.config is not None:
        inputs.append(options.config)
    model_file.check_model_name(options.out)
    option_of: dict = {}
    for name in ("out", "plot", "report"):
        path = getattr(options, name)
        if path is None:
            continue
        check_output(path, *inputs, option=f"--{name}")
        other = option_of.setdefault(os.path.realpath(path), name)
        if other != name:
            raise CommandError(f"{path}: --{name} and --{other} are the same file.")
    if not options.resume and os.path.exists(options.out) and os.path.getsize(options.out):
        try:
            kind_of(options.out)
        except ModelFileError:
            raise CommandError(
                f"{options.out}: --out would overwrite a file that is not a model. Remove it, or "
                "choose another --out."
            ) from None


def _print(lines):
    for line in lines:
        print_line(line)


def _ignore(lines):
    pass


# ---- the table ----


def _read_table(file, options):
    named, texts = [options.target, *row_roles.passed(options).values()], []
    for kind, column in KINDS.items():
        values = options.columns[kind]
        names = [*(values or ()), *split_names(values)]
        named += names
        texts += names if column.is_read_as_text else []
    return open_table(file, texts, named, options.window)


def _classes(target):
    if target.is_number:
        return None
    return list(map(label_text, target.classes()[0]))


def _no_inputs(options, columns):
    """Return the names of columns that are not inputs."""
    names = dict.fromkeys([*columns["drop"], options.group, options.weight])
    return [name for name in names if name is not None]


# ---- the model ----


def _save(model, record, options):
    out = options.out
    notes = model_file.shorten_notes(record["notes"])
    model.metadata_ = model_file.to_metadata(record | {"notes": notes})
    try:
        model.save(out, background=not options.no_background)
    except OSError as error:
        raise CommandError(f"{out}: cannot be written: {error.strerror or error}") from None


def _plot(model, record, held_out, options):
    from . import train_plot

    with _written_after_the_model(options.plot, options):
        train_plot.save(options.plot, model, record, held_out.y, held_out.P)


def _write_report(model, record, rows, held_out, options):
    from ..tabular.columns import frames
    from . import html_report

    with _written_after_the_model(options.report, options):
        frame, y = frames.split_target(rows, record["target"])
        page = html_report.Report(
            record, model, frame, y, rows, held_out.y, held_out.P, held_out.weight
        )
        html_report.save(options.report, page)


@contextlib.contextmanager
def _written_after_the_model(path, options):
    """Say that a file is saved, or raise CommandError if it cannot be written."""
    try:
        yield
    except OSError as error:
        raise CommandError(
            f"{path}: cannot be written: {error.strerror or error}. The model is saved in "
            f"{options.out}."
        ) from None
    if not (options.json or options.quiet):
        print_line(f"Saved {path}.")

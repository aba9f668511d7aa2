"""fastnn train: train an ensemble of networks on a table, and save it."""

import contextlib
import datetime
import os
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np

from .. import plotting
from ..config import __version__
from ..core.messages import printable
from ..files import ModelFileError
from ..files.kinds import kind_of
from ..tables.source import without_secrets
from ..tabular.columns import KINDS
from ..tabular.targets import label_text
from . import column_roles, model_file, trained_models
from . import text_report as report
from .console import CommandError, file_name, print_json, print_line, print_note
from .options import check_output
from .record import TrainingRecord, TrainingSetup, largest_size
from .scores import Evaluation, compare_last_block, list_label_issues
from .table_file import TableFile, list_training_checks, open_table
from .train_options import TrainOptions, resolve_columns, resolve_monotone, split_names

MAX_PLOTTED = 10  # columns in the picture of --plot
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
    training = _Training(options)
    if training.is_complete:
        print_note(trained_models.describe_complete(training.model, options.out, options.command))
        return 0
    setup = training.describe()

    def show(lines):
        for line in () if options.json or options.quiet else lines:
            print_line(line)

    show(report.format_table(setup))
    show(report.format_data_checks(setup))
    training.fit(setup)
    record = training.score(setup)
    _save(training.model, record, options)
    if options.baselines and not training.is_interrupted:
        record = training.compare_baselines(record)
        _save(training.model, record, options)
    show(_format(record, options.out))
    if options.json:
        print_json({"model": options.out, **record.to_json()})
    for path, save in ((options.plot, _save_plot), (options.report, _save_report)):
        if path is not None:
            with _written_after_the_model(path, options.out):
                save(path, training, record)
            show([f"Saved {path}."])
    if training.is_interrupted:
        for line in report.format_interrupted(record, options.out):
            print_line(line, sys.stderr)
        return 130
    return 0


class _Training:
    """A training: its table, read and checked, and the model that is fitted to it.

    Unless it is complete, `describe`, `fit`, `score` and `compare_baselines` are called in this order.

    Attributes
    ----------
    options : TrainOptions
    file : TableFile
    table : MemoryTable or StreamedTable
    target : Target
    model : TabularClassifier or TabularRegressor
    is_complete : bool
        Whether there is nothing left to resume.
    rows : TrainingRows
        Not set if it is complete, as the next two.
    test : ndarray
        The positions of the rows of --test-size among those with a target.
    dropped : list of str
        The columns of --drop.
    started, began : float
        When the table was opened, and when `fit` was called.
    tuning : Tuning or None
        Set by `fit`.
    is_interrupted : bool
        Whether Ctrl-C came when some folds were done, or some baselines.
    held_out, tested : Evaluation or None
        Set by `score`: of the held-out rows, and of those of the test.
    """

    def __init__(self, options):
        """Check all input before training begins."""
        self.started = time.perf_counter()
        self.options, self.is_interrupted, self.tuning = options, False, None
        self.held_out: Any = None
        self.tested: Any = None
        file = TableFile(options.data, options.table.reading(), target=options.target)
        self.file = file
        _check_files(file, options)
        table = self.table = _read_table(file, options)
        if options.baselines:
            trained_models.check_baselines(table)
        trained_models.import_estimators()  # takes a second, so after errors of files
        columns = resolve_columns(options, table.column_names)
        column_roles.check_roles(options, table.column_names, columns)
        target = column_roles.read_target(
            table,
            file,
            options.target,
            options.task,
            skip_missing=options.skip_missing_target,
        )
        self.target = target
        trained_models.check_task(options, target, file)
        monotone = resolve_monotone(options, table.column_names)
        self.model = trained_models.build_estimator(options, target, columns, monotone)
        if options.resume:
            self.model = trained_models.load_unfinished(self.model, options.out)
        self.is_complete = options.resume and self.model.n_folds_remaining_ == 0
        if self.is_complete:
            return
        roles = column_roles.read_roles(table, target, file, options)
        table.set_target(target)
        train, self.test = column_roles.split_off_test(roles, target, file.notes, options)
        self.rows = table.training_rows(target, train, roles)
        trained_models.check_kinds(self.rows, columns, file)
        self.dropped = columns["drop"]

    def describe(self):
        """Return the TrainingSetup."""
        options, target, rows, file = self.options, self.target, self.rows, self.file
        roles = {name: getattr(options, name) for name in column_roles.ROLES}
        not_inputs = [*self.dropped, options.group, options.weight]
        not_inputs = [name for name in dict.fromkeys(not_inputs) if name is not None]
        return TrainingSetup(
            fastnn=__version__,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            command=options.command,
            data=without_secrets(options.data),
            reading=file.reading(),
            rows=len(rows.rows) + len(self.test),
            columns=len(self.table.column_names) - 1,
            test_rows=len(self.test),
            sample=rows.describe(),
            target=target.name,
            target_style=target.style,
            **roles,
            task=target.task,
            classes=None if target.is_number else list(map(label_text, target.classes()[0])),
            seed=options.seed,
            time_limit=options.time_limit,
            notes=list(file.notes.texts),
            data_checks=list_training_checks(
                rows.sample, target, roles, not_inputs, options.seed, options.resume
            ),
        )

    def fit(self, setup):
        """Fit the model. With --tune, it may be replaced by one with better settings."""
        options, model, rows, file = self.options, self.model, self.rows, self.file
        self.began = time.perf_counter()
        model.metadata_bytes = largest_size(setup, self.table.column_names)
        if options.time_limit is not None:  # a fit without time would be of no use
            model.seconds_before = min(self.began - self.started, options.time_limit / 2)
        if not options.tune:
            self.is_interrupted = trained_models.fit_estimator(model, rows, file, options)
            return
        search = trained_models.Search(model, rows, file, options)
        self.model, self.is_interrupted = search.run(), search.is_interrupted
        self.tuning = search.describe()

    def score(self, setup):
        """Return the TrainingRecord, without baselines."""
        model, target, rows, file = self.model, self.target, self.rows, self.file
        description = model_file.describe_model(model.facts())
        seconds = time.perf_counter() - self.began
        predicted = rows.predicted(model)
        held_out = Evaluation.from_held_out(model, target, predicted, rows.roles.weight)
        self.held_out, scores = held_out, held_out.scores()
        if scores.metric is not None and scores.values[scores.metric] is None:
            file.notes(
                f"--metric {scores.metric} is undefined for the held-out rows; the loss chose the model"
            )
        label_issues = list_label_issues(model, target, predicted, file)
        if len(self.test):
            self.tested = Evaluation.from_rows(
                model, self.table, target, self.test, rows.roles.weight
            )
        return TrainingRecord(
            **vars(setup) | {"notes": list(file.notes.texts)},
            tuning=self.tuning,
            model=description,
            seconds=seconds,
            scores=scores,
            label_issues=label_issues,
            test_scores=None if self.tested is None else self.tested.scores(),
            score_errors=held_out.errors(),
            last_block=compare_last_block(held_out, rows),
        )

    def compare_baselines(self, record):
        """Return the record with the baselines."""
        evaluations = self.held_out, self.tested
        compared = trained_models.compare_baselines(
            self.model, self.table, self.rows, evaluations, self.file, self.options
        )
        self.is_interrupted = compared.interrupted
        return replace(record, baselines=compared, notes=list(self.file.notes.texts))


def _format(record, out):
    """Yield the lines that say what was learned."""
    yield from report.format_columns(record.model, record.classes)
    yield from report.format_tuning(record.tuning)
    yield ""
    yield from report.format_results(record)
    yield from report.format_last_block(record)
    yield from report.format_importances(record.model)
    yield from report.format_label_issues(record)
    yield from report.format_baselines(record)
    yield ""
    yield from report.format_saved(record, out, os.path.getsize(out))


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


def _read_table(file, options):
    named, texts = [options.target, *column_roles.role_arguments(options).values()], []
    for kind, column in KINDS.items():
        values = options.columns[kind]
        names = [*(values or ()), *split_names(values)]
        named += names
        texts += names if column.is_read_as_text else []
    return open_table(file, texts, named, options.window)


# ---- files ----


def _save(model, record: TrainingRecord, options):
    model.metadata_ = record.to_metadata()
    try:
        model.save(options.out, background=not options.no_background)
    except OSError as error:
        raise CommandError(f"{options.out}: cannot be written: {error.strerror or error}") from None


def _save_report(path, training, record: TrainingRecord):
    from ..tabular.columns import frames
    from . import html_report

    held_out, rows = training.held_out, training.rows.sample
    frame, y = frames.split_target(rows, record.target)
    page = html_report.Report(
        record, training.model, frame, y, rows, held_out.y, held_out.P, held_out.weight
    )
    html_report.save(path, page)


@contextlib.contextmanager
def _written_after_the_model(path, out):
    """Raise CommandError if a file cannot be written. out : the model file"""
    try:
        yield
    except OSError as error:
        raise CommandError(
            f"{path}: cannot be written: {error.strerror or error}. The model is saved in {out}."
        ) from None


# ---- the picture of --plot ----


def _save_plot(path, training, record: TrainingRecord):
    """Save the picture of a training, whose networks still have their histories."""
    from matplotlib.figure import Figure

    model, y, P = training.model, training.held_out.y, training.held_out.P
    with plotting.style():
        figure = Figure(figsize=(9, 7.5))
        (curves, result), (details, columns) = figure.subplots(2, 2)
        _plot_curves(curves, model)
        if record.classes is None:
            plotting.plot_predictions(y, P, result)
            plotting.plot_residuals(y, P, details)
            result.set_title("true against predicted")
            details.set_title("errors")
        else:
            labels = model.classes_
            predicted = labels[model.decide(P, model.threshold_)]
            plotting.plot_confusion(labels[y], predicted, result, labels=labels)
            plotting.plot_reliability(labels[y], P, details, labels=labels)
            result.set_title("classes")
            details.set_title("calibration")
        plotting.plot_importances(model, ax=columns, max_columns=MAX_PLOTTED)
        columns.set_title("permutation importance")
        target, data = printable(record.target, 30), file_name(record.data, 50)
        title = f"{target} in {data}, on held-out rows"
        figure.suptitle(title, x=0.01, ha="left", parse_math=False)  # a name may have dollar signs
        figure.savefig(path)


def _plot_curves(ax, model):
    """Plot the held-out loss of each network with its best epoch, and the mean of all."""
    histories = [
        np.array(history.val_loss)
        for folds in model.histories_
        for history in folds
        if history is not None
    ]  # the networks that --resume has read from the file have none
    ax.set(title="learning curves of the networks", xlabel="% of the training", ylabel="loss")
    if not histories:
        return
    grid = np.linspace(0, 100, 201)
    curves = []
    for losses in histories:
        percent = np.linspace(0, 100, len(losses))
        ax.plot(percent, losses, color=plotting.BLUE, alpha=0.25, linewidth=0.8)
        curves.append(np.interp(grid, percent, losses))
    best = [losses.argmin() / max(1, len(losses) - 1) * 100 for losses in histories]
    lowest = [losses.min() for losses in histories]
    ax.plot(best, lowest, "o", color=plotting.BLUE, markersize=3, label="least loss")
    ax.plot(grid, np.mean(curves, axis=0), color=plotting.ORANGE, label="mean")
    low, high = np.min(lowest), np.quantile(curves, 0.99)
    ax.set_ylim(low - 0.05 * (high - low), high)
    ax.legend(loc="best")  # its default would warn on slow machines

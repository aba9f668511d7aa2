"""fastnn predict: predict each row of a table with a trained model."""

import sys
from dataclasses import dataclass

import numpy as np

from ..core.messages import plural
from ..tables import formats
from ..tables.source import without_secrets
from ..tabular.predictions import class_columns, number_columns
from .console import CommandError, Notes, print_json, print_line, warnings_as_notes
from .model_file import is_training_table, load_model
from .model_rows import check_model, explanation_columns, open_rows, round_numbers, score_columns
from .options import flag, json_flag, keep_option, number, option, positional, threads_option
from .table_file import TableOptions, table_options
from .text_report import format_scores

MIN_SCORED_ROWS = 20  # scores of fewer rows say little; --json has them
HELP = """
Predict each row of a table with a model that 'fastnn train' wrote.

The output has one row for each row of DATA, in the same order: the columns of
--keep, then the prediction. The columns of DATA may be in any order, and other
columns are ignored. If DATA has the target and at least 20 rows, scores are
printed to standard error.

A category that the training table did not have contributes nothing to a
prediction. A text in a column of numbers is a missing value. Notes count both.

examples:
  fastnn predict model.safetensors new.csv               print as CSV
  fastnn predict model.safetensors new.csv --out predictions.parquet
  fastnn predict model.safetensors new.csv --keep id,name --proba
      id, name, the predicted class and the probability of each class
  fastnn predict model.safetensors new.csv --keep all --interval 0.9
      all columns of DATA, the predicted number, and an interval that holds the
      true number with a probability of about 0.9
  fastnn predict model.safetensors new.csv --explain     what each column adds
  zcat big.csv.gz | fastnn predict model.safetensors - | head -3
"""
USAGE = "fastnn predict MODEL DATA [options]"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `fastnn predict`."""

    model: str = positional("MODEL", "model file written by 'fastnn train'")
    data: str = positional(
        "DATA",
        "table with the columns of the training table, as for 'fastnn train'; - for standard input",
    )
    out: str | None = option(
        "FILE", f"file to write: {formats.written_extensions()} (default: CSV to standard output)"
    )
    keep: list[str] | None = keep_option()
    proba: bool = flag("also write the probability of each class")
    explain: bool = flag(
        "also write what each column contributes to the prediction, as 'fastnn explain' does"
    )
    interval: float | None = option(
        "P",
        "also write an interval that holds the true number with probability P",
        type=number(above=0.0, below=1.0),
        argument="coverage",
    )
    threads: int = threads_option()
    json: bool = json_flag()
    table: TableOptions = table_options()


def run(options):
    model = load_model(options.model, options.data)
    model.n_threads = options.threads
    _check_options(options, model)
    notes = Notes()
    rows, writer, findings = open_rows(options, model, notes)
    targets, outputs = _write_predictions(options, model, rows, writer)
    scores = None
    if rows.has_target and (options.json or rows.n_rows >= MIN_SCORED_ROWS):
        scores = score_columns(model, targets, outputs, notes)
    if scores is not None and is_training_table(model, options.data, rows.n_rows, scores.rows):
        notes(
            "this seems to be the table that the model was trained on, so the scores are "
            f"optimistic. 'fastnn info {options.model}' shows the out-of-fold scores"
        )
    if options.json:
        report = {
            "model": options.model,
            "data": without_secrets(options.data),
            "rows": rows.n_rows,
            "target": model.facts().target,
            "out": options.out,
            "notes": notes.texts,
            **findings,
            "scores": None if scores is None else scores.to_json(),
            "predictions": writer.to_json(),
        }
        print_json(report)
        return 0
    if options.out is not None:
        print_line(f"Saved {options.out} ({plural(rows.n_rows, 'row')}).")
    if scores is not None and scores.rows >= MIN_SCORED_ROWS:
        for line in format_scores(scores, f"on {scores.rows:,} rows"):
            print_line(line, sys.stderr)
    return 0


def _check_options(options, model):
    facts, has_interval = model.facts(), options.interval is not None
    if options.proba and not facts.is_classifier:
        raise CommandError(
            f"--proba: {options.model} predicts a number. Pass --interval 0.9 for an interval "
            "that holds it."
        )
    if has_interval and facts.is_classifier:
        raise CommandError(
            f"--interval: {options.model} predicts a class. Pass --proba for the probability of "
            "each class."
        )
    if has_interval and not facts.has_intervals:
        raise CommandError(
            f"--interval: {options.model} predicts several quantiles, and is of an older version, "
            "without their errors on held-out rows. Leave it out, or train the model again."
        )
    check_model(options.model, model)
    if options.explain and not facts.n_background:
        raise CommandError(
            f"--explain: {options.model} keeps no training rows to compare with. Pass a table of "
            "such rows to 'fastnn explain' as --background, or train the model again."
        )


# ---- predict ----


def _write_predictions(options, model, rows, writer):
    """Write the output. Return the targets of the parts, if there are any, and their predictions."""
    if model.is_classifier:
        writer.find_quotes({"prediction": model.classes_})
    targets, outputs = [], []
    with writer:
        for part in rows.parts():
            predicted, columns = _predict(options, model, rows, part)
            if rows.has_target:
                targets.append(part.target)
                outputs.append(predicted)
            writer.write(part.kept, columns)
    return targets, outputs


def _predict(options, model, rows, part):
    """Return probabilities or numbers of the rows of a part, and {name: array} of the output."""
    explanation, bounds, coverage = None, (), options.interval
    with rows.explained(part), warnings_as_notes(lambda text: None):  # `open_rows` has said it
        predicted = (model.predict_proba if model.is_classifier else model.predict)(part.inputs)
        if options.explain:
            explanation = model.explain(part.inputs)
        if coverage is not None:
            bounds = model.predict_interval(part.inputs, coverage)
    if not all(np.isfinite(values).all() for values in (predicted, *bounds)):
        raise CommandError(
            f"{options.model}: the output of the model is not finite. Train it again."
        )
    columns = _columns(model, predicted, bounds, options.proba)
    return predicted, columns | ({} if explanation is None else explanation_columns(explanation))


def _columns(model, predicted, bounds, has_proba):
    """Return {name: array} of the predictions."""
    if not model.is_classifier:
        columns = number_columns(model, predicted, bounds)
        return {name: round_numbers(values) for name, values in columns.items()}
    columns = class_columns(model, predicted, has_proba)
    labels = columns.pop("prediction")
    if not len(labels) and labels.dtype == object:
        labels = labels.astype(str)  # Arrow would have a column of nulls
    return {"prediction": labels} | {name: round_numbers(p) for name, p in columns.items()}

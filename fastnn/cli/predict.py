"""fastnn predict: predict each row of a table with a trained model."""

import sys
from dataclasses import dataclass

import numpy as np

from ..core.messages import plural
from ..tables import formats
from ..tables.addresses import without_secrets
from ..tabular.prediction_columns import class_columns, number_columns
from . import explained_rows
from .console import CommandError, Notes, print_json, print_line, warnings_as_notes
from .model_file import is_training_table, load_model, target_style
from .options import flag, json_flag, keep_option, option, positional, threads_option
from .parser import number
from .predict_rows import round_numbers
from .predict_scores import score_columns
from .row_checks import check_model, open_rows, values_to_json
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
        "FILE", f"file to write: {formats.written()} (default: CSV to standard output)"
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
    table, writer, checked = open_rows(options, model, notes)
    if model.is_classifier:
        writer.find_quotes({"prediction": model.classes_})
    targets, outputs = [], []
    with writer:
        for part in table.parts():
            predicted = _predict(options, model, table, part)
            if table.has_target:
                targets.append(part.target)
                outputs.append(predicted["P"] if "P" in predicted else predicted["y"])
            writer.write(part.kept, _output_columns(model, predicted, options.proba))
    is_scored = table.has_target and (options.json or table.n_rows >= MIN_SCORED_ROWS)
    scores = None
    if is_scored:
        scores = score_columns(model, targets, outputs, notes, target_style(model))
    if scores is not None and is_training_table(model, options.data, table.n_rows, scores.rows):
        notes(
            "this seems to be the table that the model was trained on, so the scores are "
            f"optimistic. 'fastnn info {options.model}' shows the out-of-fold scores"
        )
    if options.json:
        report = {
            "model": options.model,
            "data": without_secrets(options.data),
            "rows": table.n_rows,
            "target": model.facts().target,
            "out": options.out,
            "notes": notes.texts,
            **values_to_json(checked),
            "scores": None if scores is None else scores.to_json(),
            "predictions": writer.to_json(),
        }
        print_json(report)
        return 0
    if options.out is not None:
        print_line(f"Saved {options.out} ({plural(table.n_rows, 'row')}).")
    if scores is not None and scores.rows >= MIN_SCORED_ROWS:
        for line in format_scores(scores, f"on {scores.rows:,} rows"):
            print_line(line, sys.stderr)
    return 0


def _check_options(options, model):
    facts = model.facts()
    if options.proba and not facts.is_classifier:
        raise CommandError(
            f"--proba: {options.model} predicts a number. Pass --interval 0.9 for an interval "
            "that holds it."
        )
    if options.interval is not None and facts.is_classifier:
        raise CommandError(
            f"--interval: {options.model} predicts a class. Pass --proba for the probability of "
            "each class."
        )
    if options.interval is not None and not facts.has_intervals:
        raise CommandError(
            f"--interval: {options.model} predicts several quantiles, and two of them are the "
            "bounds of an interval. Leave it out."
        )
    check_model(options.model, model)
    if options.explain and not facts.n_background:
        raise CommandError(
            f"--explain: {options.model} keeps no training rows to compare with. Pass a table of "
            "such rows to 'fastnn explain' as --background, or train the model again."
        )


# ---- predict ----


def _predict(options, model, table, part):
    """Return the outputs of the model: {"P": ...}, or {"y": ...} and the bounds of an interval."""
    rows = part.inputs
    with table.explained(part), warnings_as_notes(lambda text: None):  # `check_rows` has said it
        if model.is_classifier:
            outputs = {"P": model.predict_proba(rows)}
        else:
            outputs = {"y": model.predict(rows)}
        if options.explain:
            outputs["explanation"] = model.explain(rows)
        if options.interval is not None:
            outputs["lower"], outputs["upper"] = model.predict_interval(rows, options.interval)
    explanation = outputs.pop("explanation", None)
    for values in outputs.values():
        if not np.isfinite(values).all():
            raise CommandError(
                f"{options.model}: the output of the model is not finite. Train it again."
            )
    if explanation is not None:
        outputs["contributions"] = explained_rows.to_columns(explanation)
    return outputs


def _output_columns(model, outputs, has_proba):
    """Return {name: array} of the predictions."""
    contributions = outputs.get("contributions", {})
    return _prediction_columns(model, outputs, has_proba) | contributions


def _prediction_columns(model, outputs, has_proba):
    if "P" not in outputs:
        bounds = [outputs[name] for name in ("lower", "upper") if name in outputs]
        columns = number_columns(model, outputs["y"], bounds)
        return {name: round_numbers(values) for name, values in columns.items()}
    columns = class_columns(model, outputs["P"], has_proba)
    labels = columns.pop("prediction")
    if not len(labels) and labels.dtype == object:
        labels = labels.astype(str)  # Arrow would have a column of nulls
    return {"prediction": labels} | {name: round_numbers(p) for name, p in columns.items()}

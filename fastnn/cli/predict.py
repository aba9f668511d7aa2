"""fastnn predict: predict each row of a table with a trained model."""

import sys

import numpy as np

from ..core.messages import plural
from ..tables import formats, table_writer
from ..tables.addresses import without_secrets
from ..tabular.prediction_columns import class_columns, number_columns
from . import explained_rows
from .console import CommandError, Notes, print_json, print_line, warnings_as_notes
from .model_file import (
    is_training_table,
    load_model,
    read_like_training,
    target_style,
)
from .parser import add_json, add_keep, add_threads, check_output, help_texts, number
from .predict_rows import PredictTable, RowWriter, round_numbers
from .predict_scores import score_columns
from .row_checks import check_model, check_rows, note_values, values_to_json
from .table_file import TableFile, add_table_options
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


def add_parser(commands, summary):
    parser = commands.add_parser(
        "predict",
        help=summary,
        usage="fastnn predict MODEL DATA [options]",
        **help_texts(HELP),
    )
    parser.add_argument("model", metavar="MODEL", help="model file written by 'fastnn train'")
    parser.add_argument(
        "data",
        metavar="DATA",
        help="table with the columns of the training table, as for 'fastnn train'; - for standard "
        "input",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help=f"file to write: {formats.written()} (default: CSV to standard output)",
    )
    add_keep(parser)
    parser.add_argument(
        "--proba", action="store_true", help="also write the probability of each class"
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="also write what each column contributes to the prediction, as 'fastnn explain' does",
    )
    parser.add_argument(
        "--interval",
        type=number(above=0.0, below=1.0),
        metavar="P",
        help="also write an interval that holds the true number with probability P",
    )
    add_threads(parser, default=-1)
    add_json(parser)
    add_table_options(parser)
    parser.set_defaults(run=run)


def run(arguments):
    model = load_model(arguments.model, arguments.data)
    model.n_threads = arguments.threads
    _check_arguments(arguments, model)
    notes = Notes()
    read_like_training(arguments, model, notes)
    table = PredictTable(arguments, model, notes)
    writer = RowWriter(arguments.out, arguments.json)
    checked = check_rows(model, table, writer)
    note_values(checked, arguments, notes)
    if hasattr(model, "classes_"):
        writer.find_quotes({"prediction": model.classes_})
    targets, outputs = [], []
    with writer:
        for part in table.parts():
            predicted = _predict(arguments, model, table, part)
            if table.has_target:
                targets.append(part.target)
                outputs.append(predicted["P"] if "P" in predicted else predicted["y"])
            writer.write(part.kept, _output_columns(arguments, model, predicted))
    is_scored = table.has_target and (arguments.json or table.n_rows >= MIN_SCORED_ROWS)
    scores = None
    if is_scored:
        scores = score_columns(model, targets, outputs, notes, target_style(model))
    if scores is not None and is_training_table(
        model, arguments.data, table.n_rows, scores["rows"]
    ):
        notes(
            "this seems to be the table that the model was trained on, so the scores are "
            f"optimistic. 'fastnn info {arguments.model}' shows the out-of-fold scores"
        )
    if arguments.json:
        report = {
            "model": arguments.model,
            "data": without_secrets(arguments.data),
            "rows": table.n_rows,
            "target": model.model_.target_name,
            "out": arguments.out,
            "notes": notes.texts,
            **values_to_json(checked),
            "scores": scores,
            "predictions": writer.to_json(),
        }
        print_json(report)
        return 0
    if arguments.out is not None:
        print_line(f"Saved {arguments.out} ({plural(table.n_rows, 'row')}).")
    if scores is not None and scores["rows"] >= MIN_SCORED_ROWS:
        for line in format_scores(scores, f"on {scores['rows']:,} rows"):
            print_line(line, sys.stderr)
    return 0


def _check_arguments(arguments, model):
    is_classifier = hasattr(model, "classes_")
    if arguments.proba and not is_classifier:
        raise CommandError(
            f"--proba: {arguments.model} predicts a number. Pass --interval 0.9 for an interval "
            "that holds it."
        )
    if arguments.interval is not None and is_classifier:
        raise CommandError(
            f"--interval: {arguments.model} predicts a class. Pass --proba for the probability of "
            "each class."
        )
    if arguments.interval is not None and model.model_.targets.n_out > 1:
        raise CommandError(
            f"--interval: {arguments.model} predicts several quantiles, and two of them are the "
            "bounds of an interval. Leave it out."
        )
    check_model(arguments.model, model)
    if arguments.explain and model.model_.background is None:
        raise CommandError(
            f"--explain: {arguments.model} keeps no training rows to compare with. Pass a table of "
            "such rows to 'fastnn explain' as --background, or train the model again."
        )
    if arguments.out is not None:
        table_writer.check_extension(arguments.out)
        check_output(arguments.out, *TableFile(arguments).files(), arguments.model)


# ---- predict ----


def _predict(arguments, model, table, part):
    """Return the outputs of the model: {"P": ...}, or {"y": ...} and the bounds of an interval."""
    rows = part.inputs
    with table.explained(part), warnings_as_notes(lambda text: None):  # `check_rows` has said it
        if hasattr(model, "classes_"):
            outputs = {"P": model.predict_proba(rows)}
        else:
            outputs = {"y": model.predict(rows)}
        if arguments.explain:
            outputs["explanation"] = model.explain(rows)
        if arguments.interval is not None:
            outputs["lower"], outputs["upper"] = model.predict_interval(rows, arguments.interval)
    explanation = outputs.pop("explanation", None)
    for values in outputs.values():
        if not np.isfinite(values).all():
            raise CommandError(
                f"{arguments.model}: the output of the model is not finite. Train it again."
            )
    if explanation is not None:
        outputs["contributions"] = explained_rows.to_columns(explanation)
    return outputs


def _output_columns(arguments, model, outputs):
    """Return {name: array} of the predictions."""
    contributions = outputs.get("contributions", {})
    return _prediction_columns(arguments, model, outputs) | contributions


def _prediction_columns(arguments, model, outputs):
    if "P" not in outputs:
        bounds = [outputs[name] for name in ("lower", "upper") if name in outputs]
        columns = number_columns(model, outputs["y"], bounds)
        return {name: round_numbers(values) for name, values in columns.items()}
    columns = class_columns(model, outputs["P"], arguments.proba)
    labels = columns.pop("prediction")
    if not len(labels) and labels.dtype == object:
        labels = labels.astype(str)  # Arrow would have a column of nulls
    return {"prediction": labels} | {name: round_numbers(p) for name, p in columns.items()}

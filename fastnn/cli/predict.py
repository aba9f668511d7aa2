"""fastnn predict: predict each row of a table with a trained model."""

import sys

import numpy as np

from ..core.messages import has_lone_surrogate, plural, printable
from ..tables import table_writer
from ..tables.addresses import without_secrets
from ..tabular.columns.category import describe_unknown
from ..tabular.prediction_columns import class_columns, label_text, number_columns
from .console import CommandError, Notes, print_json, print_line, warnings_as_notes
from .model_file import (
    is_training_table,
    load_model,
    restore_reading_options,
    target_style,
)
from .parser import add_json, add_threads, check_output, help_texts, number
from .predict_rows import PredictTable, RowWriter
from .predict_scores import score_columns
from .table_file import TableFile, add_table_options
from .text_report import format_scores

DIGITS = 8  # of predictions: networks compute in float32
MAX_NOTES = 6
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
        help=f"file to write: {table_writer.EXTENSIONS} (default: CSV to standard output)",
    )
    parser.add_argument(
        "--keep",
        action="append",
        metavar="COL,...",
        help="columns of DATA to copy to the output, or all; can be repeated",
    )
    parser.add_argument(
        "--proba", action="store_true", help="also write the probability of each class"
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
    options = restore_reading_options(arguments, model)
    if options:
        notes(f"{without_secrets(arguments.data)} is read like the training table: {options}")
    table = PredictTable(arguments, model, notes)
    writer = RowWriter(arguments.out, arguments.json)
    unknown, others = _check_rows(model, table, writer)
    _note_values(unknown, others, notes)
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
    if scores is not None and is_training_table(model, arguments.data, table.n_rows):
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
            "unknown_categories": {
                name: {"rows": n, "example": text} for name, (n, text) in unknown.items()
            },
            "other_values": {
                name: {"rows": other.n_rows, "example": other.texts[0]}
                for name, other in others.found.items()
            },
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
    if model.model_.features.names is None:
        raise CommandError(
            f"{arguments.model}: was trained on an array, whose columns have no names. Load it in "
            "Python with fastnn.load, or train it on a table with column names."
        )
    classes = [label_text(label) for label in model.classes_.tolist()] if is_classifier else []
    for what, text in (*(("column", name) for name in model.model_.features.names),
                       *(("class", label) for label in classes)):  # fmt: skip
        if has_lone_surrogate(text):  # a table cannot have it
            raise CommandError(
                f"{arguments.model}: has the {what} {printable(text)!r}, which UTF-8 cannot hold. "
                "Load it in Python with fastnn.load, or train it on a table with another name."
            )
    if arguments.out is not None:
        table_writer.check_extension(arguments.out)
        check_output(arguments.out, *TableFile(arguments).files(), arguments.model)


def _check_rows(model, table, writer):
    """Check all values.

    Returns
    -------
    unknown : dict of str to (int, str)
        The number of rows with unknown categories of each column, and an example.
    others : OtherTextsOfParts
        The texts that are not what their column holds.
    """
    from ..tabular.columns import frames
    from ..tabular.columns.other_texts import OtherTextsOfParts

    found: dict = {}
    features = model.model_.features
    others = OtherTextsOfParts(features)
    for part in table.parts():
        with table.explained(part):
            frame = frames.read(part.inputs)
            unknown = features.unknown_categories(frame)
            others.add(frame)
        for name, (n, example) in unknown.items():
            n_before, first_example = found.get(name, (0, example))
            found[name] = n_before + n, first_example
        writer.find_quotes(part.kept)
    return {name: found[name] for name in features.kinds() if name in found}, others


def _note_values(unknown, others, note):
    texts = others.notes()
    for text in texts[:MAX_NOTES]:
        note(text)
    if len(texts) > MAX_NOTES:
        note(f"such values in {plural(len(texts) - MAX_NOTES, 'more column')}")
    for name, (n, example) in list(unknown.items())[:MAX_NOTES]:
        note(describe_unknown(name, n, example))
    if len(unknown) > MAX_NOTES:
        note(f"unknown categories in {plural(len(unknown) - MAX_NOTES, 'more column')}")


# ---- predict ----


def _predict(arguments, model, table, part):
    """Return the outputs of the model: {"P": ...}, or {"y": ...} and the bounds of an interval."""
    rows = part.inputs
    with table.explained(part), warnings_as_notes(lambda text: None):  # `_check_rows` has said it
        if hasattr(model, "classes_"):
            outputs = {"P": model.predict_proba(rows)}
        else:
            outputs = {"y": model.predict(rows)}
        if arguments.interval is not None:
            outputs["lower"], outputs["upper"] = model.predict_interval(rows, arguments.interval)
    for values in outputs.values():
        if not np.isfinite(values).all():
            raise CommandError(
                f"{arguments.model}: the output of the model is not finite. Train it again."
            )
    return outputs


def _output_columns(arguments, model, outputs):
    """Return {name: array} of the predictions."""
    if "P" not in outputs:
        bounds = [outputs[name] for name in ("lower", "upper") if name in outputs]
        columns = number_columns(model, outputs["y"], bounds)
        return {name: _round(values) for name, values in columns.items()}
    columns = class_columns(model, outputs["P"], arguments.proba)
    labels = columns.pop("prediction")
    if not len(labels) and labels.dtype == object:
        labels = labels.astype(str)  # Arrow would have a column of nulls
    return {"prediction": labels} | {name: _round(p) for name, p in columns.items()}


def _round(values):
    """Return numbers without digits that are noise."""
    return np.array([float(f"{x:.{DIGITS}g}") for x in values.tolist()])

"""fastnn predict: predict each row of a table with a trained model."""

import shlex
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.messages import has_lone_surrogate, plural, printable
from ..tables import table_writer
from ..tables.addresses import without_secrets
from ..tabular.checking.changes import find_changes
from ..tabular.checking.counting import NewRows
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
from .target_column import label_text
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


@dataclass
class CheckedRows:
    """What a first pass over the rows has found.

    Attributes
    ----------
    unknown : dict of str to (int, str)
        The number of rows with unknown categories of each column, and an example.
    others : OtherTextsOfParts
        The texts that are not what their column holds.
    drift : DriftReport or None
        None for a model of an older version.
    """

    unknown: dict
    others: Any
    drift: Any


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
    checked = _check_rows(model, table, writer)
    _note_values(checked, arguments, notes)
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
                name: {"rows": n, "example": text} for name, (n, text) in checked.unknown.items()
            },
            "other_values": {
                name: {"rows": other.n_rows, "example": other.texts[0]}
                for name, other in checked.others.found.items()
            },
            "drift": None if checked.drift is None else checked.drift.to_json(),
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
    """Check all values. Return the CheckedRows."""
    from ..tabular.columns import frames
    from ..tabular.columns.other_texts import OtherTextsOfParts

    found: dict = {}
    features, profile = model.model_.features, model.model_.profile
    others = OtherTextsOfParts(features)
    new = None if profile is None else NewRows(features, profile)
    for part in table.parts():
        with table.explained(part):
            frame = frames.read(part.inputs)
            unknown = features.unknown_categories(frame)
            others.add(frame)
            if new is not None:
                new.add(frame)
        for name, (n, example) in unknown.items():
            n_before, first_example = found.get(name, (0, example))
            found[name] = n_before + n, first_example
        writer.find_quotes(part.kept)
    unknown = {name: found[name] for name in features.kinds() if name in found}
    drift = None if new is None else find_changes(new, model.model_.time_column)
    return CheckedRows(unknown, others, drift)


def _note_values(checked, arguments, note):
    texts, unknown = checked.others.notes(), checked.unknown
    for text in texts[:MAX_NOTES]:
        note(text)
    if len(texts) > MAX_NOTES:
        note(f"such values in {plural(len(texts) - MAX_NOTES, 'more column')}")
    for name, (n, example) in list(unknown.items())[:MAX_NOTES]:
        note(
            f"column {printable(name)!r}: {plural(n, 'row')} with an unknown category, such as "
            f"{printable(example)!r}, predicted without it"
        )
    if len(unknown) > MAX_NOTES:
        note(f"unknown categories in {plural(len(unknown) - MAX_NOTES, 'more column')}")
    if checked.drift is not None:
        _note_drift(checked.drift, arguments, note)


def _note_drift(drift, arguments, note):
    """Note the columns that have changed. Unknown categories and other texts have been noted."""
    changes = [c for c in drift.changes if c.is_drift and c.kind not in ("unknown", "type")]
    for change in changes[:MAX_NOTES]:
        note(
            f"column {printable(change.column)!r}: {change.what} ({change.training} in training, "
            f"{change.new} now)"
        )
    if len(changes) > MAX_NOTES:
        note(f"such changes in {plural(len(changes) - MAX_NOTES, 'more column')}")
    if changes:
        command = shlex.join(["fastnn", "check", arguments.model, without_secrets(arguments.data)])
        note(f"these rows are not like the training rows. All changes: {command}")


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
    if "P" in outputs:
        P = outputs["P"]
        labels = model.classes_[model.model_.targets.decide(P, model.threshold_)]
        if not len(labels) and labels.dtype == object:
            labels = labels.astype(str)  # Arrow would have a column of nulls
        columns = {"prediction": labels}
        if arguments.proba:
            for j, label in enumerate(model.classes_.tolist()):
                columns[f"probability_{label_text(label)}"] = _round(P[:, j])
        return columns
    if outputs["y"].ndim == 1:
        names = {"y": "prediction", "lower": "lower", "upper": "upper"}
        return {names[name]: _round(values) for name, values in outputs.items()}
    quantiles = np.atleast_1d(model.model_.targets.loss.q)
    return {f"quantile_{q:g}": _round(y) for q, y in zip(quantiles, outputs["y"].T)}


def _round(values):
    """Return numbers without digits that are noise."""
    return np.array([float(f"{x:.{DIGITS}g}") for x in values.tolist()])

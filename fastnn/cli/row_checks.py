"""The rows that a model is to predict or explain: opened and checked before the work begins."""

import shlex
from dataclasses import dataclass
from typing import Any

from ..core.messages import has_lone_surrogate, plural, printable
from ..tables import table_writer
from ..tables.addresses import without_secrets
from ..tabular.checking.changes import find_changes
from ..tabular.columns.category import describe_unknown
from ..tabular.prediction_columns import label_text
from .console import CommandError
from .model_file import read_like_training
from .parser import check_output
from .predict_rows import PredictTable, RowWriter
from .table_file import TableFile

MAX_NOTES = 6


def check_model(path, model):
    """Raise CommandError if the rows of a table cannot be those of a model.

    path : of the model
    """
    names = model.features_.names
    if names is None:
        raise CommandError(
            f"{path}: was trained on an array, whose columns have no names. Load it in "
            "Python with fastnn.load, or train it on a table with column names."
        )
    labels = model.classes_.tolist() if model.is_classifier else []
    for what, text in (*(("column", name) for name in names),
                       *(("class", label_text(label)) for label in labels)):  # fmt: skip
        if has_lone_surrogate(text):  # a table cannot have it
            raise CommandError(
                f"{path}: has the {what} {printable(text)!r}, which UTF-8 cannot hold. "
                "Load it in Python with fastnn.load, or train it on a table with another name."
            )


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


def open_rows(options, model, notes):
    """Open the table and the output of a command, check all rows, and note what was found.

    Parameters
    ----------
    options : Options of `predict` or `explain`
    model : StoredClassifier or StoredRegressor
    notes : Notes

    Returns
    -------
    PredictTable, RowWriter, CheckedRows
    """
    reading = options.table.reading()
    if options.out is not None:
        table_writer.check_extension(options.out)
        check_output(options.out, *TableFile(options.data, reading).files(), options.model)
    reading = read_like_training(options.data, reading, model, notes)
    table = PredictTable(TableFile(options.data, reading, notes), model, options.keep)
    writer = RowWriter(options.out, options.json)
    checked = check_rows(model, table, writer)
    note_values(checked, options.model, options.data, notes)
    return table, writer, checked


def check_rows(model, table, writer):
    """Check all values.

    Parameters
    ----------
    model : StoredClassifier or StoredRegressor
    table : PredictTable
    writer : RowWriter

    Returns
    -------
    CheckedRows
    """
    from ..tabular.columns import frames
    from ..tabular.columns.other_texts import OtherTextsOfParts

    found: dict = {}
    features, facts = model.features_, model.facts()
    others = OtherTextsOfParts(features)
    new = None if facts.n_rows is None else model.new_rows()
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
    drift = None if new is None else find_changes(new, facts.time)
    return CheckedRows(unknown, others, drift)


def note_values(checked, model, data, note):
    """Say what `check_rows` has found.

    Parameters
    ----------
    checked : CheckedRows
    model, data : str
        The model file and the table, as in the command.
    note : Notes
    """
    texts, unknown = checked.others.notes(), checked.unknown
    for text in texts[:MAX_NOTES]:
        note(text)
    if len(texts) > MAX_NOTES:
        note(f"such values in {plural(len(texts) - MAX_NOTES, 'more column')}")
    for name, (n, example) in list(unknown.items())[:MAX_NOTES]:
        note(describe_unknown(name, n, example))
    if len(unknown) > MAX_NOTES:
        note(f"unknown categories in {plural(len(unknown) - MAX_NOTES, 'more column')}")
    if checked.drift is not None:
        _note_drift(checked.drift, model, data, note)


def _note_drift(drift, model, data, note):
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
        command = shlex.join(["fastnn", "check", model, without_secrets(data)])
        note(f"these rows are not like the training rows. All changes: {command}")


def values_to_json(checked):
    """Return what `check_rows` has found as a dict for --json."""
    return {
        "unknown_categories": {
            name: {"rows": n, "example": text} for name, (n, text) in checked.unknown.items()
        },
        "other_values": {
            name: {"rows": other.n_rows, "example": other.texts[0]}
            for name, other in checked.others.found.items()
        },
        "drift": None if checked.drift is None else checked.drift.to_json(),
    }

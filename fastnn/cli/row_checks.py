"""Checks of a model and of the rows that it is to predict or explain, before the work begins."""

from ..core.messages import has_lone_surrogate, plural, printable
from ..tabular.columns.category import describe_unknown
from ..tabular.prediction_columns import label_text
from .console import CommandError

MAX_NOTES = 6


def check_model(path, model):
    """Raise CommandError if the rows of a table cannot be those of a model.

    path : of the model
    """
    if model.model_.features.names is None:
        raise CommandError(
            f"{path}: was trained on an array, whose columns have no names. Load it in "
            "Python with fastnn.load, or train it on a table with column names."
        )
    labels = model.classes_.tolist() if hasattr(model, "classes_") else []
    for what, text in (*(("column", name) for name in model.model_.features.names),
                       *(("class", label_text(label)) for label in labels)):  # fmt: skip
        if has_lone_surrogate(text):  # a table cannot have it
            raise CommandError(
                f"{path}: has the {what} {printable(text)!r}, which UTF-8 cannot hold. "
                "Load it in Python with fastnn.load, or train it on a table with another name."
            )


def check_rows(model, table, writer):
    """Check all values.

    Parameters
    ----------
    model : StoredClassifier or StoredRegressor
    table : PredictTable
    writer : RowWriter

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


def note_values(unknown, others, note):
    """Say what `check_rows` has found. note : function that takes a text"""
    texts = others.notes()
    for text in texts[:MAX_NOTES]:
        note(text)
    if len(texts) > MAX_NOTES:
        note(f"such values in {plural(len(texts) - MAX_NOTES, 'more column')}")
    for name, (n, example) in list(unknown.items())[:MAX_NOTES]:
        note(describe_unknown(name, n, example))
    if len(unknown) > MAX_NOTES:
        note(f"unknown categories in {plural(len(unknown) - MAX_NOTES, 'more column')}")


def values_to_json(unknown, others):
    """Return what `check_rows` has found as a dict for --json."""
    return {
        "unknown_categories": {
            name: {"rows": n, "example": text} for name, (n, text) in unknown.items()
        },
        "other_values": {
            name: {"rows": other.n_rows, "example": other.texts[0]}
            for name, other in others.found.items()
        },
    }

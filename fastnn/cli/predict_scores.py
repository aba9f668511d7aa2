"""Scores of `fastnn predict`: the target of a table file, read as in the training.

Its texts can be written otherwise than in the training table.
"""

import numpy as np

from ..core.messages import plural, printable
from ..tables.recognition import read as read_texts
from ..tables.recognition import recognise
from ..tables.table_errors import import_pyarrow
from ..tables.texts import count_rows, to_values
from ..tables.wide_numbers import is_wide, to_whole
from ..tabular.prediction_columns import label_text
from .record import Scores
from .scores import score_rows, threshold_of


def has_text_target(model):
    """Whether the classes of a model are texts, so that 01 and 1 differ."""
    return model.is_classifier and isinstance(model.classes_[0], str)


def score_columns(model, columns, outputs, note, style=None) -> Scores | None:
    """Return the Scores of predictions, or None if no row has a target that can be used.

    Parameters
    ----------
    model : TabularClassifier or TabularRegressor
    columns : list of pyarrow.ChunkedArray
        The target of each part of the rows.
    outputs : list of ndarray (n,) or (n, n_classes)
        Predicted numbers, or probabilities, of each part.
    note : Notes
        For the number of rows that are not scored.
    style : str, optional
        How the numbers of the training table were written as texts.
    """
    outputs = np.concatenate(outputs)
    if outputs.ndim == 2 and not model.is_classifier:  # quantiles
        return None
    y, rows = read_targets(model, columns, note, style)
    if not rows.any():
        return None
    return score_rows(model, y[rows], outputs[rows], threshold_of(model))


def read_targets(model, columns, note, style=None):
    """Return class numbers or numbers (n,), and which of them can be scored. Note how many cannot.

    model, columns, note, style : as in `score_columns`
    """
    column = import_pyarrow().chunked_array([chunk for c in columns for chunk in c.chunks])
    if model.is_classifier:
        y, what = _class_codes(model, column), "one of the classes"
        rows = y >= 0
    else:
        y, what = _numbers(column, style), "a number"
        rows = np.isfinite(y)
    n = np.count_nonzero(~rows)
    if n:
        name = printable(model.facts().target)
        note(f"{plural(n, 'row')} not scored: the target {name!r} is missing or not {what}")
    return y, rows


def _class_codes(model, column):
    """Return the position of each class in `classes_`, -1 if it is missing or none of them."""
    pa = import_pyarrow()
    exact = {label_text(label): i for i, label in enumerate(model.classes_.tolist())}
    similar: dict = {}
    for text, i in exact.items():
        similar.setdefault(_normalize(text), []).append(i)

    def code(value):
        text = label_text(value)
        if text in exact:
            return exact[text]
        found = similar.get(_normalize(text), ())
        return found[0] if len(found) == 1 else -1

    encoded = column.combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    codes = [code(value) for value in encoded.dictionary.to_pylist()]
    indices = encoded.indices.fill_null(len(codes)).to_numpy(zero_copy_only=False)
    return np.array([*codes, -1])[indices]


def _normalize(text):
    """Return the same text for 1, 1.0 and 01, and for true and TRUE."""
    try:
        return str(to_whole(text)) if is_wide(text) else f"{float(text):.17g}"
    except ValueError:
        return text.strip().lower()


def _numbers(column, style):
    """Return a column as float64, NaN for values that are not numbers. style : of texts, or None"""
    pa = import_pyarrow()
    types = pa.types
    if types.is_string(column.type):
        counts = count_rows(column)
        if style is None:
            found = recognise(list(counts), lambda: counts)
        else:
            found = read_texts(list(counts), "number", style)
        if found is not None:
            column = to_values(column, counts, found)
    kind = column.type
    if types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
        return np.full(len(column), np.nan)
    return column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy()

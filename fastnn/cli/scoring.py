"""Score the predictions of a saved model for rows whose target is known."""

import numpy as np

from ..messages import plural, printable
from ..tables.convert import convert_texts
from ..tables.errors import import_pyarrow
from . import metrics
from .common import print_note
from .target import label_text


def has_text_target(model):
    """Whether the classes of a model are texts, so that 01 and 1 differ."""
    return hasattr(model, "classes_") and isinstance(model.classes_[0], str)


def score(model, columns, outputs):
    """Return the scores of predictions, or None if no row has a target that can be used.

    Parameters
    ----------
    model : TabularClassifier or TabularRegressor
    columns : list of pyarrow.ChunkedArray
        The target of each part of the rows.
    outputs : list of ndarray (n,) or (n, n_classes)
        Predicted numbers, or probabilities, of each part.
    """
    column = import_pyarrow().chunked_array([chunk for c in columns for chunk in c.chunks])
    outputs = np.concatenate(outputs)
    if hasattr(model, "classes_"):
        codes = _class_codes(model, column)
        rows = _usable(codes >= 0, model, "not one of the classes")
        if rows is None:
            return None
        P, labels = outputs[rows], list(map(label_text, model.classes_.tolist()))
        predicted = model.model_.targets.decide(P, model.threshold)
        return metrics.score_classes(codes[rows], P, predicted, labels)
    if outputs.ndim == 2:  # quantiles
        return None
    y = _numbers(column)
    rows = _usable(np.isfinite(y), model, "not a number")
    return None if rows is None else metrics.score_numbers(y[rows], outputs[rows])


def _usable(rows, model, other):
    """Return a mask of rows, or None if it has none. Print how many are not scored."""
    n = np.count_nonzero(~rows)
    if n:
        print_note(
            f"{plural(n, 'row')} not scored: the target {printable(model.model_.target_name)!r} is "
            f"missing or {other}"
        )
    return rows if rows.any() else None


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

    levels = column.combine_chunks().dictionary_encode()
    levels = levels.combine_chunks() if isinstance(levels, pa.ChunkedArray) else levels
    of_level = [code(value) for value in levels.dictionary.to_pylist()]
    codes = levels.indices.fill_null(len(of_level)).to_numpy(zero_copy_only=False)
    return np.array([*of_level, -1])[codes]


def _normalize(text):
    """Return the same text for 1, 1.0 and 01, and for true and TRUE."""
    try:
        return f"{float(text):.17g}"
    except ValueError:
        return text.strip().lower()


def _numbers(column):
    """Return a column as float64, NaN for values that are no numbers."""
    pa = import_pyarrow()
    if pa.types.is_string(column.type):
        column = convert_texts(pa.table({"y": column})).column("y")
    types, kind = pa.types, column.type
    if types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
        return np.full(len(column), np.nan)
    return column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy()

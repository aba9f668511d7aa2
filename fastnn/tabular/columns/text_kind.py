"""The kind of a column of texts, and the numbers that its texts stand for."""

import numpy as np

from ...core.errors import DataError
from ...core.messages import printable
from ...tables.missing_marks import is_missing_mark
from ...tables.number_texts import PLAIN_STYLE
from ...tables.recognition import Recognised, truth
from ...tables.recognition import recognise as recognise_texts


def recognise(raw, name):
    """Return the Recognised of an InputColumn of texts, None if they are texts. It is kept in `raw`.

    name : that of the column
    """
    if raw.recognised is ...:
        raw.recognised = _recognise(raw, name)
        if raw.recognised is not None:
            raw.parsed[raw.recognised.style] = np.array([*raw.recognised.values, np.nan])
    return raw.recognised


def _recognise(raw, name):
    truths = {text: truth(text) for text in raw.texts if truth(text) is not None}
    if not truths:
        return recognise_texts(raw.texts, lambda: rows_of_texts(raw), name)
    others = [text for text in raw.texts if text not in truths]
    if all(map(is_missing_mark, others)):
        found = Recognised("number", PLAIN_STYLE, [np.nan] * len(others), [])
    else:
        found = recognise_texts(others, lambda: rows_of_texts(raw), name)
    if found is None or found.kind != "number":
        return None
    values = dict(zip(others, found.values)) | truths
    return Recognised("number", found.style, [values[text] for text in raw.texts], found.others)


def rows_of_texts(raw):
    """Return {text: number of rows} of an InputColumn of texts."""
    n_rows = np.bincount(raw.values[raw.values >= 0], minlength=len(raw.texts))
    return dict(zip(raw.texts, n_rows.tolist()))


def parse_distinct(raw, style, parse):
    """Parse the texts of a column as numbers; the last entry is NaN, for missing values."""
    if style not in raw.parsed:
        raw.parsed[style] = np.array([parse(text, style) for text in raw.texts] + [np.nan])
    return raw.parsed[style]


def refuse(raw, label, text, what):
    """Raise the DataError for a text. what : what it should be"""
    raise DataError(
        "column {column!r} holds {value!r} in {row}, which is not {what}.",
        "Correct the value, or leave it empty if it is missing.",
        column=label,
        row=int(np.flatnonzero(raw.values == raw.texts.index(text))[0]),
        value=printable(text),
        what=what,
    )

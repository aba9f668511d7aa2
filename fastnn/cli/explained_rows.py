"""Explanations of rows as columns of a table, and as text."""

import numpy as np

from ..core.messages import printable
from ..tabular.explaining import explanation_text
from ..tabular.prediction_columns import label_text
from .console import terminal_width
from .predict_rows import round_numbers

PREFIX = "contribution_"
#: What an explained number is called as a column.
NAMES = {"probability": "probability", "log-odds": "log_odds", "target": "prediction"}


def to_columns(explanation):
    """Return {name: array}: what is explained, its base, and one column for each contribution.

    Of several classes, it is the most probable one of each row.
    """
    ones, kept = explanation_text.most_likely_arrays(explanation)
    columns = {}
    if explanation.scale != "target":
        labels = [label_text(output) for output in explanation.outputs]
        columns["class"] = np.array([labels[k] for k in kept], dtype=str)
    elif len(explanation.outputs) > 1:
        columns["quantile"] = np.array([explanation.outputs[k] for k in kept], float)
    columns[NAMES[explanation.scale]] = round_numbers(ones["predictions"])
    columns["base"] = round_numbers(ones["base_values"])
    for name, values in zip(explanation.columns, ones["values"].T):
        columns[f"{PREFIX}{name}"] = round_numbers(values)
    return columns


def to_lines(explanation, titles, n_columns):
    """Yield the lines of all rows, with an empty line between two.

    titles : list of str
    """
    for row, title in enumerate(titles):
        if row:
            yield ""
        yield from explanation_text.row_lines(explanation, row, n_columns, terminal_width(), title)


def row_title(number, kept):
    """Return what the text of a row begins with. kept : {name: value} of the columns of --keep"""
    texts = [f"{printable(name, 20)} {printable(str(value), 30)}" for name, value in kept.items()]
    return f"row {number:,}" + (f" ({', '.join(texts)})" if texts else "")

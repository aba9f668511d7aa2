"""Explanations of rows as columns of a table, as JSON and as text."""

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
    ones, kept = most_likely(explanation)
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


def most_likely(explanation):
    """Return the arrays of the output that matters most in each row, and its position.

    Returns
    -------
    arrays : dict of str to ndarray
        As the attributes of an Explanation of one output.
    kept : ndarray (n,) of int
    """
    names = "values", "standard_errors", "base_values", "predictions"
    arrays = {name: getattr(explanation, name) for name in names}
    rows = np.arange(len(explanation))
    if explanation.values.ndim == 2:
        return arrays, np.zeros(len(rows), int)
    kept = explanation_text.most_likely(explanation)
    return {name: np.moveaxis(a, -1, 1)[rows, kept] for name, a in arrays.items()}, kept


def to_json(explanation, numbers):
    """Return a dict for each row. numbers : those of the rows in the table, from 1"""
    ones, kept = most_likely(explanation)
    out = []
    for i, number in enumerate(numbers):
        output = explanation.outputs[kept[i]]
        columns = list(map(str, explanation.columns))
        out.append(
            {
                "row": number,
                "output": label_text(output) if explanation.scale != "target" else output,
                "prediction": float(ones["predictions"][i]),
                "base": float(ones["base_values"][i]),
                "values": dict(zip(columns, explanation.data[i].tolist())),
                "contributions": dict(zip(columns, ones["values"][i].tolist())),
                "standard_errors": dict(zip(columns, ones["standard_errors"][i].tolist())),
            }
        )
    return out


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

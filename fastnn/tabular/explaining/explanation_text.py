"""An Explanation as text and as JSON: for each row its prediction, and the columns that contribute most."""

import math

import numpy as np

from ...core.messages import plural, printable
from ..prediction_columns import label_text

LEAST_WIDTH = 40
MOST_NAME, MOST_VALUE, MOST_BAR = 26, 20, 16  # characters
MISSING = "missing"
WHAT = {
    "probability": "probability of {output}",
    "log-odds": "log-odds of {output}",
    "target": "prediction",
}


def to_text(explanation, n_columns, width):
    """Return the text of all rows. Arguments as in `Explanation.to_text`."""
    rows = range(len(explanation))
    return "\n\n".join(
        "\n".join(row_lines(explanation, row, n_columns, width, f"row {row + 1}")) for row in rows
    )


def most_likely(explanation):
    """Return the position of the output that matters most in each row, (n,).

    It is the most probable of several classes, and the middle one of several quantiles.
    """
    outputs = explanation.outputs
    if len(outputs) > 1 and explanation.scale != "target":
        return explanation.predictions.argmax(axis=1)
    return np.full(len(explanation), np.argsort(outputs)[len(outputs) // 2])


def most_likely_arrays(explanation):
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
    kept = most_likely(explanation)
    return {name: np.moveaxis(a, -1, 1)[rows, kept] for name, a in arrays.items()}, kept


def to_json(explanation, numbers):
    """Return a dict for each row, as JSON holds it. numbers : those of the rows in the table, from 1"""
    ones, kept = most_likely_arrays(explanation)
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


def describe_output(scale, output):
    """Return what a number of a scale is, such as "probability of 'yes'"."""
    if scale == "target" and output is not None:
        return f"quantile {output:g}"
    return WHAT[scale].format(output=repr(printable(str(output), 30)))


def row_lines(explanation, row, n_columns, width, title):
    """Return the lines of a row. title : what they begin with"""
    one = explanation.of(explanation.outputs[most_likely(explanation)[row]])
    values, errors = one.values[row], one.standard_errors[row]
    prediction, base = float(one.predictions[row]), float(one.base_values[row])
    decimals = find_decimals([*values.tolist(), prediction - base])
    what = describe_output(one.scale, one.outputs[0])
    lines = [f"{title}: {what} {_number(prediction, decimals)}, base {_number(base, decimals)}"]
    order = np.argsort(-np.abs(values), kind="stable")
    if len(order) == n_columns + 1:  # no line for one other column
        n_columns += 1
    cells = [
        (printable(str(one.columns[j]), 1000), value_text(one.data[row, j]), values[j], errors[j])
        for j in order[:n_columns].tolist()
    ]
    n_others = len(order) - len(cells)
    if n_others:
        others = float(values[order[n_columns:]].sum())
        cells.append((f"{plural(n_others, 'other column')} together", "", others, math.nan))
    return lines + _table(cells, one.n_permutations is None, decimals, max(width, LEAST_WIDTH))


def _table(cells, is_exact, decimals, width):
    """Return the lines of the columns: name, value, contribution, standard error and a bar."""
    numbers = [_signed(value, decimals) for *_, value, _ in cells]
    n_number = max(map(len, numbers), default=0)
    errors = [
        "" if is_exact or math.isnan(error) else f"+-{error:,.{decimals}f}" for *_, error in cells
    ]
    n_error = max(map(len, errors), default=0)
    left = width - n_number - n_error - 8
    n_value = min(MOST_VALUE, left // 3, max(len(value) for _, value, *_ in cells))
    n_name = min(MOST_NAME, left - n_value, max(len(name) for name, *_ in cells))
    n_bar = min(MOST_BAR, left - n_value - n_name)
    largest = max((abs(value) for *_, value, _ in cells), default=0.0) or 1.0
    lines = []
    for (name, value, number, _), text, error in zip(cells, numbers, errors):
        bar = ("+" if number > 0 else "-") * round(n_bar * abs(number) / largest)
        if value or len(name) <= n_name:
            start = f"{shorten(name, n_name):{n_name}}  {shorten(value, n_value):{n_value}}"
        else:
            start = f"{shorten(name, n_name + n_value + 2):{n_name + n_value + 2}}"
        lines.append(f"  {start}  {text:>{n_number}} {error:{n_error}} {bar}".rstrip())
    return lines


def find_decimals(numbers):
    """Return the decimals with which the largest of some numbers has three digits."""
    largest = max(map(abs, numbers), default=0.0)
    return max(0, min(8, 2 - math.floor(math.log10(largest)))) if largest > 0 else 3


def value_text(value):
    """Return the value of a cell as text."""
    if value is None:
        return MISSING
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    return printable(str(value), 1000)


def shorten(text, most):
    """Return a text without its end if it is long."""
    return text if len(text) <= most else text[: most - 3] + "..."


def _number(x, decimals):
    return f"{x:,.{decimals}f}"


def _signed(x, decimals):
    """Return a number with its sign; 0 has none."""
    text = f"{x:+,.{decimals}f}"
    return text if any(digit in text for digit in "123456789") else f"{0:,.{decimals}f}"

"""Explanation: what each column contributes to each prediction, as arrays, tables and text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.messages import plural, printable
from ..targets import label_text
from .mixtures import select_output

if TYPE_CHECKING:
    from numpy.typing import NDArray

ARRAYS = "values", "standard_errors", "base_values", "predictions"
LEAST_WIDTH = 40
MOST_NAME, MOST_VALUE, MOST_BAR = 26, 20, 16  # characters
WHAT = {
    "probability": "probability of {output}",
    "log-odds": "log-odds of {output}",
    "target": "prediction",
}


@dataclass(eq=False, repr=False)
class Explanation:
    """What each column contributes to each prediction: Shapley values against background rows.

    A prediction is `base_values` plus the sum of its `values`. The base is the mean prediction of
    the background rows. If two columns have the same information, they share its contribution.
    Contributions describe the model, not causes.

    If the model predicts one number for a row (a regression, or the probability of the second of
    two classes), arrays have no axis of outputs. Otherwise their last axis has the classes, or the
    quantiles. `of` returns the explanation of one of them.

    Attributes
    ----------
    values : ndarray (n, n_columns), or (n, n_columns, n_outputs)
        The contributions.
    standard_errors : ndarray of the same shape
        Standard errors of `values`, which come from the choice of permutations and of background
        rows; 0 if they are exact.
    base_values : ndarray (n,), or (n, n_outputs)
        The base, which is the same for all rows.
    predictions : ndarray of the same shape
        The predictions on this scale.
    columns : list of str or int
        Names of the columns that the model uses, or their positions if columns have no names.
    data : ndarray (n, n_columns) of object
        The values of the rows: numbers, and texts of categories and dates. None is missing.
    scale : {"probability", "log-odds", "target"}
    outputs : list
        Classes or quantiles; one item if there is no such axis, the second of two classes, or None
        for the number of a regression.
    n_permutations : int or None
        None if the values are exact.
    n_background : int
        Number of background rows.
    """

    values: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    base_values: NDArray[np.float64]
    predictions: NDArray[np.float64]
    columns: list[Any]
    data: NDArray[Any]
    scale: str
    outputs: list[Any]
    n_permutations: int | None
    n_background: int

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.values.shape))
        how = "exact" if self.n_permutations is None else f"{self.n_permutations} permutations"
        rows = plural(self.n_background, "background row")
        return f"<Explanation {shape}: {self.scale}, {how}, {rows}>"

    def __str__(self) -> str:
        return self.to_text()

    def of(self, output: Any) -> Explanation:
        """Return the explanation of one output.

        Parameters
        ----------
        output
            A class or a quantile, one of `outputs`.

        Returns
        -------
        Explanation
            Its arrays have no axis of outputs.

        Raises
        ------
        ValueError
            It is not one of `outputs`.
        """
        return select_output(self, output, ARRAYS)

    def importances(self) -> NDArray[np.float64]:
        """Return the mean absolute contribution of each column.

        Returns
        -------
        ndarray (n_columns,), or (n_columns, n_outputs)
            In the units of the scale. 0 without rows.
        """
        return np.abs(self.values).sum(axis=0) / max(1, len(self))

    def to_frame(self, output: Any = None) -> Any:
        """Return the contributions as a pandas DataFrame.

        Parameters
        ----------
        output : optional
            A class or a quantile, one of `outputs`. Needed if there are several.

        Returns
        -------
        pandas.DataFrame
            The column "prediction", the column "base", and one for each of `columns`.

        Raises
        ------
        ValueError
            `output` is missing, or not one of `outputs`.
        ImportError
            pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise ImportError(
                "to_frame needs pandas. Run: pip install pandas. Without it, use values, "
                "base_values and predictions."
            ) from None
        one = self.of(output) if output is not None or len(self.outputs) > 1 else self
        values = np.column_stack([one.predictions, one.base_values, one.values])
        return pd.DataFrame(values, columns=["prediction", "base", *one.columns])

    def to_shap(self) -> Any:
        """Return a ``shap.Explanation``, for the plots of the package shap.

        Returns
        -------
        shap.Explanation

        Raises
        ------
        ImportError
            shap is not installed.
        """
        try:
            import shap
        except ImportError:
            raise ImportError("to_shap needs shap. Run: pip install shap") from None
        outputs = None if self.values.ndim == 2 else list(map(str, self.outputs))
        return shap.Explanation(
            self.values,
            base_values=self.base_values,
            data=self.data,
            feature_names=list(map(str, self.columns)),
            output_names=outputs,
            error_std=self.standard_errors,
        )

    def to_text(self, n_columns: int = 8, width: int = 80) -> str:
        """Return the explanations of all rows as text.

        Parameters
        ----------
        n_columns : int, default 8
            Columns of each row, at most, those with the largest contributions. The others are
            added up.
        width : int, default 80
            Characters of a line, at most; at least 40.

        Returns
        -------
        str
            If there are several classes, the most probable one of each row is explained.
        """
        return "\n\n".join(
            "\n".join(row_lines(self, row, n_columns, width, f"row {row + 1}"))
            for row in range(len(self))
        )


# ---- as text and as JSON ----


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
    arrays, kept = {name: getattr(explanation, name) for name in ARRAYS}, most_likely(explanation)
    if explanation.values.ndim == 3:
        rows = np.arange(len(explanation))
        arrays = {name: np.moveaxis(a, -1, 1)[rows, kept] for name, a in arrays.items()}
    return arrays, kept


def explanations_to_json(explanation, numbers):
    """Return a dict for each row, as JSON holds it. numbers : those of the rows in the table, from 1"""
    ones, kept = most_likely_arrays(explanation)
    columns, is_class = list(map(str, explanation.columns)), explanation.scale != "target"
    outputs = [label_text(each) if is_class else each for each in explanation.outputs]
    return [
        {
            "row": number,
            "output": outputs[kept[i]],
            "prediction": float(ones["predictions"][i]),
            "base": float(ones["base_values"][i]),
            "values": dict(zip(columns, explanation.data[i].tolist())),
            "contributions": dict(zip(columns, ones["values"][i].tolist())),
            "standard_errors": dict(zip(columns, ones["standard_errors"][i].tolist())),
        }
        for i, number in enumerate(numbers)
    ]


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
    decimals = _find_decimals([*values.tolist(), prediction - base])
    what = describe_output(one.scale, one.outputs[0])
    lines = [f"{title}: {what} {prediction:,.{decimals}f}, base {base:,.{decimals}f}"]
    order = np.argsort(-np.abs(values), kind="stable")
    if len(order) == n_columns + 1:  # no line for one other column
        n_columns += 1
    cells = [
        (printable(str(one.columns[j]), 1000), _value_text(one.data[row, j]), values[j], errors[j])
        for j in order[:n_columns].tolist()
    ]
    n_others = len(order) - len(cells)
    if n_others:
        others = float(values[order[n_columns:]].sum())
        cells.append((f"{plural(n_others, 'other column')} together", "", others, math.nan))
    return lines + _table(cells, one.n_permutations is None, decimals, max(width, LEAST_WIDTH))


def _table(cells, is_exact, decimals, width):
    """Return the lines of the columns: name, value, contribution, standard error and a bar."""
    names, values, numbers, errors = zip(*cells)
    texts = [_signed(number, decimals) for number in numbers]
    spreads = ["" if is_exact or math.isnan(x) else f"+-{x:,.{decimals}f}" for x in errors]
    n_number, n_spread = max(map(len, texts)), max(map(len, spreads))
    left = width - n_number - n_spread - 8
    n_value = min(MOST_VALUE, left // 3, max(map(len, values)))
    n_name = min(MOST_NAME, left - n_value, max(map(len, names)))
    n_bar = min(MOST_BAR, left - n_value - n_name)
    largest = max(map(abs, numbers)) or 1.0
    lines = []
    for name, value, number, text, spread in zip(names, values, numbers, texts, spreads):
        bar = ("+" if number > 0 else "-") * round(n_bar * abs(number) / largest)
        if value or len(name) <= n_name:
            start = f"{_shorten(name, n_name):{n_name}}  {_shorten(value, n_value):{n_value}}"
        else:  # the name may extend over the value
            start = f"{_shorten(name, n_name + n_value + 2):{n_name + n_value + 2}}"
        lines.append(f"  {start}  {text:>{n_number}} {spread:{n_spread}} {bar}".rstrip())
    return lines


def _find_decimals(numbers):
    """Return the decimals with which the largest of some numbers has three digits."""
    largest = max(map(abs, numbers), default=0.0)
    return max(0, min(8, 2 - math.floor(math.log10(largest)))) if largest > 0 else 3


def _value_text(value):
    """Return the value of a cell as text."""
    if value is None:
        return "missing"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    return printable(str(value), 1000)


def _shorten(text, most):
    """Return a text without its end if it is long."""
    return text if len(text) <= most else text[: most - 3] + "..."


def _signed(x, decimals):
    """Return a number with its sign; 0 has none."""
    text = f"{x:+,.{decimals}f}"
    return text if any(digit in text for digit in "123456789") else f"{0:,.{decimals}f}"

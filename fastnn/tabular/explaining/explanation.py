"""Explanation: what each column contributes to each prediction, as arrays, tables and text."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import DataError
from ...core.messages import plural, printable
from ...core.validation import check_count
from ..targets import label_text
from .mixtures import select_output

if TYPE_CHECKING:
    from numpy.typing import NDArray

ARRAYS = "values", "standard_errors", "base_values", "predictions"
LEAST_WIDTH = 40
MOST_NAME, MOST_VALUE, MOST_BAR = 26, 20, 16  # characters
MOST_WORD = 30  # characters
MOST_WORDS = 20
LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)  # as text layers read words
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
    words : dict
        For each column of free text a list of (words, shares), one for each row: the words of the
        text as written, and what each adds to the outputs of the text layer, an ndarray (n_words,),
        or (n_words, n_outputs). `top_words` adds them up.

    Notes
    -----
    A text layer is linear. Its output for a text with the n-grams G is

        offset + s * sum of g(b) W(b) over b in G,    s = 1 / sqrt(sum of g(b)^2 over b in G)

    with the inverse document frequency g and the weights W. The share s g(b) W(b) of an n-gram is
    divided equally between the places where it is in the text, and then between the words of each
    place: a pair of words has two, a part of a word one. So the shares of all words and the offset
    add up to the output. Shares are means over folds.

    The output is a logit of a class, of the second one if there are two (its log-odds). For a
    regressor it is the target in standard deviations, or its logarithm with ``log_target=True``; all
    quantiles have the same. The networks read it beside the other columns and the length of the text. So
    shares are in other units than `values`, and do not add up to the contribution of the column.

    Runs of letters and digits are words. So is each emoji, and each character of a script without
    spaces between words, such as Chinese.
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
    words: dict[Any, list[tuple[list[str], NDArray[np.float64]]]]

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
        one = select_output(self, output, ARRAYS)
        if one is self:
            return one
        k = self.outputs.index(output)
        words = {
            column: [(texts, shares[:, k]) for texts, shares in rows]
            for column, rows in self.words.items()
        }
        return replace(one, words=words)

    def importances(self) -> NDArray[np.float64]:
        """Return the mean absolute contribution of each column.

        Returns
        -------
        ndarray (n_columns,), or (n_columns, n_outputs)
            In the units of the scale. 0 without rows.
        """
        return np.abs(self.values).sum(axis=0) / max(1, len(self))

    def top_words(self, column: Any, output: Any = None, n: int = MOST_WORDS) -> dict[str, float]:
        """Return the words of a column of free text that add the most to predictions, or lower them.

        Explain many rows to see which words matter for the model, and one row to see those of its
        text.

        Parameters
        ----------
        column : str or int
            One of `words`.
        output : optional
            A class or a quantile, one of `outputs`. Needed if there are several.
        n : int, default 20
            Number of words, at most.

        Returns
        -------
        dict of str to float
            Words in lower case (of ASCII letters), and the mean of their shares in all rows; 0 where
            a row does not have the word. Those with the largest absolute values, largest first.

        Raises
        ------
        ValueError
            `output` is missing, or not one of `outputs`, or the column is not free text.
        """
        n = check_count("n", n)
        if np.ndim(column) or column not in self.words:
            raise DataError(
                "column {column!r} is not free text that the model uses.",
                "Columns of free text that the model uses: {known}.",
                column=column,
                known=", ".join(map(repr, self.words)) or "none",
            )
        one = self.of(output) if output is not None or len(self.outputs) > 1 else self
        return {word: total / len(self) for word, total, _ in rank_words(one.words[column])[:n]}

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
    rows = [
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
    for column, found in explanation.words.items():
        for row, (texts, shares), k in zip(rows, found, kept):
            shares = shares if shares.ndim == 1 else shares[:, k]
            row.setdefault("words", {})[str(column)] = dict(most_of((texts, shares)))
    return rows


def most_of(found):
    """Return the `MOST_WORDS` words of a text with the largest shares, a list of (word, share).

    found : (words, shares (n_words,)), as in `Explanation.words` of one output
    """
    return _add_up([found])[:MOST_WORDS]


def format_words(words):
    """Return a text for each word and its share, such as "good +0.52", without shares of 0.00.

    words : list of (word, share). Unprintable characters are replaced, and long words shortened.
    """
    return [
        f"{_shorten(printable(word, 1000), MOST_WORD)} {share:+.2f}"
        for word, share in words
        if round(share, 2)
    ]


def rank_words(rows):
    """Return (word in lower case, sum of its shares, number of rows with it), the largest sum first.

    rows : list of (words, shares (n_words,))
    """
    lower = [([word.translate(LOWER) for word in words], shares) for words, shares in rows]
    counts = Counter(word for words, _ in lower for word in {*words})
    return [(word, total, counts[word]) for word, total in _add_up(lower)]


def unit_of_words(scale):
    """Return what shares of words are in, for explanations of a scale."""
    return "std" if scale == "target" else "logits"


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
    shown = order[:n_columns].tolist()
    cells = [
        (printable(str(one.columns[j]), 1000), _value_text(one.data[row, j]), values[j], errors[j])
        for j in shown
    ]
    n_others = len(order) - len(cells)
    if n_others:
        others = float(values[order[n_columns:]].sum())
        cells.append((f"{plural(n_others, 'other column')} together", "", others, math.nan))
    width = max(width, LEAST_WIDTH)
    table = _table(cells, one.n_permutations is None, decimals, width)
    for j, line in zip(shown, table):
        lines.append(line)
        if one.columns[j] in one.words:
            unit = unit_of_words(one.scale)
            lines += _words_line(one.words[one.columns[j]][row], unit, width)
    return lines + table[len(shown) :]


def _words_line(found, unit, width):
    """Return a list with the line of the words with the largest shares, empty without words."""
    line = f"    words ({unit}):"
    first = len(line)
    for part in format_words(most_of(found)):
        if len(line) + len(part) + 1 > width - 1:
            break
        line += f" {part},"
    return [line[:-1]] if len(line) > first else []


def _add_up(rows):
    """Return (word, sum of its shares in all rows), the largest absolute value first."""
    totals: dict = defaultdict(float)
    for texts, shares in rows:
        for word, share in zip(texts, shares.tolist()):
            totals[word] += share
    return sorted(totals.items(), key=lambda item: -abs(item[1]))


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

"""A trained table model, looked at: its answer for a row, and what each column does to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.messages import has_lone_surrogate, join, printable
from ..core.validation import check_count
from ..tables import convert_texts
from ..tabular.columns import frames
from ..tabular.columns.column import MISSING
from ..tabular.explaining.effects import axis_of
from ..tabular.explaining.explanation import format_words, most_of, unit_of_words
from ..tabular.explaining.mixtures import Scale
from .data_sets import PlayError, refusing

EXACT_COLUMNS = 8  # up to these, contributions are exact
PERMUTATIONS = 128  # of more columns: standard errors are shown
NEAREST = 5  # rows of the table that are most like the row
#: By axis of an effect: how a value of the page becomes one of the effect, and what it must be.
_PARSERS: dict[str, tuple[Any, str]] = {
    "number": (float, "a number"),
    "date": (lambda value: np.datetime64(str(value), "s"), "a date such as 2026-01-31"),
    "category": (str, "a text"),
}


class Explorer:
    """What the page asks a model.

    Parameters
    ----------
    model : fitted TabularClassifier, TabularRegressor or what `fastnn.load` returns
    name : str
        Of its file.
    table : pyarrow.Table, optional
        Rows among which the most similar ones are found.
    target : str, optional
        The column of the target in the table.

    Attributes
    ----------
    notes : list of str
        What the table lacks.
    """

    def __init__(self, model: Any, name: str, table: Any = None, target: Any = None) -> None:
        if not hasattr(model, "feature_names_in_"):
            raise ValueError("it was fitted on an array, whose columns have no names. Fit a table.")
        self.model, self.name, self.table, self.target = model, name, table, target
        #: The mean curve of each column, and its values.
        self.means = model.effects()
        self.outputs = Scale.of_model(model.targets_).outputs
        self.columns = {str(each.column): each for each in self.means}
        self._axes = {name: axis_of(each.values) for name, each in self.columns.items()}
        self.facts, features = model.facts(), model.features_
        self._kinds = {features.columns[j].label: features.columns[j] for j in features.used()}
        self.notes: list[str] = []
        #: The columns of free text, which have no effects.
        self.texts = [name for name in self._kinds if name not in self.columns]
        #: The values of the table's columns that the model uses, as effects show them.
        self.table_values: dict[str, Any] = {}
        if table is not None:
            self._read_columns(table)
        #: The median or the commonest category of each column in training.
        self.typical = {column.name: column.typical for column in self.facts.columns}

    def _read_columns(self, table):
        """Read the columns of a table that the model uses. The table may lack some, but not all."""
        missing = [name for name in self._kinds if name not in table.column_names]
        if len(missing) == len(self._kinds):
            raise ValueError(
                f"the table has no column of the model, which reads {join(missing)}. Pass a table like "
                "that of its training."
            )
        if missing:
            self.notes.append(
                f"similar rows are found without {join(missing)}, which the table does not have"
            )
        names = [name for name in self.columns if name not in missing]
        texts = [name for name in names if self._kinds[name].is_read_as_text]
        frame = frames.read(convert_texts(table.select(names), texts))
        for name, raw in zip(names, frame.columns):
            column = self._kinds[name]
            if raw.kind == "number":
                raw.values = np.where(np.isinf(raw.values), np.nan, raw.values)
            is_category = self._axes[name] == "category"
            show = column.to_categories if is_category else column.to_axis
            self.table_values[name] = show(column.convert(raw))

    def describe(self) -> dict[str, Any]:
        """Return the columns of the model and a row to begin with."""
        columns, row = [], {}
        for name, effect in self.columns.items():
            axis = self._axes[name]
            values = [_to_json(value, axis) for value in effect.values]
            column = {"name": name, "kind": effect.kind, "axis": axis, "values": values}
            row[name] = self._first_value(name, values)
            columns.append(column | {"mean": effect.mean.tolist()})
        if len(self.outputs) > 1 and self.facts.is_classifier:
            first = int(self.model.predict_proba(self._as_table(row))[0].argmax())
        else:
            first = len(self.outputs) // 2  # of quantiles
        importances = self.facts.importances
        row |= {name: self._first_text(name) for name in self.texts}
        columns.sort(key=lambda each: -importances.get(each["name"], 0.0))
        return {
            "name": self.name,
            "columns": columns,
            "texts": self.texts,
            "row": row,
            "row_name": "Typical row" if self.table is None else "First row",
            "outputs": [str(each) for each in self.outputs],
            "output": first,
            "is_number": not self.facts.is_classifier,
        }

    def _first_text(self, name):
        """Return the text of a column in the first row of the table, or none."""
        if self.table is None or name not in self.table.column_names or not self.table.num_rows:
            return ""
        text = self.table[name][0].as_py()
        return "" if text is None else str(text)

    def _first_value(self, name, values):
        """Return the value of a column in the first row of the table, or a typical one."""
        axis, known = self._axes[name], self.table_values.get(name)
        if known is not None and len(known):
            if axis != "category":
                return None if np.isnan(known[0]) else _to_json(known[0], axis)
            if known[0] in values:
                return known[0]
        typical = self.typical.get(name)
        if typical is None:
            return values[0]
        if axis != "category":
            typical = self._kinds[name].to_axis(np.array([typical]))[0]
        return _to_json(typical, axis)

    def answer(self, row: dict[str, Any], output: int = 0) -> dict[str, Any]:
        """Return the prediction for a row, and the curve of each column around it.

        output : position of the class whose curves are returned

        Raises
        ------
        ValueError
            A value does not fit its column.
        """
        self._check_output(output)
        X = self._as_table(row)
        effects = [each.of(self.outputs[output]) for each in self.model.effects(X=X)]
        curves = {str(each.column): each.curves[0].tolist() for each in effects}
        return self._prediction(X, output) | {"curves": curves}

    def explain(self, row: dict[str, Any], output: int = 0) -> dict[str, Any]:
        """Return what each column adds to the prediction for a row, and the most similar rows.

        It takes longer than `answer`, so the page asks for it less often. Arguments as there.
        """
        self._check_output(output)
        n_permutations = PERMUTATIONS if len(self._kinds) > EXACT_COLUMNS else None
        found = self.model.explain(self._as_table(row), n_permutations=n_permutations)
        explanation = found.of(self.outputs[output])
        parts = zip(explanation.columns, explanation.values[0], explanation.standard_errors[0])
        return {
            "base": float(explanation.base_values[0]),
            "contributions": {
                str(name): {"value": float(value), "error": float(error)}
                for name, value, error in parts
            },
            "words": {
                str(name): format_words(most_of(rows[0]))
                for name, rows in explanation.words.items()
            },
            "unit": unit_of_words(explanation.scale),
            "nearest": self._nearest(row),
        }

    def _check_output(self, output):
        with refusing():
            check_count("output", output, minimum=0, maximum=len(self.outputs) - 1)

    def _as_table(self, row):
        """Return the row as columns that the model reads; what the page does not show is missing."""
        unknown = row.keys() - self._kinds.keys()
        if unknown:
            raise PlayError(f"the model has no column {sorted(unknown)[0]!r}")
        import pyarrow as pa

        cells = dict.fromkeys(map(str, self.model.feature_names_in_))
        for name in self.columns:
            value = self._parse(name, row.get(name))
            cells[name] = None if value is None else self._kinds[name].to_cell(value)
        for name in self.texts:
            cells[name] = text = row.get(name)
            if text is not None and (not isinstance(text, str) or has_lone_surrogate(text)):
                raise PlayError(f"column {printable(name)!r} needs a text, got {text!r}.")
        return pa.table({name: pa.array([cell]) for name, cell in cells.items()})

    def _parse(self, name, value):
        """Return a value of the page as effects show it, None if it is missing."""
        if value in (MISSING, "", None):
            return None
        parse, needed = _PARSERS[self._axes[name]]
        try:
            return parse(value)
        except (ValueError, TypeError):
            raise PlayError(f"column {printable(name)!r} needs {needed}, got {value!r}.") from None

    def _prediction(self, X, output):
        model = self.model
        if self.facts.is_classifier:
            P = model.predict_proba(X)[0]
            classes = [str(each) for each in self.facts.classes]
            return {"probabilities": dict(zip(classes, map(float, P)))}
        answer: dict[str, Any] = {"prediction": float(np.ravel(model.predict(X))[output])}
        if not self.facts.has_intervals:  # several quantiles, in a file of an older version
            return answer
        low, high = np.ravel(model.predict_interval(X))
        return answer | {"interval": [float(low), float(high)]}

    # ---- similar rows ----

    def _nearest(self, row):
        """Return the most similar rows of the table by Gower's distance (1971): the mean over columns
        of |a - b| / range, or of whether categories differ."""
        if self.table is None:
            return None
        names = list(self.table_values)
        distance = np.zeros(self.table.num_rows)
        for name in names:
            distance += self._distance(name, row.get(name))
        order = np.argsort(distance, kind="stable")[:NEAREST]
        shown = [*([self.target] if self.target in self.table.column_names else []), *names[:8]]
        rows = self.table.select(shown).take(order).to_pylist()
        return {
            "columns": shown,
            "rows": [[_shown(each[name]) for name in shown] for each in rows],
            "distances": [float(distance[i] / max(len(names), 1)) for i in order],
        }

    def _distance(self, name, value):
        value, known = self._parse(name, value), self.table_values[name]
        if self._axes[name] == "category":
            return (known != (value or MISSING)).astype(float)
        values = _to_numbers(known)
        if value is None:
            return np.isfinite(values).astype(float)
        low, high = _to_numbers(self.columns[name].values[[0, -1]])
        apart = np.abs(values - _to_numbers(np.array([value]))) / ((high - low) or 1.0)
        return np.nan_to_num(np.minimum(apart, 1.0), nan=1.0)


def _to_numbers(values):
    """Return numbers, or the seconds of dates since 1970, as float64 with NaN for missing ones."""
    if axis_of(values) == "number":
        return values
    seconds = values.astype("datetime64[us]").astype(np.int64) / 1e6
    return np.where(np.isnat(values), np.nan, seconds)


def _shown(value):
    """Return a value of the table as a text."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)


def _to_json(value, axis):
    """Return a value of an effect as JSON has it: dates without a time."""
    if axis == "number":
        return float(value)
    return np.datetime_as_string(value, unit="D") if axis == "date" else str(value)

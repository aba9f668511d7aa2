"""Predictions of a tabular model for requests: each is read on its own, and all are predicted together.

A column of a request is read by itself, so the texts of one request do not decide what those of
another are. What the columns become is put together, and the networks predict all rows in one call.
Each row gets the bits that `predict` gives it.
"""

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.messages import plural, printable, similar
from ..tables.files import TableWarning
from ..tabular.columns import frames
from ..tabular.columns.category import describe_unknown
from ..tabular.columns.frames import Frame
from ..tabular.columns.other_texts import OtherTextsOfParts
from ..tabular.explaining import explanation_text
from ..tabular.prediction_columns import fold_columns
from ..tabular.predictions import check_columns
from ..web.errors import RequestError, RequestWords
from .request_body import describe

MAX_EXPLAINED = 100  # rows of a request: each takes some 10 ms
EXPLANATION = ("output", "prediction", "base", "contributions", "standard_errors")
MAX_NOTES = 6  # about keys that are not columns


@dataclass
class TableRows:
    """The rows of a request.

    Attributes
    ----------
    rows : list
        As the request has them.
    n_rows : int
    plain : list or None
        The values of each column in use, if all are plain.
    features : (list of ndarray (n,), ndarray (n, k)), or None
        What `Features.transform` made of the other ones.
    notes : list of str
    """

    rows: list
    n_rows: int
    plain: list | None = None
    features: Any = None
    notes: list = field(default_factory=list)


class TableService:
    """Predictions of a tabular model.

    Parameters
    ----------
    model : StoredClassifier, StoredRegressor, TabularClassifier or TabularRegressor

    Attributes
    ----------
    facts : ModelFacts
    has_names : bool
        Whether the columns have names: a row is then an object, else an array.
    n_columns : int
    """

    few = 32  # rows that are read one by one, without a thread; more are read as a table

    def __init__(self, model):
        self.model, self.facts = model, model.facts()
        self._features = features = model.features_
        self.has_names, self.n_columns = features.names is not None, features.n_columns
        self._known = {*(features.names or ()), self.facts.target}
        self._used = [(features.columns[j], features.positions[j]) for j in features.used()]
        categories = features.value_categories()
        self._readers = [
            (
                features.names[features.positions[j]] if self.has_names else features.positions[j],
                features.columns[j].json_reader(categories.get(j)),
            )
            for j in features.used()
        ]

    # ---- requests ----

    def check(self, options):
        """Raise RequestError if the model does not have what the options of a request want."""
        if options.proba and not self.facts.is_classifier:
            raise RequestError(
                422,
                "proba: the model predicts a number. Pass interval=0.9 for an interval that holds it.",
            )
        if options.interval is not None and self.facts.is_classifier:
            raise RequestError(
                422,
                "interval: the model predicts a class. Pass proba=true for the probability of each "
                "class.",
            )
        if options.interval is not None and not self.facts.has_intervals:
            raise RequestError(
                422, "interval: the model predicts quantiles. Take two of them as the interval."
            )
        if options.explain and not self.facts.has_explanations:
            raise RequestError(
                422,
                "explain: the model keeps no training rows, with which explanations compare. Train "
                "it again.",
            )

    def read(self, rows):
        """Return the TableRows of a request. Raise ValueError if the model cannot predict them."""
        read = TableRows(rows, len(rows))
        if self.has_names:
            self._note_unknown_keys(rows, read.notes)
        if len(rows) <= self.few:
            read.plain = self._read_plain(rows)
        if read.plain is None:
            read.features = self._read_table(rows, read.notes)
        return read

    def _read_plain(self, rows):
        """Return the values of each column in use, None if some are not plain or are absent."""
        out = []
        for key, reader in self._readers:
            if not self.has_names:
                if any(len(row) != self.n_columns for row in rows):
                    return None
                values = reader([row[key] for row in rows])
            elif any(key in row for row in rows):
                values = reader([row.get(key) for row in rows])
            else:
                return None
            if values is None:
                return None
            out.append(values)
        return out if rows else None

    def _read_table(self, rows, notes):
        """Return the features of rows that are read as `predict` reads them, and add notes."""
        features, others = self._features, OtherTextsOfParts(self._features)
        frame = self._to_frame(rows)
        read = features.transform(frame)
        others.add(frame)
        words = RequestWords()
        notes += [words.say(note) for note in others.notes()]
        unknown = features.unknown_categories(frame)
        notes += [describe_unknown(name, n, text) for name, (n, text) in unknown.items()]
        return read

    def _to_frame(self, rows):
        names, n_columns = self._features.names, self.n_columns
        if not rows:
            return frames.without_rows(n_columns)
        if names is None:
            for i, row in enumerate(rows):
                if len(row) != n_columns:
                    raise RequestError(
                        422,
                        f"Row {i} has {plural(len(row), 'value')}, but the model expects "
                        f"{n_columns:,}. Send one for each column, and null for a missing one.",
                        {"row": i},
                    )
                for k, value in enumerate(row):
                    if isinstance(value, (list, dict)):
                        raise RequestError(
                            422,
                            f"Column {k} of row {i} is {describe(value)}, but a number, a text or "
                            "null is expected.",
                            {"row": i, "column": k},
                        )
        (frame,) = frames.read_batches(rows, (), self._choose_columns)
        return frame if names is None else frames.complete(frame, names)

    def _choose_columns(self, names):
        check_columns(names, self._features.used_names())
        return [name for name in self._features.names if name in names]

    def _note_unknown_keys(self, rows, notes):
        unknown = [key for row in rows for key in row if key not in self._known]
        if not unknown:
            return
        for key in list(dict.fromkeys(unknown))[:MAX_NOTES]:
            close = similar(key, self._features.names)
            advice = f" Did you mean {printable(close)!r}?" if close else ""
            notes.append(f"{printable(key)!r} is not a column of the model and is ignored.{advice}")
        more = len(set(unknown)) - MAX_NOTES
        if more > 0:
            notes.append(f"{plural(more, 'more key')} that are not columns of the model")

    # ---- predictions ----

    def predict(self, requests):
        """Return the columns of the predictions of each request.

        Parameters
        ----------
        requests : list of (TableRows, PredictOptions)

        Returns
        -------
        list of dict of str to ndarray
        """
        order, numbers, codes = self._join([read for read, _ in requests])
        folds = self.model.predict_features(numbers, codes)
        out: list = [None] * len(requests)
        first = 0
        for i in order:
            read, options = requests[i]
            out[i] = self._columns(folds[:, first : first + read.n_rows], options)
            first += read.n_rows
        return out

    def explain(self, requests):
        """Return the explanations of the rows of each request, arrays (n,) of dict.

        A request is explained by itself, in one call of the networks.

        Parameters
        ----------
        requests : list of TableRows
        """
        return [self._explain(read) for read in requests]

    def _explain(self, read):
        if not read.n_rows:
            return np.empty(0, object)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TableWarning)  # `read` has notes about it
            explanation = self.model.explain(read.rows)
        out = np.empty(read.n_rows, object)
        for i, row in enumerate(explanation_text.to_json(explanation, range(read.n_rows))):
            out[i] = {"scale": explanation.scale} | {name: row[name] for name in EXPLANATION}
        return out

    def _join(self, reads):
        """Return the order in which the requests are put together, and their features."""
        plain = [i for i, read in enumerate(reads) if read.plain is not None]
        order = plain + [i for i, read in enumerate(reads) if read.plain is None]
        parts = [reads[i].features for i in order[len(plain) :]]
        if plain:
            columns: list = [None] * self.n_columns
            for k, (column, position) in enumerate(self._used):
                values = [x for i in plain for x in reads[i].plain[k]]
                columns[position] = column.from_json_values(values)
            n_rows = sum(reads[i].n_rows for i in plain)
            frame = Frame(self._features.names, columns, n_rows)
            parts.insert(0, self._features.transform(frame))
        if len(parts) == 1:
            return order, *parts[0]
        numbers = [np.concatenate(some) for some in zip(*(numbers for numbers, _ in parts))]
        return order, numbers, np.concatenate([codes for _, codes in parts])

    def _columns(self, folds, options):
        columns = {}
        if np.isfinite(folds).all():
            columns = fold_columns(self.model, folds, options.proba, options.interval)
        numbers = (values for values in columns.values() if values.dtype.kind == "f")
        if not columns or not all(np.isfinite(values).all() for values in numbers):
            raise RequestError(500, "The output of the model is not finite. Train it again.")
        return columns

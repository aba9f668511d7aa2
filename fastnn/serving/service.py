"""Predictions for requests, each of which is read on its own. All waiting rows are predicted in one call.

Each row gets the bits that `forward` or `predict` gives it.

- `NetworkService`: the columns are numbers without missing values.
- `TableService`: a column of a request is read by itself, so the texts of one request do not decide
  what those of another are. What the columns become is put together.
"""

import copy
import math
import warnings
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from ..core.messages import did_you_mean, join, plural, printable, similar
from ..mlp import MLP
from ..tables.files import TableWarning
from ..tabular.columns import frames
from ..tabular.columns.category import describe_unknown
from ..tabular.columns.other_texts import OtherTextsOfParts
from ..tabular.explaining.explanation import explanations_to_json
from ..tabular.predictions import check_columns, fold_columns
from ..tabular.targets import label_text
from ..web.requests import RequestError, RequestWords, UnprocessableError
from .request import show_value

MAX_MISSING = 20  # names in a message
NUMBERS = (int, float)  # and bool, which is an int
MAX_EXPLAINED = 100  # rows of a request: each takes some 10 ms
MAX_EXPLAINED_BYTES = 1_000_000  # of a request, if the model reads free text: they take about 1 s
EXPLANATION = ("output", "prediction", "base", "contributions", "standard_errors", "words")
MAX_NOTES = 6  # about keys that are not columns


@dataclass
class ReadRows:
    """The rows of a request, as a service has read them.

    Attributes
    ----------
    rows : list
        As the request has them.
    notes : list of str
    features : object
        What the networks predict: an array (n, n_features) of a NetworkService, what
        `Features.transform` returns of a TableService.
    plain : list or None
        In place of `features`, the values of each column in use, if all are plain.
    """

    rows: list
    notes: list = field(default_factory=list)
    features: Any = None
    plain: list | None = None

    @property
    def n_rows(self):
        return len(self.rows)


def _check_finite(columns):
    numbers = (values for values in columns.values() if values.dtype.kind == "f")
    if not all(np.isfinite(values).all() for values in numbers):
        raise RequestError(500, "The output of the model is not finite. Train it again.")


# ---- networks ----


class NetworkService:
    """Predictions of a network.

    Parameters
    ----------
    model : MLP, MLPClassifier or MLPRegressor
    n_threads : int
        Of an MLP.

    Attributes
    ----------
    facts : ModelFacts
    has_names : bool
        Whether a row is an object, else an array.
    names : list of str or int
        Names of the columns, or their positions.
    n_columns : int
    """

    few = 256  # rows that are read without a thread

    def __init__(self, model, n_threads):
        self.n_threads, self.is_network = n_threads, isinstance(model, MLP)
        self.facts = model.facts()
        names = getattr(model, "feature_names_in_", None)
        self.has_names = names is not None
        if self.has_names:
            # Rows become an array in the order of the names, which `predict` would then warn about.
            model = copy.copy(model)
            del model.feature_names_in_
        self.model = model
        network = model if self.is_network else model.networks_[0]
        self.n_columns = network.layer_sizes[0]
        self.names: list = list(range(self.n_columns) if names is None else names)
        self._largest = float(np.finfo(network.dtype).max)

    # ---- requests ----

    def check(self, options):
        """Raise RequestError if the model does not have what the options of a request want."""
        name = type(self.model).__name__
        if options.proba and not self.facts.is_classifier:
            raise UnprocessableError(f"proba: the model is an {name}, which predicts no classes.")
        if options.explain:
            raise UnprocessableError("explain: only models of tables are explained, not networks.")
        if options.interval is not None:
            if self.is_network or self.facts.is_classifier:
                raise UnprocessableError(f"interval: the model is an {name}, without intervals.")
            self._check_intervals()

    def _check_intervals(self):
        from ..estimators import ensemble

        try:
            ensemble.check_errors(self.model)
        except ValueError as error:
            raise UnprocessableError(f"interval: {error}") from None

    def read(self, rows):
        """Return the ReadRows of a request. Raise RequestError if the model cannot predict them."""
        read = ReadRows(rows)
        if self.has_names:
            rows = self._in_order(rows, read.notes)
        for i, row in enumerate(rows):
            if len(row) != self.n_columns:
                raise UnprocessableError(
                    f"Row {i} has {plural(len(row), 'value')}, but the model expects "
                    f"{self.n_columns:,}. Send one number for each column.",
                    row=i,
                )
            for k, value in enumerate(row):
                self._check_value(value, i, k)
        read.features = np.array(rows, float).reshape(-1, self.n_columns)
        return read

    def _in_order(self, rows, notes):
        """Return rows as lists in the order of the columns, and note other keys."""
        known = set(self.names)
        for i, row in enumerate(rows):
            if not known <= row.keys():
                self._refuse_incomplete(i, row)
        for key in dict.fromkeys(key for row in rows for key in row if key not in known):
            notes.append(f"{printable(key)!r} is not a column of the model and is ignored.")
        return [[row[name] for name in self.names] for row in rows]

    def _refuse_incomplete(self, i, row):
        missing = [name for name in self.names if name not in row]
        others = [name for name in row if name not in self.names]
        advice = did_you_mean(missing[0], others, "other keys") if others else ""
        raise UnprocessableError(
            f"Row {i} has no {join(missing, MAX_MISSING)}, but the model needs all columns and takes "
            f"no missing values. {advice}".rstrip(),
            row=i,
            column=missing[0],
        )

    def _check_value(self, value, i, k):
        if isinstance(value, NUMBERS) and -self._largest <= value <= self._largest:
            return
        expected = "a number"
        if isinstance(value, float) and not math.isfinite(value):
            expected = "a finite number"
        elif isinstance(value, NUMBERS):
            expected = f"a number of at most {self._largest:.3g}"
        what = "null" if value is None else printable(repr(value))
        column = self.names[k]
        raise UnprocessableError(
            f"Column {repr(printable(column)) if self.has_names else column} of row {i} is {what}, but "
            f"{expected} is expected. Send a number: the model takes no texts and no missing values.",
            row=i,
            column=column,
        )

    # ---- predictions ----

    def predict(self, requests):
        """Return the columns of the predictions of each request.

        Parameters
        ----------
        requests : list of (ReadRows, PredictOptions)

        Returns
        -------
        list of dict of str to ndarray
        """
        X = np.concatenate([read.features for read, _ in requests])
        if not len(X):
            return [{"prediction": np.empty(0)} for _ in requests]
        y, P = self._predict(X, any(options.proba for _, options in requests))
        out, first = [], 0
        for read, options in requests:
            rows = slice(first, first + read.n_rows)
            first += read.n_rows
            columns = {"prediction": y[rows]}
            if options.proba:
                labels = map(label_text, self.model.classes_.tolist())
                columns |= {f"probability_{label}": p for label, p in zip(labels, P[rows].T)}
            if options.interval is not None and read.n_rows:
                bounds = self.model.predict_interval(X[rows], options.interval)
                columns |= dict(zip(("lower", "upper"), bounds))
            _check_finite(columns)
            out.append(columns)
        return out

    def _predict(self, X, proba):
        """Return the predictions, and the probabilities if they are wanted."""
        if self.is_network:
            Y = self.model.forward(X.astype(self.model.dtype), n_threads=self.n_threads)
            return Y[:, 0] if Y.shape[1] == 1 else Y, None
        return self.model.predict(X), self.model.predict_proba(X) if proba else None


# ---- models of tables ----


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
    reads_text : bool
        Whether the model reads free text.
    """

    few = 32  # rows that are read one by one, without a thread; more are read as a table

    def __init__(self, model):
        self.model, self.facts = model, model.facts()
        self._features = features = model.features_
        self.has_names, self.n_columns = features.names is not None, features.n_columns
        self.reads_text = bool(features.text_layers)
        self._known = {*(features.names or ()), self.facts.target}

    # ---- requests ----

    def check(self, options):
        """Raise RequestError if the model does not have what the options of a request want."""
        facts, has_interval = self.facts, options.interval is not None
        for is_refused, text in (
            (
                options.proba and not facts.is_classifier,
                "proba: the model predicts a number. Pass interval=0.9 for an interval that holds it.",
            ),
            (
                has_interval and facts.is_classifier,
                "interval: the model predicts a class. Pass proba=true for the probability of each "
                "class.",
            ),
            (
                has_interval and not facts.has_intervals,
                "interval: the model predicts quantiles, and is of an older version, without their errors "
                "on held-out rows. Take two of them as the interval, or train it again.",
            ),
            (
                options.explain and not facts.has_explanations,
                "explain: the model keeps no training rows, with which explanations compare. Train "
                "it again.",
            ),
        ):
            if is_refused:
                raise UnprocessableError(text)

    def read(self, rows):
        """Return the ReadRows of a request. Raise ValueError if the model cannot predict them."""
        read = ReadRows(rows)
        if self.has_names:
            self._note_unknown_keys(rows, read.notes)
        if len(rows) <= self.few:
            read.plain = self._features.plain_rows.read(rows)
        if read.plain is None:
            read.features = self._read_table(rows, read.notes)
        return read

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
        names = self._features.names
        if not rows:
            return frames.without_rows(self.n_columns)
        if names is None:
            for i, row in enumerate(rows):
                self._check_unnamed(i, row)
        (frame,) = frames.read_batches(rows, (), self._choose_columns)
        return frame if names is None else frames.complete(frame, names)

    def _check_unnamed(self, i, row):
        if len(row) != self.n_columns:
            raise UnprocessableError(
                f"Row {i} has {plural(len(row), 'value')}, but the model expects {self.n_columns:,}. "
                "Send one for each column, and null for a missing one.",
                row=i,
            )
        for k, value in enumerate(row):
            if isinstance(value, (list, dict)):
                raise UnprocessableError(
                    f"Column {k} of row {i} is {show_value(value)}, but a number, a text or null is "
                    "expected.",
                    row=i,
                    column=k,
                )

    def _choose_columns(self, names):
        check_columns(names, self._features.used_names())
        return [name for name in self._features.names if name in names]

    def _note_unknown_keys(self, rows, notes):
        unknown = list(dict.fromkeys(key for row in rows for key in row if key not in self._known))
        for key in unknown[:MAX_NOTES]:
            close = similar(key, self._features.names)
            advice = f" Did you mean {printable(close)!r}?" if close else ""
            notes.append(f"{printable(key)!r} is not a column of the model and is ignored.{advice}")
        more = len(unknown) - MAX_NOTES
        if more > 0:
            notes.append(f"{plural(more, 'more key')} that are not columns of the model")

    # ---- predictions ----

    def predict(self, requests):
        """Return the columns of the predictions of each request.

        Parameters
        ----------
        requests : list of (ReadRows, PredictOptions)

        Returns
        -------
        list of dict of str to ndarray
        """
        # Those with plain values come first: they are read together.
        order = sorted(range(len(requests)), key=lambda i: requests[i][0].plain is None)
        numbers, codes = self._join([requests[i][0] for i in order])
        folds, scales = self.model.predict_features(numbers, codes), None
        if any(options.interval is not None for _, options in requests):
            scales = self.model.predict_scales(numbers, codes)
        out: list = [None] * len(requests)
        first = 0
        for i in order:
            read, options = requests[i]
            rows = slice(first, first + read.n_rows)
            own, own_scales = folds[:, rows], None if scales is None else scales[rows]
            first += read.n_rows
            _check_finite({"": own})
            out[i] = fold_columns(self.model, own, options.proba, options.interval, own_scales)
            _check_finite(out[i])
        return out

    def _join(self, reads):
        """Return the features of requests, of which those with plain values come first."""
        plain = [read for read in reads if read.plain is not None]
        parts = [read.features for read in reads[len(plain) :]]
        if plain:
            columns: Any = zip(*(read.plain for read in plain))
            values = [list(chain.from_iterable(each)) for each in columns]
            frame = self._features.plain_rows.frame(values, sum(read.n_rows for read in plain))
            parts.insert(0, self._features.transform(frame))
        if len(parts) == 1:
            return parts[0]
        numbers, codes = zip(*parts)
        return [np.concatenate(some) for some in zip(*numbers)], np.concatenate(codes)

    # ---- explanations ----

    def explain(self, requests):
        """Return the explanations of the rows of each request, arrays (n,) of dict.

        A request is explained by itself, in one call of the networks.

        Parameters
        ----------
        requests : list of ReadRows
        """
        return [self._explain(read) for read in requests]

    def _explain(self, read):
        out = np.empty(read.n_rows, object)
        if not read.n_rows:
            return out
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TableWarning)  # `read` has notes about it
            explanation = self.model.explain(read.rows)
        for i, row in enumerate(explanations_to_json(explanation, range(read.n_rows))):
            kept = {name: part for name, part in row.items() if name in EXPLANATION}
            out[i] = {"scale": explanation.scale} | kept
        return out

"""Predictions of a network for requests: `MLP`, `MLPClassifier`, `MLPRegressor`.

Their columns are numbers without missing values. All waiting rows are predicted in one call, and
each gets the bits that `forward` or `predict` gives it.
"""

import copy
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.messages import did_you_mean, join, plural, printable
from ..mlp import MLP
from ..tabular.prediction_columns import label_text
from ..web.errors import RequestError

MAX_MISSING = 20  # names in a message
NUMBERS = (int, float)  # and bool, which is an int


@dataclass
class NetworkRows:
    """The rows of a request.

    Attributes
    ----------
    rows : list
        As the request has them.
    n_rows : int
    X : ndarray (n, n_features), float64
    notes : list of str
    """

    rows: list
    n_rows: int
    X: Any
    notes: list = field(default_factory=list)


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
    names : list of str
        Names of the columns, if there are any.
    has_names : bool
        Whether a row is an object, else an array.
    """

    few = 256  # rows that are read without a thread

    def __init__(self, model, n_threads):
        self.n_threads, self.is_network = n_threads, isinstance(model, MLP)
        self.facts = model.facts()
        names = getattr(model, "feature_names_in_", None)
        if names is not None:
            # Rows become an array in the order of the names, which `predict` would then warn about.
            model = copy.copy(model)
            del model.feature_names_in_
        self.model = model
        self.names: list = [] if names is None else list(names)
        self.has_names = names is not None
        network = model if self.is_network else model.networks_[0]
        self.n_columns = network.layer_sizes[0]
        self._largest = float(np.finfo(network.dtype).max)

    # ---- requests ----

    def check(self, options):
        """Raise RequestError if the model does not have what the options of a request want."""
        name = type(self.model).__name__
        if options.proba and not self.facts.is_classifier:
            raise RequestError(422, f"proba: the model is an {name}, which predicts no classes.")
        if options.explain:
            raise RequestError(422, "explain: only models of tables are explained, not networks.")
        if options.interval is not None:
            if self.is_network or self.facts.is_classifier:
                raise RequestError(422, f"interval: the model is an {name}, without intervals.")
            self._check_intervals()

    def _check_intervals(self):
        from ..estimators import ensemble

        try:
            ensemble.check_errors(self.model)
        except ValueError as error:
            raise RequestError(422, f"interval: {error}") from None

    def read(self, rows):
        """Return the NetworkRows of a request. Raise RequestError if the model cannot predict them."""
        notes: list = []
        if self.has_names:
            rows = self._in_order(rows, notes)
        for i, row in enumerate(rows):
            if len(row) != self.n_columns:
                raise RequestError(
                    422,
                    f"Row {i} has {plural(len(row), 'value')}, but the model expects "
                    f"{self.n_columns:,}. Send one number for each column.",
                    {"row": i},
                )
            for k, value in enumerate(row):
                self._check_value(value, i, k)
        return NetworkRows(
            rows, len(rows), np.array(rows, float).reshape(-1, self.n_columns), notes
        )

    def _in_order(self, rows, notes):
        known = set(self.names)
        for i, row in enumerate(rows):
            missing = [name for name in self.names if name not in row]
            if missing:
                others = [name for name in row if name not in known]
                advice = did_you_mean(missing[0], others, "other keys") if others else ""
                raise RequestError(
                    422,
                    f"Row {i} has no {join(missing, MAX_MISSING)}, but the model needs all columns "
                    f"and takes no missing values. {advice}".rstrip(),
                    {"row": i, "column": missing[0]},
                )
        for key in dict.fromkeys(key for row in rows for key in row if key not in known):
            notes.append(f"{printable(key)!r} is not a column of the model and is ignored.")
        return [[row[name] for name in self.names] for row in rows]

    def _check_value(self, value, i, k):
        if isinstance(value, NUMBERS) and -self._largest <= value <= self._largest:
            return
        what = "null" if value is None else printable(repr(value))
        column = repr(printable(self.names[k])) if self.has_names else k
        expected = "a number"
        if isinstance(value, float) and not math.isfinite(value):
            expected = "a finite number"
        elif isinstance(value, NUMBERS):
            expected = f"a number of at most {self._largest:.3g}"
        raise RequestError(
            422,
            f"Column {column} of row {i} is {what}, but {expected} is expected. Send a number: the "
            "model takes no texts and no missing values.",
            {"row": i, "column": self.names[k] if self.has_names else k},
        )

    # ---- predictions ----

    def predict(self, requests):
        """Return the columns of the predictions of each request.

        Parameters
        ----------
        requests : list of (NetworkRows, PredictOptions)

        Returns
        -------
        list of dict of str to ndarray
        """
        X = np.concatenate([read.X for read, _ in requests])
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
            for values in columns.values():
                if values.dtype.kind == "f" and not np.isfinite(values).all():
                    raise RequestError(
                        500, "The output of the model is not finite. Train it again."
                    )
            out.append(columns)
        return out

    def _predict(self, X, proba):
        """Return the predictions, and the probabilities if they are wanted."""
        if self.is_network:
            Y = self.model.forward(X.astype(self.model.dtype), n_threads=self.n_threads)
            return Y[:, 0] if Y.shape[1] == 1 else Y, None
        return self.model.predict(X), self.model.predict_proba(X) if proba else None

"""What a trained model is worth: scores on rows that its networks did not train on, and suspects."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..tables.errors import import_pyarrow
from . import metrics
from .target import label_text, locate

MAX_SUSPECTS = 5
MIN_ERROR = 3.0  # of a suspect, in units of the RMSE
MAX_PROBABILITY = 0.1  # of the class of a suspect


@dataclass
class Evaluation:
    """Predictions of rows whose target is known.

    Attributes
    ----------
    model : TabularClassifier or TabularRegressor
    rows : ndarray (n,)
        Positions of the rows among those with a target.
    y : ndarray (n,)
        Class numbers, or numbers.
    P : ndarray (n, n_classes) or (n,)
        Probabilities, or numbers.
    """

    model: Any
    rows: np.ndarray
    y: np.ndarray
    P: np.ndarray

    @classmethod
    def of_held_out(cls, model, target, train):
        """Return the out-of-fold predictions.

        train : ndarray
            The rows that the model was fitted to.
        """
        P = model.oof_prediction_
        rows = np.flatnonzero(~np.isnan(P.reshape(len(P), -1)).any(axis=1))
        return cls(model, train[rows], _true(model, target, train[rows]), P[rows])

    @classmethod
    def of_rows(cls, model, table, target, rows):
        """Return the predictions of rows that the model was not fitted to."""
        X = table.take(import_pyarrow().array(rows))
        P = model.predict(X) if target.is_number else model.predict_proba(X)
        return cls(model, rows, _true(model, target, rows), P)

    def scores(self):
        """Return the scores beside those of the baseline."""
        if self.P.ndim == 1:
            return metrics.score_numbers(self.y, self.P)
        return metrics.score_classes(self.y, self.P, self.decisions(), self.labels())

    def decisions(self):
        """Return the numbers of the predicted classes."""
        if self.model.threshold is None:
            return self.P.argmax(axis=1)
        return (self.P[:, 1] >= self.model.threshold).astype(np.intp)

    def labels(self):
        return list(map(label_text, self.model.classes_.tolist()))

    def suspects(self, arguments, target):
        """Return the rows whose target is the least likely, as dicts: row, place, given, predicted
        and, for classes, the probability of the given one."""
        if self.P.ndim == 1:
            error = np.abs(self.y - self.P)
            likeliness = -error
            is_suspect = error > MIN_ERROR * np.sqrt(np.mean(error**2))
        else:
            likeliness = self.P[np.arange(len(self.y)), self.y]
            is_suspect = likeliness < MAX_PROBABILITY
        order = np.argsort(likeliness, kind="stable")
        return [
            self._describe(i, arguments, target) for i in order[is_suspect[order]][:MAX_SUSPECTS]
        ]

    def _describe(self, i, arguments, target):
        row = int(target.rows[self.rows[i]])
        out = {"row": row, "place": locate(arguments, row).rpartition(", ")[2]}
        if self.P.ndim == 1:
            return out | {"given": float(self.y[i]), "predicted": float(self.P[i])}
        labels = self.labels()
        return out | {
            "given": labels[self.y[i]],
            "predicted": labels[self.P[i].argmax()],
            "probability": float(self.P[i, self.y[i]]),
        }


def _true(model, target, rows):
    """Return the class numbers, or numbers, of some rows."""
    y = np.array(target.values.to_pylist())[rows]
    return y if target.is_number else np.searchsorted(model.classes_, y)

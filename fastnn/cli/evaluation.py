"""Out-of-fold scores, and rows whose target may be wrong."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import scoring
from .places import locate
from .target import label_text

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
            The rows that `oof_prediction_` has.
        """
        P = model.oof_prediction_
        rows = np.flatnonzero(~np.isnan(P.reshape(len(P), -1)).any(axis=1))
        return cls(model, train[rows], _true(model, target, train[rows]), P[rows])

    @classmethod
    def of_rows(cls, model, table, target, rows):
        """Return the predictions of rows that the model was not fitted to.

        table : MemoryTable or LargeTable
        """
        predict = model.predict if target.is_number else model.predict_proba
        P = np.concatenate([predict(part) for part in table.take(rows)])
        return cls(model, rows, _true(model, target, rows), P)

    def scores(self):
        """Return the scores beside those of the baseline."""
        return scoring.score_rows(self.model, self.y, self.P)


def find_suspects(model, target, train, arguments):
    """Return the rows whose target is improbable, as dicts: row, place, given, predicted and, for
    classes, the probability of the given one. For a folder also the file, and the place there.

    Parameters
    ----------
    model : TabularClassifier or TabularRegressor
        Fitted in this process.
    target : Target
    train : ndarray
        The rows that `oof_prediction_` has: positions among those with a target.
    arguments : argparse.Namespace
        How the table file was read.
    """
    from ..tabular import find_label_issues

    y = target.take(train)
    if target.is_number:
        errors = y - model.oof_prediction_
        limit = MIN_ERROR * np.sqrt(np.nanmean(errors**2))
    out = []
    for suspect in find_label_issues(model, y, MAX_SUSPECTS):
        row = int(target.rows[train[suspect.row]])
        file, place = locate(arguments, row)
        found = {"row": row, "place": place}
        if file != arguments.data:  # of a folder
            found |= {"place": f"row {row + 1}", "file": file, "place_in_file": place}
        if target.is_number:
            if abs(suspect.given - suspect.predicted) > limit:
                out.append(found | {"given": suspect.given, "predicted": suspect.predicted})
        elif suspect.probability < MAX_PROBABILITY:
            found |= {name: label_text(getattr(suspect, name)) for name in ("given", "predicted")}
            out.append(found | {"probability": suspect.probability})
    return out


def _true(model, target, rows):
    """Return the class numbers, or numbers, of some rows."""
    y = target.take(rows)
    return y if target.is_number else np.searchsorted(model.classes_, y)

"""Scales: what contributions add up to, and the outputs that they are of: classes or quantiles."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.errors import Argument, DataError

LOG_ODDS, PROBABILITY, TARGET = "log-odds", "probability", "target"


@dataclass(frozen=True)
class Scale:
    """How predictions are written as numbers (n, n_outputs).

    Attributes
    ----------
    name : {"log-odds", "probability", "target"}
    outputs : list
        What each number is of: a class, or a quantile; None for the one number of a regression.
    is_second : bool
        Whether only the second of two classes counts.
    """

    name: str
    outputs: list[Any]
    is_second: bool = False

    @classmethod
    def of_model(cls, targets, name=None):
        """Return the Scale of this name for a model.

        targets : TableClasses or TableNumbers
        """
        if not targets.is_classifier:
            check_name(name, [TARGET], "a number")
            if targets.n_out > 1:
                return cls(TARGET, np.atleast_1d(targets.loss.q).tolist())
            return cls(TARGET, [None])
        check_name(name, [PROBABILITY, LOG_ODDS], "classes")
        labels = targets.labels.tolist()
        is_second = len(labels) == 2
        return cls(name or PROBABILITY, labels[1:] if is_second else labels, is_second)

    def apply(self, P):
        """Return the numbers (n, n_outputs) of predictions (n,) or (n, n_out), in float64."""
        if self.name == TARGET:
            return P.reshape(len(P), len(self.outputs))
        if self.name == PROBABILITY:
            return P[:, 1:] if self.is_second else P
        if P.shape[1] == 1:  # one class is certain
            return np.zeros_like(P)
        others = [np.delete(P, k, 1).sum(axis=1) for k in range(P.shape[1])]
        Z = np.log(P) - np.log(np.stack(others, 1))
        return Z[:, 1:] if self.is_second else Z


def check_name(name, known, what):
    """Raise DataError unless a name is None or one of the known ones."""
    if name is None or name in known:
        return
    raise DataError(
        "{argument} is not a scale of this model, which predicts {what}.",
        "Pass {known}.",
        argument=Argument("scale", name),
        what=what,
        known=" or ".join(map(repr, known)),
    )


# ---- outputs ----


def squeeze(values, outputs):
    """Return values (..., n_outputs) without the last axis if there is one output."""
    return values[..., 0] if len(outputs) == 1 else values


def find_output(outputs, output):
    """Return the position of an output, or raise DataError if it is not one of them."""
    for i, known in enumerate(outputs):
        if known == output:
            return i
    raise DataError(
        "{argument} is not an output of this result.",
        "Its outputs are {known}.",
        argument=Argument("output", output),
        known=", ".join(map(repr, outputs)),
    )

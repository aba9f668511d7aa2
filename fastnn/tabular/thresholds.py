"""Thresholds of the probability of the second of two classes, chosen by held-out rows.

A rule says what the best threshold is: the one with the highest F1 of the second class ("f1"), or
with the lowest mean cost ("cost:5,1": a row of the second class that is missed costs 5, a false
alarm costs 1). Weights of rows count. Those of classes do not: they tell the networks what to
learn, and F1 and costs are those of the rows as they are.
"""

from dataclasses import dataclass

import numpy as np

from ..core.errors import Argument, DataError, Wording
from ..files.json_values import check, is_finite
from .metrics import is_above_zero

PARTS_OF_FOLD = 5  # of the held-out rows of a single fold
LEAST = 1e-9  # distance of a threshold from 0 and 1


@dataclass(frozen=True)
class ThresholdRule:
    """Rule that chooses a threshold: the costs of errors, or the highest F1.

    Attributes
    ----------
    costs : (float, float) or None
        Of a missed row of the second class and of a false alarm; None for the highest F1.
    """

    costs: tuple | None = None

    @property
    def text(self):
        """str: the rule as users write it."""
        return "f1" if self.costs is None else "cost:{:g},{:g}".format(*self.costs)

    def value(self, hits, alarms, n):
        """Return the F1, or the cost with the sign with which greater is better.

        hits, alarms, n : float or ndarray
            Weights of the rows of the second class that are predicted to be, of all rows that are,
            and of the rows of the second class.
        """
        if self.costs is None:
            return 2 * hits / (alarms + n)
        missed, false = self.costs
        return -(missed * (n - hits) + false * (alarms - hits))

    def best(self, p, is_second, weight, odds=1.0):
        """Return the threshold for rows.

        It is the best one if the probabilities are right. The best one for the classes of the rows
        replaces it only if it is better by two standard errors: otherwise it would follow single
        rows (docs/decisions/0037-metrics.md).

        p : ndarray (n,)
            Probabilities of the second class.
        odds : float
            Weight of the second class in the probabilities, divided by that of the first.
        """
        if odds == 1:
            return self.best_for_real_rows(p, is_second, weight)
        found = self.best_for_real_rows(p / (p + odds * (1 - p)), is_second, weight)
        return _with_odds(found, odds)

    def expected(self, p, weight, odds=1.0):
        """Return the threshold that is best if the probabilities are right, whatever the classes."""
        p, w = p / (p + odds * (1 - p)), np.ones(len(p)) if weight is None else weight
        return _with_odds(self.cut(p, w * p, w), odds)

    def best_for_real_rows(self, p, is_second, weight):
        """Return the threshold for rows, with probabilities that know no weights of classes."""
        if weight is not None:
            counted = weight > 0
            p, is_second, weight = p[counted], is_second[counted], weight[counted]
        if not len(p):
            return 0.5
        w = np.ones(len(p)) if weight is None else weight
        expected, found = self.cut(p, w * p, w), self.cut(p, np.where(is_second, w, 0.0), w)

        def gain(rows):
            weights, second = w[rows], np.where(is_second[rows], w[rows], 0.0)
            if not second.any():
                return np.nan
            values = []
            for threshold in (found, expected):
                above = p[rows] >= threshold
                values.append(self.value(second[above].sum(), weights[above].sum(), second.sum()))
            return (values[0] - values[1]) / (1.0 if self.costs is None else weights.sum())

        return found if is_above_zero(gain, len(p)) else expected

    def cut(self, p, second, w):
        """Return the best threshold, in the middle between two neighbouring probabilities.

        second, w : ndarray (n,)
            The weight of each row that is of the second class, and all of its weight.
        """
        order = np.argsort(-p, kind="stable")
        p = p[order]
        last = np.append(np.flatnonzero(np.diff(p)), len(p) - 1)  # of equal probabilities
        hits = np.append(0.0, np.cumsum(second[order])[last])
        alarms = np.append(0.0, np.cumsum(w[order])[last])
        if not hits[-1] > 0:
            return 1 - LEAST if self.costs else 0.5
        cuts = np.concatenate([[1.0], p[last], [0.0]])
        cuts = np.clip((cuts[:-1] + cuts[1:]) / 2, LEAST, 1 - LEAST)
        return float(cuts[np.argmax(self.value(hits, alarms, hits[-1]))])


@dataclass(frozen=True)
class ChosenThreshold:
    """A threshold that was chosen by a rule."""

    rule: ThresholdRule
    value: float

    def to_json(self):
        """Return a dict that JSON can hold."""
        return dict(rule=self.rule.text, value=self.value)

    @classmethod
    def from_json(cls, d):
        """Return the ChosenThreshold of a file, or raise an error of `damage_refused`."""
        value = d["value"]
        check(is_finite(value) and 0 < value < 1, "threshold")
        check(isinstance(d["rule"], str), "threshold")
        return cls(parse(d["rule"]), value)


def parse(threshold):
    """Return the ThresholdRule of a text, other thresholds as they are: None or a number."""
    if not isinstance(threshold, str):
        return threshold
    text = threshold.strip().lower().replace(" ", "")
    if text == "f1":
        return ThresholdRule()
    kind, _, rest = text.partition(":")
    try:
        costs = tuple(map(float, rest.split(",")))
    except ValueError:
        costs = ()
    if kind != "cost" or len(costs) != 2 or not all(0 < cost < np.inf for cost in costs):
        raise DataError(
            "{argument} is not a threshold.",
            "Pass a probability between 0 and 1, {f1}, or the costs of a missed row of the second "
            "class and of a false alarm, such as {cost}.",
            argument=Argument("threshold", threshold),
            f1=Wording("'f1' for the highest F1", "f1 for the highest F1"),
            cost=Wording("'cost:5,1'", "cost:5,1"),
        )
    return ThresholdRule(costs)


def _with_odds(p, odds):
    """Return a threshold for probabilities in which the second class weighs more by `odds`."""
    return float(np.clip(odds * p / (odds * p + 1 - p), LEAST, 1 - LEAST))


def class_odds(y, weight, row_weight):
    """Return the weight of the second class divided by that of the first, 1 if it is not known.

    weight, row_weight : ndarray (n,) or None
        Weights of the rows, with and without those of their classes.
    """
    if weight is None:
        return 1.0
    rows = weight > 0
    of_class = weight[rows] if row_weight is None else weight[rows] / row_weight[rows]
    first, second = (of_class[y[rows] == k][:1] for k in (0, 1))
    return float(second[0] / first[0]) if len(first) and len(second) else 1.0


def out_of_fold(rule, p, is_second, weight, part_of_row, odds=1.0, informs=None):
    """Return a threshold for each row, chosen on the rows of other parts.

    So a score with these thresholds is not better because of the choice. A part that no other may
    inform gets the threshold that is best if its probabilities are right.

    part_of_row : ndarray (n,) of int
        The fold that held out each row.
    odds : float
        As in `ThresholdRule.best`.
    informs : ndarray (n_parts, n_parts) of bool, or None
        Whether each part may know the rows of each other. None: of all others.
    """
    out = np.full(len(p), 0.5)
    for part in np.unique(part_of_row):
        inside = part_of_row == part
        others = ~inside if informs is None else informs[part][part_of_row]
        if others.any():
            w = None if weight is None else weight[others]
            out[inside] = rule.best(p[others], is_second[others], w, odds)
        else:
            w = None if weight is None else weight[inside]
            out[inside] = rule.expected(p[inside], w, odds)
    return out

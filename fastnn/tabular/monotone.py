"""Monotone columns: predictions that never fall, or never rise, as a number grows.

It holds in each network, by the signs of its weights. Each hidden unit is increasing, decreasing or free.
An increasing unit never falls if a column of sign +1 grows, and a decreasing unit never rises; a free unit
does not see these columns. So a weight from an increasing to a decreasing unit is at most 0, one between
two units of the same kind at least 0, and one from any of both to a free unit is 0. All other weights
are free. Decreasing units have negative weights in what is increasing: with f(x) as the activation, they
add -f(-x). So both convex and concave curves take few units. See docs/decisions/0060-monotone.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..core.errors import Argument, DataError, Wording
from ..files.json_values import check
from .columns import features as columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .columns.features import Features
    from .columns.frames import Frame

#: Of all hidden layers of networks with monotone columns: it never falls.
ACTIVATION: Final = "relu"
FREE_UNITS = (
    0.5  # part of the units of a hidden layer that are free, times that of the free columns
)
MEAN_OUTPUT = 0.564  # 1 / sqrt(pi): that of relu of a normal number with variance 2
#: What to do about a column of another kind, by kind.
ADVICE = {
    "category": "If its texts have an order, replace them by numbers",
    "date": "Replace it by a number, such as the days since a date",
    "text": "Replace it by a number",
}


def find_signs(monotone: Any, frame: Frame, features: Features, targets: Any) -> dict[int, int]:
    """Return {source: sign} of the columns that `monotone` of an estimator constrains.

    Columns that the networks do not read, since all their values are equal, are left out.

    Parameters
    ----------
    monotone : mapping of names or positions to -1, 0 or 1, sequence of one for each column, or None
    frame : Frame
        The training table.
    features : Features
        Its columns.
    targets : TableClasses or TableNumbers
    """
    signs = _signs_by_position(monotone, frame)
    if signs and targets.is_classifier and targets.n_out > 2:
        raise DataError(
            "{argument} needs two classes or numbers, but {y} has {n} classes.",
            "Leave {argument} out, or predict one class against the others.",
            argument="monotone",
            y=Argument("y"),
            n=targets.n_out,
        )
    sources = {position: j for j, position in enumerate(features.positions)}
    for position in signs:
        _check_column(frame.labels()[position], sources.get(position), features)
    used = {f.source for f in features.numbers if f.part == "value"}
    found = {sources[p]: sign for p, sign in signs.items() if sources.get(p) in used}
    return dict(sorted(found.items()))


def _signs_by_position(monotone, frame):
    """Return {position: -1 or 1} of what the user has passed."""
    if monotone is None:
        return {}
    if not hasattr(monotone, "keys"):  # of a mapping, or a pandas Series
        if len(monotone) != len(frame.columns):
            raise DataError(
                "{argument} must have a sign for each of the {n_columns} columns, but has {n}.",
                "Pass one of -1, 0 and 1 for each column but the target, or a mapping of columns to them.",
                argument="monotone",
                n=len(monotone),
                n_columns=len(frame.columns),
            )
        monotone = dict(enumerate(monotone))
    signs: dict[int, int] = {}
    for name, sign in monotone.items():
        (position,) = columns.find_positions("monotone", [name], frame)
        label = frame.labels()[position]
        if isinstance(sign, bool) or not isinstance(sign, Real) or sign not in (-1, 0, 1):
            raise DataError(
                "{argument} of column {column!r} is {sign}, but must be +1, -1 or 0.",
                "Pass +1 if predictions must not fall as the column grows, -1 if they must not rise, "
                "0 without a rule.",
                argument="monotone",
                column=label,
                sign=repr(sign),
            )
        if sign and signs.setdefault(position, int(float(sign))) != sign:
            raise DataError(
                "{argument} has both +1 and -1 for column {column!r}.",
                "Name it once.",
                argument="monotone",
                column=label,
            )
    return signs


def _check_column(label, source, features):
    """Raise DataError if a column is not an input, or not a number. source : as in `Features.columns`"""
    reason = features.left_out.get(label, "")
    if reason in columns.OPTIONS:
        raise DataError(
            "{argument} names column {column!r}, which is not an input: it is {reason}.",
            "Name it once.",
            argument="monotone",
            column=label,
            reason=Wording(reason, f"named in {columns.OPTIONS[reason]}"),
        )
    kind = None if source is None else features.columns[source].kind
    if kind in ADVICE:
        raise DataError(
            "{argument} needs columns of numbers, but column {column!r} is a {kind}.",
            "{advice}, or leave it out of {argument}.",
            argument="monotone",
            column=label,
            kind="column of free text" if kind == "text" else kind,
            advice=ADVICE[kind],
        )


@dataclass(frozen=True, eq=False, repr=False)
class MonotoneInputs:
    """Which inputs of the networks are monotone.

    Attributes
    ----------
    of_encoding : dict of EncoderSettings to ndarray (n_inputs,) of float
        The sign of each input, 0 for free ones.
    free : float
        Part of the columns that are free.
    """

    of_encoding: dict
    free: float

    def constrain(self, net, signs):
        """Set the bounds of the weights of a network, and adapt its initial parameters to them.

        A hidden layer gets the variance of a layer without bounds, and the mean 0: outputs of units
        that are all positive would add up.

        signs : those of its inputs
        """
        hidden = [unit_signs(n, self.free) for n in net.layer_sizes[1:-1]]
        net.weight_bounds = weight_bounds(signs, hidden, output_signs(net))
        for W, b in zip(net.weights[1:-1], net.biases[1:-1]):
            W *= np.sqrt(len(W) / np.maximum(1, (W != 0).sum(axis=0)))
            b -= MEAN_OUTPUT * W.sum(axis=0)


def output_signs(net) -> NDArray[np.float64]:
    """Return the signs of the outputs of a network: of two classes the second has +1."""
    n_out = net.layer_sizes[-1]
    return np.array([-1.0, 1.0]) if net.activations[-1] == "softmax" else np.ones(n_out)


def unit_signs(n_units: int, free: float) -> NDArray[np.float64]:
    """Return the sign of each unit of a hidden layer: 0 if it is free, 1 increasing, -1 decreasing.

    free : part of the columns that are free
    """
    n_free = min(round(FREE_UNITS * free * n_units), n_units - 1)
    n_up = -(-(n_units - n_free) // 2)
    return np.repeat([0.0, 1.0, -1.0], [n_free, n_up, n_units - n_free - n_up])


def weight_bounds(inputs, hidden, outputs) -> list[tuple[Any, Any] | None]:
    """Return the bounds of the weights of each layer, as `MLP.weight_bounds` takes them.

    inputs, outputs : ndarray of signs; hidden : list of those of the units of each hidden layer
    """
    signs = [inputs, *hidden, outputs]
    return [_bounds(before[:, None], after) for before, after in zip(signs, signs[1:])]


def _bounds(before, after):
    product = before * after
    is_off = (before != 0) & (after == 0)
    lower = np.where((product > 0) | is_off, 0.0, -np.inf)
    upper = np.where((product < 0) | is_off, 0.0, np.inf)
    return lower.astype(np.float32), upper.astype(np.float32)


def signs_to_json(signs) -> dict[str, Any]:
    """Return what a file says of monotone columns, {} without any. signs : as in `TableModel`"""
    if not signs:
        return {}
    return {"monotone": list(map(list, signs.items())), "activation": ACTIVATION}


def parameter_from_json(value):
    """Return the parameter of an estimator that a file holds as a list of pairs, or of signs."""
    if isinstance(value, list) and all(isinstance(pair, list) for pair in value):
        return {name: int(sign) for name, sign in value}
    return value


def signs_from_json(pairs, features) -> dict[int, int]:
    """Return the signs of a file, or raise an error of `damage_refused`. features : Features"""
    check(isinstance(pairs, list), "monotone")
    used = {f.source for f in features.numbers if f.part == "value"}
    for pair in pairs:
        check(isinstance(pair, list) and len(pair) == 2, "monotone")
        source, sign = pair
        check(type(source) is int and source in used and sign in (-1, 1), "monotone")
        check(type(sign) is int and features.columns[source].kind == "number", "monotone")
    check(len(dict(pairs)) == len(pairs), "monotone")
    return dict(pairs)

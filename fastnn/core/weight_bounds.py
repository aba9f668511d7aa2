"""Bounds of the weights of a network, which each update keeps: ``net.weight_bounds``."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from .validation import check_array

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from ..typing import FloatArray

SIDES = "lower", "upper"


class WeightBounds(tuple[tuple["FloatArray", "FloatArray"] | None, ...]):
    """The bounds of each layer: None, or two read-only arrays like W. Infinite ones do not bound.

    Copies of a network share them, since they never change.
    """

    __slots__ = ()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:  # arrays from a pickle can be written to
        return type(self).of, (tuple(self),)

    @classmethod
    def of(cls, layers: Sequence[tuple[FloatArray, FloatArray] | None]) -> Self:
        """Return the bounds of checked arrays."""
        for pair in layers:
            for side in pair or ():
                side.flags.writeable = False
        return cls(layers)

    def checksums(self) -> list[int]:
        """Return numbers that differ for other bounds."""
        return [0 if pair is None else zlib.crc32(np.array(pair).tobytes()) for pair in self]

    def bounds_last_inputs(self, n: int) -> bool:
        """Whether a weight of the last n inputs of the network is bounded."""
        first = self[0]
        return n > 0 and first is not None and any(np.isfinite(a[-n:]).any() for a in first)


def check_weight_bounds(value: Any, weights: Sequence[FloatArray]) -> WeightBounds | None:
    """Return the WeightBounds that the user passed, or None. weights : W of each layer"""
    if value is None:
        return None
    name = "weight_bounds"
    layers = list(value) if isinstance(value, (list, tuple)) else None
    if layers is None or len(layers) != len(weights):
        found = type(value).__name__ if layers is None else f"{len(layers)} entries"
        raise ValueError(
            f"{name} must be None or a list with one entry for each of the {len(weights)} layers: None or "
            f"(lower, upper). Got {found}."
        )
    pairs = [
        None if pair is None else _check_pair(f"{name}[{i}]", pair, W)
        for i, (pair, W) in enumerate(zip(layers, weights))
    ]
    return WeightBounds.of(pairs) if any(pair is not None for pair in pairs) else None


def _check_pair(name, pair, W):
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise ValueError(f"{name} must be None or (lower, upper), got {pair!r}"[:200])
    lower, upper = (_check_side(name, side, bound, W) for side, bound in zip(SIDES, pair))
    if not (lower <= upper).all():
        i, j = np.argwhere(~(lower <= upper))[0].tolist()
        raise ValueError(
            f"{name} has lower bounds above upper ones, or NaN: for weight ({i}, {j}) they are "
            f"{lower[i, j]} and {upper[i, j]}. Pass lower <= upper."
        )
    if (lower == np.inf).any() or (upper == -np.inf).any():
        raise ValueError(
            f"{name} has a lower bound of inf or an upper one of -inf in {W.dtype}, so no weight is within "
            "them. Pass None for no bound."
        )
    return lower, upper


def _check_side(name, side, bound, W):
    """Return an array like W of its own."""
    if bound is None:
        return np.full_like(W, -np.inf if side == "lower" else np.inf)
    with np.errstate(over="ignore"):  # to inf, which is no bound, or refused
        array = check_array(f"the {side} bound of {name}", bound, W.dtype)
    try:
        return np.broadcast_to(array, W.shape).copy()
    except ValueError:
        raise ValueError(
            f"the {side} bound of {name} must be None, a number or an array that broadcasts to W "
            f"{W.shape}, got the shape {array.shape}"
        ) from None


def reflect_into(W: FloatArray, lower: FloatArray, upper: FloatArray) -> None:
    """Move the weights that are outside their bounds inside, in place.

    They are reflected at the bound, so that initial weights keep their spread: with a lower bound
    of 0, W becomes abs(W). What is then beyond the other bound is clipped.
    """
    with np.errstate(invalid="ignore"):  # inf - inf, which is not used
        W[...] = np.where(lower > W, 2 * lower - W, np.where(upper < W, 2 * upper - W, W))
    np.clip(W, lower, upper, out=W)

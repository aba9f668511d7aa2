"""Averages of the networks of parts: ranks or blocks of rows that trained apart for some steps.

A part adds its parameters and moments, times its weight, to a sum in float64 (`part`). The sums are added in a binary
tree, and the total is divided by the sum of the weights (`mean`). So the bits depend on the parts and their order
alone, not on who adds which of them.

The second moments of Adam become those of averaged gradients. Adam divides its steps by the root of v, the mean
of g^2. The gradient of a part has fewer rows than the batch, so more noise, and its v is larger: by the number of
parts where noise is all there is. Steps would be shorter than with averaged gradients, no matter how often parameters
are averaged (Wang and Aitchison, 2024, arXiv:2402.18824, describe both kinds of v).

How much larger follows from the first moments m. They are means of the same gradients, and after k steps
from the same m they differ between parts by noise alone. With c = (1 - b1) (1 - b1^2k) / (1 + b1), ::

    noise = (mean |m|^2 - |mean m|^2) / c             |g|^2 of a part, minus |g|^2 of the averaged gradient
    f = 1 - noise / |g|^2,  1 / parts <= f <= 1
    v = b2^k v_before + f (mean v - b2^k v_before)

where means are over parts, and |g|^2 is the sum of mean v - b2^k v_before, divided by 1 - b2^k.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import optimizers

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

M, V, LARGEST_V = range(3)  # rows of the moments
N_TAIL = 5  # numbers of a Tail


class Tail(NamedTuple):
    """Numbers of a part behind its parameters and moments, which are added like these."""

    weight: float = 0.0
    square: float = 0.0  # |m|^2 times the weight
    has_rows: float = 0.0
    loss: float = 0.0
    has_failed: float = 0.0


def length(n_params: int, moments: NDArray[Any]) -> int:
    """Return the length of what a part adds."""
    return n_params + moments.size + N_TAIL


def part(
    optimizer: Any, params: NDArray[Any], moments: NDArray[Any], weight: float, loss: float
) -> NDArray[np.float64]:
    """Return what a part adds to the sums.

    weight : float, at least 0, such as the number of rows that the part trained on
    loss : float, a sum over these rows
    """
    with np.errstate(over="ignore"):
        numbers = [np.multiply(a, weight, dtype=np.float64).ravel() for a in (params, moments)]
        square = weight * _first_square(optimizer, moments)
    return np.concatenate([*numbers, Tail(float(weight), square, weight > 0, loss)])


def failed(n: int, loss: float = 0.0) -> NDArray[np.float64]:
    """Return what a part adds that has no finite network. n : its `length`"""
    return np.concatenate([np.zeros(n - N_TAIL), Tail(loss=loss, has_failed=1.0)])


def mean(
    optimizer: Any,
    total: NDArray[np.float64],
    params: NDArray[Any],
    moments: NDArray[Any],
    before: NDArray[Any],
    n_steps: int,
) -> Tail:
    """Write the means of all parts to parameters and moments, in place, and return the sums behind them.

    If all weights are 0, or a part has failed, nothing is written.

    Parameters
    ----------
    optimizer : Optimizer
    total : ndarray
        The sum of what `part` returned for each part; its bits depend on the order of the sum.
    params : ndarray (n_params,)
    moments : ndarray (n_moments, n_params)
    before : ndarray (n_moments, n_params)
        The moments that all parts began with.
    n_steps : int
        Steps that they have taken since then.
    """
    tail = Tail(*total[-N_TAIL:].tolist())
    if tail.weight and not tail.has_failed:
        with np.errstate(all="ignore"):
            params[...] = total[: params.size] / tail.weight
            first = params.size
            moments[...] = (total[first : first + moments.size] / tail.weight).reshape(
                moments.shape
            )
            _as_of_averaged_gradients(optimizer, tail, moments, before, n_steps)
    return tail


def _first_square(optimizer, moments):
    """Return |m|^2 of a part, 0 if the optimizer has no m and v."""
    if not isinstance(optimizer, (optimizers.Adam, optimizers.NAdam)):
        return 0.0
    m = moments[M].astype(np.float64)
    return float(m @ m)


def _as_of_averaged_gradients(optimizer, tail, moments, before, n_steps):
    """Change the mean v of all parts to that of averaged gradients, in place.

    Other optimizers than Adam, AdamW and NAdam keep their moments.
    """
    has_both = isinstance(optimizer, (optimizers.Adam, optimizers.NAdam))
    if tail.has_rows < 2 or n_steps < 1 or not has_both:
        return
    b1, b2 = optimizer.betas
    kept = b2**n_steps * before[V].astype(np.float64)
    added = moments[V] - kept
    c = (1 - b1) * (1 - b1 ** (2 * n_steps)) / (1 + b1)
    noise = (tail.square / tail.weight - _first_square(optimizer, moments)) / c
    square = added.sum() / (1 - b2**n_steps)
    factor = min(1.0, max(1 - noise / square, 1 / tail.has_rows)) if square > 0 else 1.0
    moments[V] = kept + factor * added
    if optimizer.to_kernel()["amsgrad"]:
        moments[LARGEST_V] = np.maximum(before[LARGEST_V], moments[V])

"""Second moments of parts that train apart, as if every gradient had been averaged over them.

Adam divides its steps by the root of v, the mean of g^2. The gradient of a part has fewer rows than the
batch, so more noise, and its v is larger: by the number of parts where noise is all there is. Steps
would be shorter than with averaged gradients, no matter how often parameters are averaged (Wang and
Aitchison, 2024, arXiv:2402.18824, describe both kinds of v).

How much larger follows from the first moments m. They are means of the same gradients, and after k steps
from the same m they differ between parts by noise alone. With c = (1 - b1) (1 - b1^2k) / (1 + b1), ::

    noise = (mean |m|^2 - |mean m|^2) / c             |g|^2 of a part, minus |g|^2 of the averaged gradient
    f = 1 - noise / |g|^2,  1 / parts <= f <= 1
    v = b2^k v_before + f (mean v - b2^k v_before)

where means are over parts, and |g|^2 is the sum of mean v - b2^k v_before, divided by 1 - b2^k.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import optimizers

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

M, V, LARGEST_V = range(3)  # rows of the moments


def has_both_moments(optimizer: Any) -> bool:
    """Return whether the moments of an optimizer begin with the means of g and of g^2."""
    return isinstance(optimizer, (optimizers.Adam, optimizers.NAdam))


def first_square(optimizer: Any, moments: NDArray[Any]) -> float:
    """Return |m|^2 of a part, 0 if the optimizer has no m and v."""
    if not has_both_moments(optimizer):
        return 0.0
    with np.errstate(all="ignore"):  # where the part has diverged
        m = moments[M].astype(np.float64)
        return float(m @ m)


def as_of_averaged_gradients(
    optimizer: Any,
    moments: NDArray[Any],
    before: NDArray[Any],
    *,
    n_steps: int,
    n_parts: int,
    mean_square: float,
) -> None:
    """Change the mean v of all parts to that of averaged gradients, in place.

    Other optimizers than Adam, AdamW and NAdam keep their moments.

    Parameters
    ----------
    optimizer : Optimizer
    moments : ndarray (n_moments, n_params)
        The mean over parts.
    before : ndarray (n_moments, n_params)
        Those that all parts began with.
    n_steps : int
        Steps that they have taken since then.
    n_parts : int
        That have rows.
    mean_square : float
        The mean of `first_square` over parts.
    """
    if n_parts < 2 or n_steps < 1 or not has_both_moments(optimizer):
        return
    b1, b2 = optimizer.betas
    with np.errstate(all="ignore"):
        kept = b2**n_steps * before[V].astype(np.float64)
        added = moments[V] - kept
        c = (1 - b1) * (1 - b1 ** (2 * n_steps)) / (1 + b1)
        noise = (mean_square - first_square(optimizer, moments)) / c
        square = added.sum() / (1 - b2**n_steps)
        factor = min(1.0, max(1 - noise / square, 1 / n_parts)) if square > 0 else 1.0
        moments[V] = kept + factor * added
        if optimizer.to_kernel()["amsgrad"]:
            moments[LARGEST_V] = np.maximum(before[LARGEST_V], moments[V])

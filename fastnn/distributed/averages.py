"""Averages of vectors over parts of the rows, such as the parameters of networks that each part trained.

A part adds its vectors, times its weight, to a sum in float64. The sums are added in a binary tree, and the
total is divided by the sum of the weights. So the bits depend on the parts and their order alone, not on who
adds which of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .sums import sum_shards

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from numpy.typing import NDArray


def weigh(vectors: Sequence[NDArray[Any]], weight: float) -> NDArray[np.float64]:
    """Return what a part adds to the sums: its vectors times its weight, in one vector, then the weight.

    vectors : sequence of ndarray, of any shapes and floating-point dtypes
    weight : float, at least 0, such as the number of rows that the part trained on
    """
    numbers = [np.multiply(vector, weight, dtype=np.float64).ravel() for vector in vectors]
    return np.concatenate([*numbers, [float(weight)]])


def divide(total: NDArray[np.float64], vectors: Sequence[NDArray[Any]]) -> None:
    """Write the mean of all parts to vectors of one part, in place. If all weights are 0, nothing is written.

    total : ndarray, the sum of what `weigh` returned for each part; its bits depend on the order of the sum
    """
    weight, first = total[-1], 0
    if weight == 0:
        return
    for vector in vectors:
        vector[...] = (total[first : first + vector.size] / weight).reshape(vector.shape)
        first += vector.size


def average(parts: Iterable[tuple[Sequence[NDArray[Any]], float]]) -> list[NDArray[Any]]:
    """Return the means of the vectors of parts, each weighted by the weight of its part.

    The weighted vectors are added in a binary tree: of eight parts, ((0+1)+(2+3)) + ((4+5)+(6+7)).
    Adding neighbours again and again, with the last one left over if their number is odd, is the
    same tree.

    Parameters
    ----------
    parts : iterable of (vectors, weight)
        At least one, each with vectors of the same shapes and dtypes, and one with a weight above 0.

    Returns
    -------
    list of ndarray
        In the shapes and dtypes of the vectors of a part.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn.distributed.averages import average
    >>> average([([np.array([1.0, 2.0])], 100), ([np.array([4.0, 2.0])], 50)])
    [array([2., 2.])]
    """
    parts = list(parts)
    means = [np.array(vector) for vector in parts[0][0]]
    divide(sum_shards([weigh(*part) for part in parts]), means)
    return means

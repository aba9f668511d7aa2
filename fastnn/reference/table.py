"""A table as the inputs of the first layer: prefix sums of the weights forward, scattered sums backward."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from numpy.typing import NDArray

    from ..typing import AnyArray


@dataclass
class EncodedTable:
    """Rows of a table; columns as in `fastnn.EncodedTable`.

    Parameters
    ----------
    numbers : array (n, d)
    positions : array (n, p)
    n_bins, position_scale : sequence
        For each column of positions the number of bins, and the scale.
    codes : array of int (n, k)
    n_categories, code_scale : sequence
        For each column of codes the number of categories, and the scale.
    mask : array (n, d + p + k), optional
        A factor of each number, of all bins of a column, and of each code: dropout.
    """

    numbers: AnyArray
    positions: AnyArray
    n_bins: Sequence[int]
    position_scale: Sequence[float]
    codes: AnyArray
    n_categories: Sequence[int]
    code_scale: Sequence[float]
    mask: AnyArray | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: Any) -> Self:
        mask = None if self.mask is None else self.mask[rows]
        return replace(
            self,
            numbers=self.numbers[rows],
            positions=self.positions[rows],
            codes=self.codes[rows],
            mask=mask,
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.numbers.dtype

    @property
    def n_columns(self) -> int:
        return self.numbers.shape[1] + len(self.n_bins) + len(self.n_categories)

    def factors(self) -> list[AnyArray]:
        """Return the mask of numbers, positions and codes."""
        mask = np.ones((len(self), self.n_columns)) if self.mask is None else self.mask
        d, p = self.numbers.shape[1], len(self.n_bins)
        return np.split(mask.astype(self.numbers.dtype), [d, d + p], axis=1)

    def bins(self, j: int) -> tuple[NDArray[np.intp], AnyArray]:
        """Return the bin of each row in column j of the positions, and the fraction in it."""
        x = self.positions[:, j]
        b = np.minimum(x.astype(np.intp), self.n_bins[j] - 1)
        return b, (x - b).astype(x.dtype)


def table_linear(X: EncodedTable, W: AnyArray, b: AnyArray | None = None) -> AnyArray:
    """Return x W + b for the inputs x that the rows of a table stand for.

    A position in bin k with fraction f has the inputs s before k, s (2f - 1) in k, and -s after. With
    the knots K_0 = -s (V_0 + V_1 + ...) and K_j+1 = K_j + 2 s V_j of the column's rows V of W, their
    product with V is (1 - f) K_k + f K_k+1.

    Parameters
    ----------
    X : EncodedTable
    W : array (n_in, n_out)
    b : array (n_out,), optional

    Returns
    -------
    array (n, n_out)
    """
    number_mask, position_mask, code_mask = X.factors()
    row = X.numbers.shape[1]
    Z = (X.numbers * number_mask) @ W[:row]
    if b is not None:
        Z = Z + b
    for j, (n, scale) in enumerate(zip(X.n_bins, X.position_scale, strict=True)):
        V = W[row : row + n]
        below = np.concatenate([np.zeros_like(V[:1]), V.cumsum(axis=0)])
        K = W.dtype.type(scale) * (2 * below - below[-1])
        k, f = X.bins(j)
        f = f[:, None]
        Z = Z + position_mask[:, j, None] * ((1 - f) * K[k] + f * K[k + 1])
        row += n
    for j, (n, scale) in enumerate(zip(X.n_categories, X.code_scale, strict=True)):
        is_known = X.codes[:, j] >= 0
        factor = code_mask[:, j] * is_known * W.dtype.type(scale)
        Z = Z + factor[:, None] * W[row + np.where(is_known, X.codes[:, j], 0)]
        row += n
    return Z


def table_linear_backward(dZ: AnyArray, X: EncodedTable, W: AnyArray) -> AnyArray:
    """Return the gradient of a loss with respect to W of `table_linear`.

    The gradients g of a column's knots are sums over the rows. V_j is in all knots: with the sign +
    in those above j, with - in the others. So dV_j = s (sum of g - 2 (g_0 + ... + g_j)).

    Parameters
    ----------
    dZ : array (n, n_out)
        Gradient of the loss with respect to the result of `table_linear`.
    X, W
        The arguments of `table_linear`.

    Returns
    -------
    dW : array (n_in, n_out)
    """
    number_mask, position_mask, code_mask = X.factors()
    parts = [(X.numbers * number_mask).T @ dZ]
    for j, (n, scale) in enumerate(zip(X.n_bins, X.position_scale, strict=True)):
        g = np.zeros((n + 1, dZ.shape[1]), dZ.dtype)
        k, f = X.bins(j)
        np.add.at(g, k, (position_mask[:, j] * (1 - f))[:, None] * dZ)
        np.add.at(g, k + 1, (position_mask[:, j] * f)[:, None] * dZ)
        parts.append(W.dtype.type(scale) * (g.sum(axis=0) - 2 * g[:-1].cumsum(axis=0)))
    for j, (n, scale) in enumerate(zip(X.n_categories, X.code_scale, strict=True)):
        is_known = X.codes[:, j] >= 0
        g = np.zeros((n, dZ.shape[1]), dZ.dtype)
        np.add.at(g, X.codes[is_known, j], (code_mask[:, j, None] * dZ)[is_known])
        parts.append(W.dtype.type(scale) * g)
    return np.concatenate(parts)

"""EncodedTable: rows of bins and categories, which the first layer reads without a matrix of inputs."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .core.sparse_rows import check_sparse, is_sparse
from .core.validation import as_array, check_count, check_dtype, check_matrix, check_numbers, ready
from .kernels import MAX_TABLE_INPUTS, CompiledTable, all_finite

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from .typing import DTypeLike, FloatArray


TABLE_ARRAYS = "numbers", "positions", "codes"  # arrays of an EncodedTable


class TableLayout(NamedTuple):
    """The inputs that the columns of an `EncodedTable` stand for. Layouts compare by their values."""

    n_numbers: int
    n_bins: tuple[int, ...]
    position_scale: tuple[float, ...]
    n_categories: tuple[int, ...]
    code_scale: tuple[float, ...]

    @property
    def n_inputs(self) -> int:
        return self.n_numbers + sum(self.n_bins) + sum(self.n_categories)


class EncodedTable(CompiledTable):
    """Rows of a table in encoded form: inputs for networks, without a dense matrix.

    A cell takes 4 bytes, however many inputs it stands for; in float64, a number or position takes
    8. `MLP.fit`, `MLP.forward`, `fit_many` and others take a table in place of X. Networks with the
    same inputs can share one table.

    Parameters
    ----------
    numbers : array_like (n, d), optional
        Columns that are inputs as they are.
    positions : array_like (n, p), optional
        Column j holds positions from 0 to ``n_bins[j]`` on an axis of bins: the integer part is the
        number of the bin, the fraction the position in it. It stands for ``n_bins[j]`` inputs. Input
        b is ``scale * (2 * clip(position - b, 0, 1) - 1)``: `scale` if the position is above bin b,
        ``-scale`` if it is below, and between these in the bin (piecewise linear encoding).
    n_bins : int or sequence of int
        Number of bins, one for all columns of `positions` or one for each.
    position_scale : float or sequence of float, default 1.0
        The scale, likewise.
    codes : array_like of int (n, k), optional
        Column j holds categories from 0 to ``n_categories[j] - 1``, or -1 for none. It stands for
        ``n_categories[j]`` inputs, one of which is `scale`, and the others 0 (one-hot encoding).
    n_categories : int or sequence of int
        Number of categories, one for all columns of `codes` or one for each.
    code_scale : float or sequence of float, default 1.0
        The scale, likewise.
    dtype : {"float32", "float64"}, default "float32"
        dtype of the networks that read the table.

    Attributes
    ----------
    n_inputs : int
        The number of inputs of a network that reads the table: those of `numbers`, then the bins
        column by column, then the categories column by column.
    numbers, positions, codes : ndarray
        Read-only. Arrays that needed no conversion are not copied, so do not change them.
    layout : TableLayout
        Description of the columns: n_numbers, n_bins, position_scale, n_categories and code_scale.
        Tables with equal layouts have the same encoding.
    shape : tuple
        ``(n, n_inputs)``.
    dtype : numpy.dtype

    Notes
    -----
    Dropout of a network's inputs drops whole cells: a number, a code, or all bins of a position.

    Examples
    --------
    >>> import fastnn
    >>> table = fastnn.EncodedTable(positions=[[0.5], [1.25]], n_bins=2, codes=[[2], [-1]], n_categories=3)
    >>> table.to_dense()
    array([[ 0. , -1. ,  0. ,  0. ,  1. ],
           [ 1. , -0.5,  0. ,  0. ,  0. ]], dtype=float32)
    >>> net = fastnn.MLP([table.n_inputs, 8, 1], rng=0)
    >>> net.forward(table).shape
    (2, 1)
    """

    numbers: FloatArray
    positions: FloatArray
    codes: NDArray[np.int32]
    layout: TableLayout

    def __init__(
        self,
        numbers: Any = None,
        positions: Any = None,
        n_bins: Sequence[int] | None = None,
        position_scale: float | Sequence[float] = 1.0,
        codes: Any = None,
        n_categories: Sequence[int] | None = None,
        code_scale: float | Sequence[float] = 1.0,
        dtype: DTypeLike = np.float32,
    ) -> None:
        dtype = check_dtype(dtype)
        parts: dict[str, Any] = {
            "numbers": None if numbers is None else check_matrix("numbers", numbers, dtype),
            "positions": None if positions is None else check_matrix("positions", positions, dtype),
            "codes": None if codes is None else _check_codes(codes),
        }
        _fill_missing(parts, dtype)
        numbers, positions, codes = parts.values()
        n_bins = _check_counts("n_bins", n_bins, "positions", positions)
        n_categories = _check_counts("n_categories", n_categories, "codes", codes)
        for name, part in ("numbers", numbers), ("positions", positions):
            if not all_finite(part):
                row, column = np.argwhere(~np.isfinite(part))[0]
                raise ValueError(
                    f"{name} holds NaN or infinity (first in row {row}, column {column})"
                )
        _check_range("positions", positions, 0, n_bins, "n_bins")
        _check_range("codes", codes, -1, [n - 1 for n in n_categories], "n_categories - 1")
        layout = TableLayout(
            numbers.shape[1],
            n_bins,
            _check_scales("position_scale", position_scale, len(n_bins)),
            n_categories,
            _check_scales("code_scale", code_scale, len(n_categories)),
        )
        if layout.n_inputs > MAX_TABLE_INPUTS:
            raise ValueError(
                f"The columns stand for {layout.n_inputs} inputs, but an EncodedTable has at most "
                f"{MAX_TABLE_INPUTS}. Pass fewer bins or categories."
            )
        self._set((numbers, positions, codes.astype(np.int32, copy=False)), layout)

    def _set(self, parts, layout):
        numbers, positions, codes = (_read_only(ready(part, part.dtype)) for part in parts)
        self._bind(
            numbers,
            positions,
            codes,
            layout.n_bins,
            layout.n_categories,
            layout.position_scale,
            layout.code_scale,
        )
        self.numbers, self.positions, self.codes = numbers, positions, codes
        self.layout = layout

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.numbers.dtype

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), self.n_inputs

    @property
    def nbytes(self) -> int:
        return sum(a.nbytes for a in parts_of(self))

    def __repr__(self) -> str:
        layout = self.layout
        return (
            f"<EncodedTable of {len(self)} rows: {layout.n_numbers} numbers, {len(layout.n_bins)} positions, "
            f"{len(layout.n_categories)} codes; {self.n_inputs} inputs, {self.dtype.name}>"
        )

    def __getitem__(self, rows: Any) -> EncodedTable:
        """Return a table of the selected rows: a slice, a Boolean mask, or indices."""
        if isinstance(rows, tuple) or (not isinstance(rows, slice) and np.ndim(rows) != 1):
            raise TypeError(
                "An EncodedTable selects rows by a slice, a mask or an array of indices. For one row pass "
                f"table[i:i + 1]. Got {rows!r}."
            )
        if not isinstance(rows, slice):
            rows = np.asarray(rows)
            if not rows.size:  # [] has the dtype float64
                rows = rows.astype(np.intp)
        return table_of((np.ascontiguousarray(a[rows]) for a in parts_of(self)), self.layout)

    __iter__ = None  # not a sequence of rows

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> FloatArray:
        raise TypeError(
            "An EncodedTable is not an array. Pass table.to_dense(), which has all inputs."
        )

    def to_dense(self) -> FloatArray:
        """Return the inputs as an array (n, n_inputs): what the table stands for."""
        layout, dtype = self.layout, self.dtype
        out = np.empty(self.shape, dtype)
        out[:, : layout.n_numbers] = self.numbers
        end = layout.n_numbers
        for x, n, scale in zip(self.positions.T, layout.n_bins, layout.position_scale):
            part = np.clip(x[:, None] - np.arange(n, dtype=dtype), 0, 1)
            out[:, end : end + n] = dtype.type(scale) * (2 * part - 1)
            end += n
        for x, n, scale in zip(self.codes.T, layout.n_categories, layout.code_scale):
            out[:, end : end + n] = dtype.type(scale) * (x[:, None] == np.arange(n))
            end += n
        return out

    def astype(self, dtype: DTypeLike, copy: bool = True) -> EncodedTable:
        """Return the table in another dtype, for networks of that dtype.

        Parameters
        ----------
        dtype : {"float32", "float64"}
        copy : bool, default True
            Ignored: a table never changes, so there is no need to copy it.
        """
        dtype = check_dtype(dtype)
        if dtype == self.dtype:
            return self
        numbers, positions = self.numbers.astype(dtype), self.positions.astype(dtype)
        return table_of((numbers, positions, self.codes), self.layout)

    def __copy__(self) -> EncodedTable:
        return self

    def __deepcopy__(self, memo: Any) -> EncodedTable:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return table_of, (parts_of(self), self.layout)


def parts_of(table: EncodedTable) -> tuple[Any, Any, Any]:
    """Return the arrays of an EncodedTable, in the order of TABLE_ARRAYS."""
    return table.numbers, table.positions, table.codes


def table_of(parts: Iterable[Any], layout: TableLayout) -> EncodedTable:
    """Return an EncodedTable of arrays that are known to be valid."""
    table = EncodedTable.__new__(EncodedTable)
    table._set(parts, layout)
    return table


def table_of_layout(parts: tuple[Any, Any, Any], layout: TableLayout) -> EncodedTable:
    """Return an EncodedTable of arrays of the shapes and dtypes of a layout. Their values are checked."""
    numbers, positions, codes = parts
    _, n_bins, position_scale, n_categories, code_scale = layout
    if (
        all_finite(numbers)
        and ((positions >= 0) & (positions <= np.array(n_bins, int))).all()
        and ((codes >= -1) & (codes < np.array(n_categories, int))).all()
    ):
        return table_of(parts, layout)
    return EncodedTable(  # says what is wrong
        numbers, positions, n_bins, position_scale, codes, n_categories, code_scale, numbers.dtype
    )


def check_inputs(name: str, X: Any, dtype: Any, n_inputs: int) -> Any:
    """Check the inputs of a network: an EncodedTable, or an array or sparse matrix (n, n_inputs)."""
    if not isinstance(X, EncodedTable):
        check = check_sparse if is_sparse(X) else check_matrix
        return check(name, X, dtype, n_inputs)
    if X.n_inputs != n_inputs:
        raise ValueError(
            f"{name} is an EncodedTable of {X.n_inputs} inputs, but the network expects {n_inputs}. Make a "
            f"network with {X.n_inputs} inputs, or an EncodedTable of another layout."
        )
    if X.dtype != dtype:
        raise ValueError(
            f"{name} is a {X.dtype} EncodedTable, but the network is {dtype}. Pass {name}.astype('{dtype}')."
        )
    return X


def _read_only(a):
    a = a.view()
    a.flags.writeable = False
    return a


def _check_codes(codes):
    """Return codes as a matrix of integers, of any integer dtype."""
    original, codes = codes, as_array("codes", codes)
    if codes.dtype.kind not in "iu" and codes.size:
        raise TypeError(
            f"codes must hold integers, got {codes.dtype}. Number the categories of a column from 0."
        )
    if codes.ndim != 2:
        check_matrix("codes", original)
    return codes


def _fill_missing(parts, dtype):
    """Check that parts have the same rows, and replace None by an array without columns.

    parts : dict of str to ndarray or None, INOUT
    """
    first = next((name for name, part in parts.items() if part is not None), None)
    if first is None:
        raise ValueError("An EncodedTable needs at least one of numbers, positions and codes.")
    n = len(parts[first])
    for name, part in parts.items():
        if part is None:
            parts[name] = np.empty((n, 0), np.int32 if name == "codes" else dtype)
        elif len(part) != n:
            rows = f"{len(part)} row{'s' * (len(part) != 1)}"
            raise ValueError(f"{name} has {rows}, but {first} has {n}")


def _check_counts(name: str, counts: Any, of: str, columns: Any) -> tuple[int, ...]:
    """Return the number of bins or categories of each column, as a tuple of int."""
    k = columns.shape[1]
    if counts is None:
        if k:
            raise ValueError(f"{of} needs {name}: an int for all columns, or one for each.")
        return ()
    try:
        counts = (operator.index(counts),) * k
    except TypeError:
        try:
            counts = tuple(counts)
        except (TypeError, NotImplementedError):  # of a memoryview of two dimensions
            raise ValueError(
                f"{name} must be an int or a sequence of int, got {counts!r}"
            ) from None
    if len(counts) != k:
        raise ValueError(f"{name} lists {len(counts)} numbers for {k} columns of {of}")
    return tuple(check_count(f"{name}[{j}]", count) for j, count in enumerate(counts))


def _check_scales(name, scales, k):
    """Return the scale of each column, as a tuple of float."""
    if k == 0 and operator.length_hint(scales, 1) == 0:
        return ()
    scales = check_numbers(name, scales)
    if not isinstance(scales, tuple):
        return (scales,) * k
    if len(scales) != k:
        raise ValueError(f"{name} lists {len(scales)} numbers for {k} columns")
    return scales


def _check_range(name, columns, lowest, highest, limit):
    """Check that column j holds numbers from `lowest` to ``highest[j]``."""
    if not columns.size:
        return
    low, high = columns.min(axis=0), columns.max(axis=0)
    for j, end in enumerate(highest):
        if low[j] < lowest or high[j] > end:
            bad = (columns[:, j] < lowest) | (columns[:, j] > end)
            row = int(np.argmax(bad))
            raise ValueError(
                f"{name} holds {columns[row, j]} in row {row}, column {j}, but must be from {lowest} "
                f"to {limit} = {end}"
            )

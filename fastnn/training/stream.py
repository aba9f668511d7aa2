"""Rows that are read again in each pass, for tables larger than memory.

`RowGroups` are the rows as they come, `StreamedData` has them in windows, shuffled and split.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from .. import losses
from ..core.validation import describe_type
from ..encoded_table import EncodedTable, parts_of, table_of
from ..kernels import all_finite
from ..losses import CustomLoss
from .data import Data, is_sparse, no_rows_held_out

WINDOW_BYTES = 256e6  # size of a window by default
AGAIN = (
    "Pass a list of groups, an object whose __iter__ starts over, or a function that returns a new "
    "iterator."
)


class RowGroups:
    """Row groups `(X, y)` or `(X, y, sample_weight)`, validated and converted one by one.

    Parameters
    ----------
    net : MLP
    source : iterable, or callable that returns one
        Yields the same groups in each pass.
    loss : losses.Loss

    Attributes
    ----------
    n_rows : int or None
        Number of rows; None before the first complete pass.
    """

    n_rows: Any = None

    def __init__(self, net, source, loss):
        check_source(source)
        self.net, self.source, self.loss = net, source, loss
        self.layout: dict | None = None  # what all groups must have in common: that of the first

    def read(self):
        """Yield the number of its first row and the Data of each group that has rows."""
        first = 0
        for i, group in iterate(self.source):
            data = self.to_data(group, i, first)
            if len(data):
                yield first, data
            first += len(data)
        self.n_rows = first

    def to_data(self, group, i, first):
        """Return the Data of group i."""
        try:
            X, y, weight = split_group(group)
            X = X.toarray() if is_sparse(X) else X
            data = Data.of(self.net, X, y, self.loss, weight)
            self.check(data)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{describe_group(self.source, i, first)}: {error}") from None
        return data

    def check(self, data):
        """Check that a group holds finite numbers, and looks like the first one."""
        if data.targets.dtype.hasobject:
            raise TypeError("y is an array of objects. Pass numbers.")
        arrays = {"sample_weight": data.sample_weight}
        if isinstance(data.X, np.ndarray):  # an EncodedTable was checked when it was made
            arrays["X"] = data.X
        if not isinstance(self.loss, CustomLoss):  # which reads its own targets
            arrays["y"] = data.targets
        for name, a in arrays.items():
            if a is not None and a.dtype.kind == "f" and not all_finite(a):
                row, *column = np.argwhere(~np.isfinite(a))[0]
                where = f"row {row}" + "".join(f", column {j}" for j in column)
                raise ValueError(
                    f"{name} holds NaN or infinity (first in {where} of the group). Remove or replace "
                    "such rows."
                )
        self.check_layout(data)

    def check_layout(self, data):
        """Check that a group has the layout of the first one, and weights of the same scale."""
        if data.weight_scale != 1.0:  # the weights of other groups have another scale
            raise ValueError(
                "sample_weight is too large or too small for a sum of weights in this dtype. Multiply "
                "all weights by one factor, so that they are near 1."
            )
        layout = {
            "X": getattr(data.X, "layout", "an array"),
            "y": f"{data.targets.dtype} with the shape {('n', *data.targets.shape[1:])}",
            "sample_weight": "missing" if data.sample_weight is None else "given",
        }
        if self.layout is None:
            self.layout = layout
        for name, value in layout.items():
            if value != self.layout[name]:
                raise ValueError(
                    f"{name} is {value}, but was {self.layout[name]} in the first group. Pass groups "
                    "of one kind."
                )


def is_source(X):
    """Whether X can be row groups: it can be iterated over or called, and is not rows itself."""
    if hasattr(X, "shape") or isinstance(X, (dict, set, str, bytes, type)):
        return False
    return isinstance(X, Iterable) or callable(X)


def check_source(source):
    """Check that row groups can be read more than once."""
    if hasattr(source, "__next__"):
        raise TypeError(
            f"X is {describe_type(source)}, whose row groups can be read once, but each epoch reads "
            f"them again. {AGAIN}"
        )
    if is_source(source):
        return
    if hasattr(source, "shape") or isinstance(source, Iterable):
        raise TypeError(
            f"y is missing. X is {describe_type(source)}, so pass y, too. Without y, X must yield "
            "row groups (X, y)."
        )
    raise TypeError(
        f"X must be an array, with y, or row groups (X, y), got {describe_type(source)}. {AGAIN}"
    )


def split_group(group):
    """Return X, y and the weights of a row group, None if it has no weights."""
    if not isinstance(group, (tuple, list)) or len(group) not in (2, 3):
        parts = f" of {len(group)}" if isinstance(group, (tuple, list)) else ""
        raise TypeError(
            f"a row group must be (X, y) or (X, y, sample_weight), got {describe_type(group)}{parts}"
        )
    return (*group, None)[:3]


def describe_group(source, i, first):
    """Return what messages call group i, whose first row has the number `first`."""
    if hasattr(source, "describe_group"):
        return source.describe_group(i, first)
    return f"row group {i}, which begins with row {first}"


def iterate(source):
    """Yield the number of each row group, and the group."""
    i, iterator = 0, _begin(source)
    try:
        while True:
            try:
                group = next(iterator)
            except StopIteration:
                return
            except Exception as error:
                error.add_note(f"raised by the row groups, when row group {i} was read")
                raise
            yield i, group
            i += 1
    finally:
        if hasattr(iterator, "close"):
            iterator.close()


def _begin(source):
    """Return a new iterator over the groups."""
    groups = source if isinstance(source, Iterable) else source()
    try:
        return iter(groups)
    except TypeError:
        raise TypeError(
            f"X is a function that returned {describe_type(groups)}, which yields no row groups. "
            f"{AGAIN}"
        ) from None


class Split(NamedTuple):
    """A share of the rows: those held out for validation, or the others.

    Whether a row is held out is decided by a hash of its number, so no list of rows is needed.
    """

    fraction: float
    seed: int
    held_out: bool

    def rows(self, first, n):
        """Return whether the rows first..first+n-1 belong to it."""
        is_held_out = hashes(np.arange(first, first + n), self.seed) < self.fraction * 2.0**53
        return is_held_out if self.held_out else ~is_held_out


def hashes(numbers, seed):
    """Return a hash from 0 to 2**53 - 1 of each number of a row: splitmix64.

    numbers : ndarray (n,) of int
    """
    with np.errstate(over="ignore"):
        z = (numbers + 1).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
        return mix_bits(z) >> np.uint64(11)


def mix_bits(z):
    """Return numbers whose bits all depend on all bits of z: the end of splitmix64.

    z : ndarray of uint64
    """
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@dataclass(eq=False, repr=False)
class StreamedData:
    """Row groups, divided into windows of rows in memory.

    Attributes
    ----------
    groups : RowGroups
    loss : losses.Loss
    window : int or None
        Most rows of a window; None: as many as take WINDOW_BYTES.
    part : Split or None
        The share of the rows that the data consist of; None: all rows.
    class_weight : sequence or None
    n_rows : int or None
        Number of rows; None before the first complete pass.
    checksum : list of int or None
        Of all rows, see `Buffer.checksum`; None before the first complete pass.
    """

    groups: RowGroups
    loss: losses.Loss
    window: int | None = None
    part: Split | None = None
    class_weight: Any = None
    n_rows: int | None = None
    checksum: list | None = None
    split_method = "hash"
    is_streamed = True
    compiled = False  # for engines: they do not compute the validation loss themselves
    jacobian = None

    def __post_init__(self):
        self.buffer = Buffer()

    def __len__(self):
        return self.n_rows

    def windows(self, batch_size=1, row=0):
        """Read the rows once, and yield one window after another.

        Yields
        ------
        data : Data
            Valid until the next window is asked for. A window has a multiple of `batch_size` rows,
            except the last.
        first : int
            Number of its first row. The first window is the one that holds `row`.
        is_last : bool
        """
        buffer, first, checksum = self.buffer, 0, None
        buffer.clear()
        for data in self.selected_rows():
            start = 0
            while start < len(data):
                if buffer.n == self.window_rows(data, batch_size):
                    if first + buffer.n > row:
                        checksum = buffer.checksum(checksum, first)
                        yield self.weighted(buffer.data()), first, False
                    first += buffer.n
                    buffer.clear()
                start += buffer.add(data, start, self.window_rows(data, batch_size))
        self.check_pass(first + buffer.n, buffer.checksum(checksum, first) if row == 0 else None)
        if buffer.n and first + buffer.n > row:
            yield self.weighted(buffer.data()), first, True

    def selected_rows(self):
        """Yield the Data of each group, without the rows that are not in `part`."""
        for first, data in self.groups.read():
            if self.part is None:
                yield data
                continue
            rows = np.flatnonzero(self.part.rows(first, len(data)))
            if len(rows):
                yield data.take(rows)

    def window_rows(self, data, batch_size):
        """Return the number of rows of a window, a multiple of the batch size."""
        n = self.window
        if n is None:
            n = int(WINDOW_BYTES / bytes_per_row(data))
        return max(1, n // batch_size) * batch_size

    def check_pass(self, n_rows, checksum):
        """Check that a pass had the same rows as the one before. checksum : None if not known."""
        if self.n_rows is not None and n_rows != self.n_rows:
            raise ValueError(
                f"The row groups have {n_rows:,} rows in this pass, but had {self.n_rows:,} before. "
                "Each pass must yield the same rows in the same order. For rows that change use "
                "partial_fit."
            )
        if checksum is not None and self.checksum not in (None, checksum):
            raise ValueError(
                "The row groups have other rows in this pass than before, or the same in another "
                "order. Each pass must yield the same rows in the same order. For rows that change "
                "use partial_fit."
            )
        self.n_rows, self.checksum = n_rows, self.checksum if checksum is None else checksum

    def weighted(self, data):
        return data.with_class_weight(self.class_weight, self.groups.net.layer_sizes[-1])

    # ---- variants, which may need a pass ----

    def split(self, fraction, seed):
        """Return training data and held-out data, which are in memory if they fit in a window."""
        train, held_out = (
            replace(self, part=Split(fraction, seed, is_out), n_rows=None, checksum=None)
            for is_out in (False, True)
        )
        validation = held_out.in_memory_if_small()
        n, n_out = self.groups.n_rows, len(held_out)
        if not 0 < n_out < n:
            raise no_rows_held_out(fraction, n_out, n)
        self.n_rows, train.n_rows = n, n - n_out
        return train, validation

    def in_memory_if_small(self):
        """Return the Data of all rows if they fit in a window, else these data. Count the rows."""
        windows = self.windows()
        data, _, is_last = next(windows, (self, 0, True))
        for _ in windows:
            pass
        return data if is_last else self

    def with_class_weight(self, class_weight, n_out):
        """Return data whose weights are multiplied by the weight of each row's class."""
        if not isinstance(class_weight, str):
            return replace(self, class_weight=class_weight)
        counts, n = np.zeros(max(2, n_out)), 0
        for data, _, _ in self.windows():
            losses.class_weights(class_weight, data.targets, n_out, self.loss)  # checks both
            counts = counts + losses.class_counts(data.targets, n_out)
            n += len(data)
        return replace(self, class_weight=losses.balanced_weights(counts, n).tolist())

    # ---- evaluation ----

    def evaluator(self, net):
        """Return a function that computes the loss of all rows, without penalty."""
        return lambda: self.mean(lambda data: data.evaluator(net)())

    def error_rate(self, net):
        """Return the share of the weight of the rows whose predicted class is wrong."""
        return self.mean(lambda data: data.error_rate(net))

    def mean(self, function):
        """Return the mean of a function of the windows, weighted by the weights of their rows."""
        total = weight = 0.0
        for data, _, _ in self.windows():
            total += function(data) * data.total_weight()
            weight += data.total_weight()
        return total / (weight or 1.0)

    def first_not_finite(self):
        """Return None: `RowGroups` has checked the numbers."""
        return None


class Buffer:
    """Memory for the rows of a window, which the next window uses again."""

    def __init__(self):
        self.n = 0
        self.arrays: list = []
        self.example: Any = None  # Data without rows, but with all other attributes

    def clear(self):
        self.n = 0

    def add(self, data, start, n_max):
        """Append the rows of `data` from `start` on, at most up to n_max rows. Return how many."""
        added = row_arrays(data)
        if not self.arrays:
            self.example = data.take(slice(0, 0))
            rows = min(n_max, int(WINDOW_BYTES / bytes_per_row(data)))  # the system provides it
            self.arrays = [np.empty((rows, *a.shape[1:]), a.dtype) for a in added]  # on first use
        n = min(len(data) - start, n_max - self.n)
        if self.n + n > len(self.arrays[0]):
            # Only in the first pass, before a kernel reads it. Its pages are moved, not copied.
            rows = min(n_max, max(self.n + n, 2 * len(self.arrays[0])))
            for a in self.arrays:
                a.resize((rows, *a.shape[1:]), refcheck=False)
        for a, values in zip(self.arrays, added):
            a[self.n : self.n + n] = values[start : start + n]
        self.n += n
        return n

    def data(self):
        """Return the rows as Data that share the memory."""
        parts = [a[: self.n] for a in self.arrays]
        weight = None if self.example.sample_weight is None else parts.pop()
        targets = parts.pop()
        X: Any = parts[0]
        if isinstance(self.example.X, EncodedTable):
            X = table_of(parts, self.example.X.layout)
        return replace(self.example, X=X, targets=targets, sample_weight=weight)

    def checksum(self, values, first):
        """Return checksums of all windows so far: of the targets, and of every 64th row of X.

        values : list of int, or None for the first window. first : number of the first row.
        """
        if not self.n:
            return values
        *inputs, targets = self.arrays[: -1 if self.example.sample_weight is not None else None]
        parts = [targets[: self.n], *(a[-first % 64 : self.n : 64] for a in inputs)]
        return [
            zlib.crc32(np.ascontiguousarray(a).data, value)
            for a, value in zip(parts, values or [0] * len(parts))
        ]


def bytes_per_row(data):
    return sum(a.nbytes for a in row_arrays(data)) / len(data)


def row_arrays(data):
    """Return the arrays that hold the rows of Data."""
    X = data.X
    arrays = parts_of(X) if isinstance(X, EncodedTable) else [X]
    weight = [] if data.sample_weight is None else [data.sample_weight]
    return [*arrays, data.targets, *weight]

"""RowGroups: rows that are read group by group, in each pass again."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.validation import describe_type
from ..kernels import all_finite
from ..losses import CustomLoss
from .data import Data, is_sparse

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
        """Check that a group has finite numbers and the layout of the first group."""
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
    if hasattr(X, "shape") or isinstance(X, (dict, set, str, bytes)):
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

"""Data: rows, targets and a loss, to train on or to evaluate."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .. import losses
from ..core import sparse_rows
from ..core.sparse_rows import block_rows, first_not_finite, is_sparse
from ..core.validation import check_sample_weight, in_range
from ..encoded_table import EncodedTable, check_inputs
from ..kernels import Trainer

if TYPE_CHECKING:
    from typing import Any


@dataclass(eq=False, repr=False, slots=True)
class Data:
    """Rows, targets and a loss, validated and converted to what the kernels read.

    Attributes
    ----------
    X : ndarray (n, n_in), CSR matrix (n, n_in) or EncodedTable
    targets : ndarray
        As the kernel of the loss reads them; for a custom loss, as the user passed them.
    loss : losses.Loss
    loss_options : dict
        Keyword arguments of `kernels.Trainer` that select and configure the loss.
    sample_weight : ndarray (n,) or None
    alpha : float
        L2 penalty shared by the rows, as in scikit-learn: the loss of a batch has the additional
        term alpha/2 sum W^2 / sum(w_i).
    weight_scale : float
        Power of two that `sample_weight` was multiplied by, see `core.validation.in_range`.
    rows : ndarray (m,) of intp or None
        The data are these rows of X, targets and sample_weight, in this order; None: all rows. Only
        for data that the kernels read (`compiled`).
    jacobian : JacobianTargets or None
    """

    X: Any
    targets: np.ndarray
    loss: losses.Loss
    loss_options: dict
    sample_weight: np.ndarray | None
    alpha: float = 0.0
    weight_scale: float = 1.0
    rows: np.ndarray | None = None
    jacobian: Any = None

    split_method = "permutation"  # of `split`
    is_streamed = False

    @classmethod
    def of(cls, net, X, y, loss, sample_weight=None):
        """Return validated data for a network. loss : losses.Loss."""
        X = check_inputs("X", X, net.dtype, net.layer_sizes[0])
        n = X.shape[0]
        targets, options = loss.prepare(y, n, net.layer_sizes[-1], net.dtype)
        if isinstance(loss, losses.CustomLoss):
            loss.check_inputs(net, X)
            if sample_weight is not None:
                raise ValueError(
                    "sample_weight does not work with a custom loss, which is called without it. "
                    "Pass the weights as a column of y."
                )
        weight, scale = check_sample_weight(sample_weight, n, net.dtype)
        return cls(X, targets, loss, options, weight, weight_scale=scale)

    def __len__(self):
        return self.X.shape[0] if self.rows is None else len(self.rows)

    @property
    def n_rows(self):
        return len(self)

    @property
    def penalty(self):
        """`alpha` as it is added to weights that were scaled."""
        return self.alpha * self.weight_scale

    def shares_arrays(self, other):
        """Whether other data differ from these at most in `rows`."""
        return (
            self.X is other.X
            and self.targets is other.targets
            and self.sample_weight is other.sample_weight
            and self.loss_options is other.loss_options
            and self.penalty == other.penalty
            and self.jacobian is other.jacobian
        )

    # ---- parts and variants ----

    def select(self, rows):
        """Return the selected rows, without copying X if the kernels can read it.

        rows : ndarray of intp
        """
        if is_sparse(self.X) or isinstance(self.loss, losses.CustomLoss):
            return self.take(rows)
        if self.rows is not None:
            rows = self.rows[rows]
        return Data(
            self.X,
            self.targets,
            self.loss,
            self.loss_options,
            self.sample_weight,
            self.alpha,
            self.weight_scale,
            rows,
            self.jacobian,
        )

    def take(self, rows):
        """Return a copy of the selected rows. rows : slice or array of indices."""
        if self.rows is not None:
            rows = self.rows[rows]
        w = None if self.sample_weight is None else self.sample_weight[rows]
        X = sparse_rows.take(self.X, rows) if is_sparse(self.X) else self.X[rows]
        jacobian = None if self.jacobian is None else self.jacobian.take(rows)
        return replace(
            self, X=X, targets=self.targets[rows], sample_weight=w, rows=None, jacobian=jacobian
        )

    def split(self, fraction, seed):
        """Return training data and held-out data; both keep the order of the rows."""
        n = len(self)
        n_out = n_held_out(fraction, n)
        rows = np.random.default_rng(seed).permutation(n)
        return self.select(np.sort(rows[n_out:])), self.select(np.sort(rows[:n_out]))

    def weighted(self, weights):
        """Return data whose weights are multiplied by others, float64 (n,), or None for 1."""
        if weights is None:
            return self
        if self.rows is not None:
            selected, weights = weights, np.zeros(len(self.X))
            weights[self.rows] = selected
        dtype = self.X.dtype
        if self.sample_weight is None:
            weights, scale = in_range(weights, dtype)
        elif (
            in_range(weights, dtype)[1] == 1
            and in_range(weights * self.sample_weight.astype(np.float64), dtype)[1] == 1
        ):
            weights, scale = weights.astype(dtype) * self.sample_weight, 1.0
        else:  # scaled to about 1 first, so that the product neither overflows nor underflows
            weights, factor = in_range(weights, np.dtype(np.float32))
            weights, scale = in_range(weights.astype(np.float64) * self.sample_weight, dtype)
            scale *= factor
        return replace(self, sample_weight=weights, weight_scale=self.weight_scale * scale)

    def with_class_weight(self, class_weight, n_out):
        """Return data whose weights are multiplied by the weight of each row's class."""
        if class_weight is None:
            return self
        targets = self.targets if self.rows is None else self.targets[self.rows]
        return self.weighted(losses.class_weights(class_weight, targets, n_out, self.loss))

    def total_weight(self):
        """Return the sum of the weights, or the number of rows without weights."""
        if self.sample_weight is None:
            return float(len(self))
        w = self.sample_weight if self.rows is None else self.sample_weight[self.rows]
        return float(w.sum(dtype=np.float64))

    def in_double(self):
        """Return the data in float64."""

        def double(a):
            return (
                a.astype(np.float64, copy=False)
                if hasattr(a, "astype") and a.dtype.kind == "f"
                else a
            )

        options = {name: double(value) for name, value in self.loss_options.items()}
        return replace(
            self,
            X=double(self.X),
            targets=double(self.targets),
            sample_weight=double(self.sample_weight),
            loss_options=options,
        )

    # ---- sparse rows ----

    def dense(self):
        """Return the data with dense rows."""
        return replace(self, X=sparse_rows.to_dense(self.X)) if is_sparse(self.X) else self

    def blocks(self):
        """Yield dense blocks of sparse rows without penalty, and their share of the weight."""
        step, total = block_rows(self.X), self.total_weight() or 1.0
        for first in range(0, len(self), step):
            part = self.take(slice(first, first + step))
            yield replace(part.dense(), alpha=0.0), part.total_weight() / total

    def gradient_of_blocks(self, net, n_threads=1):
        """Compute the loss of all rows as one batch, and its gradient, both without penalty.

        The gradient is in ``net.grads``.
        """
        loss, grads, of_block = 0.0, np.zeros_like(net.grads), np.empty_like(net.grads)
        for block, part in self.blocks():
            trainer = block.trainer(net, len(block), n_threads=n_threads)
            loss += part * trainer.gradient(n_threads)
            trainer.store_gradient(of_block)
            grads += part * of_block
        net.grads = grads
        return loss

    # ---- for the kernels ----

    def trainer(self, net, batch_size, order=None, **more):
        """Return a `kernels.Trainer` over dense rows."""
        if isinstance(self.loss, losses.CustomLoss):
            more |= self.loss.in_batches(net, self.targets, order, batch_size)
        # only what differs from the defaults: 20 keywords took 3 of the 12 us that `fit_many` adds to
        # the steps of a network
        more |= self.loss_options
        if self.sample_weight is not None:
            more["sample_weight"] = self.sample_weight
        if self.rows is not None:
            more["rows"] = self.rows
        if self.alpha:
            more["alpha"] = self.penalty
        if self.jacobian is not None:
            more |= self.jacobian.to_kernel()
        return Trainer(net, self.X, self.targets, batch_size=batch_size, order=order, **more)

    @property
    def compiled(self):
        """Whether the kernels can compute the loss: dense rows, and no custom loss."""
        return (
            len(self) > 0 and not is_sparse(self.X) and not isinstance(self.loss, losses.CustomLoss)
        )

    def first_not_finite(self):
        """Return the name of the first array with NaN or infinity and its index there, or None."""
        index = first_not_finite(self.X) if is_sparse(self.X) else None
        if index is not None:
            return "X", index
        arrays = {"X": self.X, "y": self.targets, "sample_weight": self.sample_weight}
        for name, a in arrays.items():
            if _is_finite(a):
                continue
            selected = a if self.rows is None else a[self.rows]
            if not np.isfinite(selected).all():
                index = np.argwhere(~np.isfinite(selected))[0]
                if self.rows is not None:
                    index[0] = self.rows[index[0]]
                return name, index
        if self.jacobian is not None and np.isinf(self.jacobian.values).any():
            return "dy", np.argwhere(np.isinf(self.jacobian.values))[0]
        return None

    def error_rate(self, net):
        """Return the share of the weight of the rows whose predicted class is wrong.

        The kernels compute it for data that are `compiled`, with the same bits.
        """
        n, step = len(self), block_rows(self.X) if is_sparse(self.X) else max(1, len(self))
        wrong = total = 0.0
        for first in range(0, n, step):
            part = self.take(slice(first, first + step)).dense()
            w = np.ones(len(part)) if part.sample_weight is None else part.sample_weight
            right = self.loss.is_right(net.forward(part.X), part.targets)
            wrong += _sum_in_order(w * ~right)
            total += _sum_in_order(w)
        return wrong / (total or 1.0)

    def evaluator(self, net):
        """Return a function that computes the loss of all rows as one batch, without penalty.

        It uses the parameters at the time of the call. The loss of no rows is 0.0.
        """
        if not len(self):
            return lambda: 0.0
        if is_sparse(self.X):
            return lambda: sum(part * block.evaluator(net)() for block, part in self.blocks())
        if isinstance(self.loss, losses.CustomLoss):
            return lambda: self.loss.of_network(net, self.X, self.targets)
        trainer = self.trainer(net, len(self))

        def evaluate():
            trainer.load()
            return trainer.loss()

        return evaluate


def arrays_of_several(data):
    """Return the arrays and tables that several of these Data read. data : list of Data"""
    arrays = [a for d in data for a in (d.X, d.targets, d.sample_weight, d.rows) if a is not None]
    counts = Counter(map(id, arrays))
    return [a for a in arrays if counts[id(a)] > 1]


def n_held_out(fraction, n):
    """Return how many of n rows `validation_fraction` holds out."""
    n_out = round(fraction * n)
    if not 0 < n_out < n:
        raise no_rows_held_out(fraction, n_out, n)
    return n_out


def no_rows_held_out(fraction, n_out, n):
    """Return the error if `validation_fraction` holds out no row, or all."""
    return ValueError(
        f"validation_fraction={fraction} holds out {n_out} of {n} rows. At least one row must "
        "be held out, and at least one left to train on."
    )


def validation_in_memory(net, validation_data, loss, data):
    """Return the Data of the argument `validation_data` of fit, or None. data : that of training."""
    if validation_data is None:
        return None
    jacobian = data.jacobian
    lengths = (2, 3) if jacobian is None else (4,)
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in lengths:
        kind = isinstance(validation_data, (tuple, list))
        got = f"{len(validation_data)} parts" if kind else type(validation_data).__name__
        expected = (
            "(X, y) or (X, y, sample_weight)"
            if jacobian is None
            else "(X, y, sample_weight, dy), with dy"
        )
        raise ValueError(f"validation_data must be {expected}, got {got}")
    X, y, *sample_weight = validation_data[:3]
    try:
        if jacobian is not None:
            jacobian = jacobian.others(net, validation_data[3], len(X))
            y = jacobian.outputs(net, y)
        validation = replace(Data.of(net, X, y, loss, *sample_weight), jacobian=jacobian)
    except (TypeError, ValueError) as error:
        raise type(error)(f"validation_data: {error}") from None
    if isinstance(data, Data) and _layout(data.X) != _layout(validation.X):
        raise ValueError(
            "X and the X of validation_data must be EncodedTables of one layout, or none of them an EncodedTable"
        )
    return validation


def _layout(X):
    return X.layout if isinstance(X, EncodedTable) else None


def _is_finite(a):
    """Whether all numbers of a dense array are finite."""
    return not isinstance(a, np.ndarray) or a.dtype.kind not in "fiub" or np.isfinite(a).all()


def _sum_in_order(values):
    """Return the sum of at least one number in float64, from the first to the last as kernels add."""
    return float(np.cumsum(values, dtype=np.float64)[-1])

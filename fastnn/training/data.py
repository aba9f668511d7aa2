"""Rows, targets and a loss: what a network learns from, and what it is evaluated on."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import losses
from ..kernels import Trainer
from ..validation import check_matrix, check_sample_weight, in_range

BLOCK_BYTES = 4e6  # of sparse rows made dense at once


@dataclass(eq=False, repr=False)
class Data:
    """Rows, targets and a loss, checked and converted once, in the form that the kernels take.

    Attributes
    ----------
    X : ndarray (n, n_in) or CSR matrix (n, n_in)
    targets : ndarray
        As the loss's kernel takes them; for a custom loss, as the user passed them.
    loss : losses.Loss
    loss_options : dict
        Keywords of `kernels.Trainer` that say which loss it is.
    sample_weight : ndarray (n,) or None
    alpha : float
        A penalty that the rows share: a batch's loss has alpha/2 sum W^2 / sum(w_i) besides.
        scikit-learn's `alpha`.
    """

    X: Any
    targets: np.ndarray
    loss: losses.Loss
    loss_options: dict
    sample_weight: np.ndarray | None
    alpha: float = 0.0

    @classmethod
    def of(cls, net, X, y, loss, sample_weight=None, alpha=0.0):
        """These rows for this network. loss: what `losses.resolve` gives."""
        if not is_sparse(X):
            X = check_matrix("X", X, net.dtype, net.layer_sizes[0])
        n = X.shape[0]
        targets, options = loss.prepare(y, n, net.layer_sizes[-1], net.dtype)
        if sample_weight is not None and isinstance(loss, losses.CustomLoss):
            raise ValueError(
                "sample_weight: a loss of your own weighs its rows itself; give it the weights, for example as a column of y"
            )
        weight, scale = check_sample_weight(sample_weight, n, net.dtype)
        return cls(X, targets, loss, options, weight, alpha * scale)

    def __len__(self):
        return self.X.shape[0]

    # ---- parts and variants ----

    def take(self, rows):
        """Some of the rows: a slice, or indices."""
        w = None if self.sample_weight is None else self.sample_weight[rows]
        return replace(self, X=self.X[rows], targets=self.targets[rows], sample_weight=w)

    def split(self, fraction, seed):
        """Two parts: the rows to learn from, and a random part of them that is held out; both keep
        the order of the rows."""
        n = len(self)
        n_out = round(fraction * n)
        if not 0 < n_out < n:
            raise ValueError(
                f"validation_fraction={fraction} holds out {n_out} of {n} rows: there must be some, and some to learn from"
            )
        rows = np.random.default_rng(seed).permutation(n)
        return self.take(np.sort(rows[n_out:])), self.take(np.sort(rows[:n_out]))

    def weighted(self, weights):
        """The same, the weight of each row times another, float64 (n,), or None."""
        if weights is None:
            return self
        dtype = self.X.dtype
        if self.sample_weight is None:
            weights, scale = in_range(weights, dtype)
        elif (
            in_range(weights, dtype)[1] == 1
            and in_range(weights * self.sample_weight.astype(np.float64), dtype)[1] == 1
        ):
            weights, scale = weights.astype(dtype) * self.sample_weight, 1.0
        else:  # to the middle of what float64 holds, before they are multiplied
            weights, of_weights = in_range(weights, np.dtype(np.float32))
            weights, scale = in_range(weights.astype(np.float64) * self.sample_weight, dtype)
            scale *= of_weights
        return replace(self, sample_weight=weights, alpha=self.alpha * scale)

    def with_class_weight(self, class_weight, n_out):
        """The same, the weight of each row times that of its class."""
        if class_weight is None:
            return self
        return self.weighted(losses.class_weights(class_weight, self.targets, n_out, self.loss))

    def total_weight(self):
        """The sum of the weights, or the number of rows."""
        return float(
            len(self) if self.sample_weight is None else self.sample_weight.sum(dtype=np.float64)
        )

    def in_double(self):
        """The same in float64."""

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
        """The same with dense rows."""
        return replace(self, X=self.X.toarray()) if is_sparse(self.X) else self

    def blocks(self):
        """The rows in dense parts of about BLOCK_BYTES without penalty, and the share of the total
        weight that each has."""
        step, total = block_rows(self.X), self.total_weight() or 1.0
        for first in range(0, len(self), step):
            part = self.take(slice(first, first + step))
            yield replace(part.dense(), alpha=0.0), part.total_weight() / total

    # ---- what the kernels make of them ----

    def trainer(self, net, batch_size, order=None, **more):
        """A `kernels.Trainer` over dense rows."""
        custom = self.loss.in_batches(
            self.targets, order, batch_size, net.layer_sizes[-1], net.dtype
        )
        return Trainer(
            net,
            self.X,
            self.targets,
            batch_size=batch_size,
            sample_weight=self.sample_weight,
            order=order,
            alpha=self.alpha,
            **self.loss_options,
            **custom,
            **more,
        )

    @property
    def compiled(self):
        """Whether the kernels alone can compute the loss: there are rows, they are dense, and the
        loss is no Python function."""
        return (
            len(self) > 0 and not is_sparse(self.X) and not isinstance(self.loss, losses.CustomLoss)
        )

    def evaluator(self, net):
        """A function that gives the loss of all rows as one batch with the present parameters,
        without penalty; 0.0 for no rows."""
        if not len(self):
            return lambda: 0.0
        if is_sparse(self.X):
            return lambda: sum(part * block.evaluator(net)() for block, part in self.blocks())
        if isinstance(self.loss, losses.CustomLoss):
            return lambda: self.loss.evaluate(net.forward(self.X), self.targets)[0]
        trainer = self.trainer(net, len(self))

        def evaluate():
            trainer.load()
            return trainer.loss()

        return evaluate


def of_validation(net, validation_data, loss):
    """The Data of the argument `validation_data` of fit, or None."""
    if validation_data is None:
        return None
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
        kind = isinstance(validation_data, (tuple, list))
        got = f"{len(validation_data)} parts" if kind else type(validation_data).__name__
        raise ValueError(f"validation_data must be (X, y) or (X, y, sample_weight), got {got}")
    X, y, *sample_weight = validation_data
    try:
        return Data.of(net, X, y, loss, *sample_weight)
    except (TypeError, ValueError) as error:
        raise type(error)(f"validation_data: {error}") from None


def is_sparse(X):
    """Whether X is a SciPy sparse matrix or array."""
    return hasattr(X, "toarray")


def block_rows(X, batch_size=1):
    """How many rows of X make a block of BLOCK_BYTES; whole batches."""
    rows = int(BLOCK_BYTES / (X.shape[1] * X.dtype.itemsize))
    return max(1, rows // batch_size) * batch_size

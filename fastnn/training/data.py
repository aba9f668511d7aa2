"""Rows and a loss, checked and converted once, in the form that the kernels take."""

from dataclasses import dataclass, replace

import numpy as np

from .. import losses
from ..kernels import Trainer
from ..validation import check_matrix, check_sample_weight


@dataclass(eq=False, repr=False)
class Problem:
    """What a network is to learn, or to be judged by.

    Attributes
    ----------
    X : ndarray (n, n_in)
    targets : ndarray
        As the loss's kernel wants them; as the user gave them for a loss of the user's own.
    loss : losses.Loss
    settings : dict
        Keywords of `kernels.Trainer` that say which loss it is.
    sample_weight : ndarray (n,) or None
    alpha : float
        A penalty that the rows share, counted in the loss: alpha/2 sum W^2 / sum(w_i) of a batch. scikit-learn's `alpha`.
    """

    X: np.ndarray
    targets: np.ndarray
    loss: losses.Loss
    settings: dict
    sample_weight: np.ndarray | None
    alpha: float = 0.0

    def __len__(self):
        return len(self.X)

    def split(self, fraction, seed):
        """Two problems: the rows to learn from, and a random part of them that is held out; both keep the order of the rows."""
        n = len(self)
        n_out = round(fraction * n)
        if not 0 < n_out < n:
            raise ValueError(f"validation_fraction={fraction} holds out {n_out} of {n} rows: there must be some, and some to learn from")
        rows = np.random.default_rng(seed).permutation(n)
        return self._rows(np.sort(rows[n_out:])), self._rows(np.sort(rows[:n_out]))

    def _rows(self, rows):
        w = None if self.sample_weight is None else self.sample_weight[rows]
        return replace(self, X=self.X[rows], targets=self.targets[rows], sample_weight=w)

    def with_class_weight(self, class_weight, n_out):
        """The same, the weight of each row times that of its class."""
        if class_weight is None:
            return self
        w = losses.class_weights(class_weight, self.targets, n_out, self.loss).astype(self.X.dtype)
        return replace(self, sample_weight=w if self.sample_weight is None else w * self.sample_weight)

    def trainer(self, net, batch_size, order=None, lock=None, **more):
        """A `kernels.Trainer` over the rows. lock: held while it runs, but not while a loss of the user's own does."""
        own = self.loss.in_batches(self.targets, order, batch_size, net.layer_sizes[-1], net.dtype, lock)
        return Trainer(net, self.X, self.targets, batch_size=batch_size, sample_weight=self.sample_weight, order=order,
                       alpha=self.alpha, **self.settings, **own, **more)  # fmt: skip

    def in_double(self):
        """The same in float64."""

        def double(a):
            return a.astype(np.float64) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a

        settings = {name: double(value) for name, value in self.settings.items()}
        return replace(self, X=double(self.X), targets=double(self.targets), sample_weight=double(self.sample_weight), settings=settings)

    @property
    def in_kernels(self):
        """Whether the kernels alone can tell the loss: there are rows, and it is no function of the user's."""
        return len(self) > 0 and not isinstance(self.loss, losses.OwnLoss)

    def judge(self, net):
        """A function that gives the loss of all rows as one batch with the present parameters; 0.0 for no rows."""
        if not len(self):
            return lambda: 0.0
        if isinstance(self.loss, losses.OwnLoss):
            return lambda: self.loss.ask(net.forward(self.X), self.targets)[0]
        trainer = self.trainer(net, len(self))

        def loss():
            trainer.load()
            return trainer.loss()

        return loss


def pose(net, X, y, loss, sample_weight=None):
    """The problem of these rows for this network; loss: what `losses.choose` gives."""
    X = check_matrix("X", X, net.dtype, net.layer_sizes[0])
    targets, settings = loss.prepare(y, len(X), net.layer_sizes[-1], net.dtype)
    if sample_weight is not None and isinstance(loss, losses.OwnLoss):
        raise ValueError("sample_weight: a loss of your own weighs its rows itself; give it the weights, for example as a column of y")
    return Problem(X, targets, loss, settings, check_sample_weight(sample_weight, len(X), net.dtype))

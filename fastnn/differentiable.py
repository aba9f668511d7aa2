"""DifferentiableNetwork: a network that computes losses and their gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import losses
from .core.sparse_rows import is_sparse
from .core.validation import check_matrix, check_rows
from .kernels import Loss, Trainer
from .network import Network
from .training.data import Data

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .typing import AnyLoss, FloatArray, Inputs


class DifferentiableNetwork(Network):
    """A `Network` with the loss of rows and its gradient, but without training."""

    def loss(
        self,
        X: Inputs,
        y: ArrayLike,
        loss: AnyLoss | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Return the loss of all rows as one batch, sum(w_i l_i) / sum(w_i), or 0.0 without rows.

        Parameters
        ----------
        X : array_like (n, n_in), sparse matrix or EncodedTable
        y : array_like
            (n,) or (n, n_out) numbers; for "cross_entropy" class indices (n,) or rows of
            probabilities.
        loss : str, Loss or callable, optional
            As in `fit`.
        sample_weight : array_like (n,), optional
            Weights w_i >= 0.

        Returns
        -------
        float

        Examples
        --------
        >>> import fastnn, numpy as np
        >>> net = fastnn.MLP([3, 1], rng=0)
        >>> net.loss(np.zeros((5, 3)), np.full(5, 2.0))  # biases are 0, so the outputs are 0
        4.0
        """
        with self._reading():
            return Data.of(
                self, X, y, losses.resolve(loss, self.activations[-1]), sample_weight
            ).evaluator(self)()

    def loss_and_grad(
        self,
        X: Inputs,
        y: ArrayLike,
        loss: AnyLoss | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Return the same loss as `loss`, and compute its gradient into `grads`, without dropout.

        Examples
        --------
        >>> import fastnn, numpy as np
        >>> net = fastnn.MLP([3, 4, 1], rng=0)
        >>> loss = net.loss_and_grad(np.ones((5, 3)), np.zeros(5))
        >>> net.params -= 0.1 * net.grads  # one step of gradient descent
        """
        with self._reading(), self._in_gradient():
            data = Data.of(self, X, y, losses.resolve(loss, self.activations[-1]), sample_weight)
            if not len(data):
                self.grads[:] = 0
                return 0.0
            if is_sparse(data.X):
                return data.gradient_of_blocks(self)
            return self._gradient(data.trainer(self, len(data)))

    def backward(self, dY: ArrayLike) -> FloatArray:
        """Compute the gradient of any function of the outputs into `grads`.

        Parameters
        ----------
        dY : array_like (n, n_out)
            The derivative of the loss with respect to the outputs of the last
            ``forward(X, keep=True)``. Outputs are computed again from that X, so the parameters
            must not have changed since.

        Returns
        -------
        ndarray (n, n_in)
            The derivative with respect to X.

        Examples
        --------
        >>> import fastnn, numpy as np
        >>> net = fastnn.MLP([3, 4, 2], rng=0)
        >>> Y = net.forward(np.ones((5, 3)), keep=True)
        >>> dX = net.backward(2 * Y)  # the loss is sum(Y**2)
        >>> dX.shape
        (5, 3)
        """
        with self._reading(), self._in_gradient():
            X = self._kept
            if X is None:
                raise RuntimeError("backward needs the inputs. Call forward(X, keep=True) first.")
            dY = check_matrix("dY", dY, self.dtype, self.layer_sizes[-1])
            check_rows("dY", len(dY), len(X))
            dX = np.empty_like(X)
            if not len(X):
                self.grads[:] = 0
                return dX
            loss = Loss.GIVEN_GRADIENT
            self._gradient(Trainer(self, X, dY, loss=loss, batch_size=len(X), dX=dX))
            return dX

    def _gradient(self, trainer):
        loss = trainer.gradient()
        trainer.store_gradient(self.grads)
        return loss

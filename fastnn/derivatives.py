"""Derivatives of a network: in its inputs, and products with second derivatives of a loss.

The mixin `DerivativeMethods` gives them to `fastnn.MLP`. Its kernels are src/infer/derivatives.pxi and
src/infer/curvature.pxi.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from . import losses
from .core.memory import available_memory, format_bytes
from .core.sparse_rows import is_sparse
from .core.threads import ThreadChoice, share
from .core.validation import (
    check_input_numbers,
    check_matrix,
    check_out,
    check_shape,
    check_threads,
)
from .encoded_table import EncodedTable
from .kernels import CompiledNetwork, DerivativeKind, Trainer, run_in_threads
from .training.data import Data

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import ArrayLike

    from .typing import AnyLoss, FloatArray

ROWS_OF_A_PART = 64  # at least: the rows of a chunk in the kernels
MEMORY_TO_CHECK = 10_000_000  # bytes of a result, from which it is asked whether they fit
# An addend of products with second derivatives: at least so many rows, and so many multiply-adds
BLOCK, BLOCK_WORK = 1024, 10_000_000


class DerivativeMethods:
    """Methods of a network that return derivatives."""

    def jacobian(
        self: Any,
        X: ArrayLike,
        inputs: Sequence[int] | None = None,
        out: FloatArray | None = None,
        n_threads: int = 1,
    ) -> FloatArray:
        """Return the derivatives of the outputs with respect to the inputs, dy_k/dx_i.

        They are computed forward, by a tangent for each input, or backward, by an adjoint for each
        output, whichever takes fewer multiplications. A row gets the same bits alone and in any
        batch, with any number of threads. At a kink, such as that of ReLU at 0, the derivative is
        that of the left side, as in `fit`.

        Parameters
        ----------
        X : array_like (n, n_in)
            Rows at which to compute the derivatives.
        inputs : sequence of int, optional
            Numbers of the inputs i, or a mask of n_in bools. By default all.
        out : ndarray (n, n_out, n_inputs), optional
            Receives the result: C-contiguous, of the network's dtype.
        n_threads : int, default 1
            Maximum number of threads; -1 for all CPUs that this process may use.

        Returns
        -------
        ndarray (n, n_out, n_inputs)

        Raises
        ------
        TypeError
            X is a sparse matrix or an EncodedTable.
        MemoryError
            The result does not fit into memory.

        Examples
        --------
        >>> import fastnn, numpy as np
        >>> net = fastnn.MLP([2, 1], output="sigmoid", rng=0)
        >>> net.weights[0] = [[1.0], [-2.0]]
        >>> net.jacobian(np.zeros((1, 2)))
        array([[[ 0.25, -0.5 ]]], dtype=float32)
        """
        return self._derivative(DerivativeKind.JACOBIAN, X, None, inputs, out, n_threads)

    def hessian(
        self: Any,
        X: ArrayLike,
        inputs: Sequence[int] | None = None,
        out: FloatArray | None = None,
        n_threads: int = 1,
    ) -> FloatArray:
        """Return the second derivatives of the outputs with respect to the inputs.

        d2y_k/dx_i dx_j is the sum over the layers of sum_u f''(z_u) dy_k/da_u dz_u/dx_i dz_u/dx_j
        over their units u. The second derivative of ReLU and leaky ReLU is 0, also at 0; at 0 that
        of ELU and SELU is that of the left side. `hessian_diagonal` and `laplacian` take less time
        if you need no more.

        Parameters
        ----------
        X, inputs, n_threads
            As in `jacobian`.
        out : ndarray (n, n_out, n_inputs, n_inputs), optional
            Receives the result.

        Returns
        -------
        ndarray (n, n_out, n_inputs, n_inputs)
            Symmetric in the last two dimensions.

        Examples
        --------
        >>> import fastnn, numpy as np
        >>> net = fastnn.MLP([2, 1], output="exponential", rng=0)
        >>> net.weights[0] = [[1.0], [-2.0]]
        >>> net.hessian(np.zeros((1, 2)))
        array([[[[ 1., -2.],
                 [-2.,  4.]]]], dtype=float32)
        """
        return self._derivative(DerivativeKind.HESSIAN, X, None, inputs, out, n_threads)

    def hessian_diagonal(
        self: Any,
        X: ArrayLike,
        inputs: Sequence[int] | None = None,
        out: FloatArray | None = None,
        n_threads: int = 1,
    ) -> FloatArray:
        """Return d2y_k/dx_i^2, the diagonal of `hessian`, without the rest of it.

        Parameters
        ----------
        X, inputs, n_threads
            As in `jacobian`.
        out : ndarray (n, n_out, n_inputs), optional
            Receives the result.

        Returns
        -------
        ndarray (n, n_out, n_inputs)

        Examples
        --------
        >>> import fastnn, numpy as np
        >>> net = fastnn.MLP([2, 1], output="exponential", rng=0)
        >>> net.weights[0] = [[1.0], [-2.0]]
        >>> net.hessian_diagonal(np.zeros((1, 2)))
        array([[[1., 4.]]], dtype=float32)
        """
        return self._derivative(DerivativeKind.HESSIAN_DIAGONAL, X, None, inputs, out, n_threads)

    def laplacian(
        self: Any,
        X: ArrayLike,
        inputs: Sequence[int] | None = None,
        out: FloatArray | None = None,
        n_threads: int = 1,
    ) -> FloatArray:
        """Return sum_i d2y_k/dx_i^2, the sum of `hessian_diagonal` over the inputs.

        Parameters
        ----------
        X, inputs, n_threads
            As in `jacobian`.
        out : ndarray (n, n_out), optional
            Receives the result.

        Returns
        -------
        ndarray (n, n_out)

        Examples
        --------
        >>> import fastnn, numpy as np
        >>> net = fastnn.MLP([2, 1], output="exponential", rng=0)
        >>> net.weights[0] = [[1.0], [-2.0]]
        >>> net.laplacian(np.zeros((1, 2)))
        array([[5.]], dtype=float32)
        """
        return self._derivative(DerivativeKind.LAPLACIAN, X, None, inputs, out, n_threads)

    def jvp(
        self: Any,
        X: ArrayLike,
        V: ArrayLike,
        inputs: Sequence[int] | None = None,
        out: FloatArray | None = None,
        n_threads: int = 1,
    ) -> FloatArray:
        """Return the derivatives of the outputs along V, sum_i V_i dy_k/dx_i.

        It takes twice as long as `forward`, whatever the number of inputs.

        Parameters
        ----------
        X, inputs, n_threads
            As in `jacobian`.
        V : array_like (n, n_inputs)
            A direction for each row.
        out : ndarray (n, n_out), optional
            Receives the result.

        Returns
        -------
        ndarray (n, n_out)

        Examples
        --------
        >>> import fastnn, numpy as np
        >>> net = fastnn.MLP([2, 1], rng=0)
        >>> net.weights[0] = [[1.0], [-2.0]]
        >>> net.jvp(np.zeros((1, 2)), [[10.0, 1.0]])
        array([[8.]], dtype=float32)
        """
        return self._derivative(DerivativeKind.ALONG_INPUTS, X, V, inputs, out, n_threads)

    def vjp(
        self: Any,
        X: ArrayLike,
        U: ArrayLike,
        inputs: Sequence[int] | None = None,
        out: FloatArray | None = None,
        n_threads: int = 1,
    ) -> FloatArray:
        """Return the gradient of the outputs weighted with U, sum_k U_k dy_k/dx_i.

        Parameters
        ----------
        X, inputs, n_threads
            As in `jacobian`.
        U : array_like (n, n_out)
            Weights of the outputs for each row.
        out : ndarray (n, n_inputs), optional
            Receives the result.

        Returns
        -------
        ndarray (n, n_inputs)

        Examples
        --------
        >>> import fastnn, numpy as np
        >>> net = fastnn.MLP([2, 1], rng=0)
        >>> net.weights[0] = [[1.0], [-2.0]]
        >>> net.vjp(np.zeros((1, 2)), [[3.0]])
        array([[ 3., -6.]], dtype=float32)
        """
        return self._derivative(DerivativeKind.ALONG_OUTPUTS, X, U, inputs, out, n_threads)

    def hvp(
        self: Any,
        X: ArrayLike,
        y: ArrayLike,
        v: ArrayLike,
        loss: AnyLoss | None = None,
        sample_weight: ArrayLike | None = None,
        out: FloatArray | None = None,
        n_threads: int = 1,
    ) -> FloatArray:
        """Return the product of the Hessian of the loss in the parameters with v.

        It is the derivative of the gradient of `loss` along v, computed in about four times the
        time of the gradient (Pearlmutter, 1994), without dropout. Losses whose slope jumps, "mae"
        and "quantile", have second derivative 0.

        Parameters
        ----------
        X : array_like (n, n_in)
        y, loss, sample_weight
            As in `loss`, except custom losses.
        v : array_like (n_params,)
            In the order of `params`.
        out : ndarray (n_params,), optional
            Receives the result.
        n_threads : int, default 1
            Maximum number of threads; -1 for all CPUs that this process may use. The bits do not
            depend on it.

        Returns
        -------
        ndarray (n_params,)

        Examples
        --------
        >>> import fastnn, numpy as np
        >>> net = fastnn.MLP([2, 1], rng=0)  # loss (w x + b - y)^2, whose Hessian is 2 (x, 1) (x, 1)^T
        >>> net.hvp([[3.0, 0.0]], [0.0], [1.0, 0.0, 0.0])
        array([18.,  0.,  6.], dtype=float32)
        """
        return self._product(X, y, v, loss, sample_weight, out, n_threads, gauss_newton=False)

    def gnvp(
        self: Any,
        X: ArrayLike,
        y: ArrayLike,
        v: ArrayLike,
        loss: AnyLoss | None = None,
        sample_weight: ArrayLike | None = None,
        out: FloatArray | None = None,
        n_threads: int = 1,
    ) -> FloatArray:
        """Return the product of the Gauss-Newton matrix of the loss with v.

        The matrix is J^T H J: J is the Jacobian in the parameters of the outputs that the loss
        takes, H the Hessian of the loss in them. A loss that needs an output activation, such as
        "bce", takes the inputs of that activation. The matrix has no negative eigenvalue if the
        loss is convex in what it takes; then it is also the Fisher matrix of a negative
        log-likelihood (Schraudolph, 2002).

        Parameters
        ----------
        X, y, v, loss, sample_weight, out, n_threads
            As in `hvp`.

        Returns
        -------
        ndarray (n_params,)

        Examples
        --------
        >>> import fastnn, numpy as np
        >>> net = fastnn.MLP([2, 4, 1], rng=0)
        >>> v = np.ones(net.n_params)
        >>> bool(v @ net.gnvp(np.eye(2), [0.0, 1.0], v) >= 0)
        True
        """
        return self._product(X, y, v, loss, sample_weight, out, n_threads, gauss_newton=True)

    def _derivative_checked(self: Any, kind, X, directions, inputs, out, n_threads):
        """`_derivative` for arguments that need a check or a conversion, and for several threads."""
        n_threads = check_threads(n_threads)
        original = X
        X = check_dense(X, self.dtype, self.layer_sizes[0])
        inputs, d = check_input_numbers(inputs, self.layer_sizes[0])
        n = len(X)
        if kind in (DerivativeKind.ALONG_INPUTS, DerivativeKind.ALONG_OUTPUTS):
            along_inputs = kind == DerivativeKind.ALONG_INPUTS
            name, width = ("V", d) if along_inputs else ("U", self.layer_sizes[-1])
            directions = check_shape(name, directions, (n, width), self.dtype)
            if inputs is not None and along_inputs:  # the other inputs do not move
                moved = np.zeros_like(X)
                for i, column in zip(inputs, directions.T, strict=True):
                    moved[:, i] += column
                directions, inputs = moved, None
        shape, work = self._derivative_plan(kind, n, d)
        if out is None:
            out = np.empty(check_result_fits(shape, self.dtype), self.dtype)
        else:
            check_out("out", out, shape, self.dtype, original, X, directions, self._params)

        def derive(a, b, abort=None):
            V = None if directions is None else directions[a:b]
            self._derivative_into(kind, X[a:b], V, inputs, out[a:b], abort)

        n_threads = min(n_threads, -(-n // ROWS_OF_A_PART))
        choices, kind_of_work = self.thread_choices, ("derivative", kind, d)
        share(derive, n, work / max(n, 1), ROWS_OF_A_PART, choices, kind_of_work, n_threads)
        return out

    def _product(self: Any, X, y, v, loss, sample_weight, out, n_threads, gauss_newton):
        """Return the product of v with second derivatives of a loss in the parameters."""
        n_threads = check_threads(n_threads)
        with self._reading():
            X = check_dense(X, self.dtype, self.layer_sizes[0])
            v = check_shape("v", v, (self.n_params,), self.dtype)
            if out is not None:
                check_out("out", out, v.shape, self.dtype, X, v, self._params)
            loss = losses.resolve_loss(loss, self.activations[-1])
            data = Data.of(self, X, y, loss, sample_weight)
            product = np.zeros_like(v)
            if len(data):
                _add_product(self, data, v, product, n_threads, gauss_newton)
        if out is None:
            return product
        out[...] = product
        return out


def check_result_fits(shape, dtype):
    """Return the shape of a result; raise MemoryError if an array of it does not fit into memory."""
    needed = math.prod(shape) * dtype.itemsize
    if needed > MEMORY_TO_CHECK and needed > (available := available_memory()):
        raise MemoryError(
            f"The result of shape {shape} needs {format_bytes(needed)} of memory, but "
            f"{format_bytes(int(available))} are available. Pass fewer rows, or fewer `inputs`."
        )
    return shape


def check_dense(X, dtype, n_in):
    """Return the rows X of an array; sparse and encoded rows have no derivatives in their inputs."""
    if is_sparse(X) or isinstance(X, EncodedTable):
        kind, dense = (
            ("a sparse matrix", "toarray") if is_sparse(X) else ("an EncodedTable", "to_dense")
        )
        raise TypeError(
            f"X must be an array, since derivatives are those in all inputs, got {kind}. Pass X.{dense}()."
        )
    return check_matrix("X", X, dtype, n_in)


def _add_product(net, data, v, product, n_threads, gauss_newton):
    X, n, takes_z = data.X, len(data), data.loss.output is not None
    rows = max(BLOCK, BLOCK_WORK // net.n_params)
    blocks = [slice(first, first + rows) for first in range(0, n, rows)]
    Y, dY = np.empty((2, n, net.layer_sizes[-1]), net.dtype)

    def run_outputs(group):
        run_in_threads([partial(_outputs_along, net, X[b], v, Y[b], dY[b], takes_z) for b in group])

    _run_groups(net, "outputs along", run_outputs, blocks, n_threads)
    weight = np.ones(n, net.dtype) if data.sample_weight is None else data.sample_weight
    total = float(weight.sum(dtype=float))
    dU = data.loss.curvature(Y, data.targets, dY) * (weight / total if total else weight)[:, None]
    U = None
    if not gauss_newton:
        U = np.empty_like(Y)
        outputs = CompiledNetwork()  # a network without layers, whose inputs are the outputs
        outputs._bind([Y.shape[1]], [], [], [], Y.dtype)
        Trainer(
            outputs,
            Y,
            data.targets,
            batch_size=n,
            sample_weight=data.sample_weight,
            dX=U,
            **data.loss_options,
        ).gradient()
    parts = np.empty((min(n_threads, len(blocks)), len(v)), net.dtype)

    def add_curvature(group):
        nonlocal product
        parts[: len(group)] = 0
        run_in_threads(
            [
                partial(
                    _add_curvature, net, X[b], v, None if U is None else U[b], dU[b], part, takes_z
                )
                for b, part in zip(group, parts)
            ]
        )
        for part in parts[: len(group)]:  # the sums of blocks are added in their order
            product += part

    _run_groups(net, ("curvature", gauss_newton), add_curvature, blocks, n_threads)


def _run_groups(net, kind, run, blocks, n_threads):
    """Run ``run(group)`` for groups of blocks, of as many as threads are fastest."""
    done = 0

    def work(threads, seconds):
        nonlocal done
        group = blocks[done : done + threads]
        run(group)
        done += len(group)
        return len(group)

    choice = ThreadChoice(net.thread_choices, kind, min(n_threads, len(blocks)))
    while done < len(blocks):
        choice.run(work, 0.0)


def _outputs_along(net, X, v, Y, dY, takes_z, abort):
    net._outputs_along(X, v, Y, dY, takes_z, abort)


def _add_curvature(net, X, v, U, dU, out, takes_z, abort):
    net._add_curvature(X, v, U, dU, out, takes_z, abort)

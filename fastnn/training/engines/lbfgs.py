"""The engine of L-BFGS: SciPy iterates, the kernels compute loss and gradient of all rows."""

from typing import Any

import numpy as np

from ... import kernels
from ...core.sparse_rows import is_sparse
from ...network import as_dtype, split_layers
from ...state import DivergenceError
from .base import Engine

#: Reason of a training that has used `max_evaluations`.
OUT_OF_EVALUATIONS = "L-BFGS: max_evaluations reached"


class _Stopped(Exception):
    """Raised in SciPy's callback to end the minimization."""


class LBFGSEngine(Engine):
    """Train by `optimizers.LBFGS`. An iteration counts as a step and as an epoch."""

    drives = True

    def __init__(self, plan):
        try:
            from scipy.optimize import minimize
        except ImportError:
            raise ImportError('LBFGS needs SciPy: pip install "fastnn-mlp[scipy]"') from None
        net, state = plan.net, plan.state
        if net.has_dropout:
            raise ValueError(
                "L-BFGS needs a deterministic loss, but the network has dropout. Set net.dropout = 0, "
                "or use another optimizer."
            )
        self.minimize, self.net, self.optimizer = minimize, net, state.optimizer
        self.objective = Objective(net, plan.data, state.optimizer.l2, plan.options.n_threads)
        self.params, self.iterations = net.params.copy(), state.step  # after the last iteration

    def load(self, state):
        """Ignore changes by callbacks: SciPy continues from its own parameters."""

    def store(self, state):
        self.net.params = self.params

    def position(self):
        return self.iterations, self.iterations, 0, 0.0

    def drive(self, session, epochs):
        o, objective = self.optimizer, self.objective
        options = dict(
            maxiter=epochs,
            maxfun=o.max_evaluations or 2**31 - 1,
            maxcor=o.history_size,
            gtol=o.tolerance_grad,
            ftol=o.tolerance_loss,
        )

        def after_iteration(x):
            if not np.array_equal(x, objective.net.params):  # not the last point of the line search
                evaluate(x)
            params = x.astype(self.net.dtype)
            if not kernels.all_finite(params):
                self.diverged()
            session.begin_slice(1)[0, 0] = objective.loss
            self.params, self.iterations = params, self.iterations + 1
            if session.tick():
                raise _Stopped

        def evaluate(x):
            value = objective(x)
            if not np.isfinite(objective.loss):
                self.diverged()
            return value

        start = self.net.params.astype(np.float64)
        try:
            result = self.minimize(
                evaluate,
                start,
                jac=True,
                method="L-BFGS-B",
                callback=after_iteration,
                options=options,
            )
            # SciPy's status of too many evaluations; the last iteration has raised _Stopped
            is_over = result.status == 1
            session.stop_reason = OUT_OF_EVALUATIONS if is_over else f"L-BFGS: {result.message}"
        except _Stopped:
            pass

    def diverged(self):
        i = self.iterations + 1
        raise DivergenceError(
            f"L-BFGS diverged in iteration {i}: the loss or a parameter is not finite. The parameters are those "
            "of the iteration before. Look for NaN in X and y, scale inputs and targets to about -1..1, "
            "or add a penalty (l2).",
            i,
            i,
        )


class Objective:
    """Compute loss + l2/2 sum W^2 and its gradient at x, in float64.

    `loss` is the last value without the penalty l2.
    """

    def __init__(self, net, data, l2, n_threads):
        self.net, self.l2, self.n_threads, self.loss = (
            as_dtype(net, np.dtype(np.float64)),
            l2,
            n_threads,
            np.nan,
        )
        self.is_weight = np.ones(net.n_params)
        for b in split_layers(self.is_weight, net.layer_sizes, net.bias)[1]:
            if b is not None:
                b[:] = 0
        self.data = data.in_double()
        self.total = data.total_weight() or 1.0
        self.slope = l2 + data.penalty / self.total
        self.trainer: Any = (
            None
            if is_sparse(data.X)
            else self.data.trainer(self.net, len(data), n_threads=n_threads)
        )

    def __call__(self, x):
        self.net.params = x
        self.loss = self.gradient_of_blocks() if self.trainer is None else self.gradient()
        w = self.is_weight * x
        return self.loss + self.l2 * (w @ w) / 2, self.net.grads + self.slope * w

    def gradient(self):
        """Compute the loss of all rows, and its gradient without penalties into `net.grads`."""
        loss = self.trainer.gradient(self.n_threads)
        self.trainer.store_gradient(self.net.grads)
        return loss

    def gradient_of_blocks(self):
        """Compute them for sparse rows, one block at a time."""
        loss = self.data.gradient_of_blocks(self.net, self.n_threads)
        return loss + self.data.penalty / 2 / self.total * sum(
            float((W**2).sum()) for W in self.net.weights
        )

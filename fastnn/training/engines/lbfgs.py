"""L-BFGS: SciPy drives; the kernels compute the loss and the gradient of all rows."""

from typing import Any

import numpy as np

from ..data import is_sparse
from ..state import DivergenceError
from .base import Engine


class _Stopped(Exception):
    """The session says so."""


class LBFGSEngine(Engine):
    """`fit` with `optimizers.LBFGS`; a step is an iteration, and so is an epoch."""

    drives = True

    def __init__(self, net, data, state, n_threads):
        try:
            from scipy.optimize import minimize
        except ImportError:
            raise ImportError('LBFGS needs SciPy: pip install "fastnn-mlp[scipy]"') from None
        if any(net.dropout):
            raise ValueError(
                "L-BFGS needs a loss that does not change by chance: set net.dropout = 0, or choose another optimizer"
            )
        self.minimize, self.net, self.optimizer = minimize, net, state.optimizer
        self.objective = Objective(net, data, state.optimizer.l2, n_threads)
        self.params, self.iterations = net.params.copy(), state.step  # after the last iteration

    def load(self, state):
        """What others have done to the parameters does not count: SciPy goes on from its own."""

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
            if not np.array_equal(
                x, objective.twin.params
            ):  # not the point that the line search looked at last
                evaluate(x)
            session.begin_slice(1)[0, 0] = objective.loss
            self.params = x.astype(self.net.dtype)
            self.iterations += 1
            if session.tick():
                raise _Stopped

        def evaluate(x):
            value = objective(x)
            if not np.isfinite(objective.loss):
                self.diverged()
            return value

        start = self.net.params.astype(np.float64)
        try:
            self.minimize(
                evaluate,
                start,
                jac=True,
                method="L-BFGS-B",
                callback=after_iteration,
                options=options,
            )
        except _Stopped:
            pass

    def diverged(self):
        i = self.iterations + 1
        raise DivergenceError(
            f"L-BFGS diverged in iteration {i}: the loss is not finite; the parameters are those of the iteration before. Way out: "
            "look for NaN in X and y, scale inputs and targets to about -1..1, or add a penalty (l2)",
            i,
            i,
        )


class Objective:
    """x -> loss + l2/2 sum W^2 and its gradient, in float64; `loss` is the last one without the
    penalty l2."""

    def __init__(self, net, data, l2, n_threads):
        self.twin, self.l2, self.n_threads, self.loss = (
            net._twin(np.dtype(np.float64)),
            l2,
            n_threads,
            np.nan,
        )
        self.is_weight = np.ones(net.n_params)
        for b in net._views(self.is_weight)[1]:
            if b is not None:
                b[:] = 0
        self.data = data.in_double()
        self.total = data.total_weight() or 1.0
        self.slope = l2 + data.alpha / self.total
        self.trainer: Any = (
            None
            if is_sparse(data.X)
            else self.data.trainer(self.twin, len(data), n_threads=n_threads)
        )

    def __call__(self, x):
        self.twin.params = x
        self.loss = self.gradient_of_blocks() if self.trainer is None else self.gradient()
        w = self.is_weight * x
        return self.loss + self.l2 * (w @ w) / 2, self.twin.grads + self.slope * w

    def gradient(self):
        """The loss of all rows; its gradient, without penalties, in the twin's grads."""
        loss = self.trainer.gradient(self.n_threads)
        self.trainer.store_gradient(self.twin.grads)
        return loss

    def gradient_of_blocks(self):
        """The same of sparse rows, a block of them at a time."""
        twin = self.twin
        loss, grads, of_block = 0.0, np.zeros_like(twin.grads), np.empty_like(twin.grads)
        for block, part in self.data.blocks():
            trainer = block.trainer(twin, len(block), n_threads=self.n_threads)
            loss += part * trainer.gradient(self.n_threads)
            trainer.store_gradient(of_block)
            grads += part * of_block
        twin.grads[...] = grads
        return loss + self.data.alpha / 2 / self.total * sum(
            float((W**2).sum()) for W in twin.weights
        )

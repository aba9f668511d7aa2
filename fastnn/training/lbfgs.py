"""The run of L-BFGS: SciPy walks; the kernels tell it the loss and the gradient of all rows."""

import time

import numpy as np

from ..validation import check_threads
from .state import DivergenceError, History


class _Stopped(Exception):
    """A callback has said so."""


def run(net, problem, state, epochs, judge, callbacks, line, n_threads):
    """`fit` with `optimizers.LBFGS`: at most `epochs` iterations."""
    try:
        from scipy.optimize import minimize
    except ImportError:
        raise ImportError('LBFGS needs SciPy: pip install "fastnn-mlp[scipy]"') from None
    if any(net.dropout):
        raise ValueError("L-BFGS needs a loss that does not change by chance: set net.dropout = 0, or choose another optimizer")
    began, history = time.perf_counter(), History()
    penalised = _PenalisedLoss(net, problem, state, check_threads(n_threads))

    def after_iteration(x):
        if not np.array_equal(x, penalised.twin.params):  # not the point that the line search looked at last
            penalised(x)
        net.params = x
        state.step = state.epoch = history.n_steps = history.n_epochs = state.step + 1
        history.loss.append(penalised.loss)
        history.seconds = time.perf_counter() - began
        if judge:
            history.val_loss.append(judge())
        answers = [callback.on_epoch_end(net, history) for callback in callbacks]
        if line:
            line.show(history)
        if any(answer is True for answer in answers):
            raise _Stopped

    with net._in_training():
        try:
            net.state, net.history = state, history
            for callback in callbacks:
                callback.on_fit_begin(net, history)
            if epochs:
                o = state.optimizer
                options = dict(maxiter=epochs, maxfun=o.max_evaluations or 2**31 - 1, maxcor=o.history_size, gtol=o.tolerance_grad,
                               ftol=o.tolerance_loss)  # fmt: skip
                start = net.params.astype(np.float64)
                try:
                    minimize(penalised, start, jac=True, method="L-BFGS-B", callback=after_iteration, options=options)
                except _Stopped:
                    pass
            for callback in callbacks:
                callback.on_fit_end(net, history)
        finally:
            if line:
                line.close(history)
    return history


class _PenalisedLoss:
    """x -> loss + l2/2 sum W^2 and its gradient, in float64."""

    def __init__(self, net, problem, state, n_threads):
        self.twin, self.state, self.n_threads = net._twin(np.dtype(np.float64)), state, n_threads
        self.is_weight = np.ones(net.n_params)
        for b in net._views(self.is_weight)[1]:
            if b is not None:
                b[:] = 0
        self.trainer = problem.in_double().trainer(self.twin, len(problem), n_threads=n_threads)
        total = len(problem) if problem.sample_weight is None else problem.sample_weight.sum(dtype=np.float64)
        self.slope = state.optimizer.l2 + problem.alpha / (total or 1)
        self.loss = np.nan  # without the penalty l2, where it was asked last

    def __call__(self, x):
        self.twin.params = x
        self.loss = self.trainer.gradient(self.n_threads)
        self.trainer.store_gradient(self.twin.grads)
        if not np.isfinite(self.loss):
            at = self.state.step + 1
            raise DivergenceError(
                f"L-BFGS diverged in iteration {at}: the loss is not finite; the parameters are those of the iteration before. Way out: "
                "look for NaN in X and y, scale inputs and targets to about -1..1, or add a penalty (l2)", at, at)  # fmt: skip
        w = self.is_weight * x
        return self.loss + self.state.optimizer.l2 * (w @ w) / 2, self.twin.grads + self.slope * w

"""Training on sparse rows, of which a block at a time is made dense: what `Session` and `kernels.Trainer` do for dense ones."""

import time

import numpy as np

from ..callbacks import Lookouts
from ..training.session import Session
from ..training.state import History
from . import inputs
from .task import Task


class SparseSession:
    """As `Session`, over rows that are made dense a block at a time. An epoch is one pass over the blocks."""

    def __init__(self, net, task, state, batch_size, shuffle, n_threads, rng, validation=None, patience=None):
        self.net, self.task, self.state, self.shuffle, self.rng, self.validation = net, task, state, shuffle, rng, validation
        self.arguments = batch_size, False, n_threads, rng
        self.rows = inputs.block_rows(task.X, batch_size)
        self.patience: int
        self.tolerance: float
        self.best_loss: float
        self.patience, self.tolerance, self.best_loss = (0, 0.0, np.inf) if patience is None else patience
        self.not_better = 0
        self.history, self.converged = History(), False

    def run(self, epochs, callbacks=(), line=None):
        history, net = self.history, self.net
        self.lookouts = Lookouts(callbacks, time.perf_counter())
        try:
            for callback in callbacks:
                callback.on_fit_begin(net, history)
            stop = False
            while history.n_epochs < epochs and not stop:
                stop = self.epoch() or self.converged
                stop = self.ask(callbacks, "on_epoch_end") or stop
                if line:
                    line.show(history)
        finally:
            net.history = history
            if line:
                line.close(history)
        for callback in callbacks:
            callback.on_fit_end(net, history)
        return history

    def ask(self, callbacks, event):
        """All of them, also after one says stop; whether one does."""
        return any([getattr(callback, event)(self.net, self.history) is True for callback in callbacks])  # noqa: C419 (a generator would stop at the first)

    def epoch(self):
        """One pass over the rows; True if a callback has said stop meanwhile."""
        n, state, history = len(self.task), self.state, self.history
        order = self.rng.permutation(n) if self.shuffle else np.arange(n)
        epoch, plateau, loss, stop = state.epoch, state.plateau, 0.0, False
        for a in range(0, n, self.rows):
            rows = order[a : a + self.rows]
            block = Session(self.net, self.task.problem(self.net, rows), state, *self.arguments).run(1)
            state.epoch, state.plateau = epoch, plateau  # what has ended is a block, no epoch
            loss += block.loss[0] * len(rows)
            history.n_steps += block.n_steps
            history.seconds += block.seconds
            stop = self.ask(self.lookouts.due(), "on_interval") or stop
        state.epoch += 1
        history.n_epochs += 1
        history.loss.append(loss / n)
        if self.validation is not None:
            history.val_loss.append(self.validation.judge(self.net))
        if state.watches_loss:
            state.watch((history.val_loss or history.loss)[-1])
        self.not_better = 0 if history.loss[-1] <= self.best_loss - self.tolerance else self.not_better + 1
        self.best_loss = min(self.best_loss, history.loss[-1])
        self.converged = 0 < self.patience <= self.not_better
        return stop


class BlockTask(Task):
    """A task over sparse rows as L-BFGS asks it: for loss and gradient of all of them."""

    @property
    def sample_weight(self):
        return self.weight

    def in_double(self):
        return self  # the rows are, as the network that they are made dense for

    def trainer(self, net, batch_size, n_threads):
        return BlockGradient(self, net)


class BlockGradient:
    """What `kernels.Trainer` does for L-BFGS, a block of rows at a time."""

    def __init__(self, task, net):
        self.task, self.net, self.grads = task, net, np.zeros_like(net.params)

    def gradient(self, n_threads=1):
        self.grads[:] = 0
        loss, part_grads = 0.0, np.empty_like(self.grads)
        for problem, part in self.task.blocks(self.net):
            trainer = problem.trainer(self.net, len(problem), n_threads=n_threads)
            loss += part * trainer.gradient(n_threads)
            trainer.store_gradient(part_grads)
            self.grads += part * part_grads
        return loss + self.task.alpha / 2 / self.task.weigh() * sum(float((W**2).sum()) for W in self.net.weights)

    def store_gradient(self, grads):
        grads[...] = self.grads

"""One call of `fit`: sessions over dense rows, or over blocks of sparse ones, until a rule says stop."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import lbfgs, losses, problem
from ..callbacks import Callback
from ..optimizers import LBFGS
from ..session import Session
from ..state import History
from . import inputs
from .settings import LEAST_RATE, with_rate


@dataclass
class Task:
    """What a network is to learn, or to be judged by: rows as `inputs` checked them, with targets and a loss."""

    X: Any  # ndarray or CSR matrix (n, n_features)
    targets: np.ndarray
    weight: np.ndarray | None
    loss: losses.Loss
    alpha: float = 0.0

    def __len__(self):
        return self.X.shape[0]

    def problem(self, net, rows=slice(None)):
        """Some of the rows for the kernels; sparse ones are made dense."""
        X, weight = self.X[rows], None if self.weight is None else self.weight[rows]
        X = X.toarray() if inputs.is_sparse(X) else X
        return replace(problem.pose(net, X, self.targets[rows], self.loss, weight), alpha=self.alpha)

    def judge(self, net):
        """The loss without penalty, a block of rows at a time."""
        total, loss, step = 0.0, 0.0, inputs.block_rows(self.X)
        for a in range(0, len(self), step):
            rows = slice(a, a + step)
            w = float(len(self.targets[rows]) if self.weight is None else self.weight[rows].sum())
            loss += w * self.problem(net, rows).judge(net)()
            total += w
        return loss / (total or 1.0)


class ScoreStopping(Callback):
    """Judge by the score on held-out rows after every epoch; with patience, stop when it no longer rises, and keep the best parameters.

    score : function of the network
    patience : int or inf
        More epochs than this in a row without a score of the best so far plus `tol` or more end the training.
    """

    def __init__(self, score, patience, tol):
        self.score, self.patience, self.tol = score, patience, tol
        self.scores, self.best_score, self.best_params, self.not_better = [], -np.inf, None, 0

    def on_epoch_end(self, net, history):
        score = self.score(net)
        self.scores.append(score)
        self.not_better = 0 if score >= self.best_score + self.tol else self.not_better + 1
        if score > self.best_score:
            self.best_score = score
            if self.patience < np.inf:
                self.best_params = net.params.copy()
        if self.not_better <= self.patience:
            return False
        self.not_better = 0  # learning_rate="adaptive" goes on and counts anew
        return True


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
        try:
            for callback in callbacks:
                callback.on_fit_begin(net, history)
            stop = False
            while history.n_epochs < epochs and not stop:
                self.epoch()
                stop = any(self.ask(callbacks)) or self.converged
                if line:
                    line.show(history)
        finally:
            net.history = history
            if line:
                line.close(history)
        for callback in callbacks:
            callback.on_fit_end(net, history)
        return history

    def ask(self, callbacks):
        """All of them, also after one says stop."""
        return [callback.on_epoch_end(self.net, self.history) is True for callback in callbacks]

    def epoch(self):
        n, state, history = len(self.task), self.state, self.history
        order, epoch, loss = self.rng.permutation(n) if self.shuffle else np.arange(n), state.epoch, 0.0
        for a in range(0, n, self.rows):
            rows = order[a : a + self.rows]
            block = Session(self.net, self.task.problem(self.net, rows), state, *self.arguments).run(1)
            state.epoch = epoch
            loss += block.loss[0] * len(rows)
            history.n_steps += block.n_steps
            history.seconds += block.seconds
        state.epoch += 1
        history.n_epochs += 1
        history.loss.append(loss / n)
        if self.validation is not None:
            history.val_loss.append(self.validation.judge(self.net))
        self.not_better = 0 if history.loss[-1] <= self.best_loss - self.tolerance else self.not_better + 1
        self.best_loss = min(self.best_loss, history.loss[-1])
        self.converged = 0 < self.patience <= self.not_better


def learn(net, task, state, rng, *, epochs, batch_size, shuffle, n_threads, validation, patience, adaptive, callbacks, line):
    """Train, and leave the whole history in ``net.history``. Whether it has come to an end of its own.

    patience : (epochs, tolerance, best loss) or None
    adaptive : bool
        Where it would stop, go on with a fifth of the learning rate, down to LEAST_RATE.
    """
    if isinstance(state.optimizer, LBFGS):
        if inputs.is_sparse(task.X):
            raise ValueError("solver='lbfgs' works on all rows at once and takes no sparse X: give X.toarray(), or take solver='adam'")
        judge = None if validation is None else lambda: validation.judge(net)
        return lbfgs.run(net, task.problem(net), state, epochs, judge, callbacks, line, n_threads).n_epochs < epochs
    rows: Any = task
    kind: Any = SparseSession
    if not inputs.is_sparse(task.X):
        rows, kind, validation = task.problem(net), Session, validation and validation.problem(net)
    whole = History()
    while True:
        session = kind(net, rows, state, batch_size, shuffle, n_threads, rng, validation, patience)
        try:
            session.run(epochs - whole.n_epochs, callbacks, line)
        finally:
            net.history = whole = joined(whole, session.history)
        stopped = whole.n_epochs < epochs or session.converged
        if not (stopped and adaptive and state.optimizer.lr > LEAST_RATE and whole.n_epochs < epochs):
            return stopped
        with_rate(state, state.optimizer.lr / 5)
        patience = patience and (*patience[:2], min(patience[2], *whole.loss))


def joined(a, b):
    return History(a.loss + b.loss, a.val_loss + b.val_loss, a.n_epochs + b.n_epochs, a.n_steps + b.n_steps, a.seconds + b.seconds)

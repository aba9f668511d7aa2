"""One call of `fit`: sessions, one after the other, until a rule says stop."""

from typing import Any

import numpy as np

from ..callbacks import Callback
from ..optimizers import LBFGS
from ..training import lbfgs
from ..training.session import Session
from ..training.state import History
from . import inputs
from .settings import LEAST_RATE, with_rate
from .sparse import BlockTask, SparseSession


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


def learn(net, task, state, rng, *, epochs, batch_size, shuffle, n_threads, validation, patience, adaptive, callbacks, line):
    """Train, and leave the whole history in ``net.history``. Whether it has come to an end of its own.

    patience : (epochs, tolerance, best loss) or None
    adaptive : bool
        Where it would stop, go on with a fifth of the learning rate, down to LEAST_RATE.
    """
    net.history = whole = History()
    if isinstance(state.optimizer, LBFGS):
        rows = BlockTask(**vars(task)) if inputs.is_sparse(task.X) else task.problem(net)
        judge = None if validation is None else lambda: validation.judge(net)
        return lbfgs.run(net, rows, state, epochs, judge, callbacks, line, n_threads).n_epochs < epochs
    kind: Any = SparseSession
    rows = task
    if not inputs.is_sparse(task.X):
        rows, kind, validation = task.problem(net), Session, validation and validation.problem(net)
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

"""Early stopping based on held-out rows."""

import numpy as np

from ..callbacks import Callback
from ..training.stopping import Patience


class ScoreStopping(Callback):
    """Score held-out rows after each epoch.

    With finite patience, also stop training when the score no longer improves, and keep the best
    parameters.

    Parameters
    ----------
    score : callable
        score(net) returns the score of the held-out rows.
    patience : int or inf
        Training stops after more than this number of epochs in a row without an improvement.
    tol : float
        A score that is at least the best one so far plus `tol` is an improvement.
    """

    allows_retry = True
    _what = "validation score"

    def __init__(self, score, patience, tol):
        self.score, self.patience = score, Patience(patience + 1, tol, running_best=True)
        self.scores, self.best_params = [], None

    def measure(self, net, history):
        """Return what is to become small, and record the score."""
        self.scores.append(self.score(net))
        return -self.scores[-1]

    def on_epoch_end(self, net, history):
        if self.patience.update(self.measure(net, history)) and self.keeps_best:
            self.best_params = net.params.copy()
        if not self.patience.exhausted:
            return False
        self._reason = self.patience.reason(self._what)
        self.patience.count = 0  # learning_rate="adaptive" continues training and counts again
        return True

    @property
    def keeps_best(self):
        return self.patience.epochs < np.inf

    def stop_reason(self, event):
        return self._reason


class LossStopping(ScoreStopping):
    """Keep the parameters with the lowest validation loss, and stop when it no longer improves.

    `fastnn.callbacks.EarlyStopping` does the same, but training cannot continue with a lower
    learning rate after it.
    """

    _what = "validation loss"
    keeps_best = True

    def __init__(self, patience, tol):
        super().__init__(None, patience, tol)
        self.patience.running_best = False

    def measure(self, net, history):
        return history.val_loss[-1]

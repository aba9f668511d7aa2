"""Early stopping based on the score of held-out rows."""

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

    _allows_retry = True

    def __init__(self, score, patience, tol):
        self.score, self.patience = score, Patience(patience + 1, tol, running_best=True)
        self.scores, self.best_params = [], None

    def on_epoch_end(self, net, history):
        self.scores.append(self.score(net))
        if self.patience.update(-self.scores[-1]) and self.patience.epochs < np.inf:
            self.best_params = net.params.copy()
        if not self.patience.exhausted:
            return False
        self._reason = self.patience.reason("validation score")
        self.patience.count = 0  # learning_rate="adaptive" continues training and counts again
        return True

    def stop_reason(self, event):
        return self._reason

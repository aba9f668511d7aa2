"""Early stopping by the score on held-out rows."""

import numpy as np

from ..callbacks import Callback
from ..training.stopping import Patience


class ScoreStopping(Callback):
    """Score the held-out rows after every epoch; with finite patience, stop when the score no
    longer rises, and keep the best parameters.

    score : function of the network
    patience : int or inf
        More epochs than this in a row without a score of the best so far plus `tol` or more end the
        training.
    """

    def __init__(self, score, patience, tol):
        self.score, self.patience = score, Patience(patience + 1, tol, running_best=True)
        self.scores, self.best_params = [], None

    def on_epoch_end(self, net, history):
        self.scores.append(self.score(net))
        if self.patience.update(-self.scores[-1]) and self.patience.epochs < np.inf:
            self.best_params = net.params.copy()
        if not self.patience.exhausted:
            return False
        self.patience.count = 0  # learning_rate="adaptive" goes on and counts anew
        return True

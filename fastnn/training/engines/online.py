"""The engine of single rows, for online learning: it keeps its trainer between calls."""

import numpy as np

from ... import kernels
from ...kernels import Stop
from .dense import DenseEngine


class OnlineEngine(DenseEngine):
    """Take steps on single rows. The caller holds the lock of the network, `net._in_training()`.

    Parameters
    ----------
    net : MLP
        A trained network. Steps continue from ``net.state`` with its optimizer.
    data : Data
        One dense row, as an example of the rows to come.
    """

    def __init__(self, net, data):
        self.net, self.state = net, net.state
        data.X, data.targets = data.X.copy(), data.targets.copy()
        self.X, self.targets = data.X, data.targets
        super().__init__(net, data, net.state, 1, False, 1, net.rng)
        self.losses = np.empty(1)

    def read_row(self, X):
        """Copy X to the row of the next step. Return False if X is not one finite row like it."""
        if (
            type(X) is not np.ndarray
            or X.shape != self.X.shape
            or X.dtype != self.X.dtype
            or self.net.state is not self.state
        ):
            return False
        self.X[...] = X
        return kernels.all_finite(self.X)

    def step(self, X, target):
        """Take a step and return its loss. None, without a change, if `read_row` refuses X or the
        loss is not finite."""
        if not self.read_row(X):
            return None
        self.targets[0] = target
        state, trainer = self.state, self.trainer
        trainer.load(state.moments)  # load, advance, store; inline, since calls took 0.3 of 9 us
        trainer.set_position(state.step, state.epoch, 0, 0.0)
        if trainer.run(1, 1.0, self.losses) == Stop.NOT_FINITE:
            return None
        trainer.store(state.moments)
        state.step, state.epoch, _, _ = trainer.position()
        return self.losses.item()

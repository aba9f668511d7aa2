"""The engine of single rows, for online learning: it keeps its trainer between calls."""

import numpy as np

from ... import kernels
from ...kernels import Stop
from ..plan import FitOptions, Plan
from .dense import DenseEngine


class OnlineEngine(DenseEngine):
    """Take steps on single rows: write a row to `X` and its target to `targets`, then call `step`.

    The caller holds the lock of the network meanwhile, `net._in_training()`.

    Parameters
    ----------
    net : MLP
        A trained network. Steps continue from ``net.state`` with its optimizer.
    data : Data
        One dense row, as an example of the rows to come.
    """

    def __init__(self, net, data):
        self.net, self.state, self.dropout = net, net.state, net.dropout
        data.X, data.targets = data.X.copy(), data.targets.copy()
        self.X, self.targets = data.X, data.targets
        options = FitOptions(batch_size=1, shuffle=False)
        super().__init__(Plan(net, data, options, net.rng, state=net.state))
        self.losses = np.empty(1)

    def read_row(self, X):
        """Copy X to the row of the next step.

        Return False if X is not one finite row like it, or if the network needs another engine.
        """
        if (
            type(X) is not np.ndarray
            or X.shape != self.X.shape
            or X.dtype != self.X.dtype
            or self.net.state is not self.state
            or self.net.dropout is not self.dropout
        ):
            return False
        self.X[...] = X
        return kernels.all_finite(self.X)

    def step(self):
        """Take a step and return its loss; None if it is not finite, which changes nothing."""
        state, trainer = self.state, self.trainer
        trainer.load(state.moments)  # load, advance, store; inline, since calls took 0.3 of 9 us
        trainer.set_position(state.step, state.epoch, 0, 0.0)
        if trainer.run(1, 1.0, self.losses) == Stop.NOT_FINITE:
            return None
        try:
            trainer.store(state.moments)
            state.step, state.epoch, _, _ = trainer.position()
        except KeyboardInterrupt:  # between two statements; repeating them is harmless
            trainer.store(state.moments)
            state.step, state.epoch, _, _ = trainer.position()
            raise
        return self.losses.item()

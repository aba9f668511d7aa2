"""Single rows, one after the other: a trainer that stays, so that a step costs little more than its
arithmetic."""

import numpy as np

from ... import kernels
from ...kernels import Stop
from .dense import DenseEngine


class OnlineEngine(DenseEngine):
    """Steps on single rows: put a row in `X` and its target in `targets`, then `step`.

    Parameters
    ----------
    net : MLP
        It has been trained, and goes on from ``net.state``, by its optimizer.
    data : Data
        One dense row: of such rows it takes more.
    """

    def __init__(self, net, data):
        self.net, self.state = net, net.state
        data.X, data.targets = data.X.copy(), data.targets.copy()
        self.X, self.targets = data.X, data.targets
        super().__init__(net, data, net.state, 1, False, 1, net.rng)
        self.losses = np.empty(1)

    def takes(self, X):
        """Whether X is one row of finite numbers; then it is the next to learn from."""
        if (
            type(X) is not np.ndarray
            or X.shape != self.X.shape
            or X.dtype != self.X.dtype
            or self.net.state is not self.state
        ):
            return False
        self.X[...] = X
        return kernels.all_finite(self.X)

    def step(self):
        """One step on what is in `X` and `targets`; its loss, or None if it went wrong, which
        leaves all as it was."""
        state, trainer = self.state, self.trainer
        with (
            self.net._in_training()
        ):  # load, advance and store, without a call for each: 0.3 of 9 us
            trainer.load(state.moments)
            trainer.set_position(state.step, state.epoch, 0, 0.0)
            if trainer.run(1, 1.0, self.losses) == Stop.NOT_FINITE:
                return None
            trainer.store(state.moments)
            state.step, state.epoch, _, _ = trainer.position()
        return self.losses.item()

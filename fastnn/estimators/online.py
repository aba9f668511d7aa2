"""partial_fit of one row at a time, by a trainer that stays: beyond the step itself it costs a few microseconds."""

import numpy as np

from .. import kernels
from ..kernels import Stop
from ..losses import OwnLoss
from .inputs import is_sparse


class Online:
    """Steps on single rows, with the settings of the call of partial_fit that made it."""

    @staticmethod
    def serves(estimator, task):
        """Whether nothing is asked for that needs a look between steps."""
        plain = not estimator.callbacks and getattr(estimator, "class_weight", None) is None and task.weight is None
        state = estimator.network_.state
        plain = plain and not state.averages and not state.watches_loss
        return plain and not is_sparse(task.X) and not isinstance(task.loss, OwnLoss) and not hasattr(estimator, "feature_names_in_")

    def __init__(self, estimator, task):
        net, problem = estimator.network_, task.problem(estimator.network_)
        self.net, self.state = net, net.state
        problem.X, problem.targets = problem.X.copy(), problem.targets.copy()
        self.X, self.targets = problem.X, problem.targets
        dropout = dict(dropout=np.array(net.dropout), seed=net.state.seed) if any(net.dropout) else {}
        self.trainer = problem.trainer(net, 1, optimizer=net.state.kernel_settings(), **dropout)
        self.loss = np.empty(1)

    def takes(self, X):
        """Whether X is one row of finite numbers; then it is the next to learn from."""
        if type(X) is not np.ndarray or X.shape != self.X.shape or X.dtype != self.X.dtype or self.net.state is not self.state:
            return False
        self.X[...] = X
        return kernels.all_finite(self.X)

    def step(self):
        """One step on what is in `X` and `targets`; its loss, or None if it went wrong, which leaves all as it was."""
        net, state, trainer = self.net, self.state, self.trainer
        with net._in_training():
            trainer.load(state.moments)
            trainer.set_position(state.step, state.epoch, 0, 0.0)
            if trainer.run(1, 1.0, self.loss) == Stop.NOT_FINITE:
                return None
            trainer.store(state.moments)
            state.step, state.epoch, _, _ = trainer.position()
        return self.loss.item()

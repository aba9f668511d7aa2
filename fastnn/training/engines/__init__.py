"""Engines compute the steps of training. A `Session` advances one; `engine` selects it."""

from ...core.sparse_rows import is_sparse
from .dense import DenseEngine


def engine(net, data, state, options, rng, validation=None, queue=None):
    """Return the engine for this optimizer and these rows, with the arguments of `DenseEngine`.

    Other engines compute no validation loss, and do not run in a queue.
    """
    if data.is_streamed:
        from .blocks import WindowsEngine

        return WindowsEngine(net, data, state, options, rng)
    if state.optimizer.full_batch:
        from .lbfgs import LBFGSEngine

        return LBFGSEngine(net, data, state, options)
    if is_sparse(data.X):
        from .blocks import SparseEngine

        return SparseEngine(net, data, state, options, rng)
    return DenseEngine(net, data, state, options, rng, validation, queue)

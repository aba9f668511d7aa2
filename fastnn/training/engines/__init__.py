"""Engines compute the steps of training. A `Session` advances one; `engine` selects it."""

from ...validation import check_count
from ..data import is_sparse
from .dense import DenseEngine


def engine(
    net,
    data,
    state,
    batch_size,
    shuffle,
    n_threads,
    rng,
    validation=None,
    keep_best=False,
    queue=None,
):
    """Return the engine for this optimizer and these rows; arguments as in `MLP.fit`.

    n_threads : number of threads, at least 1
    keep_best, queue : as in `DenseEngine`; other engines ignore them.
    """
    if state.optimizer.full_batch:
        from .lbfgs import LBFGSEngine

        return LBFGSEngine(net, data, state, n_threads)
    n = len(data)
    batch_size = n if batch_size is None else min(check_count("batch_size", batch_size), n)
    if is_sparse(data.X):
        from .blocks import BlocksEngine

        return BlocksEngine(net, data, state, batch_size, shuffle, n_threads, rng, validation)
    return DenseEngine(
        net, data, state, batch_size, shuffle, n_threads, rng, validation, keep_best, queue
    )

"""Engines: what computes the steps of a training. A `Session` drives one of them; `engine` picks it."""

from ...validation import check_count, check_threads
from ..data import is_sparse
from .base import Engine
from .blocks import BlocksEngine
from .dense import DenseEngine
from .lbfgs import LBFGSEngine

__all__ = ["BlocksEngine", "DenseEngine", "Engine", "LBFGSEngine", "engine"]


def engine(net, data, state, batch_size, shuffle, n_threads, rng, validation=None):
    """The engine for this optimizer and these rows; arguments as in `MLP.fit`."""
    n_threads = check_threads(n_threads)
    if state.optimizer.full_batch:
        return LBFGSEngine(net, data, state, n_threads)
    n = len(data)
    batch_size = n if batch_size is None else min(check_count("batch_size", batch_size), n)
    kind = BlocksEngine if is_sparse(data.X) else DenseEngine
    return kind(net, data, state, batch_size, shuffle, n_threads, rng, validation)

"""Engines compute the steps of training. A `Session` advances one; `engine` selects it."""

from ...sparse_rows import is_sparse
from ...validation import check_count
from ..stream import StreamedData
from .dense import DenseEngine


def engine(net, data, state, batch_size, shuffle, n_threads, rng, validation=None, **dense_options):
    """Return the engine for this optimizer and these rows; arguments as in `MLP.fit`.

    n_threads : number of threads, at least 1
    dense_options : keep_best and queue of `DenseEngine`, which other engines ignore
    """
    if isinstance(data, StreamedData):
        from .windows import WindowsEngine

        if state.optimizer.full_batch or batch_size is None:
            what = "batch_size=None takes" if batch_size is None else "L-BFGS takes"
            raise ValueError(
                f"{what} all rows in one step, but row groups are read window by window. Pass "
                "a batch_size and another optimizer, or all rows as arrays."
            )
        return WindowsEngine(
            *(net, data, state, check_count("batch_size", batch_size), shuffle, n_threads, rng)
        )
    if state.optimizer.full_batch:
        from .lbfgs import LBFGSEngine

        return LBFGSEngine(net, data, state, n_threads)
    if batch_size is not None:
        batch_size = check_count("batch_size", batch_size)
    arguments = (net, data, state, batch_size, shuffle, n_threads, rng, validation)
    if is_sparse(data.X):
        from .sparse import SparseEngine

        return SparseEngine(*arguments)
    return DenseEngine(*arguments, **dense_options)

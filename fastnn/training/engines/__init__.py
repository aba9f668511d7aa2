"""Engines compute the steps of training. A `Session` advances one; `make_engine` selects it.

- `base`: the protocol. `dense`: dense rows, by the compiled trainer.
- `blocks`: one block of rows after another: sparse rows, windows of a stream.
- `online`: single rows. `lbfgs`: L-BFGS, by SciPy.

`distributed` has those of several machines.
"""

from ...core.sparse_rows import is_sparse
from .dense import DenseEngine


def make_engine(plan, queue=None):
    """Return the engine for the optimizer and the rows of a plan, with the arguments of `DenseEngine`.

    Other engines compute no validation loss, and do not run in a queue.
    """
    if plan.options.ranks is not None:
        from ...distributed.rank_engine import make_rank_engine

        return make_rank_engine(plan)
    if hasattr(plan.data, "make_engine"):  # `distributed`, which is above this package
        return plan.data.make_engine(plan)
    if plan.data.is_streamed:
        from .blocks import WindowsEngine

        return WindowsEngine(plan)
    if plan.state.optimizer.full_batch:
        from .lbfgs import LBFGSEngine

        return LBFGSEngine(plan)
    if is_sparse(plan.data.X):
        from .blocks import SparseEngine

        return SparseEngine(plan)
    return DenseEngine(plan, queue)

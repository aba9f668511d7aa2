"""`MLP.fit` with rows in shards, on one machine or on several ranks."""

from ..core.draws import UndoDraws
from ..distributed import communicator, parts
from ..distributed.ranks import Ranks


def fit_together(net, arguments, comm, shards, progress):
    """Train a network, and return its History.

    Parameters
    ----------
    net : MLP
    arguments : (RowArguments, loss, dict, rng)
        Those of `MLP.plan`, without the ranks.
    comm, shards, progress
        As in `MLP.fit`.
    """
    comm = None if comm is None else communicator.resolve(comm)
    shards = parts.DEFAULT_SHARDS if shards is None else shards
    parts.count(shards, 1 if comm is None else comm.size)  # the same error on all ranks
    ranks = Ranks(comm, in_tree=shards > 0)
    rows, loss, options, rng = arguments
    rows = rows._replace(may_be_empty=comm is not None)
    options |= dict(ranks=ranks, shards=shards)
    with ranks.deferring_signals(), net._in_training():
        with ranks.failing_together():
            plan = net.plan(rows, loss, options, rng)
            undo = UndoDraws([(net, plan.rng)])
            with undo:
                session = plan.session()
        if progress and ranks.comm.rank == 0:
            from .progress import ProgressLine

            session.line = ProgressLine(plan.options.epochs, session.data.n_rows)
        return session.run_locked()

"""FitCall: one call of `MLP.fit`, from its arguments to the plan, on one machine or on several ranks."""

from contextlib import ExitStack
from typing import Any, NamedTuple

from .. import losses
from ..core.draws import UndoDraws
from ..core.validation import check_rng
from . import fit_data
from .plan import FitOptions, Plan


class FitCall(NamedTuple):
    """Arguments of `MLP.fit`, as they were passed.

    Attributes
    ----------
    net : MLP
    rows : fit_data.RowArguments
    loss : str, Loss, callable or None
    options : dict
        Arguments of `FitOptions`.
    rng : None, int or Generator
    """

    net: Any
    rows: Any
    loss: Any
    options: dict
    rng: Any

    def plan(self):
        """Return the Plan, after checks."""
        net, rows = self.net, self.rows
        options, rng = FitOptions(**self.options), check_rng(self.rng)
        loss = losses.resolve(self.loss, net.activations[-1])
        data = fit_data.training_data(net, rows, loss)
        validation = fit_data.validation_data(net, rows.validation_data, loss, data, rows.window)
        if options.validation_fraction and validation is not None:
            raise ValueError(
                "validation_data and validation_fraction exclude each other. Pass one of them."
            )
        return Plan(net, data, options, rng, validation)

    def fit(self, progress):
        """Train, and return the History. progress : as in `MLP.fit`"""
        net, plan = self.net, self.plan()
        # no other thread changes the state, which the plan reads
        with net._in_training(), UndoDraws([(net, plan.rng)] if plan.draws else []):
            session = plan.session()
            if progress:
                session.line = _progress_line(session)
            return session.run_locked()

    def fit_on_ranks(self, comm, shards, sync_every, progress):
        """Train with rows in shards, and return the History. The arguments are those of `MLP.fit`."""
        from ..distributed.ranks import Ranks

        ranks = Ranks(comm, shards, sync_every)
        call = self._replace(
            rows=self.rows._replace(may_be_empty=comm is not None),
            options=self.options | dict(ranks=ranks),
        )
        with ranks.deferring_signals(), ExitStack() as stack:
            with ranks.failing_together():
                stack.enter_context(self.net._in_training())
                plan = call.plan()
                with UndoDraws([(self.net, plan.rng)]):
                    session = plan.session()
            if progress and ranks.comm.rank == 0:
                session.line = _progress_line(session)
            return session.run_locked()


def _progress_line(session):
    from .progress import ProgressLine  # most trainings show none

    return ProgressLine(session.options.epochs, session.data.n_rows)

"""StoppedFit: where a fit on Dask collections stood when its cluster failed."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Parameters that may change before the fit continues: they have no influence on the bits.
FREE = "callbacks", "max_iter", "n_threads", "random_state", "verbose", "warm_start"
ENDS_LATER = "all epochs done", "interrupted", ""  # reasons of sessions that the pool has stopped


@dataclass(frozen=True, eq=False)
class StoppedFit:
    """From which `DaskFit` continues, with the bits of a fit that was not stopped.

    Attributes
    ----------
    parameters : dict
        Of the estimator, as texts.
    lengths : ndarray of int
        Number of rows of each partition.
    held_out : (float, int)
        As in `ChunkTask`.
    records : list of Record
        Of the networks before the fit.
    members : list of StoppedMember
    """

    parameters: dict
    lengths: np.ndarray
    held_out: tuple
    records: list
    members: list

    @classmethod
    def of(cls, fit):
        """Return that of a DaskFit whose sessions have ended."""
        members = [StoppedMember.of(*each) for each in zip(fit.members, fit.first_rngs)]
        records = copy.deepcopy(fit.records)
        return cls(parameters_of(fit.estimator), fit.lengths, fit.held_out, records, members)

    def difference(self, estimator, lengths):
        """Return what is no longer as it was, "" if nothing is."""
        now = parameters_of(estimator)
        changed = [name for name, value in self.parameters.items() if now[name] != value]
        if changed:
            return f"{' and '.join(changed)} changed"
        return "" if np.array_equal(self.lengths, lengths) else "X has other partitions"


@dataclass(frozen=True, eq=False)
class StoppedMember:
    """One network of a StoppedFit.

    Attributes
    ----------
    params : ndarray (n_params,)
        Of the network, which the end of the fit may replace by those of its best epoch.
    state : TrainingState or None
        None if its training has not begun.
    history : History
    patience : Patience or None
    results : list
        What each of its callbacks has changed.
    rng : np.random.Generator
        Before anything was drawn: a session that has not begun may have drawn a seed.
    """

    params: np.ndarray
    state: Any
    history: Any
    patience: Any
    results: list
    rng: Any

    @classmethod
    def of(cls, member, first_rng):
        net = member.net
        state = None
        if member.earlier is not None or net.history is member.history:  # it has begun
            state = copy.copy(net.state)
            state.moments = net.state.moments.copy()
        results = [each.result for each in member.callbacks]
        return cls(
            net.params.copy(),
            state,
            member.whole_history(),
            *copy.deepcopy((member.patience, results, first_rng)),
        )

    def apply(self, member):
        """Let a FitMember continue."""
        member.net.params = self.params
        if self.state is not None:
            member.net.state = copy.copy(self.state)
            member.net.state.moments = self.state.moments.copy()
        member.patience, results, member.rng = copy.deepcopy(
            (self.patience, self.results, self.rng)
        )
        for callback, result in zip(member.callbacks, results, strict=True):
            callback.result = result
        member.earlier = self.history

    def is_done(self, max_iter):
        """Whether the network needs no more training."""
        reason = self.history.stop_reason
        failed = reason in ENDS_LATER or reason.endswith("was raised")
        return self.history.n_epochs >= max_iter or not failed


def parameters_of(estimator):
    """Return the parameters on which the bits of a fit depend, as texts."""
    return {
        name: repr(value)
        for name, value in sorted(estimator.get_params(deep=False).items())
        if name not in FREE
    }

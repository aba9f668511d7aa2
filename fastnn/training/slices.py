"""Slice: what a session knows of the steps in progress."""

from typing import Any, NamedTuple

import numpy as np


class Slice(NamedTuple):
    """A slice of an engine's steps: what its losses are compared with.

    A session replaces it by one assignment, because a signal may come between two. `record` then
    updates the state and the history from the position of the engine, at any time and repeatedly.
    """

    losses: np.ndarray  # (3, epochs), OUT of the engine
    first_epoch: int
    n_losses: int  # of the history, before the slice
    plateau: Any  # before the slice

    @classmethod
    def after(cls, last, state, history, epochs):
        """Return the next slice of at most this many epochs. last : Slice, or None"""
        losses = None if last is None else last.losses
        if losses is None or losses.shape[1] != epochs:  # `record` has read those of the last
            losses = np.empty((3, epochs))
        return cls(losses, state.epoch, len(history.loss), state.plateau)

    def record(self, session):
        """Update state and history."""
        state, history, engine = session.state, session.history, session.engine
        before, first_epoch = self.n_losses, self.first_epoch
        state.step, state.epoch, state.row, state.loss_sum = engine.position()
        history.loss[before:] = self.losses[0, : max(0, state.epoch - first_epoch)].tolist()
        if engine.validates:
            validated = max(0, engine.epochs_validated() - first_epoch)
            history.val_loss[before:] = self.losses[1, :validated].tolist()
            if session.stopping and session.stopping.monitor == "error_rate":
                history.val_error_rate[before:] = self.losses[2, :validated].tolist()
        if state.needs_epoch_loss:
            self.record_plateau(session)

    def record_plateau(self, session):
        """Update the state of `ReduceOnPlateau`, if an epoch has ended and its loss is known."""
        state, history = session.state, session.history
        losses = history.loss if session.validation is None else history.val_loss
        if state.epoch == self.first_epoch:
            state.plateau = self.plateau  # also after an epoch that diverged
        elif state.plateau is self.plateau and len(losses) > self.n_losses:
            state.update_plateau(losses[self.n_losses])

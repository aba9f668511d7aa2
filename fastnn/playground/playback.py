"""Playback: a training that can be stepped, stopped and taken back, always with the same bits.

A training is a list of stretches. Each begins with settings at a step and lasts until the next one.
Its steps come from `MLP.fit(max_steps=..., resume=True)`, which gives the bits of one long `fit`. So
a position is a number of steps, and every position can be computed again from any earlier copy of
the network: `seek` goes back to the last copy before it, and trains from there.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from ..state import DivergenceError
from .settings import NEW_NETWORK, Settings

COPIES_BYTES = 64e6  # of networks that are kept to go back to
ALL_EPOCHS = 10**9  # `max_steps` ends a call of fit
_branches = itertools.count()


@dataclass(frozen=True)
class Stretch:
    """The steps from `start` on have these settings. is_fresh: the optimizer starts without moments."""

    start: int
    settings: Settings
    is_fresh: bool


class Playback:
    """One training of the playground.

    Parameters
    ----------
    settings : Settings
    data : PlayData

    Attributes
    ----------
    net : MLP
        At the position.
    step : int
        The position: steps since the beginning.
    stretches : list of Stretch
    loss, test_loss : list of float
        After each epoch: the mean loss of its batches, and the loss of the held-out rows.
    diverged : str
        Why training cannot go on, or "".
    branch : int
        Another number after each way back: the losses that follow may be others.
    """

    def __init__(self, settings: Settings, data: Any) -> None:
        self.data = data
        settings = settings.for_data(data)
        self.stretches = [Stretch(0, settings, True)]
        self.net = settings.network(data)
        self.step, self.diverged = 0, ""
        self.branch = next(_branches)
        self.loss: list[float] = []
        self.test_loss: list[float] = []
        self.pending: Settings | None = None  # settings from the next epoch on
        self.copies = {0: self._copy()}

    @property
    def settings(self) -> Settings:
        """The settings of the next step, or those that wait for the next epoch."""
        return self.pending or self._stretch.settings

    @property
    def _stretch(self):
        """The stretch of the next step."""
        return [each for each in self.stretches if each.start <= self.step][-1]

    @property
    def loss_name(self) -> Any:
        """The loss of the next step."""
        return self._stretch.settings.loss

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        state = self.net.state
        is_fresh = self._stretch.is_fresh and self._stretch.start == self.step
        return self._stretch.settings.lr if state is None or is_fresh else float(state.lr)

    @property
    def epoch(self) -> int:
        """Whole epochs since the beginning."""
        return len(self.loss)

    @property
    def is_between_epochs(self) -> bool:
        """Whether the next step is the first of an epoch."""
        return self.net.state is None or self.net.state.row == 0

    # ---- forward ----

    def advance(self, steps: int) -> int:
        """Train for this many steps, and return how many were done: fewer if training diverges."""
        done = 0
        while done < steps and not self.diverged:
            self._change_now()
            now = self._stretch
            later = [each.start for each in self.stretches if each.start > self.step]
            count = min([steps - done, *(start - self.step for start in later)])
            if self.pending is not None:
                count = min(count, self.steps_left())
            done += self._fit(now, count)
        return done

    def advance_epoch(self) -> None:
        """Train until the epoch ends."""
        self.advance(self.steps_left())

    @property
    def steps_of_epoch(self) -> int:
        """Steps of a whole epoch."""
        return -(-len(self.data.X) // self._stretch.settings.batch)

    def steps_left(self) -> int:
        """Return the number of steps until the epoch ends."""
        self._change_now()
        n, batch = len(self.data.X), self._stretch.settings.batch
        row = 0 if self.is_between_epochs else self.net.state.row
        return -(-(n - row) // batch)

    def _fit(self, stretch, count):
        """Train for `count` steps of a stretch."""
        data, settings = self.data, stretch.settings
        is_fresh = stretch.start == self.step and stretch.is_fresh
        validation = (data.X_test, data.y_test) if len(data.y_test) else None
        before = self.net.state.step if self.net.state is not None and not is_fresh else 0
        self.net.dropout = settings.dropout if settings.hidden else 0.0
        try:
            self.net.fit(
                data.X,
                data.y,
                settings.loss,
                settings.make_optimizer(),
                ALL_EPOCHS,
                settings.batch,
                validation_data=validation,
                resume=not is_fresh,
                max_steps=count,
            )
        except DivergenceError as error:
            self.diverged = str(error)
        history = self.net.history
        self.loss += history.loss
        self.test_loss += history.val_loss
        done = self.net.state.step - before
        self.step += done
        self._keep_copy()
        return done

    # ---- back ----

    def seek(self, step: int) -> None:
        """Go to a position, before or after this one."""
        if step < self.step:
            start = max(each for each in self.copies if each <= max(step, 0))
            net, n_epochs = self.copies[start]
            self.net, self.step, self.diverged = net.copy(), start, ""
            del self.loss[n_epochs:], self.test_loss[n_epochs:]
            self.branch = next(_branches)
        self.advance(step - self.step)

    def reset(self) -> None:
        """Go to the beginning."""
        self.seek(0)

    def _copy(self):
        return self.net.copy(), len(self.loss)

    def _keep_copy(self):
        """Keep a copy of this position. Every second one is dropped when they take too much memory."""
        net = self.net
        size = net.params.nbytes * (1 + len(net.state.moments)) + 8 * len(self.data.X) + 1000
        if self.step in self.copies:
            return
        if size * (len(self.copies) + 1) > COPIES_BYTES:
            for step in sorted(self.copies)[1::2]:
                del self.copies[step]
        self.copies[self.step] = self._copy()

    # ---- changes ----

    def change(self, settings: Settings) -> bool:
        """Take other settings: from the next epoch on, or with a new network. Return whether it is new.

        Another rate, batch or penalty takes effect at the next epoch, another optimizer or loss also
        starts with fresh moments. What comes after this position is forgotten.
        """
        now, settings = self._stretch.settings, settings.for_data(self.data)
        if any(getattr(now, name) != getattr(settings, name) for name in NEW_NETWORK):
            return True
        self.pending = settings if settings != now else None
        self.stretches = [each for each in self.stretches if each.start <= self.step]
        self.copies = {step: copy for step, copy in self.copies.items() if step <= self.step}
        if self.step == 0 and self.pending is not None:
            self.stretches = [Stretch(0, settings, True)]
            self.pending = None
            self.net = settings.network(self.data)
            self.copies = {0: self._copy()}
        return False

    def _change_now(self):
        """Begin the stretch of the pending settings, if an epoch has ended."""
        if self.pending is None or not self.is_between_epochs:
            return
        self.stretches = [each for each in self.stretches if each.start < self.step]
        before, new = self.stretches[-1].settings, self.pending
        is_fresh = (new.optimizer, new.loss) != (before.optimizer, before.loss)
        self.stretches.append(Stretch(self.step, new, is_fresh))
        self.pending = None

    # ---- what the page shows ----

    def loss_now(self) -> float:
        """Return the loss of the training rows at this position."""
        return float(self.net.loss(self.data.X, self.data.y, self.loss_name))

    def test_loss_now(self) -> float:
        """Return the loss of the held-out rows at this position."""
        if not len(self.data.y_test):
            return float("nan")
        return float(self.net.loss(self.data.X_test, self.data.y_test, self.loss_name))

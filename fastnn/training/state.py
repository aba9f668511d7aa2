"""What a training leaves behind: its history, its state, and the error when it cannot go on."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .. import kernels, optimizers, schedules


class DivergenceError(ArithmeticError):
    """Training turned non-finite; the parameters are back where they were when that epoch began.

    Attributes
    ----------
    epoch, step : int
        In which epoch and after how many steps of the training it showed, both counted from 1.
    """

    def __init__(self, message, epoch, step):
        super().__init__(message)
        self.epoch = epoch
        self.step = step

    def __reduce__(self):
        return DivergenceError, (self.args[0], self.epoch, self.step)


@dataclass
class History:
    """What a `fit` leaves behind.

    Attributes
    ----------
    loss : list of float
        One number an epoch: the mean of its batches' losses, each before its update, weighted by
        the batches' rows; without penalties.
    val_loss : list of float
        The loss of the validation data after each epoch; empty without.
    n_epochs, n_steps : int
        Whole epochs and steps done.
    seconds : float
        Wall time.
    """

    loss: list = field(default_factory=list)
    val_loss: list = field(default_factory=list)
    n_epochs: int = 0
    n_steps: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Best:
    """The best epoch that `EarlyStopping` has seen.

    Attributes
    ----------
    loss : float
        What it watches: the validation loss, or the training loss without validation data.
    epoch : int
        Counted from 1.
    params : ndarray (n_params,)
    """

    loss: float
    epoch: int
    params: np.ndarray


@dataclass(eq=False)
class TrainingState:
    """What a training moves besides the parameters.

    Attributes
    ----------
    optimizer : Optimizer or LBFGS
        Its options. A callback may put others with the same moments in their place.
    moments : ndarray (n_moments, n_params)
        In the order of the parameters: those of the optimizer, then the average of the parameters
        if there is one.
    step, epoch : int
        Whole steps and epochs done.
    row : int
        First row of the next batch; not 0 only if the training was stopped within an epoch.
    loss_sum : float
        Over the batches of that epoch: loss times rows.
    order : ndarray (n,) or None
        The order of the rows in that epoch.
    params : ndarray (n_params,) or None
        Where the training stands, if the network holds something else: the average, or the best.
        The training goes on from here.
    seed : int or None
        Of dropout; None: none was used.
    split_seed : int or None
        Of the rows held out by `validation_fraction`.
    plateau : Plateau or None
        Where `ReduceOnPlateau` stands.
    best : Best or None
        The best epoch so far; kept by `EarlyStopping`.
    """

    optimizer: Any
    moments: np.ndarray
    step: int = 0
    epoch: int = 0
    row: int = 0
    loss_sum: float = 0.0
    order: np.ndarray | None = None
    params: np.ndarray | None = None
    seed: int | None = None
    split_seed: int | None = None
    plateau: schedules.Plateau | None = None
    best: Best | None = None

    @property
    def averages(self):
        """Whether the last row of `moments` is the average of the parameters."""
        return self.optimizer.average is not None

    @property
    def lr(self):
        """The learning rate of the next step; None for L-BFGS, which has none."""
        if self.optimizer.lr is None:
            return None
        return kernels.learning_rate(self.to_kernel()["rate"], self.step, self.epoch)

    def to_kernel(self):
        """The optimizer's numbers for the kernels, with the rate as a plateau has left it."""
        options = self.optimizer.to_kernel()
        if self.needs_epoch_loss and self.plateau is not None:
            options["rate"] = schedules.constant(self.optimizer.lr.rate_at(self.plateau))
        return options

    def check_rows(self, n):
        """An epoch that was stopped goes on with the rows that it began with, in an order of all of
        them."""
        if self.row >= n or (self.order is not None and len(self.order) != n):
            raise ValueError(
                f"resume=True within an epoch needs the same rows as before; X has {n} now; use resume=False"
            )
        if self.order is not None and not np.array_equal(np.sort(self.order), np.arange(n)):
            raise ValueError(
                f"net.state.order must hold each of the rows 0..{n - 1} once, in any order; use resume=False to begin anew"
            )

    def draw_seed(self, net, rng):
        """The seed of dropout, where it is needed and there is none."""
        if any(net.dropout) and self.seed is None:
            self.seed = int(rng.integers(2**63))

    @property
    def needs_epoch_loss(self):
        """Whether the schedule wants the loss of every epoch."""
        return isinstance(self.optimizer.lr, schedules.ReduceOnPlateau)

    def update_plateau(self, loss):
        """Tell it the loss of an epoch."""
        self.plateau = self.optimizer.lr.after_epoch(self.plateau or schedules.Plateau(), loss)


def fresh(net, optimizer):
    """The state of a training that begins."""
    optimizer = optimizers.resolve("adam" if optimizer is None else optimizer)
    state = TrainingState(optimizer, np.zeros((optimizer.n_moments, net.n_params), net.dtype))
    if state.averages:
        state.moments[-1] = net.params
    return state


def resumed(state, optimizer, new_epoch=False):
    """The state of a training that goes on. new_epoch: what is left of an epoch that was stopped is
    dropped (partial_fit)."""
    way_out = "set net.state = None to begin anew" if new_epoch else "use resume=False"
    if state is None:
        raise ValueError(
            "resume=True, but this network has not been trained: there is no state to go on from; use resume=False"
        )
    optimizer = state.optimizer if optimizer is None else optimizers.resolve(optimizer)
    if not optimizers.same_moments(optimizer, state.optimizer):
        raise ValueError(
            f"training goes on with the moments of {state.optimizer}, which {optimizer} cannot use; {way_out}"
        )
    if new_epoch:
        return replace(state, optimizer=optimizer, row=0, loss_sum=0.0, order=None)
    return replace(state, optimizer=optimizer)

"""The state from which a training continues, and the history that it leaves."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from . import kernels, optimizers, schedules
from .core.draws import draw

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class DivergenceError(ArithmeticError, ValueError):
    """Raised when a loss or parameter is not finite. The last finite parameters are restored.

    It is a ValueError, since scikit-learn raises one there.

    Attributes
    ----------
    epoch, step : int
        The epoch and the step in which training diverged, counted from 1.
    """

    def __init__(self, message: str, epoch: int, step: int) -> None:
        super().__init__(message)
        self.epoch: int = epoch
        self.step: int = step

    def __reduce__(self) -> tuple[Any, ...]:
        return DivergenceError, (self.args[0], self.epoch, self.step)


def divergence_remedy(bad: Any, lr: float, dtype: Any) -> str:
    """Return what to do about a divergence. bad : what `Data.first_not_finite` returned."""
    if not bad:
        return f"Try a lower learning rate than {lr:g}, or scale inputs and targets to about -1..1"
    name, index = bad
    where = ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), index))
    remedy = f"{name} holds NaN or infinity (first in {where}). Remove or replace such rows"
    if dtype == np.float32:
        remedy += ". Numbers above 3.4e+38 are infinite in float32"
    return remedy


@dataclass(repr=False)
class History:
    """Losses, counts and time of one call of `fit`.

    Attributes
    ----------
    loss : list of float
        The mean loss of each epoch's batches, weighted by their numbers of rows. Each batch is
        evaluated before its update. Penalties are not included.
    val_loss : list of float
        The validation loss after each epoch; empty without validation data.
    n_epochs, n_steps : int
        Number of completed epochs and steps.
    seconds : float
        Elapsed time.
    stop_reason : str
        Why training stopped, such as "all epochs done".
    val_error_rate : list of float
        The share of the validation rows, by weight, whose predicted class is wrong, after each
        epoch; empty unless `EarlyStopping` monitors it.
    """

    loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    n_epochs: int = 0
    n_steps: int = 0
    seconds: float = 0.0
    stop_reason: str = ""
    val_error_rate: list[float] = field(default_factory=list)

    def __repr__(self) -> str:
        parts = [f"n_epochs={self.n_epochs}", f"n_steps={self.n_steps}"]
        for name in ("loss", "val_loss", "val_error_rate"):
            if values := getattr(self, name):
                parts.append(
                    f"{name}=[... {values[-1]:.4g}]"
                    if len(values) > 1
                    else f"{name}=[{values[-1]:.4g}]"
                )
        parts.append(f"seconds={self.seconds:.3g}")
        if self.stop_reason:
            parts.append(f"stop_reason={self.stop_reason!r}")
        return f"History({', '.join(parts)})"

    def _repr_html_(self):
        from .core import notebook

        rows = [("epochs", f"{self.n_epochs:,}"), ("steps", f"{self.n_steps:,}")]
        for name, values in (
            ("loss", self.loss),
            ("validation loss", self.val_loss),
            ("validation error rate", self.val_error_rate),
        ):
            if values:
                rows.append((name, f"{values[-1]:.4g}"))
        if len(self.val_loss) > 1 and not np.isnan(self.val_loss).all():
            best = int(np.nanargmin(self.val_loss))
            rows.append(
                ("lowest validation loss", f"{self.val_loss[best]:.4g} in epoch {best + 1:,}")
            )
        rows.append(("seconds", f"{self.seconds:.3g}"))
        if self.stop_reason:
            rows.append(("stopped", self.stop_reason))
        series = {"loss": self.loss, "validation loss": self.val_loss}
        series = {name: values for name, values in series.items() if len(values) > 1}
        parts = [notebook.table((), rows)]
        if series:
            parts.append(notebook.curves(series, "epoch"))
        return notebook.titled("History", *parts)


TOUCHED = 2**18  # numbers of a large array that are written at a time


def owned(a: NDArray[Any]) -> NDArray[Any]:
    """Return an array, or a copy if kernels cannot write to it.

    Arrays of another process may be read-only and not aligned: they lie in what the network brought.
    """
    return a if a.flags.aligned and a.flags.writeable else a.copy()


@dataclass(frozen=True, eq=False)
class Best:
    """The best epoch so far, kept by `EarlyStopping`.

    Attributes
    ----------
    loss : float
        Its validation loss or error rate, whichever is monitored, or its training loss without
        validation data.
    epoch : int
        Counted from 1.
    params : ndarray (n_params,)
    """

    loss: float
    epoch: int
    params: NDArray[Any]


class _DeferredMoments:
    """What `TrainingState.moments` is while the state holds none: see `defer_moments`.

    It raises AttributeError for the class, from which @dataclass sees that the field has no default.
    A `__getattr__` of the state would slow down every attribute.
    """

    def __get__(self, state: Any, owner: Any = None) -> Any:
        if state is None or state._deferred is None:
            raise AttributeError("moments")
        moments, update = state._deferred
        update(moments)
        state.moments = moments
        del state._deferred
        return moments


_DEFERRED_MOMENTS: Any = _DeferredMoments()


@dataclass(eq=False)
class TrainingState:
    """Training state besides the parameters, from which `fit(resume=True)` continues.

    Attributes
    ----------
    optimizer : Optimizer or LBFGS
        Callbacks may replace it by an optimizer of the same class with other settings.
    moments : ndarray (n_moments, n_params)
        The moments of the optimizer, in the order of the parameters. The last row is the average of
        the parameters, if the optimizer keeps one.
    step, epoch : int
        Number of completed steps and epochs.
    row : int
        First row of the next batch; 0 unless training was interrupted during an epoch.
    loss_sum : float
        Sum of loss times rows over the batches of that epoch.
    order : ndarray (n,) or None
        The order of the rows in that epoch, if they were shuffled; with row groups, of those in the
        window that was interrupted. Also set if the first step of the epoch was dropped.
    params : ndarray (n_params,) or None
        The parameters to continue from, if the network holds others: the average, or the best.
    seed : int or None
        Seed of dropout, if it was used.
    split_seed : int or None
        Seed of the split by `validation_fraction`.
    split_rows, split_held_out : int or None
        Number of rows that were split, and of rows held out.
    plateau : Plateau or None
        State of `ReduceOnPlateau`.
    best : Best or None
        The best epoch so far, kept by `EarlyStopping`.
    split_method : str or None
        How the rows were split: "permutation" in memory, "hash" for row groups. Also None if the
        state is from a file of an older version, which did not say so.
    shards : int or None
        Number of virtual shards of the rows, if they are in shards.
    shuffle_seed : int or None
        Seed of the orders of the rows in shards, if they are shuffled.
    """

    optimizer: Any
    moments: NDArray[Any] = _DEFERRED_MOMENTS
    step: int = 0
    epoch: int = 0
    row: int = 0
    loss_sum: float = 0.0
    order: NDArray[Any] | None = None
    params: NDArray[Any] | None = None
    seed: int | None = None
    split_seed: int | None = None
    split_rows: int | None = None
    split_held_out: int | None = None
    plateau: schedules.Plateau | None = None
    best: Best | None = None
    split_method: str | None = None
    shards: int | None = None
    shuffle_seed: int | None = None

    _deferred = None  # (moments, function that brings them up to date), see `defer_moments`

    def defer_moments(self, update: Callable[[NDArray[Any]], None]) -> None:
        """Let ``update(moments)`` bring the moments up to date, if they are read."""
        self._deferred = self.moments, update
        del self.moments

    def end_deferral(self) -> bool:
        """Make `moments` an ordinary attribute again. Return whether it was read or assigned."""
        if "moments" in vars(self) or self._deferred is None:
            return True
        self.moments, _ = self._deferred
        del self._deferred
        return False

    def keep_moments_like(self, before: NDArray[Any]) -> None:
        """Check what a callback has assigned to `moments`; take it back if no engine can load it."""
        new = self.moments
        if new is before:
            return
        is_array = isinstance(new, np.ndarray)
        same = is_array and (new.shape, new.dtype) == (before.shape, before.dtype)
        if not same or not new.flags.carray:
            self.moments = before
            found = f"{new.dtype} {new.shape}" if is_array else repr(new)
            raise ValueError(
                f"a callback replaced net.state.moments, {before.dtype} {before.shape}, by {found}"
                f"{', which is not contiguous' * same}. Copy the numbers: net.state.moments[:] = ..."
            )

    def __getstate__(self) -> Any:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def __setstate__(self, state: Any) -> None:
        arrays = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
        vars(self).update(state | {name: owned(a) for name, a in arrays.items()})

    @property
    def averages(self) -> bool:
        """Whether the last row of `moments` is the average of the parameters."""
        return self.optimizer.average is not None

    def raw_params(self, net: Any) -> Any:
        """Return the parameters from which training continues: `params`, or those of the network."""
        return net.params if self.params is None else self.params

    @property
    def lr(self) -> Any:  # a float, or None for L-BFGS, which programs need not check
        """The learning rate of the next step; None for L-BFGS, which has none."""
        if self.optimizer.lr is None:
            return None
        return kernels.learning_rate(self.to_kernel()["rate"], self.step, self.epoch)

    def to_kernel(self) -> Any:
        """Return the optimizer's options for the kernels, with the rate of `ReduceOnPlateau`."""
        options = self.optimizer.to_kernel()
        if self.plateau is not None and self.needs_epoch_loss:
            options = options | dict(
                rate=schedules.constant(self.optimizer.lr.rate_at(self.plateau))
            )
        return options

    def check_shuffle(self, shuffle: bool) -> None:
        """Check that an interrupted epoch continues in its order, or without one."""
        if self.order is not None and not shuffle:
            raise ValueError(
                "resume=True continues an epoch that was interrupted, whose rows were shuffled. Pass "
                "shuffle=True, or resume=False."
            )
        if self.order is None and self.row > 0 and shuffle and self.shuffle_seed is None:
            raise ValueError(
                f"resume=True continues an epoch that was interrupted before row {self.row:,}, but "
                "net.state holds no order of the rows: they were not shuffled, or were row groups. "
                "Pass shuffle=False to continue with the rows from there on, the same row groups, or "
                "resume=False."
            )

    def check_rows(self, n: int) -> None:
        """Check that an interrupted epoch continues with n rows in a complete order."""
        if self.row >= n or (self.order is not None and len(self.order) != n):
            raise ValueError(
                "resume=True continues an epoch that was interrupted, so it needs the same rows as "
                f"before, but X has {n} rows. Pass the same rows, or resume=False."
            )
        if self.order is not None and not is_order_from(0, self.order, n):
            raise ValueError(
                f"net.state.order must hold each row index 0..{n - 1} once. "
                "Pass resume=False to start a new training."
            )

    def hold_out(self, data: Any, fraction: float, rng: np.random.Generator) -> tuple[Any, Any]:
        """Split the rows into training data and held-out data, as before when resuming."""
        if self.split_method not in (None, data.split_method):
            was, now = (
                "rows in memory" if method == "permutation" else "row groups"
                for method in (self.split_method, data.split_method)
            )
            raise ValueError(
                f"resume=True with validation_fraction continues a training on {was}, but X is {now}, "
                f"of which other rows would be held out. Pass {was} as before, or resume=False."
            )
        if self.split_seed is None:
            draw(rng, self, "split_seed", lambda: int(rng.integers(2**63)))
        train, held_out = data.split(fraction, self.split_seed)
        before = self.split_rows, self.split_held_out
        if before not in ((None, None), (len(data), len(held_out))):
            raise ValueError(
                f"resume=True with validation_fraction needs the rows that were split before: "
                f"{before[1]} of {before[0]} rows were held out, now {len(held_out)} of {len(data)} "
                "would be. Pass the same rows and validation_fraction, or resume=False."
            )
        self.split_rows, self.split_held_out = len(data), len(held_out)
        self.split_method = data.split_method
        return train, held_out

    def draw_seed(self, rng: np.random.Generator, name: str = "seed") -> None:
        """Draw the seed of dropout, or `shuffle_seed`, unless there is one. name : of the attribute"""
        if getattr(self, name) is None:
            draw(rng, self, name, lambda: int(rng.integers(2**63)))

    @property
    def needs_epoch_loss(self) -> bool:
        """Whether the learning-rate schedule depends on the loss of every epoch."""
        return isinstance(self.optimizer.lr, schedules.ReduceOnPlateau)

    def update_plateau(self, loss: float) -> None:
        """Update the state of `ReduceOnPlateau` with the loss of an epoch."""
        self.plateau = self.optimizer.lr.after_epoch(self.plateau or schedules.Plateau(), loss)


def is_order_from(first: int, order: NDArray[Any], n: int) -> bool:
    """Return whether an order holds each of the n row numbers from `first` on once."""
    return np.array_equal(np.sort(order), np.arange(first, first + n))


def _zero_moments(optimizer, net):
    """Return zeros in memory whose pages are mapped.

    np.zeros maps pages lazily. If they were not touched here, the first kernel call would fault
    them all in, which delays Ctrl-C by up to some milliseconds for each MB.
    """
    moments = np.zeros((optimizer.n_moments, net.n_params), net.dtype)
    if moments.size > TOUCHED:
        flat = moments.reshape(-1)
        for i in range(0, flat.size, TOUCHED):
            flat[i : i + TOUCHED] = 0
    return moments


def fresh(net: Any, optimizer: Any) -> TrainingState:
    """Return the state of a new training. optimizer : an object, or None for the default"""
    optimizer = optimizers.Adam() if optimizer is None else optimizer
    state = TrainingState(optimizer, _zero_moments(optimizer, net))
    if state.averages:
        state.moments[-1] = net.params
    return state


def resumed(
    state: TrainingState, optimizer: Any, new_epoch: bool = False, net: str = "net"
) -> TrainingState:
    """Return the state from which training continues.

    optimizer : an object, or None for that of the state
    new_epoch : whether to drop the rest of an interrupted epoch, as `partial_fit` does.
    net : how the caller names the network, for the error message.
    """
    remedy = f"Set {net}.state = None to start anew" if new_epoch else "Pass resume=False"
    if state is None:
        raise ValueError(
            "resume=True continues an earlier training, but this network has not been trained. "
            "Pass resume=False."
        )
    optimizer = state.optimizer if optimizer is None else optimizer
    if not optimizers.same_moments(optimizer, state.optimizer):
        raise ValueError(
            f"{optimizer} cannot continue with the moments of {state.optimizer}. {remedy}."
        )
    if new_epoch:
        return replace(state, optimizer=optimizer, row=0, loss_sum=0.0, order=None)
    return replace(state, optimizer=optimizer)

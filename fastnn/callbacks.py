"""Callbacks, which `fit` calls during training.

A callback is a function ``callback(net, history)``, called after every epoch, or an instance of a
subclass of `Callback`, which can also be called at the beginning, at the end and every few seconds.
While it runs, the network holds the parameters after the last complete step (or their average, if
the optimizer keeps one). A callback may read and change them, save or copy the network, and assign
the same optimizer with other options to ``net.state.optimizer``.

With validation data, ``history.val_loss[-1]`` is the validation loss of the epoch that just ended.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import inf, isnan
from typing import TYPE_CHECKING

from .core.validation import check_choice, check_count, check_flag, check_number
from .state import Best

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Literal

    from .mlp import MLP
    from .state import History, TrainingState
    from .typing import CallbackFunction, Callbacks, Path


class Callback:
    """Base class of callbacks: override the methods that you need.

    Attributes
    ----------
    interval : float or None
        Seconds between two calls of `on_interval`. With None it is never called.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> from fastnn.callbacks import Callback
    >>> class HalveTheRate(Callback):
    ...     def on_epoch_end(self, net, history):
    ...         net.state.optimizer = fastnn.SGD(lr=net.state.lr / 2)
    >>> net = fastnn.MLP([2, 1], rng=0)
    >>> sgd = fastnn.SGD(lr=0.8)
    >>> history = net.fit(np.eye(2), [0, 1], optimizer=sgd, epochs=3, callbacks=HalveTheRate())
    >>> net.state.lr
    0.1
    """

    interval: float | None = None
    allows_retry = False  # whether `learning_rate="adaptive"` may continue where it would stop

    def on_fit_begin(self, net: MLP, history: History) -> bool | None:
        """Run before the first step."""

    def on_epoch_end(self, net: MLP, history: History) -> bool | None:
        """Run after every epoch. Return True to stop training."""

    def on_interval(self, net: MLP, history: History) -> bool | None:
        """Run about every `interval` seconds, also within epochs. Return True to stop training."""

    def on_fit_end(self, net: MLP, history: History) -> None:
        """Run after the last step, unless `fit` raises an exception."""

    def stop_reason(self, event: str) -> str:
        """Return why training stopped when the method `event` returned True."""
        return f"{type(self).__name__}.{event} returned True"


class EarlyStopping(Callback):
    """Stop when the loss stops improving, and keep the best parameters.

    It uses the validation loss or error rate, or the training loss without validation data. On
    small data the validation loss is noisy: choose a patience longer than its fluctuations, or
    train without early stopping. As the only callback it runs in compiled code.

    Parameters
    ----------
    patience : int or None, default 10
        Number of epochs without improvement after which to stop, at least 1. None: never stop, and
        only keep the best parameters.
    min_delta : float, default 0.0
        Smallest decrease of the loss that counts as an improvement.
    keep : {"first", "last"}, default "first"
        Which of several epochs with the same lowest loss to keep; with "last", an equal loss also
        counts as an improvement.
    restore_best : bool, default True
        Whether the network holds the parameters of the best epoch, ``net.state.best.epoch``, after
        `fit`. The last parameters are in ``net.state.params``; `fit(resume=True)` continues from
        them.
    monitor : {"loss", "error_rate"}, default "loss"
        What to improve. "error_rate" is the share of the validation rows, by weight, whose
        predicted class is wrong, for bce, bce_with_logits and cross_entropy. With several labels a
        row is wrong if one of them is. It is in ``history.val_error_rate``.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> from fastnn.callbacks import EarlyStopping
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 5)), rng.normal(size=60)          # pure noise
    >>> net = fastnn.MLP([5, 50, 1], rng=0)
    >>> stop = EarlyStopping(patience=5)
    >>> history = net.fit(X, y, epochs=1000, validation_fraction=0.3, callbacks=stop)
    >>> history.n_epochs == net.state.best.epoch + 5 < 100
    True
    """

    patience: int | None
    min_delta: float
    restore_best: bool
    keep: Literal["first", "last"]
    monitor: Literal["loss", "error_rate"]
    _reason = ""  # why on_epoch_end returned True

    def __init__(
        self,
        patience: int | None = 10,
        min_delta: float = 0.0,
        restore_best: bool = True,
        keep: Literal["first", "last"] = "first",
        monitor: Literal["loss", "error_rate"] = "loss",
    ) -> None:
        self.patience = None if patience is None else check_count("patience", patience)
        self.min_delta = float(check_number("min_delta", min_delta, minimum=0))
        self.restore_best = check_flag("restore_best", restore_best)
        self.keep = check_choice("keep", keep, ("first", "last"))
        self.monitor = check_choice("monitor", monitor, ("loss", "error_rate"))

    def to_patience(self, state: TrainingState) -> Patience:
        """Return the `Patience` that continues from ``state.best``."""
        epochs = inf if self.patience is None else self.patience
        patience = Patience(epochs, self.min_delta, keep=self.keep)
        if state.best is not None:  # set earlier in this fit or, with resume, in a previous one
            patience.has_best = True
            patience.best = inf if isnan(state.best.loss) else state.best.loss
            patience.count = state.epoch - state.best.epoch
        return patience

    def reason(self, patience: Patience, validates: bool) -> str:
        """Return why training stops. validates : whether there is validation data."""
        if self.monitor == "error_rate":
            return patience.reason("validation error rate")
        return patience.reason("validation loss" if validates else "training loss")

    def on_epoch_end(self, net: MLP, history: History) -> bool | None:
        state, patience = net.state, self.to_patience(net.state)
        if state.best is not None:
            patience.count -= 1  # the epoch that ends now is not counted yet
        if self.monitor == "error_rate":
            loss = history.val_error_rate[-1]
        else:
            loss = (history.val_loss or history.loss)[-1]
        if patience.update(loss):
            state.best = Best(patience.best, state.epoch, net.params.copy())
        self._reason = ""
        if patience.exhausted:
            self._reason = self.reason(patience, bool(history.val_loss))
        return patience.exhausted

    def stop_reason(self, event: str) -> str:  # a subclass may stop for reasons of its own
        return (event == "on_epoch_end" and self._reason) or super().stop_reason(event)

    def on_fit_end(self, net: MLP, history: History) -> None:
        if (
            self.restore_best
            and net.state.best is not None
            and net.state.best.epoch != net.state.epoch
        ):
            if net.state.params is None:
                net.state.params = net.params.copy()
            net.params = net.state.best.params


class Checkpoint(Callback):
    """Save the network and its training state every few epochs or seconds.

    To continue after a crash, call ``net = fastnn.load(path)`` and
    ``net.fit(X, y, ..., epochs=total - net.state.epoch, resume=True)`` with the same data and
    arguments. The result equals that of uninterrupted training bit for bit. The file is always
    complete, see `MLP.save`.

    Parameters
    ----------
    path : str or path-like
        The file, which each save replaces.
    every_epochs : int, optional
        Number of epochs between two saves.
    every_seconds : float, optional
        Approximate time between two saves in seconds, also during an epoch.

    Raises
    ------
    ValueError
        `every_epochs` and `every_seconds` are both None.

    Examples
    --------
    >>> import fastnn, numpy as np, os, tempfile
    >>> from fastnn.callbacks import Checkpoint
    >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
    >>> net = fastnn.MLP([2, 1], rng=0)
    >>> history = net.fit(np.eye(2), [0, 1], epochs=5, callbacks=Checkpoint(path, every_epochs=2))
    >>> fastnn.load(path).state.epoch
    4
    """

    def __init__(
        self, path: Path, every_epochs: int | None = None, every_seconds: float | None = None
    ) -> None:
        if every_epochs is None and every_seconds is None:
            raise ValueError(
                "Checkpoint needs a schedule. Pass at least one of every_epochs, every_seconds."
            )
        self.path = path
        self.every_epochs: int | None = (
            None if every_epochs is None else check_count("every_epochs", every_epochs)
        )
        self.interval: float | None = (
            None if every_seconds is None else check_number("every_seconds", every_seconds, above=0)
        )

    def on_fit_begin(self, net: MLP, history: History) -> None:
        net.check_may_be_saved()

    def on_epoch_end(self, net: MLP, history: History) -> None:
        if self.every_epochs is not None and net.state.epoch % self.every_epochs == 0:
            net.save(self.path)

    def on_interval(self, net: MLP, history: History) -> None:
        net.save(self.path)


class IntervalTimer:
    """Callbacks with an interval, and the time of the last call of each.

    Not a dict: callbacks may be equal or have no hash, as dataclasses do.
    """

    def __init__(self, callbacks: Sequence[Callback], now: float) -> None:
        self.last_calls: list[tuple[Callback, float]] = [
            (callback, check_number("now", now))
            for callback in resolve_callbacks(callbacks)
            if callback.interval is not None
        ]

    def due(self) -> list[Callback]:
        """Return the callbacks whose interval is over."""
        if not self.last_calls:
            return []
        now, due = time.perf_counter(), []
        for i, (callback, before) in enumerate(self.last_calls):
            if callback.interval is not None and now - before >= callback.interval:
                due.append(callback)
                self.last_calls[i] = callback, now
        return due


class _Function(Callback):
    """A function that is called after every epoch."""

    def __init__(self, function: CallbackFunction) -> None:
        self.function = function

    def __repr__(self) -> str:
        return repr(self.function)

    def on_epoch_end(self, net: MLP, history: History) -> bool | None:
        return self.function(net, history)

    def stop_reason(self, event: str) -> str:
        name = getattr(self.function, "__name__", type(self.function).__name__)
        return f"callback {name} returned True"


def resolve_callbacks(callbacks: Callbacks) -> list[Callback]:
    """Return the argument `callbacks` of fit as a list of `Callback`."""
    each: list[Any] = list(callbacks) if isinstance(callbacks, (tuple, list)) else [callbacks]
    if not each:
        return each
    for callback in each:
        if isinstance(callback, type) and issubclass(callback, Callback):
            raise TypeError(
                f"callbacks holds the class {callback.__name__}. Pass an instance, such as "
                f"{callback.__name__}()."
            )
        if not isinstance(callback, Callback) and not callable(callback):
            raise TypeError(
                "callbacks must hold functions callback(net, history) or Callback objects, got "
                f"{callback!r}"
            )
    if sum(isinstance(callback, EarlyStopping) for callback in each) > 1:
        raise ValueError(
            "callbacks holds more than one EarlyStopping. They would share net.state.best. "
            "Pass one."
        )
    return [
        callback if isinstance(callback, Callback) else _Function(callback) for callback in each
    ]


def find_early_stopping(callbacks: list[Callback]) -> EarlyStopping | None:
    """Return the EarlyStopping among the callbacks, or None."""
    return next((each for each in callbacks if isinstance(each, EarlyStopping)), None)


def check_callbacks(callbacks: list[Callback], data: Any, validates: bool) -> None:
    """Check that EarlyStopping can monitor the error rate, if it does."""
    stopping = find_early_stopping(callbacks)
    if stopping is None or stopping.monitor != "error_rate":
        return
    if not validates:
        raise ValueError(
            "EarlyStopping(monitor='error_rate') needs validation rows. Pass validation_data or "
            "validation_fraction."
        )
    if not getattr(data.loss, "has_classes", False):
        raise ValueError(
            f"EarlyStopping(monitor='error_rate') needs a loss with classes, got {data.loss!r}. "
            "Pass monitor='loss'."
        )


@dataclass
class Patience:
    """Counts epochs without improvement and remembers the best loss.

    Parameters
    ----------
    epochs : int or inf
        Number of epochs without improvement after which to stop.
    min_delta : float, default 0.0
        Smallest decrease of the loss that counts as an improvement.
    running_best : bool, default False
        False compares with the last improvement, ``loss < best - min_delta``. True compares with
        the lowest loss so far, ``loss <= best - min_delta``, as scikit-learn does (with
        `epochs` = n_iter_no_change + 1).
    keep : {"first", "last"}, default "first"
        Which of several epochs with the same lowest loss to keep. With "last" and
        `min_delta` = 0, an equal loss is an improvement.
    best : float, default inf
        The loss to improve on.
    count : int, default 0
        Epochs without improvement so far.
    has_best : bool, default False
        Whether `best` is the loss of an epoch. It always is if it is finite. If it is not, the next
        epoch is the best, even if its loss is infinite or NaN, and an improvement unless
        `running_best` is True.

    Examples
    --------
    >>> patience = Patience(2)
    >>> [patience.update(loss) for loss in (0.5, 0.4, 0.4, 0.41)]
    [True, True, False, False]
    >>> patience.exhausted
    True
    """

    epochs: float
    min_delta: float = 0.0
    running_best: bool = False
    keep: str = "first"
    best: float = inf
    count: int = 0
    has_best: bool = False

    def __post_init__(self) -> None:
        self.has_best = self.has_best or self.best < inf

    def update(self, loss: float) -> bool:
        """Count the loss of an epoch. Return whether it is the best so far."""
        limit, last = self.best - self.min_delta, self.keep == "last"
        bound = self.best if self.running_best else limit
        is_best = loss < bound or (last and loss == bound) or not self.has_best
        improved = loss <= limit if self.running_best else is_best
        self.count = 0 if improved else self.count + 1
        if is_best:
            self.best, self.has_best = inf if isnan(loss) else loss, True
        return is_best

    @property
    def exhausted(self) -> bool:
        """Whether training should stop."""
        return self.count >= self.epochs

    def reason(self, what: str) -> str:
        """Return why training stops, for the user; what : name of the loss or score."""
        than = f" by more than {self.min_delta:g}" if self.min_delta else ""
        return f"{what} has not improved{than} for {self.count} epochs"

"""Callbacks: what `fit` calls between epochs.

A callback is a function ``callback(net, history)``, called after every epoch, or an object of a
class derived from `Callback`, which may also look in at the beginning, at the end and every few
seconds. While it runs, the network holds the parameters of the last whole step (or their average,
if the optimizer keeps one); it may read and change them, save or copy the network, and put other
settings of the same optimizer into ``net.state.optimizer``.

``history.val_loss[-1]`` is the validation loss of the epoch that has just ended, where `fit` was
given validation data.
"""

import time

from .training.state import Best
from .training.stopping import Patience
from .validation import check_count, check_number


class Callback:
    """What a callback can do; derive from it and write the methods that you need.

    Attributes
    ----------
    interval : float or None
        Seconds between two calls of `on_interval`; None: it is never called.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> from fastnn.callbacks import Callback
    >>> class HalveTheRate(Callback):
    ...     def on_epoch_end(self, net, history):
    ...         net.state.optimizer = fastnn.SGD(lr=net.state.lr / 2)
    >>> net = fastnn.MLP([2, 1], rng=0)
    >>> history = net.fit(np.eye(2), [0, 1], optimizer=fastnn.SGD(lr=0.8), epochs=3, callbacks=HalveTheRate())
    >>> net.state.lr
    0.1
    """

    interval: float | None = None

    def on_fit_begin(self, net, history):
        """Before the first step."""

    def on_epoch_end(self, net, history):
        """After every epoch; training stops when it returns True."""

    def on_interval(self, net, history):
        """About every `interval` seconds, also within an epoch; training stops when it returns
        True."""

    def on_fit_end(self, net, history):
        """After the last step, unless `fit` ends by an exception."""


class EarlyStopping(Callback):
    """Stop when the loss has not become better for a while; keep the best parameters.

    It watches the validation loss, or the training loss where there is no validation data. On small
    data the validation loss is noisy: choose a patience that spans its ups and downs, or don't stop
    early.

    Parameters
    ----------
    patience : int, default 10
        Epochs without a better loss after which training stops, at least 1.
    min_delta : float, default 0.0
        Better means lower than the best so far by more than this.
    keep : {"first", "last"}, default "first"
        Which of several epochs with the same lowest loss is the best; with "last", an equal loss
        also restarts the count.
    restore_best : bool, default True
        After `fit` the network holds the parameters of the best epoch, ``net.state.best.epoch``;
        those where training stands are in ``net.state.params``, from which `fit(resume=True)` goes
        on.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> from fastnn.callbacks import EarlyStopping
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 5)), rng.normal(size=60)          # nothing to learn but noise
    >>> net = fastnn.MLP([5, 50, 1], rng=0)
    >>> history = net.fit(X, y, epochs=1000, validation_fraction=0.3, callbacks=EarlyStopping(patience=5))
    >>> history.n_epochs == net.state.best.epoch + 5 < 100
    True
    """

    def __init__(self, patience=10, min_delta=0.0, restore_best=True, keep="first"):
        self.patience = check_count("patience", patience)
        self.min_delta = check_number("min_delta", min_delta, minimum=0)
        self.restore_best = bool(restore_best)
        if keep not in ("first", "last"):
            raise ValueError(f"keep must be 'first' or 'last', got {keep!r}")
        self.keep = keep

    def on_epoch_end(self, net, history):
        state, loss = net.state, (history.val_loss or history.loss)[-1]
        patience = Patience(self.patience, self.min_delta, keep=self.keep)
        if state.best is not None:  # also where training goes on from a file
            patience.best, patience.count = state.best.loss, state.epoch - 1 - state.best.epoch
        if patience.update(loss) or state.best is None:
            state.best = Best(loss, state.epoch, net.params.copy())
        return patience.exhausted

    def on_fit_end(self, net, history):
        if (
            self.restore_best
            and net.state.best is not None
            and net.state.best.epoch != net.state.epoch
        ):
            if net.state.params is None:
                net.state.params = net.params.copy()
            net.params = net.state.best.params


class Checkpoint(Callback):
    """Save the network with its training state every few epochs or seconds, so that a training that
    was killed can go on.

    ``net = fastnn.load(path); net.fit(X, y, ..., resume=True)`` with the same data and arguments
    ends in the same bits as a training that was never stopped (with `epochs` for what is left:
    ``total - net.state.epoch``). The file is complete or not there, see `MLP.save`.

    Parameters
    ----------
    path : str or path-like
    every_epochs : int, optional
    every_seconds : float, optional
        Also within an epoch. One of the two, or both.

    Raises
    ------
    ValueError
        Neither is given.

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

    def __init__(self, path, every_epochs=None, every_seconds=None):
        if every_epochs is None and every_seconds is None:
            raise ValueError(
                "Checkpoint needs every_epochs or every_seconds: how often shall it save?"
            )
        self.path = path
        self.every_epochs = (
            None if every_epochs is None else check_count("every_epochs", every_epochs)
        )
        self.interval = (
            None if every_seconds is None else check_number("every_seconds", every_seconds, above=0)
        )

    def on_epoch_end(self, net, history):
        if self.every_epochs is not None and net.state.epoch % self.every_epochs == 0:
            net.save(self.path)

    def on_interval(self, net, history):
        net.save(self.path)


class IntervalTimer:
    """The callbacks with an interval, and when each has looked in."""

    def __init__(self, callbacks, now):
        self.last_calls = dict.fromkeys(
            (callback for callback in callbacks if callback.interval is not None), now
        )

    def due(self):
        """Those that want to look in again."""
        now = time.perf_counter()
        due = [
            callback
            for callback, before in self.last_calls.items()
            if now - before >= callback.interval
        ]
        self.last_calls.update(dict.fromkeys(due, now))
        return due


class _Function(Callback):
    """A function, called after every epoch."""

    def __init__(self, function):
        self.function = function

    def on_epoch_end(self, net, history):
        return self.function(net, history)


def resolve_callbacks(callbacks):
    """`callbacks` of fit as a list of Callback."""
    given = list(callbacks) if isinstance(callbacks, (tuple, list)) else [callbacks]
    for callback in given:
        if isinstance(callback, type) and issubclass(callback, Callback):
            raise TypeError(
                f"callbacks holds the class {callback.__name__}: give an object of it, such as {callback.__name__}()"
            )
        if not isinstance(callback, Callback) and not callable(callback):
            raise TypeError(
                f"callbacks must be callables, called as callback(net, history), or Callback objects, got {callback!r}"
            )
    if sum(isinstance(callback, EarlyStopping) for callback in given) > 1:
        raise ValueError(
            "callbacks holds more than one EarlyStopping: they would share net.state.best; give one"
        )
    return [
        callback if isinstance(callback, Callback) else _Function(callback) for callback in given
    ]

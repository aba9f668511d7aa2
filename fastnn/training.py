"""fit: slices of compiled training, and what Python does between them."""

import sys
import time
from dataclasses import dataclass, field, replace

import numpy as np

from . import losses, optimizers
from .kernels import Stop, Trainer
from .threads import ThreadChoice
from .validation import check_count, check_matrix, check_rng, check_sample_weight, check_targets, check_threads

SLICE = 0.05  # seconds of training between two looks at callbacks, progress and Ctrl-C
SHORT_STEP = 4e-6  # seconds: a barrier costs about as much as it could save
EPOCHS_A_SLICE = 65536  # at most so many losses come back at once


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
        One number an epoch: the mean of its batches' losses, each before its update, weighted by the batches' rows.
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


@dataclass
class TrainingState:
    """What a training moves besides the parameters.

    Attributes
    ----------
    optimizer : SGD or Adam
    moments : ndarray (n_moments, n_params)
        In the order of the parameters: the momentum of SGD, or Adam's m and v.
    step, epoch : int
        Whole steps and epochs done.
    row : int
        First row of the next batch; not 0 only if the training was stopped within an epoch.
    loss_sum : float
        Over the batches of that epoch: loss times rows.
    order : ndarray (n,) or None
        The order of the rows in that epoch.
    """

    optimizer: object
    moments: np.ndarray
    step: int = 0
    epoch: int = 0
    row: int = 0
    loss_sum: float = 0.0
    order: np.ndarray | None = None


def fit(
    self,
    X,
    y,
    loss=None,
    optimizer=None,
    epochs=10,
    batch_size=32,
    shuffle=True,
    validation_data=None,
    sample_weight=None,
    callbacks=(),
    n_threads=1,
    progress=False,
    rng=None,
    resume=False,
):
    """Train from the present parameters.

    Parameters
    ----------
    X : array_like (n, n_in)
    y : array_like
        (n,) or (n, n_out) numbers; for "cross_entropy" class numbers (n,) or rows of probabilities.
    loss : str, optional
        See `fastnn.losses`; None picks from the output: sigmoid bce, softmax cross_entropy, else mse.
    optimizer : "sgd", "adam", SGD or Adam, optional
        None is Adam(), or with `resume` the optimizer of `net.state`.
    epochs : int, default 10
        Passes over the rows.
    batch_size : int or None, default 32
        Rows a step; the last batch of an epoch may be smaller. None, or more than n: all rows.
    shuffle : bool, default True
        A new order every epoch: ``rng.permutation(n)``.
    validation_data : (X, y) or (X, y, sample_weight), optional
        Its loss after every epoch goes to ``history.val_loss``.
    sample_weight : array_like (n,), optional
        Weights >= 0; a batch's loss is sum(w_i l_i) / sum(w_i).
    callbacks : callable, or list or tuple of callables, optional
        Each is called as ``callback(net, history)`` after every epoch and may read and change the parameters; training stops when one
        returns True.
    n_threads : int, default 1
        At most this many threads, -1 for all CPUs of this process. The bits don't depend on it; if one thread is faster, one works.
    progress : bool, default False
        A line with epoch, loss and speed on standard error.
    rng : None, int or numpy.random.Generator, optional
        Draws the orders; None is ``net.rng``.
    resume : bool, default False
        Go on from `net.state`, exactly as if the last training had not stopped.

    Returns
    -------
    History
        Also kept as ``net.history``.

    Raises
    ------
    DivergenceError
        A loss or a parameter is no longer finite.
    KeyboardInterrupt
        On Ctrl-C, within 100 ms; parameters, state and history are those of the last whole step.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> X = np.linspace(-1, 1, 200)[:, None]
    >>> net = fastnn.MLP([1, 16, 1], activation="tanh", rng=0)
    >>> history = net.fit(X, X[:, 0] ** 2, epochs=100, optimizer=fastnn.Adam(lr=0.01))
    >>> history.loss[-1] < 0.01
    True
    """
    epochs = check_count("epochs", epochs, least=0)
    callbacks = list(callbacks) if isinstance(callbacks, (tuple, list)) else [callbacks]
    for callback in callbacks:
        if not callable(callback):
            raise TypeError(f"callbacks must be callables, called as callback(net, history), got {callback!r}")
    rng = self.rng if rng is None else check_rng(rng)
    session = _Session(self, X, y, loss, optimizer, batch_size, shuffle, sample_weight, n_threads, rng, resume)
    validation = _validation(self, validation_data, session.loss_name)
    line = _ProgressLine(epochs, len(session.X)) if progress else None

    def after_epoch():
        if validation is not None:
            session.history.val_loss.append(self.loss(*validation))
        answers = [callback(self, session.history) for callback in callbacks]  # all are called, also after one says stop
        return any(answer is True for answer in answers)

    return session.run(epochs, after_epoch if callbacks or validation is not None else None, line)


def partial_fit(self, X, y, loss=None, optimizer=None, batch_size=32, sample_weight=None, n_threads=1):
    """One pass over these rows in this order, going on from ``net.state``; parameters as in `fit`.

    Returns
    -------
    History

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> net = fastnn.MLP([2, 4, 1], rng=0)
    >>> for rows in range(3):
    ...     history = net.partial_fit(np.ones((5, 2)), np.zeros(5), optimizer="sgd")
    >>> net.state.step
    3
    """
    going_on = self.state is not None
    session = _Session(self, X, y, loss, optimizer, batch_size, False, sample_weight, n_threads, self.rng, going_on, new_epoch=True)
    return session.run(1, None, None)


class _Session:
    """One call of fit: its arguments checked, its Trainer, its History, and the loop over slices."""

    def __init__(self, net, X, y, loss, optimizer, batch_size, shuffle, sample_weight, n_threads, rng, resume, new_epoch=False):
        net._check_may_train()
        self.net = net
        self.loss_name = losses.choose(loss, net.activations[-1])
        self.X = check_matrix("X", X, net.dtype, net.layer_sizes[0])
        n = len(self.X)
        if n == 0:
            raise ValueError("X has no rows: there is nothing to learn from")
        y, classes = check_targets(y, n, net.layer_sizes[-1], net.dtype, self.loss_name)
        sample_weight = check_sample_weight(sample_weight, n, net.dtype)
        batch_size = n if batch_size is None else min(check_count("batch_size", batch_size), n)
        self.threads = ThreadChoice(net, ("training", batch_size), check_threads(n_threads), SHORT_STEP)
        self.state = _resumed(net.state, optimizer, n, new_epoch) if resume else _fresh(net, optimizer)
        self.order = None
        if shuffle:
            self.order = np.arange(n, dtype=np.intp) if self.state.order is None else self.state.order.copy()
        self.bit_generator = rng.bit_generator
        self.trainer = Trainer(
            net,
            self.X,
            y,
            loss=losses.kernel_loss(self.loss_name, classes),
            batch_size=batch_size,
            optimizer=self.state.optimizer.kernel_settings(),
            sample_weight=sample_weight,
            order=self.order,
            generator=self.bit_generator if shuffle else None,
        )
        self.data = {"X": self.X, "y": y, "sample_weight": sample_weight}
        self.history = History()
        self.first_step = self.state.step
        self.slice_losses, self.slice_epoch, self.losses_before = np.empty(0), self.state.epoch, 0
        self.began = 0.0

    def run(self, epochs, after_epoch, line):
        net, state, trainer = self.net, self.state, self.trainer
        net._begin_training()
        try:
            net.state, net.history = state, self.history
            self.began = time.perf_counter()
            last_epoch = state.epoch + epochs
            trainer.load(state.moments)
            trainer.set_position(state.step, state.epoch, state.row, state.loss_sum)
            try:
                stop = False
                while state.epoch < last_epoch and not stop:
                    self.slice(1 if after_epoch else min(last_epoch - state.epoch, EPOCHS_A_SLICE))
                    if after_epoch and state.row == 0:
                        stop = self.call(after_epoch)
                    if line:
                        line.show(self.history)
            finally:
                try:
                    self.finish()
                except KeyboardInterrupt:  # Ctrl-C between two of its lines; doing it again is harmless
                    self.finish()
                    raise
                if line:
                    line.close(self.history)
        finally:
            net._end_training()
        return self.history

    def slice(self, epochs):
        """About SLICE seconds of training, at most so many epochs."""
        self.slice_losses, self.slice_epoch, self.losses_before = np.empty(epochs), self.state.epoch, len(self.history.loss)
        step, why = self.state.step, int(Stop.TIME)

        def work(n_threads, seconds):
            nonlocal why
            why = self.trainer.run(n_threads, seconds, self.slice_losses)
            return self.trainer.position()[0] - step

        with self.bit_generator.lock:
            self.threads.run(work, SLICE)
        self.follow()
        if why == Stop.NOT_FINITE:
            self.diverged()

    def follow(self):
        """State and history from where the trainer stands; harmless to repeat, so that nothing can come in between."""
        state, history = self.state, self.history
        state.step, state.epoch, state.row, state.loss_sum = self.trainer.position()
        history.loss[self.losses_before :] = self.slice_losses[: max(0, state.epoch - self.slice_epoch)].tolist()
        history.n_epochs = len(history.loss)
        history.n_steps = state.step - self.first_step
        history.seconds = time.perf_counter() - self.began

    def call(self, after_epoch):
        """Hand the parameters over; take them back as they are then, however that ends."""
        self.store()
        try:
            return after_epoch()
        finally:
            self.trainer.load(self.state.moments)

    def diverged(self):
        step, epoch = self.state.step, self.state.epoch + (self.state.row > 0)
        self.trainer.restore()
        saved_step, _, saved_row, _ = self.trainer.position()
        copy = "the start of that epoch" if saved_row == 0 else f"step {saved_step}, the last copy"
        bad = [(name, *np.argwhere(~np.isfinite(a))[0]) for name, a in self.data.items() if a is not None and not np.isfinite(a).all()]
        if bad:
            name, *place = bad[0]
            way_out = (
                f"{name} itself is not finite (first in " + ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), place)) + ")"
            )
        else:
            way_out = f"lower the learning rate (lr={self.state.optimizer.lr:g}), or scale inputs and targets to about -1..1"
        raise DivergenceError(
            f"training diverged in epoch {epoch}, step {step}: not finite any more; the parameters are those of {copy}. Way out: {way_out}",
            epoch,
            step,
        )

    def store(self):
        """Parameters and moments back into the network and its state."""
        self.trainer.store(self.state.moments)
        self.state.order = self.order.copy() if self.order is not None and self.state.row else None

    def finish(self):
        self.follow()
        self.store()


def _fresh(net, optimizer):
    """The state of a training that begins."""
    optimizer = optimizers.find("adam" if optimizer is None else optimizer)
    return TrainingState(optimizer, np.zeros((optimizer.n_moments, net.n_params), net.dtype))


def _resumed(state, optimizer, n_rows, new_epoch):
    """The state of a training that goes on. new_epoch: what is left of an epoch that was stopped is dropped (partial_fit)."""
    way_out = "set net.state = None to begin anew" if new_epoch else "use resume=False"
    if state is None:
        raise ValueError("resume=True, but this network has not been trained: there is no state to go on from; use resume=False")
    optimizer = state.optimizer if optimizer is None else optimizers.find(optimizer)
    if type(optimizer) is not type(state.optimizer) or optimizer.n_moments != state.optimizer.n_moments:
        raise ValueError(f"training goes on with the moments of {state.optimizer}, which {optimizer} cannot use; {way_out}")
    if new_epoch:
        return replace(state, optimizer=optimizer, row=0, loss_sum=0.0, order=None)
    if state.row >= n_rows or (state.order is not None and len(state.order) != n_rows):
        raise ValueError(f"resume=True within an epoch needs the same rows as before; X has {n_rows} now; {way_out}")
    return replace(state, optimizer=optimizer)


def _validation(net, data, loss_name):
    """(X, y, loss, sample_weight), converted once."""
    if data is None:
        return None
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        got = f"{len(data)} parts" if isinstance(data, (tuple, list)) else type(data).__name__
        raise ValueError(f"validation_data must be (X, y) or (X, y, sample_weight), got {got}")
    try:
        X = check_matrix("X", data[0], net.dtype, net.layer_sizes[0])
        y, _ = check_targets(data[1], len(X), net.layer_sizes[-1], net.dtype, loss_name)
        w = check_sample_weight(data[2], len(X), net.dtype) if len(data) == 3 else None
    except (TypeError, ValueError) as error:
        raise type(error)(f"validation_data: {error}") from None
    return X, y, loss_name, w


class _ProgressLine:
    """One line on standard error, rewritten at most ten times a second on a terminal, once a second elsewhere."""

    def __init__(self, epochs, n_rows):
        self.epochs, self.n_rows = epochs, n_rows
        self.rewrites = sys.stderr.isatty()
        self.shown = 0.0

    def show(self, history, end="\r"):
        now = time.perf_counter()
        if end == "\r" and now - self.shown < (0.1 if self.rewrites else 1.0):
            return
        self.shown = now
        width = len(str(self.epochs))
        parts = [f"epoch {history.n_epochs:{width}}/{self.epochs}"]
        if history.loss:
            parts.append(f"loss {history.loss[-1]:.4g}")
        if history.val_loss:
            parts.append(f"validation {history.val_loss[-1]:.4g}")
        if history.seconds:
            parts.append(f"{history.n_epochs * self.n_rows / history.seconds:,.0f} rows/s")
        if history.n_epochs and end == "\r":
            parts.append(f"{history.seconds / history.n_epochs * (self.epochs - history.n_epochs):.0f} s left")
        line = "  ".join(parts)
        print(f"{line:<78}" if self.rewrites else line, end=end if self.rewrites else "\n", file=sys.stderr, flush=True)

    def close(self, history):
        self.show(history, end="\n")

"""The training loop: slices of an engine's steps, and what happens between them."""

import time

import numpy as np

from ..callbacks import IntervalTimer
from ..kernels import Stop
from ..optimizers import same_moments
from .engines import engine
from .state import DivergenceError, History

SLICE = 0.05  # seconds of training between two looks at callbacks, progress and Ctrl-C
EPOCHS_A_SLICE = 65536  # at most so many losses come back at once


class Session:
    """One call of fit: an engine, its History, and the loop over slices.

    Parameters
    ----------
    net, data, state, batch_size, shuffle, n_threads, rng
        As in `MLP.fit`; data : Data, state : TrainingState.
    validation : Data, optional
    patience : Patience, optional
        Stop when the training loss has exhausted it.
    goes_on : Callback, optional
        Where patience or a callback stops the training, its `on_stop` is asked; if it returns True,
        training goes on with fresh patience.
    """

    def __init__(
        self,
        net,
        data,
        state,
        batch_size,
        shuffle,
        n_threads,
        rng,
        validation=None,
        patience=None,
        goes_on=None,
    ):
        self.net, self.data, self.state, self.rng = net, data, state, rng
        self.engine = engine(net, data, state, batch_size, shuffle, n_threads, rng, validation)
        self.evaluate = (
            None if validation is None or self.engine.validates else validation.evaluator(net)
        )
        self.patience, self.goes_on = patience, goes_on
        self.stopped = False  # before the last epoch, by patience or a callback
        self.history = History()
        self.first_step = state.step
        self.began = 0.0

    def run(self, epochs, callbacks=(), line=None):
        """Train for so many epochs. line: the progress line."""
        net, state = self.net, self.state
        with net._in_training():
            net.state, net.history, net.rng = state, self.history, self.rng
            self.began = time.perf_counter()
            self.callbacks, self.line, self.lookouts = (
                callbacks,
                line,
                IntervalTimer(callbacks, self.began),
            )
            self.every_epoch = bool(self.evaluate or callbacks or state.needs_epoch_loss)
            self.last_epoch = state.epoch + epochs
            self.begin_slice(0)
            if state.params is not None:
                net.params = state.params
            self.engine.load(state)
            if self.patience is not None:
                self.engine.set_patience(self.patience)
            try:
                self.call(callbacks, "on_fit_begin")
                if self.engine.drives and epochs:
                    self.engine.drive(self, epochs)
                else:
                    self.loop()
            finally:
                try:
                    self.finish()
                except (
                    KeyboardInterrupt
                ):  # Ctrl-C between two of its lines; doing it again is harmless
                    self.finish()
                    raise
                if line:
                    line.close(self.history)
            for callback in callbacks:
                callback.on_fit_end(net, self.history)
        return self.history

    def loop(self):
        """All slices. A function of its own: CPython 3.13 does not cover the jump back of a while
        loop by the try around it, so that a Ctrl-C there would pass by what must be done at the
        end."""
        while self.state.epoch < self.last_epoch and not self.stopped:
            epochs = (
                1 if self.every_epoch else min(self.last_epoch - self.state.epoch, EPOCHS_A_SLICE)
            )
            why = self.engine.advance(SLICE, self.begin_slice(epochs))
            if why == Stop.NOT_FINITE:
                self.follow()
                self.diverged()
            self.tick()

    def begin_slice(self, epochs):
        """Room for the losses of the epochs that come, and where they belong in the history."""
        self.slice_losses, self.slice_epoch, self.losses_before = (
            np.empty((2, epochs)),
            self.state.epoch,
            len(self.history.loss),
        )
        return self.slice_losses

    def follow(self):
        """State and history from where the engine stands; harmless to repeat, so that nothing can
        come in between."""
        state, history = self.state, self.history
        state.step, state.epoch, state.row, state.loss_sum = self.engine.position()
        losses, validation_losses = self.slice_losses
        history.loss[self.losses_before :] = losses[
            : max(0, state.epoch - self.slice_epoch)
        ].tolist()
        if self.engine.validates:
            validated = max(0, self.engine.epochs_validated() - self.slice_epoch)
            history.val_loss[self.losses_before :] = validation_losses[:validated].tolist()
        history.n_epochs = len(history.loss)
        history.n_steps = state.step - self.first_step
        history.seconds = time.perf_counter() - self.began

    def tick(self):
        """What comes after a slice, or after an iteration of an engine that drives. True: training
        stops here."""
        self.follow()
        stop = False
        if self.patience is not None:
            for loss in self.history.loss[self.losses_before :]:
                self.patience.update(loss)
            stop = self.patience.exhausted
        if self.every_epoch and self.state.row == 0:
            self.end_epoch()
            stop = self.call(self.callbacks, "on_epoch_end") or stop
        stop = self.call(self.lookouts.due(), "on_interval") or stop
        if self.line:
            self.line.show(self.history)
        if (
            stop
            and self.goes_on
            and self.state.epoch < self.last_epoch
            and self.call([self.goes_on], "on_stop")
        ):
            stop = False
            if self.patience is not None:
                self.patience.count = 0
                self.engine.set_patience(self.patience)
        self.stopped = stop
        return stop

    # ---- between slices ----

    def end_epoch(self):
        """The validation loss of the epoch that has ended, where the engine has not computed it,
        and what a schedule makes of it."""
        if self.evaluate:
            self.store()
            self.history.val_loss.append(self.evaluate())
        if self.state.needs_epoch_loss:
            self.state.update_plateau((self.history.val_loss or self.history.loss)[-1])
            self.engine.set_optimizer(self.state.to_kernel())

    def call(self, callbacks, event):
        """Hand the parameters over to the callbacks and take them back as they are then, however
        that ends. True: one says stop."""
        if not callbacks:
            return False
        self.store()
        optimizer = self.state.optimizer
        try:
            answers = [
                getattr(callback, event)(self.net, self.history) for callback in callbacks
            ]  # all, also after one says stop
        finally:
            self.load()
        if self.state.optimizer != optimizer:
            if not same_moments(self.state.optimizer, optimizer):
                new, self.state.optimizer = self.state.optimizer, optimizer
                raise ValueError(
                    f"a callback put {new} in the place of {optimizer}, whose moments it cannot use"
                )
            self.engine.set_optimizer(self.state.to_kernel())
        return any(answer is True for answer in answers)

    def store(self):
        """Parameters and moments back into the network and its state; the network gets the average,
        if there is one."""
        net, state = self.net, self.state
        self.engine.store(state)
        state.params = None
        if state.averages:
            state.params = net.params.copy()
            net.params = state.moments[-1]

    def load(self):
        """And back into the engine."""
        net, state = self.net, self.state
        if state.averages:
            state.moments[-1] = net.params
            net.params = state.params
        self.engine.load(state)

    def finish(self):
        self.follow()
        self.store()

    def diverged(self):
        step, epoch = self.state.step, self.state.epoch + (self.state.row > 0)
        self.engine.restore()
        saved_step, _, saved_row, _ = self.engine.position()
        copy = "the start of that epoch" if saved_row == 0 else f"step {saved_step}, the last copy"
        data = {"X": self.data.X, "y": self.data.targets, "sample_weight": self.data.sample_weight}
        bad = [
            (name, *np.argwhere(~np.isfinite(a))[0])
            for name, a in data.items()
            if not _is_finite(a)
        ]
        if bad:
            name, *place = bad[0]
            way_out = (
                f"{name} itself is not finite (first in "
                + ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), place))
                + ")"
            )
        else:
            way_out = f"lower the learning rate (lr={self.state.lr:g}), or scale inputs and targets to about -1..1"
        raise DivergenceError(
            f"training diverged in epoch {epoch}, step {step}: not finite any more; the parameters are those of {copy}. Way out: {way_out}",
            epoch,
            step,
        )


def _is_finite(a):
    """Whether a dense array of numbers is; the estimators have looked at sparse rows."""
    return not isinstance(a, np.ndarray) or a.dtype.kind not in "fiub" or np.isfinite(a).all()

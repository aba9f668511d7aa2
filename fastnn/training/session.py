"""Session: the training loop around an engine."""

import time

import numpy as np

from ..callbacks import Callback, IntervalTimer
from ..kernels import Stop
from ..optimizers import same_moments
from .engines import engine
from .state import DivergenceError, History

#: Seconds of training between two checks for callbacks, progress and Ctrl-C. The numbers computed do
#: not depend on it.
SLICE_SECONDS = 0.05
#: Most epochs of a slice: their losses are returned together.
SLICE_EPOCHS = 65536


class Session:
    """One call of `fit`: slices of an engine's steps, and what happens between them.

    Parameters
    ----------
    net, data, state, batch_size, shuffle, n_threads, rng
        As in `MLP.fit`; data : Data, state : TrainingState.
    validation : Data, optional
    patience : Patience, optional
        Stop when the training loss has not improved for so long.
    retry : Callback, optional
        Its `on_stop` is called when patience or a callback that allows it would stop the training.
        If it returns True, training continues with fresh patience.
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
        retry=None,
    ):
        self.net, self.data, self.state, self.rng = net, data, state, rng
        self.engine = engine(net, data, state, batch_size, shuffle, n_threads, rng, validation)
        self.evaluate = (
            None if validation is None or self.engine.validates else validation.evaluator(net)
        )
        self.patience, self.retry = patience, retry
        self.final_stop = False  # whether a callback stops training that does not allow `retry`
        self.stop_reason = ""  # why training stops before its last epoch
        self.history = History()
        self.first_step = state.step
        self.began = 0.0

    def run(self, epochs, callbacks=(), line=None):
        """Train for so many epochs. line : ProgressLine, optional."""
        net, state = self.net, self.state
        with net._in_training():
            net.state, net.history, net.rng = state, self.history, self.rng
            self.began = time.perf_counter()
            self.callbacks, self.line = callbacks, line
            self.timer = IntervalTimer(callbacks, self.began)
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
                self.history.stop_reason = self.stop_reason or "all epochs done"
            except KeyboardInterrupt:
                self.history.stop_reason = "interrupted"
                raise
            except DivergenceError:
                self.history.stop_reason = "diverged"
                raise
            except BaseException as error:
                self.history.stop_reason = f"{type(error).__name__} was raised"
                raise
            finally:
                try:
                    self.finish()
                except KeyboardInterrupt:  # between two of its lines; repeating it is harmless
                    self.finish()
                    raise
                if line:
                    line.close(self.history)
            for callback in callbacks:
                callback.on_fit_end(net, self.history)
        return self.history

    def loop(self):
        """Run all slices.

        A separate function: in CPython 3.13 the `try` around a while loop does not cover its jump
        back, so Ctrl-C there would skip `finish`.
        """
        while self.state.epoch < self.last_epoch and not self.stop_reason:
            epochs = (
                1 if self.every_epoch else min(self.last_epoch - self.state.epoch, SLICE_EPOCHS)
            )
            stop = self.engine.advance(SLICE_SECONDS, self.begin_slice(epochs))
            if stop == Stop.NOT_FINITE:
                self.follow()
                self.diverged()
            self.tick()

    def begin_slice(self, epochs):
        """Make room for the losses of the next epochs; remember their place in the history."""
        self.slice_losses = np.empty((2, epochs))
        self.slice_epoch, self.losses_before = self.state.epoch, len(self.history.loss)
        return self.slice_losses

    def follow(self):
        """Update state and history from the engine's position. Repeating it is harmless."""
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
        """Do what follows a slice, or an iteration of an engine that drives itself.

        Returns True if training stops here.
        """
        self.follow()
        reason, self.final_stop = "", False
        if self.patience is not None:
            for loss in self.history.loss[self.losses_before :]:
                self.patience.update(loss)
            if self.patience.exhausted:
                reason = self.patience.reason("training loss")
        if self.every_epoch and self.state.row == 0:
            self.end_epoch()
            reason = self.call(self.callbacks, "on_epoch_end") or reason
        reason = self.call(self.timer.due(), "on_interval") or reason
        if self.line:
            self.line.show(self.history)
        if (
            reason
            and self.retry
            and not self.final_stop
            and self.state.epoch < self.last_epoch
            and self.call([self.retry], "on_stop")
        ):
            reason = ""
            if self.patience is not None:
                self.patience.count = 0
                self.engine.set_patience(self.patience)
        self.stop_reason = reason
        return bool(reason)

    # ---- between slices ----

    def end_epoch(self):
        """Compute the validation loss, if the engine has not, and update the schedule's rate."""
        if self.evaluate:
            self.store()
            self.history.val_loss.append(self.evaluate())
        if self.state.needs_epoch_loss:
            self.state.update_plateau((self.history.val_loss or self.history.loss)[-1])
            self.engine.set_optimizer(self.state.to_kernel())

    def call(self, callbacks, event):
        """Call a method of all callbacks with the parameters in the network; take changes back.

        Returns why training should stop, "" if it should not.
        """
        if not callbacks:
            return ""
        self.store()
        optimizer = self.state.optimizer
        try:
            answers = [
                getattr(callback, event)(self.net, self.history) for callback in callbacks
            ]  # all of them, even if an earlier one returns True
        finally:
            self.load()
        if self.state.optimizer != optimizer:
            if not same_moments(self.state.optimizer, optimizer):
                new, self.state.optimizer = self.state.optimizer, optimizer
                raise ValueError(
                    f"a callback replaced the optimizer {optimizer} by {new}, which cannot continue "
                    "with its moments. Set options of the same optimizer."
                )
            self.engine.set_optimizer(self.state.to_kernel())
        stops = [
            callback
            for callback, answer in zip(callbacks, answers)
            if isinstance(answer, (bool, np.bool_)) and answer
        ]
        if not stops:
            return ""
        self.final_stop = self.final_stop or not all(callback._allows_retry for callback in stops)
        return stops[0].stop_reason(event) or Callback.stop_reason(stops[0], event)

    def store(self):
        """Store parameters and moments in the network and its state.

        If the optimizer averages parameters, the network gets the average.
        """
        net, state = self.net, self.state
        self.engine.store(state)
        state.params = None
        if state.averages:
            state.params = net.params.copy()
            net.params = state.moments[-1]

    def load(self):
        """Load them into the engine again."""
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
        saved = "the start of that epoch" if saved_row == 0 else f"step {saved_step}"
        data = {"X": self.data.X, "y": self.data.targets, "sample_weight": self.data.sample_weight}
        bad = [
            (name, *np.argwhere(~np.isfinite(a))[0])
            for name, a in data.items()
            if not _is_finite(a)
        ]
        if bad:
            name, *index = bad[0]
            where = ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), index))
            remedy = f"{name} holds NaN or infinity (first in {where}). Remove or replace such rows"
        else:
            remedy = (
                f"Try a lower learning rate than {self.state.lr:g}, or scale inputs and targets to "
                "about -1..1"
            )
        raise DivergenceError(
            f"Training diverged in epoch {epoch}, step {step}: a loss or parameter is not finite. "
            f"The parameters were reset to {saved}. {remedy}.",
            epoch,
            step,
        )


def _is_finite(a):
    """Whether all numbers of a dense array are finite; sparse rows were checked before."""
    return not isinstance(a, np.ndarray) or a.dtype.kind not in "fiub" or np.isfinite(a).all()

"""Session: the training loop around an engine.

One training, in order:

1. `Plan.session` makes the state, the engine and the session. Nothing is locked or changed yet.
2. `run` locks the network. `begin` gives it the new state and history, and loads its parameters
   into the engine. Callbacks' `on_fit_begin` is called.
3. `loop` runs slices. `begin_slice` makes the array for their losses. `engine.advance` computes
   steps without the GIL, for about 50 ms, or for one epoch if something follows each epoch.
4. `end_slice` does what comes after a slice: `record` updates state and history. Then `tick`
   counts patience and calls `end_epoch` (validation, learning rate), the callbacks and the progress
   line. Around callbacks, `call` stores the engine's parameters in the network and loads them again.
5. `finish` stores parameters and moments, also after an exception or Ctrl-C. `end` calls
   `on_fit_end`.
"""

import time
from typing import Any, NamedTuple

import numpy as np

from ..callbacks import Callback, IntervalTimer, check_callbacks
from ..kernels import Metric, Stop, all_finite
from ..optimizers import same_moments
from ..state import Best, DivergenceError, History, divergence_remedy

#: Seconds of training between two checks for callbacks, progress and Ctrl-C. The numbers computed do
#: not depend on it.
SLICE_SECONDS = 0.05
#: Most epochs of a slice: their losses are returned together.
SLICE_EPOCHS = 65536
#: With this many moments or more, callbacks get them when they read them: see `Session.call`.
MANY_MOMENTS = 10_000


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


class Session:
    """One training: slices of an engine's steps, and what happens between them.

    `run` runs it. `pool.train_many` runs many at the same time: `begin`, then `begin_slice` and
    `end_slice` for each slice, then `end`.

    Parameters
    ----------
    plan : Plan
        With a generator and a state.
    engine : Engine
        Made from the same plan.
    """

    line = None  # a ProgressLine
    final_stop = False  # whether a callback stops training that does not allow `retry`
    stop_reason = ""  # why training stops before its last epoch
    is_loaded = False  # whether the engine has the network
    timer: Any = None  # an IntervalTimer
    stopping: Any = None  # an EarlyStopping that the engine carries out
    evaluate: Any = None  # what `Engine.evaluator` returned
    monitors_error_rate = False  # whether a callback needs that of each epoch
    every_epoch = False  # whether a slice ends after every epoch
    defers_moments = False  # whether callbacks get the moments only when they read them

    def __init__(self, plan, engine):
        state, options, validation = plan.state, plan.options, plan.validation
        self.net, self.data, self.state, self.options = plan.net, plan.data, state, options
        self.rng, self.validation, self.engine = plan.rng, validation, engine
        self.callbacks, self.patience = options.callbacks, options.patience
        self.history = History()
        self.first_step = state.step
        self.slice = Slice.after(None, state, self.history, 0)
        self.last_epoch = state.epoch + options.epochs
        self.last_step = plan.last_step
        if self.callbacks:
            self.plan_callbacks()

    def plan_callbacks(self):
        """Find out what the callbacks need, and whether the engine does what they do."""
        engine, state, stopping = self.engine, self.state, self.options.early_stopping
        check_callbacks(self.callbacks, self.data, self.validation is not None)
        if engine.keeps_best:
            self.stopping, self.callbacks = stopping, ()
        self.monitors_error_rate = (
            stopping is not None and not self.stopping and stopping.monitor == "error_rate"
        )
        # A resumed training shares its moments with the state before, which the user may read.
        self.defers_moments = (
            bool(self.callbacks)
            and engine.defers_moments
            and state.step == 0
            and state.moments.size >= MANY_MOMENTS
            and not state.averages
        )

    def run(self, line=None):
        """Train. line : ProgressLine, optional."""
        with self.net._in_training():
            self.line = line
            return self.run_locked()

    def run_locked(self):
        """Train, while a context of the caller keeps other threads from using the network."""
        try:
            self.begin()
            self.call(self.callbacks, "on_fit_begin")
            if self.engine.drives and self.last_epoch > self.state.epoch:
                self.engine.drive(self, self.last_epoch - self.state.epoch)
            else:
                self.loop()
            self.set_reason()
        except BaseException as error:
            self.set_reason(error)
            self.engine.abandon()
            raise
        finally:
            try:
                self.finish()
            except BaseException:  # a signal handler may have raised it; repeating it is harmless
                self.finish()
                raise
            if self.line:
                self.line.close(self.history)
        self.end()
        return self.history

    def begin(self):
        """Load the network into the engine. If an exception interrupts this, no step is done."""
        net, state = self.net, self.state
        self.engine.begin()
        self.evaluate = self.engine.evaluator(net, self.validation, self.monitors_error_rate)
        self.every_epoch = bool(self.evaluate or self.callbacks or state.needs_epoch_loss)
        vars(net).update(state=state, history=self.history, rng=self.rng)  # no signal between them
        self.began = time.perf_counter()
        if self.callbacks:
            self.timer = IntervalTimer(self.callbacks, self.began)
        if self.patience is not None:
            self.engine.set_stopping(self.patience)
        elif self.stopping:
            best = -1 if state.best is None else state.best.epoch
            self.engine.set_stopping(self.stopping.to_patience(state), self.metric, best)
        shown = None if state.params is None else net.params.copy()
        try:
            if shown is not None:
                net.params = state.params
            self.engine.load(state)
            self.is_loaded = True
        except BaseException:
            if shown is not None:
                net.params = shown
            raise

    @property
    def metric(self):
        """The metric of `stopping`."""
        if self.stopping.monitor == "error_rate":
            return Metric.VALIDATION_ERROR_RATE
        return Metric.VALIDATION_LOSS if self.engine.validates else Metric.TRAINING_LOSS

    def loop(self):
        """Run all slices.

        A separate function: in CPython 3.13 the `try` around a while loop does not cover its jump
        back, so Ctrl-C there would skip `finish`.
        """
        while not self.is_done:
            self.end_slice(self.engine.advance(SLICE_SECONDS, self.begin_slice()))

    @property
    def is_done(self):
        state = self.state
        is_last = state.epoch >= self.last_epoch or 0 < self.last_step == state.step
        return is_last or bool(self.stop_reason)

    def begin_slice(self, epochs=None):
        """Begin a slice of the next epochs, and return the array for their losses."""
        if epochs is None:
            left = self.last_epoch - self.state.epoch
            epochs = 1 if self.every_epoch else min(left, SLICE_EPOCHS)
        self.slice = Slice.after(self.slice, self.state, self.history, epochs)
        return self.slice.losses

    def record(self):
        """Update state and history from the engine's position. Repeating it is harmless."""
        self.slice.record(self)
        history = self.history
        history.n_epochs = len(history.loss)
        history.n_steps = self.state.step - self.first_step
        history.seconds = time.perf_counter() - self.began

    def end_slice(self, stop):
        """Do what comes after a slice that ended for the reason `stop`, a `kernels.Stop`."""
        if stop == Stop.NOT_FINITE:
            self.record()
            self.diverged()
        if stop == Stop.SIGNAL and self.engine.stop_reason:
            self.record()
            self.stop_reason = self.engine.stop_reason
            return
        self.tick()
        if stop == Stop.CONVERGED and self.stopping:
            self.keep_best()
            patience = self.stopping.to_patience(self.state)
            self.stop_reason = self.stopping.reason(patience, self.engine.validates)

    def tick(self):
        """Do what comes after a slice, or an iteration of an engine that drives itself.

        Returns True if training stops here.
        """
        self.record()
        reason, self.final_stop = "", False
        if self.patience is not None:
            for loss in self.history.loss[self.slice.n_losses :]:
                self.patience.update(loss)
            if self.patience.exhausted:
                reason = self.patience.reason("training loss")
        if self.every_epoch and self.state.row == 0:
            self.end_epoch()
            reason = self.call(self.callbacks, "on_epoch_end") or reason
        if self.timer:
            reason = self.call(self.timer.due(), "on_interval") or reason
        if self.line:
            self.line.show(self.history)
        if (
            reason
            and self.options.retry
            and not self.final_stop
            and self.state.epoch < self.last_epoch
            and self.call([self.options.retry], "on_stop")
        ):
            reason = ""
            if self.patience is not None:
                self.patience.count = 0
                self.engine.set_stopping(self.patience)
        self.stop_reason = self.engine.announce(reason)
        return self.is_done

    def finish(self):
        """Store what the engine has in the network and its state. Repeating it is harmless.

        If training was stopped in the slice in which it diverged, the last finite copy is stored.
        """
        if not self.is_loaded:
            return
        if self.engine.has_diverged:
            self.engine.restore()
        self.record()
        self.store()
        # The kernels check parameters at the end of an epoch.
        if self.state.row and not all_finite(self.state.raw_params(self.net)):
            self.engine.restore()
            self.record()
            self.store()

    def end(self):
        """Call the callbacks' last method."""
        for callback in self.options.callbacks:
            callback.on_fit_end(self.net, self.history)

    def set_reason(self, error=None):
        """Record why training has stopped. error : the exception that stopped it, if any."""
        if error is None:
            done = self.state.epoch >= self.last_epoch
            self.history.stop_reason = (
                self.stop_reason or f"all {'epochs' if done else 'steps'} done"
            )
        elif isinstance(error, KeyboardInterrupt):
            self.history.stop_reason = "interrupted"
        elif isinstance(error, DivergenceError):
            self.history.stop_reason = "diverged"
        else:
            self.history.stop_reason = f"{type(error).__name__} was raised"

    # ---- between slices ----

    def end_epoch(self):
        """Compute what the engine has not computed, and update the schedule's rate."""
        if self.evaluate:
            self.store()
            loss, error_rate = self.evaluate()
            if loss is not None:
                self.history.val_loss.append(loss)
            if error_rate is not None:
                self.history.val_error_rate.append(error_rate)
        if self.state.needs_epoch_loss:
            self.slice.record_plateau(self)
            self.engine.set_optimizer(self.state.to_kernel())

    def call(self, callbacks, event):
        """Call a method of all callbacks with the parameters in the network; take changes back.

        Copying moments twice took 8 % of large steps with Adam, and callbacks hardly ever read
        them. So they are copied when a callback does, and for all later calls: it may keep the
        array.

        Returns why training should stop, "" if it should not.
        """
        if not callbacks:
            return ""
        self.store(moments=not self.defers_moments)
        moments = self.state.moments
        if self.defers_moments:
            self.state.defer_moments(self.update_moments)
        optimizer = self.state.optimizer
        try:
            answers = [
                getattr(callback, event)(self.net, self.history) for callback in callbacks
            ]  # all of them, even if an earlier one returns True
        finally:
            if self.defers_moments:
                self.defers_moments = not self.state.end_deferral()
            self.state.keep_moments_like(moments)
            self.load(moments=not self.defers_moments)
        if self.state.optimizer is not optimizer:  # comparing options took half of a call
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
        self.final_stop = self.final_stop or not all(callback.allows_retry for callback in stops)
        return stops[0].stop_reason(event) or Callback.stop_reason(stops[0], event)

    def update_moments(self, moments):
        """Store the moments, but not the parameters: a callback may have changed them."""
        params = self.net.params.copy()
        self.engine.trainer.store(moments)
        self.net.params = params

    def store(self, moments=True):
        """Store parameters and moments in the network and its state.

        If the optimizer averages parameters, the network gets the average.
        """
        net, state = self.net, self.state
        if moments:
            self.engine.store(state)
        else:
            self.engine.store(state, moments=False)
        state.params = None
        if state.averages:
            state.params = net.params.copy()
            net.params = state.moments[-1]
        if self.stopping:
            self.keep_best()

    def keep_best(self):
        """Take the best epoch from the engine to the state."""
        params = np.empty_like(self.net.params)
        metric, epoch = self.engine.best(params)
        best = self.state.best
        if epoch >= 0 and (best is None or best.epoch != epoch):
            self.state.best = Best(metric, epoch, params)

    def load(self, moments=True):
        """Load the parameters of the network and the moments of its state into the engine again."""
        net, state = self.net, self.state
        if state.averages:
            state.moments[-1] = net.params
            net.params = state.params
        if moments:
            self.engine.load(state)
        else:
            self.engine.load(state, moments=False)

    def diverged(self):
        step, epoch = self.state.step, self.state.epoch + (self.state.row > 0)
        self.engine.restore()
        saved_step, _, saved_row, _ = self.engine.position()
        saved = "the start of that epoch" if saved_row == 0 else f"step {saved_step}"
        remedy = divergence_remedy(self.data.first_not_finite(), self.state.lr, self.net.dtype)
        raise DivergenceError(
            f"Training diverged in epoch {epoch}, step {step}: a loss or parameter is not finite. "
            f"The parameters were reset to {saved}. {remedy}.",
            epoch,
            step,
        )

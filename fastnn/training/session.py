"""One training: slices of compiled steps, and what happens between them."""

import time

import numpy as np

from ..callbacks import Lookouts
from ..kernels import Stop
from ..optimizers import same_moments
from ..threads import ThreadChoice
from ..validation import check_count, check_threads
from .state import DivergenceError, History

SLICE = 0.05  # seconds of training between two looks at callbacks, progress and Ctrl-C
SHORT_STEP = 4e-6  # seconds: a barrier costs about as much as it could save
EPOCHS_A_SLICE = 65536  # at most so many losses come back at once


class Session:
    """One call of fit: a problem bound to a Trainer, its History, and the loop over slices."""

    def __init__(self, net, problem, state, batch_size, shuffle, n_threads, rng, validation=None, patience=None):
        """patience: (epochs, tolerance, best_loss), see `Trainer.stop_when_level`."""
        n = len(problem)
        batch_size = n if batch_size is None else min(check_count("batch_size", batch_size), n)
        self.threads = ThreadChoice(net, ("training", batch_size), check_threads(n_threads), SHORT_STEP)
        self.net, self.problem, self.state, self.rng = net, problem, state, rng
        self.order = None
        if shuffle:
            self.order = np.arange(n, dtype=np.intp) if state.order is None else state.order.copy()
        if any(net.dropout) and state.seed is None:
            state.seed = int(rng.integers(2**63))
        judged_in_kernels = validation is not None and validation.in_kernels
        self.judge = validation.judge(net) if validation is not None and not judged_in_kernels else None
        self.trainer = problem.trainer(
            net,
            batch_size,
            self.order,
            rng.bit_generator.lock,
            optimizer=state.kernel_settings(),
            generator=rng.bit_generator if shuffle else None,
            dropout=np.array(net.dropout) if any(net.dropout) else None,
            seed=state.seed or 0,
            n_threads=self.threads.n,
            validation=validation.trainer(net, len(validation)) if judged_in_kernels else None,
        )
        if patience is not None:
            self.trainer.stop_when_level(*patience)
        self.converged = False
        self.history = History()
        self.first_step = state.step
        self.slice_losses, self.slice_epoch, self.losses_before = np.empty((2, 0)), state.epoch, 0
        self.began = 0.0

    def run(self, epochs, callbacks=(), line=None):
        """Train for so many epochs. line: the progress line."""
        net, state, trainer = self.net, self.state, self.trainer
        with net._in_training():
            net.state, net.history, net.rng = state, self.history, self.rng
            self.began = time.perf_counter()
            self.lookouts = Lookouts(callbacks, self.began)
            every_epoch = bool(self.judge or callbacks or state.watches_loss)
            if state.params is not None:
                net.params = state.params
            trainer.load(state.moments)
            trainer.set_position(state.step, state.epoch, state.row, state.loss_sum)
            try:
                self.call(callbacks, "on_fit_begin")
                self.train_until(state.epoch + epochs, every_epoch, callbacks, line)
            finally:
                try:
                    self.finish()
                except KeyboardInterrupt:  # Ctrl-C between two of its lines; doing it again is harmless
                    self.finish()
                    raise
                if line:
                    line.close(self.history)
            for callback in callbacks:
                callback.on_fit_end(net, self.history)
        return self.history

    def train_until(self, last_epoch, every_epoch, callbacks, line):
        """All slices. A function of its own: CPython 3.13 does not cover the jump back of a while loop by the try around it, so that a
        Ctrl-C there would pass by what must be done at the end."""
        state, stop = self.state, False
        while state.epoch < last_epoch and not stop:
            self.slice(1 if every_epoch else min(last_epoch - state.epoch, EPOCHS_A_SLICE))
            if every_epoch and state.row == 0:
                self.watch()
                stop = self.call(callbacks, "on_epoch_end")
            stop = self.call(self.lookouts.due(), "on_interval") or stop or self.converged
            if line:
                line.show(self.history)

    def slice(self, epochs):
        """About SLICE seconds of training, at most so many epochs."""
        self.slice_losses, self.slice_epoch, self.losses_before = np.empty((2, epochs)), self.state.epoch, len(self.history.loss)
        step, why = self.state.step, int(Stop.TIME)

        def work(n_threads, seconds):
            nonlocal why
            why = self.trainer.run(n_threads, seconds, *self.slice_losses)
            return self.trainer.position()[0] - step

        with self.rng.bit_generator.lock:
            self.threads.run(work, SLICE)
        self.follow()
        if why == Stop.NOT_FINITE:
            self.diverged()
        self.converged = why == Stop.CONVERGED

    def follow(self):
        """State and history from where the trainer stands; harmless to repeat, so that nothing can come in between."""
        state, history = self.state, self.history
        state.step, state.epoch, state.row, state.loss_sum = self.trainer.position()
        losses, validation_losses = self.slice_losses
        history.loss[self.losses_before :] = losses[: max(0, state.epoch - self.slice_epoch)].tolist()
        if self.judge is None:
            judged = max(0, self.trainer.epochs_validated() - self.slice_epoch)
            history.val_loss[self.losses_before :] = validation_losses[:judged].tolist()
        history.n_epochs = len(history.loss)
        history.n_steps = state.step - self.first_step
        history.seconds = time.perf_counter() - self.began

    # ---- between slices ----

    def watch(self):
        """The validation loss of the epoch that has ended, where the kernels have not given it, and what a schedule makes of it."""
        if self.judge:
            self.store()
            self.history.val_loss.append(self.judge())
        if self.state.watches_loss:
            self.state.watch((self.history.val_loss or self.history.loss)[-1])
            self.trainer.set_optimizer(self.state.kernel_settings())

    def call(self, callbacks, event):
        """Hand the parameters over to the callbacks and take them back as they are then, however that ends. True: one says stop."""
        if not callbacks:
            return False
        self.store()
        optimizer = self.state.optimizer
        try:
            answers = [getattr(callback, event)(self.net, self.history) for callback in callbacks]  # all, also after one says stop
        finally:
            self.load()
        if self.state.optimizer != optimizer:
            if not same_moments(self.state.optimizer, optimizer):
                new, self.state.optimizer = self.state.optimizer, optimizer
                raise ValueError(f"a callback put {new} in the place of {optimizer}, whose moments it cannot use")
            self.trainer.set_optimizer(self.state.kernel_settings())
        return any(answer is True for answer in answers)

    def store(self):
        """Parameters and moments back into the network and its state; the network gets the average, if there is one."""
        net, state = self.net, self.state
        self.trainer.store(state.moments)
        state.params = None
        if state.averages:
            state.params = net.params.copy()
            net.params = state.moments[-1]
        state.order = self.order.copy() if self.order is not None and state.row else None

    def load(self):
        """And back into the trainer."""
        net, state = self.net, self.state
        if state.averages:
            state.moments[-1] = net.params
            net.params = state.params
        self.trainer.load(state.moments)

    def finish(self):
        self.follow()
        self.store()

    def diverged(self):
        step, epoch = self.state.step, self.state.epoch + (self.state.row > 0)
        self.trainer.restore()
        saved_step, _, saved_row, _ = self.trainer.position()
        copy = "the start of that epoch" if saved_row == 0 else f"step {saved_step}, the last copy"
        data = {"X": self.problem.X, "y": self.problem.targets, "sample_weight": self.problem.sample_weight}
        bad = [(name, *np.argwhere(~np.isfinite(a))[0]) for name, a in data.items() if not _is_finite(a)]
        if bad:
            name, *place = bad[0]
            way_out = (
                f"{name} itself is not finite (first in " + ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), place)) + ")"
            )
        else:
            way_out = f"lower the learning rate (lr={self.state.lr:g}), or scale inputs and targets to about -1..1"
        raise DivergenceError(
            f"training diverged in epoch {epoch}, step {step}: not finite any more; the parameters are those of {copy}. Way out: {way_out}",
            epoch,
            step,
        )


def _is_finite(a):
    return a is None or a.dtype.kind not in "fiub" or np.isfinite(a).all()

"""The protocol between a session and an engine."""

import sys
from typing import Any

import numpy as np

from ...kernels import Metric, Stop


def batch_rows(batch_size, n):
    """Return the number of rows of a batch, for n rows and the argument `batch_size` of fit."""
    return n if batch_size is None else min(batch_size, n)


class Engine:
    """Base class of engines, which compute steps. The loop around them is `Session`.

    Between `load` and `store` the engine holds the current parameters and moments.

    Attributes
    ----------
    validates : bool
        Whether `advance` computes the validation loss of each epoch itself.
    keeps_best : bool
        Whether `advance` can keep the best epoch itself: see `set_stopping`.
    queued : bool
        Whether a `kernels.TrainerQueue` runs ``engine.trainer`` instead of `advance`.
    defers_moments : bool
        Whether `load` and `store` accept ``moments=False``, which leaves the moments as they are.
    drives : bool
        Whether the engine runs its own loop in `drive` and calls ``session.tick()`` after each
        iteration. Otherwise the session calls `advance`.
    stop_reason : str
        Why other ranks stop the training, "" if they do not.
    has_diverged : bool
        Whether the last `advance` ended because a loss or parameter was not finite.
    """

    validates = False
    keeps_best = False
    queued = False
    defers_moments = False
    drives = False

    @property
    def stop_reason(self):
        return ""

    def begin(self):
        """Begin the training, before `load`. Other ranks are met here first."""

    def evaluator(self, net, validation, with_error_rate):
        """Return a function to call after each epoch, with the parameters in the network, or None.

        It returns the validation loss and the error rate of the epoch. Each is None if the engine has
        computed it in `advance`, or if it is not needed. Other ranks are met in it.

        net : MLP
        validation : Data or None
        with_error_rate : bool
        """
        if validation is None or (self.validates and not with_error_rate):
            return None
        loss = None if self.validates else validation.evaluator(net)
        rate = validation.error_rate if with_error_rate else None
        return lambda: (loss() if loss else None, rate(net) if rate else None)

    def announce(self, reason):
        """Return why training stops here: `reason`, or "" if all ranks stop before their next step."""
        return reason

    def abandon(self):
        """Tell other ranks that this one has failed."""

    def interrupt(self):
        """Let `advance` return soon. Another thread calls this."""

    @property
    def has_diverged(self):
        return False

    def load(self, state):
        """Load the parameters from the network, moments and position from the state."""
        raise NotImplementedError

    def store(self, state):
        """Store the parameters in the network, the moments in the state. May be repeated."""
        raise NotImplementedError

    def position(self):
        """Return (step, epoch, row, loss_sum). The losses of all epochs before it are written.

        step, epoch : completed steps and epochs. row : first row of the next batch. loss_sum : sum
        of loss times rows over the batches of this epoch.
        """
        raise NotImplementedError

    def advance(self, seconds, losses):
        """Compute steps for about this many seconds or until ``losses.shape[1]`` epochs are done.

        Parameters
        ----------
        seconds : float
        losses : ndarray (3, epochs), OUT
            The mean loss of each epoch, and if the engine validates its validation loss and, with
            that metric, its error rate.

        Returns
        -------
        kernels.Stop
            Why it stopped. It may return after any epoch.
        """
        raise NotImplementedError

    def epochs_validated(self):
        """Return the number of epochs whose validation loss is known, if the engine validates."""
        raise NotImplementedError

    def drive(self, session, epochs):
        """Run at most this many iterations, if the engine drives.

        Write the loss of each to ``session.begin_slice(1)[0, 0]``, then call ``session.tick()``,
        which returns True to stop.
        """
        raise NotImplementedError

    def restore(self):
        """Restore the last saved parameters, after a loss or parameter was not finite."""
        raise NotImplementedError

    def set_optimizer(self, optimizer):
        """Continue with other options, ``state.to_kernel()``, that use the same moments."""

    def set_stopping(self, patience, metric=Metric.TRAINING_LOSS, best_epoch=-1):
        """Let `advance` return when this `Patience` for a metric is exhausted.

        An engine that returns after every epoch and does not keep the best can ignore it. Others must
        not, since it is a matter of time how many epochs they compute before they return.
        """

    def best(self, params):
        """Store the parameters of the best epoch in `params`, and return (metric, epoch).

        Only if the engine keeps the best. The epoch is -1 if there was none yet.
        """
        raise NotImplementedError


class TrainerEngine(Engine):
    """Base class of engines whose `trainer`, a `kernels.Trainer`, has all rows.

    It stops by the patience of the last `set_stopping`, and then `advance` returns Stop.CONVERGED.
    """

    trainer: Any = None
    threads: Any = None  # a ThreadChoice
    metric = Metric.TRAINING_LOSS  # that `set_stopping` got

    def position(self):
        return self.trainer.position()

    def run(self, seconds, *arrays):
        """Run the trainer in as many threads as are fastest, and return why it stopped."""
        if self.threads is None:
            return self.trainer.run(1, seconds, *arrays)
        step, why = self.position()[0], None

        def work(n_threads, seconds):
            nonlocal why
            why = self.trainer.run(n_threads, seconds, *arrays)
            return self.position()[0] - step

        self.threads.run(work, seconds)
        return why

    def set_stopping(self, patience, metric=Metric.TRAINING_LOSS, best_epoch=-1):
        self.metric = metric
        self.trainer.set_stopping(
            0 if patience.epochs == np.inf else min(patience.epochs, sys.maxsize),
            patience.min_delta,
            patience.best,
            metric=metric,
            running_best=patience.running_best,
            keep_last=patience.keep == "last",
            no_improvement=patience.count,
            best_epoch=max(best_epoch, 0) if patience.has_best else -1,
        )

    @property
    def has_diverged(self):
        return self.trainer is not None and self.trainer.stop() == Stop.NOT_FINITE

    def restore(self):
        self.trainer.restore()

    def set_optimizer(self, optimizer):
        self.trainer.set_optimizer(optimizer)

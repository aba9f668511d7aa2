"""Sessions of networks that keep the parameters of two parts of their training."""

from ...training.session import SLICE_EPOCHS, Session


class TwoPartSession(Session):
    """A Session that keeps the best epoch of the first part of a training, and of the rest.

    Attributes
    ----------
    first : int or None
        Number of epochs of the first part; None for a single part.
    best_of_first : ndarray (n_params,) or None
        Parameters of the best epoch of the first part, once it is over.
    epoch_of_first : int or None
        That epoch, or the last epoch of the first part without one.
    is_over : function or None
        Returns whether the training must stop after a slice, at its best epoch so far.
    was_stopped : bool
        Whether it did.
    """

    first = best_of_first = epoch_of_first = is_over = None
    was_stopped = False

    def restore_best(self):
        """Take the parameters of the best epoch so far, if an epoch is done."""
        best = self.state.best
        if best is not None:
            self.net.params = best.params
        elif self.best_of_first is not None:
            self.net.params = self.best_of_first

    @property
    def is_in_first(self):
        return self.first is not None and self.best_of_first is None

    def begin_slice(self, epochs=None):
        if self.is_in_first:  # a slice must not go beyond
            epochs = min(self.first - self.state.epoch, SLICE_EPOCHS)
        return super().begin_slice(epochs)

    def end_slice(self, stop):
        super().end_slice(stop)
        if self.is_in_first and self.state.epoch == self.first:
            self.store()
            self.end_first()
        if self.is_over is not None and not self.is_done and self.is_over():
            self.was_stopped, self.stop_reason = True, "the time is over"

    def end_first(self):
        """Keep what the first part has led to."""
        best, self.state.best = self.state.best, None
        self.epoch_of_first = self.first if best is None else best.epoch
        self.best_of_first = self.net.params.copy() if best is None else best.params
        if self.stopping:  # else a callback, which reads the state
            self.engine.set_stopping(self.stopping.to_patience(self.state), self.metric)

    def best_parts(self):
        """Return the parts of all epochs after which the networks of both parts were best."""
        best, epochs = self.state.best, self.options.epochs
        last = min(self.state.epoch if best is None else best.epoch, epochs)
        first = last if self.epoch_of_first is None else self.epoch_of_first
        return [first / epochs, last / epochs]


class SnapshotSession(TwoPartSession):
    """A Session that keeps the parameters after the first part of a training."""

    def end_first(self):
        self.best_of_first = self.net.params.copy()

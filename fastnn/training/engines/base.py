"""The protocol between a session and an engine."""


class Engine:
    """What computes steps, and nothing else: the loop around it is `Session`.

    Between `load` and `store` the engine holds the parameters and moments; the network and its
    state hold them otherwise.

    Attributes
    ----------
    validates : bool
        Whether `advance` computes the validation loss of each epoch itself.
    drives : bool
        Whether the engine runs its own iterations (`drive`) and calls ``session.tick()`` after
        each, instead of being advanced.
    """

    validates = False
    drives = False

    def load(self, state):
        """Take the parameters from the network, moments and position from the state."""
        raise NotImplementedError

    def store(self, state):
        """Put parameters and moments back; harmless to repeat."""
        raise NotImplementedError

    def position(self):
        """Where it stands: whole steps and epochs done, first row of the next batch, sum of this
        epoch's losses (times rows)."""
        raise NotImplementedError

    def advance(self, seconds, losses):
        """Compute steps for about so many seconds, at most until ``losses.shape[1]`` epochs have
        ended; it may return after any epoch.

        losses : ndarray (2, epochs)
            Receives the mean loss of each epoch and, if the engine validates, the validation loss
            after it.

        Returns why it stopped, a `kernels.Stop`.
        """
        raise NotImplementedError

    def epochs_validated(self):
        """Whole epochs done whose validation loss is known; asked only if the engine validates."""
        raise NotImplementedError

    def drive(self, session, epochs):
        """Run at most so many iterations; asked only if it drives.

        Each writes its loss to ``session.begin_slice(1)[0, 0]`` and then calls ``session.tick()``,
        which says whether to stop.
        """
        raise NotImplementedError

    def restore(self):
        """Back to the last copy of the parameters, after training turned non-finite."""
        raise NotImplementedError

    def set_optimizer(self, optimizer):
        """Go on with other settings of the same moments, ``state.to_kernel()``."""

    def set_patience(self, patience):
        """Let `advance` return when this `Patience` is exhausted. An engine that returns after
        every epoch need not look."""

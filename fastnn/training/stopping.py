"""Patience: stop after some epochs without improvement."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isnan


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

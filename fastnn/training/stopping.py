"""When to stop: patience, counted in epochs without improvement."""

from dataclasses import dataclass
from math import inf


@dataclass
class Patience:
    """Counts epochs without improvement and remembers the best loss.

    Parameters
    ----------
    epochs : int or inf
        Number of epochs without improvement to tolerate: with as many in a row it is exhausted.
    min_delta : float, default 0.0
        By how much a loss must be lower to be an improvement.
    running_best : bool, default False
        What a loss is compared with. False: the last improvement, ``loss < best - min_delta``.
        True: the lowest loss so far, however little lower it was, ``loss <= best - min_delta``;
        this is how scikit-learn counts (with `epochs` = n_iter_no_change + 1).
    keep : {"first", "last"}, default "first"
        Which of several epochs with the same best loss is the best one. With "last", an equal loss
        is an improvement unless `min_delta` asks for more.
    best : float, default inf
        The loss to improve on.
    count : int, default 0
        Epochs without improvement up to now.

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

    def update(self, loss):
        """Take the loss of an epoch; whether this epoch is the best so far. NaN is no
        improvement."""
        limit, last = self.best - self.min_delta, self.keep == "last"
        if self.running_best:
            improved, is_best = loss <= limit, loss < self.best or (last and loss == self.best)
        else:
            improved = is_best = loss < limit or (last and loss == limit)
        self.count = 0 if improved else self.count + 1
        if is_best:
            self.best = loss
        return is_best

    @property
    def exhausted(self):
        """Whether training should stop."""
        return self.count >= self.epochs

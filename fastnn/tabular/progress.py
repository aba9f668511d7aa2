"""How far a fit is."""

from dataclasses import dataclass

from ..training.progress import Line


@dataclass
class Progress:
    """How far the training of an ensemble is.

    Attributes
    ----------
    n_networks, n_folds : int
        Numbers of all networks and folds.
    networks_done : float
        Number of trained networks; one that is half trained counts 0.5.
    folds_done : int
        Number of folds whose networks are all trained.
    score : float or None
        `oof_score_` of the folds that are done; None before the first, and for several quantiles.
    score_name : str
        "accuracy" or "R2".
    seconds_left : float or None
        Estimated time until the last network is trained; None at the start.
    """

    n_networks: int
    n_folds: int
    networks_done: float
    folds_done: int
    score: float | None
    score_name: str
    seconds_left: float | None


class ProgressReporter:
    """Passes the progress of training on: to a function, and to a line on standard error.

    Parameters
    ----------
    fit : Fit
    function : callable or None
        function(progress) is called about twenty times a second in the thread of `fit`.
    verbose : bool
        Whether to print the line.
    """

    def __init__(self, fit, function, verbose):
        self.fit, self.function = fit, function
        self.line = Line() if verbose else None

    def show(self, pool):
        if self.function is not None:
            self.function(self.progress(pool))
        if self.line is not None and self.line.is_due():
            self.line.print(_describe(self.progress(pool)), "\r")

    def close(self, pool):
        if self.function is not None:
            self.function(self.progress(pool))
        if self.line is not None:
            self.line.print(_describe(self.progress(pool)), "\n")

    def progress(self, pool):
        fit = self.fit
        before = len(fit.jobs) - pool.n  # networks of an earlier fit
        return Progress(
            len(fit.jobs),
            len(fit.folds),
            before + pool.done,
            len(fit.done),
            fit.score,
            fit.estimator._score_name,
            pool.seconds / pool.done * (pool.n - pool.done) if pool.done else None,
        )


def _describe(progress):
    """Return the parts of the line."""
    width = len(str(progress.n_networks))
    parts = [
        f"network {int(progress.networks_done):{width}}/{progress.n_networks}",
        f"fold {progress.folds_done}/{progress.n_folds}",
    ]
    if progress.score is not None:
        parts.append(f"{progress.score_name} {progress.score:.3f}")
    if progress.seconds_left:
        parts.append(f"{progress.seconds_left:.0f} s left")
    return parts

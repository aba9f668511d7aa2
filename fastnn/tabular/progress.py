"""Progress of a fit."""

from dataclasses import dataclass

from ..training.progress import Line, describe_count, seconds_left


@dataclass
class FitProgress:
    """Progress of the training of an ensemble.

    Attributes
    ----------
    n_networks, n_folds : int
        Numbers of all networks and folds. With `time`, the networks on all rows are counted before
        it is known which configurations are used, so n_networks may decrease.
    networks_done : float
        Number of trained networks; one that is half trained counts 0.5.
    folds_done : int
        Number of folds whose networks are all trained.
    score : float or None
        `oof_score_` of the folds that are done; None before the first, and for several quantiles.
    score_name : str
        "R2", or "accuracy", "balanced accuracy" or "weighted accuracy" by `class_weight`.
    seconds_left : float or None
        Estimated time until the last network is trained; None at the start.
    encoded : float or None
        Part of the rows of a large table that are encoded; None when training begins.
    is_on_all_rows : bool
        With `time`: whether the folds are done, and networks train on all rows.
    """

    n_networks: int
    n_folds: int
    networks_done: float
    folds_done: int
    score: float | None
    score_name: str
    seconds_left: float | None
    encoded: float | None = None
    is_on_all_rows: bool = False

    @property
    def fraction(self):
        """float: how much of the work is done, 0 to 1."""
        return self.networks_done / self.n_networks if self.encoded is None else self.encoded


class EncodingReporter:
    """Passes on how many rows of a large table are encoded.

    Parameters
    ----------
    options : TableFitOptions
    n_folds, n_rows : int
    """

    def __init__(self, options, n_folds, n_rows):
        self.options, self.n_folds, self.n_rows = options, n_folds, n_rows
        self.line = Line() if options.verbose else None

    def show(self, n):
        """Report that n rows are encoded."""
        function, fraction = self.options.on_progress, n / self.n_rows
        name = self.options.task.score_name
        if function is not None:
            function(FitProgress(0, self.n_folds, 0.0, 0, None, name, None, fraction))
        if self.line is not None and self.line.is_due():
            self.line.print([f"encoding rows {100 * fraction:3.0f} %"], "\r")


class ProgressReporter:
    """Passes the progress of training on: to a function, and to a line on standard error.

    Parameters
    ----------
    options : TableFitOptions
        Its function `on_progress` is called about twenty times a second in the thread of `fit`.
    out_of_fold : OutOfFold
    time_budget : TimeBudget
    final : FinalNetworks or None
    """

    def __init__(self, options, out_of_fold, time_budget, final=None):
        self.options, self.out_of_fold, self.time_budget = options, out_of_fold, time_budget
        self.final = final
        self.function, self.line = options.on_progress, Line() if options.verbose else None
        self.before = {id(job) for job in out_of_fold.jobs if job.networks}  # by an earlier fit
        self.n_trained, self.seconds = 0, 0.0  # of the calls of training_jobs.train that have ended
        self.last = None

    def show(self, pool):
        if self.function is not None:
            self.function(self.progress(pool))
        if self.line is not None and self.line.is_due():
            self.line.print(_progress_line(self.progress(pool)), "\r")

    def close(self, pool):
        self.last = self.progress(pool)
        self.n_trained += pool.done
        self.seconds += pool.seconds
        if self.function is not None:
            self.function(self.last)

    def end(self):
        """Print the line for the last time."""
        if self.line is not None and self.last is not None:
            self.line.print(_progress_line(self.last), "\n")

    def progress(self, pool):
        found, final = self.out_of_fold, self.final
        trained, seconds = self.n_trained + pool.done, self.seconds + pool.seconds
        n_before, n_networks = sum(id(job) in self.before for job in found.jobs), len(found.jobs)
        if final is not None:
            n_before, n_networks = n_before + final.n_before, n_networks + final.n_jobs
        left = seconds_left(seconds, trained, n_networks - n_before)
        if left is not None and self.time_budget.is_limited:
            left = min(left, max(0.0, self.time_budget.training_ends - self.time_budget.clock()))
        return FitProgress(
            n_networks,
            len(found.folds),
            n_before + trained,
            found.n_complete,
            found.score,
            self.options.task.score_name,
            left,
            is_on_all_rows=final is not None and len(final.jobs) > 0,
        )


def _progress_line(progress):
    """Return the parts of the line."""
    parts = [
        describe_count("network", progress.networks_done, progress.n_networks),
        "training on all rows"
        if progress.is_on_all_rows
        else f"fold {progress.folds_done}/{progress.n_folds}",
    ]
    if progress.score is not None:
        parts.append(f"{progress.score_name} {progress.score:.3f}")
    if progress.seconds_left:
        parts.append(f"{progress.seconds_left:.0f} s left")
    return parts

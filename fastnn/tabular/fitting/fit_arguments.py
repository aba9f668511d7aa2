"""What an estimator passes on to one call of `fit`."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FitArguments:
    """The rows that were passed to `fit` of an estimator, as they were passed."""

    X: Any
    y: Any
    sample_weight: Any
    groups: Any
    time: Any
    window: Any


@dataclass(frozen=True, kw_only=True)
class TableFitOptions:
    """What an estimator passes to `TableFit`.

    Attributes
    ----------
    estimator_name : str
        For messages.
    task : ClassTask or NumberTask
    n_estimators, cv, time_limit, random_state, n_threads, verbose
        As in the estimator. `TableFit` resolves ``n_threads=-1``.
    executor : concurrent.futures.Executor or None
        As in `fit`.
    hidden_sizes : list of int
    declared : dict
        Columns whose kind the user knows, for `Features.fit`.
    on_progress : callable or None
        on_progress(progress) is called with a `table_progress.FitProgress`.
    parameters : dict
        All parameters of the estimator, as a file holds them.
    metadata_bytes : int
        Bytes of the header of a file that are for `metadata_`.
    seconds_before : float
        Seconds of the time limit that have passed before `fit`.
    suggests_splits : bool
        Whether to warn of columns by which the rows should be split.
    """

    estimator_name: str
    task: Any
    n_estimators: int
    cv: Any
    hidden_sizes: list
    time_limit: float | None
    random_state: Any
    n_threads: int
    executor: Any
    declared: dict
    verbose: bool
    on_progress: Any
    parameters: dict
    metadata_bytes: int
    seconds_before: float
    suggests_splits: bool

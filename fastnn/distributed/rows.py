"""RowSource: where the rows are that networks train on."""

from typing import Any

from ..training.pool import StreamPool, train_many


class RowSource:
    """Rows that networks train on: here in memory; others are in files, on ranks or on Dask.

    Estimators and tables get one. What they ask of it besides is with them: `estimators.rows`,
    `tabular.large`.

    Attributes
    ----------
    is_reporting : bool
        Whether this process shows warnings and progress, not another rank.
    """

    is_reporting = True

    def n_at_once(self, n_threads: int) -> Any:
        """Return how many networks train at the same time, each in a thread; None: all, in a queue."""
        return None

    def train(self, trainings: Any, n_threads: int, line: Any = None) -> None:
        """Train networks.

        trainings, line : as of `training.pool.train_many`
        """
        n = self.n_at_once(n_threads)
        if n is None:
            train_many(trainings, n_threads, line)
        else:
            StreamPool(trainings, n, line).run()

    def close(self) -> None:
        """Delete what only training needs."""

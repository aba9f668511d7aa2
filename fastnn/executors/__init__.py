"""Networks in the workers of an executor: processes, or machines that Dask or MPI connects.

- `executor_pool`: the loop in the process of the caller. `worker`: what runs in a worker.
- `shared_objects`: the rows that many tasks read, and that travel once to each worker.
- `task_pickles`: tasks as bytes. `mpi_ranks`: the ranks of an MPI job as workers.
"""

from .executor_pool import (
    ExecutorPool,
    RemoteTrainings,
    check_callbacks,
    n_workers,
    threads_of_worker,
)
from .shared_objects import SharedObjects

__all__ = [
    "ExecutorPool",
    "RemoteTrainings",
    "SharedObjects",
    "check_callbacks",
    "n_workers",
    "threads_of_worker",
]

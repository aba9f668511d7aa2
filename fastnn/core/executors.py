"""Share work among the workers of a `concurrent.futures.Executor`."""

from .validation import check_threads


def n_workers(executor):
    """Return the executor's number of workers, or the number of CPUs if it does not report one."""
    client = getattr(executor, "_client", None)  # of dask.distributed
    if client is not None:
        return max(1, len(client.nthreads()))
    workers = getattr(executor, "num_workers", None)  # of mpi4py.futures
    return workers or getattr(executor, "_max_workers", None) or check_threads(-1)


def shares(k, executor):
    """Return the bounds (start, stop) of equal shares of k jobs, at most one for each worker."""
    n = min(k, n_workers(executor))
    bounds = [k * j // n for j in range(n + 1)]
    return list(zip(bounds, bounds[1:]))


def results_of(futures):
    """Return the results of all futures. If one fails, cancel the others."""
    try:
        return [future.result() for future in futures]
    except BaseException:
        for future in futures:
            future.cancel()
        raise

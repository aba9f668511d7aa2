"""The ranks of an MPI job as the workers of a program that runs on rank 0."""

import os
import signal
import sys
import threading
import traceback
from concurrent.futures import Executor, ThreadPoolExecutor

#: Variables by which MPI launchers tell a process the number of ranks: MPICH and Intel MPI, Open MPI.
SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
RANK = "PMIX_RANK"  # of launchers that tell no size, such as srun --mpi=pmix
INSTALL = (
    "the ranks of an MPI launcher share the networks by mpi4py, which is not installed. Run: "
    'python -m pip install "fastnn-mlp[mpi]", or start one process.'
)


def are_launched(environ=os.environ):
    """Return whether an MPI launcher has started this process as one of several."""
    sizes = [environ[name] for name in SIZES if name in environ]
    return any(size != "1" for size in sizes) if sizes else RANK in environ


def run_on_rank_0(function):
    """Run a function on rank 0 of all ranks, while the others serve its executor.

    An exception on a rank, which the function does not handle, ends all ranks.

    Parameters
    ----------
    function : callable
        function(executor) returns an exit code. The executor is None if there is one rank.

    Returns
    -------
    int
        The exit code; 0 on the other ranks.

    Raises
    ------
    ModuleNotFoundError
        mpi4py is not installed.
    """
    try:
        from mpi4py import MPI
        from mpi4py.futures import MPICommExecutor
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mpi4py":
            raise
        raise ModuleNotFoundError(INSTALL, name="mpi4py") from None
    comm = MPI.COMM_WORLD
    if comm.size == 1:
        return function(None)
    try:
        if comm.rank > 0 and threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):  # rank 0 decides what they do
                signal.signal(number, signal.SIG_IGN)
        with MPICommExecutor(comm, root=0) as pool:
            if pool is None:  # rank 0 has ended
                return 0
            with RankExecutor(pool, comm.size) as executor:
                return function(executor)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        comm.Abort(1)
        raise


class RankExecutor(Executor):
    """The other ranks, and a thread of this one, which would have nothing to do otherwise.

    Parameters
    ----------
    pool : mpi4py.futures.MPICommExecutor
        Of the other ranks.
    n_ranks : int

    Attributes
    ----------
    num_workers : int
        As many tasks run at the same time.
    """

    def __init__(self, pool, n_ranks):
        self.num_workers, self._pool, self._here = n_ranks, pool, ThreadPoolExecutor(1)
        self._free = threading.Semaphore(n_ranks - 1)  # of the other ranks

    def submit(self, fn, /, *args, **kwargs):
        """Submit a task to another rank, or to this one if the others are busy."""
        if not self._free.acquire(blocking=False):
            return self._here.submit(fn, *args, **kwargs)
        future = self._pool.submit(fn, *args, **kwargs)
        future.add_done_callback(lambda future: self._free.release())
        return future

    def shutdown(self, wait=True, *, cancel_futures=False):
        """End the thread. The other ranks serve on until their pool ends."""
        self._here.shutdown(wait, cancel_futures=cancel_futures)

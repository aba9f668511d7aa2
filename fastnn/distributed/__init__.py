"""Training on several machines, by MPI, PyTorch, Dask or executors.

`MLP.fit(X_part, y_part, comm=...)` takes a communicator of mpi4py, a group of torch.distributed, or
any object with the methods of `Communicator`: each rank holds a part of the rows, and all update together.
Estimators take Dask collections, whose partitions the workers of a cluster train on. What trains many networks takes
an executor.

- `rows`: the interface of rows in memory, in files, on ranks and on Dask.
- `sums`: sums over parts in a fixed order, and means of networks that parts have trained.
- `communicator`: the protocol, and adapters. `ranks`: what ranks agree on in a training, and which rows a rank
  holds. `rank_engine`: the engines that train on ranks.
- `partitions`: the partitions of Dask collections: two passes, rows in files of workers, and predictions.
  `runner`: where tasks of Dask run. `rounds`: training in short rounds.
- `executor_pool`: trains networks in the workers of an executor. `shared_objects`: what many tasks read.
  `mpi_ranks`: the ranks of an MPI job as workers.
"""

from .communicator import Communicator, MPICommunicator, TorchCommunicator
from .ranks import RankError, part

__all__ = [
    "ClusterError",
    "Communicator",
    "MPICommunicator",
    "RankError",
    "TorchCommunicator",
    "part",
]


class ClusterError(ConnectionError):
    """The cluster of Dask can no longer compute. What is done has been kept."""

"""The protocol of an engine that connects ranks, and adapters for mpi4py and PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@runtime_checkable
class Communicator(Protocol):
    """Ranks that call the same methods in the same order.

    Buffers are C-contiguous arrays, of the same size and dtype on all ranks. A method returns when
    the buffer may be used again.

    Attributes
    ----------
    rank, size : int
        The number of this rank, from 0, and that of all ranks.
    """

    rank: int
    size: int

    def allreduce(self, buffer: NDArray[Any]) -> None:
        """Replace a buffer, float32 or float64, by its sum over all ranks, in place.

        All ranks must get the same bits.
        """

    def sendrecv(self, send: NDArray[Any], receive: NDArray[Any], partner: int) -> None:
        """Send a buffer to a rank, and receive one of it, at the same time.

        send, receive : arrays of uint8
        """

    def broadcast(self, buffer: NDArray[Any], root: int = 0) -> None:
        """Replace a buffer by that of a rank, in place.

        buffer : array of uint8
        """


class MPICommunicator:
    """A communicator of mpi4py.

    Buffers are sent as they are, without pickle.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm, optional
        By default ``MPI.COMM_WORLD``.

    Examples
    --------
    >>> from fastnn.distributed import MPICommunicator
    >>> comm = MPICommunicator()  # doctest: +SKIP
    >>> comm.rank, comm.size  # doctest: +SKIP
    (0, 1)
    """

    def __init__(self, comm: Any = None) -> None:
        from mpi4py import MPI

        if comm is not None and not isinstance(comm, MPI.Comm):
            raise TypeError(f"comm must be a communicator of mpi4py, got {comm!r}")
        self._comm, self._in_place = MPI.COMM_WORLD if comm is None else comm, MPI.IN_PLACE
        self.rank: int = self._comm.Get_rank()
        self.size: int = self._comm.Get_size()

    def allreduce(self, buffer: NDArray[Any]) -> None:
        self._comm.Allreduce(self._in_place, buffer)

    def sendrecv(self, send: NDArray[Any], receive: NDArray[Any], partner: int) -> None:
        if np.shares_memory(send, receive):
            raise ValueError("send and receive must not share memory")
        if send.dtype != receive.dtype:
            raise ValueError(f"send has {send.dtype}, but receive has {receive.dtype}")
        self._comm.Sendrecv(send, partner, 0, receive, partner, 0)

    def broadcast(self, buffer: NDArray[Any], root: int = 0) -> None:
        self._comm.Bcast(buffer, root)


class TorchCommunicator:
    """A group of torch.distributed, for example that of a worker of Ray Train.

    Its backend must be one for the CPU, such as gloo.

    Parameters
    ----------
    group : torch.distributed.ProcessGroup, optional
        By default the group of all processes.

    Examples
    --------
    >>> from fastnn.distributed import TorchCommunicator
    >>> comm = TorchCommunicator()  # doctest: +SKIP
    """

    def __init__(self, group: Any = None) -> None:
        import torch
        import torch.distributed as dist

        if group is not None and not isinstance(group, dist.ProcessGroup):
            raise TypeError(f"group must be a torch.distributed.ProcessGroup, got {group!r}")
        self._torch, self._dist = torch, dist
        self._group = dist.group.WORLD if group is None else group
        self.rank: int = dist.get_rank(self._group)
        self.size: int = dist.get_world_size(self._group)

    def allreduce(self, buffer: NDArray[Any]) -> None:
        self._dist.all_reduce(self._torch.from_numpy(buffer), group=self._group)

    def sendrecv(self, send: NDArray[Any], receive: NDArray[Any], partner: int) -> None:
        sent, received = map(self._torch.from_numpy, (send, receive))
        rank = self._dist.get_global_rank(self._group, partner)
        sending = self._dist.isend(sent, rank, group=self._group)
        self._dist.recv(received, rank, group=self._group)
        sending.wait()

    def broadcast(self, buffer: NDArray[Any], root: int = 0) -> None:
        rank = self._dist.get_global_rank(self._group, root)
        self._dist.broadcast(self._torch.from_numpy(buffer), rank, group=self._group)


def resolve_communicator(comm: Any) -> Communicator:
    """Return the Communicator for the argument `comm` of fit."""
    if hasattr(comm, "Get_rank") and hasattr(comm, "Allreduce"):
        return MPICommunicator(comm)
    if type(comm).__module__.partition(".")[0] == "torch":
        return TorchCommunicator(comm)
    if isinstance(comm, Communicator):
        return comm
    raise TypeError(
        "comm must be a communicator of mpi4py, such as MPI.COMM_WORLD, a group of "
        "torch.distributed, or an object with the methods of fastnn.distributed.Communicator, got "
        f"{type(comm).__name__}"
    )


def bytes_of(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a contiguous array as bytes, without copying."""
    return array.reshape(-1).view(np.uint8)

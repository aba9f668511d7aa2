"""Ranks: what the ranks of a training agree on, and which rows each of them holds.

They sum gradients or networks, and with them flags, so that all of them end at the same step.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.messages import join
from ..core.validation import check_count
from .communicator import bytes_of, resolve_communicator
from .sums import CommunicatorAdder, TreeAdder, add_in_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ..state import TrainingState
    from .sums import Adder

DEFAULT_SHARDS = 16
#: Flags go with all sums: the number of ranks that were interrupted, that of ranks whose callbacks
#: stop the training, and that of ranks that failed.
FLAGS = range(3)
INTERRUPTED, STOPPED, FAILED = FLAGS
N_LOSS_NUMBERS = 4  # numbers behind the gradient: the loss and the weight, each as two
N_SUMS = 4  # of an exchange at the end of an epoch
SIGNALS = signal.SIGINT, signal.SIGTERM
SINGLE_RANK = SimpleNamespace(rank=0, size=1)  # in place of a Communicator
REPORT_SECONDS = 0.3  # for a rank that failed to print its error


class RankError(RuntimeError):
    """Raised on all other ranks when one fails in a training, or is given other settings.

    Attributes
    ----------
    rank : int
        The rank that failed, the first of them if there are several.
    """

    def __init__(self, message: str, rank: int) -> None:
        super().__init__(message)
        self.rank: int = rank

    def __reduce__(self) -> tuple[Any, ...]:
        return RankError, (self.args[0], self.rank)


class Ranks:
    """The ranks of a training.

    They exchange sums after the gradient of each step, and at the end of each epoch. With the sums
    go flags. A rank that wants to stop raises a flag at its next exchange, and all ranks stop there.

    Parameters
    ----------
    comm : Communicator, communicator of mpi4py, group of torch.distributed, or None
    shards : int, optional
        As in `MLP.fit`; by default `DEFAULT_SHARDS`. 0: each rank is a shard, and sums are those
        of ``comm.allreduce``, or with `sync_every` above 1 in a tree of ranks.
    sync_every : int, default 1
        As in `MLP.fit`. More than 1 needs a communicator and no shards.

    Attributes
    ----------
    n_shards : int
        Of all ranks.
    first, n : int
        The first shard of this rank, and their number.
    stop_reason : str
        Why a callback on any rank stops the training, "" if none does.
    is_over : bool
        Whether all ranks know that they stop.
    """

    def __init__(
        self, comm: Any = None, shards: int | None = None, sync_every: int | None = 1
    ) -> None:
        self.comm: Any = SINGLE_RANK if comm is None else resolve_communicator(comm)
        self.sync_every = check_count("sync_every", sync_every)
        if sync_every != 1:
            if comm is None or shards:
                what = "comm, whose ranks" if comm is None else "shards=0, since ranks"
                raise ValueError(
                    f"sync_every={sync_every} needs {what} train on their own rows between two averages. "
                    "Pass that, or sync_every=1."
                )
            shards = 0
        self.shards = DEFAULT_SHARDS if shards is None else shards
        self.n_shards = count_shards(self.shards, self.comm.size)  # the same error on all ranks
        self.first, self.n = owned_shards(self.comm.rank, self.comm.size, self.n_shards)
        self.stop_reason, self.is_over = "", False
        self._failed: list = []  # ranks
        self._signals: list = []  # that arrived, each as the arguments of its handler
        self._reason = ""  # why a callback of this rank stops the training
        self._epoch_sum = self.sum_of_totals(N_SUMS)

    # ---- sums ----

    def sum_of_steps(self, n_params: int, dtype: Any) -> Adder:
        """Make the sum over ranks of the gradient, the loss and the weight of a batch, with flags."""
        if self.shards or self.sync_every > 1:
            return TreeAdder(self.comm, n_params, 2, dtype, len(FLAGS))
        return CommunicatorAdder(self.comm, n_params + N_LOSS_NUMBERS, dtype, len(FLAGS))

    def sum_of_totals(self, n: int) -> TreeAdder:
        """Make the sum over ranks of n numbers of float64, with flags."""
        return TreeAdder(self.comm, 0, n, n_flags=len(FLAGS))

    def meet(self, total: Adder) -> bool:
        """Sum over ranks, with the flags. Return whether all stop here."""
        if self._signals or self._reason:
            total.flags[INTERRUPTED] = bool(self._signals)
            total.flags[STOPPED] = bool(self._reason)
        self._exchange(total)
        flags = total.flags.tolist()
        if not any(flags):
            return False
        self._flags, self.is_over = flags, True
        if flags[FAILED]:
            self._failed = np.flatnonzero(self.gather(False)).tolist()
        if flags[STOPPED]:
            self.stop_reason = self._reason or "a callback stopped the training on some rank"
        return True

    def end_epoch(self, values: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return sums over all shards of all ranks, at the end of an epoch.

        values : ndarray (n, N_SUMS) of float64, optional
            Those of the shards of this rank.
        """
        total = self._epoch_sum
        total.totals[:] = 0 if values is None else add_in_tree(values)
        total.flags[:] = 0
        if self.meet(total):
            self.raise_reason()
        return total.totals.copy()

    def sum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return sums over all shards of all ranks. values : ndarray (n, k) of this rank's shards"""
        total = TreeAdder(self.comm, 0, values.shape[1])
        total.totals[:] = add_in_tree(values)
        self._exchange(total)
        return total.totals

    def _exchange(self, function, *arguments):
        """Call what exchanges numbers. If it fails, the ranks do not meet again."""
        try:
            function(*arguments)
        except BaseException:
            self.is_over = True
            raise

    # ---- flags ----

    def stop(self, reason: str) -> None:
        """Let all ranks stop at their next exchange, since a callback asks for it."""
        self._reason = reason

    def raise_reason(self) -> None:
        """Raise the exception that stops this rank, if there is one."""
        if self._failed:
            # This error may abort the job: give the ranks that failed time to print their own.
            time.sleep(REPORT_SECONDS)
            first, *others = self._failed
            who = f"ranks {join(self._failed, quoted=False)}" if others else f"rank {first}"
            their = "Their own error messages say" if others else "Its own error message says"
            raise RankError(f"the training stopped because {who} failed. {their} why.", first)
        if self._flags[INTERRUPTED]:
            self.deliver_signals()
            raise KeyboardInterrupt("another rank was interrupted")

    def abandon(self, total: Adder | None = None) -> None:
        """Tell the other ranks that this one fails, in place of its next exchange.

        total : the sum that they wait for; by default that at the end of an epoch
        """
        if self.is_over or self.comm.size == 1:
            return
        self.is_over = True
        total = self._epoch_sum if total is None else total
        total.clear()
        total.flags[FAILED] = 1
        total()
        self.gather(True)  # the others ask who failed

    @contextlib.contextmanager
    def failing_together(self) -> Iterator[None]:
        """A context in which the ranks prepare the training: if one fails there, all do."""
        try:
            yield
        except BaseException:
            self.abandon()
            raise
        self.end_epoch()

    # ---- signals ----

    @contextlib.contextmanager
    def deferring_signals(self) -> Iterator[None]:
        """A context in which Ctrl-C and SIGTERM stop all ranks at their next exchange.

        An exception of a handler within an exchange would let the others wait for ever. The
        handlers are called when the ranks have stopped.
        """
        self._handlers: dict = {}
        is_main = threading.current_thread() is threading.main_thread()
        try:
            for number in SIGNALS if is_main and self.comm.size > 1 else ():
                handler = signal.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
                    signal.signal(number, self._keep_signal)
            yield
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            self.deliver_signals()

    def _keep_signal(self, number, frame):
        self._signals.append((number, frame))

    def deliver_signals(self) -> None:
        """Call the handlers of the signals that arrived, which may raise."""
        while self._signals:
            number, frame = self._signals.pop(0)
            self._handlers[number](number, frame)

    # ---- the beginning ----

    def gather(self, number: float) -> NDArray[np.float64]:
        """Return a number of each rank."""
        numbers = np.zeros(self.comm.size)
        numbers[self.comm.rank] = number
        if self.comm.size > 1:
            self._exchange(self.comm.allreduce, numbers)
        return numbers

    def share(self, *arrays: NDArray[Any], root: int = 0) -> None:
        """Replace arrays by those of a rank."""
        for array in arrays:
            if array.size and self.comm.size > 1:
                self._exchange(self.comm.broadcast, bytes_of(array), root)

    def gather_json(self, value: Any) -> list[Any]:
        """Return a value of each rank, which JSON can hold."""
        mine = np.frombuffer(json.dumps(value).encode(), np.uint8)
        buffers = [np.zeros(int(n), np.uint8) for n in self.gather(len(mine))]
        buffers[self.comm.rank][:] = mine
        for rank, buffer in enumerate(buffers):
            self.share(buffer, root=rank)
        return [json.loads(buffer.tobytes()) for buffer in buffers]

    def shard_lengths(self, name: str, n: int) -> NDArray[np.intp]:
        """Return the number of rows of each shard of all ranks.

        Parameters
        ----------
        name : str
            What messages call the rows.
        n : int
            Number of rows of this rank.

        Raises
        ------
        ValueError
            A rank has other rows than `part` says.
        """
        rows = self.gather(n).astype(np.intp)
        if not self.shards:
            return rows
        total, size = int(rows.sum()), self.comm.size
        for rank in range(size):
            rows_of_part = part(total, rank, size, self.shards)
            if rows_of_part.stop - rows_of_part.start != rows[rank]:
                raise ValueError(
                    f"{name} has {rows[rank]:,} of {total:,} rows on rank {rank}, but {self.n_shards} "
                    f"shards on {size} ranks need {rows_of_part.stop - rows_of_part.start:,} there. Pass the rows that "
                    "fastnn.distributed.part returns, or shards=0."
                )
        return shard_lengths(total, self.n_shards)

    def check_settings(self, settings: dict) -> None:
        """Raise RankError on all ranks unless all have the settings of rank 0.

        settings : dict of str to what JSON can hold
        """
        if self.comm.size == 1:
            return
        first, *others = self.gather_json(settings)
        for rank, found in enumerate(others, 1):
            for name in first:
                if found.get(name) != first[name]:
                    self.is_over = True
                    raise RankError(
                        f"{name} of rank {rank} differs from that of rank 0: rank 0 has "
                        f"{first[name]!r}, but rank {rank} has {found.get(name)!r}. Pass the same on "
                        "all ranks.",
                        rank,
                    )


# ---- which rows a rank holds: neighbouring virtual shards of all rows ----


def part(n: int, rank: int, size: int, shards: int = DEFAULT_SHARDS) -> slice:
    """Return which of n rows a rank holds.

    Shard j of S has floor((n + j) / S) rows, those after the rows of shard j - 1. Rank r of P has
    the shards from floor(r S / P) to floor((r + 1) S / P).

    Parameters
    ----------
    n : int
        Number of rows of all ranks.
    rank, size : int
        The number of the rank, from 0, and that of all ranks.
    shards : int, default 16
        Number of virtual shards, as in `MLP.fit`; 0: each rank is one.

    Returns
    -------
    slice

    Raises
    ------
    ValueError
        There are more ranks than shards.

    Examples
    --------
    >>> from fastnn.distributed import part
    >>> [part(1000, rank, size=3) for rank in range(3)]
    [slice(0, 310, None), slice(310, 622, None), slice(622, 1000, None)]
    """
    n, size = check_count("n", n, minimum=0, maximum=sys.maxsize), check_count("size", size)
    rank = check_count("rank", rank, minimum=0, maximum=size - 1)
    starts = np.concatenate([[0], np.cumsum(shard_lengths(n, count_shards(shards, size)))])
    first, n_shards = owned_shards(rank, size, count_shards(shards, size))
    return slice(int(starts[first]), int(starts[first + n_shards]))


def count_shards(shards: int, size: int) -> int:
    """Return the number of shards, after checks. shards : as in `part`"""
    shards = check_count("shards", shards, minimum=0)
    if shards & (shards - 1):
        raise ValueError(f"shards must be a power of two, or 0, got {shards}.")
    if shards and size > shards:
        raise ValueError(
            f"{size} ranks cannot share {shards} shards. Pass shards={1 << (size - 1).bit_length()} "
            "or more, or fewer ranks."
        )
    return shards or size


def shard_lengths(n: int, n_shards: int) -> NDArray[np.intp]:
    """Return the number of rows of each shard."""
    return np.array([(n + j) // n_shards for j in range(n_shards)], dtype=np.intp)


def owned_shards(rank: int, size: int, n_shards: int) -> tuple[int, int]:
    """Return the first shard of a rank, and their number."""
    first = rank * n_shards // size
    return first, (rank + 1) * n_shards // size - first


def check_same_shards(state: TrainingState, n_shards: int | None) -> None:
    """Check that a training continues with the same number of shards, or None without shards."""
    if state.step > 0 and state.shards != n_shards:
        was, now = (
            "without shards" if n is None else f"with {n} shards" for n in (state.shards, n_shards)
        )
        raise ValueError(
            f"resume=True continues a training {was}, but this one is {now}. Pass the same shards, "
            "or resume=False."
        )
    state.shards = n_shards

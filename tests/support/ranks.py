"""Ranks in threads of one process: a communicator without an engine."""

import queue
import threading

import numpy as np
from processes import LIMIT

from fastnn.callbacks import Callback


class Hub:
    """What the ranks share."""

    def __init__(self, size):
        self.size, self.slots = size, [None] * size
        self.barrier = threading.Barrier(size, timeout=LIMIT)
        self.mail = {(a, b): queue.Queue() for a in range(size) for b in range(size)}


class ThreadRank:
    """A fastnn.distributed.Communicator.

    Attributes
    ----------
    n_exchanges : int
        How many sums this rank has taken part in.
    """

    def __init__(self, hub, rank):
        self.hub, self.rank, self.size, self.n_exchanges = hub, rank, hub.size, 0

    def _all(self, buffer):
        self.hub.slots[self.rank] = buffer.copy()
        self.hub.barrier.wait()
        buffers = [slot.copy() for slot in self.hub.slots]
        self.hub.barrier.wait()
        return buffers

    def allreduce(self, buffer):
        self.n_exchanges += 1
        buffer[:] = np.add.reduce(self._all(buffer))

    def sendrecv(self, send, receive, partner):
        self.n_exchanges += 1
        self.hub.mail[self.rank, partner].put(send.copy())
        receive[:] = self.hub.mail[partner, self.rank].get(timeout=LIMIT)

    def broadcast(self, buffer, root=0):
        buffer[:] = self._all(buffer)[root]


class Lost(Exception):
    """The ranks have lost each other."""


class FailingRank(ThreadRank):
    """All ranks fail in the same exchange, number `last`."""

    last = 20

    def sendrecv(self, send, receive, partner):
        super().sendrecv(send, receive, partner)
        if self.n_exchanges == self.last:
            raise Lost


class FailingCallback(Callback):
    """Raises an OSError at the beginning, or at the end of an epoch."""

    def __init__(self, at_begin, epoch):
        self.at_begin, self.epoch = at_begin, epoch

    def on_fit_begin(self, net, history):
        if self.at_begin:
            raise OSError("no room")

    def on_epoch_end(self, net, history):
        if len(history.loss) == self.epoch:
            raise OSError("no room")


def bits(net, history):
    """The bytes of all that a training leaves."""
    losses = np.array([history.loss, history.val_loss or history.loss])
    return b"".join(a.tobytes() for a in (net.params, net.state.moments, losses))


def run_on_ranks(size, work, rank_type=ThreadRank):
    """Return work(comm) of each rank, or the exceptions it raised."""
    hub, results = Hub(size), [None] * size

    def run(rank):
        try:
            results[rank] = work(rank_type(hub, rank))
        except BaseException as error:
            results[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def results_of(size, work, rank_type=ThreadRank):
    """Return work(comm) of each rank. An exception of one is raised here."""
    results = run_on_ranks(size, work, rank_type)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results

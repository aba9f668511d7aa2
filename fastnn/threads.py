"""Several threads where they pay, one where they don't. No number depends on the choice."""

import time
from concurrent.futures import ThreadPoolExecutor
from math import inf
from types import SimpleNamespace


class ThreadChoice:
    """One thread or n, slice by slice: both are timed for a few ms, n must win by 5 %.

    They are timed again after 1, 2, 4 .. 16 slices while the answer stays, and at once when steps have become 1.3 times slower. No barrier
    saves a step whose partner is not running, so only this keeps n threads from ever costing much more than one: beside a busy neighbour,
    or where a step is short. The network remembers from one training to the next.
    """

    TRIAL = 0.004  # seconds; starting a thread takes about 0.0001 of it
    SHORT_STEP = 4e-6  # seconds: a barrier costs about as much as it could save

    def __init__(self, net, n, batch_size):
        self.n = n
        if net._threads is None or net._threads.key != (n, batch_size):
            net._threads = SimpleNamespace(key=(n, batch_size), threads=1, one=None, slices=0, wait=1, best=inf)
        self.memory = net._threads

    def run(self, trainer, seconds, losses):
        """One slice of about so many seconds (less while timing); why it ended."""
        if self.n == 1:
            return trainer.run(1, seconds, losses)
        memory = self.memory
        if memory.slices > 0:
            why, step = self.timed(trainer, memory.threads, seconds, losses)
            memory.slices -= 1
            memory.best = min(memory.best, step)
            if step > 1.3 * memory.best:
                memory.slices = 0
        elif memory.one is None:
            why, memory.one = self.timed(trainer, 1, min(seconds, self.TRIAL), losses)
            if memory.one < self.SHORT_STEP:
                self.decide(1)
        else:
            why, many = self.timed(trainer, self.n, min(seconds, self.TRIAL), losses)
            self.decide(self.n if many < 0.95 * memory.one else 1)
        return why

    def decide(self, threads):
        memory = self.memory
        memory.wait = min(2 * memory.wait, 16) if threads == memory.threads else 1
        memory.threads, memory.slices, memory.one, memory.best = threads, memory.wait, None, inf

    @staticmethod
    def timed(trainer, n_threads, seconds, losses):
        """Why the slice ended, and its seconds a step."""
        step, began = trainer.position()[0], time.perf_counter()
        why = trainer.run(n_threads, seconds, losses)
        return why, (time.perf_counter() - began) / max(1, trainer.position()[0] - step)


def forward(net, X, out, n_threads):
    """out = net's outputs for X, rows shared among threads; bits don't depend on how."""
    n_threads = min(n_threads, 1 + len(X) * net.n_params // 1_000_000)  # starting a thread costs about what a million products do
    if n_threads == 1:
        net._forward_into(X, out)
        return
    cuts = [len(X) * i // n_threads for i in range(n_threads + 1)]
    parts = [(X[a:b], out[a:b]) for a, b in zip(cuts, cuts[1:])]
    with ThreadPoolExecutor(n_threads - 1) as helpers:
        others = [helpers.submit(net._forward_into, *part) for part in parts[1:]]
        net._forward_into(*parts[0])
    for other in others:
        other.result()  # raises what the helper raised

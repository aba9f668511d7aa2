"""How long each network trains, so that all of them get their share of the time."""

import threading
from dataclasses import dataclass
from typing import Any

from . import recipe

MIN_SECONDS = 0.1  # of training, from which on its speed is measured
SLACK = 1.5  # a network that is slower than planned may take this much of its share


@dataclass(eq=False)
class Share:
    """What a network may take.

    Attributes
    ----------
    seconds : float
        Estimated seconds for all epochs of the recipe, on one thread.
    n_steps : int
        Steps of these epochs.
    fraction : float
        Part of the epochs to train for.
    ends : float
        Time of the clock at which the network stops at its best epoch so far.
    clock : function
    session : Session or None
    """

    seconds: float
    n_steps: int
    fraction: float
    ends: float
    clock: Any
    session: Any = None

    def limit(self, session):
        """Let a session end when the share is used up."""
        self.session, session.is_over = session, self.is_over

    def is_over(self):
        """Return whether the network must stop."""
        return self.clock() >= self.ends

    @property
    def is_active(self):
        """Whether the network still trains."""
        return self.session is None or not self.session.is_done

    @property
    def part_done(self):
        """Part of the epochs of the recipe that are trained."""
        steps = 0 if self.session is None else self.session.history.n_steps
        return steps / max(1, self.n_steps)


class Pace:
    """How long each network of one call of `training_jobs.train` trains.

    A network gets its share of the time when it begins, by the speed of those before it: the number
    of epochs of its schedule, and a time at which it stops in any case.

    Parameters
    ----------
    budget : TimeBudget
        With a limit.
    jobs : list of Job
    setup : JobSetup
    n_at_once : int
        Number of networks that train at the same time.
    are_balanced : bool
        Whether the last networks, fewer than two for each thread, share the threads.
    """

    kind = Share

    def __init__(self, budget, jobs, setup, n_at_once, are_balanced):
        self.budget, self.n_at_once, self.are_balanced = budget, n_at_once, are_balanced
        self.waiting = {id(job): budget.seconds(job, setup) for job in jobs}
        self.shares: list = []
        self.until, self.began = budget.training_ends, budget.clock()
        self.n_parallel = min(n_at_once, len(jobs))
        self.slowness = budget.slowness
        self._lock = threading.Lock()  # networks on streamed rows begin in threads

    def begin_job(self, job):
        """Return the Share of a job that begins now."""
        n_epochs = recipe.n_epochs(job.configuration, job.n_train)
        return self.begin(job, n_epochs * recipe.batches(job.n_train)[0])

    def begin(self, job, n_steps):
        """Return the Share of a job that begins now. n_steps : of all epochs of the recipe"""
        with self._lock:
            share = self._share(job, n_steps)
            self.shares.append(share)
        return share

    def _share(self, job, n_steps):
        now, slowness = self.budget.clock(), self.measure()
        seconds = self.waiting.pop(id(job))
        active = [share for share in self.shares if share.is_active]
        others = sum(self.waiting.values())
        others += sum(s.seconds * max(0.0, s.fraction - s.part_done) for s in active)
        n_left = 1 + len(self.waiting) + len(active)
        n_parallel = min(self.n_at_once, n_left)
        left = max(0.0, self.until - now)
        part = seconds / max(seconds + others, 1e-9)  # of the work that is left
        if not self.are_balanced:  # the last networks leave threads idle
            part = max(part, 1 / n_left)
            n_parallel = n_left / -(-n_left // self.n_at_once)
        share = min(left, part * left * n_parallel)
        fraction = min(1.0, share / max(slowness * seconds, 1e-9))
        is_last = n_left < 2 * self.n_at_once
        ends = self.until if is_last else min(self.until, now + SLACK * share)
        return self.kind(seconds, n_steps, fraction, ends, self.budget.clock)

    def measure(self):
        """Return the slowness of the training so far, and let the budget have it."""
        seconds = self.budget.clock() - self.began
        done = sum(share.seconds * share.part_done for share in self.shares)
        if seconds >= MIN_SECONDS and done > 0:
            self.slowness = self.budget.slowness = seconds * self.n_parallel / done
        return self.slowness


@dataclass(eq=False)
class RemoteShare(Share):
    """What a network in a worker may take. It tells how far it trained when it ends.

    Attributes
    ----------
    began : float
        Time of the clock.
    slowness : float
        Of training, by which its progress is estimated.
    taken : float or None
        Seconds that it took.
    n_done : int
        Steps that it trained.
    """

    began: float = 0.0
    slowness: float = 1.0
    taken: float | None = None
    n_done: int = 0

    @property
    def is_active(self):
        return self.taken is None

    @property
    def part_done(self):
        if self.taken is None:
            estimate = (self.clock() - self.began) / max(self.slowness * self.seconds, 1e-9)
            return min(self.fraction, estimate)
        return self.n_done / max(1, self.n_steps)

    def end(self, n_steps):
        """Note how far the network has trained."""
        self.taken, self.n_done = self.clock() - self.began, n_steps


class RemotePace(Pace):
    """How long each network trains in the workers of an executor."""

    kind = RemoteShare

    def begin(self, job, n_steps):
        share = super().begin(job, n_steps)
        share.began, share.slowness = self.budget.clock(), self.slowness
        return share

    def measure(self):
        """Return the slowness of the networks that have ended."""
        ended = [share for share in self.shares if share.taken is not None]
        taken = sum(share.taken for share in ended)
        done = sum(share.seconds * share.part_done for share in ended)
        if taken >= MIN_SECONDS and done > 0:
            self.slowness = self.budget.slowness = taken / done
        return self.slowness

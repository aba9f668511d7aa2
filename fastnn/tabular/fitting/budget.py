"""The time that a fit may take, and the share of each network."""

import math
import threading
import time
from dataclasses import dataclass, replace
from typing import Any

from ...core.errors import Argument, Message
from ...core.messages import warn
from ...many import fit_many
from ...tables.files import TableWarning
from . import recipe

#: Of a training that measures the time of a step, at most. The fastest of several counts: other
#: programs may interrupt it, and the training as a whole measures by how much they slow it down.
TRIAL_SECONDS, TRIAL_STEPS, TRIALS = 0.01, 16, 4
MAX_RESERVED = 0.3  # of the limit, for what follows training
MARGIN = 0.02  # of the limit, for what nothing is reserved for
FOR_WEIGHTS = 0.1  # of the time that is left, for the weights of columns at most
#: A configuration that is not the first is trained for this part of its epochs at least. The choice
#: out of fold leaves it out if that is too little.
MIN_FRACTION = 0.1


class TimeLimitWarning(TableWarning):
    """A time limit that is over before training begins."""


class TimeBudget:
    """The time that a fit may take, from its first line to its last.

    Reading and encoding the table take what they need. What follows the training reserves its
    seconds with `reserve`. The rest is for training, by `Pace`.

    A second training after that of the folds keeps a part of the time for training with
    `reserve_training`, before the folds are trained, and calls `release_training` when it begins.

    Parameters
    ----------
    limit : float or None
        Seconds.
    spent : float, default 0.0
        Seconds of the limit that have passed before the fit.

    Attributes
    ----------
    clock : function
        Returns the seconds that everything here and in `Pace` compares.
    slowness : float
        How long training takes, relative to what `seconds` estimates. `Pace` measures it.
    """

    clock = staticmethod(time.perf_counter)

    def __init__(self, limit, spent=0.0):
        self.limit, self.began = limit, self.clock() - spent
        self.reserved = self.later = 0.0
        self.training_began = None
        self.slowness = 1.0
        self._steps: dict = {}  # {Configuration: (seconds of a step, seconds to read a row)}

    @property
    def is_limited(self):
        return self.limit is not None

    @property
    def seconds_left(self):
        """Seconds until the limit, infinite without one. Less than 0 after it."""
        if self.limit is None:
            return math.inf
        return self.began + self.limit - self.clock()

    def reserve(self, seconds):
        """Keep seconds for what follows training, but no more than a part of the limit."""
        if self.limit is not None:
            self.reserved = min(self.reserved + seconds, MAX_RESERVED * self.limit)

    def rows_within(self, seconds_per_row, part, least):
        """Return how many rows can be computed with in a part of the time until the limit.

        least : seconds that may be taken in any case
        """
        if self.limit is None:
            return math.inf
        return max(1.0, max(least, part * self.seconds_left) / max(seconds_per_row, 1e-12))

    def reserve_training(self, part):
        """Keep this part of the time for training, 0 to 1, for a second training."""
        self.later = part

    def release_training(self):
        """Let the second training have all the time that is left for training."""
        self.later, self.training_began = 0.0, None

    @property
    def training_ends(self):
        """Time of the clock at which training must end."""
        if self.limit is None:
            return math.inf
        if self.training_began is None:
            self.training_began = self.clock()
        end = self.began + (1 - MARGIN) * self.limit - self.reserved
        return self.training_began + (1 - self.later) * max(0.0, end - self.training_began)

    def warn_if_over(self):
        """Warn if there is no time left to train."""
        if self.training_ends <= self.clock():
            text = Message(
                "reading and encoding the table took {seconds:.1f} s, so {limit} was over before "
                "training. Each network was trained for a moment only: raise the limit.",
                seconds=self.clock() - self.began,
                limit=Argument("time_limit", self.limit),
            )
            warn(text, TimeLimitWarning)

    def affordable(self, groups, setup):
        """Return the first groups of jobs that there is time to train, none if there is too little.

        Rather than several configurations for a part of their epochs, fewer are trained for all.

        Parameters
        ----------
        groups : list of list of Job
            Each of one configuration.
        setup : JobSetup
        """
        left, needed = self.training_ends - self.clock(), 0.0
        if left <= 0:
            return []
        for k, group in enumerate(groups):
            n_parallel = min(setup.n_parallel, (k + 1) * len(group))
            needed += self.slowness * sum(self.seconds(job, setup) for job in group)
            if needed > left * n_parallel:
                return groups[: max(k, int(left * n_parallel >= MIN_FRACTION * needed))]
        return groups

    def seconds(self, job, setup):
        """Return the estimated seconds of a job on one thread, for all epochs of the recipe."""
        found = self._steps.get(job.configuration)
        if found is None:
            found = self._steps[job.configuration] = self._measure(job, setup)
        step, reading = found
        n = job.n_train
        epochs = recipe.n_epochs(job.configuration, n)
        return epochs * (step * job.configuration.batches(n)[0] + reading * n)

    def _measure(self, job, setup):
        """Return the seconds that a step of a job takes, and those of reading a row."""
        targets, size = setup.targets, job.configuration.batches(job.n_train)[1]
        table = job.table if job.statistics is None else job.inputs(job.table)
        net, configuration = job.net.copy(), replace(job.configuration, steps=1, epochs=2)

        def train(n_steps):
            """Return the seconds of a step."""
            rows = job.train[: n_steps * size]
            began = self.clock()
            fit_many(
                [net],
                table,
                setup.encoded_y,
                epochs=1,
                loss=targets.loss,
                optimizer=recipe.optimizer(configuration, targets.is_classifier, 64, len(rows), 2),
                batch_size=size,
                rows=[rows],
                n_threads=1,
            )
            return (self.clock() - began) / -(-len(rows) // size)

        first = train(1)  # it also allocates
        n_steps = max(1, int(TRIAL_SECONDS / max(first, TRIAL_SECONDS / TRIAL_STEPS)))
        n_trials = TRIALS if first < TRIAL_SECONDS else 1
        step = min(first, *(train(n_steps) for _ in range(n_trials)))
        stored = setup.stored
        return step, 0.0 if stored is None else stored.seconds_per_row(job, targets.loss)


MIN_SECONDS = 0.1  # of training, from which on its speed is measured
SLACK = 1.5  # a network that is slower than planned may take this much of its share


@dataclass(eq=False)
class TimeShare:
    """The time that a network may take.

    Attributes
    ----------
    seconds : float
        Estimated seconds for all epochs of the recipe, on one thread.
    n_steps : int
        Steps of these epochs.
    fraction : float
        Part of the epochs to train for.
    slowness : float
        Of training, when the network began.
    began, ends : float
        Times of the clock. At the last one the network stops at its best epoch so far.
    clock : function
    session : Session or None
    """

    seconds: float
    n_steps: int
    fraction: float
    slowness: float
    began: float
    ends: float
    clock: Any
    session: Any = None

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

    kind = TimeShare

    def __init__(self, budget, jobs, setup, n_at_once, are_balanced):
        self.budget, self.n_at_once, self.are_balanced = budget, n_at_once, are_balanced
        self.waiting = {id(job): budget.seconds(job, setup) for job in jobs}
        self.shares: list = []
        self.until, self.began = budget.training_ends, budget.clock()
        self.n_parallel = min(n_at_once, len(jobs))
        self.slowness = budget.slowness
        self._lock = threading.Lock()  # networks on streamed rows begin in threads

    def begin(self, job):
        """Return the TimeShare of a job that begins now."""
        with self._lock:
            share = self._share(job)
            self.shares.append(share)
        return share

    def _share(self, job):
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
        n_epochs = recipe.n_epochs(job.configuration, job.n_train)
        n_steps = n_epochs * job.configuration.batches(job.n_train)[0]
        return self.kind(seconds, n_steps, fraction, slowness, now, ends, self.budget.clock)

    def measure(self):
        """Return the slowness of the training so far, and let the budget have it."""
        seconds = self.budget.clock() - self.began
        done = sum(share.seconds * share.part_done for share in self.shares)
        if seconds >= MIN_SECONDS and done > 0:
            self.slowness = self.budget.slowness = seconds * self.n_parallel / done
        return self.slowness


@dataclass(eq=False)
class RemoteTimeShare(TimeShare):
    """The time that a network in a worker may take. It tells how far it trained when it ends.

    Attributes
    ----------
    taken : float or None
        Seconds that it took.
    n_done : int
        Steps that it trained.
    """

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

    kind = RemoteTimeShare

    def measure(self):
        """Return the slowness of the networks that have ended."""
        ended = [share for share in self.shares if share.taken is not None]
        taken = sum(share.taken for share in ended)
        done = sum(share.seconds * share.part_done for share in ended)
        if taken >= MIN_SECONDS and done > 0:
            self.slowness = self.budget.slowness = taken / done
        return self.slowness

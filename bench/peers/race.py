"""The training steps of all contestants on one row of bench/options.py, which runs it: checked to be the same, then timed in turn.

The losses of a few epochs and the parameters after the first must be those of float64 `fastnn.reference`. Later the rounding at the bend of
a relu has grown too large to compare parameters. Under dropout, for which PyTorch and JAX draw for themselves, their losses must be finite
and fall.
"""

import gc
import math
import time

import numpy as np
import option_list

import fastnn

from .trainings import TRAININGS

ROWS = {  # layer sizes, batch, rows of data
    "T2": ([30, 32, 1], 32, 1024),
    "T3a": ([30, 64, 64, 1], 32, 1024),
    "T3b": ([30, 64, 64, 1], 256, 2048),
    "T4": ([28, 256, 256, 1], 256, 2048),
}
BLOCK = 8e-3  # seconds, about; an epoch at least
BASE_EVERY = 4  # fastnn's plain SGD, to which the options are compared, is timed again after so many of them
LOSS_TOLERANCE, PARAMS_TOLERANCE = 1e-3, 2e-2  # relative; of the parameters: to the way that they went


class Task:
    """The network, the rows to learn, and how many epochs are checked."""

    def __init__(self, row):
        sizes, self.batch, n = ROWS[row]
        rng = np.random.default_rng(99)
        self.X = rng.standard_normal((n, sizes[0]), dtype="f")
        noise = 0.3 * math.sqrt(sizes[0]) * rng.standard_normal((n, 1))
        self.y = (self.X @ rng.standard_normal((sizes[0], 1)) + noise > 0).astype("f")
        self.net = fastnn.MLP(sizes, "relu", output="sigmoid", init="glorot_uniform", rng=0)
        self.steps = n // self.batch  # an epoch
        self.epochs = max(3, 48 // self.steps)

    def expected(self, name, seed):
        """By the reference: losses, and the parameters after the first epoch."""
        option, net = option_list.options(self.epochs * self.steps)[name], self.net.copy()
        net.dropout = option.dropout
        X, y = self.X.astype(float), self.y.astype(float)
        losses, _ = option_list.fit_reference(net, option, X, y, self.epochs, self.batch, seed)
        _, params = option_list.fit_reference(net, option, X, y, 1, self.batch, seed)
        return losses, params


class Contestant:
    """A training of this task by this library with this option: its best time, in seconds an epoch."""

    def __init__(self, who, variant, name, task, threads):
        self.who, self.variant, self.name, self.task, self.threads = who, variant, name, task, threads
        self.epochs, self.best = task.epochs, math.inf
        self.make()

    def make(self):
        option = option_list.options(self.epochs * self.task.steps)[self.name]
        self.training = TRAININGS[self.who](self.task.net, option, self.task.X, self.task.y, self.task.batch, self.threads, self.variant)

    def first_epochs(self):
        """Losses, and the parameters after the first epoch."""
        self.training.begin()
        self.training.run(1)
        params = self.training.params()
        self.training.begin()
        return self.training.run(self.epochs), params

    def block(self):
        """Seconds an epoch, from the first weights."""
        self.training.begin()
        began = time.perf_counter()
        self.training.run(self.epochs)
        return (time.perf_counter() - began) / self.epochs

    def prepare(self):
        """Find how many epochs make a block."""
        epoch = min(self.block() for _ in range(2))
        self.epochs = max(1, min(1000, round(BLOCK / epoch)))
        if self.name == "cosine":  # it spans the training
            self.make()
        self.block()


def difference(task, losses, params, expected_losses, expected_params):
    """What is wrong, or None."""
    of_losses = np.max(np.abs(np.subtract(losses, expected_losses)) / expected_losses)
    way = np.linalg.norm(expected_params - task.net.params)
    of_params = np.linalg.norm(params - expected_params) / way
    if of_losses < LOSS_TOLERANCE and of_params < PARAMS_TOLERANCE:
        return None
    return f"losses differ by {of_losses:.1e} from the reference's, parameters by {of_params:.1e} of the way that they went"


def contestants(row, name, task, peers, threads):
    """All that train with this option, checked and ready to be timed."""
    ready, expected = [], None
    for who in ("fastnn", *peers):
        for variant in TRAININGS[who].variants:
            try:
                contestant = Contestant(who, variant, name, task, threads)
            except TypeError:  # PyTorch has not fused all of its optimizers
                if variant != "fused":
                    raise
                continue
            losses, params = contestant.first_epochs()
            if who == "fastnn":
                expected = task.expected(name, contestant.training.net.state.seed or 0)
            if name == "dropout" and who != "fastnn":
                wrong = None if losses[-1] < losses[0] < math.inf else f"the losses {losses} do not fall"
            else:
                wrong = difference(task, losses, params, *expected)
            if wrong:
                raise SystemExit(f"{row}, {name}, {' '.join([who, variant]).strip()}: {wrong}; no speed is compared")
            contestant.prepare()
            ready.append(contestant)
    return ready


def measure(row, names, peers, threads, rounds):
    """{(who, option): (microseconds a step, variant)}; names begin with "sgd" """
    task = Task(row)
    turns = [contestants(row, name, task, peers, threads) for name in names]
    base = turns[0][0]
    gc.collect()
    gc.disable()
    for _ in range(rounds):
        for i, turn in enumerate(turns):
            for c in turn + [base] * (i % BASE_EVERY == BASE_EVERY - 1):
                c.best = min(c.best, c.block())
    gc.enable()
    figures = {}
    for c in sorted((c for turn in turns for c in turn), key=lambda c: c.best):
        figures.setdefault((c.who, c.name), (c.best / task.steps * 1e6, c.variant))
    return figures

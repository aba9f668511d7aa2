"""RoundsEngine: trains a network in rounds, which run as tasks of Dask."""

import time
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.draws import draw
from ..kernels import Stop
from ..training.engines.base import Engine
from .runner import Stopped
from .training_round import NetworkTask, Position, add_parts, end_round, train_part

FAN_IN = 8  # results that one task adds
ROUNDS_AHEAD = 8  # rounds that are submitted at a time


class RoundsEngine(Engine):
    """Train in rounds. Between two of them, everything that training needs is in this process.

    Parameters
    ----------
    plan : Plan
        Its data are RoundsData.
    """

    def __init__(self, plan):
        data, state, options = plan.data, plan.state, plan.options
        if state.optimizer.full_batch or options.batch_size is None:
            what = "batch_size=None takes" if options.batch_size is None else "L-BFGS takes"
            raise ValueError(
                f"{what} all rows in one step, but networks on Dask collections train in rounds of "
                "many steps. Pass a batch_size and another optimizer."
            )
        self.net, self.data, self.state, self.options = plan.net, data, state, options
        if state.shuffle_seed is None:
            draw(plan.rng, state, "shuffle_seed", lambda: int(plan.rng.integers(2**63)))
        self.runner = data.rows.runner
        self.rounds: list = []  # of the epoch
        self.rounds_of: Any = None  # which epoch
        self.row, self.is_interrupted, self.n_ahead = state.row, False, 1
        self.current: Any = None  # a Position
        self.diverged = False
        self.losses = np.empty((3, 1))

    def load(self, state):
        self.state = state
        step, epoch, _, loss_sum = self.position()
        self.current = Position(self.net.params.copy(), state.moments.copy(), step, epoch, loss_sum)

    def store(self, state):
        self.net.params = self.current.params
        state.moments[...] = self.current.moments
        state.order = None

    def position(self):
        at = self.current
        if at is None:
            return self.state.step, self.state.epoch, self.row, self.state.loss_sum
        return at.step, at.epoch, self.row, at.loss_sum

    def advance(self, seconds, losses):
        deadline = time.perf_counter() + seconds
        while True:
            at = self.current
            if self.rounds_of != at.epoch:
                seed = self.state.shuffle_seed if self.options.shuffle else None
                rounds = self.data.rounds(self.options.batch_size, at.epoch, seed)
                self.rounds, self.rounds_of = rounds, at.epoch
            left = [each for each in self.rounds if each.end > self.row]
            chosen = left[: self.n_ahead]
            began = time.perf_counter()
            try:
                found = self._run(chosen)
            except Stopped:
                return Stop.SIGNAL
            if time.perf_counter() - began < seconds:
                self.n_ahead = min(2 * self.n_ahead, ROUNDS_AHEAD)
            if not found.is_finite:
                self.diverged = True
                return Stop.NOT_FINITE
            if len(chosen) == len(left):
                losses[0, 0] = found.loss_sum / max(1, len(self.data))
                self.current, self.row = replace(found, epoch=at.epoch + 1, loss_sum=0.0), 0
                return Stop.EPOCHS
            self.current, self.row = found, chosen[-1].end
            if time.perf_counter() > deadline:
                return Stop.TIME

    def _run(self, rounds):
        """Run some rounds, one after the other. Return the Position after them."""
        task, runner, futures = self._task(), self.runner, []
        position: Any = self.current
        try:
            for each in rounds:
                parts = [
                    runner.submit(
                        "train", train_part, task, position, self.data.rows.blocks[span[0]], span
                    )
                    for span in each.spans
                    if span[1] < span[2]
                ]
                futures += parts
                while len(parts) > FAN_IN:
                    parts = [
                        runner.submit("add", add_parts, parts[i : i + FAN_IN])
                        for i in range(0, len(parts), FAN_IN)
                    ]
                    futures += parts
                position = runner.submit("average", end_round, position, parts, task.optimizer)
                futures.append(position)
            return runner.result(position, lambda: self.is_interrupted)
        except BaseException:
            runner.cancel(futures)
            raise

    def _task(self):
        net, state, options = self.net, self.state, self.options
        return NetworkTask(
            layer_sizes=net.layer_sizes,
            activations=net.activations,
            has_bias=net.biases[0] is not None,
            dtype=net.dtype,
            dropout=net.dropout,
            optimizer=state.optimizer,
            plateau=state.plateau,
            reader=self.data.reader,
            keys=self.data.keys,
            batch_size=self.data.batch_size(options.batch_size),
            shuffle=options.shuffle,
            seed=state.shuffle_seed,
        )

    def interrupt(self):
        self.is_interrupted = True

    @property
    def has_diverged(self):
        return self.diverged

    def restore(self):
        self.diverged = False

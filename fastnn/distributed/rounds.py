"""Rounds: several steps of each part of a network, then the mean of its parameters and moments.

This is local SGD (Stich, 2019, arXiv:1805.09767), with averaged moments as in Yu et al., 2019
(arXiv:1905.03817). Tasks are pure functions: the same arguments give the same bits on any worker.
"""

import time
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..kernels import Stop, all_finite
from ..mlp import MLP
from ..state import TrainingState
from ..training.engines.base import Engine
from ..training.engines.dense import DenseEngine
from ..training.plan import FitOptions, Plan
from .partitions import Partitions
from .runner import Stopped, part_batch
from .sums import add_in_tree, summand, write_means

FAN_IN = 8  # results that one task adds, a power of two
ROUNDS_AHEAD = 8  # rounds that are submitted at a time


# ---- tasks ----


@dataclass(frozen=True, eq=False)
class RoundTask:
    """How a network trains.

    Attributes
    ----------
    layers : tuple
        Arguments of `MLP`.
    reader : callable
        reader(net, arrays) returns the Data of all rows of a block.
    keys : ndarray (n_keys,) of bool
        Which rows the network trains on, by their key.
    batch_size : int
        Of each part.
    shuffle : bool
    bounds : WeightBounds or None
        Of the weights of the network. The mean of parameters within bounds is within them, too.
    """

    layers: tuple
    reader: Any
    keys: np.ndarray
    batch_size: int
    shuffle: bool
    bounds: Any


def train_part(task, state, block, span):
    """Take the steps of one part. Return `summand` of it, or None if it diverges.

    Parameters
    ----------
    task : RoundTask
    state : TrainingState, or None after a round that diverged
        With the parameters.
    block : StoredBlock
    span : (int, int, int)
        The number of the block, and the first and last of its rows, in the order of this epoch.
    """
    if state is None:
        return None
    number, first, last = span
    net, arrays = MLP(*task.layers), block.read()
    net.weight_bounds = task.bounds
    net.params = state.params
    rows = np.flatnonzero(task.keys[arrays["key"]])
    seeds = [state.shuffle_seed, state.epoch, number, first]
    if task.shuffle:
        rows = rows[np.random.default_rng(seeds[:3]).permutation(len(rows))]
    data = task.reader(net, arrays).select(rows[first:last])
    seed = int(np.random.default_rng(seeds).integers(2**63))
    state = replace(state, moments=state.moments.copy(), loss_sum=0.0, seed=seed)
    optimizer, moments = state.optimizer, state.moments
    options = FitOptions(optimizer=optimizer, epochs=1, batch_size=task.batch_size, shuffle=False)
    engine = DenseEngine(Plan(net, data, options, np.random.default_rng(0), None, state))
    engine.load(state)
    losses, stop = np.empty((3, 1)), Stop.TIME
    while stop in (Stop.TIME, Stop.SIGNAL):
        stop = engine.advance(60.0, losses)
    engine.store(state)
    if stop != Stop.EPOCHS or not all_finite(net.params):
        return None
    loss = float(losses[0, 0]) * len(data)
    return summand(optimizer, net.params, moments, data.total_weight(), loss)


def add_parts(parts):
    """Return the sum of what `train_part` returned for parts, or None."""
    return None if any(part is None for part in parts) else add_in_tree(parts)


def end_round(state, parts, n_steps):
    """Return the state after a round, whose parameters are the mean of its parts; None if one diverged.

    parts : list of what `train_part` or `add_parts` returned
    """
    total = add_parts(parts)
    if total is None:
        return None
    params, moments = state.params.copy(), state.moments.copy()
    numbers = write_means(state.optimizer, total, params, moments, state.moments, n_steps)
    if not all_finite(params):
        return None
    step, loss_sum = state.step + n_steps, state.loss_sum + numbers.loss
    return replace(state, params=params, moments=moments, step=step, loss_sum=loss_sum)


# ---- in the process of the caller ----


class Round(NamedTuple):
    """Some steps of each part.

    Attributes
    ----------
    spans : list of (int, int, int)
        For each part the number of a block, and the first and last of its rows in the order of the
        epoch.
    n_steps : int
        Of the part with the most rows.
    end : int
        Number of rows of the epoch after the round.
    """

    spans: list
    n_steps: int
    end: int


@dataclass(eq=False, repr=False)
class RoundsData:
    """The rows that one network trains on.

    Attributes
    ----------
    rows : Partitions
        Whose rows are stored.
    keys : ndarray (n_keys,) of bool
        Which of them, by their key.
    reader : callable
        As in `RoundTask`.
    loss : losses.Loss
    """

    rows: Partitions
    keys: np.ndarray
    reader: Any
    loss: Any
    is_streamed = True
    compiled = False
    jacobian = None

    def __post_init__(self):
        self.lengths = self.rows.n_of_key[:, self.keys].sum(axis=1)
        self.n_rows = int(self.lengths.sum())

    def __len__(self):
        return self.n_rows

    def make_engine(self, plan):
        """Return the engine of a plan with these data."""
        return RoundsEngine(plan)

    def first_not_finite(self):
        """Return None: the numbers have been checked."""
        return None

    def rounds(self, batch_size, epoch, seed):
        """Return the Rounds of an epoch.

        The first rounds of the first epoch have 1, 2, 4, ... steps, while the parameters move fast.

        batch_size : int, of all parts; seed : int or None, of the order of the blocks
        """
        n_parts, end = self.rows.n_parts, 0
        size = part_batch(batch_size, n_parts)
        n_steps = 1 if epoch == 0 else self.rows.sync_every
        order = np.arange(len(self.lengths) // n_parts)
        if seed is not None:
            order = np.random.default_rng([seed, epoch]).permutation(order)
        out = []
        for i in order:
            blocks = range(i * n_parts, (i + 1) * n_parts)
            lengths = self.lengths[blocks.start : blocks.stop].tolist()
            steps = -(-max(lengths) // size)
            done = 0
            while done < steps:
                until = steps if steps - done < 1.5 * n_steps else done + n_steps
                spans = [
                    (b, n * done // steps, n * until // steps) for b, n in zip(blocks, lengths)
                ]
                end += sum(last - first for _, first, last in spans)
                out.append(Round(spans, until - done, end))
                done, n_steps = until, min(2 * n_steps, self.rows.sync_every)
        return out


class RoundsEngine(Engine):
    """Train in rounds, which run as tasks. Between two of them, everything that training needs is in this process.

    Parameters
    ----------
    plan : Plan
        Its data are RoundsData, and its steps take batches of them.
    """

    current: Any = None  # a TrainingState, with parameters
    rounds: Any = ()  # of the epoch
    rounds_of: Any = None  # which epoch
    is_interrupted = False
    n_ahead = 1

    def __init__(self, plan):
        data, state, options = plan.data, plan.state, plan.options
        self.net, self.data, self.state, self.options = plan.net, data, state, options
        state.draw_seed(plan.rng, "shuffle_seed")
        self.row = state.row

    def load(self, state):
        self.state = state
        step, epoch, _, loss_sum = self.position()
        self.current = TrainingState(
            state.optimizer, state.moments.copy(), step, epoch, 0, loss_sum,
            params=self.net.params.copy(), plateau=state.plateau, shuffle_seed=state.shuffle_seed,
        )  # fmt: skip

    def store(self, state):
        self.net.params = self.current.params
        state.moments[...] = self.current.moments
        state.order = None

    def position(self):
        at = self.state if self.current is None else self.current
        return at.step, at.epoch, self.row, at.loss_sum

    def advance(self, seconds, losses):
        deadline, at = time.perf_counter() + seconds, self.current
        if self.rounds_of != at.epoch:
            seed = self.state.shuffle_seed if self.options.shuffle else None
            self.rounds = self.data.rounds(self.options.batch_size, at.epoch, seed)
            self.rounds_of = at.epoch
        while True:
            left = [each for each in self.rounds if each.end > self.row]
            chosen = left[: self.n_ahead]
            began = time.perf_counter()
            try:
                found = self._run(chosen)
            except Stopped:
                return Stop.SIGNAL
            if time.perf_counter() - began < seconds:
                self.n_ahead = min(2 * self.n_ahead, ROUNDS_AHEAD)
            if found is None:
                return Stop.NOT_FINITE  # and the state before these rounds stays
            if len(chosen) == len(left):
                losses[0, 0] = found.loss_sum / max(1, len(self.data))
                self.current, self.row = replace(found, epoch=at.epoch + 1, loss_sum=0.0), 0
                return Stop.EPOCHS
            self.current, self.row = found, chosen[-1].end
            if time.perf_counter() > deadline:
                return Stop.TIME

    def _run(self, rounds):
        """Run some rounds, one after the other. Return the state after them."""
        net, options, rows = self.net, self.options, self.data.rows
        *hidden, output = net.activations
        has_bias = net.biases[0] is not None
        task = RoundTask(
            (net.layer_sizes, hidden, output, has_bias, net.dtype, 0, net.dropout),
            *(self.data.reader, self.data.keys),
            *(part_batch(options.batch_size, rows.n_parts), options.shuffle, net.weight_bounds),
        )
        state, futures = self.current, []

        def submit(name, function, *args):
            futures.append(rows.runner.submit(name, function, *args))
            return futures[-1]

        try:
            for spans, n_steps, _ in rounds:
                parts = [
                    submit("train", train_part, task, state, rows.blocks[span[0]], span)
                    for span in spans
                    if span[1] < span[2]
                ]
                while len(parts) > FAN_IN:
                    groups = [parts[i : i + FAN_IN] for i in range(0, len(parts), FAN_IN)]
                    parts = [submit("add", add_parts, group) for group in groups]
                state = submit("average", end_round, state, parts, n_steps)
            return rows.runner.result(state, lambda: self.is_interrupted)
        except BaseException:
            rows.runner.cancel(futures)
            raise

    def set_optimizer(self, optimizer):
        state = self.state
        self.current = replace(self.current, optimizer=state.optimizer, plateau=state.plateau)

    def interrupt(self):
        self.is_interrupted = True

    def restore(self):
        """The state is always finite."""

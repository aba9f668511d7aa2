"""The rows of networks in blocks on the workers, and the rounds of an epoch on them."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .mixing import count_keys
from .rounds_engine import RoundsEngine
from .settings import part_batch


class BlockRows:
    """Rows in blocks, which several networks train on.

    Parameters
    ----------
    runner : ClusterRunner or LocalRunner
    blocks : list of future of StoredBlock
        Block b belongs to part ``b % n_parts``.
    n_parts : int
        Number of parts that train at the same time.
    n_keys : int
        Number of different keys of the rows.
    sync_every : int
        Steps between two averages.

    Attributes
    ----------
    n_of_key : ndarray (n_blocks, n_keys) of int
        Number of rows of each block with each key.
    """

    def __init__(self, runner, blocks, n_parts, n_keys, sync_every):
        self.runner, self.blocks = runner, blocks
        self.n_parts, self.sync_every = n_parts, sync_every
        counts = [runner.submit("count", count_keys, block, n_keys) for block in blocks]
        self.n_of_key = np.array(runner.results(counts)).reshape(len(blocks), n_keys)

    def close(self):
        """Let the workers delete the blocks."""
        self.blocks = []


class Round(NamedTuple):
    """Some steps of each part.

    Attributes
    ----------
    spans : list of (int, int, int)
        For each part the number of a block, and the first and last of its rows in the order of the
        epoch.
    end : int
        Number of rows of the epoch after the round.
    """

    spans: list
    end: int


@dataclass(eq=False, repr=False)
class RoundsData:
    """The rows that one network trains on.

    Attributes
    ----------
    rows : BlockRows
    keys : ndarray (n_keys,) of bool
        Which of them, by their key.
    reader : object
        As in `training_round.NetworkTask`.
    loss : losses.Loss
    """

    rows: BlockRows
    keys: np.ndarray
    reader: Any
    loss: Any
    is_streamed = True
    compiled = False

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

    def batch_size(self, batch_size):
        """Return the rows of a step of a part."""
        return part_batch(batch_size, self.rows.n_parts)

    def rounds(self, batch_size, epoch, seed):
        """Return the Rounds of an epoch.

        The first rounds of the first epoch have 1, 2, 4, ... steps, while the parameters move fast.

        batch_size : int, of all parts; seed : int or None, of the order of the blocks
        """
        n_parts, size, end = self.rows.n_parts, self.batch_size(batch_size), 0
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
                out.append(Round(spans, end))
                done, n_steps = until, min(2 * n_steps, self.rows.sync_every)
        return out

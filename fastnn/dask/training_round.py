"""Rounds: several steps of each part of a network, then the mean of its parameters and moments.

This is local SGD (Stich, 2019, arXiv:1805.09767), with averaged moments as in Yu et al., 2019
(arXiv:1905.03817). All functions are pure: the same arguments give the same bits on any worker.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..distributed.second_moments import as_of_averaged_gradients, first_square
from ..kernels import Stop, all_finite
from ..mlp import MLP
from ..state.training_state import TrainingState, owned
from ..training.engines.dense import DenseEngine
from ..training.plan import FitOptions, Plan


@dataclass(frozen=True, eq=False)
class Position:
    """A network between two rounds.

    Attributes
    ----------
    params : ndarray (n_params,)
    moments : ndarray (n_moments, n_params)
    step, epoch : int
    loss_sum : float
        Sum of loss times rows over this epoch.
    is_finite : bool
        Whether all steps so far were. If not, params and moments are those before that round.
    """

    params: np.ndarray
    moments: np.ndarray
    step: int
    epoch: int
    loss_sum: float = 0.0
    is_finite: bool = True


@dataclass(frozen=True, eq=False)
class NetworkTask:
    """What does not change in an epoch of a network.

    Attributes
    ----------
    layer_sizes, activations, has_bias, dtype, dropout
        As in `MLP`.
    optimizer, plateau
        As in `TrainingState`.
    reader : object
        ``reader.data(net, arrays)`` returns the Data of all rows of a block.
    keys : ndarray (n_keys,) of bool
        Which rows the network trains on, by their key.
    batch_size : int
        Of each part.
    shuffle : bool
    seed : int
        Of the order of the rows and of dropout.
    """

    layer_sizes: tuple
    activations: tuple
    has_bias: bool
    dtype: Any
    dropout: tuple
    optimizer: Any
    plateau: Any
    reader: Any
    keys: np.ndarray
    batch_size: int
    shuffle: bool
    seed: int

    def network(self):
        *hidden, output = self.activations
        net = MLP(self.layer_sizes, hidden, output, self.has_bias, self.dtype, 0, self.dropout)
        return net


@dataclass(frozen=True, eq=False)
class PartResult:
    """What the steps of one part have led to; or the sums of several parts.

    Attributes
    ----------
    params, moments : ndarray
        In float64 and multiplied by `weight`, if they are sums.
    weight : float
        Of the rows.
    n_steps : int
    loss_sum : float
    is_finite : bool
    square : float
        `first_square` of the moments, multiplied by `weight`.
    n_parts : int
    is_sum : bool
    """

    params: np.ndarray
    moments: np.ndarray
    weight: float
    n_steps: int
    loss_sum: float
    is_finite: bool
    square: float = 0.0
    n_parts: int = 1
    is_sum: bool = False

    def scaled(self):
        """Return parameters and moments times the weight of their rows, in float64."""
        if self.is_sum:
            return self.params, self.moments
        with np.errstate(all="ignore"):  # where the part has diverged
            return self.params * np.float64(self.weight), self.moments * np.float64(self.weight)


def train_part(task, position, block, span):
    """Take the steps of one part.

    Parameters
    ----------
    task : NetworkTask
    position : Position
    block : StoredBlock
    span : (int, int, int)
        The number of the block, and the first and last of its rows, in the order of this epoch.

    Returns
    -------
    PartResult
    """
    number, first, last = span
    net = task.network()
    net.params = position.params
    arrays = block.read()
    rows = np.flatnonzero(task.keys[arrays["key"]])
    seeds = [task.seed, position.epoch, number, first]
    if task.shuffle:
        rows = rows[np.random.default_rng(seeds[:3]).permutation(len(rows))]
    rows = rows[first:last]
    if not len(rows) or not position.is_finite:
        return PartResult(position.params, position.moments, 0.0, 0, 0.0, position.is_finite)
    data = task.reader.data(net, arrays).select(rows)
    state = TrainingState(
        task.optimizer, position.moments.copy(), step=position.step, epoch=position.epoch
    )
    state.plateau = task.plateau
    state.seed = int(np.random.default_rng(seeds).integers(2**63))
    options = FitOptions(
        optimizer=task.optimizer, epochs=1, batch_size=task.batch_size, shuffle=False
    )
    engine = DenseEngine(Plan(net, data, options, np.random.default_rng(0), None, state))
    engine.load(state)
    losses, stop = np.empty((3, 1)), Stop.TIME
    while stop in (Stop.TIME, Stop.SIGNAL):
        stop = engine.advance(60.0, losses)
    engine.store(state)
    is_finite = stop == Stop.EPOCHS and all_finite(net.params)
    n_steps = engine.position()[0] - position.step
    loss_sum = float(losses[0, 0]) * len(rows)
    weight = data.total_weight()
    square = weight * first_square(task.optimizer, state.moments)
    return PartResult(
        net.params.copy(),
        state.moments,
        weight,
        n_steps,
        loss_sum,
        is_finite,
        square,
        int(weight > 0),
    )


def add_parts(parts):
    """Return the sum of PartResults, from the first to the last."""
    params, moments = parts[0].scaled()
    with np.errstate(all="ignore"):  # where a part has diverged
        for part in parts[1:]:
            p, m = part.scaled()
            params, moments = params + p, moments + m
    return PartResult(
        params,
        moments,
        sum(part.weight for part in parts),
        max(part.n_steps for part in parts),
        sum(part.loss_sum for part in parts),
        all(part.is_finite for part in parts),
        sum(part.square for part in parts),
        sum(part.n_parts for part in parts),
        is_sum=True,
    )


def end_round(position, parts, optimizer):
    """Return the Position after a round, whose parameters are the mean of its parts.

    parts : list of PartResult
        Of each part, or sums of several.
    """
    total = add_parts(parts)  # arrays of other workers, which may not be aligned
    loss_sum, step = position.loss_sum + total.loss_sum, position.step + total.n_steps
    if len(parts) == 1 and not parts[0].is_sum:
        params, moments = owned(parts[0].params), owned(parts[0].moments)
    elif total.weight == 0:  # no row has a weight
        params, moments = owned(position.params), owned(position.moments)
    else:
        with np.errstate(all="ignore"):
            params = (total.params / total.weight).astype(position.params.dtype)
            moments = (total.moments / total.weight).astype(position.moments.dtype)
            as_of_averaged_gradients(
                optimizer, moments, position.moments,
                n_steps=total.n_steps, n_parts=total.n_parts, mean_square=total.square / total.weight,
            )  # fmt: skip
    if not (position.is_finite and total.is_finite and all_finite(params)):
        return replace(position, step=step, is_finite=False)
    return Position(params, moments, step, position.epoch, loss_sum)

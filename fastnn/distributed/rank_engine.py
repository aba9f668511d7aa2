"""The engines of rows on ranks.

`ShardedEngine` sums every gradient over virtual shards, on one machine or several. `LocalEngine` is
local SGD: ranks train on their own rows, and average their networks every few steps.
"""

import time
from typing import Any

import numpy as np

from .. import losses, optimizers
from ..config import build
from ..core.sparse_rows import is_sparse
from ..core.threads import ThreadChoice
from ..encoded_table import EncodedTable
from ..kernels import ShardedRows, Stop
from ..training.engines.base import TrainerEngine, batch_rows
from ..training.engines.dense import SHORT_STEP
from .ranks import check_same_shards
from .sums import failed_summand, summand, summand_length, write_means

#: The gradients of every step are summed in the first epoch of a training, and in further epochs up to this
#: step. At the beginning the networks of the ranks would move far apart between two averages, and the means
#: that Adam keeps would be those of single ranks.
WARM_UP_STEPS = 20


def make_rank_engine(plan):
    """Return the engine of a plan with ranks."""
    return (ShardedEngine if plan.options.ranks.sync_every == 1 else LocalEngine)(plan)


class ShardedEngine(TrainerEngine):
    """Train with a `kernels.Trainer` whose gradients are summed over shards, and over ranks.

    The constructor looks at this rank alone. `begin` is where the ranks meet first.

    Parameters
    ----------
    plan : Plan
        With a generator and a state. Its data are the rows of this rank, perhaps none.
    """

    ends_every_epoch = False  # whether the ranks meet after each epoch
    step_sum: Any = None

    def __init__(self, plan):
        _check_support(plan)
        net, state, options = plan.net, plan.state, plan.options
        self.net, self.data, self.state, self.options = net, plan.data, state, options
        self.validation, self.ranks, self.last_step = plan.validation, options.ranks, plan.last_step
        check_same_shards(state, self.ranks.n_shards)
        if options.shuffle:
            state.draw_seed(plan.rng, "shuffle_seed")
        if net.has_dropout:
            state.draw_seed(plan.rng)
        self.evaluates = self.validation is not None

    def begin(self):
        """Compare the settings of all ranks, take the parameters of rank 0, and make the trainer."""
        state, options, ranks = self.state, self.options, self.ranks
        self.lengths = ranks.shard_lengths("X", len(self.data))
        n = int(self.lengths.sum())
        if n == 0:
            raise ValueError("X has no rows on any rank. Training needs at least one.")
        self.batch_size = batch_rows(options.batch_size, n)
        ranks.check_settings(self._settings())
        self._take_over()
        mine = np.array([[bool(options.callbacks), self.evaluates, 0, 0]], np.float64)
        found = ranks.end_epoch(mine)
        self.ends_every_epoch = bool(found[1]) or (ranks.comm.size > 1 and bool(found[0]))
        self.evaluates = bool(found[1])
        if self.evaluates:
            n_validation = 0 if self.validation is None else len(self.validation)
            lengths = ranks.shard_lengths("X of validation_data", n_validation)
            self.validation_lengths = lengths[ranks.first : ranks.first + ranks.n].tolist()
        state.check_rows(n)
        self._make_trainer()
        self.ended_epochs = state.epoch

    def _take_over(self):
        """Take the seeds, parameters and moments of rank 0."""
        net, state = self.net, self.state
        seeds = np.array([state.shuffle_seed or 0, state.seed or 0], np.uint64)
        params = net.params.copy() if state.params is None else state.params
        self.ranks.share(seeds, params, state.moments)
        if state.params is None:
            net.params = params
        elif state.averages:
            net.params = state.moments[-1]
        if self.options.shuffle:
            state.shuffle_seed = int(seeds[0])
        if net.has_dropout:
            state.seed = int(seeds[1])

    def _settings(self):
        """Return what must be the same on all ranks, as JSON can hold it."""
        net, data, state, options = self.net, self.data, self.state, self.options
        return {
            **build(),
            "dtype": str(net.dtype),
            "layer_sizes": net.layer_sizes,
            "activations": net.activations,
            "dropout": net.dropout,
            "checksums of weight_bounds": net.weight_bounds and net.weight_bounds.checksums(),
            "loss": losses.describe(data.loss),
            "alpha": data.alpha,
            "optimizer": optimizers.describe(state.optimizer),
            "epochs": options.epochs,
            "sync_every": options.ranks.sync_every,
            "max_steps": options.max_steps,
            "batch_size": options.batch_size,
            "shuffle": options.shuffle,
            "shards": options.ranks.shards,
            "early stopping": options.early_stopping and vars(options.early_stopping),
            "patience": options.patience and options.patience.epochs,
            "position": [state.step, state.epoch, state.row],
            "layout of the EncodedTable": repr(getattr(data.X, "layout", None)),
        }

    def _make_trainer(self):
        net, state, options, ranks = self.net, self.state, self.options, self.ranks
        n_threads = options.n_threads
        settings = {"optimizer": state.to_kernel(), "n_threads": n_threads}
        if net.has_dropout:
            settings |= {"dropout": np.array(net.dropout), "seed": state.seed}
        more = {}
        if ranks.comm.size > 1 or ranks.sync_every > 1:
            self.step_sum = ranks.sum_of_steps(net.n_params, net.dtype)
            more = dict(reduce=self.reduce, sums=self.step_sum.sums, totals=self.step_sum.totals)
        if options.shuffle:
            more |= dict(shuffles=True, seed=state.shuffle_seed)
        settings["shards"] = ShardedRows(
            self.lengths, ranks.first, ranks.n, self.batch_size, **more
        )
        if n_threads > 1:
            self.threads = ThreadChoice(
                net.thread_choices, ("shards", self.batch_size), n_threads, SHORT_STEP
            )
        data = self.data if len(self.data) else _one_row(self.data)
        self.trainer = data.trainer(net, self.batch_size, **settings)
        self.trainer.set_last_step(self.last_step)

    def reduce(self):
        """Sum the gradient over ranks. Return whether to drop the step."""
        return self.ranks.meet(self.step_sum)

    def load(self, state):
        self.trainer.load(state.moments)
        self.trainer.set_position(state.step, state.epoch, state.row, state.loss_sum)

    def store(self, state):
        self.trainer.store(state.moments)
        state.order = None  # that of an epoch depends on `shuffle_seed`

    def advance(self, seconds, losses):
        with np.errstate(all="ignore"):  # sums over ranks overflow where the training diverges
            why = self.run(seconds, losses[0])
        if why == Stop.SIGNAL and self.ranks.is_over:
            self.ranks.raise_reason()
        return why

    # ---- the other ranks ----

    def evaluator(self, net, validation, with_error_rate):
        # nothing is exchanged unless a rank has callbacks or validation data
        if not self.ends_every_epoch:
            return None

        def evaluate():
            values = None if self.validation is None else self._validation_sums()
            self.ended_epochs = self.position()[1]  # also if it fails: the flags have been read
            *sums, weight = self.ranks.end_epoch(values)
            if not self.evaluates:
                return None, None
            loss, wrong, score = (total / (weight or 1) for total in sums)
            if self.options.score is not None:
                self.options.score.value = score
            return loss, wrong if with_error_rate else None

        return evaluate

    def _validation_sums(self):
        """Return the sums of each shard of the validation rows of this rank: of loss, wrong classes, score
        and weight."""
        data, net, first, out = self.validation, self.net, 0, []
        for n in self.validation_lengths:
            part, first = data.take(slice(first, first + n)), first + n
            weight = part.total_weight()
            rate = part.error_rate(net) if data.loss.has_classes else 0.0
            score = 0.0 if self.options.score is None else _score(self.options.score, net, part)
            out.append((part.evaluator(net)() * weight, rate * weight, score, weight))
        return np.array(out)

    def announce(self, reason):
        """Let all ranks stop before their next step, if this one has a reason."""
        if not reason or self.ranks.comm.size == 1:
            return reason
        self.ranks.stop(reason)
        return ""

    @property
    def stop_reason(self):
        """Why all ranks stop, "" if they do not."""
        return self.ranks.stop_reason

    def abandon(self):
        """Tell the other ranks that this one fails."""
        if self.trainer is not None:
            self.ranks.abandon(self.next_sum())

    def next_sum(self):
        """Return the sum in which the ranks meet next, None for that at the end of an epoch."""
        at_end = self.ends_every_epoch and self.position()[1] > self.ended_epochs
        return None if at_end else self.step_sum


class LocalEngine(ShardedEngine):
    """Average parameters and moments of all ranks after steps whose number is a multiple of `sync_every`, and at the
    end of each epoch, weighted by the rows of each rank since the last average.

    Between two averages nothing is exchanged. `advance` returns after an average, never between two, so that
    all ranks have the same network then.

    Parameters
    ----------
    plan : Plan
    """

    averaging = False  # whether the ranks meet next to average
    is_diverged = False
    before: Any = None  # the moments of the last average, which all ranks have

    def __init__(self, plan):
        super().__init__(plan)
        self.every, options = self.ranks.sync_every, self.data.loss_options
        if plan.last_step % self.every:
            raise ValueError(
                f"max_steps ends the training after step {plan.last_step}, between two averages. Let it "
                f"end after a multiple of sync_every={self.every} steps."
            )
        if self.state.optimizer.to_kernel()["lazy_categories"]:
            raise ValueError(
                "lazy_categories=True does not work with sync_every: the steps of categories have no "
                "average. Leave out one of them."
            )
        # the sums of a gradient are scaled by one factor, the loss by another
        self.loss_factor = (options.get("loss_scale") or 1) / (options.get("gradient_scale") or 1)

    def begin(self):
        super().begin()
        self.ends_every_epoch = True
        steps = -(-int(self.lengths.sum()) // self.batch_size)
        self.warm_up_epochs = max(1, -(-WARM_UP_STEPS // steps))
        n = summand_length(self.net.n_params, self.state.moments)
        self.average_sum = self.ranks.sum_of_totals(n)

    def set_stopping(self, patience, metric=None, best_epoch=-1):
        """Ignore it: this engine returns after every epoch, and the loss of this rank decides nothing."""

    def reduce(self):
        if self.position_epoch < self.warm_up_epochs:
            return super().reduce()
        loss, weight = self.step_sum.totals.tolist()
        self.loss += loss
        self.weight += weight
        return False

    def advance(self, seconds, losses):
        self.position_epoch = self.position()[1]
        if self.position_epoch < self.warm_up_epochs:
            self.trainer.set_last_step(self.last_step)
            return super().advance(seconds, losses)
        deadline = time.perf_counter() + seconds
        if self.position()[2] == 0:  # callbacks may have stopped the training
            self.ranks.end_epoch()
            if self.ranks.is_over:
                return Stop.SIGNAL
        while True:
            stop = self._round(losses)
            is_last = self.position()[0] == self.last_step
            if stop != Stop.TIME or is_last or time.perf_counter() > deadline:
                return stop

    def _round(self, losses):
        """Take steps up to the next average, and average. Return why the steps ended."""
        step, epoch, row, loss_sum = self.position()
        self.loss = self.weight = 0.0
        if self.before is None:
            self.trainer.store(self.state.moments)
            self.before = self.state.moments.copy()
        self.averaging = True
        end = step - step % self.every + self.every
        self.trainer.set_last_step(min(end, self.last_step) if self.last_step else end)
        stop = Stop.TIME
        while stop == Stop.TIME and self.position()[0] < end and self.position()[1] == epoch:
            stop = super().advance(1.0, losses)
        is_over, mean = self._average(stop == Stop.NOT_FINITE, self.position()[0] - step)
        if self.is_diverged:
            return Stop.NOT_FINITE
        step, new_epoch, new_row, _ = self.position()
        n = int(self.lengths.sum())
        loss_sum += mean * ((new_row or n) - row)
        if new_epoch > epoch:
            losses[0, 0] = loss_sum / n
        else:
            self.trainer.set_position(step, epoch, new_row, loss_sum, self.options.shuffle)
        if is_over:
            self.ranks.raise_reason()
            return Stop.SIGNAL
        return stop

    def _average(self, is_diverged, n_steps):
        """Average over the ranks. Return whether all stop here, and the mean loss since the last average.

        is_diverged : whether this rank has no finite network
        n_steps : since the last average
        """
        state, total, loss = self.state, self.average_sum, self.loss * self.loss_factor
        self.trainer.store(state.moments)
        network = self.net.params, state.moments
        total.totals[:] = (
            failed_summand(len(total.totals), loss)
            if is_diverged
            else summand(state.optimizer, *network, self.weight, loss)
        )
        is_over = self.ranks.meet(total)
        self.averaging = False
        numbers = write_means(state.optimizer, total.totals, *network, self.before, n_steps)
        self.is_diverged = numbers.has_failed > 0
        if not self.is_diverged:
            self.before = state.moments.copy()
            self.trainer.load(state.moments)
        return is_over, numbers.loss / (numbers.weight or 1)

    def load(self, state):
        super().load(state)
        self.before = None

    def restore(self):
        super().restore()
        self.before = None

    def next_sum(self):
        _, epoch, row, _ = self.position()
        if self.averaging:
            return self.average_sum
        if epoch < self.warm_up_epochs:
            return super().next_sum()
        return self.average_sum if row else None

    @property
    def has_diverged(self):
        return self.is_diverged or super().has_diverged


def _score(score, net, data):
    """Return the sum of the scores of rows times their weights."""
    scores = score.of_rows(net.forward(data.X), data.targets)
    weight = 1.0 if data.sample_weight is None else data.sample_weight.astype(np.float64)
    return float(np.sum(weight * scores))


def _one_row(data):
    """Return data with one row of zeros, for a rank that holds no rows: the kernels need an address."""
    X = data.X if isinstance(data.X, EncodedTable) else np.zeros((1, data.X.shape[1]), data.X.dtype)
    targets = np.zeros((1, *data.targets.shape[1:]), data.targets.dtype)
    return type(data)(X, targets, data.loss, data.loss_options, None, data.alpha)


def _check_support(plan):
    """Raise ValueError for what does not work with shards."""
    data, options = plan.data, plan.options
    name = "shards" if options.ranks.comm.size == 1 else "comm"
    for is_so, what, remedy in (
        (data.is_streamed, "row groups and paths", "Pass arrays"),
        (not data.is_streamed and is_sparse(data.X), "sparse X", "Pass X.toarray()"),
        (plan.state.optimizer.full_batch, "L-BFGS", "Choose another optimizer"),
        (isinstance(data.loss, losses.CustomLoss), "a custom loss", "Choose a loss of fastnn"),
        (options.validation_fraction, "validation_fraction", "Pass validation_data"),
        (options.class_weight == "balanced", 'class_weight="balanced"',
         "Pass the weight of each class"),
        (data.weight_scale != 1, "sample_weight of this size", "Divide the weights by their mean"),
    ):  # fmt: skip
        if is_so:
            raise ValueError(f"{name} does not work with {what}. {remedy}.")

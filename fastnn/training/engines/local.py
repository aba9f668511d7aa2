"""The engine of local SGD: ranks that train on their own rows, and average their networks every few steps."""

import time
from typing import Any

from ...distributed.averages import divide, weigh
from ...distributed.second_moments import as_of_averaged_gradients, first_square
from ...kernels import Stop
from .sharded import ShardedEngine

#: The gradients of every step are summed in the first epoch of a training, and in further epochs up to this
#: step. At the beginning the networks of the ranks would move far apart between two averages, and the means
#: that Adam keeps would be those of single ranks.
WARM_UP_STEPS = 20


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
        # the sums of a gradient are scaled by one factor, the loss by another
        self.loss_factor = (options.get("loss_scale") or 1) / (options.get("gradient_scale") or 1)

    def begin(self):
        super().begin()
        self.ends_every_epoch = True
        steps = -(-int(self.lengths.sum()) // self.batch_size)
        self.warm_up_epochs = max(1, -(-WARM_UP_STEPS // steps))
        n = self.net.n_params + self.state.moments.size
        # behind them their weight, the square of m, whether there are rows, the loss, and divergence
        self.average_sum = self.ranks.sum_of_totals(n + 5)

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
        state, total = self.state, self.average_sum
        self.trainer.store(state.moments)
        vectors = [self.net.params, state.moments]
        if is_diverged:
            total.totals[:] = 0
        else:
            square = self.weight * first_square(state.optimizer, state.moments)
            total.totals[:-4] = weigh(vectors, self.weight)
            total.totals[-4:-2] = square, self.weight > 0
        total.totals[-2:] = self.loss * self.loss_factor, is_diverged
        is_over = self.ranks.meet(total)
        self.averaging = False
        *_, weight, square, n_parts, loss, n_diverged = total.totals.tolist()
        self.is_diverged = n_diverged > 0
        if not self.is_diverged:
            divide(total.totals[:-4], vectors)
            as_of_averaged_gradients(
                state.optimizer, state.moments, self.before,
                n_steps=n_steps, n_parts=int(n_parts), mean_square=square / (weight or 1),
            )  # fmt: skip
            self.before = state.moments.copy()
            self.trainer.load(state.moments)
        return is_over, loss / (weight or 1)

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

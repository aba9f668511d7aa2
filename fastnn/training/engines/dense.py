"""The engine of dense rows: the compiled trainer."""

from typing import Any

import numpy as np

from ... import losses
from ...core.threads import ThreadChoice
from ...encoded_table import EncodedTable
from ...kernels import MAX_SHORT_SHUFFLE, Metric
from .base import TrainerEngine, batch_rows

SHORT_STEP = 4e-6  # seconds; in shorter steps a barrier costs more than a second thread saves
#: Most multiply-adds of a step, or of a validation, in a queue. A slice of a queue ignores Ctrl-C,
#: and a step of this size takes about 20 ms.
QUEUE_WORK = 5e8


class DenseEngine(TrainerEngine):
    """Train with a `kernels.Trainer`, in as many threads as are fastest.

    Parameters
    ----------
    plan : Plan
        With a generator and a state. The engine computes the loss of the validation data if the
        kernels can read them.
    queue : kernels.TrainerQueue, optional
        If `queued` is True after this, `queue` runs the trainer beside others, and `advance` is not
        called.
    """

    defers_moments = True
    validation_trainer: Any = None

    def __init__(self, plan, queue=None):
        net, data, state, options = plan.net, plan.data, plan.state, plan.options
        validation = plan.validation
        n, shuffle, n_threads = len(data), options.shuffle, options.n_threads
        self.data, self.validation, self.options = data, validation, options
        self.batch_size = batch_size = batch_rows(options.batch_size, n)
        self.rows, self.shuffle = data.rows, shuffle
        if state.row or state.order is not None:
            state.check_rows(n)
            state.check_shuffle(shuffle)
        settings = {"optimizer": state.to_kernel(), "n_threads": n_threads}
        if shuffle:
            settings["generator"] = plan.rng.bit_generator
            settings["order"] = _given_order(data, state)
        if net.has_dropout:
            state.draw_seed(plan.rng)
            settings |= {"dropout": np.array(net.dropout), "seed": state.seed}
        self.validates = validation is not None and validation.compiled
        self.keeps_best = options.only_stops_early and (self.validates or validation is None)
        self.queued = queue is not None and _fits_queue(plan, batch_size)
        if self.queued:
            settings |= {"workspace": queue.workspace, "n_threads": 1}
        elif n_threads > 1:
            n_derivatives = 0 if data.jacobian is None else len(data.jacobian.inputs)
            kind = ("training", batch_size, n_derivatives, getattr(data.loss, "needs", ()))
            self.threads = ThreadChoice(net.thread_choices, kind, n_threads, SHORT_STEP)
        if self.validates:
            workspace = {"workspace": queue.validation_workspace} if self.queued else {}
            self.validation_trainer = validation.trainer(net, len(validation), **workspace)
            settings["validation"] = self.validation_trainer
        if self.keeps_best:
            settings["keeps_best"] = True
        self.trainer = data.trainer(net, batch_size, **settings)
        self.trainer.set_last_step(plan.last_step)

    def clone_for(self, plan):
        """Return an engine for another network of the same queue, or None if it needs its own.

        The plan has the same options; the rows of its data may differ. What the constructor checks
        and chooses is a third of what `fit_many` does besides the steps.
        """
        net, data, state, validation = plan.net, plan.data, plan.state, plan.validation
        if not self.queued or state.row or state.order is not None or net.has_dropout:
            return None
        batch_size = batch_rows(self.options.batch_size, len(data))
        if (data is not self.data or validation is not self.validation) and not (
            _differ_in_rows(data, self.data)
            and _differ_in_rows(validation, self.validation)
            and _fits_queue(plan, batch_size)
        ):
            return None
        evaluated = None
        if self.validates:
            evaluated = self.validation_trainer.twin(
                net, batch_size=len(validation), rows=validation.rows
            )
            if evaluated is None:
                return None
        trainer = self.trainer.twin(
            net,
            batch_size=batch_size,
            optimizer=state.to_kernel(),
            rows=data.rows,
            generator=plan.rng.bit_generator if self.shuffle else None,
            validation=evaluated,
        )
        if trainer is None:
            return None
        clone = object.__new__(DenseEngine)
        clone.rows, clone.shuffle, clone.trainer = data.rows, self.shuffle, trainer
        clone.queued, clone.validates, clone.keeps_best = True, self.validates, self.keeps_best
        return clone

    def load(self, state, moments=True):
        if moments:
            self.trainer.load(state.moments)
        else:
            self.trainer.load_params()
        is_shuffled = self.shuffle and state.order is not None
        self.trainer.set_position(state.step, state.epoch, state.row, state.loss_sum, is_shuffled)

    def store(self, state, moments=True):
        if moments:
            self.trainer.store(state.moments)
        else:
            self.trainer.store_params()
        is_shuffled = self.trainer.is_shuffled()
        state.order = _positions(self.trainer.order(), self.rows) if is_shuffled else None

    def advance(self, seconds, losses):
        arrays = losses[: 1 + self.validates + (self.metric == Metric.VALIDATION_ERROR_RATE)]
        return self.run(seconds, *arrays)

    def best(self, params):
        return self.trainer.store_best(params)

    def epochs_validated(self):
        return self.trainer.epochs_validated()


def _differ_in_rows(data, other):
    """Whether two Data, or None, are equal except for their rows."""
    if data is None or other is None:
        return data is other
    return data.compiled == other.compiled and data.shares_arrays(other)


def _fits_queue(plan, batch_size):
    """Whether a queue may run the trainer: nothing needs Python or lasts long within a slice."""
    net, data, validation = plan.net, plan.data, plan.validation
    validation_rows = 0 if validation is None else len(validation)
    products, weights = net.n_params, 0  # of a row; weights that a step reads and updates besides
    if data.jacobian is not None:
        products *= 1 + len(data.jacobian.inputs)
    if isinstance(data.X, EncodedTable):
        layout, width = data.X.layout, net.layer_sizes[1]
        weights = (layout.n_inputs - layout.n_numbers) * width
        products += 3 * (len(layout.n_bins) + len(layout.n_categories)) * width - weights
    return (
        len(data) <= MAX_SHORT_SHUFFLE
        and 3 * batch_size * products + 10 * weights <= QUEUE_WORK
        and not isinstance(data.loss, losses.CustomLoss)
        and validation_rows * products + weights <= QUEUE_WORK
    )


def _given_order(data, state):
    """Return an array for the order of the rows, if the trainer cannot use its own."""
    if state.order is not None:  # within an epoch
        order = state.order.astype(np.intp)
        return order if data.rows is None else data.rows[order]
    if isinstance(data.loss, losses.CustomLoss):  # which reads it
        return np.arange(len(data), dtype=np.intp)
    return None


def _positions(order, rows):
    """Return the permutation p with ``rows[p] == order``, or `order` itself if rows is None."""
    if rows is None:
        return order
    positions = np.empty_like(order)
    positions[np.argsort(order, kind="stable")] = np.argsort(rows, kind="stable")
    return positions

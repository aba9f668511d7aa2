"""The engine of dense rows: the compiled trainer."""

import numpy as np

from ...threads import ThreadChoice
from .base import Engine

SHORT_STEP = 4e-6  # seconds; in shorter steps a barrier costs more than a second thread saves


class DenseEngine(Engine):
    """Train with a `kernels.Trainer`, in as many threads as are fastest."""

    def __init__(self, net, data, state, batch_size, shuffle, n_threads, rng, validation=None):
        n = len(data)
        state.check_rows(n)
        self.threads = ThreadChoice(net, ("training", batch_size), n_threads, SHORT_STEP)
        self.order = None
        if shuffle:
            self.order = (
                np.arange(n, dtype=np.intp) if state.order is None else state.order.astype(np.intp)
            )
        state.draw_seed(net, rng)
        self.validates = validation is not None and validation.compiled
        self.trainer = data.trainer(
            net,
            batch_size,
            self.order,
            optimizer=state.to_kernel(),
            generator=rng.bit_generator if shuffle else None,
            dropout=np.array(net.dropout) if any(net.dropout) else None,
            seed=state.seed or 0,
            n_threads=n_threads,
            validation=validation.trainer(net, len(validation)) if self.validates else None,
        )

    def load(self, state):
        self.trainer.load(state.moments)
        self.trainer.set_position(state.step, state.epoch, state.row, state.loss_sum)

    def store(self, state):
        self.trainer.store(state.moments)
        state.order = self.order.copy() if self.order is not None and state.row else None

    def position(self):
        return self.trainer.position()

    def advance(self, seconds, losses):
        step, why = self.position()[0], None

        def work(n_threads, seconds):
            nonlocal why
            why = self.trainer.run(n_threads, seconds, *losses)
            return self.position()[0] - step

        self.threads.run(work, seconds)
        return why

    def set_patience(self, patience):
        self.trainer.set_patience(patience.epochs, patience.min_delta, patience.best)

    def epochs_validated(self):
        return self.trainer.epochs_validated()

    def restore(self):
        self.trainer.restore()

    def set_optimizer(self, optimizer):
        self.trainer.set_optimizer(optimizer)

"""Plan: the checked arguments of one call of `fit`."""

from dataclasses import dataclass
from typing import Any

from .data import Data
from .session import Session
from .state import fresh, resumed


@dataclass(eq=False, repr=False, slots=True)
class Plan:
    """One training that has not begun: a network and the arguments of `MLP.fit`, checked.

    `session` draws from `rng` what the training needs, and reads the network.
    """

    net: Any
    data: Data
    validation: Data | None
    optimizer: Any
    epochs: int
    batch_size: int | None
    shuffle: bool
    callbacks: list
    rng: Any
    resume: bool
    class_weight: Any
    validation_fraction: float

    def session(self, n_threads, queue=None):
        """Return the Session. queue : kernels.TrainerQueue, optional."""
        net, data, validation = self.net, self.data, self.validation
        state = resumed(net.state, self.optimizer) if self.resume else fresh(net, self.optimizer)
        if self.validation_fraction:
            data, validation = state.hold_out(data, self.validation_fraction, self.rng)
        if self.class_weight is not None:
            data = data.with_class_weight(self.class_weight, net.layer_sizes[-1])
        return Session(
            net,
            data,
            state,
            self.epochs,
            self.batch_size,
            self.shuffle,
            n_threads,
            self.rng,
            validation,
            self.callbacks,
            queue=queue,
        )

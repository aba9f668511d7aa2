"""Plan: the checked arguments of one call of `fit`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .data import Data
from .session import Session
from .state import fresh, resumed


@dataclass(eq=False, repr=False, slots=True)
class Settings:
    """Arguments of `MLP.fit`, checked, that many networks can share."""

    optimizer: Any
    epochs: int
    batch_size: int | None
    shuffle: bool
    callbacks: list
    resume: bool
    class_weight: Any
    validation_fraction: float
    engine: Any = None  # of one of these networks, for `DenseEngine.twin`


@dataclass(eq=False, repr=False, slots=True)
class Plan:
    """One training that has not begun: a network and the arguments of `MLP.fit`, checked.

    `session` draws from `rng` what the training needs, and reads the network. A seed becomes a
    generator only then: ten thousand generators do not fit in the caches.
    """

    net: Any
    data: Data
    validation: Data | None
    rng: Any
    settings: Settings

    @property
    def draws(self):
        """Whether `session` draws from `rng`."""
        return self.net.has_dropout or self.settings.validation_fraction > 0

    def session(self, n_threads, queue=None):
        """Return the Session. queue : kernels.TrainerQueue, optional."""
        net, data, validation, settings = self.net, self.data, self.validation, self.settings
        rng, optimizer, engine = self.rng, settings.optimizer, settings.engine
        if not isinstance(rng, np.random.Generator):
            rng = np.random.default_rng(rng)
        state = resumed(net.state, optimizer) if settings.resume else fresh(net, optimizer)
        if settings.validation_fraction:
            data, validation = state.hold_out(data, settings.validation_fraction, rng)
        if settings.class_weight is not None:
            data = data.with_class_weight(settings.class_weight, net.layer_sizes[-1])
        if engine is not None:
            engine = engine.twin(net, data, state, rng, validation)
        session = Session(
            net,
            data,
            state,
            settings.epochs,
            settings.batch_size,
            settings.shuffle,
            n_threads,
            rng,
            validation,
            settings.callbacks,
            queue=queue,
            engine=engine,
        )
        if engine is None and session.engine.queued:
            settings.engine = session.engine
        return session

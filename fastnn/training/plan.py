"""Plan: what one training needs. The only place that makes a `Session`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.state import TrainingState, fresh, resumed
from . import engines
from .data import Data
from .options import FitOptions
from .session import Session


@dataclass(eq=False, repr=False, slots=True)
class Plan:
    """One training that has not begun: a network, its rows, and how to train it, all checked.

    `session` draws from `rng` what the training needs, and reads the network. A seed becomes a
    generator only then: ten thousand generators do not fit in the caches.

    state : the state to begin with; by default a new one, or with `resume` that of the network
    """

    net: Any
    data: Data
    options: FitOptions
    rng: Any
    validation: Data | None = None
    state: TrainingState | None = None

    @property
    def draws(self):
        """Whether `session` draws from `rng`."""
        return self.net.has_dropout or self.options.validation_fraction > 0

    def session(self, queue=None, originals=None, kind=Session):
        """Return the Session.

        Parameters
        ----------
        queue : kernels.TrainerQueue, optional
            Run the steps in this queue if the engine supports it (``engine.queued``).
        originals : dict of FitOptions to DenseEngine, optional, INOUT
            An engine of this queue for each options, which the new one may copy: see
            `DenseEngine.twin`.
        kind : type, default Session
            A subclass of Session.
        """
        net, data, options, validation = self.net, self.data, self.options, self.validation
        rng, state = self.rng, self.state
        if not isinstance(rng, np.random.Generator):
            rng = np.random.default_rng(rng)
        if state is None:
            optimizer = options.optimizer
            state = resumed(net.state, optimizer) if options.resume else fresh(net, optimizer)
        if options.validation_fraction:
            data, validation = state.hold_out(data, options.validation_fraction, rng)
        if options.class_weight is not None:
            data = data.with_class_weight(options.class_weight, net.layer_sizes[-1])
        engine = None
        if originals and (original := originals.get(options)) is not None:
            engine = original.twin(net, data, state, rng, validation)
        if engine is None:
            engine = engines.engine(net, data, state, options, rng, validation, queue)
            if engine.queued and originals is not None:
                originals[options] = engine
        return kind(net, data, state, options, rng, validation, engine)

"""Plan: what one training needs. FitOptions: its options, checked, which travel whole to the engine.

Checks that need the rows are in `Plan.session`.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import optimizers
from ..callbacks import EarlyStopping, find_early_stopping, resolve_callbacks
from ..core.validation import check_count, check_number, check_threads
from ..distributed.parts import check_same_shards
from ..state.training_state import TrainingState, fresh, resumed
from . import engines
from .data import Data
from .session import Session


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, repr=False)
class FitOptions:
    """How a network is trained: the arguments of `MLP.fit` besides rows, loss and generator, checked.

    Those that need no rows are checked here, the others in `Plan.session`. Networks that `fit_many`
    trains in the same way share one object.

    Parameters
    ----------
    optimizer, epochs, batch_size, shuffle, callbacks, n_threads, resume, class_weight, \
validation_fraction, max_steps
        As in `MLP.fit`. The optimizer becomes an object; with `resume` it may be None, for that of
        ``net.state``. `callbacks` becomes a list of `Callback`. `n_threads` becomes at least 1: the
        threads of the session if it runs outside a queue.
    patience : Patience, optional
        Stop when the training loss has not improved for that many epochs. For estimators.
    retry : Callback, optional
        Its `on_stop` is called when patience or a callback that allows it would stop the training.
        If it returns True, training continues with fresh patience. For estimators.
    ranks : Ranks, optional
        The ranks that train together, or this one alone, with rows in shards.
    score : object, optional
        With `ranks`: ``score.of_rows(outputs, targets)`` returns a number for each row, and after each
        epoch ``score.value`` becomes their mean over the validation rows of all ranks. For estimators.

    Attributes
    ----------
    early_stopping : EarlyStopping or None
        The one among the callbacks.
    """

    optimizer: Any = None
    epochs: int = 10
    batch_size: int | None = 32
    shuffle: bool = True
    callbacks: Any = ()
    n_threads: int = 1
    resume: bool = False
    class_weight: Any = None
    validation_fraction: float = 0.0
    max_steps: int | None = None
    patience: Any = None
    retry: Any = None
    ranks: Any = None
    score: Any = None
    early_stopping: Any = field(init=False)

    def __post_init__(self):
        set_field = object.__setattr__  # the object is frozen
        optimizer = self.optimizer
        if optimizer is None and not self.resume:
            optimizer = "adam"
        if optimizer is not None:
            set_field(self, "optimizer", optimizers.resolve(optimizer))
        set_field(self, "epochs", check_count("epochs", self.epochs, minimum=0))
        if self.batch_size is not None:
            set_field(self, "batch_size", check_count("batch_size", self.batch_size))
        if self.max_steps is not None:
            set_field(self, "max_steps", check_count("max_steps", self.max_steps))
        set_field(self, "n_threads", check_threads(self.n_threads))
        fraction = check_number("validation_fraction", self.validation_fraction, minimum=0, below=1)
        set_field(self, "validation_fraction", fraction)
        callbacks = resolve_callbacks(self.callbacks)
        set_field(self, "callbacks", callbacks)
        set_field(self, "early_stopping", find_early_stopping(callbacks) if callbacks else None)

    @property
    def only_stops_early(self):
        """Whether an EarlyStopping is all that happens after an epoch: an engine can do that."""
        return (
            len(self.callbacks) == 1
            and type(self.early_stopping) is EarlyStopping
            and self.patience is None
        )


@dataclass(eq=False, repr=False, slots=True)
class Plan:
    """One training that has not begun: a network, its rows, and how to train it, checked.

    `session` makes the checks that need the rows, draws from `rng` what the training needs, and
    reads the network. A seed becomes a generator only then: ten thousand generators do not fit in
    the caches. The plan that the session and its engine get has a generator, the state to begin
    with, and the rows that are not held out.

    state : the state to begin with; by default a new one, or with `resume` that of the network
    last_step : the step after which training stops, 0 for no such limit; `session` computes it
    """

    net: Any
    data: Data
    options: FitOptions
    rng: Any
    validation: Data | None = None
    state: TrainingState | None = None
    last_step: int = 0

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
            `DenseEngine.clone_for`.
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
        if options.ranks is None and state.shards is not None:
            check_same_shards(state, None)
        if options.validation_fraction:
            data, validation = state.hold_out(data, options.validation_fraction, rng)
        if options.class_weight is not None:
            data = data.with_class_weight(options.class_weight, net.layer_sizes[-1])
        last_step = 0 if options.max_steps is None else state.step + options.max_steps
        ready = Plan(net, data, options, rng, validation, state, last_step)
        engine = None
        if originals and (original := originals.get(options)) is not None:
            engine = original.clone_for(ready)
        if engine is None:
            engine = engines.make_engine(ready, queue)
            if engine.queued and originals is not None:
                originals[options] = engine
        return kind(ready, engine)

"""FitOptions: the options of one training, which travel whole from `MLP.fit` to the engine."""

from dataclasses import dataclass, field
from typing import Any

from .. import optimizers
from ..callbacks import EarlyStopping, find_early_stopping, resolve_callbacks
from ..core.validation import check_count, check_number, check_threads


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, repr=False)
class FitOptions:
    """How a network is trained: the arguments of `MLP.fit` besides rows, loss and generator, checked.

    Networks that `fit_many` trains in the same way share one object.

    Parameters
    ----------
    optimizer, epochs, batch_size, shuffle, callbacks, n_threads, resume, class_weight, \
validation_fraction
        As in `MLP.fit`. The optimizer becomes an object; with `resume` it may be None, for that of
        ``net.state``. `callbacks` becomes a list of `Callback`, `n_threads` at least 1.
    patience : Patience, optional
        Stop when the training loss has not improved for that many epochs. For estimators.
    retry : Callback, optional
        Its `on_stop` is called when patience or a callback that allows it would stop the training.
        If it returns True, training continues with fresh patience. For estimators.

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
    patience: Any = None
    retry: Any = None
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

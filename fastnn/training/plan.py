"""From the arguments of `MLP.fit` to a session.

`FitOptions` are its options, checked, which travel whole to the engine. `Plan` is what one training
needs; checks that need the rows are in `Plan.session`. `FitCall` is one call of `MLP.fit`, on one machine
or on several ranks. Rows become Data in memory, or StreamedData, which is read group by group.
"""

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from .. import losses, optimizers
from ..callbacks import EarlyStopping, find_early_stopping, resolve_callbacks
from ..core.draws import UndoDraws
from ..core.validation import (
    check_count,
    check_flag,
    check_number,
    check_rng,
    check_threads,
    is_names,
    is_path,
)
from ..distributed.ranks import check_same_shards
from ..encoded_table import EncodedTable
from ..state import TrainingState, fresh, resumed
from . import engines
from .data import Data, validation_in_memory
from .jacobian_targets import DerivativeArguments
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
        for name in ("shuffle", "resume"):
            set_field(self, name, check_flag(name, getattr(self, name)))
        optimizer = self.optimizer
        if optimizer is None and not self.resume:
            optimizer = "adam"
        if optimizer is not None:
            set_field(self, "optimizer", optimizers.resolve_optimizer(optimizer))
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
        rng, state = np.random.default_rng(self.rng), self.state
        if state is None:
            optimizer = options.optimizer
            state = resumed(net.state, optimizer) if options.resume else fresh(net, optimizer)
        if data.jacobian is not None and state.optimizer.full_batch:
            raise ValueError("dy does not work with L-BFGS. Use another optimizer, such as Adam.")
        if isinstance(data.loss, losses.CustomLoss):
            data.loss.check_training(net, state.optimizer)
        if net.weight_bounds is not None:
            _check_bounds(net.weight_bounds, data, state.optimizer)
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


def _check_bounds(bounds, data, optimizer):
    """Raise ValueError for trainings that do not keep bounds of weights."""
    if optimizer.full_batch:
        raise ValueError(
            "weight_bounds does not work with L-BFGS. Use another optimizer, such as Adam."
        )
    X = getattr(data, "X", None)
    if optimizer.to_kernel()["lazy_categories"] and isinstance(X, EncodedTable):
        if bounds.bounds_last_inputs(sum(X.layout.n_categories)):
            raise ValueError(
                "lazy_categories=True does not work with weight_bounds of the weights of categories. Leave "
                "out one of them."
            )


# ---- the arguments of `MLP.fit` ----


class FitCall(NamedTuple):
    """Arguments of `MLP.fit`, as they were passed.

    Attributes
    ----------
    net : MLP
    rows : RowArguments
    loss : str, Loss, callable or None
    options : dict
        Arguments of `FitOptions`.
    rng : None, int or Generator
    """

    net: Any
    rows: Any
    loss: Any
    options: dict
    rng: Any

    def plan(self):
        """Return the Plan, after checks."""
        net, rows = self.net, self.rows
        options, rng = FitOptions(**self.options), check_rng(self.rng)
        data = training_data(net, rows, self.loss)
        validation = validation_data(net, rows.validation_data, data.loss, data, rows.window)
        if options.validation_fraction and validation is not None:
            raise ValueError(
                "validation_data and validation_fraction exclude each other. Pass one of them."
            )
        return Plan(net, data, options, rng, validation)

    def fit(self, progress):
        """Train, and return the History. progress : as in `MLP.fit`"""
        net, plan = self.net, self.plan()
        # no other thread changes the state, which the plan reads
        with net._in_training(), UndoDraws([(net, plan.rng)] if plan.draws else []):
            session = plan.session()
            if progress:
                session.line = _progress_line(session)
            return session.run_locked()

    def fit_on_ranks(self, comm, shards, sync_every, progress):
        """Train with rows in shards, and return the History. The arguments are those of `MLP.fit`."""
        from ..distributed.ranks import Ranks

        ranks = Ranks(comm, shards, sync_every)
        call = self._replace(
            rows=self.rows._replace(may_be_empty=comm is not None),
            options=self.options | dict(ranks=ranks),
        )
        with ranks.deferring_signals(), ExitStack() as stack:
            with ranks.failing_together():
                stack.enter_context(self.net._in_training())
                plan = call.plan()
                with UndoDraws([(self.net, plan.rng)]):
                    session = plan.session()
            if progress and ranks.comm.rank == 0:
                session.line = _progress_line(session)
            return session.run_locked()


def _progress_line(session):
    from .progress import ProgressLine  # most trainings show none

    return ProgressLine(session.options.epochs, session.data.n_rows)


class RowArguments(NamedTuple):
    """Arguments of `MLP.fit` that stand for rows, as they were passed."""

    X: Any
    y: Any
    sample_weight: Any
    validation_data: Any = None
    window: Any = None
    derivatives: DerivativeArguments = DerivativeArguments()
    may_be_empty: bool = False  # on one of several ranks


def training_data(net, arguments, loss):
    """Return the Data of rows, or the StreamedData of row groups or Parquet files.

    loss : as it was passed
    """
    rows, window, derivatives = arguments[:3], arguments.window, arguments.derivatives
    if is_path(arguments.X) or (arguments.y is None and derivatives.dy is None):
        if derivatives.dy is not None:
            raise ValueError("dy does not work with a path. Pass X and y in memory.")
        return _streamed(net, rows, derivatives.apply(net, *rows[:2], loss)[1], window)
    if window is not None:
        raise ValueError(
            "window is for row groups and paths, but X and y are in memory. Leave it out."
        )
    return data_in_memory(net, arguments, loss)


def data_in_memory(net, arguments, loss):
    """Return the Data of rows, at least one unless `may_be_empty`. loss : as it was passed"""
    y, loss, jacobian = arguments.derivatives.apply(net, arguments.X, arguments.y, loss)
    data = Data.of(net, arguments.X, y, loss, arguments.sample_weight)
    if not len(data) and not arguments.may_be_empty:
        raise ValueError("X has no rows. Training needs at least one.")
    return data if jacobian is None else replace(data, jacobian=jacobian)


def validation_data(net, argument, loss, train, window=None):
    """Return the data of the argument `validation_data`, or None.

    Row groups that fit in a window become Data.

    train : Data or StreamedData
        The rows to train on.
    """
    if argument is None or not is_streamed(argument):
        return validation_in_memory(net, argument, loss, train)
    rows = (*argument, None)[:3] if isinstance(argument, tuple) else (argument, None, None)
    try:
        data = _streamed(net, rows, loss, window).in_memory_if_small()
        if not len(data):
            raise ValueError("it has no rows")
    except (TypeError, ValueError) as error:
        raise type(error)(f"validation_data: {error}") from None
    return data


def is_streamed(argument):
    """Whether an argument `validation_data` is row groups, or a path and names of columns."""
    if isinstance(argument, tuple):
        return len(argument) > 0 and is_path(argument[0])
    if isinstance(argument, list):  # of row groups, or [X, y]
        return len(argument) > 0 and isinstance(argument[0], tuple)
    from .stream import is_source

    return is_source(argument)


def _streamed(net, rows, loss, window):
    """Return the StreamedData of row groups, or of Parquet files."""
    from .stream import RowGroups, StreamedData  # most programs read no streams

    X, y, sample_weight = rows
    if is_path(X):
        if not is_names(y) or not (sample_weight is None or isinstance(sample_weight, str)):
            raise TypeError(
                'X is a path, so y and sample_weight must name its columns: fit("rows.parquet", '
                f'"price"). Got {type(y).__name__} and {type(sample_weight).__name__}.'
            )
        from ..tables.arrow_files import ParquetGroups

        X = ParquetGroups(X, y, sample_weight)
    elif sample_weight is not None:
        raise ValueError(
            "sample_weight does not work with row groups. Let them yield (X, y, sample_weight)."
        )
    if window is not None:
        window = check_count("window", window)
    return StreamedData(RowGroups(net, X, loss), loss, window)

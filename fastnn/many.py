"""Train, run, save and load many networks in one call."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, overload

import numpy as np

from . import kernels
from .core.draws import UndoDraws
from .core.foreign_names import FIT_MANY, with_hints
from .core.sparse_rows import blocks, is_sparse
from .core.threads import CHUNK, ROWS_OF_A_PART, share
from .core.validation import check_array, check_flag, check_list, check_out, check_threads
from .distributed.executor_pool import (
    ExecutorPool,
    Workers,
    check_worker_callbacks,
    threads_of_worker,
)
from .distributed.shared_objects import SharedObjects
from .encoded_table import EncodedTable, check_inputs
from .files import ModelFileError, model
from .mlp import MLP, blank_network
from .network import Network
from .populations import Population
from .training.data import arrays_of_several
from .training.planner import Planner, spawn, split_array, split_targets, spread
from .training.pool import Trainings, train_many
from .training.progress import ManyLine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor
    from typing import Any

    from numpy.typing import ArrayLike

    from .state import History
    from .training.plan import Plan
    from .typing import (
        AnyLoss,
        AnyOptimizer,
        Callbacks,
        ClassWeight,
        FloatArray,
        Inputs,
        OneOrEach,
        Path,
        Rng,
        Rows,
        ValidationData,
    )

NETWORK_PRODUCTS = 3000  # multiply-adds that take as long as a call of the kernel for one network


@with_hints(FIT_MANY)
def fit_many(
    networks: Sequence[MLP],
    X: Inputs | Sequence[Inputs],
    y: ArrayLike,
    loss: OneOrEach[AnyLoss | None] = None,
    optimizer: OneOrEach[AnyOptimizer | None] = None,
    epochs: OneOrEach[int] = 10,
    batch_size: OneOrEach[int | None] = 32,
    shuffle: OneOrEach[bool] = True,
    validation_data: OneOrEach[ValidationData | None] = None,
    sample_weight: ArrayLike | Sequence[ArrayLike | None] | None = None,
    callbacks: Callbacks | Sequence[Callbacks] = (),
    n_threads: int = -1,
    progress: bool = False,
    rng: OneOrEach[Rng] = None,
    resume: bool = False,
    *,
    class_weight: OneOrEach[ClassWeight | None] = None,
    validation_fraction: OneOrEach[float] = 0.0,
    rows: Rows | Sequence[Rows] | None = None,
    validation_rows: Rows | Sequence[Rows] | None = None,
    executor: Executor | None = None,
) -> list[History]:
    """Train many networks in one call. Each gets the same bits as from its own `MLP.fit`.

    Each thread trains one network at a time, or several very small ones, so that even these use all
    CPUs. Networks may have different shapes. Pass an argument of `fit` once for all networks, or
    pass a list with one item for each network.

    Parameters
    ----------
    networks : sequence of MLP
        Different networks of one dtype.
    X : array_like (n, n_in), sparse matrix or EncodedTable, or list of them
        Inputs. One array or table for all networks is not copied, whatever `rows` select. An array
        (n_networks, n, n_in) is a list.
    y : array_like, or list of arrays
        Targets, as in `fit`. A list is one for each network if it holds arrays. An array
        (n_networks, n, n_out) is a list, and beside such an X also (n_networks, n).
    loss, optimizer, epochs, batch_size, shuffle, validation_fraction, resume
        As in `fit`, or a list or tuple with one for each network.
    validation_data : (X, y) or (X, y, sample_weight), or list of them, optional
        As in `fit`.
    sample_weight : array_like (n,), or list of arrays, or array (n_networks, n), optional
    callbacks : callable, Callback, or sequence of them, or list of such sequences
        As in `fit`. They run in the calling thread. An `EarlyStopping` as the only callback runs in
        compiled code.
    n_threads : int, default -1
        Maximum number of threads, -1 for all CPUs of this process. With `executor`, threads of each
        worker, -1 for one. Results are the same bits for any number.
    progress : bool, default False
        Whether to print a line with the number of trained networks and the speed.
    rng : None, int, or list of int, Generator or None, optional
        With an int, network i trains with ``np.random.SeedSequence(rng).spawn(i + 1)[i]``. A list
        holds the `rng` of each `fit`. By default each network uses its own ``net.rng``. Networks
        that share a generator raise an error, because their results would depend on the order.
    class_weight : dict, sequence or "balanced", or list of them, optional
        As in `fit`.
    rows : list of arrays, or array (n_networks, m), optional
        For each network the rows of X, y and sample_weight to train on: indices, a slice or a
        Boolean mask. A single array is for all networks. By default all rows.
    validation_rows : optional
        Likewise, the rows to validate on, with their weights.
    executor : concurrent.futures.Executor, optional
        Train the networks in its workers: processes, or machines that Dask or MPI connects. X
        travels to each worker once. Callbacks other than `EarlyStopping` are refused. See the guide
        "Several machines".

    Returns
    -------
    list of History
        One for each network, also kept as ``net.history``. Training that diverges does not stop the
        others: its ``stop_reason`` is "diverged", and the network holds its last finite parameters.

    Raises
    ------
    ValueError
        An argument is invalid. Nothing is trained then.
    KeyboardInterrupt
        On Ctrl-C. Each network holds the parameters after its last complete step; with `executor`,
        those after training, or before it.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> X = np.linspace(-1, 1, 200)[:, None]
    >>> networks = [fastnn.MLP([1, width, 1], "tanh", rng=0) for width in (4, 8, 16)]
    >>> rates = [fastnn.Adam(lr=0.01), fastnn.Adam(lr=0.02), fastnn.SGD(lr=0.1)]
    >>> histories = fastnn.fit_many(networks, X, X[:, 0] ** 2, optimizer=rates, epochs=50, rng=0)
    >>> [history.n_epochs for history in histories]
    [50, 50, 50]
    """
    networks = check_networks(networks)
    k, n_here = len(networks), check_threads(n_threads)
    n_threads = n_here if executor is None else threads_of_worker(n_threads)
    line = ManyLine() if check_flag("progress", progress) else None
    with kernels.PausedCollector() as collector:
        values = dict(
            X=split_array(X, 3),
            y=split_targets(y, X),
            loss=loss,
            optimizer=optimizer,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            validation_data=validation_data,
            sample_weight=split_array(sample_weight, 2),
            callbacks=callbacks,
            rng=spawn(rng, k),
            resume=resume,
            class_weight=class_weight,
            validation_fraction=validation_fraction,
            rows=split_array(rows, 2),
            validation_rows=split_array(validation_rows, 2),
        )
        arguments = spread(k, values)
        plans = Planner(networks, arguments, n_threads).plans()
        if executor is None:
            with UndoDraws([(plan.net, plan.rng) for plan in plans if plan.draws]):
                return train_many(_trainings(plans), n_threads, line, collector)
    for i, plan in enumerate(plans):
        check_worker_callbacks(plan.options.callbacks, f"network {i}: ")
    with kernels.InTraining([plan.net for plan in plans]):
        train_in_workers(executor, plans, n_threads, n_here, line)
    return [plan.net.history for plan in plans]


def _trainings(plans):
    """Return the Trainings of plans."""
    originals: dict = {}
    return Trainings(
        n=len(plans),
        make=lambda i, queue: plans[i].session(queue, originals),
        networks=[plan.net for plan in plans],
    )


def train_in_workers(
    executor: Executor,
    plans: list[Plan],
    n_threads: int,
    n_threads_here: int,
    line: Any = None,
    ended: Any = None,
) -> None:
    """Train the networks of plans in the workers of an executor.

    Parameters
    ----------
    executor : concurrent.futures.Executor
    plans : list of Plan
    n_threads, n_threads_here : int
        As in `Workers`.
    line : optional
        Shows the progress, as a `training.progress.ManyLine` does.
    ended : callable, optional
        ended(i, patience, results) is called when network i has its parameters. `results` has the `result` of each
        callback that has one.
    """
    data = [each for plan in plans for each in (plan.data, plan.validation) if each is not None]

    def end(i, result):
        trained, *more = result
        _take_over(plans[i], *trained)
        pool.histories[i] = plans[i].net.history
        if ended is not None:
            ended(i, *more)

    with SharedObjects(arrays_of_several(data)) as shared:
        workers = Workers(executor, n_threads, n_threads_here, shared)
        function = partial(_fit_task, n_threads)
        pool = ExecutorPool(workers, len(plans), function, plans.__getitem__, end, line)
        pool.run()


def _take_over(plan, *result):
    """Store what a worker returns in a network, and advance the generator of the caller."""
    try:
        _store(plan, *result)
    except BaseException:  # a signal handler may have raised it; repeating it is harmless
        _store(plan, *result)
        raise


def _store(plan, params, state, rng, history):
    if isinstance(plan.rng, np.random.Generator):
        plan.rng.bit_generator.state = rng.bit_generator.state  # a worker draws from a copy
        rng = plan.rng
    net = plan.net
    net.params, net.state, net.rng, net.history = params, state, rng, history


def _fit_task(n_threads, plans, watch):
    """Train networks in a worker; return what training changed of each."""
    train_many(_trainings(plans), check_threads(n_threads), watch)
    return [
        (
            (plan.net.params, plan.net.state, plan.net.rng, plan.net.history),
            plan.options.patience,
            [c.result for c in plan.options.callbacks if hasattr(c, "result")],
        )
        for plan in plans
    ]


def forward_many(
    networks: Sequence[MLP], X: Inputs, out: FloatArray | None = None, n_threads: int = 1
) -> FloatArray:
    """Compute the outputs of many networks.

    Parameters
    ----------
    networks : sequence of MLP, or Population
        Networks of one dtype, with the same number of inputs and of outputs. Their hidden layers
        may differ. Of a `population`, thousands of small networks take about a millisecond.
    X : array_like (n, n_in) or (n_networks, n, n_in), sparse matrix or EncodedTable
        Rows for all networks, or with three dimensions the rows of each network.
    out : ndarray (n_networks, n, n_out), optional
        Array for the outputs: C-contiguous, of the networks' dtype.
    n_threads : int, default 1
        Maximum number of threads, -1 for all CPUs of this process; one is used if that is faster.
        Results are the same bits.

    Returns
    -------
    ndarray (n_networks, n, n_out)
        The outputs of network j are ``out[j]``, the same bits as ``networks[j].forward(X)``, or as
        ``networks[j].forward(X[j])`` if X has three dimensions.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> networks = [fastnn.MLP([2, width, 1], rng=0) for width in (4, 8)]
    >>> fastnn.forward_many(networks, np.ones((5, 2))).shape
    (2, 5, 1)
    >>> fastnn.forward_many(networks, np.ones((2, 7, 2))).shape  # 7 rows for each network
    (2, 7, 1)
    """
    if not isinstance(networks, Population):
        networks = check_networks(networks)
        with kernels.Reading(networks):
            return _forward(networks, X, out, n_threads)
    while True:
        made = networks.made()
        with kernels.Reading(made):
            Y = _forward(networks, X, out, n_threads)
        if len(networks.made()) == len(made):  # else another thread has made one, and may train it
            return Y


def _forward(networks, X, out, n_threads):
    is_population = isinstance(networks, Population)
    if is_population:
        first, params = networks.template, [networks.params]
    else:
        first, params = networks[0], [net.params for net in networks]
        _check_ends(networks)
    n_in, n_out = first.layer_sizes[0], first.layer_sizes[-1]
    rows = _check_rows(X, len(networks), n_in, first.dtype)
    n = rows.shape[-2]
    shape = (len(networks), n, n_out)
    read = [rows.data] if is_sparse(rows) else [X, rows]
    if out is None:
        out = np.empty(shape, first.dtype)
    else:
        check_out("out", out, shape, first.dtype, *read, *params)
    n_threads = check_threads(n_threads)
    if is_sparse(rows):
        for start, block in blocks(rows):
            of_block = _forward(networks, block, None, n_threads)
            out[:, start : start + len(block)] = of_block
        return out
    n_products = n * sum(each.size for each in params) + NETWORK_PRODUCTS * len(networks)
    by_rows = n >= CHUNK * n_threads > CHUNK and not is_population
    end, least = (n, ROWS_OF_A_PART) if by_rows else (len(networks), 1)
    forward = partial(_forward_rows if by_rows else _forward_networks, networks, rows, out)
    kind = "many", by_rows, n_products // end
    share(forward, end, n_products / end, least, first.thread_choices, kind, n_threads)
    return out


def _check_rows(X, k, n_in, dtype):
    """Check the rows of k networks: of all, or (k, n, n_in) of each."""
    if not (is_sparse(X) or isinstance(X, EncodedTable)):
        X = check_array("X", X, dtype)
    if len(X.shape) != 3:
        return check_inputs("X", X, dtype, n_in)
    if X.shape[::2] != (k, n_in):
        raise ValueError(
            f"X has shape {X.shape}, but there are {k} networks of {n_in} inputs. Pass an array of shape "
            f"({k}, n, {n_in}), or (n, {n_in}) with the same rows for all networks."
        )
    return X


def _forward_networks(networks, X, out, start, stop, abort=None):
    """Compute the outputs of the networks start..stop."""
    rows, out = X[start:stop] if len(X.shape) == 3 else X, out[start:stop]
    if isinstance(networks, Population):
        kernels.forward_population(networks.template, networks.params[start:stop], rows, out, abort)
    else:
        kernels.forward_many(networks[start:stop], rows, out, abort)


def _forward_rows(networks, X, out, start, stop, abort=None):
    """Compute the outputs for the rows start..stop."""
    for i, net in enumerate(networks):
        rows = X[i] if len(X.shape) == 3 else X
        net._forward_into(rows[start:stop], out[i, start:stop], abort)


def _check_ends(networks):
    """Check that all networks have the same numbers of inputs and outputs."""
    first = networks[0].layer_sizes
    for i, net in enumerate(networks):
        ends = net.layer_sizes[:: len(net.layer_sizes) - 1]
        if ends != (first[0], first[-1]):
            raise ValueError(
                f"network {i} has {ends[0]} inputs and {ends[1]} outputs, but network 0 has "
                f"{first[0]} and {first[-1]}. Pass networks with the same numbers."
            )


def check_networks(networks: Any) -> list[Any]:
    """Return networks as a list: different ones, of one dtype."""
    networks = [networks] if isinstance(networks, Network) else check_list("networks", networks)
    if not networks:
        raise ValueError("networks is empty. Pass at least one network.")
    numbers: dict = {}
    for i, net in enumerate(networks):
        if not isinstance(net, MLP):
            raise TypeError(f"networks must hold fastnn.MLP objects, got {net!r} at position {i}")
        if numbers.setdefault(id(net), i) != i:
            raise ValueError(
                f"networks holds one network twice, at positions {numbers[id(net)]} and {i}. "
                "Pass a copy: net.copy()."
            )
        if net.dtype != networks[0].dtype:
            raise ValueError(
                f"networks must have one dtype, but network 0 has {networks[0].dtype} and network "
                f"{i} {net.dtype}"
            )
    return networks


def save_many(networks: Sequence[MLP] | Mapping[str, MLP], path: Path) -> None:
    """Save many networks to one safetensors file, without their training states.

    Read it with `load_many`. The file holds architectures, parameters and `metadata`. It is written
    as by `MLP.save`. Use that to continue training later.

    Parameters
    ----------
    networks : sequence of MLP, or dict of str to MLP
        Networks of one dtype and of any architectures.
    path : str or path-like

    Examples
    --------
    >>> import fastnn, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "sensors.safetensors")
    >>> networks = {name: fastnn.MLP([3, 4, 1], rng=0) for name in ("north", "south")}
    >>> fastnn.save_many(networks, path)
    >>> list(fastnn.load_many(path))
    ['north', 'south']
    """
    names = None
    if isinstance(networks, dict):
        names, networks = list(networks), list(networks.values())
        for name in names:
            if not isinstance(name, str):
                raise TypeError(f"the keys of networks must be str, got {name!r}")
    networks = check_networks(networks)
    reading = kernels.Reading(networks)
    entries = []
    for net in networks:
        network = {name: getattr(net, name) for name in model.NETWORK}
        network["dtype"] = net.dtype.name
        entries.append(model.Entry(network, net.params, net.metadata))
    model.write_many(path, entries, names, reading.check)


@overload
def load_many(path: Path) -> Any: ...
@overload
def load_many(path: Path, kind: type[list[Any]]) -> list[MLP]: ...
@overload
def load_many(path: Path, kind: type[dict[str, Any]]) -> dict[str, MLP]: ...


def load_many(path: Path, kind: Any = None) -> Any:
    """Load the networks of a file that `save_many` wrote.

    Parameters
    ----------
    path : str or path-like
    kind : type, optional
        `list` or `dict`, if you expect one of them. Type checkers then know what `load_many` returns.

    Returns
    -------
    list of MLP, or dict of str to MLP
        As they were passed to `save_many`.

    Raises
    ------
    ModelFileError
        The file does not hold networks, is damaged, was written by a newer version, or holds
        a list where `kind` is `dict`, or the reverse.

    Examples
    --------
    >>> import fastnn, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "networks.safetensors")
    >>> fastnn.save_many([fastnn.MLP([3, 4, 1], rng=seed) for seed in range(5)], path)
    >>> len(fastnn.load_many(path))
    5
    """
    if kind is not None and kind is not list and kind is not dict:
        raise TypeError(f"kind must be list or dict, got {kind!r}")
    entries, names = model.read_many(path)
    found = list if names is None else dict
    if kind is not None and kind is not found:
        raise ModelFileError(
            f"holds a {found.__name__} of networks, but a {kind.__name__} was expected. Pass another "
            "file, or leave kind out.",
            os.fsdecode(path),
        )
    seeds = np.random.SeedSequence().spawn(len(entries))
    networks = [_network(entry, seed) for entry, seed in zip(entries, seeds)]
    return networks if names is None else dict(zip(names, networks))


def _network(entry, seed):
    architecture = entry.network | {"dtype": np.dtype(entry.network["dtype"])}
    net = blank_network(architecture, np.random.default_rng(seed))
    net.params, net.metadata = entry.params, entry.metadata
    return net

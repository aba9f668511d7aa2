"""Network: layer sizes, activations, flat parameters with views into them, and `forward`.

`fastnn.mlp` adds training and files.
"""

from __future__ import annotations

import copyreg
import sys
from copy import deepcopy
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from . import activations, kernels, losses, optimizers
from .core import foreign_names, threads
from .core.sparse_rows import blocks, is_sparse
from .core.validation import (
    check_array,
    check_count,
    check_dtype,
    check_flag,
    check_numbers,
    check_out,
    check_threads,
)
from .encoded_table import EncodedTable, check_inputs
from .kernels import CompiledNetwork

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, Self

    from numpy.typing import ArrayLike

    from .core.model_facts import ModelFacts
    from .typing import DTypeLike, FloatArray, HiddenActivation, InPlace, OutputActivation

T = TypeVar("T")
CACHE_LINE = 64  # bytes
MAX_LAYERS, MAX_SIZE = 1000, 2**24  # numbers of sizes, and of units: what model files can hold


class Views(tuple[T, ...]):
    """Views into a flat array; None for a layer without bias. Assigning to one copies into it."""

    def __setitem__(self, i: int, values: ArrayLike | None) -> None:
        if isinstance(i, slice):
            raise TypeError("Assign to one array at a time, or a sequence to all of them")
        copy_into(f"array {i}", self[i], values)


def split_layers(
    flat: FloatArray, layer_sizes: Sequence[int], bias: bool = True
) -> tuple[Views[FloatArray], Views[FloatArray | Any]]:
    """Return weights and biases of each layer as views into a flat array W0, b0, W1, b1, ..."""
    weights, biases, start = [], [], 0
    for k, m in zip(layer_sizes, layer_sizes[1:]):
        weights.append(flat[start : start + k * m].reshape(k, m))
        start += k * m
        biases.append(flat[start : start + m] if bias else None)
        start += m * bias
    return Views(weights), Views(biases)


def _check_like(name, target, values):
    """Return an array of the shape of `target`, or one number; None if target is None."""
    if target is None or values is None:
        if target is not values:
            raise ValueError(
                f"{name} must be None: the network has no biases"
                if target is None
                else f"{name} must be an array of shape {target.shape}, got None"
            )
        return None
    array = check_array(name, values, target.dtype)
    if array.shape not in ((), target.shape):
        hint = ". Pass its transpose." if array.T.shape == target.shape else ""
        raise ValueError(f"{name} must have shape {target.shape}, got {array.shape}{hint}")
    return array


def _check_each(name, targets, values):
    """Return one array like each target, as `_check_like` does."""
    try:
        values = list(values)
    except (TypeError, NotImplementedError):  # as for a memoryview
        values = None
    if values is None or len(values) != len(targets):
        found = "no sequence" if values is None else len(values)
        raise ValueError(
            f"{name} must be a sequence of {len(targets)} arrays, one for each layer, got {found}"
        )
    return [
        _check_like(f"{name}[{i}]", target, value)
        for i, (target, value) in enumerate(zip(targets, values))
    ]


def copy_into(name, target, values):
    """Copy an array of the same shape, or one number, into `target`."""
    array = _check_like(name, target, values)
    if array is not None:
        target[...] = array


def set_views(net, name, targets, values):
    """Copy a sequence of arrays into views of a network, one for each layer. name : for errors"""
    net._check_not_training()  # its end would overwrite them
    if values is targets:
        return
    arrays = _check_each(name, targets, values)  # all are checked before one is changed
    if any(
        np.may_share_memory(array, flat)  # such as net.weights[::-1]
        for array in arrays
        if array is not None
        for flat in (net._params, net._grads)
    ):
        arrays = [None if array is None else array.copy() for array in arrays]
    for target, array in zip(targets, arrays):
        if array is not None:
            target[...] = array


def _in_place(name: str, doc: str) -> Any:
    """Return a property whose memory never moves: assigning copies the values into it."""
    public, get = name[1:], attrgetter(name)

    def set(net, values):
        targets = get(net)
        if not isinstance(targets, np.ndarray):
            set_views(net, public, targets, values)
            return
        net._check_not_training()  # its end would overwrite them
        if values is not targets:  # as it is after net.params -= step
            copy_into(public, targets, values)

    return property(get, set, doc=doc)


class Network(CompiledNetwork):
    """A dense network ``a = f(a W + b)`` whose parameters and gradients are all 0.

    Parameters and attributes as in `fastnn.MLP`.
    """

    layer_sizes: tuple[int, ...]
    activations: tuple[Any, ...]
    bias: bool
    dtype: np.dtype[Any]
    n_params: int
    has_dropout: bool

    def __init__(
        self,
        layer_sizes: Sequence[int],
        activation: HiddenActivation | Sequence[HiddenActivation] = "relu",
        output: OutputActivation = "identity",
        bias: bool = True,
        dtype: DTypeLike = "float32",
        dropout: float | Sequence[float] = 0.0,
    ) -> None:
        self._check_may_bind()
        sizes = _check_sizes(layer_sizes)
        n_hidden = len(sizes) - 2
        hidden: list[Any] = (
            list(activation) if isinstance(activation, (list, tuple)) else [activation] * n_hidden
        )
        if len(hidden) != n_hidden:
            raise ValueError(
                f"activation lists {len(hidden)} names, but the number of hidden layers is {n_hidden}. "
                "Pass one name, or one for each hidden layer."
            )
        names: list[Any] = hidden if isinstance(activation, (list, tuple)) else [activation]
        for name in names:
            activations.resolve_activation(name, activations.HIDDEN)
        activations.resolve_activation(output, argument="output")
        if output == "softmax" and sizes[-1] == 1:
            raise ValueError(
                "output='softmax' needs at least two outputs. For one probability pass output='sigmoid'."
            )
        self.layer_sizes = sizes
        self.activations = (*hidden, output)
        self.bias = check_flag("bias", bias)
        self.dtype = check_dtype(dtype)
        self.dropout = dropout
        self._allocate()

    def _allocate(self, memory=None):
        """Allocate the flat arrays, make views into them, and hand them to the kernels.

        memory : ndarray (n_params,), optional
            Becomes `params`.
        """
        self.n_params = sum(
            k * m + m * self.bias for k, m in zip(self.layer_sizes, self.layer_sizes[1:])
        )
        self._params = aligned_zeros(self.n_params, self.dtype) if memory is None else memory
        self._grads = aligned_zeros(self.n_params, self.dtype)
        self._weights, self._biases = split_layers(self._params, self.layer_sizes, self.bias)
        self._grad_weights, self._grad_biases = split_layers(
            self._grads, self.layer_sizes, self.bias
        )
        self._kept = None  # the inputs of the last forward(keep=True)
        self.thread_choices: dict[Any, Any] = {}  # how many threads were fastest, see threads.py
        kinds = [activations.ACTIVATIONS[name] for name in self.activations]
        self._bind(self.layer_sizes, kinds, self.weights, self.biases, self.dtype)

    params: InPlace[FloatArray, ArrayLike] = _in_place(
        "_params", "All parameters: W0, b0, W1, b1, ..., (n_params,)."
    )
    grads: InPlace[FloatArray, ArrayLike] = _in_place(
        "_grads", "The gradient, in the order of `params`, (n_params,)."
    )
    weights: InPlace[Views[FloatArray], Iterable[ArrayLike]] = _in_place(
        "_weights", "W of each layer, (n_in, n_out): views of `params`."
    )
    biases: InPlace[Views[FloatArray | Any], Iterable[ArrayLike | None]] = _in_place(
        "_biases", "b of each layer, (n_out,), or None: views of `params`."
    )
    grad_weights: InPlace[Views[FloatArray], Iterable[ArrayLike]] = _in_place(
        "_grad_weights", "The gradient of each W: views of `grads`."
    )
    grad_biases: InPlace[Views[FloatArray | Any], Iterable[ArrayLike | None]] = _in_place(
        "_grad_biases", "The gradient of each b, or None: views of `grads`."
    )

    @property
    def dropout(self) -> Any:  # a tuple of float; `Any` since more can be assigned
        return self._dropout

    @dropout.setter
    def dropout(self, rates: float | Sequence[float]) -> None:
        n_layers = len(self.layer_sizes) - 1
        each = check_numbers("dropout", rates, minimum=0, below=1)
        if not isinstance(each, tuple):
            each = (0.0,) + (each,) * (n_layers - 1)
        if len(each) != n_layers:
            raise ValueError(
                f"dropout lists {len(each)} rates, but the number of layers is {n_layers}. "
                "Pass one number, or one for the inputs of each layer."
            )
        self._dropout = each
        self.has_dropout = any(each)

    def __repr__(self) -> str:
        hidden = self.activations[:-1]
        names = repr(hidden[0]) if len(set(hidden)) == 1 else repr(list(hidden))
        return (
            f"{type(self).__name__}({list(self.layer_sizes)}, "
            + f"activation={names}, " * bool(hidden)
            + f"output={self.activations[-1]!r}, "
            + "bias=False, " * (not self.bias)
            + f"dropout={self.dropout}, " * any(self.dropout)
            + f"dtype={self.dtype.name!r})"
        )

    def __dir__(self) -> list[str]:
        return [
            name
            for name in super().__dir__()
            if name not in foreign_names.ATTRIBUTES or hasattr(self, name)
        ]

    def _forward_checked(self, X, out, n_threads, keep):
        """`forward` for inputs that need a check or a conversion, several threads, and `keep`."""
        n_threads, keep = check_threads(n_threads), check_flag("keep", keep)
        original = X
        X = check_inputs("X", X, self.dtype, self.layer_sizes[0])
        sparse = is_sparse(X)
        if keep and (sparse or isinstance(X, EncodedTable)):
            kind, dense = ("sparse matrix", "toarray") if sparse else ("EncodedTable", "to_dense")
            raise ValueError(
                f"keep=True needs an array, since a {kind} has no gradient of its inputs. Use "
                f"loss_and_grad, or pass X.{dense}()."
            )
        shape = X.shape[0], self.layer_sizes[-1]
        if out is None:
            out = np.empty(shape, self.dtype)
        elif sparse:
            check_out("out", out, shape, self.dtype, X.data, self._params)
        else:
            check_out("out", out, shape, self.dtype, original, X, self._params)
        if sparse:
            for first, block in blocks(X):
                threads.forward_in_threads(self, block, out[first : first + len(block)], n_threads)
            return out
        if keep:
            self._kept = X.copy()
        threads.forward_in_threads(self, X, out, n_threads)
        return out

    def summary(self, batch_size: int | None = None) -> None:
        """Print a table of the layers: shapes of inputs and outputs, activation, parameters, memory.

        The rows below it are the memory of all parameters, of the gradient, and, once the network is
        trained, of the moments of the optimizer.

        Parameters
        ----------
        batch_size : int, optional
            Add two rows: what training with batches of `batch_size` rows and `forward` of as many
            rows allocate besides, in one thread. For training these are copies of parameters and
            moments, and the workspace. They depend on the instruction set. Before the first `fit`,
            the optimizer is Adam. Not included are data, outputs, 8 bytes for each row that is
            shuffled, and what a validation or L-BFGS needs.

        Examples
        --------
        >>> import fastnn
        >>> fastnn.MLP([64, 32, 10], output="softmax", rng=0).summary()
        MLP, float32
        layer     input    output   activation  parameters  bytes
        hidden 1  (n, 64)  (n, 32)  relu             2,080  8,320
        output    (n, 32)  (n, 10)  softmax            330  1,320
        total                                        2,410  9,640
        gradient                                            9,640
        >>> fastnn.MLP([64, 10], rng=0).summary(batch_size=32)  # doctest: +ELLIPSIS
        MLP, float32
        ...
        training, 32 rows  ...
        forward, 32 rows   ...
        """
        if batch_size is not None:
            batch_size = check_count("batch_size", batch_size, maximum=sys.maxsize)
        print(_summary_text(self, batch_size))

    def facts(self) -> ModelFacts:
        """Return a description of the network: its task, columns and size.

        Estimators have the same method.

        Examples
        --------
        >>> import fastnn
        >>> facts = fastnn.MLP([3, 4, 1], rng=0).facts()
        >>> facts.task, len(facts.columns), facts.hidden_sizes, facts.n_params
        ('number', 3, (4,), 21)
        """
        from .core.model_facts import ModelFacts, network_columns, network_sizes

        return ModelFacts(
            estimator=type(self).__name__,
            columns=network_columns(None, self.layer_sizes[0]),
            has_names=False,
            **network_sizes([self]),
            metadata=dict(getattr(self, "metadata", {})),
        )

    def _repr_html_(self) -> str:
        return _summary_html(self)

    def copy(self) -> Self:
        """Return an independent network with the same parameters, state and generator.

        Examples
        --------
        >>> import fastnn
        >>> net = fastnn.MLP([3, 4, 1], rng=0)
        >>> other = net.copy()
        >>> other.params += 1
        >>> (other.params - net.params).min()
        np.float32(1.0)
        """
        return deepcopy(self)

    __copy__ = copy

    def __getstate__(self) -> dict[str, Any]:
        reading = self._reading()  # ends when all of the values before it are copied or pickled
        state = {name: value for name, value in self.__dict__.items() if name not in _DERIVED}
        return state | dict(params=self.params.copy(), grads=self.grads.copy(), reading=reading)

    def __setstate__(self, state: dict[str, Any], memory: FloatArray | None = None) -> None:
        self._check_may_bind()
        state = dict(state)
        params, grads, _ = (state.pop(name) for name in ("params", "grads", "reading"))
        self.__dict__.update(state)
        self._allocate(memory)
        self.params[:] = params
        self.grads[:] = grads

    def __reduce__(self) -> tuple[Any, ...]:  # instead of Cython's
        # the stubs of copyreg lack what object.__reduce_ex__ returns
        return copyreg.__newobj__, (type(self),), self.__getstate__()  # type: ignore[attr-defined]


for _name, _hint in foreign_names.ATTRIBUTES.items():
    setattr(Network, _name, foreign_names.MissingAttribute(_name, _hint))

_DERIVED = (
    "_params",
    "_grads",
    "_weights",
    "_biases",
    "_grad_weights",
    "_grad_biases",
    "n_params",
    "_kept",
    "thread_choices",
)


def as_dtype(net, dtype):
    """Return a network of another dtype with the same layers and parameters.

    It has no dropout, state or generator.
    """
    out = Network(net.layer_sizes, net.activations[:-1], net.activations[-1], net.bias, dtype)
    out.params = net.params
    return out


def _check_sizes(layer_sizes):
    try:
        sizes = tuple(layer_sizes)
    except (TypeError, NotImplementedError):  # of a memoryview of two dimensions
        sizes = ()
    if len(sizes) < 2:
        raise ValueError(
            "layer_sizes must list inputs, hidden layers and outputs, such as [64, 100, 1], "
            f"got {layer_sizes!r}"
        )
    sizes = tuple(check_count("every size in layer_sizes", size) for size in sizes)
    if len(sizes) > MAX_LAYERS or max(sizes) > MAX_SIZE:
        raise ValueError(
            f"layer_sizes must list at most {MAX_LAYERS:,} sizes of at most {MAX_SIZE:,}, which model "
            f"files can hold, got {len(sizes):,} sizes of up to {max(sizes):,}"
        )
    return sizes


def aligned_zeros(n, dtype):
    """Return n zeros whose memory begins at a cache line."""
    block = np.zeros(n * dtype.itemsize + CACHE_LINE, np.uint8)
    start = -block.ctypes.data % CACHE_LINE
    return block[start : start + n * dtype.itemsize].view(dtype)


# ---- the summary ----


def _summary_text(net, batch_size=None):
    """Return the summary as an aligned table of lines without a newline at the end."""
    header, rows, totals, n_texts = _summary_table(net, batch_size)
    table = [header, *rows, *totals]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if i < n_texts else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in table
    ]
    return "\n".join([_title(net), *lines])


def _summary_html(net):
    """Return the summary as HTML for notebooks."""
    from .core import notebook

    header, rows, totals, n_texts = _summary_table(net)
    return notebook.titled(_title(net), notebook.table(header, rows + totals, len(totals), n_texts))


def _title(net):
    return f"{type(net).__name__}, {net.dtype.name}"


def _summary_table(net, batch_size=None):
    """Return the header, the rows of the layers, the totals, and the number of columns of text."""
    size = net.dtype.itemsize
    has_dropout = any(net.dropout)
    header = ("layer", "input", "output", "activation", *["dropout"] * has_dropout)
    rows = []
    for i, (k, m, activation) in enumerate(
        zip(net.layer_sizes, net.layer_sizes[1:], net.activations)
    ):
        is_output = i == len(net.activations) - 1
        n_params = k * m + m * net.bias
        rows.append(
            (
                "output" if is_output else f"hidden {i + 1}",
                f"(n, {k})",
                f"(n, {m})",
                activation,
                *[f"{net.dropout[i]:g}"] * has_dropout,
                *_grouped(n_params, n_params * size),
            )
        )
    blank = ("",) * (len(header) - 1)
    totals = [
        ("total", *blank, *_grouped(net.n_params, net.n_params * size)),
        ("gradient", *blank, "", *_grouped(net.n_params * size)),
    ]
    if net.state is not None:
        optimizer = net.state.optimizer
        n_bytes = optimizer.n_moments * net.n_params * size
        totals.append((f"state of {type(optimizer).__name__}", *blank, "", *_grouped(n_bytes)))
    if batch_size is not None:
        for name, n_bytes in _workspaces(net, batch_size).items():
            totals.append((f"{name}, {batch_size:,} rows", *blank, "", *_grouped(n_bytes)))
    return (*header, "parameters", "bytes"), rows, totals, len(header)


def _workspaces(net, batch_size):
    """Return the bytes that training and `forward` allocate besides the memory of the network.

    A training by L-BFGS allocates what SciPy needs, which is not known here.
    """
    optimizer = optimizers.Adam() if net.state is None else net.state.optimizer
    workspaces = {}
    if not isinstance(optimizer, optimizers.LBFGS):
        loss, n_out = losses.resolve_loss(None, net.activations[-1]), net.layer_sizes[-1]
        _, options = loss.prepare(np.zeros((0, n_out)), 0, n_out, net.dtype)
        workspaces["training"] = kernels.training_bytes(
            net,
            batch_size,
            loss=options["loss"],
            optimizer=optimizer.to_kernel(),
            dropout=np.array(net.dropout) if net.has_dropout else None,
        )
    workspaces["forward"] = kernels.forward_bytes(net, batch_size)
    return workspaces


def _grouped(*counts):
    return tuple(f"{count:,}" for count in counts)

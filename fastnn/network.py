"""Network: sizes and activations, one flat array of parameters with views into it, and `forward`.
`fastnn.mlp` adds training and files."""

from copy import deepcopy

import numpy as np

from . import activations, threads
from .kernels import CompiledNetwork
from .validation import (
    check_count,
    check_dtype,
    check_matrix,
    check_numbers,
    check_out,
    check_threads,
)


class _Views(tuple):
    """Views into a flat array; assigning to one writes into the array."""

    def __setitem__(self, i, values):
        self[i][...] = values


def _in_place(name):
    """A property whose memory never moves: assigning copies the values in."""

    def get(net):
        return getattr(net, name)

    def set(net, values):
        for target, value in (
            [(get(net), values)]
            if isinstance(get(net), np.ndarray)
            else zip(get(net), values, strict=True)
        ):
            if target is not value:
                target[...] = value

    return property(get, set)


class Network(CompiledNetwork):
    """A dense network ``a = f(a W + b)`` whose parameters and gradients are all 0.

    Parameters and attributes as in `fastnn.MLP`.
    """

    def __init__(
        self,
        layer_sizes,
        activation="relu",
        output="identity",
        bias=True,
        dtype="float32",
        dropout=0.0,
    ):
        self._check_may_bind()
        sizes = _check_sizes(layer_sizes)
        n_hidden = len(sizes) - 2
        hidden = (
            list(activation) if isinstance(activation, (list, tuple)) else [activation] * n_hidden
        )
        if len(hidden) != n_hidden:
            raise ValueError(
                f"activation lists {len(hidden)} names for {n_hidden} hidden layers: give one name, or one for each"
            )
        for name in hidden if isinstance(activation, (list, tuple)) else [activation]:
            activations.resolve(name, activations.HIDDEN)
        activations.resolve(output, argument="output")
        if output == "softmax" and sizes[-1] == 1:
            raise ValueError(
                "output='softmax' needs two outputs or more; for one probability use output='sigmoid'"
            )
        self.layer_sizes = sizes
        self.activations = (*hidden, output)
        self.bias = bool(bias)
        self.dtype = check_dtype(dtype)
        self.dropout = dropout
        self._allocate()

    def _allocate(self):
        """Flat arrays, their views, and the kernels' view of it all."""
        self.n_params = sum(
            k * m + m * self.bias for k, m in zip(self.layer_sizes, self.layer_sizes[1:])
        )
        self._params, self._grads = (_aligned_zeros(self.n_params, self.dtype) for _ in range(2))
        self._weights, self._biases = self._views(self._params)
        self._grad_weights, self._grad_biases = self._views(self._grads)
        self._kept = None  # the inputs of the last forward(keep=True)
        self._threads = {}  # what has been learned about one thread against several, see threads.py
        kinds = [activations.ACTIVATIONS[name] for name in self.activations]
        self._bind(self.layer_sizes, kinds, self.weights, self.biases, self.dtype)

    def _views(self, flat):
        weights, biases, at = [], [], 0
        for k, m in zip(self.layer_sizes, self.layer_sizes[1:]):
            weights.append(flat[at : at + k * m].reshape(k, m))
            at += k * m
            biases.append(flat[at : at + m] if self.bias else None)
            at += m * self.bias
        return _Views(weights), _Views(biases)

    params, grads, weights, biases, grad_weights, grad_biases = map(
        _in_place, ("_params", "_grads", "_weights", "_biases", "_grad_weights", "_grad_biases")
    )

    @property
    def dropout(self):
        return self._dropout

    @dropout.setter
    def dropout(self, rates):
        n_layers = len(self.layer_sizes) - 1
        rates = check_numbers("dropout", rates, minimum=0, below=1)
        if not isinstance(rates, tuple):
            rates = (0.0,) + (rates,) * (n_layers - 1)
        if len(rates) != n_layers:
            raise ValueError(
                f"dropout lists {len(rates)} rates for {n_layers} layers: give one number, or one for each layer's inputs"
            )
        self._dropout = rates

    def __repr__(self):
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

    def _forward_checked(self, X, out, n_threads, keep):
        """`forward` for everything that needs a look: other types, other layouts, wrong shapes,
        threads, keep."""
        n_threads = check_threads(n_threads)
        given = X
        X = check_matrix("X", X, self.dtype, self.layer_sizes[0])
        if out is None:
            out = np.empty((len(X), self.layer_sizes[-1]), self.dtype)
        else:
            check_out(
                "out", out, (len(X), self.layer_sizes[-1]), self.dtype, given, X, self._params
            )
        if keep:
            self._kept = X.copy()
        threads.forward(self, X, out, n_threads)
        return out

    def copy(self):
        """An independent network with the same parameters, state and generator.

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

    def _twin(self, dtype):
        """A network of another dtype with the same layers and parameters, without dropout, state or
        generator."""
        twin = Network(
            self.layer_sizes, self.activations[:-1], self.activations[-1], self.bias, dtype
        )
        twin.params = self.params
        return twin

    def __reduce__(self):
        self._check_not_training()
        values = {name: value for name, value in self.__dict__.items() if name not in _DERIVED}
        return _rebuild, (type(self), values, self.params.copy(), self.grads.copy())


_DERIVED = (
    "_params",
    "_grads",
    "_weights",
    "_biases",
    "_grad_weights",
    "_grad_biases",
    "n_params",
    "_kept",
    "_threads",
)


def _rebuild(cls, values, params, grads):
    """A network from its pickled parts; weights are views of params again."""
    net = cls.__new__(cls)
    net.__dict__.update(values)
    net._allocate()
    net.params[:] = params
    net.grads[:] = grads
    return net


def _check_sizes(layer_sizes):
    try:
        sizes = tuple(layer_sizes)
    except TypeError:
        sizes = ()
    if len(sizes) < 2:
        raise ValueError(
            f"layer_sizes must list inputs, hidden layers and outputs, such as [64, 100, 1], got {layer_sizes!r}"
        )
    return tuple(check_count("every size in layer_sizes", size) for size in sizes)


def _aligned_zeros(n, dtype):
    """n zeros at a cache line's begin (64 bytes)."""
    block = np.zeros(n * dtype.itemsize + 64, np.uint8)
    start = -block.ctypes.data % 64
    return block[start : start + n * dtype.itemsize].view(dtype)

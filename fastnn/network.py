"""MLP: a multilayer perceptron as one flat array of parameters and views into it."""

from copy import deepcopy

import numpy as np

from . import activations, initializers, losses, threads
from .kernels import CompiledNetwork, Loss, Trainer
from .training import api as training
from .training.data import Data
from .validation import check_count, check_dtype, check_matrix, check_numbers, check_out, check_rng, check_rows, check_threads


class _Views(tuple):
    """Views into a flat array; assigning to one writes into the array."""

    def __setitem__(self, i, values):
        self[i][...] = values


def _in_place(name):
    """A property whose memory never moves: assigning copies the values in."""

    def get(net):
        return getattr(net, name)

    def set(net, values):
        for target, value in [(get(net), values)] if isinstance(get(net), np.ndarray) else zip(get(net), values, strict=True):
            if target is not value:
                target[...] = value

    return property(get, set)


class MLP(CompiledNetwork):
    """A dense network: ``a = f(a W + b)`` layer by layer.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, hidden layers, outputs: ``[64, 100, 1]``. Two sizes make a network without a hidden layer: linear or logistic regression.
    activation : str or sequence of str, default "relu"
        Of all hidden layers, or one name for each: identity, sigmoid, relu, tanh, leaky_relu, elu, softplus, gelu, silu, exponential.
    output : str, default "identity"
        Activation of the last layer: any of these, or softmax.
    bias : bool, default True
        Whether layers have a bias b.
    dtype : {"float32", "float64"}, default "float32"
    rng : None, int or numpy.random.Generator, default None
        Draws the first weights and, later, the shuffling of `fit`. Same seed, same bits.
    dropout : float or sequence of float, default 0.0
        Share in [0, 1) of a layer's inputs that each step of `fit` sets to 0, while the others are scaled by 1 / (1 - share), so that
        nothing is to be done afterwards (Srivastava et al., 2014). A number is for the outputs of all hidden layers; a sequence gives the
        share of each layer's inputs, the network's own first: ``(0.2, 0.5)`` for one hidden layer.
    init : str or callable, or a sequence of them, optional
        How the weights W begin, of all layers or of each: see `fastnn.initializers`. None: Glorot-uniform, for ReLU kinds He-normal.

    Attributes
    ----------
    params, grads : ndarray (n_params,)
        All parameters, and the gradient that `loss_and_grad` and `backward` fill, in the order W0, b0, W1, b1, ...; contiguous, 64-byte
        aligned. Assigning to it copies into it: the memory stays, and so do the views.
    weights, biases, grad_weights, grad_biases : tuple of ndarray
        Views into these: W (n_in, n_out), b (n_out,), or None in place of b without bias. ``net.weights[0] = W`` copies W into the view.
    layer_sizes, activations : tuple
        Sizes, and the activation of each layer, the output's last.
    n_params : int
    dtype : numpy.dtype
    rng : numpy.random.Generator
    state : TrainingState or None
        What a training has moved besides the parameters: optimizer, moments, step, epoch. `fit(resume=True)` goes on from it.
    dropout : tuple of float
        The share of each layer's inputs; may be assigned to, as in the constructor.
    history : History or None
        Of the last `fit`.
    metadata : dict of str to str
        Notes of your own, empty at first; `save`, `load`, `copy` and pickle carry them.

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
    >>> y = np.array([0, 1, 1, 0])
    >>> net = fastnn.MLP([2, 8, 1], activation="tanh", output="sigmoid", rng=0)
    >>> history = net.fit(X, y, optimizer=fastnn.Adam(lr=0.05), epochs=300)
    >>> (net.forward(X)[:, 0] > 0.5).astype(int)
    array([0, 1, 1, 0])
    """

    def __init__(
        self, layer_sizes, activation="relu", output="identity", bias=True, dtype="float32", rng=None, dropout=0.0, init=None
    ):  # fmt: skip
        sizes = _check_sizes(layer_sizes)
        n_hidden = len(sizes) - 2
        hidden = list(activation) if isinstance(activation, (list, tuple)) else [activation] * n_hidden
        if len(hidden) != n_hidden:
            raise ValueError(f"activation lists {len(hidden)} names for {n_hidden} hidden layers: give one name, or one for each")
        for name in hidden if isinstance(activation, (list, tuple)) else [activation]:
            activations.find(name, activations.HIDDEN)
        activations.find(output, argument="output")
        if output == "softmax" and sizes[-1] == 1:
            raise ValueError("output='softmax' needs two outputs or more; for one probability use output='sigmoid'")
        self.layer_sizes = sizes
        self.activations = (*hidden, output)
        self.bias = bool(bias)
        self.dtype = check_dtype(dtype)
        self.dropout = dropout
        init = initializers.check(init, len(sizes) - 1)
        self.rng = check_rng(rng)
        self.state = None
        self.history = None
        self.metadata = {}
        self._allocate()
        initializers.initialize(self.rng, self.weights, self.activations, init)

    def _allocate(self):
        """Flat arrays, their views, and the kernels' view of it all."""
        self.n_params = sum(k * m + m * self.bias for k, m in zip(self.layer_sizes, self.layer_sizes[1:]))
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
        rates = check_numbers("dropout", rates, least=0, below=1)
        if not isinstance(rates, tuple):
            rates = (0.0,) + (rates,) * (n_layers - 1)
        if len(rates) != n_layers:
            raise ValueError(f"dropout lists {len(rates)} rates for {n_layers} layers: give one number, or one for each layer's inputs")
        self._dropout = rates

    def __repr__(self):
        hidden = self.activations[:-1]
        names = repr(hidden[0]) if len(set(hidden)) == 1 else repr(list(hidden))
        return (
            f"MLP({list(self.layer_sizes)}, "
            + f"activation={names}, " * bool(hidden)
            + f"output={self.activations[-1]!r}, "
            + "bias=False, " * (not self.bias)
            + f"dropout={self.dropout}, " * any(self.dropout)
            + f"dtype={self.dtype.name!r})"
        )

    # ---- forward, loss, gradient ----

    def _forward_checked(self, X, out, n_threads, keep):
        """`forward` for everything that needs a look: other types, other layouts, wrong shapes, threads, keep."""
        n_threads = check_threads(n_threads)
        given = X
        X = check_matrix("X", X, self.dtype, self.layer_sizes[0])
        if out is None:
            out = np.empty((len(X), self.layer_sizes[-1]), self.dtype)
        else:
            check_out("out", out, (len(X), self.layer_sizes[-1]), self.dtype, given, X, self._params)
        if keep:
            self._kept = X.copy()
        threads.forward(self, X, out, n_threads)
        return out

    def loss(self, X, y, loss=None, sample_weight=None):
        """The loss of all rows as one batch, sum(w_i l_i) / sum(w_i); 0.0 for no rows.

        Parameters
        ----------
        X : array_like (n, n_in)
        y : array_like
            (n,) or (n, n_out) numbers; for "cross_entropy" class numbers (n,) or rows of probabilities.
        loss : str, loss or callable, optional
            As in `fit`.
        sample_weight : array_like (n,), optional
            Weights w_i >= 0.

        Returns
        -------
        float

        Examples
        --------
        >>> import fastnn, numpy as np
        >>> net = fastnn.MLP([3, 1], rng=0)
        >>> net.loss(np.zeros((5, 3)), np.full(5, 2.0))        # biases are 0 at first, so the outputs are
        4.0
        """
        self._check_not_training()
        return Data.of(self, X, y, losses.choose(loss, self.activations[-1]), sample_weight).evaluator(self)()

    def loss_and_grad(self, X, y, loss=None, sample_weight=None):
        """The same, and its gradient in `grads` (overwritten). Without dropout, which belongs to the steps of `fit`.

        Examples
        --------
        >>> import fastnn, numpy as np
        >>> net = fastnn.MLP([3, 4, 1], rng=0)
        >>> loss = net.loss_and_grad(np.ones((5, 3)), np.zeros(5))
        >>> net.params -= 0.1 * net.grads          # a step of one's own
        """
        self._check_not_training()
        data = Data.of(self, X, y, losses.choose(loss, self.activations[-1]), sample_weight)
        if not len(data):
            self.grads[:] = 0
            return 0.0
        return self._gradient(data.trainer(self, len(data)))

    def backward(self, dY):
        """Gradients of any loss of your own.

        Parameters
        ----------
        dY : array_like (n, n_out)
            The loss's derivative with respect to the outputs of the last ``forward(X, keep=True)``. Outputs are computed again from the
            remembered X, so the parameters must not have changed since.

        Returns
        -------
        ndarray (n, n_in)
            The derivative with respect to X. `grads` holds those of the parameters.

        Examples
        --------
        >>> import fastnn, numpy as np
        >>> net = fastnn.MLP([3, 4, 2], rng=0)
        >>> Y = net.forward(np.ones((5, 3)), keep=True)
        >>> dX = net.backward(2 * Y)               # of sum(Y**2)
        >>> dX.shape
        (5, 3)
        """
        self._check_not_training()
        X = self._kept
        if X is None:
            raise RuntimeError("backward needs the inputs: call forward(X, keep=True) first")
        dY = check_matrix("dY", dY, self.dtype, self.layer_sizes[-1])
        check_rows("dY", len(dY), len(X))
        dX = np.empty_like(X)
        if len(X):
            self._gradient(Trainer(self, X, dY, loss=Loss.GIVEN_GRADIENT, batch_size=len(X), dX=dX))
        else:
            self.grads[:] = 0
        return dX

    def _gradient(self, job):
        loss = job.gradient()
        job.store_gradient(self.grads)
        return loss

    # ---- training: see training.py ----

    fit = training.fit
    partial_fit = training.partial_fit

    # ---- copies and files ----

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
        """The same network in a dtype of its own, without state."""
        twin = MLP(self.layer_sizes, self.activations[:-1], self.activations[-1], self.bias, dtype, rng=0)
        twin.params = self.params
        return twin

    def save(self, path):
        """Write the network, its training state and its `metadata` to a safetensors file; see `fastnn.load`.

        The file is complete or not there: it is written beside `path`, synced and renamed.

        Parameters
        ----------
        path : str or path-like

        Examples
        --------
        >>> import fastnn, os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
        >>> fastnn.MLP([3, 4, 1], rng=0).save(path)
        >>> os.path.getsize(path) > 21 * 4
        True
        """
        from .files import model as model_file

        self._check_not_training()
        model_file.save(self, path)

    def __reduce__(self):
        self._check_not_training()
        values = {name: value for name, value in self.__dict__.items() if name not in _DERIVED}
        return _rebuild, (type(self), values, self.params.copy(), self.grads.copy())


_DERIVED = ("_params", "_grads", "_weights", "_biases", "_grad_weights", "_grad_biases", "n_params", "_kept", "_threads")


def _rebuild(cls, values, params, grads):
    """An MLP from its pickled parts; weights are views of params again."""
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
        raise ValueError(f"layer_sizes must list inputs, hidden layers and outputs, such as [64, 100, 1], got {layer_sizes!r}")
    return tuple(check_count("every size in layer_sizes", size) for size in sizes)


def _aligned_zeros(n, dtype):
    """n zeros at a cache line's begin (64 bytes)."""
    block = np.zeros(n * dtype.itemsize + 64, np.uint8)
    start = -block.ctypes.data % 64
    return block[start : start + n * dtype.itemsize].view(dtype)

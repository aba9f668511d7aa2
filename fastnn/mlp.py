"""MLP: a multilayer perceptron that trains, and goes to a file and back."""

from dataclasses import fields

import numpy as np

from . import initializers, losses
from .callbacks import resolve_callbacks
from .kernels import Loss, Trainer
from .network import Network
from .training.data import Data, of_validation
from .training.progress import ProgressLine
from .training.session import Session
from .training.state import fresh, resumed
from .validation import check_count, check_matrix, check_number, check_rng, check_rows


class MLP(Network):
    """A dense network: ``a = f(a W + b)`` layer by layer.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, hidden layers, outputs: ``[64, 100, 1]``. Two sizes make a network without a hidden
        layer: linear or logistic regression.
    activation : str or sequence of str, default "relu"
        Of all hidden layers, or one name for each: identity, sigmoid, relu, tanh, leaky_relu, elu,
        softplus, gelu, silu, exponential, selu, mish.
    output : str, default "identity"
        Activation of the last layer: any of these, or softmax.
    bias : bool, default True
        Whether layers have a bias b.
    dtype : {"float32", "float64"}, default "float32"
    rng : None, int or numpy.random.Generator, default None
        Draws the first weights and, later, the shuffling of `fit`. Same seed, same bits.
    dropout : float or sequence of float, default 0.0
        Share in [0, 1) of a layer's inputs that each step of `fit` sets to 0, while the others are
        scaled by 1 / (1 - share), so that nothing is to be done afterwards (Srivastava et al.,
        2014). A number is for the outputs of all hidden layers; a sequence gives the share of each
        layer's inputs, the network's own first: ``(0.2, 0.5)`` for one hidden layer.
    init : str or callable, or a sequence of them, optional
        How the weights W begin, of all layers or of each: see `fastnn.initializers`. None:
        Glorot-uniform, for ReLU kinds He-normal.

    Attributes
    ----------
    params, grads : ndarray (n_params,)
        All parameters, and the gradient that `loss_and_grad` and `backward` fill, in the order W0,
        b0, W1, b1, ...; contiguous, 64-byte aligned. Assigning to it copies into it: the memory
        stays, and so do the views.
    weights, biases, grad_weights, grad_biases : tuple of ndarray
        Views into these: W (n_in, n_out), b (n_out,), or None in place of b without bias.
        ``net.weights[0] = W`` copies W into the view.
    layer_sizes, activations : tuple
        Sizes, and the activation of each layer, the output's last.
    n_params : int
    dtype : numpy.dtype
    rng : numpy.random.Generator
    state : TrainingState or None
        What a training has moved besides the parameters: optimizer, moments, step, epoch.
        `fit(resume=True)` goes on from it.
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
        self,
        layer_sizes,
        activation="relu",
        output="identity",
        bias=True,
        dtype="float32",
        rng=None,
        dropout=0.0,
        init=None,
    ):
        super().__init__(layer_sizes, activation, output, bias, dtype, dropout)
        init = initializers.resolve(init, len(self.weights))
        self._begin(check_rng(rng))
        initializers.initialize(self.rng, self.weights, self.activations, init)

    def _begin(self, rng):
        self.rng = rng
        self.state = None
        self.history = None
        self.metadata = {}

    @classmethod
    def _blank(cls, layer_sizes, activations, bias, dtype, dropout, rng):
        """A network with parameters of 0, for a caller that has them: drawing them would take most
        of the time of `load`."""
        net = cls.__new__(cls)
        Network.__init__(net, layer_sizes, activations[:-1], activations[-1], bias, dtype, dropout)
        net._begin(rng)
        return net

    def loss(self, X, y, loss=None, sample_weight=None):
        """The loss of all rows as one batch, sum(w_i l_i) / sum(w_i); 0.0 for no rows.

        Parameters
        ----------
        X : array_like (n, n_in)
        y : array_like
            (n,) or (n, n_out) numbers; for "cross_entropy" class numbers (n,) or rows of
            probabilities.
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
        return Data.of(
            self, X, y, losses.resolve(loss, self.activations[-1]), sample_weight
        ).evaluator(self)()

    def loss_and_grad(self, X, y, loss=None, sample_weight=None):
        """The same, and its gradient in `grads` (overwritten). Without dropout, which belongs to
        the steps of `fit`.

        Examples
        --------
        >>> import fastnn, numpy as np
        >>> net = fastnn.MLP([3, 4, 1], rng=0)
        >>> loss = net.loss_and_grad(np.ones((5, 3)), np.zeros(5))
        >>> net.params -= 0.1 * net.grads          # a step of one's own
        """
        self._check_not_training()
        data = Data.of(self, X, y, losses.resolve(loss, self.activations[-1]), sample_weight)
        if not len(data):
            self.grads[:] = 0
            return 0.0
        return self._gradient(data.trainer(self, len(data)))

    def backward(self, dY):
        """Gradients of any loss of your own.

        Parameters
        ----------
        dY : array_like (n, n_out)
            The loss's derivative with respect to the outputs of the last ``forward(X, keep=True)``.
            Outputs are computed again from the remembered X, so the parameters must not have
            changed since.

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

    # ---- training ----

    def fit(
        self,
        X,
        y,
        loss=None,
        optimizer=None,
        epochs=10,
        batch_size=32,
        shuffle=True,
        validation_data=None,
        sample_weight=None,
        callbacks=(),
        n_threads=1,
        progress=False,
        rng=None,
        resume=False,
        *,
        class_weight=None,
        validation_fraction=0.0,
    ):
        """Train from the present parameters.

        Parameters
        ----------
        X : array_like (n, n_in)
        y : array_like
            (n,) or (n, n_out) numbers; for "cross_entropy" class numbers (n,) or rows of
            probabilities. See `fastnn.losses`.
        loss : str, loss or callable, optional
            A name, an object of `fastnn.losses`, or a function ``(outputs, y) -> (value,
            d_outputs)``; None picks from the output: sigmoid bce, softmax cross_entropy,
            exponential poisson, else mse.
        optimizer : str or optimizer, optional
            A name or an object, see `fastnn.optimizers`. None is Adam(), or with `resume` the
            optimizer of `net.state`.
        epochs : int, default 10
            Passes over the rows.
        batch_size : int or None, default 32
            Rows a step; the last batch of an epoch may be smaller. None, or more than n: all rows.
        shuffle : bool, default True
            A new order every epoch: ``rng.permutation(n)``.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Its loss after every epoch goes to ``history.val_loss``.
        sample_weight : array_like (n,), optional
            Weights >= 0; a batch's loss is sum(w_i l_i) / sum(w_i).
        callbacks : callable or Callback, or list or tuple of them, optional
            See `fastnn.callbacks`. A function is called as ``callback(net, history)`` after every
            epoch and may read and change the parameters; training stops when one returns True.
        n_threads : int, default 1
            At most this many threads, -1 for all CPUs of this process. The bits don't depend on it;
            if one thread is faster, one works.
        progress : bool, default False
            A line with epoch, loss and speed on standard error.
        rng : None, int or numpy.random.Generator, optional
            Draws the orders, the rows held out and the seed of dropout; it becomes ``net.rng``.
            None is ``net.rng``.
        resume : bool, default False
            Go on from `net.state`, exactly as if the last training had not stopped.
        class_weight : dict, sequence or "balanced", optional
            A weight for each class, times `sample_weight`; "balanced" is n / (number of classes *
            rows of the class). For classes: bce of one output, cross_entropy.
        validation_fraction : float in [0, 1), default 0.0
            This part of the rows, at random, is validation data and not learned from. With `resume`
            the same rows as before.

        Returns
        -------
        History
            Also kept as ``net.history``.

        Raises
        ------
        DivergenceError
            A loss or a parameter is no longer finite.
        KeyboardInterrupt
            On Ctrl-C, within 100 ms; parameters, state and history are those of the last whole
            step.

        Examples
        --------
        >>> import fastnn, numpy as np
        >>> X = np.linspace(-1, 1, 200)[:, None]
        >>> net = fastnn.MLP([1, 16, 1], activation="tanh", rng=0)
        >>> history = net.fit(X, X[:, 0] ** 2, epochs=100, optimizer=fastnn.Adam(lr=0.01))
        >>> history.loss[-1] < 0.01
        True
        """
        self._check_may_train()
        epochs = check_count("epochs", epochs, minimum=0)
        callbacks = resolve_callbacks(callbacks)
        rng = self.rng if rng is None else check_rng(rng)
        loss = losses.resolve(loss, self.activations[-1])
        validation = of_validation(self, validation_data, loss)
        check_number("validation_fraction", validation_fraction, minimum=0, below=1)
        if validation_fraction and validation is not None:
            raise ValueError(
                "validation_data and validation_fraction are two ways to validate: give one"
            )
        data = self._data(X, y, loss, sample_weight)
        state = resumed(self.state, optimizer) if resume else fresh(self, optimizer)
        if validation_fraction:
            if state.split_seed is None:
                state.split_seed = int(rng.integers(2**63))
            data, validation = data.split(validation_fraction, state.split_seed)
        data = data.with_class_weight(class_weight, self.layer_sizes[-1])
        line = ProgressLine(epochs, len(data)) if progress else None
        return Session(self, data, state, batch_size, shuffle, n_threads, rng, validation).run(
            epochs, callbacks, line
        )

    def partial_fit(
        self,
        X,
        y,
        loss=None,
        optimizer=None,
        batch_size=32,
        sample_weight=None,
        n_threads=1,
        *,
        class_weight=None,
    ):
        """One pass over these rows in this order, going on from ``net.state``; parameters as in
        `fit`.

        What is left of an epoch that was stopped is dropped.

        Returns
        -------
        History

        Examples
        --------
        >>> import fastnn, numpy as np
        >>> net = fastnn.MLP([2, 4, 1], rng=0)
        >>> for rows in range(3):
        ...     history = net.partial_fit(np.ones((5, 2)), np.zeros(5), optimizer="sgd")
        >>> net.state.step
        3
        """
        self._check_may_train()
        data = self._data(X, y, losses.resolve(loss, self.activations[-1]), sample_weight)
        data = data.with_class_weight(class_weight, self.layer_sizes[-1])
        state = (
            fresh(self, optimizer)
            if self.state is None
            else resumed(self.state, optimizer, new_epoch=True)
        )
        if state.optimizer.full_batch:
            raise ValueError(
                "partial_fit goes on step by step, which L-BFGS cannot: use fit, or another optimizer"
            )
        return Session(self, data, state, batch_size, False, n_threads, self.rng).run(1)

    def _data(self, X, y, loss, sample_weight):
        """What to learn from; it has rows."""
        data = Data.of(self, X, y, loss, sample_weight)
        if not len(data):
            raise ValueError("X has no rows: there is nothing to learn from")
        return data

    # ---- files ----

    def save(self, path):
        """Write the network, its training state and its `metadata` to a safetensors file; see
        `fastnn.load`.

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
        self._check_not_training()
        from .files import model

        parts = {field.name: getattr(self, field.name) for field in fields(model.Parts)}
        model.write(path, model.Parts(**parts))


def load(path):
    """Read a network, with its training state and metadata, from a file written by `MLP.save`.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    MLP

    Raises
    ------
    ModelFileError
        The file is not a fastnn model, is damaged, or is of a newer version.

    Examples
    --------
    >>> import fastnn, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
    >>> fastnn.MLP([4, 8, 1], rng=0).save(path)
    >>> fastnn.load(path)
    MLP([4, 8, 1], activation='relu', output='identity', dtype='float32')
    """
    from .files import model

    return _from_parts(model.read(path))


def _from_parts(parts):
    net = MLP._blank(
        parts.layer_sizes, parts.activations, parts.bias, parts.dtype, parts.dropout, parts.rng
    )
    net.params, net.state, net.metadata = parts.params, parts.state, parts.metadata
    return net

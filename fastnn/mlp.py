"""MLP: a multilayer perceptron that can be trained and saved. `load` reads it, and estimators, too."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar, overload

import numpy as np

from . import initializers, losses
from .core.draws import UndoDraws
from .core.foreign_names import FIT, NETWORK, PARTIAL_FIT, with_hints
from .core.sparse_rows import is_sparse
from .core.validation import check_count, check_flag, check_matrix, check_rng, check_rows
from .core.weight_bounds import check_weight_bounds, reflect_into
from .derivatives import DerivativeMethods
from .kernels import Loss, Trainer
from .network import Network
from .state import fresh, resumed
from .training.data import Data
from .training.jacobian_targets import DerivativeArguments
from .training.plan import FitCall, FitOptions, Plan, RowArguments, data_in_memory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import ArrayLike

    from .core.weight_bounds import WeightBounds
    from .state import History, TrainingState
    from .typing import (
        AnyLoss,
        AnyOptimizer,
        Callbacks,
        ClassWeight,
        DTypeLike,
        FloatArray,
        HiddenActivation,
        Initializer,
        Inputs,
        OutputActivation,
        Path,
        Rng,
        RowGroupSource,
        ValidationData,
    )

    M = TypeVar("M")


class MLP(DerivativeMethods, Network):
    """Multilayer perceptron: a dense network, ``a = f(a W + b)`` layer by layer.

    Parameters
    ----------
    layer_sizes : sequence of int
        Number of inputs, units of each hidden layer, and outputs: ``[64, 100, 1]``. Two sizes make
        linear or logistic regression.
    activation : str or sequence of str, default "relu"
        Activation of the hidden layers, one name or one for each: identity, sigmoid, relu, tanh,
        leaky_relu, elu, softplus, gelu, silu, exponential, selu, mish.
    output : str, default "identity"
        Activation of the last layer: one of these, or softmax.
    bias : bool, default True
        Whether layers have a bias b.
    dtype : {"float32", "float64"}, default "float32"
    rng : None, int or numpy.random.Generator, default None
        Seed or generator of the initial weights and of `fit`'s shuffling. The same seed gives the
        same bits.
    dropout : float or sequence of float, default 0.0
        Dropout rate in [0, 1): the fraction of a layer's inputs that each step of `fit` sets to 0.
        The others are scaled by 1 / (1 - rate), so predictions need no correction (Srivastava et
        al., 2014). A number applies to the outputs of all hidden layers. A sequence lists the rate
        of each layer's inputs, starting with the network's inputs: ``(0.2, 0.5)`` for one hidden
        layer.
    init : str or callable, or a sequence of them, optional
        Initializer of the weights W, of all layers or of each: see `fastnn.initializers`. By
        default He normal for ReLU and its variants, LeCun normal for selu, and Glorot uniform for
        other activations.
    weight_bounds : sequence, optional
        Bounds of the weights W, which every update of `fit` keeps: for each layer None, or
        ``(lower, upper)``, each None, a number, or an array that broadcasts to W (n_in, n_out).
        ``[None, (0, None)]`` keeps the weights of the second layer at 0 or above. Biases have no
        bounds. Weights are clipped after each step, before they are averaged: projected gradient
        descent. Not with L-BFGS, and `lazy_categories` needs categories without bounds.

    Attributes
    ----------
    params, grads : ndarray (n_params,)
        All parameters, and the gradient that `loss_and_grad` and `backward` compute, in the order
        W0, b0, W1, b1, ...; contiguous, 64-byte aligned. Assigning copies values into them: memory
        and views stay the same.
    weights, biases, grad_weights, grad_biases : tuple of ndarray
        Views into `params` and `grads`: W (n_in, n_out), b (n_out,), or None instead of b without
        bias. ``net.weights[0] = W`` copies W into the view.
    layer_sizes, activations : tuple
        Sizes of all layers, and the activation of each but the first.
    n_params : int
        Number of parameters.
    dtype : numpy.dtype
    rng : numpy.random.Generator
    state : TrainingState or None
        Optimizer, moments, step, epoch and more, from which `fit(resume=True)` continues.
    dropout : tuple of float
        The rate of each layer's inputs. You can assign to it, as in the constructor.
    weight_bounds : tuple or None
        For each layer None, or two read-only arrays like W; an infinite number is no bound. You can
        assign to it, as in the constructor. Then weights outside are reflected at the bound, and
        clipped: with a lower bound of 0, W becomes its absolute value. Copies, pickles and files of
        the network keep the bounds; files of many networks do not.
    history : History or None
        History of the last `fit`.
    metadata : dict of str to str
        Text of any kind, empty at first. `save`, `load`, `copy` and pickle keep them.

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

    rng: np.random.Generator
    state: TrainingState | Any  # None before the first `fit`, which programs need not check
    history: History | Any
    metadata: dict[str, str]
    _weight_bounds: WeightBounds | None = None

    @with_hints(NETWORK)
    def __init__(
        self,
        layer_sizes: Sequence[int],
        activation: HiddenActivation | Sequence[HiddenActivation] = "relu",
        output: OutputActivation = "identity",
        bias: bool = True,
        dtype: DTypeLike = "float32",
        rng: Rng = None,
        dropout: float | Sequence[float] = 0.0,
        init: Initializer | Sequence[Initializer] | None = None,
        weight_bounds: Sequence[Any] | None = None,
    ) -> None:
        super().__init__(layer_sizes, activation, output, bias, dtype, dropout)
        init = initializers.resolve_initializers(init, len(self.weights))
        bounds = check_weight_bounds(weight_bounds, self.weights)
        self._begin(check_rng(rng))
        initializers.initialize(self.rng, self.weights, self.activations, init)
        self.weight_bounds = bounds

    def _begin(self, rng):
        self.rng = rng
        self.state = None
        self.history = None
        self.metadata = {}

    def _allocate(self, memory=None):
        super()._allocate(memory)
        self._bind_bounds(self._weight_bounds)

    @property
    def weight_bounds(self) -> Any:  # a WeightBounds; `Any` since more can be assigned
        return self._weight_bounds

    @weight_bounds.setter
    def weight_bounds(self, bounds: Sequence[Any] | None) -> None:
        self._check_not_training()
        self._set_bounds(check_weight_bounds(bounds, self.weights))
        for W, pair in zip(self.weights, self._weight_bounds or ()):
            if pair is not None:
                reflect_into(W, *pair)

    def _set_bounds(self, bounds):
        """Set checked bounds, without moving weights."""
        if bounds is not None or self._weight_bounds is not None:
            self._weight_bounds = bounds
            self._bind_bounds(bounds)

    # ---- training ----

    @with_hints(FIT)
    def fit(
        self,
        X: Inputs | RowGroupSource | Path,
        y: ArrayLike | str | Sequence[str] | None = None,
        loss: AnyLoss | None = None,
        optimizer: AnyOptimizer | None = None,
        epochs: int = 10,
        batch_size: int | None = 32,
        shuffle: bool = True,
        validation_data: ValidationData | RowGroupSource | None = None,
        sample_weight: ArrayLike | str | None = None,
        callbacks: Callbacks = (),
        n_threads: int = 1,
        progress: bool = False,
        rng: Rng = None,
        resume: bool = False,
        *,
        class_weight: ClassWeight | None = None,
        validation_fraction: float = 0.0,
        window: int | None = None,
        max_steps: int | None = None,
        comm: Any = None,
        shards: int | None = None,
        sync_every: int = 1,
        dy: ArrayLike | None = None,
        dy_weight: float | None = None,
        dy_inputs: Sequence[int] | None = None,
    ) -> History:
        """Train the network, starting from its current parameters.

        Parameters
        ----------
        X : array_like (n, n_in), sparse matrix, EncodedTable, row groups or path
            A SciPy sparse matrix becomes dense in blocks of about 4 MB, one at a time. An `EncodedTable`
            holds bins and categories in 4 bytes a cell. Row groups are for tables larger than
            memory: a list, an object whose ``__iter__`` starts over, or a function that returns a
            new iterator. They yield ``(X, y)`` or ``(X, y, sample_weight)``, and each epoch reads
            them again. A path is a Parquet file of numbers, or a folder of them, read in the same
            way; it needs pyarrow. See "Tables larger than memory" in the user guide.
        y : array_like, optional
            (n,) or (n, n_out) numbers; for "cross_entropy" class indices (n,) or rows of
            probabilities. See `fastnn.losses`. Row groups have their own. With a path, the name of
            the column, or a list of names.
        loss : str, Loss or callable, optional
            A name, an object of `fastnn.losses`, or a function ``(outputs, y) -> (value, d_outputs)``.
            By default bce for the output sigmoid, cross_entropy for softmax, poisson for exponential,
            else mse.
        optimizer : str or Optimizer, optional
            A name or an object, see `fastnn.optimizers`. By default Adam(), or with `resume` the
            optimizer of `net.state`.
        epochs : int, default 10
            Number of passes over the rows.
        batch_size : int or None, default 32
            Rows per step; the last batch of an epoch may be smaller. None: all rows.
        shuffle : bool, default True
            Whether to draw a new order of the rows every epoch: ``rng.permutation(n)``.
        validation_data : (X, y) or (X, y, sample_weight), or row groups of these, optional
            Held-out rows, whose loss after every epoch is in ``history.val_loss``. X may be a path. Rows
            that do not fit in a window are read again after every epoch.
        sample_weight : array_like (n,), optional
            Weights >= 0; the loss of a batch is sum(w_i l_i) / sum(w_i). With a path, a column's name.
        callbacks : callable or Callback, or list or tuple of them, optional
            See `fastnn.callbacks`. A function is called as ``callback(net, history)`` after every
            epoch. It may read and change the parameters, and stops training by returning True.
        n_threads : int, default 1
            Maximum number of threads, -1 for all CPUs of this process. One thread is used if that
            is faster. Results are the same bits for any number.
        progress : bool, default False
            Whether to print a line with epoch, loss and speed to standard error, and at the end why
            training stopped.
        rng : None, int or numpy.random.Generator, optional
            Seed or generator of the shuffling, the held-out rows and dropout. It becomes
            ``net.rng``, which is the default.
        resume : bool, default False
            Whether to continue from `net.state`, bit for bit as if the last training had not stopped.
        class_weight : dict, sequence or "balanced", optional
            A weight for each class, multiplied with `sample_weight`; "balanced" is n / (number of
            classes * rows of the class). For bce with one output and cross_entropy.
        validation_fraction : float in [0, 1), default 0.0
            Fraction of the rows to hold out as validation data, drawn at random. With `resume` the
            same rows as before. Of row groups, a hash of a row's number decides.
        window : int, optional
            Number of rows of row groups to hold in memory and to shuffle among each other, rounded
            down to whole batches, at least one. By default as many as take 256 MB.
        max_steps : int, optional
            Stop after this many steps, also within an epoch, from which `resume` continues.
        comm : Communicator, mpi4py.MPI.Comm or torch.distributed group, optional
            Train on several machines: each rank passes its part of the rows; `batch_size` counts all.
        shards : int, optional
            Number of virtual shards of the rows, a power of two: 1, 2, 4, ... ranks get the same bits.
            By default 16 with `comm`, else none. 0: one for each rank.
        sync_every : int, default 1
            More than 1: local SGD, which averages the ranks' networks every so many steps.
        dy : array_like (n, n_out, n_in), optional
            Train on derivatives, too: dy[r, k, i] is the target of dy_k/dx_i in row r, NaN where it is
            unknown; for one output also (n, n_in). The loss of a row gets the mean of its squared errors.
            y may then be None. ``validation_data`` is (X, y, sample_weight, dy).
        dy_weight : float, default 1.0
            Weight of the loss of the derivatives. `losses.Derivatives` weighs both losses.
        dy_inputs : sequence of int, optional
            Numbers of the inputs of `dy`, or a mask of n_in bools. By default all.

        Returns
        -------
        History
            Also kept as ``net.history``.

        Raises
        ------
        DivergenceError
            A loss or parameter is not finite.
        KeyboardInterrupt
            On Ctrl-C, usually within 100 ms. Parameters, state and history are those after a whole step.

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
        options = dict(
            optimizer=optimizer,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            callbacks=callbacks,
            n_threads=n_threads,
            resume=resume,
            class_weight=class_weight,
            validation_fraction=validation_fraction,
            max_steps=max_steps,
        )
        derivatives = DerivativeArguments(dy, dy_weight, dy_inputs)
        rows = RowArguments(X, y, sample_weight, validation_data, window, derivatives)
        arguments = FitCall(self, rows, loss, options, self.rng if rng is None else rng)
        progress = check_flag("progress", progress)
        if comm is not None or shards is not None or check_count("sync_every", sync_every) != 1:
            if dy is not None:
                raise ValueError(
                    "dy does not work with comm, shards or sync_every. Leave them out."
                )
            return arguments.fit_on_ranks(comm, shards, sync_every, progress)
        return arguments.fit(progress)

    @with_hints(PARTIAL_FIT, fit)
    def partial_fit(
        self,
        X: Inputs,
        y: ArrayLike,
        loss: AnyLoss | None = None,
        optimizer: AnyOptimizer | None = None,
        batch_size: int | None = 32,
        sample_weight: ArrayLike | None = None,
        n_threads: int = 1,
        *,
        class_weight: ClassWeight | None = None,
        dy: ArrayLike | None = None,
        dy_weight: float | None = None,
        dy_inputs: Sequence[int] | None = None,
    ) -> History:
        """Train for one pass over these rows in this order, continuing from ``net.state``.

        Parameters are the same as in `fit`. The rest of an interrupted epoch is dropped.

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
        options = FitOptions(
            optimizer=optimizer,
            epochs=1,
            batch_size=batch_size,
            shuffle=False,
            n_threads=n_threads,
            resume=True,
            class_weight=class_weight,
        )
        derivatives = DerivativeArguments(dy, dy_weight, dy_inputs)
        rows = RowArguments(X, y, sample_weight, derivatives=derivatives)
        data = data_in_memory(self, rows, loss)
        # no other thread changes the state
        with self._in_training(), UndoDraws([(self, self.rng)] if self.has_dropout else []):
            state = (
                fresh(self, options.optimizer)
                if self.state is None
                else resumed(self.state, options.optimizer, new_epoch=True)
            )
            if state.optimizer.full_batch:
                raise ValueError(
                    "partial_fit does not support L-BFGS, which needs all rows. "
                    "Use fit, or another optimizer."
                )
            return Plan(self, data, options, self.rng, state=state).session().run_locked()

    # ---- losses and gradients ----

    def loss(
        self,
        X: Inputs,
        y: ArrayLike,
        loss: AnyLoss | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Return the loss of all rows as one batch, sum(w_i l_i) / sum(w_i), or 0.0 without rows.

        Parameters
        ----------
        X : array_like (n, n_in), sparse matrix or EncodedTable
        y : array_like
            (n,) or (n, n_out) numbers; for "cross_entropy" class indices (n,) or rows of
            probabilities.
        loss : str, Loss or callable, optional
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
        >>> net.loss(np.zeros((5, 3)), np.full(5, 2.0))  # biases are 0, so the outputs are 0
        4.0
        """
        with self._reading():
            return self._data(X, y, loss, sample_weight).evaluator(self)()

    def _data(self, X: Inputs, y: ArrayLike, loss: Any, sample_weight: Any) -> Data:
        return Data.of(self, X, y, losses.resolve_loss(loss, self.activations[-1]), sample_weight)

    def loss_and_grad(
        self,
        X: Inputs,
        y: ArrayLike,
        loss: AnyLoss | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Return the same loss as `loss`, and compute its gradient into `grads`, without dropout.

        Examples
        --------
        >>> import fastnn, numpy as np
        >>> net = fastnn.MLP([3, 4, 1], rng=0)
        >>> loss = net.loss_and_grad(np.ones((5, 3)), np.zeros(5))
        >>> net.params -= 0.1 * net.grads  # one step of gradient descent
        """
        with self._reading(), self._in_gradient():
            data = self._data(X, y, loss, sample_weight)
            if not len(data):
                self.grads[:] = 0
                return 0.0
            if is_sparse(data.X):
                return data.gradient_of_blocks(self)
            return self._gradient(data.trainer(self, len(data)))

    def backward(self, dY: ArrayLike) -> FloatArray:
        """Compute the gradient of any function of the outputs into `grads`.

        Parameters
        ----------
        dY : array_like (n, n_out)
            The derivative of the loss with respect to the outputs of the last
            ``forward(X, keep=True)``. Outputs are computed again from that X, so the parameters
            must not have changed since.

        Returns
        -------
        ndarray (n, n_in)
            The derivative with respect to X.

        Examples
        --------
        >>> import fastnn, numpy as np
        >>> net = fastnn.MLP([3, 4, 2], rng=0)
        >>> Y = net.forward(np.ones((5, 3)), keep=True)
        >>> dX = net.backward(2 * Y)  # the loss is sum(Y**2)
        >>> dX.shape
        (5, 3)
        """
        with self._reading(), self._in_gradient():
            X = self._kept
            if X is None:
                raise RuntimeError("backward needs the inputs. Call forward(X, keep=True) first.")
            dY = check_matrix("dY", dY, self.dtype, self.layer_sizes[-1])
            check_rows("dY", len(dY), len(X))
            dX = np.empty_like(X)
            if not len(X):
                self.grads[:] = 0
                return dX
            loss = Loss.GIVEN_GRADIENT
            self._gradient(Trainer(self, X, dY, loss=loss, batch_size=len(X), dX=dX))
            return dX

    def _gradient(self, trainer):
        loss = trainer.gradient()
        trainer.store_gradient(self.grads)
        return loss

    # ---- other formats ----

    def save(self, path: Path, state: bool = True) -> None:
        """Save the network, its training state and its `metadata` to a safetensors file.

        Read it with `fastnn.load`. The file is always complete: it is written beside `path`, synced
        and renamed. docs/model_file.md describes its content.

        Parameters
        ----------
        path : str or path-like
        state : bool, default True
            Whether to save the training state, from which `fit(resume=True)` and `partial_fit`
            continue. With Adam it takes twice as much space as the parameters.

        Examples
        --------
        >>> import fastnn, os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
        >>> fastnn.MLP([3, 4, 1], rng=0).save(path)
        >>> os.path.getsize(path) > 21 * 4
        True
        """
        from .files import model

        reading = self._reading()
        self._check_not_training()
        model.write(path, model.content_of(self, state), reading.check)

    def to_torch(self) -> Any:
        """Convert the network to a PyTorch module with the same predictions.

        Returns
        -------
        torch.nn.Sequential
            ``Linear`` layers with their activations, and ``Dropout``, in evaluation mode. The last
            module is the activation of the output: leave it out, ``module[:-1]``, to train with
            ``CrossEntropyLoss`` or ``BCEWithLogitsLoss``. Parameters are copied.

        Raises
        ------
        ImportError
            PyTorch is not installed.

        Examples
        --------
        >>> import fastnn
        >>> net = fastnn.MLP([4, 8, 3], "tanh", output="softmax", rng=0)
        >>> net.to_torch()  # doctest: +SKIP
        Sequential(
          (0): Linear(in_features=4, out_features=8, bias=True)
          (1): Tanh()
          (2): Linear(in_features=8, out_features=3, bias=True)
          (3): Softmax(dim=-1)
        )
        """
        self._check_not_training()
        try:
            from .estimators import pytorch
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise ImportError("to_torch needs PyTorch. Run: pip install torch") from None
        return pytorch.to_torch(self)

    def check_may_be_saved(self) -> None:
        """Raise ValueError if a model file cannot hold the description of the network."""
        from .files import model

        self._check_not_training()
        model.check_writable(model.content_of(self))


# ---- networks from files ----


def blank_network(architecture, rng):
    """Return an MLP whose parameters are 0, for readers of files: drawing them would take most of
    their time.

    architecture : mapping with the keys `files.model.NETWORK`
    """
    net = MLP.__new__(MLP)
    sizes, activations, bias, dtype, dropout = (
        architecture[name] for name in ("layer_sizes", "activations", "bias", "dtype", "dropout")
    )
    Network.__init__(net, sizes, activations[:-1], activations[-1], bias, dtype, dropout)
    net.rng, net.state, net.history, net.metadata = rng, None, None, {}
    return net


def from_content(content):
    """Return the MLP that a `files.model.NetworkContent` describes."""
    net = blank_network(vars(content), content.rng)
    net.params, net.state, net.metadata = content.params, content.state, content.metadata
    net._set_bounds(content.weight_bounds)
    return net


# ---- models of any kind from files ----


@overload
def load(path: Path) -> Any: ...
@overload
def load(path: Path, kind: type[M]) -> M: ...


def load(path: Path, kind: Any = None) -> Any:
    """Load a network or an estimator from a file that its method `save` wrote.

    A network has its training state and metadata. docs/model_file.md describes the files. Loading
    runs no code from the file, so it is safe to load files that you do not trust.

    Parameters
    ----------
    path : str or path-like
    kind : class, optional
        The class that you expect, such as `MLP` or `TabularClassifier`. Type checkers then know what
        `load` returns.

    Returns
    -------
    MLP, MLPClassifier, MLPRegressor, TabularClassifier or TabularRegressor

    Raises
    ------
    ModelFileError
        The file is not a fastnn model, is damaged, was written by a newer version, or holds
        an object of another class than `kind`. For a file of many networks use `load_many`.
    TypeError
        `path` is not a path, or `kind` is not a class.
    ImportError
        The file holds an estimator, but scikit-learn is not installed.

    Examples
    --------
    >>> import fastnn, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
    >>> fastnn.MLP([4, 8, 1], rng=0).save(path)
    >>> fastnn.load(path)
    MLP([4, 8, 1], activation='relu', output='identity', dtype='float32')
    """
    from .files import ModelFileError  # `import fastnn` needs no files

    if kind is not None and not isinstance(kind, type):
        raise TypeError(f"kind must be a class, such as fastnn.MLP, got {kind!r}")
    loaded = _load(path)
    if kind is not None and not isinstance(loaded, kind):
        raise ModelFileError(
            f"holds a model of the class {type(loaded).__name__}, but {kind.__name__} was expected. "
            "Pass another file, or leave kind out.",
            os.fsdecode(path),
        )
    return loaded


def _load(path):
    from .files import kinds, model

    kind = kinds.KINDS.get(kinds.kind_of(path))
    if kind is None or not kind.module:  # a network, or a file that `model.read` refuses
        return from_content(model.read(path))
    try:
        return import_module(kind.module).read(path)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sklearn":
            raise
        raise ImportError(
            f"{path}: the file holds an estimator, which needs scikit-learn. "
            'Run: pip install "fastnn-mlp[sklearn]"'
        ) from None


def class_of(format: str, name: Any) -> type:
    """Return the class of this name that a file of an estimator may hold.

    Raises
    ------
    ModelFileError
    """
    from .files import ModelFileError, kinds

    for path in kinds.KINDS[format].classes:
        module, _, known = path.rpartition(".")
        if known == name:
            return getattr(import_module(module), name)
    raise ModelFileError("the description of the estimator is damaged (estimator)")

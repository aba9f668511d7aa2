"""fit and partial_fit: from arguments to a session."""

from .. import callbacks as callbacks_
from .. import losses
from ..validation import check_count, check_number, check_rng
from . import state
from .data import Data, of_validation
from .progress import ProgressLine
from .session import Session


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
        (n,) or (n, n_out) numbers; for "cross_entropy" class numbers (n,) or rows of probabilities. See `fastnn.losses`.
    loss : str, loss or callable, optional
        A name, an object of `fastnn.losses`, or a function ``(outputs, y) -> (value, d_outputs)``; None picks from the output: sigmoid bce,
        softmax cross_entropy, exponential poisson, else mse.
    optimizer : str or optimizer, optional
        A name or an object, see `fastnn.optimizers`. None is Adam(), or with `resume` the optimizer of `net.state`.
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
        See `fastnn.callbacks`. A function is called as ``callback(net, history)`` after every epoch and may read and change the parameters;
        training stops when one returns True.
    n_threads : int, default 1
        At most this many threads, -1 for all CPUs of this process. The bits don't depend on it; if one thread is faster, one works.
    progress : bool, default False
        A line with epoch, loss and speed on standard error.
    rng : None, int or numpy.random.Generator, optional
        Draws the orders, the rows held out and the seed of dropout; it becomes ``net.rng``. None is ``net.rng``.
    resume : bool, default False
        Go on from `net.state`, exactly as if the last training had not stopped.
    class_weight : dict, sequence or "balanced", optional
        A weight for each class, times `sample_weight`; "balanced" is n / (number of classes * rows of the class). For classes: bce of one
        output, cross_entropy.
    validation_fraction : float in [0, 1), default 0.0
        This part of the rows, at random, is validation data and not learned from. With `resume` the same rows as before.

    Returns
    -------
    History
        Also kept as ``net.history``.

    Raises
    ------
    DivergenceError
        A loss or a parameter is no longer finite.
    KeyboardInterrupt
        On Ctrl-C, within 100 ms; parameters, state and history are those of the last whole step.

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
    epochs = check_count("epochs", epochs, least=0)
    callbacks = callbacks_.as_list(callbacks)
    rng = self.rng if rng is None else check_rng(rng)
    loss = losses.choose(loss, self.activations[-1])
    validation = of_validation(self, validation_data, loss)
    check_number("validation_fraction", validation_fraction, least=0, below=1)
    if validation_fraction and validation is not None:
        raise ValueError("validation_data and validation_fraction are two ways to validate: give one")
    data = _rows(self, X, y, loss, sample_weight)
    at = state.resumed(self.state, optimizer) if resume else state.fresh(self, optimizer)
    if validation_fraction:
        if at.split_seed is None:
            at.split_seed = int(rng.integers(2**63))
        data, validation = data.split(validation_fraction, at.split_seed)
    data = data.with_class_weight(class_weight, self.layer_sizes[-1])
    line = ProgressLine(epochs, len(data)) if progress else None
    return Session(self, data, at, batch_size, shuffle, n_threads, rng, validation).run(epochs, callbacks, line)


def partial_fit(self, X, y, loss=None, optimizer=None, batch_size=32, sample_weight=None, n_threads=1, *, class_weight=None):
    """One pass over these rows in this order, going on from ``net.state``; parameters as in `fit`.

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
    data = _rows(self, X, y, losses.choose(loss, self.activations[-1]), sample_weight)
    data = data.with_class_weight(class_weight, self.layer_sizes[-1])
    at = state.fresh(self, optimizer) if self.state is None else state.resumed(self.state, optimizer, new_epoch=True)
    if at.optimizer.full_batch:
        raise ValueError("partial_fit goes on step by step, which L-BFGS cannot: use fit, or another optimizer")
    return Session(self, data, at, batch_size, False, n_threads, self.rng).run(1)


def _rows(net, X, y, loss, sample_weight):
    """What to learn from; it has rows."""
    data = Data.of(net, X, y, loss, sample_weight)
    if not len(data):
        raise ValueError("X has no rows: there is nothing to learn from")
    return data

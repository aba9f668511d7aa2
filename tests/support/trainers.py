"""Rows and trainers for networks, and how close their outputs must be."""

import numpy as np

from fastnn import SGD
from fastnn.kernels import Loss, Trainer

PLAIN = SGD(0.1)


def data(n, n_in, n_out, dtype="float64", seed=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_in)).astype(dtype), rng.uniform(size=(n, n_out)).astype(dtype)


def close(actual, expected, dtype, times=1):
    """Check that errors are small beside the largest expected number."""
    tolerance = {"float32": 5e-6, "float64": 1e-13}[np.dtype(dtype).name] * times
    scale = max(1e-3, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale)


def new_trainer(net, X, y, optimizer=PLAIN, batch_size=None, **options):
    """A Trainer of squared errors, if no other loss is given, with all rows as a batch."""
    defaults = dict(loss=Loss.SQUARED_ERROR, optimizer=optimizer and optimizer.to_kernel())
    return Trainer(
        net, X, y, batch_size=len(X) if batch_size is None else batch_size, **defaults | options
    )


def make_trainer(net, X, y, optimizer=PLAIN, batch_size=None, **options):
    """A new_trainer that has loaded the network, and its moments, which are zeros."""
    trainer = new_trainer(net, X, y, optimizer, batch_size, **options)
    moments = np.zeros((optimizer.n_moments, net.n_params), net.dtype)
    trainer.load(moments)
    return trainer, moments


def stored(net, trainer, moments):
    """The parameters and the moments of a training."""
    trainer.store(moments)
    return net.params.copy(), moments.copy()

"""Every option of a training, float32: two epochs with it on. options.py times them beside PyTorch and JAX."""

import copy

import numpy as np
import pytest

from .option_list import NAMES, fit, fit_reference, options


@pytest.mark.parametrize("network", ["30-32-1 b32", "30-64-64-1 b256"], indirect=True)
@pytest.mark.parametrize("name", NAMES)
def test_two_epochs(who, benchmark, network, name):
    """Sixteen steps; the second epoch is where a schedule by epochs begins to tell."""
    net, X, y, batch, _ = network
    option = options(steps=16)[name]
    net.dropout = option.dropout

    trained = copy.deepcopy(net)
    losses = fit(trained, option, X, y, 2, batch)
    same_losses, same_params = fit_reference(net, option, X, y, 2, batch, trained.state.seed or 0)
    np.testing.assert_allclose(losses, same_losses, rtol=1e-4)
    np.testing.assert_allclose(trained.params, same_params, rtol=1e-2, atol=1e-4)

    if who == "fastnn":
        benchmark(fit, net, option, X, y, 2, batch)
    else:
        benchmark(fit_reference, net, option, X, y, 2, batch)

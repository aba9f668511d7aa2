"""Checks of the training state at resume."""

import numpy as np
import pytest
from checks import assert_same_bits

from fastnn import MLP

ORDERS = {
    "too large": [0, 1, 2, 3, 4, 10**9],
    "negative": [0, 1, 2, 3, 4, -1],
    "twice": [0, 1, 2, 3, 4, 4],
    "part": [5, 4, 3, 2, 1, 0.5],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_an_invalid_order_of_rows_is_refused(order):
    X, y = np.ones((6, 2)), np.zeros(6)
    net = MLP([2, 1], rng=0)
    net.fit(X, y, epochs=1, batch_size=2)
    net.state.row, net.state.order = 2, np.array(order)
    before = net.params.copy()
    message = r"net\.state\.order must hold each row index 0\.\.5 once.*resume=False"
    with pytest.raises(ValueError, match=message):
        net.fit(X, y, resume=True, batch_size=2)
    assert_same_bits(net.params, before)
    net.state.order = np.arange(6)[::-1]
    assert net.fit(X, y, epochs=1, resume=True, batch_size=2).n_steps == 2

"""MLP: losses and gradients against the reference."""

import numpy as np
import pytest
from trainers import close, data

from fastnn import MLP, reference
from fastnn.activations import ACTIVATIONS

OWN = {"sigmoid": "bce", "softmax": "cross_entropy"}  # the default loss of other outputs is mse
PAIRS = [*((output, "mse") for output in ACTIVATIONS), *OWN.items()]
PAIRS.append(("identity", "bce_with_logits"))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(1, 5, 2), (9, 5, 4, 3), (300, 5, 1), (300, 5, 17, 40)])
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_loss_and_grad_match_the_reference(output, loss, shape, weighted, dtype):
    n, *sizes = shape
    if output == "softmax" and sizes[-1] == 1:
        sizes[-1] = 2
    net = MLP(sizes, "tanh", output, dtype=dtype, rng=1)
    X, y = data(n, sizes[0], sizes[-1], dtype)
    w = np.arange(n) % 3 if weighted and n > 1 else None
    L, dW, db = reference.loss_and_grad(X, y, net.weights, net.biases, net.activations, loss, w)
    net.grads[:] = np.nan
    value = net.loss_and_grad(X, y, loss, w)
    assert value == pytest.approx(L, rel={"float32": 2e-6, "float64": 1e-13}[dtype.name])
    assert net.loss(X, y, loss, w) == pytest.approx(value, rel=1e-15)
    for ours, expected in zip([*net.grad_weights, *net.grad_biases], [*dW, *db]):
        close(ours, expected, dtype, 4)


def test_class_numbers_are_one_hot_rows(dtype):
    net = MLP([5, 4, 3], output="softmax", dtype=dtype, rng=1)
    X, _ = data(300, 5, 3, dtype)
    y = np.arange(300) % 3
    L, grads = net.loss_and_grad(X, np.eye(3)[y]), net.grads.copy()
    for classes in [y, y[:, None], y.astype("uint8"), y.astype(dtype), y.tolist()]:
        assert abs(net.loss_and_grad(X, classes) - L) < 1e-6 * L
        close(net.grads, grads, dtype)


@pytest.mark.parametrize(("output", "loss"), [*OWN.items(), ("identity", "mse"), ("relu", "mse")])
def test_loss_none_picks_from_the_output(output, loss):
    net = MLP([5, 3], output=output, rng=1)
    X, y = data(10, 5, 3)
    assert net.loss(X, y) == net.loss(X, y, loss) > 0


REMEDIES = {  # the output that a loss needs, and the hint
    "bce": ("sigmoid", "For raw outputs pass loss='bce_with_logits'"),
    "bce_with_logits": ("identity", ".*pass loss='bce' for output='sigmoid'"),
    "cross_entropy": ("softmax", ".*pass output='sigmoid' and loss='bce'"),
}
REFUSED = [(o, loss) for o in ACTIVATIONS for loss in REMEDIES if (o, loss) not in PAIRS]


@pytest.mark.parametrize(("output", "loss"), REFUSED)
def test_losses_that_need_another_output_are_refused_with_a_hint(output, loss):
    net = MLP([5, 3], output=output, rng=1)
    X, y = data(10, 5, 3)
    needed, hint = REMEDIES[loss]
    what = rf"loss '{loss}' needs output='{needed}', but the network has output='{output}'\."
    for call in (net.loss, net.loss_and_grad, net.fit, net.partial_fit):
        with pytest.raises(ValueError, match=f"{what} {hint}"):
            call(X, y, loss)
    assert net.state is None


@pytest.mark.parametrize("n", [1, 40, 300])
@pytest.mark.parametrize("output", ACTIVATIONS)
def test_backward_is_the_chain_rule(output, n, dtype):
    net = MLP([5, 7, 4, 3], ["gelu", "relu"], output, dtype=dtype, rng=1)
    X, dY = data(n, 5, 3, dtype)
    Z, A = [], [X]
    for W, b, name in zip(net.weights, net.biases, net.activations):
        Z.append(reference.linear(A[-1], W, b))
        A.append(reference.activation(Z[-1], name))
    close(net.forward(X, keep=True), A[-1], dtype, 4)
    dX, d = net.backward(dY), dY
    for i in reversed(range(3)):
        dZ = reference.activation_backward(d, Z[i], net.activations[i])
        d, dW, db = reference.linear_backward(dZ, A[i], net.weights[i], net.biases[i], Z[i])
        close(net.grad_weights[i], dW, dtype, 4)
        close(net.grad_biases[i], db, dtype, 4)
    close(dX, d, dtype, 4)


class Matrix(np.ndarray):
    pass


KEPT = {"ndarray": np.asarray, "strided": lambda a: a[:, ::2], "buffer": memoryview}
KEPT["subclass"] = lambda a: a.view(Matrix)


@pytest.mark.parametrize("kind", KEPT)
def test_keep_copies_the_inputs(kind):
    memory = np.ones((4, 6), "float32")
    X = KEPT[kind](memory)
    net = MLP([np.shape(X)[1], 2], rng=0)
    net.forward(X, keep=True)
    memory[:] = 0
    net.backward(np.ones((4, 2)))
    np.testing.assert_array_equal(net.grads, 4)


def test_backward_without_keep_is_refused():
    net = MLP([5, 3], rng=1)
    X, _ = data(10, 5, 3)
    net.forward(X)
    message = r"backward needs the inputs. Call forward\(X, keep=True\) first"
    with pytest.raises(RuntimeError, match=message):
        net.backward(np.ones((10, 3)))
    net.forward(X, keep=True)
    with pytest.raises(ValueError, match="dY has 9 rows, but X has 10"):
        net.backward(np.ones((9, 3)))

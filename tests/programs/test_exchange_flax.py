"""Networks from the parameters of flax: the same predictions, and errors that name a layer."""

import numpy as np
import pytest
from checks import assert_within

import fastnn

X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
KERNEL = np.ones((2, 2), np.float32)


def dense(n_in, n_out, **more):
    return {"kernel": np.full((n_in, n_out), 0.5, np.float32), **more}


def test_layers_have_the_order_of_their_numbers():
    sizes = [3, *range(4, 15)]
    layers = {f"Dense_{i}": dense(*sizes[i : i + 2]) for i in range(11)}
    # Dense_10 comes before Dense_2
    net = fastnn.from_flax({"params": dict(sorted(layers.items()))}, "tanh")
    assert net.layer_sizes == tuple(sizes) and not net.bias
    named = {"in": dense(3, 4, bias=np.ones(4, np.float32)), "block": {"out": dense(4, 1)}}
    net = fastnn.from_flax(named, ["relu"], "sigmoid", rng=0)
    assert (net.layer_sizes, net.activations) == ((3, 4, 1), ("relu", "sigmoid"))
    assert net.biases[0].all() and not net.biases[1].any()


def test_linen():
    jax, linen = pytest.importorskip("jax"), pytest.importorskip("flax.linen")

    class Net(linen.Module):
        @linen.compact
        def __call__(self, x):
            x = linen.tanh(linen.Dense(8)(x))
            x = linen.tanh(linen.Dense(5)(x))
            return linen.softmax(linen.Dense(4)(x))

    module = Net()
    variables = module.init(jax.random.key(0), X)
    net = fastnn.from_flax(variables, "tanh", "softmax")
    assert_within(net.forward(X), np.asarray(module.apply(variables, X)), 1e-6)


def test_nnx():
    nnx = pytest.importorskip("flax.nnx")

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.hidden, self.outer = nnx.Linear(3, 8, rngs=rngs), nnx.Linear(8, 2, rngs=rngs)

        def __call__(self, x):
            return self.outer(nnx.relu(self.hidden(x)))

    module = Net(nnx.Rngs(0))
    net = fastnn.from_flax(nnx.state(module, nnx.Param), "relu")
    assert_within(net.forward(X), np.asarray(module(X)), 1e-6)


INNER, V = {"params": dense(3, 2)}, np.ones(2)
WRONG = [
    ([KERNEL], TypeError, "params must be a mapping of the parameters of layers, got list"),
    ({}, ValueError, "params has no layer with a kernel"),
    ({"Conv_0": {"kernel": np.ones((3, 3, 1, 8))}}, ValueError, r"layer Conv_0 .*\(3, 3, 1, 8\)"),
    ({"a": dense(2, 2, bias=np.ones(3))}, ValueError, r"layer a .* bias of shape \(3,\)"),
    ({"params": {"a": dense(2, 2, scale=V)}}, ValueError, r"^layer a of .* \['scale'\], too"),
    ({"a": {"scale": KERNEL}}, ValueError, r"params has a\.scale\. Pass the parameters"),
    ({"a": dense(2, 2), "b": INNER}, ValueError, r"^layer b\.params has 3 inputs, but a before it"),
    ({"a": dense(2, 2), "b": dense(2, 2)}, ValueError, "which activation follows the hidden"),
    ({"a": {"kernel": KERNEL.astype(np.float16)}}, TypeError, "got float16"),
    ({"a": dense(2, 2, bias=np.ones(2))}, TypeError, "got float32, float64"),
]


@pytest.mark.parametrize(("params", "error", "message"), WRONG)
def test_others_are_refused_by_name(params, error, message):
    with pytest.raises(error, match=message):
        fastnn.from_flax(params)

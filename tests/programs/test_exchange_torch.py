"""Networks from and to PyTorch: the same predictions, and errors that name a layer."""

import pickle

import numpy as np
import pytest
from checks import assert_same_bits, assert_within

import fastnn
from fastnn.activations import ACTIVATIONS, HIDDEN

X = np.random.default_rng(0).normal(size=(50, 3))


torch = pytest.importorskip("torch", reason="PyTorch is too large for the extra test")
from torch import nn  # noqa: E402 - after importorskip


def assert_same_predictions(net, module):
    x = X.astype(net.dtype)
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(x)).numpy()
    bound = 1e-5 if net.dtype == np.float32 else 1e-9  # softplus of PyTorch is linear above 20
    assert_within(net.forward(x), expected, bound * np.abs(expected).max())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_there_and_back(activation, bias, dtype):
    hidden = activation if activation in HIDDEN else "tanh"
    output = "identity" if activation == "exponential" else activation
    net = fastnn.MLP([3, 6, 5, 4], hidden, output, bias, dtype, rng=1, dropout=(0.5, 0.0, 0.25))
    before = torch.random.get_rng_state()
    module = net.to_torch()
    assert torch.equal(torch.random.get_rng_state(), before) and not module.training
    assert_same_predictions(net, module)
    again = fastnn.from_torch(module)
    assert (repr(again), again.dropout, again.bias) == (repr(net), net.dropout, net.bias)
    assert_same_bits(again.params, net.params)
    module[1].weight.data.zero_()  # a copy
    assert_same_bits(again.params, net.params)


def test_a_module_can_be_pickled_and_trained():
    module = pickle.loads(pickle.dumps(fastnn.MLP([3, 4, 1], "exponential", rng=0).to_torch()))
    module(torch.zeros(2, 3)).sum().backward()
    assert module[0].bias.grad is not None


def test_nested_modules_and_identities():
    act = nn.ReLU()  # used twice
    block = nn.Sequential(nn.Linear(8, 8), act)
    module = nn.Sequential(
        *(nn.Flatten(), nn.Linear(3, 8), act, nn.Identity(), block, nn.Dropout(0.0)),
        *(nn.Linear(8, 2), nn.Softmax(1)),
    )
    net = fastnn.from_torch(module.requires_grad_(False))
    assert net.activations == ("relu", "relu", "softmax") and net.layer_sizes == (3, 8, 8, 2)
    assert_same_predictions(net, module)


def test_layers_without_activation_and_mixed_biases():
    module = nn.Sequential(nn.Linear(3, 5, bias=False), nn.Dropout(0.3), nn.Linear(5, 2)).double()
    net = fastnn.from_torch(module, rng=3)
    assert net.activations == ("identity", "identity") and net.dropout == (0.0, 0.3)
    assert not net.biases[0].any() and net.biases[1].any()
    assert_same_predictions(net, module)
    same = fastnn.from_torch(module, rng=3)
    for each in (net, same):
        each.fit(X, X[:, :2], epochs=1)
    assert_same_bits(net.params, same.params)


def normalized(n, **options):
    """Return a BatchNorm1d with the statistics of a training."""
    module = nn.BatchNorm1d(n, **options)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(0.5, 2)
    module(1 + 3 * torch.rand(40, n))
    return module


@pytest.mark.parametrize("bias", [True, False])
def test_normalized_batches_become_part_of_the_linear_layers(bias):
    module = nn.Sequential(
        *(normalized(3), nn.Dropout(0.25), nn.Linear(3, 8, bias=bias), normalized(8), nn.ReLU()),
        *(normalized(8, affine=False), nn.Linear(8, 8, bias=bias), nn.Tanh(), nn.Linear(8, 2)),
        *(nn.Identity(), normalized(2, eps=0.1)),
    )
    with pytest.raises(ValueError, match=r"layer 0 .* Call module\.eval\(\) first"):
        fastnn.from_torch(module)
    for each in (module.eval(), module.double()):
        net = fastnn.from_torch(each)
        assert net.layer_sizes == (3, 8, 8, 2) and net.dropout == (0.25, 0.0, 0.0)
        assert_same_predictions(net, each)


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 5), nn.Linear(5, 2, bias=False)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x))).softmax(1)


def test_the_state_dict_of_any_class():
    for module in (Plain(), Plain().double()):
        net = fastnn.from_torch(module.state_dict(), activation="tanh", output="softmax")
        assert_same_predictions(net, module)
    two = {"b.weight": torch.ones(2, 4), "a.weight": torch.ones(4, 3)}
    other_bias = {"a.weight": torch.ones(2, 4), "a.bias": torch.ones(4)}
    for state, options, message in (
        (module.state_dict(), {}, "which activation follows .* activation='relu'"),
        (nn.Sequential(linear(), nn.LayerNorm(3)).state_dict(), {}, r"'1.weight' of shape \(3,\)"),
        ({}, {}, "module has no weights"),
        ({"a.bias": torch.ones(2)}, {}, "module has 'a.bias' without 'a.weight'"),
        (two, {"activation": "relu"}, "layer a has 3 inputs, but b before it has 2 outputs"),
        (other_bias, {}, "layer a has weights of shape"),
    ):
        with pytest.raises(ValueError, match=message):
            fastnn.from_torch(state, **options)
    with pytest.raises(ValueError, match="activation and output are for a state dict"):
        fastnn.from_torch(nn.Sequential(linear()), activation="relu")


def linear(k=3, m=3):
    return nn.Linear(k, m)


REFUSED = {
    "no Linear": ([nn.ReLU()], "layer 0 of module, ReLU.*does not follow a Linear"),
    "nothing": ([], "no Linear layer"),
    "flattened rows": ([nn.Flatten(0), linear()], "layer 0 of module, Flatten.*has no equivalent"),
    "normalized layers": ([linear(), nn.LayerNorm(3)], "layer 1 of module, LayerNorm"),
    "statistics of a call": (
        [linear(), nn.BatchNorm1d(3, track_running_stats=False)],
        "layer 1 of module, BatchNorm1d.*has no running mean",
    ),
    "two normalizations": (
        [nn.BatchNorm1d(3).eval(), nn.BatchNorm1d(3).eval()],
        "layer 1 .*follows another BatchNorm1d",
    ),
    "normalized outputs": (
        [linear(), nn.ReLU(), nn.BatchNorm1d(3).eval()],
        "ends with a BatchNorm1d after an activation",
    ),
    "features that do not fit": ([nn.BatchNorm1d(2).eval(), linear()], "not fit the 2 features"),
    "outputs that do not fit": ([linear(), nn.BatchNorm1d(2).eval()], "not fit the 3 outputs"),
    "a nested layer": (
        [linear(), nn.Sequential(linear(), nn.LSTM(3, 3))],
        r"layer 1\.1 of module, LSTM\(3, 3\), has no equivalent in fastnn, which has Linear, Dropout",
    ),
    "log-softmax": ([linear(), nn.LogSoftmax(1)], "LogSoftmax.*has no equivalent"),
    "two activations": ([linear(), nn.ReLU(), nn.Tanh()], "layer 2 of module, Tanh"),
    "dropout before an activation": ([linear(), nn.Dropout(), nn.ReLU()], "layer 2 of module, ReLU"),
    "two dropouts": ([nn.Dropout(), nn.Dropout(), linear()], "layer 1 .*follows another Dropout"),
    "dropout of everything": ([nn.Dropout(1.0), linear()], "layer 0 .* drops everything"),
    "dropout of the outputs": ([linear(), nn.Dropout()], "ends with a Dropout"),
    "softmax inside": ([linear(), nn.Softmax(1), linear()], "layer 2 .* follows a Softmax"),
    "softmax over the rows": ([linear(), nn.Softmax(0)], "layer 1 .* needs dim=-1"),
    "another slope": ([linear(), nn.LeakyReLU(0.2)], r"needs negative_slope=0\.01"),
    "another alpha": ([linear(), nn.ELU(2.0)], r"needs alpha=1\.0"),
    "another beta": ([linear(), nn.Softplus(2.0)], r"needs beta=1\.0"),
    "the approximate GELU": ([linear(), nn.GELU("tanh")], "needs approximate='none'"),
    "sizes that do not fit": ([linear(), linear(4, 1)], "layer 1 .* does not fit the 3 outputs"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_other_layers_are_refused_by_name(name):
    layers, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        fastnn.from_torch(nn.Sequential(*layers))


def test_other_modules_and_dtypes_are_refused():
    class Net(nn.Module):
        pass

    with pytest.raises(TypeError, match=r"got Net\. .* pass nn\.Sequential"):
        fastnn.from_torch(Net())
    with pytest.raises(TypeError, match=r"got torch\.float16\. Convert them with module\.float"):
        fastnn.from_torch(nn.Sequential(linear().half()))
    with pytest.raises(TypeError, match=r"got torch\.bfloat16"):
        fastnn.from_torch(linear().bfloat16().state_dict())
    with pytest.raises(TypeError, match=r"got torch\.float32, torch\.float64"):
        fastnn.from_torch(nn.Sequential(linear(), linear().double()))

"""fastnn.export.torch: a state_dict in a safetensors file."""

import json

import numpy as np
import pytest
from checks import assert_within

import fastnn
from fastnn import MLP, cli, export
from fastnn.activations import ACTIVATIONS, HIDDEN

safetensors = pytest.importorskip("safetensors", reason="the package safetensors is not installed")
X = np.random.default_rng(0).normal(size=(40, 3))


def read(path):
    with safetensors.safe_open(path, "numpy") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}


def test_names_shapes_and_layers(dtype, path):
    net = MLP([3, 4, 2], "relu", "softmax", dtype=dtype, rng=0, dropout=0.25)
    export.torch(net, path)
    metadata, arrays = read(path)
    assert metadata["format"] == "pt" and "classes" not in metadata
    linear = "Linear(in_features={}, out_features={}, bias=True)".format
    layers = linear(3, 4), "ReLU()", "Dropout(p=0.25)", linear(4, 2), "Softmax(dim=-1)"
    assert metadata["module"] == "Sequential(\n" + "".join(f"    {x},\n" for x in layers) + ")"
    assert arrays.keys() == {"0.weight", "0.bias", "3.weight", "3.bias"}
    np.testing.assert_array_equal(arrays["0.weight"], net.weights[0].T, strict=True)
    np.testing.assert_array_equal(arrays["3.bias"], net.biases[1], strict=True)


def test_a_classifier(path):
    clf = fastnn.MLPClassifier((4,), solver="lbfgs", random_state=0).fit(X, np.arange(40) % 3)
    export.torch(clf, path)
    metadata, arrays = read(path)
    assert json.loads(metadata["classes"]) == [0, 1, 2] and arrays["2.weight"].shape == (3, 4)


def test_other_models_are_refused(path, quick_recipe):
    reg = fastnn.MLPRegressor((2,), n_estimators=2, n_iter_no_change=np.inf, max_iter=2)
    with pytest.raises(ValueError, match=r"this ensemble has 2\. Export each of networks_"):
        export.torch(reg.fit(X, X[:, 0]), path)
    tabular = fastnn.TabularRegressor(1, hidden_layer_sizes=2, random_state=0).fit(X, X[:, 0])
    with pytest.raises(ValueError, match=r"encoding of columns, but a TabularRegressor needs it"):
        export.torch(tabular, path)
    with pytest.raises(TypeError, match=r"Load the file first: fastnn\.load"):
        export.torch("net.safetensors", path)
    assert not path.exists()


def test_the_command(path, tmp_path, capsys):
    MLP([3, 4, 1], rng=0).save(tmp_path / "net.safetensors")
    assert cli.main(["export", str(tmp_path / "net.safetensors"), "--torch", str(path)]) == 0
    assert "Saved" in capsys.readouterr().out
    assert {*read(path)[1]} == {"0.weight", "0.bias", "2.weight", "2.bias"}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_pytorch_loads_it(activation, path):
    torch = pytest.importorskip("torch", reason="PyTorch is too large for the extra test")
    from safetensors.torch import load_file

    hidden = activation if activation in HIDDEN else "tanh"
    net = MLP([3, 4, 2], hidden, activation, rng=0, dropout=0.5)
    export.torch(net, path)
    module = MLP([3, 4, 2], hidden, activation, rng=1, dropout=0.5).to_torch()
    module.load_state_dict(load_file(path))
    x = X.astype("float32")
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    assert_within(net.forward(x), expected, 1e-5 * np.abs(expected).max())
    names = [type(layer).__name__ for layer in module]
    text = read(path)[0]["module"].splitlines()[1:-1]
    assert [line.strip().partition("(")[0] for line in text] == names

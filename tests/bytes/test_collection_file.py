"""Files of many networks."""

import json

import numpy as np
import pytest
from checks import assert_same_bits
from file_edits import write_anew

import fastnn
from fastnn import MLP, ModelFileError
from fastnn.files import safetensors


def make():
    nets = [
        MLP([3, 4, 1], rng=0),
        MLP([2, 1], "tanh", output="sigmoid", bias=False, rng=1),
        MLP([3, 4, 1], rng=2),
        MLP([3, 4, 1], dropout=0.5, rng=3),
    ]
    nets[2].metadata = {"place": "north"}
    return nets


@pytest.mark.parametrize("names", [None, ["a", "b", "", "d"]])
def test_networks_are_loaded_unchanged(path, names):
    nets = make()
    fastnn.save_many(nets if names is None else dict(zip(names, nets)), path)
    loaded = fastnn.load_many(path)
    if names is not None:
        assert list(loaded) == names
        loaded = list(loaded.values())
    assert [repr(net) for net in loaded] == [repr(net) for net in nets]
    for net, other in zip(nets, loaded):
        assert_same_bits(net.params, other.params)
        assert (net.bias, net.dropout, net.metadata) == (other.bias, other.dropout, other.metadata)
    loaded[0].fit(np.ones((5, 3)), np.ones(5), epochs=1)
    assert not np.array_equal(loaded[0].params, nets[0].params)


def test_the_kind_is_checked(path):
    fastnn.save_many(make(), path)
    assert len(fastnn.load_many(path, list)) == len(make())
    with pytest.raises(ModelFileError, match="holds a list of networks, but a dict was expected"):
        fastnn.load_many(path, dict)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ten_thousand_networks_are_one_array(path, dtype):
    fastnn.save_many([MLP([3, 4, 1], dtype=dtype, rng=0) for _ in range(1000)], path)
    assert path.stat().st_size < 1000 * 21 * np.dtype(dtype).itemsize + 1000
    reader = pytest.importorskip("safetensors.numpy", reason="the other reader is not installed")
    arrays = reader.load_file(path)
    assert {name: a.shape for name, a in arrays.items()} == {"params0": (1000, 21)}
    assert len(fastnn.load_many(path)) == 1000


def test_one_function_names_the_other(path):
    fastnn.save_many(make()[:1], path)
    with pytest.raises(ModelFileError, match=r"many networks\. Read it with fastnn\.load_many"):
        fastnn.load(path)
    make()[0].save(path)
    with pytest.raises(ModelFileError, match=r"holds one network\. Read it with fastnn\.load"):
        fastnn.load_many(path)


def test_what_cannot_be_saved_is_refused(path):
    nets = make()
    with pytest.raises(ValueError, match="networks is empty"):
        fastnn.save_many([], path)
    with pytest.raises(TypeError, match="keys of networks must be str, got 1"):
        fastnn.save_many({1: nets[0]}, path)
    with pytest.raises(ValueError, match="one dtype"):
        fastnn.save_many([nets[0], MLP([3, 1], dtype="float64")], path)
    nets[0].metadata = {"a": 1}
    with pytest.raises(ValueError, match=r"net\.metadata must be a dict of str to str"):
        fastnn.save_many(nets, path)
    assert not path.exists()


def test_every_truncation_is_refused(path):
    fastnn.save_many(dict(zip("abcd", make())), path)
    whole = path.read_bytes()
    for n in range(len(whole)):
        write_anew(path, whole[:n])
        with pytest.raises(ModelFileError):
            fastnn.load_many(path)


def test_every_flipped_byte_loads_or_is_refused(path):
    fastnn.save_many(dict(zip("abcd", make())), path)
    whole = path.read_bytes()
    for i in range(len(whole)):
        for bit in (1, 64):
            write_anew(path, whole[:i] + bytes([whole[i] ^ bit]) + whole[i + 1 :])
            try:
                assert len(fastnn.load_many(path)) == 4
            except ModelFileError:
                pass


HARMFUL = [
    (dict(format="other"), "not a fastnn model"),
    (dict(format_version="2"), "Install a newer fastnn"),
    (dict(networks="[]"), "networks is empty"),
    (dict(networks=None), "networks is missing"),
    (dict(names='["a", "b"]'), "names is not a list of 3 values"),
    (dict(names='["a", "b", "a"]'), "a name twice"),
    (dict(names='["a", "b", 3]'), "names is damaged"),
    (dict(user='[{}, {}, {"a": 1}]'), "net.metadata must be a dict"),
    (dict(params0=(3, 9)), "params0 is not F32"),
    (dict(params0=(0, 21)), "the shape of params0 is invalid"),
]
GROUPS = [0, 0, 1], [0, 1, 2], [0, 1, -1], [1, -1, 1], [-(2**63), 1, 1]
HARMFUL += [(dict(groups=groups), "groups do not match") for groups in GROUPS]


@pytest.mark.parametrize(("change", "message"), HARMFUL, ids=str)
def test_harmful_files_are_refused_with_a_reason(path, change, message):
    plain, change = dict(bias=True, dtype="float32"), dict(change)
    networks = [
        plain | dict(layer_sizes=[3, 4, 1], activations=["relu", "identity"], dropout=[0.0, 0.0]),
        plain | dict(layer_sizes=[2, 1], activations=["identity"], dropout=[0.0]),
    ]
    metadata = {"format": "fastnn-networks", "format_version": "1"}
    metadata["networks"] = json.dumps(networks)
    arrays = {
        "params0": np.zeros(change.pop("params0", (1, 21)), np.float32),
        "params1": np.zeros((2, 3), np.float32),
        "groups": np.array(change.pop("groups", [1, 0, 1])),
    }
    metadata = {k: v for k, v in (metadata | change).items() if v is not None}
    safetensors.write(path, arrays, metadata)
    with pytest.raises(ModelFileError, match=message):
        fastnn.load_many(path)

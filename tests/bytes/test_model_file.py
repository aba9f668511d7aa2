"""Model files: round trips, and compatibility with the safetensors library."""

import ast
import json
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from checks import assert_same_bits

import fastnn
from fastnn import MLP, SGD, Adam, ModelFileError, initializers, optimizers, schedules
from fastnn.network import as_dtype

X = np.random.default_rng(1).normal(size=(70, 3))
BIT_GENERATORS = "PCG64 PCG64DXSM MT19937 Philox SFC64".split()
LAYERS = "layer_sizes", "activations", "bias", "dtype", "dropout"
COUNTERS = "optimizer step epoch row loss_sum seed split_seed plateau".split()


def text_of(generator):
    return json.dumps(generator.bit_generator.state, default=lambda a: a.tolist())


def assert_same(a, b):
    assert [getattr(a, name) for name in LAYERS] == [getattr(b, name) for name in LAYERS]
    assert_same_bits(a.params, b.params)
    assert text_of(a.rng) == text_of(b.rng)
    assert (a.state is None) == (b.state is None)
    if a.state is not None:
        for name in COUNTERS:
            assert getattr(a.state, name) == getattr(b.state, name)
        assert_same_bits(a.state.moments, b.state.moments)
        assert a.state.moments.dtype == b.state.moments.dtype == a.dtype
        np.testing.assert_array_equal(a.state.order, b.state.order)
        np.testing.assert_array_equal(a.state.params, b.state.params)
        best, other = a.state.best, b.state.best
        assert (best is None) == (other is None)
        if best is not None:
            assert (best.loss, best.epoch) == (other.loss, other.epoch)
            assert_same_bits(best.params, other.params)


def saved_and_loaded(net, path):
    """The network from its file, which is the same."""
    net.save(path)
    loaded = fastnn.load(path)
    assert_same(loaded, net)
    return loaded


# ---- round trips ----


USED = [None, SGD(0.1), SGD(0.1, 0.9, True, 0.01), Adam(0.01, (0.8, 0.99), 1e-6, 0.1)]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("optimizer", USED, ids=repr)
def test_a_saved_network_is_loaded_unchanged(optimizer, bias, dtype, path):
    net = MLP([3, 4, 5, 2], ["gelu", "tanh"], "softmax", bias, dtype, rng=3)
    if optimizer:
        net.fit(X, np.arange(70) % 2, optimizer=optimizer, epochs=3)
    loaded = saved_and_loaded(net, path)
    assert type(loaded) is MLP and loaded.history is None
    assert_same_bits(loaded.forward(X), net.forward(X))


def test_a_full_training_state_is_loaded_unchanged(dtype, path, net_with_full_state):
    saved_and_loaded(net_with_full_state(dtype=dtype), path)


SETTINGS = dict(l1=0.1, l2=0.2, clip_value=3.0, average=0.5)
SCHEDULED = {
    SGD: schedules.StepDecay(0.1, 3),
    Adam: schedules.OneCycle(0.1, 9),
    fastnn.RMSprop: schedules.CosineDecay(0.1, 5, 1),
    fastnn.NAdam: schedules.ExponentialDecay(0.1, 0.5),
}
OPTIMIZERS = [
    *map(optimizers.resolve_optimizer, optimizers.OPTIMIZERS),
    *(cls(schedule) for cls, schedule in SCHEDULED.items()),
    fastnn.AdamW(amsgrad=True, **SETTINGS),
    fastnn.AdamW(lazy_categories=True),
    fastnn.AdamW(weight_decay=np.float32(0.5)),
    fastnn.RMSprop(centered=True, momentum=0.1, **SETTINGS),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_every_optimizer_is_loaded_unchanged(optimizer, path):
    net = MLP([3, 4, 1], rng=0)
    net.fit(X, X[:, 0], optimizer=optimizer, epochs=2)
    saved_and_loaded(net, path)


def test_a_file_without_the_state_has_only_the_network(path, net_with_full_state):
    net = net_with_full_state()
    net.save(path, state=False)
    loaded = fastnn.load(path)
    assert loaded.state is None and net.state is not None
    net.state = None
    assert_same(loaded, net)


@pytest.mark.parametrize("name", BIT_GENERATORS)
def test_every_generator_of_numpy_continues_where_it_was(name, path):
    net = MLP([3, 1], rng=np.random.Generator(getattr(np.random, name)(5)))
    net.rng.integers(2**32, size=3, dtype=np.uint32)  # half of a 64-bit number may be waiting
    assert saved_and_loaded(net, path).rng.random(1000).tolist() == net.rng.random(1000).tolist()


def test_a_stopped_epoch_is_loaded_unchanged(dtype, path, net_stopped_within_an_epoch):
    net = net_stopped_within_an_epoch(dtype=dtype)
    loaded = saved_and_loaded(net, path)
    losses = [each.fit(X, X[:, 0], epochs=2, resume=True).loss for each in (loaded, net)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("values", [np.nan, np.inf, -0.0, 5e-324])
def test_every_number_is_loaded_unchanged(values, path):
    net = MLP([3, 1], dtype="float64", rng=0)
    net.params[:] = values
    saved_and_loaded(net, path)


def test_the_class_can_be_expected(path):
    MLP([2, 1]).save(path)
    assert isinstance(fastnn.load(path, MLP), MLP)
    message = f"{path}: holds a model of the class MLP, but History was expected."
    with pytest.raises(fastnn.ModelFileError, match=re.escape(message)):
        fastnn.load(path, fastnn.History)


def test_paths_of_every_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = MLP([3, 1], rng=0)
    for path in ["net", Path("net"), str(tmp_path / "net"), "nét … 1.bin"]:
        saved_and_loaded(net, path)
    os.symlink("net", "link")
    net.params[:] = 1
    net.save("link")
    assert os.path.islink("link")
    np.testing.assert_array_equal(fastnn.load("net").params, 1)
    assert sorted(os.listdir()) == sorted(["net", "nét … 1.bin", "link"])


def test_a_foreign_generator_is_refused(path):
    class Mine(np.random.PCG64):
        state = property(lambda self: {"bit_generator": "Mine", "state": {}})

    net = MLP([3, 1], rng=0)
    net.rng = np.random.Generator(Mine(0))
    message = (
        r"net.rng uses Mine, which a model file cannot hold. Set net.rng to a generator of NumPy, "
        r"such as numpy.random.default_rng\(0\)\.$"
    )
    with pytest.raises(ValueError, match=message):
        net.save(path)
    assert not path.exists()


def test_loading_and_copying_draw_no_weights(path, monkeypatch):
    net = MLP([3, 4, 1], rng=0)
    net.save(path)
    fail = lambda *_: pytest.fail("weights are drawn only to be overwritten")  # noqa: E731
    monkeypatch.setattr(initializers, "initialize", fail)
    copies = fastnn.load(path), net.copy(), pickle.loads(pickle.dumps(net))
    for other in (*copies, as_dtype(net, np.dtype("float64"))):
        assert other.params.tolist() == net.params.tolist()
    net.fit(X, X[:, 0], optimizer="lbfgs", epochs=0)  # on a copy in float64


@pytest.mark.parametrize("optimizer", optimizers.OPTIMIZERS)
def test_step_counts_up_to_2_to_the_62_are_loaded_unchanged(optimizer, path):
    net = MLP([3, 4, 1], rng=0)
    net.fit(X, X[:, 0], optimizer=optimizer, epochs=1)
    net.state.step = net.state.epoch = 2**62
    saved_and_loaded(net, path)


# ---- the format ----


def test_the_safetensors_library_reads_it(path, dtype, net_stopped_within_an_epoch):
    reason = "the package safetensors is not installed"
    safetensors = pytest.importorskip("safetensors", reason=reason)
    from safetensors.numpy import load_file, save_file

    net = net_stopped_within_an_epoch(dtype=dtype)
    net.save(path)
    arrays = load_file(path)
    (W0, W1), (b0, b1) = net.weights, net.biases
    expected = dict(W0=W0, b0=b0, W1=W1, b1=b1, moments=net.state.moments)
    assert set(arrays) == {*expected, "order"}
    assert arrays["order"].tolist() == net.state.order.tolist()
    for name, a in expected.items():
        np.testing.assert_array_equal(arrays[name], a, strict=True)
    with safetensors.safe_open(path, "numpy") as file:
        metadata = file.metadata()
    assert metadata["format"] == "fastnn" and metadata["format_version"] == "1"
    save_file(arrays, path, metadata)  # which chooses the order of the arrays
    assert_same(fastnn.load(path), net)
    others = (None, "metadata is missing"), ({"format": "pt"}, "not a fastnn model")
    for metadata, message in others:
        save_file(arrays, path, metadata)
        with pytest.raises(ModelFileError, match=message):
            fastnn.load(path)


def test_the_loader_can_run_no_code():
    package = Path(fastnn.__file__).parent
    others = "estimators/file.py", "estimators/parameters.py", "tabular/stored_model.py"
    names = {
        getattr(node, name, None)
        for path in (*package.glob("files/*.py"), *(package / other for other in others))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in ("id", "attr", "module", "name")
    }
    forbidden = "pickle marshal shelve importlib eval exec compile __import__ globals".split()
    assert names.isdisjoint(forbidden) and "parse_json" in names


def test_missing_files_and_folders_raise_the_errors_of_open(tmp_path):
    with pytest.raises(FileNotFoundError):
        fastnn.load(tmp_path / "nothing")
    with pytest.raises(OSError):
        fastnn.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        MLP([3, 1], rng=0).save(tmp_path / "no folder" / "net")

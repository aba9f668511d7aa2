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
BIT_GENERATORS = [
    np.random.PCG64,
    np.random.PCG64DXSM,
    np.random.MT19937,
    np.random.Philox,
    np.random.SFC64,
]


def text_of(generator):
    return json.dumps(generator.bit_generator.state, default=lambda a: a.tolist())


def assert_same(a, b):
    assert (a.layer_sizes, a.activations, a.bias, a.dtype, a.dropout) == (
        b.layer_sizes,
        b.activations,
        b.bias,
        b.dtype,
        b.dropout,
    )
    assert_same_bits(a.params, b.params)
    assert text_of(a.rng) == text_of(b.rng)
    assert (a.state is None) == (b.state is None)
    if a.state is not None:
        for name in (
            "optimizer",
            "step",
            "epoch",
            "row",
            "loss_sum",
            "seed",
            "split_seed",
            "plateau",
        ):
            assert getattr(a.state, name) == getattr(b.state, name)
        assert_same_bits(a.state.moments, b.state.moments)
        assert a.state.moments.dtype == b.state.moments.dtype == a.dtype
        np.testing.assert_array_equal(a.state.order, b.state.order)
        np.testing.assert_array_equal(a.state.params, b.state.params)
        assert (a.state.best is None) == (b.state.best is None)
        if a.state.best is not None:
            assert (a.state.best.loss, a.state.best.epoch) == (
                b.state.best.loss,
                b.state.best.epoch,
            )
            assert_same_bits(a.state.best.params, b.state.best.params)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


# ---- round trips ----


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "optimizer",
    [None, SGD(0.1), SGD(0.1, 0.9, True, 0.01), Adam(0.01, (0.8, 0.99), 1e-6, 0.1)],
    ids=repr,
)
def test_a_saved_network_is_loaded_unchanged(optimizer, bias, dtype, path):
    net = MLP([3, 4, 5, 2], ["gelu", "tanh"], "softmax", bias, dtype, rng=3)
    if optimizer:
        net.fit(X, np.arange(70) % 2, optimizer=optimizer, epochs=3)
    net.save(path)
    loaded = fastnn.load(path)
    assert_same(loaded, net)
    assert type(loaded) is MLP and loaded.history is None
    assert_same_bits(loaded.forward(X), net.forward(X))


def test_a_full_training_state_is_loaded_unchanged(dtype, path, net_with_full_state):
    net = net_with_full_state(dtype=dtype)
    net.save(path)
    assert_same(fastnn.load(path), net)


SETTINGS = dict(l1=0.1, l2=0.2, clip_value=3.0, average=0.5)
OPTIMIZERS = [
    *(optimizers.resolve_optimizer(name) for name in optimizers.OPTIMIZERS),
    *(
        cls(schedule)
        for cls, schedule in zip(
            [SGD, Adam, fastnn.RMSprop, fastnn.NAdam],
            [
                schedules.StepDecay(0.1, 3),
                schedules.OneCycle(0.1, 9),
                schedules.CosineDecay(0.1, 5, 1),
                schedules.ExponentialDecay(0.1, 0.5),
            ],
        )
    ),
    fastnn.AdamW(amsgrad=True, **SETTINGS),
    fastnn.RMSprop(centered=True, momentum=0.1, **SETTINGS),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_every_optimizer_is_loaded_unchanged(optimizer, path):
    net = MLP([3, 4, 1], rng=0)
    net.fit(X, X[:, 0], optimizer=optimizer, epochs=2)
    net.save(path)
    assert_same(fastnn.load(path), net)


def test_a_file_without_the_state_has_only_the_network(path, net_with_full_state):
    net = net_with_full_state()
    net.save(path, state=False)
    loaded = fastnn.load(path)
    assert loaded.state is None and net.state is not None
    net.state = None
    assert_same(loaded, net)


def test_options_can_be_numbers_of_numpy(path):
    net = MLP([3, 1], rng=0)
    net.fit(X, X[:, 0], epochs=1, optimizer=fastnn.AdamW(weight_decay=np.float32(0.5)))
    net.save(path)
    assert_same(fastnn.load(path), net)


@pytest.mark.parametrize("bits", BIT_GENERATORS)
def test_every_generator_of_numpy_continues_where_it_was(bits, path):
    net = MLP([3, 1], rng=np.random.Generator(bits(5)))
    net.rng.integers(2**32, size=3, dtype=np.uint32)  # half of a 64-bit number may be waiting
    net.save(path)
    loaded = fastnn.load(path)
    assert_same(loaded, net)
    assert loaded.rng.random(1000).tolist() == net.rng.random(1000).tolist()


def test_a_stopped_epoch_is_loaded_unchanged(dtype, path, net_stopped_within_an_epoch):
    net = net_stopped_within_an_epoch(dtype=dtype)
    net.save(path)
    loaded = fastnn.load(path)
    assert_same(loaded, net)
    assert (
        loaded.fit(X, X[:, 0], epochs=2, resume=True).loss
        == net.fit(X, X[:, 0], epochs=2, resume=True).loss
    )


@pytest.mark.parametrize("values", [np.nan, np.inf, -0.0, 5e-324])
def test_every_number_is_loaded_unchanged(values, path):
    net = MLP([3, 1], dtype="float64", rng=0)
    net.params[:] = values
    net.save(path)
    assert_same_bits(fastnn.load(path).params, net.params)


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
        net.save(path)
        assert_same(fastnn.load(path), net)
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
    with pytest.raises(
        ValueError,
        match=r"net.rng uses Mine, which a model file cannot hold. Set net.rng to a generator of NumPy",
    ):
        net.save(path)
    assert not path.exists()


def test_loading_and_copying_draw_no_weights(path, monkeypatch):
    net = MLP([3, 4, 1], rng=0)
    net.save(path)
    monkeypatch.setattr(
        initializers,
        "initialize",
        lambda *_: pytest.fail("weights are drawn only to be overwritten"),
    )
    for other in (
        fastnn.load(path),
        net.copy(),
        pickle.loads(pickle.dumps(net)),
        as_dtype(net, np.dtype("float64")),
    ):
        assert other.params.tolist() == net.params.tolist()
    net.fit(X, X[:, 0], optimizer="lbfgs", epochs=0)  # on a copy in float64


@pytest.mark.parametrize("optimizer", optimizers.OPTIMIZERS)
def test_step_counts_up_to_2_to_the_62_are_loaded_unchanged(optimizer, path):
    net = MLP([3, 4, 1], rng=0)
    net.fit(X, X[:, 0], optimizer=optimizer, epochs=1)
    net.state.step = net.state.epoch = 2**62
    net.save(path)
    assert_same(fastnn.load(path), net)


# ---- the format ----


def test_the_safetensors_library_reads_it(path, dtype, net_stopped_within_an_epoch):
    safetensors = pytest.importorskip(
        "safetensors", reason="the package safetensors is not installed"
    )
    from safetensors.numpy import load_file, save_file

    net = net_stopped_within_an_epoch(dtype=dtype)
    net.save(path)
    arrays = load_file(path)
    expected = {
        "W0": net.weights[0],
        "b0": net.biases[0],
        "W1": net.weights[1],
        "b1": net.biases[1],
        "moments": net.state.moments,
    }
    assert (
        set(arrays) == {*expected, "order"} and arrays["order"].tolist() == net.state.order.tolist()
    )
    for name, a in expected.items():
        np.testing.assert_array_equal(arrays[name], a, strict=True)
    with safetensors.safe_open(path, "numpy") as file:
        metadata = file.metadata()
    assert metadata["format"] == "fastnn" and metadata["format_version"] == "1"
    save_file(arrays, path, metadata)  # which chooses the order of the arrays
    assert_same(fastnn.load(path), net)
    save_file(arrays, path)
    with pytest.raises(ModelFileError, match="metadata is missing"):
        fastnn.load(path)
    save_file(arrays, path, {"format": "pt"})
    with pytest.raises(ModelFileError, match="not a fastnn model"):
        fastnn.load(path)


def test_the_loader_can_run_no_code():
    package = Path(fastnn.__file__).parent
    readers = [
        *package.glob("files/*.py"),
        package / "estimators/file.py",
        package / "estimators/parameters.py",
        package / "tabular/stored_model.py",
    ]
    texts = [path.read_text(encoding="utf-8") for path in readers]
    names = {name for text in texts for node in ast.walk(ast.parse(text)) for name in words(node)}
    assert names.isdisjoint(
        {
            "pickle",
            "marshal",
            "shelve",
            "importlib",
            "eval",
            "exec",
            "compile",
            "__import__",
            "globals",
        }
    )
    assert "json" in names


def words(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [
        getattr(node, "id", None),
        getattr(node, "attr", None),
        getattr(node, "module", None),
        getattr(node, "name", None),
    ]


def test_missing_files_and_folders_raise_the_errors_of_open(tmp_path):
    with pytest.raises(FileNotFoundError):
        fastnn.load(tmp_path / "nothing")
    with pytest.raises(OSError):
        fastnn.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        MLP([3, 1], rng=0).save(tmp_path / "no folder" / "net")

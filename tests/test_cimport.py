"""The C-level API: extensions in tests/client/, built outside the package, that reach the kernels by
cimport. They predict and train without fastnn's Python classes, and get the same bits."""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import fastnn
from fastnn import MLP, Adam, kernels
from fastnn.activations import ACTIVATIONS

CLIENT = Path(__file__).with_name("client")

SETUP = """
from Cython.Build import cythonize
from setuptools import Extension, setup
names = ["predict", "train"]
setup(name="client", ext_modules=cythonize([Extension(n, [f"{n}.pyx"]) for n in names]))
"""


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """A folder with the compiled clients."""
    pytest.importorskip("Cython", reason="Cython is not installed")
    pytest.importorskip("setuptools", reason="setuptools is not installed")
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    if not any(shutil.which(name) for name in (compiler.split()[0], "cc", "gcc", "clang")):
        pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("client")
    for path in CLIENT.glob("*.p*"):
        shutil.copy(path, folder)
    (folder / "setup.py").write_text(SETUP)
    paths = [str(Path(fastnn.__file__).parents[1]), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "CFLAGS": "-O0 -g0"}
    command = [sys.executable, "setup.py", "build_ext", "--inplace"]
    built = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100
    )
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    return folder


def load(folder, name):
    path = folder / (name + sysconfig.get_config_var("EXT_SUFFIX"))
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def predict(build):
    return load(build, "predict")


@pytest.fixture(scope="module")
def train(build):
    return load(build, "train")


def client_network(module, net, output):
    """The client's view of an MLP's parameters, without a copy."""
    return module.TwoLayers(
        net.weights[0], net.biases[0], net.weights[1], net.biases[1], kernels.Activation[output]
    )


# ---- inference ----


@pytest.mark.parametrize("n", [1, 7, 8, 300])
@pytest.mark.parametrize("sizes", [(3, 5, 1), (30, 33, 4)])
def test_a_client_predicts_the_same_bits_as_the_network(predict, sizes, n):
    net = MLP(sizes, output="sigmoid", rng=0)
    net.params += 0.1
    X = np.random.default_rng(0).normal(size=(n, sizes[0])).astype("float32")
    out = np.empty((n, sizes[-1]), "float32")
    assert predict.forward(client_network(predict, net, "SIGMOID"), X, out) == 0
    assert out.tobytes() == net.forward(X).tobytes()


def test_a_layer_of_a_client_may_have_no_bias(predict):
    net = MLP([3, 5, 2], rng=0)
    X, out = np.ones((9, 3), "float32"), np.empty((9, 2), "float32")
    network = predict.TwoLayers(
        net.weights[0], net.biases[0], net.weights[1], None, kernels.Activation.IDENTITY
    )
    predict.forward(network, X, out)
    assert out.tobytes() == net.forward(X).tobytes()  # whose bias is 0


def test_the_table_is_that_of_the_chosen_variant(predict, isa):
    tables = predict.describe_tables()
    assert tables["version"] == tables["api_version"] == 1
    assert tables["itemsizes"] == (4, 8)
    assert tables["isa"] == isa
    assert not tables["has_other_sizes"]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_client_uses_the_activations(predict, name):
    z = np.linspace(-3, 3, 11)
    expected = fastnn.functional.activation(z, name)
    predict.activation(ACTIVATIONS[name], z)  # in place
    assert z.tobytes() == expected.tobytes()


# ---- training ----


def classes(n, n_in, n_classes, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_in)).astype("float32"), rng.integers(n_classes, size=n)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("batch_size", [16, 700])  # one chunk of rows, several
def test_a_client_trains_to_the_same_bits_as_fit(train, isa, batch_size, n_threads):
    X, y = classes(1000, 7, 3, seed=1)
    X_val, y_val = classes(90, 7, 3, seed=2)
    expected = MLP([7, 20, 3], output="softmax", rng=0)
    net = expected.copy()
    history = expected.fit(
        X,
        y,
        epochs=6,
        batch_size=batch_size,
        optimizer=Adam(0.01),
        validation_data=(X_val, y_val),
        rng=np.random.default_rng(5),
    )

    network = client_network(train, net, "SOFTMAX")
    validation = train.Trainer(network, X_val, y_val, len(X_val))
    trainer = train.Trainer(
        network,
        X,
        y,
        batch_size,
        lr=0.01,
        order=np.arange(len(X)),
        generator=np.random.default_rng(5).bit_generator,
        max_threads=n_threads,
        validation=validation,
    )
    moments = np.zeros(trainer.n_moments(), "float32")
    assert moments.size == 2 * net.params.size
    losses, validation_losses = np.empty((2, 6))
    trainer.load(moments)
    for part in (slice(0, 2), slice(2, 6)):  # two slices
        stop = trainer.run(losses[part], validation_losses[part], n_threads)
        assert stop == kernels.Stop.EPOCHS
    trainer.store(moments)
    assert net.params.tobytes() == expected.params.tobytes()
    assert moments.tobytes() == expected.state.moments.tobytes()
    assert losses.tolist() == history.loss
    assert validation_losses.tolist() == history.val_loss
    assert losses[-1] < losses[0]

"""The C-level API: extensions in tests/kernels/client/, built outside the package, that reach the kernels by
cimport. They predict, train and update without Python in their loops, and get the same bits."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import c_api
import numpy as np
import pytest
from places import DOCS, EXAMPLES

import fastnn
from fastnn import MLP, SGD, Adam, kernels
from fastnn.activations import ACTIVATIONS

CLIENT = Path(__file__).with_name("client")
POLICY = EXAMPLES / "policy"

SETUP = """
import sys
from Cython.Build import cythonize
from setuptools import Extension, setup
name = sys.argv.pop(1)
path = [name] if name.startswith("newer") else []  # that of another kernels.pxd
setup(name=name, ext_modules=cythonize([Extension(name, [f"{name}.pyx"])], include_path=path))
"""


def guide(language="cython"):
    """The code of a language in docs/c_api.md; none if there is no docs/ beside these tests."""
    path = DOCS / "c_api.md"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def environment(**variables):
    """An environment whose Python finds the fastnn under test."""
    paths = [str(Path(fastnn.__file__).parents[1]), *sys.path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **variables}


def run_python(folder, *arguments):
    """Run this Python in `folder` with a fast C compiler, and with the programs beside this Python."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = environment(PATH=programs, CFLAGS="-O0 -g0")
    command, options = [sys.executable, *arguments], dict(text=True, timeout=300)
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, **options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """A folder with the sources of the clients, which `load` compiles."""
    pytest.importorskip("Cython", reason="Cython is not installed")
    pytest.importorskip("setuptools", reason="setuptools is not installed")
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    if not any(shutil.which(name) for name in (compiler.split()[0], "cc", "gcc", "clang")):
        pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("client")
    for path in CLIENT.glob("*.p*"):
        shutil.copy(path, folder)
    declarations = Path(fastnn.__file__).with_name("kernels.pxd").read_text(encoding="utf-8")
    for name in ("newer_abi", "newer_api"):
        version = f"    {name.removeprefix('newer_').upper()}_VERSION = "
        assert declarations.count(version) == 1
        newer = folder / name / "fastnn"
        newer.mkdir(parents=True)
        (newer / "__init__.pxd").touch()
        (newer / "kernels.pxd").write_text(declarations.replace(version, version + "9"))
        shutil.copy(CLIENT / "version.pyx", folder / f"{name}.pyx")
    if POLICY.exists():
        shutil.copytree(POLICY, folder, ignore=lambda *_: {"setup.py", "build"}, dirs_exist_ok=True)
    for i, source in enumerate(guide()):
        (folder / f"guide{i}.pyx").write_text(source, encoding="utf-8")
    (folder / "setup.py").write_text(SETUP)
    return folder


def load(folder, name):
    """Import an extension. It is compiled by the first call."""
    path = folder / (name + sysconfig.get_config_var("EXT_SUFFIX"))
    if not path.exists():
        run_python(folder, "setup.py", name, "build_ext", "--inplace")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def predict(build):
    return load(build, "predict")


@pytest.fixture(scope="module")
def steps(build):
    return load(build, "steps")


def client_network(module, net, output):
    """The client's view of an MLP's parameters, without a copy."""
    (W, V), (b, c) = net.weights, net.biases
    return module.TwoLayers(W, b, V, c, kernels.Activation[output])


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
    (W, V), (b, _) = net.weights, net.biases
    network = predict.TwoLayers(W, b, V, None, kernels.Activation.IDENTITY)
    predict.forward(network, X, out)
    assert out.tobytes() == net.forward(X).tobytes()  # whose bias is 0


@pytest.mark.parametrize("itemsize", [4, 8])
def test_the_table_is_that_of_the_chosen_variant(predict, isa, itemsize):
    assert predict.describe_kernels(itemsize) == dict(api_version=1, itemsize=itemsize, isa=isa)


def test_there_is_no_table_for_other_item_sizes(predict):
    with pytest.raises(ValueError, match=r"itemsize must be 4 \(float\) or 8 \(double\), got 2\."):
        predict.describe_kernels(2)


WRONG_VERSIONS = {
    "newer_abi": r"compiled for ABI version 92 of fastnn's C-level API, but the installed fastnn has "
    r"ABI version 2\. Compile the extension again\.",
    "newer_api": r"compiled for version 91 of fastnn's C-level API, but the installed fastnn has "
    r"version 1\. Install a newer fastnn\.",
}


@pytest.mark.parametrize(("name", "message"), WRONG_VERSIONS.items())
@pytest.mark.slow("test_c_api_version.py")
def test_an_extension_for_another_version_cannot_be_imported(build, name, message):
    with pytest.raises(ImportError, match=message):
        load(build, name)


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
def test_a_client_trains_to_the_same_bits_as_fit(build, isa, batch_size, n_threads):
    train = load(build, "train")
    X, y = classes(1000, 7, 3, seed=1)
    X_val, y_val = classes(90, 7, 3, seed=2)
    expected = MLP([7, 20, 3], output="softmax", rng=0)
    net, generator = expected.copy(), np.random.default_rng(5).bit_generator
    options = dict(
        optimizer=Adam(0.01), validation_data=(X_val, y_val), rng=np.random.default_rng(5)
    )
    history = expected.fit(X, y, epochs=6, batch_size=batch_size, **options)

    network = client_network(train, net, "SOFTMAX")
    validation = train.Trainer(network, X_val, y_val, len(X_val))
    options = dict(lr=0.01, max_threads=n_threads, validation=validation, generator=generator)
    trainer = train.Trainer(network, X, y, batch_size, order=np.arange(len(X)), **options)
    moments = np.zeros(trainer.n_moments(), "float32")
    assert moments.size == 2 * net.params.size
    losses, validation_losses = np.empty((2, 6))
    trainer.load(moments)
    for part in (slice(0, 2), slice(2, 6)):  # two slices
        assert trainer.run(losses[part], validation_losses[part], n_threads) == kernels.Stop.EPOCHS
    trainer.store(moments)
    assert net.params.tobytes() == expected.params.tobytes()
    assert moments.tobytes() == expected.state.moments.tobytes()
    assert losses.tolist() == history.loss
    assert validation_losses.tolist() == history.val_loss
    assert losses[-1] < losses[0]


@pytest.mark.slow("test_a_client_trains_to_the_same_bits_as_fit")
def test_a_client_trains_step_by_step_on_rows_that_it_makes(steps):
    n_steps, batch_size = 12, 5
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n_steps * batch_size, 6)).astype("float32")
    Y = rng.normal(size=(n_steps * batch_size, 2)).astype("float32")
    expected = MLP([6, 9, 2], rng=0)
    net = expected.copy()
    history = expected.fit(X, Y, epochs=1, batch_size=batch_size, optimizer=SGD(0.1), shuffle=False)
    losses = np.empty(n_steps)
    network = client_network(steps, net, "IDENTITY")
    assert steps.train_on_stream(network, X, Y, batch_size, 0.1, losses) == n_steps
    assert net.params.tobytes() == expected.params.tobytes()
    assert losses.mean() == pytest.approx(history.loss[0], rel=1e-12)


@pytest.mark.slow("test_a_client_trains_to_the_same_bits_as_fit")
def test_a_client_updates_its_own_parameters(steps):
    rng = np.random.default_rng(4)
    params, grads = rng.normal(size=37), rng.normal(size=(50, 37))
    expected, moments = params.copy(), np.zeros((2, 37))
    expected_moments = moments.copy()
    for i, grad in enumerate(grads):
        fastnn.functional.adam_step_(expected, grad, *expected_moments, step=i + 1, lr=0.01)
    assert steps.adam(params, grads, moments, 0.01) == 2
    assert params.tobytes() == expected.tobytes()
    assert moments.tobytes() == expected_moments.tobytes()


# ---- docs/c_api.md ----

needs_guide = pytest.mark.skipif(not guide(), reason="there is no docs/c_api.md beside these tests")


@needs_guide
@pytest.mark.slow("test_a_client_predicts_the_same_bits_as_the_network")
@pytest.mark.parametrize("builder", ["setuptools", "meson"])
def test_the_first_extension_of_the_guide(build, tmp_path, builder):
    if builder == "meson":
        pytest.importorskip("mesonbuild", reason="meson is not installed")
        (tmp_path / "forward.pyx").write_text(guide()[0], encoding="utf-8")
        (tmp_path / "meson.build").write_text("".join(guide("meson")), encoding="utf-8")
        run_python(tmp_path, "-m", "mesonbuild.mesonmain", "setup", "build")
        run_python(tmp_path, "-m", "mesonbuild.mesonmain", "compile", "-C", "build")
        module = load(tmp_path / "build", "forward")
    else:
        module = load(build, "guide0")
    X = np.random.default_rng(0).normal(size=(20, 6)).astype("float32")
    net = MLP([6, 10, 1], rng=0)
    total = module.sum_of_outputs(X, net.weights[0], net.biases[0], net.weights[1], net.biases[1])
    assert total == net.forward(X).sum(dtype=float)


@needs_guide
@pytest.mark.slow("test_a_client_trains_to_the_same_bits_as_fit")
def test_the_training_of_the_guide(build):
    W, b = np.zeros((1, 1), "float32"), np.zeros(1, "float32")
    assert load(build, "guide1").fit_line(W, b, 500) < 1e-4
    assert (W.item(), b.item()) == pytest.approx((2, 1), abs=0.01)


@needs_guide
def test_the_guide_describes_each_function_of_the_table():
    text = (DOCS / "c_api.md").read_text(encoding="utf-8")
    fields = c_api.declarations()["structs"]["Kernels"]
    for found in filter(None, [re.match(r".*\(\*(\w+)\)\((.*)\)", field) for field in fields]):
        arguments = [argument.split()[-1].strip("*") for argument in found[2].split(", ")]
        assert f"| `{found[1]}({', '.join(arguments)})` |" in text


# ---- examples/policy ----

needs_policy = pytest.mark.skipif(not POLICY.exists(), reason="there are no examples/ here")


def random_numbers(seed):
    """The kicks of policy.pyx: xorshift64."""
    while True:
        for shift in (13, -7, 17):
            seed ^= seed << shift if shift > 0 else seed >> -shift
            seed &= 2**64 - 1
        yield ((seed - 2**64 if seed >> 63 else seed) >> 40) / 2**23


@needs_policy
@pytest.mark.slow("test_a_client_predicts_the_same_bits_as_the_network")
def test_the_policy_moves_the_chain_as_numpy_does(build):
    policy = load(build, "policy")
    n, n_steps = policy.N_MASSES, 300
    net = MLP([2 * n, 12, 1], rng=0)
    state = np.random.default_rng(0).normal(size=2 * n)
    x, v, energies = state[:n].copy(), state[n:].copy(), []
    for _, kick in zip(range(n_steps), random_numbers(7)):
        force = net.forward(np.concatenate([x, v])[None]).item()
        stretch = np.diff(x, prepend=0, append=0)
        v += 0.1 * np.diff(stretch)
        v[0] += 0.1 * kick
        v[-1] += 0.1 * min(max(force, -1), 1)
        energies.append((v @ v + stretch @ stretch) / 2)
        x += 0.1 * v
    moved = state.astype("float32")
    network = policy.Policy(list(net.weights), list(net.biases))
    assert policy.roll_out(network, moved, n_steps, 7) == pytest.approx(np.mean(energies), rel=1e-4)
    np.testing.assert_allclose(moved, np.concatenate([x, v]), atol=1e-3)


@needs_policy
@pytest.mark.slow("test_a_client_predicts_the_same_bits_as_the_network")
def test_the_policy_refuses_what_it_cannot_run(build):
    policy = load(build, "policy")
    net = MLP([2 * policy.N_MASSES, 12, 2], rng=0)
    with pytest.raises(ValueError, match=r"Layer 1 has weights of shape \(12, 2\) and 2 biases"):
        policy.Policy(list(net.weights), list(net.biases))
    with pytest.raises(ValueError, match="1 to 8 layers, got 0 weights"):
        policy.Policy([], [])
    with pytest.raises(ValueError, match="state must have 30 numbers, got 4"):
        policy.roll_out(None, np.zeros(4, "float32"), 1)


@needs_policy
@pytest.mark.slow("test_a_client_predicts_the_same_bits_as_the_network")
def test_the_policy_calms_the_chain(build):
    load(build, "policy")
    command, options = [sys.executable, "run.py", "--steps", "100000"], dict(text=True, cwd=build)
    ran = subprocess.run(command, env=environment(), capture_output=True, **options)
    assert (ran.returncode, ran.stderr) == (0, "")
    without, controlled = map(float, re.findall(r"mean energy +([\d.]+)", ran.stdout))
    assert controlled < 1 < 50 < without

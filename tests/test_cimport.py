"""Other compiled code: a client in Cython, built outside the package, that reaches the kernels by
cimport and calls them without Python."""

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
from fastnn import MLP, kernels
from fastnn.activations import ACTIVATIONS

CLIENT = """
# cython: language_level=3
cdef extern from "<stdlib.h>" nogil:
    void* aligned_alloc(size_t alignment, size_t size)
    void free(void* memory)
from libc.string cimport memset
from fastnn.kernels cimport RELU, SIGMOID, API_VERSION, Network, Table, table

cdef class Client:
    "A float32 network of two layers that owns nothing of fastnn but its functions."
    cdef const Table* kernels
    cdef Network net
    cdef Py_ssize_t sizes[3]
    cdef int activations[2]
    cdef void* weights[2]
    cdef void* biases[2]

    def __init__(self, float[:, ::1] W0, float[::1] b0, float[:, ::1] W1, float[::1] b1, int output=SIGMOID):
        self.kernels = table(sizeof(float))
        self.sizes[0], self.sizes[1], self.sizes[2] = W0.shape[0], W0.shape[1], W1.shape[1]
        self.activations[0], self.activations[1] = RELU, output
        self.weights[0], self.weights[1] = &W0[0, 0], &W1[0, 0]
        self.biases[0] = &b0[0]
        self.biases[1] = NULL if b1 is None else &b1[0]
        self.net.n_layers = 2
        self.net.sizes = self.sizes
        self.net.activations = self.activations
        self.net.weights = self.weights
        self.net.biases = self.biases

    def forward(self, const float[:, ::1] X, float[:, ::1] out):
        cdef Py_ssize_t n = X.shape[0], size = (self.kernels.forward_size(&self.net, n) + 63) // 64 * 64
        cdef void* scratch
        with nogil:                         # no Python from here
            scratch = aligned_alloc(64, size)
            memset(scratch, 0, size)
            self.kernels.forward(&self.net, &X[0, 0], n, &out[0, 0], scratch, NULL)
            free(scratch)

def facts():
    other = table(3) == NULL
    return table(4).version, table(4).itemsize, table(8).itemsize, (<bytes>table(4).name).decode(), API_VERSION, other

def activation(int kind, double[::1] z):
    cdef double scratch[64]
    cdef const Table* kernels = table(sizeof(double))
    memset(scratch, 0, sizeof(scratch))
    with nogil:
        kernels.activation(kind, &z[0], &z[0], 1, z.shape[0], scratch)
    return kernels.row_size(z.shape[0]) <= <Py_ssize_t>sizeof(scratch)
"""

SETUP = """
from Cython.Build import cythonize
from setuptools import Extension, setup
setup(name="client", ext_modules=cythonize([Extension("client", ["client.pyx"])]))
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    pytest.importorskip("Cython", reason="Cython is not installed")
    pytest.importorskip("setuptools", reason="setuptools is not installed")
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    if not any(shutil.which(name) for name in (compiler.split()[0], "cc", "gcc", "clang")):
        pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("client")
    (folder / "client.pyx").write_text(CLIENT)
    (folder / "setup.py").write_text(SETUP)
    paths = [str(Path(fastnn.__file__).parents[1]), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "CFLAGS": "-O0 -g0"}
    command = [sys.executable, "setup.py", "build_ext", "--inplace"]
    built = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100
    )
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    spec = importlib.util.spec_from_file_location(
        "client", folder / ("client" + sysconfig.get_config_var("EXT_SUFFIX"))
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("n", [1, 7, 8, 300])
@pytest.mark.parametrize("sizes", [(3, 5, 1), (30, 33, 4)])
def test_a_client_computes_the_same_bits_as_the_network(client, sizes, n):
    net = MLP(sizes, output="sigmoid", rng=0)
    net.params += 0.1
    X = np.random.default_rng(0).normal(size=(n, sizes[0])).astype("float32")
    out = np.empty((n, sizes[-1]), "float32")
    client.Client(net.weights[0], net.biases[0], net.weights[1], net.biases[1]).forward(X, out)
    assert out.tobytes() == net.forward(X).tobytes()


def test_a_client_may_leave_out_a_bias(client):
    net = MLP([3, 5, 2], rng=0)
    X, out = np.ones((9, 3), "float32"), np.empty((9, 2), "float32")
    client.Client(
        net.weights[0], net.biases[0], net.weights[1], None, int(kernels.Activation.IDENTITY)
    ).forward(X, out)
    assert out.tobytes() == net.forward(X).tobytes()  # whose bias is 0


def test_the_table_is_that_of_the_chosen_variant(client, isa):
    version, single, double, name, expected_version, nothing_else = client.facts()
    assert (version, single, double, name, nothing_else) == (expected_version, 4, 8, isa, True)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_client_uses_the_activations(client, name):
    z = np.linspace(-3, 3, 11)
    expected = fastnn.functional.activation(z, name)
    assert client.activation(ACTIVATIONS[name], z)  # in place, with scratch enough
    assert z.tobytes() == expected.tobytes()

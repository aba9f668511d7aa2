"""Short calls of every kernel, to run under valgrind.

    PYTHONMALLOC=malloc valgrind --error-exitcode=9 --leak-check=no python tests/on_demand/valgrind_smoke.py

valgrind finds reads of memory that was never written, which AddressSanitizer does not. It runs no
AVX-512. `--planted` reads such memory in a kernel, to see that valgrind reports it.
"""

import os
import sys
import tempfile

import numpy as np

import fastnn
from fastnn import MLP, activations, kernels, losses, optimizers

RNG = np.random.default_rng(0)


def planted():
    """Let a branch of a kernel depend on memory that was never written."""
    MLP([1, 1], rng=0).fit(np.empty((1000, 1), "f"), np.empty(1000, "f"), epochs=1)


def networks(isa, dtype):
    """Every activation, with widths around the size of a vector, in batches with and without a rest."""
    X = RNG.normal(size=(70, 5)).astype(dtype)
    for i, name in enumerate(activations.HIDDEN):
        net = MLP([5, 7 + i, 17, 3], name, dtype=dtype, rng=0, dropout=0.1 * (i % 2))
        for n in (1, 3, 70):
            assert np.isfinite(net.forward(X[:n])).all()
        net.fit(X, X[:, :3], epochs=2, batch_size=33, n_threads=1 + i % 2)


def targets(name, n_out, dtype):
    if name == "cross_entropy":
        return np.arange(70) % n_out
    return RNG.uniform(0.1, 0.9, size=(70, n_out)).astype(dtype)


OUTPUTS = {"bce": "sigmoid", "cross_entropy": "softmax", "poisson": "exponential"}


def training(isa, dtype):
    """Every loss and every optimizer."""
    X = RNG.normal(size=(70, 5)).astype(dtype)
    for name in losses.LOSSES:
        n_out = 4 if name == "gaussian_nll" else 3
        net = MLP([5, 9, n_out], output=OUTPUTS.get(name, "identity"), dtype=dtype, rng=0)
        y = targets(name, n_out // 2 if name == "gaussian_nll" else n_out, dtype)
        net.fit(X, y, name, epochs=2, sample_weight=np.ones(70), validation_fraction=0.3)
        net.loss_and_grad(X, y, name)
    for name in optimizers.OPTIMIZERS:
        net = MLP([5, 9, 1], dtype=dtype, rng=0)
        net.fit(X, X[:, 0], optimizer=optimizers.OPTIMIZERS[name](), epochs=2, batch_size=16)


def many_and_files(isa, dtype):
    X = RNG.normal(size=(70, 5)).astype(dtype)
    nets = [MLP([5, 6 + i % 2, 1], dtype=dtype, rng=i) for i in range(4)]
    fastnn.fit_many(nets, X, X[:, 0], epochs=2, n_threads=2)
    fastnn.forward_many(nets[::2], X)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "net.safetensors")
        nets[0].save(path)
        assert np.array_equal(fastnn.load(path).params, nets[0].params)


def main():
    if "--planted" in sys.argv:
        planted()
        return
    for isa in kernels.SUPPORTED:
        if isa == "avx512":
            continue
        kernels.use(isa)
        for dtype in ("float32", "float64"):
            for check in (networks, training, many_and_files):
                check(isa, dtype)
        print(f"{isa}: done", flush=True)


if __name__ == "__main__":
    main()

"""Fuzz the readers of model files with atheris (`pip install atheris`).

    python tests/on_demand/fuzz_model_files.py [SECONDS]

The first inputs are files of a network, of a training that was stopped, and of several networks. A
changed file loads or raises ModelFileError. Every other exception, a read that takes more than
2 seconds or needs more than 512 MB, and a crash end the run with exit code 77 or another one that
is not 0; libFuzzer then stores the input in the working directory.
"""

import contextlib
import json
import random
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["fastnn.files", "fastnn.mlp", "fastnn.many"]):
    from fastnn import many
    from fastnn.files import model
    from fastnn.files.safetensors import Reader

import io

import numpy as np

import fastnn
from fastnn.files import ModelFileError
from fastnn.mlp import from_content

# what the headers get: names of entries, and values of which some are right elsewhere
NAMES = ["state", "user", "names", "groups", "order", "params", "best_params", "W0", "W1", "b0"]
VALUES = [
    *(None, True, False, 0, 1, -1, 2, 7, 2**24, 2**31, 2**63, 2**64, 2**128, 10**400),
    *(0.5, -0.0, 1e308, 5e-324, float("nan"), float("inf")),
    *("", "[]", "{}", "1", "\ud800", "0" * 5000),
    *("float64", "F64", "I64", "softmax", "PCG64", "MT19937", "sgd", "adam", "lbfgs"),
    *([], {}, [[]], [1] * 1001, {"": None}),
]


def seeds():
    """Yield the content of valid files."""
    X = np.random.default_rng(0).normal(size=(20, 3))
    net = fastnn.MLP([3, 1], rng=0)
    stopped = fastnn.MLP([3, 4, 1], dropout=0.1, rng=np.random.Generator(np.random.SFC64(0)))
    stopped.fit(X, X[:, 0], epochs=3, validation_fraction=0.2, optimizer=fastnn.Adam(average=0.9))
    stopped.state.row, stopped.state.order = 4, stopped.rng.permutation(16)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        for one in (net, stopped):
            one.save(path)
            yield path.read_bytes()
        fastnn.save_many({"a": net, "b": fastnn.MLP([3, 1], rng=1)}, path)
        yield path.read_bytes()


def read(content):
    """Read one input with both readers."""
    for reader in (read_network, read_collection):
        try:
            reader(content)
        except ModelFileError as error:
            assert "\n" not in str(error)


def read_network(content):
    net = from_content(model.read_from(Reader(io.BytesIO(content), len(content))))
    if net.n_params < 10**6:
        net.forward(np.ones((2, net.layer_sizes[0])))


def read_collection(content):
    for entry in model.read_many_from(Reader(io.BytesIO(content), len(content)))[0]:
        many._network(entry, np.random.SeedSequence(0))


def mutate(content, max_size, seed):
    """Change the header and write its new length before it; sometimes change any bytes.

    A quarter of the headers remains JSON, so that the checks behind the parser see wrong values.
    """
    header = content[8 : 8 + int.from_bytes(content[:8], "little")]
    if seed % 8 == 0 or not header:
        return atheris.Mutate(content, max_size)
    changed = None
    if seed % 4 == 1:
        with contextlib.suppress(ValueError, RecursionError):
            changed = json.dumps(change(json.loads(header), random.Random(seed))).encode()
    if changed is None:
        changed = atheris.Mutate(header, max(1, max_size - len(content) + len(header)))
    return (len(changed).to_bytes(8, "little") + changed + content[8 + len(header) :])[:max_size]


def change(value, rng):
    """Return a value of JSON with one value in it, or in a text of JSON in it, replaced, removed or
    repeated."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.dumps(change(json.loads(value), rng))
    if not isinstance(value, dict | list) or not value or rng.random() < 0.05:
        return rng.choice(VALUES)
    key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
    changed, how = value.copy(), rng.random()
    if how < 0.1:
        del changed[key]
    elif how < 0.2 and isinstance(value, list):
        changed.insert(key, value[key])
    elif how < 0.2:
        changed[rng.choice(NAMES)] = value[key]
    else:
        changed[key] = change(value[key], rng)
    return changed


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    with tempfile.TemporaryDirectory() as folder:
        for i, content in enumerate(seeds()):
            read(content)
            Path(folder, f"seed{i}").write_bytes(content)
        options = [
            "-rss_limit_mb=512",
            "-timeout=2",
            "-max_len=20000",
            f"-max_total_time={seconds}",
        ]
        atheris.Setup([sys.argv[0], folder, *options], read, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

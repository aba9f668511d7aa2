"""Damaged and malicious model files."""

import io
import json

import numpy as np
import pytest
from file_edits import refused_with
from scale import step

import fastnn
from fastnn import MLP, ModelFileError
from fastnn.files import model as model_file
from fastnn.files import safetensors
from fastnn.files.safetensors import Reader
from fastnn.mlp import from_content

BIT_GENERATORS = [
    np.random.PCG64,
    np.random.PCG64DXSM,
    np.random.MT19937,
    np.random.Philox,
    np.random.SFC64,
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


# ---- damaged files ----


def loads_or_is_refused(content):
    """Load from memory, which is faster than a disk. Return whether it loaded; only
    ModelFileError may be raised."""
    try:
        net = from_content(model_file.read_from(Reader(io.BytesIO(content), len(content))))
    except ModelFileError as error:
        assert "\n" not in str(error)
        return False
    net.rng.permutation(9)
    net.forward(np.ones((2, net.layer_sizes[0])))
    return True


@pytest.mark.parametrize(
    "make", ["without_state", "net_stopped_within_an_epoch", "net_with_full_state"]
)
def test_every_truncation_is_refused(make, path, request):
    net = MLP([3, 1], rng=0) if make == "without_state" else request.getfixturevalue(make)()
    net.save(path)
    content = path.read_bytes()
    assert loads_or_is_refused(content)
    assert not any(loads_or_is_refused(content[:n]) for n in range(len(content)))
    assert not any(loads_or_is_refused(content + more) for more in (b"\0", bytes(8), content))


@pytest.mark.parametrize(
    "bits",
    [
        pytest.param(bits, marks=pytest.mark.slow("the other generators"))
        if bits is np.random.MT19937  # with 624 words
        else bits
        for bits in BIT_GENERATORS
    ],
)
def test_every_flipped_byte_loads_or_is_refused(bits, path, net_stopped_within_an_epoch):
    net = net_stopped_within_an_epoch()
    net.rng = np.random.Generator(bits(5))
    net.save(path)
    content = path.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    places = range(min(header + 20, len(content)))
    if header > 2000:
        places = [*range(0, 1200), *range(1200, header - 1000, step(1000)), *places[-1020:]]
    refused = 0
    for i in [*places, *range(header, len(content), step(37))]:
        for byte in {
            content[i] ^ 1,
            content[i] ^ 4,
            content[i] ^ 0x10,
            content[i] ^ 0x80,
            *b"9-",
        } - {content[i]}:
            refused += not loads_or_is_refused(content[:i] + bytes([byte]) + content[i + 1 :])
    assert refused > 1000


def test_arrays_that_share_bytes_are_refused(path):
    """They fill the file, but with less than their sizes."""
    arrays = {name: np.ones(4, "float32") for name in "ab"}
    safetensors.write(path, arrays, {})
    content = path.read_bytes().replace(b"[16, 32]", b" [0, 16]")[:-16]
    expected = {name: ([4], "F32") for name in arrays}
    with pytest.raises(ModelFileError, match="arrays overlap or leave gaps"):
        Reader(io.BytesIO(content), len(content)).check(expected)


# ---- malicious files: change -> part of the message ----


def change(content, edit):
    """The file with its header (and the JSON in its metadata) as `edit` leaves them."""
    n = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + n])
    inner = {name: json.loads(header["__metadata__"][name]) for name in ("network", "rng", "state")}
    before = {name: json.dumps(value) for name, value in inner.items()}
    edit(header, inner)
    for name, value in inner.items():
        if json.dumps(value) != before[name]:
            header["__metadata__"][name] = json.dumps(value)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + n :]


def setting(*keys_and_value):
    """An edit that sets one value: setting("network", "bias", 3) or setting("header", "W0",
    "shape", [1, 2])."""
    *keys, last, value = keys_and_value

    def edit(header, inner):
        place = {"header": header, **inner}
        for key in keys:
            place = place[key]
        place[last] = value

    return edit


BIG = 10**400
HARMFUL = {
    "another format": (setting("header", "__metadata__", "format", "pt"), "not a fastnn model"),
    "a newer version": (
        setting("header", "__metadata__", "format_version", "2"),
        "format version '2', but this fastnn reads version 1. Install a newer",
    ),
    "no metadata": (lambda header, inner: header.pop("__metadata__"), "metadata is missing"),
    "metadata as a list": (setting("header", "__metadata__", []), "metadata"),
    "a network that is no text": (setting("header", "__metadata__", "network", 5), "network"),
    "held-out rows without rows": (setting("state", "split_held_out", 4), "split_held_out are dam"),
    "unknown split": (setting("state", "split_method", "x"), "split_method 'x' is invalid"),
    "rows without held-out rows": (setting("state", "split_rows", 4), "split_held_out are damaged"),
    "more held-out rows than rows": (
        lambda header, inner: inner["state"].update(split_rows=4, split_held_out=4),
        "split_held_out are damaged",
    ),
    "no sizes": (setting("network", "layer_sizes", []), "layer_sizes must be 2 to"),
    "one size": (setting("network", "layer_sizes", [3]), "layer_sizes must be 2 to"),
    "no list of sizes": (setting("network", "layer_sizes", 3), "layer_sizes must be 2 to"),
    "a size of 0": (setting("network", "layer_sizes", [3, 0, 1]), "whole numbers from 1 to"),
    "a negative size": (setting("network", "layer_sizes", [3, -4, 1]), "whole numbers from 1 to"),
    "a fraction": (setting("network", "layer_sizes", [3, 4.0, 1]), "whole numbers from 1 to"),
    "a truth": (setting("network", "layer_sizes", [3, 4, True]), "whole numbers from 1 to"),
    "huge sizes": (setting("network", "layer_sizes", [2**24, 2**24, 1]), "W0"),
    "too huge a size": (
        setting("network", "layer_sizes", [3, 2**62, 1]),
        "whole numbers from 1 to",
    ),
    "a size without end": (
        setting("network", "layer_sizes", [3, BIG, 1]),
        "whole numbers from 1 to",
    ),
    "too many layers": (
        setting("network", "layer_sizes", [1] * 5000),
        "layer_sizes must be 2 to 1000",
    ),
    "other sizes": (setting("network", "layer_sizes", [3, 5, 1]), "W0"),
    "an unknown activation": (
        setting("network", "activations", ["os.system", "identity"]),
        "activations",
    ),
    "softmax inside": (setting("network", "activations", ["softmax", "identity"]), "activations"),
    "activations missing": (setting("network", "activations", ["relu"]), "activations"),
    "bias as a number": (setting("network", "bias", 1), "bias"),
    "another dtype": (setting("network", "dtype", "float16"), "float16"),
    "an unknown array": (
        setting("header", "W2", {"dtype": "F32", "shape": [], "data_offsets": [0, 0]}),
        "W2",
    ),
    "an array missing": (lambda header, inner: header.pop("b1"), "the file has the arrays"),
    "an array as a number": (setting("header", "W0", 3), "W0"),
    "array of another dtype": (setting("header", "W0", "dtype", "F64"), "W0 is not F32"),
    "array of another shape": (setting("header", "W0", "shape", [4, 3]), "W0 is not F32"),
    "a negative offset": (setting("header", "W0", "data_offsets", [-48, 0]), "W0"),
    "an offset beyond the file": (
        setting("header", "W0", "data_offsets", [10**12, 10**12 + 48]),
        "W0",
    ),
    "an offset without end": (setting("header", "W0", "data_offsets", [0, BIG]), "W0"),
    "overlapping arrays": (
        setting("header", "b0", "data_offsets", [0, 16]),
        "arrays overlap or leave gaps",
    ),
    "a hole": (
        lambda header, inner: header["order"].update(
            data_offsets=[a + 4 for a in header["order"]["data_offsets"]]
        ),
        "order",
    ),
    "an order of nothing": (setting("header", "order", "shape", [0]), "order"),
    "an order without shape": (setting("header", "order", "shape", None), "order"),
    "an unknown optimizer": (
        setting("state", "optimizer", "newton"),
        "no optimizer is called 'newton'",
    ),
    "an optimizer as a list": (setting("state", "optimizer", ["adam"]), "no optimizer is called"),
    "another optimizer": (setting("state", "optimizer", "sgd"), "settings"),
    "settings as a list": (setting("state", "settings", []), "settings"),
    "a negative learning rate": (setting("state", "settings", "lr", -1), "lr"),
    "a learning rate without end": (setting("state", "settings", "lr", BIG), "settings"),
    "betas that are none": (setting("state", "settings", "betas", 5), "betas"),
    "negative steps": (setting("state", "step", -1), "state is damaged"),
    "steps without end": (setting("state", "step", BIG), "state is damaged"),
    "a row as text": (setting("state", "row", "5"), "state is damaged"),
    "a loss without end": (setting("state", "loss_sum", BIG), "state is damaged"),
    "a schedule as a list": (setting("state", "settings", "lr", []), "lr"),
    "an unknown schedule": (
        setting("state", "settings", "lr", {"schedule": "eval"}),
        "no schedule is called 'eval'",
    ),
    "a schedule with another setting": (
        setting("state", "settings", "lr", {"schedule": "OneCycle", "x": 1}),
        "settings",
    ),
    "a negative seed": (setting("state", "seed", -1), "state is damaged"),
    "a seed without end": (setting("state", "split_seed", BIG), "state is damaged"),
    "a plateau as a list": (setting("state", "plateau", []), "plateau"),
    "a plateau that waits for nothing": (
        setting("state", "plateau", "wait", -1),
        "plateau is damaged",
    ),
    "a plateau without end": (setting("state", "plateau", "lr", BIG), "plateau"),
    "a best epoch as a list": (setting("state", "best", []), "best"),
    "a best epoch without loss": (setting("state", "best", {"epoch": 1}), "best is damaged"),
    "no best epoch for its parameters": (
        setting("state", "best", None),
        "only one of best and best_params",
    ),
    "no parameters beside their average": (
        lambda header, inner: header.pop("params"),
        "but not the parameters",
    ),
    "parameters of another shape": (
        setting("header", "best_params", "shape", [3]),
        "best_params is not F32",
    ),
    "dropout as a number": (setting("network", "dropout", 0.5), "dropout"),
    "dropout of everything": (setting("network", "dropout", [0.0, 1.0]), "dropout"),
    "dropout of another network": (setting("network", "dropout", [0.0]), "dropout"),
    "a state as null": (setting("header", "__metadata__", "state", None), "state"),
    "no generator": (lambda header, inner: header["__metadata__"].pop("rng"), "rng is missing"),
    "a generator of another kind": (
        setting("rng", "bit_generator", "seed"),
        "got 'seed'",
    ),
    "a generator as a list": (setting("rng", "bit_generator", ["PCG64"]), "rng"),
    "a generator without state": (setting("rng", "state", None), "generator"),
    "a generator's state too large": (setting("rng", "state", "state", BIG), "generator"),
    "a generator's negative state": (setting("rng", "state", "state", -1), "generator"),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_files_are_refused_with_a_reason(
    name, path, net_stopped_within_an_epoch, net_with_full_state
):
    edit, message = HARMFUL[name]
    everything = any(
        word in name for word in ("plateau", "best", "average", "dropout", "another shape")
    )
    (net_with_full_state if everything else net_stopped_within_an_epoch)().save(path)
    path.write_bytes(change(path.read_bytes(), edit))
    refused_with(message, path)


@pytest.mark.parametrize("row", [-1, 70, 2**62, 5])
def test_an_invalid_order_of_rows_is_refused(row, path, net_stopped_within_an_epoch):
    """Kernels read the rows that it lists: row numbers out of bounds or listed twice must not
    reach them."""
    net = net_stopped_within_an_epoch()
    net.state.order[net.state.order == 7] = row
    net.save(path)
    with pytest.raises(ModelFileError, match="order is not a permutation of the rows"):
        fastnn.load(path)


GENERATORS = {
    "a position after the end": (np.random.MT19937, ("state", "pos", 625)),
    "a position far away": (np.random.MT19937, ("state", "pos", 2**31 - 1)),
    "a negative position": (np.random.MT19937, ("state", "pos", -1)),
    "too short a key": (np.random.MT19937, ("state", "key", [1] * 623)),
    "too long a key": (np.random.MT19937, ("state", "key", [1] * 625)),
    "a nested key": (np.random.MT19937, ("state", "key", [[1] * 624])),
    "a buffer position far away": (np.random.Philox, ("buffer_pos", 10**6)),
    "a negative buffer position": (np.random.Philox, ("buffer_pos", -1000)),
    "too short a buffer": (np.random.Philox, ("buffer", [1, 2])),
    "too short a counter": (np.random.Philox, ("state", "counter", [1])),
    "too short a state": (np.random.SFC64, ("state", "state", [1])),
}


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_whose_state_does_not_fit_is_refused(name, path, net_stopped_within_an_epoch):
    bits, keys = GENERATORS[name]
    net = net_stopped_within_an_epoch()
    net.rng = np.random.Generator(bits(5))
    net.save(path)
    path.write_bytes(change(path.read_bytes(), setting("rng", *keys)))
    with pytest.raises(ModelFileError, match="generator"):
        fastnn.load(path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"", "not a safetensors file, or truncated"),
        (b"{", "header is not JSON"),
        (b"[]", "header is missing or not a mapping"),
        (b"\xff\xfe{", "header is not JSON"),
        (b'{"a": 1, "a": 2}', "duplicate keys"),
        (b'{"__metadata__": {"format": "pt", "format": "fastnn"}}', "duplicate keys"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "header is not JSON"),
        (b"[" * 300_000, "header is not JSON"),
        (b'{"a": ' + b"9" * 100_000 + b"}", "header is not JSON"),
        (b" " * 16_000_001, "not a safetensors file, or truncated"),
    ],
)
def test_invalid_headers_are_refused(header, message, path):
    path.write_bytes(len(header).to_bytes(8, "little") * bool(header) + header)
    with pytest.raises(ModelFileError, match=message):
        fastnn.load(path)


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 10**6, 0])
def test_headers_with_a_wrong_length_are_refused(length, path):
    MLP([3, 1], rng=0).save(path)
    path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
    with pytest.raises(ModelFileError):
        fastnn.load(path)

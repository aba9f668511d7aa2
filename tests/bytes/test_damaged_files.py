"""Damaged and malicious model files."""

import io

import numpy as np
import pytest
from file_edits import change, refused_with, setting
from scale import step

import fastnn
from fastnn import MLP, ModelFileError
from fastnn.files import model as model_file
from fastnn.files import safetensors
from fastnn.files.safetensors import Reader
from fastnn.mlp import from_content

BIT_GENERATORS = [getattr(np.random, name) for name in "PCG64 PCG64DXSM Philox SFC64".split()]
# with 624 words
BIT_GENERATORS.append(
    pytest.param(np.random.MT19937, marks=pytest.mark.slow("the other generators"))
)


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


NETS = ["without_state", "net_stopped_within_an_epoch", "net_with_full_state"]


@pytest.mark.parametrize("make", NETS)
def test_every_truncation_is_refused(make, path, request):
    net = MLP([3, 1], rng=0) if make == "without_state" else request.getfixturevalue(make)()
    net.save(path)
    content = path.read_bytes()
    assert loads_or_is_refused(content)
    assert not any(loads_or_is_refused(content[:n]) for n in range(len(content)))
    assert not any(loads_or_is_refused(content + more) for more in (b"\0", bytes(8), content))
    path.write_bytes(content[:-1])
    with pytest.raises(ModelFileError, match=r"bytes, but the file has .* truncated or has extra"):
        fastnn.load(path)


@pytest.mark.spread(1)
@pytest.mark.parametrize("bits", BIT_GENERATORS)
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
        old = content[i]
        for byte in {old ^ 1, old ^ 4, old ^ 0x10, old ^ 0x80, *b"9-"} - {old}:
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


BIG, COUNTS, HELD_OUT = 10**400, "whole numbers from 1 to", "split_held_out are damaged"
LISTS, DAMAGED = "layer_sizes must be 2 to", "state is damaged"
NO_EVAL, ONE_OF = "no schedule is called 'eval'", "only one of best and best_params"
NEWER = "format version '2', but this fastnn reads version 1. Install a newer"
EVAL, CYCLE = {"schedule": "eval"}, {"schedule": "OneCycle", "x": 1}
EMPTY = {"dtype": "F32", "shape": [], "data_offsets": [0, 0]}


def shift_order(header, state):
    header["order"]["data_offsets"] = [a + 4 for a in header["order"]["data_offsets"]]


VALUES = [  # (name, where, value, part of the message)
    ("metadata as a list", "header __metadata__", [], "metadata"),
    ("another format", "header __metadata__ format", "pt", "not a fastnn model"),
    ("a newer version", "header __metadata__ format_version", "2", NEWER),
    ("a network that is no text", "header __metadata__ network", 5, "network"),
    ("a state as null", "header __metadata__ state", None, "state"),
    ("an unknown array", "header W2", EMPTY, "W2"),
    ("an array as a number", "header W0", 3, "W0"),
    ("array of another dtype", "header W0 dtype", "F64", "W0 is not F32"),
    ("array of another shape", "header W0 shape", [4, 3], "W0 is not F32"),
    ("a negative offset", "header W0 data_offsets", [-48, 0], "W0"),
    ("an offset beyond the file", "header W0 data_offsets", [10**12, 10**12 + 48], "leave gaps"),
    ("an offset without end", "header W0 data_offsets", [0, BIG], "W0"),
    ("overlapping arrays", "header b0 data_offsets", [0, 16], "arrays overlap or leave gaps"),
    ("an order of nothing", "header order shape", [0], "order"),
    ("an order without shape", "header order shape", None, "order"),
    ("parameters of another shape", "header best_params shape", [3], "best_params is not F32"),
    ("no sizes", "network layer_sizes", [], LISTS),
    ("one size", "network layer_sizes", [3], LISTS),
    ("no list of sizes", "network layer_sizes", 3, LISTS),
    ("too many layers", "network layer_sizes", [1] * 5000, "layer_sizes must be 2 to 1000"),
    ("a size of 0", "network layer_sizes", [3, 0, 1], COUNTS),
    ("a negative size", "network layer_sizes", [3, -4, 1], COUNTS),
    ("a fraction", "network layer_sizes", [3, 4.0, 1], COUNTS),
    ("a truth", "network layer_sizes", [3, 4, True], COUNTS),
    ("too huge a size", "network layer_sizes", [3, 2**62, 1], COUNTS),
    ("a size without end", "network layer_sizes", [3, BIG, 1], COUNTS),
    ("huge sizes", "network layer_sizes", [2**24, 2**24, 1], "W0"),
    ("other sizes", "network layer_sizes", [3, 5, 1], "W0"),
    ("an unknown activation", "network activations", ["os.system", "identity"], "activations"),
    ("softmax inside", "network activations", ["softmax", "identity"], "activations"),
    ("activations missing", "network activations", ["relu"], "activations"),
    ("bias as a number", "network bias", 1, "bias"),
    ("another dtype", "network dtype", "float16", "float16"),
    ("dropout as a number", "network dropout", 0.5, "dropout"),
    ("dropout of everything", "network dropout", [0.0, 1.0], "dropout"),
    ("dropout of another network", "network dropout", [0.0], "dropout"),
    ("held-out rows without rows", "state split_held_out", 4, HELD_OUT),
    ("rows without held-out rows", "state split_rows", 4, HELD_OUT),
    ("unknown split", "state split_method", "x", "split_method 'x' is invalid"),
    ("an unknown optimizer", "state optimizer", "newton", "no optimizer is called 'newton'"),
    ("an optimizer as a list", "state optimizer", ["adam"], "no optimizer is called"),
    ("another optimizer", "state optimizer", "sgd", "settings"),
    ("settings as a list", "state settings", [], "settings"),
    ("a negative learning rate", "state settings lr", -1, "lr"),
    ("a learning rate without end", "state settings lr", BIG, "settings"),
    ("a schedule as a list", "state settings lr", [], "lr"),
    ("an unknown schedule", "state settings lr", EVAL, NO_EVAL),
    ("a schedule with another setting", "state settings lr", CYCLE, "settings"),
    ("betas that are none", "state settings betas", 5, "betas"),
    ("negative steps", "state step", -1, DAMAGED),
    ("steps without end", "state step", BIG, DAMAGED),
    ("a row as text", "state row", "5", DAMAGED),
    ("a loss without end", "state loss_sum", BIG, DAMAGED),
    ("a negative seed", "state seed", -1, DAMAGED),
    ("a seed without end", "state split_seed", BIG, DAMAGED),
    ("a plateau as a list", "state plateau", [], "plateau"),
    ("a plateau that waits for nothing", "state plateau wait", -1, "plateau is damaged"),
    ("a plateau without end", "state plateau lr", BIG, "plateau"),
    ("a best epoch as a list", "state best", [], "best"),
    ("a best epoch without loss", "state best", {"epoch": 1}, "best is damaged"),
    ("no best epoch for its parameters", "state best", None, ONE_OF),
    ("a generator of another kind", "rng bit_generator", "seed", "got 'seed'"),
    ("a generator as a list", "rng bit_generator", ["PCG64"], "rng"),
    ("a generator without state", "rng state", None, "generator"),
    ("a generator's state too large", "rng state state", BIG, "generator"),
    ("a generator's negative state", "rng state state", -1, "generator"),
]


def without(*keys):
    """An edit that takes away a part of the header."""

    def edit(header, _):
        for key in keys[:-1]:
            header = header[key]
        del header[keys[-1]]

    return edit


def more_held_out(header, state):
    state.update(split_rows=4, split_held_out=4)


HARMFUL = {  # name: (the JSON in the metadata, the edit, part of the message)
    "no metadata": ("state", without("__metadata__"), "metadata is missing"),
    "more held-out rows than rows": ("state", more_held_out, HELD_OUT),
    "an array missing": ("state", without("b1"), "the file has the arrays"),
    "a hole": ("state", shift_order, "arrays overlap or leave gaps"),
    "no parameters beside their average": ("state", without("params"), "but not the parameters"),
    "no generator": ("state", without("__metadata__", "rng"), "rng is missing"),
}
for name, place, value, message in VALUES:
    key, *keys = place.split()
    inner, keys = ("network", [key, *keys]) if key == "header" else (key, keys)
    HARMFUL[name] = inner, setting(*keys, value), message
WHOLE = "plateau", "best", "average", "dropout", "another shape"  # need a full state


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_files_are_refused_with_a_reason(name, path, request):
    inner, edit, message = HARMFUL[name]
    everything = any(word in name for word in WHOLE)
    made = "net_with_full_state" if everything else "net_stopped_within_an_epoch"
    request.getfixturevalue(made)().save(path)
    path.write_bytes(change(path.read_bytes(), inner, edit))
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
    np.random.MT19937: {
        "a position after the end": ("state", "pos", 625),
        "a position far away": ("state", "pos", 2**31 - 1),
        "a negative position": ("state", "pos", -1),
        "too short a key": ("state", "key", [1] * 623),
        "too long a key": ("state", "key", [1] * 625),
        "a nested key": ("state", "key", [[1] * 624]),
    },
    np.random.Philox: {
        "a buffer position far away": ("buffer_pos", 10**6),
        "a negative buffer position": ("buffer_pos", -1000),
        "too short a buffer": ("buffer", [1, 2]),
        "too short a counter": ("state", "counter", [1]),
    },
    np.random.SFC64: {"too short a state": ("state", "state", [1])},
}
GENERATORS = {
    name: (bits, keys) for bits, cases in GENERATORS.items() for name, keys in cases.items()
}


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_whose_state_does_not_fit_is_refused(name, path, net_stopped_within_an_epoch):
    bits, keys = GENERATORS[name]
    net = net_stopped_within_an_epoch()
    net.rng = np.random.Generator(bits(5))
    net.save(path)
    path.write_bytes(change(path.read_bytes(), "rng", setting(*keys)))
    with pytest.raises(ModelFileError, match="generator"):
        fastnn.load(path)


DUPLICATE = b'{"__metadata__": {"format": "pt", "format": "fastnn"}}'
HEADERS = [
    *((header, "not a safetensors file, or truncated") for header in (b"", b" " * 16_000_001)),
    *((header, "header is not JSON") for header in (b"{", b"\xff\xfe{", b"[" * 300_000)),
    (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "header is not JSON"),
    (b'{"a": ' + b"9" * 100_000 + b"}", "header is not JSON"),
    (b"[]", "header is missing or not a mapping"),
    *((header, "duplicate keys") for header in (b'{"a": 1, "a": 2}', DUPLICATE)),
]


@pytest.mark.parametrize(("header", "message"), HEADERS, ids=lambda x: str(x)[:30])
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

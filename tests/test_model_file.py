"""Model files: whole round trips, files that others read, saves that fail, and files that were damaged or made to harm."""

import ast
import io
import json
import os
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import fastnn
from fastnn import MLP, SGD, Adam, EarlyStopping, ModelFileError, optimizers, schedules
from fastnn.files import model as model_file
from fastnn.schedules import ReduceOnPlateau

X = np.random.default_rng(1).normal(size=(70, 3))
BIT_GENERATORS = [np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64]


def text_of(generator):
    return json.dumps(generator.bit_generator.state, default=lambda a: a.tolist())


def assert_same(a, b):
    assert (a.layer_sizes, a.activations, a.bias, a.dtype, a.dropout) == (b.layer_sizes, b.activations, b.bias, b.dtype, b.dropout)
    assert a.params.tobytes() == b.params.tobytes() and text_of(a.rng) == text_of(b.rng)
    assert (a.state is None) == (b.state is None)
    if a.state is not None:
        for name in ("optimizer", "step", "epoch", "row", "loss_sum", "seed", "split_seed", "plateau"):
            assert getattr(a.state, name) == getattr(b.state, name)
        assert a.state.moments.tobytes() == b.state.moments.tobytes() and a.state.moments.dtype == b.state.moments.dtype == a.dtype
        assert np.array_equal(a.state.order, b.state.order) and np.array_equal(a.state.params, b.state.params)
        assert (a.state.best is None) == (b.state.best is None)
        if a.state.best is not None:
            assert (a.state.best.loss, a.state.best.epoch) == (b.state.best.loss, b.state.best.epoch)
            assert a.state.best.params.tobytes() == b.state.best.params.tobytes()


def stopped_within_an_epoch(**options):
    """A network with an order and a row in its state."""
    net = MLP([3, 4, 1], rng=0, **options)
    net.fit(X, X[:, 0], epochs=2, batch_size=8)
    net.state.row, net.state.loss_sum, net.state.order = 16, 1.25, net.rng.permutation(70)
    return net


def with_all_that_a_state_can_hold(**options):
    """An average, a plateau, a best epoch, seeds, and an epoch that was stopped."""
    net = MLP([3, 4, 1], rng=0, dropout=[0.1, 0.2], **options)
    optimizer = SGD(ReduceOnPlateau(0.3, patience=0, min_delta=0.5), clip_norm=1.0, average=0.9)
    net.fit(X, X[:, 0], "huber", optimizer, 3, 8, validation_fraction=0.3, callbacks=EarlyStopping(2))
    net.state.row, net.state.loss_sum, net.state.order = 16, 1.25, net.rng.permutation(49)
    state = net.state
    assert state.seed and state.split_seed and state.plateau.lr < 0.3 and state.best and state.params is not None
    return net


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


# ---- round trips ----


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("optimizer", [None, SGD(0.1), SGD(0.1, 0.9, True, 0.01), Adam(0.01, (0.8, 0.99), 1e-6, 0.1)], ids=repr)
def test_what_is_saved_comes_back(optimizer, bias, dtype, path):
    net = MLP([3, 4, 5, 2], ["gelu", "tanh"], "softmax", bias, dtype, rng=3)
    if optimizer:
        net.fit(X, np.arange(70) % 2, optimizer=optimizer, epochs=3)
    net.save(path)
    loaded = fastnn.load(path)
    assert_same(loaded, net)
    assert type(loaded) is MLP and loaded.history is None and loaded.forward(X).tobytes() == net.forward(X).tobytes()


def test_all_that_a_state_can_hold_comes_back(dtype, path):
    net = with_all_that_a_state_can_hold(dtype=dtype)
    net.save(path)
    assert_same(fastnn.load(path), net)


SETTINGS = dict(l1=0.1, l2=0.2, clip_value=3.0, average=0.5)
OPTIMIZERS = [
    *(optimizers.find(name) for name in optimizers.OPTIMIZERS), *(cls(schedule) for cls, schedule in zip(
        [SGD, Adam, fastnn.RMSprop, fastnn.NAdam],
        [schedules.StepDecay(0.1, 3), schedules.OneCycle(0.1, 9), schedules.CosineDecay(0.1, 5, 1), schedules.ExponentialDecay(0.1, 0.5)])),
    fastnn.AdamW(amsgrad=True, **SETTINGS), fastnn.RMSprop(centered=True, momentum=0.1, **SETTINGS),
]  # fmt: skip


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_every_optimizer_comes_back(optimizer, path):
    net = MLP([3, 4, 1], rng=0)
    net.fit(X, X[:, 0], optimizer=optimizer, epochs=2)
    net.save(path)
    assert_same(fastnn.load(path), net)


@pytest.mark.parametrize("bits", BIT_GENERATORS)
def test_every_generator_of_numpy_goes_on_where_it_was(bits, path):
    net = MLP([3, 1], rng=np.random.Generator(bits(5)))
    net.rng.integers(2**32, size=3, dtype=np.uint32)  # half of a 64-bit number may be waiting
    net.save(path)
    loaded = fastnn.load(path)
    assert_same(loaded, net)
    assert loaded.rng.random(1000).tolist() == net.rng.random(1000).tolist()


def test_a_stopped_epoch_comes_back(dtype, path):
    net = stopped_within_an_epoch(dtype=dtype)
    net.save(path)
    loaded = fastnn.load(path)
    assert_same(loaded, net)
    assert loaded.fit(X, X[:, 0], epochs=2, resume=True).loss == net.fit(X, X[:, 0], epochs=2, resume=True).loss


@pytest.mark.parametrize("values", [np.nan, np.inf, -0.0, 5e-324])
def test_every_number_comes_back(values, path):
    net = MLP([3, 1], dtype="float64", rng=0)
    net.params[:] = values
    net.save(path)
    assert fastnn.load(path).params.tobytes() == net.params.tobytes()


def test_paths_of_every_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = MLP([3, 1], rng=0)
    for path in ["net", Path("net"), str(tmp_path / "net"), "nét … 1.bin"]:
        net.save(path)
        assert_same(fastnn.load(path), net)
    os.symlink("net", "link")
    net.params[:] = 1
    net.save("link")
    assert os.path.islink("link") and (fastnn.load("net").params == 1).all()
    assert sorted(os.listdir()) == sorted(["net", "nét … 1.bin", "link"])


def test_a_foreign_generator_is_refused(path):
    class Mine(np.random.PCG64):
        state = property(lambda self: {"bit_generator": "Mine", "state": {}})

    net = MLP([3, 1], rng=0)
    net.rng = np.random.Generator(Mine(0))
    with pytest.raises(ValueError, match=r"net.rng uses Mine, which a model file cannot hold; set net.rng to one of numpy's"):
        net.save(path)
    assert not path.exists()


# ---- the format ----


def test_others_read_it(path, dtype):
    safetensors = pytest.importorskip("safetensors", reason="the package safetensors is not installed")
    from safetensors.numpy import load_file, save_file

    net = stopped_within_an_epoch(dtype=dtype)
    net.save(path)
    arrays = load_file(path)
    expected = {"W0": net.weights[0], "b0": net.biases[0], "W1": net.weights[1], "b1": net.biases[1], "moments": net.state.moments}
    assert set(arrays) == {*expected, "order"} and arrays["order"].tolist() == net.state.order.tolist()
    for name, a in expected.items():
        np.testing.assert_array_equal(arrays[name], a, strict=True)
    with safetensors.safe_open(path, "numpy") as file:
        metadata = file.metadata()
    assert metadata["format"] == "fastnn" and metadata["format_version"] == "1"
    save_file(arrays, path, metadata)  # in an order of its own
    assert_same(fastnn.load(path), net)
    save_file(arrays, path)
    with pytest.raises(ModelFileError, match="metadata is missing"):
        fastnn.load(path)
    save_file(arrays, path, {"format": "pt"})
    with pytest.raises(ModelFileError, match="not a fastnn model"):
        fastnn.load(path)


def test_the_loader_can_run_no_code():
    names = {name for node in ast.walk(ast.parse(Path(model_file.__file__).read_text())) for name in words(node)}
    assert names.isdisjoint({"pickle", "marshal", "shelve", "importlib", "eval", "exec", "compile", "__import__", "globals"})
    assert "json" in names


def words(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [getattr(node, "id", None), getattr(node, "attr", None), getattr(node, "module", None), getattr(node, "name", None)]


def test_missing_files_and_folders_are_what_python_says(tmp_path):
    with pytest.raises(FileNotFoundError):
        fastnn.load(tmp_path / "nothing")
    with pytest.raises(OSError):
        fastnn.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        MLP([3, 1], rng=0).save(tmp_path / "no folder" / "net")


# ---- saves that fail ----


class Broken:
    """A file that takes so many bytes and no more."""

    def __init__(self, room, error):
        self.room, self.error = room, error

    def __call__(self, *arguments):
        self.file = open(*arguments)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, data):
        self.file.write(bytes(data)[: self.room])
        self.room -= len(bytes(data))
        if self.room < 0:
            raise self.error

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize("old", [True, False], ids=["over an old file", "new"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full disk", "Ctrl-C"])
@pytest.mark.parametrize("where", [0, 7, 500, 900, "fsync", "replace"])
def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(where, error, old, path, monkeypatch):
    net = stopped_within_an_epoch()
    before = [path] if old else []
    if old:
        net.save(path)
    content = old and path.read_bytes()
    net.params[:] = 0

    def fail(*_):
        raise error

    with monkeypatch.context() as patch:
        if isinstance(where, int):
            patch.setattr(model_file, "open", Broken(where, error), raising=False)
        else:
            patch.setattr(os, where, fail)
        with pytest.raises(type(error)):
            net.save(path)
    assert list(path.parent.iterdir()) == before and (not old or path.read_bytes() == content)
    net.save(path)
    assert_same(fastnn.load(path), net)


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot sync a folder")
def test_the_file_is_synced_before_it_takes_the_name_and_the_folder_after(path, monkeypatch):
    calls, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}"))), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("needs /proc to know which file is synced")
    MLP([3, 1], rng=0).save(path)
    assert len(calls) == 3 and calls[0].endswith(".tmp") and calls[1:] == ["replace", path.parent.name]


def test_many_threads_may_save_to_one_name(path):
    nets = [MLP([30, 40, 1], rng=seed) for seed in range(4)]
    threads = [threading.Thread(target=lambda net=net: [net.save(path) for _ in range(10)]) for net in nets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fastnn.load(path).params.tobytes() in [net.params.tobytes() for net in nets] and len(list(path.parent.iterdir())) == 1


# ---- files that were damaged ----


def loads_or_is_refused(content):
    """Nothing but a network or a ModelFileError may come of it; whether it was loaded. In memory, since disks take their time."""
    try:
        net = model_file._read(io.BytesIO(content), len(content))
    except ModelFileError as error:
        assert "\n" not in str(error)
        return False
    net.rng.permutation(9)
    net.forward(np.ones((2, net.layer_sizes[0])))
    return True


@pytest.mark.parametrize("make", [lambda: MLP([3, 1], rng=0), stopped_within_an_epoch, with_all_that_a_state_can_hold])
def test_every_truncation_is_refused(make, path):
    net = make()
    net.save(path)
    content = path.read_bytes()
    assert loads_or_is_refused(content)
    assert not any(loads_or_is_refused(content[:n]) for n in range(len(content)))
    assert not any(loads_or_is_refused(content + more) for more in (b"\0", bytes(8), content))


@pytest.mark.parametrize("bits", BIT_GENERATORS)
def test_every_flipped_byte_loads_or_is_refused(bits, path):
    net = stopped_within_an_epoch()
    net.rng = np.random.Generator(bits(5))
    net.save(path)
    content = path.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    places = list(range(min(header + 20, len(content)))) if header < 2000 else [*range(1200), *range(header - 1000, header + 20)]
    refused = 0
    for at in [*places, *range(header, len(content), 37)]:
        for byte in {content[at] ^ 1, content[at] ^ 4, content[at] ^ 0x10, content[at] ^ 0x80, *b"9-"} - {content[at]}:
            refused += not loads_or_is_refused(content[:at] + bytes([byte]) + content[at + 1 :])
    assert refused > 1000


# ---- files that were made to harm: what is changed -> part of the message ----


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
    """An edit that sets one value: setting("network", "bias", 3) or setting("header", "W0", "shape", [1, 2])."""
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
    "a newer version": (setting("header", "__metadata__", "format_version", "2"), "version '2', this fastnn reads 1: install a newer"),
    "no metadata": (lambda header, inner: header.pop("__metadata__"), "metadata is missing"),
    "metadata as a list": (setting("header", "__metadata__", []), "metadata"),
    "a network that is no text": (setting("header", "__metadata__", "network", 5), "network"),
    "no sizes": (setting("network", "layer_sizes", []), "layer_sizes must be 2 to"),
    "one size": (setting("network", "layer_sizes", [3]), "layer_sizes must be 2 to"),
    "no list of sizes": (setting("network", "layer_sizes", 3), "layer_sizes must be 2 to"),
    "a size of 0": (setting("network", "layer_sizes", [3, 0, 1]), "whole numbers of 1 to"),
    "a negative size": (setting("network", "layer_sizes", [3, -4, 1]), "whole numbers of 1 to"),
    "a fraction": (setting("network", "layer_sizes", [3, 4.0, 1]), "whole numbers of 1 to"),
    "a truth": (setting("network", "layer_sizes", [3, 4, True]), "whole numbers of 1 to"),
    "huge sizes": (setting("network", "layer_sizes", [2**24, 2**24, 1]), "W0"),
    "too huge a size": (setting("network", "layer_sizes", [3, 2**62, 1]), "whole numbers of 1 to"),
    "a size without end": (setting("network", "layer_sizes", [3, BIG, 1]), "whole numbers of 1 to"),
    "too many layers": (setting("network", "layer_sizes", [1] * 5000), "layer_sizes must be 2 to 1000"),
    "other sizes": (setting("network", "layer_sizes", [3, 5, 1]), "W0"),
    "an unknown activation": (setting("network", "activations", ["os.system", "identity"]), "activations"),
    "softmax inside": (setting("network", "activations", ["softmax", "identity"]), "activations"),
    "activations missing": (setting("network", "activations", ["relu"]), "activations"),
    "bias as a number": (setting("network", "bias", 1), "bias"),
    "another dtype": (setting("network", "dtype", "float16"), "float16"),
    "an unknown array": (setting("header", "W2", {"dtype": "F32", "shape": [], "data_offsets": [0, 0]}), "W2"),
    "an array missing": (lambda header, inner: header.pop("b1"), "holds the arrays"),
    "an array as a number": (setting("header", "W0", 3), "W0"),
    "array of another dtype": (setting("header", "W0", "dtype", "F64"), "W0 is not F32"),
    "array of another shape": (setting("header", "W0", "shape", [4, 3]), "W0 is not F32"),
    "a negative offset": (setting("header", "W0", "data_offsets", [-48, 0]), "W0"),
    "an offset beyond the file": (setting("header", "W0", "data_offsets", [10**12, 10**12 + 48]), "W0"),
    "an offset without end": (setting("header", "W0", "data_offsets", [0, BIG]), "W0"),
    "overlapping arrays": (setting("header", "b0", "data_offsets", [0, 16]), "arrays overlap or leave holes"),
    "a hole": (lambda header, inner: header["order"].update(data_offsets=[a + 4 for a in header["order"]["data_offsets"]]), "order"),
    "an order of nothing": (setting("header", "order", "shape", [0]), "order"),
    "an order without shape": (setting("header", "order", "shape", None), "order"),
    "an unknown optimizer": (setting("state", "optimizer", "lion"), "no optimizer is called 'lion'"),
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
    "an unknown schedule": (setting("state", "settings", "lr", {"schedule": "eval"}), "no schedule is called 'eval'"),
    "a schedule with another setting": (setting("state", "settings", "lr", {"schedule": "OneCycle", "x": 1}), "settings"),
    "a negative seed": (setting("state", "seed", -1), "state is damaged"),
    "a seed without end": (setting("state", "split_seed", BIG), "state is damaged"),
    "a plateau as a list": (setting("state", "plateau", []), "plateau"),
    "a plateau that waits for nothing": (setting("state", "plateau", "wait", -1), "plateau is damaged"),
    "a plateau without end": (setting("state", "plateau", "lr", BIG), "plateau"),
    "a best epoch as a list": (setting("state", "best", []), "best"),
    "a best epoch without loss": (setting("state", "best", {"epoch": 1}), "best is damaged"),
    "no best epoch for its parameters": (setting("state", "best", None), "best and best_params belong together"),
    "no parameters beside their average": (lambda header, inner: header.pop("params"), "but not the parameters"),
    "parameters of another shape": (setting("header", "best_params", "shape", [3]), "best_params is not F32"),
    "dropout as a number": (setting("network", "dropout", 0.5), "dropout"),
    "dropout of everything": (setting("network", "dropout", [0.0, 1.0]), "dropout"),
    "dropout of another network": (setting("network", "dropout", [0.0]), "dropout"),
    "a state as null": (setting("header", "__metadata__", "state", None), "state"),
    "no generator": (lambda header, inner: header["__metadata__"].pop("rng"), "rng is missing"),
    "a generator of another kind": (setting("rng", "bit_generator", "seed"), "rng 'seed' is none of"),
    "a generator as a list": (setting("rng", "bit_generator", ["PCG64"]), "rng"),
    "a generator without state": (setting("rng", "state", None), "generator"),
    "a generator's state too large": (setting("rng", "state", "state", BIG), "generator"),
    "a generator's negative state": (setting("rng", "state", "state", -1), "generator"),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_files_are_refused_with_a_reason(name, path):
    edit, message = HARMFUL[name]
    everything = any(word in name for word in ("plateau", "best", "average", "dropout", "another shape"))
    (with_all_that_a_state_can_hold if everything else stopped_within_an_epoch)().save(path)
    path.write_bytes(change(path.read_bytes(), edit))
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError) as caught:
            fastnn.load(path)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and message in text and len(text) < 1000


@pytest.mark.parametrize("row", [-1, 70, 2**62, 5])
def test_an_order_that_is_none_is_refused(row, path):
    """It says where the kernels read: numbers beyond the rows, or one twice, must not get there."""
    net = stopped_within_an_epoch()
    net.state.order[net.state.order == 7] = row
    net.save(path)
    with pytest.raises(ModelFileError, match="order is not an order of rows"):
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
def test_a_generator_whose_state_does_not_fit_is_refused(name, path):
    bits, keys = GENERATORS[name]
    net = stopped_within_an_epoch()
    net.rng = np.random.Generator(bits(5))
    net.save(path)
    path.write_bytes(change(path.read_bytes(), setting("rng", *keys)))
    with pytest.raises(ModelFileError, match="generator"):
        fastnn.load(path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"", "not a safetensors file, or cut short"),
        (b"{", "header is not JSON"),
        (b"[]", "header is missing or not a mapping"),
        (b"\xff\xfe{", "header is not JSON"),
        (b'{"a": 1, "a": 2}', "duplicate keys"),
        (b'{"__metadata__": {"format": "pt", "format": "fastnn"}}', "duplicate keys"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "header is not JSON"),
        (b"[" * 300_000, "header is not JSON"),
        (b'{"a": ' + b"9" * 100_000 + b"}", "header is not JSON"),
        (b" " * 16_000_001, "not a safetensors file, or cut short"),
    ],
)
def test_headers_that_are_none(header, message, path):
    path.write_bytes(len(header).to_bytes(8, "little") * bool(header) + header)
    with pytest.raises(ModelFileError, match=message):
        fastnn.load(path)


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 10**6, 0])
def test_headers_of_false_length(length, path):
    MLP([3, 1], rng=0).save(path)
    path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
    with pytest.raises(ModelFileError):
        fastnn.load(path)

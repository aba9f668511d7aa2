"""What a model file cannot hold is refused before the training that would be lost."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from cli_cases import FAST, write_csv
from file_edits import split
from scale import scaled

import fastnn
from fastnn.callbacks import Checkpoint
from fastnn.files import safetensors
from fastnn.files.json_values import to_text

N = 40
TEXT = "説明" * 200


def header_bytes(path):
    return int.from_bytes(path.read_bytes()[:8], "little")


# ---- networks ----


def test_texts_are_written_in_utf_8(tmp_path):
    """Escaped twice, this text would take 14 bytes for a character."""
    net = fastnn.MLP([2, 1], rng=0)
    net.metadata = {"a": TEXT * 10, "b": '\ud800\x00\x1b\u2028"\\'}
    net.save(tmp_path / "m")
    data = (tmp_path / "m").read_bytes()
    header, _ = split(data)  # as any reader does
    assert json.loads(header["__metadata__"]["user"]) == net.metadata
    assert TEXT.encode() in data and header_bytes(tmp_path / "m") < 3 * 4000 + 2000
    assert fastnn.load(tmp_path / "m").metadata == net.metadata


def test_sizes_that_no_file_can_hold(tmp_path):
    many = r"at most 1,000 sizes of at most 16,777,216, .* got 1,001"
    with pytest.raises(ValueError, match=many):
        fastnn.MLP([1] * 1001)
    with pytest.raises(ValueError, match="got 2 sizes of up to 16,777,217"):
        fastnn.MLP([2**24 + 1, 1])
    net = fastnn.MLP([1] * 1000, rng=0)
    net.save(tmp_path / "m")
    assert fastnn.load(tmp_path / "m").layer_sizes == net.layer_sizes


METADATA = {"no text": ({"a": 1}, "net.metadata must be a dict of str to str")}
METADATA["too long"] = {"a": TEXT * 15_000}, "Store less in"


@pytest.mark.parametrize(("metadata", "message"), METADATA.values(), ids=METADATA)
def test_a_checkpoint_checks_metadata_before_the_first_step(tmp_path, metadata, message):
    safe = fastnn.MLP([2, 1], rng=0)
    net = safe.copy()
    net.metadata = metadata
    with pytest.raises(ValueError, match=message):
        net.fit(np.eye(2), [0.0, 1.0], callbacks=Checkpoint(tmp_path / "m", every_epochs=5))
    np.testing.assert_array_equal(net.params, safe.params)


def test_a_checkpoint_checks_its_state_before_the_first_step(tmp_path, monkeypatch):
    monkeypatch.setattr(safetensors, "MAX_HEADER", 600_000)
    optimizer = fastnn.SGD(lr=fastnn.schedules.Rates([0.1] * 50_000))
    net, checkpoint = fastnn.MLP([2, 1], rng=0), Checkpoint(tmp_path / "m", every_epochs=5)
    before = net.params.copy()
    with pytest.raises(ValueError, match="the header of the file has"):
        net.fit(np.eye(2), [0.0, 1.0], optimizer=optimizer, callbacks=checkpoint)
    np.testing.assert_array_equal(net.params, before)


# ---- estimators ----


@pytest.fixture
def no_training(monkeypatch):
    """Training of tabular estimators fails."""
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    from fastnn.tabular.fitting import training_jobs

    def train(*arguments):
        raise AssertionError("the training has begun")

    monkeypatch.setattr(training_jobs, "train", train)


def rows_and_targets(what):
    """A table that is too large in one respect for a header of 400,000 bytes."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(N, 1)).tolist(), (np.arange(N) % 2).tolist()
    if what == "categories":
        return [[*row, f"{TEXT * 10}{i % 20}", "ab"[i % 2]] for i, row in enumerate(x)], y
    if what == "numbers":
        return rng.normal(size=(N, 500)), y  # its networks of errors have encodings, too
    if what == "classes":
        return x, [f"{TEXT * 30}{i % 8}" for i in range(N)]
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame({f"{TEXT * 20}{i}": rng.normal(size=N) for i in range(10)}), y


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("categories", r"column '1' with 20 categories of up to 4,00\d characters: \d+,\d+ bytes.*"
         r"Shorten its texts, or leave it out\. Pass drop=\['1'\]\.$"),
        ("numbers", r"the encoding of 500 numbers: .* Leave columns out with drop\.$"),
        ("classes", r"the targets: .* Shorten the texts of the classes\.$"),
        ("names", r"the names of 10 columns: .* Shorten the names, or pass fewer columns\.$"),
    ],
)  # fmt: skip
def test_tables_that_no_file_can_hold(what, message, no_training, monkeypatch):
    monkeypatch.setattr(safetensors, "MAX_HEADER", 300_000)
    X, y = rows_and_targets(what)
    with pytest.raises(ValueError, match=message):
        categories = [1] if what == "categories" else None  # not free text
        cls = fastnn.TabularRegressor if what == "numbers" else fastnn.TabularClassifier
        cls(2, hidden_layer_sizes=4, random_state=0, categories=categories).fit(X, y)


@pytest.mark.filterwarnings("ignore:Training stopped after")
@pytest.mark.usefixtures("quick_recipe")
@pytest.mark.parametrize("cls", ["TabularClassifier", "MLPClassifier"])
def test_classes_that_no_file_can_hold_are_refused_by_save_alone(cls, tmp_path):
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    settings = dict(hidden_layer_sizes=4, random_state=0)
    settings |= dict(max_iter=2) if cls == "MLPClassifier" else {}
    X = np.random.default_rng(0).normal(size=(N, 2))
    y = np.array(["2020", "2021"] * (N // 2), "datetime64[Y]")
    clf = getattr(fastnn, cls)(**settings).fit(X, y)
    assert set(clf.predict(X)) <= set(y)
    with pytest.raises(ValueError, match=r"classes that are texts, numbers or .* y to texts"):
        clf.save(tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_numbers_of_networks_and_layers(no_training):
    X, y = rows_and_targets("categories")
    for cls in (fastnn.TabularClassifier, fastnn.MLPClassifier):
        with pytest.raises(ValueError, match=r"n_estimators.* in the range \[1, 10000\]"):
            cls(n_estimators=10_001).fit(np.eye(N), y)
    with pytest.raises(ValueError, match="a sequence of up to 99 whole numbers"):
        fastnn.TabularClassifier(hidden_layer_sizes=[1] * 100).fit(X, y)


@pytest.mark.usefixtures("quick_recipe")
def test_what_is_trained_can_be_saved(tmp_path, monkeypatch):
    """Limits around the size of the header: the fit is refused, or the file can be written."""
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    rng = random.Random(0)
    X = [[i / N, f"{TEXT[:50]}{i % 9}"] for i in range(N)]
    seen = set()
    for i in range(scaled(6)):
        y = [f'"{"x" * 30 * i}{k % 3}' for k in range(N)]
        limit = 100_000 + 250 * i + rng.choice([0, 4000, 8000])
        monkeypatch.setattr(safetensors, "MAX_HEADER", limit)
        monkeypatch.setattr("fastnn.tabular.stored_model.SPARE", 98_000)
        clf = fastnn.TabularClassifier(2, hidden_layer_sizes=4, n_threads=1, random_state=0)
        try:
            clf.fit(X, y)
        except ValueError as error:
            assert "the header of its file has room for" in str(error)
            seen.add("refused")
            continue
        clf.save(tmp_path / "m")
        assert header_bytes(tmp_path / "m") <= limit - 95_000  # SPARE is more than enough
        seen.add("saved")
    assert seen == {"refused", "saved"}


# ---- the command line ----


def write_texts(n_texts):
    x = np.random.default_rng(0).normal(size=N)
    text = [f"{TEXT}{i % n_texts}" for i in range(N)]
    write_csv("t.csv", x=x, text=text, y=np.where(x > 0, f"yes {TEXT}", "no"))


@pytest.mark.parametrize("tune", [(), ("--tune",)], ids=["plain", "tune"])
def test_train_says_before_it_begins_that_no_file_can_hold_it(monkeypatch, run, no_training, tune):
    pytest.importorskip("pyarrow", reason="tables need the extra cli")
    monkeypatch.setattr(safetensors, "MAX_HEADER", 150_000)
    write_texts(20)
    errors = run.error(*"train t.csv --target y --out m --category text".split(), *FAST[:2], *tune)
    assert len(errors.splitlines()) == 1 and not Path("m").exists()
    assert "column 'text' with 20 categories" in errors and "Pass --drop text." in errors


def test_the_record_of_a_training_is_at_most_as_large_as_expected(monkeypatch, run):
    """Room for it is left before training."""
    pytest.importorskip("sklearn", reason="estimators need the extra sklearn")
    pytest.importorskip("pyarrow", reason="tables need the extra cli")
    from fastnn.cli import record, train

    sizes = []
    largest = lambda *a: sizes.append(record.largest_size(*a)) or sizes[-1]  # noqa: E731
    monkeypatch.setattr(train, "largest_size", largest)
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 40, 400)
    names = {f'"\\{TEXT[:50]}{i}': rng.normal(size=400) for i in range(30)}
    write_csv("t.csv", **names, y=[f'"{TEXT}{c}' for c in classes])
    run.ok("train", "t.csv", "--target", "y", "--out", "m", "--test-size", "0.3", *FAST)
    size = len(to_text(to_text(fastnn.load("m").metadata_)).encode())
    assert 0.2 * sizes[0] < size < sizes[0] < safetensors.MAX_HEADER

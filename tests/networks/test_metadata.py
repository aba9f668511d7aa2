"""net.metadata: text that is saved with a network."""

import json
import pickle

import pytest
from checks import assert_same_bits
from file_edits import join, split

import fastnn
from fastnn import MLP, ModelFileError
from fastnn.files import safetensors

NOTES = {"units": "cm", "Größe": 'in "Metern"\n\\', "": "", "lone": "\ud800"}


@pytest.fixture
def net():
    net = MLP([3, 4, 1], rng=0)
    net.metadata.update(NOTES)
    return net


def header_of(path):
    return split(path.read_bytes())[0]


def test_a_new_network_has_no_metadata(path):
    net = MLP([3, 4, 1], rng=0)
    assert net.metadata == {} and MLP([3, 1]).metadata is not MLP([3, 1]).metadata
    net.save(path)
    assert "user" not in header_of(path)["__metadata__"] and fastnn.load(path).metadata == {}


def test_metadata_is_kept_by_files_copies_and_pickles(net, path):
    net.save(path)
    assert json.loads(header_of(path)["__metadata__"]["user"]) == NOTES
    for other in (fastnn.load(path), net.copy(), pickle.loads(pickle.dumps(net))):
        assert other.metadata == NOTES
        assert_same_bits(other.params, net.params)
        other.metadata["more"] = "x"
    assert net.metadata == NOTES


def test_training_does_not_change_metadata(net):
    net.fit([[1.0, 2.0, 3.0]], [1.0], epochs=2)
    assert net.metadata == NOTES


@pytest.mark.parametrize("notes", [None, ["a"], {"a": 1}, {1: "a"}, {"a": {"b": "c"}}], ids=repr)
def test_only_text_metadata_can_be_saved(net, path, notes):
    net.metadata = notes
    if notes is None:  # None means no metadata
        net.save(path)
        assert fastnn.load(path).metadata == {}
        return
    with pytest.raises(ValueError, match=r"net\.metadata must be a dict of str to str, got"):
        net.save(path)
    assert not list(path.parent.iterdir())


def test_metadata_too_long_for_the_header_is_refused(net, path, monkeypatch):
    monkeypatch.setattr(safetensors, "MAX_HEADER", 5000)
    net.metadata = {"a": "x" * 6000}
    limit = r"at most 5,000 are allowed\. Store less in net"
    with pytest.raises(ValueError, match=rf"header of the file has 6,\d+ bytes, but {limit}"):
        net.save(path)
    assert not list(path.parent.iterdir())


DAMAGED = [
    ("{", "user is not JSON"),
    ('{"a": "b", "a": "c"}', "user is not JSON: duplicate keys"),
    *((text, "must be a dict of str to str") for text in ("[1]", '{"a": 1}', '{"a": null}')),
    (7, "user is missing"),
]


@pytest.mark.parametrize(("user", "message"), DAMAGED)
def test_damaged_metadata_is_refused(net, path, user, message):
    net.save(path)
    header, arrays = split(path.read_bytes())
    header["__metadata__"]["user"] = user
    path.write_bytes(join(header, arrays))
    with pytest.raises(ModelFileError, match=message):
        fastnn.load(path)

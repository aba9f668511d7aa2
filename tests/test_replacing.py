"""Files that are replaced: whole or not at all, whatever fails."""

import os
import threading

import pytest

import fastnn
from fastnn import MLP
from fastnn.files import replacing


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


class Broken:
    """A file that takes so many bytes and no more."""

    def __init__(self, room, error):
        self.room, self.error = room, error

    def __call__(self, *arguments, **options):
        self.file = open(*arguments, **options)
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
def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(where, error, old, path, monkeypatch, stopped_within_an_epoch):
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
            patch.setattr(replacing, "open", Broken(where, error), raising=False)
        else:
            patch.setattr(os, where, fail)
        with pytest.raises(type(error)):
            net.save(path)
    assert list(path.parent.iterdir()) == before and (not old or path.read_bytes() == content)
    net.save(path)
    assert fastnn.load(path).params.tobytes() == net.params.tobytes()


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

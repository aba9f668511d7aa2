"""Atomic replacement of files: complete or not at all, with the permissions of the old file."""

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import MagicMock

import pytest
from checks import assert_same_bits

import fastnn
from fastnn import MLP
from fastnn.files import replacing


def broken_open(room, error):
    """A function like `open`, whose files fail after so many bytes."""
    left = [room]

    def opened(*arguments, **options):
        file = open(*arguments, **options)
        mock = MagicMock(wraps=file, write=lambda data: write(file, bytes(data)))
        mock.__enter__.return_value, mock.__exit__ = mock, file.__exit__
        return mock

    def write(file, data):
        file.write(data[: left[0]])
        left[0] -= len(data)
        if left[0] < 0:
            raise error

    return opened


ERRORS = {"full disk": OSError(28, "No space left on device"), "Ctrl-C": KeyboardInterrupt()}


@pytest.mark.parametrize("old", [True, False], ids=["over an old file", "new"])
@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("where", [0, 7, 500, 900, "fsync", "replace"])
def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(
    where, error, old, path, monkeypatch, net_stopped_within_an_epoch
):
    net = net_stopped_within_an_epoch()
    before = [path] if old else []
    if old:
        net.save(path)
    content = old and path.read_bytes()
    net.params[:] = 0

    def fail(*_):
        raise error

    with monkeypatch.context() as patch:
        if isinstance(where, int):
            patch.setattr(replacing, "open", broken_open(where, error), raising=False)
        else:
            patch.setattr(os, where, fail)
        with pytest.raises(type(error)):
            net.save(path)
    assert list(path.parent.iterdir()) == before and (not old or path.read_bytes() == content)
    net.save(path)
    assert_same_bits(fastnn.load(path).params, net.params)


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc for what is synced")
def test_the_file_is_synced_before_the_rename_and_the_folder_after(path, monkeypatch):
    calls, fsync, replace = [], os.fsync, os.replace
    facts = lambda fd: (os.readlink(f"/proc/self/fd/{fd}"), os.fstat(fd).st_size)  # noqa: E731
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append(facts(fd)), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    MLP([3, 1], rng=0).save(path)
    (temporary, size), replaced, (folder, _) = calls
    assert temporary.endswith(".tmp") and (replaced, folder) == ("replace", str(path.parent))
    assert size == path.stat().st_size  # nothing is left in the buffer


def test_many_threads_may_save_to_one_name(path):
    nets = [MLP([30, 40, 1], rng=seed) for seed in range(4)]
    calls = [lambda net=net: [net.save(path) for _ in range(10)] for net in nets]
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(call) for call in calls]:
            done.result()
    assert fastnn.load(path).params.tobytes() in [net.params.tobytes() for net in nets]
    assert len(list(path.parent.iterdir())) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o400, 0o755])
def test_a_file_keeps_its_permissions(mode, path, monkeypatch):
    seen, replace = [], os.replace
    path.write_bytes(b"old")
    path.chmod(mode)
    mode_of = lambda path: os.stat(path).st_mode & 0o777  # noqa: E731
    monkeypatch.setattr(os, "replace", lambda a, b: (seen.append(mode_of(a)), replace(a, b)))
    MLP([3, 1], rng=0).save(path)
    assert (path.stat().st_mode & 0o777, seen) == (mode, [mode])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_private_file_is_private_from_its_first_byte(path, monkeypatch):
    path.write_bytes(b"old")
    path.chmod(0o600)

    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refuse)  # as a file system without permissions does
    MLP([3, 1], rng=0).save(path)
    assert path.stat().st_mode & 0o777 == 0o600 and fastnn.load(path).layer_sizes == (3, 1)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_a_new_file_has_the_default_permissions(path):
    path.with_name("other").touch()
    MLP([3, 1], rng=0).save(path)
    assert path.stat().st_mode == path.with_name("other").stat().st_mode


@pytest.mark.parametrize("number", [errno.EIO, errno.EINVAL])
def test_a_folder_that_cannot_be_synced_is_no_error(number, path, monkeypatch):
    fsync = os.fsync

    def fail_for_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_for_folders)
    MLP([3, 1], rng=0).save(path)
    assert fastnn.load(path).layer_sizes == (3, 1) and list(path.parent.iterdir()) == [path]

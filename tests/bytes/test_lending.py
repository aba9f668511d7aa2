"""Files that pyarrow reads: no thread holds them when the reader has returned."""

import io
import threading
import time

import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")

from fastnn.tables.source import lend


def test_a_reader_returns_when_its_threads_have_given_the_file_back():
    ended = []

    def keep(file):
        time.sleep(0.05)
        ended.append(file.read(2))

    def reader(file):
        threading.Thread(target=keep, args=(file,)).start()
        return "table"

    assert lend(io.BytesIO(b"abc"), reader) == "table"
    assert ended == [b"ab"]


def test_an_error_of_the_reader_arrives_then_too():
    ended = []

    def keep(file):
        time.sleep(0.05)
        ended.append(True)

    def reader(file, text):
        threading.Thread(target=keep, args=(file,)).start()
        raise ValueError(text)

    with pytest.raises(ValueError, match="no table"):
        lend(io.BytesIO(), reader, "no table")
    assert ended == [True]

"""Edit the JSON in model files, and check that the result is refused."""

import json
import tracemalloc

import pytest

import fastnn


def change(content, key, edit):
    """Return a file whose header and JSON in the text metadata `key` are as `edit` leaves them.

    edit(header, value) changes both in place. It may return a text in place of the JSON.
    """
    n = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + n])
    value = json.loads(header["__metadata__"][key])
    text = edit(header, value)
    header["__metadata__"][key] = json.dumps(value) if text is None else text
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + n :]


def setting(*keys_and_value):
    """Return an edit that sets one value: setting("targets", "scale", 0.0), or
    setting("header", "W0", "shape", [1, 2])."""
    *keys, last, value = keys_and_value

    def edit(header, content):
        place = header if keys[:1] == ["header"] else content
        for key in keys[keys[:1] == ["header"] :]:
            place = place[key]
        place[last] = value

    return edit


def refused_with(message, path):
    """Check that a file is refused with this message, in little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(fastnn.ModelFileError) as caught:
            fastnn.load(path)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    text = str(caught.value)
    reason = text.removeprefix(f"{path}: ")
    assert reason != text and message in reason and len(reason) < 1000

"""Edit the JSON in model files, and check that the result is refused."""

import json
import tracemalloc

import pytest

import fastnn


def split(content):
    """Return the header of a file, and its arrays as bytes."""
    n = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + n]), content[8 + n :]


def join(header, arrays):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + arrays


def unpack(value):
    """JSON inside of texts as {"JSON": value}, as often as it is nested."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        return {"JSON": unpack(json.loads(value))}
    if isinstance(value, dict):
        return {key: unpack(item) for key, item in value.items()}
    return [unpack(item) for item in value] if isinstance(value, list) else value


def pack(value):
    """The reverse of unpack."""
    if isinstance(value, dict):
        packed = {key: pack(item) for key, item in value.items()}
        return json.dumps(packed["JSON"]) if packed.keys() == {"JSON"} else packed
    return [pack(item) for item in value] if isinstance(value, list) else value


def change(content, key, edit):
    """Return a file whose header and JSON in the text metadata `key` are as `edit` leaves them.

    edit(header, value) changes both in place. It may return a text in place of the JSON.
    """
    header, arrays = split(content)
    value = json.loads(header["__metadata__"][key])
    before = json.dumps(value)
    text = edit(header, value)
    text = json.dumps(value) if text is None else text
    if text != before:
        header["__metadata__"][key] = text
    return join(header, arrays)


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


def write_anew(path, content):
    """Write a file. One that is cut to no bytes first may wait for the disk."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def reads_or_is_refused(read, use):
    """Whether read() returns a model, which use(model) then uses. Only ModelFileError may be raised."""
    try:
        model = read()
    except fastnn.ModelFileError as error:
        assert "\n" not in str(error)
        return False
    use(model)
    return True


def flipped(content, places):
    """Yield the content with other bytes at each of some places."""
    for i in places:
        for byte in {content[i] ^ 1, content[i] ^ 0x10, *b"9-"} - {content[i]}:
            yield content[:i] + bytes([byte]) + content[i + 1 :]


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

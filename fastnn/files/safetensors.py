"""The safetensors format: named arrays and text, never code
(https://huggingface.co/docs/safetensors).

A file is 8 bytes, the little-endian length of the header; the header, JSON; the arrays,
little-endian and contiguous.

Reading trusts nothing: every size is checked against what the caller expects and the length of the
file before memory is taken.
"""

import json
import sys

import numpy as np

from . import ModelFileError
from .replacing import replacing

LONGEST_HEADER = 16_000_000  # bytes
TYPES: dict[str, np.dtype] = {
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
}
NAMES = {dtype: name for name, dtype in TYPES.items()}


def write(path, arrays, metadata):
    """Write a file, whole or not at all.

    Parameters
    ----------
    path : str or path-like
    arrays : dict of str to ndarray
        float32, float64 or int64; they stand in the file in this order.
    metadata : dict of str to str
    """
    arrays = {
        name: np.ascontiguousarray(a, a.dtype.newbyteorder("<")) for name, a in arrays.items()
    }
    header, at = {"__metadata__": metadata}, 0
    for name, a in arrays.items():
        header[name] = {
            "dtype": NAMES[a.dtype],
            "shape": list(a.shape),
            "data_offsets": [at, at + a.nbytes],
        }
        at += a.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the arrays begin at a multiple of 8
    if len(text) > LONGEST_HEADER:  # nobody could read it again
        raise ValueError(
            f"the file's header takes {len(text):,} bytes, at most {LONGEST_HEADER:,} are allowed: keep less in net.metadata"
        )
    with replacing(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for a in arrays.values():
            file.write(a.data if a.size else b"")


class Reader:
    """A safetensors file that may come from anywhere.

    Parameters
    ----------
    file : binary file
        At its beginning; it must be seekable.
    file_size : int
        Bytes.

    Attributes
    ----------
    metadata : dict
        Not checked.
    entries : dict
        What the header says about each array: not checked before `check`.
    n_bytes : int
        How many bytes of arrays the file has.
    """

    def __init__(self, file, file_size):
        self.file = file
        length = int.from_bytes(file.read(8), "little")
        if file_size < 8 or length > min(file_size - 8, LONGEST_HEADER):
            raise ModelFileError("not a safetensors file, or cut short")
        self.entries = mapping(parse_json(file.read(length), "header"), "header")
        self.metadata = mapping(self.entries.pop("__metadata__", None), "metadata")
        self.start = 8 + length
        self.n_bytes = file_size - self.start

    def check(self, expected):
        """The header must list exactly these arrays, {name: (shape, type)}, and they must fill the
        file without holes or overlaps."""
        if set(self.entries) != set(expected):
            raise ModelFileError(
                f"holds the arrays {sorted(self.entries)}, its architecture needs {sorted(expected)}"
            )
        spans = []
        for name, (shape, kind) in expected.items():
            entry = mapping(self.entries[name], name)
            span = entry.get("data_offsets")
            size = int(np.prod(shape, dtype=object)) * TYPES[kind].itemsize
            whole = (
                isinstance(span, list)
                and len(span) == 2
                and all(is_count(at, self.n_bytes) for at in span)
            )
            if (
                entry.get("dtype") != kind
                or entry.get("shape") != shape
                or not whole
                or span[1] - span[0] != size
            ):
                raise ModelFileError(f"array {name} is not {kind} of shape {shape}")
            spans.append(span)
        at = 0
        for begin, end in sorted(spans):
            if begin != at:
                raise ModelFileError("arrays overlap or leave holes")
            at = end
        if at != self.n_bytes:
            raise ModelFileError(
                f"the arrays need {at} bytes, the file has {self.n_bytes}: cut short or not whole"
            )

    def array(self, name):
        """A new array; only after `check`."""
        entry = self.entries[name]
        out = np.empty(entry["shape"], TYPES[entry["dtype"]].newbyteorder("="))
        self.read_into(name, out)
        return out

    def read_into(self, name, out):
        """Fill out, a contiguous array of the right size and type; only after `check`."""
        begin, end = self.entries[name]["data_offsets"]
        self.file.seek(self.start + begin)
        if self.file.readinto(out.reshape(-1).view(np.uint8).data) != end - begin:
            raise ModelFileError("cut short while it was read")
        if sys.byteorder == "big":
            out.byteswap(inplace=True)


# ---- what a header may hold ----


def parse_json(text, what):
    """What JSON text stands for; `what` names it in errors."""

    def no_duplicates(pairs):
        if len(dict(pairs)) < len(pairs):
            raise ValueError("duplicate keys")
        return dict(pairs)

    if not isinstance(text, (str, bytes)):
        raise ModelFileError(f"{what} is missing")
    try:
        return json.loads(text, object_pairs_hook=no_duplicates)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{what} is not JSON: {error}") from None


def mapping(value, what):
    """The same value, a dict."""
    if not isinstance(value, dict):
        raise ModelFileError(f"{what} is missing or not a mapping")
    return value


def is_count(value, maximum, minimum=0):
    return type(value) is int and minimum <= value <= maximum

"""The safetensors format: named arrays and text metadata, without code.

A file consists of the length of the header (8 bytes, little-endian), the header (JSON), and the
arrays (little-endian, contiguous). See https://huggingface.co/docs/safetensors.

Files may be damaged or malicious. All sizes are checked against the expected arrays and the length
of the file before memory is allocated.
"""

import json
import math
import os
import sys
from contextlib import contextmanager

import numpy as np

from ..core.validation import check_path
from . import ModelFileError
from .json_values import check_mapping, is_count, parse_json
from .replacing import replacing

MAX_HEADER = 16_000_000  # bytes
DTYPES: dict[str, np.dtype] = {
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
}
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def name_of(dtype):
    """Return what the format calls a dtype."""
    return DTYPE_NAMES[np.dtype(dtype).newbyteorder("<")]


def write(path, arrays, metadata, on_written=None, advice="Store less in net.metadata."):
    """Write a file, atomically.

    Parameters
    ----------
    path : str or path-like
    arrays : dict of str to ndarray
        float32, float64 or int64. The file has them in this order.
    metadata : dict of str to str
    on_written : callable, optional
        Called when all is written. If it raises an exception, the file is not replaced.
    advice : str
        What to do if the header is too large, for the error message.
    """
    arrays = {
        name: np.ascontiguousarray(a, a.dtype.newbyteorder("<")) for name, a in arrays.items()
    }
    text = _header(arrays, metadata)
    check_header(len(text), advice)
    with replacing(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for a in arrays.values():
            file.write(a.data if a.size else b"")
        if on_written is not None:
            on_written()


def _header(arrays, metadata):
    """Return the header of a file as bytes."""
    header, offset = {"__metadata__": metadata}, 0
    for name, a in arrays.items():
        header[name] = {
            "dtype": DTYPE_NAMES[a.dtype],
            "shape": list(a.shape),
            "data_offsets": [offset, offset + a.nbytes],
        }
        offset += a.nbytes
    text = json.dumps(header, ensure_ascii=False).encode()
    return text + b" " * (-len(text) % 8)  # the arrays start at a multiple of 8


def check_header(n_bytes, advice):
    """Raise ValueError for a header that `Reader` would reject. advice : str, what to do"""
    if n_bytes > MAX_HEADER:
        raise ValueError(
            f"the header of the file has {n_bytes:,} bytes, but at most {MAX_HEADER:,} are "
            f"allowed. {advice}"
        )


@contextmanager
def reading(path):
    """Open a file as a `Reader`. A ModelFileError that the block raises gets the path."""
    with open(check_path("path", path), "rb") as file:
        try:
            yield Reader(file, os.fstat(file.fileno()).st_size)
        except ModelFileError as error:
            raise ModelFileError(error.problem, os.fspath(path)) from None


class Reader:
    """A safetensors file, which may be damaged or malicious.

    Parameters
    ----------
    file : binary file
        Positioned at its start, and seekable.
    file_size : int
        In bytes.

    Attributes
    ----------
    metadata : dict
        Unchecked metadata.
    entries : dict
        The header entry of each array, unchecked until `check` is called.
    n_bytes : int
        Number of bytes of all arrays.
    """

    def __init__(self, file, file_size):
        self.file = file
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if file_size < 8 or length > min(file_size - 8, MAX_HEADER):
            raise ModelFileError(f"not a safetensors file, or truncated{_hint(start)}")
        self.entries = check_mapping(parse_json(file.read(length), "header"), "header")
        self.metadata = check_mapping(self.entries.pop("__metadata__", None), "metadata")
        self.data_start = 8 + length
        self.n_bytes = file_size - self.data_start

    def check(self, expected):
        """Check that the header lists exactly these arrays, {name: (shape, dtype name)}.

        They must fill the file without gaps and overlaps.
        """
        if set(self.entries) != set(expected):
            raise ModelFileError(
                f"the file has the arrays {sorted(self.entries)}, but its architecture needs "
                f"{sorted(expected)}"
            )
        spans = sorted(self._span(name, *each) for name, each in expected.items())
        ends = [0, *(end for _, end in spans)]
        if [start for start, _ in spans] != ends[:-1]:
            raise ModelFileError("arrays overlap or leave gaps")
        if ends[-1] != self.n_bytes:
            raise ModelFileError(
                f"the arrays need {ends[-1]} bytes, but the file has {self.n_bytes}: it is "
                "truncated or has extra bytes"
            )

    def _span(self, name, shape, dtype):
        """Return the first byte of an array and the end, which fit its shape and dtype."""
        entry = check_mapping(self.entries[name], name)
        span = entry.get("data_offsets")
        size = math.prod(shape) * DTYPES[dtype].itemsize
        if (
            (entry.get("dtype"), entry.get("shape")) != (dtype, shape)
            or not (isinstance(span, list) and len(span) == 2)
            or not all(is_count(offset, sys.maxsize) for offset in span)
            or span[1] - span[0] != size
        ):
            raise ModelFileError(f"array {name} is not {dtype} of shape {shape}")
        return span

    def length(self, name, minimum=1, maximum=sys.maxsize):
        """Return the length of an array that has not been checked, to pass it to `check`."""
        shape = check_mapping(self.entries.get(name), name).get("shape")
        n = shape[0] if isinstance(shape, list) and shape else None
        if not is_count(n, min(maximum, self.n_bytes), minimum):
            raise ModelFileError(f"the shape of {name} is invalid")
        return n

    def array(self, name):
        """Return a new array. Call `check` first."""
        entry = self.entries[name]
        out = np.empty(entry["shape"], DTYPES[entry["dtype"]].newbyteorder("="))
        self.read_into(name, out)
        return out

    def read_into(self, name, out):
        """Read into a contiguous array of the right size and dtype. Call `check` first."""
        start, end = self.entries[name]["data_offsets"]
        self.file.seek(self.data_start + start)
        if self.file.readinto(out.reshape(-1).view(np.uint8).data) != end - start:
            raise ModelFileError("the file was truncated while it was read")
        if sys.byteorder == "big":
            out.byteswap(inplace=True)


def _hint(start):
    """Return what to do with a file of another library that starts with these bytes."""
    if start[:1] == b"\x80" and start[1:2] <= b"\x05":
        return ". It looks like a pickle: read it with joblib.load or pickle.load"
    if start[:4] == b"PK\x03\x04":
        return (
            ". It looks like a file of torch.save: read it with torch.load and convert the model "
            "with fastnn.from_torch"
        )
    return ""

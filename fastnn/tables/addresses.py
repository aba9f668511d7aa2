"""Read the bytes at an address: https:// with the standard library, s3:// and others with fsspec."""

import re

from ..core.messages import reason
from . import memory
from .table_errors import TableError

ADDRESS = re.compile(r"(?:[a-z0-9]+::)*[a-z][a-z0-9+.-]+://", re.I)
#: What fsspec needs for the addresses that are used most; its own messages name the others.
PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs",
            "abfs": "adlfs", "abfss": "adlfs", "sftp": "paramiko", "ssh": "paramiko",
            "smb": "smbprotocol", "hf": "huggingface_hub"}  # fmt: skip
PASSWORD = re.compile(r"(?<=://)[^/?#@]*@")
QUERY = re.compile(r"\?.*", re.S)  # of a signed address, it holds a key
CHUNK = 1 << 20
SECONDS = 60  # without an answer


def is_address(path):
    """Whether a path is an address such as https://example.org/table.csv."""
    return ADDRESS.match(path) is not None


def without_secrets(path):
    """Return an address without user, password and query, a path as it is."""
    return QUERY.sub("", PASSWORD.sub("", path)) if is_address(path) else path


def read(address):
    """Return the bytes at an address, which must fit in memory."""
    label = without_secrets(address)
    is_web = re.match(r"https?://", address, re.I)
    try:
        return _read_web(label, address) if is_web else _read_fsspec(label, address)
    except TableError:
        raise
    except Exception as error:  # each file system has its own
        raise TableError(
            "cannot be read: {problem}.",
            "Check the address.",
            place=label,
            problem=_describe(error).replace(address, label),
        ) from None


def _describe(error):
    from urllib.error import HTTPError, URLError

    if isinstance(error, HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return reason(error.reason if isinstance(error, URLError) else error) or type(error).__name__


def _read_web(label, address):
    from urllib.request import Request, urlopen

    request = Request(address, headers={"User-Agent": "fastnn"})
    with urlopen(request, timeout=SECONDS) as answer:
        size = answer.headers.get("Content-Length")
        memory.check(label, int(size) if size and size.isdigit() else 0)
        return _read_all(label, answer)


def _read_fsspec(label, address):
    kind = address.partition("://")[0].rpartition("::")[2].lower()
    packages = ["fsspec", *([PACKAGES[kind]] if kind in PACKAGES else [])]
    try:
        import fsspec

        opened = fsspec.open(address, "rb")
    except ImportError as error:
        raise TableError(
            "addresses such as {kind}:// need {packages} ({reason}).",
            "Run: python -m pip install {to_install}",
            place=label,
            kind=kind,
            packages=" and ".join(packages),
            to_install=" ".join(packages),
            reason=reason(error),
        ) from None
    except ValueError:
        raise TableError(
            "{kind}:// is no kind of address that fsspec knows.",
            "Pass a file.",
            place=label,
            kind=kind,
        ) from None
    with opened as file:
        memory.check(label, getattr(file, "size", None) or 0)
        return _read_all(label, file)


def _read_all(label, file):
    """Read a file that may be larger than it says."""
    from http.client import IncompleteRead

    chunks, size = [], 0
    try:
        while chunk := file.read(CHUNK):
            chunks.append(chunk)
            size += len(chunk)
            memory.check(label, len(chunk))
    except IncompleteRead:
        raise TableError(
            "the answer of the server is not complete.", "Try again.", place=label
        ) from None
    return b"".join(chunks)

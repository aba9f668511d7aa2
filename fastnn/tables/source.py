"""Where a table is: in a file, a pipe, standard input, an address, or the files of a folder.

A `TableSource` has the bytes of a table, and can be opened any number of times. What it holds is
decided by its first bytes, not by its name. `lend` passes an opened file to a reader of pyarrow.
Addresses are read with the standard library (https://) or with fsspec (s3:// and others).

A folder holds the table in the order of the names of its files. Folders in it such as `year=2024`,
partitions of Hive, hold the rows with this value: the part before the = is the name of a column.
"""

import bz2
import gzip
import io
import lzma
import os
import re
import stat
import sys
import threading
import urllib.parse
import weakref
import zipfile
import zlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..core.errors import Wording
from ..core.messages import join, plural, printable, reason, similar
from . import formats
from .errors import TableError, import_pyarrow
from .limits import check_free_memory

STANDARD_INPUT = "standard input"
SAVE_AS_CSV, EXTRACT = "Save the table as CSV.", "Extract the table first."
NO_TABLE, MODEL = "A table is needed.", "is a safetensors file, such as a fastnn model."
PASS_A_FILE = f"Pass a {formats.format_names()} file."
COMPRESSIONS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zst",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # without members
}
DAMAGE = (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
TO_PARQUET = "Write the table with DataFrame.to_parquet."
CONVERT = "Convert it: python -c \"import pandas; pandas.{}('FILE').to_parquet('FILE.parquet')\""
SAVE_PICKLE = Wording(TO_PARQUET, CONVERT.format("read_pickle"))
SAVE_HDF5 = Wording(TO_PARQUET, CONVERT.format("read_hdf"))
SAVE_ARRAY = Wording(
    "Write it with numpy.savetxt(..., delimiter=',').",
    'Convert it, and pass --no-header: python -c "import numpy; '
    "numpy.savetxt('FILE.csv', numpy.load('FILE'), delimiter=',')\"",
)
#: First bytes of files that hold no table, or one that cannot be read: what it is, what to do.
OTHER_FORMATS = (
    (b"%PDF", "is a PDF document.", SAVE_AS_CSV),
    (b"\x89HDF", "is an HDF5 file.", SAVE_HDF5),
    (b"\x93NUMPY", "is a NumPy array.", SAVE_ARRAY),
    (b"\x80\x04", "is a Python pickle.", SAVE_PICKLE),
    (b"\x80\x05", "is a Python pickle.", SAVE_PICKLE),
    (b"ORC", "is an ORC file.", "Convert it to Parquet or CSV."),
    (b"Obj\x01", "is an Avro file.", "Convert it to Parquet or CSV."),
    (b"7z\xbc\xaf", "is a 7z archive.", EXTRACT),
    (b"Rar!", "is a RAR archive.", EXTRACT),
    (b"\x89PNG", "is a picture.", NO_TABLE),
    (b"\xff\xd8\xff", "is a picture.", NO_TABLE),
    (b"$FL2", "is an SPSS file.", SAVE_AS_CSV),
    (b"<stata_dta>", "is a Stata file.", SAVE_AS_CSV),
    (b"RDX", "is an R data file.", "Write the table with write.csv in R."),
    (b"X\n\0\0\0", "is an R data file.", "Write the table with write.csv in R."),
    (b"\x7fELF", "is a program.", NO_TABLE),
)
MARKUP = (
    ("<!doctype html", "is a web page.", "Download the table itself."),
    ("<html", "is a web page.", "Download the table itself."),
    ("<?xml", "is an XML document.", SAVE_AS_CSV),
    ("@relation", "is an ARFF file.", SAVE_AS_CSV),
    ("{\\rtf", "is a document.", SAVE_AS_CSV),
)


@dataclass(eq=False)
class TableSource:
    """The bytes of a table.

    Attributes
    ----------
    label : str
        The path, or "standard input": how messages begin.
    path : str or None
        None if `data` holds the bytes.
    data : bytes or None
    compression : str or None
        "gzip", "bz2", "xz", "zst" or "zip".
    member : str or None
        The table in a zip archive.
    format : Format
    size : int or None
        Number of bytes, decompressed; None if the file does not tell.
    """

    label: str
    path: str | None = None
    data: bytes | None = None
    compression: str | None = None
    member: str | None = None
    format: formats.Format = formats.CSV
    size: int | None = None

    def open_stored(self):
        """Open the bytes as they are stored."""
        return io.BytesIO(self.data) if self.data is not None else open(str(self.path), "rb")

    @property
    def stored_size(self):
        return len(self.data) if self.data is not None else os.path.getsize(str(self.path))

    def open(self):
        """Open the bytes, decompressed."""
        if self.compression == "zst":
            pa = import_pyarrow()
            raw = pa.OSFile(self.path) if self.data is None else pa.BufferReader(self.data)
            return io.BufferedReader(pa.CompressedInputStream(raw, "zstd"))
        stored = io.BytesIO(self.data) if self.data is not None else str(self.path)
        if self.compression == "zip":
            with zipfile.ZipFile(stored) as archive:
                return archive.open(str(self.member))  # keeps the file open until it is closed
        opener: dict = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}
        return opener.get(self.compression, lambda *_: self.open_stored())(stored, "rb")

    def read_start(self, n=formats.START):
        """Return the first bytes, decompressed."""
        with self.open() as file:
            return file.read(n)

    def for_pyarrow(self):
        """Return a path or a buffer for the readers of binary formats."""
        if self.compression is None and self.path is not None:
            return self.path
        with self.open() as file:
            return import_pyarrow().BufferReader(file.read())


def open_source(path):
    """Return the TableSource of a path, of an address, or of "-", which is standard input."""
    path = os.fsdecode(path)
    if path == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise TableError(
                "is a terminal.",
                "Send a table into it: fastnn ... - < table.csv",
                place=STANDARD_INPUT,
            )
        source = TableSource(STANDARD_INPUT, data=sys.stdin.buffer.read())
    elif is_address(path):
        source = TableSource(without_secrets(path), data=_read_address(path))
    else:
        source = _find_file(path)
    with source.open_stored() as file:
        start = file.read(8)
    source.compression = next(
        (c for mark, c in COMPRESSIONS.items() if start.startswith(mark)), None
    )
    with _explained(source):
        archive = _choose_member(source) if source.compression == "zip" else None
        source.size = _decompressed_size(source)
        start = source.read_start()
    _check_format(source.label, start)
    source.format = archive or formats.match_format(start)
    return source


def _find_file(path):
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise TableError(
            "{problem}.", "{advice}", place=path, problem=error.strerror, advice=_advise(path)
        ) from None
    if stat.S_ISFIFO(mode):
        with open(path, "rb") as file:
            return TableSource(path, data=file.read())
    if not stat.S_ISREG(mode):
        raise TableError("is not a regular file.", PASS_A_FILE, place=path)
    return TableSource(path, path)


def _advise(path):
    """Return what to do about a path that does not exist."""
    folder, name = os.path.split(path)
    if folder and not os.path.isdir(folder):
        return f"There is no folder {folder}."
    try:
        names = sorted(os.listdir(folder or "."))
    except OSError:
        names = []
    by_stem = {other.partition(".")[0]: other for other in names if formats.is_table_name(other)}
    close = similar(name.partition(".")[0], by_stem)
    if close is not None:
        return f"Did you mean {printable(os.path.join(folder, by_stem[close]), 80)}?"
    return PASS_A_FILE


# ---- archives and compressed files ----


def _choose_member(source):
    """Set the member of a zip archive. If it is itself a table, as .xlsx is, return its Format."""
    with source.open_stored() as file, zipfile.ZipFile(file) as archive:
        infos = [info for info in archive.infolist() if not _is_hidden(info)]
        names = [info.filename for info in infos]
        found = formats.find_archive(names, archive)
    if found is not None:
        source.compression = None
        return found
    has = set(names).__contains__
    known = (
        (has("xl/workbook.bin"), "is a binary Excel file (.xlsb).", "Save it as .xlsx or CSV."),
        (has("word/document.xml"), "is an Office document.", SAVE_AS_CSV),
        (has("ppt/presentation.xml"), "is an Office document.", SAVE_AS_CSV),
        (
            has("content.xml") and has("mimetype"),
            "is an OpenDocument file, but no sheet.",
            SAVE_AS_CSV,
        ),
        (not names, "is an empty zip archive.", "Put one table into it."),
        (
            all(name.endswith(".npy") for name in names),
            "is a NumPy archive (.npz).",
            "Save the arrays as the columns of a CSV file.",
        ),
        (len(infos) == 1 and infos[0].flag_bits & 1, "is an encrypted zip archive.", EXTRACT),
    )
    _refuse(source.label, known)
    if len(names) > 1:
        raise TableError(
            "contains {n:,} files: {names}.",
            "Extract the table that you need.",
            place=source.label,
            n=len(names),
            names=join(names),
        )
    source.member = names[0]
    return None


def _is_hidden(info):
    """Whether a member of an archive is a folder, or one that file managers do not show."""
    name = info.filename
    return info.is_dir() or name.startswith("__MACOSX/") or os.path.basename(name).startswith(".")


def _decompressed_size(source):
    if source.compression is None:
        return source.stored_size
    with source.open_stored() as file:
        if source.compression == "zip":
            return zipfile.ZipFile(file).getinfo(source.member).file_size
        if source.compression == "gzip" and source.stored_size >= 18:
            file.seek(-4, os.SEEK_END)  # the size modulo 2**32
            size = int.from_bytes(file.read(4), "little")
            return max(size, source.stored_size)
    return None


@contextmanager
def _explained(source):
    """Explain errors in the decompression."""
    try:
        yield
    except TableError:
        raise
    except (*DAMAGE, IndexError, ValueError) as error:  # zipfile checks little
        raise explain_damage(source, error) from None
    except (NotImplementedError, OSError, RuntimeError) as error:
        if source.compression == "zst":
            raise explain_damage(source, error) from None
        raise TableError(
            "cannot be decompressed: {reason}.", place=source.label, reason=reason(error)
        ) from None


def explain_damage(source, error):
    """Return the TableError for an error in the decompression."""
    kind = source.compression or ("zip" if isinstance(error, zipfile.BadZipFile) else "compressed")
    return TableError(
        "is a damaged or truncated {kind} file.",
        "Download or create it again.",
        place=source.label,
        kind=kind,
    )


# ---- files that hold no readable table ----


def _check_format(label, start):
    """Raise TableError if the first bytes are of a known format that holds no readable table."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")[:20].decode("latin-1").lower()
    known = [
        *((start.startswith(mark), *what) for mark, *what in OTHER_FORMATS),
        (start[257:262] == b"ustar", "is a tar archive.", EXTRACT),
        (start[8:10] == b'{"' and start[4:8] == b"\0\0\0\0", MODEL, NO_TABLE),
        *((text.startswith(tag), *what) for tag, *what in MARKUP),
    ]
    _refuse(label, known)


def _refuse(label, known):
    """Raise TableError for the first kind of file that it is.

    known : iterable of (bool, str, str or Wording), whether it is one, what it is, what to do
    """
    for is_one, problem, advice in known:
        if is_one:
            raise TableError("{problem}", "{advice}", place=label, problem=problem, advice=advice)


# ---- addresses ----

ADDRESS = re.compile(r"(?:[a-z0-9]+::)*[a-z][a-z0-9+.-]+://", re.I)
#: What fsspec needs for the addresses that are used most; its own messages name the others.
PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs",
            "abfs": "adlfs", "abfss": "adlfs", "sftp": "paramiko", "ssh": "paramiko",
            "smb": "smbprotocol", "hf": "huggingface_hub"}  # fmt: skip
PASSWORD = re.compile(r"(?<=://)[^/?#@]*@")
QUERY = re.compile(r"\?.*", re.S)  # of a signed address, it holds a key
CHUNK_BYTES = 1 << 20
SECONDS = 60  # without an answer


def is_address(path):
    """Whether a path is an address such as https://example.org/table.csv."""
    return ADDRESS.match(path) is not None


def without_secrets(path):
    """Return an address without user, password and query, a path as it is."""
    return QUERY.sub("", PASSWORD.sub("", path)) if is_address(path) else path


def _read_address(address):
    """Return the bytes at an address, which must fit in memory."""
    label = without_secrets(address)
    is_web = re.match(r"https?://", address, re.I)
    try:
        with _open_web(address) if is_web else _open_fsspec(label, address) as file:
            size = str(file.headers.get("Content-Length") if is_web else getattr(file, "size", 0))
            check_free_memory(label, int(size) if size.isdigit() else 0)
            return _read_all(label, file)
    except TableError:
        raise
    except Exception as error:  # each file system has its own
        raise TableError(
            "cannot be read: {problem}.",
            "Check the address.",
            place=label,
            problem=_describe_failure(error).replace(address, label),
        ) from None


def _describe_failure(error):
    from urllib.error import HTTPError, URLError

    if isinstance(error, HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return reason(error.reason if isinstance(error, URLError) else error) or type(error).__name__


def _open_web(address):
    from urllib.request import Request, urlopen

    return urlopen(Request(address, headers={"User-Agent": "fastnn"}), timeout=SECONDS)


def _open_fsspec(label, address):
    kind = address.partition("://")[0].rpartition("::")[2].lower()
    packages = ["fsspec", *([PACKAGES[kind]] if kind in PACKAGES else [])]
    try:
        import fsspec

        return fsspec.open(address, "rb")
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


def _read_all(label, file):
    """Read a file that may be larger than it says."""
    from http.client import IncompleteRead

    chunks = []
    try:
        while chunk := file.read(CHUNK_BYTES):
            chunks.append(chunk)
            check_free_memory(label, len(chunk))
    except IncompleteRead:
        raise TableError(
            "the answer of the server is not complete.", "Try again.", place=label
        ) from None
    return b"".join(chunks)


# ---- folders ----

MISSING = "__HIVE_DEFAULT_PARTITION__"
MAX_DEPTH = 20  # of partitions


@dataclass(frozen=True)
class FolderFile:
    """A file of a folder.

    Attributes
    ----------
    path : str
    keys : dict of str to (str or None)
        The columns that the names of folders tell, and their values in this file.
    """

    path: str
    keys: dict = field(default_factory=dict)


def holds_parquet(path):
    """Whether a path is a Parquet file, or a folder that has one."""
    path = os.fsdecode(path)
    if not os.path.isdir(path):
        return formats.find_stored(path) is formats.PARQUET
    endings = formats.PARQUET.extensions
    return any(formats.extension(part.path) in endings for part in _parts(path))


def list_parts(folder, note=lambda text: None):
    """Return the FolderFiles of the table in a folder: its Parquet files, or else those of the most
    frequent format."""
    parts = list(_parts(folder))
    chosen = _choose_extensions(folder, parts)
    table = [part for part in parts if formats.extension(part.path) in chosen]
    if len(table) < len(parts):
        left_out = [os.path.relpath(part.path, folder) for part in parts if part not in table]
        note(f"{folder}: {plural(len(left_out), 'file')} left out: {join(left_out, 3)}")
    others = [
        name
        for name in sorted(os.listdir(folder))
        if not name.startswith((".", "_"))
        and "=" not in name
        and os.path.isdir(os.path.join(folder, name))
    ]
    if others:
        note(f"{folder}: {plural(len(others), 'subfolder')} not read: {join(others, 3)}")
    _check_keys(table)
    return table


def _choose_extensions(folder, parts):
    """Return the file extensions of the FolderFiles of a folder that are the table."""
    counts = Counter(formats.extension(part.path) for part in parts)
    if not counts:
        names = [name for name in sorted(os.listdir(folder)) if not name.startswith(".")]
        raise TableError(
            "is a folder without tables.{holds}",
            "Pass a table, or a folder with files such as *.csv or *.parquet.",
            place=folder,
            holds=f" It contains {join(names, 4)}." if names else "",
        )
    if counts.keys() & set(formats.PARQUET.extensions):
        return formats.PARQUET.extensions
    # A text beside a table tells about it.
    (kind, n), *others = sorted(counts.items(), key=lambda item: (-item[1], item[0] == ".txt"))
    if others and others[0][1] == n and others[0][0] != ".txt":
        raise TableError(
            "holds {kinds} files.",
            "Pass a folder with one kind of table, or one of the files.",
            place=folder,
            kinds=join(counts, 4, quoted=False),
        )
    return (kind,)


def _parts(folder, keys=None, depth=0):
    """Yield the FolderFiles of all tables in a folder and in its partitions, sorted by path."""
    keys = keys or {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.startswith((".", "_")):
            continue
        if os.path.isdir(path):
            key, is_key, value = name.partition("=")
            if is_key and key and depth < MAX_DEPTH:
                value = None if value == MISSING else urllib.parse.unquote(value)
                yield from _parts(path, {**keys, urllib.parse.unquote(key): value}, depth + 1)
        elif formats.is_table_name(name):
            yield FolderFile(path, keys)


def _check_keys(parts):
    first = parts[0]
    for part in parts:
        if list(part.keys) != list(first.keys):
            raise TableError(
                "is in {folders}, but {first} is in {others}.",
                "Pass a folder whose files are all in the same partitions.",
                place=part.path,
                folders=_describe_keys(part),
                first=printable(first.path, 80),
                others=_describe_keys(first),
            )


def _describe_keys(part):
    return f"partitions by {join(part.keys, 4, quoted=False)}" if part.keys else "no partition"


# ---- readers of pyarrow ----

PATIENCE = 5.0  # seconds to wait for a thread of pyarrow, which needs some microseconds


def lend(file, reader, *arguments):
    """Return reader(file, *arguments). No thread of pyarrow holds the file afterwards.

    A reader can return while a thread of pyarrow still has to release the file, for which it needs
    the GIL. If Python ended at that moment, the thread would abort the process ("terminate called
    without an active exception").
    """
    lent, released = _LentFile(file), threading.Event()
    weakref.finalize(lent, released.set).atexit = False
    try:
        return reader(lent, *arguments)
    finally:
        del lent
        released.wait(PATIENCE)


class _LentFile:
    """The part of a file that pyarrow reads."""

    def __init__(self, file):
        self.read = file.read

    closed = False

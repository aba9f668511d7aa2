"""Open the bytes of a table: a file, a pipe or standard input, decompressed.

A `TableSource` can be opened any number of times. What it holds is decided by its first bytes, not
by its name. `lend` passes an opened file to a reader of pyarrow.
"""

import bz2
import gzip
import io
import lzma
import os
import stat
import sys
import threading
import weakref
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass

from ..core.errors import Wording
from ..core.messages import join, printable, reason, similar
from . import addresses, formats
from .addresses import is_address
from .table_errors import STANDARD_INPUT, TableError, import_pyarrow

SAVE_AS_CSV, EXTRACT = "Save the table as CSV.", "Extract the table first."
NO_TABLE, MODEL = "A table is needed.", "is a safetensors file, such as a fastnn model."
PASS_A_FILE = f"Pass a {formats.names()} file."
COMPRESSIONS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zst",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # without members
}
PATIENCE = 5.0  # seconds to wait for a thread of pyarrow, which needs some microseconds
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


def find(path):
    """Return the TableSource of a path or of "-", which is standard input."""
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
        source = TableSource(addresses.without_secrets(path), data=addresses.read(path))
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
    check_format(source.label, start)
    source.format = archive or formats.find(start)
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
        infos = [
            info
            for info in archive.infolist()
            if not info.is_dir()
            and not info.filename.startswith("__MACOSX/")
            and not os.path.basename(info.filename).startswith(".")
        ]
        names = [info.filename for info in infos]
        found = formats.find_archive(names, archive)
    if found is not None:
        source.compression = None
        return found
    if "xl/workbook.bin" in names:
        raise TableError(
            "is a binary Excel file (.xlsb).", "Save it as .xlsx or CSV.", place=source.label
        )
    if "word/document.xml" in names or "ppt/presentation.xml" in names:
        raise TableError("is an Office document.", SAVE_AS_CSV, place=source.label)
    if "content.xml" in names and "mimetype" in names:
        raise TableError("is an OpenDocument file, but no sheet.", SAVE_AS_CSV, place=source.label)
    if names and all(name.endswith(".npy") for name in names):
        raise TableError(
            "is a NumPy archive (.npz).",
            "Save the arrays as the columns of a CSV file.",
            place=source.label,
        )
    if not names:
        raise TableError("is an empty zip archive.", "Put one table into it.", place=source.label)
    if len(names) > 1:
        raise TableError(
            "contains {n:,} files: {names}.",
            "Extract the table that you need.",
            place=source.label,
            n=len(names),
            names=join(names),
        )
    if infos[0].flag_bits & 1:
        raise TableError("is an encrypted zip archive.", EXTRACT, place=source.label)
    source.member = names[0]
    return None


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


# ---- other formats ----


def check_format(label, start):
    """Raise TableError if the first bytes are of a known format that holds no readable table."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")[:20].decode("latin-1").lower()
    known = [
        *((start.startswith(mark), *what) for mark, *what in OTHER_FORMATS),
        (start[257:262] == b"ustar", "is a tar archive.", EXTRACT),
        (start[8:10] == b'{"' and start[4:8] == b"\0\0\0\0", MODEL, NO_TABLE),
        *((text.startswith(tag), *what) for tag, *what in MARKUP),
    ]
    for is_of_this_format, problem, advice in known:
        if is_of_this_format:
            raise TableError("{problem}", "{advice}", place=label, problem=problem, advice=advice)


# ---- readers of pyarrow ----


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

"""Formats of table files, a row of `FORMATS` each: how a file is recognized, read and written.

Help texts, error messages, folders and the options `sheet` and `sql` follow from the rows. A new
format is a module with a function that reads, and perhaps a class that writes, and its row.
"""

import codecs
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .errors import TableError

COMPRESSED = ".gz", ".bz2", ".xz", ".zst", ".zip"  # at the end of file names
START = 1024  # bytes that a format is recognized by
ODS = b"application/vnd.oasis.opendocument.spreadsheet"


@dataclass(frozen=True, eq=False)
class Format:
    """A format of table files.

    Attributes
    ----------
    name : str
        In help texts and messages. Two rows may have the same name.
    extensions : tuple of str
        Of file names. Texts name the first.
    reads : str
        The function that reads, such as "spreadsheets.read_sheet" of this package. It is called with the
        TableSource, the ReadOptions and a function for notes, and returns a pyarrow.Table. "" for
        text tables, which `files` reads.
    writes : str
        The class that writes. It is called with the binary file, the extension and the argument
        `quoted` of `files.writing`, and is a context manager with a method write(table).
        "" if fastnn does not write the format.
    begins : function
        begins(start): whether a file with these first bytes, decompressed, is of this format.
    is_archive : function
        is_archive(names, archive): whether a zip archive with these files is of this format.
    option : {"", "sheet", "sql"}
        Option of `read` that only this format has.
    package, extra : str
        The package that reads it, and the extra of fastnn that installs it.
    is_packed : bool
        Whether it is compressed by itself, so that it is not written with .gz.
    """

    name: str
    extensions: tuple[str, ...]
    reads: str = ""
    writes: str = ""
    begins: Callable[[bytes], bool] = lambda start: False
    is_archive: Callable[[list, Any], bool] = lambda names, archive: False
    option: str = ""
    package: str = ""
    extra: str = ""
    is_packed: bool = False

    def import_package(self, label):
        """Import the package that reads it. Raise TableError if it is not installed."""
        try:
            return import_module(self.package)
        except ImportError:
            raise TableError(
                "{format} files need {package}, which is not installed.",
                'Run: python -m pip install "fastnn-mlp[{extra}]", or save the table as CSV.',
                place=label,
                format=self.name,
                package=self.package,
                extra=self.extra,
            ) from None


def _to_text(start):
    return start.removeprefix(codecs.BOM_UTF8).replace(b"\0", b"").lstrip(b"\xff\xfe \t\r\n")


def _is_array(start):
    text = _to_text(start)
    return text.startswith(b"[") and text[1:].lstrip()[:1] in (b"{", b"]", b"[")


def _is_ods(names, archive):
    is_document = "content.xml" in names and "mimetype" in names
    return is_document and archive.open("mimetype").read(100).startswith(ODS)


def _starts(*marks):
    return lambda start: start.startswith(marks)


CSV = Format("CSV", (".csv",), writes="text_files.TextWriter")
PARQUET = Format(
    "Parquet",
    (".parquet", ".pq"),
    "arrow_files.read_parquet",
    "arrow_files.ParquetWriter",
    _starts(b"PAR1"),
    is_packed=True,
)
DUCKDB = Format(
    "DuckDB",
    (".duckdb",),
    "databases.read_database",
    begins=lambda start: start[8:12] == b"DUCK",
    option="sql",
    package="duckdb",
    extra="duckdb",
)
#: In the order of texts. What no other format recognizes is a text table, CSV.
FORMATS = [
    CSV,
    Format("TSV", (".tsv", ".tab"), writes="text_files.TextWriter"),
    Format("CSV", (".txt",)),
    Format(
        "JSON",
        (".jsonl", ".ndjson"),
        "json_files.read_json_lines",
        "json_files.JsonWriter",
        lambda start: _to_text(start).startswith(b"{"),
    ),
    Format(
        "JSON",
        (".json",),
        "json_files.read_json_array",
        "json_files.JsonWriter",
        _is_array,
    ),
    Format(
        "Excel",
        (".xlsx",),
        "spreadsheets.read_sheet",
        is_archive=lambda names, archive: "xl/workbook.xml" in names,
        option="sheet",
        package="openpyxl",
        extra="excel",
    ),
    Format(
        "Excel",
        (".xls",),
        "spreadsheets.read_sheet",
        begins=_starts(b"\xd0\xcf\x11\xe0"),
        option="sheet",
        package="xlrd",
        extra="excel",
    ),
    Format(
        "OpenDocument", (".ods",), "spreadsheets.read_sheet", is_archive=_is_ods, option="sheet"
    ),
    Format(
        "Feather",
        (".feather", ".arrow"),
        "arrow_files.read_arrow",
        begins=_starts(b"ARROW1", b"FEA1", b"\xff\xff\xff\xff"),
    ),
    PARQUET,
    Format(
        "SQLite",
        (".db", ".sqlite", ".sqlite3"),
        "databases.read_database",
        begins=_starts(b"SQLite format 3\0"),
        option="sql",
    ),
    DUCKDB,
]


def load_function(place):
    """Return the function or class of a row, such as "spreadsheets.read_sheet"."""
    module, _, name = place.partition(".")
    return getattr(import_module(f"{__package__}.{module}"), name)


# ---- what a file is ----


def match_format(start):
    """Return the Format of a file with these first bytes, decompressed."""
    formats = (DUCKDB, *FORMATS)  # first, since its first eight bytes are a checksum: any bytes
    return next((each for each in formats if each.begins(start)), CSV)


def find_archive(names, archive):
    """Return the Format that a zip archive with these files is a file of, or None."""
    return next((each for each in FORMATS if each.is_archive(names, archive)), None)


def find_stored(path):
    """Return the Format that a file begins as; None if there is no file."""
    try:
        if not os.path.isfile(path):
            return None
        with open(path, "rb") as file:
            return match_format(file.read(START))
    except OSError:
        return None


def find_written(path):
    """Return the Format that a file name is written in, None if its extension is unknown."""
    name = str(path)
    plain = name.removesuffix(".gz")
    known = (each for each in FORMATS if each.writes and plain.endswith(each.extensions))
    return next((each for each in known if plain == name or not each.is_packed), None)


def extension(path):
    """Return the extension of a file name, without that of a compressed file."""
    name = path.lower()
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    return os.path.splitext(name)[1]


def is_table_name(path):
    """Whether a file name has the extension of a table."""
    return any(extension(path) in each.extensions for each in FORMATS)


# ---- texts ----


def format_names(option=None):
    """Return the names of the formats, or of those with an option, as in "CSV or JSON"."""
    return _listed(each.name for each in FORMATS if option in (None, each.option))


def written_extensions():
    """Return the file extensions that can be written, for help texts and messages."""
    known = [each for each in FORMATS if each.writes]
    packed = _listed((each.extensions[0] for each in known if each.is_packed), "and")
    return f"{_listed(each.extensions[0] for each in known)}; all but {packed} also with .gz"


def _listed(words, last_joint="or"):
    *others, last = dict.fromkeys(words)
    return f"{', '.join(others)} {last_joint} {last}" if others else last

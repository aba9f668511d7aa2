"""Files that raise each DataError of `fastnn.tables`: as a call in Python, and as a command."""

import gzip
import http.client
import io
import os
import sqlite3
import sys
import zipfile
from pathlib import Path
from unittest.mock import MagicMock, Mock

import pyarrow as pa
import pyarrow.parquet as pq
from cli_cases import write_csv
from data_errors import GOAL, TEXT, A, Case, folder, large, number_model, train

from fastnn import tables
from fastnn.tables.arrow_files import ParquetGroups

CSV = "a,goal\n1,0\n2,1\n"


def nothing(monkeypatch):
    pass


def reading(site, name, prepare=nothing, options="", **arguments):
    """A Case of a table that is read."""
    return Case(
        f"tables/{site}", lambda: tables.read(name, **arguments), train(name, options), prepare
    )


def file(site, data, options="", prepare=nothing, **arguments):
    """A Case of a table file `a` with these bytes."""

    def write(monkeypatch):
        Path("a").write_bytes(data if isinstance(data, bytes) else data.encode())
        prepare(monkeypatch)

    return reading(site, "a", write, options, **arguments)


def groups(site, prepare=nothing, name="d", target="goal", call=ParquetGroups):
    """A Case of a Parquet file or a folder of them, in Python alone."""
    return Case(f"tables/arrow_files.{site}", lambda: call(name, target), None, prepare)


def called(site, python, command=None, prepare=nothing):
    """A Case of another call."""
    return Case(f"tables/{site}", python, command, prepare)


def many_rows(site, prepare, name="d", options="", **arguments):
    """A Case of a fit of a table that is larger than memory."""
    fit = lambda: large().fit(name, "goal", **arguments)  # noqa: E731
    return Case(f"tables/{site}", fit, train(name, options), prepare)


def patched(name, value):
    return lambda monkeypatch: monkeypatch.setattr(name, value)


def empty_folder(monkeypatch):
    os.mkdir("d")


def packed(files):
    """A ZIP file of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in files.items():
            out.writestr(name, data)
    return buffer.getvalue()


def archive(*names, encrypted=False):
    data = bytearray(packed(dict.fromkeys(names, "a,goal\n1,2\n")))
    if encrypted:
        for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            data[data.index(mark) + offset] |= 1
    return bytes(data)


def workbook(*rows):
    import openpyxl

    book, buffer = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(buffer)
    return buffer.getvalue()


def without(*names):
    """Let these packages be missing."""
    return lambda monkeypatch: [monkeypatch.setitem(sys.modules, n, None) for n in names]


def truncated_parquet(monkeypatch):
    """A file whose metadata can be read, but not its rows."""
    pq.write_table(pa.table({"a": A, "goal": GOAL}), "t.parquet", compression="gzip")
    data = bytearray(Path("t.parquet").read_bytes())
    data[4:60] = b"\xff" * 56
    Path("t.parquet").write_bytes(bytes(data))


def text_folder(**files):
    """Write a folder `d` of text files."""

    def write(monkeypatch):
        for name, text in files.items():
            path = Path("d", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


def database(*names):
    """Write an SQLite file with these tables."""

    def write(monkeypatch):
        connection = sqlite3.connect("d.db")
        connection.execute("CREATE TABLE a(goal)")
        connection.execute("DROP TABLE a")
        for name in names:
            connection.execute(f"CREATE TABLE {name}(a, goal)")
        connection.commit()
        connection.close()

    return write


def ods(content=""):
    """An OpenDocument file with this XML of sheets."""
    space = ' xmlns:{0}="urn:oasis:names:tc:opendocument:xmlns:{0}:1.0"'
    spaces = "".join(map(space.format, ("office", "table", "text")))
    body = f"<office:body><office:spreadsheet>{content}</office:spreadsheet></office:body>"
    xml = f"<office:document-content{spaces}>{body}</office:document-content>"
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    return packed({"mimetype": kind, "content.xml": xml, "META-INF/manifest.xml": "<manifest/>"})


def raising(error):
    return Mock(side_effect=error)


_incomplete = MagicMock()
_incomplete().__enter__().configure_mock(headers={}, read=raising(http.client.IncompleteRead(b"")))
_fail = raising(OSError(5, "Input/output error"))
_invalid = raising(pa.ArrowInvalid("{braces} are no fields"))
_straddling = raising(pa.ArrowInvalid("straddling object straddles two block boundaries"))


def standard_input(data):
    new = lambda: Mock(buffer=io.BytesIO(data), isatty=lambda: False)  # noqa: E731
    return lambda monkeypatch: monkeypatch.setattr("sys.stdin", new())


def unreadable_folder(monkeypatch):
    os.mkdir("d")
    Path("d/a.parquet").write_bytes(b"PAR1")


def read_groups(*arguments):
    return list(ParquetGroups(*arguments))


def model_that_cannot_be_replaced(monkeypatch):
    number_model(monkeypatch)
    monkeypatch.setattr("fastnn.tables.files.replacing", _fail)


MEMORY, SIZE = "fastnn.tables.limits.available_memory", "fastnn.tables.source._decompressed_size"
FAILS, OPEN_URL = "databases.read_database: {argument} fails", "urllib.request.urlopen"
PREDICT = "predict n.safetensors new.csv --out a"
PARSE = "fastnn.tables.text_files._parse"
SEPARATOR = "text_files._check_separator: {argument}"
TOO_WIDE = ",".join(f"c{i}" for i in range(10_001)) + "\n" + "1," * 10_000 + "1"
NUMBERS = {"a": A, "goal": GOAL}
DUCK = b"x" * 8 + b"DUCK"
FILES = [
    reading("errors.expect_readable", "-", standard_input(b"PAR1")),
    file("errors.expect_readable", b"ARROW1\0\0"),
    file("encodings._find_other", bytes(range(0x80, 0x100)) * 2),
    file("encodings._refuse_utf_16", CSV.encode("utf-16-le")),
    file("encodings._look_up", CSV, "--encoding x", encoding="x"),
    file("encodings._check_encoding", b"a,g\n1,\xff\n", "--encoding utf-8", encoding="utf-8"),
    file("encodings.first_invalid_line", "a,goal\n1,\0\n"),
    file("errors.import_pyarrow", CSV, prepare=without("pyarrow")),
    file("formats.import_package", workbook(["a"], [1]), prepare=without("openpyxl")),
    file("errors.expect_readable", archive("xl/workbook.xml")),
    file("spreadsheets._choose: has no sheet {value", workbook(["a"], [1]), "--sheet b", sheet="b"),
    file("spreadsheets._find_table", workbook()),
    file("files._read_source", CSV, prepare=patched("fastnn.tables.files.detect", _fail)),
    file("files._check_options: is not an {formats} file, so it has", CSV, "--sheet b", sheet="b"),
    file("files._check_options: is not an {formats} file, so {name}", CSV, "--sql s", sql="s"),
    file("json_files._read_each_line: is {value}", '{"a": 1}\n[2]\n'),
    file("json_files._read_each_line: is not JSON", '{"a": 1}\n{"a": \n'),
    file("json_files._one_object", '{"a": {"b": [1]}}'),
    file("json_files.read_json_array: is not JSON", '[{"a": 1},'),
    file("json_files.read_json_array: item", "[[1], [2]]"),
    file("column_layout.find_layout: is empty", ""),
    file("column_layout.find_layout: cannot be read", '"' + "x" * 140_000),
    file("column_layout._set_names", '"a,goal\n1,2\n'),
    file("limits.check_width", TOO_WIDE),
    file("limits.check_free_memory:", CSV, prepare=patched(MEMORY, lambda: 10)),
    groups("_find_parts", empty_folder),
    many_rows("source._choose_extensions: is a folder", empty_folder),
    reading("source._choose_extensions: holds", "d", text_folder(**{"a.csv": CSV, "b.json": "[]"})),
    reading("source._check_keys", "d", text_folder(**{"a.csv": CSV, "b=1/b.csv": CSV})),
    reading("files._join", "d", text_folder(**{"a.csv": CSV, "b.csv": "x,y\n1,2\n"})),
    file("json_files._read_value", '{"x": [{"a": 1}], "y": [{"a": 1}]}'),
    file("databases.read_database: not a", b"SQLite format 3\0" + b"x" * 100),
    reading(FAILS, "d.db", database("x"), "--sql drop", sql="DROP TABLE x"),
    reading("databases._only_table: contains no", "d.db", database()),
    reading("databases._only_table: contains {", "d.db", database("x", "y")),
    file("formats.import_package", DUCK, prepare=without("duckdb")),
    file("databases.__init__: is a DuckDB", gzip.compress(DUCK)),
    file("spreadsheets.read_sheet", b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le")),
    file("formats.import_package", b"\xd0\xcf\x11\xe0", prepare=without("xlrd")),
    file("source._refuse", archive("xl/workbook.bin")),
    file("spreadsheets._choose: has no sheets", ods()),
    reading("source._read_address", "memory://no.csv"),
    reading("source._open_fsspec: addresses", "memory://no.csv", without("fsspec")),
    reading("source._open_fsspec: {kind}", "foo://no.csv"),
    reading("source._read_all", "http://localhost/a.csv", patched(OPEN_URL, _incomplete)),
    groups("_open: there is no", name="no.parquet"),
    many_rows("errors.expect_readable", unreadable_folder),
    many_rows("arrow_files.__init__: {what}", folder(a=NUMBERS, b={"a": TEXT, "goal": GOAL})),
    many_rows("arrow_files.batches", truncated_parquet, "t.parquet", "--window 30", window=30),
    groups("check_name", folder(a=NUMBERS), target="gaol"),
    groups("_check_is_number", folder(a={"a": TEXT, "goal": GOAL})),
    groups("_to_numbers", folder(a={"a": [1, None], "goal": [0, 1]}), call=read_groups),
    groups("__init__: has no", folder(a={"goal": [0, 1]})),
    reading("source.open_source: is a terminal", "-", patched("sys.stdin", None)),
    reading("source._find_file: is not a regular", "/dev/null"),
    reading("source._find_file: {problem}", "b.csv"),
    file("source._refuse", archive("word/document.xml")),
    file("source._refuse", archive("content.xml", "mimetype")),
    file("source._refuse", archive("x.npy", "y.npy")),
    file("source._refuse", archive()),
    file("source._choose_member: contains", archive("a.csv", "b.csv")),
    file("source._refuse", archive("a.csv", encrypted=True)),
    file("source._explained", gzip.compress(CSV.encode()), prepare=patched(SIZE, _fail)),
    file("source.explain_damage", gzip.compress(CSV.encode())[:12] + b"\xff" * 20),
    file("source._refuse", "%PDF-1.7"),
    called("checks.check_data", lambda: tables.check_data(pa.table({"a": A}), "goal")),
    called(
        *("files.check_extension", lambda: tables.write("a.txt", {"a": A})),
        *(f"{PREDICT}.txt", number_model),
    ),
    called(
        *("files.writing", lambda: tables.write("no/a.csv", {"a": A})),
        *(f"{PREDICT}.csv", model_that_cannot_be_replaced),
    ),
    file("text_files.detect", CSV, "--comment=", comment=""),
    file(f"{SEPARATOR} is {{value!r}}, but one", CSV, "--sep ab", sep="ab"),
    called(
        *(f"{SEPARATOR} is {{value!r}}, but must", lambda: tables.read("a", decimal=":")),
        prepare=lambda monkeypatch: write_csv("a", a=A, goal=GOAL),
    ),
    file(f"{SEPARATOR} and", CSV, "--sep , --decimal ,", sep=",", decimal=","),
    file("text_files._error", CSV + "3,4,5\n"),
    file("text_files._check_quotes", CSV + '"3,4\n'),
    file("text_files._read_uneven", CSV, prepare=patched(PARSE, _invalid)),
    file("text_files.records", CSV + '"' + "x" * 200_000, prepare=patched(PARSE, _straddling)),
    file("text_files._long_line", CSV, prepare=patched(PARSE, _straddling)),
    file("json_files._from_rows", "[{}]"),
    file("tidy.check_not_empty: has no columns", "{}\n{}\n"),
    file("tidy.check_not_empty: has {what}", "a,goal\n"),
    file("column_layout._number_duplicates", "1,1\n2,3\n"),
]

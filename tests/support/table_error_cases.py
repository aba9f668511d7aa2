"""Files that raise each DataError of `fastnn.tables`: as a call in Python, and as a command."""

import gzip
import http.client
import io
import os
import sqlite3
import sys
import zipfile
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
from cli_cases import write_csv
from data_errors import GOAL, TEXT, A, Case, folder, large, number_model, train

from fastnn import tables
from fastnn.tables.arrow_files import ParquetGroups

CSV = "a,goal\n1,0\n2,1\n"


def file(site, data, name="a", options="", prepare=None, **arguments):
    """A Case of a table file with these bytes."""

    def write(monkeypatch):
        Path(name).write_bytes(data if isinstance(data, bytes) else data.encode())
        if prepare is not None:
            prepare(monkeypatch)

    return Case(
        f"tables/{site}", lambda: tables.read(name, **arguments), train(name, options), write
    )


def archive(*names, encrypted=False):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name in names:
            out.writestr(name, "a,goal\n1,2\n")
    data = bytearray(buffer.getvalue())
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


def little_memory(name):
    return lambda monkeypatch: monkeypatch.setattr(name, lambda: 10)


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
    spaces = "".join(
        f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    body = f"<office:body><office:spreadsheet>{content}</office:spreadsheet></office:body>"
    xml = f"<office:document-content{spaces}>{body}</office:document-content>"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        out.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        out.writestr("content.xml", xml)
        out.writestr("META-INF/manifest.xml", "<manifest/>")
    return buffer.getvalue()


def _incomplete(*arguments, **options):
    class Answer(io.BytesIO):
        headers: ClassVar = {}

        def read(self, *arguments):
            raise http.client.IncompleteRead(b"")

    return Answer()


def _fail(*arguments):
    raise OSError(5, "Input/output error")


def _invalid(*arguments, **options):
    raise pa.ArrowInvalid("{braces} are no fields")


def _straddling(*arguments, **options):
    raise pa.ArrowInvalid("straddling object straddles two block boundaries")


def standard_input(data):
    class Input:
        buffer = property(lambda self: io.BytesIO(data))

        def isatty(self):
            return False

    return lambda monkeypatch: monkeypatch.setattr("sys.stdin", Input())


FILES = [
    Case(
        "tables/errors.expect_readable",
        lambda: tables.read("-"),
        train("-"),
        standard_input(b"PAR1"),
    ),
    file("errors.expect_readable", b"ARROW1\0\0"),
    file("encodings._find_other", bytes(range(0x80, 0x100)) * 2),
    file("encodings._refuse_utf_16", CSV.encode("utf-16-le")),
    file("encodings._look_up", CSV, options="--encoding x", encoding="x"),
    file(
        "encodings._check_encoding", b"a,g\n1,\xff\n", options="--encoding utf-8", encoding="utf-8"
    ),
    file("encodings.first_invalid_line", "a,goal\n1,\0\n"),
    file("errors.import_pyarrow", CSV, prepare=without("pyarrow")),
    file("formats.import_package", workbook(["a"], [1]), prepare=without("openpyxl")),
    file("errors.expect_readable", archive("xl/workbook.xml")),
    file(
        "spreadsheets._choose: has no sheet {value",
        workbook(["a"], [1]),
        options="--sheet b",
        sheet="b",
    ),
    file("spreadsheets._find_table", workbook()),
    file(
        "files._read_source",
        CSV,
        prepare=lambda m: m.setattr("fastnn.tables.files.detect", _fail),
    ),
    file(
        "files._check_options: is not an {formats} file, so it has",
        CSV,
        options="--sheet b",
        sheet="b",
    ),
    file(
        "files._check_options: is not an {formats} file, so {name}",
        CSV,
        options="--sql s",
        sql="s",
    ),
    file("json_files._read_each_line: is {value}", '{"a": 1}\n[2]\n'),
    file("json_files._read_each_line: is not JSON", '{"a": 1}\n{"a": \n'),
    file("json_files._one_object", '{"a": {"b": [1]}}'),
    file("json_files.read_json_array: is not JSON", '[{"a": 1},'),
    file("json_files.read_json_array: item", "[[1], [2]]"),
    file("column_layout.find_layout: is empty", ""),
    file("column_layout.find_layout: cannot be read", '"' + "x" * 140_000),
    file("column_layout._set_names", '"a,goal\n1,2\n'),
    file(
        "limits.check_width", ",".join(f"c{i}" for i in range(10_001)) + "\n" + "1," * 10_000 + "1"
    ),
    file(
        "limits.check_free_memory:",
        CSV,
        prepare=little_memory("fastnn.tables.limits.system_memory"),
    ),
    Case(
        "tables/arrow_files._find_parts",
        lambda: ParquetGroups("d", "goal"),
        None,
        lambda monkeypatch: os.mkdir("d"),
    ),
    Case(
        "tables/source._choose_extensions: is a folder",
        lambda: large().fit("d", "goal"),
        train("d"),
        lambda monkeypatch: os.mkdir("d"),
    ),
    Case(
        "tables/source._choose_extensions: holds",
        lambda: tables.read("d"),
        train("d"),
        text_folder(**{"a.csv": CSV, "b.json": "[]"}),
    ),
    Case(
        "tables/source._check_keys",
        lambda: tables.read("d"),
        train("d"),
        text_folder(**{"a.csv": CSV, "b=1/b.csv": CSV}),
    ),
    Case(
        "tables/files._join",
        lambda: tables.read("d"),
        train("d"),
        text_folder(**{"a.csv": CSV, "b.csv": "x,y\n1,2\n"}),
    ),
    file("json_files._read_value", '{"x": [{"a": 1}], "y": [{"a": 1}]}'),
    file("databases.read_database: not a", b"SQLite format 3\0" + b"x" * 100),
    Case(
        "tables/databases.read_database: {argument} fails",
        lambda: tables.read("d.db", sql="DROP TABLE x"),
        train("d.db", "--sql drop"),
        database("x"),
    ),
    Case(
        "tables/databases._only_table: contains no",
        lambda: tables.read("d.db"),
        train("d.db"),
        database(),
    ),
    Case(
        "tables/databases._only_table: contains {",
        lambda: tables.read("d.db"),
        train("d.db"),
        database("x", "y"),
    ),
    file("formats.import_package", b"x" * 8 + b"DUCK", prepare=without("duckdb")),
    file("databases.__init__: is a DuckDB", gzip.compress(b"x" * 8 + b"DUCK")),
    file("spreadsheets.read_sheet", b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le")),
    file("formats.import_package", b"\xd0\xcf\x11\xe0", prepare=without("xlrd")),
    file("source._refuse", archive("xl/workbook.bin")),
    file("spreadsheets._choose: has no sheets", ods()),
    Case(
        "tables/source._read_address",
        lambda: tables.read("memory://no.csv"),
        train("memory://no.csv"),
    ),
    Case(
        "tables/source._open_fsspec: addresses",
        lambda: tables.read("memory://no.csv"),
        train("memory://no.csv"),
        without("fsspec"),
    ),
    Case(
        "tables/source._open_fsspec: {kind}",
        lambda: tables.read("foo://no.csv"),
        train("foo://no.csv"),
    ),
    Case(
        "tables/source._read_all",
        lambda: tables.read("http://localhost/a.csv"),
        train("http://localhost/a.csv"),
        lambda m: m.setattr("urllib.request.urlopen", _incomplete),
    ),
    Case("tables/arrow_files._open: there is no", lambda: ParquetGroups("no.parquet", "goal")),
    Case(
        "tables/errors.expect_readable",
        lambda: large().fit("d", "goal"),
        train("d"),
        lambda monkeypatch: (os.mkdir("d"), Path("d/a.parquet").write_bytes(b"PAR1")),
    ),
    Case(
        "tables/arrow_files.__init__: {what}",
        lambda: large().fit("d", "goal"),
        train("d"),
        folder(a={"a": A, "goal": GOAL}, b={"a": TEXT, "goal": GOAL}),
    ),
    Case(
        "tables/arrow_files.batches",
        lambda: large().fit("t.parquet", "goal", window=30),
        train("t.parquet", "--window 30"),
        truncated_parquet,
    ),
    Case(
        "tables/arrow_files.check_name",
        lambda: ParquetGroups("d", "gaol"),
        None,
        folder(a={"a": A, "goal": GOAL}),
    ),
    Case(
        "tables/arrow_files._check_is_number",
        lambda: ParquetGroups("d", "goal"),
        None,
        folder(a={"a": TEXT, "goal": GOAL}),
    ),
    Case(
        "tables/arrow_files._to_numbers",
        lambda: list(ParquetGroups("d", "goal")),
        None,
        folder(a={"a": [1, None], "goal": [0, 1]}),
    ),
    Case(
        "tables/arrow_files.__init__: has no",
        lambda: ParquetGroups("d", "goal"),
        None,
        folder(a={"goal": [0, 1]}),
    ),
    Case(
        "tables/source.open_source: is a terminal",
        lambda: tables.read("-"),
        train("-"),
        lambda monkeypatch: monkeypatch.setattr("sys.stdin", None),
    ),
    Case(
        "tables/source._find_file: is not a regular",
        lambda: tables.read("/dev/null"),
        train("/dev/null"),
    ),
    Case("tables/source._find_file: {problem}", lambda: tables.read("b.csv"), train("b.csv")),
    file("source._refuse", archive("word/document.xml")),
    file("source._refuse", archive("content.xml", "mimetype")),
    file("source._refuse", archive("x.npy", "y.npy")),
    file("source._refuse", archive()),
    file("source._choose_member: contains", archive("a.csv", "b.csv")),
    file("source._refuse", archive("a.csv", encrypted=True)),
    file(
        "source._explained",
        gzip.compress(CSV.encode()),
        prepare=lambda m: m.setattr("fastnn.tables.source._decompressed_size", _fail),
    ),
    file("source.explain_damage", gzip.compress(CSV.encode())[:12] + b"\xff" * 20),
    file("source._refuse", "%PDF-1.7"),
    Case("tables/checks.check_data", lambda: tables.check_data(pa.table({"a": A}), "goal")),
    Case(
        "tables/files.check_extension",
        lambda: tables.write("a.txt", {"a": A}),
        "predict n.safetensors new.csv --out a.txt",
        number_model,
    ),
    Case(
        "tables/files.writing",
        lambda: tables.write("no/a.csv", {"a": A}),
        "predict n.safetensors new.csv --out a.csv",
        lambda monkeypatch: (
            number_model(monkeypatch),
            monkeypatch.setattr("fastnn.tables.files.replacing", _fail),
        ),
    ),
    file("text_files.detect", CSV, options="--comment=", comment=""),
    file(
        "text_files._check_separator: {argument} is {value!r}, but one",
        CSV,
        options="--sep ab",
        sep="ab",
    ),
    Case(
        "tables/text_files._check_separator: {argument} is {value!r}, but must",
        lambda: tables.read("a", decimal=":"),
        None,
        lambda monkeypatch: write_csv("a", a=A, goal=GOAL),
    ),
    file(
        "text_files._check_separator: {argument} and",
        CSV,
        options="--sep , --decimal ,",
        sep=",",
        decimal=",",
    ),
    file("text_files._error", CSV + "3,4,5\n"),
    file("text_files._check_quotes", CSV + '"3,4\n'),
    file(
        "text_files._read_uneven",
        CSV,
        prepare=lambda m: m.setattr("fastnn.tables.text_files._parse", _invalid),
    ),
    file(
        "text_files.records",
        CSV + '"' + "x" * 200_000,
        prepare=lambda m: m.setattr("fastnn.tables.text_files._parse", _straddling),
    ),
    file(
        "text_files._long_line",
        CSV,
        prepare=lambda m: m.setattr("fastnn.tables.text_files._parse", _straddling),
    ),
    file("json_files._from_rows", "[{}]"),
    file("tidy.check_not_empty: has no columns", "{}\n{}\n"),
    file("tidy.check_not_empty: has {what}", "a,goal\n"),
    file("column_layout._number_duplicates", "1,1\n2,3\n"),
]

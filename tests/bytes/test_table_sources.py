"""Tables in JSON objects, old spreadsheets, databases, and at addresses."""

import contextlib
import datetime
import gzip
import http.server
import io
import json
import os
import pathlib
import random
import shutil
import sqlite3
import sys
import threading
import time
from contextlib import closing
from zipfile import ZipFile

import pytest
from places import DATA
from scale import scaled
from table_error_cases import ods
from table_media import read_with_notes

pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")

from fastnn.tables import TableError, limits, read  # noqa: E402
from fastnn.tables.files import locate  # noqa: E402
from fastnn.tables.formats import DUCKDB, match_format  # noqa: E402
from fastnn.tables.source import lend  # noqa: E402
from fastnn.tables.spreadsheets import _xls_value  # noqa: E402 - after importorskip

ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": None}, {"a": 3, "b": "z"}]


def rows_with_notes(path, **options):
    table, notes = read_with_notes(path, **options)
    return table.to_pylist(), notes


# ---- JSON ----


@pytest.mark.parametrize("orient", ["split", "records", "index", "columns", "table"])
def test_json_of_pandas(tmp_path, orient):
    pd = pytest.importorskip("pandas")
    path = tmp_path / "a.json"
    pd.DataFrame(ROWS).to_json(path, orient=orient)
    rows, notes = rows_with_notes(path)
    assert [{"a": row["a"], "b": row["b"]} for row in rows] == ROWS and not notes


LISTS = [[1, "x"], [2, None], [3, "z"]]
VIEW = {"view": {"columns": [{"name": "a"}, {"name": "b"}]}}
OBJECTS = [
    ({"data": ROWS}, "data"),
    ({"meta": {"n": 3}, "result": {"page": 1, "rows": ROWS}}, "result.rows"),
    ({"a": [1, 2, 3], "b": ["x", None, "z"]}, ""),
    ([["a", "b"], *LISTS], ""),
    ({"columns": ["a", "b"], "data": LISTS}, ""),
    ({"meta": VIEW, "data": LISTS}, ""),
    ({"schema": {"n": 3}, "data": ROWS}, "data"),
    ({"a": {"b": {"c": {"d": {"e": ROWS}}}}}, "a.b.c.d.e"),
]


@pytest.mark.parametrize(("value", "where"), OBJECTS)
@pytest.mark.parametrize("indent", [None, 1])
def test_json_objects_around_rows(file, value, where, indent):
    path = file("a.json", json.dumps(value, indent=indent))
    notes = [f": the rows are the list {where!r}"] if where else []
    assert rows_with_notes(path) == (ROWS, notes)


#: Objects that look as if they held the names and rows of a table: columns, None if there are none.
NOT_SPLIT = [
    ({"a": 1, "b": {"c": 2}, "d": ["x", "y"]}, {"a": [1], "b.c": [2], "d": [["x", "y"]]}),
    ({"columns": "ab", "data": [[1, 2]]}, {"columns": ["ab"], "data": [[[1, 2]]]}),
    ({"columns": ["a", "b"], "data": [1, 2]}, {"columns": ["a", "b"], "data": [1, 2]}),
    ({"columns": ["a"], "data": None}, {"columns": [["a"]], "data": [None]}),
    ({"columns": [], "data": [[], []]}, None),
    ({"columns": ["a", "b"], "data": []}, None),
    ({"columns": ["a", "b"], "data": [[1, 2], [3]]}, None),
    ({"a": [1, 2], "b": [3]}, None),
    ({"a": [[1], [2]]}, None),
    ({"a": {}, "b": {}}, None),
    ({"schema": {"fields": []}, "data": [1, 2]}, None),
    ({"a": {"b": {"c": {"d": {"e": {"f": ROWS}}}}}}, None),
]


@pytest.mark.parametrize(("value", "columns"), NOT_SPLIT)
def test_json_objects_of_other_shapes(file, value, columns):
    path = file("a.json", json.dumps(value))
    if columns is not None:
        assert read(path).to_pydict() == columns
        return
    message = r"a.json: holds one JSON object, not rows\. Write one obj"
    with pytest.raises(TableError, match=message):
        read(path)


# ---- spreadsheets ----


def test_old_excel_files(tmp_path, capfd):
    """Written with xlwt."""
    pytest.importorskip("xlrd", reason="the extra excel is not installed")
    path = str(DATA / "tables" / "flats.xls")
    rows, notes = rows_with_notes(path)
    first = dict(district="Nord", rooms=2, area=50.5, day=datetime.datetime(2024, 1, 31), let=True)
    assert rows[0] == first
    assert len(rows) == 2 and rows[1]["district"] == "Süd" and rows[1]["area"] is None
    assert notes == [": sheet 'flats' was read, not 'other'. Pass sheet to choose another."]
    with pytest.raises(TableError, match="has 1 column but no rows"):
        read(path, sheet=2)
    packed = tmp_path / "flats.xls.gz"
    packed.write_bytes(gzip.compress(pathlib.Path(path).read_bytes() + b"\0"))
    assert rows_with_notes(str(packed)) == (rows, notes)
    assert capfd.readouterr().out == ""  # xlrd tells about the odd size


def test_open_document_sheets(file, monkeypatch):
    cell = '<table:table-cell office:value-type="{}"{}><text:p>{}</text:p></table:table-cell>'
    rows = [["area", "city"], [50.5, "Bonn"], [70, "Ulm"]]
    content = '<table:table table:name="flats">'
    text = cell.format("string", "", "{0}")
    number = cell.format("float", ' office:value="{0}"', "{0}")
    for row in rows:
        cells = "".join((text if isinstance(v, str) else number).format(v) for v in row)
        content += f"<table:table-row>{cells}</table:table-row>"
    path = file("a.ods", ods(content + "</table:table>"))
    assert read(path).to_pydict() == {"area": [50.5, 70], "city": ["Bonn", "Ulm"]}
    formula = '<table:table-cell table:formula="of:=2*[.A1]"/>'
    content += f"<table:table-row>{formula}{cell.format('string', '', 'Rom')}</table:table-row>"
    rows, notes = rows_with_notes(file("b.ods", ods(content + "</table:table>")))
    assert rows[2] == {"area": None, "city": "Rom"}
    assert len(notes) == 1 and "1 formula in 'area' without a stored result. It is read" in notes[0]
    monkeypatch.setattr("fastnn.tables.spreadsheets.MAX_SHEET_ROWS", 5)
    more = f'<table:table-row table:number-rows-repeated="9">{cell.format("string", "", "Rom")}'
    path = file("c.ods", ods(content + more + "</table:table-row></table:table>"))
    others = [{"area": None, "city": "Rom"}, {"area": "Rom", "city": None}]
    assert rows_with_notes(path)[0][2:] == others


DAY, TIME = datetime.date(2026, 1, 31), datetime.datetime(2026, 1, 31, 10, 30)
MIDNIGHT = datetime.datetime(2026, 2, 1)
#: Of two rows: types, names of attributes, values in the file, and values.
ODS_CELLS = [
    ("boolean", "boolean-value", ("true", "false"), (True, False)),
    ("date", "date-value", ("2026-01-31", "2026-02-01"), (DAY, DAY + datetime.timedelta(1))),
    ("date", "date-value", ("2026-01-31T10:30:00", "2026-02-01T00:00:00"), (TIME, MIDNIGHT)),
    ("percentage", "value", ("0.5", "2"), (0.5, 2)),
    ("currency", "value", ("7.0", "8"), (7, 8)),
]


def test_values_of_open_document_cells(file):
    names = "".join(f"<table:table-cell><text:p>{i}</text:p></table:table-cell>" for i in range(6))
    content = f'<table:table table:name="s"><table:table-row>{names}</table:table-row>'
    for i, last in enumerate(
        ("<table:covered-table-cell/>", "<table:table-cell><text:p>x</text:p></table:table-cell>")
    ):
        content += "<table:table-row><text:soft-page-break/>"  # which is not a cell
        for kind, name, values, _ in ODS_CELLS:
            value = f'office:value-type="{kind}" office:{name}="{values[i]}"'
            content += f"<table:table-cell {value}/>"
        content += f"{last}</table:table-row>"
    empty = '<table:table-cell table:number-columns-repeated="16384"/>'
    content += f'<table:table-row table:number-rows-repeated="1048570">{empty}</table:table-row>'
    expected = {str(i): list(values) for i, (*_, values) in enumerate(ODS_CELLS)} | {
        "5": [None, "x"]
    }
    table, notes = read_with_notes(file("a.ods", ods(content + "</table:table>")))
    assert table.to_pydict() == expected and notes == []


def test_limits_of_open_document_sheets(file, monkeypatch):
    """Cells that are repeated take little in a file."""

    def repeated(n_rows, n_columns):
        cell = "<table:table-cell{}><text:p>x</text:p></table:table-cell>"
        cells = cell.format("") + cell.format(f' table:number-columns-repeated="{n_columns - 1}"')
        row = f'<table:table-row table:number-rows-repeated="{n_rows}">{cells}</table:table-row>'
        return f'<table:table table:name="s">{row}</table:table>'

    with pytest.raises(TableError, match=r"sheet 's': has 16,384 columns, but at most 10,000 are"):
        read(file("a.ods", ods(repeated(1, 20_000))), on_note=str)
    long = repeated(2, 2) + " " * 200_000
    n_long = ZipFile(io.BytesIO(ods(long))).getinfo("content.xml").file_size
    for content, n_bytes in ((repeated(100, 100), 100 * 100 * 8), (long, n_long)):
        path = file("a.ods", ods(content))
        monkeypatch.setattr(limits, "available_memory", lambda n=n_bytes: n - 1)
        with pytest.raises(TableError, match=r"a\.ods: needs about"):
            read(path)
        monkeypatch.setattr(limits, "available_memory", lambda n=n_bytes: n)
        assert read(path, on_note=str).num_columns in (2, 100)


MONDAY = datetime.datetime(1900, 1, 1)
XLS_CELLS = [
    *[("ERROR", 7, "#DIV/0!"), ("ERROR", 99, None), ("BOOLEAN", 0, False), ("TEXT", "7", "7")],
    *[("NUMBER", 7.0, 7), ("NUMBER", 7.5, 7.5), ("DATE", 0.5, datetime.time(12))],
    *[("DATE", 1.0, MONDAY), ("DATE", 45000.25, datetime.datetime(2023, 3, 15, 6))],
]


@pytest.mark.parametrize(("kind", "value", "expected"), XLS_CELLS)
def test_values_of_old_excel_cells(kind, value, expected):
    xlrd = pytest.importorskip("xlrd", reason="the extra excel is not installed")
    result = _xls_value(xlrd.sheet.Cell(getattr(xlrd.biffh, f"XL_CELL_{kind}"), value), 0)
    assert result == expected and type(result) is type(expected)


# ---- databases ----


@pytest.fixture
def database(tmp_path):
    """database(statements) -> path of an SQLite file"""

    def write(*statements, name="a.db"):
        path = tmp_path / name
        with closing(sqlite3.connect(path)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()
        return str(path)

    return write


ORDERS = (
    "CREATE TABLE orders(n INTEGER, price, city TEXT, photo BLOB)",
    "INSERT INTO orders VALUES (1, 1.5, 'Köln', x'00'), (2, 3, NULL, NULL), (3, '-', 'Ulm', NULL)",
)


def test_the_only_table_of_a_database(database, tmp_path):
    path = database(*ORDERS, "CREATE VIEW cheap AS SELECT * FROM orders WHERE price < 2")
    rows, notes = rows_with_notes(path)
    columns = dict(n=[1, 2, 3], price=[1.5, 3, None], city=["Köln", None, "Ulm"])
    assert {name: [row[name] for row in rows] for name in rows[0]} == columns
    assert notes == [": column 'photo' left out: bytes", ": column 'price': '-' read as missing"]
    assert read(path, sql="SELECT n FROM cheap")["n"].to_pylist() == [1]
    assert locate(path, 1, sql="SELECT n FROM orders") == "row 2"
    assert os.listdir(tmp_path) == ["a.db"]  # nothing beside it
    packed = tmp_path / "a.db.gz"
    packed.write_bytes(gzip.compress(pathlib.Path(path).read_bytes()))
    assert read(packed, on_note=str).num_rows == 3


def test_names_of_tables(database):
    path = database('CREATE TABLE "a ""b"(n)', 'INSERT INTO "a ""b" VALUES (7)')
    assert read(path).to_pydict() == {"n": [7]}


def test_a_database_that_is_written_to(database):
    path = database("PRAGMA journal_mode = WAL", *ORDERS)
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("INSERT INTO orders VALUES (4, 9, 'Bonn', NULL)")
        writer.commit()
        assert read(path, on_note=str).num_rows == 4


def test_types_of_other_parts_of_a_column(database, monkeypatch):
    monkeypatch.setattr("fastnn.tables.databases.BATCH", 2)
    path = database(
        "CREATE TABLE t(a, b, c, d)",
        "INSERT INTO t VALUES (1, 1, NULL, NULL), (2, 2, NULL, NULL), (3, 2.5, 7, NULL), "
        "(4, NULL, 8, NULL), ('x', 5, 9, NULL)",
    )
    columns = ["1", "2", "3", "4", "x"], [1, 2, 2.5, None, 5], [None, None, 7, 8, 9], [None] * 5
    assert read(path).to_pydict() == dict(zip("abcd", columns))


def test_invalid_texts_of_a_database(database):
    path = database(
        "CREATE TABLE t(a, b)",
        "INSERT INTO t VALUES (CAST(x'ff41' AS TEXT), CAST(x'42ff' AS TEXT)), ('é', NULL)",
    )
    rows = [{"a": "\ufffdA", "b": "B\ufffd"}, {"a": "é", "b": None}]
    assert rows_with_notes(path) == (rows, [": 2 texts with invalid UTF-8"])


HARMFUL = ["DELETE FROM orders", "DROP TABLE orders", "INSERT INTO orders VALUES (1, 2, 3, 4)"]
HARMFUL += ["CREATE TABLE x(a)", "ATTACH 'x.db' AS x", "VACUUM INTO 'x.db'"]
HARMFUL += ["PRAGMA writable_schema = 1", "PRAGMA journal_mode = WAL", ""]
HARMFUL += ["SELECT abs(n) FROM (SELECT 1 AS n UNION ALL SELECT -9223372036854775808)"]  # overflow
HARMFUL += ["SELECT load_extension('x')", "SELECT 1; DROP TABLE orders"]


@pytest.mark.parametrize("sql", HARMFUL)
def test_a_query_changes_nothing(database, tmp_path, monkeypatch, sql):
    monkeypatch.chdir(tmp_path)
    path = database(*ORDERS)
    before = pathlib.Path(path).read_bytes()
    with pytest.raises(TableError, match=r"a.db: sql fails: .*\. Pass a query that reads rows"):
        read(path, sql=sql)
    assert pathlib.Path(path).read_bytes() == before and os.listdir(tmp_path) == ["a.db"]


def test_a_query_without_end_ends_with_the_memory(database, monkeypatch):
    path = database("CREATE TABLE t(a)")
    sql = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT x FROM r"
    left = iter([10**9] * 3)
    monkeypatch.setattr(limits, "available_memory", lambda: next(left, 0))
    message = r"needs about 976\.6 kB of memory, but 0 bytes are available"  # 100 bytes each row
    with pytest.raises(TableError, match=message):
        read(path, sql=sql)


@pytest.mark.parametrize("checksum", [b"{" * 8, b"[[      ", b"PAR1    ", b"\xff\xfe      "])
def test_a_duckdb_file_begins_with_any_bytes(checksum):
    assert match_format(checksum + b"DUCK") is DUCKDB


def test_duckdb_files(tmp_path, monkeypatch):
    duckdb = pytest.importorskip("duckdb", reason="the extra duckdb is not installed")
    monkeypatch.chdir(tmp_path)
    pathlib.Path("s.csv").write_text("a,b\n1,2\n")
    columns = "range AS a, 'x' AS b, 1.5::DECIMAL(5, 2) AS c"
    with duckdb.connect("a.duckdb") as connection:
        connection.execute(f"CREATE TABLE t AS SELECT {columns} FROM range(3)")
    assert read("a.duckdb")["a"].to_pylist() == [0, 1, 2]
    assert read("a.duckdb", sql="SELECT sum(a) AS s FROM t").to_pydict() == {"s": [3]}
    before = pathlib.Path("a.duckdb").read_bytes()
    for sql in (
        *("SELECT * FROM read_csv('s.csv')", "SELECT * FROM 's.csv'", "COPY t TO 'x.csv'"),
        *("ATTACH 'x.db'", "INSTALL httpfs", "SELECT 1; SELECT 2", "DROP TABLE t", "LOAD 'x'"),
        *("SET enable_external_access = true", "CREATE TABLE z AS SELECT 1"),
    ):
        with pytest.raises(TableError, match=r"a.duckdb: sql fails: "):
            read("a.duckdb", sql=sql)
    assert pathlib.Path("a.duckdb").read_bytes() == before
    assert sorted(os.listdir()) == ["a.duckdb", "s.csv"]
    with duckdb.connect("a.duckdb") as connection:
        connection.execute('CREATE TABLE "my t"(a INT)')
    message = r"contains 2 tables: 'my t', 't'. Pass sql='SELECT \* FROM"
    with pytest.raises(TableError, match=message):
        read("a.duckdb")


@pytest.mark.parametrize("kind", ["db", "xls", "ods", "json", "duckdb"])
def test_damaged_bytes_are_a_table_or_an_error(database, tmp_path, kind):
    data = {
        "db": lambda: pathlib.Path(database(*ORDERS)).read_bytes(),
        "xls": (DATA / "tables" / "flats.xls").read_bytes,
        "ods": ods,
        "json": lambda: json.dumps({"meta": {"n": 3}, "columns": ["a"], "data": [[1]]}).encode(),
        "duckdb": lambda: b"x" * 8 + b"DUCK" + b"\0" * 5000,
    }[kind]()
    rng = random.Random(0 if scaled(1) == 1 else None)
    path = tmp_path / "t"
    for _ in range(scaled(40)):
        damaged = bytearray(data)
        for _ in range(rng.randint(1, 20)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        if rng.random() < 0.3:
            del damaged[rng.randrange(len(damaged)) :]
        path.write_bytes(damaged)
        try:
            read(path, on_note=str)
        except TableError as error:
            assert "\n" not in str(error)


# ---- addresses ----


@pytest.fixture
def server(tmp_path):
    """server(name, bytes) -> address of a web server of this machine"""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()

        def write(name, data):
            (tmp_path / name).write_bytes(data)
            return f"http://127.0.0.1:{running.server_port}/{name}"

        yield write
        running.shutdown()


def test_web_addresses(server, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setitem(sys.modules, "fsspec", None)  # is not needed
    address = server("a.csv.gz", gzip.compress(b"a,b\n1,2\n"))
    assert read(address).to_pydict() == {"a": [1], "b": [2]}
    assert read(f"{address}?key=secret").num_rows == 1
    with pytest.raises(TableError, match=r"/none.csv: cannot be read: the server answers 404 File"):
        read(f"{address.rpartition('/')[0]}/none.csv?key=secret")
    with pytest.raises(TableError) as caught:
        read(server("b.csv", b"a,b\n1,2,3\n").replace("//", "//user:word@") + "?key=secret")
    assert not any(secret in str(caught.value) for secret in ("word", "secret"))
    monkeypatch.setattr(limits, "available_memory", lambda: 5)
    message = "needs about 8 bytes of memory, but 5 bytes are available"
    with pytest.raises(TableError, match=message):
        read(server("c.csv", b"a,b\n1,2\n"))


def test_addresses_of_fsspec(tmp_path):
    fsspec = pytest.importorskip("fsspec", reason="the extra remote is not installed")
    with fsspec.open("memory://t/a.csv", "wb") as file:
        file.write(b"a,b\n1,2\n")
    assert read("memory://t/a.csv").to_pydict() == {"a": [1], "b": [2]}
    (tmp_path / "a.csv").write_text("a\n1\n2,3\n")
    with pytest.raises(TableError, match=r"^file:.*a.csv, line 3: has 2 values"):
        read((tmp_path / "a.csv").as_uri())
    shutil.copy(DATA / "tables" / "flats.xls", tmp_path)
    if "xlrd" in sys.modules:
        assert read((tmp_path / "flats.xls").as_uri(), on_note=io.StringIO().write).num_rows == 2


# ---- files that pyarrow reads: no thread holds them when the reader has returned ----


@pytest.mark.parametrize("fails", [False, True])
def test_a_reader_ends_when_its_threads_have_given_the_file_back(fails):
    ended = []

    def keep(file):
        time.sleep(0.05)
        ended.append(file.read(2))

    def reader(file, text):
        threading.Thread(target=keep, args=(file,)).start()
        del file  # a traceback holds what its frames hold
        if fails:
            raise ValueError(text)
        return text

    with pytest.raises(ValueError, match="no table") if fails else contextlib.nullcontext():
        assert lend(io.BytesIO(b"abc"), reader, "no table") == "no table"
    assert ended == [b"ab"]

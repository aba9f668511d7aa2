"""Formats of table files: encodings, compression, JSON, Feather, Parquet, Excel, pipes."""

import bz2
import gzip
import io
import json
import lzma
import os
import re
import sys
import threading
import tomllib
import types
import zipfile

import pytest

pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")
import pyarrow.feather as feather  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from places import DOCS, ROOT  # noqa: E402
from table_error_cases import packed  # noqa: E402 - after importorskip
from table_media import columns_with_notes as read_with_notes  # noqa: E402

from fastnn import cli  # noqa: E402
from fastnn.tables import TableError, TableWarning, formats, read, write  # noqa: E402
from fastnn.tables.files import locate  # noqa: E402

ROWS = {"n": [1, 2], "x": [0.5, None], "city": ["Köln", "São Paulo"]}
CSV = "n,x,city\n1,0.5,Köln\n2,,São Paulo\n"


def zipped(**members):
    return packed({name.replace("__", "."): data for name, data in members.items()})


# ---- encodings ----


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_that_are_found(file, encoding):
    assert read_with_notes(file("a.csv", CSV.encode(encoding))) == (ROWS, [])


@pytest.mark.parametrize("mark", ["le", "be"])
def test_utf_16_of_either_order(file, mark):
    data = CSV.encode(f"utf-16-{mark}")
    assert read(file("a.csv", "\ufeff".encode(f"utf-16-{mark}") + data)).to_pydict() == ROWS
    path = file("b.csv", data)
    assert read(path, encoding=f"utf-16-{mark}").to_pydict() == ROWS
    message = f"UTF-16 without a byte order mark. Pass encoding='utf-16-{mark}'"
    with pytest.raises(TableError, match=message):
        read(path)


def test_other_bytes_are_windows_1252_with_a_note(file):
    path = file("a.csv", CSV.encode("cp1252"))
    note = (
        ", line 2: is not UTF-8. The file was read as Windows-1252 (cp1252), such as 'Köln'. "
        "If letters are wrong, pass the right encoding."
    )
    assert read_with_notes(path) == (ROWS, [note])
    with pytest.warns(TableWarning, match="was read as Windows-1252"):
        read(path)
    for encoding in ("latin-1", "cp1252", "iso8859-15"):
        assert read_with_notes(path, encoding=encoding) == (ROWS, [])


def test_the_encoding_of_the_user_is_taken(file):
    path = file("a.csv", "n,город\n1,Москва\n".encode("cp1251"))
    assert read(path, encoding="cp1251").to_pydict() == {"n": [1], "город": ["Москва"]}
    assert read(file("b.csv", "\ufeff" + CSV), encoding="UTF-8").to_pydict() == ROWS
    assert read(file("c.csv", CSV.encode("utf-16")), encoding="utf-16").to_pydict() == ROWS


def test_a_long_file_in_another_encoding(file):
    path = file("a.csv", ("a,b\n" + "é,1\n" * 600_000).encode("latin-1"))
    table = read(path, encoding="latin-1")
    assert table.num_rows == 600_000 and table["a"].unique().to_pylist() == ["é"]
    assert locate(path, 599_999, encoding="latin-1") == "line 600001"


UTF8, UNKNOWN, RIGHT = dict(encoding="utf-8"), dict(encoding="latin1x"), ". Pass the right"
NOT_TOLD = f", line 2: is not UTF-8, and its encoding cannot be told{RIGHT}"
UNFIT = [
    (CSV, UNKNOWN, "encoding 'latin1x' is unknown. Pass one such as utf-8, cp1252"),
    (CSV.encode("cp1252"), dict(encoding="utf8"), f", line 2: is not text in utf-8{RIGHT}"),
    (b"a,b\n1,\x81\n2,\xff\n", {}, NOT_TOLD),
    ("a,b\n1,2".encode("utf-16") + b"x", {}, f"a.csv, line 2: is not text in utf-16{RIGHT}"),
    (b"\xef\xbb", UTF8, f", line 1: is not text in utf-8{RIGHT}"),
    (b"a,b\n1,\0\n", {}, "is not text (it contains zero bytes). Save the table as CSV in UTF-8."),
]


@pytest.mark.parametrize(("data", "options", "message"), UNFIT)
def test_encodings_that_do_not_fit(file, data, options, message):
    with pytest.raises(TableError) as caught:
        read(file("a.csv", data), **options)
    assert message in str(caught.value)


# ---- compression ----

COMPRESS = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: pa.compress(data, "zstd", asbytes=True),
    "zip": lambda data: packed(
        {"folder/": "", "folder/a.csv": data, "folder/.hidden": "", "__MACOSX/a.csv": "x"}
    ),
}
COMPRESSED = {kind: compress(CSV.encode()) for kind, compress in COMPRESS.items()}


@pytest.mark.parametrize("kind", COMPRESSED)
def test_compressed_files(file, kind):
    path = file("whatever it is called", COMPRESSED[kind])
    assert read_with_notes(path) == (ROWS, [])
    assert locate(path, 1) == "line 3"


def test_a_zip_archive_holds_one_table(file):
    assert read(file("a.zip", zipped(table__csv=CSV))).to_pydict() == ROWS
    message = r"contains 2 files: 'a.csv', 'b.csv'. Extract the table that you need.$"
    with pytest.raises(TableError, match=message):
        read(file("a.zip", zipped(a__csv=CSV, b__csv=CSV)))
    with pytest.raises(TableError, match=r"is an empty zip archive. Put one table into it.$"):
        read(file("a.zip", zipped()))


def test_compressed_parquet_and_encodings(file, tmp_path):
    pq.write_table(pa.table(ROWS), tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    assert read(file("a.zip", zipped(a__parquet=data))).to_pydict() == ROWS
    assert read(file("a.gz", gzip.compress(data))).to_pydict() == ROWS
    assert read(file("b.gz", gzip.compress(CSV.encode("utf-16")))).to_pydict() == ROWS


@pytest.mark.parametrize("kind", COMPRESSED)
@pytest.mark.parametrize("rows", [1, 50_000])
def test_truncated_files(file, kind, rows):
    text = (CSV + "".join(f"{i},{i * 7919 % 1000},x\n" for i in range(rows))).encode()
    data = COMPRESS[kind](text)
    for end in (-len(data) // 3, -3):
        with pytest.raises(TableError, match=f"is a damaged or truncated {kind} file. Download or"):
            read(file("a", data[:end]))


# ---- JSON ----


def test_json_lines(file):
    rows = zip(*ROWS.values(), strict=True)
    lines = "".join(json.dumps(dict(zip(ROWS, row))) + "\n" for row in rows)
    assert read_with_notes(file("a.jsonl", lines)) == (ROWS, [])
    assert read(file("a.jsonl", "\ufeff" + lines)).to_pydict() == ROWS
    assert read(file("a.jsonl.gz", gzip.compress(lines.encode()))).to_pydict() == ROWS


def test_json_in_other_encodings(file):
    for text in ('{"ä":1}\n{"ä":2}\n', '[{"ä":1},{"ä":2}]'):
        for encoding in ("utf-8-sig", "utf-16"):
            assert read(file("a.json", text.encode(encoding))).to_pydict() == {"ä": [1, 2]}
        path = file("a.json", text.encode("latin-1"))
        assert read(path, encoding="latin-1").to_pydict() == {"ä": [1, 2]}
        with pytest.warns(TableWarning, match="was read as Windows-1252"):
            assert read(path).to_pydict() == {"ä": [1, 2]}


def test_json_arrays(file):
    rows = [{"n": 1, "x": 0.5, "city": "Köln"}, {"n": 2, "city": "São Paulo"}]
    assert read(file("a.json", json.dumps(rows))).to_pydict() == ROWS
    assert read(file("a.json", " \n" + json.dumps(rows, indent=2))).to_pydict() == ROWS


def test_members_of_json_objects_are_columns(file):
    lines = '{"a":1,"b":{"c":2,"d":{"e":"x"}}}\n{"a":3,"b":{"c":4}}\n'
    rows = {"a": [1, 3], "b.c": [2, 4], "b.d.e": ["x", None]}
    assert read(file("a.jsonl", lines)).to_pydict() == rows
    assert read(file("a.json", "[" + lines.strip().replace("\n", ",") + "]")).to_pydict() == rows


#: Earthquakes of the United States Geological Survey.
EARTHQUAKES = [
    {"properties": {"mag": 2, "magType": "ml"}, "geometry": {"coordinates": [-118.65, 34.5, 9.51]}},
    {"properties": {"mag": 0.6, "magType": "md"}, "geometry": {"coordinates": [-122.79, 38.8, 3]}},
    {"properties": {"mag": 1.4, "magType": "ml"}, "geometry": {"coordinates": None}},
]


def test_lists_of_numbers_in_json_are_columns(file):
    expected = {
        "properties.mag": [2, 0.6, 1.4],
        "properties.magType": ["ml", "md", "ml"],
        "geometry.coordinates.0": [-118.65, -122.79, None],
        "geometry.coordinates.1": [34.5, 38.8, None],
        "geometry.coordinates.2": [9.51, 3, None],
    }
    note = (
        ": column 'geometry.coordinates': each list of 3 numbers was split into columns, "
        "'geometry.coordinates.0' first"
    )
    lines = "\n".join(map(json.dumps, EARTHQUAKES))
    for data in (lines, json.dumps(EARTHQUAKES), json.dumps({"features": EARTHQUAKES})):
        table, notes = read_with_notes(file("a.json", data))
        assert table == expected and notes[-1] == note
    rows = '{"v": [1], "day": "2026-01-31"}\n' * 2
    table = read(file("a.json", rows), on_note=str)
    assert table["v.0"].to_pylist() == [1, 1] and pa.types.is_timestamp(table["day"].type)


LISTS = [[[1, 2], [3]], [["a", "b"], ["c", "d"]], [[], []], [[[1]], [[2]]]]
OTHER_LISTS = [*((lists, "x") for lists in LISTS), ([[1, 2], [3, 4]], "v.0")]


@pytest.mark.parametrize(("lists", "name"), OTHER_LISTS)
def test_other_lists_in_json_stay_as_they_are(file, lists, name):
    rows = [{"v": value, name: 1} for value in lists]
    table, notes = read_with_notes(file("a.json", json.dumps(rows)))
    assert table == {"v": lists, name: [1, 1]} and notes == []


def test_a_json_column_of_numbers_and_texts_is_text(file):
    expected = {"a": ["1", "x", None]}
    assert read(file("a.jsonl", '{"a":1}\n{"a":"x"}\n{"a":null}\n')).to_pydict() == expected
    assert read(file("a.json", '[{"a":1},{"a":"x"},{}]')).to_pydict() == expected


# ---- Feather and Parquet ----


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
def test_feather(tmp_path, compression):
    path = str(tmp_path / "a.feather")
    feather.write_feather(pa.table(ROWS), path, compression)
    assert read_with_notes(path) == (ROWS, [])


def test_arrow_files_and_streams(tmp_path):
    table = pa.table(ROWS)
    for i, new in enumerate((pa.ipc.new_file, pa.ipc.new_stream)):
        path = str(tmp_path / f"{i}.arrow")
        with new(path, table.schema) as writer:
            writer.write_table(table)
        assert read(path).to_pydict() == ROWS
    with open(path, "rb") as file, gzip.open(f"{path}.gz", "wb") as compressed:
        compressed.write(file.read())
    assert read(f"{path}.gz").to_pydict() == ROWS
    feather.write_feather(pa.table({"a": pa.array([b"\xff"]).view(pa.string())}), path)
    with pytest.raises(TableError, match="not a readable Feather or Arrow file"):
        read(path)


def test_the_index_of_pandas_is_left_out(tmp_path):
    pd = pytest.importorskip("pandas")
    path = str(tmp_path / "a.parquet")
    frame = pd.DataFrame({"a": [3, 1, 2, 5]})
    frame.to_parquet(path)
    assert read_with_notes(path) == ({"a": [3, 1, 2, 5]}, [])
    note = ": column '__index_level_0__' left out: the index of a pandas DataFrame"
    shuffled = frame.iloc[[2, 0, 3, 1]]
    shuffled.to_parquet(path)
    assert read_with_notes(path) == ({"a": shuffled["a"].tolist()}, [note])
    assert read(path, keep=["__index_level_0__"]).num_columns == 2
    frame.assign(day=[7, 9, 8, 4]).set_index("day").to_parquet(path)
    assert read_with_notes(path)[1] == [note.replace("__index_level_0__", "day")]
    frame.set_index("a").to_parquet(path)  # there is no other column
    assert read_with_notes(path) == ({"a": [3, 1, 2, 5]}, [])
    for metadata in ("{", "{}", "[]", "null", '{"index_columns": null}'):
        columns = {"a__": [7], "__index_level_b": [8]}
        pq.write_table(pa.table(columns).replace_schema_metadata({"pandas": metadata}), path)
        assert read_with_notes(path) == (columns, [])


# ---- Excel ----


TABLE = [["n", "x", "city"], [1, 0.5, "Köln"], [2, None, "São Paulo"]]


def test_excel_sheets(workbook):
    assert read_with_notes(workbook({"one": TABLE})) == (ROWS, [])
    path = workbook({"Jan": TABLE, "Feb": [["a"], [1]], **dict.fromkeys(("x", "y", "z"), TABLE)})
    note = ": sheet 'Jan' was read, not 'Feb', 'x', 'y' and 1 more. Pass sheet to choose another."
    assert read_with_notes(path) == (ROWS, [note])
    for sheet in (1, "Jan", 5):
        assert read_with_notes(path, sheet=sheet) == (ROWS, [])
    for sheet in ("Feb", 2, "2"):
        assert read_with_notes(path, sheet=sheet) == ({"a": [1]}, [])
    with pytest.raises(TableError, match=r"has no sheet 'feb'. Did you mean 'Feb'\?"):
        read(path, sheet="feb")
    for sheet in (0, 6):
        message = rf"has no sheet '{sheet}'. Its sheets are Jan, Feb, x, y, z.$"
        with pytest.raises(TableError, match=message):
            read(path, sheet=sheet)


def test_titles_and_footers_of_excel_sheets(workbook):
    rows = [["Report 2025"], [], *TABLE, [3, 1.5, "Rom"], [None, None, None], ["Source: office"]]
    wide = [[None, *row, 7 + i] if row else [] for i, row in enumerate(rows)]
    wide[2][-1], wide[0][2:], wide[-1][2:] = "z", [], []
    wide[-2] = []
    values, notes = read_with_notes(workbook({"s": wide}))
    city = [*ROWS["city"], "Rom"]
    assert values == dict(n=[1, 2, 3], x=[0.5, None, 1.5], z=[10, 11, 12], city=city)
    assert notes == [
        ", sheet 's': 1 row before the column names left out ('Report 2025')",
        ", sheet 's', row 8: a row below the table left out ('Source: office')",
    ]


FOOTER = ", sheet 's', row 3: a row below the table left out ('x')"
EMPTY = ", sheet 's': 3 empty rows between the others left out"
TITLE = ", sheet 's': 1 row before the column names left out ('t')"
#: Rows of a sheet, the names of the columns and the values of the first one, and what a note says.
SHEETS = [
    ([[*"abcd"], ["x"]], "abcd", ["x"], ""),
    ([[*"abcd"], [1, 2, 3, 4], ["x"]], "abcd", [1], FOOTER),
    ([[*"abcd"], [1, 2, 3, 4], [5]], "abcd", [1, 5], ""),
    ([[*"abc"], [1, 2, 3], ["x"]], "abc", ["1", "x"], ""),
    ([["t"], [*"abc"], [1, 2, 3]], "abc", [1], TITLE),
    ([["n", "x"], [], [1, 2], [], [None, None], [3, 4], [], []], "nx", [1, 3], EMPTY),
    ([["t"], [1, 2], [3, 4]], ["t", ""], [1, 3], ""),
    ([["t", "u", None, None], [*"abcd"], [1, 2, 3, 4], [5, 6, 7, 8]], "abcd", [1, 5], TITLE),
]


@pytest.mark.parametrize(("rows", "names", "values", "note"), SHEETS)
def test_what_is_around_the_table_of_a_sheet(workbook, rows, names, values, note):
    columns, notes = read_with_notes(workbook({"s": rows}))
    assert list(columns) == [*names] and columns[names[0]] == values
    assert notes == [note] * bool(note)


def test_values_of_excel_cells(workbook):
    import datetime

    day, noon = datetime.datetime(2025, 1, 2), datetime.time(12)
    names = [day, "mixed", "marks", True, "error", noon, False, 2.5, 1e20]
    row = [day, 1, 1.5, True, "#N/A", "-", "x", 7, 1]
    path = workbook({"s": [names, row, [day, "x", "-", False, 2, "-", True, noon, 2]]})
    values, notes = read_with_notes(path)
    columns = [day, day], ["1", "x"], [1.5, None], [True, False], [None, 2], ["-", "-"]
    columns += ["x", "true"], ["7", "12:00:00"], [1, 2]
    number = "100000000000000000000"
    names = ["2025-01-02", *names[1:3], "true", "error", "12:00:00", "false", "2.5", number]
    assert values == dict(zip(names, columns))
    assert notes == [", sheet 's': column 'marks': '-' read as missing"]
    assert read(path, [number, "flag"], on_note=print)[number].to_pylist() == ["1", "2"]
    assert read(path, na=[2], on_note=print)[number].to_pylist() == [1, None]
    assert read(path, header=False, on_note=print).num_rows == 3


def test_formulas_without_a_stored_result(workbook, monkeypatch):
    """openpyxl writes formulas and does not compute them. The text "" is a result."""
    path = workbook({"s": [["price"], ["=1+1"], [2]]})
    for n_bytes in (3, 4, 5):  # of the sheet that are searched at a time
        monkeypatch.setattr("fastnn.tables.spreadsheets.CHUNK_BYTES", n_bytes)
        assert len(read_with_notes(path)[1]) == 1
    rows = [["price", "tax", "=1+1"], [1, "=A2*2", "x"], [2, 6, "y"]]
    rows += [["=SUM(A2:A3)", 7, '="a"&"b"']]
    path = workbook({"s": rows})
    values, notes = read_with_notes(path)
    assert values == {"price": [1, 2, None], "tax": [None, 6, 7], "": ["x", "y", None]}
    assert notes == [
        ", sheet 's': 3 formulas in 'price', 'tax', '' without a stored result. They are read as "
        "missing. Open the file in a spreadsheet program and save it, which computes them."
    ]
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    no_styles = re.sub(rb"<cellStyles.*</cellStyles>", b"", parts["xl/styles.xml"])
    parts["xl/styles.xml"] = no_styles  # about which openpyxl would warn
    computed = parts["xl/worksheets/sheet1.xml"]
    for pattern, new in (
        (rb"<c( r=.[AB]\d.)><f>(.*?)</f><v ?/></c>", rb"<c\1><f>\2</f><v>4</v></c>"),
        (rb"<c( r=.C\d.)><f>(.*?)</f><v ?/>", rb'<c\1 t="str"><f>\2</f><v></v>'),
    ):
        computed = re.sub(pattern, new, computed)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**parts, "xl/worksheets/sheet1.xml": computed}.items():
            archive.writestr(name, data)
    values = {"price": [1, 2, 4], "tax": [4, 6, 7], "": ["x", "y", None]}
    assert read_with_notes(path) == (values, [])


# ---- pipes ----


class _Input:
    def __init__(self, data, is_terminal=False):
        self.buffer, self.is_terminal = io.BytesIO(data), is_terminal

    def isatty(self):
        return self.is_terminal


@pytest.mark.parametrize("data", [CSV.encode(), *COMPRESSED.values(), CSV.encode("utf-16")])
def test_standard_input(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", _Input(data))
    assert read("-").to_pydict() == ROWS


def test_messages_name_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", _Input(b"a,b\n1\n"))
    with pytest.raises(TableError, match=r"^standard input, line 2: has 1 value, but the header"):
        read("-")
    monkeypatch.setattr(sys, "stdin", _Input(b"", True))
    with pytest.raises(TableError, match=r"is a terminal. Send a table into it: fastnn \.\.\. - <"):
        read("-")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_named_pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    thread = threading.Thread(target=path.write_bytes, args=[CSV.encode()])
    thread.start()
    assert read(path).to_pydict() == ROWS
    thread.join()


def test_paths_of_any_type(tmp_path, file):
    file("a.csv", CSV)
    assert read(tmp_path / "a.csv").to_pydict() == ROWS
    assert read(os.fsencode(tmp_path / "a.csv")).to_pydict() == ROWS


# ---- the rows of formats ----


class DumpWriter:
    def __init__(self, file, extension, quoted):
        self.file = file
        file.write(b"DUMP" + extension.encode())

    def __enter__(self):
        return self

    def write(self, table):
        self.file.write(json.dumps(table.to_pydict()).encode())

    def __exit__(self, *error):
        self.file.write(b"END")


def read_dump(source, options, note):
    with source.open() as file:
        data = file.read()
    assert data.endswith(b"END")
    return pa.table(json.loads(data[data.index(b"{") : -3]))


@pytest.fixture
def dump(monkeypatch):
    """The row of a format that a module of its own reads and writes."""
    module = types.SimpleNamespace(read=read_dump, Writer=DumpWriter)
    monkeypatch.setitem(sys.modules, "fastnn.tables.dump_files", module)

    def is_dump(start):
        return start.startswith(b"DUMP")

    functions = "dump_files.read", "dump_files.Writer"
    row = formats.Format("Dump", (".dump", ".dmp"), *functions, is_dump, option="sheet")
    monkeypatch.setattr(formats, "FORMATS", [*formats.FORMATS, row])


def test_a_format_is_a_module_and_a_row(dump, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("a.dump", "b.dmp", "c.dump.gz"):
        write(name, ROWS)
        assert read(name, sheet="any").to_pydict() == ROWS
    data = (tmp_path / "a.dump").read_bytes()
    assert data.startswith(b"DUMP.dump{") and data.endswith(b"}END")
    (tmp_path / "wrong.csv").write_bytes(data)
    assert read("wrong.csv").to_pydict() == ROWS and locate("wrong.csv", 1) == "row 2"
    monkeypatch.setattr(sys, "stdin", _Input(data))
    assert read("-").to_pydict() == ROWS

    (tmp_path / "folder").mkdir()
    for name in ("a.dump", "c.dump.gz"):
        os.rename(name, f"folder/{name}")
    assert read("folder").to_pydict() == {name: values * 2 for name, values in ROWS.items()}
    with pytest.raises(TableError, match=r"a\.txt: .* Use \.csv, .* or \.dump; all but"):
        write("a.txt", ROWS)
    write("b.csv", ROWS)
    message = r"not an Excel, OpenDocument or Dump file, so it has no s"
    with pytest.raises(TableError, match=message):
        read("b.csv", sheet="1")
    os.remove("b.csv")
    with pytest.raises(TableError, match=r"Did you mean b\.dmp\?"):
        read("b.dump")
    for command, text in (("train", "or Dump;"), ("predict", "or .dump;")):
        for name in (command, f"{command}_options"):  # --help is made when they are imported
            monkeypatch.setattr(cli, name, None, raising=False)
            monkeypatch.delitem(sys.modules, f"fastnn.cli.{name}", raising=False)
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        assert text in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("row", formats.FORMATS, ids=lambda row: row.extensions[0])
def test_the_functions_packages_and_page_of_a_format(row):
    for place in filter(None, (row.reads, row.writes)):
        assert callable(formats.load_function(place))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert bool(row.package) == bool(row.extra)
    if row.extra:
        extra = project["optional-dependencies"][row.extra]
        assert any(each.startswith(row.package) for each in extra)
    if DOCS.exists():
        page = (DOCS / "table_files.md").read_text("utf-8")
        [line] = [line for line in page.splitlines() if line.startswith("| formats |")]
        assert row.name in line

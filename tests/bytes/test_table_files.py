"""Reading and writing tables: formats, errors with line numbers, and atomic writes."""

import datetime
import decimal
import gzip
import json
import os

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")
import pyarrow.feather as feather  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from fastnn.core.messages import printable  # noqa: E402
from fastnn.tables.files import TableError, locate, read, write  # noqa: E402
from fastnn.tables.text_files import to_csv  # noqa: E402

ROWS = {"n": [1, 2, None], "x": [0.5, None, 2.0], "city": ["Köln", "São Paulo", None]}
CSV = "n,x,city\n1,0.5,Köln\n2,,São Paulo\n,2.0,\n"
GZIP = gzip.compress(CSV.encode(), mtime=0)


# ---- read ----

TEXTS = [
    *(("a.csv", start + CSV) for start in ("", "\ufeff", "\ufeff\n\n")),
    *(("a.csv", CSV.replace("\n", end)) for end in ("\r\n", "\r")),
    ("a.csv", "\n\n" + CSV.replace("2,,", "\n2,,")),
    ("a.tsv", CSV.replace(",", "\t")),
    ("a.anything", CSV.replace(",", ";")),
    ("a.csv", "n;x;city\n1;0,5;Köln\n2;;São Paulo\n;2,0;\n"),
    *((name, GZIP) for name in ("a.csv.gz", "gzipped, whatever it is called")),
    ("a.csv", CSV.replace("2,,", "2,?,").replace(",2.0,", "NA,2.0,nan")),
    ("a.csv", CSV.replace("Köln", '"Köln"').replace("São Paulo", '"São Paulo"')),
]


@pytest.mark.parametrize(("name", "data"), TEXTS)
def test_every_kind_of_text_is_the_same_table(file, name, data):
    assert read(file(name, data), on_note=print).to_pydict() == ROWS


def test_parquet_is_the_same_table_whatever_its_texts_are_made_of(tmp_path):
    path = str(tmp_path / "a.parquet")
    texts = pa.array(ROWS["city"])
    try:
        views = [texts.cast(pa.string_view())]
    except pa.ArrowNotImplementedError:  # pyarrow 16
        views = []
    for city in texts, texts.cast(pa.large_string()), texts.dictionary_encode(), *views:
        pq.write_table(pa.table({**ROWS, "city": city}), path)
        table = read(path)
        assert table.to_pydict() == ROWS and table.schema.field("city").type == pa.string()
    pq.write_table(pa.table({"x": pa.array([3, 5]).dictionary_encode()}), path)
    assert read(path).schema.field("x").type == pa.int64()


def test_a_folder_called_like_a_partition_adds_no_column(tmp_path):
    (tmp_path / "year=2020").mkdir()
    path = str(tmp_path / "year=2020" / "a.parquet")
    pq.write_table(pa.table(ROWS), path)
    assert read(path).column_names == list(ROWS)


def test_quotes_hold_commas_and_lines(file):
    path = file("a.csv", 'a,"b, c"\n1,"x, ""y""\nz"\n2,w\n')
    assert read(path).to_pydict() == {"a": [1, 2], "b, c": ['x, "y"\nz', "w"]}


NAMES = ["a\nb", "a\r\nb", "\n", 'say ""a"",\nb', "x,\ty;\tz,\ty,", "a\n" * 1000]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("before", ["", "\ufeff", "\n\n"])
def test_a_quoted_name_may_hold_anything(file, before, name, mark):
    names = [name.replace('""', '"'), "c", "d"]
    path = file("a.csv", f'{before}"{name}"{mark}c{mark}d\n1{mark}2{mark}3\n')
    assert read(path).to_pydict() == {names[0]: [1], "c": [2], "d": [3]}
    rows = f"1{mark}2{mark}3\n4{mark}5{mark}6{mark}7\n"
    path = file("a.csv", f'{before}c{mark}d{mark}"{name}"\n{rows}')
    with pytest.raises(TableError, match=r"line .*: has 4 values, but the header has 3"):
        read(path)


@pytest.mark.parametrize("header", ['5" pipe,b', 'a,5"', 'a "b",c'])
def test_a_quote_within_a_name_is_kept(file, header):
    assert read(file("a.csv", header + "\n1,2\n3,4\n")).column_names == header.split(",")


def test_quotes_hold_lines_wherever_a_block_ends(file):
    value = "x\n" * 200
    path = file("a.csv", "a,b\n" + f'1,"{value}"\n' * 10_000)
    assert read(path).column("b").to_pylist() == [value] * 10_000


def test_columns_that_must_be_text_are(file):
    table = read(file("a.csv", "\ufeffzip,n\n01234,1\n"), {"zip"})
    assert table.to_pydict() == {"zip": ["01234"], "n": [1]}
    table = read(file("a.csv", "zip,when,n\n01234,2024-01-01,1\n,,2\n"), {"zip", "when", "other"})
    assert table.to_pydict() == {"zip": ["01234", None], "when": ["2024-01-01", None], "n": [1, 2]}


def test_lines_may_be_long(file):
    names = [f"{i:05}" + "x" * 250 for i in range(10_000)]
    table = read(file("a.csv", ",".join(names) + "\n" + ",".join(["1"] * 10_000) + "\n"))
    assert table.column_names == names and table.num_rows == 1


def test_a_type_is_found_from_all_rows(file):
    # longer than a block of pyarrow's
    path = file("a.csv", "a,b\n" + "1,2\n" * 400_000 + "1.5,x\n")
    assert [str(t) for t in read(path).schema.types] == ["double", "string"]


LONG, HINT = "has 3 values, but the header has 2", ". Correct the line. Put a value that contains a"
ZIP = "is a damaged or truncated {} file. Download or create it again."
WIDE = ",".join(["c"] * 1_000_000) + "\n" + ",".join("1" * 1_000_000)
BINARY = "is not text (it contains zero bytes). Save the table as CSV in UTF-8."
SKIP = " comma in quotes. skip_bad_lines=True leaves such lines out."
UNREADABLE = [
    ("", "is empty. The first line must contain the column names."),
    ("\n\n", "is empty"),
    ("a\n", "has 1 column but no rows"),
    ("a,b\n1,2\n3,4,5\n", f", line 3: {LONG}{HINT}{SKIP}"),
    ("a,b\n1,2\n\n3,4\n" + '"x\n\ny",5\n' + "3,4,5\n", f", line 8: {LONG}"),
    ("a\tb\n1\n3\n", f", line 2: has 1 value, but the header has 2{HINT} tab in quotes."),
    ("a,b\n" + "1,2\n" * 400_000 + "3,4,5\n", ", line 400002: has 3 values"),
    ('"a\nb",c\n1,2\n3,4,5\n', f", line 4: {LONG}"),
    (b"\x00\x01binary", BINARY),
    (b"PK\x03\x04...", ZIP.format("zip")),
    (GZIP[:-9], ZIP.format("gzip")),
    (GZIP[:15] + b"\xff" * 30, "is a damaged or truncated gzip file"),
    (WIDE, "has 1,000,000 columns, but at most 10,000 are supported"),
]


@pytest.mark.parametrize(("data", "message"), UNREADABLE, ids=lambda x: str(x)[:40])
def test_unreadable_files_give_a_one_line_error(file, data, message):
    path = file("a.csv", data)
    with pytest.raises(TableError) as caught:
        read(path)
    text = str(caught.value)
    assert text.startswith(path) and message in text and "\n" not in text and len(text) < 400


def test_wide_files_are_refused(file, tmp_path):
    table = pa.table({f"c{i}": [1] for i in range(10_001)})
    pq.write_table(table, tmp_path / "a.parquet")
    feather.write_feather(table, tmp_path / "b.feather")
    file("c.json", f"{json.dumps({'c': [1] * 10_001})}\n" * 2)
    message = r"has 10,001 columns, but at most 10,000 are supported. Remove some columns."
    for name in ("a.parquet", "b.feather", "c.json", "."):  # the folder holds Parquet
        with pytest.raises(TableError, match=message):
            read(tmp_path / name, on_note=str)


def test_line_numbers_match_an_editor(file, tmp_path):
    path = file("a.csv", '\na,b\n1,2\n\n"x\ny",3\n4,5\n')
    assert [locate(path, row) for row in range(4)] == [f"line {n}" for n in (3, 5, 7)] + ["row 4"]
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "a.parquet")
    assert locate(str(tmp_path / "a.parquet"), 1) == "row 2"


def test_names_from_a_file_cannot_harm_a_terminal():
    assert printable("a\x1b[31m\nb\u202ec") == "a\ufffd[31m\ufffdb\ufffdc"
    assert printable("x" * 100) == "x" * 37 + "..." and printable("é 中") == "é 中"


def test_without_pyarrow_the_message_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    message = r'not installed. Run: python -m pip install "fastnn-mlp\[cli\]"'
    with pytest.raises(TableError, match=message):
        read(write(tmp_path, "a\n1\n"))


TABLE_SIZES = [
    ("digits.csv", 1, 9),  # a number of 16 bytes for 2 of the text
    ("texts.tsv", "x" * 100, 1 + 16 / 101),
    ("lines.jsonl", 1.5, 3),
    ("array.json", 1, 17),
    ("sheet.xlsx", 1, 40),
]


@pytest.mark.parametrize(("name", "value", "times"), TABLE_SIZES)
def test_a_table_is_read_if_its_memory_is_free(tmp_path, monkeypatch, name, value, times):
    path, columns = tmp_path / name, {"a": [value] * 1000, "b": [value] * 1000}
    if name == "sheet.xlsx":
        pytest.importorskip("pandas").DataFrame(columns).to_excel(path, index=False)
    else:
        write(str(path), columns)
    needed = int(path.stat().st_size * times)
    limits = [needed - 1]
    monkeypatch.setattr("fastnn.tables.limits.available_memory", lambda: limits[0])
    with pytest.raises(TableError, match=rf"{name}: needs about .* of memory, but .* available\."):
        read(str(path))
    limits = [needed]
    assert read(str(path)).num_rows == 1000


def test_na_is_one_mark_or_several(tmp_path):
    with pytest.raises(TypeError, match=r"^na must be a list, got a function$"):
        read(tmp_path / "a.csv", na=test_na_is_one_mark_or_several)


@pytest.mark.parametrize("name", ["sep", "encoding", "decimal", "comment", "sql"])
def test_options_must_be_texts(tmp_path, name):
    with pytest.raises(TypeError, match=f"^{name} must be a str, got an ndarray$"):
        read(tmp_path / "a.csv", **{name: np.array([",", "."])})


def test_a_path_is_a_text_or_path():
    with pytest.raises(TypeError, match=r"^path must be a str or os.PathLike, got an ndarray$"):
        read(np.array(["a.csv"]))
    for call in (read, lambda path: write(path, {"a": [1]})):
        with pytest.raises(
            ValueError, match=r"^path must be the name of a file .* 'a\\ud800.csv'\."
        ):
            call("a\ud800.csv")


# ---- write ----

COLUMNS = {"prediction": ["a", "b, c"], "p": np.array([0.25, 1e-9], np.float32)}


COMPRESSIBLE = ("a.csv", "a.tsv", "a.jsonl", "a.json")
FILES = [*COMPRESSIBLE, *(f"{name}.gz" for name in COMPRESSIBLE)]
FILES += ["a.tab", "a.parquet", "a.pq", "a.ndjson"]


@pytest.mark.parametrize("name", FILES)
def test_what_is_written_can_be_read(tmp_path, name):
    path = str(tmp_path / name)
    write(path, COLUMNS)
    assert read(path).to_pydict() == {"prediction": ["a", "b, c"], "p": pytest.approx([0.25, 1e-9])}
    assert os.listdir(tmp_path) == [name]


def test_values_in_json(tmp_path):
    day, second = datetime.date(2026, 1, 31), datetime.timedelta(seconds=1.5)
    columns = {
        "a": [float("nan"), 0.5],
        "d": [day, None],
        "t": [second, None],
        "n": [decimal.Decimal("1.5"), None],
        "l": [[1, None], []],
        "b": [b"\xffx", None],
        "s": [{"b": day}, None],
        "é": ["ü", '"'],
    }
    write(tmp_path / "a.jsonl", columns)
    first, last = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    expected = {"a": None, "d": "2026-01-31", "t": 1.5, "n": 1.5, "l": [1, None], "b": "\ufffdx"}
    assert json.loads(first) == expected | {"s": {"b": "2026-01-31"}, "é": "ü"}
    assert '"é": "\\""' in last and '"d": null' in last


@pytest.mark.parametrize(("name", "text"), [("a.json", "[]\n"), ("a.jsonl", "")])
def test_no_rows_in_json(tmp_path, name, text):
    write(tmp_path / name, {"a": np.empty(0)})
    assert (tmp_path / name).read_text() == text


def test_quotes_only_where_one_needs_them():
    assert to_csv({"a": ["x", "y"], "b, c": [1, 2]}) == b'a,"b, c"\nx,1\ny,2\n'
    assert to_csv({"a": ["x, z", "y"], "b": [1, 2]}) == b'a,b\n"x, z",1\n"y",2\n'
    assert to_csv({"a": ["x, z"], "b": [1]}, "b.tsv") == b"a\tb\nx, z\t1\n"
    for kind in (pa.large_string(), pa.binary(), pa.large_binary(), pa.binary(3)):
        text = "x,z" if "string" in str(kind) else b"x,z"
        assert to_csv({"a": pa.array([text], kind)}) == b'a\n"x,z"\n'


@pytest.mark.parametrize("name", ["a", "a.xlsx", "a.csv.zip", "a.parquet.gz", "csv"])
def test_an_unknown_file_ending_is_refused(tmp_path, name):
    with pytest.raises(TableError, match=r"unknown file extension. Use \.csv"):
        write(str(tmp_path / name), COLUMNS)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch, name):
    path = tmp_path / name
    path.write_text("old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TableError, match=f"{name}: cannot be written: No space left on device"):
        write(str(path), COLUMNS)
    assert path.read_text() == "old" and os.listdir(tmp_path) == [name]

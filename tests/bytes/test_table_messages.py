"""Messages about files that hold no readable table: what they are, and what to do."""

import gzip
import io
import os
import pathlib
import zipfile
from random import Random

import pytest

pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")

from fastnn.core.messages import did_you_mean  # noqa: E402
from fastnn.tables import TableError, check_data, convert_texts, read  # noqa: E402
from fastnn.tables.files import locate  # noqa: E402


@pytest.fixture
def message(tmp_path, monkeypatch):
    """message(data, name) -> the error, without the name"""
    monkeypatch.chdir(tmp_path)

    def read_bytes(data, name="a"):
        pathlib.Path(name).write_bytes(data if isinstance(data, bytes) else data.encode())
        with pytest.raises(TableError) as caught:
            read(name)
        text = str(caught.value)
        assert text.startswith(f"{name}: ") or text.startswith(f"{name}, line ")
        assert "\n" not in text and len(text) < 300 and text.endswith((".", "?"))
        return text[len(name) :].removeprefix(": ").removeprefix(", ")

    return read_bytes


def archive(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return buffer.getvalue()


TAR = b"a.csv".ljust(257, b"\0") + b"ustar\x0000"
OTHER = [
    (b"%PDF-1.7", "is a PDF document. Save the table as CSV."),
    (b"\xd0\xcf\x11\xe0\xa1\xb1", "not a readable Excel file ("),
    (b"SQLite format 3\0", "not a readable database (file is not a database). Export the table as"),
    (b"\x89HDF\r\n", "is an HDF5 file. Write the table with DataFrame.to_parquet."),
    (b"\x93NUMPY\x01", "is a NumPy array. Write it with numpy.savetxt(..., delimiter=',')."),
    (b"\x80\x04\x95", "is a Python pickle. Write the table with DataFrame.to_parquet."),
    (b"ORC\x0a", "is an ORC file. Convert it to Parquet or CSV."),
    (b"Obj\x01", "is an Avro file. Convert it to Parquet or CSV."),
    (b"7z\xbc\xaf", "is a 7z archive. Extract the table first."),
    (b"Rar!\x1a", "is a RAR archive. Extract the table first."),
    (b"\x89PNG\r\n", "is a picture. A table is needed."),
    (b"$FL2@(#)", "is an SPSS file. Save the table as CSV."),
    (b"<stata_dta><header>", "is a Stata file. Save the table as CSV."),
    (b"RDX3\n", "is an R data file. Write the table with write.csv in R."),
    (b"\x7fELF", "is a program. A table is needed."),
    (TAR, "is a tar archive. Extract the table first."),
    (b"\x40\0\0\0\0\0\0\0" + b'{"a":1}', "is a safetensors file, such as a fastnn model. A table"),
    (b"\n <!DOCTYPE html>", "is a web page. Download the table itself."),
    (b"<HTML>", "is a web page. Download the table itself."),
    (b"\xef\xbb\xbf<?xml version", "is an XML document. Save the table as CSV."),
    (b"@RELATION iris\n", "is an ARFF file. Save the table as CSV."),
    (archive("word/document.xml"), "is an Office document. Save the table as CSV."),
    (
        archive("mimetype", "content.xml"),
        "is an OpenDocument file, but no sheet. Save the table as",
    ),
    (archive("x.npy", "y.npy"), "is a NumPy archive (.npz). Save the arrays as the columns"),
]
LISTS = '{"a": [{"x": 1}], "b": {"c": [{"x": 1}]}}'
ROWS = "", ', ["x", "y"]', ", [1, 2], [3]"  # that do not show that the first row has names
DAMAGED = [
    ('{"a": {"x": 1}}', "holds one JSON object, not rows. Write one object for each row, each in "),
    ('{\n "a": [1, 2],\n "b": [3]\n}', "holds one JSON object, not rows. Write one obj"),
    (LISTS, "contains several lists of rows: 'a', 'b.c'."),
    ('{"a": [[1, "x"]]}', "holds one JSON object, not rows."),
    ('{"a": 1}\n{"a": \n', "line 2: is not JSON (Expecting value"),
    ('{"a": 1}\n[2]\n', "line 2: is [2], not an object with column names."),
    ('[{"a": 1},', "is not JSON (Expecting value"),
    ("[[1, 2], [3, 4]]", "item 1 of the JSON array is [1, 2], not an object with column names."),
    *((f'[["a", "b"]{rows}]', 'item 1 of the JSON array is ["a", "b"], not an') for rows in ROWS),
    ('[["a", "a"], [1, 2]]', 'item 1 of the JSON array is ["a", "a"], not an'),
    ('[["a", 1], [2, 3]]', 'item 1 of the JSON array is ["a", 1], not an'),
    (f"[{list(range(100, 105))}, 1]", "item 1 of the JSON array is [100, 101, 102, 1..., not an"),
    (f"{{}}\n{list(range(100, 105))}\n", "line 2: is [100, 101, 102, 1..., not an object"),
    ("[]", "has no rows. At least one row is needed."),
    (b"ARROW1\0\0", "not a readable Feather or Arrow file ("),
    (b"PAR1", "not a readable Parquet file ("),
    ("a,b\n", "has 2 columns but no rows. At least one row is needed."),
    ('"a,b\n1,2\n', "cannot be read: a quote in the column names is not closed. Correct the"),
]


@pytest.mark.parametrize(("data", "text"), OTHER, ids=lambda x: str(x)[:20])
def test_other_formats(message, data, text):
    assert message(data, "data.csv").startswith(text)


@pytest.mark.parametrize(("data", "text"), DAMAGED, ids=lambda x: str(x)[:20])
def test_damaged_files(message, data, text):
    assert message(data).startswith(text)


JUNK = (*",;\t|\"'\n\r#-.{}[]:%0", "1,5", "NA", "\0", "é", "1e400", "9" * 20)
SEEDS = (
    b"a,b,c\n1,2,x\n3,4,y\n",
    'Größe;"b\nq";c\n1,5;2;"x ""y"""\n\n3;4;y\n'.encode(),
    "a,é\n1,ü\n".encode("utf-16"),
    b"\xef\xbb\xbfa\tb\n1\t2\r\n3\t4\r\n",
    b"Title\n\nx,y,z\n1,2,3\n4,5,6\nSource: q\n",
    b'{"a":1,"b":{"c":2}}\n{"a":2}\n',
    b'[{"a":1},{"a":"x"}]',
    b'{"meta":{"n":1},"data":[{"a":1},{"a":"x"}]}',
    b",2019,,2020,\nregion,m,f,m,f\nN,1,2,3,4\nS,1,2,3\nW,1,2,3,4,5\n",
    'id,\u540d\n1,"\u6771\u4eac"\n2,\u5927\u962a\n3,"\u4eac\n\u90fd"\n'.encode("cp932"),
    gzip.compress(b"a,b\n1,2\n", mtime=0),
    archive("a.csv"),
)


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_any_bytes_are_a_table_or_an_error(tmp_path, seed):
    """Never another exception, nor a loop without end."""
    random = Random(seed)
    path = str(tmp_path / "a")
    for _ in range(60):
        data = SEEDS[seed]
        for _ in range(random.randint(1, 5)):
            i = random.randint(0, len(data))
            middle = random.choice(JUNK).encode(random.choice(["utf-8", "utf-16", "latin-1"]))
            data = data[:i] + middle + data[i + random.choice([0, 0, 1, 5]) :]
        pathlib.Path(path).write_bytes(data)
        header = random.random() < 0.8
        try:
            skip = random.random() < 0.5
            table = read(path, header=header, on_note=str, skip_bad_lines=skip)
        except TableError as error:
            assert "\n" not in str(error) and len(str(error)) < 400 + len(path)
        else:
            check_data(convert_texts(table))
            assert locate(path, table.num_rows - 1, header=header, skip_bad_lines=skip)


def test_names_that_do_not_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("data", "empty"):
        os.mkdir(folder)
    for name in "people.csv sales_2025.parquet notes.md data/train.csv empty/a.md".split():
        pathlib.Path(name).touch()
    none = "No such file or directory."
    formats = "Excel, OpenDocument, Feather, Parquet, SQLite or DuckDB file."
    people = dict.fromkeys(("peple.csv", "People.csv", "people.parquet", "people"), "people.csv")
    meant = people | {"data/train": os.path.join("data", "train.csv")}
    for name, text in {
        **{name: f"{none} Did you mean {other}?" for name, other in meant.items()},
        "dta/train.csv": f"{none} There is no folder dta.",
        "xyz.csv": f"{none} Pass a CSV, TSV, JSON, {formats}",
        os.devnull: f"is not a regular file. Pass a CSV, TSV, JSON, {formats}",
        "foo://example.org/a.csv": "foo:// is no kind of address that fsspec knows. Pass a file.",
        "empty": "is a folder without tables. It contains 'a.md'. Pass a table, or a folder with",
    }.items():
        with pytest.raises(TableError) as caught:
            read(name)
        assert str(caught.value).startswith(f"{name}: {text}"), name


def test_names_of_columns():
    names = ["Age ", "income", *(f"c{i}" for i in range(9))]
    assert did_you_mean("age", names) == "Did you mean 'Age '?"
    assert did_you_mean("incme", names) == "Did you mean 'income'?"
    assert did_you_mean("target", names) == (
        "Its columns are Age , income, c0, c1, c2, c3, c4, c5 and 3 more."
    )


def test_a_column_of_several_types_makes_no_table():
    frame = pytest.importorskip("pandas").DataFrame({"a": [1.0, "red"]}, dtype=object)
    with pytest.raises(
        ValueError, match=r"^table does not make an Arrow table: .* Pass columns of"
    ):
        convert_texts(frame)

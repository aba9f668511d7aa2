"""Folders of files that hold one table, and partitions of Hive."""

import gzip
import json

import pytest

pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")
import pyarrow.dataset as ds  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from table_media import columns_with_notes  # noqa: E402

from fastnn.tables import TableError, read  # noqa: E402
from fastnn.tables.arrow_files import ParquetTable  # noqa: E402
from fastnn.tables.files import locate  # noqa: E402


@pytest.fixture
def folder(tmp_path):
    """folder({name: text, bytes or columns of a Parquet file}) -> path"""

    def write(files):
        for name, content in files.items():
            path = tmp_path / "d" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, dict):
                pq.write_table(pa.table(content), path)
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(tmp_path / "d")

    return write


def test_csv_files_in_the_order_of_their_names(folder):
    files = {"b.csv": "a,c\n3,x\n", "a.csv": "a,c\n1,\n2,y\n"}
    files |= {"c.csv.gz": gzip.compress(b"c,a\nz,4\n"), "_SUCCESS": ""}  # another order
    hidden = [".hidden.csv", ".git/x.csv", "_tmp/x.csv", "y=1/.x.csv"]
    others = hidden + [f"s{i}/x.csv" for i in range(4)]
    path = folder(files | dict.fromkeys(others, "q\n1\n"))
    values = {"a": [1, 2, 3, 4], "c": [None, "y", "x", "z"]}
    note = ": 4 subfolders not read: 's0', 's1', 's2' and 1 more"
    assert columns_with_notes(path) == (values, [note])


def test_types_are_those_of_one_file(folder, file):
    """007 stays 007 where another file has texts."""
    parts = ["a,b,c,d\n1,007,1,\n", "a,b,c,d\n2.5,x,2,-\n", "a,b,c,d\n3,9,n/a,5\n"]
    path = folder({f"{i}.csv": part for i, part in enumerate(parts)})
    lines = [line for part in parts for line in part.splitlines()[1:]]
    whole = file("whole.csv", "\n".join(["a,b,c,d", *lines]))
    values, notes = columns_with_notes(path)
    assert values == columns_with_notes(whole)[0]
    expected = {"a": [1, 2.5, 3], "b": ["007", "x", "9"], "c": [1, 2, None]}
    assert values == expected | {"d": [None, None, 5]}
    assert notes == [": column 'd': '-' read as missing"]


def test_columns_that_some_files_do_not_have(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a long path would be shortened
    folder({"a.csv": "a,b\n1,2\n", "b.csv": "a,b,c\n3,4,x\n", "c.csv": "a,c\n5,y\n"})
    values, notes = columns_with_notes("d")
    assert values == {"a": [1, 3, 5], "b": [2, 4, None], "c": [None, "x", "y"]}
    assert notes == [
        ": 1 file of 3, such as d/a.csv, without column 'c': its values are missing",
        ": 1 file of 3, such as d/c.csv, without column 'b': its values are missing",
    ]
    message = r"d.csv: has other columns than .*a.csv: 'x', 'y'. Pass a"
    folder({"d.csv": "x,y\n1,2\n"})
    with pytest.raises(TableError, match=message):
        read("d", on_note=str)


def test_notes_of_files_are_told_once(folder):
    values, notes = columns_with_notes(folder({f"{i}.csv": "a;b\n1,5;x\n" for i in range(20)}))
    assert values["a"] == [1.5] * 20
    assert notes == [
        "/0.csv: numbers are read with a decimal comma, such as '1,5'",
        ": the same in 19 other files",
    ]


@pytest.mark.parametrize(("n", "more"), [(5, []), (6, [": 1 more note about its files"])])
def test_many_notes_of_files(folder, n, more):
    """Of each file another value that is read as missing."""
    files = {f"{i}.csv": f"a;b\n{i},5;x\n" for i in range(n)}
    values, notes = columns_with_notes(folder(files))
    assert values["a"] == [i + 0.5 for i in range(n)]
    told = [f"/{i}.csv: numbers are read with a decimal comma, such as '{i},5'" for i in range(5)]
    assert notes == told + more


def test_other_files_are_left_out_with_a_note(folder, tmp_path):
    path = folder({"a.csv": "a\n1\n", "b.csv": "a\n2\n", "notes.txt": "x", "c.md": "x"})
    assert columns_with_notes(path) == ({"a": [1, 2]}, [": 1 file left out: 'notes.txt'"])
    (tmp_path / "d" / "b.csv").unlink()
    assert columns_with_notes(path) == ({"a": [1]}, [": 1 file left out: 'notes.txt'"])


def test_rows_are_located_in_their_file(folder):
    texts = {"a.csv": "a\n1\n\n2\n", "b.csv": "t\n\na,b\n3,4\n5,6\n5,6\n", "c.csv": "a\n7,8\n"}
    path = folder(texts)
    with pytest.raises(TableError, match=r"c.csv, line 2: has 2 values, but the header has 1"):
        read(path, on_note=str)
    path = folder({"c.csv": "a\n7\n"})
    lines = {"a": (2, 4), "b": (4, 5, 6), "c": (2,)}
    places = [f"{path}/{name}.csv, line {n}" for name, numbers in lines.items() for n in numbers]
    assert [locate(path, row) for row in range(6)] == places


def test_folders_of_json(folder):
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    path = folder({f"{i}.json": json.dumps([row]) for i, row in enumerate(rows)})
    assert read(path).to_pylist() == rows
    folder({"0.json": '{"a": 1, "b": 0.5}\n{"a": 20}', "1.json": '[{"a": "x", "b": 2}]'})
    assert read(path).to_pydict() == {"a": ["1", "20", "x"], "b": [0.5, None, 2]}
    folder({"0.json": '[{"a": [1, 2], "b": 1}, {"a": [3]}, {}]', "2.json": '[{"b": 3}]'})
    values = {"a": ["[1, 2]", "[3]", None, "x", None], "b": [1, None, None, 2, 3]}
    assert read(path, on_note=str).to_pydict() == values


# ---- partitions ----

PARTS = {
    "year=2024/city=Bonn/a.parquet": {"x": [1.0, 2.0], "t": [0, 1]},
    "year=2024/city=K%C3%B6ln/a.parquet": {"x": [3.0], "t": [1]},
    "year=2025/city=__HIVE_DEFAULT_PARTITION__/a.parquet": {"x": [4.0], "t": [0]},
}


def test_partitions_of_parquet(folder):
    """pyarrow.dataset reads the same."""
    path = folder(PARTS)
    table = read(path)
    assert table["year"].to_pylist() == [2024, 2024, 2024, 2025]
    assert table["city"].to_pylist() == ["Bonn", "Bonn", "Köln", None]
    assert table.to_pydict() == ds.dataset(path, partitioning="hive").to_table().to_pydict()
    parquet = ParquetTable(path, (), (), (), str)
    for names in (["year"], ["city", "x"], ["t"]):
        parquet.select(names)
        parts = pa.concat_tables([part for _, _, part in parquet.parts(1)])
        assert parts.equals(table.select(names).combine_chunks(), check_metadata=False)
    assert locate(path, 3).endswith("a.parquet, row 1") and "2025" in locate(path, 3)


def test_partitions_of_csv(folder):
    values = read(folder({name.replace("parquet", "csv"): "x\n1\n" for name in PARTS})).to_pydict()
    assert values == {"x": [1] * 3, "year": [2024, 2024, 2025], "city": ["Bonn", "Köln", None]}


def test_a_column_of_the_file_comes_before_the_folder(folder, tmp_path):
    path = folder({"x=1/a.parquet": {"x": [5]}, "x=2/a.parquet": {"x": [6]}})
    assert read(path).to_pydict() == {"x": [5, 6]}
    texts = folder({"x=1/b.csv": "x,y\n5,7\n", "x=2/b.csv": "y\n6\n"})
    for name in ("x=1", "x=2"):
        (tmp_path / "d" / name / "a.parquet").unlink()
    assert read(texts).to_pydict() == {"x": [5, 2], "y": [7, 6]}


def test_files_outside_of_the_partitions(folder):
    path = folder({"a=1/a.csv": "x\n1\n", "b.csv": "x\n1\n"})
    message = r"b.csv: is in no partition, but .* is in partitions by a"
    with pytest.raises(TableError, match=message):
        read(path)

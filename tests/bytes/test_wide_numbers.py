"""Whole numbers that float64 cannot hold, such as long ids, in every format of table files."""

import json
import sqlite3
import zipfile
from contextlib import closing

import pytest

pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pd = pytest.importorskip("pandas", reason="pandas is not installed")
import pyarrow.parquet as pq  # noqa: E402
from table_media import read_with_notes  # noqa: E402

from fastnn.tables import check_data, convert_texts, read  # noqa: E402

ID, LONG = 1234567890123456780, 12345678901234567890  # of 19 and of 20 digits
IDS, LONGS = [ID + i for i in range(9)], [LONG + 7 * i for i in range(9)]
ROUNDED = "whole numbers such as '{}' are rounded to 16 digits, because other numbers have decimals"
#: Texts of a column, what it holds, and the note.
TEXTS = {
    "19 digits": (list(map(str, IDS)), IDS, None),
    "20 digits": (list(map(str, LONGS)), list(map(str, LONGS)), None),
    "both": ([str(ID), str(LONG)], [str(ID), str(LONG)], None),
    "a missing one": ([str(ID), None, str(ID + 1)], [ID, None, ID + 1], None),
    "the first and last of 64 bits": ([str(2**63 - 1), str(-(2**63))], [2**63 - 1, -(2**63)], None),
    "a negative one": ([f"-{ID + 1}", "5"], [-ID - 1, 5], None),
    "the first beyond 2**53": (["9007199254740993", "7"], [2**53 + 1, 7], None),
    "marks": ([str(ID + 1), "-", "3"], [ID + 1, None, 3], "'-' read as missing"),
    "decimals": ([str(ID + 1), "1.5"], [float(ID + 1), 1.5], ROUNDED.format(ID + 1)),
    "20 digits and decimals": ([str(LONG), "1.5"], [float(LONG), 1.5], ROUNDED.format(LONG)),
    "large floats": (["1e20", "2.5e30", "1.5"], [1e20, 2.5e30, 1.5], None),
    "whole floats": (["1e20", "2.0"], [1e20, 2.0], None),
}


def write_excel(df, path):
    pytest.importorskip("openpyxl")
    df.to_excel(path, index=False)


def write_sqlite(df, path):
    with closing(sqlite3.connect(path)) as connection:
        df.to_sql("a", connection, index=False)
        connection.commit()


WRITERS = {
    "csv": lambda df, path: df.to_csv(path, index=False),
    "tsv": lambda df, path: df.to_csv(path, sep="\t", index=False),
    "json": lambda df, path: df.to_json(path, orient="records"),
    "json_lines": lambda df, path: df.to_json(path, orient="records", lines=True),
    "excel": write_excel,
    "sqlite": write_sqlite,
    "parquet": pd.DataFrame.to_parquet,
    "feather": pd.DataFrame.to_feather,
}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("name", TEXTS)
def test_digits_as_texts(name, kind, tmp_path):
    texts, values, note = TEXTS[name]
    path = str(tmp_path / ("a.xlsx" if kind == "excel" else "a"))
    WRITERS[kind](pd.DataFrame({"id": texts, "x": range(len(texts))}), path)
    table, notes = read_with_notes(path)
    assert table["id"].to_pylist() == values
    assert [type(x) for x in table["id"].to_pylist()] == list(map(type, values))
    assert len(notes) == (note is not None) and all(note in text for text in notes)


JSON = [
    ({"id": LONGS}, list(map(str, LONGS))),
    ({"id": IDS}, IDS),
    ({"id": [ID + 1, None]}, [ID + 1, None]),
    ({"id": [1.5e300, 2.5]}, [1.5e300, 2.5]),
]


@pytest.mark.parametrize(("columns", "values"), JSON, ids=str)
@pytest.mark.parametrize("lines", [True, False])
def test_digits_in_json(columns, values, lines, file):
    rows = [json.dumps({"id": value, "x": i}) for i, value in enumerate(columns["id"])]
    text = "\n".join(rows) if lines else f"[{','.join(rows)}]"
    assert read(file("a.json", text))["id"].to_pylist() == values


def test_digits_in_members_of_json_objects(file):
    for make in (lambda n: {"n": n, "x": 1.5}, lambda n: [n, n]):
        rows = [json.dumps({"user": make(value)}) for value in (LONG, LONG + 1)]
        table, _ = read_with_notes(file("a.json", "\n".join(rows)))
        assert str(LONG + 1) in str(table.to_pydict())


def write_both(path, whole):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE a(id)")
        connection.execute(f"INSERT INTO a VALUES ({whole}), (1.5)")
        connection.commit()


def test_whole_numbers_beside_others_in_a_column(file, tmp_path):
    """Python, SQLite and Excel have both in one column; float64 would hold none of the ids."""
    want, note = [float(ID + 1), 1.5], ROUNDED.format(ID + 1)
    write_both(tmp_path / "a.db", ID + 1)
    pd.DataFrame({"id": [7, 1.5], "x": "a"}).to_excel(tmp_path / "a.xlsx", index=False)
    replace_in_sheet(tmp_path / "a.xlsx", "<v>7</v>", f"<v>{ID + 1}</v>")
    first = f'{{"id": {ID + 1}}}'
    paths = [tmp_path / "a.db", tmp_path / "a.xlsx", file("a.json", f'[{first}, {{"id": 1.5}}]')]
    for path in [*paths, file("b.json", f'{first}\n{{"id": 1.5}}\n')]:
        table, notes = read_with_notes(path)
        assert table["id"].to_pylist() == want, path
        assert len(notes) == 1 and note in notes[0]


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("whole", [2**53, -(2**53)])
def test_the_first_numbers_that_are_rounded(batch, whole, tmp_path, monkeypatch):
    monkeypatch.setattr("fastnn.tables.databases.BATCH", batch)
    write_both(tmp_path / "a.db", whole)
    _, notes = read_with_notes(tmp_path / "a.db")
    assert len(notes) == 1 and ROUNDED.format(whole) in notes[0]


def replace_in_sheet(path, old, new):
    """Edit a sheet: openpyxl writes whole numbers with 16 digits, other programs with all."""
    with zipfile.ZipFile(path) as archive:
        members = {info: archive.read(info) for info in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            assert not name.endswith("sheet1.xml") or old.encode() in data
            archive.writestr(name, data.replace(old.encode(), new.encode()))


KINDS = [(pa.int64(), IDS), (pa.uint64(), LONGS[:3]), (pa.decimal128(38, 0), LONGS[:3])]


@pytest.mark.parametrize(("kind", "values"), KINDS, ids=str)
def test_types_of_parquet_stay(kind, values, tmp_path):
    pq.write_table(pa.table({"id": pa.array(values, kind)}), tmp_path / "a.parquet")
    assert list(map(int, read(tmp_path / "a.parquet")["id"].to_pylist())) == values


FOLDERS = [(str(LONG), [str(ID + 1), str(LONG)]), ("2", [ID + 1, 2]), ("1.5", [float(ID + 1), 1.5])]


@pytest.mark.parametrize(("second", "values"), FOLDERS)
def test_files_of_a_folder(second, values, tmp_path):
    for name, text in (("a.csv", ID + 1), ("b.csv", second)):
        (tmp_path / name).write_text(f"id\n{text}\n")
    table, notes = read_with_notes(str(tmp_path))
    assert table["id"].to_pylist() == values
    told = [True] * isinstance(values[0], float)
    assert [ROUNDED.format(ID + 1) in note for note in notes] == told


def test_digits_with_dots_between_thousands(file):
    table, _ = read_with_notes(file("a.csv", "id;x\n1.234.567.890.123.456.789;1,5\n7;2,5\n"))
    assert table["id"].to_pylist() == [ID + 9, 7]


def test_digits_in_a_file_with_rows_of_other_lengths(file):
    table, notes = read_with_notes(file("a.csv", f"id,x\n{LONG},1\n{LONG + 1}\n"))
    assert table["id"].to_pylist() == [str(LONG), str(LONG + 1)]
    assert len(notes) == 1 and "filled" in notes[0]


def test_a_missing_value_of_the_user_is_one_number(file):
    path = file("a.csv", f"id\n{2**53}\n{2**53 + 1}\n-999\n")
    assert read(path, na=2**53 + 1)["id"].to_pylist() == [2**53, None, -999]
    assert read(path, na=["-999.0", 2**70])["id"].to_pylist() == [2**53, 2**53 + 1, None]
    pq.write_table(pa.table({"n": pa.array([127, -128, 1, 5], pa.int8())}), f"{path}.parquet")
    table = read(f"{path}.parquet", na=[127, -128, 128, -129, 1.5, "x"])
    assert table["n"].to_pylist() == [None, None, 1, 5]


def test_converted_texts_are_not_rounded():
    notes = []
    table = pa.table({"id": list(map(str, LONGS)), "n": list(map(str, range(9)))})
    out = convert_texts(table, on_note=notes.append)
    assert out["id"].to_pylist() == list(map(str, LONGS)) and out["n"].to_pylist()[1] == 1.0
    note = f"column 'id': whole numbers such as '{LONG}' stay texts, or they would be rounded"
    assert notes[0] == note


def test_ids_that_differ_are_no_copies():
    n, first = 100, 2**60
    ids = {"a": [first + i for i in range(n)], "b": [first + (i + 1) % n for i in range(n)]}
    assert "duplicate column" not in {found.kind for found in check_data(pa.table(ids))}

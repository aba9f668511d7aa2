"""Whole numbers that float64 cannot hold, such as long ids, in every format of table files."""

import json
import sqlite3
import zipfile

import pytest

pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pd = pytest.importorskip("pandas", reason="pandas is not installed")
import pyarrow.parquet as pq  # noqa: E402

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
    "a negative one": ([f"-{ID + 1}", "5"], [-ID - 1, 5], None),
    "the first beyond 2**53": (["9007199254740993", "7"], [2**53 + 1, 7], None),
    "marks": ([str(ID + 1), "-", "3"], [ID + 1, None, 3], "'-' read as missing"),
    "decimals": ([str(ID + 1), "1.5"], [float(ID + 1), 1.5], ROUNDED.format(ID + 1)),
    "20 digits and decimals": ([str(LONG), "1.5"], [float(LONG), 1.5], ROUNDED.format(LONG)),
    "large floats": (["1e20", "2.5e30", "1.5"], [1e20, 2.5e30, 1.5], None),
}


def write_csv(df, path):
    df.to_csv(path, index=False)


def write_tsv(df, path):
    df.to_csv(path, sep="\t", index=False)


def write_json(df, path):
    df.to_json(path, orient="records")


def write_json_lines(df, path):
    df.to_json(path, orient="records", lines=True)


def write_excel(df, path):
    pytest.importorskip("openpyxl")
    df.to_excel(path, index=False)


def write_sqlite(df, path):
    with sqlite3.connect(path) as connection:
        df.to_sql("a", connection, index=False)
    connection.close()


def write_parquet(df, path):
    df.to_parquet(path)


def write_feather(df, path):
    df.to_feather(path)


WRITERS = [write_csv, write_tsv, write_json, write_json_lines, write_excel, write_sqlite]
WRITERS += [write_parquet, write_feather]
ENDINGS = {write_excel: ".xlsx"}


def read_with_notes(path, **options):
    notes = []
    return read(path, on_note=notes.append, **options), notes


@pytest.mark.parametrize("write", WRITERS, ids=lambda f: f.__name__.removeprefix("write_"))
@pytest.mark.parametrize("name", TEXTS)
def test_digits_as_texts(name, write, tmp_path):
    texts, values, note = TEXTS[name]
    path = str(tmp_path / f"a{ENDINGS.get(write, '')}")
    write(pd.DataFrame({"id": texts, "x": range(len(texts))}), path)
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
    rows = [json.dumps({"user": {"n": value, "x": 1.5}}) for value in (LONG, LONG + 1)]
    table = read(file("a.json", "\n".join(rows)))
    assert str(LONG + 1) in str(table.to_pydict())


def test_whole_numbers_beside_others_in_a_column(file, tmp_path):
    """Python, SQLite and Excel have both in one column; float64 would hold none of the ids."""
    want, note = [float(ID + 1), 1.5], ROUNDED.format(ID + 1)
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("CREATE TABLE a(id)")
        connection.executemany("INSERT INTO a VALUES (?)", [(ID + 1,), (1.5,)])
    connection.close()
    paths = [
        str(tmp_path / "a.db"),
        file("a.json", f'[{{"id": {ID + 1}}}, {{"id": 1.5}}]'),
        file("b.json", f'{{"id": {ID + 1}}}\n{{"id": 1.5}}\n'),
    ]
    pd.DataFrame({"id": [7, 1.5], "x": "a"}).to_excel(tmp_path / "a.xlsx", index=False)
    replace_in_sheet(tmp_path / "a.xlsx", "<v>7</v>", f"<v>{ID + 1}</v>")
    for path in [*paths, str(tmp_path / "a.xlsx")]:
        table, notes = read_with_notes(path)
        assert table["id"].to_pylist() == want, path
        assert len(notes) == 1 and note in notes[0]


def replace_in_sheet(path, old, new):
    """Edit a sheet: openpyxl writes whole numbers with 16 digits, other programs with all."""
    with zipfile.ZipFile(path) as archive:
        members = {info: archive.read(info) for info in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            assert not name.endswith("sheet1.xml") or old.encode() in data
            archive.writestr(name, data.replace(old.encode(), new.encode()))


@pytest.mark.parametrize(
    ("kind", "values"),
    [(pa.int64(), IDS), (pa.uint64(), LONGS[:3]), (pa.decimal128(38, 0), LONGS[:3])],
    ids=str,
)
def test_types_of_parquet_stay(kind, values, tmp_path):
    pq.write_table(pa.table({"id": pa.array(values, kind)}), tmp_path / "a.parquet")
    assert list(map(int, read(tmp_path / "a.parquet")["id"].to_pylist())) == values


@pytest.mark.parametrize(
    ("first", "second", "values"),
    [
        ([str(ID + 1)], [str(LONG)], [str(ID + 1), str(LONG)]),
        ([str(ID + 1)], ["2"], [ID + 1, 2]),
        ([str(ID + 1)], ["1.5"], [float(ID + 1), 1.5]),
    ],
)
def test_files_of_a_folder(first, second, values, tmp_path):
    for name, texts in (("a.csv", first), ("b.csv", second)):
        (tmp_path / name).write_text("\n".join(["id", *texts, ""]))
    table, notes = read_with_notes(str(tmp_path))
    assert table["id"].to_pylist() == values
    assert [ROUNDED.format(ID + 1) in note for note in notes] == [True] * isinstance(
        values[0], float
    )


def test_digits_with_dots_between_thousands(file):
    text = "id;x\n1.234.567.890.123.456.789;1,5\n7;2,5\n"
    table, _ = read_with_notes(file("a.csv", text))
    assert table["id"].to_pylist() == [ID + 9, 7]


def test_digits_in_a_file_with_rows_of_other_lengths(file):
    table, notes = read_with_notes(file("a.csv", f"id,x\n{LONG},1\n{LONG + 1}\n"))
    assert table["id"].to_pylist() == [str(LONG), str(LONG + 1)]
    assert len(notes) == 1 and "filled" in notes[0]


def test_a_missing_value_of_the_user_is_one_number(file):
    path = file("a.csv", f"id\n{2**53}\n{2**53 + 1}\n-999\n")
    assert read(path, na=2**53 + 1)["id"].to_pylist() == [2**53, None, -999]
    assert read(path, na=["-999.0", 2**70])["id"].to_pylist() == [2**53, 2**53 + 1, None]


def test_converted_texts_are_not_rounded():
    notes = []
    table = pa.table({"id": list(map(str, LONGS)), "n": list(map(str, range(9)))})
    out = convert_texts(table, on_note=notes.append)
    assert out["id"].to_pylist() == list(map(str, LONGS)) and out["n"].to_pylist()[1] == 1.0
    assert notes[0] == (
        f"column 'id': whole numbers such as '{LONG}' stay texts, or they would be rounded"
    )


def test_ids_that_differ_are_no_copies():
    n = 100
    table = pa.table(
        {"a": [2**60 + i for i in range(n)], "b": [2**60 + (i + 1) % n for i in range(n)]}
    )
    assert "duplicate column" not in {found.kind for found in check_data(table)}

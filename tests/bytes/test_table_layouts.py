"""Layouts of text tables: separators, header, decimal marks, comments, titles and footers."""

import bz2
import gzip
import io
import json
import lzma

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")
import pyarrow.feather as feather  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from table_media import read_with_notes  # noqa: E402

from fastnn.tables import TableError, check_data, convert_texts, limits, read, write  # noqa: E402
from fastnn.tables.files import locate  # noqa: E402

# ---- separators ----


@pytest.mark.parametrize("sep", [",", ";", "\t", "|"])
def test_separators_that_are_found(table, sep):
    text = "a,b,c\n1,x,2\n3,y,4\n".replace(",", sep)
    assert table(text) == ({"a": [1, 3], "b": ["x", "y"], "c": [2, 4]}, [])


SEPARATED = [
    ("a, in m;b\n1;2\n", ["a, in m", "b"]),
    ("a;b\n1,5;2,5\n3,5;4,5\n", ["a", "b"]),
    ("t;x; ;\na;b;c;d\n1;2;3;4\n5;6;7;8\n", [*"abcd"]),  # a title has at most half of the values
    ("t;x;y;\na;b;c;d\n1;2;3;4\n5;6;7;8\n", ["t", "x", "y", ""]),
    ("t\n" * 4 + "a,b\n1,2\n3,4\n", ["a", "b"]),  # below it are at least three lines
    ("t\n" * 9 + "a,b\n1,2\n3,4\n", ["a", "b"]),  # and a quarter of all
    ("a,b;c\n1,2\n3,4\n", ["a", "b;c"]),
    ("a|b\n1,2|3\n4,5|6\n", ["a", "b"]),
    ('"a;b","c;d"\n1,2\n', ["a;b", "c;d"]),
    ("a, in m;b\n1,5;2\n3,5;4\n", ["a, in m", "b"]),  # a comma in each line
    ("id;x;n\n1 5,5;14;0,1\n2 3,5;9;0,2\n", ["id", "x", "n"]),  # two commas in each row
    ("name\nSmith, John\nMiller\n", ["name"]),
]


@pytest.mark.parametrize(("text", "names"), SEPARATED)
def test_the_separator_fits_all_lines(file, text, names):
    try:
        assert read(file("a.csv", text), on_note=print).column_names == names
    except TableError as error:
        assert names == ["name"] and "line 2: has 2 values, but the header has 1" in str(error)


CHOSEN = [
    *(("?", "a?b\n1?2\n"), (";", "a;b\n1;2\n"), ("\\t", "a\tb\n1\t2\n"), ("tab", "a\tb\n1\t2\n")),
    *((" ", "a b\n1  2 \n"), ("space", " a b\n 1\t 2\n")),
]


@pytest.mark.parametrize(("sep", "text"), CHOSEN)
def test_the_separator_of_the_user(table, sep, text):
    assert table(text, sep=sep) == ({"a": [1], "b": [2]}, [])


def test_a_separator_can_leave_one_column(table):
    assert table("a;b\n1;2\n", sep=",") == ({"a;b": ["1;2"]}, [])


def test_spaces_that_are_found(table, file):
    text = 'mpg   cyl  name\n18.0   8   "chevy  van"\n\n15.5   4   "vw"\n'
    values = {"mpg": [18.0, 15.5], "cyl": [8, 4], "name": ["chevy  van", "vw"]}
    assert table(text) == (values, [": the values are separated by spaces"])
    assert locate(file("a.csv", text), 1) == "line 4"
    assert table("name\nNew York\nRome\n") == ({"name": ["New York", "Rome"]}, [])


def test_spaces_after_separators_are_removed(table):
    values = {"age": [1, None], "sex": ["m", "f"], "n": [None, 3]}
    text = "age, sex, n\n1, m, ?\nNA, f, 3\n"
    assert table(text) == (values, [": spaces around the values removed"])


COMMAS = {"sep": ",", "decimal": ","}
SENSELESS = [
    ({"sep": "::"}, "sep is '::', but one character is needed, such as ; or tab."),
    *(({"sep": sep}, "but one character is needed") for sep in '"\né\0'),
    ({"decimal": ":"}, "decimal is ':', but must be . or a comma."),
    (COMMAS, "sep and decimal are both ','. Pass another sep or decimal."),
    ({"comment": ""}, "comment is empty. Pass the character that begins a comment, such as #."),
    ({"sheet": "x"}, "a.csv: is not an Excel or OpenDocument file, so it has no sheet 'x'."),
]


@pytest.mark.parametrize(("options", "message"), SENSELESS)
def test_options_that_make_no_sense(table, options, message):
    with pytest.raises(TableError) as caught:
        table("a,b\n1,2\n", **options)
    assert message in str(caught.value)


# ---- digits ----


def test_hexadecimal_digits_are_texts(table):
    for texts in (["0x1F", "0x20"], ["0X1F", "0X20"]):
        assert table("a,b\n{},1\n{},2\n".format(*texts)) == ({"a": texts, "b": [1, 2]}, [])
        assert table("a;b\n{}\n{};2\n".format(*texts))[0] == {"a": texts, "b": [None, 2]}
    text = "a\n11\n" + "1\n" * ((1 << 19) - 2) + "0x1F\n"  # a block of pyarrow ends before the x
    assert table(text)[0]["a"][-1] == "0x1F"


# ---- column names ----


def test_without_column_names(table):
    values = {"column_1": [1, 3], "column_2": [2.5, 4.5], "column_3": ["x", "y"]}
    assert table("1,2.5,x\n3,4.5,y\n", header=False) == (values, [])
    assert table("\n\n1,2.5,x\n\n3,4.5,y", header=False) == (values, [])
    assert table("1 2.5 x\n3 4.5 y\n", header=False)[0] == values
    spaces = {"column_1": [1, 2], "column_2": ["m", "f"]}, [": spaces around the values removed"]
    assert table("1, m\n2, f\n", header=False) == spaces


def test_errors_without_column_names(file):
    path = file("a.csv", "1,2\n3,4\n5,6,7\n")
    with pytest.raises(TableError, match=r"line 3: has 3 values, but most lines have 2. Correct"):
        read(path, header=False)
    assert locate(path, 1, header=False) == "line 2"
    with pytest.raises(TableError, match=r"a.csv: is empty.$"):
        read(file("a.csv", "\n"), header=False)


NUMBERS = [
    ("5.1,3.5,setosa\n4.9,3.0,other\n", "'5.1', '3.5'"),
    ("1,2\n4,5\n", "'1', '2'"),
    ("1,2,3\n4,5,6\n", "'1', '2', '3'"),
    ("1,2,3,4,5\n4,5,6,7,8\n", "'1', '2', '3' and 2 more"),
]


@pytest.mark.parametrize(("text", "names"), NUMBERS)
def test_names_that_are_numbers(table, text, names):
    note = (
        f": column names are numbers ({names}). If the file has no line with column names, "
        "pass header=False."
    )
    assert table(text)[1] == [note]


@pytest.mark.parametrize("names", ["2019,1900", "land,2019,2020", "land,1,2", "5"])
def test_numbers_that_are_names(table, names):
    assert table(f"{names}\n" + names.replace("0", "1"))[1] == []


def test_equal_names_that_are_numbers(table):
    message = r"2 columns are named '1'. If the first line holds no names, pass header=False"
    with pytest.raises(TableError, match=message):
        table("1,1,0\n2,3,4\n")


def test_a_name_that_begins_like_a_comment(table):
    note = ": the first column name begins with # ('# id'). If the line is a comment, pass comment='#'."
    assert table("# id,b\n1,2\n") == ({"# id": [1], "b": [2]}, [note])


def test_other_line_breaks_are_part_of_a_value(table):
    expected = {"a": [1, 3], "b": ["x\x0cy", "z\u2028z"]}
    note = ": the values are separated by spaces"
    assert table("a b\n1 x\x0cy\r\n3 z\u2028z\n") == (expected, [note])


# ---- lines that are not part of the table ----


def test_comments(table, file):
    text = "# made by hand, 2025\na,b\n1,2\n  # 3,4\n5,6#7\n"
    assert table(text, comment="#") == ({"a": [1, 5], "b": ["2", "6#7"]}, [])
    assert locate(file("a.csv", text), 1, comment="#") == "line 5"
    with pytest.raises(TableError, match=r"line 3: has 1 value, but the header has 2"):
        table("//x\na,b\n3\n", comment="//")


def test_comments_of_other_lines(table):
    expected = {"a": ["x\n# y", "z"], "b": [1, 2]}, []
    assert table('a,b\n"x\n# y",1\n# "\nz,2\n# "\n', comment="#") == expected
    assert table("a,b\r# c\r1,2\r3,4\r", comment="#") == ({"a": [1, 3], "b": [2, 4]}, [])


def test_titles_are_left_out(table, file):
    text = "Umsatz 2025;;;\nStand: 31.12.2025\n\nFiliale;Umsatz;Anteil;n\nA;1;2;3\nB;4;5;6\n"
    values = {"Filiale": ["A", "B"], "Umsatz": [1, 4], "Anteil": [2, 5], "n": [3, 6]}
    note = ": 2 lines before the column names left out ('Umsatz 2025')"
    assert table(text) == (values, [note])
    assert locate(file("a.csv", text), 1) == "line 6"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\n1,2\n3,4\n", 2),
        ("a,b\n1,2,3\n4,5,6\n", 2),
        ("a,b\n1\n2\n3\n", 2),
        ("a\n,\n,\nb,c\n", 4),
        ("a,b\n1,5,x\n", 2),
        ("t\n" * 4 + "a,b\n1,2\n", 5),
        ("t\n" * 10 + "a,b\n1,2\n3,4\n", 11),
    ],
)
def test_a_wrong_header_is_no_title(table, text, line):
    with pytest.raises(TableError, match=rf"line {line}: has . values?, but the header has ."):
        table(text)


def test_footers_are_left_out(table):
    text = "a,b,c\n1,2,3\n4,5,6\n\nSource: Ministry\n"
    values = {"a": [1, 4], "b": [2, 5], "c": [3, 6]}
    note = ", line 5: 1 line below the table left out ('Source: Ministry')"
    assert table(text) == (values, [note])
    assert table(text + "(c) 2025\n") == (values, [note.replace("1 line", "2 lines")])
    values = {name: [i] for i, name in enumerate("abcd", 1)}
    assert table("a,b,c,d\n1,2,3,4\nSource:,x\n")[0] == values  # at most half of the values
    text = "a,b,c,d\n1,2,3,4\n" + "x\n" * 20
    assert table(text) == (values, [", line 3: 20 lines below the table left out ('x')"])
    assert table(text + "x\n")[0]["a"] == ["1", *["x"] * 21]


def test_government_tables(table):
    text = (
        "Statistics of schools\nTable 1.2\n\nregion,year,pupils,share\n"
        'North,2020,"1,234",12.5\nSouth,2020,"2,345",..\nWest,2021,-,13.5\n'
        "Source: Ministry of Education\n(c) 2024\n"
    )
    values, notes = table(text)
    assert values["pupils"] == ["1,234", "2,345", "-"] and values["share"] == [12.5, None, 13.5]
    assert len(notes) == 3


# ---- columns that are not inputs ----


@pytest.mark.parametrize("name", ["", "Unnamed: 0", '""'])
@pytest.mark.parametrize("numbers", [[0, 1, 2], [17, 4, 8]])
def test_row_numbers_are_left_out(table, name, numbers):
    text = f"{name},a\n" + "".join(f"{i},{7}\n" for i in numbers)
    note = f": column {name.strip(chr(34))!r} left out: row numbers in the first column"
    assert table(text) == ({"a": [7, 7, 7]}, [note])
    assert len(table(text, keep=[name.strip('"')])[0]) == 2
    alone = "".join(line.partition(",")[0] + "\n" for line in text.splitlines())
    if name == "Unnamed: 0":
        assert table(alone) == ({name: numbers}, [])


@pytest.mark.parametrize("first", [",1,1", "Unnamed: 0,x,y", "id,0,1", ",1,", "Unnamed: 0,1.5,2"])
def test_other_first_columns_stay(table, first):
    text = "\n".join(map(",".join, zip(first.split(","), "a78"))) + "\n"
    assert len(table(text)[0]) == 2 and table(text)[1] == []


def test_row_names_of_r(table):
    values = {"a": [5, 7], "b": ["x", "y"]}
    notes = [
        ": each row has one value more than the header: the first is taken for the number of the row",
        ": column '' left out: row numbers in the first column",
    ]
    assert table('"a","b"\n"1",5,"x"\n"2",7,"y"\n') == (values, notes)
    spaces = ": the values are separated by spaces"
    assert table('"a" "b"\n"1" 5 "x"\n"2" 7 "y"\n') == (values, [spaces, *notes])


@pytest.mark.parametrize("header", ["a,b,", "a,b"])
def test_separators_at_the_end_of_lines(table, header):
    note = ": column '' left out: an empty column without a name"
    assert table(f"{header}\n1,2,\n3,4,\n") == ({"a": [1, 3], "b": [2, 4]}, [note])


# ---- numbers and missing values ----


def test_decimal_commas(table):
    note = ": numbers are read with a decimal comma, such as '1,5'"
    assert table("a;b\n1,5;x\n2;y\n") == ({"a": [1.5, 2], "b": ["x", "y"]}, [note])
    assert table("a\tb\n1,5\tx")[0] == {"a": [1.5], "b": ["x"]}
    assert table("a;b\n1,5;x\n", decimal=",") == ({"a": [1.5], "b": ["x"]}, [])
    assert table("a;b\n1,5;x\n", decimal=".") == ({"a": ["1,5"], "b": ["x"]}, [])
    assert table("a;b\n1,5;2.5\n") == ({"a": ["1,5"], "b": [2.5]}, [])


GROUPED = ": commas separate thousands, as in {!r}. If they are decimal commas, pass decimal=','."
COMMA = ": numbers are read with a decimal comma, such as {!r}"


GROUPS = [
    (["1,234", "12,345", "999"], "xyz", [1234, 12345, 999], GROUPED.format("1,234")),
    (["-1,234", "2,000 €"], "xy", None, GROUPED.format("-1,234")),
    (["7", "1,234,567"], ["1,234", "x"], [7, 1234567], GROUPED.format("1,234")),
    (["1,234"], ["1.234"], [1234], GROUPED.format("1,234")),
    (["1,234"], ["5.5"], [1234], None),
    (["1,234", "1,5"], "xy", [1.234, 1.5], COMMA.format("1,5")),
    (["1,234"], ["0,5"], [1.234], COMMA.format("0,5")),
    (["0,234", "1,234"], "xy", [0.234, 1.234], COMMA.format("0,234")),
    (["1234,567", "1,234"], "xy", [1234.567, 1.234], COMMA.format("1234,567")),
    (["1,234"], ["5,5 kg"], [1.234], COMMA.format("1,234")),
    (["1,234"], ["12,50 €"], [1.234], COMMA.format("12,50 €")),
]


@pytest.mark.parametrize("sep", ";\t|")
@pytest.mark.parametrize(("a", "b", "values", "note"), GROUPS, ids=str)
def test_commas_between_thousands(file, sep, a, b, values, note):
    path = file("a.csv", "\n".join(["a" + sep + "b", *(x + sep + y for x, y in zip(a, b)), ""]))
    read_table, notes = read_with_notes(path)
    if values is not None:
        assert convert_texts(read_table)["a"].to_pylist() == values
    assert [text for text in notes if "column 'b'" not in text] == ([note] if note else [])
    decimals = [float(x.replace(",", ".")) for x in a if x.count(",") < 2 and "€" not in x]
    if len(decimals) == len(a):
        assert read(path, decimal=",", on_note=str)["a"].to_pylist() == decimals


def test_codes_without_dots_have_no_dots_between_thousands(table):
    values, notes = table("code;b\n01067;1,5\n20095;2,5\n")
    assert values["code"] == [1067, 20095] and not any("dots" in note for note in notes)


def test_a_bank_export(table):
    text = (
        '"Buchungstag";"Text";"Betrag";"Stück"\n"01.02.2026";"Miete; Feb";"-1.200,00";"1.000"\n'
        '"03.02.2026";"Lohn";"2.500,55";"2.000"\n'
    )
    values, notes = table(text)
    assert values["Betrag"] == [-1200.0, 2500.55] and values["Stück"] == [1000, 2000]
    assert notes == [
        ": numbers are read with a decimal comma, such as '-1.200,00'",
        ": column 'Betrag': numbers with dots between thousands",
        ": column 'Stück': numbers with dots between thousands",
    ]


def test_marks_for_missing_numbers(table):
    text = "a,b,c,d\n1,-,.,x\n.,2.5,none,-\nNA,3,n/a,y\n"
    values = {"a": [1, None, None], "b": [None, 2.5, 3], "c": [".", "none", None], "d": list("x-y")}
    notes = [": column 'a': '.' read as missing", ": column 'b': '-' read as missing"]
    assert table(text) == (values, notes)
    assert table("a,b\n1,2\n-,-\n")[1] == [": 2 columns, 'a', 'b': '-' read as missing"]
    four = ": 5 columns, 'a', 'b', 'c', 'd' and 1 more: '-', '--', '.', '..' read as missing"
    lines = [",".join([mark] * 5) for mark in ["7", "none", "..", ".", "--", "-"]]
    assert table("\n".join(["a,b,c,d,e", *lines]))[1] == [four]
    assert table(text, text_columns=["a"])[0]["a"] == ["1", ".", None]


def test_missing_values_of_the_user(table):
    text = "a,b,c\n-999,unknown,-999.0\n5,x,1.5\n"
    columns = {"a": [None, 5], "b": [None, "x"], "c": [None, 1.5]}
    assert table(text, na=[-999, "unknown"])[0] == columns
    assert table(text, na="unknown")[0]["b"] == [None, "x"]
    assert table("a\n1\nunknown\n", na="unknown")[0] == {"a": [1, None]}


def test_numbers_in_disguise_stay_texts_until_they_are_converted(file):
    text = 'price,share,day,n\n"$1,234.50",5%,31.01.2026,1\n$7,12.5%,01.02.2026 12:00,2\n,NA,-,3\n'
    table = read(file("a.csv", text))
    assert [str(kind) for kind in table.schema.types] == ["string"] * 3 + ["int64"]
    notes = []
    converted = convert_texts(table, on_note=notes.append)
    kinds = ["double", "double", "timestamp[us, tz=UTC]", "int64"]
    assert [str(kind) for kind in converted.schema.types] == kinds
    assert converted["price"].to_pylist() == [1234.5, 7, None]
    assert converted["share"].to_pylist() == [5, 12.5, None]
    days = converted["day"].cast(pa.int64()).to_pylist()
    assert days == [1769817600 * 10**6, (1769817600 + 36 * 3600) * 10**6, None]
    assert notes == [
        "column 'price': numbers with a currency sign ($) and commas between thousands",
        "column 'share': numbers with a percent sign (12% is read as 12)",
        "column 'day': dates written as day.month.year",
    ]
    assert convert_texts(table, ["price"])["price"].to_pylist() == ["$1,234.50", "$7", None]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_numbers_in_disguise_of_pandas_and_polars(kind):
    texts = pa.array(["$1,234.50", "$7", None]).cast(kind)
    others = pa.array(["a", "b", "a"]).cast(kind)
    converted = convert_texts(pa.table({"price": texts, "name": others}))
    assert converted["price"].to_pylist() == [1234.5, 7, None]
    assert converted["name"].type == kind


def test_a_data_frame_is_converted_too():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"price": ["$1,234.50", "$7"], "n": [1, 2]})
    assert convert_texts(frame).to_pydict() == {"price": [1234.5, 7], "n": [1, 2]}
    assert check_data(frame, "n") == []
    with pytest.raises(TypeError, match=r"table must be a pyarrow.Table or a DataFrame, got a str"):
        convert_texts("a.csv")


def test_columns_of_other_lengths_are_not_written(tmp_path):
    with pytest.raises(ValueError, match=r"columns do not make a table .* of the same length"):
        write(tmp_path / "t.csv", {"a": [1, 2], "b": ["x"]})
    with pytest.raises(ValueError, match="columns do not make a table"):
        write(tmp_path / "t.csv", 5)


# ---- memory ----


OLE = bytes.fromhex("d0cf11e0a1b11ae1")  # how .xls files begin


def test_a_table_that_does_not_fit(file, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "available_memory", lambda: 10_000)
    assert read(file("a.csv", "a\n" + "1\n" * 500)).num_rows == 500
    pq.write_table(pa.table({"a": [1.0] * 2000}), tmp_path / "a.parquet")
    feather.write_feather(pa.table({"a": [1.0] * 2000}), tmp_path / "a.feather", "uncompressed")
    pq.write_table(pa.table({"a": [f"{i:0200}" for i in range(100)]}), tmp_path / "b.parquet")
    data = json.dumps({"a": [[1]] * 400})
    available = "of memory, but 9.8 kB are available. Pass a file with fewer rows or columns"
    parquet = ", or a Parquet file, which is trained on and predicted in parts.$"
    text = "a\n" + "\n".join(map(str, np.random.default_rng(0).integers(0, 10, 2000)))
    packed = {
        **{"bz2": bz2.compress(text.encode()), "xz": lzma.compress(text.encode())},
        "zst": pa.compress(text.encode(), "zstd", asbytes=True),
    }
    factors = {"bz2": 8, "xz": 8, "zst": 5}  # how many times as long the text may be
    for path, message in [
        (file("a.csv", "a\n" + "1\n" * 1000), f"/a.csv: needs about 17.6 kB {available}{parquet}"),
        (
            file("a.gz", gzip.compress(b"a\n" + b"1\n" * 5000)),
            r"a.gz: holds 9.8 kB of text and needs about 87.9 kB",
        ),
        *(
            (
                file(f"a.{kind}", data),
                f"a.{kind}: needs about {len(data) * factors[kind] * 9 / 1024:.1f} kB of",
            )
            for kind, data in packed.items()
        ),
        (file("a.xls.gz", gzip.compress(OLE + bytes(100_000))), "needs about 3.8 MB of memory"),
        (tmp_path / "a.parquet", r"has 2,000 rows and 1 column, and needs about 15.6 kB"),
        (tmp_path / "b.parquet", r"has 100 rows and 1 column, and needs about 20\.. kB"),
        (tmp_path / "a.feather", "needs about 1.* kB of"),
        (file("a.json", data), f"needs about {len(data) * 17 / 1024:.1f} kB"),
    ]:
        with pytest.raises(TableError, match=message):
            read(path)


def test_the_available_memory(tmp_path, monkeypatch):
    assert limits.available_memory() > 0
    monkeypatch.setattr("fastnn.core.memory.CGROUP", f"{tmp_path}/")
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("2000\n")
    assert limits.available_memory() == 3000
    (tmp_path / "memory.max").write_text("max\n")
    assert limits.available_memory() != 3000
    texts = iter(["MemTotal: 9 kB\nMemAvailable: 7 kB\n", "MemTotal: 9 kB\n", OSError()])

    def open_next(path, **options):
        text = next(texts) if path == "/proc/meminfo" else "max"
        if isinstance(text, OSError):
            raise text
        return io.StringIO(text)

    monkeypatch.setattr("fastnn.core.memory.open", open_next, raising=False)
    assert limits.available_memory() == 7 * 1024
    monkeypatch.setattr("os.sysconf", {"SC_PHYS_PAGES": 5, "SC_PAGE_SIZE": 64}.__getitem__)
    assert [limits.available_memory() for _ in "ab"] == [320, 320]

"""Text tables as they are: rows of other lengths, names that repeat, headers of two lines, quotes."""

import csv
import io

import pytest

pa = pytest.importorskip("pyarrow", reason="the extra cli is not installed")
import pyarrow.parquet as pq  # noqa: E402
from table_media import read_with_notes  # noqa: E402

from fastnn.tables import TableError, read  # noqa: E402
from fastnn.tables.arrow_files import ParquetTable  # noqa: E402
from fastnn.tables.files import locate  # noqa: E402


def pandas_columns(text, **options):
    """{column: values} as pandas reads them, with None for missing values."""
    pd = pytest.importorskip("pandas")
    frame = pd.read_csv(io.StringIO(text), **options)
    return {name: [None if pd.isna(x) else x for x in frame[name]] for name in frame.columns}


# ---- short and long rows ----

#: The first lines of bikes.csv of the pandas cookbook (Ville de Montréal): Excel leaves out the last
#: separators after line 16.
BIKES = (
    "Date;Berri 1;Brébeuf (données non disponibles);Côte-Sainte-Catherine;Maisonneuve 1;"
    "Maisonneuve 2;du Parc;Pierre-Dupuy;Rachel1;St-Urbain (données non disponibles)\n"
    "13/01/2012;75;;0;41;105;64;2;0;\n14/01/2012;32;;0;54;56;19;0;1;\n"
    "15/01/2012;54;;0;33;60;18;0;0;\n16/01/2012;168;;2;136;312;137;1;0\n"
    "17/01/2012;155;;0;86;256;74;0;0\n"
)


def test_bikes(table):
    values, notes = table(BIKES.encode("latin-1"), encoding="latin-1")
    assert values == pandas_columns(BIKES, sep=";")
    note = ", line 5: has 9 values for 10 columns. 2 such lines were filled with missing values."
    assert notes == [note]


SHORT = [
    ("a,b,c\n1,2,3\n4,5\n6,7\n", 3, 2),
    ("a,b,c\n1,2,3\n4\n", 3, 1),  # a file that was cut
    ("a,b,c\n1,2,3\n\nSource: x\n4,5,6\n", 4, 1),
    ('a,b,c\n"1\n\n",2,3\n4,"x\ny"\n', 5, 1),
]


@pytest.mark.parametrize(("text", "line", "n"), SHORT)
def test_short_rows_are_filled(table, text, line, n):
    values, notes = table(text)
    assert values == pandas_columns(text)
    assert len(notes) == 1 and notes[0].startswith(f", line {line}: has ")
    tail = "It was filled" if n == 1 else f"{n} such lines were filled"
    assert notes[0].endswith(f"{tail} with missing values.")


def test_rows_below_a_heading_are_no_footer(table):
    values, notes = table("a,b,c\nNorth\n1,2,3\nSouth\n4,5,6\nTotal\n")
    assert values["a"] == ["North", "1", "South", "4", "Total"]
    note = ", line 2: has 1 value for 3 columns. 3 such lines were filled with missing values."
    assert notes == [note]
    values, notes = table("a,b,c\n1,2,3\n4,5\n7,8,9\nSource: x\n")
    assert values == {"a": [1, 4, 7], "b": [2, 5, 8], "c": [3, None, 9]}
    assert [note[:9] for note in notes] == [", line 3:", ", line 5:"]


LONG = "a,b\n1,2\n3,4,5\n\n6,7\n8,9,,\n1,2,3\n" + "4,5\n" * 3


def test_long_rows_are_an_error_or_left_out(table, file):
    message = (
        r"line 3: has 3 values, but the header has 2 \(2 lines have too many\). Correct the line. "
        r"Put a value that contains a comma in quotes. skip_bad_lines=True leaves such lines out.$"
    )
    with pytest.raises(TableError, match=message):
        table(LONG)
    values, notes = table(LONG, skip_bad_lines=True)
    assert values == {"a": [1, 6, 8, 4, 4, 4], "b": [2, 7, 9, 5, 5, 5]}
    assert notes == [
        ", line 3: has 3 values for 2 columns. 2 such lines were left out.",
        ", line 6: empty values at the end of 1 line left out",
    ]
    path = file("a.csv", LONG)
    lines = [locate(path, row, skip_bad_lines=True) for row in range(6)]
    assert lines == ["line 2", "line 5", "line 6", "line 8", "line 9", "line 10"]


@pytest.mark.parametrize("text", ["a,b\n1\n2\n3\n", "a,b,c\n1,2\n3,4\n5\n"])
def test_a_header_that_no_row_fits_is_an_error(table, text):
    with pytest.raises(TableError, match=r"line 2: has . values?, but the header has ."):
        table(text)


def test_uneven_rows_in_blocks(table):
    """Types depend on all rows, wherever a block ends."""
    text = "a,b,c\n" + "1,2,3\n" * 200_000 + "4,5\n" + '"x\ny",7,8\n' * 2 + "9,10\n"
    values, notes = table(text)
    assert set(values["a"]) == {"1", "4", "x\ny", "9"} and values["b"][-4:] == [5, 7, 7, 10]
    assert notes == [
        ", line 200002: has 2 values for 3 columns. 2 such lines were filled with missing values."
    ]


# ---- quotes ----


OPEN = [('a,b\n1,"x\n2,y\n', 2), ('a,b\n"1,x\n2,y\n', 2), ('a;b\n1;2\n3;"x\n' + "5;6\n" * 1000, 3)]
OPEN.append(('a,b,c\n1,2\n"1,x\n2,y,1\n3,"z",2\n', 3))


@pytest.mark.parametrize(("text", "line"), OPEN)
def test_a_quote_that_is_not_closed(table, text, line):
    with pytest.raises(TableError, match=rf"a.csv, line {line}: a quote is not closed. Correct"):
        table(text)


def test_quotes_that_are_closed(table):
    text = 'a,b\n1,"x\ny"\n2,"z\n\nq"\n'
    assert table(text) == (pandas_columns(text), [])
    assert table('a,b\n1,5" pipe\n2,x\n')[0]["b"] == ['5" pipe', "x"]


# ---- column names ----


LONG_NAME = "abcdefghijklmnopqrstuvwxyz0123456789ab"  # with a number, it has the length of a note
REPEATED = {
    **{"a,b,b": "b.1", "a,a,a.1": "a.2", "a,a,a.1,a": "a.2", "a.1,a,a": "a.2", "b,b,b,b.2": "b.1"},
    f"{LONG_NAME},{LONG_NAME}": f"{LONG_NAME}.1",
    f"{LONG_NAME}c,{LONG_NAME}c": "abcdefghijklmnopqrstuvwxy...3456789abc.1",
}


@pytest.mark.parametrize("header", REPEATED)
def test_names_that_repeat_are_numbered(table, header):
    """As pandas does, but if a numbered name is there: pandas gives a name twice or leaves a gap."""
    text = f"{header}\n" + ",".join("1234"[: header.count(",") + 1]) + "\n"
    values, notes = table(text)
    names = header.split(",")
    n = len(names) - len(set(names))
    what = f"{n} columns have" if n > 1 else "1 column has"
    told = f"{what} the name of another one. A number was added, as in {REPEATED[header]!r}"
    assert len(values) == len(names) and notes == [f": {told}"]
    assert [new for new, old in zip(values, names) if new == old] == list(dict.fromkeys(names))
    assert list(values) == list(pandas_columns(text))


def test_names_of_other_formats_repeat(tmp_path, workbook):
    workbook({"a": [["a", "b ", "b", None, "b"], [1, 2, 3, 4, 5], [2, 3, 4, 5, 6]]})
    arrays = [pa.array([1, 2])] * 4
    pq.write_table(pa.table(arrays, names=["a", "b", "b", " b"]), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text('{"a": 1, "b": 2, "b": 3}\n{"a": 1, "b": 2, "b": 4}\n')
    (tmp_path / "a.json").write_text('[{"a": 1, "b": 2, "b": 3, "b.1": 4}]')
    (tmp_path / "b.json").write_text('{"a": {"b": 1}, "a.b": 2}\n{"a": {"b": 1}, "a.b": 3}\n')
    for name, names in {
        "a.xlsx": ["a", "b", "b.1", "", "b.2"],
        "a.parquet": ["a", "b", "b.1", "b.2"],
        "a.jsonl": ["a", "b", "b.1"],
        "a.json": ["a", "b", "b.2", "b.1"],
        "b.json": ["a.b", "a.b.1"],
    }.items():
        notes = []
        assert read(tmp_path / name, on_note=notes.append).column_names == names, name
        assert bool(notes) == (name not in ("a.jsonl", "a.json"))
    parquet = ParquetTable(str(tmp_path / "a.parquet"), (), (), (), notes.append)
    assert parquet.names == ["a", "b", "b.1", "b.2"]
    parquet.select(["b.2", "a"])
    assert [part.column_names for _, _, part in parquet.parts()] == [["b.2", "a"]]


def test_blanks_around_names(table):
    """medicare.csv of the Centers for Medicare & Medicaid Services has them."""
    header = "DRG Definition,Provider Id, Total Discharges , Average Total Payments "
    values, notes = table(f"{header}\n039 - EX,1,9,5\n")
    assert list(values)[2:] == ["Total Discharges", "Average Total Payments"]
    assert notes == [": blanks around 2 column names left out (' Total Discharges ')"]


def test_columns_without_names(table):
    columns = {"": [5, 5], "a": [1, 2], "column_3": [2, 3], "column_4": [3, 4]}
    notes = [": 2 columns without a name are called 'column_3', 'column_4'"]
    assert table(",a,,\n5,1,2,3\n5,2,3,4\n") == (columns, notes)
    note = ": 3 columns without a name are called 'column_3', 'column_4' and 1 more"
    assert table(",a,,,\n5,1,2,3,4\n5,2,3,4,5\n")[1] == [note]
    columns = {"a": [5, 6], "column_2": [1, 2]}
    notes = [": 1 column without a name is called 'column_2'"]
    rows_numbered = ": column '' left out: row numbers in the first column"
    assert table(",,a\n1,1,5\n2,2,6\n") == (columns, [*notes, rows_numbered])


# ---- headers of two lines ----

#: Some columns of StarWars.csv of FiveThirtyEight, and four of its answers.
STAR_WARS = (
    "RespondentID,Have you seen any of the 6 films?,Which of the following films have you seen?,,"
    "Please rank the films.,,Gender,Age\n"
    ",Response,Episode I,Episode II,Episode I,Episode II,Response,Response\n"
    "3292879998,Yes,Episode I,Episode II,3,2,Male,18-29\n"
    "3292879538,No,,,,,Male,18-29\n"
    "3292765271,Yes,Episode I,Episode II,1,2,Male,18-29\n"
    "3292763116,Yes,Episode I,,5,6,Male,18-29\n"
)


def test_star_wars(table, file):
    values, notes = table(STAR_WARS)
    seen, rank = "Which of the following films have you seen?", "Please rank the films."
    films = [f"{question} / Episode {n}" for question in (seen, rank) for n in ("I", "II")]
    first = ["RespondentID", "Have you seen any of the 6 films?"]
    assert list(values) == [*first, *films, "Gender", "Age"]
    assert notes == [f": the column names are in lines 1 and 2, such as '{seen} / Episode I'"]
    assert values["RespondentID"][0] == 3292879998 and values["Age"] == ["18-29"] * 4
    assert locate(file("a.csv", STAR_WARS), 1) == "line 4"


#: The first lines of steak-risk-survey.csv and religion-survey-results.csv of FiveThirtyEight, with fewer
#: columns: SurveyMonkey writes "Response" below a question. Qualtrics writes the question and its number.
STEAK = (
    "RespondentID,Do you ever smoke cigarettes?,Do you eat steak?,Age\n"
    ",Response,Response,Response\n"
    "3237565956,,,\n3234982343,No,Yes,> 60\n3234973379,No,Yes,> 60\n"
)
RELIGION = (
    '"What is your present religion, if any?",,Do you attend religious services,Age\n'
    "Response,None of these,Response,Open-Ended Response\n"
    "None of these,Wesleyan Christian,Weekly or more,18 - 29\n"
    "Atheist,,,18 - 29\nRoman Catholic,,Once a month,30 - 44\n"
)
QUALTRICS = (
    "StartDate,Q1,Q2_1\nStart Date,How old are you?,How happy are you? - Today\n"
    '"{""ImportId"":""startDate""}","{""ImportId"":""QID1""}","{""ImportId"":""QID2_1""}"\n'
    "2026-01-31,31,7\n2026-02-01,45,3\n"
)
PRESENT = "What is your present religion, if any?"
BELOW = ", {{0}} 2: {} about the columns below their names left out ('{}')"
#: A text, the names of its columns, the number of rows, and the first note.
CAPTIONS = {
    "steak": (
        *(STEAK, ["RespondentID", "Do you ever smoke cigarettes?", "Do you eat steak?", "Age"], 3),
        BELOW.format("1 {0}", "Response"),
    ),
    "religion": (
        RELIGION,
        [
            *(f"{PRESENT} / Response", f"{PRESENT} / None of these"),
            *("Do you attend religious services / Response", "Age / Open-Ended Response"),
        ],
        3,
        f": the column names are in {{0}}s 1 and 2, such as '{PRESENT} / Response'",
    ),
    "qualtrics": (QUALTRICS, ["StartDate", "Q1", "Q2_1"], 2, BELOW.format("2 {0}s", "Start Date")),
    "equal questions": (
        *("How?,How?,n\nResponse,Response,\na,b,1\n", ["How?", "How?.1", "n"], 1),
        BELOW.format("1 {0}", "Response"),
    ),
    "one answer": ("a,b\nResponse,\nx,1\n", ["a", "b"], 2, None),
    "answers": ("a,b\nResponse,No response\nx,y\n", ["a", "b"], 2, None),
    "answers of experiments": ("a,b\nResponse,Response\nx,Response\n", ["a", "b"], 2, None),
}


def test_import_ids_below_questions_without_text(table):
    text = 'Q1,Q2\n,\n"{""ImportId"":""QID1""}","{""ImportId"":""QID2""}"\n1,x\n'
    assert table(text)[0] == {"Q1": [1], "Q2": ["x"]}
    assert table(text.replace(",\n", "", 1))[0] == {"Q1": [1], "Q2": ["x"]}


@pytest.mark.parametrize("name", CAPTIONS)
def test_lines_about_the_columns(table, file, workbook, name):
    text, names, n_rows, note = CAPTIONS[name]
    values, notes = table(text)
    assert list(values) == names and len(values[names[-1]]) == n_rows
    assert notes[:1] == ([] if note is None else [note.format("line")])
    assert locate(file("a.csv", text), n_rows - 1) == f"line {len(text.splitlines())}"
    rows = csv.reader(io.StringIO(text))
    cells = [[int(x) if x.isdigit() else x or None for x in row] for row in rows]
    from_excel, notes = read_with_notes(workbook({"Sheet": cells}))
    assert from_excel.column_names == names and from_excel.num_rows == n_rows
    assert notes[:1] == ([] if note is None else [f", sheet 'Sheet'{note.format('row')}"])


FOUR = "1;2;3;4\n" * 4
REGIONS = "Report;;;;\n;2019;;2020;\nregion;m;f;m;f\n" + "N;1;2;3;4\n" * 3
SIZES = "id|Size / big|Size / small|Kind / big"
HEADERS = [
    (REGIONS, "region|2019 / m|2019 / f|2020 / m|2020 / f"),
    (",A,A,B\n,x,y,x\n7,1,2,3\n7,1,2,3\n7,2,3,4\n", "|A / x|A / y|B / x"),
    ("id,Size,,Price\n,cm,inch,USD\n" + "1,2,3,4\n" * 3, "id|Size / cm|Size / inch|Price / USD"),
    ("id,Size,,Kind\n,big,small,big\n" + "x,p,q,r\n" * 3, SIZES),
    # one line of names, and values below it
    ("id,Size,,Kind\n,big,small,big\n,p,q,r\n" + "x,p,q,r\n" * 3, "id|Size||Kind"),
    (",A,A,B\n,x,y,z\n" + "7,1,2,3\n" * 3, "|A|A.1|B"),
    (",A,\nx,x,y\n" + "1,2,3\n" * 3, "x|x.1|y"),
    ("name,,n\nBob,7,7\n" + "Ann,8,9\n" * 3, "name||n"),
    ("a,a,b\nx,x,y\n" + "1,2,3\n" * 3, "a|a.1|b"),
    ("name,,city\nBob,x,Rome\n" + "Ann,y,Oslo\n" * 3, "name||city"),
    ("name,,city\nBob,,Rome\n" + "Ann,y,Oslo\n" * 3, "name||city"),
    ("a,a,b\nx,y,y\n" + "x,y,z\n" * 4, "a|a.1|b"),
    ("Report 2025;;;\nstore;day;sales;share\n" + FOUR, "store|day|sales|share"),
]


@pytest.mark.parametrize(("text", "names"), HEADERS)
def test_other_headers(table, workbook, text, names):
    assert "|".join(table(text)[0]) == names
    rows = [line.split(";" if ";" in line else ",") for line in text.splitlines()]
    cells = [[int(v) if v.isdigit() and len(v) < 4 else v or None for v in row] for row in rows]
    assert "|".join(read(workbook({"s": cells}), on_note=str).column_names) == names

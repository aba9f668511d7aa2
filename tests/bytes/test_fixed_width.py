"""Text tables whose columns have a fixed width."""

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")

from table_media import read_with_notes

from fastnn.tables.files import locate

#: The first lines of divorce.dat, a table of the survival package of R.
DIVORCE = """\
       id        heduc   heblack   mixed     years   div
       9   12-15 years        No      No    10.546    No
      11    < 12 years        No      No    34.943    No
      13    < 12 years        No      No     2.834   Yes
      15    < 12 years        No      No    17.532   Yes
      33   12-15 years        No      No     1.418    No
      36   12-15 years        No      No    48.033    No
"""
LEFT = """\
name        city       price   when              note
Ann Smith   New York   12.5    2026-01-31 10:00
Bo          Rome       7       2026-02-01 11:30  5 > 4 and more of it
Cy Lee      Oslo               2026-02-03 00:00  "quoted"
"""
WITH_RULE = """\
id   name             n
---- -------------- ---
7    Ann Smith        5
8    Bo              12

9    -- --            3
"""
TEXTS = {
    "sentences": "review\nA fine film.  I liked it.\nToo long.  I fell asleep twice.\nOne more.  Bad\n",
    "addresses": "full address\n12 Main Street\n7 High Road\n100 Long Lane Apt 5\n",
    "indented": "poem\n  Two roads diverged\n    in a yellow wood\n  and sorry I could not\n",
    "words": "word\nred\ngreen\nblue\n",
    "two names, lines that are not aligned": "first  second\na  b\naaaa b  c\nd      e  f\ngg hhh  i\n",
}


@pytest.fixture
def table(file):
    """table(text, **options) -> (pyarrow.Table, notes without the path)"""
    return lambda text, **options: read_with_notes(file("a.txt", text), **options)


def test_a_table_of_r(table, file):
    values, notes = table(DIVORCE)
    assert values.to_pydict() == {
        "id": [9, 11, 13, 15, 33, 36],
        "heduc": ["12-15 years", *["< 12 years"] * 3, *["12-15 years"] * 2],
        "heblack": ["No"] * 6,
        "mixed": ["No"] * 6,
        "years": [10.546, 34.943, 2.834, 17.532, 1.418, 48.033],
        "div": ["No", "No", "Yes", "Yes", "No", "No"],
    }
    assert notes == [
        ": columns of a fixed width: 'id', 'heduc', 'heblack', 'mixed' and 2 more. If they are not, "
        "pass sep=','."
    ]
    assert locate(file("a.txt", DIVORCE), 2) == "line 4"


def test_values_and_names_on_the_left(table):
    values, notes = table(LEFT)
    names, cities = ["Ann Smith", "Bo", "Cy Lee"], ["New York", "Rome", "Oslo"]
    assert values.select(["name", "city", "price"]).to_pydict() == dict(
        name=names, city=cities, price=[12.5, 7, None]
    )
    assert str(values["when"][0]) == "2026-01-31 10:00:00"
    notes_of_rows = [x or None for x in values["note"].to_pylist()]
    assert notes_of_rows == [None, "5 > 4 and more of it", '"quoted"']
    assert len(notes) == 1


def test_a_line_below_the_names(table, file):
    values, _ = table(WITH_RULE)
    names = ["Ann Smith", "Bo", "-- --"]
    assert values.to_pydict() == {"id": [7, 8, 9], "name": names, "n": [5, 12, 3]}
    assert locate(file("a.txt", WITH_RULE), 2) == "line 6"


@pytest.mark.parametrize("name", TEXTS)
def test_texts_that_are_one_column(table, name):
    values, notes = table(TEXTS[name])
    assert values.num_columns == 1 and not any("fixed width" in note for note in notes)


@pytest.mark.parametrize(("lines", "is_fixed"), [
    (["a     b", "1 1   2", "2 2   3"], True), (["a     b", "1     2"], False),  # lines
    (["", "a,b   c", "1,1   2", "2,2   3"], False),
    (["name1 n", *["New Y 1"] * 8, "Rome  2"], True),  # two blanks in a tenth of the lines
    (["name1 n", *["New Y 1"] * 9, "Rome  2"], False),
    (["a b   c", *["1 x   2"] * 8, "1 x y 22", "1      2"], True),
    (["a      b", *["1 x    2"] * 9, "1     3"], True),  # nine of ten values begin or end together
    (["a      b", *["1 x    2"] * 8, "1     3", "2     3"], False),
])  # fmt: skip
def test_limits(table, lines, is_fixed):
    _, notes = table("\n".join([*lines, ""]), skip_bad_lines=True)
    assert any("fixed width" in note for note in notes) == is_fixed


def test_values_with_one_blank_each(table):
    """Each line has one word more than there are names, as if rows had names."""
    text = "  n        city\n" + "".join(f"{i:3}  New York {i % 2}\n" for i in range(1, 9))
    values, _ = table(text.replace("York 0", "Haven ").replace("York 1", "York  "))
    assert values["n"].to_pylist() == list(range(1, 9)) and values["city"][1].as_py() == "New Haven"


def test_a_later_value_between_the_columns(table):
    """The sample does not have it: nothing may be cut."""
    rows = "".join(f"{i:5}   the word {i % 7:<20}{i * 1.5:10.1f}\n" for i in range(5000))
    text = f"{'n':>5}   {'what':<29}{'x':>10}\n" + rows
    values, _ = table(text)
    assert values.shape == (5000, 3) and values["what"][-1].as_py() == "the word 1"
    values, notes = table(text + f"{5000:5}   {'a word that is much longer than the others':<40}\n")
    assert values.num_columns == 1 and notes[-1].endswith("...')")


def test_an_option_keeps_one_column(table):
    values, notes = table(DIVORCE, sep=",")
    assert values.shape == (6, 1) and not any("fixed width" in note for note in notes)


@pytest.mark.parametrize("justify", ["left", "right"])
@pytest.mark.parametrize("index", [False, True])
def test_tables_that_pandas_prints(table, index, justify):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    cities = rng.choice(["New York", "Rome", "San José", "Oslo"], 30)
    streets = [f"{i * 7} Long Lane {'B' * (i % 3)}".strip() for i in range(30)]
    numbers = dict(id=range(1, 31), city=cities, price=rng.normal(size=30).round(2))
    frame = pd.DataFrame(numbers | dict(street=streets))
    values, notes = table(frame.to_string(index=index, justify=justify))
    assert values.to_pydict() == frame.to_dict("list")
    assert "columns of a fixed width" in notes[0]

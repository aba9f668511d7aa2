"""The cells of a column are the same numbers, dates or categories in each medium."""

import datetime
import json
import math
import re
from types import SimpleNamespace

import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

from cell_cases import MARKS, TABLES
from scipy import constants
from table_media import MEDIA

from fastnn import tables
from fastnn.serving.request import parse_rows
from fastnn.serving.service import TableService
from fastnn.tables.cells import units
from fastnn.tabular.columns import features, frames
from fastnn.tabular.columns.column import CategoryFeature, NumberFeature
from fastnn.tabular.columns.features import Features

#: What a note of a file may say besides that of the case.
ABOUT_FILES = "read as missing|whole numbers such as|numbers with dots between thousands"

TABLE_FACTS = SimpleNamespace(target="y", n_background=0, n_networks=0)


def to_columns(cases):
    """{name: texts or None} of a table of all cases: short columns end with missing values."""
    n = max(len(case.cells) for case in cases)
    return {f"c{i}": case.cells + [None] * (n - len(case.cells)) for i, case in enumerate(cases)}


def shown(kind, values):
    """Numbers, seconds, or texts, as the cases have them."""
    if kind == "category":
        return list(values)
    present = [None if math.isnan(x) else float(x) for x in values]
    if kind == "number":
        return present
    start = datetime.datetime(1970, 1, 1)
    days = [x if x is None else start + datetime.timedelta(seconds=x) for x in present]
    return [str(day).removesuffix(" 00:00:00") for day in days]


def is_right(case, kind, values):
    """Whether values, as `shown` has them, are those of a case."""
    if kind != case.kind:
        return False
    if kind == "category":
        return values == [None if text in MARKS else text for text in case.cells]
    if isinstance(case.values, list):
        return _are_equal(values, case.values)
    present = [x for x in values if x not in (None, "None")]
    n, total = case.values
    found = present[0] if kind == "date" else math.fsum(present)
    return len(present) == n and _are_equal([found], [total])


def _are_equal(a, b):
    if any(isinstance(x, str) for x in a) or [x is None for x in a] != [x is None for x in b]:
        return a == b
    return all(x is None or math.isclose(x, y, rel_tol=1e-14) for x, y in zip(a, b))


def find(table):
    """Yield the Column, the InputColumn and the values of each column of a table."""
    frame = frames.read(table)
    found, left_out = features.find_kinds(frame)
    assert not left_out
    for i, column in found:
        values = column.convert(frame.columns[i])
        if column.kind == "category":
            values = [values[1][code] if code >= 0 else None for code in values[0]]
        yield column, frame.columns[i], values


@pytest.mark.spread(22)
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("medium", MEDIA)
def test_each_medium(medium, name, tmp_path):
    write, packages = MEDIA[medium]
    for package in packages:
        pytest.importorskip(package)
    notes: list = []
    table = write(tmp_path / "a", to_columns(TABLES[name]))
    if isinstance(table, str):
        table = tables.read(table, on_note=notes.append)
    wrong = []
    for case, (column, raw, values) in zip(TABLES[name], find(table), strict=True):
        found = shown(column.kind, values)[: len(case.cells)]
        told = [note for note in notes if f"column {column.label!r}:" in note]
        told = [note for note in told if not re.search(ABOUT_FILES, note)]
        told += filter(None, [column.style_note(raw)])
        others = column.others(raw)
        if others is not None and others.n_rows:
            told.append(others.describe_training(column))
        # by pyarrow, which takes 1:20 for a time
        is_typed = not column.from_text and raw.padded is None
        is_told = bool(told) == bool(case.note) and all(case.note in " ".join(told) for _ in told)
        assert column.is_style()
        if not is_right(case, column.kind, found) or not (is_told or is_typed):
            wrong.append((case.cells[:5], column.kind, found[:5], told))
    assert wrong == []


@pytest.mark.spread(1)
@pytest.mark.parametrize("sep", ["comma", "semicolon", "tab", "bar"])
def test_text_files_of_one_case(sep, tmp_path):
    """No other column shows how numbers are written."""
    wrong = []
    write = MEDIA["csv" if sep == "comma" else sep][0]
    for case in (case for cases in TABLES.values() for case in cases):
        notes: list = []
        names = [f"r{i}" for i in range(len(case.cells))]
        path = write(tmp_path / "a", {"row": names, "a": case.cells})
        _, (column, _, values) = find(tables.read(path, on_note=notes.append))
        if not is_right(case, column.kind, shown(column.kind, values)):
            wrong.append((case.cells[:5], column.kind, shown(column.kind, values)[:5], notes))
    assert wrong == []


def test_http():
    """Each column is read as a service reads the rows of a request."""
    wrong = []
    for case in (case for cases in TABLES.values() for case in cases):
        ((column, _, values),) = find([{"a": text} for text in case.cells])
        texts = sorted({*values} - {None}) if column.kind == "category" else []
        features = Features(1, ["a"], [column], [0], {})
        if texts:
            features.categories.append(CategoryFeature(0, "value", texts, False))
        else:
            features.numbers.append(NumberFeature(0, "value"))
        service = TableService(SimpleNamespace(features_=features, facts=lambda: TABLE_FACTS))
        body = json.dumps([{"a": text} for text in case.cells]).encode()
        read = service.read(parse_rows(body, True, 10_000).rows)
        if read.plain is not None:
            got = read.plain[0]
        elif texts:
            got = [texts[code] if code >= 0 else None for code in read.features[1][:, 0]]
        else:
            got = read.features[0][0]
        if not is_right(case, column.kind, shown(column.kind, got)):
            wrong.append((case.cells[:5], shown(column.kind, got)[:5]))
    assert wrong == []


def test_there_are_many_cases():
    assert sum(map(len, TABLES.values())) >= 300


#: Units beside one that has the size 1 in SciPy, and SciPy's names for them.
UNITS = {
    "m": "in inch, ft foot, yd yard, mi mile, mm milli, cm centi, km kilo",
    "m²": "ha hectare, acre acre",
    "kg": "mg micro, g gram, tonne metric_ton, oz oz, lb lb",
    "s": "ms milli, min minute, h hour, d day, wk week",
    "byte": "kB kilo, MB mega, GB giga, TB tera, KiB kibi, MiB mebi, GiB gibi, TiB tebi",
    "W": "mW milli, kW kilo, MW mega, GW giga, hp hp",
    "kJ": "kcal calorie, kWh hour",
    "l": "ml milli, cl centi, dl deci",
}


def test_units_have_the_sizes_of_scipy():
    for base, names in UNITS.items():
        for unit, name in map(str.split, names.split(",")):
            assert units.ratio(base, unit) == pytest.approx(getattr(constants, name)), unit
    speeds = units.ratio("km/h", "mph"), units.ratio("m/s", "kn")
    assert speeds == pytest.approx((constants.mph / constants.kmh, constants.knot))
    assert units.ratio("l", "gal") == pytest.approx(constants.gallon / constants.liter)

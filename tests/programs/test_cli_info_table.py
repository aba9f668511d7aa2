"""fastnn info TABLE: what train would make of a table."""

import json
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cli_cases import FAST, write_csv, write_people
from cli_models import call


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """run(*arguments) -> (exit code, standard output, standard error), in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    return lambda *arguments: call(capsys, *arguments)


def lines_of(run, *arguments):
    code, out, errors = run("info", *arguments)
    assert code == 0, errors
    return out.splitlines(), errors


def test_a_table_without_a_target(run):
    write_people()
    lines, errors = lines_of(run, "people.csv")
    assert errors == "" and max(map(len, lines)) <= 80
    assert lines[0] == "people.csv: 300 rows, 7 columns"
    for line in (
        r"column +kind +missing +distinct +values",
        r"id +- +0 % +300  such as c0",
        r"age +number +5.0 % +62  18 to 79, median \d+",
        r"city +category +3.3 % +3  \w+ \d+ %, \w+ \d+ %, \w+ \d+ %",
        r"planet +- +0 % +1  such as Earth",
        r"left out    id: almost all texts are different",
        r"left out    planet: all values are equal",
        r"  fastnn train people.csv --target COL --out model.safetensors",
    ):
        assert any(re.fullmatch(line, each) for each in lines), line
    assert not any("baseline" in line for line in lines)


def test_info_says_what_train_does(run):
    """The kinds, what is left out, the warnings and the baseline are those of train."""
    write_people()
    Path("people.csv").write_text(
        Path("people.csv").read_text("utf-8") + "c300,30,Rom,Earth,,1,\n", "utf-8"
    )
    for target in ("buys", "income"):
        code, out, _ = run("info", "people.csv", "--target", target, "--json")
        info = json.loads(out)
        assert code == 0 and info["rows"] == 301 and info["target"]["rows_without"] == 1
        assert info["train"].endswith("--skip-missing-target")
        arguments = ["--out", "m", "--skip-missing-target", "--json", *FAST]
        train = json.loads(run("train", "people.csv", "--target", target, *arguments)[1])
        kinds = {c["column"]: c["kind"] for c in info["columns"] if c["kind"] is not None}
        assert kinds == train["kinds"] and info["left_out"] == train["left_out"]
        assert info["data_checks"] == train["data_checks"]
        assert info["target"]["task"] == train["task"]
        for name, value in info["target"]["baseline"].items():
            assert value == pytest.approx(train["scores"]["baseline"][name], rel=0.15)


def test_targets(run):
    write_people()
    lines, _ = lines_of(run, "people.csv", "--target", "income")
    text = "\n".join(lines)
    assert re.search(
        r"^target      income: a number, [\d,]+ to [\d,]+, median .*, mean ", text, re.M
    )
    assert re.search(r"^baseline    RMSE [\d,.]+ of the mean, mean absolute error ", text, re.M)
    assert "fastnn train people.csv --target income --out income.safetensors" in text
    lines, _ = lines_of(run, "people.csv", "--target", "buys")
    assert any(
        re.fullmatch(r"target      buys: two classes: \w+ \d+ %, \w+ \d+ %", x) for x in lines
    )
    code, _, errors = run("info", "people.csv", "--target", "byus")
    assert code == 2 and "has no column 'byus'. Did you mean 'buys'?" in errors


@pytest.mark.parametrize("width", [30, 40, 71, 80, 200])
def test_the_width_of_the_terminal(run, monkeypatch, width):
    write_csv(
        "t.csv", **{"A question with many words? / " + "answer" * 9: range(30)}, y=[0, 1] * 15
    )
    monkeypatch.setenv("COLUMNS", str(width))
    lines, _ = lines_of(run, "t.csv", "--target", "y")
    longest = max(len(line) for line in lines if "fastnn" not in line and ".saf" not in line)
    assert longest <= min(width, 80)


def test_options_and_notes_of_reading(run):
    Path("t.csv").write_text("# x\na;a ;b\n1,5;2\n-9;3;x\n" + "4,5;3;y\n" * 20)
    _, errors = lines_of(run, "t.csv", "--comment", "#", "--na", "-9")
    notes = errors.splitlines()
    for text in (
        "blanks around 1",
        "1 column has the name",
        "decimal comma",
        "line 3: has 2 values",
    ):
        assert any(text in note for note in notes)
    report = json.loads(run("info", "t.csv", "--comment", "#", "--na", "-9", "--json")[1])
    assert report["train"].endswith("--comment '#' --na -9")
    assert [f"note: {note}" for note in report["notes"]] == notes
    assert [c["column"] for c in report["columns"]] == ["a", "a.1", "b"]


def test_columns_of_lists_are_told(run):
    Path("t.json").write_text(json.dumps([{"a": i, "b": ["x"] * (i % 3)} for i in range(30)]))
    lines, _ = lines_of(run, "t.json")
    assert any(line.startswith("left out    b: ") for line in lines)


def test_a_table_that_does_not_fit_in_memory(run, monkeypatch):
    rng = np.random.default_rng(0)
    for g in "ab":
        Path(f"d/g={g}").mkdir(parents=True)
        x = rng.normal(size=2000)
        pq.write_table(pa.table({"x": x, "y": (x > 0).tolist()}), f"d/g={g}/p.parquet")
    monkeypatch.setattr("fastnn.tabular.large.large_table.fits_in_memory", lambda *arguments: False)
    monkeypatch.setattr("fastnn.tabular.large.large_table.default_window", lambda n: 500)
    for more in ([], ["--target", "y"]):
        report = json.loads(run("info", "d", "--json", *more)[1])
        assert report["rows"] == 4000 and 300 < report["rows_looked_at"] <= 500
        assert report["columns"][-1]["column"] == "g" and report["columns"][-1]["distinct"] == 2
    lines, _ = lines_of(run, "d")
    assert re.fullmatch(r"\d+ of them were looked at\.", lines[1])


def test_hostile_names_and_values(run):
    write_csv("t.csv", **{"a\x1b[31m": ["\x1b]0;x\x07", "y"] * 20, "b\nc": range(40)})
    code, out, errors = run("info", "t.csv")
    assert code == 0 and "\x1b" not in out + errors


def test_standard_input_and_samples(run, monkeypatch):
    import io

    assert lines_of(run, "wine", "--target", "cultivar")[0][0] == "wine: 178 rows, 14 columns"

    class Input:
        buffer = io.BytesIO(b"a,b\n1,2\n2,3\n")
        isatty = staticmethod(lambda: False)

    monkeypatch.setattr(sys, "stdin", Input())
    assert lines_of(run, "-")[0][0] == "standard input: 2 rows, 2 columns"


def test_a_model_has_its_target(run):
    write_people()
    assert run("train", "people.csv", "--target", "buys", "--out", "m.safetensors", *FAST)[0] == 0
    code, _, errors = run("info", "m.safetensors", "--target", "buys")
    assert code == 2 and "m.safetensors: is a model, which has its target." in errors


def test_a_table_that_train_cannot_use(run):
    write_csv("t.csv", a=["x"] * 30, b=[5] * 30)
    lines, errors = lines_of(run, "t.csv")
    assert errors.startswith("note: no column besides the target can be used (")
    assert any(re.fullmatch(r"a +- +0 % +1  such as x", line) for line in lines)

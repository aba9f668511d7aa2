"""Each error about data, in the words of Python and in those of the command line."""

import ast
import pathlib
import pickle
import re
import sys

import pytest

pytest.importorskip("pyarrow", reason="the extra cli is not installed")
pytest.importorskip("openpyxl", reason="the extra excel is not installed")
pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("pandas", reason="pandas is not installed")
pytest.importorskip("sklearn", reason="the extra cli is not installed")

import pyarrow as pa
from cli_cases import option_items
from data_error_cases import CASES

import fastnn
from fastnn import TabularClassifier, cli
from fastnn.cli.console import CommandWords
from fastnn.core.errors import Argument, DataError, Message, Row, Wording, placed
from fastnn.tables import TableError
from fastnn.tables.errors import NoRowsError
from fastnn.tabular.encoder import TooLargeError

PACKAGE = pathlib.Path(fastnn.__file__).parent
CLASSES = {cls.__name__ for cls in (DataError, TableError, NoRowsError, TooLargeError)}
OPTIONS = dict(item for each in cli.COMMANDS for item in option_items(each))
#: What only Python has: the names of arguments, and their values.
PYTHON = re.compile(
    rf"\b({'|'.join(OPTIONS)}|y|random_state)=|=\[|=(True|False|None)\b(?!\))|(?<!['.])\b[Xy]\b(?!')"
    r"|\b(hidden_layer_sizes|log_target|class_weight|random_state|n_estimators)\b"
)
OPTION = re.compile(r"(?<![\w-])--[a-z]")


def sites():
    """{site: arguments} of each call that makes a DataError: "module.function: template"."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if not any(f"{name}(" in text for name in CLASSES):
            continue
        module = path.relative_to(PACKAGE).with_suffix("").as_posix()
        for function in ast.walk(ast.parse(text)):
            for node in ast.walk(function) if isinstance(function, ast.FunctionDef) else ():
                if isinstance(node, ast.Call) and getattr(node.func, "id", None) in CLASSES:
                    template = node.args[0]
                    words = template.value if isinstance(template, ast.Constant) else "?"
                    found[f"{module}.{function.name}: {words}"] = node.args
    return found


SITES = sites()


@pytest.fixture
def made(monkeypatch):
    """(site, error) of the errors that have been made."""
    out, init = [], DataError.__init__

    def record(self, problem, /, *args, **values):
        code = sys._getframe(1).f_code
        module = pathlib.Path(code.co_filename).relative_to(PACKAGE).with_suffix("").as_posix()
        init(self, problem, *args, **values)
        out.append((f"{module}.{code.co_name}: {problem}", self))

    monkeypatch.setattr(DataError, "__init__", record)
    return out


def sites_of(case):
    return [site for site in SITES if f"{site}:".startswith(case.site)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.site)
def test_python_has_no_options(case, made, run, monkeypatch):
    case.prepare(monkeypatch)
    made.clear()
    with pytest.raises(DataError) as caught:
        case.python()
    assert made[-1][0] in sites_of(case)
    text = str(caught.value)
    assert not OPTION.search(text) and "{" not in text.replace("{braces}", "")
    assert str(pickle.loads(pickle.dumps(caught.value))) == text


COMMANDS = [case for case in CASES if case.command]


@pytest.mark.parametrize("case", COMMANDS, ids=lambda case: case.site)
def test_the_command_line_has_no_arguments(case, made, run, monkeypatch):
    case.prepare(monkeypatch)
    made.clear()
    run()  # nothing, but what is printed before
    code, _, errors = run(*case.command.split())
    text = errors.splitlines()[-1]
    site, error = made[-1]
    assert code == 2 and site in sites_of(case), errors
    assert not PYTHON.search(text), text
    if error.argument in OPTIONS:
        names_it = {"{argument}", "{name}"} & set(re.findall(r"{\w+}", "".join(error._templates)))
        assert not names_it or OPTIONS[error.argument] in text


def test_each_site_has_a_case():
    known = {site for case in CASES for site in sites_of(case)}
    assert sorted(set(SITES) - known) == []
    assert [case.site for case in CASES if len(sites_of(case)) != 1] == []


def test_a_template_is_a_constant():
    """An f-string could hold braces of a file."""
    for site, (problem, *advice) in SITES.items():
        assert isinstance(problem, ast.Constant), site
        assert all(isinstance(text, ast.Constant | ast.Name) for text in advice), site


# ---- what an error and a note consist of ----


def test_an_error_says_what_it_is_about():
    table = {"a": [""] * 9 + ["x{}"], "goal": [0, 1] * 5}
    with pytest.raises(DataError) as caught:
        TabularClassifier(numbers="a").fit(pa.table(table), "goal")
    error = caught.value
    assert (error.column, error.row, error.argument, error.place) == ("a", 9, None, "")
    assert error.problem == "column 'a' holds 'x{}' in row 9, which is not a number."
    assert str(error) == f"{error.problem} {error.advice}"
    with pytest.raises(TableError) as caught:
        fastnn.tables.read("no.csv", encoding="x")
    assert isinstance(caught.value, DataError) and caught.value.place == "no.csv"
    assert issubclass(TooLargeError, MemoryError)


def test_the_place_of_an_error_is_where_its_rows_are():
    with pytest.raises(DataError) as caught, placed("outer"), placed("inner"), placed(""):
        raise DataError("a {column} in {row}", column="c", row=3)
    error = caught.value
    assert str(error) == "outer: inner: a c in row 3"
    error.row = 8
    assert str(error) == "outer: inner: a c in row 8"
    assert error.say(CommandWords()).endswith("a c in row 9")
    with pytest.raises(TypeError, match=r"^here: of scikit-learn$"), placed("here"):
        raise TypeError("of scikit-learn")


WORDS = [
    (Argument("drop", ["a b", "c"]), "drop=['a b', 'c']", "--drop 'a b,c'"),
    (Argument("header", False), "header=False", "--no-header"),
    (Argument("resume", True), "resume=True", "--resume"),
    (Argument("resume", False), "resume=False", "leave out --resume"),
    (Argument("window", 3), "window=3", "--window 3"),
    (Argument("window"), "window", "--window"),
    (Argument("cv", 5), "cv=5", "cv 5"),  # no option
    (Argument("X"), "X", "the table"),
    (Argument("y"), "y", "the target"),
    (Wording("fit", "the training"), "fit", "the training"),
    (("a ", Row(0), "{}"), "a row 0{}", "a row 1{}"),
]


@pytest.mark.parametrize(("argument", "python", "command"), WORDS)
def test_words(argument, python, command):
    message = Message("{x}", x=argument)
    assert message == python and CommandWords().say(message) == command
    assert pickle.loads(pickle.dumps(message)) == message


NOTES = [
    ("1.5,2\n3,4\n", "pass header=False.", "pass --no-header."),
    ("#a,b\n1,2\n", "pass comment='#'.", "pass --comment '#'."),
]


@pytest.mark.parametrize(("data", "python", "command"), NOTES)
def test_a_note_names_options_on_the_command_line(run, data, python, command):
    pathlib.Path("a.csv").write_text(data)
    notes = []
    fastnn.tables.read("a.csv", on_note=notes.append)
    assert notes[0].endswith(python)
    _, _, errors = run("train", "a.csv", "--target", "none", "--out", "m")
    assert f"{command}\n" in errors


def test_a_note_about_sheets_and_a_warning_about_marks(run):
    import openpyxl

    book = openpyxl.Workbook()
    book.create_sheet("other").append(["b"])
    for row in (["a", "goal"], *([f"{i % 15}" if i % 2 else "none yet", i % 2] for i in range(34))):
        book.active.append(row)
    book.save("a.xlsx")
    notes = []
    table = fastnn.tables.read("a.xlsx", on_note=notes.append)
    assert "Pass sheet to choose another." in notes[0]
    [found] = [s for s in fastnn.tables.check_data(table) if s.kind == "almost numbers"]
    assert found.text.endswith("pass numbers=['a']: others are then missing.")
    _, out, errors = run(*"train a.xlsx --target goal --out m --folds 1 --hidden 2".split())
    assert "Pass --sheet to choose another." in errors
    assert "pass --number a: others are then missing." in " ".join(out.split())

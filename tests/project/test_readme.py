"""README.md: its code runs and prints what it says, and the set-up commands are one line each."""

import re
from importlib.metadata import metadata

import pytest
from pages import blocks, keeps, run_program
from places import ROOT

README = ROOT / "README.md"
if not README.exists():
    pytest.skip("there is no README.md beside these tests", allow_module_level=True)
TEXT = README.read_text(encoding="utf-8")


PYTHON = [code for language, code in blocks(TEXT) if language == "python"]


def section(heading):
    return re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)[1]


def test_the_readme_has_code():
    assert PYTHON
    assert {language for language, _ in blocks(TEXT)} == {"python", "sh"}  # tested below


@pytest.mark.parametrize("code", PYTHON, ids=lambda code: code.splitlines()[0][:40])
def test_code_of_the_readme_runs(code, tmp_path, monkeypatch):
    """A comment `# -> TEXT` says what the line prints; ~ before a number means roughly (to 2 %)."""
    monkeypatch.chdir(tmp_path)
    printed = run_program(code)
    promised = re.findall(r"^print\(.*# -> (.*)$", code, re.M)
    n_prints = len(re.findall(r"^print\(", code, re.M))
    assert len(promised) == n_prints, "every print says what it shows"
    assert all(map(keeps, promised, printed.splitlines()))


SETUP = [("Install", "python -m fastnn demo"), ("Test it", "python -m pytest")]


@pytest.mark.parametrize(("heading", "end"), SETUP)
def test_setup_commands_are_one_line(heading, end):
    ((_, code),) = blocks(section(heading))
    (line,) = code.strip().splitlines()
    assert re.fullmatch(r'python -m pip install -e "\.\[\w+\]" && ' + end, line)


def test_every_extra_is_listed():
    page = README.parent / "docs" / "install.md"
    if not page.exists():
        pytest.skip("there is no docs/ beside these tests")
    text = page.read_text(encoding="utf-8")
    extras = set(metadata("fastnn-mlp").get_all("Provides-Extra") or ())
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.M)) == extras
    named = ",".join(re.findall(r"(?:\.|fastnn-mlp)\[([\w,]+)\]", TEXT + text)).split(",")
    assert set(named) <= extras


def test_both_package_names_are_explained():
    assert "`fastnn-mlp`" in TEXT and "`import fastnn`" in TEXT


def test_lines_fit_a_terminal():
    assert max(len(line) for _, code in blocks(TEXT) for line in code.splitlines()) <= 80

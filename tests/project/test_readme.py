"""README.md: its code runs and prints what it says, and the set-up commands are one line each.

In a text block, `$ ` begins a command, and the lines below it are what it prints on standard output.
A line `...` stands for lines that the README leaves out.
"""

import re
import subprocess
import sys
from importlib.metadata import metadata

import pytest
from places import ROOT

README = ROOT / "README.md"
if not README.exists():
    pytest.skip("there is no README.md beside these tests", allow_module_level=True)
TEXT = README.read_text(encoding="utf-8")


def blocks(text):
    """(language, code) of every fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)


PYTHON = [code for language, code in blocks(TEXT) if language == "python"]


def section(heading):
    return re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)[1]


def test_the_readme_has_code():
    assert PYTHON
    assert {language for language, _ in blocks(TEXT)} == {
        "python",
        "sh",
        "text",
    }  # each kind has its test below


@pytest.mark.parametrize("code", PYTHON, ids=lambda code: code.splitlines()[0][:40])
def test_code_of_the_readme_runs(code, tmp_path):
    """A comment `# -> TEXT` says what the line prints; ~ before a number means roughly (to 2 %)."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    promised = re.findall(r"^print\(.*# -> (.*)$", code, re.M)
    assert len(promised) == len(re.findall(r"^print\(", code, re.M)), (
        "every print says what it shows"
    )
    for promise, shown in zip(promised, result.stdout.splitlines(), strict=True):
        if promise.startswith("~"):
            assert float(shown) == pytest.approx(float(promise[1:]), rel=0.02)
        else:
            assert shown == promise


SCREENS = [code for language, code in blocks(TEXT) if language == "text"]


def shows(shown, printed):
    """Whether a text shows what was printed, but for numbers and for lines left out (`...`)."""
    shown, printed = (re.sub(r"\d[\d.,e-]*", "#", text) for text in (shown, printed))
    pattern = "".join(
        r"(.*\n)+" if line == "...\n" else re.escape(line) for line in shown.splitlines(True)
    )
    return re.fullmatch(pattern, printed) is not None


@pytest.mark.parametrize(
    ("shown", "is_true"),
    [
        ("a 1\nb\nc\n", True),
        ("a 2.5\n...\n", True),
        ("...\nc\n", True),
        ("a 1\nc\n", False),
        ("a 1\nb\nc\n...\n", False),
        ("...\nb\n", False),
        ("x 1\n...\n", False),
    ],
)
def test_only_lines_that_are_marked_may_be_left_out(shown, is_true):
    assert shows(shown, "a 1\nb\nc\n") == is_true


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.splitlines()[0])
def test_terminal_sessions_show_what_the_commands_print(screen, tmp_path):
    """Compare all but the numbers, which differ a little between processors."""
    pytest.importorskip("pyarrow", reason="tables need the extra cli")
    for part in re.split(r"^\$ fastnn ", screen, flags=re.M)[1:]:
        command, shown = part.split("\n", 1)
        result = subprocess.run(
            [sys.executable, "-m", "fastnn", *command.split()],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert result.returncode == 0, result.stderr
        assert shows(shown, result.stdout), result.stdout


@pytest.mark.parametrize(
    ("heading", "end"), [("Install", "python -m fastnn demo"), ("Test it", "python -m pytest")]
)
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

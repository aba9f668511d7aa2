""".ci/size: what it measures, and limits that fall."""

import importlib.util
import os
import re
import runpy
import shutil
import subprocess
import sys

import pytest
from places import ROOT

PROGRAM = ROOT / ".ci" / "size"
if not PROGRAM.exists() or not shutil.which("git") or not importlib.util.find_spec("radon"):
    pytest.skip("needs .ci/, git, and radon of the group lint", allow_module_level=True)


def branches(name, n):
    """The lines of n branches of a function: its complexity is n + 1."""
    return "".join(f"        if x == {name}{i}:\n            return {name}\n" for i in range(n))


def statements(name, n):
    return "".join(f"{name}{i} = {i}\n" for i in range(n))


FILES = {
    "fastnn/__init__.py": '"""The package\n\nof two lines."""\n\nfrom . import first\n',
    "fastnn/first.py": f'''from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .second import Rows

# a comment
TEXT = """
# code, for it is in a text

"""


class Reader:
    def read(self, x):
        """Read."""
{branches("a", 12)}

def find():
    def inner():
        from . import third
''',
    "fastnn/second.py": f'''from fastnn.first import find


class Rows:
    def _read(self, x):
        """Read."""
{branches("b", 20)}
        # a comment in a body of 51 lines: with it and the blank one
{statements("        b", 9)}

def find():
    pass


def _find():
    pass
''',
    "fastnn/third.py": statements("c", 8) + "\n\ndef _find():\n    pass\n",
    "fastnn/fourth.py": "from . import second, third as other\n\n" + statements("c", 7),
    "fastnn/long.py": 801 * "# a comment\n",
    "fastnn/kernels.pyx": '# a comment\n"""Doc\nstring."""\n\ncdef int n\ncdef str s = "a"\n',
    "fastnn/pages/page.html": "<!-- a\ncomment -->\n{# another #}\n\n<p>\n</p>\n<br>\n",
    "fastnn/pages/page.js": "// a comment\nlet a; // code\n\n/* a\ncomment */\nlet b\nlet c\nlet d\n",
    "fastnn/pages/page.css": "/* a\ncomment */\np {}\n",
    "fastnn/data.txt": "not measured\n",
    "tests/support/helper.py": "def test_a(): pass\n",
    "tests/test_first.py": "from helper import test_a\n",
    "tests/test_second.py": "def test_a(): pass\n",
    "docs/page.md": "# Page\n\nA line.\n",
    "docs/decisions/0001.md": "# Decision\n",
}
NUMBERS = {
    "fastnn": dict(modules=6, cython=2, templates=3, scripts=4, styles=1)
    | dict(python=1 + 35 + 56 + 10 + 8)  # of __init__, first, second, third, fourth
    | dict(complexity_20=1, complexity_12=2, bodies_50=1, modules_800=1, repeated_runs=2)
    | dict(one_importer=1)  # second, by fourth; third has two importers, first is of __init__
    | dict(repeated_names=1),  # find
    "tests": dict(modules=3, python=3, one_importer=1, repeated_names=1),
    "docs": dict(docs=3),
}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository of FILES with the program, and the numbers of FILES as limits."""
    for name, value in [("GLOBAL", os.devnull), ("NOSYSTEM", "1")]:
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    for path, text in FILES.items():
        write(tmp_path, path, text)
    (tmp_path / ".ci").mkdir()
    shutil.copy(PROGRAM, tmp_path / ".ci" / "size")
    measures = NUMBERS["fastnn"]  # has them all
    tables = [
        f"# A head.\n[{part}]\n" + "".join(f"{n} = 0\n" for n in names)
        for part, names in [("fastnn", measures), ("tests", measures), ("docs", ["docs"])]
    ]
    tables.append("# Reasons.\n[exceptions]\n")
    write(tmp_path, ".ci/size.toml", "\n".join(tables))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    write(tmp_path, "fastnn/ignored.py", "not_in_git = 1\n")
    assert run(tmp_path, "--reset").returncode == 0
    commit(tmp_path)
    return tmp_path


def write(folder, path, text):
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text, encoding="utf-8")


def git(folder, *arguments):
    subprocess.run(["git", "-C", folder, *arguments], check=True)


def commit(folder):
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-a", "-m", "A step")


def run(folder, *options):
    command = [sys.executable, folder / ".ci" / "size", *options]
    return subprocess.run(command, capture_output=True, text=True)


def limits(folder):
    """{folder: {measure: limit}} of the limits above 0."""
    text = (folder / ".ci" / "size.toml").read_text(encoding="utf-8")
    parts = re.findall(r"^\[(fastnn|tests|docs)\]\n((?:.+\n)*)", text, re.M)
    rows = {part: re.findall(r"^(\w+) = ([1-9]\d*)", lines, re.M) for part, lines in parts}
    return {part: {name: int(n) for name, n in pairs} for part, pairs in rows.items()}


def edit(folder, path, old, new):
    text = (folder / path).read_text(encoding="utf-8")
    assert old in text
    write(folder, path, text.replace(old, new, 1))


def test_each_measure(checkout):
    assert limits(checkout) == NUMBERS
    result = run(checkout)
    assert (result.returncode, result.stderr) == (0, "")
    assert re.search(r"^  lines of docstrings +4 *$", result.stdout, re.M)
    assert re.search(r"^  lines of styles +1 +1$", result.stdout, re.M)
    assert "Lower" not in result.stdout


FIRST, THIRD, FOURTH = "+1  fastnn/first.py", "fastnn/third.py", "fastnn/fourth.py"
METHOD = "class C:\n    def g(x):\n"
GROWTH = {  # what is added to which file, and what the message says
    "modules": ("fastnn/fifth.py", "", "+1  fastnn/fifth.py"),
    "python": ("fastnn/third.py", "d = 1\n", "+1  fastnn/third.py"),
    "cython": ("fastnn/kernels.pyx", "cdef int m\n", "+1  fastnn/kernels.pyx"),
    "templates": ("fastnn/pages/page.html", "<p>\n", "+1  fastnn/pages/page.html"),
    "scripts": ("fastnn/pages/page.js", "let e\n", "+1  fastnn/pages/page.js"),
    "styles": ("fastnn/pages/page.css", "a {}\n", "+1  fastnn/pages/page.css"),
    "complexity_20": ("fastnn/first.py", "async def g(x):\n" + branches("d", 20), f"{FIRST}:g"),
    "complexity_12": ("fastnn/first.py", METHOD + branches("d", 12), f"{FIRST}:C.g"),
    "bodies_50": ("fastnn/first.py", "def g():\n" + statements(" d", 51), f"{FIRST}:g"),
    "modules_800": ("fastnn/third.py", 800 * "#\n", "+1  fastnn/third.py"),
    "one_importer": (FOURTH, "import fastnn.long\n", f"+1  fastnn/long.py, by {FOURTH}"),
    "repeated_names": (FOURTH, "class Rows: pass\n", f"+1  Rows: {FOURTH}, fastnn/second.py"),
    "repeated_runs": (THIRD, statements("c", 6), f"+1  {THIRD}, as in {FOURTH}"),
}


@pytest.mark.parametrize("measure", GROWTH)
def test_growth_fails_and_the_message_says_where(checkout, measure):
    path, text, place = GROWTH[measure]
    before = (checkout / path).read_text(encoding="utf-8") if (checkout / path).exists() else ""
    write(checkout, path, before + text)
    git(checkout, "add", path)
    result = run(checkout, "--update")  # which raises none
    assert result.returncode == 1
    words = runpy.run_path(str(PROGRAM))["WORDS"][measure]
    message = rf"fastnn/ has \d+ too many {words}\. Since the limits of \w+:\n +"
    assert re.search(rf"{message}{re.escape(place)}\n", result.stderr)
    assert "raise the limit in\n.ci/size.toml in a commit of its own" in result.stderr
    assert limits(checkout) == NUMBERS
    commit(checkout)  # the limits are those of the commit before
    assert run(checkout).stderr == result.stderr


def test_what_falls_passes_and_is_written(checkout):
    edit(checkout, ".ci/size.toml", "styles = 1", "styles = 1  # a reason")
    write(checkout, "fastnn/pages/page.css", "")
    result = run(checkout)
    assert result.returncode == 0
    assert result.stdout.endswith("--update` writes:\n  [fastnn] styles = 0\n")
    assert limits(checkout) == NUMBERS
    assert "Lower" not in run(checkout, "--update").stdout
    assert "styles = 0  # a reason\n" in (checkout / ".ci" / "size.toml").read_text()


def test_exceptions_have_no_limit_and_are_dropped_with_their_cause(checkout):
    long, rows = '"fastnn/long.py" = "a table"\n', '"fastnn/second.py:Rows._read" = "one loop"\n'
    edit(checkout, ".ci/size.toml", "[exceptions]\n", f"[exceptions]\n{long}{rows}")
    assert run(checkout, "--update").returncode == 0
    numbers = NUMBERS["fastnn"] | dict(complexity_12=1, complexity_20=0, bodies_50=0, modules_800=0)
    assert limits(checkout)["fastnn"] == {name: n for name, n in numbers.items() if n}
    write(checkout, "fastnn/long.py", "")
    assert run(checkout).stdout.endswith("  [exceptions] without fastnn/long.py\n")
    run(checkout, "--update")
    text = (checkout / ".ci" / "size.toml").read_text(encoding="utf-8")
    assert text.endswith(f"# Reasons.\n[exceptions]\n{rows}")


IS_CHECKOUT = (ROOT / ".git").exists() and (ROOT / "fastnn").is_dir()


@pytest.mark.skipif(not IS_CHECKOUT, reason="not a checkout")
def test_the_limits_hold():
    result = run(ROOT)
    assert result.returncode == 0, result.stderr

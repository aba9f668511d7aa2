"""The pages of docs/ that are read at a terminal: all their blocks run in order, in one folder.

A Python block runs as a program; one that begins with `# NAME.py` is saved under this name
instead. In a text block, `$ ` begins a command, and the lines below it are what it prints on standard
output. A line `...` stands for lines that are left out. A command that ends in ` &` runs until the page
ends.
"""

import re
import shutil
import socket
import subprocess
import sys
import time

import pytest
from pages import blocks, keeps
from places import DOCS
from processes import environment

if not DOCS.exists():
    pytest.skip("there is no docs/ beside these tests", allow_module_level=True)
PAGES = "start.md", "command_line.md", "train.md", "tutorial.md", "drift.md", "comparing.md"
PORT = "8000"  # in the pages; a free one is used
FUNCTIONS = """
fastnn() { "$PYTHON" -m fastnn "$@"; }
python() { "$PYTHON" "$@"; }
"""


class Terminal:
    """Runs the blocks of a page in a folder."""

    def __init__(self, folder):
        self.folder, self.servers = folder, []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])
        self.environment = environment(PYTHON=sys.executable, PYTHONIOENCODING="utf-8")

    def run_python(self, code):
        """Save a program, or run it and return (what it shall print, what it prints)."""
        code = code.replace(PORT, self.port)
        name = re.match(r"# (\w+\.py)\n", code)
        if name:
            (self.folder / name[1]).write_text(code, encoding="utf-8")
            return "", ""
        promised = "".join(f"{text}\n" for text in re.findall(r"^print\(.*# -> (.*)$", code, re.M))
        return promised, self._run([sys.executable, "-W", "error", "-c", code])

    def run_command(self, command):
        """Run a command and return what it prints."""
        if not command.endswith(" &"):
            return self._run(["bash", "-c", FUNCTIONS + command])
        _, *arguments = command.replace(PORT, self.port).removesuffix(" &").split()  # "fastnn"
        options = dict(cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL)
        server = subprocess.Popen([sys.executable, "-m", "fastnn", *arguments], **options)
        self.servers.append(server)
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(self.port))) == 0:
                    return ""
            assert server.poll() is None, "the server has ended"
            time.sleep(0.1)
        raise AssertionError("the server does not answer")

    def _run(self, arguments):
        options = dict(capture_output=True, encoding="utf-8", cwd=self.folder)
        result = subprocess.run(arguments, env=self.environment, **options)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def close(self):
        for server in self.servers:
            server.kill()
            server.wait()


def commands(session):
    """(command, what it prints) of a text block."""
    return re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", session, re.M)


def without_numbers(text):
    """A text without what differs between runs and processors: durations, numbers, and the spaces
    before them."""
    text = re.sub(r"\b\d+(:\d\d)? (s|min|h)\b", "DURATION", text)
    return re.sub(r" *-?\d[\d.,]*(?:e-?\d+)?", " #", text)


def shows(shown, printed):
    """Whether a text shows what was printed, but for numbers and for lines left out (`...`)."""
    shown, printed = without_numbers(shown), without_numbers(printed)
    lines = {"...\n": r"(.*\n)+"}
    pattern = "".join(lines.get(line, re.escape(line)) for line in shown.splitlines(True))
    return re.fullmatch(pattern, printed) is not None


@pytest.mark.parametrize("shown", ["a 1|b|c|", "a 2.5|...|", "...|c|"])
def test_lines_that_are_marked_may_be_left_out(shown):
    assert shows(shown.replace("|", "\n"), "a 1\nb\nc\n")


@pytest.mark.parametrize("shown", ["a 1|c|", "a 1|b|c|...|", "...|b|", "x 1|...|"])
def test_other_lines_may_not_be_left_out(shown):
    assert not shows(shown.replace("|", "\n"), "a 1\nb\nc\n")


@pytest.mark.skipif(not shutil.which("bash"), reason="the commands of the pages are those of bash")
@pytest.mark.slow("tests/programs/ checks what they print")
@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_what_a_terminal_shows(page, tmp_path):
    for module in ("pyarrow", "sklearn", "pandas", "matplotlib", "uvicorn"):
        pytest.importorskip(module, reason="the pages need the extras cli, plot, serve, and pandas")
    text = (DOCS / page).read_text(encoding="utf-8")
    terminal = Terminal(tmp_path)
    try:
        for language, code in blocks(text):
            if language == "python":
                promised, shown = terminal.run_python(code)
                assert keeps(promised, shown), shown
            else:
                for command, promised in commands(code):
                    shown = terminal.run_command(command)
                    assert shows(promised, shown), f"{command}\n{shown}"
                    assert max(map(len, shown.splitlines()), default=0) <= 80
    finally:
        terminal.close()

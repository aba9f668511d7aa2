"""Programs of docs/, README.md and examples/, run in this process. A warning is an error.

So is a picture of which something cannot be read.
"""

import contextlib
import io
import re
import runpy
import sys
import warnings
from types import SimpleNamespace
from unittest import mock

import picture_layout
import pytest


@contextlib.contextmanager
def _program():
    """Collect what a program prints, and close its pictures: (standard output, standard error)."""
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        with warnings.catch_warnings(), picture_layout.checked_pictures():
            try:
                yield out, errors
            finally:
                if "matplotlib.pyplot" in sys.modules:
                    sys.modules["matplotlib.pyplot"].close("all")


def keeps(promise, shown):
    """Whether two texts are equal; ~ before a number allows 2 %."""
    promised, printed = promise.split(), shown.split()
    if len(promised) != len(printed):
        return False
    return all(
        float(b) == pytest.approx(float(a[1:]), rel=0.02) if a.startswith("~") else a == b
        for a, b in zip(promised, printed)
    )


def blocks(text):
    """(language, code) of every fenced block of a page."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)


def run_program(code, name="<page>"):
    """Run Python code as a program in the working directory, and return what it prints."""
    with _program() as (out, _):
        exec(compile(code, name, "exec"), {"__name__": "__main__"})
    return out.getvalue()


def run_script(path, *arguments):
    """Run a file as a program, and return its `returncode`, `stdout` and `stderr`."""
    code = 0
    with _program() as (out, errors), mock.patch("sys.argv", [str(path), *map(str, arguments)]):
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
            if isinstance(code, str):
                print(code, file=sys.stderr)
                code = 1
    return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=errors.getvalue())

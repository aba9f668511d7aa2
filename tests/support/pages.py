"""Programs in the pages of docs/ and in README.md, run in this process."""

import contextlib
import io
import sys
import warnings


def run_program(code, name="<page>"):
    """Run Python code as a program in the working directory, and return what it prints. A warning is
    an error."""
    shown = io.StringIO()
    try:
        with contextlib.redirect_stdout(shown), warnings.catch_warnings():
            warnings.simplefilter("error")
            exec(compile(code, name, "exec"), {"__name__": "__main__"})
    finally:
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")
    return shown.getvalue()

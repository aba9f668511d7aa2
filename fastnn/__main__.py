"""Run the command line: python -m fastnn."""

import sys

from .cli import main

if __name__ == "__main__":
    code = main()
    # CPython notes a KeyboardInterrupt that leaves exec() of a text, as the modules of dataclasses
    # run it, and ends `python -m` by SIGINT later, though it was caught. The next exec() clears that.
    exec("")
    sys.exit(code)

"""The lines that show the progress of training."""

import os
import sys
import time
from collections import Counter


class Line:
    """One line on standard error.

    On a terminal it is rewritten at most ten times a second, cut to the width of the terminal.
    Elsewhere it is printed once a second.
    """

    def __init__(self):
        self.rewrites = sys.stderr is not None and sys.stderr.isatty()
        self.length = 0  # of the line on the terminal
        self.shown = 0.0 if self.rewrites else time.perf_counter()

    def is_due(self):
        now = time.perf_counter()
        if now - self.shown < (0.1 if self.rewrites else 1.0):
            return False
        self.shown = now
        return True

    def print(self, parts, end):
        line = "  ".join(parts)
        if self.rewrites:
            if end == "\r":
                line = line[: _columns() - 1]  # a full row would move the cursor to the next one
            # spaces erase the rest of the line before
            _write(line.ljust(self.length), end)
            self.length = len(line)
        else:
            _write(line)


class ProgressLine(Line):
    """The progress of one training, and at the end why it stopped.

    n_rows : int or None
        Number of rows of an epoch. If it is None, steps are shown.
    """

    def __init__(self, epochs, n_rows):
        super().__init__()
        self.epochs, self.n_rows = epochs, n_rows

    def show(self, history):
        if not self.is_due():
            return
        left = []
        if history.n_epochs:
            seconds = history.seconds / history.n_epochs * (self.epochs - history.n_epochs)
            left = [f"{seconds:.0f} s left"]
        self.print([*self._parts(history), *left], "\r")

    def close(self, history):
        self.print(self._parts(history), "\n")
        _write(f"stopped: {history.stop_reason}")

    def _parts(self, history):
        parts = [f"epoch {history.n_epochs:{len(str(self.epochs))}}/{self.epochs}"]
        if history.loss:
            parts.append(f"loss {history.loss[-1]:.4g}")
        if history.val_loss:
            parts.append(f"validation {history.val_loss[-1]:.4g}")
        if self.n_rows is None:
            parts.append(f"step {history.n_steps:,}")
        elif history.seconds:
            parts.append(f"{history.n_epochs * self.n_rows / history.seconds:,.0f} rows/s")
        return parts


class ManyLine(Line):
    """The progress of `fit_many`, and at the end why the networks stopped."""

    def show(self, pool):
        if not self.is_due():
            return
        left = []
        if pool.done:
            left = [f"{pool.seconds / pool.done * (pool.n - pool.done):.0f} s left"]
        self.print([*self._parts(pool), *left], "\r")

    def close(self, pool):
        self.print(self._parts(pool), "\n")
        reasons = Counter(history.stop_reason for history in pool.histories if history)
        for reason, n in reasons.most_common(5):
            _write(f"stopped: {n} network{'s' * (n != 1)}: {reason}")

    def _parts(self, pool):
        parts = [f"network {int(pool.done):{len(str(pool.n))}}/{pool.n}"]
        if pool.seconds:
            parts.append(f"{pool.rows_done / pool.seconds:,.0f} rows/s")
        return parts


def _write(text, end="\n"):
    if sys.stderr is not None:  # as it is in a program without a console on Windows
        print(text, end=end, file=sys.stderr, flush=True)


def _columns():
    """Return the width of the terminal of standard error, or 80 if it is unknown."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (AttributeError, OSError, ValueError):
        return 80

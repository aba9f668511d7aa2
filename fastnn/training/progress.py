"""Progress of a training, the time that is left, and the lines that show them."""

import os
import sys
import time
from collections import Counter


def seconds_left(seconds, done, n):
    """Return the estimated seconds until n parts are done, None before the first is.

    seconds : float
        What the parts that are done took.
    """
    return seconds / done * (n - done) if done else None


class PoolProgress:
    """How far the training of n networks is. Pools of sessions derive from it.

    Attributes
    ----------
    active : dict of int: Session
        The sessions that have begun, by number of the network.
    n_done : int
        Number of networks whose training has ended.
    rows_done : int
        Number of rows of the epochs of these, and of the active ones where the pool counts them.
    histories : list of History or None
        Those of the networks whose training has begun.
    """

    def __init__(self, n):
        self.n, self.n_done, self.rows_done = n, 0, 0
        self.active: dict = {}
        self.histories: list = [None] * n
        self.began = time.perf_counter()

    @property
    def done(self):
        """The number of trained networks, with the parts of the active ones."""
        parts = (
            s.history.n_epochs / max(1, s.last_epoch - s.state.epoch + s.history.n_epochs)
            for s in list(self.active.values())
        )
        return self.n_done + sum(parts)

    @property
    def seconds(self):
        return time.perf_counter() - self.began


class Line:
    """One line on standard error.

    On a terminal it is rewritten at most ten times a second, cut to the width of the terminal.
    Elsewhere it is printed once a second.
    """

    def __init__(self):
        self.rewrites = sys.stderr is not None and sys.stderr.isatty()
        self.length = 0  # of the line on the terminal
        self.shown = 0.0 if self.rewrites else time.perf_counter()

    def is_due(self, seconds=1.0):
        """Return whether to print it. seconds : float, between two lines not on a terminal"""
        now = time.perf_counter()
        if now - self.shown < (0.1 if self.rewrites else seconds):
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
        if self.is_due():
            left = seconds_left(history.seconds, history.n_epochs, self.epochs)
            self.print([*self._parts(history), *_describe_left(left)], "\r")

    def close(self, history):
        self.print(self._parts(history), "\n")
        _write(f"stopped: {history.stop_reason}")

    def _parts(self, history):
        parts = [describe_count("epoch", history.n_epochs, self.epochs)]
        if history.loss:
            parts.append(f"loss {history.loss[-1]:.4g}")
        if history.val_loss:
            parts.append(f"validation {history.val_loss[-1]:.4g}")
        if self.n_rows is None:
            parts.append(f"step {history.n_steps:,}")
        elif history.seconds:
            parts.append(describe_speed(history.n_epochs * self.n_rows / history.seconds))
        return parts


class ManyLine(Line):
    """The progress of `fit_many`, and at the end why the networks stopped."""

    def show(self, pool):
        if self.is_due():
            left = seconds_left(pool.seconds, pool.done, pool.n)
            self.print([*self._parts(pool), *_describe_left(left)], "\r")

    def close(self, pool):
        self.print(self._parts(pool), "\n")
        reasons = Counter(history.stop_reason for history in pool.histories if history)
        for reason, n in reasons.most_common(5):
            _write(f"stopped: {n} network{'s' * (n != 1)}: {reason}")

    def _parts(self, pool):
        parts = [describe_count("network", pool.done, pool.n)]
        if pool.seconds:
            parts.append(describe_speed(pool.rows_done / pool.seconds))
        return parts


def describe_count(what, done, n):
    """Return the text that `done` of n are done, as wide as the last one."""
    return f"{what} {int(done):{len(str(n))}}/{n}"


def describe_speed(rows_per_second):
    return f"{rows_per_second:,.0f} rows/s"


def _describe_left(seconds):
    return [] if seconds is None else [f"{seconds:.0f} s left"]


def _write(text, end="\n"):
    if sys.stderr is not None:  # as it is in a program without a console on Windows
        print(text, end=end, file=sys.stderr, flush=True)


def _columns():
    """Return the width of the terminal of standard error, or 80 if it is unknown."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (AttributeError, OSError, ValueError):
        return 80

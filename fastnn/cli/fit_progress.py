"""The progress of `fastnn train` on standard error: members that are done, score, time left.

On a terminal with rich it is a bar, without rich one line that is rewritten. Elsewhere each member
is a line, so that a log stays short.
"""

import sys
import time
from contextlib import nullcontext

from ..training.progress import Line
from .display import MAX_BAR, draw_bar, format_duration, live_view, open_console

LOG_SECONDS = 60.0  # at most between two lines of a log


def show_progress(label="", quiet=False):
    """Return a context manager whose value is called with the Progress of an estimator.

    Parameters
    ----------
    label : str, default ""
        What is trained, shown first.
    quiet : bool, default False
        Whether to show nothing.
    """
    if quiet or sys.stderr is None:
        return nullcontext()
    if not sys.stderr.isatty():
        return _Log(label)
    console = open_console()
    return _RewrittenLine(label) if console is None else _Bar(label, console)


def describe(progress):
    """Return the parts of a line about a Progress."""
    if progress.encoded is not None:
        return ["encoding the rows"]
    parts = [f"member {progress.folds_done}/{progress.n_folds}"]
    if progress.score is not None:
        parts.append(f"held-out {progress.score_name} {progress.score:.3f}")
    if progress.seconds_left:
        parts.append(f"{format_duration(progress.seconds_left)} left")
    return parts


class _Log:
    """A line for each member, and at least one a minute."""

    def __init__(self, label):
        self.label = [label] if label else []
        self.folds_done, self.shown = 0, time.perf_counter()

    def __enter__(self):
        return self.update

    def __exit__(self, *error):
        pass

    def update(self, progress):
        now = time.perf_counter()
        if progress.folds_done == self.folds_done and now - self.shown < LOG_SECONDS:
            return
        self.folds_done, self.shown = progress.folds_done, now
        parts = [*self.label, *describe(progress)]
        if progress.folds_done < progress.n_folds:
            percent = f"{100 * progress.fraction:.0f} %"
            parts.insert(-1 if progress.seconds_left else len(parts), percent)
        _print_line("  ".join(parts))


class _RewrittenLine:
    """One line that is rewritten, for a terminal without rich."""

    def __init__(self, label):
        self.label = [label] if label else []
        self.line, self.parts = Line(), None

    def __enter__(self):
        return self.update

    def update(self, progress):
        percent = f"{100 * progress.fraction:3.0f} %"
        self.parts = [*self.label, percent, *describe(progress)]
        if self.line.is_due():
            self.line.print(self.parts, "\r")

    def __exit__(self, *error):
        if self.parts:
            self.line.print(self.parts, "\n")


class _Bar:
    """A bar with a status line below, drawn by rich."""

    def __init__(self, label, console):
        self.label = [label] if label else []
        self.console, self.progress = console, None
        self.live = live_view(self.render, console)

    def __enter__(self):
        self.live.start()
        return self.update

    def __exit__(self, *error):
        self.live.stop()

    def update(self, progress):
        self.progress = progress

    def render(self):
        from rich.text import Text

        progress = self.progress
        if progress is None:
            return Text("".join(self.label) or "preparing the columns")
        member, *others = describe(progress)
        percent = f"{100 * progress.fraction:3.0f} %"
        width = max(1, min(MAX_BAR, self.console.width - len(member) - len(percent) - 5))
        parts = [*self.label, *others]
        line = Text("  ".join(parts), no_wrap=True, overflow="ellipsis")
        return draw_bar(member, progress.fraction, percent, width, line)


def _print_line(text):
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:  # standard error is closed; training continues
        pass

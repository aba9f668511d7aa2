"""The progress of a training on standard error: of one network, and of the folds of `fastnn train`.

On a terminal with rich it is a progress bar and a status line, without rich one line that is
rewritten. Elsewhere lines are appended: for a network at growing intervals, for folds one each.
"""

import math
import os
import sys
import threading
import time
from contextlib import nullcontext

from ..training.progress import Line, describe_count, describe_speed, seconds_left
from .console import terminal_width

SPARK = "▁▂▃▄▅▆▇█"
MAX_BAR = 36  # characters
LOG_SECONDS = 60.0  # at most between two lines of a log of folds


def format_duration(seconds):
    """Format seconds as `3 s`, `2:05 min` or `1:02 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60) if seconds >= 3600 else int(seconds // 60)
    return (
        f"{minutes // 60}:{minutes % 60:02} h"
        if seconds >= 3600
        else f"{minutes}:{int(seconds % 60):02} min"
    )


def sparkline(values, width):
    """Draw a curve of `width` characters. Each shows the mean of its part of the values."""
    if not values:
        return ""
    width = min(width, len(values))
    bounds = [len(values) * i // width for i in range(width + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in zip(bounds, bounds[1:])]
    low, high = min(means), max(means)
    return "".join(
        SPARK[round((x - low) / (high - low) * (len(SPARK) - 1)) if high > low else 0]
        for x in means
    )


def open_console():
    """Return rich's console of standard error, or None if it is not installed or cannot draw."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(stderr=True)


def live_view(render, console):
    """Return rich's Live, which draws what render() returns ten times a second once it is started."""
    from rich.live import Live

    return Live(
        get_renderable=render,
        console=console,
        refresh_per_second=10,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def draw_bar(label, fraction, percent, width, line):
    """Return what rich draws: label, bar and percent, and below them a line of text."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    top = Table.grid(padding=(0, 2))
    top.add_row(label, ProgressBar(total=1.0, completed=fraction, width=width), percent)
    return Group(top, line)


# ---- a network ----


class Display:
    """Context manager that shows the progress of `fit`. Pass `after_epoch` to `fit` as a callback.

    A thread reads the history of the network, so that the display also moves within long epochs.

    Parameters
    ----------
    net : MLP
    epochs, n_rows, batch_size : int
        As passed to `fit`.
    format_score : callable, optional
        format_score() returns the held-out score as text, such as "accuracy 0.983". It is called
        after an epoch, but takes at most a tenth of the training time.
    """

    def __init__(self, net, epochs, n_rows, batch_size, format_score=None):
        self.net, self.epochs, self.n_rows, self.batch_size = net, epochs, n_rows, batch_size
        self.format_score = format_score
        self.steps_per_epoch = -(-n_rows // batch_size)
        self.score_text, self.next_score_time = "", 0.0
        self.view = _create_view(self)

    def __enter__(self):
        self.net.history = None
        self.view.start()
        return self

    def __exit__(self, kind, error, traceback):
        self.view.stop()

    def after_epoch(self, net, history):
        """Callback for `fit`: update the held-out score."""
        now = time.perf_counter()
        if self.format_score and (now >= self.next_score_time or history.n_epochs == self.epochs):
            self.score_text = f"held-out {self.format_score()}"
            seconds = time.perf_counter() - now
            self.next_score_time = now + max(0.1, 10 * seconds)

    def progress(self):
        """Return (epochs done, fraction done, loss, rows per second, seconds left).

        A value that is not known yet is None.
        """
        history = self.net.history
        if history is None or not history.n_steps or not history.seconds:
            return 0, 0.0, None, None, None
        epochs, seconds = history.n_epochs, history.seconds
        steps_in_epoch = max(0, history.n_steps - epochs * self.steps_per_epoch)
        rows = epochs * self.n_rows + steps_in_epoch * self.batch_size
        fraction = min(1.0, rows / (self.epochs * self.n_rows))
        loss = history.loss[-1] if history.loss else None
        return epochs, fraction, loss, rows / seconds, seconds_left(seconds, fraction, 1.0)

    def parts(self):
        """Yield the parts of a plain progress line."""
        epoch, fraction, loss, speed, left = self.progress()
        yield describe_count("epoch", epoch, self.epochs)
        if loss is not None:
            yield f"loss {loss:.4g}"
        if self.score_text:
            yield self.score_text
        if speed is not None:
            yield describe_speed(speed)
        if left is not None and fraction < 1:
            yield f"{format_duration(left)} left"


def _create_view(display):
    console = open_console()
    if console is not None:
        return _RichView(display, console)
    is_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return _LineView(display, rewrites=is_terminal)


class _LineView(threading.Thread):
    """Plain text: one line that is rewritten, or appended lines."""

    MIN_INTERVAL = 1.0  # seconds between appended lines

    def __init__(self, display, rewrites):
        super().__init__(daemon=True)
        self.parts, self.rewrites = display.parts, rewrites
        self.stopped = threading.Event()

    def run(self):
        start = time.perf_counter()
        interval = 0.1 if self.rewrites else self.MIN_INTERVAL
        while not self.stopped.wait(interval):
            self.show("\r")
            if not self.rewrites:
                interval = max(self.MIN_INTERVAL, 0.1 * (time.perf_counter() - start))

    def stop(self):
        self.stopped.set()
        self.join()
        self.show("\n")

    def show(self, end):
        line, width = "  ".join(self.parts()), terminal_width() - 2
        if end == "\r":
            line = line[:width]  # a full row would move the cursor to the next one
        try:
            print(
                f"{line:<{width}}" if self.rewrites else line,
                end=end if self.rewrites else "\n",
                file=sys.stderr,
                flush=True,
            )
        except OSError:  # standard error is closed; training continues
            self.stopped.set()


class _RichView:
    """A progress bar with a status line below, drawn by rich."""

    def __init__(self, display, console):
        self.display = display
        self.can_show_sparkline = (console.encoding or "").lower().startswith("utf")
        self.live = live_view(self.render, console)

    def start(self):
        self.live.start()

    def stop(self):
        self.live.stop()

    def render(self):
        from rich.text import Text

        display = self.display
        epoch, fraction, loss, speed, left = display.progress()
        percent = f"{100 * fraction:3.0f} %"
        if left is not None and fraction < 1:
            percent += f"  {format_duration(left)} left"
        line = Text(no_wrap=True, overflow="ellipsis")
        if loss is not None:
            log_losses = [math.log(max(x, 1e-12)) for x in display.net.history.loss]
            curve = sparkline(log_losses, 12) + " " if self.can_show_sparkline else ""
            line.append("loss ").append(curve, style="cyan").append(f"{loss:.4g}", style="bold")
        if display.score_text:
            name, _, value = display.score_text.rpartition(" ")
            line.append(f"  {name} ").append(value, style="bold green")
        if speed is not None:
            line.append(f"  {describe_speed(speed)}")
        return draw_bar(
            describe_count("epoch", epoch, display.epochs), fraction, percent, MAX_BAR, line
        )


# ---- the folds of fastnn train ----


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
        return _FoldLog(label)
    console = open_console()
    return _FoldLine(label) if console is None else _FoldBar(label, console)


def _format_score(progress):
    """Return the score of a FitProgress as the table of scores has it, as far as it fits."""
    score = round(progress.score, 3) + 0.0  # -0.0 + 0.0 is 0.0
    if progress.score_name.endswith("MAPE"):
        return f"{100 * progress.score:.1f} %"
    return f"{score:.3f}" if abs(score) < 1000 else f"{score:,.0f}"


def _describe(progress):
    """Return the parts of a line about a Progress."""
    if progress.encoded is not None:
        return ["encoding the rows"]
    parts = [f"fold {progress.folds_done}/{progress.n_folds}"]
    if progress.is_on_all_rows:
        parts = ["training on all rows"]
    if progress.score is not None:
        parts.append(f"held-out {progress.score_name} {_format_score(progress)}")
    if progress.seconds_left:
        parts.append(f"{format_duration(progress.seconds_left)} left")
    return parts


class _FoldLog:
    """A line for each fold, one for the training on all rows, and at least one a minute."""

    def __init__(self, label):
        self.label = [label] if label else []
        self.stage, self.shown = (0, False), time.perf_counter()

    def __enter__(self):
        return self.update

    def __exit__(self, *error):
        pass

    def update(self, progress):
        now, stage = time.perf_counter(), (progress.folds_done, progress.is_on_all_rows)
        if stage == self.stage and now - self.shown < LOG_SECONDS:
            return
        self.stage, self.shown = stage, now
        parts = [*self.label, *_describe(progress)]
        if progress.folds_done < progress.n_folds or progress.is_on_all_rows:
            percent = f"{100 * progress.fraction:.0f} %"
            parts.insert(-1 if progress.seconds_left else len(parts), percent)
        _print_line("  ".join(parts))


class _FoldLine:
    """One line that is rewritten, for a terminal without rich."""

    def __init__(self, label):
        self.label = [label] if label else []
        self.line, self.parts = Line(), None

    def __enter__(self):
        return self.update

    def update(self, progress):
        percent = f"{100 * progress.fraction:3.0f} %"
        self.parts = [*self.label, percent, *_describe(progress)]
        if self.line.is_due():
            self.line.print(self.parts, "\r")

    def __exit__(self, *error):
        if self.parts:
            self.line.print(self.parts, "\n")


class _FoldBar:
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
        fold, *others = _describe(progress)
        percent = f"{100 * progress.fraction:3.0f} %"
        width = max(1, min(MAX_BAR, self.console.width - len(fold) - len(percent) - 5))
        parts = [*self.label, *others]
        line = Text("  ".join(parts), no_wrap=True, overflow="ellipsis")
        return draw_bar(fold, progress.fraction, percent, width, line)


class Steps:
    """The progress of a few long steps, as lines on standard error.

    Parameters
    ----------
    label : str
    n_steps : int
    quiet : bool
        Whether to show nothing.
    """

    def __init__(self, label, n_steps, quiet=False):
        self.label, self.n_steps, self.n_begun = label, n_steps, 0
        self.line = Line() if sys.stderr is not None and sys.stderr.isatty() else None
        self.quiet = quiet or sys.stderr is None
        self.parts: list = []

    def __enter__(self):
        return self

    def begin(self, name):
        """Say which step begins."""
        self.n_begun += 1
        self.parts = [self.label, f"{self.n_begun}/{self.n_steps}", name]
        if self.quiet:
            return
        if self.line is None:
            _print_line("  ".join(self.parts))
        else:
            self.line.print(self.parts, "\r")

    def __exit__(self, *error):
        if self.line is not None and self.parts and not self.quiet:
            self.line.print(self.parts, "\n")


def _print_line(text):
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:  # standard error is closed; training continues
        pass

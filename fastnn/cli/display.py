"""What one sees while a network learns: epoch, loss, held-out score, rows a second, time left.

On a terminal with rich, two lines that move; on one without, a line written anew; elsewhere a line
now and then, ever less often. A thread looks at the network's history, so that the display moves
within long epochs too.
"""

import math
import os
import sys
import threading
import time

SPARK = "▁▂▃▄▅▆▇█"


class Display:
    """A context around `fit`, which calls `after_epoch` as one of its callbacks.

    Parameters
    ----------
    net : MLP
    epochs, n_rows, batch_size : int
        As `fit` gets them.
    score : callable, optional
        score() -> text about the held-out rows, such as "accuracy 0.983". Asked after an epoch, but
        at most for a tenth of the time.
    """

    def __init__(self, net, epochs, n_rows, batch_size, score=None):
        self.net, self.epochs, self.n_rows, self.batch_size, self.score = (
            net,
            epochs,
            n_rows,
            batch_size,
            score,
        )
        self.steps_an_epoch = -(-n_rows // batch_size)
        self.score_text, self.next_score = "", 0.0
        self.shown = _choose(self)

    def __enter__(self):
        self.net.history = None
        self.shown.start()
        return self

    def __exit__(self, kind, error, traceback):
        self.shown.stop()

    def after_epoch(self, net, history):
        """A callback of `fit`."""
        now = time.perf_counter()
        if self.score and (now >= self.next_score or history.n_epochs == self.epochs):
            self.score_text = f"held-out {self.score()}"
            took = time.perf_counter() - now
            self.next_score = now + max(0.1, 10 * took)

    def state(self):
        """(epoch, share done, loss, rows a second, seconds left); what is not known yet is None."""
        history = self.net.history
        if history is None or not history.n_steps or not history.seconds:
            return 0, 0.0, None, None, None
        epochs, steps, seconds, losses = (
            history.n_epochs,
            history.n_steps,
            history.seconds,
            history.loss,
        )
        rows = epochs * self.n_rows + max(0, steps - epochs * self.steps_an_epoch) * self.batch_size
        share = min(1.0, rows / (self.epochs * self.n_rows))
        return (
            epochs,
            share,
            losses[-1] if losses else None,
            rows / seconds,
            seconds * (1 - share) / share,
        )

    def parts(self):
        """The same in words, for a plain line."""
        epoch, share, loss, speed, left = self.state()
        yield f"epoch {epoch:{len(str(self.epochs))}}/{self.epochs}"
        if loss is not None:
            yield f"loss {loss:.4g}"
        if self.score_text:
            yield self.score_text
        if speed is not None:
            yield f"{speed:,.0f} rows/s"
        if left is not None and share < 1:
            yield f"{duration(left)} left"


def duration(seconds):
    """`3 s`, `2:05 min`, `1:02 h`"""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60) if seconds >= 3600 else int(seconds // 60)
    return (
        f"{minutes // 60}:{minutes % 60:02} h"
        if seconds >= 3600
        else f"{minutes}:{int(seconds % 60):02} min"
    )


def sparkline(values, width):
    """A curve of so many characters, each the mean of its share of the values, highest at the
    top."""
    if not values:
        return ""
    width = min(width, len(values))
    cuts = [len(values) * i // width for i in range(width + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in zip(cuts, cuts[1:])]
    low, high = min(means), max(means)
    return "".join(
        SPARK[round((x - low) / (high - low) * (len(SPARK) - 1)) if high > low else 0]
        for x in means
    )


def _choose(display):
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        try:
            from rich.console import Console
            from rich.live import Live
        except ImportError:
            return _Line(display, rewrites=True)
        return _Rich(display, Console(stderr=True), Live)
    return _Line(display, rewrites=False)


class _Line(threading.Thread):
    """Plain text."""

    PAUSE = 1.0  # seconds between lines that stay, at least

    def __init__(self, display, rewrites):
        super().__init__(daemon=True)
        self.parts, self.rewrites = display.parts, rewrites
        self.over = threading.Event()

    def run(self):
        began = time.perf_counter()
        pause = 0.1 if self.rewrites else self.PAUSE
        while not self.over.wait(pause):
            self.show("\r")
            if not self.rewrites:
                pause = max(self.PAUSE, 0.1 * (time.perf_counter() - began))

    def stop(self):
        self.over.set()
        self.join()
        self.show("\n")

    def show(self, end):
        line = "  ".join(self.parts())
        try:
            print(
                f"{line:<78}" if self.rewrites else line,
                end=end if self.rewrites else "\n",
                file=sys.stderr,
                flush=True,
            )
        except OSError:  # nobody reads it; the training goes on
            self.over.set()


class _Rich:
    """A bar and a line below it."""

    def __init__(self, display, console, live):
        self.of, self.console = display, console
        self.spark = (console.encoding or "").lower().startswith("utf")
        self.live = live(
            get_renderable=self.render,
            console=console,
            refresh_per_second=10,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def start(self):
        self.live.start()

    def stop(self):
        self.live.stop()

    def render(self):
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        epoch, share, loss, speed, left = self.of.state()
        top = Table.grid(padding=(0, 2))
        done = f"{100 * share:3.0f} %" + (
            f"  {duration(left)} left" if left is not None and share < 1 else ""
        )
        bar = ProgressBar(total=1.0, completed=share, width=36)
        top.add_row(f"epoch {epoch:{len(str(self.of.epochs))}}/{self.of.epochs}", bar, done)
        line = Text(no_wrap=True, overflow="ellipsis")
        if loss is not None:
            curve = (
                sparkline([math.log(max(x, 1e-12)) for x in self.of.net.history.loss], 12) + " "
                if self.spark
                else ""
            )
            line.append("loss ").append(curve, style="cyan").append(f"{loss:.4g}", style="bold")
        if self.of.score_text:
            name, _, figure = self.of.score_text.rpartition(" ")
            line.append(f"  {name} ").append(figure, style="bold green")
        if speed is not None:
            line.append(f"  {speed:,.0f} rows/s")
        return Group(top, line)

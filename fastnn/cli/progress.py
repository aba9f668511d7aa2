"""The progress of a training on standard error: of one network, and of the folds of `fastnn train`.

On a terminal with rich it is a progress bar and a line of text below, without rich one line that is
rewritten. Elsewhere lines are appended: for a network once a second, for folds one each.
"""

import math
import sys
from contextlib import contextmanager, nullcontext, suppress
from itertools import count

from ..training.progress import Line, describe_count, describe_speed, seconds_left

SPARK = "▁▂▃▄▅▆▇█"
LOG_SECONDS = 60.0  # at most between two lines of a log of folds


def format_duration(seconds):
    """Format seconds as `3 s`, `2:05 min` or `1:02 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)}:{int(seconds % 60):02} min"
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02} h"


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


# ---- where it is shown ----


def _open_bar(description):
    """Return a context manager: a progress bar, or None without rich or a terminal that can draw."""
    if sys.stderr is None or not sys.stderr.isatty():
        return nullcontext()
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
        from rich.text import Text
    except ImportError:
        return nullcontext()
    console = Console(stderr=True)
    if not console.is_interactive:
        return nullcontext()

    class Bar(Progress):
        """What is trained, a bar, percent and the time left, and below them a line of text."""

        def get_renderables(self):
            yield from super().get_renderables()
            yield from (task.fields["text"] for task in self.tasks if "text" in task.fields)

        def show(self, what, fraction, left, *text):
            """Each of `text` is a str, or a tuple of a str and its style."""
            line = Text.assemble(*text, no_wrap=True, overflow="ellipsis")
            if console.options.ascii_only:
                line.overflow = "crop"
            self.update(
                task, description=what, total=1.0, completed=fraction, left="".join(left), text=line
            )

    bar = Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn("{task.percentage:3.0f} %"),
        TextColumn("{task.fields[left]}"),
        console=console,
        redirect_stdout=False,  # it may be a file; notes on standard error come above the bar
    )
    task = bar.add_task(description, total=None, left="")
    return bar


class _Line(Line):
    """A line that ends with the block. If standard error is closed, training continues."""

    def __init__(self):
        super().__init__()
        self.parts = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.rewrites and self.parts:
            self.show(self.parts, "\n")

    def show(self, parts, end="\r", is_due=True):
        self.parts = parts
        if is_due:
            with suppress(OSError):
                self.print(parts, end)


# ---- what is shown ----


@contextmanager
def show_training(epochs, n_rows, format_score):
    """Return a context manager whose value is a callback of `fit`.

    Parameters
    ----------
    epochs, n_rows : int
        As passed to `fit`.
    format_score : callable
        format_score() returns the held-out score as text, such as "accuracy 0.983". It is called
        at most ten times a second, and after the last epoch.
    """
    with _Line() as line, _open_bar(describe_count("epoch", 0, epochs)) as bar:

        def after_epoch(net, history):
            done, losses = history.n_epochs, history.loss
            if done < epochs and not line.is_due():
                return
            epoch, loss = describe_count("epoch", done, epochs), f"{losses[-1]:.4g}"
            name, _, score = f"held-out {format_score()}".rpartition(" ")
            speed = describe_speed(done * n_rows / history.seconds)
            left = _describe_left(seconds_left(history.seconds, done, epochs))
            if bar is None:
                line.show([epoch, f"loss {loss}", f"{name} {score}", speed, *left])
                return
            curve = sparkline([math.log(max(x, 1e-12)) for x in losses], 12) + " "
            text = [
                ("loss ", ""),
                ("" if bar.console.options.ascii_only else curve, "cyan"),
                (loss, "bold"),
                (f"  {name} ", ""),
                (score, "bold green"),
                (f"  {speed}", ""),
            ]
            bar.show(epoch, done / epochs, left, *text)

        yield after_epoch


@contextmanager
def show_progress(label, quiet):
    """Return a context manager whose value is called with the FitProgress of an estimator.

    Parameters
    ----------
    label : str
        What is trained.
    quiet : bool
        Whether to show nothing.
    """
    if quiet or sys.stderr is None:
        yield None
        return
    labels = [label] if label else []
    with _Line() as line, _open_bar(label or "preparing the columns") as bar:
        stage = (0, False)

        def update(progress):
            nonlocal stage
            what, score, left = _describe_fit(progress)
            before, stage = stage, (progress.folds_done, progress.is_on_all_rows)
            if bar is not None:
                bar.show(what, progress.fraction, left, "  ".join([*labels, *score]))
                return
            percent = [f"{100 * progress.fraction:.0f} %"]
            if line.rewrites:
                parts = [*labels, percent[0].rjust(5), what, *score, *left]
            else:
                is_done = progress.folds_done == progress.n_folds and not progress.is_on_all_rows
                parts = [*labels, what, *score, *([] if is_done else percent), *left]
            line.show(parts, is_due=line.is_due(LOG_SECONDS if stage == before else 0.0))

        yield update


def _format_score(progress):
    """Return the score of a FitProgress as the table of scores has it, as far as it fits."""
    score = round(progress.score, 3) + 0.0  # -0.0 + 0.0 is 0.0
    if progress.score_name.endswith("MAPE"):
        return f"{100 * progress.score:.1f} %"
    return f"{score:.3f}" if abs(score) < 1000 else f"{score:,.0f}"


def _describe_fit(progress):
    """Return what a FitProgress trains as text, and its score and the time left as parts of a line."""
    what = f"fold {progress.folds_done}/{progress.n_folds}"
    if progress.encoded is not None:
        what = "encoding the rows"
    elif progress.is_on_all_rows:
        what = "training on all rows"
    has_score = progress.score is not None
    score = [f"held-out {progress.score_name} {_format_score(progress)}"] if has_score else []
    return what, score, _describe_left(progress.seconds_left)


def _describe_left(seconds):
    return [f"{format_duration(seconds)} left"] if seconds else []


@contextmanager
def show_steps(label, n_steps, quiet):
    """Return a context manager whose value is called with the name of each long step that begins."""
    with _Line() as line:
        numbers = count(1)
        yield lambda name: quiet or line.show([label, f"{next(numbers)}/{n_steps}", name])

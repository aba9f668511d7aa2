"""What a reader of a picture of matplotlib cannot see: bars, labels and legends out of their places."""

import contextlib
import importlib.util
import math
from itertools import combinations
from unittest import mock

TOLERANCE = 1.5  # pixels that a box may stick out: fonts and lines are rounded to whole ones


def layout_problems(figure):
    """Return a sentence for each bar, label and legend that cannot be read in a figure as it was last drawn.

    Bars lie within their axes, whose scale has a zero. Texts lie within the figure and do not
    overlap. No text or legend crosses the edge of axes.
    """
    drawn = _drawn_texts(figure)
    problems = []
    for ax in figure.axes:
        problems += _bars(ax)
        problems += [
            f"label {text.get_text()!r} is not drawn: its point is out of the axes"
            for text in ax.texts
            if text.get_visible() and text.get_text().strip() and text not in drawn
        ]
        legend = ax.get_legend()
        if legend is not None and legend.get_visible():
            problems += _places("legend", legend.get_window_extent(), figure)
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawn]
    for name, box in boxes:
        problems += _places(f"text {name!r}", box, figure)
    straight = [
        pair for text, pair in zip(drawn, boxes, strict=True) if text.get_rotation() % 90 == 0
    ]
    problems += [
        f"texts {a!r} and {b!r} overlap"
        for (a, one), (b, other) in combinations(straight, 2)
        if _overlap(one, other)
    ]
    return problems


@contextlib.contextmanager
def checked_pictures():
    """Check that there are no problems in the figures that are saved in the context, a list."""
    if importlib.util.find_spec("matplotlib") is None:
        yield []
        return
    from matplotlib.figure import Figure

    problems, figures, savefig = [], [], Figure.savefig

    def save(figure, *arguments, **options):
        figures.append(figure)
        savefig(figure, *arguments, **options)
        problems.extend(layout_problems(figure))

    with mock.patch.object(Figure, "savefig", save):
        yield figures
    assert not problems, "\n".join(problems)


def _drawn_texts(figure):
    """Return the texts that are drawn: those of ticks and points out of the axes are not."""
    from matplotlib.text import Text

    drawn, draw = {}, Text.draw

    def record(text, renderer):
        if text.get_visible() and text.get_text().strip():
            drawn[text] = True
        draw(text, renderer)

    engine = figure.get_layout_engine()
    figure.set_layout_engine("none")  # each drawing would move the axes a little
    with mock.patch.object(Text, "draw", record):
        figure.draw_without_rendering()
    figure.set_layout_engine(engine)
    return list(drawn)


def _bars(ax):
    from matplotlib.container import BarContainer

    for container in ax.containers:
        if not isinstance(container, BarContainer):
            continue
        axis = "x" if container.orientation == "horizontal" else "y"
        if getattr(ax, f"get_{axis}scale")() == "log":
            yield f"bars on a logarithmic {axis} axis have no length"
        for bar in container:
            if not _within(bar.get_window_extent(), ax.bbox):
                value = bar.get_width() if axis == "x" else bar.get_height()
                yield f"bar of {value:.3g} leaves its axes"


def _places(name, box, figure):
    """Return what is wrong with the place of a box: out of the figure, or partly in axes."""
    if not _within(box, figure.bbox):
        return [f"{name} is out of the figure"]
    return [
        f"{name} crosses the edge of axes"
        for ax in figure.axes
        if ax.get_visible() and _overlap(box, ax.bbox) and not _within(box, ax.bbox)
    ]


def _within(box, outer):
    return all(map(math.isfinite, box.extents)) and (
        box.x0 >= outer.x0 - TOLERANCE
        and box.y0 >= outer.y0 - TOLERANCE
        and box.x1 <= outer.x1 + TOLERANCE
        and box.y1 <= outer.y1 + TOLERANCE
    )


def _overlap(a, b):
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return width > TOLERANCE and height > TOLERANCE

"""Elements of the sections: names, and charts of matplotlib as SVG.

In a chart, texts stay texts in the font of the page. Colours become variables of its style sheet, so
that a chart can be read on a light and on a dark page.
"""

import datetime
import io
import re
import warnings
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import numpy as np
from markupsafe import Markup

from ... import plotting
from ...core.messages import printable
from ..record import TrainingRecord

MAX_NAME = 60  # characters of a name in a table
SIZE = 4.6, 3.5  # inches; an inch is 72 units of the SVG
#: Variables of the style sheets, and the colours of `plotting.style` and of matplotlib that they replace.
VARIABLES = {
    "--blue": "#0072b2",
    "--orange": "#d55e00",
    "--green": "#009e73",
    "--pink": "#cc79a7",
    "--yellow": "#e69f00",
    "--sky": "#56b4e9",
    "--ink": "#000000 #222222 #333333 #444444",
    "--muted": "#777777 #808080 #999999",
    "--line": "#cccccc #dddddd",
    "--page": "#ffffff",
}
COLORS = {color: name for name, colors in VARIABLES.items() for color in colors.split()}
NAMESPACES = re.compile(r"\{[^}]*\}")
FRACTION = re.compile(r"(-?\d+\.\d\d)\d+")
COLOR = re.compile(r"#[0-9a-f]{6}\b")
#: The family of a font, as the versions of matplotlib write it.
FAMILY = re.compile(r"(\bfont: [^';]*px )'[^;]*|font-family: [^;]*; ?")
REFERENCE = re.compile(r"#([\w-]+)")


@dataclass
class Report:
    """The training, the model and the rows that a page describes.

    Attributes
    ----------
    record : TrainingRecord
    model : TabularClassifier or TabularRegressor
        Fitted in this process: its networks still have their histories.
    frame : Frame
        The table that it was fitted to, without the target.
    y_train : ndarray
        Targets of the rows of `frame`.
    rows : pyarrow.Table
        The rows of `frame` as they were read.
    y, P : ndarray
        Class numbers or numbers of the rows that were held out, and the predictions for them.
    weight : ndarray or None
        Weights of these rows.
    created : datetime
    """

    record: TrainingRecord
    model: Any
    frame: Any
    y_train: np.ndarray
    rows: Any
    y: np.ndarray
    P: np.ndarray
    weight: np.ndarray | None = None
    created: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC))

    @property
    def is_number(self):
        return self.record.classes is None

    def sample(self, n):
        """Return at most `n` training rows, evenly spread, as a table."""
        step = max(1, -(-self.rows.num_rows // n))
        return self.rows.take(np.arange(0, self.rows.num_rows, step))


def name(text):
    """Return the name of a column or of a class from the table, shortened if it is long."""
    return printable(text, MAX_NAME) or "(no name)"


def section(template, title, key=None, **values):
    """Return a section whose heading can be linked to as #key.

    template : the macro of sections.html that shows the values, and the key by default
    """
    return {"template": template, "title": title, "key": key or template, **values}


def keep_first(caption, items, most, more, key=None):
    """Return the caption and the items of a table, of many items the first `most`.

    Parameters
    ----------
    caption : str
    items : list
    most : int
    more : str
        What the caption says if items are left out: {} for how many are shown, and for how many there
        are.
    key : callable, optional
        By which many items are sorted.
    """
    if len(items) <= most:
        return caption, items
    items_shown = items if key is None else sorted(items, key=key)
    return caption + more.format(most, f"{len(items):,}"), items_shown[:most]


# ---- charts ----


def chart(key, title, description, draw, size=SIZE):
    """Return a chart for pages/sections.html, with its title and a description.

    Parameters
    ----------
    key : str
        Begins the ids in this chart.
    title, description : str
        `description` says what the axes are, and how to read the chart.
    draw : callable
        draw(ax) draws into axes of matplotlib.
    """
    svg = _render(key, draw, size)
    for tag, part, text in (("desc", "text", description), ("title", "title", title)):
        element = ElementTree.Element(tag, id=f"{key}-{part}")
        element.text = text
        svg.insert(0, element)
    svg.attrib |= {
        "role": "img",
        "aria-labelledby": f"{key}-title",
        "aria-describedby": f"{key}-text",
    }
    source = ElementTree.tostring(svg, encoding="unicode", method="html")
    return {
        "title": title,
        "description": description,
        "svg": Markup(source),
        "inches": size[0],
        "legend": None,
    }


def legend(colors, styles=()):
    """Return the legend of several charts: the style, the color and the text of each entry.

    Parameters
    ----------
    colors : dict of str: str
        Colours of `plotting.style` by what they stand for.
    styles : iterable of (str, str)
        Pairs of "solid", "dotted" or "dot" and what it stands for, in the colour of texts.
    """
    colored = [("solid", _variable(color.lower()), label) for label, color in colors.items()]
    return colored + [(style, None, label) for style, label in styles]


def take_legend(ax):
    """Remove the legend of axes, if there is one. Return the colours of its lines by their labels."""
    legend = ax.get_legend()
    if legend is None:
        return {}
    colors = [line.get_color().lower() for line in legend.get_lines()]
    labels = [text.get_text().replace("\\$", "$").strip() for text in legend.get_texts()]
    legend.remove()
    return dict(zip(labels, colors))


def _render(key, draw, size):
    """Return the svg element of a chart."""
    import matplotlib
    from matplotlib.figure import Figure

    options: Any = {"svg.fonttype": "none", "svg.hashsalt": key, "path.simplify_threshold": 0.5}
    file = io.BytesIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with plotting.style(), matplotlib.rc_context(options), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from .*font")  # not drawn
        figure = Figure(figsize=size)
        ax = figure.subplots()
        draw(ax)
        _round_ticks(ax)
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    return _adapt(ElementTree.fromstring(file.getvalue()), key)


def _round_ticks(ax):
    """Write large numbers as the tables do: 150,000 and not 1.5, with 1e5 in a corner."""
    from matplotlib.ticker import MaxNLocator, ScalarFormatter, StrMethodFormatter

    for axis in ax.xaxis, ax.yaxis:
        low, high = axis.get_view_interval()
        most = max(abs(low), abs(high))
        if not isinstance(axis.get_major_formatter(), ScalarFormatter) or not 1e4 <= most < 1e10:
            continue
        if axis is ax.xaxis:
            axis.set_major_locator(MaxNLocator(4))
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _adapt(svg, key):
    """Return an SVG document of matplotlib as part of a page."""
    used = {
        name
        for part in svg.iter()
        for value in part.attrib.values()
        for name in REFERENCE.findall(value)
    }
    for parent in list(svg.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    for part in svg.iter():
        _adapt_part(part, used, key)
    for parent in svg.iter():
        _share_style(parent)
    for name in ("width", "height", "version"):
        svg.attrib.pop(name, None)
    return svg


def _adapt_part(part, used, key):
    """Drop namespaces, blanks, and ids to which nothing refers. Adapt the other attributes."""
    part.tag = NAMESPACES.sub("", part.tag)
    attributes = {NAMESPACES.sub("", name): value for name, value in part.attrib.items()}
    part.attrib.clear()
    for name, value in attributes.items():
        if name != "id" or value in used:
            part.set(name, _adapt_value(name, value, key))
    part.text = part.text if part.tag == "text" else None
    part.tail = None


def _adapt_value(name, value, key):
    if name == "id":
        return f"{key}-{value}"
    if name == "href" and value.startswith("#"):
        return f"#{key}-{value[1:]}"
    if name == "style":
        value = COLOR.sub(lambda m: _variable(m[0]), value)
        return FAMILY.sub(lambda m: f"{m[1]}var(--font)" if m[1] else "", value)
    value = value.replace("url(#", f"url(#{key}-")
    return FRACTION.sub(r"\1", value) if name in ("d", "x", "y", "transform") else value


def _variable(color):
    return f"var({COLORS[color]})" if color in COLORS else color


def _share_style(parent):
    """Move the style that all points of a scatter plot have to the element around them."""
    styles = {child.get("style") for child in parent if child.tag == "use"}
    if len(parent) > 1 and len(styles) == 1 and all(child.tag == "use" for child in parent):
        style = styles.pop()
        if style is not None and parent.get("style") is None:
            parent.set("style", style)
            for child in parent:
                del child.attrib["style"]

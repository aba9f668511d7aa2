"""Charts of matplotlib as SVG in a page.

Texts stay texts in the font of the page. Colours become variables of its style sheet, so that a
chart can be read on a light and on a dark page.
"""

import io
import re
import warnings
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup

from ... import plotting

SIZE = 4.6, 3.5  # inches; an inch is 72 units of the SVG
#: Colours of `plotting.style` and of matplotlib, and the variables of style.css that replace them.
COLORS = {
    "#0072b2": "--blue",
    "#d55e00": "--orange",
    "#009e73": "--green",
    "#cc79a7": "--pink",
    "#e69f00": "--yellow",
    "#56b4e9": "--sky",
    "#000000": "--ink",
    "#222222": "--ink",
    "#333333": "--ink",
    "#444444": "--ink",
    "#777777": "--muted",
    "#808080": "--muted",
    "#999999": "--muted",
    "#cccccc": "--line",
    "#dddddd": "--line",
    "#ffffff": "--page",
}
NAMESPACES = re.compile(r"\{[^}]*\}")
FRACTION = re.compile(r"(-?\d+\.\d\d)\d+")
COLOR = re.compile(r"#[0-9a-f]{6}\b")
#: The family of a font, as the versions of matplotlib write it.
FAMILY = re.compile(r"(\bfont: [^';]*px )'[^;]*|font-family: [^;]*; ?")
REFERENCE = re.compile(r"#([\w-]+)")


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
    for i, (tag, text, part) in enumerate(
        (("title", title, "title"), ("desc", description, "text"))
    ):
        element = ElementTree.Element(tag, id=f"{key}-{part}")
        element.text = text
        svg.insert(i, element)
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
    colored = [("solid", _variable_of(color), label) for label, color in colors.items()]
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
    used = {name for part in svg.iter() for name in _references(part)}
    for parent in list(svg.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    for part in svg.iter():
        part.tag = NAMESPACES.sub("", part.tag)
        attributes = {NAMESPACES.sub("", name): value for name, value in part.attrib.items()}
        if attributes.get("id") not in used:
            attributes.pop("id", None)
        part.attrib.clear()
        for name, value in attributes.items():
            part.set(name, _adapt_value(name, value, key))
        part.text = part.text if part.tag == "text" else None
        part.tail = None
    for parent in svg.iter():
        _share_style(parent)
    for name in ("width", "height", "version"):
        svg.attrib.pop(name, None)
    return svg


def _references(part):
    return [name for value in part.attrib.values() for name in REFERENCE.findall(value)]


def _adapt_value(name, value, key):
    if name == "id":
        return f"{key}-{value}"
    if name == "href" and value.startswith("#"):
        return f"#{key}-{value[1:]}"
    if name == "style":
        value = COLOR.sub(_variable, value)
        return FAMILY.sub(lambda m: f"{m[1]}var(--font)" if m[1] else "", value)
    value = value.replace("url(#", f"url(#{key}-")
    return FRACTION.sub(r"\1", value) if name in ("d", "x", "y", "transform") else value


def _variable_of(color):
    return f"var({COLORS[color.lower()]})"


def _variable(match):
    name = COLORS.get(match[0])
    return match[0] if name is None else f"var({name})"


def _share_style(parent):
    """Move the style that all points of a scatter plot have to the element around them."""
    styles = {child.get("style") for child in parent if child.tag == "use"}
    if len(parent) > 1 and len(styles) == 1 and all(child.tag == "use" for child in parent):
        style = styles.pop()
        if style is not None and parent.get("style") is None:
            parent.set("style", style)
            for child in parent:
                del child.attrib["style"]

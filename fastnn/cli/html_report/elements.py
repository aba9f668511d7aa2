"""Elements of an HTML page: paragraphs, tables and lists.

They are elements of `xml.etree`, which escapes all texts and attributes when the page is written.
"""

from xml.etree import ElementTree

from ...core.messages import printable

MAX_NAME = 60  # characters of a name in a table
LONG = 100_000  # characters of any other text


def element(tag, *children, **attributes):
    """Return an element.

    Parameters
    ----------
    tag : str
    *children : str, Element or None
        Texts and elements in order. Characters of a text that cannot be displayed are replaced.
        None is ignored.
    **attributes
        Attributes; `class_` stands for class, `aria_label` for aria-label. None is ignored.
    """
    out = ElementTree.Element(tag)
    for name, value in attributes.items():
        if value is not None:
            out.set(name.rstrip("_").replace("_", "-"), _clean(value))
    last = None
    for child in children:
        if child is None:
            continue
        if not isinstance(child, str):
            out.append(child)
            last = child
        elif last is None:
            out.text = (out.text or "") + _clean(child)
        else:
            last.tail = (last.tail or "") + _clean(child)
    return out


def _clean(text):
    return "\n".join(printable(line, LONG) for line in str(text).split("\n"))


def paragraph(*children, **attributes):
    return element("p", *children, **attributes)


def bullets(items):
    """Return a list of texts or elements."""
    return element("ul", *(element("li", item) for item in items))


def name(text):
    """Return the name of a column or of a class from the table, shortened if it is long."""
    return printable(text, MAX_NAME) or "(no name)"


def section(key, title, *children):
    """Return a section whose heading can be linked to as #key."""
    heading = element("h2", title, id=key)
    return element("section", heading, *children, aria_labelledby=key)


def table(caption, head, rows, class_=None):
    """Return a table that scrolls on its own if it is too wide for the page.

    Parameters
    ----------
    caption : str
    head : list of str
        Headings of the columns. A heading that begins with # is that of a column of numbers.
    rows : iterable of sequences of str or Element
        The first cell of each row is its heading.
    """
    classes = ["number" if title.startswith("#") else None for title in head]
    titles = [
        element("th", title.removeprefix("#"), scope="col", class_=class_)
        for title, class_ in zip(head, classes)
    ]
    lines = []
    for first, *others in rows:
        cells = [element("td", cell, class_=c) for cell, c in zip(others, classes[1:])]
        lines.append(element("tr", element("th", first, scope="row"), *cells))
    return scrolling(
        caption,
        element(
            "table",
            element("caption", caption),
            element("thead", element("tr", *titles)),
            element("tbody", *lines),
            class_=class_,
            style=f"--columns: {len(head) - 1}" if class_ == "sentences" else None,
        ),
    )


def pairs(rows):
    """Return a table of labels and texts without headings."""
    lines = [
        element("tr", element("th", label, scope="row"), element("td", value))
        for label, value in rows
    ]
    return element("table", element("tbody", *lines), class_="pairs")


def columns(*children):
    """Return elements side by side, as many as the page is wide. None is ignored."""
    return element("div", *children, class_="columns")


def figures(pairs):
    """Return a list of figures with what they are.

    pairs : list of (str, str)
    """
    parts = [
        element("div", element("dt", text), element("dd", figure, class_="figure"))
        for figure, text in pairs
    ]
    return element("dl", *parts, class_="figures")


def scrolling(label, content):
    """Return a box that scrolls sideways, also with the keyboard."""
    return element("div", content, class_="scroll", tabindex="0", role="region", aria_label=label)


def to_html(page):
    """Return the text of a page, whose root is the element html."""
    return "<!DOCTYPE html>\n" + ElementTree.tostring(page, encoding="unicode", method="html")

"""The elements of sections: names, and what a template of pages/sections.html shows."""

from ...core.messages import printable

MAX_NAME = 60  # characters of a name in a table


def name(text):
    """Return the name of a column or of a class from the table, shortened if it is long."""
    return printable(text, MAX_NAME) or "(no name)"


def section(template, title, key=None, **values):
    """Return a section whose heading can be linked to as #key.

    template : the macro of sections.html that shows the values, and the key by default
    """
    return {"template": template, "title": title, "key": key or template, **values}

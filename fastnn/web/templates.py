"""Pages of Jinja, which escapes all texts, and what they may load."""

from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from ..core.messages import printable

LONG = 100_000  # characters of a text
_CLOSED = "default-src 'none'; base-uri 'none'; form-action 'none'"
_OWN = f"{_CLOSED}; style-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'"
#: What each page may load, and do: nothing of other servers.
POLICIES = {
    "report": f"{_CLOSED}; style-src 'unsafe-inline'",  # no script, whatever a table contains
    "serve": _OWN,
    "play": f"{_OWN}; img-src 'self' data:",
}


def page_headers(page):
    """Return the headers of a page of a server. page : a key of `POLICIES`"""
    return {
        "Content-Security-Policy": POLICIES[page],
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


def render(package, template, **values: Any):
    """Return the text of a page.

    Characters of texts that cannot be displayed are replaced.

    Parameters
    ----------
    package : str
        The name of the package that has the template in its folder `pages`.
    template : str
        The name of its file.
    **values
        What the template shows.
    """
    return _environment(package).get_template(template).render(values)


def table(caption, head, rows, class_=None):
    """Return a table for `pages/elements.html`.

    It scrolls on its own if it is too wide for the page.

    Parameters
    ----------
    caption : str
    head : list of str
        Headings of the columns. A heading that begins with # is that of a column of numbers.
    rows : list of sequences of str or Markup
        The first cell of each row is its heading.
    class_ : str, optional
        Of the style sheet.
    """
    return {"caption": caption, "head": head, "rows": rows, "class": class_}


def markup(template, *values):
    """Return HTML that no page escapes. values : texts, which are escaped here"""
    return Markup(template).format(*map(_clean, values))


@cache
def _environment(package):
    loaders = [jinja2.PackageLoader(each, "pages") for each in (package, __package__)]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["printable"] = printable
    return environment


def _clean(value):
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return "\n".join(printable(line, LONG) for line in value.split("\n"))

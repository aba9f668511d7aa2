"""The first page of the API reference: one line for each name of its other pages."""

import re
from pathlib import Path

ENTRY = re.compile(r"^   (\w+)$", re.M)
DIRECTIVE = re.compile(r"\.\. (currentmodule|autosummary)::(.*)\n((?:   .*\n|\n)*)")
TITLE = re.compile(r"\A(.+)\n=+\n")


def section_of(text):
    """Return the section of a page: its title, and its names without a toctree."""
    title = TITLE.match(text)[1]
    parts = [title + "\n" + "-" * len(title)]
    for kind, argument, body in DIRECTIVE.findall(text):
        parts.append(f".. {kind}::{argument}")
        if kind == "autosummary":
            names = "\n".join(f"   {name}" for name in ENTRY.findall(body))
            parts[-1] += f"\n   :nosignatures:\n\n{names}"
    return "\n\n".join(parts)


def setup(app):
    folder = Path(app.srcdir, "api")

    def read_page(app, name, content):
        if name == "api/index":
            pages = ENTRY.findall(content[0])
            sections = [
                section_of((folder / f"{page}.rst").read_text(encoding="utf-8")) for page in pages
            ]
            content[0] += "\n" + "\n\n".join(sections) + "\n"

    app.connect("source-read", read_page)
    return {"parallel_read_safe": True}

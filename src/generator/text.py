"""Texts with generated parts."""

import re
import textwrap

WIDTH = 100
RULE = "(=+(?: =+)+)"  # a horizontal line of a table


class Text:
    """The original and the current text of a file."""

    def __init__(self, path, root):
        self.name, self.path = path, root / path
        self.before = self.now = self.path.read_text(encoding="utf-8")

    def replace(self, pattern, new, description):
        """Replace the group `old` in the only match of a pattern.

        `new` is the new text or a function of the old text. `description` names the pattern in the
        error message if the number of matches is not one.
        """
        matches = list(re.finditer(pattern, self.now, re.M | re.S))
        if len(matches) != 1:
            raise ValueError(f"{self.path}: expected one {description}, found {len(matches)}")
        match = matches[0]
        if callable(new):
            new = new(match["old"])
        self.now = self.now[: match.start("old")] + new + self.now[match.end("old") :]

    def region(self, name, lines, indent=0):
        """Replace the lines between the comments `generated: NAME` and `end of NAME`."""
        body = "".join(" " * indent + line + "\n" if line else "\n" for line in lines)
        self.replace(
            rf"^ *# generated: {name}\b[^\n]*\n(?P<old>.*?)^ *# end of {name}$",
            body,
            f"'# generated: {name}'",
        )

    def names(self, pattern, new, description):
        """Add names to a sorted list with one name on each line."""
        self.replace(pattern, lambda old: self._add_names(old, new), description)

    @staticmethod
    def _add_names(old, new):
        quote = '"' if '"' in old else ""
        names = set(re.findall(r"\w+", old)) | set(new)
        return "".join(f"    {quote}{name}{quote},\n" for name in sorted(names, key=isort_key))

    def imports(self, module, new):
        """Add names to `from .MODULE import ...`, or insert this statement in sorted order."""
        if not re.search(rf"^ *from \.{module} import ", self.now, re.M):
            before = [
                m
                for m in re.finditer(r"^( *)from \.(\w+) import [^\n]*\n", self.now, re.M)
                if m[2] < module
            ]
            end, indent = before[-1].end(), before[-1][1]
            self.now = f"{self.now[:end]}{indent}from .{module} import {new[0]}\n{self.now[end:]}"
        pattern = rf"^(?P<old> *from \.{module} import (?:\([^)]*\)|[^\n(]*)\n)"
        self.replace(
            pattern, lambda old: self._format_import(module, old, new), f"import of .{module}"
        )

    @staticmethod
    def _format_import(module, old, new):
        names = sorted(
            {*re.findall(r"\w+", old.split(" import ")[1]), *new},
            key=lambda name: isort_key(name, str.lower),
        )
        indent = old[: len(old) - len(old.lstrip())]
        line = f"{indent}from .{module} import {', '.join(names)}\n"
        if len(line) <= WIDTH + 1 and "(" not in old:
            return line
        lines = "".join(f"{indent}    {name},\n" for name in names)
        return f"{indent}from .{module} import (\n{lines}{indent})\n"

    def table(self, head, rows, after):
        """Replace the first table after the words `after`."""
        widths = [max(map(len, column)) for column in zip(head, *rows)]
        rule = " ".join("=" * width for width in widths)
        lines = [
            " ".join(f"{cell:{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows
        ]
        head = " ".join(f"{cell:{width}}" for cell, width in zip(head, widths)).rstrip()
        new = "\n".join([rule, head, rule, *lines, rule]) + "\n"
        pattern = rf"\A.*?{re.escape(after)}.*?^(?P<old>{RULE}\n[^\n]*\n{RULE}\n.*?^{RULE}\n)"
        self.replace(pattern, new, f"table after {after!r}")

    def listing(self, start, names, stop, width=WIDTH, indent=0):
        """Replace the names between `start` and `stop` in a paragraph or list item."""
        end = rf"\n\n|\n- |\n {{0,{max(indent - 1, 0)}}}\S"
        pattern = rf"(?P<old>^[^\n]*{re.escape(start)}(?:(?!\n\n|\n- ).)*?)(?={end})"

        def rewrap(old):
            text = " ".join(old.split())
            before, rest = text.split(start)
            words = f"{before}{start}{', '.join(names)}{stop}{rest.split(stop, 1)[1]}"
            first_indent = old[: len(old) - len(old.lstrip())]
            return textwrap.fill(
                words,
                width,
                initial_indent=first_indent,
                subsequent_indent=" " * indent,
                break_on_hyphens=False,
                break_long_words=False,
            )

        self.replace(pattern, rewrap, f"text with {start!r}")

    def words(self, start, names, stop):
        """Replace the names between `start` and `stop` in one line, which is not wrapped."""
        self.replace(
            rf"{re.escape(start)}(?P<old>[^\n]*?){re.escape(stop)}",
            ", ".join(names),
            f"line with {start!r}",
        )


def isort_key(name, normalize=str):
    """Return the sort key of ruff's import order: constants, classes, functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), normalize(name)


def tuple_of(name, names):
    """Return the lines of `NAME = (a, b, ...)`, with one name on each line, as ruff formats it."""
    return [f"{name} = (", *(f"    {member}," for member in names), ")"]


def dict_of(name, items):
    """Return the lines of `NAME = {"a": "b", ...}`, with one item on each line."""
    return [f"{name} = {{", *(f'    "{key}": "{value}",' for key, value in items.items()), "}"]


def autosummary(page, module, names):
    """Write names, and keep the others, in the list of a module in docs/api/."""

    def with_others(old):
        others = [line for line in old.split() if line not in names]
        return "".join(f"   {name}\n" for name in [*names, *others])

    page.replace(
        rf"currentmodule:: {re.escape(module)}\n(?:(?!currentmodule).)*?:nosignatures:\n\n"
        r"(?P<old>(?:   \w+\n)+)",
        with_others,
        f"autosummary of {module}",
    )

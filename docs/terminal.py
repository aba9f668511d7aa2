"""Draw the terminal sessions of start.md as images/terminal.svg, for README.md.

python docs/terminal.py
"""

import io
import re
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

DOCS = Path(__file__).parent
PICTURE = DOCS / "images" / "terminal.svg"
LEFT_OUT = r"\nrows to check.*?\n\n"  # too long for a picture


def session():
    """Return the text blocks of start.md."""
    page = (DOCS / "start.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```text\n(.*?)^```$", page, re.M | re.S)
    return "\n".join(re.sub(LEFT_OUT, "\n...\n\n", block, flags=re.S) for block in blocks)


def draw(text):
    """Return a terminal with this text as SVG: commands are green, warnings orange."""
    console = Console(record=True, width=80, file=io.StringIO())
    for line in text.splitlines():
        shown = Text(line, style="bold green" if line.startswith("$ ") else "")
        shown.highlight_regex("^warning", "bold yellow")
        console.print(shown, soft_wrap=True)
    svg = console.export_svg(title="fastnn", theme=MONOKAI, unique_id="terminal")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.S)  # they are on another server


if __name__ == "__main__":
    PICTURE.write_text(draw(session()), encoding="utf-8")

"""The search of the site: words that lead to a section, and pages that come last.

The search of Sphinx knows on which pages a word is, not how often, and orders pages of equal rank
by their titles. A comment below a heading names phrases for which its section comes first:

    <!-- search: missing values, NaN, imputation -->

The comment becomes entries of the index. They are found before titles and words (search.js).
"""

import re

COMMENT = re.compile(r"^<!-- search: (.+?) -->$", re.M | re.S)


def to_index(text):
    """Return Markdown text with comments about the search as directives of MyST."""

    def replace(match):
        phrases = [phrase.strip() for phrase in match[1].replace("\n", " ").split(",")]
        return "```{index} " + ", ".join(f"! {phrase}" for phrase in phrases) + "\n```"

    return COMMENT.sub(replace, text)


def setup(app):
    def read_page(app, name, content):
        content[0] = to_index(content[0])

    app.connect("source-read", read_page)
    return {"parallel_read_safe": True}

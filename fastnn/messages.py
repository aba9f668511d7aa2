"""Text of files in messages: names, classes and other text that the user has not written."""

import unicodedata

#: Characters of a message, or of a line of a report, with the text of files in it.
LONG = 4000


def printable(text, maximum=40):
    """Make text from a file safe for a terminal: one line of limited length, without control
    characters."""
    text = str(text)
    if len(text) > maximum:
        text = text[: maximum - 3] + "..."
    return text if text.isprintable() else "".join(map(_printable_character, text))


def has_lone_surrogate(text):
    """Return whether UTF-8 cannot hold a text."""
    return any("\ud800" <= c <= "\udfff" for c in text)


def _printable_character(c):
    if c.isprintable():
        return c
    # Other spaces are harmless. Control characters, line ends, directions and lone surrogates are not.
    return " " if unicodedata.category(c) == "Zs" else "\N{REPLACEMENT CHARACTER}"

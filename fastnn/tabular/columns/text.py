"""Columns of free text: reviews, messages, remarks."""

from typing import ClassVar

import numpy as np

from ...core.errors import Argument, Message
from ...core.messages import has_lone_surrogate, printable
from ...tables.cells.recognition import other_texts
from .category import MAX_GUESSED, Category
from .column import Contents, NumberFeature
from .input_column import TEXTS

WORDS = 4  # texts of as many words in the mean are free text
MIN_DISTINCT = 0.5  # of the rows with a text: fewer different texts are categories
#: From here on a script may write without spaces between words; two characters count as a word.
NO_SPACES = 0x0E00
NGRAMS = "n-grams"  # the part whose numbers are the outputs of a TextLayer

LENGTH = """
/* The number of characters of a text in UTF-8 */
static double ${name}_length(const char *text)
{
    double n = 0.0;
    if (${name}_is_missing(text))
        return 0.0;
    for (; *text != '\\0'; text++)
        n += (*text & 0xC0) != 0x80;
    return n;
}
"""


class Text(Category):
    """A column of free text.

    Its values are those of a Category. Its features are the number of characters, and what a `TextLayer`
    makes of its words and parts of words.
    """

    kind: ClassVar[str] = "text"
    argument: ClassVar[str] = "texts"
    option_help: ClassVar[str] = "columns of free text, such as reviews"
    has_effects: ClassVar[bool] = False
    has_number_profile: ClassVar[bool] = True
    number_parts: ClassVar[tuple] = ("length", NGRAMS)
    category_parts: ClassVar[tuple] = ()
    c_helpers: ClassVar[dict] = dict(length=LENGTH)
    is_guessed = False

    @classmethod
    def guess(cls, label, raw):
        if raw.kind != "text" or len(raw.present) < MIN_DISTINCT * np.count_nonzero(
            raw.values >= 0
        ):
            return None
        few = raw.present[:: 1 + len(raw.present) // MAX_GUESSED]
        is_prose = np.mean(list(map(_count_words, few))) >= WORDS and not other_texts(few)
        if not is_prose:
            return None
        column = cls(label, None, True)
        column.is_guessed = True
        return column

    def features(self, source, values, max_categories):
        n_distinct = len(np.unique(values[0]))  # a missing text counts
        return [NumberFeature(source, "length")] if n_distinct > 1 else []

    def number(self, values, part):
        return np.nan_to_num(self.profiled(values))

    def profiled(self, values):
        codes, texts = values
        return np.array([*map(len, texts), np.nan], np.float64)[codes]

    def unknown(self, values, categories):
        return None

    def style_note(self, raw):
        if not self.is_guessed:
            return None
        return Message(
            "column {column!r}: free text, read as words and parts of words. If this is right, pass "
            "{texts}, else {categories} or {drop}.",
            column=printable(self.label),
            texts=Argument("texts", [self.label]),
            categories=Argument("categories", [self.label]),
            drop=Argument("drop", [self.label]),
        )

    def summarize(self, values, write_number):
        lengths = self.profiled(values)
        present = lengths[~np.isnan(lengths)]
        span = np.quantile(present, (0, 0.5, 1), method="nearest").tolist()
        low, median, high = map(write_number, span)
        return Contents(
            1 - len(present) / len(lengths),
            len(np.unique(values[0][values[0] >= 0])),
            span=(low, f"{median} characters", high),
        )

    def write(self, x, write_number):
        """Return what drift says of a number of characters."""
        return f"{write_number(x)} characters"

    # ---- JSON ----

    def describe_json(self, categories, typical):
        return "a text; null if it is missing", {"type": ["string", "null"]}, "a text"

    def json_reader(self, categories):
        return _read_texts

    def facts(self, held, middle, categories):
        return {}

    # ---- other formats ----

    def is_text(self, categories):
        return True

    def c_comment(self, writer, categories):
        return "free text"

    def to_c(self, writer, x, feature):
        writer.helpers.add("is_missing")
        return writer.call("length", x)

    def to_onnx(self, writer, x, feature):
        raise NotImplementedError  # `onnx_file` refuses models of free text


def _count_words(text):
    return len(text.split()) + sum(ord(c) >= NO_SPACES for c in text) // 2


def _read_texts(values):
    """Return texts as they are, None if a table cannot hold them."""
    is_text = {*map(type, values)} <= TEXTS and not any(
        map(has_lone_surrogate, filter(None, values))
    )
    return values if is_text else None

"""Texts that stand for a missing value: some in each column of a file, more of them elsewhere.

`NULLS` are missing as soon as a file of any format is read, in this spelling: pandas and Arrow take
them for missing, too. The others, such as "none" and "-", can be classes or values of a category that
someone chose. They are missing among numbers and dates, with a note, and in inputs of the estimators.
"""

NULLS = frozenset(
    (
        *("", "?", "NA", "N/A", "n/a", "NaN", "nan", "-NaN", "-nan", "NULL", "null"),
        *("#N/A", "#N/A N/A", "#NA", "-1.#IND", "1.#IND", "1.#QNAN", "-1.#QNAN"),
    )
)

DASHES = ("", "?", "??", "???", "-", "--", "---", ".", "..", "...", "\u2013", "\u2014", "_", "*")
WORDS = (
    *("na", "n/a", "n.a.", "n.a", "n. a.", "k.a.", "k. a.", "nan", "-nan", "null", "none", "nil"),
    *("missing", "<na>", "<null>", "(null)", "[null]", "(blank)", "(none)", "nat", "\\n"),
)
#: What spreadsheets show in place of a value, in English and German, and old C libraries for NaN.
ERRORS = (
    *("#n/a", "#n/a n/a", "#na", "#nv", "#null!", "#div/0!", "#value!", "#wert!", "#ref!"),
    *("#bezug!", "#name?", "#num!", "#zahl!", "-1.#ind", "1.#ind", "1.#qnan", "-1.#qnan"),
)
#: In lower case and without spaces around them.
MISSING = frozenset((*DASHES, *WORDS, *ERRORS))


def is_missing_mark(text):
    """Whether a text stands for a missing value, such as '', '-', 'NA' or '#N/A'."""
    return text.strip().lower() in MISSING


def present_texts(distinct):
    """Return the texts that do not stand for a missing value, without spaces around them."""
    return [text.strip() for text in distinct if not is_missing_mark(text)]

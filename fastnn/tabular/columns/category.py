"""Columns of categories: texts, and numbers that the user names."""

import math
import re
from typing import ClassVar

import numpy as np

from ...core.errors import Argument, Message
from ...core.messages import plural, printable
from ...tables.cells.dates import is_date
from ...tables.cells.missing import is_missing_mark
from ...tables.cells.numbers import is_wide, to_whole
from ...tables.cells.recognition import other_texts
from .column import MIN_COUNT, MISSING, CategoryFeature, Column, Contents, where_present
from .input_column import InputColumn, read_categories, to_texts

MAX_EXAMPLES = 20  # categories in a JSON schema
SEVERAL_WORDS = 1.5  # of a text that is left out, in the mean: it may be a title or a name
MAX_GUESSED = 2000  # texts that decide what they are
WORD = re.compile(r"(?<!\S)[^\W\d_]{2}")  # the beginning of one, not of a number or a code

FIND_TEXT = """
/* The position of a text among sorted texts, -1 if it is not there, `missing` if it is missing */
static int32_t ${name}_find_text(const char *t, const char *const *texts, size_t n, int32_t missing)
{
    size_t low = 0, high = t == NULL ? 0 : n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(t, texts[middle]);
        if (order == 0)
            return (int32_t)middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return ${name}_is_missing(t) ? missing : -1;
}
"""

FIND = """
/* The position of x among n numbers, -1 if it is not there, `missing` for NAN */
static int32_t ${name}_find(double x, const double *numbers, size_t n, int32_t missing)
{
    if (isnan(x))
        return missing;
    for (size_t k = 0; k < n; k++)
        if (numbers[k] == x)
            return (int32_t)k;
    return -1;
}
"""


class Category(Column):
    """A column of categories.

    Its values are codes (n,), -1 for missing values, and the texts that they stand for.
    """

    kind: ClassVar[str] = "category"
    argument: ClassVar[str] = "categories"
    option_help: ClassVar[str] = "columns to treat as categories, such as postal codes"
    is_read_as_text: ClassVar[bool] = True
    category_parts: ClassVar[tuple] = ("value",)
    c_helpers: ClassVar[dict] = dict(find_text=FIND_TEXT, find=FIND)

    @classmethod
    def declare(cls, label, raw):
        return cls(label, None, raw.kind == "text")

    def needs_texts(self):
        return self.from_text

    def convert(self, raw):
        codes, texts = to_texts(raw)
        if raw.kind == "text":
            marks = [i for i, text in enumerate(texts) if is_missing_mark(text)]
            codes = np.where(np.isin(codes, marks), -1, codes) if marks else codes
        return codes, texts

    # ---- features ----

    def features(self, source, values, max_categories):
        """Return the category of the texts that occur most often, sorted."""
        counts, n_missing = _count(values).tolist(), int((values[0] < 0).sum())
        n_frequent = sum(count >= MIN_COUNT for count in counts)
        if n_frequent + (n_frequent > 0 and n_missing >= MIN_COUNT) < 2:
            return []
        found = sorted((-count, text) for text, count in zip(values[1], counts) if count > 0)
        categories = sorted(text for _, text in found[:max_categories])
        return [CategoryFeature(source, "value", categories, n_missing > 0)]

    def explain_no_feature(self, raw, values):
        used = [text for text, count in zip(values[1], _count(values)) if count]
        if len(used) == 1:
            return "all values are equal"
        no_dates = [text for text in used if not is_date(text, "iso")]
        are_dates = 0 < len(no_dates) <= 0.1 * len(used)
        wrong = no_dates if are_dates else other_texts(used)
        if not wrong:
            return "almost all texts are different"
        return (
            f"almost all texts are different; most are {'dates' if are_dates else 'numbers'}, but not "
            f"{printable(wrong[0])!r}. Correct it, or leave it empty if it is missing"
        )

    def left_out_note(self, raw):
        texts = raw.texts or []
        few = [t for t in texts[:: 1 + len(texts) // MAX_GUESSED] if not is_missing_mark(t)]
        if len(few) < 2 or sum(len(WORD.findall(t)) for t in few) < SEVERAL_WORDS * len(few):
            return None
        return Message(
            "column {column!r} is left out, since almost all texts are different. If they are titles, "
            "names or other words that matter, pass {texts} to read them as free text, else {drop}.",
            column=printable(self.label),
            texts=Argument("texts", [self.label]),
            drop=Argument("drop", [self.label]),
        )

    def is_missing(self, values):
        return values[0] < 0

    def find_codes(self, values, category):
        codes, texts = values
        code_of = category.code_of
        return np.array([code_of.get(text, -1) for text in texts] + [-1])[codes]

    def unknown(self, values, categories):
        codes, texts = values
        known = set(categories)
        rows = np.array([text not in known for text in texts] + [False])[codes]
        return (int(rows.sum()), texts[codes[rows.argmax()]]) if rows.any() else None

    def summarize(self, values, write_number):
        codes, texts = values
        counts, missing = _count(values), float(np.mean(codes < 0))
        n_distinct = int(np.count_nonzero(counts))
        return Contents(missing, n_distinct, counts=dict(zip(texts, counts.tolist())))

    def to_objects(self, values):
        codes, texts = values
        return np.array([*texts, None], object)[codes]

    def to_categories(self, values):
        codes, texts = values
        return np.array([*texts, MISSING], object)[codes]

    # ---- JSON ----

    def describe_json(self, categories, typical):
        values = categories
        if not self.is_text(categories):
            numbers = map(as_number, categories)
            values = [int(x) if x.is_integer() else x for x in numbers]
        more = len(values) - MAX_EXAMPLES
        about = f"one of {len(values):,} categories" + f" ({more:,} are not listed)" * (more > 0)
        schema = {"type": ["string", "number", "boolean", "null"]}
        return (
            f"{about}; another one contributes nothing; null if it is missing",
            schema | {"examples": values[:MAX_EXAMPLES]},
            dict(zip(categories, values)).get(typical),
        )

    def json_reader(self, categories):
        known = {*categories, None}
        return lambda values: read_categories(values, known)

    def from_json_values(self, values):
        code_of: dict = {}
        codes = [-1 if x is None else code_of.setdefault(x, len(code_of)) for x in values]
        return InputColumn("text", np.array(codes, "int64"), list(code_of))

    def facts(self, held, middle, categories):
        found: dict = {"categories": tuple(categories)}
        if categories:
            found["typical"] = categories[0 if held is None else int(held.counts.argmax())]
        if held is not None:
            found["shares"] = tuple((held.counts / max(1, held.n_present)).tolist())
        return found

    # ---- other formats ----

    def is_text(self, categories):
        return self.from_text or any(map(math.isnan, map(as_number, categories)))

    def c_comment(self, writer, categories):
        shown = ", ".join(map(writer.comment, categories[:4]))
        return f"{self.kind} ({shown}{', ...' * (len(categories) > 4)})"

    def to_c(self, writer, x, feature):
        categories = feature.categories
        if self.is_text(categories):
            items = [writer.literal(text, "a category") for text in categories]
            texts = writer.array("texts", "char *const", items)
            writer.helpers.add("is_missing")
            return writer.call("find_text", x, texts, len(categories), feature.missing_code)
        return writer.find(x, list(map(as_number, categories)), feature.missing_code)

    def to_onnx(self, writer, x, feature):
        categories = feature.categories
        if not self.is_text(categories):
            codes = writer.find(x, np.array(list(map(as_number, categories))))
            return where_present(writer, x, codes, feature)
        keys, values = [*categories, ""], [*range(len(categories)), feature.missing_code]
        return writer.find_text(x, keys, values)


def _count(values):
    """Return the number of rows of each text of a Category."""
    codes, texts = values
    return np.bincount(codes[codes >= 0], minlength=len(texts))


def describe_unknown(label, n, example):
    """Return what to say about rows with a category that the training table did not have.

    label : str
        The name of the column.
    n, example : int, str
        What `Column.unknown` has found.
    """
    return (
        f"column {printable(label)!r}: {plural(n, 'row')} with an unknown category, such as "
        f"{printable(example)!r}, predicted without it"
    )


def as_number(text):
    """Return the number that is a category of a column of numbers as a text.

    NaN for another text, and for digits that float64 would round.
    """
    try:
        x = float(text)
    except ValueError:
        return math.nan
    is_rounded = (
        is_wide(text) and to_whole(text) != x
    )  # Python compares an int with a float exactly
    return x if math.isfinite(x) and not is_rounded else math.nan

"""Names, numbers, texts and arrays as C99 source."""

import re
import unicodedata
from string import Template

import numpy as np

from ..core.errors import Argument, DataError

KEYWORDS = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if inline "
    "int long register restrict return short signed sizeof static struct switch typedef union "
    "unsigned void volatile while bool true false errno linux unix assert isnan isinf isfinite "
    "NULL NAN INFINITY EOF".split()
)
IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
MAX_IDENTIFIER = 48
MAX_TEXT = 4000  # bytes of a string literal that every C99 compiler supports, and some to spare
C_TYPES = {"float32": "float", "float64": "double"}


def check_name(name, is_of_file):
    """Raise DataError unless a name, with which all names of a file begin, is a C identifier.

    is_of_file : whether it is the name of the file by default
    """
    advice = "Pass {argument}, for example."
    if is_of_file:
        advice = "By default it is the name of the file; pass {argument}, for example."
    if not isinstance(name, str) or not IDENTIFIER.fullmatch(name) or name in KEYWORDS:
        raise DataError(
            "{name} must be a C identifier, such as digits, got {value!r}.",
            advice,
            argument=Argument("name", "digits"),
            value=name,
        )


def identifiers(names):
    """Return a C identifier for each name, all different; x0, x1, ... for names without letters."""
    out: list = []
    for i, name in enumerate(names):
        letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
        base = re.sub(r"[^A-Za-z0-9]+", "_", letters).strip("_")[:MAX_IDENTIFIER]
        if not base or base[0].isdigit():
            base = f"x{base or i}"
        base += "_" * (base in KEYWORDS)
        candidate, k = base, 1
        while candidate in out:
            k += 1
            candidate = f"{base}_{k}"
        out.append(candidate)
    return out


def comment(text):
    """Return a text that may stand in a comment: ASCII, without the ends of comments."""
    text = "".join(c if c.isprintable() else " " for c in text)
    text = text.encode("ascii", "backslashreplace").decode()
    return text.replace("*/", "* /").replace("/*", "/ *").replace("??", "?").rstrip("\\")


def literal(text, what):
    """Return a string literal of a text in UTF-8."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} is {text!r}, which UTF-8 cannot hold. Rename it.") from None
    if b"\0" in data or len(data) > MAX_TEXT:
        reason = "holds a zero byte" if b"\0" in data else f"has more than {MAX_TEXT:,} bytes"
        raise ValueError(
            f"{what} is {text[:40]!r}, which {reason}. C has no such texts: rename it."
        )
    plain = set(range(32, 127)) - set(b'"\\?')  # ? begins trigraphs
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in data) + '"'


def c_number(x, dtype=np.float64):
    """Return a floating-point constant that the compiler reads as the same number."""
    return c_numbers(np.array([x], dtype))[0]


def c_numbers(array):
    """Return the constants of a vector: the shortest digits that stand for the same numbers."""
    suffix = "f" if array.dtype == np.float32 else ""
    return [text + suffix for text in array.astype(str).tolist()]


def rows(items):
    """Return items in lines of at most 100 characters where that is possible, indented."""
    lines = [""]
    for item in items:
        if lines[-1] and len(lines[-1]) + len(item) > 92:
            lines.append("")
        lines[-1] += f"{', ' * bool(lines[-1])}{item}"
    return ",\n".join("    " + line for line in lines)


def number_rows(array):
    """Return numbers in lines of eight: fast for millions of them."""
    items = c_numbers(array)
    return ",\n".join("    " + ", ".join(items[i : i + 8]) for i in range(0, len(items), 8))


def vector(ctype, name, items):
    """Return the definition of an array of constants."""
    return f"static const {ctype} {name}[{len(items)}] = {{\n{rows(items)}\n}};\n"


def parameter_array(name, array):
    """Return the definition of an array of parameters (n_networks, ...): one row for each network."""
    ctype, n = C_TYPES[array.dtype.name], len(array)
    flat = array.reshape(n, -1)
    if n == 1:
        return f"static const {ctype} {name}[{flat.size}] = {{\n{number_rows(flat[0])}\n}};\n"
    each = ", ".join(f"{{\n{number_rows(row)}\n}}" for row in flat)
    return f"static const {ctype} {name}[{n}][{flat.shape[1]}] = {{{each}}};\n"


def fill(template, **values):
    """Return a template with $names filled in. A float becomes a constant of C."""
    texts = {key: c_number(x) if isinstance(x, float) else x for key, x in values.items()}
    return Template(template.lstrip("\n")).substitute(texts)

"""Values as JSON holds them, and checks of what a file says: JSON texts, classes, random generators.

Files may be damaged or malicious. In `damage_refused`, a ValueError becomes a ModelFileError.
"""

import json
import math
import re
from contextlib import contextmanager

import numpy as np

from ..core.messages import reason
from . import ModelFileError

#: The errors of code that trusts JSON.
DAMAGE = LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError
MAX_DEPTH = 50  # lists and mappings inside each other; models have fewer than 10
MAX_TEXTS = 2**26  # bytes of an array of texts, each of which is as large as the longest
LABEL_TYPES = {"b": bool, "i": int, "u": int, "f": float, "U": str}  # by kind of dtype
BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
MAXIMA = {"pos": 624, "buffer_pos": 4, "has_uint32": 1, "uinteger": 2**32 - 1, "has_gauss": 1}


# ---- texts ----


def to_text(value, allow_nan=True):
    """Return a value as JSON text. Numbers of NumPy become those of Python.

    Characters stand for themselves: escaped, and again in the JSON around it, most letters of the
    world would take seven bytes. UTF-8 has no lone surrogates, so these are escaped.
    """
    text = json.dumps(
        value,
        allow_nan=allow_nan,
        default=lambda x: x.item(),
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return re.sub("[\ud800-\udfff]", lambda found: rf"\u{ord(found[0]):04x}", text)


def is_nested(text, levels):
    """Return whether JSON text nests lists and mappings more deeply than this."""
    if isinstance(text, bytes):
        text = text.decode("latin-1")  # each byte is a character: brackets and quotes stay the same
    depth = 0
    for token in re.finditer(r'"(?:[^"\\]++|\\.)*+"?|[][{}]', text, re.DOTALL):
        first = text[token.start()]
        depth += (first in "[{") - (first in "]}")
        if depth > levels:
            return True
    return False


def parse_json(text, what):
    """Parse JSON text without duplicate keys; `what` names it in error messages."""

    def no_duplicates(pairs):
        if len(dict(pairs)) < len(pairs):
            raise ValueError("duplicate keys")
        return dict(pairs)

    if not isinstance(text, (str, bytes)):
        raise ModelFileError(f"{what} is missing")
    try:
        # json's own limit is the stack in some versions of Python: then it is that of the machine.
        if is_nested(text, MAX_DEPTH):
            raise ValueError(f"more than {MAX_DEPTH} levels of lists and mappings")
        return json.loads(text, object_pairs_hook=no_duplicates)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{what} is not JSON: {error}") from None


# ---- checks ----


def check(valid, what):
    """Raise ValueError if a part of a file is not valid. what : the name of the part"""
    if not valid:
        raise ValueError(what)


def is_finite(x):
    """Whether a value of JSON is a finite number with a decimal point."""
    return type(x) is float and math.isfinite(x)


def check_mapping(value, what):
    """Return the value if it is a dict, or raise a ModelFileError."""
    if not isinstance(value, dict):
        raise ModelFileError(f"{what} is missing or not a mapping")
    return value


def is_count(value, maximum, minimum=0):
    """Return whether the value is an int within these limits."""
    return type(value) is int and minimum <= value <= maximum


@contextmanager
def damage_refused(what):
    """Context manager in which errors of a reader become a ModelFileError.

    A reader of nested JSON need not check each key and type before it uses them.

    what : what the JSON describes, for the message
    """
    try:
        yield
    except ModelFileError:
        raise
    except DAMAGE as error:
        problem = f"the description of the {what} is damaged ({reason(error)})"
        raise ModelFileError(problem) from None


# ---- classes: texts, whole numbers, numbers and Booleans ----


class LabelError(ValueError):
    """A label is of a kind that no file can hold, such as a date."""


def describe_value(value):
    """Return a value, a list of values or a mapping to numbers as JSON holds it."""
    if hasattr(value, "keys"):  # a mapping, or a pandas Series
        return [[_describe_label(key), float(weight)] for key, weight in value.items()]
    if hasattr(value, "__iter__") and not isinstance(value, (str, bytes)):
        return [describe_value(item) for item in value]
    return _describe_label(value)


def _describe_label(label):
    """Return a label or another single value as JSON holds it, or raise a LabelError."""
    label = label.item() if isinstance(label, np.generic) else label
    if label is None or isinstance(label, (bool, int, str)):
        return label
    if isinstance(label, float) and math.isfinite(label):
        return label
    raise LabelError(
        f"a model file can hold classes that are texts, numbers or Booleans, got {label!r} of type "
        f"{type(label).__name__}. Convert y to texts before fit."
    )


def describe_classes(classes):
    """Return an array of classes as a dict that JSON can hold."""
    labels = [_describe_label(label) for label in classes.tolist()]
    if classes.dtype.kind == "U" and classes.nbytes > MAX_TEXTS:
        longest = max(labels, key=len)
        raise ValueError(
            f"the longest of the {len(labels):,} classes has {len(longest):,} characters "
            f"({longest[:20]!r}...), so that they need {classes.nbytes:,} bytes of memory, but a model "
            f"file can hold at most {MAX_TEXTS:,}. Shorten the texts of y."
        )
    return dict(classes=labels, dtype=classes.dtype.newbyteorder("=").str)


def parse_classes(description):
    """Return the array of classes that `describe_classes` described.

    Raises
    ------
    KeyError, TypeError, ValueError
        The description is damaged.
    """
    labels, dtype = description["classes"], description["dtype"]
    check(isinstance(labels, list) and labels and isinstance(dtype, str), "classes")
    kind = "O" if dtype == "|O" else np.dtype(dtype).kind
    check(kind == "O" or kind in LABEL_TYPES, "dtype")
    types = (bool, int, float, str) if kind == "O" else (LABEL_TYPES[kind],)
    check(all(type(label) in types for label in labels), "classes")
    check(len(set(labels)) == len(labels), "classes")
    if kind == "U":  # as long as the labels, whatever the file says
        check(len(labels) * 4 * max(map(len, labels)) <= MAX_TEXTS, "classes")
        return np.array(labels)
    out = np.empty(len(labels), object if kind == "O" else dtype)
    out[:] = labels
    return out


# ---- random generators ----


def describe_generator(rng, what):
    """Return the state of a Generator or RandomState, with lists instead of arrays.

    what : how the user names it, for the error message
    """
    legacy = isinstance(rng, np.random.RandomState)
    state = rng.get_state(legacy=False) if legacy else rng.bit_generator.state
    if state["bit_generator"] not in BIT_GENERATORS:
        example = "RandomState(0)" if legacy else "default_rng(0)"
        raise ValueError(
            f"{what} uses {state['bit_generator']}, which a model file cannot hold. "
            f"Set {what} to a generator of NumPy, such as numpy.random.{example}."
        )
    return json.loads(json.dumps(state, default=lambda a: a.tolist()))


def parse_generator(state, legacy=False):
    """Return the Generator with this state, or with `legacy` the RandomState."""
    state = check_mapping(state, "rng")
    name = state.get("bit_generator")
    if name not in BIT_GENERATORS:
        raise ModelFileError(f"rng must be one of {', '.join(BIT_GENERATORS)}, got {name!r}"[:200])
    bit_generator = getattr(np.random, name)(0)
    try:
        if legacy:
            random_state = np.random.RandomState(bit_generator)
            random_state.set_state(_check_generator(random_state.get_state(legacy=False), state))
            return random_state
        bit_generator.state = _check_generator(bit_generator.state, state)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"the state of the generator is damaged: {error!r}"[:300]) from None
    return np.random.Generator(bit_generator)


def _check_generator(template, value, key="rng"):
    """Return the state of a generator, converted and checked.

    `template` is a state of the same kind. NumPy itself does not check lengths and positions.
    """
    if isinstance(template, dict):
        value = check_mapping(value, key)
        return {name: _check_generator(template[name], value[name], name) for name in template}
    if isinstance(template, np.ndarray):
        array = np.array(value, template.dtype)
        if array.shape != template.shape:
            raise ValueError(f"{key} must have shape {template.shape}, got {array.shape}")
        return array
    maximum = MAXIMA.get(key, 2**128 - 1)
    if type(value) is not type(template) or (isinstance(value, int) and not 0 <= value <= maximum):
        raise ValueError(f"{key} is {value!r}"[:100])
    return value

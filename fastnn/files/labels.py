"""Classes as JSON holds them: texts, whole numbers, numbers and Booleans."""

import math

import numpy as np

MAX_TEXTS = 2**26  # bytes of an array of texts, each of which is as large as the longest
LABEL_TYPES = {"b": bool, "i": int, "u": int, "f": float, "U": str}  # by kind of dtype


class LabelError(ValueError):
    """A label is of a kind that no file can hold, such as a date."""


def to_json(label):
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


def describe(classes):
    """Return an array of classes as a dict that JSON can hold."""
    labels = [to_json(label) for label in classes.tolist()]
    if classes.dtype.kind == "U" and classes.nbytes > MAX_TEXTS:
        longest = max(labels, key=len)
        raise ValueError(
            f"the longest of the {len(labels):,} classes has {len(longest):,} characters "
            f"({longest[:20]!r}...), so that they need {classes.nbytes:,} bytes of memory, but a model "
            f"file can hold at most {MAX_TEXTS:,}. Shorten the texts of y."
        )
    return dict(classes=labels, dtype=classes.dtype.newbyteorder("=").str)


def parse(description):
    """Return the array of classes that `describe` described.

    Raises
    ------
    KeyError, TypeError, ValueError
        The description is damaged.
    """
    labels, dtype = description["classes"], description["dtype"]
    if not isinstance(labels, list) or not labels or not isinstance(dtype, str):
        raise ValueError("classes")
    kind = "O" if dtype == "|O" else np.dtype(dtype).kind
    if kind != "O" and kind not in LABEL_TYPES:
        raise ValueError("dtype")
    types = (bool, int, float, str) if kind == "O" else (LABEL_TYPES[kind],)
    if not all(type(label) in types for label in labels) or len(set(labels)) < len(labels):
        raise ValueError("classes")
    if kind == "U":  # as long as the labels, whatever the file says
        if len(labels) * 4 * max(map(len, labels)) > MAX_TEXTS:
            raise ValueError("classes")
        return np.array(labels)
    out = np.empty(len(labels), object if kind == "O" else dtype)
    out[:] = labels
    return out

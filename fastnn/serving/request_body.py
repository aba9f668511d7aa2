"""The body of a request: one row, a list of rows, or columns, in JSON; and the options after `?`."""

import json
from dataclasses import dataclass
from urllib.parse import parse_qsl

from ..core.messages import did_you_mean, join, plural, printable
from ..web.errors import RequestError

FORMS = (
    'Send a row such as {"a": 1, "b": "x"}, a list of rows, or columns such as '
    '{"a": [1, 2], "b": ["x", "y"]}.'
)
ARRAYS = "Send a row such as [1, 2], or a list of rows: the columns of this model have no names."
TRUTHS = {"": True, "true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True)
class PredictOptions:
    """The options of a request.

    Attributes
    ----------
    proba : bool
        Whether to add the probability of each class.
    interval : float or None
        The probability with which an interval is to hold the true number.
    explain : bool
        Whether to explain each prediction.
    """

    proba: bool = False
    interval: float | None = None
    explain: bool = False


@dataclass
class RequestRows:
    """The rows of a request.

    Attributes
    ----------
    rows : list of dict, or list of list
        A list for a row if the columns of the model have no names.
    by_column : bool
        Whether they came as columns; the reply then has columns, too.
    """

    rows: list
    by_column: bool = False


# ---- rows ----


def parse_rows(body, has_names, max_rows):
    """Return the RequestRows of a body in bytes.

    Raises
    ------
    RequestError
        400 for what is not JSON, 413 for too many rows, 422 for other JSON.
    """
    content = _parse_json(body)
    parsed = _named_rows(content) if has_names else _unnamed_rows(content)
    if len(parsed.rows) > max_rows:
        raise RequestError(
            413,
            f"The request has {len(parsed.rows):,} rows, but at most {max_rows:,} are allowed. Send "
            "several requests, or raise --max-rows of 'fastnn serve'.",
        )
    return parsed


def _parse_json(body):
    try:
        return json.loads(body, object_pairs_hook=_object)
    except RecursionError:
        raise RequestError(400, f"The body is nested too deeply. {FORMS}") from None
    except ValueError as error:  # also of UTF-8, and of numbers with thousands of digits
        what = "is empty" if not body.strip() else f"is not JSON ({printable(error, 120)})"
        raise RequestError(400, f"The body {what}. {FORMS}") from None


def _object(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        name = next(name for name in names if names.count(name) > 1)
        raise RequestError(
            422, f"An object has the key {printable(name)!r} twice. Send each key once."
        )
    return found


def _named_rows(content):
    if isinstance(content, dict):
        if content and all(isinstance(values, list) for values in content.values()):
            return RequestRows(_rows_of_columns(content), True)
        _check_keys([content])
        return RequestRows([content])
    if not isinstance(content, list):
        raise RequestError(422, f"The body is {describe(content)}. {FORMS}")
    for i, row in enumerate(content):
        if not isinstance(row, dict):
            raise RequestError(
                422,
                f"Row {i} is {describe(row)}, but an object is expected. {FORMS}",
                {"row": i},
            )
    _check_keys(content)
    return RequestRows(content)


def _check_keys(rows):
    """Raise RequestError for rows without any key."""
    if rows and not any(rows):
        raise RequestError(422, f"The request has no columns. {FORMS}")


def _rows_of_columns(columns):
    lengths = {name: len(values) for name, values in columns.items()}
    (first, n), *others = lengths.items()
    for name, length in others:
        if length != n:
            raise RequestError(
                422,
                f"Column {printable(name)!r} has {plural(length, 'value')}, but column "
                f"{printable(first)!r} has {n:,}. Send columns of the same length.",
                {"column": name},
            )
    return [dict(zip(columns, values)) for values in zip(*columns.values())]


def _unnamed_rows(content):
    if not isinstance(content, list):
        raise RequestError(422, f"The body is {describe(content)}. {ARRAYS}")
    if content and not any(isinstance(row, (list, dict)) for row in content):
        content = [content]
    for i, row in enumerate(content):
        if not isinstance(row, list):
            raise RequestError(
                422, f"Row {i} is {describe(row)}, but an array is expected. {ARRAYS}", {"row": i}
            )
    return RequestRows(content)


def describe(value):
    """Return what a value of JSON is, for messages."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "an array"
    return "null" if value is None else f"{printable(json.dumps(value))}"


# ---- options ----


def parse_options(query):
    """Return the PredictOptions of a query string in bytes, or raise a RequestError."""
    if not query:
        return PredictOptions()
    found: dict = {}
    for name, text in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name in found:
            raise RequestError(422, f"The option {printable(name)!r} is given twice. Give it once.")
        if name not in _PARSE:
            advice = did_you_mean(name, _PARSE, "options", "The")
            raise RequestError(422, f"Unknown option {printable(name)!r}. {advice}")
        found[name] = _PARSE[name](name, text)
    return PredictOptions(**found)


def _truth(name, text):
    if text.lower() not in TRUTHS:
        raise RequestError(
            422,
            f"{name}={printable(text)} is none of {join(filter(None, TRUTHS), quoted=False)}. "
            f"Pass {name}=true, or leave it out.",
        )
    return TRUTHS[text.lower()]


def _coverage(name, text):
    try:
        coverage = float(text)
    except ValueError:
        coverage = -1.0
    if not 0 < coverage < 1:
        raise RequestError(
            422,
            f"{name}={printable(text)} is not a number above 0 and below 1. Pass {name}=0.9 for "
            "an interval that holds the true number with a probability of 0.9.",
        )
    return coverage


_PARSE = {"proba": _truth, "interval": _coverage, "explain": _truth}

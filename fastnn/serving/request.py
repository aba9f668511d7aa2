"""The body of a request: one row, a list of rows, or columns, in JSON; and the options after `?`."""

import json
from dataclasses import dataclass
from urllib.parse import parse_qsl

from ..core.messages import did_you_mean, join, plural, printable
from ..web.requests import RequestError, UnprocessableError

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
        raise UnprocessableError(
            f"An object has the key {printable(name)!r} twice. Send each key once."
        )
    return found


def _named_rows(content):
    by_column = False
    if isinstance(content, dict):
        by_column = bool(content) and all(isinstance(each, list) for each in content.values())
        content = _rows_of_columns(content) if by_column else [content]
    rows = _check_rows(content, dict, f"an object is expected. {FORMS}", FORMS)
    if rows and not any(rows):
        raise UnprocessableError(f"The request has no columns. {FORMS}")
    return RequestRows(rows, by_column)


def _unnamed_rows(content):
    if isinstance(content, list) and content:
        content = content if any(isinstance(row, (list, dict)) for row in content) else [content]
    return RequestRows(_check_rows(content, list, f"an array is expected. {ARRAYS}", ARRAYS))


def _check_rows(content, kind, expected, advice):
    """Return the content of a body if it is a list of rows of a type."""
    if not isinstance(content, list):
        raise UnprocessableError(f"The body is {show_value(content)}. {advice}")
    for i, row in enumerate(content):
        if not isinstance(row, kind):
            raise UnprocessableError(f"Row {i} is {show_value(row)}, but {expected}", row=i)
    return content


def _rows_of_columns(columns):
    lengths = {name: len(values) for name, values in columns.items()}
    (first, n), *others = lengths.items()
    for name, length in others:
        if length != n:
            raise UnprocessableError(
                f"Column {printable(name)!r} has {plural(length, 'value')}, but column "
                f"{printable(first)!r} has {n:,}. Send columns of the same length.",
                column=name,
            )
    return [dict(zip(columns, values)) for values in zip(*columns.values())]


def show_value(value):
    """Return what a value of JSON is, for messages."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "an array"
    return "null" if value is None else printable(json.dumps(value, ensure_ascii=False))


# ---- options ----


def parse_options(query):
    """Return the PredictOptions of a query string in bytes, or raise a RequestError."""
    found: dict = {}
    for name, text in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name in found:
            raise UnprocessableError(
                f"The option {printable(name)!r} is given twice. Give it once."
            )
        if name not in _PARSE:
            advice = did_you_mean(name, _PARSE, "options", "The")
            raise UnprocessableError(f"Unknown option {printable(name)!r}. {advice}")
        found[name] = _PARSE[name](name, text)
    return PredictOptions(**found)


def _truth(name, text):
    if text.lower() not in TRUTHS:
        raise UnprocessableError(
            f"{name}={printable(text)} is none of {join(filter(None, TRUTHS), quoted=False)}. "
            f"Pass {name}=true, or leave it out."
        )
    return TRUTHS[text.lower()]


def _coverage(name, text):
    try:
        coverage = float(text)
    except ValueError:
        coverage = -1.0
    if not 0 < coverage < 1:
        raise UnprocessableError(
            f"{name}={printable(text)} is not a number above 0 and below 1. Pass {name}=0.9 for "
            "an interval that holds the true number with a probability of 0.9."
        )
    return coverage


_PARSE = {"proba": _truth, "interval": _coverage, "explain": _truth}

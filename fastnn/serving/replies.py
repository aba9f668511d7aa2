"""Replies in JSON: predictions, and errors."""

import json

JSON = "application/json"


def reply(content, **options):
    """Return a starlette Response.

    content : str or bytes
    options : of Response; the media type is that of JSON by default
    """
    from starlette.responses import Response

    return Response(content, **{"media_type": JSON, **options})


def error_reply(error):
    """Return the Response of a RequestError."""
    content = json.dumps({"detail": error.detail, **error.facts})
    return reply(content, status_code=error.status, headers=error.headers)


def to_json(columns, notes, by_column):
    """Return the content of a reply with predictions.

    Parameters
    ----------
    columns : dict of str to ndarray
    notes : list of str
    by_column : bool
        Whether it has columns, not rows.

    Returns
    -------
    str
        ``{"predictions": [{"prediction": 3.5}], "notes": []}``
    """
    lists = {name: values.tolist() for name, values in columns.items()}
    predictions = lists if by_column else [dict(zip(lists, row)) for row in zip(*lists.values())]
    return json.dumps({"predictions": predictions, "notes": notes}, allow_nan=False)

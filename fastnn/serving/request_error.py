"""RequestError: what is wrong with a request, with its HTTP status, and the words of its message."""

from http import HTTPStatus

from ..core.errors import Argument, DataError, Words
from ..core.messages import one_line


class RequestError(Exception):
    """A request cannot be answered.

    Parameters
    ----------
    status : int
        The HTTP status.
    detail : str
        What was wrong, what was expected, and what to do.
    facts : dict, optional
        Further items of the reply: the column and the row.
    headers : dict, optional
        Of the reply.
    """

    def __init__(self, status, detail, facts=None, headers=None):
        super().__init__(detail)
        self.status, self.detail = HTTPStatus(status), detail
        self.facts, self.headers = facts or {}, headers or {}


class RequestWords(Words):
    """The words of a client: it has sent a request, and has no argument X."""

    def argument(self, argument):
        if argument.name == "X":
            return "the request"
        name = "interval" if argument.name == "coverage" else argument.name
        return super().argument(Argument(name, argument.value))

    def wording(self, wording):
        return wording.python.replace("X has", "The request has").replace(
            " X must not contain infinity.", ""
        )


def from_value_error(error):
    """Return the RequestError of rows that a model cannot predict. error : ValueError"""
    if not isinstance(error, DataError):
        return RequestError(422, one_line(error))
    detail = error.say(RequestWords())
    facts = {"column": error.column, "row": error.row}
    return RequestError(
        422,
        detail[:1].upper() + detail[1:],
        {name: value for name, value in facts.items() if value is not None},
    )

"""RequestError: what is wrong with a request, with its HTTP status. The words of its messages."""

from starlette.exceptions import HTTPException

from ..core.errors import Argument, DataError, Words
from ..core.messages import one_line


class RequestError(HTTPException):
    """A request cannot be answered.

    Parameters
    ----------
    status_code : int
        The HTTP status.
    detail : str
        What was wrong, what was expected, and what to do.
    facts : dict, optional
        Further items of the reply: the column and the row.
    headers : dict, optional
        Of the reply.
    """

    def __init__(self, status_code, detail, facts=None, headers=None):
        super().__init__(status_code, detail, headers)
        self.facts = facts or {}


class RequestWords(Words):
    """The words of a client: it has sent a request, and has no argument X."""

    def argument(self, argument):
        if argument.name == "X":
            return "the request"
        name = "interval" if argument.name == "coverage" else argument.name
        return super().argument(Argument(name, argument.value))

    def wording(self, wording):
        return wording.python if wording.http is None else wording.http


def refusal(error):
    """Return the RequestError of a value in a request that cannot be used.

    error : DataError, or an error with a text for the user
    """
    if not isinstance(error, DataError):
        return RequestError(422, one_line(error))
    detail = error.say(RequestWords())
    detail = detail[0].upper() + detail[1:]
    facts = {"column": error.column, "row": error.row}
    return RequestError(422, detail, {k: v for k, v in facts.items() if v is not None})

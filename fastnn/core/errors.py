"""DataError: what is wrong with the user's data, for Python, for the command line and over HTTP.

All say the same in their own words: the command line has options in place of arguments, and the
lines of a file in place of the numbers of rows; a client has sent a request. So a message is a template, as of `str.format`, and
what it names: values, and an `Argument`, a `Row` or another `Message`, which `Words` put into words.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Argument:
    """An argument of a function; with its value, if the message shows or advises one."""

    name: str
    value: Any = ...


@dataclass(frozen=True)
class Row:
    """A row of the table, counted from 0."""

    number: int | None


@dataclass(frozen=True)
class Wording:
    """Texts for one thing: in Python, on the command line, and over HTTP, where None is as in Python."""

    python: str
    command: str
    http: str | None = None


class Words:
    """The words of Python."""

    def fill(self, template: str, values: dict[str, Any]) -> str:
        """Return a template with its values in words."""
        return template.format_map(_InWords(self, values))

    def say(self, value: Any) -> Any:
        """Return a value as messages have it: a Message or a part of one in words, others unchanged.

        A tuple is a text in parts.
        """
        if isinstance(value, Message):
            return self.fill(value.template, value.values)
        if isinstance(value, Argument):
            return self.argument(value)
        if isinstance(value, Row):
            return self.row(value)
        if isinstance(value, Wording):
            return self.wording(value)
        if isinstance(value, tuple):
            return "".join(str(self.say(part)) for part in value)
        return value

    def argument(self, argument: Argument) -> str:
        return argument.name if argument.value is ... else f"{argument.name}={argument.value!r}"

    def row(self, row: Row) -> str:
        return f"row {row.number}"

    def wording(self, wording: Wording) -> str:
        return wording.python


class _InWords:
    """Values by their names, in words."""

    def __init__(self, words, values):
        self.words, self.values = words, values

    def __getitem__(self, name):
        return self.words.say(self.values[name])


PYTHON = Words()


class Message(str):
    """A text for the user. The str is in the words of Python; see `Words.say` for others."""

    template: str
    values: dict[str, Any]

    def __new__(cls, template: str, /, **values: Any) -> Self:
        self = super().__new__(cls, PYTHON.fill(template, values))
        self.template, self.values = template, values
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_message, (self.template, self.values)


def _restore_message(template, values):
    return Message(template, **values)


class DataError(ValueError):
    """A table, or a value in it, that cannot be used.

    Parameters
    ----------
    problem, advice : str
        Templates of a `Message`: what is wrong, what to do. Besides the names of `values` they
        have {argument}, {name} (the argument without its value), {column} and {row}.
    argument : str or Argument, optional
        The argument of the function that does not fit.
    column : str, optional
        The name of the column, or its position as a text.
    row : int, optional
        The row, counted from 0; in the rows of `place`, if it says which.
    place : str or Message
        How the message begins: the file, and the line or the rows in it.

    Attributes
    ----------
    problem, advice : Message
    argument, column, row, place
        None, or "" for the place, if the error is not about one.
    """

    column: str | None
    row: int | None
    place: str

    def __init__(
        self,
        problem: str,
        advice: str = "",
        /,
        *,
        argument: str | Argument | None = None,
        column: str | None = None,
        row: int | None = None,
        place: str = "",
        **values: Any,
    ) -> None:
        self._templates, self._values = (problem, advice), values
        if argument is not None and not isinstance(argument, Argument):
            argument = Argument(str(argument))
        self._argument = argument
        self.argument: str | None = None if argument is None else argument.name
        self.column, self.row, self.place = column, row, place
        super().__init__(self.say())

    @property
    def problem(self) -> Message:
        return self._message(self._templates[0])

    @property
    def advice(self) -> Message:
        return self._message(self._templates[1])

    def _message(self, template):
        values = dict(self._values, column=self.column, row=Row(self.row))
        if self._argument is not None:
            values |= {"argument": self._argument, "name": Argument(self._argument.name)}
        return Message(template, **values)

    def say(self, words: Words = PYTHON) -> str:
        """Return the message in the words of Python, or others."""
        text = " ".join(words.say(part) for part in (self.problem, self.advice) if part)
        return f"{words.say(self.place)}: {text}" if self.place else text

    def __str__(self) -> str:
        return self.say()

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_error, (type(self), self.args, self.__dict__)


def _restore_error(cls, args, state):
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


@contextmanager
def placed(place):
    """Say in errors of the block which rows of the table they are about, if the place is not ""."""
    try:
        yield
    except DataError as error:
        error.place = ": ".join(filter(None, (place, error.place)))
        raise
    except (TypeError, ValueError) as error:  # of scikit-learn
        if not place:
            raise
        raise type(error)(f"{place}: {error}") from None

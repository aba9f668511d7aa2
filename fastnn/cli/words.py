"""The words of the command line for messages about data: options in place of arguments."""

import shlex

from ..core.errors import Words
from ..core.messages import printable

#: The options of the arguments that messages name.
OPTIONS = {
    "categories": "--category",
    "class_weight": "--class-weight",
    "comment": "--comment",
    "coverage": "--interval",
    "dates": "--date",
    "decimal": "--decimal",
    "drop": "--drop",
    "encoding": "--encoding",
    "header": "--no-header",
    "hidden_layer_sizes": "--hidden",
    "log_target": "--log-target",
    "loss": "--loss",
    "na": "--na",
    "name": "--name",
    "numbers": "--number",
    "resume": "--resume",
    "sep": "--sep",
    "sheet": "--sheet",
    "window": "--window",
}


class CommandWords(Words):
    """The words of a command.

    Parameters
    ----------
    target : str, optional
        The name of the column that is learned.
    locate_row : callable, optional
        Returns what to call a row: "line 3".
    """

    def __init__(self, target=None, locate_row=None):
        self.target, self.locate_row = target, locate_row

    def argument(self, argument):
        name, value = argument.name, argument.value
        if name == "X":
            return "the table"
        if name == "y":
            return "the target" + (f" {printable(self.target)!r}" if self.target else "")
        option = OPTIONS[name]
        if value is ... or value is True or name == "header":
            return option
        if value is False:
            return f"leave out {option}"
        value = ",".join(value) if isinstance(value, list) else str(value)
        return f"{option} {shlex.quote(printable(value))}"

    def row(self, row):
        return f"row {row.number + 1}" if self.locate_row is None else self.locate_row(row.number)

    def wording(self, wording):
        return wording.command

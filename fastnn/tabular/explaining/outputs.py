"""Outputs: the classes or quantiles that a result is about."""

from ...core.errors import Argument, DataError


def squeeze(values, outputs):
    """Return values (..., n_outputs) without the last axis if there is one output."""
    return values[..., 0] if len(outputs) == 1 else values


def find_output(outputs, output):
    """Return the position of an output, or raise DataError if it is not one of them."""
    for i, known in enumerate(outputs):
        if known == output:
            return i
    raise DataError(
        "{argument} is not an output of this result.",
        "Its outputs are {known}.",
        argument=Argument("output", output),
        known=", ".join(map(repr, outputs)),
    )

"""Output on standard error that never waits: a server must go on if nobody reads the pipe."""

import asyncio
import logging
import os
import select
import sys

PART = getattr(select, "PIPE_BUF", 0)  # bytes that a pipe takes at once if it takes any


class ErrorOutput(logging.Handler):
    """Prints the records of loggers on standard error, and drops what nobody reads."""

    def emit(self, record):
        error = record.exc_info and record.exc_info[1]
        if not isinstance(error, asyncio.CancelledError):  # of requests that did not end in time
            print_at_once(self.format(record))


def print_at_once(text):
    """Print a line on standard error, or the part of it for which a pipe has room.

    Parameters
    ----------
    text : str
        May have several lines.
    """
    try:
        file = sys.stderr.fileno()
    except (OSError, ValueError):  # not a file
        file = None
    if file is None or not PART:
        print(text, file=sys.stderr, flush=True)
        return
    data = f"{text}\n".encode(errors="backslashreplace")
    try:
        for start in range(0, len(data), PART):
            if not select.select([], [file], [], 0)[1]:
                return
            os.write(file, data[start : start + PART])
    except OSError:  # the reader has gone
        pass

"""Live: what an open page shows, between the commands of the page and its stream of frames."""

from __future__ import annotations

import threading
from typing import Any

from .data_sets import PlayError


class Live:
    """Something that trains while `playing`. `lock` is held while it trains or changes.

    Attributes
    ----------
    playing : bool
    version : int
        Grows with every change: the page has got what its last frame showed.
    network : int
        Number of the description to which a frame belongs: the two may arrive in any order.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.playing = False
        self.version = self.network = 0

    def wait(self, seen: int, seconds: float) -> None:
        """Wait until there is something new since version `seen`. The lock is not held."""
        with self.changed:
            if not self.playing and self.version == seen:
                self.changed.wait(seconds)

    def frame(self) -> dict[str, Any]:
        """Train for a frame if the page plays, and return what it shows."""
        with self.lock:
            if self.playing:
                self._train()
                self.version += 1
            return self._frame() | {
                "playing": self.playing,
                "version": self.version,
                "network": self.network,
            }

    def command(self, message: dict[str, Any]) -> dict[str, Any]:
        """Do what the page asks for, and return what it needs to know.

        Raises
        ------
        ValueError
            The command does not exist, or a value is out of range. Nothing has changed.
        """
        with self.changed:
            answer = self._do(message)
            self.version += 1
            self.changed.notify_all()
            return answer

    def description(self) -> dict[str, Any]:
        """Return what does not change until there are new networks."""
        raise NotImplementedError

    def _train(self):
        raise NotImplementedError

    def _frame(self):
        raise NotImplementedError

    def _do(self, message):
        raise NotImplementedError


def whole_number(message: dict[str, Any], name: str) -> int:
    """Return a number of a command, rounded down, and 0 if it is negative."""
    value = message.get(name)
    if not isinstance(value, int | float):
        raise PlayError(f"the command needs {name!r}, a number, got {value!r}")
    return max(0, int(value))

"""Ctrl-C at every place where Python looks for signals."""

import dis
import os
import sys

import fastnn

PACKAGE = os.path.dirname(fastnn.__file__)


class InterruptAt:
    """A context that raises KeyboardInterrupt at place number n of the package's Python code.

    Python runs signal handlers at the beginning of a function, after a call, and when a loop jumps
    back. `count` is the number of places so far.
    """

    def __init__(self, n):
        self.left, self.count, self.places = n, 0, {}

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self.trace)
        return self

    def __exit__(self, *exception):
        sys.settrace(self.before)

    def trace(self, frame, event, argument):
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode" and frame.f_lasti in self.places_of(frame.f_code):
            self.count += 1
            if self.count == self.left:
                raise KeyboardInterrupt
        return self.trace

    def places_of(self, code):
        """Return the offsets of the instructions before which a signal handler may run."""
        if code not in self.places:
            found, after = set(), False
            for each in dis.get_instructions(code):
                if after and each.opname != "CACHE":
                    found.add(each.offset)
                after = each.opname.startswith(("CALL", "RESUME"))
                if each.opname.startswith("JUMP_BACKWARD"):
                    found.add(each.argval)
            self.places[code] = found
        return self.places[code]

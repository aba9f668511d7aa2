"""The line that tells how a training gets on."""

import sys
import time


class ProgressLine:
    """One line on standard error, rewritten at most ten times a second on a terminal, once a second
    elsewhere."""

    def __init__(self, epochs, n_rows):
        self.epochs, self.n_rows = epochs, n_rows
        self.rewrites = sys.stderr.isatty()
        self.shown = 0.0

    def show(self, history, end="\r"):
        now = time.perf_counter()
        if end == "\r" and now - self.shown < (0.1 if self.rewrites else 1.0):
            return
        self.shown = now
        width = len(str(self.epochs))
        parts = [f"epoch {history.n_epochs:{width}}/{self.epochs}"]
        if history.loss:
            parts.append(f"loss {history.loss[-1]:.4g}")
        if history.val_loss:
            parts.append(f"validation {history.val_loss[-1]:.4g}")
        if history.seconds:
            parts.append(f"{history.n_epochs * self.n_rows / history.seconds:,.0f} rows/s")
        if history.n_epochs and end == "\r":
            parts.append(
                f"{history.seconds / history.n_epochs * (self.epochs - history.n_epochs):.0f} s left"
            )
        line = "  ".join(parts)
        print(
            f"{line:<78}" if self.rewrites else line,
            end=end if self.rewrites else "\n",
            file=sys.stderr,
            flush=True,
        )

    def close(self, history):
        self.show(history, end="\n")

"""The history that a training leaves, and the error if it diverged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


class DivergenceError(ArithmeticError):
    """Raised when a loss or parameter is not finite. The last finite parameters are restored.

    Attributes
    ----------
    epoch, step : int
        The epoch and the step in which training diverged, counted from 1.
    """

    def __init__(self, message: str, epoch: int, step: int) -> None:
        super().__init__(message)
        self.epoch: int = epoch
        self.step: int = step

    def __reduce__(self) -> tuple[Any, ...]:
        return DivergenceError, (self.args[0], self.epoch, self.step)


def divergence_remedy(bad: Any, lr: float, dtype: Any) -> str:
    """Return what to do about a divergence. bad : what `Data.first_not_finite` returned."""
    if not bad:
        return f"Try a lower learning rate than {lr:g}, or scale inputs and targets to about -1..1"
    name, index = bad
    where = ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), index))
    remedy = f"{name} holds NaN or infinity (first in {where}). Remove or replace such rows"
    if dtype == np.float32:
        remedy += ". Numbers above 3.4e+38 are infinite in float32"
    return remedy


@dataclass(repr=False)
class History:
    """Losses, counts and time of one call of `fit`.

    Attributes
    ----------
    loss : list of float
        The mean loss of each epoch's batches, weighted by their numbers of rows. Each batch is
        evaluated before its update. Penalties are not included.
    val_loss : list of float
        The validation loss after each epoch; empty without validation data.
    n_epochs, n_steps : int
        Number of completed epochs and steps.
    seconds : float
        Elapsed time.
    stop_reason : str
        Why training stopped, such as "all epochs done".
    val_error_rate : list of float
        The share of the validation rows, by weight, whose predicted class is wrong, after each
        epoch; empty unless `EarlyStopping` monitors it.
    """

    loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    n_epochs: int = 0
    n_steps: int = 0
    seconds: float = 0.0
    stop_reason: str = ""
    val_error_rate: list[float] = field(default_factory=list)

    def __repr__(self) -> str:
        parts = [f"n_epochs={self.n_epochs}", f"n_steps={self.n_steps}"]
        for name in ("loss", "val_loss", "val_error_rate"):
            if values := getattr(self, name):
                parts.append(
                    f"{name}=[... {values[-1]:.4g}]"
                    if len(values) > 1
                    else f"{name}=[{values[-1]:.4g}]"
                )
        parts.append(f"seconds={self.seconds:.3g}")
        if self.stop_reason:
            parts.append(f"stop_reason={self.stop_reason!r}")
        return f"History({', '.join(parts)})"

    def _repr_html_(self):
        from .. import notebook

        rows = [("epochs", f"{self.n_epochs:,}"), ("steps", f"{self.n_steps:,}")]
        for name, values in (
            ("loss", self.loss),
            ("validation loss", self.val_loss),
            ("validation error rate", self.val_error_rate),
        ):
            if values:
                rows.append((name, f"{values[-1]:.4g}"))
        if len(self.val_loss) > 1 and not np.isnan(self.val_loss).all():
            best = int(np.nanargmin(self.val_loss))
            rows.append(
                ("lowest validation loss", f"{self.val_loss[best]:.4g} in epoch {best + 1:,}")
            )
        rows.append(("seconds", f"{self.seconds:.3g}"))
        if self.stop_reason:
            rows.append(("stopped", self.stop_reason))
        series = {"loss": self.loss, "validation loss": self.val_loss}
        series = {name: values for name, values in series.items() if len(values) > 1}
        parts = [notebook.table((), rows)]
        if series:
            parts.append(notebook.curves(series, "epoch"))
        return notebook.titled("History", *parts)

"""L-BFGS, a full-batch optimizer, by SciPy."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.options import ImmutableOptions
from ..core.validation import check_count, check_number


@dataclass(eq=False, repr=False)
class LBFGS(ImmutableOptions):
    """L-BFGS-B (Byrd, Lu, Nocedal and Zhu, 1995), through ``scipy.optimize.minimize``.

    It suits small data, where it needs few iterations. Each iteration uses all rows, in float64
    whatever the dtype of the network, and evaluates loss and gradient as often as its line search
    requires. In `fit`, an epoch is one iteration, ``history.loss`` is the loss after it, `epochs`
    is the largest number of iterations, and `batch_size` and `shuffle` are ignored. Training stops
    when one of the tolerances is met.

    Callbacks can stop training, but not change it, and `resume` is not supported. Requires
    SciPy (``pip install "fastnn-mlp[scipy]"``).

    Parameters
    ----------
    history_size : int, default 10
        Number of pairs of steps and gradient changes that approximate the curvature.
    tolerance_grad : float, default 1e-5
        Stop when every element of the gradient is at most this in absolute value.
    tolerance_loss : float, default 2.2e-9
        Stop when an iteration reduces the loss by a smaller fraction than this.
    l2 : float, default 0.0
        Penalty l2/2 sum W^2, at least 0, on weights but not on biases. ``history.loss`` does not
        include it.
    max_evaluations : int, optional
        Stop after this number of evaluations of loss and gradient.

    Examples
    --------
    >>> from fastnn import LBFGS
    >>> LBFGS(l2=1e-3).tolerance_loss
    2.2e-09
    """

    history_size: int = 10
    tolerance_grad: float = 1e-5
    tolerance_loss: float = 2.2e-9
    l2: float = 0.0
    max_evaluations: int | None = None

    full_batch = True
    lr = average = None
    n_moments = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "history_size", check_count("history_size", self.history_size))
        for name in ("tolerance_grad", "tolerance_loss", "l2"):
            object.__setattr__(self, name, check_number(name, getattr(self, name), minimum=0))
        if self.max_evaluations is not None:
            object.__setattr__(
                self, "max_evaluations", check_count("max_evaluations", self.max_evaluations)
            )

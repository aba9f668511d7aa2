"""L-BFGS: SciPy's, on the whole data at once."""

from dataclasses import dataclass

from ..options import Options
from ..validation import check_count, check_number


@dataclass(eq=False, repr=False)
class LBFGS(Options):
    """L-BFGS-B (Byrd, Lu, Nocedal and Zhu, 1995), by ``scipy.optimize.minimize``: for small data,
    where it needs few passes.

    Every iteration works on all rows (`batch_size` and `shuffle` of `fit` count for nothing), in
    float64 whatever the network's dtype, with as many evaluations of loss and gradient as its line
    search wants; an "epoch" is an iteration, ``history.loss`` the loss after it, and `epochs` the
    most there may be. It ends earlier when it has converged. Callbacks may look and stop; what they
    change counts for nothing, and `resume` has nothing to go on from. Needs SciPy (the extra
    ``scipy``).

    Parameters
    ----------
    history_size : int, default 10
        Pairs of steps and gradient changes that approximate the curvature.
    tolerance_grad : float, default 1e-5
        It has converged when no number of the gradient is larger.
    tolerance_loss : float, default 2.2e-9
        Or when an iteration lowers the loss by less than this part of it.
    l2 : float, default 0.0
        Penalty l2/2 sum W^2 on weights, no biases. ``history.loss`` is without it.
    max_evaluations : int, optional
        It also ends when loss and gradient have been computed so many times.

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

    def __post_init__(self):
        object.__setattr__(self, "history_size", check_count("history_size", self.history_size))
        for name in ("tolerance_grad", "tolerance_loss", "l2"):
            object.__setattr__(self, name, check_number(name, getattr(self, name), minimum=0))
        if self.max_evaluations is not None:
            object.__setattr__(
                self, "max_evaluations", check_count("max_evaluations", self.max_evaluations)
            )

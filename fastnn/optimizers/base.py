"""What all optimizers that make steps have in common: the way of a gradient before and after the
rule."""

from dataclasses import dataclass, field, fields

from .. import kernels, schedules
from ..options import Options
from ..validation import check_number

_NOTHING = dict(
    nesterov=False,
    amsgrad=False,
    centered=False,
    decoupled=False,
    momentum=0.0,
    weight_decay=0.0,
    beta1=0.0,
    beta2=0.0,
    eps=0.0,
    decay=0.0,
)


@dataclass(eq=False, repr=False, kw_only=True)
class Optimizer(Options):
    """What all optimizers have besides their own settings, by keyword.

    The gradient of a batch first gets the penalties, g = dL/dw + l2 w + l1 sign(w) (weights alone,
    no biases; sign(0) = 0), is then clipped, and then goes to the optimizer, whose `weight_decay`
    comes on top, on biases too. ``history.loss`` is without penalties.

    Parameters
    ----------
    lr : float or schedule
        Learning rate, at least 0; the one setting here that is not by keyword alone.
    l1, l2 : float, default 0.0
        Penalties l1 sum abs(W) and l2/2 sum W^2, at least 0.
    clip_value : float, optional
        Every number of the gradient is cut to [-clip_value, clip_value].
    clip_norm : float, optional
        The whole gradient is multiplied by min(1, clip_norm / (norm + 1e-6)), norm its Euclidean
        norm over all parameters (Pascanu, Mikolov and Bengio, 2013; as PyTorch's
        ``clip_grad_norm_``).
    average : float in (0, 1), optional
        Keep an exponential moving average of the parameters, A += (1 - average) (w - A) after every
        step, A = w at first (Polyak and Juditsky, 1992). Callbacks, validation and the network
        after `fit` have A; training goes on from w, in ``net.state.params``.

    Raises
    ------
    ValueError
        A setting is out of its range, or both kinds of clipping are asked for.

    Examples
    --------
    >>> from fastnn import SGD
    >>> SGD(0.1, clip_norm=1.0)
    SGD(lr=0.1, clip_norm=1.0)
    """

    lr: float | schedules.Schedule = field(default=1e-3, kw_only=False)
    l1: float = 0.0
    l2: float = 0.0
    clip_value: float | None = None
    clip_norm: float | None = None
    average: float | None = None

    full_batch = False  # whether a step takes all rows, so that training cannot go on step by step

    def __post_init__(self):
        object.__setattr__(self, "lr", schedules.resolve(self.lr))
        self._check("l1", minimum=0)
        self._check("l2", minimum=0)
        for name in ("clip_value", "clip_norm"):
            if getattr(self, name) is not None:
                self._check(name, above=0)
        if self.clip_value is not None and self.clip_norm is not None:
            raise ValueError(
                "clip_value and clip_norm are two ways to clip: choose one and leave the other None"
            )
        if self.average is not None:
            self._check("average", above=0, below=1)

    def _check(self, name, **bounds):
        """A setting within bounds, kept as a number of Python's own, which JSON can hold."""
        object.__setattr__(self, name, check_number(name, getattr(self, name), **bounds))

    def __repr__(self):
        in_order = sorted(
            fields(self), key=lambda f: bool(f.kw_only)
        )  # their own settings, then those that all share
        shown = [f.name for f in in_order if f.name == "lr" or getattr(self, f.name) != f.default]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    @property
    def n_moments(self):
        """How many arrays like the parameters move with them; the average is the last."""
        return kernels.n_moments(self.to_kernel())

    def to_kernel(self):
        """The numbers of the kernel's struct Optimizer."""
        return _NOTHING | dict(
            rate=schedules.as_settings(self.lr),
            l1=self.l1,
            l2=self.l2,
            clip_value=self.clip_value or 0.0,
            clip_norm=self.clip_norm or 0.0,
            average=self.average or 0.0,
            **self._rule_to_kernel(),
        )

    def _rule_to_kernel(self):
        """Those of the rule: what differs from _NOTHING."""
        raise NotImplementedError


def check_betas(optimizer):
    """Two decays of moments."""
    betas = optimizer.betas
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ValueError(f"betas must be two numbers, got {betas!r}")
    object.__setattr__(
        optimizer, "betas", tuple(check_number("betas", beta, minimum=0, below=1) for beta in betas)
    )

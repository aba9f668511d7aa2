"""Options shared by all optimizers: penalties, clipping, averaging."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from .. import kernels, schedules
from ..core.options import ImmutableOptions, cached
from ..core.validation import check_flag, check_number

if TYPE_CHECKING:
    from typing import Any


#: Fields of the kernel's struct Optimizer that belong to update rules.
_DEFAULTS = dict(
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
    lazy_categories=False,
)
#: Options of update rules whose field has another name.
_FIELDS = dict(
    rho="beta2",
    alpha="beta2",
    lr_decay="decay",
    momentum_decay="decay",
    decoupled_weight_decay="decoupled",
)
#: Bounds of all options that are numbers, see `check_number`.
_RATE = dict(minimum=0, below=1)
_BOUNDS = dict(
    l1=dict(minimum=0),
    l2=dict(minimum=0),
    clip_value=dict(above=0),
    clip_norm=dict(above=0),
    average=dict(above=0, below=1),
    momentum=_RATE,
    rho=_RATE,
    alpha=_RATE,
    eps=dict(above=0),
    weight_decay=dict(minimum=0),
    lr_decay=dict(minimum=0),
    momentum_decay=dict(minimum=0),
)


@dataclass(eq=False, repr=False, kw_only=True)
class Optimizer(ImmutableOptions):
    """Options shared by all optimizers: penalties, clipping, averaging.

    All but `lr` are keyword-only. In each step, the penalties are added to the gradient of the
    batch, g = dL/dw + l2 w + l1 sign(w) with sign(0) = 0, for weights but not for biases. Then the
    gradient is clipped, and the optimizer applies it. The `weight_decay` of an optimizer is
    separate and applies to biases too. ``history.loss`` does not include penalties.

    Parameters
    ----------
    lr : float or schedule
        Learning rate, at least 0.
    l1, l2 : float, default 0.0
        Penalties l1 sum abs(W) and l2/2 sum W^2, at least 0.
    clip_value : float, optional
        Clip each element of the gradient to [-clip_value, clip_value].
    clip_norm : float, optional
        Multiply the gradient by min(1, clip_norm / (norm + 1e-6)), where norm is its Euclidean norm
        over all parameters (Pascanu, Mikolov and Bengio, 2013; PyTorch's ``clip_grad_norm_``).
    average : float in (0, 1), optional
        Keep an exponential moving average A of the parameters (Polyak and Juditsky, 1992), A += (1
        - average) (w - A) after each step, starting from A = w. Callbacks and validation use A, and
        the network holds it after `fit`. Training continues from w, which is in
        ``net.state.params``.

    Raises
    ------
    ValueError
        An option is out of range, or both `clip_value` and `clip_norm` are set.

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

    rule = kernels.Rule.NO_UPDATE  # of the kernels
    decoupled = False  # whether weight_decay does not go through the moments
    full_batch = False  # whether a step uses all rows; such training cannot resume

    def __post_init__(self) -> None:
        object.__setattr__(self, "lr", schedules.resolve_lr(self.lr))
        for option in fields(self):
            value, bounds = getattr(self, option.name), _BOUNDS.get(option.name)
            if option.name == "betas":
                value = _check_betas(value)
            elif bounds is not None and (value is not None or option.default is not None):
                value = check_number(option.name, value, **bounds)  # JSON can hold it
            elif isinstance(option.default, bool):
                value = check_flag(option.name, value)
            object.__setattr__(self, option.name, value)
        if self.clip_value is not None and self.clip_norm is not None:
            raise ValueError(
                "clip_value and clip_norm cannot be combined. Pass one, and leave the other None."
            )

    def __repr__(self) -> str:
        ordered = sorted(fields(self), key=lambda f: bool(f.kw_only))  # shared options last
        shown = [f.name for f in ordered if f.name == "lr" or getattr(self, f.name) != f.default]
        options = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__name__}({options})"

    @cached
    def n_moments(self) -> int:
        """Number of arrays of the size of the parameters that are updated with them.

        The average of the parameters is the last.
        """
        return kernels.n_moments(self.to_kernel())

    def to_kernel(self) -> Any:
        """Return the fields of the kernel's struct Optimizer, always the same dict."""
        return self._kernel_fields

    @cached
    def _kernel_fields(self) -> Any:
        return _DEFAULTS | dict(
            rate=schedules.to_kernel(self.lr),
            l1=self.l1,
            l2=self.l2,
            clip_value=self.clip_value or 0.0,
            clip_norm=self.clip_norm or 0.0,
            average=self.average or 0.0,
            rule=self.rule,
            **self._rule_options(),
        )

    def _rule_options(self):
        """Return the fields of the kernel's struct that hold options of the update rule."""
        options: dict[str, Any] = dict(decoupled=self.decoupled)
        for name in self._names():
            value, field_name = getattr(self, name), _FIELDS.get(name, name)
            if name == "betas":
                options |= dict(beta1=value[0], beta2=value[1])
            elif field_name in _DEFAULTS:
                options[field_name] = type(_DEFAULTS[field_name])(value)
        return options


def _check_betas(betas):
    """Return the two decay rates of the moments, checked."""
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ValueError(f"betas must be two numbers, got {betas!r}")
    return tuple(check_number("betas", beta, **_RATE) for beta in betas)

"""What the tests know of each activation, loss and optimizer, from which they take their cases."""

from .activations import ACTIVATIONS, slope, value
from .losses import BY_HAND as LOSSES_BY_HAND
from .losses import KINKS, LOSSES, NETWORK_LOSSES, TORCH_ELEMENTS, outputs_per_target
from .losses import SIGNATURES as LOSS_SIGNATURES
from .optimizers import BY_HAND as STEPS_BY_HAND
from .optimizers import (
    EVERY_MOMENT,
    OPTIMIZERS,
    SETTINGS,
    STEPS,
    WRONG_SETTINGS,
    all_moments,
    counts,
    moments_of,
    parameters_of,
    step_of,
)
from .optimizers import SIGNATURES as STEP_SIGNATURES

__all__ = [
    "ACTIVATIONS",
    "EVERY_MOMENT",
    "KINKS",
    "LOSSES",
    "LOSSES_BY_HAND",
    "NETWORK_LOSSES",
    "OPTIMIZERS",
    "SETTINGS",
    "SIGNATURES",
    "STEPS",
    "STEPS_BY_HAND",
    "TORCH_ELEMENTS",
    "WRONG_SETTINGS",
    "all_moments",
    "counts",
    "moments_of",
    "outputs_per_target",
    "parameters_of",
    "slope",
    "step_of",
    "value",
]

SIGNATURES = LOSS_SIGNATURES | STEP_SIGNATURES

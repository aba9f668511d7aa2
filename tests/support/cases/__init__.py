"""What the tests know of each activation, loss and optimizer, from which they take their cases."""
# ruff: noqa: F401

from .activations import ACTIVATIONS, KINKED, slope, value
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

SIGNATURES = LOSS_SIGNATURES | STEP_SIGNATURES

"""What all losses have in common."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import kernels
from ..options import Options
from ..validation import check_values


@dataclass(eq=False, repr=False)
class Loss(Options):
    """What all losses have: which output they fit, what targets they take, and their numbers for
    the kernels."""

    name: ClassVar[str]
    output: ClassVar[str | None] = None  # the activation of the last layer that it needs; None: any
    remedy: ClassVar[str] = ""
    kernel: ClassVar[kernels.Loss]

    def targets(self, y, n, n_out, dtype):
        """y, checked, as the kernel wants it."""
        return check_values(y, n, n_out, dtype)

    def to_kernel(self, n_out, dtype):
        """What the kernel must know besides: keywords of `kernels.Trainer`."""
        return {}

    def prepare(self, y, n, n_out, dtype):
        """Targets, and keywords of `kernels.Trainer`."""
        targets = self.targets(y, n, n_out, dtype)
        return targets, dict(loss=self.kernel, **self.to_kernel(n_out, dtype))

    def in_batches(self, y, order, batch_size, n_out, dtype):
        """More such keywords, for a loss that is asked batch by batch."""
        return {}


def for_outputs(name, numbers, n_out, dtype):
    """One number for each output, from one or n_out numbers."""
    if numbers is None:
        return None
    numbers = np.array(numbers, dtype)
    if numbers.ndim and len(numbers) != n_out:
        raise ValueError(
            f"{name} has {len(numbers)} numbers for {n_out} output{'s' * (n_out != 1)}: give one, or one for each"
        )
    return np.ascontiguousarray(np.broadcast_to(numbers, n_out))

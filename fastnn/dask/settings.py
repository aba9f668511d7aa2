"""What the configuration of Dask says about training: the keys `fastnn.parts` and `fastnn.sync-every`.

Dask reads them from its files (`~/.config/dask/*.yaml`), from variables of the environment
(`DASK_FASTNN__PARTS`), and from ``dask.config.set({"fastnn.parts": 4})``.
"""

from dataclasses import dataclass

from ..core.validation import check_count
from .delayed import configured

#: Parts that train at the same time before their parameters are averaged: see
#: docs/decisions/0045-dask-rounds.md.
MAX_PARTS = 8
#: Steps of each part between two averages. A round of this length takes about 50 ms.
SYNC_EVERY = 256
MIN_BATCH = 32  # rows of a step of a part


@dataclass(frozen=True)
class RoundSettings:
    """How many parts train at the same time, and for how long.

    Attributes
    ----------
    parts : int or None
        Most parts; None: MAX_PARTS.
    sync_every : int
        Steps of each part between two averages of their parameters.
    """

    parts: int | None
    sync_every: int

    @classmethod
    def read(cls):
        """Return the settings in the configuration of Dask."""
        parts = configured("fastnn.parts", None)
        sync_every = configured("fastnn.sync-every", SYNC_EVERY)
        return cls(
            None if parts is None else check_count("fastnn.parts", parts),
            check_count("fastnn.sync-every", sync_every),
        )

    def n_parts(self, n_partitions, n_rows, part_rows):
        """Return the number of parts. It depends on the rows alone, not on the workers.

        part_rows : rows that are worth a part
        """
        if self.parts is not None:
            return max(1, min(self.parts, n_rows))
        return max(1, min(MAX_PARTS, n_partitions, n_rows // part_rows))


def part_batch(batch_size, n_parts):
    """Return the rows of a step of a part, so that a step of all parts has about `batch_size`."""
    return max(min(MIN_BATCH, batch_size), -(-batch_size // n_parts))

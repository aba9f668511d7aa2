"""Seeds spawned for many networks at once."""

import numpy as np
from numpy.random.bit_generator import ISpawnableSeedSequence

# Constants of NumPy's SeedSequence: M. E. O'Neill's seed_seq, with a pool of 4 words of 32 bits.
POOL_SIZE = 4
INIT_POOL, STEP_POOL = 0x43B0D7E5, 0x931E8875
INIT_STATE, STEP_STATE = 0x8B51F9DD, 0x58F38DED
MIX_LEFT, MIX_RIGHT = np.uint32(0xCA01F9DD), np.uint32(0x4973F715)
HALF = np.uint32(16)


def _sequence_property(name):
    """Return a property that reads an attribute of the SeedSequence."""
    return property(lambda seed: getattr(seed._sequence(), name))


class SpawnedSeed(ISpawnableSeedSequence):
    """The SeedSequence ``np.random.SeedSequence(entropy).spawn(i + 1)[i]``.

    It holds the numbers from which `np.random.default_rng` makes a generator, and makes the
    SeedSequence only if something else is read.

    Parameters
    ----------
    entropy, i : int
    pcg64_seeds : ndarray (k, 4) of uint64
        Row i is its ``generate_state(4, np.uint64)``.
    """

    def __init__(self, entropy, i, pcg64_seeds):
        self._entropy, self._i, self._pcg64_seeds = entropy, i, pcg64_seeds
        self._made = None

    def generate_state(self, n_words, dtype=np.uint32):
        if n_words == 4 and dtype is np.uint64 and self._pcg64_seeds is not None:
            seeds, self._pcg64_seeds = self._pcg64_seeds, None  # the others do not need it for long
            return seeds[self._i]
        return self._sequence().generate_state(n_words, dtype)

    def spawn(self, n_children):
        return self._sequence().spawn(n_children)

    def __repr__(self):
        return repr(self._sequence())

    def __reduce__(self):
        return self._sequence().__reduce__()

    def _sequence(self):
        """Return the SeedSequence, always the same: it counts its children."""
        if self._made is None:
            self._made = np.random.SeedSequence(self._entropy, spawn_key=(self._i,))
        return self._made

    entropy, n_children_spawned, pool, pool_size, spawn_key, state = map(
        _sequence_property,
        ("entropy", "n_children_spawned", "pool", "pool_size", "spawn_key", "state"),
    )


def spawn_seeds(entropy, k):
    """Return the seeds ``np.random.SeedSequence(entropy).spawn(k)``.

    NumPy takes 12 us for each seed and its generator, longer than `fit_many` for a small network.

    Parameters
    ----------
    entropy : int
        At least 0.
    k : int

    Returns
    -------
    list of SpawnedSeed
    """
    n_words = max(POOL_SIZE, -(-entropy.bit_length() // 32))
    # NumPy mixes the words of `entropy` into a pool, then the number of the child
    pool = np.random.SeedSequence(entropy).pool[:, None]
    first = INIT_POOL * pow(STEP_POOL, POOL_SIZE * n_words, 2**32)
    hashed = _hash(np.arange(k, dtype=np.uint32), first, STEP_POOL, POOL_SIZE)
    pool = _fold(MIX_LEFT * pool - MIX_RIGHT * hashed)  # (POOL_SIZE, k)
    words = _hash(np.tile(pool, (2, 1)), INIT_STATE, STEP_STATE, 2 * POOL_SIZE).astype(np.uint64)
    pcg64_seeds = np.ascontiguousarray((words[::2] | words[1::2] << np.uint64(32)).T)
    return [SpawnedSeed(entropy, i, pcg64_seeds) for i in range(k)]


def _hash(words, first, step, n):
    """Hash words n times, each time with the next constant: (n, k)."""
    constants = np.array([first * step**i % 2**32 for i in range(n + 1)], np.uint32)[:, None]
    return _fold((words ^ constants[:-1]) * constants[1:])


def _fold(words):
    return words ^ words >> HALF

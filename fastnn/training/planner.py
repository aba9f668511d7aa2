"""The arguments of `fit_many`: one for all networks, or a list with one for each."""

import numpy as np
from numpy.random.bit_generator import ISpawnableSeedSequence

from .. import kernels, losses
from ..callbacks import check_callbacks
from ..core.validation import check_rng
from ..encoded_table import check_inputs
from ..state import resumed
from .data import Data, n_held_out, validation_in_memory
from .plan import FitOptions, Plan


class PerNetwork:
    """One argument of many networks: ``argument[i]`` is that of network i.

    Parameters
    ----------
    name : str
    value : object
        One value for all, or a list or tuple with one for each.
    k : int
        Number of networks.
    """

    def __init__(self, name, value, k):
        holds_one_each = HOLDS_ONE_EACH.get(name)
        self.value, self.is_each = value, isinstance(value, (list, tuple))
        if self.is_each and holds_one_each is not None:
            self.is_each = holds_one_each(value)
        if self.is_each and len(value) != k:
            raise ValueError(
                f"{name} lists {len(value)} values for {k} network{'s' * (k != 1)}. "
                "Pass one value, or one for each network."
            )

    def __getitem__(self, i):
        return self.value[i] if self.is_each else self.value


# ---- which lists hold one value for each network ----


def is_list(value):
    return isinstance(value, list)


def holds_matrices(value):
    return len(value) > 0 and len(getattr(value[0], "shape", ())) == 2


def holds_arrays(value):
    return any(len(getattr(each, "shape", ())) > 0 or each is None for each in value)


def holds_sequences(value):
    return len(value) > 0 and all(isinstance(each, (list, tuple)) for each in value)


def holds_class_weights(value):
    return any(not isinstance(each, (int, float, np.number)) for each in value)


def holds_rows(value):
    return any(
        each is None or isinstance(each, (list, tuple, slice, range)) or np.ndim(each) == 1
        for each in value
    )


# Lists and tuples of other arguments always hold one value for each.
HOLDS_ONE_EACH = {
    "X": holds_matrices,
    "y": holds_arrays,
    "validation_data": is_list,
    "sample_weight": holds_arrays,
    "callbacks": holds_sequences,
    "class_weight": holds_class_weights,
    "rows": holds_rows,
    "validation_rows": holds_rows,
}


def spread(k, values):
    """Return the PerNetwork of each argument. values : {name: argument of `fit_many`}"""
    return {name: PerNetwork(name, value, k) for name, value in values.items()}


def split_array(value, ndim):
    """Return an array of so many dimensions, the first of which is that of the networks, as a list."""
    return list(value) if isinstance(value, np.ndarray) and value.ndim == ndim else value


def split_targets(y, X):
    """Return such an array of targets as a list: (networks, n, n_out), or (networks, n) beside such an X."""
    is_matrix = np.shape(y) == X.shape[:2] if isinstance(X, np.ndarray) and X.ndim == 3 else False
    return split_array(y, 2 if is_matrix else 3)


def spawn(rng, k):
    """Return the rng of each network: a spawned seed for an int."""
    if rng is None or isinstance(rng, (list, tuple)):
        return rng
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and rng >= 0:
        return spawn_seeds(int(rng), k)
    if k == 1:
        return [rng]
    raise ValueError(
        f"rng must be None, an int of at least 0, or a list with one for each network, got {rng!r}. "
        "Networks cannot share a generator: their results would depend on the order of training."
    )


# ---- the plans ----


class Planner:
    """Checks the arguments of many networks.

    Networks that differ only in `rows`, `validation_rows` and `rng` are checked once: planning
    10,000 networks must not take longer than training them.
    """

    UNSHARED = ("rows", "validation_rows", "rng")  # arguments that usually differ

    def __init__(self, networks, arguments, n_threads):
        self.networks, self.arguments, self.n_threads = networks, arguments, n_threads
        self.lists = [
            argument.value
            for name, argument in arguments.items()
            if argument.is_each and name not in self.UNSHARED
        ]
        self.rng = arguments["rng"]
        self.selects = any(arguments[name].value is not None for name in self.UNSHARED[:2])
        self.cache = {}  # results of `memoize`
        self.users = {}  # {id of a bit generator: number of the network that draws from it}

    def plans(self):
        """Return the Plan of each network."""
        plans = []
        for i, net in enumerate(self.networks):
            try:
                plans.append(self.plan(i, net))
            except (TypeError, ValueError) as error:
                raise type(error)(f"network {i}: {error}") from None
        return plans

    def memoize(self, key, function):
        """Return function(), which is called once for this key."""
        result = self.cache.get(key)
        if result is None:
            result = self.cache[key] = function()
        return result

    def plan(self, i, net):
        net._check_may_train()
        sizes = net.layer_sizes
        # ids are unique: `arguments` keeps the objects alive
        group = sizes[0], sizes[-1], net.activations[-1], *[id(each[i]) for each in self.lists]
        shared = self.cache.get(group) or self.memoize(group, lambda: self.shared_plan(net, i))
        options = shared.options
        rng = self.rng[i]
        spawned = type(rng) is SpawnedSeed
        if not spawned:
            rng = net.rng if rng is None else check_rng(rng)
        plan = Plan(net, shared.data, options, rng, shared.validation)
        if self.selects:
            self.select_rows(plan, i)
        if options.resume:
            resumed(net.state, options.optimizer)
        if not spawned and (options.shuffle or options.validation_fraction or net.has_dropout):
            self.check_generator(i, rng)
        return plan

    def shared_plan(self, net, i):
        """Return the Plan of network i, checked if it is for all rows."""
        a = {
            name: argument[i]
            for name, argument in self.arguments.items()
            if name not in self.UNSHARED
        }
        X, n_in = a["X"], net.layer_sizes[0]  # X is converted once, also if networks differ in y
        X = self.memoize(("X", id(X), n_in), lambda: check_inputs("X", X, net.dtype, n_in))
        loss = losses.resolve_loss(a["loss"], net.activations[-1])
        data = Data.of(net, X, a["y"], loss, a["sample_weight"])
        validation = validation_in_memory(net, a["validation_data"], loss, data)
        settings = {name: a[name] for name in FitOptions.__slots__ if name in a}
        options = FitOptions(n_threads=self.n_threads, **settings)
        plan = Plan(net, data, options, None, validation)
        if not self.selects:
            check_plan(plan)
        return plan

    def select_rows(self, plan, i):
        """Apply `rows` and `validation_rows` of network i to a plan."""
        all_rows, validation = plan.data, plan.validation
        plan.data = self.select(all_rows, "rows", i, all_rows)
        plan.validation = self.select(all_rows, "validation_rows", i, validation)
        if validation is not None and plan.validation is not validation:
            raise ValueError(
                "validation_data and validation_rows exclude each other. Pass one of them."
            )
        check_plan(plan)

    def select(self, data, name, i, default):
        """Return the rows of data that an argument selects, or `default` if it is None."""
        argument = self.arguments[name]
        if argument.value is None or (rows := argument[i]) is None:
            return default
        n = data.X.shape[0]
        if argument.is_each:
            return data.select(check_indices(name, rows, n))
        return data.select(self.memoize((name, n), lambda: check_indices(name, rows, n)))

    def check_generator(self, i, rng):
        """Check that no other network draws from this generator."""
        other = self.users.setdefault(id(rng.bit_generator), i)
        if other != i:
            raise ValueError(
                f"it shares its generator with network {other}, so their results would depend on "
                "the order of training. Pass rng=0, from which each network gets its own seed."
            )


def check_plan(plan):
    """Check what depends on the rows of a plan."""
    data, validation, options = plan.data, plan.validation, plan.options
    if not len(data):
        raise ValueError("X has no rows. Training needs at least one.")
    if options.validation_fraction:
        if validation is not None:
            raise ValueError(
                "validation_fraction excludes validation_data and validation_rows. "
                "Pass one of them."
            )
        n_held_out(options.validation_fraction, len(data))
    if options.callbacks:
        validates = validation is not None or options.validation_fraction > 0
        check_callbacks(options.callbacks, data, validates)
    if options.class_weight is not None:
        data.with_class_weight(options.class_weight, plan.net.layer_sizes[-1])


def check_indices(name, rows, n):
    """Return row indices, a slice or a mask as an array of indices from 0 to n - 1."""
    if isinstance(rows, slice):
        return np.arange(*rows.indices(n), dtype=np.intp)  # not a view of all n indices
    indices = np.asarray(rows)
    if indices.dtype == bool:
        if indices.shape != (n,):
            raise ValueError(
                f"{name} is a mask of shape {indices.shape}, but X has {n} rows. Pass a mask of "
                f"shape ({n},), or indices."
            )
        return np.flatnonzero(indices)
    if indices.ndim != 1 or (indices.dtype.kind not in "iu" and indices.size):
        raise ValueError(
            f"{name} must be a one-dimensional array of row indices, a slice or a mask, got "
            f"{indices.dtype} of shape {indices.shape}"
        )
    indices = np.array(indices, np.intp)  # a copy: a callback may change the array after this check
    if kernels.are_indices(indices, n):
        return indices
    outside = indices[(indices < -n) | (indices >= n)]
    if len(outside):
        raise ValueError(f"{name} holds row {outside[0]}, but X has {n} rows: 0..{n - 1}")
    return np.where(indices < 0, indices + n, indices)


# ---- seeds spawned for many networks at once ----

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

"""Population: networks of the same layers, whose parameters are the rows of one array."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, overload

import numpy as np

from . import initializers
from .core.validation import check_count, check_rng
from .mlp import MLP
from .network import CACHE_LINE, Network, aligned_zeros, copy_into, split_layers
from .training.planner import spawn_seeds

if TYPE_CHECKING:
    from typing import Any, Self, SupportsIndex

    from numpy.typing import ArrayLike

    from .typing import DTypeLike, FloatArray, HiddenActivation, Initializer, OutputActivation, Rng


def population(
    n: int,
    layer_sizes: Sequence[int],
    activation: HiddenActivation | Sequence[HiddenActivation] = "relu",
    output: OutputActivation = "identity",
    bias: bool = True,
    dtype: DTypeLike = "float32",
    rng: Rng | Sequence[Rng] = None,
    dropout: float | Sequence[float] = 0.0,
    init: Initializer | Sequence[Initializer] | None = None,
) -> Population:
    """Make n networks of the same layers, whose parameters are the rows of one array.

    Write the parameters of all networks with NumPy, as in an evolution strategy, and compute all
    outputs with `forward_many`. A population is a sequence of `MLP`, so `fit_many` and `save_many`
    take it, too.

    Parameters
    ----------
    n : int
        Number of networks.
    layer_sizes, activation, output, bias, dtype, dropout, init
        As in `MLP`.
    rng : None, int, Generator, or list of n of these, optional
        Seeds of the networks. With an int, network i is
        ``MLP(layer_sizes, ..., rng=np.random.SeedSequence(rng).spawn(i + 1)[i])``, whatever n is.
        With a Generator, it gets ``rng.spawn(n)[i]``. A list holds the `rng` of each.

    Returns
    -------
    Population

    Examples
    --------
    >>> import fastnn, numpy as np
    >>> networks = fastnn.population(100, [4, 8, 2], "tanh", rng=0)
    >>> networks.params.shape
    (100, 58)
    >>> networks.params[1:] = networks.params[0] + 0.1  # the next call computes with them
    >>> X = np.ones((100, 5, 4))  # 5 rows for each network
    >>> fastnn.forward_many(networks, X).shape
    (100, 5, 2)
    >>> best = networks[3]  # an MLP that shares these parameters
    >>> best.params += 1
    >>> bool((networks.params[3] == best.params).all())
    True
    """
    n = check_count("n", n, maximum=2**31 - 1)  # NumPy spawns at most so many generators
    template = Network(layer_sizes, activation, output, bias, dtype, dropout)
    init = initializers.resolve_initializers(init, len(template.weights))
    networks = Population(template, _generators(rng, n))
    for params, generator in zip(networks.params, networks._generators):
        weights, _ = split_layers(params, template.layer_sizes, template.bias)
        initializers.initialize(generator, weights, template.activations, init)
    return networks


def _generators(rng, n):
    """Return the generator of each of n networks."""
    if isinstance(rng, (list, tuple)):
        if len(rng) != n:
            raise ValueError(
                f"rng lists {len(rng)} seeds for {n} networks. Pass one seed for all, or {n} of them."
            )
        return [check_rng(each) for each in rng]
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and rng >= 0:
        return [np.random.default_rng(seed) for seed in spawn_seeds(int(rng), n)]
    return check_rng(rng).spawn(n)


class Population(Sequence[MLP]):
    """Networks of the same layers, whose parameters are the rows of one array.

    Make one with `fastnn.population`. It has a length, can be indexed and iterated, and is accepted
    wherever a list of networks is. ``networks[i]`` is always the same `MLP`. A slice is a list.

    Parameters
    ----------
    template : Network
        A network of these layers.
    generators : list of Generator
        One for each network.

    Attributes
    ----------
    params : ndarray (n, n_params)
        Row i holds the parameters of network i, in the order of `MLP.params`. Write into it: the
        next call computes with the new values. Assigning copies values into it. Rows begin at a
        cache line (64 bytes), so there may be gaps between them.
    template : Network
        As passed. Its parameters are not used.
    """

    def __init__(self, template: Network, generators: list[np.random.Generator]) -> None:
        self.template: Network = template
        self._generators = generators
        self._made: dict[int, MLP] = {}
        n, n_params, dtype = len(generators), template.n_params, template.dtype
        stride = -(-n_params * dtype.itemsize // CACHE_LINE) * CACHE_LINE // dtype.itemsize
        self._params = aligned_zeros(n * stride, dtype).reshape(n, stride)[:, :n_params]

    @property
    def params(self) -> FloatArray:
        return self._params

    @params.setter
    def params(self, values: ArrayLike) -> None:
        for net in self.made():
            net._check_not_training()  # its end would overwrite them
        if values is not self._params:  # as it is after networks.params += step
            copy_into("params", self._params, values)

    def __len__(self) -> int:
        return len(self._generators)

    @overload
    def __getitem__(self, i: SupportsIndex) -> MLP: ...
    @overload
    def __getitem__(self, i: slice) -> list[MLP]: ...

    def __getitem__(self, i: Any) -> Any:
        try:
            found = range(len(self))[i]
        except (IndexError, TypeError) as error:
            raise type(error)(
                f"the index of a network must be an int from {-len(self)} to {len(self) - 1}, or a slice, "
                f"got {i!r}. For the parameters of some networks, index params."
            ) from None
        if isinstance(i, slice):
            return [self[j] for j in found]
        if found not in self._made:
            start = dict(rng=self._generators[found], state=None, history=None, metadata={})
            self._make(
                found, self.template.__getstate__() | start | {"params": self._params[found]}
            )
        return self._made[found]

    def _make(self, i, state):
        net = MLP.__new__(MLP)
        net.__setstate__(state, self._params[i])
        self._made.setdefault(i, net)  # another thread may have made it

    def made(self) -> list[MLP]:
        """Return the networks that exist as an MLP. The others are only parameters so far."""
        return list(self._made.values())

    def __repr__(self) -> str:
        layers = repr(self.template).partition("(")[2]
        return f"{type(self).__name__}({len(self)}, {layers}"

    def copy(self) -> Self:
        """Return independent networks with the same parameters, states and generators."""
        return deepcopy(self)

    __copy__ = copy

    def __getstate__(self) -> dict[str, Any]:
        made = {i: net.__getstate__() for i, net in list(self._made.items())}
        parts = dict(template=self.template, generators=self._generators, made=made)
        return parts | {"params": self._params.copy()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Population.__init__(self, state["template"], state["generators"])
        self._params[:] = state["params"]
        for i, each in state["made"].items():
            self._make(i, each)

"""The networks of a TableModel as arrays of a model file.

"params0", "params1", ... have those of the members. A fit that was stopped may also have "final0", ...:
networks of these members that train on all rows, and "spare0", ...: networks of configurations that no
member has.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from ..files import ModelFileError
from ..files.checks import check, check_mapping, is_count, is_finite
from ..mlp import blank_network
from .checkpoint import MAX_FOLDS
from .encoder import MAX_HIDDEN, MAX_WIDTH

ACTIVATION: Final = "silu"
MAX_SNAPSHOTS = 2


# ---- write ----


def to_arrays(members, checkpoint):
    """Return the arrays of a file, by name.

    members : list of EnsembleMember; checkpoint : FitCheckpoint or None
    """
    out = {f"params{i}": _params_of(member.networks) for i, member in enumerate(members)}
    if checkpoint is None:
        return out
    weighted = [i for i, member in enumerate(members) if member.weight > 0]
    final = zip(weighted, checkpoint.final)
    out |= {f"final{i}": _params_of(networks) for i, networks in final if networks}
    for c, spare in checkpoint.spare_by_configuration().items():
        out[f"spare{c}"] = _params_of([s.networks for s in spare])
    return out


def _params_of(networks):
    """Return the parameters of lists of networks, (n_lists, n_snapshots, n_params)."""
    return np.stack([np.stack([net.params for net in snapshots]) for snapshots in networks])


# ---- read ----


@dataclass(frozen=True)
class NetworkArray:
    """An array of a file that holds networks of one shape.

    Attributes
    ----------
    name : str
    n_lists, n_snapshots : int
        Its first two sizes.
    layer_sizes : list of int
    """

    name: str
    n_lists: int
    n_snapshots: int
    layer_sizes: list

    @classmethod
    def find(cls, reader, name, layer_sizes):
        """Return that of a file whose arrays are not checked yet."""
        shape = check_mapping(reader.entries.get(name), name).get("shape")
        valid = isinstance(shape, list) and len(shape) == 3
        if not valid or not all(is_count(k, MAX_FOLDS, 1) for k in shape[:2]):
            raise ModelFileError(f"the shape of {name} is invalid")
        check(shape[1] <= MAX_SNAPSHOTS, name)
        return cls(name, shape[0], shape[1], layer_sizes)

    def expected(self):
        """Return its shape and dtype, as `Reader.check` takes them."""
        n_params = sum(a * b + b for a, b in pairwise(self.layer_sizes))
        return [self.n_lists, self.n_snapshots, n_params], "F32"

    def read(self, reader, output):
        """Return the lists of networks. output : their output activation"""
        params = reader.array(self.name)
        return [[_network(self.layer_sizes, output, p) for p in snapshots] for snapshots in params]


class StoredNetworks:
    """The networks that a model file describes. Its arrays are not checked yet.

    Parameters
    ----------
    content : dict
        What `TableModel.to_json` returned.
    reader : files.safetensors.Reader
    encoders : list of Encoder
    targets : TableClasses or TableNumbers
    checkpoint : FitCheckpoint or None
        Without networks.

    Attributes
    ----------
    members : list of NetworkArray
    spare : list of NetworkArray
        One for each configuration that has some.
    final : list of NetworkArray
        One for each member that has a weight, or empty.

    Raises
    ------
    ModelFileError, or another error of `damage_refused`
        The file is damaged.
    """

    def __init__(self, content, reader, encoders, targets, checkpoint):
        self.reader, self.output, self.checkpoint = reader, targets.output, checkpoint
        self.members = self._find_members(content["members"], encoders, targets)
        self.spare, self.final = [], []
        weights = [member["share"] for member in content["members"]]
        if checkpoint is not None:
            self._check_checkpoint()
            spare = checkpoint.spare_by_configuration()
            self.spare = [self._find_spare(*item) for item in spare.items()]
            self.final = self._find_final(weights)
        check(all(weights) if checkpoint is None else any(weights), "share")

    @property
    def n_folds(self):
        return self.members[0].n_lists if self.members else 0

    def _find_members(self, members, encoders, targets):
        check(isinstance(members, list), "members")
        check((len(members) == 0) == (targets.is_classifier and targets.n_out == 1), "members")
        found: list = []
        for i, member in enumerate(members):
            hidden = member["hidden"]
            check(isinstance(hidden, list) and 0 < len(hidden) <= MAX_HIDDEN, "hidden")
            check(all(is_count(size, MAX_WIDTH, 1) for size in hidden), "hidden")
            check(is_count(member["encoder"], len(encoders) - 1), "encoder")
            check(is_finite(member["share"]) and 0 <= member["share"] <= 1, "share")
            layer_sizes = [encoders[member["encoder"]].n_inputs, *hidden, targets.n_out]
            found.append(NetworkArray.find(self.reader, f"params{i}", layer_sizes))
            check(found[i].n_lists == found[0].n_lists, "params")
        return found

    def _check_checkpoint(self):
        """Check that the checkpoint has the folds and the configurations of the members."""
        checkpoint, members = self.checkpoint, self.members
        check(len(members) > 0 and self.n_folds == len(checkpoint.folds), "folds")
        check(checkpoint.used is None or len(checkpoint.used) == len(members), "used")
        if checkpoint.n_final:
            n_parts = [len(folds[0]) for folds in checkpoint.best if folds]
            check(n_parts == [array.n_snapshots for array in members], "best")

    def _find_spare(self, c, spare):
        """Return the NetworkArray of a configuration. It has the hidden layers of the members."""
        name, (_, *others) = f"spare{c}", self.members[0].layer_sizes
        found = NetworkArray.find(self.reader, name, [])
        check(found.n_lists == len(spare), name)
        check(all(len(s.best) in (0, found.n_snapshots) for s in spare), name)
        n_params = self.reader.entries[name]["shape"][2]
        check(is_count(n_params, 2**40), name)
        left = n_params - others[0] - sum(a * b + b for a, b in pairwise(others))
        check(left > 0 and left % others[0] == 0, name)
        check(left // others[0] <= MAX_WIDTH, name)
        return replace(found, layer_sizes=[left // others[0], *others])

    def _find_final(self, weights):
        weighted = {f"final{i}": self.members[i] for i, weight in enumerate(weights) if weight}
        n_most = self.checkpoint.n_final
        if not n_most or not any(name in self.reader.entries for name in weighted):
            return []
        found = [
            NetworkArray.find(self.reader, name, member.layer_sizes)
            for name, member in weighted.items()
        ]
        check(found[0].n_lists <= n_most, "final")
        for array, member in zip(found, weighted.values()):
            check(array.n_lists == found[0].n_lists, "final")
            check(array.n_snapshots == member.n_snapshots, "final")
        check(len(self.checkpoint.folds) == self.checkpoint.n_folds, "final")
        return found

    def expected(self):
        """Return the shapes and dtypes of the arrays, by name."""
        arrays = self.members + self.spare + self.final
        return {array.name: array.expected() for array in arrays}

    def read_members(self):
        """Return the networks of each member, as an EnsembleMember has them."""
        return self._read(self.members)

    def read_checkpoint(self):
        """Return the FitCheckpoint with its networks, or None."""
        if self.checkpoint is None:
            return None
        spare = [networks for found in self._read(self.spare) for networks in found]
        return self.checkpoint.with_networks(spare, self._read(self.final))

    def _read(self, arrays):
        return [array.read(self.reader, self.output) for array in arrays]


def _network(sizes, output, params):
    hidden = [ACTIVATION] * (len(sizes) - 2)
    dropout = [0.0] * (len(sizes) - 1)
    architecture = dict(
        layer_sizes=sizes,
        activations=[*hidden, output],
        bias=True,
        dtype=np.dtype(np.float32),
        dropout=dropout,
    )
    net = blank_network(architecture, np.random.default_rng(0))
    net.params = params
    return net

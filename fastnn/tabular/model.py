"""TableModel: the fitted model of a table, which predicts, and is written to files."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np

from ..estimators.ensemble import mean_over_networks
from ..estimators.spread import Spread, read_spread_numbers
from ..files import ModelFileError
from ..files.json_values import check, check_mapping, is_count, is_finite
from ..mlp import blank_network
from . import guarantees, monotone
from .checkpoint import MAX_FOLDS, FitCheckpoint
from .columns.features import Features, numbers_of_fold
from .drift.profile import TableProfile
from .encoder import MAX_HIDDEN, MAX_WIDTH, Encoder
from .explaining.mixtures import Background
from .folds import FoldRows, RowSplit

BLOCK = 20_000  # rows that are encoded and predicted at a time
ACTIVATION: Final = "silu"
MAX_SNAPSHOTS = 2


@dataclass(frozen=True, eq=False, repr=False)
class EnsembleMember:
    """The networks of one configuration.

    Attributes
    ----------
    encoder : int
        Position of their encoder in `TableModel.encoders`.
    weight : float
        Their weight in the prediction. It is 0 only while folds are left to train.
    networks : list of list of MLP
        One or two for each fold, whose outputs are averaged.
    """

    encoder: int
    weight: float
    networks: list

    def to_json(self):
        hidden = list(self.networks[0][0].layer_sizes[1:-1])
        return dict(encoder=self.encoder, share=self.weight, hidden=hidden)


@dataclass(frozen=True, eq=False, repr=False)
class TableModel:
    """The columns of a table, how networks read them, the networks, and what their outputs become.

    Attributes
    ----------
    features : Features
    encoders : list of Encoder
    members : list of EnsembleMember
        Empty if there is only one class.
    targets : TableClasses or TableNumbers
    target_name : str or None
        The column that `fit` took the target from.
    errors : list of ndarray (n, 1), or None
        Errors of the predictions for the rows that each fold held out, for intervals, or for parts of
        those of a single fold. None for classes, and for several quantiles in files of
        older versions.
    spread : Spread or None
        What the errors are in units of; None: the units of the target.
    checkpoint : FitCheckpoint or None
        What `fit(resume=True)` needs if Ctrl-C has stopped the fit.
    split : RowSplit or None
        How the rows were split into folds; None in files of older versions.
    background : Background or None
        Some of the training rows, for explanations; None if the file was written without them.
    profile : TableProfile or None
        What the training table held, for `check`; None in files of older versions.
    monotone : dict of int to int
        The sign of each column that predictions are monotone in, by its position in
        ``features.columns``.
    folds : FoldRows or None
        After a fit: the rows of its folds. Not in a file.
    fold_histories : list of list of History, or None
        After a fit whose networks were trained on all rows: those of the networks of the folds, for
        each of their configurations. Not in a file.
    """

    features: Features
    encoders: list
    members: list
    targets: Any
    target_name: str | None = None
    errors: list | None = None
    spread: Spread | None = None
    checkpoint: FitCheckpoint | None = None
    split: RowSplit | None = None
    profile: TableProfile | None = None
    background: Background | None = None
    monotone: dict = field(default_factory=dict)
    folds: FoldRows | None = None
    fold_histories: list | None = None

    @property
    def is_forward(self):
        """Whether the networks were trained on all rows, after folds that are forward in time."""
        return self.split is not None and self.split.is_forward and self.checkpoint is None

    @property
    def time_column(self):
        """str or None: the column by whose times the folds were forward, if it has a name."""
        return self.split.time if self.split is not None and self.split.is_forward else None

    @property
    def block_of_row(self):
        """ndarray (n,) of int, or None: after a fit whose folds are forward in time, the number of the
        fold that scored each row, -1 for none."""
        is_forward = self.split is not None and self.split.is_forward
        return self.folds.fold_of_row if is_forward and self.folds is not None else None

    @property
    def n_folds(self):
        return len(self.members[0].networks) if self.members else 0

    @property
    def n_folds_remaining(self):
        return 0 if self.checkpoint is None else self.checkpoint.n_left

    def networks(self):
        """Return all networks."""
        return [net for m in self.members for networks in m.networks for net in networks]

    def histories(self):
        """Return, for each member, the History of the network of each fold with the last best epoch.

        It is None for a network from a file.
        """
        if self.fold_histories is not None:
            return self.fold_histories
        return [[networks[-1].history for networks in m.networks] for m in self.members]

    def attributes(self):
        """Return the public attributes of an estimator with this model, by name."""
        names = self.features.names
        out = dict(
            model_=self,
            n_features_in_=self.features.n_columns,
            columns_=self.features.by_name(self.features.kinds()),
            left_out_=self.features.by_name(self.features.left_out),
            n_folds_=self.n_folds,
            n_folds_remaining_=self.n_folds_remaining,
            split_=None if self.split is None else self.split.describe(),
        )
        if names is not None:
            out["feature_names_in_"] = np.array(names, dtype=object)
        if self.targets.is_classifier:
            out["classes_"] = self.targets.labels
        return out

    # ---- predictions ----

    def predict(self, frame, n_threads):
        """Return the probabilities, or the predicted numbers, of the rows of a Frame."""
        return self.targets.calibrate(mean_over_networks(self.predict_folds(frame, n_threads)))

    def predict_encoded(self, tables, n_threads):
        """Return the same for encoded rows, as `encode` returns them. There are several classes."""
        return self.targets.calibrate(self._predict_tables(tables, n_threads).mean(axis=0))

    def predict_folds(self, frame, n_threads):
        """Return the predictions of the networks of each fold, (n_folds, n, ...)."""
        numbers, codes = self.features.transform(frame)
        return self.predict_features(numbers, codes, n_threads)

    def predict_features(self, numbers, codes, n_threads):
        """Return the same for features, as `Features.transform` returns them."""
        if not self.members:  # there is one class
            return np.ones((1, len(codes), 1))
        parts = []
        for a in range(0, max(1, len(codes)), BLOCK):
            rows = slice(a, a + BLOCK)
            tables = self.encode([x[rows] for x in numbers], codes[rows])
            parts.append(self._predict_tables(tables, n_threads))
        return np.concatenate(parts, axis=1)

    def predict_scales(self, numbers, codes, n_threads):
        """Return what the errors are in units of for such rows, (n,), or None."""
        if self.spread is None:
            return None
        parts, numbers = [], numbers_of_fold(numbers, -1)
        for a in range(0, max(1, len(codes)), BLOCK):
            rows = slice(a, a + BLOCK)
            table = self.spread.encoder.encode([x[rows] for x in numbers], codes[rows])
            parts.append(self.spread.mean_scale(table, n_threads))
        return np.concatenate(parts)

    @property
    def n_tables_of_encoder(self):
        """int: in how many tables an encoder makes rows: one, or with free text one for each fold."""
        return self.features.n_folds

    def table_number(self, encoder, fold):
        """Return the position among the tables of `encode`, of an encoder for the networks of a fold."""
        return encoder + len(self.encoders) * (fold if self.n_tables_of_encoder > 1 else 0)

    def _predict_tables(self, tables, n_threads):
        return np.stack([self.predict_fold(tables, k, n_threads) for k in range(self.n_folds)])

    def encode(self, numbers, codes):
        """Return the tables that the networks read. `table_number` says which is which."""
        return [
            encoder.encode(numbers_of_fold(numbers, fold), codes)
            for fold in range(self.n_tables_of_encoder)
            for encoder in self.encoders
        ]

    def predict_fold(self, tables, fold, n_threads):
        """Return the predictions of the networks of a fold for encoded rows."""
        return self.mix(
            lambda member: mean_output(
                member.networks[fold], tables[self.table_number(member.encoder, fold)], n_threads
            )
        )

    def mix(self, output):
        """Return the predictions of all members. output : function that returns that of a member"""
        return sum(
            member.weight * self.targets.finish(output(member))
            for member in self.members
            if member.weight
        )

    # ---- files ----

    def to_json(self):
        """Return a dict that JSON can hold."""
        parts = dict(
            unfinished=self.checkpoint, split=self.split, profile=self.profile, spread=self.spread
        )
        return dict(
            features=self.features.to_json(),
            encoders=[encoder.to_json() for encoder in self.encoders],
            targets=self.targets.to_json(),
            members=[member.to_json() for member in self.members],
            **monotone.signs_to_json(self.monotone),
            **{name: part.to_json() for name, part in parts.items() if part is not None},
        )

    def arrays(self):
        """Return the arrays of a file, by name, without the background."""
        out = to_arrays(self.members, self.checkpoint) | self.features.arrays()
        if self.errors is not None:
            out["errors"] = np.concatenate(self.errors)[:, 0]
            out["errors_fold"] = np.repeat(
                np.arange(len(self.errors)), [len(x) for x in self.errors]
            )
        if self.spread is not None:
            out["spread"] = _params_of([[net] for net in self.spread.networks])
        if self.profile is not None:
            out |= self.profile.arrays()
        return out

    @classmethod
    def read(cls, content, reader, fitted, targets):
        """Return the TableModel that `to_json` and `arrays` described.

        Parameters
        ----------
        content : dict
            What `to_json` returned, and other items.
        reader : files.safetensors.Reader
            The file also has the array "importances", one number for each column.
        fitted : dict
            Has "n_features_in_" and "_target_name".
        targets : class
            TableClasses or TableNumbers.

        Raises
        ------
        ModelFileError, or another error of `damage_refused`
            The file is damaged.
        """
        n_columns, target_name = fitted["n_features_in_"], fitted["_target_name"]
        check(n_columns == reader.length("importances"), "n_features_in_")  # at most what it stores
        check(is_count(n_columns, 2**31), "n_features_in_")
        check(target_name is None or isinstance(target_name, str), "_target_name")
        features = Features.from_json(content["features"], n_columns)
        n_numbers, categories = len(features.numbers), features.categories
        check(isinstance(content["encoders"], list), "encoders")
        encoders = [Encoder.from_json(d, n_numbers, categories) for d in content["encoders"]]
        learned = targets.from_json(check_mapping(content["targets"], "targets"))
        has_errors = _has_errors(learned, reader)
        spread = _find_spread(content, reader, n_numbers, categories)
        split = _read_part(content, "split", RowSplit.from_json)
        checkpoint = _read_part(content, "unfinished", FitCheckpoint.from_json)
        networks = StoredNetworks(content, reader, encoders, learned, checkpoint)
        reader.check(
            _other_arrays(content, reader, n_columns, has_errors)
            | {array.name: array.expected() for *_, array in spread}
            | networks.expected()
            | features.expected_arrays(reader)
            | Background.expected_arrays(reader, features)
        )
        n_folds = networks.members[0].n_lists if networks.members else 0
        is_forward = split is not None and split.is_forward and checkpoint is None
        features.read_arrays(reader, 1 if is_forward else n_folds)
        profile = _read_part(content, "profile", lambda d: TableProfile.read(d, reader, features))
        signs = monotone.signs_from_json(content.get("monotone", []), features)
        model = cls(
            features=features,
            encoders=encoders,
            members=[
                EnsembleMember(member["encoder"], member["share"], found)
                for member, found in zip(content["members"], networks.read_members())
            ],
            targets=learned,
            target_name=target_name,
            checkpoint=networks.read_checkpoint(),
            split=split,
            profile=profile,
            background=Background.read(reader, features),
            monotone=signs,
        )
        check(guarantees.are_monotone(model), "monotone")
        return _with_errors(model, content, reader, spread) if has_errors else model


def _read_part(content, name, read):
    """Return what is read from a part of a file, None if the file does not have it."""
    return read(content[name]) if name in content else None


def _other_arrays(content, reader, n_columns, has_errors):
    """Return {name: (shape, dtype)} of the arrays of a file but those of networks and rows."""
    expected: dict = {"importances": ([n_columns], "F64")}
    if "score_drops" in reader.entries:
        expected["score_drops"] = [n_columns], "F64"
    if has_errors:
        n = reader.length("errors", minimum=0)
        expected |= {"errors": ([n], "F64"), "errors_fold": ([n], "I64")}
    if "profile" in content:
        expected |= TableProfile.expected_arrays(content["profile"], reader)
    return expected


def _has_errors(targets, reader):
    """Return whether a file has errors for intervals: older ones have none of several quantiles."""
    return not targets.is_classifier and (targets.n_out == 1 or "errors" in reader.entries)


def _find_spread(content, reader, n_numbers, categories):
    """Return [(Encoder, numbers, NetworkArray)] of the networks of a Spread, [] without one."""
    if "spread" not in content:
        return []
    described = check_mapping(content["spread"], "spread")
    encoder, hidden = (
        Encoder.from_json(described["encoder"], n_numbers, categories),
        described["hidden"],
    )
    check(isinstance(hidden, list) and len(hidden) == 1, "spread")
    check(is_count(hidden[0], MAX_WIDTH, 1), "spread")
    array = NetworkArray.find(reader, "spread", [encoder.n_inputs, *hidden, 1])
    check(array.n_snapshots == 1, "spread")
    return [(encoder, read_spread_numbers(described), array)]


def _with_errors(model, content, reader, spread):
    """Return a TableModel with the errors of each fold, or of each network of `_find_spread`."""
    errors, fold = reader.array("errors"), reader.array("errors_fold")
    n = spread[0][-1].n_lists if spread else model.n_folds
    check(np.all((fold >= 0) & (fold < n)), "errors_fold")
    if not spread and model.is_forward:
        n = int(fold.max(initial=0)) + 1
    model = replace(model, errors=[errors[fold == i, None] for i in range(n)])
    for encoder, numbers, array in spread:
        networks = [found[0] for found in array.read(reader, "exponential")]
        model = replace(model, spread=Spread(networks, **numbers, encoder=encoder))
    return model


def mean_output(networks, table, n_threads):
    """Return the mean output of networks, (n, n_out) in float64."""
    from ..many import forward_many  # errors about files need not wait for it

    return forward_many(networks, table, n_threads=n_threads).mean(axis=0, dtype=np.float64)


# ---- networks in files ----


def to_arrays(members, checkpoint):
    """Return the arrays of the networks in a file, by name.

    "params0", "params1", ... have those of the members. A fit that was stopped may also have
    "final0", ...: networks of these members that train on all rows, and "spare0", ...: networks of
    configurations that no member has.

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

    def read(self, reader, output, activation=ACTIVATION):
        """Return the lists of networks. output, activation : of the last layer, and of the others"""
        params = reader.array(self.name)
        return [
            [make_network(self.layer_sizes, output, p, activation) for p in snapshots]
            for snapshots in params
        ]


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
        self.activation = content.get("activation", ACTIVATION)
        check(self.activation in (ACTIVATION, monotone.ACTIVATION), "activation")
        self.members = self._find_members(content["members"], encoders, targets)
        self.spare, self.final = [], []
        weights = [member["share"] for member in content["members"]]
        if checkpoint is not None:
            self._check_checkpoint()
            spare = checkpoint.spare_by_configuration()
            self.spare = [self._find_spare(*item) for item in spare.items()]
            self.final = self._find_final(weights)
        check(all(weights) if checkpoint is None else any(weights), "share")

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
        check(len(members) > 0 and members[0].n_lists == len(checkpoint.folds), "folds")
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
        return [array.read(self.reader, self.output, self.activation) for array in arrays]


def make_network(sizes, output, params, activation=ACTIVATION):
    """Return a network with these parameters, and the activation of all hidden layers."""
    hidden = [activation] * (len(sizes) - 2)
    dropout = [0.0] * (len(sizes) - 1)
    architecture = dict(
        layer_sizes=sizes,
        activations=[*hidden, output],
        bias=True,
        dtype=params.dtype,
        dropout=dropout,
    )
    net = blank_network(architecture, np.random.default_rng(0))
    net.params = params
    return net

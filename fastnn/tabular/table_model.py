"""TableModel: the fitted model of a table, which predicts, and is written to files."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..estimators.network_means import mean_over_networks
from ..files.checks import check, check_mapping, is_count, is_finite
from . import network_arrays
from .checking.profile import TableProfile
from .checkpoint import FitCheckpoint
from .columns.features import Features
from .encoder import MAX_HIDDEN, MAX_WIDTH, Encoder
from .explaining.background import Background
from .row_split import FoldRows, RowSplit

BLOCK = 20_000  # rows that are encoded and predicted at a time
MAX_SNAPSHOTS = 2


@dataclass(eq=False, repr=False)
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


@dataclass(eq=False, repr=False)
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
        Errors of the predictions for the rows that each fold held out, for intervals. None for
        classes and several quantiles.
    checkpoint : FitCheckpoint or None
        What `fit(resume=True)` needs if Ctrl-C has stopped the fit.
    split : RowSplit or None
        How the rows were split into folds; None in files of older versions.
    background : Background or None
        Some of the training rows, for explanations; None if the file was written without them.
    block_of_row : ndarray (n,) of int, or None
        After a fit whose folds are forward in time: the number of the fold that scored each row, -1
        for none. Not in a file.
    profile : TableProfile or None
        What the training table held, for `check`; None in files of older versions.
    folds : FoldRows or None
        After a fit: the rows of its folds. Not in a file.
    fold_histories : list of list of History, or None
        After such a fit: those of the networks of the folds, for each member. Not in a file.
    """

    features: Features
    encoders: list
    members: list
    targets: Any
    target_name: str | None = None
    errors: list | None = None
    checkpoint: FitCheckpoint | None = None
    split: RowSplit | None = None
    profile: TableProfile | None = None
    background: Background | None = None
    block_of_row: np.ndarray | None = None
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

    def _predict_tables(self, tables, n_threads):
        return np.stack([self.predict_fold(tables, k, n_threads) for k in range(self.n_folds)])

    def encode(self, numbers, codes):
        """Return the tables that the networks read, one for each encoder."""
        return [encoder.encode(numbers, codes) for encoder in self.encoders]

    def predict_fold(self, tables, fold, n_threads):
        """Return the predictions of the networks of a fold for encoded rows."""
        return self.mix(
            lambda member: mean_output(member.networks[fold], tables[member.encoder], n_threads)
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
        out = dict(
            features=self.features.to_json(),
            encoders=[encoder.to_json() for encoder in self.encoders],
            targets=self.targets.to_json(),
            members=[member.to_json() for member in self.members],
        )
        if self.checkpoint is not None:
            out["unfinished"] = self.checkpoint.to_json()
        if self.split is not None:
            out["split"] = self.split.to_json()
        if self.profile is not None:
            out["profile"] = self.profile.to_json()
        return out

    def arrays(self):
        """Return the arrays of a file, by name, without the background."""
        out = {
            f"params{i}": network_arrays.params_of(m.networks) for i, m in enumerate(self.members)
        }
        if self.checkpoint is not None and self.checkpoint.final:
            weighted = [i for i, member in enumerate(self.members) if member.weight > 0]
            final = zip(weighted, self.checkpoint.final)
            out |= {
                f"final{i}": network_arrays.params_of(networks) for i, networks in final if networks
            }
        for c, spare in self._spare_of_configurations().items():
            out[f"spare{c}"] = network_arrays.params_of([s.networks for s in spare])
        if self.errors is not None:
            out["errors"] = np.concatenate(self.errors)[:, 0]
            out["errors_fold"] = np.repeat(
                np.arange(len(self.errors)), [len(x) for x in self.errors]
            )
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
        self = cls(
            features,
            [Encoder.from_json(d, n_numbers, categories) for d in content["encoders"]],
            [],
            targets.from_json(check_mapping(content["targets"], "targets")),
            target_name,
        )
        if "split" in content:
            self.split = RowSplit.from_json(content["split"])
        self._read_members(content, reader)
        if "profile" in content:
            self.profile = TableProfile.read(content["profile"], reader, features)
        return self

    def _read_members(self, content, reader):
        """Read the networks, the errors, and what `fit(resume=True)` needs."""
        members, targets = content["members"], self.targets
        check(isinstance(members, list), "members")
        check((len(members) == 0) == (targets.is_classifier and targets.n_out == 1), "members")
        shapes = [network_arrays.shape_of(reader, f"params{i}") for i in range(len(members))]
        sizes = []
        for member, (n_folds, n_snapshots) in zip(members, shapes):
            hidden = member["hidden"]
            check(isinstance(hidden, list) and 0 < len(hidden) <= MAX_HIDDEN, "hidden")
            check(all(is_count(size, MAX_WIDTH, 1) for size in hidden), "hidden")
            check(is_count(member["encoder"], len(self.encoders) - 1), "encoder")
            check(is_finite(member["share"]) and 0 <= member["share"] <= 1, "share")
            check(n_folds == shapes[0][0] and n_snapshots <= MAX_SNAPSHOTS, "params")
            sizes.append([self.encoders[member["encoder"]].n_inputs, *hidden, targets.n_out])
        expected: dict = {"importances": ([self.features.n_columns], "F64")}
        if "score_drops" in reader.entries:
            expected["score_drops"] = [self.features.n_columns], "F64"
        for i, (size, shape) in enumerate(zip(sizes, shapes)):
            n_params = sum(a * b + b for a, b in pairwise(size))
            expected[f"params{i}"] = [*shape, n_params], "F32"
        if "unfinished" in content:
            self.checkpoint = FitCheckpoint.from_json(content["unfinished"])
            n_done = len(self.checkpoint.folds)
            check(len(shapes) > 0 and all(shape[0] == n_done for shape in shapes), "folds")
            used = self.checkpoint.used
            check(used is None or len(used) == len(members), "used")
            if self.checkpoint.n_final:
                found = [len(folds[0]) for folds in self.checkpoint.best if folds]
                check(found == [shape[1] for shape in shapes], "best")
        spare_sizes = self._spare_sizes(reader, sizes)
        for c, (shape, size) in spare_sizes.items():
            n_params = sum(a * b + b for a, b in pairwise(size))
            expected[f"spare{c}"] = [*shape, n_params], "F32"
        used = [member["share"] > 0 for member in members]
        check(any(used or [True]) and (self.checkpoint is not None or all(used)), "share")
        final = self._final_shapes(members, shapes, reader)
        for i, shape in final.items():
            expected[f"final{i}"] = [*shape, *expected[f"params{i}"][0][2:]], "F32"
        has_errors = not targets.is_classifier and targets.n_out == 1
        if has_errors:
            n = reader.length("errors", minimum=0)
            expected |= {"errors": ([n], "F64"), "errors_fold": ([n], "I64")}
        if "profile" in content:
            expected |= TableProfile.expected_arrays(content["profile"], reader)
        expected |= Background.expected_arrays(reader, self.features)
        reader.check(expected)
        self.background = Background.read(reader, self.features)
        for i, (member, size) in enumerate(zip(members, sizes)):
            networks = network_arrays.networks_of(size, targets.output, reader.array(f"params{i}"))
            self.members.append(EnsembleMember(member["encoder"], member["share"], networks))
        if self.checkpoint is not None:
            self.checkpoint.final = [
                network_arrays.networks_of(sizes[i], targets.output, reader.array(f"final{i}"))
                for i in final
            ]
        for c, spare in self._spare_of_configurations().items():
            params = reader.array(f"spare{c}")
            found = network_arrays.networks_of(spare_sizes[c][1], targets.output, params)
            for networks, one in zip(found, spare):
                one.networks = networks
        if has_errors:
            errors, fold = reader.array("errors"), reader.array("errors_fold")
            check(np.all((fold >= 0) & (fold < self.n_folds)), "errors_fold")
            n_folds = 1 if self.is_forward else self.n_folds
            self.errors = [errors[fold == i, None] for i in range(n_folds)]

    def _spare_of_configurations(self):
        """Return {configuration: list of SpareNetworks}."""
        out: dict = {}
        for spare in self.checkpoint.spare if self.checkpoint is not None else ():
            out.setdefault(spare.configuration, []).append(spare)
        return out

    def _spare_sizes(self, reader, sizes):
        """Return {configuration: (shape, sizes of the layers)} of its spare networks.

        sizes : of the members, whose hidden layers they have
        """
        out = {}
        for c, spare in self._spare_of_configurations().items():
            name, (_, *others) = f"spare{c}", sizes[0]
            shape = network_arrays.shape_of(reader, name)
            check(shape[0] == len(spare) and shape[1] <= MAX_SNAPSHOTS, name)
            check(all(len(s.best) in (0, shape[1]) for s in spare), name)
            n_params = reader.entries[name]["shape"][2]
            check(is_count(n_params, 2**40), name)
            left = n_params - others[0] - sum(a * b + b for a, b in pairwise(others))
            check(left > 0 and left % others[0] == 0, name)
            check(left // others[0] <= MAX_WIDTH, name)
            out[c] = shape, [left // others[0], *others]
        return out

    def _final_shapes(self, members, shapes, reader):
        """Return {position of a member: (n_networks, n_snapshots)} of networks on all rows."""
        if self.checkpoint is None or not self.checkpoint.n_final:
            return {}
        weighted = [i for i, member in enumerate(members) if member["share"] > 0]
        if not any(f"final{i}" in reader.entries for i in weighted):
            return {}
        final = {i: network_arrays.shape_of(reader, f"final{i}") for i in weighted}
        n = {n for n, _ in final.values()}
        check(len(n) == 1 and n.pop() <= self.checkpoint.n_final, "final")
        check(all(final[i][1] == shapes[i][1] for i in final), "final")
        check(len(self.checkpoint.folds) == self.checkpoint.n_folds, "final")
        return final


def mean_output(networks, table, n_threads):
    """Return the mean output of networks, (n, n_out) in float64."""
    from ..many import forward_many  # errors about files need not wait for it

    return forward_many(networks, table, n_threads=n_threads).mean(axis=0, dtype=np.float64)

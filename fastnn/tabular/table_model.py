"""TableModel: the fitted model of a table, which predicts, and is written to files."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..estimators.network_means import mean_over_networks
from ..files.checks import check, check_mapping, is_count
from . import network_arrays
from .checking.profile import TableProfile
from .checkpoint import FitCheckpoint
from .columns.features import Features
from .encoder import Encoder
from .explaining.background import Background
from .network_arrays import StoredNetworks
from .row_split import FoldRows, RowSplit

BLOCK = 20_000  # rows that are encoded and predicted at a time


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
        Errors of the predictions for the rows that each fold held out, for intervals. None for
        classes and several quantiles.
    checkpoint : FitCheckpoint or None
        What `fit(resume=True)` needs if Ctrl-C has stopped the fit.
    split : RowSplit or None
        How the rows were split into folds; None in files of older versions.
    background : Background or None
        Some of the training rows, for explanations; None if the file was written without them.
    profile : TableProfile or None
        What the training table held, for `check`; None in files of older versions.
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
    checkpoint: FitCheckpoint | None = None
    split: RowSplit | None = None
    profile: TableProfile | None = None
    background: Background | None = None
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
        out = network_arrays.to_arrays(self.members, self.checkpoint)
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
        encoders = [Encoder.from_json(d, n_numbers, categories) for d in content["encoders"]]
        learned = targets.from_json(check_mapping(content["targets"], "targets"))
        split = RowSplit.from_json(content["split"]) if "split" in content else None
        checkpoint = profile = None
        if "unfinished" in content:
            checkpoint = FitCheckpoint.from_json(content["unfinished"])
        networks = StoredNetworks(content, reader, encoders, learned, checkpoint)
        has_errors = not learned.is_classifier and learned.n_out == 1
        expected: dict = {"importances": ([n_columns], "F64")}
        if "score_drops" in reader.entries:
            expected["score_drops"] = [n_columns], "F64"
        expected |= networks.expected()
        if has_errors:
            n = reader.length("errors", minimum=0)
            expected |= {"errors": ([n], "F64"), "errors_fold": ([n], "I64")}
        if "profile" in content:
            expected |= TableProfile.expected_arrays(content["profile"], reader)
        expected |= Background.expected_arrays(reader, features)
        reader.check(expected)
        if "profile" in content:
            profile = TableProfile.read(content["profile"], reader, features)
        is_forward = split is not None and split.is_forward and checkpoint is None
        return cls(
            features=features,
            encoders=encoders,
            members=[
                EnsembleMember(member["encoder"], member["share"], found)
                for member, found in zip(content["members"], networks.read_members())
            ],
            targets=learned,
            target_name=target_name,
            errors=_read_errors(reader, networks.n_folds, is_forward) if has_errors else None,
            checkpoint=networks.read_checkpoint(),
            split=split,
            profile=profile,
            background=Background.read(reader, features),
        )


def _read_errors(reader, n_folds, is_forward):
    """Return the errors of each fold, or of all together if the networks are not those of folds."""
    errors, fold = reader.array("errors"), reader.array("errors_fold")
    check(np.all((fold >= 0) & (fold < n_folds)), "errors_fold")
    return [errors[fold == i, None] for i in range(1 if is_forward else n_folds)]


def mean_output(networks, table, n_threads):
    """Return the mean output of networks, (n, n_out) in float64."""
    from ..many import forward_many  # errors about files need not wait for it

    return forward_many(networks, table, n_threads=n_threads).mean(axis=0, dtype=np.float64)

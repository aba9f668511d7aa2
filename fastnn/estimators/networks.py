"""The networks of an estimator, its targets, and the fitted attributes that describe both."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..mlp import MLP
from ..state import History
from ..training.data import Data
from . import parameters
from .resampling import LossStopping, ScoreStopping
from .targets import MULTILABEL, ClassTargets, NumberTargets, warn_one_class

#: Attributes that calls after fit set, or that describe its networks; further training deletes them.
AFTER_FIT = ("temperature_", "oof_prediction_", "held_out_errors_", "spread_")


def targets_class(estimator):
    """Return the class of the targets of an estimator."""
    return ClassTargets if estimator.is_classifier else NumberTargets


def prepare(estimator, rows, fresh, classes=None):
    """Create the networks if `fresh`, without parameters, and return their training Data.

    Parameters
    ----------
    estimator : BaseMLP
    rows : inputs.ValidRows
    fresh : bool
    classes
        As in `partial_fit`.
    """
    X, y, weight, targets, class_weight = rows
    if not fresh:
        targets = estimator.targets_
    elif targets is None:
        targets = targets_class(estimator).fit(y, classes)
    encoded = targets.encode(y, X.dtype, type(estimator).__name__)
    loss = prepare_networks(estimator, X.shape[1], X.dtype, targets, fresh)
    if class_weight is None:
        class_weight = getattr(estimator, "class_weight", None)
    class_weights = targets.class_weights(class_weight, y)
    data = Data.of(estimator.networks_[0], X, encoded, loss, weight)
    data.alpha = float(estimator.alpha)
    return data.weighted(class_weights)


def prepare_networks(estimator, n_inputs, dtype, targets, fresh):
    """Create the networks of an estimator if `fresh`, without parameters, and return their loss."""
    parameters.check_ensemble_callbacks(estimator)
    if fresh and targets.has_classes and targets.kind != MULTILABEL:
        warn_one_class(targets.classes)
    loss = targets.resolve_loss(estimator.loss)
    n_out, output = targets.outputs(loss)
    if fresh:
        sizes = [n_inputs, *parameters.hidden_sizes(estimator.hidden_layer_sizes), n_out]
        names = parameters.activations(estimator.activation)
        n = estimator.n_estimators
        networks = [MLP(sizes, names, output, dtype=dtype, rng=0) for _ in range(n)]
        _set_networks(estimator, networks, [NetworkRecord() for _ in networks])
    else:
        parameters.check_same_networks(estimator.networks_, estimator, n_out, output)
    vars(estimator).update(replace(targets, loss=loss).attributes())
    for net in estimator.networks_:
        net.dropout = estimator.dropout
    for name in AFTER_FIT:
        vars(estimator).pop(name, None)
    return loss


def restore(estimator, networks, network_records, n_iter, last_losses):
    """Set the attributes that fit sets for its networks.

    network_records : list of NetworkRecord, one for each network
    last_losses : list of float
    """
    _set_networks(estimator, networks, network_records)
    estimator.n_iter_ = n_iter
    estimator.loss_ = last_losses if len(networks) > 1 else last_losses[0]


def _set_networks(estimator, networks, network_records):
    """Set the networks, and the attributes that describe them and their NetworkRecords."""
    sizes, output = networks[0].layer_sizes, networks[0].activations[-1]
    estimator.networks_ = networks
    estimator.n_outputs_, estimator.n_layers_ = sizes[-1], len(sizes)
    estimator.out_activation_ = parameters.SKLEARN_OUTPUTS.get(output, output)
    write_records(estimator, network_records)


@dataclass
class NetworkRecord:
    """What the fitted attributes say about the training of one network.

    An estimator with one network has them as they are here. An ensemble has lists, with one item
    for each network.
    """

    n_seen: int = 0
    loss_curve: list = field(default_factory=list)
    validation_loss_curve: list = field(default_factory=list)
    best_loss: Any = np.inf  # in the fitted attributes None with early_stopping, as in scikit-learn
    scores: Any = None  # list, or None without validation scores

    def __post_init__(self):
        if self.best_loss is None:
            self.best_loss = np.inf

    @property
    def best_score(self):
        return None if self.scores is None else max(self.scores, default=None)

    @property
    def last_loss(self):
        return self.loss_curve[-1] if self.loss_curve else np.nan

    def add(self, history, n_rows, callbacks=()):
        """Add a training on n_rows rows. callbacks : the member's, from `resampling.keep_best_epoch`."""
        self.n_seen += n_rows * history.n_epochs
        self.loss_curve += history.loss
        self.validation_loss_curve += history.val_loss
        self.best_loss = min([self.best_loss, *history.loss])
        for callback in callbacks:
            if isinstance(callback, ScoreStopping) and not isinstance(callback, LossStopping):
                self.scores = [*(self.scores or []), *callback.scores]


class EpochRecorder:
    """Adds an epoch of each network to the fitted attributes of an estimator.

    Curves are extended in place: copying long ones would take longer than the epoch.

    Attributes
    ----------
    histories : list of History
        One for each network, which the caller replaces by those of its sessions.
    """

    def __init__(self, estimator, n_rows):
        self.estimator, self.n_rows = estimator, n_rows
        self.before = [(replace(r), len(r.loss_curve)) for r in read_records(estimator)]
        self.histories = [History() for _ in self.before]

    def write(self):
        """Set the attributes. Repeating it is harmless."""
        updated = []
        for (before, n), history in zip(self.before, self.histories):
            del before.loss_curve[n:]
            record = replace(before)
            record.add(history, self.n_rows)
            updated.append(record)
        write_records(self.estimator, updated, [history.n_epochs for history in self.histories])


#: Fitted attributes, and the fields of a NetworkRecord that they hold, in the order of its constructor.
RECORDED = {
    "t_": "n_seen",
    "loss_curve_": "loss_curve",
    "validation_loss_curve_": "validation_loss_curve",
    "best_loss_": "best_loss",
    "validation_scores_": "scores",
}


def read_records(estimator):
    """Return the NetworkRecords in the fitted attributes of an estimator."""
    values, n = [getattr(estimator, name) for name in RECORDED], len(estimator.networks_)
    if n == 1:
        return [NetworkRecord(*values)]
    values = [[None] * n if each is None else each for each in values]
    return [NetworkRecord(*each) for each in zip(*values)]


def write_records(estimator, records, n_iter=None):
    """Set the fitted attributes. n_iter : number of epochs of each network in this training."""
    fields = RECORDED | {"best_validation_score_": "best_score"}
    if n_iter is not None:
        fields["loss_"] = "last_loss"
        estimator.n_iter_ = max(n_iter)
    for name, attribute in fields.items():
        hides = name == "best_loss_" and estimator.early_stopping
        values = [None if hides else getattr(record, attribute) for record in records]
        has_none = all(each is None for each in values)
        setattr(estimator, name, values[0] if len(values) == 1 else None if has_none else values)

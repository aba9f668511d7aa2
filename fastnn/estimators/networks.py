"""The networks of an estimator, its targets, and the fitted attributes that describe both."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..mlp import MLP
from ..state import History
from ..training.data import Data
from . import parameters
from .class_targets import MULTILABEL, ClassTargets, warn_one_class
from .early_stopping import LossStopping, ScoreStopping
from .number_targets import NumberTargets

#: Attributes that calls after fit set, or that describe its networks; further training deletes them.
AFTER_FIT = ("temperature_", "oof_prediction_", "held_out_errors_")


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
    parameters.check_callbacks(estimator)
    if fresh and targets.has_classes and targets.kind != MULTILABEL:
        warn_one_class(targets.classes)
    loss = targets.resolve_loss(estimator.loss)
    n_out, output = targets.outputs(loss)
    if fresh:
        sizes = [n_inputs, *parameters.hidden_sizes(estimator.hidden_layer_sizes), n_out]
        names = parameters.activations(estimator.activation)
        estimator.networks_ = [
            MLP(sizes, names, output, dtype=dtype, rng=0) for _ in range(estimator.n_estimators)
        ]
        estimator.n_outputs_, estimator.n_layers_ = n_out, len(sizes)
        estimator.out_activation_ = parameters.SKLEARN_OUTPUTS.get(output, output)
        write_records(estimator, [Record() for _ in estimator.networks_])
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

    network_records : list of Record, one for each network
    last_losses : list of float
    """
    sizes, output = networks[0].layer_sizes, networks[0].activations[-1]
    estimator.networks_, estimator.n_iter_ = networks, n_iter
    estimator.n_outputs_, estimator.n_layers_ = sizes[-1], len(sizes)
    estimator.out_activation_ = parameters.SKLEARN_OUTPUTS.get(output, output)
    write_records(estimator, network_records)
    estimator.loss_ = last_losses if len(networks) > 1 else last_losses[0]


@dataclass
class Record:
    """What the fitted attributes say about the training of one network.

    An estimator with one network has them as they are here. An ensemble has lists, with one item
    for each network.
    """

    n_seen: int = 0
    loss_curve: list = field(default_factory=list)
    validation_loss_curve: list = field(default_factory=list)
    best_loss: float = np.inf
    scores: Any = None  # list, or None without validation scores

    def add(self, history, n_rows, callbacks=()):
        """Add a training on n_rows rows. callbacks : the member's, from `early_stopping`."""
        self.n_seen += n_rows * history.n_epochs
        self.loss_curve += history.loss
        self.validation_loss_curve += history.val_loss
        self.best_loss = min([self.best_loss, *history.loss])
        for callback in callbacks:
            if isinstance(callback, ScoreStopping) and not isinstance(callback, LossStopping):
                self.scores = [*(self.scores or []), *callback.scores]


class Recording:
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


def read_records(estimator):
    """Return the Records in the fitted attributes of an estimator."""
    values = (
        estimator.t_,
        estimator.loss_curve_,
        estimator.validation_loss_curve_,
        estimator.best_loss_,
        estimator.validation_scores_,
    )
    if len(estimator.networks_) == 1:
        return [Record(*values)]
    *others, scores = values
    return [
        Record(*each)
        for each in zip(*others, [None] * len(estimator.networks_) if scores is None else scores)
    ]


def write_records(estimator, records, n_iter=None):
    """Set the fitted attributes. n_iter : number of epochs of each network in this training."""
    values: dict = {
        "t_": [r.n_seen for r in records],
        "loss_curve_": [r.loss_curve for r in records],
        "validation_loss_curve_": [r.validation_loss_curve for r in records],
        "best_loss_": [r.best_loss for r in records],
        "validation_scores_": [r.scores for r in records],
        "best_validation_score_": [
            None if r.scores is None else max(r.scores, default=None) for r in records
        ],
    }
    if n_iter is not None:
        values["loss_"] = [r.loss_curve[-1] if r.loss_curve else np.nan for r in records]
        estimator.n_iter_ = max(n_iter)
    for name, of_networks in values.items():
        has_none = all(each is None for each in of_networks)
        one = len(of_networks) == 1
        setattr(estimator, name, of_networks[0] if one else None if has_none else of_networks)

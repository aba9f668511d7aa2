"""The networks of an estimator, its targets and the attributes that describe them."""

from dataclasses import replace

from sklearn.base import is_classifier

from ..mlp import MLP
from ..training.data import Data
from . import parameters, records
from .class_targets import ClassTargets
from .number_targets import NumberTargets

#: Attributes that calls after fit set, or that describe its networks; further training deletes them.
AFTER_FIT = ("temperature_", "oof_prediction_", "held_out_errors_")


def targets_class(estimator):
    """Return the class of the targets of an estimator."""
    return ClassTargets if is_classifier(estimator) else NumberTargets


def prepare(estimator, X, y, weight, fresh, targets=None, classes=None):
    """Create the networks if `fresh`, without parameters, and return their training Data.

    Parameters
    ----------
    estimator : BaseMLP
    X, y, weight, targets
        What `inputs.validate_rows` returned.
    fresh : bool
    classes
        As in `partial_fit`.
    """
    parameters.check_callbacks(estimator)
    if not fresh:
        targets = estimator.targets_
    elif targets is None:
        targets = targets_class(estimator).fit(y, classes)
    encoded = targets.encode(y, X.dtype, type(estimator).__name__)
    loss = targets.resolve_loss(estimator.loss)
    n_out, output = targets.outputs(loss)
    if fresh:
        sizes = [X.shape[1], *parameters.hidden_sizes(estimator.hidden_layer_sizes), n_out]
        names = parameters.activations(estimator.activation)
        estimator.networks_ = [
            MLP(sizes, names, output, dtype=X.dtype, rng=0) for _ in range(estimator.n_estimators)
        ]
        estimator.n_outputs_, estimator.n_layers_ = n_out, len(sizes)
        estimator.out_activation_ = parameters.SKLEARN_OUTPUTS.get(output, output)
        records.write(estimator, [records.Record() for _ in estimator.networks_])
    else:
        parameters.check_same_networks(estimator.networks_, estimator, n_out, output)
    vars(estimator).update(replace(targets, loss=loss).attributes())
    for net in estimator.networks_:
        net.dropout = estimator.dropout
    for name in AFTER_FIT:
        vars(estimator).pop(name, None)
    class_weights = targets.class_weights(getattr(estimator, "class_weight", None), y)
    data = Data.of(estimator.networks_[0], X, encoded, loss, weight, float(estimator.alpha))
    return data.weighted(class_weights)


def restore(estimator, networks, network_records, n_iter, last_losses):
    """Set the attributes that fit sets for its networks.

    network_records : list of Record, one for each network
    last_losses : list of float
    """
    sizes, output = networks[0].layer_sizes, networks[0].activations[-1]
    estimator.networks_, estimator.n_iter_ = networks, n_iter
    estimator.n_outputs_, estimator.n_layers_ = sizes[-1], len(sizes)
    estimator.out_activation_ = parameters.SKLEARN_OUTPUTS.get(output, output)
    records.write(estimator, network_records)
    estimator.loss_ = last_losses if len(networks) > 1 else last_losses[0]

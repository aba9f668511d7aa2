"""Read and write files of fitted estimators. docs/model_file.md specifies them.

The arrays of network i have the names of a model file of this network, after the prefix
"networks.i.", and its loss curves are beside them. Everything else is JSON in the text metadata.
Nothing in a file is run.
"""

import math

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .. import kernels
from ..files import kinds, model, safetensors
from ..files.json_values import (
    check,
    check_mapping,
    damage_refused,
    is_count,
    is_finite,
    parse_json,
    to_text,
)
from ..mlp import MLP, class_of, from_content
from . import parameters
from .mixins import lock_of
from .networks import NetworkRecord, read_records, restore, targets_class
from .parameters import MAX_NETWORKS
from .spread import ACTIVATION, OUTPUT, Spread, read_spread_numbers

FORMAT, VERSION = "fastnn-estimator", 1
#: Arrays of a network besides those of a model file, and the fields of its NetworkRecord.
CURVES = {
    "loss_curve": "loss_curve",
    "validation_loss_curve": "validation_loss_curve",
    "validation_scores": "scores",
}


# ---- write ----


def write(path, estimator, state):
    """Write a fitted estimator to a file, atomically.

    state : bool
        Whether to write the training states of its networks.
    """
    reading = kernels.Reading([lock_of(estimator), *vars(estimator).get("networks_", [])])
    check_is_fitted(estimator, "n_iter_")
    if not kinds.is_class_of(FORMAT, type(estimator)):
        raise TypeError(
            f"save writes an MLPClassifier or an MLPRegressor, got the subclass {type(estimator).__name__}. "
            "Save its networks with networks_[i].save, or use pickle."
        )
    arrays: dict = {}
    networks = []
    last_losses = estimator.loss_ if len(estimator.networks_) > 1 else [estimator.loss_]
    for i, (net, record) in enumerate(zip(estimator.networks_, read_records(estimator))):
        network, prefix = model.content_of(net, state), f"networks.{i}."
        arrays |= model.arrays_of(network, prefix)
        for name, attribute in CURVES.items():
            if curve := getattr(record, attribute):
                arrays[prefix + name] = np.array(curve, np.float64)
        training = dict(
            n_seen=record.n_seen,
            loss=_finite_or_none(last_losses[i]),
            best_loss=_finite_or_none(record.best_loss),
            has_scores=record.scores is not None,
        )
        networks.append(model.describe(network) | {"training": training})
    errors, spread = (getattr(estimator, name, None) for name in ("held_out_errors_", "spread_"))
    arrays |= _arrays_of_errors(errors, spread)
    names = getattr(estimator, "feature_names_in_", None)
    content = dict(
        estimator=type(estimator).__name__,
        parameters=parameters.describe_parameters(estimator),
        n_features_in=estimator.n_features_in_,
        feature_names_in=None if names is None else names.tolist(),
        targets=estimator.targets_.to_json(estimator.loss),
        networks=networks,
        n_iter=estimator.n_iter_,
        fold_seed=getattr(estimator, "fold_seed_", None),
        held_out=errors is not None,
        temperature=getattr(estimator, "temperature_", None),
    )
    if spread is not None:
        content["spread"] = spread.to_json()
    metadata = {
        "format": FORMAT,
        "format_version": str(VERSION),
        "estimator": to_text(content),
    }
    safetensors.write(path, arrays, metadata, reading.check)


def _arrays_of_errors(errors, spread):
    """Return the arrays of errors on held-out rows, and of the Spread, by name. Each may be None."""
    arrays: dict = {}
    if errors is not None and errors[0] is not None:
        arrays["errors"] = np.concatenate(errors)
        arrays["errors_network"] = np.repeat(np.arange(len(errors)), [len(x) for x in errors])
    if spread is not None:
        arrays["spread"] = np.stack([net.params for net in spread.networks])
        arrays["errors_scaled"] = spread.errors
    return arrays


def _finite_or_none(x):
    return float(x) if math.isfinite(x) else None


# ---- read ----


def read(path):
    """Return the estimator of a file.

    Raises
    ------
    ModelFileError
        The file does not hold an estimator, is damaged, or was written by a newer version.
    """
    with safetensors.reading(path) as reader:
        return read_from(reader)


def read_from(reader):
    """Return the estimator of an open file."""
    kinds.check_kind(reader.metadata, FORMAT, VERSION)
    content = check_mapping(parse_json(reader.metadata.get("estimator"), "estimator"), "estimator")
    with damage_refused("estimator"):
        return _read(reader, content)


def _read(reader, content):
    cls = class_of(FORMAT, content["estimator"])
    estimator = parameters.parse_parameters(content["parameters"], cls)
    n_features, names = content["n_features_in"], content["feature_names_in"]
    check(is_count(n_features, model.MAX_SIZE, 1), "n_features_in")
    estimator.n_features_in_ = n_features
    if names is not None:
        check(isinstance(names, list) and len(names) == n_features, "feature_names_in")
        check(all(type(name) is str for name in names), "feature_names_in")
        estimator.feature_names_in_ = np.array(names, dtype=object)
    targets = targets_class(estimator).from_json(content["targets"], estimator.loss)
    vars(estimator).update(targets.attributes())
    _read_networks(reader, content, estimator)
    if content["fold_seed"] is not None:
        check(is_count(content["fold_seed"], 2**31), "fold_seed")
        estimator.fold_seed_ = content["fold_seed"]
    if content["temperature"] is not None:
        temperature = content["temperature"]
        check(is_finite(temperature) and temperature > 0, "temperature")
        estimator.temperature_ = temperature
    return estimator


def _read_networks(reader, content, estimator):
    """Read the networks, the records of their training and the errors on held-out rows."""
    networks = content["networks"]
    check(isinstance(networks, list) and 0 < len(networks) <= MAX_NETWORKS, "networks")
    expected: dict = {}
    architectures: list = []
    for i, description in enumerate(networks):
        network, prefix = model.parse(check_mapping(description, "networks")), f"networks.{i}."
        architectures.append(network)
        check(_architecture(network) == _architecture(architectures[0]), "networks")
        expected |= model.expected_arrays(reader, network, prefix)
        for name in CURVES:
            if prefix + name in reader.entries:
                expected[prefix + name] = [reader.length(prefix + name)], "F64"
    targets, (sizes, activations, bias, _) = estimator.targets_, _architecture(architectures[0])
    outputs = sizes[-1], activations[-1]
    check(bias and outputs == targets.outputs(targets.loss), "targets")
    check(sizes[0] == estimator.n_features_in_, "n_features_in")
    has_errors = "errors" in reader.entries
    if has_errors:
        n = reader.length("errors_network")
        expected |= {"errors": ([n, targets.n_targets], "F64"), "errors_network": ([n], "I64")}
    if "spread" in content:
        check(has_errors and targets.n_targets == 1, "spread")
        expected |= _expected_spread(reader, content["spread"], architectures)
    reader.check(expected)

    trained, of_networks = [], []
    for i, network in enumerate(architectures):
        model.read_arrays(reader, network, f"networks.{i}.")
        trained.append(from_content(network))
        of_networks.append(_record(reader, networks[i]["training"], f"networks.{i}."))
    last = [_number(network["training"]["loss"], math.nan) for network in networks]
    check(is_count(content["n_iter"], 2**62), "n_iter")
    restore(estimator, trained, of_networks, content["n_iter"], last)
    check(type(content["held_out"]) is bool and content["held_out"] >= has_errors, "held_out")
    estimator.held_out_errors_ = [None] * len(networks) if content["held_out"] else None
    if has_errors:
        errors, network = reader.array("errors"), reader.array("errors_network")
        check(np.all((network >= 0) & (network < len(networks))), "errors_network")
        estimator.held_out_errors_ = [errors[network == i] for i in range(len(networks))]
    if "spread" in content:
        estimator.spread_ = _read_spread(reader, content["spread"], sizes[0])


def _expected_spread(reader, described, architectures):
    """Return {name: (shape, dtype)} of the arrays of a Spread, after checks of its description."""
    hidden = check_mapping(described, "spread")["hidden"]
    check(isinstance(hidden, list) and len(hidden) == 1, "spread")
    check(is_count(hidden[0], model.MAX_SIZE, 1), "spread")
    n_params = hidden[0] * (architectures[0].layer_sizes[0] + 2) + 1
    dtype = "F32" if architectures[0].dtype == np.float32 else "F64"
    n_errors = reader.length("errors_network")
    return {
        "spread": ([len(architectures), n_params], dtype),
        "errors_scaled": ([n_errors], "F64"),
    }


def _read_spread(reader, described, n_inputs):
    sizes, networks = [n_inputs, *described["hidden"], 1], []
    for params in reader.array("spread"):
        net = MLP(sizes, ACTIVATION, OUTPUT, dtype=params.dtype, rng=0)
        net.params = params
        networks.append(net)
    return Spread(networks, **read_spread_numbers(described), errors=reader.array("errors_scaled"))


def _architecture(network):
    return network.layer_sizes, network.activations, network.bias, network.dtype


def _record(reader, training, prefix):
    """Return the NetworkRecord of the training of a network."""
    curves = {
        attribute: reader.array(prefix + name).tolist() if prefix + name in reader.entries else []
        for name, attribute in CURVES.items()
    }
    check(type(training["has_scores"]) is bool, "has_scores")
    if not training["has_scores"]:
        check(not curves["scores"], "has_scores")
        curves["scores"] = None
    check(is_count(training["n_seen"], 2**62), "n_seen")
    return NetworkRecord(
        training["n_seen"], best_loss=_number(training["best_loss"], math.inf), **curves
    )


def _number(x, if_none):
    check(x is None or is_finite(x), "training")
    return if_none if x is None else x

"""Read and write files of estimators for tables, with their encoding.

The file is a safetensors file. The array "params0" (number of folds, number of snapshots, n_params)
has the parameters of the networks of member 0, and so on; "importances" (n_features,) and, for a
regression, "errors" (m,) and "errors_fold" (m,) are what `feature_importances_` and
`predict_interval` need. A fit that Ctrl-C has stopped also has the members of share 0, and
"unfinished" in its JSON. Everything else is JSON in the text metadata: the model, and `metadata_`,
unless it is empty, under "user". Nothing in a file is run.
"""

import json

import numpy as np
from sklearn.base import is_classifier

from .. import losses
from ..files import ModelFileError, kinds, labels, safetensors
from ..files.checks import check, is_finite
from ..files.model import check_user_metadata
from ..files.safetensors import check_mapping, is_count, parse_json
from .model import TableModel
from .targets import Classes, Numbers

FORMAT, VERSION = "fastnn-tabular", 1


# ---- write ----


def write(path, estimator):
    """Write a fitted estimator to a file, atomically."""
    model = estimator.model_
    arrays = {"importances": np.asarray(estimator.feature_importances_, np.float64)}
    parameters = estimator.get_params(False).items()
    content = dict(
        estimator=type(estimator).__name__,
        parameters={name: _to_json(name, value) for name, value in parameters},
        fitted=dict(
            n_features_in_=estimator.n_features_in_,
            oof_score_=estimator.oof_score_,
            _target_name=model.target_name,
        ),
        **model.to_json(),
    )
    metadata = {
        "format": FORMAT,
        "format_version": str(VERSION),
        "model": json.dumps(content, allow_nan=False, separators=(",", ":")),
    }
    if estimator.metadata_:
        user = check_user_metadata(estimator.metadata_, ValueError, "metadata_")
        metadata["user"] = json.dumps(user)
    safetensors.write(path, arrays | model.arrays(), metadata)


def _to_json(name, value):
    """Return a parameter of the estimator as JSON holds it."""
    if name == "random_state" and not isinstance(value, (int, np.integer)):
        return None  # the state of a generator does not matter to a fitted estimator
    if isinstance(value, losses.Loss):
        return losses.describe(value)
    if isinstance(value, dict):
        return [[labels.to_json(key), float(weight)] for key, weight in value.items()]
    if hasattr(value, "__iter__") and not isinstance(value, (str, bytes)):
        return [_to_json(name, item) for item in value]
    return labels.to_json(value)


# ---- read ----


def read(path, estimators):
    """Return the estimator of a file.

    estimators : sequence of classes
        Those that a file can hold.

    Raises
    ------
    ModelFileError
        The file does not hold an estimator for tables, is damaged, or was written by a newer
        version.
    """
    with safetensors.reading(path) as reader, kinds.damage_refused("model"):
        return _read(reader, {cls.__name__: cls for cls in estimators})


def _read(reader, class_of):
    metadata = reader.metadata
    kinds.check(metadata, FORMAT, VERSION)
    content = check_mapping(parse_json(metadata.get("model"), "model"), "model")
    estimator = _estimator(content, class_of)
    fitted = check_mapping(content["fitted"], "fitted")
    n_columns, score, target_name = (
        fitted[name] for name in ("n_features_in_", "oof_score_", "_target_name")
    )
    check(is_count(n_columns, 2**31), "n_features_in_")
    check(score is None or is_finite(score), "oof_score_")
    check(target_name is None or isinstance(target_name, str), "_target_name")
    targets = Classes if is_classifier(estimator) else Numbers
    importances = {"importances": ([n_columns], "F64")}
    model = TableModel.read(content, reader, n_columns, target_name, targets, importances)
    vars(estimator).update(
        model.attributes(),
        oof_score_=score,
        feature_importances_=reader.array("importances"),
        metadata_={},
    )
    if "user" in metadata:
        user = parse_json(metadata["user"], "user")
        estimator.metadata_ = check_user_metadata(user, ModelFileError, "metadata_")
    return estimator


def _estimator(content, class_of):
    """Return an estimator that is not fitted."""
    check(content["estimator"] in class_of, "estimator")
    parameters = dict(check_mapping(content["parameters"], "parameters"))
    if isinstance(parameters.get("loss"), dict):
        parameters["loss"] = losses.from_description(parameters["loss"])
    if isinstance(parameters.get("class_weight"), list):
        parameters["class_weight"] = dict(parameters["class_weight"])
    estimator = class_of[content["estimator"]](**parameters)
    estimator._validate_params()
    return estimator

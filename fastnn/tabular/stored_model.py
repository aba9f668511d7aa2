"""Read and write files of estimators for tables, with their encoding.

The file is a safetensors file. The array "params0" (number of folds, number of snapshots, n_params)
has the parameters of the networks of member 0, and so on; "importances" (n_features,) and, for a
regression, "errors" (m,) and "errors_fold" (m,) are what `feature_importances_` and
`predict_interval` need. A fit that Ctrl-C has stopped also has the members of weight 0, and
"unfinished" in its JSON. Everything else is JSON in the text metadata: the model, and `metadata_`,
unless it is empty, under "user". Nothing in a file is run.

`read` returns the estimator. `load` is for the command line: what it returns has the same attributes
and predictions, but cannot be fitted, and needs no scikit-learn, which takes a second to import.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import losses
from ..core.errors import Argument, DataError
from ..core.validation import check_flag
from ..files import ModelFileError, json_values, kinds, safetensors
from ..files.json_values import check, check_mapping, damage_refused, is_finite, parse_json, to_text
from ..files.model import check_user_metadata
from ..mlp import class_of
from . import metrics, monotone
from .model import TableModel
from .predictions import ClassPredictions, NumberPredictions
from .targets import TableClasses, TableNumbers

if TYPE_CHECKING:
    pass


FORMAT, VERSION = "fastnn-tabular", 1
#: What estimators learn, by the names of their classes.
TARGETS: dict[str, Any] = {"TabularClassifier": TableClasses, "TabularRegressor": TableNumbers}
MAX_NAME = 1000  # characters of the name of a metric
SPARE = 100_000  # bytes of the header for arrays, members and what resuming needs


# ---- write ----


def write(path, estimator, on_written=None, background=True):
    """Write a fitted estimator to a file, atomically.

    on_written : as in `safetensors.write`
    background : whether to write the training rows that the model keeps
    """
    model = estimator.model_
    arrays = {"importances": np.asarray(estimator.feature_importances_, np.float64)}
    if estimator.feature_score_drops_ is not None:
        arrays["score_drops"] = estimator.feature_score_drops_
    score, name = estimator.oof_score_, estimator.oof_score_name_
    score = None if score is None or not math.isfinite(score) else score
    content = _to_dict(type(estimator).__name__, estimator.get_params(False), model, (score, name))
    metadata = {
        "format": FORMAT,
        "format_version": str(VERSION),
        "model": to_text(content, allow_nan=False),
    }
    if estimator.metadata_:
        user = check_user_metadata(estimator.metadata_, ValueError, "metadata_")
        metadata["user"] = to_text(user)
    arrays |= model.arrays()
    if check_flag("background", background) and model.background is not None:
        arrays |= model.background.arrays()
    safetensors.write(path, arrays, metadata, on_written, advice="Store less in metadata_.")


def check_before_training(options, model, n_folds):
    """Raise ValueError if the header of a file is too small for an estimator once it is trained.

    Classes of a kind that no file can hold are left to `save`: a user who never saves may have them.

    Parameters
    ----------
    options : fitting.table_fit.TableFitOptions
    model : TableModel
        Without networks, with all encoders that they may use.
    n_folds : int
    """
    try:
        content = _to_dict(options.estimator_name, options.parameters, model, (None, ""))
    except json_values.LabelError:
        return
    room = safetensors.MAX_HEADER - SPARE - 8 * n_folds - options.metadata_bytes
    n_bytes = _n_bytes(content)
    if n_bytes <= room:
        return
    features = model.features
    sizes: dict = {  # {part: (bytes, what to do)}
        f"the names of {features.n_columns:,} columns": (
            _n_bytes([features.names, features.left_out]),
            "Shorten the names, or pass fewer columns.",
        ),
        f"the encoding of {len(features.numbers):,} numbers": (
            _n_bytes(content["encoders"]),
            ("Leave columns out with ", Argument("drop"), "."),
        ),
        "the targets": (_n_bytes(content["targets"]), "Shorten the texts of the classes."),
    }
    for c in features.categories:
        if c.categories:
            label, longest = features.columns[c.source].label, max(map(len, c.categories))
            drop = ("Shorten its texts, or leave it out. Pass ", Argument("drop", [label]), ".")
            what = f"column {label!r} with {len(c.categories):,} categories of up to {longest:,} characters"
            sizes[what] = _n_bytes(c.categories), drop
    what, (size, advice) = max(sizes.items(), key=lambda item: item[1][0])
    raise DataError(
        "the model would describe its columns and targets in {n_bytes:,} bytes, but the header of "
        "its file has room for {room:,}. The largest part is {what}: {size:,} bytes.",
        "{advice}",
        n_bytes=n_bytes,
        room=max(room, 0),
        what=what,
        size=size,
        advice=advice,
    )


def _n_bytes(value):
    """Return the size of a value in a header, where it is JSON in JSON."""
    return len(to_text(to_text(value, allow_nan=False)).encode())


def _to_dict(name, parameters, model, score):
    """Return what a file says of an estimator, as JSON holds it.

    name, parameters : of the estimator; score : `oof_score_` and `oof_score_name_`
    """
    return dict(
        estimator=name,
        parameters={name: _to_json(name, value) for name, value in parameters.items()},
        fitted=dict(
            n_features_in_=model.features.n_columns,
            oof_score_=score[0],
            oof_score_name_=score[1],
            _target_name=model.target_name,
        ),
        **model.to_json(),
    )


def _to_json(name, value):
    """Return a parameter of the estimator as JSON holds it."""
    if name == "cv":
        return None  # a fitted estimator does not need the splitter
    if name == "metric" and callable(value):
        return {"function": metrics.name_of_custom(value)}
    if name == "random_state" and not isinstance(value, (int, np.integer)):
        return None  # the state of a generator does not matter to a fitted estimator
    return (
        losses.describe(value)
        if isinstance(value, losses.Loss)
        else json_values.describe_value(value)
    )


# ---- read ----


@dataclass
class EstimatorContent:
    """Content of a file.

    Attributes
    ----------
    estimator : str
        The name of its class.
    parameters : dict
        Those of its constructor, which are not checked.
    fitted : dict
        Its attributes after `fit`.
    """

    estimator: str
    parameters: dict[str, Any]
    fitted: dict[str, Any]


def read(path):
    """Return the estimator of a file.

    Raises
    ------
    ModelFileError
        The file does not hold an estimator for tables, is damaged, or was written by a newer
        version.
    """
    with safetensors.reading(path) as reader, damage_refused("model"):
        content = read_content(reader)
        estimator = class_of(FORMAT, content.estimator)(**content.parameters)
        estimator._validate_params()
        vars(estimator).update(content.fitted)
        return estimator


def read_content(reader):
    """Return the EstimatorContent of a file. reader : files.safetensors.Reader"""
    metadata = reader.metadata
    kinds.check_kind(metadata, FORMAT, VERSION)
    content = check_mapping(parse_json(metadata.get("model"), "model"), "model")
    parameters = dict(check_mapping(content["parameters"], "parameters"))
    if isinstance(parameters.get("metric"), dict):
        name = parameters["metric"]["function"]
        check(isinstance(name, str) and len(name) <= MAX_NAME, "metric")
        parameters["metric"] = metrics.MissingMetric(name)
    if isinstance(parameters.get("loss"), dict):
        parameters["loss"] = losses.from_description(parameters["loss"])
    if isinstance(parameters.get("class_weight"), list):
        parameters["class_weight"] = dict(parameters["class_weight"])
    parameters["monotone"] = monotone.parameter_from_json(parameters.get("monotone"))
    fitted = check_mapping(content["fitted"], "fitted")
    score = fitted["oof_score_"]
    check(score is None or is_finite(score), "oof_score_")
    name = content["estimator"]
    check(isinstance(name, str) and name in TARGETS, "estimator")
    model = TableModel.read(content, reader, fitted, TARGETS[name])
    user = parse_json(metadata["user"], "user") if "user" in metadata else {}
    attributes = dict(
        model.attributes(),
        oof_score_=score,
        oof_score_name_=_score_name(model, fitted, parameters.get("class_weight")),
        feature_importances_=reader.array("importances"),
        feature_score_drops_=(
            reader.array("score_drops") if "score_drops" in reader.entries else None
        ),
        metadata_=check_user_metadata(user, ModelFileError, "metadata_"),
    )
    return EstimatorContent(name, parameters, attributes)


def _score_name(model, fitted, class_weight):
    """Return `oof_score_name_`. Older files do not have it, nor metrics but these."""
    name = fitted.get("oof_score_name_")
    if name is None:
        is_classifier = model.targets.is_classifier
        return metrics.name_score("accuracy", class_weight) if is_classifier else "R2"
    check(isinstance(name, str) and len(name) <= MAX_NAME, "oof_score_name_")
    return name


# ---- files without scikit-learn ----


class _Stored:
    """The attributes of an EstimatorContent.

    Attributes
    ----------
    estimator_name : str
        The class of the estimator in the file.
    metric : str or object
        Its parameter; no text for a function of the user.
    """

    oof_score_: float | None

    def __init__(self, content):
        self.estimator_name = content.estimator
        self.n_threads = -1
        self.metric = content.parameters.get("metric", "auto")
        vars(self).update(content.fitted)

    def _estimator_name(self):
        return self.estimator_name

    def _reading(self):
        return nullcontext()


class StoredClassifier(_Stored, ClassPredictions):
    """A TabularClassifier in a file."""

    def __init__(self, content):
        super().__init__(content)
        self.threshold = content.parameters.get("threshold")
        self.model_.targets.find_threshold(self.threshold)  # raises an error if it is damaged


class StoredRegressor(_Stored, NumberPredictions):
    """A TabularRegressor in a file."""


def load(path):
    """Return the StoredClassifier or StoredRegressor of a file.

    Raises
    ------
    ModelFileError
        The file does not hold an estimator for tables, is damaged, or was written by a newer
        version.
    """
    with safetensors.reading(path) as reader, damage_refused("model"):
        content = read_content(reader)
        is_classifier = content.fitted["model_"].targets.is_classifier
        return (StoredClassifier if is_classifier else StoredRegressor)(content)

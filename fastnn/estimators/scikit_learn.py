"""Convert estimators from and to scikit-learn's MLPClassifier and MLPRegressor."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn import neural_network
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.validation import check_is_fitted

from .. import losses
from ..core.messages import warn
from ..mlp import MLP
from . import MLPClassifier, MLPRegressor, networks
from .networks import NetworkRecord
from .parameters import ACTIVATION_ALIASES, SKLEARN_OUTPUTS
from .targets import ClassTargets, NumberTargets

THEIRS = {
    MLPClassifier: neural_network.MLPClassifier,
    MLPRegressor: neural_network.MLPRegressor,
}
OUTPUTS = {theirs: ours for ours, theirs in SKLEARN_OUTPUTS.items()}
HIDDEN = {"identity": "identity", "sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}
SOLVERS = "adam", "sgd", "lbfgs"
#: Parameters that do not change what further training computes.
HARMLESS = "n_threads", "dtype", "bagging"


def from_sklearn(estimator: Any) -> Any:
    """Convert a fitted MLP of scikit-learn to the estimator of fastnn with the same predictions.

    Parameters, classes, names of features, loss curves and scores are copied. The state of the
    optimizer is not: `partial_fit` starts with new moments.

    Parameters
    ----------
    estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
        Fitted.

    Returns
    -------
    MLPClassifier or MLPRegressor

    Raises
    ------
    TypeError
        `estimator` is something else, such as a pipeline.
    NotFittedError
        `estimator` is not fitted.
    ValueError
        A classifier was fitted with one class.

    Examples
    --------
    >>> import fastnn
    >>> from sklearn.neural_network import MLPRegressor
    >>> theirs = MLPRegressor(hidden_layer_sizes=(4,), solver="lbfgs", random_state=0)
    >>> theirs = theirs.fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    >>> ours = fastnn.from_sklearn(theirs)
    >>> bool(abs(ours.predict([[1.5]]) - theirs.predict([[1.5]])) < 1e-12)
    True
    """
    cls = _class_for(estimator)
    check_is_fitted(estimator)
    parameters, known = estimator.get_params(deep=False), cls._get_param_names()
    converted = cls(**{k: copy.deepcopy(v) for k, v in parameters.items() if k in known})
    converted.n_features_in_ = estimator.n_features_in_
    if hasattr(estimator, "feature_names_in_"):
        converted.feature_names_in_ = estimator.feature_names_in_
    output = OUTPUTS.get(estimator.out_activation_, estimator.out_activation_)
    if cls is MLPClassifier:
        targets = ClassTargets.restore(_classes(estimator), _target_type(estimator), converted.loss)
    else:
        targets = NumberTargets(estimator.n_outputs_)
        targets = replace(targets, loss=targets.resolve_loss(converted.loss))
    vars(converted).update(targets.attributes())
    hidden = ACTIVATION_ALIASES.get(estimator.activation, estimator.activation)
    sizes = [len(estimator.coefs_[0]), *(W.shape[1] for W in estimator.coefs_)]
    net = MLP(sizes, hidden, output, dtype=estimator.coefs_[0].dtype, rng=0)
    net.rng = np.random.default_rng()
    for i, (W, b) in enumerate(zip(estimator.coefs_, estimator.intercepts_)):
        net.weights[i], net.biases[i] = W, b
    networks.restore(
        converted, [net], [_record(estimator)], estimator.n_iter_, [float(estimator.loss_)]
    )
    return converted


def _class_for(estimator):
    """Return the class of fastnn for an estimator of scikit-learn, or raise TypeError."""
    for ours, theirs in THEIRS.items():
        if isinstance(estimator, theirs):
            return ours
    is_pipeline = hasattr(estimator, "steps")
    advice = " Convert its last step: from_sklearn(pipeline[-1])." if is_pipeline else ""
    raise TypeError(
        "estimator must be an MLPClassifier or an MLPRegressor of sklearn.neural_network, got "
        f"{type(estimator).__name__}.{advice}"
    )


def _classes(estimator):
    if len(estimator.classes_) == 1:
        raise ValueError(
            f"estimator was fitted with one class, {estimator.classes_.tolist()[0]!r}, for which fastnn has "
            "other predictions: one probability. Fit it with at least two classes."
        )
    return estimator.classes_


def _target_type(estimator):
    if estimator.out_activation_ == "softmax":
        return "multiclass"
    return "binary" if estimator.n_outputs_ == 1 else "multilabel-indicator"


def _record(estimator):
    """Return the NetworkRecord of the training of an estimator of scikit-learn."""
    curve = [float(loss) for loss in getattr(estimator, "loss_curve_", ())]  # none with "lbfgs"
    # its Poisson loss differs by a number that depends on the rows
    is_poisson = estimator.out_activation_ == "exp"
    scores = getattr(estimator, "validation_scores_", None)
    return NetworkRecord(
        int(estimator.t_),
        curve,
        best_loss=math.inf if is_poisson else min([*curve, float(estimator.loss_)]),
        scores=None if scores is None else [float(score) for score in scores],
    )


def to_sklearn(estimator):
    """Return the estimator of scikit-learn. See `MLPClassifier.to_sklearn`."""
    check_is_fitted(estimator)
    if len(estimator.networks_) > 1:
        raise ValueError(
            f"to_sklearn converts one network, but this ensemble has {len(estimator.networks_)}, and "
            "scikit-learn's MLP has one. Fit with n_estimators=1."
        )
    cls = next(theirs for ours, theirs in THEIRS.items() if isinstance(estimator, ours))
    net = estimator.networks_[0]
    for i, name in enumerate(net.activations[:-1]):
        if name not in HIDDEN or name != net.activations[0]:
            raise ValueError(
                f"hidden layer {i} has the activation {name!r}, but scikit-learn's MLP has one of "
                f"{', '.join(HIDDEN)} for all hidden layers. Fit with one of these."
            )
    _check_targets(estimator, net)
    theirs, lost = _their_parameters(estimator, net, cls)
    if lost:
        warn(
            f"scikit-learn's {cls.__name__} has no equivalent of these parameters: "
            f"{', '.join(sorted(lost))}. Its predictions are the same, but further training would "
            "ignore them.",
        )
    out = cls(**theirs)
    _copy_attributes(estimator, net, out)
    return out


def _their_parameters(estimator, net, cls):
    """Return the parameters of an estimator of scikit-learn, and the names of those that it does not have."""
    known, parameters = cls._parameter_constraints, estimator.get_params(deep=False)
    lost = [
        name
        for name, default in type(estimator)().get_params(deep=False).items()
        if name not in (*HARMLESS, *known) and not _equal(parameters[name], default)
    ]
    theirs = {k: copy.deepcopy(v) for k, v in parameters.items() if k in cls().get_params()}
    if not isinstance(theirs["solver"], str) or theirs["solver"] not in SOLVERS:
        lost.append("solver")
        del theirs["solver"]
    if cls is neural_network.MLPRegressor:
        theirs.pop("loss", None)
        is_poisson = isinstance(estimator.targets_.loss, losses.Poisson)
        if net.activations[-1] == "exponential":
            theirs["loss"] = "poisson"
        if not is_poisson and estimator.loss != "squared_error":
            lost.append("loss")
    theirs["hidden_layer_sizes"] = net.layer_sizes[1:-1]
    if net.activations[:-1]:
        theirs["activation"] = HIDDEN[net.activations[0]]
    return theirs, lost


def _equal(value, default):
    return value is default or (type(value) is type(default) and value == default)


def _check_targets(estimator, net):
    if isinstance(estimator, MLPClassifier):
        if len(estimator.classes_) == 1:
            raise ValueError(
                "to_sklearn cannot convert a classifier of one class, for which scikit-learn has "
                "other predictions: two probabilities. Fit it with at least two classes."
            )
    elif (
        isinstance(estimator.targets_.loss, losses.GaussianNLL)
        or net.layer_sizes[-1] != estimator.targets_.n_targets
    ):
        raise ValueError(
            f"loss={estimator.targets_.loss!r} has several outputs for each target, but scikit-learn's MLPRegressor "
            "has one. Fit with another loss."
        )
    elif net.activations[-1] not in ("identity", "exponential"):
        raise ValueError(
            f"loss={estimator.targets_.loss!r} needs the output {net.activations[-1]!r}, which scikit-learn's "
            "MLPRegressor does not have. Fit with another loss."
        )


def _copy_attributes(estimator, net, out):
    """Set the fitted attributes of an estimator of scikit-learn."""
    out.coefs_ = [W.copy() for W in net.weights]
    out.intercepts_ = [b.copy() for b in net.biases]
    out._best_coefs = [W.copy() for W in net.weights]
    out._best_intercepts = [b.copy() for b in net.biases]
    out._no_improvement_count = 0
    for name in ("n_features_in_", "feature_names_in_", "n_layers_", "n_outputs_", "n_iter_", "t_"):
        if hasattr(estimator, name):
            setattr(out, name, getattr(estimator, name))
    out.out_activation_ = estimator.out_activation_
    out.loss_, out.loss_curve_ = estimator.loss_, list(estimator.loss_curve_)
    out.validation_scores_ = copy.copy(estimator.validation_scores_)
    out.best_validation_score_ = estimator.best_validation_score_
    out.best_loss_ = None if estimator.early_stopping else estimator.best_loss_
    if isinstance(estimator, MLPClassifier):
        is_multilabel = estimator.targets_.is_multilabel
        labels = np.eye(len(estimator.classes_), dtype=int) if is_multilabel else estimator.classes_
        out._label_binarizer = LabelBinarizer().fit(labels)
        out.classes_ = out._label_binarizer.classes_

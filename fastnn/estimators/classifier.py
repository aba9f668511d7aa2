"""MLPClassifier."""

from typing import ClassVar

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from .. import losses
from ..activations import ACTIVATIONS
from ..kernels import Activation, CompiledNetwork
from ..validation import check_number
from . import inputs, parameters
from .base import BaseMLP, partial_fit_available
from .calibration import best_temperature


class MLPClassifier(ClassifierMixin, BaseMLP):
    """A network that tells classes apart, as a scikit-learn estimator.

    Parameters and attributes have the names and meanings of
    ``sklearn.neural_network.MLPClassifier``, and with the same settings and ``shuffle=False`` it
    computes the same; docs/moving.md says what is different on purpose. y may hold two or more
    classes of any kind (strings too), or be an indicator matrix of 0 and 1 (multi-label).

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default (100,)
        Units of each hidden layer; () is a linear or logistic regression.
    activation : str or sequence of str, default "relu"
        Of all hidden layers, or of each: identity, logistic (or sigmoid), relu, tanh, leaky_relu,
        elu, softplus, gelu, silu, exponential, selu, mish.
    solver : {"adam", "sgd", "lbfgs"} or optimizer, default "adam"
        These three take their settings from the parameters below; an object such as
        ``fastnn.AdamW(lr=1e-3)`` brings its own.
    alpha : float, default 1e-4
        Penalty alpha/2 sum W^2 / n of a batch of n rows (or of weight n), no biases;
        scikit-learn's.
    batch_size : int or "auto", default "auto"
        Rows a step; "auto" is min(200, n).
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
        For solver="sgd": invscaling is learning_rate_init / (rows seen + 1)^power_t from epoch to
        epoch; adaptive divides by 5 where training would stop, down to 1e-6.
    learning_rate_init : float, default 1e-3
    power_t : float, default 0.5
    max_iter : int, default 1000
        Epochs at most; of lbfgs, iterations.
    shuffle : bool, default True
        A new order of the rows every epoch.
    random_state : int, RandomState or None, default None
        Draws the first weights (number for number those of scikit-learn's MLP), the rows held out,
        and the shuffling.
    tol : float, default 1e-4
    n_iter_no_change : int or inf, default 30
        Training stops after more epochs than this in a row without a loss (with early_stopping, a
        score) better by tol than the best.
    verbose : bool, default False
        A line of progress on standard error.
    warm_start : bool, default False
        fit goes on from the parameters of the last fit.
    momentum, nesterovs_momentum : float in [0, 1), default 0.9; bool, default True
        For solver="sgd".
    early_stopping : bool, default False
        Hold out validation_fraction of the rows, stop when their score no longer rises, and keep
        the best parameters. Nothing is held out by default: on small data every row counts, and a
        score of few rows is noise.
    validation_fraction : float in (0, 1), default 0.1
    beta_1, beta_2, epsilon : float, default 0.9, 0.999, 1e-8
        Of Adam.
    max_fun : int, default 15000
        Evaluations of the loss at most, for solver="lbfgs".
    loss : "log_loss" or loss, default "log_loss"
        Or ``losses.BCE(...)``, ``losses.CrossEntropy(...)`` with settings, or a function of your
        own, see `fastnn.losses`.
    dropout : float or sequence of float, default 0.0
        Share of the hidden layers' outputs that each step leaves out; a sequence is for the inputs
        of each layer, the network's own first.
    class_weight : dict of class: weight, or "balanced", optional
        Times the weights of the rows; "balanced" is n / (number of classes * rows of the class).
    schedule : schedule, optional
        A learning rate that moves, from `fastnn.schedules`; it stands in the place of learning_rate
        and learning_rate_init.
    validation_data : (X, y) or (X, y, sample_weight), optional
        Rows to be judged by after every epoch; with early_stopping in the place of rows held out.
    n_threads : int, default 1
        At most this many threads, -1 for all CPUs of this process. The bits don't depend on it.
    callbacks : callable or Callback, or list or tuple of them, default ()
        See `fastnn.callbacks`; called with ``network_`` and its history.
    dtype : {"float32", "float64"}, optional
        None is that of X: float32 stays, everything else trains in float64.

    Attributes
    ----------
    classes_ : ndarray (n_classes,)
    network_ : fastnn.MLP
        What has been learned: ``network_.save(path)`` writes it to a file.
    coefs_, intercepts_ : tuple of ndarray (n_in, n_out), (n_out,)
        Weights and biases of each layer, views into the network.
    loss_curve_ : list of float
        The loss of each epoch, with the penalty; ``loss_`` is the last, ``best_loss_`` the lowest.
    validation_scores_, validation_loss_curve_ : list of float
        Accuracy and loss of the validation rows after each epoch; None and [] without them.
        ``best_validation_score_``: the highest score.
    n_iter_, t_ : int
        Epochs of the last fit; rows seen in all.
    n_features_in_, feature_names_in_, n_layers_, n_outputs_, out_activation_
        As in scikit-learn.

    Examples
    --------
    >>> from fastnn import MLPClassifier
    >>> from fastnn.datasets import load_digits
    >>> X, digits = load_digits()
    >>> clf = MLPClassifier((64,), random_state=0).fit(X[:1200], digits[:1200])
    >>> clf.score(X[1200:], digits[1200:]) > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict] = BaseMLP._parameter_constraints | {
        "class_weight": [dict, StrOptions({"balanced"}), None]
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        *,
        activation="relu",
        solver="adam",
        alpha=1e-4,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=1e-3,
        power_t=0.5,
        max_iter=1000,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=30,
        max_fun=15000,
        loss="log_loss",
        dropout=0.0,
        class_weight=None,
        schedule=None,
        validation_data=None,
        n_threads=1,
        callbacks=(),
        dtype=None,
    ):
        self._keep(locals())

    # ---- targets ----

    def _learn_targets(self, y, classes=None):
        """What classes there are; `classes` of all calls of partial_fit, if given."""
        self._kind = type_of_target(y, input_name="y")
        if self._kind == "multiclass-multioutput":
            raise ValueError(
                "y has several columns of classes: give one column, or an indicator matrix of 0 and 1 (multi-label)"
            )
        if self._kind not in ("binary", "multiclass", "multilabel-indicator"):
            raise ValueError(
                f"Unknown label type: {self._kind}: y must hold classes; for a target of numbers take MLPRegressor"
            )
        if self._kind == "multilabel-indicator":
            self.classes_ = np.arange(y.shape[1])
        else:
            self.classes_ = np.unique(y if classes is None else classes)
            self._kind = "binary" if len(self.classes_) <= 2 else "multiclass"
        self._codes = {label: code for code, label in enumerate(self.classes_.tolist())}

    def _encode(self, y, dtype):
        """Targets for the loss, the loss, how many outputs, and their activation."""
        if self._kind == "multilabel-indicator":
            if type_of_target(y) != self._kind or y.shape[1] != len(self.classes_):
                raise ValueError(
                    f"y must be an indicator matrix of {len(self.classes_)} columns, as in the first call of fit"
                )
            targets = np.asarray(y.toarray() if inputs.is_sparse(y) else y, dtype)
        else:
            if y.ndim != 1:
                raise ValueError(f"y must have one class for each row, got shape {y.shape}")
            targets = np.minimum(np.searchsorted(self.classes_, y), len(self.classes_) - 1)
            strange = self.classes_[targets] != y
            if strange.any():
                names = np.unique(y[strange]).tolist()
                raise ValueError(
                    f"y has classes not in classes_: {names}; classes_ is {self.classes_.tolist()}"
                )
            if self._kind == "binary":
                targets = targets.astype(dtype)[:, None]
        output = "softmax" if self._kind == "multiclass" else "sigmoid"
        return (
            targets,
            self._chosen_loss(output),
            1 if self._kind == "binary" else len(self.classes_),
            output,
        )

    def _chosen_loss(self, output):
        if self.loss == "log_loss":
            return losses.resolve(None, output)
        if isinstance(self.loss, losses.Loss) and self.loss.output not in (None, output):
            fitting = "losses.BCE(...) is for two classes and for labels, losses.CrossEntropy(...) for three classes and more"
            raise ValueError(
                f"loss={self.loss!r} does not fit {len(self.classes_)} classes ({self._kind}): {fitting}"
            )
        return parameters.loss(self.loss, output, ("log_loss",))

    def _class_weights(self, y):
        """For each row that of its class, or None."""
        if self.class_weight is None:
            return None
        if isinstance(self.class_weight, dict):
            for label, w in self.class_weight.items():
                check_number(f"class_weight of {label!r}", w, minimum=0)
        return compute_sample_weight(self.class_weight, y)

    def _strata(self, y):
        return (
            y if self._kind == "binary" else None
        )  # as scikit-learn, so that the same rows are held out

    def _scaled_targets(self, data):
        return None  # there is nothing to scale

    # ---- fit ----

    @partial_fit_available
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """One pass over these rows, going on from where the last call (or fit) has left off.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)
        y : array_like (n,) or (n, n_labels)
        sample_weight : array_like (n,), optional
        classes : array_like (n_classes,), optional
            All classes that there will be. The first call needs them, unless y is an indicator
            matrix.

        Returns
        -------
        self
        """
        online = getattr(self, "_online", None)
        if (
            online is not None
            and sample_weight is None
            and classes is None
            and len(y) == 1
            and self._step_online(online, X, y[0])
        ):
            return self
        return self._partial_fit_checked(X, y, sample_weight, classes)

    def _step_online(self, online, X, label):
        code = (
            self._codes.get(label.item() if isinstance(label, np.generic) else label)
            if self._kind != "multilabel-indicator"
            else None
        )
        if code is None or not online.takes(X):
            return False
        online.targets[0] = code
        return self._note_step(online.step())

    @_fit_context(prefer_skip_nested_validation=True)
    def _partial_fit_checked(self, X, y, sample_weight, classes):
        fresh = not hasattr(self, "network_")
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows at once, which partial_fit does not have: give a dict of weights"
            )
        if fresh and classes is None and type_of_target(y) != "multilabel-indicator":
            raise ValueError(
                "classes must be passed on the first call to partial_fit: all classes that there will be"
            )
        if (
            not fresh
            and classes is not None
            and not np.array_equal(np.unique(classes), self.classes_)
        ):
            raise ValueError(
                f"classes={classes!r} is not the same as on the last call of partial_fit: {self.classes_!r}"
            )
        return self._partial_fit(X, y, sample_weight, fresh, classes)

    # ---- predictions ----

    def predict(self, X):
        """The most probable class of each row; of a multi-label problem, 1 for every label more
        probable than not.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)

        Returns
        -------
        ndarray (n,) of classes, or (n, n_labels) of 0 and 1
        """
        return self._decide(self._outputs(X))

    def _decide(self, Y):
        if self._kind == "multilabel-indicator":
            return (Y > 0.5).astype(int)
        if self._kind == "binary":
            return self.classes_[
                (Y[:, 0] > 0.5).astype(np.intp)
                if len(self.classes_) == 2
                else np.zeros(len(Y), np.intp)
            ]
        return self.classes_[Y.argmax(axis=1)]

    def predict_proba(self, X):
        """The probability of each class, in the order of `classes_`; of a multi-label problem, of
        each label.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)

        Returns
        -------
        ndarray (n, n_classes), of the dtype that the network has
        """
        Y = self._outputs(X)
        if self._kind != "binary":
            return Y
        if len(self.classes_) == 1:
            return np.ones_like(Y)
        P = np.empty((len(Y), 2), Y.dtype)
        np.subtract(1, Y[:, 0], out=P[:, 0])
        P[:, 1] = Y[:, 0]
        return P

    def predict_log_proba(self, X):
        """The logarithms of `predict_proba`, computed from the logits, so that none is -inf.

        Parameters and result as there.
        """
        Z = self._logits(X)
        if self._kind == "multiclass":
            Z -= Z.max(axis=1, keepdims=True)
            return Z - np.log(np.exp(Z).sum(axis=1, keepdims=True))
        log_p = -np.logaddexp(0, -Z)
        if self._kind == "multilabel-indicator":
            return log_p
        return (
            np.zeros_like(Z) if len(self.classes_) == 1 else np.hstack([-np.logaddexp(0, Z), log_p])
        )

    def decision_function(self, X):
        """The logits: what the last layer computes before sigmoid or softmax.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)

        Returns
        -------
        ndarray (n,) for two classes, above 0 for the second; else (n, n_classes) or (n, n_labels)
        """
        Z = self._logits(X)
        return Z[:, 0] if self._kind == "binary" else Z

    def _logits(self, X):
        check_is_fitted(self)
        X = inputs.check_X(self, X)
        net = self.network_
        logits = CompiledNetwork()  # the same parameters, without the last activation
        kinds = [ACTIVATIONS[name] for name in net.activations[:-1]]
        logits._bind(
            net.layer_sizes, [*kinds, Activation.IDENTITY], net.weights, net.biases, net.dtype
        )
        return inputs.outputs(logits, X, 1)

    def _score_outputs(self, y, Y, weight):
        """The mean accuracy of outputs Y."""
        right = self._decide(Y) == (y.toarray() if inputs.is_sparse(y) else y)
        return float(np.average(right if right.ndim == 1 else right.all(axis=1), weights=weight))

    # ---- calibration ----

    def calibrate(self, X, y, sample_weight=None):
        """Temperature scaling: divide the logits by the number T that makes the log-loss on
        held-out rows least (Guo et al., 2017).

        T > 1 makes probabilities less sure, T < 1 surer; the class predicted stays the same. W and
        b of the last layer are divided by T, so that predictions take no longer. Whatever the
        network learns afterwards is learned from there.

        Parameters
        ----------
        X, y, sample_weight
            Rows that the network has not learned from, as in `fit`. If all are predicted right, T
            stays as it is, with a warning.

        Returns
        -------
        self, with `temperature_`, T; of several calls since the last fit, their product
        """
        check_is_fitted(self)
        X, y = inputs.check_X_y(self, X, y, self.network_.dtype, False)
        weight = inputs.check_weight(sample_weight, X)
        T = best_temperature(self._logits(X), self._encode(y, np.float64)[0], weight)
        self.network_.weights[-1][...] /= T
        self.network_.biases[-1][...] /= T
        self.temperature_ = T * getattr(self, "temperature_", 1.0)
        self._online = None
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

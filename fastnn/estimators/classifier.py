"""The estimator MLPClassifier."""

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
from .calibration import fit_temperature


class MLPClassifier(ClassifierMixin, BaseMLP):
    """Multilayer perceptron classifier with the interface of scikit-learn.

    Parameters and attributes have the same names and meanings as those of
    ``sklearn.neural_network.MLPClassifier``. With the same parameters and ``shuffle=False`` the
    results are the same; docs/moving.md lists the intended differences. y can contain two or more
    classes of any type, such as strings, or be an indicator matrix of 0 and 1 (multi-label).

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default (100,)
        Number of units of each hidden layer. () makes a logistic regression.
    activation : str or sequence of str, default "relu"
        Activation of all hidden layers, or a list with one for each: identity, logistic (or
        sigmoid), relu, tanh, leaky_relu, elu, softplus, gelu, silu, exponential, selu, mish.
    solver : str or optimizer, default "adam"
        "adam", "sgd" and "lbfgs" use the parameters below. Other names of `fastnn.optimizers`, such
        as "adamw", use learning_rate_init and schedule, and the defaults of the optimizer for all
        else. An optimizer object such as ``fastnn.AdamW(lr=1e-3)`` uses its own settings.
    alpha : float, default 1e-4
        L2 penalty. It adds alpha/2 sum W^2 / n to the loss of a batch, as in scikit-learn. n is
        the number of rows of the batch, or the sum of their weights. Biases are not penalized.
    batch_size : int or "auto", default "auto"
        Number of rows in a batch. "auto" is min(200, n).
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
        Learning rate schedule for solver="sgd". "invscaling" uses
        learning_rate_init / (rows seen + 1)^power_t after each epoch. "adaptive" divides the rate
        by 5 instead of stopping, until it is at most 1e-6.
    learning_rate_init : float, default 1e-3
        Initial learning rate, for all solvers but "lbfgs". With a solver other than "adam" and
        "sgd", the default 1e-3 means the default of the optimizer.
    power_t : float, default 0.5
        Exponent of learning_rate="invscaling".
    max_iter : int, default 1000
        Maximum number of epochs, or of iterations for solver="lbfgs".
    shuffle : bool, default True
        Whether to shuffle the rows in each epoch.
    random_state : int, RandomState or None, default None
        Random numbers for the initial parameters (the same as in scikit-learn), the rows held out
        and the shuffling.
    tol : float, default 1e-4
        Minimum improvement of the loss, or of the score with early_stopping=True. For
        solver="lbfgs", the tolerance for the gradient.
    n_iter_no_change : int or inf, default 30
        Number of epochs without improvement to tolerate. Training stops after more epochs than
        this in a row that do not improve on the best loss (or score) by at least tol.
    verbose : bool, default False
        Whether to show progress on standard error.
    warm_start : bool, default False
        Whether fit starts from the parameters of the last fit.
    momentum : float in [0, 1), default 0.9
        Momentum for solver="sgd".
    nesterovs_momentum : bool, default True
        Whether solver="sgd" uses Nesterov momentum.
    early_stopping : bool, default False
        Whether to hold out validation_fraction of the rows, stop training when their score no
        longer improves, and keep the best parameters. By default all rows are used for training:
        on small data every row helps, and the score of a few rows is noisy.
    validation_fraction : float in (0, 1), default 0.1
        Fraction of the rows to hold out for early_stopping.
    beta_1, beta_2 : float in [0, 1), default 0.9, 0.999
        Decay rates of the moment estimates for solver="adam".
    epsilon : float, default 1e-8
        Term added to the denominator for solver="adam".
    max_fun : int, default 15000
        Maximum number of loss evaluations for solver="lbfgs".
    loss : str, Loss or callable, default "log_loss"
        "log_loss", an object such as ``losses.BCE(pos_weight=2.0)`` or
        ``losses.CrossEntropy(label_smoothing=0.1)``, or a custom loss. See `fastnn.losses`.
    dropout : float or sequence of float, default 0.0
        Fraction of the outputs of the hidden layers to drop in each step. A sequence has one value
        for the inputs of each layer, beginning with the inputs of the network.
    class_weight : dict of class: weight, "balanced" or None, default None
        Weights of the classes. They are multiplied with sample_weight. "balanced" uses
        n / (number of classes * number of rows of the class).
    schedule : Schedule or None, default None
        Learning rate schedule from `fastnn.schedules`. It replaces learning_rate and
        learning_rate_init. solver="lbfgs" has no learning rate and refuses a schedule.
    validation_data : (X, y), (X, y, sample_weight) or None, default None
        Validation rows to score after each epoch. early_stopping=True uses them instead of holding
        out rows.
    n_threads : int, default 1
        Maximum number of threads, -1 for all CPUs of this process. It does not change the results.
    callbacks : callable, Callback, or list or tuple of them, default ()
        Called with ``network_`` and its history, see `fastnn.callbacks`.
    dtype : {"float32", "float64"} or None, default None
        dtype of the network. None uses float32 if X is float32, and float64 otherwise.

    Attributes
    ----------
    classes_ : ndarray (n_classes,)
        The classes, sorted.
    network_ : fastnn.MLP
        The fitted network. ``network_.save(path)`` writes it to a file.
    coefs_ : tuple of ndarray (n_in, n_out)
        Weights of each layer, views into the network.
    intercepts_ : tuple of ndarray (n_out,)
        Biases of each layer, views into the network.
    loss_curve_ : list of float
        Training loss of each epoch, including the penalty.
    loss_, best_loss_ : float
        The last and the lowest training loss.
    validation_scores_ : list of float or None
        Accuracy on the validation rows after each epoch; None without validation rows.
    best_validation_score_ : float or None
        The highest validation score.
    validation_loss_curve_ : list of float
        Validation loss after each epoch; empty without validation rows.
    temperature_ : float
        Set by `calibrate`.
    n_iter_ : int
        Number of epochs of the last fit.
    t_ : int
        Number of rows seen in total.
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
        self._store_parameters(locals())

    # ---- targets ----

    def _fit_targets(self, y, classes=None):
        """Set classes_ from y, or from the `classes` passed to partial_fit."""
        self._target_type = type_of_target(y, input_name="y")
        if self._target_type == "multiclass-multioutput":
            raise ValueError(
                "y has several columns of classes. Pass one column, or an indicator matrix of 0 "
                "and 1 for multi-label classification."
            )
        if self._target_type not in ("binary", "multiclass", "multilabel-indicator"):
            raise ValueError(
                f"Unknown label type: {self._target_type}. y must contain classes. To predict "
                "numbers, use MLPRegressor."
            )
        if self._target_type == "multilabel-indicator":
            self.classes_ = np.arange(y.shape[1])
        else:
            self.classes_ = np.unique(y if classes is None else classes)
            self._target_type = "binary" if len(self.classes_) <= 2 else "multiclass"
        self._class_numbers = {label: code for code, label in enumerate(self.classes_.tolist())}

    def _encode(self, y, dtype):
        """Return the encoded targets, the loss, the number of outputs and their activation."""
        if self._target_type == "multilabel-indicator":
            if type_of_target(y) != self._target_type or y.shape[1] != len(self.classes_):
                raise ValueError(
                    f"y must be an indicator matrix with {len(self.classes_)} columns, as in the "
                    f"first call of fit or partial_fit, got shape {y.shape}"
                )
            targets = np.asarray(y.toarray() if inputs.is_sparse(y) else y, dtype)
        else:
            if y.ndim != 1:
                raise ValueError(f"y must have shape (n,), one class per row, got shape {y.shape}")
            targets = np.minimum(np.searchsorted(self.classes_, y), len(self.classes_) - 1)
            unknown = self.classes_[targets] != y
            if unknown.any():
                names = np.unique(y[unknown]).tolist()
                raise ValueError(
                    f"y has classes not in classes_: {names}; classes_ is {self.classes_.tolist()}"
                )
            if self._target_type == "binary":
                targets = targets.astype(dtype)[:, None]
        output = "softmax" if self._target_type == "multiclass" else "sigmoid"
        return (
            targets,
            self._resolve_loss(output),
            1 if self._target_type == "binary" else len(self.classes_),
            output,
        )

    def _resolve_loss(self, output):
        if self.loss == "log_loss":
            return losses.resolve(None, output)
        if isinstance(self.loss, losses.Loss) and self.loss.output not in (None, output):
            raise ValueError(
                f"loss={self.loss!r} does not fit {len(self.classes_)} classes "
                f"({self._target_type}). Use losses.BCE for two classes or several labels, and "
                "losses.CrossEntropy for three or more classes."
            )
        return parameters.resolve_loss(self.loss, output, ("log_loss",))

    def _class_weights(self, y):
        """Return the class weight of each row, or None."""
        if self.class_weight is None:
            return None
        if isinstance(self.class_weight, dict):
            for label, weight in self.class_weight.items():
                check_number(f"class_weight of {label!r}", weight, minimum=0)
        return compute_sample_weight(self.class_weight, y)

    def _stratify_labels(self, y):
        # Like scikit-learn, so that the same rows are held out.
        return y if self._target_type == "binary" else None

    def _targets_to_check(self, data):
        return None  # classes have no scale

    # ---- fit ----

    @partial_fit_available
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Train for one epoch on X and y, starting from the current parameters.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)
            Inputs.
        y : array_like (n,) or (n, n_labels)
            Classes, or an indicator matrix.
        sample_weight : array_like (n,), optional
            Weights of the rows, at least 0.
        classes : array_like (n_classes,), optional
            All classes that can occur in any call. Required in the first call, unless y is an
            indicator matrix.

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
        if self._target_type == "multilabel-indicator":
            return False
        label = label.item() if isinstance(label, np.generic) else label
        class_number = self._class_numbers.get(label)
        if class_number is None or not online.read_row(X):
            return False
        online.targets[0] = class_number
        return self._record_step(online.step())

    @_fit_context(prefer_skip_nested_validation=True)
    def _partial_fit_checked(self, X, y, sample_weight, classes):
        fresh = not hasattr(self, "network_")
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows at once, which partial_fit does not have. "
                "Pass a dict of weights."
            )
        if fresh and classes is None and type_of_target(y) != "multilabel-indicator":
            raise ValueError(
                "classes must be passed on the first call to partial_fit. Pass all classes that "
                "can occur in any call."
            )
        if (
            not fresh
            and classes is not None
            and not np.array_equal(np.unique(classes), self.classes_)
        ):
            raise ValueError(
                f"classes={classes!r} is not the same as on the last call to partial_fit, "
                f"{self.classes_!r}"
            )
        return self._partial_fit(X, y, sample_weight, fresh, classes)

    # ---- predictions ----

    def predict(self, X):
        """Predict the most probable class of each row.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)

        Returns
        -------
        ndarray (n,) or (n, n_labels)
            Classes. For a multi-label problem, 1 for each label with a probability above 0.5, and
            0 for the others.
        """
        return self._decide(self._outputs(X))

    def _decide(self, Y):
        if self._target_type == "multilabel-indicator":
            return (Y > 0.5).astype(int)
        if self._target_type == "binary":
            return self.classes_[
                (Y[:, 0] > 0.5).astype(np.intp)
                if len(self.classes_) == 2
                else np.zeros(len(Y), np.intp)
            ]
        return self.classes_[Y.argmax(axis=1)]

    def predict_proba(self, X):
        """Predict the probability of each class, in the order of `classes_`, or of each label.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)

        Returns
        -------
        ndarray (n, n_classes) or (n, n_labels)
            Has the dtype of the network.
        """
        Y = self._outputs(X)
        if self._target_type != "binary":
            return Y
        if len(self.classes_) == 1:
            return np.ones_like(Y)
        P = np.empty((len(Y), 2), Y.dtype)
        np.subtract(1, Y[:, 0], out=P[:, 0])
        P[:, 1] = Y[:, 0]
        return P

    def predict_log_proba(self, X):
        """Predict the log-probability of each class.

        The logarithms are computed from the logits, so that none is -inf.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)

        Returns
        -------
        ndarray (n, n_classes) or (n, n_labels)
            Has the dtype of the network.
        """
        Z = self._logits(X)
        if self._target_type == "multiclass":
            Z -= Z.max(axis=1, keepdims=True)
            return Z - np.log(np.exp(Z).sum(axis=1, keepdims=True))
        log_p = -np.logaddexp(0, -Z)
        if self._target_type == "multilabel-indicator":
            return log_p
        return (
            np.zeros_like(Z) if len(self.classes_) == 1 else np.hstack([-np.logaddexp(0, Z), log_p])
        )

    def decision_function(self, X):
        """Compute the logits: the output of the last layer before the sigmoid or softmax.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)

        Returns
        -------
        ndarray (n,), (n, n_classes) or (n, n_labels)
            For two classes the shape is (n,), and a positive value predicts the second class.
        """
        Z = self._logits(X)
        return Z[:, 0] if self._target_type == "binary" else Z

    def _logits(self, X):
        check_is_fitted(self)
        X = inputs.check_X(self, X)
        net = self.network_
        logits = CompiledNetwork()  # the same parameters, without the last activation
        kinds = [ACTIVATIONS[name] for name in net.activations[:-1]]
        logits._bind(
            net.layer_sizes, [*kinds, Activation.IDENTITY], net.weights, net.biases, net.dtype
        )
        return inputs.forward(logits, X, 1)

    def _score_outputs(self, y, Y, weight):
        """Return the mean accuracy of outputs Y."""
        correct = self._decide(Y) == (y.toarray() if inputs.is_sparse(y) else y)
        if correct.ndim == 2:
            correct = correct.all(axis=1)
        return float(np.average(correct, weights=weight))

    # ---- calibration ----

    def calibrate(self, X, y, sample_weight=None):
        """Calibrate the probabilities by temperature scaling (Guo et al., 2017).

        The logits are divided by the temperature T that minimizes the log loss on held-out rows.
        T > 1 moves probabilities away from 0 and 1, T < 1 towards them. The predicted classes stay
        the same. W and b of the last layer are divided by T, so predictions take the same time.
        Further training starts from these parameters.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)
            Rows that were not used for training.
        y : array_like (n,) or (n, n_labels)
            Their classes or labels. If all are predicted correctly, a warning is raised and T is 1.
        sample_weight : array_like (n,), optional
            Weights of the rows, at least 0.

        Returns
        -------
        self
            ``temperature_`` is T, or the product of all T since the last fit.
        """
        check_is_fitted(self)
        X, y = inputs.check_X_y(self, X, y, self.network_.dtype, False)
        weight = inputs.check_weight(sample_weight, X)
        T = fit_temperature(self._logits(X), self._encode(y, np.float64)[0], weight)
        self.network_.weights[-1][...] /= T
        self.network_.biases[-1][...] /= T
        self.temperature_ = T * getattr(self, "temperature_", 1.0)
        self._online = None
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

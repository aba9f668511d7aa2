"""The estimator MLPClassifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from .. import kernels
from ..distributed.partitions import maps_partitions
from . import ensemble, inputs
from .base import BaseMLP, partial_fit_available
from .mixins import AccuracyScore, lock_of
from .targets import MULTILABEL, sorting, unique_classes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray
    from sklearn.utils import Tags

    from ..losses import Loss
    from ..optimizers import LBFGS, Optimizer
    from ..schedules import Schedule
    from ..typing import Callbacks, ClassWeight, FloatArray, LossFunction, RandomState


class MLPClassifier(AccuracyScore, BaseMLP):
    """Multilayer perceptron classifier with the interface of scikit-learn.

    Parameters and attributes have the same names, meanings and defaults as those of
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
        as "adamw", use learning_rate_init, schedule, and otherwise the defaults of the optimizer.
        An optimizer object such as ``fastnn.AdamW(lr=1e-3)`` uses its own settings.
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
    max_iter : int, default 200
        Maximum number of epochs, or of iterations for solver="lbfgs". fit warns if the loss has not
        converged by then.
    shuffle : bool, default True
        Whether to shuffle the rows in each epoch.
    random_state : int, RandomState or None, default None
        Random numbers for the initial parameters (the same as in scikit-learn), the rows held out
        and the shuffling. The networks of an ensemble draw from it one after the other.
    tol : float, default 1e-4
        Minimum improvement of the loss, or of the score with early_stopping=True. For
        solver="lbfgs", the tolerance for the gradient.
    n_iter_no_change : int or inf, default 10
        Number of epochs without improvement to tolerate. Training stops after more epochs than
        this in a row that do not improve on the best loss (or score) by at least tol.
        solver="lbfgs" stops by the gradient instead, except with early_stopping or `bagging`.
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
    n_estimators : int, default 1
        Number of networks. More than one make an ensemble, which predicts the mean of their
        probabilities. They differ in their initial parameters, the order of the rows and `bagging`.
    bagging : {"folds", "bootstrap"} or None, default "folds"
        Training rows of each network of an ensemble. "folds": all rows outside its fold. The
        network keeps the epoch with the lowest loss on its fold, and stops when that loss no longer
        improves by tol, also if early_stopping is False. "bootstrap": n rows drawn with
        replacement. With early_stopping=True and no validation_data, the rows that were not drawn
        are used like a fold. None: all rows.
    n_threads : int, default 1
        Maximum number of threads, -1 for all CPUs of this process. It does not change the results.
    callbacks : callable, Callback, or list or tuple of them, default ()
        Called with each network and its history, see `fastnn.callbacks`. An `EarlyStopping` replaces
        the one of `bagging`.
    dtype : {"float32", "float64"} or None, default None
        dtype of the network. None uses float32 if X is float32, and float64 otherwise.

    Attributes
    ----------
    is_classifier : bool
        Whether the estimator predicts classes: True. `MLPRegressor` and the estimators of tables
        also have it.
    classes_ : ndarray (n_classes,)
        The classes, sorted.
    targets_, fold_seed_, held_out_errors_, spread_
        How y is learned, the seed of the folds, and what intervals need. They may change between
        versions.
    networks_ : list of fastnn.MLP
        The fitted networks.
    network_ : fastnn.MLP
        The fitted network. An ensemble has neither ``network_`` nor ``coefs_`` and
        ``intercepts_``.
    coefs_ : tuple of ndarray (n_in, n_out)
        Weights of each layer, views into the network.
    intercepts_ : tuple of ndarray (n_out,)
        Biases of each layer, views into the network.
    oof_prediction_ : ndarray (n, n_classes) or (n, n_labels)
        Probabilities of the training rows from the networks of an ensemble that held them out; NaN
        for a row that no network held out. Not with bagging=None, nor after partial_fit.
    loss_curve_ : list of float
        Training loss of each epoch, including the penalty.
    loss_, best_loss_ : float
        The last and the lowest training loss. `best_loss_` is None with early_stopping.
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

    For an ensemble, the attributes from ``loss_curve_`` to ``validation_loss_curve_`` and ``t_`` are
    lists with one item for each network, and ``n_iter_`` is the largest number of epochs.

    Examples
    --------
    >>> from fastnn import MLPClassifier
    >>> from fastnn.datasets import load_digits
    >>> X, digits = load_digits()
    >>> clf = MLPClassifier((64,), max_iter=500, random_state=0)
    >>> clf = clf.fit(X[:1200], digits[:1200])
    >>> clf.score(X[1200:], digits[1200:]) > 0.9
    True

    An ensemble:

    >>> clf = MLPClassifier((16,), n_estimators=3, learning_rate_init=0.01, random_state=0)
    >>> clf.fit(X[:1200], digits[:1200]).predict_proba(X[1200:]).shape
    (597, 10)
    >>> clf.oof_prediction_.shape
    (1200, 10)
    """

    is_classifier: ClassVar[bool] = True

    _parameter_constraints: ClassVar[dict] = BaseMLP._parameter_constraints | {
        "class_weight": [dict, StrOptions({"balanced"}), None]
    }

    classes_: NDArray[Any]
    temperature_: float

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        *,
        activation: str | Sequence[str] = "relu",
        solver: str | Optimizer | LBFGS = "adam",
        alpha: float = 1e-4,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: Literal["constant", "invscaling", "adaptive"] = "constant",
        learning_rate_init: float = 1e-3,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: RandomState = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        loss: str | Loss | LossFunction = "log_loss",
        dropout: float | Sequence[float] = 0.0,
        class_weight: ClassWeight | None = None,
        schedule: Schedule | None = None,
        validation_data: tuple[Any, ...] | None = None,
        n_estimators: int = 1,
        bagging: Literal["folds", "bootstrap"] | None = "folds",
        n_threads: int = 1,
        callbacks: Callbacks = (),
        dtype: Any = None,
    ) -> None:
        self._store_parameters(locals())

    # ---- fit ----

    @partial_fit_available
    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> Self:
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
            and self._step_online(X, y, self.targets_.write_label)
        ):
            return self
        return self._partial_fit(X, y, sample_weight, classes)

    def _check_classes(self, y, classes, fresh):
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows at once, which partial_fit does not have. "
                "Pass a dict of weights."
            )
        if fresh and classes is None:
            with sorting("y", y):
                kind = type_of_target(y)
            if kind != MULTILABEL:
                raise ValueError(
                    "classes must be passed on the first call to partial_fit. Pass all classes "
                    "that can occur in any call."
                )
        is_given_again = not fresh and classes is not None
        if is_given_again and not np.array_equal(unique_classes(classes), self.classes_):
            raise ValueError(
                f"classes={classes!r} is not the same as on the last call to partial_fit, "
                f"{self.classes_!r}"
            )

    def calibrate(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Calibrate the probabilities by temperature scaling (Guo et al., 2017).

        The logits are divided by the temperature T that minimizes the log loss on held-out rows.
        T > 1 moves probabilities away from 0 and 1, T < 1 towards them. The predicted classes stay
        the same. W and b of the last layer are divided by T, so predictions take the same time.
        Further training starts from these parameters.

        The networks of an ensemble get one T: the one with the lowest log loss of their mean
        probabilities. If they disagree about a row, its predicted class can change.

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
        with kernels.InTraining([lock_of(self), *vars(self).get("networks_", [])]):
            check_is_fitted(self)
            X, y = inputs.check_X_y(self, X, y, self.networks_[0].dtype, False)
            weight = inputs.check_row_weights(sample_weight, X)
            targets = self.targets_.encode(y, np.float64, type(self).__name__)
            T = ensemble.fit_temperature(np.stack(self._logits(X)), targets, weight)
            for net in self.networks_:
                net.weights[-1][...] /= T
                net.biases[-1][...] /= T
            self.temperature_ = T * getattr(self, "temperature_", 1.0)
            self._online = None
        return self

    # ---- predictions ----

    @maps_partitions
    def predict(self, X: Any) -> NDArray[Any]:
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
        with self._reading():
            Y = self._outputs(X)
            return self.targets_.decide(Y)

    @maps_partitions
    def predict_proba(self, X: Any) -> FloatArray:
        """Predict the probability of each class, in the order of `classes_`, or of each label.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)

        Returns
        -------
        ndarray (n, n_classes) or (n, n_labels)
            Has the dtype of the network.
        """
        with self._reading():
            Y = self._outputs(X)
            return self.targets_.from_outputs(Y)

    @maps_partitions
    def predict_log_proba(self, X: Any) -> FloatArray:
        """Predict the log-probability of each class.

        The logarithms are computed from the logits, so that none is -inf. For an ensemble they are
        the logarithms of the mean probabilities.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)

        Returns
        -------
        ndarray (n, n_classes) or (n, n_labels)
            Has the dtype of the network.
        """
        with self._reading():
            logits = self._logits(X)
            return self.targets_.log_probabilities(logits)

    @maps_partitions
    def decision_function(self, X: Any) -> FloatArray:
        """Compute the logits: the output of the last layer before the sigmoid or softmax.

        For an ensemble they are computed from the mean probabilities: the log-odds for two classes and
        for labels, and the log-probabilities for more classes.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)

        Returns
        -------
        ndarray (n,), (n, n_classes) or (n, n_labels)
            For two classes the shape is (n,), and a positive value predicts the second class.
        """
        with self._reading():
            logits = self._logits(X)
            Z = ensemble.mean_logits(logits, self.targets_.kind == "multiclass")
            return Z[:, 0] if self.targets_.kind == "binary" else Z

    def _logits(self, X):
        """Return a list with the logits of each network."""
        check_is_fitted(self)
        X = inputs.check_X(self, X)
        return [ensemble.logits(net, X) for net in self.networks_]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

"""The estimator MLPRegressor."""

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin, _fit_context
from sklearn.utils.validation import check_is_fitted

from .. import losses
from . import parameters
from .base import BaseMLP, partial_fit_available


class MLPRegressor(MultiOutputMixin, RegressorMixin, BaseMLP):
    """Multilayer perceptron regressor with the interface of scikit-learn.

    Parameters and attributes have the same names and meanings as those of
    ``sklearn.neural_network.MLPRegressor``, but the first parameter is ``hidden_layer_sizes``. With
    the same parameters and ``shuffle=False`` the results are the same; docs/moving.md lists the
    intended differences. y can have one or more columns.

    Parameters
    ----------
    loss : str, Loss or callable, default "squared_error"
        "squared_error" and "poisson" are those of scikit-learn. Other names are those of
        `fastnn.losses`, such as mse, mae, huber, quantile and gaussian_nll. Loss objects such as
        ``losses.Quantile((0.1, 0.5, 0.9))`` and custom losses are possible too.
    hidden_layer_sizes, activation, solver, ...
        All other parameters and their defaults are those of `MLPClassifier`, except class_weight.

    Attributes
    ----------
    network_, coefs_, intercepts_, loss_curve_, ...
        As in `MLPClassifier`, except ``classes_`` and ``temperature_``. ``validation_scores_``
        contains R^2.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import MLPRegressor
    >>> X = np.linspace(-1, 1, 200)[:, None]
    >>> reg = MLPRegressor((32,), activation="tanh", solver="lbfgs", random_state=0)
    >>> reg.fit(X, X[:, 0] ** 2).predict([[0.5]]).round(2)
    array([0.25])
    """

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
        loss="squared_error",
        dropout=0.0,
        schedule=None,
        validation_data=None,
        n_threads=1,
        callbacks=(),
        dtype=None,
    ):
        self._store_parameters(locals())

    # ---- targets ----

    def _fit_targets(self, y):
        self._n_targets = 1 if y.ndim == 1 else y.shape[1]

    def _encode(self, y, dtype):
        """Return the targets as a matrix, the loss, the number of outputs and their activation."""
        y = y.reshape(len(y), -1)
        if y.shape[1] != self._n_targets:
            raise ValueError(
                f"y has {y.shape[1]} targets, but this {type(self).__name__} was fitted with "
                f"{self._n_targets}"
            )
        loss = self._resolve_loss()
        if isinstance(loss, losses.GaussianNLL):
            outputs_per_target = 2  # mean and log-variance
        elif isinstance(loss, losses.Quantile):
            outputs_per_target = np.size(loss.q)
        else:
            outputs_per_target = 1
        n_outputs = outputs_per_target * self._n_targets
        return np.ascontiguousarray(y, dtype), loss, n_outputs, loss.output or "identity"

    def _resolve_loss(self):
        if self.loss == "squared_error":
            return parameters.HalfSquaredError()
        if self.loss == "poisson":
            return losses.Poisson()
        return parameters.resolve_loss(
            self.loss,
            getattr(self.loss, "output", None) or "identity",
            ("squared_error", "poisson"),
        )

    def _class_weights(self, y):
        return None

    def _stratify_labels(self, y):
        return None

    def _targets_to_check(self, data):
        return data.targets if data.loss.output is None else None

    # ---- fit ----

    @partial_fit_available
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch on X and y, starting from the current parameters.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)
            Inputs.
        y : array_like (n,) or (n, n_targets)
            Targets.
        sample_weight : array_like (n,), optional
            Weights of the rows, at least 0.

        Returns
        -------
        self
        """
        online = getattr(self, "_online", None)
        if online is not None and sample_weight is None and len(y) == 1 and online.read_row(X):
            try:
                online.targets[0] = y[0]
            except (TypeError, ValueError):
                return self._partial_fit_checked(X, y, sample_weight)
            if self._record_step(online.step()):
                return self
        return self._partial_fit_checked(X, y, sample_weight)

    @_fit_context(prefer_skip_nested_validation=True)
    def _partial_fit_checked(self, X, y, sample_weight):
        return self._partial_fit(X, y, sample_weight, not hasattr(self, "network_"))

    # ---- predictions ----

    def predict(self, X, return_std=False):
        """Predict the targets of each row.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)
        return_std : bool, default False
            Whether to return standard deviations too. Requires loss="gaussian_nll".

        Returns
        -------
        y : ndarray (n,) for one target, else (n, n_targets)
            With several quantiles the shape is (n, n_targets * n_quantiles): all quantiles of
            target 0, then all quantiles of target 1, and so on.
        std : ndarray
            Standard deviations, in the shape of y. Only if return_std=True.
        """
        Y = self._outputs(X)
        if isinstance(self._loss, losses.GaussianNLL):
            mean = _squeeze(Y[:, : self._n_targets])
            std = _squeeze(np.exp(Y[:, self._n_targets :] / 2))
            return (mean, std) if return_std else mean
        if return_std:
            raise ValueError(
                "return_std=True needs an estimator fitted with loss='gaussian_nll', got "
                f"loss={self.loss!r}"
            )
        return _squeeze(Y)

    def score(self, X, y, sample_weight=None):
        """Return R^2 of the predictions, averaged over targets (``sklearn.metrics.r2_score``).

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)
            Inputs.
        y : array_like (n,) or (n, n_targets)
            Targets.
        sample_weight : array_like (n,), optional
            Weights of the rows, at least 0.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        n_quantiles = np.size(self._loss.q) if isinstance(self._loss, losses.Quantile) else 1
        if n_quantiles > 1:
            raise ValueError(
                "score is R^2 of one prediction per target, but this estimator predicts "
                f"{n_quantiles} quantiles. Score each quantile with "
                "sklearn.metrics.mean_pinball_loss."
            )
        return super().score(X, y, sample_weight)

    def _score_outputs(self, y, Y, weight):
        """Return R^2 of outputs Y, averaged over targets, or the negative loss for quantiles."""
        y, loss = y.reshape(len(y), -1), self._loss
        if isinstance(loss, losses.Quantile):
            q = np.tile(loss.q, Y.shape[1] // np.size(loss.q))
            above = np.repeat(y, np.size(loss.q), axis=1) - Y
            return -float(
                np.average(np.maximum(q * above, (q - 1) * above).mean(axis=1), weights=weight)
            )
        Y = Y[:, : self._n_targets]
        if not np.isfinite(Y).all():
            return np.nan
        residual = np.average((y - Y) ** 2, axis=0, weights=weight)
        variance = np.average(
            (y - np.average(y, axis=0, weights=weight)) ** 2, axis=0, weights=weight
        )
        return float(np.mean(1 - residual / np.where(variance > 0, variance, 1)))


def _squeeze(Y):
    return Y[:, 0] if Y.shape[1] == 1 else Y

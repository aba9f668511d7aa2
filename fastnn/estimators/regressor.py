"""MLPRegressor."""

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin, _fit_context
from sklearn.utils.validation import check_is_fitted

from .. import losses
from . import parameters
from .base import BaseMLP, partial_fit_available


class MLPRegressor(MultiOutputMixin, RegressorMixin, BaseMLP):
    """A network that learns numbers, as a scikit-learn estimator.

    Parameters and attributes have the names and meanings of ``sklearn.neural_network.MLPRegressor``
    (but the first parameter is ``hidden_layer_sizes``), and with the same settings and
    ``shuffle=False`` it computes the same; docs/moving.md says what differs on purpose. y may have
    one or many columns.

    Parameters
    ----------
    loss : str or loss, default "squared_error"
        "squared_error" and "poisson" are scikit-learn's; besides, mse, mae, huber, quantile,
        gaussian_nll, objects such as ``losses.Quantile((0.1, 0.5, 0.9))``, or a function of your
        own: see `fastnn.losses`.
    hidden_layer_sizes, activation, solver, ...
        All others as in `MLPClassifier`, which has class_weight besides.

    Attributes
    ----------
    network_, coefs_, intercepts_, loss_curve_, ...
        As in `MLPClassifier`, without ``classes_``; ``validation_scores_`` are R^2.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import MLPRegressor
    >>> X = np.linspace(-1, 1, 200)[:, None]
    >>> reg = MLPRegressor((32,), activation="tanh", solver="lbfgs", random_state=0).fit(X, X[:, 0] ** 2)
    >>> reg.predict([[0.5]]).round(2)
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
        self._keep(locals())

    # ---- targets ----

    def _learn_targets(self, y):
        self._n_targets = 1 if y.ndim == 1 else y.shape[1]

    def _encode(self, y, dtype):
        """Targets for the loss, the loss, how many outputs, and their activation."""
        y = y.reshape(len(y), -1)
        if y.shape[1] != self._n_targets:
            raise ValueError(
                f"y has {y.shape[1]} targets, {type(self).__name__} was fitted with {self._n_targets}"
            )
        loss = self._chosen_loss()
        each = (
            2
            if isinstance(loss, losses.GaussianNLL)
            else np.size(loss.q)
            if isinstance(loss, losses.Quantile)
            else 1
        )
        return (
            np.ascontiguousarray(y, dtype),
            loss,
            each * self._n_targets,
            loss.output or "identity",
        )

    def _chosen_loss(self):
        if self.loss == "squared_error":
            return parameters.HalfSquaredError()
        if self.loss == "poisson":
            return losses.Poisson()
        return parameters.loss(
            self.loss,
            getattr(self.loss, "output", None) or "identity",
            ("squared_error", "poisson"),
        )

    def _class_weights(self, y):
        return None

    def _strata(self, y):
        return None

    def _scaled_targets(self, data):
        return data.targets if data.loss.output is None else None

    # ---- fit ----

    @partial_fit_available
    def partial_fit(self, X, y, sample_weight=None):
        """One pass over these rows, going on from where the last call (or fit) has left off.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)
        y : array_like (n,) or (n, n_targets)
        sample_weight : array_like (n,), optional

        Returns
        -------
        self
        """
        online = getattr(self, "_online", None)
        if online is not None and sample_weight is None and len(y) == 1 and online.takes(X):
            try:
                online.targets[0] = y[0]
            except (TypeError, ValueError):
                return self._partial_fit_checked(X, y, sample_weight)
            if self._note_step(online.step()):
                return self
        return self._partial_fit_checked(X, y, sample_weight)

    @_fit_context(prefer_skip_nested_validation=True)
    def _partial_fit_checked(self, X, y, sample_weight):
        return self._partial_fit(X, y, sample_weight, not hasattr(self, "network_"))

    # ---- predictions ----

    def predict(self, X, return_std=False):
        """The targets of each row.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)
        return_std : bool, default False
            With loss="gaussian_nll", the standard deviations too.

        Returns
        -------
        ndarray (n,) for one target, else (n, n_targets)
            With several quantiles (n, n_targets * n_quantiles): of target 0 all, then of target 1,
            ...
        std : ndarray of the same shape, if asked for
        """
        Y = self._outputs(X)
        if isinstance(self._loss, losses.GaussianNLL):
            mean, std = (
                self._shaped(Y[:, : self._n_targets]),
                self._shaped(np.exp(Y[:, self._n_targets :] / 2)),
            )
            return (mean, std) if return_std else mean
        if return_std:
            raise ValueError(
                f"return_std=True needs a network that has learned them: loss='gaussian_nll', not {self.loss!r}"
            )
        return self._shaped(Y)

    def score(self, X, y, sample_weight=None):
        """R^2 of the predictions, the mean over targets; see ``sklearn.metrics.r2_score``.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        n_quantiles = np.size(self._loss.q) if isinstance(self._loss, losses.Quantile) else 1
        if n_quantiles > 1:
            raise ValueError(
                f"score is R^2 of one prediction a target, and here are {n_quantiles} quantiles of it: judge each by "
                "sklearn.metrics.mean_pinball_loss"
            )
        return super().score(X, y, sample_weight)

    def _shaped(self, Y):
        return Y[:, 0] if Y.shape[1] == 1 else Y

    def _score_outputs(self, y, Y, weight):
        """R^2 of outputs Y, the mean over targets; of quantiles, their loss with a minus."""
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

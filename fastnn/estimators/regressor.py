"""The estimator MLPRegressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, overload

import numpy as np
from sklearn.base import MultiOutputMixin
from sklearn.utils.validation import check_is_fitted

from .. import losses
from ..core.validation import check_flag
from ..distributed.partitions import maps_partitions
from . import ensemble, inputs
from .base import BaseMLP, partial_fit_available
from .ensemble import cv_plus, std_over_networks
from .mixins import R2Score
from .targets import squeeze

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from ..losses import Loss
    from ..optimizers import LBFGS, Optimizer
    from ..schedules import Schedule
    from ..typing import Callbacks, LossFunction, RandomState


class MLPRegressor(MultiOutputMixin, R2Score, BaseMLP):
    """Multilayer perceptron regressor with the interface of scikit-learn.

    Parameters and attributes have the same names, meanings and defaults as those of
    ``sklearn.neural_network.MLPRegressor``, but the first parameter is ``hidden_layer_sizes``. With
    the same parameters and ``shuffle=False`` the results are the same; docs/moving.md lists the
    intended differences. y can have one or more columns.

    Parameters
    ----------
    loss : str, Loss or callable, default "squared_error"
        "squared_error" and "poisson" are scikit-learn's. Other names are those of
        `fastnn.losses`, such as mse, mae, huber, quantile and gaussian_nll. Loss objects such as
        ``losses.Quantile((0.1, 0.5, 0.9))`` and custom losses are possible too.
    hidden_layer_sizes, activation, solver, ...
        All other parameters and their defaults are as in `MLPClassifier`, except class_weight.

    Attributes
    ----------
    network_, coefs_, intercepts_, loss_curve_, ...
        As in `MLPClassifier`, except ``classes_`` and ``temperature_``. ``validation_scores_``
        contains R^2, and ``oof_prediction_`` predicted values.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import MLPRegressor
    >>> X = np.linspace(-1, 1, 200)[:, None]
    >>> reg = MLPRegressor((32,), activation="tanh", solver="lbfgs", random_state=0)
    >>> reg.fit(X, X[:, 0] ** 2).predict([[0.5]]).round(2)
    array([0.25])
    """

    is_classifier: ClassVar[bool] = False

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
        loss: str | Loss | LossFunction = "squared_error",
        dropout: float | Sequence[float] = 0.0,
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
    def partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
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
        if online is not None and sample_weight is None and self._step_online(X, y, _write_targets):
            return self
        return self._partial_fit(X, y, sample_weight)

    # ---- predictions ----

    @overload
    def predict(
        self, X: Any, return_std: Literal[False] = False, return_noise: Literal[False] = False
    ) -> NDArray[Any]: ...
    @overload
    def predict(
        self, X: Any, return_std: Literal[True], return_noise: Literal[False] = False
    ) -> tuple[NDArray[Any], NDArray[Any]]: ...
    @overload
    def predict(
        self, X: Any, return_std: Literal[False] = False, *, return_noise: Literal[True]
    ) -> tuple[NDArray[Any], NDArray[Any]]: ...
    @overload
    def predict(
        self, X: Any, return_std: Literal[True], return_noise: Literal[True]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]: ...
    @overload
    def predict(
        self, X: Any, return_std: bool = False, return_noise: bool = False
    ) -> NDArray[Any] | tuple[NDArray[Any], ...]: ...

    @maps_partitions
    def predict(self, X: Any, return_std: bool = False, return_noise: bool = False) -> Any:
        """Predict the targets of each row.

        An ensemble predicts the mean of its networks.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)
        return_std : bool, default False
            Whether to return the standard deviation over the networks of an ensemble. It is large
            where training rows are missing, and does not include the noise of the targets.
        return_noise : bool, default False
            Whether to return the predicted noise of the targets. Requires loss="gaussian_nll".

        Returns
        -------
        y : ndarray (n,) for one target, else (n, n_targets)
            With several quantiles the shape is (n, n_targets * n_quantiles): all quantiles of
            target 0, then all quantiles of target 1, and so on.
        std : ndarray
            Standard deviation of the networks' predictions, in the shape of y. The divisor is the
            number of networks. Only if return_std=True.
        noise : ndarray
            Standard deviation of the targets around the mean, in the shape of y. For an ensemble,
            the root of the networks' mean variance, so std^2 + noise^2 is the variance of the
            mixture of their distributions. Only if return_noise=True.
        """
        return_std = check_flag("return_std", return_std)
        return_noise = check_flag("return_noise", return_noise)
        with self._reading():
            if not return_std and not return_noise:
                Y = self._outputs(X)
                return self.targets_.from_outputs(Y)
            return self._predict_with_deviations(X, return_std, return_noise)

    def _predict_with_deviations(self, X, return_std, return_noise):
        check_is_fitted(self)
        gaussian = isinstance(self.targets_.loss, losses.GaussianNLL)
        if return_std and len(self.networks_) == 1:
            raise ValueError(
                "return_std=True returns the deviation over the networks of an ensemble, but this "
                "estimator has one network. Set n_estimators to at least 2. For the noise that "
                "loss='gaussian_nll' predicts, pass return_noise=True."
            )
        if return_noise and not gaussian:
            raise ValueError(
                "return_noise=True needs an estimator fitted with loss='gaussian_nll', got "
                f"loss={self.loss!r}"
            )
        outputs = self._member_outputs(X)
        results = [self.targets_.from_outputs(ensemble.mean_of(outputs))]
        if return_std:
            values = np.stack([self.targets_.from_outputs(Y) for Y in outputs])
            results.append(std_over_networks(values).astype(values.dtype))
        if return_noise:
            noise = np.exp(outputs[:, :, self.targets_.n_targets :] / 2)
            mixed = noise[0] if len(noise) == 1 else np.sqrt(ensemble.mean_of(noise**2))
            results.append(squeeze(mixed))
        return tuple(results)

    @maps_partitions
    def predict_interval(self, X: Any, coverage: float = 0.9) -> tuple[NDArray[Any], NDArray[Any]]:
        """Predict an interval for the target of each row.

        They are computed from the errors of the networks of an ensemble with bagging="folds" on the
        rows that each of them held out. With one target and at least 100 errors outside each fold,
        an interval is as wide as the errors that small networks expect of its row; they are trained
        at the end of `fit`. If new rows are like the training rows, a fraction of about `coverage`
        of the targets lies inside. Else the intervals are CV+ (Barber, Candes, Ramdas and
        Tibshirani, 2021, arXiv:1905.02928), which have about the same width for all rows, and hold
        at least 2 coverage - 1 of the targets (slightly less for few rows). `sample_weight` is not
        used, except that rows of weight 0 do not count.

        Parameters
        ----------
        X : array_like or sparse matrix (n, n_features)
        coverage : float in (0, 1), default 0.9
            Fraction of the targets that should lie inside.

        Returns
        -------
        lower, upper : ndarray (n,) for one target, else (n, n_targets)
            With several targets, the bounds hold for each target separately.

        Raises
        ------
        ValueError
            The estimator has no held-out errors, `coverage` is invalid, or it is so close to 1 that
            the training rows are too few.

        Examples
        --------
        >>> import numpy as np
        >>> from fastnn import MLPRegressor
        >>> rng = np.random.default_rng(0)
        >>> X = rng.uniform(-1, 1, (400, 1))
        >>> y = X[:, 0] ** 2 + rng.normal(0, 0.1, 400)
        >>> settings = dict(n_estimators=5, learning_rate_init=0.01, random_state=0)
        >>> reg = MLPRegressor((32,), **settings).fit(X[:300], y[:300])
        >>> lower, upper = reg.predict_interval(X[300:], coverage=0.8)
        >>> bool(0.7 < np.mean((lower < y[300:]) & (y[300:] < upper)) < 0.9)
        True
        """
        with self._reading():
            check_is_fitted(self)
            errors, spread = ensemble.check_errors(self), getattr(self, "spread_", None)
            X = inputs.check_X(self, X)
            outputs = self._member_outputs(X)
            values = np.stack([self.targets_.from_outputs(Y).reshape(len(Y), -1) for Y in outputs])
            if spread is not None:
                center = ensemble.mean_over_networks(values[:, :, 0])
                width = ensemble.error_of_rank(spread.errors, coverage)
                width = width * spread.mean_scale(X, self.n_threads) * spread.factor(center)
                return (center - width).astype(values.dtype), (center + width).astype(values.dtype)
        return tuple(squeeze(bound) for bound in cv_plus(values, errors, coverage))

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Return R^2 of the predictions, averaged over targets (``sklearn.metrics.r2_score``).

        Parameters
        ----------
        X : array_like, sparse matrix or Dask collection (n, n_features)
            Inputs.
        y : array_like or Dask collection (n,) or (n, n_targets)
            Targets.
        sample_weight : array_like or Dask collection (n,), optional
            Weights of the rows, at least 0.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        n_quantiles = (
            np.size(self.targets_.loss.q) if isinstance(self.targets_.loss, losses.Quantile) else 1
        )
        if n_quantiles > 1:
            raise ValueError(
                "score is R^2 of one prediction per target, but this estimator predicts "
                f"{n_quantiles} quantiles. Score each quantile with "
                "sklearn.metrics.mean_pinball_loss."
            )
        return super().score(X, y, sample_weight)


def _write_targets(y, targets):
    """Write the targets y of a row to an array of one row. Return False if y needs other checks."""
    if isinstance(y, (float, int, np.floating, np.integer)):
        if targets.shape[1] != 1:
            return False
    elif type(y) is not np.ndarray or y.shape != targets.shape[1:] or y.dtype.kind not in "fiu":
        return False
    try:
        targets[0] = y
    except OverflowError:
        return False
    return True

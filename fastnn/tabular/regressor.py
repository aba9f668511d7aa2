"""The estimator TabularRegressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from ..core.validation import check_threads
from ..estimators import ensemble
from ..losses import Loss, Poisson
from . import metrics
from .estimator import BaseTabular
from .fitting.tasks import NumberTask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Literal

    from numpy.typing import ArrayLike, NDArray

    from ..typing import RandomState


class TabularRegressor(RegressorMixin, BaseTabular):
    """Regressor for tables of numbers, categories, dates and missing values.

    An ensemble of small networks. The encoding of the columns, the training and the choice among
    configurations need no tuning.

    Parameters
    ----------
    loss : str or Loss, default "squared_error"
        "squared_error" (or "mse") for means, "absolute_error" ("mae") and "quantile" for medians,
        "huber" and "log_cosh" for outliers, "poisson" for counts. ``losses.Quantile((0.1, 0.9))``
        predicts several quantiles, ``losses.Huber(2.0)`` has another threshold, in units of the
        standard deviation of y.
    log_target : bool, default False
        Whether to learn log(y), for targets above 0 whose errors count in percent, such as prices.
        The networks learn log(y), and predictions are exponentials. "squared_error" then predicts
        the geometric mean of y, which is below the mean, and equal to the median if the
        distribution of log(y) is symmetric. "absolute_error" and "quantile" still predict medians
        and quantiles of y. Predictions, `oof_prediction_` and `oof_score_` are in the units of y,
        and intervals are above 0. Not with loss="poisson".
    metric : str or callable, default "auto"
        What the model is to be good at: "r2", "rmse", "mae" (mean absolute error), "mape" (mean of the
        absolute errors divided by the targets), "pinball" (quantile loss, of the quantiles of `loss`
        or else of the median), or a function as in `TabularClassifier`. `oof_score_` is its value,
        and the weights of the configurations are chosen by it. Epochs are chosen by `loss`, which is
        also what the networks learn: with metric="mae", try loss="absolute_error" as well. "auto"
        chooses the weights by `loss`.
    n_estimators, hidden_layer_sizes, time_limit, random_state, ...
        All other parameters and their defaults are as in `TabularClassifier`, except class_weight
        and threshold. The only positional one is n_estimators.

    Attributes
    ----------
    feature_importances_ : ndarray (n_features,)
        As in `TabularClassifier`, the increase of the loss. It is the loss of y divided by its
        standard deviation, or by its mean with loss="poisson"; with log_target of log(y).
    feature_score_drops_ : ndarray (n_features,) or None
        As in `TabularClassifier`, the fall of R^2, or by how much the value of `metric` gets worse.
        None for several quantiles, unless `metric` is "pinball".
    oof_prediction_ : ndarray (n,) or (n, n_quantiles)
        Predictions of the training rows from the networks that held them out; NaN for rows that no
        network held out, with n_estimators=1. Not in a file.
    oof_rows_ : ndarray of int, or None
        As in `TabularClassifier`.
    oof_score_ : float or None
        R^2 of `oof_prediction_`, or the value of `metric` in the units of y, weighted by
        `sample_weight`, and slightly optimistic as in `TabularClassifier`. None for several
        quantiles, unless `metric` is "pinball".
    oof_score_name_ : str
        What `oof_score_` is, such as "R2" or "weighted RMSE".
    columns_, left_out_, metadata_, n_folds_, n_folds_remaining_, model_, n_features_in_, feature_names_in_
        As in `TabularClassifier`.

    See Also
    --------
    TabularClassifier : The same for classes.
    MLPRegressor : One network, or an ensemble, with the interface of scikit-learn's.

    Notes
    -----
    The notes of `TabularClassifier` say what X may be, how its columns are read, and how the networks
    are trained and chosen. Folds are not stratified. Predictions are between the least and the
    largest training target.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import TabularRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = [[x, "ab"[i % 2]] for i, x in enumerate(rng.uniform(-1, 1, 200))]
    >>> y = [x**2 + (letter == "a") for x, letter in X]
    >>> reg = TabularRegressor(2, hidden_layer_sizes=16, random_state=0).fit(X[:100], y[:100])
    >>> reg.columns_
    {0: 'number', 1: 'category'}
    >>> reg.score(X[100:], y[100:]) > 0.8
    True
    >>> mean, std = reg.predict([[0.5, "a"], [0.5, None]], return_std=True)
    >>> mean.shape, std.shape
    ((2,), (2,))
    """

    _parameter_constraints: ClassVar[dict] = BaseTabular._parameter_constraints | {
        "loss": [str, Loss],
        "log_target": ["boolean"],
        "metric": [str, callable],
    }

    loss: str | Loss
    log_target: bool | str
    metric: str | Callable[..., float]
    oof_score_: float | None

    def __init__(
        self,
        n_estimators: int = 5,
        *,
        hidden_layer_sizes: int | Sequence[int] | Literal["auto"] = "auto",
        loss: str | Loss = "squared_error",
        log_target: bool | str = False,
        metric: str | Callable[..., float] = "auto",
        time_limit: float | None = None,
        random_state: RandomState = None,
        n_threads: int = -1,
        categories: str | int | Sequence[str | int] | None = None,
        numbers: str | int | Sequence[str | int] | None = None,
        dates: str | int | Sequence[str | int] | None = None,
        drop: str | int | Sequence[str | int] | None = None,
        verbose: bool | int = False,
    ) -> None:
        self._store_parameters(locals())

    def _task(self):
        metric = metrics.resolve(self.metric, metrics.NUMBER_METRICS, metrics.CLASS_METRICS)
        return NumberTask(metric=metric, loss=self.loss, log=bool(self.log_target))

    # ---- predictions ----

    def _predict_folds(self, frame):
        return self.model_.predict_folds(frame, check_threads(self.n_threads))

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict the target of each row.

        Parameters
        ----------
        X : DataFrame, Arrow table, array_like (n, n_features), records, or path
            The table, with the columns that `fit` had. If `fit` took the target from a column of X,
            that column may be absent. A Parquet file, or a folder of them, is read in parts, so it
            need not fit in memory.
        return_std : bool, default False
            Whether to also return the standard deviation of the predictions of the folds. It is
            large where the networks disagree, often far from the training rows. It does not
            include the noise of y: see `predict_interval`. With n_estimators=1 it is 0.

        Returns
        -------
        mean : ndarray (n,) or (n, n_quantiles), float64
            The mean over folds, also with log_target.
        std : ndarray of the same shape
            Only with return_std=True.

        Raises
        ------
        ValueError
            The columns differ from those in `fit`, or a value does not fit its column.
        """

        def statistics(frame):
            P = self._predict_folds(frame)
            return np.stack([P.mean(axis=0), P.std(axis=0)] if return_std else [P.mean(axis=0)], 1)

        mean, *std = np.moveaxis(self._predict_batches(X, statistics), 1, 0)
        return (mean, *std) if return_std else mean

    def predict_interval(self, X: Any, coverage: float = 0.9) -> tuple[NDArray[Any], NDArray[Any]]:
        """Predict an interval for the target of each row.

        The intervals are CV+ (Barber, Candes, Ramdas and Tibshirani, 2021, arXiv:1905.02928). Let
        f_k be the predictions of fold k, k(i) the fold of training row i, and e_i the absolute
        error of f_k(i) for that row. The bounds for a new row x are quantiles over i of f_k(i)(x) -
        e_i and f_k(i)(x) + e_i. With n_estimators=1, these are split conformal intervals. With
        log_target the intervals are computed for log(y), and the bounds are exponentials.

        If new rows are like the training rows, a fraction of at least 2 coverage - 1 of the targets
        lies inside (slightly less for few rows), and typically a fraction of `coverage`. Rows of
        weight 0 do not count, and other weights are not used. The best epochs are chosen by the
        same held-out rows, so the intervals of small tables are slightly too narrow.

        Parameters
        ----------
        X
            As in `predict`.
        coverage : float in (0, 1), default 0.9
            Fraction of the targets that should lie inside.

        Returns
        -------
        lower, upper : ndarray (n,), float64
            With loss="poisson", lower is at least 0; with log_target it is above 0. Otherwise it can
            be negative, even if no target is.

        Raises
        ------
        ValueError
            The estimator predicts several quantiles, or `coverage` is invalid or so close to 1 that
            the training rows are too few.

        Examples
        --------
        >>> import numpy as np
        >>> from fastnn import TabularRegressor
        >>> rng = np.random.default_rng(0)
        >>> X = rng.uniform(-1, 1, (400, 1))
        >>> y = X[:, 0] ** 2 + rng.normal(0, 0.1, 400)
        >>> reg = TabularRegressor(2, hidden_layer_sizes=8, random_state=0).fit(X[:200], y[:200])
        >>> lower, upper = reg.predict_interval(X[200:], coverage=0.8)
        >>> bool(0.7 < np.mean((lower < y[200:]) & (y[200:] < upper)) < 0.9)
        True
        """
        check_is_fitted(self)
        targets, errors = self.model_.targets, self.model_.errors
        if errors is None:
            raise ValueError(
                "predict_interval needs one prediction for each row, but this estimator predicts "
                "several quantiles. Take two of them as the interval, or fit another loss."
            )

        def bounds(frame):
            P = targets.transform(self._predict_folds(frame))
            both = ensemble.cv_plus(P[:, :, None], errors, coverage)
            lower, upper = map(targets.invert, both)
            if isinstance(targets.loss, Poisson):
                lower = np.maximum(lower, 0)
            return np.concatenate([lower, upper], axis=1)

        lower, upper = self._predict_batches(X, bounds).T
        return lower, upper

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Return R^2, the coefficient of determination.

        Parameters
        ----------
        X
            As in `predict`.
        y : array_like (n,), or str
            Targets, or the name of the column of X that holds them.
        sample_weight : array_like (n,), optional
            Weights of the rows.

        Returns
        -------
        float
        """
        if hasattr(self, "model_") and self.model_.targets.n_out > 1:
            raise ValueError(
                "score needs one prediction for each row, but this estimator predicts several "
                "quantiles. Use sklearn.metrics.mean_pinball_loss for each of them."
            )
        return super().score(X, self._targets_to_score(X, y), sample_weight)

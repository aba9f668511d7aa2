"""The estimator TabularRegressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ..estimators.mixins import R2Score
from ..losses import Loss
from . import metrics
from .estimator import BaseTabular
from .fitting.options import NumberTask
from .predictions import NumberPredictions
from .targets import check_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Literal

    from numpy.typing import ArrayLike

    from ..typing import RandomState


class TabularRegressor(R2Score, NumberPredictions, BaseTabular):
    """Regressor for tables of numbers, categories, dates, free text and missing values.

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
    bounds : (low, high), optional
        Predictions are never below `low` or above `high`, in the units of y; None is no limit. They
        are also limited to the range of the training targets, unless `fit` had `time`. Bounds of
        `predict_interval` are not limited.
    monotone : mapping of str or int to int, or sequence of int, optional
        Columns of numbers in which predictions never fall (+1) or never rise (-1), as in
        `TabularClassifier`; with several quantiles, each of them.
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
        network held out, with n_estimators=1, `time` or `cv`. Not in a file.
    oof_rows_ : ndarray of int, or None
        As in `TabularClassifier`.
    oof_score_ : float or None
        R^2 of `oof_prediction_`, or the value of `metric` in the units of y, weighted by
        `sample_weight`, and slightly optimistic as in `TabularClassifier`. With `time` R^2 compares
        with the mean of each block of time, as a score of later rows does. None for several
        quantiles, unless `metric` is "pinball".
    oof_score_name_ : str
        What `oof_score_` is, such as "R2" or "weighted RMSE".
    columns_, left_out_, metadata_, n_folds_, n_folds_remaining_, split_, model_, n_features_in_, feature_names_in_
        As in `TabularClassifier`.

    See Also
    --------
    TabularClassifier : The same for classes.
    MLPRegressor : One network, or an ensemble, with the interface of scikit-learn's.

    Notes
    -----
    The notes of `TabularClassifier` say what X may be, how its columns are read, and how the networks
    are trained and chosen. Folds are not stratified. Predictions are between the least and the
    largest training target, unless `fit` had `time`.

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
        "bounds": ["array-like", None],
    }

    loss: str | Loss
    log_target: bool | str
    metric: str | Callable[..., float]
    bounds: Sequence[float | None] | None
    oof_score_: float | None

    def __init__(
        self,
        n_estimators: int = 5,
        *,
        hidden_layer_sizes: int | Sequence[int] | Literal["auto"] = "auto",
        loss: str | Loss = "squared_error",
        log_target: bool | str = False,
        metric: str | Callable[..., float] = "auto",
        bounds: Sequence[float | None] | None = None,
        time_limit: float | None = None,
        random_state: RandomState = None,
        n_threads: int = -1,
        categories: str | int | Sequence[str | int] | None = None,
        numbers: str | int | Sequence[str | int] | None = None,
        dates: str | int | Sequence[str | int] | None = None,
        texts: str | int | Sequence[str | int] | None = None,
        drop: str | int | Sequence[str | int] | None = None,
        monotone: Mapping[str | int, int] | Sequence[int] | None = None,
        cv: Any = None,
        verbose: bool | int = False,
    ) -> None:
        self._store_parameters(locals())

    def _task(self):
        metric = metrics.resolve_metric(self.metric, metrics.NUMBER_METRICS, metrics.CLASS_METRICS)
        limits = None if self.bounds is None else check_limits(self.bounds)
        return NumberTask(metric=metric, loss=self.loss, log=bool(self.log_target), limits=limits)

    # ---- predictions ----

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Return R^2, the coefficient of determination.

        Parameters
        ----------
        X
            As in `predict`.
        y : array_like or Dask collection (n,), or str
            Targets, or the name of the column of X that holds them.
        sample_weight : array_like or Dask collection (n,), optional
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

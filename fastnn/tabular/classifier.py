"""The estimator TabularClassifier."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions

from ..estimators.mixins import AccuracyScore
from . import metrics, thresholds
from .estimator import BaseTabular
from .fitting.options import ClassTask
from .predictions import ClassPredictions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Literal

    from numpy.typing import ArrayLike

    from ..typing import ClassWeight, RandomState


class TabularClassifier(AccuracyScore, ClassPredictions, BaseTabular):
    """Classifier for tables of numbers, categories, dates, free text and missing values.

    An ensemble of small networks. The encoding of the columns, the training and the choice among
    configurations need no tuning. The effect of label smoothing on the probabilities is removed.

    Parameters
    ----------
    n_estimators : int, default 5
        Number of folds, and of networks for each configuration. At most the number of rows, or of
        groups. With `time` in `fit`, at most the number of time values less one for the folds.
    hidden_layer_sizes : "auto", int or sequence of int, default "auto"
        Number of units of each hidden layer. "auto" is (64, 64).
    metric : str or callable, default "auto"
        What the model is to be good at: "accuracy", "balanced_accuracy", "log_loss", "auc" (for more
        than two classes the mean over classes against the rest), "f1" (of the second of two classes,
        else the mean over classes), or a function, see Notes. `oof_score_` is its value, and the
        weights of the configurations are chosen by it, if it is better for certain than with the
        weights of the log loss. "accuracy" also chooses the best epoch of a network, by the error
        rate; with other metrics the log loss does. "auto" chooses epochs by both, in different
        configurations, and weights by the log loss.
    class_weight : dict of class: weight, "balanced" or None, default None
        Weights of the classes. They are multiplied with sample_weight. "balanced" uses
        n / (number of classes * number of rows of the class).
    threshold : float, str or None, default None
        For two classes: `predict` returns ``classes_[1]`` if its probability is at least this
        number, which is above 0 and below 1. None returns the more probable class. You can set a
        number after `fit`. With a text, `fit` chooses the number by the out-of-fold probabilities,
        see `threshold_`: "f1" for the highest F1 of ``classes_[1]``; "cost:5,1" for the lowest cost,
        if a row of ``classes_[1]`` that is missed costs 5, and a false alarm 1. `sample_weight`
        counts for it, `class_weight` does not.
    time_limit : float or None, default None
        Time of `fit`, in seconds, including reading, encoding and scoring the table. `fit` trains
        the first configuration, then as many others as there is time for. A network stops at its
        best epoch so far when its share of the time is over. The result depends on the speed of the
        machine, even with a random_state. A resumed `fit` has the whole limit again.
    random_state : int, RandomState or None, default None
        Random numbers for the folds, the initial parameters, the order of the rows, dropout, and
        the permutations of `feature_importances_`.
    n_threads : int, default -1
        Maximum number of threads, -1 for all CPUs of this process. It does not change the results.
    categories, numbers, dates, texts : str, int or sequence of them, default None
        Names or positions of columns that are categories, numbers, dates or free text. `fit` guesses what the
        other columns are, see Notes. If the target is a column of X, positions are those without
        it.
    drop : str, int or sequence of them, default None
        Names or positions of columns to leave out.
    monotone : mapping of str or int to int, or sequence of int, optional
        For two classes: columns of numbers, by name or position, in which the probability of
        ``classes_[1]`` never falls (+1) or never rises (-1) if all other columns stay the same, such
        as ``{"income": +1, "age": -1}``, or one of -1, 0 and 1 for each column of X. It holds for
        all rows, not only for those of training. See the guide "Rules and intervals".
    cv : splitter of scikit-learn, iterable of (train, test), int or None, default None
        The folds, in place of n_estimators folds at random: a splitter such as ``GroupKFold(4)``,
        which gets the `groups` of `fit`, or positions of rows. Rows in no test set have no
        out-of-fold prediction, and rows in several the mean. A file does not hold it. Not with
        `time`, or tables larger than memory.
    verbose : bool, default False
        Whether to show progress on standard error: networks, folds, the score of the folds that are
        done, and the time left.

    Attributes
    ----------
    classes_ : ndarray (n_classes,)
        The classes, sorted.
    columns_ : dict
        Kinds of the columns in use, by name: "number", "category", "date" or "text". The keys are positions
        if X has no names.
    left_out_ : dict
        Why the other columns are left out, by name or position.
    feature_importances_ : ndarray (n_features,)
        Permutation importance of each column: the increase of the log loss, for at most 2,000 held-out
        rows; 0 for columns that are left out. The importance of a column without information can be
        slightly below 0. If several columns have the same information, each has a low importance.
    feature_score_drops_ : ndarray (n_features,) or None
        By how much the accuracy, or the value of `metric`, gets worse for the same rows if the
        column is shuffled. It is above 0 for columns that matter. None if the metric is undefined,
        and from files that were written by older versions.
    oof_prediction_ : ndarray (n, n_classes)
        Probabilities of the training rows from the networks that held them out; NaN for rows that
        no network held out, with n_estimators=1, `time` or `cv`. Not in a file.
    oof_rows_ : ndarray of int, or None
        The numbers of the rows of `oof_prediction_`, if `fit` held a sample of the rows in memory;
        None for all rows. Not in a file.
    oof_score_ : float or None
        Accuracy, weighted by `sample_weight` and `class_weight`, of the classes that
        `oof_prediction_` and `threshold` give; or the value of `metric`, with the same weights. (The
        log loss is lower for better models.) It is slightly optimistic, because the best epochs and
        the weights of the configurations are chosen on the same rows. None if the metric is
        undefined for the held-out rows, with a warning.
    oof_score_name_ : str
        What `oof_score_` is, such as "accuracy", "balanced accuracy" or "weighted F1".
    threshold_ : float or None
        The number that `threshold` stands for, None for the more probable class.
    oof_threshold_ : ndarray (n,) or None
        If `threshold` is a text: the threshold of each row of `oof_prediction_` for `oof_score_`. It
        was chosen on the rows of the other folds, so that the score is not better because of the
        choice. Not in a file.
    metadata_ : dict of str to str
        Text of any kind, empty after `fit`. `save`, `fastnn.load` and pickle keep it.
    n_folds_, n_folds_remaining_ : int
        Number of folds of the model, and of folds with networks that Ctrl-C has left for `fit` with
        resume=True, usually 0. With `time`: number of networks of each configuration that are
        trained on all rows, and of folds and such networks that are left.
    split_ : str or None
        How the rows were split into folds, as a sentence. None for a file of an older version.
    model_ : TableModel
        The encoding of the columns and the networks. Its attributes may change between versions.
    n_features_in_ : int
        Number of columns of X, without the target.
    feature_names_in_ : ndarray (n_features,) of object
        Names of the columns, if they have names.

    See Also
    --------
    TabularRegressor : The same for numbers.
    MLPClassifier : One network, or an ensemble, with the interface of scikit-learn's.

    Notes
    -----
    X is a DataFrame (pandas, Polars), an Arrow table, an array, nested lists, records (a list of
    dicts {column: value}, one for each row), or the path of a file that `fastnn.tables.read` reads,
    such as CSV, Excel or Parquet. All but pandas, arrays and lists need pyarrow, the extra ``cli``.
    Columns are read as follows:

    - Numbers and Booleans are numbers. So are texts that are all numbers written in the same style,
      such as 1,234.50 or 12%, or all "true" or "false".
    - Dates and times are dates. So are texts that are all dates in one format, ISO 8601 or another
      common one. A date becomes a number, its position in the year and in the day, and its weekday,
      month, day of the month and day of the year.
    - Texts of four words and more that are nearly all different are free text: their words and parts
      of words are learned.
    - Other texts are categories, as are a pandas Categorical and an Arrow dictionary. A column
      needs two of them with two rows each. To treat numbers as categories, name the column in `categories`.
    - None, NaN, NaT, NA, and texts such as "", "?", "NA", "null" and "none" are missing values. They
      need no imputation. A network sees which values are missing if the training rows had any.

    Columns without information are left out, see `left_out_`. A category that `fit` has not seen
    contributes nothing to a prediction, without a warning. A value of another kind than in `fit`,
    such as a text in a column of numbers, is an error.

    `fit` splits the rows into n_estimators folds with the same share of each class. For each fold
    and each of several configurations, which differ in encoding and regularization, it trains a
    network on the other folds and keeps the epoch that is best on the fold. The prediction is a
    weighted mean over configurations and the mean over folds. Out-of-fold predictions choose the
    weights and the temperature T of the probabilities: p^(1/T), divided by the sum over the
    classes. n_estimators=1 trains on four fifths of the rows.

    A function as `metric` is called as ``metric(y_true, y_pred)`` with the true and the predicted
    classes, and with ``sample_weight=`` if rows have weights; higher must be better. It is the same
    as ``sklearn.metrics.make_scorer(metric)``. Pass ``make_scorer(f, greater_is_better=False)`` for
    an error, and ``make_scorer(f, response_method="predict_proba")`` if f needs probabilities. A
    model file holds only its name: set it anew before you fit a loaded estimator.

    With `sample_weight` or `class_weight`, a row of weight 2 is not quite the same as two rows,
    since folds and encoding ignore weights.

    References
    ----------
    - Holzmueller, Grinsztajn and Steinwart (2024), "Better by default: strong pre-tuned MLPs and
      boosted trees on tabular data", arXiv:2407.04491: the basis of the recipe.
    - Gorishniy, Rubachev and Babenko (2022), "On embeddings for numerical features in tabular deep
      learning", arXiv:2203.05556: piecewise-linear encoding of numbers.
    - Caruana, Niculescu-Mizil, Crew and Ksikes (2004), "Ensemble selection from libraries of
      models": the weights of the configurations.
    - Breiman (2001), "Random forests", section 10: permutation importances.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import TabularClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [[f"2026-01-{1 + i % 28:02d}", "abc"[i % 3], x] for i, x in enumerate(rng.normal(size=90))]
    >>> y = np.where([row[1] == "a" or row[2] > 0 for row in X], "yes", "no")
    >>> clf = TabularClassifier(2, hidden_layer_sizes=16, random_state=0).fit(X[:60], y[:60])
    >>> clf.columns_
    {0: 'date', 1: 'category', 2: 'number'}
    >>> clf.score(X[60:], y[60:]) > 0.8
    True
    >>> clf.predict_proba([["2026-02-01", "a", None]]).shape  # None is missing
    (1, 2)
    """

    _parameter_constraints: ClassVar[dict] = BaseTabular._parameter_constraints | {
        "metric": [str, callable],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "threshold": [Interval(Real, 0, 1, closed="neither"), str, None],
    }

    metric: str | Callable[..., float]
    class_weight: ClassWeight | None
    threshold: float | str | None
    oof_score_: float

    def __init__(
        self,
        n_estimators: int = 5,
        *,
        hidden_layer_sizes: int | Sequence[int] | Literal["auto"] = "auto",
        metric: str | Callable[..., float] = "auto",
        class_weight: ClassWeight | None = None,
        threshold: float | str | None = None,
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
        return ClassTask(
            metric=metrics.resolve_metric(
                self.metric, metrics.CLASS_METRICS, metrics.NUMBER_METRICS
            ),
            class_weight=self.class_weight,
            threshold=thresholds.parse(self.threshold),
        )

    # ---- predictions ----

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy.

        Parameters
        ----------
        X
            As in `predict_proba`.
        y : array_like or Dask collection (n,), or str
            Classes, or the name of the column of X that holds them.
        sample_weight : array_like or Dask collection (n,), optional
            Weights of the rows.

        Returns
        -------
        float
        """
        return super().score(X, self._targets_to_score(X, y), sample_weight)

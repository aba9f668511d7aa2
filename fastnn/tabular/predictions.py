"""Predictions of a fitted model for tables, as arrays and columns, and its ModelFacts.

These are the base classes of the estimators, and of the models that commands read from files. They
do not import scikit-learn, which takes a second: `stored_model` predicts without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, overload

import numpy as np

from ..core.errors import DataError, Wording, placed
from ..core.messages import did_you_mean, join, printable, similar, warn
from ..core.model_facts import ColumnFacts, ModelFacts, network_sizes
from ..core.validation import check_flag, check_threads
from ..distributed.partitions import maps_partitions
from ..estimators.ensemble import mean_over_networks, std_over_networks
from ..tables.files import TableWarning
from . import metrics
from .columns import frames
from .columns.other_texts import OtherTextsOfParts
from .derivatives import DifferentiablePredictions
from .drift.changes import find_changes
from .drift.profile import NewRows
from .explaining.methods import ExplainedPredictions
from .folds import RowSplit
from .intervals import check_intervals, held_out_coverage, intervals
from .targets import label_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from ..state import History
    from .drift.report import DriftReport
    from .model import TableModel

MAX_MISSING = 20  # names in a message


class TablePredictions(ExplainedPredictions, DifferentiablePredictions):
    """What predictions of classes and of numbers have in common.

    Attributes
    ----------
    is_classifier : bool
        Whether classes are predicted, not numbers.
    model_ : TableModel
        Programs use `facts`, `features_`, `targets_`, `histories_` and the methods instead.
    metric : str or callable
    n_threads : int
    """

    is_classifier: ClassVar[bool]
    model_: TableModel
    metric: Any
    n_threads: int
    n_features_in_: int
    columns_: dict[Any, str]
    left_out_: dict[Any, str]
    feature_importances_: NDArray[np.float64]
    feature_score_drops_: NDArray[np.float64] | None
    oof_score_name_: str
    metadata_: dict[str, str]
    n_folds_: int
    n_folds_remaining_: int
    split_: str | None

    @property
    def features_(self) -> Any:
        """Features: what the columns are, and how they are read."""
        self._check_fitted()
        return self.model_.features

    @property
    def targets_(self) -> Any:
        """TableClasses or TableNumbers: the loss, and what the outputs of the networks become."""
        self._check_fitted()
        return self.model_.targets

    @property
    def histories_(self) -> list[list[History | None]]:
        """list of list of History or None: for each configuration, those of the networks of the folds
        with the last best epoch; None for a network from a file."""
        self._check_fitted()
        return self.model_.histories()

    def facts(self) -> ModelFacts:
        """Return a description of the model: its task, columns, scores and size.

        Programs that show a model read it. Networks and `MLPClassifier` have the same method.

        Returns
        -------
        fastnn.core.model_facts.ModelFacts

        Raises
        ------
        ValueError
            `threshold` was set after `fit` to a rule that `fit` must follow.

        Examples
        --------
        >>> from fastnn import TabularRegressor
        >>> X = [[i / 40, "ab"[i % 2]] for i in range(40)]
        >>> reg = TabularRegressor(2, hidden_layer_sizes=4, random_state=0).fit(X, list(range(40)))
        >>> facts = reg.facts()
        >>> facts.task, [column.kind for column in facts.columns], facts.n_folds
        ('number', ['number', 'category'], 2)
        """
        with self._reading():
            self._check_fitted()
            return _model_facts(self, self._estimator_name())

    def new_rows(self) -> Any:
        """Return the NewRows that count the values of new rows part by part, as `check` does."""
        self._check_fitted()
        return NewRows.of(self.model_)

    def predict_features(
        self, numbers: list[NDArray[Any]], codes: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        """Return the predictions of each fold, (n_folds, n, ...), for what `features_.transform`
        returns."""
        return self.model_.predict_features(numbers, codes, check_threads(self.n_threads))

    def predict_scales(
        self, numbers: list[NDArray[Any]], codes: NDArray[np.int32]
    ) -> NDArray[np.float64] | None:
        """Return the scales of intervals, (n,), for the same; None if all rows have one."""
        return self.model_.predict_scales(numbers, codes, check_threads(self.n_threads))

    def _estimator_name(self) -> str:
        return type(self).__name__

    def _check_fitted(self) -> None:
        """Raise an error if there is no model."""

    def _reading(self) -> Any:
        """Return a context for a call that reads attributes."""
        raise NotImplementedError

    def _predict_batches(self, X, predict):
        """Return predict(frame) for all rows, joined along the first axis."""
        return np.concatenate(self._map_batches(X, predict))

    def _map_batches(self, X, predict):
        """Return predict(frame) for the parts of a table.

        Parquet files are read in parts, so that they need not fit in memory.
        """
        parts = []
        with self._reading():
            self._check_fitted()
            plain = self.model_.features.plain_rows.read_table(X)
            if plain is not None:
                return [predict(plain)]
            others = OtherTextsOfParts(self.model_.features)
            for frame in self._read_batches(X):
                with placed(frame.where):  # rows of errors are those of the part
                    parts.append(predict(frame))
                others.add(frame)
        for note in others.notes():
            warn(note, TableWarning)
        return parts

    def check(self, X: Any) -> DriftReport:
        """Compare new rows with the rows that the model was trained on.

        Columns are noted whose values lie outside the range of training, are missing or of unknown
        categories more often, are distributed otherwise, or are something else, such as texts in
        place of numbers. Differences that are chance or small are not noted: see the guide "Drift".
        A column of the time by which the model was scored may be later.

        Parameters
        ----------
        X : DataFrame, Arrow table, array_like (n, n_features), records, or path
            The table. If its columns have names, they may be in any order; columns may be absent.

        Returns
        -------
        DriftReport
            ``has_drift`` says whether anything has changed, ``changes`` what. Its text is a table,
            and ``to_frame()`` returns a pandas DataFrame.

        Raises
        ------
        ValueError
            The model is from a file that an older version wrote, or X is not a table.

        Examples
        --------
        >>> import numpy as np
        >>> from fastnn import TabularRegressor
        >>> rng = np.random.default_rng(0)
        >>> X = rng.uniform(0, 1, (500, 2))
        >>> reg = TabularRegressor(1, hidden_layer_sizes=4, random_state=0).fit(X, X.sum(axis=1))
        >>> new = rng.uniform(0, 1, (50, 2))
        >>> reg.check(new).has_drift
        False
        >>> reg.check(new * [1, 1000]).drifted_columns
        ['1']
        """
        with self._reading():
            self._check_fitted()
            features, target = self.features_, self.model_.target_name
            found: list[str] = []
            known = features.names
            new = self.new_rows()

            def choose(names):
                found[:] = names
                if known is None:
                    return names
                # Without columns there would be no rows.
                return [name for name in known if name in names] or names[:1]

            for frame in frames.read_batches(X, features.texts(), choose, features.decimal()):
                with placed(frame.where):
                    new.add(self._complete(frame))
        absent: list[str] = []
        others: list[str] = []
        if known is not None and found:
            absent = [name for name in features.used_names() if name not in found]
            others = [name for name in found if name not in known and name != target]
        return find_changes(new, self.model_.time_column, absent, others)

    def _read_batches(self, X):
        """Yield the Frames of rows to predict, with the columns that `fit` had, in their order."""
        self._check_fitted()
        features = self.model_.features
        texts, decimal = features.texts(), features.decimal()
        for frame in frames.read_batches(X, texts, self._choose_columns, decimal):
            yield self._complete(frame)

    def _choose_columns(self, names):
        """Return the columns of a table that the model needs. names : list of str"""
        known = self.model_.features.names
        if known is None:
            return names
        check_columns(names, self.model_.features.used_names())
        return [name for name in known if name in names]

    def _complete(self, frame):
        """Return a Frame with all columns of `fit`. Those that it left out may be absent."""
        known = self.model_.features.names
        n_features, name = self.model_.features.n_columns, self._estimator_name()
        if frame.n_rows == 0 and not frame.columns:
            return frames.without_rows(n_features)
        if (frame.names is None) != (known is None):
            warn(
                f"X does not have valid feature names, but {name} was fitted with feature names"
                if frame.names is None
                else f"X has feature names, but {name} was fitted without feature names",
            )
        elif frame.names is not None:
            return frames.complete(frame, known)
        if len(frame.columns) != n_features:
            raise ValueError(
                f"X has {len(frame.columns)} features, but {name} is expecting {n_features} "
                "features as input"
            )
        return frame


def check_columns(names, needed):
    """Raise DataError if a table with columns of these names lacks one of the needed ones."""
    missing = [name for name in needed if name not in names]
    if not missing:
        return
    others = [name for name in names if name not in needed]
    found = ((name, similar(name, others)) for name in missing)
    name, close = next((pair for pair in found if pair[1] is not None), ("", None))
    if close is None:
        advice = did_you_mean("", names)
    elif len(missing) == 1:
        advice = f"Did you mean {printable(close)!r}?"
    else:
        advice = f"Did you mean {printable(close)!r} for {printable(name)!r}?"
    raise DataError(
        "{has} no column{s} {missing}, but the model needs {them}.",
        "{advice}",
        has=Wording("X has", "has", "the request has"),
        s="s" * (len(missing) > 1),
        missing=join(missing, MAX_MISSING),
        them="them" if len(missing) > 1 else "it",
        advice=advice,
    )


class ClassPredictions(TablePredictions):
    """Predictions of classes."""

    is_classifier: ClassVar[bool] = True
    threshold: Any
    classes_: NDArray[Any]

    @property
    def threshold_(self) -> float | None:
        self._check_fitted()
        return self.model_.targets.find_threshold(self.threshold)

    def decide(self, P: NDArray[Any], threshold: Any) -> NDArray[np.intp]:
        """Return the number in `classes_` of the predicted class of each row.

        P : probabilities (n, n_classes); threshold : as `TableClasses.decide` takes it
        """
        return self.targets_.decide(P, threshold)

    @maps_partitions
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict the probability of each class, in the order of `classes_`.

        Parameters
        ----------
        X : DataFrame, Arrow table, array_like (n, n_features), records, or path
            The table. If its columns have names, they may be in any order, and there may be others.
            Columns that `fit` left out may be absent. A Parquet file, or a folder of them, is read in
            parts, so it need not fit in memory. A table without rows, such as ``[]``, gives an
            empty array.

        Returns
        -------
        ndarray (n, n_classes), float64
            Each is above 0, also for a class that is very unlikely.

        Raises
        ------
        ValueError
            X lacks a column of `fit`, or a value does not fit its column.
        """

        def probabilities(frame):
            return self.model_.predict(frame, check_threads(self.n_threads))

        return self._predict_batches(X, probabilities)

    @maps_partitions
    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict the logarithm of the probability of each class.

        Parameters
        ----------
        X
            As in `predict_proba`.

        Returns
        -------
        ndarray (n, n_classes), float64
        """
        return np.log(self.predict_proba(X))

    @maps_partitions
    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the class of each row: the most probable one, or the one that `threshold` gives.

        Parameters
        ----------
        X
            As in `predict_proba`.

        Returns
        -------
        ndarray (n,)
            Classes.
        """
        with self._reading():
            self._check_fitted()
            threshold = self.threshold_
            return self.classes_[self.decide(self.predict_proba(X), threshold)]


class NumberPredictions(TablePredictions):
    """Predictions of numbers."""

    is_classifier: ClassVar[bool] = False

    def _predict_folds(self, frame):
        return self.model_.predict_folds(frame, check_threads(self.n_threads))

    @overload
    def predict(self, X: Any, return_std: Literal[False] = False) -> NDArray[np.float64]: ...
    @overload
    def predict(
        self, X: Any, return_std: Literal[True]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
    @overload
    def predict(
        self, X: Any, return_std: bool
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]: ...

    @maps_partitions
    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict the target of each row.

        Parameters
        ----------
        X : DataFrame, Arrow table, array_like (n, n_features), records, or path
            The table. If its columns have names, they may be in any order, and there may be others.
            Columns that `fit` left out may be absent. A Parquet file, or a folder of them, is read in
            parts, so it need not fit in memory. A table without rows, such as ``[]``, gives an
            empty array.
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
            X lacks a column of `fit`, or a value does not fit its column.
        """
        return_std = check_flag("return_std", return_std)

        def statistics(frame):
            P = self._predict_folds(frame)
            mean = mean_over_networks(P)
            return np.stack([mean, std_over_networks(P)] if return_std else [mean], 1)

        mean, *std = np.moveaxis(self._predict_batches(X, statistics), 1, 0)
        return (mean, *std) if return_std else mean

    @maps_partitions
    def predict_interval(self, X: Any, coverage: float = 0.9) -> tuple[NDArray[Any], NDArray[Any]]:
        """Predict an interval for the target of each row.

        An interval is as wide as the errors that are to be expected in its row. Let e_i be the
        absolute error of the networks of fold k(i), which held out training row i, for that row. A
        small network s_k learns the errors of the rows that the other folds held out, and r_i = e_i
        / s_k(i)(x_i). The interval of a new row x is f(x) +- q s(x), where f is the prediction, s
        the mean of the networks s_k, and q a quantile of all r_i, as in conformal prediction. With
        n_estimators=1, two networks learn the errors of the rows that its fold held out. If `fit`
        had `time`, q is weighted: fold k, from 1, has the weight k, as it has k times as many rows
        to train on as the first, which has perhaps not seen a season. With log_target the intervals
        are computed for log(y), and the bounds are exponentials. If several quantiles are
        predicted, f is the middle of the least and the largest, and s half of their distance.

        If a network s_k would have fewer than 100 rows to learn from, and after Ctrl-C, intervals are
        CV+ (Barber, Candes, Ramdas and Tibshirani, 2021, arXiv:1905.02928): quantiles over i of
        f_k(i)(x) - e_i and of f_k(i)(x) + e_i. They have about the same width for all rows.

        If new rows are like the training rows, typically a fraction of `coverage` of the targets lies
        inside, also of the rows with large errors. Rows of weight 0 do not count, and other weights
        are not used for q. The best epochs are chosen by the same held-out rows, so the intervals
        of small tables are slightly too narrow.

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
            `coverage` is invalid or so close to 1 that the training rows are too few. Or the model
            predicts several quantiles, and is from a file of an older version.

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
        self._check_fitted()
        check_intervals(self.model_)

        def bounds(frame):
            features = self.model_.features.transform(frame)
            folds, scales = self.predict_features(*features), self.predict_scales(*features)
            return np.stack(intervals(self.model_, folds, scales, coverage), 1)

        lower, upper = self._predict_batches(X, bounds).T
        return lower, upper

    def held_out_coverage(self, coverages: Sequence[float]) -> list[float | None]:
        """Return the share of held-out rows inside the intervals of other folds, for each coverage.

        Each fold is compared with the quantile of the errors of the others, as in CV+, and folds
        forward in time with that of the earlier ones. The share is None for one fold.
        """
        check_intervals(self.model_)
        return held_out_coverage(self.model_.errors, coverages, self.model_.is_forward)


# ---- columns: `fastnn predict` and `fastnn serve` give the same names ----


def class_columns(model, P, proba):
    """Return {name: array} of the classes of rows.

    Parameters
    ----------
    model : ClassPredictions
    P : ndarray (n, n_classes)
        Probabilities.
    proba : bool
        Whether to add the probability of each class.
    """
    labels = model.classes_[model.decide(P, model.threshold_)]
    columns = {"prediction": labels}
    if proba:
        for label, p in zip(model.classes_.tolist(), P.T):
            columns[f"probability_{label_text(label)}"] = p
    return columns


def number_columns(model, y, bounds=()):
    """Return {name: array} of predicted numbers, or of quantiles.

    Parameters
    ----------
    model : NumberPredictions
    y : ndarray (n,) or (n, n_quantiles)
    bounds : (ndarray (n,), ndarray (n,)), or ()
        Those of intervals.
    """
    if y.ndim == 1:
        return {"prediction": y, **dict(zip(("lower", "upper"), bounds))}
    quantiles = np.atleast_1d(model.targets_.loss.q)
    columns = {f"quantile_{q:g}": values for q, values in zip(quantiles, y.T)}
    return columns | dict(zip(("lower", "upper"), bounds))


def fold_columns(model, folds, proba, coverage, scales):
    """Return {name: array} of what all folds predict for rows.

    Parameters
    ----------
    model : TablePredictions
    folds : ndarray (n_folds, n, ...)
        As `TablePredictions.predict_features` returns them.
    proba : bool
        Whether to add the probability of each class.
    coverage : float in (0, 1), optional
        Of intervals of numbers.
    scales : ndarray (n,), or None
        As `TablePredictions.predict_scales` returns them, for intervals.
    """
    mean = mean_over_networks(folds)
    if model.is_classifier:
        return class_columns(model, model.targets_.calibrate(mean), proba)
    bounds = () if coverage is None else intervals(model.model_, folds, scales, coverage)
    return number_columns(model, mean, bounds)


# ---- facts ----


def _model_facts(estimator, name):
    """Return the ModelFacts of a fitted model.

    Parameters
    ----------
    estimator : TablePredictions
    name : str
        The class of the estimator.
    """
    model, is_classifier = estimator.model_, estimator.is_classifier
    features, targets, split = model.features, model.targets, model.split or RowSplit()
    threshold = estimator.threshold_ if is_classifier else None
    rule = estimator.threshold if is_classifier else None

    def by_label(values):
        labels = features.names or map(str, range(features.n_columns))
        return dict(zip(labels, values.tolist()))

    return ModelFacts(
        estimator=name,
        is_table=True,
        columns=_columns(model),
        has_names=features.names is not None,
        **network_sizes(model.networks()),
        weights=tuple(member.weight for member in model.members),
        classes=tuple(targets.labels.tolist()) if is_classifier else None,
        threshold=_if_known(threshold, float),
        threshold_rule=rule if isinstance(rule, str) else None,
        quantiles=_if_known(getattr(targets.loss, "q", None), _numbers),
        bounds=None if is_classifier or model.is_forward else targets.bounds,
        target=model.target_name,
        left_out=dict(features.left_out),
        monotone={features.columns[source].label: sign for source, sign in model.monotone.items()},
        score=estimator.oof_score_,
        score_name=estimator.oof_score_name_,
        metric=metrics.known_name(estimator.metric, is_classifier),
        importances=by_label(estimator.feature_importances_),
        score_drops=_if_known(estimator.feature_score_drops_, by_label),
        split=estimator.split_,
        time=model.time_column,
        groups=split.groups,
        weight=split.weight,
        n_folds=model.n_folds,
        n_folds_left=model.n_folds_remaining,
        kept=_if_known(model.checkpoint, lambda checkpoint: checkpoint.describe()),
        n_rows=_if_known(model.profile, lambda profile: profile.n_rows),
        n_background=0 if model.background is None else len(model.background),
        has_intervals=model.errors is not None,
        metadata=dict(estimator.metadata_),
    )


def _if_known(value, function):
    """Return function(value), None for None."""
    return None if value is None else function(value)


def _numbers(values):
    """Return a number or an array as a tuple."""
    return tuple(np.atleast_1d(values).tolist())


def _columns(model):
    """Return the ColumnFacts of the columns in use."""
    features, profile = model.features, model.profile
    middles, categories = _medians(model), features.value_categories()
    found = []
    for j in features.used():
        column, held = features.columns[j], None if profile is None else profile.columns[j]
        missing = None if held is None else held.n_missing / profile.n_rows
        own = column.facts(held, middles.get(j), categories.get(j, ()))
        found.append(
            ColumnFacts(column.label, column.kind, features.positions[j], missing=missing, **own)
        )
    return tuple(found)


def _medians(model):
    """Return the exact medians of the training rows. A profile has those of 64 quantiles."""
    if not model.encoders:
        return {}
    pairs = zip(model.features.numbers, model.encoders[0].scalings)
    return {f.source: float(scaling.median) for f, scaling in pairs if f.part == "value"}

"""The base class of the estimators for tables."""

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
)

from ..estimators.attributes import Attributes
from ..validation import check_threads
from . import budget, frames, importances, recipe, training
from .encoder import Encoder, Scaling
from .features import Features
from .folds import group_numbers, split_rows, weights_of

MAX_WIDTH = 2**24  # units of a hidden layer
BLOCK = 20_000  # rows that are encoded and predicted at a time
#: Attributes that `fit` sets.
FITTED = (
    *("n_features_in_", "feature_names_in_", "columns_", "left_out_", "classes_"),
    *("feature_importances_", "oof_prediction_", "oof_score_", "metadata_"),
    *("_targets", "_features", "_encoders", "_members", "_target_name", "_fold_of_row"),
    "_held_out_errors",
)
COLUMNS = ["array-like", str, Integral, None]


class BaseTabular(Attributes):
    """Parameters and fit of `TabularClassifier` and `TabularRegressor`.

    The subclasses define targets and predictions.
    """

    _parameter_constraints: ClassVar[dict] = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left"),
                               StrOptions({"auto"})],
        "time_limit": [Interval(Real, 0, None, closed="neither"), None],
        "random_state": ["random_state"],
        "n_threads": [Interval(Integral, 1, None, closed="left"), Options(Integral, {-1})],
        "categories": COLUMNS,
        "numbers": COLUMNS,
        "dates": COLUMNS,
        "drop": COLUMNS,
        "verbose": ["verbose"],
    }  # fmt: skip

    n_estimators: int
    time_limit: float | None
    hidden_layer_sizes: Any
    random_state: Any
    n_threads: int
    categories: Any
    numbers: Any
    dates: Any
    drop: Any
    verbose: Any
    n_features_in_: int
    feature_names_in_: np.ndarray
    columns_: dict
    left_out_: dict
    feature_importances_: np.ndarray
    oof_prediction_: np.ndarray
    metadata_: dict
    _targets: Any
    _features: Features
    _encoders: list
    _members: list
    _target_name: str | None
    _fold_of_row: np.ndarray

    # ---- fit ----

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, groups=None):
        """Fit an ensemble of networks to a table.

        Parameters
        ----------
        X : DataFrame (pandas or Polars), Arrow table, array_like (n, n_features), or path
            The table: numbers, texts, categories, Booleans, dates and missing values. A path is
            that of a file that `fastnn.tables.read` reads, such as CSV or Parquet.
        y : array_like (n,), or str
            Targets, or the name of the column of X that holds them.
        sample_weight : array_like (n,), optional
            Weights of the rows, at least 0.
        groups : array_like (n,), optional
            Rows of the same group are in the same fold: pass the patient, the site or the sensor of
            each row, if new rows will come from others.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            X, y, sample_weight or a parameter is invalid.
        MemoryError
            The networks would need more memory than the machine has.
        """
        with self._restore_on_error(BaseException):  # also Ctrl-C: half an ensemble is of no use
            for name in FITTED:
                self.__dict__.pop(name, None)
            self._fit(X, y, sample_weight, groups)
            self.metadata_ = {}
        return self

    def _fit(self, X, y, sample_weight, groups):
        clock = budget.Clock(self.time_limit)
        frame, y = self._read_rows(X, y)
        n = frame.n_rows
        if n < 2:
            raise ValueError(f"fit needs at least 2 rows, got {n} sample{'s' * (n != 1)}.")
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, np.zeros(n), ensure_non_negative=True)
        if groups is not None:
            groups = group_numbers(groups, n)
        hidden = self._hidden_sizes()
        random_state = check_random_state(self.random_state)
        n_threads = check_threads(self.n_threads)
        y = self._fit_targets(y, weight)
        weight = self._multiply_class_weights(y, weight)
        if weight is not None and not 0 < weight.sum() < np.inf:
            raise ValueError(
                f"the sum of the weights of the rows is {weight.sum():g}. At least one weight must be "
                "above 0, and their sum finite."
            )
        self._features = Features.fit(
            frame,
            *(
                () if v is None else v
                for v in (self.numbers, self.categories, self.dates, self.drop)
            ),
        )
        self._describe_columns()
        self._members, self._encoders = [], []
        if self._targets.n_out == 1 and self._targets.is_classifier:
            self._end_without_networks(y)
            return
        numbers, codes = self._features.transform(frame)
        folds = split_rows(n, self.n_estimators, y if self._targets.is_classifier else None, groups,
                       random_state)  # fmt: skip
        configurations = list(dict.fromkeys(self._configurations(len(folds[0][0]))))
        encoders = self._fit_encoders(configurations, numbers, codes, y, hidden[0])
        configurations = [c for c in configurations if c.encoding in encoders]
        budget.check_memory(encoders, hidden, self._targets.n_out, len(folds), self._features, n)
        tables = {s: encoder.encode(numbers, codes) for s, encoder in encoders.items()}
        learned = self._targets.encode(y)
        jobs = training.make_jobs(
            configurations, tables, folds, self._targets, hidden, random_state
        )
        jobs, epochs_of = clock.plan(jobs, learned, self._targets, len(folds), n_threads)
        training.train(
            jobs,
            learned,
            weight,
            self._targets,
            hidden[0],
            n_threads,
            bool(self.verbose),
            epochs_of,
        )
        self._select(jobs, encoders, folds, y, weight, n_threads)
        self._set_scores(y, weight)
        self.feature_importances_ = importances.permutation(
            self, numbers, codes, y, weight, folds, random_state, n_threads
        )

    def _read_rows(self, X, y):
        """Return the Frame of the training table, and y as an array. Set the names of columns."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None. Pass an "
                "array, or the name of a column of X."
            )
        self._target_name = y if isinstance(y, str) else None
        if isinstance(y, str):
            frame, y = frames.split_target(X, y)
        else:
            frame = frames.read(X)
            check_consistent_length(np.empty((frame.n_rows, 0)), y)
        self.n_features_in_ = len(frame.columns)
        if frame.names is not None:
            self.feature_names_in_ = np.array(frame.names, dtype=object)
        return frame, y

    def _describe_columns(self):
        """Set `columns_` and `left_out_`, whose keys are names, or positions without names."""
        names, kinds = self._features.names, self._features.kinds()
        for attribute, texts in (("columns_", kinds), ("left_out_", self._features.left_out)):
            d = {int(k) if names is None else k: text for k, text in texts.items()}
            setattr(self, attribute, d)

    def _hidden_sizes(self):
        sizes = self.hidden_layer_sizes
        if isinstance(sizes, str):
            return [64, 64]
        sizes = [sizes] if isinstance(sizes, Integral) else list(sizes)
        if not sizes or not all(
            isinstance(k, Integral) and 1 <= int(k) <= MAX_WIDTH for k in sizes
        ):
            raise ValueError(
                "hidden_layer_sizes must be 'auto', a whole number or a sequence of whole numbers "
                f"from 1 to {MAX_WIDTH:,}, got {self.hidden_layer_sizes!r}"
            )
        return list(map(int, sizes))

    def _configurations(self, m):
        return recipe.configurations(self._targets.is_classifier, m, self._targets.n_out)

    def _fit_encoders(self, configurations, numbers, codes, y, width):
        """Return {Settings: Encoder} of the configurations, without those that have no inputs."""
        of_number = self._features.numbers
        scalings = [Scaling.fit(x, n.part == "value") for n, x in zip(of_number, numbers)]
        n_levels = [category.n_levels for category in self._features.categories]
        target = self._targets.for_trees(y)
        out = {}
        for settings in dict.fromkeys(c.encoding for c in configurations):
            encoder = Encoder.fit(scalings, numbers, n_levels, target, settings, width)
            if encoder.n_inputs:
                out[settings] = encoder
        if not out:
            raise ValueError(
                f"X has no usable column: the values of {', '.join(self._features.kinds())} differ "
                "too little or too much. Rescale them."
            )
        return out

    def _select(self, jobs, encoders, folds, y, weight, n_threads):
        """Choose among the configurations, and set the out-of-fold predictions."""
        by_configuration: dict = {}
        for job in jobs:
            by_configuration.setdefault(job.configuration, []).append(job)
        predictions, held_out = [], np.concatenate([rows for _, rows in folds])
        for group in by_configuration.values():
            parts = [
                self._targets.finish(
                    training.outputs(job.networks, job.table[job.held_out], n_threads)
                )
                for job in group
            ]
            predictions.append(np.concatenate(parts))
        w = weights_of(weight, held_out)
        shares = training.greedy(predictions, y[held_out], w, self._targets)
        used = dict.fromkeys(c.encoding for c, share in zip(by_configuration, shares) if share > 0)
        self._encoders = [encoders[settings] for settings in used]
        self._members = [
            Member(list(used).index(c.encoding), float(share), [job.networks for job in group])
            for (c, group), share in zip(by_configuration.items(), shares)
            if share > 0
        ]
        best = sum(share * P for share, P in zip(shares, predictions))
        self.oof_prediction_ = np.full((len(y), *best.shape[1:]), np.nan)
        self.oof_prediction_[held_out] = best
        self._fold_of_row = np.full(len(y), -1)
        for i, (_, rows) in enumerate(folds):
            self._fold_of_row[rows] = i

    def save(self, path):
        """Save the fitted estimator with its encoding to a safetensors file, without pickle.

        Read it with `fastnn.load`. The file is written beside `path`, synced and renamed. It does
        not hold `oof_prediction_`.

        Parameters
        ----------
        path : str or path-like

        Raises
        ------
        ValueError
            A class is not a text, a number or a Boolean, or `metadata_` is not a dict of str to str.
        sklearn.exceptions.NotFittedError
            The estimator is not fitted.

        Examples
        --------
        >>> import os, tempfile
        >>> import fastnn
        >>> X = [[i / 40, "ab"[i % 2]] for i in range(40)]
        >>> reg = fastnn.TabularRegressor(2, time_limit=1).fit(X, list(range(40)))
        >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
        >>> reg.save(path)
        >>> bool((fastnn.load(path).predict(X) == reg.predict(X)).all())
        True
        """
        from . import file

        check_is_fitted(self)
        file.write(path, self)

    # ---- predictions ----

    def _read(self, X):
        """Return the Frame of rows to predict, with the columns that `fit` had."""
        check_is_fitted(self)
        frame = frames.read(X, self._features.texts())
        name, known = type(self).__name__, self._features.names
        if (frame.names is None) != (known is None):
            warnings.warn(
                f"X does not have valid feature names, but {name} was fitted with feature names"
                if frame.names is None
                else f"X has feature names, but {name} was fitted without feature names",
                UserWarning,
                stacklevel=3,
            )
        elif frame.names is not None:
            if self._target_name in frame.names:
                i = frame.names.index(self._target_name)
                del frame.names[i], frame.columns[i]
            if frame.names != known:
                raise ValueError(frames.describe_other_names(frame.names, known))
        if len(frame.columns) != self.n_features_in_:
            raise ValueError(
                f"X has {len(frame.columns)} features, but {name} is expecting "
                f"{self.n_features_in_} features as input"
            )
        return frame

    def _fold_predictions(self, frame):
        """Return the predictions of the networks of each fold, (n_folds, n, ...)."""
        numbers, codes = self._features.transform(frame)
        folds, n_threads = range(len(self._members[0].networks)), check_threads(self.n_threads)
        parts = []
        for a in range(0, max(1, frame.n_rows), BLOCK):
            rows = slice(a, a + BLOCK)
            tables = self._encode([x[rows] for x in numbers], codes[rows])
            parts.append(np.stack([self._predict_fold(tables, k, n_threads) for k in folds]))
        return np.concatenate(parts, axis=1)

    def _encode(self, numbers, codes):
        """Return the tables that the networks read, one for each encoder."""
        return [encoder.encode(numbers, codes) for encoder in self._encoders]

    def _predict_fold(self, tables, fold, n_threads):
        """Return the predictions of the networks of a fold for encoded rows."""
        return sum(
            member.share
            * self._targets.finish(
                training.outputs(member.networks[fold], tables[member.encoder], n_threads)
            )
            for member in self._members
        )

    def _targets_to_score(self, X, y):
        """Return the targets of rows. y : array, or the name of a column of X."""
        return frames.split_target(X, y)[1] if isinstance(y, str) else y

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_members")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


class Member:
    """The networks of one configuration.

    Attributes
    ----------
    encoder : int
        Position of their encoder in the estimator's list.
    share : float
        Their share of the prediction.
    networks : list of list of MLP
        One or two for each fold, whose outputs are averaged.
    """

    def __init__(self, encoder, share, networks):
        self.encoder, self.share, self.networks = encoder, share, networks

"""The base class of the estimators for tables."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import metadata_routing
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from ..errors import Argument, DataError, Wording, placed
from ..estimators.attributes import Attributes
from ..messages import warn
from ..validation import check_count, check_threads
from . import frames, large, recipe, training
from .features import Features
from .fit import Fit
from .sampling import Rows
from .unfinished import Unfinished

if TYPE_CHECKING:
    from typing import Any, Self

    from numpy.typing import ArrayLike, NDArray
    from sklearn.utils import Tags

    from ..typing import Path


MAX_WIDTH = 2**24  # units of a hidden layer
MAX_HIDDEN = 99  # hidden layers
MAX_FOLDS = 10_000
BLOCK = 20_000  # rows that are encoded and predicted at a time
#: Attributes that `fit` sets.
FITTED = (
    *("n_features_in_", "feature_names_in_", "columns_", "left_out_", "classes_"),
    *("feature_importances_", "oof_prediction_", "oof_rows_", "oof_score_", "metadata_"),
    *("n_folds_", "n_folds_left_"),
    *("_targets", "_features", "_encoders", "_members", "_target_name", "_fold_of_row"),
    *("_held_out_errors", "_unfinished"),
)
COLUMNS = ["array-like", str, Integral, None]


class BaseTabular(Attributes):
    """Parameters and fit of `TabularClassifier` and `TabularRegressor`.

    The subclasses define targets and predictions.

    Attributes
    ----------
    _on_progress : callable or None
        ``_on_progress(progress)`` is called while a large table is encoded, and during training
        about twenty times a second and at the end, with a `progress.Progress`. Assign a function to
        the attribute of an estimator before `fit`, and delete it afterwards, since it would be
        copied and pickled.
    _metadata_bytes : int
        Bytes of the header of a model file that `fit` leaves for the `metadata_` to come.
    """

    _on_progress: Any = None
    _metadata_bytes: int = 0
    _score_name: str
    #: These arguments are not routed by meta-estimators.
    __metadata_request__fit: ClassVar[dict] = dict.fromkeys(
        ("resume", "window"), metadata_routing.UNUSED
    )

    _parameter_constraints: ClassVar[dict] = {
        "n_estimators": [Interval(Integral, 1, MAX_FOLDS, closed="both")],
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
    feature_names_in_: NDArray[Any]
    columns_: dict[Any, str]
    left_out_: dict[Any, str]
    feature_importances_: NDArray[np.float64]
    oof_prediction_: NDArray[np.float64]
    oof_rows_: NDArray[np.int64] | None
    metadata_: dict[str, str]
    n_folds_: int
    n_folds_left_: int
    _targets: Any
    _features: Features
    _encoders: list
    _members: list
    _target_name: str | None
    _fold_of_row: np.ndarray
    _unfinished: Unfinished | None

    # ---- fit ----

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        resume: bool = False,
        window: int | None = None,
    ) -> Self:
        """Fit an ensemble of networks to a table.

        Parameters
        ----------
        X : DataFrame (pandas or Polars), Arrow table, array_like (n, n_features), records, or path
            The table: numbers, texts, categories, Booleans, dates and missing values. A path is
            that of a file that `fastnn.tables.read` reads, such as CSV or Parquet, or of a folder
            of Parquet files. Without `y`, X yields row groups ``(X, y)`` or ``(X, y,
            sample_weight)``, the same in each pass: a list, an object whose ``__iter__`` starts
            over, or a function that returns a new iterator.
        y : array_like (n,), or str
            Targets, or the name of the column of X that holds them.
        sample_weight : array_like (n,), optional
            Weights of the rows, at least 0.
        groups : array_like (n,), optional
            Rows of the same group are in the same fold: pass the patient, the site or the sensor of
            each row, if new rows will come from others.
        resume : bool, default False
            Train only the folds that are left, `n_folds_left_`, after Ctrl-C has stopped `fit`.
            Pass the same rows and parameters, and an int as random_state. The result is bit for bit
            that of a fit that was not stopped. The estimator may come from a file. If no fold is
            left, nothing is done.
        window : int, optional
            Most rows in memory, for Parquet files and row groups. By default all rows, if memory is
            large enough, else as many as take about 256 MB. Of a table that has more rows, `fit`
            holds a sample in memory, and writes all rows in encoded form to temporary files, from
            which the networks train. See the guide "Tables larger than memory".

        Returns
        -------
        self

        Raises
        ------
        ValueError
            X, y, sample_weight or a parameter is invalid, or not that of the fit to resume. Or
            a model file could not hold the model: it describes the texts of categories and classes,
            the names and the bins of all columns in up to 16 MB.
        MemoryError
            The networks would need more memory than the machine has.
        OSError
            The temporary files of a table larger than memory do not fit on the disk.
        KeyboardInterrupt
            On Ctrl-C. If the networks of some folds are trained, the estimator is fitted with them:
            `oof_prediction_` is NaN for the rows of the other folds. Otherwise all attributes are
            what they were before. A second Ctrl-C does not wait for the scores, and leaves all
            attributes as they were before.
        """
        unfinished, members, metadata = None, [], {}
        if resume:
            unfinished = self._unfinished_fit()
            if unfinished is None:
                return self
            members, metadata = self._members, self.metadata_
        with self._restore_on_error(BaseException):
            for name in FITTED:
                self.__dict__.pop(name, None)
            fit = Fit(self, X, y, sample_weight, groups, window)
            self.oof_rows_ = None if fit.large is None else fit.large.numbers
            interrupt = None
            if self._targets.n_out == 1 and self._targets.is_classifier:
                if unfinished is not None:  # its targets had several classes
                    unfinished.refuse("targets")
                self._end_without_networks(fit.y)
            else:
                interrupt = fit.run(unfinished, members)
            self.metadata_ = metadata
        if interrupt is not None:
            raise interrupt
        return self

    def _unfinished_fit(self):
        """Return the Unfinished that `fit(resume=True)` continues, None if no fold is left."""
        if not hasattr(self, "_members"):
            raise DataError(
                "{argument} continues a fit that Ctrl-C has stopped, but this estimator is not fitted.",
                "Pass resume=False.",
                argument=Argument("resume", True),
            )
        if self._unfinished is not None and not isinstance(self.random_state, Integral):
            raise ValueError(
                "resume=True needs the random numbers of the fit that was stopped, so random_state "
                f"must be an int, got {self.random_state!r}. Pass resume=False."
            )
        return self._unfinished

    def _read_rows(self, X, y, sample_weight, window):
        """Return the Rows in memory, and the LargeTable that they are from or None.

        Set the names of columns.
        """
        if window is not None:
            window = check_count("window", window, minimum=2)
        self._target_name = y if isinstance(y, str) else None
        rows, table = large.read(self, X, y, sample_weight, window)
        if rows is None:
            if y is None:
                raise ValueError(
                    f"{type(self).__name__} requires y to be passed, but the target y is None. Pass an "
                    "array, or the name of a column of X."
                )
            if isinstance(y, str):
                frame, y = frames.split_target(X, y)
            else:
                frame = frames.read(X)
                check_consistent_length(np.empty((frame.n_rows, 0)), y)
            rows = Rows(frame, y, sample_weight)
        self.n_features_in_ = len(rows.frame.columns)
        if rows.frame.names is not None:
            self.feature_names_in_ = np.array(rows.frame.names, dtype=object)
        return rows, table

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
        if not 1 <= len(sizes) <= MAX_HIDDEN or not all(
            isinstance(k, Integral) and 1 <= int(k) <= MAX_WIDTH for k in sizes
        ):
            raise DataError(
                "{argument} must be {what} up to {most} whole numbers from 1 to {widest:,}, got "
                "{value}",
                argument="hidden_layer_sizes",
                what=Wording("'auto', a whole number or a sequence of", "a list of"),
                most=MAX_HIDDEN,
                widest=MAX_WIDTH,
                value=Wording(repr(self.hidden_layer_sizes), ",".join(map(str, sizes))),
            )
        return list(map(int, sizes))

    def _configurations(self, m):
        targets, has_days = self._targets, self._features.has_days()
        return recipe.configurations(targets.is_classifier, m, targets.n_out, has_days)

    def save(self, path: Path) -> None:
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

    def _predict_parts(self, X, predict):
        """Return predict(frame) for all rows, joined along the first axis.

        Parquet files are read in parts, so that they need not fit in memory.
        """
        parts = []
        for frame in self._read_parts(X):
            with placed(frame.where):  # rows of errors are those of the part
                parts.append(predict(frame))
        return np.concatenate(parts)

    def _read_parts(self, X):
        """Yield the Frames of rows to predict, with the columns that `fit` had."""
        check_is_fitted(self)
        for frame in frames.read_parts(X, self._features.texts()):
            self._check_columns(frame)
            yield frame

    def _check_columns(self, frame):
        """Check that rows to predict have the columns that `fit` had. The target is removed."""
        name, known = type(self).__name__, self._features.names
        if (frame.names is None) != (known is None):
            warn(
                f"X does not have valid feature names, but {name} was fitted with feature names"
                if frame.names is None
                else f"X has feature names, but {name} was fitted without feature names",
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
            if member.share
        )

    def _targets_to_score(self, X, y):
        """Return the targets of rows. y : array, or the name of a column of X."""
        return frames.split_target(X, y)[1] if isinstance(y, str) else y

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_members")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

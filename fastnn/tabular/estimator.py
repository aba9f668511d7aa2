"""The base class of the estimators for tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import metadata_routing
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..core.errors import Argument, DataError, Wording
from ..core.validation import check_flag
from ..distributed.partitions import is_collection
from ..estimators.mixins import Attributes, lock_of
from ..kernels import InTraining
from . import stored_model
from .checkpoint import MAX_FOLDS
from .columns import frames
from .columns.features import ARGUMENTS
from .encoder import MAX_HIDDEN, MAX_WIDTH
from .fitting.options import FitArguments, TableFitOptions
from .fitting.table_fit import TableFit
from .large.dask_table import check_column
from .predictions import TablePredictions

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from typing import Self

    from numpy.typing import ArrayLike, NDArray
    from sklearn.utils import Tags

    from ..typing import Path


#: Attributes that `fit` sets.
FITTED = (
    *("model_", "n_features_in_", "feature_names_in_", "columns_", "left_out_", "classes_"),
    *("feature_importances_", "feature_score_drops_", "metadata_"),
    *("oof_prediction_", "oof_rows_", "oof_score_", "oof_score_name_", "oof_threshold_"),
    *("n_folds_", "n_folds_remaining_", "split_", "_fold_of_row"),
)
COLUMNS = ["array-like", str, Integral, None]


class BaseTabular(Attributes, TablePredictions):
    """Parameters and fit of `TabularClassifier` and `TabularRegressor`.

    The subclasses define the task of `fit`, and predictions.

    Attributes
    ----------
    model_ : TableModel
        The fitted model, which all predictions use.
    folds_ : FoldRows or None
        The rows of the folds, None in an estimator from a file.
    oof_blocks_ : ndarray (n,) of int, or None
        After a fit with `time`, the number of the fold that scored each row, -1 for none.
    on_progress : callable or None
        ``on_progress(progress)`` is called while a large table is encoded, and during training
        about twenty times a second and at the end, with a `progress.FitProgress`. Assign a
        function to the attribute of an estimator before `fit`, and delete it afterwards, since it
        would be copied and pickled.
    metadata_bytes : int
        Bytes of the header of a model file that `fit` leaves for the `metadata_` to come.
    seconds_before : float
        Seconds of the time limit that have passed before `fit`, such as those of reading a file.
    suggests_splits : bool
        Whether `fit` warns of columns by which the rows should be split into folds.
    """

    on_progress: Any = None
    metadata_bytes: int = 0
    seconds_before: float = 0.0
    suggests_splits: bool = True
    #: These arguments are not routed by meta-estimators.
    __metadata_request__fit: ClassVar[dict] = dict.fromkeys(
        ("resume", "window", "executor"), metadata_routing.UNUSED
    )

    _parameter_constraints: ClassVar[dict] = {
        "n_estimators": [Interval(Integral, 1, MAX_FOLDS, closed="both")],
        "cv": ["cv_object"],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left"),
                               StrOptions({"auto"})],
        "time_limit": [Interval(Real, 0, None, closed="neither"), None],
        "random_state": ["random_state"],
        "n_threads": [Interval(Integral, 1, None, closed="left"), Options(Integral, {-1})],
        "verbose": ["verbose"],
        **dict.fromkeys(ARGUMENTS, COLUMNS),
        "monotone": [Mapping, "array-like", None],
    }  # fmt: skip

    n_estimators: int
    cv: Any
    time_limit: float | None
    hidden_layer_sizes: Any
    random_state: Any
    monotone: Mapping[str | int, int] | Sequence[int] | None
    verbose: Any
    feature_names_in_: NDArray[Any]
    oof_prediction_: NDArray[np.float64]
    oof_rows_: NDArray[np.int64] | None
    _fold_of_row: np.ndarray | None

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
        time: ArrayLike | None = None,
        executor: Executor | None = None,
    ) -> Self:
        """Fit an ensemble of networks to a table.

        Parameters
        ----------
        X : DataFrame (pandas, Polars, Dask), Arrow table, array_like, records, or path
            The table, (n, n_features): numbers, texts, categories, Booleans, dates and missing
            values. A SciPy matrix becomes an array with all its zeros. The workers of Dask train on
            the partitions of its DataFrames and arrays: see the guide "Several machines". A path is
            that of a file or folder that `fastnn.tables.read` reads, such as CSV or Parquet, or an
            address. Without `y`, X yields row groups ``(X, y)`` or ``(X, y, sample_weight)``, the
            same in each pass: a list, an object whose ``__iter__`` starts over, or a function that
            returns a new iterator.
        y : array_like (n,), or str
            Targets, or the name of the column of X that holds them.
        sample_weight : array_like (n,) or str, optional
            Weights of the rows, at least 0; or the name of the column of X that holds them, which
            is then not an input.
        groups : array_like (n,) or str, optional
            Rows of the same group are in the same fold: pass the patient, the site or the sensor of
            each row, if new rows will come from others; or the name of the column of X that holds
            it, which is then not an input. Rows without a group are left out, with a warning.
        resume : bool, default False
            Train only the networks that are left, of `n_folds_remaining_` folds, after Ctrl-C has
            stopped `fit`.
            Pass the same rows and parameters, and an int as random_state. The result is bit for bit
            that of a fit that was not stopped. The estimator may come from a file. If no fold is
            left, nothing is done.
        window : int, optional
            Most rows in memory, for Parquet files, row groups and Dask collections. By default all
            rows, if memory is large enough, else as many as take about 256 MB. Of a table that has
            more rows, `fit` holds a sample in memory, and writes all rows in encoded form to
            temporary files, from which the networks train. See the guide "Tables larger than
            memory".
        time : array_like (n,) or str, optional
            The date, time or number by which the rows are ordered, if new rows will come later; or
            the name of the column of X that holds it, which stays an input. Each fold trains on the
            rows before those that it scores, and then the networks of the model train on all rows.
            Rows without a time are left out, with a warning. See the guide "Rows in the order of
            time".
        executor : concurrent.futures.Executor, optional
            Train the networks in its workers: processes, or machines that Dask or MPI connects. The
            encoded rows travel to each worker once. A worker has one thread with n_threads=-1. Not
            for tables larger than memory. See the guide "Several machines".

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
            The temporary files of a table larger than memory do not fit on the disk. Or, as
            ClusterError, the scheduler of Dask has gone, or has no workers: then the estimator has
            the folds that are done, as after Ctrl-C.
        KeyboardInterrupt
            On Ctrl-C. If some networks are trained, the estimator is fitted with those of the folds
            that are done, or of the configurations that are trained on as many folds as possible:
            `oof_prediction_` is NaN for the rows of the other folds. Otherwise all attributes are
            what they were before. A second Ctrl-C does not wait for the scores, and leaves all
            attributes as they were before.
        """
        with InTraining([lock_of(self)]):
            stopped = self._stopped_model() if check_flag("resume", resume) else None
            if resume and stopped is None:
                return self
            passed = FitArguments(
                X=X, y=y, sample_weight=sample_weight, groups=groups, time=time, window=window
            )
            options = self._fit_options(executor, resume)
            attributes, interrupt = TableFit(options, passed).run(stopped)
            attributes["metadata_"] = {} if stopped is None else self.metadata_
            kept = {name: value for name, value in vars(self).items() if name not in FITTED}
            self.__dict__ = kept | attributes  # at once: Ctrl-C may come in between
        if interrupt is not None:
            raise interrupt
        return self

    def _stopped_model(self):
        """Return the TableModel that `fit(resume=True)` continues, None if no fold is left."""
        if not hasattr(self, "model_"):
            raise DataError(
                "{argument} continues a fit that Ctrl-C has stopped, but this estimator is not fitted.",
                "Pass resume=False.",
                argument=Argument("resume", True),
            )
        if self.model_.checkpoint is None:
            return None
        if not isinstance(self.random_state, Integral):
            raise ValueError(
                "resume=True needs the random numbers of the fit that was stopped, so random_state "
                f"must be an int, got {self.random_state!r}. Pass resume=False."
            )
        return self.model_

    def _fit_options(self, executor, resume):
        return TableFitOptions(
            estimator_name=type(self).__name__,
            task=self._task(),
            n_estimators=self.n_estimators,
            cv=self.cv,
            hidden_sizes=self._hidden_sizes(),
            time_limit=self.time_limit,
            random_state=self.random_state,
            n_threads=self.n_threads,
            executor=executor,
            declared={argument: getattr(self, argument) for argument in ARGUMENTS},
            verbose=bool(self.verbose),
            on_progress=self.on_progress,
            parameters=self.get_params(False),
            metadata_bytes=self.metadata_bytes,
            seconds_before=self.seconds_before,
            suggests_splits=self.suggests_splits and not resume,
            monotone=self.monotone,
        )

    def _task(self) -> Any:
        """Return the ClassTask or NumberTask of the parameters."""
        raise NotImplementedError

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

    def save(self, path: Path, background: bool = True) -> None:
        """Save the fitted estimator with its encoding to a safetensors file, without pickle.

        Read it with `fastnn.load`. The file is written beside `path`, synced and renamed. It does
        not hold `oof_prediction_`.

        Parameters
        ----------
        path : str or path-like
        background : bool, default True
            Whether the file holds up to 128 of the training rows, as numbers and category codes,
            without the target. `explain` and `effect` of the loaded estimator compare with them.
            Pass False if whoever gets the file must not see these rows.

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
        with self._reading() as reading:
            check_is_fitted(self)
            stored_model.write(path, self, reading.check, background)

    # ---- what fit leaves ----

    @property
    def folds_(self) -> Any:
        return self.model_.folds

    @property
    def oof_blocks_(self) -> NDArray[np.intp] | None:
        return self.model_.block_of_row

    # ---- predictions ----

    def _check_fitted(self) -> None:
        check_is_fitted(self)

    def _targets_to_score(self, X, y):
        """Return the targets of rows. y : array, or the name of a column of X."""
        if not isinstance(y, str):
            return y
        if is_collection(X):
            check_column(X, y)
            return X[y]
        return frames.split_target(X, y)[1]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

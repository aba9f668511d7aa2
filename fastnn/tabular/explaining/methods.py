"""The methods `explain` and `effect` of the estimators for tables, and of model files."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import Argument, DataError, placed
from ...core.messages import did_you_mean
from ...core.validation import check_count, check_list, check_rng, check_threads
from .effects import column_effects, pair_effect
from .explanation import Explanation
from .mixtures import Background, MixedRows, Scale, drop_single_output
from .shapley import Contributions, Shapley
from .words import word_shares

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model import TableModel
    from .effects import Effect, PairEffect

LEAST_PERMUTATIONS = 4
POINTS, PAIR_POINTS = 40, 20  # values of a column, by default


class ExplainedPredictions:
    """Explanations of the predictions of a fitted model.

    Attributes
    ----------
    model_ : TableModel
    n_threads : int
    """

    model_: TableModel
    n_threads: int
    # methods of `TablePredictions`
    _map_batches: Callable[[Any, Any], list[Any]]
    _reading: Callable[[], Any]
    _check_fitted: Callable[[], None]

    def explain(
        self,
        X: Any,
        *,
        scale: str | None = None,
        n_permutations: int | None = None,
        background: Any = None,
        random_state: int = 0,
    ) -> Explanation:
        """Explain predictions: what each column contributes to the prediction of each row.

        Contributions are Shapley values. A column contributes what the prediction changes by if the
        row takes over the value of the column from itself, and not from a background row: the mean
        over all orders in which the columns are taken over, and over the background rows. They add
        up to the prediction minus the base, the mean prediction of the background rows.

        Up to 8 columns, all subsets of the columns are enumerated, and contributions are exact. With
        more columns, or if `n_permutations` is passed, they are means over random orders, and come
        with standard errors.

        Parameters
        ----------
        X
            As in `predict`.
        scale : {"probability", "log-odds", "target"}, optional
            What contributions add up to. Of a classifier: the probability of a class (the default),
            or log(p / (1 - p)). Of a regressor: the predicted number, "target".
        n_permutations : int, optional
            Number of random orders, even and at least 4. Twice as many take twice as long, and halve
            the variance. By default all subsets of up to 8 columns; with more columns each
            background row starts the same number of orders, at least 128 together. More than
            `n_permutations` are used if the background rows of so few cannot have the base as their
            mean.
        background : table, optional
            Rows to compare with, as X. By default training rows that the model keeps: 128, or fewer
            of a table with more than 2,000 columns.
        random_state : int, default 0
            Seed of the orders, and of the order of the background rows. All rows have the same
            orders, so the contributions of a row do not depend on the other rows.

        Returns
        -------
        Explanation

        Raises
        ------
        ValueError
            X lacks a column of `fit`, or a value does not fit its column; an argument is invalid; or
            the model keeps no training rows, and `background` is missing.

        References
        ----------
        - Lundberg and Lee (2017), "A unified approach to interpreting model predictions",
          arXiv:1705.07874.
        - Castro, Gomez and Tejada (2009), "Polynomial calculation of the Shapley value based on
          sampling".
        - Mitchell, Cooper, Frank and Holmes (2022), "Sampling permutations for Shapley value
          estimation", arXiv:2104.12199.

        Examples
        --------
        >>> import numpy as np
        >>> from fastnn import TabularRegressor
        >>> rng = np.random.default_rng(0)
        >>> X = rng.uniform(-1, 1, (300, 3))
        >>> reg = TabularRegressor(2, hidden_layer_sizes=8, random_state=0)
        >>> explanation = reg.fit(X, 2 * X[:, 0] - X[:, 1]).explain([[0.5, 0.5, 0.5]])
        >>> explanation.values.shape
        (1, 3)
        >>> bool(explanation.values[0, 0] > 0.5 and explanation.values[0, 1] < -0.2)
        True
        >>> total = explanation.base_values + explanation.values.sum(axis=1)
        >>> bool(np.allclose(total, reg.predict([[0.5, 0.5, 0.5]])))
        True
        """
        with self._reading():
            self._check_fitted()
            model = self.model_
            check_permutations(n_permutations)
            scale_ = Scale.of_model(model.targets, scale)
            rows, data = self._read_rows(X)
            if not model.members:  # one class
                return _of_one_class(model, scale_, data)
            others = self._background(background, "background")
            rng = check_rng(random_state, "random_state")
            shapley = Shapley(self._mixed_rows(scale_), others, n_permutations, rng)
            return _explanation(model, scale_, shapley.explain(rows), data, len(others))

    def effect(
        self, column: str | int, X: Any = None, *, scale: str | None = None, n_points: int = POINTS
    ) -> Effect:
        """Return how predictions change with the values of a column.

        Parameters
        ----------
        column : str or int
            Its name, or its position if columns have no names.
        X : table, optional
            Rows whose predictions are computed for each value, as in `predict`. By default training
            rows that the model keeps.
        scale : {"probability", "log-odds", "target"}, optional
            As in `explain`.
        n_points : int, default 40
            Number of values, at most. Numbers and dates are equally spaced between the 1 % and the
            99 % quantile of the training rows, unless these have fewer values; of categories, these
            are the most frequent.

        Returns
        -------
        Effect
            The curve of each row, and their mean. `fastnn.plotting.plot_effect` draws them.

        Raises
        ------
        ValueError
            The model does not use the column, X is invalid, or it is missing and the model keeps no
            training rows.

        Examples
        --------
        >>> import numpy as np
        >>> from fastnn import TabularRegressor
        >>> rng = np.random.default_rng(0)
        >>> X = rng.uniform(-1, 1, (300, 2))
        >>> reg = TabularRegressor(2, hidden_layer_sizes=8, random_state=0)
        >>> effect = reg.fit(X, X[:, 0] ** 2 + X[:, 1]).effect(0, n_points=5)
        >>> effect.values.round(1)
        array([-1. , -0.5,  0. ,  0.5,  1. ])
        >>> bool(effect.mean[2] < effect.mean[0] - 0.5)
        True
        """
        return self.effects([column], X, scale=scale, n_points=n_points)[0]

    def effects(
        self,
        columns: Any = None,
        X: Any = None,
        *,
        scale: str | None = None,
        n_points: int = POINTS,
    ) -> list[Effect]:
        """Return the effects of several columns, in one call of the networks.

        Parameters
        ----------
        columns : str, int, or sequence of them, optional
            By default all columns that the model uses, without free text.
        X, scale, n_points
            As in `effect`.

        Returns
        -------
        list of Effect
        """
        with self._reading():
            features = self._checked_features()
            chosen = [j for j in features.used() if features.columns[j].has_effects]
            if columns is not None:
                columns = [columns] if isinstance(columns, (str, Integral)) else columns
                chosen = [find_varied(features, each) for each in check_list("columns", columns)]
                if not chosen:
                    raise ValueError("columns must name at least one column, got an empty list")
            return column_effects(chosen, *self._prepare_effects(X, scale, n_points))

    def pair_effect(
        self,
        first: str | int,
        second: str | int,
        X: Any = None,
        *,
        scale: str | None = None,
        n_points: int = PAIR_POINTS,
    ) -> PairEffect:
        """Return how the mean prediction changes with the values of two columns.

        Parameters
        ----------
        first, second : str or int
            Two different columns.
        X, scale
            As in `effect`.
        n_points : int, default 20
            Number of values of each column, at most.

        Returns
        -------
        PairEffect
        """
        with self._reading():
            features = self._checked_features()
            pair = [find_varied(features, column) for column in (first, second)]
            if pair[0] == pair[1]:
                raise ValueError(f"first and second are the same column, {first!r}. Pass two.")
            return pair_effect(pair, *self._prepare_effects(X, scale, n_points))

    # ---- rows ----

    def _checked_features(self):
        self._check_fitted()
        if not self.model_.members:
            raise ValueError("the model knows one class, so columns have no effects")
        return self.model_.features

    def _prepare_effects(self, X, scale, n_points):
        """Return the last arguments of `column_effects` and `pair_effect`.

        The rows of a table count as training rows if the model keeps none.
        """
        rows = self._background(X, "X")
        mixed_rows = self._mixed_rows(Scale.of_model(self.model_.targets, scale))
        training_rows = self.model_.background or rows
        return mixed_rows, rows, training_rows, check_count("n_points", n_points)

    def _mixed_rows(self, scale):
        return MixedRows(self.model_, scale, check_threads(self.n_threads))

    def _read_rows(self, X):
        """Return the rows of a table as features, and their values to show."""
        features = self.model_.features

        def read(frame):
            return Background(*features.transform(frame)), _values(features, frame)

        rows, shown = zip(*self._map_batches(X, read))
        return Background.concatenate(rows), np.concatenate(shown)

    def _background(self, X, argument):
        """Return the rows of a table, or those that the model keeps if it is None.

        argument : the name of X
        """
        if X is not None:
            with placed("" if argument == "X" else argument):
                rows = self._read_rows(X)[0]
            if not len(rows):
                raise DataError("{argument} has no rows.", "Pass at least one.", argument=argument)
            return rows
        if self.model_.background is None:
            raise DataError(
                "the model keeps no training rows, with which explanations compare: it was saved "
                "without them, or by an older version.",
                "Pass a table of such rows as {argument}, or train the model again.",
                argument=argument,
            )
        return self.model_.background


def check_permutations(n):
    """Raise an error unless a number of permutations is None, or even and not too small."""
    if n is None:
        return
    n = check_count("n_permutations", n)
    if n % 2 or n < LEAST_PERMUTATIONS:
        raise DataError(
            "{argument} must be even and at least {least}, since permutations come in pairs.",
            "Pass {better}.",
            argument=Argument("n_permutations", n),
            least=LEAST_PERMUTATIONS,
            better=max(LEAST_PERMUTATIONS, n + n % 2),
        )


def find_column(features, name):
    """Return the position in `Features.columns` of a column that the model uses."""
    used = {features.name_of(j): j for j in features.used()}
    if isinstance(name, (str, Integral)) and name in used:
        return used[name]
    raise DataError(
        "the model does not use a column {column!r}.",
        "{advice}",
        column=name,
        advice=did_you_mean(str(name), list(map(str, used))),
    )


def find_varied(features, name):
    """Return the same for a column whose values an effect can vary, or raise DataError."""
    column = find_column(features, name)
    if not features.columns[column].has_effects:
        raise DataError(
            "column {column!r} holds free text, which has no effect to show.",
            "Use explain, or name another column.",
            column=name,
        )
    return column


def _values(features, frame):
    """Return the values of the columns in use, (n, n_columns) of object."""
    out = np.empty((frame.n_rows, len(features.used())), object)
    for k, (_, column, values) in enumerate(features.values(frame)):
        out[:, k] = column.to_objects(values)
    return out


# ---- results ----


def _explanation(model, scale, found, data, n_background):
    """Return the Explanation of Contributions."""
    features, outputs = model.features, scale.outputs
    base = np.tile(found.base, (len(data), 1))
    return Explanation(
        values=drop_single_output(found.values, outputs),
        standard_errors=drop_single_output(found.errors, outputs),
        base_values=drop_single_output(base, outputs),
        predictions=drop_single_output(found.predictions, outputs),
        columns=[features.name_of(j) for j in features.used()],
        data=data,
        scale=scale.name,
        outputs=outputs,
        n_permutations=found.n_permutations,
        n_background=n_background,
        words=_words(features, outputs, data),
    )


def _words(features, outputs, data):
    """Return the words of an Explanation. data : its values"""
    words = {}
    for source, layer in features.text_layers.items():
        weights, rows = layer.weights.mean(axis=1, dtype=np.float64), []
        for text in data[:, features.used().index(source)]:
            texts, shares = word_shares(layer, weights, text)
            shares = np.broadcast_to(shares, (len(texts), len(outputs)))
            rows.append((texts, drop_single_output(shares, outputs)))
        words[features.name_of(source)] = rows
    return words


def _of_one_class(model, scale, data):
    """Return the Explanation of a model that knows one class: no column contributes anything."""
    P = scale.apply(np.ones((len(data), 1)))
    nothing = np.zeros((len(data), len(model.features.used()), 1))
    base = P[0] if len(P) else np.ones(1)
    found = Contributions(nothing, nothing.copy(), P, base, None)
    return _explanation(model, scale, found, data, 0)

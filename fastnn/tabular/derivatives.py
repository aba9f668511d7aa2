"""Derivatives of predictions with respect to the columns of numbers of a table.

A number moves two inputs of a network: the scaled number, and the bin that it is in. So a network is
split: its first layer adds up what the inputs of a row give, and the rest, whose Jacobian is compiled,
makes the outputs of these sums. No inputs but the two of each number are ever computed.
"""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.validation import check_list, check_threads
from ..distributed.partitions import maps_partitions
from ..estimators.ensemble import mean_over_networks
from .columns.features import numbers_of_fold
from .explaining.methods import find_column
from .model import make_network

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from .model import TableModel

BLOCK_VALUES = 2_000_000  # numbers in memory for the rows of a block


class DifferentiablePredictions:
    """Derivatives of the predictions of a fitted model.

    Attributes
    ----------
    model_ : TableModel
    n_threads : int
    """

    model_: TableModel
    n_threads: int
    # methods of `TablePredictions`
    _predict_batches: Callable[[Any, Any], NDArray[np.float64]]
    _check_fitted: Callable[[], None]

    @property
    def derivative_columns_(self) -> list[Any]:
        """list of str or int: the columns that `predict_derivatives` returns."""
        self._check_fitted()
        return list(map(self.model_.features.name_of, differentiable(self.model_)))

    @maps_partitions
    def predict_derivatives(
        self, X: Any, columns: str | int | Sequence[str | int] | None = None
    ) -> NDArray[np.float64]:
        """Return the derivatives of the predictions with respect to columns of numbers.

        They are exact derivatives of what `predict` or `predict_proba` computes, in the units of the
        columns, but for the rounding of networks in float32. At an edge of a bin the derivative is
        that of the right side.

        Parameters
        ----------
        X
            As in `predict`.
        columns : str, int, or sequence of them, optional
            Columns of numbers, by name, or by position if columns have no names. By default
            `derivative_columns_`: all columns of numbers but those of which the networks read
            frequent values as categories (of tables with about 5,000 rows and more), since
            predictions jump at these values.

        Returns
        -------
        ndarray (n, n_outputs, n_columns), float64
            Of a classifier, the derivatives of the probability of each class, in the order of
            `classes_`. Of a regressor, those of each quantile, or an array (n, n_columns) if it
            predicts one number for each row. NaN where the number is missing. 0 for a network whose
            prediction is clipped, such as to the range of the training targets.

        Raises
        ------
        ValueError
            A column of `columns` has no derivatives, or the table has no such column; X lacks a
            column of `fit`, or a value does not fit its column.

        Examples
        --------
        >>> import numpy as np
        >>> from fastnn import TabularRegressor
        >>> rng = np.random.default_rng(0)
        >>> X = [[x, "ab"[i % 2]] for i, x in enumerate(rng.uniform(-1, 1, 300))]
        >>> y = [x**2 + (letter == "a") for x, letter in X]
        >>> reg = TabularRegressor(2, hidden_layer_sizes=16, random_state=0).fit(X, y)
        >>> reg.derivative_columns_
        [0]
        >>> slopes = reg.predict_derivatives([[-0.5, "a"], [0.5, "b"], [None, "b"]])
        >>> slopes.shape
        (3, 1)
        >>> bool(slopes[0, 0] < -0.5 and slopes[1, 0] > 0.5), bool(np.isnan(slopes[2, 0]))
        (True, True)
        """

        def derivatives(frame):
            model = self.model_
            chosen = choose_numbers(model, columns)
            numbers, codes = model.features.transform(frame)
            D = table_derivatives(model, numbers, codes, chosen, check_threads(self.n_threads))
            return D if model.targets.is_classifier or D.shape[1] > 1 else D[:, 0]

        return self._predict_batches(X, derivatives)


def differentiable(model):
    """Return {source: number} of the columns with derivatives: positions in `Features.columns` and in
    `Features.numbers`."""
    encoders = [model.encoders[i] for i in {m.encoder for m in model.members if m.weight}]
    return {
        feature.source: j
        for j, feature in enumerate(model.features.numbers)
        if model.features.columns[feature.source].kind == "number"
        and not any(encoder.values[j] for encoder in encoders)
    }


def choose_numbers(model, columns):
    """Return the positions in `Features.numbers` of columns with derivatives. columns : as passed"""
    known, features = differentiable(model), model.features
    if columns is None:
        if not known:
            raise ValueError(
                "No column has derivatives: they are dates, categories, texts, or numbers whose values the "
                "networks read as categories. Use effect(column)."
            )
        return list(known.values())
    names = [columns] if isinstance(columns, (str, Integral)) else check_list("columns", columns)
    if not names:
        raise ValueError("columns is empty. Pass at least one, or None for all.")
    sources = [find_column(features, name) for name in names]
    for name, source in zip(names, sources):
        if source not in known:
            column = features.columns[source]
            read = "the networks read its values, or whether it is missing, as categories"
            why = read if column.kind == "number" else f"it is a {column.kind}"
            instead = f"effect({name!r})" if column.has_effects else "explain"
            raise ValueError(
                f"Column {name!r} has no derivatives: {why}. derivative_columns_ lists the columns "
                f"that have. Use {instead}."
            )
    return [known[source] for source in sources]


def table_derivatives(model, numbers, codes, chosen, n_threads):
    """Return the derivatives of the predictions, (n, n_outputs, n_chosen).

    numbers, codes : as `Features.transform` returns them; chosen : positions in `Features.numbers`
    """
    n, n_out = len(codes), model.targets.n_out
    out = np.zeros((n, n_out, len(chosen)))
    widest = max((net.layer_sizes[1] for net in model.networks()), default=1)
    step = max(1, BLOCK_VALUES // (widest * max(len(chosen), n_out) + 2 * len(numbers)))
    for start in range(0, n if model.members else 0, step):
        rows = slice(start, start + step)
        out[rows] = _block(model, [x[rows] for x in numbers], codes[rows], chosen, n_threads)
    for k, j in enumerate(chosen):
        out[np.isnan(numbers[j]), :, k] = np.nan
    return out


def _block(model, numbers, codes, chosen, n_threads):
    tables = model.encode(numbers, codes)
    # Those of free text, which differ between folds, are not chosen.
    numbers = numbers_of_fold(numbers, 0)
    moved = [
        [(inputs[:, chosen], slopes[:, chosen]) for inputs, slopes in encoder.input_slopes(numbers)]
        for encoder in model.encoders
    ]
    P: Any = 0.0
    D: Any = 0.0
    for member in model.members:
        share = member.weight / model.n_folds
        for fold, networks in enumerate(member.networks if share else ()):
            table = tables[model.table_number(member.encoder, fold)]
            each = [_outputs(net, table, moved[member.encoder], n_threads) for net in networks]
            p, d = model.targets.finish_derivatives(*map(mean_over_networks, zip(*each)))
            P, D = P + share * p, D + share * d
    return model.targets.calibrate_derivatives(P, D)


def _outputs(net, table, moved, n_threads):
    """Return the outputs of a network, and their derivatives in numbers, (n, n_out, d).

    moved : as `Encoder.input_slopes` returns it
    """
    W, b = net.weights[0], net.biases[0]
    n_inputs, width, *others = net.layer_sizes
    split = W.size + width
    first = make_network([n_inputs, width], "identity", net.params[:split])
    identity = np.r_[np.eye(width, dtype=W.dtype).ravel(), np.zeros_like(b)]
    params = np.r_[identity, net.params[split:]]
    rest = make_network([width, width, *others], net.activations[-1], params, net.activations[0])
    Z = first.forward(table, n_threads=n_threads)
    J = rest.jacobian(Z, n_threads=n_threads)
    D = [slopes[:, None] * np.einsum("nkh,ndh->nkd", J, W[inputs]) for inputs, slopes in moved]
    return rest.forward(Z, n_threads=n_threads), sum(D)

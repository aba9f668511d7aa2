"""Effects of columns: the predictions of rows of which one or two columns have other values.

All curves of all columns are computed in one call of the networks.
"""

import numpy as np

from . import grids
from .effect import Effect, PairEffect
from .mixed_rows import Mixture
from .scales import squeeze


def single(mixed_rows, columns, rows, background, n_points):
    """Return the Effect of each column.

    Parameters
    ----------
    mixed_rows : MixedRows
    columns : list of int
        Positions in `Features.columns`.
    rows : Background
        The rows whose curves are computed.
    background : Background
        Training rows, which say between which values a column varies.
    n_points : int
        Values of a column, at most.
    """
    features, outputs = mixed_rows.model.features, mixed_rows.scale.outputs
    made = [grids.make(features, column, background, n_points) for column in columns]
    varied = [[column] for column, grid in zip(columns, made) for _ in range(len(grid))]
    curves = _predict(mixed_rows, [grid.rows for grid in made], varied, rows)
    ends = np.cumsum([len(grid) for grid in made])
    return [
        Effect(
            column=features.name_of(column),
            kind=features.columns[column].kind,
            values=grid.values,
            curves=squeeze(curves[:, end - len(grid) : end], outputs),
            mean=squeeze(_mean(curves[:, end - len(grid) : end]), outputs),
            scale=mixed_rows.scale.name,
            outputs=outputs,
            training_values=grids.training_values(features, column, background),
        )
        for column, grid, end in zip(columns, made, ends)
    ]


def pair(mixed_rows, columns, rows, background, n_points):
    """Return the PairEffect of two columns. Arguments as in `single`; n_points : of each column"""
    features, outputs = mixed_rows.model.features, mixed_rows.scale.outputs
    first, second = (grids.make(features, column, background, n_points) for column in columns)
    crossed = grids.cross(features, first, second)
    curves = _predict(mixed_rows, [crossed], [columns] * len(crossed), rows)
    mean = _mean(curves).reshape(len(first), len(second), -1)
    return PairEffect(
        columns=tuple(features.name_of(column) for column in columns),
        kinds=tuple(features.columns[column].kind for column in columns),
        values=(first.values, second.values),
        mean=squeeze(mean, outputs),
        scale=mixed_rows.scale.name,
        outputs=outputs,
    )


def _predict(mixed_rows, parts, varied, rows):
    """Return the predictions (n, k, n_outputs) of n rows that take columns from k rows.

    parts : list of Background, k rows together
    varied : list of lists of int
        The columns that come from each of the k rows.
    """
    values = [np.concatenate(some) for some in zip(*(part.numbers for part in parts))]
    codes = np.concatenate([part.codes for part in parts])
    tables = mixed_rows.model.encode(values, codes)
    from_row = np.array([[c in some for c in mixed_rows.columns] for some in varied])
    n, k = len(rows), len(codes)

    def mix(numbers):
        others, taken = np.divmod(numbers, k)
        return Mixture(taken, others, from_row[taken])

    predicted = mixed_rows.predict_mixed(tables, mixed_rows.encode(rows), n * k, mix)
    return predicted.reshape(n, k, -1)


def _mean(curves):
    """Return the mean over rows, added up in their order."""
    return sum(curves) / len(curves)

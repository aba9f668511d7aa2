"""Permutation importances on held-out rows (Breiman, 2001, "Random forests", section 10)."""

import numpy as np

from ...encoded_table import table_of
from .rows import sample

MIN_ROWS, MAX_ROWS = 200, 2000
MAX_VALUES = 20_000_000  # that are shuffled or copied: for each column, rows times columns
TABLE_ROWS = 1000  # that are predicted at once
NO_COLUMN = -1


def permutation(model, rows, folds, random_state, n_threads):
    """Return by how much the loss grows if the values of a column are shuffled, for each column.

    Each row is predicted by the networks that held it out. At most 2,000 rows are used, and from
    100 columns on fewer, down to 200.

    Parameters
    ----------
    model : TableModel
    rows : FitRows
    folds : list of (ndarray, ndarray)
        Training rows and held-out rows of the folds of the model.

    Returns
    -------
    ndarray (n_features,)
        0 for columns that are not used.
    """
    features = model.features
    most = most_rows(len(features.positions)) // len(folds)
    parts = [sample(held_out, max(1, most), random_state) for _, held_out in folds]
    rows = rows.take(np.concatenate(parts))
    ends = np.cumsum([len(part) for part in parts])
    tables = model.encode(rows.numbers, rows.codes)
    of_parts = [encoder.sources_of_parts(features.sources()) for encoder in model.encoders]
    order = random_state.permutation(len(rows))

    def losses(sources):
        shuffled = [shuffle(*pair, sources, order) for pair in zip(tables, of_parts)]
        starts, P = len(order) * np.arange(len(sources))[:, None], []
        for k, (end, part) in enumerate(zip(ends, parts)):
            of_fold = (starts + np.arange(end - len(part), end)).ravel()
            of_part = model.predict_fold([table[of_fold] for table in shuffled], k, n_threads)
            P.append(of_part.reshape(len(sources), len(part), *of_part.shape[1:]))
        return [model.targets.value(p, rows.y, rows.weight) for p in np.concatenate(P, axis=1)]

    of_all = losses([NO_COLUMN])[0]
    out = np.zeros(features.n_columns)
    for sources in at_once(features.used(), len(order)):
        out[[features.positions[source] for source in sources]] = np.subtract(
            losses(sources), of_all
        )
    return out


def at_once(sources, n):
    """Return lists of columns to shuffle in one table of n rows each.

    Reading the weights of many inputs takes longer than computing with a few rows.
    """
    k = max(1, TABLE_ROWS // n)
    return [sources[i : i + k] for i in range(0, len(sources), k)]


def shuffle(table, of_parts, sources, order):
    """Return an encoded table once for each column, which has the values of the rows `order` there.

    Parameters
    ----------
    table : EncodedTable
    of_parts : tuple of ndarray
        What `Encoder.sources_of_parts` returned.
    sources : sequence of int
        The columns; `NO_COLUMN` leaves the table as it is.
    order : ndarray (n,) of int

    Returns
    -------
    EncodedTable
        The n rows for the first column, then those for the next.
    """
    parts = []
    for values, columns in zip((table.numbers, table.positions, table.codes), of_parts):
        stacked = np.concatenate([values] * len(sources))
        for i, source in enumerate(sources):
            chosen = np.flatnonzero(columns == source)
            rows = slice(i * len(order), (i + 1) * len(order))
            stacked[rows, chosen] = values[order[:, None], chosen]
        parts.append(stacked)
    numbers, positions, codes = parts
    return table_of(numbers, positions, codes, table.layout)


def most_rows(n_columns, max_values=None):
    """Return the number of rows at most that `permutation` uses, or with other `MAX_VALUES`."""
    max_values = MAX_VALUES if max_values is None else max_values
    return min(MAX_ROWS, max(MIN_ROWS, max_values // max(1, n_columns) ** 2))

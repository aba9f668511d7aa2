"""Permutation importances on held-out rows (Breiman, 2001, "Random forests", section 10)."""

import numpy as np

MIN_ROWS, MAX_ROWS = 200, 2000
MAX_VALUES = 20_000_000  # that are encoded: for each column, rows times columns


def permutation(estimator, numbers, codes, y, weight, folds, random_state, n_threads):
    """Return by how much the loss grows if the values of a column are shuffled, for each column.

    Each row is predicted by the networks that held it out. At most 2,000 rows are used, and from
    100 columns on fewer, down to 200.

    Returns
    -------
    ndarray (n_features,)
        0 for columns that are not used.
    """
    e = estimator
    most = most_rows(len(e._features.positions)) // len(folds)
    parts = [_sample(rows, max(1, most), random_state) for _, rows in folds]
    rows = np.concatenate(parts)
    ends = np.cumsum([len(part) for part in parts])
    numbers, codes, y = [x[rows] for x in numbers], codes[rows], y[rows]
    weight = weight[rows] if weight is not None and weight[rows].any() else None

    def loss(numbers, codes):
        tables, P = e._encode(numbers, codes), []
        for k, (end, part) in enumerate(zip(ends, parts)):
            of_fold = np.arange(end - len(part), end)
            P.append(e._predict_fold([table[of_fold] for table in tables], k, n_threads))
        return e._targets.value(np.concatenate(P), y, weight)

    of_all = loss(numbers, codes)
    out = np.zeros(e.n_features_in_)
    features = e._features
    order = random_state.permutation(len(rows))
    for source in features.used():
        shuffled = [
            x[order] if number.source == source else x
            for number, x in zip(features.numbers, numbers)
        ]
        other = codes.copy()
        for j, category in enumerate(features.categories):
            if category.source == source:
                other[:, j] = codes[order, j]
        out[features.positions[source]] = loss(shuffled, other) - of_all
    return out


def most_rows(n_columns):
    """Return the number of rows at most that `permutation` uses."""
    return min(MAX_ROWS, max(MIN_ROWS, MAX_VALUES // max(1, n_columns) ** 2))


def _sample(rows, most, random_state):
    return rows if len(rows) <= most else random_state.choice(rows, most, replace=False)

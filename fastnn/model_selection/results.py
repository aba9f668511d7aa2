"""cv_results_ of a search."""

import numpy as np
from scipy.stats import rankdata


class Results:
    """Collects the results of all rungs, as scikit-learn's searches show them."""

    def __init__(self, n_splits):
        self.n_splits, self.rows = n_splits, []

    def add(self, rung, n_resources, params, results):
        """Add a candidate of a rung, and return its mean score.

        results : list of dict
            One for each fold.
        """
        row = {"iter": rung, "n_resources": n_resources, "params": params}
        for name in ("fit_time", "score_time"):
            times = np.array([each[name] for each in results])
            row[f"mean_{name}"], row[f"std_{name}"] = times.mean(), times.std()
        for part in ("test", "train"):
            if part not in results[0]:
                continue
            scores = np.array([each[part] for each in results], np.float64)
            for fold, score in enumerate(scores):
                row[f"split{fold}_{part}_score"] = score
            row[f"mean_{part}_score"], row[f"std_{part}_score"] = scores.mean(), scores.std()
        self.rows.append(row)
        return row["mean_test_score"]

    def to_dict(self):
        """Return cv_results_: a dict of arrays, with one element for each candidate and rung."""
        columns: dict = {
            name: np.array([row[name] for row in self.rows])
            for name in self.rows[0]
            if name != "params"
        }
        columns["params"] = [row["params"] for row in self.rows]
        for name in dict.fromkeys(name for params in columns["params"] for name in params):
            columns[f"param_{name}"] = _masked(columns["params"], name)
        scores = columns["mean_test_score"]
        ranks = np.ones(len(scores), np.int32)
        if not np.isnan(scores).all():
            ranks = rankdata(-np.nan_to_num(scores, nan=np.nanmin(scores) - 1), "min")
        columns["rank_test_score"] = ranks.astype(np.int32)
        return columns


def _masked(all_params, name):
    """Return the values of a parameter as a masked array; masked where it is not set."""
    present = [params[name] for params in all_params if name in params]
    is_numeric = all(
        isinstance(value, (bool, int, float, np.number, np.bool_)) for value in present
    )
    dtype = np.array(present).dtype if is_numeric else object
    values = np.ma.MaskedArray(np.empty(len(all_params), dtype), mask=True)
    for i, params in enumerate(all_params):
        if name in params:
            values[i] = params[name]
    return values

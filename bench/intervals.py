"""Do prediction intervals keep their promise in each part of the rows?

Each table is split at random `--splits` times, into up to `--rows` training rows and as many others. The
program compares `predict_interval` with the intervals of one width that the same model would have, CV+
with absolute errors, and with CatBoost if `--catboost` is passed: MultiQuantile, trained on four of five
training rows and conformalised by the errors on the fifth (Romano, Patterson and Candes, 2019,
arXiv:1905.03222).

    python bench/intervals.py                              the tables of scikit-learn, and one that is made
    python bench/intervals.py --folder my_tables --splits 5 --plot intervals.png
    python bench/intervals.py --folder my_tables --mlp     MLPRegressor, of the numbers alone

Columns: the coverage of new rows; that of the tenth of the rows with the widest intervals, and of the
same rows with one width; the tenth that is farthest from the mean, by width and by prediction, with "!"
if it is off by more than 0.05 and two standard errors; the mean width, the interval score (Gneiting and Raftery,
2007) and that of CatBoost, each over that of one width; and the part of the CPU time of `fit` that the
networks of the spread take. `--folder` has CSV files whose last column is the target, as for tabular.py.
"""

import time
import warnings
from contextlib import contextmanager

import measure
from measure import print_wrapped, select_names, show_progress

from fastnn import plotting

N_PARTS = 10
TOLERATED = 0.05
CALIBRATION = 0.2  # of the training rows of CatBoost


def main():
    parser = measure.make_parser(__doc__)
    add = parser.add_argument
    add("--folder", help="with CSV or Parquet files")
    add("--tables", help="comma-separated names (default: all)")
    add("--splits", type=int, default=5, help="of each table (default: 5)")
    add("--rows", type=int, default=2000, help="to train on, at most (default: 2000)")
    add("--coverage", type=float, default=0.9, help="of the intervals (default: 0.9)")
    add("--time", help="a column: train on earlier rows, and predict the next sixth")
    add("--mlp", action="store_true", help="five networks of MLPRegressor, on columns of numbers")
    add("--catboost", action="store_true", help="compare with CatBoost")
    add("--plot", type=plotting.picture_file, metavar="FILE", help="draw coverage by width")
    arguments = parser.parse_args()
    tables = load_tables(arguments.folder)
    names = select_names(parser, "tables", arguments.tables, [*tables])
    others = ["catboost"] if arguments.catboost else []
    print_wrapped(measure.versions("scikit-learn", "pandas", *others))
    heads = "cover", "widest", "before", "by width", "by pred.", "width", "score", "catb.", "cost"
    print(f"{'table':13}" + "".join(f"{head:>{9 if head[:2] == 'by' else 7}}" for head in heads))
    warnings.simplefilter("ignore")
    found = []
    for name in names:
        splits = [compare(tables[name](), seed, arguments) for seed in range(arguments.splits)]
        print(f"{name[:12]:13}{line(splits, arguments.coverage)}", flush=True)
        found.append(splits)
    if arguments.plot:
        plot(arguments.plot, found, arguments.coverage)


def load_tables(folder):
    """Return {name: function that returns a Table} of the regressions."""
    from functools import partial

    import tabular_data

    if folder is not None:
        files = tabular_data.list_files(folder)
        return {name: partial(tabular_data.load_file, path) for name, path in files.items()}
    return {"diabetes": partial(tabular_data.load_built_in, "diabetes"), "uneven": make_uneven}


def make_uneven():
    """Return a table whose errors are ten times as large on one side as on the other."""
    import numpy as np
    import pandas as pd
    from tabular_data import make_table

    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.uniform(-1, 1, (3000, 3)), columns=["a", "b", "c"])
    y = 3 * X.a + rng.normal(size=len(X)) * np.where(X.b > 0, 2.0, 0.2)
    return make_table("uneven", X, y, "numbers")


# ---- one split ----


def compare(table, seed, arguments):
    """Return {method: measures} of a split."""
    import numpy as np

    from fastnn.estimators.ensemble import cv_plus, mean_over_networks
    from fastnn.tabular.columns import frames

    show_progress(f"{table.name}, split {seed}")
    X, y, coverage, rows = table.X, table.y, arguments.coverage, arguments.rows
    train, test = split_rows(table, seed, rows, arguments.time)
    fit = fit_mlp if arguments.mlp else fit_table
    with timed_spread() as seconds:
        began = time.process_time()
        model, new = fit(X.iloc[train], y[train], X.iloc[test], seed, arguments.time)
        total = time.process_time() - began
    targets = y[test]
    lower, upper = model.predict_interval(new, coverage)
    if arguments.mlp:
        folds, errors = (
            np.stack([net.forward(new) for net in model.networks_]),
            model.held_out_errors_,
        )
    else:
        fold, oof = model.folds_.fold_of_row, model.oof_prediction_
        errors = [np.abs(y[train] - oof)[fold == k, None] for k in range(fold.max() + 1)]
        folds = model.predict_features(*model.features_.transform(frames.read(new)))[:, :, None]
    if arguments.time:
        folds = np.repeat(mean_over_networks(folds)[None], len(errors), axis=0)
    before = [bound[:, 0] for bound in cv_plus(folds, errors, coverage)]
    by_width, by_prediction = upper - lower, model.predict(new)
    out = {
        "new": measures(targets, lower, upper, coverage, by_width, by_prediction),
        "before": measures(targets, *before, coverage, by_width, by_prediction),
        "cost": sum(seconds) / total,
    }
    if arguments.catboost:
        bounds = catboost_intervals(X.iloc[train], y[train], X.iloc[test], coverage, seed)
        out["catboost"] = measures(targets, *bounds, coverage, by_width, by_prediction)
    return out


@contextmanager
def timed_spread():
    """Yield a list, and add to it the CPU seconds of each training of the networks of the spread."""
    from fastnn.estimators import spread

    seconds, fit_spread = [], spread.fit_spread

    def timed(*args):
        began = time.process_time()
        result = fit_spread(*args)
        seconds.append(time.process_time() - began)
        return result

    spread.fit_spread = timed
    try:
        yield seconds
    finally:
        spread.fit_spread = fit_spread


def fit_table(X, y, new, seed, time_column):
    """Return a fitted TabularRegressor, and new rows as it reads them."""
    from fastnn import TabularRegressor

    return TabularRegressor(random_state=seed, n_threads=1).fit(X, y, time=time_column), new


def fit_mlp(X, y, new, seed, _):
    """Return a fitted MLPRegressor, and new rows as it reads them: scaled numbers, 0 if missing."""
    from fastnn import MLPRegressor

    X, new = X.select_dtypes("number"), new.select_dtypes("number")
    mean, std = X.mean(), X.std().replace(0, 1)
    X, new = (((rows - mean) / std).fillna(0).to_numpy(float) for rows in (X, new))
    model = MLPRegressor(n_estimators=5, random_state=seed, learning_rate_init=0.01)
    return model.fit(X, y), new


def split_rows(table, seed, n_rows, time_column):
    """Return the training rows and the others."""
    import numpy as np

    n = len(table.y)
    rng = np.random.default_rng(seed)
    if time_column is None:
        rows = rng.permutation(n)
        n_train = min(n_rows, int(0.6 * n))
        return rows[:n_train], rows[n_train : n_train + n_rows]
    order = np.argsort(table.X[time_column].to_numpy(), kind="stable")
    end = int(rng.uniform(0.6, 0.85) * n)
    return order[_some(rng, 0, end, n_rows)], order[_some(rng, end, end + end // 6, n_rows // 2, n)]


def _some(rng, first, last, n, most=None):
    """Return at most n sorted numbers from a range."""
    import numpy as np

    numbers = np.arange(first, last if most is None else min(last, most))
    return np.sort(rng.choice(numbers, min(n, len(numbers)), replace=False))


def measures(y, lower, upper, coverage, by_width, by_prediction):
    """Return a dict of the coverage, mean width, interval score and coverages of tenths."""
    import numpy as np

    inside = (lower <= y) & (y <= upper)
    misses = np.maximum(lower - y, 0) + np.maximum(y - upper, 0)

    def tenths(values):
        parts = np.array_split(np.argsort(values, kind="stable"), N_PARTS)
        return [float(inside[part].mean()) for part in parts]

    return dict(
        n=len(y),
        coverage=float(inside.mean()),
        width=float(np.mean(upper - lower)),
        score=float(np.mean(upper - lower + 2 / (1 - coverage) * misses)),
        by_width=tenths(by_width),
        by_prediction=tenths(by_prediction),
    )


def catboost_intervals(X, y, new, coverage, seed):
    """Return the bounds of conformalised quantiles."""
    import numpy as np
    from catboost import CatBoostRegressor
    from tabular_models import CatBoostModel

    low, high = (1 - coverage) / 2, (1 + coverage) / 2
    settings = dict(verbose=False, allow_writing_files=False, thread_count=1, random_seed=seed)
    estimator = CatBoostRegressor(loss_function=f"MultiQuantile:alpha={low:g},{high:g}", **settings)
    model = CatBoostModel(estimator, as_text=True)
    rows = np.random.default_rng(seed).permutation(len(y))
    n = round(CALIBRATION * len(y))
    model.fit(X.iloc[rows[n:]].reset_index(drop=True), y[rows[n:]])
    quantiles = np.sort(model.predict(X.iloc[rows[:n]].reset_index(drop=True)), axis=1)
    errors = np.maximum(quantiles[:, 0] - y[rows[:n]], y[rows[:n]] - quantiles[:, 1])
    rank = min(n, int(np.ceil(coverage * (n + 1))))
    error = np.sort(errors)[rank - 1]
    lower, upper = np.sort(model.predict(new.reset_index(drop=True)), axis=1).T
    return lower - error, upper + error


# ---- results ----


def line(splits, coverage):
    """Return a line of the table, the mean over splits."""
    import numpy as np

    def mean(method, name):
        return np.mean([split[method][name] for split in splits], axis=0)

    def ratio(method, name):
        return np.exp(np.mean([np.log(s[method][name] / s["before"][name]) for s in splits]))

    def worst(name):
        each = np.array([split["new"][name] for split in splits])
        n_rows = sum(split["new"]["n"] for split in splits) / N_PARTS
        found = each.mean(axis=0)
        k = int(np.argmax(np.abs(found - coverage)))
        limit = max(TOLERATED, 2 * np.sqrt(coverage * (1 - coverage) / n_rows))
        return f"{found[k]:.3f}" + ("!" if abs(found[k] - coverage) > limit else " ")

    catboost = ratio("catboost", "score") if "catboost" in splits[0] else np.nan
    cost = np.mean([split["cost"] for split in splits])
    return (
        f"{mean('new', 'coverage'):7.3f}{mean('new', 'by_width')[-1]:7.3f}"
        f"{mean('before', 'by_width')[-1]:7.3f}{worst('by_width'):>9}{worst('by_prediction'):>9}"
        f"{ratio('new', 'width'):7.3f}{ratio('new', 'score'):7.3f}{catboost:7.3f}{cost:7.3f}"
    )


def plot(file, tables, coverage):
    """Draw the coverage of each tenth of the rows, of all tables."""
    import matplotlib.pyplot as plt
    import numpy as np

    with plotting.style():
        figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True, constrained_layout=True)
        titles = "intervals of one width", "predict_interval"
        for axis, title, method in zip(axes, titles, ("before", "new")):
            lines = np.array(
                [
                    np.mean([split[method]["by_width"] for split in splits], axis=0)
                    for splits in tables
                ]
            )
            tenths = np.arange(1, N_PARTS + 1)
            axis.axhline(coverage, color="#999999", linewidth=1, linestyle="--")
            axis.plot(tenths, lines.T, color=plotting.BLUE, linewidth=0.8, alpha=0.4)
            axis.plot(tenths, lines.mean(axis=0), color=plotting.ORANGE, linewidth=2.5)
            axis.set(title=title, xlabel="tenth of the rows, by the width they need", xticks=tenths)
        axes[0].set(ylabel="rows inside their interval")
        figure.savefig(file)


if __name__ == "__main__":
    main()

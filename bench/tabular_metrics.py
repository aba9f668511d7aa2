"""What does a choice by a metric cost and gain, and which thresholds are good? See decision 0037.

    python bench/tabular_metrics.py                          public tables of installed packages
    python bench/tabular_metrics.py --folder tables          the CSV and Parquet files of a folder
    python bench/tabular_metrics.py --folder tables --rows 600 --seeds 2

The estimator is fitted to --rows rows of each table, drawn at random by each seed, and scored on up
to 4,000 others. The first report compares weights of the configurations: those that the metric
chooses in any case ("always"), and those of fastnn ("fastnn"), with those that the loss chooses. It
has the change of the metric (of numbers in percent), with the sign with which less is better, and of
the loss in percent: means over the tables with standard errors, and the largest. The second has F1
and costs of thresholds for two classes: of the best threshold for the classes of the out-of-fold
rows, of the best one if the probabilities are right, and of fastnn's choice between them. It also has
them for probabilities as networks with class weights learn them, and as networks would whose weights
of classes are not known ("shifted"). "printed" is the score that
fastnn prints less that on the test rows.
"""

import pickle
import warnings
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from unittest import mock

import measure
from measure import print_wrapped, show_progress

CLASS_METRICS = "accuracy", "balanced_accuracy", "f1", "auc"
NUMBER_METRICS = "rmse", "mae", "mape"
RULES = "f1", "cost:5,1", "cost:20,1", "cost:1,5"
MAX_TEST = 4000


def main():
    parser = measure.make_parser(__doc__)
    add = parser.add_argument
    add("--folder", action="append", default=[], metavar="DIR", help="may be repeated")
    add("--rows", type=int, default=600, help="training rows (default: 600)")
    add("--seeds", type=int, default=1, help="number of seeds (default: 1)")
    add("--threads", type=int, default=1, help="number of threads (default: 1)")
    add("--keep", metavar="FILE", help="keep the predictions here, and do not train again")
    arguments = parser.parse_args()
    measure.limit_threads(arguments.threads)
    print_wrapped(f"{measure.versions('scikit-learn', 'pandas')}; threads: {arguments.threads}")
    if arguments.keep and Path(arguments.keep).exists():
        runs = pickle.loads(Path(arguments.keep).read_bytes())
    else:
        runs = list(train(load_tables(arguments.folder), arguments))
        if arguments.keep:
            Path(arguments.keep).write_bytes(pickle.dumps(runs))
    report_weights(runs)
    report_thresholds([run for run in runs if run["n_classes"] == 2])


def load_tables(folders):
    from tabular_data import BUILT_IN, list_files, load_built_in, load_file

    files = [path for folder in folders for path in list_files(folder).values()]
    return map(load_file, files) if folders else map(load_built_in, BUILT_IN)


# ---- predictions of each configuration ----


def train(tables, arguments):
    """Yield a dict for each table and seed: out-of-fold and test predictions of all configurations."""
    import numpy as np

    from fastnn import TabularClassifier, TabularRegressor
    from fastnn.tabular.fitting import out_of_fold

    seen = {}

    def uniform(predictions, y, weight, targets):
        seen.update(P=predictions, y=y, targets=targets)
        return np.full(len(predictions), 1 / len(predictions))

    for table in tables:
        for seed in range(arguments.seeds):
            show_progress(f"{table.name}, seed {seed}")
            order = np.random.default_rng(seed).permutation(len(table.X))
            n = min(arguments.rows, int(0.6 * len(order)))
            train, test = order[:n], order[n : n + MAX_TEST]
            X, X_test = (table.X.iloc[rows].reset_index(drop=True) for rows in (train, test))
            cls = TabularClassifier if table.n_classes else TabularRegressor
            with warnings.catch_warnings(), mock.patch.object(out_of_fold, "greedy", uniform):
                warnings.simplefilter("ignore")
                model = cls(random_state=seed, n_threads=arguments.threads)
                model.fit(X, table.y[train])
                tested = predict_members(model, X_test)
            if table.n_classes and len(model.classes_) < table.n_classes:
                continue  # a class of the test rows may be unknown
            yield seen | {
                "table": table.name,
                "n_classes": table.n_classes,
                "P_test": tested,
                "y_test": table.y[test],
            }
    show_progress("")


def predict_members(model, X):
    """Return the predictions of each configuration, before they are calibrated."""
    (frame,) = model._read_batches(X)
    alone = (replace(model.model_, members=[replace(m, weight=1.0)]) for m in model.model_.members)
    return [one.predict_folds(frame, model.n_threads).mean(axis=0) for one in alone]


# ---- weights of configurations ----


def report_weights(runs):
    from fastnn.tabular.fitting import out_of_fold

    certain = out_of_fold.is_better_for_certain
    print(f"\n{'metric':20}{'weights':10}{'metric':>20}{'loss in %':>18}{'largest':>9}")
    for name in (*CLASS_METRICS, *NUMBER_METRICS):
        for label in ("always", "fastnn"):
            out_of_fold.is_better_for_certain = certain if label == "fastnn" else lambda *_: True
            changes = defaultdict(list)
            for run in runs:
                change = change_by(run, name)
                if change is not None:
                    changes[run["table"]].append(change)
            if changes:
                means = [[sum(x) / len(x) for x in zip(*found)] for found in changes.values()]
                metric, loss = zip(*means)
                shown = f"{summary(metric, 4):>20}{summary(loss, 2):>18}{max(loss):>+9.1f}"
                print(f"{name:20}{label:10}{shown}")


def change_by(run, name):
    """Return how the metric and the loss of the test rows change, None if the metric does not fit."""
    from fastnn.tabular import metrics
    from fastnn.tabular.fitting import out_of_fold
    from fastnn.tabular.fitting.options import ClassTask, NumberTask

    is_class = bool(run["n_classes"])
    metric = (metrics.CLASS_METRICS if is_class else metrics.NUMBER_METRICS).get(name)
    if metric is None or (name == "mape" and not (run["y"].all() and run["y_test"].all())):
        return None
    if is_class:
        task = ClassTask(metric=metric, class_weight=None, threshold=None)
    else:
        task = NumberTask(metric=metric, loss="squared_error", log=False)
    y, targets = run["y"], run["targets"]
    old = out_of_fold.greedy(run["P"], y, None, targets)
    calibrate(targets, out_of_fold.weighted_mean(old, run["P"]), y)
    held_out = out_of_fold.HeldOutMetric(task, targets, y, None, None)
    new = out_of_fold.improve(old, run["P"], held_out)
    values = []
    for weights in (old, new):
        calibrate(targets, out_of_fold.weighted_mean(weights, run["P"]), y)
        tested = out_of_fold.HeldOutMetric(task, targets, run["y_test"], None, None)
        P = out_of_fold.weighted_mean(weights, run["P_test"])
        values.append((tested.cost(P), targets.value(targets.calibrate(P), run["y_test"], None)))
    (metric_before, before), (metric_after, after) = values
    if metric_before is None:
        return None
    change = metric_after - metric_before
    change = change if is_class else 100 * change / metric_before
    return change, 100 * (after / before - 1)


def calibrate(targets, P, y):
    """Set the temperature of the probabilities of classes."""
    if targets.is_classifier:
        targets.fit_temperature(P, y, None)


def summary(values, digits):
    """Return mean and standard error."""
    import numpy as np

    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{np.mean(values):+.{digits}f} +- {error:.{digits}f}"


# ---- thresholds ----


def report_thresholds(runs):
    print(f"\n{'rule':10}{'probabilities':14}{'of rows':>9}{'expected':>10}{'fastnn':>9}"
          f"{'fastnn - of rows':>19}{'printed':>9}")  # fmt: skip
    for rule in RULES:
        for what in ("plain", "class weights", "shifted"):
            found = defaultdict(list)
            for run in runs:
                found[run["table"]].append(scores_of_thresholds(run, rule, what))
            if found:
                means = [[sum(x) / len(x) for x in zip(*values)] for values in found.values()]
                rows, expected, chosen, printed = zip(*means)
                mean = [sum(x) / len(x) for x in (rows, expected, chosen)]
                gain = summary([a - b for a, b in zip(chosen, rows)], 4)
                optimism = sum(a - b for a, b in zip(printed, chosen)) / len(chosen)
                print(f"{rule:10}{what:14}{mean[0]:>9.4f}{mean[1]:>10.4f}{mean[2]:>9.4f}"
                      f"{gain:>19}{optimism:>+9.4f}")  # fmt: skip


def scores_of_thresholds(run, rule, what):
    """Return F1, or cost with less being better as a negative number: of three thresholds on the test
    rows, and the one that is printed."""
    import numpy as np

    from fastnn.tabular import thresholds
    from fastnn.tabular.fitting import out_of_fold

    rule, y, targets, odds = thresholds.parse(rule), run["y"] == 1, run["targets"], 1.0
    weights = out_of_fold.greedy(run["P"], run["y"], None, targets)
    P, tested = (out_of_fold.weighted_mean(weights, run[name]) for name in ("P", "P_test"))
    calibrate(targets, P, run["y"])
    p, p_test = targets.calibrate(P)[:, 1], targets.calibrate(tested)[:, 1]
    if what != "plain":
        balanced = (1 - y.mean()) / y.mean()
        p, p_test = (q * balanced / (q * balanced + 1 - q) for q in (p, p_test))
        odds = balanced if what == "class weights" else 1.0
    ones, part = np.ones(len(p)), np.arange(len(p)) * 5 // len(p)  # rows are fold by fold
    found = rule.cut(p, y * ones, ones), rule.cut(p, p, ones), rule.best(p, y, None, odds)
    each = thresholds.out_of_fold(rule, p, y, None, part, odds)

    def value(q, is_second, threshold):
        above = q >= threshold
        score = rule.value((above & is_second).sum(), above.sum(), is_second.sum())
        return score / (1 if rule.costs is None else len(q))

    return [value(p_test, run["y_test"] == 1, t) for t in found] + [value(p, y, each)]


if __name__ == "__main__":
    main()

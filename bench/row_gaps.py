"""What becomes of rows without a group or a time: R2 out of fold, and of new rows.

    python bench/row_gaps.py

Groups: 100 patients with ten similar rows each, whose targets have nothing to do with the inputs,
and as many new patients. Times: 1,000 days of sales with a trend and a weekly pattern, and the next 250
days. 30 % of the rows lose their group, or their time.
"""

import warnings
from contextlib import contextmanager

import numpy as np
import pandas as pd

from fastnn import TabularRegressor
from fastnn.tabular.fitting import splitting
from fastnn.tabular.folds import ForwardFolds

SEEDS = range(3)
SMALL = dict(n_estimators=3, hidden_layer_sizes=32, random_state=0)
GAPS = 0.3


def r2(y, predicted):
    known = np.isfinite(predicted)
    y, predicted = y[known], predicted[known]
    return 1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum()


@contextmanager
def training_on_gaps(folds):
    """Let the networks on all rows train on rows with gaps. folds : whether those of folds do, too"""
    split_rows, init = splitting.split_rows, ForwardFolds.__init__

    def with_gaps(n, n_estimators, labels, groups, random_state):
        gaps = np.flatnonzero(groups < 0)
        splits = split_rows(n, n_estimators, labels, groups, random_state)
        return [(np.sort(np.r_[train, gaps]), held_out) for train, held_out in splits]

    def train_on_gaps(self, times, *arguments):
        init(self, times, *arguments)
        self.trains[:, -1] = folds
        self.is_known = np.ones(len(times), bool)

    splitting.split_rows, ForwardFolds.__init__ = with_gaps, train_on_gaps
    try:
        yield
    finally:
        splitting.split_rows, ForwardFolds.__init__ = split_rows, init


def show(what, seed, model, y, rows, later):
    print(
        f"{what:<44}{seed:>6}{r2(y, model.oof_prediction_):>14.3f}{model.score(rows, later):>12.3f}"
    )


def of_groups(seed):
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(200), 10)
    traits = rng.normal(size=(200, 6))[patient] + 0.1 * rng.normal(size=(2000, 6))
    y = rng.normal(size=200)[patient] + 0.1 * rng.normal(size=2000)
    X = pd.DataFrame(traits, columns=list("abcdef"))
    old, new = slice(0, 1000), slice(1000, None)
    named = np.array([f"p{i}" for i in patient[old]], object)
    gap = rng.random(1000) < GAPS
    missing, own = named.copy(), named.copy()
    missing[gap] = None
    own[gap] = [f"row {i}" for i in np.flatnonzero(gap)]
    for what, groups in {
        "no gaps": named,
        "in no fold": missing,
        "groups of their own": own,
    }.items():
        model = TabularRegressor(**SMALL).fit(X[old], y[old], groups=groups)
        show(f"groups, {what}", seed, model, y[old], X[new], y[new])
    with training_on_gaps(True):
        model = TabularRegressor(**SMALL).fit(X[old], y[old], groups=missing)
    show("groups, trained by all folds", seed, model, y[old], X[new], y[new])


def of_times(seed):
    rng = np.random.default_rng(seed)
    day = np.arange(1250)
    X = pd.DataFrame({"day": np.datetime64("2021-01-01") + day, "price": rng.normal(size=1250)})
    y = 100 + 0.05 * day + 5 * np.sin(2 * np.pi * day / 7) + 3 * X["price"] + rng.normal(size=1250)
    y, later = y.to_numpy(), slice(1000, None)
    gap = rng.random(1000) < GAPS
    known, gaps = X[:1000], X[:1000].copy()
    gaps.loc[gap, "day"] = pd.NaT
    for what, rows in {"no gaps": known, "never trained": gaps}.items():
        model = TabularRegressor(**SMALL).fit(rows, y[:1000], time="day")
        show(f"times, {what}", seed, model, y[:1000], X[later], y[later])
    for folds in (False, True):
        with training_on_gaps(folds):
            model = TabularRegressor(**SMALL).fit(gaps, y[:1000], time="day")
        what = "trained by all folds" if folds else "in no fold, but trained at the end"
        show(f"times, {what}", seed, model, y[:1000], X[later], y[later])


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(f"{'rows without a group or a time':<44}{'seed':>6}{'out of fold':>14}{'new rows':>12}")
    for seed in SEEDS:
        of_groups(seed)
        of_times(seed)

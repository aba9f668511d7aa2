"""Scores of days to come, where random folds promise too much.

A shop sells more each month, less on weekends, and follows a slow wave that
nobody can foresee. With folds drawn at random, a day is predicted from the days
before and after it, so the score is high. But the days to predict come after
all others. With `time="day"`, each fold is scored on days later than those that
it trained on.

You will see that `fit` warns of random folds, R^2 with random folds and with
folds in time, and R^2 on the next 60 days, which neither model has seen: only
folds in time come near it. With --plot you get the days with both out-of-fold
predictions, and the three scores.

    python examples/rows_to_come.py --plot days.png
"""

import textwrap
import warnings
from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np

from fastnn import TabularRegressor, plotting

N, LATER = 420, 60  # days to train on, and after them


def make_days(rng):
    """Return the rows, and the sales of each day."""
    i = np.arange(N + LATER)
    day = np.datetime64("2024-01-01") + i
    weekday = (i % 7).astype(float)
    wave = np.cumsum(rng.standard_normal(len(i)))
    sales = 100 + 0.05 * i + 1.5 * wave - 12 * (weekday >= 5) + 3 * rng.standard_normal(len(i))
    rows = [{"day": d, "weekday": w} for d, w in zip(day.tolist(), weekday.tolist())]
    return rows, sales


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    rows, sales = make_days(np.random.default_rng(arguments.seed))
    options = dict(n_estimators=3, random_state=arguments.seed)
    with warnings.catch_warnings(record=True, action="always") as caught:
        at_random = TabularRegressor(**options).fit(rows[:N], sales[:N])
    for warning in caught:
        print(textwrap.fill(f"warning: {warning.message}", 80), end="\n\n")
    in_time = TabularRegressor(**options).fit(rows[:N], sales[:N], time="day")
    scores = {
        "random folds": at_random.oof_score_,
        "folds in time": in_time.oof_score_,
        "the next days": in_time.score(rows[N:], sales[N:]),
    }
    for name, score in scores.items():
        print(f"R2, {name:14} {score:6.2f}")
    if arguments.plot:
        draw(arguments.plot, sales, at_random, in_time, scores)


def draw(file, sales, at_random, in_time, scores):
    import matplotlib.pyplot as plt

    with plotting.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), width_ratios=(1.8, 1))
        left.plot(sales[:N], ".", color="#999999", markersize=3, label="sales")
        left.plot(at_random.oof_prediction_, color=plotting.BLUE, linewidth=1, label="random folds")
        left.plot(
            in_time.oof_prediction_, color=plotting.ORANGE, linewidth=1, label="folds in time"
        )
        left.set(title="Predictions out of fold", xlabel="day", ylabel="sales")
        left.legend(loc="upper left", ncols=3, columnspacing=1, handlelength=1.2)
        left.set_ylim(top=sales.max() + 0.2 * np.ptp(sales))
        values = np.clip(list(scores.values()), -2, 1)
        bars = right.bar(list(scores), values, color=[plotting.BLUE, plotting.ORANGE, "#999999"])
        right.bar_label(bars, [f"{score:.2f}" for score in scores.values()])
        right.axhline(0, color="#999999", linewidth=0.8)
        right.margins(y=0.15)
        right.set_xticks(range(3), ["random\nfolds", "folds\nin time", "the next\ndays"])
        right.set(title="R2", ylabel="R2 (drawn from -2)")
        figure.savefig(file)


if __name__ == "__main__":
    main()

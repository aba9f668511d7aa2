"""How old is a child of this height? A number as the answer: regression.

The output of this network is an age in years, so nothing may squeeze it: the
last layer is the plain z = W x + b (activation "identity"), and the loss is the
squared error. A sigmoid at the end would only ever say something between 0 and
1 year; you will see how bad that is. A ReLU would do as well, since no age is
negative, but where it says 0 it has no slope, and learns nothing there.

Children are given as CSV with a header (.csv or .csv.gz): height in cm, male (1
or 0), age in years. Such a table comes from the public-domain NHANES surveys of
the US CDC (2009-12), with ages in whole years: there R2 is about 0.91, and the
mean error one year. Without a file, children are INVENTED around round numbers
like those of growth charts, to have something to run on.

    python examples/age_from_height.py --plot age_from_height.png
    python examples/age_from_height.py children.csv --plot age_from_height.png
"""

import argparse

import numpy as np

import fastnn
from fastnn import plotting


def invent(n=1700, rng=0):
    """Made-up children: age 2 to 17, height around the middle one of that age and sex, give or take
    4.5 %."""
    middle = {
        0: [
            85,
            94,
            101,
            108,
            115,
            121,
            128,
            133,
            138,
            144,
            151,
            157,
            160,
            162,
            163,
            163,
            163,
        ],  # girls on their 2nd, 3rd ... 18th birthday
        1: [
            87,
            95,
            102,
            109,
            116,
            122,
            128,
            134,
            139,
            144,
            149,
            156,
            164,
            170,
            174,
            175,
            176,
        ],  # boys
    }
    rng = np.random.default_rng(rng)
    age, male = rng.uniform(2, 18, n), rng.integers(0, 2, n)
    height = np.where(
        male, np.interp(age, range(2, 19), middle[1]), np.interp(age, range(2, 19), middle[0])
    )
    return np.column_stack([height * rng.normal(1, 0.045, n), male, np.floor(age)])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("csv", nargs="?", help="a table of children; without it they are invented")
    parser.add_argument(
        "--epochs", type=int, default=200, help="passes over the children (default: 200)"
    )
    parser.add_argument(
        "--plot", type=plotting.picture_file, metavar="FILE", help="save the picture there"
    )
    arguments = parser.parse_args()

    table = (
        np.loadtxt(arguments.csv, delimiter=",", skiprows=1, usecols=(0, 1, 2))
        if arguments.csv
        else invent()
    )
    table = np.random.default_rng(0).permutation(table)
    X, age = table[:, :2], table[:, 2]
    test, train = slice(0, len(X) // 5), slice(len(X) // 5, None)
    who = "children" if arguments.csv else "invented children"
    print(f"{len(X)} {who}: {len(X[train])} to learn from, {len(X[test])} to test on")

    mean, scale = (
        X[train].mean(axis=0),
        X[train].std(axis=0),
    )  # a network likes inputs of about -1 to 1
    scores = {}
    for output in "identity", "sigmoid":
        net = fastnn.MLP([2, 16, 16, 1], activation="tanh", output=output, rng=0)
        net.fit(
            (X[train] - mean) / scale,
            age[train],
            loss="mse",
            optimizer=fastnn.Adam(lr=3e-3),
            epochs=arguments.epochs,
        )
        answer = net.forward((X[test] - mean) / scale)[:, 0]
        r2 = 1 - np.mean((age[test] - answer) ** 2) / np.var(age[test])
        scores[output] = net, r2, np.mean(np.abs(age[test] - answer)), answer.max()

    net, r2, error, _ = scores["identity"]
    print(f"\nidentity at the end: R2 {r2:.2f}, mean absolute error {error:.2f} years")
    _, r2, error, highest = scores["sigmoid"]
    print(f"sigmoid at the end:  R2 {r2:.2f}, mean absolute error {error:.2f} years")
    print(f"                     (it never says more than {highest:.2f} years)")

    heights = np.linspace(X[:, 0].min(), X[:, 0].max(), 200)
    curves = {
        male: net.forward((np.column_stack([heights, np.full(200, male)]) - mean) / scale)[:, 0]
        for male in (0, 1)
    }
    print("\nheight   girl    boy")
    for height in 100, 120, 140, 160, 175:
        girl, boy = (np.interp(height, heights, curves[male]) for male in (0, 1))
        print(f"{height} cm   {girl:4.1f}   {boy:4.1f} years")
    if arguments.plot:
        draw(arguments.plot, X, age, who, heights, curves)


def draw(file, X, age, who, heights, curves):
    import matplotlib.pyplot as plt

    jitter = (
        np.random.default_rng(0).uniform(-0.5, 0.5, len(age)) if (age == np.floor(age)).all() else 0
    )  # whole years, spread for the eye
    with plotting.style():
        figure, axes = plt.subplots(1, 2, figsize=(8, 4), sharex=True, sharey=True)
        for male, ax, name, color in (
            (0, axes[0], "Girls", plotting.ORANGE),
            (1, axes[1], "Boys", plotting.BLUE),
        ):
            mine = X[:, 1] == male
            ax.scatter(
                X[mine, 0],
                (age + jitter)[mine],
                s=7,
                color=color,
                alpha=0.35,
                linewidths=0,
                label=f"{np.sum(mine)} {who}",
            )
            low, high = X[mine, 0].min(), X[mine, 0].max()
            inside = (heights >= low) & (heights <= high)
            ax.plot(heights[inside], curves[male][inside], color="white", linewidth=4.5)
            ax.plot(
                heights[inside],
                curves[male][inside],
                color="#222222",
                linewidth=2.2,
                label="the network",
            )
            ax.set(
                title=name,
                xlabel="height (cm)",
                ylabel="age (years)" if not male else "",
                ylim=(0, 19),
                yticks=range(0, 19, 3),
            )
            ax.legend(loc="upper left", markerscale=2)
        figure.savefig(file)


if __name__ == "__main__":
    main()

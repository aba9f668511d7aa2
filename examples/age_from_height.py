"""Predict the age of a child from height and sex.

The output is an age in years, so the last layer must be able to produce any
number: it is linear (activation "identity"), and the loss is the mean squared
error. A sigmoid output could only predict ages from 0 to 1 year. You will see
the error of both. A ReLU output is possible, as no age is negative, but its
gradient is zero wherever it outputs 0, so it cannot learn there.

Pass a CSV file (.csv or .csv.gz) with the columns height (in cm), male (1 or 0)
and age (in years), in any order. Other columns are ignored, and rows in which
one of the three is missing are left out. Such a table comes from the
public-domain NHANES surveys of the US CDC (2009-12), with ages in whole years:
R2 is then about 0.91, and the mean error one year. Without a file, the example
uses SYNTHETIC children, generated around rounded numbers similar to those of
growth charts.

    python examples/age_from_height.py --plot age_from_height.png
    python examples/age_from_height.py children.csv --plot age_from_height.png
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np

import fastnn
from fastnn import plotting

# Median height on the 2nd, 3rd, ..., 18th birthday
GIRLS = [85, 94, 101, 108, 115, 121, 128, 133, 138, 144, 151, 157, 160, 162, 163, 163, 163]
BOYS = [87, 95, 102, 109, 116, 122, 128, 134, 139, 144, 149, 156, 164, 170, 174, 175, 176]


def generate(n=1700, rng=0):
    """Synthetic children aged 2 to 17: the median height of their age and sex, with a standard
    deviation of 4.5 %."""
    rng = np.random.default_rng(rng)
    age, male = rng.uniform(2, 18, n), rng.integers(0, 2, n)
    girls, boys = (np.interp(age, range(2, 19), medians) for medians in (GIRLS, BOYS))
    height = np.where(male, boys, girls)
    return np.column_stack([height * rng.normal(1, 0.045, n), male, np.floor(age)])


def read(file):
    """Return the columns height, male and age of a CSV file (n, 3)."""
    table = np.genfromtxt(file, delimiter=",", names=True, encoding="utf-8-sig")
    names = ("height", "male", "age")
    missing = [name for name in names if name not in (table.dtype.names or ())]
    if missing:
        raise ValueError(
            f"{file} has the columns {', '.join(table.dtype.names or ())}, but the example needs "
            f"{' and '.join(missing)}"
        )
    table = np.column_stack([table[name] for name in names])
    table = table[~np.isnan(table).any(axis=1)]
    if len(table) < 20:
        raise ValueError(
            f"{file} has {len(table)} complete rows, but the example needs at least 20"
        )
    return table


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("csv", nargs="?", help="CSV file (default: synthetic children)")
    parser.add_argument("--epochs", type=int, default=200, help="epochs (default: 200)")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    try:
        table = read(arguments.csv) if arguments.csv else generate()
    except (OSError, ValueError) as error:
        parser.error(str(error))
    table = np.random.default_rng(0).permutation(table)
    X, age = table[:, :2], table[:, 2]
    test, train = slice(0, len(X) // 5), slice(len(X) // 5, None)
    who = "children" if arguments.csv else "synthetic children"
    print(f"{len(X)} {who}: {len(X[train])} for training, {len(X[test])} for testing\n")

    mean, scale = X[train].mean(axis=0), X[train].std(axis=0)
    nets = {}
    for output in "identity", "sigmoid":
        net = fastnn.MLP([2, 16, 16, 1], activation="tanh", output=output, rng=0)
        scaled = (X[train] - mean) / scale  # networks train best on inputs around -1 to 1
        adam = fastnn.Adam(lr=3e-3)
        net.fit(scaled, age[train], loss="mse", optimizer=adam, epochs=arguments.epochs)
        nets[output] = net
        predicted = net.forward((X[test] - mean) / scale)[:, 0]
        r2 = 1 - np.mean((age[test] - predicted) ** 2) / np.var(age[test])
        error = np.mean(np.abs(age[test] - predicted))
        print(f"{output} output: R2 {r2:.2f}, mean absolute error {error:.2f} years")
    print(f"  (the largest prediction of the sigmoid is {predicted.max():.2f} years)")

    heights = np.linspace(X[:, 0].min(), X[:, 0].max(), 200)
    curves = []
    for male in 0, 1:
        inputs = np.column_stack([heights, np.full(200, male)])
        curves.append(nets["identity"].forward((inputs - mean) / scale)[:, 0])
    print("\nheight   girl    boy")
    for height in 100, 120, 140, 160, 175:
        girl, boy = (np.interp(height, heights, curve) for curve in curves)
        print(f"{height} cm   {girl:4.1f}   {boy:4.1f} years")
    if arguments.plot:
        draw(arguments.plot, X, age, who, heights, curves)


def draw(file, X, age, who, heights, curves):
    import matplotlib.pyplot as plt

    if (age == np.floor(age)).all():  # spread whole years so that points do not overlap
        age = age + np.random.default_rng(0).uniform(-0.5, 0.5, len(age))
    with plotting.style():
        figure, axes = plt.subplots(1, 2, figsize=(8, 4), sharex=True, sharey=True)
        for male, (ax, curve) in enumerate(zip(axes, curves)):
            height, years = X[X[:, 1] == male, 0], age[X[:, 1] == male]
            color = plotting.BLUE if male else plotting.ORANGE
            label = f"{len(height)} {who}"
            ax.scatter(height, years, s=7, color=color, alpha=0.35, linewidths=0, label=label)
            inside = (heights >= height.min()) & (heights <= height.max())
            ax.plot(heights[inside], curve[inside], color="white", linewidth=4.5)
            line = dict(color="#222222", linewidth=2.2, label="prediction")
            ax.plot(heights[inside], curve[inside], **line)
            ax.set(title="Boys" if male else "Girls", xlabel="height (cm)")
            ax.set(ylim=(0, 19), yticks=range(0, 19, 3))
            ax.legend(loc="upper left", markerscale=2)
        axes[0].set_ylabel("age (years)")
        figure.savefig(file)


if __name__ == "__main__":
    main()

"""Which measurement matters where: derivatives of predictions.

A model predicts the colour intensity of 178 wines from twelve measurements.
`predict_derivatives` says how much each prediction changes with each
measurement, for every wine. The derivatives are exact: they pass through the
networks of `TabularRegressor` and through its encoding of the columns.
Multiplied with the standard deviation of a measurement they are comparable.

You will see the measurements in the order of their mean absolute derivatives,
and the share of wines whose colour gets stronger with each. A table compares
one column with central finite differences of the predictions, which are wrong
for large steps, because the curve bends, and for small ones, because
predictions are rounded. With --plot you get a point for each wine and
measurement, and the errors of finite differences for many steps.

    python examples/sensitivities.py --plot sensitivities.png
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np
import pandas as pd

from fastnn import TabularRegressor, datasets, plotting

STEPS = 10.0 ** np.arange(-7, 0.1, 0.5)  # in standard deviations


def error_of_differences(model, table, name, exact, step):
    """Median error of central differences, in units of the median derivative."""
    high, low = (model.predict(table.assign(**{name: table[name] + s})) for s in (step, -step))
    return np.median(np.abs((high - low) / (2 * step) - exact)) / np.median(np.abs(exact))


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    table = pd.read_csv(datasets.path("wine")).drop(columns="cultivar").astype(float)
    colour = table.pop("color_intensity")
    model = TabularRegressor(3, random_state=arguments.seed).fit(table, colour)
    print(f"R2 out of fold {model.oof_score_:.2f}\n")

    names = model.derivative_columns_
    spread = table[names].std().to_numpy()
    changes = model.predict_derivatives(table) * spread
    size = np.abs(changes).mean(axis=0)
    order = np.argsort(-size)
    print("change of the colour by one standard deviation of a measurement")
    print("measurement              mean   stronger colour in")
    for j in order:
        print(f"{names[j]:22} {size[j]:6.2f}   {np.mean(changes[:, j] > 0):18.0%}")

    top = names[order[0]]
    exact = model.predict_derivatives(table, top)[:, 0]
    errors = [
        error_of_differences(model, table, top, exact, step * spread[order[0]]) for step in STEPS
    ]
    print(f"\nerror of finite differences in {top}\n     step      error")
    for step, error in list(zip(STEPS, errors))[::2]:
        print(f"{step:9g} {error:10.1e}")
    if arguments.plot:
        draw(arguments.plot, table[names], changes, order[:6], errors, top)


def draw(file, table, changes, order, errors, top):
    import matplotlib.pyplot as plt
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("", [plotting.BLUE, "#dddddd", plotting.ORANGE])
    rng = np.random.default_rng(0)
    with plotting.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), width_ratios=(1.5, 1))
        for row, j in enumerate(order):
            rank = table.iloc[:, j].rank(pct=True)
            height = len(order) - 1 - row + rng.uniform(-0.3, 0.3, len(rank))
            look = dict(c=rank, cmap=colours, s=14, linewidths=0)
            left.scatter(changes[:, j], height, **look)
        left.axvline(0, color=plotting.GREY, linewidth=1, zorder=0)
        left.set_yticks(range(len(order)), table.columns[order[::-1]])
        left.set(title="Which measurement matters where")
        left.set_xlabel(
            "change of the colour by one standard deviation\n"
            "blue: low values of the measurement, orange: high values"
        )
        right.loglog(STEPS, errors, color=plotting.BLUE, marker="o")
        right.set(title=f"Finite differences in {top}")
        right.set(xlabel="step, in standard deviations", ylabel="relative error")
        figure.savefig(file)


if __name__ == "__main__":
    main()

"""A table as people write it: prices, dates, units and gaps.

The table has 600 flats that do not exist. The area is a text such as "54 sqm",
the date one such as 31.01.2025. Some cells are empty or "n/a", and the district
is a category. `TabularRegressor` takes the table as it is: nothing is
converted, filled or encoded by hand. Only the deposit has to go: it is three
rents, so a model would learn nothing else.

You will see what each column was taken for, R^2 and the mean error on rows that
the networks did not train on, and the share of 200 other flats whose rents are
inside their 90 % intervals. With --plot you get true rents against predictions,
and the intervals of forty new flats.

    python examples/messy_table.py --plot messy.png
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np

from fastnn import TabularRegressor, datasets, plotting, tables

N = 400  # flats to train on; the others are new
SHOWN = 40  # flats whose intervals are drawn


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    table = tables.read(datasets.path("flats"))
    for row in table.slice(0, 3).to_pylist():
        print(*row.values(), sep=" | ")
    flats, rent = table.drop_columns(["Deposit", "Rent"]), table["Rent"].to_numpy()
    model = TabularRegressor(2, random_state=arguments.seed).fit(flats.slice(0, N), rent[:N])
    low, high = model.predict_interval(flats.slice(N), coverage=0.9)

    print("\ncolumn     taken for")
    for name, kind in model.columns_.items():
        print(f"{name:10} {kind}")
    predicted, new_rent = model.oof_prediction_, rent[N:]
    print(f"\nR2 out of fold {model.oof_score_:.2f}")
    print(f"mean error out of fold ${np.abs(predicted - rent[:N]).mean():.0f}")
    inside = np.mean((low <= new_rent) & (new_rent <= high))
    print(f"inside the 90 % intervals: {inside:.2f} of the new flats")
    if arguments.plot:
        draw(arguments.plot, rent[:N], predicted, new_rent[:SHOWN], low[:SHOWN], high[:SHOWN])


def draw(file, rent, predicted, new_rent, low, high):
    import matplotlib.pyplot as plt

    with plotting.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.8))
        plotting.plot_predictions(rent, predicted, left).set_title("Rents, out of fold")
        place = np.argsort(np.argsort(low + high))
        right.vlines(
            place, low, high, color=plotting.BLUE, linewidth=4, alpha=0.35, label="interval"
        )
        right.plot(place, new_rent, "o", color=plotting.ORANGE, markersize=4, label="true rent")
        right.set(title="90 % intervals", xlabel="new flats, by interval", ylabel="rent")
        right.set_xticks([])
        right.legend(loc="upper left")
        figure.savefig(file)


if __name__ == "__main__":
    main()

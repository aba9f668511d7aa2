"""A table as people write it: prices, dates, units and gaps.

The table has 400 flats. The deposit is a text such as "$1,234", the area one
such as "54 sqm", the date one such as 31.01.2025. Some cells are empty or
"n/a", and the district is a category. `TabularRegressor` takes the file as it
is: nothing is converted, filled or encoded by hand.

You will see what each column was taken for, R^2 and the mean error on rows that
the networks did not train on, and the share of 200 new flats whose rents are
inside their 90 % intervals. With --plot you get true rents against predictions,
and the intervals of forty new flats.

    python examples/messy_table.py --plot messy.png
"""

import io
import tempfile
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

import numpy as np

from fastnn import TabularRegressor, plotting

N, NEW = 400, 200  # flats to train on, and others
SHOWN = 40  # flats whose intervals are drawn


def make_table(rng, n):
    """Return the text of a CSV file, and the rents."""
    area = rng.uniform(20, 150, n)
    district = rng.integers(0, 3, n)
    day = np.datetime64("2024-01-01") + rng.integers(0, 700, n)
    price = np.array([9.0, 14.0, 12.0])[district] + (day - day.min()).astype(int) / 300
    rent = area * price * np.exp(0.12 * rng.standard_normal(n))
    file = io.StringIO()
    print("rent;area;deposit;district;listed", file=file)
    for i in range(n):
        size = ("n/a", "", f"{area[i]:.0f} sqm")[min(2, int(rng.integers(0, 20)))]
        date = ".".join(reversed(str(day[i]).split("-")))
        place = ("north", "centre", "harbour")[district[i]]
        deposit = f"${2.5 * rent[i] * rng.uniform(0.5, 1.5):,.0f}"
        print(f"{rent[i]:.0f};{size};{deposit};{place};{date}", file=file)
    return file.getvalue(), rent.round()


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    rng = np.random.default_rng(arguments.seed)
    text, rent = make_table(rng, N)
    new_text, new_rent = make_table(rng, NEW)
    print(*text.splitlines()[:4], "...", sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        flats, new = Path(folder, "flats.csv"), Path(folder, "new.csv")
        flats.write_text(text, encoding="utf-8")
        new.write_text(new_text, encoding="utf-8")
        model = TabularRegressor(2, random_state=arguments.seed).fit(flats, "rent")
        low, high = model.predict_interval(new, coverage=0.9)

    print("\ncolumn     taken for")
    for name, kind in model.columns_.items():
        print(f"{name:10} {kind}")
    predicted = model.oof_prediction_
    print(f"\nR2 out of fold {model.oof_score_:.2f}")
    print(f"mean error out of fold ${np.abs(predicted - rent).mean():.0f}")
    inside = np.mean((low <= new_rent) & (new_rent <= high))
    print(f"inside the 90 % intervals: {inside:.2f} of the new flats")
    if arguments.plot:
        draw(arguments.plot, rent, predicted, new_rent[:SHOWN], low[:SHOWN], high[:SHOWN])


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

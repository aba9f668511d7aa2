"""Predict a column of a table: three kinds of wine.

The table has 178 wines with thirteen measurements each, such as alcohol and
hue, and their cultivar, one of three. `TabularClassifier` reads the file,
guesses what each column is, and trains networks on two thirds of the rows, for
each third in turn. So each wine is predicted by networks that have not seen it.

You will see the accuracy on such rows, the classes that are mixed up, and the
columns that matter, by permutation importance. With --plot you get the
confusion matrix and the importances.

    python examples/wine_table.py --plot wine.png

The same on the command line, with a report as a page:

    fastnn train wine --target cultivar --out wine.safetensors --report r.html
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

import numpy as np

import fastnn
from fastnn import TabularClassifier, plotting

WINE = Path(fastnn.__file__).parent / "datasets" / "wine.csv.gz"


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    model = TabularClassifier(3, random_state=arguments.seed).fit(WINE, "cultivar")

    true = np.loadtxt(WINE, dtype=int, delimiter=",", skiprows=1, usecols=-1)
    P = model.oof_prediction_
    predicted = model.classes_[P.argmax(axis=1)]
    print(f"accuracy out of fold {model.oof_score_:.3f} on {len(P)} rows")
    for row in np.flatnonzero(predicted != true):
        print(
            f"row {row}: cultivar {true[row]}, predicted {predicted[row]} with {P[row].max():.2f}"
        )
    print("\ncolumn                 importance")
    importances = model.feature_importances_
    for i in np.argsort(-importances)[:5]:
        print(f"{model.feature_names_in_[i]:21} {importances[i]:11.3f}")
    if arguments.plot:
        draw(arguments.plot, model, true, P)


def draw(file, model, true, P):
    import matplotlib.pyplot as plt

    with plotting.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), width_ratios=(1, 1.4))
        plotting.plot_confusion(true, P, left, labels=model.classes_)
        left.set_title("Cultivars, out of fold")
        plotting.plot_importances(model, ax=right, max_columns=8)
        longest = max(right.containers[0], key=lambda bar: bar.get_width())
        longest.set_color(plotting.ORANGE)
        right.set_title("Columns that matter")
        figure.savefig(file)


if __name__ == "__main__":
    main()

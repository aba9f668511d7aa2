"""A random search of 1000 networks, at once and by halving.

The table has 569 tumours with 30 numbers each, and whether they are malignant
(scikit-learn's load_breast_cancer). Each candidate is a network with a learning
rate, a width, a batch size and a penalty drawn at random. `HalvingSearchCV` of
fastnn trains all candidates and folds in one call, on all CPUs. It is a
scikit-learn estimator (extra sklearn).

You will see two searches over the same candidates, with their times. The first
trains each candidate for 27 epochs, 5000 networks in total. The second is
successive halving: all candidates train for 3 epochs, the best third continues
to 9 epochs, and the best third of these to 27. It trains about a quarter of the
epochs, and usually finds a candidate that is as good. With --plot you get the
scores of the first search against rate and width, and those of the second
search against epochs. A good learning rate depends on the width: wide networks
need lower rates.

    python examples/search.py --plot search.png
"""

import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np
from scipy.stats import loguniform
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastnn
from fastnn import plotting

EPOCHS = 27
DISTRIBUTIONS = {
    "mlpclassifier__learning_rate_init": loguniform(1e-5, 1),
    "mlpclassifier__hidden_layer_sizes": [(round(2 ** (k / 4)),) for k in range(29)],
    "mlpclassifier__alpha": loguniform(1e-5, 10),
    "mlpclassifier__batch_size": [16, 32, 64],
}


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--candidates", type=int, default=1000, help="default: 1000")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    X, y = load_breast_cancer(return_X_y=True)
    network = fastnn.MLPClassifier(
        max_iter=EPOCHS, n_iter_no_change=np.inf, dtype="float32", random_state=arguments.seed
    )
    model = make_pipeline(StandardScaler(), network)
    print("search    networks    epochs   seconds   best log loss    rate   width   batch")
    found = {}
    for name, first in ("all", EPOCHS), ("halving", 3):
        search = fastnn.HalvingSearchCV(
            model,
            DISTRIBUTIONS,
            n_iter=arguments.candidates,
            min_resources=first,
            scoring="neg_log_loss",
            cv=5,
            random_state=arguments.seed,
        )
        start = time.perf_counter()
        found[name] = search.fit(X, y)
        seconds = time.perf_counter() - start
        best = search.best_params_
        print(
            f"{name:8}{5 * arguments.candidates:10}{epochs(search):10}{seconds:10.1f}"
            f"{-search.best_score_:16.4f}{best['mlpclassifier__learning_rate_init']:8.4f}"
            f"{best['mlpclassifier__hidden_layer_sizes'][0]:8}"
            f"{best['mlpclassifier__batch_size']:8}"
        )
    if arguments.plot:
        draw(arguments.plot, found)


def epochs(search):
    """Return the number of epochs that a search has trained on the folds."""
    new = np.diff(search.n_resources_, prepend=0)
    return 5 * int(np.dot(search.n_candidates_, new))


def draw(file, found):
    import matplotlib.pyplot as plt
    from matplotlib.colors import LinearSegmentedColormap

    results = found["all"].cv_results_
    rate = results["param_mlpclassifier__learning_rate_init"].astype(float)
    width = np.array([w for (w,) in results["param_mlpclassifier__hidden_layer_sizes"]])
    loss = -results["mean_test_score"]
    order = np.argsort(-loss)  # the best ones on top
    colors = LinearSegmentedColormap.from_list(
        "loss", [plotting.BLUE, "#9ecae8", "#f3c9a8", plotting.ORANGE]
    )
    with plotting.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 4), width_ratios=[1.25, 1])
        points = left.scatter(
            rate[order], width[order], c=np.clip(loss[order], 0.06, 0.7), s=16, cmap=colors,
            norm="log", linewidths=0,
        )  # fmt: skip
        left.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="width")
        left.minorticks_off()
        left.set_yticks([1, 2, 4, 8, 16, 32, 64, 128], [1, 2, 4, 8, 16, 32, 64, 128])
        left.set_title(f"{len(loss)} candidates after {EPOCHS} epochs")
        bar = figure.colorbar(points, ax=left, ticks=[0.06, 0.1, 0.2, 0.4, 0.7])
        bar.ax.set_yticklabels(["0.06", "0.1", "0.2", "0.4", "0.7"])
        bar.set_label("log loss in 5 folds")
        bar.ax.minorticks_off()
        draw_rungs(right, found["halving"])
        figure.savefig(file)


def draw_rungs(ax, search):
    """Draw the loss of each candidate against the epochs that it was trained for."""
    results = search.cv_results_
    curves = {}
    for params, n, score in zip(
        results["params"], results["n_resources"], results["mean_test_score"]
    ):
        key = tuple(value for name, value in params.items() if not name.endswith("max_iter"))
        curves.setdefault(key, []).append((n, -score))
    last = search.n_resources_[-1]
    for curve in sorted(curves.values(), key=len):
        survives = curve[-1][0] == last
        ax.plot(
            *zip(*curve), marker="o", markersize=3, linewidth=0.8,
            color=plotting.BLUE if survives else "#cccccc", zorder=3 if survives else 1,
        )  # fmt: skip
    best = min((c for c in curves.values() if c[-1][0] == last), key=lambda c: c[-1][1])
    ax.plot(*zip(*best), color=plotting.ORANGE, marker="o", zorder=4, label="best candidate")
    ax.plot([], [], color=plotting.BLUE, label=f"trained for {last} epochs")
    ax.plot([], [], color="#cccccc", label="stopped earlier")
    ax.set(xscale="log", yscale="log", ylim=(0.05, 2), xlabel="epochs", ylabel="log loss")
    ax.set_xticks(search.n_resources_, search.n_resources_)
    ax.set_yticks([0.05, 0.1, 0.2, 0.5, 1, 2], ["0.05", "0.1", "0.2", "0.5", "1", "2"])
    ax.minorticks_off()
    ax.set_title("Successive halving")
    ax.legend(loc="upper right")


if __name__ == "__main__":
    main()

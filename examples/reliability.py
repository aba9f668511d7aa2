"""Calibrate probabilities by temperature scaling.

A thousand rows of ten numbers belong to two classes that overlap. No classifier
can have an accuracy above 86 % on them. A network that trains for long without
a penalty becomes overconfident: it predicts probabilities near 0 or 1 and is
wrong more often than they say (Guo et al., 2017, On Calibration of Modern
Neural Networks). `calibrate(X, y)` of MLPClassifier, a scikit-learn estimator
(extra sklearn), divides the logits by one number, the temperature. It fits the
temperature on 500 rows that were not used for training.

You will see the log loss and the expected calibration error (ECE) on 10,000 new
rows before and after. A table has the true share of class 1 among the rows with
predicted probabilities of 0 to 10 %, 10 to 20 %, and so on. With --plot you get
the table as a reliability diagram. For a calibrated network, its points are on
the diagonal. The accuracy does not change, because the predicted classes stay
the same.

    python examples/reliability.py --plot reliability.png
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np

from fastnn import MLPClassifier, plotting

EDGES = np.linspace(0, 1, 11)


def rows(rng, n):
    """Rows of ten numbers, and classes drawn with a probability that depends on them."""
    X = rng.normal(size=(n, 10))
    logit = 3 * X[:, 0] + 2 * X[:, 1] * X[:, 2] + X[:, 3] ** 2 - 1
    return X, (rng.uniform(size=n) < 1 / (1 + np.exp(-logit))).astype(int)


def reliability(p, y):
    """Mean predicted probability, share of class 1, and number of rows in each bin."""
    which = np.clip(np.digitize(p, EDGES) - 1, 0, 9)
    n = np.bincount(which, minlength=10)
    mean, true = (np.bincount(which, values, minlength=10) / np.maximum(n, 1) for values in (p, y))
    return mean, true, n


def ece(p, y):
    """Expected calibration error: the mean of |predicted - true| over bins, weighted by rows."""
    mean, true, n = reliability(p, y)
    return (n * np.abs(mean - true)).sum() / n.sum()


def log_loss(log_p, y):
    return -log_p[np.arange(len(y)), y].mean()


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    rng = np.random.default_rng(arguments.seed)
    (X, y), held_out, (X_new, y_new) = (rows(rng, n) for n in (1000, 500, 10_000))
    settings = dict(alpha=0.0, learning_rate_init=0.01, tol=1e-3, max_iter=1000)
    clf = MLPClassifier((64,), random_state=arguments.seed, **settings).fit(X, y)
    scores = {"before": score(clf, X_new, y_new)}
    clf.calibrate(*held_out)
    scores["after"] = score(clf, X_new, y_new)

    print(f"temperature {clf.temperature_:.2f}, fitted on {len(held_out[1])} held-out rows\n")
    print("         log loss    ECE   accuracy")
    for name, (_, loss, error, accuracy) in scores.items():
        print(f"{name:7}  {loss:8.3f}  {error:5.3f}   {accuracy:8.3f}")

    bins = [reliability(p, y_new) for p, *_ in scores.values()]
    print("\n                before             after")
    print("probability     class 1    rows    class 1    rows")
    for i in range(10):
        columns = "".join(f"    {true[i]:7.0%}  {n[i]:6}" for _, true, n in bins)
        print(f"{EDGES[i]:4.0%} to {EDGES[i + 1]:4.0%}{columns}")
    if arguments.plot:
        draw(arguments.plot, y_new, scores)


def score(clf, X, y):
    p = clf.predict_proba(X)[:, 1]
    return p, log_loss(clf.predict_log_proba(X), y), ece(p, y), clf.score(X, y)


def draw(file, y, scores):
    import matplotlib.pyplot as plt

    looks = (plotting.ORANGE, "^", -0.02), (plotting.BLUE, "o", 0.02)
    with plotting.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 4.2), width_ratios=[1.35, 1])
        for (name, (p, loss, error, _)), (color, marker, shift) in zip(scores.items(), looks):
            mean, true, n = reliability(p, y)
            look = dict(color=color, marker=marker, markersize=7, markeredgecolor="white")
            label = f"{name}: log loss {loss:.2f}, ECE {error:.3f}"
            left.plot(mean[n > 0], true[n > 0], clip_on=False, label=label, **look)
            right.bar(EDGES[:-1] + 0.05 + shift, n / len(y), 0.04, color=color, label=name)
        look = dict(color=plotting.GREY, linestyle=":", linewidth=1.4, zorder=1)
        left.plot([0, 1], [0, 1], label="perfectly calibrated", **look)
        left.set(title="Reliability diagram", aspect="equal", xlim=(0, 1), ylim=(0, 1))
        left.set_ylabel("true share of class 1")
        left.legend(loc="upper left")
        right.set(title="Distribution of predictions", xlim=(0, 1), xticks=EDGES[::2])
        right.set_ylabel("share of rows")
        right.legend(loc="upper center")
        for ax in left, right:
            ax.set_xlabel("predicted probability of class 1")
        figure.savefig(file)


if __name__ == "__main__":
    main()

"""Does 80 % mean 80 %? Probabilities before and after temperature scaling.

A thousand rows of ten numbers, two classes that overlap: no classifier can be
right more often than 86 % of the time. A network that is trained on them
for long, without a penalty, comes to be sure of nearly everything, and is wrong
more often than it says (Guo et al., 2017, On Calibration of Modern Neural
Networks). calibrate(X, y) of MLPClassifier, the scikit-learn estimator (extra
sklearn), divides its logits by one number, the temperature, which it fits on
500 rows that the network has not seen.

You will see the log-loss and the expected calibration error (ECE) on 10,000 new
rows, before and after, and below them, for the rows to which the network gave
0 to 10 %, 10 to 20 %, ..., how large the share of class 1 is in truth. With
--plot that is the reliability diagram: on the diagonal the probabilities are
what they say. Accuracy stays to the last digit; no answer changes sides.

    python examples/reliability.py --plot reliability.png
"""

import argparse

import numpy as np

from fastnn import MLPClassifier, plotting

EDGES = np.linspace(0, 1, 11)


def rows(rng, n):
    """Ten numbers each; class 1 with a probability that depends on them."""
    X = rng.normal(size=(n, 10))
    logit = 3 * X[:, 0] + 2 * X[:, 1] * X[:, 2] + X[:, 3] ** 2 - 1
    return X, (rng.uniform(size=n) < 1 / (1 + np.exp(-logit))).astype(int)


def reliability(p, y):
    """Of each bin: mean probability, share of class 1 and number of rows."""
    which = np.clip(np.digitize(p, EDGES) - 1, 0, 9)
    n = np.bincount(which, minlength=10)
    said, true = (np.bincount(which, values, minlength=10) / np.maximum(n, 1) for values in (p, y))
    return said, true, n


def ece(p, y):
    """Expected calibration error: the mean distance of what is said from what is true, weighted by
    rows."""
    said, true, n = reliability(p, y)
    return (n * np.abs(said - true)).sum() / n.sum()


def log_loss(log_p, y):
    return -log_p[np.arange(len(y)), y].mean()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="draws the rows, the weights and the order (default: 0)"
    )
    parser.add_argument(
        "--plot", type=plotting.picture_file, metavar="FILE", help="save the picture there"
    )
    arguments = parser.parse_args()

    rng = np.random.default_rng(arguments.seed)
    (X, y), held_out, (X_new, y_new) = (rows(rng, n) for n in (1000, 500, 10_000))
    clf = MLPClassifier(
        (64,),
        alpha=0.0,
        learning_rate_init=0.01,
        tol=1e-3,
        n_iter_no_change=10,
        random_state=arguments.seed,
    )
    clf.fit(X, y)

    done = {}
    for name in "before", "after":
        if name == "after":
            clf.calibrate(*held_out)
        p = clf.predict_proba(X_new)[:, 1]
        done[name] = (
            p,
            log_loss(clf.predict_log_proba(X_new), y_new),
            ece(p, y_new),
            clf.score(X_new, y_new),
        )
    print(f"temperature {clf.temperature_:.2f}, from {len(held_out[1])} held-out rows\n")
    print("         log-loss    ECE   accuracy")
    for name, (_, loss, error, accuracy) in done.items():
        print(f"{name:7}  {loss:8.3f}  {error:5.3f}   {accuracy:8.3f}")

    bins = [reliability(p, y_new) for p, *_ in done.values()]
    print("\n                before             after")
    print("network says    class 1    rows    class 1    rows")
    for i in range(10):
        print(
            f"{EDGES[i]:4.0%} to {EDGES[i + 1]:4.0%}"
            + "".join(f"    {true[i]:7.0%}  {n[i]:6}" for _, true, n in bins)
        )
    if arguments.plot:
        draw(arguments.plot, y_new, done)


def draw(file, y, done):
    import matplotlib.pyplot as plt

    with plotting.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 4.2), width_ratios=[1.35, 1])
        for (name, (p, loss, error, _)), color, marker, shift in zip(
            done.items(), (plotting.ORANGE, plotting.BLUE), "^o", (-0.02, 0.02), strict=True
        ):
            said, true, n = reliability(p, y)
            left.plot(
                said[n > 0],
                true[n > 0],
                color=color,
                marker=marker,
                markersize=7,
                markeredgecolor="white",
                clip_on=False,
                label=f"{name}: log-loss {loss:.2f}, ECE {error:.3f}",
            )
            right.bar(EDGES[:-1] + 0.05 + shift, n / len(y), 0.04, color=color, label=name)
        left.plot(
            [0, 1],
            [0, 1],
            color=plotting.GREY,
            linestyle=":",
            linewidth=1.4,
            label="as often as it says",
            zorder=1,
        )
        left.set(
            xlim=(0, 1),
            ylim=(0, 1),
            xlabel="probability of class 1 that the network says",
            ylabel="share of class 1 among these rows",
        )
        left.set(title="Reliability diagram", aspect="equal")
        left.legend(loc="upper left")
        right.set(title="How often it says so", xlim=(0, 1), xticks=EDGES[::2])
        right.set(xlabel="probability of class 1 that it says", ylabel="share of all rows")
        right.legend(loc="upper center")
        figure.savefig(file)


if __name__ == "__main__":
    main()

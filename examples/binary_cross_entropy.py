"""Binary cross-entropy as a curve, as an entropy, and on ten points.

    L = -1/N sum(y log a + (1 - y) log(1 - a))

As a curve. The network predicts class 1 with probability a. The cost is -log a
if the class is 1, and -log(1 - a) if it is 0. It is near 0 for a confident and
correct prediction, and grows without bound for a confident and wrong one.

As an entropy. Suppose that a share q of similar samples belongs to class 1. If
the network predicts a for each of them, the mean cost is
-q log a - (1 - q) log(1 - a). It is lowest at a = q, so the best prediction is
the true probability. Even there it is not 0 but the entropy of q, which is
log 2 for q = 1/2.

On ten points. Each point is a number x of class 0 or 1. A network with one
weight and one bias predicts sigmoid(w x + b). The loss is the mean cost of the
ten points, and gradient descent lowers it.

You will see the numbers of all three, and six plots with --plot.

    python examples/binary_cross_entropy.py --plot binary_cross_entropy.png
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np

from fastnn import functional as F
from fastnn import plotting

x = np.array([[-3.1, -2.2, -1.6, -0.7, -0.2, 0.4, 0.9, 1.5, 2.3, 3.0]]).T
y = np.array([[0, 0, 0, 1, 0, 1, 0, 1, 1, 1]], float).T


def mean_cost(q, a):
    """Mean cost of each prediction in a when a share q of the samples is of class 1."""
    return np.array([F.binary_cross_entropy([p], [q]) for p in np.atleast_1d(a)])


def predict(x, W, b):
    return F.linear(x, W, b, activation="sigmoid")


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100, help="training steps (default: 100)")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    print("As a curve\n\nprediction   cost if class 1   cost if class 0")
    for a in 0.01, 0.1, 0.5, 0.9, 0.99:
        print(f"{a:10.2f}   {mean_cost(1, a)[0]:15.3f}   {mean_cost(0, a)[0]:15.3f}")

    print("\nAs an entropy\n\nshare of class 1   best prediction   mean cost   entropy")
    predictions = np.linspace(0.01, 0.99, 99)
    for q in 0.5, 0.7, 0.9:
        costs, entropy = mean_cost(q, predictions), -q * np.log(q) - (1 - q) * np.log(1 - q)
        best = predictions[costs.argmin()]
        print(f"{q:16.1f}   {best:15.2f}   {costs.min():9.3f}   {entropy:7.3f}")

    W, b, dY, losses = np.zeros((1, 1)), np.zeros(1), np.empty_like(y), []
    for _ in range(arguments.steps):
        Y = predict(x, W, b)
        losses.append(F.binary_cross_entropy(Y, y, grad=dY))
        _, dW, db = F.linear_backward(dY, x, W, b, Y, activation="sigmoid")
        F.sgd_step_(W, dW, lr=0.2)
        F.sgd_step_(b, db, lr=0.2)
    Y = predict(x, W, b)
    losses.append(F.binary_cross_entropy(Y, y))
    p_true = np.where(y == 1, Y, 1 - Y)[:, 0]  # the predicted probability of the true class
    costs = -np.log(p_true)

    sign = "-" if b < 0 else "+"
    print(f"\nOn ten points, after {arguments.steps} steps")
    print(f"\nprediction: sigmoid({W[0, 0]:.2f} x {sign} {abs(b[0]):.2f})")
    print("\n    x   class   prediction    cost")
    for point in zip(x[:, 0], y[:, 0], Y[:, 0], costs):
        print("{:5.1f}   {:5.0f}   {:10.2f}   {:.3f}".format(*point))
    print(f"\nmean cost: {costs.mean():.4f}")
    print(f"loss: {losses[0]:.4f} (log 2) before training, {losses[-1]:.4f} after")
    if arguments.plot:
        draw(arguments.plot, W, b, Y, p_true, losses)


def draw(file, W, b, Y, p_true, losses):
    import matplotlib.pyplot as plt

    blue, orange, grey, dark = plotting.BLUE, plotting.ORANGE, plotting.GREY, "#444444"
    colors = np.where(y[:, 0] == 1, orange, blue)
    a, wide = np.linspace(0.005, 0.995, 199), np.linspace(-3.7, 3.7, 200)
    with plotting.style():
        figure, axes = plt.subplots(3, 2, figsize=(8, 8.6))
        (curve, entropy), (points, chances), (costs, descent) = axes
        curve.plot(a, mean_cost(1, a), color=orange, label="class 1: $-\\log\\,a$")
        curve.plot(a, mean_cost(0, a), color=blue, label="class 0: $-\\log(1-a)$")
        curve.set(title="1  Cost of one prediction", ylabel="cost (nats)", ylim=(0, 5))

        for q, color in (0.5, grey), (0.7, plotting.GREEN), (0.9, "#CC79A7"):
            entropy.plot(a, mean_cost(q, a), color=color, label=f"{q:.0%} are class 1")
            entropy.plot(q, mean_cost(q, q), "o", color=color, ms=7, markeredgecolor="white")
        lowest = [mean_cost(q, q)[0] for q in a]
        entropy.plot(a, lowest, ":", color=dark, linewidth=1.2, label="entropy")
        entropy.set(title="2  The true share costs least", ylabel="mean cost (nats)", ylim=(0, 2.4))
        for ax in curve, entropy:
            ax.set_xlabel("predicted probability $a$ of class 1")
            ax.legend(loc="upper center")

        points.plot(wide, predict(wide[:, None], W, b), color=dark, label="$\\sigma(w x + b)$")
        points.scatter([], [], c=orange, s=34, label="class 1")
        points.scatter([], [], c=blue, s=34, label="class 0")
        points.vlines(x[:, 0], y[:, 0], Y[:, 0], colors=colors, linewidth=1, linestyles=":")
        points.scatter(x, y, c=colors, s=34, zorder=3)
        points.set(title="3  Ten points and the fitted curve", ylim=(-0.06, 1.06))
        points.set(ylabel="probability of class 1")
        points.legend(loc="upper left", bbox_to_anchor=(-0.02, 0.96))
        chances.bar(x[:, 0], p_true, width=0.28, color=colors)
        chances.set(title="4  Probability of the true class", ylabel="probability", ylim=(0, 1))
        costs.bar(x[:, 0], -np.log(p_true), width=0.28, color=colors)
        label = f"mean: the loss, {losses[-1]:.3f}"
        costs.axhline(losses[-1], color=dark, linestyle="--", linewidth=1.2, label=label)
        costs.set(title="5  Cost of each point", ylabel="cost (nats)", ylim=(0, 1.7))
        costs.set_yticks([0, 0.5, 1, 1.5])
        costs.legend(loc="upper left")
        for ax in points, chances, costs:
            ax.set(xlabel="$x$", xlim=(wide[0], wide[-1]))

        descent.plot(losses, color=dark)
        descent.axhline(np.log(2), color=grey, linestyle=":", linewidth=1.2)
        place = dict(xy=(len(losses), np.log(2) - 0.015), ha="right", va="top")
        descent.annotate("log 2: always predict 0.5", color="#555555", **place)
        descent.set(title="6  Gradient descent lowers the loss", xlabel="step")
        descent.set(ylabel="loss (nats)", ylim=(0, 0.75))
        figure.align_ylabels()
        figure.savefig(file)


if __name__ == "__main__":
    main()

"""What binary cross-entropy is: a curve, an entropy, and ten points.

    L = -1/N sum y log a + (1 - y) log(1 - a)

As a curve: the network says "yes with probability a". If the truth is yes, it
pays -log a, if it is no, -log(1 - a): nothing for being sure and right, a
little for doubt, and without limit for being sure and wrong.

As an entropy: of many like cases a share q is yes. Whoever says a each time
pays -q log a - (1 - q) log(1 - a) on average. That is least at a = q, so it
pays to be honest; and even there it is not 0 but the entropy of q, which
nobody who cannot tell the cases apart gets below. For q = 1/2 it is log 2.

On ten points: x is a number, the answer no or yes. A network of one weight and
one bias says sigmoid(w x + b). Each point pays for the probability that its
true answer was given; the loss is the mean. Gradient descent lowers it.

You will see all this in numbers, and with --plot as six small pictures.

    python examples/binary_cross_entropy.py --plot binary_cross_entropy.png
"""

import argparse

import numpy as np

from fastnn import functional as F
from fastnn import plotting

x = np.array([[-3.1, -2.2, -1.6, -0.7, -0.2, 0.4, 0.9, 1.5, 2.3, 3.0]]).T
y = np.array([[0, 0, 0, 1, 0, 1, 0, 1, 1, 1]], float).T


def mean_cost(q, a):
    """What each answer a costs on average if a share q is yes: one number for each a."""
    return np.array([F.binary_cross_entropy([p], [q]) for p in np.atleast_1d(a)])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=100,
        help="steps of gradient descent on the ten points (default: 100)",
    )
    parser.add_argument(
        "--plot", type=plotting.picture_file, metavar="FILE", help="save the picture there"
    )
    arguments = parser.parse_args()

    print("As a curve\n\nsays yes with   truth is yes   truth is no")
    for a in 0.01, 0.1, 0.5, 0.9, 0.99:
        print(f"{a:13.2f}   {mean_cost(1, a)[0]:12.3f}   {mean_cost(0, a)[0]:11.3f}")

    print("\nAs an entropy\n\nshare of yes   cheapest answer   costs   entropy")
    answers = np.linspace(0.01, 0.99, 99)
    for q in 0.5, 0.7, 0.9:
        costs = mean_cost(q, answers)
        print(
            f"{q:12.1f}   {answers[costs.argmin()]:15.2f}   {costs.min():.3f}     {-q * np.log(q) - (1 - q) * np.log(1 - q):.3f}"
        )

    W, b, dY, losses = np.zeros((1, 1)), np.zeros(1), np.empty_like(y), []
    for _ in range(arguments.steps):
        Y = F.linear(x, W, b, activation="sigmoid")
        losses.append(F.binary_cross_entropy(Y, y, grad=dY))
        _, dW, db = F.linear_backward(dY, x, W, b, Y, activation="sigmoid")
        F.sgd_step_(W, dW, lr=0.2)
        F.sgd_step_(b, db, lr=0.2)
    Y = F.linear(x, W, b, activation="sigmoid")
    losses.append(F.binary_cross_entropy(Y, y))
    given = np.where(y == 1, Y, 1 - Y)  # the probability given to the true answer

    print(
        f"\nOn ten points, after {arguments.steps} steps: sigmoid({W[0, 0]:.2f} x {'-' if b < 0 else '+'} {abs(b[0]):.2f})\n"
    )
    print("    x   truth   says yes with   cost")
    for point in zip(x[:, 0], y[:, 0], Y[:, 0], -np.log(given[:, 0])):
        print("{:5.1f}   {:5.0f}   {:13.2f}   {:.3f}".format(*point))
    print(
        f"\nloss {losses[0]:.4f} at first (log 2), {losses[-1]:.4f} at last: the mean of the costs, {np.mean(-np.log(given)):.4f}"
    )
    if arguments.plot:
        draw(arguments.plot, W, b, Y, given, losses)


def draw(file, W, b, Y, given, losses):
    import matplotlib.pyplot as plt

    colors, a, wide = (
        np.where(y[:, 0] == 1, plotting.ORANGE, plotting.BLUE),
        np.linspace(0.005, 0.995, 199),
        np.linspace(-3.7, 3.7, 200),
    )
    with plotting.style():
        figure, ((curve, entropy), (points, chances), (costs, descent)) = plt.subplots(
            3, 2, figsize=(8, 8.6)
        )
        curve.plot(a, mean_cost(1, a), color=plotting.ORANGE, label="truth is yes: $-\\log\\,a$")
        curve.plot(a, mean_cost(0, a), color=plotting.BLUE, label="truth is no: $-\\log(1-a)$")
        curve.set(
            title="1  The cost of one answer",
            xlabel="says yes with probability $a$",
            ylabel="cost (nats)",
            ylim=(0, 5),
        )
        curve.legend(loc="upper center")

        for q, color in (0.5, plotting.GREY), (0.7, plotting.GREEN), (0.9, "#CC79A7"):
            entropy.plot(a, mean_cost(q, a), color=color, label=f"{q:.0%} are yes")
            entropy.plot(
                q, mean_cost(q, q), "o", color=color, markersize=7, markeredgecolor="white"
            )
        entropy.plot(
            a,
            [mean_cost(q, q)[0] for q in a],
            ":",
            color="#444444",
            linewidth=1.2,
            label="entropy of the share",
        )
        entropy.set(
            title="2  The mean cost is least at the truth", xlabel="says yes with probability $a$"
        )
        entropy.set(ylabel="mean cost (nats)", ylim=(0, 2.4))
        entropy.legend(loc="upper center")

        points.plot(
            wide,
            F.linear(wide[:, None], W, b, activation="sigmoid"),
            color="#444444",
            label="$\\sigma(w x + b)$",
        )
        points.scatter([], [], c=plotting.ORANGE, s=34, label="truth is yes")
        points.scatter([], [], c=plotting.BLUE, s=34, label="truth is no")
        points.vlines(x[:, 0], y[:, 0], Y[:, 0], colors=colors, linewidth=1, linestyles=":")
        points.scatter(x, y, c=colors, s=34, zorder=3)
        points.set(
            title="3  Ten points and the fitted curve",
            xlabel="$x$",
            ylabel="probability of yes",
            ylim=(-0.06, 1.06),
        )
        points.legend(loc="upper left", bbox_to_anchor=(-0.02, 0.96))

        chances.bar(x[:, 0], given[:, 0], width=0.28, color=colors)
        chances.set(
            title="4  Probability given to the truth",
            xlabel="$x$",
            ylabel="probability",
            ylim=(0, 1),
        )
        costs.bar(x[:, 0], -np.log(given[:, 0]), width=0.28, color=colors)
        costs.axhline(
            losses[-1],
            color="#444444",
            linestyle="--",
            linewidth=1.2,
            label=f"mean: the loss, {losses[-1]:.3f}",
        )
        costs.set(
            title="5  What each point pays",
            xlabel="$x$",
            ylabel="cost (nats)",
            ylim=(0, 1.7),
            yticks=[0, 0.5, 1, 1.5],
        )
        costs.legend(loc="upper left")
        descent.plot(losses, color="#444444")
        descent.axhline(np.log(2), color=plotting.GREY, linestyle=":", linewidth=1.2)
        descent.text(
            len(losses),
            np.log(2) - 0.015,
            "log 2: knows nothing",
            ha="right",
            va="top",
            color="#555555",
        )
        descent.set(
            title="6  Gradient descent lowers the mean",
            xlabel="step",
            ylabel="loss (nats)",
            ylim=(0, 0.75),
        )
        for ax in points, chances, costs:
            ax.set_xlim(wide[0], wide[-1])
        figure.align_ylabels()
        figure.savefig(file)


if __name__ == "__main__":
    main()

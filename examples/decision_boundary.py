"""How a network bends its line: two moons or two spirals, drawn while it learns.

Points in a plane belong to one of two curves, blue or orange. One network has
one hidden layer, one has two, one has three. You will see in numbers, and with
--plot as nine pictures, what each makes of the plane after 1, 10 and 100 passes
over the points: the shade is its probability of orange, the black line is where
it says one half.

After one pass the line is hardly bent. The moons need little more: any of the
three soon has them. The spirals wind one and a half times around each other:
two layers and three have followed them to the middle after 100 passes, one
layer has not, and --width 128 does not help it.

    python examples/decision_boundary.py --plot decision_boundary.png
    python examples/decision_boundary.py --shape moons --plot moons.png
"""

import argparse

import numpy as np

import fastnn
from fastnn import plotting


def moons(rng, n):
    """Two half circles that reach into each other."""
    angle, y = rng.uniform(0, np.pi, n), np.arange(n) % 2
    sign = 1 - 2 * y
    X = np.column_stack([np.cos(angle) * sign + y, np.sin(angle) * sign + 0.5 * y])
    return X + rng.normal(0, 0.12, X.shape) - [0.5, 0.25], y


def spirals(rng, n):
    """Two arms of a spiral, one and a half turns each."""
    turn, y = np.sqrt(rng.uniform(0.02, 1, n)), np.arange(n) % 2
    angle = 3 * np.pi * turn + np.pi * y
    X = 2 * turn[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return X + rng.normal(0, 0.05, X.shape), y


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--shape", choices=["moons", "spirals"], default="spirals", help="default: spirals"
    )
    parser.add_argument("--points", type=int, default=1000, help="default: 1000")
    parser.add_argument(
        "--width", type=int, default=16, help="units of every hidden layer (default: 16)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="draws the points, the weights and the order (default: 0)",
    )
    parser.add_argument(
        "--plot", type=plotting.picture_file, metavar="FILE", help="save the picture there"
    )
    arguments = parser.parse_args()

    make = {"moons": moons, "spirals": spirals}[arguments.shape]
    X, y = make(np.random.default_rng(arguments.seed), arguments.points)
    nets = [
        fastnn.MLP(
            [2, *[arguments.width] * depth, 1],
            activation="tanh",
            output="sigmoid",
            rng=arguments.seed,
        )
        for depth in (1, 2, 3)
    ]
    print(
        f"{len(X)} points on two {arguments.shape}; accuracy with one, two and three hidden layers\n"
    )
    print(
        "epochs    "
        + "   ".join("-".join(map(str, net.layer_sizes)).ljust(12) for net in nets).rstrip()
    )

    rows = []
    for epochs in 1, 10, 100:
        for net in nets:
            done = net.state.epoch if net.state else 0
            net.fit(
                X,
                y,
                optimizer=fastnn.Adam(lr=0.01),
                epochs=epochs - done,
                batch_size=16,
                resume=done > 0,
            )
        scores = [np.mean((net.forward(X)[:, 0] > 0.5) == y) for net in nets]
        print(f"{epochs:6}    " + "   ".join(f"{score:<12.3f}" for score in scores).rstrip())
        rows.append((epochs, [net.copy() for net in nets], scores))
    if arguments.plot:
        draw(arguments.plot, X, y, rows)


def draw(file, X, y, rows):
    import matplotlib.pyplot as plt

    wide, high = np.ptp(X, axis=0)
    with plotting.style():
        figure, grid = plt.subplots(
            3,
            3,
            figsize=(8, 7.3 * (high + 0.24 * wide) / (1.24 * wide) + 1.1),
            sharex=True,
            sharey=True,
        )
        for axes, (epochs, nets, scores) in zip(grid, rows):
            for ax, net, score in zip(axes, nets, scores):
                plotting.plot_decision(net, X, y, ax)
                ax.set_title(f"{score:.1%} right", loc="right", fontsize=9, color="#555555", pad=4)
                ax.tick_params(length=0, labelbottom=False, labelleft=False)
                ax.spines[:].set_visible(False)
            axes[0].set_ylabel(f"{epochs} epoch{'s' * (epochs > 1)}", fontsize=11)
        for ax, title in zip(grid[0], ["one hidden layer", "two", "three"]):
            ax.set_title(title, fontsize=11, pad=4)
        figure.savefig(file)


if __name__ == "__main__":
    main()

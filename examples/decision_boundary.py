"""How a decision boundary forms during training.

Points in the plane belong to one of two curves, blue or orange. Three networks,
with one, two and three hidden layers, learn to tell them apart. You will see
the accuracy of each after 1, 10 and 100 epochs, and, with --plot, nine
pictures: the shade is the predicted probability of orange, and the black line
is the decision boundary, where the probability is one half.

After one epoch the boundary is almost straight. For the moons, all three
networks soon bend it enough. The spirals wind one and a half times around each
other. After 100 epochs, two and three hidden layers follow them to the centre.
One hidden layer does not, not even with --width 128.

    python examples/decision_boundary.py --plot decision_boundary.png
    python examples/decision_boundary.py --shape moons --plot moons.png
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np

import fastnn
from fastnn import plotting


def moons(rng, n):
    """Two interleaved half circles."""
    angle, y = rng.uniform(0, np.pi, n), np.arange(n) % 2
    sign = 1 - 2 * y
    X = np.column_stack([np.cos(angle) * sign + y, np.sin(angle) * sign + 0.5 * y])
    return X + rng.normal(0, 0.12, X.shape) - [0.5, 0.25], y


def spirals(rng, n):
    """Two spiral arms of one and a half turns each."""
    turn, y = np.sqrt(rng.uniform(0.02, 1, n)), np.arange(n) % 2
    angle = 3 * np.pi * turn + np.pi * y
    X = 2 * turn[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return X + rng.normal(0, 0.05, X.shape), y


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    shapes = {"moons": moons, "spirals": spirals}
    parser.add_argument("--shape", choices=shapes, default="spirals", help="default: spirals")
    parser.add_argument("--points", type=int, default=1000, help="default: 1000")
    parser.add_argument("--width", type=int, default=16, help="units per layer (default: 16)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    seed = arguments.seed
    X, y = shapes[arguments.shape](np.random.default_rng(seed), arguments.points)
    sizes = [[2, *[arguments.width] * depth, 1] for depth in (1, 2, 3)]
    nets = [fastnn.MLP(size, activation="tanh", output="sigmoid", rng=seed) for size in sizes]
    print(f"Accuracy on {len(X)} points on two {arguments.shape}\n")
    names = ["-".join(map(str, net.layer_sizes)) for net in nets]
    print("epochs    " + "   ".join(f"{name:12}" for name in names).rstrip())

    rows, done, adam = [], 0, fastnn.Adam(lr=0.01)
    for epochs in 1, 10, 100:
        for net in nets:
            net.fit(X, y, optimizer=adam, epochs=epochs - done, batch_size=16, resume=done > 0)
        done = epochs
        scores = [np.mean((net.forward(X)[:, 0] > 0.5) == y) for net in nets]
        print(f"{epochs:6}    " + "   ".join(f"{score:<12.3f}" for score in scores).rstrip())
        rows.append((epochs, [net.copy() for net in nets], scores))
    if arguments.plot:
        draw(arguments.plot, X, y, rows)


def draw(file, X, y, rows):
    import matplotlib.pyplot as plt

    width, height = np.ptp(X, axis=0)
    size = 8, 7.3 * (height + 0.24 * width) / (1.24 * width) + 1.1
    with plotting.style():
        figure, grid = plt.subplots(3, 3, figsize=size, sharex=True, sharey=True)
        for axes, (epochs, nets, scores) in zip(grid, rows):
            for ax, net, score in zip(axes, nets, scores):
                plotting.plot_decision(net, X, y, ax)
                note = f"accuracy {score:.1%}"
                ax.set_title(note, loc="right", fontsize=9, color="#555555", pad=4)
                ax.tick_params(length=0, labelbottom=False, labelleft=False)
                ax.spines[:].set_visible(False)
            axes[0].set_ylabel(f"{epochs} epoch{'s' * (epochs > 1)}", fontsize=11)
        for ax, title in zip(grid[0], ["1 hidden layer", "2 hidden layers", "3 hidden layers"]):
            ax.set_title(title, fontsize=11, pad=4)
        figure.savefig(file)


if __name__ == "__main__":
    main()

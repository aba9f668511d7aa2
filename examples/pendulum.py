"""Energy of a pendulum, from few points with their slopes.

The energy of a pendulum of angle q and momentum p is H = p^2/2 - cos q. A
network learns H from some points. Besides H, each point has its two slopes
dH/dq and dH/dp: the torque and the velocity, which a simulation knows anyway.
fit(X, y, dy=dy) trains on values and slopes.

You will see the error of H over the whole plane, after training on more and
more points, without and with slopes, and how many points reach an error of
0.05. With --plot you get the contours of both networks from the same points,
beside the true ones.

A point with its two slopes says three things, so a third of the points is
enough.

    python examples/pendulum.py --plot pendulum.png
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np

import fastnn
from fastnn import plotting
from fastnn.schedules import CosineDecay

SIZES = 8, 12, 16, 24, 32, 48, 64, 96, 128
GOAL = 0.05
EPOCHS = 1500


def energy(X):
    q, p = X.T
    return p**2 / 2 - np.cos(q)


def slopes(X):
    q, p = X.T
    return np.column_stack([np.sin(q), p])


def grid(n):
    """(n * n, 2) points of the plane."""
    across = np.linspace(-3, 3, n)
    return np.stack(np.meshgrid(across, across), axis=-1).reshape(-1, 2)


def learned(X, seed, **targets):
    net = fastnn.MLP([2, 32, 32, 1], activation="tanh", rng=seed)
    adam = fastnn.Adam(CosineDecay(0.01, EPOCHS))
    net.fit(X, energy(X), optimizer=adam, epochs=EPOCHS, batch_size=None, **targets)
    return net


def error(net):
    """Root mean square over the plane."""
    X = grid(61)
    return np.sqrt(np.mean((net.forward(X)[:, 0] - energy(X)) ** 2))


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    points = np.random.default_rng(arguments.seed).uniform(-3, 3, (max(SIZES), 2))
    print("points   error without slopes   with slopes")
    errors = np.empty((len(SIZES), 2))
    for n, row in zip(SIZES, errors):
        X = points[:n]
        row[:] = [error(learned(X, arguments.seed, **dy)) for dy in ({}, dict(dy=slopes(X)))]
        print(f"{n:6}   {row[0]:20.3f}   {row[1]:11.3f}")
    needed = [
        next((str(n) for n, e in zip(SIZES, column) if e < GOAL), f"more than {SIZES[-1]}")
        for column in errors.T
    ]
    print(f"\npoints for an error below {GOAL}: {needed[0]} without slopes, {needed[1]} with")
    if arguments.plot:
        draw(arguments.plot, points[:24], arguments.seed)


def draw(file, X, seed):
    import matplotlib.pyplot as plt

    plane, levels = grid(121), np.arange(-1, 5.5, 0.5)
    truth = energy(plane)
    pairs = [
        (f"{len(X)} points, without slopes", learned(X, seed)),
        (f"{len(X)} points, with slopes", learned(X, seed, dy=slopes(X))),
    ]
    with plotting.style():
        figure, axes = plt.subplots(1, 2, figsize=(9, 4.6), sharey=True, layout="constrained")
        for ax, (title, net) in zip(axes, pairs):
            q, p, predicted, true = (
                x.reshape(121, 121) for x in (*plane.T, net.forward(plane)[:, 0], truth)
            )
            style = dict(levels=levels, linestyles="solid")
            ax.contour(q, p, true, colors=plotting.BLUE, linewidths=3, alpha=0.4, **style)
            ax.contour(q, p, predicted, colors=plotting.ORANGE, linewidths=1.6, **style)
            ax.scatter(*X.T, s=28, color="#222222", zorder=3)
            ax.set(title=title, xlabel="angle q", aspect="equal")
        axes[0].set_ylabel("momentum p")
        lines = [
            plt.Line2D([], [], color=color, linewidth=2)
            for color in (plotting.BLUE, plotting.ORANGE)
        ]
        names = "true energy", "learned energy"
        figure.legend(lines, names, loc="outside lower center", ncols=2)
        figure.savefig(file)


if __name__ == "__main__":
    main()

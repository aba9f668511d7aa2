"""How far to trust a number: bands of quantiles over data whose noise grows.

Points lie around a wave, close to it on the left and far from it on the right.
One network with three outputs learns the 10 %, 50 % and 90 % quantiles of y for
each x: a tenth of the points shall lie below the lowest curve, half below the
middle one, nine tenths below the highest. It is told neither the wave nor the
noise, only the points. MLPRegressor is the scikit-learn estimator (extra
sklearn).

You will see, from left to right, the width of the band from 10 to 90 % beside
the true one, which is known because the points are invented, and which share of
new points lies below each curve; with --plot the points, the band and the true
quantiles as dashed lines.

The mean and one standard deviation for all would give a band of the same width
everywhere: too wide on the left, too narrow on the right.

    python examples/quantiles.py --plot quantiles.png
"""

import argparse

import numpy as np

from fastnn import MLPRegressor, losses, plotting, schedules

QUANTILES = 0.1, 0.5, 0.9
NORMAL = np.array([-1.2816, 0.0, 1.2816])  # these quantiles of a normal distribution


def wave(x):
    return np.sin(2 * x)


def spread(x):
    """Standard deviation of the noise."""
    return 0.08 + 0.12 * x


def points(rng, n):
    x = rng.uniform(0, 5, n)
    return x, wave(x) + spread(x) * rng.normal(size=n)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=3000, help="to learn from (default: 3000)")
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

    rng = np.random.default_rng(arguments.seed)
    x, y = points(rng, arguments.points)
    falling = schedules.ExponentialDecay(
        0.01, factor=0.97
    )  # the noise of the points keeps a high rate in motion
    net = MLPRegressor(
        (32, 32),
        activation="tanh",
        loss=losses.Quantile(QUANTILES),
        schedule=falling,
        random_state=arguments.seed,
    ).fit(scaled(x), y)
    print(f"{len(x)} points, {net.n_iter_} epochs\n")

    print("     x   10 to 90 % is so wide   in truth")
    for at in 0.5, 1.5, 2.5, 3.5, 4.5:
        low, _, high = net.predict(scaled(np.array([at])))[0]
        print(f"{at:6.1f}   {high - low:19.2f}   {np.ptp(NORMAL) * spread(at):10.2f}")

    x_new, y_new = points(rng, 10_000)
    below = (y_new[:, None] < net.predict(scaled(x_new))).mean(axis=0)
    print(f"\nof {len(x_new)} new points lie below the curve")
    for q, share in zip(QUANTILES, below):
        print(f"  of {q:.0%}: {share:.1%}")
    if arguments.plot:
        draw(arguments.plot, x, y, net)


def scaled(x):
    """About -1..1, and a matrix of one column."""
    return (x[:, None] - 2.5) / 2.5


def draw(file, x, y, net):
    import matplotlib.pyplot as plt

    across = np.linspace(0, 5, 400)
    low, middle, high = np.sort(
        net.predict(scaled(across))
    ).T  # each is learned for itself: sorted, they never cross
    with plotting.style():
        figure, ax = plt.subplots(figsize=(8, 4.4))
        ax.scatter(x, y, s=6, color=plotting.BLUE, alpha=0.3, linewidths=0)
        ax.fill_between(across, low, high, color=plotting.ORANGE, alpha=0.25, linewidth=0)
        for curve, name in (high, "90 %"), (middle, "50 %"), (low, "10 %"):
            ax.plot(across, curve, color="white", linewidth=4)
            ax.plot(across, curve, color=plotting.ORANGE, linewidth=2.2)
            ax.text(5.05, curve[-1], name, color=plotting.ORANGE, va="center", fontsize=11)
        for factor in NORMAL:
            (truth,) = ax.plot(
                across,
                wave(across) + factor * spread(across),
                color="#222222",
                linewidth=1.1,
                linestyle=(0, (5, 3)),
            )
        dots = ax.scatter([], [], s=25, color=plotting.BLUE, alpha=0.6, linewidths=0)
        band = plt.Rectangle((0, 0), 1, 1, facecolor=plotting.ORANGE, alpha=0.25)
        curves = plt.Line2D([], [], color=plotting.ORANGE, linewidth=2.2)
        ax.legend(
            [dots, (band, curves), truth],
            [f"{len(x)} points", "learned: 10 to 90 % and median", "true quantiles"],
            loc="lower left",
        )
        ax.set(xlim=(0, 5), ylim=(-3.1, 2.6), xlabel="x", ylabel="y")
        figure.savefig(file)


if __name__ == "__main__":
    main()

"""Prediction intervals by quantile regression.

The points lie around a wave, and the noise grows from left to right. One
network with three outputs learns the 10 %, 50 % and 90 % quantiles of y for
each x: a tenth of the points should lie below the lowest curve, half below the
middle one, and nine tenths below the highest. It sees only the points, not the
wave or the noise. MLPRegressor is a scikit-learn estimator (extra sklearn).

You will see the width of the interval from 10 to 90 % for several x, next to
the true width (known because the data are synthetic), and the share of new
points below each curve. With --plot you get the points, the interval, and the
true quantiles as dashed lines.

A mean with one standard deviation would give an interval of the same width
everywhere: too wide on the left, too narrow on the right.

    python examples/quantiles.py --plot quantiles.png
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np

from fastnn import MLPRegressor, losses, plotting, schedules

QUANTILES = 0.1, 0.5, 0.9
NORMAL = np.array([-1.2816, 0.0, 1.2816])  # these quantiles of the normal distribution


def wave(x):
    return np.sin(2 * x)


def spread(x):
    """Standard deviation of the noise."""
    return 0.08 + 0.12 * x


def points(rng, n):
    x = rng.uniform(0, 5, n)
    return x, wave(x) + spread(x) * rng.normal(size=n)


def scaled(x):
    """x scaled to -1..1, as a matrix of one column."""
    return (x[:, None] - 2.5) / 2.5


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=3000, help="training points (default: 3000)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    rng = np.random.default_rng(arguments.seed)
    x, y = points(rng, arguments.points)
    net = MLPRegressor(
        (32, 32),
        activation="tanh",
        loss=losses.Quantile(QUANTILES),
        schedule=schedules.ExponentialDecay(0.01, factor=0.97),  # a falling rate averages out noise
        n_iter_no_change=30,  # the loss of noisy data fluctuates
        random_state=arguments.seed,
    )
    net.fit(scaled(x), y)
    print(f"{len(x)} points, {net.n_iter_} epochs\n")

    print("     x   width of 10 to 90 %   true width")
    for position in 0.5, 1.5, 2.5, 3.5, 4.5:
        low, _, high = net.predict(scaled(np.array([position])))[0]
        true_width = np.ptp(NORMAL) * spread(position)
        print(f"{position:6.1f}   {high - low:19.2f}   {true_width:10.2f}")

    x_new, y_new = points(rng, 10_000)
    below = (y_new[:, None] < net.predict(scaled(x_new))).mean(axis=0)
    print(f"\nshare of {len(x_new):,} new points below the curve for")
    for q, share in zip(QUANTILES, below):
        print(f"  {q:.0%}: {share:.1%}")
    if arguments.plot:
        draw(arguments.plot, x, y, net)


def draw(file, x, y, net):
    import matplotlib.pyplot as plt

    across, orange = np.linspace(0, 5, 400), plotting.ORANGE
    # The outputs are independent and may cross, so sort them.
    low, middle, high = np.sort(net.predict(scaled(across))).T
    with plotting.style():
        figure, ax = plt.subplots(figsize=(8, 4.4))
        ax.scatter(x, y, s=6, color=plotting.BLUE, alpha=0.3, linewidths=0)
        ax.fill_between(across, low, high, color=orange, alpha=0.25, linewidth=0)
        for curve, name in (high, "90 %"), (middle, "50 %"), (low, "10 %"):
            ax.plot(across, curve, color="white", linewidth=4)
            ax.plot(across, curve, color=orange, linewidth=2.2)
            ax.text(5.05, curve[-1], name, color=orange, va="center", fontsize=11)
        for factor in NORMAL:
            true = wave(across) + factor * spread(across)
            (truth,) = ax.plot(across, true, color="#222222", lw=1.1, linestyle=(0, (5, 3)))
        dots = ax.scatter([], [], s=25, color=plotting.BLUE, alpha=0.6, linewidths=0)
        band = plt.Rectangle((0, 0), 1, 1, facecolor=orange, alpha=0.25)
        curves = plt.Line2D([], [], color=orange, linewidth=2.2)
        names = [f"{len(x)} points", "predicted quantiles", "true quantiles"]
        ax.legend([dots, (band, curves), truth], names, loc="lower left")
        ax.set(xlim=(0, 5), ylim=(-3.1, 2.6), xlabel="x", ylabel="y")
        figure.savefig(file)


if __name__ == "__main__":
    main()

"""Heat equation, solved by a network from the equation alone.

A rod of length 1 has the temperature u(x, t). At the start it is the sum of two
sine waves, and both ends stay at 0. Heat flows: u_t = 0.1 u_xx. A network of x
and t gets u at the start and at the ends. Inside it gets only the equation: the
loss is the function `heat`, a few lines of NumPy, to which `CustomLoss` passes
the derivatives that it needs.

You will see the loss, and the largest error along the rod at five times: the
exact solution is known here. With --plot you get the temperature at these
times, learned and exact, and the error at all points.

The short wave fades fast: at t = 0.2 hardly anything is left of it.

    python examples/heat_equation.py --plot heat.png
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np

import fastnn
from fastnn import plotting
from fastnn.losses import CustomLoss
from fastnn.schedules import CosineDecay

FLOW = 0.1
WAVES = {1: 1.0, 3: 0.5}  # half waves along the rod: height
TIMES = 0.0, 0.05, 0.2, 0.5, 1.0
EPOCHS = 300


def heat(u, y, slopes, bends):
    """Squares of u_t - FLOW u_xx where y is NaN, and of u - y elsewhere."""
    inside = np.isnan(y)
    residual = np.where(inside, slopes[:, :, 1] - FLOW * bends[:, :, 0], 0)
    error = np.where(inside, 0, u - y)
    d_slopes, d_bends = np.zeros_like(slopes), np.zeros_like(bends)
    d_slopes[:, :, 1] = 2 * residual / len(u)
    d_bends[:, :, 0] = -FLOW * d_slopes[:, :, 1]
    value = np.mean(residual**2) + 10 * np.mean(error**2)
    return value, 20 * error / len(u), d_slopes, d_bends


def exact(x, t):
    waves = [
        height * np.sin(k * np.pi * x) * np.exp(-FLOW * (k * np.pi) ** 2 * t)
        for k, height in WAVES.items()
    ]
    return sum(waves)


def points(rng, n):
    """Rows (x, t) and their u: n inside, where u is NaN, n / 4 at the start and n / 4 at the ends."""
    X = rng.uniform(size=(n + n // 4 * 2, 2))
    start, ends = X[n : n + n // 4], X[n + n // 4 :]
    start[:, 1] = 0
    ends[:, 0] = ends[:, 0].round()
    u = exact(*X.T)
    u[:n] = np.nan
    return X, u[:, np.newaxis]


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    X, y = points(np.random.default_rng(arguments.seed), 2000)
    net = fastnn.MLP([2, 32, 32, 1], activation="tanh", rng=arguments.seed)
    loss = CustomLoss(heat, needs=["jacobian", "hessian_diagonal"])
    adam = fastnn.Adam(CosineDecay(0.01, EPOCHS))
    history = net.fit(X, y, loss, adam, EPOCHS, batch_size=64)
    print(f"loss {history.loss[0]:.2f} at first, {history.loss[-1]:.5f} at the end\n")
    print("time   largest temperature   largest error")
    x = np.linspace(0, 1, 201)
    for t in TIMES:
        error = learned(net, x, t) - exact(x, t)
        print(f"{t:4.2f}   {exact(x, t).max():19.3f}   {np.abs(error).max():13.4f}")
    if arguments.plot:
        draw(arguments.plot, net)


def learned(net, x, t):
    x, t = np.broadcast_arrays(x, t)
    return net.forward(np.column_stack([x.ravel(), t.ravel()])).reshape(x.shape)


def draw(file, net):
    import matplotlib.pyplot as plt

    x = np.linspace(0, 1, 201)
    grid, time = np.meshgrid(x, x)
    error = 1000 * (learned(net, grid, time) - exact(grid, time))
    limit = np.abs(error).max()
    with plotting.style():
        figure, (rod, plane) = plt.subplots(1, 2, figsize=(9, 4.6), layout="constrained")
        for t in TIMES:
            rod.plot(x, exact(x, t), color=plotting.BLUE, linewidth=5, alpha=0.35)
            rod.plot(x, learned(net, x, t), color=plotting.ORANGE, linewidth=1.6)
            box = dict(facecolor="white", edgecolor="none", pad=1)
            rod.text(0.25, exact(0.25, t), f"t = {t:g}", ha="center", va="center", bbox=box)
        rod.set(title="Temperature along the rod", xlabel="x", ylabel="u")
        lines = [
            plt.Line2D([], [], color=plotting.BLUE, linewidth=5, alpha=0.35),
            plt.Line2D([], [], color=plotting.ORANGE, linewidth=1.6),
        ]
        figure.legend(lines, ["exact", "learned"], loc="outside lower center", ncols=2)
        colors = plane.pcolormesh(
            grid,
            time,
            error,
            cmap="RdBu_r",
            vmin=-limit,
            vmax=limit,
            shading="auto",
            rasterized=True,
        )
        plane.set(title="Error", xlabel="x", ylabel="time t")
        figure.colorbar(colors, ax=plane, label="thousandths")
        figure.savefig(file)


if __name__ == "__main__":
    main()

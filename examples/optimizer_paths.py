"""Paths of eleven optimizers down a valley and past a saddle.

Each optimizer moves a point (x, y) downhill from a start, as it would move the
thousands of parameters of a network. The valley is tilted, and its curvature is
30 times as large across as along. The saddle slopes down on both sides, and the
steepest way down from the start leads straight to it.

You will see the height after 10, 20, 50 and 200 steps, and the paths with
--plot.

- SGD, momentum and Nesterov have one rate for x and y. A step that is not too
  long across the valley is a short step along it. So plain SGD jumps from wall
  to wall, momentum oscillates, and Nesterov's momentum oscillates less. At the
  saddle, all three run into the saddle point and leave it late.
- The others divide the slope in x and the slope in y by their recent size. They
  do not follow the steepest direction, so they miss the saddle point. AdamW's
  weight decay pulls towards (0, 0), so it stops short of the valley's minimum.

The learning rates were chosen so that the paths can be told apart. Which
optimizer is fastest here says nothing about networks.

    python examples/optimizer_paths.py --plot optimizer_paths.png
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np

from fastnn import functional as F
from fastnn import plotting

COS, SIN = np.cos(np.pi / 6), np.sin(np.pi / 6)
STEPS = 200


def valley(x, y):
    """Height u^2 / 30 + v^2, with u along the valley and v across, and its gradient. The minimum is
    at (2, 1)."""
    u, v = COS * (x - 2) + SIN * (y - 1), COS * (y - 1) - SIN * (x - 2)
    return u**2 / 30 + v**2, [COS * u / 15 - SIN * 2 * v, SIN * u / 15 + COS * 2 * v]


def saddle(x, y):
    """Height x^2 + (y^2 - 1)^2 / 16 and its gradient. The minima are at (0, 1) and (0, -1), the
    saddle point is at (0, 0)."""
    return x**2 + (y**2 - 1) ** 2 / 16, [2 * x, y * (y**2 - 1) / 4]


def momentum(p, g, m, t, lr, **settings):
    F.sgd_step_(p, g, lr, momentum=0.9, velocity=m[0], **settings)


def adamw(p, g, m, t, lr):
    F.adamw_step_(p, g, m[0], m[1], t, lr, weight_decay=0.1)


# name: (note in the legend, learning rate, step of the parameters p with the gradient g, the
# moments m and the step number t)
OPTIMIZERS = {
    "SGD": ("", 0.8, lambda p, g, m, t, lr: F.sgd_step_(p, g, lr)),
    "momentum": (" 0.9", 0.05, momentum),
    "Nesterov": (" 0.9", 0.05, lambda *args: momentum(*args, nesterov=True)),
    "Adagrad": ("", 0.3, lambda p, g, m, t, lr: F.adagrad_step_(p, g, m[0], t, lr)),
    "Adadelta": ("", 10.0, lambda p, g, m, t, lr: F.adadelta_step_(p, g, m[0], m[1], lr)),
    "RMSprop": ("", 0.01, lambda p, g, m, t, lr: F.rmsprop_step_(p, g, m[0], lr)),
    "Adam": ("", 0.1, lambda p, g, m, t, lr: F.adam_step_(p, g, m[0], m[1], t, lr)),
    "AMSGrad": ("", 0.1, lambda p, g, m, t, lr: F.adam_step_(p, g, m[0], m[1], t, lr, v_max=m[2])),
    "AdamW": (", decay 0.1", 0.1, adamw),
    "NAdam": ("", 0.1, lambda p, g, m, t, lr: F.nadam_step_(p, g, m[0], m[1], t, lr)),
    "AdaMax": ("", 0.1, lambda p, g, m, t, lr: F.adamax_step_(p, g, m[0], m[1], t, lr)),
}
FAMILIES = {
    "One rate for x and y": ["SGD", "momentum", "Nesterov"],
    "A rate for each of x and y": ["Adagrad", "Adadelta", "RMSprop"],
    "Momentum and a rate for each": ["Adam", "AMSGrad", "AdamW", "NAdam", "AdaMax"],
}
SURFACES = {"valley": (valley, (0.0, 2.0)), "saddle": (saddle, (-1.0, 0.001))}  # with the start


def walk(surface, name):
    """The points of an optimizer's path (STEPS + 1, 2), and their heights."""
    (height, start), (_, lr, step_) = SURFACES[surface], OPTIMIZERS[name]
    point, moments = np.array(start), np.zeros((3, 2))
    path, heights = [start], [height(*start)[0]]
    for t in range(1, STEPS + 1):
        step_(point, height(*point)[1], moments, t, lr)  # in place
        path.append(tuple(point))
        heights.append(height(*point)[0])
    return np.array(path), np.array(heights)


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()

    paths, shown = {}, (0, 10, 20, 50, STEPS)
    for surface in SURFACES:
        header = "".join(f"{step:8}" for step in shown)
        print(f"{surface}, height after".ljust(21) + header + "  steps")
        for name, (_, lr, _) in OPTIMIZERS.items():
            paths[surface, name], heights = walk(surface, name)
            print(f"{name:10} lr {lr:<6g} " + "".join(f"{heights[step]:8.4f}" for step in shown))
        print()
    if arguments.plot:
        draw(arguments.plot, paths)


def draw(file, paths):
    import matplotlib.pyplot as plt

    lines = [("#56B4E9", "-"), (plotting.ORANGE, "--"), ("#111111", ":")]
    lines += [(plotting.GREEN, "-."), ("#AA4499", (0, (6, 2)))]
    saddle_levels = [0.005, 0.02, 0.04, 0.0625, 0.1, 0.2, 0.35, 0.55, 0.8, 1.1, 1.4]
    views = [  # limits of x and y, levels of the contour lines
        ((-0.6, 3.0), (-0.6, 2.1), np.geomspace(0.003, 5, 11)),
        ((-1.15, 1.05), (-0.3, 1.35), saddle_levels),
    ]
    places = [(0, "start", (0, 2)), (0, "minimum", (2, 1)), (1, "start", (-1, 0))]
    places += [(1, "minimum", (0, 1)), (1, "saddle point", (0, 0))]
    with plotting.style():
        figure, grid = plt.subplots(2, 3, figsize=(9, 6))
        for row, surface, (xlim, ylim, levels) in zip(grid, SURFACES, views):
            x, y = np.meshgrid(np.linspace(*xlim, 161), np.linspace(*ylim, 121))
            z = SURFACES[surface][0](x, y)[0]
            for ax, (family, names) in zip(row, FAMILIES.items()):
                ax.contour(x, y, z, levels, colors="#D0D0D0", linewidths=0.8)
                for name, (color, dashes) in zip(names, lines):
                    (note, lr, _), path = OPTIMIZERS[name], paths[surface, name]
                    width = 3.4 if name == "Adam" else 1.6  # others cover it
                    look = dict(color=color, linestyle=dashes, linewidth=width)
                    ax.plot(*path.T, label=f"{name}{note}, lr {lr:g}", **look)
                    dot = dict(markeredgecolor="white", markersize=6.5, zorder=3)
                    ax.plot(*path[20], "o", color=color, **dot)
                ax.set(xlim=xlim, ylim=ylim, aspect="equal")
                ax.set_title(family if surface == "valley" else "")
                ax.tick_params(length=0, labelbottom=False, labelleft=False)
            row[0].set_ylabel(surface, fontsize=11)
        look = dict(textcoords="offset points", color="#555555", fontsize=9)
        for row, text, place in places:
            grid[row, 1].annotate(text, place, (9, -12 if row else -6), **look)
        grid[1, 0].plot([], [], "o", color="#777777", label="after 20 steps")
        for ax in grid[1]:
            ax.legend(loc="upper left", bbox_to_anchor=(-0.05, 0))
        figure.savefig(file)


if __name__ == "__main__":
    main()

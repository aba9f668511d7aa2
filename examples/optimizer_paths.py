"""Where optimizers walk: eleven of them down a valley, and past a saddle.

A point (x, y) starts high and is to come down. The gradient there says which
way is steepest, the optimizer makes a step of it; a network does the same with
thousands of numbers in the place of two. The valley slants and curves 30 times
as much across as along. The saddle falls to both sides, but the way to it from
the start is the steepest there is.

You will see the height after 10, 20, 50 and 200 steps, and with --plot the
paths. With one rate for all a step that is not too long across the valley is a
short one along it: plain gradient descent (SGD) jumps from wall to wall,
momentum swings, Nesterov's momentum swings less. All three go to the saddle and
leave it late. The others divide the slope in x, and that in y, by what each has
lately been: they leave the start askew, whatever is steepest, and pass the
saddle by. AdamW pulls a little towards (0, 0), so it stops short in the valley.

The learning rates were chosen by hand, so that paths can be told apart. Which
optimizer comes down first here says nothing about networks.

    python examples/optimizer_paths.py --plot optimizer_paths.png
"""

import argparse

import numpy as np

from fastnn import functional as F
from fastnn import plotting

COS, SIN = np.cos(np.pi / 6), np.sin(np.pi / 6)


def valley(x, y):
    """The height u^2 / 30 + v^2, u along the valley and v across, and its gradient; lowest at (2,
    1)."""
    u, v = COS * (x - 2) + SIN * (y - 1), COS * (y - 1) - SIN * (x - 2)
    return u**2 / 30 + v**2, [COS * u / 15 - SIN * 2 * v, SIN * u / 15 + COS * 2 * v]


def saddle(x, y):
    """The height x^2 + (y^2 - 1)^2 / 16 and its gradient; lowest at (0, 1) and (0, -1), a saddle at
    (0, 0)."""
    return x**2 + (y**2 - 1) ** 2 / 16, [2 * x, y * (y**2 - 1) / 4]


# what the legend says, the learning rate, and the step; m: three arrays for moments, t: the number
# of the step
OPTIMIZERS = {
    "SGD": ("", 0.8, lambda p, g, m, t, lr: F.sgd_step_(p, g, lr)),
    "momentum": (
        " 0.9",
        0.05,
        lambda p, g, m, t, lr: F.sgd_step_(p, g, lr, momentum=0.9, velocity=m[0]),
    ),
    "Nesterov": (
        " 0.9",
        0.05,
        lambda p, g, m, t, lr: F.sgd_step_(p, g, lr, momentum=0.9, nesterov=True, velocity=m[0]),
    ),
    "Adagrad": ("", 0.3, lambda p, g, m, t, lr: F.adagrad_step_(p, g, m[0], t, lr)),
    "Adadelta": ("", 10.0, lambda p, g, m, t, lr: F.adadelta_step_(p, g, m[0], m[1], lr)),
    "RMSprop": ("", 0.01, lambda p, g, m, t, lr: F.rmsprop_step_(p, g, m[0], lr)),
    "Adam": ("", 0.1, lambda p, g, m, t, lr: F.adam_step_(p, g, m[0], m[1], t, lr)),
    "AMSGrad": ("", 0.1, lambda p, g, m, t, lr: F.adam_step_(p, g, m[0], m[1], t, lr, v_max=m[2])),
    "AdamW": (
        ", decay 0.1",
        0.1,
        lambda p, g, m, t, lr: F.adamw_step_(p, g, m[0], m[1], t, lr, weight_decay=0.1),
    ),
    "NAdam": ("", 0.1, lambda p, g, m, t, lr: F.nadam_step_(p, g, m[0], m[1], t, lr)),
    "AdaMax": ("", 0.1, lambda p, g, m, t, lr: F.adamax_step_(p, g, m[0], m[1], t, lr)),
}
FAMILIES = {
    "One rate for all": ["SGD", "momentum", "Nesterov"],
    "A rate for each of x and y": ["Adagrad", "Adadelta", "RMSprop"],
    "Both: Adam and its kin": ["Adam", "AMSGrad", "AdamW", "NAdam", "AdaMax"],
}
SURFACES = {
    "valley": (valley, (0.0, 2.0)),
    "saddle": (saddle, (-1.0, 0.001)),
}  # and where the walk begins
STEPS = 200


def walk(surface, name):
    """All points of an optimizer's path (STEPS + 1, 2), and their heights."""
    (height, start), (_, lr, step_) = SURFACES[surface], OPTIMIZERS[name]
    point, moments = np.array(start), np.zeros((3, 2))
    path, heights = [start], [height(*start)[0]]
    for t in range(1, STEPS + 1):
        step_(point, height(*point)[1], moments, t, lr)  # moves the point
        path.append(tuple(point))
        heights.append(height(*point)[0])
    return np.array(path), np.array(heights)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--plot", type=plotting.picture_file, metavar="FILE", help="save the picture there"
    )
    arguments = parser.parse_args()

    paths, shown = {}, (0, 10, 20, 50, STEPS)
    for surface in SURFACES:
        print(
            f"{surface}, height after".ljust(21)
            + "".join(f"{step:8}" for step in shown)
            + "  steps"
        )
        for name, (_, lr, _) in OPTIMIZERS.items():
            paths[surface, name], heights = walk(surface, name)
            print(f"{name:10} lr {lr:<6g} " + "".join(f"{heights[step]:8.4f}" for step in shown))
        print()
    if arguments.plot:
        draw(arguments.plot, paths)


def draw(file, paths):
    import matplotlib.pyplot as plt

    looks = [
        ("#56B4E9", "-"),
        (plotting.ORANGE, "--"),
        ("#111111", ":"),
        (plotting.GREEN, "-."),
        ("#AA4499", (0, (6, 2))),
    ]
    levels = {
        "valley": np.geomspace(0.003, 5, 11),
        "saddle": [0.005, 0.02, 0.04, 0.0625, 0.1, 0.2, 0.35, 0.55, 0.8, 1.1, 1.4],
    }
    across, up = (
        {"valley": (-0.6, 3.0), "saddle": (-1.15, 1.05)},
        {"valley": (-0.6, 2.1), "saddle": (-0.3, 1.35)},
    )
    places = [
        (0, "start", (0, 2)),
        (0, "lowest", (2, 1)),
        (1, "start", (-1, 0)),
        (1, "lowest", (0, 1)),
        (1, "saddle", (0, 0)),
    ]
    with plotting.style():
        figure, grid = plt.subplots(2, 3, figsize=(9, 5.9))
        for row, surface in zip(grid, SURFACES):
            x, y = np.meshgrid(np.linspace(*across[surface], 161), np.linspace(*up[surface], 121))
            for ax, (family, names) in zip(row, FAMILIES.items()):
                ax.contour(
                    x,
                    y,
                    SURFACES[surface][0](x, y)[0],
                    levels[surface],
                    colors="#D0D0D0",
                    linewidths=0.8,
                )
                for name, (color, dashes) in zip(names, looks):
                    (more, lr, _), path = OPTIMIZERS[name], paths[surface, name]
                    width = 3.4 if name == "Adam" else 1.6  # others lie on top of it
                    ax.plot(
                        *path.T,
                        color=color,
                        linestyle=dashes,
                        linewidth=width,
                        label=f"{name}{more}, lr {lr:g}",
                    )
                    ax.plot(
                        *path[20],
                        "o",
                        color=color,
                        markeredgecolor="white",
                        markersize=6.5,
                        zorder=3,
                    )
                ax.set(
                    xlim=across[surface],
                    ylim=up[surface],
                    aspect="equal",
                    title=family * (surface == "valley"),
                )
                ax.tick_params(length=0, labelbottom=False, labelleft=False)
            row[0].set_ylabel(surface, fontsize=11)
        for row, text, place in places:
            grid[row, 1].annotate(
                text,
                place,
                (9, -12 if row else -6),
                textcoords="offset points",
                color="#555555",
                fontsize=9,
            )
        grid[1, 0].plot([], [], "o", color="#777777", label="after 20 steps")
        for ax in grid[1]:
            ax.legend(loc="upper left", bbox_to_anchor=(-0.05, 0))
        figure.savefig(file)


if __name__ == "__main__":
    main()

"""Draw the pictures of README.md: accuracy on tables and speed of networks beside other libraries.

    python bench/overview.py

The figures are those of docs/accuracy.md and docs/performance.md, which name the programs that measured
them. overview_tables.svg has the loss relative to fastnn's (geometric mean over the tables of both
lists: log-loss, and RMSE) against the CPU time of `fit` relative to fastnn's (geometric mean of both
lists). overview_networks.svg has the time of a training step of 30-32-1 in batches of 32.
"""

import re
from pathlib import Path

import numpy as np

from fastnn import plotting

DOCS = Path(__file__).parent.parent / "docs"
STEP = "30-32-1, 32"  # the first column of the task in docs/performance.md
#: Columns of docs/performance.md that the picture shows, from the slowest on.
LIBRARIES = "scikit-learn", "PyTorch", "NumPy", "JAX", "Numba", "fastnn"


def tables(page):
    """Return the tables of a page: lists of rows, which are lists of cells without bold marks."""
    found, rows = [], []
    for line in [*page.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("|"):
            cells = [cell.strip().replace("**", "") for cell in line.strip("|").split("|")]
            if not all(re.fullmatch(r"[-:]+", cell) for cell in cells):
                rows.append(cells)
        elif rows:
            found.append(rows)
            rows = []
    return found


def accuracy():
    """Return {library: (relative CPU time, relative loss)} from docs/accuracy.md."""
    found = tables(DOCS / "accuracy.md")
    ranks = next(t for t in found if t[0][0].startswith("mean rank"))
    losses, names = [], None
    for table in found:
        if table[0][:2] == ["table", "rows"]:
            names = table[0][2:]
            losses += [[float(cell.split(",")[-1]) for cell in row[2:]] for row in table[1:]]
    times = np.array(
        [[float(x) for x in row[1:]] for row in ranks if row[0].startswith("CPU time")]
    )
    time_of = dict(zip(ranks[0][1:], np.exp(np.log(times).mean(axis=0)).tolist()))
    ratios = np.array(losses) / np.array(losses)[:, [names.index("fastnn")]]
    loss_of = dict(zip(names, np.exp(np.log(ratios).mean(axis=0)).tolist()))
    return {name: (time_of[name], loss_of[name]) for name in names}


def step_times():
    """Return {library: microseconds} from docs/performance.md, in the order of LIBRARIES."""
    table = next(t for t in tables(DOCS / "performance.md") if "PyTorch" in t[0])
    row = next(row for row in table if row[0] == STEP)
    return {name: float(row[table[0].index(name)]) for name in LIBRARIES}


#: Where the name of a library stands beside its point: offset in points, and its alignment.
NAME_PLACES = {
    "fastnn": ((0, -15), "right"),
    "CatBoost": ((4, 13), "right"),
    "LightGBM": ((-9, -14), "left"),
    "scikit-learn MLP": ((-10, 0), "right"),
}


def draw_accuracy(ax):
    for name, (time, loss) in accuracy().items():
        place, align = NAME_PLACES.get(name, ((10, 0), "left"))
        ax.plot(time, loss, "o", color=color_of(name), markersize=9)
        ax.annotate(
            name, (time, loss), place, textcoords="offset points", ha=align, va="center",
            weight=weight_of(name),
        )  # fmt: skip
    ax.set_xscale("log")
    ax.set_xticks([0.02, 0.05, 0.1, 0.2, 0.5, 1], ["1/50", "1/20", "1/10", "1/5", "1/2", "1"])
    ax.minorticks_off()
    ax.set(
        title="22 public tables, default settings",
        xlim=(0.018, 1.7),
        ylim=(0.97, 1.25),
        xlabel="CPU time of fit, relative to fastnn",
        ylabel="loss, relative to fastnn",
    )


def draw_step_times(ax):
    times = step_times()
    bars = ax.barh(list(times), list(times.values()), color=list(map(color_of, times)))
    labels = ax.bar_label(bars, [f"{time:.3g} µs" for time in times.values()], padding=4)
    for name, label, tick in zip(times, labels, ax.get_yticklabels(), strict=True):
        label.set_weight(weight_of(name))
        tick.set_weight(weight_of(name))
    ax.margins(x=0.25)  # room for the label of the longest bar
    ax.tick_params(axis="y", length=0)
    ax.set(title="A training step of a small network", xlabel="microseconds, one thread")


def color_of(name):
    return plotting.ORANGE if name == "fastnn" else plotting.BLUE


def weight_of(name):
    return "bold" if name == "fastnn" else "normal"


def picture(path):
    """Return the figure of one of PICTURES: two of its size stand side by side on GitHub."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 3.3))
    PICTURES[path](figure.subplots())
    return figure


def main():
    import matplotlib

    for path in PICTURES:
        with plotting.style(), matplotlib.rc_context({"svg.hashsalt": path.stem}):
            picture(path).savefig(path, metadata={"Date": None})
        print(f"Saved {path}.")


PICTURES = {
    DOCS / "images" / "overview_tables.svg": draw_accuracy,
    DOCS / "images" / "overview_networks.svg": draw_step_times,
}

if __name__ == "__main__":
    main()

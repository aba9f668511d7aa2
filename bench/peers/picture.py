"""The picture of bench/compare.py: how many times as long as fastnn each peer takes, row by row."""

import textwrap

from fastnn import plotting
from fastnn.plotting import BLUE, GREEN, GREY, ORANGE

from .contestants import PEERS
from .rows import GROUPS, ROWS

PURPLE, YELLOW, SKY = "#CC79A7", "#E69F00", "#56B4E9"  # Okabe's and Ito's, too
MARKERS = {  # colour, shape; a library's colour is one, and full are those that compile the whole loop or step
    "numpy": (GREY, "o", False),
    "sklearn": (YELLOW, "^", True),
    "torch": (ORANGE, "s", False),
    "torchcompile": (ORANGE, "s", True),
    "jaxstep": (GREEN, "D", False),
    "jaxscan": (GREEN, "D", True),
    "numbaloops": (PURPLE, "v", False),
    "numbablas": (PURPLE, "v", True),
    "onnx": (SKY, "o", True),
}


def draw(path, setting, figures):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    places, titles, y = {}, {}, 0.0
    for title, group in GROUPS.items():
        rows = [row for row in group if row in figures]
        if rows:
            titles[title] = y
            places |= {row: y + 1 + i for i, row in enumerate(rows)}
            y += len(rows) + 1.5
    with plotting.style(), plt.rc_context({"font.size": 11, "legend.fontsize": 10.5}):
        figure, ax = plt.subplots(figsize=(9, 1.6 + 0.27 * y))
        drawn = set()
        for row, place in places.items():
            ax.axhline(place, color="#EEEEEE", linewidth=1, zorder=0)
            for who, cell in figures[row].items():
                if who != "fastnn" and "us" in cell:
                    color, shape, full = MARKERS[who]
                    ratio = cell["us"] / figures[row]["fastnn"]["us"]
                    label = None if who in drawn else PEERS[who].name
                    ax.plot(ratio, place, shape, color=color, mfc=color if full else "white", mew=1.4, ms=6.5, label=label, clip_on=False)
                    drawn.add(who)
        ax.set_xscale("log")
        low, high = ax.get_xlim()
        low, high = min(low, 0.8), max(high, 2.0)
        ax.set(xlim=(low, high), ylim=(y - 0.5, -0.7))
        ax.axvspan(low, 1, color="#F6E3D6", zorder=-1, linewidth=0)
        ax.axvline(1, color=BLUE, linewidth=2)
        ticks = [tick for tick in (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if low <= tick <= high]
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
        ax.set_yticks([*places.values()], [f"{row.removesuffix('-adam')}   {ROWS[row].title}" for row in places])
        for title, place in titles.items():
            ax.text(-0.01, place, title, transform=ax.get_yaxis_transform(), ha="right", va="center", weight="bold")
        ax.tick_params(axis="y", length=0)
        for side in ("left", "bottom"):
            ax.spines[side].set_visible(False)
        ax.set_xlabel("times as long as fastnn; in the shade: faster", loc="left")
        ax.text(1, -0.75, "fastnn", color=BLUE, ha="center", va="bottom", weight="bold")
        handles = {handle.get_label(): handle for handle in ax.get_lines()}
        shown = [PEERS[who].name for who in MARKERS if who in drawn]
        figure.legend([handles[name] for name in shown], shown, loc="outside upper center", ncols=5, handletextpad=0.2, columnspacing=1.2)
        below = "\n".join(textwrap.fill(text, 130) for text in setting)
        figure.supxlabel(below, fontsize=8.5, color="#777777", x=0.01, ha="left")
        figure.savefig(path, dpi=150)
        plt.close(figure)

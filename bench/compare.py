"""fastnn beside what else one could take: the same training steps, predictions and updates by nine
others, timed in turn.

    python bench/compare.py                                        all rows, all peers that are installed: a quarter of an hour
    python bench/compare.py --rows T2,T3a,I1 --peers numpy,torch --rounds 3
    python bench/compare.py --only fastnn                          nobody else: two minutes
    python bench/compare.py --threads 2 --markdown peers.md --plot peers.png --json peers.json
    python bench/compare.py --read peers.json --plot peers.png     tables and picture of an earlier run

Float32; the same first weights, rows and order of rows, and nobody is timed whose losses,
parameters or outputs are not those of float64 `fastnn.reference` (tasks.py says how near, and what
the rows are). Each peer works in a process of its own, one at a time (peers.py), warm and compiled,
and the best of many short blocks counts. docs/performance.md says more.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import sys
import textwrap

import measure
from measure import chosen, line, number, say, show, times


def main():
    parser = measure.parser(__doc__)
    parser.add_argument("--rows", help="names with commas (default: all)")
    parser.add_argument("--peers", help="names with commas (default: all that are installed)")
    parser.add_argument("--only", choices=["fastnn"], help="no peers")
    parser.add_argument(
        "--rounds", type=int, default=10, help="turns of each in each row (default: 10)"
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="for each; with one, on one CPU (default: 1)"
    )
    parser.add_argument("--markdown", metavar="FILE", help="write one table of all")
    parser.add_argument("--plot", metavar="FILE", help="draw them: .png, .svg or .pdf")
    parser.add_argument("--json", metavar="FILE", help="write all figures")
    parser.add_argument("--read", metavar="FILE", help="instead of measuring: what --json wrote")
    arguments = parser.parse_args()
    measure.check_turns(parser, arguments)
    measure.limit_threads(arguments.threads)  # before anything imports NumPy
    if arguments.plot:
        from fastnn.plotting import picture_file

        try:
            picture_file(arguments.plot)
        except argparse.ArgumentTypeError as error:
            parser.error(f"--plot: {error}")
    if arguments.read:
        with open(arguments.read) as file:
            found = json.load(file)
    else:
        found = compare(parser, arguments)
    say(f"\n{found['setting'][-1]}", *remarks(found["figures"]))
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(found, file, indent=1)
    if arguments.markdown:
        with open(arguments.markdown, "w") as file:
            file.write(page(**found))
    if arguments.plot:
        draw(arguments.plot, found["setting"], found["figures"])


def compare(parser, arguments):
    """Return {"setting": lines, "product": GFLOP/s of NumPy's matrix product, "figures": {row:
    {who: cell}}}, cells as in peers.py."""
    from peers import PEERS, Contestant
    from tasks import GROUPS, ROWS

    names = chosen(parser, "rows", arguments.rows, list(ROWS))
    peers = (
        []
        if arguments.only
        else chosen(parser, "peers", arguments.peers, [who for who in PEERS if who != "fastnn"])
    )
    everybody = {who: Contestant(who, arguments.threads) for who in ("fastnn", *peers)}
    there = {who: contestant for who, contestant in everybody.items() if not contestant.absent}
    if "fastnn" not in there:
        sys.exit(f"fastnn: {everybody['fastnn'].absent}")
    setting, product, figures = described(arguments, there), 0.0, {}
    say(
        *setting,
        *(f"not here: {PEERS[who].name} ({c.absent})" for who, c in everybody.items() if c.absent),
    )
    with contextlib.suppress(KeyboardInterrupt):  # what is there then is shown and written
        for title, group in GROUPS.items():
            columns = [
                who for who, c in there.items() if next(iter(group.values())).kind in c.kinds
            ]
            for i, row in enumerate(row for row in group if row in names):
                figures[row] = one_row(row, there, arguments.rounds)
                if i == 0:
                    print(*head(title, columns), sep="\n")
                print(table_line(row, figures[row], columns), flush=True)
                product = max(product, product_rate())
    for contestant in there.values():
        contestant.close()
    setting.append(
        f"NumPy's product of two float32 matrices of 1024 x 1024, in the same run: {product:.0f} GFLOP/s"
    )
    return {"setting": setting, "product": product, "figures": figures}


def one_row(row, there, rounds):
    """Return {who: {"us": the best of a unit, "variant": ...} or {"note": why there is none}}."""
    from peers import prepared, turn

    for contestant in there.values():
        contestant.ask("forget")
    show(f"{row}: all get ready")
    cells = prepared(row, there)
    jobs = {who: turn(there[who], row, cell) for who, cell in cells.items() if "us" in cell}
    best = measure.race(jobs, rounds, progress=lambda i: show(f"{row}: round {i + 1} of {rounds}"))
    show("")
    for who, us in best.items():
        if "us" in cells[who]:
            cells[who]["us"] = min(us, cells[who]["us"])
    if "us" not in cells["fastnn"]:
        sys.exit(f"{row}, fastnn: {cells['fastnn']['note']}")
    return cells


def product_rate():
    """Return GFLOP/s: a stand-in for what the processor can do."""
    import numpy as np

    A = np.ones((1024, 1024), "f")
    return 2 * 1024**3 / min(measure.seconds(np.matmul, A, A) for _ in range(3)) / 1e9


def described(arguments, there):
    """Machine, versions, and how it was measured."""
    packages = dict.fromkeys(
        ["numpy", *(package for contestant in there.values() for package in contestant.versions)]
    )
    threads = f"{arguments.threads} thread{'s' * (arguments.threads > 1)} each"
    return [
        f"{processor()}, {os.cpu_count()} CPUs, {platform.system()} {platform.machine()}",
        measure.versions(*packages),
        f"{datetime.date.today()}; {threads}, float32; the best of short blocks in {arguments.rounds} rounds",
    ]


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            return next(
                line.partition(":")[2].strip()
                for line in file
                if line.lower().startswith("model name")
            )
    except (OSError, StopIteration):
        return platform.processor() or "a processor without a name"


# ---- for a terminal of 80 columns ----


def fastest_peer(cells):
    """Return (who, times as long as fastnn) of those who have figures, or None."""
    peers = {who: cell["us"] for who, cell in cells.items() if who != "fastnn" and "us" in cell}
    if not peers:
        return None
    who = min(peers, key=peers.get)
    return who, peers[who] / cells["fastnn"]["us"]


def shown(cell):
    return (
        ""
        if cell is None
        else number(cell["us"])
        if "us" in cell
        else cell["note"].partition(":")[0]
    )


def widths(columns):
    return [8, *[7] * (len(columns) + 1)]


def head(title, columns):
    """Return the title, and two lines above the columns."""
    from peers import PEERS

    heads = [PEERS[who].head for who in columns] + [("best /", "fastnn")] * (len(columns) > 1)
    return [
        f"\n{title}; microseconds",
        *(line(widths(columns), "", *(head[i] for head in heads)) for i in (0, 1)),
    ]


def table_line(row, cells, columns):
    best = fastest_peer(cells)
    ratio = times(best[1]) if best else ""
    return line(
        widths(columns), row, *(shown(cells.get(who)) for who in columns), ratio
    ) + " <" * bool(best and best[1] < 1)


def remarks(figures):
    """Say in which rows a peer is faster, and why there are figures missing."""
    from peers import PEERS
    from tasks import ROWS

    faster, missing = [], []
    for row, cells in figures.items():
        ahead = {
            PEERS[who].name: cells["fastnn"]["us"] / cell["us"]
            for who, cell in cells.items()
            if "us" in cell
        }
        ahead = [
            f"{name} {share:.2f}"
            for name, share in sorted(ahead.items(), key=lambda one: -one[1])
            if share > 1
        ]
        if ahead:
            faster.append(f"< {row}: {ROWS[row].title}: fastnn's time / theirs: {', '.join(ahead)}")
        missing += [
            f"{row}, {PEERS[who].name}: {cell['note']}"
            for who, cell in cells.items()
            if "note" in cell
        ]
    if not any(fastest_peer(cells) for cells in figures.values()):
        return missing
    return [*(faster or ["fastnn is the fastest in every row"]), *missing]


# ---- for a page ----


def page(setting, product, figures):
    """Return one table of all in Markdown; bold is the fastest."""
    from peers import PEERS
    from tasks import GROUPS, ROWS

    everybody = [who for who in PEERS if any(who in cells for cells in figures.values())]
    titles = [
        "",
        "",
        *(PEERS[who].name for who in everybody),
        "best peer / fastnn",
        "rate / product's",
    ]
    lines = []
    for title, group in GROUPS.items():
        rows = [row for row in group if row in figures]
        if rows:
            lines.append(["", f"**{title}**", *[""] * (len(titles) - 2)])
        for row in rows:
            cells, flops, best = figures[row], ROWS[row].flops, fastest_peer(figures[row])
            least = min(cell["us"] for cell in cells.values() if "us" in cell)
            parts = [
                row,
                ROWS[row].title,
                *(
                    bold(shown(cells.get(who)), cells.get(who, {}).get("us") == least)
                    for who in everybody
                ),
            ]
            parts.append(bold(times(best[1]), best[1] < 1) if best else "")
            parts.append(f"{flops / cells['fastnn']['us'] / 1e3 / product:.2f}" if flops else "")
            lines.append(parts)
    return "\n".join([*setting, "", measure.markdown(titles, lines, left=2)])


def bold(text, really):
    return f"**{text}**" if really else text


def draw(path, setting, figures):
    """Draw how many times as long as fastnn each peer takes, row by row."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from peers import PEERS
    from tasks import GROUPS, ROWS

    from fastnn import plotting

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
                    color, shape, full = PEERS[who].mark
                    ratio = cell["us"] / figures[row]["fastnn"]["us"]
                    label = None if who in drawn else PEERS[who].name
                    ax.plot(
                        ratio,
                        place,
                        shape,
                        color=color,
                        mfc=color if full else "white",
                        mew=1.4,
                        ms=6.5,
                        label=label,
                        clip_on=False,
                    )
                    drawn.add(who)
        ax.set_xscale("log")
        low, high = ax.get_xlim()
        low, high = min(low, 0.8), max(high, 2.0)
        ax.set(xlim=(low, high), ylim=(y - 0.5, -0.7))
        ax.axvspan(low, 1, color="#F6E3D6", zorder=-1, linewidth=0)
        ax.axvline(1, color=plotting.BLUE, linewidth=2)
        ticks = [
            tick for tick in (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if low <= tick <= high
        ]
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
        ax.set_yticks(
            [*places.values()],
            [f"{row.removesuffix('-adam')}   {ROWS[row].title}" for row in places],
        )
        for title, place in titles.items():
            ax.text(
                -0.01,
                place,
                title,
                transform=ax.get_yaxis_transform(),
                ha="right",
                va="center",
                weight="bold",
            )
        ax.tick_params(axis="y", length=0)
        for side in ("left", "bottom"):
            ax.spines[side].set_visible(False)
        ax.set_xlabel("times as long as fastnn; in the shade: faster", loc="left")
        ax.text(1, -0.75, "fastnn", color=plotting.BLUE, ha="center", va="bottom", weight="bold")
        handles = {handle.get_label(): handle for handle in ax.get_lines()}
        shown = [PEERS[who].name for who in PEERS if who in drawn]
        if shown:
            settings = dict(
                loc="outside upper center", ncols=5, handletextpad=0.2, columnspacing=1.2
            )
            figure.legend([handles[name] for name in shown], shown, **settings)
        below = "\n".join(textwrap.fill(text, 130) for text in setting)
        figure.supxlabel(below, fontsize=8.5, color="#777777", x=0.01, ha="left")
        figure.savefig(path, dpi=150)
        plt.close(figure)


if __name__ == "__main__":
    main()

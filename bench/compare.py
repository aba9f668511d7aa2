"""Compare fastnn with six other libraries in nine variants: steps, predictions and updates.

    python bench/compare.py                 all rows, all installed peers; takes 15 minutes
    python bench/compare.py --rows T2,T3a,I1 --peers numpy,torch --rounds 3
    python bench/compare.py --only fastnn   without peers; takes two minutes
    python bench/compare.py --threads 2 --markdown peers.md --plot peers.png --json peers.json
    python bench/compare.py --read peers.json --plot peers.png      plot an earlier run; --rows and
                                            --peers select what is shown, as for the README's chart

All peers use float32, the same initial weights, and the same rows in the same order. A peer is
timed only if its losses, parameters or outputs match those of `fastnn.reference` in float64;
tasks.py has the tolerances and the rows. Every peer runs in its own process, one at a time
(peers.py), after compilation and a first run. The best of many short blocks is reported. See
docs/performance.md.
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
from measure import format_ratio, format_us, print_wrapped, select_names, show_progress, table_row


def main():
    parser = measure.make_parser(__doc__)
    parser.add_argument("--rows", help="comma-separated names of rows (default: all)")
    parser.add_argument("--peers", help="comma-separated names of peers (default: all installed)")
    parser.add_argument("--only", choices=["fastnn"], help="time no peers")
    parser.add_argument(
        "--rounds", type=int, default=10, help="times that each peer runs each row (default: 10)"
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        help="number of threads, and of CPUs, for each peer (default: 1)",
    )
    parser.add_argument("--markdown", metavar="FILE", help="write all rows as one Markdown table")
    parser.add_argument(
        "--plot", metavar="FILE", help="plot the results; FILE ends in .png, .svg or .pdf"
    )
    parser.add_argument("--json", metavar="FILE", help="write the results as JSON")
    parser.add_argument(
        "--read", metavar="FILE", help="read the results of --json instead of measuring"
    )
    arguments = parser.parse_args()
    measure.check_rounds_and_threads(parser, arguments)
    measure.limit_threads(arguments.threads)  # before anything imports NumPy
    if arguments.plot:
        from fastnn.plotting import picture_file

        try:
            picture_file(arguments.plot)
        except argparse.ArgumentTypeError as error:
            parser.error(f"--plot: {error}")
    if arguments.read:
        with open(arguments.read) as file:
            results = json.load(file)
        results["figures"] = select_figures(parser, arguments, results["figures"])
    else:
        results = compare(parser, arguments)
    print_wrapped(f"\n{results['setting'][-1]}", *summary(results["figures"]))
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(results, file, indent=1)
    if arguments.markdown:
        with open(arguments.markdown, "w") as file:
            file.write(markdown_page(**results))
    if arguments.plot:
        plot(arguments.plot, results["setting"], results["figures"])


def select_figures(parser, arguments, figures):
    """Return the figures of the rows and peers that the options name."""
    measured = {peer: None for cells in figures.values() for peer in cells if peer != "fastnn"}
    rows = select_names(parser, "rows", arguments.rows, list(figures))
    peers = [] if arguments.only else select_names(parser, "peers", arguments.peers, list(measured))
    return {
        row: {peer: cell for peer, cell in cells.items() if peer in ("fastnn", *peers)}
        for row, cells in figures.items()
        if row in rows
    }


def compare(parser, arguments):
    """Time all selected rows and print one table for each group.

    Returns {"setting": lines of text, "product": GFLOP/s of NumPy's matrix product, "figures":
    {row: {peer: cell}}}. peers.prepare_row describes the cells.
    """
    from peers import PEERS, PeerProcess
    from tasks import GROUPS, ROWS

    rows = select_names(parser, "rows", arguments.rows, list(ROWS))
    peers = [peer for peer in PEERS if peer != "fastnn"]
    peers = [] if arguments.only else select_names(parser, "peers", arguments.peers, peers)
    processes = {peer: PeerProcess(peer, arguments.threads) for peer in ("fastnn", *peers)}
    failures = {peer: process.failure for peer, process in processes.items() if process.failure}
    processes = {peer: processes[peer] for peer in processes if peer not in failures}
    if "fastnn" in failures:
        sys.exit(f"fastnn: {failures['fastnn']}")
    setting, product, figures = describe_run(arguments, processes), 0.0, {}
    print_wrapped(
        *setting,
        *(f"not available: {PEERS[peer].name} ({why})" for peer, why in failures.items()),
    )
    with contextlib.suppress(KeyboardInterrupt):  # report the rows that are complete
        for title, group in GROUPS.items():
            kind = next(iter(group.values())).kind
            columns = [peer for peer, process in processes.items() if kind in process.kinds]
            for i, row in enumerate(row for row in group if row in rows):
                figures[row] = time_row(row, processes, arguments.rounds)
                if i == 0:
                    print(*header_lines(title, columns), sep="\n")
                print(row_line(row, figures[row], columns), flush=True)
                product = max(product, matmul_gflops())
    for process in processes.values():
        process.close()
    setting.append(
        "NumPy's product of two float32 matrices of 1024 x 1024, in the same run:"
        f" {product:.0f} GFLOP/s"
    )
    return {"setting": setting, "product": product, "figures": figures}


def time_row(row, processes, rounds):
    """Return {peer: cell} for one row."""
    from peers import make_job, prepare_row

    for process in processes.values():
        process.request("clear")
    show_progress(f"{row}: preparing")
    cells = prepare_row(row, processes)
    jobs = {
        peer: make_job(processes[peer], row, cell) for peer, cell in cells.items() if "us" in cell
    }
    best = measure.interleave(
        jobs, rounds, on_round=lambda i: show_progress(f"{row}: round {i + 1} of {rounds}")
    )
    show_progress("")
    for peer, us in best.items():
        if "us" in cells[peer]:
            cells[peer]["us"] = min(us, cells[peer]["us"])
    if "us" not in cells["fastnn"]:
        sys.exit(f"{row}, fastnn: {cells['fastnn']['note']}")
    return cells


def matmul_gflops():
    """Return the speed of NumPy's matrix product, an estimate of the CPU's peak speed."""
    import numpy as np

    A = np.ones((1024, 1024), "f")
    return 2 * 1024**3 / min(measure.seconds(np.matmul, A, A) for _ in range(3)) / 1e9


def describe_run(arguments, processes):
    """Return lines about the machine, the versions and the measurement."""
    packages = dict.fromkeys(
        ["numpy", *(package for process in processes.values() for package in process.versions)]
    )
    threads = f"{arguments.threads} thread{'s' * (arguments.threads > 1)} each"
    return [
        f"{processor_name()}, {os.cpu_count()} CPUs, {platform.system()} {platform.machine()}",
        measure.versions(*packages),
        f"{datetime.date.today()}; {threads}, float32; the best of short blocks in"
        f" {arguments.rounds} rounds",
    ]


def processor_name():
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        for line in file:
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


# ---- text tables of at most 80 columns ----


def fastest_peer(cells):
    """Return (peer, its time / fastnn's time) for the fastest peer that was timed, or None."""
    peers = {peer: cell["us"] for peer, cell in cells.items() if peer != "fastnn" and "us" in cell}
    if not peers:
        return None
    peer = min(peers, key=peers.get)
    return peer, peers[peer] / cells["fastnn"]["us"]


def format_cell(cell):
    """Return the microseconds, or the first word of the note."""
    if cell is None:
        return ""
    return format_us(cell["us"]) if "us" in cell else cell["note"].partition(":")[0]


def column_widths(columns):
    return [8, *[7] * (len(columns) + 1)]


def header_lines(title, columns):
    from peers import PEERS

    headers = [*(PEERS[peer].header for peer in columns), ("best /", "fastnn")]
    return [
        f"\n{title}; microseconds",
        *(
            table_row(column_widths(columns), "", *(header[i] for header in headers))
            for i in (0, 1)
        ),
    ]


def row_line(row, cells, columns):
    best = fastest_peer(cells)
    ratio = format_ratio(best[1]) if best else ""
    values = [format_cell(cells.get(peer)) for peer in columns]
    mark = " <" if best and best[1] < 1 else ""
    return table_row(column_widths(columns), row, *values, ratio) + mark


def summary(figures):
    """Return lines that name the rows where a peer is faster, and the reasons for missing times."""
    from peers import PEERS
    from tasks import ROWS

    faster, missing = [], []
    for row, cells in figures.items():
        ratios = {
            PEERS[peer].name: cells["fastnn"]["us"] / cell["us"]
            for peer, cell in cells.items()
            if "us" in cell
        }
        ratios = [
            f"{name} {ratio:.2f}"
            for name, ratio in sorted(ratios.items(), key=lambda entry: -entry[1])
            if ratio > 1
        ]
        if ratios:
            faster.append(
                f"< {row}: {ROWS[row].title}: fastnn's time / the peer's time: {', '.join(ratios)}"
            )
        missing += [
            f"{row}, {PEERS[peer].name}: {cell['note']}"
            for peer, cell in cells.items()
            if "note" in cell
        ]
    if not any(fastest_peer(cells) for cells in figures.values()):
        return missing
    return [*(faster or ["fastnn is the fastest in every row"]), *missing]


# ---- Markdown and plot ----


def markdown_page(setting, product, figures):
    """Return the setting and one table of all rows. The fastest time of a row is bold."""
    from peers import PEERS
    from tasks import GROUPS, ROWS

    peers = [peer for peer in PEERS if any(peer in cells for cells in figures.values())]
    names = [PEERS[peer].name for peer in peers]
    titles = ["", "", *names, "best peer / fastnn", "rate / product's"]
    lines = []
    for title, group in GROUPS.items():
        rows = [row for row in group if row in figures]
        if rows:
            lines.append(["", f"**{title}**", *[""] * (len(titles) - 2)])
        for row in rows:
            cells, flops, best = figures[row], ROWS[row].flops, fastest_peer(figures[row])
            least = min(cell["us"] for cell in cells.values() if "us" in cell)
            line = [row, ROWS[row].title]
            for peer in peers:
                text = format_cell(cells.get(peer))
                is_fastest = cells.get(peer, {}).get("us") == least
                line.append(f"**{text}**" if is_fastest else text)
            ratio = format_ratio(best[1]) if best else ""
            line.append(f"**{ratio}**" if best and best[1] < 1 else ratio)
            line.append(f"{flops / cells['fastnn']['us'] / 1e3 / product:.2f}" if flops else "")
            lines.append(line)
    return "\n".join([*setting, "", measure.markdown_table(titles, lines, n_left=2)])


def plot(path, setting, figures):
    """Plot each peer's time divided by fastnn's, one line for each row."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from peers import PEERS
    from tasks import GROUPS, ROWS

    from fastnn import plotting

    positions, titles, y = {}, {}, 0.0
    for title, group in GROUPS.items():
        rows = [row for row in group if row in figures]
        if rows:
            titles[title] = y
            positions |= {row: y + 1 + i for i, row in enumerate(rows)}
            y += len(rows) + 1.5
    with plotting.style(), plt.rc_context({"font.size": 11, "legend.fontsize": 10.5}):
        figure, ax = plt.subplots(figsize=(9, 1.6 + 0.27 * y))
        plotted = set()
        for row, position in positions.items():
            ax.axhline(position, color="#EEEEEE", linewidth=1, zorder=0)
            for peer, cell in figures[row].items():
                if peer != "fastnn" and "us" in cell:
                    color, shape, filled = PEERS[peer].marker
                    ax.plot(
                        cell["us"] / figures[row]["fastnn"]["us"],
                        position,
                        shape,
                        color=color,
                        mfc=color if filled else "white",
                        mew=1.4,
                        ms=6.5,
                        label=None if peer in plotted else PEERS[peer].name,
                        clip_on=False,
                    )
                    plotted.add(peer)
        ax.set_xscale("log")
        low, high = ax.get_xlim()
        low, high = min(low, 0.8), max(high, 2.0)
        ax.set(xlim=(low, high), ylim=(y - 0.5, -0.7))
        ax.axvspan(low, 1, color="#F6E3D6", zorder=-1, linewidth=0)
        ax.axvline(1, color=plotting.BLUE, linewidth=2)
        ticks = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
        ticks = [tick for tick in ticks if low <= tick <= high]
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
        labels = [f"{row.removesuffix('-adam')}   {ROWS[row].title}" for row in positions]
        ax.set_yticks([*positions.values()], labels)
        for title, position in titles.items():
            ax.text(
                -0.01,
                position,
                title,
                transform=ax.get_yaxis_transform(),
                ha="right",
                va="center",
                weight="bold",
            )
        ax.tick_params(axis="y", length=0)
        for side in ("left", "bottom"):
            ax.spines[side].set_visible(False)
        ax.set_xlabel("time / fastnn's time (shaded: faster than fastnn)", loc="left")
        ax.text(1, -0.75, "fastnn", color=plotting.BLUE, ha="center", va="bottom", weight="bold")
        handles = {handle.get_label(): handle for handle in ax.get_lines()}
        names = [PEERS[peer].name for peer in PEERS if peer in plotted]
        if names:
            figure.legend(
                [handles[name] for name in names],
                names,
                loc="outside upper center",
                ncols=-(-len(names) // 2),
                handletextpad=0.2,
                columnspacing=1.2,
            )
        caption = "\n".join(textwrap.fill(text, 130) for text in setting)
        figure.supxlabel(caption, fontsize=8.5, color="#777777", x=0.01, ha="left")
        figure.savefig(path, dpi=150)
        plt.close(figure)


if __name__ == "__main__":
    main()

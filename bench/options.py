"""Time a training step with each option of fastnn, PyTorch (eager) and JAX with Optax.

    python bench/options.py                                    all options, four networks; minutes
    python bench/options.py --rows T2 --options adam,dropout --rounds 5
    python bench/options.py --peers jax                        without PyTorch
    python bench/options.py --only fastnn                      without peers, like --peers none
    python bench/options.py --markdown options.md              also write one compact table

All use float32, the same number of threads, the same initial weights, and the same rows in the
same order. The losses and parameters must match the reference's, as in compare.py; tasks.py has
the options and the tolerances. Blocks of all options and peers alternate, each block starts at
the initial weights, and the best block is reported. PyTorch's optimizers run in three
implementations, loop, foreach and fused, and the fastest is reported.
"""

import measure
from measure import format_ratio, format_us, print_wrapped, select_names, show_progress, table_row

PEER_KEYS = {"torch": "torch", "jax": "jaxscan"}  # name in --peers: key in peers.PEERS
HEADERS = {"torch": "PyTorch", "jax": "JAX"}
TURN = 0.02  # seconds
# fastnn's plain SGD, the baseline of the ratios, is timed again after this many options
BASELINE_INTERVAL = 4


def main():
    parser = measure.make_parser(__doc__)
    parser.add_argument("--rows", help="comma-separated, of T2,T3a,T3b,T4 (default: all)")
    parser.add_argument(
        "--options", help="comma-separated names of options (default: all); sgd is always timed"
    )
    parser.add_argument(
        "--peers", help="comma-separated, of torch,jax, or none (default: both, if installed)"
    )
    parser.add_argument("--only", choices=["fastnn"], help="time no peers")
    parser.add_argument(
        "--rounds", type=int, default=20, help="times that each option runs (default: 20)"
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="number of threads for each (default: 1)"
    )
    parser.add_argument("--markdown", metavar="FILE", help="write a Markdown table of all rows")
    arguments = parser.parse_args()
    no_peers = arguments.only or arguments.peers == "none"
    peers = [] if no_peers else select_names(parser, "peers", arguments.peers, list(PEER_KEYS))
    measure.check_rounds_and_threads(parser, arguments)
    measure.limit_threads(arguments.threads)  # before anything imports NumPy
    from peers import PeerProcess
    from tasks import OPTION_NAMES, OPTION_NETWORKS, TASKS

    rows = select_names(parser, "rows", arguments.rows, list(OPTION_NETWORKS))
    names = select_names(parser, "options", arguments.options, OPTION_NAMES)
    names = ["sgd", *(name for name in names if name != "sgd")]  # the baseline first
    processes = {
        peer: PeerProcess(PEER_KEYS.get(peer, peer), arguments.threads, ["optax"] * (peer == "jax"))
        for peer in ("fastnn", *peers)
    }
    failures = {peer: process.failure for peer, process in processes.items() if process.failure}
    processes = {peer: processes[peer] for peer in processes if peer not in failures}
    peers = [peer for peer in peers if peer in processes]
    versions = measure.versions(
        *(package for process in processes.values() for package in process.versions)
    )
    print_wrapped(
        versions, *(f"not available: {HEADERS[peer]} ({why})" for peer, why in failures.items())
    )
    figures = {}
    for row in rows:
        figures[row] = time_options(row, names, processes, arguments.rounds)
        title = TASKS[f"{row} sgd"].title.replace(", ", ", batches of ")
        print_table(f"{row}: {title}", figures[row], names, peers)
    for process in processes.values():
        process.close()
    if arguments.markdown:
        heading = f"{versions}; threads: {arguments.threads}"
        with open(arguments.markdown, "w") as file:
            file.write(markdown_page(heading, figures, names, peers))


def time_options(row, names, processes, rounds):
    """Return {(peer, option): cell} for one network; peers.prepare_row describes the cells.

    `names` begins with "sgd".
    """
    from peers import make_job, prepare_row

    for process in processes.values():
        process.request("clear")
    cells, jobs = {}, {}
    for i, name in enumerate(names):
        show_progress(f"{row}: preparing {name}")
        for peer, cell in prepare_row(f"{row} {name}", processes).items():
            cells[peer, name] = cell
            if "us" in cell:
                jobs[peer, name] = make_job(processes[peer], f"{row} {name}", cell, TURN)
        if i % BASELINE_INTERVAL == BASELINE_INTERVAL - 1:
            jobs["fastnn", "sgd", i] = jobs["fastnn", "sgd"]
    best = measure.interleave(
        jobs, rounds, on_round=lambda i: show_progress(f"{row}: round {i + 1} of {rounds}")
    )
    show_progress("")
    for (peer, name, *_), us in best.items():
        cell = cells[peer, name]
        if "us" in cell:
            cell["us"] = min(us, cell["us"])
    return cells


def print_table(title, cells, names, peers):
    """Print the table of one network, in at most 80 columns."""
    print(f"\n{title}; microseconds a step")
    widths, headers = [15, 8, 7], ["", "fastnn", "x sgd"]
    for peer in peers:
        widths += [9, 10] + [8] * (peer == "torch")
        headers += [HEADERS[peer], "x fastnn"] + [""] * (peer == "torch")
    print(table_row(widths, *headers))
    baseline, notes = cells["fastnn", "sgd"]["us"], []
    for name in names:
        fastnn_us = cells["fastnn", name]["us"]
        values = [format_us(fastnn_us), format_ratio(fastnn_us / baseline)]
        for peer in peers:
            cell = cells.get((peer, name), {})
            if "note" in cell:
                notes.append(f"{name}, {HEADERS[peer]}: {cell['note']}")
            us = cell.get("us")
            values += [format_us(us), format_ratio(us / fastnn_us)] if us else ["", ""]
            values += [cell.get("variant", "")] * (peer == "torch")
        print(table_row(widths, name, *values), flush=True)
    print_wrapped(*notes)


def markdown_page(heading, figures, names, peers):
    """Return a Markdown table of all networks.

    A network's column has fastnn's time relative to plain SGD. A peer's column has its smallest
    time relative to fastnn's over all networks.
    """
    header = ["option", *figures, *(f"{HEADERS[peer]} / fastnn, at least" for peer in peers)]
    lines = []
    for name in names:
        line, fastnn_us = [name], {}
        for row, cells in figures.items():
            us = fastnn_us[row] = cells["fastnn", name]["us"]
            line.append(f"{format_ratio(us / cells['fastnn', 'sgd']['us'])} ({format_us(us)})")
        for peer in peers:
            ratios = [
                cells[peer, name]["us"] / fastnn_us[row]
                for row, cells in figures.items()
                if "us" in cells.get((peer, name), {})
            ]
            line.append(format_ratio(min(ratios)) if ratios else "")
        lines.append(line)
    table = measure.markdown_table(header, lines)
    return f"{heading}. Time / plain SGD's time (microseconds a step)\n\n{table}"


if __name__ == "__main__":
    main()

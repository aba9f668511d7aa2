"""Microseconds a step of training with each option on, beside the same option in PyTorch (eager)
and in JAX with Optax.

    python bench/options.py                                    all options, four networks: some minutes
    python bench/options.py --rows T2 --options adam,dropout --rounds 5
    python bench/options.py --peers jax                        without PyTorch
    python bench/options.py --only fastnn                      nobody else; so does --peers none
    python bench/options.py --markdown options.md              and one compact table of all

Float32, one thread each, the same first weights, the same rows in the same order, and the same
losses and parameters as the reference's: see tasks.py. All take turns in short blocks, each from
the first weights, and the best block of each counts. PyTorch's optimizers run as a loop, foreach
and fused, and the best of the three is shown.
"""

import measure
from measure import chosen, line, number, say, show, times

WHO = {"torch": "torch", "jax": "jaxscan"}  # names of peers here, and in the table of peers.py
HEADS = {"torch": "PyTorch", "jax": "JAX"}
TURN = 0.02  # seconds
BASE_EVERY = (
    4  # fastnn's plain SGD, to which the options are compared, is timed again after so many of them
)


def main():
    parser = measure.parser(__doc__)
    parser.add_argument("--rows", help="of T2,T3a,T3b,T4 (default: all)")
    parser.add_argument("--options", help="names with commas (default: all); sgd comes along")
    parser.add_argument(
        "--peers", help="of torch,jax; or none (default: both, where they are installed)"
    )
    parser.add_argument("--only", choices=["fastnn"], help="no peers")
    parser.add_argument("--rounds", type=int, default=20, help="default: 20")
    parser.add_argument("--threads", type=int, default=1, help="for each (default: 1)")
    parser.add_argument("--markdown", metavar="FILE")
    arguments = parser.parse_args()
    none = arguments.only or arguments.peers == "none"
    peers = [] if none else chosen(parser, "peers", arguments.peers, list(WHO))
    measure.check_turns(parser, arguments)
    measure.limit_threads(arguments.threads)  # before anything imports NumPy
    from option_list import NAMES
    from peers import Contestant
    from tasks import TASKS, WITH_OPTIONS

    rows = chosen(parser, "rows", arguments.rows, list(WITH_OPTIONS))
    names = chosen(parser, "options", arguments.options, NAMES)
    names = ["sgd", *(name for name in names if name != "sgd")]  # what the others are compared to
    contestants = {
        who: Contestant(WHO.get(who, who), arguments.threads, ["optax"] * (who == "jax"))
        for who in ("fastnn", *peers)
    }
    absent = {
        who: contestant.absent for who, contestant in contestants.items() if contestant.absent
    }
    there = {who: contestant for who, contestant in contestants.items() if who not in absent}
    peers = [who for who in peers if who in there]
    versions = measure.versions(
        *(package for contestant in there.values() for package in contestant.versions)
    )
    say(versions, *(f"not here: {HEADS[who]} ({why})" for who, why in absent.items()))
    figures = {}
    for row in rows:
        figures[row] = one_row(row, names, there, arguments.rounds)
        print_row(
            f"{row}: {TASKS[f'{row} sgd'].title.replace(', ', ', batches of ')}",
            figures[row],
            names,
            peers,
        )
    for contestant in there.values():
        contestant.close()
    if arguments.markdown:
        with open(arguments.markdown, "w") as file:
            file.write(page(f"{versions}; threads: {arguments.threads}", figures, names, peers))


def one_row(row, names, there, rounds):
    """Return {(who, option): cell}, cells as in peers.py; names begin with "sgd"."""
    from peers import prepared, turn

    for contestant in there.values():
        contestant.ask("forget")
    cells, jobs = {}, {}
    for i, name in enumerate(names):
        show(f"{row}: {name} gets ready")
        for who, cell in prepared(f"{row} {name}", there).items():
            cells[who, name] = cell
            if "us" in cell:
                jobs[who, name] = turn(there[who], f"{row} {name}", cell, TURN)
        if i % BASE_EVERY == BASE_EVERY - 1:
            jobs["fastnn", "sgd", i] = jobs["fastnn", "sgd"]
    best = measure.race(jobs, rounds, progress=lambda i: show(f"{row}: round {i + 1} of {rounds}"))
    show("")
    for (who, name, *_), us in best.items():
        cell = cells[who, name]
        if "us" in cell:
            cell["us"] = min(us, cell["us"])
    return cells


def print_row(title, cells, names, peers):
    """Print a table for a terminal of 80 columns."""
    print(f"\n{title}; microseconds a step")
    widths, heads = [15, 8, 7], ["", "fastnn", "x sgd"]
    for who in peers:
        widths += [9, 10] + [8] * (who == "torch")
        heads += [HEADS[who], "x fastnn"] + [""] * (who == "torch")
    print(line(widths, *heads))
    base, notes = cells["fastnn", "sgd"]["us"], []
    for name in names:
        own = cells["fastnn", name]["us"]
        parts = [number(own), times(own / base)]
        for who in peers:
            cell = cells.get((who, name), {})
            if "note" in cell:
                notes.append(f"{name}, {HEADS[who]}: {cell['note']}")
            us = cell.get("us")
            parts += [number(us), times(us / own)] if us else ["", ""]
            parts += [cell.get("variant", "")] * (who == "torch")
        print(line(widths, name, *parts), flush=True)
    say(*notes)


def page(heading, figures, names, peers):
    """Return a table in Markdown. figures: those of each row. Of each peer the least, over the
    rows, that fastnn is faster by."""
    head = ["option", *figures, *(f"{HEADS[who]}: times as long, at least" for who in peers)]
    lines = []
    for name in names:
        own = {row: cells["fastnn", name]["us"] for row, cells in figures.items()}
        parts = [
            name,
            *(
                f"{times(own[row] / cells['fastnn', 'sgd']['us'])} ({number(own[row])})"
                for row, cells in figures.items()
            ),
        ]
        for who in peers:
            ratios = [
                cells[who, name]["us"] / own[row]
                for row, cells in figures.items()
                if "us" in cells.get((who, name), {})
            ]
            parts.append(times(min(ratios)) if ratios else "")
        lines.append(parts)
    return f"{heading}. Times plain SGD's step (microseconds)\n\n{measure.markdown(head, lines)}"


if __name__ == "__main__":
    main()

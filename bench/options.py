"""Microseconds a step of training with each option on, beside the same option in PyTorch (eager) and in JAX with Optax.

    python bench/options.py                                    all options, four networks: some minutes
    python bench/options.py --rows T2 --options adam,dropout --rounds 5
    python bench/options.py --peers jax                        without PyTorch; none: fastnn alone
    python bench/options.py --markdown options.md              and one compact table of all

Float32, one thread each, the same first weights, the same rows in the same order, and the same losses: see
peers/race.py. All take turns in short blocks, each from the first weights, and the best block of each counts.
PyTorch's optimizers run as a loop, foreach and fused, and the best of the three is shown.
"""

import argparse
import os
import platform
from importlib import metadata

PEERS = {"torch": ("PyTorch", ["torch"]), "jax": ("JAX", ["jax", "optax"])}


def limit_threads(n):
    """Must come before NumPy, PyTorch and JAX are imported: they make their threads then."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-n:])
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = str(n)
    os.environ["JAX_PLATFORMS"] = "cpu"
    if n == 1:
        os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


# ---- tables ----


def number(us):
    return f"{us:.2f}" if us < 10 else f"{us:.1f}" if us < 100 else f"{us:.0f}"


def times(ratio):
    return f"{ratio:.2f}" if ratio < 9.995 else f"{ratio:.0f}"


def print_row(title, figures, names, peers):
    """A table for a terminal of 80 columns."""
    print(f"\n{title}; microseconds a step")
    heads = {"torch": f"{'PyTorch':>8} {'x fastnn':>9} {'':7}", "jax": f"{'JAX':>8} {'x fastnn':>9}"}
    print(" ".join([f"{'':15} {'fastnn':>7} {'x sgd':>6}", *(heads[who] for who in peers)]).rstrip())
    base = figures["fastnn", "sgd"][0]
    for name in names:
        own, _ = figures["fastnn", name]
        line = f"{name:15} {number(own):>7} {times(own / base):>6}"
        for who in peers:
            us, variant = figures[who, name]
            line += f" {number(us):>8} {times(us / own):>9}" + f" {variant:7}" * (who == "torch")
        print(line.rstrip(), flush=True)


def markdown(heading, figures, names, peers):
    """figures: those of each row. Of each peer the least, over the rows, that fastnn is faster by."""
    titles = [*figures, *(f"{PEERS[who][0]}: times as long, at least" for who in peers)]
    lines = [f"{heading}. Times plain SGD's step (microseconds)", ""]
    lines += ["| option | " + " | ".join(titles) + " |", "|---|" + "---|" * len(titles)]
    for name in names:
        own = {row: f["fastnn", name][0] for row, f in figures.items()}
        cells = [f"{times(own[row] / f['fastnn', 'sgd'][0])} ({number(own[row])})" for row, f in figures.items()]
        cells += [times(min(f[who, name][0] / own[row] for row, f in figures.items())) for who in peers]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def versions(peers):
    import fastnn
    from fastnn import kernels

    parts = [f"fastnn {fastnn.__version__} ({kernels.CHOSEN})", f"Python {platform.python_version()}"]
    parts += [f"{package} {metadata.version(package)}" for who in peers for package in PEERS[who][1]]
    return ", ".join(parts)


# ---- the command ----


def chosen(parser, what, text, known):
    """The names in a list with commas, in the order of `known`."""
    names = text.split(",")
    for name in names:
        if name not in known:
            parser.error(f"--{what}: {name!r} is none of {', '.join(known)}")
    return [name for name in known if name in names]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", help="of T2,T3a,T3b,T4 (default: all)")
    parser.add_argument("--options", help="names with commas (default: all); sgd comes along")
    parser.add_argument("--peers", default=",".join(PEERS), help="of torch,jax; or none (default: both)")
    parser.add_argument("--rounds", type=int, default=20, help="default: 20")
    parser.add_argument("--threads", type=int, default=1, help="for each (default: 1)")
    parser.add_argument("--markdown", metavar="FILE")
    arguments = parser.parse_args()
    peers = [] if arguments.peers == "none" else chosen(parser, "peers", arguments.peers, list(PEERS))
    cpus = len(os.sched_getaffinity(0))
    if arguments.rounds < 1 or not 1 <= arguments.threads <= cpus:
        parser.error(f"--rounds must be at least 1, and --threads from 1 to {cpus}: so many CPUs may this process use")
    limit_threads(arguments.threads)
    for who in peers:
        try:
            for package in PEERS[who][1]:
                __import__(package)
        except ImportError as error:
            parser.error(f"--peers: {who} needs {' and '.join(PEERS[who][1])}, and {error}; choose others, or none")

    import option_list
    from peers import race

    rows = chosen(parser, "rows", arguments.rows or ",".join(race.ROWS), list(race.ROWS))
    names = chosen(parser, "options", arguments.options or ",".join(option_list.NAMES), option_list.NAMES)
    names = ["sgd", *(name for name in names if name != "sgd")]  # what the others are compared to
    print(versions(peers))
    figures = {}
    for row in rows:
        figures[row] = race.measure(row, names, peers, arguments.threads, arguments.rounds)
        sizes, batch, _ = race.ROWS[row]
        print_row(f"{row}: {'-'.join(map(str, sizes))}, batches of {batch}", figures[row], names, peers)
    if arguments.markdown:
        with open(arguments.markdown, "w") as file:
            file.write(markdown(f"{versions(peers)}; threads: {arguments.threads}", figures, names, peers))


if __name__ == "__main__":
    main()

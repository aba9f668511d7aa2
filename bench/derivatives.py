"""Time Jacobians and Hessians in the inputs: fastnn, JAX and PyTorch.

    python bench/derivatives.py                      all networks, both dtypes; half an hour
    python bench/derivatives.py --rows 1 --methods jacobian --dtypes float32
    python bench/derivatives.py --only fastnn --networks 5-64-64-3

A call takes a NumPy array of 1 or 10,000 rows and returns one. JAX is jit of vmap of jacfwd or jacrev,
whichever is faster, and of hessian, also on blocks of 256 rows (lax.map). PyTorch is vmap of the same
functions of torch.func. Some rows of the results are compared with the reference's before anything is
timed. Blocks of calls alternate, and the best one is reported.
"""

import measure
from measure import format_ratio, format_us, print_wrapped, select_names, show_progress, table_row

PEER_KEYS = {"fastnn": "fastnn", "jax": "jaxstep", "torch": "torch"}
NETWORKS = {  # name: hidden activation
    "5-64-64-3": "tanh",
    "30-64-64-1": "tanh",
    "3-20-20-1": "silu",
    "16-256-256-4": "softplus",
}


def main():
    parser = measure.make_parser(__doc__)
    names = list(NETWORKS), ["jacobian", "hessian"], ["float32", "float64"], ["1", "10000"]
    options = "networks", "methods", "dtypes", "rows"
    for option, known in zip(options, names):
        parser.add_argument(f"--{option}", help=f"of {','.join(known)} (default: all)")
    parser.add_argument("--only", choices=["fastnn"], help="time no peers")
    parser.add_argument("--rounds", type=int, default=10, help="of each line (default: 10)")
    parser.add_argument("--threads", type=int, default=1, help="for each (default: 1)")
    arguments = parser.parse_args()
    chosen = [
        select_names(parser, option, getattr(arguments, option), known)
        for option, known in zip(options, names)
    ]
    measure.check_rounds_and_threads(parser, arguments)
    measure.limit_threads(arguments.threads)  # before anything imports NumPy
    from peers import PeerProcess

    peers = ["fastnn"] if arguments.only else list(PEER_KEYS)
    processes = {peer: PeerProcess(PEER_KEYS[peer], arguments.threads) for peer in peers}
    packages = [package for process in processes.values() for package in process.versions]
    print_wrapped(
        f"{measure.versions(*packages)}, threads: {arguments.threads}",
        *(f"not available: {peer} ({p.failure})" for peer, p in processes.items() if p.failure),
    )
    processes = {peer: process for peer, process in processes.items() if not process.failure}
    widths = [13, 9, 9, 6, 9, *[10, 6] * (len(processes) - 1)]
    header = [part for peer in processes if peer != "fastnn" for part in (peer, "x")]
    print(table_row(widths, "microseconds", "", "", "rows", "fastnn", *header))
    time_lines(chosen, processes, arguments.rounds, widths)
    for process in processes.values():
        process.close()


def time_lines(chosen, processes, rounds, widths):
    from peers import make_job, prepare_task
    from tasks import Derivative

    networks, methods, dtypes, sizes = chosen
    for network, method, dtype, n in (
        (network, method, dtype, n)
        for n in sizes
        for method in methods
        for dtype in dtypes
        for network in networks
    ):
        line = network, method, dtype, n
        show_progress(", ".join(line))
        task = Derivative(method, network, NETWORKS[network], dtype, int(n))
        cells = prepare_task(line, task, processes)
        jobs = {
            peer: make_job(processes[peer], line, cell)
            for peer, cell in cells.items()
            if "us" in cell
        }
        best = measure.interleave(jobs, rounds)
        for process in processes.values():
            process.request("clear")
        texts, own = [], best.get("fastnn")
        for peer in processes:
            us = best.get(peer)
            texts.append("-" if us is None else format_us(us))
            if peer != "fastnn":
                texts.append("" if us is None or own is None else format_ratio(us / own))
        show_progress("")
        print(table_row(widths, *line, *texts), flush=True)
        print_wrapped(*(f"  {p}: {cell['note']}" for p, cell in cells.items() if "note" in cell))


if __name__ == "__main__":
    main()

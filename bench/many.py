"""Train many small networks: `fastnn.fit_many` beside loops and other libraries.

    python bench/many.py                    one thread; takes about six minutes
    python bench/many.py --threads 2        two threads, and two CPUs
    python bench/many.py --only fastnn      without other libraries
    python bench/many.py --markdown many.md
    python bench/many.py --overhead         what a network costs besides its steps
    python bench/many.py --lanes            what small networks gain in the lanes of vectors

Microseconds for a step of one network: the time of a call, from initial weights in memory to
trained weights, divided by networks, epochs and batches. Compilation is not counted.

    fit_many     fastnn.fit_many, all networks in one call
    fit          a loop over MLP.fit, one call for each network, on one thread
    steps        the steps alone: one long MLP.fit of one network, on one thread
    sklearn      MLPClassifier.fit for each network, in processes of joblib
    jax          jax.vmap of a training whose epochs are scans, compiled; the faster of all networks
                 at once and groups of 100
    torch        parameters of all networks stacked, torch.baddbmm

All train with the same initial weights on the same rows in the same order, in float32 with plain
SGD. In the last table, each network has rows of its own. Losses and parameters of three networks
are compared with `fastnn.reference`. scikit-learn and the loop train fewer networks, because
every network takes the same time. JAX and PyTorch train all networks for fewer epochs. Every
library runs in its own process, and their turns alternate.

--overhead times 3-4-1 with shuffling on one thread, for one epoch and for eleven. The eleven give
the time of an epoch, and the rest of the one is the overhead of a network: Python, copies of
parameters, and with an int as `rng` a seed and the generator that NumPy makes of it.

--lanes times steps of networks of several shapes on one thread: of one in a long `fit`, and of 16
in fit_many, which computes small ones in the lanes of vectors. CPU time, since it takes turns with
whatever else runs.
"""

import functools
import time

import measure
import numpy as np
from measure import format_ratio, format_us, select_names, show_progress, table_row
from networks import NETWORKS, Network
from peers import PeerProcess, make_job, prepare_task
from tasks import LOSS_RTOL, Option, error_above, fit_reference, update_error_above

import fastnn

# name: (peer, title, what a timed run has fewer of)
METHODS = {
    "fit_many": ("fastnn", "`fastnn.fit_many`", None),
    "fit": ("fastnn", "loop over `MLP.fit`", "networks"),
    "steps": ("fastnn", "steps alone", "epochs"),
    "sklearn": ("sklearn", "scikit-learn, joblib", "networks"),
    "jax": ("jaxscan", "`jax.vmap`", "epochs"),
    "torch": ("torch", "PyTorch, `baddbmm`", "epochs"),
}
WIDTHS = 24, 9, 12
LANES = [  # sizes, activation, batch
    ([3, 4, 1], "sigmoid", 8),
    ([3, 4, 1], "sigmoid", 64),
    ([1, 1], "identity", 8),
    ([4, 8, 1], "tanh", 8),
    ([4, 8, 1], "tanh", 64),
    ([8, 4, 1], "relu", 32),
    ([16, 4, 1], "relu", 8),
    ([8, 8, 1], "relu", 64),
    ([8, 16, 1], "relu", 64),
]


class ManyTraining:
    """The training of k networks, which differ in their initial weights, in one way."""

    kind, checked_epochs = "many", 3

    def __init__(self, network, k, epochs, own_rows, method):
        self.network, self.method, self.scaled = network, method, METHODS[method][2]
        self.own_rows = own_rows  # whether each network has different rows
        self.k, self.epochs = (1, 100 * epochs) if method == "steps" else (k, epochs)
        self.sizes, self.activation, self.binary = network.sizes, network.activation, True
        self.n, self.batch, self.lr, self.rule = network.rows, network.batch, network.lr, "sgd"
        self.steps = -(-self.n // self.batch)  # per epoch; the last batch may be smaller
        self.option = Option(fastnn.SGD(self.lr))
        self.checked = sorted({0, self.k // 2, self.k - 1})

    def make_data(self):
        self.X, self.y = self.network.data(self.n * (self.k if self.own_rows else 1))
        self.nets = [self.network.make(rng=i) for i in range(self.k)]
        return self

    def rows(self, i):
        """Return the rows of network i as a slice of X and y."""
        start = i * self.n if self.own_rows else 0
        return slice(start, start + self.n)

    def expected(self):
        """Return (losses, parameters) of the checked networks after the first epochs."""
        results = []
        for i in self.checked:
            X, y = (a[self.rows(i)].astype(float) for a in (self.X, self.y))
            results.append(
                fit_reference(self.nets[i], self.option, X, y, self.checked_epochs, self.batch)
            )
        return results

    def find_mismatch(self, results, expected, peer="fastnn"):
        for i, (losses, params), (expected_losses, expected_params) in zip(
            self.checked, results, expected, strict=True
        ):
            mismatch = error_above(
                "losses", losses / expected_losses - 1, LOSS_RTOL
            ) or update_error_above(params, expected_params, self.nets[i].params)
            if mismatch:
                return f"network {i}: {mismatch}"
        return None


def make_tables(quick):
    """Return {title: {method: task}}."""
    # the data of Wisconsin breast cancer have this shape
    large = Network([30, 32, 1], "relu", 32, 569, 0.05, 0)
    small = NETWORKS["T1"]._replace(batch=8, rows=64)
    tables = {}
    for network, k, own_rows in (large, 1000, False), (small, 10_000, False), (small, 10_000, True):
        k = k // 100 if quick else k
        epochs = 5 if quick else 100
        rows = f"{network.rows} rows{' each' * own_rows}"
        title = f"{k:,} networks {network.title}, {rows}, batch {network.batch}, {epochs} epochs"
        tables[title] = {
            method: ManyTraining(network, k, epochs, own_rows, method) for method in METHODS
        }
    return tables


def time_table(tasks, processes, rounds):
    """Return {method: cell}; peers.prepare_task describes the cells."""
    cells, jobs = {}, {}
    for method, task in tasks.items():
        show_progress(f"preparing {method}")
        peer = METHODS[method][0]
        cell = prepare_task(method, task, {peer: processes[peer]}).get(peer)
        if cell:
            cells[method] = cell
            if "us" in cell:
                jobs[method] = make_job(processes[peer], method, cell, 0)
    best = measure.interleave(
        jobs, rounds, on_round=lambda i: show_progress(f"round {i + 1} of {rounds}")
    )
    show_progress("")
    for method, us in best.items():
        if "us" in cells[method]:
            cells[method]["us"] = min(us, cells[method]["us"])
    for process in processes.values():
        process.request("clear")
    return cells


def print_overhead(rounds):
    """Print what a network costs besides its steps."""
    network = NETWORKS["T1"]._replace(batch=8, rows=64)
    X, y = network.data()
    print("\n3-4-1, 64 rows, batch 8: us a network besides its steps")
    for k, blocks in (100, 200), (10_000, 4):
        nets = [network.make() for _ in range(k)]
        for i, net in enumerate(nets):
            net.rng = np.random.default_rng(i)
        options = dict(optimizer=fastnn.SGD(network.lr), batch_size=network.batch, n_threads=1)

        def run(epochs, rng, nets=nets, options=options):
            return measure.seconds(
                lambda: fastnn.fit_many(nets, X, y, epochs=epochs, rng=rng, **options)
            )

        jobs = {(n, rng): functools.partial(run, n, rng) for n in (1, 11) for rng in (None, 0)}
        best = measure.interleave(jobs, rounds * blocks)
        epoch = (best[11, None] - best[1, None]) / 10
        own, seeded = ((best[1, rng] - epoch) / k * 1e6 for rng in (None, 0))
        print(f"{k:>6,} networks: {own:.1f}, with rng=0 {seeded:.1f}", flush=True)


def print_lanes(rounds):
    """Print how much longer a step of a network alone takes than one of fit_many."""
    widths = *WIDTHS, 9
    print(table_row(widths, "us a step", "alone", "fit_many", "ratio"))
    for sizes, activation, batch in LANES:
        network = Network(sizes, activation, batch, 64, 0.01, 0)
        X, y = network.data()
        nets = [network.make(rng=i) for i in range(16)]
        epochs = 20_000 // 64
        options = dict(batch_size=batch, epochs=epochs, optimizer=fastnn.SGD(0.01), n_threads=1)
        jobs = {
            1: functools.partial(cpu_seconds, nets[0].fit, X, y, **options),
            16: functools.partial(cpu_seconds, fastnn.fit_many, nets, X, y, **options),
        }
        best = measure.interleave(jobs, 20 * rounds)
        alone, many = (1e6 * best[n] / (n * epochs * (64 // batch)) for n in jobs)
        title = f"{'-'.join(map(str, sizes))}, batch {batch}"
        print(table_row(widths, title, f"{alone:.3f}", f"{many:.3f}", f"{alone / many:.2f}"))


def cpu_seconds(call, *args, **options):
    start = time.process_time()
    call(*args, **options)
    return time.process_time() - start


def print_table(title, cells):
    print(f"\n{title}")
    print(table_row(WIDTHS, "", "us a step", "x fit_many"))
    base = cells.get("fit_many", {}).get("us")
    for method, cell in cells.items():
        name = METHODS[method][1].replace("`", "")
        if "us" in cell:
            ratio = format_ratio(cell["us"] / base) if base else ""
            print(table_row(WIDTHS, name, f"{cell['us']:.3f}", ratio), flush=True)
        else:
            measure.print_wrapped(f"{name}: {cell['note']}")


def markdown_page(heading, results):
    """Return one table: methods in rows, networks in columns."""
    lines = []
    for method, (_, title, _) in METHODS.items():
        us = [cells.get(method, {}).get("us") for cells in results.values()]
        if any(us):
            lines.append([title, *(format_us(t) if t else "" for t in us)])
    return f"{heading}\n\n{measure.markdown_table(['', *results], lines)}"


def main():
    parser = measure.make_parser(__doc__)
    parser.add_argument("--only", help=f"comma-separated, of {','.join(METHODS)}, or fastnn")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each row (default: 3)")
    parser.add_argument(
        "--threads", type=int, default=1, help="number of threads and of CPUs (default: 1)"
    )
    parser.add_argument("--overhead", action="store_true", help="time only the overhead")
    parser.add_argument("--lanes", action="store_true", help="time only what lanes gain")
    parser.add_argument("--quick", action="store_true", help="few networks and epochs")
    parser.add_argument("--markdown", metavar="FILE", help="write the times as a table")
    arguments = parser.parse_args()
    measure.check_rounds_and_threads(parser, arguments)
    only = "fit_many,fit,steps" if arguments.only == "fastnn" else arguments.only
    methods = select_names(parser, "only", only, list(METHODS))
    measure.limit_threads(arguments.threads)
    if arguments.overhead:
        measure.print_wrapped(measure.versions("numpy"))
        print_overhead(arguments.rounds)
        return
    if arguments.lanes:
        measure.print_wrapped(measure.versions("numpy"))
        print_lanes(arguments.rounds)
        return
    peers = dict.fromkeys(METHODS[method][0] for method in methods)
    processes = {peer: PeerProcess(peer, arguments.threads) for peer in peers}
    failures = {peer: process.failure for peer, process in processes.items() if process.failure}
    packages = dict.fromkeys(p for process in processes.values() for p in process.versions)
    heading = f"{measure.versions('numpy', *packages)}; threads: {arguments.threads}"
    measure.print_wrapped(
        heading, *(f"not available: {peer} ({why})" for peer, why in failures.items())
    )
    methods = [method for method in methods if METHODS[method][0] not in failures]
    results = {}
    for title, tasks in make_tables(arguments.quick).items():
        tasks = {method: tasks[method] for method in methods}
        results[title] = time_table(tasks, processes, arguments.rounds)
        print_table(title, results[title])
    for process in processes.values():
        process.close()
    if arguments.markdown:
        with open(arguments.markdown, "w") as file:
            file.write(markdown_page(heading, results))


if __name__ == "__main__":
    main()

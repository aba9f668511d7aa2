"""A random sample of networks, batches and optimizers, timed beside the strongest peers.

`python bench/sweep.py --only sample` runs it; see there.

A cell is one training (layer sizes, batch, optimizer) on one number of threads. Its ratio is
fastnn's time for a step divided by that of the fastest peer, so that above 1 a peer is faster.
The peers are those that compile loops over whole epochs, and PyTorch in the sample of wide layers.
The others are slower in every row of compare.py.
"""

import contextlib
import json
import math
import random
import time
from typing import NamedTuple

import measure
import numpy as np
from measure import format_us
from networks import Network
from peers import PEERS, SETTLE, PeerProcess, make_job, prepare_task
from tasks import Option, Training, fit_reference

import fastnn
from fastnn import plotting


class Sizes(NamedTuple):
    """What a sample draws from."""

    batches: tuple[int, ...]
    inputs: tuple[int, ...]
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    peers: tuple[str, ...]


SMALL = Sizes(
    (1, 4, 10, 16, 32, 64, 100, 256, 1000),
    (1, 5, 30, 100, 784, 2000),
    (1, 8, 17, 64, 100, 256, 1000),
    (0, 1, 2, 3),
    ("numbaloops", "numbablas", "jaxscan"),
)
WIDE = Sizes(
    (4, 16, 64, 256, 512, 2048),
    (256, 784, 1024, 4096),
    (256, 512, 1000, 1024, 2048, 4096),
    (1, 2, 4, 8),
    ("numbablas", "jaxscan", "torch"),
)
OUTPUTS = 1, 10
OPTIMIZERS = "sgd", "adam"

MAX_PARAMS = 5e6  # of a network
MAX_STEP = 2.5e9  # operations of a step
MAX_LOOPS = 3e7  # floating-point operations of a step, above which Numba's plain loops are too slow
MAX_NUMBERS = 8_000_000  # of a data set
TURN = 0.05  # seconds of a turn of timing
HOPELESS = 1.5  # peers that are this many times slower than the fastest one are timed only once


# ---- the sample ----


class SampleTask(Training):
    """A training of the sample, with few steps an epoch if they take long."""

    def __init__(self, batch, inputs, width, depth, outputs, optimizer):
        self.position = batch, inputs, width, depth
        sizes = [inputs, *[width] * depth, outputs]
        # Small enough for every network of the sample: the losses must not be chaotic, where
        # rounding would grow.
        lr = 0.05 / (1 + max(sizes) / 100)
        network = Network(sizes, "relu", batch, batch, lr, 0)
        n_params = sum((k + 1) * m for k, m in zip(sizes, sizes[1:]))
        work = network.flops + 100 * n_params  # the time of small batches is that of memory
        steps = max(2, min(64, int(5e9 / work), MAX_NUMBERS // (batch * inputs)))
        option = Option(fastnn.SGD(lr) if optimizer == "sgd" else fastnn.Adam(1e-3))
        super().__init__(network._replace(rows=batch * steps), option)
        self.min_block_steps = max(1, min(self.min_block_steps, int(1e10 / work)))
        self.epochs = max(1, min(3, int(1e9 / (work * steps))))
        self.title = f"{network.title}, {batch}, {optimizer}"

    def make_data(self):
        """As in `Training`, with biases that are not zero.

        With biases of zero, the outputs of a network with few units may be exactly zero, where
        JAX's gradient of its loss is wrong.
        """
        super().make_data()
        rng = np.random.default_rng(1)
        for b in self.net.biases:
            b[...] = 0.01 * rng.standard_normal(b.shape)
        return self

    def expected(self):
        if self.epochs > 1:
            return super().expected()
        y = self.y.astype(float) if self.binary else self.y
        return fit_reference(self.net, self.option, self.X.astype(float), y, 1, self.batch)

    def find_mismatch(self, results, expected, peer="fastnn"):
        """As in `Training`, without the few parameters that differ most under Adam.

        The first steps of Adam move a parameter by the sign of its gradient, and rounding decides
        the sign of a gradient of almost zero.
        """
        (losses, params), (_, expected_params) = results, expected
        if self.rule == "adam":
            order = np.argsort(np.abs(params - expected_params))
            worst = order[len(order) - max(1, len(order) // 50) :]
            params = params.copy()
            params[worst] = expected_params[worst]
        return super().find_mismatch((losses, params), expected, peer)


def draw(n, seed, sizes=SMALL):
    """Return n tasks with different batches, inputs, widths or depths."""
    rng, tasks = random.Random(seed), {}
    while len(tasks) < n:
        batch, inputs, width, depth, outputs, optimizer = map(
            rng.choice, (*sizes[:4], OUTPUTS, OPTIMIZERS)
        )
        position = batch, inputs, width if depth else 0, depth
        if position in tasks:
            continue
        n_params = inputs * width + max(0, depth - 1) * width**2
        if n_params > MAX_PARAMS or 6 * n_params * batch > MAX_STEP:
            continue
        tasks[position] = SampleTask(*position, outputs, optimizer)
    return list(tasks.values())


# ---- timing ----


def start_processes(thread_counts, peers):
    """Return {number of threads: {peer: its process}} and the failures as {peer: message}."""
    processes, failures = {}, {}
    for threads in sorted(thread_counts, reverse=True):  # limit_threads can only lower the limit
        measure.limit_threads(threads)
        processes[threads] = {}
        for peer in ("fastnn", *peers):
            process = PeerProcess(peer, threads)
            if process.failure:
                failures[peer] = process.failure
            else:
                processes[threads][peer] = process
    return dict(sorted(processes.items())), failures


def time_task(task, processes, rounds):
    """Return {number of threads: {peer: cell}}; peers.prepare_task describes the cells."""
    results = {}
    for threads, by_peer in processes.items():
        time.sleep(SETTLE)
        by_peer = {
            p: by_peer[p] for p in by_peer if p == "fastnn" or is_candidate(p, task, results)
        }
        cells = results[threads] = prepare_task(task.title, task, by_peer)
        time_cells(task.title, cells, by_peer, rounds)
        for process in by_peer.values():
            process.request("clear")
    return results


def is_candidate(peer, task, results):
    """Return whether the peer may be the fastest, given the results with fewer threads."""
    if peer == "numbaloops" and task.flops > MAX_LOOPS:
        return False
    for cells in results.values():
        fastest, _ = best_peer(cells)
        if fastest and cells.get(peer, {}).get("us", 0) > 2 * HOPELESS * cells[fastest]["us"]:
            return False
    return True


def time_cells(row, cells, processes, rounds):
    peer, _ = best_peer(cells)
    limit = HOPELESS * cells[peer]["us"] if peer else math.inf
    jobs = {
        peer: make_job(processes[peer], row, cell, TURN)
        for peer, cell in cells.items()
        if peer == "fastnn" or cell.get("us", math.inf) <= limit
    }
    for peer, us in measure.interleave(jobs, rounds).items():
        if "us" in cells[peer]:
            cells[peer]["us"] = min(us, cells[peer]["us"])


def best_peer(cells):
    """Return (the fastest peer, fastnn's time / the peer's), or (None, NaN)."""
    us = {peer: cell["us"] for peer, cell in cells.items() if peer != "fastnn" and "us" in cell}
    if not us or "us" not in cells["fastnn"]:
        return None, math.nan
    peer = min(us, key=us.get)
    return peer, cells["fastnn"]["us"] / us[peer]


def slower_counts(cells_by_threads):
    """Return the numbers of threads for which a peer is faster than fastnn."""
    return [threads for threads, cells in cells_by_threads.items() if best_peer(cells)[1] > 1]


def merge(old, new):
    """Replace the times in `old` by those in `new` that are shorter."""
    for threads, cells in new.items():
        for peer, cell in cells.items():
            if cell.get("us", math.inf) < old[threads].get(peer, {}).get("us", math.inf):
                old[threads][peer] = cell


# ---- report ----


def cell_text(cells):
    """Return fastnn's time, the fastest peer's, its name, and the ratio of the times."""
    peer, ratio = best_peer(cells)
    if peer is None:
        text = format_us(cells["fastnn"]["us"]) if "us" in cells["fastnn"] else "-"
        return f"{text:>7}       - no peer"
    mark = "<" if ratio > 1 else " "
    times = f"{format_us(cells['fastnn']['us']):>7} {format_us(cells[peer]['us']):>7}"
    return f"{times} {PEERS[peer].name:12} {ratio:.2f}{mark}"


def report(results):
    """Print a summary of {task title: {number of threads: {peer: cell}}}."""
    notes = {}
    for threads in next(iter(results.values()), ()):
        ratios = {title: best_peer(by_threads[threads])[1] for title, by_threads in results.items()}
        ratios = {title: ratio for title, ratio in ratios.items() if ratio == ratio}
        if not ratios:
            continue
        mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
        slower = sorted((t for t in ratios if ratios[t] > 1), key=ratios.get, reverse=True)
        print(
            f"\nthreads: {threads}. fastnn / fastest peer: geometric mean {mean:.2f}, largest"
            f" {max(ratios.values()):.2f},\nabove 1 in {len(slower)} of {len(ratios)} cells"
        )
        for title in slower:
            print(f"  {title:34} {cell_text(results[title][threads])}")
    for title, by_threads in results.items():
        for threads, cells in by_threads.items():
            for peer, cell in cells.items():
                if "note" in cell:
                    notes.setdefault((PEERS[peer].name, cell["note"]), []).append(
                        f"{title} ({threads})"
                    )
    for (peer, note), cells in notes.items():
        measure.print_wrapped(f"{peer} {note}: {'; '.join(cells)}")


def markdown(results):
    """Return a Markdown table of the cells in which a peer is faster, the slowest first."""
    lines = []
    for title, by_threads in results.items():
        for threads, cells in by_threads.items():
            peer, ratio = best_peer(cells)
            if ratio > 1:
                network, batch, optimizer = title.split(", ")
                times = [format_us(cells[p]["us"]) for p in ("fastnn", peer)]
                lines.append(
                    [network, batch, optimizer, str(threads), *times, PEERS[peer].name, ratio]
                )
    lines.sort(key=lambda line: -line[-1])
    header = ["network", "batch", "optimizer", "threads", "fastnn", "peer", "", "ratio"]
    return measure.markdown_table(header, [[*line[:-1], f"{line[-1]:.2f}"] for line in lines])


def plot(file, results, sizes=SMALL):
    """Plot the ratios, one panel for each number of threads.

    Rows are hidden layers, columns inputs and batches. Cells outside the sample are white.
    """
    import matplotlib.pyplot as plt
    from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm

    depths = [depth for depth in sizes.depths if depth]
    hidden = [(0, 0)] * (0 in sizes.depths) + [(w, d) for d in depths for w in sizes.widths]
    columns = [(inputs, batch) for inputs in sizes.inputs for batch in sizes.batches]
    thread_counts = list(next(iter(results.values())))
    colors = [(0, plotting.BLUE), (0.5, "#E2E2E2"), (1, plotting.ORANGE)]
    cmap = LinearSegmentedColormap.from_list("ratio", colors)
    norm = TwoSlopeNorm(1, 0.3, 1.3)
    with plotting.style():
        figure, axes = plt.subplots(
            len(thread_counts), 1, figsize=(8, 0.6 + 3.6 * len(thread_counts)), squeeze=False
        )
        for ax, threads in zip(axes.ravel(), thread_counts):
            ratios = np.full((len(hidden), len(columns)), np.nan)
            for title, by_threads in results.items():
                network, batch, _ = title.split(", ")
                inputs, *widths, _ = map(int, network.split("-"))
                row = hidden.index((widths[0] if widths else 0, len(widths)))
                ratios[row, columns.index((inputs, int(batch)))] = best_peer(by_threads[threads])[1]
            image = ax.pcolormesh(ratios, cmap=cmap, norm=norm)
            for i in range(1, len(sizes.inputs)):
                ax.axvline(i * len(sizes.batches), color="#BBBBBB", linewidth=0.7)
            for i in range(len(depths)):
                ax.axhline(
                    i * len(sizes.widths) + (0 in sizes.depths), color="#BBBBBB", linewidth=0.7
                )
            labels = [f"{d} x {w}" if d else "no hidden layer" for w, d in hidden]
            ax.set_yticks(np.arange(len(hidden)) + 0.5, labels, fontsize=6.5)
            ax.set_xticks(
                np.arange(len(columns)) + 0.5, [b for _, b in columns], fontsize=6, rotation=90
            )
            ax.tick_params(length=0)
            ax.invert_yaxis()
            for i, inputs in enumerate(sizes.inputs):
                ax.text(
                    (i + 0.5) * len(sizes.batches),
                    -0.3,
                    f"{inputs} input{'s' * (inputs > 1)}",
                    ha="center",
                    va="bottom",
                    fontsize=8,
                )
            ax.set_title(f"{threads} thread{'s' * (threads > 1)}", pad=16)
            ax.set_xlabel("batch", fontsize=8)
        bar = figure.colorbar(image, ax=axes.ravel().tolist(), shrink=0.5, aspect=30, pad=0.01)
        bar.set_label("fastnn's time / fastest peer's", fontsize=8)
        bar.set_ticks([0.3, 0.5, 0.7, 0.9, 1, 1.1, 1.2, 1.3])
        bar.ax.tick_params(labelsize=7)
        figure.savefig(file)


def run(arguments, thread_counts):
    """Time the sample, or read an earlier run, and report it."""
    if arguments.read:
        with open(arguments.read) as file:
            results = json.load(file)
        results = {title: {int(n): c for n, c in cells.items()} for title, cells in results.items()}
    else:
        results = time_sample(arguments, thread_counts)
    report(results)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(results, file, indent=1)
    if arguments.markdown:
        with open(arguments.markdown, "w") as file:
            file.write(markdown(results))
    if arguments.plot:
        plot(arguments.plot, results, WIDE if arguments.wide else SMALL)


def time_sample(arguments, thread_counts):
    """Return {task title: {number of threads: {peer: cell}}}. Ctrl-C ends the sample early."""
    sizes, results = WIDE if arguments.wide else SMALL, {}
    tasks = draw(arguments.n, arguments.seed, sizes)
    processes, failures = start_processes(thread_counts, sizes.peers)
    packages = {p: None for peers in processes.values() for q in peers.values() for p in q.versions}
    measure.print_wrapped(
        measure.versions(*packages),
        *(f"not available: {PEERS[peer].name} ({why})" for peer, why in failures.items()),
    )
    print(
        "microseconds a step of fastnn and of the fastest peer, and their ratio; threads:",
        ", ".join(map(str, processes)),
    )
    start = time.perf_counter()

    def show(heading, task):
        minutes = (time.perf_counter() - start) / 60
        print(f"{heading}, {minutes:4.1f} min  {task.title}")
        for threads, cells in results[task.title].items():
            print(f"{threads:>10} {cell_text(cells)}", flush=True)

    with contextlib.suppress(KeyboardInterrupt):
        for i, task in enumerate(tasks, 1):
            results[task.title] = time_task(task, processes, arguments.rounds)
            show(f"{i:3} of {len(tasks)}", task)
        for _ in range(arguments.tries):  # a busy machine may have made a peer faster
            for task in tasks:
                counts = slower_counts(results[task.title])
                if counts:
                    again = time_task(task, {n: processes[n] for n in counts}, arguments.rounds)
                    merge(results[task.title], again)
                    show("again     ", task)
    for by_peer in processes.values():
        for process in by_peer.values():
            process.close()
    return results

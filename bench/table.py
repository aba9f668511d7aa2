"""Training steps on a `fastnn.EncodedTable`, on the dense inputs that it stands for, and on plain columns.

    python bench/table.py           one thread; takes about a minute
    python bench/table.py --quick   one round; without the largest columns

Microseconds per step of a network with two hidden layers of 64 relu units and one output, batch
256, Adam, float32. The jobs of a row alternate, and the best block of each is reported.

    table   columns in an EncodedTable: piecewise-linear bins, or one-hot levels
    lazy    the same with AdamW(lazy_categories=True)
    dense   the same inputs as a matrix, for at most 2,000 inputs
    plain   a matrix with one input for each column

The last columns are the time of the table relative to plain, and of dense relative to the table.
The losses of table and dense are compared.
"""

import measure
import numpy as np
from measure import format_ratio, format_us, table_row

import fastnn
from fastnn.state import fresh
from fastnn.training.data import Data
from fastnn.training.engines.dense import DenseEngine
from fastnn.training.plan import FitOptions, Plan

BATCH, STEPS, HIDDEN = 256, 8, (64, 64)
MOST_DENSE = 2000  # inputs
ROWS = {  # title: (columns of bins, bins, columns of levels, levels)
    "14 columns x 16 bins": (14, 16, 0, 0),
    "14 columns x 70 bins": (14, 70, 0, 0),
    "57 columns x 22 bins": (57, 22, 0, 0),
    "14 columns x 20 levels": (0, 0, 14, 20),
    "1 column x 10000 levels": (0, 0, 1, 10_000),
    "1 column x 100000 levels": (0, 0, 1, 100_000),
    "8 columns x 2000 levels": (0, 0, 8, 2000),
}
WIDTHS = 25, 7, 7, 7, 7, 7, 10, 10


def make_table(p, bins, k, levels):
    rng = np.random.default_rng(0)
    n = BATCH * STEPS
    return fastnn.EncodedTable(
        positions=rng.uniform(0, bins, (n, p)) if p else None,
        n_bins=bins if p else None,
        codes=rng.integers(0, levels, (n, k)) if k else None,
        n_categories=levels if k else None,
    )


class Training:
    """Blocks of epochs of one training, without what `fit` does besides."""

    def __init__(self, X, optimizer=None):
        y = np.random.default_rng(1).normal(size=len(X))
        net = fastnn.MLP([X.shape[1], *HIDDEN, 1], rng=0)
        loss = fastnn.losses.resolve_loss("mse", "identity")
        state = fresh(net, optimizer or fastnn.Adam(1e-4))
        options = FitOptions(batch_size=BATCH, shuffle=False)
        self.engine = DenseEngine(Plan(net, Data.of(net, X, y, loss), options, None, state=state))
        self.engine.load(state)
        self.first_losses = self.run(2)

    def run(self, epochs):
        losses = np.empty((3, epochs))
        self.engine.advance(1e9, losses)
        return losses[0]

    def block(self):
        """Return the seconds per step of one epoch."""
        return measure.seconds(self.run, 1) / STEPS


def time_row(title, rounds):
    """Return {job: seconds per step}."""
    p, bins, k, levels = ROWS[title]
    table = make_table(p, bins, k, levels)
    plain = np.random.default_rng(2).normal(size=(len(table), p + k)).astype(np.float32)
    jobs = {"table": Training(table), "plain": Training(plain)}
    if k:
        lazy = fastnn.AdamW(1e-4, weight_decay=0, lazy_categories=True)
        jobs["lazy"] = Training(table, lazy)
    if table.n_inputs <= MOST_DENSE:
        jobs["dense"] = Training(table.to_dense())
        np.testing.assert_allclose(
            jobs["table"].first_losses, jobs["dense"].first_losses, rtol=1e-4
        )
    return measure.interleave({name: job.block for name, job in jobs.items()}, rounds)


def main():
    parser = measure.make_parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, small tables")
    parser.add_argument("--rounds", type=int, default=300, help="blocks of each job")
    arguments = parser.parse_args()
    measure.limit_threads(1)
    print(measure.versions())
    header = "inputs", "table", "lazy", "dense", "plain", "t / plain", "dense / t"
    print(table_row(WIDTHS, "", *header))
    for title in ROWS:
        p, bins, k, levels = ROWS[title]
        if arguments.quick and levels > 1000:
            continue
        times = time_row(title, 1 if arguments.quick else arguments.rounds)
        us = {name: format_us(1e6 * value) for name, value in times.items()}
        dense = format_ratio(times["dense"] / times["table"]) if "dense" in times else "-"
        print(
            table_row(
                WIDTHS,
                title,
                p * bins + k * levels,
                us["table"],
                us.get("lazy", "-"),
                us.get("dense", "-"),
                us["plain"],
                format_ratio(times["table"] / times["plain"]),
                dense,
            )
        )


if __name__ == "__main__":
    main()

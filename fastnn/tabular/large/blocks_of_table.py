"""The encoded rows of a table in blocks on the workers of Dask, from which networks train."""

from typing import Any, NamedTuple

from ...dask.rounds_data import RoundsData
from ...encoded_table import table_of
from ...training.data import Data

PARTS = "numbers", "positions", "codes"  # of an EncodedTable


def arrays_of(i, table):
    """Return the arrays of encoder i in a block. table : EncodedTable"""
    return {f"{i}.{name}": getattr(table, name) for name in PARTS}


class TableReader(NamedTuple):
    """Reads the rows of a block as one encoder has encoded them.

    Attributes
    ----------
    encoder : int
        Its position.
    layout : TableLayout
    known : KnownCategories or None
    weights : InputWeights or None
    loss : losses.Loss
    """

    encoder: int
    layout: Any
    known: Any
    weights: Any
    loss: Any

    def data(self, net, arrays):
        """Return the Data of all rows of a block."""
        numbers, positions, codes = (arrays[f"{self.encoder}.{name}"] for name in PARTS)
        X = table_of(numbers, positions, codes, self.layout)
        if self.known is not None:
            X = self.known.hide_others_in(X)
        if self.weights is not None:
            X = self.weights.multiply(X)
        return Data.of(net, X, arrays["y"], self.loss, arrays.get("weight"))


class BlocksOfTable:
    """All rows of a Dask collection as encoders encode them.

    Parameters
    ----------
    rows : BlockRows
        Their keys are the folds that hold them out.
    encoding : TableEncoding
    n_rows : int
    """

    def __init__(self, rows, encoding, n_rows):
        self.rows, self.folds, self.n_rows = rows, encoding.folds, n_rows
        self.layouts = {settings: table.layout for settings, table in encoding.tables.items()}

    def close(self):
        """Let the workers delete the rows."""
        self.rows.close()

    def n_train(self, fold):
        """Return the number of rows that a fold trains on."""
        return int(self.rows.n_of_key[:, self.folds.trains[fold]].sum())

    def n_at_once(self, n_threads):
        """Return how many networks train at the same time."""
        return self.rows.runner.n_at_once(self.rows.n_parts)

    def data(self, job, loss):
        """Return the data that the network of a job trains on."""
        settings = job.configuration.encoding
        encoder = list(self.layouts).index(settings)
        reader = TableReader(encoder, self.layouts[settings], job.known, job.weights, loss)
        return RoundsData(self.rows, self.folds.trains[job.fold], reader, loss)

    def seconds_per_row(self, job, loss):
        """Return how long this process takes to read a row: the workers read them."""
        return 0.0

"""Predictions of rows of which one column at a time has the values of other rows.

The column changes what its inputs add to the first layer, so that is all that is computed anew:
the time does not grow with the number of columns squared. Sums differ in the last bits from those of
the kernels, which add up all inputs.
"""

import numpy as np

from ...many import forward_many
from ...saving import blank_network
from ..table_model import mean_output

BLOCK_VALUES = 2_000_000  # of pre-activations that are held at a time


class ShuffledColumns:
    """Rows of an encoded table, and the rows from which one column at a time is taken.

    Parameters
    ----------
    table : EncodedTable
    inputs : tuple of ndarray
        What `Encoder.sources_of_parts` returned.
    rows, others : ndarray (n,) of int
        The rows to predict, and for each of them the row with the values of the column.
    """

    def __init__(self, table, inputs, rows, others):
        self.rows, self.others, layout = table[rows], table[others], table.layout
        self.layout = layout
        starts = np.cumsum([layout.n_numbers, *layout.n_bins, *layout.n_categories])
        n_positions = len(layout.n_bins)
        #: The first input of each position, and of each code.
        self.position_starts = starts[:n_positions]
        self.code_starts = starts[n_positions : n_positions + len(layout.n_categories)]
        #: (column, kind, position) of the parts of the table, column by column.
        kinds = np.repeat(np.arange(3), [len(part) for part in inputs])
        positions = np.concatenate([np.arange(len(part)) for part in inputs])
        columns = np.concatenate(inputs)
        order = np.argsort(columns, kind="stable")
        self.columns, self.kinds, self.positions = columns[order], kinds[order], positions[order]

    def mean_output(self, networks, sources, n_threads):
        """Return the mean output of networks for each column.

        Parameters
        ----------
        networks : list of MLP
        sources : sequence of int
            The columns, ascending.

        Returns
        -------
        ndarray (n_columns * n, n_out)
            The rows for the first column, then those for the next.
        """
        return np.mean([self._output(net, sources, n_threads) for net in networks], axis=0)

    def _output(self, net, sources, n_threads):
        """Return the outputs of a network, (n_columns * n, n_out)."""
        first, rest = _split(net)
        Z, n = forward_many([first], self.rows, n_threads=n_threads)[0], len(self.rows)
        k = max(1, BLOCK_VALUES // max(1, Z.size))
        out = np.empty((len(sources) * n, net.layer_sizes[-1]))
        for i in range(0, len(sources), k):
            columns = np.asarray(sources[i : i + k])
            changed = self._changes(net.weights[0], columns)
            changed += Z
            changed = changed.reshape(-1, Z.shape[1])
            out[i * n : (i + k) * n] = mean_output([rest], changed, n_threads)
        return out

    def _changes(self, W, columns):
        """Return what each column changes in a first layer W, (n_columns, n, width)."""
        a, b = (
            np.searchsorted(self.columns, columns),
            np.searchsorted(self.columns, columns, "right"),
        )
        parts = np.concatenate([np.arange(*ends) for ends in zip(a, b)])
        of_part = np.repeat(np.arange(len(columns)), b - a)
        out = np.zeros((len(columns), len(self.rows), W.shape[1]), W.dtype)
        for kind, changes in enumerate((self._of_numbers, self._of_positions, self._of_codes)):
            chosen = np.flatnonzero(self.kinds[parts] == kind)
            if len(chosen):
                found, columns = changes(W, self.positions[parts[chosen]]), of_part[chosen]
                if np.all(np.diff(columns) > 0):
                    out[columns] += found
                else:
                    np.add.at(out, columns, found)
        return out

    def _of_numbers(self, W, positions):
        """Return what numbers change, (n_positions, n, width)."""
        changes = self.others.numbers.T[positions] - self.rows.numbers.T[positions]
        return changes[:, :, None] * W[positions][:, None]

    def _of_positions(self, W, positions):
        """Likewise: a bin adds its weight above it, and subtracts it below (see EncodedTable)."""
        layout, starts = self.layout, self.position_starts
        pair = self.others.positions.T[positions], self.rows.positions.T[positions]
        out = np.empty((*pair[0].shape, W.shape[1]), W.dtype)
        for i, j in enumerate(positions):
            n_bins = layout.n_bins[j]
            slopes = 2 * np.float32(layout.position_scale[j]) * W[starts[j] : starts[j] + n_bins]
            knots = np.concatenate([np.zeros_like(slopes[:1]), np.cumsum(slopes, axis=0)])
            added = []
            for x in pair:
                bins = np.minimum(x[i].astype(np.intp), n_bins - 1)
                added.append(knots[bins] + (x[i] - bins)[:, None] * slopes[bins])
            out[i] = added[0] - added[1]
        return out

    def _of_codes(self, W, positions):
        """Likewise for codes: a category adds its weight."""
        scale = np.array(self.layout.code_scale, W.dtype)[positions, None]
        added = []
        for table in (self.others, self.rows):
            codes = table.codes.T[positions]
            inputs = self.code_starts[positions, None] + np.maximum(codes, 0)
            added.append((scale * (codes >= 0))[:, :, None] * W[inputs])
        return added[0] - added[1]


def _split(net):
    """Return the first layer of a network without activation, and the rest, which applies it."""
    n_inputs, width, *others = net.layer_sizes
    first, rest = (
        blank_network(
            dict(
                layer_sizes=sizes,
                activations=activations,
                bias=True,
                dtype=net.dtype,
                dropout=[0.0] * (len(sizes) - 1),
            ),
            np.random.default_rng(0),
        )
        for sizes, activations in (
            ([n_inputs, width], ["identity"]),
            ([width, width, *others], list(net.activations)),
        )
    )
    first.params = np.concatenate([net.weights[0].ravel(), net.biases[0]])
    identity = np.eye(width, dtype=net.dtype).ravel()
    rest.params = np.concatenate(
        [identity, np.zeros(width, net.dtype), net.params[first.n_params :]]
    )
    return first, rest

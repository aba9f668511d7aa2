"""Permutation importances (Breiman, 2001, "Random forests", section 10), and column weights.

The permutation importance of a column is by how much the loss of held-out rows grows if the values
of the column are shuffled between the rows. `importances` returns those of a fitted model.

`column_weights` uses them while other networks train. A network learns large inputs faster than
small ones, so a column without information disturbs less if its inputs are small. How much a column
matters is its importance for the networks of another configuration, on the rows that they held out.
The weights of a fold come from the other folds, so the rows that it holds out do not choose them.
"""

from dataclasses import dataclass

import numpy as np

from ...encoded_table import parts_of, table_of
from ...many import forward_many
from ...mlp import blank_network
from ..encoder import sample
from ..model import mean_output

MIN_ROWS, MAX_ROWS = 200, 2000
#: Most values that are shuffled or copied: for each column, rows times columns.
MAX_VALUES, MAX_WEIGHT_VALUES = 20_000_000, 100_000_000
BLOCK_VALUES = 2_000_000  # of pre-activations that `ShuffledColumns` holds at a time
TABLE_ROWS = 1000  # that are predicted at once
MANY_COLUMNS = 250  # from which on `ShuffledColumns` predicts
MANY_TABLE_ROWS = 100_000  # that are predicted at once, with many columns
TRIAL_ROWS, TRIALS = 50, 3  # that measure the time
NO_COLUMN = -1
SMALLEST = 0.2  # weight of a column without importance, if one of mean importance has weight 1


# ---- importances ----


def importances(model, rows, folds, task, random_state, n_threads, n_most=np.inf, encode=None):
    """Return the permutation importance of each column, and by how much the score gets worse.

    Each row is predicted by the networks that held it out. At most 2,000 rows are used, and from
    100 columns on fewer, down to 200, or `n_most`.

    Parameters
    ----------
    model : TableModel
    rows : FitRows
    folds : list of (ndarray, ndarray)
        Training rows and held-out rows of the folds of the model.
    task : ClassTask or NumberTask
    encode : callable, optional
        encode(parts) returns the EncodedTables of some rows of each fold, one for each encoder of
        the model. By default the encoders encode them.

    Returns
    -------
    importances : ndarray (n_features,)
        0 for columns that are not used.
    drops : ndarray (n_features,), or None
        None if the score is undefined for these rows.
    """
    features, targets = model.features, model.targets
    n_columns, sources = len(features.positions), features.sources()
    most = int(min(n_most, most_rows(n_columns))) // len(folds)
    parts = [sample(held_out, max(1, most), random_state) for _, held_out in folds]
    rows = rows.take(np.concatenate(parts))
    tables = model.encode(rows.numbers, rows.codes) if encode is None else encode(parts)
    order = random_state.permutation(len(rows))
    inputs = [encoder.sources_of_parts(sources) for encoder in model.encoders]
    inputs *= model.n_tables_of_encoder
    shuffled = [
        [_shuffled(*pair, held_out, order[held_out], n_columns) for pair in zip(tables, inputs)]
        for held_out in np.split(np.arange(len(order)), np.cumsum(list(map(len, parts)))[:-1])
    ]
    threshold = task.threshold if task.rule is None else targets.chosen.value

    def predict(k, columns):
        """Return the predictions of a fold: its rows for the first column, then for the next."""
        return model.mix(
            lambda member: shuffled[k][model.table_number(member.encoder, k)].mean_output(
                member.networks[k], columns, n_threads
            )
        )

    def measure(columns):
        """Return the loss for each shuffled column, and the score."""
        found = [predict(k, columns) for k in range(len(folds))]
        P = np.concatenate([p.reshape(len(columns), -1, *p.shape[1:]) for p in found], axis=1)
        calibrated = map(targets.calibrate, P)
        scores = [task.score(targets, p, rows.y, rows.weight, threshold) for p in calibrated]
        return [targets.value(p, rows.y, rows.weight) for p in P], scores

    (loss,), (before,) = measure([NO_COLUMN])
    out, drops = np.zeros(features.n_columns), np.zeros(features.n_columns)
    for columns in _at_once(features.used(), len(order)):
        positions = [features.positions[column] for column in columns]
        losses, scores = measure(columns)
        out[positions] = np.subtract(losses, loss)
        drops[positions] = [task.score_metric.drop(before, after) for after in scores]
    return out, drops if np.isfinite(drops).all() else None


def _at_once(sources, n):
    """Return lists of columns to shuffle in one table of n rows each.

    Reading the weights of many inputs takes longer than computing with a few rows.
    """
    k = max(1, (TABLE_ROWS if len(sources) < MANY_COLUMNS else MANY_TABLE_ROWS) // n)
    return [sources[i : i + k] for i in range(0, len(sources), k)]


def shuffle(table, inputs, sources, rows, others):
    """Return rows of an encoded table once for each column, where they have the values of others.

    Parameters
    ----------
    table : EncodedTable
    inputs : tuple of ndarray
        What `Encoder.sources_of_parts` returned.
    sources : sequence of int
        The columns; `NO_COLUMN` leaves the table as it is.
    rows, others : ndarray (n,) of int
        The rows, and for each of them the row with the values of the column.

    Returns
    -------
    EncodedTable
        The n rows for the first column, then those for the next.
    """
    parts = []
    for values, columns in zip(parts_of(table), inputs):
        stacked = np.concatenate([values[rows]] * len(sources))
        for i, source in enumerate(sources):
            chosen = np.flatnonzero(columns == source)
            copies = slice(i * len(rows), (i + 1) * len(rows))
            stacked[copies, chosen] = values[others[:, None], chosen]
        parts.append(stacked)
    return table_of(parts, table.layout)


class ShuffledTable:
    """Rows of an encoded table of which one column at a time has the values of other rows.

    Parameters
    ----------
    table : EncodedTable
    inputs : tuple of ndarray
        What `Encoder.sources_of_parts` returned.
    rows, others : ndarray (n,) of int
        As in `shuffle`.
    """

    def __init__(self, table, inputs, rows, others):
        self.table, self.inputs, self.rows, self.others = table, inputs, rows, others

    def mean_output(self, networks, columns, n_threads):
        """Return the mean output of networks, (n_columns * n, n_out).

        They are the rows with the first column shuffled, then those with the next.

        Parameters
        ----------
        networks : list of MLP
        columns : list of int
            Ascending, or [NO_COLUMN].
        """
        shuffled = shuffle(self.table, self.inputs, columns, self.rows, self.others)
        return mean_output(networks, shuffled, n_threads)


def _shuffled(table, inputs, rows, others, n_columns):
    """Return the ShuffledTable of a table of so many columns."""
    kind = ShuffledTable if n_columns < MANY_COLUMNS else ShuffledColumns
    return kind(table, inputs, rows, others)


def seconds_per_row(job, encoder, sources, n_threads, clock):
    """Return the estimated seconds that a row takes with each column shuffled, for one network.

    clock : function that returns seconds
    """
    used, rows = np.unique(sources).tolist(), job.held_out[:TRIAL_ROWS]
    few, inputs = used[: TABLE_ROWS // TRIAL_ROWS], encoder.sources_of_parts(sources)
    table = _shuffled(job.table, inputs, rows, rows, len(used))
    times = []
    for _ in range(TRIALS):  # the fastest counts: other programs may interrupt it
        began = clock()
        table.mean_output([job.net], few, n_threads)
        times.append(clock() - began)
    return min(times) / len(rows) * len(used) / len(few)


def most_rows(n_columns, max_values=None):
    """Return the number of rows at most of which the columns are shuffled. max_values : `MAX_VALUES`"""
    max_values = MAX_VALUES if max_values is None else max_values
    return min(MAX_ROWS, max(MIN_ROWS, max_values // max(1, n_columns) ** 2))


# ---- many columns ----


class ShuffledColumns(ShuffledTable):
    """A ShuffledTable of many columns.

    The column changes what its inputs add to the first layer, so that is all that is computed anew:
    the time does not grow with the number of columns squared. Sums differ in the last bits from
    those of the kernels, which add up all inputs.
    """

    def __init__(self, table, inputs, rows, others):
        super().__init__(table, inputs, rows, others)
        self.before, self.after, self.layout = table[rows], table[others], table.layout
        layout = self.layout
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

    def mean_output(self, networks, columns, n_threads):
        if columns == [NO_COLUMN]:
            return super().mean_output(networks, columns, n_threads)
        return np.mean([self._output(net, columns, n_threads) for net in networks], axis=0)

    def _output(self, net, sources, n_threads):
        """Return the outputs of a network, (n_columns * n, n_out)."""
        first, rest = _split(net)
        Z, n = forward_many([first], self.before, n_threads=n_threads)[0], len(self.before)
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
        out = np.zeros((len(columns), len(self.before), W.shape[1]), W.dtype)
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
        changes = self.after.numbers.T[positions] - self.before.numbers.T[positions]
        return changes[:, :, None] * W[positions][:, None]

    def _of_positions(self, W, positions):
        """Likewise: a bin adds its weight above it, and subtracts it below (see EncodedTable)."""
        layout, starts = self.layout, self.position_starts
        pair = self.after.positions.T[positions], self.before.positions.T[positions]
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
        for table in (self.after, self.before):
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


# ---- weights ----


@dataclass(eq=False, repr=False)
class InputWeights:
    """What the inputs of a table are multiplied by while a network trains.

    Attributes
    ----------
    numbers, positions, codes : ndarray
        The weight of each column of `EncodedTable.numbers`, `EncodedTable.positions` and `EncodedTable.codes`.
    """

    numbers: np.ndarray
    positions: np.ndarray
    codes: np.ndarray

    def multiply(self, table):
        """Return the table with weighted inputs."""
        layout = table.layout._replace(
            position_scale=tuple((self.positions * table.layout.position_scale).tolist()),
            code_scale=tuple((self.codes * table.layout.code_scale).tolist()),
        )
        numbers = np.ascontiguousarray(table.numbers * self.numbers, table.dtype)
        return table_of((numbers, table.positions, table.codes), layout)

    def move_into(self, net, layout):
        """Multiply the first layer by the weights, so that the network reads the unweighted table."""
        bins = np.repeat(self.positions, layout.n_bins)
        categories = np.repeat(self.codes, layout.n_categories)
        net.weights[0][...] *= np.concatenate([self.numbers, bins, categories])[:, None]


def column_weights(jobs, encoder, sources, setup, rng, n_most=np.inf):
    """Return the weights of the columns for each fold, whose mean square is 1.

    At most `n_most` rows are used.

    Parameters
    ----------
    jobs : list of Job
        Trained networks of one configuration, one job for each fold, at least two.
    encoder : Encoder
        That of the configuration.
    sources : ndarray of int
        What `Features.sources` returned.
    setup : JobSetup
    rng : numpy.random.Generator

    Returns
    -------
    ndarray (n_folds, sources.max() + 1)
        0 for columns without features. With ``setup.informs`` one more row, for ALL_ROWS.
    """
    used, targets = np.unique(sources).tolist(), setup.targets
    inputs = encoder.sources_of_parts(sources)
    most = max(1, int(min(n_most, most_rows(len(used), MAX_WEIGHT_VALUES))) // len(jobs))
    out = np.zeros((len(jobs), len(used)))
    for job, found in zip(jobs, out):
        rows = sample(np.arange(len(job.held_out)), most, rng)
        others, losses = rows[rng.permutation(len(rows))], []
        y, weight = setup.rows.targets(job.held_out[rows])
        shuffled = _shuffled(job.held_out_table(), inputs, rows, others, len(used))
        for columns in ([NO_COLUMN], *_at_once(used, len(rows))):
            P = targets.finish(shuffled.mean_output(job.networks, columns, setup.n_threads))
            P = P.reshape(len(columns), len(rows), *P.shape[1:])
            losses += [targets.value(p, y, weight) for p in P]
        found[:] = np.subtract(losses[1:], losses[0])
    found = weights_from(_of_other_folds(out, setup.informs))
    weights = np.zeros((len(found), used[-1] + 1))
    weights[:, used] = found
    return weights


def _of_other_folds(importances, informs):
    """Return the mean importances of the folds that may inform each fold.

    importances : ndarray (n_folds, n_columns)
    informs : ndarray (n_folds, n_folds) of bool, or None
        As in `FitSplit`. With it the result has one more row, of all folds, for networks that train
        on all rows.
    """
    n_folds = len(importances)
    if informs is None:
        return (importances.sum(axis=0) - importances) / (n_folds - 1)
    informs = np.vstack([informs, np.ones(n_folds, bool)])
    return informs @ importances / np.maximum(1, informs.sum(axis=1, keepdims=True))


def weights_from(importances):
    """Return the weights of columns from their importances (n_folds, n_columns).

    They are square roots, whose mean square is 1, or all 1 if no column is important.
    """
    positive = np.maximum(importances, 0)
    mean = positive.mean(axis=1, keepdims=True)
    weights = np.sqrt(np.divide(positive, mean, out=np.ones_like(positive), where=mean > 0))
    weights = np.maximum(weights, SMALLEST)
    return weights / np.sqrt((weights**2).mean(axis=1, keepdims=True))


def set_weights(jobs, weights, encoders, sources):
    """Set the weights of the inputs of jobs.

    Parameters
    ----------
    jobs : list of Job
    weights : ndarray (n_folds, n_columns)
    encoders : dict of EncoderSettings to Encoder
    sources : ndarray of int
        What `Features.sources` returned.
    """
    for job in jobs:
        inputs = encoders[job.configuration.encoding].sources_of_parts(sources)
        job.weights = InputWeights(*(weights[job.fold, part].astype(np.float32) for part in inputs))

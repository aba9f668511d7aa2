"""The table of `fastnn train`: in memory, or in Parquet files that are read in parts."""

import os

import numpy as np

from ..core.messages import plural
from ..tables.table_errors import import_pyarrow
from .console import CommandError


def open_table(file, text_columns, keep, window):
    """Return the MemoryTable or StreamedTable of a command.

    Parameters
    ----------
    file : TableFile
    text_columns, keep : collection of str
        As in `fastnn.tables.read`.
    window : int or None
        Most rows in memory.
    """
    parquet = file.open_parquet(text_columns, keep)
    if parquet is None:
        if window is not None:
            raise CommandError(
                f"{file.name}: --window is for Parquet files. Leave it out, or convert the table."
            )
        return MemoryTable(file.read(text_columns, keep))
    from ..tabular.large import sampling  # scikit-learn, which errors of files need not wait for

    n_columns = len(parquet.names)
    if window is not None or not sampling.fits(parquet.n_rows, n_columns):
        return StreamedTable(parquet, window or sampling.default_window(n_columns))
    if not os.path.isdir(file.path):
        return MemoryTable(file.read(text_columns, keep))
    parquet.select(parquet.names)
    parts = [table for _, _, table in parquet.parts(for_training=True)]
    return MemoryTable(import_pyarrow().concat_tables(parts))


class MemoryTable:
    """A table in memory.

    Attributes
    ----------
    column_names : list of str
    n_rows : int
    """

    is_in_memory = True

    def __init__(self, table):
        self._table, self.column_names = table, table.column_names
        self.n_rows = table.num_rows

    def column(self, name):
        return self._table.column(name)

    def set_target(self, target):
        """Keep the rows that have a target, with the target as it is learned."""
        pa = import_pyarrow()
        table = self._table.take(pa.array(target.rows))
        i = table.column_names.index(target.name)
        self._table = table.set_column(i, target.name, [target.values])

    def sample(self, target):
        """Return the rows that decide what columns are: all that have the target, if there is one."""
        if target is not None:
            self.set_target(target)
        return self._table

    def take(self, rows):
        """Yield the rows with these positions, in parts."""
        yield self._table.take(import_pyarrow().array(rows))

    def training_rows(self, target, rows, roles):
        """Return the TrainingRows with these positions. roles : RowRoles"""
        (table,) = self.take(rows)
        return TrainingRows(target, rows, table, roles)


class StreamedTable:
    """Parquet files that do not fit in memory. Memory holds the target of all rows.

    Parameters
    ----------
    parquet : ParquetTable
    window : int
        Most rows in memory.

    Attributes
    ----------
    column_names : list of str
    n_rows : int
    file : str
    file_rows : ndarray
        The file of the part that was read last, and the numbers of its rows there.
    """

    is_in_memory = False

    def __init__(self, parquet, window):
        self._parquet, self.window = parquet, window
        self.column_names, self.n_rows = parquet.names, parquet.n_rows

    def column(self, name):
        """Read a column as a whole."""
        self._parquet.select([name])
        parts = [table.column(name) for _, _, table in self._parquet.parts(for_training=True)]
        return import_pyarrow().chunked_array([chunk for part in parts for chunk in part.chunks])

    def set_target(self, target):
        """Select the rows that have a target, with the target as it is learned."""
        self._target = target
        self._parquet.select(self.column_names)

    def sample(self, target):
        """Return the rows in memory, which decide what columns are."""
        from ..tabular.large import sampling

        if target is not None:
            self.set_target(target)
            parts = list(self.take(sampling.numbers(len(target.rows), self.window)))
            return import_pyarrow().concat_tables(parts)
        self._parquet.select(self.column_names)
        numbers, start, parts = sampling.numbers(self.n_rows, self.window), 0, []
        for _, _, table in self._parquet.parts(for_training=True):
            low, high = np.searchsorted(numbers, [start, start + table.num_rows])
            parts.append(table.take(import_pyarrow().array(numbers[low:high] - start)))
            start += table.num_rows
        return import_pyarrow().concat_tables(parts)

    def take(self, rows):
        """Yield the rows with these positions among those with a target, ascending, in parts."""
        pa = import_pyarrow()
        numbers, start = self._target.rows[rows], 0
        for file, first, table in self._parquet.parts(for_training=True):
            low, high = np.searchsorted(numbers, [start, start + table.num_rows])
            in_part = numbers[low:high] - start
            start += table.num_rows
            if low < high:
                self.file, self.file_rows = file, first + in_part
                part = table.take(pa.array(in_part))
                values = self._target.values.take(pa.array(rows[low:high]))
                i = self.column_names.index(self._target.name)
                yield part.set_column(i, self._target.name, [values])

    def training_rows(self, target, rows, roles):
        return StreamedRows(self, target, rows, roles)


class TrainingRows:
    """The rows that a model is fitted to.

    Parameters
    ----------
    target : Target
    rows : ndarray
        Positions among the rows with a target.
    table : pyarrow.Table
        These rows with the target.
    roles : RowRoles
        The columns of times, groups and weights.

    Attributes
    ----------
    sample : pyarrow.Table
        Rows that describe all rows.
    """

    def __init__(self, target, rows, table, roles):
        self.target, self.rows, self.sample, self.roles = target, rows, table, roles

    def fit(self, model, resume, executor):
        """Fit a model, or continue the training of one, with the ranks of an MPI job if there are any."""
        options = dict(resume=resume, executor=executor)
        model.fit(self.sample, self.target.name, **options, **self.roles.passed)

    def predicted(self, model):
        """Return the positions of the rows that `oof_prediction_` of the model has."""
        return self.rows

    def sample_positions(self, rows):
        """Return the positions in `sample` of rows that `predicted` returned."""
        return np.searchsorted(self.rows, rows)

    def locate_error(self, error):
        """Return the file of the rows that an error of `fit` counts, and their numbers there.

        The file is None if it is that of the command.
        """
        return None, self.target.rows[self.rows]

    def describe(self):
        """Return a text about the rows in memory, "" if they are all."""
        return ""


class StreamedRows(TrainingRows):
    """Rows that are read in parts, in each pass again: row groups for `fit`.

    Parameters
    ----------
    table : StreamedTable
    target, rows, roles
        As in `TrainingRows`.
    """

    def __init__(self, table, target, rows, roles):
        from ..tabular.large import sampling

        self._table = table
        self.target_name = target.name
        chosen = self._chosen = sampling.numbers(len(rows), table.window)
        parts = list(table.take(rows[chosen]))
        super().__init__(target, rows, import_pyarrow().concat_tables(parts), roles)

    def __iter__(self):
        for part in self._table.take(self.rows):
            y = part.column(self.target.name).to_numpy()
            yield part.drop_columns([self.target.name]), y

    def describe_group(self, i, first):
        """Return what messages call the part that was read last."""
        return f"{self._table.file}, the rows read last"

    def fit(self, model, resume, executor):
        options = dict(resume=resume, executor=executor)
        model.fit(self, window=self._table.window, **options, **self.roles.passed)

    def sample_positions(self, rows):
        return np.searchsorted(self.rows[self._chosen], rows)

    def predicted(self, model):
        return self.rows if model.oof_rows_ is None else self.rows[model.oof_rows_]

    def locate_error(self, error):
        if getattr(error, "place", ""):  # the rows of the part that was read last
            return self._table.file, self._table.file_rows
        return super().locate_error(error)

    def describe(self):
        if self.sample.num_rows == len(self.rows):
            return ""
        return (
            f"{plural(self.sample.num_rows, 'row')} in memory decide about the columns and give the "
            "scores; the networks train on all rows"
        )

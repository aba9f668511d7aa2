"""The table of a command: its options, its file, its rows, and what its columns hold.

A `TableFile` reads the table and knows where its rows are in the file. `open_table` returns its rows,
in memory or in Parquet files that are read in parts.
"""

import os
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from .. import datasets
from ..core.errors import DataError
from ..core.messages import format_share, format_value, one_line, plural, printable
from ..tables import arrow_files, files, formats, source
from ..tables.cells.recognition import is_missing_mark
from ..tables.checks import check_data, find_duplicate_rows
from ..tables.column_layout import ReadOptions
from ..tables.errors import import_pyarrow
from ..tables.source import without_secrets
from .console import CommandError, CommandWords, Notes
from .options import flag, option, option_group, repeated

#: The fields of ReadOptions that the record of a training has if they are not the defaults.
READ_OPTIONS = tuple(each.name for each in fields(ReadOptions) if each.name != "text_columns")


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """The options of `fastnn.tables.read` on the command line."""

    sep: str | None = option("CHAR", "character between values; also tab or space")
    encoding: str | None = option("NAME", "encoding of a text file, such as latin-1 or utf-16")
    no_header: bool = flag(
        "the first line holds values; the columns are column_1, column_2, ...", argument="header"
    )
    na: list[str] | None = repeated(
        "VALUE", "another value that means missing, such as -999; can be repeated"
    )
    decimal: str | None = option("MARK", "decimal mark: . or ,", choices=(".", ","))
    comment: str | None = option("TEXT", "leave out lines that begin with this text, such as #")
    sheet: str | None = option("SHEET", "name or number of the sheet of a spreadsheet")
    sql: str | None = option(
        "QUERY",
        f"what to read from an {formats.format_names('sql')} file (default: its only table)",
    )
    skip_bad_lines: bool = flag(
        "leave out lines with more values than there are columns (default: an error)"
    )

    def reading(self):
        """Return the ReadOptions."""
        sheet: Any = self.sheet
        if sheet is not None and sheet.isascii() and sheet.isdigit():
            sheet = int(sheet)
        own = {name: value for name, value in vars(self).items() if name != "no_header"}
        return ReadOptions(
            **own | {"sheet": sheet, "na": tuple(self.na or ()), "header": not self.no_header}
        )


def table_options() -> Any:
    """Return the field for the options of the table file of a command."""
    return option_group(TableOptions, "options of the table file")


def to_words(reading):
    """Return the words of a command line for ReadOptions of the user."""
    words: list = []
    for name in READ_OPTIONS:
        value = getattr(reading, name)
        words += [f"--{name}", str(value)] if type(value) in (str, int) else []
    words += [word for value in reading.na for word in ("--na", value)]
    words += [] if reading.header else ["--no-header"]
    return words + (["--skip-bad-lines"] if reading.skip_bad_lines else [])


class TableFile:
    """The table of a command, and how it is read.

    Parameters
    ----------
    data : str
        The table: a path, an address, the name of a sample table, or - for standard input.
    options : ReadOptions
    notes : Notes, optional
        For whatever is said about the table and its rows. By default they are printed.
    target : str, optional
        The column that messages call the target.

    Attributes
    ----------
    name : str
        As in the command, without secrets.
    path : str
    """

    def __init__(self, data, options, notes=None, target=None):
        self.notes = Notes() if notes is None else notes
        self.name = without_secrets(data)
        self.path = resolve_table_path(data)
        self.options = options
        self._reader: Any = None
        self._target = target

    def read(self, text_columns=(), keep=()):
        """Return the table as a pyarrow.Table. Each guess is noted.

        text_columns, keep : collection of str
            As in `fastnn.tables.read`.
        """
        options = replace(self.options, text_columns=text_columns)
        self._reader = files.TableReader(self.path, options, keep)
        return self._reader.read(self.notes)

    def reading(self):
        """Return how the table was read, for the record of a training: JSON."""
        given = {
            name: list(value) if name == "na" else value
            for name in READ_OPTIONS
            if (value := getattr(self.options, name)) != getattr(ReadOptions(), name)
        }
        encoding = None if self._reader is None else self._reader.guessed_encoding
        return given | ({} if encoding is None else {"guessed_encoding": encoding})

    def open_parquet(self, text_columns, keep):
        """Return the ParquetTable of a Parquet file or a folder of them, None for other tables.

        Each guess is noted.
        """
        is_parquet = self.path != "-" and arrow_files.holds_parquet(self.path)
        options = self.options
        if not is_parquet or options.sheet is not None or options.sql is not None:
            return None
        return arrow_files.ParquetTable(self.path, text_columns, options.na, keep, self.notes)

    def files(self):
        """Return the files that hold the table."""
        if not os.path.isdir(self.path):
            return [self.path]
        return [part.path for part in source.list_parts(self.path)]

    def locate(self, row):
        """Return the file that holds a row of the table, and 'line N' or 'row N' of it."""
        if self._reader is None:
            self._reader = files.TableReader(self.path, self.options)
        path, place = self._reader.locate(row)
        return (self.name if path == self.path else path), place

    def explain(self, error, file=None, rows=None):
        """Return the CommandError for what an estimator refuses.

        error : Exception
        file : str, optional
            The file of the rows that the error counts, if it is another than the table.
        rows : sequence of int, optional
            Their numbers in it.
        """
        place = self.name if file is None else file
        if not isinstance(error, DataError):  # of another library
            return CommandError(f"{place}: {one_line(error)}")
        line = None
        if error.row is not None:
            reader: Any = self
            if place != self.name:
                reader = files.TableReader(resolve_table_path(place), self.options)
            place, line = reader.locate(int(rows[error.row]))
        words = CommandWords(self._target, lambda row: line)
        texts = (words.say(error.problem), words.say(error.advice))
        return CommandError(f"{place}: {' '.join(filter(None, map(one_line, texts)))}")


def resolve_table_path(path):
    """Return the path of a table. The names of the sample tables stand for their files, unless
    the working directory has a file of that name."""
    sample = os.path.join(os.path.dirname(datasets.__file__), f"{path}.csv.gz")
    is_sample = path.isidentifier() and not os.path.exists(path) and os.path.exists(sample)
    return sample if is_sample else path


# ---- the rows ----


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
    from ..tabular.large import large_table  # scikit-learn, which errors of files need not wait for

    n_columns = len(parquet.names)
    if window is not None or not large_table.fits_in_memory(parquet.n_rows, n_columns):
        return StreamedTable(parquet, window or large_table.default_window(n_columns))
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
        from ..tabular.large import large_table

        if target is not None:
            self.set_target(target)
            parts = self.take(large_table.sample_numbers(len(target.rows), self.window))
        else:
            self._parquet.select(self.column_names)
            parts = self._take_numbers(large_table.sample_numbers(self.n_rows, self.window))
        return import_pyarrow().concat_tables(parts)

    def take(self, rows):
        """Yield the rows with these positions among those with a target, ascending, in parts."""
        low, target = 0, self._target
        for table in self._take_numbers(target.rows[rows]):
            high = low + table.num_rows
            values = target.values.take(import_pyarrow().array(rows[low:high]))
            yield table.set_column(self.column_names.index(target.name), target.name, [values])
            low = high

    def _take_numbers(self, numbers):
        """Yield the rows with these numbers in all files, ascending, in parts that are not empty."""
        start = 0
        for file, first, table in self._parquet.parts(for_training=True):
            low, high = np.searchsorted(numbers, [start, start + table.num_rows])
            in_part = numbers[low:high] - start
            start += table.num_rows
            if low < high:
                self.file, self.file_rows = file, first + in_part
                yield table.take(import_pyarrow().array(in_part))

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
        from ..tabular.large import large_table

        self._table = table
        self.target_name = target.name
        chosen = self._chosen = large_table.sample_numbers(len(rows), table.window)
        parts = list(table.take(rows[chosen]))
        super().__init__(target, rows, import_pyarrow().concat_tables(parts), roles)

    def __iter__(self):
        for table in self._table.take(self.rows):
            y = table.column(self.target.name).to_numpy()
            yield table.drop_columns([self.target.name]), y

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


# ---- facts before training ----

MOST_FREQUENT = 3  # categories of a column


@dataclass
class ColumnSummary:
    """Summary of the values of a column.

    Attributes
    ----------
    label : str
    kind : str or None
        What it was taken for; None if it is left out.
    missing : float
        Share of the rows.
    n_distinct : int
        Number of distinct values, without missing ones.
    text : str
        The range of numbers and dates, the most frequent categories, or an example of texts that
        are left out.
    """

    label: str
    kind: str | None
    missing: float
    n_distinct: int
    text: str


def summarize(frame, features):
    """Return the ColumnSummary of each column of a training table, in its order.

    Parameters
    ----------
    frame : Frame
        The table without its target.
    features : Features
        What its columns were taken for.
    """
    kinds = features.kinds()
    column_at = dict(zip(features.positions, features.columns))
    return [
        _used(raw, column_at[i]) if label in kinds else _left_out(raw, label)
        for i, (label, raw) in enumerate(zip(frame.labels(), frame.columns))
    ]


def summarize_unused(frame):
    """Return the ColumnSummary of each column of a table of which no column can be used."""
    return [_left_out(raw, label) for label, raw in zip(frame.labels(), frame.columns)]


def _used(raw, column):
    contents = column.summarize(column.convert(raw), format_value)
    if contents.span is None:
        text = _most_frequent(contents.counts, len(raw.values))
    else:
        low, middle, high = contents.span
        text = f"{low} to {high}, median {middle}" if low != high else low
    return ColumnSummary(column.label, column.kind, contents.missing, contents.n_distinct, text)


def _most_frequent(counts, n):
    counts = sorted(((text, k) for text, k in counts.items() if k), key=lambda item: -item[1])
    parts = [f"{printable(text, 24)} {format_share(k / n)}" for text, k in counts[:MOST_FREQUENT]]
    return ", ".join(parts) + (", ..." if len(counts) > MOST_FREQUENT else "")


def _left_out(raw, label):
    if raw.kind == "text":
        is_missing = np.array([*map(is_missing_mark, raw.texts), True])[raw.values]
    else:
        is_missing = np.isnan(raw.values)
    n_distinct = len(np.unique(raw.values[~is_missing]))
    text = ""
    if raw.kind == "text" and n_distinct:
        text = f"such as {printable(raw.texts[raw.values[~is_missing][0]], 24)}"
    return ColumnSummary(label, None, float(is_missing.mean()), n_distinct, text)


def list_data_checks(table, target, drop):
    """Return the DataIssues of a table, without what the estimator leaves out itself."""
    is_text = import_pyarrow().types.is_string
    found = check_data(table.drop_columns(drop), target)
    return _in_words(
        s
        for s in found
        if s.kind not in ("empty", "constant")
        and not (s.kind == "id" and is_text(table.column(s.column).type))
    )


def list_training_checks(table, target, roles, drop, seed=0, is_resumed=False):
    """Return the DataIssues of a table to train on, and ways to split its rows.

    Ways to split are suggested only if the user has chosen none.

    Parameters
    ----------
    table : pyarrow.Table
    target : Target
    roles : dict
        The columns of --time, --group and --weight, None for those that are not given.
    drop : list of str
        Columns that are not inputs.
    seed : int
    is_resumed : bool
        Whether a training is continued, whose rows have been split.
    """
    from ..tabular import split_check
    from ..tabular.columns import frames

    found = list_data_checks(table, target.name, drop)
    not_inputs = {roles["group"], roles["weight"]} - {None}
    if not_inputs and any(issue.kind == "duplicate rows" for issue in found):
        # Rows of other groups, or with other weights, are not copies.
        found = [issue for issue in found if issue.kind != "duplicate rows"]
        copies = find_duplicate_rows(table.drop_columns([n for n in drop if n not in not_inputs]))
        found += _in_words([] if copies is None else [copies])
    tried, kinds, times = [], set(), {roles["time"]}
    if roles["time"] is not None or roles["group"] is not None:
        kinds = set(split_check.COVERED_KINDS)
    elif not is_resumed:
        frame, y = frames.split_target(table.drop_columns(drop), target.name)
        tried = split_check.find_splits(frame, y, not target.is_number, seed)
        kinds = {kind for issue in tried for kind in split_check.COVERED_KINDS[issue.kind]}
        times = {issue.column for issue in tried if issue.kind == "time"}
    found = [
        issue
        for issue in found
        if issue.kind not in kinds
        # A row has neighbours in time whose target it has: that is not a leak.
        and not (issue.kind == "target alone" and issue.column in times)
    ]
    return found + _in_words(tried)


def _in_words(issues):
    """Return DataIssues in the words of the command line."""
    words = CommandWords()
    return [replace(issue, text=words.say(issue.text)) for issue in issues]

"""The rows of a table for a model: read part by part, checked, scored, and written with what it says."""

import contextlib
import shlex
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import DataError
from ..core.messages import did_you_mean, has_lone_surrogate, plural, printable, reason
from ..tables import files
from ..tables.cells.numbers import PLAIN_STYLE, is_wide, to_whole
from ..tables.cells.recognition import count_rows, recognise, recognise_in_style, to_values
from ..tables.errors import NoRowsError, import_pyarrow
from ..tables.files import writing
from ..tables.source import without_secrets
from ..tables.text_files import needs_quotes, to_csv
from ..tabular.columns.category import describe_unknown
from ..tabular.drift.changes import find_changes
from ..tabular.explaining.explanation import format_words, most_likely_arrays, most_of
from ..tabular.predictions import check_columns
from ..tabular.targets import label_text
from .console import CommandError
from .model_file import open_like_training, target_style
from .options import check_output
from .record import Scores
from .scores import score_rows, threshold_of
from .table_file import TableFile
from .train_options import split_names

BLOCK = 20_000  # rows that are predicted, and written, at a time
DIGITS = 8  # of predictions: networks compute in float32
MAX_NOTES = 6  # about columns
#: What an explained number is called as a column, by its scale.
EXPLAINED_NAMES = {"probability": "probability", "log-odds": "log_odds", "target": "prediction"}


@dataclass
class RowsPart:
    """Some rows of a table.

    Attributes
    ----------
    inputs : pyarrow.Table
        The columns of the training table.
    kept : pyarrow.Table
        The columns of --keep.
    target : pyarrow.ChunkedArray or None
    path : str
        The file.
    first : int
        The number of the first row in the file.
    """

    inputs: Any
    kept: Any
    target: Any
    path: str
    first: int

    def take(self, rows):
        """Return some rows. rows : pyarrow.Array of positions"""
        target = None if self.target is None else self.target.take(rows)
        return RowsPart(self.inputs.take(rows), self.kept.take(rows), target, self.path, self.first)


class ModelRows:
    """The table of a command. Parquet files are read in parts, other files as a whole.

    Columns that are not inputs are read as texts, so that --keep copies 007 as it is.

    Parameters
    ----------
    file : TableFile
    model : TabularClassifier or TabularRegressor
    keep : list of str, optional
        The columns of --keep.
    needs_all : bool, default True
        Whether it is an error if the table lacks a column that the model uses.

    Attributes
    ----------
    file : TableFile
    n_rows : int
    has_target : bool
    absent : list of str
        Columns that the model uses and the table lacks.
    others : list of str
        Columns of the table that the training table did not have.
    """

    def __init__(self, file, model, keep=None, needs_all=True):
        self.file, self._target = file, model.facts().target
        features, keep = model.features_, keep or []
        self._features, self._used = features.names, features.used_names()
        named = {*self._used, *split_names(keep), *keep}
        self._source = _open(
            file,
            _AllBut(_typed_columns(model)),
            _AllBut(()) if keep == ["all"] else named,
            self._used,
        )
        names, self.n_rows = self._source.names, self._source.n_rows
        if needs_all:
            try:
                check_columns(names, self._used)
            except DataError as error:
                raise file.explain(error) from None
        known = {*self._features, self._target}
        self.absent = [name for name in self._used if name not in names]
        self.others = [name for name in names if name not in known]
        self._kept = _names_to_keep(file, keep, names)
        self.has_target = self._target in names
        wanted = {*self._used, *self._kept, self._target}
        read = [name for name in names if name in wanted]
        self._source.select(read or names[:1])  # without columns there would be no rows

    def parts(self):
        """Yield each RowsPart. The table is read again in each call."""
        pa = import_pyarrow()
        read = {*self._used} - {*self.absent}
        for path, first, table in self._source.parts(BLOCK):
            empty = pa.nulls(table.num_rows)  # of columns that were left out in the training
            columns = [table[name] if name in read else empty for name in self._features]
            yield RowsPart(
                pa.Table.from_arrays(columns, self._features),
                table.select(self._kept),
                table[self._target] if self.has_target else None,
                path,
                first,
            )

    @contextlib.contextmanager
    def explained(self, part):
        """Turn the errors of an estimator into one line that names the file and the line in it."""
        try:
            yield
        except ValueError as error:
            rows = range(part.first, part.first + part.inputs.num_rows)
            raise self.file.explain(error, part.path, rows) from None


def _typed_columns(model):
    """Return the columns of a model that are not read as texts."""
    typed = {*model.features_.used_names()} - {*model.features_.texts()}
    has_texts = model.is_classifier and isinstance(model.classes_[0], str)  # so 01 and 1 differ
    if not has_texts and target_style(model) in (None, PLAIN_STYLE):
        typed.add(model.facts().target)
    return typed


class _AllBut:
    """The names of all columns but some."""

    def __init__(self, names):
        self.names = names

    def __contains__(self, name):
        return name not in self.names


class _WholeTable:
    """A table in memory, with the methods of a ParquetTable."""

    def __init__(self, path, table):
        self._path, self._table = path, table
        self.names, self.n_rows = table.column_names, table.num_rows

    def select(self, names):
        self._table = self._table.select(names)

    def parts(self, most_rows):
        for first in range(0, max(1, self.n_rows), most_rows):
            yield self._path, first, self._table.slice(first, most_rows)


def _open(file, text_columns, keep, used):
    """Return a ParquetTable or a _WholeTable. used : the inputs of the model"""
    try:
        parquet = file.open_parquet(text_columns, keep)
        if parquet is not None:
            return parquet
        return _WholeTable(file.name, file.read(text_columns, keep))
    except NoRowsError as error:
        file.notes(f"{file.name} has no rows, so the output has none")
        names = error.names or used  # an empty JSON array has no columns
        pa = import_pyarrow()
        return _WholeTable(file.name, pa.table({name: pa.nulls(0) for name in names}))


def _names_to_keep(file, texts, names):
    """Return the names of --keep. A column that is named all is kept with all others."""
    if texts == ["all"]:
        return names
    keep = split_names(texts, names)
    for name in keep:
        if name not in names:
            raise CommandError(
                f"--keep: {file.name} has no column {printable(name)!r}. "
                + did_you_mean(name, names)
            )
    return keep


# ---- checks ----


def check_model(path, model):
    """Raise CommandError if the rows of a table cannot be those of a model.

    path : of the model
    """
    names = model.features_.names
    if names is None:
        raise CommandError(
            f"{path}: was trained on an array, whose columns have no names. Load it in "
            "Python with fastnn.load, or train it on a table with column names."
        )
    labels = map(label_text, model.classes_.tolist()) if model.is_classifier else ()
    for what, texts in (("column", names), ("class", labels)):
        for text in filter(has_lone_surrogate, texts):  # a table cannot have it
            raise CommandError(
                f"{path}: has the {what} {printable(text)!r}, which UTF-8 cannot hold. "
                "Load it in Python with fastnn.load, or train it on a table with another name."
            )


def open_rows(options, model, notes):
    """Open the table and the output of a command, check all rows, and note what was found.

    Parameters
    ----------
    options : Options of `predict` or `explain`
    model : StoredClassifier or StoredRegressor
    notes : Notes

    Returns
    -------
    ModelRows, RowWriter
    dict
        What was found, for --json.
    """
    if options.out is not None:
        files.check_extension(options.out)
        table = TableFile(options.data, options.table.reading())
        check_output(options.out, *table.files(), options.model)
    rows = ModelRows(open_like_training(options, model, notes), model, options.keep)
    writer = RowWriter(options.out, options.json)
    unknown, others, drift = _check_rows(model, rows, writer)
    _note_all(notes, others.notes(), "such values")
    texts = [describe_unknown(name, n, example) for name, (n, example) in unknown.items()]
    _note_all(notes, texts, "unknown categories")
    if drift is not None:
        _note_drift(drift, options.model, options.data, notes)
    findings = {
        "unknown_categories": {
            name: {"rows": n, "example": text} for name, (n, text) in unknown.items()
        },
        "other_values": {
            name: {"rows": other.n_rows, "example": other.texts[0]}
            for name, other in others.found.items()
        },
        "drift": None if drift is None else drift.to_json(),
    }
    return rows, writer, findings


def _check_rows(model, rows, writer):
    """Read all values, and return what was found.

    Returns
    -------
    unknown : dict of str to (int, str)
        The number of rows with unknown categories of each column, and an example.
    others : OtherTextsOfParts
        The texts that are not what their column holds.
    drift : DriftReport or None
        None for a model of an older version.
    """
    from ..tabular.columns import frames
    from ..tabular.columns.other_texts import OtherTextsOfParts

    found: dict = {}
    features, facts = model.features_, model.facts()
    others = OtherTextsOfParts(features)
    new = None if facts.n_rows is None else model.new_rows()
    for part in rows.parts():
        with rows.explained(part):
            frame = frames.read(part.inputs)
            unknown = features.unknown_categories(frame)
            others.add(frame)
            if new is not None:
                new.add(frame)
        for name, (n, example) in unknown.items():
            n_before, first_example = found.get(name, (0, example))
            found[name] = n_before + n, first_example
        writer.find_quotes(part.kept)
    unknown = {name: found[name] for name in features.kinds() if name in found}
    return unknown, others, None if new is None else find_changes(new, facts.time)


def _note_drift(drift, model, data, notes):
    """Note the columns that have changed. Unknown categories and other texts have been noted.

    model, data : the model file and the table, as in the command
    """
    changes = [c for c in drift.changes if c.is_drift and c.kind not in ("unknown", "type")]
    texts = [
        f"column {printable(c.column)!r}: {c.what} ({c.training} in training, {c.new} now)"
        for c in changes
    ]
    _note_all(notes, texts, "such changes")
    if changes:
        command = shlex.join(["fastnn", "check", model, without_secrets(data)])
        notes(f"these rows are not like the training rows. All changes: {command}")


def _note_all(notes, texts, what):
    """Note the first texts, each of which is about a column, and how many there are besides."""
    for text in texts[:MAX_NOTES]:
        notes(text)
    if len(texts) > MAX_NOTES:
        notes(f"{what} in {plural(len(texts) - MAX_NOTES, 'more column')}")


# ---- targets and scores ----


def score_columns(model, columns, outputs, note) -> Scores | None:
    """Return the Scores of predictions, or None if no row has a target that can be used.

    Parameters
    ----------
    model : TabularClassifier or TabularRegressor
    columns : list of pyarrow.ChunkedArray
        The target of each part of the rows.
    outputs : list of ndarray (n,) or (n, n_classes)
        Predicted numbers, or probabilities, of each part.
    note : Notes
        For the number of rows that are not scored.
    """
    outputs = np.concatenate(outputs)
    if outputs.ndim == 2 and not model.is_classifier:  # quantiles
        return None
    y, rows = read_targets(model, columns, note)
    if not rows.any():
        return None
    return score_rows(model, y[rows], outputs[rows], threshold_of(model))


def read_targets(model, columns, note):
    """Return class numbers or numbers (n,), and which of them can be scored. Note how many cannot.

    model, columns, note : as in `score_columns`
    """
    column = import_pyarrow().chunked_array([chunk for c in columns for chunk in c.chunks])
    if model.is_classifier:
        y, what = _class_codes(model, column), "one of the classes"
        rows = y >= 0
    else:
        y, what = _numbers(column, target_style(model)), "a number"
        rows = np.isfinite(y)
    n = np.count_nonzero(~rows)
    if n:
        name = printable(model.facts().target)
        note(f"{plural(n, 'row')} not scored: the target {name!r} is missing or not {what}")
    return y, rows


def _class_codes(model, column):
    """Return the position of each class in `classes_`, -1 if it is missing or none of them."""
    pa = import_pyarrow()
    exact = {label_text(label): i for i, label in enumerate(model.classes_.tolist())}
    similar: dict = {}
    for text, i in exact.items():
        similar.setdefault(_normalize(text), []).append(i)

    def code(value):
        text = label_text(value)
        if text in exact:
            return exact[text]
        found = similar.get(_normalize(text), ())
        return found[0] if len(found) == 1 else -1

    encoded = column.combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    codes = [code(value) for value in encoded.dictionary.to_pylist()]
    indices = encoded.indices.fill_null(len(codes)).to_numpy(zero_copy_only=False)
    return np.array([*codes, -1])[indices]


def _normalize(text):
    """Return the same text for 1, 1.0 and 01, and for true and TRUE."""
    try:
        return str(to_whole(text)) if is_wide(text) else f"{float(text):.17g}"
    except ValueError:
        return text.strip().lower()


def _numbers(column, style):
    """Return a column as float64, NaN for values that are not numbers.

    style : how the numbers of the training table were written as texts, or None
    """
    pa = import_pyarrow()
    types = pa.types
    if types.is_string(column.type):
        counts = count_rows(column)
        if style is None:
            found = recognise(list(counts), lambda: counts)
        else:
            found = recognise_in_style(list(counts), "number", style)
        if found is not None:
            column = to_values(column, counts, found)
    kind = column.type
    if types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
        return np.full(len(column), np.nan)
    return column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy()


# ---- explanations ----


def explanation_columns(explanation):
    """Return {name: array}: what is explained, its base, and one column for each contribution.

    Of several classes, it is the most probable one of each row. Columns of free text have one more, with
    the words that have the largest shares.
    """
    ones, kept = most_likely_arrays(explanation)
    columns = {}
    if explanation.scale != "target":
        labels = [label_text(output) for output in explanation.outputs]
        columns["class"] = np.array([labels[k] for k in kept], dtype=str)
    elif len(explanation.outputs) > 1:
        columns["quantile"] = np.array([explanation.outputs[k] for k in kept], float)
    columns[EXPLAINED_NAMES[explanation.scale]] = round_numbers(ones["predictions"])
    columns["base"] = round_numbers(ones["base_values"])
    for name, values in zip(explanation.columns, ones["values"].T):
        columns[f"contribution_{name}"] = round_numbers(values)
    for name, rows in explanation.words.items():
        one = [(words, a if a.ndim == 1 else a[:, k]) for (words, a), k in zip(rows, kept)]
        texts = [" ".join(format_words(most_of(found))) for found in one]
        columns[f"words_{name}"] = np.array(texts, dtype=str)
    return columns


# ---- output ----


class RowWriter:
    """Writes blocks of rows to standard output or a file, or collects them for JSON.

    As a context manager, it replaces the file at the end, if no exception is raised.

    Parameters
    ----------
    out : str or None
        The file.
    is_json : bool
        Whether standard output is for JSON.
    """

    def __init__(self, out, is_json):
        self.out, self.is_json = out, is_json
        self.is_quoted = False  # the texts of CSV
        self.blocks: list = []  # for JSON
        self._is_new = True
        self._stack = contextlib.ExitStack()

    def find_quotes(self, columns):
        """Put all texts in quotes if one of these needs them. Call it before `write`."""
        if not self.is_quoted and (self.out is not None or not self.is_json):
            self.is_quoted = needs_quotes(columns, self.out or ".csv")

    def __enter__(self):
        if self.out is not None:
            self._write_file = self._stack.enter_context(writing(self.out, self.is_quoted))
        return self

    def __exit__(self, *error):
        with self._explained():
            return self._stack.__exit__(*error)

    def write(self, kept, predictions):
        """Write a block: a pyarrow.Table of the columns of --keep, and {name: array}."""
        both = [name for name in predictions if name in kept.column_names]
        if both:
            raise CommandError(
                f"--keep: column {printable(both[0])!r} has the name of a prediction. Name the "
                "columns to keep without it, or rename it."
            )
        columns = {name: kept.column(name) for name in kept.column_names} | predictions
        block = import_pyarrow().table(columns)
        if self.out is not None:
            with self._explained():
                self._write_file(block)
        elif self.is_json:
            self.blocks.append(block)
        else:
            self._print(block)

    def _print(self, block):
        with self._explained():
            text = to_csv(block, header=self._is_new, quoted=self.is_quoted)
        self._is_new = False
        if sys.stdout.isatty():
            lines = text.decode().split("\n")
            text = "\n".join(printable(line, len(line)) for line in lines).encode()
        # The bytes are UTF-8, whatever the encoding of the terminal.
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()

    @contextlib.contextmanager
    def _explained(self):
        try:
            yield
        except import_pyarrow().ArrowException as error:
            raise CommandError(
                f"--keep: a column cannot be written as text ({reason(error)}). Leave it out, or "
                "pass --out with a .parquet file."
            ) from None

    def to_json(self):
        """Return {name: list}, or None if the rows are in a file."""
        if self.out is not None:
            return None
        table = import_pyarrow().concat_tables(self.blocks)
        return {
            name: list(map(_to_json, table.column(name).to_pylist())) for name in table.column_names
        }


def _to_json(value):
    return value if isinstance(value, (str, int, float, list, type(None))) else str(value)


def round_numbers(values):
    """Return numbers without digits that are noise, as an array."""
    return np.array([float(f"{x:.{DIGITS}g}") for x in values.tolist()])

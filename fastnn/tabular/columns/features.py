"""The kinds of the columns of a table, and the features that they become: numbers and categories."""

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from numbers import Integral

import numpy as np

from ...core.errors import Argument, DataError, Message, Wording
from ...core.messages import did_you_mean, join
from ...files.json_values import check, check_mapping, is_count
from . import KINDS
from .category import Category
from .column import CategoryFeature, NumberFeature
from .plain_rows import PlainRows
from .text import NGRAMS, Text
from .text_layer import TextLayer

MANY_CATEGORIES = 2000  # of a column: with more, most of a step would update their weights
MAX_CATEGORIES = 20_000  # of a column, if steps update those of their rows alone
NO_COLUMN = Wording("X has no usable column", "no column besides the target can be used")


@dataclass(eq=False, repr=False)
class Features:
    """What the columns of the training table are, and the features that they become.

    Attributes
    ----------
    n_columns : int
        Number of all columns of the table.
    names : list of str or None
        Their names; None for an array.
    columns : list of Column
    positions : list of int
        Position of each of `columns` in the table.
    left_out : dict of str to str
        Reasons why columns are not used.
    numbers : list of NumberFeature
    categories : list of CategoryFeature
    text_layers : dict of int to TextLayer
        Of each column of free text, by its position in `columns`. Empty before the table is split
        into folds.
    """

    n_columns: int
    names: list | None
    columns: list
    positions: list
    left_out: dict
    numbers: list = field(default_factory=list)
    categories: list = field(default_factory=list)
    text_layers: dict = field(default_factory=dict)

    @classmethod
    def fit(cls, frame, no_inputs=(), max_categories=MANY_CATEGORIES, **declared):
        """Return the Features of a training table.

        max_categories : those of a column; no_inputs, declared : as in `find_kinds`
        """
        found, left_out = find_kinds(frame, no_inputs, **declared)
        positions, columns = [i for i, _ in found], [column for _, column in found]
        self = cls(len(frame.columns), frame.names, columns, positions, left_out)
        for j, (i, column) in enumerate(found):
            values = column.convert(frame.columns[i])
            features = column.features(j, values, max_categories)
            if not features:
                left_out[column.label] = column.explain_no_feature(frame.columns[i], values)
            self.numbers += [f for f in features if isinstance(f, NumberFeature)]
            self.categories += [f for f in features if isinstance(f, CategoryFeature)]
        if not self.numbers and not self.categories:
            raise DataError(
                "{what}{reasons}.",
                "Pass columns whose values differ between the rows.",
                what=NO_COLUMN,
                reasons=_reasons(left_out),
            )
        return self

    # ---- rows ----

    @cached_property
    def plain_rows(self):
        """PlainRows: reads a few rows."""
        return PlainRows(self)

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "plain_rows"}

    def values(self, frame):
        """Yield (source, Column, values) of the columns in use."""
        for j, (column, raw) in zip(self.used(), self.pairs(frame)):
            yield j, column, column.convert(raw)

    def pairs(self, frame):
        """Return (Column, InputColumn) of the columns in use."""
        return [(self.columns[j], frame.columns[self.positions[j]]) for j in self.used()]

    def transform(self, frame):
        """Return the features of a table: a list of numbers (n,), and codes (n, k) as int32.

        Numbers that a `TextLayer` makes are (n, n_folds). `numbers_of_fold` returns those of a fold.
        Categories that the training table did not have get the code -1, as missing values do if
        the training table had none.
        """
        values = {j: converted for j, _, converted in self.values(frame)}
        numbers = [
            self.columns[f.source].number(values[f.source], f.part)
            for f in self.numbers
            if f.part != NGRAMS
        ]
        for source, layer in self.text_layers.items():
            numbers += list(np.moveaxis(layer.outputs(values[source]), 2, 0))
        codes = np.empty((frame.n_rows, len(self.categories)), np.int32)
        for j, f in enumerate(self.categories):
            codes[:, j] = self.columns[f.source].codes(values[f.source], f)
        return numbers, codes

    def unknown_categories(self, frame):
        """Return {label: (number of rows, example)} of texts that are none of the categories.

        Values that cannot be what their column is raise an error, as in `transform`.
        """
        known = self.value_categories()
        found = {
            column.label: column.unknown(values, known.get(j))
            for j, column, values in self.values(frame)
        }
        return {label: unknown for label, unknown in found.items() if unknown is not None}

    def other_texts(self, frame):
        """Return {label: OtherTexts} of the columns in use that hold texts of numbers or dates."""
        found = {column.label: column.others(raw) for column, raw in self.pairs(frame)}
        return {label: others for label, others in found.items() if others is not None}

    def notes(self, frame, with_others=True, **declared):
        """Return what is guessed about the columns of the training table, as Messages.

        with_others : whether to count other texts than those that a column holds, and to name columns
        that could be free text; declared : as in `find_kinds`
        """
        ids, chosen = [], _chosen(frame, declared)
        out = self._notes_of_left_out(frame, chosen) if with_others else []
        for j, (column, raw) in zip(self.used(), self.pairs(frame)):
            message, others = column.style_note(raw), column.others(raw)
            if message is not None:
                out.append(message)
            elif self.positions[j] not in chosen and column.may_be_ids(raw):
                ids.append(column.label)
            if with_others and others is not None and others.n_rows:
                out.append(others.describe_training(column))
        return [*out, _describe_ids(ids)] if ids else out

    def _notes_of_left_out(self, frame, chosen):
        """Return the notes about columns without features. chosen : positions that the user has named"""
        notes = [
            column.left_out_note(frame.columns[i])
            for column, i in zip(self.columns, self.positions)
            if column.label in self.left_out and i not in chosen
        ]
        return [note for note in notes if note is not None]

    # ---- free text ----

    def text_values(self, frame):
        """Return {source: values} of the columns of free text."""
        return {j: values for j, column, values in self.values(frame) if column.kind == Text.kind}

    def with_text_layers(self, layers):
        """Return the Features whose last numbers are the outputs of layers. layers : {source: TextLayer}"""
        outputs = [
            NumberFeature(j, NGRAMS) for j, layer in layers.items() for _ in range(layer.n_outputs)
        ]
        return replace(self, numbers=self.numbers + outputs, text_layers=layers)

    def of_folds(self, folds):
        """Return the Features with the text layers of some folds."""
        layers = {source: layer.take(folds) for source, layer in self.text_layers.items()}
        return replace(self, text_layers=layers)

    @property
    def n_folds(self):
        """int: how many folds have text layers. 1 without free text."""
        return next((layer.n_folds for layer in self.text_layers.values()), 1)

    # ---- columns ----

    def labels(self):
        """Return the names of all columns, or their numbers as texts."""
        return list(map(str, range(self.n_columns))) if self.names is None else self.names

    def used(self):
        """Return the positions in `columns` of those that have features, sorted."""
        return sorted({f.source for f in (*self.numbers, *self.categories)})

    def used_names(self):
        """Return the names of the columns that predictions need, in the order of the table."""
        return [self.labels()[i] for i in sorted(self.positions[j] for j in self.used())]

    def by_name(self, texts):
        """Return {name: text} for {label: text}: the names are positions if columns have none."""
        return {int(k) if self.names is None else k: text for k, text in texts.items()}

    def name_of(self, j):
        """Return the name of a column, or its position if columns have none. j : as in `columns`"""
        return self.columns[j].label if self.names is not None else self.positions[j]

    def kinds(self):
        """Return {label: kind} of the columns in use."""
        return {self.columns[j].label: self.columns[j].kind for j in self.used()}

    def value_categories(self):
        """Return {source: categories} of the columns whose values are categories."""
        return {f.source: f.categories for f in self.categories if f.part == "value"}

    def sources(self):
        """Return the position in `columns` of each feature, numbers first, as an array."""
        return np.array([f.source for f in (*self.numbers, *self.categories)], np.intp)

    def has_days(self):
        """Return whether the day of the year of a column is a category."""
        return any(category.part == "day of year" for category in self.categories)

    def texts(self):
        """Return the labels of columns whose texts only their Column can read."""
        return [column.label for column in self.columns if column.needs_texts()]

    def decimal(self):
        """Return the decimal mark of files like that of the training, None if it is not known."""
        styles = [column.style for column in self.columns if column.style is not None]
        if any(style.startswith(".|,") for style in styles):
            return None
        return "," if any(style.startswith(",") for style in styles) else None

    # ---- files ----

    def to_json(self):
        """Return a dict that JSON can hold."""
        return dict(
            names=self.names,
            columns=[column.to_json() for column in self.columns],
            positions=self.positions,
            left_out=self.left_out,
            numbers=[asdict(n) for n in self.numbers],
            categories=[c.to_json() for c in self.categories],
        )

    @classmethod
    def from_json(cls, d, n_columns):
        """Return the Features that `to_json` described. n_columns : of the table

        Raises
        ------
        ValueError, or another error of `damage_refused`
            They are damaged.
        """
        d = check_mapping(d, "features")
        self = cls(
            n_columns,
            d["names"],
            list(map(from_json, d["columns"])),
            d["positions"],
            check_mapping(d["left_out"], "left_out"),
            [NumberFeature(**n) for n in d["numbers"]],
            list(map(CategoryFeature.from_json, d["categories"])),
        )
        self._check_columns()
        self._check_features()
        return self

    def arrays(self):
        """Return the arrays of a file, by name."""
        parts = (layer.arrays(source) for source, layer in self.text_layers.items())
        return {name: array for part in parts for name, array in part.items()}

    def expected_arrays(self, reader):
        """Return {name: (shape, dtype name)} of a file, whose arrays are not checked yet."""
        outputs = Counter(f.source for f in self.numbers if f.part == NGRAMS)
        parts = (TextLayer.expected_arrays(reader, *item) for item in outputs.items())
        return {name: expected for part in parts for name, expected in part.items()}

    def widths(self, reader):
        """Return how many numbers of a row each of `numbers` has, by a file."""
        return [
            TextLayer.n_folds_in_file(reader, f.source) if f.part == NGRAMS else 1
            for f in self.numbers
        ]

    def read_arrays(self, reader, n_folds):
        """Set the text layers, from the checked arrays of a file. n_folds : that they must have"""
        sources = dict.fromkeys(f.source for f in self.numbers if f.part == NGRAMS)
        self.text_layers = {source: TextLayer.read(reader, source) for source in sources}
        check(all(layer.n_folds == n_folds for layer in self.text_layers.values()), "text")

    def _check_columns(self):
        n = self.n_columns
        check(all(type(reason) is str for reason in self.left_out.values()), "left_out")
        if self.names is not None:
            check(isinstance(self.names, list) and len(self.names) == n, "names")
            check(all(type(name) is str for name in self.names), "names")
        labels = self.labels()
        check(set(self.left_out) <= set(labels), "left_out")
        check(len(self.positions) == len(self.columns), "positions")
        for position, column in zip(self.positions, self.columns):
            check(is_count(position, n - 1) and column.label == labels[position], "positions")
            check(type(column.from_text) is type(column.has_others) is bool, "columns")
            check(column.is_style(), "style")

    def _check_features(self):
        last = len(self.columns) - 1
        for f in (*self.numbers, *self.categories):
            check(is_count(f.source, last), "source")
        for f in self.numbers:
            check(f.part in self.columns[f.source].number_parts, "part")
        outputs = [f.source for f in self.numbers if f.part == NGRAMS]
        check(outputs == [f.source for f in self.numbers[-len(outputs) :]] or not outputs, "part")
        check(outputs == sorted(outputs), "part")
        for f in self.categories:
            column = self.columns[f.source]
            check(f.part in column.category_parts and type(f.marks_missing) is bool, "part")
            texts = f.categories
            check(isinstance(texts, list) and all(type(x) is str for x in texts), "levels")
            is_set = len(texts) == len(set(texts))
            check(is_set and column.can_have(f.part, texts), "levels")


def numbers_of_fold(numbers, fold):
    """Return the numbers (n,) that the networks of a fold read. numbers : as of `Features.transform`"""
    return [x if x.ndim == 1 else x[:, fold] for x in numbers]


def numbers_of_folds(numbers, folds):
    """Return the numbers of some folds, as `Features.of_folds` would return them."""
    return [x if x.ndim == 1 else x[:, folds] for x in numbers]


def _reasons(left_out):
    """Return why the first columns are left out, for an error."""
    if not left_out:
        return Wording(" (it has no columns)", "")
    parts: list = []
    for name, why in list(left_out.items())[:3]:
        parts += ["; ", f"{name!r}: ", Wording(why, OPTIONS.get(why, why))]
    return (" (", *parts[1:], ")")


#: The arguments of the estimators that name columns.
ARGUMENTS = (*(cls.argument for cls in KINDS.values()), "drop")
NAMED_IN_DROP = "named in drop"  # the reason why a column is left out
#: The same of the columns that hold a weight or a group, by argument of `fit`.
NAMED_IN = {"sample_weight": "named in sample_weight", "groups": "named in groups"}
#: These reasons on the command line.
OPTIONS = {
    NAMED_IN_DROP: "--drop",
    NAMED_IN["groups"]: "--group",
    NAMED_IN["sample_weight"]: "--weight",
}


def from_json(d):
    """Return the Column that `Column.to_json` described."""
    fields = dict(d)
    check(fields["kind"] in KINDS, "columns")
    return KINDS[fields.pop("kind")](**fields)


def find_kinds(frame, no_inputs=(), **declared):
    """Return [(position, Column)] of the usable columns, and {label: reason} of the others.

    Parameters
    ----------
    frame : Frame
    no_inputs : dict of str to str, or ()
        Why columns are not inputs, by label.
    declared : sequences of names or positions, or None
        Columns whose kind the user knows, by the name in `ARGUMENTS`.
    """
    chosen, found, left_out = _chosen(frame, declared), [], {}
    class_of = {cls.argument: cls for cls in KINDS.values()}
    for i, (label, raw) in enumerate(zip(frame.labels(), frame.columns)):
        if label in no_inputs:
            left_out[label] = no_inputs[label]
        elif chosen.get(i) == "drop":
            left_out[label] = NAMED_IN_DROP
        elif not raw.has_values:
            left_out[label] = "all values are missing"
        elif i in chosen:
            found.append((i, class_of[chosen[i]].declare(label, raw)))
        else:
            found.append((i, _guess(label, raw)))
    return found, left_out


def _guess(label, raw):
    """Return the Column of values whose kind the user does not know, as `Column.guess` does."""
    for cls in () if raw.declared else KINDS.values():
        column = cls.guess(label, raw)
        if column is not None:
            return column
    return Category.declare(label, raw)


def _chosen(frame, declared):
    """Return {position: argument} of the columns that arguments name."""
    chosen: dict = {}
    for argument in ARGUMENTS:
        for position in find_positions(argument, declared.get(argument), frame):
            if chosen.setdefault(position, argument) != argument:
                raise DataError(
                    "column {column!r} is in both {other} and {argument}.",
                    "Name it once.",
                    argument=argument,
                    column=frame.labels()[position],
                    other=Argument(chosen[position]),
                )
    return chosen


def find_positions(argument, names, frame):
    """Return the positions of columns that an argument names. names : as passed, or None"""
    if isinstance(names, (str, Integral)):
        names = [names]
    out = []
    for name in () if names is None else names:
        name = name if frame.names is not None else _to_position(name)
        if isinstance(name, str):
            if frame.names is None:
                raise DataError(
                    "{argument} names the column {column!r}, but the columns of X have no names.",
                    "Pass its position.",
                    argument=argument,
                    column=name,
                )
            if name not in frame.names:
                raise DataError(
                    "{argument} names the column {column!r}, which X does not have.",
                    "{did_you_mean}",
                    argument=argument,
                    column=name,
                    did_you_mean=did_you_mean(name, frame.names),
                )
            out.append(frame.names.index(name))
        elif isinstance(name, Integral) and not isinstance(name, (bool, np.bool_)):
            i, n = int(name), len(frame.columns)
            if not -n <= i < n:
                raise DataError(
                    "{argument} names column {i}, but X has {n} columns.",
                    "Pass a name, or a position from 0 to {last}.",
                    argument=argument,
                    i=i,
                    n=n,
                    last=n - 1,
                )
            out.append(i % n)
        else:
            raise DataError(
                "{argument} must hold names or positions of columns, got {value} of type {type}",
                argument=argument,
                value=repr(name),  # a tuple would be a text in parts
                type=type(name).__name__,
            )
    return out


def _to_position(name):
    """Return the position in a text of digits, which is how messages name a column without a name."""
    return int(name) if isinstance(name, str) and name.isdecimal() else name


def _describe_ids(labels):
    """Return the Message about columns of whole numbers that may be ids."""
    return Message(
        "{columns}: whole numbers that may be ids or codes, by the name. List them in {categories} or "
        "{drop} if they are, else in {numbers}.",
        columns=("columns " if len(labels) > 1 else "column ") + join(labels),
        categories=Argument("categories"),
        drop=Argument("drop"),
        numbers=Argument("numbers"),
    )

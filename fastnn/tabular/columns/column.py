"""Column: what all kinds of columns have in common, and the features that a column becomes."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ...core.errors import DataError
from ...core.messages import format_value
from .other_texts import OtherTexts

MIN_SPREAD, MAX_SPREAD = 1e-300, 1e305  # of the values of a number
MIN_COUNT = 2  # rows that a category must have
GRID_RANGE = 0.01, 0.99  # quantiles of values between which an effect is computed
PRESENT, MISSING = "present", "missing"  # what effects call any number, and a missing value


@dataclass
class NumberFeature:
    """A number of each row: a column, or a part of it.

    Attributes
    ----------
    source : int
        Position of the column in `Features.columns`.
    part : str
        One of `Column.number_parts`.
    """

    source: int
    part: str = "value"


@dataclass
class CategoryFeature:
    """A category of each row: a column, or a part of it.

    Attributes
    ----------
    source : int
    part : str
        One of `Column.category_parts`.
    categories : list of str
        The texts of the categories, in the order of their codes.
    marks_missing : bool
        Whether missing values are a separate category, the last.
    """

    source: int
    part: str
    categories: list
    marks_missing: bool = False

    @cached_property
    def code_of(self):
        """dict of str to int: the code of each category."""
        return {text: code for code, text in enumerate(self.categories)}

    @cached_property
    def code_of_part(self):
        """ndarray: the code of each part of a date, such as a month, up to the largest; then -1."""
        numbers = list(map(int, self.categories))
        codes = np.full(max(numbers) + 2, -1)
        codes[numbers] = range(len(numbers))
        return codes

    @property
    def n_categories(self):
        return len(self.categories) + self.marks_missing

    @property
    def missing_code(self):
        return len(self.categories) if self.marks_missing else -1

    def to_json(self):
        """Return a dict that JSON can hold."""
        return dict(
            source=self.source,
            part=self.part,
            levels=self.categories,
            marks_missing=self.marks_missing,
        )

    @classmethod
    def from_json(cls, d):
        """Return the CategoryFeature that `to_json` described."""
        fields = dict(d)
        return cls(categories=fields.pop("levels"), **fields)


@dataclass
class Contents:
    """What the values of a column are.

    Attributes
    ----------
    missing : float
        Share of the rows.
    n_distinct : int
        Number of distinct values, without missing ones.
    span : tuple of str or None
        The least value, the median and the largest value.
    counts : dict of str to int, or None
        Number of rows of each category.
    """

    missing: float
    n_distinct: int
    span: tuple | None = None
    counts: dict | None = None


@dataclass
class Column:
    """What a column of the training table is, and how to read it.

    Each kind is a subclass of `Numeric`, whose values are numbers, or of `Category`, whose values are
    codes and texts.

    Attributes
    ----------
    label : str
        Its name, or its number as a text.
    style : str or None
        How its texts are written.
    from_text : bool
        Whether the training table held texts.
    has_others : bool
        Whether some texts of the training table were not of this kind, and counted as missing.
    kind : str
        The name of the kind, in `columns_`, in files, and as an option of the command line.
    argument : str
        The argument of the estimators that names columns of this kind; a plural.
    option_help : str
        Description of the option of the command line.
    is_read_as_text : bool
        Whether a file is read so that columns of this option hold the texts as they are written.
    has_units : bool
        Whether new values may be those of training in another unit, as numbers are.
    has_effects : bool
        Whether an effect can vary its values.
    has_number_profile : bool
        Whether drift compares numbers, as `profiled` returns them, not categories.
    number_parts, category_parts : tuple of str
        The parts that its features can have.
    c_helpers, c_constants : dict
        Templates of the C functions that `to_c` calls, by name, and the numbers in them.
    """

    label: str
    style: str | None = None
    from_text: bool = False
    has_others: bool = False

    kind: ClassVar[str]
    argument: ClassVar[str]
    option_help: ClassVar[str]
    is_read_as_text: ClassVar[bool] = False
    has_units: ClassVar[bool] = False
    has_effects: ClassVar[bool] = True
    has_number_profile: ClassVar[bool] = False
    number_parts: ClassVar[tuple] = ()
    category_parts: ClassVar[tuple] = ()
    c_helpers: ClassVar[dict] = {}
    c_constants: ClassVar[dict] = {}

    # ---- what a column is ----

    @classmethod
    def guess(cls, label, raw):
        """Return the column if its values look like this kind, else None.

        label : str; raw : InputColumn with at least one value
        """
        return None

    @classmethod
    def declare(cls, label, raw):
        """Return the column that the user says is of this kind, or raise ValueError."""
        raise NotImplementedError

    def is_style(self):
        """Whether `style` is one of this kind."""
        return self.style is None

    def needs_texts(self):
        """Whether a file must be read so that this column holds the texts as they are written."""
        return False

    def may_be_times(self, raw):
        """Whether values may be times that order the rows. raw : InputColumn"""
        return False

    def can_have(self, part, categories):
        """Whether a category with this part of the column can have these categories."""
        return True

    def to_json(self):
        """Return a dict that JSON can hold."""
        d = dict(label=self.label, kind=self.kind, style=self.style, from_text=self.from_text)
        return d | {"has_others": True} if self.has_others else d

    # ---- values ----

    def convert(self, raw):
        """Return the values of a column of a table; the other methods take them."""
        raise NotImplementedError

    def features(self, source, values, max_categories):
        """Return the features of the training table: NumberFeature and CategoryFeature.

        max_categories : those of a category, which keeps the most frequent
        Effects vary the number "value", and the first category of a column without it.
        """
        raise NotImplementedError

    def explain_no_feature(self, raw, values):
        """Return why there is no feature. raw : InputColumn; values : what `convert` made of it"""
        return "all values are equal"

    def left_out_note(self, raw):
        """Return how a column without a feature could be read, a Message or None. raw : InputColumn"""
        return None

    def number(self, values, part):
        """Return a number feature (n,) in float64, with NaN for missing values."""
        raise NotImplementedError

    def is_missing(self, values):
        """Return which values are missing, as an array (n,)."""
        raise NotImplementedError

    def find_codes(self, values, category):
        """Return the codes (n,) of a category feature: anything for missing values."""
        raise NotImplementedError

    def codes(self, values, category):
        """Return the codes (n,) of a category feature in int32, -1 for other values."""
        missing = self.is_missing(values)
        return np.where(missing, category.missing_code, self.find_codes(values, category)).astype(
            np.int32
        )

    def profiled(self, values):
        """Return what drift compares: numbers (n,), NaN for missing values, or codes and texts."""
        return values

    def others(self, raw):
        """Return the OtherTexts of a column of a table, None if it does not hold texts that are parsed."""
        return None

    def expected(self):
        """Return what its texts must be, as a noun in the plural."""
        return "texts"

    def style_note(self, raw):
        """Return a Message about how the training table is read, None if that needs no note."""
        return None

    def may_be_ids(self, raw):
        """Whether values are whole numbers that may be ids or codes by their name. raw : InputColumn"""
        return False

    def unknown(self, values, categories):
        """Return (number of rows, example) of values that are none of the categories, or None."""
        return None

    def summarize(self, values, write_number):
        """Return the Contents. write_number(x) returns the text of a number."""
        raise NotImplementedError

    def to_objects(self, values):
        """Return what explanations show of values, as an array (n,) of objects: None if missing."""
        raise NotImplementedError

    def to_categories(self, values):
        """Return the categories (n,) that effects show, as texts: `MISSING` for missing values."""
        raise NotImplementedError

    def to_cell(self, value):
        """Return the cell of a table that stands for a value of an `Effect`, other than `MISSING`."""
        return value

    # ---- JSON ----

    def describe_json(self, categories, typical):
        """Return what values in requests are: a phrase, a schema as OpenAPI has it, and an example.

        Parameters
        ----------
        categories : list of str or None
            Those of the category "value".
        typical : float, str or None
            That of `ColumnFacts`; None if it is not known.
        """
        raise NotImplementedError

    def json_reader(self, categories):
        """Return a function that reads a few values without the conversions of whole tables.

        It takes the values of requests as JSON has them. It returns a list for `from_json_values`, or
        None if a value is not plain: the request is then read as a table, which has all rules, errors
        and notes. categories : as in `describe_json`
        """
        return lambda values: None

    def from_json_values(self, values):
        """Return the InputColumn of values that a `json_reader` returned."""
        raise NotImplementedError

    def facts(self, held, middle, categories):
        """Return {name: value} of the ColumnFacts that depend on the kind.

        Parameters
        ----------
        held : NumberProfile, CategoryProfile or None
            What the training table held; None in files of older versions.
        middle : float or None
            The median of the training rows.
        categories : list of str
            Those of the category "value", if there is one.
        """
        return {}

    # ---- other formats ----

    def is_text(self, categories):
        """Whether an exported model takes texts. categories : those of the category "value", or ()"""
        return False

    def c_comment(self, writer, categories):
        """Return what the comment in the struct of a row says."""
        return self.kind

    def to_c(self, writer, x, feature):
        """Return the C expression of a feature. x : the expression of the value in a row.

        writer : `export.c_inputs.ColumnWriter`
        """
        raise NotImplementedError

    def to_onnx(self, writer, x, feature):
        """Return the name of a feature (n, 1). x : the name of the values.

        writer : `export.onnx_nodes.Graph`
        """
        raise NotImplementedError


class Numeric(Column):
    """A column whose values are float64 (n,) with NaN for missing values.

    A column with one distinct value and missing values has the category "presence".
    """

    has_number_profile: ClassVar[bool] = True
    number_parts: ClassVar[tuple] = ("value",)
    category_parts: ClassVar[tuple] = ("presence",)

    @classmethod
    def guess(cls, label, raw):
        if raw.kind != "text":
            return cls.guess_values(label, raw)
        found = raw.recognise(label)
        if found is None or found.kind != cls.kind:
            return None
        return cls(label, found.style, True, bool(found.others))

    @classmethod
    def guess_values(cls, label, raw):
        """Return the column of values that are not texts, None if they are of another kind."""
        raise NotImplementedError

    def find_style(self, raw):
        """Return the style of a column of texts, and the function that parses a text in it."""
        raise NotImplementedError

    def convert_texts(self, raw, what):
        """Return the numbers that the rows of a column of texts stand for, NaN for other texts.

        what : what a text must be, for the error if none is, though the training table had only such
        """
        numbers: Any = raw.parse(*self.find_style(raw))
        if self.has_others:
            return np.where(np.isfinite(numbers), numbers, np.nan)[raw.values]
        others = OtherTexts.find(raw, np.where(np.isinf(numbers), 0.0, numbers)[:-1])
        if others.n_rows and others.n_rows == others.n_present:
            raw.refuse(self.label, others.texts[0], what)
        return numbers[raw.values]

    def others(self, raw):
        if raw.kind != "text":
            return None
        return OtherTexts.find(raw, raw.parse(*self.find_style(raw))[:-1])

    def features(self, source, values, max_categories):
        present = values[~np.isnan(values)]
        with np.errstate(over="ignore"):
            spread = float(np.ptp(present))
        has_missing = len(present) < len(values)
        if spread == 0:
            return [CategoryFeature(source, "presence", [PRESENT], True)] if has_missing else []
        if not MIN_SPREAD < spread < MAX_SPREAD:
            raise DataError(
                "column {column!r} holds numbers from {low:g} to {high:g}, but their range must be "
                "{least:g} to {most:g}.",
                "Correct or rescale the values.",
                column=self.label,
                low=present.min(),
                high=present.max(),
                least=MIN_SPREAD,
                most=MAX_SPREAD,
            )
        return [NumberFeature(source), *self.parts(source, present, spread, has_missing)]

    def parts(self, source, present, spread, has_missing):
        """Return further features. present : the values that are not missing."""
        return []

    def can_have(self, part, categories):
        return part != "presence" or len(categories) == 1

    def number(self, values, part):
        return values

    def is_missing(self, values):
        return np.isnan(values)

    def find_codes(self, values, category):
        return np.zeros(len(values), np.int32)

    def write(self, x, write_number):
        """Return what a reader sees of a value. write_number(x) returns that of a number."""
        return write_number(x)

    def to_objects(self, values):
        out = np.empty(len(values), object)
        out[:] = [None if x != x else self.write(x, float) for x in values.tolist()]
        return out

    def to_categories(self, values):
        return np.where(np.isnan(values), MISSING, PRESENT).astype(object)

    def to_cell(self, value):
        return self.to_axis(np.zeros(1))[0] if isinstance(value, str) else value  # of `PRESENT`

    def to_axis(self, values):
        """Return values as effects show them: float64, or datetime64 for an axis of dates."""
        return values

    def grid(self, values, n_points):
        """Return at most `n_points` values at which an effect is computed, ascending.

        All different ones if they are so few, else equally spaced ones.
        """
        present = values[~np.isnan(values)]
        if not len(present):
            return np.zeros(1)
        distinct = np.unique(present)
        if len(distinct) <= n_points:
            return distinct
        low, high = np.quantile(present, GRID_RANGE)
        return np.linspace(low, high, n_points)

    def summarize(self, values, write_number):
        present = values[~np.isnan(values)]
        span = np.quantile(present, (0, 0.5, 1), method="nearest")
        return Contents(
            1 - len(present) / len(values),
            len(np.unique(present)),
            span=tuple(self.write(float(x), write_number) for x in span),
        )

    def facts(self, held, middle, categories):
        if held is None:
            return {"typical": middle}
        median = held.quantile(0.5) if middle is None else middle
        numbers = float(held.cuts[0]), median, float(held.cuts[-1])
        return {"typical": middle, "span": tuple(self.write(x, format_value) for x in numbers)}

    def to_c(self, writer, x, feature):
        if isinstance(feature, NumberFeature):
            return x
        return f"isnan({x}) ? {feature.missing_code} : 0"

    def to_onnx(self, writer, x, feature):
        if isinstance(feature, NumberFeature):
            return x
        return where_present(writer, x, np.array(0, np.int64), feature)


def where_present(writer, x, codes, category):
    """Return ONNX nodes for the codes of numbers x, and for the code of missing ones."""
    missing = np.array(category.missing_code, np.int64)
    return writer.add("Where", writer.add("IsNaN", x), missing, codes)

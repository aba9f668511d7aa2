"""The record of a training: what `fastnn train` learned about a table and its model.

It is JSON in the `metadata_` of the model. A file can be damaged, or written by another program, so
`from_json` checks all values: those who read a record rely on its types. Lists of many equal objects
stay as JSON has them.
"""

import functools
import sys
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from types import NoneType, UnionType
from typing import NotRequired, Self, TypedDict, get_args, get_origin, get_type_hints, is_typeddict

from ..core.messages import nan_to_null, plural, printable
from ..files import ModelFileError
from ..files.json_values import check_mapping, is_count, parse_json, to_text
from ..tables.checks import DataIssue
from ..tabular.metrics import CLASS_METRICS, NUMBER_METRICS

KEY = "training"  # in metadata_
MAX_NOTES = 100
MAX_LABEL_ISSUES = 5
REASON = 300  # characters of a reason or a place, at most
MAX_COUNT = 2**63 - 1
FLAT = {"is_flat": True}  # of a field whose own fields are among the others in JSON
METRICS = CLASS_METRICS | NUMBER_METRICS
#: Names of scores.
LABELS = {metric.name: metric.label for metric in METRICS.values()}
LABELS |= {"poisson_deviance": "Poisson deviance", "cost": "mean cost"}


# ---- scores ----

ClassRow = TypedDict(
    "ClassRow",
    {
        "class": str,
        "rows": int,
        "precision": float | None,  # None without rows, as the following
        "recall": float | None,
        "f1": float | None,
        "auc": float | None,
    },
)


@dataclass(frozen=True)
class Scores:
    """Scores of predictions, by name, beside those of the baseline."""

    metric: str | None  # the score that the model is to be good at
    rows: int
    values: dict[str, float | None]  # None if undefined for the rows
    baseline: dict[str, float | None]
    wrong: int = 0  # rows whose class is wrong
    classes: list[ClassRow] | None = None  # None for numbers
    confusion: list[list[int]] = field(default_factory=list)  # rows of a class by predicted class

    def to_json(self):
        """Return a dict that JSON can hold."""
        values = dict(self.values)
        cost = {"cost": values.pop("cost")} if "cost" in values else {}
        names = [] if self.classes is None else ["wrong", "classes", "confusion"]
        of_classes = {name: getattr(self, name) for name in names}
        start = {"metric": self.metric, "rows": self.rows, **values}
        return start | of_classes | {"baseline": self.baseline} | cost

    @classmethod
    def from_json(cls, content):
        """Return the Scores of a dict of `to_json`, or raise a ModelFileError if it is damaged."""
        content = check_mapping(content, "scores")
        names = {each.name for each in fields(cls)} - {"values"}
        values = {name: value for name, value in content.items() if name not in names}
        own = {name: content[name] for name in names & content.keys()}
        scores = _read_object(cls, own | {"values": values})
        _require(scores.values.keys() <= LABELS.keys(), "scores")
        _require(scores.metric is None or scores.metric in scores.values, "the metric of scores")
        needed = {"r2"}
        if scores.classes is not None:
            needed = {"accuracy", "balanced_accuracy", "log_loss"}
            k = len(scores.classes)
            _require([len(row) for row in scores.confusion] == [k] * k and k > 0, "confusion")
        _require(needed <= scores.values.keys() & scores.baseline.keys(), "scores")
        return scores


@dataclass(frozen=True)
class LastBlock:
    """The last block of time beside those before."""

    scores: Scores
    metric: str  # the score that is compared
    earlier: float | None  # its value in the other blocks
    is_better: bool | None  # None if the difference may be chance


class LabelIssueRow(TypedDict):
    """A row whose target may be wrong."""

    row: int
    place: str
    file: NotRequired[str]  # of a folder, and the place there
    place_in_file: NotRequired[str]
    given: str | float
    predicted: str | float
    probability: NotRequired[float]  # of the given class


# ---- other settings, and other models ----


class TriedRow(TypedDict):
    """Settings that --tune tried."""

    options: str
    folds: int
    score: float | None


@dataclass(frozen=True)
class Decision:
    """The comparison of other settings with the default ones, on rows that did not choose them."""

    options: str
    rows: int
    gain: float | None  # None if it is undefined for the rows
    error: float | None
    is_chosen: bool


@dataclass(frozen=True)
class Tuning:
    """What --tune tried, in order, and decided."""

    metric: str
    tried: list[TriedRow]
    decision: Decision | None = None  # None if no other settings were better at first


class BaselineRow(TypedDict):
    """A model of --baselines: its scores on held-out rows, and perhaps on those of the test."""

    name: str
    score: float | None
    error: float | None
    difference: float | None  # in favour of fastnn; None for fastnn, as the following
    difference_error: float | None
    is_worse: bool | None
    is_better: bool | None
    seconds: float | None
    test_score: NotRequired[float | None]
    test_error: NotRequired[float | None]
    test_difference: NotRequired[float | None]
    test_difference_error: NotRequired[float | None]
    test_is_worse: NotRequired[bool | None]
    test_is_better: NotRequired[bool | None]


@dataclass(frozen=True)
class Baselines:
    """The comparison with baselines."""

    metric: str
    rows: int
    not_installed: list[str]
    interrupted: bool
    not_trained: list[str]  # by Ctrl-C
    models: list[BaselineRow]  # fastnn first, then the others by their scores


# ---- the record ----


class Reading(TypedDict, total=False):
    """How a table was read: arguments of `fastnn.tables.read`, and the encoding that was guessed."""

    sep: str
    encoding: str
    na: list[str]
    decimal: str
    comment: str
    sheet: str | int
    sql: str
    header: bool
    skip_bad_lines: bool
    likely_encoding: str
    likely_decimal: str
    guessed_encoding: str


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """The kinds of the columns, and the parts of the model."""

    split: str | None = None  # how the rows are split into folds
    kinds: dict[str, str]  # of the columns in use
    left_out: dict[str, str]  # the reason by column
    monotone: dict[str, float] = field(default_factory=dict)  # +1 or -1
    threshold: float | None
    threshold_rule: str | None = None  # that training followed
    metric: str | None  # None for that of the loss
    oof_score: float | None = None
    oof_score_name: str = ""
    importances: dict[str, float]
    score_drops: dict[str, float] | None = None  # by how much the score gets worse
    drop_name: str = ""
    folds: int
    folds_left: int  # by Ctrl-C
    kept: str | None  # what an interrupted training has
    hidden: list[int]  # units of each hidden layer
    networks: int
    parameters: int


@dataclass(frozen=True, kw_only=True)
class TrainingSetup:
    """What is known before a training: the table, the target and the options."""

    fastnn: str  # its version
    created: str | None = None
    command: str
    data: str  # path or address of the table
    reading: Reading
    rows: int  # with a target
    columns: int  # without the target
    test_rows: int
    sample: str  # which rows are in memory, "" if all are
    target: str
    target_style: str | None = None  # how numbers were written as texts
    time: str | None = None  # the column, as the following
    group: str | None = None
    weight: str | None = None
    task: str
    classes: list[str] | None  # None for numbers
    seed: int
    time_limit: float | None
    notes: list[str]
    data_checks: list[DataIssue]

    def to_json(self):
        """Return a dict that JSON can hold."""
        return _to_object(self)

    @classmethod
    def from_json(cls, content) -> Self:
        """Return the record in a dict of `to_json`, or raise a ModelFileError if it is damaged.

        Values that older versions of fastnn did not write have their defaults.
        """
        setup = _read_object(cls, check_mapping(content, "the record"))
        _require(setup.classes if setup.task != "number" else setup.classes is None, "classes")
        return setup


@dataclass(frozen=True, kw_only=True)
class TrainingRecord(TrainingSetup):
    """What `fastnn train` learned about a table and its model. The model file holds it."""

    tuning: Tuning | None = None
    baselines: Baselines | None = None
    model: ModelDescription = field(metadata=FLAT)
    seconds: float
    scores: Scores  # of held-out rows
    label_issues: list[LabelIssueRow]
    test_scores: Scores | None
    score_errors: dict[str, float] = field(default_factory=dict)  # standard errors, if known
    last_block: LastBlock | None = None

    @classmethod
    def from_json(cls, content) -> Self:
        record = super().from_json(content)
        is_number, model, last = record.classes is None, record.model, record.last_block
        scores = [record.scores, record.test_scores, last and last.scores]
        _require(all((s.classes is None) == is_number for s in scores if s), "scores")
        _require(last is None or last.metric in last.scores.values, "the last block")
        if model.threshold is None:
            _require(not model.threshold_rule, "threshold_rule")
        else:
            _require(len(record.classes or ()) == 2, "threshold")
        drops = model.importances if model.score_drops is None else model.score_drops
        _require(drops.keys() == model.importances.keys(), "score_drops")
        kinds = {float, int} if is_number else {str}
        for issue in record.label_issues:
            _require({type(issue["given"]), type(issue["predicted"])} <= kinds, "label_issues")
            _require(("probability" in issue) != is_number, "label_issues")
        rows = [] if record.baselines is None else record.baselines.models
        names = BaselineRow.__annotations__.keys()
        found = {frozenset(row.keys() & names) for row in rows}
        _require(
            len(found) < 2 and found <= {frozenset(names), BaselineRow.__required_keys__}, "models"
        )
        metrics = {part.metric for part in (record.tuning, record.baselines) if part is not None}
        _require(metrics <= LABELS.keys(), "metric")
        return record

    def to_metadata(self):
        """Return the record as `metadata_` of a model, without notes beyond the first: a wide table
        may have thousands."""
        more = len(self.notes) - MAX_NOTES
        notes = [printable(text, REASON) for text in self.notes[:MAX_NOTES]]
        notes += [f"{plural(more, 'more note')}, which were printed"] if more > 0 else []
        return _to_metadata(replace(self, notes=notes).to_json())


def read_json(model):
    """Return the record of a model as the file has it, {} without one."""
    try:
        return check_mapping(parse_json(model.metadata_.get(KEY), KEY), KEY)
    except ModelFileError:
        return {}


def read_setup(model) -> TrainingSetup | None:
    """Return the TrainingSetup of a model, None without one, and if it is damaged."""
    try:
        return TrainingSetup.from_json(read_json(model))
    except ModelFileError:
        return None


def largest_size(setup: TrainingSetup, names):
    """Return the most bytes that a record can have in the header of a file.

    Training does not begin unless there is room for them.

    Parameters
    ----------
    setup : TrainingSetup
    names : list of str
        Names of the columns.
    """
    classes = setup.classes or []
    score = -1e-300 / 3  # a number with all digits
    longest = sorted(classes, key=len)[-1:]
    scores = {
        "classes": [{"class": label, "scores": [score] * 5} for label in classes],
        "confusion": "0," * len(classes) ** 2 + "0" * (setup.rows // 4),
        "others": [score] * 20,
    }
    filled = setup.to_json() | {
        "columns": {name: ["x" * REASON, score, score] for name in names},
        "scores": [scores, scores],
        "notes": ["x" * REASON] * (MAX_NOTES + 1),
        "label_issues": [["x" * REASON, *longest, *longest]] * MAX_LABEL_ISSUES,
        "others": "x" * 10_000,
    }
    return len(to_text(to_text(_to_metadata(filled))).encode())


# ---- JSON ----


def _to_metadata(content):
    return {KEY: to_text(nan_to_null(content))}


def _to_object(value):
    """Return a dataclass as a dict that JSON can hold, in the order of its fields."""
    out: dict = {}
    for each in fields(value):
        found = _to_value(getattr(value, each.name))
        out |= found if each.metadata.get("is_flat") else {each.name: found}
    return out


def _to_value(value):
    if isinstance(value, list):
        return list(map(_to_value, value))
    if not is_dataclass(value):
        return value
    return value.to_json() if isinstance(value, Scores) else _to_object(value)


def _require(is_valid, what):
    if not is_valid:
        raise ModelFileError(f"{what} in the record of the training: damaged")


_hints = functools.cache(get_type_hints)


def _read_object(cls, content):
    """Return an object of a dataclass from a dict. Fields that it lacks have their defaults."""
    found: dict = {}
    for each in fields(cls):
        hint = _hints(cls)[each.name]
        if each.metadata.get("is_flat"):
            found[each.name] = _read(hint, content, each.name)
        elif each.name in content:
            found[each.name] = _read(hint, content[each.name], each.name)
        else:
            _require(each.default is not MISSING or each.default_factory is not MISSING, each.name)
    return cls(**found)


def _read(hint, value, what):
    """Return a value of JSON as the type `hint`, or raise a ModelFileError if it is another."""
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if kind is UnionType:
        options = [part for part in parts if _is_like(part, value)]
        _require(options, what)
        return _read(options[0], value, what)
    _require(_is_like(hint, value), what)
    if kind is list:
        return [_read(parts[0], item, what) for item in value]
    if kind is dict:
        return {name: _read(parts[1], item, name) for name, item in value.items()}
    if is_typeddict(kind):
        _require(kind.__required_keys__ <= value.keys(), what)
        return value | {
            name: _read(part, value[name], name)
            for name, part in _hints(kind).items()
            if name in value
        }
    if is_dataclass(kind):
        return kind.from_json(value) if kind is Scores else _read_object(kind, value)
    return value


def _is_like(hint, value):
    """Whether a value of JSON may be of a type, by its own type."""
    kind = get_origin(hint) or hint
    if kind in (str, bool, list, NoneType):
        return type(value) is kind
    if kind is int:
        return is_count(value, MAX_COUNT)
    if kind is float:
        return type(value) in (int, float) and abs(value) <= sys.float_info.max
    return isinstance(value, dict)

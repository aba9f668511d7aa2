"""Records of trainings that did not happen, and what is printed of them, cards and reports: on record.

python tests/support/training_records.py --write    record the texts anew, after a change that is meant to
                                    change them; read them
"""

import argparse
import contextlib
import copy
import html
import os
import re
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest import mock
from xml.etree import ElementTree

import numpy as np
from places import DATA

from fastnn.cli import record
from fastnn.core.model_facts import ColumnFacts
from fastnn.files import ModelFileError
from fastnn.state import History
from fastnn.tables.checks import DataIssue

FOLDER = DATA / "reports"


def training_setup(**changes):
    """Return the TrainingSetup of table.csv of `cli_models`, with changes."""
    values = dict(fastnn="0.1.0", command="fastnn train table.csv --target n", data="table.csv")
    values |= dict(reading={}, rows=120, columns=5, test_rows=0, sample="", target="n")
    values |= dict(task="number", classes=None, seed=0, time_limit=None, notes=[])
    values |= dict(data_checks=[DataIssue("id", "id", "'id' numbers the rows.")])
    return record.TrainingSetup(**values | changes)


def model_description(**changes):
    """Return the ModelDescription of an estimator with a few networks, with changes."""
    values = dict(split="2 folds, drawn at random", kinds={"a": "number", "city": "category"})
    values |= dict(left_out={"id": "--drop"}, threshold=None, metric=None, oof_score=0.5)
    values |= dict(oof_score_name="R2", importances={"a": 2.0, "city": 0.5})
    values |= dict(score_drops={"a": 0.25, "city": 0.01}, drop_name="fall of R2", folds=2)
    values |= dict(folds_left=0, kept=None, hidden=[8], networks=2, parameters=90)
    return record.ModelDescription(**values | changes)


def number_record(**changes):
    """Return the TrainingRecord of a number that has all that a record can have, with changes."""
    values = {"rmse": 2.0, "mae": 1.5, "mape": None, "r2": 0.5, "pinball": 0.75}
    scores = record.Scores(None, 100, values, dict.fromkeys(values, 4.0) | {"r2": 0.0})
    issue = {"row": 3, "place": "line 5", "given": 9.0, "predicted": 1.0}
    model = {"score": 2.0, "error": 0.1, "difference": None, "difference_error": None}
    model |= {"is_worse": None, "is_better": None}
    test = {f"test_{key}": value for key, value in model.items()}
    other = model | dict(difference=0.5, difference_error=0.1, is_worse=True, is_better=False)
    tried = [{"options": "--hidden 32,32", "folds": 1, "score": 2.5}]
    decision = record.Decision("--hidden 32,32", 60, 0.5, 0.1, True)
    compared = [{"name": "fastnn", **model, "seconds": None, **test}]
    compared += [{"name": "lightgbm", **other, "seconds": 1.5, **test}]
    found = vars(training_setup(test_rows=20, time="day", weight="w"))
    found |= dict(tuning=record.Tuning("rmse", tried, decision), model=model_description())
    found |= dict(seconds=3.5, scores=scores, test_scores=scores, label_issues=[issue])
    found |= dict(last_block=record.LastBlock(scores, "r2", 0.6, None), score_errors={"rmse": 0.1})
    baselines = record.Baselines("rmse", 100, ["catboost"], False, ["xgboost"], compared)
    return record.TrainingRecord(**found | dict(baselines=baselines) | changes)


def class_record(**changes):
    """Return the TrainingRecord of two classes with a chosen threshold, with changes."""
    values = {"accuracy": 0.9, "balanced_accuracy": 0.8, "log_loss": 0.3, "auc": 0.9, "f1": 0.7}
    row = {"rows": 60, "precision": 0.9, "recall": 0.9, "f1": 0.9, "auc": 0.9}
    table = [{"class": "no", **row}, {"class": "yes", **row}]
    baseline = dict.fromkeys(values, 0.5) | {"cost": 1.0}
    values |= {"cost": 0.25}
    scores = record.Scores("cost", 120, values, baseline, 12, table, [[50, 10], [2, 58]])
    issue = {"row": 3, "place": "row 4", "file": "a.csv", "place_in_file": "line 5"}
    rule = dict(threshold=0.25, threshold_rule="cost:5,1", kept="2 of 5 folds", folds_left=3)
    found = vars(training_setup(target="b", task="binary", classes=["no", "yes"]))
    found |= dict(model=model_description(**rule), seconds=3.5, scores=scores, test_scores=None)
    found["label_issues"] = [issue | {"given": "no", "predicted": "yes", "probability": 0.01}]
    return record.TrainingRecord(**found | changes)


# ---- reports ----


class MadeUpModel(SimpleNamespace):
    """A model of a report, with its facts."""

    has_intervals, n_networks, n_background = True, 2, 2
    weights = 0.75, 0.25
    targets_ = SimpleNamespace(to_numbers=np.asarray)

    @property
    def features_(self):
        columns = [SimpleNamespace(label=name, has_effects=name != "text") for name in self.names]
        return SimpleNamespace(columns=columns, text_layers={})

    def facts(self):
        return self

    def held_out_coverage(self, shares):
        return [share - 0.05 for share in shares]

    def predict_interval(self, rows, coverage):
        if coverage > 0.9:
            raise ValueError("too few rows")
        return np.zeros(len(rows)), coverage * np.arange(len(rows)) + rows["x"].to_numpy()[1]

    def effects(self, names):
        return [self.effect(i, name) for i, name in enumerate(names)]

    def effect(self, i, name):
        """The effect of a category, or of a number. The classes that change most differ."""
        from pictures import GRID, LETTERS, effect

        found = effect("number", GRID) if i else effect("category", LETTERS)
        if self.labels is None:
            return replace(found, column=name, scale="target", outputs=[None])
        slopes = np.arange(1, len(self.labels) + 1)[:: 1 - 2 * (i % 2)] / 100
        curves = found.curves[..., None] * slopes
        mean = curves.mean(axis=0)
        return replace(found, column=name, outputs=self.labels, curves=curves, mean=mean)


def training_report(found, y, P, histories, **values):
    """Return the Report of a TrainingRecord. values : of MadeUpModel"""
    import pyarrow as pa

    from fastnn.cli.html_report import Report

    names = [*found.model.importances]
    model = MadeUpModel(histories_=histories, labels=found.classes, names=names, **values)
    rows, y_train = pa.table({"x": range(1001)}), y[: len(y) // 3] ** 2
    return Report(found, model, None, y_train, rows, y, P, 1.0 + np.arange(len(y)) % 3)


def number_report():
    y = 3.0 * np.arange(2000)
    losses = [4.0, 2.0, 1.0], [5.0, np.nan, 2.0]
    scores = replace(number_record().scores, metric="mape")  # undefined
    importances = {"a": 2.0, "city": 0.5, "b": 0.02}  # too little for a chart
    model = replace(model_description(), importances=importances, score_drops=importances)
    found = number_record(sample="120 of 900 rows", notes=["a note"], scores=scores, model=model)
    histories = [[History(*losses), None], [None] * 2]
    return training_report(found, y, y - np.arange(-1000, 1000), histories)


def report_of_two_classes():
    """With more folds than colours, and more columns than charts."""
    importances = {"text": 50.0} | {f"c{i}": 2.0 for i in range(20)}
    model = replace(class_record().model, importances=importances, score_drops=None, folds=9)
    labels, y = ["no", "<yes> or no"], np.arange(60) % 2
    found = class_record(classes=labels, model=model, time_limit=9.0, data="-")
    found = replace(found, scores=replace(found.scores, confusion=[[0, 0], [1058, 1]]))
    p = np.arange(60) * 0.618 % 1
    histories = [[History([3.0], [3.0])] * 9]
    return training_report(found, y, np.column_stack([1 - p, p]), histories, weights=(1.0,))


def report_of_many_classes():
    """More than there are colours, and rows in tables. The model is no better than the baseline."""
    labels, y = [*(f"c{i:02}" for i in range(20)), "letters"], np.arange(231) ** 2 % 21
    confusion = np.diag(np.arange(21)) + np.diag([1200, *range(19)], -1)
    scores, row = class_record().scores, class_record().scores.classes[0]
    classes = [row | {"class": label, "f1": i / 30} for i, label in enumerate(labels)]
    changes = dict(baseline=scores.values, values=scores.baseline, classes=classes)
    scores = replace(scores, rows=100, confusion=confusion.tolist(), **changes)
    model = replace(class_record().model, threshold=None, threshold_rule=None, folds_left=0)
    found = class_record(classes=labels, scores=scores, model=model, label_issues=[])
    P = np.exp(np.sin(np.arange(231)[:, None] * np.arange(1, 22)))
    P /= P.sum(axis=1, keepdims=True)
    return training_report(found, y, P, [[None]])


def report_of_long_texts():
    found = replace(long_class_record(), data=long("d/"), weight=long("w"), target=long("t"))
    p = np.arange(60) * 0.618 % 1
    return training_report(found, np.arange(60) % 2, np.column_stack([1 - p, p]), [[None]])


REPORTS = dict(
    number=number_report,
    two_classes=report_of_two_classes,
    many_classes=report_of_many_classes,
    long_texts=report_of_long_texts,
)


# ---- tables and records that are printed, and cards ----


def long(text):
    return text + 2000 * "y"


PRINTED_COLUMN = dict(column="a b", kind="number", missing=0.25, distinct=1234)
PRINTED_COLUMN |= dict(values="1 to 9, median 5")
EMPTY = dict(column="e", kind=None, missing=1.0, distinct=0, values="")
NUMBER = dict(column=long("y"), task="number", rows_without=0, range=[0.5, 9], median=2.0, mean=3.0)
NUMBER |= dict(baseline=dict(rmse=2.0, mae=1.5))
CLASSES = dict(column="y", task="classes", rows_without=1)
CLASSES |= dict(baseline=dict(accuracy=0.3, log_loss=1.5))
CLASSES |= dict(classes=[[long("a"), 1], ["b", 3], ["c", 2], *([x, 1] for x in "defg")])
CONTENT = dict(data="t.csv", rows=3000, rows_looked_at=3000, columns=[PRINTED_COLUMN, EMPTY])
CONTENT |= dict(left_out=dict.fromkeys("ef", long("no values in ")), target=None)
CONTENT |= dict(data_checks=[{"text": "one check"}])
CONTENT |= dict(train="fastnn train t.csv --target COL --out model.safetensors")
LONG_COLUMN = PRINTED_COLUMN | dict(column=long("x"), values=long("such as "))
#: What `fastnn info` has found in tables.
TABLES = {
    "a number": CONTENT | dict(target=NUMBER),
    "classes": CONTENT | dict(target=CLASSES, columns=[LONG_COLUMN, EMPTY], data=long("d")),
    "two classes": CONTENT
    | dict(target=CLASSES | dict(classes=[["a", 1], ["b", 3]]), rows_looked_at=2000),
    "six classes": CONTENT | dict(target=CLASSES | dict(classes=[[x, 1] for x in "abcdef"])),
    "no target": CONTENT,
    "a sample": CONTENT | dict(rows_looked_at=2000, data_checks=[]),
}


def printed_tables():
    """Return what `fastnn info` prints of `TABLES`, with widths at which it changes."""
    from fastnn.cli import info

    lines = []
    for name, content in TABLES.items():
        for width in 80, 72, 71, 40:
            with mock.patch.dict(os.environ, COLUMNS=str(width)):
                lines += [f"== {name}, {width} columns", *info._format(content, 2, width)]
    return in_short("\n".join([*lines, ""]))


def in_short(text):
    """Return a text in which a y that is repeated has a number: y{40}."""
    return re.sub("(y)y{9,}", lambda run: f"y{{{len(run[0])}}}", text)


FACTS = [
    ColumnFacts("a", "number", 0, missing=0.25, span=("-1", "0.5", "2")),
    ColumnFacts("city", "category", 1, shares=(0.1, 0.3, 0.4, 0.2), categories=(*"bkru",)),
    ColumnFacts("z", "number", 2),
]


def card_of(record, facts=FACTS, bounds=None):
    """Return the Markdown of the card of a model. facts : of its columns"""
    from fastnn.cli import model_card

    model = SimpleNamespace(facts=lambda: SimpleNamespace(columns=facts, bounds=bounds))
    card = model_card._card_content("d/n.safetensors", model, record)
    return "\n".join(model_card._format_markdown(card, record))


def printed_number_record():
    return number_record(notes=["x|y"], created="2026-01-01", sample="120 of 900 rows")


def printed_class_record():
    """With as many rows, and rows of a class, as are no longer few; and more warnings than are shown."""
    record = class_record(rows=200, group="g")
    record.scores.classes[0]["rows"], record.scores.classes[1]["rows"] = 29, 30
    return replace(record, data_checks=record.data_checks * 12)


def long_number_record():
    a, b, c = map(long, "abc")
    importances = {a: 2.0, b: 0.5}
    model = dict(split=long("split "), kinds={a: "number", b: "text"}, left_out={c: long("why ")})
    model |= dict(monotone={a: -1}, importances=importances, score_drops=importances)
    model |= dict(drop_name="fall of weighted balanced accuracy")
    found = number_record(model=model_description(**model), target=c, data=long("d"), weight=c)
    tried = [row | {"options": long("--hidden ")} for row in found.tuning.tried]
    models = [row | {"name": long(row["name"])} for row in found.baselines.models]
    issues = [row | {"place": long("line ")} for row in found.label_issues]
    changes = dict(tuning=replace(found.tuning, tried=tried, metric="balanced_accuracy"))
    changes |= dict(baselines=replace(found.baselines, models=models, metric="pinball"))
    changes |= dict(fastnn=long("0."), command=long("fastnn train "), label_issues=issues)
    return replace(found, **changes)


def long_class_record(n_classes=2):
    """Of more than 12 classes, the confusions are listed. They have few rows."""
    labels = [long(c) for c in "abcdefghijklmnop"[:n_classes]]
    found = class_record(classes=labels)
    rows = [found.scores.classes[0] | {"class": label, "rows": 29} for label in labels]
    confusion = np.diag(range(n_classes)) + np.diag(range(1, n_classes), 1)
    scores = dict(metric="balanced_accuracy", classes=rows, confusion=confusion.tolist())
    issue = dict(given=labels[0], predicted=labels[1], place=long("row "))
    model = dict(oof_score=0.7, oof_score_name=long("weighted "))
    model |= dict(threshold=None, threshold_rule=None) if n_classes > 2 else {}
    changes = dict(model=replace(found.model, **model), scores=replace(found.scores, **scores))
    changes |= dict(label_issues=[row | issue for row in found.label_issues])
    baselines = replace(number_record().baselines, metric="balanced_accuracy")
    return replace(found, baselines=baselines, **changes)


PRINTED = dict(
    number=printed_number_record,
    classes=printed_class_record,
    long_number=long_number_record,
    long_classes=long_class_record,
    long_many_classes=partial(long_class_record, 16),
)


def printed_texts(name):
    """Return what is printed of a record of `PRINTED` on a wide and on a narrow terminal, and its card."""
    from fastnn.cli import info, text_report

    record = PRINTED[name]()
    facts = SimpleNamespace(target=record.target, estimator="TabularRegressor")
    lines = []
    for width in "80", "40":
        with mock.patch.dict(os.environ, COLUMNS=width):
            lines += [f"== {width} columns", *text_report.format_table(record)]
            lines += text_report.format_data_checks(record)
            for is_explained in True, False:
                lines += info._format_model(facts, record.model, record.classes, is_explained)
            lines += info._format_scores(record.model)
            lines += text_report.format_tuning(record.tuning)
            lines += info._format_record(record)
            lines += text_report.format_saved(record, "out.safetensors", 1_234_567)
            lines += text_report.format_interrupted(record, "out.safetensors")
    lines += ["== card", card_of(record, bounds=(0.5, 1234567.0))]
    return in_short("\n".join([*lines, ""]))


# ---- damage ----

RECORDS = {"n": number_record, "b": class_record}
DAMAGE = {"absent": ..., "null": None, "text": "x", "negative": -1, "huge": 10**400, "NaN": np.nan}
DAMAGE |= {"list": [1], "object": {"x": 1}}


def places(value, path=()):
    """Yield the path of each value in a JSON value."""
    items = enumerate(value) if isinstance(value, list) else value.items()
    for key, item in items:
        yield (*path, key)
        if isinstance(item, (list, dict)):
            yield from places(item, (*path, key))


def damaged(content, value):
    """Yield each place of a JSON object, and a copy that has this value there, or lacks it if it is `...`."""
    for place in places(content):
        *path, last = place
        part = other = copy.deepcopy(content)
        for key in path:
            part = part[key]
        if value is ...:
            del part[last]
        else:
            part[last] = value
        yield place, other


def harmless_damage(name):
    """Return for each damage in which places of a record of `RECORDS` it is not found."""
    lines = []
    for damage, value in DAMAGE.items():
        lines.append(f"== {damage}")
        for place, content in damaged(RECORDS[name]().to_json(), value):
            with contextlib.suppress(ModelFileError):
                record.TrainingRecord.from_json(content)
                lines.append(".".join(map(str, place)))
    return "\n".join([*lines, ""])


# ---- texts of reports ----


def _points(artist):
    if hasattr(artist, "get_segments"):
        return np.concatenate(artist.get_segments())
    if hasattr(artist, "get_offsets"):
        return artist.get_offsets()
    return artist.get_xydata() if hasattr(artist, "get_xydata") else [artist.get_bbox().max]


def _describe_chart(key, draw, size):
    """Return an element with what a chart shows: axes, legend, number and sum of the points."""
    from matplotlib.figure import Figure
    from pictures import look

    ax = Figure(figsize=size).subplots()
    draw(ax)
    lines, legend = [f"{key}: {size[0]} x {size[1]} inches"], ax.get_legend()
    for axis in ax.xaxis, ax.yaxis:
        low, high = axis.get_view_interval()
        lines.append(f"{axis.get_label_text()}: {low:.4g} to {high:.4g}")
    lines += [f"legend: {text.get_text()}" for text in (legend.get_texts() if legend else ())]
    found: dict = {}
    for artist in (*ax.lines, *ax.collections, *ax.patches):
        found.setdefault(look(artist), []).extend(_points(artist))
    for text, xy in found.items():
        n, (x, y) = len(np.unique(xy, axis=0)), np.nansum(xy, axis=0)
        lines.append(f"{text}: {len(xy)} points, {n} different, sum {x:.4g}, {y:.4g}")
    svg = ElementTree.Element("svg")
    svg.text = "\n".join(["", *lines])
    return svg


def report_texts(name):
    """Return the texts of a report of `REPORTS` with the classes and styles of elements."""
    from fastnn.cli import html_report
    from fastnn.cli.html_report import elements, model_sections
    from fastnn.cli.table_file import ColumnSummary

    report = REPORTS[name]()
    columns = [ColumnSummary(each, "number", 0.25, 1234, "1 to 2") for each in report.model.names]
    columns.append(ColumnSummary("id", None, 1.0, 0, ""))
    with (
        mock.patch.object(elements, "_render", _describe_chart),
        mock.patch.object(model_sections, "summarize", lambda frame, features: columns),
        mock.patch.object(model_sections, "reproduce_section", lambda report: None),
        tempfile.TemporaryDirectory() as folder,
    ):
        html_report.save(f"{folder}/r.html", report)
        source = Path(folder, "r.html").read_text(encoding="utf-8").partition("</style>")[2]
    source = re.sub("</t[dh]>", " | ", source)
    source = re.sub("<(?!/?t[dh])", "\n<", source)  # the cells of a row are in one line
    look = re.compile('(?:class|style)="([^"]*)"')
    source = re.sub("<[^>]*>", lambda tag: " ".join([*look.findall(tag[0]), ""]), source)
    lines = [" ".join(line.split()) for line in html.unescape(source).splitlines()]
    return "\n".join([*filter(None, lines), ""])


#: The texts on record, by the names of their files.
TEXTS = {name: partial(report_texts, name) for name in REPORTS}
TEXTS |= {f"printed_{name}": partial(printed_texts, name) for name in PRINTED}
TEXTS["printed_tables"] = printed_tables
TEXTS |= {f"harmless_{name}": partial(harmless_damage, name) for name in RECORDS}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", required=True)
    parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    for name, text in TEXTS.items():
        (FOLDER / f"{name}.txt").write_text(text(), encoding="utf-8")

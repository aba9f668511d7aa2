"""The page of `fastnn train --report`: one HTML file that describes a training and its model.

The page loads nothing and runs no scripts. Its charts are SVG.

- `score_sections`, `baselines_section`, `class_sections`, `threshold_sections`, `number_sections`,
  `effect_sections`, `data_sections`, `training_sections`: the sections.
- `elements`: names, and what a section is. `charts`: SVG of matplotlib.

`pages/` has the templates of the page and of its sections, and their style sheet.
"""

import datetime
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...core.messages import plural
from ...files.replacing import replacing
from ...web.access import POLICIES
from ...web.templates import render
from ..record import TrainingRecord
from ..text_layout import file_name
from ..text_report import describe_target
from .baselines_section import baselines_section
from .class_sections import classes_section
from .data_sections import data_section, importances_section, label_issues_section, warnings_section
from .effect_sections import effects_section
from .elements import name
from .number_sections import errors_section, intervals_section
from .score_sections import headline, key_figures, scores_section
from .threshold_sections import thresholds_section
from .training_sections import curves_section, reproduce_section

__all__ = ["Report", "save"]


@dataclass
class Report:
    """What a page describes.

    Attributes
    ----------
    record : TrainingRecord
    model : TabularClassifier or TabularRegressor
        Fitted in this process: its networks still have their histories.
    frame : Frame
        The table that it was fitted to, without the target.
    y_train : ndarray
        Targets of the rows of `frame`.
    rows : pyarrow.Table
        The rows of `frame` as they were read.
    y, P : ndarray
        Class numbers or numbers of the rows that were held out, and the predictions for them.
    weight : ndarray or None
        Weights of these rows.
    created : datetime
    """

    record: TrainingRecord
    model: Any
    frame: Any
    y_train: np.ndarray
    rows: Any
    y: np.ndarray
    P: np.ndarray
    weight: np.ndarray | None = None
    created: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC))

    @property
    def is_number(self):
        return self.record.classes is None

    def sample(self, n):
        """Return at most `n` training rows, evenly spread, as a table."""
        step = max(1, -(-self.rows.num_rows // n))
        return self.rows.take(np.arange(0, self.rows.num_rows, step))


def save(path, report):
    """Write the page to a file, atomically. Raises OSError if it cannot be written."""
    text = _page(report)
    with replacing(path) as file:
        file.write(text.encode())


def _page(report: Report):
    record = report.record
    sections = (
        warnings_section(report),
        scores_section(report),
        baselines_section(report),
        errors_section(report) if report.is_number else classes_section(report),
        intervals_section(report) if report.is_number else thresholds_section(report),
        importances_section(report),
        effects_section(report),
        label_issues_section(report),
        data_section(report),
        curves_section(report),
        reproduce_section(report),
    )
    return render(
        __package__,
        "report.html",
        policy=POLICIES["report"],
        title=f"{name(record.target)} in {file_name(record.data)}",
        lead=_lead(report),
        figures=key_figures(report),
        kept=record.model.kept if record.model.folds_left else None,
        sections=[part for part in sections if part is not None],
    )


def _lead(report: Report):
    record = report.record
    what = describe_target(record.classes).partition(" (")[0]
    columns = plural(len(record.model.kinds), "column")
    rows = plural(record.rows - record.test_rows, "row")
    return (
        f"A model that predicts {name(record.target)} ({what}) from {columns}, trained on {rows}. "
        + headline(report)
    )

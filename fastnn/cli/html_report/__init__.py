"""The page of `fastnn train --report`: one HTML file that describes a training and its model.

The page loads nothing and runs no scripts. Its style sheet is style.css, and its charts are SVG.

- `score_sections`, `baselines_section`, `class_sections`, `threshold_sections`, `number_sections`,
  `effect_sections`, `data_sections`, `training_sections`: the sections.
- `elements`: HTML. `charts`: SVG of matplotlib.
"""

import datetime
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import numpy as np

from ...core.messages import plural
from ...files.replacing import replacing
from ..record import ModelDescription, TrainingRecord
from ..text_layout import file_name
from ..text_report import describe_target
from .baselines_section import baselines_section
from .class_sections import classes_section
from .data_sections import data_section, importances_section, label_issues_section, warnings_section
from .effect_sections import effects_section
from .elements import element, figures, name, paragraph, to_html
from .number_sections import errors_section, intervals_section
from .score_sections import headline, key_figures, scores_section
from .threshold_sections import thresholds_section
from .training_sections import curves_section, reproduce_section

__all__ = ["Report", "save"]

#: Nothing is loaded and no script runs, whatever the texts of a table contain.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


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
    text = to_html(_page(report))
    with replacing(path) as file:
        file.write(text.encode())


def _page(report: Report):
    record = report.record
    title = f"{name(record.target)} in {file_name(record.data)}"
    sections = [
        part
        for part in (
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
        if part is not None
    ]
    main = element("main", *sections)
    links = [element("a", part[0].text, href=f"#{part[0].get('id')}") for part in sections]
    return element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", http_equiv="Content-Security-Policy", content=POLICY),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="color-scheme", content="light dark"),
            element("title", f"{title} - fastnn report"),
            element("style", resources.files(__package__).joinpath("style.css").read_text()),
        ),
        element(
            "body",
            element(
                "header",
                element("h1", title),
                paragraph(_lead(report)),
                figures(key_figures(report)),
                _interrupted(record.model),
            ),
            element("div", element("nav", *links, aria_label="Sections"), main, class_="page"),
        ),
        lang="en",
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


def _interrupted(model: ModelDescription):
    """Return a notice about folds that Ctrl-C has left, None if there are none."""
    if not model.folds_left:
        return None
    return paragraph(
        f"Ctrl-C has stopped this training: the model has {model.kept}.",
        class_="warning",
    )

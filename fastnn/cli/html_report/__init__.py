"""The page of `fastnn train --report`: one HTML file that describes a training and its model.

The page loads nothing and runs no scripts. Its charts are SVG.

- `score_sections`: how well the model predicts. `model_sections`: the table, the columns and the
  training.
- `elements`: what sections consist of; charts of matplotlib as SVG.

`pages/` has the templates of the page and of its sections, and their style sheet.
"""

from ...core.messages import plural
from ...files.replacing import replacing
from ...web.templates import POLICIES, render
from ..console import file_name
from ..text_report import describe_target
from . import model_sections, score_sections
from .elements import Report, name

__all__ = ["Report", "save"]


def save(path, report: Report):
    """Write the page to a file, atomically. Raises OSError if it cannot be written."""
    text = _page(report)
    with replacing(path) as file:
        file.write(text.encode())


def _page(report: Report):
    record, scores, model = report.record, score_sections, model_sections
    functions = (
        model.warnings_section,
        scores.scores_section,
        scores.baselines_section,
        scores.errors_section if report.is_number else scores.classes_section,
        scores.intervals_section if report.is_number else scores.thresholds_section,
        model.importances_section,
        model.effects_section,
        model.words_section,
        model.label_issues_section,
        model.data_section,
        model.curves_section,
        model.reproduce_section,
    )
    sections = [function(report) for function in functions]
    return render(
        __package__,
        "report.html",
        policy=POLICIES["report"],
        title=f"{name(record.target)} in {file_name(record.data)}",
        lead=_lead(report),
        figures=score_sections.key_figures(report),
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
        + score_sections.headline(report)
    )

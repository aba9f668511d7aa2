"""The section about the baselines: other models on the same folds."""

from ...web.templates import table
from ..baselines_text import ADVANTAGE, describe_not_trained, describe_verdicts
from ..compare_layout import digits_of, format_digits
from ..display import format_duration
from ..record import LABELS, TrainingRecord
from .elements import name, section


def baselines_section(report):
    """Return the section with the scores of other models, None without --baselines."""
    record: TrainingRecord = report.record
    found = record.baselines
    left_out = describe_not_trained(found) if found else ""
    if found is None or (len(found.models) < 2 and not left_out):
        return None
    models, label, tables = found.models, LABELS[found.metric], []
    if len(models) > 1:
        caption = f"{label} on the same folds"
        tables.append(_table(caption, label, models, "", record.seconds))
        if "test_score" in models[0]:
            tables.append(_table(f"{label} on the rows of the test", label, models, "test_", None))
    return section(
        "baselines",
        "Baselines",
        verdicts=f"{describe_verdicts(models)} {ADVANTAGE}" if tables else None,
        tables=tables,
        left_out=left_out,
        not_installed=", ".join(found.not_installed),
    )


def _table(caption, label, models, prefix, seconds):
    """Return a table of models. seconds : of fastnn, None to show no times"""
    keys = [f"{prefix}{key}" for key in ("score", "error", "difference", "difference_error")]
    errors = [m[key] for m in models for key in (keys[1], keys[3]) if m[key]]
    digits = digits_of(errors, models[0][keys[0]])
    head = ["model", f"#{label}", "#standard error", "#worse by", "#standard error"]
    if seconds is not None:
        head.append("#time")
    rows = []
    for m in models:
        cells = [format_digits(m[key], digits) for key in keys]
        if seconds is not None:
            cells.append(format_duration(seconds if m["seconds"] is None else m["seconds"]))
        rows.append([name(m["name"]), *cells])
    return table(caption, head, rows)

"""The last block of time beside the earlier ones, if the folds are forward in time.

The first folds train on few rows, and perhaps on less than a season, so the mean over all blocks can
be lower than the score of later rows. It is higher where what the rows depend on has changed.
"""

from dataclasses import replace

import numpy as np

from ..core.messages import plural
from ..tabular.comparing.paired import PairedScores
from ..tabular.metrics import CLASS_METRICS, NUMBER_METRICS
from .console import wrap
from .record import LABELS, LastBlock, TrainingRecord
from .row_roles import groups_of_rows
from .scores import metric_of
from .text_report import format_score, format_scores

CERTAIN = 3.0  # standard errors between the last block and the others: neighbours in time are alike


def compare(held_out, rows) -> LastBlock | None:
    """Return the scores of the last block, and how they differ from those before.

    Parameters
    ----------
    held_out : Evaluation
    rows : TrainingRows

    Returns
    -------
    LastBlock or None
        None without several blocks.
    """
    block = held_out.block
    if block is None or not len(block) or block.min() == block.max():
        return None
    is_last = block == block.max()
    parts = [held_out.take(np.flatnonzero(some)) for some in (is_last, ~is_last)]
    is_number = held_out.P.ndim == 1
    known = NUMBER_METRICS if is_number else CLASS_METRICS
    metric = known[metric_of(held_out.model) or ("r2" if is_number else "log_loss")]
    found = []
    for part in parts:
        groups = groups_of_rows(rows, part.rows)
        scores = PairedScores(metric, [part.some_rows], len(part.y), groups)
        found.append((scores.scores[0], scores.errors[0]))
    (value, error), (earlier, error_before) = found
    is_better = None
    if value is not None and earlier is not None:
        gain = metric.signed(earlier) - metric.signed(value)
        if abs(gain) > CERTAIN * np.hypot(error, error_before):
            is_better = bool(gain > 0)
    return LastBlock(parts[0].scores(), metric.name, earlier, is_better)


def format_last_block(record: TrainingRecord):
    """Yield lines with the scores of the last block, if there is one."""
    last = record.last_block
    if last is None:
        return
    shown = replace(last.scores, classes=None)
    yield ""
    yield from format_scores(shown, f"last block, {plural(shown.rows, 'row')}")
    yield from wrap(describe_last_block(last))


def describe_last_block(last: LastBlock):
    """Return a sentence about the last block and those before."""
    name = last.metric
    value, earlier = (format_score(name, x) for x in (last.scores.values[name], last.earlier))
    scores = f"{LABELS[name]} {value}, before {earlier}"
    if last.is_better is None:
        return f"The last block differs from the earlier ones by no more than chance ({scores})."
    which, why = "worse", "what the rows depend on may have changed"
    if last.is_better:
        which, why = "better", "the first folds train on few rows, perhaps on less than a season"
    return (
        f"The last block is {which} than the earlier ones by more than chance ({scores}): {why}. Rows "
        "to come are more like the last block."
    )

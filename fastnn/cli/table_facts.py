"""Facts about a table before training: what its columns hold, and what may be wrong with it."""

from dataclasses import dataclass, replace

import numpy as np

from ..core.messages import format_share, format_value, printable
from ..tables.data_checks import check_data, find_duplicate_rows
from ..tables.table_errors import import_pyarrow
from ..tables.texts import is_missing_mark
from .console import CommandWords

MOST_FREQUENT = 3  # categories of a column


@dataclass
class ColumnSummary:
    """What a column holds.

    Attributes
    ----------
    label : str
    kind : str or None
        What it was taken for; None if it is left out.
    missing : float
        Share of the rows.
    n_distinct : int
        Number of distinct values, without missing ones.
    text : str
        The range of numbers and dates, the most frequent categories, or an example of texts that
        are left out.
    """

    label: str
    kind: str | None
    missing: float
    n_distinct: int
    text: str


def summarize(frame, features):
    """Return the ColumnSummary of each column of a training table, in its order.

    Parameters
    ----------
    frame : Frame
        The table without its target.
    features : Features
        What its columns were taken for.
    """
    kinds = features.kinds()
    column_at = dict(zip(features.positions, features.columns))
    return [
        _used(raw, column_at[i]) if label in kinds else _left_out(raw, label)
        for i, (label, raw) in enumerate(zip(frame.labels(), frame.columns))
    ]


def summarize_unused(frame):
    """Return the ColumnSummary of each column of a table of which no column can be used."""
    return [_left_out(raw, label) for label, raw in zip(frame.labels(), frame.columns)]


def _used(raw, column):
    contents = column.summarize(column.convert(raw), format_value)
    if contents.span is None:
        text = _most_frequent(contents.counts, len(raw.values))
    else:
        low, middle, high = contents.span
        text = f"{low} to {high}, median {middle}" if low != high else low
    return ColumnSummary(column.label, column.kind, contents.missing, contents.n_distinct, text)


def _most_frequent(counts, n):
    counts = sorted(((text, k) for text, k in counts.items() if k), key=lambda item: -item[1])
    parts = [f"{printable(text, 24)} {format_share(k / n)}" for text, k in counts[:MOST_FREQUENT]]
    return ", ".join(parts) + (", ..." if len(counts) > MOST_FREQUENT else "")


def _left_out(raw, label):
    if raw.kind == "text":
        is_missing = np.array([*map(is_missing_mark, raw.texts), True])[raw.values]
    else:
        is_missing = np.isnan(raw.values)
    n_distinct = len(np.unique(raw.values[~is_missing]))
    text = ""
    if raw.kind == "text" and n_distinct:
        text = f"such as {printable(raw.texts[raw.values[~is_missing][0]], 24)}"
    return ColumnSummary(label, None, float(is_missing.mean()), n_distinct, text)


def list_data_checks(table, target, drop):
    """Return the DataIssues of a table, without what the estimator leaves out itself."""
    is_text = import_pyarrow().types.is_string
    found = check_data(table.drop_columns(drop), target)
    return _in_words(
        s
        for s in found
        if s.kind not in ("empty", "constant")
        and not (s.kind == "id" and is_text(table.column(s.column).type))
    )


def list_training_checks(table, target, roles, drop, seed=0, is_resumed=False):
    """Return the DataIssues of a table to train on, and ways to split its rows.

    Ways to split are suggested only if the user has chosen none.

    Parameters
    ----------
    table : pyarrow.Table
    target : Target
    roles : dict
        The columns of --time, --group and --weight, None for those that are not given.
    drop : list of str
        Columns that are not inputs.
    seed : int
    is_resumed : bool
        Whether a training is continued, whose rows have been split.
    """
    from ..tabular import split_check
    from ..tabular.columns import frames

    found = list_data_checks(table, target.name, drop)
    not_inputs = {roles["group"], roles["weight"]} - {None}
    if not_inputs and any(issue.kind == "duplicate rows" for issue in found):
        # Rows of other groups, or with other weights, are not copies.
        found = [issue for issue in found if issue.kind != "duplicate rows"]
        copies = find_duplicate_rows(table.drop_columns([n for n in drop if n not in not_inputs]))
        found += _in_words([] if copies is None else [copies])
    tried, kinds, times = [], set(), {roles["time"]}
    if roles["time"] is not None or roles["group"] is not None:
        kinds = set(split_check.KINDS)
    elif not is_resumed:
        frame, y = frames.split_target(table.drop_columns(drop), target.name)
        tried = split_check.find_splits(frame, y, not target.is_number, seed)
        kinds = {kind for issue in tried for kind in split_check.KINDS[issue.kind]}
        times = {issue.column for issue in tried if issue.kind == "time"}
    found = [
        issue
        for issue in found
        if issue.kind not in kinds
        # A row has neighbours in time whose target it has: that is not a leak.
        and not (issue.kind == "target alone" and issue.column in times)
    ]
    return found + _in_words(tried)


def _in_words(issues):
    """Return DataIssues in the words of the command line."""
    words = CommandWords()
    return [replace(issue, text=words.say(issue.text)) for issue in issues]

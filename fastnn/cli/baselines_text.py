"""The comparison with baselines as text, from the record of a training."""

from typing import Any

from ..core.messages import join_all, plural
from .compare_layout import format_models
from .console import wrap
from .record import Baselines, TrainingRecord

ADVANTAGE = (
    "fastnn chose its epochs and configurations by the rows that it held out, which favours it "
    "slightly. Baselines have their default settings."
)


def format_baselines(record: TrainingRecord):
    """Yield the lines about the baselines of a record, none without them."""
    found = record.baselines
    if found is None:
        return
    left_out = describe_not_trained(found)
    if len(found.models) > 1 or left_out:
        yield ""
    if len(found.models) > 1:
        yield from _format_models(record, found)
    yield from wrap(left_out)


def describe_not_trained(found: Baselines):
    """Return a sentence about the baselines that Ctrl-C or SIGTERM has left out, or ""."""
    names = found.not_trained
    return f"Interrupted before these baselines were trained: {', '.join(names)}." if names else ""


def _format_models(record: TrainingRecord, found: Baselines):
    models: list[Any] = found.models
    names = [m["name"] for m in models]
    yield from format_models(
        "same folds",
        found.metric,
        names,
        models,
        [record.seconds, *(m["seconds"] for m in models[1:])],
    )
    yield from wrap(f"On the held-out rows {describe_verdicts(models)}")
    if record.test_scores is not None and "test_score" in models[0]:
        yield ""
        keys = ("score", "error", "difference", "difference_error")
        test = [{key: m[f"test_{key}"] for key in keys} for m in models]
        rows = plural(record.test_scores.rows, "row")
        yield from format_models(f"{rows} of the test", found.metric, names, test)


def describe_verdicts(models):
    """Return sentences that say which baselines are worse, better, or not to be told apart."""
    worse = [m["name"] for m in models[1:] if m["is_worse"]]
    better = [m["name"] for m in models[1:] if m["is_better"]]
    equal = [m["name"] for m in models[1:] if not m["is_worse"] and not m["is_better"]]
    parts = []
    if worse:
        parts.append(f"fastnn is better than {join_all(worse)}.")
    if equal:
        parts.append(f"fastnn and {join_all(equal)} cannot be told apart.")
    if better:
        verb = "is" if len(better) == 1 else "are"
        parts.append(f"{join_all(better)} {verb} better than fastnn.")
    return " ".join(parts)

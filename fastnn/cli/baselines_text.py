"""The comparison with baselines as text, from the record of a training."""

from ..core.messages import plural
from .compare_layout import format_models
from .text_layout import wrap

ADVANTAGE = (
    "fastnn chose its epochs and configurations by the rows that it held out, which favours it "
    "slightly. Baselines have their default settings."
)


def format_baselines(record):
    """Yield the lines about the baselines of a record, none without them."""
    found = record.get("baselines")
    if not found:
        return
    models, left_out = found["models"], describe_not_trained(found)
    if len(models) > 1 or left_out:
        yield ""
    if len(models) > 1:
        yield from _format_models(record, found, models)
    yield from wrap(left_out)


def describe_not_trained(found):
    """Return a sentence about the baselines that Ctrl-C or SIGTERM has left out, or ""."""
    names = found.get("not_trained")
    return f"Interrupted before these baselines were trained: {', '.join(names)}." if names else ""


def _format_models(record, found, models):
    names = [m["name"] for m in models]
    yield from format_models(
        "same folds",
        found["metric"],
        names,
        models,
        [record["seconds"], *(m["seconds"] for m in models[1:])],
    )
    yield from wrap(f"On the held-out rows {describe_verdicts(models)}")
    if "test_score" in models[0]:
        yield ""
        keys = ("score", "error", "difference", "difference_error")
        test = [{key: m[f"test_{key}"] for key in keys} for m in models]
        rows = plural(record["test_scores"]["rows"], "row")
        yield from format_models(f"{rows} of the test", found["metric"], names, test)


def describe_verdicts(models):
    """Return sentences that say which baselines are worse, better, or not to be told apart."""
    worse = [m["name"] for m in models[1:] if m["is_worse"]]
    better = [m["name"] for m in models[1:] if m["is_better"]]
    equal = [m["name"] for m in models[1:] if not m["is_worse"] and not m["is_better"]]
    parts = []
    if worse:
        parts.append(f"fastnn is better than {join_names(worse)}.")
    if equal:
        parts.append(f"fastnn and {join_names(equal)} cannot be told apart.")
    if better:
        verb = "is" if len(better) == 1 else "are"
        parts.append(f"{join_names(better)} {verb} better than fastnn.")
    return " ".join(parts)


def join_names(names):
    """Return names with commas and "and"."""
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]

"""The comparison of models as a dict for JSON, and as text."""

from ..core.messages import join_all, printable
from .compare_layout import format_models


def describe(compared):
    """Return scores, differences to the best model and verdicts as a dict that JSON can hold.

    compared : ComparedModels
    """
    paired, order = compared.paired, compared.paired.order()
    best = order[0]
    models = []
    for i in order:
        difference = paired.difference(best, i) if i != best else None
        models.append(
            {
                "model": compared.paths[i],
                "score": paired.scores[i],
                "error": paired.errors[i],
                "difference": None if difference is None else difference.gain,
                "difference_error": None if difference is None else difference.error,
                "is_worse": None if difference is None else difference.is_certain,
            }
        )
    return {
        "target": compared.facts[0].target,
        "rows": len(compared.y),
        "metric": compared.metric.name,
        **compared.names,
        "models": models,
        "pairs": [
            {
                "better": compared.paths[i],
                "worse": compared.paths[j],
                "difference": found.gain,
                "error": found.error,
                "is_certain": found.is_certain,
            }
            for a, i in enumerate(order)
            for j in order[a + 1 :]
            if (found := paired.difference(i, j)) is not None
        ],
    }


def format_comparison(content):
    """Yield the lines of a table of models, the best first, and what it means."""
    models = content["models"]
    names = [printable(m["model"], 60) for m in models]
    yield from format_models("model", content["metric"], names, models)
    yield ""
    best, *others = models
    if best["score"] is None:
        yield "The metric is undefined for these rows."
        return
    worse = [m["model"] for m in others if m["is_worse"]]
    equal = [m["model"] for m in others if not m["is_worse"]]
    if worse:
        yield f"{best['model']} is better than {join_all(worse)}."
    if equal:
        yield f"{best['model']} and {join_all(equal)} cannot be told apart on these rows."

"""The typical value of each column: the median of numbers and dates, and the commonest category.

Model cards, the page of `fastnn play` and the examples of `fastnn serve` show the same values.
"""

from __future__ import annotations

from typing import Any


def typical_values(model: Any) -> dict[int, Any]:
    """Return the typical value of each column that a model uses.

    Parameters
    ----------
    model : TableModel

    Returns
    -------
    dict of int to float or str
        By position in ``model.features.columns``. A date is the number of seconds since 1970. A
        column without a known value is absent.
    """
    found = medians(model)
    for j, categories in model.features.value_categories().items():
        profile = None if model.profile is None else model.profile.columns[j]
        if profile is not None and len(profile.counts):
            found[j] = profile.categories[int(profile.counts.argmax())]
        elif categories:  # the file is of an older version
            found[j] = categories[0]
    return found


def medians(model: Any) -> dict[int, float]:
    """Return the exact medians of the training rows. A profile has those of 64 quantiles."""
    if not model.encoders:
        return {}
    pairs = zip(model.features.numbers, model.encoders[0].scalings)
    return {f.source: float(scaling.median) for f, scaling in pairs if f.part == "value"}

"""Whether numbers are those of training in another unit."""

import math

import numpy as np

QUANTILES = 0.1, 0.25, 0.5, 0.75, 0.9
MIN_FACTOR = 1.5
LARGE = 8.0  # factor that need not be met as closely
WITHIN, WITHIN_LARGE = 0.1, 0.4  # deviation of the logarithms of the factors of quantiles
#: Factors between units that are often mixed up.
FACTORS = {
    "percent and fractions, or cm and m": 100.0,
    "inches and centimetres": 2.54,
    "feet and metres": 3.2808,
    "pounds and kilograms": 2.2046,
    "miles and kilometres": 1.6093,
    "hours and minutes, or minutes and seconds": 60.0,
    "days and hours": 24.0,
    "hours and seconds": 3600.0,
    "days and seconds": 86400.0,
    "inches and millimetres": 25.4,
    "years and months": 12.0,
    "years and days": 365.25,
}


def describe_factor(profile, new):
    """Return a phrase if all values are a multiple of what they were, else None.

    profile : NumberProfile; new : NewNumbers
    """
    before = np.array([profile.quantile(q) for q in QUANTILES])
    now = np.array([new.quantile(q) for q in QUANTILES])
    if len(np.unique(before)) < 3 or (before * now <= 0).any():
        return None
    ratios = now / before
    factor = float(np.exp(np.log(ratios).mean()))
    large = max(factor, 1 / factor)
    within = WITHIN if large < LARGE else WITHIN_LARGE
    if large < MIN_FACTOR or (np.abs(np.log(ratios / factor)) > within).any():
        return None
    power = 10.0 ** round(math.log10(large))
    named = [(abs(math.log(large / value)), name, value) for name, value in FACTORS.items()]
    if power > 1:
        named.append((abs(math.log(large / power)), "", power))
    distance, name, value = min(named)
    name = name or next((n for n, v in FACTORS.items() if v == power), "")
    if distance > within / 2:
        return None
    times = f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"
    much = f"{times} times" if factor > 1 else f"1/{times} of"
    hint = f" ({name}?)" if name else ""
    return f"about {much} those of training: another unit?{hint}"

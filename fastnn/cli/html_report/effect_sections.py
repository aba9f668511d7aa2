"""The section about the effects of the most important columns."""

import math

import numpy as np

from ... import plotting
from ...core.messages import plural
from ...tabular.explaining.effect import axis_of
from ...tabular.explaining.explanation_text import describe_output
from ..record import TrainingRecord
from ..text_report import important_columns
from .charts import chart, legend, take_legend
from .elements import name, section

MOST_COLUMNS = 6
LEAST_SHARE = 0.01  # of the importances, of a column with a chart
SIZE = 3.9, 2.9  # inches
HOW_TO_READ = (
    " The thick line or the dot is the mean, a thin line is a row, and the line through a dot the "
    "middle half of the rows. Where thin lines are not parallel, the effect depends on other columns."
)
MARKS = (
    " Marks on an axis are deciles of the training rows. Effects describe the model, not causes."
)


def effects_section(report):
    """Return the section with the effects of columns, None if there is nothing to show."""
    effects = find_effects(report)
    if not effects:
        return None
    first = effects[0]
    several = len(first.outputs) > 1
    what = f"mean {first.scale} of each class" if several else describe(first)
    text = (
        f"The {what} that the model predicts for {plural(len(first.curves), 'training row')} if one "
        "column has other values and the other columns stay as they are."
    )
    limits = _limits(effects)
    colors: list[dict[str, str]] = [{} for _ in effects]
    figures = [
        _chart(i, effect, limits, found) for i, (effect, found) in enumerate(zip(effects, colors))
    ]
    is_shared = all(found == colors[0] for found in colors)
    if not is_shared:  # of many classes, each chart has those that change most
        for figure, found in zip(figures, colors):
            figure["legend"] = legend(found)
    return section(
        "effects",
        "Effects of the columns",
        text=text + ("" if several else HOW_TO_READ) + MARKS,
        legend=legend(colors[0]) if is_shared and several else None,
        charts=figures,
    )


def find_effects(report):
    """Return the Effect of each of the most important columns."""
    model, facts = report.model, report.model.facts()
    if not facts.n_networks or not facts.n_background:
        return []
    record: TrainingRecord = report.record
    top = [column for column, share in important_columns(record.model) if share >= LEAST_SHARE]
    if not facts.has_names:
        top = list(map(int, top))
    return model.effects(top[:MOST_COLUMNS]) if top else []


def describe(effect):
    """Return what an effect on one number is about."""
    output = effect.outputs[0]
    return "target" if output is None else describe_output(effect.scale, output)


def _limits(effects):
    """Return the range of the axis of all charts, which makes them comparable."""
    several = len(effects[0].outputs) > 1
    shown = [effect.mean if several else _drawn(effect) for effect in effects]
    low, high = min(x.min() for x in shown), max(x.max() for x in shown)
    margin = 0.04 * (high - low) or 1.0
    return low - margin, high + margin


def _drawn(effect):
    if axis_of(effect.values) == "category":
        return np.quantile(effect.curves, (0.25, 0.75), axis=0)
    return effect.curves


def _range(low, high):
    """Return two numbers with the digits that tell them apart, the same for both."""
    size = max(abs(low), abs(high), 1e-300)
    digits = min(max(0, 2 - math.floor(math.log10(size))), 12)
    return f"{low:,.{digits}f} to {high:,.{digits}f}"


def _chart(i, effect, limits, colors):
    low, high = effect.mean.min(axis=0), effect.mean.max(axis=0)
    if len(effect.outputs) == 1:
        text = f"The mean is {_range(low, high)}."
    else:
        k = int((high - low).argmax())
        most = name(str(effect.outputs[k]))
        text = f"{most} changes most: {_range(low[k], high[k])}."

    def draw(ax):
        plotting.plot_effect(effect, ax)
        ax.set_ylim(*limits)
        colors.update(take_legend(ax))

    return chart(f"effect-{i}", name(str(effect.column)), text, draw, SIZE)

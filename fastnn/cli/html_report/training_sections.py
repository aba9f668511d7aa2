"""The sections about the training: its curves, its settings, and the command that repeats it."""

import os
import platform
import shlex

import numpy as np

from ... import kernels
from ...config import installed_version
from ...core.messages import plural
from ...plotting.theme import CLASS_COLORS
from ...web.templates import table
from ..display import format_duration
from ..record import LABELS, TrainingRecord, Tuning
from ..text_report import describe_decision, format_score
from .charts import chart, legend
from .elements import section

WIDTH = 80  # characters of a line of the command
SIZE = 3.9, 2.9  # inches, of a chart
LIBRARIES = "numpy", "scikit-learn", "pyarrow", "matplotlib"


def curves_section(report):
    """Return the section with the curves of the networks and the settings of the training."""
    record: TrainingRecord = report.record
    weights, n_folds = report.model.facts().weights, record.model.folds
    histories = report.model.histories_
    limits = _loss_limits(histories)
    figures = [
        _curve_chart(i, len(weights), weight, folds, limits)
        for i, (weight, folds) in enumerate(zip(weights, histories))
        if any(history is not None for history in folds)
    ]
    unknown = sum(history is None for folds in histories for history in folds)
    shown = min(n_folds, len(CLASS_COLORS))
    return section(
        "training",
        "Training",
        text=_describe(record),
        shown=shown if shown < n_folds else None,
        unknown=plural(unknown, "network") if unknown else None,
        legend=_legend(report, shown) if figures else None,
        charts=figures,
        tuning=_tuning_table(record.tuning),
        decision=record.tuning and describe_decision(record.tuning),
    )


def _describe(record: TrainingRecord):
    model = record.model
    folds, networks = plural(model.folds, "fold"), plural(model.networks, "network")
    hidden = ", ".join(map(str, model.hidden))
    return (
        f"The model has {folds} with {networks} in all, each with hidden layers of {hidden} units; "
        f"{model.parameters:,} parameters. The training took {format_duration(record.seconds)}."
        f" How the rows are split: {model.split}. Each fold keeps the best epoch on the rows that "
        "it holds out."
        + (
            " The networks of the model then train on all rows, for as long as the folds found best."
            if record.time
            else ""
        )
    )


def _legend(report, shown):
    """Return the legend of all charts, and why a training loss may be above a held-out loss."""
    colors = {f"fold {fold}": color for fold, color in enumerate(CLASS_COLORS[:shown], 1)}
    smoothing = "" if report.is_number else " and label smoothing"
    styles = [
        ("solid", "loss on held-out rows"),
        ("dot", "its least"),
        ("dotted", f"loss on training rows, with dropout{smoothing}: it can be the higher one"),
    ]
    return legend(colors if shown > 1 else {}, styles)


def _loss_limits(histories):
    """Return the range of the losses that all charts show, without the first epochs far above."""
    curves = [
        np.array(losses, float)
        for folds in histories
        for history in folds[: len(CLASS_COLORS)]
        if history is not None
        for losses in (history.val_loss, history.loss)
    ]
    values = np.concatenate([*curves, []])
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = values.min(), max(np.quantile(values, 0.97), *(_least(curve) for curve in curves))
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _least(losses):
    """Return the least finite loss, -inf without any."""
    finite = losses[np.isfinite(losses)]
    return finite.min() if finite.size else -np.inf


def _curve_chart(i, n, weight, histories, limits):
    """Return the chart of the networks with one configuration, one for each fold."""

    def draw(ax):
        for history, color in zip(histories, CLASS_COLORS):
            if history is not None:
                _plot_curves(ax, history, color)
        ax.set(xlabel="epoch", ylabel="loss", ylim=limits)

    return chart(
        f"curves{i + 1}",
        f"Configuration {i + 1} of {n}" if n > 1 else "Loss of the networks",
        f"{100 * weight:.0f} % of the prediction.",
        draw,
        SIZE,
    )


def _plot_curves(ax, history, color):
    """Plot the losses of a network. Those of a training that diverged are not finite, with a gap."""
    losses = np.array(history.val_loss, float)
    epochs = np.arange(1, len(losses) + 1)
    ax.plot(epochs, losses, color=color, linewidth=1.2)
    ax.plot(epochs, history.loss, color=color, linewidth=0.8, linestyle=":")
    if np.isfinite(losses).any():
        best = np.argmin(np.where(np.isfinite(losses), losses, np.inf))
        ax.plot(epochs[best], losses[best], "o", color=color, markersize=4)


def _tuning_table(tuning: Tuning | None):
    """Return what --tune has tried, None without it."""
    if tuning is None:
        return None
    metric = tuning.metric
    rows = [
        [t["options"], str(t["folds"]), format_score(metric, t["score"], 4)] for t in tuning.tried
    ]
    return table("Settings that --tune tried", ["options", "#folds", f"#{LABELS[metric]}"], rows)


def reproduce_section(report):
    """Return the section with the command, the seed and the versions."""
    record: TrainingRecord = report.record
    versions: list = [("fastnn", record.fastnn), ("Python", platform.python_version())]
    versions += [(library, installed_version(library)) for library in LIBRARIES]
    facts = [
        ("seed", str(record.seed)),
        ("versions", ", ".join(f"{library} {version}" for library, version in versions if version)),
        ("machine", f"{platform.system()} {platform.machine()}, kernels for {kernels.CHOSEN}"),
        ("created", report.created.strftime("%Y-%m-%d %H:%M UTC")),
    ]
    text = "The same command, table and versions give the same model on the same kind of processor."
    if record.time_limit is not None:
        text = "With --time-limit, the model depends on the speed of the machine."
    if record.data == "-":
        text += " The table was read from standard input."
    return section(
        "command",
        "Command",
        command=quote_command(record.command),
        text=text,
        facts=facts,
    )


def quote_command(command):
    """Return a command as lines for bash, whose words stay as they are if they cannot be displayed."""
    lines = [""]
    for word in map(_quote_word, shlex.split(command)):
        if len(lines[-1]) + len(word) > WIDTH and lines[-1].strip():
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += f" {word}" if lines[-1] else word
    return "\n".join(lines)


def _quote_word(word):
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(map(_escape, word)) + "'"


def _escape(c):
    if c.isprintable():
        return f"\\{c}" if c in "'\\" else c
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(c))

"""The sections about the table, the columns and the training of the model."""

import math
import os
import platform
import shlex

import numpy as np

from ... import kernels, plotting
from ...config import installed_version
from ...core.messages import plural
from ...plotting.theme import CLASS_COLORS
from ...tabular.explaining.effects import axis_of
from ...tabular.explaining.explanation import (
    describe_output,
    format_words,
    rank_words,
    unit_of_words,
)
from ...tabular.explaining.words import word_shares
from ...web.templates import markup, table
from ..console import format_number, short_path
from ..progress import format_duration
from ..record import LABELS, ModelDescription, TrainingRecord, Tuning
from ..table_file import format_share, summarize
from ..text_report import (
    describe_decision,
    describe_target,
    format_drops,
    format_score,
    important_columns,
)
from .elements import Report, chart, keep_first, legend, name, section, take_legend

MAX_COLUMNS = 200
MAX_CLASSES = 12
MAX_IMPORTANT = 20
MAX_WARNINGS = 50
MOST_COLUMNS = 6
MAX_TEXTS = 1000  # rows whose words are ranked
MOST_WORDS = 12
LEAST_SHARE = 0.01  # of the importances, of a column with a chart
SIZE = 3.9, 2.9  # inches
HOW_TO_READ = (
    " The thick line or the dot is the mean, a thin line is a row, and the line through a dot the "
    "middle half of the rows. Where thin lines are not parallel, the effect depends on other columns."
)
MARKS = (
    " Marks on an axis are deciles of the training rows. Effects describe the model, not causes."
)
WIDTH = 80  # characters of a line of the command
LIBRARIES = "numpy", "scikit-learn", "pyarrow", "matplotlib"


def warnings_section(report: Report):
    """Return the section about columns and rows that may be wrong, None without any."""
    texts = [check.text for check in report.record.data_checks]
    more = len(texts) - MAX_WARNINGS
    if more > 0:
        texts[MAX_WARNINGS:] = [f"... and {plural(more, 'warning')} more (--json lists all)"]
    return section("warnings", "Warnings", texts=texts) if texts else None


def data_section(report: Report):
    """Return the section with the table that the model was trained on, and its columns."""
    record = report.record
    summaries = summarize(report.frame, report.model.features_)
    n_used = sum(s.kind is not None for s in summaries)
    rows = plural(record.rows, "row")
    if record.test_rows:
        rows += f", {record.test_rows:,} of them for the test"
    facts = [
        ("table", short_path(record.data, 200)),
        ("rows", rows),
        ("columns", f"{n_used:,} used of {record.columns:,}"),
        ("target", f"{name(record.target)}: {describe_target(record.classes)}"),
    ]
    if record.sample:
        facts.append(("sample", record.sample))
    if report.is_number:
        facts.append(("range", _describe_numbers(report.y_train)))
    return section(
        "data",
        "Data",
        facts=facts,
        classes=None if report.is_number else _class_table(report),
        notes=record.notes,
        columns=_column_table(record.model, summaries),
        left_out=_left_out_table(record.model, summaries),
    )


def _describe_numbers(y):
    low, middle, high = map(format_number, np.quantile(y, (0, 0.5, 1)))
    return f"{low} to {high}, median {middle}, mean {format_number(float(y.mean()))}"


def _class_table(report: Report):
    codes = report.model.targets_.to_numbers(report.y_train)
    labels = list(report.record.classes or ())
    counts = np.bincount(codes, minlength=len(labels))
    caption, order = keep_first(
        "Classes of the training rows",
        range(len(labels)),
        MAX_CLASSES,
        ": the {} most frequent of {}",
        lambda i: -counts[i],
    )
    rows = [
        [name(labels[i]), f"{counts[i]:,}", format_share(counts[i] / len(codes))] for i in order
    ]
    return table(caption, ["class", "#rows", "#share"], rows)


def _column_table(model: ModelDescription, summaries):
    caption, used = keep_first(
        "Columns that the model uses",
        [s for s in summaries if s.kind is not None],
        MAX_COLUMNS,
        ": the {} most important of {}",
        lambda s: -model.importances[s.label],
    )
    rows = [
        [name(s.label), s.kind, format_share(s.missing), f"{s.n_distinct:,}", s.text] for s in used
    ]
    head = ["column", "taken for", "#missing", "#distinct", "values"]
    return table(caption, head, rows, "sentences")


def _left_out_table(model: ModelDescription, summaries):
    left_out = [s for s in summaries if s.kind is None]
    caption, shown = keep_first("Columns that are left out", left_out, MAX_COLUMNS, ": {} of {}")
    rows = [
        [name(s.label), format_share(s.missing), f"{s.n_distinct:,}", model.left_out[s.label]]
        for s in shown
    ]
    head = ["column", "#missing", "#distinct", "reason"]
    return table(caption, head, rows, "sentences") if rows else None


def importances_section(report: Report):
    """Return the section with the permutation importances."""
    model, title = report.record.model, "Permutation importance"
    top, drops = important_columns(model), format_drops(model)
    if not top:
        return section("importances", title, shares=None)
    caption, shown = keep_first(
        "Importance of the columns", top, MAX_IMPORTANT, ": the first {} of {} columns above 0"
    )
    head = ["column", "#share", *([f"#{model.drop_name}"] if drops else []), "compared"]
    largest, rows = top[0][1], []
    for label, share in shown:
        bar = markup('<div class="bar" style="--share: {:.3f}"></div>', share / largest)
        drop = [drops[label]] if drops else []
        rows.append([name(label), format_share(share), *drop, bar])
    return section(
        "importances",
        title,
        drop_name=model.drop_name if drops else None,
        shares=table(caption, head, rows, "bars"),
    )


def label_issues_section(report: Report):
    """Return the section with the rows whose target may be wrong, None without any."""
    issues = report.record.label_issues
    if not issues:
        return None
    if report.is_number:
        text = "The prediction for these rows is far from the target, which may be wrong."
        head = ["place", "#target", "#predicted"]
        rows = [
            [s["place"], *(format_number(s[k]) for k in ("given", "predicted"))] for s in issues
        ]
    else:
        text = "The target of these rows is improbable, so it may be wrong."
        head = ["place", "target", "#probability", "predicted"]
        rows = [
            [s["place"], name(s["given"]), f"{s['probability']:.2g}", name(s["predicted"])]
            for s in issues
        ]
    return section("rows", "Rows to check", text=text, rows=table("Rows to check", head, rows))


# ---- effects of columns ----


def effects_section(report: Report):
    """Return the section with the effects of columns, None if there is nothing to show."""
    effects = _find_effects(report)
    if not effects:
        return None
    first, (output, *others) = effects[0], effects[0].outputs
    several, what = bool(others), "target"
    if several:
        what = f"mean {first.scale} of each class"
    elif output is not None:
        what = describe_output(first.scale, output)
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


def _find_effects(report: Report):
    """Return the Effect of each of the most important columns."""
    model, facts = report.model, report.model.facts()
    if not facts.n_networks or not facts.n_background:
        return []
    top = [
        column for column, share in important_columns(report.record.model) if share >= LEAST_SHARE
    ]
    columns = model.features_.columns
    without = {column.label for column in columns if not column.has_effects}
    top = [column for column in top if column not in without]
    return model.effects(top[:MOST_COLUMNS]) if top else []


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


# ---- words of free text ----


def words_section(report: Report):
    """Return the section with the words of free text that matter, None without free text."""
    features = report.model.features_
    if not features.text_layers:
        return None
    unit = unit_of_words("target" if report.is_number else "probability")
    what = {"std": "standard deviations of the target", "logits": "logits of the class"}[unit]
    texts = features.text_values(report.frame)
    tables = [
        _word_table(report, features.columns[source].label, layer, *texts[source])
        for source, layer in features.text_layers.items()
    ]
    return section("words", "Words of free text", unit=what, tables=tables)


def _word_table(report: Report, label, layer, codes, texts):
    weights = layer.weights.mean(axis=1, dtype=np.float64)
    few = codes[:: 1 + len(codes) // MAX_TEXTS]
    found = [word_shares(layer, weights, texts[code] if code >= 0 else None) for code in few]
    classes = report.record.classes or ["target"]
    labels = classes[-1:] if layer.n_outputs == 1 else classes
    caption, shown = keep_first(
        f"Words of {name(label)}", [*enumerate(labels)], MAX_CLASSES, ": the first {} of {} classes"
    )
    rows = [
        [name(output), *_words_of_output([(words, shares[:, k]) for words, shares in found])]
        for k, output in shown
    ]
    head = ["target" if report.is_number else "class", "raise it", "lower it"]
    return table(caption, head, rows, "sentences")


def _words_of_output(found):
    """Return the words that raise an output most, and those that lower it. found : as `rank_words` takes it"""
    means = [(word, total / n_rows) for word, total, n_rows in rank_words(found)]
    signs = [[item for item in means if item[1] * sign > 0][:MOST_WORDS] for sign in (1, -1)]
    return [", ".join(format_words(items)) for items in signs]


# ---- training ----


def curves_section(report: Report):
    """Return the section with the curves of the networks and the settings of the training."""
    record = report.record
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
        text=_describe_networks(record),
        shown=shown if shown < n_folds else None,
        unknown=plural(unknown, "network") if unknown else None,
        legend=_legend(report, shown) if figures else None,
        charts=figures,
        tuning=_tuning_table(record.tuning),
        decision=record.tuning and describe_decision(record.tuning),
    )


def _describe_networks(record: TrainingRecord):
    model = record.model
    folds, networks = plural(model.folds, "fold"), plural(model.networks, "network")
    hidden = ", ".join(map(str, model.hidden))
    text = (
        f"The model has {folds} with {networks} in all, each with hidden layers of {hidden} units; "
        f"{model.parameters:,} parameters. The training took {format_duration(record.seconds)}. "
        f"How the rows are split: {model.split}. Each fold keeps the best epoch on the rows that it "
        "holds out."
    )
    if record.time:
        text += " The networks of the model then train on all rows, for as long as the folds found best."
    return text


def _legend(report: Report, shown):
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
    curves = [curve[np.isfinite(curve)] for curve in curves]
    curves = [curve for curve in curves if curve.size]
    if not curves:
        return 0.0, 1.0
    values = np.concatenate(curves)
    low, high = values.min(), max(np.quantile(values, 0.97), *(curve.min() for curve in curves))
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


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


def reproduce_section(report: Report):
    """Return the section with the command, the seed and the versions."""
    record = report.record
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
        "command", "Command", command=quote_command(record.command), text=text, facts=facts
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

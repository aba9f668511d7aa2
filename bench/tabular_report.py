"""The report of tabular.py: means with standard errors, ranks, ratios and times.

`figures` is {table name: {contestant: cell}}. A cell has (mean, standard error) of each metric and
the mean of each time. The cell of a contestant that failed has infinite metrics and "failure".
"""

import math
import sys

from measure import format_ratio, markdown_table, print_wrapped, table_row

METRICS = {"classes": ("error", "log_loss"), "numbers": ("rmse",)}
TITLES = {"error": "error %", "log_loss": "log-loss", "rmse": "RMSE / sd"}
TIMES = "fit_cpu", "fit_wall", "predict_cpu", "predict_wall"
TABLE_WIDTHS = [15, 16, 17, 9, 8, 8, 7]
BEHIND = 1.05  # ratio to the best of the others above which a table of fastnn is listed
MAX_NAME = 18  # characters of a table's name in a summary


def make_cell(records, task):
    """Return the cell of a contestant from the records of all splits of a table."""
    failures = [record["failure"] for record in records if "failure" in record]
    if failures:
        return dict.fromkeys(METRICS[task], (math.inf, 0.0)) | {"failure": failures[0]}
    cell = {name: mean_and_error([r[name] for r in records]) for name in METRICS[task]}
    return cell | {name: mean(r[name] for r in records) for name in TIMES}


def mean_and_error(values):
    """Return the mean and its standard error, which is 0 for one value."""
    n, center = len(values), mean(values)
    variance = sum((v - center) ** 2 for v in values) / max(1, n - 1)
    return center, math.sqrt(variance / n)


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def geometric_mean(values):
    logs = [math.log(max(v, 1e-9)) for v in values]
    return math.exp(mean(logs)) if logs else math.nan


def format_metric(name, value):
    return f"{100 * value:.2f}" if name == "error" else f"{value:.4f}"


def format_seconds(t):
    return f"{t:.3f}" if t < 1 else f"{t:.2f}" if t < 100 else f"{t:.0f}"


# ---- one table ----


def print_table(table, seeds, cells):
    """Print the figures of one table, in at most 80 columns."""
    metrics = METRICS[table.task]
    blank = [""] * (2 - len(metrics))  # regressors have one metric
    sizes = [f"{len(table.X):,} rows", f"{table.X.shape[1]} columns"]
    sizes += [f"{table.n_classes} classes"] if table.n_classes else []
    sizes += [f"{table.folds} folds", f"{seeds} seed{'s' * (seeds > 1)}"]
    print(f"\n{table.name}: {', '.join(sizes)}")
    titles = [TITLES[name] for name in metrics]
    print(table_row(TABLE_WIDTHS, "", *titles, *blank, "fit CPU", "wall", "predict", "wall"))
    for label, cell in cells.items():
        if "failure" not in cell:
            texts = [" +- ".join(format_metric(name, v) for v in cell[name]) for name in metrics]
            times = [format_seconds(cell[name]) for name in TIMES]
            print(table_row(TABLE_WIDTHS, label, *texts, *blank, *times))
    if table.goals:
        goals = [
            f"{goal:.2f}" if name == "error" else f"{goal:.4f}"
            for name, goal in zip(metrics, table.goals)
        ]
        print(table_row(TABLE_WIDTHS, "goal", *goals))
    print_wrapped(
        *(f"{label} failed: {c['failure']}" for label, c in cells.items() if "failure" in c)
    )
    sys.stdout.flush()


# ---- all tables of a task ----


def select_complete(figures):
    """Return the part of the figures that a summary compares.

    It has the contestants with results for at least half of the tables, and the tables for which
    all of these have results.
    """
    n_tables = {}
    for cells in figures.values():
        for label in cells:
            n_tables[label] = n_tables.get(label, 0) + 1
    labels = [label for label, n in n_tables.items() if n >= len(figures) / 2]
    return {
        table: {label: cells[label] for label in labels}
        for table, cells in figures.items()
        if all(label in cells for label in labels)
    }


def summarize(figures, task, against=None):
    """Return {contestant: its summary}. All contestants need results for all tables.

    A summary has the mean rank by each metric, "ratios" to the best of the others as
    [(ratio, table name)], largest first, and the relative CPU times "fit_cpu" and "predict_cpu".
    `against` names the others, by default all.
    """
    metrics, summary = METRICS[task], {}
    labels = list(next(iter(figures.values()), {}))
    for label in labels:
        summary[label] = {
            name: mean(rank(cells, label, name) for cells in figures.values()) for name in metrics
        }
        others = [other for other in against or labels if other in labels and other != label]
        summary[label]["ratios"] = find_ratios(figures, label, others, metrics[-1])
        for name in ("fit_cpu", "predict_cpu"):
            summary[label][name] = geometric_mean(
                cells[label][name] / cells[labels[0]][name]
                for cells in figures.values()
                if name in cells[label] and name in cells[labels[0]]
            )
    return summary


def rank(cells, label, metric):
    """Return the rank of a contestant. Equal ones share the mean of their ranks."""
    value = cells[label][metric][0]
    values = [cell[metric][0] for cell in cells.values()]
    return 0.5 + sum(v < value for v in values) + 0.5 * sum(v == value for v in values)


def find_ratios(figures, label, others, metric):
    """Return [(metric / that of the best of the others, table name)], largest first."""
    ratios = []
    for table, cells in figures.items():
        best = min((cells[other][metric][0] for other in others), default=math.inf)
        if math.isfinite(best):
            ratios.append((cells[label][metric][0] / best, table))
    return sorted(ratios, reverse=True)


def summary_lines(task, summary):
    """Return the cells of a summary as lists of text."""
    lines = []
    for label, figures in summary.items():
        line = [label, *(f"{figures[name]:.2f}" for name in METRICS[task])]
        ratios = figures["ratios"]
        if ratios:
            largest, table = ratios[0]
            line += [f"{geometric_mean(ratio for ratio, _ in ratios):.3f}"]
            line += [f"{largest:.2f}", table[:MAX_NAME]]
        else:
            line += ["", "", ""]
        lines.append([*line, *(format_ratio(figures[name]) for name in ("fit_cpu", "predict_cpu"))])
    return lines


def print_summary(task, figures, against=None):
    """Print mean ranks, ratios and times, in at most 80 columns, and where fastnn is behind."""
    complete = select_complete(figures)
    summary, metrics = summarize(complete, task, against), METRICS[task]
    incomplete = {label for cells in figures.values() for label in cells} - summary.keys()
    last = TITLES[metrics[-1]]
    print()
    n_tables = f"{len(complete)} table{'s' * (len(complete) != 1)}"
    print_wrapped(
        f"{task}, {n_tables}: mean rank; {last} / that of the best of the others,"
        f" geometric mean and largest; CPU time / {next(iter(summary), '')}'s"
    )
    widths = [15, *[9] * len(metrics), 7, 8, MAX_NAME + 1, 6, 7]
    titles = [f"{TITLES[name].split()[0]}" for name in metrics]
    print(table_row(widths, "", *titles, "ratio", "largest", "on", "fit", "pred."))
    for line in summary_lines(task, summary):
        print(table_row(widths, *line))
    for label, cells in summary.items():
        behind = [f"{table} {ratio:.2f}" for ratio, table in cells["ratios"] if ratio > BEHIND]
        if label.split("-")[0] == "fastnn" and behind:
            print_wrapped(f"{label} is more than 5 % behind on {', '.join(behind)}")
    for name in (*sorted(incomplete), *(table for table in figures if table not in complete)):
        print_wrapped(f"{name} is left out, because results are missing")


# ---- Markdown ----


def markdown_page(heading, figures, tables, titles, against=None):
    """Return Markdown tables: for each task, the metrics of each table, and the summary.

    `titles` has the names of the contestants for readers.
    """
    page = [heading]
    for task, metrics in METRICS.items():
        chosen = {name: cells for name, cells in figures.items() if tables[name].task == task}
        if not chosen:
            continue
        labels = list({label: None for cells in chosen.values() for label in cells})
        lines = []
        for name, cells in chosen.items():
            best = min(cell[metrics[-1]][0] for cell in cells.values())
            texts = [markdown_cell(cells.get(label), metrics, best) for label in labels]
            lines.append([name, f"{len(tables[name].X):,}", *texts])
        shown = [TITLES[name] for name in metrics]
        page.append(f"{task}: {', '.join(shown)}; bold marks the smallest {shown[-1]}")
        page.append(markdown_table(["table", "rows", *(titles[label] for label in labels)], lines))
        summary = summarize(select_complete(chosen), task, against)
        lines = [[titles[label], *line] for label, *line in summary_lines(task, summary)]
        header = ["", *(f"mean rank, {TITLES[name].split()[0]}" for name in metrics)]
        header += [
            f"{shown[-1]} / best of the others",
            "largest",
            "table",
            "fit CPU",
            "predict CPU",
        ]
        page.append(markdown_table(header, lines))
    return "\n\n".join(text.rstrip() for text in page) + "\n"


def markdown_cell(cell, metrics, best):
    if cell is None or "failure" in cell:
        return ""
    text = ", ".join(format_metric(name, cell[name][0]) for name in metrics)
    return f"**{text}**" if cell[metrics[-1]][0] == best else text

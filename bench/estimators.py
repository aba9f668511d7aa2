"""Compare fastnn's estimators with scikit-learn's, and with `fastnn.MLP` without an estimator.

    python bench/estimators.py                  predictions and partial_fit of one row, whole fits
    python bench/estimators.py --search         a search and a cross-validation
    python bench/estimators.py --tables         predictions of one row of a table
    python bench/estimators.py --quick          few rounds
    python bench/estimators.py --only fastnn    without scikit-learn's times

The program prints microseconds per call and milliseconds per fit. All alternate in one run, on
one thread, and the best of many is reported. With the same settings, seed and order of rows,
the probabilities of both must match before anything is timed. "MLP" is `forward`, one step of a
longer training, and `MLP.fit` with the same number of epochs from the same initial weights.

--search times successive halving and 10-fold cross-validation on breast cancer, in CPU time on
one thread: fastnn's functions, scikit-learn's with fastnn's estimator, and scikit-learn's with its
own. "8 networks" is an ensemble.

--tables times `TabularRegressor.predict` of one row with 8 numbers, 3 categories and a date, by the
parts of a call. "read" makes a column of each value, "features" are numbers and codes, and
"encode" makes the inputs of the networks, which "networks" computes. Dicts and lists of plain values
are read in fewer steps than tables. "service" is what `fastnn serve` computes for one request.
"""

import time
import warnings

import measure
import numpy as np
import pandas as pd
from measure import seconds, table_row, timed_calls
from sklearn import datasets, neural_network
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the next import work
from sklearn.model_selection import HalvingRandomSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

import fastnn
from fastnn.serving.request import PredictOptions
from fastnn.serving.service import TableService
from fastnn.tabular.columns import frames

STEPS = 400  # in an epoch of single rows
WIDTHS = [28, 8, 10, 14, 3]  # of the columns
SEARCH_WIDTHS = [20, 10, 14, 14, 3]
SETTINGS = dict(
    hidden_layer_sizes=(32,),
    batch_size=32,
    max_iter=20,
    tol=0.0,
    n_iter_no_change=1000,
    random_state=0,
)


def main():
    parser = measure.make_parser(__doc__)
    parser.add_argument("--search", action="store_true", help="time a search, not single calls")
    parser.add_argument("--tables", action="store_true", help="time one row of a table")
    parser.add_argument("--only", choices=["fastnn"], help="do not time scikit-learn")
    parser.add_argument("--quick", action="store_true", help="few rounds")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{measure.versions('scikit-learn', 'numpy')}; one thread")
    if arguments.search:
        compare_searches(arguments.quick)
        return
    if arguments.tables:
        time_table_rows(3 if arguments.quick else 100)
        return
    columns = ["fastnn", "MLP", *["scikit-learn"] * (arguments.only is None)]
    for dtype in ("float32", "float64"):
        compare_times(dtype, 3 if arguments.quick else 100, columns)


# ---- times ----


def compare_times(dtype, rounds, columns):
    X, y = datasets.load_breast_cancer(return_X_y=True)
    X = scale(X).astype(dtype)
    model, sklearn_model = (
        module.MLPClassifier(shuffle=False, **SETTINGS).fit(X, y)
        for module in (fastnn, neural_network)
    )
    np.testing.assert_allclose(model.predict_proba(X), sklearn_model.predict_proba(X), atol=1e-3)
    row, label, net = X[:1].copy(), y[:1].copy(), model.network_
    print()
    print(table_row(WIDTHS, f"30-32-1 {dtype}", *columns))
    for name in ("predict_proba", "predict"):
        method, sklearn_method = getattr(model, name), getattr(sklearn_model, name)
        jobs = {
            "fastnn": timed_calls(lambda method=method: method(row), 200),
            "MLP": timed_calls(lambda: net.forward(row), 200),
            "scikit-learn": timed_calls(lambda method=sklearn_method: method(row), 5),
        }
        time_and_print(f"{name}, one row", jobs, columns, rounds, 1e6, "us")
    time_other_inputs(X, y, rounds, columns)
    ensemble = fastnn.MLPClassifier(n_estimators=8, **SETTINGS).fit(X, y)
    job = {"fastnn": timed_calls(lambda: ensemble.predict_proba(row), 200)}
    time_and_print("predict_proba, 8 networks", job, ["fastnn"], rounds, 1e6, "us")
    for estimator in (model, sklearn_model):
        estimator.partial_fit(row, label)
    jobs = {
        "fastnn": timed_calls(lambda: model.partial_fit(row, label), 200),
        "MLP": make_step_job(net, row, label),
        "scikit-learn": timed_calls(lambda: sklearn_model.partial_fit(row, label), 5),
    }
    time_and_print("partial_fit, one row", jobs, columns, rounds, 1e6, "us")
    compare_fits(X, y, rounds, columns)


def time_other_inputs(X, y, rounds, columns):
    """Time predict_proba of one row that is not an array of the network's dtype."""
    names = [f"column {i}" for i in range(X.shape[1])]
    other = "float64" if X.dtype == "float32" else "float32"
    rows = {
        "a list": X[:1].tolist(),
        "other dtype": X[:1].astype(other),
        "Fortran order": np.asfortranarray(X)[:1],
        "DataFrame": pd.DataFrame(X[:1], columns=names),
    }
    for kind, row in rows.items():
        inputs = pd.DataFrame(X, columns=names) if kind == "DataFrame" else X
        jobs = make_row_jobs(inputs, y, row, np.ascontiguousarray(X[:1]))
        time_and_print(f"predict_proba, {kind}", jobs, columns, rounds, 1e6, "us")


def make_row_jobs(inputs, y, row, array):
    """Return jobs that predict one row, which `array` has as MLP needs it."""
    model, sklearn_model = (
        module.MLPClassifier(shuffle=False, **SETTINGS).fit(inputs, y)
        for module in (fastnn, neural_network)
    )
    net = model.network_
    return {
        "fastnn": timed_calls(lambda: model.predict_proba(row), 100),
        "MLP": timed_calls(lambda: net.forward(array), 200),
        "scikit-learn": timed_calls(lambda: sklearn_model.predict_proba(row), 5),
    }


def time_and_print(title, jobs, columns, rounds, scale, unit, slow=()):
    """Time the jobs and print one line.

    `scale` converts seconds to the unit. The slow jobs run after the others, with a fifteenth of
    the rounds.
    """
    best = measure.interleave({name: jobs[name] for name in columns if name not in slow}, rounds)
    best |= measure.interleave(
        {name: jobs[name] for name in columns if name in slow}, max(1, rounds // 15)
    )
    cells = [f"{best[name] * scale:.2f}" for name in columns]
    print(table_row([*WIDTHS[: len(cells) + 1], WIDTHS[-1]], title, *cells, unit), flush=True)


def make_step_job(net, row, label):
    """Return a job that times a step on one row, within a `fit` of many steps on that row."""
    net, rows, labels = net.copy(), np.repeat(row, STEPS, axis=0), np.repeat(label, STEPS)

    def job():
        history = net.fit(rows, labels, "bce", fastnn.Adam(), 10, 1, shuffle=False)
        return history.seconds / history.n_steps

    return job


def compare_fits(X, y, rounds, columns):
    """Time whole fits of the estimators and of `MLP`."""
    for copies, epochs in [(1, 200), (20, 20)]:
        rows, labels = np.tile(X, (copies, 1)), np.tile(y, copies)
        settings = SETTINGS | dict(max_iter=epochs)
        initial = fastnn.MLPClassifier(**settings | dict(max_iter=1)).fit(rows, labels).network_

        def fit(module, rows=rows, labels=labels, settings=settings):
            return seconds(module.MLPClassifier(**settings).fit, rows, labels)

        def fit_network(rows=rows, labels=labels, epochs=epochs, initial=initial):
            adam = fastnn.Adam(l2=1e-4 / 32)
            return seconds(lambda: initial.copy().fit(rows, labels, None, adam, epochs, 32))

        jobs = {
            "fastnn": lambda fit=fit: fit(fastnn),
            "MLP": fit_network,
            "scikit-learn": lambda fit=fit: fit(neural_network),
        }
        title = f"fit, {len(rows):,} rows, {epochs} epochs"
        slow = ["scikit-learn"]
        time_and_print(title, jobs, columns, max(1, rounds // 2), 1e3, "ms", slow)


# ---- rows of tables ----


def make_table(n):
    """Return a DataFrame of 8 numbers, 3 categories and a date, and a target."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(n, 8)), columns=[f"number {i}" for i in range(8)])
    for i in range(3):
        table[f"category {i}"] = rng.choice(["red", "green", "blue", "white"], n)
    table["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 700, n), "D")
    y = table["number 0"] + (table["category 0"] == "red") + rng.normal(0, 0.1, n)
    return table.assign(day=table["day"].dt.strftime("%Y-%m-%d")), y.to_numpy()


def time_table_rows(rounds):
    X, y = make_table(1000)
    settings = dict(n_estimators=3, hidden_layer_sizes=32, n_threads=1, random_state=0)
    model = fastnn.TabularRegressor(**settings).fit(X, y)
    unnamed = fastnn.TabularRegressor(**settings).fit(X.to_numpy(), y)
    service, options = TableService(model), PredictOptions()
    row, array = X[:1].to_dict("records"), X[:1].to_numpy()
    learned, features = model.model_, model.model_.features
    (frame,) = frames.read_batches(row)
    numbers, codes = features.transform(frame)
    tables = learned.encode(numbers, codes)
    calls = {
        "predict, a dict": lambda: model.predict(row),
        "predict, a DataFrame": lambda: model.predict(X[:1]),
        "predict, a list": lambda: unnamed.predict(array.tolist()),
        "predict, an array": lambda: unnamed.predict(array),
        "service": lambda: service.predict([(service.read(row), options)]),
        "read a dict": lambda: features.plain_rows.read_table(row),
        "read a dict as a table": lambda: next(frames.read_batches(row)),
        "features": lambda: features.transform(frame),
        "encode": lambda: learned.encode(numbers, codes),
        "networks": lambda: [learned.predict_fold(tables, k, 1) for k in range(3)],
    }
    for name, call in calls.items():
        time_and_print(name, {"fastnn": timed_calls(call, 3)}, ["fastnn"], 5 * rounds, 1e6, "us")


# ---- searches ----


def compare_searches(quick):
    """Print the CPU time of a search and of a cross-validation, in three ways."""
    X, y = datasets.load_breast_cancer(return_X_y=True)
    epochs, n = (9, 9) if quick else (81, 81)
    settings = dict(
        hidden_layer_sizes=(32,),
        batch_size=32,
        max_iter=epochs,
        n_iter_no_change=1000,
        random_state=0,
    )
    ours, theirs = (
        make_pipeline(StandardScaler(), module.MLPClassifier(**settings))
        for module in (fastnn, neural_network)
    )
    params = {
        "mlpclassifier__learning_rate_init": np.geomspace(1e-5, 1, 100),
        "mlpclassifier__hidden_layer_sizes": [(w,) for w in (2, 4, 8, 16, 32, 64)],
        "mlpclassifier__alpha": np.geomspace(1e-5, 10, 100),
    }
    common = dict(
        factor=3, min_resources=1, cv=5, random_state=0, scoring="neg_log_loss", refit=False
    )

    def halving(model):
        return HalvingRandomSearchCV(
            model,
            params,
            n_candidates=n,
            resource="mlpclassifier__max_iter",
            max_resources=epochs,
            **common,
        ).fit(X, y)

    jobs = {
        "halving": [
            lambda: fastnn.HalvingSearchCV(ours, params, n_iter=n, n_jobs=1, **common).fit(X, y),
            lambda: halving(ours),
            lambda: halving(theirs),
        ],
        "cross_validate": [
            lambda: fastnn.cross_validate(ours, X, y, cv=10, n_jobs=1),
            lambda: cross_validate(ours, X, y, cv=10),
            lambda: cross_validate(theirs, X, y, cv=10),
        ],
    }
    print(table_row(SEARCH_WIDTHS, "", "fastnn", "scikit-learn", "its own MLP"))
    for name, functions in jobs.items():
        times = [min(cpu_seconds(f) for _ in range(1 if quick else 3)) for f in functions]
        print(table_row(SEARCH_WIDTHS, name, *(f"{t:.3f}" for t in times), "s"), flush=True)


def cpu_seconds(function):
    start = time.process_time()
    function()
    return time.process_time() - start


if __name__ == "__main__":
    main()

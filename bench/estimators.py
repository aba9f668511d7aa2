"""The scikit-learn estimators beside scikit-learn's own MLP, and beside `MLP` without an estimator
around it.

    python bench/estimators.py              one row, partial_fit, whole fits
    python bench/estimators.py --scores     5-fold scores at the defaults of both, on data that scikit-learn and fastnn ship (minutes)
    python bench/estimators.py --quick      few rounds
    python bench/estimators.py --only fastnn        without the times of scikit-learn

You will see microseconds a call and milliseconds a fit. All take turns in one run, on one thread,
and the best of many counts; before anything is timed, the same settings, seed and order of rows
must have given the same probabilities. "MLP" is `forward`, one step of a training that goes on, and
`MLP.fit` with as many epochs from the same weights.
"""

import warnings

import measure
import numpy as np
from measure import calls, seconds
from sklearn import datasets, neural_network
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

import fastnn
from fastnn.datasets import load_digits, load_wine

STEPS = 400  # an epoch of `fit` by single rows
WIDTHS = [28, 8, 10, 14, 3]  # of a line
SETTINGS = dict(
    hidden_layer_sizes=(32,),
    batch_size=32,
    max_iter=20,
    tol=0.0,
    n_iter_no_change=1000,
    random_state=0,
)


def main():
    parser = measure.parser(__doc__)
    parser.add_argument("--scores", action="store_true", help="5-fold scores instead of times")
    parser.add_argument("--only", choices=["fastnn"], help="no times of scikit-learn")
    parser.add_argument("--quick", action="store_true", help="few rounds, or one seed")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{measure.versions('scikit-learn', 'numpy')}; one thread")
    if arguments.scores:
        scores(1 if arguments.quick else 5)
    else:
        for dtype in ("float32", "float64"):
            times(
                dtype,
                3 if arguments.quick else 100,
                ["fastnn", "MLP", *["scikit-learn"] * (arguments.only is None)],
            )


def times(dtype, rounds, columns):
    X, y = datasets.load_breast_cancer(return_X_y=True)
    X = scale(X).astype(dtype)
    ours, theirs = (
        module.MLPClassifier(shuffle=False, **SETTINGS).fit(X, y)
        for module in (fastnn, neural_network)
    )
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-3)
    row, label, net = X[:1].copy(), y[:1].copy(), ours.network_
    print()
    print(measure.line(WIDTHS, f"30-32-1 {dtype}", *columns))
    for name in ("predict_proba", "predict"):
        method, their_method = getattr(ours, name), getattr(theirs, name)
        jobs = {
            "fastnn": calls(lambda method=method: method(row), 200),
            "MLP": calls(lambda: net.forward(row), 200),
            "scikit-learn": calls(lambda method=their_method: method(row), 5),
        }
        show(f"{name}, one row", jobs, columns, rounds, 1e6, "us")
    for each in (ours, theirs):
        each.partial_fit(row, label)
    jobs = {
        "fastnn": calls(lambda: ours.partial_fit(row, label), 200),
        "MLP": steps_alone(net, row, label),
        "scikit-learn": calls(lambda: theirs.partial_fit(row, label), 5),
    }
    show("partial_fit, one row", jobs, columns, rounds, 1e6, "us")
    fits(X, y, rounds, columns)


def show(title, jobs, columns, rounds, unit, word, slow=()):
    """Race the jobs of the columns and print a line. Slow ones take a fifteenth of the turns, after
    the others."""
    best = measure.race({name: jobs[name] for name in columns if name not in slow}, rounds)
    best |= measure.race(
        {name: jobs[name] for name in columns if name in slow}, max(1, rounds // 15)
    )
    cells = [f"{best[name] * unit:.2f}" for name in columns]
    print(measure.line([*WIDTHS[: len(cells) + 1], WIDTHS[-1]], title, *cells, word), flush=True)


def steps_alone(net, row, label):
    """Return a job: the seconds of a step on one row in one long `fit`, whose rows are all the
    same."""
    net, rows, labels = net.copy(), np.repeat(row, STEPS, axis=0), np.repeat(label, STEPS)

    def job():
        history = net.fit(rows, labels, "bce", fastnn.Adam(), 10, 1, shuffle=False)
        return history.seconds / history.n_steps

    return job


def fits(X, y, rounds, columns):
    """Time whole fits: the estimator's own work beside the training's."""
    for copies, epochs in [(1, 200), (20, 20)]:
        rows, labels = np.tile(X, (copies, 1)), np.tile(y, copies)
        settings = SETTINGS | dict(max_iter=epochs)
        start = fastnn.MLPClassifier(**settings | dict(max_iter=1)).fit(rows, labels).network_

        def fit(module, rows=rows, labels=labels, settings=settings):
            return seconds(module.MLPClassifier(**settings).fit, rows, labels)

        def fit_network(rows=rows, labels=labels, epochs=epochs, start=start):
            return seconds(
                lambda: start.copy().fit(rows, labels, None, fastnn.Adam(l2=1e-4 / 32), epochs, 32)
            )

        jobs = {
            "fastnn": lambda fit=fit: fit(fastnn),
            "MLP": fit_network,
            "scikit-learn": lambda fit=fit: fit(neural_network),
        }
        show(
            f"fit, {len(rows):,} rows, {epochs} epochs",
            jobs,
            columns,
            max(1, rounds // 2),
            1e3,
            "ms",
            slow=["scikit-learn"],
        )


# ---- scores ----


def scores(seeds):
    """The mean of 5 folds, and of so many seeds; raw and scaled inputs."""
    tables = {
        "breast cancer": datasets.load_breast_cancer(return_X_y=True),
        "wine": datasets.load_wine(return_X_y=True),
        "digits": load_digits(),
        "diabetes": datasets.load_diabetes(return_X_y=True),
        "wine quality": load_wine(),
    }
    print(
        f"\n{'5-fold score, mean of ' + str(seeds) + ' seeds':<36} {'fastnn':>9} {'scikit-learn':>13}"
    )
    for name, (X, y) in tables.items():
        classes = name not in ("diabetes", "wine quality")
        kind, folds = ("MLPClassifier", StratifiedKFold) if classes else ("MLPRegressor", KFold)
        for scaled in (False, True):
            means = []
            for module in (fastnn, neural_network):
                found = []
                for seed in range(seeds):
                    net = getattr(module, kind)(random_state=seed)
                    net = make_pipeline(StandardScaler(), net) if scaled else net
                    found.append(
                        cross_val_score(net, X, y, cv=folds(5, shuffle=True, random_state=0)).mean()
                    )
                means.append(np.mean(found))
            print(
                f"{name + (', scaled' if scaled else ''):<36} {means[0]:>9.4f} {means[1]:>13.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()

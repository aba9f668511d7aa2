"""The scikit-learn estimators beside scikit-learn's own MLP, and beside `MLP` without an estimator around it.

    python bench/estimators.py              one row, partial_fit, whole fits
    python bench/estimators.py --scores     5-fold scores at the defaults of both, on data that scikit-learn and fastnn ship (minutes)
    python bench/estimators.py --quick      few rounds

You will see microseconds a call and milliseconds a fit. All take turns in one run, on one thread, and the best of many counts; before
anything is timed, the same settings, seed and order of rows must have given the same probabilities. "MLP" is `forward`, one step of a
training that goes on, and `MLP.fit` with as many epochs from the same weights.
"""

import argparse
import math
import os
import time
import warnings

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import sklearn
from sklearn import datasets, neural_network
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

import fastnn
from fastnn.datasets import load_digits, load_wine
from fastnn.training.data import Data

STEPS = 200
SETTINGS = dict(hidden_layer_sizes=(32,), batch_size=32, max_iter=20, tol=0.0, n_iter_no_change=1000, random_state=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", action="store_true", help="5-fold scores instead of times")
    parser.add_argument("--quick", action="store_true", help="few rounds, or one seed")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"fastnn {fastnn.__version__}, {fastnn.kernels.CHOSEN}; scikit-learn {sklearn.__version__}, NumPy {np.__version__}; one thread")
    if arguments.scores:
        scores(1 if arguments.quick else 5)
    else:
        for dtype in ("float32", "float64"):
            times(dtype, 3 if arguments.quick else 100)


def best_of(rounds, jobs, calls):
    """Seconds a call, the jobs in turns; calls: how many of each make a block."""
    best = dict.fromkeys(jobs, math.inf)
    for _ in range(rounds):
        for name, job in jobs.items():
            began = time.perf_counter()
            for _ in range(calls[name]):
                job()
            best[name] = min(best[name], (time.perf_counter() - began) / calls[name])
    return best


def times(dtype, rounds):
    X, y = datasets.load_breast_cancer(return_X_y=True)
    X = scale(X).astype(dtype)
    ours, theirs = (module.MLPClassifier(shuffle=False, **SETTINGS).fit(X, y) for module in (fastnn, neural_network))
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-3)
    row, label, net = X[:1].copy(), y[:1].copy(), ours.network_
    calls = dict(fastnn=200, sklearn=5, MLP=200)
    print(f"\n30-32-1 {dtype:<18} {'fastnn':>9} {'MLP':>9} {'scikit-learn':>13}")
    for method in ("predict_proba", "predict"):
        jobs = dict(fastnn=lambda: getattr(ours, method)(row), sklearn=lambda: getattr(theirs, method)(row), MLP=lambda: net.forward(row))  # noqa: B023 (timed before the next turn)
        show(f"{method}, one row", best_of(rounds, jobs, calls), 1e6, "us")
    for each in (ours, theirs):
        each.partial_fit(row, label)
    trainer = steps_alone(net, row, label)
    jobs = dict(fastnn=lambda: ours.partial_fit(row, label), sklearn=lambda: theirs.partial_fit(row, label), MLP=trainer)
    best = best_of(rounds, jobs, calls | dict(MLP=1))
    best["MLP"] /= STEPS
    show("partial_fit, one row", best, 1e6, "us")
    fits(X, y, rounds)


def steps_alone(net, row, label):
    """STEPS steps on one row in one run of compiled code."""
    net = net.copy()
    problem = Data.of(net, np.repeat(row, STEPS, axis=0), np.repeat(label, STEPS), fastnn.losses.BCE())
    trainer = problem.trainer(net, 1, optimizer=fastnn.Adam().kernel_settings())
    trainer.load(np.zeros((2, net.n_params), net.dtype))
    loss = np.empty(1)

    def job():
        trainer.set_position(0, 0, 0, 0.0)
        trainer.run(1, 1.0, loss)

    return job


def fits(X, y, rounds):
    """Whole fits: the estimator's own work beside the training's."""
    for copies, epochs in [(1, 200), (20, 20)]:
        rows, labels = np.tile(X, (copies, 1)), np.tile(y, copies)
        settings = SETTINGS | dict(max_iter=epochs)
        start = fastnn.MLPClassifier(**settings | dict(max_iter=1)).fit(rows, labels).network_

        def fit(module, rows=rows, labels=labels, settings=settings):
            module.MLPClassifier(**settings).fit(rows, labels)

        def fit_network(rows=rows, labels=labels, epochs=epochs, start=start):
            start.copy().fit(rows, labels, None, fastnn.Adam(l2=1e-4 / 32), epochs, 32)

        best = best_of(max(1, rounds // 2), dict(fastnn=lambda fit=fit: fit(fastnn), MLP=fit_network), dict(fastnn=1, MLP=1))
        best |= best_of(max(1, rounds // 30), dict(sklearn=lambda fit=fit: fit(neural_network)), dict(sklearn=1))
        show(f"fit, {len(rows):,} rows, {epochs} epochs", best, 1e3, "ms")


def show(name, best, unit, word):
    print(f"{name:<28} {best['fastnn'] * unit:>7.2f} {best['MLP'] * unit:>9.2f} {best['sklearn'] * unit:>13.2f} {word}", flush=True)


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
    print(f"\n{'5-fold score, mean of ' + str(seeds) + ' seeds':<36} {'fastnn':>9} {'scikit-learn':>13}")
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
                    found.append(cross_val_score(net, X, y, cv=folds(5, shuffle=True, random_state=0)).mean())
                means.append(np.mean(found))
            print(f"{name + (', scaled' if scaled else ''):<36} {means[0]:>9.4f} {means[1]:>13.4f}", flush=True)


if __name__ == "__main__":
    main()

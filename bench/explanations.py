"""Explanations of predictions: how many rows a second, and how exact, beside the package shap.

    python bench/explanations.py             # speed and errors beside shap (pip install shap), 5 minutes
    python bench/explanations.py --designs   # errors of other ways to draw permutations, 10 minutes

The errors are those of the contributions of a few rows, as a root mean square relative to that of the
contributions. The truth comes from 4,096 permutations, 32 for each of 128 background rows.
"""

import argparse
import time

import numpy as np

import fastnn
from fastnn.tabular.columns import frames
from fastnn.tabular.explaining import shapley
from fastnn.tabular.explaining.mixtures import Background, MixedRows, Scale
from fastnn.tabular.explaining.shapley import Walks

N_BACKGROUND, N_TRUE, N_SEEDS = 128, 4096, 6


def rms(x):
    return float(np.sqrt(np.mean(np.square(x))))


# ---- speed ----


def generated(n, rng):
    """Rows with 20 columns: 15 normal numbers and 5 with few values, and two classes."""
    X = rng.normal(size=(n, 20))
    X[:, 15:] = rng.integers(0, 5, (n, 5))
    noise = rng.normal(size=n)
    return X, (X[:, 0] + X[:, 1] * X[:, 2] + np.sin(X[:, 3]) + noise > 0).astype(int)


def compare_speed(n_rows, n_threads):
    rng = np.random.default_rng(0)
    model = fastnn.TabularClassifier(random_state=0, n_threads=n_threads).fit(*generated(3000, rng))
    X, _ = generated(n_rows, rng)
    others = generated(N_BACKGROUND, rng)[0]
    print(f"20 columns, {len(model.model_.networks())} networks of 64,64; probabilities")
    few = X[:5]
    truth = model.explain(few, background=others, n_permutations=N_TRUE).values
    print(f"{'':44}{'rows/s':>8}{'error':>9}")

    def show(name, explain, rows):
        error = rms(explain(few) - truth) / rms(truth)  # first: shap compiles in the first call
        began = time.perf_counter()
        explain(rows)
        speed = len(rows) / (time.perf_counter() - began)
        print(f"{name:44}{speed:8.1f}{error:9.3f}", flush=True)

    for n in (64, 128, 256):
        show(
            f"fastnn, {n} permutations",
            lambda rows, n=n: model.explain(rows, background=others, n_permutations=n).values,
            X,
        )
    try:
        import shap
    except ImportError:
        print("shap is not installed")
        return

    def predict(A):
        return model.predict_proba(A)[:, 1]

    masker = shap.maskers.Independent(others, max_samples=N_BACKGROUND)
    permutation = shap.PermutationExplainer(predict, masker)
    sampling = shap.SamplingExplainer(predict, others)
    for n in (2, 4):
        show(
            f"shap.PermutationExplainer, {n} permutations",
            lambda rows, n=n: permutation(rows, max_evals=20 * n + 1, silent=True).values,
            X[:10],
        )
    for n in (1280, 5120):
        show(
            f"shap.SamplingExplainer, {n} predictions",
            lambda rows, n=n: sampling.shap_values(rows, nsamples=n, silent=True),
            X[:10],
        )


# ---- designs ----


def draw_shared(n_walks, n_columns, starts, rng):
    """Pairs that start from the same background row."""
    walks = Walks.draw(n_walks, n_columns, starts, rng)
    orders = [rng.permutation(len(starts)) for _ in range(-(-n_walks // 2 // len(starts)))]
    return Walks(walks.orders, np.repeat(np.concatenate(orders)[: n_walks // 2], 2), starts)


def draw_independent(n_walks, n_columns, starts, rng):
    """Walks without pairs."""
    orders = np.stack([rng.permutation(n_columns) for _ in range(n_walks)])
    return Walks(orders, Walks.draw(n_walks, n_columns, starts, rng).others, starts)


DESIGNS = {
    "one row a pair": draw_shared,
    "one row a walk": Walks.draw,
    "no pairs": draw_independent,
}


def compare_designs():
    from sklearn.datasets import load_breast_cancer, load_diabetes

    for load, estimator, scale in (
        (load_breast_cancer, fastnn.TabularClassifier, "probability"),
        (load_breast_cancer, fastnn.TabularClassifier, "log-odds"),
        (load_diabetes, fastnn.TabularRegressor, None),
    ):
        X, y = load(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(X))
        X, y = X[order], y[order]
        model = estimator(2, random_state=0).fit(X, y).model_
        mixed_rows = MixedRows(model, Scale.of_model(model.targets, scale), -1)
        print(f"\n{load.__name__[5:]}, {len(mixed_rows.columns)} columns, {scale or 'target'}")
        print(f"{'':18}{'walks':>6}{'error':>9}{'weighted':>10}{'error / s.e. of':>20}")
        print(f"{'':43}{'pairs':>10}{'neighbours':>12}")
        compare_designs_of(mixed_rows, X)


def compare_designs_of(mixed_rows, X):
    features = mixed_rows.model.features
    background, rows = (
        Background(*features.transform(frames.read(x))) for x in (X[:N_BACKGROUND], X[200:206])
    )
    others, tables = mixed_rows.encode(background), mixed_rows.encode(rows)
    starts, ends = mixed_rows.predict(others), mixed_rows.predict(tables)
    values = mixed_rows.first_features(background)

    def walk(walks):
        n = len(ends) * walks.n_mixed
        mixed = mixed_rows.predict_mixed(tables, others, n, walks.mix)
        return list(walks.contributions(mixed, ends))

    n_columns = len(mixed_rows.columns)
    truth = np.mean(walk(Walks.draw(N_TRUE, n_columns, starts, np.random.default_rng(99))), axis=0)
    for n in (64, 128, 256):
        for name, draw in DESIGNS.items():
            errors, weighted, pairs, neighbours = [], [], [], []
            for seed in range(N_SEEDS):
                walks = draw(n, n_columns, starts, np.random.default_rng(seed))
                found = walk(walks)
                walks.set_neighbours(values)
                mean, error = shapley.balanced_walk_mean(found, walks.neighbours)
                errors.append(mean - truth)
                neighbours.append(error)
                pairs.append(
                    shapley.weighted_walk_mean(found, np.full_like(starts[walks.others], 1 / n))[1]
                )
                weighted.append(shapley.weighted_walk_mean(found, walks.weights()[0])[0] - truth)
            of_pairs, of_neighbours = rms(errors) / rms(pairs), rms(errors) / rms(neighbours)
            print(
                f"{name:18}{n:6}{rms(errors) / rms(truth):9.4f}{rms(weighted) / rms(truth):10.4f}"
                f"{of_pairs:10.2f}{of_neighbours:12.2f}",
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--designs", action="store_true", help="compare designs, not programs")
    parser.add_argument("--rows", type=int, default=400, help="to explain by fastnn (default: 400)")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.designs:
        compare_designs()
    else:
        compare_speed(arguments.rows, arguments.threads)


if __name__ == "__main__":
    main()

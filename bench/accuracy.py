"""Compute the accuracy of fastnn's estimators: the tables of docs/estimators.md and ensembles.md.

    python bench/accuracy.py                     all tables, one thread; about five minutes
    python bench/accuracy.py --only noise,rare   some of them
    python bench/accuracy.py --quick             one repetition
    python bench/accuracy.py --mnist FOLDER --children FILE

    defaults    fastnn's and scikit-learn's estimators without arguments, and longer training
    stopping    early stopping on small tables
    noise       penalties and early stopping on noisy targets
    rare        class weights and thresholds if one class is rare
    ensembles   one network and eight; coverage of prediction intervals

The first three are 5-fold cross-validations, each repetition with other folds. They print the
mean and the standard deviation of the repetitions. The networks of "defaults" have the number of
the repetition as `random_state`, the others 0. The last two split the rows at random five times,
with the number of the split as `random_state`. "rare" prints the mean and "ensembles" also the
standard error.

Inputs are scaled, except those of "rare" and of half of "defaults", and so are the targets of
"noise" and "ensembles".

The data ship with scikit-learn or with fastnn, or are synthetic. "ensembles" also has two tables
that you provide: --mnist takes the folder of examples/mnist.py, of which it uses the 10,000 test
images, and --children the CSV file of examples/age_from_height.py.
"""

import warnings

import measure
import numpy as np
from measure import table_row
from published import read_idx
from sklearn import datasets, metrics, neural_network
from sklearn.base import is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    KFold,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

import fastnn
from fastnn import MLPClassifier, MLPRegressor, losses
from fastnn.datasets import load_digits, load_wine

LONGER = dict(max_iter=1000, n_iter_no_change=30)
LEGEND = "longer: max_iter=1000, n_iter_no_change=30"
COVERAGES = 0.8, 0.9, 0.95


def main():
    parser = measure.make_parser(__doc__)
    parser.add_argument("--only", help=f"comma-separated, of {','.join(TABLES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="one repetition")
    parser.add_argument("--mnist", metavar="FOLDER", help="folder with the files of MNIST")
    parser.add_argument("--children", metavar="FILE", help="CSV file with height, sex and age")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    names = measure.select_names(parser, "only", arguments.only, TABLES)
    print(f"{measure.versions('scikit-learn')}; one thread")
    for name in names:
        TABLES[name](arguments)


def mean_and_sd(values):
    """Format the mean and the standard deviation."""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=min(1, len(values) - 1)):.3f}"


def mean_and_se(values):
    """Format the mean and the standard error."""
    error = np.std(values, ddof=min(1, len(values) - 1)) / len(values) ** 0.5
    return f"{np.mean(values):.3f} ± {error:.3f}"


# ---- cross-validation ----


def validate(model, X, y, seed, scaled=True):
    """Return the means over five folds of the scores and the number of epochs, in a dict.

    The number of epochs is NaN for a model without epochs.
    """
    is_classes = is_classifier(model)
    results = cross_validate(
        make_pipeline(StandardScaler() if scaled else "passthrough", model),
        X,
        y,
        cv=(StratifiedKFold if is_classes else KFold)(5, shuffle=True, random_state=seed),
        scoring=["accuracy", "neg_log_loss"] if is_classes else ["r2"],
        return_estimator=True,
    )
    means = {"epochs": np.mean([getattr(m[-1], "n_iter_", np.nan) for m in results["estimator"]])}
    if not is_classes:
        return {"R^2": results["test_r2"].mean()} | means
    return {
        "accuracy": results["test_accuracy"].mean(),
        "log loss": -results["test_neg_log_loss"].mean(),
    } | means


def print_scores(widths, columns, format_values):
    """Print one line for each score.

    columns : a list of dicts for each column, one dict of scores for each repetition
    """
    for score in columns[0][0]:
        values = [[repetition[score] for repetition in column] for column in columns]
        if score == "epochs":
            cells = [f"{np.mean(each):.0f}" for each in values]
        else:
            cells = [format_values(each) for each in values]
        print(table_row(widths, f"  {score}", *cells), flush=True)


def print_defaults(arguments):
    """Compare the defaults of both libraries, with raw and scaled inputs."""
    tables = {
        "breast cancer": datasets.load_breast_cancer(return_X_y=True),
        "wine": datasets.load_wine(return_X_y=True),
        "digits": load_digits(),
        "diabetes": datasets.load_diabetes(return_X_y=True),
        "colour of wine": load_wine(),
    }
    n_seeds = 1 if arguments.quick else 5
    widths = 26, 17, 17, 17
    print(f"\nDefaults of both libraries; {LEGEND}\n")
    print(table_row(widths, "", "fastnn", "scikit-learn", "fastnn, longer"))
    for name, (X, y) in tables.items():
        is_regression = name in ("diabetes", "colour of wine")
        kind = "MLPRegressor" if is_regression else "MLPClassifier"
        for scaled in False, True:
            columns = [
                [
                    validate(
                        getattr(module, kind)(random_state=i, **settings), X, y, i, scaled=scaled
                    )
                    for i in range(n_seeds)
                ]
                for module, settings in ((fastnn, {}), (neural_network, {}), (fastnn, LONGER))
            ]
            print(name + (", scaled" if scaled else ""))
            print_scores(widths, columns, mean_and_sd)


def print_stopping(arguments):
    """Compare early stopping with the defaults, on small tables."""
    tables = {
        "iris": (datasets.load_iris(return_X_y=True), 20),
        "wine": (datasets.load_wine(return_X_y=True), 20),
        "breast cancer": (datasets.load_breast_cancer(return_X_y=True), 20),
        "digits": (datasets.load_digits(return_X_y=True), 4),
    }
    columns = {
        "default": {},
        "10 % held out": dict(early_stopping=True),
        "20 % held out": dict(early_stopping=True, validation_fraction=0.2),
        "patience 30": dict(early_stopping=True, n_iter_no_change=30),
        "longer": LONGER,
    }
    widths = 10, 14, 14, 14, 14, 14
    print(f"\nEarly stopping (patience 30: n_iter_no_change); {LEGEND}\n")
    print(table_row(widths, "", *columns))
    for name, ((X, y), n_repetitions) in tables.items():
        n = 1 if arguments.quick else n_repetitions
        models = [MLPClassifier(random_state=0, **settings) for settings in columns.values()]
        print(f"{name}, {len(X)} rows")
        print_scores(
            widths, [[validate(model, X, y, i) for i in range(n)] for model in models], mean_and_sd
        )


def print_noise(arguments):
    """Compare penalties and early stopping on diabetes, whose targets are noisy."""
    X, y = datasets.load_diabetes(return_X_y=True)
    models = {
        "default": {},
        "early_stopping=True": dict(early_stopping=True),
        "alpha=1": dict(alpha=1.0),
        "alpha=10": dict(alpha=10.0),
        "alpha=10, early_stopping=True": dict(alpha=10.0, early_stopping=True),
        "longer": LONGER,
        "longer, alpha=10": LONGER | dict(alpha=10.0),
    }
    models = {name: MLPRegressor(random_state=0, **options) for name, options in models.items()}
    models["LinearRegression"] = LinearRegression()
    widths = 34, 16, 10
    print(f"\nNoisy targets: diabetes; {LEGEND}\n")
    print(table_row(widths, "", "R^2", "epochs"))
    for name, model in models.items():
        results = [validate(model, X, scale(y), i) for i in range(1 if arguments.quick else 5)]
        r2, epochs = zip(*(result.values() for result in results))
        epochs = "" if np.isnan(epochs[0]) else f"{np.mean(epochs):.0f}"
        print(table_row(widths, name, mean_and_sd(r2), epochs), flush=True)


# ---- a rare class ----


def make_rare(seed):
    """Return 6000 training rows, of which 6 % belong to class 1, and 3000 test rows."""
    X, y = datasets.make_classification(
        9000,
        10,
        n_informative=6,
        weights=[0.95],
        class_sep=0.8,
        flip_y=0.02,
        random_state=seed,
    )
    return train_test_split(X, y, stratify=y, test_size=1 / 3, random_state=seed)


def print_rare(arguments):
    """Compare weights, thresholds and calibration if one class is rare."""
    widths = 26, 9, 8, 10, 9, 10, 7
    n_seeds = 1 if arguments.quick else 5
    results, thresholds = {}, []
    for seed in range(n_seeds):
        X, X_new, y, y_new = make_rare(seed)

        def fit(X=X, y=y, seed=seed, **settings):
            return MLPClassifier((32,), alpha=1.0, random_state=seed, **settings).fit(X, y)

        plain = fit()
        tuned = TunedThresholdClassifierCV(plain, random_state=seed).fit(X, y)
        thresholds.append(tuned.best_threshold_)
        X_part, X_rest, y_part, y_rest = train_test_split(X, y, stratify=y, random_state=seed)
        part = fit(X_part, y_part, class_weight="balanced")
        sigmoid = CalibratedClassifierCV(FrozenEstimator(part), method="sigmoid")
        models = {
            "plain": plain,
            "balanced": fit(class_weight="balanced"),
            "{0: 1, 1: 5}": fit(class_weight={0: 1, 1: 5}),
            "BCE(pos_weight=15)": fit(loss=losses.BCE(pos_weight=15)),
            "plain, threshold 0.1": FixedThresholdClassifier(
                FrozenEstimator(plain), threshold=0.1, response_method="predict_proba"
            ).fit(X, y),
            "plain, tuned threshold": tuned,
            "balanced, 3/4 of the rows": part,
            "  calibrated, sigmoid": sigmoid.fit(X_rest, y_rest),
        }
        for name, model in models.items():
            results.setdefault(name, []).append(scores_of_rare(model, X_new, y_new))
        part.calibrate(X_rest, y_rest)
        scores = scores_of_rare(part, X_new, y_new)
        results.setdefault("  calibrated, temperature", []).append(scores)
    print("\nA rare class\n")
    print(table_row(widths, "", "accuracy", "recall", "precision", "balanced", "av. prec.", "loss"))
    for name, rows in results.items():
        print(table_row(widths, name, *(f"{value:.3f}" for value in np.mean(rows, axis=0))))
    print(f"tuned thresholds: {', '.join(f'{t:.2f}' for t in thresholds)}", flush=True)


def scores_of_rare(model, X, y):
    predicted, p = model.predict(X), model.predict_proba(X)[:, 1]
    return [
        metrics.accuracy_score(y, predicted),
        metrics.recall_score(y, predicted),
        metrics.precision_score(y, predicted),
        metrics.balanced_accuracy_score(y, predicted),
        metrics.average_precision_score(y, p),
        metrics.log_loss(y, p),
    ]


# ---- ensembles ----


def ensemble_tables(arguments):
    """Yield name, X, y, the number of training rows, and whether y has classes."""
    hastie = datasets.make_hastie_10_2(4000, random_state=0)
    moons = datasets.make_moons(3300, noise=0.3, random_state=0)
    friedman = datasets.make_friedman1(3300, noise=1.0, random_state=0)
    yield "breast cancer", *datasets.load_breast_cancer(return_X_y=True), 379, True
    if arguments.mnist:
        images, y = (
            read_idx(arguments.mnist, f"t10k-{name}-ubyte")
            for name in ("images-idx3", "labels-idx1")
        )
        yield "MNIST", images.reshape(len(images), -1) / 255, y, 1000, True
    yield "Hastie", *hastie, 1000, True
    yield "two moons", *moons, 300, True
    yield "diabetes", *datasets.load_diabetes(return_X_y=True), 294, False
    if arguments.children:
        table = np.loadtxt(arguments.children, delimiter=",", skiprows=1, usecols=(0, 1, 2))
        yield "age of children", table[:, :2], table[:, 2], len(table) * 2 // 3, False
    yield "Friedman 1", *friedman, 300, False


def print_ensembles(arguments):
    """Compare ensembles with one network, and print the coverage of prediction intervals."""
    columns = {
        "1 network": {},
        "folds": dict(n_estimators=8),
        "bootstrap": dict(n_estimators=8, bagging="bootstrap"),
        "None": dict(n_estimators=8, bagging=None),
        "longer": dict(n_estimators=8, **LONGER),
    }
    n_splits = 1 if arguments.quick else 5
    widths = 10, 14, 14, 14, 14, 14
    coverages = {}
    print(f"\nEnsembles of 8 networks; {LEGEND}, folds\n")
    print(table_row(widths, "", *columns))
    for name, X, y, n, is_classes in ensemble_tables(arguments):
        estimator = MLPClassifier if is_classes else MLPRegressor
        results = [[] for _ in columns]
        for seed in range(n_splits):
            X_train, X_test, y_train, y_test = split(X, y, n, seed, is_classes, name == "MNIST")
            for result, settings in zip(results, columns.values()):
                model = estimator(random_state=seed, **settings).fit(X_train, y_train)
                result.append(scores_of(model, X_test, y_test))
                if not is_classes and settings == columns["folds"]:
                    coverages.setdefault(name, []).append(coverage(model, X_test, y_test))
        print(f"{name}, {n} training rows")
        print_scores(widths, results, mean_and_se)
    widths = 16, 16, 16, 16
    print("\nCoverage of the intervals of 8 networks\n")
    print(table_row(widths, "", *COVERAGES))
    for name, rows in coverages.items():
        print(table_row(widths, name, *map(mean_and_se, np.transpose(rows))), flush=True)


def split(X, y, n, seed, is_classes, is_image):
    """Return X_train, X_test, y_train, y_test with n training rows.

    The training rows determine the scale of the inputs, except of images, and of targets.
    """
    X, X_test, y, y_test = train_test_split(
        X, y, train_size=n, random_state=seed, stratify=y if is_classes else None
    )
    if not is_image:
        scaler = StandardScaler().fit(X)
        X, X_test = scaler.transform(X), scaler.transform(X_test)
    if not is_classes:
        y, y_test = (y - y.mean()) / y.std(), (y_test - y.mean()) / y.std()
    return X, X_test, y, y_test


def scores_of(model, X, y):
    if not is_classifier(model):
        return {"R^2": model.score(X, y)}
    return {
        "accuracy": model.score(X, y),
        "log loss": metrics.log_loss(y, model.predict_proba(X)),
    }


def coverage(model, X, y):
    """Return the share of the targets in the intervals of each nominal coverage."""
    bounds = (model.predict_interval(X, share) for share in COVERAGES)
    return [np.mean((lower <= y) & (y <= upper)) for lower, upper in bounds]


TABLES = {
    "defaults": print_defaults,
    "stopping": print_stopping,
    "noise": print_noise,
    "rare": print_rare,
    "ensembles": print_ensembles,
}


if __name__ == "__main__":
    main()

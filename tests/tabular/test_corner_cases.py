"""Malformed tables and degenerate data: a result of finite numbers, or one line that says what to
do."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from cli_cases import FAST
from numpy.testing import assert_allclose

import fastnn
from fastnn import MLP, MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor
from fastnn.estimators.inputs import root_mean_square
from fastnn.tables import TableError, read, text_files

pytestmark = pytest.mark.filterwarnings("ignore:y holds only the class")

N = 30
rng = np.random.default_rng(0)
X, Z = rng.normal(size=(2, N))
LABELS = np.where(X > 0, "a", "b")
LINES = [f"{x:.3f},{z:.3f},{label}" for x, z, label in zip(X, Z, LABELS)]


def table(rows, header="x,z,y"):
    return "\n".join([header, *rows, ""])


def with_line(line):
    """The table with a line 12 of its own."""
    return table([*LINES[:10], line, *LINES[10:]])


# ---- tables of the command line ----

LATE = table(LINES * 20)  # longer than the start of a file that its kind is found from
ZEROS = "is not text (it contains zero bytes). Save the table as CSV in UTF-8."
MALFORMED = {
    "empty": ("", "t.csv: is empty. The first line must contain the column names."),
    "a byte order mark alone": ("\ufeff", "t.csv: is empty."),
    "column names alone": ("x,z,y\n", "t.csv: has 3 columns but no rows."),
    "one row": (table(LINES[:1]), "t.csv: the target 'y' is 'a' in every row."),
    "a long row": (with_line("1,2,a,3"), "t.csv, line 12: has 4 values, but the header has 3."),
    "an open quote": (with_line('1,"2,a'), "t.csv, line 12: a quote is not closed. Correct the"),
    "a missing label": (with_line("1,2,"), "t.csv, line 12: the target 'y' is missing (in 1 row)."),
    "a number above the largest": (with_line("1e400,2,a"), "column 'x' is infinite in line 12."),
    "a zero byte": (with_line("\0,2,a"), f"t.csv, line 12: {ZEROS}"),
    "a late zero byte": (f"{LATE}1,\0,a\n", f"t.csv, line {20 * N + 2}: {ZEROS}"),
    "zero bytes at the end": (table(LINES) + "\0" * 5000, f"t.csv, line {N + 2}: {ZEROS}"),
    "bytes of no encoding": (
        table(LINES).encode() + b"1,2,\x81\n",
        f"t.csv, line {N + 2}: is not UTF-8, and its encoding cannot be told. Pass the right",
    ),
    "too many columns": (
        ",".join(f"c{i}" for i in range(20_000)) + "\n" + ",".join("1" * 20_000),
        "t.csv: has 20,000 columns, but at most 10,000 are supported.",
    ),
    "a large target": (
        table([f"{x},{z},{x}e200" for x, z in zip(X, Z)]),
        "t.csv: the target 'y' holds numbers up to 2e+200, but at most 1e+150 is supported. "
        "Rescale the target 'y'.",
    ),
    "equal rows": (
        table(["1,2,a"] * 5 + ["1,2,b"] * 5),
        "t.csv: no column besides the target can be used ('x': all values are equal; 'z': all",
    ),
}


def write(data):
    Path("t.csv").write_bytes(data if isinstance(data, bytes) else data.encode())


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_table_is_one_line(run, name):
    data, message = MALFORMED[name]
    write(data)
    code, out, errors = run("train", "t.csv", "--target", "y", "--out", "m", "--quiet", *FAST)
    assert (code, out, os.listdir()) == (2, "", ["t.csv"])
    assert errors.startswith("fastnn train: ") and errors.count("\n") == 1 and message in errors


TAKEN = [
    (with_line("1,2"), "t.csv, line 12: has 2 values for 3 columns. It was filled with missing"),
    (table(LINES, "y,z,y"), "t.csv: 1 column has the name of another one. A number was added"),
]


@pytest.mark.parametrize(("data", "note"), TAKEN)
def test_a_table_that_is_taken_as_it_is(run, data, note):
    write(data)
    options = ("--target", "y", "--skip-missing-target", "--out", "m", "--quiet")
    code, out, errors = run("train", "t.csv", *options, *FAST)
    assert (code, out, sorted(os.listdir())) == (0, "", ["m", "t.csv"])
    assert errors.startswith(f"note: {note}") and errors.count("\n") <= 2


DEGENERATE = {
    "two rows": table(["1,2,a", "2,3,b"]),
    "three rows of numbers": table(["1,2,1.5", "2,3,2.5", "4,5,9.25"]),
    "a constant column": table([f"{x},7,{label}" for x, label in zip(X, LABELS)]),
    "a column twice": table([f"{x},{x},{label}" for x, label in zip(X, LABELS)]),
    "copies of two rows": table(["1,2,a", "2,3,b"] * 10),
    "equal rows of different classes": table(["1,2,a", "1,2,b", "2,2,a", "2,2,b"] * 5),
    "numbers about 1e38": table([f"{x}e38,{z},{label}" for x, z, label in zip(X, Z, LABELS)]),
    "numbers about 1e200": table([f"{x}e200,{z},{label}" for x, z, label in zip(X, Z, LABELS)]),
    "targets about 1e38": table([f"{x},{z},{x}e38" for x, z in zip(X, Z)]),
    "a class of one row": table([*LINES, "1,2,c"]),
    "a long label": with_line("1,2," + "a" * 50_000),
}


CLASS_OF_ONE = ("two rows", "a class of one row", "a long label")


@pytest.mark.parametrize("name", DEGENERATE)
def test_a_degenerate_table_gives_finite_predictions(run, name):
    data = DEGENERATE[name]
    write(data)
    code, _, errors = run("train", "t.csv", "--target", "y", "--out", "m", "--quiet", *FAST)
    has_note = "single row, too few" in errors
    assert code == 0 and errors.count("\n") == has_note == (name in CLASS_OF_ONE)
    is_number = name in ("three rows of numbers", "targets about 1e38")
    options = () if is_number else ("--proba",)
    code, _, errors = run("predict", "m", "t.csv", "--out", "p.csv", *options)
    assert code == 0, errors
    predictions = read("p.csv").to_pandas()
    assert len(predictions) == data.count("\n") - 1
    numbers = predictions if is_number else predictions.filter(like="probability")
    assert np.isfinite(numbers.to_numpy()).all()


def test_held_out_rows_are_counted(run):
    write(DEGENERATE["two rows"])
    assert "\n1 row held out " in run("train", "t.csv", "--target", "y", "--out", "m", *FAST)[1]


LONG_LINES = [
    ('2,b\n1,"', ", line 3: cannot be read: a value has more than 131,072 characters (is a"),
    ("1," * 1_500_000, ", line 2: has 1,500,002 values, but the header has 2. Correct the line."),
]


@pytest.mark.parametrize(("start", "message"), LONG_LINES)
def test_lines_that_are_too_long(file, monkeypatch, start, message):
    monkeypatch.setattr(text_files, "MAX_BLOCK", 1 << 20)
    path = file("t.csv", "x,y\n" + start + "1,a\n" * 600_000)
    with pytest.raises(TableError) as caught:
        read(path)
    assert message in str(caught.value) and "straddl" not in str(caught.value)


# ---- data of the estimators ----

A = np.c_[X, Z]
BITS = (X > 0).astype(int)
DATA = {  # rows, classes, numbers
    "one class": (A, np.zeros(N, int), np.full(N, 3.5)),
    "one row": (A[:1], BITS[:1], X[:1]),
    "two rows": (A[:2], np.arange(2), X[:2]),
    "a constant column": (np.c_[A, np.full(N, 7.0)], BITS, X),
    "equal rows": (np.repeat(A[:1], N, axis=0), BITS, X),
    "numbers about 1e38": (A * 1e38, BITS, X),
    "numbers about 1e-40": (A * 1e-40, BITS, X * 1e-40),
    "a class of one row": (A, np.r_[2, BITS[1:]], X),
    "a class for each row": (A, np.arange(N), X),
}
NETWORK = dict(hidden_layer_sizes=4, max_iter=3, n_iter_no_change=np.inf, random_state=0)
TABULAR = dict(n_estimators=1, hidden_layer_sizes=4, n_threads=1, random_state=0)
ESTIMATORS = {
    "classifier": MLPClassifier(**NETWORK),
    "large batches": MLPClassifier(**NETWORK, batch_size=10**6),
    "ensemble": MLPClassifier(**NETWORK, n_estimators=2, bagging="bootstrap"),
    "balanced": MLPClassifier(**NETWORK, class_weight="balanced"),
    "early stopping": MLPClassifier(**NETWORK, early_stopping=True, validation_fraction=0.3),
    "lbfgs": MLPClassifier(**NETWORK, solver="lbfgs"),
    "regressor": MLPRegressor(**NETWORK),
    "regressor, early stopping": MLPRegressor(**NETWORK, early_stopping=True),
    "tabular classifier": TabularClassifier(**TABULAR),
    "tabular regressor": TabularRegressor(**TABULAR),
}
SINGLE = "early_stopping=True holds out rows of each class, but 0 has a single row. Add rows"
FEW, EQUAL = "fit needs at least 2 rows, got 1 sample.", "X has no usable column ('0': all values"
REFUSED = {
    ("early stopping", "one row"): "but X has a single row. Add rows, pass validation_data, or",
    ("early stopping", "two rows"): SINGLE,
    ("regressor, early stopping", "one row"): "but X has a single row. Add rows, pass",
    ("regressor, early stopping", "two rows"): "holds out 1 of 2 rows, but at least 2 are needed.",
    ("tabular classifier", "one row"): FEW,
    ("tabular regressor", "one row"): FEW,
    ("tabular classifier", "equal rows"): EQUAL,
    ("tabular regressor", "equal rows"): EQUAL,
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # X is badly scaled, and others with advice
@pytest.mark.usefixtures("quick_recipe")
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators_on_degenerate_data(name, data):
    from sklearn.base import clone, is_classifier

    estimator = clone(ESTIMATORS[name])
    rows, classes, numbers = DATA[data]
    y = classes if is_classifier(estimator) else numbers
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # NumPy's, which name no argument
        if (name, data) in REFUSED:
            with pytest.raises(ValueError) as caught:
                estimator.fit(rows, y)
            assert REFUSED[name, data] in str(caught.value)
            return
        estimator.fit(rows, y)
        assert np.isfinite(getattr(estimator, "predict_proba", estimator.predict)(rows)).all()


@pytest.mark.parametrize("weights", ["zero", "one row"])
def test_weights_of_zero(weights):
    w = np.zeros(N)
    w[0] = weights == "one row"
    net = MLP([2, 4, 1], rng=0)
    history = net.fit(A, X, epochs=2, sample_weight=w)
    assert np.isfinite(net.params).all()
    if weights == "zero":
        assert history.loss == [0, 0]
        with pytest.raises(ValueError, match=r"(?i)sample.weights?.* (zero|non-zero)"):
            MLPRegressor(**NETWORK).fit(A, X, sample_weight=w)
    else:
        assert np.isfinite(MLPRegressor(**NETWORK).fit(A, X, sample_weight=w).predict(A)).all()


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_held_out_rows_of_weight_zero(estimator):
    y = BITS if estimator is MLPClassifier else X
    with pytest.raises(ValueError, match="holds out 3 rows, but sample_weight is zero in all of"):
        estimator(**NETWORK, early_stopping=True).fit(A, y, sample_weight=np.eye(N)[1])


def test_no_epoch_changes_nothing():
    net = MLP([2, 4, 1], rng=0)
    before = net.params.copy()
    assert net.fit(A, X, epochs=0).loss == [] and (net.params == before).all()
    with pytest.raises(ValueError, match=r"'max_iter' .* in the range \[1, inf\). Got 0"):
        MLPRegressor(max_iter=0).fit(A, X)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_numbers_too_large_for_float32_are_explained():
    note = r"Numbers above 3.4e\+38 are infinite in float32"
    for rows, y, name in ((A * 1e200, X, "X"), (A, X * 1e200, "y")):
        with pytest.raises(fastnn.DivergenceError, match=f"{name} holds NaN or infinity .*{note}"):
            MLP([2, 4, 1], dtype="float32", rng=0).fit(rows, y)
    with pytest.raises(ValueError, match=f"X contains inf .*{note}"):
        MLPRegressor(**NETWORK, dtype="float32").fit(A * 1e200, X)


def test_the_scale_of_numbers_whose_squares_are_infinite():
    with pytest.warns(UserWarning, match=r"range from \S+e\+198 .* to \S+e\+199 ") as caught:
        MLPClassifier(**NETWORK).fit(A * [1e200, 1e199], BITS)
    assert not any(issubclass(warning.category, RuntimeWarning) for warning in caught)
    assert_allclose(root_mean_square(A * 1e200), root_mean_square(A) * 1e200)
